//! Retention on the helper thread: the journal's own (`journal::retention`), held to what the snapshots cover.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use pricewright_core::kernel::Nanos;

use super::stage::Stage;
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
    pub(super) fn new(dir: &Path, settings: &JournalSettings) -> Option<Self> {
        let keep = settings.keep?;
        let keep = Keep { age: keep.age.map(|age| age.0), size: keep.size.map(|size| size.0) };
        let retention = Retention::new(dir, keep, settings.archive_to.clone());
        let covered = Covered { dir: dir.to_path_buf(), seqs: Vec::new(), until: None };
        Some(Self { retention, covered, readers: Vec::new() })
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
        let polled = self.retention.poll(wall_clock(), &mut || match covered.until() {
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

/// Now, by the machine's clock, in Unix ns.
pub fn wall_clock() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
