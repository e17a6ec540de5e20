use super::*;
use crate::nasdaq::glimpse::snapshot_end;

/// Nasdaq GLIMPSE 5.0, Snapshot message: `G` at offset 0, 20 digits at offset 1.
#[test]
fn the_last_message_is_21_bytes_and_names_the_sequence() {
    let bytes = b"G          1234567890";
    let SnapshotMessage::End(end) = decode(bytes).unwrap() else { panic!("not the end") };
    assert_eq!(end.next(), Some(1_234_567_890));
    assert_eq!(&snapshot_end(1_234_567_890), bytes);
    assert_eq!(&snapshot_end(u64::MAX), b"G18446744073709551615");
}

#[test]
fn digits_may_be_padded_either_way_and_nothing_else_is_a_number() {
    let next = |field: &[u8; 20]| SnapshotEnd { message_type: b'G', sequence: *field }.next();
    assert_eq!(next(b"00000000000000000042"), Some(42));
    assert_eq!(next(b"42                  "), Some(42));
    assert_eq!(next(b"                   0"), None, "no ITCH message has number 0");
    assert_eq!(next(b"                    "), None);
    assert_eq!(next(b"99999999999999999999"), None, "more than 64 bits");
    assert_eq!(next(b"          12345x7890"), None);
}

#[test]
fn other_sizes_and_letters_are_errors_and_any_bytes_are_taken() {
    assert_eq!(decode(b""), Err(DecodeError::Empty));
    assert!(matches!(decode(b"G123"), Err(DecodeError::Length { expected: 21, found: 4, .. })));
    assert!(matches!(decode(b"~"), Err(DecodeError::UnknownType(b'~'))));
    for letter in 0..=u8::MAX {
        for len in 0..60 {
            let mut bytes = vec![0xff; len];
            bytes.insert(0, letter);
            let _any = decode(&bytes);
        }
    }
}
