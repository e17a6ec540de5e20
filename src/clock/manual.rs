//! A clock that stands still until it is told otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use pricewright_core::kernel::Nanos;

use super::Clock;

/// Shows the time it was set to. Clones show the same time, so that a test or a backtest keeps one and gives the
/// sequencer another.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    now: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Nanos) -> Self {
        Self { now: Arc::new(AtomicI64::new(now.0)) }
    }

    /// Moves the clock to `now`; an earlier time than it shows leaves it where it is.
    pub fn set(&self, now: Nanos) {
        // Relaxed: the time is a number of its own and publishes no other memory.
        self.now.fetch_max(now.0, Ordering::Relaxed);
    }

    /// Moves the clock on by `by`; a negative duration leaves it where it is.
    pub fn advance(&self, by: Nanos) {
        self.now.fetch_add(by.0.max(0), Ordering::Relaxed);
    }

    /// The time it shows.
    pub fn get(&self) -> Nanos {
        Nanos(self.now.load(Ordering::Relaxed))
    }
}

impl Clock for ManualClock {
    #[inline]
    fn now(&mut self) -> Nanos {
        self.get()
    }
}

#[cfg(test)]
mod tests;
