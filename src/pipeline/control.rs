//! How a run is ended: asked to stop, or stopped by a failure.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The thread it happened on.
    pub thread: String,
    /// The stage.
    pub stage: String,
    /// The panic's message, or what the stage said.
    pub message: String,
    /// True for a panic, which is a bug; false where the stage gave up by itself.
    pub panicked: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.panicked { "panicked" } else { "failed" };
        write!(f, "stage {} on thread {} {verb}: {}", self.stage, self.thread, self.message)
    }
}

impl std::error::Error for Failure {}

/// The handle that threads, stages and signal handlers share to end a run. Clones are the same handle.
#[derive(Clone, Debug, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// An `Arc` of its own, since signal handlers want one.
    stop: Arc<AtomicBool>,
    failed: AtomicBool,
    /// How many threads have closed their stages.
    closed: AtomicUsize,
    first: Mutex<Option<Failure>>,
}

impl Control {
    /// A handle of a run that nobody has asked to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks all threads to stop: they close their stages upstream first. Wait-free.
    pub fn request_stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }

    /// True once a stop was asked for or something failed.
    #[inline]
    pub fn stop_requested(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// The flag behind [`Self::request_stop`], for a signal handler.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.stop)
    }

    /// Stops the run because of `failure`: all threads close their stages at once. The first failure of a run is kept.
    /// Takes a lock: not for what happens in ordinary running.
    pub fn fail(&self, failure: Failure) {
        self.shared.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        self.shared.failed.store(true, Ordering::Release);
        self.request_stop();
    }

    /// The first failure.
    pub fn failure(&self) -> Option<Failure> {
        if !self.shared.failed.load(Ordering::Acquire) {
            return None;
        }
        self.shared.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True where the thread at `index` is to close now: on a failure at once, else once those before it are closed.
    #[inline]
    pub(super) fn must_close(&self, index: usize) -> bool {
        // Acquire: partner of the release in `thread_closed`, so that what the threads before pushed last is seen.
        self.stop_requested()
            && (self.shared.failed.load(Ordering::Acquire)
                || self.shared.closed.load(Ordering::Acquire) >= index)
    }

    pub(super) fn thread_closed(&self) {
        self.shared.closed.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
