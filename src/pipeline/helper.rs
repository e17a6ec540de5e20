//! What the helper thread does so that the hot thread need not: the next journal segment, the hash chain, the clock's
//! calibration, the side trace, the replica, old segments, and the tailers that show and export what the journal says. It
//! waits for the disk: what must not wait stands in [`super::guard`].

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use pricewright_core::kernel::RecordRef;

use super::clock_keeper::ClockKeeper;
use super::durable::Released;
use super::output::Tail;
use super::retention::RetentionStage;
use super::run_control::RunControl;
use super::stage::Stage;
use crate::error::{Error, Result};
use crate::journal::{Chainer, JournalError, Preallocator, Reader, Storage};
use crate::telemetry::trace::TraceWriter;

const NAME: &str = "helper";
/// Records taken by tailers in one poll.
const TAIL_BUDGET: usize = 4096;
/// Records that the replica decides again in one poll.
const REPLICA_BUDGET: usize = 512;
/// Pieces of work on old segments in one poll.
const RETENTION_BUDGET: usize = 1;
/// Trace entries taken in one poll.
const TRACE_BUDGET: usize = 4096;

/// How long the chain's tailer leaves the writer alone once it has caught up: two threads at the journal's end would
/// contend for its last cache line.
const CHAIN_PAUSE: Duration = Duration::from_millis(5);
/// How long the chain waits if its file cannot be written, and tailers if a segment cannot be read.
const DISK_RETRY: Duration = Duration::from_secs(1);
/// Records chained in one poll: little, for a plan with one thread for all.
const CHAIN_BUDGET: usize = 128;

/// Takes the journal's records, off the hot path: on the helper where it never waits for anybody, else among the outputs.
pub trait Tailer: Send {
    /// Takes the next record.
    ///
    /// # Errors
    /// Where it cannot write what it makes of it.
    fn take(&mut self, record: RecordRef<'_>) -> Result<()>;

    /// The first record that it needs, where [`Self::prime`] tells it enough of those before; `None` where it wants the
    /// whole journal.
    fn begins_at(&self) -> Option<u64> {
        None
    }

    /// Takes, before all others, a definition, an article's inventory or an article's price: the last of each that earlier
    /// runs have journalled. Called only where [`Self::begins_at`] is given.
    ///
    /// # Errors
    /// Where it cannot keep it.
    fn prime(&mut self, _record: RecordRef<'_>) -> Result<()> {
        Ok(())
    }

    /// Called after each round of records and at least every few milliseconds.
    ///
    /// # Errors
    /// Where it cannot write.
    fn flush(&mut self) -> Result<()>;

    /// Called once, after the run's last record.
    ///
    /// # Errors
    /// Where it cannot write.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Everything that the helper polls. Its results are handed back through `done` when it closes.
pub struct HelperStage {
    preallocator: Preallocator,
    chainer: Option<Chainer>,
    /// Before this the chain's tailer is not polled.
    chain_at: Instant,
    clock: Option<ClockKeeper>,
    trace: Option<TraceWriter>,
    tail: Option<Tail>,
    replica: Option<Box<dyn Stage>>,
    retention: Option<RetentionStage>,
    /// What was last said of the storage.
    complaint: String,
    control: RunControl,
    done: crossbeam::channel::Sender<HelperReport>,
}

/// What the helper has at the end of a run.
#[derive(Debug)]
pub struct HelperReport {
    /// Receive to order, in ns.
    pub receive_to_order: Option<Histogram<u64>>,
}

/// Parts of a helper.
pub struct HelperParts {
    /// Makes journal segments.
    pub preallocator: Preallocator,
    /// Makes the hash chain.
    pub chainer: Option<Chainer>,
    /// Keeps the live clock.
    pub clock: Option<ClockKeeper>,
    /// Writes the side trace.
    pub trace: Option<TraceWriter>,
    /// Reads the journal for `tailers`.
    pub tail: Option<Reader>,
    /// Take the journal's records.
    pub tailers: Vec<Box<dyn Tailer>>,
    /// Follows the journal with a machine of its own.
    pub replica: Option<Box<dyn Stage>>,
}

impl HelperStage {
    /// Puts the parts together. The report comes out of the receiver when the stage was closed.
    pub fn new(
        parts: HelperParts,
        control: RunControl,
    ) -> (Self, crossbeam::channel::Receiver<HelperReport>) {
        let (done, report) = crossbeam::channel::bounded(1);
        let stage = Self {
            preallocator: parts.preallocator,
            chainer: parts.chainer,
            chain_at: Instant::now(),
            clock: parts.clock,
            trace: parts.trace,
            tail: parts.tail.map(|reader| Tail::new(reader, parts.tailers)),
            replica: parts.replica,
            retention: None,
            complaint: String::new(),
            control,
            done,
        };
        (stage, report)
    }

    /// With the journal kept within limits.
    pub(super) fn with_retention(mut self, retention: Option<RetentionStage>) -> Self {
        self.retention = retention;
        if let (Some(retention), Some(tail)) = (&mut self.retention, &self.tail) {
            retention.stay_behind(tail.passed());
        }
        self
    }

    /// Lets tailers see only what is released.
    #[must_use]
    pub(super) fn releasing(mut self, released: Option<Released>) -> Self {
        self.tail = self.tail.map(|tail| tail.releasing(released));
        self
    }

    fn turn(&mut self) -> Result<usize> {
        let mut work = self.preallocator.poll();
        self.hear_storage();
        let now = Instant::now();
        if let Some(clock) = &mut self.clock {
            clock.poll(now, self.control.beats());
        }
        if let Some(trace) = &mut self.trace {
            work += trace.poll(TRACE_BUDGET);
        }
        work += self.tail.as_mut().map_or(Ok(0), |tail| tail.turn(TAIL_BUDGET))?;
        work += self.chain(now)?;
        // Last, and little at a time: nobody waits for it, and everything above is waited for.
        work += self.replica.as_mut().map_or(0, |replica| replica.poll(REPLICA_BUDGET));
        if let Some(retention) = &mut self.retention {
            work += retention.poll(RETENTION_BUDGET);
        }
        Ok(work)
    }

    /// What is wrong with the storage; empty where nothing is.
    pub(crate) fn complaint(&self) -> &str {
        &self.complaint
    }

    /// Says once what is wrong with the storage, and once that it is good again.
    fn hear_storage(&mut self) {
        if let Some(error) = self.preallocator.take_error() {
            let complaint = error.to_string();
            if complaint != self.complaint {
                tracing::warn!("journal: {complaint}");
                self.complaint = complaint;
            }
        } else if !self.complaint.is_empty() && self.preallocator.storage() == Storage::Ok {
            tracing::warn!("journal: storage is good again");
            self.complaint.clear();
        }
    }

    /// A file that cannot be written stops the chain, not the run: what is missing is chained later.
    fn chain(&mut self, now: Instant) -> Result<usize> {
        let Some(chainer) = self.chainer.as_mut().filter(|_| now >= self.chain_at) else { return Ok(0) };
        match chainer.poll(CHAIN_BUDGET) {
            Ok(Some(_)) => Ok(1),
            Ok(None) => {
                self.chain_at = now + CHAIN_PAUSE;
                Ok(0)
            }
            Err(error @ JournalError::Io { .. }) => {
                tracing::warn!(%error, "the hash chain waits");
                self.chain_at = now + DISK_RETRY;
                Ok(0)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Chains the sealed journal to its end; where that fails, the next opening does it.
    fn chain_to_the_end(&mut self) -> Result<()> {
        match self.chainer.take().map(|mut chainer| chainer.catch_up()) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(error @ JournalError::Io { .. })) => {
                tracing::warn!(%error, "the hash chain was not finished");
                Ok(())
            }
            Some(Err(error)) => Err(error.into()),
        }
    }
}

impl Stage for HelperStage {
    fn name(&self) -> &str {
        NAME
    }

    fn poll(&mut self, _budget: usize) -> usize {
        let turn = self.turn();
        self.control.worked(NAME, turn)
    }

    fn close(&mut self) {
        let mut finish = || -> Result<Option<Histogram<u64>>> {
            self.preallocator.poll();
            self.chain_to_the_end()?;
            match self.tail.as_mut().map(|tail| tail.close(TAIL_BUDGET)) {
                Some(Err(Error::Journal(error @ JournalError::Io { .. }))) => {
                    tracing::warn!(%error, "the last records were not shown");
                }
                closed => closed.transpose().map(drop)?,
            }
            Ok(self.trace.take().map(TraceWriter::finish))
        };
        let finished = finish();
        if let Some(replica) = &mut self.replica {
            replica.close();
        }
        match finished {
            Ok(receive_to_order) => {
                // Nobody listens where the caller gave up first.
                let _unheard = self.done.send(HelperReport { receive_to_order });
            }
            Err(error) => self.control.fail(NAME, &error),
        }
    }
}
