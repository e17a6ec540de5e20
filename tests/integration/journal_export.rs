//! `journal export` against `journal inspect`, and against a reader in Python that was written from the format's page.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::support::Place;

/// What the reader in `examples` prints of the journal in `dir`; `None` where this machine has no Python. In CI it has.
fn python(dir: &Path) -> Option<Vec<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/read_journal.py");
    let output = match Command::new("python3").arg(script).arg(dir).output() {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "python3: {error}");
            eprintln!("skipped: there is no python3 here ({error})");
            return None;
        }
    };
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    Some(String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect())
}

/// Line by line; the two languages may write the exponent of a float differently, so lines that differ are read.
fn assert_same(ours: &[String], theirs: &[String]) {
    for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        if ours != theirs {
            let value = |line: &str| serde_json::from_str::<Value>(line).expect("an object");
            assert_eq!(value(ours), value(theirs), "line {}", number + 1);
        }
    }
    assert_eq!(ours.len(), theirs.len());
}

fn assert_all_agree(place: &Place, journal: &str) -> usize {
    let exported = place.expect(0, &["journal", "export", "--jsonl", journal]).out;
    assert_eq!(exported, place.expect(0, &["journal", "inspect", "--json", journal]).out);
    if let Some(theirs) = python(&place.path(journal)) {
        assert_same(&exported, &theirs);
    }
    exported.len()
}

#[test]
fn the_fixture_reads_the_same_everywhere() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("replay-data/journal-v1");
    let place = Place::new();
    assert_eq!(assert_all_agree(&place, fixture.to_str().expect("a path in UTF-8")), 96);
}

#[test]
fn a_shops_journal_reads_the_same_everywhere() {
    let place = Place::new();
    place.expect(0, &["demo", "flash-sale", "--seconds", "2", "--journal", "shop"]);
    assert!(assert_all_agree(&place, "shop") > 50);
}

#[test]
fn a_desks_journal_reads_the_same_everywhere_and_is_whole_in_tables() {
    let place = Place::new();
    place.expect(0, &["run", "--seconds", "2", "--journal", "desk"]);
    let lines = assert_all_agree(&place, "desk");
    assert!(lines > 500);
    let report = place.json(&["journal", "export", "--csv", "desk", "--out", "tables", "--json"]);
    let rows: u64 = report["files"]
        .as_array()
        .expect("files")
        .iter()
        .map(|file| {
            let path = PathBuf::from(file["file"].as_str().expect("a path"));
            // A configuration's text has line ends within a row.
            let mut table =
                csv::Reader::from_path(place.path(path.to_str().expect("UTF-8"))).expect("a table");
            let rows = table.records().map(|row| u64::from(row.expect("a row").len() > 4)).sum::<u64>();
            assert_eq!(file["records"], rows, "{}", path.display());
            rows
        })
        .sum();
    assert_eq!((rows, report["records"].as_u64()), (lines as u64, Some(lines as u64)));
    // One type to standard output is the table of the directory.
    let one = place.expect(0, &["journal", "export", "--csv", "desk", "--type", "OrderAdd"]).out;
    assert_eq!(one, place.read("tables/OrderAdd.v1.csv").lines().collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_exported_is_said() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("replay-data/journal-v1");
    let fixture = fixture.to_str().expect("UTF-8");
    let place = Place::new();
    let refused = |args: &[&str], code: i32, words: &str| {
        let finished = place.expect(code, args);
        assert!(finished.err.join("\n").contains(words), "{args:?}: {finished:#?}");
        assert!(finished.out.is_empty());
    };
    refused(&["journal", "export", fixture], 2, "--csv");
    refused(&["journal", "export", "--csv", fixture], 2, "--out DIR");
    refused(&["journal", "export", "--jsonl", fixture, "--from", "9", "--to", "3"], 2, "--from 9");
    refused(&["journal", "export", "--jsonl", fixture, "--type", "Nothing"], 2, "OrderAdd");
    refused(
        &["journal", "export", "--csv", fixture, "--out", "-", "--type", "OrderAdd", "--type", "Define"],
        2,
        "one table",
    );
    refused(&["journal", "export", "--jsonl", "nowhere"], 2, "check the path");
    place.write("there.jsonl", "mine");
    refused(&["journal", "export", "--jsonl", fixture, "--out", "there.jsonl"], 2, "is there already");
    assert_eq!(place.read("there.jsonl"), "mine");
    if !cfg!(feature = "parquet") {
        refused(
            &["journal", "export", "--parquet", fixture, "--out", "tables"],
            2,
            "cargo build --release --features parquet",
        );
    }
}
