//! What repairs gave up, in a list beside the journal, `repaired.jsonl`: a line is on the disk before anything is changed.
//!
//! Whoever verifies the journal later is told of them, and a seal over what was given up is not called broken for ever. The
//! list is not signed: with a key, a seal must have been made since.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::chain::{chain_indices, chain_path};
use super::check::highest_record;
use super::compressed::compressed_path;
use super::crc::Crc32c;
use super::error::JournalError;
use super::list;
use super::recovery::aside_path;
use super::segment::{ReadSegment, segment_indices, segment_path};

/// The list of repairs.
pub const REPAIRED: &str = "repaired.jsonl";

/// Why something was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// `repair` was said at an opening.
    Repair,
    /// The machine went down before records were durable, as the durability says.
    MachineLost,
}

/// One repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// When, ns since the Unix epoch by the machine's clock.
    pub repaired_at: i64,
    /// Why.
    pub cause: Cause,
    /// The segment at which it began.
    pub segment: u64,
    /// The last record up to which the journal is what it was. Records behind it were given up, or stand without the hash
    /// chain that once vouched for them.
    pub last_seq: u64,
    /// What was wrong.
    pub damage: String,
    /// Records behind that which were there and are not any more, as far as seals and records say how many.
    #[serde(default)]
    pub given_up: u64,
    /// Where what was given up lies now: every file.
    pub set_aside: Vec<PathBuf>,
}

/// What is about to be given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Loss {
    /// Names that the files will have.
    pub(super) files: Vec<PathBuf>,
    /// Records.
    pub(super) records: u64,
}

impl Loss {
    /// Of the journal in `dir`, everything behind record `last_seq`, which lies in segment `index` or in front of it: the
    /// segments from there on, and what chains them.
    pub(super) fn from_segment(
        dir: &Path,
        index: u64,
        last_seq: u64,
        crc: Crc32c,
    ) -> Result<Self, JournalError> {
        let indices: Vec<u64> = segment_indices(dir)?.into_iter().filter(|other| *other >= index).collect();
        let segments = indices.iter().flat_map(|at| [segment_path(dir, *at), compressed_path(dir, *at)]);
        let chains = chain_indices(dir)?.into_iter().filter(|other| *other >= index);
        let chains: Vec<PathBuf> = chains.map(|index| chain_path(dir, index)).collect();
        let files =
            segments.filter(|path| path.exists()).chain(chains).map(|path| aside_path(&path)).collect();
        let highest = indices.iter().filter_map(|index| last_of(dir, *index, last_seq, crc)).max();
        Ok(Self { files, records: highest.unwrap_or(0).saturating_sub(last_seq) })
    }
}

/// The last record of segment `index`, as its seal says, or the highest behind `last_seq` that can be read. `None` where
/// nothing can be made out.
fn last_of(dir: &Path, index: u64, last_seq: u64, crc: Crc32c) -> Option<u64> {
    let segment = ReadSegment::open_on_disk(dir, index, None).ok()?;
    if let Ok(Some(seal)) = segment.seal(crc) {
        return Some(seal.last_seq);
    }
    highest_record(&segment.copy_from(segment.records_offset()).ok()?, last_seq, crc)
}

impl Repair {
    /// Writes it into the list of the journal in `dir`.
    pub(super) fn note(&self, dir: &Path) -> Result<(), JournalError> {
        list::append(&dir.join(REPAIRED), self)
    }

    /// A repair that begins now.
    pub(super) fn now(cause: Cause, segment: u64, last_seq: u64, damage: String, loss: Loss) -> Self {
        let Loss { files, records } = loss;
        let repaired_at = list::now_ns();
        Self { repaired_at, cause, segment, last_seq, damage, given_up: records, set_aside: files }
    }
}

/// Whether a repair in the list of `dir` set the file of this name aside: whoever verifies the journal is told of it.
pub(super) fn was_set_aside(dir: &Path, path: &Path) -> Result<bool, JournalError> {
    let names = |aside: &PathBuf| aside.with_extension("").file_name() == path.file_name();
    Ok(repairs(dir)?.iter().any(|repair| repair.set_aside.iter().any(names)))
}

/// Notes that records behind `last_seq` up to `known` are not there, though something beside the journal speaks of them, as
/// `what` says.
///
/// # Errors
/// What the file system says.
pub fn note_missing(
    dir: &Path,
    cause: Cause,
    (last_seq, known): (u64, u64),
    what: String,
) -> Result<Repair, JournalError> {
    let segment = segment_indices(dir)?.last().copied().unwrap_or(0);
    let loss = Loss { files: Vec::new(), records: known.saturating_sub(last_seq) };
    let repair = Repair::now(cause, segment, last_seq, what, loss);
    repair.note(dir)?;
    Ok(repair)
}

/// The repairs of the journal in `dir`, oldest first.
///
/// # Errors
/// Where the list is there and cannot be read.
pub fn repairs(dir: &Path) -> Result<Vec<Repair>, JournalError> {
    list::read(&dir.join(REPAIRED))
}
