//! From a configuration to a running pipeline, and back to a summary.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};
use hdrhistogram::Histogram;
use pricewright_core::kernel::table::Operator;
use pricewright_core::kernel::{Driver, EndReason, Machine, OperatorCommand, Standing};

use super::clock_ahead::check_wall;
use super::clock_keeper::ClockKeeper;
use super::core_loop::end_record;
use super::durable::{DurableStage, Released};
use super::edge::{Feed, Gateway};
use super::guard::{self, GuardStage, Watchdog};
use super::helper::{HelperParts, HelperReport, HelperStage, Tailer};
use super::idle::{self, Idle};
use super::memory;
use super::monitor::{self, MonitorStage};
use super::open::{Begun, OpenJournal, Opening};
use super::operator::{Asked, OperatorSocket, SocketKeeper};
use super::output::{self, OutputStage, Tail};
use super::plan::{Plan, Role};
use super::priming::prime;
use super::resume::Resume;
use super::retention::{Ages, RetentionStage};
use super::ring_gauge::RingGauges;
use super::run_control::RunControl;
use super::sequencer::{Sequencer, append_system};
use super::stage::Stage;
use super::threads::{self, RunReport, ThreadSpec};
use super::topology::{Parts, lay};
use crate::clock::{Calibrator, TscClock, tsc_clock, wall_clock};
use crate::config::{JournalSettings, PipelineConfig};
use crate::error::{Error, Result};
use crate::io::wait::nap;
use crate::journal::{Durability, DurableReport, Reader, Writer};
use crate::replay::follow::{Follower, Progress};
use crate::replay::replica::{self, Replica, Watch};
use crate::telemetry::metrics::{Monitor, Sources};
use crate::telemetry::trace::{LatencyGauge, StageTimes, TraceWriter, Tracer};

/// Commands that may wait for the hot thread.
const COMMAND_CAPACITY: usize = 64;
/// Records that outputs take in one turn.
const OUTPUT_BUDGET: usize = 4096;
/// How often the waiting thread looks at flags and clocks.
const LOOK: Duration = Duration::from_millis(20);
/// How often it looks whether operators still find the run.
const SOCKET_LOOK: Duration = Duration::from_millis(500);

/// A pipeline whose journal is open and whose machine stands where the journal ends.
#[derive(Debug)]
pub struct Launch<M: Machine> {
    begun: Begun<M>,
    plan: Plan,
    clock: TscClock,
    calibrator: Calibrator,
    dir: PathBuf,
    ring_cells: usize,
    control: RunControl,
    first_seq: u64,
    ages: Ages,
    config: M::Config,
    replica: replica::Settings,
    journal: JournalSettings,
    monitor: Option<Monitor>,
}

/// What goes on the pipeline's edges.
pub struct Edges<F, G> {
    /// Where events come from.
    pub feed: F,
    /// Where decisions go.
    pub gateway: G,
    /// Take the journal's records on the helper.
    pub tailers: Vec<Box<dyn Tailer>>,
    /// Take them on a thread of their own, since they may have to wait for whoever reads what they write.
    pub outputs: Vec<Box<dyn Tailer>>,
    /// Take them on another thread of their own: they wait for nobody, and may read the journal again for whom they serve.
    pub services: Vec<Box<dyn Tailer>>,
    /// Take them behind the outputs, each on a thread of its own, since whoever reads what one of them writes may never do so.
    pub slow_outputs: Vec<Box<dyn Tailer>>,
    /// Drops the venue session where the hot thread stalls.
    pub watchdog: Option<Box<dyn Watchdog>>,
}

/// A pipeline at work.
#[derive(Debug)]
pub struct Live {
    running: threads::Running,
    report: Receiver<HelperReport>,
    durable_report: Option<Receiver<DurableReport>>,
    control: RunControl,
    latency: LatencyGauge,
    watch: Watch,
    memory: Option<u64>,
    sources: Sources,
    /// Looks after the operator socket's file, and gives the guard another one.
    socket: Option<(SocketKeeper, Sender<OperatorSocket>)>,
}

/// How a run went.
#[derive(Debug)]
pub struct Outcome {
    /// Threads and the first failure.
    pub report: RunReport,
    /// Receive to order, in ns; empty where no order was sent.
    pub receive_to_order: Option<Histogram<u64>>,
    /// What was made durable, and after how long; `None` in mode `process`.
    pub durable: Option<DurableReport>,
    /// Why it ended.
    pub reason: EndReason,
    /// What the self-check found, and the last snapshot.
    pub replica: replica::Status,
    /// Orders that the venue has not confirmed to be gone.
    pub orders_left: usize,
}

impl Outcome {
    /// Nothing, where the run did not fail.
    ///
    /// # Errors
    /// What failed first. The journal in `dir` was sealed.
    pub fn succeeded(&self, dir: &Path) -> Result<()> {
        match &self.report.failure {
            None => Ok(()),
            Some(failure) => Err(Error::Failed(format!(
                "{failure}; the journal {} is sealed as far as it goes",
                dir.display()
            ))),
        }
    }

    /// The run's verdict: no stage failed, the self-check raised no alarm, and nothing of ours may rest at the venue.
    ///
    /// # Errors
    /// What failed first, or the alarm, or how many orders may be open.
    pub fn check(&self, dir: &Path) -> Result<()> {
        self.succeeded(dir)?;
        self.replica.check()?;
        match self.orders_left {
            0 => Ok(()),
            orders => Err(Error::Failed(format!(
                "{}: {orders} of our orders may be open: the venue has not confirmed that they are gone; ask the venue, and \
                 cancel them there",
                dir.display()
            ))),
        }
    }
}

impl<M: Machine + Send + 'static> Launch<M> {
    /// Opens the journal in `dir`, recovers what is there, brings the machine to its end, begins a run.
    ///
    /// # Errors
    /// Where the plan, the journal or the machine refuse.
    pub fn prepare(config: &PipelineConfig<M::Config>, dir: &Path, plan: Plan, repair: bool) -> Result<Self> {
        Self::prepare_with(config, dir, plan, &Opening { repair, ..Opening::default() })
    }

    /// As [`Self::prepare`], with more said about how the journal is opened.
    ///
    /// # Errors
    /// As there.
    pub fn prepare_with(
        config: &PipelineConfig<M::Config>,
        dir: &Path,
        plan: Plan,
        opening: &Opening,
    ) -> Result<Self> {
        use crate::clock::Clock as _;
        check_wall(wall_clock())?;
        memory::check(&config.reserved::<M>(), memory::available()).map_err(Error::Usage)?;
        let journal = OpenJournal::open_with::<M>(dir, config, opening)?;
        let journal = journal.check_clock(dir, wall_clock(), opening.accept_clock)?;
        let ages = Ages::begin(journal.last_now());
        let (mut clock, calibrator) = tsc_clock(journal.last_now());
        let first_seq = journal.last_seq() + 1;
        let begun = journal.begin::<M>(dir, config, clock.now())?;
        Ok(Self {
            begun,
            plan,
            clock,
            calibrator,
            dir: dir.to_path_buf(),
            ring_cells: config.runtime.ring_cells,
            control: RunControl::default(),
            first_seq,
            ages,
            journal: config.journal.clone(),
            monitor: None,
            config: config.config.clone(),
            replica: replica::Settings {
                compare: config.journal.replica,
                every_records: config.journal.snapshot_every,
                every: Duration::from_secs(config.journal.snapshot_every_s),
                keep: config.journal.snapshots as usize,
            },
        })
    }

    /// Where feeds and gateways go on.
    pub fn resume(&self) -> &Resume {
        &self.begun.resume
    }

    /// Where the machine stands.
    pub fn standing(&self) -> Standing {
        self.begun.driver.machine().standing(self.begun.driver.now())
    }

    /// What recovery did, in a sentence.
    pub fn recovered(&self) -> Option<&str> {
        self.begun.recovered.as_deref()
    }

    /// How records are made durable, in a sentence; `None` in mode `process`.
    pub fn durability(&self) -> Option<String> {
        self.begun.writer.durable().map(|durable| {
            format!("durability {}: the journal is made durable {}", durable.durability(), durable.describe())
        })
    }

    /// The journal's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The run's first record.
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The handle that ends the run.
    pub fn control(&self) -> &RunControl {
        &self.control
    }

    /// The live clock.
    pub fn clock(&self) -> &TscClock {
        &self.clock
    }

    /// Lets `monitor` follow the journal, and shows what it needs besides.
    #[must_use]
    pub fn monitored(self, monitor: Monitor) -> Self {
        Self { monitor: Some(monitor), ..self }
    }

    /// Takes the run back before it has seen an event, where its edges cannot be opened: the journal is what it was. A run
    /// in which a repair or a takeover stands is ended instead.
    pub fn give_up(self) {
        let Begun { driver, mut writer, stays, .. } = self.begun;
        if !stays {
            if let Err(error) = writer.discard() {
                tracing::warn!(%error, "the segment of a run that did not start could not be removed");
            }
            return;
        }
        // Not taken out of the writer, so that closing it makes everything durable.
        let now = driver.now().max(writer.last_now());
        let ended = end_record(&driver, (0, 0), EndReason::FAILURE)
            .and_then(|end| Ok(append_system(&mut writer, now, &end)?))
            .and_then(|_| Ok(writer.close()?));
        if let Err(error) = ended {
            tracing::warn!(%error, "the journal of a run that did not start could not be sealed");
        }
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// Where a thread cannot be started or the journal cannot be tailed.
    pub fn start<F: Feed + 'static, G: Gateway + 'static>(self, edges: Edges<F, G>) -> Result<Live> {
        let (commands, received) = crossbeam::channel::bounded(COMMAND_CAPACITY);
        let (replica, watch, memory) = self.replica(&commands)?;
        let Begun { driver, mut writer, preallocator, chainer, resume, .. } = self.begun;
        let run = writer.run();
        let (durable, released, durable_report) =
            durable_parts(&mut writer, &self.dir, &self.clock, &self.control);
        let monitor = match self.monitor {
            Some(monitor) => {
                let (reader, tailers) = prime(vec![Box::new(monitor)], &self.dir, &resume, self.first_seq)?;
                Some(MonitorStage::new(Tail::new(reader, tailers)))
            }
            None => None,
        };
        let sources = Sources {
            dir: self.dir.clone(),
            control: self.control.clone(),
            watch: watch.clone(),
            durable: durable.as_ref().map(DurableStage::position),
            storage: preallocator.watch(),
            min_free: u64::from(self.journal.min_free_mib) << 20,
            stages: StageTimes::default(),
            rings: RingGauges::default(),
            pulse: monitor.as_ref().map(MonitorStage::pulse).unwrap_or_default(),
            lines: None,
            vitals: None,
        };
        let stages = monitor.as_ref().map(|_| sources.stages.clone());
        let (tracer, drain) = Tracer::channel();
        let (tail, tailers) = if edges.tailers.is_empty() {
            (None, Vec::new())
        } else {
            let (reader, tailers) = prime(edges.tailers, &self.dir, &resume, self.first_seq)?;
            (Some(reader), tailers)
        };
        let output = |name, tailers: Vec<Box<dyn Tailer>>| -> Result<Option<(&'static str, Tail)>> {
            if tailers.is_empty() {
                return Ok(None);
            }
            let (reader, tailers) = prime(tailers, &self.dir, &resume, self.first_seq)?;
            Ok(Some((name, Tail::new(reader, tailers).releasing(released.clone()))))
        };
        let services = output(output::SERVICES, edges.services)?;
        let first = output(output::OUTPUTS, edges.outputs)?;
        let passed = first.as_ref().map(|(_, tail)| tail.passed());
        let mut tails: Vec<(&'static str, Tail)> = services.into_iter().chain(first).collect();
        for slow in edges.slow_outputs {
            tails.extend(output(output::SLOW, vec![slow])?.map(|(name, tail)| match &passed {
                Some(passed) => (name, tail.behind(Arc::clone(passed))),
                None => (name, tail),
            }));
        }
        let outputs: Vec<OutputStage> = tails
            .into_iter()
            .map(|(name, tail)| OutputStage::new(name, tail, self.control.clone()))
            .collect();
        let trace = TraceWriter::create(&self.dir, run, drain)?.showing(stages);
        let latency = trace.gauge();
        let parts = HelperParts {
            preallocator,
            chainer,
            clock: Some(ClockKeeper::new(self.calibrator, Some(commands.clone()))),
            trace: Some(trace),
            tail,
            tailers,
            replica: Some(Box::new(replica)),
        };
        let (helper, report) = HelperStage::new(parts, self.control.clone());
        let mut retention = RetentionStage::new(&self.dir, &self.journal, self.ages);
        if let Some(retention) = &mut retention {
            outputs.iter().for_each(|stage| retention.stay_behind(stage.passed()));
            monitor.iter().filter_map(MonitorStage::passed).for_each(|passed| retention.stay_behind(passed));
        }
        let helper = helper.with_retention(retention);
        let journal_dir = self.dir.clone();
        let helper = helper.releasing(released.clone());
        let parts = Parts {
            sequencer: Sequencer::new(driver, writer, Some(tracer)),
            feed: edges.feed,
            gateway: edges.gateway,
            clock: self.clock,
            commands: received,
            helper,
            ring_cells: self.ring_cells,
            journal_dir: self.dir,
            control: self.control.clone(),
            durable,
            released: released.map(|released| released.position()),
            rings: sources.rings.clone(),
        };
        // A run without it is a run that cannot be told to stop trading, but for signals: said, and gone on with.
        let operators = OperatorSocket::bind(&journal_dir)
            .inspect_err(|error| tracing::warn!(%error, dir = %journal_dir.display(), "no operator can command this run"))
            .ok();
        let keeper = operators.as_ref().map(OperatorSocket::keeper);
        let (renew, renewed) = crossbeam::channel::bounded(1);
        let mut specs = lay(parts, &self.plan)?;
        for stage in outputs {
            specs.push(beside_the_helper(stage.label(), Idle::BACKOFF, stage, &self.plan));
        }
        specs.extend(monitor.map(monitor_thread));
        ask(&commands, Operator::says("pricewright", OperatorCommand::START, 0).into());
        let guard = GuardStage::new((operators, renewed), commands, edges.watchdog, self.control.clone());
        // The last to end: it watches the others while they do.
        specs.push(beside_the_helper(guard::NAME, guard::IDLE, guard, &self.plan));
        let running = threads::start(specs, self.control.threads())
            .map_err(|error| Error::Failed(error.to_string()))?;
        for (name, core) in running.refused_pins() {
            tracing::warn!("thread {name} could not be pinned to core {core}: latencies will show it");
        }
        Ok(Live {
            running,
            report,
            durable_report,
            control: self.control,
            latency,
            watch,
            memory,
            sources,
            socket: keeper.map(|keeper| (keeper, renew)),
        })
    }

    /// The replica, standing behind the run's first records; how to watch it; bytes that its machine reserves.
    fn replica(&self, commands: &Sender<Asked>) -> Result<(Replica<M, TscClock>, Watch, Option<u64>)> {
        let Begun { driver, writer, resume, progress, identity, canonical, .. } = &self.begun;
        let before = address_space();
        let follower =
            self.replica.compare.then(|| second_machine(driver, &self.config, *progress)).transpose()?;
        let memory = follower.as_ref().and_then(|_| Some(address_space()?.saturating_sub(before?)));
        let parts = replica::Parts {
            dir: self.dir.clone(),
            reader: Reader::from_seq(&self.dir, writer.last_seq() + 1)?,
            follower,
            progress: *progress,
            resume: resume.clone(),
            identity: *identity,
            config: canonical.clone(),
            run: writer.run(),
            settings: self.replica,
            commands: commands.clone(),
            control: self.control.clone(),
        };
        let (replica, watch) = Replica::new(parts, self.clock.clone())?;
        Ok((replica, watch, memory))
    }
}

/// A machine in the state of `driver`, by way of its snapshot: so that every start tries what a restart relies on.
fn second_machine<M: Machine>(
    driver: &Driver<M>,
    config: &M::Config,
    progress: Progress,
) -> Result<Follower<M>> {
    let state = driver.snapshot();
    let second = state.and_then(|state| Driver::restore(config, &state)).map_err(|error| {
        Error::Failed(format!(
            "the machine cannot be restored from its own snapshot: {error}; mend its `restore`, or do without the \
             self-check ([journal] replica = false)"
        ))
    })?;
    Ok(Follower::resumed(second, progress))
}

/// Bytes of the process's address space; what a machine reserves shows in it at once.
fn address_space() -> Option<u64> {
    const PAGE: u64 = 4096;
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split(' ').next()?.parse::<u64>().ok()?.checked_mul(PAGE)
}

/// A thread on the helper's core, ended behind it.
fn beside_the_helper(name: &str, idle: Idle, stage: impl Stage + 'static, plan: &Plan) -> ThreadSpec {
    let helper = plan.threads().iter().find(|thread| thread.stages.contains(&Role::Helper));
    ThreadSpec {
        name: name.to_owned(),
        core: helper.and_then(|thread| thread.core),
        idle,
        budget: OUTPUT_BUDGET,
        stages: vec![Box::new(stage)],
    }
}

/// Nobody waits for it: on any core, and mostly asleep.
fn monitor_thread(stage: MonitorStage) -> ThreadSpec {
    ThreadSpec {
        name: monitor::NAME.to_owned(),
        core: None,
        idle: Idle::Park(idle::MAX_PARK),
        budget: OUTPUT_BUDGET,
        stages: vec![Box::new(stage)],
    }
}

/// Takes out of `writer` what makes its records durable; with it how far decisions may go, in mode `sync`.
fn durable_parts(
    writer: &mut Writer,
    dir: &Path,
    clock: &TscClock,
    control: &RunControl,
) -> (Option<DurableStage>, Option<Released>, Option<Receiver<DurableReport>>) {
    let Some(mut durable) = writer.take_durable() else { return (None, None, None) };
    durable.measure(clock.clone());
    let position = (durable.durability() == Durability::Sync).then(|| durable.position());
    let released = position.map(|position| Released::new(position, dir, control.clone()));
    let (stage, report) = DurableStage::new(durable, control.clone());
    (Some(stage), released, Some(report))
}

/// Gives the hot thread what was asked.
pub(super) fn ask(commands: &Sender<Asked>, asked: Asked) {
    if commands.try_send(asked).is_err() {
        tracing::error!("the pipeline takes no commands any more: {} was not heard", asked.name());
    }
}

impl Live {
    /// Receive to order, as it stands.
    pub fn latency(&self) -> &LatencyGauge {
        &self.latency
    }

    /// What figures are read from beside the journal. Market data lines and a shop's clients are the edges' own.
    pub fn sources(&self) -> Sources {
        self.sources.clone()
    }

    /// How the replica does.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// What the self-check costs, in words: for the start of a run.
    pub fn replica_text(&self, plan: &Plan, settings: &JournalSettings) -> String {
        if !settings.replica {
            return "no self-check ([journal] replica = false); a snapshot is taken at a clean stop"
                .to_owned();
        }
        let helper = plan.threads().iter().find(|thread| thread.stages.contains(&Role::Helper));
        let core =
            helper.and_then(|helper| helper.core).map_or_else(String::new, |core| format!(" (core {core})"));
        let memory = self.memory.map_or_else(String::new, |bytes| {
            format!(", {} MiB for a second machine", bytes.div_ceil(1 << 20))
        });
        format!(
            "self-check and snapshots on the helper{core}{memory}: every {} records or {} s, the newest {} are kept",
            settings.snapshot_every, settings.snapshot_every_s, settings.snapshots
        )
    }

    /// Not on the guard's thread: a directory may hang.
    fn keep_socket(&mut self) {
        if let Some((keeper, renew)) = &mut self.socket
            && !renew.is_full()
            && let Some(socket) = keeper.look()
        {
            // The guard ends last, and then nobody listens.
            let _taken = renew.try_send(socket);
        }
    }

    /// Waits until the run ends by itself, is asked to, or `limit` has passed. `tick` is called now and then.
    pub fn wait(mut self, limit: Option<Duration>, mut tick: impl FnMut(Duration)) -> Outcome {
        let start = Instant::now();
        let mut looked = start;
        while !self.control.threads().stop_requested() {
            if limit.is_some_and(|limit| start.elapsed() >= limit) {
                self.control.stop(EndReason::DURATION);
                break;
            }
            if looked.elapsed() >= SOCKET_LOOK {
                looked = Instant::now();
                self.keep_socket();
            }
            tick(start.elapsed());
            nap(LOOK);
        }
        let report = self.running.join();
        let receive_to_order = self.report.try_recv().ok().and_then(|report| report.receive_to_order);
        let replica = self.watch.status();
        let durable = self.durable_report.and_then(|report| report.try_recv().ok());
        Outcome {
            report,
            receive_to_order,
            durable,
            reason: self.control.reason(),
            replica,
            orders_left: self.control.orders_left(),
        }
    }
}
