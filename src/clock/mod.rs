//! Clocks: the sequencer's stamp, and raw stamps for latency.
//!
//! [`Clock`] gives the stamp by which machines see time. It never decreases. [`TscClock`] slews towards the machine's
//! wall clock and never steps; [`ManualClock`] stands where its owner put it. The sequencer is generic over [`Clock`],
//! so that a read is a handful of inlined instructions.
//!
//! [`Stamp`] and [`Ticker`] are for measuring latencies and are never visible to a machine.

mod discipline;
mod manual;
mod ticks;
mod tsc;
mod wall;
mod watch;

use pricewright_core::kernel::Nanos;

pub use discipline::{Adjustment, MAX_SLEW_PPM, Params, Sample};
pub use manual::ManualClock;
pub use ticks::{Stamp, TickRate, Ticker};
pub use tsc::{Calibrator, TscClock, tsc_clock};
pub use wall::{boot_nanos, look, wall_clock};
pub use watch::{Look, Seen, Watch};

/// What stamps events.
pub trait Clock: Send {
    /// The stamp for what happens now: nanoseconds since the Unix epoch, never less than the one before.
    fn now(&mut self) -> Nanos;

    /// Nanoseconds from a stamp of `CLOCK_REALTIME` to this clock's last reading; negative if the stamp lies after it. By the
    /// wall clock as it was last looked at: a step since then is in the result. `None` from a clock that does not follow the
    /// machine's.
    fn since_wall(&self, _wall: Nanos) -> Option<i64> {
        None
    }
}
