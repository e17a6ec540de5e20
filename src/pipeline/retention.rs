//! Retention on the helper thread: the journal's own (`journal::retention`), held to what the snapshots cover.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pricewright_core::kernel::Nanos;

use super::stage::Stage;
use crate::clock::{boot_nanos, wall_clock};
use crate::config::JournalSettings;
use crate::error::Result;
use crate::journal::retention::{Keep, Retention};
use crate::replay::snapshot::dir::{list, snapshot_seqs};

const NAME: &str = "retention";

/// The last record up to which segments may go: that of the oldest good snapshot, so that every snapshot that is kept can
/// still be started from. `None` where there is none.
///
/// # Errors
/// Where the directory cannot be read.
pub fn covered_until(dir: &Path) -> Result<Option<u64>> {
    Ok(list(dir)?.into_iter().find(|snapshot| snapshot.unfit.is_none()).map(|snapshot| snapshot.seq))
}

/// Keeps the journal of a run within its limits.
pub(super) struct RetentionStage {
    retention: Retention,
    covered: Covered,
    ages: Ages,
    /// The last record that each reader of this run is done with.
    readers: Vec<Arc<AtomicU64>>,
}

/// What the snapshots cover. They are read again only where others are there.
struct Covered {
    dir: PathBuf,
    seqs: Vec<u64>,
    until: Option<u64>,
}

impl RetentionStage {
    /// For the journal in `dir`; `None` where the settings keep everything.
    pub(super) fn new(dir: &Path, settings: &JournalSettings, ages: Ages) -> Option<Self> {
        let keep = settings.keep.filter(|keep| !keep.all)?;
        let keep = Keep { age: keep.age.map(|age| age.0), size: keep.size.map(|size| size.0) };
        let retention = Retention::new(dir, keep, settings.archive_to.clone());
        let covered = Covered { dir: dir.to_path_buf(), seqs: Vec::new(), until: None };
        Some(Self { retention, covered, ages, readers: Vec::new() })
    }

    /// Keeps what this reader is not done with.
    pub(super) fn stay_behind(&mut self, passed: Arc<AtomicU64>) {
        self.readers.push(passed);
    }
}

impl Covered {
    fn until(&mut self) -> Result<Option<u64>> {
        let seqs = snapshot_seqs(&self.dir)?;
        if seqs != self.seqs {
            self.until = covered_until(&self.dir)?;
            self.seqs = seqs;
        }
        Ok(self.until)
    }
}

impl Stage for RetentionStage {
    fn name(&self) -> &str {
        NAME
    }

    /// One small piece of work. What goes wrong is logged and tried again later: the run goes on without it.
    fn poll(&mut self, _budget: usize) -> usize {
        // Relaxed: see `Tail::turn`.
        let passed =
            self.readers.iter().map(|passed| passed.load(Ordering::Relaxed)).min().unwrap_or(u64::MAX);
        let covered = &mut self.covered;
        let polled = self.retention.poll(self.ages.now(), &mut || match covered.until() {
            Ok(until) => until.map(|until| until.min(passed)),
            Err(error) => {
                tracing::warn!(%error, "snapshots cannot be listed, so no segment is removed");
                None
            }
        });
        polled.unwrap_or_else(|error| {
            tracing::warn!(%error, "retention: tried again in a minute");
            0
        })
    }

    /// What is half done is dropped: the next run does it again.
    fn close(&mut self) {}
}

/// How old things are, by no clock that another one contradicts.
///
/// The wall clock may have been wrong at the start, or be set while the run goes on. So a run counts from the journal's last
/// stamp before it, by the clock that cannot be set: a gap in front of the run counts for nothing until a later run, whose
/// journal has stamps behind the gap, agrees. Where the wall clock says less, that counts.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// The journal's last stamp before this run, or the wall clock where there is none.
    from: Nanos,
    /// The boot clock then, in ns.
    boot: i64,
}

impl Ages {
    /// For a run that begins now behind the stamp `last`.
    pub fn begin(last: Option<Nanos>) -> Self {
        Self { from: last.unwrap_or_else(wall_clock), boot: boot_nanos() }
    }

    /// What may be taken for now where ages are counted.
    pub fn now(&self) -> Nanos {
        self.at(wall_clock(), boot_nanos())
    }

    fn at(&self, wall: Nanos, boot: i64) -> Nanos {
        Nanos(self.from.0.saturating_add(boot.saturating_sub(self.boot)).min(wall.0))
    }
}

#[cfg(test)]
mod tests;
