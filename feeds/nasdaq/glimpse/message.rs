//! The one message that GLIMPSE adds to those of ITCH 5.0.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::nasdaq::soupbintcp::{numeric, numeric_of};

/// The snapshot is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SnapshotEnd {
    /// `G`.
    pub message_type: u8,
    /// The ITCH sequence to go on at, ASCII digits, padded on the left with spaces.
    pub sequence: [u8; 20],
}

const _: () = assert!(size_of::<SnapshotEnd>() == 21);

impl SnapshotEnd {
    /// The letter of its type.
    pub const TYPE: u8 = b'G';

    /// The message that names `next`, the sequence of the first ITCH message that is not in the snapshot.
    pub fn new(next: u64) -> Self {
        Self { message_type: Self::TYPE, sequence: numeric(next) }
    }

    /// The sequence; `None` where the field is no number, or 0, which no ITCH message has.
    pub fn next(&self) -> Option<u64> {
        numeric_of(&self.sequence).filter(|next| *next > 0)
    }
}
