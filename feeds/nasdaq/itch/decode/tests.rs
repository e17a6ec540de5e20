use quickcheck::quickcheck;
use zerocopy::IntoBytes;
use zerocopy::big_endian::{U32, U64};

use super::super::{AddOrder, END_OF_FILE, Header, OrderDelete, TYPES, append_file_frame};
use super::*;
use crate::nasdaq::Symbol;

/// An Add Order written out by hand from the specification: order 12345 of stock 7, 09:30:00.000000001, buy 100 AAPL at
/// 150.0100.
const ADD_ORDER: [u8; 36] = [
    b'A', 0, 7, 0, 2, 0x1f, 0x1a, 0xce, 0xd9, 0xf0, 0x01, 0, 0, 0, 0, 0, 0, 0x30, 0x39, b'B', 0, 0, 0, 100,
    b'A', b'A', b'P', b'L', b' ', b' ', b' ', b' ', 0, 0x16, 0xe3, 0xc4,
];

fn add_order() -> AddOrder {
    AddOrder {
        header: Header::of::<AddOrder>(7, 2, 34_200_000_000_001),
        order: U64::new(12_345),
        side: b'B',
        shares: U32::new(100),
        stock: Symbol::new("AAPL").unwrap(),
        price: U32::new(1_500_100),
    }
}

#[test]
fn an_add_order_reads_as_the_specification_says() {
    let Ok(Message::AddOrder(add)) = decode(&ADD_ORDER) else { panic!("not an add order") };
    assert_eq!(*add, add_order());
    assert_eq!(add.stock.as_str(), "AAPL");
}

#[test]
fn an_add_order_is_written_as_the_specification_says() {
    assert_eq!(add_order().as_bytes(), ADD_ORDER);
}

#[test]
fn what_is_no_message_is_named() {
    assert_eq!(decode(&[]), Err(DecodeError::Empty));
    assert_eq!(decode(b"Z123"), Err(DecodeError::UnknownType(b'Z')));
    let short = DecodeError::Length { message_type: b'A', expected: 36, found: 35 };
    assert_eq!(decode(&ADD_ORDER[..35]), Err(short));
    let mut long = ADD_ORDER.to_vec();
    long.push(0);
    assert_eq!(decode(&long), Err(DecodeError::Length { message_type: b'A', expected: 36, found: 37 }));
}

quickcheck! {
    fn every_message_of_the_right_size_is_read_and_keeps_its_bytes(which: usize, fill: Vec<u8>) -> bool {
        let letter = TYPES[which % TYPES.len()];
        let size = size_of_type(letter).unwrap();
        let mut bytes: Vec<u8> = fill.iter().copied().cycle().take(if fill.is_empty() { 0 } else { size }).collect();
        bytes.resize(size, 0x5a);
        bytes[0] = letter;
        decode(&bytes).is_ok_and(|message| {
            message.as_bytes() == bytes && message.header().message_type == letter
        })
    }

    fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) -> bool {
        match decode(&bytes) {
            Ok(message) => message.as_bytes() == bytes,
            Err(DecodeError::Empty) => bytes.is_empty(),
            Err(DecodeError::UnknownType(letter)) => size_of_type(letter).is_none(),
            Err(DecodeError::Length { expected, found, .. }) => found == bytes.len() && expected != found,
        }
    }

    fn any_file_is_read_to_its_end_or_to_an_error_inside_it(bytes: Vec<u8>) -> bool {
        FileReader::new(&bytes).all(|item| item.map_or_else(|error| error.offset, |(offset, _)| offset) < bytes.len())
    }
}

fn file() -> Vec<u8> {
    let mut file = Vec::new();
    assert!(append_file_frame(&ADD_ORDER, &mut file));
    let delete = OrderDelete { header: Header::of::<OrderDelete>(7, 2, 5), order: U64::new(12_345) };
    assert!(append_file_frame(delete.as_bytes(), &mut file));
    file
}

#[test]
fn a_file_gives_its_messages_with_their_offsets() {
    let mut file = file();
    file.extend_from_slice(&END_OF_FILE);
    let found: Vec<(usize, u8)> = FileReader::new(&file)
        .map(|item| item.map(|(offset, message)| (offset, message.header().message_type)).unwrap())
        .collect();
    assert_eq!(found, [(0, b'A'), (38, b'D')]);
}

#[test]
fn zero_length_bytes_are_sized_by_type() {
    let mut file = file();
    file[0..2].fill(0);
    file[38..40].fill(0);
    assert_eq!(FileReader::new(&file).map(|item| item.unwrap().0).collect::<Vec<_>>(), [0, 38]);
}

#[test]
fn an_error_names_its_offset_and_ends_the_file() {
    let mut file = file();
    file[38..40].fill(0);
    file[40] = b'Z';
    let mut reader = FileReader::new(&file);
    assert!(reader.next().unwrap().is_ok());
    let error = reader.next().unwrap().unwrap_err();
    // Without a length nobody knows where the next one begins.
    assert_eq!(error, FileError { offset: 38, fault: FileFault::Message(DecodeError::UnknownType(b'Z')) });
    assert_eq!(error.to_string(), "ITCH file, byte 38: message type 0x5a is not in ITCH 5.0");
    assert_eq!(reader.next(), None);
}

#[test]
fn messages_of_unknown_types_and_sizes_are_passed_over_and_counted() {
    let mut bytes = vec![0, 3, b'Z', 1, 2];
    bytes.extend_from_slice(&file());
    bytes.extend_from_slice(&[0, 2, b'D', 0]);
    bytes.extend_from_slice(&file());
    bytes.extend_from_slice(&END_OF_FILE);
    let mut reader = FileReader::new(&bytes);
    let letters: Vec<u8> = reader.by_ref().map(|item| item.unwrap().1.header().message_type).collect();
    assert_eq!(letters, *b"ADAD");
    let passed = reader.passed_over();
    assert_eq!((passed.count, passed.first), (2, Some((0, DecodeError::UnknownType(b'Z')))));
    assert_eq!(
        passed.to_string(),
        "2 messages were passed over, the first at byte 0: message type 0x5a is not in ITCH 5.0"
    );
}

#[test]
fn what_begins_with_nothing_known_is_no_file_of_itch() {
    let bytes = [0, 1, b'Z'].repeat(100);
    let error = FileReader::new(&bytes).next().unwrap().unwrap_err();
    assert_eq!(error, FileError { offset: 48, fault: FileFault::Message(DecodeError::UnknownType(b'Z')) });
}

#[test]
fn a_file_cut_anywhere_gives_a_prefix_or_says_so() {
    let file = file();
    for cut in 0..file.len() {
        let items: Vec<_> = FileReader::new(&file[..cut]).collect();
        let whole = items.iter().filter(|item| item.is_ok()).count();
        assert_eq!(whole, usize::from(cut >= 38), "cut at {cut}");
        let error = items.last().and_then(|item| item.as_ref().err());
        assert_eq!(error.is_some(), cut != 0 && cut != 38, "cut at {cut}");
    }
}

/// The counts are those of the data set's own README (12,012 messages, length bytes zero).
#[test]
#[ignore = "needs the data set itch50_ritch: set PRICEWRIGHT_DATA"]
#[expect(clippy::disallowed_methods, reason = "where the data set lies is said by the environment")]
fn the_sample_of_ritch_holds_what_its_readme_says() {
    let root = std::env::var("PRICEWRIGHT_DATA").expect("PRICEWRIGHT_DATA is set");
    let bytes = std::fs::read(format!("{root}/itch50_ritch/ex20101224.TEST_ITCH_50")).unwrap();
    let mut counts = std::collections::BTreeMap::<char, usize>::new();
    for item in FileReader::new(&bytes) {
        let (_, message) = item.unwrap();
        *counts.entry(char::from(message.header().message_type)).or_default() += 1;
    }
    let expected = [
        ('S', 6),
        ('R', 3),
        ('H', 3),
        ('A', 4997),
        ('F', 3),
        ('E', 198),
        ('X', 45),
        ('D', 1745),
        ('U', 12),
        ('P', 5000),
    ];
    assert_eq!(counts, expected.into_iter().collect());
    assert_eq!(counts.values().sum::<usize>(), 12_012);
}
