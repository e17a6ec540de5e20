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
