use pricewright_core::kernel::table::{Define, Inventory, PricePublished, Rejected};
use pricewright_core::kernel::{
    EventNanos, PriceGuard, Record, RecordBuf, RecordSink as _, RejectReason, SourceId, Text,
};

use super::*;

const FEED: SourceId = SourceId(1);

fn take<R: Record>(board: &mut Board, record: R, counts: bool) {
    let mut buffer = RecordBuf::with_capacity(16);
    buffer.put(&record, FEED, 0).expect("it fits");
    let record = buffer.iter().next().expect("a record");
    board.take(record, counts);
}

fn define(id: u32, sku: &str) -> Define {
    Define { id, column: Column::SKU, source: FEED, text: Text::excerpt(sku) }
}

fn inventory(sku: u32, base: i64) -> Inventory {
    Inventory {
        event_ns: EventNanos(0),
        base: Minor(base),
        initial: 4,
        stock: 4,
        sku,
        source: FEED,
        spare: 0,
        position: 1,
    }
}

fn price(sku: u32, price: i64) -> PricePublished {
    PricePublished {
        event_ns: EventNanos(0),
        price: Minor(price),
        previous: Minor(0),
        formula: Minor(price),
        initial: 4,
        stock: 4,
        sku,
        source: FEED,
        guard: PriceGuard::NONE,
    }
}

#[test]
fn the_article_that_rose_most_is_on_top() {
    let mut board = Board { decimals: 2, ..Board::default() };
    assert_eq!(board.top(), None);
    for (id, sku, base) in [(0, "A", 10_000), (1, "B", 5_990), (2, "C", 100)] {
        take(&mut board, define(id, sku), true);
        take(&mut board, inventory(id, base), true);
    }
    assert_eq!(board.top(), None, "no price yet");
    take(&mut board, price(0, 12_000), true);
    take(&mut board, price(1, 10_482), true);
    take(&mut board, price(2, 175), true);
    // (104.82 − 59.90) / 59.90 = 74.99 %.
    assert_eq!(board.top(), Some(Top { sku: "C".to_owned(), price: "1.75".to_owned(), percent: 75 }));
    take(&mut board, price(2, 174), true);
    assert_eq!(board.top(), Some(Top { sku: "B".to_owned(), price: "104.82".to_owned(), percent: 74 }));
    assert_eq!((board.skus(), board.events, board.prices), (3, 6, 4));
}

#[test]
fn earlier_runs_give_names_and_prices_but_do_not_count() {
    let mut board = Board { decimals: 2, ..Board::default() };
    take(&mut board, define(0, "A"), false);
    take(&mut board, inventory(0, 10_000), false);
    take(&mut board, price(0, 20_000), false);
    let dead = Rejected {
        position: 1,
        len: 0,
        reason: RejectReason::MALFORMED,
        source: FEED,
        text: Text::excerpt("x"),
    };
    take(&mut board, dead, false);
    assert_eq!((board.events, board.prices, board.dead_letters), (0, 0, 0));
    assert_eq!(board.top(), Some(Top { sku: "A".to_owned(), price: "200.00".to_owned(), percent: 100 }));
    take(&mut board, dead, true);
    assert_eq!(board.dead_letters, 1);
}

/// What is refused changes nothing, a rise over the base price neither.
#[test]
fn a_refused_inventory_leaves_the_base_price() {
    let mut board = Board { decimals: 2, ..Board::default() };
    take(&mut board, define(0, "A"), true);
    take(&mut board, inventory(0, 10_000), true);
    take(&mut board, price(0, 15_000), true);
    let stale = inventory(0, 1);
    take(&mut board, stale, true);
    let (reason, text) = (RejectReason::STALE, Text::excerpt("x"));
    take(&mut board, Rejected { position: stale.position, len: 0, reason, source: FEED, text }, true);
    assert_eq!(board.top().map(|top| top.percent), Some(50));
}
