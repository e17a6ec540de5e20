//! Pinned threads that poll lists of stages, and what happens when one of them panics.
//!
//! A panic in any stage is caught at its thread's loop. It is recorded as the run's [`Failure`], all other threads are
//! stopped, and `close` is still called for every stage that did not panic: so a gateway can cancel what is open and
//! the sequencer can seal its journal, whichever stage has the bug.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use core_affinity::CoreId;

use super::control::{Control, Failure};
use super::idle::{Idle, Idler};
use super::stage::Stage;

/// The budget of a poll where nothing else is asked for: enough to amortise the call, little enough to keep turns short.
pub const DEFAULT_BUDGET: usize = 64;

/// A thread to be.
pub struct ThreadSpec {
    /// Its name, for messages and for `top -H` (which shows 15 bytes).
    pub name: String,
    /// The core to pin it to.
    pub core: Option<usize>,
    /// What it does when no stage has work.
    pub idle: Idle,
    /// Passed to each poll.
    pub budget: usize,
    /// Its stages, upstream first; polled in turn.
    pub stages: Vec<Box<dyn Stage>>,
}

/// Whether a thread runs on its core alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// No core was asked for.
    Free,
    /// It runs on this core.
    On(usize),
    /// The kernel refused this core: the thread runs anywhere, and latency will show it.
    Refused(usize),
}

/// Threads that could not be started.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot start thread {thread}: {source}; raise the limit of processes (ulimit -u, or the container's pids limit)"
)]
pub struct StartError {
    /// The one that the kernel refused.
    pub thread: String,
    /// Why.
    pub source: io::Error,
}

/// How a thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadReport {
    /// Its name.
    pub name: String,
    /// Where it ran.
    pub pin: Pin,
    /// Rounds over its stages.
    pub rounds: u64,
    /// Those in which some stage had work.
    pub busy_rounds: u64,
    /// The panics on it, in order; empty in a good run.
    pub panics: Vec<Failure>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// The first failure, where there was one.
    pub failure: Option<Failure>,
    /// Every thread, in the order of its start.
    pub threads: Vec<ThreadReport>,
}

/// Threads at work.
#[derive(Debug)]
pub struct Running {
    control: Control,
    pins: Vec<Pin>,
    handles: Vec<(String, JoinHandle<ThreadReport>)>,
}

/// Starts `threads`, upstream first, and returns when each has been pinned, or not.
///
/// # Errors
/// Where the kernel refuses a thread; those already started are stopped, closed and joined.
pub fn start(threads: Vec<ThreadSpec>, control: &Control) -> Result<Running, StartError> {
    let mut running = Running { control: control.clone(), pins: Vec::new(), handles: Vec::new() };
    for (index, spec) in threads.into_iter().enumerate() {
        let name = spec.name.clone();
        let (sender, pinned) = mpsc::sync_channel(1);
        let control = control.clone();
        let body = move || {
            let pin = pin_to(spec.core);
            // The receiver waits for this one message, so that it cannot be gone.
            let _ = sender.send(pin);
            run(spec, index, pin, &control)
        };
        match thread::Builder::new().name(name.clone()).spawn(body) {
            Ok(handle) => {
                running.pins.push(pinned.recv().unwrap_or(Pin::Free));
                running.handles.push((name, handle));
            }
            Err(source) => {
                running.control.request_stop();
                running.join();
                return Err(StartError { thread: name, source });
            }
        }
    }
    Ok(running)
}

impl Running {
    /// Where each thread runs, in the order of start.
    pub fn pins(&self) -> &[Pin] {
        &self.pins
    }

    /// The names of the threads that the kernel would not pin, with the core they wanted.
    pub fn refused_pins(&self) -> impl Iterator<Item = (&str, usize)> {
        self.handles.iter().zip(&self.pins).filter_map(|((name, _), pin)| match pin {
            Pin::Refused(core) => Some((name.as_str(), *core)),
            Pin::Free | Pin::On(_) => None,
        })
    }

    /// Waits until every thread has closed its stages and ended: after a stop was asked for, or a failure.
    pub fn join(self) -> RunReport {
        let threads = self
            .handles
            .into_iter()
            .zip(self.pins)
            .map(|((name, handle), pin)| {
                handle.join().unwrap_or_else(|payload| {
                    let failure = failure_of(&name, "thread", payload.as_ref());
                    self.control.fail(failure.clone());
                    ThreadReport { name, pin, rounds: 0, busy_rounds: 0, panics: vec![failure] }
                })
            })
            .collect();
        RunReport { failure: self.control.failure(), threads }
    }
}

fn pin_to(core: Option<usize>) -> Pin {
    match core {
        None => Pin::Free,
        Some(id) if core_affinity::set_for_current(CoreId { id }) => Pin::On(id),
        Some(id) => Pin::Refused(id),
    }
}

fn run(mut spec: ThreadSpec, index: usize, pin: Pin, control: &Control) -> ThreadReport {
    let mut report =
        ThreadReport { name: spec.name.clone(), pin, rounds: 0, busy_rounds: 0, panics: Vec::new() };
    let mut polled = 0;
    let outcome =
        catch_unwind(AssertUnwindSafe(|| poll_rounds(&mut spec, index, control, &mut report, &mut polled)));
    let broken = outcome.err().map(|payload| {
        let stage = spec.stages.get(polled).map_or("", |stage| stage.name());
        record(&mut report, control, stage, payload.as_ref());
        polled
    });
    for (position, mut stage) in spec.stages.into_iter().enumerate() {
        let name = stage.name().to_owned();
        let closing = catch_unwind(AssertUnwindSafe(move || {
            if broken != Some(position) {
                stage.close();
            }
            // Dropped in here, since dropping what a panic left behind may panic too.
            drop(stage);
        }));
        if let Err(payload) = closing {
            record(&mut report, control, &name, payload.as_ref());
        }
    }
    control.thread_closed();
    report
}

fn poll_rounds(
    spec: &mut ThreadSpec,
    index: usize,
    control: &Control,
    report: &mut ThreadReport,
    polled: &mut usize,
) {
    let mut idler = Idler::new(spec.idle);
    while !control.must_close(index) {
        let mut work = 0usize;
        for (position, stage) in spec.stages.iter_mut().enumerate() {
            *polled = position;
            work = work.saturating_add(stage.poll(spec.budget));
        }
        report.rounds += 1;
        report.busy_rounds += u64::from(work > 0);
        idler.after(work);
    }
}

fn record(report: &mut ThreadReport, control: &Control, stage: &str, payload: &(dyn Any + Send)) {
    let failure = failure_of(&report.name, stage, payload);
    report.panics.push(failure.clone());
    control.fail(failure);
}

fn failure_of(thread: &str, stage: &str, payload: &(dyn Any + Send)) -> Failure {
    let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "a panic without a message".to_owned(),
    };
    Failure { thread: thread.to_owned(), stage: stage.to_owned(), message, panicked: true }
}

#[cfg(test)]
mod tests;
