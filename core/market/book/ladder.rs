//! The sparse levels of one side: a sorted map from price to a small value, the best at the end.
//!
//! Keys lie in chunks of [`CHUNK`]; a short sorted list of runs says which chunk begins where. A book of a few dozen
//! levels is one chunk, its best a constant number of steps away. Inserting moves at most one chunk's worth of keys and,
//! once in many insertions, the list of runs; so a side of 500,000 levels costs little more than one of 50. Any two
//! neighbouring runs hold more than half a chunk together, which bounds the chunks in use.
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

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Chunk<V> {
    keys: [i64; CHUNK],
    values: [V; CHUNK],
}

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
        let count = ladders * 2 + runs_for(levels);
        let mut chunks = vec![unused; count];
        chunks.clear();
        let mut free = vec![u32::MAX; count];
        free.clear();
        Self { chunks, free, unused, growths: 0 }
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
        self.free.push(chunk);
    }

    #[inline]
    fn get(&self, run: Run) -> (&[i64], &[V]) {
        self.chunks.get(run.chunk as usize).map_or((&[], &[]), |chunk| {
            let len = run.len as usize;
            (chunk.keys.get(..len).unwrap_or(&[]), chunk.values.get(..len).unwrap_or(&[]))
        })
    }
}

/// The most runs that `levels` levels of one ladder need: neighbours hold more than half a chunk together.
fn runs_for(levels: usize) -> usize {
    levels / (CHUNK / 4) + 1
}

/// A chunk in use: its keys are at least `low` and below the next run's `low`.
#[derive(Clone, Copy, Debug)]
struct Run {
    low: i64,
    chunk: u32,
    len: u32,
}

/// The levels of one side, worst to best.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    runs: Vec<Run>,
    levels: u32,
}

/// What [`Ladder::find_or_insert`] did.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<V> {
    /// The key was there.
    Old(V),
    /// It is there now.
    New(V),
}

impl Ladder {
    /// An empty ladder with room for `levels` levels before its list of runs grows.
    pub(crate) fn with_capacity(levels: usize) -> Self {
        Self { runs: Vec::with_capacity(runs_for(levels) + 1), levels: 0 }
    }

    /// How many levels.
    pub(crate) fn len(&self) -> usize {
        self.levels as usize
    }

    /// The best key and its value.
    #[inline]
    pub(crate) fn best<V: Copy>(&self, pool: &ChunkPool<V>) -> Option<(i64, V)> {
        let (keys, values) = pool.get(*self.runs.last()?);
        Some((*keys.last()?, *values.last()?))
    }

    /// The worst key and its value.
    pub(crate) fn worst<V: Copy>(&self, pool: &ChunkPool<V>) -> Option<(i64, V)> {
        let (keys, values) = pool.get(*self.runs.first()?);
        Some((*keys.first()?, *values.first()?))
    }

    /// The value of a key.
    #[inline]
    pub(crate) fn get<V: Copy>(&self, pool: &ChunkPool<V>, key: i64) -> Option<V> {
        let (keys, values) = pool.get(*self.runs.get(self.run_of(key))?);
        values.get(keys.binary_search(&key).ok()?).copied()
    }

    /// The value of a key, to change.
    pub(crate) fn get_mut<'a, V: Copy>(&self, pool: &'a mut ChunkPool<V>, key: i64) -> Option<&'a mut V> {
        let run = *self.runs.get(self.run_of(key))?;
        let at = pool.get(run).0.binary_search(&key).ok()?;
        pool.chunks.get_mut(run.chunk as usize)?.values.get_mut(at)
    }

    /// Keys and values, best first.
    pub(crate) fn iter<'a, V: Copy>(&'a self, pool: &'a ChunkPool<V>) -> impl Iterator<Item = (i64, V)> + 'a {
        self.runs.iter().rev().flat_map(|run| {
            let (keys, values) = pool.get(*run);
            keys.iter().copied().zip(values.iter().copied()).rev()
        })
    }

    /// The value of a key; where there is none, `make` gives one.
    #[inline]
    pub(crate) fn find_or_insert<V: Copy>(
        &mut self,
        pool: &mut ChunkPool<V>,
        key: i64,
        make: impl FnOnce() -> V,
    ) -> Found<V> {
        let at = self.run_of(key);
        let Some(run) = self.runs.get(at).copied() else {
            let value = make();
            self.insert_first(pool, key, value);
            return Found::New(value);
        };
        let (keys, values) = pool.get(run);
        match keys.binary_search(&key) {
            Ok(found) => values.get(found).map_or_else(|| Found::New(make()), |value| Found::Old(*value)),
            Err(place) => {
                let value = make();
                self.insert_at(pool, at, place, key, value);
                Found::New(value)
            }
        }
    }

    /// Takes a key out.
    pub(crate) fn remove<V: Copy>(&mut self, pool: &mut ChunkPool<V>, key: i64) -> Option<V> {
        let at = self.run_of(key);
        let run = self.runs.get_mut(at)?;
        let (keys, values) = pool.get(*run);
        let place = keys.binary_search(&key).ok()?;
        let value = values.get(place).copied()?;
        let len = run.len as usize;
        let chunk = pool.chunks.get_mut(run.chunk as usize)?;
        close_gap(chunk.keys.get_mut(place..len)?);
        close_gap(chunk.values.get_mut(place..len)?);
        run.len -= 1;
        self.levels -= 1;
        self.tidy(pool, at);
        Some(value)
    }

    /// Takes everything out.
    pub(crate) fn clear<V: Copy>(&mut self, pool: &mut ChunkPool<V>) {
        for run in self.runs.drain(..) {
            pool.give_back(run.chunk);
        }
        self.levels = 0;
    }

    /// The run that a key belongs to. Activity is near the best price, so the last run is tried first.
    #[inline]
    fn run_of(&self, key: i64) -> usize {
        match self.runs.last() {
            Some(last) if last.low <= key => self.runs.len() - 1,
            _ => self.runs.partition_point(|run| run.low <= key).saturating_sub(1),
        }
    }

    fn insert_first<V: Copy>(&mut self, pool: &mut ChunkPool<V>, key: i64, value: V) {
        let chunk = pool.take();
        if let Some(target) = pool.chunks.get_mut(chunk as usize) {
            open_gap(&mut target.keys, key);
            open_gap(&mut target.values, value);
        }
        self.runs.push(Run { low: i64::MIN, chunk, len: 1 });
        self.levels = 1;
    }

    fn insert_at<V: Copy>(&mut self, pool: &mut ChunkPool<V>, at: usize, place: usize, key: i64, value: V) {
        let (mut at, mut place) = (at, place);
        if self.runs.get(at).is_some_and(|run| run.len as usize == CHUNK) {
            self.split(pool, at);
            if place > CHUNK / 2 {
                at += 1;
                place -= CHUNK / 2;
            }
        }
        let Some(run) = self.runs.get_mut(at) else { return };
        let Some(chunk) = pool.chunks.get_mut(run.chunk as usize) else { return };
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
    fn split<V: Copy>(&mut self, pool: &mut ChunkPool<V>, at: usize) {
        let fresh = pool.take();
        let Some(run) = self.runs.get_mut(at) else { return };
        let Some(mut moved) = pool.chunks.get(run.chunk as usize).copied() else { return };
        moved.keys.rotate_left(CHUNK / 2);
        moved.values.rotate_left(CHUNK / 2);
        run.len = (CHUNK / 2) as u32;
        let low = moved.keys.first().copied().unwrap_or(i64::MAX);
        if let Some(target) = pool.chunks.get_mut(fresh as usize) {
            *target = moved;
        }
        self.runs.insert(at + 1, Run { low, chunk: fresh, len: (CHUNK / 2) as u32 });
    }

    /// Drops a run that became empty, or joins it with a neighbour where both fit into half a chunk.
    #[inline]
    fn tidy<V: Copy>(&mut self, pool: &mut ChunkPool<V>, at: usize) {
        let len_of = |at: usize| self.runs.get(at).map_or(CHUNK, |run| run.len as usize);
        let len = len_of(at);
        if len > CHUNK / 2 {
            return;
        }
        if len == 0 {
            self.drop_run(pool, at);
        } else if len + len_of(at + 1) <= CHUNK / 2 {
            self.join(pool, at);
        } else if at > 0 && len_of(at - 1) + len <= CHUNK / 2 {
            self.join(pool, at - 1);
        }
    }

    fn drop_run<V: Copy>(&mut self, pool: &mut ChunkPool<V>, at: usize) {
        let run = self.runs.remove(at);
        pool.give_back(run.chunk);
        if let Some(first) = self.runs.first_mut() {
            first.low = i64::MIN;
        }
    }

    /// Appends the run behind `at` to it.
    #[cold]
    fn join<V: Copy>(&mut self, pool: &mut ChunkPool<V>, at: usize) {
        let Some(second) = self.runs.get(at + 1).copied() else { return };
        let Some(from) = pool.chunks.get(second.chunk as usize).copied() else { return };
        let Some(first) = self.runs.get_mut(at) else { return };
        let Some(into) = pool.chunks.get_mut(first.chunk as usize) else { return };
        let span = first.len as usize..(first.len + second.len) as usize;
        let count = second.len as usize;
        if let (Some(keys), Some(values)) = (into.keys.get_mut(span.clone()), into.values.get_mut(span)) {
            keys.iter_mut().zip(from.keys.iter().take(count)).for_each(|(to, from)| *to = *from);
            values.iter_mut().zip(from.values.iter().take(count)).for_each(|(to, from)| *to = *from);
            first.len += second.len;
            self.runs.remove(at + 1);
            pool.give_back(second.chunk);
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

/// Moves all but the first one forward, over it.
#[inline]
fn close_gap<T: Copy>(slice: &mut [T]) {
    slice.copy_within(slice.len().min(1).., 0);
}

#[cfg(test)]
mod tests;
