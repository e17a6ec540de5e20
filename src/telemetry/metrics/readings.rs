//! What other threads show of themselves, read when somebody asks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pricewright_core::kernel::{Nanos, Standing};

use super::latencies::Distribution;
use super::process::Process;
use crate::clock::wall_clock;
use crate::edges::nasdaq::{LineCounts, LineMonitor};
use crate::edges::vitals::Vitals;
use crate::journal::{DurablePosition, Storage, StorageWatch, free_bytes};
use crate::pipeline::monitor::Pulse;
use crate::pipeline::ring_gauge::{RingGauges, RingReading};
use crate::pipeline::run_control::RunControl;
use crate::replay::replica::{Status, Watch};
use crate::telemetry::trace::StageTimes;

/// Files beside the journal, by what their names begin with.
const FILES: [(&str, &str); 4] =
    [("journal-", "segments"), ("chain-", "chain"), ("snapshot-", "snapshots"), ("trace-", "traces")];

/// Where figures are read from that are not in the journal.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The journal's directory.
    pub dir: PathBuf,
    /// The run.
    pub control: RunControl,
    /// The replica.
    pub watch: Watch,
    /// How far the journal is durable; `None` in mode `process`.
    pub durable: Option<DurablePosition>,
    /// Whether segments can be made.
    pub storage: StorageWatch,
    /// Bytes that must stay free on the journal's file system.
    pub min_free: u64,
    /// Latencies of stages.
    pub stages: StageTimes,
    /// Rings between threads.
    pub rings: RingGauges,
    /// Whether the journal is followed for these figures.
    pub pulse: Pulse,
    /// Market data lines, if there are any.
    pub lines: Option<LineMonitor>,
    /// Clients of a shop, if it is one.
    pub vitals: Option<Arc<Vitals>>,
}

/// The sources as they stood.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// The wall clock.
    pub now: Nanos,
    /// Market data lines.
    pub lines: Option<LineCounts>,
    /// Rings.
    pub rings: Vec<RingReading>,
    /// Latencies by stage.
    pub stages: Vec<(&'static str, Distribution)>,
    /// Segments cannot be made, or little room is left.
    pub storage_low: bool,
    /// No input could be taken for a while.
    pub stuck: bool,
    /// The last durable record.
    pub durable: Option<u64>,
    /// The disk has failed.
    pub durable_failed: bool,
    /// The replica.
    pub replica: Status,
    /// What the replica's machine says of itself.
    pub standing: Option<Standing>,
    /// TCP clients, and the most there may be.
    pub clients: Option<(u64, u64)>,
    /// Bytes of files by what they are.
    pub files: Vec<(&'static str, u64)>,
    /// Bytes that the journal's file system still gives.
    pub free: Option<u64>,
    /// Bytes that must stay free there.
    pub min_free: u64,
    /// A stage failed: what it said.
    pub failure: Option<String>,
    /// The journal cannot be followed: why.
    pub monitor_failure: Option<String>,
    /// How long ago the journal was last looked at, in ms.
    pub monitor_age_ms: u64,
    /// The process.
    pub process: Process,
}

impl Sources {
    /// Reads all of them.
    pub fn read(&self) -> Readings {
        let failure = self.control.threads().failure();
        Readings {
            now: wall_clock(),
            lines: self.lines.as_ref().map(LineMonitor::read),
            rings: self.rings.read(),
            stages: self.stages.read(),
            storage_low: self.storage.storage() == Storage::Low,
            stuck: self.vitals.as_ref().is_some_and(|vitals| vitals.is_stuck()),
            durable: self.durable.as_ref().map(DurablePosition::seq),
            durable_failed: self.durable.as_ref().is_some_and(DurablePosition::has_failed),
            replica: self.watch.status(),
            standing: self.watch.standing(),
            clients: self.vitals.as_ref().map(|vitals| vitals.clients()),
            files: file_sizes(&self.dir),
            free: free_bytes(&self.dir).ok(),
            min_free: self.min_free,
            failure: failure.map(|failure| format!("{}: {}", failure.stage, failure.message)),
            monitor_failure: self.pulse.failure(),
            monitor_age_ms: self.pulse.age_ms(),
            process: Process::read(),
        }
    }
}

/// Bytes of what lies in the journal's directory.
fn file_sizes(dir: &Path) -> Vec<(&'static str, u64)> {
    let mut sizes = FILES.map(|(_, kind)| (kind, 0_u64));
    let mut others = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        // A file that is gone again takes no room.
        let Ok(meta) = entry.metadata() else { continue };
        if !meta.is_file() {
            continue;
        }
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let place = FILES.iter().position(|(prefix, _)| name.starts_with(prefix));
        match place.and_then(|at| sizes.get_mut(at)) {
            Some((_, size)) => *size += meta.len(),
            None => others += meta.len(),
        }
    }
    sizes.into_iter().chain([("others", others)]).collect()
}
