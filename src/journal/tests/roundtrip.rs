//! What goes in comes out, across segments, runs, threads.

use pricewright_core::kernel::table::EventRef;
use pricewright_core::kernel::{Nanos, RecordRef, SourceId, flags};
use quickcheck::{TestResult, quickcheck};
use zerocopy::IntoBytes;

use super::support::{any_record, append_all, end_run, identity, open, read_all, run_end, small, stamped};
use crate::journal::{JournalError, Reader, Writer, is_locked, lock, segment_indices, segment_path};

quickcheck! {
    fn journal_is_a_vector_of_records(seeds: Vec<u64>, polled: bool, repeat: u16) -> TestResult {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut helper, report) = open(dir.path());
        assert_eq!((report.last_seq, report.clean, report.runs), (0, true, 0));
        let mut expected = Vec::new();
        // Repeated, so that some of the journals fill several segments.
        for (number, seed) in seeds.iter().cycle().take(seeds.len() * usize::from(repeat % 512)).enumerate() {
            let buffer = any_record(*seed);
            let record = buffer.iter().next().unwrap();
            let now = number as i64 * 3;
            let seq = writer.append_flagged(record, Nanos(now), *seed as u16, flags::NOT_SENT).unwrap();
            assert_eq!(seq, number as u64 + 1);
            let place = writer.last_record().unwrap();
            assert!(place.same_content(&record));
            expected.push(stamped(record, seq, now, *seed as u16, flags::NOT_SENT));
            if polled && number % 64 == 0 {
                while helper.poll() > 0 {}
            }
        }
        assert!(helper.take_error().is_none());
        if polled {
            assert_eq!(writer.stalls(), 0);
        }
        let live = read_all(dir.path());
        writer.close().unwrap();
        drop(helper);
        let sealed = read_all(dir.path());
        TestResult::from_bool(live == expected && sealed == expected)
    }
}

#[test]
fn runs_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    for run in 1..=4_u64 {
        let (mut writer, helper, report) = open(dir.path());
        assert_eq!(writer.run(), run);
        assert_eq!((report.runs, report.last_run, report.clean), (run - 1, run - 1, true));
        assert_eq!(report.last_seq, (run - 1) * 11);
        append_all(&mut writer, 0..10);
        end_run(&mut writer);
        writer.close().unwrap();
        drop(helper);
    }
    assert_eq!(read_all(dir.path()).len(), 44);
    assert_eq!(segment_indices(dir.path()).unwrap(), [1, 2, 3, 4]);
    assert!(
        std::fs::metadata(segment_path(dir.path(), 1)).unwrap().len() < 64 << 10,
        "the unused tail is cut off"
    );
}

#[test]
fn a_segment_made_ahead_is_removed_at_close_and_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    for crash in [false, true] {
        let (mut writer, mut helper, _) = open(dir.path());
        let before = segment_indices(dir.path()).unwrap().len();
        append_all(&mut writer, 0..5000);
        while helper.poll() > 0 {}
        assert_eq!(segment_indices(dir.path()).unwrap().len(), before + 1, "half of the segment is full");
        if crash {
            drop(writer);
        } else {
            writer.close().unwrap();
            assert_eq!(helper.poll(), 0);
            assert_eq!(segment_indices(dir.path()).unwrap().len(), before);
        }
    }
    let (writer, _helper, report) = open(dir.path());
    assert_eq!((report.last_seq, report.clean, report.torn_bytes, report.sealed), (10_000, false, 0, 1));
    assert_eq!(segment_indices(dir.path()).unwrap(), [1, 2, 3]);
    drop(writer);
    assert_eq!(read_all(dir.path()).len(), 10_000);
}

#[test]
fn tail_from_another_thread_sees_each_record_once() {
    const RECORDS: u64 = 40_000;
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut helper, _) = open(dir.path());
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let tail = scope.spawn(|| {
            let mut reader = Reader::open(dir.path()).unwrap();
            let mut seen = 0;
            let mut segments = std::collections::BTreeSet::new();
            while seen < RECORDS {
                match reader.next_record().unwrap() {
                    None => std::thread::yield_now(),
                    Some(record) => {
                        let buffer = any_record(seen);
                        assert!(record.same_content(&buffer.iter().next().unwrap()));
                        seen += 1;
                        assert_eq!(record.header().seq, seen);
                        segments.insert(reader.path().to_path_buf());
                    }
                }
            }
            assert!(reader.next_record().unwrap().is_none());
            segments.len()
        });
        let helping = scope.spawn(|| {
            // Acquire is not needed: the flag publishes nothing.
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                if helper.poll() == 0 {
                    std::thread::yield_now();
                }
            }
            helper.take_error()
        });
        append_all(&mut writer, 0..RECORDS);
        writer.close().unwrap();
        assert!(tail.join().unwrap() > 3);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(helping.join().unwrap().is_none());
    });
}

#[test]
fn a_tail_goes_on_into_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, helper, _) = open(dir.path());
    append_all(&mut writer, 0..5);
    let mut reader = Reader::from_end(dir.path()).unwrap();
    assert_eq!(reader.next_seq(), 6);
    drop((writer, helper));
    assert!(reader.next_record().unwrap().is_none());
    let (mut writer, _helper, _) = open(dir.path());
    assert!(reader.next_record().unwrap().is_none());
    append_all(&mut writer, 5..6);
    assert_eq!(reader.next_record().unwrap().map(|record| record.header().seq), Some(6));
    assert_eq!(reader.head().run, 2);
}

#[test]
fn from_seq_finds_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _helper, _) = open(dir.path());
    append_all(&mut writer, 0..12_000);
    assert_eq!(writer.stalls(), 1, "no helper was polled, so the writer made the second segment itself");
    for seq in [1, 2, 4711, 11_999, 12_000] {
        let mut reader = Reader::from_seq(dir.path(), seq).unwrap();
        assert_eq!(reader.next_record().unwrap().map(|record| record.header().seq), Some(seq));
    }
    assert!(Reader::from_seq(dir.path(), 12_001).unwrap().next_record().unwrap().is_none());
    for seq in [0, 12_002] {
        let error = Reader::from_seq(dir.path(), seq).unwrap_err();
        let JournalError::NoSuchRecord { first, last, .. } = error else { panic!("{error}") };
        assert!(last == 12_000 && first >= 1);
    }
}

#[test]
fn the_machine_reads_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _helper, _) = open(dir.path());
    assert!(writer.last_record().is_none());
    writer.append_record(&run_end(), SourceId(9), 0, Nanos(5), 0).unwrap();
    let place = writer.last_record().unwrap();
    assert_eq!(place.get(), Some(&run_end()));
    assert!(EventRef::of(&place).is_none());
    assert_eq!((place.header().seq, place.header().now, place.header().source), (1, Nanos(5), SourceId(9)));
    append_all(&mut writer, 0..12_000);
    assert_eq!(writer.last_record().map(|record| record.header().seq), Some(12_001));
}

#[test]
fn what_the_writer_refuses_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _helper, _) = open(dir.path());
    let buffer = any_record(3);
    let record = buffer.iter().next().unwrap();
    writer.append(record, Nanos(10), 0).unwrap();
    let error = writer.append(record, Nanos(9), 0).unwrap_err();
    assert!(matches!(error, JournalError::TimeWentBack { now: Nanos(9), last: Nanos(10) }));
    let mut cells = record.cells().to_vec();
    cells[0].0[26] = 200;
    let other = RecordRef::first_of(&cells).unwrap();
    let error = writer.append(other, Nanos(10), 0).unwrap_err();
    assert!(matches!(error, JournalError::NotInCatalogue { version: 200, .. }));
    assert_eq!(writer.append(record, Nanos(10), 0).unwrap(), 2);
    assert_eq!(read_all(dir.path()).len(), 2);
}

#[test]
fn rubbish_in_the_padding_does_not_reach_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _helper, _) = open(dir.path());
    for seed in 0..200 {
        let buffer = any_record(seed);
        let record = buffer.iter().next().unwrap();
        let mut cells = record.cells().to_vec();
        cells.as_mut_bytes()[record.payload().len() + 32..].fill(0xff);
        writer.append(RecordRef::first_of(&cells).unwrap(), Nanos(1), 0).unwrap();
    }
    let expected: Vec<_> =
        (0..200).map(|seed| stamped(any_record(seed).iter().next().unwrap(), seed + 1, 1, 0, 0)).collect();
    assert_eq!(read_all(dir.path()), expected);
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = Writer::open(dir.path(), &small(), &identity()).unwrap_err();
    assert!(matches!(error, JournalError::Locked { .. }));
    assert!(error.to_string().contains("stop that process"), "{error}");
    drop(first);
    open(dir.path());
}

/// The directory is locked, and nobody can take that away; one of the same name in another place is another journal.
#[test]
fn a_lock_file_that_is_removed_lets_nobody_else_in() {
    let home = tempfile::tempdir().unwrap();
    let (dir, moved) = (home.path().join("j"), home.path().join("moved"));
    let first = open(&dir);
    let is_refused = |dir: &std::path::Path| {
        let refused = lock(dir).map(|_| ());
        assert!(matches!(refused, Err(JournalError::Locked { .. })), "{refused:?}");
        assert!(is_locked(dir) && !dir.join("lock").exists());
    };
    std::fs::remove_file(dir.join("lock")).unwrap();
    is_refused(&dir);
    std::fs::rename(&dir, &moved).unwrap();
    is_refused(&moved);
    drop(open(&dir));
    assert!(!is_locked(&dir));
    drop(first);
    assert!(!is_locked(&moved));
    open(&moved);
}
