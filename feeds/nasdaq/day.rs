//! From stamps that count from the venue's midnight to event times.
//!
//! ITCH 5.0 and OUCH 5.0 stamp with nanoseconds since midnight of the venue's local day, and say nowhere which day that is.
//! It is found from when the first stamp of a session was received: the local day of then; or the day before, where the stamp
//! would lie more than [`AHEAD_MAX`] in the future, since what is asked for again may be a day old, and a session may last past
//! midnight and count on. It is found anew with each session, and within one where stamps begin anew. A stamp counts hours
//! that passed: on a day on which clocks change, those of the wall are an hour off after the change.

use pricewright_core::kernel::{Nanos, TimeZone};

/// How far a stamp may lie in the future: clocks that differ, not days.
const AHEAD_MAX: i64 = 3_600_000_000_000;
/// Stamps that go back by more than this began anew at a midnight.
const BACK_MAX: u64 = 12 * 3_600_000_000_000;

/// Which midnight the stamps of a session count from.
#[derive(Clone, Debug)]
pub struct SessionDay {
    /// `None` where the midnight was given.
    zone: Option<TimeZone>,
    start_ns: i64,
    last: u64,
    known: bool,
}

impl SessionDay {
    /// A day whose midnight is known, in nanoseconds since the Unix epoch: for recordings.
    pub fn fixed(start_ns: i64) -> Self {
        Self { zone: None, start_ns, last: 0, known: true }
    }

    /// A day of this zone, found from the session's first stamp.
    pub fn of_zone(zone: TimeZone) -> Self {
        Self { zone: Some(zone), start_ns: 0, last: 0, known: false }
    }

    /// Another session begins: perhaps of another day.
    pub fn begin_session(&mut self) {
        self.known = self.zone.is_none();
        self.last = 0;
    }

    /// The midnight, in nanoseconds since the Unix epoch, that `stamp` counts from; it was received at `received`.
    #[inline]
    pub fn start_of(&mut self, stamp: u64, received: Nanos) -> i64 {
        if !self.known || stamp.saturating_add(BACK_MAX) < self.last {
            self.find(stamp, received);
        }
        self.last = stamp;
        self.start_ns
    }

    /// The midnight found last.
    pub fn start_ns(&self) -> i64 {
        self.start_ns
    }

    #[cold]
    fn find(&mut self, stamp: u64, received: Nanos) {
        let Some(zone) = &self.zone else { return };
        let mut day = zone.day(received);
        let latest = received.0.saturating_add(AHEAD_MAX);
        // Two days at the most: a session that lasts past midnight counts on for less than another.
        for _ in 0..2 {
            if day.begin.0.saturating_add_unsigned(stamp) <= latest {
                break;
            }
            day = zone.day_before(day.begin);
        }
        self.start_ns = day.begin.0;
        self.known = true;
    }
}

#[cfg(test)]
mod tests;
