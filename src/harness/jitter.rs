//! What the machine takes away from a thread that only spins.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::figure::new_histogram;
use super::timing::Stopwatch;
use crate::error::Result;

/// Gaps above this many nanoseconds count as taken away.
pub const GAP_NS: u64 = 1_000;

/// A thread reads the clock as fast as it can for so long: what it misses was taken away from it. Gives the gaps, and the
/// part of the time that lay in them.
///
/// # Errors
/// Where a histogram cannot be made.
pub fn jitter(watch: Stopwatch, length: Duration) -> Result<(Histogram<u64>, f64)> {
    let mut gaps = new_histogram()?;
    let length = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    let first = watch.stamp();
    let (mut last, mut lost) = (first, 0);
    while watch.nanos(first, last) < length {
        let now = watch.stamp();
        let gap = watch.nanos(last, now);
        if gap > GAP_NS {
            watch.record(&mut gaps, last, now);
            lost += gap;
        }
        last = now;
    }
    let total = watch.nanos(first, last).max(1) as f64;
    Ok((gaps, lost as f64 / total))
}
