//! JSON lines: one stream, one object per record.

use std::io::Write as _;

use pricewright_core::kernel::RecordRef;

use super::output::Stream;
use super::{ExportedFile, Sink, Target};
use crate::journal::catalogue::Catalogue;
use crate::journal::error::JournalError;
use crate::journal::render::write_json;

/// The stream, and a line that is used again and again.
#[derive(Debug)]
pub(super) struct Lines {
    stream: Stream,
    line: Vec<u8>,
    records: u64,
}

impl Lines {
    pub(super) fn open(target: &Target) -> Result<Self, JournalError> {
        Ok(Self { stream: Stream::open(target)?, line: Vec::new(), records: 0 })
    }
}

impl Sink for Lines {
    fn take(&mut self, _: usize, record: &RecordRef<'_>, catalogue: &Catalogue) -> Result<(), JournalError> {
        self.line.clear();
        write_json(&mut self.line, record, catalogue);
        self.line.push(b'\n');
        self.records += 1;
        self.stream.write_all(&self.line).map_err(JournalError::io(self.stream.name(), "write"))
    }

    fn finish(self: Box<Self>) -> Result<Vec<ExportedFile>, JournalError> {
        Ok(self.stream.finish(self.records)?.into_iter().collect())
    }
}
