use std::os::unix::fs::FileExt;

use super::*;

/// The file's layout by hand, with a checksum from another place: the bit-by-bit CRC-32C of RFC 3720.
fn slot_by_hand(generation: u64, seq: u64) -> Vec<u8> {
    let mut body = b"PWDURABL".to_vec();
    body.extend(generation.to_le_bytes());
    body.extend(seq.to_le_bytes());
    body.extend([0; 32]);
    let crc = !body.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 & 0u32.wrapping_sub(crc & 1)))
    });
    let mut slot = (u64::from(crc) << 32 | 64).to_le_bytes().to_vec();
    slot.extend(body);
    slot
}

#[test]
fn the_layout_is_the_documented_one() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read(dir.path()).unwrap(), None);
    let mut mark = MarkFile::create(dir.path(), 7).unwrap();
    mark.write(900).unwrap();
    mark.sync().unwrap();
    let bytes = std::fs::read(dir.path().join("durable")).unwrap();
    assert_eq!(bytes.len(), 8192);
    assert_eq!(bytes[..64], slot_by_hand(2, 7));
    assert_eq!(bytes[4096..4160], slot_by_hand(3, 900));
    assert!(bytes[64..4096].iter().chain(&bytes[4160..]).all(|byte| *byte == 0));
    assert_eq!(read(dir.path()).unwrap(), Some(900));
}

#[test]
fn a_torn_slot_leaves_the_one_before_and_two_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    let mut mark = MarkFile::create(dir.path(), 1).unwrap();
    mark.write(2).unwrap();
    for bit in 0..64 * 8 {
        let path = dir.path().join("durable");
        let whole = std::fs::read(&path).unwrap();
        let mut torn = whole.clone();
        torn[4096 + bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Some(1), "bit {bit}");
        torn[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &torn).unwrap();
        assert!(matches!(read(dir.path()), Err(JournalError::Damaged(_))), "bit {bit}");
        std::fs::write(&path, &whole).unwrap();
    }
    assert_eq!(read(dir.path()).unwrap(), Some(2));
}

#[test]
fn a_new_start_may_go_back_and_later_generations_win() {
    let dir = tempfile::tempdir().unwrap();
    let mut mark = MarkFile::create(dir.path(), 50).unwrap();
    mark.write(60).unwrap();
    drop(mark);
    let mut mark = MarkFile::create(dir.path(), 20).unwrap();
    assert_eq!(read(dir.path()).unwrap(), Some(20));
    mark.write(21).unwrap();
    assert_eq!(read(dir.path()).unwrap(), Some(21));
    // What an older generation says is old, whatever it says.
    let file = std::fs::OpenOptions::new().write(true).open(dir.path().join("durable")).unwrap();
    file.write_all_at(&slot_by_hand(1, u64::MAX), 4096).unwrap();
    assert_eq!(read(dir.path()).unwrap(), Some(21));
}
