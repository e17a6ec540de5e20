//! The live clock: raw ticks on a line that a calibrator moves and the hot thread reads.
//!
//! The line lies behind a sequence lock made of atomics. The reader looks at the version (one load of a line that
//! changes about once a second) and copies the line only when it changed. It never waits: while the calibrator writes,
//! it goes on with the line it has, which joins the new one to within nanoseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant, SystemTime};

use pricewright_core::kernel::Nanos;

use super::Clock;
use super::discipline::{Adjustment, Discipline, Params, Sample};
use super::ticks::{Stamp, TickRate, Ticker};

/// How long the first calibration takes. Readings are good to some 50 ns, so that the first rate is good to 5 ppm.
const FIRST_CALIBRATION: Duration = Duration::from_millis(10);
/// The reference is read this often for one sample; the tightest reading counts.
const READINGS: usize = 16;

/// Starts the live clock: the reader for the hot thread (clone it for others) and the calibrator for the helper.
///
/// Blocks for 10 ms. `after` is the last journalled stamp, where there is one: the clock starts past it, even where the
/// machine's wall clock has been set back in between.
pub fn tsc_clock(after: Option<Nanos>) -> (TscClock, Calibrator) {
    let ticker = Ticker::detect();
    let mut discipline = calibrate(ticker);
    if let Some(last) = after {
        discipline.raise_to(ticker.stamp().0, last.0.saturating_add(1));
    }
    let line = Arc::new(Line::default());
    line.publish(&Lines::of(&discipline));
    let clock = TscClock {
        ticker,
        lines: Lines::of(&discipline),
        version: line.version(),
        last: i64::MIN,
        ticks: 0,
        line,
    };
    let calibrator = Calibrator { ticker, discipline, line: Arc::clone(&clock.line) };
    (clock, calibrator)
}

/// Reads the live clock. Wait-free; 64-bit arithmetic, one atomic load and one raw tick per reading.
#[derive(Clone, Debug)]
pub struct TscClock {
    ticker: Ticker,
    lines: Lines,
    version: u64,
    last: i64,
    /// Raw ticks of the last reading.
    ticks: u64,
    line: Arc<Line>,
}

impl TscClock {
    /// Where its ticks come from.
    pub fn ticker(&self) -> Ticker {
        self.ticker
    }

    /// The time that a raw stamp of this clock's ticker was taken, on the line as the calibrator last left it.
    #[inline]
    pub fn at(&self, stamp: Stamp) -> Nanos {
        Nanos(self.lines.clock.at(stamp.0))
    }
}

impl Clock for TscClock {
    #[inline]
    fn now(&mut self) -> Nanos {
        if self.line.version() != self.version
            && let Some((version, lines)) = self.line.read()
        {
            self.version = version;
            self.lines = lines;
        }
        self.ticks = self.ticker.stamp().0;
        // Cores' counters may differ by some ticks, and the old line may have been used past the new one's start.
        self.last = self.last.max(self.lines.clock.at(self.ticks));
        Nanos(self.last)
    }

    #[inline]
    fn since_wall(&self, wall: Nanos) -> Option<i64> {
        Some(self.lines.wall.at(self.ticks).saturating_sub(wall.0))
    }
}

/// Moves the live clock towards `CLOCK_REALTIME`. Belongs on the helper, about once a second.
#[derive(Debug)]
pub struct Calibrator {
    ticker: Ticker,
    discipline: Discipline,
    line: Arc<Line>,
}

impl Calibrator {
    /// Looks at the reference and publishes a line that leads towards it without a step, at most
    /// [`super::MAX_SLEW_PPM`] faster or slower than the rate measured at start.
    pub fn recalibrate(&mut self) -> Adjustment {
        self.recalibrate_to(sample(self.ticker))
    }

    /// Makes the clock show more than `last` from now on: for a journal that was recovered after the clock had started.
    /// This may step forward, so call it before the first event is stamped.
    pub fn start_after(&mut self, last: Nanos) {
        self.discipline.raise_to(self.ticker.stamp().0, last.0.saturating_add(1));
        self.line.publish(&Lines::of(&self.discipline));
    }

    /// How long a raw tick is, as measured so far.
    pub fn tick_rate(&self) -> TickRate {
        TickRate { nanos_per_tick: self.discipline.steady_rate() }
    }

    fn recalibrate_to(&mut self, sample: Sample) -> Adjustment {
        let adjustment = self.discipline.update(sample);
        self.line.publish(&Lines::of(&self.discipline));
        adjustment
    }
}

/// The clock's line, and its reference's: what turns ticks into time.
#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    clock: Params,
    wall: Params,
}

impl Lines {
    fn of(discipline: &Discipline) -> Self {
        Self { clock: discipline.params(), wall: discipline.wall() }
    }
}

/// [`Lines`] behind a sequence lock: one writer, any readers, no waiting.
#[derive(Debug, Default)]
struct Line {
    /// Odd while the writer is at it.
    version: AtomicU64,
    clock: AtomicParams,
    wall: AtomicParams,
}

/// [`Params`] in atomics; a whole only within the sequence lock.
#[derive(Debug, Default)]
struct AtomicParams {
    base_ticks: AtomicU64,
    base_nanos: AtomicI64,
    rate: AtomicU64,
}

impl AtomicParams {
    // Relaxed, all of it: the sequence lock around them orders.
    fn store(&self, params: &Params) {
        self.base_ticks.store(params.base_ticks, Ordering::Relaxed);
        self.base_nanos.store(params.base_nanos, Ordering::Relaxed);
        self.rate.store(params.rate, Ordering::Relaxed);
    }

    fn load(&self) -> Params {
        Params {
            base_ticks: self.base_ticks.load(Ordering::Relaxed),
            base_nanos: self.base_nanos.load(Ordering::Relaxed),
            rate: self.rate.load(Ordering::Relaxed),
        }
    }
}

impl Line {
    #[inline]
    fn version(&self) -> u64 {
        // Relaxed: a hint only; `read` does the ordering.
        self.version.load(Ordering::Relaxed)
    }

    /// Writes new lines. One thread only: `Calibrator` is not `Clone` and asks for `&mut self`.
    fn publish(&self, lines: &Lines) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        // Partner: the acquire fence in `read`. Who sees one of the new values sees the odd version too.
        fence(Ordering::Release);
        self.clock.store(&lines.clock);
        self.wall.store(&lines.wall);
        // Partner: the acquire load in `read`. Who sees the even version sees all of the new values.
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// Whole lines with their version, or `None` where the writer is at it.
    fn read(&self) -> Option<(u64, Lines)> {
        let before = self.version.load(Ordering::Acquire);
        let lines = Lines { clock: self.clock.load(), wall: self.wall.load() };
        fence(Ordering::Acquire);
        let after = self.version.load(Ordering::Relaxed);
        (before == after && before.is_multiple_of(2)).then_some((before, lines))
    }
}

/// The first line, measured over [`FIRST_CALIBRATION`]; again where the reference was set back meanwhile.
fn calibrate(ticker: Ticker) -> Discipline {
    loop {
        let first = sample(ticker);
        let start = Instant::now();
        while start.elapsed() < FIRST_CALIBRATION {
            std::hint::spin_loop();
        }
        if let Some(discipline) = Discipline::new(first, sample(ticker)) {
            return discipline;
        }
    }
}

/// Reads counter and reference together: of some readings the one whose two counter values lie closest, so that a
/// preemption in between does not count.
fn sample(ticker: Ticker) -> Sample {
    let mut tightest = u64::MAX;
    let mut best = Sample { ticks: 0, nanos: 0 };
    for _ in 0..READINGS {
        let before = ticker.stamp_fenced().0;
        let nanos = realtime();
        let width = ticker.stamp_fenced().0.saturating_sub(before);
        if width < tightest {
            tightest = width;
            best = Sample { ticks: before + width / 2, nanos };
        }
    }
    best
}

/// `CLOCK_REALTIME` in nanoseconds since the Unix epoch; negative before it.
fn realtime() -> i64 {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

#[cfg(test)]
mod tests;
