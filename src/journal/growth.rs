//! How fast a journal grows.

use std::path::Path;

use pricewright_core::kernel::Nanos;

use super::archive::holdings;
use super::error::JournalError;
use super::reader::Reader;

/// What the sealed segments of a journal's last run took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Bytes of their files.
    pub bytes: u64,
    /// Records in them.
    pub records: u64,
    /// From the first record's stamp to the last one's, in ns; above zero.
    pub nanos: u64,
}

impl Growth {
    /// Bytes of 24 hours at this rate.
    pub fn bytes_a_day(&self) -> u64 {
        const DAY: u128 = 86_400_000_000_000;
        let bytes = u128::from(self.bytes) * DAY / u128::from(self.nanos.max(1));
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Bytes of a record, with its part of everything beside the records.
    pub fn bytes_a_record(&self) -> u64 {
        self.bytes.div_ceil(self.records.max(1))
    }
}

/// Records from which on a run says how fast its journal grows. With fewer, what a segment has beside its records (its head,
/// its catalogue) is most of it.
pub const ENOUGH: u64 = 10_000;

/// How fast the journal in `dir` grew in its last run; `None` where that has sealed fewer than [`ENOUGH`] records, or all in
/// one moment.
///
/// # Errors
/// Where a segment's head or first record cannot be read.
pub fn growth(dir: &Path) -> Result<Option<Growth>, JournalError> {
    let mut sealed = holdings(dir)?;
    let Some(last) = sealed.last().cloned() else { return Ok(None) };
    sealed.retain(|holding| holding.run == last.run && holding.last_seq >= holding.first_seq);
    let Some(first) = sealed.first() else { return Ok(None) };
    let mut reader = Reader::from_seq(dir, first.first_seq)?;
    let begun = reader.next_record()?.map_or(Nanos(0), |record| record.header().now);
    let nanos = u64::try_from(last.last_now.0.saturating_sub(begun.0)).unwrap_or(0);
    let records = last.last_seq.saturating_sub(first.first_seq).saturating_add(1);
    let bytes = sealed.iter().map(|holding| holding.bytes).sum();
    Ok((nanos > 0 && records >= ENOUGH).then_some(Growth { bytes, records, nanos }))
}
