//! Background market, feed, session and operator.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::World;
use crate::trading::tests::records::{FEED, GATEWAY};

impl World {
    pub(super) fn operator(&mut self, command: OperatorCommand) {
        self.run_timers();
        match command {
            OperatorCommand::START => self.running = true,
            OperatorCommand::STOP => self.running = false,
            OperatorCommand::STORAGE_LOW => self.storage_low = true,
            OperatorCommand::STORAGE_OK => self.storage_low = false,
            _ => {}
        }
        let operator = Text::new("test").expect("short");
        self.give(&Operator { argument: 0, command, spare: [0; 6], operator });
    }

    pub(super) fn health(&mut self, health: Health, reason: HealthReason) {
        self.run_timers();
        self.feed = health;
        self.give(&FeedHealth { expected: 9, seen: 9, missing: 0, source: FEED, health, reason, session: 0 });
    }

    pub(super) fn mark(&mut self, lag_ns: i64) {
        self.run_timers();
        self.late = lag_ns > self.config.risk.ingress_lag_max_us * 1_000;
        let received = Nanos(self.now.0 - lag_ns);
        self.give(&Mark { first: 1, received, count: 1, session: 0, line: 0, source: FEED, spare: 0 });
    }

    pub(super) fn trading_status(&mut self, instrument: InstrumentId, state: TradingState) {
        self.run_timers();
        self.trading[instrument.index()] = state == TradingState::TRADING;
        let event_ns = EventNanos(self.now.0);
        let (flags, reason, spare) = (market_flags::LAST_IN_BATCH, Text::default(), [0; 16]);
        self.give(&TradingStatus { event_ns, instrument, state, flags, reason, spare });
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
        self.give(&OrderDeleted {
            event_ns: EventNanos(self.now.0),
            order: u64::MAX,
            spare: 0,
            spare2: 0,
            instrument,
            side: SideCode::UNKNOWN,
            flags: market_flags::LAST_IN_BATCH,
        });
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
        let id = InstrumentId(u16::try_from(self.random.below(self.centre.len() as u64)).expect("few"));
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
            self.give(&OrderDeleted {
                event_ns: EventNanos(self.now.0),
                order,
                spare: 0,
                spare2: 0,
                instrument: id,
                side: SideCode::UNKNOWN,
                flags: 0,
            });
        }
        for side in [Side::Buy, Side::Sell] {
            self.add(id, side, 1 + self.random.0 as i64 % 5, side == Side::Sell);
        }
    }

    pub(super) fn add(&mut self, instrument: InstrumentId, side: Side, distance: i64, last: bool) {
        let price = self.centre[instrument.index()] - side.sign() * distance.abs().max(1);
        let (order, qty) = (self.next_order, 1 + self.random.below(300) as u32);
        self.next_order += 1;
        self.market.insert(order, (instrument, side, price, qty));
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
