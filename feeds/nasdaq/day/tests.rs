use super::*;

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;

/// Unix seconds from Python's `zoneinfo` over the IANA database 2026b.
const MIDNIGHT_MARCH_6: i64 = 1_772_773_200;
const MIDNIGHT_MARCH_9: i64 = 1_773_028_800;

fn new_york() -> SessionDay {
    SessionDay::of_zone(TimeZone::new("America/New_York").expect("a zone"))
}

fn at(seconds: i64) -> Nanos {
    Nanos::from_secs(seconds)
}

/// 09:30 in New York is 14:30 UTC in winter and 13:30 UTC in summer.
#[test]
fn stamps_since_midnight_become_event_times_on_every_day_without_a_restart() {
    let mut day = new_york();
    let opening = 9 * HOUR + HOUR / 2;
    let friday = at(1_772_807_400);
    assert_eq!(day.start_of(opening, friday).saturating_add_unsigned(opening), friday.0);
    assert_eq!(day.start_ns(), at(MIDNIGHT_MARCH_6).0);
    // The clocks are set forward on Sunday; on Monday there is another session.
    day.begin_session();
    let monday = at(1_773_063_000);
    assert_eq!(day.start_of(opening, monday).saturating_add_unsigned(opening), monday.0);
    assert_eq!(day.start_ns(), at(MIDNIGHT_MARCH_9).0);
}

#[test]
fn what_is_asked_for_again_is_of_the_day_that_it_was_of() {
    // The beginning of the day, received late in the evening.
    let mut day = new_york();
    assert_eq!(day.start_of(3 * HOUR, at(MIDNIGHT_MARCH_6 + 20 * 3_600)), at(MIDNIGHT_MARCH_6).0);
    // The last message of a day, received after midnight.
    let mut day = new_york();
    assert_eq!(day.start_of(24 * HOUR - 1, at(MIDNIGHT_MARCH_6 + 86_400)), at(MIDNIGHT_MARCH_6).0);
    // The venue's clock is ahead by some seconds at midnight.
    let mut day = new_york();
    assert_eq!(day.start_of(5, at(MIDNIGHT_MARCH_9)), at(MIDNIGHT_MARCH_9).0);
}

#[test]
fn a_session_may_last_past_midnight_counting_on_or_anew() {
    let mut day = new_york();
    day.start_of(23 * HOUR, at(MIDNIGHT_MARCH_6 + 23 * 3_600));
    assert_eq!(day.start_of(25 * HOUR, at(MIDNIGHT_MARCH_6 + 25 * 3_600)), at(MIDNIGHT_MARCH_6).0);
    let mut joined_late = new_york();
    assert_eq!(joined_late.start_of(25 * HOUR, at(MIDNIGHT_MARCH_6 + 25 * 3_600)), at(MIDNIGHT_MARCH_6).0);
    let mut day = new_york();
    day.start_of(23 * HOUR, at(MIDNIGHT_MARCH_9 - 3_600));
    assert_eq!(day.start_of(7, at(MIDNIGHT_MARCH_9)), at(MIDNIGHT_MARCH_9).0);
}

/// Midnights and the next ones in Unix seconds, from Python's `zoneinfo` over the IANA database 2026b: a day of 24 hours, and
/// those of both changes, of 23 and of 25.
const DAYS: &[(&str, i64, i64)] = &[
    ("America/New_York", 1_772_859_600, 1_772_946_000),
    ("America/New_York", 1_772_946_000, 1_773_028_800),
    ("America/New_York", 1_793_505_600, 1_793_595_600),
    ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_782_828_000, 1_782_914_400),
    ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_791_036_000, 1_791_118_800),
    ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_775_307_600, 1_775_397_600),
];
/// Our clock less the venue's, in milliseconds.
const SKEWS_MS: &[i64] = &[-60_000, -1_000, -50, -10, 0, 10, 50, 1_000, 60_000];

fn of_zone(zone: &str) -> SessionDay {
    SessionDay::of_zone(TimeZone::new(zone).expect("a zone"))
}

/// What the venue stamps, and when we receive it.
fn sent_at(time: Nanos, midnight: Nanos, skew_ms: i64) -> (u64, Nanos) {
    ((time.0 - midnight.0).unsigned_abs(), Nanos(time.0 + skew_ms * 1_000_000))
}

#[test]
fn the_midnight_is_found_whatever_the_clocks_differ_by() {
    for &(zone, begin, end) in DAYS {
        let (begin, end) = (at(begin), at(end));
        for &skew in SKEWS_MS {
            let case = format!("{zone} {} skew {skew} ms", begin.0);
            let mut day = of_zone(zone);
            // A session begins at the venue's midnight, through the day, and at its last instant.
            let times =
                [begin.0, begin.0 + 1_000_000, begin.0 + 9 * 3_600 * 1_000_000_000, end.0 - 1_000_000];
            for time in times.map(Nanos) {
                day.begin_session();
                let (stamp, received) = sent_at(time, begin, skew);
                assert_eq!(day.start_of(stamp, received), begin.0, "{case}, session begins at {}", time.0);
            }
            // It goes on past midnight, and its stamps begin anew there.
            for time in [end.0, end.0 + 1_000_000, end.0 + 3 * 3_600 * 1_000_000_000].map(Nanos) {
                let (stamp, received) = sent_at(time, end, skew);
                assert_eq!(day.start_of(stamp, received), end.0, "{case}, anew at {}", time.0);
            }
            // Another counts on.
            day.begin_session();
            let (stamp, received) = sent_at(Nanos(end.0 + 3_600 * 1_000_000_000), begin, skew);
            assert_eq!(day.start_of(stamp, received), begin.0, "{case}, counting on");
        }
    }
}

#[test]
fn what_is_asked_for_a_day_later_is_of_its_day_whatever_the_clocks_differ_by() {
    let hours = |time: Nanos, hours: i64| Nanos(time.0 + hours * 3_600 * 1_000_000_000);
    for &(zone, begin, end) in DAYS {
        let (begin, end) = (at(begin), at(end));
        for &skew in SKEWS_MS {
            for (sent, received) in [
                // The evening, asked for on the next morning; the beginning, asked for late in the evening.
                (hours(begin, 20), hours(end, 10)),
                (hours(begin, 20), hours(end, 18)),
                (hours(begin, 1), hours(end, -1)),
                (begin, hours(end, -1)),
            ] {
                let (stamp, _) = sent_at(sent, begin, 0);
                let received = Nanos(received.0 + skew * 1_000_000);
                let found = of_zone(zone).start_of(stamp, received);
                assert_eq!(
                    found, begin.0,
                    "{zone}, sent {}, received {}, skew {skew} ms",
                    sent.0, received.0
                );
            }
        }
    }
}

/// The limit that the module names: an hour, whatever the clocks differ by.
#[test]
fn stamps_of_the_wall_are_an_hour_off_on_a_day_of_a_change_and_never_a_day() {
    for &(zone, begin, end) in DAYS {
        let (begin, end) = (at(begin), at(end));
        // What the wall's clock is ahead of the hours passed after the change.
        let ahead = 24 * 3_600 * 1_000_000_000 - (end.0 - begin.0);
        for &skew in SKEWS_MS {
            for hour in [6, 12, 20] {
                let time = Nanos(begin.0 + hour * 3_600 * 1_000_000_000);
                let (passed, received) = sent_at(time, begin, skew);
                let stamp = passed.saturating_add_signed(ahead);
                let found = of_zone(zone).start_of(stamp, received).saturating_add_unsigned(stamp);
                assert_eq!(found - time.0, ahead, "{zone}, hour {hour}, skew {skew} ms");
            }
        }
    }
}

#[test]
fn a_given_midnight_stays() {
    let mut day = SessionDay::fixed(77);
    day.begin_session();
    assert_eq!(day.start_of(23 * HOUR, at(5)), 77);
    assert_eq!(day.start_of(0, at(99_999_999)), 77);
}

#[test]
fn wild_stamps_do_no_harm() {
    let mut day = new_york();
    for (stamp, received) in [(u64::MAX, i64::MAX), (0, i64::MIN), (u64::MAX, 0), (1, i64::MAX)] {
        day.begin_session();
        day.start_of(stamp, Nanos(received));
    }
}
