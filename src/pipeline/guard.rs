//! What must not wait for anything: operators' commands on their way to the hot thread, and the watchdog over it. On a thread
//! of its own that touches no disk and no terminal, so that a kill gets through while the helper hangs in a write, or while
//! nobody reads what is said.

use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};

use super::idle::Idle;
use super::launch::ask;
use super::operator::{Asked, OperatorSocket};
use super::run_control::RunControl;
use super::stage::Stage;

/// The stage's name, and its thread's.
pub(super) const NAME: &str = "guard";
/// How it waits: a command is read within this time.
pub(super) const IDLE: Idle = Idle::Park(Duration::from_millis(5));
/// How long the hot thread may be silent before its venue session is dropped.
const STALL: Duration = Duration::from_secs(5);
/// How long it may be silent where an operator has asked for the kill latch.
const KILL_STALL: Duration = Duration::from_millis(200);
/// How long the end of a run may take, the venue's confirmations included, before its session is dropped.
const END_STALL: Duration = Duration::from_secs(10);

/// Drops the venue session where the hot thread has stalled; what is open there is then cancelled by the venue.
pub trait Watchdog: Send {
    /// Drops the session.
    fn drop_session(&mut self);
}

/// Passes operators' commands on, and watches the hot thread's pulse.
pub(super) struct GuardStage {
    operators: Option<OperatorSocket>,
    /// Sockets in the place of ones whose file was removed.
    renewed: Receiver<OperatorSocket>,
    commands: Sender<Asked>,
    watchdog: Option<Box<dyn Watchdog>>,
    pulse: Pulse,
    control: RunControl,
}

/// What is known of the hot thread's pulse.
struct Pulse {
    beats: u64,
    since: Instant,
    /// A stop was asked for then.
    stopping: Option<Instant>,
    /// The watchdog has acted on the present stall.
    dropped: bool,
    /// An operator asked for the kill latch and the hot thread has not moved since.
    killing: bool,
}

impl Pulse {
    fn new(now: Instant) -> Self {
        Self { beats: 0, since: now, stopping: None, dropped: false, killing: false }
    }

    /// True where the session is to be dropped now: once in each stall.
    fn stalls(&mut self, beats: u64, kill: bool, stopping: bool, now: Instant) -> bool {
        if beats != self.beats {
            (self.beats, self.since) = (beats, now);
            self.dropped = false;
            // It counts from here: a beat from before the command says nothing.
            self.killing = kill;
        } else {
            self.killing |= kill;
        }
        // While it ends it beats no more: it waits for the venue, then for the disk.
        let (since, patience) = match (stopping, self.killing) {
            (true, false) => (*self.stopping.get_or_insert(now), END_STALL),
            (_, true) => (self.since, KILL_STALL),
            (false, false) => (self.since, STALL),
        };
        let stalled = self.beats > 0 && now.duration_since(since) > patience;
        let first = stalled && !self.dropped;
        self.dropped |= stalled;
        first
    }
}

impl GuardStage {
    pub(super) fn new(
        (operators, renewed): (Option<OperatorSocket>, Receiver<OperatorSocket>),
        commands: Sender<Asked>,
        watchdog: Option<Box<dyn Watchdog>>,
        control: RunControl,
    ) -> Self {
        Self { operators, renewed, commands, watchdog, pulse: Pulse::new(Instant::now()), control }
    }

    /// Passes on what operators have asked for. Acts first and says so after.
    fn take_commands(&self) -> usize {
        let mut taken = 0;
        while let Some(asked) = self.operators.as_ref().and_then(OperatorSocket::next) {
            ask(&self.commands, asked);
            if asked.is_kill() {
                self.control.kill_asked();
            }
            tracing::warn!(command = asked.name(), operator = asked.operator(), "an operator's command");
            taken += 1;
        }
        taken
    }

    fn watch(&mut self, now: Instant) {
        let (beats, kill) = (self.control.beats(), self.control.take_kill());
        let stopping = self.control.threads().stop_requested();
        if self.pulse.stalls(beats, kill, stopping, now)
            && let Some(watchdog) = &mut self.watchdog
        {
            watchdog.drop_session();
            tracing::error!("the hot thread stands still: the venue session was dropped");
        }
    }
}

impl Stage for GuardStage {
    fn name(&self) -> &str {
        NAME
    }

    fn poll(&mut self, _budget: usize) -> usize {
        let mut taken = self.take_commands();
        if let Ok(socket) = self.renewed.try_recv() {
            self.operators = Some(socket);
            taken += self.take_commands();
        }
        self.watch(Instant::now());
        taken
    }

    fn close(&mut self) {}
}

#[cfg(test)]
mod tests;
