//! Following the journal for figures and probes, on a thread of its own: neither the helper, which the hot thread relies on,
//! nor outputs that wait for their readers have to do with it. It looks now and then, so that it does not contend with the
//! writer for the journal's last cache line, and a failure ends the figures, not the run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::output::Tail;
use super::stage::Stage;
use crate::error::Result;

/// The stage's name, and its thread's.
pub(super) const NAME: &str = "metrics";
/// How long the writer is left alone once everything was read.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether the journal is followed. Clones show the same.
#[derive(Clone, Debug)]
pub struct Pulse {
    start: Instant,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The last look, in ms from the start.
    looked: AtomicU64,
    failure: Mutex<Option<String>>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { start: Instant::now(), shared: Arc::default() }
    }
}

impl Pulse {
    /// How long ago the journal was last looked at, in ms.
    pub fn age_ms(&self) -> u64 {
        self.ms().saturating_sub(self.shared.looked.load(Ordering::Relaxed))
    }

    /// Why the journal is not followed any more.
    pub fn failure(&self) -> Option<String> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn looked(&self) {
        self.shared.looked.store(self.ms(), Ordering::Relaxed);
    }

    fn fail(&self, text: String) {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
    }
}

/// Polls a [`Tail`] now and then.
pub(super) struct MonitorStage {
    tail: Option<Tail>,
    next: Instant,
    pulse: Pulse,
}

impl MonitorStage {
    pub(super) fn new(tail: Tail) -> Self {
        Self { tail: Some(tail), next: Instant::now(), pulse: Pulse::default() }
    }

    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// As [`Tail::passed`].
    pub(super) fn passed(&self) -> Option<Arc<AtomicU64>> {
        self.tail.as_ref().map(Tail::passed)
    }

    fn took(&mut self, taken: Result<usize>) -> usize {
        taken.unwrap_or_else(|error| {
            tracing::error!(%error, "metrics do not follow the journal any more");
            self.pulse.fail(format!("it cannot be followed: {error}"));
            // Nothing is kept for who does not read any more.
            if let Some(tail) = self.tail.take() {
                tail.passed().store(u64::MAX, Ordering::Release);
            }
            0
        })
    }
}

impl Stage for MonitorStage {
    fn name(&self) -> &str {
        NAME
    }

    fn poll(&mut self, budget: usize) -> usize {
        let Some(tail) = self.tail.as_mut().filter(|_| Instant::now() >= self.next) else { return 0 };
        let taken = tail.turn(budget);
        let work = self.took(taken);
        self.pulse.looked();
        if work < budget {
            self.next = Instant::now() + PAUSE;
        }
        work
    }

    fn close(&mut self) {
        if let Some(mut tail) = self.tail.take() {
            let closed = tail.close(usize::MAX);
            self.took(closed.map(|()| 0));
        }
    }
}
