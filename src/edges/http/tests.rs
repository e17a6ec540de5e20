use pricewright_core::kernel::table::{Define, KillLatched, Operator, PricePublished};
use pricewright_core::kernel::{
    Column, Control, EventNanos, Minor, PriceGuard, Record, RecordBuf, RecordSink as _, SourceId, Text,
};

use super::*;

const FEED: SourceId = SourceId(1);

/// A table that holds nothing yet, and what fills it.
fn table(vitals: Vitals) -> (Table, PriceTable) {
    let table = Arc::new(Prices {
        lines: RwLock::default(),
        complete: AtomicBool::new(false),
        newest: AtomicI64::new(0),
        vitals: Arc::new(vitals),
    });
    let filler = PriceTable { encoder: Encoder::new(2, 8), table: Arc::clone(&table), first_seq: 0 };
    (table, filler)
}

/// Gives it a record with this stamp.
fn take<R: Record>(filler: &mut PriceTable, now: Nanos, record: R) {
    let mut buffer = RecordBuf::with_capacity(16);
    buffer.put(&record, FEED, 0).expect("it fits");
    let mut cells = buffer.cells().to_vec();
    // The journal's stamp: byte 16 of the header.
    zerocopy::IntoBytes::as_mut_bytes(cells.as_mut_slice())[16..24].copy_from_slice(&now.0.to_le_bytes());
    filler.take(RecordRef::first_of(&cells).expect("a record")).expect("taken");
}

/// Status and content of an answer.
fn read(answer: impl Future<Output = Response>) -> (u16, serde_json::Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let answer = answer.await;
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    })
}

fn healthy(table: &Table) -> (u16, String) {
    let (status, body) = read(health(State(Arc::clone(table))));
    (status, body["status"].as_str().expect("a word").to_owned())
}

#[test]
fn a_shop_without_room_says_so() {
    let (table, mut filler) = table(Vitals::stuck());
    assert_eq!(healthy(&table), (503, "storage_full".to_owned()));
    table.vitals.set_room(true);
    assert_eq!(healthy(&table), (200, "starting".to_owned()));
    take(
        &mut filler,
        Nanos(1),
        Define { id: 0, column: Column::SKU, source: FEED, text: Text::excerpt("A") },
    );
    let decided = Nanos(wall_clock().0 - 3_000_000_000);
    take(
        &mut filler,
        decided,
        PricePublished {
            event_ns: EventNanos(0),
            price: Minor(17_500),
            previous: Minor(0),
            formula: Minor(17_500),
            initial: 40,
            stock: 10,
            sku: 0,
            source: FEED,
            guard: PriceGuard::NONE,
        },
    );
    assert_eq!(healthy(&table), (200, "ok".to_owned()));
    let price = |table: &Table| read(one(State(Arc::clone(table)), Path("A".to_owned()))).1;
    let shown = price(&table);
    assert_eq!((&shown["price"], &shown["held"]), (&"175.00".into(), &serde_json::Value::Null));
    assert!(shown["age_ms"].as_i64() >= Some(3_000), "{shown}");
    take(&mut filler, decided, Operator::says("storage", OperatorCommand::STORAGE_LOW, 0));
    assert_eq!(healthy(&table), (200, "storage_low".to_owned()));
    table.vitals.set_room(false);
    assert_eq!(healthy(&table), (200, "storage_low".to_owned()), "only for a moment so far");
    take(&mut filler, decided, Operator::says("storage", OperatorCommand::STORAGE_OK, 0));
    assert_eq!(healthy(&table), (200, "ok".to_owned()));
}

#[test]
fn a_price_that_cannot_follow_says_why() {
    let (table, _filler) = table(Vitals::stuck());
    assert_eq!(table.held(), Some("storage"));
    let price = Price { open: "{\"sku\":\"A\"".to_owned(), decided: Nanos(5_000_000) };
    let text = price.at(Nanos(8_999_999), table.held());
    assert_eq!(text, "{\"sku\":\"A\",\"age_ms\":3,\"held\":\"storage\"}");
    assert_eq!(price.at(Nanos(0), None), "{\"sku\":\"A\",\"age_ms\":0,\"held\":null}");
}

#[test]
fn a_frozen_shop_says_so() {
    let (table, mut filler) = table(Vitals::default());
    let latch = |released| KillLatched {
        value: 0,
        limit: 0,
        control: Control::KILL_LATCH,
        released,
        spare: [0; 5],
        operator: Text::excerpt("ann"),
    };
    take(&mut filler, Nanos(1), latch(0));
    assert_eq!(healthy(&table), (200, "frozen".to_owned()));
    assert_eq!(table.held(), Some("frozen"));
    take(&mut filler, Nanos(2), latch(1));
    assert_ne!(healthy(&table).1, "frozen");
    table.vitals.set_full(true);
    assert_eq!(healthy(&table), (200, "full_house".to_owned()));
}
