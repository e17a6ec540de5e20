//! One live session over real sockets, and everything that is asked of its journal afterwards: replay sees it identical,
//! sees every sabotage at the right record, explains decisions; the journal commands show, count and judge it.

use std::path::Path;
use std::time::{Duration, Instant};

use pricewright::journal::{JournalConfig, Reader, RunIdentity, Writer};
use pricewright::replay::Owned;
use pricewright_core::kernel::record::record_len;
use pricewright_core::kernel::table::{ConfigChunk, KillLatched, PlaceOrder, RunStart};
use pricewright_core::kernel::{Cell, Class, Kind, MAX_CELLS, Record, RecordRef, Text, write_record};
use serde_json::Value;

use crate::processes::{Market, summary};
use crate::session::{SYMBOLS, desk_config};
use crate::support::{BOUND, Place};

/// What the session is to hold: however slow the machine is, it trades until it does.
const DECISIONS: usize = 2_500;
const REPLACED: usize = 300;
const TIMERS: usize = 50;

#[test]
fn a_live_session_and_what_is_asked_of_its_journal() {
    let place = Place::new();
    let market = Market::find();
    // On a machine that is busy with other tests the desk may lose more in a session than a day's limit.
    let config = desk_config().replace("max_daily_loss = 5000000 ", "max_daily_loss = 5000000000 ");
    assert_ne!(config, desk_config());
    place.write("desk.toml", &market.configure(&config));
    let exchange = market.start(&place, &SYMBOLS, 7, 8_000, 2);
    trade(&place);
    let day = summary(exchange);
    assert_eq!(day["malformed"], 0, "{day:#}");

    let records = read(&place.path("live"));
    let counts = |name: &str| records.iter().filter(|record| name_of(record) == name).count();
    let decisions = records.iter().filter(|record| class_of(record) == Class::Decision).count();
    assert!(decisions >= DECISIONS, "{decisions} decisions");
    assert!(counts("Timer") >= TIMERS && counts("ReplaceOrder") >= REPLACED, "{}", counts("Timer"));
    assert!(counts("OrderRefused") + counts("VenueRejected") > 0, "something was refused");
    assert!(counts("BookTransition") > 2, "lines lost packets at the same time");

    untouched(&place, records.len() as u64, decisions as u64);
    one_input_less(&place, &records);
    one_limit_changed(&place, &records);
    one_decision_altered(&place, &records);
    one_cause_altered(&place, &records);
    explained(&place, &records);
    inspected(&place, &records);
    damaged(&place, &records);
}

/// Runs the desk until its journal holds enough, and stops it.
fn trade(place: &Place) {
    let mut engine = place.start(&["run", "desk.toml", "--journal", "live"]);
    let start = Instant::now();
    let mut reader = None;
    let (mut decisions, mut replaced, mut timers, mut refused) = (0, 0, 0, 0);
    while decisions < DECISIONS || replaced < REPLACED || timers < TIMERS || refused == 0 {
        engine.must_run("trading");
        assert!(
            start.elapsed() < BOUND,
            "{decisions} decisions, {replaced} orders replaced, {timers} timers, {refused} refused"
        );
        std::thread::sleep(Duration::from_millis(20));
        if reader.is_none() {
            reader = Reader::open(&place.path("live")).ok();
        }
        let Some(reader) = &mut reader else { continue };
        while let Some(record) = reader.next_record().expect("what is committed is readable") {
            let kind = Kind::from_u16(record.header().kind).expect("known");
            decisions += usize::from(kind.schema().class == Class::Decision);
            replaced += usize::from(kind.schema().name == "ReplaceOrder");
            timers += usize::from(kind.schema().name == "Timer");
            refused += usize::from(matches!(kind.schema().name, "OrderRefused" | "VenueRejected"));
            if let Some(latch) = record.get::<KillLatched>() {
                panic!("the desk is stopped: {latch:?}");
            }
        }
    }
    engine.signal("TERM");
    let ended = engine.finish();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

fn read(dir: &Path) -> Vec<Owned> {
    let mut reader = Reader::open(dir).expect("a journal");
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().expect("readable") {
        records.push(Owned::of(record));
    }
    records
}

fn of(record: &Owned) -> RecordRef<'_> {
    record.record().expect("a record")
}

fn name_of(record: &Owned) -> &'static str {
    Kind::from_u16(of(record).header().kind).expect("known").schema().name
}

fn class_of(record: &Owned) -> Class {
    Kind::from_u16(of(record).header().kind).expect("known").schema().class
}

fn seq_of(record: &Owned) -> u64 {
    of(record).header().seq
}

fn copy(place: &Place, to: &str) {
    std::fs::create_dir(place.path(to)).expect("a directory");
    for entry in std::fs::read_dir(place.path("live")).expect("there") {
        let entry = entry.expect("there");
        std::fs::copy(entry.path(), place.path(to).join(entry.file_name())).expect("copied");
    }
}

/// Writes `records` into a new journal: sequences dense, checks right.
fn write(place: &Place, name: &str, records: &[Owned]) {
    let identity =
        RunIdentity { config_hash: [0; 32], build_hash: [0; 32], boot_id: [0; 16], leader_epoch: 0 };
    let (mut writer, _helper, _) =
        Writer::open(&place.path(name), &JournalConfig::default(), &identity).expect("a journal");
    for record in records {
        let header = *of(record).header();
        writer.append(of(record), header.now, header.cause).expect("taken");
    }
    writer.close().expect("sealed");
    place.expect(0, &["journal", "verify", name]);
}

/// `replay --verify` finds the first difference at record `seq`.
fn assert_found_at(place: &Place, name: &str, seq: u64) {
    let finished = place.expect(1, &["replay", "--verify", "--json", name]);
    let report: Value = serde_json::from_str(&finished.out.join("\n")).expect("JSON");
    assert_eq!(report["identical"], false, "{report:#}");
    assert_eq!(report["divergence"]["seq"], seq, "{report:#}");
    assert!(finished.err.join("\n").contains(&format!("record {seq}")), "{finished:#?}");
    let text = place.expect(1, &["replay", "--verify", name]);
    assert!(text.out.join("\n").contains(&format!("FIRST DIFFERENCE at record {seq}")), "{text:#?}");
    // Without --verify it is told, and is no error.
    place.expect(0, &["replay", name]);
}

fn untouched(place: &Place, records: u64, decisions: u64) {
    let report = place.verify("live");
    assert_eq!(report["last_seq"], records);
    assert_eq!(report["decisions"], decisions);
    assert_eq!(report["clean_end"], true);
    let text = place.expect(0, &["replay", "--verify", "live"]).out.join("\n");
    assert!(text.contains("bit for bit") && !text.contains("DIFFERENCE"), "{text}");
    // A verification that looked at nothing is none.
    let nothing = place.expect(1, &["replay", "--verify", "--until", "1", "live"]).err.join("\n");
    assert!(nothing.contains("nothing was compared"), "{nothing}");
    for until in [records / 2, records] {
        let report = place.json(&["replay", "--verify", "--json", "--until", &until.to_string(), "live"]);
        assert_eq!(report["last_seq"], until, "{report:#}");
        assert_eq!(report["identical"], true);
    }
}

fn one_input_less(place: &Place, records: &[Owned]) {
    // The event before a decision in the session's middle: the decision then stands there without a cause.
    let caused = |index: &usize| {
        name_of(&records[index + 1]) == "ReplaceOrder" && class_of(&records[*index]) == Class::Event
    };
    let causes: Vec<usize> = (0..records.len() - 1).filter(caused).collect();
    let event = causes[causes.len() / 2];
    let mut less = records.to_vec();
    let removed = less.remove(event);
    write(place, "less", &less);
    assert_found_at(place, "less", seq_of(&removed));

    // An order of the market: nothing follows at once, but the book is another one from there on.
    let quiet = (event..records.len() - 1)
        .find(|index| {
            name_of(&records[*index]) == "OrderAdd" && class_of(&records[index + 1]) == Class::Event
        })
        .expect("one");
    let mut less = records.to_vec();
    let removed = less.remove(quiet);
    write(place, "quiet", &less);
    let finished = place.expect(1, &["replay", "--verify", "--json", "quiet"]);
    let report: Value = serde_json::from_str(&finished.out.join("\n")).expect("JSON");
    assert!(report["divergence"]["seq"].as_u64() >= Some(seq_of(&removed)), "{report:#}");
}

fn one_limit_changed(place: &Place, records: &[Owned]) {
    let text: String = records
        .iter()
        .filter_map(|record| of(record).get::<ConfigChunk>())
        .map(|chunk| chunk.text.as_str().to_owned())
        .collect();
    // A hundred shares at a hundred dollars are 10,000 dollars: under this limit the first order would have been refused.
    let changed = text.replace("max_notional = 1000000000\n", "max_notional = 10000000  \n");
    assert_eq!(changed.len(), text.len(), "the same length: the parts stay where they are");
    assert_ne!(changed, text);
    let hash = *blake3::hash(changed.as_bytes()).as_bytes();
    let mut rest = changed.as_str();
    let mut rewritten = Vec::new();
    for record in records {
        let record_ref = of(record);
        if let Some(start) = record_ref.get::<RunStart>() {
            rewritten.push(owned(record_ref, &RunStart { config_hash: hash, ..*start }));
        } else if let Some(chunk) = record_ref.get::<ConfigChunk>() {
            let (part, more) = rest.split_at(chunk.len as usize);
            rest = more;
            rewritten.push(owned(record_ref, &ConfigChunk { text: Text::excerpt(part), ..*chunk }));
        } else {
            rewritten.push(record.clone());
        }
    }
    write(place, "limit", &rewritten);
    let first = records.iter().find(|record| name_of(record) == "PlaceOrder").expect("an order");
    assert_found_at(place, "limit", seq_of(first));
    let text = place.expect(1, &["replay", "--verify", "limit"]).out.join("\n");
    assert!(text.contains("OrderRefused") && text.contains("notional"), "both sides are shown: {text}");
}

/// `payload` in the place of `record`'s.
fn owned<R: Record>(record: RecordRef<'_>, payload: &R) -> Owned {
    let header = record.header();
    let mut cells = [Cell::ZERO; MAX_CELLS];
    write_record(&mut cells, payload, header.source, header.flags).expect("room");
    // The stamp, where the reader has it.
    cells[0].0[16..24].copy_from_slice(&header.now.0.to_le_bytes());
    Owned::of(RecordRef::first_of(&cells).expect("a record"))
}

/// The file that holds record `seq`, and where in it.
fn place_of(dir: &Path, seq: u64) -> (std::path::PathBuf, usize) {
    let mut reader = Reader::from_seq(dir, seq).expect("a journal");
    assert!(reader.next_record().expect("readable").is_some(), "record {seq} is there");
    (reader.path().to_path_buf(), reader.offset() as usize)
}

/// CRC-32C bit by bit, as in RFC 3720.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg()))
    })
}

fn one_decision_altered(place: &Place, records: &[Owned]) {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283, "the check value of the RFC");
    copy(place, "altered");
    let order = records[records.len() / 2..]
        .iter()
        .find(|record| of(record).get::<PlaceOrder>().is_some())
        .or_else(|| records.iter().rfind(|record| of(record).get::<PlaceOrder>().is_some()))
        .expect("an order");
    let (file, at) = place_of(&place.path("altered"), seq_of(order));
    let mut bytes = std::fs::read(&file).expect("readable");
    assert_eq!(bytes[at + 8..at + 16], seq_of(order).to_le_bytes(), "the record lies there");
    let len = len_at(&bytes, at);
    // The lowest byte of the order's price: one tick or more away.
    let price = of(order).get::<PlaceOrder>().expect("an order").price.0.to_le_bytes();
    let field = (at + 32..at + len).find(|at| bytes[*at..at + 8] == price).expect("the price");
    bytes[field] ^= 1;
    mend_checksum(&mut bytes, at);
    std::fs::write(&file, bytes).expect("written");
    let said = place.expect(1, &["journal", "verify", "altered"]);
    let named =
        format!("offset {at}, expected record {} (PlaceOrder): the record was altered", seq_of(order));
    assert!(said.err.iter().any(|line| line.contains(&named)), "{said:#?}");
    assert_found_at(place, "altered", seq_of(order));
    // What this build decides otherwise is no reason; the journal's own words are shown all the same.
    let later = records.iter().rfind(|record| class_of(record) == Class::Decision).expect("a decision");
    let told = place.json(&["explain", "--json", "altered", &seq_of(later).to_string()]);
    assert_eq!(told["decision"]["kind"], name_of(later));
    let why = told["unexplained"].as_str().expect("a sentence");
    assert!(why.starts_with(&format!("record {} is not what this build decides", seq_of(order))), "{why}");
}

fn len_at(bytes: &[u8], at: usize) -> usize {
    record_len(u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight")))
}

/// Makes the checksum of the record at `at` right again.
fn mend_checksum(bytes: &mut [u8], at: usize) {
    let padded = len_at(bytes, at).div_ceil(64) * 64;
    let check = crc32c(&bytes[at + 8..at + padded]);
    bytes[at + 4..at + 8].copy_from_slice(&check.to_le_bytes());
}

/// A decision that names an event before the journal's first as its cause.
fn one_cause_altered(place: &Place, records: &[Owned]) {
    copy(place, "uncaused");
    let order = records.iter().find(|record| of(record).get::<PlaceOrder>().is_some()).expect("an order");
    let seq = seq_of(order);
    assert!(seq < u64::from(u16::MAX), "early enough");
    let (file, at) = place_of(&place.path("uncaused"), seq);
    let mut bytes = std::fs::read(&file).expect("readable");
    bytes[at + 30..at + 32].copy_from_slice(&u16::MAX.to_le_bytes());
    mend_checksum(&mut bytes, at);
    std::fs::write(&file, bytes).expect("written");
    assert_found_at(place, "uncaused", seq);
    let said = place.expect(1, &["explain", &seq.to_string(), "uncaused"]);
    assert!(said.err.join("\n").contains("it was altered"), "{said:#?}");
}

fn explained(place: &Place, records: &[Owned]) {
    let ask = |record: &Owned| {
        let asked = seq_of(record);
        let told = place.json(&["explain", "--json", "live", &asked.to_string()]);
        assert_eq!(told["seq"], asked);
        assert_eq!(told["decision"]["seq"], asked);
        assert_eq!(told["decision"]["kind"], name_of(record));
        assert_eq!(told["event"]["seq"], asked - u64::from(of(record).header().cause), "the cause");
        told
    };
    let notes = |told: &Value, kind: &str| -> Vec<Value> {
        let notes = told["notes"].as_array().expect("a list");
        notes.iter().filter(|note| note["note"] == kind).cloned().collect()
    };
    for name in ["PlaceOrder", "ReplaceOrder", "CancelOrder", "OrderRefused", "BookTransition"] {
        let all: Vec<&Owned> = records.iter().filter(|record| name_of(record) == name).collect();
        for record in [all[0], all[all.len() / 2], all[all.len() - 1]] {
            let told = ask(record);
            if !matches!(name, "PlaceOrder" | "ReplaceOrder" | "OrderRefused") {
                continue;
            }
            assert!(!notes(&told, "level").is_empty(), "the book: {told:#}");
            assert!(!notes(&told, "feature").is_empty(), "the features: {told:#}");
            let checks = notes(&told, "check");
            for check in &checks {
                assert!(check["value"].is_i64() && check["limit"].is_i64(), "{check:#}");
                assert!(check["control"].is_string() && check["passed"].is_boolean(), "{check:#}");
            }
            let failed = checks.iter().filter(|check| check["passed"] == false).count();
            if name == "OrderRefused" {
                assert_eq!(failed, 1, "{told:#}");
            } else {
                assert!(checks.len() >= 10 && failed == 0, "every check passed: {told:#}");
                let latency = &told["latency_ns"];
                assert!(latency["decided"].as_i64() >= latency["sequenced"].as_i64(), "{latency:#}");
                assert!(latency["decided"].is_i64(), "{told:#}");
            }
            let text = place.expect(0, &["explain", &seq_of(record).to_string(), "live"]).out.join("\n");
            assert!(
                text.contains(&format!("Decision {}", seq_of(record))) && text.contains("Because of event")
            );
        }
    }
    // Without a number: the last order. A record about the run itself, or none: refused.
    let last = place.json(&["explain", "--json", "live"]);
    let order = |record: &&Owned| matches!(name_of(record), "PlaceOrder" | "ReplaceOrder" | "CancelOrder");
    assert!(records.iter().any(|record| order(&record) && last["seq"] == seq_of(record)), "{last:#}");
    an_order_explained(place, records);
    place.expect(2, &["explain", "live", "1"]);
    place.expect(2, &["explain", "live", "999999999"]);
    place.expect(2, &["explain", "absent"]);
}

/// An order is asked for by our number of it: the decision that sent it, and what became of it.
fn an_order_explained(place: &Place, records: &[Owned]) {
    let sent = |record: &&Owned| of(record).get::<PlaceOrder>().is_some();
    let order = records.iter().rfind(sent).expect("an order");
    let client = of(order).get::<PlaceOrder>().expect("an order").client.to_string();
    let told = place.json(&["explain", "live", "--order", &client, "--json"]);
    assert_eq!(told["seq"], seq_of(order));
    let life = told["life"].as_array().expect("its life");
    assert_eq!(life[0]["seq"], seq_of(order), "it begins with the decision that sent it");
    assert!(life.len() > 1, "the venue answered: {told:#}");
    let words = place.expect(0, &["explain", "live", "--order", &client]).out;
    let check = words.iter().find(|line| line.contains("daily_loss")).expect("the check");
    assert!(check.contains(" > -") && check.ends_with(" USD"), "{check}");
    let passed = |line: &'_ String| Some(line.split_once("pass ")?.1.split_whitespace().next()?.to_owned());
    let mut names: Vec<String> = words.iter().filter_map(passed).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "each check once: {words:#?}");
}

fn inspected(place: &Place, records: &[Owned]) {
    let from = (records.len() / 3) as u64;
    let shown =
        place.expect(0, &["journal", "inspect", "live", "--from", &from.to_string(), "--limit", "50"]);
    assert_eq!(shown.out.len(), 50);
    for (line, seq) in shown.out.iter().zip(from..) {
        assert!(
            line.starts_with(&format!("{seq} ")) && line.contains(name_of(&records[seq as usize - 1])),
            "{line}"
        );
    }
    let orders =
        place.expect(0, &["journal", "inspect", "live", "--json", "--type", "PlaceOrder", "--type", "Timer"]);
    let wanted: Vec<&Owned> =
        records.iter().filter(|record| matches!(name_of(record), "PlaceOrder" | "Timer")).collect();
    assert_eq!(orders.out.len(), wanted.len());
    for (line, record) in orders.out.iter().zip(&wanted) {
        let value: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(value["seq"], seq_of(record), "{value:#}");
    }
    let unknown = place.expect(2, &["journal", "inspect", "live", "--type", "Nonsense"]);
    assert!(unknown.err.join("\n").contains("PlaceOrder"), "the known ones are named: {unknown:#?}");

    let stats = place.json(&["journal", "stats", "live", "--json"]);
    assert_eq!(stats["records"], records.len());
    assert_eq!(stats["runs"], 1);
    for kind in stats["kinds"].as_array().expect("a list") {
        let name = kind["kind"].as_str().expect("a name");
        let counted = records.iter().filter(|record| name_of(record) == name).count();
        assert_eq!(kind["records"], counted, "{name}");
    }
    let tail = ["journal", "tail", "live", "--from", &(records.len() - 4).to_string(), "--limit", "5"];
    let tail = place.expect(0, &tail);
    assert_eq!(tail.out.len(), 5);
    assert!(tail.out[4].contains("RunEnd"), "{tail:#?}");
}

fn damaged(place: &Place, records: &[Owned]) {
    let verified = place.json(&["journal", "verify", "live", "--json"]);
    assert_eq!(verified["outcome"], "good", "{verified:#}");
    copy(place, "damaged");
    let bad = records.len() as u64 / 2;
    let (file, at) = place_of(&place.path("damaged"), bad);
    let mut bytes = std::fs::read(&file).expect("readable");
    bytes[at + 40] ^= 4;
    std::fs::write(&file, &bytes).expect("written");
    let found = place.expect(1, &["journal", "verify", "damaged", "--json"]);
    let report: Value = serde_json::from_str(&found.out.join("\n")).expect("JSON");
    assert_eq!(report["outcome"], "damaged", "{report:#}");
    assert_eq!(report["seq"], bad, "{report:#}");
    assert_eq!(report["offset"], at, "{report:#}");
    let text = place.expect(1, &["journal", "verify", "damaged"]);
    assert!(text.err.join("\n").contains(&bad.to_string()), "{text:#?}");
    // Neither replay nor explain nor inspect pass over it.
    for command in [
        &["replay", "--verify", "damaged"][..],
        &["journal", "inspect", "damaged"],
        &["explain", "damaged", &(bad + 5).to_string()],
    ] {
        place.expect(1, command);
    }
}

#[test]
fn what_is_no_journal_is_unusable() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).expect("a directory");
    std::fs::create_dir(place.path("strange")).expect("a directory");
    place.write("strange/journal-00000001.pwj", "no journal at all");
    for dir in ["absent", "empty", "strange"] {
        for command in [
            &["journal", "verify", dir][..],
            &["journal", "inspect", dir],
            &["journal", "stats", dir],
            &["replay", "--verify", dir],
            &["explain", dir],
        ] {
            let refused = place.expect(2, command);
            assert!(refused.err.join("\n").contains(dir), "{command:?}: {refused:#?}");
        }
    }
    let nothing = place.expect(2, &["journal", "verify"]);
    assert!(nothing.err.join("\n").contains("pricewright-data"), "{nothing:#?}");
}
