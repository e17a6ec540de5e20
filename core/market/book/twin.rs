//! What the fast store and its naive twin have in common, so that one test base and one judge serve both.

use super::store::Books;
use super::types::{Bbo, BookError, Level, OrderView, Touched};
use super::view::BookView;
use crate::kernel::{InstrumentId, Lots, Side, Ticks};

/// A store of the books of all instruments: [`Books`] and [`super::naive::NaiveBooks`]. The read methods allocate: they
/// are for comparing, not for the hot path.
pub trait BookStore {
    /// Puts a new order behind all others at its price.
    ///
    /// # Errors
    /// [`BookError::UnknownInstrument`], [`BookError::BadQuantity`], [`BookError::DuplicateOrder`],
    /// [`BookError::Capacity`].
    fn add(
        &mut self,
        i: InstrumentId,
        order: u64,
        side: Side,
        price: Ticks,
        qty: Lots,
    ) -> Result<(), BookError>;

    /// Takes executed lots off an order; at zero it leaves the book.
    ///
    /// # Errors
    /// [`BookError::UnknownOrder`], [`BookError::BadQuantity`].
    fn execute(&mut self, order: u64, qty: Lots) -> Result<Touched, BookError>;

    /// Takes cancelled lots off an order, which keeps its place; at zero it leaves the book.
    ///
    /// # Errors
    /// [`BookError::UnknownOrder`], [`BookError::BadQuantity`].
    fn reduce(&mut self, order: u64, qty: Lots) -> Result<Touched, BookError>;

    /// Takes an order out of the book.
    ///
    /// # Errors
    /// [`BookError::UnknownOrder`].
    fn delete(&mut self, order: u64) -> Result<Touched, BookError>;

    /// Takes an order out and puts one of the same instrument and side behind all others at the new price.
    ///
    /// # Errors
    /// [`BookError::UnknownOrder`], [`BookError::BadQuantity`], [`BookError::DuplicateOrder`] (for a `new_order` that is
    /// live and is not `order` itself), [`BookError::Capacity`].
    fn replace(&mut self, order: u64, new_order: u64, price: Ticks, qty: Lots) -> Result<Touched, BookError>;

    /// Forgets all orders of an instrument.
    fn clear(&mut self, i: InstrumentId);

    /// Live orders of all instruments.
    fn count(&self) -> usize;

    /// A live order.
    fn find(&self, order: u64) -> Option<OrderView>;

    /// Lots that stand before an order at its price.
    fn lots_ahead(&self, order: u64) -> Option<Lots>;

    /// The best level of each side; both empty for an unknown instrument.
    fn best(&self, i: InstrumentId) -> Bbo;

    /// All levels of a side, best first.
    fn all_levels(&self, i: InstrumentId, side: Side) -> Vec<Level>;

    /// All orders of a side in the order in which they would trade.
    fn all_orders(&self, i: InstrumentId, side: Side) -> Vec<OrderView>;
}

impl BookStore for Books {
    fn add(
        &mut self,
        i: InstrumentId,
        order: u64,
        side: Side,
        price: Ticks,
        qty: Lots,
    ) -> Result<(), BookError> {
        self.add(i, order, side, price, qty)
    }

    fn execute(&mut self, order: u64, qty: Lots) -> Result<Touched, BookError> {
        self.execute(order, qty)
    }

    fn reduce(&mut self, order: u64, qty: Lots) -> Result<Touched, BookError> {
        self.reduce(order, qty)
    }

    fn delete(&mut self, order: u64) -> Result<Touched, BookError> {
        self.delete(order)
    }

    fn replace(&mut self, order: u64, new_order: u64, price: Ticks, qty: Lots) -> Result<Touched, BookError> {
        self.replace(order, new_order, price, qty)
    }

    fn clear(&mut self, i: InstrumentId) {
        self.clear(i);
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn find(&self, order: u64) -> Option<OrderView> {
        self.order(order)
    }

    fn lots_ahead(&self, order: u64) -> Option<Lots> {
        self.book(self.order(order)?.instrument)?.queue_ahead(order)
    }

    fn best(&self, i: InstrumentId) -> Bbo {
        self.book(i).map_or_else(Bbo::default, |book| book.bbo())
    }

    fn all_levels(&self, i: InstrumentId, side: Side) -> Vec<Level> {
        self.book(i).into_iter().flat_map(|book| book.levels(side)).collect()
    }

    fn all_orders(&self, i: InstrumentId, side: Side) -> Vec<OrderView> {
        let levels = |book: BookView<'_>| -> Vec<OrderView> {
            book.levels(side).flat_map(|level| book.orders(side, level.price)).collect()
        };
        self.book(i).map_or_else(Vec::new, levels)
    }
}
