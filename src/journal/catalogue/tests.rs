use super::*;

#[test]
fn own_catalogue_reads_back_as_the_table() {
    let catalogue = Catalogue::parse(&Catalogue::own_text()).unwrap();
    assert_eq!(catalogue.kinds().len(), SCHEMAS.len());
    for schema in SCHEMAS {
        let kind = catalogue.kind(schema.kind).unwrap();
        assert_eq!(
            (kind.name.as_str(), kind.version, kind.class),
            (schema.name, schema.version, schema.class)
        );
        assert_eq!(kind.len, HEADER_LEN + schema.size);
        assert_eq!(kind.fields.len(), schema.fields.len());
        for (read, field) in kind.fields.iter().zip(schema.fields) {
            assert_eq!((read.name.as_str(), read.ty, read.unit.as_str()), (field.name, field.ty, field.unit));
            assert_eq!((read.offset, read.size), (field.offset, field.size));
            let codes: Vec<_> =
                field.codes.iter().map(|(code, name)| (u64::from(*code), (*name).to_owned())).collect();
            assert_eq!(read.codes, codes);
        }
    }
}

#[test]
fn a_line_by_hand() {
    let catalogue =
        Catalogue::parse("7 2 event Fill 48 px:i64:0:8:ticks side:u8:8:1:=1/buy,2/sell spare:bytes:9:7:\n");
    let catalogue = catalogue.unwrap();
    let kind = catalogue.named("Fill").unwrap();
    assert_eq!((kind.kind, kind.version, kind.class, kind.len), (7, 2, Class::Event, 48));
    assert_eq!(kind.fields[0].unit, "ticks");
    assert_eq!(kind.fields[1].codes, [(1, "buy".to_owned()), (2, "sell".to_owned())]);
    assert!(kind.fields[2].is_spare());
    let header = RecordHeader { kind: 7, version: 2, ..RecordHeader::default() };
    assert_eq!(catalogue.fit(&header, 48), Fit::Good);
    assert_eq!(catalogue.fit(&header, 40), Fit::OtherLayout);
    assert_eq!(catalogue.fit(&RecordHeader { kind: 8, ..header }, 48), Fit::UnknownKind);
}

#[test]
fn what_it_refuses() {
    for (text, expected) in [
        ("x 1 event A 32", "x is not a number"),
        ("1 1 thing A 32", "class thing is not known"),
        ("1 1 event A", "length is missing"),
        ("1 1 event A 16", "length 16 is impossible"),
        ("1 1 event A 2000", "length 2000 is impossible"),
        ("1 1 event A 40 f:u64:4:8:", "runs past the payload"),
        ("1 1 event A 40 f:u64:18446744073709551615:8:", "runs past the payload"),
        ("1 1 event A 40 f:u64:0:4:", "not its type's width"),
        ("1 1 event A 40 f:u65:0:8:", "type u65 is not known"),
        ("1 1 event A 40 f:u64:0", "too few parts"),
        ("1 1 event A 40 f:u64:0:8:=5", "code 5 has no name"),
        ("1 1 event A 32\n1 2 event B 32", "line 2: kind 1 stands there twice"),
    ] {
        let error = Catalogue::parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
