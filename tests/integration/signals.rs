//! Signals, closed terminals, closed pipes, and a venue that is not there yet.

use std::time::{Duration, Instant};

use pricewright::journal::Reader;
use pricewright_core::kernel::DecisionRef;
use serde_json::Value;

use crate::processes::{Market, summary};
use crate::support::{BOUND, Place};

const STDIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/stdin.toml");
const INVENTORY: &str =
    r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":10,"base":"100.00"}"#;

/// How the last run of a journal ended, as its last record says.
fn ended(place: &Place, journal: &str) -> String {
    place.expect(0, &["journal", "inspect", journal]).out.pop().expect("a last record")
}

/// What `script` answers in bash, which must end well, and within a bound.
fn bash(place: &Place, script: &str) -> std::process::Output {
    let mut command = std::process::Command::new("timeout");
    command.args(["-k", "1", "100", "bash", "-c", script]).current_dir(place.path(""));
    let ran = command.output().expect("bash runs");
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    ran
}

#[test]
fn a_closed_terminal_ends_a_run_as_a_request_does() {
    let place = Place::new();
    let mut run = place.start(&["run", STDIN, "--journal", "j", "--json"]);
    run.input(&format!("{INVENTORY}\n"));
    run.wait_out("175.00");
    // Shell and kernel may both send it.
    for _ in 0..3 {
        run.signal("HUP");
    }
    let ran = run.finish_with_open_input();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let object: Value = serde_json::from_str(&ran.out[1..].join("\n")).expect("one object at the end");
    assert_eq!(object["ended"], "hangup");
    assert_eq!(place.verify("j")["clean_end"], true);
}

#[test]
fn a_closed_terminal_pulls_the_quotes() {
    let place = Place::new();
    let market = Market::find();
    place.write("desk.toml", &market.configure(include_str!("../../strategies/trading/desk.toml")));
    let exchange = market.start(&place, &["DEMO"], 3, 500, 0);
    let desk = place.start(&["run", "desk.toml", "--journal", "live"]);
    quotes(&place);
    desk.signal("HUP");
    let ended = desk.finish();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.err.iter().any(|line| line.contains("ended (hangup)")), "{ended:#?}");
    let left = ended.err.iter().any(|line| line.contains("has not confirmed"));
    assert!(!left, "nothing rests: {ended:#?}");
    summary(exchange);
    assert_eq!(place.verify("live")["clean_end"], true);
}

/// Waits until the desk has placed an order.
fn quotes(place: &Place) {
    let start = Instant::now();
    let mut journal = None;
    loop {
        assert!(start.elapsed() < BOUND, "no order");
        if journal.is_none() {
            journal = Reader::open(&place.path("live")).ok();
        }
        let found = journal.as_mut().and_then(|journal| journal.next_record().expect("good"));
        match found {
            Some(record) if matches!(DecisionRef::of(&record), Some(DecisionRef::PlaceOrder(_))) => return,
            Some(_) => {}
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[test]
fn who_was_started_to_survive_a_closed_terminal_does() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_pricewright");
    let script = format!(
        "trap '' HUP; mkfifo in; '{program}' run '{STDIN}' --journal j < in > out & exec 9> in; sleep 0.5; kill -HUP $!; \
         echo '{INVENTORY}' >&9; exec 9>&-; wait $!"
    );
    let ran = bash(&place, &script);
    assert!(place.read("out").contains("175.00"), "{ran:?}");
    assert!(ended(&place, "j").contains("end_of_input"), "{ran:?}");
}

#[test]
fn a_closed_pipe_is_not_the_operator() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_pricewright");
    let lines: String = (0..5_000)
        .map(|_| "{\"type\":\"purchase\",\"sku\":\"A\",\"ts\":\"2026-01-01T00:00:01Z\",\"qty\":1}\n")
        .collect();
    let stock = INVENTORY.replace("\"initial\":40,\"stock\":10", "\"initial\":9000,\"stock\":9000");
    place.write("events.jsonl", &format!("{stock}\n{lines}"));
    // The input stays open, so that only the pipe can end it.
    let pipe = format!(
        "mkfifo in; exec 9<>in; cat events.jsonl >&9 & '{program}' run '{STDIN}' --journal j <&9 | head -n 1; \
         code=${{PIPESTATUS[0]}}; kill $! 2>/dev/null; exit $code"
    );
    let ran = bash(&place, &pipe);
    assert_eq!(ran.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "{ran:?}");
    let last = ended(&place, "j");
    assert!(last.contains("output_closed"), "{last}");
}

/// The journal stays quiet: no write finds out that the reader is gone.
#[test]
fn a_tail_ends_quietly_when_its_reader_has_gone() {
    let place = Place::new();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/replay-data/journal-v1");
    let program = env!("CARGO_BIN_EXE_pricewright");
    let pipe = format!("'{program}' journal tail '{fixture}' --from 1 | head -n 1; exit ${{PIPESTATUS[0]}}");
    let ran = bash(&place, &pipe);
    assert_eq!(ran.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "{ran:?}");
    assert!(ran.stderr.is_empty(), "{ran:?}");
}

#[test]
fn a_venue_that_is_down_at_the_start_is_waited_for() {
    let place = Place::new();
    let market = Market::find();
    place.write("desk.toml", &market.configure(include_str!("../../strategies/trading/desk.toml")));
    // Nobody is there: it waits, and a signal ends it.
    let mut desk = place.start(&["run", "desk.toml", "--journal", "early"]);
    desk.after("the venue is not reached");
    desk.must_run("without a venue");
    desk.signal("INT");
    let ended = desk.finish();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(place.verify("early")["clean_end"], true);
    // Nobody is there yet: it trades when somebody is.
    let desk = place.start(&["run", "desk.toml", "--journal", "live"]);
    desk.after("the venue is not reached");
    let exchange = market.start(&place, &["DEMO"], 3, 500, 0);
    quotes(&place);
    desk.signal("TERM");
    assert_eq!(desk.finish().code, Some(0));
    summary(exchange);
}

#[test]
fn a_live_run_says_what_it_does_and_how_it_did() {
    let place = Place::new();
    let market = Market::find();
    let text =
        include_str!("../../strategies/trading/desk.toml").replace("[runtime]", "[runtime]\nstatus_s = 1");
    place.write("desk.toml", &market.configure(&text));
    let exchange = market.start(&place, &["DEMO"], 3, 500, 0);
    let desk = place.start(&["run", "desk.toml", "--journal", "live", "--json"]);
    for words in ["session up: orders may be sent", "feed valid", "\"message\":\"status\""] {
        desk.after(words);
    }
    place.json(&["operator", "kill", "live", "--name", "ann", "--json"]);
    let latch = desk.after("kill latch set: no order and no new price leaves, only cancels");
    assert!(latch.contains("kill_latch") && latch.contains("ann"), "{latch}");
    place.json(&["operator", "rearm", "live", "--name", "bob", "--json"]);
    desk.after("kill latch released");
    exchange.signal("KILL");
    desk.after("the venue session is down");
    desk.signal("TERM");
    let ended = desk.finish();
    assert!(!ended.err.iter().any(|line| line.contains('\x1b')), "no colours in a pipe: {ended:#?}");
    let result: Value = serde_json::from_str(&ended.out.join("\n")).expect("one object and nothing else");
    // The exchange died: what rested there is not confirmed to be gone.
    let left = result["orders_left"].as_u64().expect("a number");
    assert_eq!(ended.code, Some(i32::from(left > 0)), "{ended:#?}");
    for key in [
        "events",
        "decisions",
        "orders",
        "fills",
        "refused",
        "refused_by",
        "venue_rejected",
        "venue_rejected_by",
        "dead_letters",
        "dead_letters_by",
        "positions",
        "profit",
        "fees",
        "receive_to_order_ns",
        "ended",
    ] {
        assert!(!result[key].is_null(), "{key}: {result:#}");
    }
    assert!(result["orders"].as_u64() > Some(0));
    assert_eq!(result["positions"][0]["symbol"], "DEMO");
    // What it says of itself is what its journal says.
    let stats = place.json(&["journal", "stats", "live", "--json"]);
    let kinds = stats["kinds"].as_array().expect("kinds");
    let count = |name: &str| {
        kinds.iter().find(|kind| kind["kind"] == name).and_then(|kind| kind["records"].as_u64()).unwrap_or(0)
    };
    assert_eq!(result["fills"], count("PositionChanged"));
    assert_eq!(result["orders"], count("PlaceOrder") + count("ReplaceOrder"));
    assert_eq!(result["refused"], count("OrderRefused"));
}

#[test]
fn the_status_on_a_terminal_is_one_line_that_fits() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_pricewright");
    let command = format!("stty cols 40; '{program}' run --seconds 4 --journal demo");
    let ran = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(place.path(""))
        .stdin(std::process::Stdio::null())
        .output();
    let Ok(ran) = ran else {
        println!("skipped: this machine has no script(1)");
        return;
    };
    let text = String::from_utf8_lossy(&ran.stdout);
    // Lines of the log stand above it, and are no part of it.
    let shown = text.split("\r\x1b[K").skip(1).filter_map(|part| part.lines().next());
    let shown: Vec<&str> = shown.filter(|line| line.contains("s  bid ")).collect();
    assert!(!shown.is_empty(), "{text}");
    assert!(shown.iter().all(|line| line.chars().count() < 40), "{shown:?}");
}

#[test]
fn a_log_level_that_is_none_is_refused() {
    let place = Place::new();
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_pricewright"))
        .args(["run", STDIN, "--journal", "j"])
        .current_dir(place.path(""))
        .env("PRICEWRIGHT_LOG", "loud")
        .output()
        .expect("the program starts");
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("\"loud\" is no level; give a level (error, warn, info"), "{said}");
    assert!(!place.path("j").exists());
}

#[test]
fn a_file_beyond_the_shells_limit_is_an_error_of_the_file() {
    let place = Place::new();
    // 512-byte blocks: 256 KB, less than a segment.
    let command =
        format!("ulimit -f 500; exec {} run {STDIN} --journal j", env!("CARGO_BIN_EXE_pricewright"));
    let ran = place.start_other("sh", &["-c", &command]).finish();
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.err.iter().any(|line| line.contains("File too large")), "{ran:#?}");
}

#[test]
fn a_journal_cut_short_under_a_run_is_said() {
    let place = Place::new();
    let mut run = place.start(&["run", STDIN, "--journal", "j"]);
    run.input(&format!("{INVENTORY}\n"));
    run.wait_out("175.00");
    let segment = std::fs::OpenOptions::new().write(true).open(place.path("j/journal-00000001.pwj"));
    segment.expect("it is there").set_len(0).expect("cut");
    run.input(&format!("{}\n", INVENTORY.replace("\"A\"", "\"B\"")));
    let ran = run.finish_with_open_input();
    // Ended by the signal, and not without a word.
    assert_eq!(ran.code, None, "{ran:#?}");
    assert!(ran.err.iter().any(|line| line.contains("was cut short")), "{ran:#?}");
}
