//! Finds the end of a journal before it is written on, and seals what a crash left open.
//!
//! The last segment is read whole; those before it are held to their seals and to each other (`verify` reads them, and so
//! does opening with `repair`). A tail is *torn* only where
//! no later 64-byte boundary holds a valid record of the next sequence or a higher one: then it is cut and reported.
//! Anything else is corruption and is refused, unless `repair` is said: then the good prefix is kept, and everything from
//! the damage on is set aside under a name ending in `.damaged`. Nothing is guessed, and nothing is destroyed silently.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::table::RunEnd;
use pricewright_core::kernel::{Nanos, Record};

use super::check::{Cursor, holds_record_from, used_bytes};
use super::compressed::compressed_path;
use super::crc::Crc32c;
use super::durable::mark;
use super::error::{Damage, JournalError};
use super::head::{HEAD_LEN, MARK_CELLS, SEAL_AT, SealMark, SealedBy, SegmentHead, publish_mark};
use super::map::{Block, WriteMap};
use super::open::boot_id;
use super::repairs::{Cause, Loss, Repair};
use super::segment::{ReadSegment, segment_indices, segment_path, unfinished_paths};

/// What was found at opening, and what was done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecoveryReport {
    /// Runs that wrote what is there.
    pub runs: u64,
    /// Number of the last of them; 0 where there is none.
    pub last_run: u64,
    /// Sequence of the last record; 0 where there is none.
    pub last_seq: u64,
    /// Its stamp.
    pub last_now: Nanos,
    /// True where the last record ends its run, or there is none at all.
    pub clean: bool,
    /// Bytes of a torn record that were cut off.
    pub torn_bytes: u64,
    /// Where they lay.
    pub torn_at: Option<(PathBuf, u64)>,
    /// Segments that a crash had left open and that were sealed.
    pub sealed: u64,
    /// Files that were set aside: by `repair`, or because the machine went down before they were durable.
    pub set_aside: Vec<PathBuf>,
    /// The first segment that a repair changed, where there was one.
    pub repaired_from: Option<u64>,
    /// What was given up at this opening, oldest first.
    pub repairs: Vec<Repair>,
    /// True where the machine went down and records behind the durable position were lost with it.
    pub lost_undurable: bool,
    /// Head of the last segment: the build, configuration and boot of the last run.
    pub last_head: Option<SegmentHead>,
    /// Head of the segment that holds the last record. A start that was refused leaves a segment without records behind it.
    pub last_record_head: Option<SegmentHead>,
}

/// The journal's end, before a new segment is begun.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) report: RecoveryReport,
    pub(super) next_index: u64,
    /// The durable sequence that was on disk; `None` where none was ever kept.
    pub(super) durable: Option<u64>,
    /// Segments that may lie in the page cache only.
    pub(super) unsynced: Vec<PathBuf>,
}

struct Recovery<'a> {
    dir: &'a Path,
    crc: Crc32c,
    repair: bool,
    /// Nothing is changed: what would be left is all that is asked.
    dry: bool,
    cursor: Cursor,
    last_kind: u16,
    last: Option<ReadSegment>,
    report: RecoveryReport,
    durable: Option<u64>,
    unsynced: Vec<PathBuf>,
    /// In front of the segment at hand.
    base: Cursor,
}

/// How far a segment's records are good.
struct Scan {
    end: usize,
    /// What stopped it; `None` at an uncommitted cell.
    damage: Option<Damage>,
}

/// What an opening with `repair` would leave of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The first record that would be left.
    pub first_seq: u64,
    /// The last one; less than `first_seq` where none would be left.
    pub last_seq: u64,
    /// What is wrong, in words; `None` where nothing would be given up.
    pub damage: Option<String>,
}

/// What a repair of the journal in `dir` would leave. Nothing is changed. The caller holds the directory's lock.
pub(super) fn left_by_repair(dir: &Path) -> Result<Left, JournalError> {
    let (recovered, damage) = walk(dir, true, true)?;
    let first = segment_indices(dir)?.first().copied();
    let head = first.map(|index| ReadSegment::open_head_on_disk(dir, index, None)).and_then(Result::ok);
    let begin = head.and_then(|segment| segment.begin(Crc32c::detect()).ok().flatten());
    let first_seq = begin.map_or(1, |mark| mark.base_seq);
    Ok(Left { first_seq, last_seq: recovered.report.last_seq, damage })
}

/// Brings the journal in `dir` to a sealed end. The caller holds the directory's lock.
pub(super) fn recover(dir: &Path, repair: bool) -> Result<Recovered, JournalError> {
    for path in unfinished_paths(dir)? {
        std::fs::remove_file(&path).map_err(JournalError::io(&path, "remove"))?;
    }
    walk(dir, repair, false).map(|(recovered, _)| recovered)
}

/// Goes through the segments; with what was wrong, where something was given up.
fn walk(dir: &Path, repair: bool, dry: bool) -> Result<(Recovered, Option<String>), JournalError> {
    let mut indices = segment_indices(dir)?;
    remove_unused(dir, &mut indices, dry)?;
    refuse_archive(dir, indices.last().copied())?;
    let mut next_index = indices.first().copied().unwrap_or(1);
    let cursor = Cursor { next_seq: 1, last_now: Nanos::ZERO, last_kind: 0 };
    let crc = Crc32c::detect();
    let durable = read_mark(dir, repair)?;
    let report = RecoveryReport::default();
    let unsynced = Vec::new();
    let (base, last) = (cursor, None);
    let mut recovery =
        Recovery { dir, crc, repair, dry, cursor, last_kind: 0, last, report, durable, unsynced, base };
    let mut damage = None;
    for (position, index) in indices.iter().enumerate() {
        recovery.base = recovery.cursor;
        match recovery.segment(*index, position + 1 == indices.len()) {
            Ok(()) => next_index = index + 1,
            Err(error) if mendable(&error) && (repair || recovery.report.lost_undurable) => {
                if recovery.last.as_ref().is_some_and(|last| last.head.index == *index) {
                    next_index = index + 1;
                } else {
                    // Nothing of it stays, however far it could be read.
                    recovery.cursor = recovery.base;
                }
                recovery.set_aside_from(next_index, indices.get(position..).unwrap_or(&[]), &error)?;
                damage = Some(what_is_wrong(&error));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    recovery.check_durable()?;
    let (durable, unsynced) = (recovery.durable, std::mem::take(&mut recovery.unsynced));
    Ok((Recovered { report: recovery.finish(), next_index, durable, unsynced }, damage))
}

/// The damage without what helps against it: it is said where that is done.
fn what_is_wrong(error: &JournalError) -> String {
    match error {
        JournalError::Damaged(damaged) => damaged.what(),
        error => error.to_string(),
    }
}

/// The durable position on disk; with `repair` a damaged one says nothing.
fn read_mark(dir: &Path, repair: bool) -> Result<Option<u64>, JournalError> {
    match mark::read(dir) {
        Err(error) if repair && mendable(&error) => Ok(None),
        read => read,
    }
}

/// Removes segments at the end that were made ahead and never begun.
fn remove_unused(dir: &Path, indices: &mut Vec<u64>, dry: bool) -> Result<(), JournalError> {
    while let Some(index) = indices.last() {
        let unused = match ReadSegment::open_on_disk(dir, *index, None) {
            Ok(segment) => {
                matches!(segment.block(super::head::BEGIN_AT), Block::Empty) && segment.is_unwritten()?
            }
            Err(_) => false,
        };
        if !unused {
            return Ok(());
        }
        if !dry {
            let path = segment_path(dir, *index);
            std::fs::remove_file(&path).map_err(JournalError::io(&path, "remove"))?;
        }
        indices.pop();
    }
    Ok(())
}

/// What ends with a compressed segment is an archive: a run that wrote on it would end somewhere else than the journal that
/// was archived.
fn refuse_archive(dir: &Path, last: Option<u64>) -> Result<(), JournalError> {
    let compressed = last.map(|index| (segment_path(dir, index), compressed_path(dir, index)));
    match compressed {
        Some((plain, path)) if !plain.exists() && path.exists() => Err(JournalError::Archive { path }),
        _ => Ok(()),
    }
}

fn mendable(error: &JournalError) -> bool {
    matches!(error, JournalError::Damaged(_) | JournalError::NotASegment { .. })
}

impl Recovery<'_> {
    fn segment(&mut self, index: u64, is_last: bool) -> Result<(), JournalError> {
        // A segment that may be held to its seal only is not read, so a compressed one is not unpacked for it.
        let segment = if is_last || self.repair {
            ReadSegment::open_on_disk(self.dir, index, self.last.as_ref())?
        } else {
            ReadSegment::open_head_on_disk(self.dir, index, self.last.as_ref())?
        };
        let records = self.begin(&segment)?;
        let seal = segment.seal(self.crc)?;
        // Where the machine went down, a seal may have reached the disk before what it covers.
        let went_down = self.durable.is_some() && segment.head.boot_id != boot_id()?;
        let is_covered = |seal: &SealMark| self.durable.is_some_and(|durable| seal.last_seq <= durable);
        // What was compressed was read back from the disk first.
        let is_kept = |seal: &SealMark| !went_down || segment.compressed || is_covered(seal);
        let believed = seal.filter(|seal| !is_last && !self.repair && is_kept(seal));
        if let Some(seal) = believed {
            self.cursor = Cursor {
                next_seq: seal.last_seq.saturating_add(1),
                last_now: seal.last_now,
                last_kind: seal.last_kind,
            };
            self.trim(&segment, seal.end)?;
            self.keep(segment);
            return Ok(());
        }
        let scan = self.scan(&segment, records);
        let expected = SealMark::new(
            self.cursor.last_seq(),
            self.cursor.last_now,
            scan.end,
            self.cursor.last_kind,
            SealedBy::Writer,
        );
        match seal {
            Some(seal) if scan.damage.is_none() && seal.same_end(&expected) => {
                self.trim(&segment, seal.end)?;
                self.keep(segment);
                Ok(())
            }
            Some(_) => {
                let damage = scan.damage.unwrap_or(Damage::Missing);
                self.report.lost_undurable = self.is_loss_of_machine(&segment)?;
                self.refuse(segment, scan.end, damage)
            }
            None => self.seal_open(segment, scan, is_last),
        }
    }

    /// Checks that the segment follows on the last one. Returns where its records begin.
    fn begin(&mut self, segment: &ReadSegment) -> Result<usize, JournalError> {
        let next_seq = self.cursor.next_seq;
        let order = |what| segment.damaged(0, next_seq, Damage::Order(what));
        let mark = segment.begin(self.crc)?.ok_or_else(|| order("it has not begun"))?;
        match &self.last {
            None => (self.cursor.next_seq, self.cursor.last_now) = (mark.base_seq, mark.base_now),
            Some(last) if segment.head.index != last.head.index + 1 => return Err(order("one is missing")),
            Some(last) if segment.head.run < last.head.run => return Err(order("its run is an older one")),
            Some(last) if segment.head.journal_id != last.head.journal_id => {
                return Err(order("it is of another journal"));
            }
            Some(_) if mark.base_seq != next_seq || mark.base_now != self.cursor.last_now => {
                let error = order("its first sequence or stamp is not the next");
                self.report.lost_undurable = self.is_loss_of_machine(segment)?;
                return Err(error);
            }
            Some(_) => {}
        }
        self.cursor.last_kind = 0;
        self.base = self.cursor;
        Ok(segment.records_offset())
    }

    fn scan(&mut self, segment: &ReadSegment, records: usize) -> Scan {
        let mut end = records;
        loop {
            let damage = match segment.block(end) {
                Block::Empty => return Scan { end, damage: None },
                Block::Impossible => Damage::Length,
                Block::Outside => Damage::Cut,
                Block::Cells(cells) => match self.cursor.accept(cells, &segment.catalogue, self.crc) {
                    Ok(record) => {
                        end += record.cells().len() * CELL_LEN;
                        continue;
                    }
                    Err(damage) => damage,
                },
            };
            return Scan { end, damage: Some(damage) };
        }
    }

    /// Seals a segment that a crash left open, with its torn tail cut.
    fn seal_open(&mut self, segment: ReadSegment, scan: Scan, is_last: bool) -> Result<(), JournalError> {
        let rest = segment.copy_from(scan.end)?;
        let torn = used_bytes(&rest);
        // A record whose padding the file cuts is not whole, though reading it filled it up with zeros.
        let whole = rest.get(..segment.len.saturating_sub(scan.end) / CELL_LEN).unwrap_or(&rest);
        if let Some(durable) = self.durable.filter(|_| is_last && self.lacks_durable()) {
            return self.refuse(segment, scan.end, Damage::Lost(durable));
        }
        if torn > 0 && (!is_last || holds_record_from(whole, self.cursor.next_seq, self.crc)) {
            self.report.lost_undurable = self.is_loss_of_machine(&segment)?;
            return self.refuse(segment, scan.end, scan.damage.unwrap_or(Damage::Missing));
        }
        self.seal(&segment, scan.end, torn)?;
        if torn > 0 {
            self.report.torn_bytes = torn as u64;
            self.report.torn_at = Some((segment.path.clone(), scan.end as u64));
        }
        self.report.sealed += 1;
        self.keep(segment);
        Ok(())
    }

    /// Corruption at `end`: an error. With `repair` the damaged file is copied aside and the prefix sealed first.
    fn refuse(&mut self, segment: ReadSegment, end: usize, damage: Damage) -> Result<(), JournalError> {
        let error = segment.damaged(end, self.cursor.next_seq, damage);
        // A compressed segment cannot be cut: it is set aside whole.
        if (self.repair || self.report.lost_undurable) && !segment.compressed {
            let aside = aside_path(&segment.path);
            self.note(segment.head.index, &error)?;
            if !self.dry {
                std::fs::copy(&segment.path, &aside).map_err(JournalError::io(&aside, "copy to"))?;
            }
            self.report.set_aside.push(aside);
            let used = used_bytes(&segment.copy_from(end)?);
            self.seal(&segment, end, used)?;
            self.report.sealed += 1;
            self.keep(segment);
        }
        Err(error)
    }

    /// Writes down, once, what is about to be given up from segment `index` on: every file, and how many records.
    fn note(&mut self, index: u64, error: &JournalError) -> Result<(), JournalError> {
        if self.report.repaired_from.is_some() {
            return Ok(());
        }
        self.report.repaired_from = Some(index);
        if self.dry {
            return Ok(());
        }
        let cause = if self.repair { Cause::Repair } else { Cause::MachineLost };
        let last_seq = self.cursor.last_seq();
        let loss = Loss::from_segment(self.dir, index, last_seq, self.crc)?;
        Repair::now(cause, index, last_seq, what_is_wrong(error), loss).note(self.dir)
    }

    /// Zeroes `used` bytes behind `end`, publishes the seal, cuts the file: in this order, so that a crash in between
    /// leaves a journal that this same recovery brings to the same end.
    fn seal(&self, segment: &ReadSegment, end: usize, used: usize) -> Result<(), JournalError> {
        if self.dry {
            return Ok(());
        }
        let path = &segment.path;
        let file =
            OpenOptions::new().read(true).write(true).open(path).map_err(JournalError::io(path, "open"))?;
        let file_len = segment.len;
        file.write_all_at(&vec![0; used], end as u64)
            .map_err(JournalError::io(path, "cut the torn tail of"))?;
        let mut map = WriteMap::new(&file, HEAD_LEN.min(file_len)).map_err(JournalError::io(path, "map"))?;
        if let Some((commit, _)) = map.block(SEAL_AT, MARK_CELLS) {
            // Release: partner of the acquire in `ReadMap::block`; an old seal is gone before the new one is there.
            commit.store(0, Ordering::Release);
        }
        let Cursor { last_now, last_kind, .. } = self.cursor;
        let mark = SealMark::new(self.cursor.last_seq(), last_now, end, last_kind, SealedBy::Recovery);
        publish_mark(&mut map, &mark, self.crc).ok_or_else(|| segment.damaged(0, 0, Damage::Cut))?;
        file.set_len((end + CELL_LEN) as u64).map_err(JournalError::io(path, "cut"))
    }

    /// Gives back the unused room of a sealed segment whose writer did not come to it.
    fn trim(&self, segment: &ReadSegment, end: u64) -> Result<(), JournalError> {
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let len = end.saturating_add(CELL_LEN);
        if segment.len < len {
            return Err(segment.damaged(segment.len, 0, Damage::Cut));
        }
        // A compressed segment was held to that when it was opened.
        if segment.len == len || segment.compressed {
            return Ok(());
        }
        if used_bytes(&segment.copy_from(end)?) > 0 {
            return Err(segment.damaged(end, 0, Damage::NotZero));
        }
        if self.dry {
            return Ok(());
        }
        let path = &segment.path;
        let file = OpenOptions::new().write(true).open(path).map_err(JournalError::io(path, "open"))?;
        file.set_len(len as u64).map_err(JournalError::io(path, "cut"))
    }

    /// True where records are missing that were durable.
    fn lacks_durable(&self) -> bool {
        self.durable.is_some_and(|durable| self.cursor.last_seq() < durable)
    }

    /// True where what is missing was never durable and the machine went down since: then it is lost with the machine, as
    /// the mode says. The kernel writes pages in any order, so later ones may have reached the disk.
    fn is_loss_of_machine(&self, segment: &ReadSegment) -> Result<bool, JournalError> {
        Ok(self.durable.is_some() && !self.lacks_durable() && segment.head.boot_id != boot_id()?)
    }

    /// Refuses a journal that ends before its durable position.
    fn check_durable(&self) -> Result<(), JournalError> {
        let Some(durable) = self.durable.filter(|_| self.lacks_durable() && !self.repair) else {
            return Ok(());
        };
        let next_seq = self.cursor.next_seq;
        let (path, offset) = match &self.last {
            Some(last) => (last.path.clone(), last.len),
            None => (self.dir.to_path_buf(), 0),
        };
        Err(JournalError::damaged(&path, offset, next_seq, Damage::Lost(durable)))
    }

    fn keep(&mut self, segment: ReadSegment) {
        if self.durable.is_none_or(|durable| self.cursor.last_seq() > durable) {
            self.unsynced.push(segment.path.clone());
        }
        if self.cursor.last_kind != 0 {
            self.last_kind = self.cursor.last_kind;
            self.report.last_record_head = Some(segment.head);
        }
        if segment.head.run != self.report.last_run {
            self.report.runs += 1;
            self.report.last_run = segment.head.run;
        }
        self.last = Some(segment);
    }

    /// Renames what repair gives up: the segments of `rest` from `first` on.
    fn set_aside_from(&mut self, first: u64, rest: &[u64], error: &JournalError) -> Result<(), JournalError> {
        for index in rest.iter().filter(|index| **index >= first) {
            let files = [segment_path(self.dir, *index), compressed_path(self.dir, *index)];
            for path in files.into_iter().filter(|path| path.exists()) {
                let aside = aside_path(&path);
                self.note(*index, error)?;
                if !self.dry {
                    std::fs::rename(&path, &aside).map_err(JournalError::io(&path, "set aside"))?;
                }
                self.report.set_aside.push(aside);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> RecoveryReport {
        self.report.last_seq = self.cursor.last_seq();
        self.report.last_now = self.cursor.last_now;
        self.report.clean = self.report.last_seq == 0 || self.last_kind == RunEnd::KIND;
        self.report.last_head = self.last.map(|last| last.head);
        self.report
    }
}

/// A free name beside `path`.
pub(super) fn aside_path(path: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(if number == 1 { ".damaged".to_owned() } else { format!(".damaged-{number}") });
        PathBuf::from(name)
    };
    (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(u32::MAX))
}
