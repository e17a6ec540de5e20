//! Journals for tests: real machines, real decisions.

use std::path::Path;
use std::sync::Arc;

use pricewright_core::kernel::machine::{read_state, write_state};
use pricewright_core::kernel::table::{Define, Inventory, Operator, Purchase, Rejected};
use pricewright_core::kernel::{
    Column, EndReason, EventRef, Machine, Minor, Nanos, OperatorCommand, Outbox, Probe, Record, RecordBuf,
    RecordSink as _, SnapshotError, SourceId, Text,
};
use pricewright_strategies::pricing::flash_sale::FlashSale;
use quickcheck::{Arbitrary as _, Gen};
use serde::{Deserialize, Serialize};
use zerocopy::FromZeros as _;

use super::follow::Progress;
use super::snapshot::Identity;
use crate::config::{ConfigText, PipelineConfig};
use crate::harness::in_memory::{InMemory, Market, Packets, Setup};
use crate::journal::Preallocator;
use crate::pipeline::core_loop::end_record;
use crate::pipeline::open::{OpenJournal, Opening};
use crate::pipeline::resume::Resume;
use crate::pipeline::sequencer::{NoSink, Sequencer};

const FEED: SourceId = SourceId(1);
const SKUS: u32 = 12;

pub(crate) fn sale_config(dir: &Path) -> PipelineConfig<<FlashSale as Machine>::Config> {
    let text = format!(
        "machine = \"flash_sale\"\n[journal]\ndir = {:?}\nsegment_mib = 1\n[feed.jsonl]\nstdin = true\n[config]\n\
         currency_decimals = 2\n",
        dir.display().to_string()
    );
    ConfigText { path: "test.toml".to_owned(), text }.pipeline::<FlashSale>().expect("good")
}

/// A shop's journal in `dir` of `runs` clean runs with `events` random events each.
pub(crate) fn sale(dir: &Path, events: u64, runs: u64, random: &mut Gen) {
    let config = sale_config(dir);
    for run in 1..=runs {
        let journal = OpenJournal::open::<FlashSale>(dir, &config, false).expect("opened");
        let now = Nanos(run as i64 * 1_000_000_000);
        let begun = journal.begin::<FlashSale>(dir, &config, now).expect("begun");
        let mut sequencer = Sequencer::new(begun.driver, begun.writer, None);
        if run == 1 {
            (0..SKUS).for_each(|sku| offer(&mut sequencer, &define(sku)));
        }
        for position in 0..events {
            random_event(&mut sequencer, position, random);
        }
        let end = end_record(sequencer.driver(), sequencer.counts(), EndReason::OPERATOR).expect("an end");
        sequencer.append_system(sequencer.now(), &end).expect("room");
        sequencer.into_journal().close().expect("sealed");
    }
}

fn random_event(sequencer: &mut Sequencer<FlashSale>, position: u64, random: &mut Gen) {
    let number = |random: &mut Gen, below: u64| u64::arbitrary(random) % below;
    let sku = number(random, u64::from(SKUS) + 1) as u32;
    if number(random, 8) == 0 {
        let initial = 1 + number(random, 500) as i64;
        let inventory = Inventory {
            base: Minor(number(random, 10_000) as i64),
            initial,
            stock: initial,
            sku,
            source: FEED,
            position,
            ..Inventory::new_zeroed()
        };
        offer(sequencer, &inventory);
    } else {
        let qty = number(random, 6) as i64;
        offer(sequencer, &Purchase { qty, sku, source: FEED, position, ..Purchase::new_zeroed() });
    }
    if number(random, 50) == 0 {
        let command = OperatorCommand::STORAGE_OK;
        offer(sequencer, &Operator::says("test", command, 0));
    }
}

fn define(id: u32) -> Define {
    Define { id, column: Column::SKU, source: FEED, text: Text::excerpt(&format!("SKU-{id}")) }
}

pub(crate) fn offer<M: Machine, R: Record>(sequencer: &mut Sequencer<M>, event: &R) {
    let mut buffer = RecordBuf::default();
    buffer.put(event, FEED, 0).expect("room");
    let now = Nanos(sequencer.journal().last_now().0 + 1_000);
    buffer.iter().for_each(|record| {
        sequencer.ingest(now, record, &mut NoSink).expect("taken");
    });
}

/// A desk's journal in the new directory `dir`: a session in memory of so many ITCH messages, with orders and fills.
pub(crate) fn desk_session(dir: &Path, messages: u64) {
    let symbols = vec!["PRCA".to_owned(), "PRCB".to_owned()];
    let market = Market { seed: 11, rate: 20_000, messages, symbols: symbols.clone() };
    let packets = Arc::new(Packets::generate(&market).expect("packets"));
    let setup = Setup { symbols, segment_mib: 1, helper_core: None };
    let mut session = InMemory::open(&setup, Arc::clone(&packets), dir).expect("opened");
    session.run(packets.len());
    session.end().expect("a clean end");
}

/// Answers each purchase with a dead letter that counts purchases. What it does otherwise depends on its build:
///
/// | build | |
/// | --- | --- |
/// | 1 | panics at 13 pieces |
/// | 2 | counts 7 pieces twice |
/// | 3 | is not deterministic: an instance that was restored counts 7 pieces twice |
/// | others | are without fault |
#[derive(Debug)]
pub(crate) struct Counter<const BUILD: u32> {
    seen: u64,
    restored: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CounterConfig {
    /// Added to the first count.
    #[serde(default)]
    pub(crate) first: u64,
}

impl<const BUILD: u32> Machine for Counter<BUILD> {
    type Config = CounterConfig;
    const NAME: &'static str = "counter";

    fn new(config: &CounterConfig) -> Result<Self, String> {
        Ok(Self { seen: config.first, restored: false })
    }

    fn on_event<P: Probe>(&mut self, _now: Nanos, event: EventRef<'_>, out: &mut Outbox, _probe: &mut P) {
        let EventRef::Purchase(purchase) = event else { return };
        assert!(BUILD != 1 || purchase.qty != 13, "thirteen pieces");
        let twice = purchase.qty == 7 && (BUILD == 2 || BUILD == 3 && self.restored);
        self.seen += if twice { 2 } else { 1 };
        out.emit(SourceId(0), &Rejected { position: self.seen, ..Rejected::new_zeroed() });
        // Timers are a part of the state, too.
        out.arm(1, Nanos(i64::MAX - self.seen as i64));
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), SnapshotError> {
        write_state(&self.seen, bytes)
    }

    fn restore(_config: &CounterConfig, bytes: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self { seen: read_state(bytes)?, restored: true })
    }
}

/// A run of a counter.
pub(crate) struct Session<const BUILD: u32> {
    pub(crate) sequencer: Sequencer<Counter<BUILD>>,
    pub(crate) begun: Aside,
}

/// What a run knows besides its sequencer.
pub(crate) struct Aside {
    pub(crate) resume: Resume,
    pub(crate) progress: Progress,
    pub(crate) identity: Identity,
    pub(crate) canonical: String,
    pub(crate) recovered: Option<String>,
    pub(crate) first_seq: u64,
    _preallocator: Preallocator,
}

pub(crate) fn counter_config<const BUILD: u32>(dir: &Path) -> PipelineConfig<CounterConfig> {
    let text = format!(
        "machine = \"counter\"\n[journal]\ndir = {:?}\nsegment_mib = 1\n[feed.jsonl]\nstdin = true\n[config]\n",
        dir.display().to_string()
    );
    ConfigText { path: "test.toml".to_owned(), text }.pipeline::<Counter<BUILD>>().expect("good")
}

impl<const BUILD: u32> Session<BUILD> {
    /// Opens the journal in `dir` as the build of this number.
    pub(crate) fn open(dir: &Path, accept_divergence: bool) -> crate::Result<Self> {
        let config = counter_config::<BUILD>(dir);
        let build_hash = Some([BUILD as u8; 32]);
        let opening = Opening { accept_divergence, build_hash, ..Opening::default() };
        let journal = OpenJournal::open_with::<Counter<BUILD>>(dir, &config, &opening)?;
        let begun = journal.begin::<Counter<BUILD>>(dir, &config, Nanos(1))?;
        let begun_at = begun.writer.last_seq();
        let sequencer = Sequencer::new(begun.driver, begun.writer, None);
        let begun = Aside {
            resume: begun.resume,
            progress: begun.progress,
            identity: begun.identity,
            canonical: begun.canonical,
            recovered: begun.recovered,
            first_seq: begun_at + 1,
            _preallocator: begun.preallocator,
        };
        Ok(Self { sequencer, begun })
    }

    /// Sells so many pieces each.
    pub(crate) fn sell(&mut self, pieces: &[i64]) {
        for qty in pieces {
            offer(&mut self.sequencer, &Purchase { qty: *qty, ..Purchase::new_zeroed() });
        }
    }

    /// Ends it cleanly. Returns the last state.
    pub(crate) fn end(mut self) -> Vec<u8> {
        let end = end_record(self.sequencer.driver(), self.sequencer.counts(), EndReason::OPERATOR)
            .expect("an end");
        let state = self.sequencer.driver().snapshot().expect("a state");
        let now = self.sequencer.journal().last_now();
        self.sequencer.append_system(now, &end).expect("room");
        self.sequencer.into_journal().close().expect("sealed");
        state
    }

    /// How many purchases it has counted.
    pub(crate) fn seen(&self) -> u64 {
        self.sequencer.driver().machine().seen
    }
}
