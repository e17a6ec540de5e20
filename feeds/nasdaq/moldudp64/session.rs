//! The sending side: a session's packets, and the server that answers re-requests.

use pricewright_core::kernel::Nanos;

use super::decode::{PacketError, decode_request};
use super::encode::{PacketBuilder, end_of_session, heartbeat};
use super::message::END_OF_SESSION;
use crate::nasdaq::{MessageStore, SessionId};

/// How often a sender that has nothing to send says so, unless configured otherwise.
pub const HEARTBEAT_INTERVAL: Nanos = Nanos::from_secs(1);

/// The sending side of a session: numbers messages, packs them, sends heartbeats.
///
/// Packets leave through the `emit` argument; the caller sends each on all its lines and keeps the messages for its
/// [`Responder`].
#[derive(Clone, Debug)]
pub struct Sender {
    session: SessionId,
    next: u64,
    builder: PacketBuilder,
    heartbeat_interval: Nanos,
    last_sent: Nanos,
    ended: bool,
}

/// A message could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It does not fit into a packet.
    #[error("a message of {len} bytes does not fit into a MoldUDP64 packet of this session")]
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// The session is over.
    #[error("the MoldUDP64 session is over")]
    Ended,
}

impl Sender {
    /// A session whose next message gets sequence `next` (1 for a new session). Packets have at most `max_packet` bytes.
    pub fn new(session: SessionId, next: u64, max_packet: usize, heartbeat_interval: Nanos) -> Self {
        let builder = PacketBuilder::new(max_packet);
        Self { session, next, builder, heartbeat_interval, last_sent: Nanos::ZERO, ended: false }
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The sequence that the next message will get.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Packs a message and returns its sequence. Where the packet is full, it is emitted first.
    ///
    /// # Errors
    /// [`SendError`] where the message is too long or the session over; nothing was packed.
    pub fn push(
        &mut self,
        message: &[u8],
        now: Nanos,
        emit: &mut impl FnMut(&[u8]),
    ) -> Result<u64, SendError> {
        if self.ended {
            return Err(SendError::Ended);
        }
        if !self.builder.takes(message.len()) {
            return Err(SendError::TooLong { len: message.len() });
        }
        if !self.builder.push(message) {
            self.flush(now, emit);
            self.builder.push(message);
        }
        let sequence = self.next;
        self.next += 1;
        Ok(sequence)
    }

    /// Emits what is packed.
    pub fn flush(&mut self, now: Nanos, emit: &mut impl FnMut(&[u8])) {
        let count = u64::from(self.builder.count());
        if count == 0 {
            return;
        }
        emit(self.builder.finish(self.session, self.next - count));
        self.builder.clear();
        self.last_sent = now;
    }

    /// Emits a heartbeat where nothing was sent for an interval; after the end of the session, the end again.
    pub fn poll(&mut self, now: Nanos, emit: &mut impl FnMut(&[u8])) {
        self.flush(now, emit);
        if now - self.last_sent < self.heartbeat_interval {
            return;
        }
        self.last_sent = now;
        if self.ended {
            emit(&end_of_session(self.session, self.next));
        } else {
            emit(&heartbeat(self.session, self.next));
        }
    }

    /// Emits what is packed and ends the session. [`Self::poll`] repeats the end, so that a lost one does no harm.
    pub fn end(&mut self, now: Nanos, emit: &mut impl FnMut(&[u8])) {
        self.flush(now, emit);
        self.ended = true;
        self.last_sent = now;
        emit(&end_of_session(self.session, self.next));
    }
}

/// Answers re-requests of one session from a store.
#[derive(Clone, Debug)]
pub struct Responder {
    session: SessionId,
    builder: PacketBuilder,
}

impl Responder {
    /// For `session`, with answers of at most `max_packet` bytes.
    pub fn new(session: SessionId, max_packet: usize) -> Self {
        Self { session, builder: PacketBuilder::new(max_packet) }
    }

    /// The answer to a re-request: one packet with as many of the messages as it holds. `None` where the request is for
    /// another session, or the store lacks the first message: such a request gets no answer.
    ///
    /// # Errors
    /// [`PacketError`] where the bytes are no request.
    pub fn respond(
        &mut self,
        request: &[u8],
        store: &impl MessageStore,
    ) -> Result<Option<&[u8]>, PacketError> {
        let (session, first, count) = decode_request(request)?;
        if session != self.session {
            return Ok(None);
        }
        self.builder.clear();
        let wanted = count.min(END_OF_SESSION - 1);
        for sequence in (first..).take(usize::from(wanted)) {
            let Some(message) = store.message(sequence) else { break };
            if !self.builder.push(message) {
                break;
            }
        }
        Ok((self.builder.count() > 0).then(|| self.builder.finish(session, first)))
    }
}

#[cfg(test)]
mod tests;
