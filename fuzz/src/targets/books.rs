//! Order books: the fast ones answer and look as the naive ones do after every change, levels are the sums of their orders,
//! and ITCH messages in a batch do what they do one by one.

use pricewright_core::kernel::{InstrumentId, Lots, Side, Ticks};
use pricewright_core::market::book::naive::NaiveBooks;
use pricewright_core::market::book::{BookError, BookStore, Books};
use pricewright_feeds::nasdaq::itch;

use super::wire;
use crate::input::Input;

const INSTRUMENTS: u16 = 3;

/// Both books, after each change the same.
struct Twins {
    fast: Books,
    naive: NaiveBooks,
}

impl Twins {
    fn both<T: PartialEq + std::fmt::Debug>(&mut self, change: impl Fn(&mut dyn Change) -> T) {
        let (fast, naive) = (change(&mut self.fast), change(&mut self.naive));
        assert_eq!(fast, naive, "the answer of the fast books and of the naive ones");
    }

    fn check(&self) {
        assert_eq!(self.fast.count(), self.naive.count());
        // One beyond the last: an unknown instrument is an empty book.
        for instrument in (0..=INSTRUMENTS).map(InstrumentId) {
            assert_eq!(self.fast.best(instrument), self.naive.best(instrument));
            for side in [Side::Buy, Side::Sell] {
                let levels = self.fast.all_levels(instrument, side);
                let orders = self.fast.all_orders(instrument, side);
                assert_eq!(levels, self.naive.all_levels(instrument, side));
                assert_eq!(orders, self.naive.all_orders(instrument, side));
                assert!(levels.iter().all(|level| level.qty > Lots(0) && level.orders > 0));
                let in_levels: i128 = levels.iter().map(|level| i128::from(level.qty.0)).sum();
                let in_orders: i128 = orders.iter().map(|order| i128::from(order.qty.0)).sum();
                assert_eq!(in_levels, in_orders, "a level is the sum of its orders");
            }
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let (order, other) = (input.below(24) as u64, input.below(24) as u64);
        let side = if input.one_in(2) { Side::Buy } else { Side::Sell };
        let instrument = InstrumentId(input.below(4) as u16);
        let price = Ticks(match input.byte() {
            0 => i64::MIN,
            1 => i64::MAX,
            price => i64::from(price % 24) - 12,
        });
        let qty = Lots(input.number() as i64);
        match input.below(10) {
            0..=3 => self.both(|books| books.add_order(instrument, order, side, price, qty)),
            4 => self.both(|books| books.execute_order(order, qty)),
            5 => self.both(|books| books.reduce_order(order, qty)),
            6 => self.both(|books| books.delete_order(order)),
            7 | 8 => self.both(|books| books.replace_order(order, other, price, qty)),
            _ => self.both(|books| books.clear_book(instrument)),
        }
    }
}

/// What both can do, with answers that can be compared.
trait Change {
    fn add_order(&mut self, i: InstrumentId, order: u64, side: Side, at: Ticks, qty: Lots) -> Answer;
    fn execute_order(&mut self, order: u64, qty: Lots) -> Answer;
    fn reduce_order(&mut self, order: u64, qty: Lots) -> Answer;
    fn delete_order(&mut self, order: u64) -> Answer;
    fn replace_order(&mut self, order: u64, new: u64, at: Ticks, qty: Lots) -> Answer;
    fn clear_book(&mut self, i: InstrumentId) -> Answer;
}

type Answer = Result<String, BookError>;

impl<B: BookStore> Change for B {
    fn add_order(&mut self, i: InstrumentId, order: u64, side: Side, at: Ticks, qty: Lots) -> Answer {
        self.add(i, order, side, at, qty).map(|()| String::new())
    }

    fn execute_order(&mut self, order: u64, qty: Lots) -> Answer {
        self.execute(order, qty).map(|touched| format!("{touched:?}"))
    }

    fn reduce_order(&mut self, order: u64, qty: Lots) -> Answer {
        self.reduce(order, qty).map(|touched| format!("{touched:?}"))
    }

    fn delete_order(&mut self, order: u64) -> Answer {
        self.delete(order).map(|touched| format!("{touched:?}"))
    }

    fn replace_order(&mut self, order: u64, new: u64, at: Ticks, qty: Lots) -> Answer {
        self.replace(order, new, at, qty).map(|touched| format!("{touched:?}"))
    }

    fn clear_book(&mut self, i: InstrumentId) -> Answer {
        self.clear(i);
        Ok(String::new())
    }
}

/// ITCH messages on fast books and naive ones, and in one batch.
fn messages(input: &mut Input<'_>) {
    let mut twins = Twins { fast: Books::with_capacity(3, 4, 2), naive: NaiveBooks::new(3) };
    let bytes: Vec<Vec<u8>> = (0..input.byte() / 4).map(|_| wire::itch_message(input)).collect();
    let messages: Vec<_> = bytes.iter().filter_map(|bytes| itch::decode(bytes).ok()).collect();
    let mut refused = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let outcome = itch::book::apply(&mut twins.fast, message);
        assert_eq!(outcome, itch::book::apply(&mut twins.naive, message), "{message:?}");
        refused.extend(outcome.err().map(|error| (index, error)));
    }
    twins.check();
    let mut at_once = Books::with_capacity(3, 4, 2);
    let mut refused_at_once = Vec::new();
    itch::book::apply_batch(&mut at_once, &messages, |index, error| refused_at_once.push((index, error)));
    assert_eq!(refused, refused_at_once, "a batch refuses what its messages one by one are refused for");
    twins.fast = at_once;
    twins.check();
}

/// See the module.
pub fn books(data: &[u8]) {
    let mut input = Input::new(data);
    let fast = Books::with_capacity(usize::from(INSTRUMENTS), 1 + input.below(8), 1 + input.below(4));
    let mut twins = Twins { fast, naive: NaiveBooks::new(usize::from(INSTRUMENTS)) };
    messages(&mut input);
    while !input.is_empty() {
        twins.step(&mut input);
        twins.check();
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    wire::scripts()
}
