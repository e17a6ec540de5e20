//! Settings that ask for more than the machine has.

use std::process::Command;

use crate::support::Place;

/// A shop with 16,777,216 articles for each of 64 sources: 32 GiB, and as much for the self-check. The shell's limit of
/// address space stands for a small machine.
#[test]
fn sizes_beyond_the_memory_are_refused_with_their_keys_before_any_is_taken() {
    let place = Place::new();
    let config = place.path("big.toml");
    let text = "machine = \"flash_sale\"\n[feed.jsonl]\nstdin = true\n[gateway.jsonl]\nstdout = true\n[config]\n\
                max_skus = 16777216\nmax_sources = 64\n";
    std::fs::write(&config, text).expect("a file");
    for command in ["check", "run"] {
        let ran = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -v 4000000; exec \"$0\" {command} big.toml </dev/null"))
            .arg(env!("CARGO_BIN_EXE_pricewright"))
            .current_dir(place.path("."))
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{command}: {said}");
        for part in ["big.toml:7: ", "of memory", "max_skus = 16777216 for each of max_sources = 64 ("] {
            assert!(said.contains(part), "{command}: no {part:?} in {said}");
        }
    }
    assert!(!place.path("pricewright-data").exists(), "nothing was begun");
}

/// A price, its money and its time as people write them; raw with `--raw`. And what the journal takes, by the last run.
#[test]
fn inspect_shows_what_people_write_and_check_what_the_journal_takes() {
    let place = Place::new();
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/strategies/pricing/flash_sale/stdin.toml"
    ));
    let text = text.expect("it is there").replace("dir = \"pricewright-data/flash-sale\"", "dir = \"j\"");
    place.write("c.toml", &text);
    let disk = |args: &[&str]| {
        let told = place.expect(0, &[&["check", "c.toml"], args].concat()).out;
        told.into_iter().find(|line| line.starts_with("disk")).expect("a line")
    };
    assert!(disk(&[]).contains("keeps at most 50GB (keep); no run has sealed"), "{}", disk(&[]));
    // 1,000 records of 128 bytes a second, 86,400 seconds: 11.1 GB.
    assert!(
        disk(&["--rate", "1000"]).contains("11.1 GB a day at 1,000 records a second"),
        "{}",
        disk(&["--rate", "1000"])
    );
    let at_a_rate = disk(&["--rate", "1000"]);
    let line = r#"{"type":"inventory","sku":"A-7","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}"#;
    let ran = place.run(&["run", "c.toml"], &format!("{line}\n"));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let shown = |args: &[&str]| {
        let type_of = ["journal", "inspect", "j", "--type", "PricePublished"];
        place.expect(0, &[&type_of, args].concat()).out.join("\n")
    };
    let words = shown(&[]);
    for part in ["event_ns=2026-01-01T00:00:00", "price=100.00", "sku=A-7"] {
        assert!(words.contains(part), "no {part} in {words}");
    }
    let raw = shown(&["--raw"]);
    for part in ["event_ns=1767225600000000000", "price=10000", "sku=0"] {
        assert!(raw.contains(part), "no {part} in {raw}");
    }
    // A segment of a few records is mostly head: it says nothing of how many bytes a record takes.
    assert_eq!(disk(&["--rate", "1000"]), at_a_rate);
    assert!(disk(&[]).contains("no run has sealed the 10,000 records"), "{}", disk(&[]));
    let ran = place.run(&["run", "c.toml"], &format!("{line}\n").repeat(12_000));
    assert_eq!(ran.code, Some(0), "{:#?}", ran.err);
    assert!(disk(&[]).contains("a day at the rate of the last run"), "{}", disk(&[]));
    let measured = disk(&["--rate", "1000"]);
    assert!(measured.contains("bytes, as in the last run"), "{measured}");
    let gigabytes: f64 = measured
        .trim_start_matches("disk")
        .trim_start()
        .split(' ')
        .next()
        .and_then(|text| text.parse().ok())
        .expect("a number");
    // Records are of 64 bytes and more, and few of more than 256.
    assert!((5.0..25.0).contains(&gigabytes), "{measured}");
}
