//! The world's own account of what the desk may do.

use pricewright_core::kernel::*;

use super::{Resting, World};

impl World {
    /// Every order and replacement against the limits, by the world's own account.
    pub(super) fn check_new(
        &mut self,
        client: u64,
        id: InstrumentId,
        side: SideCode,
        price: Ticks,
        qty: u32,
    ) {
        let index = id.index();
        assert!(client > self.last_client, "numbers rise");
        self.last_client = client;
        assert!(self.may_trade(id), "an order while none may be sent: {}", self.standing(id));
        assert!(i64::from(qty) <= self.config.risk.max_order_lots.0);
        let (bid, ask) = (self.best(id, Side::Buy), self.best(id, Side::Sell));
        let (bid, ask) = (bid.expect("a bid"), ask.expect("an ask"));
        let away = (2 * price.0 - bid - ask) * side.side().expect("side").sign() * 10_000;
        assert!(away <= self.config.risk.collar_bps.0 * (bid + ask), "collar at {index}");
        match side.side() {
            Some(Side::Buy) => assert!(price.0 < ask, "a bid takes nothing"),
            _ => assert!(price.0 > bid, "an ask takes nothing"),
        }
        let marks = self.config.instruments[index].short_sale;
        if side == SideCode::SELL && marks.is_marked() {
            let desk = self.driver.machine();
            let held = desk.holding(id).expect("instrument").position().0;
            assert!(desk.orders().exposure(id).sell_lots <= held, "more is sold than held, and not marked");
        }
        let limits = &self.config.risk;
        self.sent_at.push_back(self.now);
        let second_ago = Nanos(self.now.0 - 1_000_000_000);
        while self.sent_at.front().is_some_and(|at| *at <= second_ago) {
            self.sent_at.pop_front();
        }
        let allowed = limits.message_rate_per_s + limits.message_burst;
        assert!(i64::try_from(self.sent_at.len()).expect("few") <= allowed, "messages in a second");
    }

    /// The limits hold for what the venue could execute, by the venue's own account.
    pub(super) fn check_exposure(&self) {
        let desk = self.driver.machine();
        for id in self.ids() {
            let exposure = desk.orders().exposure(id);
            let limit = self.config.risk.max_position_lots.0;
            let held = desk.holding(id).expect("instrument").position().0;
            assert!(held + exposure.buy_lots <= limit, "long at worst");
            assert!(held - exposure.sell_lots >= -limit, "short at worst");
            let resting = |side| -> i64 {
                let here = |order: &&Resting| order.instrument == id && order.side == side;
                self.resting.iter().filter(here).map(|order| i64::from(order.open)).sum()
            };
            let true_position = self.venue_position[id.index()];
            assert!(true_position + resting(Side::Buy) <= held + exposure.buy_lots, "covered, long");
            assert!(true_position - resting(Side::Sell) >= held - exposure.sell_lots, "covered, short");
            for side in [Side::Buy, Side::Sell] {
                let quotes = self.resting.iter().filter(|order| order.instrument == id && order.side == side);
                assert!(quotes.count() <= 1, "one live quote a side");
            }
        }
        let total = desk.orders().total();
        assert!(i64::from(total.orders) <= self.config.risk.max_open_orders);
        assert!(total.notional <= i128::from(self.config.risk.max_open_notional.0));
    }

    pub(super) fn may_trade(&self, id: InstrumentId) -> bool {
        let index = id.index();
        let calm = !self.latched && !self.late && !self.storage_low;
        let trades =
            self.trading[index] && !self.market_halted[index] && self.open_market && self.open_orders;
        self.running && self.ready && calm && self.is_sound(id) && trades
    }

    /// Whether the book may be believed.
    pub(super) fn is_sound(&self, id: InstrumentId) -> bool {
        self.feed == Health::VALID && !self.fault[id.index()]
    }

    /// Values the position at what the event that comes now will have said.
    pub(super) fn revalue(&mut self, id: InstrumentId) {
        if !self.is_sound(id) {
            return;
        }
        let best = (self.best(id, Side::Buy), self.best(id, Side::Sell));
        // Prices beyond the band around their own middle are none.
        let near = |bid: i64, ask: i64| (ask - bid) * 10_000 <= self.config.risk.band_bps.0 * (bid + ask);
        if let (Some(bid), Some(ask)) = best
            && near(bid, ask)
        {
            self.worth[id.index()] = bid + ask;
            self.printed[id.index()] = None;
        } else if let Some(price) = self.printed[id.index()].take() {
            self.worth[id.index()] = 2 * price;
        }
    }

    /// Profit of the day in minor units.
    pub(super) fn profit(&self) -> i64 {
        self.ids().map(|id| self.value(id) - self.fees[id.index()]).sum()
    }

    /// What all trades in an instrument and what is left of them are worth; a tick of a lot is one minor unit.
    pub(super) fn value(&self, id: InstrumentId) -> i64 {
        let index = id.index();
        self.cash[index] + (self.position[index] * self.worth[index]).div_euclid(2)
    }

    pub(super) fn standing(&self, id: InstrumentId) -> String {
        format!(
            "running {} ready {} latched {} late {} storage {} feed {} fault {} trading {}",
            self.running,
            self.ready,
            self.latched,
            self.late,
            self.storage_low,
            self.feed.name(),
            self.fault[id.index()],
            self.trading[id.index()]
        )
    }

    /// After everything arrived, desk and venue agree.
    pub(in super::super) fn check_agreement(&self) {
        let desk = self.driver.machine();
        for id in self.ids() {
            assert_eq!(desk.holding(id).expect("instrument").position().0, self.venue_position[id.index()]);
            let mut known: Vec<(u64, u32)> =
                desk.orders().alive(id).map(|order| (order.client, order.open)).collect();
            let here = self.resting.iter().filter(|order| order.instrument == id);
            let mut there: Vec<(u64, u32)> = here.map(|order| (order.client, order.open)).collect();
            known.sort_unstable();
            there.sort_unstable();
            assert_eq!(known, there, "open orders of {id}");
            for side in [Side::Buy, Side::Sell] {
                if !self.fault[id.index()] {
                    let best = desk.books().book(id).and_then(|book| book.best(side));
                    assert_eq!(best.map(|level| level.price.0), self.best(id, side), "best {side:?}");
                }
            }
        }
    }
}
