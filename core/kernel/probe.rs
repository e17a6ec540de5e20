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
    /// A risk check.
    Check {
        /// The control's name.
        control: &'static str,
        /// The measured number.
        value: i64,
        /// The limit it was held against.
        limit: i64,
        /// The unit of both.
        unit: &'static str,
        /// Whether the order may pass.
        passed: bool,
    },
    /// A step of the reasoning in words.
    Step {
        /// What was decided and why.
        text: &'static str,
    },
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
