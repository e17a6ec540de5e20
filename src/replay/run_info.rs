//! What a run said about itself: machine, seed, configuration.

use pricewright_core::kernel::SystemRef;
use pricewright_core::kernel::table::RunStart;

use crate::config::ConfigText;
use crate::error::{Error, Result};
use crate::journal::Reader;

/// The first run of a journal.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// The run's first record.
    pub start: RunStart,
    /// The canonical configuration.
    pub config: ConfigText,
}

impl RunInfo {
    /// Reads the journal's first records with a reader of its own.
    ///
    /// # Errors
    /// Where the journal does not begin with a run, or its configuration is incomplete.
    pub fn read(dir: &std::path::Path) -> Result<Self> {
        let mut reader = Reader::open(dir)?;
        let damaged =
            |what: &str| Error::Usage(format!("{}: {what}; is this a journal's first part?", dir.display()));
        let start = match reader.next_record()?.as_ref().and_then(SystemRef::of) {
            Some(SystemRef::RunStart(start)) => *start,
            _ => return Err(damaged("the first record is not a run's start")),
        };
        let mut text = String::new();
        for index in 0..start.config_chunks {
            match reader.next_record()?.as_ref().and_then(SystemRef::of) {
                Some(SystemRef::ConfigChunk(chunk)) if u32::from(chunk.index) == index => {
                    text.push_str(chunk.text.as_str());
                }
                _ => return Err(damaged("the configuration is incomplete")),
            }
        }
        if blake3::hash(text.as_bytes()).as_bytes() != &start.config_hash {
            return Err(damaged("the configuration's hash does not fit its text"));
        }
        let path = format!("{} (journalled configuration)", dir.display());
        Ok(Self { start, config: ConfigText { path, text } })
    }
}
