//! Locate codes, and what a directory that contradicts itself does.

use super::*;

/// Locate 7 is ACME's until the directory gives it to another stock.
#[test]
fn a_code_that_is_given_away_no_longer_means_the_instrument() {
    let mut bench = Bench::listed();
    bench.send(&[listing(7, "OTHER"), add(7, 1, b'B', 1_000_000)]);
    bench.send(&[delete(7, 1)]);
    let expected = ["mark 3 2", "malformed 3 contradiction", "stale bad_data", "mark 5 1"];
    assert_eq!(bench.words(), expected);
    assert_eq!(bench.feed.unlisted().count(), 1, "nothing is known of ACME");
}

#[test]
fn an_instrument_that_is_listed_again_has_its_last_code_alone() {
    let mut bench = Bench::listed();
    bench.send(&[listing(9, "ACME"), delete(7, 1), delete(9, 2)]);
    let expected = ["mark 3 3", "malformed 3 contradiction", "delete 2!", "stale bad_data"];
    assert_eq!(bench.words(), expected);
    assert_eq!(bench.feed.unlisted().count(), 0);
}

#[test]
fn the_same_listing_again_changes_nothing() {
    let mut bench = Bench::listed();
    bench.send(&[listing(7, "ACME"), listing(8, "OTHER"), listing(8, "THIRD"), delete(7, 1)]);
    assert_eq!(bench.words(), ["mark 3 4", "delete 1!"]);
    assert_eq!(bench.feed.health(), Health::VALID);
}

#[test]
fn a_contradiction_is_seen_by_one_who_resumes_too() {
    let resume = Resume { session: SESSION, next_sequence: 4, taken: 0 };
    let other = InstrumentSpec { id: InstrumentId(6), symbol: "LATER".to_owned(), tick_e4: 100 };
    let instruments = [config().instruments, vec![other]].concat();
    let mut bench = Bench::new(MarketDataConfig {
        instruments,
        sessions: vec![SESSION],
        resume: Some(resume),
        ..config()
    });
    let log = [listing(7, "ACME"), listing(9, "ACME"), listing(8, "LATER"), delete(9, 1)];
    bench.packet(&packet_of(SESSION, 1, &log), 1);
    assert_eq!(bench.words(), ["mark 4 1", "delete 1!", "stale bad_data"]);
}
