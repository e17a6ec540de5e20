//! How a machine explains itself: live runs pass [`NoProbe`], which compiles to nothing; `explain` passes a
//! [`Recorder`]. The same code decides in both, so an explanation is always the truth.

use serde::Serialize;

use super::units::{Lots, Ticks};

/// Receives reasons while an event is handled.
pub trait Probe {
    /// False where notes are dropped unread, so that making them can be skipped.
    const ON: bool;

    /// Takes a note about the decision that will be number `slot` of this event ([`super::Outbox::count`] before it is
    /// emitted). The closure runs only where somebody listens.
    fn note(&mut self, slot: usize, note: impl FnOnce() -> Note);
}

/// The probe of live runs: zero-sized, does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProbe;

impl Probe for NoProbe {
    const ON: bool = false;

    #[inline(always)]
    fn note(&mut self, _slot: usize, _note: impl FnOnce() -> Note) {}
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// A price level of the book as the machine saw it; `level` counts from the best, 0.
    Level {
        /// `bid` or `ask`.
        side: &'static str,
        /// 0 is the best.
        level: usize,
        /// Price.
        price: Ticks,
        /// Quantity resting there.
        qty: Lots,
    },
    /// A feature of the data.
    Feature {
        /// Its name.
        name: &'static str,
        /// Its value, in the unit its name says.
        value: f64,
    },
    /// A parameter of a model or strategy in force.
    Parameter {
        /// Its name.
        name: &'static str,
        /// Its value, in the unit its name says.
        value: f64,
    },
    /// An integer that the decision rests on: a price, a position, a count.
    Value {
        /// Its name.
        name: &'static str,
        /// The number.
        value: i64,
        /// Its unit.
        unit: &'static str,
    },
    /// A check against a limit: it passes if `value` stands in `relation` to `limit`.
    Check {
        /// The check's name; no two checks of one decision share it.
        control: &'static str,
        /// The measured number.
        value: i64,
        /// How the number must stand to the limit.
        relation: Relation,
        /// The limit it was held against.
        limit: i64,
        /// The unit of both; [`units`] has those that are codes.
        unit: &'static str,
        /// Whether the order may pass.
        passed: bool,
    },
    /// A formula of the model with the values that went into it.
    Formula {
        /// What it gives.
        name: &'static str,
        /// The right-hand side; each of `terms` stands in it by name.
        expression: &'static str,
        /// The values, in the order in which they first stand there.
        terms: Vec<Term>,
        /// What came out.
        result: Amount,
    },
    /// A step of the reasoning in words.
    Step {
        /// What was decided and why.
        text: &'static str,
    },
}

/// How a measured number must stand to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Relation {
    /// At most the limit.
    #[serde(rename = "<=")]
    AtMost,
    /// At least the limit.
    #[serde(rename = ">=")]
    AtLeast,
    /// Below the limit.
    #[serde(rename = "<")]
    Below,
    /// Above the limit.
    #[serde(rename = ">")]
    Above,
    /// Equal to the limit.
    #[serde(rename = "=")]
    Equal,
}

impl Relation {
    /// Whether `value` stands so to `limit`.
    pub fn holds(self, value: i64, limit: i64) -> bool {
        match self {
            Self::AtMost => value <= limit,
            Self::AtLeast => value >= limit,
            Self::Below => value < limit,
            Self::Above => value > limit,
            Self::Equal => value == limit,
        }
    }

    /// Its sign, `≤`, or what is so where a check failed, `>`.
    pub fn sign(self, passed: bool) -> &'static str {
        match (self, passed) {
            (Self::AtMost, true) | (Self::Above, false) => "≤",
            (Self::AtLeast, true) | (Self::Below, false) => "≥",
            (Self::Below, true) | (Self::AtLeast, false) => "<",
            (Self::Above, true) | (Self::AtMost, false) => ">",
            (Self::Equal, true) => "=",
            (Self::Equal, false) => "≠",
        }
    }
}

/// Units of notes whose numbers are codes, or mean something else than they say.
pub mod units {
    /// A [`Control`](crate::kernel::Control).
    pub const CONTROL: &str = "control";
    /// A [`TradingState`](crate::kernel::TradingState).
    pub const TRADING_STATE: &str = "trading state";
    /// A [`Health`](crate::kernel::Health).
    pub const HEALTH: &str = "health";
    /// 0 is no, everything else yes.
    pub const YES_NO: &str = "yes or no";
}

/// A number with its unit. Prices and money are shown as people write them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// A count, price, money or quantity, exact.
    Integer {
        /// The number.
        value: i64,
        /// Its unit.
        unit: &'static str,
    },
    /// A feature, parameter or result of a model.
    Number {
        /// The number.
        value: f64,
        /// Its unit.
        unit: &'static str,
    },
}

impl Amount {
    /// An exact number.
    pub fn integer(value: i64, unit: &'static str) -> Self {
        Self::Integer { value, unit }
    }

    /// A number of a model.
    pub fn number(value: f64, unit: &'static str) -> Self {
        Self::Number { value, unit }
    }
}

/// A value in a formula.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Term {
    /// The name by which it stands in the formula: letters, digits and `_`.
    pub name: &'static str,
    /// Its value.
    pub value: Amount,
}

impl Term {
    /// `name` with `value`.
    pub fn new(name: &'static str, value: Amount) -> Self {
        Self { name, value }
    }
}

/// Keeps every note with the decision it belongs to.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// (slot, note) in the order taken.
    pub notes: Vec<(usize, Note)>,
}

impl Probe for Recorder {
    const ON: bool = true;

    fn note(&mut self, slot: usize, note: impl FnOnce() -> Note) {
        self.notes.push((slot, note()));
    }
}
