//! Tailers on threads of their own: those that write to what may stall (a pipe that nobody reads, a full terminal), and those that
//! serve clients. The helper, which the hot thread relies on, never waits for them, nor they for each other. What they have not
//! written yet is in the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::durable::Released;
use super::helper::Tailer;
use super::run_control::RunControl;
use super::stage::Stage;
use crate::error::{Error, Result};
use crate::journal::{JournalError, Reader};

/// How long a journal that could not be read is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// The thread of those that may wait for whoever reads what they write.
pub(super) const OUTPUTS: &str = "outputs";
/// The thread of those that wait for nobody.
pub(super) const SERVICES: &str = "services";
/// A thread of one that may never be read.
pub(super) const SLOW: &str = "slow outputs";

/// Tailers with the reader that they share.
pub(super) struct Tail {
    reader: Reader,
    tailers: Vec<Box<dyn Tailer>>,
    passed: Arc<AtomicU64>,
    released: Option<Released>,
    /// The last record that others, who come first, are done with.
    behind: Option<Arc<AtomicU64>>,
    /// When the journal is tried again.
    retry_at: Option<Instant>,
}

/// What failed: only a record that was not read is there to be read again.
enum Failed {
    Reading(JournalError),
    Telling(Error),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Reading(error) => error.into(),
            Failed::Telling(error) => error,
        }
    }
}

impl Tail {
    pub(super) fn new(reader: Reader, tailers: Vec<Box<dyn Tailer>>) -> Self {
        let passed = Arc::new(AtomicU64::new(reader.next_seq().saturating_sub(1)));
        Self { reader, tailers, passed, released: None, behind: None, retry_at: None }
    }

    /// The last record that all of them are done with, for whoever removes what nobody needs any more.
    pub(super) fn passed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.passed)
    }

    /// Lets the tailers see only what is released.
    pub(super) fn releasing(self, released: Option<Released>) -> Self {
        Self { released, ..self }
    }

    /// Lets the tailers see only what others are done with, whose [`Self::passed`] is `behind`.
    pub(super) fn behind(self, behind: Arc<AtomicU64>) -> Self {
        Self { behind: Some(behind), ..self }
    }

    /// Gives the tailers up to `budget` records that are there. Returns how many. Where the disk does not give the journal,
    /// or there is no descriptor for it, that is tried again later: what was not told yet is still there then.
    pub(super) fn turn(&mut self, budget: usize) -> Result<usize> {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return Ok(0);
        }
        self.retry_at = None;
        match self.give(budget) {
            Err(Failed::Reading(error @ JournalError::Io { .. })) => {
                tracing::warn!(%error, "what is shown of the journal waits");
                self.retry_at = Some(Instant::now() + RETRY);
                Ok(0)
            }
            given => Ok(given?),
        }
    }

    fn give(&mut self, budget: usize) -> core::result::Result<usize, Failed> {
        let Self { reader, tailers, passed, released, behind, .. } = self;
        // Acquire: partner of the release below, so that who reads what stands here finds it there.
        let last = match (behind, released) {
            (Some(behind), _) => behind.load(Ordering::Acquire),
            (None, Some(released)) => released.seq(),
            (None, None) => u64::MAX,
        };
        let mut work = 0;
        while work < budget
            && reader.next_seq() <= last
            && let Some(record) = reader.next_record().map_err(Failed::Reading)?
        {
            tailers.iter_mut().try_for_each(|tailer| tailer.take(record)).map_err(Failed::Telling)?;
            work += 1;
        }
        tailers.iter_mut().try_for_each(|tailer| tailer.flush()).map_err(Failed::Telling)?;
        passed.store(reader.next_seq().saturating_sub(1), Ordering::Release);
        Ok(work)
    }

    /// Gives them the rest, and the end.
    pub(super) fn close(&mut self, budget: usize) -> Result<()> {
        while self.give(budget)? > 0 {}
        if let Some(released) = &self.released {
            released.wait(self.reader.next_seq())?;
            while self.give(budget)? > 0 {}
        }
        self.tailers.iter_mut().try_for_each(|tailer| tailer.close())
    }
}

/// Polls a [`Tail`].
pub(super) struct OutputStage {
    /// The stage's name, and its thread's.
    name: &'static str,
    tail: Tail,
    control: RunControl,
}

impl OutputStage {
    pub(super) fn new(name: &'static str, tail: Tail, control: RunControl) -> Self {
        Self { name, tail, control }
    }

    /// Its name, and its thread's.
    pub(super) fn label(&self) -> &'static str {
        self.name
    }

    /// As [`Tail::passed`].
    pub(super) fn passed(&self) -> Arc<AtomicU64> {
        self.tail.passed()
    }
}

impl Stage for OutputStage {
    fn name(&self) -> &str {
        self.name
    }

    fn poll(&mut self, budget: usize) -> usize {
        let turn = self.tail.turn(budget);
        self.control.worked(self.name, turn)
    }

    fn close(&mut self) {
        if let Err(error) = self.tail.close(usize::MAX) {
            self.control.fail(self.name, &error);
        }
    }
}

#[cfg(test)]
mod tests;
