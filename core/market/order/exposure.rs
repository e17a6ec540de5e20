//! What open orders could come to in the worst case, maintained at each change.

use serde::{Deserialize, Serialize};

use super::{OrderTable, OwnOrder};
use crate::kernel::{Minor, Side};

/// Sums over open orders; an order with a pending replacement counts once, as the larger of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// Lots that could be bought.
    pub buy_lots: i64,
    /// Lots that could be sold.
    pub sell_lots: i64,
    /// Money value of the open lots at their limit prices, in minor units.
    pub notional: i128,
    /// The part of it that could be bought.
    pub buy_notional: i128,
    /// Orders open.
    pub orders: u32,
}

impl Exposure {
    /// Lots of one side.
    pub fn lots(&self, side: Side) -> i64 {
        match side {
            Side::Buy => self.buy_lots,
            Side::Sell => self.sell_lots,
        }
    }

    /// Money value of one side.
    pub fn money(&self, side: Side) -> i128 {
        match side {
            Side::Buy => self.buy_notional,
            Side::Sell => self.notional - self.buy_notional,
        }
    }

    fn add(&mut self, part: &Self) {
        self.buy_lots += part.buy_lots;
        self.sell_lots += part.sell_lots;
        self.notional += part.notional;
        self.buy_notional += part.buy_notional;
        self.orders += part.orders;
    }

    fn subtract(&mut self, part: &Self) {
        self.buy_lots -= part.buy_lots;
        self.sell_lots -= part.sell_lots;
        self.notional -= part.notional;
        self.buy_notional -= part.buy_notional;
        self.orders -= part.orders;
    }
}

/// Money value of `lots` at a price, whatever its sign, in minor units.
pub fn notional(price: i64, tick_value: Minor, lots: u32) -> i128 {
    i128::from(price.unsigned_abs()) * i128::from(tick_value.0) * i128::from(lots)
}

impl OrderTable {
    /// What `slot` adds: all of it, or for a replacement what it adds to the order that it is to replace.
    fn part(&self, slot: usize) -> Exposure {
        let Some(order) = self.slots.get(slot).filter(|order| order.is_alive()) else {
            return Exposure::default();
        };
        let tick_value = self.tick_values.get(order.instrument.index()).copied().unwrap_or_default();
        let value = |order: &OwnOrder| notional(order.price.0, tick_value, order.open);
        let prior = self.get(order.prior).filter(|prior| prior.is_alive());
        let (lots, money, orders) = match prior {
            Some(prior) => (order.open.saturating_sub(prior.open), (value(order) - value(prior)).max(0), 0),
            None => (order.open, value(order), 1),
        };
        let (buy_lots, sell_lots, buy_notional) = match order.side {
            Side::Buy => (i64::from(lots), 0, money),
            Side::Sell => (0, i64::from(lots), 0),
        };
        Exposure { buy_lots, sell_lots, notional: money, buy_notional, orders }
    }

    pub(super) fn retract(&mut self, slot: usize, follower: Option<usize>) {
        self.settle(slot, Exposure::subtract);
        if let Some(follower) = follower {
            self.settle(follower, Exposure::subtract);
        }
    }

    pub(super) fn extend(&mut self, slot: usize, follower: Option<usize>) {
        self.settle(slot, Exposure::add);
        if let Some(follower) = follower {
            self.settle(follower, Exposure::add);
        }
    }

    fn settle(&mut self, slot: usize, apply: fn(&mut Exposure, &Exposure)) {
        let part = self.part(slot);
        let instrument = self.slots.get(slot).map(|order| order.instrument);
        if let Some(sum) = instrument.and_then(|instrument| self.exposure.get_mut(instrument.index())) {
            apply(sum, &part);
            apply(&mut self.total, &part);
        }
    }
}
