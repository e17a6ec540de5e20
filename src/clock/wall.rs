//! The kernel's clocks, read.

use pricewright_core::kernel::Nanos;

use super::watch::Look;

/// `CLOCK_REALTIME`: what the machine takes the time to be, in ns since the Unix epoch.
pub fn wall_clock() -> Nanos {
    Nanos(read(libc::CLOCK_REALTIME))
}

/// `CLOCK_BOOTTIME` in ns: it cannot be set, and goes on while the machine is suspended.
pub fn boot_nanos() -> i64 {
    read(libc::CLOCK_BOOTTIME)
}

/// All clocks at once, with the hot thread's `turns`.
pub fn look(turns: u64) -> Look {
    // The wall clock between two readings of the boot clock, so that being interrupted in between is no step.
    let mut tightest = i64::MAX;
    let mut best = Look::default();
    for _ in 0..4 {
        let (before, monotonic, real) =
            (boot_nanos(), read(libc::CLOCK_MONOTONIC), read(libc::CLOCK_REALTIME));
        let width = boot_nanos().saturating_sub(before);
        if width < tightest {
            tightest = width;
            best = Look { real, boot: before, monotonic, turns };
        }
    }
    best
}

fn read(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec for the length of the call.
    let outcome = unsafe { libc::clock_gettime(clock, &raw mut time) };
    debug_assert_eq!(outcome, 0, "these clocks exist on every Linux");
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}
