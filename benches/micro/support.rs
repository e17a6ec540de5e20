//! What the benches share.

use pricewright_core::kernel::table::{OrderAdd, ReplaceOrder};
use pricewright_core::kernel::{EventNanos, InstrumentId, Nanos, RecordRef, SideCode, Ticks, TimeInForce};

/// Says what a bench computed, so that two runs and two machines can be compared.
pub(crate) fn print_result(name: &str, hash: blake3::Hash) {
    println!("{name}: result {}", hash.to_hex());
}

/// Adds the record's content to `hasher`: header without checksum, and payload.
pub(crate) fn hash_record(hasher: &mut blake3::Hasher, record: RecordRef<'_>) {
    hasher.update(&record.header().kind.to_le_bytes());
    hasher.update(record.payload());
}

/// A market record of one cell.
pub(crate) fn order_add(number: u64) -> OrderAdd {
    OrderAdd {
        event_ns: EventNanos(1_767_623_400_000_000_000),
        order: number,
        price: Ticks(1_000_000 + (number % 64) as i64 * 100),
        qty: 100,
        instrument: InstrumentId(0),
        side: SideCode::BUY,
        flags: 0,
    }
}

/// A decision of two cells.
pub(crate) fn replace_order(number: u64) -> ReplaceOrder {
    ReplaceOrder {
        client: number + 1,
        prior: number,
        price: Ticks(1_000_000),
        expires: Nanos(1_767_623_400_000_000_000),
        qty: 100,
        instrument: InstrumentId(0),
        side: SideCode::BUY,
        tif: TimeInForce::POST_ONLY,
    }
}
