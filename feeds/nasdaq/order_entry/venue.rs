//! The venue's end of a connection: SoupBinTCP server, OUCH requests in, answers out.

use pricewright_core::kernel::Nanos;

use crate::nasdaq::ouch::{self, AppendageBuf, Body, MAX_MESSAGE, OuchError, Request, decode_request};
use crate::nasdaq::soupbintcp::{
    Deframer, OutBuffer, ServerConfig, ServerEvent, ServerSession, SessionError,
};
use crate::nasdaq::{MessageLog, MessageStore};

use super::ConnectionError;

/// What a client's packet means to the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VenueEvent<'a> {
    /// Nothing to be done.
    Nothing,
    /// The client is logged in.
    LoggedIn,
    /// The login was refused with this letter: close once the output is sent.
    Refused(u8),
    /// A request.
    Request(Request<'a>),
    /// An unsequenced message that is no request of OUCH 5.0. A venue ignores it.
    Malformed(OuchError),
    /// The client said good-bye: close.
    LoggedOut,
}

/// The venue's end of one connection. The answers lie in the account's [`MessageStore`], which outlives connections:
/// append an answer there (see [`append_answer`]) and [`Self::pump`].
#[derive(Clone, Debug)]
pub struct VenueSession {
    session: ServerSession,
    deframer: Deframer,
    out: OutBuffer,
}

impl VenueSession {
    /// The end of a connection that was just accepted, with two buffers of `buffer` bytes.
    pub fn new(config: ServerConfig, buffer: usize, now: Nanos) -> Self {
        Self {
            session: ServerSession::new(config, now),
            deframer: Deframer::new(buffer),
            out: OutBuffer::new(buffer),
        }
    }

    /// Where the transport receives into.
    pub fn spare(&mut self) -> &mut [u8] {
        self.deframer.spare()
    }

    /// Says that `count` bytes were received into [`Self::spare`].
    pub fn commit(&mut self, count: usize) {
        self.deframer.commit(count);
    }

    /// Takes the client's next packet; `None` where there is none yet. Call until `None`.
    ///
    /// # Errors
    /// [`ConnectionError`] where the connection is of no more use.
    pub fn next_event(
        &mut self,
        store: &impl MessageStore,
        now: Nanos,
    ) -> Result<Option<VenueEvent<'_>>, ConnectionError> {
        let Some(packet) = self.deframer.packet()? else { return Ok(None) };
        let event = self.session.on_packet(packet, store.next_sequence(), now, &mut self.out)?;
        Ok(Some(match event {
            ServerEvent::Nothing => VenueEvent::Nothing,
            ServerEvent::LoggedIn => VenueEvent::LoggedIn,
            ServerEvent::Refused(reason) => VenueEvent::Refused(reason),
            ServerEvent::LoggedOut => VenueEvent::LoggedOut,
            ServerEvent::Message(bytes) => match decode_request(bytes) {
                Ok(request) => VenueEvent::Request(request),
                Err(error) => VenueEvent::Malformed(error),
            },
        }))
    }

    /// Writes answers that the client has not had, as many as the buffer holds. Returns how many.
    pub fn pump(&mut self, store: &impl MessageStore, now: Nanos) -> usize {
        self.session.pump(store, now, &mut self.out)
    }

    /// Sends heartbeats and notices silence.
    ///
    /// # Errors
    /// [`ConnectionError`] where the connection is of no more use.
    pub fn poll(&mut self, now: Nanos) -> Result<(), ConnectionError> {
        Ok(self.session.poll(now, &mut self.out)?)
    }

    /// Ends the session; call it when [`Self::pump`] has nothing left.
    ///
    /// # Errors
    /// [`SessionError`] where the client is not logged in or the buffer is full.
    pub fn end(&mut self) -> Result<(), SessionError> {
        self.session.end(&mut self.out)
    }

    /// True between login and end.
    pub fn is_open(&self) -> bool {
        self.session.is_open()
    }

    /// Bytes for the transport to send.
    pub fn output(&self) -> &[u8] {
        self.out.pending()
    }

    /// Says that the transport took the first `count` bytes of [`Self::output`].
    pub fn consume(&mut self, count: usize) {
        self.out.consume(count);
    }
}

/// Appends an answer to an account's log and returns its sequence; `None` where the options do not go with it.
pub fn append_answer<B: Body>(log: &mut MessageLog, body: &B, options: &AppendageBuf) -> Option<u64> {
    let mut bytes = [0; MAX_MESSAGE];
    let len = ouch::write(body, options, &mut bytes)?;
    Some(log.push(bytes.get(..len)?))
}
