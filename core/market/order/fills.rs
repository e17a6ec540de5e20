//! The log of fills: knows a repeated fill again, and finds the one that a venue breaks.

use serde::{Deserialize, Serialize};

use super::contradiction::Contradiction;
use crate::kernel::{InstrumentId, Liquidity, Side, Ticks};

/// A fill as it was booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedFill {
    /// Our order number.
    pub client: u64,
    /// The venue's number of the match.
    pub match_number: u64,
    /// Price.
    pub price: Ticks,
    /// Lots.
    pub qty: u32,
    /// Instrument.
    pub instrument: InstrumentId,
    /// Our side.
    pub side: Side,
    /// Made or took.
    pub liquidity: Liquidity,
}

/// What a fill did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillOutcome {
    /// To be booked.
    pub fill: BookedFill,
    /// Lots beyond what the order asked for; 0 unless the venue contradicts itself.
    pub excess: u32,
    /// What else it contradicts.
    pub contradiction: Option<Contradiction>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    fill: BookedFill,
    /// The order's fill before this one: its number in the log; 0 for none.
    previous: u64,
    broken: bool,
}

/// The last fills of all orders. Numbered from 1; each order's fills are chained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FillLog {
    entries: Vec<Option<Entry>>,
    last: u64,
}

impl FillLog {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: vec![None; capacity], last: 0 }
    }

    /// Bytes that [`Self::new`] takes.
    pub(super) fn bytes(capacity: usize) -> usize {
        capacity.saturating_mul(size_of::<Option<Entry>>())
    }

    pub(super) fn capacity(&self) -> usize {
        self.entries.len()
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_rem(self.entries.len() as u64)?).ok()
    }

    /// Appends, forgetting the oldest fill where the log is full. Returns the number of the entry.
    pub(super) fn push(&mut self, fill: BookedFill, previous: u64) -> u64 {
        self.last += 1;
        if let Some(entry) = self.index(self.last).and_then(|index| self.entries.get_mut(index)) {
            *entry = Some(Entry { fill, previous, broken: false });
        }
        self.last
    }

    /// The entry of order `client` with this match number. O(fills of the order).
    pub(super) fn find(&self, from: u64, client: u64, match_number: u64) -> Option<u64> {
        let mut number = from;
        while number != 0 && self.last - number < self.entries.len() as u64 {
            let entry = self.entries.get(self.index(number)?)?.as_ref()?;
            if entry.fill.client != client {
                return None;
            }
            if entry.fill.match_number == match_number {
                return Some(number);
            }
            number = entry.previous;
        }
        None
    }

    /// The entry of order `client` with this match number, wherever it is in the log. O(log).
    pub(super) fn of(&self, client: u64, match_number: u64) -> Option<u64> {
        self.matching(match_number).find(|(_, fill)| fill.client == client).map(|(number, _)| number)
    }

    /// As [`Self::of`], or else the only entry with that match number: where the venue names another order of the chain.
    /// `None` where none or several fit. O(log).
    pub(super) fn search(&self, client: u64, match_number: u64) -> Option<u64> {
        let mut found = self.matching(match_number).map(|(number, _)| number);
        let only = found.next().filter(|_| found.next().is_none());
        self.of(client, match_number).or(only)
    }

    /// The fill with this number in the log, and whether it was broken.
    pub(super) fn entry(&self, number: u64) -> Option<(BookedFill, bool)> {
        let entry = self.entries.get(self.index(number)?)?.as_ref()?;
        Some((entry.fill, entry.broken))
    }

    /// Fills were forgotten.
    pub(super) fn has_forgotten(&self) -> bool {
        self.last > self.entries.len() as u64
    }

    fn matching(&self, match_number: u64) -> impl Iterator<Item = (u64, &BookedFill)> {
        let first = self.last.saturating_sub(self.entries.len() as u64) + 1;
        (first..=self.last).filter_map(move |number| {
            let entry = self.entries.get(self.index(number)?)?.as_ref()?;
            (entry.fill.match_number == match_number).then_some((number, &entry.fill))
        })
    }

    /// Marks the entry as broken. `None` where it was before.
    pub(super) fn break_entry(&mut self, number: u64) -> Option<BookedFill> {
        let index = self.index(number)?;
        let entry = self.entries.get_mut(index)?.as_mut()?;
        if core::mem::replace(&mut entry.broken, true) {
            return None;
        }
        Some(entry.fill)
    }
}
