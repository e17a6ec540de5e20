//! From a plan to threads with stages: which edges are direct calls, which are rings, which tail the journal.

use std::time::Duration;

use crossbeam::channel::Receiver;
use pricewright_core::kernel::{ConfigFault, Machine, SourceId};

use super::core_loop::CoreLoop;
use super::cores::available_cores;
use super::durable::{DurableGate, DurableStage};
use super::edge::{Feed, Gateway, RemoteGateway};
use super::fused::FusedStage;
use super::helper::HelperStage;
use super::idle::Idle;
use super::operator::Asked;
use super::plan::{Plan, PlanError, PlannedThread, Role};
use super::ring_gauge::RingGauges;
use super::run_control::RunControl;
use super::sequencer::Sequencer;
use super::split::{GatewayStage, IngressStage, SequencerStage};
use super::stage::Stage;
use super::threads::{DEFAULT_BUDGET, ThreadSpec};
use crate::clock::Clock;
use crate::config::{RuntimeSettings, Topology};
use crate::error::{Error, Result};
use crate::journal::{DurablePosition, Reader};
use crate::ring::ring;

/// What the thread that makes the journal durable does when nothing is new.
const DURABLE_IDLE: Idle = Idle::Park(Duration::from_micros(50));

/// The source number of feeds' records.
pub const FEED_SOURCE: SourceId = SourceId(1);
/// The source number of the gateway's records.
pub const GATEWAY_SOURCE: SourceId = SourceId(2);
/// The source number of the drop copy's records.
pub const DROP_COPY_SOURCE: SourceId = SourceId(3);

/// The parts of a pipeline, before they are laid on threads.
pub struct Parts<M, F, G, C> {
    /// Sequencer with machine and journal.
    pub sequencer: Sequencer<M>,
    /// Where events come from.
    pub feed: F,
    /// Where decisions go.
    pub gateway: G,
    /// The live clock.
    pub clock: C,
    /// Operator commands.
    pub commands: Receiver<Asked>,
    /// The helper's work.
    pub helper: HelperStage,
    /// Cells of each ring.
    pub ring_cells: usize,
    /// The journal's directory, for a gateway that tails it.
    pub journal_dir: std::path::PathBuf,
    /// Shared by all.
    pub control: RunControl,
    /// Makes the journal durable, where the mode asks for it.
    pub durable: Option<DurableStage>,
    /// Decisions leave only when they are durable: how far that is.
    pub released: Option<DurablePosition>,
    /// Where rings are shown.
    pub rings: RingGauges,
}

/// The plan that `settings` ask for on this machine's cores.
///
/// # Errors
/// Where an explicit map cannot be run.
pub fn plan_for(settings: &RuntimeSettings) -> Result<Plan> {
    let cores = available_cores();
    let plan = match settings.topology {
        Topology::Auto => Plan::automatic(&cores),
        Topology::Fused => Plan::fused(&cores),
        Topology::Pipelined => Plan::pipelined(&cores),
        Topology::Explicit => return Plan::explicit(settings.thread.clone(), &cores).map_err(refused),
    };
    let Some(idle) = settings.idle else { return Ok(plan) };
    let mut threads = plan.threads().to_vec();
    threads.iter_mut().filter(|thread| thread.idle.spins()).for_each(|thread| thread.idle = idle);
    Plan::explicit(threads, &cores).map_err(refused)
}

/// What is wrong with the plan that `settings` ask for, with its key.
pub fn plan_fault(settings: &RuntimeSettings) -> Option<ConfigFault> {
    let error = plan_for(settings).err()?;
    let threads = &settings.thread;
    let cores = available_cores();
    let found = Plan::explicit(threads.clone(), &cores).err();
    let key = match found.as_ref().and_then(PlanError::place) {
        Some((name, key)) if settings.topology == Topology::Explicit => {
            let at = threads.iter().position(|thread| thread.name == name).unwrap_or(0);
            format!("runtime.thread.{at}.{key}")
        }
        _ if settings.topology == Topology::Explicit => "runtime.thread".to_owned(),
        _ => "runtime.idle".to_owned(),
    };
    Some(ConfigFault::at(key, error.to_string()))
}

fn refused(error: PlanError) -> Error {
    Error::Usage(format!("[runtime]: {error}"))
}

/// Lays `parts` on the threads of `plan`. What makes the journal durable gets a thread of its own behind them, on the
/// helper's core: it waits for the disk most of the time, and must not wait for the helper or keep it waiting.
///
/// # Errors
/// Where the journal cannot be tailed.
pub fn lay<M, F, G, C>(mut parts: Parts<M, F, G, C>, plan: &Plan) -> Result<Vec<ThreadSpec>>
where
    M: Machine + Send + 'static,
    F: Feed + 'static,
    G: Gateway + 'static,
    C: Clock + Clone + 'static,
{
    let durable = parts.durable.take().map(|stage| durable_thread(stage, plan));
    let mut threads = match parts.released.take() {
        None => lay_stages(parts, plan)?,
        Some(released) => {
            let next = parts.sequencer.journal().last_seq() + 1;
            let journal = Reader::from_seq(&parts.journal_dir, next)?;
            lay_stages(parts.with_gateway(|gateway| DurableGate::new(gateway, journal, released)), plan)?
        }
    };
    threads.extend(durable);
    Ok(threads)
}

fn durable_thread(stage: DurableStage, plan: &Plan) -> ThreadSpec {
    let helper = plan.threads().iter().find(|thread| thread.stages.contains(&Role::Helper));
    ThreadSpec {
        name: stage.name().to_owned(),
        core: helper.and_then(|thread| thread.core),
        idle: DURABLE_IDLE,
        budget: DEFAULT_BUDGET,
        stages: vec![Box::new(stage)],
    }
}

impl<M, F, G, C> Parts<M, F, G, C> {
    fn with_gateway<H>(self, wrap: impl FnOnce(G) -> H) -> Parts<M, F, H, C> {
        Parts {
            sequencer: self.sequencer,
            feed: self.feed,
            gateway: wrap(self.gateway),
            clock: self.clock,
            commands: self.commands,
            helper: self.helper,
            ring_cells: self.ring_cells,
            journal_dir: self.journal_dir,
            control: self.control,
            durable: self.durable,
            released: self.released,
            rings: self.rings,
        }
    }
}

fn lay_stages<M, F, G, C>(parts: Parts<M, F, G, C>, plan: &Plan) -> Result<Vec<ThreadSpec>>
where
    M: Machine + Send + 'static,
    F: Feed + 'static,
    G: Gateway + 'static,
    C: Clock + Clone + 'static,
{
    let gateway_inline = together(plan, Role::Machine, Role::Gateway);
    let mut stages = Placed::default();
    stages.put(Role::Helper, parts.helper);
    if gateway_inline && together(plan, Role::Ingress, Role::Machine) {
        let core = CoreLoop::new(parts.sequencer, parts.gateway, parts.clock.clone(), parts.commands);
        stages.put(Role::Machine, FusedStage::new(parts.feed, parts.clock, core, parts.control));
        return Ok(stages.onto(plan));
    }
    let (records, input) = ring(parts.ring_cells);
    stages.put(
        Role::Ingress,
        IngressStage::new(parts.feed, parts.clock.clone(), records, parts.control.clone())
            .showing(parts.rings.add("ingress")),
    );
    if gateway_inline {
        let core = CoreLoop::new(parts.sequencer, parts.gateway, parts.clock, parts.commands);
        stages.put(Role::Machine, SequencerStage::new(input, None, core, parts.control));
    } else {
        let (answers, answered) = ring(parts.ring_cells);
        let open_orders = RemoteGateway::watching();
        let tail = Reader::from_seq(&parts.journal_dir, parts.sequencer.journal().last_seq() + 1)?;
        let gateway = GatewayStage::new(
            parts.gateway,
            open_orders.clone(),
            parts.clock.clone(),
            tail,
            answers,
            parts.control.clone(),
        )
        .showing(parts.rings.add("gateway"));
        stages.put(Role::Gateway, gateway);
        let core = CoreLoop::new(parts.sequencer, open_orders, parts.clock, parts.commands);
        stages.put(Role::Machine, SequencerStage::new(input, Some(answered), core, parts.control));
    }
    Ok(stages.onto(plan))
}

fn together(plan: &Plan, one: Role, other: Role) -> bool {
    plan.threads().iter().any(|thread| thread.stages.contains(&one) && thread.stages.contains(&other))
}

/// Stages by the role that brings them onto a thread.
#[derive(Default)]
struct Placed {
    stages: Vec<(Role, Box<dyn Stage>)>,
}

impl Placed {
    fn put(&mut self, role: Role, stage: impl Stage + 'static) {
        self.stages.push((role, Box::new(stage)));
    }

    /// Roles that joined another stage have none of their own.
    fn onto(mut self, plan: &Plan) -> Vec<ThreadSpec> {
        plan.threads().iter().map(|thread| self.thread(thread)).collect()
    }

    fn thread(&mut self, thread: &PlannedThread) -> ThreadSpec {
        let mut stages = Vec::new();
        for role in &thread.stages {
            if let Some(at) = self.stages.iter().position(|(placed, _)| placed == role) {
                stages.push(self.stages.swap_remove(at).1);
            }
        }
        ThreadSpec {
            name: thread.name.clone(),
            core: thread.core,
            idle: thread.idle,
            budget: DEFAULT_BUDGET,
            stages,
        }
    }
}
