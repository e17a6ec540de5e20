//! The records that rings and journals are measured with.

use pricewright_core::kernel::table::{OrderAdd, ReplaceOrder};
use pricewright_core::kernel::{
    Cell, EventNanos, InstrumentId, MAX_CELLS, Nanos, Record, SideCode, SourceId, Ticks, TimeInForce,
    write_record,
};

/// When every such record happens: 2026-01-05T14:30:00Z.
const WHEN: i64 = 1_767_623_400_000_000_000;

/// A market record of one cell of 64 bytes.
#[inline]
pub(super) fn order_add(number: u64) -> OrderAdd {
    OrderAdd {
        event_ns: EventNanos(WHEN),
        order: number,
        price: Ticks(1_000_000 + (number % 64) as i64 * 100),
        qty: 100,
        instrument: InstrumentId(0),
        side: SideCode::BUY,
        flags: 0,
    }
}

/// A decision of two cells.
pub(super) fn replace_order(number: u64) -> ReplaceOrder {
    ReplaceOrder {
        client: number + 1,
        prior: number,
        price: Ticks(1_000_000),
        expires: Nanos(WHEN),
        qty: 100,
        instrument: InstrumentId(0),
        side: SideCode::BUY,
        tif: TimeInForce::POST_ONLY,
    }
}

/// `record` as a ring or the journal takes it.
pub(super) fn laid(record: &impl Record) -> [Cell; MAX_CELLS] {
    let mut cells = [Cell::ZERO; MAX_CELLS];
    write_record(&mut cells, record, SourceId(1), 0);
    cells
}
