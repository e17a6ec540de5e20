//! Carries what is committed to the disk and publishes how far that is.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::{Nanos, RecordRef};
use zerocopy::IntoBytes;

use super::device::{Device, SystemDevice};
use super::mark::MarkFile;
use super::target::{Pages, Target};
use super::{Durability, DurablePosition, ram};
use crate::clock::Clock;
use crate::journal::crc::Crc32c;
use crate::journal::error::{Damage, JournalError};
use crate::journal::head::{HEAD_LEN, SealMark};
use crate::journal::lock::JournalLock;
use crate::journal::map::{Block, Flush, PAGE};
use crate::journal::segment::{ReadSegment, segment_path};

/// How often the position on disk is made to survive the machine.
const MARK_EVERY: Duration = Duration::from_secs(1);
/// The greatest durable delay that the histogram tells apart, in ns: 100 s.
const MAX_DELAY: u64 = 100_000_000_000;
/// Records of one step whose delay is taken without growing the list.
const STAMPS: usize = 1 << 14;

/// What a durable writer has done.
#[derive(Clone, Debug)]
pub struct DurableReport {
    /// From a record's stamp to when it was durable, in ns, of every record; empty without [`DurableWriter::measure`].
    pub delay: Histogram<u64>,
    /// Records made durable.
    pub records: u64,
    /// Writes or syncs that were waited for.
    pub writes: u64,
    /// Bytes that they wrote; whole pages.
    pub bytes: u64,
}

/// Makes what the [`crate::journal::Writer`] commits durable. It reads the live segment as any reader does, so it can
/// never slow the writer down, and it blocks on the disk, so it wants a thread of its own.
///
/// Dropped before [`Self::finish`], what is committed and not yet durable is left to the next opening.
#[derive(Debug)]
pub struct DurableWriter {
    dir: PathBuf,
    durability: Durability,
    ram: Option<PathBuf>,
    interval: Duration,
    segment: Segment,
    device: Box<dyn Device>,
    position: DurablePosition,
    mark: MarkFile,
    mark_due: Instant,
    /// When the last sync began, where they come at intervals.
    synced_at: Option<Instant>,
    stamps: Vec<Nanos>,
    clock: Option<MeasuringClock>,
    report: DurableReport,
    crc: Crc32c,
    /// Keeps the directory locked while this may still write into it.
    _lock: JournalLock,
}

struct MeasuringClock(Box<dyn Clock>);

impl std::fmt::Debug for MeasuringClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MeasuringClock")
    }
}

/// What a durable writer is built from.
pub(in crate::journal) struct Parts {
    pub(in crate::journal) dir: PathBuf,
    pub(in crate::journal) durability: Durability,
    pub(in crate::journal) ram: Option<PathBuf>,
    pub(in crate::journal) interval: Duration,
    /// The segment that the writer begins with.
    pub(in crate::journal) index: u64,
    pub(in crate::journal) position: DurablePosition,
    pub(in crate::journal) mark: MarkFile,
    pub(in crate::journal) lock: JournalLock,
}

/// The segment at hand.
#[derive(Debug)]
struct Segment {
    live: ReadSegment,
    target: Bytes,
    /// The begin mark is seen, and durable where the bytes go elsewhere.
    begun: bool,
    /// The seal mark is durable: nothing more comes.
    sealed: bool,
    /// Behind the last record that was taken.
    taken: usize,
    /// Behind the last page that is durable.
    synced: usize,
}

/// How a segment's bytes get to the disk.
#[derive(Debug)]
enum Bytes {
    /// The live segment lies there; it is synced.
    Synced(Flush),
    /// The live segment lies in RAM; it is written.
    Written(Target),
}

/// What one step takes.
#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    records: u64,
    last_seq: u64,
}

impl DurableWriter {
    pub(in crate::journal) fn new(parts: Parts) -> Result<Self, JournalError> {
        let live = ReadSegment::open(&parts.dir, parts.index, None)?;
        let segment = Segment::new(live, &parts)?;
        let delay = Histogram::new_with_bounds(1, MAX_DELAY, 3);
        let delay =
            delay.map_err(|error| JournalError::io(&parts.dir, "measure")(io::Error::other(error)))?;
        Ok(Self {
            segment,
            dir: parts.dir,
            durability: parts.durability,
            ram: parts.ram,
            interval: parts.interval,
            device: Box::new(SystemDevice),
            position: parts.position,
            mark: parts.mark,
            mark_due: Instant::now() + MARK_EVERY,
            synced_at: None,
            stamps: Vec::new(),
            clock: None,
            report: DurableReport { delay, records: 0, writes: 0, bytes: 0 },
            crc: Crc32c::detect(),
            _lock: parts.lock,
        })
    }

    /// Keeps the time from each record's stamp to when it was durable. `clock` must be the one that stamps.
    pub fn measure(&mut self, clock: impl Clock + 'static) {
        self.stamps.reserve(STAMPS);
        self.clock = Some(MeasuringClock(Box::new(clock)));
    }

    /// Puts `device` between the journal and the disk.
    pub fn set_device(&mut self, device: impl Device + 'static) {
        self.device = Box::new(device);
    }

    /// How far the journal is durable.
    pub fn position(&self) -> DurablePosition {
        self.position.clone()
    }

    /// The mode.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// What has been done so far.
    pub fn report(&self) -> &DurableReport {
        &self.report
    }

    /// How the bytes get to the disk, in words for the first screen.
    pub fn describe(&self) -> String {
        match (&self.segment.target, &self.ram) {
            (Bytes::Written(target), Some(ram)) => {
                let how = if target.is_direct() {
                    "with O_DIRECT|O_DSYNC"
                } else {
                    "with O_DSYNC through the page cache (its file system has no O_DIRECT)"
                };
                format!("from {} {how}", ram.display())
            }
            _ => format!("by msync every {} ms", self.interval.as_millis()),
        }
    }

    /// Makes durable what is committed now, as far as one write takes it, and waits for the disk. Returns the records
    /// that became durable; 0 where there was nothing to do, or where it is not yet time for it.
    ///
    /// # Errors
    /// Where the disk fails. That is final: every later call fails too, and the position stays.
    pub fn poll(&mut self) -> Result<u64, JournalError> {
        if self.durability == Durability::Async {
            let now = Instant::now();
            if self.synced_at.is_some_and(|at| now.duration_since(at) < self.interval) {
                return Ok(0);
            }
            self.synced_at = Some(now);
        }
        self.step()
    }

    fn step(&mut self) -> Result<u64, JournalError> {
        if self.position.has_failed() {
            let path = self.dir.clone();
            let source = io::Error::other("the disk failed before");
            return Err(self.not_durable(path, "write on", source));
        }
        self.try_step().map_err(|error| {
            self.position.fail();
            match error {
                // Whatever the disk refuses here, what was promised is said with it.
                JournalError::Io { path, action, source } => self.not_durable(path, action, source),
                error => error,
            }
        })
    }

    fn try_step(&mut self) -> Result<u64, JournalError> {
        if self.segment.sealed && !self.next_segment()? {
            return Ok(0);
        }
        if !self.segment.begun && !self.begin()? {
            return Ok(0);
        }
        // Looked for before the records are: all that the seal covers is then seen.
        let seal = self.segment.live.seal(self.crc)?;
        let batch = self.take()?;
        if batch.records > 0 {
            self.write()?;
            self.publish(batch)?;
        }
        if let Some(seal) = seal.filter(|seal| seal.end == self.segment.taken as u64) {
            self.seal(&seal)?;
        }
        self.sync_mark()?;
        Ok(batch.records)
    }

    /// Takes the committed blocks behind those taken before.
    fn take(&mut self) -> Result<Batch, JournalError> {
        let Self { segment, stamps, clock, .. } = self;
        let mut batch = Batch::default();
        stamps.clear();
        loop {
            let cells = match segment.live.block(segment.taken) {
                Block::Cells(cells) => cells,
                Block::Empty => break,
                Block::Impossible | Block::Outside => {
                    return Err(segment.live.damaged(segment.taken, batch.last_seq + 1, Damage::Length));
                }
            };
            if let Bytes::Written(target) = &mut segment.target
                && !target.take(cells.as_bytes())
            {
                break;
            }
            segment.taken += cells.len() * CELL_LEN;
            let Some(record) = RecordRef::first_of(cells) else { break };
            batch.records += 1;
            batch.last_seq = record.header().seq;
            if clock.is_some() {
                stamps.push(record.header().now);
            }
        }
        Ok(batch)
    }

    /// Waits until everything taken is on the disk.
    fn write(&mut self) -> Result<(), JournalError> {
        let segment = &mut self.segment;
        let device = self.device.as_mut();
        let written = match &mut segment.target {
            Bytes::Written(target) => target.write(device),
            Bytes::Synced(flush) => {
                let (from, to) = (segment.synced, segment.taken);
                segment.synced = to - to % PAGE;
                let synced = device.sync(&mut || flush.range(from, to));
                synced.map(|()| to.next_multiple_of(PAGE) - from)
            }
        };
        self.written(written, if self.ram.is_some() { "write" } else { "sync" })
    }

    fn written(&mut self, written: io::Result<usize>, action: &'static str) -> Result<(), JournalError> {
        match written {
            Ok(bytes) => {
                self.report.writes += 1;
                self.report.bytes += bytes as u64;
                Ok(())
            }
            Err(source) => Err(self.not_durable(self.path(), action, source)),
        }
    }

    fn path(&self) -> PathBuf {
        match &self.segment.target {
            Bytes::Written(target) => target.path().to_path_buf(),
            Bytes::Synced(_) => self.segment.live.path.clone(),
        }
    }

    fn not_durable(&self, path: PathBuf, action: &'static str, source: io::Error) -> JournalError {
        JournalError::NotDurable { path, action, durable: self.position.seq(), source }
    }

    fn publish(&mut self, batch: Batch) -> Result<(), JournalError> {
        self.position.publish(batch.last_seq);
        self.report.records += batch.records;
        if let Some(clock) = &mut self.clock {
            let now = clock.0.now();
            for stamp in &self.stamps {
                let delay = u64::try_from(now.0 - stamp.0).unwrap_or(0);
                self.report.delay.saturating_record(delay);
            }
        }
        let written = self.mark.write(batch.last_seq);
        self.marked(written, "write")
    }

    fn marked(&self, result: io::Result<()>, action: &'static str) -> Result<(), JournalError> {
        result.map_err(|source| self.not_durable(self.mark.path().to_path_buf(), action, source))
    }

    /// Looks for the begin mark and, where the bytes go elsewhere, writes it. False while it is not there.
    fn begin(&mut self) -> Result<bool, JournalError> {
        if self.segment.live.begin(self.crc)?.is_none() {
            return Ok(false);
        }
        self.write_head()?;
        self.segment.begun = true;
        Ok(true)
    }

    /// Brings the head with its marks to the disk; a mapped one goes with the first records.
    fn write_head(&mut self) -> Result<(), JournalError> {
        let Bytes::Written(target) = &mut self.segment.target else { return Ok(()) };
        let mut page = Pages::zeroed(HEAD_LEN);
        self.segment.live.head_page(page.bytes_mut());
        let written = target.write_head(self.device.as_mut(), &page);
        self.written(written, "write")
    }

    /// The segment is full and durable: so is its seal now. Then what RAM had of it goes.
    fn seal(&mut self, seal: &SealMark) -> Result<(), JournalError> {
        match &self.segment.target {
            Bytes::Written(_) => {
                let chained = self.segment.live.is_chained();
                self.write_head()?;
                if let Bytes::Written(target) = &self.segment.target {
                    let cut = target.file().set_len(seal.end + CELL_LEN as u64);
                    cut.map_err(JournalError::io(target.path(), "cut"))?;
                }
                ram::remove(&self.segment.live.path)?;
                // Who commits the chain mark in RAM and then still finds the file there relies on this.
                if !chained && self.segment.live.is_chained() {
                    self.write_head()?;
                }
            }
            Bytes::Synced(flush) => {
                let synced = self.device.sync(&mut || flush.range(0, HEAD_LEN));
                self.written(synced.map(|()| HEAD_LEN), "sync")?;
            }
        }
        self.segment.sealed = true;
        Ok(())
    }

    /// Goes on to the next segment where it has begun. One that has not may still be removed.
    fn next_segment(&mut self) -> Result<bool, JournalError> {
        let index = self.segment.live.head.index + 1;
        let like = &self.segment.live;
        let Some(live) = ReadSegment::open_if_there(&self.dir, index, Some(like))? else { return Ok(false) };
        if live.begin(self.crc)?.is_none() {
            return Ok(false);
        }
        let target = target_for(self.durability, &self.dir, &live)?;
        self.segment = Segment::at_start(live, target);
        Ok(true)
    }

    fn sync_mark(&mut self) -> Result<(), JournalError> {
        let now = Instant::now();
        if now < self.mark_due {
            return Ok(());
        }
        self.mark_due = now + MARK_EVERY;
        let synced = self.mark.sync();
        self.marked(synced, "sync")
    }

    /// True where the last segment that there is was sealed and all of it is durable.
    pub fn is_sealed(&self) -> bool {
        self.segment.sealed
    }

    /// Makes everything durable that is committed, and clears RAM where the journal was closed. Call it when nothing more
    /// is appended.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn finish(&mut self) -> Result<(), JournalError> {
        loop {
            let before = (self.segment.live.head.index, self.segment.sealed);
            let records = self.step()?;
            if records == 0 && before == (self.segment.live.head.index, self.segment.sealed) {
                break;
            }
        }
        let synced = self.mark.sync();
        self.marked(synced, "sync")?;
        match &self.ram {
            Some(ram) if self.segment.sealed => ram::leave(&self.dir, ram),
            _ => Ok(()),
        }
    }
}

fn target_for(durability: Durability, dir: &Path, live: &ReadSegment) -> Result<Bytes, JournalError> {
    if durability.is_in_ram() {
        let path = segment_path(dir, live.head.index);
        Target::open(&path, live.head.records_offset).map(Bytes::Written)
    } else {
        live.to_flush().map(Bytes::Synced)
    }
}

impl Segment {
    fn new(live: ReadSegment, parts: &Parts) -> Result<Self, JournalError> {
        let target = target_for(parts.durability, &parts.dir, &live)?;
        Ok(Self::at_start(live, target))
    }

    fn at_start(live: ReadSegment, target: Bytes) -> Self {
        let taken = live.records_offset();
        Self { live, target, begun: false, sealed: false, taken, synced: 0 }
    }
}
