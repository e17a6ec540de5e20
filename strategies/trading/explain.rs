//! The trail of reasons that a decision of the desk rests on, for a probe that listens.

use pricewright_core::kernel::{CancelReason, Lots, Minor, Note, Probe, Side, Ticks};
use pricewright_core::market::book::BookView;
use pricewright_core::models::features::Features;

use super::state::{InstrumentState, State, Turn};
use super::strategy::{Plan, StrategyConfig};

/// Levels of each side that are shown.
const LEVELS: usize = 3;

pub(super) fn levels<P: Probe>(book: &BookView<'_>, turn: &mut Turn<'_, P>) {
    for (side, name) in [(Side::Buy, "bid"), (Side::Sell, "ask")] {
        for (level, found) in book.top(side, LEVELS).enumerate() {
            turn.note(|| Note::Level { side: name, level, price: found.price, qty: found.qty });
        }
    }
}

pub(super) fn features<P: Probe>(features: &Features, turn: &mut Turn<'_, P>) {
    let mut feature = |name, value| turn.note(|| Note::Feature { name, value });
    if let Some(touch) = features.touch {
        feature("mid_ticks", touch.mid());
        feature("microprice_ticks", touch.microprice());
        feature("spread_ticks", touch.spread().0 as f64);
        feature("queue_imbalance", touch.queue_imbalance());
    }
    if let Some(sigma) = features.volatility.sigma() {
        feature("volatility_ticks_per_root_s", sigma);
    }
}

pub(super) fn parameters<P: Probe>(config: &StrategyConfig, turn: &mut Turn<'_, P>) {
    let StrategyConfig::MarketMaker(config) = config;
    let mut parameter = |name, value| turn.note(|| Note::Parameter { name, value });
    parameter("order_lots", config.order_lots.0 as f64);
    parameter("max_inventory_lots", config.max_inventory_lots.0 as f64);
    parameter("min_half_spread_ticks", config.min_half_spread_ticks);
    parameter("volatility_factor", config.volatility_factor);
    parameter("skew_factor", config.skew_factor);
    parameter("volatility_floor_ticks", config.volatility_floor_ticks);
    parameter("quote_horizon_ms", config.quote_horizon_ms as f64);
    parameter("min_quote_age_ms", config.min_quote_age_ms as f64);
}

pub(super) fn inventory<P: Probe>(instrument: &InstrumentState, desk: &State, turn: &mut Turn<'_, P>) {
    let holding = &instrument.holding;
    turn.value("position", holding.position().0, Lots::UNIT);
    turn.value("realised", holding.realised().0, Minor::UNIT);
    turn.value("unrealised", holding.unrealised(instrument.mark).0, Minor::UNIT);
    turn.value("fees", holding.fees().0, Minor::UNIT);
    turn.value("daily_profit", desk.daily_profit().0, Minor::UNIT);
}

pub(super) fn plan<P: Probe>(plan: &Plan, turn: &mut Turn<'_, P>) {
    match plan.reasoning {
        Some(reasoning) => {
            let mut feature = |name, value| turn.note(|| Note::Feature { name, value });
            feature("fair_ticks", reasoning.fair);
            feature("volatility_used_ticks_per_root_s", reasoning.sigma);
            feature("half_spread_ticks", reasoning.half_spread);
            feature("skew_ticks", reasoning.skew);
        }
        None => turn.step("the book has no sound best bid and ask: nothing to quote around"),
    }
    for (target, price, qty) in
        [(plan.bid, "target_bid", "target_bid_qty"), (plan.ask, "target_ask", "target_ask_qty")]
    {
        if let Some(target) = target {
            turn.value(price, target.price.0, Ticks::UNIT);
            turn.value(qty, i64::from(target.qty), Lots::UNIT);
        }
    }
}

/// Why quotes are pulled, in words.
pub(super) fn pull(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::STALE_BOOK => "the book is not valid: no quote may stand",
        CancelReason::INGRESS_LAG => "events arrive too late: no quote may stand",
        CancelReason::DAILY_LOSS => "today's loss reached its limit: no order may stand",
        CancelReason::KILL => "the kill latch is set: no order may stand",
        CancelReason::SHUTDOWN => "the desk is stopped: no order may stand",
        CancelReason::HALT => "the instrument may not be traded: no quote may stand",
        CancelReason::OPERATOR => "storage is short: no new risk, no quote may stand",
        _ => "the order is to be cancelled",
    }
}
