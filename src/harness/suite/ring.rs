//! The ring between two threads, beside the raw cache line that it cannot beat.

use std::hint::{black_box, spin_loop};

use hdrhistogram::Histogram;
use pricewright_core::kernel::{RecordSink as _, SourceId};

use super::floor::copies;
use super::records::order_add;
use crate::error::{Error, Result};
use crate::harness::cache_line::ping_pong;
use crate::harness::figure::{Samples, Spec, new_histogram};
use crate::harness::lab::Lab;
use crate::harness::runner::{Bench, Checked};
use crate::harness::timing::{BATCH, Stopwatch, join, on_core, start_on_core};
use crate::ring::{Consumer, Producer, ring};

const CACHE_LINE: &str = "cache line round trip, two threads";
const ROUND_TRIP: &str = "record of 64 B there and back, two rings, two threads";
const STREAM: &str = "record of 64 B through one ring, two threads, flat out";
const COPY: &str = "copy 64 B, same place (L1)";
const SAME_THREAD: &str = "record of 64 B pushed and taken, same thread";

/// Cells of a ring: as many as a pipeline has.
const CELLS: usize = 1 << 16;
/// Operations of a round.
const TRIPS: usize = 200_000;
const STREAMED: usize = 4_000_000;
const SHORT: usize = 1_000_000;
const CHECKED: u64 = 100_000;
/// One in so many round trips at the beginning warms up.
const WARM_UP_PART: u64 = 10;

/// The bench.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ring;

impl Bench for Ring {
    fn name(&self) -> &'static str {
        "ring"
    }

    fn question(&self) -> &'static str {
        "What does a record cost that crosses from one pinned thread to another?"
    }

    fn figures(&self) -> Vec<Spec> {
        vec![
            Spec::each(CACHE_LINE),
            Spec::each(ROUND_TRIP).over(CACHE_LINE),
            Spec::batch(STREAM, BATCH).over(CACHE_LINE).per_second("records"),
            Spec::batch(COPY, BATCH),
            Spec::batch(SAME_THREAD, BATCH).over(COPY),
        ]
    }

    /// A ring far smaller than what goes through it: everything arrives once and in order.
    fn check(&mut self, _lab: &Lab) -> Result<Checked> {
        let (mut producer, mut consumer) = ring(64);
        let writer = std::thread::Builder::new().name("check".to_owned()).spawn(move || {
            for number in 0..CHECKED {
                while producer.put(&order_add(number), SourceId(1), 0).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let writer = writer.map_err(|error| Error::Failed(format!("no thread for the check: {error}")))?;
        let mut hasher = blake3::Hasher::new();
        let mut taken = 0;
        while taken < CHECKED {
            let Some(record) = consumer.peek() else {
                std::thread::yield_now();
                continue;
            };
            hasher.update(record.payload());
            consumer.advance();
            taken += 1;
        }
        writer.join().map_err(|_| Error::Failed("the check's writer panicked".to_owned()))?;
        let mut expected = blake3::Hasher::new();
        for number in 0..CHECKED {
            expected.update(zerocopy::IntoBytes::as_bytes(&order_add(number)));
        }
        if hasher.finalize() != expected.finalize() {
            return Err(Error::Failed("records came out of the ring changed; please report this".to_owned()));
        }
        let facts = vec![format!("{CHECKED} records crossed threads, each once, whole and in order")];
        Ok(Checked { result: hasher.finalize(), facts })
    }

    fn round(&mut self, lab: &Lab, samples: &mut Samples) -> Result<()> {
        let watch = lab.watch();
        if lab.has_two_cores() {
            let (here, there) = lab.two_cores()?;
            let trips = lab.count(TRIPS, 1_000);
            samples.add(CACHE_LINE, &ping_pong(watch, here, there, trips)?)?;
            samples.add(ROUND_TRIP, &round_trips(watch, here, there, trips as u64)?)?;
            let streamed = lab.count(STREAMED, 16 * BATCH as usize) as u64;
            samples.add(STREAM, &stream(watch, here, there, streamed)?)?;
        }
        let short = lab.count(SHORT, 4_096);
        samples.add(COPY, &on_core(lab.hot(), move || copies(watch, short, 64))?)?;
        samples.add(SAME_THREAD, &on_core(lab.hot(), move || same_thread(watch, short))?)
    }
}

/// Takes the front record, spinning until it is there, and returns its order number.
#[inline]
fn take(consumer: &mut Consumer) -> u64 {
    loop {
        if let Some(record) = consumer.peek() {
            let order = record.get::<pricewright_core::kernel::table::OrderAdd>().map_or(0, |add| add.order);
            consumer.advance();
            return order;
        }
        spin_loop();
    }
}

#[inline]
fn push(producer: &mut Producer, number: u64) {
    while producer.put(&order_add(number), SourceId(1), 0).is_err() {
        spin_loop();
    }
}

fn round_trips(watch: Stopwatch, here: usize, there: usize, rounds: u64) -> Result<Histogram<u64>> {
    let (mut out, mut arrived) = ring(CELLS);
    let (mut back, mut answered) = ring(CELLS);
    let echo = start_on_core(there, move || {
        for _ in 0..rounds {
            let number = take(&mut arrived);
            push(&mut back, number);
        }
        Ok(())
    })?;
    let trips = on_core(here, move || {
        let mut histogram = new_histogram()?;
        for round in 0..rounds {
            let start = watch.stamp();
            push(&mut out, round);
            let number = take(&mut answered);
            let end = watch.stamp();
            if number != round {
                return Err(Error::Failed(format!(
                    "record {round} came back as {number}; please report this"
                )));
            }
            if round >= rounds / WARM_UP_PART {
                watch.record(&mut histogram, start, end);
            }
        }
        Ok(histogram)
    });
    // Where this side failed the other still waits for a record: it is left to the process's end.
    let trips = trips?;
    join(echo)?;
    Ok(trips)
}

fn stream(watch: Stopwatch, here: usize, there: usize, count: u64) -> Result<Histogram<u64>> {
    let (mut producer, mut consumer) = ring(CELLS);
    let writer = start_on_core(there, move || {
        (0..count).for_each(|number| push(&mut producer, number));
        Ok(())
    })?;
    let taken = on_core(here, move || {
        let mut histogram = new_histogram()?;
        let (mut start, mut sum) = (watch.stamp(), 0_u64);
        for number in 0..count {
            sum = sum.wrapping_add(take(&mut consumer) ^ number);
            if (number + 1).is_multiple_of(BATCH) {
                let end = watch.stamp();
                // The first laps find an empty ring and cold lines.
                if number >= count / WARM_UP_PART {
                    watch.record_mean(&mut histogram, start, end, BATCH);
                }
                start = end;
            }
        }
        if sum != 0 {
            return Err(Error::Failed(
                "records came out of the ring in disorder; please report this".to_owned(),
            ));
        }
        Ok(histogram)
    })?;
    join(writer)?;
    Ok(taken)
}

fn same_thread(watch: Stopwatch, count: usize) -> Result<Histogram<u64>> {
    let (mut producer, mut consumer) = ring(CELLS);
    watch.batches(count, |step| {
        push(&mut producer, step);
        black_box(take(&mut consumer));
    })
}
