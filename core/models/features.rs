//! What the top of a book says about the price: mid, microprice, imbalance, volatility.
//!
//! Prices are in ticks, sizes in lots, volatility in ticks per square root of a second. Floats live here and in the
//! models that read them; they become prices again in one place, [`to_price`], which states its rounding.
//!
//! Sources: the weighted mid-price of J. Gatheral and R. Oomen, "Zero-intelligence realized variance estimation"
//! (Finance and Stochastics 14, 2010); exponentially weighted variance of RiskMetrics, Technical Document (4th edition,
//! 1996), with the decay taken from elapsed time.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};

use crate::kernel::{Lots, Nanos, Side, Ticks};
use crate::market::book::Bbo;
use crate::market::portfolio::{HalfTicks, in_range};

/// Both best levels of a book that is neither one-sided, locked nor crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// Best bid.
    pub bid: Ticks,
    /// Lots there; at least 1.
    pub bid_qty: Lots,
    /// Best ask; above the bid.
    pub ask: Ticks,
    /// Lots there; at least 1.
    pub ask_qty: Lots,
}

impl Touch {
    /// The touch of a book; `None` where a side is empty, prices are locked or crossed, or out of range.
    pub fn of(bbo: &Bbo) -> Option<Self> {
        let (bid, ask) = (bbo.bid?, bbo.ask?);
        let sound = bid.price < ask.price && in_range(bid.price) && in_range(ask.price);
        let filled = bid.qty.0 > 0 && ask.qty.0 > 0;
        (sound && filled).then_some(Self {
            bid: bid.price,
            bid_qty: bid.qty,
            ask: ask.price,
            ask_qty: ask.qty,
        })
    }

    /// The middle, exactly.
    pub fn half_ticks(&self) -> HalfTicks {
        HalfTicks(self.bid.0 + self.ask.0)
    }

    /// The middle in ticks.
    pub fn mid(&self) -> f64 {
        self.half_ticks().0 as f64 / 2.0
    }

    /// Ask less bid.
    pub fn spread(&self) -> Ticks {
        self.ask - self.bid
    }

    /// The bid's share of the lots at the touch, 0 to 1.
    pub fn bid_share(&self) -> f64 {
        let (bid, ask) = (self.bid_qty.0 as f64, self.ask_qty.0 as f64);
        bid / (bid + ask)
    }

    /// Bid lots less ask lots over their sum, −1 to 1.
    pub fn queue_imbalance(&self) -> f64 {
        let (bid, ask) = (self.bid_qty.0 as f64, self.ask_qty.0 as f64);
        (bid - ask) / (bid + ask)
    }

    /// The mid weighted by the opposite side's size, in ticks: near the ask where the bid is large.
    pub fn microprice(&self) -> f64 {
        let share = self.bid_share();
        self.ask.0 as f64 * share + self.bid.0 as f64 * (1.0 - share)
    }
}

/// Exponentially weighted mean: each step keeps the share `λ` of what was and adds `1 − λ` of the new value. It is
/// divided by the weights so far, so that the first values count alike instead of the very first for everything (as
/// pandas' `ewm(adjust=True)`); from a given start it is the plain recursion `v ← λ·v + (1 − λ)·x`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ewma {
    sum: f64,
    weight: f64,
}

impl Ewma {
    /// One that begins at `value`, with the weight of a long past.
    pub fn starting_at(value: f64) -> Self {
        Self { sum: value, weight: 1.0 }
    }

    /// Takes `x`, keeping the share `decay`, 0 to 1, of what was. Anything that is no number is left out.
    pub fn update(&mut self, decay: f64, x: f64) {
        if x.is_finite() && (0.0..=1.0).contains(&decay) {
            self.sum = decay * self.sum + (1.0 - decay) * x;
            self.weight = decay * self.weight + (1.0 - decay);
        }
    }

    /// The mean; `None` before the first value.
    pub fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// Variance of a price a second, from samples at least an interval apart. Weights fall by `exp(−dt/τ)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Volatility {
    tau: Nanos,
    interval: Nanos,
    last: Option<(Nanos, f64)>,
    variance: Ewma,
}

impl Volatility {
    /// With time constant `tau`, sampling at most once an `interval`; both are taken as at least 1 ns.
    pub fn new(tau: Nanos, interval: Nanos) -> Self {
        Self {
            tau: tau.max(Nanos(1)),
            interval: interval.max(Nanos(1)),
            last: None,
            variance: Ewma::default(),
        }
    }

    /// Takes the price as it is at `now`.
    pub fn observe(&mut self, now: Nanos, price: f64) {
        let Some((at, before)) = self.last else {
            self.last = Some((now, price));
            return;
        };
        let elapsed = Nanos(now.0.saturating_sub(at.0));
        if elapsed < self.interval {
            return;
        }
        let seconds = elapsed.as_secs_f64();
        let change = price - before;
        let decay = libm::exp(-(elapsed.0 as f64) / self.tau.0 as f64);
        self.variance.update(decay, change * change / seconds);
        self.last = Some((now, price));
    }

    /// Forgets the last price, so that a jump over a gap is not taken for volatility.
    pub fn interrupt(&mut self) {
        self.last = None;
    }

    /// Variance in ticks² a second; `None` before the second sample.
    pub fn variance(&self) -> Option<f64> {
        self.variance.value()
    }

    /// Volatility in ticks per square root of a second; `None` before the second sample.
    pub fn sigma(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }
}

/// The features of one instrument that strategies see.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Top of the book after the last batch; `None` where there is no sound one.
    pub touch: Option<Touch>,
    /// Volatility of the mid.
    pub volatility: Volatility,
}

impl Features {
    /// Nothing seen yet.
    pub fn new(volatility: Volatility) -> Self {
        Self { touch: None, volatility }
    }

    /// Takes the top of the book after a batch.
    pub fn update(&mut self, now: Nanos, bbo: &Bbo) {
        self.touch = Touch::of(bbo);
        if let Some(touch) = self.touch {
            self.volatility.observe(now, touch.mid());
        }
    }

    /// Takes the top of the book between batches: what is known of it changed, not the market.
    pub fn look_again(&mut self, bbo: &Bbo) {
        self.touch = Touch::of(bbo);
    }

    /// The book was emptied: what it said is no longer so.
    pub fn clear(&mut self) {
        self.touch = None;
        self.volatility.interrupt();
    }
}

/// A model's price as one that an order may have: on the increment, rounded away from the other side (a bid down, an ask
/// up), so that rounding never makes a quote more aggressive. `None` where it is no number or out of range.
pub fn to_price(price: f64, side: Side, increment: Ticks) -> Option<Ticks> {
    // Within this bound every multiple of the increment is exact in a double.
    const BOUND: f64 = (1_u64 << 33) as f64;
    if increment.0 < 1 || !price.is_finite() || price.abs() > BOUND {
        return None;
    }
    let steps = price / increment.0 as f64;
    // Cutting the fraction off is one instruction everywhere; rounding to either side is a call where SSE4.1 is not assumed.
    let cut = steps as i64;
    let whole = match side {
        Side::Buy => cut - i64::from(steps < cut as f64),
        Side::Sell => cut + i64::from(steps > cut as f64),
    };
    let ticks = Ticks(whole.checked_mul(increment.0)?);
    in_range(ticks).then_some(ticks)
}

#[cfg(test)]
mod tests;
