use pricewright_core::kernel::table::EventRef;
use pricewright_core::kernel::{Column, RecordBuf, RecordRef};
use quickcheck::quickcheck;

use super::super::session::Session;
use super::*;

const SHOP: SourceId = SourceId(2);

fn decoder(config: &Config) -> Decoder {
    Decoder::new(config, SHOP).expect("a good configuration")
}

fn decode(decoder: &mut Decoder, text: &[u8]) -> RecordBuf {
    let (mut session, mut sink) = (Session::new(200, 0), RecordBuf::default());
    assert_eq!(session.receive(decoder, text, Nanos(0), &mut sink), Ok(text.len()));
    assert_eq!(session.finish(decoder, Nanos(0), &mut sink), Ok(true));
    sink
}

/// The two lines of the documentation.
const EXAMPLE: &str = concat!(
    r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}"#,
    "\n",
    r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01.5Z","qty":30}"#,
    "\n"
);

#[test]
fn the_example_becomes_four_records() {
    let records = decode(&mut decoder(&Config::default()), EXAMPLE.as_bytes());
    let records: Vec<_> = records.iter().collect();
    let event_ns = EventNanos(1_767_225_600_000_000_000);
    let [mark, define, inventory, purchase] = records[..] else { panic!("{} records", records.len()) };
    assert!(mark.get::<Mark>().is_some_and(|mark| (mark.first, mark.count) == (1, 2)));
    let text = Sku::new("A").expect("short");
    assert_eq!(define.get::<Define>(), Some(&Define { id: 0, column: Column::SKU, source: SHOP, text }));
    assert_eq!(
        inventory.get::<Inventory>(),
        Some(&Inventory {
            event_ns,
            base: Minor(10_000),
            initial: 40,
            stock: 40,
            sku: 0,
            source: SHOP,
            spare: 0,
            position: 1,
        })
    );
    assert_eq!(
        purchase.get::<Purchase>(),
        Some(&Purchase {
            event_ns: EventNanos(event_ns.0 + 1_500_000_000),
            qty: 30,
            sku: 0,
            source: SHOP,
            spare: 0,
            position: 2
        })
    );
    for record in records {
        assert_eq!((record.header().source, record.header().flags), (SHOP, 0));
    }
}

fn stocked(sku: &str) -> String {
    let ts = "2026-01-01T00:00:00Z";
    format!(
        "{{\"type\":\"inventory\",\"sku\":{sku:?},\"ts\":{ts:?},\"initial\":9,\"stock\":9,\"base\":\"1.00\"}}\n"
    )
}

fn sold(sku: &str) -> String {
    format!("{{\"type\":\"purchase\",\"sku\":{sku:?},\"ts\":\"2026-01-01T00:00:00Z\",\"qty\":1}}\n")
}

/// A machine that takes base prices of 50.00 and above, and two places.
fn screened(config: &Config) -> Decoder {
    let screen: Screen = std::sync::Arc::new(|event: &Inventory| match event.base {
        base if base < Minor(5_000) => Err((RejectReason::OUT_OF_RANGE, "nothing below 50.00")),
        _ => Ok(()),
    });
    decoder(config).screened_by(Some(screen))
}

#[test]
fn what_the_machine_would_refuse_of_a_new_article_takes_no_place() {
    let config = Config { max_skus: 2, ..Config::default() };
    let dear = |sku: &str| stocked(sku).replace("1.00", "100.00");
    let lines = [stocked("X"), stocked("Y"), dear("A"), dear("B"), stocked("A"), stocked("Z"), dear("C")];
    let mut first = screened(&config);
    let records = decode(&mut first, lines.concat().as_bytes());
    let malformed: Vec<_> = records.iter().filter_map(|record| record.get::<Malformed>().copied()).collect();
    let refused: Vec<_> = malformed.iter().map(|input| (input.position, input.reason)).collect();
    // What is wrong with a line comes before the places; a known article is the machine's to refuse.
    let (range, capacity) = (RejectReason::OUT_OF_RANGE, RejectReason::CAPACITY);
    assert_eq!(refused, [(1, range), (2, range), (6, range), (7, capacity)]);
    assert_eq!(malformed[0].text.as_str(), "nothing below 50.00: X");
    let defined: Vec<_> = records.iter().filter_map(|record| record.get::<Define>().copied()).collect();
    assert_eq!(defined.iter().map(|define| define.text.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    // The next run knows what the journal defines, and no more.
    let mut second = screened(&config);
    defined.iter().for_each(|define| second.restore(define).expect("in order"));
    let records = decode(&mut second, (stocked("X") + &dear("B") + &dear("C")).as_bytes());
    let reasons: Vec<_> =
        records.iter().filter_map(|record| record.get::<Malformed>().map(|input| input.reason)).collect();
    assert_eq!(reasons, [range, capacity]);
    assert!(records.iter().any(|record| record.get::<Inventory>().is_some_and(|event| event.sku == 1)));
}

#[test]
fn a_definition_precedes_the_first_use_only() {
    let mut decoder = decoder(&Config::default());
    let text = ["B", "A", "B", "C", "A"].map(stocked).concat();
    let records = decode(&mut decoder, text.as_bytes());
    let mut known = Vec::new();
    let mut used = Vec::new();
    for record in records.iter() {
        match EventRef::of(&record).expect("an event") {
            EventRef::Define(define) => {
                assert_eq!(usize::try_from(define.id), Ok(known.len()), "dense from 0");
                known.push(define.text.as_str().to_owned());
            }
            EventRef::Inventory(inventory) => used.push(known[inventory.sku as usize].clone()),
            _ => {}
        }
    }
    assert_eq!(known, ["B", "A", "C"]);
    assert_eq!(used, ["B", "A", "B", "C", "A"]);
}

#[test]
fn a_restored_decoder_goes_on_with_the_numbers() {
    let mut first = decoder(&Config::default());
    let records = decode(&mut first, ["B", "A"].map(stocked).concat().as_bytes());
    let mut second = decoder(&Config::default());
    for define in records.iter().filter_map(|record| record.get::<Define>().copied()) {
        assert_eq!(second.restore(&define), Ok(()));
    }
    let text = ["A", "C"].map(stocked).concat();
    assert_eq!(decode(&mut second, text.as_bytes()).cells(), decode(&mut first, text.as_bytes()).cells());
    assert_eq!(second.dictionary().name(2), Some("C"));
}

fn malformed(config: &Config, line: &str) -> (&'static str, String, u32) {
    let mut decoder = decoder(config);
    let records = decode(&mut decoder, line.as_bytes());
    assert!(decoder.dictionary().is_empty(), "a faulty line defines nothing: {line}");
    let records: Vec<_> = records.iter().collect();
    let [_, record] = records[..] else { panic!("{line}: {} records", records.len()) };
    let malformed = record.get::<Malformed>().unwrap_or_else(|| panic!("{line} is not malformed"));
    assert_eq!((malformed.position, malformed.source), (1, SHOP));
    (malformed.reason.name(), malformed.text.as_str().to_owned(), malformed.len)
}

#[test]
fn bad_values_are_malformed_and_say_why() {
    let line = |sku: &str, ts: &str, base: &str| {
        format!(r#"{{"type":"inventory","sku":"{sku}","ts":"{ts}","initial":1,"stock":1,"base":"{base}"}}"#)
    };
    let now = "2026-01-01T00:00:00Z";
    for (line, reason, text) in [
        (line("A", now, "1.234"), "malformed", "`base`: more decimals than the currency's 2: 1.234"),
        (line("A", now, "1e2"), "malformed", "`base`: not a decimal number such as 100.00: 1e2"),
        (
            line("A", now, "12345678901234567890123"),
            "out_of_range",
            "`base`: does not fit 64 bits of minor units: 12345678901234567890123",
        ),
        (line("A", now, "0.00"), "out_of_range", "`base` is not above zero"),
        (line("A", now, "-1"), "out_of_range", "`base` is not above zero"),
        (
            line("A", now, "46116860184273879.04"),
            "out_of_range",
            "`base` is too large: twice of it does not fit 64 bits of minor units",
        ),
        (
            line("A", now, "92233720368547758.08"),
            "out_of_range",
            "`base`: does not fit 64 bits of minor units: 92233720368547758.08",
        ),
        (
            line("A", "2026-02-29T00:00:00Z", "1.00"),
            "malformed",
            "`ts`: not a date and time that exists: 2026-02-29T00:00:00Z",
        ),
        (
            line("A", "yesterday", "1.00"),
            "malformed",
            "`ts`: not an RFC 3339 timestamp such as 2026-01-01T00:00:00Z: yesterday",
        ),
        (
            line("A", "9999-01-01T00:00:00Z", "1.00"),
            "out_of_range",
            "`ts`: before 1677 or after 2262: 9999-01-01T00:00:00Z",
        ),
        (line("", now, "1.00"), "malformed", "`sku` is empty or holds control characters: "),
        (line(r"a\u0000", now, "1.00"), "malformed", "`sku` is empty or holds control characters: a?"),
        (
            line(&"ä".repeat(45), now, "1.00"),
            "too_long",
            "`sku` is longer than 88 bytes: ääääääääääääääääääääääää",
        ),
    ] {
        let len = u32::try_from(line.len()).expect("short");
        assert_eq!(malformed(&Config::default(), &line), (reason, text.to_owned(), len), "{line}");
    }
}

/// Misspelt and impossible lines leave the places of a shop alone.
#[test]
fn what_is_refused_takes_no_place() {
    let numbers = |initial: i64, stock: i64| {
        let ts = "2026-01-01T00:00:00Z";
        format!(
            r#"{{"type":"inventory","sku":"A","ts":"{ts}","initial":{initial},"stock":{stock},"base":"1"}}"#
        )
    };
    for (line, reason, text) in [
        (sold("typo").trim_end().to_owned(), "unknown_key", "purchase of an article without inventory: typo"),
        (
            sold("A").trim_end().replace(":1}", ":0}"),
            "out_of_range",
            "`qty` is 0: a purchase is of at least one piece",
        ),
        (numbers(0, 0), "out_of_range", "`initial` is 0: a sale begins with at least one piece"),
        (numbers(4, -1), "out_of_range", "`stock` is -1, below 0"),
        (numbers(4, 5), "contradiction", "`stock` is above `initial`: a restock sends the new initial stock"),
    ] {
        let len = u32::try_from(line.len()).expect("short");
        assert_eq!(malformed(&Config::default(), &line), (reason, text.to_owned(), len), "{line}");
    }
    let mut decoder = decoder(&Config { max_skus: 1, ..Config::default() });
    let text = [sold("typo"), numbers(0, 0) + "\n", stocked("A"), sold("A")].concat();
    let records = decode(&mut decoder, text.as_bytes());
    assert_eq!(records.iter().filter(|record| record.get::<Malformed>().is_some()).count(), 2);
    assert_eq!(records.iter().filter(|record| record.get::<Purchase>().is_some()).count(), 1);
}

#[test]
fn an_id_stands_before_its_event() {
    let line = r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:00Z","qty":1,"id":"#;
    let text = format!("{}{line}\"o-1\"}}\n", stocked("A"));
    let records = decode(&mut decoder(&Config::default()), text.as_bytes());
    let last: Vec<_> = records.iter().skip(3).collect();
    let [id, purchase] = last[..] else { panic!("{} records", last.len()) };
    let expected = LineId { position: 2, source: SHOP, spare: [0; 6], id: Text::excerpt("o-1") };
    assert_eq!(id.get::<LineId>(), Some(&expected));
    assert!(purchase.get::<Purchase>().is_some());
    for (id, reason) in [(String::new(), "malformed"), ("i".repeat(65), "too_long")] {
        assert_eq!(malformed(&Config::default(), &format!("{line}{id:?}}}")).0, reason);
    }
}

/// RFC 8259 section 8.1: a reader may pass over a byte-order mark.
#[test]
fn a_byte_order_mark_is_passed_over() {
    let text = format!("\u{feff}{}\u{feff}\n\u{feff}{}", stocked("A"), sold("A"));
    let records = decode(&mut decoder(&Config::default()), text.as_bytes());
    assert_eq!(records.iter().filter(|record| record.get::<Malformed>().is_some()).count(), 0);
    let positions: Vec<u64> =
        records.iter().filter_map(|record| Some(record.get::<Purchase>()?.position)).collect();
    assert_eq!(positions, [3]);
}

#[test]
fn a_line_that_is_too_long_is_counted_not_kept() {
    let line = "x".repeat(1_000);
    let expected = ("too_long", "the line has 1000 bytes, more than max_line_bytes = 200".to_owned(), 1_000);
    assert_eq!(malformed(&Config::default(), &line), expected);
}

#[test]
fn the_longest_sku_is_taken() {
    let mut decoder = decoder(&Config::default());
    let sku = "ä".repeat(44);
    decode(&mut decoder, stocked(&sku).as_bytes());
    assert_eq!(decoder.dictionary().name(0), Some(&*sku));
}

#[test]
fn a_full_dictionary_refuses_new_skus_and_knows_the_old() {
    let mut decoder = decoder(&Config { max_skus: 1, ..Config::default() });
    let records = decode(&mut decoder, ["A", "B", "A"].map(stocked).concat().as_bytes());
    let found: Vec<&str> =
        records.iter().filter_map(|record| Some(record.get::<Malformed>()?.reason.name())).collect();
    assert_eq!(found, ["capacity"]);
    assert_eq!(records.iter().filter(|record| record.get::<Inventory>().is_some()).count(), 2);
}

#[test]
fn configuration_mistakes_name_the_key_and_the_mend() {
    for (config, expected) in [
        (
            Config { currency_decimals: 10, ..Config::default() },
            "currency_decimals is 10: set it to 0..=9 (2 for USD and EUR)",
        ),
        (Config { max_skus: 0, ..Config::default() }, "max_skus is 0: set it to 1..=16777216"),
        (Config { max_line_bytes: 63, ..Config::default() }, "max_line_bytes is 63: set it to 64..=1048576"),
    ] {
        assert_eq!(Decoder::new(&config, SHOP).expect_err("a mistake"), expected);
    }
    let error = serde_json::from_str::<Config>(r#"{"max_sku":1}"#).expect_err("an unknown key").to_string();
    assert!(error.contains("unknown field `max_sku`"), "{error}");
}

/// True where each line that is not blank became exactly one event.
fn one_event_for_each_line(text: &[u8]) -> bool {
    let records = decode(&mut decoder(&Config::default()), text);
    let event = |record: &RecordRef<'_>| match EventRef::of(record) {
        Some(EventRef::Inventory(_) | EventRef::Purchase(_) | EventRef::Malformed(_)) => 1,
        Some(EventRef::Mark(_) | EventRef::Define(_) | EventRef::LineId(_)) => 0,
        other => panic!("{other:?} is no record of this feed"),
    };
    let events: usize = records.iter().map(|record| event(&record)).sum();
    events == text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count()
}

quickcheck! {
    fn any_bytes_are_decoded(bytes: Vec<u8>) -> bool {
        one_event_for_each_line(&bytes)
    }

    fn a_broken_example_is_decoded(at: usize, byte: u8) -> bool {
        let mut text = EXAMPLE.as_bytes().to_vec();
        let at = at % text.len();
        text[at] = byte;
        one_event_for_each_line(&text)
    }
}
