//! How long a start takes on a journal that is there: from the newest snapshot, and from the beginning.
//!
//! The journal is a shop's: a real machine decides, a real sequencer journals, a real replica follows and takes the
//! snapshots, all on one thread and as fast as they go. It ends as a crash does, [`TAIL`] events behind the last moment
//! the helper could look; so the start has a tail to follow and to chain whose length is not the journal's.
//! Correctness first: each start must come to the state that the machine was in, hash for hash, or it is not measured.
//! The files lie in the page cache, as after the end of a process and unlike after a loss of power; they are on the disk, too,
//! so that no start waits for the writing of gigabytes that the bench has just made.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam::channel::bounded;
use pricewright_core::kernel::table::{Define, Inventory, Purchase};
use pricewright_core::kernel::{
    Column, Driver, EndReason, Machine, Minor, Nanos, Numbers, Record, RecordBuf, RecordSink as _, SourceId,
    Text,
};
use pricewright_strategies::pricing::flash_sale::{Config, FlashSale};
use zerocopy::FromZeros as _;

use crate::clock::ManualClock;
use crate::config::{ConfigText, PipelineConfig};
use crate::error::{Error, Result};
use crate::journal::{Chainer, Preallocator, Reader, segment_path, segments};
use crate::pipeline::core_loop::end_record;
use crate::pipeline::open::{Begun, OpenJournal};
use crate::pipeline::run_control::RunControl;
use crate::pipeline::sequencer::{NoSink, Sequencer};
use crate::pipeline::stage::Stage as _;
use crate::replay::follow::Follower;
use crate::replay::replica::{Parts, Replica, Settings};
use crate::replay::snapshot::dir::{snapshot_path, snapshot_seqs};

/// Events behind the last look of what follows the journal: chain and replica.
pub const TAIL: u64 = 400_000;
/// Records between two snapshots while the journal is made.
const EVERY: u64 = 100_000;
/// Articles of the shop.
const ARTICLES: u32 = 1_000;
/// Pieces of each at the beginning, and after each restock.
const STOCK: i64 = 200_000;
/// Events between two looks of the helper's parts.
const ROUND: u64 = 16_384;
/// Records of a poll of the replica.
const BUDGET: usize = 1 << 16;
const FEED: SourceId = SourceId(1);
const CONFIG: &str = "machine = \"flash_sale\"\n[feed.jsonl]\nstdin = true\nmax_skus = 1000\n[config]\n\
                      currency_decimals = 2\nmax_skus = 1000\npublish = \"on_change\"\n";

/// What was measured on a journal of one length.
#[derive(Clone, Debug)]
pub struct Restarted {
    /// Events in the journal.
    pub events: u64,
    /// Records in it: events, decisions, and the run's own.
    pub records: u64,
    /// Its segments.
    pub segments: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Bytes of the newest snapshot.
    pub snapshot_bytes: u64,
    /// Records behind the snapshot that the start after the crash had to follow.
    pub tail: u64,
    /// The start after a crash: recovery, snapshot, tail.
    pub after_crash: Duration,
    /// The start after a clean stop.
    pub after_stop: Duration,
    /// The start after a crash without any snapshot; `None` where that was not asked for.
    pub whole: Option<Duration>,
    /// BLAKE3 of the machine's state at the crash: the same for the same length, on every machine.
    pub state_hash: [u8; 32],
}

/// Makes a journal of `events` events in the new directory `dir` and starts on it; without snapshots too, where `whole` is
/// said.
///
/// # Errors
/// Where a file system refuses, or a start comes to another state.
pub fn measure(events: u64, whole: bool, dir: &Path) -> Result<Restarted> {
    let config = config(dir)?;
    let state_hash = make(&config, dir, events)?;
    write_back(dir)?;
    let sizes = sizes(dir)?;
    let newest = snapshot_seqs(dir)?.last().copied();
    let newest = newest.ok_or_else(|| Error::Failed("the replica took no snapshot".to_owned()))?;
    let snapshot_bytes = std::fs::metadata(snapshot_path(dir, newest)).map_err(complain(dir))?.len();
    let whole = if whole { Some(without_snapshots(&config, dir, state_hash)?) } else { None };
    let (begun, after_crash) = start(&config, dir, state_hash)?;
    // A clean stop of a run without events, and the start after it.
    let shop = Shop::on(begun, dir, &config)?;
    shop.end()?;
    let (_begun, after_stop) = start(&config, dir, state_hash)?;
    Ok(Restarted {
        events,
        records: sizes.last_seq,
        segments: sizes.segments,
        bytes: sizes.bytes,
        snapshot_bytes,
        tail: sizes.last_seq - newest,
        after_crash,
        after_stop,
        whole,
        state_hash,
    })
}

fn config(dir: &Path) -> Result<PipelineConfig<Config>> {
    let text = ConfigText { path: "restart.toml (built in)".to_owned(), text: CONFIG.to_owned() };
    let mut config = text.pipeline::<FlashSale>()?;
    config.journal.dir = dir.to_path_buf();
    Ok(config)
}

/// Opens the journal, which must come to `state_hash`. Returns how long that took.
fn start(
    config: &PipelineConfig<Config>,
    dir: &Path,
    state_hash: [u8; 32],
) -> Result<(Begun<FlashSale>, Duration)> {
    let start = Instant::now();
    let journal = OpenJournal::open::<FlashSale>(dir, config, false)?;
    let now = journal.last_now().unwrap_or(Nanos(0));
    let begun = journal.begin::<FlashSale>(dir, config, now)?;
    let took = start.elapsed();
    if hash_of(&begun.driver)? != state_hash {
        return Err(Error::Diverged(format!("{}: the start came to another state", dir.display())));
    }
    Ok((begun, took))
}

/// The start with every snapshot out of the way. It changes nothing that a later start sees, but for a run without events.
fn without_snapshots(config: &PipelineConfig<Config>, dir: &Path, state_hash: [u8; 32]) -> Result<Duration> {
    let moved = |path: &Path| -> PathBuf { path.with_extension("moved") };
    let seqs = snapshot_seqs(dir)?;
    for seq in &seqs {
        let path = snapshot_path(dir, *seq);
        std::fs::rename(&path, moved(&path)).map_err(complain(&path))?;
    }
    let (_begun, took) = start(config, dir, state_hash)?;
    for seq in &seqs {
        let path = snapshot_path(dir, *seq);
        std::fs::rename(moved(&path), &path).map_err(complain(&path))?;
    }
    Ok(took)
}

/// Waits until the journal is on the disk.
fn write_back(dir: &Path) -> Result<()> {
    for segment in segments(dir)? {
        let path = segment_path(dir, segment.index);
        std::fs::File::open(&path).and_then(|file| file.sync_all()).map_err(complain(&path))?;
    }
    Ok(())
}

struct Sizes {
    last_seq: u64,
    segments: usize,
    bytes: u64,
}

fn sizes(dir: &Path) -> Result<Sizes> {
    let found = segments(dir)?;
    let mut bytes = 0;
    for segment in &found {
        let path = segment_path(dir, segment.index);
        bytes += std::fs::metadata(&path).map_err(complain(&path))?.len();
    }
    let last_seq = Reader::from_end(dir)?.next_seq().saturating_sub(1);
    Ok(Sizes { last_seq, segments: found.len(), bytes })
}

/// The journal of a shop with `events` events, ended by a crash. Returns the hash of the machine's state there.
fn make(config: &PipelineConfig<Config>, dir: &Path, events: u64) -> Result<[u8; 32]> {
    let begun =
        OpenJournal::open::<FlashSale>(dir, config, false)?.begin::<FlashSale>(dir, config, Nanos(1))?;
    let mut shop = Shop::on(begun, dir, config)?;
    for sku in 0..ARTICLES {
        let text = Text::excerpt(&format!("SKU-{sku}"));
        shop.offer(&Define { id: sku, column: Column::SKU, source: FEED, text })?;
        shop.restock(sku)?;
    }
    let watched = events.saturating_sub(TAIL).max(events / 2);
    while shop.sequencer.counts().0 < events {
        shop.sell()?;
        let done = shop.sequencer.counts().0;
        if done.is_multiple_of(ROUND) {
            shop.preallocator.poll();
            if done < watched {
                shop.follow()?;
            }
        }
    }
    hash_of(shop.sequencer.driver())
}

/// A run with everything that a live one has behind its sequencer.
struct Shop {
    sequencer: Sequencer<FlashSale>,
    preallocator: Preallocator,
    chainer: Option<Chainer>,
    replica: Replica<FlashSale, ManualClock>,
    control: RunControl,
    buffer: RecordBuf,
    stock: Vec<i64>,
    numbers: Numbers,
}

impl Shop {
    fn on(begun: Begun<FlashSale>, dir: &Path, config: &PipelineConfig<Config>) -> Result<Self> {
        let failed = |error: pricewright_core::kernel::SnapshotError| Error::Failed(error.to_string());
        let state = begun.driver.snapshot().map_err(failed)?;
        let second = Driver::<FlashSale>::restore(&config.config, &state).map_err(failed)?;
        let control = RunControl::default();
        let (commands, _nobody_listens) = bounded(1);
        let parts = Parts {
            dir: dir.to_path_buf(),
            reader: Reader::from_seq(dir, begun.writer.last_seq() + 1)?,
            follower: Some(Follower::resumed(second, begun.progress)),
            progress: begun.progress,
            resume: begun.resume,
            identity: begun.identity,
            config: begun.canonical,
            run: begun.writer.run(),
            settings: Settings {
                compare: true,
                every_records: EVERY,
                every: Duration::from_secs(3600),
                keep: 3,
            },
            commands,
            control: control.clone(),
        };
        let (replica, _watch) = Replica::new(parts, ManualClock::new(Nanos(0)))?;
        Ok(Self {
            sequencer: Sequencer::new(begun.driver, begun.writer, None),
            preallocator: begun.preallocator,
            chainer: begun.chainer,
            replica,
            control,
            buffer: RecordBuf::with_capacity(16),
            stock: vec![0; ARTICLES as usize],
            numbers: Numbers::new(1),
        })
    }

    /// What a helper does behind the writer: the chain, and the replica with its snapshots.
    fn follow(&mut self) -> Result<()> {
        if let Some(chainer) = &mut self.chainer {
            chainer.catch_up()?;
        }
        while self.replica.poll(BUDGET) > 0 {}
        Ok(())
    }

    fn offer<R: Record>(&mut self, event: &R) -> Result<()> {
        self.buffer.clear();
        // A buffer that grows refuses nothing.
        let _room = self.buffer.put(event, FEED, 0);
        let now = Nanos(self.sequencer.journal().last_now().0 + 500);
        for record in self.buffer.iter() {
            self.sequencer.ingest(now, record, &mut NoSink)?;
        }
        Ok(())
    }

    fn restock(&mut self, sku: u32) -> Result<()> {
        if let Some(stock) = self.stock.get_mut(sku as usize) {
            *stock = STOCK;
        }
        let base = Minor(10_000 + i64::from(sku));
        let (initial, stock) = (STOCK, STOCK);
        self.offer(&Inventory { base, initial, stock, sku, source: FEED, ..Inventory::new_zeroed() })
    }

    /// One event: a purchase of one to four pieces, or new stock where there is none.
    fn sell(&mut self) -> Result<()> {
        let sku = self.numbers.below(u64::from(ARTICLES)) as u32;
        let qty = 1 + self.numbers.below(4) as i64;
        let Some(stock) = self.stock.get_mut(sku as usize).filter(|stock| **stock >= qty) else {
            return self.restock(sku);
        };
        *stock -= qty;
        self.offer(&Purchase { qty, sku, source: FEED, ..Purchase::new_zeroed() })
    }

    /// Ends the run cleanly, with its snapshot.
    fn end(mut self) -> Result<()> {
        let end = end_record(self.sequencer.driver(), self.sequencer.counts(), EndReason::OPERATOR)?;
        let state = self.sequencer.driver().snapshot().map_err(|error| Error::Failed(error.to_string()))?;
        self.control.leave_state(state);
        let now = self.sequencer.journal().last_now();
        self.sequencer.append_system(now, &end)?;
        self.sequencer.into_journal().close()?;
        if let Some(chainer) = &mut self.chainer {
            chainer.catch_up()?;
        }
        self.replica.close();
        Ok(())
    }
}

fn hash_of<M: Machine>(driver: &Driver<M>) -> Result<[u8; 32]> {
    driver.state_hash().map_err(|error| Error::Failed(error.to_string()))
}

fn complain(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::File {
        path: path.to_path_buf(),
        source,
        mend: "the bench needs room and write access there",
    }
}

#[cfg(test)]
mod tests;
