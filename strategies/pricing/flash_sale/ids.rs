//! The inputs that were taken, by the identity that their sender gave them: the newest of them, in memory of fixed size.
//!
//! A look-up and an insertion take constant time and allocate nothing. An identity is kept as 128 bits of BLAKE3 over the
//! source and the text: of the few million that may be kept at once, two that are not the same never meet.

use pricewright_core::kernel::{SourceId, Text, state_hash_of};
use serde::{Deserialize, Serialize};

/// Bytes of an identity's text.
const ID_LEN: usize = 64;

/// An identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Id(u128);

impl Id {
    /// The identity `text` of an input of `source`.
    pub(super) fn new(source: SourceId, text: &Text<ID_LEN>) -> Self {
        let mut bytes = [0; ID_LEN + 2];
        let (front, back) = bytes.split_at_mut(2);
        front.copy_from_slice(&source.0.to_le_bytes());
        back.copy_from_slice(&text.0);
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(state_hash_of(&bytes)) {
            *to = from;
        }
        Self(u128::from_le_bytes(short))
    }
}

/// The newest identities: a ring of them, and a table that finds them (linear probing).
#[derive(Clone, Debug)]
pub(super) struct TakenIds {
    window: usize,
    ring: Vec<u128>,
    /// The oldest, once the ring is full.
    oldest: usize,
    /// A place in the ring plus one; 0 is free. A power of two, at least twice the window.
    slots: Vec<u32>,
}

impl TakenIds {
    /// None yet, and room for the newest `window`.
    pub(super) fn new(window: usize) -> Self {
        // Not zeros, so that the first identities meet no page fault.
        let mut slots = vec![u32::MAX; (window.max(1) * 2).next_power_of_two()];
        slots.fill(0);
        let mut ring = vec![u128::MAX; window];
        ring.clear();
        Self { window, ring, oldest: 0, slots }
    }

    /// True where this one is among the newest.
    pub(super) fn contains(&self, id: Id) -> bool {
        self.slot_of(id.0).is_some()
    }

    /// Takes one that is not among them; the oldest goes where there is no room.
    pub(super) fn insert(&mut self, id: Id) {
        if self.window == 0 {
            return;
        }
        let place = if self.ring.len() < self.window {
            self.ring.push(id.0);
            self.ring.len() - 1
        } else {
            let place = self.oldest;
            self.oldest = (place + 1) % self.window;
            self.forget(place);
            if let Some(kept) = self.ring.get_mut(place) {
                *kept = id.0;
            }
            place
        };
        let mut at = self.home(id.0);
        while self.slot(at) != 0 {
            at = self.after(at);
        }
        self.set(at, u32::try_from(place + 1).unwrap_or(0));
    }

    /// All of them, the oldest first.
    pub(super) fn in_order(&self) -> impl Iterator<Item = u128> + '_ {
        let (newer, older) = self.ring.split_at_checked(self.oldest).unwrap_or((&self.ring, &[]));
        older.iter().chain(newer).copied()
    }

    /// Takes back what [`Self::in_order`] gave; where there is less room now, the newest of them.
    pub(super) fn restore(&mut self, ids: &[u128]) {
        let kept = ids.get(ids.len().saturating_sub(self.window)..).unwrap_or(ids);
        kept.iter().for_each(|id| self.insert(Id(*id)));
    }

    /// Frees the slot of the identity at `place` of the ring, and moves up what was put behind it for want of room.
    fn forget(&mut self, place: usize) {
        let Some(mut free) = self.ring.get(place).and_then(|id| self.slot_of(*id)) else { return };
        let mut at = free;
        loop {
            at = self.after(at);
            let held = self.slot(at);
            if held == 0 {
                break;
            }
            let home = self.ring.get(held as usize - 1).map_or(at, |id| self.home(*id));
            // It may move where its home does not lie behind the free slot, on the way round to where it stands.
            let mask = self.slots.len() - 1;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(free) & mask) {
                self.set(free, held);
                free = at;
            }
        }
        self.set(free, 0);
    }

    fn slot_of(&self, id: u128) -> Option<usize> {
        let mut at = self.home(id);
        loop {
            match self.slot(at) {
                0 => return None,
                held if self.ring.get(held as usize - 1) == Some(&id) => return Some(at),
                _ => at = self.after(at),
            }
        }
    }

    fn home(&self, id: u128) -> usize {
        id as usize & (self.slots.len() - 1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    fn slot(&self, at: usize) -> u32 {
        self.slots.get(at).copied().unwrap_or(0)
    }

    fn set(&mut self, at: usize, held: u32) {
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = held;
        }
    }
}

#[cfg(test)]
mod tests;
