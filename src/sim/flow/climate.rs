//! Calm and volatile periods, and the value that the flow's traders believe in.

use pricewright_core::kernel::Nanos;

use crate::sim::random::Draws;

/// The kind of period that the market is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// Small moves, few and small jumps, deep book, narrow spread.
    Calm,
    /// Large moves, many jumps, thin book, wide spread, many takers.
    Volatile,
}

/// What a period is like. Prices count increments of the instrument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Conditions {
    /// Standard deviation of the fair value's moves, increments per square root of a second.
    pub(super) volatility: f64,
    /// Jumps of the fair value per second and instrument.
    pub(super) jumps: f64,
    /// Smallest and largest jump, in increments.
    pub(super) jump: (f64, f64),
    /// Distance of the best new orders from the fair value, in increments.
    pub(super) half_spread: f64,
    /// Mean distance beyond that, in increments.
    pub(super) depth: f64,
    /// Live orders that the book tends to, per instrument.
    pub(super) live: f64,
    /// Takers per new limit order.
    pub(super) takers: f64,
    /// Messages, as a multiple of the average rate.
    pub(super) activity: f64,
}

/// Shares of time: calm periods last 6 to 10 s, volatile ones 2 to 4 s, so that any 30 s see at least two of each kind
/// begin or last.
const CALM_SECONDS: (f64, f64) = (6.0, 10.0);
const VOLATILE_SECONDS: (f64, f64) = (2.0, 4.0);
/// `8 × 0.775 + 3 × 1.6 = 11`: over calm and volatile periods of mean length, the average rate is the configured one.
const CALM: Conditions = Conditions {
    volatility: 1.0,
    jumps: 0.4,
    jump: (1.5, 4.0),
    half_spread: 0.8,
    depth: 4.0,
    live: 240.0,
    takers: 0.008,
    activity: 0.775,
};
const VOLATILE: Conditions = Conditions {
    volatility: 5.0,
    jumps: 3.0,
    jump: (3.0, 12.0),
    half_spread: 1.6,
    depth: 6.0,
    live: 120.0,
    takers: 0.02,
    activity: 1.6,
};
/// How often the fair value moves.
const STEP: Nanos = Nanos::from_millis(5);
/// How strongly the fair value is drawn to its anchor, per second.
const REVERSION: f64 = 0.05;

impl Regime {
    pub(super) fn conditions(self) -> &'static Conditions {
        match self {
            Self::Calm => &CALM,
            Self::Volatile => &VOLATILE,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Calm => Self::Volatile,
            Self::Volatile => Self::Calm,
        }
    }

    fn length(self, draws: &mut Draws) -> Nanos {
        let (low, high) = match self {
            Self::Calm => CALM_SECONDS,
            Self::Volatile => VOLATILE_SECONDS,
        };
        Nanos((draws.between(low, high) * 1e9) as i64)
    }
}

/// A sudden move of an instrument's fair value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Jump {
    /// The instrument's index.
    pub(super) instrument: usize,
    /// By how many increments, with sign.
    pub(super) by: f64,
}

/// The regime, and a mean-reverting random walk per instrument.
#[derive(Clone, Debug)]
pub(super) struct Climate {
    regime: Regime,
    switch_at: Nanos,
    step_at: Nanos,
    anchor: f64,
    /// Per instrument, in increments.
    fair: Vec<f64>,
}

impl Climate {
    /// Calm at `start`, every fair value at `anchor` increments.
    pub(super) fn new(instruments: usize, anchor: f64, start: Nanos, draws: &mut Draws) -> Self {
        let regime = Regime::Calm;
        let switch_at = start + regime.length(draws);
        Self { regime, switch_at, step_at: start + STEP, anchor, fair: vec![anchor; instruments] }
    }

    pub(super) fn regime(&self) -> Regime {
        self.regime
    }

    /// The fair value of an instrument in increments.
    pub(super) fn fair(&self, instrument: usize) -> f64 {
        self.fair.get(instrument).copied().unwrap_or(self.anchor)
    }

    /// Moves on to `at`, and returns the last jump on the way where there was one.
    pub(super) fn advance(&mut self, at: Nanos, draws: &mut Draws) -> Option<Jump> {
        let mut jump = None;
        while self.step_at <= at {
            while self.switch_at <= self.step_at {
                self.regime = self.regime.other();
                self.switch_at += self.regime.length(draws);
            }
            jump = self.step(draws).or(jump);
            self.step_at += STEP;
        }
        jump
    }

    fn step(&mut self, draws: &mut Draws) -> Option<Jump> {
        let conditions = self.regime.conditions();
        let seconds = STEP.as_secs_f64();
        let deviation = conditions.volatility * seconds.sqrt();
        let mut jump = None;
        for (instrument, fair) in self.fair.iter_mut().enumerate() {
            let drift = REVERSION * (self.anchor - *fair) * seconds;
            let mut by = 0.0;
            if draws.chance(conditions.jumps * seconds) {
                let size = draws.between(conditions.jump.0, conditions.jump.1);
                by = if draws.chance(0.5) { size } else { -size };
                jump = Some(Jump { instrument, by });
            }
            // A floor far below anything that mean reversion lets happen keeps every price positive.
            *fair = (*fair + drift + deviation * draws.normal() + by).max(self.anchor * 0.5);
        }
        jump
    }
}
