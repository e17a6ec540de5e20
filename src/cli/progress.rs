//! A sign of life on work that takes longer than two seconds.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::telemetry::console;

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the spinner turns.
const TURN: Duration = Duration::from_millis(120);

/// Standard error; nowhere under `--json`, where its lines are JSON.
pub(super) fn target() -> ProgressDrawTarget {
    if console::speaks_json() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
}

/// Does `work`; from its third second on a spinner on standard error says `what` is being done.
pub(super) fn spinner<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    let (done, waiting) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, target()).with_message(what);
            while waiting.recv_timeout(TURN) == Err(RecvTimeoutError::Timeout) {
                bar.tick();
            }
            bar.finish_and_clear();
        });
        let result = work();
        // The spinner ends when its channel does.
        drop(done);
        result
    })
}

/// A bar on standard error, from the third second on.
pub(super) struct RecordBar {
    bar: ProgressBar,
    start: Instant,
    first: u64,
}

impl RecordBar {
    /// Over records, for work called `what` that begins at record `first`.
    pub(super) fn new(what: &'static str, first: u64) -> Self {
        Self { first, ..Self::of(what, "records") }
    }

    /// Over `things`, for work called `what`.
    pub(super) fn of(what: &'static str, things: &str) -> Self {
        let bar = ProgressBar::hidden().with_message(what);
        let template =
            format!("{{msg}} {{bar:40}} {{human_pos}} of {{human_len}} {things}, {{per_sec}}, {{eta}} left");
        // A template that is no good would leave the plain bar.
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Self { bar, start: Instant::now(), first: 1 }
    }

    /// Record `seq` of those to `last` is done.
    pub(super) fn at(&mut self, seq: u64, last: u64) {
        self.set((seq + 1).saturating_sub(self.first), (last + 1).saturating_sub(self.first));
    }

    /// `done` of `all` are done.
    pub(super) fn set(&mut self, done: u64, all: u64) {
        if self.start.elapsed() < PATIENCE {
            return;
        }
        if self.bar.is_hidden() {
            self.bar.set_draw_target(target());
        }
        self.bar.set_length(all);
        self.bar.set_position(done);
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
