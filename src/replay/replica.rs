//! The replica: the same machine a second time, behind the journal, on the helper's thread.
//!
//! It follows the journal while it is written and compares every decision: a live check that the machine is deterministic.
//! A difference is an alarm, never a stop: it is logged, shown, sent to the machine as an operator's command (so that it
//! stands in the journal as an event like any other, and replays), and the process ends with an exit code of its own. And
//! it takes the snapshots, so that the hot thread has no work with them. Their files are written by a thread that does
//! nothing else, because syncing a file may take long and the helper also makes the journal's segments.
//!
//! It may fall behind, when events come faster than one machine can both decide and be watched deciding: then it reads from
//! disk what the hot thread has long written, and its lag is shown. At the end it is given [`CATCH_UP`] to come to the last
//! record; what it has not compared by then is said. The last snapshot of a clean stop is there in any case: its state is the
//! sequencer's own, handed over at the run's end, whose hash the journal's last record holds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use pricewright_core::kernel::table::{Operator, RunEnd};
use pricewright_core::kernel::{Machine, Nanos, OperatorCommand, Standing};

use super::follow::{Follower, Progress};
use super::snapshot::{Identity, Place, Snapshot, dir};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::io::wait::nap;
use crate::journal::{JournalError, Reader};
use crate::pipeline::operator::Asked;
use crate::pipeline::resume::Resume;
use crate::pipeline::run_control::RunControl;
use crate::pipeline::stage::Stage;

/// How often its machine says where it stands, where somebody wants to know.
const STANDING_EVERY: Duration = Duration::from_millis(250);
/// How long the end of a run waits for the replica to compare what is left.
pub const CATCH_UP: Duration = Duration::from_secs(10);
/// Records between two looks at the time while it catches up at the end.
const CATCH_UP_STEP: u64 = 4096;
/// How often a journal that could not be read is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// How long the end of a run waits for it.
const LAST_RETRIES: Duration = Duration::from_secs(2);
/// After a snapshot, the next is not taken before so many times as long as that one took have passed: so snapshots take at
/// most a twentieth of the helper, however large the state.
const REST: u32 = 20;

/// When snapshots are taken, and whether decisions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether the machine runs a second time. Without it the only snapshot is the one at a clean stop.
    pub compare: bool,
    /// Records between two snapshots.
    pub every_records: u64,
    /// The longest time between two snapshots while events come.
    pub every: Duration,
    /// How many are kept.
    pub keep: usize,
}

/// What the replica is made of.
pub struct Parts<M> {
    /// The journal's directory.
    pub dir: PathBuf,
    /// Stands in front of the first record that the replica is to follow.
    pub reader: Reader,
    /// A machine that stands there; `None` compares nothing.
    pub follower: Option<Follower<M>>,
    /// How far the journal was followed there.
    pub progress: Progress,
    /// Every source's position there.
    pub resume: Resume,
    /// Whose state it is.
    pub identity: Identity,
    /// Canonical configuration of the run.
    pub config: String,
    /// The run.
    pub run: u64,
    /// When snapshots are taken.
    pub settings: Settings,
    /// Where the alarm goes.
    pub commands: Sender<Asked>,
    /// Shared by the run's stages.
    pub control: RunControl,
}

/// How the replica does, as others see it. Clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    followed: AtomicU64,
    decisions: AtomicU64,
    unchecked: AtomicU64,
    lag_ns: AtomicI64,
    snapshot: AtomicU64,
    snapshots: AtomicU64,
    writing: AtomicBool,
    alarm: Mutex<Option<String>>,
    trouble: Mutex<Option<String>>,
    standing_wanted: AtomicBool,
    standing: Mutex<Option<Standing>>,
}

/// What a [`Watch`] shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The last record it has read.
    pub followed: u64,
    /// Decisions of this run that it made, too.
    pub decisions: u64,
    /// Records at the run's end that it read without deciding again, because time was short.
    pub unchecked: u64,
    /// How far behind the clock it is; zero while it waits for the next record.
    pub lag: Nanos,
    /// The record that the last snapshot of this run stands behind.
    pub snapshot: Option<u64>,
    /// Snapshots of this run.
    pub snapshots: u64,
    /// The machine decided otherwise the second time, or could not.
    pub alarm: Option<String>,
    /// Why the last snapshot could not be written.
    pub trouble: Option<String>,
}

impl Watch {
    /// How it does now.
    pub fn status(&self) -> Status {
        let shared = &self.shared;
        let text = |slot: &Mutex<Option<String>>| slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Relaxed: figures for people, each on its own.
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let snapshot = read(&shared.snapshot);
        Status {
            followed: read(&shared.followed),
            decisions: read(&shared.decisions),
            unchecked: read(&shared.unchecked),
            lag: Nanos(shared.lag_ns.load(Ordering::Relaxed)),
            snapshot: (snapshot > 0).then_some(snapshot),
            snapshots: read(&shared.snapshots),
            alarm: text(&shared.alarm),
            trouble: text(&shared.trouble),
        }
    }

    /// Asks the replica to say now and then what its machine says of itself.
    pub fn want_standing(&self) {
        self.shared.standing_wanted.store(true, Ordering::Relaxed);
    }

    /// What its machine last said of itself; `None` where nobody asked, there is no machine, or it is not to be believed.
    pub fn standing(&self) -> Option<Standing> {
        self.shared.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(slot: &Mutex<Option<String>>, text: String) {
        slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
    }
}

impl Status {
    /// The alarm as the error that the run's command ends with.
    ///
    /// # Errors
    /// Where there is an alarm.
    pub fn check(&self) -> Result<()> {
        self.alarm
            .as_ref()
            .map_or(Ok(()), |alarm| Err(Error::Diverged(format!("the self-check failed: {alarm}"))))
    }

    /// What a person should know of it at the end of a run.
    pub fn summary(&self) -> String {
        let mut text = match (&self.alarm, self.decisions) {
            (Some(alarm), _) => format!("SELF-CHECK FAILED: {alarm}"),
            (None, 0) => "self-check: nothing was compared".to_owned(),
            (None, decisions) => format!("self-check: {decisions} decisions made twice, all the same"),
        };
        if self.unchecked > 0 {
            text.push_str(&format!(
                "; the last {} records were not compared, it was too far behind",
                self.unchecked
            ));
        }
        match (&self.trouble, self.snapshot) {
            (Some(trouble), _) => text.push_str(&format!("; NO SNAPSHOT: {trouble}")),
            (None, Some(seq)) => text.push_str(&format!("; snapshot behind record {seq}")),
            (None, None) => {}
        }
        text
    }
}

/// The stage. It is polled by the helper, with a budget of its own.
pub struct Replica<M, C> {
    reader: Reader,
    follower: Option<Follower<M>>,
    /// Where the run began, for its totals.
    begun: Progress,
    resume: Resume,
    identity: Identity,
    config: String,
    run: u64,
    settings: Settings,
    commands: Sender<Asked>,
    control: RunControl,
    clock: C,
    place: Place,
    /// What the last record says, where it ends the run.
    end: Option<RunEnd>,
    taken_at: Instant,
    taken_seq: u64,
    rest_until: Instant,
    /// When the journal, which could not be read, is tried again.
    unread: Option<Instant>,
    standing_at: Instant,
    /// False after an alarm: the state is nothing to begin from then, and the reader may not go on.
    healthy: bool,
    files: Option<(Sender<Box<Snapshot>>, JoinHandle<()>)>,
    watch: Watch,
}

/// What one record showed.
enum Found {
    Nothing,
    Record,
    Alarm {
        seq: u64,
        what: String,
    },
    /// The journal could not be read, which may pass: its directory is not in its place, or no file can be opened.
    Unread {
        seq: u64,
        what: String,
    },
}

impl<M: Machine, C: Clock> Replica<M, C> {
    /// Puts the parts together and starts the thread that writes files.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn new(parts: Parts<M>, clock: C) -> Result<(Self, Watch)> {
        let watch = Watch::default();
        let (jobs, received) = bounded(1);
        let (dir, keep, shared) = (parts.dir.clone(), parts.settings.keep, watch.clone());
        let thread = std::thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(move || write_files(&received, &dir, keep, &shared))
            .map_err(|error| Error::Failed(format!("no thread for snapshots: {error}")))?;
        let now = Instant::now();
        let replica = Self {
            taken_seq: parts.reader.next_seq().saturating_sub(1),
            reader: parts.reader,
            follower: parts.follower,
            begun: parts.progress,
            resume: parts.resume,
            identity: parts.identity,
            config: parts.config,
            run: parts.run,
            settings: parts.settings,
            commands: parts.commands,
            control: parts.control,
            clock,
            place: Place::default(),
            end: None,
            taken_at: now,
            rest_until: now,
            unread: None,
            standing_at: now,
            healthy: true,
            files: Some((jobs, thread)),
            watch: watch.clone(),
        };
        Ok((replica, watch))
    }

    /// Takes the next record, where one is there.
    fn next(&mut self) -> Found {
        let next = self.reader.next_seq();
        let record = match self.reader.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => return Found::Nothing,
            Err(error @ JournalError::Io { .. }) => {
                return Found::Unread { seq: next, what: error.to_string() };
            }
            Err(error) => return Found::Alarm { seq: next, what: error.to_string() },
        };
        self.resume.take(record);
        self.place = Place::behind(&record, self.run);
        self.end = record.get::<RunEnd>().copied();
        let seq = self.place.seq;
        let Some(follower) = &mut self.follower else { return Found::Record };
        // A panic is the machine's bug and caught on the hot thread, too; here it must not take the helper with it.
        match catch_unwind(AssertUnwindSafe(|| follower.follow(record))) {
            Ok(Ok(())) => Found::Record,
            Ok(Err(found)) => {
                let what = format!(
                    "the machine decided otherwise the second time, at record {}; `pricewright replay --verify` may show \
                     both sides",
                    found.seq()
                );
                Found::Alarm { seq: found.seq(), what }
            }
            Err(_) => Found::Alarm { seq, what: format!("the machine panics on record {seq}") },
        }
    }

    fn turn(&mut self, budget: u64) -> usize {
        let mut work = 0;
        let mut lag = Nanos(0);
        let is_due = self.unread.is_none_or(|retry_at| Instant::now() >= retry_at);
        while self.healthy && is_due && work < budget {
            match self.next() {
                Found::Nothing => {
                    self.unread = None;
                    break;
                }
                Found::Record => work += 1,
                Found::Alarm { seq, what } => self.alarm(seq, what),
                Found::Unread { what, .. } => {
                    self.wait(&what);
                    break;
                }
            }
            self.unread = None;
        }
        if work == budget {
            lag = Nanos((self.clock.now().0 - self.place.now.0).max(0));
        }
        if work > 0 {
            self.show(lag);
            self.snapshot_if_due();
        } else {
            self.watch.shared.lag_ns.store(0, Ordering::Relaxed);
        }
        if self.watch.shared.standing_wanted.load(Ordering::Relaxed) {
            self.show_standing();
        }
        usize::try_from(work).unwrap_or(usize::MAX)
    }

    /// Leaves the journal alone for a while: nothing was compared, so nothing was found wrong.
    fn wait(&mut self, what: &str) {
        if self.unread.is_none() {
            tracing::warn!("self-check: {what}; it goes on when the journal can be read again");
        }
        self.unread = Some(Instant::now() + RETRY_EVERY);
    }

    fn show(&self, lag: Nanos) {
        let shared = &self.watch.shared;
        shared.followed.store(self.place.seq, Ordering::Relaxed);
        shared.lag_ns.store(lag.0, Ordering::Relaxed);
        if let Some(follower) = &self.follower {
            let decisions = follower.counts().1.saturating_sub(self.begun.decisions);
            shared.decisions.store(decisions, Ordering::Relaxed);
        }
    }

    /// A machine that panics over what it says of itself only says nothing: the run goes on without.
    fn show_standing(&mut self) {
        let at = Instant::now();
        if at < self.standing_at {
            return;
        }
        self.standing_at = at + STANDING_EVERY;
        let (now, follower) = (self.clock.now(), self.follower.as_ref().filter(|_| self.healthy));
        let standing = follower.and_then(|follower| {
            catch_unwind(AssertUnwindSafe(|| follower.driver().machine().standing(now))).ok()
        });
        *self.watch.shared.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    fn alarm(&mut self, seq: u64, what: String) {
        self.healthy = false;
        tracing::error!("self-check: {what}");
        Watch::say(&self.watch.shared.alarm, what);
        let event =
            Operator::says("self-check", OperatorCommand::ALARM, i64::try_from(seq).unwrap_or(i64::MAX));
        if self.commands.try_send(event.into()).is_err() {
            tracing::error!("the alarm could not be journalled: the pipeline takes no commands any more");
        }
    }

    fn snapshot_if_due(&mut self) {
        let now = Instant::now();
        let records = self.place.seq - self.taken_seq;
        let due = records >= self.settings.every_records || now - self.taken_at >= self.settings.every;
        if !due || !self.healthy || now < self.rest_until || self.watch.shared.writing.load(Ordering::Acquire)
        {
            return;
        }
        let Some(follower) = &self.follower else { return };
        // In the middle of an event's decisions the state is not at rest: the next turn sees to it.
        let Some(progress) = follower.progress() else { return };
        match follower.driver().snapshot() {
            Ok(state) => self.write(progress, false, state),
            Err(error) => Watch::say(&self.watch.shared.trouble, error.to_string()),
        }
        self.taken_at = now;
        self.taken_seq = self.place.seq;
        self.rest_until = now + now.elapsed() * REST;
    }

    /// Hands a snapshot to the thread that writes it.
    fn write(&self, progress: Progress, clean_stop: bool, state: Vec<u8>) {
        let snapshot = Snapshot {
            place: self.place,
            clean_stop,
            identity: self.identity,
            progress,
            config: self.config.clone(),
            resume: self.resume.clone(),
            state,
        };
        // Release: partner of the acquire above; the thread takes it back when the file is there.
        self.watch.shared.writing.store(true, Ordering::Release);
        if let Some((jobs, _)) = &self.files
            && jobs.send(Box::new(snapshot)).is_err()
        {
            Watch::say(&self.watch.shared.trouble, "the thread that writes snapshots is gone".to_owned());
        }
    }

    /// Reads on to the run's last record: with the machine for as long as [`CATCH_UP`], then without.
    fn catch_up(&mut self) {
        let start = Instant::now();
        let mut left = CATCH_UP_STEP;
        loop {
            match self.next() {
                Found::Nothing => break,
                Found::Record => {}
                Found::Unread { .. } if start.elapsed() < LAST_RETRIES => {
                    nap(RETRY_EVERY);
                    continue;
                }
                Found::Unread { seq, what } | Found::Alarm { seq, what } => {
                    self.alarm(seq, what);
                    break;
                }
            }
            left -= 1;
            if left > 0 {
                continue;
            }
            left = CATCH_UP_STEP;
            self.show(Nanos(0));
            if start.elapsed() > CATCH_UP && self.follower.take().is_some() {
                tracing::warn!("the self-check is too far behind: the rest of the run is not compared");
                self.watch.shared.unchecked.store(self.place.seq, Ordering::Relaxed);
            }
        }
        let stopped_at = self.watch.shared.unchecked.load(Ordering::Relaxed);
        if stopped_at > 0 {
            self.watch.shared.unchecked.store(self.place.seq - stopped_at, Ordering::Relaxed);
        }
        self.show(Nanos(0));
    }

    /// The snapshot of a clean stop, where the run ended so and nothing is wrong.
    fn last_snapshot(&mut self) {
        let (Some(state), Some(end)) = (self.control.take_state(), self.end) else { return };
        if !self.healthy {
            return;
        }
        let progress = self.follower.as_ref().and_then(Follower::progress).unwrap_or(Progress {
            cause: (0, self.place.now),
            run_events: end.events,
            run_decisions: end.decisions,
            events: self.begun.events + end.events,
            decisions: self.begun.decisions + end.decisions,
        });
        self.write(progress, true, state);
    }
}

impl<M: Machine + Send, C: Clock> Stage for Replica<M, C> {
    fn name(&self) -> &str {
        "replica"
    }

    fn poll(&mut self, budget: usize) -> usize {
        self.turn(budget as u64)
    }

    fn close(&mut self) {
        // A run that failed has no clean end to catch up with, and nobody is to wait for it.
        if self.healthy && !self.control.failed() {
            self.catch_up();
            self.last_snapshot();
        }
        if let Some((jobs, thread)) = self.files.take() {
            drop(jobs);
            if thread.join().is_err() {
                Watch::say(
                    &self.watch.shared.trouble,
                    "the thread that writes snapshots panicked".to_owned(),
                );
            }
        }
    }
}

/// Writes what comes, until nobody sends any more.
fn write_files(jobs: &Receiver<Box<Snapshot>>, dir: &std::path::Path, keep: usize, watch: &Watch) {
    for snapshot in jobs {
        let seq = snapshot.place.seq;
        let written =
            snapshot.to_bytes().map_err(Error::Failed).and_then(|bytes| dir::write(dir, seq, &bytes, keep));
        match written {
            Ok(_) => {
                *watch.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
                watch.shared.snapshot.store(seq, Ordering::Relaxed);
                watch.shared.snapshots.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::warn!(%error, "a snapshot could not be written");
                Watch::say(&watch.shared.trouble, error.to_string());
            }
        }
        watch.shared.writing.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
