//! Tick to decision: packet bytes in to order bytes out, in memory, with the journal written.
//!
//! Correctness first: the journal of a small run is replayed, every decision compared, and the state that comes out is
//! the result. Packets arrive back to back, each as soon as the one before is done; a packet's latency runs from its
//! bytes being there to everything that it caused being done, which for an order means: on the wire.

use std::path::Path;
use std::sync::Arc;

use pricewright_strategies::trading::Desk;

use super::floor::{REGION, clock_cost, copies};
use crate::error::{Error, Result};
use crate::harness::figure::{Goal, Samples, Spec, from_nanos};
use crate::harness::in_memory::{InMemory, Latencies, Packets, Setup};
use crate::harness::lab::Lab;
use crate::harness::runner::{Bench, Checked};
use crate::harness::tick::market;
use crate::harness::timing::{BATCH, on_core};
use crate::replay::verify::replay;

const COPY: &str = "copy 64 B, sequential in 64 MiB";
const CLOCK: &str = "clock read, as the sequencer does it";
const ORDERS: &str = "packet that causes an order, bytes in to bytes out";
const PACKETS: &str = "any packet, bytes in to all done";

/// ITCH messages of a round, and of the check.
const MESSAGES: usize = 600_000;
const CHECKED: u64 = 20_000;
/// Of a round's packets, one in so many at the beginning is warm-up.
const WARM_UP_PART: usize = 6;
/// Operations of the floors.
const SHORT: usize = 500_000;

/// The bench.
#[derive(Debug, Default)]
pub struct TickToDecision {
    messages: u64,
    total_ns: u64,
}

impl Bench for TickToDecision {
    fn name(&self) -> &'static str {
        "tick-to-decision"
    }

    fn question(&self) -> &'static str {
        "How long from a packet's bytes to its order's bytes, in memory, one thread, journal and side trace written?"
    }

    fn figures(&self) -> Vec<Spec> {
        vec![
            Spec::batch(COPY, BATCH),
            Spec::batch(CLOCK, BATCH),
            Spec::each(ORDERS).over(COPY).goal(Goal::Nanos(1_000.0, 5_000.0)),
            Spec::each(PACKETS).over(COPY),
        ]
    }

    fn check(&mut self, lab: &Lab) -> Result<Checked> {
        let packets = Arc::new(Packets::generate(&market_of(lab, CHECKED))?);
        let dir = lab.scratch()?;
        run_in_memory(lab, &packets, &dir)?;
        let replayed = replay::<Desk>(&dir, None, &mut |_| {})?;
        lab.remove(&dir)?;
        if let Some(divergence) = replayed.divergence {
            return Err(Error::Diverged(format!("the run's journal does not replay: {divergence:?}")));
        }
        if !replayed.clean {
            return Err(Error::Failed("the run did not end well; please report this".to_owned()));
        }
        let facts =
            vec![format!("replayed: {} events and {} decisions agree", replayed.events, replayed.decisions)];
        Ok(Checked { result: replayed.state_hash.into(), facts })
    }

    fn round(&mut self, lab: &Lab, samples: &mut Samples) -> Result<()> {
        let (watch, short) = (lab.watch(), lab.count(SHORT, 4_096));
        samples.add(COPY, &on_core(lab.hot(), move || copies(watch, short, REGION))?)?;
        samples.add(CLOCK, &on_core(lab.hot(), move || clock_cost(watch, short))?)?;
        let messages = lab.count(MESSAGES, 4_000) as u64;
        let packets = Arc::new(Packets::generate(&market_of(lab, messages))?);
        let dir = lab.scratch()?;
        let latencies = run_in_memory(lab, &packets, &dir)?;
        lab.remove(&dir)?;
        if latencies.orders.is_empty() {
            return Err(Error::Failed("no packet caused an order; please report this".to_owned()));
        }
        samples.add(ORDERS, &from_nanos(&latencies.orders)?)?;
        samples.add(PACKETS, &from_nanos(&latencies.packets)?)?;
        self.messages += packets.messages_from(packets.len() / WARM_UP_PART);
        self.total_ns += latencies.total_ns;
        Ok(())
    }

    fn learned(&self) -> Vec<String> {
        let each = self.total_ns as f64 / self.messages.max(1) as f64;
        vec![format!("{each:.0} ns a message, {:.2} M messages a second", 1e3 / each.max(1.0))]
    }
}

fn market_of(lab: &Lab, messages: u64) -> crate::harness::in_memory::Market {
    crate::harness::in_memory::Market { seed: lab.seed(), ..market(messages) }
}

/// Runs the pipeline on the hot core, its helper on the other, with the journal in the new directory `dir`.
pub(super) fn run_in_memory(lab: &Lab, packets: &Arc<Packets>, dir: &Path) -> Result<Latencies> {
    let setup = Setup { symbols: market(0).symbols, segment_mib: 64, helper_core: Some(lab.other()) };
    let (packets, dir) = (Arc::clone(packets), dir.to_path_buf());
    on_core(lab.hot(), move || {
        let mut pipeline = InMemory::open(&setup, Arc::clone(&packets), &dir)?;
        pipeline.run(packets.len() / WARM_UP_PART);
        pipeline.reset_latencies();
        pipeline.run(packets.len());
        pipeline.end()
    })
}
