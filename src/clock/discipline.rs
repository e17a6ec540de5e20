//! How the clock follows its reference: pure arithmetic, no clock is read here.
//!
//! The clock is a line: `nanos = base_nanos + (ticks − base_ticks) × rate`. Each [`Discipline::update`] takes one
//! [`Sample`] of the reference and gives a new line that *starts where the old one stands*, so that the clock never
//! steps, with a rate that closes the gap to the reference within about a second. The rate is always within
//! [`MAX_SLEW_PPM`] of the one measured at start (500 ppm is also the largest slew of `adjtime(3)` and NTP): a reference
//! that jumps by one second is followed in some 2,000 s.
//!
//! The rate that holds the gap at zero is measured between an anchor and the newest sample. A sample that lies where
//! no rate within 200 ppm of it leads is a step of the reference: the rate is kept and a new anchor is set.

/// The most by which the clock runs faster or slower than the rate measured at start, in parts per million.
pub const MAX_SLEW_PPM: i64 = 500;
/// A measured rate further than this from the one at start is taken for a step of the reference.
pub(super) const MAX_DRIFT_PPM: i64 = 200;
/// A gap to the reference is closed within this time where the slew allows it.
const CLOSE_WITHIN_NANOS: i64 = 1_000_000_000;
/// The rate is measured over at least this time, else reading errors outweigh drift.
const MIN_BASELINE_NANOS: i64 = 500_000_000;
/// The anchor moves on after this time, so that the rate follows temperature and the reference's own slewing.
const MAX_BASELINE_NANOS: i64 = 60_000_000_000;

/// Rates are nanoseconds per tick times 2^32: 2^-32 ns per tick is 0.1 ppm of a nanosecond per 0.4 ns tick.
pub(super) const RATE_SHIFT: u32 = 32;

/// One look at the reference: both read at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Raw ticks.
    pub ticks: u64,
    /// The reference (`CLOCK_REALTIME`): nanoseconds since the Unix epoch.
    pub nanos: i64,
}

/// The line that turns ticks into nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// Where the line starts: ticks.
    pub base_ticks: u64,
    /// Where the line starts: nanoseconds since the Unix epoch.
    pub base_nanos: i64,
    /// Nanoseconds per tick, times 2^32.
    pub rate: u64,
}

impl Params {
    /// The time at `ticks`; ticks before the base count as the base.
    #[inline]
    pub fn at(&self, ticks: u64) -> i64 {
        let ticks = ticks.saturating_sub(self.base_ticks);
        let nanos = (u128::from(ticks) * u128::from(self.rate)) >> RATE_SHIFT;
        self.base_nanos.saturating_add(nanos as i64)
    }
}

/// What an update did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// The reference minus the clock, before the update, in nanoseconds.
    pub gap_nanos: i64,
    /// How much faster than the rate measured at start the clock now runs, in parts per billion.
    pub slew_ppb: i64,
    /// The reference had stepped.
    pub stepped: bool,
}

/// The state of following a reference.
#[derive(Clone, Copy, Debug)]
pub(super) struct Discipline {
    params: Params,
    /// The reference itself, as last seen: where it stood and how fast it ran.
    wall: Params,
    /// The rate measured at start; the slew is bounded around it.
    nominal: u64,
    /// The best estimate of the reference's rate.
    steady: u64,
    anchor: Sample,
}

impl Discipline {
    /// Starts on the line through two samples, the second of which is where the clock starts. `None` where they are not
    /// in order.
    pub(super) fn new(first: Sample, second: Sample) -> Option<Self> {
        let nominal = rate_between(first, second)?;
        let params = Params { base_ticks: second.ticks, base_nanos: second.nanos, rate: nominal };
        Some(Self { params, wall: params, nominal, steady: nominal, anchor: second })
    }

    pub(super) fn params(&self) -> Params {
        self.params
    }

    /// The reference, which may step, as last seen.
    pub(super) fn wall(&self) -> Params {
        self.wall
    }

    /// The best estimate of how long a tick of the reference is: nanoseconds times 2^32.
    pub(super) fn steady_rate(&self) -> u64 {
        self.steady
    }

    /// Makes the clock show at least `nanos` from `ticks` on. The one step it may take, before the first event.
    pub(super) fn raise_to(&mut self, ticks: u64, nanos: i64) {
        let shown = self.params.at(ticks);
        self.params = Params { base_ticks: ticks, base_nanos: shown.max(nanos), rate: self.params.rate };
    }

    /// Takes a sample of the reference. Samples must be in order of ticks.
    pub(super) fn update(&mut self, sample: Sample) -> Adjustment {
        let shown = self.params.at(sample.ticks);
        let gap_nanos = sample.nanos.saturating_sub(shown);
        let stepped = self.measure(sample);
        self.wall = Params { base_ticks: sample.ticks, base_nanos: sample.nanos, rate: self.steady };
        let wanted = gap_nanos.clamp(-CLOSE_WITHIN_NANOS, CLOSE_WITHIN_NANOS);
        let correction = i128::from(self.nominal) * i128::from(wanted) / i128::from(CLOSE_WITHIN_NANOS);
        let rate = clamp_around(self.nominal, i128::from(self.steady) + correction, MAX_SLEW_PPM);
        self.params = Params { base_ticks: sample.ticks, base_nanos: shown, rate };
        let slew = (i128::from(rate) - i128::from(self.nominal)) * 1_000_000_000 / i128::from(self.nominal);
        Adjustment { gap_nanos, slew_ppb: slew as i64, stepped }
    }

    /// Updates the steady rate. Returns whether the reference stepped.
    fn measure(&mut self, sample: Sample) -> bool {
        let line = Params { base_ticks: self.anchor.ticks, base_nanos: self.anchor.nanos, rate: self.steady };
        let elapsed = line.at(sample.ticks) - self.anchor.nanos;
        let off = sample.nanos.saturating_sub(line.at(sample.ticks));
        let drift = i128::from(elapsed) * i128::from(MAX_DRIFT_PPM) / 1_000_000;
        // Reading the reference is itself good to about this much.
        let reading_error = 50_000;
        if i128::from(off).abs() > drift + reading_error {
            self.anchor = sample;
            return true;
        }
        if elapsed >= MIN_BASELINE_NANOS {
            if let Some(rate) = rate_between(self.anchor, sample) {
                self.steady = clamp_around(self.nominal, i128::from(rate), MAX_DRIFT_PPM);
            }
            if elapsed >= MAX_BASELINE_NANOS {
                self.anchor = sample;
            }
        }
        false
    }
}

/// Nanoseconds per tick times 2^32, between two samples in order.
fn rate_between(first: Sample, second: Sample) -> Option<u64> {
    let ticks = second.ticks.checked_sub(first.ticks).filter(|ticks| *ticks > 0)?;
    let nanos = u64::try_from(second.nanos.checked_sub(first.nanos)?).ok()?;
    let rate = (u128::from(nanos) << RATE_SHIFT) / u128::from(ticks);
    u64::try_from(rate).ok().filter(|rate| *rate > 0)
}

fn clamp_around(nominal: u64, rate: i128, ppm: i64) -> u64 {
    let nominal = i128::from(nominal);
    let most = nominal * i128::from(ppm) / 1_000_000;
    rate.clamp(nominal - most, nominal + most) as u64
}

#[cfg(test)]
mod tests;
