//! Stamps, batches and paces: how the harness reads the time.

use std::hint::spin_loop;

use core_affinity::CoreId;
use hdrhistogram::Histogram;

use super::figure::{PER_NS, new_histogram};
use crate::clock::{Stamp, TickRate, Ticker, tsc_clock};
use crate::error::{Error, Result};

/// Very short operations are timed in batches of this many: a clock read costs more than one of them.
pub const BATCH: u64 = 256;
/// Batches at the beginning that warm caches and are not counted.
const WARM_BATCHES: u64 = 4;

/// Takes stamps and knows how long lies between two of them.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    ticker: Ticker,
    rate: TickRate,
}

impl Stopwatch {
    /// Measures the ticker's rate, which takes 10 ms.
    pub fn new() -> Self {
        let (_, calibrator) = tsc_clock(None);
        Self { ticker: Ticker::detect(), rate: calibrator.tick_rate() }
    }

    /// The stamp for now: what comes before is done, what comes after has not begun.
    #[inline]
    pub fn stamp(&self) -> Stamp {
        self.ticker.stamp_fenced()
    }

    /// Nanoseconds between two stamps; 0 where `later` is the earlier one.
    #[inline]
    pub fn nanos(&self, earlier: Stamp, later: Stamp) -> u64 {
        self.rate.nanos(earlier, later)
    }

    /// Where the stamps come from.
    pub fn ticker(&self) -> Ticker {
        self.ticker
    }

    /// Ticks in a second.
    pub fn hertz(&self) -> f64 {
        self.rate.hertz()
    }

    /// Records one operation that took from `earlier` to `later`.
    #[inline]
    pub fn record(&self, histogram: &mut Histogram<u64>, earlier: Stamp, later: Stamp) {
        histogram.saturating_record(self.nanos(earlier, later).saturating_mul(PER_NS));
    }

    /// Records the mean of `count` operations that took from `earlier` to `later` together.
    #[inline]
    pub fn record_mean(&self, histogram: &mut Histogram<u64>, earlier: Stamp, later: Stamp, count: u64) {
        let took = self.nanos(earlier, later).saturating_mul(PER_NS);
        histogram.saturating_record(took / count.max(1));
    }

    /// Times `operations` runs of `work` in batches of [`BATCH`]; `work` is told the number of its run.
    ///
    /// # Errors
    /// Where a histogram cannot be made.
    pub fn batches(&self, operations: usize, mut work: impl FnMut(u64)) -> Result<Histogram<u64>> {
        let mut histogram = new_histogram()?;
        let batches = (operations as u64 / BATCH).max(8);
        for batch in 0..batches + WARM_BATCHES {
            let start = self.stamp();
            for step in 0..BATCH {
                work(batch * BATCH + step);
            }
            let end = self.stamp();
            if batch >= WARM_BATCHES {
                self.record_mean(&mut histogram, start, end, BATCH);
            }
        }
        Ok(histogram)
    }
}

impl Default for Stopwatch {
    fn default() -> Self {
        Self::new()
    }
}

/// The times at which operations are meant to begin, one every interval from the start, whatever happened in between.
#[derive(Clone, Debug)]
pub struct Pace {
    watch: Stopwatch,
    start: Stamp,
    interval_ns: f64,
    sent: u64,
}

impl Pace {
    /// `rate` in a second, from now.
    pub fn new(watch: Stopwatch, rate: u64) -> Self {
        Self { watch, start: watch.stamp(), interval_ns: 1e9 / rate.max(1) as f64, sent: 0 }
    }

    /// Nanoseconds from the start to when the next operation is meant to begin.
    #[inline]
    pub fn next_ns(&self) -> u64 {
        (self.sent as f64 * self.interval_ns) as u64
    }

    /// Nanoseconds from the start to now.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        self.watch.nanos(self.start, self.watch.stamp())
    }

    /// Nanoseconds from the start to `stamp`.
    #[inline]
    pub fn ns_at(&self, stamp: Stamp) -> u64 {
        self.watch.nanos(self.start, stamp)
    }

    /// Spins until the next operation is meant to begin; returns when that was, in ns from the start.
    #[inline]
    pub fn wait(&mut self) -> u64 {
        let intended = self.next_ns();
        while self.now_ns() < intended {
            spin_loop();
        }
        self.sent += 1;
        intended
    }

    /// Notes that the next operation was begun; returns when it was meant to, in ns from the start.
    #[inline]
    pub fn begin(&mut self) -> u64 {
        let intended = self.next_ns();
        self.sent += 1;
        intended
    }

    /// Operations begun.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

/// Fails where `sent` operations in `took_ns` fall short of `rate` in a second by more than the part `tolerance`.
///
/// # Errors
/// What was asked for, what was reached, and what to ask for instead.
pub fn require_rate(what: &str, rate: u64, sent: u64, took_ns: u64, tolerance: f64) -> Result<()> {
    let reached = sent as f64 * 1e9 / took_ns.max(1) as f64;
    if reached >= rate as f64 * (1.0 - tolerance) {
        return Ok(());
    }
    Err(Error::Failed(format!(
        "{what}: {rate} a second were asked for and {reached:.0} reached, so that the latencies mean nothing; {}",
        rate_help(reached)
    )))
}

/// What to do about a rate that this machine does not hold, where it came to `reached` a second.
pub fn rate_help(reached: f64) -> String {
    match rate_to_try(reached) {
        Some(rate) => format!("try --rate {rate}, or a quieter machine"),
        None => "it takes a quieter machine".to_owned(),
    }
}

/// Four fifths of what was reached, to two digits, down: what is reached without a break is not what can be kept up with
/// pauses. `None` if that is none.
fn rate_to_try(reached: f64) -> Option<u64> {
    let rate = (reached * 0.8) as u64;
    let unit = 10_u64.pow(rate.checked_ilog10()?.saturating_sub(1));
    Some(rate / unit * unit)
}

/// Runs `work` on a thread pinned to `core`.
///
/// # Errors
/// Where the thread cannot be had, or panics, or `work` fails.
pub fn on_core<T: Send + 'static>(
    core: usize,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    join(start_on_core(core, work)?)
}

/// Starts `work` on a thread pinned to `core`.
///
/// # Errors
/// Where the thread cannot be had.
pub fn start_on_core<T: Send + 'static>(
    core: usize,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<std::thread::JoinHandle<Result<T>>> {
    let body = move || {
        core_affinity::set_for_current(CoreId { id: core });
        work()
    };
    let thread = std::thread::Builder::new().name("measure".to_owned()).spawn(body);
    thread.map_err(|error| Error::Failed(format!("no thread to measure on: {error}")))
}

/// Waits for a thread of [`start_on_core`].
///
/// # Errors
/// Where it panicked or its work failed.
pub fn join<T>(thread: std::thread::JoinHandle<Result<T>>) -> Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::Failed("the measurement panicked; please report this".to_owned())))
}

#[cfg(test)]
mod tests;
