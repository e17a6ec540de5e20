//! What an opening for writing makes of the side files that it finds.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::file::{Stored, chain_indices, chain_path, closed_link, remove_unfinished};
use super::link::{Digest, genesis};
use super::tailer::Chainer;
use crate::journal::crc::Crc32c;
use crate::journal::error::{Damage, Damaged, JournalError};
use crate::journal::head::{CHAIN_AT, MARK_LEN};
use crate::journal::recovery::aside_path;
use crate::journal::repairs::{Cause, Loss, Repair, was_set_aside};
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
/// unfinished. Returns what was set aside. The caller holds the journal's lock. Side files of the segments from
/// `repaired_from` on speak of what recovery gave up: they are set aside first.
///
/// Closed files are trusted (`verify` reads them); read are only the segments behind the last closed file. With
/// [`Mend::Repair`] all are read, and whatever does not fit is made anew, at most once for each segment: its side file is set
/// aside, and the chain mark in its head written again.
///
/// # Errors
/// Where the journal is not what was chained and `mend` does not cover that, or the file system refuses.
pub(in crate::journal) fn settle(
    dir: &Path,
    make: bool,
    mend: Mend,
    repaired_from: Option<u64>,
) -> Result<Vec<PathBuf>, JournalError> {
    remove_unfinished(dir)?;
    let mut settling = Settling { dir, mend, set_aside: Vec::new(), files: 0, marks: 0 };
    let segments = segment_indices(dir)?;
    let last = segments.last().copied().unwrap_or(0);
    if make {
        segments.into_iter().try_for_each(|index| settling.look_for(index))?;
    }
    for index in chain_indices(dir)? {
        let path = chain_path(dir, index);
        if index > last {
            let missing = segment_path(dir, index);
            let damage = Damage::Order("it is not there, but its hash chain is");
            let error = JournalError::damaged(&missing, 0, 0, damage);
            let (Mend::Repair | Mend::Lost, JournalError::Damaged(damaged)) = (mend, &error) else {
                return Err(error);
            };
            // Noted once: a chain that recovery or an earlier turn gave up is in its note.
            if repaired_from.is_none() {
                settling.note_gone(index, damaged)?;
            }
            settling.put_aside(&path)?;
        } else if repaired_from.is_some_and(|from| index >= from) {
            settling.put_aside(&path)?;
        }
    }
    if !make || last == 0 {
        return Ok(settling.set_aside);
    }
    let mut chainer = settling.open()?;
    loop {
        match chainer.catch_up() {
            Ok(()) => return Ok(settling.set_aside),
            Err(error) if mend.covers(&error) && settling.help(chainer.index(), &error)? => chainer.again(),
            Err(error) => return Err(error),
        }
    }
}

/// What is done about side files and marks that do not fit.
struct Settling<'a> {
    dir: &'a Path,
    mend: Mend,
    set_aside: Vec<PathBuf>,
    /// The last segment whose side file was set aside because it does not fit; segments are met in rising order.
    files: u64,
    /// The last segment whose chain mark was taken out.
    marks: u64,
}

impl Settling<'_> {
    /// Where the chain goes on; for a repair, where it begins.
    fn open(&mut self) -> Result<Chainer, JournalError> {
        if self.mend != Mend::Repair {
            return Chainer::open(self.dir);
        }
        let first = segment_indices(self.dir)?.first().copied().unwrap_or(1);
        let link = match link_before(self.dir, first) {
            Err(error) if self.mend.covers(&error) && self.help(first, &error)? => {
                link_before(self.dir, first)?
            }
            link => link?,
        };
        Ok(Chainer::at(self.dir, first, link))
    }

    /// A segment that was chained has its side file: one that somebody took away is not made anew without a word. One that a
    /// noted repair set aside is on its way.
    fn look_for(&self, index: u64) -> Result<(), JournalError> {
        let path = chain_path(self.dir, index);
        if path.exists() || was_set_aside(self.dir, &path)? {
            return Ok(());
        }
        let (segment, crc) = (ReadSegment::open_head(self.dir, index, None)?, Crc32c::detect());
        // A mark that is not good is judged where the chain is made.
        let Ok(Some(_)) = segment.chain(crc) else { return Ok(()) };
        let first = segment.begin(crc)?.map_or(0, |mark| mark.base_seq);
        let error = JournalError::damaged(&path, 0, first, Damage::ChainFile("it is not there"));
        match error {
            JournalError::Damaged(damaged) if self.mend != Mend::Refuse => {
                self.note(index, &damaged, Vec::new())
            }
            error => Err(error),
        }
    }

    /// Takes away what made chaining segment `index` fail with `error`. False where that was done before: then something
    /// else is wrong.
    fn help(&mut self, index: u64, error: &JournalError) -> Result<bool, JournalError> {
        let JournalError::Damaged(damaged) = error else { return Ok(false) };
        if matches!(damaged.damage, Damage::Mark(_)) && self.mend == Mend::Repair && self.marks < index {
            self.marks = index;
            self.note(index, damaged, Vec::new())?;
            return take_mark_out(self.dir, index);
        }
        let path = chain_path(self.dir, index);
        if self.files >= index || !path.exists() {
            return Ok(false);
        }
        self.files = index;
        self.note(index, damaged, vec![aside_path(&path)])?;
        self.put_aside(&path)?;
        Ok(true)
    }

    /// A segment is not there, and its side file tells which records it had.
    fn note_gone(&self, index: u64, damaged: &Damaged) -> Result<(), JournalError> {
        let stored = Stored::read(self.dir, index).ok().flatten();
        let before = stored.as_ref().map_or(0, |stored| stored.header.base_seq.saturating_sub(1));
        let records = stored.map_or(0, |stored| stored.last_seq().saturating_sub(before));
        let loss = Loss { files: vec![aside_path(&chain_path(self.dir, index))], records };
        Repair::now(self.cause(), index, before, damaged.what(), loss).note(self.dir)
    }

    fn cause(&self) -> Cause {
        if self.mend == Mend::Repair { Cause::Repair } else { Cause::MachineLost }
    }

    fn note(&self, index: u64, damaged: &Damaged, aside: Vec<PathBuf>) -> Result<(), JournalError> {
        let cause = self.cause();
        let segment = ReadSegment::open_head(self.dir, index, None)?;
        let first = segment.begin(Crc32c::detect())?.map_or(0, |mark| mark.base_seq);
        let last_seq = damaged.seq.max(first).saturating_sub(1);
        let loss = Loss { files: aside, records: 0 };
        Repair::now(cause, index, last_seq, damaged.what(), loss).note(self.dir)
    }

    fn put_aside(&mut self, path: &Path) -> Result<(), JournalError> {
        let aside = aside_path(path);
        std::fs::rename(path, &aside).map_err(JournalError::io(path, "set aside"))?;
        self.set_aside.push(aside);
        Ok(())
    }
}

/// Zeroes the chain mark of segment `index`, so that it is made anew. False where the segment is compressed: it is not
/// changed any more.
fn take_mark_out(dir: &Path, index: u64) -> Result<bool, JournalError> {
    let path = segment_path(dir, index);
    let file = match std::fs::OpenOptions::new().write(true).open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(JournalError::io(&path, "open"))?,
    };
    file.write_all_at(&[0; MARK_LEN], CHAIN_AT as u64).map_err(JournalError::io(&path, "write"))?;
    Ok(true)
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
                return Ok(Self::at(dir, index.saturating_add(1), link));
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
