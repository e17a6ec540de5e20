//! Background market, feed, session and operator.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::World;
use crate::trading::tests::records::{FEED, GATEWAY};

impl World {
    pub(super) fn operator(&mut self, command: OperatorCommand) {
        self.run_timers();
        match command {
            OperatorCommand::START => {
                self.running = true;
                self.storage_low = false;
                // Nothing is known of the feed until it speaks in this run.
                self.feed = Health::UNKNOWN;
                self.ids().for_each(|id| self.revalue(id));
            }
            OperatorCommand::STOP => self.running = false,
            OperatorCommand::STORAGE_LOW => self.storage_low = true,
            OperatorCommand::STORAGE_OK => self.storage_low = false,
            _ => {}
        }
        self.give(&Operator::says("test", command, 0));
    }

    pub(super) fn health(&mut self, health: Health, reason: HealthReason) {
        self.run_timers();
        self.feed = health;
        self.ids().for_each(|id| self.revalue(id));
        self.give(&FeedHealth { expected: 9, seen: 9, missing: 0, source: FEED, health, reason, session: 0 });
    }

    pub(super) fn mark(&mut self, lag_ns: i64) {
        self.run_timers();
        self.late = lag_ns > self.config.risk.ingress_lag_max_us * 1_000;
        self.mark_of(FEED, lag_ns);
    }

    pub(super) fn mark_of(&mut self, source: SourceId, lag_ns: i64) {
        let received = Nanos(self.now.0 - lag_ns);
        self.give(&Mark { first: 1, received, count: 1, session: 0, line: 0, source, queued_ns: 0 });
    }

    pub(super) fn trading_status(&mut self, instrument: InstrumentId, state: TradingState) {
        self.run_timers();
        match state {
            TradingState::MARKET_HALTED => self.market_halted[instrument.index()] = true,
            TradingState::MARKET_RESUMED => self.market_halted[instrument.index()] = false,
            state => self.trading[instrument.index()] = state == TradingState::TRADING,
        }
        let event_ns = EventNanos(self.now.0);
        let (flags, reason, spare) = (market_flags::LAST_IN_BATCH, Text::default(), [0; 16]);
        self.give(&TradingStatus { event_ns, instrument, state, flags, reason, spare });
    }

    /// The venue's day moves on.
    pub(super) fn phase(&mut self, code: u8) {
        self.run_timers();
        self.open_market = code == b'Q';
        let (event_ns, flags) = (EventNanos(self.now.0), market_flags::LAST_IN_BATCH);
        self.give(&MarketPhase { event_ns, code, flags, spare: [0; 22] });
    }

    /// The order session's day ends or begins.
    pub(super) fn venue_day(&mut self, code: u8) {
        self.run_timers();
        self.open_orders = code == b'S';
        self.give(&VenueDay { event_ns: EventNanos(self.now.0), code, spare: [0; 7] });
    }

    /// All markets are halted.
    pub(super) fn market_halt(&mut self) {
        self.run_timers();
        self.trading.fill(false);
        let (event_ns, flags) = (EventNanos(self.now.0), market_flags::LAST_IN_BATCH);
        self.give(&MarketHalt { event_ns, level: b'1', flags, spare: [0; 22] });
    }

    pub(super) fn session(&mut self, phase: SessionPhase) {
        self.run_timers();
        self.ready = phase == SessionPhase::READY;
        let next_client = if self.ready { self.seen + 1 } else { 0 };
        let (sequence, session, source) = (1, 0, GATEWAY);
        self.give(&SessionState { sequence, next_client, session, source, phase, reason: 0, spare: 0 });
    }

    pub(super) fn bad_data(&mut self, instrument: InstrumentId) {
        self.run_timers();
        self.fault[instrument.index()] = true;
        self.delete(instrument, u64::MAX, market_flags::LAST_IN_BATCH);
    }

    /// An update names another instrument than its order's: neither book can be believed.
    pub(super) fn contradiction(&mut self) {
        self.run_timers();
        let Some((order, resting)) = self.market.iter().next() else { return };
        let (order, whose) = (*order, resting.0);
        let other = self.ids().find(|id| *id != whose).expect("two instruments");
        self.fault[whose.index()] = true;
        self.fault[other.index()] = true;
        self.give(&OrderReduced {
            event_ns: EventNanos(self.now.0),
            order,
            spare: 0,
            qty: 1,
            instrument: other,
            side: SideCode::UNKNOWN,
            flags: market_flags::LAST_IN_BATCH,
        });
    }

    /// The book starts anew, and with it all that the venue has to say of the instrument.
    pub(super) fn begin_session(&mut self, instrument: InstrumentId) {
        self.run_timers();
        let index = instrument.index();
        self.market.retain(|_, order| order.0 != instrument);
        self.fault[index] = false;
        (self.trading[index], self.market_halted[index]) = (false, false);
        self.printed[index] = None;
        self.give(&BookCleared {
            position: 1,
            instrument,
            source: FEED,
            reason: HealthReason::SESSION_CHANGE,
            flags: market_flags::LAST_IN_BATCH,
            health: Health::UNKNOWN,
            spare: [0; 17],
        });
    }

    /// A trade that touches no book, at a price of its own.
    pub(super) fn print(&mut self) {
        self.run_timers();
        let instrument = self.some_instrument();
        let price = 9_000 + self.random.below(2_000) as i64;
        self.printed[instrument.index()] = Some(price);
        self.revalue(instrument);
        self.give(&Trade {
            event_ns: EventNanos(self.now.0),
            match_number: 1,
            price: Ticks(price),
            qty: 1,
            instrument,
            side: SideCode::UNKNOWN,
            flags: market_flags::LAST_IN_BATCH,
        });
    }

    /// A side of a book is taken away; the next batch brings it back.
    pub(super) fn empty_side(&mut self) {
        self.run_timers();
        let instrument = self.some_instrument();
        let side = if self.random.one_in(2) { Side::Buy } else { Side::Sell };
        let here = self.market.iter().filter(|(_, order)| order.0 == instrument && order.1 == side);
        let here: Vec<u64> = here.map(|(order, _)| *order).collect();
        if self.fault[instrument.index()] {
            return;
        }
        for (index, order) in here.iter().enumerate() {
            self.market.remove(order);
            let last = index + 1 == here.len();
            if last {
                self.revalue(instrument);
            }
            self.delete(instrument, *order, if last { market_flags::LAST_IN_BATCH } else { 0 });
        }
    }

    fn delete(&mut self, instrument: InstrumentId, order: u64, flags: u8) {
        let (event_ns, side) = (EventNanos(self.now.0), SideCode::UNKNOWN);
        self.give(&OrderDeleted { event_ns, order, spare: 0, spare2: 0, instrument, side, flags });
    }

    pub(super) fn some_instrument(&mut self) -> InstrumentId {
        InstrumentId(u16::try_from(self.random.below(self.centre.len() as u64)).expect("few"))
    }

    pub(super) fn best(&self, id: InstrumentId, side: Side) -> Option<i64> {
        let prices =
            self.market.values().filter(|order| order.0 == id && order.1 == side).map(|order| order.2);
        match side {
            Side::Buy => prices.max(),
            Side::Sell => prices.min(),
        }
    }

    /// A few updates of one instrument; nothing is acted upon before the last.
    pub(super) fn market_batch(&mut self) {
        self.run_timers();
        let id = self.some_instrument();
        if self.fault[id.index()] {
            return;
        }
        let index = id.index();
        self.centre[index] = (self.centre[index] + self.random.below(3) as i64 - 1).clamp(9_000, 11_000);
        let centre = self.centre[index];
        let stale = self.market.iter().filter(|(_, order)| {
            let wrong_side = match order.1 {
                Side::Buy => order.2 >= centre,
                Side::Sell => order.2 <= centre,
            };
            order.0 == id && (wrong_side || (order.2 - centre).abs() > 12)
        });
        let stale: Vec<u64> = stale.map(|(order, _)| *order).collect();
        for order in stale {
            self.market.remove(&order);
            self.delete(id, order, 0);
        }
        for side in [Side::Buy, Side::Sell] {
            let distance = 1 + self.random.below(5) as i64;
            self.add(id, side, distance, side == Side::Sell);
        }
    }

    pub(super) fn add(&mut self, instrument: InstrumentId, side: Side, distance: i64, last: bool) {
        let price = self.centre[instrument.index()] - side.sign() * distance.abs().max(1);
        let (order, qty) = (self.next_order, 1 + self.random.below(300) as u32);
        self.next_order += 1;
        self.market.insert(order, (instrument, side, price, qty));
        if last {
            self.revalue(instrument);
        }
        self.give(&OrderAdd {
            event_ns: EventNanos(self.now.0),
            order,
            price: Ticks(price),
            qty,
            instrument,
            side: side.into(),
            flags: if last { market_flags::LAST_IN_BATCH } else { 0 },
        });
    }
}
