//! Batches and transitions of the receiver to records in a sink.

use pricewright_core::kernel::table::{
    ALL_INSTRUMENTS, BookCleared, Define, FeedHealth, Malformed, Mark, market_flags,
};
use pricewright_core::kernel::{
    Column, Health, HealthReason, InstrumentId, Nanos, Record, RecordSink, RejectReason, SourceId, Text,
};

use super::Resume;
use super::directory::Directory;
use super::event::{Fault, Harm, MarketEvent, Meaning, Place, RELISTED, fault_of, meaning};
use crate::nasdaq::SessionDay;
use crate::nasdaq::glimpse::recovery::{Recovery, RecoveryConfig};
use crate::nasdaq::instrument::Instrument;
use crate::nasdaq::itch;
use crate::nasdaq::moldudp64::PacketError;
use crate::nasdaq::moldudp64::recovery::{Batch, Subscriber, Transition};
use crate::nasdaq::{SessionId, Symbol};

/// The most cells that one message becomes: an event, a complaint about it, and that its book is not to be believed.
pub const MAX_CELLS_PER_MESSAGE: usize = MarketEvent::MAX_CELLS + Malformed::CELLS + BookCleared::CELLS;
/// Cells that a packet may need besides its messages: a new session, its mark, changes of health. One for each
/// instrument comes on top, since a message can find all of them missing in the directory.
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
    /// Messages of a type or a size that is not known, about instruments that are not configured. They were passed over.
    pub unknown: u64,
    /// Times that the book of an instrument was made stale while the feed was not.
    pub stale_books: u64,
    /// Messages before the position at which the feed resumed.
    pub quiet: u64,
    /// Records that the sink refused although it had said that there was room.
    pub refused: u64,
}

/// The feed apart from its receiver.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) source: SourceId,
    /// Which midnight the stamps count from.
    pub(super) day: SessionDay,
    /// The market's code.
    pub(super) market: u8,
    pub(super) directory: Directory,
    sessions: Vec<SessionId>,
    /// The current session's number.
    pub(super) session: u32,
    resume: Option<Resume>,
    /// Whether a session was heard already.
    began: bool,
    /// Messages before this sequence are in the journal already.
    quiet_until: u64,
    /// Events from there on that are in the journal too.
    taken: u32,
    /// Why no book can be trusted until the next session, whatever the receiver says.
    pub(super) harm: Option<HealthReason>,
    /// Why the book of an instrument cannot be trusted until it begins anew; in the order of the directory.
    pub(super) faults: Box<[Option<HealthReason>]>,
    /// Market hours began: what the directory has not listed by now is not traded today.
    pub(super) hours_began: bool,
    pub(super) transition: Transition,
    pub(super) published: Health,
    pub(super) published_reason: HealthReason,
    pub(super) counters: Counters,
    /// How lost books come back, where there is a source of snapshots.
    pub(super) recovery: Option<Box<Recovery>>,
    /// Books are lost, and their messages kept.
    pub(super) keeping: bool,
    /// Nobody knows which locate codes are ours: the directory was not read.
    pub(super) partial: bool,
    /// Books that were lost when the journal ended, in the order of the directory; and whether all were.
    lost: Box<[bool]>,
    pub(super) lost_before: bool,
    /// How long the books that were restored last were lost, until somebody asks.
    pub(super) took: Option<Nanos>,
    pub(super) now: Nanos,
    /// Since when messages are missing.
    pub(super) gap_since: Option<Nanos>,
    /// More are missing than are asked for.
    pub(super) wide: bool,
}

impl State {
    pub(super) fn new(
        source: SourceId,
        day: SessionDay,
        market: u8,
        instruments: Vec<Instrument>,
        sessions: Vec<SessionId>,
        resume: Option<Resume>,
    ) -> Self {
        let transition =
            Transition { health: Health::UNKNOWN, reason: HealthReason(0), expected: 0, seen: 0, missing: 0 };
        let present = |resume: Resume| sessions.iter().position(|session| *session == resume.session);
        let session = resume.and_then(present).and_then(|index| u32::try_from(index).ok()).unwrap_or(0);
        Self {
            source,
            day,
            market,
            faults: vec![None; instruments.len()].into_boxed_slice(),
            hours_began: false,
            directory: Directory::new(instruments),
            sessions,
            session,
            resume,
            began: false,
            quiet_until: resume.map_or(0, |resume| resume.next_sequence),
            taken: resume.map_or(0, |resume| resume.taken),
            harm: None,
            transition,
            published: Health::UNKNOWN,
            published_reason: HealthReason(0),
            counters: Counters::default(),
            recovery: None,
            keeping: false,
            partial: false,
            lost: Box::default(),
            lost_before: false,
            took: None,
            now: Nanos::ZERO,
            gap_since: None,
            wide: false,
        }
    }

    /// Lost books come back by snapshots. `lost`: those that were lost when the journal ended.
    pub(super) fn recover_by(&mut self, config: Option<RecoveryConfig>, lost: &[InstrumentId]) {
        let books = self.directory.len();
        self.recovery = config.map(|config| Box::new(Recovery::new(config, books)));
        let is_lost = |index| self.directory.id(index).is_some_and(|id| lost.contains(&id));
        self.lost = (0..books).map(is_lost).collect();
        self.lost_before = lost.contains(&ALL_INSTRUMENTS);
    }

    pub(super) fn index_of(&self, instrument: InstrumentId) -> Option<usize> {
        self.directory.find_id(instrument)
    }

    pub(super) fn session_known(&self) -> bool {
        self.began
    }

    /// Events of the next packet that an earlier run has journalled.
    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    /// What an earlier run has journalled does not matter any more.
    pub(super) fn forget_journalled(&mut self) {
        (self.quiet_until, self.taken) = (0, 0);
    }

    /// The next sequence, and how many messages before it are given up.
    pub(super) fn expect(&mut self, next: u64, missing: u64) {
        (self.transition.expected, self.transition.seen, self.transition.missing) = (next, next, missing);
    }

    /// The journal goes on in this session: so do its lost books.
    fn remember_lost(&mut self, next: u64) {
        for index in 0..self.directory.len() {
            if self.lost.get(index) == Some(&true) {
                self.note_fault(index, HealthReason::BAD_DATA);
                self.lose(index, next);
            }
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

    /// Instruments whose books are not to be believed, and why, whatever the health of the feed.
    pub(super) fn stale(&self) -> impl Iterator<Item = (InstrumentId, HealthReason)> + '_ {
        let faults = self.faults.iter().enumerate();
        faults.filter_map(|(index, fault)| self.directory.id(index).zip(*fault))
    }

    /// The symbol of an instrument.
    pub(super) fn symbol(&self, id: InstrumentId) -> Option<Symbol> {
        self.directory.symbol(id)
    }

    /// Cells that a packet needs besides its messages.
    pub(super) fn overhead(&self) -> usize {
        OVERHEAD_CELLS + self.directory.len() * BookCleared::CELLS
    }

    /// Learns codes from what the journal covers already. What harmed a book then was said then, and the machine remembers
    /// it.
    fn learn_quietly(&mut self, bytes: &[u8]) {
        match itch::decode(bytes) {
            Ok(itch::Message::StockDirectory(body)) => {
                let learned = self.directory.learn(body.header.locate.get(), body.stock);
                for index in [learned.lost, learned.moved].into_iter().flatten() {
                    self.note_fault(index, HealthReason::BAD_DATA);
                }
            }
            Ok(itch::Message::SystemEvent(body)) => self.hours_began |= is_in_hours(body.event_code),
            _ => {}
        }
    }

    fn is_stale(&self, index: usize) -> bool {
        // One that is being filled would be believed soon.
        self.faults
            .get(index)
            .is_some_and(|fault| fault.is_some_and(|reason| reason != HealthReason::SNAPSHOT))
    }

    /// True where the fault is new.
    fn note_fault(&mut self, index: usize, reason: HealthReason) -> bool {
        match self.faults.get_mut(index) {
            Some(fault @ (None | Some(HealthReason::SNAPSHOT))) => {
                *fault = Some(reason);
                true
            }
            _ => false,
        }
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
        let fault = Fault { reason: RejectReason::MALFORMED, text, harm: Harm::None };
        self.report(fault, (position, len));
    }

    /// Makes the book of an instrument stale, where it is not already: nothing of it is believed until it begins anew.
    /// True where it was not.
    pub(super) fn distrust(&mut self, index: usize, reason: HealthReason, position: u64) -> bool {
        let is_new = self.state.note_fault(index, reason);
        if is_new {
            self.state.counters.stale_books = self.state.counters.stale_books.saturating_add(1);
            self.clear_book(index, reason, Health::STALE, position);
        }
        // One that the directory does not list is in no snapshot.
        if reason != HealthReason::UNLISTED {
            self.state.lose(index, position);
        }
        is_new
    }

    /// Begins the book of an instrument anew, empty and sound: what follows is all of it.
    pub(super) fn begin_book(&mut self, index: usize, reason: HealthReason, position: u64) {
        if let Some(fault) = self.state.faults.get_mut(index) {
            *fault = None;
            self.clear_book(index, reason, Health::UNKNOWN, position);
        }
    }

    pub(super) fn clear_book(&mut self, index: usize, reason: HealthReason, health: Health, position: u64) {
        let Some(instrument) = self.state.directory.id(index) else { return };
        let source = self.state.source;
        self.put(&BookCleared { position, instrument, source, reason, flags: 0, health, spare: [0; 17] });
    }

    pub(super) fn put<R: Record>(&mut self, record: &R) {
        if self.sink.put(record, self.state.source, 0).is_err() {
            self.state.counters.refused += 1;
            self.state.harm = Some(HealthReason::OVERRUN);
        }
    }

    pub(super) fn put_event(&mut self, event: &MarketEvent) {
        if event.put(self.sink, self.state.source).is_err() {
            self.state.counters.refused += 1;
            self.state.harm = Some(HealthReason::OVERRUN);
        }
    }

    /// Reports a message that cannot be used; `place` is its position and its bytes.
    #[cold]
    fn report(&mut self, fault: Fault, (position, len): (u64, usize)) {
        self.state.counters.malformed += 1;
        self.put(&Malformed {
            position,
            len: u32::try_from(len).unwrap_or(u32::MAX),
            reason: fault.reason,
            source: self.state.source,
            text: Text::excerpt(fault.text),
        });
    }

    /// Reports a fault in a message about the instrument `index`, and makes stale what it leaves in doubt.
    #[cold]
    pub(super) fn faulty(&mut self, fault: Fault, index: usize, (position, len): (u64, usize)) {
        self.report(fault, (position, len));
        match fault.harm {
            Harm::None => {}
            Harm::Instrument(reason) => {
                self.distrust(index, reason, position.saturating_add(1));
            }
            Harm::Feed => {
                self.state.harm.get_or_insert(HealthReason::BAD_DATA);
            }
        }
    }

    /// A message of a type or a size that is not known.
    #[cold]
    fn unreadable(&mut self, error: itch::DecodeError, position: u64, bytes: &[u8]) {
        let locate = itch::locate_of(bytes);
        let index = locate.map_or(usize::MAX, |locate| self.state.directory.index_of(locate));
        let is_ours = self.state.directory.id(index).is_some();
        let Some(fault) = fault_of(error, locate.is_some(), is_ours) else {
            self.state.counters.unknown += 1;
            return;
        };
        self.state.lose_again(fault.harm, index, position.saturating_add(1));
        let is_news = match fault.harm {
            Harm::None => false,
            Harm::Instrument(_) => !self.state.is_stale(index),
            Harm::Feed => self.state.harm.is_none(),
        };
        // A new type comes again and again: what harms nothing more is said less and less often.
        if is_news || (self.state.counters.malformed + 1).is_power_of_two() {
            self.faulty(fault, index, (position, bytes.len()));
        } else {
            self.state.counters.malformed += 1;
        }
    }

    /// Takes a line of the stock directory.
    #[cold]
    fn list(&mut self, locate: u16, symbol: Symbol, (position, len): (u64, usize)) {
        self.state.counters.no_record += 1;
        let learned = self.state.directory.learn(locate, symbol);
        if learned.is_contradiction() {
            self.report(RELISTED, (position, len));
        }
        for index in [learned.lost, learned.moved].into_iter().flatten() {
            self.distrust(index, HealthReason::BAD_DATA, position.saturating_add(1));
        }
        if let Some(index) = learned.listed
            && self.state.faults.get(index) == Some(&Some(HealthReason::UNLISTED))
            && !self.state.recovery.as_ref().is_some_and(|recovery| recovery.has_lost(index))
        {
            self.begin_book(index, HealthReason::LISTED, position.saturating_add(1));
        }
    }

    /// The market changes its phase: once its hours begin, an instrument that was not listed is none of today's.
    #[cold]
    fn enter_phase(&mut self, code: u8, position: u64) {
        if is_in_hours(code) {
            self.state.hours_began = true;
            self.distrust_unlisted(position.saturating_add(1));
        }
    }

    #[cold]
    pub(super) fn distrust_unlisted(&mut self, position: u64) {
        for index in 0..self.state.directory.len() {
            if !self.state.directory.is_listed(index) {
                self.distrust(index, HealthReason::UNLISTED, position);
            }
        }
    }

    /// What one message becomes, apart from complaints, which are written at once.
    #[inline]
    pub(super) fn event_of(&mut self, sequence: u64, bytes: &[u8], received: Nanos) -> Option<MarketEvent> {
        let message = match itch::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.unreadable(error, sequence, bytes);
                return None;
            }
        };
        let index = || self.state.directory.index_of(message.header().locate.get());
        let place = Place { day: &mut self.state.day, received, market: self.state.market };
        match meaning(&message, &self.state.directory, place) {
            Meaning::Event(event) => Some(event),
            Meaning::Phase(phase) => {
                self.enter_phase(phase.code, sequence);
                Some(phase.into())
            }
            Meaning::Complaint(event, fault) => {
                let index = index();
                self.faulty(fault, index, (sequence, bytes.len()));
                Some(event)
            }
            Meaning::Fault(fault) => {
                let index = index();
                self.faulty(fault, index, (sequence, bytes.len()));
                None
            }
            Meaning::Listing(locate, symbol) => {
                self.list(locate, symbol, (sequence, bytes.len()));
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
    pub(super) fn publish(&mut self, changed: bool) {
        let Transition { health, reason, expected, seen, missing } = self.state.transition;
        let awaited = (Health::RECOVERING, HealthReason::SNAPSHOT_AWAITED);
        let lost_all = self.state.recovery.as_ref().is_some_and(|recovery| recovery.lost_all());
        let (health, reason) = match self.state.harm {
            Some(_) if self.state.published == Health::STALE && !changed => return,
            Some(harm) => (Health::STALE, harm),
            None if lost_all && (health != Health::STALE || reason == HealthReason::UNRECOVERABLE) => {
                if (self.state.published, self.state.published_reason) == awaited {
                    return;
                }
                awaited
            }
            None => (health, reason),
        };
        (self.state.published, self.state.published_reason) = (health, reason);
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

/// System events that come once market hours began: their start, their end, the end of system hours and of messages.
pub(super) fn is_in_hours(code: u8) -> bool {
    matches!(code, b'Q' | b'M' | b'E' | b'C')
}

impl<S: RecordSink> Subscriber for Emitter<'_, S> {
    fn has_room(&self, messages: u16) -> bool {
        self.sink.room() >= self.state.overhead() + usize::from(messages) * MAX_CELLS_PER_MESSAGE
    }

    fn on_session(&mut self, session: SessionId, next: u64) {
        let resume = self.state.resume.take();
        let first = !core::mem::replace(&mut self.state.began, true) && resume.is_none();
        self.define_session(session);
        self.state.day.begin_session();
        self.state.directory.clear();
        self.state.harm = None;
        self.state.faults.fill(None);
        self.state.hours_began = false;
        self.state.partial = false;
        self.state.keeping = false;
        if let Some(recovery) = &mut self.state.recovery {
            recovery.forget();
        }
        if resume
            .is_some_and(|resume| resume.session == session && (resume.next_sequence > 1 || resume.taken > 0))
        {
            self.state.remember_lost(self.state.quiet_until);
            return;
        }
        self.state.lost_before = false;
        (self.state.quiet_until, self.state.taken) = (0, 0);
        self.put(&BookCleared {
            position: next,
            instrument: ALL_INSTRUMENTS,
            source: self.state.source,
            reason: if first { HealthReason::START } else { HealthReason::SESSION_CHANGE },
            flags: market_flags::LAST_IN_BATCH,
            health: Health::UNKNOWN,
            spare: [0; 17],
        });
    }

    fn on_batch(&mut self, batch: Batch<'_>) {
        let (mut first, mut messages) = (batch.first, batch.messages);
        while first < self.state.quiet_until {
            let Some(bytes) = messages.next() else { return };
            self.state.counters.quiet += 1;
            self.state.learn_quietly(bytes);
            first += 1;
        }
        if messages.left() == 0 {
            return;
        }
        if first == self.state.quiet_until && self.state.hours_began {
            self.distrust_unlisted(first);
        }
        self.put(&Mark {
            first,
            received: batch.arrival.received,
            count: u32::from(messages.left()),
            session: self.state.session,
            line: batch.line,
            source: self.state.source,
            queued_ns: batch.arrival.queued_ns,
        });
        let harmed = self.state.harm.is_some();
        let mut waiting: Option<MarketEvent> = None;
        for (sequence, bytes) in (first..).zip(messages) {
            if self.state.keeping && self.state.keep(sequence, bytes) {
                continue;
            }
            if let Some(event) = self.event_of(sequence, bytes, batch.arrival.received) {
                if self.state.taken > 0 {
                    self.state.taken -= 1;
                    self.state.counters.quiet += 1;
                    continue;
                }
                self.state.counters.events += 1;
                if let Some(before) = &waiting {
                    self.put_event(before);
                }
                waiting = Some(event);
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
        if transition.reason == HealthReason::WENT_BACK {
            // Other messages stand under the same numbers now: catching up would not make the books right.
            let is_news = self.state.harm.is_none();
            self.state.harm.get_or_insert(HealthReason::WENT_BACK);
            return self.publish(is_news);
        }
        self.publish(false);
    }
}
