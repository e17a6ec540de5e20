//! Every mode runs, says what it is, and leaves the same journal.

use std::path::PathBuf;

use pricewright::journal::Durability;

use crate::market::engine::Config;
use crate::support::{Place, objects};
use crate::topology::{behind_a_ring, fused, gateway_apart, trade};

/// Messages a second of the exchange: fewer than elsewhere, since every order waits for the disk.
const RATE: u32 = 3_000;

/// A desk in mode `sync` trades, and its journal is decided again to the same decisions.
fn trade_in_sync(what: &str, lay: impl FnOnce(&mut Config)) {
    let folder = trade(what, RATE, |config| {
        config.journal.durability = Durability::Sync;
        lay(config);
    });
    assert!(!folder.path().join("journal/ram").exists(), "{what}: everything is on the disk");
}

#[test]
fn sync_on_one_thread() {
    trade_in_sync("sync, fused", fused);
}

#[test]
fn sync_behind_a_ring() {
    trade_in_sync("sync, pipelined", behind_a_ring);
}

#[test]
fn sync_with_the_gateway_apart() {
    trade_in_sync("sync, gateway apart", gateway_apart);
}

fn shop(mode: &str) -> String {
    include_str!("../../../strategies/pricing/flash_sale/stdin.toml")
        .replace("segment_mib = 16", &format!("segment_mib = 1\ndurability = \"{mode}\""))
}

const EVENTS: &str = include_str!("../../../strategies/pricing/flash_sale/events.jsonl");

/// The published prices and the journal's records are the same whatever the mode; only stamps differ.
#[test]
fn a_shop_publishes_the_same_prices_in_every_mode() {
    let mut first: Option<Vec<serde_json::Value>> = None;
    for mode in ["process", "async", "group", "sync"] {
        let place = Place::new();
        place.write("shop.toml", &shop(mode));
        let checked = place.json(&["check", "shop.toml", "--json"]);
        assert_eq!(checked["configuration"]["journal"]["durability"], mode);
        let finished = place.run(&["run", "shop.toml", "--journal", "journal"], EVENTS);
        assert_eq!(finished.code, Some(0), "{mode}: {finished:#?}");
        let said = finished.err.iter().any(|line| line.contains(&format!("durability {mode}")));
        assert_eq!(said, mode != "process", "{mode}: {finished:#?}");
        let mut prices = objects(&finished.out);
        assert!(!prices.is_empty(), "{mode}: {finished:#?}");
        for price in &mut prices {
            let fields = price.as_object_mut().expect("an object");
            fields.retain(|name, _| {
                !name.contains("time") && !name.ends_with("_ns") && name != "at" && name != "ts"
            });
        }
        match &first {
            None => first = Some(prices),
            Some(first) => assert_eq!(*first, prices, "{mode}"),
        }
        place.verify("journal");
        let verified = place.json(&["journal", "verify", "journal", "--json"]);
        assert_eq!(verified["outcome"], "good", "{mode}: {verified:#}");
        assert!(!place.path("journal/ram").exists(), "{mode}");
        assert_eq!(place.path("journal/durable").exists(), mode != "process", "{mode}");
    }
}

#[test]
fn the_summary_says_how_long_records_took() {
    let place = Place::new();
    place.write("shop.toml", &shop("sync").replace("stdout = true", "file = \"prices.jsonl\""));
    let finished = place.run(&["run", "shop.toml", "--journal", "journal", "--json"], EVENTS);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let summary: serde_json::Value = serde_json::from_str(&finished.out.join("\n")).expect("JSON");
    let durable = &summary["durable"];
    let number = |key: &str| durable[key].as_u64().unwrap_or_else(|| panic!("{key}: {summary:#}"));
    assert_eq!(summary["durability"], "sync");
    assert!(number("records") > 10 && number("writes") > 0 && number("bytes") >= 4096);
    let delay = |key: &str| durable["delay_ns"][key].as_u64().unwrap_or_else(|| panic!("{key}: {summary:#}"));
    assert!(delay("p50") > 0 && delay("p50") <= delay("p99"));
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let place = Place::new();
    for (line, said) in [
        ("durability = \"always\"", "`always` is none of its values; it takes process, async, group, sync"),
        ("durable_interval_ms = 0", "durable_interval_ms: give 1 to 1000"),
        ("durability = \"group\"\nram_dir = \"here\"", "ram_dir: give an absolute path"),
    ] {
        let text = shop("process").replace("durability = \"process\"", line);
        place.write("shop.toml", &text);
        let finished = place.expect(2, &["check", "shop.toml"]);
        assert!(finished.err.iter().any(|found| found.contains(said)), "{line}: {finished:#?}");
    }
    let missing = PathBuf::from("/nowhere/ram");
    let text = shop("group").replace("segment_mib = 1", &format!("segment_mib = 1\nram_dir = {missing:?}"));
    place.write("shop.toml", &text);
    let finished = place.expect(2, &["run", "shop.toml", "--journal", "journal"]);
    assert!(finished.err.iter().any(|line| line.contains("/nowhere/ram")), "{finished:#?}");
}
