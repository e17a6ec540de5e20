//! A way back: what re-requests cannot bring comes from a snapshot, while the lines go on, and the books are the
//! exchange's in the end. Every journal here is decided again, and rebuilt by the naive twin.

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use pricewright::sim::exchange::BookOrder;
use pricewright::sim::{Sim, SimConfig, SimHandle, SimSummary};
use pricewright_core::kernel::{Health, HealthReason, InstrumentId, Side};

use crate::market::BookLine;
use crate::market::audit::{Audit, audit};
use crate::market::engine::{Config, Engine, config, end_both, symbols};
use relay::{Lines, Manner, SnapshotRelay, deaf};

mod relay;

/// Orders that the desk decides before a test goes on.
const ORDERS: u64 = 10;

/// An exchange whose packets pass through `lines`, and a desk whose re-requests nobody answers.
struct Scene {
    sim: SimHandle,
    lines: Lines,
    config: Config,
    _deaf: UdpSocket,
}

fn scene(seed: u64, rate: u32, instruments: usize) -> Scene {
    let lines = Lines::start();
    let sim = Sim::start(&SimConfig {
        seed,
        rate,
        symbols: symbols(instruments),
        lines: lines.from.iter().map(|line| (*line).into()).collect(),
        ..SimConfig::embedded(false)
    })
    .expect("an exchange");
    let mut config = config(sim.addresses(), instruments);
    let (socket, nobody) = deaf();
    let feed = config.feed.nasdaq.as_mut().expect("a feed");
    feed.lines.clone_from(&lines.to);
    feed.rerequest = nobody;
    Scene { sim, lines, config, _deaf: socket }
}

impl Scene {
    fn feed(&mut self) -> &mut pricewright::config::NasdaqFeed {
        self.config.feed.nasdaq.as_mut().expect("a feed")
    }

    /// A server of these manners in front of the exchange's own.
    fn behind(&mut self, manners: &[Manner]) -> SnapshotRelay {
        let relay = SnapshotRelay::start(self.sim.addresses().glimpse, manners);
        self.feed().glimpse = Some(relay.address);
        relay
    }

    fn end(self, engine: Engine, journal: &Path, what: &str) -> (Audit, SimSummary) {
        let summary = end_both(self.sim, engine);
        let audit = audit(journal, &self.config, what);
        let expected = exchange_lines(&summary, self.config.config.instruments.len());
        assert!(expected.len() > 20, "{what}: {} orders", expected.len());
        assert_eq!(audit.desk, expected, "{what}: the desk's book is not the exchange's");
        assert_eq!(audit.naive, expected, "{what}: the naive book is not the exchange's");
        assert_eq!(audit.dead_letters, audit.malformed, "{what}");
        (audit, summary)
    }
}

fn exchange_lines(summary: &SimSummary, instruments: usize) -> Vec<BookLine> {
    let line = |order: &BookOrder| {
        let side = if order.side == Side::Buy { 'B' } else { 'S' };
        (order.symbol.as_str().to_owned(), side, order.order, order.price.0, order.qty.0)
    };
    let of = |symbol: String| -> Vec<BookLine> {
        summary.book.iter().filter(|order| order.symbol.as_str() == symbol).map(line).collect()
    };
    symbols(instruments).into_iter().flat_map(of).collect()
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed() < crate::market::engine::PATIENCE, "waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn count(audit: &Audit, reason: HealthReason) -> usize {
    audit.health.iter().filter(|change| change.reason == reason).count()
}

#[test]
fn one_who_joins_late_has_the_books_from_a_snapshot_and_asks_for_nothing() {
    let what = "joining late";
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let mut scene = scene(61, 4_000, 2);
    scene.feed().glimpse_gap_messages = 500;
    wait_for("a part of the day", || scene.lines.next() > 2_000);
    let engine = Engine::start(&scene.config, &journal, what);
    engine.until_orders(ORDERS);
    let counted = engine.lines();
    assert_eq!((counted.snapshots, counted.requests), (1, 0), "{counted:?}");
    assert!(counted.recovery_ns_last > 0 && counted.recovery().is_some());
    let (audit, summary) = scene.end(engine, &journal, what);
    assert_eq!((summary.snapshots, audit.filled), (1, 1));
    let reasons: Vec<HealthReason> = audit.health.iter().take(3).map(|change| change.reason).collect();
    assert_eq!(reasons, [HealthReason::GAP, HealthReason::SNAPSHOT_AWAITED, HealthReason::RESTORED]);
    assert!(audit.health[0].missing > 1_000, "{:?}", audit.health[0]);
}

/// The re-request server is down: what both lines lost is lost for good.
#[test]
fn a_gap_that_no_server_fills_ends_with_a_snapshot() {
    let what = "a gap for good";
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let scene = scene(62, 3_000, 1);
    let engine = Engine::start(&scene.config, &journal, what);
    engine.until_orders(ORDERS);
    for round in 1..=2 {
        scene.lines.mute(true);
        std::thread::sleep(Duration::from_millis(50));
        scene.lines.mute(false);
        wait_for("a snapshot", || engine.lines().snapshots >= round);
        engine.until("trading again", |seen| seen.is_trading());
        engine.until_orders(ORDERS);
    }
    let (audit, _) = scene.end(engine, &journal, what);
    assert!(count(&audit, HealthReason::UNRECOVERABLE) >= 2 && count(&audit, HealthReason::RESTORED) >= 2);
    assert!(audit.pulled > 0, "quotes do not stand on a book with a hole");
}

#[test]
fn one_stale_instrument_comes_back_while_the_other_trades_on() {
    let what = "one stale book";
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let scene = scene(63, 3_000, 2);
    let engine = Engine::start(&scene.config, &journal, what);
    engine.until_orders(ORDERS);
    // What the desk came too late for, nobody sends again.
    let before = engine.lines().snapshots;
    for round in 1..=3 {
        scene.lines.garble(1 + round % 2);
        wait_for("a snapshot", || engine.lines().snapshots >= before + round);
        engine.until_orders(ORDERS);
    }
    let (audit, _) = scene.end(engine, &journal, what);
    assert_eq!((audit.malformed, audit.filled), (3, before + 3));
    let awaited = count(&audit, HealthReason::SNAPSHOT_AWAITED) as u64;
    assert_eq!(awaited, before, "the feed was valid all the while");
    let stale = |id| {
        audit
            .transitions
            .iter()
            .filter(|change| {
                change.instrument == InstrumentId(id) && change.reason == HealthReason::UNKNOWN_MESSAGE
            })
            .count()
    };
    assert_eq!((stale(0), stale(1)), (1, 2));
    let back = audit.transitions.iter().filter(|change| change.reason == HealthReason::RESTORED);
    let back: Vec<u16> =
        back.filter(|change| change.to == Health::VALID).map(|change| change.instrument.0).collect();
    assert_eq!(back[back.len() - 3..], [1, 0, 1], "one by one");
}

#[test]
fn a_server_that_refuses_dies_or_ends_too_early_restores_nothing() {
    let what = "a bad server";
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let mut scene = scene(64, 3_000, 1);
    scene.feed().glimpse_gap_messages = 100;
    let relay = scene.behind(&[
        Manner::Refuses,
        Manner::Dies(2),
        Manner::Dies(900),
        Manner::Incomplete,
        Manner::Honest,
    ]);
    wait_for("a part of the day", || scene.lines.next() > 1_000);
    let engine = Engine::start(&scene.config, &journal, what);
    engine.until_orders(ORDERS);
    let counted = engine.lines();
    assert_eq!((counted.snapshots, counted.snapshots_refused), (1, 4), "{counted:?}");
    assert_eq!(relay.met(), ["Refuses", "Dies(2)", "Dies(900)", "Incomplete", "Honest"]);
    let (audit, _) = scene.end(engine, &journal, what);
    assert_eq!(audit.filled, 1);
    drop(relay);
}

/// The snapshot is kept back until far more has arrived than there is memory for: it is refused, and a newer one fits.
#[test]
fn what_does_not_fit_into_the_memory_makes_a_newer_snapshot_necessary() {
    let what = "more than the buffer";
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let mut scene = scene(65, 12_000, 1);
    scene.feed().glimpse_gap_messages = 100;
    scene.feed().glimpse_buffer_mib = 1;
    let relay = scene.behind(&[Manner::Holds, Manner::Honest]);
    wait_for("a part of the day", || scene.lines.next() > 1_000);
    let engine = Engine::start(&scene.config, &journal, what);
    wait_for("a first connection", || !relay.met().is_empty());
    let from = scene.lines.next();
    // 1 MiB holds fewer than 36,000 messages of at least 19 bytes with 10 for each besides.
    wait_for("more than the memory holds", || scene.lines.next() > from + 40_000);
    assert_eq!(engine.lines().snapshots, 0);
    relay.let_go();
    engine.until_orders(ORDERS);
    let counted = engine.lines();
    assert_eq!((counted.snapshots, counted.snapshots_refused), (1, 1), "{counted:?}");
    scene.end(engine, &journal, what);
    drop(relay);
}

/// The desk ends while its books are lost, and begins again: they are lost still, and come back.
#[test]
fn a_desk_that_is_restarted_without_its_books_gets_them() {
    let what = "a restart without books";
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let mut scene = scene(66, 3_000, 1);
    scene.feed().glimpse_gap_messages = 100;
    let relay = scene.behind(&[Manner::Honest, Manner::Refuses]);
    wait_for("a part of the day", || scene.lines.next() > 1_000);
    let engine = Engine::start(&scene.config, &journal, what);
    engine.until_orders(ORDERS);
    scene.lines.mute(true);
    std::thread::sleep(Duration::from_millis(50));
    scene.lines.mute(false);
    engine.until("the loss of the books", |seen| seen.last_reason(HealthReason::SNAPSHOT_AWAITED));
    wait_for("a try", || relay.met().len() > 1);
    engine.stop();
    scene.feed().glimpse = Some(scene.sim.addresses().glimpse);
    let engine = Engine::start(&scene.config, &journal, what);
    engine.until("trading again", |seen| seen.is_trading());
    engine.until_orders(ORDERS);
    assert_eq!(engine.lines().snapshots, 1);
    let (audit, _) = scene.end(engine, &journal, what);
    assert_eq!((audit.filled, audit.cleared), (2, 1));
    drop(relay);
}
