//! Under `--json` errors are JSON too: whatever is wrong, standard output has nothing but JSON, every line of standard error
//! is a JSON object, the last one says what is wrong, and the exit code is as ever.

use clap::CommandFactory as _;
use pricewright::cli::args::Cli;
use serde_json::Value;

use super::support::{Finished, Place};

const STDIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/stdin.toml");
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/replay-data/journal-v1");

/// Bad and missing input of each command that has `--json`.
const BAD: &[(&str, &[&str])] = &[
    ("", &["--loss x", "--no-such-flag", "--seconds -1", "--journal a-file"]),
    (
        "run",
        &[
            "nothing.toml",
            "no-toml.toml",
            "wrong.toml",
            "run.toml --ack",
            "run.toml --journal a-file",
            "--seed",
        ],
    ),
    (
        "sim",
        &[
            "--speed fast",
            "--symbols TOOLONGNAME",
            "--itch nothing.itch",
            "--time-zone Nowhere/None",
            "--ouch x",
        ],
    ),
    ("demo flash-sale", &["--http 192.0.2.1:9", "--journal a-file", "--seconds ten"]),
    (
        "replay",
        &[
            "",
            "nowhere",
            "empty",
            "garbage",
            "a-file",
            "garbage --until x",
            "--packets nothing --journal new",
        ],
    ),
    (
        "explain",
        &["", "nowhere/", "empty 1", "garbage 1", "FIXTURE 999999", "FIXTURE --order 999999", "a b c d"],
    ),
    (
        "journal inspect",
        &["", "nowhere", "empty", "garbage", "FIXTURE --type Nothing", "FIXTURE --from 999999", "--raw"],
    ),
    ("journal tail", &["", "nowhere", "empty", "a-file", "FIXTURE --type Nothing"]),
    ("journal verify", &["", "nowhere", "empty", "FIXTURE --key nothing.pub", "FIXTURE --key a-file"]),
    ("journal seal", &["", "nowhere --sign a-file", "FIXTURE --sign nothing", "FIXTURE --sign a-file"]),
    ("journal keygen", &["", "nowhere/key", "a-file"]),
    ("journal stats", &["", "nowhere", "empty", "garbage", "a-file"]),
    (
        "journal export",
        &[
            "",
            "--jsonl",
            "--jsonl nowhere",
            "--jsonl garbage",
            "--csv FIXTURE",
            "--csv FIXTURE --type OrderAdd",
            "--jsonl FIXTURE --from 9 --to 3",
            "--jsonl FIXTURE --out a-file",
        ],
    ),
    (
        "journal archive",
        &["", "nowhere --to new", "empty --to new", "garbage --to new", "FIXTURE --to a-file"],
    ),
    (
        "journal prune",
        &["", "nowhere --keep-age 1d", "FIXTURE", "FIXTURE --keep-age 1y", "garbage --keep-size 1GB"],
    ),
    ("operator kill", &["", "nowhere", "empty", "garbage", "a-file"]),
    ("operator rearm", &["", "nowhere", "empty", "garbage", "a-file"]),
    ("operator position", &["", "DEMO", "DEMO x", "DEMO 5 nowhere", "DEMO 5 garbage", "NONE 5 FIXTURE"]),
    ("check", &["", "nothing.toml", "no-toml.toml", "wrong.toml", "run.toml --rate 0", "empty"]),
    ("config", &["no_such_key", "silence_mss", "a b"]),
    ("init", &["", "a-file", "a-file/in", "a b"]),
    ("bench floor", &["--rounds 0", "--seed x"]),
    ("bench ring", &["--rounds 0", "--seed x"]),
    ("bench journal", &["--rate 0", "--seconds x"]),
    ("bench decode", &["--rounds 0", "--no-such-flag"]),
    ("bench book", &["--rounds 0", "--no-such-flag"]),
    ("bench tick-to-decision", &["--rounds 0", "--no-such-flag"]),
    ("bench tick-to-trade", &["--rate 0", "--pairs 0"]),
    ("bench replay", &["--rounds 0", "--no-such-flag"]),
    ("bench restart", &["--events 5", "--events x"]),
    ("bench compare", &["", "nothing.json also-nothing.json", "a-file a-file", "run.toml run.toml"]),
    ("bench all", &["--rounds 0", "--no-such-flag"]),
];

/// The names of all commands that have `--json`, hidden ones left out.
fn commands(command: &clap::Command, path: &str, found: &mut Vec<String>) {
    if command.get_arguments().any(|arg| arg.get_long() == Some("json")) {
        found.push(path.to_owned());
    }
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        commands(sub, format!("{path} {}", sub.get_name()).trim(), found);
    }
}

/// A directory with what is bad.
fn bad_place() -> Place {
    let place = Place::new();
    place.write("a-file", "neither a journal nor a key\n");
    place.write("no-toml.toml", "machine = [\n");
    let good = std::fs::read_to_string(STDIN).expect("it is there");
    place.write("run.toml", &good);
    place.write(
        "wrong.toml",
        &good
            .replace("stdin = true", "stdin = true\nstdinn = true")
            .replace("segment_mib = 16", "segment_mib = 0"),
    );
    for dir in ["empty", "garbage"] {
        std::fs::create_dir(place.path(dir)).expect("made");
    }
    place.write("garbage/journal-00000001.pwj", "this is no segment");
    place
}

/// The JSON values of standard output, which has nothing else.
fn values(finished: &Finished) -> Vec<Value> {
    let text = finished.out.join("\n");
    let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    values.map(|value| value.unwrap_or_else(|error| panic!("{error}: {finished:#?}"))).collect()
}

/// The error that standard error ends with; all its lines are JSON objects.
fn error(finished: &Finished) -> Value {
    let lines: Vec<Value> = finished
        .err
        .iter()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?} in {finished:#?}"))
        })
        .collect();
    assert!(lines.iter().all(Value::is_object), "{finished:#?}");
    let last = lines.last().unwrap_or_else(|| panic!("nothing is said: {finished:#?}"));
    last.get("error").unwrap_or_else(|| panic!("no error: {finished:#?}")).clone()
}

#[test]
fn every_command_refuses_in_json() {
    let mut found = Vec::new();
    commands(&Cli::command(), "", &mut found);
    let known: Vec<&str> = BAD.iter().map(|(command, _)| *command).collect();
    assert_eq!(found, known, "each command with --json has its bad input here");
    for (command, inputs) in BAD {
        // What one command leaves is no other's newest journal.
        let place = bad_place();
        for input in *inputs {
            let line = format!("{command} {input} --json").replace("FIXTURE", FIXTURE);
            let args: Vec<&str> = line.split_whitespace().collect();
            let finished = place.run(&args, "");
            // What lies in a journal's directory and is none of its files is damage.
            let codes = if line.contains("garbage") { &[Some(1), Some(2)][..] } else { &[Some(2)] };
            assert!(codes.contains(&finished.code), "{args:?}: {finished:#?}");
            assert!(values(&finished).iter().all(Value::is_object), "{args:?}: {finished:#?}");
            let error = error(&finished);
            let keys: Vec<&str> = error.as_object().expect("an object").keys().map(String::as_str).collect();
            for key in ["exit", "help", "message", "place"] {
                assert!(keys.contains(&key), "{key}: {args:?}: {error:#}");
            }
            assert_eq!(error["exit"].as_i64().map(|code| code as i32), finished.code, "{args:?}");
            let message = error["message"].as_str().expect("text");
            assert!(message.len() > 5 && !message.starts_with("error"), "{args:?}: {message}");
            if let Some((_, help)) = message.rsplit_once("; ") {
                let said = error["help"].as_str().unwrap_or_else(|| panic!("{args:?}: {error:#}"));
                assert!(
                    help.ends_with(said) || said.starts_with("tip") || said.starts_with("Usage"),
                    "{args:?}: {error:#}"
                );
            }
        }
    }
}

#[test]
fn an_error_says_where_and_what_helps() {
    let place = bad_place();
    let refused = |args: &[&str]| error(&place.expect(2, args));
    let said = refused(&["journal", "stats", "empty", "--json"]);
    assert_eq!(
        (&said["place"]["file"], &said["help"]),
        (&"empty".into(), &"check the path, or start a run that writes one".into())
    );
    let said = refused(&["journal", "stats", "--jsn", "--json"]);
    assert_eq!(said["place"]["argument"], "--jsn");
    let said = refused(&["run", "nothing.toml", "--json"]);
    assert_eq!(said["place"]["file"], "nothing.toml");
    assert!(said["help"].is_string(), "{said:#}");
}

#[test]
fn check_gives_every_problem_as_its_result() {
    let place = bad_place();
    let finished = place.expect(2, &["check", "wrong.toml", "--json"]);
    let [verdict] = &values(&finished)[..] else { panic!("{finished:#?}") };
    assert_eq!(verdict["good"], false);
    let problems = verdict["problems"].as_array().expect("a list");
    let line_of = |key: &str| {
        let text = place.read("wrong.toml");
        text.lines().position(|line| line.starts_with(key)).expect("there") + 1
    };
    let mut lines: Vec<Option<u64>> = problems.iter().map(|problem| problem["line"].as_u64()).collect();
    lines.sort_unstable();
    let mut wanted = [Some(line_of("segment_mib") as u64), Some(line_of("stdinn") as u64)];
    wanted.sort_unstable();
    assert_eq!(lines, wanted, "{verdict:#}");
    assert!(
        problems
            .iter()
            .any(|problem| problem["message"].as_str().expect("text").contains("did you mean `stdin`?"))
    );
    assert_eq!(&error(&finished)["problems"], &verdict["problems"]);
}

#[test]
fn a_run_has_one_form_on_each_stream() {
    let place = Place::new();
    let good = std::fs::read_to_string(STDIN).expect("it is there");
    place.write("run.toml", &good);
    let input = "{\"type\":\"inventory\",\"sku\":\"A\",\"ts\":\"2026-01-01T00:00:00Z\",\"initial\":40,\"stock\":40,\"base\":\"100.00\"}\nno JSON\n";
    let finished = place.run(&["run", "run.toml", "--journal", "j", "--json"], input);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    // JSON lines: the prices, then the result.
    let lines: Vec<Value> =
        finished.out.iter().map(|line| serde_json::from_str(line).expect("a value a line")).collect();
    assert_eq!(lines.len(), 2, "{finished:#?}");
    assert_eq!((&lines[0]["sku"], &lines[1]["ended"]), (&"A".into(), &"end_of_input".into()));
    let said: Vec<Value> =
        finished.err.iter().map(|line| serde_json::from_str(line).expect("a value a line")).collect();
    assert!(said.iter().any(|line| line["note"].is_string()), "{finished:#?}");
    assert!(said.iter().any(|line| line["reason"] == "malformed"), "the dead letter: {finished:#?}");
}
