//! From stamps that count from the venue's midnight to event times.
//!
//! ITCH 5.0 and OUCH 5.0 stamp with nanoseconds since midnight of the venue's local day, and say nowhere which day that is.
//! It is found from when the first stamp of a session was received, as the latest of these that the stamp fits:
//! - the coming day, where the stamp lies at most [`SKEW_MAX`] in the future: the venue's clock is ahead of ours at its midnight;
//! - the local day of then, where it lies at most [`AHEAD_MAX`] in the future;
//! - a day before, since what is asked for again may be a day old, and a session may last past midnight and count on.
//!
//! That is the midnight that puts the stamp nearest to its receipt. It is found anew with each session, and within one where
//! stamps begin anew.
//!
//! Limits: a stamp counts hours that passed. On a day on which clocks change, those of the wall give times that are an hour
//! off after the change: an hour late where clocks were set forward, an hour early where they were set back. A message of
//! another day whose time of day also fits today is taken for today's.

use pricewright_core::kernel::{Day, Nanos, TimeZone};

/// How far the venue's clock may be ahead of ours.
const SKEW_MAX: i64 = 5 * 60_000_000_000;
/// How far a stamp of the local day may lie in the future: the hour by which stamps of the wall are off where clocks were set
/// forward, and clocks that differ on top of it. Without the latter the least difference would decide between an hour and a day.
const AHEAD_MAX: i64 = 60 * 60_000_000_000 + SKEW_MAX;
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
        let fits = |day: &Day, ahead_max: i64| {
            day.begin.0.saturating_add_unsigned(stamp) <= received.0.saturating_add(ahead_max)
        };
        let today = zone.day(received);
        let mut day = zone.day_after(today.end);
        if !fits(&day, SKEW_MAX) {
            day = today;
            // Two days at the most: a session that lasts past midnight counts on for less than another.
            for _ in 0..2 {
                if fits(&day, AHEAD_MAX) {
                    break;
                }
                day = zone.day_before(day.begin);
            }
        }
        self.start_ns = day.begin.0;
        self.known = true;
    }
}

#[cfg(test)]
mod tests;
