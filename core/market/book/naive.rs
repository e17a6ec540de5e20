//! The twin of [`super::Books`] in the plainest form: a map of prices to queues, searched from end to end. It is the
//! judge of the fast store in tests and of whole sessions; it is slow by design.

use std::collections::{BTreeMap, VecDeque};

use super::twin::BookStore;
use super::types::{Bbo, BookError, Level, OrderView, Touched};
use crate::kernel::{InstrumentId, Lots, Side, Ticks};

type Queue = VecDeque<(u64, Lots)>;

/// The books of all instruments, plainly.
#[derive(Clone, Debug)]
pub struct NaiveBooks {
    /// Per instrument: bids, asks.
    books: Vec<[BTreeMap<Ticks, Queue>; 2]>,
}

fn side_index(side: Side) -> usize {
    usize::from(side == Side::Sell)
}

impl NaiveBooks {
    /// Empty books of the instruments 0 to `instruments - 1`.
    pub fn new(instruments: usize) -> Self {
        Self { books: vec![Default::default(); instruments] }
    }

    fn side(&self, i: InstrumentId, side: Side) -> Option<&BTreeMap<Ticks, Queue>> {
        self.books.get(i.index())?.get(side_index(side))
    }

    fn queue_mut(&mut self, at: &OrderView) -> Option<&mut Queue> {
        self.books.get_mut(at.instrument.index())?.get_mut(side_index(at.side))?.get_mut(&at.price)
    }

    fn take(&mut self, order: u64, qty: Lots) -> Result<Touched, BookError> {
        let found = self.find(order).ok_or(BookError::UnknownOrder)?;
        if qty < Lots(1) || qty > found.qty {
            return Err(BookError::BadQuantity);
        }
        let left = found.qty - qty;
        if left == Lots(0) {
            return self.delete(order);
        }
        for entry in self.queue_mut(&found).into_iter().flatten().filter(|entry| entry.0 == order) {
            entry.1 = left;
        }
        Ok(Touched { instrument: found.instrument, side: found.side, price: found.price, left })
    }
}

impl BookStore for NaiveBooks {
    fn add(
        &mut self,
        i: InstrumentId,
        order: u64,
        side: Side,
        price: Ticks,
        qty: Lots,
    ) -> Result<(), BookError> {
        let known = self.find(order).is_some();
        let book = self.books.get_mut(i.index()).ok_or(BookError::UnknownInstrument)?;
        if qty < Lots(1) {
            return Err(BookError::BadQuantity);
        }
        if known {
            return Err(BookError::DuplicateOrder);
        }
        let [bids, asks] = book;
        let levels = if side == Side::Buy { bids } else { asks };
        let queue = levels.entry(price).or_default();
        let sum = queue.iter().try_fold(qty.0, |sum, entry| sum.checked_add(entry.1.0));
        if sum.is_none() {
            return Err(BookError::BadQuantity);
        }
        queue.push_back((order, qty));
        Ok(())
    }

    fn execute(&mut self, order: u64, qty: Lots) -> Result<Touched, BookError> {
        self.take(order, qty)
    }

    fn reduce(&mut self, order: u64, qty: Lots) -> Result<Touched, BookError> {
        self.take(order, qty)
    }

    fn delete(&mut self, order: u64) -> Result<Touched, BookError> {
        let found = self.find(order).ok_or(BookError::UnknownOrder)?;
        if let Some(queue) = self.queue_mut(&found) {
            queue.retain(|entry| entry.0 != order);
        }
        for levels in self.books.iter_mut().flatten() {
            levels.retain(|_, queue| !queue.is_empty());
        }
        Ok(Touched { instrument: found.instrument, side: found.side, price: found.price, left: Lots(0) })
    }

    fn replace(&mut self, order: u64, new_order: u64, price: Ticks, qty: Lots) -> Result<Touched, BookError> {
        let old = self.find(order).ok_or(BookError::UnknownOrder)?;
        if qty < Lots(1) {
            return Err(BookError::BadQuantity);
        }
        if new_order != order && self.find(new_order).is_some() {
            return Err(BookError::DuplicateOrder);
        }
        // Added under a number of no one's first: what does not fit then leaves the old order as it was.
        let spare = (0..).find(|number| self.find(*number).is_none()).ok_or(BookError::Capacity)?;
        self.add(old.instrument, spare, old.side, price, qty)?;
        self.delete(order)?;
        let target = OrderView { price, ..old };
        for entry in self.queue_mut(&target).into_iter().flatten().filter(|entry| entry.0 == spare) {
            entry.0 = new_order;
        }
        Ok(Touched { instrument: old.instrument, side: old.side, price: old.price, left: old.qty })
    }

    fn clear(&mut self, i: InstrumentId) {
        if let Some(book) = self.books.get_mut(i.index()) {
            *book = Default::default();
        }
    }

    fn count(&self) -> usize {
        self.books.iter().flatten().flat_map(BTreeMap::values).map(VecDeque::len).sum()
    }

    fn find(&self, order: u64) -> Option<OrderView> {
        let ids = (0..=u16::MAX).map(InstrumentId).take(self.books.len());
        ids.flat_map(|i| [(i, Side::Buy), (i, Side::Sell)])
            .flat_map(|(i, side)| self.all_orders(i, side))
            .find(|found| found.order == order)
    }

    fn lots_ahead(&self, order: u64) -> Option<Lots> {
        let found = self.find(order)?;
        let queue = self.side(found.instrument, found.side)?.get(&found.price)?;
        Some(queue.iter().take_while(|entry| entry.0 != order).fold(Lots(0), |sum, entry| sum + entry.1))
    }

    fn best(&self, i: InstrumentId) -> Bbo {
        let first = |side| self.all_levels(i, side).first().copied();
        Bbo { bid: first(Side::Buy), ask: first(Side::Sell) }
    }

    fn all_levels(&self, i: InstrumentId, side: Side) -> Vec<Level> {
        let mut levels: Vec<Level> = self
            .side(i, side)
            .into_iter()
            .flatten()
            .map(|(price, queue)| Level {
                price: *price,
                qty: queue.iter().fold(Lots(0), |sum, entry| sum + entry.1),
                orders: queue.len() as u32,
            })
            .collect();
        if side == Side::Buy {
            levels.reverse();
        }
        levels
    }

    fn all_orders(&self, i: InstrumentId, side: Side) -> Vec<OrderView> {
        let view = |price: Ticks, entry: &(u64, Lots)| OrderView {
            order: entry.0,
            instrument: i,
            side,
            price,
            qty: entry.1,
        };
        let levels = self.all_levels(i, side);
        let queues =
            levels.iter().filter_map(|level| Some((level.price, self.side(i, side)?.get(&level.price)?)));
        queues.flat_map(|(price, queue)| queue.iter().map(move |entry| view(price, entry))).collect()
    }
}
