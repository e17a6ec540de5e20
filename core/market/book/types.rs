//! What books take and give: levels, orders, errors, and the trait that the fast store and its naive twin share.

use crate::kernel::{InstrumentId, Lots, Side, Ticks};

/// One price of one side, summed over its orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Its price.
    pub price: Ticks,
    /// Lots of all its orders; at least 1.
    pub qty: Lots,
    /// How many orders; at least 1 in an L3 book, 0 where the source counts none (L2 feeds).
    pub orders: u32,
}

/// The best bid and the best offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bbo {
    /// The highest bid; `None` where that side is empty.
    pub bid: Option<Level>,
    /// The lowest ask; `None` where that side is empty.
    pub ask: Option<Level>,
}

/// What a command did to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The order's instrument.
    pub instrument: InstrumentId,
    /// The order's side.
    pub side: Side,
    /// The order's price. After a replacement: its old price.
    pub price: Ticks,
    /// Lots left of it in the book; 0 where it is gone. After a replacement: the lots the old order still had.
    pub left: Lots,
}

/// One live order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// The venue's order number.
    pub order: u64,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// Its side.
    pub side: Side,
    /// Its price.
    pub price: Ticks,
    /// Lots open; at least 1.
    pub qty: Lots,
}

/// Why a book refused a command. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum BookError {
    /// No live order has this number.
    #[error("no live order has this number")]
    UnknownOrder,
    /// A live order already has this number.
    #[error("a live order already has this number")]
    DuplicateOrder,
    /// The instrument lies beyond those that the store was made for.
    #[error("the store has no such instrument")]
    UnknownInstrument,
    /// Not positive, more than the order has, or more than a level's sum can hold.
    #[error("the quantity is not positive, exceeds the order, or overflows its level")]
    BadQuantity,
    /// The store's 32-bit links are used up.
    #[error("the store is full")]
    Capacity,
}

/// A store of the books of all instruments. Implemented by [`super::Books`] and by its twin [`super::naive::NaiveBooks`],
/// so that one test base and one judge serve both. The read methods allocate: they are for comparing, not for the hot
/// path.
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
