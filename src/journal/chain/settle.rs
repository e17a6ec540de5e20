//! What an opening for writing makes of the side files that it finds.

use std::path::{Path, PathBuf};

use super::file::{Stored, chain_indices, chain_path, closed_link, remove_unfinished};
use super::link::{Digest, genesis};
use super::tailer::Chainer;
use crate::journal::crc::Crc32c;
use crate::journal::error::{Damage, JournalError};
use crate::journal::recovery::aside_path;
use crate::journal::segment::{ReadSegment, segment_indices, segment_path};

/// What may be done about a chain that the journal does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Mend {
    /// Nothing: it is refused.
    Refuse,
    /// The machine went down: records that were chained may be lost, and what the side files say of them is set aside.
    Lost,
    /// `repair` was said: side files that do not fit are set aside.
    Repair,
}

impl Mend {
    fn covers(self, error: &JournalError) -> bool {
        let JournalError::Damaged(damaged) = error else { return false };
        match self {
            Self::Refuse => false,
            Self::Lost => matches!(damaged.damage, Damage::ChainAhead(_) | Damage::ChainFile(_)),
            Self::Repair => true,
        }
    }
}

/// Holds the side files of the sealed journal in `dir` against it, and with `make` makes those that are missing or
/// unfinished. Returns what was set aside. The caller holds the journal's lock.
///
/// Closed files are trusted (`verify` reads them); read are only the segments behind the last closed file.
///
/// # Errors
/// Where the journal is not what was chained and `mend` does not cover that, or the file system refuses.
pub(in crate::journal) fn settle(dir: &Path, make: bool, mend: Mend) -> Result<Vec<PathBuf>, JournalError> {
    remove_unfinished(dir)?;
    let mut set_aside = Vec::new();
    let last = segment_indices(dir)?.last().copied().unwrap_or(0);
    for index in chain_indices(dir)?.into_iter().filter(|index| *index > last) {
        let path = segment_path(dir, index);
        let error =
            JournalError::damaged(&path, 0, 0, Damage::Order("it is not there, but its hash chain is"));
        if mend == Mend::Refuse {
            return Err(error);
        }
        put_aside(&chain_path(dir, index), &mut set_aside)?;
    }
    if !make || last == 0 {
        return Ok(set_aside);
    }
    let mut chainer = Chainer::open(dir)?;
    loop {
        match chainer.catch_up() {
            Ok(()) => return Ok(set_aside),
            Err(error) if mend.covers(&error) && chain_path(dir, chainer.index()).exists() => {
                put_aside(&chain_path(dir, chainer.index()), &mut set_aside)?;
                chainer.again();
            }
            Err(error) => return Err(error),
        }
    }
}

fn put_aside(path: &Path, set_aside: &mut Vec<PathBuf>) -> Result<(), JournalError> {
    let aside = aside_path(path);
    std::fs::rename(path, &aside).map_err(JournalError::io(path, "set aside"))?;
    set_aside.push(aside);
    Ok(())
}

impl Chainer {
    /// Goes on where the side files of the journal in `dir` end: behind the last one that is closed.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let indices = segment_indices(dir)?;
        for index in indices.iter().rev() {
            if let Some(link) = closed_link(dir, *index)? {
                return Ok(Self::at(dir, index + 1, link));
            }
        }
        let first = indices.first().copied().unwrap_or(1);
        Ok(Self::at(dir, first, link_before(dir, first)?))
    }
}

/// The link in front of the first segment that there is: as its side file or its head says; else no chain was kept before.
fn link_before(dir: &Path, index: u64) -> Result<Digest, JournalError> {
    if let Some(stored) = Stored::read(dir, index).ok().flatten() {
        return Ok(stored.header.before);
    }
    let Some(segment) = ReadSegment::open_if_there(dir, index, None)? else { return Ok(Digest::default()) };
    let mark = segment.chain(Crc32c::detect())?;
    Ok(mark.map_or_else(|| genesis(segment.head.journal_id), |mark| mark.chain_head))
}
