//! Raw ticks: the processor's time-stamp counter where it can be trusted, else the kernel's monotonic clock.

use super::discipline::RATE_SHIFT;

/// A raw stamp in ticks of the [`Ticker`] that took it. Only differences of stamps of one ticker mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub u64);

/// Where raw ticks come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticker {
    /// The time-stamp counter: runs at one rate in all power states.
    Tsc,
    /// `clock_gettime(CLOCK_MONOTONIC)`: one tick is one nanosecond.
    Monotonic,
}

impl Ticker {
    /// The time-stamp counter where the processor says that it is invariant (CPUID 8000_0007h, EDX bit 8: constant rate,
    /// does not stop), else the monotonic clock.
    pub fn detect() -> Self {
        if invariant_tsc() { Self::Tsc } else { Self::Monotonic }
    }

    /// The stamp for about now, in the least time (12 ns measured on the counter). The processor may take it before
    /// earlier or after later instructions are done: good for the clock, not for timing what lies between two stamps.
    #[inline]
    pub fn stamp(self) -> Stamp {
        match self {
            Self::Tsc => Stamp(read_tsc()),
            Self::Monotonic => Stamp(read_monotonic()),
        }
    }

    /// The stamp for now: everything before is done when it is taken, nothing after has begun. Take both ends of a
    /// measured latency with this: with unfenced reads impossible round trips were seen (30 ns measured for a pair).
    #[inline]
    pub fn stamp_fenced(self) -> Stamp {
        match self {
            Self::Tsc => Stamp(read_tsc_fenced()),
            Self::Monotonic => Stamp(read_monotonic()),
        }
    }
}

/// How long a tick is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickRate {
    /// Nanoseconds per tick, times 2^32.
    pub(super) nanos_per_tick: u64,
}

impl TickRate {
    /// Nanoseconds from `earlier` to `later`, rounded down; 0 where they lie the other way round.
    #[inline]
    pub fn nanos(self, earlier: Stamp, later: Stamp) -> u64 {
        let ticks = later.0.saturating_sub(earlier.0);
        ((u128::from(ticks) * u128::from(self.nanos_per_tick)) >> RATE_SHIFT) as u64
    }

    /// Ticks per second.
    pub fn hertz(self) -> f64 {
        1e9 * (1u64 << RATE_SHIFT) as f64 / self.nanos_per_tick as f64
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn invariant_tsc() -> bool {
    use core::arch::x86_64::__cpuid;
    __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & (1 << 8) != 0
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn invariant_tsc() -> bool {
    false
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
fn read_tsc() -> u64 {
    // SAFETY: RDTSC exists on every x86_64 processor, reads no memory and has no precondition in user mode.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline]
fn read_tsc() -> u64 {
    read_monotonic()
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
fn read_tsc_fenced() -> u64 {
    use core::arch::x86_64::{_mm_lfence, _rdtsc};
    // SAFETY: LFENCE and RDTSC exist on every x86_64 processor and have no precondition in user mode. The first fence
    // keeps the read from being early, the second keeps what follows from starting before it.
    unsafe {
        _mm_lfence();
        let ticks = _rdtsc();
        _mm_lfence();
        ticks
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline]
fn read_tsc_fenced() -> u64 {
    read_monotonic()
}

#[inline]
fn read_monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec for the length of the call.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    debug_assert_eq!(outcome, 0, "CLOCK_MONOTONIC exists on every Linux");
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests;
