//! The snapshot server: GLIMPSE 5.0 over SoupBinTCP, on a thread of its own.
//!
//! The exchange gives it a copy of everything that it publishes, in order, and never waits for it: the books that are
//! told here are rebuilt from those messages, apart from the exchange's own. A client gets the state of the moment of its
//! login, as fast as it reads. There are never more than `MAX_CLIENTS`; one more is closed at once. A server that falls
//! too far behind what is published ends rather than tell old books.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TryRecvError, unbounded};
use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::SessionId;
use pricewright_feeds::nasdaq::glimpse::{BookImage, ServerOutcome, SnapshotServer};

use super::config::GLIMPSE;
use super::error::SimError;
use crate::clock::Clock;
use crate::io::tcp::{Received, TcpAcceptor, TcpConnection};
use crate::io::wait::Waiter;

/// The most clients at once.
pub(super) const MAX_CLIENTS: usize = 16;
/// The most bytes that may be published and not yet be in the books here.
const MAX_BACKLOG: usize = 64 << 20;
/// The longest sleep: how soon what was published is taken, and an end noticed.
const LONGEST_WAIT: Duration = Duration::from_millis(20);
/// How long a client may take to read what it was sent last.
const LAST_READ: Nanos = Nanos::from_secs(15);
/// How long no client is accepted after one could not be.
const ACCEPT_PAUSE: Nanos = Nanos::from_secs(1);

/// Messages one after another, each behind its length in two bytes.
type Chunk = Vec<u8>;

/// What both threads see.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes given and not yet taken.
    backlog: AtomicUsize,
    /// Snapshots begun.
    logins: AtomicU64,
}

/// The exchange's side. Dropping it ends the server.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// `None` where the server fell behind and was ended.
    chunks: Option<Sender<Chunk>>,
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Snapshots {
    /// Listens on `address` and starts the thread; `core` is the one that it is pinned to. Without an address it is
    /// [`GLIMPSE`], or a free port where that is taken: an exchange that nobody asked for snapshots must not fail by them.
    pub(super) fn start<C: Clock + 'static>(
        address: Option<SocketAddr>,
        session: SessionId,
        core: Option<usize>,
        clock: C,
    ) -> Result<Self, SimError> {
        let acceptor = match address {
            Some(address) => TcpAcceptor::bind(address)?,
            None => TcpAcceptor::bind(GLIMPSE)
                .or_else(|_taken| TcpAcceptor::bind(SocketAddr::new(GLIMPSE.ip(), 0)))?,
        };
        let address = acceptor.local_addr();
        let (sender, chunks) = unbounded();
        let shared = Arc::new(Shared::default());
        let server = Server {
            clock,
            session,
            acceptor,
            accept_from: Nanos::ZERO,
            chunks,
            shared: Arc::clone(&shared),
            image: BookImage::default(),
            clients: Vec::new(),
            waiter: Waiter::new(),
        };
        let body = move || {
            super::server::pin(core);
            server.run();
        };
        let spawned = std::thread::Builder::new().name("sim-glimpse".to_owned()).spawn(body);
        let thread = spawned.map_err(|source| SimError::System { doing: "start its thread", source })?;
        Ok(Self { chunks: Some(sender), shared, address, thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Snapshots begun so far.
    pub(super) fn logins(&self) -> u64 {
        // Relaxed: a number for people.
        self.shared.logins.load(Ordering::Relaxed)
    }

    /// Gives the server what is published now. Never waits.
    pub(super) fn publish<'a>(&mut self, messages: impl Iterator<Item = &'a [u8]>) {
        let Some(chunks) = &self.chunks else { return };
        let mut chunk = Chunk::new();
        for message in messages {
            // ITCH messages have at most 50 bytes.
            let Ok(len) = u16::try_from(message.len()) else { continue };
            chunk.extend_from_slice(&len.to_be_bytes());
            chunk.extend_from_slice(message);
        }
        if chunk.is_empty() {
            return;
        }
        // Relaxed: a bound on memory; the channel orders the rest.
        let backlog = self.shared.backlog.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len();
        if backlog > MAX_BACKLOG || chunks.send(chunk).is_err() {
            tracing::warn!(backlog, "the snapshot server (GLIMPSE) fell behind the exchange and ends");
            self.chunks = None;
        }
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        self.chunks = None;
        if let Some(thread) = self.thread.take() {
            // It ends within one wait; a panic there was reported by the runtime.
            let _ended = thread.join();
        }
    }
}

struct Client {
    connection: TcpConnection,
    server: SnapshotServer,
    /// Since when nothing follows what it was sent.
    over: Option<Nanos>,
    closed: bool,
}

struct Server<C> {
    clock: C,
    session: SessionId,
    acceptor: TcpAcceptor,
    accept_from: Nanos,
    chunks: Receiver<Chunk>,
    shared: Arc<Shared>,
    image: BookImage,
    clients: Vec<Client>,
    waiter: Waiter,
}

impl<C: Clock> Server<C> {
    fn run(mut self) {
        while self.take_published() {
            let now = self.clock.now();
            self.accept(now);
            for client in &mut self.clients {
                client.serve(&self.image, &self.shared, now);
            }
            self.clients.retain(|client| !client.closed);
            self.wait(now);
        }
    }

    /// Carries out what was published. False where the exchange is gone.
    fn take_published(&mut self) -> bool {
        loop {
            let chunk = match self.chunks.try_recv() {
                Ok(chunk) => chunk,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            };
            let mut rest = chunk.as_slice();
            while let Some((len, behind)) = rest.split_first_chunk::<2>() {
                let (message, behind) = behind.split_at(usize::from(u16::from_be_bytes(*len)));
                // A replayed file may contradict itself; whoever reads the feed passes over the same.
                let _contradiction = self.image.apply(message);
                rest = behind;
            }
            self.shared.backlog.fetch_sub(chunk.len(), Ordering::Relaxed);
        }
    }

    fn accept(&mut self, now: Nanos) {
        while now >= self.accept_from {
            match self.acceptor.accept() {
                Ok(Some(_)) if self.clients.len() >= MAX_CLIENTS => {}
                Ok(Some((connection, _))) => self.clients.push(Client {
                    connection,
                    server: SnapshotServer::new(self.session, None, now),
                    over: None,
                    closed: false,
                }),
                Ok(None) => return,
                Err(_) => self.accept_from = now + ACCEPT_PAUSE,
            }
        }
    }

    fn wait(&mut self, now: Nanos) {
        self.waiter.clear();
        if now >= self.accept_from {
            self.waiter.readable(self.acceptor.as_fd());
        }
        for client in &self.clients {
            self.waiter.readable(client.connection.as_fd());
            if client.connection.pending() > 0 || !client.server.output().is_empty() {
                self.waiter.writable(client.connection.as_fd());
            }
        }
        if self.waiter.wait(LONGEST_WAIT).is_err() {
            crate::io::wait::nap(LONGEST_WAIT);
        }
    }
}

impl Client {
    /// Receives, answers, and sends what the socket takes.
    fn serve(&mut self, image: &BookImage, shared: &Shared, now: Nanos) {
        self.closed |= self.receive(image, shared, now).is_none() || self.send(now).is_none();
    }

    /// `None` where the client is of no more use.
    fn receive(&mut self, image: &BookImage, shared: &Shared, now: Nanos) -> Option<()> {
        while !self.server.is_over() {
            match self.connection.recv(self.server.spare()).ok()? {
                Received::Nothing => break,
                Received::End => return None,
                Received::Bytes(count) => match self.server.on_received(count, image, now).ok()? {
                    ServerOutcome::LoggedIn => drop(shared.logins.fetch_add(1, Ordering::Relaxed)),
                    ServerOutcome::Open | ServerOutcome::Over => {}
                },
            }
        }
        Some(())
    }

    fn send(&mut self, now: Nanos) -> Option<()> {
        loop {
            self.server.on_poll(now).ok()?;
            let output = self.server.output();
            let taken = output.len().min(self.connection.room());
            if taken == 0 {
                break;
            }
            self.connection.send(output.get(..taken)?).ok()?;
            self.server.consume(taken);
        }
        let left = self.connection.flush().ok()? + self.server.output().len();
        let over = self.server.is_over();
        if over && left == 0 {
            return None;
        }
        if over && now - *self.over.get_or_insert(now) >= LAST_READ {
            return None;
        }
        Some(())
    }
}
