//! Answers of the venue that cannot be used, or not in full: kept as they came.

use pricewright_core::kernel::table::VenueUnread;
use pricewright_core::kernel::{RejectReason, SourceId, Text};

use crate::nasdaq::ouch::{OuchError, OuchFault};

/// Where a message carries one of our order numbers: behind letter and stamp (OUCH 5.0, outbound messages; of a
/// replacement it is the order that left, behind which stands the new one).
const NUMBER_AT: usize = 9;

/// A message of the venue.
#[derive(Clone, Copy)]
pub(in crate::nasdaq) struct Message<'a> {
    /// Its sequence; 0 outside the sequence.
    pub(in crate::nasdaq) position: u64,
    pub(in crate::nasdaq) bytes: &'a [u8],
}

/// What is wrong with one.
#[derive(Clone, Copy)]
pub(in crate::nasdaq) struct Unread {
    reason: RejectReason,
    text: &'static str,
    /// What could be read follows.
    follows: bool,
}

impl Unread {
    /// Nothing of it could be used.
    pub(in crate::nasdaq) fn all(reason: RejectReason, text: &'static str) -> Self {
        Self { reason, text, follows: false }
    }

    /// The record of what could be read follows.
    pub(in crate::nasdaq) fn part(reason: RejectReason, text: &'static str) -> Self {
        Self { reason, text, follows: true }
    }

    /// It is no message of OUCH 5.0.
    pub(in crate::nasdaq) fn undecodable(error: &OuchError) -> Self {
        let malformed = RejectReason::MALFORMED;
        match error.fault {
            OuchFault::Empty => Self::all(malformed, "OUCH: an empty message"),
            OuchFault::UnknownType => {
                Self::all(RejectReason::UNKNOWN_TYPE, "OUCH: a type of message that OUCH 5.0 does not have")
            }
            OuchFault::Short { .. } => Self::all(malformed, "OUCH: a message that is too short for its type"),
            OuchFault::AppendageLength | OuchFault::Appendage(_) => {
                Self::all(malformed, "OUCH: a message whose appendage cannot be read")
            }
        }
    }
}

impl<'a> Message<'a> {
    /// Our order number in it, as far as it can be read; else 0.
    pub(in crate::nasdaq) fn client(&self) -> u32 {
        let at = match self.bytes.first() {
            Some(b'S' | b'Q') | None => return 0,
            Some(b'U') => NUMBER_AT + 4,
            Some(_) => NUMBER_AT,
        };
        let number = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
        number.map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    /// The records that keep it: one, more where it is longer than any message of OUCH 5.0.
    pub(in crate::nasdaq) fn parts(
        self,
        unread: Unread,
        source: SourceId,
    ) -> impl Iterator<Item = VenueUnread> + use<'a> {
        const PART: usize = size_of_val(&VenueUnread::BYTES);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (0..self.bytes.len().div_ceil(PART).max(1)).map(move |part| {
            let offset = part * PART;
            let kept = self.bytes.get(offset..).unwrap_or(&[]);
            let kept = kept.get(..PART).unwrap_or(kept);
            let mut bytes = VenueUnread::BYTES;
            bytes.iter_mut().zip(kept).for_each(|(to, from)| *to = *from);
            VenueUnread {
                position: self.position,
                client: u64::from(self.client()),
                len: number(self.bytes.len()),
                offset: number(offset),
                reason: unread.reason,
                source,
                kept: u16::try_from(kept.len()).unwrap_or(u16::MAX),
                letter: self.bytes.first().copied().unwrap_or(0),
                follows: u8::from(unread.follows),
                text: Text::excerpt(unread.text),
                bytes,
            }
        })
    }
}
