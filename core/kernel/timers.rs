//! The timer queue of a machine: few, keyed, ordered by (deadline, request).
//!
//! It is part of the machine's state: the snapshot holds it, and replay checks that every journalled timer event is the
//! one that was due. Millions of time-outs use a wheel inside the machine behind one timer, not a timer each.

use serde::{Deserialize, Serialize};

use super::table::Timer;
use super::units::Nanos;

/// The most timers armed at once.
pub const MAX_TIMERS: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Armed {
    deadline: Nanos,
    request: u64,
    key: u32,
}

/// Armed timers, the next one last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerQueue {
    armed: Vec<Armed>,
    requests: u64,
}

impl Default for TimerQueue {
    fn default() -> Self {
        Self { armed: Vec::with_capacity(MAX_TIMERS), requests: 0 }
    }
}

impl TimerQueue {
    /// True where it is one that this queue's own methods could have made: what a snapshot says is counted on from.
    pub(super) fn is_possible(&self) -> bool {
        let falling = self.armed.is_sorted_by(|a, b| (a.deadline, a.request) > (b.deadline, b.request));
        falling && self.armed.len() <= MAX_TIMERS && self.requests <= 1 << 62
    }

    /// With the room that a new queue has: what was read from a snapshot has only what it needs.
    pub(super) fn reserved(mut self) -> Self {
        self.armed.reserve_exact(MAX_TIMERS.saturating_sub(self.armed.len()));
        self
    }

    /// Arms `key` at `deadline`, replacing it where it was armed. O(n) in the armed timers.
    ///
    /// # Panics
    /// Where more than [`MAX_TIMERS`] would be armed: a bug of the machine.
    pub fn arm(&mut self, key: u32, deadline: Nanos) {
        self.disarm(key);
        assert!(self.armed.len() < MAX_TIMERS, "more than {MAX_TIMERS} timers armed");
        self.requests += 1;
        let timer = Armed { deadline, request: self.requests, key };
        let at = self
            .armed
            .partition_point(|other| (other.deadline, other.request) > (timer.deadline, timer.request));
        self.armed.insert(at, timer);
    }

    /// Disarms `key`. Returns whether it was armed.
    pub fn disarm(&mut self, key: u32) -> bool {
        match self.armed.iter().position(|timer| timer.key == key) {
            Some(at) => {
                self.armed.remove(at);
                true
            }
            None => false,
        }
    }

    /// The next timer as the event it will be.
    #[inline]
    pub fn next(&self) -> Option<Timer> {
        self.armed.last().map(|timer| Timer {
            deadline: timer.deadline,
            request: timer.request,
            key: timer.key,
            spare: 0,
            spare2: 0,
        })
    }

    /// The next timer where its deadline is not after `now`.
    #[inline]
    pub fn due(&self, now: Nanos) -> Option<Timer> {
        self.next().filter(|timer| timer.deadline <= now)
    }

    /// Removes the next timer.
    pub fn pop(&mut self) -> Option<Timer> {
        let timer = self.next();
        self.armed.pop();
        timer
    }

    /// Takes the room that a fresh queue has, which a snapshot does not carry.
    pub(super) fn reserve(&mut self) {
        self.armed.reserve_exact(MAX_TIMERS.saturating_sub(self.armed.len()));
    }

    /// How many are armed.
    pub fn len(&self) -> usize {
        self.armed.len()
    }

    /// True where none is armed.
    pub fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }
}
