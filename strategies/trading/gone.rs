//! Own orders that left lately, whose leaving the market data may not have shown yet.
//!
//! Until it does, the book shows them among others' orders, and no quote may be computed from one of our own. How many can
//! be on their way at once depends on how many were open: the list is as long as a mass cancel of all of them needs, each
//! with the order that it replaced.

use serde::{Deserialize, Serialize};

/// The least that is remembered.
const LEAST: usize = 4;
/// Numbers for which memory is reserved; more are remembered where more orders were open.
const RESERVED: usize = 64;

/// The venue's numbers of own orders of one instrument that left lately, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gone {
    numbers: Vec<u64>,
    /// The most that are remembered.
    room: usize,
}

impl Gone {
    pub(super) fn new() -> Self {
        let mut gone = Self { numbers: Vec::new(), room: LEAST };
        gone.reserve();
        gone
    }

    /// What was read from a snapshot has only the room that it needs.
    pub(super) fn reserve(&mut self) {
        self.numbers.reserve(RESERVED.saturating_sub(self.numbers.len()));
    }

    /// Remembers a number while `open` other orders of the instrument are open.
    pub(super) fn note(&mut self, number: u64, open: u32) {
        if self.contains(number) {
            return;
        }
        let at_once = usize::try_from(open).unwrap_or(usize::MAX).saturating_add(1);
        self.room = self.room.max(at_once.saturating_mul(2));
        self.numbers.truncate(self.room - 1);
        self.numbers.insert(0, number);
    }

    #[inline]
    pub(super) fn contains(&self, number: u64) -> bool {
        self.numbers.contains(&number)
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.numbers.iter().copied()
    }

    pub(super) fn clear(&mut self) {
        self.numbers.clear();
    }
}
