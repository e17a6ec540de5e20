//! The writing end.

use pricewright_core::kernel::{
    Cell, Full, MAX_CELLS, Record, RecordRef, RecordSink, SourceId, write_record,
};

/// The writing end of a ring. Counts are its own and cost no shared cache line.
#[derive(Debug)]
pub struct Producer {
    inner: rtrb::Producer<Cell>,
    scratch: Box<[Cell; MAX_CELLS]>,
    pushed: u64,
    full: u64,
}

impl Producer {
    pub(super) fn new(inner: rtrb::Producer<Cell>) -> Self {
        Self { inner, scratch: Box::new([Cell::ZERO; MAX_CELLS]), pushed: 0, full: 0 }
    }

    /// Cells of the ring.
    pub fn capacity(&self) -> usize {
        self.inner.buffer().capacity()
    }

    /// Records pushed so far.
    #[inline]
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// How often a push found no room.
    #[inline]
    pub fn full_events(&self) -> u64 {
        self.full
    }

    /// Cells that the consumer has not taken yet. Reads the consumer's position.
    #[inline]
    pub fn waiting(&self) -> usize {
        self.capacity() - self.inner.slots()
    }

    /// True once the consumer is gone: what is pushed now will never be read.
    pub fn is_abandoned(&self) -> bool {
        self.inner.is_abandoned()
    }
}

impl RecordSink for Producer {
    #[inline]
    fn push(&mut self, record: RecordRef<'_>) -> Result<(), Full> {
        match self.inner.push_entire_slice(record.cells()) {
            Ok(()) => {
                self.pushed += 1;
                Ok(())
            }
            Err(_) => {
                self.full += 1;
                Err(Full)
            }
        }
    }

    #[inline]
    fn room(&self) -> usize {
        self.inner.slots()
    }

    // The provided method clears 1 KiB each time; `write_record` covers every byte of the cells it uses, so that a
    // buffer that is kept needs no clearing.
    #[inline]
    fn put<R: Record>(&mut self, record: &R, source: SourceId, flags: u8) -> Result<(), Full> {
        const { assert!(R::CELLS <= MAX_CELLS, "a record spans at most MAX_CELLS cells") };
        write_record(self.scratch.as_mut_slice(), record, source, flags);
        let cells = self.scratch.get(..R::CELLS).unwrap_or(&[]);
        match self.inner.push_entire_slice(cells) {
            Ok(()) => {
                self.pushed += 1;
                Ok(())
            }
            Err(_) => {
                self.full += 1;
                Err(Full)
            }
        }
    }
}
