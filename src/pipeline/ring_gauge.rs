//! How full the rings between threads are. The producing thread looks now and then, because looking costs a cache line that
//! the consumer writes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::utils::CachePadded;

use crate::ring::Producer;

/// Polls of the producing stage between two looks.
const EVERY: u32 = 1024;

/// The rings of a run. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct RingGauges {
    rings: Arc<Mutex<Vec<(&'static str, Shared)>>>,
}

/// A ring as it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingReading {
    /// Who puts records into it.
    pub name: &'static str,
    /// Cells that wait.
    pub used: u64,
    /// Cells.
    pub capacity: u64,
    /// Times that it had no room.
    pub full: u64,
}

/// On a cache line that only the producing thread writes.
type Shared = Arc<CachePadded<Shown>>;

#[derive(Debug, Default)]
struct Shown {
    used: AtomicU64,
    capacity: AtomicU64,
    full: AtomicU64,
}

/// One ring's gauge, with the stage that puts records into it.
#[derive(Debug, Default)]
pub struct RingGauge {
    shown: Shared,
    polls: u32,
}

impl RingGauges {
    /// The gauge of a ring into which `name` puts records. Allocates: before the run begins.
    pub fn add(&self, name: &'static str) -> RingGauge {
        let gauge = RingGauge::default();
        let entry = (name, Arc::clone(&gauge.shown));
        self.rings.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        gauge
    }

    /// All of them, as of the last looks.
    pub fn read(&self) -> Vec<RingReading> {
        // Relaxed: figures for people.
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = |(name, shown): &(&'static str, Shared)| RingReading {
            name,
            used: read(&shown.used),
            capacity: read(&shown.capacity),
            full: read(&shown.full),
        };
        rings.iter().map(reading).collect()
    }
}

impl RingGauge {
    /// Counts a poll of the stage, and looks at its ring at the first of 1,024: three relaxed stores.
    #[inline]
    pub fn poll(&mut self, ring: &Producer) {
        if self.polls.is_multiple_of(EVERY) {
            self.look(ring);
        }
        self.polls = self.polls.wrapping_add(1);
    }

    #[cold]
    fn look(&self, ring: &Producer) {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.shown.used.store(wide(ring.waiting()), Ordering::Relaxed);
        self.shown.capacity.store(wide(ring.capacity()), Ordering::Relaxed);
        self.shown.full.store(ring.full_events(), Ordering::Relaxed);
    }
}
