//! Packets to bytes, into a buffer of fixed size that the transport sends from.

use zerocopy::IntoBytes;

use super::message::Packet;

/// Bytes on their way out.
#[derive(Clone, Debug)]
pub struct OutBuffer {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// The buffer has no room for the packet, or no packet can carry that much; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for {needed} bytes in a send buffer with {free} free")]
pub struct OutFull {
    /// Bytes of the packet.
    pub needed: usize,
    /// Bytes free.
    pub free: usize,
}

impl OutBuffer {
    /// Room for `capacity` bytes that the transport has not taken yet.
    pub fn new(capacity: usize) -> Self {
        Self { buffer: vec![0; capacity].into_boxed_slice(), start: 0, end: 0 }
    }

    /// The bytes to be sent.
    pub fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or(&[])
    }

    /// Says that the transport took the first `count` bytes of [`Self::pending`].
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Forgets everything: another connection begins.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Bytes that can be added.
    pub fn free(&self) -> usize {
        self.buffer.len() - (self.end - self.start)
    }

    /// Adds a packet.
    ///
    /// # Errors
    /// [`OutFull`] where there is no room: nothing was added.
    pub fn put(&mut self, packet: &Packet<'_>) -> Result<(), OutFull> {
        let reason;
        let payload = match packet {
            Packet::Debug(bytes) | Packet::Sequenced(bytes) | Packet::Unsequenced(bytes) => bytes,
            Packet::LoginRequest(login) => login.as_bytes(),
            Packet::LoginAccepted(login) => login.as_bytes(),
            Packet::LoginRejected(letter) => {
                reason = [*letter];
                &reason
            }
            Packet::ClientHeartbeat | Packet::ServerHeartbeat => &[],
            Packet::EndOfSession | Packet::LogoutRequest => &[],
        };
        self.put_payload(packet.letter(), payload)
    }

    fn put_payload(&mut self, letter: u8, payload: &[u8]) -> Result<(), OutFull> {
        let needed = 3 + payload.len();
        let full = OutFull { needed, free: self.free() };
        let len = u16::try_from(1 + payload.len()).map_err(|_| full)?;
        if needed > full.free {
            return Err(full);
        }
        if self.end + needed > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let room = self.buffer.get_mut(self.end..self.end + needed).ok_or(full)?;
        let (head, body) = room.split_first_chunk_mut::<3>().ok_or(full)?;
        let [high, low] = len.to_be_bytes();
        *head = [high, low, letter];
        body.copy_from_slice(payload);
        self.end += needed;
        Ok(())
    }
}
