//! Snapshots in: GLIMPSE 5.0 over SoupBinTCP, fetched on a thread of its own.
//!
//! The hot thread asks, looks whether an answer has come, and gives used snapshots back, so that it neither waits for a
//! connection nor frees memory. What there is to log is logged by the fetching thread.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded, select};
use pricewright_core::kernel::{DecisionRef, Health, HealthReason, InstrumentId, Nanos, RecordRef};
use pricewright_feeds::nasdaq::glimpse::{Snapshot, SnapshotClient, SnapshotClientConfig};
use pricewright_feeds::nasdaq::soupbintcp::Password;
use pricewright_feeds::nasdaq::{Alpha, InstrumentSpec, Symbol};

use crate::config::NasdaqFeed as Settings;
use crate::error::{Error, Result};
use crate::io::tcp::{Received, TcpConnection};
use crate::io::wait::Waiter;
use crate::pipeline::helper::Tailer;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a whole snapshot may take, however steadily it comes.
const FETCH_TIMEOUT: Duration = Duration::from_secs(120);
/// The longest sleep while bytes are awaited: how soon it is noticed that nobody wants them any more.
const LOOK: Duration = Duration::from_millis(20);
/// Instruments that can be named between two looks of the hot thread.
const SUSPECTS: usize = 1024;

/// What the hot thread gives back.
struct Used {
    snapshot: Snapshot,
    /// How long books were lost, where this snapshot restored them.
    took: Option<Nanos>,
}

/// Fetches snapshots when asked to. Dropping it ends its thread.
pub struct SnapshotFetcher {
    asked: Sender<()>,
    /// `None`: the try failed.
    answers: Receiver<Option<Snapshot>>,
    used: Sender<Used>,
    waiting: bool,
}

impl SnapshotFetcher {
    /// Starts the thread for the server that `settings` name; `None` where they name none.
    ///
    /// # Errors
    /// Where settings do not fit the protocol.
    pub fn start(settings: &Settings, instruments: &[InstrumentSpec]) -> Result<Option<Self>> {
        let Some(address) = settings.glimpse else { return Ok(None) };
        let config = client_config(settings, instruments)?;
        let (asked, asks) = bounded(1);
        let (sender, answers) = bounded(1);
        let (used, given_back) = bounded::<Used>(4);
        let work = move || {
            loop {
                select! {
                    recv(given_back) -> used => match used {
                        Ok(used) => say(&used),
                        Err(_) => return,
                    },
                    recv(asks) -> ask => {
                        if ask.is_err() {
                            return;
                        }
                        let wanted = || asks.try_recv() != Err(TryRecvError::Disconnected);
                        let fetched = fetch(address, &config, wanted);
                        if let Err(error) = &fetched {
                            tracing::warn!(%error, server = %address, "no snapshot of the books");
                        }
                        if sender.send(fetched.ok()).is_err() {
                            return;
                        }
                    }
                }
            }
        };
        std::thread::Builder::new()
            .name("glimpse".to_owned())
            .spawn(work)
            .map_err(|error| Error::Failed(format!("no thread to fetch snapshots with: {error}")))?;
        Ok(Some(Self { asked, answers, used, waiting: false }))
    }

    /// Asks for a snapshot. Never waits.
    pub fn ask(&mut self) {
        self.waiting = self.asked.try_send(()).is_ok() || self.waiting;
    }

    /// True while an answer is to come.
    pub fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// The answer, where one has come: a snapshot, or that there is none.
    pub fn take(&mut self) -> Option<Option<Snapshot>> {
        if !self.waiting {
            return None;
        }
        let answer = match self.answers.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => None,
        };
        self.waiting = false;
        Some(answer)
    }

    /// Gives a snapshot back; `took`: how long the books that it restored were lost.
    pub fn give_back(&self, snapshot: Snapshot, took: Option<Nanos>) {
        // Where the thread is that far behind, the memory is freed here.
        let _freed_there = self.used.try_send(Used { snapshot, took });
    }
}

fn say(used: &Used) {
    if let Some(took) = used.took {
        tracing::info!(
            messages = used.snapshot.len(),
            next = used.snapshot.next_sequence(),
            took_ms = took.0 as f64 / 1e6,
            "books restored from a snapshot"
        );
    }
}

/// Fetches one snapshot, as long as `wanted`.
fn fetch(
    address: SocketAddr,
    config: &SnapshotClientConfig,
    mut wanted: impl FnMut() -> bool,
) -> Result<Snapshot> {
    let begin = Instant::now();
    let now = || Nanos(i64::try_from(begin.elapsed().as_nanos()).unwrap_or(i64::MAX));
    let failed = |error: &dyn std::fmt::Display| Error::Failed(error.to_string());
    let mut connection = TcpConnection::connect(address, CONNECT_TIMEOUT)?;
    let mut client = SnapshotClient::connect(config.clone(), now()).map_err(|error| failed(&error))?;
    let mut waiter = Waiter::new();
    let mut whole = false;
    while !whole {
        if begin.elapsed() >= FETCH_TIMEOUT || !wanted() {
            return Err(failed(&"given up before the snapshot was complete"));
        }
        client.on_poll(now()).map_err(|error| failed(&error))?;
        let pending = client.output().len();
        connection.send(client.output()).map_err(|error| failed(&error))?;
        client.consume(pending);
        match connection.recv(client.spare()).map_err(|error| failed(&error))? {
            Received::Bytes(count) => {
                whole = client.on_received(count, now()).map_err(|error| failed(&error))?;
            }
            Received::End => return Err(failed(&client.ended())),
            Received::Nothing => {
                waiter.clear();
                waiter.readable(connection.as_fd());
                waiter.wait(LOOK).map_err(|error| failed(&error))?;
            }
        }
    }
    // The good-bye is a courtesy: whether it arrives changes nothing.
    let _gone = connection.send(client.output());
    client.into_snapshot().ok_or_else(|| failed(&"the snapshot is not complete"))
}

/// Who asks, and for what.
///
/// # Errors
/// Where settings do not fit the protocol, or the environment has no password.
pub fn client_config(settings: &Settings, instruments: &[InstrumentSpec]) -> Result<SnapshotClientConfig> {
    let unfit = |key: &str, most: usize| {
        Error::Usage(format!("[feed.nasdaq] {key}: give 1 to {most} letters and digits"))
    };
    let password = match settings.glimpse_password_env.as_str() {
        "" => String::new(),
        name => std::env::var(name).map_err(|_| {
            Error::Usage(format!(
                "[feed.nasdaq] glimpse_password_env: the environment has no {name}; set it, or remove the key"
            ))
        })?,
    };
    let username = Alpha::new(&settings.glimpse_user).filter(|name| !name.is_blank());
    let symbols: Option<Vec<Symbol>> = instruments.iter().map(|spec| Symbol::new(&spec.symbol)).collect();
    Ok(SnapshotClientConfig {
        username: username.ok_or_else(|| unfit("glimpse_user", 6))?,
        password: Alpha::new(&password)
            .map(Password)
            .ok_or_else(|| unfit("glimpse_password_env: the password", 10))?,
        symbols: symbols.ok_or_else(|| Error::Usage("a symbol has more than 8 letters".to_owned()))?,
        max_bytes: settings.glimpse_snapshot_mib as usize * (1 << 20),
    })
}

/// Watches the journal for books that the machine itself found wrong: the feed cannot know of them otherwise.
pub struct BookWatch {
    first_seq: u64,
    suspects: Sender<InstrumentId>,
}

impl BookWatch {
    /// Watches from record `first_seq` on; what it finds comes out of the receiver.
    pub fn new(first_seq: u64) -> (Self, Receiver<InstrumentId>) {
        let (suspects, found) = bounded(SUSPECTS);
        (Self { first_seq, suspects }, found)
    }
}

impl Tailer for BookWatch {
    fn begins_at(&self) -> Option<u64> {
        Some(self.first_seq)
    }

    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        if record.header().seq < self.first_seq {
            return Ok(());
        }
        if let Some(DecisionRef::BookTransition(change)) = DecisionRef::of(&record)
            && change.to == Health::STALE
            && matches!(change.reason, HealthReason::BAD_DATA | HealthReason::OVERRUN)
        {
            // Where the hot thread does not look, it has other troubles; the book stays stale.
            let _told = self.suspects.try_send(change.instrument);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
