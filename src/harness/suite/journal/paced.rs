//! Appends at a set rate, open loop, with the helper at work on the other core; and copies under the same pace.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use pricewright_core::kernel::{Cell, MAX_CELLS, Nanos};

use super::append::copy_two;
use super::{open, record_in};
use crate::error::Result;
use crate::harness::figure::{PER_NS, new_histogram};
use crate::harness::lab::Lab;
use crate::harness::suite::floor::REGION;
use crate::harness::suite::records::{laid, replace_order};
use crate::harness::timing::{Pace, Stopwatch, join, on_core, require_rate, start_on_core};
use crate::journal::Preallocator;
use crate::pipeline::idle::{Idle, Idler};

/// Appends a second where nothing else is asked for.
const RATE: u64 = 500_000;
/// Length of a round.
const LENGTH: Duration = Duration::from_secs(1);
const SEGMENT: u64 = 64 << 20;
const AHEAD: u64 = 8 << 20;
/// One in so many operations at the beginning warms up.
const WARM_UP_PART: u64 = 10;

/// What was measured.
pub(super) struct Paced {
    /// Copies, from the intended time.
    pub(super) copies: Histogram<u64>,
    /// Appends, from the intended time.
    pub(super) intended: Histogram<u64>,
    /// Appends, from when they were begun.
    pub(super) alone: Histogram<u64>,
    /// In a second.
    pub(super) rate: u64,
    /// Segments that the helper did not make in time.
    pub(super) stalls: u64,
}

/// The pace that `lab` is asked for.
pub(super) fn pacing(lab: &Lab) -> Pacing {
    let rate = lab.rate(RATE);
    let count = (lab.time(LENGTH).as_secs_f64() * rate as f64) as u64;
    Pacing { watch: lab.watch(), rate, count, tolerance: lab.rate_tolerance() }
}

pub(super) fn measure(lab: &Lab) -> Result<Paced> {
    let (here, there) = lab.two_cores()?;
    let pacing = pacing(lab);
    let (copies, _) = on_core(here, move || {
        let mut region = vec![1_u8; REGION];
        let paced = pacing.run("copies", |step| {
            copy_two(&mut region, step);
            Ok(())
        })?;
        black_box(&region);
        Ok(paced)
    })?;
    let dir = lab.scratch()?;
    let appends = Appends { dir: dir.clone(), cells: laid(&replace_order(7)), pacing, there };
    let (intended, alone, stalls) = on_core(here, move || appends.measure())?;
    lab.remove(&dir)?;
    Ok(Paced { copies, intended, alone, rate: pacing.rate, stalls })
}

struct Appends {
    dir: PathBuf,
    cells: [Cell; MAX_CELLS],
    pacing: Pacing,
    there: usize,
}

/// How fast, how often.
#[derive(Clone, Copy)]
pub(super) struct Pacing {
    watch: Stopwatch,
    rate: u64,
    count: u64,
    tolerance: f64,
}

impl Appends {
    fn measure(&self) -> Result<(Histogram<u64>, Histogram<u64>, u64)> {
        let (mut writer, preallocator) = open(&self.dir, SEGMENT, AHEAD)?;
        let record = record_in(&self.cells)?;
        let stop = Arc::new(AtomicBool::new(false));
        let helper = helper(self.there, preallocator, Arc::clone(&stop))?;
        let paced = self.pacing.run("appends", |_| {
            writer.append(record, Nanos(1), 0)?;
            Ok(())
        });
        let stalls = writer.stalls();
        // The helper first: closing cuts the file, and there are no pages to fault in behind its end.
        stop.store(true, Ordering::Release);
        join(helper)?;
        writer.close()?;
        let (intended, alone) = paced?;
        Ok((intended, alone, stalls))
    }
}

/// The helper as it runs live: it backs off where there is nothing to do.
pub(super) fn helper(
    core: usize,
    mut preallocator: Preallocator,
    stop: Arc<AtomicBool>,
) -> Result<std::thread::JoinHandle<Result<()>>> {
    start_on_core(core, move || {
        let mut idler = Idler::new(Idle::BACKOFF);
        // Acquire: partner of the release behind the last append.
        while !stop.load(Ordering::Acquire) {
            idler.after(preallocator.poll());
        }
        while preallocator.poll() > 0 {}
        preallocator.take_error().map_or(Ok(()), |error| Err(error.into()))
    })
}

impl Pacing {
    /// `work` at a pace: from the intended time, and from its own beginning.
    pub(super) fn run(
        self,
        what: &str,
        mut work: impl FnMut(u64) -> Result<()>,
    ) -> Result<(Histogram<u64>, Histogram<u64>)> {
        let Self { watch, rate, count, tolerance } = self;
        let (mut intended, mut alone) = (new_histogram()?, new_histogram()?);
        let mut pace = Pace::new(watch, rate);
        for step in 0..count {
            let meant = pace.wait();
            let begun = watch.stamp();
            work(step)?;
            let done = watch.stamp();
            if step >= count / WARM_UP_PART {
                let late = pace.ns_at(done).saturating_sub(meant);
                intended.saturating_record(late.saturating_mul(PER_NS));
                watch.record(&mut alone, begun, done);
            }
        }
        require_rate(&format!("paced {what}"), rate, count, pace.now_ns(), tolerance)?;
        Ok((intended, alone))
    }
}
