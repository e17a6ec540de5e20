//! What this machine can do at best: the numbers that everything else is a ratio to.

use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use core_affinity::CoreId;
use crossbeam::utils::CachePadded;
use hdrhistogram::Histogram;

use super::echo::{EchoConfig, bare_echo};
use crate::clock::{Clock as _, Ticker, tsc_clock};
use crate::error::{Error, Result};
use crate::pipeline::cores::Cores;
use crate::telemetry::trace::new_histogram;

/// Very short operations are timed in batches of this many: a clock read costs more than one of them.
pub const BATCH: u64 = 256;
/// The region that sequential copies walk through.
const REGION: usize = 64 << 20;
/// Gaps of the jitter run above this count as taken away.
const GAP: u64 = 1_000;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds of each measurement.
    pub rounds: usize,
    /// Length of the jitter run.
    pub jitter: Duration,
}

impl Effort {
    /// Enough to be believed.
    pub const FULL: Self = Self { rounds: 1_000_000, jitter: Duration::from_secs(2) };
    /// Enough to see that it works.
    pub const SMOKE: Self = Self { rounds: 2_000, jitter: Duration::from_millis(20) };
}

/// The floors.
#[derive(Debug)]
pub struct Floors {
    /// Round trip of a cache line between two pinned threads, in ns; none on a single core.
    pub ping_pong: Option<Histogram<u64>>,
    /// A clock read as the sequencer does it, in ns per read, by batches.
    pub clock: Histogram<u64>,
    /// A raw counter read, in ns per read, by batches.
    pub counter: Histogram<u64>,
    /// Copying 64 bytes to the next place of a region of 64 MiB, in ns per copy, by batches.
    pub copy_sequential: Histogram<u64>,
    /// Copying 64 bytes to the same place, in ns per copy, by batches.
    pub copy_cached: Histogram<u64>,
    /// Datagram received to order bytes sent over TCP with nothing in between, in ns.
    pub echo: Histogram<u64>,
    /// Gaps between two reads of the clock on a spinning pinned thread that are longer than 1 µs, in ns.
    pub gaps: Histogram<u64>,
    /// Part of the time that lay in such gaps.
    pub taken_away: f64,
}

/// Measures all floors on `cores`.
///
/// # Errors
/// Where a socket or thread cannot be had, or a result is impossible.
pub fn measure(cores: &Cores, effort: Effort) -> Result<Floors> {
    let (hot, other) = (cores.from_end(0), cores.first());
    let ping_pong = if hot == other { None } else { Some(ping_pong(hot, other, effort.rounds)?) };
    let echo = bare_echo(EchoConfig {
        rounds: (effort.rounds / 100).clamp(200, 10_000),
        core: Some(hot),
        sender_core: Some(other),
    })?;
    on_core(hot, move || {
        let (gaps, taken_away) = jitter(effort.jitter)?;
        Ok(Floors {
            ping_pong,
            clock: clock_cost(effort.rounds)?,
            counter: counter_cost(effort.rounds)?,
            copy_sequential: copy_cost(effort.rounds, REGION)?,
            copy_cached: copy_cost(effort.rounds, 64)?,
            echo,
            gaps,
            taken_away,
        })
    })
}

/// Runs `work` on a thread pinned to `core`.
///
/// # Errors
/// Where the thread cannot be had, or panics, or `work` fails.
pub fn on_core<T: Send + 'static>(
    core: usize,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let body = move || {
        core_affinity::set_for_current(CoreId { id: core });
        work()
    };
    let thread = std::thread::Builder::new().name("measure".to_owned()).spawn(body);
    let thread = thread.map_err(|error| Error::Failed(format!("no thread to measure on: {error}")))?;
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::Failed("the measurement panicked; please report this".to_owned())))
}

/// Two threads hand one cache line to and fro, with one PAUSE per spin.
pub(super) fn ping_pong(here: usize, there: usize, rounds: usize) -> Result<Histogram<u64>> {
    let rounds = rounds.min(200_000) as u64;
    let ping = Arc::new(CachePadded::new(AtomicU64::new(0)));
    let pong = Arc::new(CachePadded::new(AtomicU64::new(0)));
    let (its_ping, its_pong) = (Arc::clone(&ping), Arc::clone(&pong));
    let echo = move || {
        core_affinity::set_for_current(CoreId { id: there });
        for round in 1..=rounds {
            // Acquire and release: each side sees the other's round before it answers.
            while its_ping.load(Ordering::Acquire) != round {
                spin_loop();
            }
            its_pong.store(round, Ordering::Release);
        }
    };
    let thread = std::thread::Builder::new().name("pong".to_owned()).spawn(echo);
    let thread = thread.map_err(|error| Error::Failed(format!("no thread for the ping-pong: {error}")))?;
    let histogram = on_core(here, move || {
        let (mut clock, _calibrator) = tsc_clock(None);
        let mut histogram = new_histogram()?;
        for round in 1..=rounds {
            let start = clock.now();
            ping.store(round, Ordering::Release);
            while pong.load(Ordering::Acquire) != round {
                spin_loop();
            }
            let took = (clock.now() - start).0;
            if round > rounds / 10 {
                histogram.saturating_record(u64::try_from(took).unwrap_or(0));
            }
        }
        Ok(histogram)
    });
    thread.join().map_err(|_| Error::Failed("the ping-pong's other side panicked".to_owned()))?;
    histogram
}

/// Nanoseconds of one `work`, timed in batches of [`BATCH`].
///
/// # Errors
/// Where a histogram cannot be made.
pub fn batched(rounds: usize, mut work: impl FnMut(u64)) -> Result<Histogram<u64>> {
    let (mut clock, _calibrator) = tsc_clock(None);
    // Tenths of a nanosecond, so that the shortest operations keep a digit.
    let mut histogram = new_histogram()?;
    let batches = (rounds as u64 / BATCH).max(8);
    for batch in 0..batches + 4 {
        let start = clock.now();
        for step in 0..BATCH {
            work(batch * BATCH + step);
        }
        let took = (clock.now() - start).0;
        if batch >= 4 {
            histogram.saturating_record(u64::try_from(took * 10).unwrap_or(0) / BATCH);
        }
    }
    Ok(histogram)
}

/// A clock read as the sequencer does it, in tenths of a nanosecond.
pub(super) fn clock_cost(rounds: usize) -> Result<Histogram<u64>> {
    let (mut clock, _calibrator) = tsc_clock(None);
    batched(rounds, move |_| {
        black_box(clock.now());
    })
}

fn counter_cost(rounds: usize) -> Result<Histogram<u64>> {
    let ticker = Ticker::detect();
    batched(rounds, move |_| {
        black_box(ticker.stamp());
    })
}

/// Copies 64 bytes to the next place of a region, over and over; checks at the end that the bytes are there.
fn copy_cost(rounds: usize, region: usize) -> Result<Histogram<u64>> {
    let source = [0xa5_u8; 64];
    let mut target = vec![0_u8; region];
    target.fill(1);
    let places = (region / 64) as u64;
    let histogram = batched(rounds, |step| {
        let at = (step % places) as usize * 64;
        if let Some(line) = target.get_mut(at..at + 64) {
            line.copy_from_slice(black_box(&source));
        }
    })?;
    if target.get(..64) != Some(source.as_slice()) {
        return Err(Error::Failed("the copy did not arrive; please report this".to_owned()));
    }
    Ok(histogram)
}

/// A pinned thread reads the clock as fast as it can: what it misses was taken away from it.
fn jitter(length: Duration) -> Result<(Histogram<u64>, f64)> {
    let (mut clock, _calibrator) = tsc_clock(None);
    let mut gaps = new_histogram()?;
    let mut lost = 0;
    let first = clock.now();
    let end = first.0.saturating_add(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX));
    let mut last = first;
    while last.0 < end {
        let now = clock.now();
        let gap = u64::try_from((now - last).0).unwrap_or(0);
        if gap > GAP {
            gaps.saturating_record(gap);
            lost += gap;
        }
        last = now;
    }
    let total = (clock.now() - first).0.max(1) as f64;
    Ok((gaps, lost as f64 / total))
}
