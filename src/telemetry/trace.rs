//! The side trace: when each stage of an event was done, keyed by sequence.
//!
//! Latencies are never visible to a machine, so they are not in the journal: they lie beside it, in `trace-<run>.pwt`.
//! The hot thread pushes entries into a ring and never waits; what a full ring cannot take is counted. The helper writes
//! the file and keeps the histogram.
//!
//! File: 16 bytes of head (`PWTRACE1`, u64 run), then entries of 40 bytes, little-endian, in rising order of `seq`:
//!
//! ```text
//! 0 u64 seq   8 i64 received_ns   16 i64 sequenced_ns   24 i64 decided_ns   32 i64 sent_ns (0: nothing was sent)
//! ```

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rtrb::RingBuffer;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::metrics::{Distribution, Latencies};
use crate::error::{Error, Result};

/// Entries that may wait for the helper.
const RING_ENTRIES: usize = 1 << 14;
/// How long an entry may wait in memory while the run goes on; how often the present latencies are published.
const FLUSH: Duration = Duration::from_secs(1);
const MAGIC: &[u8; 8] = b"PWTRACE1";
const HEAD_LEN: usize = 16;

/// When the stages of one event were done, by this machine's clock, in Unix ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TraceEntry {
    /// The event.
    pub seq: u64,
    /// Its batch was received.
    pub received: i64,
    /// The sequencer stamped it.
    pub sequenced: i64,
    /// Its decisions were journalled.
    pub decided: i64,
    /// Its orders were handed to the kernel; 0 where it caused none.
    pub sent: i64,
}

/// The hot thread's end.
#[derive(Debug)]
pub struct Tracer {
    ring: rtrb::Producer<TraceEntry>,
    lost: u64,
}

impl Tracer {
    /// Both ends.
    pub fn channel() -> (Self, TraceDrain) {
        let (mut producer, mut consumer) = RingBuffer::new(RING_ENTRIES);
        // Each entry is written once, so that the first lap takes no page faults.
        while producer.push(TraceEntry::default()).is_ok() {}
        while consumer.pop().is_ok() {}
        (Self { ring: producer, lost: 0 }, TraceDrain { ring: consumer })
    }

    /// Takes an entry, or counts it as lost where the helper is behind.
    #[inline]
    pub fn push(&mut self, entry: TraceEntry) {
        if self.ring.push(entry).is_err() {
            self.lost += 1;
        }
    }

    /// Entries lost so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

/// The helper's end.
#[derive(Debug)]
pub struct TraceDrain {
    ring: rtrb::Consumer<TraceEntry>,
}

impl TraceDrain {
    /// The next entry.
    pub fn pop(&mut self) -> Option<TraceEntry> {
        self.ring.pop().ok()
    }
}

/// Receive to order as it stands: median and 99th percentile in ns, 0 before the first order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyNow {
    /// Median, in ns.
    pub p50: u64,
    /// 99th percentile, in ns.
    pub p99: u64,
}

impl LatencyNow {
    /// Both in whole µs; `None` before the first order.
    pub fn micros(self) -> Option<(u64, u64)> {
        (self.p50 > 0).then_some((self.p50.div_ceil(1000), self.p99.div_ceil(1000)))
    }
}

/// Where the present latencies are published, at most once a second. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct LatencyGauge {
    shared: Arc<(AtomicU64, AtomicU64)>,
}

impl LatencyGauge {
    /// As they stand.
    pub fn now(&self) -> LatencyNow {
        // Relaxed: two figures for a person's eyes; they may be of two moments.
        LatencyNow { p50: self.shared.0.load(Ordering::Relaxed), p99: self.shared.1.load(Ordering::Relaxed) }
    }

    fn publish(&self, latency: &Histogram<u64>) {
        self.shared.0.store(latency.value_at_quantile(0.5), Ordering::Relaxed);
        self.shared.1.store(latency.value_at_quantile(0.99), Ordering::Relaxed);
    }
}

/// How long stages took, shown to other threads. Clones show the same.
#[derive(Clone, Debug, Default)]
pub struct StageTimes {
    sequence: Latencies,
    decide: Latencies,
    send: Latencies,
    receive_to_order: Latencies,
}

impl StageTimes {
    pub(super) fn take(&self, entry: &TraceEntry) {
        let between = |from: i64, to: i64| u64::try_from(to.saturating_sub(from)).unwrap_or(0);
        // What came from inside was not received, and has both stamps the same.
        let received = entry.received < entry.sequenced;
        if received {
            self.sequence.take(between(entry.received, entry.sequenced));
        }
        self.decide.take(between(entry.sequenced, entry.decided));
        if entry.sent > 0 {
            self.send.take(between(entry.decided, entry.sent));
        }
        if entry.sent > 0 && received {
            self.receive_to_order.take(between(entry.received, entry.sent));
        }
    }

    /// Every stage as it stands.
    pub fn read(&self) -> Vec<(&'static str, Distribution)> {
        let stages = [
            ("sequence", &self.sequence),
            ("decide", &self.decide),
            ("send", &self.send),
            ("receive_to_order", &self.receive_to_order),
        ];
        stages.map(|(name, times)| (name, times.read())).into()
    }
}

/// Writes the file and keeps the histogram.
#[derive(Debug)]
pub struct TraceWriter {
    drain: TraceDrain,
    file: BufWriter<File>,
    path: PathBuf,
    /// Receive to order, in ns.
    receive_to_order: Histogram<u64>,
    gauge: LatencyGauge,
    /// Where stages are shown, if somebody looks.
    stages: Option<StageTimes>,
    /// The disk took no more: the rest of the run is counted, not written.
    full: bool,
    /// When the file last had everything, and whether something was written since: others read it while the run goes on.
    flushed: Instant,
    dirty: bool,
}

impl TraceWriter {
    /// Begins the trace of `run` in the journal's directory.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn create(dir: &Path, run: u64, drain: TraceDrain) -> Result<Self> {
        let path = path_of(dir, run);
        let complain = |source| Error::File {
            path: path.clone(),
            source,
            mend: "the journal's directory must be writable",
        };
        let mut file = BufWriter::new(File::create(&path).map_err(complain)?);
        file.write_all(MAGIC).and_then(|()| file.write_all(&run.to_le_bytes())).map_err(complain)?;
        let receive_to_order = new_histogram()?;
        let (flushed, dirty, gauge) = (Instant::now(), false, LatencyGauge::default());
        let path = path.clone();
        Ok(Self { drain, file, path, receive_to_order, gauge, stages: None, full: false, flushed, dirty })
    }

    /// Where the present latencies are published.
    pub fn gauge(&self) -> LatencyGauge {
        self.gauge.clone()
    }

    /// Shows how long stages take.
    #[must_use]
    pub fn showing(self, stages: Option<StageTimes>) -> Self {
        Self { stages, ..self }
    }

    /// Takes up to `budget` waiting entries. Returns how many it took.
    pub fn poll(&mut self, budget: usize) -> usize {
        let mut taken = 0;
        while taken < budget
            && let Some(entry) = self.drain.pop()
        {
            taken += 1;
            self.write(&entry);
            if let Some(stages) = &self.stages {
                stages.take(&entry);
            }
            // What came from inside was not received, and has both stamps the same.
            if entry.sent > 0 && entry.received < entry.sequenced {
                let latency = u64::try_from(entry.sent - entry.received).unwrap_or(0);
                self.receive_to_order.saturating_record(latency);
            }
        }
        self.dirty |= taken > 0;
        if self.dirty && self.flushed.elapsed() >= FLUSH {
            self.gauge.publish(&self.receive_to_order);
            self.flush();
        }
        taken
    }

    fn flush(&mut self) {
        (self.flushed, self.dirty) = (Instant::now(), false);
        if !self.full {
            let flushed = self.file.flush();
            self.look_at(&flushed);
        }
    }

    fn write(&mut self, entry: &TraceEntry) {
        if !self.full {
            let written = self.file.write_all(entry.as_bytes());
            self.look_at(&written);
        }
    }

    /// What the disk refuses ends the trace, not the run: the journal has its own room, and goes on without a trace.
    fn look_at(&mut self, written: &std::io::Result<()>) {
        if let Err(error) = written {
            tracing::warn!(%error, "{}: latencies are not traced any more", self.path.display());
            self.full = true;
        }
    }

    /// Takes all that waits and ends the file.
    pub fn finish(mut self) -> Histogram<u64> {
        while self.poll(RING_ENTRIES) > 0 {}
        self.flush();
        self.receive_to_order
    }
}

/// A histogram of nanoseconds from 1 ns to 100 s with three digits.
///
/// # Errors
/// Never for these bounds; the library asks.
pub fn new_histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 100_000_000_000, 3)
        .map_err(|error| Error::Failed(format!("histogram: {error}")))
}

/// Where the trace of `run` lies.
pub fn path_of(dir: &Path, run: u64) -> PathBuf {
    dir.join(format!("trace-{run:08}.pwt"))
}

/// The entry of event `seq` in the trace of `run`; `None` where it was not traced or there is no trace.
///
/// # Errors
/// Where the file is there and cannot be read, or is no trace.
pub fn find(dir: &Path, run: u64, seq: u64) -> Result<Option<TraceEntry>> {
    let path = path_of(dir, run);
    let complain = |source| Error::File {
        path: path.clone(),
        source,
        mend: "remove the trace: the journal does not need it",
    };
    let mut file = match crate::io::bounded::open_regular(&path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(complain(error)),
    };
    let mut head = [0; HEAD_LEN];
    if fill(&mut file, &mut head).map_err(complain)? < MAGIC.len() || !head.starts_with(MAGIC) {
        return Err(complain(std::io::Error::new(std::io::ErrorKind::InvalidData, "not a trace")));
    }
    let mut bytes = [0; size_of::<TraceEntry>()];
    while fill(&mut file, &mut bytes).map_err(complain)? == bytes.len() {
        let entry: TraceEntry = zerocopy::transmute!(bytes);
        if entry.seq == seq {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Reads until `bytes` is full or the file ends; returns how many were read.
fn fill(file: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
