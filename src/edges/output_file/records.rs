//! What the journal says of a record, as a line, to hold the lines of a file against.

use std::path::Path;

use pricewright_core::kernel::{DecisionRef, RecordRef};
use pricewright_feeds::jsonl::encode::{Encoder, Written};

use crate::error::{Error, Result};
use crate::journal::{JournalError, Reader};

/// Records that are passed one by one; to skip more the reader is opened anew.
const NEAR: u64 = 64 << 10;

/// What the journal has of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::edges) enum Printed {
    /// Its line.
    Line(Vec<u8>),
    /// There is no such record, or it makes no line of this output.
    Nothing,
    /// The record was removed or archived: nobody can say.
    Removed,
}

/// The journal, as lines of one output.
pub(in crate::edges) trait Records {
    /// The first record that the journal lacks.
    fn next_seq(&self) -> u64;

    /// What it has of record `seq`. Asked in rising order it reads a stretch of the journal once.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    fn printed(&mut self, seq: u64) -> Result<Printed>;
}

/// The journal in a directory.
pub(in crate::edges) struct JournalRecords<'a> {
    dir: &'a Path,
    next_seq: u64,
    encoder: &'a Encoder,
    kind: Written,
    reader: Option<Reader>,
    /// The oldest record that is held, once that is known.
    oldest: u64,
}

impl<'a> JournalRecords<'a> {
    /// The journal in `dir`, which lacks `next_seq` and what follows. `encoder` knows the names in it; the output gets lines of
    /// this `kind`.
    pub(in crate::edges) fn new(dir: &'a Path, next_seq: u64, encoder: &'a Encoder, kind: Written) -> Self {
        Self { dir, next_seq, encoder, kind, reader: None, oldest: 0 }
    }

    /// A reader that stands at or in front of record `seq`; `None` where the journal begins behind it.
    fn reader_at(&mut self, seq: u64) -> Result<Option<Reader>> {
        if seq < self.oldest {
            return Ok(None);
        }
        let near = |reader: &Reader| (reader.next_seq()..=reader.next_seq() + NEAR).contains(&seq);
        if let Some(reader) = self.reader.take().filter(|reader| near(reader)) {
            return Ok(Some(reader));
        }
        match Reader::from_seq(self.dir, seq) {
            Err(JournalError::NoSuchRecord { first, .. }) if seq < first => {
                self.oldest = first;
                Ok(None)
            }
            reader => Ok(Some(reader?)),
        }
    }

    fn print(&self, record: RecordRef<'_>) -> Result<Printed> {
        let seq = record.header().seq;
        let Some(decision) = DecisionRef::of(&record) else { return Ok(Printed::Nothing) };
        let mut line = Vec::new();
        let written = self
            .encoder
            .encode(decision, seq, &mut line)
            .map_err(|error| Error::Failed(format!("record {seq} cannot be written as JSON: {error}")))?;
        Ok(if written == self.kind { Printed::Line(line) } else { Printed::Nothing })
    }
}

impl Records for JournalRecords<'_> {
    fn next_seq(&self) -> u64 {
        self.next_seq
    }

    fn printed(&mut self, seq: u64) -> Result<Printed> {
        if !(1..self.next_seq).contains(&seq) {
            return Ok(Printed::Nothing);
        }
        let Some(mut reader) = self.reader_at(seq)? else { return Ok(Printed::Removed) };
        let printed = loop {
            match reader.next_record()? {
                None => break Printed::Nothing,
                Some(record) if record.header().seq < seq => {}
                Some(record) => break self.print(record)?,
            }
        };
        self.reader = Some(reader);
        Ok(printed)
    }
}
