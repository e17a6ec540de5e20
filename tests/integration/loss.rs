//! Lost, repeated and reordered packets, silent lines, sessions that end and begin: the desk's book is the exchange's,
//! order by order, and quotes stand only on a valid one.
//!
//! Four judges: the exchange's own book; the desk's, after deciding its journal again; core's naive twin, fed from the
//! journal; and a decoder apart from everything else, fed from the ITCH file that the exchange wrote.

use std::path::Path;
use std::time::Duration;

use pricewright::sim::exchange::BookOrder;
use pricewright::sim::{Sim, SimConfig, SimSummary};
use pricewright_core::kernel::{Health, HealthReason, Side};

use crate::market::BookLine;
use crate::market::audit::{Audit, audit};
use crate::market::engine::{Engine, config, end_both, symbols};
use crate::market::plain::book_of_file;

mod restart;

/// Orders that the desk decides before a test goes on.
const ORDERS: u64 = 20;

/// Faults on both lines and on the re-request path, unicast on free ports.
fn faulty(seed: u64, instruments: usize, file: &Path) -> SimConfig {
    SimConfig {
        seed,
        rate: 6_000,
        symbols: symbols(instruments),
        loss: 0.05,
        duplicate: 0.03,
        reorder: 0.05,
        rerequest_loss: 0.05,
        write_itch: Some(file.to_owned()),
        ..SimConfig::embedded(false)
    }
}

fn exchange_lines(summary: &SimSummary, symbols: &[String]) -> Vec<BookLine> {
    let line = |order: &BookOrder| {
        let side = if order.side == Side::Buy { 'B' } else { 'S' };
        (order.symbol.as_str().to_owned(), side, order.order, order.price.0, order.qty.0)
    };
    let of = |symbol: &String| -> Vec<BookLine> {
        summary.book.iter().filter(|order| order.symbol.as_str() == *symbol).map(line).collect()
    };
    symbols.iter().flat_map(of).collect()
}

/// All judges agree, and the session was worth judging.
fn check_books(what: &str, audit: &Audit, summary: &SimSummary, file: &Path, symbols: &[String]) {
    let exchange = exchange_lines(summary, symbols);
    assert!(exchange.len() > 50, "{what}: {} orders", exchange.len());
    assert_eq!(audit.desk, exchange, "{what}: the desk's book is not the exchange's");
    assert_eq!(audit.naive, exchange, "{what}: the naive book is not the exchange's");
    assert_eq!(book_of_file(file, symbols), exchange, "{what}: the file's book is not the exchange's");
    assert_eq!((audit.dead_letters, audit.malformed), (0, 0), "{what}");
    assert!(audit.orders > 0, "{what}: no orders, {} fills", audit.fills);
}

fn lossy_session(seed: u64, instruments: usize) {
    let what = format!("seed {seed}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("session.itch");
    let sim = Sim::start(&faulty(seed, instruments, &file)).expect("an exchange");
    let config = config(sim.addresses(), instruments);
    let journal = folder.path().join("journal");
    let engine = Engine::start(&config, &journal, &what);
    engine.until_orders(ORDERS);
    engine.until("gaps that were filled", |seen| {
        seen.health.iter().filter(|change| change.1 == HealthReason::FILLED).count() >= 10
    });
    engine.until_orders(ORDERS);
    let summary = end_both(sim, engine);
    let audit = audit(&journal, &config, &what);
    check_books(&what, &audit, &summary, &file, &symbols(instruments));
    assert!(audit.gaps() >= 10 && audit.pulled > 0, "{what}: {} gaps, {} pulled", audit.gaps(), audit.pulled);
    assert!(audit.saw(HealthReason::END_OF_SESSION), "{what}");
    assert!(summary.lines.iter().all(|line| line.lost > 0 && line.duplicated > 0), "{what}: {summary:?}");
}

/// The seeds 1 to 4, or those of `PRICEWRIGHT_SEEDS`, such as `10..60`.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("PRICEWRIGHT_SEEDS") else { return 1..5 };
    let (first, end) = text.split_once("..").expect("PRICEWRIGHT_SEEDS=FIRST..END");
    first.parse().expect("a number")..end.parse().expect("a number")
}

#[test]
fn after_loss_the_book_is_the_exchanges_for_any_seed() {
    for seed in seeds() {
        lossy_session(seed, 1);
    }
}

#[test]
fn after_loss_the_books_of_several_instruments_are_the_exchanges() {
    lossy_session(11, 3);
}

#[test]
fn one_who_joins_late_has_the_whole_book() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("session.itch");
    let sim = Sim::start(&faulty(21, 1, &file)).expect("an exchange");
    // Several thousand messages are gone by before the desk listens.
    std::thread::sleep(Duration::from_millis(800));
    let config = config(sim.addresses(), 1);
    let journal = folder.path().join("journal");
    let engine = Engine::start(&config, &journal, "joining late");
    engine.until_orders(ORDERS);
    let summary = end_both(sim, engine);
    let audit = audit(&journal, &config, "joining late");
    check_books("joining late", &audit, &summary, &file, &symbols(1));
    let first = audit.health.first().expect("a change of health");
    assert_eq!((first.health, first.reason), (Health::RECOVERING, HealthReason::GAP));
    assert!(first.missing > 100, "joining late: {first:?}");
}

#[test]
fn with_line_a_dead_the_other_and_re_requests_give_the_book() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("session.itch");
    let sim = Sim::start(&faulty(22, 1, &file)).expect("an exchange");
    let mut config = config(sim.addresses(), 1);
    // A port that nobody sends to.
    let unused = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let std::net::SocketAddr::V4(unused) = unused else { panic!("IPv4 was asked for") };
    config.feed.nasdaq.as_mut().expect("a feed").lines[0] = unused;
    let journal = folder.path().join("journal");
    let engine = Engine::start(&config, &journal, "line A dead");
    engine.until_orders(2 * ORDERS);
    let summary = end_both(sim, engine);
    let audit = audit(&journal, &config, "line A dead");
    check_books("line A dead", &audit, &summary, &file, &symbols(1));
    assert!(audit.gaps() > 0 && audit.pulled > 0);
}

#[test]
fn in_silence_quotes_are_pulled_and_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("session.itch");
    // Nothing moves: the venue's heartbeats, once a second, are all that is heard.
    let still = SimConfig { rate: 0, write_itch: Some(file.clone()), ..SimConfig::embedded(false) };
    let sim = Sim::start(&still).expect("an exchange");
    let mut config = config(sim.addresses(), 1);
    config.feed.nasdaq.as_mut().expect("a feed").silence_ms = 300;
    let journal = folder.path().join("journal");
    let engine = Engine::start(&config, &journal, "silence");
    engine.until("silence and hearing again, twice", |seen| {
        let count = |reason| seen.health.iter().filter(|change| change.1 == reason).count();
        count(HealthReason::SILENCE) >= 2 && count(HealthReason::HEARD) >= 2
    });
    let orders = engine.seen().orders;
    engine.until("quotes after silence", |seen| seen.orders > orders);
    let summary = end_both(sim, engine);
    let audit = audit(&journal, &config, "silence");
    check_books("silence", &audit, &summary, &file, &symbols(1));
    assert!(audit.pulled >= 2, "silence: {} quotes pulled", audit.pulled);
    let stale = audit.transitions.iter().filter(|change| change.reason == HealthReason::SILENCE);
    assert!(stale.clone().count() >= 2 && stale.clone().all(|change| change.to == Health::STALE));
}
