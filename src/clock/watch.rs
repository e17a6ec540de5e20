//! Whether the wall clock was set, or the machine stood still: pure arithmetic, no clock is read here.
//!
//! Three clocks of the kernel are looked at some times a second. `CLOCK_REALTIME` can be set; `CLOCK_MONOTONIC` cannot, and
//! stands while the machine is suspended; `CLOCK_BOOTTIME` goes on then. So what boot time gained on monotonic time is a
//! suspension, and what wall time gained on boot time is a step. A virtual machine that its host paused, or a process that
//! was stopped, shows as a look that came far too late while the hot thread stood too.

/// A change of the wall clock against the boot clock below this is the slewing of a time daemon, or an error of reading.
const LEAST_STEP_NANOS: i64 = 50_000_000;
/// A suspension or a standstill shorter than this is not worth a word.
const LEAST_STANDSTILL_NANOS: i64 = 2_000_000_000;
/// In a standstill the hot thread takes less than this part of the turns that it took before.
const STANDS_BELOW: u128 = 4;

/// One look at the kernel's clocks, in ns, and at the hot thread's turns so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// `CLOCK_REALTIME`.
    pub real: i64,
    /// `CLOCK_BOOTTIME`.
    pub boot: i64,
    /// `CLOCK_MONOTONIC`.
    pub monotonic: i64,
    /// How often the hot thread has turned.
    pub turns: u64,
}

/// What happened between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The wall clock was set by so many ns, forward above zero.
    Step(i64),
    /// The machine or the process stood still for so many ns.
    Standstill(i64),
}

/// Holds each look against the one before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    last: Option<Look>,
    /// Turns of the hot thread in so many ns, between the last two looks that came in time.
    pace: (u64, i64),
}

impl Watch {
    /// What happened since the last look: nothing at the first.
    pub fn look(&mut self, now: Look) -> impl Iterator<Item = Seen> + use<> {
        let last = self.last.replace(now).unwrap_or(now);
        let (real, boot) = (now.real.saturating_sub(last.real), now.boot.saturating_sub(last.boot));
        let monotonic = now.monotonic.saturating_sub(last.monotonic);
        let step = real.saturating_sub(boot);
        let suspended = boot.saturating_sub(monotonic);
        let turns = now.turns.wrapping_sub(last.turns);
        let late = boot >= LEAST_STANDSTILL_NANOS;
        let still = if suspended >= LEAST_STANDSTILL_NANOS {
            Some(suspended)
        } else {
            Some(boot).filter(|_| late && self.stood(turns, boot))
        };
        if !late && boot > 0 {
            self.pace = (turns, boot);
        }
        let step = Some(step).filter(|step| step.saturating_abs() >= LEAST_STEP_NANOS);
        [still.map(Seen::Standstill), step.map(Seen::Step)].into_iter().flatten()
    }

    /// True where so few turns in so long are far fewer than at the pace before.
    fn stood(&self, turns: u64, nanos: i64) -> bool {
        let (paced, within) = self.pace;
        let expected =
            u128::from(paced) * u128::from(nanos.unsigned_abs()) / u128::from(within.max(1).unsigned_abs());
        u128::from(turns).saturating_mul(STANDS_BELOW) < expected
    }
}

#[cfg(test)]
mod tests;
