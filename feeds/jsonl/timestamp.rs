//! RFC 3339 timestamps to nanoseconds since the Unix epoch and back.
//!
//! * A fraction may have any number of digits (RFC 3339 section 5.6); what is finer than a nanosecond is cut, so that a stamp
//!   is never later than what was written.
//! * A leap second (`23:59:60` UTC, in any offset's local time) is taken: Unix time has none, so it is the second after it.
//!   `:60` at any other time of day does not exist.
//! * Refused: instants that 64 bits of nanoseconds cannot hold (before 1677-09-21 or after 2262-04-11).

use core::fmt;

use pricewright_core::kernel::EventNanos;

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
const MINUTES_PER_DAY: i64 = 1_440;
/// Digits of a fraction of a second that nanoseconds can hold.
const FRACTION_DIGITS: usize = 9;

/// Why a text is not a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Not of the form that RFC 3339 section 5.6 gives.
    #[error("not an RFC 3339 timestamp such as 2026-01-01T00:00:00Z")]
    Form,
    /// A month, day, hour, minute, second or offset that does not exist.
    #[error("not a date and time that exists")]
    OutOfCalendar,
    /// Does not fit 64 bits of nanoseconds.
    #[error("before 1677 or after 2262")]
    OutOfRange,
}

/// Reads `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)`. `T` and `Z` may be lower case, and a space may stand for `T`.
///
/// # Errors
/// What is wrong with `text`.
pub fn parse_rfc3339(text: &str) -> Result<EventNanos, TimestampError> {
    let mut rest = Cursor(text.as_bytes());
    let year = rest.number(4)?;
    rest.one_of(b"-")?;
    let month = rest.number(2)?;
    rest.one_of(b"-")?;
    let day = rest.number(2)?;
    rest.one_of(b"Tt ")?;
    let hour = rest.number(2)?;
    rest.one_of(b":")?;
    let minute = rest.number(2)?;
    rest.one_of(b":")?;
    let second = rest.number(2)?;
    let nanos = rest.fraction()?;
    let offset_minutes = rest.offset()?;
    if !rest.0.is_empty() {
        return Err(TimestampError::Form);
    }
    let in_calendar = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    let minutes = hour * 60 + minute - offset_minutes;
    let is_leap_second = second == 60 && minutes.rem_euclid(MINUTES_PER_DAY) == MINUTES_PER_DAY - 1;
    if !in_calendar || hour > 23 || minute > 59 || (second > 59 && !is_leap_second) {
        return Err(TimestampError::OutOfCalendar);
    }
    let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + minutes * 60 + second;
    let total = i128::from(seconds) * NANOS_PER_SECOND + i128::from(nanos);
    i64::try_from(total).map(EventNanos).map_err(|_| TimestampError::OutOfRange)
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn one_of(&mut self, expected: &[u8]) -> Result<u8, TimestampError> {
        self.next().filter(|byte| expected.contains(byte)).ok_or(TimestampError::Form)
    }

    fn digit(&mut self) -> Option<i64> {
        let digit = self.0.first().filter(|byte| byte.is_ascii_digit()).map(|byte| i64::from(byte - b'0'))?;
        self.next();
        Some(digit)
    }

    fn number(&mut self, digits: usize) -> Result<i64, TimestampError> {
        let mut number = 0;
        for _ in 0..digits {
            number = number * 10 + self.digit().ok_or(TimestampError::Form)?;
        }
        Ok(number)
    }

    /// The fraction in nanoseconds, cut there; 0 where there is none.
    fn fraction(&mut self) -> Result<i64, TimestampError> {
        if self.0.first() != Some(&b'.') {
            return Ok(0);
        }
        self.next();
        let (mut nanos, mut digits) = (0, 0);
        while let Some(digit) = self.digit() {
            if digits < FRACTION_DIGITS {
                nanos = nanos * 10 + digit;
            }
            digits += 1;
        }
        if digits == 0 {
            return Err(TimestampError::Form);
        }
        for _ in digits..FRACTION_DIGITS {
            nanos *= 10;
        }
        Ok(nanos)
    }

    /// Minutes east of UTC.
    fn offset(&mut self) -> Result<i64, TimestampError> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Ok(0),
        };
        let hours = self.number(2)?;
        self.one_of(b":")?;
        let minutes = self.number(2)?;
        if hours > 23 || minutes > 59 {
            return Err(TimestampError::OutOfCalendar);
        }
        Ok(sign * (hours * 60 + minutes))
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar: `days_from_civil` of Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms". The year begins in March, so that the leap day is its last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`] (`civil_from_days` of the same source): year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Shows a stamp in UTC, with as many digits of fraction as it needs: `2026-01-01T00:00:00.5Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339(pub EventNanos);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.0.div_euclid(1_000_000_000);
        let mut fraction = self.0.0.rem_euclid(1_000_000_000);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let second = seconds.rem_euclid(SECONDS_PER_DAY);
        write!(f, "{year:04}-{month:02}-{day:02}")?;
        write!(f, "T{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)?;
        if fraction > 0 {
            let mut digits = FRACTION_DIGITS;
            while fraction % 10 == 0 {
                fraction /= 10;
                digits -= 1;
            }
            write!(f, ".{fraction:0digits$}")?;
        }
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests;
