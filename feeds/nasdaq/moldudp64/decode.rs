//! Bytes to packets. A packet is checked as a whole before its first message is given out.

use zerocopy::FromBytes;

use super::message::{END_OF_SESSION, HEADER_LEN, Header};
use crate::nasdaq::SessionId;

/// Why bytes are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Shorter than a header.
    #[error("{found} bytes are too few for a MoldUDP64 header")]
    Header {
        /// Bytes given.
        found: usize,
    },
    /// The session is not printable ASCII.
    #[error("the session of a MoldUDP64 packet is not printable ASCII")]
    Session,
    /// Sequences begin at 1, and the last must fit in 64 bits.
    #[error("a MoldUDP64 packet of {count} messages cannot begin at sequence {sequence}")]
    Sequence {
        /// As given.
        sequence: u64,
        /// As given.
        count: u16,
    },
    /// A message runs past the packet.
    #[error("message {index} of a MoldUDP64 packet runs past its end, at byte {offset}")]
    Truncated {
        /// Which message, from 0.
        index: u16,
        /// Where its length bytes lie.
        offset: usize,
    },
    /// Bytes follow the last message.
    #[error("bytes follow the last message of a MoldUDP64 packet, from byte {offset}")]
    Trailing {
        /// Where they begin.
        offset: usize,
    },
}

/// A packet, borrowed from the received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Messages.
    Data {
        /// The session.
        session: SessionId,
        /// Sequence of the first message.
        first: u64,
        /// The messages.
        messages: Messages<'a>,
    },
    /// Nothing new; all before `next` was sent.
    Heartbeat {
        /// The session.
        session: SessionId,
        /// The next expected sequence.
        next: u64,
    },
    /// Nothing will follow; all before `next` was sent.
    EndOfSession {
        /// The session.
        session: SessionId,
        /// The sequence after the last.
        next: u64,
    },
}

impl Packet<'_> {
    /// The session.
    pub fn session(&self) -> SessionId {
        match self {
            Self::Data { session, .. }
            | Self::Heartbeat { session, .. }
            | Self::EndOfSession { session, .. } => *session,
        }
    }

    /// The sequence of the first message; that of the next one where there is none.
    pub fn first(&self) -> u64 {
        match self {
            Self::Data { first, .. } => *first,
            Self::Heartbeat { next, .. } | Self::EndOfSession { next, .. } => *next,
        }
    }

    /// The sequence after everything that this packet shows to exist.
    pub fn next(&self) -> u64 {
        match self {
            Self::Data { first, messages, .. } => first.saturating_add(u64::from(messages.left())),
            Self::Heartbeat { next, .. } | Self::EndOfSession { next, .. } => *next,
        }
    }
}

/// The messages of a checked packet, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages<'a> {
    count: u16,
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// How many are left.
    pub fn left(&self) -> u16 {
        self.count
    }

    /// Without the first `count`.
    pub fn after(mut self, count: u64) -> Self {
        for _ in 0..count {
            if self.next().is_none() {
                break;
            }
        }
        self
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.count = self.count.checked_sub(1)?;
        let (len, rest) = self.rest.split_first_chunk::<2>()?;
        let (message, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        self.rest = rest;
        Some(message)
    }
}

/// Reads a packet.
///
/// # Errors
/// [`PacketError`] where the bytes are not exactly one packet.
pub fn decode(bytes: &[u8]) -> Result<Packet<'_>, PacketError> {
    let (header, rest) = header_of(bytes)?;
    let (session, sequence, count) = (header.session, header.sequence.get(), header.count.get());
    match count {
        0 | END_OF_SESSION if !rest.is_empty() => Err(PacketError::Trailing { offset: HEADER_LEN }),
        0 => Ok(Packet::Heartbeat { session, next: sequence }),
        END_OF_SESSION => Ok(Packet::EndOfSession { session, next: sequence }),
        _ => {
            check_messages(rest, count)?;
            Ok(Packet::Data { session, first: sequence, messages: Messages { count, rest } })
        }
    }
}

/// Reads a re-request: session, first sequence wanted, how many.
///
/// # Errors
/// [`PacketError`] where the bytes are not exactly a header that could be one.
pub fn decode_request(bytes: &[u8]) -> Result<(SessionId, u64, u16), PacketError> {
    let (header, rest) = header_of(bytes)?;
    if !rest.is_empty() {
        return Err(PacketError::Trailing { offset: HEADER_LEN });
    }
    Ok((header.session, header.sequence.get(), header.count.get()))
}

fn header_of(bytes: &[u8]) -> Result<(&Header, &[u8]), PacketError> {
    let (header, rest) =
        Header::ref_from_prefix(bytes).map_err(|_| PacketError::Header { found: bytes.len() })?;
    if !header.session.is_printable() {
        return Err(PacketError::Session);
    }
    let (sequence, count) = (header.sequence.get(), header.count.get());
    if sequence == 0 || sequence.checked_add(u64::from(count)).is_none() {
        return Err(PacketError::Sequence { sequence, count });
    }
    Ok((header, rest))
}

fn check_messages(messages: &[u8], count: u16) -> Result<(), PacketError> {
    let mut rest = messages;
    for index in 0..count {
        let offset = HEADER_LEN + messages.len() - rest.len();
        let truncated = PacketError::Truncated { index, offset };
        let (len, after) = rest.split_first_chunk::<2>().ok_or(truncated)?;
        rest = after.get(usize::from(u16::from_be_bytes(*len))..).ok_or(truncated)?;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(PacketError::Trailing { offset: HEADER_LEN + messages.len() - rest.len() })
    }
}

#[cfg(test)]
mod tests;
