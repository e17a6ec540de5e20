//! The judge of a desk's journal: decides it again, rebuilds its books with the naive twin, keeps its own account of
//! open orders, and holds that nothing was quoted while a book was not valid. Panics where something is amiss.

use std::collections::BTreeMap;
use std::path::Path;

use pricewright::journal::Reader;
use pricewright::pipeline::resume::Resume;
use pricewright::replay::follow::Follower;
use pricewright_core::kernel::table::{ALL_INSTRUMENTS, BookTransition, FeedHealth, SessionState};
use pricewright_core::kernel::{
    CancelReason, DecisionRef, EventRef, Health, HealthReason, InstrumentId, Liveness, Lots, OperatorCommand,
    RecordRef, SendOutcome, SessionPhase,
};
use pricewright_core::market::book::BookStore;
use pricewright_core::market::book::naive::NaiveBooks;
use pricewright_strategies::trading::Desk;

use super::engine::Config;
use super::{BookLine, book_lines};

/// What a journal shows.
pub struct Audit {
    /// The desk's books at its end, after deciding the journal again.
    pub desk: Vec<BookLine>,
    /// The naive twin's.
    pub naive: Vec<BookLine>,
    /// The feed's changes of health, in order.
    pub health: Vec<FeedHealth>,
    /// The books' changes of health, in order.
    pub transitions: Vec<BookTransition>,
    /// Orders and replacements.
    pub orders: u64,
    /// Fills booked.
    pub fills: u64,
    /// Cancels because a book was not valid.
    pub pulled: u64,
    /// Inputs refused.
    pub dead_letters: u64,
    /// Messages that the feed could not read.
    pub malformed: u64,
    /// Times that the books began anew.
    pub cleared: u64,
    /// Books that were filled from a snapshot; one that is for all counts once.
    pub filled: u64,
    /// Numbers of own orders that may still be open.
    pub open: Vec<u64>,
    /// The first number of an own order after the last login.
    pub first_of_session: u64,
}

impl Audit {
    /// How often the feed lost messages on all lines.
    pub fn gaps(&self) -> usize {
        self.health.iter().filter(|event| event.reason == HealthReason::GAP).count()
    }

    /// True where the feed's health changed for this reason.
    pub fn saw(&self, reason: HealthReason) -> bool {
        self.health.iter().any(|event| event.reason == reason)
    }
}

/// Reads the journal in `dir`; `what` names the case in failures.
pub fn audit(dir: &Path, config: &Config, what: &str) -> Audit {
    let symbols: Vec<String> =
        config.config.instruments.iter().map(|instrument| instrument.symbol.clone()).collect();
    let mut follower = Follower::<Desk>::new(&config.config).expect("a desk");
    let mut judge = Judge::new(symbols.len());
    let mut resume = Resume::default();
    let mut reader = Reader::open(dir).expect("the journal");
    while let Some(record) = reader.next_record().expect("a sound journal") {
        let seq = record.header().seq;
        follower.follow(record).unwrap_or_else(|found| panic!("{what}: decided otherwise: {found:?}"));
        resume.take(record);
        judge.take(record, &format!("{what}, record {seq}"));
    }
    judge.group_ends(what);
    let desk = follower.driver().machine();
    let ids = (0..symbols.len() as u16).map(InstrumentId);
    let mut open: Vec<u64> =
        ids.flat_map(|id| desk.orders().alive(id).map(|order| order.client).collect::<Vec<_>>()).collect();
    open.sort_unstable();
    assert!(judge.orders.keys().eq(&open), "{what}: open are {:?}, the desk says {open:?}", judge.orders);
    let known = resume.open_orders().map(|(client, _)| client);
    assert!(known.eq(open.iter().copied()), "{what}: a restarted gateway would not know {open:?}");
    Audit {
        desk: book_lines(desk.books(), &symbols),
        naive: book_lines(&judge.books, &symbols),
        open,
        first_of_session: judge.first_of_session,
        cleared: judge.cleared,
        filled: judge.filled,
        malformed: judge.malformed,
        dead_letters: desk.dead_letters(),
        health: judge.feed,
        transitions: judge.transitions,
        orders: judge.placed,
        fills: judge.fills,
        pulled: judge.pulled,
    }
}

/// An own order, by what the records say.
#[derive(Clone, Copy, Debug)]
struct Own {
    instrument: InstrumentId,
    open: u32,
    /// The venue spoke of it.
    known: bool,
    /// A cancel is on its way.
    cancelling: bool,
    /// The order that it is to replace, while the venue has not said so; else 0.
    prior: u64,
}

struct Judge {
    books: NaiveBooks,
    health: Vec<Health>,
    /// Why a book is not to be believed, whatever the feed's health.
    faults: Vec<Option<HealthReason>>,
    feed: Vec<FeedHealth>,
    /// The feed's health changed with the event that is being followed.
    changed: Option<Health>,
    transitions: Vec<BookTransition>,
    phase: SessionPhase,
    /// The venue's last word of its day, and whether the order session's has ended.
    market_phase: u8,
    orders_ended: bool,
    orders: BTreeMap<u64, Own>,
    /// The highest number of an own order, and the first one after the last login.
    highest: u64,
    /// The highest of our numbers that the venue accepted.
    answered: u64,
    first_of_session: u64,
    cleared: u64,
    filled: u64,
    malformed: u64,
    placed: u64,
    fills: u64,
    pulled: u64,
}

impl Judge {
    fn new(instruments: usize) -> Self {
        Self {
            books: NaiveBooks::new(instruments),
            health: vec![Health::UNKNOWN; instruments],
            faults: vec![None; instruments],
            feed: Vec::new(),
            changed: None,
            transitions: Vec::new(),
            phase: SessionPhase::DOWN,
            market_phase: 0,
            orders_ended: false,
            orders: BTreeMap::new(),
            highest: 0,
            answered: 0,
            first_of_session: 0,
            cleared: 0,
            filled: 0,
            malformed: 0,
            placed: 0,
            fills: 0,
            pulled: 0,
        }
    }

    fn take(&mut self, record: RecordRef<'_>, at: &str) {
        if let Some(event) = EventRef::of(&record) {
            self.group_ends(at);
            self.changed = None;
            self.market(event, at);
            self.venue(event);
        } else if let Some(decision) = DecisionRef::of(&record) {
            self.decision(decision, at);
        }
    }

    /// All decisions of an event are known: what must hold between two events.
    fn group_ends(&self, at: &str) {
        if let Some(health) = self.changed {
            let expected =
                |fault: &Option<HealthReason>| if fault.is_some() { Health::STALE } else { health };
            assert!(
                self.health.iter().copied().eq(self.faults.iter().map(expected)),
                "before {at}: a book did not follow its feed: {:?} {:?}",
                self.health,
                self.faults
            );
        }
        if self.phase != SessionPhase::READY {
            return;
        }
        for (client, order) in &self.orders {
            let valid = self.health[order.instrument.index()] == Health::VALID;
            let replacing = self.orders.values().any(|other| other.prior == *client);
            assert!(
                valid || order.cancelling || replacing,
                "before {at}: order {client} stands while its book is not valid: {order:?}"
            );
        }
    }

    fn market(&mut self, event: EventRef<'_>, at: &str) {
        let lots = |qty: u32| Lots(i64::from(qty));
        let books = &mut self.books;
        let applied = match event {
            EventRef::OrderAdd(event) => {
                let side = event.side.side().expect("a side");
                books.add(event.instrument, event.order, side, event.price, lots(event.qty))
            }
            EventRef::OrderExecuted(event) => books.execute(event.order, lots(event.qty)).map(|_| ()),
            EventRef::OrderExecutedAt(event) => books.execute(event.order, lots(event.qty)).map(|_| ()),
            EventRef::OrderReduced(event) => books.reduce(event.order, lots(event.qty)).map(|_| ()),
            EventRef::OrderDeleted(event) => books.delete(event.order).map(|_| ()),
            EventRef::OrderReplaced(event) => {
                books.replace(event.order, event.new_order, event.price, lots(event.qty)).map(|_| ())
            }
            EventRef::BookCleared(event) => {
                let ids = (0..self.health.len() as u16).map(InstrumentId);
                for id in ids.filter(|id| [*id, ALL_INSTRUMENTS].contains(&event.instrument)) {
                    books.clear(id);
                    self.faults[id.index()] = (event.health == Health::STALE).then_some(event.reason);
                }
                self.cleared +=
                    u64::from(event.instrument == ALL_INSTRUMENTS && event.health != Health::STALE);
                if event.instrument == ALL_INSTRUMENTS {
                    self.market_phase = 0;
                }
                self.filled += u64::from(event.reason == HealthReason::SNAPSHOT);
                Ok(())
            }
            EventRef::MarketPhase(event) => {
                self.market_phase = event.code;
                Ok(())
            }
            EventRef::VenueDay(event) => {
                self.orders_ended = event.code == b'E';
                Ok(())
            }
            EventRef::FeedHealth(event) => {
                self.feed.push(*event);
                self.changed = Some(event.health);
                for fault in &mut self.faults {
                    match *fault {
                        None if event.reason == HealthReason::SNAPSHOT_AWAITED => *fault = Some(event.reason),
                        Some(HealthReason::SNAPSHOT) if event.reason == HealthReason::RESTORED => {
                            *fault = None
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            EventRef::Dropped(event) => panic!("{at}: records were dropped: {event:?}"),
            EventRef::Malformed(_) => {
                self.malformed += 1;
                Ok(())
            }
            _ => Ok(()),
        };
        let doubtful = self.faults.iter().flatten().any(|reason| *reason != HealthReason::SNAPSHOT);
        if !doubtful {
            applied.unwrap_or_else(|error| panic!("{at}: the naive book refuses: {error}: {event:?}"));
        }
    }

    fn venue(&mut self, event: EventRef<'_>) {
        match event {
            EventRef::VenueAccepted(answer) => self.known(answer.client, answer.live),
            EventRef::VenueReplaced(answer) => {
                if let Some(order) = self.orders.get_mut(&answer.client) {
                    (order.open, order.prior) = (answer.qty, 0);
                }
                self.reduce(answer.prior, u32::MAX);
                self.known(answer.client, answer.live);
            }
            EventRef::VenueCanceled(answer) => self.reduce(answer.client, answer.qty),
            EventRef::VenueExecuted(answer) => self.reduce(answer.client, answer.qty),
            EventRef::VenueRejected(answer) => self.reduce(answer.client, u32::MAX),
            EventRef::VenueCancelHeld(answer) => {
                if let Some(order) = self.orders.get_mut(&answer.client) {
                    order.cancelling = false;
                }
            }
            EventRef::SendReport(report) if report.outcome != SendOutcome::SENT => {
                match self.orders.get_mut(&report.client) {
                    Some(order) if order.cancelling => order.cancelling = false,
                    Some(order) if !order.known => self.reduce(report.client, u32::MAX),
                    _ => {}
                }
            }
            EventRef::SessionState(state) => self.session(state),
            // A run begins without a session, whatever the one before had.
            EventRef::Operator(command) if command.command == OperatorCommand::START => {
                self.phase = SessionPhase::DOWN;
            }
            _ => {}
        }
    }

    /// After a login all missed answers are there: what the venue did not speak of never reached it.
    fn session(&mut self, state: &SessionState) {
        let was = core::mem::replace(&mut self.phase, state.phase);
        if state.phase == SessionPhase::READY && was != SessionPhase::READY {
            // A numbering that began anew says nothing of the orders before it: they stay in doubt.
            if state.next_client > self.answered {
                self.orders.retain(|client, order| *client < state.next_client && order.known);
            }
            self.orders.values_mut().for_each(|order| (order.cancelling, order.prior) = (false, 0));
            self.first_of_session = self.highest + 1;
        }
    }

    fn known(&mut self, client: u64, live: Liveness) {
        self.answered = self.answered.max(client);
        if live != Liveness::LIVE {
            return self.reduce(client, u32::MAX);
        }
        if let Some(order) = self.orders.get_mut(&client) {
            order.known = true;
        }
    }

    fn reduce(&mut self, client: u64, qty: u32) {
        let Some(order) = self.orders.get_mut(&client) else { return };
        order.open = order.open.saturating_sub(qty);
        if order.open == 0 {
            self.orders.remove(&client);
            // The venue passes over a replacement whose order has left.
            let follower =
                self.orders.iter().find(|(_, order)| order.prior == client).map(|(client, _)| *client);
            follower.into_iter().for_each(|follower| self.reduce(follower, u32::MAX));
        }
    }

    fn decision(&mut self, decision: DecisionRef<'_>, at: &str) {
        let new = |instrument, open, prior| Own { instrument, open, known: false, cancelling: false, prior };
        match decision {
            DecisionRef::PlaceOrder(order) => {
                self.may_quote(order.instrument, at);
                self.highest = order.client;
                self.orders.insert(order.client, new(order.instrument, order.qty, 0));
            }
            DecisionRef::ReplaceOrder(order) => {
                self.may_quote(order.instrument, at);
                self.highest = order.client;
                self.orders.insert(order.client, new(order.instrument, order.qty, order.prior));
            }
            DecisionRef::CancelOrder(order) => {
                self.pulled += u64::from(order.reason == CancelReason::STALE_BOOK);
                if let Some(order) = self.orders.get_mut(&order.client) {
                    order.cancelling = true;
                }
            }
            DecisionRef::BookTransition(transition) => {
                let health = &mut self.health[transition.instrument.index()];
                assert_eq!(*health, transition.from, "{at}: a transition was not journalled");
                *health = transition.to;
                self.transitions.push(*transition);
            }
            DecisionRef::PositionChanged(_) => self.fills += 1,
            _ => {}
        }
    }

    fn may_quote(&mut self, instrument: InstrumentId, at: &str) {
        self.placed += 1;
        assert_eq!(
            self.health[instrument.index()],
            Health::VALID,
            "{at}: an order while the book is not valid"
        );
        assert_eq!(self.phase, SessionPhase::READY, "{at}: an order without a session");
        assert_eq!(self.market_phase, b'Q', "{at}: an order outside market hours");
        assert!(!self.orders_ended, "{at}: an order after the session's end of day");
    }
}
