//! One connection of a participant: SoupBinTCP between the socket and the exchange. It carries orders and their answers, or
//! is a drop copy, which only reads: whatever its client sends is passed over.

use std::os::fd::AsFd;

use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::soupbintcp::{
    Deframer, LoginRequest, OutBuffer, Packet, Password, ServerConfig, ServerEvent, ServerSession,
};
use pricewright_feeds::nasdaq::{Alpha, MessageStore, SessionId};

use crate::io::tcp::{Received, TcpConnection, TcpError};
use crate::io::wait::Waiter;
use crate::sim::exchange::{AccountId, Exchange};
use crate::sim::tape::Tape;

/// Bytes of a packet from a participant at most; OUCH requests have fewer than 200.
const IN_BUFFER: usize = 16 * 1024;
/// Bytes on their way to the socket.
const OUT_BUFFER: usize = 64 * 1024;
/// Not authorised.
const REFUSED: u8 = b'A';

/// What a receive led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing for the server to do.
    Nothing,
    /// This participant is here now. The client receives no further before the server has seen this.
    LoggedIn(AccountId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Refused or ended: closes once everything is sent.
    Closing,
    /// Its socket is of no more use.
    Closed,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Orders,
    DropCopy,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    role: Role,
    connection: TcpConnection,
    deframer: Deframer,
    out: OutBuffer,
    session_id: SessionId,
    session: ServerSession,
    account: Option<AccountId>,
    state: State,
}

impl Client {
    pub(super) fn new(role: Role, connection: TcpConnection, session_id: SessionId, now: Nanos) -> Self {
        // Whom to expect is known with the login; until then the session only counts the time.
        let nobody =
            ServerConfig { username: Alpha::BLANK, password: Password(Alpha::BLANK), session: session_id };
        Self {
            role,
            connection,
            deframer: Deframer::new(IN_BUFFER),
            out: OutBuffer::new(OUT_BUFFER),
            session_id,
            session: ServerSession::new(nobody, now),
            account: None,
            state: State::Open,
        }
    }

    /// Who is logged in to trade.
    pub(super) fn account(&self) -> Option<AccountId> {
        self.account.filter(|_| self.role == Role::Orders)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub(super) fn close(&mut self) {
        self.state = State::Closed;
    }

    /// Tells the exchange where the connection is gone.
    pub(super) fn settle(&mut self, exchange: &mut Exchange) {
        if self.state != State::Open
            && let Some(account) = self.account.take()
            && self.role == Role::Orders
        {
            exchange.disconnect(account);
        }
    }

    /// Carries out what has come.
    pub(super) fn receive(&mut self, exchange: &mut Exchange, now: Nanos) -> Outcome {
        while self.state == State::Open {
            match self.packets(exchange, now) {
                Outcome::Nothing => {}
                logged_in => return logged_in,
            }
            if self.state != State::Open {
                break;
            }
            match self.connection.recv(self.deframer.spare()) {
                Ok(Received::Bytes(count)) => self.deframer.commit(count),
                Ok(Received::Nothing) => break,
                Ok(Received::End) | Err(_) => self.close(),
            }
        }
        Outcome::Nothing
    }

    /// Carries out the whole packets in the buffer.
    fn packets(&mut self, exchange: &mut Exchange, now: Nanos) -> Outcome {
        loop {
            let packet = match self.deframer.packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Outcome::Nothing,
                Err(_) => {
                    self.state = State::Closed;
                    return Outcome::Nothing;
                }
            };
            if let Packet::LoginRequest(login) = packet
                && self.account.is_none()
            {
                let login = *login;
                return self.log_in(&login, exchange, now);
            }
            let end = self.session.next_sequence();
            match self.session.on_packet(packet, end, now, &mut self.out) {
                Ok(ServerEvent::Message(bytes)) => {
                    if let Some(account) = self.account.filter(|_| self.role == Role::Orders) {
                        exchange.request(account, bytes);
                    }
                }
                Ok(ServerEvent::LoggedOut) | Err(_) => {
                    self.state = State::Closed;
                    return Outcome::Nothing;
                }
                Ok(ServerEvent::Nothing | ServerEvent::LoggedIn | ServerEvent::Refused(_)) => {}
            }
        }
    }

    fn log_in(&mut self, login: &LoginRequest, exchange: &mut Exchange, now: Nanos) -> Outcome {
        let (username, password) = (login.username, login.password);
        let named = !username.is_blank() && username.is_printable();
        let account = if named { exchange.log_in(username, password) } else { None };
        let Some(account) = account else {
            // The buffer is empty before a login: it has room.
            let refusal = self.out.put(&Packet::LoginRejected(REFUSED));
            self.state = if refusal.is_ok() { State::Closing } else { State::Closed };
            return Outcome::Nothing;
        };
        let config = ServerConfig { username, password, session: self.session_id };
        self.session = ServerSession::new(config, now);
        let end = self.tape(exchange, account).map_or(1, Tape::next_sequence);
        match self.session.on_packet(Packet::LoginRequest(login), end, now, &mut self.out) {
            Ok(ServerEvent::LoggedIn) => {
                self.account = Some(account);
                match self.role {
                    Role::Orders => Outcome::LoggedIn(account),
                    Role::DropCopy => Outcome::Nothing,
                }
            }
            Ok(_) => {
                self.state = State::Closing;
                Outcome::Nothing
            }
            Err(_) => {
                self.state = State::Closed;
                Outcome::Nothing
            }
        }
    }

    /// What the participant is sent.
    fn tape<'a>(&self, exchange: &'a Exchange, account: AccountId) -> Option<&'a Tape> {
        match self.role {
            Role::Orders => exchange.answers(account),
            Role::DropCopy => exchange.copies(account),
        }
    }

    /// Sends what the participant has not had, and heartbeats.
    pub(super) fn answer(&mut self, exchange: &Exchange, now: Nanos) {
        if self.state == State::Open && self.session.poll(now, &mut self.out).is_err() {
            self.close();
        }
        let answers = self.account.and_then(|account| self.tape(exchange, account));
        if let Some(answers) = answers {
            while self.session.pump(answers, now, &mut self.out) > 0 && self.send() {}
        }
        self.flush();
    }

    /// Ends the session after the last answers.
    pub(super) fn end(&mut self, exchange: &Exchange, now: Nanos) {
        self.answer(exchange, now);
        if self.session.is_open() && self.session.end(&mut self.out).is_err() {
            // The participant reads too slowly to be told.
            self.close();
        }
        if self.state == State::Open {
            self.state = State::Closing;
        }
        self.flush();
    }

    /// Offers the socket what is pending.
    pub(super) fn flush(&mut self) {
        let sent = self.send() && self.connection.flush().is_ok_and(|left| left == 0);
        if sent && self.state == State::Closing && self.out.pending().is_empty() {
            self.state = State::Closed;
        }
    }

    /// Hands the buffer to the connection. False where it takes nothing now, or is broken.
    fn send(&mut self) -> bool {
        match self.connection.send(self.out.pending()) {
            Ok(()) => {
                let count = self.out.pending().len();
                self.out.consume(count);
                true
            }
            Err(TcpError::Full) => false,
            Err(_) => {
                self.close();
                false
            }
        }
    }

    /// Waits for it: for requests, and for room where something is pending.
    pub(super) fn watch(&self, waiter: &mut Waiter) {
        if self.state == State::Open {
            waiter.readable(self.connection.as_fd());
        }
        if self.connection.pending() > 0 {
            waiter.writable(self.connection.as_fd());
        }
    }
}
