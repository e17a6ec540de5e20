//! Signals end what runs, cleanly; a second SIGINT or SIGTERM ends it at once.
//!
//! A closed terminal (SIGHUP) ends it as SIGTERM does, but never at once: shell and kernel may both send it. Who was started
//! to survive it (`nohup`) does. A closed pipe is an error of the write (SIGPIPE is ignored from the start), and the terminal's
//! `tostop` stops nobody who writes a line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTTOU};
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::error::{Error, Result};
use crate::io::sys;
use crate::pipeline::run_control::RunControl;

/// The handlers, set for the rest of the process.
#[derive(Debug)]
pub(super) struct Signals {
    /// The next SIGINT or SIGTERM ends the process at once.
    at_once: Arc<AtomicBool>,
}

impl Signals {
    /// From now on one signal ends the process: nothing is left but to hand over a result, and its reader may never take it.
    pub(super) fn end_at_the_next(&self) {
        self.at_once.store(true, Ordering::Release);
    }
}

/// Signals that come while a journal is opened, before there is a run that they could end: remembered, so that they end it
/// as soon as it is there.
#[derive(Debug)]
pub(super) struct EarlySignals {
    stop: Arc<AtomicBool>,
    hung_up: Arc<AtomicBool>,
}

impl EarlySignals {
    /// From here on no first signal ends the process by itself.
    pub(super) fn take() -> Result<Self> {
        let (stop, hung_up) = (Arc::default(), Arc::default());
        stop_on_signals(&stop, &hung_up)?;
        Ok(Self { stop, hung_up })
    }

    /// Has signals end the run behind `control`, those that came before too.
    pub(super) fn end(&self, control: &RunControl) -> Result<Signals> {
        let (stop, hung_up) = (control.threads().stop_flag(), control.hung_up_flag());
        let signals = stop_on_signals(&stop, &hung_up)?;
        // In this order: whoever sees the end finds its reason.
        hung_up.fetch_or(self.hung_up.load(Ordering::Acquire), Ordering::AcqRel);
        stop.fetch_or(self.stop.load(Ordering::Acquire), Ordering::AcqRel);
        Ok(signals)
    }
}

/// Has signals set `stop`, and a closed terminal `hung_up` before. Only a signal that follows another ends the process at
/// once, not one that meets a run which is ending by itself.
pub(super) fn stop_on_signals(stop: &Arc<AtomicBool>, hung_up: &Arc<AtomicBool>) -> Result<Signals> {
    let at_once = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag not set yet.
        register_conditional_shutdown(signal, 1, Arc::clone(&at_once))
            .and_then(|_| register(signal, Arc::clone(&at_once)))
            .and_then(|_| register(signal, Arc::clone(stop)))
            .map_err(|error| uncaught(signal, &error))?;
    }
    if !sys::is_ignored(SIGHUP) {
        register(SIGHUP, Arc::clone(hung_up))
            .and_then(|_| register(SIGHUP, Arc::clone(stop)))
            .map_err(|error| uncaught(SIGHUP, &error))?;
    }
    sys::ignore(SIGTTOU);
    Ok(Signals { at_once })
}

fn uncaught(signal: i32, error: &std::io::Error) -> Error {
    Error::Failed(format!("signal {signal} cannot be caught: {error}; a sandbox may forbid it"))
}
