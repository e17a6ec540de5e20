//! From a segment's bytes to the entries of its side file, as far as records are committed.

use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::{Cell, RecordRef};
use zerocopy::IntoBytes;

use super::link::{BLOCK_LEN, Covers, Digest, Entry, MAX_COUNT, tag};
use crate::journal::check::Cursor;
use crate::journal::crc::Crc32c;
use crate::journal::error::{Damage, JournalError};
use crate::journal::head::{
    CHAIN_AT, ChainMark, MARK_CELLS, MARK_LEN, SEAL_AT, SealMark, SealedBy, published,
};
use crate::journal::map::Block;
use crate::journal::segment::ReadSegment;

/// Bytes gathered before they are hashed: BLAKE3 takes eight chunks of 1 KiB side by side.
const GATHER: usize = 8 << 10;

/// Walks through a segment that has begun and makes its entries one after the other.
#[derive(Debug)]
pub(super) struct SegmentChain {
    pub(super) segment: ReadSegment,
    /// Sequence of the segment's first record.
    pub(super) base_seq: u64,
    /// The link behind the last entry that was given out.
    pub(super) link: Digest,
    cursor: Cursor,
    /// Where the next record will lie.
    offset: usize,
    state: State,
    block: Open,
    crc: Crc32c,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Records,
    Seal,
    Done,
}

/// What a step gave.
#[derive(Debug)]
pub(super) enum Step {
    /// The next entry.
    Entry(Entry),
    /// None yet; there are more records.
    More,
    /// None yet; nothing more is committed now.
    Idle,
    /// The segment is sealed, and the last entry was given out.
    Done,
}

/// The block that is being gathered.
#[derive(Debug)]
struct Open {
    offset: u64,
    length: u64,
    tags: Vec<u64>,
    hasher: blake3::Hasher,
    gathered: Vec<Cell>,
}

impl Open {
    fn at(offset: usize) -> Self {
        Self {
            offset: offset as u64,
            length: 0,
            tags: Vec::with_capacity(MAX_COUNT),
            hasher: blake3::Hasher::new(),
            gathered: Vec::with_capacity(GATHER / CELL_LEN),
        }
    }

    fn push(&mut self, record: RecordRef<'_>) {
        let cells = record.cells();
        self.tags.push(tag(cells));
        self.length += (cells.len() * CELL_LEN) as u64;
        for cell in cells {
            self.gathered.push(*cell);
            if self.gathered.len() * CELL_LEN == GATHER {
                self.hash_gathered();
            }
        }
    }

    fn hash_gathered(&mut self) {
        self.hasher.update(self.gathered.as_bytes());
        self.gathered.clear();
    }

    /// Closes the block; the next one begins behind it, at record `next_seq`.
    fn close(&mut self, next_seq: u64) -> Entry {
        self.hash_gathered();
        let entry = Entry {
            covers: Covers::Records,
            offset: self.offset,
            length: self.length,
            first_seq: next_seq.saturating_sub(self.tags.len() as u64),
            content: *self.hasher.finalize().as_bytes(),
            tags: self.tags.clone(),
            link: Digest::default(),
        };
        self.offset += self.length;
        self.length = 0;
        self.tags.clear();
        self.hasher.reset();
        entry
    }
}

impl SegmentChain {
    /// At the front of `segment`, behind the link `before`. `None` where the segment has not begun.
    ///
    /// # Errors
    /// Where its begin mark is damaged.
    pub(super) fn new(
        segment: ReadSegment,
        before: Digest,
        crc: Crc32c,
    ) -> Result<Option<Self>, JournalError> {
        let Some(begin) = segment.begin(crc)? else { return Ok(None) };
        let offset = segment.records_offset();
        let cursor = Cursor { next_seq: begin.base_seq, last_now: begin.base_now, last_kind: 0 };
        let (base_seq, block) = (begin.base_seq, Open::at(offset));
        Ok(Some(Self { segment, base_seq, link: before, cursor, offset, state: State::Head, block, crc }))
    }

    /// Number of the segment.
    pub(super) fn index(&self) -> u64 {
        self.segment.head.index
    }

    /// The segment's chain mark, behind the link `before`.
    pub(super) fn mark(&self, before: Digest) -> ChainMark {
        ChainMark::new(before, self.base_seq.saturating_sub(1))
    }

    /// The sequence that comes next, and where its record will lie.
    pub(super) fn place(&self) -> (u64, usize) {
        (self.cursor.next_seq, self.offset)
    }

    /// Takes at most `budget` records.
    ///
    /// # Errors
    /// Where the bytes there are damaged; the walk stays.
    pub(super) fn step(&mut self, budget: usize) -> Result<Step, JournalError> {
        match self.state {
            State::Head => {
                let entry = self.head_entry()?;
                self.state = State::Records;
                Ok(self.give(entry))
            }
            State::Records => self.records(budget),
            State::Seal => {
                let content = self.segment.copy(SEAL_AT, MARK_LEN)?;
                let entry = self.cover(Covers::Seal, SEAL_AT as u64, content.as_bytes());
                self.state = State::Done;
                Ok(self.give(entry))
            }
            State::Done => Ok(Step::Done),
        }
    }

    fn records(&mut self, budget: usize) -> Result<Step, JournalError> {
        for _ in 0..budget {
            let damage = match self.segment.block(self.offset) {
                Block::Cells(cells) => match self.cursor.accept(cells, &self.segment.catalogue, self.crc) {
                    Ok(record) => {
                        self.offset += record.cells().len() * CELL_LEN;
                        self.block.push(record);
                        if self.block.length >= BLOCK_LEN {
                            let entry = self.block.close(self.cursor.next_seq);
                            return Ok(self.give(entry));
                        }
                        continue;
                    }
                    Err(damage) => damage,
                },
                Block::Empty => return self.end(),
                Block::Impossible => Damage::Length,
                Block::Outside => Damage::Cut,
            };
            return Err(self.segment.damaged(self.offset, self.cursor.next_seq, damage));
        }
        Ok(Step::More)
    }

    /// At an uncommitted cell: the end for now, or the end that the seal names.
    fn end(&mut self) -> Result<Step, JournalError> {
        let Some(seal) = self.segment.seal(self.crc)? else { return Ok(Step::Idle) };
        if !matches!(self.segment.block(self.offset), Block::Empty) {
            // The record was committed after it was looked for and before the seal was.
            return Ok(Step::More);
        }
        if !self.is_end(&seal) {
            return Err(self.segment.damaged(self.offset, self.cursor.next_seq, Damage::Missing));
        }
        self.state = State::Seal;
        if self.block.length == 0 {
            return Ok(Step::More);
        }
        let entry = self.block.close(self.cursor.next_seq);
        Ok(self.give(entry))
    }

    fn is_end(&self, seal: &SealMark) -> bool {
        seal.end == self.offset as u64 && seal.last_seq == self.cursor.last_seq()
    }

    fn give(&mut self, entry: Entry) -> Step {
        let entry = entry.linked(&self.link, self.index());
        self.link = entry.link;
        Step::Entry(entry)
    }

    /// Head and catalogue. The marks that come later are taken as zero: the chain mark repeats the link before, and the
    /// seal mark has an entry of its own.
    fn head_entry(&self) -> Result<Entry, JournalError> {
        let mut cells = self.segment.copy(0, self.segment.records_offset())?;
        for at in [CHAIN_AT, SEAL_AT] {
            let first = at / CELL_LEN;
            if let Some(mark) = cells.get_mut(first..first + MARK_CELLS) {
                mark.fill(Cell::ZERO);
            }
        }
        Ok(self.cover(Covers::Head, 0, cells.as_bytes()))
    }

    /// The link that would close the segment behind the link `before` if its writer had sealed it. Recovery seals anew what
    /// lost its end: the records are the same, and only who sealed them is another.
    pub(super) fn closed_by_writer(&self, before: &Digest) -> Result<Option<Digest>, JournalError> {
        let by_writer = |seal| SealMark { sealed_by: SealedBy::Writer as u16, ..seal };
        let mark = self.segment.seal(self.crc)?.and_then(|seal| published(&by_writer(seal), self.crc));
        let entry = mark.map(|mark| self.cover(Covers::Seal, SEAL_AT as u64, mark.as_bytes()));
        Ok(entry.map(|entry| entry.linked(before, self.index()).link))
    }

    fn cover(&self, covers: Covers, offset: u64, bytes: &[u8]) -> Entry {
        Entry {
            covers,
            offset,
            length: bytes.len() as u64,
            first_seq: self.cursor.next_seq,
            content: *blake3::hash(bytes).as_bytes(),
            tags: Vec::new(),
            link: Digest::default(),
        }
    }
}
