//! The journal as the way from one thread to another: one appends, the other tails and answers in a journal of its own.

use std::hint::spin_loop;

use hdrhistogram::Histogram;
use pricewright_core::kernel::{Cell, MAX_CELLS, Nanos};

use super::{open, record_in};
use crate::error::{Error, Result};
use crate::harness::figure::new_histogram;
use crate::harness::lab::Lab;
use crate::harness::suite::records::{laid, order_add};
use crate::harness::timing::{join, on_core, start_on_core};
use crate::journal::{Reader, Writer};

/// One segment takes everything, and all of it is faulted in before: rolls and faults are figures of their own.
const SEGMENT: u64 = 64 << 20;
/// One in so many round trips at the beginning warms up.
const WARM_UP_PART: u64 = 10;

pub(super) fn round_trips(lab: &Lab, rounds: u64) -> Result<Histogram<u64>> {
    let (here, there) = lab.two_cores()?;
    let watch = lab.watch();
    let (out_dir, back_dir) = (lab.scratch()?, lab.scratch()?);
    let (mut out, _out_helper) = open(&out_dir, SEGMENT, SEGMENT)?;
    let (mut back, _back_helper) = open(&back_dir, SEGMENT, SEGMENT)?;
    let (mut arrived, mut answered) = (Reader::open(&out_dir)?, Reader::open(&back_dir)?);
    let cells = laid(&order_add(7));
    let echo = start_on_core(there, move || {
        for _ in 0..rounds {
            next(&mut arrived)?;
            append(&mut back, &cells)?;
        }
        Ok(back.close()?)
    })?;
    let trips = on_core(here, move || {
        let mut histogram = new_histogram()?;
        for round in 0..rounds {
            let start = watch.stamp();
            append(&mut out, &cells)?;
            let seq = next(&mut answered)?;
            let end = watch.stamp();
            if seq != round + 1 {
                return Err(Error::Failed(format!(
                    "record {} came back as {seq}; please report this",
                    round + 1
                )));
            }
            if round >= rounds / WARM_UP_PART {
                watch.record(&mut histogram, start, end);
            }
        }
        out.close()?;
        Ok(histogram)
    });
    let trips = trips?;
    join(echo)?;
    lab.remove(&out_dir)?;
    lab.remove(&back_dir)?;
    Ok(trips)
}

#[inline]
fn append(writer: &mut Writer, cells: &[Cell; MAX_CELLS]) -> Result<()> {
    writer.append(record_in(cells)?, Nanos(1), 0)?;
    Ok(())
}

/// The next record's sequence, spinning until it is there.
#[inline]
fn next(reader: &mut Reader) -> Result<u64> {
    loop {
        if let Some(record) = reader.next_record()? {
            return Ok(record.header().seq);
        }
        spin_loop();
    }
}
