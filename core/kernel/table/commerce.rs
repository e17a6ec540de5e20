//! Events of a shop.

use crate::kernel::codes::Text;
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

    /// The identity that the sender gave to the input at this position, so that what was taken already is not taken again.
    /// It stands before the input's own event.
    LineId {
        /// Where in the source.
        position: u64,
        /// Whose position.
        source: SourceId,
        /// Zero.
        spare: [u8; 6],
        /// The identity.
        id: Text<64>,
    }

    /// Which file the events after it were read from. A file is known by its index node and the beginning of its content, not
    /// by its name: names are moved, and files are put in the place of others.
    InputFile {
        /// The last line of it that the journal holds already.
        taken: u64,
        /// The device it lies on.
        device: u64,
        /// Its index node on the device.
        inode: u64,
        /// BLAKE3 of its first `head_len` bytes.
        head: [u8; 32],
        /// Bytes that `head` covers.
        head_len: u32,
        /// Whose file.
        source: SourceId,
        /// Zero.
        spare: u16,
    }
}
