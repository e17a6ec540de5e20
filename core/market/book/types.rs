//! What books take and give: levels, orders, errors.

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
