use quickcheck::{TestResult, quickcheck};

use super::*;

/// Expected values: CPython's `datetime`, for whole seconds.
#[test]
fn reads_what_rfc_3339_allows() {
    for (text, seconds, nanos) in [
        ("1970-01-01T00:00:00Z", 0, 0),
        ("2026-01-01T00:00:00Z", 1_767_225_600, 0),
        ("2026-01-01t00:00:00z", 1_767_225_600, 0),
        ("2026-01-01 00:00:00-00:00", 1_767_225_600, 0),
        ("2026-01-01T00:00:01+01:00", 1_767_222_001, 0),
        ("2000-02-29T23:59:59-12:30", 951_913_799, 0),
        ("1969-12-31T23:59:59Z", -1, 0),
        ("1969-12-31T23:59:59.999999999Z", -1, 999_999_999),
        ("1900-03-01T00:00:00Z", -2_203_891_200, 0),
        ("2100-02-28T12:34:56.5Z", 4_107_501_296, 500_000_000),
        ("2100-02-28T12:34:56.000000001+00:00", 4_107_501_296, 1),
        ("2262-04-11T23:47:16.854775807Z", 9_223_372_036, 854_775_807),
        ("1677-09-21T00:12:44Z", -9_223_372_036, 0),
        // The leap second of 2016: the second after it is 1 483 228 800, and IERS Bulletin C 52 has it at 23:59:60 UTC.
        ("2016-12-31T23:59:60Z", 1_483_228_800, 0),
        ("2016-12-31T15:59:60-08:00", 1_483_228_800, 0),
        ("2017-01-01T00:59:60.25+01:00", 1_483_228_800, 250_000_000),
        // RFC 3339 section 5.6: one or more digits.
        ("2017-01-01T00:00:00.0000000000Z", 1_483_228_800, 0),
        ("2017-01-01T00:00:00.1234567899999999999999Z", 1_483_228_800, 123_456_789),
    ] {
        let expected = EventNanos(seconds * 1_000_000_000 + nanos);
        assert_eq!(parse_rfc3339(text), Ok(expected), "{text}");
    }
    assert_eq!(parse_rfc3339("1677-09-21T00:12:43.145224192Z"), Ok(EventNanos(i64::MIN)));
}

#[test]
fn refuses_everything_else() {
    use TimestampError::{Form, OutOfCalendar, OutOfRange};
    for (text, error) in [
        ("", Form),
        ("…", Form),
        ("2026-01-01", Form),
        ("2026-01-01T00:00:00", Form),
        ("2026-01-01T00:00Z", Form),
        ("2026-1-01T00:00:00Z", Form),
        ("2026-01-01T00:00:00.Z", Form),
        ("2026-01-01T00:00:00,5Z", Form),
        ("2026-01-01T00:00:00+0100", Form),
        ("2026-01-01T00:00:00Z ", Form),
        ("+2026-01-01T00:00:00Z", Form),
        ("2026-00-01T00:00:00Z", OutOfCalendar),
        ("2026-13-01T00:00:00Z", OutOfCalendar),
        ("2026-01-00T00:00:00Z", OutOfCalendar),
        ("2026-04-31T00:00:00Z", OutOfCalendar),
        ("2026-02-29T00:00:00Z", OutOfCalendar),
        ("2100-02-29T00:00:00Z", OutOfCalendar),
        ("2026-01-01T24:00:00Z", OutOfCalendar),
        ("2026-01-01T00:60:00Z", OutOfCalendar),
        ("2016-12-31T23:59:61Z", OutOfCalendar),
        ("2016-12-31T12:59:60Z", OutOfCalendar),
        ("2016-12-31T23:59:60+01:00", OutOfCalendar),
        ("2026-01-01T00:00:00+24:00", OutOfCalendar),
        ("2262-04-11T23:47:16.854775808Z", OutOfRange),
        ("1677-09-21T00:12:43.145224191Z", OutOfRange),
        ("0000-01-01T00:00:00Z", OutOfRange),
        ("9999-12-31T23:59:59Z", OutOfRange),
    ] {
        assert_eq!(parse_rfc3339(text), Err(error), "{text}");
    }
}

#[test]
fn shows_only_the_digits_it_needs() {
    for (nanos, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (1_767_225_600_000_000_000, "2026-01-01T00:00:00Z"),
        (1_767_225_600_500_000_000, "2026-01-01T00:00:00.5Z"),
        (1_767_225_600_000_000_010, "2026-01-01T00:00:00.00000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
    ] {
        assert_eq!(Rfc3339(EventNanos(nanos)).to_string(), expected);
    }
}

#[test]
fn every_day_follows_the_day_before() {
    // The naive calendar: count the days one by one, from 1970 through four centuries and back.
    let (mut year, mut month, mut day) = (1970, 1, 1);
    for days in 0..146_097 * 2 {
        assert_eq!((days_from_civil(year, month, day), civil_from_days(days)), (days, (year, month, day)));
        day += 1;
        if day > days_in_month(year, month) {
            (month, day) = (month + 1, 1);
        }
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
}

quickcheck! {
    fn what_is_shown_is_read_back(nanos: i64) -> bool {
        parse_rfc3339(&Rfc3339(EventNanos(nanos)).to_string()) == Ok(EventNanos(nanos))
    }

    fn an_offset_shifts_by_its_minutes(seconds: u32, minutes: u16) -> TestResult {
        let nanos = i64::from(seconds) * 1_000_000_000;
        let (hours, minutes) = (i64::from(minutes / 60 % 24), i64::from(minutes % 60));
        let text = Rfc3339(EventNanos(nanos)).to_string().replace('Z', &format!("+{hours:02}:{minutes:02}"));
        let expected = EventNanos(nanos - (hours * 60 + minutes) * 60_000_000_000);
        TestResult::from_bool(parse_rfc3339(&text) == Ok(expected))
    }

    fn any_text_is_read_or_refused(text: String) -> bool {
        parse_rfc3339(&text).is_err() || text.len() >= "2026-01-01T00:00:00Z".len()
    }
}
