//! Reads a journal, sealed or still being written, in this process or another.
//!
//! Every record is verified before it is given out: length, checksum, padding, that its sequence is the next, that its
//! stamp does not go back, and that the segment's catalogue has its kind with this version and length. The reader goes
//! from a segment to the next only when the first is sealed and the next has begun exactly behind it, so nothing can
//! be skipped. It takes no lock and makes no system call except where a segment ends.

use std::path::{Path, PathBuf};

use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::{Nanos, RecordRef};

use super::catalogue::Catalogue;
use super::check::Cursor;
use super::crc::Crc32c;
use super::error::{Damage, JournalError};
use super::head::SegmentHead;
use super::map::Block;
use super::segment::{ReadSegment, segment_indices, segment_path};

/// A place in a journal, and what comes next there.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    segment: ReadSegment,
    /// Where the next record will lie; 0 while the segment has not begun.
    offset: usize,
    /// Where the last record given out lies.
    last_offset: usize,
    cursor: Cursor,
    /// Sequence and stamp are taken from the first begin mark, not checked against it.
    fresh: bool,
    crc: Crc32c,
}

/// What lies at the reader's place.
enum Found {
    Record,
    Nothing,
}

impl Reader {
    /// At the oldest record of the journal in `dir`.
    ///
    /// # Errors
    /// Where there is no journal, or its first segment cannot be read.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let first = segment_indices(dir)?.first().copied();
        let first = first.ok_or_else(|| JournalError::Empty { path: dir.to_path_buf() })?;
        Self::at_segment(dir, first)
    }

    /// At record `seq`, which the journal must hold or be about to write next. Walks through one segment.
    ///
    /// # Errors
    /// Where there is no journal, it lacks the record, or what lies before it in its segment is damaged.
    pub fn from_seq(dir: &Path, seq: u64) -> Result<Self, JournalError> {
        let indices = segment_indices(dir)?;
        for index in indices.iter().rev() {
            let Some(head) = ReadSegment::open_head_if_there(dir, *index, None)? else { continue };
            if head.begin(Crc32c::detect())?.is_none_or(|mark| mark.base_seq > seq) {
                continue;
            }
            let Some(mut reader) = Self::at_segment_if_there(dir, *index)? else { continue };
            if !reader.begin()? {
                continue;
            }
            while reader.cursor.next_seq < seq {
                if reader.next_record()?.is_none() {
                    return Err(Self::no_such_record(dir, seq));
                }
            }
            return Ok(reader);
        }
        match indices.last() {
            None => Err(JournalError::Empty { path: dir.to_path_buf() }),
            Some(_) => Err(Self::no_such_record(dir, seq)),
        }
    }

    /// Behind the last record that the journal holds now: what comes next is new.
    ///
    /// # Errors
    /// Where there is no journal, or its last segment is damaged.
    pub fn from_end(dir: &Path) -> Result<Self, JournalError> {
        for index in segment_indices(dir)?.iter().rev() {
            let Some(mut reader) = Self::at_segment_if_there(dir, *index)? else { continue };
            if reader.begin()? {
                while reader.next_record()?.is_some() {}
                return Ok(reader);
            }
        }
        Self::open(dir)
    }

    /// The error that names what the journal does hold, or why that cannot be read.
    fn no_such_record(dir: &Path, seq: u64) -> JournalError {
        let range = || -> Result<(u64, u64), JournalError> {
            let mut oldest = Self::open(dir)?;
            oldest.begin()?;
            Ok((oldest.cursor.next_seq, Self::from_end(dir)?.cursor.last_seq()))
        };
        match range() {
            Ok((first, last)) => JournalError::NoSuchRecord { path: dir.to_path_buf(), seq, first, last },
            Err(error) => error,
        }
    }

    pub(super) fn at_segment(dir: &Path, index: u64) -> Result<Self, JournalError> {
        Ok(Self::at_start_of(dir, ReadSegment::open(dir, index, None)?))
    }

    fn at_segment_if_there(dir: &Path, index: u64) -> Result<Option<Self>, JournalError> {
        let segment = ReadSegment::open_if_there(dir, index, None)?;
        Ok(segment.map(|segment| Self::at_start_of(dir, segment)))
    }

    fn at_start_of(dir: &Path, segment: ReadSegment) -> Self {
        let crc = Crc32c::detect();
        let cursor = Cursor { next_seq: 1, last_now: Nanos::ZERO, last_kind: 0 };
        Self { dir: dir.to_path_buf(), segment, offset: 0, last_offset: 0, cursor, fresh: true, crc }
    }

    /// The next record, where one is committed. `None` at the end of what is there now: ask again later.
    ///
    /// # Errors
    /// Where the bytes there are damaged. The reader stays, and says the same when asked again.
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<RecordRef<'_>>, JournalError> {
        match self.advance()? {
            Found::Nothing => Ok(None),
            Found::Record => Ok(self.last_record()),
        }
    }

    /// The record that [`Self::next_record`] gave last; `None` before the first. For callers that also need the catalogue.
    #[inline]
    pub fn last_record(&self) -> Option<RecordRef<'_>> {
        match self.segment.block(self.last_offset) {
            Block::Cells(cells) if self.last_offset > 0 => RecordRef::first_of(cells),
            _ => None,
        }
    }

    #[inline]
    fn advance(&mut self) -> Result<Found, JournalError> {
        if self.offset == 0 && !self.begin()? {
            return Ok(Found::Nothing);
        }
        loop {
            let damage = match self.segment.block(self.offset) {
                Block::Cells(cells) => match self.cursor.accept(cells, &self.segment.catalogue, self.crc) {
                    Ok(record) => {
                        self.last_offset = self.offset;
                        self.offset += record.cells().len() * CELL_LEN;
                        return Ok(Found::Record);
                    }
                    Err(damage) => damage,
                },
                Block::Impossible => Damage::Length,
                Block::Outside => Damage::Cut,
                Block::Empty => {
                    if self.roll()? {
                        continue;
                    }
                    return Ok(Found::Nothing);
                }
            };
            return Err(self.segment.damaged(self.offset, self.cursor.next_seq, damage));
        }
    }

    /// Looks for the segment's begin mark. False while it is not there.
    fn begin(&mut self) -> Result<bool, JournalError> {
        let Some(mark) = self.segment.begin(self.crc)? else { return Ok(false) };
        if self.fresh {
            self.cursor.next_seq = mark.base_seq;
            self.cursor.last_now = mark.base_now;
            self.fresh = false;
        } else if mark.base_seq != self.cursor.next_seq || mark.base_now != self.cursor.last_now {
            let damage = Damage::Order("its first sequence or stamp is not the next");
            return Err(self.segment.damaged(0, self.cursor.next_seq, damage));
        }
        self.cursor.last_kind = 0;
        self.offset = self.segment.records_offset();
        Ok(true)
    }

    /// At an uncommitted cell: goes on to the next segment where this one is sealed. False where it is not, or where the
    /// next one has not begun.
    fn roll(&mut self) -> Result<bool, JournalError> {
        let Some(seal) = self.segment.seal(self.crc)? else { return Ok(false) };
        if !matches!(self.segment.block(self.offset), Block::Empty) {
            // The record was committed after it was looked for and before the seal was.
            return Ok(true);
        }
        let next_seq = self.cursor.next_seq;
        if seal.end != self.offset as u64 {
            return Err(self.segment.damaged(self.offset, next_seq, Damage::Missing));
        }
        let last = (seal.last_seq, seal.last_now, seal.last_kind);
        if last != (self.cursor.last_seq(), self.cursor.last_now, self.cursor.last_kind) {
            let damage = Damage::Mark("seal: not the last record's");
            return Err(self.segment.damaged(self.offset, next_seq, damage));
        }
        let index = self.segment.head.index + 1;
        let Some(next) = ReadSegment::open_if_there(&self.dir, index, Some(&self.segment))? else {
            // A later one without this one would be a hole, not an end.
            return match segment_indices(&self.dir)?.last() {
                Some(last) if *last > index => {
                    let path = segment_path(&self.dir, index);
                    Err(JournalError::damaged(&path, 0, next_seq, Damage::Order("it is not there")))
                }
                _ => Ok(false),
            };
        };
        if next.begin(self.crc)?.is_none() {
            return Ok(false);
        }
        if next.head.run < self.segment.head.run {
            return Err(next.damaged(0, next_seq, Damage::Order("its run is an older one")));
        }
        if next.head.journal_id != self.segment.head.journal_id {
            return Err(next.damaged(0, next_seq, Damage::Order("it is of another journal")));
        }
        self.segment = next;
        self.begin()
    }

    /// The segment's file that the last record came from.
    pub fn path(&self) -> &Path {
        &self.segment.path
    }

    /// Where in its file the last record lies; 0 before the first.
    pub fn offset(&self) -> u64 {
        self.last_offset as u64
    }

    /// Head of the segment that the last record came from: its run, build, configuration.
    pub fn head(&self) -> &SegmentHead {
        &self.segment.head
    }

    /// Catalogue of the segment that the last record came from.
    pub fn catalogue(&self) -> &Catalogue {
        &self.segment.catalogue
    }

    /// The sequence that comes next.
    pub fn next_seq(&self) -> u64 {
        self.cursor.next_seq
    }

    /// The last record's stamp.
    pub fn last_now(&self) -> Nanos {
        self.cursor.last_now
    }

    pub(super) fn segment(&self) -> &ReadSegment {
        &self.segment
    }

    /// Where the next record would lie; 0 while the segment has not begun.
    pub(super) fn end(&self) -> usize {
        self.offset
    }
}
