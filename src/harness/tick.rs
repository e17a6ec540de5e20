//! Tick to decision: packet bytes in to order bytes out, in memory, with the journal written.
//!
//! Correctness first: the journal that the measured run wrote is replayed, every decision compared, and the state that
//! comes out is the result. Packets arrive back to back, each as soon as the one before is done; a packet's latency runs
//! from its bytes being there to everything that it caused being done, which for an order means: on the wire.

use std::path::Path;
use std::sync::Arc;

use hdrhistogram::Histogram;
use pricewright_strategies::trading::Desk;

use super::floor::{clock_cost, on_core, ping_pong};
use super::in_memory::{InMemory, Latencies, Market, Packets, Setup};
use crate::error::{Error, Result};
use crate::pipeline::cores::Cores;
use crate::replay::verify::replay;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct TickEffort {
    /// ITCH messages in all.
    pub messages: u64,
    /// One of so many packets at the beginning is warm-up.
    pub warm_up_part: usize,
    /// Rounds of the floors.
    pub floor_rounds: usize,
}

impl TickEffort {
    /// Enough to be believed.
    pub const FULL: Self = Self { messages: 1_200_000, warm_up_part: 6, floor_rounds: 200_000 };
    /// Enough to see that it works.
    pub const SMOKE: Self = Self { messages: 20_000, warm_up_part: 4, floor_rounds: 2_000 };
}

/// What was measured.
#[derive(Debug)]
pub struct TickToDecision {
    /// Receive to processed.
    pub latencies: Latencies,
    /// ITCH messages in the measured part.
    pub messages: u64,
    /// Packets in the measured part.
    pub packets: usize,
    /// Events of the whole run, as replayed.
    pub events: u64,
    /// Decisions of the whole run, as replayed.
    pub decisions: u64,
    /// BLAKE3 of the machine's last state: the same for the same seed, on every machine.
    pub state_hash: [u8; 32],
    /// A clock read, in tenths of a nanosecond.
    pub clock: Histogram<u64>,
    /// Round trip of a cache line between two threads, in ns; none on a single core.
    pub ping_pong: Option<Histogram<u64>>,
}

/// The market that is measured on: four shares, 50 000 background commands a second.
pub fn market(messages: u64) -> Market {
    let symbols = ["PRCA", "PRCB", "PRCC", "PRCD"].map(str::to_owned).to_vec();
    Market { seed: 1, rate: 50_000, messages, symbols }
}

/// Runs the pipeline on the last of `cores`, its helper on the first, with the journal in the new directory `dir`.
///
/// # Errors
/// Where the run fails, or its journal does not replay to the same decisions.
pub fn measure(cores: &Cores, effort: TickEffort, dir: &Path) -> Result<TickToDecision> {
    let (hot, other) = (cores.from_end(0), cores.first());
    let ping_pong = if hot == other { None } else { Some(ping_pong(hot, other, effort.floor_rounds)?) };
    let market = market(effort.messages);
    let setup = Setup { symbols: market.symbols.clone(), segment_mib: 64, helper_core: Some(other) };
    let journal = dir.to_path_buf();
    let (latencies, messages, packets, clock) = on_core(hot, move || {
        let clock = clock_cost(effort.floor_rounds)?;
        let packets = Arc::new(Packets::generate(&market)?);
        let mut pipeline = InMemory::open(&setup, Arc::clone(&packets), &journal)?;
        let warm_up = packets.len() / effort.warm_up_part;
        pipeline.run(warm_up);
        pipeline.reset_latencies();
        let taken = pipeline.run(packets.len());
        let latencies = pipeline.end()?;
        Ok((latencies, packets.messages_from(warm_up), taken, clock))
    })?;
    let replayed = replay::<Desk>(dir, None, &mut |_| {})?;
    if let Some(divergence) = replayed.divergence {
        return Err(Error::Diverged(format!("the measured run's journal does not replay: {divergence:?}")));
    }
    if !replayed.clean || latencies.orders.is_empty() {
        return Err(Error::Failed("the measured run did not end well, or sent no order".to_owned()));
    }
    let (events, decisions, state_hash) = (replayed.events, replayed.decisions, replayed.state_hash);
    Ok(TickToDecision { latencies, messages, packets, events, decisions, state_hash, clock, ping_pong })
}
