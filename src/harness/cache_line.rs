//! The floor of everything that crosses threads: one cache line handed to and fro.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;
use hdrhistogram::Histogram;

use super::figure::new_histogram;
use super::timing::{Stopwatch, join, on_core, start_on_core};
use crate::error::Result;

/// Above this median two cores do not share a cache of the last level: near pairs were measured at 130 ns, far ones at
/// 370 ns.
pub const FAR_NS: f64 = 250.0;
/// One in so many rounds at the beginning warms up.
const WARM_UP_PART: u64 = 10;

/// Round trips of one cache line between a thread on core `here` and one on core `there`, with one PAUSE per spin.
///
/// # Errors
/// Where the threads cannot be had.
pub fn ping_pong(watch: Stopwatch, here: usize, there: usize, rounds: usize) -> Result<Histogram<u64>> {
    let rounds = rounds.max(WARM_UP_PART as usize) as u64;
    let ping = Arc::new(CachePadded::new(AtomicU64::new(0)));
    let pong = Arc::new(CachePadded::new(AtomicU64::new(0)));
    let (its_ping, its_pong) = (Arc::clone(&ping), Arc::clone(&pong));
    let other = start_on_core(there, move || {
        for round in 1..=rounds {
            // Acquire and release: each side sees the other's round before it answers.
            while its_ping.load(Ordering::Acquire) != round {
                spin_loop();
            }
            its_pong.store(round, Ordering::Release);
        }
        Ok(())
    })?;
    let histogram = on_core(here, move || {
        let mut histogram = new_histogram()?;
        for round in 1..=rounds {
            let start = watch.stamp();
            ping.store(round, Ordering::Release);
            while pong.load(Ordering::Acquire) != round {
                spin_loop();
            }
            let end = watch.stamp();
            if round > rounds / WARM_UP_PART {
                watch.record(&mut histogram, start, end);
            }
        }
        Ok(histogram)
    });
    join(other)?;
    histogram
}
