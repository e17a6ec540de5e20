//! The 64-byte cell, the 32-byte record header, and how a record is laid into cells.
//!
//! A record is 1 to 16 cells (at most 1 KiB), 64-byte aligned, little-endian, unused space zero:
//!
//! ```text
//!  0  u64 commit = crc32c << 32 | length (header + payload); 0 = not committed yet
//!  8  u64 seq (dense)        16 i64 now_ns
//! 24  u16 kind  26 u8 version  27 u8 flags  28 u16 source  30 u16 cause (decisions: seq − cause's seq)
//! 32  payload, zero-padded to a multiple of 64
//! ```
//!
//! In a ring and in the outbox a record is *unstamped*: `commit` holds the length alone, `seq`, `now_ns` and `cause`
//! are zero. The journal's writer fills them; nothing else of the record changes on its way.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::schema::RecordSchema;
use super::units::{Nanos, SourceId};

#[cfg(target_endian = "big")]
compile_error!("records are little-endian in memory and on disk");

/// Bytes of one cell.
pub const CELL_LEN: usize = 64;
/// Bytes of a record's header.
pub const HEADER_LEN: usize = 32;
/// The most cells one record spans.
pub const MAX_CELLS: usize = 16;
/// Cells of the records that are laid out often.
const FEW_CELLS: usize = 2;
/// The most payload bytes one record carries.
pub const MAX_PAYLOAD: usize = MAX_CELLS * CELL_LEN - HEADER_LEN;

/// One cache line: the unit of rings, outbox and journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub struct Cell(pub [u8; CELL_LEN]);

impl Cell {
    /// All zero.
    pub const ZERO: Self = Self([0; CELL_LEN]);
}

/// The head of every record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RecordHeader {
    /// `crc32c << 32 | length`; 0 while not committed. The checksum covers byte 8 to the padded end.
    pub commit: u64,
    /// Position in the journal, dense from 1.
    pub seq: u64,
    /// The sequencer's stamp.
    pub now: Nanos,
    /// The record's number in the table.
    pub kind: u16,
    /// The version of its layout.
    pub version: u8,
    /// [`flags`].
    pub flags: u8,
    /// The feed or gateway; for decisions, the strategy.
    pub source: SourceId,
    /// Decisions: how many records ago the event was that caused them. 0 for events.
    pub cause: u16,
}

impl RecordHeader {
    /// Sequence of the event that caused a decision; an event's own. `None` where it would lie before the first record, which
    /// no writer writes.
    #[inline]
    pub fn cause_seq(&self) -> Option<u64> {
        self.seq.checked_sub(u64::from(self.cause)).filter(|seq| *seq > 0)
    }
}

/// Bits of [`RecordHeader::flags`].
pub mod flags {
    /// The event is an answer to a decision of ours (venue answers, send reports, timers).
    pub const RESPONSE: u8 = 1;
    /// The decision was found missing by recovery and appended then; it was never sent.
    pub const NOT_SENT: u8 = 2;
}

/// What a record is to the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// About the run itself (start, configuration, end). Machines never see it.
    System,
    /// An input.
    Event,
    /// An output.
    Decision,
}

impl Class {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Event => "event",
            Self::Decision => "decision",
        }
    }
}

/// A kind of record: a `repr(C)` struct without padding, declared in the record table.
pub trait Record: FromBytes + IntoBytes + Immutable + KnownLayout + Copy {
    /// Its number in the table.
    const KIND: u16;
    /// The version of its layout.
    const VERSION: u8;
    /// What it is to the pipeline.
    const CLASS: Class;
    /// Its entry in the schema catalogue.
    const SCHEMA: &'static RecordSchema;
    /// Header and payload in bytes.
    const LEN: usize = HEADER_LEN + size_of::<Self>();
    /// How many cells it spans.
    const CELLS: usize = Self::LEN.div_ceil(CELL_LEN);
}

/// Lays `record` unstamped into the front of `cells`. Returns how many cells it took, or `None` where they are too few.
#[inline]
pub fn write_record<R: Record>(cells: &mut [Cell], record: &R, source: SourceId, flags: u8) -> Option<usize> {
    let target = cells.get_mut(..R::CELLS)?;
    if let Some(last) = target.last_mut() {
        *last = Cell::ZERO;
    }
    let header = RecordHeader {
        commit: R::LEN as u64,
        kind: R::KIND,
        version: R::VERSION,
        flags,
        source,
        ..RecordHeader::default()
    };
    let bytes = target.as_mut_bytes();
    let (head, payload) = bytes.split_at_mut_checked(HEADER_LEN)?;
    head.copy_from_slice(header.as_bytes());
    payload.get_mut(..size_of::<R>())?.copy_from_slice(record.as_bytes());
    Some(R::CELLS)
}

/// A record lying in cells: in a ring, the outbox or the journal.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    header: &'a RecordHeader,
    cells: &'a [Cell],
}

impl<'a> RecordRef<'a> {
    /// The record at the front of `cells`. `None` where the length in its header is impossible or runs past `cells`.
    #[inline]
    pub fn first_of(cells: &'a [Cell]) -> Option<Self> {
        let (header, _) = RecordHeader::ref_from_prefix(cells.first()?.0.as_slice()).ok()?;
        let count = cell_count(header.commit)?;
        Some(Self { header, cells: cells.get(..count)? })
    }

    /// Its header.
    #[inline]
    pub fn header(&self) -> &'a RecordHeader {
        self.header
    }

    /// The cells it spans.
    #[inline]
    pub fn cells(&self) -> &'a [Cell] {
        self.cells
    }

    /// Payload bytes without padding.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        let len = record_len(self.header.commit);
        self.cells.as_bytes().get(HEADER_LEN..len).unwrap_or(&[])
    }

    /// The payload as `R`, where the record is of that kind, version and size.
    #[inline]
    pub fn get<R: Record>(&self) -> Option<&'a R> {
        if self.header.kind != R::KIND || self.header.version != R::VERSION {
            return None;
        }
        R::ref_from_bytes(self.payload()).ok()
    }

    /// True where kind, version, source and payload agree. Stamps are not compared, and flags neither: a decision that
    /// recovery appended carries [`flags::NOT_SENT`], which no machine sets.
    pub fn same_content(&self, other: &RecordRef<'_>) -> bool {
        self.header.kind == other.header.kind
            && self.header.version == other.header.version
            && self.header.source == other.header.source
            && self.payload() == other.payload()
    }
}

/// Header and payload bytes as the commit word says.
#[inline]
pub fn record_len(commit: u64) -> usize {
    (commit & 0xffff_ffff) as usize
}

/// Cells of a record with this commit word; `None` where the length is impossible.
#[inline]
pub fn cell_count(commit: u64) -> Option<usize> {
    let len = record_len(commit);
    (HEADER_LEN..=MAX_CELLS * CELL_LEN).contains(&len).then(|| len.div_ceil(CELL_LEN))
}

/// The records that lie one after another in `cells`; stops at the first impossible length.
pub fn records_in(cells: &[Cell]) -> impl Iterator<Item = RecordRef<'_>> {
    let mut rest = cells;
    core::iter::from_fn(move || {
        let record = RecordRef::first_of(rest)?;
        rest = rest.get(record.cells().len()..)?;
        Some(record)
    })
}

/// Takes records, unstamped, in order: a ring's producer, the sequencer itself, or a buffer in a test.
pub trait RecordSink {
    /// Takes the record lying in `cells`.
    ///
    /// # Errors
    /// [`Full`] where there is no room now: nothing was taken, offer it again.
    fn push(&mut self, record: RecordRef<'_>) -> Result<(), Full>;

    /// How many cells can be taken now without [`Full`].
    fn room(&self) -> usize;

    /// Lays `record` into cells and takes it.
    ///
    /// # Errors
    /// [`Full`] where there is no room now.
    #[inline]
    fn put<R: Record>(&mut self, record: &R, source: SourceId, flags: u8) -> Result<(), Full>
    where
        Self: Sized,
    {
        // Most records span one or two cells, and clearing 1 KiB for each would cost more than laying it out.
        if R::CELLS <= FEW_CELLS {
            let mut cells = [Cell::ZERO; FEW_CELLS];
            write_record(&mut cells, record, source, flags);
            return RecordRef::first_of(&cells).map_or(Ok(()), |record| self.push(record));
        }
        let mut cells = [Cell::ZERO; MAX_CELLS];
        write_record(&mut cells, record, source, flags);
        RecordRef::first_of(&cells).map_or(Ok(()), |record| self.push(record))
    }
}

/// There was no room; the record was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Records in a growable buffer: for tests, scratch space and tools, not for the hot path's steady state unless it was
/// reserved first.
#[derive(Clone, Debug, Default)]
pub struct RecordBuf {
    cells: Vec<Cell>,
}

impl RecordBuf {
    /// Room for `cells` cells before it grows, its memory touched, so that the first use takes no page fault.
    pub fn with_capacity(cells: usize) -> Self {
        let mut reserved = Vec::with_capacity(cells);
        reserved.resize(cells, Cell::ZERO);
        reserved.clear();
        Self { cells: reserved }
    }

    /// The records in order.
    pub fn iter(&self) -> impl Iterator<Item = RecordRef<'_>> {
        records_in(&self.cells)
    }

    /// Forgets all records, keeps the room.
    pub fn clear(&mut self) {
        self.cells.clear();
    }

    /// True where it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// All cells, end to end.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

impl RecordSink for RecordBuf {
    fn push(&mut self, record: RecordRef<'_>) -> Result<(), Full> {
        self.cells.extend_from_slice(record.cells());
        Ok(())
    }

    fn room(&self) -> usize {
        usize::MAX
    }
}
