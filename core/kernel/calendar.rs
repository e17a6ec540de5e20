//! The venue's calendar: time zone, days, session hours. Pure arithmetic on stamps, so that a machine may use it.
//!
//! Guarantees: the same stamp and the same configuration give the same day on every machine. No database of zones is read,
//! neither from the file system nor built in: a zone is a rule in the form of POSIX (IEEE Std 1003.1, environment variable
//! `TZ`), and the venues' usual names stand for the rules that the IANA database (2026b) gives them from now on. A rule says
//! nothing about years in which another law held: New York's is right from 2007 on, the European Union's from 1996.
//!
//! Refused: names that are not in the list. The error says how to find the rule.

use core::fmt;
use core::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::units::Nanos;

mod zones;

const DAY: i64 = 86_400_000_000_000;

/// What is wrong with a zone, a time of day or a date in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Neither a name of the list nor a rule.
    #[error(
        "time_zone {0:?} is neither a name that is built in (such as \"America/New_York\", \"Europe/London\", \"UTC\") nor a \
         POSIX rule such as \"EST5EDT,M3.2.0,M11.1.0\"; `tail -n 1 /usr/share/zoneinfo/NAME` shows a zone's rule"
    )]
    Zone(String),
    /// No time of day.
    #[error("{0:?} is not a time of day; write it as \"09:30\" or \"09:30:00\"")]
    TimeOfDay(String),
    /// No date.
    #[error("{0:?} is not a date; write it as \"2026-12-25\"")]
    Date(String),
}

/// A time zone: a name of the list, or a POSIX rule.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeZone {
    text: String,
    zone: tz::TimeZone,
}

/// A day of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its midnight.
    pub begin: Nanos,
    /// The next midnight: 23, 24 or 25 hours later.
    pub end: Nanos,
    /// Its date as a number: 20261130.
    pub date: u32,
}

impl TimeZone {
    /// The zone of this name or rule.
    ///
    /// # Errors
    /// [`CalendarError::Zone`].
    pub fn new(text: &str) -> Result<Self, CalendarError> {
        let rule = zones::rule_of(text).unwrap_or(text);
        let wrong = || CalendarError::Zone(text.to_owned());
        let zone = tz::TimeZone::posix(rule).map_err(|_| wrong())?;
        Ok(Self { text: text.to_owned(), zone })
    }

    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { text: "UTC".to_owned(), zone: tz::TimeZone::UTC }
    }

    /// As it was written.
    pub fn name(&self) -> &str {
        &self.text
    }

    /// The day that `now` lies in. Allocates nothing.
    pub fn day(&self, now: Nanos) -> Day {
        let date = self.local(now).date();
        let next = date.tomorrow().unwrap_or(date);
        let begin = self.stamp(date.to_datetime(Time::midnight()));
        let end = self.stamp(next.to_datetime(Time::midnight()));
        let (Some(begin), Some(end)) = (begin, end) else { return Self::utc_day(now) };
        Day { begin, end, date: number_of(date) }
    }

    /// The day before the one that begins at `begin`.
    pub fn day_before(&self, begin: Nanos) -> Day {
        self.day(Nanos(begin.0.saturating_sub(1)))
    }

    /// The day after the one that ends at `end`.
    pub fn day_after(&self, end: Nanos) -> Day {
        self.day(end)
    }

    fn local(&self, now: Nanos) -> DateTime {
        self.zone.to_datetime(Timestamp::from_nanosecond(i128::from(now.0)).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// The instant of a local time. One that a clock passes over when it is set forward is the moment after the gap that is
    /// as far from midnight as it says; of two when it is set back, the first.
    fn stamp(&self, local: DateTime) -> Option<Nanos> {
        let stamp = self.zone.to_timestamp(local).ok()?;
        i64::try_from(stamp.as_nanosecond()).ok().map(Nanos)
    }

    /// What is left at the ends of 64 bits of nanoseconds.
    fn utc_day(now: Nanos) -> Day {
        let begin = now.0.div_euclid(DAY).saturating_mul(DAY);
        Day { begin: Nanos(begin), end: Nanos(begin.saturating_add(DAY)), date: 0 }
    }
}

fn number_of(date: Date) -> u32 {
    let (year, month, day) = (date.year().max(0), date.month().max(0), date.day().max(0));
    u32::from(year.unsigned_abs()) * 10_000
        + u32::from(month.unsigned_abs()) * 100
        + u32::from(day.unsigned_abs())
}

macro_rules! textual {
    ($($(#[$doc:meta])* $name:ident($inner:ty) or $error:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub $inner);

        impl FromStr for $name {
            type Err = CalendarError;

            fn from_str(text: &str) -> Result<Self, CalendarError> {
                <$inner>::from_str(text).map(Self).map_err(|_| CalendarError::$error(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

textual! {
    /// A time of day by the venue's clock: `"09:30"`.
    TimeOfDay(Time) or TimeOfDay
    /// A date of the venue's calendar: `"2026-12-25"`.
    CalendarDate(Date) or Date
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A day of the week on which session hours begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum DayOfWeek {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl DayOfWeek {
    fn of(date: Date) -> Self {
        match date.weekday() {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// `[venue]`: whose day it is, and when quotes may stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Venue {
    /// The venue's time zone: a name (`"America/New_York"`) or a POSIX rule (`"EST5EDT,M3.2.0,M11.1.0"`). The venue's stamps
    /// count from its midnight, and days of profit and loss are its days. `"America/New_York"` unless said.
    pub time_zone: TimeZone,
    /// Quotes stand only between the venue's own messages that market hours began and that they ended. `false` is for venues
    /// that send none. `true` unless said.
    pub phases: bool,
    /// Local time at which session hours begin: no quote before. Goes with `close`. Always unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<TimeOfDay>,
    /// Local time at which session hours end: no quote from then on. One that is not after `open` lies on the next day; the
    /// same time as `open` gives a session of a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<TimeOfDay>,
    /// The days on which session hours begin, where `open` and `close` are said. Monday to Friday unless said.
    pub days: Vec<DayOfWeek>,
    /// Dates on which no session hours begin: holidays.
    pub closed: Vec<CalendarDate>,
}

impl Default for Venue {
    fn default() -> Self {
        use DayOfWeek::{Fri, Mon, Thu, Tue, Wed};
        let new_york = TimeZone::new(zones::NEW_YORK);
        Self {
            time_zone: new_york.unwrap_or_else(|_| TimeZone::utc()),
            phases: true,
            open: None,
            close: None,
            days: vec![Mon, Tue, Wed, Thu, Fri],
            closed: Vec::new(),
        }
    }
}

/// Whether session hours hold, and until when that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// They hold.
    pub open: bool,
    /// When to look again; never earlier than after the stamp that was asked about.
    pub until: Nanos,
}

impl Venue {
    /// Checks what belongs together.
    ///
    /// # Errors
    /// The key that is wrong, and what helps.
    pub fn check(&self) -> Result<(), String> {
        if self.open.is_some() != self.close.is_some() {
            return Err("[venue] open and close go together: give both, or neither".to_owned());
        }
        if self.open.is_some() && self.days.is_empty() {
            return Err(
                "[venue] days is empty, so that session hours never begin: name some, such as \"mon\""
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Whether session hours hold at `now`; always, where none are said. Allocates nothing.
    pub fn hours(&self, now: Nanos) -> Hours {
        let (Some(open), Some(close)) = (self.open, self.close) else {
            return Hours { open: true, until: Nanos(i64::MAX) };
        };
        let today = self.time_zone.local(now).date();
        let first = today.yesterday().unwrap_or(today);
        let mut hours = Hours { open: false, until: self.time_zone.day(now).end };
        let mut date = first;
        for _ in 0..3 {
            let next = date.tomorrow().unwrap_or(date);
            let last = if close.0 > open.0 { date } else { next };
            let begin = self.time_zone.stamp(date.to_datetime(open.0));
            let end = self.time_zone.stamp(last.to_datetime(close.0));
            if let (true, Some(begin), Some(end)) = (self.is_session_day(date), begin, end) {
                hours.open |= begin <= now && now < end;
                for turn in [begin, end] {
                    if turn > now {
                        hours.until = hours.until.min(turn);
                    }
                }
            }
            date = next;
        }
        hours
    }

    fn is_session_day(&self, date: Date) -> bool {
        self.days.contains(&DayOfWeek::of(date)) && !self.closed.contains(&CalendarDate(date))
    }
}

#[cfg(test)]
mod tests;
