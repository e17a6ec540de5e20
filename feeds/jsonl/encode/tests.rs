use pricewright_core::kernel::table::CancelOrder;
use pricewright_core::kernel::{EventNanos, PriceGuard, RejectReason, Text};
use quickcheck::quickcheck;
use zerocopy::FromZeros;

use super::*;

const SHOP: SourceId = SourceId(2);

fn encoder(names: &[&str]) -> Encoder {
    let mut encoder = Encoder::new(2, 10);
    for (id, name) in (0..).zip(names) {
        let text = Text::new(name).expect("short");
        encoder.define(&Define { id, column: Column::SKU, source: SHOP, text }).expect("in sequence");
    }
    encoder
}

const PRICE: PricePublished = PricePublished {
    event_ns: EventNanos(1_767_225_600_000_000_000),
    price: Minor(17_500),
    previous: Minor(10_000),
    formula: Minor(17_500),
    initial: 40,
    stock: 10,
    sku: 0,
    source: SHOP,
    guard: PriceGuard::NONE,
};

fn rejected(text: &str) -> Rejected {
    let (reason, text) = (RejectReason::MALFORMED, Text::excerpt(text));
    Rejected { position: 7, len: 5, reason, source: SHOP, text }
}

#[test]
fn a_price_is_one_line_with_its_keys_in_order() {
    let encoder = encoder(&["A", "B"]);
    let mut out = b"before\n".to_vec();
    assert_eq!(encoder.encode((&PRICE).into(), 5, &mut out).expect("written"), Written::Price);
    let first = PricePublished {
        sku: 1,
        previous: Minor(0),
        guard: PriceGuard::MAX_CHANGE,
        event_ns: EventNanos(1_767_225_600_500_000_000),
        ..PRICE
    };
    encoder.price(&first, 6, &mut out).expect("written");
    assert_eq!(
        String::from_utf8(out).expect("text"),
        concat!(
            "before\n",
            r#"{"sku":"A","price":"175.00","previous":"100.00","formula":"175.00","stock":10,"initial":40,"#,
            r#""guard":"none","ts":"2026-01-01T00:00:00Z","seq":5}"#,
            "\n",
            r#"{"sku":"B","price":"175.00","previous":null,"formula":"175.00","stock":10,"initial":40,"#,
            r#""guard":"max_change","ts":"2026-01-01T00:00:00.5Z","seq":6}"#,
            "\n"
        )
    );
}

#[test]
fn a_dead_letter_is_one_line() {
    let mut out = Vec::new();
    let written =
        encoder(&[]).encode((&rejected("expected \"value\"")).into(), 9, &mut out).expect("written");
    assert_eq!(written, Written::DeadLetter);
    assert_eq!(
        String::from_utf8(out).expect("text"),
        concat!(
            r#"{"line":7,"reason":"malformed","detail":"expected \"value\"","source":2,"len":5,"seq":9}"#,
            "\n"
        )
    );
}

#[test]
fn other_decisions_give_nothing() {
    let mut out = Vec::new();
    let cancel = CancelOrder::new_zeroed();
    assert_eq!(encoder(&[]).encode((&cancel).into(), 1, &mut out).expect("nothing"), Written::Nothing);
    assert!(out.is_empty());
}

#[test]
fn a_sku_without_definition_is_an_error_and_writes_nothing() {
    let mut out = b"before".to_vec();
    let error = encoder(&[]).price(&PRICE, 1, &mut out).expect_err("unknown").to_string();
    assert_eq!(error, "SKU 0 of source 2 was never defined");
    let other = PricePublished { source: SourceId(3), ..PRICE };
    assert!(encoder(&["A"]).price(&other, 1, &mut out).is_err(), "another source's numbers");
    assert_eq!(out, b"before");
}

#[test]
fn definitions_out_of_sequence_are_an_error() {
    let mut encoder = encoder(&["A"]);
    let define = Define { id: 5, column: Column::SKU, source: SHOP, text: Text::new("B").expect("short") };
    let error = encoder.define(&define).expect_err("a hole").to_string();
    assert_eq!(error, "source 2: a definition has number 5 where number 1 comes next");
    assert!(encoder.define(&Define { column: Column::SYMBOL, ..define }).is_ok(), "not ours");
    assert_eq!((encoder.name(SHOP, 0), encoder.name(SHOP, 5)), (Some("A"), None));
}

quickcheck! {
    fn whatever_the_sku_and_detail_the_line_is_json(sku: String, detail: String, price: i64) -> bool {
        let sku = Text::<88>::excerpt(&sku);
        let encoder = encoder(&[sku.as_str()]);
        let mut out = Vec::new();
        encoder.price(&PricePublished { price: Minor(price), ..PRICE }, 1, &mut out).expect("written");
        let letter = rejected(&detail);
        encoder.encode((&letter).into(), 2, &mut out).expect("written");
        let text = String::from_utf8(out).expect("text");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        lines.len() == 2
            && lines[0]["sku"] == sku.as_str()
            && lines[0]["price"] == Decimal { minor: Minor(price), decimals: 2 }.to_string()
            && lines[1]["detail"] == letter.text.as_str()
    }
}
