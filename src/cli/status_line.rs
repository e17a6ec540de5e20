//! A demonstration's status line: over itself on a terminal once a second, else a line now and then.

use std::io::IsTerminal as _;
use std::time::Duration;

use pricewright_core::kernel::EndReason;

use super::show::{line, print};
use crate::error::{Error, Result};
use crate::pipeline::run_control::RunControl;

/// Seconds between lines where nobody watches a terminal.
const LOG_EVERY_S: u64 = 6;

/// The status line of a run.
pub(super) struct StatusLine {
    quiet: bool,
    terminal: bool,
    shown: u64,
    control: RunControl,
    /// The first error of standard output: who closed it wants no more of this.
    error: Option<Error>,
}

impl StatusLine {
    /// For the run behind `control`; a quiet one says nothing.
    pub(super) fn new(quiet: bool, control: RunControl) -> Self {
        Self { quiet, terminal: std::io::stdout().is_terminal(), shown: 0, control, error: None }
    }

    /// Shows what `text` gives for the seconds that have passed, where it is time to.
    pub(super) fn tick(&mut self, elapsed: Duration, text: impl FnOnce(u64) -> Option<String>) {
        let seconds = elapsed.as_secs();
        let every = if self.terminal { 1 } else { LOG_EVERY_S };
        if self.quiet || self.error.is_some() || seconds < self.shown + every {
            return;
        }
        self.shown = seconds;
        let Some(text) = text(seconds) else { return };
        let shown = if self.terminal { print(&format!("\r{text}\x1b[K")) } else { line(&text) };
        self.show(shown);
    }

    /// Ends the run where standard output could not be written.
    pub(super) fn show(&mut self, shown: Result<()>) {
        if let Err(error) = shown {
            self.control.stop(EndReason::OPERATOR);
            self.error.get_or_insert(error);
        }
    }

    /// Leaves the line.
    ///
    /// # Errors
    /// What standard output said first.
    pub(super) fn finish(mut self) -> Result<()> {
        if self.terminal && !self.quiet && self.shown > 0 && self.error.is_none() {
            let shown = line("");
            self.show(shown);
        }
        self.error.map_or(Ok(()), Err)
    }
}
