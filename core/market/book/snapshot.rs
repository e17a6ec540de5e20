//! The serialised form of a store: its capacities, then each instrument's sides, levels best first, each with its
//! queue. Only what can be seen is written, so stores of equal content have equal bytes, and a restored store behaves as
//! the one it was taken from.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::store::{Books, Capacity, Room};
use crate::kernel::{InstrumentId, Lots, Side, Ticks};

#[derive(Serialize, Deserialize)]
struct Content {
    instruments: usize,
    orders: usize,
    levels_per_side: usize,
    books: Vec<Sides>,
}

#[derive(Serialize, Deserialize)]
struct Sides {
    instrument: InstrumentId,
    bids: Vec<Queue>,
    asks: Vec<Queue>,
}

#[derive(Serialize, Deserialize)]
struct Queue {
    price: Ticks,
    orders: Vec<(u64, Lots)>,
}

impl Serialize for Books {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let books = (0..self.instruments())
            .filter_map(|index| u16::try_from(index).ok())
            .map(|index| sides_of(self, InstrumentId(index)))
            .filter(|sides| !(sides.bids.is_empty() && sides.asks.is_empty()))
            .collect();
        let capacity = self.capacity;
        Content {
            instruments: capacity.instruments,
            orders: capacity.orders,
            levels_per_side: capacity.levels_per_side,
            books,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Books {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = Content::deserialize(deserializer)?;
        if content.instruments > 1 << 16 || content.orders > 1 << 31 || content.levels_per_side > 1 << 31 {
            return Err(D::Error::custom("the capacities of the books are beyond all bounds"));
        }
        // The capacities are what a snapshot claims, and a few bytes can claim all memory there is: taken is only what its
        // content needs. Whoever knows the configured sizes takes the rest ([`Self::refill`]).
        let Content { instruments, orders, levels_per_side, .. } = content;
        let mut books =
            Self::with_room(Capacity { instruments, orders, levels_per_side }, room_for(&content.books));
        for sides in &content.books {
            for (side, queues) in [(Side::Buy, &sides.bids), (Side::Sell, &sides.asks)] {
                for (price, (order, qty)) in
                    queues.iter().flat_map(|queue| queue.orders.iter().map(|order| (queue.price, *order)))
                {
                    books
                        .add(sides.instrument, order, side, price, qty)
                        .map_err(|error| D::Error::custom(format_args!("order {order}: {error}")))?;
                }
            }
        }
        Ok(books)
    }
}

/// What the books need for what is in them.
fn room_for(books: &[Sides]) -> Room {
    let sides = || books.iter().flat_map(|sides| [&sides.bids, &sides.asks]);
    Room {
        orders: sides().flatten().map(|queue| queue.orders.len()).sum::<usize>() + 1,
        levels: sides().map(Vec::len).sum::<usize>() + 1,
        sides: sides().filter(|queues| !queues.is_empty()).count(),
        levels_per_side: 0,
    }
}

fn sides_of(books: &Books, instrument: InstrumentId) -> Sides {
    let queues = |side| match books.book(instrument) {
        None => Vec::new(),
        Some(book) => book
            .levels(side)
            .map(|level| Queue {
                price: level.price,
                orders: book.orders(side, level.price).map(|order| (order.order, order.qty)).collect(),
            })
            .collect(),
    };
    Sides { instrument, bids: queues(Side::Buy), asks: queues(Side::Sell) }
}
