//! Whether the process works (`/healthz`) and whether it does what it is there for (`/readyz`): each check with its reason.

use std::collections::BTreeSet;

use pricewright_core::kernel::{Control, Health, HealthReason, InstrumentId, Nanos, SessionPhase};
use serde::Serialize;

use super::View;
use super::seen::Healthy;

/// The journal must have been looked at so lately, or what is said here is old.
const FOLLOWED_MS: u64 = 5_000;

/// What is not durable yet may have waited for so long; a disk that works takes milliseconds.
const DURABLE_LATE: Nanos = Nanos(5_000_000_000);

/// What a run must have to be ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Market data.
    pub feed: bool,
    /// A session with a venue.
    pub session: bool,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What is checked.
    pub check: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// How it stands.
    pub detail: String,
}

/// The answer to a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `ok` or `failing`.
    pub status: &'static str,
    /// What is not well: the check and how it stands.
    pub reasons: Vec<String>,
    /// All that was checked.
    pub checks: Vec<Check>,
}

impl Verdict {
    fn of(checks: Vec<Check>) -> Self {
        let reasons: Vec<String> = checks
            .iter()
            .filter(|check| !check.ok)
            .map(|check| format!("{}: {}", check.check, check.detail))
            .collect();
        Self { status: if reasons.is_empty() { "ok" } else { "failing" }, reasons, checks }
    }

    /// True if everything is well.
    pub fn is_ok(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// Whether the process works: a supervisor may restart it if not. `stalled_ms` is how long the hot thread has not
/// moved, if that is too long.
pub fn health(view: &View<'_>, stalled_ms: Option<u64>) -> Verdict {
    Verdict::of(alive(view, stalled_ms))
}

/// Whether it does what it is there for: all of [`health`], and everything that events and decisions need.
pub fn readiness(view: &View<'_>, stalled_ms: Option<u64>, expected: Expected) -> Verdict {
    let mut checks = alive(view, stalled_ms);
    if expected.feed {
        checks.push(feed(view));
        checks.push(books(view));
    }
    if expected.session {
        checks.push(session(view));
    }
    checks.push(storage(view));
    checks.extend(view.read.durable.map(|durable| caught_up(view, durable)));
    checks.push(latch(view));
    checks.push(self_check(view));
    if let Some(broken) = broken(view) {
        checks.push(broken);
    }
    Verdict::of(checks)
}

fn check(check: &'static str, wrong: Option<String>, well: impl Into<String>) -> Check {
    Check { check, ok: wrong.is_none(), detail: wrong.unwrap_or_else(|| well.into()) }
}

fn alive(view: &View<'_>, stalled_ms: Option<u64>) -> Vec<Check> {
    let stalled = stalled_ms.map(|ms| format!("it has not moved for {ms} ms"));
    let old = (view.read.monitor_age_ms > FOLLOWED_MS)
        .then(|| format!("the journal was last looked at {} ms ago", view.read.monitor_age_ms));
    let mut checks = vec![
        check("hot_thread", stalled, "it moves"),
        check("stages", view.read.failure.clone(), "none failed"),
        check("journal", view.read.monitor_failure.clone().or(old), "it is followed"),
    ];
    if view.read.durable.is_some() {
        let failed = view.read.durable_failed.then(|| {
            "the disk failed: what comes now is not durable until the run is started again".to_owned()
        });
        checks.push(check("durable", failed, "the disk takes what is written"));
    }
    checks
}

fn said(name: &str, healthy: &Healthy) -> Option<String> {
    let Healthy { health, reason } = healthy;
    (*health != Health::VALID).then(|| match *reason {
        reason if reason == HealthReason::default() => format!("{name} is {}", health.name()),
        reason => format!("{name} is {} ({})", health.name(), reason.name()),
    })
}

fn joined(wrong: Vec<String>) -> Option<String> {
    (!wrong.is_empty()).then(|| wrong.join(", "))
}

fn feed(view: &View<'_>) -> Check {
    let feeds = &view.seen.feeds;
    let wrong = if feeds.is_empty() {
        Some("the market data has not spoken yet".to_owned())
    } else {
        joined(feeds.values().filter_map(|healthy| said("the market data", healthy)).collect())
    };
    check("feed", wrong, "the market data is valid")
}

fn books(view: &View<'_>) -> Check {
    let all = (0..).zip(&view.units.instruments).map(|(id, _)| InstrumentId(id));
    let wrong = all.filter_map(|id| {
        let name = view.units.symbol(id);
        match view.seen.books.get(&id) {
            Some(healthy) => said(&name, healthy),
            None => Some(format!("{name} has not been spoken of yet")),
        }
    });
    check("books", joined(wrong.collect()), "all books are valid")
}

fn session(view: &View<'_>) -> Check {
    let phase = view.seen.session;
    let wrong = match phase {
        Some(SessionPhase::READY) => None,
        Some(phase) => Some(format!("the order session is {}", phase.name())),
        None => Some("the order session has not begun".to_owned()),
    };
    check("session", wrong, "the order session is ready")
}

fn storage(view: &View<'_>) -> Check {
    let wrong = if view.read.stuck {
        Some("the journal has no room: no input is taken".to_owned())
    } else if view.read.storage_low || view.seen.storage_low {
        Some("storage is low: no new risk is taken; free some room".to_owned())
    } else {
        // Said before the run feels it, which is when the next segment is made.
        let short = view.read.free.is_some_and(|free| free < view.read.min_free);
        short.then(|| {
            "less is free than min_free_mib asks for: soon no new risk is taken; free some room".to_owned()
        })
    };
    check("storage", wrong, "there is room")
}

/// In mode `sync` nothing leaves before it is durable, in the others it could be lost with the power.
fn caught_up(view: &View<'_>, durable: u64) -> Check {
    let waited = view.seen.waited(durable, view.read.now);
    let late = (waited > DURABLE_LATE)
        .then(|| format!("records have waited for the disk for {} ms", waited.0 / 1_000_000));
    check("durable_lag", late, "the disk keeps up")
}

fn latch(view: &View<'_>) -> Check {
    let wrong = view.seen.latch.map(|control| match control {
        Control::KILL_LATCH => "the kill latch is set".to_owned(),
        control => format!("the kill latch is set ({})", control.name()),
    });
    check("latch", wrong, "it is released")
}

fn self_check(view: &View<'_>) -> Check {
    check("self_check", view.read.replica.alarm.clone(), "no difference was found")
}

/// Only if a drop copy was ever at odds with us: in this run, or in one before that left an instrument frozen.
fn broken(view: &View<'_>) -> Option<Check> {
    let frozen = view.seen.statuses.iter().filter(|(_, status)| status.frozen != 0).map(|(id, _)| *id);
    let open = view.seen.breaks.iter().filter(|(_, count)| **count > 0).map(|(id, _)| *id);
    let wrong: BTreeSet<InstrumentId> = frozen.chain(open).collect();
    if view.seen.breaks.is_empty() && wrong.is_empty() {
        return None;
    }
    let wrong = wrong.iter().map(|id| format!("{} differs from the drop copy", view.units.symbol(*id)));
    Some(check("positions", joined(wrong.collect()), "they agree with the drop copy"))
}
