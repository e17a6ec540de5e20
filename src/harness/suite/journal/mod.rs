//! The journal: what an append costs, flat out and paced, where its pages are there and where they are not, where a
//! segment ends, and what it costs as the way from one thread to another.
//!
//! Floors: copying the same bytes to memory that is there; for paced appends, the same copy under the same pace; between
//! threads, the raw cache line.

mod append;
mod durable;
mod hop;
mod paced;

use std::path::Path;

use append::{Appends, Pages};

use super::floor::{REGION, copies};
use super::records::{laid, order_add, replace_order};
use crate::error::{Error, Result};
use crate::harness::cache_line::ping_pong;
use crate::harness::figure::{Goal, Samples, Spec};
use crate::harness::lab::Lab;
use crate::harness::runner::{Bench, Checked};
use crate::harness::timing::{BATCH, on_core};
use crate::journal::{Durability, JournalConfig, Preallocator, Reader, RunIdentity, Writer};
use pricewright_core::kernel::{Nanos, RecordRef, SourceId};

const COPY_64: &str = "copy 64 B, sequential in 64 MiB";
const COPY_128: &str = "copy 128 B, sequential in 64 MiB";
const APPEND_64: &str = "append 64 B, flat out, pages there";
const APPEND_128: &str = "append 128 B, flat out, pages there";
const APPEND_COLD: &str = "append 64 B, flat out, pages not there";
const APPEND_ROLL: &str = "append that begins a segment made before";
const PACED_COPY: &str = "paced: copy of 128 B, from the intended time";
const PACED: &str = "paced: append of 128 B, from the intended time";
const PACED_ALONE: &str = "paced: append of 128 B, from its own beginning";
const PACED_ASYNC: &str = "paced, async: append of 128 B, from the intended time";
const PACED_GROUP: &str = "paced, group: append of 128 B, from the intended time";
const BARE_PAGE: &str = "bare write of a page, O_DIRECT|O_DSYNC";
const BARE_SAME: &str = "bare write of as much as group writes at once";
const DELAY_ONE: &str = "group: a record by itself until it is durable";
const DELAY_GROUP: &str = "paced, group: a record until it is durable";
const DELAY_ASYNC: &str = "paced, async: a record until it is durable";
const CACHE_LINE: &str = "cache line round trip, two threads";
const HOP: &str = "journal as a hop: record of 64 B there and back";

/// Operations of a round.
const SHORT: usize = 1_000_000;
const COLD: usize = 100_000;
const ROLLS: usize = 24;
const TRIPS: usize = 100_000;
const CHECKED: u64 = 20_000;

/// The bench.
#[derive(Clone, Copy, Debug, Default)]
pub struct Journal {
    rate: u64,
    stalls: u64,
    bytes: usize,
}

impl Bench for Journal {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn question(&self) -> &'static str {
        "What does it cost to append a record, checksum included?"
    }

    fn figures(&self) -> Vec<Spec> {
        vec![
            Spec::batch(COPY_64, BATCH),
            Spec::batch(COPY_128, BATCH),
            Spec::batch(APPEND_64, BATCH).over(COPY_64).goal(Goal::Ratio(2.0)).per_second("records"),
            Spec::batch(APPEND_128, BATCH).over(COPY_128).per_second("records"),
            Spec::batch(APPEND_COLD, BATCH).over(COPY_64),
            Spec::each(APPEND_ROLL).over(COPY_64),
            Spec::each(PACED_COPY),
            Spec::each(PACED).over(PACED_COPY).goal(Goal::TailRatio(10.0)),
            Spec::each(PACED_ALONE).over(PACED_COPY),
            Spec::each(PACED_ASYNC).over(PACED_COPY),
            Spec::each(PACED_GROUP).over(PACED_COPY).goal(Goal::TailRatio(10.0)),
            Spec::each(BARE_PAGE),
            Spec::each(DELAY_ONE).over(BARE_PAGE).goal(Goal::Ratio(1.2)),
            Spec::each(BARE_SAME),
            Spec::each(DELAY_GROUP).over(BARE_SAME),
            Spec::each(DELAY_ASYNC),
            Spec::each(CACHE_LINE),
            Spec::each(HOP).over(CACHE_LINE).goal(Goal::Ratio(1.3)),
        ]
    }

    fn check(&mut self, lab: &Lab) -> Result<Checked> {
        let dir = lab.scratch()?;
        let (mut writer, _preallocator) = open(&dir, 1 << 20, JournalConfig::default().prefault_ahead)?;
        for number in 0..CHECKED {
            let now = Nanos(1_000 + number as i64);
            writer.append_record(&order_add(lab.seed() ^ number), SourceId(1), 0, now, 0)?;
            writer.append_record(&replace_order(number), SourceId(0), 0, now, 1)?;
        }
        writer.close()?;
        let mut reader = Reader::open(&dir)?;
        let (mut hasher, mut count) = (blake3::Hasher::new(), 0);
        while let Some(record) = reader.next_record()? {
            hasher.update(&record.header().kind.to_le_bytes());
            hasher.update(record.payload());
            count += 1;
        }
        lab.remove(&dir)?;
        if count != 2 * CHECKED {
            return Err(Error::Failed(format!(
                "{count} records were read of {} that were appended; please report this",
                2 * CHECKED
            )));
        }
        let facts = vec![format!("{count} records were read back, checksums right, over many segments")];
        Ok(Checked { result: hasher.finalize(), facts })
    }

    fn round(&mut self, lab: &Lab, samples: &mut Samples) -> Result<()> {
        flat_out(lab, samples)?;
        if !lab.has_two_cores() {
            return Ok(());
        }
        let paced = paced::measure(lab)?;
        samples.add(PACED_COPY, &paced.copies)?;
        samples.add(PACED, &paced.intended)?;
        samples.add(PACED_ALONE, &paced.alone)?;
        (self.rate, self.stalls) = (paced.rate, self.stalls + paced.stalls);
        self.bytes = durable_modes(lab, samples)?;
        let (here, there) = lab.two_cores()?;
        let trips = lab.count(TRIPS, 1_000);
        samples.add(CACHE_LINE, &ping_pong(lab.watch(), here, there, trips)?)?;
        samples.add(HOP, &hop::round_trips(lab, trips as u64)?)
    }

    fn learned(&self) -> Vec<String> {
        vec![format!(
            "paced at {} appends a second; {} segments were not made in time by the helper; group writes {} bytes at once",
            self.rate, self.stalls, self.bytes
        )]
    }
}

fn flat_out(lab: &Lab, samples: &mut Samples) -> Result<()> {
    let (watch, hot) = (lab.watch(), lab.hot());
    let short = lab.count(SHORT, 4_096);
    samples.add(COPY_64, &on_core(hot, move || copies(watch, short, REGION))?)?;
    samples.add(COPY_128, &on_core(hot, move || append::copies_of_two(watch, short))?)?;
    let (one, two) = (laid(&order_add(7)), laid(&replace_order(7)));
    let cold = lab.count(COLD, 4_096);
    let cases = [
        (APPEND_64, one, short, Pages::There),
        (APPEND_128, two, short, Pages::There),
        (APPEND_COLD, one, cold, Pages::NotThere),
    ];
    for (name, cells, count, pages) in cases {
        let dir = lab.scratch()?;
        let appends = Appends { dir: dir.clone(), cells, count: count as u64, pages };
        samples.add(name, &on_core(hot, move || appends.measure(watch))?)?;
        lab.remove(&dir)?;
    }
    let (dir, rolls) = (lab.scratch()?, lab.count(ROLLS, 2));
    let place = dir.clone();
    samples.add(APPEND_ROLL, &on_core(hot, move || append::rolls(watch, &place, &one, rolls))?)?;
    lab.remove(&dir)
}

/// Gives the bytes of a write of mode `group`.
fn durable_modes(lab: &Lab, samples: &mut Samples) -> Result<usize> {
    let pacing = paced::pacing(lab);
    let later = durable::paced(lab, Durability::Async, pacing)?;
    samples.add(PACED_ASYNC, &later.intended)?;
    samples.add(DELAY_ASYNC, &later.delay)?;
    let group = durable::paced(lab, Durability::Group, pacing)?;
    samples.add(PACED_GROUP, &group.intended)?;
    samples.add(DELAY_GROUP, &group.delay)?;
    samples.add(BARE_SAME, &durable::bare_writes(lab, group.bytes)?)?;
    samples.add(BARE_PAGE, &durable::bare_writes(lab, 4096)?)?;
    samples.add(DELAY_ONE, &durable::one_by_one(lab)?)?;
    Ok(group.bytes)
}

/// A new journal in `dir`.
fn open(dir: &Path, segment_size: u64, prefault_ahead: u64) -> Result<(Writer, Preallocator)> {
    let config = JournalConfig { segment_size, prefault_ahead, ..JournalConfig::default() };
    let (writer, preallocator, _) = Writer::open(dir, &config, &RunIdentity::default())?;
    Ok((writer, preallocator))
}

/// The record that lies in `cells`.
fn record_in(cells: &[pricewright_core::kernel::Cell]) -> Result<RecordRef<'_>> {
    RecordRef::first_of(cells).ok_or_else(|| Error::Failed("a record of the bench is none".to_owned()))
}
