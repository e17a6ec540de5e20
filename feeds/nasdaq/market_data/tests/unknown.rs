//! Messages that cannot be used: whose book they leave in doubt, and whose not.

use super::*;

/// A message of a type that no version names, laid out as all are: type, locate, tracking, stamp, and more.
fn unknown(locate: u16) -> Vec<u8> {
    let mut message = vec![b'Z', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9, 9];
    message[1..3].copy_from_slice(&locate.to_be_bytes());
    message
}

fn zeros(letter: u8, locate: u16, size: usize) -> Vec<u8> {
    let mut message = vec![0; size];
    message[0] = letter;
    message[1..3].copy_from_slice(&locate.to_be_bytes());
    message
}

#[test]
fn an_order_off_the_grid_makes_its_book_stale_until_the_next_session() {
    let mut bench = Bench::listed();
    bench.send(&[add(7, 1, b'B', 1_000_001), delete(7, 4)]);
    bench.packet(&heartbeat(SESSION, 5), 60);
    bench.send(&[add(7, 2, b'?', 1_000_000)]);
    let expected = [
        "mark 3 2",
        "malformed 3 out_of_range",
        "book 5 stale bad_data",
        "delete 4!",
        "mark 5 1",
        "malformed 5 malformed",
    ];
    assert_eq!(bench.words(), expected);
    assert_eq!(bench.feed.health(), Health::VALID, "the feed and all other books are sound");
    assert_eq!(bench.feed.stale().collect::<Vec<_>>(), [(ACME, HealthReason::BAD_DATA)]);
}

#[test]
fn unknown_types_and_sizes_about_others_are_counted_and_passed_over() {
    let mut bench = Bench::listed();
    let of_no_one = unknown(0);
    bench.send(&[unknown(8), unknown(900), of_no_one, zeros(b'A', 8, 40), zeros(b'U', 9, 3), delete(7, 1)]);
    assert_eq!(bench.words(), ["mark 3 6", "delete 1!"]);
    assert_eq!((bench.feed.counters().unknown, bench.feed.counters().malformed), (5, 0));
    assert_eq!((bench.feed.health(), bench.feed.stale().count()), (Health::VALID, 0));
}

/// The type names the reason; a feed of many instruments loses one.
#[test]
fn an_unknown_type_or_size_about_ours_makes_that_book_stale() {
    for (message, reason) in
        [(unknown(7), "unknown_type"), (zeros(b'A', 7, 37), "malformed"), (zeros(b'H', 7, 24), "malformed")]
    {
        let mut bench = Bench::listed();
        bench.send(&[message.clone(), message, delete(7, 1)]);
        let words = bench.words();
        assert_eq!(
            words[..3],
            [
                "mark 3 3".to_owned(),
                format!("malformed 3 {reason}"),
                "book 5 stale unknown_message".to_owned()
            ]
        );
        assert_eq!(bench.feed.health(), Health::VALID);
        assert_eq!(bench.feed.counters().malformed, 2);
    }
}

/// An imbalance with two bytes more than the specification gives it (50): MoldUDP64 says each message's length, and an
/// imbalance changes no displayed order.
#[test]
fn a_type_that_never_changes_a_book_does_not_by_growing() {
    for letter in [b'Y', b'L', b'V', b'K', b'J', b'P', b'Q', b'B', b'I', b'N', b'O'] {
        let mut bench = Bench::listed();
        let size = itch::size_of_type(letter).unwrap() + 2;
        bench.send(&[zeros(letter, 7, size), delete(7, 1)]);
        assert_eq!(bench.words(), ["mark 3 2", "malformed 3 malformed", "delete 1!"]);
        assert_eq!((bench.feed.health(), bench.feed.stale().count()), (Health::VALID, 0));
    }
}

#[test]
fn what_harms_nothing_more_is_said_less_and_less_often() {
    let mut bench = Bench::listed();
    for _ in 0..1000 {
        bench.send(&[zeros(b'I', 7, 52)]);
    }
    let said = bench.words().iter().filter(|word| word.starts_with("malformed")).count();
    assert_eq!((said, bench.feed.counters().malformed), (10, 1000), "1, 2, 4, … 512");
}

#[test]
fn what_may_be_about_all_and_cannot_be_read_makes_the_feed_stale_until_the_next_session() {
    for message in [vec![], vec![b'A'], b"Z?".to_vec(), zeros(b'S', 0, 13), zeros(b'W', 0, 11)] {
        let mut bench = Bench::listed();
        bench.send(&[delete(7, 1), message.clone()]);
        bench.packet(&heartbeat(SESSION, 5), 60);
        let words = bench.words();
        assert_eq!(
            (words[0].as_str(), words[2].as_str(), words[3].as_str()),
            ("mark 3 2", "delete 1!", "stale bad_data")
        );
        assert_eq!(bench.feed.health(), Health::STALE, "{message:?}");
        bench.packet(&end_of_session(SESSION, 5), 61);
        bench.sink.records.clear();
        bench.packet(&packet_of(NEXT_SESSION, 1, &[listing(9, "ACME"), add(9, 1, b'B', 1_000_000)]), 70);
        assert_eq!(bench.words()[1..2], ["cleared 1 session_change"]);
        assert_eq!(bench.feed.health(), Health::VALID);
    }
}
