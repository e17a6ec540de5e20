//! After any crash the journal goes on from its last committed record; anything worse is refused.

use std::os::unix::fs::FileExt;
use std::path::Path;

use pricewright_core::kernel::Nanos;

use super::support::{any_record, append_all, copy, end_run, identity, open, read_all, small};
use crate::journal::recovery::recover;
use crate::journal::{
    Damage, JournalConfig, JournalError, Outcome, Reader, Tail, Writer, segment_indices, segment_path, verify,
};

/// A journal as a crash leaves it: nothing sealed. Returns its records and where they end.
fn crashed(records: u64) -> (tempfile::TempDir, Vec<Vec<u8>>, u64) {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _helper, _) = open(dir.path());
    append_all(&mut writer, 0..records);
    drop(writer);
    let all = read_all(dir.path());
    let mut reader = Reader::from_seq(dir.path(), records).unwrap();
    let bytes = reader.next_record().unwrap().unwrap().cells().len() as u64 * 64;
    let end = reader.offset() + bytes;
    (dir, all, end)
}

fn patch(dir: &Path, at: u64, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(segment_path(dir, 1)).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

/// Makes the file anew: writing over one that was emptied makes some file systems write it out at once.
fn put(path: &Path, bytes: &[u8]) {
    if path.exists() {
        std::fs::remove_file(path).unwrap();
    }
    std::fs::write(path, bytes).unwrap();
}

fn repairing() -> JournalConfig {
    JournalConfig { repair: true, ..small() }
}

#[test]
fn cut_at_every_byte_a_prefix_is_recovered() {
    let (dir, all, end) = crashed(12);
    let bytes = std::fs::read(segment_path(dir.path(), 1)).unwrap();
    let records = u64::from_le_bytes(bytes[128..136].try_into().unwrap());
    let mut ends = vec![records];
    for record in &all {
        ends.push(ends[ends.len() - 1] + record.len() as u64 + 8);
    }
    let other = tempfile::tempdir().unwrap();
    let path = segment_path(other.path(), 1);
    for len in records + 64..=end + 130 {
        put(&path, &bytes[..len as usize]);
        let recovered = recover(other.path(), false).unwrap_or_else(|error| panic!("cut to {len}: {error}"));
        let whole = ends.iter().rposition(|end| *end <= len).unwrap();
        let found = recovered.report.last_seq as usize;
        assert_eq!(found, whole, "cut to {len}");
        assert_eq!(read_all(other.path()), all[..found], "cut to {len}");
        let torn = len.min(end) - ends[whole];
        assert!(recovered.report.torn_bytes <= torn, "cut to {len}");
        assert!(matches!(verify(other.path()).outcome, Outcome::Good(Tail::Sealed)), "cut to {len}");
    }
    for len in (0..records + 64).step_by(61) {
        put(&path, &bytes[..len as usize]);
        let error = recover(other.path(), false).unwrap_err();
        assert!(matches!(error, JournalError::Damaged(_)), "cut to {len}: {error}");
        let recovered = recover(other.path(), true).unwrap();
        assert_eq!((recovered.report.last_seq, recovered.report.set_aside.len()), (0, 1), "cut to {len}");
        assert_eq!(std::fs::read(&recovered.report.set_aside[0]).unwrap(), bytes[..len as usize]);
        assert!(!path.exists());
        std::fs::remove_file(&recovered.report.set_aside[0]).unwrap();
    }
}

#[test]
fn a_torn_tail_is_cut_and_reported() {
    // What a writer leaves that dies between filling a record and committing it.
    let (dir, all, end) = crashed(30);
    patch(dir.path(), end + 8, &[0xaa; 100]);
    let Outcome::Good(Tail::Torn { offset, bytes, .. }) = verify(dir.path()).outcome else { panic!() };
    assert_eq!((offset, bytes), (end, 108));
    let (mut writer, _helper, report) = open(dir.path());
    assert_eq!((report.last_seq, report.torn_bytes, report.sealed, report.clean), (30, 108, 1, false));
    assert_eq!(report.torn_at, Some((segment_path(dir.path(), 1), end)));
    assert_eq!(report.last_head.map(|head| (head.run, head.build_hash)), Some((1, identity().build_hash)));
    assert_eq!(writer.last_now(), report.last_now);
    append_all(&mut writer, 30..31);
    assert_eq!(writer.last_seq(), 31);
    assert_eq!(read_all(dir.path())[..30], all);
    assert!(matches!(verify(dir.path()).outcome, Outcome::Good(Tail::Open)));
}

#[test]
fn a_damaged_last_record_is_a_torn_tail() {
    // Commit word written, body not: what a power cut can leave.
    let (dir, all, end) = crashed(30);
    let last = end - all[29].len() as u64 - 8;
    patch(dir.path(), last + 40, &[0x5a; 3]);
    assert!(matches!(verify(dir.path()).outcome, Outcome::Damaged(damaged) if damaged.offset == last));
    let (_writer, _helper, report) = open(dir.path());
    assert_eq!((report.last_seq, report.torn_at.map(|(_, at)| at)), (29, Some(last)));
    assert_eq!(read_all(dir.path()), all[..29]);
}

#[test]
fn corruption_in_the_middle_is_refused_unless_repair_is_said() {
    let (dir, all, _) = crashed(30);
    let mut reader = Reader::from_seq(dir.path(), 17).unwrap();
    reader.next_record().unwrap();
    let at = reader.offset();
    drop(reader);
    for (place, bytes, expected) in
        [(40, [0x5a; 8], Damage::Checksum), (0, [0; 8], Damage::Missing), (0, [0xff; 8], Damage::Length)]
    {
        let other = tempfile::tempdir().unwrap();
        copy(dir.path(), other.path());
        patch(other.path(), at + place, &bytes);
        let before = std::fs::read(segment_path(other.path(), 1)).unwrap();
        let error = Writer::open(other.path(), &small(), &identity()).unwrap_err();
        let JournalError::Damaged(damaged) = &error else { panic!("{error}") };
        assert_eq!((&damaged.damage, damaged.offset, damaged.seq), (&expected, at, 17));
        assert!(error.to_string().contains("`pricewright run FILE --repair`"), "{error}");
        assert_eq!(std::fs::read(segment_path(other.path(), 1)).unwrap(), before, "nothing was touched");
        let (mut writer, _helper, report) = Writer::open(other.path(), &repairing(), &identity()).unwrap();
        assert_eq!((report.last_seq, report.set_aside.len()), (16, 1));
        assert_eq!(std::fs::read(&report.set_aside[0]).unwrap(), before, "what was given up is kept aside");
        append_all(&mut writer, 16..18);
        assert_eq!(read_all(other.path())[..16], all[..16]);
        assert!(matches!(verify(other.path()).outcome, Outcome::Good(Tail::Open)));
        assert_eq!(segment_indices(other.path()).unwrap(), [1, 2]);
    }
}

#[test]
fn repair_sets_later_segments_aside_too() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let (mut writer, _helper, _) = open(dir.path());
        append_all(&mut writer, 0..10);
        end_run(&mut writer);
        writer.close().unwrap();
    }
    // The second segment's head, so that not even its first record can be trusted.
    let file = std::fs::OpenOptions::new().write(true).open(segment_path(dir.path(), 2)).unwrap();
    file.write_all_at(&[9], 20).unwrap();
    assert!(Writer::open(dir.path(), &small(), &identity()).is_err());
    let (writer, _helper, report) = Writer::open(dir.path(), &repairing(), &identity()).unwrap();
    assert_eq!((report.last_seq, report.clean, report.set_aside.len(), writer.run()), (11, true, 2, 2));
    assert_eq!(segment_indices(dir.path()).unwrap(), [1, 2]);
    assert!(matches!(verify(dir.path()).outcome, Outcome::Good(_)));
}

#[test]
fn repair_reads_earlier_segments_too() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let (mut writer, _helper, _) = open(dir.path());
        append_all(&mut writer, 0..10);
        end_run(&mut writer);
        writer.close().unwrap();
    }
    let all = read_all(dir.path());
    let mut reader = Reader::from_seq(dir.path(), 5).unwrap();
    reader.next_record().unwrap();
    patch(dir.path(), reader.offset() + 33, &[0x77]);
    let (_writer, _helper, report) = Writer::open(dir.path(), &repairing(), &identity()).unwrap();
    assert_eq!((report.last_seq, report.clean, report.set_aside.len()), (4, false, 3));
    assert_eq!(read_all(dir.path()), all[..4]);
    assert!(matches!(verify(dir.path()).outcome, Outcome::Good(Tail::Open)));
}

#[test]
fn an_open_segment_in_the_middle_is_sealed_where_nothing_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (mut writer, _helper, _) = open(dir.path());
        append_all(&mut writer, 0..10);
        writer.close().unwrap();
    }
    let all = read_all(dir.path());
    let seal = std::fs::read(segment_path(dir.path(), 1)).unwrap()[3968..4096].to_vec();
    patch(dir.path(), 3968, &[0; 128]);
    let outcome = verify(dir.path()).outcome;
    assert!(
        matches!(&outcome, Outcome::Damaged(damaged) if damaged.damage == Damage::NotSealed),
        "{outcome:?}"
    );
    let report = recover(dir.path(), false).unwrap().report;
    assert_eq!((report.last_seq, report.sealed, report.torn_bytes), (20, 1, 0));
    assert_eq!(read_all(dir.path()), all);
    // With a record missing at its end it does not meet the next one.
    let mut reader = Reader::from_seq(dir.path(), 10).unwrap();
    let len = reader.next_record().unwrap().unwrap().cells().len() * 64;
    let at = reader.offset();
    patch(dir.path(), at, &vec![0; len]);
    patch(dir.path(), 3968, &vec![0; seal.len()]);
    let error = recover(dir.path(), false).unwrap_err();
    assert!(
        matches!(&error, JournalError::Damaged(damaged) if matches!(damaged.damage, Damage::Order(_))),
        "{error}"
    );
}

#[test]
fn a_crash_while_recovering_changes_nothing() {
    let (dir, all, end) = crashed(20);
    patch(dir.path(), end + 8, &[1; 90]);
    recover(dir.path(), false).unwrap();
    let first = std::fs::read(segment_path(dir.path(), 1)).unwrap();
    // Sealed, but not yet cut.
    let file = std::fs::OpenOptions::new().write(true).open(segment_path(dir.path(), 1)).unwrap();
    file.set_len(1 << 20).unwrap();
    assert!(matches!(verify(dir.path()).outcome, Outcome::Good(Tail::Sealed)));
    let again = recover(dir.path(), false).unwrap();
    assert_eq!((again.report.last_seq, again.report.torn_bytes, again.report.sealed), (20, 0, 0));
    assert_eq!(std::fs::read(segment_path(dir.path(), 1)).unwrap(), first);
    assert_eq!(read_all(dir.path()), all);
}

#[test]
fn a_segment_left_unfinished_is_removed() {
    let (dir, _, _) = crashed(3);
    let unfinished = dir.path().join("journal-00000002.pwj.new");
    std::fs::write(&unfinished, b"half").unwrap();
    let foreign = dir.path().join("journal-notes.txt");
    std::fs::write(&foreign, b"mine").unwrap();
    open(dir.path());
    assert!(!unfinished.exists());
    assert!(foreign.exists(), "only our own files are touched");
}

#[test]
fn crashes_again_and_again_keep_the_sequence() {
    let dir = tempfile::tempdir().unwrap();
    let mut appended = 0;
    for run in 0..8_u64 {
        let (mut writer, mut helper, report) = open(dir.path());
        assert_eq!((report.last_seq, report.runs), (appended, run));
        append_all(&mut writer, 0..run * 1500);
        if run % 2 == 0 {
            helper.poll();
        }
        appended += run * 1500;
        drop((writer, helper));
    }
    let all = read_all(dir.path());
    assert_eq!(all.len() as u64, appended);
}

#[test]
fn stamps_go_on_behind_the_last_one() {
    let (dir, _, _) = crashed(5);
    let (mut writer, _helper, report) = open(dir.path());
    let buffer = any_record(1);
    let error = writer.append(buffer.iter().next().unwrap(), Nanos(report.last_now.0 - 1), 0).unwrap_err();
    assert!(matches!(error, JournalError::TimeWentBack { .. }));
    assert!(writer.append(buffer.iter().next().unwrap(), report.last_now, 0).is_ok());
}

/// A loss of power may leave the newest file with its length and nothing in it. To move it out of the directory would help
/// nobody: what it held is missed all the same.
#[test]
fn a_newest_segment_of_zeros_has_one_advice_and_a_repair_goes_on() {
    for len in [0, 7, 100, 4096, 1 << 20] {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let (mut writer, _helper, _) = open(dir.path());
            append_all(&mut writer, 0..3);
            end_run(&mut writer);
            writer.close().unwrap();
        }
        put(&segment_path(dir.path(), 2), &vec![0; len]);
        let refused = Writer::open(dir.path(), &small(), &identity()).unwrap_err();
        assert!(matches!(refused, JournalError::Damaged(_)), "{len}: {refused}");
        let help = refused.help().unwrap();
        assert!(help.contains("--repair"), "{len}: {help}");
        match verify(dir.path()).outcome {
            Outcome::Damaged(damaged) => {
                assert_eq!(JournalError::Damaged(damaged).help(), Some(help), "{len}")
            }
            other => panic!("{len}: {other:?}"),
        }
        let (.., report) = Writer::open(dir.path(), &repairing(), &identity()).unwrap();
        assert_eq!((report.last_seq, report.set_aside.len()), (4, 1), "{len}");
    }
}
