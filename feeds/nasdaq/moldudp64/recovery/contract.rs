//! What a receiver gives to who uses it.

use pricewright_core::kernel::{Health, HealthReason, Nanos};

use super::Messages;
use crate::nasdaq::SessionId;

/// When a packet came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// When this process received it, by its clock.
    pub received: Nanos,
    /// How long it had waited in the kernel by then, in nanoseconds; 0 where that is not known.
    pub queued_ns: u32,
}

impl From<Nanos> for Arrival {
    fn from(received: Nanos) -> Self {
        Self { received, queued_ns: 0 }
    }
}

/// What is delivered at once: the messages of one packet that were not delivered before.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The line that brought it.
    pub line: u16,
    /// When it came.
    pub arrival: Arrival,
    /// Sequence of the first message.
    pub first: u64,
    /// The messages, at least one.
    pub messages: Messages<'a>,
}

/// The health changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Now.
    pub health: Health,
    /// Why.
    pub reason: HealthReason,
    /// The next sequence to be delivered.
    pub expected: u64,
    /// The sequence that showed the change: the next after everything known to exist.
    pub seen: u64,
    /// Messages known to exist and neither delivered nor held.
    pub missing: u64,
}

/// Takes what a receiver delivers.
pub trait Subscriber {
    /// True where `messages` messages, a session change and two transitions can be taken now.
    fn has_room(&self, messages: u16) -> bool;

    /// A session begins or is resumed; its next message has sequence `next`. Called before its first batch.
    fn on_session(&mut self, session: SessionId, next: u64);

    /// Messages in order.
    fn on_batch(&mut self, batch: Batch<'_>);

    /// The health changed.
    fn on_transition(&mut self, transition: Transition);
}

/// The subscriber had no room: nothing was taken, offer the same packet again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTaken;

/// What a receiver has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets taken, all lines.
    pub packets: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Data packets that brought nothing new.
    pub duplicates: u64,
    /// Times that a hole made the data invalid.
    pub gaps: u64,
    /// Messages delivered from answers to re-requests.
    pub recovered: u64,
    /// Re-requests sent, repetitions included.
    pub requests: u64,
    /// Packets that the reorder buffer could not hold; their messages are asked for again.
    pub overflow: u64,
    /// Packets that are no MoldUDP64.
    pub malformed: u64,
    /// Packets of a session that was left, or of another one that is not believed so far.
    pub stragglers: u64,
    /// Packets with a sequence too far ahead to be believed for one packet's word.
    pub implausible: u64,
    /// Times that what a packet had claimed to exist was withdrawn, because all lines went on below it.
    pub withdrawn: u64,
    /// Messages known to exist when their session was left, and never delivered.
    pub abandoned: u64,
}

impl Counters {
    pub(super) fn count(&mut self, delivered: u64, recovered: bool) {
        self.delivered = self.delivered.saturating_add(delivered);
        if recovered {
            self.recovered = self.recovered.saturating_add(delivered);
        }
    }
}

/// What is known about one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Packets received.
    pub packets: u64,
    /// The next sequence, as far as this line has shown.
    pub next: u64,
    /// When it was last heard.
    pub heard: Nanos,
}
