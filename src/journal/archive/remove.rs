//! Removes segments that were archived or whose time is over, and keeps a list of them beside the journal.
//!
//! The list, `removed.jsonl`, has one JSON object per segment, written before the segment is removed, so that nothing goes
//! without a trace; a crash in between leaves a line about a segment that is still there, which is not believed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::holdings::Holding;
use crate::journal::chain::chain_path;
use crate::journal::compressed::compressed_path;
use crate::journal::error::JournalError;
use crate::journal::list;
use crate::journal::segment::{segment_indices, segment_path};

/// The list of what was removed.
pub const REMOVED: &str = "removed.jsonl";

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
        removed_at: list::now_ns(),
        reason,
        archive: archive.map(Path::to_path_buf),
    };
    list::append(&dir.join(REMOVED), &entry)?;
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

/// The segments that were removed from `dir`, by the list there.
///
/// # Errors
/// Where the list is there and cannot be read.
pub fn removed(dir: &Path) -> Result<Vec<Removed>, JournalError> {
    let there = segment_indices(dir)?;
    let entries: Vec<Removed> = list::read(&dir.join(REMOVED))?;
    Ok(entries.into_iter().filter(|entry| !there.contains(&entry.segment)).collect())
}

/// Adds to the list of the archive `to` what the list of `dir` has and that one lacks: what was removed from a journal is
/// missing in its archive too, where it was not archived.
pub(crate) fn carry_list(dir: &Path, to: &Path) -> Result<(), JournalError> {
    let (ours, theirs) = (list::lines(&dir.join(REMOVED))?, list::lines(&to.join(REMOVED))?);
    let new: Vec<String> = ours.into_iter().filter(|line| !theirs.contains(line)).collect();
    if new.is_empty() { Ok(()) } else { list::append_lines(&to.join(REMOVED), &new) }
}
