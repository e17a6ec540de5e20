//! A desk at a venue that is not like our own: sessions that begin anew with orders alive, answers that cannot be read or
//! attributed, orders that nobody knew. It latches, says what it does not know, and every journal verifies.

use std::path::Path;
use std::time::{Duration, Instant};

use pricewright::journal::Reader;
use pricewright::sim::{Sim, SimConfig, SimHandle};
use pricewright_core::kernel::table::{
    DropCopyExecution, KillLatched, LatchHeld, OrderInDoubt, PositionBreak, PositionChanged, SessionChanged,
    VenueAccepted, VenueUnread,
};
use pricewright_core::kernel::{Control, Lots, Record, RecordRef};
use pricewright_core::market::instrument::TickSize;
use pricewright_feeds::nasdaq::Symbol;
use zerocopy::IntoBytes as _;

use crate::market::engine::{Config, Engine, config, symbols};
use crate::support::{BOUND, Place};
use crate::venue::{Order, Venue, accepted, broken, executed};

/// Market data of the simulated exchange, orders at a venue of the test's own, a desk between them.
struct World {
    place: Place,
    sim: SimHandle,
    venue: Venue,
    config: Config,
}

impl World {
    fn new(instruments: usize) -> Self {
        let market =
            SimConfig { seed: 5, rate: 4_000, symbols: symbols(instruments), ..SimConfig::embedded(false) };
        let sim = Sim::start(&market).expect("an exchange");
        let venue = Venue::open("O1");
        let mut config = config(sim.addresses(), instruments);
        config.gateway.ouch.as_mut().expect("a gateway").address = venue.address();
        Self { place: Place::new(), sim, venue, config }
    }

    fn start(&self, what: &str) -> Engine {
        Engine::start(&self.config, &self.place.path("j"), what)
    }

    /// Waits until the venue has two orders resting, and gives them.
    fn quoting(&self) -> Vec<Order> {
        self.venue.until("two resting orders", |book| book.resting.len() >= 2);
        self.venue.book().resting.clone()
    }

    fn journal(&self) -> Reader {
        Reader::open(&self.place.path("j")).expect("a journal")
    }

    /// Waits for the first such record, from the journal's beginning.
    fn find<R: Record>(&self, what: &str, wanted: impl Fn(&R) -> bool) -> R {
        find(&self.place.path("j"), what, wanted)
    }

    fn all<R: Record>(&self) -> Vec<R> {
        let mut journal = self.journal();
        let mut all = Vec::new();
        while let Some(record) = journal.next_record().expect("good") {
            all.extend(record.get::<R>().copied());
        }
        all
    }

    fn latched(&self, control: Control) -> KillLatched {
        self.find("latch", |latch: &KillLatched| latch.control == control && latch.released == 0)
    }

    /// Ends the desk; its journal must decide the same again.
    fn end(self, engine: Engine) -> Place {
        engine.stop();
        self.sim.stop();
        self.place.verify("j");
        self.place
    }
}

fn find<R: Record>(dir: &Path, what: &str, wanted: impl Fn(&R) -> bool) -> R {
    let start = Instant::now();
    let mut journal = Reader::open(dir).expect("a journal");
    loop {
        assert!(start.elapsed() < BOUND, "no {what}");
        let Some(record) = journal.next_record().expect("good") else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        if let Some(found) = RecordRef::get::<R>(&record).filter(|found| wanted(found)) {
            return *found;
        }
    }
}

/// Another session, with fills of the old one that were never said; and the same by its numbering alone.
#[test]
fn a_session_that_begins_anew_with_orders_alive_latches_names_and_cancels_them() {
    for session in ["O2", "O1"] {
        let world = World::new(1);
        let engine = world.start(session);
        world.quoting();
        // The desk moves its quotes all the time: what rests as the connection goes is what is in doubt.
        world.venue.book().mute = true;
        let cancels = world.venue.book().cancels.len();
        world.venue.begin(session);
        world.venue.book().mute = false;
        let alive = world.quoting();
        let latch = world.latched(Control::SESSION_CHANGE);
        assert!(latch.value >= 2, "{session}: {latch:?}");
        world.venue.until("cancels of what rests", |book| {
            alive.iter().all(|order| book.cancels[cancels..].contains(&order.client))
        });
        let named: Vec<u64> = world.all::<OrderInDoubt>().iter().map(|order| order.client).collect();
        assert!(alive.iter().all(|order| named.contains(&u64::from(order.client))), "{session}: {named:?}");
        let orders = engine.seen().orders;
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(engine.seen().orders, orders, "{session}: nothing is ordered behind the latch");
        let change = world.find("change", |_: &SessionChanged| true);
        assert!(change.wanted > 1 && change.found == 1, "{session}: {change:?}");
        world.end(engine);
    }
}

#[test]
fn only_a_stated_position_releases_a_changed_sessions_latch() {
    let world = World::new(1);
    let engine = world.start("stated");
    world.quoting();
    world.venue.begin("O2");
    world.latched(Control::SESSION_CHANGE);
    let said = world.place.run(&["operator", "rearm", "j", "--name", "ann"], "");
    assert_eq!(said.code, Some(1), "{said:#?}");
    let text = said.err.join(" ");
    assert!(text.contains("is not released") && text.contains("operator position"), "{text}");
    assert_eq!(world.find("refusal", |_: &LatchHeld| true).operator.as_str(), "ann");
    world.place.expect(2, &["operator", "position", "NOBODY", "5", "j"]);
    world.place.expect(2, &["operator", "position", "DEMO", "much", "j"]);
    for lots in ["9223372036854775807", "-9223372036854775808", "100000000000000000", "1099511627777"] {
        let said = world.place.expect(2, &["operator", "position", "DEMO", lots, "j"]);
        assert!(said.err.join(" ").contains("nothing was asked"), "{said:#?}");
    }
    // In range by itself; its worth at that price is not.
    let said =
        world.place.expect(1, &["operator", "position", "DEMO", "1000000000000", "j", "--price", "100000"]);
    assert!(
        said.err.join(" ").contains("not taken") && said.err.join(" ").contains("out of range"),
        "{said:#?}"
    );
    let told = world.place.json(&["operator", "position", "DEMO", "-30", "j", "--name", "ann", "--json"]);
    assert!(told["seq"].as_u64().is_some() && told["position"] == -30, "{told:#}");
    let changed = world.find("position", |changed: &PositionChanged| changed.client == 0);
    assert_eq!((changed.position, changed.match_number), (Lots(-30), 0));
    world.place.expect(0, &["operator", "rearm", "j", "--name", "ann"]);
    let orders = engine.seen().orders;
    engine.until("orders again", |seen| seen.orders > orders);
    world.end(engine);
}

#[test]
fn a_run_that_ends_with_orders_unconfirmed_says_so_and_fails() {
    let world = World::new(1);
    let engine = world.start("mute");
    world.quoting();
    world.venue.book().mute = true;
    let outcome = engine.stop();
    assert!(outcome.orders_left >= 2, "{}", outcome.orders_left);
    let failed = outcome.check(&world.place.path("j")).expect_err("orders may be open");
    assert_eq!(failed.exit_code(), 1);
    assert!(failed.to_string().contains("may be open"), "{failed}");
    world.sim.stop();
    world.place.verify("j");
}

/// Layouts: OUCH 5.0, section 3. Each is kept in the journal byte for byte.
#[test]
fn answers_that_cannot_be_read_or_attributed_latch_and_are_kept() {
    let unknown = executed(4_000_000, 10, 1_000_000, 9);
    let odd = executed(1, 1, 1_000_001, 10);
    let cases: [(&str, Vec<u8>); 4] = [
        ("too short", executed(1, 10, 1_000_000, 8).as_bytes()[..20].to_vec()),
        ("unknown type", b"Z\0\0\0\0\0\0\0\x01\0\0\0\x01what".to_vec()),
        ("unknown order, grids differ", unknown.as_bytes().to_vec()),
        ("off the grid", odd.as_bytes().to_vec()),
    ];
    for (what, bytes) in cases {
        let mut world = World::new(2);
        // Two grids: one hundredth of a cent, and a cent.
        let second = &mut world.config.config.instruments[0];
        second.tick_size = TickSize::new("0.01").expect("a tick size");
        (second.increment.0, second.tick_value.0) = (1, 100);
        let engine = world.start(what);
        world.quoting();
        world.venue.book().say_raw(&bytes);
        world.latched(Control::UNREAD_ANSWER);
        let kept = world.find("raw answer", |_: &VenueUnread| true);
        assert_eq!(kept.kept_bytes(), bytes, "{what}");
        world.venue.until("cancels", |book| book.resting.is_empty());
        world.end(engine);
    }
}

#[test]
fn an_order_that_the_desk_does_not_know_is_cancelled_and_latches() {
    let world = World::new(1);
    let engine = world.start("unknown order");
    world.quoting();
    let stranger = Order {
        client: 50_000,
        side: b'B',
        open: 70,
        price: 10_000,
        symbol: Symbol::new("DEMO").expect("a symbol"),
    };
    {
        let mut book = world.venue.book();
        book.resting.push(stranger);
        book.accepted.push(stranger);
        book.next = 50_001;
        book.say(&accepted(&stranger));
    }
    assert_eq!(world.latched(Control::UNKNOWN_ORDER).value, 50_000);
    world.venue.until("its cancel", |book| book.cancels.contains(&50_000));
    world.end(engine);
}

/// With 16 places for own orders, the order of a fill is soon forgotten.
#[test]
fn a_break_is_booked_by_its_match_when_the_orders_place_was_used_again() {
    let mut world = World::new(1);
    world.config.config.own_orders = 16;
    world.config.config.risk.max_open_orders = 4;
    let engine = world.start("break");
    let order = world.quoting()[0];
    let (client, number, side) = {
        let mut book = world.venue.book();
        let order = book.resting.iter().find(|now| now.side == order.side).copied().expect("it quotes");
        (order.client, book.fill(order.client, 10, true), order.side)
    };
    let booked = world.find("fill", |fill: &PositionChanged| fill.match_number == number);
    engine.until_orders(60);
    world.venue.book().say(&broken(client, number));
    let undone =
        world.find("break", |fill: &PositionChanged| fill.match_number == number && fill.fill != booked.fill);
    assert_eq!(undone.fill, Lots(if side == b'B' { -10 } else { 10 }));
    assert_eq!(world.all::<KillLatched>().len(), 0);
    world.end(engine);
}

/// The desk is killed with orders alive; the next morning the venue has another session, numbered from 1.
#[test]
fn the_next_mornings_first_start_is_latched_where_orders_were_alive() {
    let world = World::new(1);
    world.place.write("desk.toml", &world.config.canonical().expect("text"));
    let run = || world.place.start(&["run", "desk.toml", "--journal", "j"]);
    let desk = run();
    let alive = world.quoting();
    world.find("answer", |_: &VenueAccepted| true);
    desk.signal("KILL");
    desk.finish();
    {
        let mut book = world.venue.book();
        (book.next, book.mute) = (1, false);
        book.resting.clear();
    }
    world.venue.begin("O2");
    let desk = run();
    world.latched(Control::SESSION_CHANGE);
    let named: Vec<u64> = world.all::<OrderInDoubt>().iter().map(|order| order.client).collect();
    assert!(!named.is_empty() && !alive.is_empty(), "{named:?}");
    // The number that the new session would give next is below all of them: it says nothing.
    world.venue.until("cancels of all of them", |book| {
        named.iter().all(|client| book.cancels.iter().any(|cancel| u64::from(*cancel) == *client))
    });
    world.place.expect(1, &["operator", "rearm", "j"]);
    world.place.expect(0, &["operator", "position", "DEMO", "0", "j"]);
    world.place.expect(0, &["operator", "rearm", "j"]);
    world.quoting();
    desk.signal("TERM");
    assert_eq!(desk.finish().code, Some(0));
    world.place.verify("j");
    // Stopped with everything confirmed gone: the morning after is a clean slate.
    world.venue.begin("O3");
    let desk = run();
    world.quoting();
    desk.signal("TERM");
    assert_eq!(desk.finish().code, Some(0));
    world.place.verify("j");
    assert_eq!(world.all::<SessionChanged>().len(), 2);
    let released = world.all::<KillLatched>();
    assert_eq!(released.last().map(|latch| latch.released), Some(1), "{released:?}");
}

impl World {
    /// With the venue's drop copy, and little patience for what only one side has.
    fn copying() -> Self {
        let mut world = Self::new(1);
        let drop_copy = world.venue.drop_copy();
        world.config.gateway.ouch.as_mut().expect("a gateway").drop_copy = Some(drop_copy);
        world.config.config.drop_copy_grace_ms = 700;
        world
    }
}

/// A fill that the lost session never said is booked from the drop copy, which then releases the latch.
#[test]
fn the_drop_copy_says_what_a_lost_session_did_not_and_releases_the_latch() {
    let world = World::copying();
    let engine = world.start("lost session");
    world.quoting();
    let (number, qty, side) = {
        let mut book = world.venue.book();
        book.mute = true;
        let order = book.resting.first().copied().expect("it quotes");
        (book.fill(order.client, 30, false), 30, order.side)
    };
    world.venue.begin("O2");
    world.venue.book().mute = false;
    world.latched(Control::SESSION_CHANGE);
    let booked = world.find("lost fill", |fill: &PositionChanged| fill.match_number == number);
    assert_eq!(booked.fill, Lots(if side == b'B' { qty } else { -qty }));
    let released = world.find("release", |latch: &KillLatched| latch.released == 1);
    assert_eq!(released.operator.as_str(), "drop copy");
    let orders = engine.seen().orders;
    engine.until("orders again", |seen| seen.orders > orders);
    // The order session may have been down for longer than the fill may be missing.
    assert!(world.all::<PositionBreak>().last().is_none_or(|found| found.what == 0));
    world.end(engine);
}

#[test]
fn a_drop_copy_that_differs_freezes_the_instrument_and_says_what_differs() {
    let world = World::copying();
    let engine = world.start("differs");
    world.quoting();
    let (client, number) = {
        let mut book = world.venue.book();
        let order = book.resting.first().copied().expect("it quotes");
        let number = book.fill(order.client, 10, true);
        // The same match in the drop copy, with other lots.
        let other = executed(order.client, 11, order.price, number + 500);
        book.copy(&other);
        (order.client, number + 500)
    };
    let found = world.find("break", |_: &PositionBreak| true);
    assert_eq!((found.what, found.client, found.match_number), (1, u64::from(client), number));
    assert_eq!((found.our_qty, found.their_qty), (0, 11));
    world.venue.until("cancels", |book| book.resting.is_empty());
    let orders = engine.seen().orders;
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(engine.seen().orders, orders, "nothing is ordered while they differ");
    let said = world.place.run(&["operator", "rearm", "j"], "");
    assert!(said.code == Some(1) && said.err.join(" ").contains("drop copy differs"), "{said:#?}");
    world.place.expect(0, &["operator", "position", "DEMO", "0", "--dir", "j"]);
    world.place.expect(0, &["operator", "rearm", "j"]);
    engine.until("orders again", |seen| seen.orders > orders);
    world.end(engine);
}

/// The simulated exchange's own drop copy, with real fills: every execution is found, over a restart too.
#[test]
fn the_simulated_exchanges_drop_copy_agrees_with_the_desk() {
    let place = Place::new();
    let any = "127.0.0.1:0".parse().expect("an address");
    let market = SimConfig { seed: 7, rate: 6_000, drop_copy: Some(any), ..SimConfig::embedded(false) };
    let sim = Sim::start(&market).expect("an exchange");
    let mut config = config(sim.addresses(), 1);
    let drop_copy = sim.addresses().drop_copy;
    assert!(drop_copy.is_some());
    config.gateway.ouch.as_mut().expect("a gateway").drop_copy = drop_copy;
    for run in 1..=2 {
        let engine = Engine::start(&config, &place.path("j"), "agreeing");
        engine.until("fills", |seen| seen.fills >= 5);
        // Longer than an execution may be missing on one side.
        std::thread::sleep(Duration::from_millis(2_500));
        engine.stop();
        let (mut fills, mut copies) = (Vec::new(), Vec::new());
        let mut journal = Reader::open(&place.path("j")).expect("a journal");
        while let Some(record) = journal.next_record().expect("good") {
            assert!(
                record.get::<PositionBreak>().is_none(),
                "run {run}: {:?}",
                record.get::<PositionBreak>()
            );
            fills.extend(record.get::<PositionChanged>().map(|fill| (fill.match_number, fill.client)));
            copies.extend(record.get::<DropCopyExecution>().map(|copy| (copy.match_number, copy.client)));
        }
        assert!(copies.len() >= 5, "run {run}: {} copies", copies.len());
        assert!(copies.iter().all(|copy| fills.contains(copy)), "run {run}");
        let once: std::collections::BTreeSet<_> = copies.iter().collect();
        assert_eq!(once.len(), copies.len(), "run {run}: each is journalled once");
    }
    sim.stop();
    place.verify("j");
}
