//! Retention: old segments are archived and removed, within what a restart and a replay still need.
//!
//! Segments are removed from the oldest on, whole, and only where they are sealed, older than `age` or beyond `size`, not
//! the newest, and end at or before the record that the oldest usable snapshot stands behind: what is left is then a journal
//! from that snapshot on, and every snapshot that is kept can still be started from. The helper polls; a poll does one small piece of work, so that its other duties are not kept waiting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pricewright_core::kernel::Nanos;

use super::archive::{
    Carry, Holding, Packing, Reach, Reason, Target, carry_list, copy_packed, holdings, remove_segment,
};
use super::chain::chained;
use super::error::JournalError;
use super::lock::{JournalLock, lock};
use super::reader::Reader;
use super::segment::{segment_indices, segment_path};

/// How often the directory is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long after an error it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Heads of segments that one poll reads.
const HEADS: usize = 8;
/// Bytes that one poll compresses, reads back or copies.
const STEP: usize = 256 << 10;

/// How much of a journal is kept. Nothing set: everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Segments whose last record, and whose file, is older than this may go.
    pub age: Option<Duration>,
    /// While the segments take more bytes than this, the oldest may go.
    pub size: Option<u64>,
}

/// What a plan says of the segments of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What may be removed now, oldest first.
    pub remove: Vec<(Holding, Reason)>,
    /// Segments beyond the limits that must stay, because a start from the oldest usable snapshot needs them, or there is none.
    pub needed: u64,
}

impl Keep {
    /// Which of `holdings`, oldest first, may be removed at `now`. `total` is the bytes of all segments, `newest` the number
    /// of the newest, `covered` the record that the oldest usable snapshot stands behind.
    pub fn plan(
        &self,
        holdings: &[Holding],
        total: u64,
        newest: u64,
        now: Nanos,
        covered: Option<u64>,
    ) -> Plan {
        let mut plan = Plan::default();
        let mut left = total;
        for holding in holdings.iter().filter(|holding| holding.index != newest) {
            let Some(reason) = self.reason(holding, left, now) else { break };
            if plan.needed == 0 && covered.is_some_and(|covered| holding.last_seq <= covered) {
                left = left.saturating_sub(holding.bytes);
                plan.remove.push((holding.clone(), reason));
            } else {
                // What lies behind a segment that stays must stay too; it is counted as if that one could go.
                left = left.saturating_sub(holding.bytes);
                plan.needed += 1;
            }
        }
        plan
    }

    fn reason(&self, holding: &Holding, total: u64, now: Nanos) -> Option<Reason> {
        // By the stamp and by the file: where one of them is wrong, the younger counts.
        let since = holding.last_now.max(holding.written);
        let age = u128::from(now.0.saturating_sub(since.0).max(0).cast_unsigned());
        if self.age.is_some_and(|keep| age > keep.as_nanos()) {
            return Some(Reason::Age);
        }
        self.size.is_some_and(|keep| total > keep).then_some(Reason::Size)
    }
}

/// A journal that nobody writes, about to be cut at its beginning.
#[derive(Debug)]
pub struct Pruning {
    dir: PathBuf,
    holdings: Vec<Holding>,
    newest: u64,
    /// Stamp of the journal's last record.
    last_now: Nanos,
    _lock: JournalLock,
}

impl Pruning {
    /// Takes the lock of the journal in `dir` and looks at its segments' heads.
    ///
    /// # Errors
    /// Where there is no journal, it is being written, or a head cannot be read.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let newest = segment_indices(dir)?.last().copied();
        let newest = newest.ok_or_else(|| JournalError::Empty { path: dir.to_path_buf() })?;
        let lock = lock(dir)?;
        let holdings = chained(dir, holdings(dir)?)?;
        // What a crash left may be damaged at its end; the segments before can go all the same.
        let last_now = Reader::from_end(dir).map_or(Nanos(0), |reader| reader.last_now());
        Ok(Self { dir: dir.to_path_buf(), holdings, newest, last_now, _lock: lock })
    }

    /// The newest time that stands in the journal: a stamp, or the time of a file. Ages are not counted from later.
    pub fn newest(&self) -> Nanos {
        let times = self.holdings.iter().flat_map(|holding| [holding.last_now, holding.written]);
        times.fold(self.last_now, Nanos::max)
    }

    /// Whether there is a segment that could go: the newest never can.
    pub fn has_old(&self) -> bool {
        self.holdings.iter().any(|holding| holding.index != self.newest)
    }

    /// Whether the newest segment alone, which always stays, takes more than `keep` allows.
    pub fn newest_is_beyond(&self, keep: &Keep) -> bool {
        let bytes = match self.holdings.iter().find(|holding| holding.index == self.newest) {
            Some(holding) => holding.bytes,
            // It is not sealed.
            None => std::fs::metadata(segment_path(&self.dir, self.newest)).map_or(0, |file| file.len()),
        };
        keep.size.is_some_and(|keep| bytes > keep)
    }

    /// What may be removed; see [`Keep::plan`].
    pub fn plan(&self, keep: &Keep, now: Nanos, covered: Option<u64>) -> Plan {
        let total = self.holdings.iter().map(|holding| holding.bytes).sum();
        keep.plan(&self.holdings, total, self.newest, now, covered)
    }

    /// Removes what `plan` says.
    ///
    /// # Errors
    /// Where a file cannot be removed; those before it are gone.
    pub fn remove(&self, plan: &Plan) -> Result<(), JournalError> {
        let mut removed = plan.remove.iter();
        removed.try_for_each(|(holding, reason)| remove_segment(&self.dir, holding, *reason, None))
    }
}

/// Keeps a live journal within its limits; polled by the helper.
pub struct Retention {
    dir: PathBuf,
    keep: Keep,
    archive_to: Option<PathBuf>,
    /// What is known of the sealed segments, by number.
    known: BTreeMap<u64, Holding>,
    look_at: Option<Instant>,
    job: Option<Job>,
    warned: bool,
}

/// A segment on its way out.
struct Job {
    holding: Holding,
    reason: Reason,
    stage: Stage,
    /// Of the archive; nobody else adds to it meanwhile.
    _lock: Option<JournalLock>,
}

enum Stage {
    Pack(Box<Packing>),
    Carry(Carry),
    Remove,
}

impl Retention {
    /// For the journal in `dir`; with `archive_to`, segments are archived there before they are removed.
    pub fn new(dir: &Path, keep: Keep, archive_to: Option<PathBuf>) -> Self {
        let dir = dir.to_path_buf();
        Self { dir, keep, archive_to, known: BTreeMap::new(), look_at: None, job: None, warned: false }
    }

    /// Does a piece of work; returns how many things it did. `now` is the wall clock; `covered_until` says the last record
    /// that a usable snapshot covers and every tailer has passed, and is asked only where something could go.
    ///
    /// # Errors
    /// Where a segment cannot be archived or removed. It stays, and is tried again after a minute.
    pub fn poll(
        &mut self,
        now: Nanos,
        covered_until: &mut dyn FnMut() -> Option<u64>,
    ) -> Result<usize, JournalError> {
        let done = self.turn(now, covered_until);
        if done.is_err() {
            self.job = None;
            self.look_at = Some(Instant::now() + RETRY_AFTER);
        }
        done
    }

    fn turn(
        &mut self,
        now: Nanos,
        covered_until: &mut dyn FnMut() -> Option<u64>,
    ) -> Result<usize, JournalError> {
        if let Some(job) = &mut self.job {
            if job.step(&self.dir, self.archive_to.as_deref())? {
                self.known.remove(&job.holding.index);
                self.job = None;
                // There may be more to do.
                self.look_at = None;
            }
            return Ok(1);
        }
        if self.look_at.is_some_and(|at| Instant::now() < at) {
            return Ok(0);
        }
        let indices = segment_indices(&self.dir)?;
        if self.learn(&indices)? {
            return Ok(1);
        }
        self.look_at = Some(Instant::now() + LOOK_EVERY);
        let Some(newest) = indices.last().copied() else { return Ok(0) };
        let Some((holding, reason)) = self.victim(newest, now, covered_until)? else { return Ok(0) };
        self.job = Some(Job::start(&self.dir, holding, reason, self.archive_to.as_deref())?);
        Ok(1)
    }

    /// Reads heads that are not known yet. True while there may be more.
    fn learn(&mut self, indices: &[u64]) -> Result<bool, JournalError> {
        self.known.retain(|index, _| indices.binary_search(index).is_ok());
        let unknown: Vec<u64> =
            indices.iter().copied().filter(|index| !self.known.contains_key(index)).take(HEADS).collect();
        for index in &unknown {
            match Holding::read(&self.dir, *index)? {
                Some(holding) => drop(self.known.insert(*index, holding)),
                // What is not sealed is the end of what can go.
                None => return Ok(false),
            }
        }
        Ok(unknown.len() == HEADS)
    }

    fn victim(
        &mut self,
        newest: u64,
        now: Nanos,
        covered_until: &mut dyn FnMut() -> Option<u64>,
    ) -> Result<Option<(Holding, Reason)>, JournalError> {
        let total = self.known.values().map(|holding| holding.bytes).sum();
        let holdings = chained(&self.dir, self.known.values().cloned().collect())?;
        if self.keep.plan(&holdings, total, newest, now, Some(u64::MAX)).remove.is_empty() {
            return Ok(None);
        }
        let plan = self.keep.plan(&holdings, total, newest, now, covered_until());
        if plan.needed > 0 && plan.remove.is_empty() && !self.warned {
            let needed = plan.needed;
            tracing::warn!(
                needed,
                "the journal is beyond its limits, but a start from the oldest snapshot that is kept needs its oldest segments, \
                 or there is no snapshot: they stay"
            );
        }
        self.warned = plan.needed > 0;
        Ok(plan.remove.into_iter().next())
    }
}

impl Job {
    fn start(dir: &Path, holding: Holding, reason: Reason, to: Option<&Path>) -> Result<Self, JournalError> {
        let Some(to) = to else { return Ok(Self { holding, reason, stage: Stage::Remove, _lock: None }) };
        std::fs::create_dir_all(to).map_err(JournalError::io(to, "make the directory"))?;
        let lock = lock(to)?;
        let has = Target::open(to, std::slice::from_ref(&holding))?.has(&holding)?;
        let stage = if has {
            carry(dir, to, &holding)?
        } else if holding.compressed {
            copy_packed(dir, to, &holding)?;
            carry(dir, to, &holding)?
        } else {
            Stage::Pack(Box::new(Packing::start(dir, to, holding.index, STEP)?))
        };
        Ok(Self { holding, reason, stage, _lock: Some(lock) })
    }

    /// Does a part. True once the segment is gone.
    fn step(&mut self, dir: &Path, to: Option<&Path>) -> Result<bool, JournalError> {
        match (&mut self.stage, to) {
            (Stage::Pack(packing), Some(to)) => {
                if packing.step()?.is_some() {
                    self.stage = carry(dir, to, &self.holding)?;
                }
                Ok(false)
            }
            (Stage::Carry(carry), Some(to)) => {
                if carry.step()? {
                    carry_list(dir, to)?;
                    self.stage = Stage::Remove;
                }
                Ok(false)
            }
            _ => remove_segment(dir, &self.holding, self.reason, to).map(|()| true),
        }
    }
}

fn carry(dir: &Path, to: &Path, holding: &Holding) -> Result<Stage, JournalError> {
    let reach = Reach { index: holding.index, last_seq: holding.last_seq };
    Ok(Stage::Carry(Carry::start(dir, to, reach, STEP)?))
}
