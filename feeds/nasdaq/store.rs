//! Sent messages by sequence: what a re-request server and a SoupBinTCP server answer from.

/// Messages that were sent, by sequence from 1.
pub trait MessageStore {
    /// The message with this sequence; `None` where it was never sent or is kept no longer.
    fn message(&self, sequence: u64) -> Option<&[u8]>;

    /// The sequence that the next message will get.
    fn next_sequence(&self) -> u64;
}

/// A [`MessageStore`] in memory that keeps everything. It allocates only where it outgrows what was reserved.
#[derive(Clone, Debug, Default)]
pub struct MessageLog {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl MessageLog {
    /// Room for `messages` messages of `bytes` bytes in all before it grows.
    pub fn with_capacity(messages: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(messages) }
    }

    /// Appends a message and returns its sequence.
    pub fn push(&mut self, message: &[u8]) -> u64 {
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
        self.ends.len() as u64
    }
}

impl MessageStore for MessageLog {
    fn message(&self, sequence: u64) -> Option<&[u8]> {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(start..end)
    }

    fn next_sequence(&self) -> u64 {
        self.ends.len() as u64 + 1
    }
}
