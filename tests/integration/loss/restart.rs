//! Sessions that end and begin, desks that end and begin, and desks that are killed.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pricewright::config::Topology;
use pricewright::journal::Reader;
use pricewright::sim::{Sim, SimConfig};
use pricewright_core::kernel::{Control, DecisionRef, HealthReason, SessionPhase};

use super::{ORDERS, check_books, exchange_lines, faulty};
use crate::market::BookLine;
use crate::market::audit::audit;
use crate::market::engine::{Engine, PATIENCE, config, end_both, symbols};
use crate::market::plain::book_of_file;
use crate::support::free_address;

#[test]
fn another_session_begins_with_empty_books_and_latches_for_the_orders_of_the_last() {
    // Quotes are pulled whenever a line loses something, so that a venue may leave while none is alive.
    assert!((31..37).any(another_session), "in none of six runs was an order alive when the venue left");
}

/// Whether the desk latched: it does where orders were alive when the venue left.
fn another_session(seed: u64) -> bool {
    let what = &format!("another session, seed {seed}");
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (folder.path().join("first.itch"), folder.path().join("second.itch"));
    let sim = Sim::start(&faulty(seed, 1, &first)).expect("an exchange");
    let addresses = sim.addresses().clone();
    let config = config(&addresses, 1);
    let journal = folder.path().join("journal");
    let engine = Engine::start(&config, &journal, what);
    engine.until_orders(ORDERS);
    sim.stop();
    engine.until("the end of the session", |seen| seen.last_reason(HealthReason::END_OF_SESSION));
    engine.until("the venue's end", |seen| seen.phases.contains(&SessionPhase::ENDED));
    let ended = sim.join().expect("a summary");
    let again = SimConfig {
        lines: addresses.lines.iter().map(|line| (*line).into()).collect(),
        rerequest: addresses.rerequest.into(),
        ouch: addresses.ouch,
        glimpse: Some(addresses.glimpse),
        ..faulty(seed + 100, 1, &second)
    };
    let sim = Sim::start(&again).expect("another session");
    assert_ne!(sim.addresses().session, ended.session);
    // What became of orders that were alive nobody has said, so that no new one may follow.
    engine.until("the next session", |seen| seen.is_trading());
    let (latch, orders) = (engine.seen().latch, engine.seen().orders);
    assert!(latch.is_none_or(|control| control == Control::SESSION_CHANGE), "{what}: {latch:?}");
    if latch.is_some() {
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(engine.seen().orders, orders, "a latched desk sends no order");
    } else {
        engine.until_orders(ORDERS);
    }
    let summary = end_both(sim, engine);
    let audit = audit(&journal, &config, what);
    check_books(what, &audit, &summary, &second, &symbols(1));
    assert_eq!(book_of_file(&first, &symbols(1)), exchange_lines(&ended, &symbols(1)));
    assert_eq!(audit.cleared, 2, "the books began once in each session");
    assert!(audit.saw(HealthReason::SESSION_CHANGE));
    assert!(
        latch.is_none() || audit.open.iter().all(|client| *client < audit.first_of_session),
        "only orders of the first session are in doubt: {:?}, the second began with {}",
        audit.open,
        audit.first_of_session
    );
    assert!(latch.is_none() || !audit.open.is_empty(), "{what}: it latches for orders that were alive");
    latch.is_some()
}

#[test]
fn a_desk_that_is_restarted_goes_on_in_the_middle_of_the_session() {
    restarted(Topology::Fused, 41);
}

/// Here a run may end with packets half taken from the ring.
#[test]
fn a_desk_behind_a_ring_that_is_restarted_goes_on_in_the_middle_of_the_session() {
    restarted(Topology::Pipelined, 42);
}

fn restarted(topology: Topology, seed: u64) {
    let what = &format!("restart, {topology:?}, seed {seed}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("session.itch");
    let sim = Sim::start(&faulty(seed, 1, &file)).expect("an exchange");
    let mut config = config(sim.addresses(), 1);
    (config.runtime.topology, config.runtime.ring_cells) = (topology, 4096);
    let journal = folder.path().join("journal");
    for _ in 0..3 {
        let engine = Engine::start(&config, &journal, what);
        engine.until("trading", |seen| seen.is_trading());
        engine.until_orders(ORDERS);
        engine.stop();
        let audit = audit(&journal, &config, what);
        assert_eq!(audit.open, [0u64; 0], "{what}: a clean end leaves no order behind");
        assert_eq!(audit.cleared, 1, "{what}: the books go on where the journal ends");
    }
    let engine = Engine::start(&config, &journal, what);
    engine.until_orders(ORDERS);
    let summary = end_both(sim, engine);
    let audit = audit(&journal, &config, what);
    check_books(what, &audit, &summary, &file, &symbols(1));
    assert_eq!(audit.cleared, 1, "{what}");
}

/// A process of the program, killed where the test ends before it.
struct Running(Child);

impl Running {
    fn start(arguments: &[&str], dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pricewright"));
        command.args(arguments).current_dir(dir).stdout(Stdio::piped()).stderr(Stdio::null());
        Self(command.spawn().expect("the program"))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.0.id().to_string()]).status().expect("kill");
        assert!(sent.success());
    }

    /// Waits for its end, by itself or after a signal; its standard output.
    fn output(mut self) -> (Option<i32>, String) {
        let out = self.0.stdout.take().expect("piped");
        let text = std::io::read_to_string(out).expect("text");
        (self.0.wait().expect("an end").code(), text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, and was waited for then.
        let _ended = self.0.kill();
        let _waited = self.0.wait();
    }
}

fn free_addresses<const N: usize>() -> [SocketAddrV4; N] {
    [(); N].map(|()| match free_address(|address| UdpSocket::bind(address).is_ok()) {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => panic!("IPv4 was asked for"),
    })
}

/// Waits until the journal holds so many orders.
fn until_orders(journal: &Path, wanted: usize, what: &str) {
    let start = Instant::now();
    loop {
        let mut orders = 0;
        if let Ok(mut reader) = Reader::open(journal) {
            while let Ok(Some(record)) = reader.next_record() {
                let decision = DecisionRef::of(&record);
                orders += usize::from(matches!(
                    decision,
                    Some(DecisionRef::PlaceOrder(_) | DecisionRef::ReplaceOrder(_))
                ));
            }
        }
        if orders >= wanted {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: {orders} of {wanted} orders");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn lines_of_json(text: &str) -> Vec<BookLine> {
    let summary: serde_json::Value = serde_json::from_str(text).expect("the exchange's summary");
    let line = |order: &serde_json::Value| {
        let number = |key: &str| order[key].as_i64().expect("a number");
        let side = if order["side"] == "buy" { 'B' } else { 'S' };
        let symbol = order["symbol"].as_str().expect("a symbol").to_owned();
        let price = order["price"].as_str().expect("decimal text").replace('.', "");
        (symbol, side, number("order") as u64, price.parse().expect("a price"), number("qty"))
    };
    summary["book"].as_array().expect("a book").iter().map(line).collect()
}

#[test]
fn processes_that_are_killed_and_started_again_have_the_exchanges_book() {
    let what = "processes, seed 51";
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b, rerequest, ouch, glimpse] = free_addresses();
    let file = folder.path().join("session.itch");
    let lines = format!("{a},{b}");
    let (rerequest, ouch, glimpse) = (rerequest.to_string(), ouch.to_string(), glimpse.to_string());
    let sim = Running::start(
        &[
            "sim",
            "--seed",
            "51",
            "--rate",
            "4000",
            "--loss",
            "5",
            "--duplicate",
            "3",
            "--reorder",
            "5",
            "--rerequest-loss",
            "5",
            "--json",
            "--write-itch",
            "session.itch",
            "--lines",
            &lines,
            "--rerequest",
            &rerequest,
            "--ouch",
            &ouch,
            "--glimpse",
            &glimpse,
        ],
        folder.path(),
    );
    let start = Instant::now();
    while !file.metadata().is_ok_and(|file| file.len() > 0) {
        assert!(start.elapsed() < PATIENCE, "{what}: the exchange does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let addresses = pricewright::sim::SimAddresses {
        session: Default::default(),
        lines: vec![a, b],
        rerequest: rerequest.parse().expect("an address"),
        ouch: ouch.parse().expect("an address"),
        drop_copy: None,
        glimpse: glimpse.parse().expect("an address"),
    };
    let config = config(&addresses, 1);
    std::fs::write(folder.path().join("desk.toml"), config.canonical().expect("TOML")).expect("written");
    let journal = folder.path().join("journal");
    let arguments = ["run", "desk.toml", "--journal", "journal", "--json"];
    for killed in 1..=3 {
        let desk = Running::start(&arguments, folder.path());
        until_orders(&journal, 20 * killed, what);
        desk.signal("-KILL");
        desk.output();
    }
    let desk = Running::start(&arguments, folder.path());
    until_orders(&journal, 80, what);
    sim.signal("-TERM");
    let (code, text) = sim.output();
    assert_eq!(code, Some(0), "{what}: the exchange");
    desk.signal("-TERM");
    assert_eq!(desk.output().0, Some(0), "{what}: the desk");
    let audit = audit(&journal, &config, what);
    let exchange = lines_of_json(&text);
    assert!(exchange.len() > 50, "{what}: {} orders", exchange.len());
    assert_eq!(audit.desk, exchange, "{what}: the desk's book is not the exchange's");
    assert_eq!(audit.naive, exchange, "{what}: the naive book is not the exchange's");
    assert_eq!(book_of_file(&file, &symbols(1)), exchange, "{what}: the file's book is not the exchange's");
    assert!(audit.saw(HealthReason::END_OF_SESSION), "{what}");
}
