//! Appends one after the other, timed in batches.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;
use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::{Cell, MAX_CELLS, Nanos};

use super::super::floor::REGION;
use super::{open, record_in};
use crate::error::{Error, Result};
use crate::harness::figure::new_histogram;
use crate::harness::timing::{BATCH, Stopwatch};
use crate::journal::{Preallocator, Writer, segment_indices, segment_path};

/// Bytes appended between two turns of the helper: far less than what it faults in ahead.
const RUN_BYTES: u64 = 1 << 20;
/// Segments of the appends.
const SEGMENT: u64 = 64 << 20;
const SMALL_SEGMENT: u64 = 1 << 20;
/// What is faulted in ahead.
const AHEAD: u64 = 8 << 20;
/// Full segments that are kept while more are written.
const KEPT: usize = 2;

/// Whether somebody has faulted the pages in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pages {
    /// The helper, before; untimed.
    There,
    /// Nobody: each append to a new page takes the fault.
    NotThere,
}

/// Appends of one record, over and over.
pub(super) struct Appends {
    pub(super) dir: PathBuf,
    pub(super) cells: [Cell; MAX_CELLS],
    pub(super) count: u64,
    pub(super) pages: Pages,
}

impl Appends {
    pub(super) fn measure(&self, watch: Stopwatch) -> Result<Histogram<u64>> {
        let ahead = if self.pages == Pages::There { AHEAD } else { 0 };
        let (mut writer, mut preallocator) = open(&self.dir, SEGMENT, ahead)?;
        let record = record_in(&self.cells)?;
        let batches_of_run = RUN_BYTES / (record.cells().len() * CELL_LEN) as u64 / BATCH;
        let mut histogram = new_histogram()?;
        let mut failed = 0;
        for batch in 0..(self.count / BATCH).max(8) {
            if self.pages == Pages::There && batch.is_multiple_of(batches_of_run) {
                settle(&self.dir, &mut preallocator)?;
            }
            let start = watch.stamp();
            for _ in 0..BATCH {
                failed += u64::from(black_box(writer.append(record, Nanos(1), 0).is_err()));
            }
            let end = watch.stamp();
            if batch >= 4 {
                watch.record_mean(&mut histogram, start, end, BATCH);
            }
        }
        finish(writer, failed)?;
        Ok(histogram)
    }
}

fn finish(writer: Writer, failed: u64) -> Result<()> {
    writer.close()?;
    if failed > 0 {
        return Err(Error::Failed(format!("{failed} appends were refused; is the disk full?")));
    }
    Ok(())
}

/// The helper's part, and no more segments than are needed.
fn settle(dir: &Path, preallocator: &mut Preallocator) -> Result<()> {
    while preallocator.poll() > 0 {}
    let indices = segment_indices(dir)?;
    for old in indices.iter().rev().skip(KEPT + 2) {
        let path = segment_path(dir, *old);
        std::fs::remove_file(&path).map_err(|source| Error::File {
            path,
            source,
            mend: "remove it by hand",
        })?;
    }
    Ok(())
}

/// The appends that find their segment full and begin the next, which the helper has made; each by itself.
pub(super) fn rolls(watch: Stopwatch, dir: &Path, cells: &[Cell], count: usize) -> Result<Histogram<u64>> {
    let (mut writer, mut preallocator) = open(dir, SMALL_SEGMENT, AHEAD)?;
    let record = record_in(cells)?;
    let mut histogram = new_histogram()?;
    let mut segment = writer.segment_index();
    while histogram.len() < count as u64 {
        settle(dir, &mut preallocator)?;
        for _ in 0..BATCH {
            let start = watch.stamp();
            writer.append(record, Nanos(1), 0)?;
            let end = watch.stamp();
            if writer.segment_index() != segment {
                segment = writer.segment_index();
                watch.record(&mut histogram, start, end);
            }
        }
    }
    finish(writer, 0)?;
    Ok(histogram)
}

/// Copies of 128 bytes, one place after the other of 64 MiB that are there.
pub(super) fn copies_of_two(watch: Stopwatch, count: usize) -> Result<Histogram<u64>> {
    let mut target = vec![1_u8; REGION];
    let histogram = watch.batches(count, |step| copy_two(&mut target, step))?;
    black_box(&target);
    Ok(histogram)
}

/// Copies 128 bytes to the place of `step`.
#[inline]
pub(super) fn copy_two(region: &mut [u8], step: u64) {
    let source = [0xa5_u8; 128];
    let places = (region.len() / 128).max(1) as u64;
    let at = (step % places) as usize * 128;
    if let Some(line) = region.get_mut(at..at + 128) {
        line.copy_from_slice(black_box(&source));
    }
}
