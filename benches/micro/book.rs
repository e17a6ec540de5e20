//! An update of an order-by-order book: one order leaves, another joins, with a thousand and with a million live orders.

use criterion::{Criterion, Throughput};
use pricewright_core::kernel::{InstrumentId, Lots, Numbers, Side, Ticks};
use pricewright_core::market::book::Books;

use crate::support::print_result;

const INSTRUMENT: InstrumentId = InstrumentId(0);
/// Levels on each side over which the orders lie.
const LEVELS: u64 = 500;
const MIDDLE: i64 = 10_000;

/// A book that keeps as many live orders as it began with.
struct Steady {
    books: Books,
    live: Vec<u64>,
    next: u64,
    numbers: Numbers,
}

impl Steady {
    fn new(orders: usize) -> Self {
        let books = Books::with_capacity(1, orders + 1, 2 * LEVELS as usize);
        let mut steady = Self { books, live: Vec::with_capacity(orders), next: 1, numbers: Numbers::new(1) };
        for _ in 0..orders {
            let order = steady.join();
            steady.live.push(order);
        }
        steady
    }

    fn join(&mut self) -> u64 {
        let order = self.next;
        self.next += 1;
        let side = if order.is_multiple_of(2) { Side::Buy } else { Side::Sell };
        let distance = 1 + self.numbers.below(LEVELS) as i64;
        let price = Ticks(MIDDLE - side.sign() * distance);
        self.books.add(INSTRUMENT, order, side, price, Lots(100)).expect("a new order fits");
        order
    }

    /// One order leaves, one joins.
    fn update(&mut self) {
        let place = self.numbers.below(self.live.len() as u64) as usize;
        let order = self.join();
        let gone = std::mem::replace(&mut self.live[place], order);
        self.books.delete(gone).expect("it was live");
    }
}

fn check(orders: usize) {
    let mut steady = Steady::new(orders);
    (0..10_000).for_each(|_| steady.update());
    assert_eq!(steady.books.len(), orders);
    assert_eq!(steady.books.growths(), 0);
    let mut hasher = blake3::Hasher::new();
    let book = steady.books.book(INSTRUMENT).expect("the instrument");
    let mut counted = 0;
    for side in [Side::Buy, Side::Sell] {
        for level in book.levels(side) {
            hasher.update(&level.price.0.to_le_bytes());
            hasher.update(&level.qty.0.to_le_bytes());
            counted += level.orders as usize;
        }
    }
    assert_eq!(counted, orders);
    print_result(&format!("book of {orders}"), hasher.finalize());
}

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("book, one order leaves and one joins");
    group.throughput(Throughput::Elements(2));
    for (name, orders) in [("1 k live orders", 1_000), ("1 M live orders", 1_000_000)] {
        check(orders);
        let mut steady = Steady::new(orders);
        group.bench_function(name, |bencher| bencher.iter(|| steady.update()));
    }
    group.finish();
}
