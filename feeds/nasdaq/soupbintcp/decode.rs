//! A byte stream to packets, through a buffer of fixed size that the transport writes into.

use zerocopy::FromBytes;

use super::message::{LoginAccepted, LoginRequest, Packet};

/// What is wrong with the stream, and where. The stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SoupBinTCP stream, byte {offset}: {fault}")]
pub struct SoupError {
    /// Offset of the packet's length bytes in the stream.
    pub offset: u64,
    /// What is wrong there.
    pub fault: SoupFault,
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SoupFault {
    /// A length of 0 leaves no room for the type.
    #[error("a packet of length 0")]
    Empty,
    /// Longer than the buffer.
    #[error("a packet of {found} bytes, more than the {capacity} that the buffer holds")]
    TooLong {
        /// Bytes of the packet, length bytes included.
        found: usize,
        /// Bytes of the buffer.
        capacity: usize,
    },
    /// No type of SoupBinTCP.
    #[error("packet type {0:#04x}")]
    UnknownType(u8),
    /// The payload has not the size of the type.
    #[error("a packet of type {packet_type:#04x} with {found} bytes of payload instead of {expected}")]
    Length {
        /// The letter.
        packet_type: u8,
        /// Bytes that the type takes.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// A numeric field holds something else.
    #[error("the sequence of a login is no number")]
    Sequence,
}

/// Cuts a byte stream into packets.
///
/// The transport receives straight into [`Self::spare`] and says with [`Self::commit`] how much came;
/// [`Self::packet`] then gives one packet after another.
#[derive(Clone, Debug)]
pub struct Deframer {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Stream offset of `start`.
    offset: u64,
}

impl Deframer {
    /// For packets of at most `capacity` bytes, length bytes included.
    pub fn new(capacity: usize) -> Self {
        Self { buffer: vec![0; capacity].into_boxed_slice(), start: 0, end: 0, offset: 0 }
    }

    /// Where the next bytes go; empty where the buffer is full of packets that were not taken yet.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that `count` bytes were written to the front of [`Self::spare`].
    pub fn commit(&mut self, count: usize) {
        self.end = (self.end + count).min(self.buffer.len());
    }

    /// Forgets everything: another connection begins.
    pub fn clear(&mut self) {
        *self = Self { buffer: core::mem::take(&mut self.buffer), start: 0, end: 0, offset: 0 };
    }

    /// Takes the next whole packet; `None` where there is none yet.
    ///
    /// # Errors
    /// [`SoupError`] where the stream cannot be read on; the connection is of no more use.
    pub fn packet(&mut self) -> Result<Option<Packet<'_>>, SoupError> {
        let offset = self.offset;
        let capacity = self.buffer.len();
        let Some((head, rest)) =
            self.buffer.get(self.start..self.end).and_then(|bytes| bytes.split_first_chunk::<2>())
        else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes(*head));
        if 2 + len > capacity {
            return Err(SoupError { offset, fault: SoupFault::TooLong { found: 2 + len, capacity } });
        }
        let Some(body) = rest.get(..len) else { return Ok(None) };
        let packet = decode(body).map_err(|fault| SoupError { offset, fault })?;
        self.start += 2 + len;
        self.offset += 2 + len as u64;
        Ok(Some(packet))
    }
}

fn decode(body: &[u8]) -> Result<Packet<'_>, SoupFault> {
    let (&letter, payload) = body.split_first().ok_or(SoupFault::Empty)?;
    let sized = |expected: usize| {
        let found = payload.len();
        if found == expected {
            Ok(())
        } else {
            Err(SoupFault::Length { packet_type: letter, expected, found })
        }
    };
    let wrong = |expected: usize| SoupFault::Length { packet_type: letter, expected, found: payload.len() };
    match letter {
        b'+' => Ok(Packet::Debug(payload)),
        b'S' => Ok(Packet::Sequenced(payload)),
        b'U' => Ok(Packet::Unsequenced(payload)),
        b'L' => LoginRequest::ref_from_bytes(payload).map(Packet::LoginRequest).map_err(|_| wrong(46)),
        b'A' => LoginAccepted::ref_from_bytes(payload).map(Packet::LoginAccepted).map_err(|_| wrong(30)),
        b'J' => match payload {
            [reason] => Ok(Packet::LoginRejected(*reason)),
            _ => Err(wrong(1)),
        },
        b'R' => sized(0).map(|()| Packet::ClientHeartbeat),
        b'H' => sized(0).map(|()| Packet::ServerHeartbeat),
        b'Z' => sized(0).map(|()| Packet::EndOfSession),
        b'O' => sized(0).map(|()| Packet::LogoutRequest),
        other => Err(SoupFault::UnknownType(other)),
    }
}

#[cfg(test)]
mod tests;
