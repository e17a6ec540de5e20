//! What makes a committed block a good record: the one judgement that readers, recovery and the audit share.

use pricewright_core::kernel::record::{CELL_LEN, cell_count, record_len};
use pricewright_core::kernel::{Cell, Nanos, RecordRef};
use zerocopy::{FromBytes, IntoBytes};

use super::catalogue::{Catalogue, Fit};
#[cfg(target_arch = "x86_64")]
use super::crc::instruction_word;
use super::crc::{Crc32c, table_word};
use super::error::Damage;
use super::head::MAX_NUMBER;
use super::map::CellWords;

/// Where a reader stands in the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Sequence of the next record.
    pub(super) next_seq: u64,
    /// Stamp of the last one.
    pub(super) last_now: Nanos,
    /// Kind of the last one; 0 where there is none in this segment.
    pub(super) last_kind: u16,
}

impl Cursor {
    pub(super) fn last_seq(&self) -> u64 {
        self.next_seq.saturating_sub(1)
    }

    /// Verifies the committed block in `cells` as the next record and moves on.
    ///
    /// # Errors
    /// The first thing that is wrong; the cursor stays.
    #[inline]
    pub(super) fn accept<'a>(
        &mut self,
        cells: &'a [Cell],
        catalogue: &Catalogue,
        crc: Crc32c,
    ) -> Result<RecordRef<'a>, Damage> {
        // As the append, there for each means of computing the checksum.
        #[cfg(target_arch = "x86_64")]
        if crc.is_by_instruction() {
            // SAFETY: the checksum is by the instruction only where this machine has SSE4.2.
            return unsafe { self.accept_by_instruction(cells, catalogue) };
        }
        self.accept_by(cells, catalogue, table_word)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "sse4.2")]
    fn accept_by_instruction<'a>(
        &mut self,
        cells: &'a [Cell],
        catalogue: &Catalogue,
    ) -> Result<RecordRef<'a>, Damage> {
        self.accept_by(cells, catalogue, |crc, word| instruction_word(crc, word))
    }

    #[inline(always)]
    fn accept_by<'a>(
        &mut self,
        cells: &'a [Cell],
        catalogue: &Catalogue,
        step: impl Fn(u32, u64) -> u32,
    ) -> Result<RecordRef<'a>, Damage> {
        let record = verified_by(cells, step)?;
        let header = record.header();
        if header.seq != self.next_seq {
            return Err(Damage::Sequence(header.seq));
        }
        if header.now < self.last_now {
            return Err(Damage::Time(header.now));
        }
        match catalogue.fit(header, record_len(header.commit)) {
            Fit::Good => {}
            Fit::UnknownKind => return Err(Damage::Kind(header.kind)),
            Fit::OtherLayout => return Err(Damage::Layout(header.kind)),
        }
        self.next_seq = self.next_seq.checked_add(1).ok_or(Damage::Sequence(header.seq))?;
        self.last_now = header.now;
        self.last_kind = header.kind;
        Ok(record)
    }
}

/// The record at the front of `cells`, with length, checksum and padding verified; its place in the sequence is not.
fn verified(cells: &[Cell], crc: Crc32c) -> Result<RecordRef<'_>, Damage> {
    #[cfg(target_arch = "x86_64")]
    if crc.is_by_instruction() {
        // SAFETY: the checksum is by the instruction only where this machine has SSE4.2.
        return unsafe { verified_by_instruction(cells) };
    }
    verified_by(cells, table_word)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn verified_by_instruction(cells: &[Cell]) -> Result<RecordRef<'_>, Damage> {
    verified_by(cells, |crc, word| instruction_word(crc, word))
}

#[inline(always)]
fn verified_by(cells: &[Cell], step: impl Fn(u32, u64) -> u32) -> Result<RecordRef<'_>, Damage> {
    let record = RecordRef::first_of(cells).ok_or(Damage::Length)?;
    let bytes = record.cells().as_bytes();
    let words = <[CellWords]>::ref_from_bytes(bytes).map_err(|_| Damage::Length)?;
    let Some(([commit, first @ ..], rest)) = words.split_first() else { return Err(Damage::Length) };
    let sum = first.iter().fold(u32::MAX, |crc, word| step(crc, *word));
    let sum = rest.iter().fold(sum, |crc, cell| cell.iter().fold(crc, |crc, word| step(crc, *word)));
    if u64::from(!sum) != commit >> 32 {
        return Err(Damage::Checksum);
    }
    if bytes.get(record_len(*commit)..).is_none_or(|padding| padding.iter().any(|byte| *byte != 0)) {
        return Err(Damage::Padding);
    }
    Ok(record)
}

/// True where a cell of `cells` begins a valid record with a sequence of at least `seq`.
pub(super) fn holds_record_from(cells: &[Cell], seq: u64, crc: Crc32c) -> bool {
    valid_records(cells, crc).any(|found| found >= seq)
}

/// The highest sequence above `seq` of the valid records that begin at a cell of `cells`.
pub(super) fn highest_record(cells: &[Cell], seq: u64, crc: Crc32c) -> Option<u64> {
    valid_records(cells, crc).filter(|found| (seq + 1..=MAX_NUMBER).contains(found)).max()
}

/// Sequences of the valid records that begin at a cell of `cells`.
fn valid_records(cells: &[Cell], crc: Crc32c) -> impl Iterator<Item = u64> {
    (0..cells.len()).filter_map(move |at| {
        let rest = cells.get(at..).unwrap_or(&[]);
        let commit =
            rest.first().and_then(|cell| u64::read_from_prefix(&cell.0).ok()).map_or(0, |(word, _)| word);
        // Most cells of an unused tail are zero: only what could be a record is summed.
        let possible = commit != 0 && cell_count(commit).is_some_and(|count| count <= rest.len());
        if !possible {
            return None;
        }
        verified(rest, crc).ok().map(|record| record.header().seq)
    })
}

/// Bytes up to and with the last one that is not zero.
pub(super) fn used_bytes(cells: &[Cell]) -> usize {
    let Some(last) = cells.iter().rposition(|cell| *cell != Cell::ZERO) else { return 0 };
    let tail = cells.get(last).and_then(|cell| cell.0.iter().rposition(|byte| *byte != 0)).unwrap_or(0);
    last * CELL_LEN + tail + 1
}
