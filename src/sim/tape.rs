//! Everything that was sent, by sequence from 1, for as long as the session lasts.
//!
//! Messages lie one behind the other in pages that are never moved once they are full: growing costs one allocation and
//! no copy. This is not a hot path of the engine; it belongs to the simulated exchange.

use pricewright_feeds::nasdaq::MessageStore;

/// A page: messages from `first` on.
#[derive(Clone, Debug)]
struct Page {
    first: u64,
    bytes: Vec<u8>,
    /// Where each message ends in `bytes`.
    ends: Vec<u32>,
}

/// Sent messages, complete from sequence 1.
#[derive(Clone, Debug)]
pub struct Tape {
    page_bytes: usize,
    pages: Vec<Page>,
    next: u64,
}

impl Tape {
    /// An empty tape that grows by pages of `page_bytes` bytes; a longer message gets a page of its own.
    pub fn new(page_bytes: usize) -> Self {
        Self { page_bytes: page_bytes.clamp(1, u32::MAX as usize / 2), pages: Vec::new(), next: 1 }
    }

    /// Appends a message and returns its sequence.
    pub fn push(&mut self, message: &[u8]) -> u64 {
        let room = |page: &&mut Page| page.bytes.len() + message.len() <= page.bytes.capacity();
        match self.pages.last_mut().filter(room) {
            Some(page) => page.append(message),
            None => {
                let size = self.page_bytes.max(message.len());
                let mut page = Page {
                    first: self.next,
                    bytes: Vec::with_capacity(size),
                    ends: Vec::with_capacity(size / 32),
                };
                page.append(message);
                self.pages.push(page);
            }
        }
        let sequence = self.next;
        self.next += 1;
        sequence
    }

    /// How many messages it holds.
    pub fn len(&self) -> u64 {
        self.next - 1
    }

    /// True where nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages from `sequence` on.
    pub fn from(&self, sequence: u64) -> impl Iterator<Item = &[u8]> {
        (sequence.max(1)..self.next).map_while(|sequence| self.message(sequence))
    }
}

impl Page {
    fn append(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        // A page holds at most `u32::MAX` bytes: pages begin with less, and one message is at most 64 KiB on any wire.
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    fn get(&self, sequence: u64) -> Option<&[u8]> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        let end = *self.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.bytes.get(start..end)
    }
}

impl MessageStore for Tape {
    fn message(&self, sequence: u64) -> Option<&[u8]> {
        // Mostly the newest page is asked for.
        let page = match self.pages.last() {
            Some(page) if page.first <= sequence => page,
            _ => self.pages.get(self.pages.partition_point(|page| page.first <= sequence).checked_sub(1)?)?,
        };
        page.get(sequence)
    }

    fn next_sequence(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests;
