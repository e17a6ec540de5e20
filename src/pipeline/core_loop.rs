//! What the thread of the sequencer does, whatever else runs on it: commands, venue answers, timers, offered records;
//! and how a run ends, cleanly or not.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crossbeam::channel::Receiver;
use pricewright_core::kernel::record::{CELL_LEN, MAX_CELLS, records_in};
use pricewright_core::kernel::table::{Operator, RunEnd};
use pricewright_core::kernel::{
    Driver, EndReason, Full, Machine, Nanos, OUTBOX_CELLS, OperatorCommand, Record, RecordBuf, RecordRef,
    RecordSink, state_hash_of,
};

use super::edge::Gateway;
use super::operator::Asked;
use super::sequencer::{Ingested, Sequencer, SequencerError};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::journal::Storage;

/// Cells that answers of one poll may take before the buffer grows.
const ANSWER_CELLS: usize = 8192;
/// Timers fired in one turn.
const TIMER_BUDGET: usize = 64;
/// How long a clean end waits for the venue to confirm cancels.
pub const DRAIN: Nanos = Nanos::from_millis(2_000);
/// Room that the journal has before an event is taken: for the most decisions that one may cause, and for what the end of
/// a run writes. Without it nothing is taken, so that an event is never journalled without its decisions.
const ROOM: usize = (OUTBOX_CELLS + 16 * MAX_CELLS) * CELL_LEN;
/// What feeds leave beside that: where storage is short, operators' commands, the venue's answers and timers go on, so that a
/// kill gets through and what is cancelled is journalled.
const RESERVE: usize = 256 << 10;
/// What timers leave of it: they go on by themselves, and would use up what a command may need.
const TIMERS_LEAVE: usize = RESERVE / 2;
/// Cells of answers that are kept while the journal has no room for them. A venue that says more is not listened to.
const MOST_ANSWERS: usize = 1 << 16;
/// Commands that wait for room at most.
const DEFERRED: usize = 64;
/// Who says that storage is short.
const STORAGE: &str = "storage";

/// How a run stood at its end.
#[derive(Debug)]
pub struct Ended {
    /// The machine's last state, as its driver's snapshot: what the last record holds the hash of.
    pub state: Vec<u8>,
    /// Orders that the venue has not confirmed to be gone.
    pub unconfirmed: usize,
}

/// Sequencer, machine and gateway, with what they share.
#[derive(Debug)]
pub struct CoreLoop<M, G, C> {
    sequencer: Sequencer<M>,
    gateway: G,
    clock: C,
    answers: RecordBuf,
    /// Cells of `answers` that are journalled already.
    answered: usize,
    commands: Receiver<Asked>,
    /// Commands that the journal had no room for.
    deferred: VecDeque<Asked>,
    fatal: Option<Error>,
    /// What the machine was told of the storage.
    storage: Storage,
}

impl<M: Machine, G: Gateway, C: Clock> CoreLoop<M, G, C> {
    /// Puts the parts together.
    pub fn new(sequencer: Sequencer<M>, gateway: G, clock: C, commands: Receiver<Asked>) -> Self {
        Self {
            sequencer,
            gateway,
            clock,
            answers: RecordBuf::with_capacity(ANSWER_CELLS),
            answered: 0,
            deferred: VecDeque::with_capacity(DEFERRED),
            commands,
            fatal: None,
            storage: Storage::Ok,
        }
    }

    /// Commands, answers and timers. Returns how much was done.
    ///
    /// # Errors
    /// Where journal or gateway fail for good.
    #[inline]
    pub fn turn(&mut self) -> Result<usize> {
        let mut work = self.watch_storage()?;
        if !self.sequencer.journal_mut().keep_room(ROOM + RESERVE + CELL_LEN) || !self.deferred.is_empty() {
            return self.scarce_turn().map(|done| work + done);
        }
        work += self.take_answers()?;
        while let Ok(asked) = self.commands.try_recv() {
            self.asked(&asked)?;
            work += 1;
        }
        let now = self.clock.now();
        work += self.poll_gateway(now)?;
        let mut fired = 0;
        while fired < TIMER_BUDGET && self.fire_timer(now)? {
            fired += 1;
        }
        Ok(work + fired)
    }

    /// Tells the machine when storage runs short and when it is back.
    #[inline]
    fn watch_storage(&mut self) -> Result<usize> {
        let storage = self.sequencer.journal().storage();
        if storage == self.storage { Ok(0) } else { self.storage_changed(storage) }
    }

    #[cold]
    fn storage_changed(&mut self, storage: Storage) -> Result<usize> {
        let command = match storage {
            Storage::Ok => OperatorCommand::STORAGE_OK,
            Storage::Low => OperatorCommand::STORAGE_LOW,
        };
        // The bad news always finds room, the good news may have to wait for it.
        if storage == Storage::Ok && !self.has_room() {
            return Ok(0);
        }
        self.storage = storage;
        self.command(&Operator::says(STORAGE, command, 0))?;
        Ok(1)
    }

    /// The journal is nearly full: feeds are not listened to. Commands, answers and timers take the reserve, commands all of
    /// it; then a kill is carried out by the gateway alone, the venue session is kept alive, and what it says is kept.
    #[cold]
    fn scarce_turn(&mut self) -> Result<usize> {
        let mut work = 0;
        while !self.deferred.is_empty() && self.may_take() {
            let Some(asked) = self.deferred.pop_front() else { break };
            self.asked(&asked)?;
            work += 1;
        }
        while let Ok(asked) = self.commands.try_recv() {
            work += 1;
            if self.deferred.is_empty() && self.may_take() {
                self.asked(&asked)?;
            } else {
                self.defer(asked);
            }
        }
        let now = self.clock.now();
        if self.answers.cells().len() < MOST_ANSWERS {
            self.gateway.poll(now, &mut self.answers)?;
        }
        work += self.take_answers()?;
        let mut fired = 0;
        while fired < TIMER_BUDGET && self.has_left(ROOM + TIMERS_LEAVE) && self.fire_timer(now)? {
            fired += 1;
        }
        Ok(work + fired)
    }

    /// Keeps a command until there is room for it. A kill does not wait: the gateway latches and cancels what it knows of.
    #[cold]
    fn defer(&mut self, asked: Asked) {
        if asked.is_kill() {
            let now = self.clock.now();
            self.gateway.cancel_all(now);
        }
        let kept = self.deferred.len() < DEFERRED;
        if kept {
            self.deferred.push_back(asked);
        }
        tracing::error!(
            command = asked.name(),
            kept,
            "the journal is full: the command is journalled when there is room; a kill was carried out by the gateway"
        );
    }

    /// True where the journal has `bytes` left.
    #[inline]
    fn has_left(&mut self, bytes: usize) -> bool {
        self.sequencer.journal_mut().keep_room(bytes + CELL_LEN)
    }

    /// True where a command or an answer can be taken: they may use the reserve.
    #[inline]
    pub fn may_take(&mut self) -> bool {
        self.has_left(ROOM)
    }

    /// Cells of a feed's events that can be taken.
    #[inline]
    pub fn room(&self) -> usize {
        self.sequencer.journal().room().saturating_sub(ROOM + RESERVE) / CELL_LEN
    }

    /// True where another event of a feed can be taken.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// A turn found nothing to do, here or at the feed.
    #[inline]
    pub fn idle(&mut self) {
        let now = self.clock.now();
        self.gateway.idle(now);
    }

    #[inline]
    fn poll_gateway(&mut self, now: Nanos) -> Result<usize> {
        self.gateway.poll(now, &mut self.answers)?;
        self.take_answers()
    }

    /// Takes what the gateway has to say at the clock's present time, answers to answers too, until it is quiet.
    ///
    /// # Errors
    /// Where journal or gateway fail for good.
    pub fn settle(&mut self) -> Result<usize> {
        let mut work = 0;
        loop {
            let now = self.clock.now();
            match self.poll_gateway(now)? {
                0 => return Ok(work),
                taken => work += taken,
            }
        }
    }

    /// Sequences what the gateway has said.
    #[inline]
    fn take_answers(&mut self) -> Result<usize> {
        if self.answers.is_empty() {
            return Ok(0);
        }
        let mut answers = core::mem::take(&mut self.answers);
        let mut taken = 0;
        for record in records_in(answers.cells().get(self.answered..).unwrap_or(&[])) {
            if !self.may_take() || self.sink().push(record).is_err() {
                break;
            }
            self.answered += record.cells().len();
            taken += 1;
        }
        if self.answered == answers.cells().len() {
            answers.clear();
            self.answered = 0;
        }
        self.answers = answers;
        self.check()?;
        Ok(taken)
    }

    fn asked(&mut self, asked: &Asked) -> Result<()> {
        match asked {
            Asked::Command(command) => self.command(command),
            Asked::Position(stated) => self.own(stated),
        }
    }

    fn command(&mut self, command: &Operator) -> Result<()> {
        self.own(command)
    }

    fn own<R: Record>(&mut self, event: &R) -> Result<()> {
        let now = self.clock.now();
        let ingested = self.sequencer.ingest_own(now, event, 0, &mut self.gateway)?;
        self.leave(now, ingested)
    }

    /// The sink that feeds offer records to.
    #[inline]
    pub fn sink(&mut self) -> CoreSink<'_, M, G, C> {
        CoreSink { core: self }
    }

    /// The error that a sink met, where it met one.
    ///
    /// # Errors
    /// That one.
    #[inline]
    pub fn check(&mut self) -> Result<()> {
        self.fatal.take().map_or(Ok(()), Err)
    }

    /// Takes `record` at `now`; under a manual clock `now` is the record's own time.
    ///
    /// # Errors
    /// Where journal or gateway fail for good.
    #[inline]
    pub fn take_at(&mut self, now: Nanos, record: RecordRef<'_>) -> Result<()> {
        let ingested = self.sequencer.ingest(now, record, &mut self.gateway)?;
        self.leave(now, ingested)
    }

    /// Lets what an event caused leave, and traces when its stages were done.
    #[inline]
    fn leave(&mut self, now: Nanos, ingested: Ingested) -> Result<()> {
        if ingested.decisions > 0 {
            let decided = self.clock.now();
            let left = self.gateway.flush(decided)?;
            let sent = left.then(|| self.clock.now());
            self.sequencer.trace(ingested.seq, now, decided, sent);
        }
        Ok(())
    }

    /// The stamp of the next timer, where its deadline lies before `now`: the deadline, or the last stamp where that is
    /// later. This is the manual clock's order.
    pub fn next_timer_before(&self, now: Nanos) -> Option<Nanos> {
        let deadline = self.sequencer.next_deadline().filter(|deadline| *deadline < now)?;
        Some(deadline.max(self.sequencer.now()))
    }

    /// Fires the next timer, where it is due at `now`. Returns whether it was.
    ///
    /// # Errors
    /// Where journal or gateway fail for good.
    #[inline]
    pub fn fire_timer(&mut self, now: Nanos) -> Result<bool> {
        match self.sequencer.fire_timer(now, &mut self.gateway)? {
            Some(ingested) => self.leave(now, ingested).map(|()| true),
            None => Ok(false),
        }
    }

    /// Ends the run: tells the machine to stop, keeps polling (with `poll` for whatever else this thread feeds) until
    /// the venue has confirmed that nothing rests, writes the run's last record, seals the journal. Returns how
    /// it stood then.
    ///
    /// # Errors
    /// Where journal or gateway fail for good.
    pub fn end(mut self, reason: EndReason, mut poll: impl FnMut(&mut Self) -> Result<()>) -> Result<Ended> {
        match catch_unwind(AssertUnwindSafe(|| self.drain(reason, &mut poll))) {
            Ok(Ok(())) => {
                let now = self.clock.now();
                let unconfirmed = self.gateway.unconfirmed();
                self.gateway.close(now);
                Ok(Ended { state: self.write_end(reason)?, unconfirmed })
            }
            Ok(Err(error)) => {
                self.abandon();
                Err(error)
            }
            Err(panic) => {
                self.abandon();
                resume_unwind(panic)
            }
        }
    }

    /// Tells the machine to stop and sees to it that nothing rests and nothing received is left out.
    fn drain(&mut self, reason: EndReason, poll: &mut impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let start = self.clock.now();
        self.command(&Operator::says(reason.name(), OperatorCommand::STOP, i64::from(reason.0)))?;
        while (self.gateway.open_orders() > 0 || self.gateway.is_holding())
            && self.clock.now() < start + DRAIN
        {
            self.turn()?;
            poll(self)?;
        }
        let open = self.gateway.open_orders();
        if open > 0 {
            tracing::error!(orders = open, "the venue has not confirmed that these are gone");
        }
        // What was received before the stop is sequenced, so that nothing taken from a sender is lost.
        poll(self)?;
        self.turn()?;
        Ok(())
    }

    fn write_end(mut self, reason: EndReason) -> Result<Vec<u8>> {
        let lost = self.sequencer.trace_lost();
        if lost > 0 {
            tracing::warn!(entries = lost, "the side trace lacks latencies: the helper was behind");
        }
        let now = self.clock.now();
        let ended = state_of(self.sequencer.driver()).and_then(|state| {
            let end = end_record_of(&state, self.sequencer.counts(), reason);
            self.sequencer.append_system(now, &end)?;
            Ok(state)
        });
        // Sealed in any case; where both fail, what failed first is told.
        let closed = self.sequencer.into_journal().close();
        let state = ended?;
        closed?;
        Ok(state)
    }

    /// After a panic or a failure: cancels all orders from the gateway's own table and seals the journal as it is.
    fn abandon(mut self) {
        let now = self.clock.now();
        self.gateway.cancel_all(now);
        if let Err(error) = self.sequencer.into_journal().close() {
            // What failed first is what the user must hear of; recovery copes with an unsealed journal.
            tracing::error!(%error, "the journal could not be sealed");
        }
    }

    /// The sequencer.
    pub fn sequencer(&self) -> &Sequencer<M> {
        &self.sequencer
    }

    /// The gateway.
    pub fn gateway(&mut self) -> &mut G {
        &mut self.gateway
    }

    /// The clock.
    pub fn clock(&mut self) -> &mut C {
        &mut self.clock
    }
}

/// The last record of a run of `counts` events and decisions.
///
/// # Errors
/// Where the machine's state cannot be hashed.
pub fn end_record<M: Machine>(driver: &Driver<M>, counts: (u64, u64), reason: EndReason) -> Result<RunEnd> {
    Ok(end_record_of(&state_of(driver)?, counts, reason))
}

fn state_of<M: Machine>(driver: &Driver<M>) -> Result<Vec<u8>> {
    driver
        .snapshot()
        .map_err(|error| Error::Failed(format!("the machine's state cannot be written: {error}")))
}

fn end_record_of(state: &[u8], counts: (u64, u64), reason: EndReason) -> RunEnd {
    RunEnd { events: counts.0, decisions: counts.1, state_hash: state_hash_of(state), reason, spare: [0; 7] }
}

/// Runs `work` on the loop in `slot`, where one is still there. Where `work` panics, the loop is abandoned and the panic
/// goes on to the thread's loop.
pub fn guarded<M: Machine, G: Gateway, C: Clock, T>(
    slot: &mut Option<CoreLoop<M, G, C>>,
    work: impl FnOnce(&mut CoreLoop<M, G, C>) -> T,
) -> Option<T> {
    let core = slot.as_mut()?;
    match catch_unwind(AssertUnwindSafe(|| work(core))) {
        Ok(value) => Some(value),
        Err(panic) => {
            if let Some(core) = slot.take() {
                core.abandon();
            }
            resume_unwind(panic)
        }
    }
}

/// Offers records straight to the sequencer: the same-thread edge.
#[derive(Debug)]
pub struct CoreSink<'a, M, G, C> {
    core: &'a mut CoreLoop<M, G, C>,
}

impl<M: Machine, G: Gateway, C: Clock> RecordSink for CoreSink<'_, M, G, C> {
    #[inline]
    fn push(&mut self, record: RecordRef<'_>) -> core::result::Result<(), Full> {
        if self.core.fatal.is_some() {
            return Err(Full);
        }
        let now = self.core.clock.now();
        self.core.take_at(now, record).map_err(|error| {
            self.core.fatal = Some(error);
            Full
        })
    }

    #[inline]
    fn room(&self) -> usize {
        if self.core.fatal.is_some() { 0 } else { self.core.room() }
    }
}

impl From<SequencerError> for Error {
    fn from(error: SequencerError) -> Self {
        match error {
            SequencerError::Journal(error) => Self::Journal(error),
            error => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
