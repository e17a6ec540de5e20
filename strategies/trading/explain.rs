//! The trail of reasons that a decision of the desk rests on, for a probe that listens.

use pricewright_core::kernel::{Amount, CancelReason, Lots, Minor, Note, Probe, Side, Term, Ticks};
use pricewright_core::market::book::BookView;
use pricewright_core::models::features::{Features, Touch};

use super::market_maker::MarketMakerConfig;
use super::state::{InstrumentState, State, Turn};
use super::strategy::{Plan, Reasoning, StrategyConfig, Target};

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

/// How the targets came about, with the values inserted; what is not quoted, and why.
pub(super) fn plan<P: Probe>(
    plan: &Plan,
    config: &StrategyConfig,
    instrument: &InstrumentState,
    increment: Ticks,
    turn: &mut Turn<'_, P>,
) {
    let StrategyConfig::MarketMaker(config) = config;
    match (plan.reasoning, instrument.features.touch) {
        (Some(reasoning), Some(touch)) => {
            for formula in formulas(&reasoning, &touch, config, instrument.holding.position()) {
                turn.note(|| formula);
            }
            for (side, target) in [(Side::Buy, plan.bid), (Side::Sell, plan.ask)] {
                match target {
                    Some(target) => turn.note(|| price_formula(side, &reasoning, target, increment)),
                    None => turn.step(match side {
                        Side::Buy => "no bid is wanted: the position is at its limit, or no price is left",
                        Side::Sell => "no ask is wanted: the position is at its limit, or no price is left",
                    }),
                }
            }
        }
        _ => turn.step("the book has no sound best bid and ask: nothing to quote around"),
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

/// A volatility's unit.
const PER_ROOT_SECOND: &str = "ticks/√s";

fn ticks(value: f64) -> Amount {
    Amount::number(value, Ticks::UNIT)
}

fn plain(value: f64) -> Amount {
    Amount::number(value, "")
}

fn lots(value: i64) -> Amount {
    Amount::integer(value, Lots::UNIT)
}

/// The model's formulas as the market maker's module states them.
fn formulas(reasoning: &Reasoning, touch: &Touch, config: &MarketMakerConfig, position: Lots) -> [Note; 4] {
    let horizon = config.quote_horizon_ms as f64 / 1e3;
    let width = reasoning.sigma * horizon.sqrt();
    [
        Note::Formula {
            name: "fair",
            // The levels above are the venue's; our own orders in them are no others' interest.
            expression: "(bid · others_ask_qty + ask · others_bid_qty) / (others_bid_qty + others_ask_qty)",
            terms: vec![
                Term::new("bid", Amount::integer(touch.bid.0, Ticks::UNIT)),
                Term::new("others_ask_qty", lots(touch.ask_qty.0)),
                Term::new("ask", Amount::integer(touch.ask.0, Ticks::UNIT)),
                Term::new("others_bid_qty", lots(touch.bid_qty.0)),
            ],
            result: ticks(reasoning.fair),
        },
        Note::Formula {
            name: "width",
            expression: "volatility_used · √horizon_s",
            terms: vec![
                Term::new("volatility_used", Amount::number(reasoning.sigma, PER_ROOT_SECOND)),
                Term::new("horizon_s", plain(horizon)),
            ],
            result: ticks(width),
        },
        Note::Formula {
            name: "half_spread",
            expression: "max(min_half_spread, volatility_factor · width)",
            terms: vec![
                Term::new("min_half_spread", ticks(config.min_half_spread_ticks)),
                Term::new("volatility_factor", plain(config.volatility_factor)),
                Term::new("width", ticks(width)),
            ],
            result: ticks(reasoning.half_spread),
        },
        Note::Formula {
            name: "skew",
            expression: "skew_factor · width · position / max_inventory",
            terms: vec![
                Term::new("skew_factor", plain(config.skew_factor)),
                Term::new("width", ticks(width)),
                Term::new("position", lots(position.0)),
                Term::new("max_inventory", lots(config.max_inventory_lots.0)),
            ],
            result: ticks(reasoning.skew),
        },
    ]
}

/// Where a side's price comes from: the formula, then the increment, and never through the other side.
fn price_formula(side: Side, reasoning: &Reasoning, target: Target, increment: Ticks) -> Note {
    let (name, expression) = match side {
        Side::Buy => ("bid", "⌊fair − skew − half_spread⌋ on increment, below the asks"),
        Side::Sell => ("ask", "⌈fair − skew + half_spread⌉ on increment, above the bids"),
    };
    Note::Formula {
        name,
        expression,
        terms: vec![
            Term::new("fair", ticks(reasoning.fair)),
            Term::new("skew", ticks(reasoning.skew)),
            Term::new("half_spread", ticks(reasoning.half_spread)),
            Term::new("increment", Amount::integer(increment.0, Ticks::UNIT)),
        ],
        result: Amount::integer(target.price.0, Ticks::UNIT),
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
        CancelReason::UNANSWERED => {
            "the venue's answer is overdue: the order is cancelled, and the venue is asked about it"
        }
        CancelReason::MARKET_HOURS => {
            "outside the venue's market hours or the session hours: no quote may stand"
        }
        CancelReason::WIDE_BOOK => {
            "the best prices lie beyond risk.band_bps around their middle: nobody says what the price is, no quote may stand"
        }
        CancelReason::OPERATOR => "storage is short: no new risk, no quote may stand",
        _ => "the order is to be cancelled",
    }
}
