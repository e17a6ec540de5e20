//! Archives read as the journals that they were made of; what is wrong with one is found and named.

use std::path::Path;

use zerocopy::IntoBytes as _;

use super::fixture::{expected, fixture};
use super::support::{append_all, copy, end_run, identity, open, read_all, small};
use crate::journal::archive::{Archived, Originals, archive, holdings, removed};
use crate::journal::{
    Damage, JournalError, Outcome, Reader, Tail, Writer, compressed_path, segment_indices, segment_path,
    stats, to_json, verify,
};

const KEEP: Originals = Originals::Keep;

fn run(dir: &Path, to: &Path, originals: Originals) -> Result<Archived, JournalError> {
    archive(dir, to, originals, &mut |_, _| ())
}

/// A closed journal of three runs in at least six segments, with files beside them.
fn journal(dir: &Path) {
    for seed in 0..3 {
        let (mut writer, mut helper, _) = open(dir);
        for part in 0..20 {
            append_all(&mut writer, part * 500 + seed..part * 500 + 500 + seed);
            helper.poll();
        }
        end_run(&mut writer);
        writer.close().unwrap();
        std::fs::write(dir.join(format!("trace-{}.pwt", seed + 1)), vec![seed as u8; 1000]).unwrap();
    }
    assert!(segment_indices(dir).unwrap().len() >= 6);
}

fn assert_reads_as(archive: &Path, journal: &Path) {
    assert_eq!(read_all(archive), read_all(journal));
    let (ours, theirs) = (stats(archive).unwrap(), stats(journal).unwrap());
    assert_eq!((ours.records, ours.segments, ours.runs), (theirs.records, theirs.segments, theirs.runs));
    assert_eq!(ours.kinds, theirs.kinds);
    assert!(matches!(verify(archive).outcome, Outcome::Good(Tail::Sealed)));
    for seq in [1, 2, ours.records / 2, ours.records] {
        let mut reader = Reader::from_seq(archive, seq).unwrap();
        assert_eq!(reader.next_record().unwrap().unwrap().header().seq, seq);
    }
    assert!(Reader::from_end(archive).unwrap().next_record().unwrap().is_none());
}

#[test]
fn an_archive_reads_as_its_journal() {
    let place = tempfile::tempdir().unwrap();
    let (dir, to) = (place.path().join("journal"), place.path().join("archive"));
    journal(&dir);
    let done = run(&dir, &to, KEEP).unwrap();
    let segments = segment_indices(&dir).unwrap();
    assert_eq!(done.segments.len(), segments.len());
    assert_eq!(done.side_files.len(), 3);
    assert!(segments.iter().all(|index| !segment_path(&to, *index).exists()));
    assert_reads_as(&to, &dir);
    let archived = stats(&to).unwrap();
    assert_eq!((archived.compressed, stats(&dir).unwrap().compressed), (archived.segments, 0));
    assert_eq!(archived.file_bytes, done.packed_bytes);
    // The frame holds the segment byte for byte.
    for index in segments {
        let packed = std::fs::read(compressed_path(&to, index)).unwrap();
        assert_eq!(
            zstd::decode_all(packed.as_slice()).unwrap(),
            std::fs::read(segment_path(&dir, index)).unwrap()
        );
    }
    // Again: there is nothing to do.
    let again = run(&dir, &to, KEEP).unwrap();
    assert_eq!(
        (again.segments.len(), again.already, again.side_files.len()),
        (0, done.segments.len() as u64, 0)
    );
}

#[test]
fn the_fixture_reads_the_same_from_an_archive() {
    let place = tempfile::tempdir().unwrap();
    run(&fixture(), place.path(), KEEP).unwrap();
    let mut reader = Reader::open(place.path()).unwrap();
    for expected in expected() {
        assert!(reader.next_record().unwrap().is_some());
        let shown = to_json(&reader.last_record().unwrap(), reader.catalogue());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), expected);
        assert!(reader.path().to_str().unwrap().ends_with(".pwj.zst"));
    }
    // Whatever the archive is made of, plain or compressed, its own archive is the same.
    let second = tempfile::tempdir().unwrap();
    run(place.path(), second.path(), KEEP).unwrap();
    assert_eq!(read_all(second.path()), read_all(&fixture()));
}

#[test]
fn an_archive_grows_with_its_journal() {
    let place = tempfile::tempdir().unwrap();
    let (dir, to) = (place.path().join("journal"), place.path().join("archive"));
    journal(&dir);
    let first = run(&dir, &to, KEEP).unwrap();
    let (mut writer, mut helper, _) = open(&dir);
    for part in 0..20 {
        append_all(&mut writer, part * 500..part * 500 + 500);
        helper.poll();
    }
    // While it is written, what is sealed is archived, and a trace that has grown is brought up to date.
    let trace = dir.join("trace-3.pwt");
    std::fs::write(&trace, [vec![2; 1000], vec![9; 80]].concat()).unwrap();
    let live = run(&dir, &to, KEEP).unwrap();
    assert_eq!(live.already, first.segments.len() as u64);
    let last = live.segments.last().unwrap().last_seq;
    assert!(last < writer.last_seq());
    assert_eq!(std::fs::read(to.join("trace-3.pwt")).unwrap(), std::fs::read(&trace).unwrap());
    assert_eq!(read_all(&to), read_all(&dir)[..last as usize]);
    writer.close().unwrap();
    run(&dir, &to, KEEP).unwrap();
    assert_reads_as(&to, &dir);
}

#[test]
fn compressed_where_it_lies_a_journal_is_written_on() {
    let place = tempfile::tempdir().unwrap();
    let (dir, before) = (place.path().join("journal"), place.path().join("before"));
    journal(&dir);
    copy(&dir, &before);
    let done = run(&dir, &dir, KEEP).unwrap();
    let newest = *segment_indices(&dir).unwrap().last().unwrap();
    assert_eq!(done.segments.len() as u64, newest - 1);
    for index in 1..newest {
        assert!(compressed_path(&dir, index).exists() && !segment_path(&dir, index).exists());
    }
    assert!(segment_path(&dir, newest).exists());
    assert_reads_as(&dir, &before);
    let records = stats(&dir).unwrap().records;
    let (mut writer, _helper, report) = open(&dir);
    assert_eq!((report.last_seq, report.runs, report.clean), (records, 3, true));
    append_all(&mut writer, 0..10);
    assert!(matches!(run(&dir, &dir, KEEP), Err(JournalError::Locked { .. })));
    writer.close().unwrap();
    assert_eq!(stats(&dir).unwrap().records, records + 10);
    assert!(matches!(verify(&dir).outcome, Outcome::Good(Tail::Sealed)));
}

#[test]
fn an_archive_is_not_written_on() {
    let place = tempfile::tempdir().unwrap();
    run(&fixture(), place.path(), KEEP).unwrap();
    let error = Writer::open(place.path(), &small(), &identity()).unwrap_err();
    assert!(
        matches!(&error, JournalError::Archive { path } if *path == compressed_path(place.path(), 3)),
        "{error}"
    );
    assert!(error.to_string().contains("zstd -d"), "{error}");
    assert_eq!(read_all(place.path()), read_all(&fixture()));
}

/// A journal that has ended moves but for its newest segment, at whose end the next run begins.
#[test]
fn an_ended_journal_moves_and_can_be_written_on() {
    let place = tempfile::tempdir().unwrap();
    let (dir, before, to) =
        (place.path().join("journal"), place.path().join("before"), place.path().join("archive"));
    journal(&dir);
    std::fs::write(dir.join("snapshot-000000000001.pws"), "a snapshot").unwrap();
    copy(&dir, &before);
    let sealed = holdings(&dir).unwrap();
    let newest = sealed.last().unwrap().clone();
    // Nothing covers it: nothing goes.
    let done = run(&dir, &to, Originals::Remove { covered: None }).unwrap();
    assert_eq!((done.removed, done.needed, done.newest_stays), (0, sealed.len() as u64 - 1, true));
    let done = run(&dir, &to, Originals::Remove { covered: Some(newest.last_seq) }).unwrap();
    assert_eq!((done.removed, done.needed, done.newest_stays), (sealed.len() as u64 - 1, 0, true));
    assert_eq!(segment_indices(&dir).unwrap(), [newest.index]);
    assert!(dir.join("snapshot-000000000001.pws").exists(), "what a restart begins with stays");
    assert_reads_as(&to, &before);
    let removed = removed(&dir).unwrap();
    assert_eq!(removed.len() as u64, done.removed);
    assert!(removed.iter().all(|entry| entry.archive.as_deref() == Some(&to)));
    let (writer, _helper, report) = open(&dir);
    assert_eq!(report.last_seq, newest.last_seq);
    writer.close().unwrap();
    // What is not here is named.
    let found = verify(&dir);
    assert!(matches!(found.outcome, Outcome::Good(_)), "{:?}", found.outcome);
    let missing = found.missing.unwrap();
    assert_eq!((missing.last_seq, missing.removed), (newest.first_seq - 1, removed));
}

#[test]
fn what_a_restart_needs_is_not_moved() {
    let place = tempfile::tempdir().unwrap();
    let (dir, to) = (place.path().join("journal"), place.path().join("archive"));
    journal(&dir);
    let (mut writer, _helper, _) = open(&dir);
    append_all(&mut writer, 0..10);
    drop(writer);
    let sealed = holdings(&dir).unwrap();
    let done = run(&dir, &to, Originals::Remove { covered: None }).unwrap();
    assert_eq!((done.removed, done.needed), (0, sealed.len() as u64));
    // A snapshot inside the third segment covers the first two.
    let covered = Some(sealed[2].last_seq - 1);
    let done = run(&dir, &to, Originals::Remove { covered }).unwrap();
    assert_eq!((done.removed, done.needed, done.already), (2, sealed.len() as u64 - 2, sealed.len() as u64));
    assert_eq!(segment_indices(&dir).unwrap()[0], 3);
    assert_eq!(stats(&dir).unwrap().first_seq, sealed[2].first_seq);
    let (writer, _helper, report) = open(&dir);
    assert_eq!(report.last_seq, sealed.last().unwrap().last_seq + 10);
    writer.close().unwrap();
}

#[test]
fn a_damaged_segment_is_not_archived() {
    let place = tempfile::tempdir().unwrap();
    let (dir, to) = (place.path().join("journal"), place.path().join("archive"));
    journal(&dir);
    let path = segment_path(&dir, 2);
    let good = std::fs::read(&path).unwrap();
    for at in [good.len() / 2, good.len() - 1, 100, 4200] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, bad).unwrap();
        match run(&dir, &to, Originals::Remove { covered: Some(u64::MAX) }) {
            Err(JournalError::Damaged(damaged)) => assert_eq!(damaged.path, path, "byte {at}"),
            other => panic!("byte {at}: {other:?}"),
        }
        assert!(path.exists() && segment_path(&dir, 1).exists());
    }
    std::fs::write(&path, good).unwrap();
    assert!(run(&dir, &to, KEEP).is_ok());
    let left = std::fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!left.into_iter().any(|name| name.ends_with(".new")));
}

#[test]
fn an_archive_takes_one_journal_without_holes() {
    let place = tempfile::tempdir().unwrap();
    let (dir, other, to) =
        (place.path().join("journal"), place.path().join("other"), place.path().join("archive"));
    journal(&dir);
    journal(&other);
    run(&dir, &to, KEEP).unwrap();
    let refused = |from: &Path, to: &Path, words: &str| match run(from, to, KEEP) {
        Err(JournalError::Refused(text)) => assert!(text.contains(words), "{text}"),
        other => panic!("{words}: {other:?}"),
    };
    refused(&other, &to, "another journal");
    let holes = place.path().join("holes");
    copy(&dir, &holes);
    let begun = place.path().join("begun");
    std::fs::create_dir(&begun).unwrap();
    std::fs::copy(compressed_path(&to, 1), compressed_path(&begun, 1)).unwrap();
    for index in 1..=2 {
        std::fs::remove_file(segment_path(&holes, index)).unwrap();
    }
    refused(&holes, &begun, "are missing");
    let (writer, _helper, _) = open(&other);
    refused(&dir, &fixture_copy(place.path()), "another journal");
    drop(writer);
    assert!(matches!(run(&place.path().join("none"), &to, KEEP), Err(JournalError::Io { .. })));
    let empty = place.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(matches!(run(&empty, &to, KEEP), Err(JournalError::Empty { .. })));
}

fn fixture_copy(place: &Path) -> std::path::PathBuf {
    let dir = place.join("fixture");
    copy(&fixture(), &dir);
    dir
}

/// A bit of each byte of a compressed segment, and every bit of the frame's ends: it is refused and named, or the frame's
/// content is what it was.
#[test]
fn every_flipped_bit_of_a_compressed_segment_is_found_or_harmless() {
    let place = tempfile::tempdir().unwrap();
    run(&fixture(), place.path(), KEEP).unwrap();
    let path = compressed_path(place.path(), 2);
    let good = std::fs::read(&path).unwrap();
    let records = read_all(&fixture());
    let (mut tried, mut harmless) = (0, 0);
    for at in 0..good.len() {
        let is_end = at < 32 || at + 8 >= good.len();
        for bit in (0..8).filter(|bit| is_end || at % 8 == *bit) {
            tried += 1;
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            std::fs::write(&path, &bad).unwrap();
            match verify(place.path()).outcome {
                Outcome::Damaged(damaged) => assert_eq!(damaged.path, path, "bit {bit} of byte {at}"),
                Outcome::Good(_) => {
                    assert_eq!(read_all(place.path()), records, "bit {bit} of byte {at}");
                    harmless += 1;
                }
                Outcome::Unusable(error) => panic!("bit {bit} of byte {at}: {error}"),
            }
        }
    }
    assert!(harmless * 100 < tried, "{harmless} of {tried} bits change nothing");
    for len in (0..good.len()).step_by(7) {
        std::fs::write(&path, &good[..len]).unwrap();
        assert!(matches!(verify(place.path()).outcome, Outcome::Damaged(_)), "cut to {len}");
    }
    for more in [&[0][..], good.as_slice()] {
        std::fs::write(&path, [good.as_slice(), more].concat()).unwrap();
        match verify(place.path()).outcome {
            Outcome::Damaged(damaged) => assert!(matches!(damaged.damage, Damage::Compressed(_))),
            other => panic!("{other:?}"),
        }
    }
}

/// Frames that are sound, with a content that no archive has.
#[test]
fn a_frame_with_another_content_is_refused() {
    let place = tempfile::tempdir().unwrap();
    run(&fixture(), place.path(), KEEP).unwrap();
    let path = compressed_path(place.path(), 2);
    let good = std::fs::read(segment_path(&fixture(), 2)).unwrap();
    let packed = |content: &[u8], with_size: bool, with_sum: bool| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(with_sum).unwrap();
        encoder.include_contentsize(with_size).unwrap();
        if with_size {
            encoder.set_pledged_src_size(Some(content.len() as u64)).unwrap();
        }
        std::io::Write::write_all(&mut encoder, content).unwrap();
        encoder.finish().unwrap()
    };
    let (longer, third) =
        ([good.as_slice(), &[0; 64]].concat(), std::fs::read(segment_path(&fixture(), 3)).unwrap());
    let cases = [
        packed(&good, false, true),
        packed(&good, true, false),
        packed(&good[..good.len() - 64], true, true),
        packed(&longer, true, true),
        packed(&third, true, true),
        packed(&[], true, true),
        packed(&good[..5000], true, true),
        b"not a frame".to_vec(),
        Vec::new(),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        std::fs::write(&path, case).unwrap();
        match verify(place.path()).outcome {
            Outcome::Damaged(damaged) => assert_eq!(damaged.path, path, "case {number}"),
            other => panic!("case {number}: {other:?}"),
        }
        let mut reader = Reader::open(place.path()).unwrap();
        let error = loop {
            match reader.next_record() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("case {number}: an end"),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("journal-00000002.pwj.zst"), "{error}");
    }
    std::fs::write(&path, packed(&good, true, true)).unwrap();
    assert!(matches!(verify(place.path()).outcome, Outcome::Good(Tail::Sealed)));
}

/// With `repair`, a compressed segment that cannot be unpacked is set aside whole, with what follows it.
#[test]
fn repair_sets_a_broken_compressed_segment_aside() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("journal");
    journal(&dir);
    run(&dir, &dir, KEEP).unwrap();
    let path = compressed_path(&dir, 4);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let kept = holdings(&dir).unwrap()[2].last_seq;
    let config = crate::journal::JournalConfig { repair: true, ..small() };
    let (writer, _helper, report) = Writer::open(&dir, &config, &identity()).unwrap();
    assert_eq!(report.last_seq, kept);
    assert!(
        report.set_aside.iter().any(|aside| aside.to_str().unwrap().contains("00000004.pwj.zst.damaged"))
    );
    writer.close().unwrap();
    assert!(matches!(verify(&dir).outcome, Outcome::Good(_)));
}

/// Plain and compressed side by side, as a crash between the two steps of compressing in place leaves them.
#[test]
fn where_both_are_there_the_plain_one_counts() {
    let place = tempfile::tempdir().unwrap();
    let (dir, to) = (fixture_copy(place.path()), place.path().join("archive"));
    run(&dir, &to, KEEP).unwrap();
    std::fs::copy(compressed_path(&to, 1), compressed_path(&dir, 1)).unwrap();
    std::fs::write(compressed_path(&dir, 2), b"nonsense").unwrap();
    assert_eq!(segment_indices(&dir).unwrap(), [1, 2, 3]);
    assert_eq!(read_all(&dir), read_all(&fixture()));
    assert_eq!(stats(&dir).unwrap().compressed, 0);
    // Compressing goes on where it stopped.
    run(&dir, &dir, KEEP).unwrap();
    assert_eq!(stats(&dir).unwrap().compressed, 2);
    assert_eq!(read_all(&dir), read_all(&fixture()));
    assert!(!std::fs::read(compressed_path(&dir, 2)).unwrap().as_bytes().starts_with(b"nonsense"));
}
