//! Remembers what passed the gate lately, so that the same order again is seen.

use serde::{Deserialize, Serialize};

use super::Intent;
use crate::kernel::{InstrumentId, Nanos, Side, Ticks};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    at: Nanos,
    instrument: InstrumentId,
    side: Side,
    price: Ticks,
    qty: u32,
}

/// The last intents that passed, oldest overwritten first. Its size is the most that can pass within the window, so
/// that nothing within the window is ever forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DuplicateGuard {
    entries: Vec<Option<Entry>>,
    next: usize,
}

impl DuplicateGuard {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: vec![None; capacity.max(1)], next: 0 }
    }

    /// Bytes that [`Self::new`] takes.
    pub(super) fn bytes(capacity: usize) -> usize {
        capacity.max(1).saturating_mul(size_of::<Option<Entry>>())
    }

    pub(super) fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// How often this side, price and size passed in the window before now. O(intents in the window).
    pub(super) fn count(&self, now: Nanos, window: Nanos, intent: &Intent) -> i64 {
        let (before, after) = self.entries.split_at_checked(self.next).unwrap_or((&[], &self.entries));
        let newest_first = before.iter().rev().chain(after.iter().rev());
        let recent = newest_first
            .map_while(Option::as_ref)
            .take_while(|entry| now.0.saturating_sub(entry.at.0) < window.0);
        let same = recent.filter(|entry| {
            entry.instrument == intent.instrument
                && entry.side == intent.side
                && entry.price == intent.price
                && entry.qty == intent.qty
        });
        i64::try_from(same.count()).unwrap_or(i64::MAX)
    }

    pub(super) fn remember(&mut self, now: Nanos, intent: &Intent) {
        if let Some(entry) = self.entries.get_mut(self.next) {
            *entry = Some(Entry {
                at: now,
                instrument: intent.instrument,
                side: intent.side,
                price: intent.price,
                qty: intent.qty,
            });
        }
        self.next = if self.next + 1 < self.entries.len() { self.next + 1 } else { 0 };
    }
}
