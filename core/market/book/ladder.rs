//! The sparse levels of one side: a sorted map from price to a small value, the best at the end.
//!
//! Keys lie in chunks of [`CHUNK`]; a short sorted list of runs says which chunk begins where. The best key and the best
//! run lie in the ladder itself, one cache line: a book of a few dozen levels is that line and one chunk. Inserting moves
//! at most one chunk's worth of keys and, once in many insertions, the list of runs; so a side of 500,000 levels costs
//! little more than one of 50. Any two neighbouring runs hold more than half a chunk together, which bounds the chunks
//! in use.
//!
//! Chunks of all ladders come from one pool, so that memory follows the levels there are, not the levels each
//! instrument might have.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::kernel::{Side, Ticks};

/// Levels of one chunk.
pub(crate) const CHUNK: usize = 32;

/// The key of a price: the better the price, the greater the key.
#[inline]
pub(crate) fn key_of(side: Side, price: Ticks) -> i64 {
    match side {
        Side::Buy => price.0,
        Side::Sell => !price.0,
    }
}

/// The price of a key.
#[inline]
pub(crate) fn price_of(side: Side, key: i64) -> Ticks {
    match side {
        Side::Buy => Ticks(key),
        Side::Sell => Ticks(!key),
    }
}

/// Keys of one cache line.
const LINE: usize = 8;
/// No chunk.
const NIL: u32 = u32::MAX;

/// Sorted keys beside their values. Unused keys are `i64::MAX`, so that a search needs no length.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Chunk<V> {
    keys: [i64; CHUNK],
    values: [V; CHUNK],
}

impl<V> Chunk<V> {
    /// How many keys are less than `key`: where it is or belongs. All lines are asked at once, and then one of them,
    /// rather than one after another as a binary search would: that is one cache miss instead of three.
    #[inline]
    fn place_of(&self, key: i64) -> usize {
        let line = usize::from(self.keys[LINE - 1] < key)
            + usize::from(self.keys[2 * LINE - 1] < key)
            + usize::from(self.keys[3 * LINE - 1] < key);
        let (lines, _) = self.keys.as_chunks::<LINE>();
        let within = lines.get(line).map_or(0, |keys| keys.iter().map(|k| usize::from(*k < key)).sum());
        line * LINE + within
    }
}

const _: () = assert!(CHUNK == 4 * LINE);

/// The chunks of many ladders.
#[derive(Clone, Debug)]
pub(crate) struct ChunkPool<V> {
    chunks: Vec<Chunk<V>>,
    free: Vec<u32>,
    unused: Chunk<V>,
    growths: u64,
}

impl<V: Copy> ChunkPool<V> {
    /// Room for `ladders` ladders of `levels` levels in all before it grows; all of it is touched now. `filler` is what
    /// unused places hold.
    pub(crate) fn with_capacity(ladders: usize, levels: usize, filler: V) -> Self {
        let unused = Chunk { keys: [i64::MAX; CHUNK], values: [filler; CHUNK] };
        let count = Self::count(ladders, levels);
        let mut chunks = vec![unused; count];
        chunks.clear();
        let mut free = vec![NIL; count];
        free.clear();
        Self { chunks, free, unused, growths: 0 }
    }

    /// Bytes that [`Self::with_capacity`] takes.
    pub(crate) fn bytes(ladders: usize, levels: usize) -> usize {
        Self::count(ladders, levels).saturating_mul(size_of::<Chunk<V>>() + size_of::<u32>())
    }

    fn count(ladders: usize, levels: usize) -> usize {
        ladders.saturating_mul(2).saturating_add(runs_for(levels))
    }

    /// How often it grew beyond its first capacity.
    pub(crate) fn growths(&self) -> u64 {
        self.growths
    }

    fn take(&mut self) -> u32 {
        if let Some(chunk) = self.free.pop() {
            return chunk;
        }
        if self.chunks.len() == self.chunks.capacity() {
            self.growths += 1;
        }
        self.chunks.push(self.unused);
        // There are fewer chunks than levels, and fewer levels than 32-bit slots.
        (self.chunks.len() - 1) as u32
    }

    fn give_back(&mut self, chunk: u32) {
        if let Some(place) = self.chunks.get_mut(chunk as usize) {
            *place = self.unused;
            self.free.push(chunk);
        }
    }

    #[inline]
    fn get(&self, chunk: u32) -> Option<&Chunk<V>> {
        self.chunks.get(chunk as usize)
    }

    #[inline]
    fn get_mut(&mut self, chunk: u32) -> Option<&mut Chunk<V>> {
        self.chunks.get_mut(chunk as usize)
    }

    /// The value of a key that lies in `chunk`, for reading ahead.
    #[inline]
    pub(super) fn value_in(&self, chunk: u32, key: i64) -> Option<V> {
        let chunk = self.get(chunk)?;
        let place = chunk.place_of(key);
        let value = chunk.values.get(place)?;
        (chunk.keys.get(place) == Some(&key)).then_some(*value)
    }

    fn pairs(&self, run: Run) -> impl DoubleEndedIterator<Item = (i64, V)> + ExactSizeIterator + '_ {
        let chunk = self.get(run.chunk).unwrap_or(&self.unused);
        let pairs = chunk.keys.iter().copied().zip(chunk.values.iter().copied());
        let unused = CHUNK.saturating_sub(run.len as usize);
        pairs.rev().skip(unused).rev()
    }
}

impl ChunkPool<u32> {
    /// Reads every line of `chunk`, for reading ahead: which of them a command needs, its keys say, and by then they are
    /// here.
    #[inline]
    pub(super) fn touch(&self, chunk: u32) -> u64 {
        let Some(chunk) = self.get(chunk) else { return 0 };
        let keys = chunk.keys.iter().step_by(LINE).fold(0, |sum, key| sum ^ key.cast_unsigned());
        let values = chunk.values.iter().step_by(2 * LINE).fold(0, |sum, value| sum ^ u64::from(*value));
        keys ^ values
    }
}

/// The most runs that `levels` levels of one ladder need: neighbours hold more than half a chunk together.
fn runs_for(levels: usize) -> usize {
    levels / (CHUNK / 4) + 1
}

/// A chunk in use: its keys are at least `low` and below the next run's `low`. The first run's `low` is `i64::MIN`.
#[derive(Clone, Copy, Debug)]
struct Run {
    low: i64,
    chunk: u32,
    len: u32,
}

impl Run {
    /// True where `key` is at `place`, not beyond the keys in use.
    #[inline]
    fn holds<V>(self, chunk: &Chunk<V>, place: usize, key: i64) -> bool {
        place < self.len as usize && chunk.keys.get(place) == Some(&key)
    }
}

/// The levels of one side.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Ladder<V> {
    /// The best key and its value, good while `levels` is not 0.
    best_key: i64,
    best: V,
    levels: u32,
    /// The run of the best keys. Empty only where the ladder is; it keeps its chunk then.
    top: Run,
    /// The other runs, worst first. Run numbers count these, then `top`.
    rest: Vec<Run>,
}

const _: () = assert!(size_of::<Ladder<u32>>() == 64);

/// What [`Ladder::find_or_insert`] did.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<V> {
    /// The key was there.
    Old(V),
    /// It is there now.
    New(V),
}

impl<V: Copy> Ladder<V> {
    /// Bytes of one that has room for `levels` levels.
    pub(crate) fn bytes(levels: usize) -> usize {
        runs_for(levels).saturating_mul(size_of::<Run>()).saturating_add(size_of::<Self>())
    }

    /// An empty ladder with room for `levels` levels before its list of runs grows.
    pub(crate) fn with_capacity(levels: usize, filler: V) -> Self {
        let top = Run { low: i64::MIN, chunk: NIL, len: 0 };
        Self { best_key: 0, best: filler, levels: 0, top, rest: Vec::with_capacity(runs_for(levels)) }
    }

    /// How many levels.
    pub(crate) fn len(&self) -> usize {
        self.levels as usize
    }

    /// The best key and its value.
    #[inline]
    pub(crate) fn best(&self) -> Option<(i64, V)> {
        (self.levels > 0).then_some((self.best_key, self.best))
    }

    /// The worst key and its value.
    pub(crate) fn worst(&self, pool: &ChunkPool<V>) -> Option<(i64, V)> {
        pool.pairs(*self.rest.first().unwrap_or(&self.top)).next()
    }

    /// The value of a key.
    #[inline]
    pub(crate) fn get(&self, pool: &ChunkPool<V>, key: i64) -> Option<V> {
        let run = self.run(self.run_of(key))?;
        let chunk = pool.get(run.chunk)?;
        let place = chunk.place_of(key);
        chunk.values.get(place).copied().filter(|_| run.holds(chunk, place, key))
    }

    /// Keys and values, best first.
    pub(crate) fn iter<'a>(&'a self, pool: &'a ChunkPool<V>) -> impl Iterator<Item = (i64, V)> + use<'a, V> {
        let runs = core::iter::once(&self.top).chain(self.rest.iter().rev());
        runs.flat_map(|run| pool.pairs(*run).rev())
    }

    /// The value of a key; where there is none, `make` gives one.
    #[inline]
    pub(crate) fn find_or_insert(
        &mut self,
        pool: &mut ChunkPool<V>,
        key: i64,
        make: impl FnOnce() -> V,
    ) -> Found<V> {
        // Most orders join the best level, whose value is at hand.
        if self.levels > 0 && key == self.best_key {
            return Found::Old(self.best);
        }
        if self.top.chunk == NIL {
            self.top.chunk = pool.take();
        }
        let at = self.run_of(key);
        let run = self.run(at).unwrap_or(self.top);
        let mut place = 0;
        if let Some(chunk) = pool.get(run.chunk) {
            place = chunk.place_of(key);
            if let (true, Some(value)) = (run.holds(chunk, place, key), chunk.values.get(place)) {
                return Found::Old(*value);
            }
        }
        let value = make();
        self.insert_at(pool, at, place, key, value);
        if self.levels == 1 || key > self.best_key {
            (self.best_key, self.best) = (key, value);
        }
        Found::New(value)
    }

    /// Sets the value of a key that is there.
    pub(crate) fn set(&mut self, pool: &mut ChunkPool<V>, key: i64, value: V) {
        let Some(run) = self.run(self.run_of(key)) else { return };
        let Some(chunk) = pool.get_mut(run.chunk) else { return };
        let place = chunk.place_of(key);
        if run.holds(chunk, place, key) {
            if let Some(old) = chunk.values.get_mut(place) {
                *old = value;
            }
            if key == self.best_key {
                self.best = value;
            }
        }
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, pool: &mut ChunkPool<V>, key: i64) -> Option<V> {
        let at = self.run_of(key);
        let run = self.run(at)?;
        let chunk = pool.get_mut(run.chunk)?;
        let place = chunk.place_of(key);
        if !run.holds(chunk, place, key) {
            return None;
        }
        let value = chunk.values.get(place).copied()?;
        let len = run.len as usize;
        close_gap(chunk.keys.get_mut(place..len)?, i64::MAX);
        close_gap(chunk.values.get_mut(place..len)?, value);
        self.run_mut(at)?.len -= 1;
        self.levels -= 1;
        if len <= CHUNK / 2 + 1 {
            self.tidy(pool, at);
        }
        if key == self.best_key {
            self.find_best(pool);
        }
        Some(value)
    }

    /// Takes everything out.
    pub(crate) fn clear(&mut self, pool: &mut ChunkPool<V>) {
        pool.give_back(self.top.chunk);
        for run in self.rest.drain(..) {
            pool.give_back(run.chunk);
        }
        self.top = Run { low: i64::MIN, chunk: NIL, len: 0 };
        self.levels = 0;
    }

    /// Reads the ladder's line, for reading ahead.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        self.best_key.cast_unsigned()
    }

    /// The chunk that a key belongs to, for reading ahead.
    #[inline]
    pub(super) fn chunk_of(&self, key: i64) -> u32 {
        self.run(self.run_of(key)).map_or(NIL, |run| run.chunk)
    }

    #[inline]
    fn find_best(&mut self, pool: &ChunkPool<V>) {
        let last = (self.top.len as usize).wrapping_sub(1);
        let Some(chunk) = pool.get(self.top.chunk) else { return };
        if let (Some(key), Some(value)) = (chunk.keys.get(last), chunk.values.get(last)) {
            (self.best_key, self.best) = (*key, *value);
        }
    }

    /// The number of the run that a key belongs to.
    #[inline]
    fn run_of(&self, key: i64) -> usize {
        if self.top.low <= key {
            return self.rest.len();
        }
        self.rest.partition_point(|run| run.low <= key).saturating_sub(1)
    }

    #[inline]
    fn run(&self, at: usize) -> Option<Run> {
        if at == self.rest.len() { Some(self.top) } else { self.rest.get(at).copied() }
    }

    #[inline]
    fn run_mut(&mut self, at: usize) -> Option<&mut Run> {
        if at == self.rest.len() { Some(&mut self.top) } else { self.rest.get_mut(at) }
    }

    #[inline]
    fn insert_at(&mut self, pool: &mut ChunkPool<V>, at: usize, place: usize, key: i64, value: V) {
        let (mut at, mut place) = (at, place);
        if self.run(at).is_some_and(|run| run.len as usize == CHUNK) {
            self.split(pool, at);
            if place > CHUNK / 2 {
                at += 1;
                place -= CHUNK / 2;
            }
        }
        let Some(run) = self.run_mut(at) else { return };
        let Some(chunk) = pool.get_mut(run.chunk) else { return };
        let end = run.len as usize + 1;
        if let (Some(keys), Some(values)) = (chunk.keys.get_mut(place..end), chunk.values.get_mut(place..end))
        {
            open_gap(keys, key);
            open_gap(values, value);
            run.len += 1;
            self.levels += 1;
        }
    }

    /// Moves the better half of a full run into a run of its own behind it.
    #[cold]
    fn split(&mut self, pool: &mut ChunkPool<V>, at: usize) {
        const HALF: usize = CHUNK / 2;
        let Some(full) = self.run(at) else { return };
        let mut moved = pool.unused;
        let fresh = pool.take();
        let Some(from) = pool.get_mut(full.chunk) else { return };
        if let (Some(keys), Some(values)) = (from.keys.get_mut(HALF..), from.values.get(HALF..)) {
            moved.keys.iter_mut().zip(keys.iter()).for_each(|(to, from)| *to = *from);
            moved.values.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
            keys.fill(i64::MAX);
        }
        let low = moved.keys[0];
        if let Some(target) = pool.get_mut(fresh) {
            *target = moved;
        }
        let (worse, better) = (Run { len: HALF as u32, ..full }, Run { low, chunk: fresh, len: HALF as u32 });
        if at == self.rest.len() {
            self.rest.push(worse);
            self.top = better;
        } else if let Some(run) = self.rest.get_mut(at) {
            *run = worse;
            self.rest.insert(at + 1, better);
        }
    }

    /// Drops a run that became empty, or joins it with a neighbour where both fit into half a chunk.
    #[inline]
    fn tidy(&mut self, pool: &mut ChunkPool<V>, at: usize) {
        let len_of = |at: usize| self.run(at).map_or(CHUNK, |run| run.len as usize);
        let len = len_of(at);
        if self.rest.is_empty() {
            return;
        }
        if len == 0 {
            self.drop_run(pool, at);
        } else if at < self.rest.len() && len + len_of(at + 1) <= CHUNK / 2 {
            self.join(pool, at);
        } else if at > 0 && len_of(at - 1) + len <= CHUNK / 2 {
            self.join(pool, at - 1);
        }
    }

    /// Drops an empty run that is not the only one.
    fn drop_run(&mut self, pool: &mut ChunkPool<V>, at: usize) {
        let gone = if at < self.rest.len() { Some(self.rest.remove(at)) } else { self.rest.pop() };
        let Some(gone) = gone else { return };
        if at > self.rest.len() {
            pool.give_back(self.top.chunk);
            self.top = gone;
        } else {
            pool.give_back(gone.chunk);
        }
        self.rest.first_mut().unwrap_or(&mut self.top).low = i64::MIN;
    }

    /// Appends the run behind `at` to it.
    #[cold]
    fn join(&mut self, pool: &mut ChunkPool<V>, at: usize) {
        let (Some(worse), Some(better)) = (self.run(at), self.run(at + 1)) else { return };
        let Some(from) = pool.get(better.chunk).copied() else { return };
        let Some(into) = pool.get_mut(worse.chunk) else { return };
        let len = worse.len + better.len;
        let span = worse.len as usize..len as usize;
        if let (Some(keys), Some(values)) = (into.keys.get_mut(span.clone()), into.values.get_mut(span)) {
            keys.iter_mut().zip(&from.keys).for_each(|(to, from)| *to = *from);
            values.iter_mut().zip(&from.values).for_each(|(to, from)| *to = *from);
        }
        pool.give_back(better.chunk);
        if at + 1 == self.rest.len() {
            self.rest.pop();
            self.top = Run { len, ..worse };
        } else if let Some(run) = self.rest.get_mut(at) {
            run.len = len;
            self.rest.remove(at + 1);
        }
    }
}

/// Moves all but the last one back and puts `item` in front.
#[inline]
fn open_gap<T: Copy>(slice: &mut [T], item: T) {
    let keep = slice.len().saturating_sub(1);
    slice.copy_within(..keep, slice.len() - keep);
    if let Some(first) = slice.first_mut() {
        *first = item;
    }
}

/// Moves all but the first one forward, over it, and puts `filler` at the end.
#[inline]
fn close_gap<T: Copy>(slice: &mut [T], filler: T) {
    slice.copy_within(slice.len().min(1).., 0);
    if let Some(last) = slice.last_mut() {
        *last = filler;
    }
}

#[cfg(test)]
mod tests;
