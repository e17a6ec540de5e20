//! How long a datagram waited in its socket, by the kernel's stamp.
//!
//! The stamp is of `CLOCK_REALTIME`, which steps; the engine's clock does not. What is read off the two is therefore held
//! against what is known without any wall clock: a datagram of a socket that was emptied at some time cannot have waited for
//! longer than since then. Beyond that, and below zero, it is cut off and counted.

use pricewright_core::kernel::Nanos;

/// Both clocks are read, and the wall clock followed, only so well.
const TOLERANCE: i64 = 1_000_000;

/// One socket's queue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KernelQueue {
    /// Everything that came before this was taken; `None` before the socket was first emptied.
    emptied: Option<Nanos>,
    odd: u64,
}

impl KernelQueue {
    /// Nanoseconds for which a datagram taken at `now` had waited, of which the stamp says `waited`; at least 1, so that it is
    /// told from 0, which says that there is no stamp.
    #[inline]
    pub(super) fn waited(&mut self, waited: Option<i64>, now: Nanos) -> u32 {
        let Some(waited) = waited else { return 0 };
        let most = self.emptied.map_or(i64::MAX, |emptied| now.0.saturating_sub(emptied.0).max(0));
        if waited < -TOLERANCE || waited > most.saturating_add(TOLERANCE) {
            self.odd += 1;
        }
        u32::try_from(waited.min(most).max(1)).unwrap_or(u32::MAX)
    }

    /// The socket was emptied by a call that began at `began` or later.
    #[inline]
    pub(super) fn emptied(&mut self, began: Nanos) {
        self.emptied = Some(began);
    }

    /// Stamps that cannot be right: the wall clock stepped.
    pub(super) fn odd(&self) -> u64 {
        self.odd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn at(nanos: i64) -> Nanos {
        Nanos(100 * SECOND + nanos)
    }

    #[test]
    fn a_wait_is_what_the_stamp_says() {
        let mut queue = KernelQueue::default();
        assert_eq!(queue.waited(None, at(0)), 0, "no stamp, nothing known");
        assert_eq!(queue.waited(Some(0), at(0)), 1, "none, and that is known");
        queue.emptied(at(0));
        assert_eq!(queue.waited(Some(30_000_000), at(40_000_000)), 30_000_000);
        assert_eq!(queue.odd(), 0);
    }

    #[test]
    fn the_queue_of_a_thread_that_stood_still_is_seen() {
        let mut queue = KernelQueue::default();
        queue.emptied(at(0));
        assert_eq!(queue.waited(Some(3 * SECOND), at(3 * SECOND)), 3_000_000_000);
        assert_eq!(queue.waited(Some(60 * SECOND), at(60 * SECOND)), u32::MAX, "as long as can be said");
        assert_eq!(queue.odd(), 0);
    }

    #[test]
    fn a_step_of_the_wall_clock_makes_no_wait() {
        let mut queue = KernelQueue::default();
        queue.emptied(at(0));
        let hour = 3_600 * SECOND;
        assert_eq!(queue.waited(Some(-hour), at(20_000)), 1, "stepped forward");
        assert_eq!(queue.waited(Some(hour), at(20_000)), 20_000, "stepped back: not before the last look");
        assert_eq!(queue.odd(), 2);
        // What clocks may differ by is no step.
        assert_eq!(queue.waited(Some(-5_000), at(20_000)), 1);
        assert_eq!(queue.waited(Some(25_000), at(20_000)), 20_000);
        assert_eq!(queue.odd(), 2);
    }
}
