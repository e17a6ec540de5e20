//! One test base for the fast store and its naive twin: the twin's answers are the expected ones.

use quickcheck::{Arbitrary, Gen, quickcheck};

use super::naive::NaiveBooks;
use super::{Bbo, BookError, BookStore, Books, Coming, Level, Touched};
use crate::kernel::machine::{read_state, write_state};
use crate::kernel::{InstrumentId, Lots, Side, Ticks};

const INSTRUMENTS: u16 = 3;

/// One command of any kind, good or bad.
#[derive(Clone, Copy, Debug)]
enum Command {
    Add { i: u16, order: u64, side: Side, price: i64, qty: i64 },
    Execute { order: u64, qty: i64 },
    Reduce { order: u64, qty: i64 },
    Delete { order: u64 },
    Replace { order: u64, new_order: u64, price: i64, qty: i64 },
    Clear { i: u16 },
}

fn below(g: &mut Gen, n: u64) -> u64 {
    u64::arbitrary(g) % n
}

impl Arbitrary for Command {
    fn arbitrary(g: &mut Gen) -> Self {
        // Few numbers, so that most commands meet a live order; numbers far apart, so that index lines fill unevenly.
        let number = |g: &mut Gen| match below(g, 40) {
            0 => u64::arbitrary(g),
            n => n * [1, 8, 1 << 40][(n % 3) as usize],
        };
        let (order, new_order) = (number(g), number(g));
        let price = match below(g, 40) {
            0 => i64::MIN,
            1 => i64::MAX,
            n => n as i64 * 3 - 60,
        };
        let qty = match below(g, 30) {
            0 => i64::MAX - 5,
            n => n as i64 - 2,
        };
        let i = below(g, u64::from(INSTRUMENTS) + 1) as u16;
        let side = if bool::arbitrary(g) { Side::Buy } else { Side::Sell };
        match below(g, 100) {
            0..=49 => Self::Add { i: i.min(below(g, 4) as u16), order, side, price, qty },
            50..=64 => Self::Execute { order, qty },
            65..=74 => Self::Reduce { order, qty },
            75..=86 => Self::Delete { order },
            87..=98 => Self::Replace { order, new_order, price, qty },
            _ => Self::Clear { i },
        }
    }
}

/// What a store answered: an order's fate, nothing to tell, or an error.
type Answer = Result<Option<Touched>, BookError>;

fn apply(store: &mut impl BookStore, command: Command) -> Answer {
    match command {
        Command::Add { i, order, side, price, qty } => {
            store.add(InstrumentId(i), order, side, Ticks(price), Lots(qty)).map(|()| None)
        }
        Command::Execute { order, qty } => store.execute(order, Lots(qty)).map(Some),
        Command::Reduce { order, qty } => store.reduce(order, Lots(qty)).map(Some),
        Command::Delete { order } => store.delete(order).map(Some),
        Command::Replace { order, new_order, price, qty } => {
            store.replace(order, new_order, Ticks(price), Lots(qty)).map(Some)
        }
        Command::Clear { i } => {
            store.clear(InstrumentId(i));
            Ok(None)
        }
    }
}

fn assert_same(fast: &Books, naive: &NaiveBooks) {
    assert_eq!(fast.count(), naive.count());
    for i in (0..=INSTRUMENTS).map(InstrumentId) {
        assert_eq!(fast.best(i), naive.best(i));
        for side in [Side::Buy, Side::Sell] {
            let orders = naive.all_orders(i, side);
            assert_eq!(fast.all_levels(i, side), naive.all_levels(i, side));
            assert_eq!(fast.all_orders(i, side), orders);
            assert_eq!(fast.book(i).map_or(0, |book| book.depth(side)), naive.all_levels(i, side).len());
            for order in orders {
                assert_eq!(fast.find(order.order), Some(order));
                assert_eq!(fast.lots_ahead(order.order), naive.lots_ahead(order.order));
            }
        }
    }
}

quickcheck! {
    fn any_commands_give_the_twins_answers_and_books(commands: Vec<Command>) -> bool {
        let mut fast = Books::with_capacity(usize::from(INSTRUMENTS), 4, 1);
        let mut naive = NaiveBooks::new(usize::from(INSTRUMENTS));
        let ahead: Vec<Coming> = commands.iter().copied().filter_map(coming).collect();
        for command in commands {
            fast.warm(&ahead);
            let expected = apply(&mut naive, command);
            assert_eq!(apply(&mut fast, command), expected, "{command:?}");
            assert_same(&fast, &naive);
        }
        true
    }

    fn restoring_changes_nothing_and_equal_content_is_equal_bytes(commands: Vec<Command>, later: Vec<Command>) -> bool {
        let mut first = Books::with_capacity(usize::from(INSTRUMENTS), 4, 1);
        for command in commands {
            let _ = apply(&mut first, command);
        }
        let bytes = bytes_of(&first);
        let mut second: Books = read_state(&bytes).unwrap();
        assert_eq!(bytes_of(&second), bytes);
        for command in later {
            assert_eq!(apply(&mut first, command), apply(&mut second, command), "{command:?}");
        }
        bytes_of(&first) == bytes_of(&second)
    }
}

/// The command as [`Books::warm`] takes it.
fn coming(command: Command) -> Option<Coming> {
    match command {
        Command::Add { i, order, side, price, .. } => {
            Some(Coming::Add { order, instrument: InstrumentId(i), side, price: Ticks(price) })
        }
        Command::Execute { order, .. } | Command::Reduce { order, .. } | Command::Delete { order } => {
            Some(Coming::Touch { order })
        }
        Command::Replace { order, .. } => Some(Coming::Touch { order }),
        Command::Clear { .. } => None,
    }
}

fn bytes_of(books: &Books) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_state(books, &mut bytes).unwrap();
    bytes
}

/// A generator of its own for streams too long for quickcheck (Marsaglia's xorshift64); tests name the seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// A few thousand levels a side, so that chunks split, join and go, with lots counted beside the books.
#[test]
fn a_deep_book_keeps_its_totals_and_its_order() {
    for seed in 1..=4 {
        let mut dice = Dice(seed);
        let mut books = Books::with_capacity(1, 7_000, 7_000);
        let mut live: Vec<u64> = Vec::new();
        let mut lots = 0;
        for step in 0..40_000_u64 {
            // The book grows for 10,000 steps, then shrinks for 10,000, and again.
            let adding = dice.below(10) < if step / 10_000 % 2 == 0 { 8 } else { 2 };
            if adding || live.is_empty() {
                let qty = dice.below(100) as i64 + 1;
                let side = if dice.below(2) == 0 { Side::Buy } else { Side::Sell };
                let price = Ticks(dice.below(1 << 14) as i64);
                books.add(InstrumentId(0), step * 4 + 1, side, price, Lots(qty)).unwrap();
                live.push(step * 4 + 1);
                lots += qty;
            } else {
                let order = live.swap_remove(dice.below(live.len() as u64) as usize);
                lots -= books.order(order).unwrap().qty.0;
                books.delete(order).unwrap();
            }
            if step % 1_000 == 999 {
                let book = books.book(InstrumentId(0)).unwrap();
                let bids: Vec<Level> = book.levels(Side::Buy).collect();
                let asks: Vec<Level> = book.levels(Side::Sell).collect();
                assert!(bids.is_sorted_by(|a, b| a.price > b.price), "seed {seed} step {step}");
                assert!(asks.is_sorted_by(|a, b| a.price < b.price), "seed {seed} step {step}");
                let sum: i64 = bids.iter().chain(&asks).map(|level| level.qty.0).sum();
                let orders: u32 = bids.iter().chain(&asks).map(|level| level.orders).sum();
                assert_eq!((sum, orders as usize), (lots, live.len()), "seed {seed} step {step}");
                assert_eq!(book.bbo(), Bbo { bid: bids.first().copied(), ask: asks.first().copied() });
                assert_eq!(books.len(), live.len());
            }
        }
        assert_eq!(books.growths(), 0, "seed {seed}: within its capacities it never grows");
    }
}

fn one_order() -> Books {
    let mut books = Books::with_capacity(1, 8, 8);
    books.add(InstrumentId(0), 7, Side::Buy, Ticks(100), Lots(10)).unwrap();
    books
}

#[test]
fn bad_commands_are_refused_and_change_nothing() {
    let mut books = one_order();
    let before = bytes_of(&books);
    let i = InstrumentId(0);
    assert_eq!(
        books.add(InstrumentId(1), 8, Side::Buy, Ticks(1), Lots(1)),
        Err(BookError::UnknownInstrument)
    );
    assert_eq!(books.add(i, 8, Side::Buy, Ticks(1), Lots(0)), Err(BookError::BadQuantity));
    assert_eq!(books.add(i, 8, Side::Buy, Ticks(100), Lots(i64::MAX)), Err(BookError::BadQuantity));
    assert_eq!(books.add(i, 7, Side::Sell, Ticks(101), Lots(1)), Err(BookError::DuplicateOrder));
    assert_eq!(books.execute(8, Lots(1)), Err(BookError::UnknownOrder));
    assert_eq!(books.execute(7, Lots(11)), Err(BookError::BadQuantity));
    assert_eq!(books.reduce(7, Lots(0)), Err(BookError::BadQuantity));
    assert_eq!(books.delete(8), Err(BookError::UnknownOrder));
    assert_eq!(books.replace(8, 9, Ticks(1), Lots(1)), Err(BookError::UnknownOrder));
    assert_eq!(books.replace(7, 9, Ticks(1), Lots(0)), Err(BookError::BadQuantity));
    books.clear(InstrumentId(1));
    assert!(books.book(InstrumentId(1)).is_none());
    assert_eq!(bytes_of(&books), before);
}

#[test]
fn a_replacement_goes_to_the_end_of_its_queue_and_may_keep_its_number() {
    let mut books = one_order();
    let i = InstrumentId(0);
    books.add(i, 8, Side::Buy, Ticks(100), Lots(5)).unwrap();
    let old = Touched { instrument: i, side: Side::Buy, price: Ticks(100), left: Lots(10) };
    assert_eq!(books.replace(7, 8, Ticks(100), Lots(3)), Err(BookError::DuplicateOrder));
    assert_eq!(books.replace(7, 7, Ticks(100), Lots(3)), Ok(old));
    let book = books.book(i).unwrap();
    let queue: Vec<_> = book.orders(Side::Buy, Ticks(100)).map(|order| (order.order, order.qty.0)).collect();
    assert_eq!(queue, [(8, 5), (7, 3)]);
    assert_eq!(book.queue_ahead(7), Some(Lots(5)));
    assert_eq!(book.queue_ahead(8), Some(Lots(0)));
}

#[test]
fn a_reduced_order_keeps_its_place() {
    let mut books = one_order();
    let i = InstrumentId(0);
    books.add(i, 8, Side::Buy, Ticks(100), Lots(5)).unwrap();
    assert_eq!(books.reduce(7, Lots(9)).map(|touched| touched.left), Ok(Lots(1)));
    assert_eq!(books.book(i).unwrap().queue_ahead(8), Some(Lots(1)));
}

#[test]
fn a_crossed_book_is_seen_and_survives() {
    let mut books = one_order();
    let i = InstrumentId(0);
    books.add(i, 8, Side::Sell, Ticks(100), Lots(5)).unwrap();
    assert!(!books.book(i).unwrap().is_crossed(), "a locked book is not crossed");
    books.add(i, 9, Side::Sell, Ticks(99), Lots(5)).unwrap();
    assert!(books.book(i).unwrap().is_crossed());
    books.delete(9).unwrap();
    books.delete(8).unwrap();
    assert_eq!(books.best(i).ask, None);
    assert_eq!(books.best(i).bid, Some(Level { price: Ticks(100), qty: Lots(10), orders: 1 }));
}

#[test]
fn it_grows_beyond_its_capacity_and_counts_that() {
    let mut books = Books::with_capacity(1, 4, 2);
    for order in 0..1_000 {
        books.add(InstrumentId(0), order, Side::Sell, Ticks(order as i64), Lots(1)).unwrap();
    }
    assert_eq!(books.len(), 1_000);
    assert!(books.growths() > 0);
    let asks = books.all_levels(InstrumentId(0), Side::Sell);
    assert!(asks.iter().map(|level| level.price.0).eq(0..1_000));
}

/// What a snapshot claims to have room for, and what is taken when it is read: postcard's numbers by hand, 1 << 31 is
/// `80 80 80 80 08`.
#[test]
fn a_few_bytes_cannot_ask_for_all_memory() {
    let claims: &[u8] = &[2, 0x80, 0x80, 0x80, 0x80, 8, 0x80, 0x80, 0x80, 0x80, 8, 0];
    let books: Books = read_state(claims).unwrap();
    assert!(books.orders.capacity() < 16 && books.levels.capacity() < 16);
    assert_eq!(books.instruments(), 2);
    // It still says what it was made for.
    let mut again = Vec::new();
    write_state(&books, &mut again).unwrap();
    assert_eq!(again, claims);
    let mut small = Books::with_capacity(2, 8, 4);
    assert_eq!(small.refill(&books), Err(BookError::Capacity));
}

#[test]
fn refilled_books_are_the_same_in_the_memory_of_the_configured_sizes() {
    let mut books = Books::with_capacity(2, 100, 10);
    for (order, i, side, price) in
        [(1, 0, Side::Buy, 100), (2, 0, Side::Buy, 100), (3, 1, Side::Sell, 101), (4, 0, Side::Buy, 99)]
    {
        books.add(InstrumentId(i), order, side, Ticks(price), Lots(5)).unwrap();
    }
    let mut bytes = Vec::new();
    write_state(&books, &mut bytes).unwrap();
    let read: Books = read_state(&bytes).unwrap();
    let mut refilled = Books::with_capacity(2, 100, 10);
    refilled.refill(&read).unwrap();
    let mut again = Vec::new();
    write_state(&refilled, &mut again).unwrap();
    assert_eq!(bytes, again);
    assert!(refilled.orders.capacity() >= 100 && refilled.growths() == 0);
}
