//! The gate that every order and every replacement passes.
//!
//! Guarantees: it fails closed (a number that is missing or cannot be computed counts as a breach); every control has a
//! limit, none can be switched off by leaving it out; all controls are measured and shown to the probe each time, and
//! the first one breached is the answer. Cancels do not pass here: getting out is always allowed.
//!
//! Sources: 17 CFR 240.15c3-5(c)(1) (thresholds, erroneous and duplicate orders); Commission Delegated Regulation (EU)
//! 2017/589 articles 12 (kill functionality) and 15 (price collars, order value and volume, message limits, execution
//! throttles); the FIA's 2024 paper on best practices for automated trading risk controls.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};

use super::order::Exposure;
use super::portfolio::HalfTicks;
use crate::kernel::{
    Control, Health, InstrumentId, Lots, Minor, Nanos, Note, Probe, Relation, SessionPhase, Side, Ticks,
    TradingState,
};

mod checks;
mod duplicate;
mod limits;
mod rate;

pub use checks::is_within;
use duplicate::DuplicateGuard;
pub use limits::{RiskConfig, check_range};
pub use rate::TokenBucket;

/// An order or replacement as the gate sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Instrument.
    pub instrument: InstrumentId,
    /// Side.
    pub side: Side,
    /// Limit price.
    pub price: Ticks,
    /// Lots that shall be open.
    pub qty: u32,
    /// The order to be replaced: its number and its open lots.
    pub prior: Option<PriorOrder>,
}

/// The order that a replacement is to take the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorOrder {
    /// Our number.
    pub client: u64,
    /// Open lots.
    pub open: u32,
    /// Limit price.
    pub price: Ticks,
}

/// What the price collar is measured from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Mid of the book, or the last trade.
    pub price: HalfTicks,
    /// When it was last known to be so.
    pub at: Nanos,
}

/// The world around an intent, as the desk knows it at this event.
#[derive(Clone, Copy, Debug)]
pub struct GateContext {
    /// Now.
    pub now: Nanos,
    /// The instrument's price increment.
    pub increment: Ticks,
    /// Money value of a tick of one lot.
    pub tick_value: Minor,
    /// What prices are measured from; `None` where there is nothing.
    pub reference: Option<Reference>,
    /// Position in the instrument.
    pub position: Lots,
    /// Open orders in the instrument.
    pub exposure: Exposure,
    /// Open orders of the whole desk.
    pub total: Exposure,
    /// The best price at which an own order of the other side is or may be resting.
    pub own_opposite: Option<Ticks>,
    /// The book's health.
    pub health: Health,
    /// How late events reach the machine; `None` where it was never measured.
    pub lag: Option<Nanos>,
    /// Today's profit of the whole desk, realised and unrealised, less fees.
    pub daily_profit: Minor,
    /// The session with the venue.
    pub phase: SessionPhase,
    /// False where the desk was stopped or may take no new risk.
    pub accepting: bool,
    /// Whether the instrument may be traded.
    pub trading: TradingState,
    /// Whether the venue's day and the session hours allow quotes.
    pub in_hours: bool,
    /// Whether more may be sold of the instrument than is held.
    pub may_short: bool,
    /// What all positions are worth at their marks.
    pub held: Held,
}

/// What positions are worth at their marks, over all instruments, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Long and short together.
    pub gross: i128,
    /// Long less short.
    pub net: i128,
}

impl Held {
    /// Counts one position that was worth `before` and is worth `after`.
    #[inline]
    pub fn change(&mut self, before: Minor, after: Minor) {
        let (before, after) = (i128::from(before.0), i128::from(after.0));
        self.gross += after.abs() - before.abs();
        self.net += after - before;
    }
}

/// The first control that an intent breached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which.
    pub control: Control,
    /// The measured number.
    pub value: i64,
    /// The limit it was held against.
    pub limit: i64,
}

impl Reference {
    /// How far `price` lies above it, in bps rounded away from it; negative below. `None` if the reference is not positive
    /// or the price is out of range.
    pub fn away_bps(self, price: Ticks) -> Option<i64> {
        checks::away_bps(price, self)
    }
}

/// Limits and what they need to remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskGate {
    #[serde(skip)]
    config: RiskConfig,
    bucket: TokenBucket,
    duplicates: DuplicateGuard,
    latch: Control,
}

impl RiskGate {
    /// The gate with full tokens and the latch released.
    ///
    /// # Errors
    /// What is wrong with the limits.
    pub fn new(config: &RiskConfig) -> Result<Self, String> {
        config.validate()?;
        Ok(Self {
            config: *config,
            bucket: TokenBucket::new(config.message_rate_per_s, config.message_burst),
            duplicates: DuplicateGuard::new(config.duplicate_entries()),
            latch: Control::NONE,
        })
    }

    /// Bytes that [`Self::new`] takes for what `config` wants remembered.
    pub fn bytes(config: &RiskConfig) -> u64 {
        DuplicateGuard::bytes(config.duplicate_entries()) as u64
    }

    /// Gives a gate read from a snapshot its limits again.
    ///
    /// # Errors
    /// Where the snapshot was taken under other limits of the message rate or the duplicate window.
    pub fn reconfigure(&mut self, config: &RiskConfig) -> Result<(), String> {
        config.validate()?;
        if self.duplicates.capacity() != config.duplicate_entries()
            || !self.bucket.is_for(config.message_rate_per_s, config.message_burst)
        {
            return Err("the gate's message rate or duplicate window differ".to_owned());
        }
        self.config = *config;
        Ok(())
    }

    /// The limits in force.
    pub fn config(&self) -> &RiskConfig {
        &self.config
    }

    /// Holds an intent against every control. Each is noted for decision `slot`. A token is taken, and the intent
    /// remembered for the duplicate check, only where it passes.
    ///
    /// # Errors
    /// The first control that it breached.
    pub fn check<P: Probe>(
        &mut self,
        intent: &Intent,
        context: &GateContext,
        slot: usize,
        probe: &mut P,
    ) -> Result<(), Refusal> {
        let mut verdict = Verdict { slot, probe, first: None };
        checks::standing(&self.config, self.latch, context, &mut verdict);
        checks::price(&self.config, intent, context, &mut verdict);
        checks::size(&self.config, intent, context, &mut verdict);
        checks::repetition(&self.config, &self.duplicates, intent, context, &mut verdict);
        self.bucket.refill(context.now);
        verdict.at_least(Control::MESSAGE_RATE, self.bucket.whole_tokens(), 1, "tokens");
        if let Some(refusal) = verdict.first {
            return Err(refusal);
        }
        self.bucket.take();
        self.duplicates.remember(context.now, intent);
        Ok(())
    }

    /// Sets the latch where today's loss has reached its limit. Returns what to tell where it was set now.
    pub fn check_loss(&mut self, daily_profit: Minor) -> Option<Refusal> {
        if !self.is_lost(daily_profit) || self.is_latched() {
            return None;
        }
        self.latch = Control::DAILY_LOSS;
        let limit = -self.config.max_daily_loss.0;
        Some(Refusal { control: Control::DAILY_LOSS, value: daily_profit.0, limit })
    }

    /// True where today's loss has reached its limit.
    #[inline]
    pub fn is_lost(&self, daily_profit: Minor) -> bool {
        daily_profit.0 <= -self.config.max_daily_loss.0
    }

    /// Sets the kill latch; an earlier cause is kept. Returns whether it was set now.
    pub fn set_latch(&mut self, cause: Control) -> bool {
        if self.is_latched() {
            return false;
        }
        self.latch = cause;
        true
    }

    /// Releases the latch. Returns what had set it, `NONE` where it was not set.
    pub fn release(&mut self) -> Control {
        core::mem::replace(&mut self.latch, Control::NONE)
    }

    /// Orders and replacements that could go out at once at `now`, whatever the other limits say.
    pub fn messages_left(&self, now: Nanos) -> i64 {
        let mut bucket = self.bucket;
        bucket.refill(now);
        bucket.whole_tokens()
    }

    /// What set the latch; `NONE` where it is not set.
    pub fn latch(&self) -> Control {
        self.latch
    }

    /// True where nothing but cancels may leave.
    pub fn is_latched(&self) -> bool {
        self.latch != Control::NONE
    }
}

/// Collects the outcome of all checks of one intent.
struct Verdict<'a, P> {
    slot: usize,
    probe: &'a mut P,
    first: Option<Refusal>,
}

impl<P: Probe> Verdict<'_, P> {
    fn at_most(&mut self, control: Control, value: i64, limit: i64, unit: &'static str) {
        self.record(control, value, Relation::AtMost, limit, unit);
    }

    fn at_least(&mut self, control: Control, value: i64, limit: i64, unit: &'static str) {
        self.record(control, value, Relation::AtLeast, limit, unit);
    }

    fn record(&mut self, control: Control, value: i64, relation: Relation, limit: i64, unit: &'static str) {
        let passed = relation.holds(value, limit);
        self.judge((control, control.name()), value, relation, limit, unit, passed);
    }

    /// One of several checks of a control: each is shown under a name of its own. `passed` may ask for more than the
    /// relation.
    fn judge(
        &mut self,
        (control, name): (Control, &'static str),
        value: i64,
        relation: Relation,
        limit: i64,
        unit: &'static str,
        passed: bool,
    ) {
        let note = || Note::Check { control: name, value, relation, limit, unit, passed };
        self.probe.note(self.slot, note);
        if !passed && self.first.is_none() {
            self.first = Some(Refusal { control, value, limit });
        }
    }
}

#[cfg(test)]
mod tests;
