//! Which records each segment holds, from the heads alone.

use std::path::Path;

use pricewright_core::kernel::Nanos;

use super::crc::Crc32c;
use super::error::JournalError;
use super::head::SegmentHead;
use super::segment::{ReadSegment, segment_indices};

/// What the head of a segment that has begun says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its number.
    pub index: u64,
    /// Sequence of its first record.
    pub base_seq: u64,
    /// Stamp of the record before.
    pub base_now: Nanos,
    /// Sequence of its last record; `None` while it is not sealed.
    pub last_seq: Option<u64>,
    /// Its run, build and configuration.
    pub head: SegmentHead,
}

/// The segments in `dir` that have begun, rising. Reads heads, not records.
///
/// # Errors
/// Where the directory or a head cannot be read.
pub fn segments(dir: &Path) -> Result<Vec<Extent>, JournalError> {
    let crc = Crc32c::detect();
    let mut found = Vec::new();
    let mut like: Option<ReadSegment> = None;
    for index in segment_indices(dir)? {
        let Some(segment) = ReadSegment::open_head_if_there(dir, index, like.as_ref())? else { continue };
        if let Some(mark) = segment.begin(crc)? {
            found.push(Extent {
                index,
                base_seq: mark.base_seq,
                base_now: mark.base_now,
                last_seq: segment.seal(crc)?.map(|seal| seal.last_seq),
                head: segment.head,
            });
        }
        like = Some(segment);
    }
    Ok(found)
}
