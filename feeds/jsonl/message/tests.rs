use quickcheck::quickcheck;

use super::*;

fn message_of(line: &str) -> Result<Message<'_>, Fault> {
    parse(line.as_bytes()).map(|input| input.message)
}

fn fault(line: &str) -> (&'static str, String) {
    let fault = parse(line.as_bytes()).expect_err(line);
    (fault.reason.name(), fault.text.as_str().to_owned())
}

#[test]
fn reads_both_types_in_any_order_of_fields() {
    let line = r#"{"type":"inventory","sku":"A","ts":"t","initial":40,"stock":10,"base":"100.00"}"#;
    let inventory =
        Message::Inventory { sku: "A".into(), ts: "t".into(), initial: 40, stock: 10, base: "100.00".into() };
    assert_eq!(message_of(line), Ok(inventory.clone()));
    let line = r#" { "base" : "100.00", "stock":10,"initial":40, "qty":null, "ts":"t","sku":"\u0041","type":"inventory" } "#;
    assert_eq!(message_of(line), Ok(inventory));
    let line = r#"{"type":"purchase","sku":"Größe \"4\"","ts":"t","qty":-9223372036854775808}"#;
    let purchase = Message::Purchase { sku: "Größe \"4\"".into(), ts: "t".into(), qty: i64::MIN };
    assert_eq!(message_of(line), Ok(purchase));
}

#[test]
fn an_id_belongs_to_either_type() {
    for (line, id) in [
        (r#"{"type":"purchase","sku":"A","ts":"t","qty":1,"id":"o-1"}"#, Some("o-1")),
        (r#"{"id":"","type":"inventory","sku":"A","ts":"t","initial":1,"stock":1,"base":"1"}"#, Some("")),
        (r#"{"type":"purchase","sku":"A","ts":"t","qty":1,"id":null}"#, None),
    ] {
        assert_eq!(parse(line.as_bytes()).expect(line).id.as_deref(), id, "{line}");
    }
}

#[test]
fn text_of_another_encoding_is_named() {
    let fault = parse(&[0xff, 0xfe, b'{', 0]).expect_err("UTF-16");
    assert_eq!(fault.text.as_str(), "the line is UTF-16: send UTF-8");
}

#[test]
fn strings_without_escapes_are_borrowed() {
    let message = message_of(r#"{"type":"purchase","sku":"A","ts":"t","qty":1}"#);
    let Ok(Message::Purchase { sku: Cow::Borrowed(sku), ts: Cow::Borrowed(_), .. }) = message else {
        panic!("{message:?} owns its strings");
    };
    assert_eq!(sku, "A");
}

#[test]
fn every_fault_says_what_is_wrong() {
    for (line, reason, text) in [
        ("hello", "malformed", "expected value at column 1: hello"),
        ("{", "malformed", "EOF while parsing an object at column 1: {"),
        ("{} x", "malformed", "trailing characters at column 4: {} x"),
        ("[1]", "malformed", "the line is no JSON object but an array"),
        (
            r#"["inventory","A","t",40,10,"1.00",null]"#,
            "malformed",
            "the line is no JSON object but an array",
        ),
        ("7", "malformed", "the line is no JSON object but a number"),
        (r#" "x""#, "malformed", "the line is no JSON object but a string"),
        ("true", "malformed", "the line is no JSON object but true or false"),
        ("null", "malformed", "the line is no JSON object but null"),
        ("[1", "malformed", "EOF while parsing a list at column 2: [1"),
        (
            r#"{"type":"purchase","sku":"A","ts":"t","qty":12345678901234567890123}"#,
            "out_of_range",
            "`qty` does not fit 64 bits",
        ),
        (
            r#"{"type":"purchase","sku":"A","ts":"t","qty":-12345678901234567890123}"#,
            "out_of_range",
            "`qty` does not fit 64 bits",
        ),
        (r#"{"type":"purchase","sku":"A","ts":"t","qty":1,"id":7}"#, "malformed", "`id` is not a string"),
        ("{}", "missing_field", "`type` is missing"),
        (r#"{"type":3}"#, "malformed", "`type` is not a string"),
        (r#"{"type":"refund"}"#, "unknown_type", "`type` is neither `inventory` nor `purchase` but `refund`"),
        (
            r#"{"type":"refund","amount":3}"#,
            "unknown_type",
            "`type` is neither `inventory` nor `purchase` but `refund`",
        ),
        (r#"{"type":"purchase","ts":"t","qty":1}"#, "missing_field", "`sku` is missing"),
        (r#"{"type":"purchase","sku":null,"ts":"t","qty":1}"#, "missing_field", "`sku` is missing"),
        (r#"{"type":"purchase","sku":7,"ts":"t","qty":1}"#, "malformed", "`sku` is not a string"),
        (r#"{"type":"purchase","sku":"A","qty":1}"#, "missing_field", "`ts` is missing"),
        (r#"{"type":"purchase","sku":"A","ts":{"a":[1]},"qty":1}"#, "malformed", "`ts` is not a string"),
        (r#"{"type":"purchase","sku":"A","ts":"t"}"#, "missing_field", "`qty` is missing"),
        (
            r#"{"type":"purchase","sku":"A","ts":"t","qty":1.5}"#,
            "malformed",
            "`qty` has a fraction or an exponent: write a whole number of pieces",
        ),
        (
            r#"{"type":"purchase","sku":"A","ts":"t","qty":-0}"#,
            "malformed",
            "`qty` is a negative zero: write a whole number of pieces",
        ),
        (
            r#"{"type":"purchase","sku":"A","ts":"t","qty":-0.5}"#,
            "malformed",
            "`qty` has a fraction or an exponent: write a whole number of pieces",
        ),
        (
            r#"{"type":"purchase","sku":"A","ts":"t","qty":"1"}"#,
            "malformed",
            "`qty` is a string: write a whole number of pieces, without quotes",
        ),
        (
            r#"{"type":"purchase","sku":"A","ts":"t","qty":true}"#,
            "malformed",
            "`qty` is not a whole number of pieces",
        ),
        (
            r#"{"type":"purchase","sku":"A","ts":"t","qty":9223372036854775808}"#,
            "out_of_range",
            "`qty` does not fit 64 bits",
        ),
        (
            r#"{"type":"purchase","sku":"A","ts":"t","qty":1,"base":"1.00"}"#,
            "malformed",
            "`base` does not belong to `purchase`",
        ),
        (
            r#"{"type":"inventory","sku":"A","ts":"t","initial":1,"stock":1,"base":"1","qty":1}"#,
            "malformed",
            "`qty` does not belong to `inventory`",
        ),
        (
            r#"{"type":"inventory","sku":"A","ts":"t","initial":1,"stock":1,"base":1.25}"#,
            "malformed",
            "`base` is a JSON number: write money as a string such as \"100.00\"",
        ),
        (
            r#"{"type":"inventory","sku":"A","ts":"t","initial":1,"stock":1,"base":[]}"#,
            "malformed",
            "`base` is not a string",
        ),
        (
            r#"{"type":"inventory","sku":"A","ts":"t","initial":1,"stock":1}"#,
            "missing_field",
            "`base` is missing",
        ),
    ] {
        assert_eq!(fault(line), (reason, text.to_owned()), "{line}");
    }
}

#[test]
fn faults_of_the_parser_name_the_field_and_are_cut() {
    let (reason, text) = fault(r#"{"type":"purchase","sku":"A","ts":"t","quantity":1}"#);
    assert_eq!(reason, "malformed");
    assert!(text.starts_with("unknown field `quantity`, expected one of"), "{text}");
    let (_, text) = fault(r#"{"type":"purchase","sku":"A","sku":"B","ts":"t","qty":1}"#);
    assert!(text.starts_with("duplicate field `sku` at column"), "{text}");
    let (_, text) = fault(&format!("{}1", "[".repeat(1_000)));
    assert!(text.len() <= 80, "{text}");
}

#[test]
fn excerpts_end_at_a_character_and_show_no_control_characters() {
    let fault = Fault::new(RejectReason::MALFORMED, format_args!("a\0b{}", "ä".repeat(100)));
    assert_eq!(fault.text.as_str(), format!("a?b{}", "ä".repeat(38)));
}

#[test]
fn bytes_that_are_no_text_are_malformed() {
    let fault = parse(b"{\"type\":\"\xff\"}").expect_err("not UTF-8");
    assert_eq!(fault.reason, RejectReason::MALFORMED);
    assert!(fault.text.as_str().starts_with("invalid unicode code point"), "{}", fault.text);
}

quickcheck! {
    fn any_bytes_are_read_or_refused_with_words(bytes: Vec<u8>) -> bool {
        parse(&bytes).err().is_none_or(|fault| !fault.text.as_str().is_empty())
    }

    fn a_broken_line_is_read_or_refused_with_words(at: usize, byte: u8, cut: usize) -> bool {
        let mut line = br#"{"type":"inventory","sku":"A\n","ts":"t","initial":40,"stock":10,"base":"100.00"}"#.to_vec();
        let at = at % line.len();
        line[at] = byte;
        line.truncate(line.len() - cut % 3);
        parse(&line).err().is_none_or(|fault| !fault.text.as_str().is_empty())
    }
}
