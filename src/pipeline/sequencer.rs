//! The sequencer: the only writer of the journal.
//!
//! It stamps each record that a feed or gateway offers, copies it into the journal, gives it to the machine in place, and
//! journals the machine's decisions behind it with the same stamp. What is committed is decided; what is decided is
//! committed before it can leave.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use pricewright_core::kernel::table::Timer;
use pricewright_core::kernel::{
    Cell, Class, DecisionRef, Driver, EventRef, MAX_CELLS, Machine, Nanos, NoProbe, Record, RecordRef,
    SourceId, Step, flags, write_record,
};

use crate::journal::{JournalError, Writer};
use crate::telemetry::trace::{TraceEntry, Tracer};

/// The source of records that the kernel itself makes (timers, operator commands).
pub const KERNEL_SOURCE: SourceId = SourceId(0);

/// Why a record could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// The journal cannot take it; nothing was decided.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Only events may be offered: a decoder offered something else.
    #[error("a record of kind {kind} is not an event; a feed must offer events only")]
    NotAnEvent {
        /// Its kind.
        kind: u16,
    },
    /// The driver refused the order of events: a broken invariant of the sequencer.
    #[error("record {seq}: the timer or stamp is out of order; please report this")]
    OutOfOrder {
        /// Where in the journal.
        seq: u64,
    },
}

/// Takes decisions in order, after they are committed.
pub trait DecisionSink {
    /// Takes the decision that the journal holds at `seq`.
    fn decide(&mut self, seq: u64, now: Nanos, decision: DecisionRef<'_>);
}

/// For pipelines whose decisions are taken from the journal by a tailer.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSink;

impl DecisionSink for NoSink {
    #[inline]
    fn decide(&mut self, _seq: u64, _now: Nanos, _decision: DecisionRef<'_>) {}
}

/// What one event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// Its sequence.
    pub seq: u64,
    /// How many decisions it caused.
    pub decisions: usize,
}

/// Merges sources into one order, stamps, journals, decides.
#[derive(Debug)]
pub struct Sequencer<M> {
    driver: Driver<M>,
    journal: Writer,
    events: u64,
    decisions: u64,
    /// When what is being handled was received, for the side trace.
    received: Nanos,
    tracer: Option<Tracer>,
}

impl<M: Machine> Sequencer<M> {
    /// A sequencer that goes on where `driver` and `journal` stand.
    pub fn new(driver: Driver<M>, journal: Writer, tracer: Option<Tracer>) -> Self {
        Self { driver, journal, events: 0, decisions: 0, received: Nanos::ZERO, tracer }
    }

    /// Stamps `record` with `now` (or the last stamp, where that is later), journals it, lets the machine decide,
    /// journals the decisions and hands them to `sink`.
    ///
    /// # Errors
    /// Where the journal cannot take it; nothing was decided then.
    #[inline]
    pub fn ingest<S: DecisionSink>(
        &mut self,
        now: Nanos,
        record: RecordRef<'_>,
        sink: &mut S,
    ) -> Result<Ingested, SequencerError> {
        let now = now.max(self.driver.now());
        let seq = self.journal.append(record, now, 0)?;
        self.events += 1;
        {
            let Some(event) = self.journal.last_record().as_ref().and_then(EventRef::of) else {
                return Err(SequencerError::NotAnEvent { kind: record.header().kind });
            };
            match event {
                EventRef::Mark(mark) => self.received = mark.received,
                // What comes from inside was not received: its latency begins here.
                EventRef::Timer(_)
                | EventRef::Operator(_)
                | EventRef::SendReport(_)
                | EventRef::FeedHealth(_) => {
                    self.received = now;
                }
                _ => {}
            }
            match self.driver.step(now, event, &mut NoProbe) {
                Step::Done => {}
                // Only the kernel makes timer events, from the queue itself, and `now` was held above the last stamp.
                Step::WrongTimer { .. } | Step::TimeWentBack { .. } => {
                    return Err(SequencerError::OutOfOrder { seq });
                }
            }
        }
        let mut decisions = 0;
        for decision in self.driver.decisions() {
            let cause = u16::try_from(decisions + 1).unwrap_or(u16::MAX);
            let seq = self.journal.append(decision, now, cause)?;
            decisions += 1;
            if let Some(decision) = DecisionRef::of(&decision) {
                sink.decide(seq, now, decision);
            }
        }
        self.decisions += decisions as u64;
        Ok(Ingested { seq, decisions })
    }

    /// Makes one event of the kernel's own and ingests it.
    ///
    /// # Errors
    /// Where the journal cannot take it.
    pub fn ingest_own<R: Record, S: DecisionSink>(
        &mut self,
        now: Nanos,
        event: &R,
        event_flags: u8,
        sink: &mut S,
    ) -> Result<Ingested, SequencerError> {
        let mut cells = [Cell::ZERO; MAX_CELLS];
        write_record(&mut cells, event, KERNEL_SOURCE, event_flags);
        match RecordRef::first_of(&cells) {
            Some(record) => self.ingest(now, record, sink),
            None => Err(SequencerError::NotAnEvent { kind: R::KIND }),
        }
    }

    /// Fires the next timer, where it is due at `now`.
    ///
    /// # Errors
    /// Where the journal cannot take it.
    #[inline]
    pub fn fire_timer<S: DecisionSink>(
        &mut self,
        now: Nanos,
        sink: &mut S,
    ) -> Result<Option<Ingested>, SequencerError> {
        match self.driver.due(now) {
            Some(timer) => self.ingest_own::<Timer, S>(now, &timer, flags::RESPONSE, sink).map(Some),
            None => Ok(None),
        }
    }

    /// Deadline of the next timer.
    #[inline]
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.driver.next_deadline()
    }

    /// Notes in the side trace when the stages of event `seq` were done.
    #[inline]
    pub fn trace(&mut self, seq: u64, sequenced: Nanos, decided: Nanos, sent: Option<Nanos>) {
        if let Some(tracer) = &mut self.tracer {
            tracer.push(TraceEntry {
                seq,
                received: self.received.0,
                sequenced: sequenced.0,
                decided: decided.0,
                sent: sent.map_or(0, |sent| sent.0),
            });
        }
    }

    /// Events and decisions of this run.
    pub fn counts(&self) -> (u64, u64) {
        (self.events, self.decisions)
    }

    /// Trace entries lost to a full ring.
    pub fn trace_lost(&self) -> u64 {
        self.tracer.as_ref().map_or(0, Tracer::lost)
    }

    /// Appends a record about the run itself.
    ///
    /// # Errors
    /// Where the journal cannot take it.
    pub fn append_system<R: Record>(&mut self, now: Nanos, record: &R) -> Result<u64, SequencerError> {
        append_system(&mut self.journal, now.max(self.driver.now()), record)
    }

    /// The last stamp.
    pub fn now(&self) -> Nanos {
        self.driver.now()
    }

    /// The driver.
    pub fn driver(&self) -> &Driver<M> {
        &self.driver
    }

    /// The journal.
    pub fn journal(&self) -> &Writer {
        &self.journal
    }

    /// The journal, to be kept ready for what comes.
    pub fn journal_mut(&mut self) -> &mut Writer {
        &mut self.journal
    }

    /// Gives the journal back, to be sealed.
    pub fn into_journal(self) -> Writer {
        self.journal
    }
}

/// Appends a record about the run itself to `journal`.
///
/// # Errors
/// Where the journal cannot take it.
pub fn append_system<R: Record>(journal: &mut Writer, now: Nanos, record: &R) -> Result<u64, SequencerError> {
    const { assert!(matches!(R::CLASS, Class::System), "only records about the run") };
    Ok(journal.append_record(record, KERNEL_SOURCE, 0, now, 0)?)
}
