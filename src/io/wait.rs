//! How threads that are not hot wait: for sockets by `ppoll(2)`, and for time. The only place that sleeps.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// A sleep looks this often at whether it is still wanted.
pub const LONGEST_NAP: Duration = Duration::from_millis(20);

/// Waits for several descriptors at once. Fill it, wait, look, clear; it allocates only while it grows.
///
/// The descriptors must stay open until [`Self::wait`] has returned; one that was closed is reported as ready.
#[derive(Debug, Default)]
pub struct Waiter {
    entries: Vec<libc::pollfd>,
}

/// The place of a descriptor in a [`Waiter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

impl Waiter {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all descriptors.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Waits until `fd` has something to read, a peer to accept, or an end.
    pub fn readable(&mut self, fd: BorrowedFd<'_>) -> Slot {
        self.add(fd, libc::POLLIN)
    }

    /// Waits until `fd` takes bytes.
    pub fn writable(&mut self, fd: BorrowedFd<'_>) -> Slot {
        self.add(fd, libc::POLLOUT)
    }

    /// Waits until nobody is at the other end of `fd`.
    pub fn left(&mut self, fd: BorrowedFd<'_>) -> Slot {
        self.add(fd, 0)
    }

    fn add(&mut self, fd: BorrowedFd<'_>, events: libc::c_short) -> Slot {
        self.entries.push(libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 });
        Slot(self.entries.len() - 1)
    }

    /// Waits until a descriptor is ready, a signal comes, or `timeout` has passed (to the nanosecond, and what the kernel's
    /// timer slack adds: 50 µs unless changed). Returns how many are ready; 0 after a signal or the timeout.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<usize> {
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(timeout.subsec_nanos().cast_signed()),
        };
        let count = self.entries.len() as libc::nfds_t;
        self.entries.iter_mut().for_each(|entry| entry.revents = 0);
        // SAFETY: pointer and length are those of a vector that nobody else touches during the call, the timeout lives
        // through it, and no signal mask is given.
        let ready =
            unsafe { libc::ppoll(self.entries.as_mut_ptr(), count, &raw const timeout, std::ptr::null()) };
        match usize::try_from(ready) {
            Ok(ready) => Ok(ready),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
                error => Err(error),
            },
        }
    }

    /// True where the last wait found this descriptor ready, at its end, or broken: reading or writing will tell which.
    pub fn is_ready(&self, slot: Slot) -> bool {
        self.entries.get(slot.0).is_some_and(|entry| entry.revents != 0)
    }
}

/// Sleeps for `time`, at most [`LONGEST_NAP`]: for loops that look at a stop flag in between.
#[allow(clippy::disallowed_methods)] // The one place for it.
pub fn nap(time: Duration) {
    std::thread::sleep(time.min(LONGEST_NAP));
}

/// Sleeps until `deadline`, in naps, as long as `wanted` says so. Returns whether the deadline was reached.
pub fn sleep_until(deadline: Instant, mut wanted: impl FnMut() -> bool) -> bool {
    loop {
        let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        else {
            return true;
        };
        if !wanted() {
            return false;
        }
        nap(left);
    }
}

#[cfg(test)]
mod tests;
