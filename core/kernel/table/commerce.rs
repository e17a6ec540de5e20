//! Events of a shop.

use crate::kernel::units::{EventNanos, Minor, SourceId};

fields! {
    /// Stock and base price of an article.
    Inventory {
        /// The source's stamp.
        event_ns: EventNanos,
        /// Base price for one piece.
        base: Minor,
        /// Pieces at the start of the sale.
        initial: i64,
        /// Pieces left.
        stock: i64,
        /// Article, a [`Define`](super::Define) of [`Column::SKU`](crate::kernel::Column::SKU).
        sku: u32,
        /// Whose number `sku` is.
        source: SourceId,
        /// Zero.
        spare: u16,
        /// Where in the source.
        position: u64,
    }

    /// Pieces of an article were bought.
    Purchase {
        /// The source's stamp.
        event_ns: EventNanos,
        /// Pieces.
        qty: i64,
        /// Article, a [`Define`](super::Define) of [`Column::SKU`](crate::kernel::Column::SKU).
        sku: u32,
        /// Whose number `sku` is.
        source: SourceId,
        /// Zero.
        spare: u16,
        /// Where in the source.
        position: u64,
    }
}
