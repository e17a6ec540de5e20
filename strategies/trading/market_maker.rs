//! A market maker that leans against its inventory.
//!
//! ```text
//! fair        = microprice
//! width       = σ · √horizon                       σ in ticks/√s, never below volatility_floor
//! half-spread = max(min_half_spread, volatility_factor · width)
//! skew        = skew_factor · width · position / max_inventory
//! bid         = ⌊fair − skew − half-spread⌋         on the increment, below the best ask
//! ask         = ⌈fair − skew + half-spread⌉         on the increment, above the best bid
//! size        = order_lots · (1 − |position| / max_inventory) on the side that adds to the position; no sale of more than
//!               is held where the instrument may not be sold short
//! ```
//!
//! This is the shape of the optimal quotes of M. Avellaneda and S. Stoikov (Quantitative Finance 8, 2008) and of
//! O. Guéant, C.-A. Lehalle and J. Fernandez-Tapia (Mathematics and Financial Economics 7, 2013), whose half-spread and
//! skew grow with σ and whose skew is linear in the inventory; the factors are parameters, not fitted here. A regime
//! would scale `volatility_factor`, `skew_factor` and `order_lots`; a price signal would move `fair`.
//!
//! At most one order a side. A quote moves when its price is an increment or more from the target, or when it is larger
//! than wanted, and only once it is `min_quote_age_ms` old; until then the strategy asks to be woken.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};

use pricewright_core::kernel::{Lots, Nanos, Side, Ticks};
use pricewright_core::market::instrument::ShortSale;
use pricewright_core::market::order::OwnOrder;
use pricewright_core::market::risk::{RiskConfig, check_range};
use pricewright_core::models::features::{Touch, to_price};

use super::strategy::{Context, Inputs, OwnQuote, Plan, QuoteIntent, Reasoning, Target};

/// The parameters. The factors are starting points, not fits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarketMakerConfig {
    /// Lots of a quote while nothing is held. At least 1, at most `risk.max_order_lots`.
    pub order_lots: Lots,
    /// Position, either way, at which nothing more is added. At least 1, at most `risk.max_position_lots`.
    pub max_inventory_lots: Lots,
    /// Least distance of a quote from the centre, in ticks; above 0, at most 1 000 000.
    pub min_half_spread_ticks: f64,
    /// Half-spread in widths; 0 to 100.
    #[serde(default = "default_volatility_factor")]
    pub volatility_factor: f64,
    /// Skew at full inventory, in widths; 0 to 100.
    #[serde(default = "default_skew_factor")]
    pub skew_factor: f64,
    /// Least volatility assumed, in ticks per root second, also before there is a measured one; 0 to 1 000 000.
    pub volatility_floor_ticks: f64,
    /// Time for which the price may run away from a quote. 1 to 3 600 000 ms; 500 unless said.
    #[serde(default = "default_quote_horizon_ms")]
    pub quote_horizon_ms: i64,
    /// A quote stands at least this long before it moves. 0 to 60 000 ms; 100 unless said.
    #[serde(default = "default_min_quote_age_ms")]
    pub min_quote_age_ms: i64,
}

fn default_volatility_factor() -> f64 {
    0.25
}

fn default_skew_factor() -> f64 {
    1.0
}

fn default_quote_horizon_ms() -> i64 {
    500
}

fn default_min_quote_age_ms() -> i64 {
    100
}

impl MarketMakerConfig {
    /// Values for examples and tests: a share quoted in cents.
    pub fn example() -> Self {
        Self {
            order_lots: Lots(100),
            max_inventory_lots: Lots(1_000),
            min_half_spread_ticks: 1.0,
            volatility_factor: default_volatility_factor(),
            skew_factor: default_skew_factor(),
            volatility_floor_ticks: 1.0,
            quote_horizon_ms: default_quote_horizon_ms(),
            min_quote_age_ms: default_min_quote_age_ms(),
        }
    }

    /// Every parameter that is wrong, its key first.
    pub fn faults(&self, risk: &RiskConfig) -> Vec<String> {
        let checks = [
            check_range("strategy.order_lots", self.order_lots.0, 1, risk.max_order_lots.0),
            check_range(
                "strategy.max_inventory_lots",
                self.max_inventory_lots.0,
                1,
                risk.max_position_lots.0,
            ),
            check_range("strategy.quote_horizon_ms", self.quote_horizon_ms, 1, 3_600_000),
            check_range("strategy.min_quote_age_ms", self.min_quote_age_ms, 0, 60_000),
            between("strategy.min_half_spread_ticks", self.min_half_spread_ticks, f64::MIN_POSITIVE, 1e6),
            between("strategy.volatility_factor", self.volatility_factor, 0.0, 100.0),
            between("strategy.skew_factor", self.skew_factor, 0.0, 100.0),
            between("strategy.volatility_floor_ticks", self.volatility_floor_ticks, 0.0, 1e6),
        ];
        checks.into_iter().filter_map(Result::err).collect()
    }
}

fn between(key: &str, value: f64, low: f64, high: f64) -> Result<(), String> {
    // A NaN lies in no range.
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let low = if low == f64::MIN_POSITIVE { "above 0".to_owned() } else { format!("from {low}") };
    Err(format!("{key} is {value}: set it {low} to {high}"))
}

/// The strategy. It keeps no state: what it needs to remember is in the order table.
#[derive(Clone, Debug)]
pub struct MarketMaker {
    config: MarketMakerConfig,
}

impl MarketMaker {
    /// With these parameters.
    pub fn new(config: MarketMakerConfig) -> Self {
        Self { config }
    }

    /// The parameters.
    pub fn config(&self) -> &MarketMakerConfig {
        &self.config
    }

    /// What [`Self::plan`] reads, apart from the time, which only says when a quote may move.
    #[inline]
    pub(super) fn inputs(context: &Context<'_>) -> Inputs {
        Inputs {
            touch: context.features.touch,
            variance: context.features.volatility.variance().map(f64::to_bits),
            position: context.position,
            order_changes: context.orders.changes(),
        }
    }

    /// Targets for both sides and what must be done to reach them.
    pub fn plan(&self, context: &Context<'_>) -> Plan {
        let mut plan = Plan::default();
        if let Some(touch) = context.features.touch {
            let reasoning = self.reason(context, &touch);
            plan.reasoning = Some(reasoning);
            plan.bid = self.target(context, &touch, &reasoning, Side::Buy);
            plan.ask = self.target(context, &touch, &reasoning, Side::Sell);
        }
        let (bid, ask) = (plan.bid, plan.ask);
        self.quote(context, Side::Sell, ask, &mut plan);
        self.quote(context, Side::Buy, bid, &mut plan);
        plan
    }

    fn reason(&self, context: &Context<'_>, touch: &Touch) -> Reasoning {
        let config = &self.config;
        let measured = context.features.volatility.sigma().unwrap_or(0.0);
        let sigma = measured.max(config.volatility_floor_ticks);
        let horizon = config.quote_horizon_ms as f64 / 1e3;
        let width = sigma * horizon.sqrt();
        let inventory = context.position.0 as f64 / config.max_inventory_lots.0 as f64;
        Reasoning {
            fair: touch.microprice(),
            sigma,
            half_spread: config.min_half_spread_ticks.max(config.volatility_factor * width),
            skew: config.skew_factor * width * inventory.clamp(-1.0, 1.0),
        }
    }

    /// Where and how much to quote on a side; `None` for not at all.
    fn target(
        &self,
        context: &Context<'_>,
        touch: &Touch,
        reasoning: &Reasoning,
        side: Side,
    ) -> Option<Target> {
        let mut qty = self.size(context.position, side)?;
        if side == Side::Sell && context.instrument.short_sale == ShortSale::Refused {
            // What may not be sold short is not asked for.
            let held = u32::try_from(context.position.0.max(0)).unwrap_or(u32::MAX);
            qty = Some(qty.min(held)).filter(|qty| *qty > 0)?;
        }
        let increment = context.instrument.increment;
        let centre = reasoning.fair - reasoning.skew;
        let wanted = match side {
            Side::Buy => centre - reasoning.half_spread,
            Side::Sell => centre + reasoning.half_spread,
        };
        let wanted = to_price(wanted, side, increment)?;
        let beside = |price: Ticks| price.0.checked_sub(side.sign().checked_mul(increment.0)?).map(Ticks);
        let passive = less_aggressive(side, wanted, beside(touch_of(touch, side.opposite()))?);
        // The touch of a venue need not lie on our increment.
        let passive = context.instrument.on_increment(side, passive)?;
        let price = match context.own_best(side.opposite()) {
            Some(own) => less_aggressive(side, passive, beside(own)?),
            None => passive,
        };
        (price.0 > 0).then_some(Target { price, qty, held_back: price != passive })
    }

    /// Lots to quote on a side: the full size where it reduces the position, less where it adds to it.
    fn size(&self, position: Lots, side: Side) -> Option<u32> {
        let (order, limit) = (self.config.order_lots.0, self.config.max_inventory_lots.0);
        let adds = position.0.signum() * side.sign() >= 0;
        let room = if adds { limit.saturating_sub(position.0.saturating_abs()).max(0) } else { limit };
        // 128 bits are divided by a call, 64 by an instruction.
        let lots = match order.checked_mul(room) {
            Some(product) => product.checked_div(limit)?,
            None => i64::try_from(i128::from(order) * i128::from(room) / i128::from(limit)).ok()?,
        };
        u32::try_from(lots).ok().filter(|lots| *lots > 0)
    }

    fn quote(&self, context: &Context<'_>, side: Side, target: Option<Target>, plan: &mut Plan) {
        match (context.own_quote(side), target) {
            (OwnQuote::None, Some(Target { price, qty, held_back: false })) => {
                plan.push(QuoteIntent::Place { side, price, qty });
            }
            (OwnQuote::Live(order), Some(target)) => self.requote(context, order, target, plan),
            (OwnQuote::Live(order), None) | (OwnQuote::Surplus(order), _) => {
                plan.push(QuoteIntent::Cancel { client: order.client });
            }
            (OwnQuote::None, _) | (OwnQuote::Awaited, _) => {}
        }
    }

    fn requote(&self, context: &Context<'_>, order: &OwnOrder, target: Target, plan: &mut Plan) {
        let distance = target.price.0.saturating_sub(order.price.0).saturating_abs();
        if distance < context.instrument.increment.0 && order.open <= target.qty {
            return;
        }
        // What is held back moves towards the other side only once that side has made room: one message, not two.
        if target.held_back && less_aggressive(order.side, target.price, order.price) == order.price {
            return;
        }
        let age = Nanos(self.config.min_quote_age_ms.saturating_mul(1_000_000));
        let ripe = Nanos(order.placed.0.saturating_add(age.0));
        if context.now < ripe {
            plan.wake_at(ripe);
            return;
        }
        plan.push(QuoteIntent::Replace {
            prior: order.client,
            side: order.side,
            price: target.price,
            qty: target.qty,
        });
    }
}

fn touch_of(touch: &Touch, side: Side) -> Ticks {
    match side {
        Side::Buy => touch.bid,
        Side::Sell => touch.ask,
    }
}

/// The lower of two bids, the higher of two asks.
fn less_aggressive(side: Side, one: Ticks, other: Ticks) -> Ticks {
    match side {
        Side::Buy => one.min(other),
        Side::Sell => one.max(other),
    }
}

#[cfg(test)]
mod tests;
