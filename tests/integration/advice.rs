//! What is said where a command is used wrongly, or finds less than was asked for: the cause by its name, and advice that
//! can be typed as it stands.

use std::path::Path;
use std::process::Command;

use crate::starts::{complaint, cut_behind, last_seq, sold};
use crate::support::Place;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const STDIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/stdin.toml");
const DESK: &str = include_str!("../../strategies/trading/desk.toml");

#[test]
fn a_replay_that_until_cuts_says_so_and_speaks_of_no_crash() {
    let place = Place::new();
    sold(&place, "j", &[]);
    let event = place.json(&["explain", "j", "A", "--json"])["event"]["seq"].as_u64().expect("a number");
    let until = event.to_string();
    let said = place.expect(0, &["replay", "j", "--verify", "--until", &until]).out.join("\n");
    let cut = format!("goes on behind --until {event}, which lies before 1 decision of its event");
    assert!(said.contains(&cut) && !said.contains("crashed"), "{said}");
    let report = place.json(&["replay", "j", "--verify", "--until", &until, "--json"]);
    assert_eq!(report["unjournalled_decisions"], 0, "{report:#}");
    let behind = (event + 1).to_string();
    let said = place.expect(0, &["replay", "j", "--verify", "--until", &behind]).out.join("\n");
    assert!(said.contains(&format!("goes on behind --until {behind}.")), "{said}");
    // Where the journal itself ends there, that is what is said.
    cut_behind(&place, "j", event);
    for args in [&["replay", "j", "--verify"][..], &["replay", "j", "--verify", "--until", &until]] {
        let said = place.expect(0, args).out.join("\n");
        assert!(said.contains("The journal ends before 1 decision of its last event"), "{args:?}: {said}");
    }
}

#[test]
fn a_journal_of_another_machine_is_told_from_another_computer() {
    let place = Place::new();
    place.expect(0, &["run", "--seconds", "1", "--journal", "j"]);
    let said = complaint(&place.expect(2, &["run", STDIN, "--journal", "j"]));
    assert!(
        said.contains("it is a journal of machine `desk`, this configuration runs `flash_sale`"),
        "{said}"
    );
}

#[test]
fn help_names_what_is_misspelt_and_explains_itself() {
    let place = Place::new();
    for (args, named) in
        [(&["help", "nosuch"][..], "`nosuch`"), (&["help", "runn", "--json"], "did you mean `run`?")]
    {
        let said = complaint(&place.expect(2, args));
        assert!(said.contains(named) && !said.contains("`help`"), "{args:?}: {said}");
    }
    assert!(complaint(&place.expect(2, &["help", "journal", "nosuch"])).contains("'nosuch'"));
    for args in [&["help", "--help"][..], &["journal", "help", "-h"]] {
        let said = place.expect(0, args).out.join("\n");
        assert!(said.contains("Print this message or the help of"), "{args:?}: {said}");
    }
    let plain = place.expect(0, &["help", "run"]).out;
    assert!(plain.iter().any(|line| line.contains("Usage: pricewright run")), "{plain:#?}");
    assert_eq!(place.expect(0, &["help", "run", "--help"]).out, plain);
}

#[test]
fn a_prune_counts_ages_from_the_last_record_and_says_why_the_newest_segment_stays() {
    let place = Place::new();
    sold(&place, "j", &[]);
    let prune = |code, args: &[&str]| {
        let done = place.expect(code, &[&["journal", "prune", "j"], args].concat());
        [done.out, done.err].concat().join("\n")
    };
    let beyond = "beyond the limits, the newest segment and the files beside it stay";
    let said = prune(1, &["--keep-size", "1kB"]);
    assert!(said.contains(beyond) && said.contains("0 segments, 0 bytes removed"), "{said}");
    assert!(!prune(0, &["--keep-size", "1GB"]).contains("beyond"));
    // As a crash leaves it: nothing is sealed, and no age is looked at.
    let last = last_seq(&place, "j");
    cut_behind(&place, "j", last);
    let said = prune(0, &["--keep-age", "7d"]);
    assert!(!said.contains("ages are counted") && !said.contains("1970"), "{said}");
    assert!(prune(1, &["--keep-size", "1kB"]).contains(beyond));
}

#[test]
fn a_bench_measures_nothing_that_it_could_not_write() {
    let place = Place::new();
    place.write("file", "mine");
    for asked in [
        &["--report", "nowhere/o.html"][..],
        &["--json", "nowhere/o.json"],
        &["--hgrm", "file"],
        &["--report", "."],
    ] {
        let refused = place.expect(2, &[&["bench", "decode", "--smoke"], asked].concat());
        assert!(complaint(&refused).contains(asked[1]), "{asked:?}: {refused:#?}");
        assert!(refused.out.is_empty(), "nothing was measured: {refused:#?}");
    }
    assert_eq!(place.read("file"), "mine");
    // A file that is asked for appears only with what was measured.
    place.expect(2, &["bench", "decode", "--smoke", "--json", "o.json", "--report", "nowhere/o.html"]);
    assert!(!place.path("o.json").exists());
}

#[test]
fn advice_on_a_journal_names_the_journal() {
    let place = Place::new();
    for (journal, word) in [("pricewright-data/shop", "pricewright-data/shop"), ("my shop/j", "'my shop/j'")]
    {
        sold(&place, journal, &[]);
        let said = complaint(&place.expect(2, &["explain", journal, "1"]));
        assert!(said.contains(&format!("`pricewright journal inspect {word} --from 1`")), "{said}");
    }
}

#[test]
fn the_reader_in_python_says_how_it_is_called() {
    let place = Place::new();
    let script = Path::new(ROOT).join("examples/read_journal.py");
    for (args, words) in [(&[][..], "usage: read_journal.py DIR"), (&["nowhere"], "nowhere is no directory")]
    {
        let done = Command::new("python3").arg(&script).args(args).current_dir(place.path("")).output();
        let done = done.expect("python3 runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && !said.contains("Traceback"), "{said}");
    }
}

#[test]
fn files_of_init_name_what_lies_beside_them() {
    let place = Place::new();
    place.expect(0, &["init", "shop"]);
    for name in ["desk.toml", "stdin.toml", "tcp.toml"] {
        let text = place.read(&format!("shop/{name}"));
        assert!(text.contains(&format!("pricewright run {name}")), "{text}");
        assert!(!text.contains("strategies/"), "{text}");
    }
}

#[test]
fn what_would_be_ignored_is_refused() {
    let place = Place::new();
    place.write("empty.itch", "");
    for more in [&["--symbols", "AAPL"][..], &["--rate", "10"]] {
        let said = complaint(&place.expect(2, &[&["sim", "--itch", "empty.itch"], more].concat()));
        assert!(said.contains(more[0]) && said.contains("cannot be used with"), "{said}");
    }
    let free = ["--lines", "127.0.0.1:0", "--rerequest", "127.0.0.1:0", "--ouch", "127.0.0.1:0"];
    let sim =
        [&["sim", "--itch", "empty.itch", "--glimpse", "127.0.0.1:0", "--speed", "max"], &free[..]].concat();
    let said = complaint(&place.expect(2, &sim));
    assert!(said.contains("the file holds no message"), "{said}");
    let said = complaint(&place.expect(2, &["run", STDIN, "--journal", "j", "--record", "r"]));
    assert!(said.contains("--record: packets"), "{said}");
    assert!(!place.path("r").exists() && !place.path("j").exists());
}

#[test]
fn check_finds_ports_that_clash_or_are_none() {
    let place = Place::new();
    let tcp = std::fs::read_to_string(Path::new(ROOT).join("strategies/pricing/flash_sale/tcp.toml"));
    let clash = tcp.expect("there").replace("\"127.0.0.1:7002\"", "\"127.0.0.1:7001\"");
    place.write("tcp.toml", &clash);
    let said = complaint(&place.expect(2, &["check", "tcp.toml"]));
    assert!(said.contains("[gateway.http] listen: [feed.jsonl] listens there"), "{said}");
    let desk = DESK
        .replace(":31002\"", ":0\"")
        .replace(":31003\"", ":0\"")
        .replace(":31004\"", ":0\"\ndrop_copy = \"127.0.0.1:0\"")
        .replace("glimpse = \"127.0.0.1:31006\"", "glimpse = \"127.0.0.1:0\"");
    place.write("desk.toml", &desk);
    let said = complaint(&place.expect(2, &["check", "desk.toml"]));
    for key in ["lines", "rerequest", "address", "drop_copy", "glimpse"] {
        assert!(said.contains(&format!("{key}: ")) && said.contains("has no port"), "{key}: {said}");
    }
    place.write("twice.toml", &DESK.replace(":31004\"", ":31004\"\ndrop_copy = \"127.0.0.1:31004\""));
    let said = complaint(&place.expect(2, &["check", "twice.toml"]));
    assert!(said.contains("drop_copy: this is the address that orders go to"), "{said}");
}
