//! The venue's drop copy, read on a thread of its own: what it says goes through a ring to the gateway's poll, and from there
//! into the journal. Connecting, waiting and a full ring delay nobody else.

use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pricewright_core::kernel::{Column, DisplayUnits, Nanos, RecordBuf, RecordSink as _};
use pricewright_feeds::nasdaq::drop_copy::{DropCopy, DropCopyConfig};
use pricewright_feeds::nasdaq::{SessionDay, SessionId};

use super::instruments::instruments;
use super::ouch::{LOGIN_PATIENCE, credentials};
use crate::clock::Clock;
use crate::config::OuchGateway as Settings;
use crate::error::{Error, Result};
use crate::io::tcp::{Received, TcpConnection};
use crate::io::wait::{Waiter, nap};
use crate::pipeline::resume::Resume;
use crate::pipeline::topology::DROP_COPY_SOURCE;
use crate::ring::{Consumer, Producer, ring};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait between two attempts to connect.
const RETRY: Duration = Duration::from_secs(1);
/// The longest wait for bytes: how soon heartbeats are due and an end is noticed.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of each of the session's buffers; any packet fits.
const BUFFER_LEN: usize = 256 << 10;
/// Cells between the thread and the gateway.
const RING_CELLS: usize = 8192;
/// Records taken in one poll.
const BUDGET: usize = 64;
/// The reason of a refused login that user and password are not right (SoupBinTCP 3.00, Login Rejected).
const NOT_AUTHORIZED: u8 = b'A';

/// The gateway's end. The thread ends soon after it is dropped.
#[derive(Debug)]
pub struct DropCopyLink {
    records: Consumer,
    stop: Arc<AtomicBool>,
}

impl DropCopyLink {
    /// Starts the thread, where a drop copy is configured. That the venue cannot be reached is no error: it is tried again.
    ///
    /// # Errors
    /// Where settings do not fit the protocol, or there is no thread.
    pub fn start<C: Clock + Send + 'static>(
        settings: &Settings,
        units: &DisplayUnits,
        resume: &Resume,
        day: SessionDay,
        clock: C,
    ) -> Result<Option<Self>> {
        let Some(address) = settings.drop_copy else { return Ok(None) };
        let copy = DropCopy::new(config(settings, units, resume, day)?)
            .map_err(|error| Error::Usage(format!("instruments: {error}")))?;
        let (producer, records) = ring(RING_CELLS);
        let stop = Arc::new(AtomicBool::new(false));
        let mut follower =
            Follower { copy, address, clock, ring: producer, stop: Arc::clone(&stop), mute: false };
        std::thread::Builder::new()
            .name("drop-copy".to_owned())
            .spawn(move || follower.run())
            .map_err(|error| Error::Failed(format!("no thread for the drop copy: {error}")))?;
        Ok(Some(Self { records, stop }))
    }

    /// Moves what has come to the gateway's answers. Returns how many records that were.
    #[inline]
    pub fn take(&mut self, answers: &mut RecordBuf) -> usize {
        let mut taken = 0;
        while taken < BUDGET
            && let Some(record) = self.records.peek()
        {
            // A buffer of this kind takes everything.
            let _taken = answers.push(record);
            self.records.advance();
            taken += 1;
        }
        taken
    }
}

impl Drop for DropCopyLink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn config(
    settings: &Settings,
    units: &DisplayUnits,
    resume: &Resume,
    day: SessionDay,
) -> Result<DropCopyConfig> {
    let (username, password) = credentials(settings)?;
    let sessions: Vec<SessionId> = resume
        .strings(DROP_COPY_SOURCE, Column::SESSION)
        .iter()
        .map(|text| SessionId::new(text))
        .collect::<Option<_>>()
        .ok_or_else(|| Error::Usage("the journal's drop copy session is no SoupBinTCP session".to_owned()))?;
    let position = resume.position(DROP_COPY_SOURCE);
    let followed = position.and_then(|position| {
        let session = *sessions.get(usize::try_from(position.session).ok()?)?;
        Some((session, position.restart().0))
    });
    Ok(DropCopyConfig {
        source: DROP_COPY_SOURCE,
        username,
        password,
        instruments: instruments(units)?,
        day,
        sessions,
        followed,
        buffer: BUFFER_LEN,
    })
}

/// The thread.
struct Follower<C> {
    copy: DropCopy,
    address: SocketAddr,
    clock: C,
    ring: Producer,
    stop: Arc<AtomicBool>,
    /// That the venue does not answer the login was said.
    mute: bool,
}

impl<C: Clock> Follower<C> {
    fn run(&mut self) {
        let mut said = false;
        while !self.is_over() {
            match TcpConnection::connect(self.address, CONNECT_TIMEOUT) {
                Ok(connection) => {
                    let why = self.follow(connection);
                    self.copy.on_disconnected(&mut self.ring);
                    if self.is_over() {
                        return;
                    }
                    tracing::warn!(venue = %self.address, why, "the drop copy is down");
                    said = false;
                    if self.copy.refusal() == Some(NOT_AUTHORIZED) {
                        tracing::error!(
                            venue = %self.address,
                            "the drop copy refused user and password; check [gateway.ouch] user, password_env"
                        );
                        return;
                    }
                }
                Err(error) if !said => {
                    tracing::warn!(%error, "the drop copy cannot be reached; it is tried again every second");
                    said = true;
                }
                Err(_) => {}
            }
            let mut left = RETRY;
            while !left.is_zero() && !self.is_over() {
                nap(LOOK);
                left = left.saturating_sub(LOOK);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Says once that the venue does not answer the login, until it has answered one.
    fn watch_login(&mut self, now: Nanos) {
        match self.copy.login_sent() {
            Some(sent) if !self.mute && now - sent >= LOGIN_PATIENCE => {
                self.mute = true;
                tracing::warn!(
                    venue = %self.address,
                    "the drop copy took the connection and does not answer the login: fills are not checked against it, \
                     and it releases no latch; after 15 s without a word it is connected anew"
                );
            }
            Some(_) => {}
            None => self.mute = false,
        }
    }

    /// Follows a connection to its end; why it ended.
    fn follow(&mut self, mut connection: TcpConnection) -> String {
        let mut waiter = Waiter::new();
        let now = self.clock.now();
        if let Err(error) = self.copy.on_connected(now) {
            return error.to_string();
        }
        loop {
            if self.is_over() {
                return "the run ends".to_owned();
            }
            let taken = self.copy.output().len().min(connection.room());
            let sent = connection.send(self.copy.output().get(..taken).unwrap_or(&[]));
            if let Err(error) = sent.and_then(|()| connection.flush()) {
                return error.to_string();
            }
            self.copy.consume(taken);
            let (count, full) = {
                let spare = self.copy.spare();
                let full = spare.is_empty();
                match connection.recv(spare) {
                    Ok(Received::Bytes(count)) => (count, full),
                    Ok(Received::Nothing) => (0, full),
                    Ok(Received::End) => return "the venue closed the connection".to_owned(),
                    Err(error) => return error.to_string(),
                }
            };
            let now = self.clock.now();
            let taken = self.copy.on_received(count, now, &mut self.ring);
            if let Err(error) = taken.and_then(|()| self.copy.on_poll(now)) {
                return error.to_string();
            }
            self.watch_login(now);
            if full {
                // The gateway takes nothing at present.
                nap(LOOK);
            } else if count == 0 {
                waiter.clear();
                waiter.readable(connection.as_fd());
                if let Err(error) = waiter.wait(LOOK) {
                    return error.to_string();
                }
            }
        }
    }
}
