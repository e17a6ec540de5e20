//! Batches and transitions of the receiver to records in a sink.

use pricewright_core::kernel::table::{
    ALL_INSTRUMENTS, BookCleared, Define, FeedHealth, Malformed, Mark, market_flags,
};
use pricewright_core::kernel::{
    Column, Health, HealthReason, Record, RecordSink, RejectReason, SourceId, Text,
};

use super::Resume;
use super::directory::Directory;
use super::event::{Fault, MarketEvent, Meaning, Place, RELISTED, meaning};
use crate::nasdaq::instrument::Instrument;
use crate::nasdaq::itch;
use crate::nasdaq::moldudp64::PacketError;
use crate::nasdaq::moldudp64::recovery::{Batch, Subscriber, Transition};
use crate::nasdaq::{SessionId, Symbol};

/// The most cells that one message becomes: an event and a complaint about it.
pub const MAX_CELLS_PER_MESSAGE: usize = MarketEvent::MAX_CELLS + Malformed::CELLS;
/// Cells that a packet may need besides its messages: a new session, its mark, changes of health.
pub const OVERHEAD_CELLS: usize =
    Define::CELLS + BookCleared::CELLS + Mark::CELLS + 4 * FeedHealth::CELLS + Malformed::CELLS;

/// What a feed has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that became an event.
    pub events: u64,
    /// Messages about instruments that are not configured.
    pub other_instruments: u64,
    /// Messages of types that carry no event.
    pub no_record: u64,
    /// Messages that could not be used, and packets that are none.
    pub malformed: u64,
    /// Messages before the position at which the feed resumed.
    pub quiet: u64,
    /// Records that the sink refused although it had said that there was room.
    pub refused: u64,
}

/// The feed apart from its receiver.
#[derive(Clone, Debug)]
pub(super) struct State {
    source: SourceId,
    place: Place,
    directory: Directory,
    sessions: Vec<SessionId>,
    /// The current session's number.
    session: u32,
    resume: Option<Resume>,
    /// Whether a session was heard already.
    began: bool,
    /// Messages before this sequence are in the journal already.
    quiet_until: u64,
    /// Events from there on that are in the journal too.
    taken: u32,
    /// Why the books cannot be trusted until the next session, whatever the receiver says.
    harm: Option<HealthReason>,
    transition: Transition,
    published: Health,
    counters: Counters,
}

impl State {
    pub(super) fn new(
        source: SourceId,
        place: Place,
        instruments: Vec<Instrument>,
        sessions: Vec<SessionId>,
        resume: Option<Resume>,
    ) -> Self {
        let transition =
            Transition { health: Health::UNKNOWN, reason: HealthReason(0), expected: 0, seen: 0, missing: 0 };
        Self {
            source,
            place,
            directory: Directory::new(instruments),
            sessions,
            session: 0,
            resume,
            began: false,
            quiet_until: resume.map_or(0, |resume| resume.next_sequence),
            taken: resume.map_or(0, |resume| resume.taken),
            harm: None,
            transition,
            published: Health::UNKNOWN,
            counters: Counters::default(),
        }
    }

    pub(super) fn health(&self) -> Health {
        self.published
    }

    pub(super) fn quiet_until(&self) -> u64 {
        self.quiet_until
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn is_listed(&self) -> bool {
        self.directory.is_complete()
    }

    pub(super) fn unlisted(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.directory.unlisted()
    }
}

/// The state with a sink to write to.
pub(super) struct Emitter<'a, S> {
    pub(super) state: &'a mut State,
    pub(super) sink: &'a mut S,
}

impl<S: RecordSink> Emitter<'_, S> {
    /// Reports a packet that is no MoldUDP64. It says nothing about the books: what it should have carried shows as a
    /// gap.
    pub(super) fn malformed_packet(&mut self, error: PacketError, position: u64, len: usize) {
        let text = match error {
            PacketError::Header { .. } => "MoldUDP64: shorter than a header",
            PacketError::Session => "MoldUDP64: the session is not printable",
            PacketError::Sequence { .. } => "MoldUDP64: an impossible sequence",
            PacketError::Truncated { .. } => "MoldUDP64: a message runs past the packet",
            PacketError::Trailing { .. } => "MoldUDP64: bytes follow the last message",
        };
        self.malformed(Fault { reason: RejectReason::MALFORMED, text, harms_book: false }, position, len);
    }

    fn put<R: Record>(&mut self, record: &R) {
        if self.sink.put(record, self.state.source, 0).is_err() {
            self.state.counters.refused += 1;
            self.state.harm = Some(HealthReason::OVERRUN);
        }
    }

    fn put_event(&mut self, event: &MarketEvent) {
        if event.put(self.sink, self.state.source).is_err() {
            self.state.counters.refused += 1;
            self.state.harm = Some(HealthReason::OVERRUN);
        }
    }

    fn malformed(&mut self, fault: Fault, position: u64, len: usize) {
        self.state.counters.malformed += 1;
        if fault.harms_book {
            self.state.harm.get_or_insert(HealthReason::BAD_DATA);
        }
        self.put(&Malformed {
            position,
            len: u32::try_from(len).unwrap_or(u32::MAX),
            reason: fault.reason,
            source: self.state.source,
            text: Text::excerpt(fault.text),
        });
    }

    /// What one message becomes, apart from complaints, which are written at once.
    fn event_of(&mut self, sequence: u64, bytes: &[u8]) -> Option<MarketEvent> {
        let message = match itch::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.malformed(fault_of(error), sequence, bytes.len());
                return None;
            }
        };
        match meaning(&message, &self.state.directory, self.state.place) {
            Meaning::Event(event) => Some(event),
            Meaning::Complaint(event, fault) => {
                self.malformed(fault, sequence, bytes.len());
                Some(event)
            }
            Meaning::Fault(fault) => {
                self.malformed(fault, sequence, bytes.len());
                None
            }
            Meaning::Listing(locate, symbol) => {
                self.state.counters.no_record += 1;
                if !self.state.directory.learn(locate, symbol) {
                    self.malformed(RELISTED, sequence, bytes.len());
                }
                None
            }
            Meaning::OtherInstrument => {
                self.state.counters.other_instruments += 1;
                None
            }
            Meaning::NoRecord => {
                self.state.counters.no_record += 1;
                None
            }
        }
    }

    /// Tells the health where it changed: the receiver's, unless the books are harmed.
    fn publish(&mut self, changed: bool) {
        let Transition { health, reason, expected, seen, missing } = self.state.transition;
        let (health, reason) = match self.state.harm {
            Some(_) if self.state.published == Health::STALE && !changed => return,
            Some(harm) => (Health::STALE, harm),
            None => (health, reason),
        };
        self.state.published = health;
        let (source, session) = (self.state.source, self.state.session);
        self.put(&FeedHealth { expected, seen, missing, source, health, reason, session });
    }

    fn define_session(&mut self, session: SessionId) {
        let known = self.state.sessions.iter().position(|known| *known == session);
        let index = known.unwrap_or(self.state.sessions.len());
        self.state.session = u32::try_from(index).unwrap_or(u32::MAX);
        if known.is_none() {
            self.state.sessions.push(session);
            let (id, source) = (self.state.session, self.state.source);
            self.put(&Define { id, column: Column::SESSION, source, text: Text::excerpt(session.as_str()) });
        }
    }
}

fn fault_of(error: itch::DecodeError) -> Fault {
    let (reason, text) = match error {
        itch::DecodeError::Empty => (RejectReason::MALFORMED, "ITCH: an empty message"),
        itch::DecodeError::UnknownType(_) => {
            (RejectReason::UNKNOWN_TYPE, "ITCH: a type that is not in ITCH 5.0")
        }
        itch::DecodeError::Length { .. } => {
            (RejectReason::MALFORMED, "ITCH: the size is not that of the type")
        }
    };
    Fault { reason, text, harms_book: true }
}

impl<S: RecordSink> Subscriber for Emitter<'_, S> {
    fn has_room(&self, messages: u16) -> bool {
        self.sink.room() >= OVERHEAD_CELLS + usize::from(messages) * MAX_CELLS_PER_MESSAGE
    }

    fn on_session(&mut self, session: SessionId, next: u64) {
        let resume = self.state.resume.take();
        let first = !core::mem::replace(&mut self.state.began, true) && resume.is_none();
        self.define_session(session);
        self.state.directory.clear();
        self.state.harm = None;
        if resume
            .is_some_and(|resume| resume.session == session && (resume.next_sequence > 1 || resume.taken > 0))
        {
            return;
        }
        (self.state.quiet_until, self.state.taken) = (0, 0);
        self.put(&BookCleared {
            position: next,
            instrument: ALL_INSTRUMENTS,
            source: self.state.source,
            reason: if first { HealthReason::START } else { HealthReason::SESSION_CHANGE },
            flags: market_flags::LAST_IN_BATCH,
            spare: [0; 18],
        });
    }

    fn on_batch(&mut self, batch: Batch<'_>) {
        let (mut first, mut messages) = (batch.first, batch.messages);
        while first < self.state.quiet_until {
            let Some(bytes) = messages.next() else { return };
            self.state.counters.quiet += 1;
            if let Ok(itch::Message::StockDirectory(body)) = itch::decode(bytes) {
                // What it harmed before was journalled; that it did, the machine remembers.
                if !self.state.directory.learn(body.header.locate.get(), body.stock) {
                    self.state.harm.get_or_insert(HealthReason::BAD_DATA);
                }
            }
            first += 1;
        }
        if messages.left() == 0 {
            return;
        }
        self.put(&Mark {
            first,
            received: batch.received,
            count: u32::from(messages.left()),
            session: self.state.session,
            line: batch.line,
            source: self.state.source,
            spare: 0,
        });
        let harmed = self.state.harm.is_some();
        let mut waiting: Option<MarketEvent> = None;
        for (sequence, bytes) in (first..).zip(messages) {
            if let Some(event) = self.event_of(sequence, bytes) {
                if self.state.taken > 0 {
                    self.state.taken -= 1;
                    self.state.counters.quiet += 1;
                    continue;
                }
                self.state.counters.events += 1;
                if let Some(before) = waiting.replace(event) {
                    self.put_event(&before);
                }
            }
        }
        if let Some(mut last) = waiting {
            last.flag_last();
            self.put_event(&last);
        }
        if self.state.harm.is_some() && !harmed {
            self.state.transition.expected = first + u64::from(messages.left());
            self.publish(true);
        }
    }

    fn on_transition(&mut self, transition: Transition) {
        self.state.transition = transition;
        self.publish(false);
    }
}
