//! Starts that fail or are made of what a crash or a repair left: what stays behind, and what is said of it.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;

use pricewright::journal::{Crc32c, Reader};
use pricewright_core::kernel::table::RunStart;
use serde_json::Value;

use super::support::Place;

const STDIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/stdin.toml");
const CELL: usize = 64;

pub(crate) fn sold(place: &Place, journal: &str, more: &[&str]) {
    let inventory = concat!(
        r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}"#,
        "\n"
    );
    let purchase = concat!(r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":1}"#, "\n");
    let lines = format!("{inventory}{}", purchase.repeat(4));
    let ran = place.run(&[&["run", STDIN, "--journal", journal], more].concat(), &lines);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

/// Offset and bytes of record `seq` of the first segment.
fn place_of(place: &Place, journal: &str, seq: u64) -> (usize, usize) {
    let mut reader = Reader::from_seq(&place.path(journal), seq).expect("there");
    let cells = reader.next_record().expect("good").expect("there").cells().len();
    (reader.offset() as usize, cells * CELL)
}

fn chunks(place: &Place, journal: &str) -> u32 {
    let mut reader = Reader::open(&place.path(journal)).expect("a journal");
    let record = reader.next_record().expect("good").expect("a first one");
    record.get::<RunStart>().expect("a run's start").config_chunks
}

pub(crate) fn last_seq(place: &Place, journal: &str) -> u64 {
    let end = Reader::from_end(&place.path(journal)).expect("a journal");
    end.next_seq() - 1
}

fn first_segment(place: &Place, journal: &str) -> std::path::PathBuf {
    place.path(journal).join("journal-00000001.pwj")
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn segments(place: &Place, journal: &str) -> usize {
    names(&place.path(journal)).iter().filter(|name| name.ends_with(".pwj")).count()
}

/// As a crash leaves a journal that was killed behind record `last` of its first segment: not sealed, nothing beside it.
pub(crate) fn cut_behind(place: &Place, journal: &str, last: u64) {
    let (offset, len) = place_of(place, journal, last);
    let mut bytes = std::fs::read(first_segment(place, journal)).expect("a segment");
    let size = u64::from_le_bytes(bytes[56..64].try_into().expect("eight bytes"));
    bytes.truncate(offset + len);
    bytes.resize(size as usize, 0);
    // The marks of the chain, which had not begun, and of the seal.
    bytes[3712..3840].fill(0);
    bytes[3968..4096].fill(0);
    std::fs::remove_dir_all(place.path(journal)).expect("removed");
    std::fs::create_dir(place.path(journal)).expect("made");
    std::fs::write(first_segment(place, journal), bytes).expect("written");
}

pub(crate) fn complaint(finished: &super::support::Finished) -> String {
    finished.err.join("\n")
}

#[test]
fn a_journal_killed_before_its_first_configuration_is_begun_anew() {
    let place = Place::new();
    // A long path, so that the configuration takes more than one record.
    let path = ["long"; 4].map(|part| part.repeat(50)).join("/");
    let journal = path.as_str();
    for repair in [&[][..], &["--repair"]] {
        for last in [1, 2] {
            sold(&place, journal, &[]);
            assert!(chunks(&place, journal) > 1);
            cut_behind(&place, journal, last);
            let asked = place.expect(2, &["explain", journal]);
            assert!(complaint(&asked).contains("nothing happened in it"), "{asked:#?}");
            let said = place.run(&[&["run", STDIN, "--journal", journal], repair].concat(), "");
            assert_eq!(said.code, Some(0), "{said:#?}");
            let text = format!("journal begun anew: its records 1 to {last} end before");
            assert_eq!(said.err.iter().filter(|line| line.contains(&text)).count(), 1, "{said:#?}");
            assert_eq!(segments(&place, journal), 2);
            sold(&place, journal, &[]);
            let report = place.verify(journal);
            assert_eq!(report["decisions"], 5, "{report:#}");
            let price = place.json(&["explain", journal, "A", "--json"]);
            assert_eq!(price["decision"]["fields"]["stock"], 36, "{price:#}");
            assert_eq!(price["unexplained"], Value::Null);
            place.expect(0, &["journal", "verify", journal]);
            std::fs::remove_dir_all(place.path(journal)).expect("removed");
        }
    }
}

/// A machine that lost power may leave the segment and not what was in it: the snapshot beside it knows that there was more. It
/// is asked whoever took it, and once it was heard nothing is in the way of the runs that follow.
#[test]
fn a_journal_of_which_only_a_snapshot_is_left_is_no_new_one() {
    for last in [0, 1] {
        let place = Place::new();
        sold(&place, "j", &[]);
        let known = last_seq(&place, "j");
        let snapshot = names(&place.path("j")).into_iter().find(|name| name.ends_with(".pws")).expect("one");
        let kept = std::fs::read(place.path("j").join(&snapshot)).expect("a snapshot");
        cut_behind(&place, "j", 1);
        if last == 0 {
            let (offset, len) = place_of(&place, "j", 1);
            let mut bytes = std::fs::read(first_segment(&place, "j")).expect("a segment");
            bytes[offset..offset + len].fill(0);
            std::fs::write(first_segment(&place, "j"), bytes).expect("written");
        }
        std::fs::write(place.path("j").join(&snapshot), kept).expect("written");
        let missing = format!("records {} to {known} are not there", last + 1);
        for _ in 0..2 {
            let refused = place.run(&["run", STDIN, "--journal", "j"], "");
            assert_eq!(refused.code, Some(2), "{refused:#?}");
            assert!(complaint(&refused).contains(&missing), "{refused:#?}");
        }
        sold(&place, "j", &["--repair"]);
        let list = place.read("j/repaired.jsonl");
        assert!(list.contains(&format!("\"given_up\":{}", known - last)), "{list}");
        sold(&place, "j", &[]);
        place.expect(0, &["journal", "verify", "j"]);
        place.expect(0, &["explain", "j"]);
    }
}

/// All segments are gone, and the program's own advice is followed: what stood behind them is heard once.
#[test]
fn after_a_beginning_anew_old_snapshots_are_in_nobodys_way() {
    let place = Place::new();
    sold(&place, "j", &[]);
    for name in names(&place.path("j")) {
        if name.ends_with(".pwj") || name.ends_with(".pwc") {
            std::fs::remove_file(place.path("j").join(name)).expect("removed");
        }
    }
    let refused = place.run(&["run", STDIN, "--journal", "j"], "");
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    sold(&place, "j", &["--repair"]);
    for _ in 0..2 {
        sold(&place, "j", &[]);
    }
    place.verify("j");
    place.expect(0, &["explain", "j", "A"]);
}

/// The newest snapshot is of records that are not there: readers take one that fits.
#[test]
fn a_snapshot_that_does_not_fit_keeps_nobody_from_reading() {
    let place = Place::new();
    sold(&place, "j", &[]);
    let last = last_seq(&place, "j");
    sold(&place, "j", &[]);
    for name in ["journal-00000002.pwj", "chain-00000002.pwc"] {
        std::fs::remove_file(place.path("j").join(name)).expect("removed");
    }
    for command in [&["explain", "j", "A"][..], &["replay", "j"], &["journal", "inspect", "j"]] {
        place.expect(0, command);
    }
    assert_eq!(last_seq(&place, "j"), last);
}

#[test]
fn a_refused_run_adds_nothing_to_the_journal() {
    let place = Place::new();
    sold(&place, "j", &[]);
    let before = names(&place.path("j"));
    let text = std::fs::read_to_string(STDIN).expect("an example");
    place.write("other.toml", &text.replacen("[config]", "[config]\ncurrency_decimals = 4", 1));
    for _ in 0..3 {
        let refused = place.run(&["run", "other.toml", "--journal", "j"], "");
        assert_eq!(refused.code, Some(2), "{refused:#?}");
    }
    assert_eq!(names(&place.path("j")), before);
}

#[test]
fn a_repair_that_leaves_nothing_to_go_on_from_is_refused_before_anything_is_changed() {
    let place = Place::new();
    sold(&place, "j", &[]);
    sold(&place, "j", &[]);
    // In the configuration of the first run.
    let (offset, _) = place_of(&place, "j", 2);
    let mut bytes = std::fs::read(first_segment(&place, "j")).expect("a segment");
    bytes[offset + 100] ^= 0xff;
    std::fs::write(first_segment(&place, "j"), &bytes).expect("written");
    let before = names(&place.path("j"));
    let refused = place.run(&["run", STDIN, "--journal", "j", "--repair"], "");
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    let text = complaint(&refused);
    for said in ["nothing was changed", "run without --repair", "Restore the file", "--journal DIR"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert_eq!(names(&place.path("j")), before);
    assert_eq!(std::fs::read(first_segment(&place, "j")).expect("there"), bytes);
    // What it says helps.
    let goes_on = place.run(&["run", STDIN, "--journal", "j"], "");
    assert_eq!(goes_on.code, Some(0), "{goes_on:#?}");
}

#[test]
fn a_repair_names_every_file_and_counts_the_records() {
    let place = Place::new();
    for _ in 0..5 {
        sold(&place, "j", &[]);
    }
    let last = last_seq(&place, "j");
    // Behind the configuration: the first sale's price.
    let mut reader = Reader::open(&place.path("j")).expect("a journal");
    let damaged = loop {
        let record = reader.next_record().expect("good").expect("a price");
        let (kind, seq) = (record.header().kind, record.header().seq);
        if reader.catalogue().kind(kind).is_some_and(|kind| kind.name == "PricePublished") {
            break seq;
        }
    };
    let (offset, _) = place_of(&place, "j", damaged);
    let mut bytes = std::fs::read(first_segment(&place, "j")).expect("a segment");
    bytes[offset + 40] ^= 0xff;
    std::fs::write(first_segment(&place, "j"), bytes).expect("written");
    let said = complaint(&place.expect(1, &["journal", "verify", "j"]));
    assert!(said.contains("`pricewright run FILE --repair`"), "{said}");

    let ran = place.run(&["run", STDIN, "--journal", "j", "--repair"], "");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let (given_up, text) = (last - (damaged - 1), complaint(&ran));
    assert!(
        text.contains(&format!("behind record {} {given_up} records were given up", damaged - 1)),
        "{text}"
    );
    assert!(!text.contains("nothing was torn"), "{text}");
    let aside: BTreeSet<String> =
        names(&place.path("j")).into_iter().filter(|name| name.contains(".damaged")).collect();
    assert_eq!(aside.len(), 10, "five segments and their chain files: {aside:?}");
    let line: Value = serde_json::from_str(place.read("j/repaired.jsonl").trim()).expect("one line");
    let file = |value: &Value| {
        let path = Path::new(value.as_str().expect("a path"));
        path.file_name().expect("a name").to_string_lossy().into_owned()
    };
    let listed: BTreeSet<String> = line["set_aside"].as_array().expect("files").iter().map(file).collect();
    assert_eq!(listed, aside);
    assert_eq!((&line["given_up"], &line["last_seq"]), (&given_up.into(), &(damaged - 1).into()));

    let verdict = place.expect(0, &["journal", "verify", "j"]).out.join("\n");
    let repaired = verdict.lines().find(|line| line.starts_with("REPAIRED")).expect("it is told");
    assert!(repaired.contains(&format!("{given_up} records given up")), "{repaired}");
    assert!(!repaired.contains("restore the file") && !repaired.contains("--repair"), "{repaired}");
    place.verify("j");
}

#[test]
fn a_start_that_fails_leaves_no_run_behind() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let text = std::fs::read_to_string(STDIN).expect("an example");
    let http = format!("{text}\n[gateway.http]\nlisten = \"{address}\"\n");
    place.write("taken.toml", &http);
    place.write("nofile.toml", &text.replacen("stdin = true", "file = \"missing.jsonl\"", 1));
    for (config, named) in [("taken.toml", address.as_str()), ("nofile.toml", "missing.jsonl")] {
        let failed = place.run(&["run", config, "--journal", "j"], "");
        assert_eq!(failed.code, Some(2), "{failed:#?}");
        assert!(complaint(&failed).contains(named), "{failed:#?}");
        let there = if place.path("j").exists() { segments(&place, "j") } else { 0 };
        assert_eq!(there, 0, "{config}: {failed:#?}");
    }
    sold(&place, "j", &[]);
    let (before, last) = (segments(&place, "j"), last_seq(&place, "j"));
    for durability in ["process", "group"] {
        place.write(
            "taken.toml",
            &http.replacen("[journal]", &format!("[journal]\ndurability = \"{durability}\""), 1),
        );
        let failed = place.run(&["run", "taken.toml", "--journal", "j"], "");
        assert!(failed.code.is_some_and(|code| code != 0), "{failed:#?}");
        assert_eq!((segments(&place, "j"), last_seq(&place, "j")), (before, last), "{durability}");
    }
    sold(&place, "j", &[]);
    place.expect(0, &["journal", "verify", "j"]);
    place.verify("j");

    let failed = place.run(&["demo", "flash-sale", "--seconds", "1", "--http", &address], "");
    assert_eq!(failed.code, Some(2), "{failed:#?}");
    let said = complaint(&failed);
    assert!(said.contains("--http") && !said.contains("[gateway.http]"), "{said}");
    assert!(!place.path("pricewright-data/flash-sale-1").exists());
}

#[test]
fn what_stays_for_a_snapshot_is_said_with_the_true_reason() {
    let place = Place::new();
    for _ in 0..5 {
        sold(&place, "j", &[]);
    }
    let snapshots: Vec<String> =
        names(&place.path("j")).into_iter().filter(|name| name.ends_with(".pws")).collect();
    let oldest: u64 =
        snapshots[0].trim_start_matches("snapshot-").trim_end_matches(".pws").parse().expect("a number");
    assert_eq!(snapshots.len(), 3, "{snapshots:?}");
    let reason = format!(
        "1 segment stays, because a start from the oldest snapshot that is kept, behind record {oldest},"
    );
    let prune = ["journal", "prune", "j", "--keep-size", "1kB"];
    for args in [&[&prune[..], &["--dry-run"]].concat()[..], &prune] {
        let said = place.expect(0, args).out.join("\n");
        assert!(said.contains(&reason), "{args:?}: {said}");
    }
    let said = complaint(&place.expect(1, &prune));
    assert!(said.contains(&reason) && !said.contains("no snapshot"), "{said}");
    let stats = place.expect(0, &["journal", "stats", "j"]).out.join("\n");
    assert!(stats.contains("beyond the size that is kept, not archived"), "{stats}");

    sold(&place, "k", &[]);
    for name in names(&place.path("k")).iter().filter(|name| name.ends_with(".pws")) {
        std::fs::remove_file(place.path("k").join(name)).expect("removed");
    }
    sold(&place, "k", &[]);
    for name in names(&place.path("k")).iter().filter(|name| name.ends_with(".pws")) {
        std::fs::remove_file(place.path("k").join(name)).expect("removed");
    }
    let said = complaint(&place.expect(1, &["journal", "prune", "k", "--keep-size", "1kB"]));
    assert!(said.contains("no snapshot can be started from"), "{said}");
}

#[test]
fn words_for_people_fit_what_there_is() {
    let place = Place::new();
    sold(&place, "pricewright-data/shop", &[]);
    let journal = "pricewright-data/shop";
    // One segment and one run; the journal that was taken is named.
    let stats = place.expect(0, &["journal", "stats"]).out.join("\n");
    assert!(stats.contains("in 1 segment (") && stats.contains(", 1 run\n"), "{stats}");
    let said = place.expect(0, &["explain"]).out;
    assert_eq!(said[0], format!("Journal  {journal}"), "{said:#?}");
    let early = complaint(&place.expect(2, &["explain", journal, "--at", "2001-01-01T00:00:00Z"]));
    assert!(early.contains("at that time: its records go from 20"), "{early}");
    // A journal without records has no times.
    std::fs::create_dir_all(place.path("empty")).expect("made");
    let mut bytes = std::fs::read(first_segment(&place, journal)).expect("a segment");
    let (offset, _) = place_of(&place, journal, 1);
    bytes[offset..].fill(0);
    bytes[3968..4096].fill(0);
    std::fs::write(first_segment(&place, "empty"), bytes).expect("written");
    let stats = place.expect(0, &["journal", "stats", "empty"]).out.join("\n");
    assert!(stats.contains("no records") && !stats.contains("1970"), "{stats}");
    // What is no journal is called so, and a file where a directory is needed, too.
    place.write("short.txt", "hello\n");
    std::fs::create_dir_all(place.path("strange")).expect("made");
    std::fs::copy(place.path("short.txt"), first_segment(&place, "strange")).expect("copied");
    let said = complaint(&place.expect(2, &["journal", "inspect", "strange"]));
    assert!(said.contains("is not a journal segment") && !said.contains("ends too early"), "{said}");
    let said = complaint(&place.expect(2, &["journal", "inspect", "short.txt"]));
    assert!(said.contains("name the journal's directory"), "{said}");
    for args in [
        &["journal", "export", journal, "--csv", "--out", "short.txt"][..],
        &["journal", "archive", journal, "--to", "short.txt"],
    ] {
        let said = complaint(&place.expect(2, args));
        assert!(
            said.contains("name another place") && !said.contains("the journal needs"),
            "{args:?}: {said}"
        );
    }
    let said = complaint(&place.expect(2, &["journal", "keygen", "short.txt"]));
    assert!(said.contains("name another file"), "{said}");
    // What was archived is said to be so once.
    sold(&place, "m", &[]);
    sold(&place, "m", &[]);
    sold(&place, "m", &[]);
    sold(&place, "m", &[]);
    place.expect(0, &["journal", "archive", "m", "--to", "ar", "--move"]);
    for command in ["stats", "verify"] {
        let said = place.expect(0, &["journal", command, "m"]).out.join("\n");
        assert!(said.contains("archived in ar") && !said.contains("archived, archived"), "{said}");
    }
}

#[test]
fn reasons_are_not_given_for_a_decision_that_they_do_not_lead_to() {
    let place = Place::new();
    sold(&place, "j", &[]);
    let told = place.json(&["explain", "j", "--json"]);
    let seq = told["decision"]["seq"].as_u64().expect("a number");
    let earlier = told["previous"]["decision"]["seq"].as_u64().expect("a number").to_string();
    let price = told["decision"]["fields"]["price"].as_i64().expect("a price");
    let (offset, len) = place_of(&place, "j", seq);
    let mut bytes = std::fs::read(first_segment(&place, "j")).expect("a segment");
    let record = &mut bytes[offset..offset + len];
    let at = record.windows(8).position(|window| window == price.to_le_bytes()).expect("the price");
    record[at..at + 8].copy_from_slice(&9_900_i64.to_le_bytes());
    let crc = Crc32c::table().of_bytes(&record[8..]);
    record[4..8].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(first_segment(&place, "j"), bytes).expect("written");

    let told = place.json(&["explain", "j", &seq.to_string(), "--json"]);
    let why = format!("record {seq} is not what this build decides");
    assert!(told["unexplained"].as_str().is_some_and(|text| text.contains(&why)), "{told:#}");
    assert_eq!(told["notes"], serde_json::json!([]));
    let text = place.expect(0, &["explain", "j", &seq.to_string()]).out.join("\n");
    assert!(text.contains(&format!("Reasons  not known: {why}")) && !text.contains("Formulas"), "{text}");
    // The one before it stays explained.
    let told = place.json(&["explain", "j", &earlier, "--json"]);
    assert_eq!(told["unexplained"], Value::Null, "{told:#}");
    assert!(told["notes"].as_array().is_some_and(|notes| !notes.is_empty()), "{told:#}");
}

/// The exchange of the demo is another one each time: its new session is no fault.
#[test]
fn a_second_demo_on_its_own_journal_warns_of_no_session() {
    let place = Place::new();
    for _ in 0..2 {
        let ran = place.expect(0, &["run", "--seconds", "1", "--journal", "j"]);
        let warned = ran
            .err
            .iter()
            .filter(|line| line.contains("session refused") || line.contains("session is down"));
        assert_eq!(warned.count(), 0, "{ran:#?}");
    }
}
