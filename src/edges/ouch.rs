//! Orders out and answers in: OUCH 5.0 over SoupBinTCP.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use pricewright_core::kernel::{
    Column, DecisionRef, DisplayUnits, Nanos, RecordBuf, RecordSink as _, SessionPhase,
};
use pricewright_feeds::nasdaq::order_entry::{ConnectionError, LiveOrder, OrderEntry, OrderEntryConfig};
use pricewright_feeds::nasdaq::soupbintcp::Password;
use pricewright_feeds::nasdaq::{Alpha, SessionDay, SessionId};

use super::drop_copy::DropCopyLink;
use super::instruments::instruments;
use super::recorder::Tap;
use super::warm_path::WarmPath;
use crate::config::OuchGateway as Settings;
use crate::error::{Error, Result};
use crate::io::IoError;
use crate::io::tcp::{Received, TcpConnection};
use crate::io::wait::nap;
use crate::pipeline::edge::Gateway;
use crate::pipeline::guard::Watchdog;
use crate::pipeline::resume::Resume;
use crate::pipeline::sequencer::DecisionSink;
use crate::pipeline::topology::GATEWAY_SOURCE;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait between two attempts to connect.
const RETRY: Duration = Duration::from_secs(1);
/// How long a login may wait for its answer before that is said; after 15 s without a word the connection is given up.
pub(super) const LOGIN_PATIENCE: Nanos = Nanos::from_secs(3);
/// How long the end of a session waits for a slow transport.
const LINGER: Duration = Duration::from_millis(200);
/// Orders that may be live at once.
const LIVE_CAPACITY: usize = 4096;
/// Bytes of each of the session's buffers.
const BUFFER_LEN: usize = 256 << 10;
/// Cells reserved for send reports between two polls.
const REPORT_CELLS: usize = 8192;
/// The reason of a refused login that the session is not, or no longer, to be had (SoupBinTCP 3.00, Login Rejected).
pub(crate) const SESSION_NOT_AVAILABLE: u8 = b'S';
/// The reason of a refused login that user and password are not right (SoupBinTCP 3.00, Login Rejected).
const NOT_AUTHORIZED: u8 = b'A';
/// Receives in one poll.
const RECEIVES: usize = 4;

/// The order session with its connection.
pub struct OuchGateway {
    entry: OrderEntry,
    connection: Option<TcpConnection>,
    connector: Connector,
    address: SocketAddr,
    reports: RecordBuf,
    handle: SessionHandle,
    recorder: Option<Tap>,
    drop_copy: Option<DropCopyLink>,
    warm: Option<WarmPath>,
    closing: bool,
    /// That the venue does not answer the login was said.
    mute: bool,
}

/// A handle of the present connection, for the watchdog.
#[derive(Clone, Debug, Default)]
pub struct SessionHandle {
    connection: Arc<Mutex<Option<TcpConnection>>>,
}

impl Watchdog for SessionHandle {
    fn drop_session(&mut self) {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = connection.as_ref()
            && let Err(error) = connection.shutdown()
        {
            tracing::error!(%error, "the venue session could not be dropped");
        }
    }
}

impl OuchGateway {
    /// Connects and logs in, going on where `resume` says. A venue that cannot be reached is tried again until it can.
    ///
    /// # Errors
    /// Where settings do not fit the protocol.
    pub fn open(
        settings: &Settings,
        units: &DisplayUnits,
        resume: &Resume,
        day: SessionDay,
        now: Nanos,
        recorder: Option<Tap>,
    ) -> Result<Self> {
        let entry = order_entry(settings, units, resume, day)?;
        let mut gateway = Self {
            entry,
            connection: None,
            connector: Connector::start(settings.address)?,
            address: settings.address,
            reports: RecordBuf::with_capacity(REPORT_CELLS),
            handle: SessionHandle::default(),
            recorder,
            drop_copy: None,
            warm: WarmPath::open(settings.warm_us)?,
            closing: false,
            mute: false,
        };
        match TcpConnection::connect(settings.address, CONNECT_TIMEOUT) {
            Ok(connection) => gateway.connected(connection, now)?,
            Err(error) => gateway.not_reached(&error),
        }
        Ok(gateway)
    }

    /// With the drop copy's records beside its own.
    #[must_use]
    pub fn with_drop_copy(self, drop_copy: Option<DropCopyLink>) -> Self {
        Self { drop_copy, ..self }
    }

    /// The run begins without its venue: no order leaves before a session stands.
    fn not_reached(&mut self, error: &IoError) {
        self.entry.on_disconnected(&mut self.reports);
        self.connector.ask();
        tracing::warn!(
            venue = %self.address, %error,
            "the venue is not reached: no order leaves; trying again every second (Ctrl-C ends the run)"
        );
    }

    /// For the watchdog.
    pub fn handle(&self) -> SessionHandle {
        self.handle.clone()
    }

    fn connected(&mut self, connection: TcpConnection, now: Nanos) -> Result<()> {
        if let Some(recorder) = &mut self.recorder {
            recorder.connected(now);
        }
        *self.handle.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection.try_clone().ok();
        self.connection = Some(connection);
        if let Err(error) = self.entry.on_connected(now) {
            tracing::error!(%error, "login");
        }
        self.send();
        Ok(())
    }

    fn hang_up(&mut self, answers: &mut RecordBuf, why: &dyn std::fmt::Display) {
        self.connection = None;
        *self.handle.connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.entry.on_disconnected(answers);
        // That session is over, and the next login asks for the present one.
        if self.entry.refusal() != Some(SESSION_NOT_AVAILABLE) {
            tracing::warn!(venue = %self.address, %why, "the venue session is down");
        }
    }

    /// The connection is of no more use. Logs in again later, where that can help.
    ///
    /// # Errors
    /// Where it cannot: another login with the same user and password is refused again, and may lock the account.
    fn disconnected(&mut self, answers: &mut RecordBuf, why: &dyn std::fmt::Display) -> Result<()> {
        self.hang_up(answers, why);
        match self.entry.refusal() {
            // The venue's session is another one now: the next login asks for the current one, from its beginning. The
            // account query behind it says which of our orders that session knows.
            Some(SESSION_NOT_AVAILABLE) => self.entry.resume_at(SessionId::BLANK, 1),
            Some(NOT_AUTHORIZED) if !self.closing => {
                return Err(Error::Failed(format!(
                    "{}: the venue refused user and password; check [gateway.ouch] user, password_env",
                    self.address
                )));
            }
            _ => {}
        }
        if !self.closing {
            self.connector.ask();
        }
        Ok(())
    }

    /// What to do about a session that cannot go on: log in again, to another one from its beginning.
    fn broken(&mut self, answers: &mut RecordBuf, error: &ConnectionError) -> Result<()> {
        self.disconnected(answers, error)?;
        if *error == ConnectionError::Another {
            self.entry.resume_at(SessionId::BLANK, 1);
        }
        Ok(())
    }

    /// Says once that the venue does not answer the login, until it has answered one.
    fn watch_login(&mut self, now: Nanos) {
        match self.entry.login_sent() {
            Some(sent) if !self.mute && self.connection.is_some() && now - sent >= LOGIN_PATIENCE => {
                self.mute = true;
                tracing::warn!(
                    venue = %self.address,
                    "the venue took the connection and does not answer the login: no order leaves; after 15 s without a \
                     word it is connected anew"
                );
            }
            _ => {}
        }
        self.mute &= self.entry.phase() != SessionPhase::READY;
    }

    /// Gives the transport what it takes, what it kept back before first. Returns whether new bytes were given.
    /// A broken connection shows itself at the next receive, where it is handled.
    fn send(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        let output = self.entry.output();
        let taken = output.len().min(connection.room());
        if taken == 0 {
            let _broken = connection.flush();
            return false;
        }
        let given = connection.send(output.get(..taken).unwrap_or(&[])).is_ok();
        if given {
            self.entry.consume(taken);
        }
        given
    }

    /// Sends what is left, and waits for a transport that is slow, for a moment.
    fn send_last(&mut self) {
        let begin = Instant::now();
        self.send();
        while begin.elapsed() < LINGER
            && self.connection.as_ref().is_some_and(|connection| connection.pending() > 0)
        {
            nap(Duration::from_millis(1));
            self.send();
        }
    }

    fn receive(&mut self, now: Nanos, answers: &mut RecordBuf) -> Result<usize> {
        let mut work = 0;
        for _ in 0..RECEIVES {
            let Some(connection) = &mut self.connection else { break };
            let spare = self.entry.spare();
            let count = match connection.recv(spare) {
                Ok(Received::Bytes(count)) => count,
                Ok(Received::Nothing) => break,
                Ok(Received::End) => {
                    self.disconnected(answers, &"the venue closed the connection")?;
                    break;
                }
                Err(error) => {
                    self.disconnected(answers, &error)?;
                    break;
                }
            };
            if let Some(recorder) = &mut self.recorder {
                recorder.stream(now, spare.get(..count).unwrap_or(&[]));
            }
            work += count;
            if let Err(error) = self.entry.on_received(count, now, answers) {
                self.broken(answers, &error)?;
            }
        }
        Ok(work)
    }
}

/// The session that `settings` ask for, without its connection.
///
/// # Errors
/// Where settings do not fit the protocol.
pub fn order_entry(
    settings: &Settings,
    units: &DisplayUnits,
    resume: &Resume,
    day: SessionDay,
) -> Result<OrderEntry> {
    let mut entry = OrderEntry::new(config(settings, units, resume, day)?)
        .map_err(|error| Error::Usage(format!("instruments: {error}")))?;
    if resume.is_latched() {
        entry.latch();
    }
    Ok(entry)
}

fn config(
    settings: &Settings,
    units: &DisplayUnits,
    resume: &Resume,
    day: SessionDay,
) -> Result<OrderEntryConfig> {
    let (username, password) = credentials(settings)?;
    let sessions: Vec<SessionId> = resume
        .strings(GATEWAY_SOURCE, Column::SESSION)
        .iter()
        .map(|text| SessionId::new(text))
        .collect::<Option<_>>()
        .ok_or_else(|| Error::Usage("the journal's venue session is no SoupBinTCP session".to_owned()))?;
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let position = resume.position(GATEWAY_SOURCE);
    let session =
        position.and_then(|position| sessions.get(usize::try_from(position.session).ok()?).copied());
    Ok(OrderEntryConfig {
        source: GATEWAY_SOURCE,
        username,
        password,
        session: session.unwrap_or_default(),
        next_sequence: session.and(position).map_or(1, |position| position.restart().0),
        sessions,
        instruments: instruments(units)?,
        day,
        live_capacity: LIVE_CAPACITY,
        live: live_orders(resume),
        // One more than the journal shows: of the last login before a crash it may know nothing.
        unanswered: resume.unanswered_queries().saturating_add(1),
        acknowledged: number(resume.numbers().acknowledged),
        numbered_from: number(resume.numbers().numbered_from),
        buffer: BUFFER_LEN,
    })
}

/// User and password of the login.
///
/// # Errors
/// [`Error::Usage`] where they do not fit the protocol, or the environment does not have the password.
pub(super) fn credentials(settings: &Settings) -> Result<(Alpha<6>, Password)> {
    let password = if settings.password_env.is_empty() {
        String::new()
    } else {
        std::env::var(&settings.password_env).map_err(|_| {
            Error::Usage(format!(
                "[gateway.ouch] password_env: the environment has no {}; set it, or remove the key",
                settings.password_env
            ))
        })?
    };
    let unfit = |key: &str, most: usize| {
        Error::Usage(format!("[gateway.ouch] {key}: give at most {most} letters and digits"))
    };
    let username = Alpha::new(&settings.user).ok_or_else(|| unfit("user", 6))?;
    Ok((username, Alpha::new(&password).map(Password).ok_or_else(|| unfit("password", 10))?))
}

fn live_orders(resume: &Resume) -> Vec<LiveOrder> {
    resume
        .open_orders()
        .filter_map(|(client, order)| {
            let client = u32::try_from(client).ok()?;
            Some(LiveOrder {
                client,
                instrument: order.instrument,
                side: order.side,
                open: order.open,
                prior: u32::try_from(order.prior).unwrap_or(0),
            })
        })
        .collect()
}

/// Connects on a thread of its own: connecting may wait, and the hot thread must not. The thread is made while the run
/// is set up, so that it does not inherit the hot thread's core.
struct Connector {
    /// Ends the thread where it is dropped.
    asked: Sender<()>,
    connected: Receiver<TcpConnection>,
}

impl Connector {
    fn start(address: SocketAddr) -> Result<Self> {
        let (asked, asks) = bounded(1);
        let (sender, connected) = bounded(1);
        let work = move || {
            while asks.recv().is_ok() {
                let Some(connection) = connect(address, &asks) else { return };
                if sender.send(connection).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("connect".to_owned())
            .spawn(work)
            .map_err(|error| Error::Failed(format!("no thread to reconnect with: {error}")))?;
        Ok(Self { asked, connected })
    }

    /// Asks for a connection. Where one is being made already, that one will do.
    fn ask(&self) {
        let _one_is_asked_for = self.asked.try_send(());
    }
}

/// Tries until somebody answers, or nobody wants the connection any more.
fn connect(address: SocketAddr, asks: &Receiver<()>) -> Option<TcpConnection> {
    let mut failures = 0_u32;
    loop {
        if asks.recv_timeout(RETRY) == Err(RecvTimeoutError::Disconnected) {
            return None;
        }
        match TcpConnection::connect(address, CONNECT_TIMEOUT) {
            Ok(connection) => return Some(connection),
            Err(error) => {
                failures += 1;
                // The first, then more and more rarely: a venue may be away for hours.
                if failures.is_power_of_two() {
                    tracing::warn!(venue = %address, failures, %error, "the venue is not reached: trying again every second");
                }
            }
        }
    }
}

impl DecisionSink for OuchGateway {
    #[inline]
    fn decide(&mut self, seq: u64, now: Nanos, decision: DecisionRef<'_>) {
        // That an order did not leave is an event of its own; the buffer of reports grows rather than refuse one.
        let _reported = self.entry.on_decision(now, seq, decision, &mut self.reports);
    }
}

impl Gateway for OuchGateway {
    #[inline]
    fn flush(&mut self, now: Nanos) -> Result<bool> {
        let sent = !self.entry.output().is_empty() && self.send();
        if sent && let Some(warm) = &mut self.warm {
            warm.used(now);
        }
        Ok(sent)
    }

    fn poll(&mut self, now: Nanos, answers: &mut RecordBuf) -> Result<usize> {
        for report in self.reports.iter() {
            // A buffer of this kind takes everything.
            let _taken = answers.push(report);
        }
        self.reports.clear();
        let copied = self.drop_copy.as_mut().map_or(0, |drop_copy| drop_copy.take(answers));
        if self.connection.is_none()
            && let Ok(connection) = self.connector.connected.try_recv()
        {
            self.connected(connection, now)?;
        }
        let work = self.receive(now, answers)?;
        self.watch_login(now);
        if let Err(error) = self.entry.on_poll(now, answers) {
            self.broken(answers, &error)?;
        }
        self.send();
        Ok(work + copied)
    }

    fn idle(&mut self, now: Nanos) {
        if let Some(warm) = &mut self.warm {
            warm.idle(now);
        }
    }

    fn open_orders(&self) -> usize {
        if self.connection.is_some() { self.unconfirmed() } else { 0 }
    }

    fn unconfirmed(&self) -> usize {
        // Where the venue ended its session, nothing of it rests.
        if self.entry.phase() == SessionPhase::ENDED { 0 } else { self.entry.live_orders().len() }
    }

    fn cancel_all(&mut self, now: Nanos) {
        self.entry.latch();
        let cancelled = self.entry.cancel_all(now);
        self.send();
        tracing::warn!(orders = cancelled, "cancelled from the gateway's own table");
    }

    fn pull(&mut self, now: Nanos) {
        self.entry.cancel_all(now);
        self.send();
    }

    fn close(&mut self, now: Nanos) {
        self.closing = true;
        self.drop_copy = None;
        let live = self.unconfirmed();
        if self.connection.is_none() && live > 0 {
            tracing::error!(venue = %self.address, orders = live, "orders may be open: there is no session to cancel them in");
        }
        if self.connection.is_some() {
            if !self.entry.live_orders().is_empty() {
                self.cancel_all(now);
            }
            if let Err(error) = self.entry.logout() {
                tracing::debug!(%error, "logout");
            }
            self.send_last();
        }
    }
}

#[cfg(test)]
mod tests;
