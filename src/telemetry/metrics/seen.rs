//! What the journal's records say: counts of this run, and how things stand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use pricewright_core::kernel::table::DeskStatus;
use pricewright_core::kernel::{
    Class, Control, DecisionRef, EventRef, Health, HealthReason, InstrumentId, Kind, Nanos, OperatorCommand,
    RecordRef, RejectReason, SendOutcome, SessionPhase, SourceId,
};

use super::latencies::Latencies;
use crate::error::Result;
use crate::pipeline::helper::Tailer;
use crate::telemetry::status::Standing;

/// Marks of time that are remembered, to say how old what is not durable yet is.
const TIMES: usize = 4096;
/// Time between two of them.
const TIMES_APART: i64 = 1_000_000;

/// Follows the journal for figures and probes. Clones share what was seen.
#[derive(Clone, Debug)]
pub struct Monitor {
    seen: Arc<Mutex<Seen>>,
    first_seq: u64,
}

/// A feed or a book, as it was last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Healthy {
    /// Its health.
    pub health: Health,
    /// Why.
    pub reason: HealthReason,
}

/// What has been seen so far. Counts are of this run; the rest is the last that was said.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The newest record.
    pub seq: u64,
    /// Its stamp; 0 before the first.
    pub newest: Nanos,
    /// Records of this run by kind.
    pub kinds: BTreeMap<u16, u64>,
    /// Dead letters by reason.
    pub dead_letters: BTreeMap<RejectReason, u64>,
    /// Intents that the risk gate refused, by control.
    pub refused: BTreeMap<Control, u64>,
    /// Orders that the venue refused, by its code.
    pub rejected: BTreeMap<u16, u64>,
    /// What became of order messages on their way out.
    pub sends: BTreeMap<SendOutcome, u64>,
    /// Fills booked, by instrument.
    pub fills: BTreeMap<InstrumentId, u64>,
    /// Changes of books' health, by instrument and health.
    pub transitions: BTreeMap<(InstrumentId, Health), u64>,
    /// Records that full rings could not take.
    pub dropped: u64,
    /// Feeds by number.
    pub feeds: BTreeMap<SourceId, Healthy>,
    /// Books.
    pub books: BTreeMap<InstrumentId, Healthy>,
    /// The last status of each instrument.
    pub statuses: BTreeMap<InstrumentId, DeskStatus>,
    /// Positions and profit.
    pub held: BTreeMap<InstrumentId, Standing>,
    /// Instruments whose fills differ from the drop copy's.
    pub breaks: BTreeMap<InstrumentId, u64>,
    /// The order session; `None` before it was spoken of.
    pub session: Option<SessionPhase>,
    /// The drop copy's session.
    pub drop_copy: Option<SessionPhase>,
    /// What set the latch; `None` if it is not set.
    pub latch: Option<Control>,
    /// The machine was told that storage is short.
    pub storage_low: bool,
    /// How long batches waited in the kernel.
    pub kernel_queue: Latencies,
    /// Sequences with their stamps, oldest first.
    pub(super) times: VecDeque<(u64, Nanos)>,
}

impl Monitor {
    /// Follows a run whose first record is `first_seq`; `latched` if an earlier run left the latch set.
    pub fn new(first_seq: u64, latched: bool) -> Self {
        let latch = latched.then_some(Control::KILL_LATCH);
        let seen = Seen { latch, ..Seen::default() };
        Self { seen: Arc::new(Mutex::new(seen)), first_seq }
    }

    /// Looks at what has been seen so far. The journal's tailer waits meanwhile.
    pub fn look<T>(&self, at: impl FnOnce(&Seen) -> T) -> T {
        at(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tailer for Monitor {
    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        let counts = record.header().seq >= self.first_seq;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).take(record, counts);
        Ok(())
    }

    fn begins_at(&self) -> Option<u64> {
        Some(self.first_seq)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Seen {
    /// How long before `now` the first record behind `seq` came, as far as that is remembered: 0 where there is none.
    pub fn waited(&self, seq: u64, now: Nanos) -> Nanos {
        if self.seq <= seq {
            return Nanos(0);
        }
        // Those of the last millisecond are not remembered each.
        let first = self.times.iter().find(|(at, _)| *at > seq).map_or(self.newest, |(_, stamp)| *stamp);
        Nanos(now.0.saturating_sub(first.0).max(0))
    }

    /// Remembers when records came.
    pub(super) fn came(&mut self, seq: u64, now: Nanos) {
        self.seq = self.seq.max(seq);
        self.newest = self.newest.max(now);
        if self.times.back().is_some_and(|(_, last)| now.0.saturating_sub(last.0) < TIMES_APART) {
            return;
        }
        if self.times.len() == TIMES {
            // Every second one goes: the older they are, the further apart they lie, and none is too old to be seen.
            let mut kept = false;
            self.times.retain(|_| {
                kept = !kept;
                kept
            });
        }
        self.times.push_back((seq, now));
    }

    /// Takes a record; one of an earlier run only says how things stand.
    pub(super) fn take(&mut self, record: RecordRef<'_>, counts: bool) {
        let header = record.header();
        self.came(header.seq, header.now);
        let Some(kind) = Kind::from_u16(header.kind) else { return };
        if counts {
            *self.kinds.entry(header.kind).or_default() += 1;
        }
        match kind.schema().class {
            Class::System => {}
            Class::Event => self.event(EventRef::of(&record), counts),
            Class::Decision => self.decision(DecisionRef::of(&record), counts),
        }
    }

    fn event(&mut self, event: Option<EventRef<'_>>, counts: bool) {
        let more = u64::from(counts);
        match event {
            Some(EventRef::Mark(mark)) if counts && mark.queued_ns > 0 => {
                self.kernel_queue.take(u64::from(mark.queued_ns));
            }
            Some(EventRef::FeedHealth(said)) => {
                self.feeds.insert(said.source, Healthy { health: said.health, reason: said.reason });
            }
            Some(EventRef::Dropped(dropped)) if counts => {
                self.dropped = self.dropped.saturating_add(dropped.count);
            }
            Some(EventRef::SessionState(state)) => self.session = Some(state.phase),
            Some(EventRef::DropCopyState(state)) => self.drop_copy = Some(state.phase),
            Some(EventRef::VenueRejected(rejected)) => {
                *self.rejected.entry(rejected.reason).or_default() += more;
            }
            Some(EventRef::SendReport(report)) => *self.sends.entry(report.outcome).or_default() += more,
            Some(EventRef::Operator(told)) => match told.command {
                OperatorCommand::STORAGE_LOW => self.storage_low = true,
                OperatorCommand::STORAGE_OK => self.storage_low = false,
                _ => {}
            },
            _ => {}
        }
    }

    fn decision(&mut self, decision: Option<DecisionRef<'_>>, counts: bool) {
        let more = u64::from(counts);
        match decision {
            Some(DecisionRef::Rejected(letter)) => {
                *self.dead_letters.entry(letter.reason).or_default() += more;
            }
            Some(DecisionRef::OrderRefused(refused)) => {
                *self.refused.entry(refused.control).or_default() += more;
            }
            Some(DecisionRef::BookTransition(change)) => {
                *self.transitions.entry((change.instrument, change.to)).or_default() += more;
                self.books.insert(change.instrument, Healthy { health: change.to, reason: change.reason });
            }
            Some(DecisionRef::PositionChanged(changed)) => {
                // Client 0: an operator stated a position, nothing was executed.
                *self.fills.entry(changed.instrument).or_default() +=
                    u64::from(counts && changed.client != 0);
                self.held.entry(changed.instrument).or_default().fill(changed);
            }
            Some(DecisionRef::DeskStatus(status)) => self.status(status),
            Some(DecisionRef::KillLatched(latch)) => {
                self.latch = (latch.released == 0).then_some(latch.control);
            }
            Some(DecisionRef::PositionBreak(found)) => {
                let open = self.breaks.entry(found.instrument).or_default();
                // A release is of the whole instrument.
                *open = if found.what == 0 { 0 } else { *open + 1 };
            }
            _ => {}
        }
    }

    fn status(&mut self, status: &DeskStatus) {
        self.statuses.insert(status.instrument, *status);
        self.held.entry(status.instrument).or_default().status(status);
        self.latch = (status.latch != Control::NONE).then_some(status.latch);
        let book = self
            .books
            .entry(status.instrument)
            .or_insert(Healthy { health: status.health, reason: HealthReason::default() });
        if book.health != status.health {
            *book = Healthy { health: status.health, reason: HealthReason::default() };
        }
    }
}
