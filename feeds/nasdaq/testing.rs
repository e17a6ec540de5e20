//! What tests of the feed and of the gateway share.

use pricewright_core::kernel::{Full, RecordBuf, RecordRef, RecordSink};

/// A sink with so much room and no more.
pub(crate) struct Bounded {
    pub(crate) records: RecordBuf,
    pub(crate) room: usize,
}

impl RecordSink for Bounded {
    fn push(&mut self, record: RecordRef<'_>) -> Result<(), Full> {
        self.room = self.room.checked_sub(record.cells().len()).ok_or(Full)?;
        self.records.push(record)
    }

    fn room(&self) -> usize {
        self.room
    }
}
