//! Replay with comparison: every event of a journal decided again, every decision held against the journal's.
//!
//! The journal is a desk's, made in memory from the simulated exchange's market. The floor is reading the same journal to
//! its end, checksums verified, without deciding anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hdrhistogram::Histogram;
use pricewright_strategies::trading::Desk;

use super::tick_to_decision::run_in_memory;
use crate::error::{Error, Result};
use crate::harness::figure::{Goal, Samples, Spec, new_histogram};
use crate::harness::in_memory::{Market, Packets};
use crate::harness::lab::Lab;
use crate::harness::runner::{Bench, Checked};
use crate::harness::tick::market;
use crate::harness::timing::{Stopwatch, on_core};
use crate::journal::Reader;
use crate::replay::verify::{Replay as Replayed, replay};

const READ: &str = "record read, checksum verified";
const REPLAYED: &str = "record replayed and compared (events and their decisions)";

/// ITCH messages behind the journal, and behind the check's.
const MESSAGES: usize = 500_000;
const CHECKED: u64 = 20_000;
/// Records whose mean is a sample: how often a replay says how far it is.
const CHUNK: u64 = 1 << 16;

/// The bench.
#[derive(Debug, Default)]
pub struct Replay {
    /// Journal and what is in it, with the lab's part that it was made for.
    journal: Option<(PathBuf, u64)>,
    events: u64,
    seconds: f64,
}

impl Bench for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn question(&self) -> &'static str {
        "How fast is a journal replayed and compared, decision by decision?"
    }

    fn figures(&self) -> Vec<Spec> {
        vec![
            Spec::batch(READ, CHUNK).per_second("records"),
            Spec::batch(REPLAYED, CHUNK).over(READ).goal(Goal::PerSecond(5e6)).per_second("records"),
        ]
    }

    fn check(&mut self, lab: &Lab) -> Result<Checked> {
        let dir = journal(lab, CHECKED)?;
        let replayed = agreeing(&dir)?;
        lab.remove(&dir)?;
        let facts =
            vec![format!("check: {} events and {} decisions agree", replayed.events, replayed.decisions)];
        Ok(Checked { result: replayed.state_hash.into(), facts })
    }

    fn round(&mut self, lab: &Lab, samples: &mut Samples) -> Result<()> {
        let messages = lab.count(MESSAGES, 4_000) as u64;
        if self.journal.as_ref().is_none_or(|(_, made_for)| *made_for != messages) {
            self.journal = Some((journal(lab, messages)?, messages));
            (self.events, self.seconds) = (0, 0.0);
        }
        let Some((dir, _)) = &self.journal else { return Ok(()) };
        let watch = lab.watch();
        let (place, other) = (dir.clone(), dir.clone());
        samples.add(READ, &on_core(lab.hot(), move || read_all(watch, &place))?)?;
        let (timed, replayed) = on_core(lab.hot(), move || replay_all(watch, &other))?;
        samples.add(REPLAYED, &timed)?;
        self.events += replayed.events;
        self.seconds += replayed.seconds;
        Ok(())
    }

    fn finish(&mut self, lab: &Lab) -> Result<()> {
        self.journal.take().map_or(Ok(()), |(dir, _)| lab.remove(&dir))
    }

    fn learned(&self) -> Vec<String> {
        let rate = self.events as f64 / self.seconds.max(1e-9);
        vec![format!(
            "{:.2} M events a second, their decisions compared and not counted (over the whole replay, opening included)",
            rate / 1e6
        )]
    }
}

/// A journal of the desk over a market of `messages` messages.
fn journal(lab: &Lab, messages: u64) -> Result<PathBuf> {
    let packets = Arc::new(Packets::generate(&Market { seed: lab.seed(), ..market(messages) })?);
    let dir = lab.scratch()?;
    run_in_memory(lab, &packets, &dir)?;
    Ok(dir)
}

fn agreeing(dir: &Path) -> Result<Replayed> {
    held(replay::<Desk>(dir, None, &mut |_| {})?)
}

fn held(replayed: Replayed) -> Result<Replayed> {
    if let Some(divergence) = replayed.divergence {
        return Err(Error::Diverged(format!("the bench's journal does not replay: {divergence:?}")));
    }
    if replayed.clean {
        Ok(replayed)
    } else {
        Err(Error::Failed("the bench's journal did not end well".to_owned()))
    }
}

/// Times records in chunks of [`CHUNK`]; what is left at the end counts where there is no whole chunk.
struct Chunks {
    watch: Stopwatch,
    histogram: Histogram<u64>,
    start: crate::clock::Stamp,
    from: u64,
}

impl Chunks {
    fn new(watch: Stopwatch) -> Result<Self> {
        Ok(Self { watch, histogram: new_histogram()?, start: watch.stamp(), from: 0 })
    }

    #[inline]
    fn at(&mut self, seq: u64) {
        let now = self.watch.stamp();
        self.watch.record_mean(&mut self.histogram, self.start, now, seq - self.from);
        (self.start, self.from) = (now, seq);
    }

    fn end(mut self, seq: u64) -> Histogram<u64> {
        if self.histogram.is_empty() && seq > self.from {
            self.at(seq);
        }
        self.histogram
    }
}

fn read_all(watch: Stopwatch, dir: &Path) -> Result<Histogram<u64>> {
    let mut reader = Reader::open(dir)?;
    let mut chunks = Chunks::new(watch)?;
    let mut last = 0;
    while let Some(record) = reader.next_record()? {
        last = record.header().seq;
        if last.is_multiple_of(CHUNK) {
            chunks.at(last);
        }
    }
    Ok(chunks.end(last))
}

fn replay_all(watch: Stopwatch, dir: &Path) -> Result<(Histogram<u64>, Replayed)> {
    let mut chunks = Chunks::new(watch)?;
    let replayed = held(replay::<Desk>(dir, None, &mut |seq| chunks.at(seq))?)?;
    Ok((chunks.end(replayed.last_seq), replayed))
}
