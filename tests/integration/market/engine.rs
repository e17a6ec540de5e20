//! A desk at work inside this process: the pipeline that `pricewright run` starts, watched through its journal.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pricewright::config::{ConfigText, PipelineConfig, Topology};
use pricewright::edges::assemble::assemble;
use pricewright::edges::nasdaq::{LineCounts, LineMonitor};
use pricewright::pipeline::helper::Tailer;
use pricewright::pipeline::launch::{Launch, Outcome};
use pricewright::pipeline::run_control::RunControl;
use pricewright::pipeline::topology::plan_for;
use pricewright::sim::{SimAddresses, SimHandle};
use pricewright_core::kernel::{
    Control, DecisionRef, EndReason, EventRef, Health, HealthReason, Machine, OperatorCommand, RecordRef,
    SessionPhase,
};
use pricewright_strategies::trading::Desk;

/// How long anything may take before a test gives up: far longer than it ever needs.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How long to wait between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// The desk's whole configuration.
pub type Config = PipelineConfig<<Desk as Machine>::Config>;

/// The example configuration with this many instruments `DEMO`, `DEMO1`, …, at the exchange's addresses. Nothing spins:
/// tests share their cores.
pub fn config(addresses: &SimAddresses, instruments: usize) -> Config {
    let text = include_str!("../../../strategies/trading/desk.toml").to_owned();
    let text = ConfigText { path: "desk.toml".to_owned(), text };
    let mut config: Config = text.pipeline::<Desk>().expect("the example configuration");
    let first = config.config.instruments[0].clone();
    for (instrument, symbol) in symbols(instruments).into_iter().enumerate().skip(1) {
        config.config.instruments.push(first.clone());
        config.config.instruments[instrument].symbol = symbol;
    }
    config.journal.segment_mib = 8;
    config.runtime.topology = Topology::Fused;
    config.runtime.idle = Some("backoff".to_owned().try_into().expect("an idle strategy"));
    connect(&mut config, addresses);
    config
}

/// The symbols of that configuration.
pub fn symbols(count: usize) -> Vec<String> {
    (0..count).map(|index| if index == 0 { "DEMO".to_owned() } else { format!("DEMO{index}") }).collect()
}

/// Points the configuration at an exchange.
pub fn connect(config: &mut Config, addresses: &SimAddresses) {
    let feed = config.feed.nasdaq.as_mut().expect("a feed");
    feed.lines.clone_from(&addresses.lines);
    feed.rerequest = addresses.rerequest;
    feed.glimpse = Some(addresses.glimpse);
    config.gateway.ouch.as_mut().expect("a gateway").address = addresses.ouch;
}

/// What the journal has said so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Every change of the feed's health.
    pub health: Vec<(Health, HealthReason)>,
    /// Every phase of the venue session.
    pub phases: Vec<SessionPhase>,
    /// Orders and replacements decided.
    pub orders: u64,
    /// Fills booked.
    pub fills: u64,
    /// What set the kill latch, while it is set.
    pub latch: Option<Control>,
}

impl Seen {
    /// True where the feed is valid and the venue takes orders.
    pub fn is_trading(&self) -> bool {
        self.is_valid() && self.phases.last() == Some(&SessionPhase::READY)
    }

    /// True where the feed is valid.
    pub fn is_valid(&self) -> bool {
        self.health.last().is_some_and(|last| last.0 == Health::VALID)
    }

    /// True where the feed's health changed last for this reason.
    pub fn last_reason(&self, reason: HealthReason) -> bool {
        self.health.last().is_some_and(|last| last.1 == reason)
    }
}

#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Seen>>);

impl Tailer for Watch {
    fn take(&mut self, record: RecordRef<'_>) -> pricewright::Result<()> {
        let mut seen = self.0.lock().expect("not poisoned");
        match EventRef::of(&record) {
            Some(EventRef::FeedHealth(event)) => seen.health.push((event.health, event.reason)),
            Some(EventRef::SessionState(event)) => seen.phases.push(event.phase),
            // The tailer sees earlier runs too; what is said of now counts from here.
            Some(EventRef::Operator(event)) if event.command == OperatorCommand::START => {
                *seen = Seen::default();
            }
            _ => {}
        }
        match DecisionRef::of(&record) {
            Some(DecisionRef::PlaceOrder(_) | DecisionRef::ReplaceOrder(_)) => seen.orders += 1,
            Some(DecisionRef::PositionChanged(_)) => seen.fills += 1,
            Some(DecisionRef::KillLatched(latch)) => {
                seen.latch = (latch.released == 0).then_some(latch.control);
            }
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> pricewright::Result<()> {
        Ok(())
    }
}

/// A desk at work.
pub struct Engine {
    waiting: JoinHandle<Outcome>,
    control: RunControl,
    watch: Watch,
    lines: LineMonitor,
    what: String,
}

impl Engine {
    /// Starts a desk that journals into `dir`; `what` names the case in failures.
    pub fn start(config: &Config, dir: &Path, what: &str) -> Self {
        let plan = plan_for(&config.runtime).expect("a plan");
        let launch = Launch::<Desk>::prepare(config, dir, plan, false).expect("a journal");
        let control = launch.control().clone();
        let watch = Watch::default();
        let assembled = assemble(launch, config, vec![Box::new(watch.clone())], None).expect("edges");
        let lines = assembled.lines.clone().expect("a feed of lines");
        let waiting = std::thread::spawn(move || assembled.live.wait(None, |_| {}));
        Self { waiting, control, watch, lines, what: what.to_owned() }
    }

    /// What the feed has counted so far.
    pub fn lines(&self) -> LineCounts {
        self.lines.read()
    }

    /// What the journal has said so far.
    pub fn seen(&self) -> Seen {
        self.watch.0.lock().expect("not poisoned").clone()
    }

    /// Waits until the journal has said that `done`.
    pub fn until(&self, wanted: &str, done: impl Fn(&Seen) -> bool) {
        let start = Instant::now();
        while !done(&self.seen()) {
            assert!(start.elapsed() < PATIENCE, "{}: waiting for {wanted}: {:?}", self.what, self.seen());
            assert!(!self.waiting.is_finished(), "{}: ended while waiting for {wanted}", self.what);
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until this many more orders were decided.
    pub fn until_orders(&self, more: u64) {
        let wanted = self.seen().orders + more;
        self.until("orders", |seen| seen.orders >= wanted);
    }

    /// Ends the run cleanly.
    pub fn stop(self) -> Outcome {
        self.control.stop(EndReason::OPERATOR);
        let outcome = self.waiting.join().expect("the run's thread");
        assert!(outcome.report.failure.is_none(), "{}: {:?}", self.what, outcome.report.failure);
        assert_eq!(outcome.replica.alarm, None, "{}: the self-check", self.what);
        outcome
    }
}

/// Ends the exchange's session and waits until the desk has heard that to its end; then ends the desk.
pub fn end_both(sim: SimHandle, engine: Engine) -> pricewright::sim::SimSummary {
    sim.stop();
    engine.until("the end of the session", |seen| seen.last_reason(HealthReason::END_OF_SESSION));
    let summary = sim.join().expect("a summary");
    engine.stop();
    summary
}
