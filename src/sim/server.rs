//! The exchange on sockets: one thread that sleeps in `ppoll(2)` and never spins.
//!
//! ```text
//!  exchange's tape ─► MoldUDP64 packets ─► line A, line B, each with its faults   (multicast or unicast)
//!  re-request (UDP) ─► the tape ─► one packet back to who asked
//!  OUCH over SoupBinTCP ◄─► the exchange and the account's tape
//!  drop copy over SoupBinTCP ◄─ copies of what changed the account's orders, of the day
//!  GLIMPSE over SoupBinTCP ◄── a copy of the tape, on a thread of its own
//! ```
//!
//! It wakes when a socket is ready, or when the background flow is due: what is due by then goes out together. When the session ends, re-requests are answered and the end is repeated until nobody has asked for a
//! while, so that receivers on lossy lines can complete their books.

mod client;
mod lines;
mod summary;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use core_affinity::CoreId;
use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::itch::append_file_frame;
use pricewright_feeds::nasdaq::moldudp64::session::HEARTBEAT_INTERVAL;
use pricewright_feeds::nasdaq::moldudp64::{Responder, Sender};
use pricewright_feeds::nasdaq::{MessageStore, SessionId};

use super::config::SimConfig;
use super::error::SimError;
use super::exchange::{AccountId, Exchange, Source};
use super::replay::Replay;
use super::snapshots::Snapshots;
use crate::clock::Clock;
use crate::io::file::create_fresh;
use crate::io::tcp::TcpAcceptor;
use crate::io::wait::Waiter;
use client::{Client, Outcome, Role};
use lines::{Line, ReRequests, open_lines};

pub use lines::ReRequestCounters;
pub use summary::SimSummary;

/// Bytes of a packet at most: what an Ethernet frame carries, with room for a tunnel.
const MAX_PACKET: usize = 1400;
/// How long no participant is accepted after one could not be: the process may have too many open files.
const ACCEPT_PAUSE: Nanos = Nanos::from_secs(1);
/// The longest sleep: how soon a stop is noticed.
const LONGEST_WAIT: Nanos = Nanos::from_millis(20);
/// After the end, the server stays until nobody has asked for a re-request for this long …
const QUIET: Nanos = Nanos::from_millis(500);
/// … but no longer than this.
const LONGEST_LINGER: Nanos = Nanos::from_secs(5);
/// How often the end is repeated meanwhile.
const END_INTERVAL: Nanos = Nanos::from_millis(50);

/// Where a running exchange is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimAddresses {
    /// The MoldUDP64 session, which is that of SoupBinTCP too.
    pub session: SessionId,
    /// Groups or unicast addresses of the lines, A first.
    pub lines: Vec<SocketAddrV4>,
    /// The re-request server.
    pub rerequest: SocketAddrV4,
    /// OUCH over SoupBinTCP.
    pub ouch: SocketAddr,
    /// The drop copy over SoupBinTCP, where there is one.
    pub drop_copy: Option<SocketAddr>,
    /// Snapshots: GLIMPSE over SoupBinTCP.
    pub glimpse: SocketAddr,
}

/// Starts simulated exchanges.
#[derive(Debug)]
pub struct Sim;

/// An exchange on a thread of its own. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct SimHandle {
    addresses: SimAddresses,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<SimSummary, SimError>>>,
}

impl Sim {
    /// Opens all sockets and starts the exchange. Its market opens at once.
    ///
    /// # Errors
    /// What is wrong with the configuration, or what the kernel refuses.
    pub fn start(config: &SimConfig) -> Result<SimHandle, SimError> {
        let stop = Arc::new(AtomicBool::new(false));
        let server = Server::open(config, Arc::clone(&stop), WallClock::default())?;
        let addresses = server.addresses.clone();
        let core = config.core;
        let body = move || {
            pin(core);
            server.run()
        };
        let spawned = thread::Builder::new().name("sim".to_owned()).spawn(body);
        let thread = spawned.map_err(|source| SimError::System { doing: "start its thread", source })?;
        Ok(SimHandle { addresses, stop, thread: Some(thread) })
    }

    /// Runs an exchange on the calling thread until `stop` is set, its time is over or its file has ended. `on_ready` is
    /// told where it is found, before the market opens.
    ///
    /// # Errors
    /// What is wrong with the configuration, what the kernel refuses, or a file that cannot be read or written on.
    pub fn run_until_stopped(
        config: &SimConfig,
        stop: Arc<AtomicBool>,
        on_ready: impl FnOnce(&SimAddresses),
    ) -> Result<SimSummary, SimError> {
        let server = Server::open(config, stop, WallClock::default())?;
        pin(config.core);
        on_ready(&server.addresses);
        server.run()
    }
}

impl SimHandle {
    /// Where it is found.
    pub fn addresses(&self) -> &SimAddresses {
        &self.addresses
    }

    /// Asks it to end its session. It goes on answering re-requests for a moment; [`Self::join`] waits for that.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// True where its thread has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Why it could not go on.
    pub fn join(mut self) -> Result<SimSummary, SimError> {
        let Some(thread) = self.thread.take() else {
            return Err(SimError::Panicked("it was joined before".to_owned()));
        };
        thread.join().unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(SimError::Panicked(text.unwrap_or_else(|| "without a message".to_owned())))
        })
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The machine's wall clock, never going back: an exchange's clock is not the engine's.
#[derive(Debug, Default)]
struct WallClock {
    last: Nanos,
}

impl Clock for WallClock {
    fn now(&mut self) -> Nanos {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        self.last = self.last.max(now);
        self.last
    }
}

pub(super) fn pin(core: Option<usize>) {
    if let Some(id) = core
        && !core_affinity::set_for_current(CoreId { id })
    {
        tracing::warn!(
            core = id,
            "the kernel does not pin the simulated exchange to this core: it runs anywhere"
        );
    }
}

/// The file that the session's messages are written to.
struct Recorder {
    path: PathBuf,
    file: BufWriter<File>,
    frame: Vec<u8>,
}

impl Recorder {
    fn create(path: PathBuf) -> Result<Self, SimError> {
        match create_fresh(&path) {
            Ok(file) => Ok(Self { path, file: BufWriter::with_capacity(1 << 20, file), frame: Vec::new() }),
            Err(source) => Err(SimError::Write { path, source }),
        }
    }

    fn write(&mut self, message: &[u8]) -> Result<(), SimError> {
        self.frame.clear();
        append_file_frame(message, &mut self.frame);
        self.file.write_all(&self.frame).map_err(|source| SimError::Write { path: self.path.clone(), source })
    }

    fn finish(mut self) -> Result<(), SimError> {
        self.file.flush().map_err(|source| SimError::Write { path: self.path, source })
    }
}

struct Server<C> {
    clock: C,
    stop: Arc<AtomicBool>,
    addresses: SimAddresses,
    seconds: u64,
    exchange: Exchange,
    sender: Sender,
    lines: Vec<Line>,
    /// The next message of the tape to be sent.
    next: u64,
    rerequests: ReRequests,
    acceptor: TcpAcceptor,
    copies: Option<TcpAcceptor>,
    accept_from: Nanos,
    clients: Vec<Client>,
    logins: u64,
    recorder: Option<Recorder>,
    snapshots: Snapshots,
    waiter: Waiter,
}

impl<C: Clock> Server<C> {
    fn open(config: &SimConfig, stop: Arc<AtomicBool>, mut clock: C) -> Result<Self, SimError> {
        config.check()?;
        let now = clock.now();
        let source = match &config.itch {
            Some(path) => Source::Replay(Box::new(Replay::open(path, config.speed)?)),
            None => Source::Flow { seed: config.seed, rate: config.rate, symbols: config.parse_symbols()? },
        };
        let session = session_name(now);
        let lines = open_lines(config)?;
        let responder = Responder::new(session, MAX_PACKET);
        let rerequests = ReRequests::open(config, responder)?;
        let acceptor = TcpAcceptor::bind(config.ouch)?;
        let copies = config.drop_copy.map(TcpAcceptor::bind).transpose()?;
        let recorder = config.write_itch.clone().map(Recorder::create).transpose()?;
        let snapshots = Snapshots::start(config.glimpse, session, config.core, WallClock::default())?;
        let addresses = SimAddresses {
            session,
            lines: lines.iter().map(Line::target).collect(),
            rerequest: rerequests.address(),
            ouch: acceptor.local_addr(),
            drop_copy: copies.as_ref().map(TcpAcceptor::local_addr),
            glimpse: snapshots.address(),
        };
        Ok(Self {
            clock,
            stop,
            addresses,
            seconds: config.seconds,
            exchange: Exchange::in_zone(source, now, &config.time_zone),
            sender: Sender::new(session, 1, MAX_PACKET, HEARTBEAT_INTERVAL),
            lines,
            next: 1,
            rerequests,
            acceptor,
            copies,
            accept_from: Nanos::ZERO,
            clients: Vec::new(),
            logins: 0,
            recorder,
            snapshots,
            waiter: Waiter::new(),
        })
    }

    fn run(mut self) -> Result<SimSummary, SimError> {
        let start = self.clock.now();
        let end = match self.seconds {
            0 => Nanos(i64::MAX),
            seconds => start + Nanos::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX / 2_000_000_000)),
        };
        self.exchange.open(start);
        loop {
            let now = self.clock.now();
            self.exchange.advance(now)?;
            self.serve(now)?;
            if now >= end || self.exchange.is_over() || self.stop.load(Ordering::Acquire) {
                break;
            }
            self.wait(now, self.exchange.next_due())?;
        }
        self.close()?;
        if let Some(recorder) = self.recorder.take() {
            recorder.finish()?;
        }
        self.linger()?;
        Ok(self.summary(start))
    }

    /// Everything that can be done now.
    fn serve(&mut self, now: Nanos) -> Result<(), SimError> {
        self.accept(now);
        self.receive(now);
        self.publish(now)?;
        self.answer(now);
        self.rerequests.serve(self.exchange.tape());
        Ok(())
    }

    fn accept(&mut self, now: Nanos) {
        let acceptors =
            [Some((&self.acceptor, Role::Orders)), self.copies.as_ref().map(|at| (at, Role::DropCopy))];
        for (acceptor, role) in acceptors.into_iter().flatten() {
            while now >= self.accept_from {
                match acceptor.accept() {
                    Ok(Some((connection, _))) => {
                        self.clients.push(Client::new(role, connection, self.addresses.session, now));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "a participant could not be accepted");
                        self.accept_from = now + ACCEPT_PAUSE;
                    }
                }
            }
        }
    }

    fn receive(&mut self, now: Nanos) {
        for index in 0..self.clients.len() {
            let Some(client) = self.clients.get_mut(index) else { break };
            if let Outcome::LoggedIn(account) = client.receive(&mut self.exchange, now) {
                self.logins += 1;
                self.take_over(index, account);
                // What came behind the login waits in the client's buffer.
                if let Some(client) = self.clients.get_mut(index) {
                    client.receive(&mut self.exchange, now);
                }
            }
        }
        self.drop_closed();
    }

    /// A participant has one connection: a new login ends the one before, as if it had dropped.
    fn take_over(&mut self, newest: usize, account: AccountId) {
        for (index, client) in self.clients.iter_mut().enumerate() {
            if index != newest && client.account() == Some(account) {
                client.close();
            }
        }
        for client in &mut self.clients {
            client.settle(&mut self.exchange);
        }
    }

    fn drop_closed(&mut self) {
        for client in &mut self.clients {
            client.settle(&mut self.exchange);
        }
        self.clients.retain(|client| !client.is_closed());
    }

    /// Sends what is new on the tape, or a heartbeat.
    fn publish(&mut self, now: Nanos) -> Result<(), SimError> {
        let Self { exchange, sender, lines, next, recorder, snapshots, .. } = self;
        // Before the packets leave, so that who has a packet finds it in the next snapshot.
        snapshots.publish(exchange.tape().from(*next));
        let mut emit = |packet: &[u8]| lines.iter_mut().for_each(|line| line.send(packet));
        let tape = exchange.tape();
        for message in tape.from(*next) {
            let sent = sender.push(message, now, &mut emit);
            // ITCH messages have at most 50 bytes, and publishing stops before the session ends.
            debug_assert!(sent.is_ok(), "{sent:?}");
            if let Some(recorder) = recorder {
                recorder.write(message)?;
            }
        }
        *next = tape.next_sequence();
        sender.poll(now, &mut emit);
        Ok(())
    }

    fn answer(&mut self, now: Nanos) {
        for client in &mut self.clients {
            client.answer(&self.exchange, now);
        }
        self.drop_closed();
    }

    fn wait(&mut self, now: Nanos, due: Option<Nanos>) -> Result<(), SimError> {
        let until_due = due.map_or(LONGEST_WAIT, |due| Nanos((due - now).0.clamp(0, LONGEST_WAIT.0)));
        self.waiter.clear();
        // Who waits to be accepted meanwhile must not wake it again and again.
        if now >= self.accept_from {
            self.waiter.readable(self.acceptor.as_fd());
            if let Some(copies) = &self.copies {
                self.waiter.readable(copies.as_fd());
            }
        }
        self.waiter.readable(self.rerequests.as_fd());
        for client in &self.clients {
            client.watch(&mut self.waiter);
        }
        let timeout = Duration::from_nanos(until_due.0.unsigned_abs());
        match self.waiter.wait(timeout) {
            Ok(_) => Ok(()),
            Err(source) => Err(SimError::System { doing: "wait for its sockets", source }),
        }
    }

    /// Ends the day: the rest of the tape, the end of the session, the participants' last answers.
    fn close(&mut self) -> Result<(), SimError> {
        let now = self.clock.now();
        self.exchange.close(now);
        self.publish(now)?;
        let Self { sender, lines, clients, exchange, .. } = self;
        sender.end(now, &mut |packet| lines.iter_mut().for_each(|line| line.send(packet)));
        lines.iter_mut().for_each(Line::flush);
        clients.iter_mut().for_each(|client| client.end(exchange, now));
        Ok(())
    }

    fn linger(&mut self) -> Result<(), SimError> {
        let start = self.clock.now();
        let mut asked = start;
        let mut repeated = start;
        loop {
            let now = self.clock.now();
            if now - start >= LONGEST_LINGER || now - asked >= QUIET {
                return Ok(());
            }
            let before = self.rerequests.counters().received;
            self.rerequests.serve(self.exchange.tape());
            if self.rerequests.counters().received > before {
                asked = now;
            }
            if now - repeated >= END_INTERVAL {
                repeated = now;
                let lines = &mut self.lines;
                self.sender.end(now, &mut |packet| lines.iter_mut().for_each(|line| line.send(packet)));
                lines.iter_mut().for_each(Line::flush);
            }
            self.clients.iter_mut().for_each(Client::flush);
            self.drop_closed();
            self.wait(now, Some(now + Nanos::from_millis(5)))?;
        }
    }

    fn summary(&mut self, start: Nanos) -> SimSummary {
        let elapsed = self.clock.now() - start;
        SimSummary {
            session: self.addresses.session,
            elapsed,
            messages: self.exchange.tape().len(),
            lines: self.lines.iter().map(Line::counters).collect(),
            rerequests: self.rerequests.counters(),
            logins: self.logins,
            snapshots: self.snapshots.logins(),
            exchange: *self.exchange.counters(),
            book: self.exchange.book(),
        }
    }
}

/// A name that no earlier session of this machine had: the millisecond of its start, in base 36. An exchange that is
/// started again within a second is another session nevertheless.
fn session_name(now: Nanos) -> SessionId {
    let mut rest = now.0.div_euclid(1_000_000).unsigned_abs();
    let mut name = SessionId::new("S000000000").unwrap_or_default();
    for letter in name.0.iter_mut().skip(1).rev() {
        *letter = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".get((rest % 36) as usize).copied().unwrap_or(b'0');
        rest /= 36;
    }
    name
}

#[cfg(test)]
mod tests;
