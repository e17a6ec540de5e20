//! What the edges of a shop know of themselves, for `/health` and for each other: counters that one thread writes and another
//! reads, whenever it likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How a shop does. Every value stands for itself: relaxed loads and stores are enough.
#[derive(Debug)]
pub struct Vitals {
    start: Instant,
    clients: AtomicU64,
    most_clients: AtomicU64,
    /// Clients wait for a place.
    full: AtomicBool,
    storage_low: AtomicBool,
    frozen: AtomicBool,
    /// Since when there has been no room for another line, in ms from `start` plus one; 0 where there is room.
    no_room_since: AtomicU64,
}

/// How long there must have been no room for lines before that is said: a burst may fill a ring for a moment.
const NO_ROOM: Duration = Duration::from_secs(1);

impl Default for Vitals {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            clients: AtomicU64::default(),
            most_clients: AtomicU64::default(),
            full: AtomicBool::default(),
            storage_low: AtomicBool::default(),
            frozen: AtomicBool::default(),
            no_room_since: AtomicU64::default(),
        }
    }
}

impl Vitals {
    /// How many clients are connected, of how many.
    pub fn set_clients(&self, clients: usize, most: usize) {
        self.clients.store(clients as u64, Ordering::Relaxed);
        self.most_clients.store(most as u64, Ordering::Relaxed);
    }

    /// Clients that are connected, and the most there may be.
    pub fn clients(&self) -> (u64, u64) {
        (self.clients.load(Ordering::Relaxed), self.most_clients.load(Ordering::Relaxed))
    }

    /// Whether clients wait because all places are taken. Returns what was said before.
    pub fn set_full(&self, full: bool) -> bool {
        self.full.swap(full, Ordering::Relaxed)
    }

    /// True while clients wait because all places are taken.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Whether the journal's disk is short of room.
    pub fn set_storage_low(&self, low: bool) {
        self.storage_low.store(low, Ordering::Relaxed);
    }

    /// True while the journal's disk is short of room.
    pub fn is_storage_low(&self) -> bool {
        self.storage_low.load(Ordering::Relaxed)
    }

    /// Whether an operator holds the prices.
    pub fn set_frozen(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
    }

    /// True while an operator holds the prices.
    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    /// Whether another line can be taken now.
    pub fn set_room(&self, room: bool) {
        let known = self.no_room_since.load(Ordering::Relaxed);
        if room && known != 0 {
            self.no_room_since.store(0, Ordering::Relaxed);
        } else if !room && known == 0 {
            self.no_room_since.store(ms_since(self.start), Ordering::Relaxed);
        }
    }

    /// Of a shop that has been open for a while and has had no room for another line since.
    #[cfg(test)]
    pub(super) fn stuck() -> Self {
        let start = Instant::now().checked_sub(NO_ROOM * 2).unwrap_or_else(Instant::now);
        Self { start, no_room_since: AtomicU64::new(1), ..Self::default() }
    }

    /// True where no line could be taken for a second: the journal has no room.
    pub fn is_stuck(&self) -> bool {
        let since = self.no_room_since.load(Ordering::Relaxed);
        since > 0 && Duration::from_millis(ms_since(self.start).saturating_sub(since)) >= NO_ROOM
    }
}

/// Never 0.
fn ms_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
}

/// Whether a client is sending, for whoever answers it: bytes that a client has not read when it closes make its kernel throw
/// away what it had still to send, so that nothing is put there while lines come. Only what a look at the connection has
/// found counts: one that is not looked at, because others keep its reader busy, is not quiet, nor is one that just came.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    /// The first look since lines came that found nothing, in ms from `start` plus one; 0 where there was none.
    dry_from: AtomicU64,
    /// The last such look.
    dry_until: AtomicU64,
}

impl Default for Shared {
    fn default() -> Self {
        Self { start: Instant::now(), dry_from: AtomicU64::new(0), dry_until: AtomicU64::new(0) }
    }
}

impl Talk {
    /// Bytes came.
    pub fn came(&self) {
        self.shared.dry_from.store(0, Ordering::Release);
    }

    /// There was nothing to receive.
    pub fn is_dry(&self) {
        let now = ms_since(self.shared.start);
        self.shared.dry_until.store(now, Ordering::Relaxed);
        if self.shared.dry_from.load(Ordering::Relaxed) == 0 {
            self.shared.dry_from.store(now, Ordering::Release);
        }
    }

    /// True where looks over a time of `pause` have found nothing to receive, the last one among them; always where `pause`
    /// is zero.
    pub fn is_quiet(&self, pause: Duration) -> bool {
        let from = self.shared.dry_from.load(Ordering::Acquire);
        let until = self.shared.dry_until.load(Ordering::Relaxed);
        pause.is_zero() || (from > 0 && Duration::from_millis(until.saturating_sub(from)) >= pause)
    }
}

#[cfg(test)]
mod tests;
