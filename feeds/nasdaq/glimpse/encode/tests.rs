use super::*;
use crate::nasdaq::MessageStore;
use crate::nasdaq::glimpse::testing::{add, delete, directory, event, execute, log_of, replace, state};

fn told(image: &BookImage) -> Vec<Vec<u8>> {
    let log = image.tell();
    (1..log.next_sequence()).map(|sequence| log.message(sequence).unwrap().to_vec()).collect()
}

#[test]
fn an_empty_market_is_told_as_its_end_alone() {
    assert_eq!(told(&BookImage::default()), [snapshot_end(1).to_vec()]);
}

#[test]
fn what_is_told_has_events_directory_states_and_orders_by_arrival() {
    let mut image = BookImage::default();
    let messages = [
        event(b'O'),
        directory(7, "AAA"),
        directory(9, "BBB"),
        state(7, "AAA", b'T'),
        add(7, "AAA", 1, b'B', 100, 5_000),
        add(9, "BBB", 2, b'S', 50, 6_000),
        add(7, "AAA", 3, b'B', 30, 5_000),
        state(7, "AAA", b'H'),
        execute(7, 1, 40),
        replace(9, 2, 4, 20, 6_100),
        delete(7, 3),
        add(7, "AAA", 5, b'S', 10, 5_100),
        execute(7, 5, 10),
    ];
    messages.iter().for_each(|message| image.apply(message).unwrap());
    assert_eq!(image.next_sequence(), 14);
    assert_eq!(
        told(&image),
        [
            event(b'O'),
            directory(7, "AAA"),
            directory(9, "BBB"),
            state(7, "AAA", b'H'),
            add(7, "AAA", 1, b'B', 60, 5_000),
            add(9, "BBB", 4, b'S', 20, 6_100),
            snapshot_end(14).to_vec(),
        ]
    );
}

#[test]
fn what_contradicts_the_book_changes_nothing_but_the_sequence() {
    let mut image = BookImage::default();
    image.apply(&add(7, "AAA", 1, b'B', 100, 5_000)).unwrap();
    let before = told(&image);
    assert_eq!(image.apply(&add(7, "AAA", 1, b'B', 9, 9)), Err(ImageError::Order(1)));
    assert_eq!(image.apply(&execute(7, 1, 101)), Err(ImageError::Order(1)));
    assert_eq!(image.apply(&delete(7, 2)), Err(ImageError::Order(2)));
    assert!(image.apply(b"?").is_err());
    assert_eq!(image.next_sequence(), 6);
    assert_eq!(told(&image)[..1], before[..1]);
}

/// Some of them contradict the book; both readers pass over the same.
fn carry_out(image: &mut BookImage, message: &[u8]) {
    let _contradiction = image.apply(message);
}

/// Whoever reads a snapshot and goes on has what whoever read everything has.
#[test]
fn a_snapshot_of_a_snapshot_and_the_rest_is_the_whole() {
    let messages: Vec<Vec<u8>> = (1..200)
        .map(|order: u64| match order % 5 {
            4 => execute(7, order - 2, 1),
            3 if order > 10 => delete(7, order - 7),
            _ => add(7, "AAA", order, if order.is_multiple_of(2) { b'B' } else { b'S' }, 10, order as u32),
        })
        .collect();
    for cut in [0, 1, 57, 120, messages.len()] {
        let (mut whole, mut late) = (BookImage::default(), BookImage::default());
        messages.iter().for_each(|message| carry_out(&mut whole, message));
        let mut early = BookImage::default();
        messages[..cut].iter().for_each(|message| carry_out(&mut early, message));
        let snapshot = told(&early);
        snapshot[..snapshot.len() - 1].iter().for_each(|message| late.apply(message).unwrap());
        messages[cut..].iter().for_each(|message| carry_out(&mut late, message));
        let orders = |image: &BookImage| told(image).into_iter().filter(|m| m[0] == b'A').collect::<Vec<_>>();
        assert_eq!(orders(&late), orders(&whole), "cut at {cut}");
    }
    assert!(log_of(&messages).next_sequence() > 100);
}
