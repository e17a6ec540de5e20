//! Reading one instrument's book.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::ladder::key_of;
use super::slab::LevelNode;
use super::store::{Books, Ladders};
use super::types::{Bbo, Level, OrderView};
use crate::kernel::{InstrumentId, Lots, Side, Ticks};

/// One instrument's book.
#[derive(Clone, Copy, Debug)]
pub struct BookView<'a> {
    books: &'a Books,
    instrument: InstrumentId,
    ladders: &'a Ladders,
}

impl<'a> BookView<'a> {
    #[inline]
    pub(super) fn new(books: &'a Books, instrument: InstrumentId, ladders: &'a Ladders) -> Self {
        Self { books, instrument, ladders }
    }

    /// The instrument.
    pub fn instrument(&self) -> InstrumentId {
        self.instrument
    }

    /// The best bid and ask. O(1).
    #[inline]
    pub fn bbo(&self) -> Bbo {
        Bbo { bid: self.best(Side::Buy), ask: self.best(Side::Sell) }
    }

    /// The best level of a side. O(1).
    #[inline]
    pub fn best(&self, side: Side) -> Option<Level> {
        let (_, level) = self.ladders.side(side).best()?;
        self.books.levels.get(level).map(level_of)
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> + use<'a> {
        let books = self.books;
        let ladder = self.ladders.side(side);
        ladder.iter(&books.pool).filter_map(|(_, level)| books.levels.get(level)).map(level_of)
    }

    /// The best `n` levels of a side, best first.
    pub fn top(&self, side: Side, n: usize) -> impl Iterator<Item = Level> + use<'a> {
        self.levels(side).take(n)
    }

    /// How many levels a side has.
    pub fn depth(&self, side: Side) -> usize {
        self.ladders.side(side).len()
    }

    /// The level at a price. O(log levels).
    pub fn level(&self, side: Side, price: Ticks) -> Option<Level> {
        self.level_node(side, price).map(level_of)
    }

    /// The orders at a price, first in the queue first; none where there is no such level.
    pub fn orders(&self, side: Side, price: Ticks) -> impl Iterator<Item = OrderView> + use<'a> {
        let books = self.books;
        let mut slot = self.level_node(side, price).map(|level| level.head);
        core::iter::from_fn(move || {
            let node = books.orders.get(slot?)?;
            let order = books.order_in(slot?);
            slot = Some(node.next);
            order
        })
    }

    /// Lots that stand before `order` at its price; `None` where it is not a live order of this instrument. O(orders
    /// before it).
    pub fn queue_ahead(&self, order: u64) -> Option<Lots> {
        let orders = &self.books.orders;
        let node = orders.get(self.books.slot_of(order)?)?;
        if self.books.levels.get(node.level)?.instrument != self.instrument {
            return None;
        }
        let before = core::iter::successors(orders.get(node.prev), |node| orders.get(node.prev));
        Some(before.fold(Lots(0), |sum, node| sum + node.qty))
    }

    /// True where the best bid is above the best ask. Equal prices are locked, not crossed.
    #[inline]
    pub fn is_crossed(&self) -> bool {
        matches!(self.bbo(), Bbo { bid: Some(bid), ask: Some(ask) } if bid.price > ask.price)
    }

    fn level_node(&self, side: Side, price: Ticks) -> Option<&'a LevelNode> {
        let slot = self.ladders.side(side).get(&self.books.pool, key_of(side, price))?;
        self.books.levels.get(slot)
    }
}

fn level_of(node: &LevelNode) -> Level {
    Level { price: node.price, qty: node.qty, orders: node.orders }
}
