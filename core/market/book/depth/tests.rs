//! Books by level against ordered maps.

use std::collections::BTreeMap;

use quickcheck::quickcheck;

use super::{DepthBook, LevelChange, TopLevels};
use crate::kernel::machine::{read_state, write_state};
use crate::kernel::{InstrumentId, Lots, Side, Ticks};
use crate::market::book::{BookError, Books, Level};

fn level(price: i64, qty: i64) -> Level {
    Level { price: Ticks(price), qty: Lots(qty), orders: 0 }
}

quickcheck! {
    fn level_updates_give_the_book_a_map_gives(updates: Vec<(bool, i8, u8)>) -> bool {
        let mut book = DepthBook::with_capacity(4);
        let mut maps = [BTreeMap::new(), BTreeMap::new()];
        for (sell, price, qty) in updates {
            let (price, qty) = (i64::from(price), i64::from(qty % 4));
            let side = if sell { Side::Sell } else { Side::Buy };
            let map = &mut maps[usize::from(sell)];
            let old = if qty == 0 { map.remove(&price) } else { map.insert(price, qty) };
            let expected = match (old, qty) {
                (None, 0) => LevelChange::Absent,
                (None, _) => LevelChange::Added,
                (Some(old), 0) => LevelChange::Removed(Lots(old)),
                (Some(old), _) => LevelChange::Changed(Lots(old)),
            };
            assert_eq!(book.set(side, Ticks(price), Lots(qty)), Ok(expected));
            assert_eq!(book.level(side, Ticks(price)), map.get(&price).map(|qty| level(price, *qty)));
        }
        let [bids, asks] = &maps;
        assert!(book.levels(Side::Buy).eq(bids.iter().rev().map(|(price, qty)| level(*price, *qty))));
        assert!(book.levels(Side::Sell).eq(asks.iter().map(|(price, qty)| level(*price, *qty))));
        let crossed = bids.keys().last().zip(asks.keys().next()).is_some_and(|(bid, ask)| bid > ask);
        assert_eq!(book.is_crossed(), crossed);

        let mut bytes = Vec::new();
        write_state(&book, &mut bytes).unwrap();
        let mut restored: DepthBook = read_state(&bytes).unwrap();
        assert!(restored.levels(Side::Sell).eq(book.levels(Side::Sell)));
        restored.truncate(Side::Sell, 3);
        assert!(restored.levels(Side::Sell).eq(book.levels(Side::Sell).take(3)));
        assert_eq!(restored.bbo(), book.bbo());
        book.clear();
        book.depth(Side::Buy) == 0 && book.bbo().ask.is_none()
    }
}

#[test]
fn negative_lots_are_refused() {
    let mut book = DepthBook::with_capacity(4);
    assert_eq!(book.set(Side::Buy, Ticks(1), Lots(-1)), Err(BookError::BadQuantity));
    assert_eq!(book.depth(Side::Buy), 0);
}

#[test]
fn the_top_is_copied_as_far_as_there_is_one() {
    let mut books = Books::with_capacity(1, 8, 8);
    for (order, price) in [(1, 10), (2, 11), (3, 12), (4, 11)] {
        books.add(InstrumentId(0), order, Side::Buy, Ticks(price), Lots(5)).unwrap();
    }
    books.add(InstrumentId(0), 5, Side::Sell, Ticks(20), Lots(1)).unwrap();
    let top = TopLevels::<2>::of(&books.book(InstrumentId(0)).unwrap());
    let bids =
        [(12, 5, 1), (11, 10, 2)].map(|(p, q, orders)| Level { price: Ticks(p), qty: Lots(q), orders });
    assert_eq!(top.side(Side::Buy), bids);
    assert_eq!(top.side(Side::Sell), [Level { price: Ticks(20), qty: Lots(1), orders: 1 }]);
    assert_eq!(top.bbo(), books.book(InstrumentId(0)).unwrap().bbo());
}
