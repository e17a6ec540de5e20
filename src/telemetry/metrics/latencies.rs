//! Histograms with fixed buckets that one thread fills and another reads whenever it likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

/// Upper bounds of the buckets in ns, each included; one more takes what lies beyond.
const BOUNDS_NS: [u64; 24] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];
const NANOS: f64 = 1e9;

/// A histogram of times. Clones are the same one; only one thread may write.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// On cache lines that only the writing thread writes.
    shared: Arc<CachePadded<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    counts: [AtomicU64; BOUNDS_NS.len() + 1],
    sum_ns: AtomicU64,
}

/// A histogram as it stood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// Of all values, in s.
    pub sum: f64,
    /// How many.
    pub count: u64,
    /// Upper bound in s, and how many lie in this bucket and not below; the last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl Latencies {
    /// Takes a time in ns.
    pub fn take(&self, ns: u64) {
        let at = BOUNDS_NS.partition_point(|bound| *bound < ns);
        if let Some(count) = self.shared.counts.get(at) {
            add(count, 1);
        }
        add(&self.shared.sum_ns, ns);
    }

    /// As it stands. Values that come in meanwhile may be counted and not yet summed.
    pub fn read(&self) -> Distribution {
        let bounds = BOUNDS_NS.iter().map(|bound| *bound as f64 / NANOS).chain([f64::INFINITY]);
        let counts = self.shared.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        Distribution {
            sum: self.shared.sum_ns.load(Ordering::Relaxed) as f64 / NANOS,
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

/// One writer: a load and a store are enough. Relaxed: figures for people.
fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Ordering::Relaxed).saturating_add(more), Ordering::Relaxed);
}
