//! The only place where mapped memory is touched: everything above it is safe code.
//!
//! A segment's file is written by one process (the holder of the directory's lock) through one [`WriteMap`], which is
//! never cloned; the hash chain's tailer of the same process has another one of the head alone, in which it touches nothing
//! but the chain mark. Anyone may read it through a [`ReadMap`] of their own. What is shared follows one protocol: a *block*
//! (a record, or a mark in the head) begins with a commit word; the writer fills the rest of the block, then stores the
//! word with release; a reader that saw the word non-zero, with acquire, sees the whole block, which is never written
//! again. Nothing is mapped that the file system has not allocated, so a store cannot fail (SIGBUS). A file is only cut
//! behind its end cell (see `docs/journal-format.md`), beyond which a reader never looks.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use memmap2::{Advice, MmapOptions, MmapRaw};
use pricewright_core::kernel::Cell;
use pricewright_core::kernel::record::{CELL_LEN, cell_count};

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;

/// Words of a cell.
pub(super) const WORDS_PER_CELL: usize = CELL_LEN / 8;

/// A cell as words.
pub(super) type CellWords = [u64; WORDS_PER_CELL];

/// A block behind its commit word, to be filled before that is stored.
#[derive(Debug)]
pub(super) struct Body<'a> {
    /// The rest of the first cell.
    pub(super) first: &'a mut [u64; WORDS_PER_CELL - 1],
    /// The other cells.
    pub(super) rest: &'a mut [CellWords],
}

/// A segment's file mapped for writing.
#[derive(Debug)]
pub(super) struct WriteMap {
    raw: Arc<MmapRaw>,
}

/// The right to pre-fault a [`WriteMap`]'s pages from another thread. It neither reads nor writes them.
#[derive(Clone, Debug)]
pub(super) struct Prefault {
    raw: Arc<MmapRaw>,
}

impl WriteMap {
    /// Maps the first `len` bytes of `file`, which must be allocated.
    pub(super) fn new(file: &File, len: usize) -> io::Result<Self> {
        Ok(Self { raw: Arc::new(MmapOptions::new().len(len).map_raw(file)?) })
    }

    /// Bytes mapped.
    pub(super) fn len(&self) -> usize {
        self.raw.len()
    }

    pub(super) fn prefault(&self) -> Prefault {
        Prefault { raw: Arc::clone(&self.raw) }
    }

    /// The block of `cells` cells at `offset`: its commit word, and what lies behind it. `None` where it does not lie in
    /// the map on a cell's boundary.
    #[inline]
    pub(super) fn block(&mut self, offset: usize, cells: usize) -> Option<(&AtomicU64, Body<'_>)> {
        let end = offset.checked_add(cells.checked_mul(CELL_LEN)?)?;
        if end > self.raw.len() || !offset.is_multiple_of(CELL_LEN) || cells == 0 {
            return None;
        }
        // SAFETY: the range was just checked to lie in the map, which lives as long as `self`; the map begins on a page
        // and `offset` is a multiple of 64, so both are aligned. `&mut self` on the only `WriteMap` of this file makes
        // the borrow exclusive in this process (the tailer's map of the head is used for the chain mark alone, which the
        // writer never touches, a `Prefault` touches no byte while a `WriteMap` is in the writer's hands, a `ReadMap` is a
        // mapping of its own); other processes only read, and what lies behind an unset commit
        // word they do not look at.
        unsafe {
            let at = self.raw.as_mut_ptr().add(offset).cast::<u64>();
            let first = &mut *at.add(1).cast::<[u64; WORDS_PER_CELL - 1]>();
            let rest = std::slice::from_raw_parts_mut(at.add(WORDS_PER_CELL).cast::<CellWords>(), cells - 1);
            Some((AtomicU64::from_ptr(at), Body { first, rest }))
        }
    }

    /// The cells at `offset`, as far as they were written through this map. `None` outside the map.
    #[inline]
    pub(super) fn cells(&self, offset: usize, cells: usize) -> Option<&[Cell]> {
        let end = offset.checked_add(cells.checked_mul(CELL_LEN)?)?;
        if end > self.raw.len() || !offset.is_multiple_of(CELL_LEN) {
            return None;
        }
        // SAFETY: in the map and aligned, as checked above; written only through `block`, which needs `&mut self`, so
        // not while this borrow lives. Any bytes are a valid `Cell`.
        unsafe { Some(std::slice::from_raw_parts(self.raw.as_ptr().add(offset).cast::<Cell>(), cells)) }
    }

    /// Touches every page from `from`, for kernels without `MADV_POPULATE_WRITE`. Only before the map is handed to
    /// the writer: `&mut self` says so.
    pub(super) fn touch(&mut self, from: usize) {
        let mut at = from.next_multiple_of(PAGE);
        while let Some((word, _)) = self.block(at, 1) {
            // Adding nothing dirties the page and changes no byte. Relaxed: nothing is published by it.
            word.fetch_add(0, Ordering::Relaxed);
            at += PAGE;
        }
    }
}

impl Prefault {
    /// Makes the pages of `from..to` present and writable without changing them.
    pub(super) fn populate(&self, from: usize, to: usize) -> io::Result<()> {
        let from = from - from % PAGE;
        let to = to.min(self.raw.len());
        if from >= to { Ok(()) } else { self.raw.advise_range(Advice::PopulateWrite, from, to - from) }
    }
}

/// The right to sync a segment's file from another thread. It neither reads nor writes the mapped bytes.
#[derive(Debug)]
pub(super) struct Flush {
    raw: MmapRaw,
}

impl Flush {
    /// Maps the first `len` bytes of `file`, which it must have and which must be open for writing: of a file that is open
    /// for reading only, the kernel takes a shared mapping for a private one, and syncing that does nothing and succeeds.
    pub(super) fn new(file: &File, len: usize) -> io::Result<Self> {
        Ok(Self { raw: MmapOptions::new().len(len).map_raw(file)? })
    }

    /// Waits until what was stored in `from..to`, through whichever mapping of the file, is on the disk.
    pub(super) fn range(&self, from: usize, to: usize) -> io::Result<()> {
        self.raw.flush_range(from, to - from)
    }
}

/// A segment's file mapped for reading.
#[derive(Debug)]
pub(super) struct ReadMap {
    raw: MmapRaw,
}

/// What a reader finds at an offset.
#[derive(Clone, Copy, Debug)]
pub(super) enum Block<'a> {
    /// Nothing is committed there yet.
    Empty,
    /// A committed block, not yet verified.
    Cells(&'a [Cell]),
    /// The commit word's length is impossible, or runs past the map.
    Impossible,
    /// The offset lies outside the map.
    Outside,
}

impl ReadMap {
    /// Maps the first `len` bytes of `file`, which it must have.
    pub(super) fn new(file: &File, len: usize) -> io::Result<Self> {
        Ok(Self { raw: MmapOptions::new().len(len).map_raw_read_only(file)? })
    }

    /// The block at `offset`.
    #[inline]
    pub(super) fn block(&self, offset: usize) -> Block<'_> {
        if offset.saturating_add(CELL_LEN) > self.raw.len() || !offset.is_multiple_of(CELL_LEN) {
            return Block::Outside;
        }
        // SAFETY: eight bytes inside the map, aligned, and the map lives as long as `self`. Other processes store to
        // them atomically only. Relaxed, because an atomic load from read-only memory is defined for that ordering; the
        // fence below makes it an acquire, whose partner is the release store of the commit word in the writer.
        let commit = unsafe {
            let word = self.raw.as_ptr().add(offset).cast_mut().cast::<u64>();
            AtomicU64::from_ptr(word).load(Ordering::Relaxed)
        };
        if commit == 0 {
            return Block::Empty;
        }
        fence(Ordering::Acquire);
        let Some(cells) = cell_count(commit) else { return Block::Impossible };
        if offset + cells * CELL_LEN > self.raw.len() {
            return Block::Impossible;
        }
        // SAFETY: in the map and aligned, as checked. The commit word is set and was acquired, so the writer is done
        // with these cells and never writes them again (recovery zeroes only blocks that no reader accepts).
        unsafe {
            Block::Cells(std::slice::from_raw_parts(self.raw.as_ptr().add(offset).cast::<Cell>(), cells))
        }
    }
}

#[cfg(test)]
mod tests;
