//! From a key to a slot: open addressing over cache lines of eight entries.
//!
//! An entry is the key's 32-bit hash beside the slot, so that growing and deleting never look at the slots' owners; the
//! caller compares the key itself, in the slot it is about to read anyway. Venues number orders upward, so eight
//! neighbouring numbers share one line (their group is hashed, not they): adding orders misses the cache once in eight.
//! At most half of the entries are used; deletion shifts back what follows, so there are no tombstones.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

/// Entries of one cache line.
const LINE: usize = 8;
const LINE_BITS: u32 = 3;
/// Bits of a hash that name the line.
const GROUP_BITS: u32 = 32 - LINE_BITS;
/// No slot has this number, and no entry this value: it marks the free ones. (Not zero: an allocator hands out zero
/// pages that cost a page fault at first use, which belongs to start-up.)
const EMPTY: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([u64; LINE]);

const FREE: Line = Line([EMPTY; LINE]);

/// An entry's place, good until the next insertion or removal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(usize);

/// What [`SlotIndex::probe`] found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Probe {
    /// The key's entry.
    Found(Place, u32),
    /// Where the key's entry would go.
    Vacant(Place),
}

/// The index.
#[derive(Clone, Debug)]
pub(crate) struct SlotIndex {
    lines: Vec<Line>,
    len: usize,
    growths: u64,
}

/// The hash of a key. `salt` keeps apart keys of different owners.
#[inline]
pub(crate) fn hash_of(key: u64, salt: u32) -> u32 {
    // Two rounds of multiply and fold (constants: golden ratio, and Stafford's variant 13 of the murmur3 finaliser).
    let group = (key >> LINE_BITS) ^ (u64::from(salt) << 32);
    let mixed = (group ^ (group >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let top = (mixed >> 32) as u32;
    (top & !(LINE as u32 - 1)) | (key & (LINE as u64 - 1)) as u32
}

impl SlotIndex {
    /// Room for `keys` keys before it grows; all of it is touched now.
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self { lines: vec![FREE; lines_for(keys)], len: 0, growths: 0 }
    }

    fn entries(&self) -> usize {
        self.lines.len() << LINE_BITS
    }

    /// Keys in it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How often it grew beyond its first capacity.
    pub(crate) fn growths(&self) -> u64 {
        self.growths
    }

    /// Makes sure that one more key fits: a later insertion at a vacant place is then sound.
    #[inline]
    pub(crate) fn reserve(&mut self) {
        if (self.len + 1) * 2 > self.entries() {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let doubled = vec![FREE; self.lines.len() * 2];
        let old = core::mem::replace(&mut self.lines, doubled);
        self.growths += 1;
        for entry in old.iter().flat_map(|line| line.0).filter(|entry| *entry != EMPTY) {
            let mut at = self.home(hash_in(entry));
            while self.entry(at) != EMPTY {
                at = self.after(at);
            }
            self.set(at, entry);
        }
    }

    /// Looks for the key with this hash; `is_it` compares the key that a slot holds.
    #[inline]
    pub(crate) fn probe(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Probe {
        let mut at = self.home(hash);
        loop {
            let entry = self.entry(at);
            if entry == EMPTY {
                return Probe::Vacant(Place(at));
            }
            if hash_in(entry) == hash && is_it(slot_in(entry)) {
                return Probe::Found(Place(at), slot_in(entry));
            }
            at = self.after(at);
        }
    }

    /// The slot of the first key with this hash, unchecked: for reading ahead, without a look at the slot.
    #[inline]
    pub(crate) fn peek(&self, hash: u32) -> Option<u32> {
        self.find(hash, |_| true).map(|(_, slot)| slot)
    }

    /// The slot of the key with this hash, and its place.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<(Place, u32)> {
        match self.probe(hash, is_it) {
            Probe::Found(place, slot) => Some((place, slot)),
            Probe::Vacant(_) => None,
        }
    }

    /// Puts a key's slot at the vacant place that [`Self::probe`] gave after [`Self::reserve`].
    #[inline]
    pub(crate) fn insert(&mut self, place: Place, hash: u32, slot: u32) {
        self.set(place.0, u64::from(hash) << 32 | u64::from(slot));
        self.len += 1;
    }

    /// Takes out the entry at a place that was found.
    #[inline]
    pub(crate) fn remove(&mut self, place: Place) {
        let mut hole = place.0;
        let mut at = hole;
        loop {
            at = self.after(at);
            let entry = self.entry(at);
            if entry == EMPTY {
                break;
            }
            if self.distance(self.home(hash_in(entry)), at) >= self.distance(hole, at) {
                self.set(hole, entry);
                hole = at;
            }
        }
        self.set(hole, EMPTY);
        self.len -= 1;
    }

    /// Where a key with this hash lies if nothing is in the way.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        // 29 bits times a number of lines that fits in memory: nothing is lost by wrapping, here and below.
        let line = u64::from(hash >> LINE_BITS).wrapping_mul(self.lines.len() as u64) >> GROUP_BITS;
        (line as usize) << LINE_BITS | (hash as usize & (LINE - 1))
    }

    /// The next place; the first follows the last.
    #[inline]
    fn after(&self, at: usize) -> usize {
        let next = at.wrapping_add(1);
        if next < self.entries() { next } else { 0 }
    }

    /// Steps from one place on to another.
    #[inline]
    fn distance(&self, from: usize, to: usize) -> usize {
        let steps = to.wrapping_sub(from);
        if to < from { steps.wrapping_add(self.entries()) } else { steps }
    }

    #[inline]
    fn entry(&self, at: usize) -> u64 {
        self.lines.get(at / LINE).and_then(|line| line.0.get(at % LINE)).copied().unwrap_or(EMPTY)
    }

    #[inline]
    fn set(&mut self, at: usize, entry: u64) {
        if let Some(place) = self.lines.get_mut(at / LINE).and_then(|line| line.0.get_mut(at % LINE)) {
            *place = entry;
        }
    }
}

fn lines_for(keys: usize) -> usize {
    (keys.max(LINE) * 2).div_ceil(LINE)
}

#[inline]
fn hash_in(entry: u64) -> u32 {
    (entry >> 32) as u32
}

#[inline]
fn slot_in(entry: u64) -> u32 {
    entry as u32
}

#[cfg(test)]
mod tests;
