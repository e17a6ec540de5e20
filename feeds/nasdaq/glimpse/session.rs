//! Both ends of a snapshot's connection.
//!
//! The client keeps only what concerns its own symbols, in bounded memory, and has a [`Snapshot`] only when the last
//! message came: a connection that ends before that is an error, whatever was received. Whoever moves bytes gives
//! them to [`SnapshotClient::on_received`] or [`SnapshotServer::on_received`] and takes away what is to be sent.

use pricewright_core::kernel::Nanos;

use super::decode::{SnapshotMessage, decode};
use super::encode::BookImage;
use crate::nasdaq::itch::{DecodeError, Message};
use crate::nasdaq::soupbintcp::{
    ClientConfig, ClientEvent, ClientSession, Deframer, OutBuffer, Packet, Password, ServerConfig,
    ServerEvent, ServerSession, SessionError, SoupError,
};
use crate::nasdaq::{Alpha, MessageLog, MessageStore, SessionId, Symbol};

/// Bytes of a received packet at most; a message of a snapshot has at most 50.
const IN_BUFFER: usize = 64 * 1024;
/// Bytes on their way out, of a client: login, heartbeats, good-bye.
const CLIENT_OUT: usize = 1024;
/// Bytes on their way out, of a server.
const SERVER_OUT: usize = 64 * 1024;
/// What a kept message costs besides its bytes.
const MESSAGE_OVERHEAD: usize = size_of::<usize>();

/// Why there is no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The login was refused; the venue's letter says why.
    #[error("GLIMPSE: login refused, reason {:?}", char::from(*.0))]
    Refused(u8),
    /// The session ended before the last message.
    #[error("GLIMPSE: the session ended after {0} messages, before the snapshot was complete")]
    Incomplete(u64),
    /// The first message is not number 1: what lies before it is missing.
    #[error("GLIMPSE: the snapshot begins at message {0} instead of 1")]
    NotFromOne(u64),
    /// More than may be kept.
    #[error("GLIMPSE: the snapshot of the configured symbols takes more than {0} bytes")]
    TooLarge(usize),
    /// A message about a configured symbol that cannot be used, or the last one without a number.
    #[error("GLIMPSE: message {number} cannot be used: {fault}")]
    Message {
        /// Its number in the snapshot, from 1.
        number: u64,
        /// What is wrong.
        fault: MessageFault,
    },
    /// The stream cannot be read on.
    #[error("GLIMPSE: {0}")]
    Stream(#[from] SoupError),
    /// The server broke the protocol, or is silent.
    #[error("GLIMPSE: {0}")]
    Session(#[from] SessionError),
}

/// What is wrong with a message of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// It cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A change of the book, which a snapshot cannot hold.
    #[error("type {0:#04x} has no place in a snapshot")]
    OutOfPlace(u8),
    /// The last message's sequence is no number.
    #[error("the sequence to go on at is no number")]
    Sequence,
}

/// A whole snapshot, as far as it concerns the symbols asked for.
#[derive(Clone, Debug)]
pub struct Snapshot {
    next: u64,
    messages: MessageLog,
    bytes: usize,
}

impl Snapshot {
    /// A snapshot of these messages, with which the feed goes on at `next`. For recordings.
    pub fn new<'a>(next: u64, messages: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut snapshot = Self::empty();
        snapshot.next = next;
        messages.for_each(|message| snapshot.keep(message));
        snapshot
    }

    fn empty() -> Self {
        Self { next: 0, messages: MessageLog::default(), bytes: 0 }
    }

    fn keep(&mut self, message: &[u8]) {
        self.bytes += message.len() + MESSAGE_OVERHEAD;
        self.messages.push(message);
    }

    /// The sequence of the first ITCH message that is not in it.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Its messages: system events, directory, states, orders, as the venue ordered them.
    pub fn len(&self) -> usize {
        usize::try_from(self.messages.next_sequence() - 1).unwrap_or(usize::MAX)
    }

    /// True where it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The message at `index`, from 0.
    pub fn message(&self, index: usize) -> Option<&[u8]> {
        self.messages.message(index as u64 + 1)
    }
}

/// Who asks, and for what.
#[derive(Clone, Debug)]
pub struct SnapshotClientConfig {
    /// The user.
    pub username: Alpha<6>,
    /// The password.
    pub password: Password,
    /// Messages of other symbols are passed over.
    pub symbols: Vec<Symbol>,
    /// The most bytes that a snapshot of these symbols may take.
    pub max_bytes: usize,
}

/// The client's end of one connection.
#[derive(Clone, Debug)]
pub struct SnapshotClient {
    session: ClientSession,
    deframer: Deframer,
    out: OutBuffer,
    symbols: Vec<Symbol>,
    max_bytes: usize,
    snapshot: Snapshot,
    /// Messages received.
    received: u64,
    done: bool,
}

impl SnapshotClient {
    /// A client whose connection stands: the login waits in [`Self::output`].
    ///
    /// # Errors
    /// [`SnapshotError::Session`] where the login does not fit, which it does.
    pub fn connect(config: SnapshotClientConfig, now: Nanos) -> Result<Self, SnapshotError> {
        let SnapshotClientConfig { username, password, symbols, max_bytes } = config;
        let session = SessionId::BLANK;
        let mut client = Self {
            session: ClientSession::new(ClientConfig { username, password, session, next_sequence: 1 }),
            deframer: Deframer::new(IN_BUFFER),
            out: OutBuffer::new(CLIENT_OUT),
            symbols,
            max_bytes,
            snapshot: Snapshot::empty(),
            received: 0,
            done: false,
        };
        client.session.connect(now, &mut client.out).map_err(SessionError::from)?;
        Ok(client)
    }

    /// Where received bytes go.
    pub fn spare(&mut self) -> &mut [u8] {
        self.deframer.spare()
    }

    /// Takes `count` bytes at the front of [`Self::spare`]. True once the snapshot is complete; what follows is ignored.
    ///
    /// # Errors
    /// [`SnapshotError`]: this connection is of no more use.
    pub fn on_received(&mut self, count: usize, now: Nanos) -> Result<bool, SnapshotError> {
        self.deframer.commit(count);
        while !self.done {
            let Some(packet) = self.deframer.packet()? else { break };
            match self.session.on_packet(packet, now)? {
                ClientEvent::LoggedIn { next: 1, .. } | ClientEvent::Nothing => {}
                ClientEvent::LoggedIn { next, .. } => return Err(SnapshotError::NotFromOne(next)),
                ClientEvent::Refused(reason) => return Err(SnapshotError::Refused(reason)),
                ClientEvent::Ended => return Err(SnapshotError::Incomplete(self.received)),
                ClientEvent::Unsequenced(_) => {}
                ClientEvent::Message { bytes, .. } => {
                    self.received += 1;
                    let number = self.received;
                    let snapshot = &mut self.snapshot;
                    self.done = take(snapshot, &self.symbols, bytes)
                        .map_err(|fault| SnapshotError::Message { number, fault })?;
                    if snapshot.bytes > self.max_bytes {
                        return Err(SnapshotError::TooLarge(self.max_bytes));
                    }
                }
            }
        }
        if self.done && self.session.is_open() {
            self.session.logout(&mut self.out)?;
        }
        Ok(self.done)
    }

    /// The connection is gone before the snapshot was complete.
    pub fn ended(&self) -> SnapshotError {
        SnapshotError::Incomplete(self.received)
    }

    /// Writes heartbeats.
    ///
    /// # Errors
    /// [`SessionError::PeerSilent`] where the server has been silent for too long.
    pub fn on_poll(&mut self, now: Nanos) -> Result<(), SnapshotError> {
        Ok(self.session.poll(now, &mut self.out)?)
    }

    /// Bytes to be sent.
    pub fn output(&self) -> &[u8] {
        self.out.pending()
    }

    /// Says that the transport took the first `count` bytes of [`Self::output`].
    pub fn consume(&mut self, count: usize) {
        self.out.consume(count);
    }

    /// The snapshot, once it is complete.
    pub fn into_snapshot(self) -> Option<Snapshot> {
        self.done.then_some(self.snapshot)
    }
}

/// Keeps what concerns one of `symbols`. True where the snapshot ends here.
fn take(snapshot: &mut Snapshot, symbols: &[Symbol], bytes: &[u8]) -> Result<bool, MessageFault> {
    let message = match decode(bytes) {
        Ok(SnapshotMessage::Itch(message)) => message,
        Ok(SnapshotMessage::End(end)) => {
            snapshot.next = end.next().ok_or(MessageFault::Sequence)?;
            return Ok(true);
        }
        // Nasdaq adds types without a new version.
        Err(DecodeError::UnknownType(_)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    // The symbol decides, and not the locate code: a directory that is not there must not lose orders in silence.
    let stock = match message {
        Message::SystemEvent(_) => None,
        Message::StockDirectory(body) => Some(body.stock),
        Message::StockTradingAction(body) => Some(body.stock),
        Message::RegShoRestriction(body) => Some(body.stock),
        Message::OperationalHalt(body) => Some(body.stock),
        Message::AddOrder(body) => Some(body.stock),
        Message::AddOrderAttributed(body) => Some(body.stock),
        Message::OrderExecuted(_)
        | Message::OrderExecutedWithPrice(_)
        | Message::OrderCancel(_)
        | Message::OrderDelete(_)
        | Message::OrderReplace(_) => {
            return Err(MessageFault::OutOfPlace(message.header().message_type));
        }
        _ => return Ok(false),
    };
    if stock.is_none_or(|stock| symbols.contains(&stock)) {
        snapshot.keep(bytes);
    }
    Ok(false)
}

/// What a receive led to, for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerOutcome {
    /// Go on.
    Open,
    /// A client is logged in and gets the state of this moment.
    LoggedIn,
    /// Close once everything in the buffer was sent.
    Over,
}

/// The server's end of one connection. It sends at most what its buffer holds at a time; a client that does not read
/// costs the snapshot's memory and nothing else.
#[derive(Clone, Debug)]
pub struct SnapshotServer {
    session: ServerSession,
    session_id: SessionId,
    /// Who may log in; `None`: everybody who gives a name.
    credentials: Option<(Alpha<6>, Password)>,
    deframer: Deframer,
    out: OutBuffer,
    log: Option<MessageLog>,
    over: bool,
}

impl SnapshotServer {
    /// The end of a connection that was just accepted.
    pub fn new(session_id: SessionId, credentials: Option<(Alpha<6>, Password)>, now: Nanos) -> Self {
        let (username, password) = credentials.unwrap_or((Alpha::BLANK, Password(Alpha::BLANK)));
        Self {
            session: ServerSession::new(ServerConfig { username, password, session: session_id }, now),
            session_id,
            credentials,
            deframer: Deframer::new(1024),
            out: OutBuffer::new(SERVER_OUT),
            log: None,
            over: false,
        }
    }

    /// Where received bytes go.
    pub fn spare(&mut self) -> &mut [u8] {
        self.deframer.spare()
    }

    /// Takes `count` bytes at the front of [`Self::spare`]. A login gets the state of `image`.
    ///
    /// # Errors
    /// [`SnapshotError`] where the client breaks the protocol: close.
    pub fn on_received(
        &mut self,
        count: usize,
        image: &BookImage,
        now: Nanos,
    ) -> Result<ServerOutcome, SnapshotError> {
        self.deframer.commit(count);
        let mut outcome = ServerOutcome::Open;
        while !self.over {
            let Some(packet) = self.deframer.packet()? else { break };
            if let (Packet::LoginRequest(login), None, None) = (packet, self.credentials, &self.log)
                && !login.username.is_blank()
                && login.username.is_printable()
            {
                let session = self.session_id;
                let config = ServerConfig { username: login.username, password: login.password, session };
                self.session = ServerSession::new(config, now);
            }
            // Sequences count from 1 in every connection.
            match self.session.on_packet(packet, 1, now, &mut self.out)? {
                ServerEvent::LoggedIn => {
                    self.log = Some(image.tell());
                    outcome = ServerOutcome::LoggedIn;
                }
                ServerEvent::Refused(_) | ServerEvent::LoggedOut => self.over = true,
                ServerEvent::Nothing | ServerEvent::Message(_) => {}
            }
        }
        Ok(if self.over { ServerOutcome::Over } else { outcome })
    }

    /// Fills the buffer with what the client lacks, and ends the session behind the last message.
    ///
    /// # Errors
    /// [`SessionError::PeerSilent`] where the client has been silent for too long.
    pub fn on_poll(&mut self, now: Nanos) -> Result<(), SnapshotError> {
        if self.over {
            return Ok(());
        }
        self.session.poll(now, &mut self.out)?;
        let Some(log) = &self.log else { return Ok(()) };
        self.session.pump(log, now, &mut self.out);
        let told = self.session.next_sequence() == log.next_sequence();
        if told && self.session.end(&mut self.out).is_ok() {
            self.over = true;
        }
        Ok(())
    }

    /// True where nothing follows what is in the buffer.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes to be sent.
    pub fn output(&self) -> &[u8] {
        self.out.pending()
    }

    /// Says that the transport took the first `count` bytes of [`Self::output`].
    pub fn consume(&mut self, count: usize) {
        self.out.consume(count);
    }
}

#[cfg(test)]
mod tests;
