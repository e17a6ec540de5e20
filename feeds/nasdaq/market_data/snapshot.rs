//! Books restored from snapshots, while the feed goes on.
//!
//! Where a gap cannot be filled, or is too wide to be asked for, the feed goes on behind it and all books are lost; a book
//! that the feed or the machine found wrong is lost alone. From then on its messages are kept ([`Recovery`]). When a
//! snapshot fits, the journal gets, in slices of [`PIECES`]: a [`Mark`] that moves no position, a [`BookCleared`] with
//! [`HealthReason::SNAPSHOT`], the snapshot's orders and states, what was kept since, all flagged
//! [`market_flags::SNAPSHOT`], and last a [`FeedHealth`] with [`HealthReason::RESTORED`]. Not before that the books are
//! believed again.

use pricewright_core::kernel::table::{ALL_INSTRUMENTS, BookCleared, FeedHealth, Mark, market_flags};
use pricewright_core::kernel::{Health, HealthReason, InstrumentId, Nanos, RecordSink};

use super::MarketData;
use super::emit::{Emitter, MAX_CELLS_PER_MESSAGE, State, is_in_hours};
use super::event::{Harm, MarketEvent, Meaning, Place, meaning};
use crate::nasdaq::glimpse::Snapshot;
use crate::nasdaq::glimpse::recovery::{Piece, Recovery, RecoveryCounters, Verdict};
use crate::nasdaq::itch::{self, Message};

/// Pieces that one poll carries out at most, so that what arrives meanwhile does not wait long.
const PIECES: usize = 64;

/// How long a gap must be too wide before it is given up: no single packet decides that.
const WIDE_FOR: Nanos = Nanos::from_millis(5);
/// How long the line that lies furthest behind may still bring what is missing.
const PATIENCE: Nanos = Nanos::from_secs(3);

/// What a message is to a lost book.
enum Kind {
    /// It changes the book: it waits for the snapshot.
    Book,
    /// It says whether trading goes on: it counts at once, and again behind the snapshot's own state.
    Status,
    /// The same for the whole market.
    Phase,
    /// It has no part in a snapshot.
    Other,
}

fn kind(message: &Message<'_>) -> Kind {
    match message {
        Message::AddOrder(_)
        | Message::AddOrderAttributed(_)
        | Message::OrderExecuted(_)
        | Message::OrderExecutedWithPrice(_)
        | Message::OrderCancel(_)
        | Message::OrderDelete(_)
        | Message::OrderReplace(_) => Kind::Book,
        Message::StockTradingAction(_) | Message::OperationalHalt(_) => Kind::Status,
        Message::SystemEvent(_) | Message::MwcbStatus(_) => Kind::Phase,
        _ => Kind::Other,
    }
}

impl MarketData {
    /// True while books are lost, or a used snapshot is to be given back.
    #[inline]
    pub fn is_recovering(&self) -> bool {
        self.state.keeping || self.state.recovery.as_ref().is_some_and(|recovery| recovery.has_spent())
    }

    /// True where a snapshot is to be fetched now; [`Self::on_snapshot`] or [`Self::on_no_snapshot`] answers.
    #[inline]
    pub fn asks_for_snapshot(&mut self, now: Nanos) -> bool {
        self.state.keeping && self.state.recovery.as_mut().is_some_and(|recovery| recovery.ask(now))
    }

    /// A snapshot came. It is loaded by [`Self::on_poll`], where it fits.
    pub fn on_snapshot(&mut self, snapshot: Snapshot, now: Nanos) {
        if let Some(recovery) = &mut self.state.recovery {
            recovery.arrived(snapshot, now);
        }
    }

    /// The try brought none.
    pub fn on_no_snapshot(&mut self, now: Nanos) {
        if let Some(recovery) = &mut self.state.recovery {
            recovery.failed(now);
        }
    }

    /// A snapshot that is used up, and how long the books that it restored were lost, where it restored any.
    pub fn used_snapshot(&mut self) -> Option<(Snapshot, Option<Nanos>)> {
        let snapshot = self.state.recovery.as_mut()?.spent()?;
        Some((snapshot, self.state.took.take()))
    }

    /// What was counted about snapshots; `None` where the feed has no source of them.
    pub fn recovery_counters(&self) -> Option<&RecoveryCounters> {
        self.state.recovery.as_ref().map(|recovery| recovery.counters())
    }

    /// The machine found the book of `instrument` wrong. Without a source of snapshots nothing changes.
    pub fn mistrust<S: RecordSink>(&mut self, instrument: InstrumentId, now: Nanos, sink: &mut S) {
        let Some(index) = self.state.index_of(instrument) else { return };
        if self.state.recovery.as_ref().is_none_or(|recovery| recovery.has_lost(index))
            || sink.room() < self.state.overhead()
        {
            return;
        }
        self.state.now = now;
        let next = self.next_position();
        Emitter { state: &mut self.state, sink }.distrust(index, HealthReason::BAD_DATA, next);
    }

    fn next_position(&self) -> u64 {
        self.receiver.next_sequence().max(self.state.quiet_until())
    }

    /// Gives up a gap that nobody fills, and loads a snapshot that has come.
    #[inline]
    pub(super) fn recover<S: RecordSink>(&mut self, now: Nanos, sink: &mut S) {
        let Some(recovery) = &self.state.recovery else { return };
        if self.receiver.horizon() > self.next_position() || self.state.needs_all() {
            let limit = recovery.config().gap_messages;
            self.judge_gap(limit, now, sink);
        } else {
            (self.state.gap_since, self.state.wide) = (None, false);
        }
        if self.state.keeping {
            self.restore(now, sink);
        }
    }

    /// Gives up a gap that nobody fills, or that is too wide to be asked for.
    #[cold]
    fn judge_gap<S: RecordSink>(&mut self, limit: u64, now: Nanos, sink: &mut S) {
        let since = *self.state.gap_since.get_or_insert(now);
        let next = self.next_position();
        // The line that lies behind may bring what is missing, unless it never does.
        let reach = |stands: Option<(u64, u64)>| {
            let (lowest, highest) = stands.unwrap_or((next, next));
            if now - since < PATIENCE { lowest } else { highest }.max(next)
        };
        self.state.wide = reach(self.receiver.stands(now)) - next > limit;
        // One packet alone gives up nothing.
        let target = reach(self.receiver.stands_firm(now));
        let gap = target - next;
        let wide = self.state.wide && gap > limit && now - since >= WIDE_FOR;
        let lost = wide || self.state.needs_all() || (gap > 0 && self.receiver.is_unrecoverable());
        if lost && sink.room() >= self.state.overhead() {
            self.lose_all(target, gap, now, sink);
        }
    }

    /// Goes on at `target`, where the lines are, without the books.
    fn lose_all<S: RecordSink>(&mut self, target: u64, gap: u64, now: Nanos, sink: &mut S) {
        (self.state.gap_since, self.state.wide) = (None, false);
        self.receiver.skip_to(target);
        self.state.lose_all(target, gap, now);
        Emitter { state: &mut self.state, sink }.publish(false);
    }

    #[cold]
    fn restore<S: RecordSink>(&mut self, now: Nanos, sink: &mut S) {
        let (next, reached) = (self.next_position(), self.receiver.horizon());
        // What an earlier run has journalled comes first: marks from here would hide it.
        if self.state.taken() > 0 || self.receiver.next_sequence() < next {
            return;
        }
        let Some(recovery) = &mut self.state.recovery else { return };
        if let Verdict::Load(at) = recovery.judge(next, reached, now)
            && recovery.lost_all()
        {
            self.receiver.skip_to(at);
            self.state.harm = None;
        }
        let next = self.next_position();
        // Out of the state while its pieces are carried out on that.
        let Some(mut recovery) = self.state.recovery.take() else { return };
        Emitter { state: &mut self.state, sink }.load(&mut recovery, next, now);
        self.state.keeping = !recovery.is_idle();
        self.state.recovery = Some(recovery);
    }
}

impl State {
    /// True where all books are in doubt and not yet counted as lost.
    fn needs_all(&self) -> bool {
        (self.harm.is_some() || self.lost_before)
            && self.session_known()
            && !self.recovery.as_ref().is_some_and(|recovery| recovery.lost_all())
    }

    fn lose_all(&mut self, target: u64, gap: u64, now: Nanos) {
        self.forget_journalled();
        self.lost_before = false;
        self.partial |= !self.is_listed();
        self.keeping = true;
        self.expect(target, gap);
        if let Some(recovery) = &mut self.recovery {
            recovery.lose_all(target, now);
        }
    }

    /// One book is lost from `next` on.
    pub(super) fn lose(&mut self, index: usize, next: u64) {
        if let Some(recovery) = &mut self.recovery {
            recovery.lose(index, next, self.now);
            self.keeping = true;
        }
    }

    /// A message that cannot be read is about books that are lost already: only a snapshot from behind it will do.
    #[cold]
    pub(super) fn lose_again(&mut self, harm: Harm, index: usize, next: u64) {
        let Some(recovery) = self.recovery.as_mut().filter(|_| self.keeping) else { return };
        let books = match harm {
            Harm::None => 0..0,
            Harm::Instrument(_) => index..index.saturating_add(1),
            Harm::Feed => 0..self.faults.len(),
        };
        for book in books {
            if recovery.has_lost(book) {
                recovery.lose(book, next, self.now);
            }
        }
    }

    /// Keeps a message of a lost book. True where nothing else is to be done with it now.
    #[cold]
    pub(super) fn keep(&mut self, sequence: u64, bytes: &[u8]) -> bool {
        let (partial, now) = (self.partial, self.now);
        let Some(recovery) = &mut self.recovery else { return false };
        let Ok(message) = itch::decode(bytes) else {
            // Whose it is will be known with the directory.
            if partial {
                recovery.keep(sequence, bytes, now);
            }
            return false;
        };
        let index = self.directory.index_of(message.header().locate.get());
        let lost = recovery.has_lost(index) || (partial && self.directory.id(index).is_none());
        let (keep, waits) = match kind(&message) {
            Kind::Book => (lost, lost),
            Kind::Status => (lost, false),
            Kind::Phase => (recovery.lost_all(), false),
            Kind::Other => (false, false),
        };
        if keep {
            recovery.keep(sequence, bytes, now);
        }
        waits
    }
}

impl<S: RecordSink> Emitter<'_, S> {
    /// Carries out the next pieces.
    fn load(&mut self, recovery: &mut Recovery, next: u64, now: Nanos) {
        let room = self.state.overhead() + MAX_CELLS_PER_MESSAGE;
        let mut waiting: Option<MarketEvent> = None;
        let mut marked = false;
        for _ in 0..PIECES {
            if self.sink.room() < 2 * room {
                break;
            }
            let faults = self.state.counters.malformed;
            let Some(piece) = recovery.piece() else { break };
            if !marked {
                self.mark(next, now);
                marked = true;
            }
            let event = match piece {
                Piece::Begin(at) => {
                    self.begin(recovery, at);
                    None
                }
                Piece::Snapshot(bytes) => {
                    let message = itch::decode(bytes).ok();
                    message.and_then(|message| self.of_snapshot(recovery, next, now, &message))
                }
                Piece::Kept(sequence, bytes) => match self.is_of(recovery, bytes) {
                    true => self.event_of(sequence, bytes, now),
                    false => None,
                },
                Piece::End => {
                    self.put_last(waiting.take());
                    self.end(recovery, next, now);
                    break;
                }
            };
            if let Some(event) = event
                && let Some(before) = waiting.replace(event)
            {
                self.put_restored(before, 0);
            }
            if self.state.counters.malformed != faults {
                self.give_up_faulty(recovery, next);
            }
            recovery.advance();
        }
        self.put_last(waiting);
    }

    /// A mark that counts no message: what follows is as fresh as `now`, and the position stays.
    fn mark(&mut self, next: u64, now: Nanos) {
        let (source, session) = (self.state.source, self.state.session);
        self.put(&Mark {
            first: next,
            received: now,
            count: 0,
            session,
            line: u16::MAX,
            source,
            queued_ns: 0,
        });
    }

    fn put_last(&mut self, event: Option<MarketEvent>) {
        if let Some(event) = event {
            self.put_restored(event, market_flags::LAST_IN_BATCH);
        }
    }

    fn put_restored(&mut self, mut event: MarketEvent, flags: u8) {
        event.add_flags(market_flags::SNAPSHOT | flags);
        self.state.counters.events += 1;
        self.put_event(&event);
    }

    /// The lost books begin empty; nobody believes them before they are whole.
    fn begin(&mut self, recovery: &Recovery, position: u64) {
        let (source, reason) = (self.state.source, HealthReason::SNAPSHOT);
        for index in (0..self.state.directory.len()).filter(|index| recovery.is_loading(*index)) {
            if let Some(fault) = self.state.faults.get_mut(index) {
                *fault = Some(reason);
            }
            if !recovery.lost_all() {
                self.clear_book(index, reason, Health::STALE, position);
            }
        }
        if recovery.lost_all() {
            self.put(&BookCleared {
                position,
                instrument: ALL_INSTRUMENTS,
                source,
                reason,
                flags: 0,
                health: Health::STALE,
                spare: [0; 17],
            });
        }
    }

    /// What a message of the snapshot becomes.
    fn of_snapshot(
        &mut self,
        recovery: &Recovery,
        next: u64,
        received: Nanos,
        message: &Message<'_>,
    ) -> Option<MarketEvent> {
        let stock = match message {
            Message::SystemEvent(body) => {
                self.state.hours_began |= is_in_hours(body.event_code);
                let place = Place { day: &mut self.state.day, received, market: self.state.market };
                return match meaning(message, &self.state.directory, place) {
                    Meaning::Phase(phase) if recovery.lost_all() => Some(phase.into()),
                    _ => None,
                };
            }
            Message::StockDirectory(body) => {
                let learned = self.state.directory.learn(body.header.locate.get(), body.stock);
                let changed = [learned.lost, learned.moved].into_iter().flatten();
                for index in changed.filter(|index| !recovery.is_loading(*index)) {
                    self.state.counters.malformed += 1;
                    self.distrust(index, HealthReason::BAD_DATA, next);
                }
                return None;
            }
            Message::StockTradingAction(body) => body.stock,
            Message::OperationalHalt(body) => body.stock,
            Message::AddOrder(body) => body.stock,
            Message::AddOrderAttributed(body) => body.stock,
            _ => return None,
        };
        let header = message.header();
        let index = self.state.directory.find_symbol(stock)?;
        if self.state.directory.index_of(header.locate.get()) != index {
            // An order of ours under a code that the directory does not give to it.
            self.unlisted_in_snapshot(index, next);
            return None;
        }
        if !recovery.is_loading(index) {
            return None;
        }
        let place = Place { day: &mut self.state.day, received, market: self.state.market };
        match meaning(message, &self.state.directory, place) {
            Meaning::Event(event) => Some(event),
            Meaning::Complaint(_, fault) | Meaning::Fault(fault) => {
                self.faulty(fault, index, (next, message.as_bytes().len()));
                None
            }
            _ => None,
        }
    }

    #[cold]
    fn unlisted_in_snapshot(&mut self, index: usize, next: u64) {
        self.state.counters.malformed += 1;
        self.distrust(index, HealthReason::BAD_DATA, next);
    }

    /// True for a message about a book that is being restored, about the market, or about nobody knows what.
    fn is_of(&self, recovery: &Recovery, bytes: &[u8]) -> bool {
        let Ok(message) = itch::decode(bytes) else { return true };
        match message {
            Message::SystemEvent(_) | Message::MwcbStatus(_) => recovery.lost_all(),
            _ => recovery.is_loading(self.state.directory.index_of(message.header().locate.get())),
        }
    }

    /// Books that the snapshot, or what was kept, left in doubt stay lost.
    #[cold]
    fn give_up_faulty(&mut self, recovery: &mut Recovery, next: u64) {
        let lasting =
            |fault: &HealthReason| !matches!(*fault, HealthReason::SNAPSHOT | HealthReason::UNLISTED);
        for (index, fault) in self.state.faults.iter().enumerate() {
            let is_new = recovery.is_loading(index) || !recovery.has_lost(index);
            if is_new && fault.as_ref().is_some_and(lasting) {
                recovery.lose(index, next, self.state.now);
            }
        }
    }

    /// The books are whole.
    fn end(&mut self, recovery: &mut Recovery, next: u64, now: Nanos) {
        if self.state.harm.is_some() {
            // Records were lost on their way into the books.
            recovery.abandon(next, now);
            return;
        }
        for (index, fault) in self.state.faults.iter_mut().enumerate() {
            if recovery.is_loading(index) {
                *fault = None;
            }
        }
        self.state.took = Some(recovery.finish(next, now));
        self.state.partial = false;
        if self.state.hours_began {
            self.distrust_unlisted(next);
        }
        let transition = self.state.transition;
        self.state.published = transition.health;
        self.state.published_reason = HealthReason::RESTORED;
        self.put(&FeedHealth {
            expected: next,
            seen: next.max(transition.seen),
            missing: if transition.health == Health::VALID { 0 } else { transition.missing },
            source: self.state.source,
            health: transition.health,
            reason: HealthReason::RESTORED,
            session: self.state.session,
        });
    }
}
