use super::*;

const HOUR: i64 = 3_600_000_000_000;
const YEAR: i64 = 8_766 * HOUR;
const LAST: Nanos = Nanos(56 * YEAR);

/// The wall clock stands so far behind the journal's last stamp, and so much time has passed since the run began.
fn now(wall: i64, passed: i64) -> i64 {
    let ages = Ages { from: LAST, boot: 7 };
    ages.at(Nanos(LAST.0 + wall), 7 + passed).0 - LAST.0
}

#[test]
fn ages_are_counted_by_no_clock_that_another_contradicts() {
    // Nobody contradicts.
    assert_eq!(now(5 * HOUR, 5 * HOUR), 5 * HOUR);
    // The wall clock is, or was set, ten years ahead: what has passed counts.
    assert_eq!(now(10 * YEAR, 5 * HOUR), 5 * HOUR);
    // The journal is ahead: nothing is older than the wall clock says.
    assert_eq!(now(-9 * YEAR, 5 * HOUR), -9 * YEAR);
    assert_eq!(now(i64::MAX - LAST.0, i64::MAX - 7), i64::MAX - LAST.0);
}
