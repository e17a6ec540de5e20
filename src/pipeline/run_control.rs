//! What the stages of one run share: why it ends, whether the input has ended, and the hot thread's pulse.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pricewright_core::kernel::EndReason;

use super::control::{Control, Failure};
use crate::error::{Error, Result};

/// [`Control`] with the reasons that a journal's last record wants. Clones are the same handle.
#[derive(Clone, Debug, Default)]
pub struct RunControl {
    control: Control,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    reason: AtomicU8,
    input_ended: AtomicBool,
    beats: AtomicU64,
    kill: AtomicBool,
    /// An `Arc` of its own, since signal handlers want one.
    hung_up: Arc<AtomicBool>,
    /// Orders that the venue had not confirmed to be gone when the run ended.
    orders_left: AtomicUsize,
    /// The machine's state at a clean end.
    state: Mutex<Option<Vec<u8>>>,
}

impl RunControl {
    /// Asks all threads to stop. The first reason of a run is kept.
    pub fn stop(&self, reason: EndReason) {
        // Relaxed: the flag behind `request_stop` publishes it.
        let _first_reason_stands =
            self.shared.reason.compare_exchange(0, reason.0, Ordering::Relaxed, Ordering::Relaxed);
        self.control.request_stop();
    }

    /// The flag that the handler of a closed terminal's signal sets, beside the one that stops the run.
    pub fn hung_up_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.hung_up)
    }

    /// Why the run ends; [`EndReason::OPERATOR`] or [`EndReason::HANGUP`] if only a flag was set, as signal handlers do.
    pub fn reason(&self) -> EndReason {
        match self.shared.reason.load(Ordering::Relaxed) {
            0 if self.failed() => EndReason::FAILURE,
            0 if self.shared.hung_up.load(Ordering::Acquire) => EndReason::HANGUP,
            0 => EndReason::OPERATOR,
            reason => EndReason(reason),
        }
    }

    /// Stops the run because a stage cannot go on.
    pub fn fail(&self, stage: &str, error: &Error) {
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        self.control.fail(Failure {
            thread,
            stage: stage.to_owned(),
            message: error.to_string(),
            panicked: false,
        });
    }

    /// The work that a stage did in one turn; where it failed, none, and the run ends.
    pub fn worked(&self, stage: &str, turn: Result<usize>) -> usize {
        turn.unwrap_or_else(|error| {
            self.fail(stage, &error);
            0
        })
    }

    /// True once something failed.
    pub fn failed(&self) -> bool {
        self.control.failure().is_some()
    }

    /// The input has ended and is all in the rings.
    pub fn input_ended(&self) {
        // Release: partner of the acquire below, so that what was pushed before is seen.
        self.shared.input_ended.store(true, Ordering::Release);
    }

    /// True once the input has ended.
    pub fn has_input_ended(&self) -> bool {
        self.shared.input_ended.load(Ordering::Acquire)
    }

    /// An operator wants the kill latch set. The command itself goes to the machine; this is for the watchdog, since a kill
    /// that must pass through a wedged machine is no kill.
    pub fn kill_asked(&self) {
        self.shared.kill.store(true, Ordering::Relaxed);
    }

    /// True once after [`Self::kill_asked`].
    pub fn take_kill(&self) -> bool {
        self.shared.kill.swap(false, Ordering::Relaxed)
    }

    /// Says how many orders the venue has not confirmed to be gone, at the end. The largest count stands.
    pub fn leave_orders(&self, unconfirmed: usize) {
        // Relaxed: the threads are joined before it is read.
        self.shared.orders_left.fetch_max(unconfirmed, Ordering::Relaxed);
    }

    /// Orders that may be open at the venue behind a run that has ended.
    pub fn orders_left(&self) -> usize {
        self.shared.orders_left.load(Ordering::Relaxed)
    }

    /// Leaves the machine's state, as its driver's snapshot, behind the run's last record. Takes a lock: only at the end.
    pub fn leave_state(&self, state: Vec<u8>) {
        *self.shared.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    /// The state that a clean end left.
    pub fn take_state(&self) -> Option<Vec<u8>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The hot thread lives.
    #[inline]
    pub fn beat(&self) {
        // One writer: a load and a store are enough, and cheaper than an atomic addition.
        let beats = self.shared.beats.load(Ordering::Relaxed);
        self.shared.beats.store(beats.wrapping_add(1), Ordering::Relaxed);
    }

    /// How often it has beaten.
    pub fn beats(&self) -> u64 {
        self.shared.beats.load(Ordering::Relaxed)
    }

    /// The handle of the threads.
    pub fn threads(&self) -> &Control {
        &self.control
    }
}
