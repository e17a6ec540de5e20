//! How many lines of which file a journal holds: where a run that reads the file again goes on.
//!
//! A run's first records say which file it reads, each event on which line it stood. So nothing is read twice, and nothing
//! is passed over: not where a run died between two lines of one chunk, not where another run read another file.

use std::path::{Path, PathBuf};

use pricewright_core::kernel::{EventRef, RecordRef, SystemRef};

use serde::{Deserialize, Serialize};

use crate::config::PipelineConfig;

/// Gathered while a journal is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLines {
    /// The configuration of the run at hand, as far as it has been seen.
    config: String,
    /// Which of `last` that run reads, where it reads a file.
    at: Option<usize>,
    /// Each file with its last line in the journal.
    last: Vec<(PathBuf, u64)>,
}

impl FileLines {
    /// Takes a record of the journal.
    #[inline]
    pub fn take(&mut self, record: &RecordRef<'_>) {
        match EventRef::of(record) {
            Some(EventRef::Inventory(event)) => self.line(event.position),
            Some(EventRef::Purchase(event)) => self.line(event.position),
            Some(EventRef::Malformed(event)) => self.line(event.position),
            Some(_) => {}
            None => self.system(SystemRef::of(record)),
        }
    }

    /// The last line of `file` in the journal; 0 where it has none of it.
    pub fn last_of(&self, file: &Path) -> u64 {
        self.last.iter().find(|(known, _)| known == file).map_or(0, |(_, last)| *last)
    }

    fn line(&mut self, position: u64) {
        if let Some((_, last)) = self.at.and_then(|at| self.last.get_mut(at)) {
            *last = position;
        }
    }

    fn system(&mut self, record: Option<SystemRef<'_>>) {
        match record {
            Some(SystemRef::RunStart(_)) => {
                self.config.clear();
                self.at = None;
            }
            Some(SystemRef::ConfigChunk(chunk)) => {
                self.config.push_str(chunk.text.as_str());
                if chunk.index + 1 == chunk.total {
                    self.at = file_of(&self.config).map(|file| self.index_of(file));
                }
            }
            _ => {}
        }
    }

    fn index_of(&mut self, file: PathBuf) -> usize {
        let known = self.last.iter().position(|(known, _)| *known == file);
        known.unwrap_or_else(|| {
            self.last.push((file, 0));
            self.last.len() - 1
        })
    }
}

/// The file that a run with this canonical configuration reads.
fn file_of(config: &str) -> Option<PathBuf> {
    let config: PipelineConfig<toml::Table> = toml::from_str(config).ok()?;
    config.feed.jsonl?.file
}

#[cfg(test)]
mod tests;
