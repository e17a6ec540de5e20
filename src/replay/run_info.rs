//! What a run said about itself: machine, seed, configuration.

use pricewright_core::kernel::table::RunStart;
use pricewright_core::kernel::{Nanos, SystemRef};

use super::snapshot::{Snapshot, dir};
use crate::config::ConfigText;
use crate::error::{Error, Result};
use crate::journal::{Reader, segments};

/// A run of a journal: its first or newest; where the records are gone that say so, the run of the oldest snapshot. Then its
/// start's time is 0.
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
        if reader.next_record()?.is_some_and(|record| record.get::<RunStart>().is_none()) {
            return Self::of_snapshot(dir);
        }
        Self::first_with_end(dir).map(|(info, _)| info)
    }

    /// The first run that came to the end of its configuration, with the last record of that. Runs in front of it were
    /// killed before: nothing happened in them.
    ///
    /// # Errors
    /// As of [`Self::read`], but that no snapshot is looked at.
    pub fn first_with_end(dir: &std::path::Path) -> Result<(Self, u64)> {
        let mut reader = Reader::open(dir)?;
        loop {
            match Self::of_run(dir, &mut reader) {
                Ok(info) => return Ok((info, reader.next_seq().saturating_sub(1))),
                Err(error) => {
                    // Of the next run, if the last record read begins it.
                    let begun = reader.last_record().is_some_and(|record| record.get::<RunStart>().is_some());
                    let next = reader.next_seq().saturating_sub(1);
                    if !begun || next <= 1 {
                        return Err(error);
                    }
                    reader = Reader::from_seq(dir, next)?;
                }
            }
        }
    }

    /// True where the journal ends before its first configuration is complete: no run took an event. Its records are those
    /// of starts and nothing else.
    pub fn is_unbegun(dir: &std::path::Path) -> bool {
        let only_starts = || -> Result<bool> {
            let mut reader = Reader::open(dir)?;
            let mut missing = 0;
            while let Some(record) = reader.next_record()? {
                match SystemRef::of(&record) {
                    Some(SystemRef::RunStart(start)) if start.config_chunks > 0 => {
                        missing = start.config_chunks
                    }
                    Some(SystemRef::ConfigChunk(_)) if missing > 1 => missing -= 1,
                    _ => return Ok(false),
                }
            }
            Ok(missing > 0)
        };
        only_starts().unwrap_or(false)
    }

    /// The newest run of the journal in `dir` whose first records can be read; else as [`Self::read`]. A run may have larger
    /// capacities than those before it ([`Machine::lasting`](pricewright_core::kernel::Machine::lasting)): all of them have
    /// room under the newest.
    ///
    /// # Errors
    /// As of [`Self::read`].
    pub fn newest(dir: &std::path::Path) -> Result<Self> {
        let mut runs = segments(dir)?;
        runs.dedup_by_key(|extent| extent.head.run);
        for first in runs.iter().rev() {
            let found = Reader::from_seq(dir, first.base_seq).map_err(Error::from);
            if let Ok(info) = found.and_then(|mut reader| Self::of_run(dir, &mut reader)) {
                return Ok(info);
            }
        }
        Self::read(dir)
    }

    /// The run whose first record `reader` gives next.
    fn of_run(dir: &std::path::Path, reader: &mut Reader) -> Result<Self> {
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
                None => {
                    return Err(Error::Usage(format!(
                        "{}: the journal ends before its first configuration is complete: nothing happened in it, and a run \
                         there begins anew",
                        dir.display()
                    )));
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

    /// Where the first segments were removed: what the oldest snapshot says that can be read.
    fn of_snapshot(dir: &std::path::Path) -> Result<Self> {
        let mut passed = String::new();
        for seq in dir::snapshot_seqs(dir)? {
            match dir::read(dir, seq) {
                Ok(snapshot) => return Self::from_snapshot(dir, &snapshot),
                Err(why) => passed.push_str(&format!("; snapshot {seq} {why}")),
            }
        }
        Err(Error::Usage(format!(
            "{}: the journal's first segments were removed, and no snapshot says what wrote it{passed}; restore one from a \
             copy",
            dir.display()
        )))
    }

    fn from_snapshot(dir: &std::path::Path, snapshot: &Snapshot) -> Result<Self> {
        let path =
            format!("{} (configuration of the snapshot behind record {})", dir.display(), snapshot.place.seq);
        let config = ConfigText { path, text: snapshot.config.clone() };
        let start = RunStart {
            run: snapshot.place.run,
            started: Nanos(0),
            seed: config.seed()?,
            config_len: u32::try_from(config.text.len()).unwrap_or(u32::MAX),
            config_chunks: 0,
            config_hash: *blake3::hash(config.text.as_bytes()).as_bytes(),
            build_hash: snapshot.identity.build_hash,
            machine: snapshot.identity.machine,
        };
        Ok(Self { start, config })
    }
}
