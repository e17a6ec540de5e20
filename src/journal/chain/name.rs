//! Names the first record that is not the one that was chained.

use pricewright_core::kernel::record::CELL_LEN;
use zerocopy::IntoBytes;

use super::link::{Covers, Entry, tag};
use crate::journal::error::{Damage, JournalError};
use crate::journal::head::{Mark, SEAL_AT, SealMark};
use crate::journal::map::Block;
use crate::journal::segment::ReadSegment;

/// The first place in `segment` that is not as the entry `chained` of its side file says. `found` is the entry that the
/// segment gives there, where it gives one.
pub(super) fn name_altered(segment: &ReadSegment, chained: &Entry, found: Option<&Entry>) -> JournalError {
    match (chained.covers, found) {
        (Covers::Head, _) => segment.damaged(0, chained.first_seq, Damage::AlteredHead),
        (Covers::Records, _) => name_record(segment, chained),
        (Covers::Seal, Some(found)) if found.covers == Covers::Records => {
            segment.damaged(to_offset(found.offset), found.first_seq, Damage::Appended)
        }
        (Covers::Seal, _) => {
            let damage = Damage::Mark(SEAL_ALTERED);
            segment.damaged(SEAL_AT, chained.first_seq, damage)
        }
    }
}

const SEAL_ALTERED: &str = "seal: not the one that was chained";
const _: () = assert!(SealMark::AT == SEAL_AT);

fn name_record(segment: &ReadSegment, chained: &Entry) -> JournalError {
    let mut at = to_offset(chained.offset);
    let mut seq = chained.first_seq;
    for expected in &chained.tags {
        let cells = match segment.block(at) {
            Block::Cells(cells) if tag(cells) == *expected => cells,
            Block::Cells(_) | Block::Impossible => return segment.damaged(at, seq, Damage::Altered),
            Block::Empty | Block::Outside => {
                return segment.damaged(at, seq, Damage::ChainAhead(chained.last_seq()));
            }
        };
        at += cells.len() * CELL_LEN;
        seq = seq.saturating_add(1);
    }
    let length = at - to_offset(chained.offset);
    let content = segment
        .copy(to_offset(chained.offset), length)
        .map(|cells| *blake3::hash(cells.as_bytes()).as_bytes() == chained.content);
    match content {
        Ok(true) => segment.damaged(at, seq, Damage::Appended),
        Ok(false) => {
            let damage = Damage::AlteredUpTo(chained.last_seq());
            segment.damaged(to_offset(chained.offset), chained.first_seq, damage)
        }
        Err(error) => error,
    }
}

fn to_offset(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
