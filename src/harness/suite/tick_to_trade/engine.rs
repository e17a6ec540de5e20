//! The engine's side: the stage that runs live, with real sockets and a real journal, on one pinned thread that lends
//! itself to the echo in between.

use std::hint::spin_loop;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use pricewright_core::kernel::table::Operator;
use pricewright_core::kernel::{EndReason, Machine as _, Minor, OperatorCommand};
use pricewright_strategies::trading::{Desk, DeskConfig, StrategyConfig};

use super::echo::Echo;
use super::market::{OWN_HALF_SPREAD, SYMBOL};
use super::protocol::Listening;
use crate::clock::{Clock as _, TscClock, tsc_clock};
use crate::config::{ConfigText, PipelineConfig};
use crate::edges::assemble::session_day;
use crate::edges::nasdaq::NasdaqFeed;
use crate::edges::ouch::OuchGateway;
use crate::error::{Error, Result};
use crate::harness::in_memory::DESK_TOML;
use crate::harness::lab::Lab;
use crate::harness::timing::{join, start_on_core};
use crate::io::udp::{ReceiverConfig, UdpReceiver};
use crate::io::wait::nap;
use crate::pipeline::clock_keeper::ClockKeeper;
use crate::pipeline::core_loop::CoreLoop;
use crate::pipeline::fused::FusedStage;
use crate::pipeline::helper::{HelperParts, HelperReport, HelperStage};
use crate::pipeline::idle::{Idle, Idler};
use crate::pipeline::open::OpenJournal;
use crate::pipeline::run_control::RunControl;
use crate::pipeline::sequencer::Sequencer;
use crate::pipeline::stage::Stage as _;
use crate::pipeline::threads::DEFAULT_BUDGET;
use crate::replay::verify::replay;
use crate::telemetry::trace::{TraceWriter, Tracer};

/// How long the helper rests where it has nothing to do. It shares a core with the generator where there are only two:
/// backing off more gently would take that core away every few microseconds.
const HELPER_PARK: Duration = Duration::from_millis(1);
/// How often the engine is polled between phases.
const LEISURE: Duration = Duration::from_micros(500);
/// Silence that the feed bears while the echo has its turn.
const SILENCE_MS: u64 = 600_000;

/// What the pinned thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mode {
    /// Polls the engine now and then.
    Idle = 0,
    /// Spins on the engine.
    Engine = 1,
    /// Spins on the echo.
    Echo = 2,
    /// Ends.
    Stop = 3,
}

/// Where the two sides of this process listen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) line: SocketAddrV4,
    pub(super) echo: SocketAddrV4,
}

type LiveStage = FusedStage<Desk, NasdaqFeed, OuchGateway, TscClock>;

/// The engine at work.
pub(super) struct Engine {
    mode: Arc<AtomicU8>,
    control: RunControl,
    hot: Option<JoinHandle<Result<()>>>,
    helper: Option<JoinHandle<Result<()>>>,
    helper_stop: Arc<AtomicBool>,
    report: crossbeam::channel::Receiver<HelperReport>,
    addresses: Addresses,
}

impl Engine {
    /// Opens journal, sockets and threads.
    pub(super) fn start(lab: &Lab, dir: &Path, venue: &Listening) -> Result<Self> {
        let line = free_address()?;
        let config = config(line, venue)?;
        let control = RunControl::default();
        let (stage, helper, report) = assemble(&config, dir, &control)?;
        let echo = Echo::open(venue.echo)?;
        let addresses = Addresses { line, echo: echo.address() };
        let mode = Arc::new(AtomicU8::new(Mode::Idle as u8));
        let helper_stop = Arc::new(AtomicBool::new(false));
        let helper = start_helper(helper_core(lab), helper, Arc::clone(&helper_stop))?;
        let (asked, stopped) = (Arc::clone(&mode), control.clone());
        let hot = start_on_core(lab.hot(), move || run(stage, echo, &asked, &stopped))?;
        Ok(Self { mode, control, hot: Some(hot), helper: Some(helper), helper_stop, report, addresses })
    }

    pub(super) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What the pinned thread does from now on.
    pub(super) fn set(&self, mode: Mode) {
        // Release: partner of the acquire in `run`; nothing else is published by it.
        self.mode.store(mode as u8, Ordering::Release);
    }

    /// The failure that stopped the engine, where one did.
    pub(super) fn check(&self) -> Result<()> {
        match self.control.threads().failure() {
            Some(failure) => Err(Error::Failed(failure.to_string())),
            None => Ok(()),
        }
    }

    /// Ends the run as a live one ends: orders cancelled, state hash journalled, journal sealed. Says what the engine
    /// itself measured.
    pub(super) fn stop(mut self) -> Result<String> {
        self.control.stop(EndReason::DURATION);
        self.set(Mode::Stop);
        self.hot.take().map_or(Ok(()), join)?;
        self.helper_stop.store(true, Ordering::Release);
        self.helper.take().map_or(Ok(()), join)?;
        self.check()?;
        let inside = self.report.try_recv().ok().and_then(|report| report.receive_to_order);
        Ok(inside.filter(|inside| !inside.is_empty()).map_or_else(
            || "the engine sent no order".to_owned(),
            |inside| {
                format!(
                    "inside the engine, receive to handed to the kernel: p50 {} ns, p99 {} ns",
                    inside.value_at_quantile(0.5),
                    inside.value_at_quantile(0.99)
                )
            },
        ))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Where it was not stopped: nothing of it may go on beside what is measured next.
        self.set(Mode::Stop);
        let _hot = self.hot.take().map(join);
        self.helper_stop.store(true, Ordering::Release);
        let _helper = self.helper.take().map(join);
    }
}

/// A core of its own where there is one, else the generator's.
fn helper_core(lab: &Lab) -> usize {
    let own = lab.cores().ids.iter().copied().find(|id| *id != lab.hot() && *id != lab.other());
    own.unwrap_or_else(|| lab.other())
}

fn run(mut stage: LiveStage, mut echo: Echo, mode: &AtomicU8, control: &RunControl) -> Result<()> {
    loop {
        let asked = mode.load(Ordering::Acquire);
        let work = match asked {
            asked if asked == Mode::Engine as u8 => stage.poll(DEFAULT_BUDGET),
            asked if asked == Mode::Echo as u8 => echo.poll()?,
            asked if asked == Mode::Stop as u8 => break,
            _ => {
                stage.poll(DEFAULT_BUDGET);
                nap(LEISURE);
                0
            }
        };
        if work == 0 {
            spin_loop();
            if control.failed() {
                break;
            }
        }
    }
    stage.close();
    Ok(())
}

fn start_helper(
    core: usize,
    mut stage: HelperStage,
    stop: Arc<AtomicBool>,
) -> Result<JoinHandle<Result<()>>> {
    start_on_core(core, move || {
        let mut idler = Idler::new(Idle::Park(HELPER_PARK));
        while !stop.load(Ordering::Acquire) {
            // Whatever it did, it rests: a turn takes all that waits, and the generator needs the core.
            stage.poll(DEFAULT_BUDGET);
            idler.after(0);
        }
        stage.close();
        Ok(())
    })
}

type Assembled = (LiveStage, HelperStage, crossbeam::channel::Receiver<HelperReport>);

fn assemble(config: &PipelineConfig<DeskConfig>, dir: &Path, control: &RunControl) -> Result<Assembled> {
    let journal = OpenJournal::open::<Desk>(dir, config, false)?;
    let (mut clock, calibrator) = tsc_clock(journal.last_now());
    let begun = journal.begin::<Desk>(dir, config, clock.now())?;
    let (tracer, drain) = Tracer::channel();
    let parts = HelperParts {
        preallocator: begun.preallocator,
        chainer: begun.chainer,
        clock: Some(ClockKeeper::new(calibrator, None)),
        trace: Some(TraceWriter::create(dir, begun.writer.run(), drain)?),
        tail: None,
        tailers: Vec::new(),
        replica: None,
    };
    let (helper, report) = HelperStage::new(parts, control.clone());
    let missing = |what: &str| Error::Failed(format!("desk.toml has no [{what}]; please report this"));
    let feed = config.feed.nasdaq.as_ref().ok_or_else(|| missing("feed.nasdaq"))?;
    let ouch = config.gateway.ouch.as_ref().ok_or_else(|| missing("gateway.ouch"))?;
    let units = Desk::units(&config.config);
    let now = clock.now();
    let day = session_day(&feed.day_start, &config.venue)?;
    let feed = NasdaqFeed::open(feed, &units, &begun.resume, day.clone(), None)?;
    let gateway = OuchGateway::open(ouch, &units, &begun.resume, day, now, None)?;
    let (commands, received) = crossbeam::channel::bounded(4);
    let start = Operator::says("pricewright", OperatorCommand::START, 0);
    commands.try_send(start.into()).map_err(|_| Error::Failed("the command queue is full".to_owned()))?;
    let sequencer = Sequencer::new(begun.driver, begun.writer, Some(tracer));
    let core = CoreLoop::new(sequencer, gateway, clock.clone(), received);
    Ok((FusedStage::new(feed, clock, core, control.clone()), helper, report))
}

/// The built-in desk on one line, quoting as fast as the data moves, two cents from the mid, under limits that do not end
/// the run.
fn config(line: SocketAddrV4, venue: &Listening) -> Result<PipelineConfig<DeskConfig>> {
    let text = ConfigText { path: "desk.toml (built in)".to_owned(), text: DESK_TOML.to_owned() };
    let mut config: PipelineConfig<DeskConfig> = text.pipeline::<Desk>()?;
    if let Some(feed) = &mut config.feed.nasdaq {
        feed.lines = vec![line];
        feed.silence_ms = SILENCE_MS;
    }
    if let Some(gateway) = &mut config.gateway.ouch {
        gateway.address = venue.venue;
    }
    let desk = &mut config.config;
    if let Some(share) = desk.instruments.first_mut() {
        share.symbol = SYMBOL.to_owned();
    }
    desk.refusal_pause_ms = 1;
    // The generator is the venue, and answers nothing while it measures the echo.
    desk.answer_timeout_ms = 600_000;
    desk.risk.message_rate_per_s = 200_000;
    desk.risk.message_burst = 1_000;
    desk.risk.duplicate_window_ms = 1;
    desk.risk.max_open_orders = 1_000;
    desk.risk.max_open_notional = Minor(1 << 50);
    desk.risk.reference_max_age_ms = 60_000;
    desk.risk.ingress_lag_max_us = 60_000_000;
    let StrategyConfig::MarketMaker(maker) = &mut desk.strategy;
    maker.min_quote_age_ms = 0;
    // Without it the width of the quotes would follow the market's volatility, and prices would not tell packets apart.
    maker.volatility_factor = 0.0;
    maker.min_half_spread_ticks = OWN_HALF_SPREAD as f64;
    Ok(config)
}

/// An address on loopback that nobody uses.
fn free_address() -> Result<SocketAddrV4> {
    let probe = UdpReceiver::open(&ReceiverConfig::new(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)))?;
    Ok(probe.local_addr())
}

/// Replays the journal in `dir` and compares every decision; says how many agree.
pub(super) fn replayed(dir: &Path) -> Result<String> {
    let replayed = replay::<Desk>(dir, None, &mut |_| {})?;
    if let Some(divergence) = replayed.divergence {
        return Err(Error::Diverged(format!("the measured run's journal does not replay: {divergence:?}")));
    }
    if !replayed.clean {
        return Err(Error::Failed("the measured run did not end well; please report this".to_owned()));
    }
    Ok(format!("replayed: {} events and {} decisions agree", replayed.events, replayed.decisions))
}
