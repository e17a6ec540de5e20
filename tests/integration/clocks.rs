//! Clocks that were wrong, and a process that stood still.

use std::path::Path;
use std::time::{Duration, Instant};

use pricewright::config::ConfigText;
use pricewright::pipeline::open::{OpenJournal, Opening};
use pricewright_core::kernel::Nanos;
use pricewright_strategies::pricing::flash_sale::FlashSale;

use crate::support::{BOUND, Finished, Place};

const INVENTORY: &str =
    r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}"#;
/// 2096-01-01T00:00:00Z, by `date -u -d … +%s`.
const AHEAD: Nanos = Nanos(3_976_214_400_000_000_000);

fn told(finished: &Finished, what: &str) -> bool {
    finished.err.iter().any(|line| line.contains(what))
}

/// A journal whose only run was stamped by a clock that was seventy years ahead; it was killed, as the program itself.
fn ahead(place: &Place) {
    let text = "machine = \"flash_sale\"\n[journal]\ndir = \"j\"\nsegment_mib = 1\n[runtime]\nidle = \"backoff\"\n\
                [feed.jsonl]\nstdin = true\n[gateway.jsonl]\nstdout = true\n[config]\n";
    place.write("c.toml", text);
    let config = ConfigText { path: "c.toml".to_owned(), text: text.to_owned() };
    let config = config.pipeline::<FlashSale>().expect("good");
    let program = std::fs::read(env!("CARGO_BIN_EXE_pricewright")).expect("the program");
    let build_hash = Some(*blake3::hash(&program).as_bytes());
    let dir = place.path("j");
    let opening = Opening { build_hash, ..Opening::default() };
    let journal = OpenJournal::open_with::<FlashSale>(&dir, &config, &opening).expect("opened");
    let begun = journal.begin::<FlashSale>(&dir, &config, AHEAD).expect("begun");
    begun.writer.close().expect("closed");
}

#[test]
fn a_journal_that_is_ahead_of_the_clock_is_said() {
    let place = Place::new();
    ahead(&place);
    let refused = place.run(&["run", "c.toml"], &format!("{INVENTORY}\n"));
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    for part in
        ["last stamp, 2096-01-01T00:00:00Z, is", "years ahead of this machine's clock", "--accept-clock"]
    {
        assert!(told(&refused, part), "no {part:?}: {refused:#?}");
    }
    assert!(refused.out.is_empty(), "{refused:#?}");
    let accepted = place.run(&["run", "c.toml", "--accept-clock"], &format!("{INVENTORY}\n"));
    assert_eq!((accepted.code, accepted.out.len()), (Some(0), 1), "{accepted:#?}");
    assert!(told(&accepted, "going on from there"), "{accepted:#?}");
    let shown = place.expect(0, &["journal", "inspect", "j", "--type", "ClockAhead"]);
    assert_eq!(shown.out.len(), 1, "{shown:#?}");
    place.verify("j");
}

fn has(dir: &Path, place: &Place, what: &str) -> bool {
    let dir = dir.display().to_string();
    place
        .run(&["journal", "inspect", &dir, "--type", "Operator"], "")
        .out
        .iter()
        .any(|line| line.contains(what))
}

#[test]
fn a_process_that_stood_still_says_so() {
    let place = Place::new();
    place.write(
        "c.toml",
        "machine = \"flash_sale\"\n[journal]\ndir = \"j\"\nsegment_mib = 1\n[runtime]\nidle = \"backoff\"\n\
                           [feed.jsonl]\nstdin = true\n[gateway.jsonl]\nstdout = true\n[config]\n",
    );
    let mut run = place.start(&["run", "c.toml"]);
    run.input(&format!("{INVENTORY}\n"));
    run.wait_out("100.00");
    let dir = place.path("j");
    let start = Instant::now();
    while !has(&dir, &place, "suspended") {
        assert!(start.elapsed() < BOUND, "a standstill is journalled");
        // On a busy machine one that is too short to be told from being late is tried again.
        run.signal("STOP");
        std::thread::sleep(Duration::from_secs(4));
        run.signal("CONT");
        std::thread::sleep(Duration::from_secs(1));
    }
    let ended = run.finish();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(told(&ended, "stood still for"), "{ended:#?}");
    place.verify("j");
}
