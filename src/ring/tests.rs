use std::collections::VecDeque;

use pricewright_core::kernel::record::{CELL_LEN, HEADER_LEN};
use pricewright_core::kernel::table::{ConfigChunk, ReplaceOrder};
use pricewright_core::kernel::{
    Cell, Full, MAX_CELLS, Record, RecordHeader, RecordRef, RecordSink, SourceId,
};
use quickcheck::QuickCheck;
use zerocopy::{FromZeros, IntoBytes};

use super::{MIN_CAPACITY, ring};
use crate::testing::seeded;

/// A record of `cells` cells that is filled with `tag`.
fn cells_of(cells: usize, tag: u64) -> Vec<Cell> {
    let mut out = vec![Cell::ZERO; cells];
    let len = cells * CELL_LEN;
    let header = RecordHeader {
        commit: len as u64,
        kind: (tag % 1000) as u16,
        source: SourceId(cells as u16),
        ..RecordHeader::default()
    };
    let bytes = out.as_mut_bytes();
    bytes[..HEADER_LEN].copy_from_slice(header.as_bytes());
    for word in bytes[HEADER_LEN..].chunks_exact_mut(8) {
        word.copy_from_slice(&tag.to_le_bytes());
    }
    out
}

fn record(cells: &[Cell]) -> RecordRef<'_> {
    RecordRef::first_of(cells).expect("a whole record")
}

#[test]
fn an_empty_ring_gives_nothing_and_advances_nowhere() {
    let (producer, mut consumer) = ring(32);
    assert!(consumer.peek().is_none());
    assert!(!consumer.advance());
    assert_eq!((producer.waiting(), consumer.waiting(), consumer.taken()), (0, 0, 0));
    assert_eq!(producer.room(), 32);
    assert!(!consumer.is_finished());
    drop(producer);
    assert!(consumer.is_finished());
}

#[test]
fn small_capacities_are_raised_so_that_the_largest_record_fits() {
    let (mut producer, mut consumer) = ring(0);
    assert_eq!(producer.capacity(), MIN_CAPACITY);
    let largest = cells_of(MAX_CELLS, 9);
    assert_eq!(producer.push(record(&largest)), Ok(()));
    assert_eq!(consumer.peek().expect("pushed").cells(), &largest[..]);
}

#[test]
fn a_full_ring_takes_nothing_and_counts() {
    let (mut producer, mut consumer) = ring(16);
    let ten = cells_of(10, 1);
    let seven = cells_of(7, 2);
    assert_eq!(producer.push(record(&ten)), Ok(()));
    assert_eq!(producer.push(record(&seven)), Err(Full));
    assert_eq!((producer.pushed(), producer.full_events(), producer.waiting()), (1, 1, 10));
    assert!(consumer.advance());
    assert!(consumer.peek().is_none(), "nothing of the refused record is visible");
    assert_eq!(producer.push(record(&seven)), Ok(()));
    assert_eq!(consumer.peek().expect("pushed").cells(), &seven[..], "it lies across the end of the ring");
}

#[test]
fn peek_is_stable_until_advance() {
    let (mut producer, mut consumer) = ring(16);
    for tag in 0..3 {
        producer.push(record(&cells_of(2, tag))).expect("room");
    }
    let first = consumer.peek().expect("pushed").cells().to_vec();
    assert_eq!(consumer.peek().expect("pushed").cells(), &first[..]);
    assert!(consumer.advance());
    assert_eq!(consumer.peek().expect("pushed").cells(), &cells_of(2, 1)[..]);
}

#[test]
fn put_leaves_nothing_of_the_record_before() {
    let (mut producer, mut consumer) = ring(64);
    let mut noise = ConfigChunk::new_zeroed();
    noise.as_mut_bytes().fill(0xff);
    producer.put(&noise, SourceId(1), 0).expect("room");
    assert_eq!(consumer.peek().expect("pushed").get::<ConfigChunk>(), Some(&noise));
    consumer.advance();

    let replace = ReplaceOrder { client: 7, ..ReplaceOrder::new_zeroed() };
    producer.put(&replace, SourceId(3), 1).expect("room");
    let front = consumer.peek().expect("pushed");
    assert_eq!(front.get::<ReplaceOrder>(), Some(&replace));
    assert_eq!((front.header().source, front.header().flags, front.header().seq), (SourceId(3), 1, 0));
    let padding = &front.cells().as_bytes()[ReplaceOrder::LEN..];
    assert!(!padding.is_empty() && padding.iter().all(|&byte| byte == 0), "unused space is zero");
}

/// Against `VecDeque`: any sequence of pushes (1..=16 cells) and takes, on rings of any small size.
#[test]
fn agrees_with_a_queue() {
    fn property(capacity: u8, operations: Vec<(bool, u8)>) -> bool {
        let (mut producer, mut consumer) = ring(usize::from(capacity));
        let capacity = usize::from(capacity).max(MIN_CAPACITY);
        let mut oracle: VecDeque<Vec<Cell>> = VecDeque::new();
        let mut tag = 0;
        operations.iter().all(|&(push, size)| {
            let used: usize = oracle.iter().map(Vec::len).sum();
            let agrees = if push {
                tag += 1;
                let cells = cells_of(usize::from(size) % MAX_CELLS + 1, tag);
                let expected = if used + cells.len() <= capacity { Ok(()) } else { Err(Full) };
                let outcome = producer.push(record(&cells));
                if expected.is_ok() {
                    oracle.push_back(cells);
                }
                outcome == expected
            } else {
                let front = consumer.peek().map(|record| record.cells().to_vec());
                let taken = front.is_some();
                front == oracle.pop_front() && consumer.advance() == taken
            };
            let used: usize = oracle.iter().map(Vec::len).sum();
            agrees && consumer.waiting() == used && producer.room() == capacity - used
        })
    }
    let tests = if cfg!(miri) { 5 } else { 500 };
    QuickCheck::new().tests(tests).rng(seeded(400)).quickcheck(property as fn(u8, Vec<(bool, u8)>) -> bool);
}

/// Two threads, records of all sizes, a small ring: each record arrives once, whole and in order.
#[test]
fn two_threads_pass_everything_in_order() {
    let count: u64 = if cfg!(miri) { 200 } else { 300_000 };
    let (mut producer, mut consumer) = ring(61);
    let size = |tag: u64| (tag.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize + 1;
    let writer = std::thread::spawn(move || {
        let templates: Vec<Vec<Cell>> = (1..=MAX_CELLS).map(|cells| cells_of(cells, 0)).collect();
        let mut cells = templates;
        for tag in 0..count {
            let record_cells = &mut cells[size(tag) - 1];
            for word in record_cells.as_mut_bytes()[HEADER_LEN..].chunks_exact_mut(8) {
                word.copy_from_slice(&tag.to_le_bytes());
            }
            while producer.push(record(record_cells)).is_err() {
                std::thread::yield_now();
            }
        }
        producer.pushed()
    });
    for tag in 0..count {
        loop {
            if let Some(front) = consumer.peek() {
                assert_eq!(front.cells().len(), size(tag));
                let words = front.payload().chunks_exact(8);
                assert!(words.into_iter().all(|word| word == tag.to_le_bytes()), "record {tag} is torn");
                break;
            }
            std::thread::yield_now();
        }
        consumer.advance();
    }
    assert_eq!(writer.join().expect("the writer ends"), count);
    assert_eq!(consumer.taken(), count);
    assert!(consumer.is_finished());
}
