//! Lines from files and prices into files: rotation, half lines, pipes, crashes.

use std::time::{Duration, Instant};

use crate::pricing::{
    INVENTORY, PURCHASE, dead_letters, file_config, lines_config, prices, purchase_at, sales, without_seq,
};
use crate::support::{BOUND, Place, objects};

#[test]
fn a_file_is_read_on_where_the_journal_ends() {
    let place = Place::new();
    place.write("file.toml", &file_config("auto"));
    place.write("events.jsonl", &format!("{INVENTORY}\nhello\n"));
    place.expect(0, &["run", "file.toml", "--journal", "j"]);
    place.expect(0, &["run", "file.toml", "--journal", "j"]);
    assert_eq!(place.read("prices.jsonl").lines().count(), 1, "nothing is read twice");
    place.append("events.jsonl", &format!("{PURCHASE}\nhello again\n"));
    place.expect(0, &["run", "file.toml", "--journal", "j"]);
    let lines = |name: &str| place.read(name).lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(prices(&lines("prices.jsonl")), ["A 100.00", "A 175.00"]);
    let malformed = || "malformed".to_owned();
    assert_eq!(dead_letters(&lines("dead.jsonl")), [(2, malformed()), (4, malformed())]);
    place.verify("j");
    // The same name with another beginning is another file.
    place.write("events.jsonl", &format!("{INVENTORY}\n"));
    let ran = place.expect(0, &["run", "file.toml", "--journal", "j"]);
    assert!(ran.err.iter().any(|line| line.contains("it was written anew")), "{ran:#?}");
    assert_eq!(prices(&lines("prices.jsonl")).last().map(String::as_str), Some("A 100.00"));
    place.verify("j");
}

/// Killed again and again, the runs together write what one run writes: no line lost, none twice.
#[test]
fn kill_9_loses_no_line_of_a_file() {
    const LINES: usize = 20_000;
    let whole = Place::new();
    whole.write("file.toml", &file_config("auto"));
    whole.write("events.jsonl", &sales(LINES));
    whole.expect(0, &["run", "file.toml", "--journal", "j"]);
    let expected = whole.read("prices.jsonl");
    let place = Place::new();
    place.write("file.toml", &file_config("auto"));
    place.write("events.jsonl", &sales(LINES));
    let size = || std::fs::metadata(place.path("prices.jsonl")).map_or(0, |file| file.len());
    let mut kills = 0;
    for part in 1..6 {
        let mut process = place.start(&["run", "file.toml", "--journal", "j"]);
        let enough = expected.len() as u64 * part / 6;
        let start = std::time::Instant::now();
        while size() < enough {
            assert!(
                process.is_running(),
                "it ended at {} of {enough} bytes: {:#?}",
                size(),
                process.finish()
            );
            assert!(start.elapsed() < BOUND, "{} of {enough} bytes", size());
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        process.signal("KILL");
        kills += usize::from(process.finish().code.is_none());
    }
    place.expect(0, &["run", "file.toml", "--journal", "j"]);
    assert!(kills > 0, "every run ended before it could be killed");
    let found = without_seq(&place.read("prices.jsonl"));
    let expected = without_seq(&expected);
    assert_eq!(found.len(), expected.len(), "after {kills} kills");
    assert!(found == expected, "after {kills} kills");
    assert_eq!(without_seq(&place.read("dead.jsonl")), without_seq(&whole.read("dead.jsonl")));
    let (events, whole_events) = (place.verify("j"), whole.verify("j"));
    assert_eq!(events["decisions"], whole_events["decisions"]);
}

/// Reads the file `feed` names with one journal, again and again.
fn reads(place: &Place, file: &str) -> Vec<String> {
    place.write("c.toml", &lines_config(&format!("file = \"{file}\""), ""));
    prices(&place.expect(0, &["run", "c.toml"]).out)
}

#[test]
fn half_a_line_waits_for_its_rest() {
    let place = Place::new();
    let (purchase, next) = (purchase_at(1, 30), purchase_at(2, 1));
    let (head, tail) = purchase.split_at(40);
    place.write("in", &format!("{INVENTORY}\n{head}"));
    assert_eq!(reads(&place, "in"), ["A 100.00"]);
    assert_eq!(reads(&place, "in"), [""; 0], "nothing came");
    place.append("in", &format!("{tail}\n{next}"));
    // The last line has no end and is whole.
    assert_eq!(reads(&place, "in"), ["A 175.00", "A 177.50"]);
    place.append("in", &format!("\n{}\n", purchase_at(3, 1)));
    assert_eq!(reads(&place, "in"), ["A 180.00"]);
    place.verify("j");
}

#[test]
fn another_file_in_the_place_of_one_is_read_from_its_start() {
    for rename in [false, true] {
        let place = Place::new();
        place.write("in", &format!("{INVENTORY}\n{}\n", purchase_at(1, 1)));
        assert_eq!(reads(&place, "in"), ["A 100.00", "A 102.50"]);
        let other = INVENTORY.replace(":40", ":10").replace("100.00", "50.00");
        let other = format!("{other}\n{}\n{}\n{}\n", purchase_at(1, 5), purchase_at(2, 1), purchase_at(3, 1));
        if rename {
            place.write("new", &other);
            std::fs::rename(place.path("new"), place.path("in")).expect("moved");
        } else {
            place.write("in", &other);
        }
        assert_eq!(reads(&place, "in"), ["A 50.00", "A 75.00", "A 80.00", "A 85.00"], "renamed: {rename}");
    }
}

#[test]
fn the_same_file_by_another_name_is_not_read_again() {
    let place = Place::new();
    place.write("inv", &format!("{INVENTORY}\n"));
    place.write("in", &format!("{}\n", purchase_at(1, 10)));
    assert_eq!(reads(&place, "inv"), ["A 100.00"]);
    assert_eq!(reads(&place, "in"), ["A 125.00"]);
    std::os::unix::fs::symlink(place.path("in"), place.path("link")).expect("linked");
    assert_eq!(reads(&place, "link"), [""; 0]);
    assert_eq!(reads(&place, "./in"), [""; 0]);
    std::fs::rename(place.path("in"), place.path("in.1")).expect("moved");
    place.append("in.1", &format!("{}\n", purchase_at(2, 1)));
    assert_eq!(reads(&place, "in.1"), ["A 127.50"], "the rotated file has grown");
}

/// A pipe has no lines that an earlier run could have read.
#[test]
fn a_named_pipe_is_read_from_its_start_each_time() {
    let place = Place::new();
    place.make_pipe("pipe");
    place.write("c.toml", &lines_config("file = \"pipe\"", ""));
    for (lines, expected) in [(format!("{INVENTORY}\n"), "A 100.00"), (purchase_at(1, 30), "A 175.00")] {
        let path = place.path("pipe");
        let writer = std::thread::spawn(move || std::fs::write(path, lines).expect("written"));
        assert_eq!(prices(&place.expect(0, &["run", "c.toml"]).out), [expected]);
        writer.join().expect("the writer");
    }
}

#[test]
fn a_named_pipe_without_its_other_end_keeps_no_run_from_ending() {
    let place = Place::new();
    place.make_pipe("pipe");
    // Nobody writes it yet.
    place.write("in.toml", &lines_config("file = \"pipe\"", ""));
    let run = place.start(&["run", "in.toml", "--journal", "in"]);
    let start = Instant::now();
    while !place.path("in/operator").exists() {
        assert!(start.elapsed() < BOUND, "it does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    run.signal("TERM");
    assert_eq!(run.finish().code, Some(0));
    // Nobody reads it: that is said before anything is decided.
    place.write("out.toml", &lines_config("stdin = true", "").replace("stdout = true", "file = \"pipe\""));
    let refused = place.expect(2, &["run", "out.toml", "--journal", "out"]);
    assert!(refused.err.join("\n").contains("nobody reads this named pipe"), "{refused:#?}");
    assert!(!place.path("out/journal-00000001.pwj").exists(), "the run is taken back");
    // Its reader takes nothing: the run waits for it, and not for ever once it is to end.
    let reader = std::fs::File::options().read(true).write(true).open(place.path("pipe")).expect("a reader");
    let mut run = place.start(&["run", "out.toml", "--journal", "out"]);
    let lines: String = (1..=2_000).map(|n| format!("{}\n", purchase_at(n % 60, 1))).collect();
    run.input(&format!(
        "{}\n{lines}",
        INVENTORY.replace("\"initial\":40,\"stock\":40", "\"initial\":9000,\"stock\":9000")
    ));
    run.signal("TERM");
    let ended = run.finish();
    assert!(ended.code.is_some(), "it ends by itself: {ended:#?}");
    drop(reader);
    assert_eq!(place.verify("out")["clean_end"], true);
}

#[test]
fn a_file_of_prices_that_is_moved_away_goes_on_in_a_new_one() {
    let place = Place::new();
    place.write(
        "c.toml",
        &lines_config("stdin = true", "").replace("stdout = true", "file = \"prices.jsonl\""),
    );
    assert_eq!(place.run(&["run", "c.toml"], &format!("{INVENTORY}\n{}\n", purchase_at(1, 1))).code, Some(0));
    std::fs::rename(place.path("prices.jsonl"), place.path("prices.1")).expect("moved");
    assert_eq!(place.run(&["run", "c.toml"], &format!("{}\n", purchase_at(2, 1))).code, Some(0));
    let found = |name: &str| prices(&place.read(name).lines().map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(found("prices.1"), ["A 100.00", "A 102.50"]);
    assert_eq!(found("prices.jsonl"), ["A 105.00"], "this run's price, and no other");
    // While it runs, too.
    let mut process = place.start(&["run", "c.toml"]);
    process.input(&format!("{}\n", purchase_at(3, 1)));
    let start = Instant::now();
    let mut qty = 4;
    while found("prices.jsonl").len() < 2 {
        assert!(start.elapsed() < BOUND, "no price");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::fs::rename(place.path("prices.jsonl"), place.path("prices.2")).expect("moved");
    while !place.path("prices.jsonl").exists() || place.read("prices.jsonl").is_empty() {
        assert!(start.elapsed() < BOUND, "no new file");
        process.input(&format!("{}\n", purchase_at(qty % 60, 1)));
        qty += 1;
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(process.finish().code, Some(0));
    let seqs = |name: &str| -> Vec<u64> {
        let lines: Vec<String> = place.read(name).lines().map(str::to_owned).collect();
        objects(&lines).iter().map(|line| line["seq"].as_u64().expect("a number")).collect()
    };
    let together = [seqs("prices.1"), seqs("prices.2"), seqs("prices.jsonl")].concat();
    assert!(
        together.is_sorted() && together.len() == 3 + usize::try_from(qty - 3).expect("few"),
        "{together:?}"
    );
}

#[test]
fn an_output_that_is_the_input_is_refused_however_it_is_spelt() {
    let place = Place::new();
    let events = format!("{INVENTORY}\n");
    place.write("events.jsonl", &events);
    std::fs::hard_link(place.path("events.jsonl"), place.path("hard.jsonl")).expect("linked");
    std::os::unix::fs::symlink("events.jsonl", place.path("soft.jsonl")).expect("linked");
    for name in ["events.jsonl", "./events.jsonl", "hard.jsonl", "soft.jsonl"] {
        for (key, other) in [("file", "prices.jsonl"), ("dead_letter", "dead.jsonl")] {
            let config = file_config("auto").replace(other, name);
            place.write("file.toml", &config);
            for command in [&["check", "file.toml"][..], &["run", "file.toml", "--journal", "j"]] {
                let refused = place.expect(2, command);
                let said = refused.err.join("\n");
                assert!(said.contains(&format!("{key}: {name} is the same file as the input")), "{said}");
            }
        }
    }
    place.write("file.toml", &file_config("auto").replace("dead.jsonl", "./prices.jsonl"));
    let said = place.expect(2, &["check", "file.toml"]).err.join("\n");
    assert!(said.contains("dead_letter: ./prices.jsonl is the same file as file"), "{said}");
    place.write("file.toml", &file_config("auto").replace("prices.jsonl", "j/journal-00000009.pwj"));
    let said = place.expect(2, &["check", "file.toml"]).err.join("\n");
    assert!(said.contains("file: j/journal-00000009.pwj is named as a journal's own file"), "{said}");
    assert_eq!(place.read("events.jsonl"), events, "nothing was written");
    assert!(!place.path("j").exists());
}
