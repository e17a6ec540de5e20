//! Where a machine stands, in figures for people and their monitors.
//!
//! It is read from a machine that follows the journal, never from the one that decides, and nothing decides by it.

use super::Control;
use super::units::InstrumentId;

/// What a machine says of itself between two events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What set the kill latch, while it is set.
    pub latch: Option<Control>,
    /// Own orders by state.
    pub orders: Vec<(&'static str, u64)>,
    /// How much of each limit is used.
    pub limits: Vec<LimitUse>,
}

/// How much of a limit is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitUse {
    /// The limit's key in the configuration.
    pub limit: &'static str,
    /// Whose it is, for a limit that each instrument has for itself.
    pub instrument: Option<InstrumentId>,
    /// Used, in the limit's unit; 0 if nothing is.
    pub used: i64,
    /// The limit, in the same unit.
    pub most: i64,
}
