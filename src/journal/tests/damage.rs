//! Whatever is changed in a journal is found, and found at the right place.

use std::path::{Path, PathBuf};

use pricewright_core::kernel::Nanos;

use super::support::{append_all, copy, end_run, open};
use crate::journal::{
    Crc32c, Damage, Damaged, JournalError, Outcome, Reader, Tail, segment_path, stats, verify,
};

/// A closed journal of two runs, and the number of its records.
fn closed(records: u64) -> (tempfile::TempDir, u64) {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (mut writer, _helper, _) = open(dir.path());
        append_all(&mut writer, 0..records);
        end_run(&mut writer);
        writer.close().unwrap();
    }
    (dir, 2 * records + 2)
}

fn damaged(dir: &Path) -> Damaged {
    match verify(dir).outcome {
        Outcome::Damaged(damaged) => *damaged,
        other => panic!("{other:?}"),
    }
}

/// Writes `bytes` at `at` and puts the record's checksum right again.
fn change_record(path: &Path, record: usize, cells: usize, at: usize, bytes: &[u8]) {
    let mut file = std::fs::read(path).unwrap();
    file[record + at..record + at + bytes.len()].copy_from_slice(bytes);
    let crc = Crc32c::table().of_bytes(&file[record + 8..record + cells * 64]);
    file[record + 4..record + 8].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(path, file).unwrap();
}

#[test]
fn a_good_journal_is_good_in_every_state() {
    let (dir, records) = closed(50);
    let verification = verify(dir.path());
    assert!(matches!(verification.outcome, Outcome::Good(Tail::Sealed)));
    assert_eq!(verification.stats, stats(dir.path()).unwrap());
    assert_eq!((verification.stats.records, verification.stats.last_seq), (records, records));
    assert_eq!(
        (verification.stats.runs, verification.stats.segments, verification.stats.first_seq),
        (2, 2, 1)
    );
    assert_eq!(verification.stats.kinds.iter().map(|kind| kind.records).sum::<u64>(), records);
    let bytes: u64 = verification.stats.kinds.iter().map(|kind| kind.bytes).sum();
    assert_eq!(bytes, verification.stats.record_bytes);
    let (mut writer, _helper, _) = open(dir.path());
    assert!(matches!(verify(dir.path()).outcome, Outcome::Good(Tail::Open)), "a live journal");
    append_all(&mut writer, 0..10_000);
    assert!(matches!(verify(dir.path()).outcome, Outcome::Good(Tail::Open)));
}

#[test]
fn the_first_bad_record_is_named() {
    let (dir, _) = closed(20);
    let path = segment_path(dir.path(), 1);
    let mut reader = Reader::from_seq(dir.path(), 8).unwrap();
    let (mut at, mut cells, mut len) = (0, 0, 0);
    // A record with padding, so that all of the checks below have something to change.
    while len % 64 == 0 {
        let record = reader.next_record().unwrap().unwrap();
        (cells, len) = (record.cells().len(), record.header().commit as u32 as usize);
        at = reader.offset() as usize;
    }
    let seq = reader.next_seq() - 1;
    let good = std::fs::read(&path).unwrap();
    let cases: [(usize, Vec<u8>, Damage); 7] = [
        (8, (seq + 1).to_le_bytes().to_vec(), Damage::Sequence(seq + 1)),
        (16, 1_i64.to_le_bytes().to_vec(), Damage::Time(Nanos(1))),
        (24, 9999_u16.to_le_bytes().to_vec(), Damage::Kind(9999)),
        (26, vec![99], Damage::Layout(u16::from_le_bytes([good[at + 24], good[at + 25]]))),
        (len, vec![1], Damage::Padding),
        (cells * 64 - 1, vec![1], Damage::Padding),
        (0, 2000_u32.to_le_bytes().to_vec(), Damage::Length),
    ];
    for (place, bytes, expected) in cases {
        change_record(&path, at, cells, place, &bytes);
        let found = damaged(dir.path());
        assert_eq!((found.damage, found.offset, found.seq), (expected, at as u64, seq));
        assert_eq!(found.path, path);
        std::fs::write(&path, &good).unwrap();
    }
}

#[test]
fn the_reader_stays_at_the_damage() {
    let (dir, _) = closed(20);
    let mut reader = Reader::from_seq(dir.path(), 5).unwrap();
    reader.next_record().unwrap();
    let at = reader.offset() as usize;
    change_record(&segment_path(dir.path(), 1), at, 1, 8, &[77]);
    let mut reader = Reader::open(dir.path()).unwrap();
    for _ in 0..4 {
        reader.next_record().unwrap().unwrap();
    }
    for _ in 0..2 {
        let error = reader.next_record().unwrap_err();
        assert!(
            matches!(&error, JournalError::Damaged(damaged) if damaged.seq == 5 && damaged.offset == at as u64)
        );
        assert!(error.to_string().contains("journal-00000001.pwj"), "{error}");
    }
}

#[test]
fn segments_must_follow_each_other() {
    let (dir, _) = closed(5);
    let other = tempfile::tempdir().unwrap();
    copy(dir.path(), other.path());
    for index in 3..=4 {
        std::fs::rename(segment_path(other.path(), index - 2), segment_path(dir.path(), index)).unwrap();
    }
    assert!(matches!(damaged(dir.path()).damage, Damage::Head(_)), "number and name differ");
    std::fs::remove_file(segment_path(dir.path(), 3)).unwrap();
    let found = damaged(dir.path());
    assert!(matches!(found.damage, Damage::Order(_)));
    assert_eq!(found.path, segment_path(dir.path(), 3));
}

#[test]
fn a_sealed_segment_that_was_cut_is_found() {
    let (dir, _) = closed(5);
    let path = segment_path(dir.path(), 2);
    let good = std::fs::read(&path).unwrap();
    for len in (0..good.len()).step_by(509).chain(good.len() - 70..good.len()) {
        std::fs::write(&path, &good[..len]).unwrap();
        assert!(!matches!(verify(dir.path()).outcome, Outcome::Good(_)), "cut to {len}");
    }
}

#[test]
fn what_cannot_be_judged() {
    let unusable = |dir: &Path| match verify(dir).outcome {
        Outcome::Unusable(error) => error,
        other => panic!("{other:?}"),
    };
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(unusable(dir.path()), JournalError::Empty { .. }));
    assert!(matches!(unusable(&dir.path().join("none")), JournalError::Io { .. }));
    std::fs::write(segment_path(dir.path(), 1), vec![b'x'; 20_000]).unwrap();
    assert!(matches!(unusable(dir.path()), JournalError::NotASegment { .. }));
    let (dir, _) = closed(1);
    let path = segment_path(dir.path(), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let error = unusable(dir.path());
    assert!(matches!(error, JournalError::UnknownVersion { found: 2, newest: 1, .. }));
    assert!(error.to_string().ends_with("use a newer build"), "{error}");
    let expected: PathBuf = path;
    assert!(error.to_string().contains(&expected.display().to_string()));
}
