//! The controls one by one. Money and lots are compared in 128 bits and shown in 64, saturated, so that no number can
//! wrap around a limit.

use super::duplicate::DuplicateGuard;
use super::{GateContext, Intent, Reference, RiskConfig, Verdict};
use crate::kernel::probe::units;
use crate::kernel::{Bps, Control, Health, Probe, Relation, SessionPhase, Side, Ticks, TradingState};
use crate::market::order::notional;
use crate::market::portfolio::{HalfTicks, PRICE_MAX, in_range, minor};

const BPS: i64 = 10_000;

/// Whether anything may be sent at all: latch, session, trading status, book, lag, loss.
pub(super) fn standing<P: Probe>(
    limits: &RiskConfig,
    latch: Control,
    context: &GateContext,
    verdict: &mut Verdict<'_, P>,
) {
    let none = i64::from(Control::NONE.0);
    verdict.record(Control::KILL_LATCH, i64::from(latch.0), Relation::Equal, none, units::CONTROL);
    let ready = context.accepting && context.phase == SessionPhase::READY;
    verdict.record(Control::SESSION, i64::from(ready), Relation::Equal, 1, units::YES_NO);
    let (now, wanted) = (i64::from(context.trading.0), i64::from(TradingState::TRADING.0));
    verdict.record(Control::TRADING_STATUS, now, Relation::Equal, wanted, units::TRADING_STATE);
    verdict.record(Control::MARKET_HOURS, i64::from(context.in_hours), Relation::Equal, 1, units::YES_NO);
    let (now, wanted) = (i64::from(context.health.0), i64::from(Health::VALID.0));
    verdict.record(Control::STALE_BOOK, now, Relation::Equal, wanted, units::HEALTH);
    let lag = context.lag.map_or(i64::MAX, |lag| micros_up(lag.0));
    verdict.at_most(Control::INGRESS_LAG, lag, limits.ingress_lag_max_us, "us");
    let (profit, limit) = (context.daily_profit.0, limits.max_daily_loss.0.saturating_neg());
    verdict.record(Control::DAILY_LOSS, profit, Relation::Above, limit, "minor");
}

/// Reference, increment, collar and band.
pub(super) fn price<P: Probe>(
    limits: &RiskConfig,
    intent: &Intent,
    context: &GateContext,
    verdict: &mut Verdict<'_, P>,
) {
    let age = context.reference.map_or(i64::MAX, |reference| context.now.0.saturating_sub(reference.at.0));
    verdict.at_most(Control::NO_REFERENCE, millis_up(age), limits.reference_max_age_ms, "ms");
    let rest = intent.price.0.checked_rem(context.increment.0).unwrap_or(1);
    let sound = rest == 0 && in_range(intent.price) && context.increment.0 > 0;
    verdict.judge((Control::MALFORMED, "malformed"), rest, Relation::Equal, 0, "ticks off increment", sound);
    let away = deviation_bps(intent, context);
    let aggressive = away.map_or(i64::MAX, |away| away.saturating_mul(intent.side.sign()));
    verdict.at_most(Control::PRICE_COLLAR, aggressive, limits.collar_bps.0, "bps beyond reference");
    let distance = away.map_or(i64::MAX, i64::saturating_abs);
    let band = limits.band_bps.0;
    let inside = distance <= band;
    verdict.judge(
        (Control::PRICE_COLLAR, "price_band"),
        distance,
        Relation::AtMost,
        band,
        "bps from reference",
        inside,
    );
}

/// Lots and money, of this order and in the worst case.
pub(super) fn size<P: Probe>(
    limits: &RiskConfig,
    intent: &Intent,
    context: &GateContext,
    verdict: &mut Verdict<'_, P>,
) {
    let qty = i64::from(intent.qty);
    verdict.judge((Control::MALFORMED, "quantity"), qty, Relation::AtLeast, 1, "lots", qty >= 1);
    verdict.at_most(Control::ORDER_SIZE, i64::from(intent.qty), limits.max_order_lots.0, "lots");
    let value = notional(intent.price.0, context.tick_value, intent.qty);
    verdict.at_most(Control::NOTIONAL, minor(value).0, limits.max_notional.0, "minor");

    let prior_open = intent.prior.map_or(0, |prior| prior.open);
    let added = i64::from(intent.qty.saturating_sub(prior_open));
    let worst = context.exposure.lots(intent.side).saturating_add(added);
    let toward = context.position.0.saturating_mul(intent.side.sign());
    let worst_toward = toward.saturating_add(worst);
    verdict.at_most(Control::POSITION, worst_toward, limits.max_position_lots.0, "lots");
    let short = if intent.side == Side::Sell { worst_toward.max(0) } else { 0 };
    let may_short = if context.may_short { limits.max_position_lots.0 } else { 0 };
    verdict.at_most(Control::SHORT_SALE, short, may_short, "lots beyond what is held");

    let orders = i64::from(context.total.orders) + i64::from(intent.prior.is_none());
    verdict.at_most(Control::OPEN_ORDERS, orders, limits.max_open_orders, "orders");
    let prior_value = intent.prior.map_or(0, |prior| notional(prior.price.0, context.tick_value, prior.open));
    let added = (value - prior_value).max(0);
    let open = context.total.notional + added;
    verdict.at_most(Control::OPEN_NOTIONAL, minor(open).0, limits.max_open_notional.0, "minor");
    let (gross, limit) = (minor(context.held.gross + open).0, limits.gross_limit().0);
    // Whoever holds too much must be able to hold less: what only reduces a position has no limit here but itself.
    let limit = if worst_toward <= 0 { limit.max(gross) } else { limit };
    verdict.at_most(Control::GROSS_NOTIONAL, gross, limit, "minor");
    let toward = context.held.net * i128::from(intent.side.sign());
    let net = toward + context.total.money(intent.side) + added;
    verdict.at_most(Control::NET_NOTIONAL, minor(net).0, limits.net_limit().0, "minor");
}

/// Own orders on the other side, and the same order again.
pub(super) fn repetition<P: Probe>(
    limits: &RiskConfig,
    duplicates: &DuplicateGuard,
    intent: &Intent,
    context: &GateContext,
    verdict: &mut Verdict<'_, P>,
) {
    let own = context.own_opposite.unwrap_or(match intent.side {
        Side::Buy => Ticks(i64::MAX),
        Side::Sell => Ticks(i64::MIN),
    });
    let clear = match intent.side {
        Side::Buy => Relation::Below,
        Side::Sell => Relation::Above,
    };
    verdict.record(Control::SELF_CROSS, intent.price.0, clear, own.0, "ticks");
    let count = duplicates.count(context.now, limits.duplicate_window(), intent);
    verdict.at_most(Control::DUPLICATE, count, 0, "same orders in window");
}

/// How far the price lies above the reference, in bps rounded away from it; negative below. `None` without a positive
/// reference or with a price out of range.
fn deviation_bps(intent: &Intent, context: &GateContext) -> Option<i64> {
    away_bps(intent.price, context.reference?)
}

/// As [`deviation_bps`], of any price from a reference.
#[inline]
pub(super) fn away_bps(price: Ticks, reference: Reference) -> Option<i64> {
    let reference = reference.price.0;
    if reference <= 0 || !in_range(price) {
        return None;
    }
    // 128 bits are divided by a call, 64 by an instruction; prices in range fit 64.
    if reference <= PRICE_MAX.0 * 2 {
        let scaled = (price.0 * 2 - reference) * BPS;
        return Some((scaled.abs() + reference - 1) / reference * scaled.signum());
    }
    let (price, reference) = (i128::from(price.0), i128::from(reference));
    let scaled = (price * 2 - reference) * i128::from(BPS);
    let away = (scaled.abs() + reference - 1) / reference;
    Some(minor(away * scaled.signum()).0)
}

/// Whether `price` lies within `band` of `centre`, which is positive: [`Reference::away_bps`] is at most that, and needs a
/// division to say by how much.
#[inline]
pub fn is_within(price: Ticks, centre: HalfTicks, band: Bps) -> bool {
    let (away, centre) = (i128::from(price.0) * 2 - i128::from(centre.0), i128::from(centre.0));
    centre > 0 && in_range(price) && away.abs() * i128::from(BPS) <= centre * i128::from(band.0)
}

fn micros_up(nanos: i64) -> i64 {
    nanos.saturating_add(999).div_euclid(1_000)
}

fn millis_up(nanos: i64) -> i64 {
    nanos.saturating_add(999_999).div_euclid(1_000_000)
}
