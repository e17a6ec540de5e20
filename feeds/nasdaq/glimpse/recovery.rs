//! Books that re-requests cannot bring back: what is asked for, what is kept meanwhile, and whether a snapshot fits.
//!
//! ```text
//!  idle ─ lose ─► due ─ ask ─► fetching ─ arrived ─► judged ─ fits ─► loading: snapshot, then what was kept ─► idle
//!                  ▲              │ failed              │ too old, too far ahead
//!                  └── a pause, ──┴── longer each time ─┘
//! ```
//!
//! Guarantees: a book is whole when it is said to be. From the moment a book is lost every message about it is kept, in
//! memory of fixed size; a snapshot that begins before that moment is refused, because what lies between is nowhere.
//! Where the memory is full, what was kept is given up and the moment moves on: then only a newer snapshot fits. Nothing
//! waits, nothing grows.
//!
//! A snapshot is believed as far as the lines bear it out: one whose sequence the lines do not reach in time is refused.

use pricewright_core::kernel::Nanos;

use super::session::Snapshot;
use kept::Kept;

mod kept;

/// How a feed recovers by snapshots.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryConfig {
    /// A gap of more messages than this is not re-requested: a snapshot is quicker.
    pub gap_messages: u64,
    /// Bytes for the messages that arrive while books are lost.
    pub buffer_bytes: usize,
    /// The pause after a first failed try; it doubles with each further one …
    pub retry: Nanos,
    /// … up to this.
    pub longest_retry: Nanos,
    /// How long the lines may take to reach the sequence of a snapshot.
    pub reach: Nanos,
}

impl Default for RecoveryConfig {
    fn default() -> Self {
        Self {
            gap_messages: 50_000,
            buffer_bytes: 16 << 20,
            retry: Nanos::from_millis(100),
            longest_retry: Nanos::from_secs(10),
            reach: Nanos::from_secs(5),
        }
    }
}

/// What was counted since the feed was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryCounters {
    /// Snapshots asked for.
    pub asked: u64,
    /// Tries that brought no whole snapshot.
    pub failed: u64,
    /// Snapshots from before the books were lost.
    pub too_old: u64,
    /// Snapshots whose sequence the lines did not reach.
    pub ahead: u64,
    /// Times that what was kept was given up for want of room.
    pub overflows: u64,
    /// Snapshots that books were restored from.
    pub restored: u64,
    /// From the loss of the first book to the last whole one, the latest time.
    pub last: Nanos,
    /// The longest such time.
    pub longest: Nanos,
}

#[derive(Clone, Debug)]
enum Phase {
    Idle,
    /// To be asked for at this time.
    Due(Nanos),
    Fetching,
    /// It came at this time.
    Arrived(Snapshot, Nanos),
    /// `cursor` counts the pieces of the snapshot that were given out; 0 stands for its beginning.
    Loading(Snapshot, usize),
}

/// What becomes of a snapshot that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is none, or the lines have not reached it yet.
    Wait,
    /// It does not fit; another will be asked for.
    Refused,
    /// It fits: load it. Nothing before this sequence is needed any more where all books were lost.
    Load(u64),
}

/// A part of what restores the lost books, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The lost books begin empty at this sequence.
    Begin(u64),
    /// A message of the snapshot.
    Snapshot(&'a [u8]),
    /// A message that arrived meanwhile, with its sequence.
    Kept(u64, &'a [u8]),
    /// Nothing is left: [`Recovery::finish`].
    End,
}

/// Which books are lost, and what is known of them. Books are numbered from 0 as the feed's instruments are.
#[derive(Clone, Debug)]
pub struct Recovery {
    config: RecoveryConfig,
    /// By book: where it is lost, the sequence from which on its messages are kept.
    since: Box<[Option<u64>]>,
    /// Books that are being restored.
    loading: Box<[bool]>,
    /// Whether all were lost at once, so that the feed itself is not valid.
    all: bool,
    kept: Kept,
    phase: Phase,
    began: Nanos,
    pause: Nanos,
    counters: RecoveryCounters,
    spent: Option<Snapshot>,
}

impl Recovery {
    /// For a feed of so many books. Its memory is taken here.
    pub fn new(config: RecoveryConfig, books: usize) -> Self {
        Self {
            since: vec![None; books].into_boxed_slice(),
            loading: vec![false; books].into_boxed_slice(),
            all: false,
            kept: Kept::new(config.buffer_bytes),
            phase: Phase::Idle,
            began: Nanos::ZERO,
            pause: config.retry,
            counters: RecoveryCounters::default(),
            spent: None,
            config,
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &RecoveryConfig {
        &self.config
    }

    /// What was counted.
    pub fn counters(&self) -> &RecoveryCounters {
        &self.counters
    }

    /// True where no book is lost.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// True where all books were lost at once.
    pub fn lost_all(&self) -> bool {
        self.all
    }

    /// True where `book` is lost: its messages go to [`Self::keep`].
    #[inline]
    pub fn has_lost(&self, book: usize) -> bool {
        self.since.get(book).is_some_and(Option::is_some)
    }

    /// True where `book` is restored by the snapshot that is being loaded.
    pub fn is_loading(&self, book: usize) -> bool {
        matches!(self.phase, Phase::Loading(..)) && self.loading.get(book) == Some(&true)
    }

    /// All books are lost; the feed goes on at sequence `next`, and from there on their messages are kept.
    pub fn lose_all(&mut self, next: u64, now: Nanos) {
        self.all = true;
        self.since.fill(Some(next));
        self.kept.clear();
        if let Phase::Loading(..) = self.phase {
            self.refuse(now);
        }
        self.need(now);
    }

    /// One book is lost, perhaps again while it is restored; its messages from `next` on are kept.
    pub fn lose(&mut self, book: usize, next: u64, now: Nanos) {
        if let (Some(since), Some(loading)) = (self.since.get_mut(book), self.loading.get_mut(book)) {
            (*since, *loading) = (Some(next), false);
            self.need(now);
        }
    }

    /// A try under way goes on: what it brings is judged by when the books were lost.
    fn need(&mut self, now: Nanos) {
        if let Phase::Idle = self.phase {
            self.began = now;
            self.phase = Phase::Due(now);
        }
    }

    /// The books begin anew by themselves: another session.
    pub fn forget(&mut self) {
        self.since.fill(None);
        self.all = false;
        self.kept.clear();
        self.pause = self.config.retry;
        match core::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Arrived(snapshot, _) | Phase::Loading(snapshot, _) => self.spent = Some(snapshot),
            Phase::Idle | Phase::Due(_) | Phase::Fetching => {}
        }
    }

    /// Keeps a message about a lost book, or about one that is not known to be another.
    pub fn keep(&mut self, sequence: u64, bytes: &[u8], now: Nanos) {
        if self.kept.push(sequence, bytes) {
            return;
        }
        self.counters.overflows += 1;
        self.kept.clear();
        let next = sequence.saturating_add(1);
        self.since.iter_mut().flatten().for_each(|since| *since = next);
        // What was loaded misses the messages that were given up.
        if let Phase::Loading(..) = self.phase {
            self.refuse(now);
        }
    }

    /// True where a snapshot is to be fetched now; the answer is [`Self::arrived`] or [`Self::failed`].
    pub fn ask(&mut self, now: Nanos) -> bool {
        let Phase::Due(at) = self.phase else { return false };
        if now < at {
            return false;
        }
        self.phase = Phase::Fetching;
        self.counters.asked += 1;
        true
    }

    /// The try brought nothing.
    pub fn failed(&mut self, now: Nanos) {
        if let Phase::Fetching = self.phase {
            self.counters.failed += 1;
            self.again(now);
        }
    }

    fn again(&mut self, now: Nanos) {
        self.phase = Phase::Due(now + self.pause);
        self.pause = (self.pause + self.pause).min(self.config.longest_retry);
    }

    /// A snapshot came.
    pub fn arrived(&mut self, snapshot: Snapshot, now: Nanos) {
        match self.phase {
            Phase::Fetching | Phase::Due(_) => self.phase = Phase::Arrived(snapshot, now),
            // Nobody needs it any more.
            _ => self.spent = Some(snapshot),
        }
    }

    /// True where a used snapshot is to be taken back.
    pub fn has_spent(&self) -> bool {
        self.spent.is_some()
    }

    /// A snapshot that is used up: whoever frees its memory must not be the hot thread.
    pub fn spent(&mut self) -> Option<Snapshot> {
        self.spent.take()
    }

    /// Judges the snapshot that has come. `next` is the next sequence to be delivered, `reached` the one after everything
    /// that the lines have shown to exist.
    pub fn judge(&mut self, next: u64, reached: u64, now: Nanos) -> Verdict {
        let Phase::Arrived(snapshot, came) = &self.phase else { return Verdict::Wait };
        let (at, came) = (snapshot.next_sequence(), *came);
        if self.since.iter().flatten().any(|since| at < *since) {
            self.counters.too_old += 1;
            self.refuse(now);
            return Verdict::Refused;
        }
        if at > if self.all { reached } else { next } {
            if now - came < self.config.reach {
                return Verdict::Wait;
            }
            self.counters.ahead += 1;
            self.refuse(now);
            return Verdict::Refused;
        }
        for (loading, since) in self.loading.iter_mut().zip(&self.since) {
            *loading = since.is_some();
        }
        if let Phase::Arrived(snapshot, _) = core::mem::replace(&mut self.phase, Phase::Idle) {
            self.phase = Phase::Loading(snapshot, 0);
        }
        // What the snapshot has already.
        while self.kept.first().is_some_and(|(sequence, _)| sequence < at) {
            self.kept.release();
        }
        Verdict::Load(at)
    }

    fn refuse(&mut self, now: Nanos) {
        if let Phase::Arrived(snapshot, _) | Phase::Loading(snapshot, _) =
            core::mem::replace(&mut self.phase, Phase::Idle)
        {
            self.spent = Some(snapshot);
        }
        self.again(now);
    }

    /// The part that is due; [`Self::advance`] goes on behind it. `None` while nothing is loaded.
    pub fn piece(&self) -> Option<Piece<'_>> {
        let Phase::Loading(snapshot, cursor) = &self.phase else { return None };
        let Some(index) = cursor.checked_sub(1) else { return Some(Piece::Begin(snapshot.next_sequence())) };
        if index < snapshot.len() {
            return snapshot.message(index).map(Piece::Snapshot);
        }
        Some(self.kept.first().map_or(Piece::End, |(sequence, bytes)| Piece::Kept(sequence, bytes)))
    }

    /// The part that [`Self::piece`] gave was carried out.
    pub fn advance(&mut self) {
        let Phase::Loading(snapshot, cursor) = &mut self.phase else { return };
        if *cursor <= snapshot.len() {
            *cursor += 1;
        } else {
            self.kept.release();
        }
    }

    /// Gives up what is being loaded. The books stay lost, their messages are kept from `next` on.
    pub fn abandon(&mut self, next: u64, now: Nanos) {
        self.counters.failed += 1;
        self.kept.clear();
        self.since.iter_mut().flatten().for_each(|since| *since = next);
        self.refuse(now);
    }

    /// The books that were loaded are whole up to `next`; books that were lost meanwhile are asked for again. Returns how
    /// long the books were lost.
    pub fn finish(&mut self, next: u64, now: Nanos) -> Nanos {
        let Phase::Loading(..) = self.phase else { return Nanos::ZERO };
        self.kept.clear();
        self.all = false;
        for (since, loaded) in self.since.iter_mut().zip(self.loading.iter_mut()) {
            match core::mem::take(loaded) {
                true => *since = None,
                false => *since = since.map(|_| next),
            }
        }
        if let Phase::Loading(snapshot, _) = core::mem::replace(&mut self.phase, Phase::Idle) {
            self.spent = Some(snapshot);
        }
        let took = now - self.began;
        self.counters.restored += 1;
        self.counters.last = took;
        self.counters.longest = self.counters.longest.max(took);
        if self.since.iter().any(Option::is_some) {
            // A snapshot that cannot be used for one book may not be usable a moment later either.
            self.again(now);
        } else {
            self.pause = self.config.retry;
        }
        took
    }
}

#[cfg(test)]
mod tests;
