use zerocopy::FromZeros;

use super::*;
use crate::kernel::SideCode;
use crate::kernel::record::{Cell, HEADER_LEN, MAX_CELLS, MAX_PAYLOAD, write_record};
use crate::kernel::units::{EventNanos, SourceId, Ticks};

#[test]
fn every_layout_is_dense_and_fits() {
    for schema in SCHEMAS {
        assert!(schema.size <= MAX_PAYLOAD, "{} is too large", schema.name);
        assert_eq!(schema.size % 8, 0, "{} does not end on 8 bytes", schema.name);
        let mut end = 0;
        for field in schema.fields {
            assert_eq!(field.offset, end, "{}.{} leaves a hole", schema.name, field.name);
            end += field.size;
        }
        assert_eq!(end, schema.size, "{} ends in padding", schema.name);
        assert_eq!(Kind::from_u16(schema.kind).map(|kind| kind.schema().name), Some(schema.name));
    }
}

#[test]
fn numbers_are_unique() {
    let mut numbers: Vec<u16> = SCHEMAS.iter().map(|schema| schema.kind).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), SCHEMAS.len());
}

#[test]
fn hot_records_fit_one_cache_line() {
    assert_eq!(OrderAdd::CELLS, 1);
    assert_eq!(OrderExecuted::CELLS, 1);
    assert_eq!(OrderReduced::CELLS, 1);
    assert_eq!(OrderDeleted::CELLS, 1);
    assert_eq!(Trade::CELLS, 1);
    assert_eq!(Mark::CELLS, 1);
    assert_eq!(Timer::CELLS, 1);
    assert_eq!(PlaceOrder::CELLS, 1);
    assert_eq!(CancelOrder::CELLS, 1);
    assert_eq!(ConfigChunk::CELLS, MAX_CELLS);
}

#[test]
fn a_record_comes_back_from_its_cells() {
    let add = OrderAdd {
        event_ns: EventNanos(7),
        order: 8,
        price: Ticks(-9),
        qty: 10,
        instrument: InstrumentId(11),
        side: SideCode::SELL,
        flags: market_flags::LAST_IN_BATCH,
    };
    let mut cells = [Cell([0xff; 64]); 2];
    assert_eq!(write_record(&mut cells, &add, SourceId(3), 1), Some(1));
    let record = RecordRef::first_of(&cells).expect("a record");
    assert_eq!(record.header().source, SourceId(3));
    assert_eq!(record.get::<OrderAdd>(), Some(&add));
    assert_eq!(record.get::<OrderExecuted>(), None);
    assert!(matches!(EventRef::of(&record), Some(EventRef::OrderAdd(found)) if *found == add));
    assert!(DecisionRef::of(&record).is_none());
}

#[test]
fn padding_of_the_last_cell_is_zero() {
    let place = ReplaceOrder { client: u64::MAX, ..ReplaceOrder::new_zeroed() };
    let mut cells = [Cell([0xff; 64]); 2];
    assert_eq!(write_record(&mut cells, &place, SourceId(0), 0), Some(2));
    let used = HEADER_LEN + size_of::<ReplaceOrder>() - 64;
    assert!(cells[1].0[used..].iter().all(|byte| *byte == 0));
}
