//! The whole desk in memory: packet bytes in, order bytes out, everything between them real.
//!
//! ```text
//!  packets ─► MarketData ─► CoreLoop ─► Sequencer ─► journal ─► Desk ─► OrderEntry ─► wire ─► venue
//!  (made before)                ▲                                                               │
//!                               └───────────────────────── answers ─────────────────────────────┘
//! ```
//!
//! The stage is the one that runs live ([`FusedStage`]), the journal lies in real files that a helper thread prepares,
//! the side trace is written. Only the ends are memory, and the stamps come from a manual clock that stands at each
//! packet's time, so that the same seed gives the same journal and the same state, whatever the machine. The real clock
//! is read beside it, so that nothing that costs time live is missing.

mod gateway;
mod packets;
mod venue;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hdrhistogram::Histogram;
use pricewright_core::kernel::table::Operator;
use pricewright_core::kernel::{Machine as _, Nanos, OperatorCommand, RecordSink};
use pricewright_feeds::nasdaq::SessionDay;
use pricewright_feeds::nasdaq::itch::market;
use pricewright_feeds::nasdaq::market_data::{MarketData, MarketDataConfig};
use pricewright_feeds::nasdaq::moldudp64::ReceiverConfig;
use pricewright_strategies::trading::{Desk, DeskConfig};

use crate::clock::{Clock, ManualClock, TscClock, tsc_clock};
use crate::config::{ConfigText, PipelineConfig};
use crate::edges::instruments::instruments;
use crate::error::{Error, Result};
use crate::io::wait::nap;
use crate::journal::{Storage, StorageWatch};
use crate::pipeline::clock_keeper::ClockKeeper;
use crate::pipeline::core_loop::CoreLoop;
use crate::pipeline::edge::Feed;
use crate::pipeline::fused::FusedStage;
use crate::pipeline::helper::{HelperParts, HelperStage};
use crate::pipeline::open::OpenJournal;
use crate::pipeline::run_control::RunControl;
use crate::pipeline::sequencer::Sequencer;
use crate::pipeline::stage::Stage as _;
use crate::pipeline::topology::FEED_SOURCE;
use crate::telemetry::trace::{TraceWriter, Tracer, new_histogram};

pub use gateway::{BytesOut, MemoryGateway};
pub use packets::{Market, OPENING, Packets};
pub(in crate::harness) use venue::{Heard, Venue};

/// The configuration that the desk's limits and parameters are taken from.
pub(in crate::harness) const DESK_TOML: &str = include_str!("../../strategies/trading/desk.toml");
const DAY: i64 = 86_400_000_000_000;
/// Turns between two waits for the helper, so that it has faulted in what they write.
const SETTLE_EVERY: usize = 512;
/// Cells that the journal has room for before a packet is taken: far more than any packet and its decisions become.
const PACKET_CELLS: usize = 1024;
/// Of so many packets, one is lost on line A and comes on line B alone.
const LOST_ON_A: usize = 97;
/// How long the helper sleeps where there is nothing to do.
const HELPER_NAP: Duration = Duration::from_micros(20);
/// Who ends a run whose journal has no room.
const STORAGE: &str = "storage";
/// How much later it is at each turn after the last packet.
const AFTERWARDS: Nanos = Nanos::from_millis(1);

/// Stamps by the packets' time, and reads the live clock besides, because that is what a stamp costs.
#[derive(Clone, Debug)]
pub struct PacedClock {
    shown: ManualClock,
    live: TscClock,
}

impl Clock for PacedClock {
    #[inline]
    fn now(&mut self) -> Nanos {
        std::hint::black_box(self.live.now());
        self.shown.now()
    }
}

/// Receive to processed, by the live clock, in ns.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// Of packets that caused an order to leave.
    pub orders: Histogram<u64>,
    /// Of all packets.
    pub packets: Histogram<u64>,
    /// The sum over all packets.
    pub total_ns: u64,
}

impl Latencies {
    fn new() -> Result<Self> {
        Ok(Self { orders: new_histogram()?, packets: new_histogram()?, total_ns: 0 })
    }
}

/// Market data from memory, on two lines.
#[derive(Debug)]
pub struct MemoryFeed {
    market: MarketData,
    packets: Arc<Packets>,
    next: usize,
    shown: ManualClock,
    live: TscClock,
    out: BytesOut,
    latencies: Latencies,
}

impl MemoryFeed {
    /// Packets offered so far.
    pub fn position(&self) -> usize {
        self.next
    }

    /// The decoder, for its counters.
    pub fn market(&self) -> &MarketData {
        &self.market
    }

    fn offer<S: RecordSink>(&mut self, sink: &mut S) -> Option<()> {
        let (at, bytes) = self.packets.get(self.next)?;
        self.shown.set(at);
        // Line A brings almost everything, line B everything: whichever is second changes nothing.
        let first = u16::from(self.next.is_multiple_of(LOST_ON_A));
        let sent = self.out.get();
        let start = self.live.now();
        // `InMemory::run` saw to the room, so that a sink on the same thread refuses only after a failure, which the stage reports.
        let _refused_after_failure = self.market.on_packet(first, bytes, at, sink);
        let took = u64::try_from((self.live.now() - start).0).unwrap_or(0);
        if first == 0 {
            let _seen_before = self.market.on_packet(1, bytes, at, sink);
        }
        self.market.on_poll(at, sink);
        self.next += 1;
        self.latencies.packets.saturating_record(took);
        self.latencies.total_ns += took;
        if self.out.get() > sent {
            self.latencies.orders.saturating_record(took);
        }
        Some(())
    }
}

impl Feed for MemoryFeed {
    fn poll<C: Clock, S: RecordSink>(
        &mut self,
        _clock: &mut C,
        sink: &mut S,
        _budget: usize,
    ) -> Result<usize> {
        if self.offer(sink).is_some() {
            return Ok(1);
        }
        self.shown.advance(AFTERWARDS);
        Ok(0)
    }

    fn ended(&self) -> bool {
        self.next >= self.packets.len()
    }
}

/// The helper's thread, and how the hot thread knows that it is done.
#[derive(Debug)]
struct Helper {
    idle_turns: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    /// Runs `stage` on a thread of its own. Storage that runs short ends the run: a desk that takes no new risk for want of
    /// room decides less than the same seed does elsewhere.
    fn start(
        mut stage: HelperStage,
        storage: StorageWatch,
        control: RunControl,
        core: Option<usize>,
    ) -> Result<Self> {
        let (idle_turns, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (idle, stopped) = (Arc::clone(&idle_turns), Arc::clone(&stop));
        let body = move || {
            if let Some(id) = core {
                core_affinity::set_for_current(core_affinity::CoreId { id });
            }
            while !stopped.load(Ordering::Acquire) {
                let rests = stage.poll(1) == 0;
                if storage.storage() == Storage::Low && !control.failed() {
                    let said = format!("not the whole run was measured: {}", stage.complaint());
                    control.fail(STORAGE, &Error::Failed(said));
                }
                if rests {
                    // Release: partner of the acquire in `settle`.
                    idle.fetch_add(1, Ordering::Release);
                    nap(HELPER_NAP);
                }
            }
            stage.close();
        };
        let thread = std::thread::Builder::new().name("helper".to_owned()).spawn(body);
        let thread = thread.map_err(|error| Error::Failed(format!("no thread for the helper: {error}")))?;
        Ok(Self { idle_turns, stop, thread: Some(thread) })
    }

    /// Spins until the helper has found nothing to do in a whole turn that began after now.
    fn settle(&self) {
        let before = self.idle_turns.load(Ordering::Acquire);
        // The first may have begun before; the second has not.
        while self.idle_turns.load(Ordering::Acquire) < before + 2 {
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return;
            }
            std::hint::spin_loop();
        }
    }

    fn end(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Release);
        let joined = self.thread.take().map_or(Ok(()), JoinHandle::join);
        joined.map_err(|_| Error::Failed("the helper panicked; please report this".to_owned()))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// How a pipeline in memory is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What is traded: the symbols of the packets.
    pub symbols: Vec<String>,
    /// Size of the journal's segments in MiB.
    pub segment_mib: u32,
    /// The core of the helper; none leaves it where it is.
    pub helper_core: Option<usize>,
}

/// The pipeline, run by whoever calls [`Self::run`].
pub struct InMemory {
    stage: FusedStage<Desk, MemoryFeed, MemoryGateway, PacedClock>,
    helper: Helper,
    control: RunControl,
    packets: Arc<Packets>,
}

impl InMemory {
    /// Opens a new journal in `dir`, starts the helper and puts everything together.
    ///
    /// # Errors
    /// Where the journal or the configuration refuse.
    pub fn open(setup: &Setup, packets: Arc<Packets>, dir: &Path) -> Result<Self> {
        let config = config(setup)?;
        let shown = ManualClock::new(OPENING);
        let (live, calibrator) = tsc_clock(None);
        let begun = OpenJournal::open::<Desk>(dir, &config, false)?.begin::<Desk>(dir, &config, OPENING)?;
        let (tracer, drain) = Tracer::channel();
        let control = RunControl::default();
        let storage = begun.preallocator.watch();
        let parts = HelperParts {
            preallocator: begun.preallocator,
            chainer: begun.chainer,
            clock: Some(ClockKeeper::new(calibrator, None)),
            trace: Some(TraceWriter::create(dir, begun.writer.run(), drain)?),
            tail: None,
            tailers: Vec::new(),
            replica: None,
        };
        let (helper, _report) = HelperStage::new(parts, control.clone());
        let units = Desk::units(&config.config);
        let day_start_ns = OPENING.0 - OPENING.0.rem_euclid(DAY);
        let gateway = MemoryGateway::new(instruments(&units)?, day_start_ns, OPENING)?;
        let market = MarketData::new(MarketDataConfig {
            source: FEED_SOURCE,
            instruments: instruments(&units)?,
            day: SessionDay::fixed(day_start_ns),
            receiver: ReceiverConfig { lines: 2, ..ReceiverConfig::default() },
            sessions: Vec::new(),
            market: market::NASDAQ,
            resume: None,
            recovery: None,
            lost: Vec::new(),
        })
        .map_err(|error| Error::Usage(format!("instruments: {error}")))?;
        let feed = MemoryFeed {
            market,
            packets: Arc::clone(&packets),
            next: 0,
            shown: shown.clone(),
            live: live.clone(),
            out: gateway.bytes_out(),
            latencies: Latencies::new()?,
        };
        let clock = PacedClock { shown, live };
        let (commands, received) = crossbeam::channel::bounded(4);
        let start = Operator::says("pricewright", OperatorCommand::START, 0);
        commands.try_send(start.into()).map_err(|_| Error::Failed("the command queue is full".to_owned()))?;
        let sequencer = Sequencer::new(begun.driver, begun.writer, Some(tracer));
        let core = CoreLoop::new(sequencer, gateway, clock.clone(), received);
        let stage = FusedStage::new(feed, clock, core, control.clone());
        let helper = Helper::start(helper, storage, control.clone(), setup.helper_core)?;
        Ok(Self { stage, helper, control, packets })
    }

    /// Takes up to `count` packets, one a turn. Returns how many were taken: fewer where they come to an end, or where a
    /// failure stopped the run. Where the helper is late nothing is polled until it has made room: a turn more would be a
    /// turn at another time, and a packet without room would be a gap.
    pub fn run(&mut self, count: usize) -> usize {
        let first = self.stage.feed().position();
        let last = (first + count).min(self.packets.len());
        while self.stage.feed().position() < last && !self.control.threads().stop_requested() {
            if self.stage.feed().position().is_multiple_of(SETTLE_EVERY) {
                self.helper.settle();
            }
            if self.stage.room() < PACKET_CELLS {
                self.helper.settle();
                continue;
            }
            self.stage.poll(1);
        }
        self.stage.feed().position() - first
    }

    /// The feed, for its counters.
    pub fn feed(&self) -> &MemoryFeed {
        self.stage.feed()
    }

    /// Forgets the latencies so far: the warm-up is over.
    pub fn reset_latencies(&mut self) {
        let latencies = &mut self.stage.feed_mut().latencies;
        latencies.orders.reset();
        latencies.packets.reset();
        latencies.total_ns = 0;
    }

    /// Ends the run as a live one ends: orders cancelled, state hash journalled, journal sealed.
    ///
    /// # Errors
    /// The failure that stopped the run, where one did; packets that the decoder never got.
    pub fn end(mut self) -> Result<Latencies> {
        self.control.stop(pricewright_core::kernel::EndReason::END_OF_INPUT);
        self.stage.close();
        self.helper.end()?;
        let gaps = self.stage.feed().market().line_counters().gaps;
        match self.control.threads().failure() {
            Some(failure) => Err(Error::Failed(failure.to_string())),
            None if gaps > 0 => {
                Err(Error::Failed(format!("{gaps} gaps in a feed that loses nothing; please report this")))
            }
            None => Ok(self.stage.feed().latencies.clone()),
        }
    }
}

/// The built-in desk with other symbols, quoting as fast as the data moves, under limits that do not end the run.
fn config(setup: &Setup) -> Result<PipelineConfig<DeskConfig>> {
    use pricewright_core::kernel::Minor;
    use pricewright_strategies::trading::StrategyConfig;
    let text = ConfigText { path: "desk.toml (built in)".to_owned(), text: DESK_TOML.to_owned() };
    let mut config: PipelineConfig<DeskConfig> = text.pipeline::<Desk>()?;
    config.journal.segment_mib = setup.segment_mib;
    // What is left on the disk changes nothing, as long as there is room.
    config.journal.min_free_mib = 0;
    let desk = &mut config.config;
    let share = desk.instruments.first().cloned();
    let share = share.ok_or_else(|| Error::Failed("desk.toml has no instrument".to_owned()))?;
    desk.instruments = setup
        .symbols
        .iter()
        .map(|symbol| pricewright_core::market::instrument::Instrument {
            symbol: symbol.clone(),
            ..share.clone()
        })
        .collect();
    desk.refusal_pause_ms = 1;
    desk.risk.message_rate_per_s = 100_000;
    desk.risk.message_burst = 1_000;
    desk.risk.duplicate_window_ms = 1;
    desk.risk.max_open_orders = 1_000;
    desk.risk.max_open_notional = Minor(1 << 50);
    desk.risk.max_daily_loss = Minor(1 << 50);
    let StrategyConfig::MarketMaker(maker) = &mut desk.strategy;
    maker.min_quote_age_ms = 0;
    Ok(config)
}
