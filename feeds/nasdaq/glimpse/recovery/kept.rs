//! Messages in the order in which they were kept, in memory of fixed size.
//!
//! ```text
//!  0  u64 sequence   8  u16 length   10  message
//! ```

const HEAD: usize = 10;

/// A queue of messages.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Kept {
    pub(super) fn new(capacity: usize) -> Self {
        // Written, so that the first loss takes no page fault.
        let mut bytes = vec![0xff; capacity].into_boxed_slice();
        bytes.fill(0);
        Self { bytes, start: 0, end: 0 }
    }

    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Adds a message; false where there is no room for it.
    pub(super) fn push(&mut self, sequence: u64, message: &[u8]) -> bool {
        let needed = HEAD + message.len();
        // Moving is worth it where it frees much.
        if self.end + needed > self.bytes.len() && self.start >= self.bytes.len() / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let Ok(len) = u16::try_from(message.len()) else { return false };
        let Some(room) = self.bytes.get_mut(self.end..self.end + needed) else { return false };
        let Some((first, rest)) = room.split_first_chunk_mut::<8>() else { return false };
        let Some((second, body)) = rest.split_first_chunk_mut::<2>() else { return false };
        *first = sequence.to_be_bytes();
        *second = len.to_be_bytes();
        body.copy_from_slice(message);
        self.end += needed;
        true
    }

    /// The oldest message.
    pub(super) fn first(&self) -> Option<(u64, &[u8])> {
        let bytes = self.bytes.get(self.start..self.end)?;
        let (sequence, rest) = bytes.split_first_chunk::<8>()?;
        let (len, rest) = rest.split_first_chunk::<2>()?;
        Some((u64::from_be_bytes(*sequence), rest.get(..usize::from(u16::from_be_bytes(*len)))?))
    }

    /// Forgets the oldest message.
    pub(super) fn release(&mut self) {
        match self.first().map(|(_, message)| HEAD + message.len()) {
            Some(len) if self.start + len < self.end => self.start += len,
            _ => self.clear(),
        }
    }
}
