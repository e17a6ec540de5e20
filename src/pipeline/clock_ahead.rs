//! A journal whose last stamp lies ahead of the machine's wall clock: one of the two was, or is, wrong.
//!
//! Stamps never go back, so a run on such a journal goes on from its last stamp, and what follows is far in the future for
//! ever. That is nothing to begin in silence: it is refused unless an operator says so, and then journalled.

use std::path::Path;

use pricewright_core::kernel::Nanos;

use crate::clock::MAX_SLEW_PPM;
use crate::error::{Error, Result};

/// Being ahead by less is followed by slewing within hours, and is what time daemons do.
const TOLERATED: i64 = 2_000_000_000;

/// How far a journal is ahead of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockAhead {
    /// The wall clock.
    pub wall: Nanos,
    /// The journal's last stamp.
    pub last: Nanos,
}

impl ClockAhead {
    /// Where `last`, the journal's last stamp, is ahead of the wall clock by more than slewing makes good.
    pub fn found(last: Option<Nanos>, wall: Nanos) -> Option<Self> {
        let last = last.filter(|last| last.0.saturating_sub(wall.0) > TOLERATED)?;
        Some(Self { wall, last })
    }

    /// What an operator who has accepted it is told.
    pub fn text(&self) -> String {
        format!("{}: going on from there, as --accept-clock says. {}", self.what(), self.effect())
    }

    /// Refuses to begin, unless `accepted`.
    ///
    /// # Errors
    /// What is ahead, what that would do, and what helps.
    pub fn check(&self, dir: &Path, accepted: bool) -> Result<()> {
        if accepted {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "{}: {}. {}; set the machine's clock, choose another directory (--journal DIR), or go on all the same \
             (--accept-clock, which is journalled)",
            dir.display(),
            self.what(),
            self.effect()
        )))
    }

    fn what(&self) -> String {
        let ahead = self.last.0.saturating_sub(self.wall.0);
        format!(
            "the journal's last stamp, {}, is {} ahead of this machine's clock, {}",
            stamp(self.last),
            duration(i128::from(ahead)),
            stamp(self.wall)
        )
    }

    fn effect(&self) -> String {
        let ahead = self.last.0.saturating_sub(self.wall.0);
        let until = i128::from(ahead) * i128::from(1_000_000 / MAX_SLEW_PPM);
        format!(
            "Stamps never go back: every event would be stamped from {} on, and meet the clock again after {} of running; \
             ages, timers and days of this journal would count from there, and retention by age removes nothing meanwhile",
            stamp(self.last),
            duration(until)
        )
    }
}

/// Refuses a wall clock so near to the last stamp that 64 bits hold (the year 2262) that a run could reach it.
///
/// # Errors
/// What is wrong with the clock, and what helps.
pub fn check_wall(wall: Nanos) -> Result<()> {
    const YEAR: i64 = 31_557_600_000_000_000;
    if wall.0 <= i64::MAX - YEAR && wall.0 > 0 {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "this machine's clock shows {} or a time beyond it: stamps reach from 1970 to 2262; set the clock",
        stamp(wall)
    )))
}

fn stamp(at: Nanos) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(at.0)) {
        Ok(stamp) => format!("{stamp:.0}"),
        Err(_) => format!("{at} ns"),
    }
}

/// A length of time as people say it.
fn duration(nanos: i128) -> String {
    let seconds = nanos.unsigned_abs() as f64 / 1e9;
    let units = [("years", 31_557_600.0), ("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)];
    let found = units.into_iter().find(|(_, unit)| seconds >= 2.0 * unit);
    let (name, unit) = found.unwrap_or(("s", 1.0));
    format!("{:.1} {name}", seconds / unit)
}

#[cfg(test)]
mod tests;
