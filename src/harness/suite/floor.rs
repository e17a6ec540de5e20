//! What this machine can do at best: the numbers that everything else is a ratio to.

use std::hint::black_box;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::clock::{Clock as _, Ticker, tsc_clock};
use crate::error::{Error, Result};
use crate::harness::cache_line::ping_pong;
use crate::harness::figure::{Samples, Spec};
use crate::harness::jitter::jitter;
use crate::harness::lab::Lab;
use crate::harness::loopback;
use crate::harness::runner::{Bench, Checked};
use crate::harness::timing::{BATCH, Stopwatch, on_core};

const CACHE_LINE: &str = "cache line round trip, two threads";
const CLOCK: &str = "clock read, as the sequencer does it";
const COUNTER: &str = "raw counter read";
const FENCED: &str = "fenced counter read, as the harness does it";
const COPY_SEQUENTIAL: &str = "copy 64 B, sequential in 64 MiB";
const COPY_CACHED: &str = "copy 64 B, same place (L1)";
const UDP: &str = "UDP echo on loopback, round trip";
const TCP: &str = "TCP echo on loopback, round trip";
const GAPS: &str = "gaps over 1 µs on a spinning thread";

/// The region that sequential copies walk through.
pub(super) const REGION: usize = 64 << 20;
/// Operations of a round.
const TRIPS: usize = 200_000;
const ECHOES: usize = 20_000;
const SHORT: usize = 1_000_000;
const JITTER: Duration = Duration::from_millis(500);

/// The bench.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    taken_away: f64,
    rounds: u32,
}

impl Bench for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn question(&self) -> &'static str {
        "What can this machine do at best?"
    }

    fn figures(&self) -> Vec<Spec> {
        vec![
            Spec::each(CACHE_LINE),
            Spec::batch(CLOCK, BATCH).over(COUNTER),
            Spec::batch(COUNTER, BATCH),
            Spec::batch(FENCED, BATCH).over(COUNTER),
            Spec::batch(COPY_SEQUENTIAL, BATCH).over(COPY_CACHED),
            Spec::batch(COPY_CACHED, BATCH),
            Spec::each(UDP).over(CACHE_LINE),
            Spec::each(TCP).over(CACHE_LINE),
            Spec::each(GAPS),
        ]
    }

    fn check(&mut self, _lab: &Lab) -> Result<Checked> {
        let mut region = vec![1_u8; 4096];
        for step in 0..64 {
            copy_line(&mut region, step);
        }
        if region.iter().any(|byte| *byte != FILL) {
            return Err(Error::Failed("a copy did not arrive; please report this".to_owned()));
        }
        Ok(Checked { result: blake3::hash(&region), facts: Vec::new() })
    }

    fn round(&mut self, lab: &Lab, samples: &mut Samples) -> Result<()> {
        let (watch, hot) = (lab.watch(), lab.hot());
        if lab.has_two_cores() {
            let (here, there) = lab.two_cores()?;
            samples.add(CACHE_LINE, &ping_pong(watch, here, there, lab.count(TRIPS, 1_000))?)?;
            let echoes = lab.count(ECHOES, 100);
            samples.add(UDP, &loopback::udp_echo(watch, here, there, echoes)?)?;
            samples.add(TCP, &loopback::tcp_echo(watch, here, there, echoes)?)?;
        }
        let short = lab.count(SHORT, 4_096);
        samples.add(CLOCK, &on_core(hot, move || clock_cost(watch, short))?)?;
        samples.add(COUNTER, &on_core(hot, move || counter_cost(watch, short))?)?;
        samples.add(FENCED, &on_core(hot, move || fenced_cost(watch, short))?)?;
        samples.add(COPY_SEQUENTIAL, &on_core(hot, move || copies(watch, short, REGION))?)?;
        samples.add(COPY_CACHED, &on_core(hot, move || copies(watch, short, 64))?)?;
        let length = lab.time(JITTER);
        let (gaps, taken_away) = on_core(hot, move || jitter(watch, length))?;
        samples.add(GAPS, &gaps)?;
        self.taken_away += taken_away;
        self.rounds += 1;
        Ok(())
    }

    fn learned(&self) -> Vec<String> {
        let part = self.taken_away / f64::from(self.rounds.max(1));
        vec![format!("time taken away from a spinning thread, in gaps over 1 µs: {:.2} %", part * 100.0)]
    }
}

/// The clock as the sequencer reads it.
pub(super) fn clock_cost(watch: Stopwatch, reads: usize) -> Result<Histogram<u64>> {
    let (mut clock, _calibrator) = tsc_clock(None);
    watch.batches(reads, move |_| {
        black_box(clock.now());
    })
}

fn counter_cost(watch: Stopwatch, reads: usize) -> Result<Histogram<u64>> {
    let ticker = Ticker::detect();
    watch.batches(reads, move |_| {
        black_box(ticker.stamp());
    })
}

fn fenced_cost(watch: Stopwatch, reads: usize) -> Result<Histogram<u64>> {
    let ticker = Ticker::detect();
    watch.batches(reads, move |_| {
        black_box(ticker.stamp_fenced());
    })
}

const FILL: u8 = 0xa5;

/// Copies 64 bytes to the place of `step` in `region`.
#[inline]
pub(super) fn copy_line(region: &mut [u8], step: u64) {
    let source = [FILL; 64];
    let places = (region.len() / 64).max(1) as u64;
    let at = (step % places) as usize * 64;
    if let Some(line) = region.get_mut(at..at + 64) {
        line.copy_from_slice(black_box(&source));
    }
}

/// Copies of 64 bytes to one place after the other of `region` bytes that are there.
pub(super) fn copies(watch: Stopwatch, count: usize, region: usize) -> Result<Histogram<u64>> {
    let mut target = vec![1_u8; region];
    let histogram = watch.batches(count, |step| copy_line(&mut target, step))?;
    black_box(&target);
    Ok(histogram)
}
