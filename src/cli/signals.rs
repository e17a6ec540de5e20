//! SIGINT and SIGTERM end what runs, cleanly.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, Result};

/// Has both signals set `stop`.
pub(super) fn stop_on_signals(stop: &Arc<AtomicBool>) -> Result<()> {
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(stop)).map_err(|error| {
            Error::Failed(format!("signal {signal} cannot be caught: {error}; a sandbox may forbid it"))
        })?;
    }
    Ok(())
}
