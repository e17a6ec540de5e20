//! Removes segments that were archived or whose time is over, and keeps a list of them beside the journal.
//!
//! The list, `removed.jsonl`, has one JSON object per segment, written before the segment is removed, so that nothing goes
//! without a trace; a crash in between leaves a line about a segment that is still there, which is not believed.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::carry::side_files;
use super::holdings::Holding;
use crate::journal::chain::chain_path;
use crate::journal::compressed::compressed_path;
use crate::journal::error::JournalError;
use crate::journal::segment::{segment_indices, segment_path};

/// The list of what was removed.
pub const REMOVED: &str = "removed.jsonl";
/// The durable position: it speaks of records that are gone with the whole journal.
const DURABLE: &str = "durable";

/// Why a segment was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is older than `keep.age`.
    Age,
    /// The journal was larger than `keep.size`.
    Size,
    /// `journal archive --move`.
    Archived,
}

impl Reason {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Age => "older than what is kept",
            Self::Size => "beyond the size that is kept",
            Self::Archived => "archived",
        }
    }
}

/// A segment that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Its number.
    pub segment: u64,
    /// Sequence of its first record.
    pub first_seq: u64,
    /// Sequence of its last record.
    pub last_seq: u64,
    /// Stamp of its last record, ns since the Unix epoch.
    pub last_now: i64,
    /// Bytes of its file.
    pub bytes: u64,
    /// When, ns since the Unix epoch by the machine's clock.
    pub removed_at: i64,
    /// Why.
    pub reason: Reason,
    /// Where it was archived; nothing where it was not.
    pub archive: Option<PathBuf>,
}

/// Removes a segment from `dir`, with its chain file, after a line about it was written.
///
/// # Errors
/// Where the line cannot be written or the file not removed.
pub(crate) fn remove_segment(
    dir: &Path,
    holding: &Holding,
    reason: Reason,
    archive: Option<&Path>,
) -> Result<(), JournalError> {
    let entry = Removed {
        segment: holding.index,
        first_seq: holding.first_seq,
        last_seq: holding.last_seq,
        last_now: holding.last_now.0,
        bytes: holding.bytes,
        removed_at: now_ns(),
        reason,
        archive: archive.map(Path::to_path_buf),
    };
    note(dir, &entry)?;
    let chain = chain_path(dir, holding.index);
    // The segment goes first: a chain file without it is nothing, a segment without its chain would not verify.
    for path in [segment_path(dir, holding.index), compressed_path(dir, holding.index), chain] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            done => done.map_err(JournalError::io(&path, "remove"))?,
        }
    }
    let (first, last, bytes) = (holding.first_seq, holding.last_seq, holding.bytes);
    tracing::info!(segment = holding.index, first, last, bytes, ?reason, ?archive, "journal segment removed");
    Ok(())
}

/// Removes what belongs to a journal that has no segment any more.
pub(super) fn remove_rest(dir: &Path) -> Result<(), JournalError> {
    let mut rest = side_files(dir, None)?;
    rest.push(dir.join(DURABLE));
    for path in rest {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            done => done.map_err(JournalError::io(&path, "remove"))?,
        }
    }
    Ok(())
}

/// The segments that were removed from `dir`, by the list there.
///
/// # Errors
/// Where the list is there and cannot be read.
pub fn removed(dir: &Path) -> Result<Vec<Removed>, JournalError> {
    let path = dir.join(REMOVED);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(JournalError::io(&path, "read"))?,
    };
    let there = segment_indices(dir)?;
    // A line that a crash cut says nothing.
    let entries = text.lines().filter_map(|line| serde_json::from_str::<Removed>(line).ok());
    Ok(entries.filter(|entry| !there.contains(&entry.segment)).collect())
}

fn note(dir: &Path, entry: &Removed) -> Result<(), JournalError> {
    let path = dir.join(REMOVED);
    let line =
        serde_json::to_string(entry).map_err(|error| JournalError::io(&path, "write")(error.into()))?;
    let file = std::fs::File::options().create(true).read(true).append(true).open(&path);
    let mut file = file.map_err(JournalError::io(&path, "open"))?;
    // A line that a crash cut gets its end, so that this one is not lost with it.
    let mut last = [b'\n'];
    let len = file.metadata().map_err(JournalError::io(&path, "look at"))?.len();
    if len > 0 {
        file.read_exact_at(&mut last, len - 1).map_err(JournalError::io(&path, "read"))?;
    }
    let begin = if last == [b'\n'] { "" } else { "\n" };
    let written = file.write_all(format!("{begin}{line}\n").as_bytes()).and_then(|()| file.sync_data());
    written.map_err(JournalError::io(&path, "write"))
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
