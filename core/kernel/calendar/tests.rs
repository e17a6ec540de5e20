use super::*;

/// Midnights in Unix seconds, from Python's `zoneinfo` over the IANA database 2026b: every kind of change of the clock.
const MIDNIGHTS: &[(&str, u32, i64)] = &[
    ("America/New_York", 20260307, 1_772_859_600),
    ("America/New_York", 20260308, 1_772_946_000),
    ("America/New_York", 20260309, 1_773_028_800),
    ("America/New_York", 20261101, 1_793_505_600),
    ("America/New_York", 20261102, 1_793_595_600),
    ("Europe/London", 20260329, 1_774_742_400),
    ("Europe/London", 20260330, 1_774_825_200),
    ("Europe/London", 20261025, 1_792_882_800),
    ("Europe/London", 20261026, 1_792_972_800),
    ("Australia/Sydney", 20260405, 1_775_307_600),
    ("Australia/Sydney", 20260406, 1_775_397_600),
    ("Australia/Sydney", 20261004, 1_791_036_000),
    ("Australia/Sydney", 20261005, 1_791_118_800),
    ("Asia/Tokyo", 20260701, 1_782_831_600),
    ("Asia/Kolkata", 20260701, 1_782_844_200),
    ("EST5EDT,M3.2.0,M11.1.0", 20260308, 1_772_946_000),
    ("UTC", 20260101, 1_767_225_600),
];

const SECOND: i64 = 1_000_000_000;

#[test]
fn a_day_begins_at_the_zone_s_midnight_on_each_side_of_a_change_of_the_clock() {
    for (zone, date, midnight) in MIDNIGHTS {
        let zone = TimeZone::new(zone).expect("a zone");
        let begin = Nanos(midnight * SECOND);
        let day = zone.day(begin);
        assert_eq!((day.begin, day.date), (begin, *date), "{zone:?}");
        assert_eq!(zone.day(Nanos(day.end.0 - 1)), day, "the last instant of it");
        assert_eq!(zone.day(day.end).begin, day.end, "the next one follows");
        let before = zone.day_before(day.begin);
        assert_eq!(before.end, day.begin);
        assert_eq!(zone.day_after(before.end), day);
    }
}

#[test]
fn days_of_a_change_are_23_and_25_hours_long() {
    let zone = TimeZone::new("America/New_York").expect("a zone");
    let hours = |seconds: i64| {
        let day = zone.day(Nanos(seconds * SECOND));
        (day.end.0 - day.begin.0) / SECOND / 3_600
    };
    assert_eq!((hours(1_772_946_000), hours(1_793_505_600), hours(1_772_859_600)), (23, 25, 24));
}

#[test]
fn every_name_that_is_built_in_has_the_rule_of_this_machine_s_database() {
    for name in zones::names() {
        assert!(TimeZone::new(name).is_ok(), "{name}");
        // A machine without the database has nothing to compare with.
        let Ok(bytes) = std::fs::read(format!("/usr/share/zoneinfo/{name}")) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let rule = text.trim_end().rsplit('\n').next();
        assert_eq!(zones::rule_of(name), rule, "{name}");
    }
}

#[test]
fn an_unknown_zone_is_refused_with_what_helps() {
    for wrong in ["America/Newyork", "", "EST5EDT", "+05:00"] {
        let error = TimeZone::new(wrong).map(|zone| zone.day(Nanos::ZERO)).expect_err(wrong).to_string();
        assert!(error.contains("POSIX rule") && error.contains("zoneinfo"), "{error}");
    }
}

fn venue(open: &str, close: &str) -> Venue {
    let time = |text: &str| Some(text.parse().expect("a time"));
    Venue { open: time(open), close: time(close), ..Venue::default() }
}

/// A local time in New York, 2026; the offset is said, so that the code under test has no part in it.
fn new_york(text: &str) -> Nanos {
    let stamp: Timestamp = text.parse().expect("RFC 3339");
    Nanos(i64::try_from(stamp.as_nanosecond()).expect("this century"))
}

#[test]
fn hours_follow_the_clock_of_the_zone() {
    let venue = Venue { closed: vec!["2026-12-25".parse().expect("a date")], ..venue("09:30", "16:00") };
    for (at, open, until) in [
        ("2026-03-06T09:29:59-05:00", false, "2026-03-06T09:30:00-05:00"),
        ("2026-03-06T09:30:00-05:00", true, "2026-03-06T16:00:00-05:00"),
        ("2026-03-06T16:00:00-05:00", false, "2026-03-07T00:00:00-05:00"),
        ("2026-03-07T12:00:00-05:00", false, "2026-03-08T00:00:00-05:00"),
        ("2026-03-09T13:29:59+00:00", false, "2026-03-09T13:30:00+00:00"),
        ("2026-03-09T13:30:00+00:00", true, "2026-03-09T20:00:00+00:00"),
        ("2026-12-25T12:00:00-05:00", false, "2026-12-26T00:00:00-05:00"),
    ] {
        assert_eq!(venue.hours(new_york(at)), Hours { open, until: new_york(until) }, "{at}");
    }
}

#[test]
fn hours_may_pass_midnight() {
    use DayOfWeek::{Mon, Sun, Thu, Tue, Wed};
    let venue = Venue { days: vec![Sun, Mon, Tue, Wed, Thu], ..venue("18:00", "17:00") };
    for (at, open) in [
        ("2026-06-07T17:59:00-04:00", false),
        ("2026-06-07T18:00:00-04:00", true),
        ("2026-06-08T02:00:00-04:00", true),
        ("2026-06-08T17:30:00-04:00", false),
        ("2026-06-12T16:59:00-04:00", true),
        ("2026-06-12T18:30:00-04:00", false),
    ] {
        assert_eq!(venue.hours(new_york(at)).open, open, "{at}");
    }
}

/// As of futures and currencies: from 17:00 to 17:00, closed from Friday to Sunday.
#[test]
fn the_same_time_of_open_and_close_is_a_session_of_a_day() {
    use DayOfWeek::{Mon, Sun, Thu, Tue, Wed};
    let venue = Venue { days: vec![Sun, Mon, Tue, Wed, Thu], ..venue("17:00", "17:00") };
    assert_eq!(venue.check(), Ok(()));
    for (at, open) in [
        ("2026-06-07T16:59:59-04:00", false),
        ("2026-06-07T17:00:00-04:00", true),
        ("2026-06-08T16:59:59-04:00", true),
        ("2026-06-08T17:00:00-04:00", true),
        ("2026-06-12T16:59:59-04:00", true),
        ("2026-06-12T17:00:00-04:00", false),
    ] {
        assert_eq!(venue.hours(new_york(at)).open, open, "{at}");
    }
}

#[test]
fn no_stamp_is_beyond_the_calendar() {
    let venue = venue("09:30", "16:00");
    for now in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
        let (day, hours) = (venue.time_zone.day(Nanos(now)), venue.hours(Nanos(now)));
        assert!(day.begin.0 <= now && hours.until >= day.begin, "{now}");
    }
}

#[test]
fn half_of_the_hours_is_refused() {
    let half = Venue { close: None, ..venue("09:30", "16:00") };
    assert!(half.check().expect_err("half").contains("open and close"));
    assert_eq!(Venue::default().check(), Ok(()));
}
