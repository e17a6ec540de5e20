//! What tailers get of earlier runs: not the whole journal, where they are content with its last words.

use std::path::Path;

use pricewright_core::kernel::table::{Define, Inventory};
use pricewright_core::kernel::{Record as _, RecordRef};

use super::helper::Tailer;
use super::resume::Resume;
use crate::error::Result;
use crate::journal::{JournalError, Reader};

/// Tells each of `tailers` what `resume` holds, and opens the journal where the first of them wants to read on; from its
/// beginning, where one of them wants that. The run's first record is `first_seq`.
pub(super) fn prime(
    tailers: Vec<Box<dyn Tailer>>,
    dir: &Path,
    resume: &Resume,
    first_seq: u64,
) -> Result<(Reader, Vec<Box<dyn Tailer>>)> {
    let wanted: Option<Vec<u64>> = tailers.iter().map(|tailer| tailer.begins_at()).collect();
    let Some(from) = wanted.and_then(|wanted| wanted.into_iter().min()) else {
        return Ok((Reader::open(dir)?, tailers));
    };
    let reader = match Reader::from_seq(dir, from.min(first_seq)) {
        Err(JournalError::NoSuchRecord { first, .. }) if first > from => Reader::open(dir)?,
        reader => reader?,
    };
    let mut primed: Vec<Box<dyn Tailer>> = Vec::with_capacity(tailers.len());
    for mut tailer in tailers {
        resume.tell(|record| tailer.prime(record))?;
        primed.push(Box::new(Primed { tailer, first_seq }));
    }
    Ok((reader, primed))
}

/// Keeps back what a tailer was told already.
struct Primed {
    tailer: Box<dyn Tailer>,
    first_seq: u64,
}

impl Tailer for Primed {
    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        let header = record.header();
        if header.seq < self.first_seq && matches!(header.kind, Define::KIND | Inventory::KIND) {
            return Ok(());
        }
        self.tailer.take(record)
    }

    fn flush(&mut self) -> Result<()> {
        self.tailer.flush()
    }

    fn close(&mut self) -> Result<()> {
        self.tailer.close()
    }
}
