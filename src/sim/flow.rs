//! The seeded background flow: what everybody else in the simulated market does.
//!
//! Zero-intelligence traders in the manner of Farmer, Patelli and Zovko (2005): limit orders at exponential depths
//! around a latent fair value, cancels, partial cancels and replaces of random live orders, small takers of either side.
//! The fair value is a mean-reverting random walk with jumps, and a run of aggressive orders follows each jump and takes
//! the quotes that have become stale. Calm and volatile periods alternate. So noise pays whoever makes the market, and
//! the runs take some of it back.
//!
//! Arrivals are a Poisson process in simulated time. The same seed, times and answers of the market give the same
//! commands, on every machine; how often the flow is asked makes no difference.

mod climate;

use std::collections::BTreeMap;

use pricewright_core::kernel::{InstrumentId, Lots, Nanos, Side, Ticks};
use pricewright_core::market::book::{Bbo, OrderView};

use super::random::{Draws, Purpose};
use climate::{Climate, Conditions, Jump};

pub use climate::Regime;

/// What a flow is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowConfig {
    /// Seed of all draws.
    pub seed: u64,
    /// Instruments 0 to `instruments - 1`, all alike.
    pub instruments: u16,
    /// Commands per second, all instruments together, on average over calm and volatile periods; 0: an opening book and
    /// nothing more.
    pub rate: u32,
    /// Where prices begin and tend to.
    pub anchor: Ticks,
    /// Prices are multiples of this many ticks.
    pub increment: Ticks,
    /// Quantities of new orders are multiples of this.
    pub round_lot: Lots,
}

/// What the flow asks of the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A limit order; takes what it crosses, and the rest of it rests.
    Limit {
        /// Instrument.
        instrument: InstrumentId,
        /// Side.
        side: Side,
        /// Limit.
        price: Ticks,
        /// Quantity.
        qty: Lots,
    },
    /// A limit order of which nothing rests.
    Take {
        /// Instrument.
        instrument: InstrumentId,
        /// Side.
        side: Side,
        /// Limit.
        price: Ticks,
        /// Quantity.
        qty: Lots,
    },
    /// Takes lots off a live order.
    Reduce {
        /// The order.
        order: u64,
        /// Lots to take off; fewer than it has.
        by: Lots,
    },
    /// Cancels a live order.
    Cancel {
        /// The order.
        order: u64,
    },
    /// Gives a live order another price and quantity.
    Replace {
        /// The order.
        order: u64,
        /// New limit.
        price: Ticks,
        /// New quantity.
        qty: Lots,
    },
}

/// A command and when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Nanos,
    /// What.
    pub command: Command,
}

/// Lots of an order, in round lots: 1 to this many.
const LARGEST_ORDER: usize = 5;
/// Lots of a noise taker, in round lots: 1 to this many.
const LARGEST_TAKER: usize = 3;
/// Orders of a run after a jump: 3 to this many more.
const LONGEST_RUN: usize = 10;
/// Mean time between the orders of a run, in orders per second.
const RUN_PER_SECOND: f64 = 20_000.0;
/// Weights of what happens to live orders, against 1 for a new limit order, while the book is at its target.
const CANCELS: f64 = 0.76;
const REPLACES: f64 = 0.22;
const REDUCES: f64 = 0.05;

/// A run of aggressive orders after a jump.
#[derive(Clone, Copy, Debug)]
struct Run {
    instrument: usize,
    side: Side,
    left: usize,
}

/// Where a live order stands in its instrument's list.
#[derive(Clone, Copy, Debug)]
struct Place {
    instrument: usize,
    index: usize,
}

/// The flow.
#[derive(Clone, Debug)]
pub struct Flow {
    config: FlowConfig,
    draws: Draws,
    climate: Climate,
    due: Option<Nanos>,
    run: Option<Run>,
    /// Per instrument, in an order that depends on nothing but the commands and answers so far.
    live: Vec<Vec<OrderView>>,
    places: BTreeMap<u64, Place>,
}

impl Flow {
    /// A flow that begins at `start`.
    pub fn new(config: FlowConfig, start: Nanos) -> Self {
        let mut draws = Draws::new(config.seed, Purpose::Flow);
        let instruments = usize::from(config.instruments);
        let anchor = config.anchor.0 as f64 / config.increment.0.max(1) as f64;
        let climate = Climate::new(instruments, anchor, start, &mut draws);
        let mut flow = Self {
            draws,
            climate,
            due: None,
            run: None,
            live: vec![Vec::new(); instruments],
            places: BTreeMap::new(),
            config,
        };
        flow.schedule(start);
        flow
    }

    /// The orders that make the book before trading begins; none of them crosses another.
    pub fn opening(&mut self) -> Vec<Command> {
        let orders = self.conditions().live as usize;
        let instruments = 0..self.live.len();
        instruments
            .flat_map(|instrument| (0..orders).map(move |_| instrument))
            .map(|i| self.limit(i))
            .collect()
    }

    /// When the next command arrives; `None` where none ever will.
    pub fn next_due(&self) -> Option<Nanos> {
        self.due
    }

    /// The next command that arrives at or before `until`. The caller carries it out and tells the flow what became of
    /// its orders before asking again. `best` gives the best prices of an instrument.
    pub fn next(&mut self, until: Nanos, best: impl Fn(InstrumentId) -> Bbo) -> Option<Arrival> {
        let at = self.due.filter(|due| *due <= until)?;
        if let Some(jump) = self.climate.advance(at, &mut self.draws) {
            self.begin_run(jump);
        }
        let command = match self.run {
            Some(run) => self.aggress(run),
            None => self.ordinary(best),
        };
        self.schedule(at);
        Some(Arrival { at, command })
    }

    /// An order of the flow rests now.
    pub fn on_rested(&mut self, order: OrderView) {
        let instrument = order.instrument.index();
        if let Some(live) = self.live.get_mut(instrument) {
            self.places.insert(order.order, Place { instrument, index: live.len() });
            live.push(order);
        }
    }

    /// A live order of the flow has `left` lots now; with 0 it is gone.
    pub fn on_left(&mut self, order: u64, left: Lots) {
        if left.0 <= 0 {
            return self.on_gone(order);
        }
        let Some(place) = self.places.get(&order) else { return };
        if let Some(live) = self.live.get_mut(place.instrument).and_then(|live| live.get_mut(place.index)) {
            live.qty = left;
        }
    }

    /// A live order of the flow is gone.
    pub fn on_gone(&mut self, order: u64) {
        let Some(place) = self.places.remove(&order) else { return };
        let Some(live) = self.live.get_mut(place.instrument) else { return };
        live.swap_remove(place.index);
        if let Some(moved) = live.get(place.index)
            && let Some(moved) = self.places.get_mut(&moved.order)
        {
            moved.index = place.index;
        }
    }

    /// The kind of period.
    pub fn regime(&self) -> Regime {
        self.climate.regime()
    }

    /// What the flow believes an instrument is worth, in ticks.
    pub fn fair(&self, instrument: InstrumentId) -> f64 {
        self.climate.fair(instrument.index()) * self.config.increment.0 as f64
    }

    /// How many orders of the flow live in an instrument.
    pub fn live(&self, instrument: InstrumentId) -> usize {
        self.live.get(instrument.index()).map_or(0, Vec::len)
    }

    fn conditions(&self) -> &'static Conditions {
        self.climate.regime().conditions()
    }

    fn schedule(&mut self, after: Nanos) {
        let rate = match self.run {
            Some(_) => RUN_PER_SECOND,
            None => f64::from(self.config.rate) * self.conditions().activity,
        };
        self.due = (self.config.rate > 0).then(|| after + self.draws.wait(rate));
    }

    fn begin_run(&mut self, jump: Jump) {
        let side = if jump.by > 0.0 { Side::Buy } else { Side::Sell };
        let left = 3 + self.draws.below(LONGEST_RUN + 1);
        self.run = Some(Run { instrument: jump.instrument, side, left });
    }

    /// One order of a run: takes whatever is cheaper (or dearer) than the new fair value.
    fn aggress(&mut self, run: Run) -> Command {
        let left = run.left.saturating_sub(1);
        self.run = (left > 0).then_some(Run { left, ..run });
        let fair = self.climate.fair(run.instrument);
        let price = self.price(run.side, fair);
        let qty = self.round_lots(LARGEST_ORDER);
        Command::Take { instrument: id(run.instrument), side: run.side, price, qty }
    }

    fn ordinary(&mut self, best: impl Fn(InstrumentId) -> Bbo) -> Command {
        let instrument = self.draws.below(self.live.len());
        let conditions = self.conditions();
        let live = self.live.get(instrument).map_or(0, Vec::len);
        let fullness = live as f64 / conditions.live;
        let (cancels, replaces) = (CANCELS * fullness, REPLACES * fullness.min(1.0));
        let reduces = REDUCES * fullness.min(1.0);
        let total = 1.0 + cancels + replaces + reduces + conditions.takers;
        let mut draw = self.draws.unit() * total - 1.0;
        if draw < 0.0 {
            return self.limit(instrument);
        }
        draw -= conditions.takers;
        if draw < 0.0 {
            return self.noise_taker(instrument, &best(id(instrument)));
        }
        let index = self.draws.below(live);
        let Some(order) = self.live.get(instrument).and_then(|live| live.get(index)).copied() else {
            return self.limit(instrument);
        };
        if draw < cancels {
            Command::Cancel { order: order.order }
        } else if draw < cancels + replaces {
            let price = self.limit_price(instrument, order.side);
            Command::Replace { order: order.order, price, qty: self.round_lots(LARGEST_ORDER) }
        } else if order.qty > self.config.round_lot {
            Command::Reduce { order: order.order, by: self.config.round_lot }
        } else {
            Command::Cancel { order: order.order }
        }
    }

    fn limit(&mut self, instrument: usize) -> Command {
        let side = self.side();
        let price = self.limit_price(instrument, side);
        Command::Limit { instrument: id(instrument), side, price, qty: self.round_lots(LARGEST_ORDER) }
    }

    /// Someone who wants to trade now and knows nothing: takes at the best price of the other side.
    fn noise_taker(&mut self, instrument: usize, best: &Bbo) -> Command {
        let side = self.side();
        let touch = if side == Side::Buy { best.ask } else { best.bid };
        let Some(touch) = touch else { return self.limit(instrument) };
        let qty = self.round_lots(LARGEST_TAKER);
        Command::Take { instrument: id(instrument), side, price: touch.price, qty }
    }

    fn limit_price(&mut self, instrument: usize, side: Side) -> Ticks {
        let conditions = self.conditions();
        let distance = conditions.half_spread + self.draws.exponential(conditions.depth);
        let fair = self.climate.fair(instrument);
        self.price(side, fair - side.sign() as f64 * distance)
    }

    /// `increments` as a price, rounded away from the other side: bids down, asks up; at least one increment.
    fn price(&self, side: Side, increments: f64) -> Ticks {
        let whole = if side == Side::Buy { increments.floor() } else { increments.ceil() };
        Ticks((whole as i64).max(1) * self.config.increment.0)
    }

    fn side(&mut self) -> Side {
        if self.draws.chance(0.5) { Side::Buy } else { Side::Sell }
    }

    fn round_lots(&mut self, most: usize) -> Lots {
        Lots((1 + self.draws.below(most)) as i64 * self.config.round_lot.0)
    }
}

fn id(instrument: usize) -> InstrumentId {
    // The configuration counts instruments in 16 bits.
    InstrumentId(u16::try_from(instrument).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests;
