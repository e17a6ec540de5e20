//! Sealed segments, compressed and put elsewhere, and what may then be removed.
//!
//! An archive is a journal: its segments are compressed (see `docs/journal-format.md`), the files beside them are there,
//! and every command that reads a journal reads it. Archiving again adds what has been sealed since. Nothing is removed
//! from the journal before its copy was read back and compared, and nothing that a restart still needs.

mod carry;
mod holdings;
mod pack;
mod remove;
mod target;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::chain::chained;
use super::error::JournalError;
use super::lock::{JournalLock, lock};
use super::segment::{segment_indices, segment_path};

pub use holdings::{Holding, holdings};
pub use remove::{REMOVED, Reason, Removed, removed};

pub(crate) use carry::{Carry, Reach};
pub(crate) use pack::Packing;
pub(crate) use remove::{carry_list, remove_segment};
pub(crate) use target::{Target, copy_packed};

/// Bytes handled between two looks at the progress.
const STEP: usize = 1 << 20;

/// What [`archive`] does with the journal's own files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Originals {
    /// They stay.
    Keep,
    /// Segments that were archived are removed: those that end at or before this record, behind which a snapshot stands, but the
    /// newest, at whose end the next run begins.
    Remove {
        /// The record that the oldest usable snapshot stands behind.
        covered: Option<u64>,
    },
}

/// What was archived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Segments that were compressed or copied now.
    pub segments: Vec<Holding>,
    /// Their bytes in the archive.
    pub packed_bytes: u64,
    /// Segments that the archive had already.
    pub already: u64,
    /// Files beside the segments that were copied or brought up to date.
    pub side_files: Vec<PathBuf>,
    /// Segments whose originals were removed.
    pub removed: u64,
    /// Segments that stay where they were to be removed, because a start from the oldest usable snapshot needs them, or there
    /// is none.
    pub needed: u64,
    /// True where the newest segment stays though it was archived, since the next run begins at its end.
    pub newest_stays: bool,
}

/// Archives the sealed segments of the journal in `dir` to `to`, which may be `dir` itself: then they are compressed where
/// they lie, all but the newest segment. `progress` is called now and then with the segments done and their number.
///
/// # Errors
/// Where a segment is damaged, `to` holds something else, a directory that would be written is locked, or the system
/// refuses. What was archived by then is whole.
pub fn archive(
    dir: &Path,
    to: &Path,
    originals: Originals,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Archived, JournalError> {
    if segment_indices(dir)?.is_empty() {
        return Err(JournalError::Empty { path: dir.to_path_buf() });
    }
    std::fs::create_dir_all(to).map_err(JournalError::io(to, "make the directory"))?;
    let in_place = same_directory(dir, to)?;
    let _lock = lock(to)?;
    let removes = matches!(originals, Originals::Remove { .. }) && !in_place;
    let own_lock = if in_place { None } else { own_lock(dir, removes)? };
    let mut sealed = holdings(dir)?;
    if own_lock.is_none() && !in_place {
        // While it is written, its chain's tailer may still have to set a mark in what was sealed last.
        sealed = chained(dir, sealed)?;
    }
    if in_place {
        let newest = segment_indices(dir)?.last().copied();
        sealed.retain(|holding| Some(holding.index) != newest);
    }
    let mut archived = Archived::default();
    let target = if in_place { None } else { Some(Target::open(to, &sealed)?) };
    let count = sealed.len() as u64;
    for (number, holding) in (0..).zip(&sealed) {
        progress(number, count);
        match &target {
            None => pack_in_place(dir, holding, &mut archived)?,
            Some(target) if target.has(holding)? => archived.already += 1,
            Some(_) => {
                archived.packed_bytes += add(dir, to, holding)?;
                archived.segments.push(holding.clone());
            }
        }
    }
    if let Some(last) = sealed.last().filter(|_| !in_place) {
        let reach = Reach { index: last.index, last_seq: last.last_seq };
        let mut carry = Carry::start(dir, to, reach, STEP)?;
        while !carry.step()? {}
        archived.side_files = carry.done();
        remove::carry_list(dir, to)?;
    }
    if let (true, Originals::Remove { covered }) = (removes, originals) {
        remove_originals(dir, to, &sealed, covered, &mut archived)?;
    }
    progress(count, count);
    Ok(archived)
}

/// The journal's lock; `None` where a writer has it, which is an error only where something would be removed.
fn own_lock(dir: &Path, removes: bool) -> Result<Option<JournalLock>, JournalError> {
    match lock(dir) {
        Err(JournalError::Locked { .. }) if !removes => Ok(None),
        // A journal that may only be read has no writer that this user could be.
        Err(JournalError::Io { source, .. })
            if !removes
                && matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
        {
            Ok(None)
        }
        locked => locked.map(Some),
    }
}

/// Adds one segment to the archive; returns its bytes there.
fn add(dir: &Path, to: &Path, holding: &Holding) -> Result<u64, JournalError> {
    if holding.compressed {
        return copy_packed(dir, to, holding);
    }
    let mut packing = Packing::start(dir, to, holding.index, STEP)?;
    loop {
        if let Some(bytes) = packing.step()? {
            return Ok(bytes);
        }
    }
}

fn pack_in_place(dir: &Path, holding: &Holding, archived: &mut Archived) -> Result<(), JournalError> {
    if holding.compressed {
        archived.already += 1;
        return Ok(());
    }
    archived.packed_bytes += add(dir, dir, holding)?;
    let plain = segment_path(dir, holding.index);
    std::fs::remove_file(&plain).map_err(JournalError::io(&plain, "remove"))?;
    archived.segments.push(holding.clone());
    archived.removed += 1;
    Ok(())
}

/// Removes what the archive holds and a restart does not need.
fn remove_originals(
    dir: &Path,
    to: &Path,
    sealed: &[Holding],
    covered: Option<u64>,
    archived: &mut Archived,
) -> Result<(), JournalError> {
    let newest = segment_indices(dir)?.last().copied();
    for holding in sealed {
        // The journal's end is what the next run begins at, even where a snapshot covers it.
        let is_newest = Some(holding.index) == newest;
        if is_newest || covered.is_none_or(|covered| holding.last_seq > covered) {
            archived.needed += u64::from(!is_newest);
            archived.newest_stays |= is_newest;
            continue;
        }
        remove_segment(dir, holding, remove::Reason::Archived, Some(to))?;
        archived.removed += 1;
    }
    Ok(())
}

fn same_directory(a: &Path, b: &Path) -> Result<bool, JournalError> {
    let real = |path: &Path| std::fs::canonicalize(path).map_err(JournalError::io(path, "look at"));
    Ok(real(a)? == real(b)?)
}
