//! Acting never waits for telling: standard output and standard error are pipes that are full and that nobody reads.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pricewright::journal::Reader;
use pricewright_core::kernel::{DecisionRef, EventRef, OperatorCommand, RecordRef, SessionPhase};
use serde_json::Value;

use crate::pricing::lines_config;
use crate::processes::{Market, summary};
use crate::support::{BOUND, Place, http_get_200};

/// A pipe that takes no byte more, with the end that nobody reads.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    // SAFETY: a number is asked for; the descriptor is open.
    let size = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_GETPIPE_SZ) };
    writer.write_all(&vec![b'.'; usize::try_from(size).expect("a size")]).expect("it fits");
    (reader, writer)
}

/// A process whose words nobody reads. It is killed where the test ends before it.
struct Unread {
    child: Child,
    out: PipeReader,
    _err: PipeReader,
}

impl Unread {
    fn start(place: &Place, args: &[&str]) -> Self {
        let (out, stdout) = full_pipe();
        let (err, stderr) = full_pipe();
        let child = Command::new(env!("CARGO_BIN_EXE_pricewright"))
            .args(args)
            .current_dir(place.path(""))
            .env("PRICEWRIGHT_LOG", "trace")
            .stdin(Stdio::piped())
            .stdout(Stdio::from(OwnedFd::from(stdout)))
            .stderr(Stdio::from(OwnedFd::from(stderr)))
            .spawn()
            .expect("the program starts");
        Self { child, out, _err: err }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs");
        assert!(sent.success(), "kill -{name} {pid}");
    }

    /// Its exit code; nothing of what it said was read.
    fn end(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status.code();
            }
            assert!(start.elapsed() < BOUND, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Follows a journal until `found` says yes to a record.
fn until(journal: &mut Reader, what: &str, mut found: impl FnMut(&RecordRef<'_>) -> bool) {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < BOUND, "no {what}");
        match journal.next_record().expect("good") {
            Some(record) if found(&record) => return,
            Some(_) => {}
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn begun(place: &Place, journal: &str) -> Reader {
    let start = Instant::now();
    loop {
        if let Ok(journal) = Reader::open(&place.path(journal)) {
            return journal;
        }
        assert!(start.elapsed() < BOUND, "a journal");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_order(record: &RecordRef<'_>) -> bool {
    matches!(DecisionRef::of(record), Some(DecisionRef::PlaceOrder(_)))
}

fn is_phase(record: &RecordRef<'_>, phase: SessionPhase) -> bool {
    matches!(EventRef::of(record), Some(EventRef::SessionState(state)) if state.phase == phase)
}

fn desk(place: &Place, market: &Market) {
    place.write("desk.toml", &market.configure(include_str!("../../strategies/trading/desk.toml")));
}

#[test]
fn a_kill_the_loss_of_a_session_and_the_end_wait_for_no_reader() {
    let place = Place::new();
    let market = Market::find();
    desk(&place, &market);
    let exchange = market.start(&place, &["DEMO"], 3, 500, 0);
    let mut engine = Unread::start(&place, &["run", "desk.toml", "--journal", "live"]);
    let mut journal = begun(&place, "live");
    until(&mut journal, "order", is_order);
    place.json(&["operator", "kill", "live", "--name", "ann", "--json"]);
    until(
        &mut journal,
        "latch",
        |record| matches!(DecisionRef::of(record), Some(DecisionRef::KillLatched(latch)) if latch.released == 0),
    );
    exchange.signal("KILL");
    until(&mut journal, "session down", |record| is_phase(record, SessionPhase::DOWN));
    // The hot thread goes on: its timers fire.
    until(&mut journal, "timer", |record| matches!(EventRef::of(record), Some(EventRef::Timer(_))));
    let again = market.start(&place, &["DEMO"], 3, 500, 0);
    until(&mut journal, "session ready", |record| is_phase(record, SessionPhase::READY));
    engine.signal("TERM");
    assert_eq!(engine.end(), Some(0));
    assert_eq!(place.verify("live")["clean_end"], true);
    summary(again);
}

#[test]
fn a_recording_that_nobody_reads_keeps_nothing_from_its_end() {
    let place = Place::new();
    let market = Market::find();
    desk(&place, &market);
    let mut pipe = place.held_pipe("packets");
    while pipe.write(&[b'.'; 4096]).is_ok() {}
    let exchange = market.start(&place, &["DEMO"], 3, 500, 0);
    let engine = place.start(&["run", "desk.toml", "--journal", "live", "--record", "packets"]);
    let mut journal = begun(&place, "live");
    until(&mut journal, "order", is_order);
    place.json(&["operator", "kill", "live", "--name", "ann", "--json"]);
    until(&mut journal, "latch", |record| {
        matches!(DecisionRef::of(record), Some(DecisionRef::KillLatched(_)))
    });
    engine.signal("TERM");
    let ended = engine.finish();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.err.join("\n").contains("the recording is not complete"), "{ended:#?}");
    assert_eq!(place.verify("live")["clean_end"], true);
    summary(exchange);
}

#[test]
fn a_refusal_that_nobody_reads_ends_the_process() {
    let place = Place::new();
    desk(&place, &Market::find());
    // A file where the journal's directory should be.
    place.write("live", "");
    assert_eq!(Unread::start(&place, &["run", "desk.toml", "--journal", "live"]).end(), Some(2));
}

#[test]
fn the_demo_and_the_exchange_run_and_end() {
    let place = Place::new();
    let mut demo = Unread::start(&place, &["run", "--seconds", "2", "--journal", "demo"]);
    assert_eq!(demo.end(), Some(0));
    assert_eq!(place.verify("demo")["clean_end"], true);
    let mut shop = Unread::start(&place, &["demo", "flash-sale", "--seconds", "1", "--journal", "shop"]);
    assert_eq!(shop.end(), Some(0));
    assert_eq!(place.verify("shop")["clean_end"], true);

    let market = Market::find();
    desk(&place, &market);
    let arguments = market.arguments(&["DEMO"], 3, 500, 0);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut exchange = Unread::start(&place, &arguments);
    let engine = place.start(&["run", "desk.toml", "--journal", "live"]);
    until(&mut begun(&place, "live"), "order", is_order);
    engine.signal("TERM");
    assert_eq!(engine.finish().code, Some(0));
    exchange.signal("TERM");
    assert_eq!(exchange.end(), Some(0));
}

#[test]
fn prices_go_to_files_and_http_while_standard_output_is_not_read() {
    let place = Place::new();
    let text = include_str!("../../strategies/pricing/flash_sale/stdin.toml").replace(
        "stdout = true",
        "stdout = true\nfile = \"prices.jsonl\"\n[gateway.http]\nlisten = \"127.0.0.1:0\"",
    );
    let address = crate::support::free_address(|address| std::net::TcpListener::bind(address).is_ok());
    place.write("shop.toml", &text.replace("127.0.0.1:0", &address.to_string()));
    let mut shop = Unread::start(&place, &["run", "shop.toml", "--journal", "j"]);
    let mut input = shop.child.stdin.take().expect("piped");
    let inventory = r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":100000,"stock":100000,"base":"100.00"}"#;
    writeln!(input, "{inventory}").expect("taken");
    // More than the queue of standard output holds; what cannot be read goes to standard error.
    for number in 0..20_000 {
        writeln!(input, r#"{{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":4}}"#)
            .expect("taken");
        if number % 4 == 0 {
            writeln!(input, "no JSON {number}").expect("taken");
        }
    }
    let last =
        r#"{"type":"inventory","sku":"B","ts":"2026-01-01T00:00:09Z","initial":9,"stock":9,"base":"42.00"}"#;
    writeln!(input, "{last}").expect("taken");
    let start = Instant::now();
    while !place.path("prices.jsonl").exists() || !place.read("prices.jsonl").contains("\"sku\":\"B\"") {
        assert!(start.elapsed() < BOUND, "the file gets every price");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(http_get_200(address, "/prices/B").contains("42.00"));
    shop.signal("TERM");
    assert_eq!(shop.end(), Some(0));
    assert_eq!(place.verify("j")["clean_end"], true);
}

/// A named pipe whose reader stops keeps nothing from the journal, its hash chain and the dead letters; once it is read again it
/// has every price.
#[test]
fn a_named_pipe_that_is_not_read_keeps_only_its_own_lines() {
    const PRICES: usize = 20_000;
    let place = Place::new();
    let config = lines_config("stdin = true", "publish = \"always\"");
    place.write("c.toml", &config.replace("stdout = true", "file = \"pipe\"\ndead_letter = \"dead.jsonl\""));
    let mut pipe = place.held_pipe("pipe");
    let mut run = place.start(&["run", "c.toml"]);
    let inventory = r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":100000,"stock":100000,"base":"100.00"}"#;
    let purchase = r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":4}"#;
    run.input(&format!("{inventory}\n{}no JSON\n", format!("{purchase}\n").repeat(PRICES)));
    let start = Instant::now();
    while !place.path("dead.jsonl").exists() || !place.read("dead.jsonl").contains("malformed") {
        assert!(start.elapsed() < BOUND, "the dead letters, behind every price");
        std::thread::sleep(Duration::from_millis(10));
    }
    while !place.path("j/chain-00000004.pwc").exists() {
        assert!(start.elapsed() < BOUND, "segments are prepared and chained");
        std::thread::sleep(Duration::from_millis(10));
    }
    let (mut lines, mut bytes) = (0, [0; 1 << 16]);
    while lines < PRICES + 1 {
        assert!(start.elapsed() < 2 * BOUND, "{lines} prices, once it is read");
        match pipe.read(&mut bytes) {
            Ok(count) => lines += bytes[..count].iter().filter(|byte| **byte == b'\n').count(),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    run.signal("TERM");
    let ended = run.finish();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(place.verify("j")["clean_end"], true);
}

#[test]
fn a_result_waits_for_its_reader_behind_everything_else() {
    let place = Place::new();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/stdin.toml");
    let config =
        std::fs::read_to_string(config).expect("there").replace("stdout = true", "file = \"p.jsonl\"");
    place.write("shop.toml", &config);
    // The nth run of the journal, once it takes events.
    let start = |nth: u32| {
        let run = Unread::start(&place, &["run", "shop.toml", "--journal", "j", "--json"]);
        let mut starts = 0;
        until(&mut begun(&place, "j"), "start", |record| {
            starts += u32::from(matches!(EventRef::of(record), Some(EventRef::Operator(told))
                if told.command == OperatorCommand::START));
            starts == nth
        });
        run
    };
    let sealed = || {
        let start = Instant::now();
        loop {
            let said = place.run(&["journal", "verify", "j", "--json"], "");
            let verdict: Value = serde_json::from_str(&said.out.join("\n")).unwrap_or_default();
            if verdict["tail"] == "sealed" {
                return;
            }
            assert!(start.elapsed() < BOUND, "{said:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let mut waiting = start(1);
    waiting.signal("TERM");
    sealed();
    let mut text = String::new();
    waiting.out.read_to_string(&mut text).expect("read");
    assert_eq!(waiting.end(), Some(0));
    let result: Value = serde_json::from_str(text.trim_start_matches('.')).expect("the result");
    assert_eq!(result["ended"], "operator");

    // Nobody takes the next one: one more signal ends the process.
    let mut waiting = start(2);
    waiting.signal("TERM");
    sealed();
    waiting.signal("TERM");
    assert_eq!(waiting.end(), Some(1));
    assert_eq!(place.verify("j")["clean_end"], true);
}
