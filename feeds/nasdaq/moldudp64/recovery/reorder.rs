//! Packets that lie ahead of a hole, ordered by sequence, in slots reserved at the start.

use pricewright_core::kernel::Nanos;

use super::Arrival;

/// Where a held packet belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Sequence of its first message.
    pub(super) first: u64,
    /// The sequence after its last message.
    pub(super) end: u64,
    /// The line that brought it.
    pub(super) line: u16,
    /// When it came.
    pub(super) arrival: Arrival,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    place: Place,
    slot: usize,
    len: usize,
}

/// A bounded set of packets. Inserting costs O(held); the buffer is empty while nothing is missing.
#[derive(Clone, Debug)]
pub(super) struct ReorderBuffer {
    slots: Box<[u8]>,
    slot_len: usize,
    free: Vec<usize>,
    /// In order of the first sequence.
    held: Vec<Held>,
}

/// A range of sequences that is neither delivered nor held, and when that showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) shown: Nanos,
}

impl ReorderBuffer {
    pub(super) fn new(packets: usize, slot_len: usize) -> Self {
        #[expect(
            clippy::slow_vector_initialization,
            reason = "written, so that the first gap takes no page fault"
        )]
        let mut slots = Vec::with_capacity(packets * slot_len);
        slots.resize(packets * slot_len, 0);
        Self {
            slots: slots.into_boxed_slice(),
            slot_len,
            free: (0..packets).rev().collect(),
            held: Vec::with_capacity(packets),
        }
    }

    pub(super) fn clear(&mut self) {
        while !self.held.is_empty() {
            self.release(0);
        }
    }

    /// True where one held packet has all of `first..end`.
    pub(super) fn covers(&self, first: u64, end: u64) -> bool {
        self.held.iter().any(|held| held.place.first <= first && end <= held.place.end)
    }

    /// Holds a packet. Where there is no slot left, the packet that lies furthest ahead gives way; false where a packet
    /// was lost by that, or this one is too long for a slot.
    pub(super) fn insert(&mut self, place: Place, bytes: &[u8]) -> bool {
        if bytes.len() > self.slot_len {
            return false;
        }
        let mut lossless = true;
        if self.free.is_empty() {
            lossless = false;
            match self.held.last() {
                Some(last) if last.place.first > place.first => self.release(self.held.len() - 1),
                _ => return false,
            }
        }
        let Some(slot) = self.free.pop() else { return false };
        if let Some(room) =
            self.slots.get_mut(slot * self.slot_len..).and_then(|room| room.get_mut(..bytes.len()))
        {
            room.copy_from_slice(bytes);
        }
        let index = self.held.partition_point(|held| held.place.first <= place.first);
        self.held.insert(index, Held { place, slot, len: bytes.len() });
        lossless
    }

    /// The index of a held packet that begins at or before `sequence`: the first one, or none.
    pub(super) fn first_at_or_before(&self, sequence: u64) -> Option<usize> {
        self.held.first().filter(|held| held.place.first <= sequence).map(|_| 0)
    }

    pub(super) fn get(&self, index: usize) -> Option<(Place, &[u8])> {
        let held = self.held.get(index)?;
        let bytes = self.slots.get(held.slot * self.slot_len..)?.get(..held.len)?;
        Some((held.place, bytes))
    }

    pub(super) fn release(&mut self, index: usize) {
        if index < self.held.len() {
            self.free.push(self.held.remove(index).slot);
        }
    }

    /// Forgets packets that hold nothing from `sequence` on.
    pub(super) fn release_before(&mut self, sequence: u64) {
        while let Some(index) = self.held.iter().position(|held| held.place.end <= sequence) {
            self.release(index);
        }
    }

    /// Forgets packets that reach beyond `sequence`.
    pub(super) fn release_from(&mut self, sequence: u64) {
        while let Some(index) = self.held.iter().position(|held| held.place.end > sequence) {
            self.release(index);
        }
    }

    /// The first hole in `from..to`. `to_shown` is when `to` became known.
    pub(super) fn hole(&self, from: u64, to: u64, to_shown: Nanos) -> Option<Hole> {
        let mut cursor = from;
        for held in &self.held {
            if cursor >= to {
                return None;
            }
            if held.place.first > cursor {
                let end = held.place.first.min(to);
                return Some(Hole { first: cursor, end, shown: held.place.arrival.received });
            }
            cursor = cursor.max(held.place.end);
        }
        (cursor < to).then_some(Hole { first: cursor, end: to, shown: to_shown })
    }

    /// How many sequences of `from..to` are not held.
    pub(super) fn missing(&self, from: u64, to: u64) -> u64 {
        let mut missing = 0;
        let mut cursor = from;
        while let Some(hole) = self.hole(cursor, to, Nanos::ZERO) {
            missing += hole.end - hole.first;
            cursor = hole.end;
        }
        missing
    }
}
