//! Bytes to messages.

use zerocopy::FromBytes;

use super::message::SnapshotEnd;
use crate::nasdaq::itch::{self, DecodeError, Message};

/// A message of a snapshot, borrowed from the received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotMessage<'a> {
    /// A part of the state.
    Itch(Message<'a>),
    /// Nothing follows.
    End(&'a SnapshotEnd),
}

/// Decodes one message; `bytes` must hold it and nothing else.
///
/// # Errors
/// [`DecodeError`] where there is no such type or the size is another.
pub fn decode(bytes: &[u8]) -> Result<SnapshotMessage<'_>, DecodeError> {
    if bytes.first() != Some(&SnapshotEnd::TYPE) {
        return itch::decode(bytes).map(SnapshotMessage::Itch);
    }
    SnapshotEnd::ref_from_bytes(bytes).map(SnapshotMessage::End).map_err(|_| DecodeError::Length {
        message_type: SnapshotEnd::TYPE,
        expected: size_of::<SnapshotEnd>(),
        found: bytes.len(),
    })
}

#[cfg(test)]
mod tests;
