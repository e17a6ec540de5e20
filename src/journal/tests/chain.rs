//! The hash chain: what a tailer writes, what an opening completes, and what both make of a changed journal.

use std::path::Path;

use pricewright_core::kernel::RecordRef;

use super::support::{altered, append_all, chained, copy, end_run, identity, open, small};
use crate::journal::archive::{Reason, holdings, remove_segment};
use crate::journal::{
    Chainer, Damage, Damaged, JournalConfig, JournalError, Outcome, Reader, RunIdentity, Verification,
    Writer, boot_id, chain_path, segment_indices, segment_path, verify,
};

fn open_chained(dir: &Path) -> (Writer, Chainer) {
    let (writer, _helper, _) = Writer::open(dir, &chained(), &identity()).unwrap();
    (writer, Chainer::open(dir).unwrap())
}

/// Two runs of several segments, chained while they were written.
fn two_runs() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (mut writer, mut chainer) = open_chained(dir.path());
        for part in 0..9_u64 {
            append_all(&mut writer, part * 1500..(part + 1) * 1500);
            while chainer.poll(100).unwrap().is_some() {}
        }
        end_run(&mut writer);
        writer.close().unwrap();
        chainer.catch_up().unwrap();
    }
    dir
}

fn damaged(dir: &Path) -> Damaged {
    match verify(dir).outcome {
        Outcome::Damaged(damaged) => *damaged,
        other => panic!("{other:?}"),
    }
}

fn good(dir: &Path) -> Verification {
    let found = verify(dir);
    assert!(matches!(found.outcome, Outcome::Good(_)), "{:?}", found.outcome);
    found
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap() != "lock")
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// The chain file of a closed segment, made from the segment's bytes by the words of the format's page alone. Returns the
/// last link too.
fn by_the_page(segment: &[u8], before: [u8; 32]) -> (Vec<u8>, [u8; 32]) {
    let (number, records, base, end) =
        (u64_at(segment, 48), u64_at(segment, 128) as usize, u64_at(segment, 3848), u64_at(segment, 3992));
    let mut file = Vec::new();
    file.extend(b"PWJCHAIN\x01\0\0\0\x0d\x0c\x0b\x0a");
    file.extend(&segment[144..160]);
    file.extend(number.to_le_bytes());
    file.extend(base.to_le_bytes());
    file.extend(before);
    file.extend([0; 40]);
    let check = u64::from(crate::journal::Crc32c::table().of_bytes(&file)) << 32 | 120;
    file.extend(check.to_le_bytes());
    let mut link = before;
    let mut entry = |kind: u32, offset: u64, bytes: &[u8], seq: u64, tags: &[[u8; 8]]| {
        let mut front = Vec::new();
        front.extend(kind.to_le_bytes());
        front.extend((tags.len() as u32).to_le_bytes());
        front.extend(offset.to_le_bytes());
        front.extend((bytes.len() as u64).to_le_bytes());
        front.extend(seq.to_le_bytes());
        front.extend(blake3::hash(bytes).as_bytes());
        front.extend(tags.iter().flatten());
        let input = [link.as_slice(), &number.to_le_bytes(), &front].concat();
        link = blake3::derive_key("pricewright 2026-11-21 journal chain link", &input);
        file.extend(front);
        file.extend(link);
    };
    let mut head = segment[..records].to_vec();
    head[3712..3840].fill(0);
    head[3968..4096].fill(0);
    entry(1, 0, &head, base, &[]);
    let (mut at, mut first, mut seq, mut tags) = (records, records, base, Vec::new());
    while at < end as usize {
        let len = (u64_at(segment, at) as u32 as usize).next_multiple_of(64);
        tags.push(blake3::hash(&segment[at..at + len]).as_bytes()[..8].try_into().unwrap());
        at += len;
        if at - first >= 65536 || at == end as usize {
            entry(2, first as u64, &segment[first..at], seq, &tags);
            seq += tags.len() as u64;
            first = at;
            tags.clear();
        }
    }
    entry(3, 3968, &segment[3968..4096], seq, &[]);
    (file, link)
}

#[test]
fn the_files_are_what_the_page_says() {
    let dir = two_runs();
    let id: [u8; 16] = std::fs::read(segment_path(dir.path(), 1)).unwrap()[144..160].try_into().unwrap();
    let mut link = blake3::derive_key("pricewright 2026-11-21 journal chain genesis", &id);
    let segments = segment_indices(dir.path()).unwrap();
    assert!(segments.len() >= 4, "more than one segment in a run: {segments:?}");
    for index in segments {
        let segment = std::fs::read(segment_path(dir.path(), index)).unwrap();
        assert_eq!(segment[3720..3752], link, "the chain mark of segment {index}");
        let (file, last) = by_the_page(&segment, link);
        assert!(std::fs::read(chain_path(dir.path(), index)).unwrap() == file, "segment {index}");
        link = last;
    }
    let found = good(dir.path());
    let reach = found.chain.unwrap();
    assert_eq!((reach.first_seq, reach.last_seq, reach.link), (1, found.stats.last_seq, link));
}

#[test]
fn what_a_crash_left_unchained_is_chained_at_the_next_opening() {
    let whole = tempfile::tempdir().unwrap();
    let (mut writer, mut chainer) = open_chained(whole.path());
    append_all(&mut writer, 0..3000);
    end_run(&mut writer);
    writer.close().unwrap();
    let unchained = tempfile::tempdir().unwrap();
    copy(whole.path(), unchained.path());
    chainer.catch_up().unwrap();
    let expected = files(whole.path());
    let last = segment_indices(whole.path()).unwrap().len() as u64;
    let file = std::fs::read(chain_path(whole.path(), last)).unwrap();
    // Cut within the header's 128 bytes it would not have its name yet.
    for len in (128..file.len()).step_by(97).chain([file.len() - 1]) {
        let cut = tempfile::tempdir().unwrap();
        copy(whole.path(), cut.path());
        std::fs::write(chain_path(cut.path(), last), &file[..len]).unwrap();
        std::fs::write(cut.path().join("chain-00000009.pwc.new"), b"half").unwrap();
        good(cut.path());
        Writer::open(cut.path(), &chained(), &identity()).unwrap().0.close().unwrap();
        for (name, bytes) in &expected {
            assert!(std::fs::read(cut.path().join(name)).unwrap() == *bytes, "{name}, cut to {len}");
        }
        assert!(!cut.path().join("chain-00000009.pwc.new").exists());
        good(cut.path());
    }
    // Nothing was chained at all.
    Writer::open(unchained.path(), &chained(), &identity()).unwrap().0.close().unwrap();
    for (name, bytes) in &expected {
        assert!(std::fs::read(unchained.path().join(name)).unwrap() == *bytes, "{name}");
    }
}

#[test]
fn an_altered_record_is_named_though_its_checksum_is_right() {
    let dir = two_runs();
    let last = good(dir.path()).stats.last_seq;
    for seq in [1, 2, 700, 1025, 2999, 7777, 13_500, 13_501, 13_502, last - 1, last] {
        let other = tempfile::tempdir().unwrap();
        copy(dir.path(), other.path());
        let (path, offset, kind) = altered(other.path(), seq, |record| record[40] ^= 0x10);
        let found = damaged(other.path());
        assert_eq!((found.seq, found.offset, &found.path), (seq, offset, &path));
        assert_eq!((found.damage, found.kind), (Damage::Altered, Some(kind)), "record {seq}");
    }
}

#[test]
fn the_first_of_several_is_named_whichever_check_finds_it() {
    let dir = two_runs();
    // The chain sees 900, checksums 1200.
    altered(dir.path(), 900, |record| record[40] ^= 1);
    let (path, offset, _) = altered(dir.path(), 1200, |record| record[40] ^= 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[offset as usize + 41] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let found = damaged(dir.path());
    assert_eq!((found.seq, found.damage), (900, Damage::Altered));
    // And the other way round.
    let (path, offset, _) = altered(dir.path(), 850, |record| record[40] ^= 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[offset as usize + 41] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let found = damaged(dir.path());
    assert_eq!((found.seq, found.damage), (850, Damage::Checksum));
}

#[test]
fn the_side_file_cannot_shift_the_blame() {
    let dir = two_runs();
    altered(dir.path(), 300, |record| record[40] ^= 1);
    // The tag of an earlier record in the same block is changed too.
    let path = chain_path(dir.path(), 1);
    let mut file = std::fs::read(&path).unwrap();
    let entry = 128 + 96;
    assert_eq!(u64_at(&file, entry + 24), 1, "the first block of records");
    file[entry + 64 + 8 * 10] ^= 1;
    std::fs::write(&path, &file).unwrap();
    let found = damaged(dir.path());
    assert_eq!((found.path, found.offset), (path, entry as u64));
    assert!(matches!(found.damage, Damage::ChainFile(_)), "{:?}", found.damage);
}

#[test]
fn removed_and_added_records_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut chainer) = open_chained(dir.path());
    append_all(&mut writer, 0..50);
    drop(writer);
    chainer.catch_up().unwrap();
    Writer::open(dir.path(), &chained(), &identity()).unwrap().0.close().unwrap();
    let mut reader = Reader::from_seq(dir.path(), 50).unwrap();
    reader.next_record().unwrap();
    let (at, last_now) = (reader.offset() as usize, reader.last_now());
    let mut reader = Reader::from_seq(dir.path(), 49).unwrap();
    let kind = reader.next_record().unwrap().unwrap().header().kind;
    let path = segment_path(dir.path(), 1);
    let good = std::fs::read(&path).unwrap();
    // The last record is gone, and the seal says so: a journal of its own that only the chain knows better.
    let mut cut = good[..at].to_vec();
    cut.resize(at + 64, 0);
    set_seal(&mut cut, 49, last_now.0 - 1, at as u64, kind);
    std::fs::write(&path, &cut).unwrap();
    std::fs::remove_file(segment_path(dir.path(), 2)).unwrap();
    std::fs::remove_file(chain_path(dir.path(), 2)).ok();
    let found = damaged(dir.path());
    assert_eq!((found.seq, found.offset, found.damage), (50, at as u64, Damage::ChainAhead(50)));
}

fn set_seal(segment: &mut [u8], last_seq: u64, last_now: i64, end: u64, kind: u16) {
    segment[3976..3984].copy_from_slice(&last_seq.to_le_bytes());
    segment[3984..3992].copy_from_slice(&last_now.to_le_bytes());
    segment[3992..4000].copy_from_slice(&end.to_le_bytes());
    segment[4000..4002].copy_from_slice(&kind.to_le_bytes());
    let crc = crate::journal::Crc32c::table().of_bytes(&segment[3976..4096]);
    segment[3972..3976].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn a_side_file_that_is_gone_is_missed() {
    let dir = two_runs();
    let last = segment_indices(dir.path()).unwrap().len() as u64;
    for index in [1, 2, last] {
        let other = tempfile::tempdir().unwrap();
        copy(dir.path(), other.path());
        std::fs::remove_file(chain_path(other.path(), index)).unwrap();
        let found = damaged(other.path());
        assert_eq!(
            (found.path, found.damage),
            (chain_path(other.path(), index), Damage::ChainFile("it is not there"))
        );
    }
    // Retention takes whole segments with their side files, from the front.
    for index in 1..=last - 1 {
        let first = holdings(dir.path()).unwrap().remove(0);
        assert_eq!(first.index, index);
        remove_segment(dir.path(), &first, Reason::Age, None).unwrap();
        let found = good(dir.path());
        assert_eq!(found.chain.unwrap().last_seq, found.stats.last_seq);
        assert_eq!(found.chain.unwrap().first_seq, found.stats.first_seq);
    }
}

#[test]
fn a_chain_can_be_switched_off_and_on_again() {
    let dir = tempfile::tempdir().unwrap();
    for config in [chained(), small(), small(), chained()] {
        let (mut writer, _helper, _) = Writer::open(dir.path(), &config, &identity()).unwrap();
        let mut chainer = config.chain.then(|| Chainer::open(dir.path()).unwrap());
        append_all(&mut writer, 0..100);
        end_run(&mut writer);
        writer.close().unwrap();
        if let Some(chainer) = &mut chainer {
            chainer.catch_up().unwrap();
        }
        let found = good(dir.path());
        let expected = if config.chain { found.stats.last_seq } else { 101 };
        assert_eq!(found.chain.unwrap().last_seq, expected);
    }
    let never = tempfile::tempdir().unwrap();
    let (mut writer, _helper, _) = open(never.path());
    append_all(&mut writer, 0..10);
    assert_eq!(good(never.path()).chain, None);
}

#[test]
fn an_opening_refuses_what_was_altered_while_nobody_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut chainer) = open_chained(dir.path());
    append_all(&mut writer, 0..2500);
    chainer.catch_up().unwrap();
    drop(writer);
    altered(dir.path(), 321, |record| record[50] ^= 4);
    let error = Writer::open(dir.path(), &chained(), &identity()).unwrap_err();
    let JournalError::Damaged(found) = &error else { panic!("{error}") };
    assert_eq!((found.seq, &found.damage), (321, &Damage::Altered), "{error}");
    // With repair the records stand, and what contradicts them is kept aside.
    let repairing = JournalConfig { repair: true, ..chained() };
    let (_writer, _helper, report) = Writer::open(dir.path(), &repairing, &identity()).unwrap();
    assert_eq!(report.set_aside.len(), 1);
    assert!(report.set_aside[0].to_string_lossy().ends_with("chain-00000001.pwc.damaged"));
    assert_eq!(report.last_seq, 2500);
    good(dir.path());
}

#[test]
fn chained_records_are_lost_only_where_the_machine_went_down() {
    let here = RunIdentity { boot_id: boot_id().unwrap(), ..identity() };
    for (writer_boot, refused) in [(here, true), (identity(), false)] {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, _helper, _) = Writer::open(dir.path(), &chained(), &writer_boot).unwrap();
        let mut chainer = Chainer::open(dir.path()).unwrap();
        append_all(&mut writer, 0..2000);
        chainer.catch_up().unwrap();
        drop(writer);
        // The last records never reached the disk.
        let mut reader = Reader::from_seq(dir.path(), 200).unwrap();
        reader.next_record().unwrap();
        let path = segment_path(dir.path(), 1);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[reader.offset() as usize..].fill(0);
        std::fs::write(&path, bytes).unwrap();
        for index in 2..=segment_indices(dir.path()).unwrap().len() as u64 {
            std::fs::remove_file(segment_path(dir.path(), index)).unwrap();
        }
        let found = damaged(dir.path());
        assert!(matches!(found.damage, Damage::ChainAhead(_)), "{:?}", found.damage);
        assert_eq!(found.seq, 200);
        match Writer::open(dir.path(), &chained(), &here) {
            Err(error) => assert!(refused, "{error}"),
            Ok((_, _, report)) => {
                assert!(!refused);
                assert_eq!(report.last_seq, 199);
                assert!(!report.set_aside.is_empty());
                good(dir.path());
            }
        }
    }
}

/// A run had just begun when the machine went down, and its segment never reached the disk; its side file did.
#[test]
fn a_lost_segment_is_a_loss_only_where_the_machine_went_down() {
    for (boot_id, refused) in [(identity().boot_id, true), ([9; 16], false)] {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut chainer) = open_chained(dir.path());
        append_all(&mut writer, 0..20);
        end_run(&mut writer);
        writer.close().unwrap();
        chainer.catch_up().unwrap();
        let (writer, mut chainer) = open_chained(dir.path());
        chainer.catch_up().unwrap();
        drop(writer);
        std::fs::remove_file(segment_path(dir.path(), 2)).unwrap();
        match Writer::open(dir.path(), &chained(), &RunIdentity { boot_id, ..identity() }) {
            Err(error) => assert!(refused && error.to_string().contains("its hash chain is"), "{error}"),
            Ok((_, _, report)) => {
                assert!(!refused);
                assert_eq!((report.last_seq, report.clean, report.set_aside.len()), (21, true, 1));
                good(dir.path());
            }
        }
    }
}

#[test]
fn a_tailer_that_was_left_behind_goes_on_where_it_stood() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut chainer) = open_chained(dir.path());
    append_all(&mut writer, 0..1500);
    chainer.catch_up().unwrap();
    drop(chainer);
    let mut chainer = Chainer::open(dir.path()).unwrap();
    append_all(&mut writer, 1500..3500);
    chainer.catch_up().unwrap();
    writer.close().unwrap();
    chainer.catch_up().unwrap();
    assert_eq!(good(dir.path()).chain.unwrap().last_seq, 3500);
}

/// A record's reference is enough to see that nothing in it changed.
#[test]
fn chaining_changes_no_record() {
    let (plain, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut writer, _helper, _) = open(plain.path());
    append_all(&mut writer, 0..3000);
    writer.close().unwrap();
    let (mut writer, mut chainer) = open_chained(other.path());
    for part in 0..30 {
        append_all(&mut writer, part * 100..(part + 1) * 100);
        chainer.catch_up().unwrap();
    }
    writer.close().unwrap();
    let cells = |dir: &Path| {
        let mut reader = Reader::open(dir).unwrap();
        let mut all = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            all.extend(RecordRef::cells(&record).to_vec());
        }
        all
    };
    assert!(cells(plain.path()) == cells(other.path()));
}
