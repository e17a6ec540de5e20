//! From a key to a slot: open addressing over cache lines of eight entries.
//!
//! An entry is the key's 32-bit hash beside the slot, so that growing and deleting never look at the slots' owners; the
//! caller compares the key itself, in the slot it is about to read anyway. Venues number orders upward, so eight
//! neighbouring numbers share one line (their group is hashed, not they), each at the place that its last three bits name
//! while that is free: adding orders misses the cache once in eight, and finding one mostly looks at one entry.
//!
//! A key lies in its own line, or in a later one where all lines between were full. So a search ends at the first line
//! that is not full, and only taking a key out of a full line has to look for one that belongs there: there are no
//! tombstones. At most half of the entries are used.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

/// Entries of one cache line.
const LINE: usize = 8;
const LINE_BITS: u32 = 3;
/// Bits of a hash that name the line.
const GROUP_BITS: u32 = 32 - LINE_BITS;
/// No slot has this number: it marks the free entries. (Not zero: an allocator hands out zero pages that cost a page
/// fault at first use, which belongs to start-up.)
const FREE_SLOT: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line {
    hashes: [u32; LINE],
    slots: [u32; LINE],
}

const FREE: Line = Line { hashes: [u32::MAX; LINE], slots: [FREE_SLOT; LINE] };

impl Line {
    /// Where the hash is, if its slot is the one looked for.
    #[inline]
    fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<(usize, u32)> {
        let at = place_of(hash);
        let fits = |at: usize| {
            let slot = *self.slots.get(at)?;
            (self.hashes.get(at) == Some(&hash) && slot != FREE_SLOT && is_it(slot)).then_some((at, slot))
        };
        if let Some(found) = fits(at) {
            return Some(found);
        }
        // Asked of all at once, without branches: mostly there is none.
        if !self.hashes.iter().fold(false, |found, other| found | (*other == hash)) {
            return None;
        }
        (0..LINE).find_map(fits)
    }

    /// A free entry: the hash's own where it is free.
    #[inline]
    fn free(&self, hash: u32) -> Option<usize> {
        let at = place_of(hash);
        if self.slots.get(at) == Some(&FREE_SLOT) {
            return Some(at);
        }
        self.slots.iter().position(|slot| *slot == FREE_SLOT)
    }

    #[inline]
    fn is_full(&self) -> bool {
        !self.slots.iter().fold(false, |free, slot| free | (*slot == FREE_SLOT))
    }
}

/// The entry of its line that a hash prefers.
#[inline]
fn place_of(hash: u32) -> usize {
    hash as usize & (LINE - 1)
}

/// An entry's place, good until the next insertion or removal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    line: usize,
    at: usize,
}

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

    /// Bytes that [`Self::with_capacity`] takes.
    pub(crate) fn bytes(keys: usize) -> usize {
        lines_for(keys).saturating_mul(size_of::<Line>())
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
        for line in &old {
            for (hash, slot) in line.hashes.iter().zip(&line.slots).filter(|(_, slot)| **slot != FREE_SLOT) {
                let place = self.vacant(self.home(*hash), *hash);
                self.set(place, *hash, *slot);
            }
        }
    }

    /// Looks for the key with this hash; `is_it` compares the key that a slot holds.
    #[inline]
    pub(crate) fn probe(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Probe {
        let mut at = self.home(hash);
        while let Some(line) = self.lines.get(at) {
            if let Some((place, slot)) = line.find(hash, &is_it) {
                return Probe::Found(Place { line: at, at: place }, slot);
            }
            if let Some(place) = line.free(hash) {
                return Probe::Vacant(Place { line: at, at: place });
            }
            at = self.after(at);
        }
        // Not reached: `home` and `after` name lines that are there. `insert` does nothing here.
        Probe::Vacant(Place { line: at, at: LINE })
    }

    /// Reads the entry where a key with this hash mostly lies, for reading ahead.
    #[inline]
    pub(crate) fn touch(&self, hash: u32) -> u32 {
        self.lines
            .get(self.home(hash))
            .and_then(|line| line.slots.get(place_of(hash)))
            .map_or(0, |slot| *slot)
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
        self.set(place, hash, slot);
        self.len += 1;
    }

    /// Takes out the entry at a place that was found.
    #[inline]
    pub(crate) fn remove(&mut self, place: Place) {
        self.len -= 1;
        let Some(line) = self.lines.get_mut(place.line) else { return };
        let was_full = line.is_full();
        if let Some(slot) = line.slots.get_mut(place.at) {
            *slot = FREE_SLOT;
        }
        if was_full {
            self.fill(place);
        }
    }

    /// Fills a hole in a line that was full with a key that was kept out of it, where there is one: until the first line
    /// that was not full, from where no key was kept out.
    #[cold]
    fn fill(&mut self, mut hole: Place) {
        let mut at = hole.line;
        loop {
            at = self.after(at);
            let Some(line) = self.lines.get(at) else { return };
            let was_full = line.is_full();
            let kept_out = |hash: u32| self.distance(self.home(hash), at) >= self.distance(hole.line, at);
            let entries = line.hashes.iter().zip(&line.slots).enumerate();
            let mut found = entries.filter(|(_, (hash, slot))| **slot != FREE_SLOT && kept_out(**hash));
            if let Some((place, (hash, slot))) = found.next() {
                let (hash, slot) = (*hash, *slot);
                self.set(hole, hash, slot);
                hole = Place { line: at, at: place };
                self.set(hole, hash, FREE_SLOT);
            }
            if !was_full {
                return;
            }
        }
    }

    /// The line where a key with this hash lies if nothing is in the way.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        // 29 bits times a number of lines that fits in memory: nothing is lost by wrapping, here and below.
        (u64::from(hash >> LINE_BITS).wrapping_mul(self.lines.len() as u64) >> GROUP_BITS) as usize
    }

    /// The first free entry for this hash from a line on. There always is one: at most half of the entries are used.
    fn vacant(&self, from: usize, hash: u32) -> Place {
        let mut at = from;
        loop {
            match self.lines.get(at).map(|line| line.free(hash)) {
                Some(None) => at = self.after(at),
                Some(Some(place)) => return Place { line: at, at: place },
                None => return Place { line: at, at: LINE },
            }
        }
    }

    /// The next line; the first follows the last.
    #[inline]
    fn after(&self, line: usize) -> usize {
        let next = line.wrapping_add(1);
        if next < self.lines.len() { next } else { 0 }
    }

    /// Steps from one line on to another.
    #[inline]
    fn distance(&self, from: usize, to: usize) -> usize {
        let steps = to.wrapping_sub(from);
        if to < from { steps.wrapping_add(self.lines.len()) } else { steps }
    }

    #[inline]
    fn set(&mut self, place: Place, hash: u32, slot: u32) {
        let Some(line) = self.lines.get_mut(place.line) else { return };
        if let (Some(hash_there), Some(slot_there)) =
            (line.hashes.get_mut(place.at), line.slots.get_mut(place.at))
        {
            (*hash_there, *slot_there) = (hash, slot);
        }
    }
}

fn lines_for(keys: usize) -> usize {
    keys.max(LINE).saturating_mul(2).div_ceil(LINE)
}

#[cfg(test)]
mod tests;
