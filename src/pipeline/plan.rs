//! Who runs where: the choice for the cores at hand, or an operator's map, checked.
//!
//! Threads are a deployment choice. Whatever the plan, the same stages run and the journal says the same.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cores::Cores;
use super::idle::Idle;

/// The parts of a pipeline that a thread can run, upstream first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Receives and decodes.
    Ingress,
    /// The sequencer with its machine.
    Machine,
    /// Encodes and sends.
    Gateway,
    /// Prepares journal segments, recalibrates the clock, watches: nothing that an order waits for.
    Helper,
}

impl Role {
    /// All of them, upstream first.
    pub const ALL: [Self; 4] = [Self::Ingress, Self::Machine, Self::Gateway, Self::Helper];

    /// The word for it in configurations and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Machine => "machine",
            Self::Gateway => "gateway",
            Self::Helper => "helper",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A thread of a plan; in a configuration one of `[[runtime.thread]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedThread {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub stages: Vec<Role>,
    /// The core it is pinned to; without one it runs anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core: Option<usize>,
    /// What it does when there is no work.
    pub idle: Idle,
}

/// Every role on exactly one thread; threads and their roles upstream first.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    threads: Vec<PlannedThread>,
    cores: Cores,
}

/// A map of threads that cannot be run, with the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More threads would spin than cores can be spared for.
    #[error(
        "{spinners} threads would spin ({names}) on {usable} usable core(s), and at most {most} may, so that one core is left \
         for everything else: set idle = \"backoff\" on {surplus} of them, or put their stages on one thread"
    )]
    TooManySpinners {
        /// How many.
        spinners: usize,
        /// Which.
        names: String,
        /// Cores at hand.
        usable: usize,
        /// How many may.
        most: usize,
        /// How many are too many.
        surplus: usize,
    },
    /// Two spinning threads would share a core.
    #[error(
        "threads {first} and {second} would both spin on core {core}, where each waits some 15 ms for the other: give one of \
         them another core, or idle = \"backoff\""
    )]
    SharedCore {
        /// The core.
        core: usize,
        /// One thread.
        first: String,
        /// The other.
        second: String,
    },
    /// The process may not use the core.
    #[error(
        "thread {thread} wants core {core}, which this process may not use: choose from {available}, or widen the mask (taskset)"
    )]
    CoreMissing {
        /// The thread.
        thread: String,
        /// The core.
        core: usize,
        /// The cores it may use.
        available: String,
    },
    /// A role is on no thread.
    #[error("no thread runs {0}: add \"{0}\" to the stages of one")]
    RoleMissing(Role),
    /// A role is on two threads, or twice on one.
    #[error("{role} is listed twice (threads {first} and {second}): leave it on one")]
    RoleTwice {
        /// The role.
        role: Role,
        /// One thread.
        first: String,
        /// The other.
        second: String,
    },
    /// A thread runs nothing.
    #[error("thread {0} has no stages: give it some, or remove it")]
    NoStages(String),
    /// Threads end one after the other, upstream first, which these two cannot.
    #[error(
        "thread {thread} runs {late}, and thread {other} runs {early}, which comes before it: threads end one after the other, \
         in the order ingress, machine, gateway, helper; move one of the two"
    )]
    Entangled {
        /// The thread that begins first.
        thread: String,
        /// Its last stage.
        late: Role,
        /// The next thread.
        other: String,
        /// Its first stage.
        early: Role,
    },
}

impl PlanError {
    /// The thread that it is about, and the key.
    pub(super) fn place(&self) -> Option<(&str, &'static str)> {
        match self {
            Self::SharedCore { second, .. } => Some((second, "core")),
            Self::CoreMissing { thread, .. } => Some((thread, "core")),
            Self::RoleTwice { second, .. } => Some((second, "stages")),
            Self::NoStages(thread) | Self::Entangled { thread, .. } => Some((thread, "stages")),
            Self::RoleMissing(_) | Self::TooManySpinners { .. } => None,
        }
    }
}

impl Plan {
    /// The choice for `cores`: from 4 on pipelined, else fused.
    pub fn automatic(cores: &Cores) -> Self {
        if cores.usable() >= 4 { Self::pipelined(cores) } else { Self::fused(cores) }
    }

    /// Everything an order passes on one thread. On a single core the helper's work joins it, and it backs off, so that
    /// the rest of the machine can run.
    pub fn fused(cores: &Cores) -> Self {
        let hot = vec![Role::Ingress, Role::Machine, Role::Gateway];
        let threads = if cores.usable() == 1 {
            vec![planned("all", Role::ALL.to_vec(), cores.from_end(0), Idle::BACKOFF)]
        } else {
            vec![
                planned("hot", hot, cores.from_end(0), Idle::Spin),
                planned("helper", vec![Role::Helper], cores.first(), Idle::BACKOFF),
            ]
        };
        Self { threads, cores: cores.clone() }
    }

    /// Ingress on a thread of its own. Where there are too few cores for two spinning threads it backs off, and on a
    /// single core all do: right for tests, wrong for latency.
    pub fn pipelined(cores: &Cores) -> Self {
        let (ingress, ingress_idle, hot_idle) = match cores.usable() {
            1 => (cores.from_end(0), Idle::BACKOFF, Idle::BACKOFF),
            2 => (cores.first(), Idle::BACKOFF, Idle::Spin),
            _ => (cores.from_end(1), Idle::Spin, Idle::Spin),
        };
        let helper = if cores.usable() == 1 { cores.from_end(0) } else { cores.first() };
        let threads = vec![
            planned("ingress", vec![Role::Ingress], ingress, ingress_idle),
            planned("machine+gateway", vec![Role::Machine, Role::Gateway], cores.from_end(0), hot_idle),
            planned("helper", vec![Role::Helper], helper, Idle::BACKOFF),
        ];
        Self { threads, cores: cores.clone() }
    }

    /// An operator's map, put in order upstream first.
    ///
    /// # Errors
    /// Where a role is missing or doubled, a core is not to be had, or more threads would spin than cores can be spared for.
    pub fn explicit(mut threads: Vec<PlannedThread>, cores: &Cores) -> Result<Self, PlanError> {
        if let Some(empty) = threads.iter().find(|thread| thread.stages.is_empty()) {
            return Err(PlanError::NoStages(empty.name.clone()));
        }
        check_roles(&threads)?;
        check_cores(&threads, cores)?;
        check_spinners(&threads, cores)?;
        threads.iter_mut().for_each(|thread| thread.stages.sort_unstable());
        threads.sort_by_key(|thread| thread.stages.first().copied());
        check_order(&threads)?;
        Ok(Self { threads, cores: cores.clone() })
    }

    /// The threads, upstream first: start them in this order.
    pub fn threads(&self) -> &[PlannedThread] {
        &self.threads
    }
}

fn planned(name: &str, stages: Vec<Role>, core: usize, idle: Idle) -> PlannedThread {
    PlannedThread { name: name.to_owned(), stages, core: Some(core), idle }
}

fn check_roles(threads: &[PlannedThread]) -> Result<(), PlanError> {
    for role in Role::ALL {
        let mut holders = threads.iter().flat_map(|thread| {
            thread.stages.iter().filter(|found| **found == role).map(|_| thread.name.clone())
        });
        let first = holders.next().ok_or(PlanError::RoleMissing(role))?;
        if let Some(second) = holders.next() {
            return Err(PlanError::RoleTwice { role, first, second });
        }
    }
    Ok(())
}

/// `threads` and the stages of each are in order, upstream first.
fn check_order(threads: &[PlannedThread]) -> Result<(), PlanError> {
    for (thread, next) in threads.iter().zip(threads.iter().skip(1)) {
        if let (Some(late), Some(early)) = (thread.stages.last(), next.stages.first())
            && late > early
        {
            return Err(PlanError::Entangled {
                thread: thread.name.clone(),
                late: *late,
                other: next.name.clone(),
                early: *early,
            });
        }
    }
    Ok(())
}

fn check_cores(threads: &[PlannedThread], cores: &Cores) -> Result<(), PlanError> {
    for thread in threads {
        if let Some(core) = thread.core.filter(|core| !cores.ids.contains(core)) {
            let available = list(cores.ids.iter());
            return Err(PlanError::CoreMissing { thread: thread.name.clone(), core, available });
        }
    }
    Ok(())
}

fn check_spinners(threads: &[PlannedThread], cores: &Cores) -> Result<(), PlanError> {
    let spinning: Vec<&PlannedThread> = threads.iter().filter(|thread| thread.idle.spins()).collect();
    for (position, thread) in spinning.iter().enumerate() {
        let twin = spinning.iter().skip(position + 1).find(|other| other.core == thread.core);
        if let (Some(core), Some(twin)) = (thread.core, twin) {
            return Err(PlanError::SharedCore {
                core,
                first: thread.name.clone(),
                second: twin.name.clone(),
            });
        }
    }
    let most = cores.most_spinners();
    if spinning.len() > most {
        return Err(PlanError::TooManySpinners {
            spinners: spinning.len(),
            names: list(spinning.iter().map(|thread| &thread.name)),
            usable: cores.usable(),
            most,
            surplus: spinning.len() - most,
        });
    }
    Ok(())
}

fn list<T: fmt::Display>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// One line for the first screen: `2 cores: hot thread on 1 (spins), helper on 0.`
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usable = self.cores.usable();
        write!(f, "{usable} core{}", if usable == 1 { "" } else { "s" })?;
        if usable < self.cores.ids.len() {
            write!(f, " (of {}, by CPU quota)", self.cores.ids.len())?;
        }
        let threads = self.threads.iter().map(|thread| {
            let name = match thread.name.as_str() {
                "hot" => "hot thread",
                "all" => "one thread for all",
                name => name,
            };
            let core = thread.core.map_or("any".to_owned(), |core| core.to_string());
            let idle = match thread.idle {
                Idle::Spin => " (spins)",
                Idle::Yield => " (yields)",
                Idle::Backoff(_) | Idle::Park(_) => "",
            };
            format!("{name} on {core}{idle}")
        });
        write!(f, ": {}.", list(threads))
    }
}

#[cfg(test)]
mod tests;
