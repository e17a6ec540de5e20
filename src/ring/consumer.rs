//! The reading end.

use core::slice;

use pricewright_core::kernel::{Cell, MAX_CELLS, RecordHeader, RecordRef, record};
use zerocopy::FromBytes;

/// The reading end of a ring. Counts are its own and cost no shared cache line.
#[derive(Debug)]
pub struct Consumer {
    inner: rtrb::Consumer<Cell>,
    /// Holds the front record where it lies across the end of the ring.
    scratch: Box<[Cell; MAX_CELLS]>,
    taken: u64,
}

impl Consumer {
    pub(super) fn new(inner: rtrb::Consumer<Cell>) -> Self {
        Self { inner, scratch: Box::new([Cell::ZERO; MAX_CELLS]), taken: 0 }
    }

    /// The front record, or `None` where the ring is empty. The same one until [`Self::advance`].
    ///
    /// It is read in place; only a record that lies across the end of the ring is copied (at most 1 KiB).
    #[inline]
    pub fn peek(&mut self) -> Option<RecordRef<'_>> {
        let count = self.front_cells()?;
        let Ok(chunk) = self.inner.read_chunk(count) else { broken() };
        let (first, second) = chunk.as_slices();
        let cells = if second.is_empty() {
            // SAFETY: the chunk borrows the ring's storage, which lives as long as `self.inner` does and which the
            // producer does not write to before the slots are released. Only `advance` releases them, and it needs
            // `&mut self`, which the returned borrow excludes. The cells were initialised before the producer's
            // release store, whose partner is the acquire load in `read_chunk`. Dropping the chunk releases nothing.
            unsafe { slice::from_raw_parts(first.as_ptr(), first.len()) }
        } else {
            let (head, tail) = self.scratch.split_at_mut(first.len());
            head.copy_from_slice(first);
            tail.iter_mut().zip(second).for_each(|(to, from)| *to = *from);
            self.scratch.as_slice()
        };
        let front = RecordRef::first_of(cells);
        if front.is_none() {
            broken();
        }
        front
    }

    /// Releases the front record. Returns false where the ring was empty.
    #[inline]
    pub fn advance(&mut self) -> bool {
        let Some(count) = self.front_cells() else { return false };
        match self.inner.read_chunk(count) {
            Ok(chunk) => chunk.commit_all(),
            Err(_) => broken(),
        }
        self.taken += 1;
        true
    }

    /// Records taken so far.
    #[inline]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Cells of the ring.
    pub fn capacity(&self) -> usize {
        self.inner.buffer().capacity()
    }

    /// Cells waiting to be taken. Reads the producer's position.
    #[inline]
    pub fn waiting(&self) -> usize {
        self.inner.slots()
    }

    /// True where the producer is gone and everything it pushed was taken: nothing will come any more.
    pub fn is_finished(&self) -> bool {
        // The order matters: a producer may push and go between the two looks.
        self.inner.is_abandoned() && self.inner.is_empty()
    }

    #[inline]
    fn front_cells(&self) -> Option<usize> {
        let cell = self.inner.peek().ok()?;
        let count = RecordHeader::ref_from_prefix(&cell.0)
            .ok()
            .and_then(|(header, _)| record::cell_count(header.commit));
        if count.is_none() {
            broken();
        }
        count
    }
}

/// The producer takes nothing but whole records with possible lengths, so that this is a bug of this module.
#[cold]
#[inline(never)]
#[allow(clippy::panic)] // A broken invariant: the stage loop catches it and the journal is sealed.
fn broken() -> ! {
    panic!("the front of the ring is not a whole record")
}
