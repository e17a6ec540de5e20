//! The status of what runs: on a terminal one line over itself, once a second, that fits the width; else a line now and then.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use pricewright_core::kernel::{Control, DisplayUnits, EndReason, Health, InstrumentId, SessionPhase};

use super::show::{said, say, thousands};
use crate::error::Result;
use crate::io::sys::columns;
use crate::pipeline::run_control::RunControl;
use crate::telemetry::console::{self, Console};
use crate::telemetry::news::TARGET;
use crate::telemetry::status::{Standing, Tally};
use crate::telemetry::trace::LatencyNow;

/// Seconds between lines of a demonstration where nobody watches a terminal.
const LOG_EVERY_S: u64 = 6;
/// The width of a terminal that does not say its own.
const WIDTH: usize = 80;
/// Positions named in a line of the log.
const POSITIONS: usize = 8;

/// Where a status goes.
enum Place {
    Nowhere,
    /// Over itself on a terminal.
    Terminal(&'static Console),
    /// Lines on standard output.
    Lines,
    /// Lines of the log.
    Log,
}

/// The status line of a run.
pub(super) struct StatusLine {
    place: Place,
    every_s: u64,
    shown: u64,
    control: RunControl,
}

impl StatusLine {
    /// Of a demonstration, on standard output; a quiet one says nothing.
    pub(super) fn of_demo(quiet: bool, control: RunControl) -> Self {
        let place = match (quiet, console::out().is_terminal()) {
            (true, _) => Place::Nowhere,
            (false, false) => Place::Lines,
            // Where both are the terminal, lines of the log are to stand above the status.
            (false, true) if console::err().is_terminal() => Place::Terminal(console::err()),
            (false, true) => Place::Terminal(console::out()),
        };
        let every_s = if matches!(place, Place::Terminal(_)) { 1 } else { LOG_EVERY_S };
        Self { place, every_s, shown: 0, control }
    }

    /// Of a run, on standard error: over itself on a terminal, unless standard output writes decisions between; else a line
    /// of the log every `every_s` seconds, none where that is 0.
    pub(super) fn of_run(decisions_on_stdout: bool, every_s: u64, control: RunControl) -> Self {
        // A line over itself is no JSON.
        let crowded = (decisions_on_stdout && io::stdout().is_terminal()) || console::speaks_json();
        let (place, every_s) = match (console::err().is_terminal() && !crowded, every_s) {
            (true, _) => (Place::Terminal(console::err()), 1),
            (false, 0) => (Place::Nowhere, 1),
            (false, every_s) => (Place::Log, every_s),
        };
        Self { place, every_s, shown: 0, control }
    }

    /// Whether lines go into the log.
    pub(super) fn is_log(&self) -> bool {
        matches!(self.place, Place::Log)
    }

    /// Shows what `text` gives for the seconds that have passed, where it is time to: its parts, the most important first.
    /// Never waits. Where the reader of standard output is gone, the run ends.
    pub(super) fn tick(&mut self, elapsed: Duration, text: impl FnOnce(u64) -> Vec<String>) {
        if matches!(self.place, Place::Lines | Place::Terminal(_)) && console::out().is_gone() {
            self.control.stop(EndReason::OUTPUT_CLOSED);
            return;
        }
        let seconds = elapsed.as_secs();
        if matches!(self.place, Place::Nowhere) || seconds < self.shown + self.every_s {
            return;
        }
        self.shown = seconds;
        let parts = text(seconds);
        if parts.is_empty() {
            return;
        }
        match &self.place {
            Place::Nowhere | Place::Log => {}
            Place::Lines => say(&parts.join("  ")),
            Place::Terminal(console) => console.status(&fitting(&parts, width())),
        }
    }

    /// Leaves the line.
    ///
    /// # Errors
    /// What standard output said first.
    pub(super) fn finish(self) -> Result<()> {
        if let Place::Terminal(console) = self.place {
            console.status("");
            // What follows on the other stream stands below.
            console.drain(Some(Duration::from_millis(200)));
        }
        said()
    }
}

/// Columns of the terminal; one is left free, since a line that fills the last one wraps.
fn width() -> usize {
    columns(io::stderr().as_fd()).or_else(|| columns(io::stdout().as_fd())).unwrap_or(WIDTH).saturating_sub(1)
}

/// As many of `parts` as `width` columns take, those first that come first; one that is too long is left out.
fn fitting(parts: &[String], width: usize) -> String {
    let mut text = String::new();
    let mut used = 0;
    for part in parts {
        let gap = if text.is_empty() { 0 } else { 2 };
        let len = part.chars().count();
        if used + gap + len > width {
            continue;
        }
        text.extend(std::iter::repeat_n(' ', gap));
        text.push_str(part);
        used += gap + len;
    }
    text
}

/// What hinders the run, in words.
fn hindrances(tally: &Tally) -> impl Iterator<Item = String> {
    let latch = (tally.latch != Control::NONE).then(|| format!("LATCHED: {}", tally.latch.name()));
    let storage = tally.storage_low.then(|| "STORAGE LOW".to_owned());
    let session = tally.session().filter(|name| *name != SessionPhase::READY.name());
    let session = session.map(|name| format!("session {name}"));
    let feed = tally.feed.filter(|health| *health != Health::VALID);
    let feed = feed.map(|health| format!("feed {}", health.name()));
    [latch, storage, session, feed].into_iter().flatten()
}

/// The parts of a live status line, the most important first.
pub(super) fn live_parts(
    seconds: u64,
    tally: &Tally,
    latency: LatencyNow,
    units: &DisplayUnits,
) -> Vec<String> {
    let mut parts = vec![format!("{seconds}s")];
    parts.extend(hindrances(tally));
    let mut instruments = tally.instruments();
    if let Some((id, standing)) = instruments.next() {
        parts.push(market(id, standing, units));
        parts.push(format!("pos {:+}", standing.position.0));
        parts.push(format!("P&L {}", units.money_short(tally.profit(units))));
        parts.push(format!("fills {}", thousands(tally.fills)));
        if let Some((p50, p99)) = latency.micros() {
            parts.push(format!("p50 {p50} p99 {p99} µs"));
        }
        parts.push(format!("orders {}", thousands(tally.orders)));
        let others = instruments.count();
        if others > 0 {
            parts.push(format!("and {others} more"));
        }
        parts.push(format!("gaps {}", tally.gaps));
    }
    if tally.prices > 0 {
        parts.push(format!("prices {}", thousands(tally.prices)));
    }
    let refused = tally.refused + tally.venue_rejected;
    if refused > 0 {
        parts.push(format!("refused {}", thousands(refused)));
    }
    if tally.rejected > 0 {
        parts.push(format!("dead letters {}", thousands(tally.rejected)));
    }
    parts.push(format!("events {}", thousands(tally.events)));
    parts
}

fn market(id: InstrumentId, standing: &Standing, units: &DisplayUnits) -> String {
    let price = |ticks: pricewright_core::kernel::Ticks| match ticks.0 {
        0 => "none".to_owned(),
        _ => units.price(id, ticks),
    };
    format!("{} {}/{}", units.symbol(id), price(standing.bid), price(standing.ask))
}

/// The status as a line of the log, its fields by name.
pub(super) fn log_status(tally: &Tally, latency: LatencyNow, units: &DisplayUnits) {
    let held = tally.instruments().filter(|(_, standing)| standing.position.0 != 0);
    let mut held: Vec<String> =
        held.map(|(id, standing)| format!("{} {:+}", units.symbol(id), standing.position.0)).collect();
    if held.len() > POSITIONS {
        let more = held.len() - POSITIONS;
        held.truncate(POSITIONS);
        held.push(format!("and {more} more"));
    }
    let (p50, p99) = latency.micros().unwrap_or_default();
    if tally.instruments().next().is_some() {
        tracing::info!(
            target: TARGET,
            positions = held.join(", "),
            profit = %units.money_short(tally.profit(units)),
            fees = %units.money_short(tally.fees()),
            fills = tally.fills,
            orders = tally.orders,
            refused = tally.refused,
            venue_rejected = tally.venue_rejected,
            dead_letters = tally.rejected,
            gaps = tally.gaps,
            latency_us_p50 = p50,
            latency_us_p99 = p99,
            events = tally.events,
            latch = tally.latch.name(),
            session = tally.session().unwrap_or("none"),
            feed = tally.feed.map_or("unknown", Health::name),
            storage = if tally.storage_low { "low" } else { "ok" },
            "status"
        );
    } else {
        tracing::info!(
            target: TARGET,
            events = tally.events,
            prices = tally.prices,
            dead_letters = tally.rejected,
            storage = if tally.storage_low { "low" } else { "ok" },
            "status"
        );
    }
}

#[cfg(test)]
mod tests;
