//! Packets to bytes.

use zerocopy::IntoBytes;
use zerocopy::big_endian::{U16, U64};

use super::message::{END_OF_SESSION, HEADER_LEN, Header, MAX_PACKET};
use crate::nasdaq::SessionId;

fn header(session: SessionId, sequence: u64, count: u16) -> [u8; HEADER_LEN] {
    let header = Header { session, sequence: U64::new(sequence), count: U16::new(count) };
    let mut bytes = [0; HEADER_LEN];
    bytes.copy_from_slice(header.as_bytes());
    bytes
}

/// A heartbeat: all before `next` was sent.
pub fn heartbeat(session: SessionId, next: u64) -> [u8; HEADER_LEN] {
    header(session, next, 0)
}

/// The end of the session: all before `next` was sent, nothing will follow.
pub fn end_of_session(session: SessionId, next: u64) -> [u8; HEADER_LEN] {
    header(session, next, END_OF_SESSION)
}

/// A re-request for `count` messages from `first`.
pub fn request(session: SessionId, first: u64, count: u16) -> [u8; HEADER_LEN] {
    header(session, first, count)
}

/// Packs messages into one packet of bounded size.
#[derive(Clone, Debug)]
pub struct PacketBuilder {
    bytes: Box<[u8]>,
    used: usize,
    count: u16,
}

impl PacketBuilder {
    /// For packets of at most `max_packet` bytes, header included. Held between a header and [`MAX_PACKET`].
    pub fn new(max_packet: usize) -> Self {
        let size = max_packet.clamp(HEADER_LEN, MAX_PACKET);
        Self { bytes: vec![0; size].into_boxed_slice(), used: HEADER_LEN, count: 0 }
    }

    /// Forgets the messages.
    pub fn clear(&mut self) {
        self.used = HEADER_LEN;
        self.count = 0;
    }

    /// How many messages it holds.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// True where a message of `len` bytes could be packed into an empty packet.
    pub fn takes(&self, len: usize) -> bool {
        len.saturating_add(HEADER_LEN + 2) <= self.bytes.len()
    }

    /// Adds a message; false where the packet has no room for it, and nothing was added.
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> bool {
        let Ok(len) = u16::try_from(message.len()) else { return false };
        let end = self.used + 2 + message.len();
        if self.count == END_OF_SESSION - 1 {
            return false;
        }
        let Some((head, body)) =
            self.bytes.get_mut(self.used..end).and_then(|room| room.split_first_chunk_mut::<2>())
        else {
            return false;
        };
        *head = len.to_be_bytes();
        body.copy_from_slice(message);
        self.used = end;
        self.count += 1;
        true
    }

    /// The packet, its first message having sequence `first`. Without messages it is a heartbeat.
    pub fn finish(&mut self, session: SessionId, first: u64) -> &[u8] {
        if let Some(head) = self.bytes.first_chunk_mut::<HEADER_LEN>() {
            *head = header(session, first, self.count);
        }
        self.bytes.get(..self.used).unwrap_or(&[])
    }
}
