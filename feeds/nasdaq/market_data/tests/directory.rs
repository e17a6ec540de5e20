//! Locate codes, and what a directory that contradicts itself does.

use super::*;

/// Locate 7 is ACME's until the directory gives it to another stock.
#[test]
fn a_code_that_is_given_away_no_longer_means_the_instrument() {
    let mut bench = Bench::listed();
    bench.send(&[listing(7, "OTHER"), add(7, 1, b'B', 1_000_000)]);
    bench.send(&[delete(7, 1)]);
    let expected = ["mark 3 2", "malformed 3 contradiction", "book 5 stale bad_data", "mark 5 1"];
    assert_eq!(bench.words(), expected);
    assert_eq!(bench.feed.unlisted().count(), 1, "nothing is known of ACME");
}

#[test]
fn an_instrument_that_is_listed_again_has_its_last_code_alone() {
    let mut bench = Bench::listed();
    bench.send(&[listing(9, "ACME"), delete(7, 1), delete(9, 2)]);
    let expected = ["mark 3 3", "malformed 3 contradiction", "book 5 stale bad_data", "delete 2!"];
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
    // The machine was told of it then, and remembers.
    assert_eq!(bench.words(), ["mark 4 1", "delete 1!", "valid start"]);
    assert_eq!(bench.feed.stale().collect::<Vec<_>>(), [(ACME, HealthReason::BAD_DATA)]);
}

fn phase(code: u8) -> Vec<u8> {
    itch::SystemEvent { header: header::<itch::SystemEvent>(0), event_code: code }.as_bytes().to_vec()
}

/// The codes of the specification: O messages, S system hours, Q market hours begin; M, E, C end the last three.
#[test]
fn an_instrument_that_is_not_listed_when_market_hours_begin_is_stale_until_it_is() {
    let mut bench = Bench::new(config());
    bench.send(&[phase(b'O'), phase(b'S'), listing(7, "OTHER")]);
    assert_eq!(bench.feed.stale().count(), 0, "the directory may still come");
    bench.sink.records.clear();
    bench.send(&[phase(b'Q')]);
    bench.send(&[phase(b'M')]);
    let stale = |bench: &Bench| bench.words().into_iter().filter(|word| word.starts_with("book")).collect();
    let words: Vec<String> = stale(&bench);
    assert_eq!(words, ["book 5 stale unlisted"], "said once");
    assert_eq!(bench.feed.health(), Health::VALID, "the feed is sound");
    bench.sink.records.clear();
    bench.send(&[listing(8, "ACME"), add(8, 1, b'B', 1_000_000)]);
    assert_eq!(bench.words(), ["mark 6 2", "book 5 anew listed", "add 1!"]);
    assert_eq!(bench.feed.stale().count(), 0);
}

#[test]
fn one_who_resumes_after_the_opening_says_again_what_is_not_listed() {
    let resume = Resume { session: SESSION, next_sequence: 3, taken: 0 };
    let mut bench =
        Bench::new(MarketDataConfig { sessions: vec![SESSION], resume: Some(resume), ..config() });
    bench.packet(&packet_of(SESSION, 1, &[listing(7, "OTHER"), phase(b'Q'), delete(7, 1)]), 1);
    assert_eq!(bench.words(), ["book 5 stale unlisted", "mark 3 1", "valid start"]);
}
