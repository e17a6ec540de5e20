//! Figures for Prometheus, and what is said to probes.
//!
//! One [`table`] names every figure with its type, unit, help and labels: what is served and `docs/metrics.md` both come from
//! it. Figures come from the journal ([`seen`], by a tailer on a thread of its own), from what other threads show of
//! themselves anyway ([`readings`]), and, for orders by state and limits, from the replica's machine. The hot thread does
//! nothing for them. [`probes`] answers whether the process works and whether it is ready, with reasons.

mod encode;
pub mod latencies;
pub mod probes;
mod process;
pub mod readings;
pub mod seen;
pub mod table;

pub use encode::{Exposition, expose};
pub use latencies::{Distribution, Latencies};
pub use readings::{Readings, Sources};
pub use seen::{Monitor, Seen};

use pricewright_core::kernel::DisplayUnits;

/// Everything that figures are read from, at one moment.
#[derive(Debug)]
pub struct View<'a> {
    /// The machine's name.
    pub machine: &'a str,
    /// How its instruments and money are written.
    pub units: &'a DisplayUnits,
    /// What the journal says.
    pub seen: &'a Seen,
    /// What other threads show.
    pub read: &'a Readings,
}

#[cfg(test)]
mod tests;
