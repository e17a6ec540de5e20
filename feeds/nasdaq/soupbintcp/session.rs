//! Both ends of a session: login, numbering, heartbeats, time-outs, resending, good-bye.
//!
//! Bytes leave through an [`OutBuffer`], packets come from a [`super::Deframer`]. A session ends for good with its
//! connection; the next connection begins with a new login that says where to go on.

use pricewright_core::kernel::Nanos;

use super::encode::{OutBuffer, OutFull};
use super::message::{LoginAccepted, LoginRequest, Packet, Password, numeric, numeric_of};
use crate::nasdaq::{Alpha, HIGHEST_SEQUENCE, MessageStore, SessionId};

/// How often each side says that it is alive when it has nothing else to say.
pub const HEARTBEAT_INTERVAL: Nanos = Nanos::from_secs(1);
/// How long the other side may be silent.
pub const PEER_TIMEOUT: Nanos = Nanos::from_secs(15);

/// The other side broke the protocol, or nothing can be written. The connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// A packet that must not come now.
    #[error("SoupBinTCP: a packet of type {0:#04x} out of place")]
    OutOfPlace(u8),
    /// The sequence in a login is no number.
    #[error("SoupBinTCP: the sequence of a login is no number")]
    Sequence,
    /// The sequence in a login is larger than that of any session.
    #[error("SoupBinTCP: the sequence of a login is too large")]
    TooLarge,
    /// Nothing heard for [`PEER_TIMEOUT`].
    #[error("SoupBinTCP: nothing heard for 15 s")]
    PeerSilent,
    /// Not logged in.
    #[error("SoupBinTCP: not logged in")]
    NotLoggedIn,
    /// The send buffer is full.
    #[error("SoupBinTCP: {0}")]
    Full(#[from] OutFull),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No connection.
    Down,
    /// Client: the login was sent. Server: it is awaited.
    Login,
    /// Logged in.
    Open,
    /// Over.
    Closed,
}

/// Who a client is and where it wants to go on.
#[derive(Clone, Copy, Debug)]
pub struct ClientConfig {
    /// The user.
    pub username: Alpha<6>,
    /// The password.
    pub password: Password,
    /// The session to go on in; blank for the server's current one.
    pub session: SessionId,
    /// The next sequence wanted: 1 for a session from its beginning.
    pub next_sequence: u64,
}

/// What a packet means to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent<'a> {
    /// Nothing to be done.
    Nothing,
    /// Logged in to `session`; the next message has sequence `next`.
    LoggedIn {
        /// The session.
        session: SessionId,
        /// The next sequence.
        next: u64,
    },
    /// The login was refused; the venue's letter says why.
    Refused(u8),
    /// The message with this sequence.
    Message {
        /// Its sequence.
        sequence: u64,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// A message outside the sequence.
    Unsequenced(&'a [u8]),
    /// The session is over.
    Ended,
}

/// The client's end.
#[derive(Clone, Debug)]
pub struct ClientSession {
    config: ClientConfig,
    phase: Phase,
    sent: Nanos,
    heard: Nanos,
}

impl ClientSession {
    /// A client without a connection.
    pub fn new(config: ClientConfig) -> Self {
        Self { config, phase: Phase::Down, sent: Nanos::ZERO, heard: Nanos::ZERO }
    }

    /// The session that it is, was, or wants to be in; blank where none was said yet.
    pub fn session(&self) -> SessionId {
        self.config.session
    }

    /// The sequence of the next message.
    pub fn next_sequence(&self) -> u64 {
        self.config.next_sequence
    }

    /// True between login and end.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// When the login was sent that is not answered so far.
    pub fn login_sent(&self) -> Option<Nanos> {
        (self.phase == Phase::Login).then_some(self.sent)
    }

    /// Where to go on at the next login. For another session than the last.
    pub fn resume_at(&mut self, session: SessionId, next_sequence: u64) {
        self.config.session = session;
        self.config.next_sequence = next_sequence;
    }

    /// A connection stands: writes the login.
    ///
    /// # Errors
    /// [`OutFull`] where the buffer has no room for it.
    pub fn connect(&mut self, now: Nanos, out: &mut OutBuffer) -> Result<(), OutFull> {
        out.put(&Packet::LoginRequest(&LoginRequest {
            username: self.config.username,
            password: self.config.password,
            session: self.config.session,
            sequence: numeric(self.config.next_sequence),
        }))?;
        self.phase = Phase::Login;
        self.sent = now;
        self.heard = now;
        Ok(())
    }

    /// The connection is gone.
    pub fn disconnect(&mut self) {
        self.phase = Phase::Down;
    }

    /// Takes a packet of the server.
    ///
    /// # Errors
    /// [`SessionError`] where the server breaks the protocol.
    pub fn on_packet<'a>(&mut self, packet: Packet<'a>, now: Nanos) -> Result<ClientEvent<'a>, SessionError> {
        self.heard = now;
        match (self.phase, packet) {
            (_, Packet::Debug(_)) | (Phase::Open | Phase::Login, Packet::ServerHeartbeat) => {
                Ok(ClientEvent::Nothing)
            }
            (Phase::Login, Packet::LoginAccepted(login)) => {
                let next = granted(&login.sequence)?;
                self.config.session = login.session;
                self.config.next_sequence = next;
                self.phase = Phase::Open;
                Ok(ClientEvent::LoggedIn { session: login.session, next })
            }
            (Phase::Login, Packet::LoginRejected(reason)) => {
                self.phase = Phase::Closed;
                Ok(ClientEvent::Refused(reason))
            }
            (Phase::Open, Packet::Sequenced(bytes)) => {
                let sequence = self.config.next_sequence;
                self.config.next_sequence = sequence.checked_add(1).ok_or(SessionError::TooLarge)?;
                Ok(ClientEvent::Message { sequence, bytes })
            }
            (Phase::Open, Packet::Unsequenced(bytes)) => Ok(ClientEvent::Unsequenced(bytes)),
            (Phase::Open | Phase::Login, Packet::EndOfSession) => {
                self.phase = Phase::Closed;
                Ok(ClientEvent::Ended)
            }
            (_, packet) => Err(SessionError::OutOfPlace(packet.letter())),
        }
    }

    /// Writes an unsequenced message.
    ///
    /// # Errors
    /// [`SessionError`] where not logged in or the buffer is full: nothing was written.
    pub fn send(&mut self, bytes: &[u8], now: Nanos, out: &mut OutBuffer) -> Result<(), SessionError> {
        if self.phase != Phase::Open {
            return Err(SessionError::NotLoggedIn);
        }
        out.put(&Packet::Unsequenced(bytes))?;
        self.sent = now;
        Ok(())
    }

    /// Writes a heartbeat where nothing was sent for a second.
    ///
    /// # Errors
    /// [`SessionError::PeerSilent`] where the server has been silent for too long.
    pub fn poll(&mut self, now: Nanos, out: &mut OutBuffer) -> Result<(), SessionError> {
        if !matches!(self.phase, Phase::Login | Phase::Open) {
            return Ok(());
        }
        if now - self.heard >= PEER_TIMEOUT {
            self.phase = Phase::Closed;
            return Err(SessionError::PeerSilent);
        }
        if self.phase == Phase::Open && now - self.sent >= HEARTBEAT_INTERVAL {
            out.put(&Packet::ClientHeartbeat)?;
            self.sent = now;
        }
        Ok(())
    }

    /// Says good-bye.
    ///
    /// # Errors
    /// [`SessionError`] where not logged in or the buffer is full.
    pub fn logout(&mut self, out: &mut OutBuffer) -> Result<(), SessionError> {
        if self.phase != Phase::Open {
            return Err(SessionError::NotLoggedIn);
        }
        out.put(&Packet::LogoutRequest)?;
        self.phase = Phase::Closed;
        Ok(())
    }
}

/// The sequence that an accepted login grants.
fn granted(field: &[u8; 20]) -> Result<u64, SessionError> {
    match numeric_of(field) {
        Some(next) if next <= HIGHEST_SEQUENCE => Ok(next),
        None if !field.trim_ascii().iter().all(u8::is_ascii_digit) || field.trim_ascii().is_empty() => {
            Err(SessionError::Sequence)
        }
        _ => Err(SessionError::TooLarge),
    }
}

/// Whom a server lets in, and to what.
#[derive(Clone, Copy, Debug)]
pub struct ServerConfig {
    /// The user, compared without regard to case.
    pub username: Alpha<6>,
    /// The password, compared without regard to case.
    pub password: Password,
    /// The current session.
    pub session: SessionId,
}

/// What a packet means to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEvent<'a> {
    /// Nothing to be done.
    Nothing,
    /// The client is logged in; [`ServerSession::pump`] sends it what it lacks.
    LoggedIn,
    /// The login was refused with this letter: close once the buffer is sent.
    Refused(u8),
    /// An unsequenced message.
    Message(&'a [u8]),
    /// The client said good-bye.
    LoggedOut,
}

/// The server's end of one connection.
#[derive(Clone, Debug)]
pub struct ServerSession {
    config: ServerConfig,
    phase: Phase,
    /// The next sequence to be sent.
    next: u64,
    sent: Nanos,
    heard: Nanos,
}

impl ServerSession {
    /// The end of a connection that was just accepted; the login is awaited.
    pub fn new(config: ServerConfig, now: Nanos) -> Self {
        Self { config, phase: Phase::Login, next: 0, sent: now, heard: now }
    }

    /// True between login and end.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// The sequence of the next message that the client gets.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Takes a packet of the client. `end` is the sequence that the next message of the session will get.
    ///
    /// # Errors
    /// [`SessionError`] where the client breaks the protocol.
    pub fn on_packet<'a>(
        &mut self,
        packet: Packet<'a>,
        end: u64,
        now: Nanos,
        out: &mut OutBuffer,
    ) -> Result<ServerEvent<'a>, SessionError> {
        self.heard = now;
        match (self.phase, packet) {
            (_, Packet::Debug(_)) | (Phase::Open | Phase::Login, Packet::ClientHeartbeat) => {
                Ok(ServerEvent::Nothing)
            }
            (Phase::Login, Packet::LoginRequest(login)) => self.on_login(login, end, now, out),
            (Phase::Open, Packet::Unsequenced(bytes)) => Ok(ServerEvent::Message(bytes)),
            (Phase::Open | Phase::Login, Packet::LogoutRequest) => {
                self.phase = Phase::Closed;
                Ok(ServerEvent::LoggedOut)
            }
            (_, packet) => Err(SessionError::OutOfPlace(packet.letter())),
        }
    }

    fn on_login(
        &mut self,
        login: &LoginRequest,
        end: u64,
        now: Nanos,
        out: &mut OutBuffer,
    ) -> Result<ServerEvent<'static>, SessionError> {
        let wanted = numeric_of(&login.sequence).ok_or(SessionError::Sequence)?;
        let known = login.username.0.eq_ignore_ascii_case(&self.config.username.0)
            && login.password.0.0.eq_ignore_ascii_case(&self.config.password.0.0);
        let here =
            login.session.is_blank() || login.session.0.trim_ascii() == self.config.session.0.trim_ascii();
        let refusal = match (known, here && wanted <= end) {
            (false, _) => Some(b'A'),
            (true, false) => Some(b'S'),
            (true, true) => None,
        };
        if let Some(reason) = refusal {
            out.put(&Packet::LoginRejected(reason))?;
            self.phase = Phase::Closed;
            return Ok(ServerEvent::Refused(reason));
        }
        self.next = if wanted == 0 { end } else { wanted };
        let session = self.config.session;
        out.put(&Packet::LoginAccepted(&LoginAccepted { session, sequence: numeric(self.next) }))?;
        self.phase = Phase::Open;
        self.sent = now;
        Ok(ServerEvent::LoggedIn)
    }

    /// Writes sequenced messages from `store` that the client has not had, as many as the buffer holds: those that it
    /// missed and the new ones alike. Returns how many.
    pub fn pump(&mut self, store: &impl MessageStore, now: Nanos, out: &mut OutBuffer) -> usize {
        let mut count = 0;
        while self.phase == Phase::Open
            && let Some(message) = store.message(self.next)
            && out.put(&Packet::Sequenced(message)).is_ok()
        {
            self.next += 1;
            self.sent = now;
            count += 1;
        }
        count
    }

    /// Writes a heartbeat where nothing was sent for a second.
    ///
    /// # Errors
    /// [`SessionError::PeerSilent`] where the client has been silent for too long, before or after its login.
    pub fn poll(&mut self, now: Nanos, out: &mut OutBuffer) -> Result<(), SessionError> {
        if !matches!(self.phase, Phase::Login | Phase::Open) {
            return Ok(());
        }
        if now - self.heard >= PEER_TIMEOUT {
            self.phase = Phase::Closed;
            return Err(SessionError::PeerSilent);
        }
        if self.phase == Phase::Open && now - self.sent >= HEARTBEAT_INTERVAL {
            out.put(&Packet::ServerHeartbeat)?;
            self.sent = now;
        }
        Ok(())
    }

    /// Ends the session; call it when [`Self::pump`] has nothing left.
    ///
    /// # Errors
    /// [`SessionError`] where not logged in or the buffer is full.
    pub fn end(&mut self, out: &mut OutBuffer) -> Result<(), SessionError> {
        if self.phase != Phase::Open {
            return Err(SessionError::NotLoggedIn);
        }
        out.put(&Packet::EndOfSession)?;
        self.phase = Phase::Closed;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
