//! The 4 KiB head of a segment: what never changes, the chain mark, the begin mark, the seal mark.
//!
//! ```text
//!    0  the fixed part, written before the segment gets its name
//! 3704  u64 check = crc32c(bytes 0..3704) << 32 | 3704
//! 3712  chain mark, 128 bytes: a block with a commit word, written when the segment before is chained to its end
//! 3840  begin mark, 128 bytes: a block with a commit word, written when the segment's turn comes
//! 3968  seal mark, 128 bytes: a block with a commit word, written when nothing more will be appended
//! 4096  the schema catalogue, zero-padded to a multiple of 4096; then the records
//! ```
//!
//! The base sequence is known only when the segment before is full, the end only when this one is, and the chain is made
//! by a tailer that lags behind both: so each is a block of its own, published like records. `docs/journal-format.md` has
//! every byte.

use std::path::Path;

use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::{Cell, MAX_CELLS, Nanos};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::crc::Crc32c;
use super::error::{Damage, JournalError};
use super::map::WriteMap;
use super::open::{MAX_SEGMENT_SIZE, MIN_SEGMENT_SIZE};

pub(super) const MAGIC: [u8; 8] = *b"PWJOURNL";
/// The format that this build writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;
pub(super) const ENDIAN_MARK: u32 = 0x0a0b_0c0d;
pub(super) const HEAD_LEN: usize = 4096;
pub(super) const CHECK_AT: usize = 3704;
pub(super) const CHAIN_AT: usize = 3712;
pub(super) const BEGIN_AT: usize = 3840;
pub(super) const SEAL_AT: usize = 3968;
pub(super) const MARK_LEN: usize = 128;
pub(super) const MARK_CELLS: usize = MARK_LEN / CELL_LEN;
/// The greatest number of a segment, a run or a record that is believed. It is far beyond what any journal comes to, and so
/// far below the end of 64 bits that counting on from it cannot overflow.
pub(crate) const MAX_NUMBER: u64 = 1 << 62;
/// The greatest room that one record takes, with the end cell behind it.
pub(super) const MAX_RECORD: usize = (MAX_CELLS + 1) * CELL_LEN;

/// The fixed part of a segment's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SegmentHead {
    /// `PWJOURNL`.
    pub magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// `0x0a0b0c0d` in the byte order of the file, which is little-endian.
    pub endian_mark: u32,
    /// The run that wrote it; each start for writing is another, from 1.
    pub run: u64,
    /// The machine's boot, as the kernel names it.
    pub boot_id: [u8; 16],
    /// The term of the writer among replicas; 0 where there is one writer.
    pub leader_epoch: u64,
    /// The segment's number, from 1; the file's name says the same.
    pub index: u64,
    /// Bytes that were allocated for the segment.
    pub segment_size: u64,
    /// BLAKE3 of the canonical configuration.
    pub config_hash: [u8; 32],
    /// BLAKE3 that names the build.
    pub build_hash: [u8; 32],
    /// Where the first record lies.
    pub records_offset: u64,
    /// Bytes of the catalogue's text at 4096.
    pub catalogue_len: u32,
    /// CRC-32C of the catalogue's text.
    pub catalogue_crc: u32,
    /// Drawn at random when the journal is first made; the same in all of its segments.
    pub journal_id: [u8; 16],
}

/// The block that says where the hash chain stands in front of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct ChainMark {
    pub(super) commit: u64,
    /// Head of the chain over everything before this segment.
    pub(super) chain_head: [u8; 32],
    /// Sequence of the last record that it covers: the one before this segment's first.
    pub(super) last_seq: u64,
    pub(super) spare: [u8; 80],
}

/// The block that says where in the sequence a segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct BeginMark {
    pub(super) commit: u64,
    /// Sequence of the segment's first record.
    pub(super) base_seq: u64,
    /// The stamp of the record before it; 0 where there is none.
    pub(super) base_now: Nanos,
    pub(super) spare: [u8; 104],
}

/// The block that says where a segment ends, and that nothing more will be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct SealMark {
    pub(super) commit: u64,
    /// Sequence of the last record up to here; `base_seq - 1` where the segment has none.
    pub(super) last_seq: u64,
    pub(super) last_now: Nanos,
    /// Offset behind the last record: where the end cell lies.
    pub(super) end: u64,
    /// Kind of the last record; 0 where the segment has none.
    pub(super) last_kind: u16,
    /// [`SealedBy`].
    pub(super) sealed_by: u16,
    pub(super) spare: [u8; 92],
}

/// Who sealed a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum SealedBy {
    Writer = 1,
    Recovery = 2,
}

/// A mark in the head that can be read back.
pub(super) trait Mark: FromBytes + IntoBytes + Immutable + KnownLayout + Copy {
    const AT: usize;
    const NAME: &'static str;
    fn spare(&self) -> &[u8];
    /// True where every number of it can be counted on from.
    fn is_possible(&self) -> bool;
}

impl Mark for ChainMark {
    const AT: usize = CHAIN_AT;
    const NAME: &'static str = "chain";
    fn spare(&self) -> &[u8] {
        &self.spare
    }
    fn is_possible(&self) -> bool {
        self.last_seq <= MAX_NUMBER
    }
}

impl Mark for BeginMark {
    const AT: usize = BEGIN_AT;
    const NAME: &'static str = "begin";
    fn spare(&self) -> &[u8] {
        &self.spare
    }
    fn is_possible(&self) -> bool {
        (1..=MAX_NUMBER).contains(&self.base_seq)
    }
}

impl Mark for SealMark {
    const AT: usize = SEAL_AT;
    const NAME: &'static str = "seal";
    fn spare(&self) -> &[u8] {
        &self.spare
    }
    fn is_possible(&self) -> bool {
        self.last_seq <= MAX_NUMBER && self.end <= MAX_SEGMENT_SIZE
    }
}

/// A segment's head as cells, so that it is aligned.
pub(super) type HeadBytes = [Cell; HEAD_LEN / CELL_LEN];

impl SegmentHead {
    /// The head's bytes, with no mark set.
    pub(super) fn to_bytes(self) -> HeadBytes {
        let mut cells = [Cell::ZERO; HEAD_LEN / CELL_LEN];
        let bytes = cells.as_mut_bytes();
        if let Some(front) = bytes.get_mut(..size_of::<Self>()) {
            front.copy_from_slice(self.as_bytes());
        }
        let crc = Crc32c::detect().of_bytes(bytes.get(..CHECK_AT).unwrap_or(&[]));
        if let Some(place) = bytes.get_mut(CHECK_AT..CHECK_AT + 8) {
            place.copy_from_slice(&(u64::from(crc) << 32 | CHECK_AT as u64).to_le_bytes());
        }
        cells
    }

    /// Reads and checks the fixed part; the marks are not looked at.
    pub(super) fn check(cells: &HeadBytes, path: &Path, index: u64) -> Result<Self, JournalError> {
        let bytes = cells.as_bytes();
        let damaged = |what| JournalError::damaged(path, 0, 0, Damage::Head(what));
        let (head, _) = Self::read_from_prefix(bytes).map_err(|_| damaged("length"))?;
        if head.magic != MAGIC {
            // Nobody else writes zeros: a segment that did not reach the disk.
            if bytes.iter().all(|byte| *byte == 0) {
                return Err(damaged("all zeros"));
            }
            return Err(JournalError::NotASegment { path: path.to_path_buf() });
        }
        // A newer version may lay out everything behind this field anew, so it is looked at before the checksum.
        if head.format_version > FORMAT_VERSION {
            let found = head.format_version;
            return Err(JournalError::UnknownVersion {
                path: path.to_path_buf(),
                found,
                newest: FORMAT_VERSION,
            });
        }
        let crc = Crc32c::detect().of_bytes(bytes.get(..CHECK_AT).unwrap_or(&[]));
        let check = bytes.get(CHECK_AT..CHAIN_AT).and_then(|word| u64::read_from_bytes(word).ok());
        if check != Some(u64::from(crc) << 32 | CHECK_AT as u64) {
            return Err(damaged("checksum"));
        }
        if bytes.get(size_of::<Self>()..CHECK_AT).is_none_or(|spare| spare.iter().any(|byte| *byte != 0)) {
            return Err(damaged("spare bytes are not zero"));
        }
        if head.format_version == 0 || head.endian_mark != ENDIAN_MARK {
            return Err(damaged("version or endian mark"));
        }
        if head.index != index {
            return Err(damaged("its number is not the one in the file's name"));
        }
        if head.index > MAX_NUMBER || head.run > MAX_NUMBER {
            return Err(damaged("its number, or that of its run, is beyond any that is given"));
        }
        // Compared before anything is read or reserved by them.
        if head.segment_size > MAX_SEGMENT_SIZE || u64::from(head.catalogue_len) > MIN_SEGMENT_SIZE {
            return Err(damaged("its size, or that of its catalogue, is beyond any that is written"));
        }
        let records = catalogue_room(head.catalogue_len as usize) + HEAD_LEN;
        if head.records_offset != records as u64 || head.segment_size < (records + MAX_RECORD) as u64 {
            return Err(damaged("records offset"));
        }
        Ok(head)
    }
}

/// Bytes that a catalogue of `len` bytes takes in the file.
pub(super) fn catalogue_room(len: usize) -> usize {
    len.next_multiple_of(HEAD_LEN)
}

/// The words of a mark as they are once it is published.
pub(super) fn published<M: Mark>(mark: &M, crc: Crc32c) -> Option<[u64; MARK_LEN / 8]> {
    let mut words = <[u64; MARK_LEN / 8]>::read_from_bytes(mark.as_bytes()).ok()?;
    let (commit, content) = words.split_first_mut()?;
    *commit = u64::from(crc.of_words(content)) << 32 | MARK_LEN as u64;
    Some(words)
}

/// Writes a mark's body, then publishes it.
pub(super) fn publish_mark<M: Mark>(map: &mut WriteMap, mark: &M, crc: Crc32c) -> Option<()> {
    let words = published(mark, crc)?;
    let (commit, body) = map.block(M::AT, MARK_CELLS)?;
    let (word, content) = words.split_first()?;
    let (first, rest) = content.split_first_chunk()?;
    *body.first = *first;
    body.rest.as_flattened_mut().copy_from_slice(rest);
    // Release: partner of the acquire in `ReadMap::block`.
    commit.store(*word, std::sync::atomic::Ordering::Release);
    Some(())
}

/// Reads a mark from the cells of its committed block.
pub(super) fn read_mark<M: Mark>(cells: &[Cell], crc: Crc32c) -> Result<M, Damage> {
    let bytes = cells.as_bytes();
    let words = <[u64]>::ref_from_bytes(bytes).map_err(|_| Damage::Mark(M::NAME))?;
    let (commit, body) = words.split_first().ok_or(Damage::Mark(M::NAME))?;
    let mark = M::read_from_bytes(bytes).map_err(|_| Damage::Mark(M::NAME))?;
    let expected = u64::from(crc.of_words(body)) << 32 | MARK_LEN as u64;
    if *commit != expected || mark.spare().iter().any(|byte| *byte != 0) || !mark.is_possible() {
        return Err(Damage::Mark(M::NAME));
    }
    Ok(mark)
}

impl ChainMark {
    pub(super) fn new(chain_head: [u8; 32], last_seq: u64) -> Self {
        Self { chain_head, last_seq, ..Self::new_zeroed() }
    }

    /// True where both say the same of the chain.
    pub(super) fn same(&self, other: &Self) -> bool {
        (self.chain_head, self.last_seq) == (other.chain_head, other.last_seq)
    }
}

impl BeginMark {
    pub(super) fn new(base_seq: u64, base_now: Nanos) -> Self {
        Self { base_seq, base_now, ..Self::new_zeroed() }
    }
}

impl SealMark {
    pub(super) fn new(last_seq: u64, last_now: Nanos, end: usize, last_kind: u16, by: SealedBy) -> Self {
        Self { last_seq, last_now, end: end as u64, last_kind, sealed_by: by as u16, ..Self::new_zeroed() }
    }
}

impl SealMark {
    /// True where both say the same of the end, whoever sealed.
    pub(super) fn same_end(&self, other: &Self) -> bool {
        (self.last_seq, self.last_now, self.end, self.last_kind)
            == (other.last_seq, other.last_now, other.end, other.last_kind)
    }
}

const _: () = assert!(size_of::<SegmentHead>() == 160 && size_of::<SegmentHead>() < CHECK_AT);
const _: () = assert!(size_of::<BeginMark>() == MARK_LEN && size_of::<SealMark>() == MARK_LEN);
const _: () = assert!(size_of::<ChainMark>() == MARK_LEN && CHAIN_AT + MARK_LEN == BEGIN_AT);
const _: () = assert!(BEGIN_AT + MARK_LEN == SEAL_AT && SEAL_AT + MARK_LEN == HEAD_LEN);
