//! Lines from TCP clients that come and go.
//!
//! * At most so many at once as there are places ([`crate::config::JsonlFeed::max_clients`]) and descriptors to spare. Where all
//!   are taken and another client waits, that is logged and shown in `/health`, and the client that has been here longest
//!   without ever sending a whole line makes room, once it has been silent for `idle_s`. Who has sent lines stays.
//! * Peers that vanish without a word are found by TCP keep-alive.
//! * What a client sent is read to its end before its connection is given up, whether it reads its answers or not.
//! * A client's input ends with a [`Mark`] that counts no lines and carries the connection's number: who reads the journal
//!   knows there that all decisions on the client's lines are behind it.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Sender;
use pricewright_core::kernel::table::Mark;
use pricewright_core::kernel::{Full, Nanos, Record as _, RecordSink};
use pricewright_feeds::jsonl::decode::{Decoder, LINE_CELLS};
use pricewright_feeds::jsonl::session::Session;

use super::{CHUNK_LEN, buffer, refused};
use crate::clock::Clock;
use crate::edges::answers::Peer;
use crate::edges::vitals::{Talk, Vitals};
use crate::error::Result;
use crate::io::tcp::{Received, TcpAcceptor, TcpConnection};
use crate::io::wait::Waiter;
use crate::pipeline::topology::FEED_SOURCE;

/// How long no client is accepted after one could not be: the process may have too many open files.
const ACCEPT_PAUSE: Nanos = Nanos::from_secs(1);
/// How often a full house looks whether somebody waits.
const LOOK_PAUSE: Nanos = Nanos::from_millis(100);

/// TCP clients.
pub(super) struct Clients {
    acceptor: TcpAcceptor,
    clients: Vec<Client>,
    buffer: Box<[u8]>,
    max_line_bytes: usize,
    /// The most at once.
    most: usize,
    /// A client that never sent a whole line may be let go after so long.
    idle: Nanos,
    /// The last client's number.
    number: u16,
    /// Before this no client is accepted, nor looked for.
    accept_from: Nanos,
    /// Says to whoever writes answers that a client has come.
    announce: Option<Sender<Peer>>,
    vitals: Arc<Vitals>,
    waiter: Waiter,
}

/// What the owner of the places says.
pub(super) struct House {
    pub(super) max_line_bytes: usize,
    pub(super) most: usize,
    pub(super) idle: Duration,
    pub(super) announce: Option<Sender<Peer>>,
    pub(super) vitals: Arc<Vitals>,
}

struct Client {
    connection: TcpConnection,
    number: u16,
    session: Session,
    /// Received and not decoded yet.
    held: Vec<u8>,
    /// When bytes came last, or the client itself.
    heard: Nanos,
    talk: Talk,
    at_end: bool,
    ended: bool,
}

impl Clients {
    pub(super) fn new(acceptor: TcpAcceptor, house: House) -> Self {
        let House { max_line_bytes, most, idle, announce, vitals } = house;
        vitals.set_clients(0, most);
        Self {
            acceptor,
            clients: Vec::new(),
            buffer: buffer(),
            max_line_bytes,
            most,
            idle: Nanos(i64::try_from(idle.as_nanos()).unwrap_or(i64::MAX)),
            number: 0,
            accept_from: Nanos::ZERO,
            announce,
            vitals,
            waiter: Waiter::new(),
        }
    }

    pub(super) fn poll<C: Clock, S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        clock: &mut C,
        sink: &mut S,
    ) -> Result<usize> {
        let before = self.clients.len();
        let mut work = self.accept(clock);
        for client in &mut self.clients {
            work += client.poll(decoder, &mut self.buffer, clock, sink)?;
        }
        self.clients.retain(|client| !client.ended);
        if self.clients.len() != before {
            self.vitals.set_clients(self.clients.len(), self.most);
        }
        Ok(work)
    }

    /// Accepts one client, where one waits and there is room.
    fn accept<C: Clock>(&mut self, clock: &mut C) -> usize {
        if self.accept_from > Nanos::ZERO && clock.now() < self.accept_from {
            return 0;
        }
        if self.clients.len() >= self.most {
            let now = clock.now();
            self.accept_from = now + LOOK_PAUSE;
            return usize::from(self.make_room(now));
        }
        let now = clock.now();
        let admitted = match self.acceptor.accept() {
            Ok(None) => {
                self.vitals.set_full(false);
                return 0;
            }
            Ok(Some((connection, _))) => self.admit(connection, now),
            Err(error) => Err(error),
        };
        if let Err(error) = admitted {
            tracing::warn!(%error, "a client could not be accepted");
            self.accept_from = now + ACCEPT_PAUSE;
        }
        1
    }

    /// Where somebody waits before a full house: says so once, and lets the silent client go that came first.
    fn make_room(&mut self, now: Nanos) -> bool {
        self.waiter.clear();
        let slot = self.waiter.readable(self.acceptor.as_fd());
        if self.waiter.wait(Duration::ZERO).is_err() || !self.waiter.is_ready(slot) {
            self.vitals.set_full(false);
            return false;
        }
        if !self.vitals.set_full(true) {
            tracing::warn!(
                "all {} places for TCP clients are taken and another client waits: raise [feed.jsonl] max_clients, or end \
                 clients that do nothing",
                self.most
            );
        }
        let silent = |client: &&mut Client| client.session.line() == 1 && now - self.idle >= client.heard;
        let Some(client) = self.clients.iter_mut().filter(silent).min_by_key(|client| client.heard) else {
            return false;
        };
        tracing::warn!(
            number = client.number,
            "a client that has sent no line is disconnected: another one waits for its place"
        );
        // It is at its end then, for whoever answers it too.
        let _gone = client.connection.shutdown();
        client.at_end = true;
        client.held.clear();
        true
    }

    fn admit(&mut self, connection: TcpConnection, now: Nanos) -> io::Result<()> {
        let number = self.free_number();
        let talk = Talk::default();
        if let Some(announce) = &self.announce {
            let peer = Peer::new(number, connection.try_clone()?, talk.clone());
            // Who writes answers has ended already where this fails; the run is ending then.
            let _ending = announce.send(peer);
        }
        let session = Session::new(self.max_line_bytes, number);
        let held = Vec::with_capacity(CHUNK_LEN);
        self.clients.push(Client {
            connection,
            number,
            session,
            held,
            heard: now,
            talk,
            at_end: false,
            ended: false,
        });
        Ok(())
    }

    /// The next number that no connected client has, from 1.
    fn free_number(&mut self) -> u16 {
        loop {
            self.number = self.number.checked_add(1).unwrap_or(1);
            if self.clients.iter().all(|client| client.number != self.number) {
                return self.number;
            }
        }
    }
}

impl Client {
    fn poll<C: Clock, S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        buffer: &mut [u8],
        clock: &mut C,
        sink: &mut S,
    ) -> Result<usize> {
        if self.held.is_empty() && !self.at_end {
            match self.connection.recv(buffer) {
                Ok(Received::Bytes(count)) => {
                    self.talk.came();
                    self.heard = clock.now();
                    self.held.extend_from_slice(buffer.get(..count).unwrap_or(&[]));
                }
                Ok(Received::Nothing) => {
                    self.talk.is_dry();
                    return Ok(0);
                }
                Ok(Received::End) => self.at_end = true,
                Err(error) => {
                    tracing::warn!(%error, number = self.number, "a client's connection broke: lines that it had still to deliver are lost");
                    self.at_end = true;
                }
            }
        }
        let received = clock.now();
        let taken = self.session.receive(decoder, &self.held, received, sink).map_err(refused)?;
        self.held.drain(..taken);
        if self.at_end && self.held.is_empty() && sink.room() >= LINE_CELLS + Mark::CELLS {
            self.finish(decoder, received, sink).map_err(refused)?;
            return Ok(taken + 1);
        }
        Ok(taken)
    }

    /// The last line, and the mark behind it; there is room for both.
    fn finish<S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        received: Nanos,
        sink: &mut S,
    ) -> core::result::Result<(), Full> {
        self.session.finish(decoder, received, sink)?;
        let (first, line) = (self.session.line(), self.number);
        let end = Mark { first, received, count: 0, session: 0, line, source: FEED_SOURCE, queued_ns: 0 };
        sink.put(&end, FEED_SOURCE, 0)?;
        self.ended = true;
        Ok(())
    }
}
