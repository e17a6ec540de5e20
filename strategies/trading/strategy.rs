//! The strategies, one enum, and what they see and may ask for.
//!
//! A strategy reads a [`Context`] and fills a [`Plan`] with intents. It has no way to the outbox: the desk takes each
//! intent through the risk gate. Regimes and a parameter model will stand between features and strategy: as further
//! fields of the context.

use serde::{Deserialize, Serialize};

use pricewright_core::kernel::{InstrumentId, Lots, Nanos, Side, Ticks};
use pricewright_core::market::instrument::Instrument;
use pricewright_core::market::order::{OrderState, OrderTable, OwnOrder};
use pricewright_core::market::risk::RiskConfig;
use pricewright_core::models::features::{Features, Touch};

use super::market_maker::{MarketMaker, MarketMakerConfig};

/// The most intents of one strategy at one event.
pub const MAX_INTENTS: usize = 8;

/// Which strategy, and its parameters: in TOML a table with `kind = "market_maker"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StrategyConfig {
    /// Quotes both sides around the microprice, leaning against its inventory.
    MarketMaker(MarketMakerConfig),
}

impl StrategyConfig {
    /// Values for examples and tests.
    pub fn example() -> Self {
        Self::MarketMaker(MarketMakerConfig::example())
    }

    /// Every parameter that is wrong, its key first.
    pub fn faults(&self, risk: &RiskConfig) -> Vec<String> {
        match self {
            Self::MarketMaker(config) => config.faults(risk),
        }
    }
}

/// A strategy at work.
#[derive(Clone, Debug)]
pub enum Strategy {
    /// See [`MarketMaker`].
    MarketMaker(MarketMaker),
}

impl Strategy {
    /// The strategy with its parameters.
    pub fn new(config: &StrategyConfig) -> Self {
        match config {
            StrategyConfig::MarketMaker(config) => Self::MarketMaker(MarketMaker::new(*config)),
        }
    }

    /// All that a plan without intents rests on, but for the time.
    #[inline]
    pub fn inputs(&self, context: &Context<'_>) -> Inputs {
        match self {
            Self::MarketMaker(_) => MarketMaker::inputs(context),
        }
    }

    /// What it wants now. A plan without intents must hold, while [`Self::inputs`] stay the same, until the time that it
    /// asks to be woken: the desk does not ask again before.
    #[inline]
    pub fn plan(&self, context: &Context<'_>) -> Plan {
        match self {
            Self::MarketMaker(maker) => maker.plan(context),
        }
    }
}

/// What a plan without intents rests on. (Where our orders stand the same, [`OrderTable::changes`] does.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Top of the book.
    pub touch: Option<Touch>,
    /// Variance of the price, its bits.
    pub variance: Option<u64>,
    /// Lots held.
    pub position: Lots,
    /// [`OrderTable::changes`].
    pub order_changes: u64,
}

/// What a strategy sees.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Now.
    pub now: Nanos,
    /// The instrument.
    pub instrument: &'a Instrument,
    /// What the data says.
    pub features: &'a Features,
    /// Lots held; negative where short.
    pub position: Lots,
    /// Our orders.
    pub orders: &'a OrderTable,
}

/// Our order on one side, as a strategy that quotes one order a side needs to know it.
#[derive(Clone, Copy, Debug)]
pub enum OwnQuote<'a> {
    /// There is none.
    None,
    /// The venue's answer is awaited.
    Awaited,
    /// It rests.
    Live(&'a OwnOrder),
    /// More than one rests: this one is to go.
    Surplus(&'a OwnOrder),
}

impl<'a> Context<'a> {
    /// The instrument's number.
    pub fn id(&self) -> InstrumentId {
        self.instrument.id
    }

    /// Our quote on a side.
    pub fn own_quote(&self, side: Side) -> OwnQuote<'a> {
        let mut quote = OwnQuote::None;
        for order in self.orders.alive(self.id()).filter(|order| order.side == side) {
            if order.state != OrderState::Live {
                return OwnQuote::Awaited;
            }
            quote = match quote {
                OwnQuote::None => OwnQuote::Live(order),
                _ => OwnQuote::Surplus(order),
            };
        }
        quote
    }

    /// The best price at which an order of ours is or may be resting on a side.
    pub fn own_best(&self, side: Side) -> Option<Ticks> {
        own_best(self.orders, self.id(), side)
    }
}

/// The best price of our alive orders on a side, pending ones included.
pub(super) fn own_best(orders: &OrderTable, instrument: InstrumentId, side: Side) -> Option<Ticks> {
    let prices = orders.alive(instrument).filter(|order| order.side == side).map(|order| order.price);
    match side {
        Side::Buy => prices.max(),
        Side::Sell => prices.min(),
    }
}

/// One thing that a strategy wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuoteIntent {
    /// A new order that rests or is refused.
    Place {
        /// Side.
        side: Side,
        /// Limit price.
        price: Ticks,
        /// Lots.
        qty: u32,
    },
    /// Another price or size for an order.
    Replace {
        /// Our number of the order.
        prior: u64,
        /// Side.
        side: Side,
        /// Limit price.
        price: Ticks,
        /// Lots that shall be open.
        qty: u32,
    },
    /// An order is no longer wanted.
    Cancel {
        /// Our number of the order.
        client: u64,
    },
}

/// A price and size that a strategy aims at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Limit price.
    pub price: Ticks,
    /// Lots.
    pub qty: u32,
    /// The price wanted lies beyond an own order on the other side, which has to make room first.
    pub held_back: bool,
}

/// What the model said on the way to the targets, in ticks; kept for explanations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reasoning {
    /// Estimate of the price.
    pub fair: f64,
    /// Volatility used, ticks per root second.
    pub sigma: f64,
    /// Distance of each quote from the centre.
    pub half_spread: f64,
    /// How far the centre lies below the estimate because of the inventory.
    pub skew: f64,
}

/// What a strategy wants at one event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    intents: [Option<QuoteIntent>; MAX_INTENTS],
    count: usize,
    /// Ask again at this time at the latest, whatever happens.
    pub wake: Option<Nanos>,
    /// Bid aimed at.
    pub bid: Option<Target>,
    /// Ask aimed at.
    pub ask: Option<Target>,
    /// How the targets came about; `None` where the data did not suffice.
    pub reasoning: Option<Reasoning>,
}

impl Plan {
    /// Adds an intent; one beyond [`MAX_INTENTS`] is not taken (false): the strategy will want it again.
    pub fn push(&mut self, intent: QuoteIntent) -> bool {
        let Some(place) = self.intents.get_mut(self.count) else { return false };
        *place = Some(intent);
        self.count += 1;
        true
    }

    /// True where it has no intents.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.count == 0
    }

    /// The intents in order.
    pub fn intents(&self) -> impl Iterator<Item = QuoteIntent> {
        self.intents.into_iter().flatten()
    }

    /// Asks to be called at `at`, or earlier if that was asked before.
    pub fn wake_at(&mut self, at: Nanos) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}
