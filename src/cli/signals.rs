//! SIGINT and SIGTERM end what runs, cleanly; a second one ends it at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, Result};

/// Has both signals set `stop`. Only a signal that follows another ends the process at once, not one that meets a run which is
/// ending by itself.
pub(super) fn stop_on_signals(stop: &Arc<AtomicBool>) -> Result<()> {
    let signalled = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag not set yet.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&signalled))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&signalled)))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(stop)))
            .map_err(|error| {
                Error::Failed(format!("signal {signal} cannot be caught: {error}; a sandbox may forbid it"))
            })?;
    }
    Ok(())
}
