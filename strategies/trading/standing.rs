//! Where the desk stands, for people: its orders by state, and how much of each limit is used.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use pricewright_core::kernel::{Control, InstrumentId, LimitUse, Lots, Minor, Nanos, Side, Standing};
use pricewright_core::market::order::{OrderState, OwnOrder, notional};
use pricewright_core::market::portfolio::minor;

use super::desk::Desk;

/// States of orders that may still be executed, as they are named to people.
const STATES: [(&str, OrderState); 4] = [
    ("pending_new", OrderState::PendingNew),
    ("live", OrderState::Live),
    ("pending_replace", OrderState::PendingReplace),
    ("pending_cancel", OrderState::PendingCancel),
];

/// The largest of what open orders come to.
#[derive(Default)]
struct Largest {
    lots: i64,
    notional: i64,
    collar_bps: i64,
    band_bps: i64,
}

impl Desk {
    pub(super) fn stand(&self, now: Nanos) -> Standing {
        let mut orders: Vec<(&'static str, u64)> = STATES.iter().map(|(name, _)| (*name, 0)).collect();
        let mut in_doubt = 0;
        for order in self.state.ids().flat_map(|id| self.state.orders.alive(id)) {
            in_doubt += u64::from(order.doubt);
            let at = STATES.iter().position(|(_, state)| *state == order.state);
            if let Some((_, count)) = at.and_then(|at| orders.get_mut(at)) {
                *count += 1;
            }
        }
        orders.push(("in_doubt", in_doubt));
        let latch = Some(self.latched_by()).filter(|control| *control != Control::NONE);
        Standing { latch, orders, limits: self.limits_used(now) }
    }

    fn limits_used(&self, now: Nanos) -> Vec<LimitUse> {
        let risk = &self.config.risk;
        let mut used = Vec::new();
        let mut largest = Largest::default();
        for id in self.state.ids() {
            let mut say = |limit, value, most| {
                used.push(LimitUse { limit, instrument: Some(id), used: value, most });
            };
            say("max_position_lots", self.worst_position(id).0, risk.max_position_lots.0);
            let rejects =
                self.state.instrument(id).map_or(0, |state| state.rejects.into_iter().max().unwrap_or(0));
            say("max_rejects", rejects.into(), risk.max_rejects);
            if let Some(reference) = self.reference(id) {
                let age = now.0.saturating_sub(reference.at.0).max(0) / 1_000_000;
                say("reference_max_age_ms", age, risk.reference_max_age_ms);
            }
            self.state.orders.alive(id).for_each(|order| self.grow(&mut largest, order));
        }
        let total = self.state.orders.total();
        let held = self.state.held;
        let net = |side: Side| (held.net * i128::from(side.sign())).saturating_add(total.money(side));
        let lag = self.state.lag().map_or(0, |lag| lag.0 / 1_000);
        let messages = risk.message_burst.saturating_sub(self.state.gate.messages_left(now));
        for (limit, used_now, most) in [
            ("collar_bps", largest.collar_bps, risk.collar_bps.0),
            ("band_bps", largest.band_bps, risk.band_bps.0),
            ("max_order_lots", largest.lots, risk.max_order_lots.0),
            ("max_notional", largest.notional, risk.max_notional.0),
            ("max_open_orders", i64::from(total.orders), risk.max_open_orders),
            ("max_open_notional", minor(total.notional).0, risk.max_open_notional.0),
            ("max_gross_notional", minor(held.gross + total.notional).0, risk.gross_limit().0),
            ("max_net_notional", minor(net(Side::Buy).max(net(Side::Sell))).0, risk.net_limit().0),
            ("message_burst", messages, risk.message_burst),
            ("ingress_lag_max_us", lag, risk.ingress_lag_max_us),
            ("max_daily_loss", self.state.daily_profit().0.saturating_neg().max(0), risk.max_daily_loss.0),
        ] {
            used.push(LimitUse { limit, instrument: None, used: used_now, most });
        }
        used
    }

    /// The position, either way, if every open order of one side were executed.
    fn worst_position(&self, id: InstrumentId) -> Lots {
        let position = self.state.instrument(id).map_or(Lots(0), |state| state.holding.position());
        let exposure = self.state.orders.exposure(id);
        let toward = |side: Side| position.0.saturating_mul(side.sign()).saturating_add(exposure.lots(side));
        Lots(toward(Side::Buy).max(toward(Side::Sell)))
    }

    fn grow(&self, largest: &mut Largest, order: &OwnOrder) {
        let tick_value = self.instrument(order.instrument).map_or(Minor(0), |known| known.tick_value);
        largest.lots = largest.lots.max(i64::from(order.open));
        largest.notional = largest.notional.max(minor(notional(order.price.0, tick_value, order.open)).0);
        let away = self.reference(order.instrument).and_then(|reference| reference.away_bps(order.price));
        if let Some(away) = away {
            largest.collar_bps = largest.collar_bps.max(away.saturating_mul(order.side.sign()));
            largest.band_bps = largest.band_bps.max(away.saturating_abs());
        }
    }
}
