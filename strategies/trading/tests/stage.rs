//! A desk on a stage: one behaviour each, with the events written out.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::super::desk::ANSWERS_TIMER;
use super::super::{Desk, DeskConfig};
use super::records::{FEED, GATEWAY, record, venue_executed};

pub(super) const PRCW: InstrumentId = InstrumentId(0);
pub(super) const LAST: u8 = market_flags::LAST_IN_BATCH;

/// A desk on a stage: events by hand, decisions and reasons to look at.
pub(super) struct Stage {
    pub(super) driver: Driver<Desk>,
    pub(super) now: Nanos,
    pub(super) decisions: RecordBuf,
    pub(super) notes: Vec<(usize, Note)>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(&DeskConfig::example().expect("example"))
    }

    pub(super) fn with(config: &DeskConfig) -> Self {
        let driver = Driver::new(config).expect("configuration");
        let (decisions, notes) = (RecordBuf::default(), Vec::new());
        Self { driver, now: Nanos::from_secs(1_000), decisions, notes }
    }

    /// A desk that quotes 9 999 and 10 001, both accepted: orders 1 (ask) and 2 (bid).
    pub(super) fn quoting() -> Self {
        let mut stage = Self::new();
        stage.open();
        stage.book(9_999, 10_001);
        stage.accept(1, Side::Sell, 10_001);
        stage.accept(2, Side::Buy, 9_999);
        stage
    }

    pub(super) fn open(&mut self) {
        self.operator(OperatorCommand::START);
        self.health(Health::VALID, HealthReason::START);
        self.mark(0);
        self.status(TradingState::TRADING);
        self.phase(b'Q');
        self.session(SessionPhase::READY, 1);
    }

    pub(super) fn give<R: Record>(&mut self, event: &R) {
        self.give_record(&record(event));
    }

    pub(super) fn give_record(&mut self, event: &RecordBuf) {
        let lying = event.iter().next().expect("a record");
        let mut recorder = Recorder::default();
        let read = EventRef::of(&lying).expect("an event");
        assert_eq!(self.driver.step(self.now, read, &mut recorder), Step::Done);
        self.decisions.clear();
        for decision in self.driver.decisions() {
            self.decisions.push(decision).expect("a buffer grows");
        }
        self.notes = recorder.notes;
    }

    pub(super) fn all<R: Record>(&self) -> Vec<R> {
        self.decisions.iter().filter_map(|decision| decision.get::<R>().copied()).collect()
    }

    pub(super) fn only<R: Record>(&self) -> R {
        let all = self.all::<R>();
        assert_eq!(all.len(), 1, "one {} among {} decisions", R::SCHEMA.name, self.decisions.iter().count());
        all[0]
    }

    pub(super) fn count(&self) -> usize {
        self.decisions.iter().count()
    }

    pub(super) fn operator(&mut self, command: OperatorCommand) {
        self.give(&Operator::says("ada", command, 0));
    }

    pub(super) fn health(&mut self, health: Health, reason: HealthReason) {
        self.give(&FeedHealth {
            expected: 50,
            seen: 53,
            missing: 3,
            source: FEED,
            health,
            reason,
            session: 0,
        });
    }

    pub(super) fn mark(&mut self, lag_ns: i64) {
        self.mark_of(FEED, lag_ns);
    }

    /// A batch that this process received at once, after it had waited in the kernel.
    pub(super) fn queued(&mut self, queued_ns: u32) {
        let received = self.now;
        self.give(&Mark { first: 1, received, count: 1, session: 0, line: 0, source: FEED, queued_ns });
    }

    pub(super) fn mark_of(&mut self, source: SourceId, lag_ns: i64) {
        let received = Nanos(self.now.0 - lag_ns);
        self.give(&Mark { first: 1, received, count: 1, session: 0, line: 0, source, queued_ns: 0 });
    }

    /// The venue cancelled what our order had open, as we asked; 100 lots of one that is not known or done.
    pub(super) fn canceled(&mut self, client: u64) {
        let (event_ns, spare) = (EventNanos(0), [0; 11]);
        let open = self.driver.machine().orders().get(client).map_or(0, |order| order.open);
        let qty = if open == 0 { 100 } else { open };
        self.give(&VenueCanceled { event_ns, client, qty, reason: b'U', spare });
    }

    /// The feed's next session begins: every book is empty.
    pub(super) fn cleared(&mut self, position: u64) {
        self.give(&BookCleared {
            position,
            instrument: ALL_INSTRUMENTS,
            source: FEED,
            reason: HealthReason::SESSION_CHANGE,
            flags: LAST,
            health: Health::UNKNOWN,
            spare: [0; 17],
        });
    }

    /// A trade that touches no displayed order.
    pub(super) fn print(&mut self, price: i64) {
        self.give(&Trade {
            event_ns: EventNanos(0),
            match_number: 1,
            price: Ticks(price),
            qty: 1,
            instrument: PRCW,
            side: SideCode::UNKNOWN,
            flags: LAST,
        });
    }

    pub(super) fn status(&mut self, state: TradingState) {
        let (event_ns, reason, spare) = (EventNanos(0), Text::default(), [0; 16]);
        self.give(&TradingStatus { event_ns, instrument: PRCW, state, flags: LAST, reason, spare });
    }

    /// The venue's day moves on.
    pub(super) fn phase(&mut self, code: u8) {
        self.give(&MarketPhase { event_ns: EventNanos(0), code, flags: LAST, spare: [0; 22] });
    }

    /// The order session's day moves on.
    pub(super) fn venue_day(&mut self, code: u8) {
        self.give(&VenueDay { event_ns: EventNanos(0), code, spare: [0; 7] });
    }

    /// All markets are halted.
    pub(super) fn market_halt(&mut self, level: u8) {
        self.give(&MarketHalt { event_ns: EventNanos(0), level, flags: LAST, spare: [0; 22] });
    }

    pub(super) fn session(&mut self, phase: SessionPhase, next_client: u64) {
        let (sequence, session, source) = (1, 0, GATEWAY);
        self.give(&SessionState { sequence, next_client, session, source, phase, reason: 0, spare: 0 });
    }

    pub(super) fn add(&mut self, order: u64, side: Side, price: i64, flags: u8) {
        self.give(&OrderAdd {
            event_ns: EventNanos(0),
            order,
            price: Ticks(price),
            qty: 100,
            instrument: PRCW,
            side: side.into(),
            flags,
        });
    }

    pub(super) fn delete(&mut self, order: u64, flags: u8) {
        let (event_ns, spare, spare2, side) = (EventNanos(0), 0, 0, SideCode::UNKNOWN);
        self.give(&OrderDeleted { event_ns, order, spare, spare2, instrument: PRCW, side, flags });
    }

    /// A market of one order a side, numbers 1 and 2.
    pub(super) fn book(&mut self, bid: i64, ask: i64) {
        self.add(1, Side::Buy, bid, 0);
        self.add(2, Side::Sell, ask, LAST);
    }

    /// The market moves: its two orders are replaced by themselves at other prices.
    pub(super) fn move_to(&mut self, bid: i64, ask: i64) {
        for (order, price, flags) in [(1, bid, 0), (2, ask, LAST)] {
            self.give(&OrderReplaced {
                event_ns: EventNanos(0),
                order,
                new_order: order,
                price: Ticks(price),
                qty: 100,
                instrument: PRCW,
                side: SideCode::UNKNOWN,
                flags,
            });
        }
    }

    pub(super) fn accept(&mut self, client: u64, side: Side, price: i64) {
        self.give(&VenueAccepted {
            event_ns: EventNanos(0),
            client,
            venue_order: 1_000 + client,
            price: Ticks(price),
            qty: 100,
            instrument: PRCW,
            side: side.into(),
            live: Liveness::LIVE,
        });
    }

    pub(super) fn fill(&mut self, client: u64, match_number: u64, price: i64, qty: u32) {
        self.give(&venue_executed(client, match_number, Ticks(price), qty));
    }

    pub(super) fn wait(&mut self, millis: i64) {
        self.now += Nanos::from_millis(millis);
    }

    /// Lets the next timer fire at its deadline.
    pub(super) fn timer(&mut self) {
        let timer = self.driver.outbox().timers().next().expect("armed");
        self.now = self.now.max(timer.deadline);
        self.give(&timer);
    }

    /// Lets timers fire up to and with the next look for overdue answers.
    pub(super) fn answers_timer(&mut self) {
        loop {
            let timer = self.driver.outbox().timers().next().expect("armed");
            self.now = self.now.max(timer.deadline);
            self.give(&timer);
            if timer.key == ANSWERS_TIMER {
                return;
            }
        }
    }

    /// Lets timers fire up to and with the next status.
    pub(super) fn status_timer(&mut self) {
        self.timer();
        while self.all::<DeskStatus>().is_empty() {
            self.timer();
        }
    }
}
