use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::{Cell, Nanos, RecordHeader, SourceId};
use serde_json::{Value, json};
use zerocopy::IntoBytes;

use super::*;

/// A catalogue that no build has: the record must be shown from it alone.
const CATALOGUE: &str = "900 3 decision Foreign 88 px:i64:0:8:ticks id:u64:8:8: ratio:f64:16:8: side:u8:24:1:=1/buy,2/sell \
other:u8:25:1:=1/one spare:bytes:26:2: count:u32:28:4: name:text:32:8: key:bytes:40:4: port:u16:44:2: spare2:u16:46:2: \
bad:f64:48:8:\n";

fn foreign() -> Vec<Cell> {
    let mut cells = vec![Cell::ZERO; 2];
    let header = RecordHeader {
        commit: 88,
        seq: 70,
        now: Nanos(1_790_000_000_000_000_001),
        kind: 900,
        version: 3,
        flags: 0x42,
        source: SourceId(5),
        cause: 4,
    };
    let bytes = cells.as_mut_bytes();
    assert_eq!(bytes.len(), 2 * CELL_LEN);
    bytes[..32].copy_from_slice(header.as_bytes());
    let payload = &mut bytes[32..];
    payload[0..8].copy_from_slice(&(-9_007_199_254_740_993_i64).to_le_bytes());
    payload[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    payload[16..24].copy_from_slice(&0.1_f64.to_le_bytes());
    payload[24] = 2;
    payload[25] = 77;
    payload[26] = 9;
    payload[28..32].copy_from_slice(&4_000_000_000_u32.to_le_bytes());
    payload[32..38].copy_from_slice(b"a\"\xc3\xa9\nz");
    payload[40..44].copy_from_slice(&[0, 0xde, 0xad, 0]);
    payload[44..46].copy_from_slice(&8080_u16.to_le_bytes());
    payload[48..56].copy_from_slice(&f64::NAN.to_le_bytes());
    cells
}

#[test]
fn json_is_exact_and_named() {
    let catalogue = Catalogue::parse(CATALOGUE).unwrap();
    let cells = foreign();
    let record = RecordRef::first_of(&cells).unwrap();
    let expected = json!({
        "seq": 70, "now": 1_790_000_000_000_000_001_i64, "kind": "Foreign", "class": "decision", "version": 3,
        "source": 5, "cause": 66, "flags": ["not_sent", "0x40"],
        "fields": {
            "px": -9_007_199_254_740_993_i64, "id": 18_446_744_073_709_551_615_u64, "ratio": 0.1, "side": "sell",
            "other": 77, "count": 4_000_000_000_u32, "name": "a\"é\nz", "key": "00dead00", "port": 8080, "bad": "NaN",
        },
    });
    let line = to_json(&record, &catalogue);
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
    assert!(line.starts_with(
        r#"{"seq":70,"now":1790000000000000001,"kind":"Foreign","class":"decision","version":3,"source":5,"cause":66,"#
    ));
    assert!(line.contains(
        r#""fields":{"px":-9007199254740993,"id":18446744073709551615,"ratio":0.1,"side":"sell","#
    ));
}

#[test]
fn text_is_one_line() {
    let catalogue = Catalogue::parse(CATALOGUE).unwrap();
    let cells = foreign();
    let record = RecordRef::first_of(&cells).unwrap();
    let expected = "70 1790000000000000001 decision Foreign source=5 cause=66 flags=not_sent,0x40 \
                    px=-9007199254740993 id=18446744073709551615 ratio=0.1 side=sell other=77 count=4000000000 \
                    name=\"a\\\"é\\nz\" key=00dead00 port=8080 bad=NaN";
    assert_eq!(to_text(&record, &catalogue), expected);
}

#[test]
fn a_kind_outside_the_catalogue_is_shown_raw() {
    let catalogue = Catalogue::parse("").unwrap();
    let cells = foreign();
    let record = RecordRef::first_of(&cells).unwrap();
    assert!(
        to_text(&record, &catalogue).starts_with("70 1790000000000000001 unknown kind900 source=5 flags=")
    );
    let shown: Value = serde_json::from_str(&to_json(&record, &catalogue)).unwrap();
    assert_eq!((&shown["kind"], &shown["class"]), (&json!(900), &json!("unknown")));
    let payload = shown["fields"]["payload"].as_str().unwrap();
    assert_eq!((payload.len(), &payload[16..32]), (112, "ffffffffffffffff"));
}
