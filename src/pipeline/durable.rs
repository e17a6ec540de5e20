//! Durability in a pipeline: the thread that carries records to the disk, and the gate that holds decisions back until
//! they are there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use pricewright_core::kernel::{DecisionRef, Nanos, RecordBuf};

use super::edge::Gateway;
use super::run_control::RunControl;
use super::sequencer::DecisionSink;
use super::stage::Stage;
use crate::error::{Error, Result};
use crate::io::wait::nap;
use crate::journal::{DurablePosition, DurableReport, DurableWriter, Reader};

const NAME: &str = "durable";
/// After a failure all threads close at once: how long to wait for the one that seals the journal.
const SEAL: Duration = Duration::from_secs(5);
/// How long the end of a run waits for its last records to become durable.
const RELEASE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(1);

/// Makes the journal durable. It waits for the disk, so it is alone on its thread.
#[derive(Debug)]
pub struct DurableStage {
    durable: DurableWriter,
    control: RunControl,
    done: Sender<DurableReport>,
}

impl DurableStage {
    /// The stage; what it has done comes out of the receiver when it was closed.
    pub fn new(durable: DurableWriter, control: RunControl) -> (Self, Receiver<DurableReport>) {
        let (done, report) = bounded(1);
        (Self { durable, control, done }, report)
    }

    /// How far the journal is durable.
    pub(super) fn position(&self) -> DurablePosition {
        self.durable.position()
    }

    fn finish(&mut self) -> Result<()> {
        let start = Instant::now();
        self.durable.finish()?;
        while !self.durable.is_sealed() && self.control.failed() && start.elapsed() < SEAL {
            nap(LOOK);
            self.durable.finish()?;
        }
        Ok(())
    }
}

impl Stage for DurableStage {
    fn name(&self) -> &str {
        NAME
    }

    fn poll(&mut self, _budget: usize) -> usize {
        if self.durable.position().has_failed() {
            return 0;
        }
        match self.durable.poll() {
            Ok(records) => usize::try_from(records).unwrap_or(usize::MAX),
            Err(error) => {
                self.control.fail(NAME, &error.into());
                0
            }
        }
    }

    fn close(&mut self) {
        if !self.durable.position().has_failed()
            && let Err(error) = self.finish()
        {
            self.control.fail(NAME, &error);
        }
        // Nobody listens where the caller gave up first.
        let _unheard = self.done.send(self.durable.report().clone());
    }
}

/// How far tailers that publish may see: mode `sync`.
#[derive(Clone, Debug)]
pub(super) struct Released {
    position: DurablePosition,
    journal_dir: PathBuf,
    control: RunControl,
}

impl Released {
    pub(super) fn new(position: DurablePosition, journal_dir: &Path, control: RunControl) -> Self {
        Self { position, journal_dir: journal_dir.to_path_buf(), control }
    }

    pub(super) fn position(&self) -> DurablePosition {
        self.position.clone()
    }

    /// The last record that may be seen.
    pub(super) fn seq(&self) -> u64 {
        self.position.seq()
    }

    /// Waits until all of the journal from record `next` on is durable, or never will be.
    pub(super) fn wait(&self, next: u64) -> Result<()> {
        let mut end = Reader::from_seq(&self.journal_dir, next)?;
        while end.next_record()?.is_some() {}
        let last = end.next_seq() - 1;
        let start = Instant::now();
        while self.position.seq() < last && !self.position.has_failed() && !self.control.failed() {
            if start.elapsed() > RELEASE {
                return Err(Error::Failed(format!(
                    "records {} to {last} were not durable after {} s and were not published; check the disk",
                    self.position.seq() + 1,
                    RELEASE.as_secs()
                )));
            }
            nap(LOOK);
        }
        Ok(())
    }
}

/// A gateway that lets a decision leave only when it is durable: mode `sync`.
///
/// What it is told of decisions it does not use, but for two things: how far they go, and a kill latch, which waits for
/// nothing. The decisions themselves it takes from the journal, in its order, up to the durable position. Where the disk
/// has failed, the orders of the gateway's own table are cancelled at once.
#[derive(Debug)]
pub struct DurableGate<G> {
    gateway: G,
    journal: Reader,
    durable: DurablePosition,
    /// The last decision that was made.
    decided: u64,
    /// The last decision that set the kill latch.
    latched: u64,
    given_up: bool,
}

impl<G: Gateway> DurableGate<G> {
    /// Holds back what goes to `gateway`; `journal` stands before this run's first decision.
    pub fn new(gateway: G, journal: Reader, durable: DurablePosition) -> Self {
        Self { gateway, journal, durable, decided: 0, latched: 0, given_up: false }
    }

    /// Hands on what has become durable. Returns whether anything was.
    #[inline]
    fn release(&mut self) -> Result<bool> {
        let durable = self.durable.seq();
        let mut any = false;
        while self.journal.next_seq() <= durable {
            let Some(record) = self.journal.next_record()? else { break };
            let header = *record.header();
            let Some(decision) = DecisionRef::of(&record) else { continue };
            // A latch that was set since must not be released by what was decided before.
            let outdated = header.seq < self.latched
                && matches!(decision, DecisionRef::KillLatched(latch) if latch.released != 0);
            if !outdated {
                self.gateway.decide(header.seq, header.now, decision);
                any = true;
            }
        }
        Ok(any)
    }
}

impl<G: Gateway> DecisionSink for DurableGate<G> {
    #[inline]
    fn decide(&mut self, seq: u64, now: Nanos, decision: DecisionRef<'_>) {
        self.decided = seq;
        if let DecisionRef::KillLatched(latch) = decision
            && latch.released == 0
        {
            self.latched = seq;
            self.gateway.decide(seq, now, decision);
            // The machine's own cancels wait for a disk that may hang.
            self.gateway.pull(now);
        }
    }
}

impl<G: Gateway> Gateway for DurableGate<G> {
    /// Says that nothing left: what leaves was not caused by the event at hand.
    fn flush(&mut self, now: Nanos) -> Result<bool> {
        if self.release()? {
            self.gateway.flush(now)?;
        }
        Ok(false)
    }

    fn poll(&mut self, now: Nanos, answers: &mut RecordBuf) -> Result<usize> {
        if self.release()? {
            self.gateway.flush(now)?;
        }
        if self.durable.has_failed() && !self.given_up {
            self.cancel_all(now);
        }
        self.gateway.poll(now, answers)
    }

    fn open_orders(&self) -> usize {
        self.gateway.open_orders()
    }

    fn unconfirmed(&self) -> usize {
        self.gateway.unconfirmed()
    }

    fn idle(&mut self, now: Nanos) {
        self.gateway.idle(now);
    }

    fn is_holding(&self) -> bool {
        (!self.given_up && self.journal.next_seq() <= self.decided) || self.gateway.is_holding()
    }

    fn cancel_all(&mut self, now: Nanos) {
        self.given_up = true;
        self.gateway.cancel_all(now);
    }

    fn pull(&mut self, now: Nanos) {
        self.gateway.pull(now);
    }

    fn close(&mut self, now: Nanos) {
        self.gateway.close(now);
    }
}

#[cfg(test)]
mod tests;
