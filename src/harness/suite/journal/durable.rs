//! What durability costs, and how long it takes: appends at a pace in modes `async` and `group`, the delay until a record
//! is on the disk, and beside it a bare write of as many bytes to a file of the same kind.
//!
//! In mode `sync` an append is the same as in `group`; what differs is that an order leaves only behind the durable
//! position, which is the delay measured here.

use std::hint::spin_loop;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use hdrhistogram::Histogram;

use super::paced::{Pacing, helper};
use super::record_in;
use crate::clock::{Clock as _, TscClock, tsc_clock};
use crate::error::{Error, Result};
use crate::harness::figure::{from_nanos, new_histogram};
use crate::harness::lab::Lab;
use crate::harness::suite::records::{laid, order_add, replace_order};
use crate::harness::timing::{Stopwatch, join, on_core};
use crate::journal::{
    Durability, DurablePosition, DurableReport, DurableThread, JournalConfig, Preallocator, RunIdentity,
    Writer, segment_indices, segment_path,
};

const SEGMENT: u64 = 64 << 20;
/// A page: what disks are written in.
const PAGE: usize = 4096;
/// Bare writes of a round, and records sent by themselves.
const WRITES: usize = 200;
/// Where in a file bare writes begin: behind what opening it has touched.
const WRITES_AT: u64 = 4 << 20;

/// Paced appends in a durable mode.
pub(super) struct Durable {
    /// Appends, from the intended time.
    pub(super) intended: Histogram<u64>,
    /// From a record's stamp to when it was durable.
    pub(super) delay: Histogram<u64>,
    /// Bytes of a write, in the mean; whole pages.
    pub(super) bytes: usize,
}

/// Appends at a pace in mode `durability`.
pub(super) fn paced(lab: &Lab, durability: Durability, pacing: Pacing) -> Result<Durable> {
    let (here, there) = lab.two_cores()?;
    let dir = lab.scratch()?;
    let place = dir.clone();
    let (intended, report) = on_core(here, move || appends(&place, durability, pacing, there))?;
    lab.remove(&dir)?;
    let mean = report.bytes.checked_div(report.writes).unwrap_or(0) as usize;
    let bytes = mean.next_multiple_of(PAGE).clamp(PAGE, 1 << 20);
    Ok(Durable { intended, delay: from_nanos(&report.delay)?, bytes })
}

fn open(dir: &Path, durability: Durability) -> Result<(Writer, Preallocator)> {
    let config = JournalConfig { segment_size: SEGMENT, durability, ..JournalConfig::default() };
    let (writer, preallocator, _) = Writer::open(dir, &config, &RunIdentity::default())?;
    Ok((writer, preallocator))
}

/// A durable thread on core `core` that takes the time by `clock`, and the position that it publishes.
fn durable_thread(
    writer: &mut Writer,
    clock: TscClock,
    core: usize,
) -> Result<(DurablePosition, DurableThread)> {
    let missing = || Error::Failed("the journal has no durable writer; please report this".to_owned());
    let mut durable = writer.take_durable().ok_or_else(missing)?;
    durable.measure(clock);
    let position = durable.position();
    // A thread takes over the cores of who starts it, and this one measures.
    let start = move || {
        DurableThread::spawn(durable)
            .map_err(|error| Error::Failed(format!("no thread for the disk: {error}")))
    };
    Ok((position, on_core(core, start)?))
}

fn appends(
    dir: &Path,
    durability: Durability,
    pacing: Pacing,
    there: usize,
) -> Result<(Histogram<u64>, DurableReport)> {
    let (mut writer, preallocator) = open(dir, durability)?;
    let (mut clock, _calibrator) = tsc_clock(None);
    let (_, disk) = durable_thread(&mut writer, clock.clone(), there)?;
    let stop = std::sync::Arc::default();
    let helper = helper(there, preallocator, std::sync::Arc::clone(&stop))?;
    let cells = laid(&replace_order(7));
    let record = record_in(&cells)?;
    let paced = pacing.run("durable appends", |_| {
        writer.append(record, clock.now(), 0)?;
        Ok(())
    });
    // The helper first: closing cuts the file, and there are no pages to fault in behind its end.
    stop.store(true, std::sync::atomic::Ordering::Release);
    join(helper)?;
    writer.close()?;
    let report = disk.finish()?;
    Ok((paced?.0, report))
}

/// One record at a time in mode `group`: from its append to when the durable position has passed it.
pub(super) fn one_by_one(lab: &Lab) -> Result<Histogram<u64>> {
    let (here, there) = lab.two_cores()?;
    let (watch, count) = (lab.watch(), lab.count(WRITES, 5));
    let dir = lab.scratch()?;
    let place = dir.clone();
    let delays = on_core(here, move || {
        let (mut writer, _preallocator) = open(&place, Durability::Group)?;
        let (mut clock, _calibrator) = tsc_clock(None);
        let (position, disk) = durable_thread(&mut writer, clock.clone(), there)?;
        let cells = laid(&order_add(7));
        let record = record_in(&cells)?;
        let mut histogram = new_histogram()?;
        for _ in 0..count {
            let start = watch.stamp();
            let seq = writer.append(record, clock.now(), 0)?;
            while position.seq() < seq && !position.has_failed() {
                spin_loop();
            }
            watch.record(&mut histogram, start, watch.stamp());
        }
        writer.close()?;
        disk.finish()?;
        Ok(histogram)
    })?;
    lab.remove(&dir)?;
    Ok(delays)
}

/// Bare writes of `bytes` with O_DIRECT|O_DSYNC, one behind the other, into a segment's file that nobody else uses: its
/// blocks are allocated as a journal's are.
pub(super) fn bare_writes(lab: &Lab, bytes: usize) -> Result<Histogram<u64>> {
    let (watch, count) = (lab.watch(), lab.count(WRITES, 5));
    let dir = lab.scratch()?;
    let place = dir.clone();
    let written = on_core(lab.other(), move || write_bare(watch, &place, bytes, count))?;
    lab.remove(&dir)?;
    Ok(written)
}

fn write_bare(watch: Stopwatch, dir: &Path, bytes: usize, count: usize) -> Result<Histogram<u64>> {
    let config = JournalConfig { segment_size: SEGMENT, prefault_ahead: 0, ..JournalConfig::default() };
    // Dropped and not closed, so that the file keeps its size.
    drop(Writer::open(dir, &config, &RunIdentity::default())?);
    let index = segment_indices(dir)?.into_iter().next().unwrap_or(1);
    let path = segment_path(dir, index);
    let complain = |source| Error::File {
        path: path.clone(),
        source,
        mend: "run in a directory whose file system takes O_DIRECT writes",
    };
    let open = |flags| std::fs::OpenOptions::new().write(true).custom_flags(flags).open(&path);
    // A file system in memory has no writes behind the page cache; the journal goes on without them there, too.
    let file = open(libc::O_DIRECT | libc::O_DSYNC).or_else(|_| open(libc::O_DSYNC)).map_err(complain)?;
    let memory = vec![0x5a_u8; bytes + PAGE];
    let aligned = memory.as_ptr().align_offset(PAGE);
    let page = memory.get(aligned..aligned + bytes).unwrap_or(&[]);
    let mut histogram = new_histogram()?;
    let places = (SEGMENT - WRITES_AT) / bytes as u64;
    for number in 0..count as u64 {
        let at = WRITES_AT + number % places * bytes as u64;
        let start = watch.stamp();
        file.write_all_at(page, at).map_err(complain)?;
        watch.record(&mut histogram, start, watch.stamp());
    }
    Ok(histogram)
}
