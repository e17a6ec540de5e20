//! A small journal with all its side files, cut at every byte and with every bit flipped: everything is found, and nothing
//! is misread on the way.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use pricewright_core::kernel::record::CELL_LEN;
use zerocopy::{FromBytes, IntoBytes};

use super::support::{chained, copy, end_run, identity, open, record_of};
use crate::journal::archive::{Reason, holdings, remove_segment};
use crate::journal::chain::{Mend, settle};
use crate::journal::head::SegmentHead;
use crate::journal::recovery::recover;
use crate::journal::{
    Chainer, Crc32c, Damage, JournalError, Outcome, Reader, SigningKey, Writer, chain_path, make_key_pair,
    seal, segment_indices, segment_path, verify,
};
use pricewright_core::kernel::table::SCHEMAS;
use pricewright_core::kernel::{Nanos, RecordRef};

/// A directory in RAM where there is one: these tests write files by the ten thousand.
fn ram() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Two sealed segments of two runs, whose catalogues hold only the kinds that they use, so that few bits are left out of
/// records, heads and side files.
fn tiny() -> tempfile::TempDir {
    let dir = ram();
    for run in 0..2 {
        let (mut writer, _helper, _) = open(dir.path());
        for seed in run * 7..run * 7 + 7 {
            let buffer =
                record_of(SCHEMAS.iter().filter(|schema| schema.size <= 96).nth(seed).unwrap(), seed as u64);
            let now = Nanos(writer.last_now().0 + 1);
            let record = RecordRef::first_of(buffer.cells()).unwrap();
            writer.append(record, now, 0).unwrap();
        }
        end_run(&mut writer);
        writer.close().unwrap();
    }
    for index in segment_indices(dir.path()).unwrap() {
        shrink(&segment_path(dir.path(), index));
    }
    std::fs::remove_file(dir.path().join("lock")).unwrap();
    Chainer::open(dir.path()).unwrap().catch_up().unwrap();
    dir
}

/// Makes a segment anew with the lines of its catalogue that its records need.
fn shrink(path: &Path) {
    let old = std::fs::read(path).unwrap();
    let (mut head, _) = SegmentHead::read_from_prefix(&old).unwrap();
    let records = &old[head.records_offset as usize..old.len() - CELL_LEN];
    let text = std::str::from_utf8(&old[4096..4096 + head.catalogue_len as usize]).unwrap();
    let mut used = Vec::new();
    let mut at = 0;
    while at < records.len() {
        used.push(u16::from_le_bytes([records[at + 24], records[at + 25]]).to_string());
        let len = u32::from_le_bytes(records[at..at + 4].try_into().unwrap()) as usize;
        at += len.next_multiple_of(CELL_LEN);
    }
    let lines = text.lines().filter(|line| used.iter().any(|kind| line.starts_with(&format!("{kind} "))));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    head.catalogue_len = text.len() as u32;
    head.catalogue_crc = Crc32c::table().of_bytes(text.as_bytes());
    head.records_offset = 8192;
    let mut new = head.to_bytes().as_bytes().to_vec();
    new[3840..4096].copy_from_slice(&old[3840..4096]);
    let end = 8192 + records.len() as u64;
    new[3992..4000].copy_from_slice(&end.to_le_bytes());
    let crc = Crc32c::table().of_bytes(&new[3976..4096]);
    new[3972..3976].copy_from_slice(&crc.to_le_bytes());
    new.extend(text.as_bytes());
    new.resize(8192, 0);
    new.extend(records);
    new.resize(new.len() + CELL_LEN, 0);
    std::fs::write(path, new).unwrap();
}

/// What a reader gives out before it stops, for whatever reason.
fn readable(dir: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let Ok(mut reader) = Reader::open(dir) else { return all };
    while let Ok(Some(record)) = reader.next_record() {
        all.push(record.cells().as_bytes().to_vec());
    }
    all
}

fn is_good(dir: &Path) -> bool {
    matches!(verify(dir).outcome, Outcome::Good(_))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Flips the bits that `wanted` chooses (file, byte, bit, whether the byte is zero) and returns how many there were.
fn flip(dir: &Path, wanted: impl Fn(usize, usize, u8, bool) -> bool) -> u64 {
    let original = readable(dir);
    assert_eq!(original.len(), 16);
    assert!(is_good(dir));
    let mut flipped = 0;
    for (number, path) in files(dir).iter().enumerate() {
        let good = std::fs::read(path).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        for (at, byte) in good.iter().enumerate() {
            for bit in (0..8).filter(|bit| wanted(number, at, *bit, *byte == 0)) {
                file.write_all_at(&[byte ^ 1 << bit], at as u64).unwrap();
                let place = format!("bit {bit} of byte {at} of {}", path.display());
                assert!(!is_good(dir), "{place} is not found");
                assert!(original.starts_with(&readable(dir)), "{place} is misread");
                flipped += 1;
            }
            file.write_all_at(&[*byte], at as u64).unwrap();
        }
    }
    assert!(is_good(dir), "all is as it was");
    flipped
}

/// Everything that is not zero, and of the zeros, which one comparison or one checksum covers as a whole, a bit in each
/// 31st byte, another one in each file.
#[test]
fn every_flipped_bit_is_found_and_none_is_misread() {
    let dir = tiny();
    let flipped = flip(dir.path(), |file, at, bit, zero| {
        let sampled = at % 31 == file % 31 && usize::from(bit) == at / 31 % 8;
        if zero { sampled } else { true }
    });
    assert!(flipped > 20_000, "{flipped} bits were flipped");
}

#[test]
#[ignore = "all 151,552 bits: cargo test -p pricewright --lib every_bit_of_all -- --ignored; takes one to two minutes"]
fn every_bit_of_all_files_is_found() {
    let dir = tiny();
    let bytes: u64 = files(dir.path()).iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
    assert_eq!(flip(dir.path(), |_, _, _, _| true), bytes * 8);
}

/// Side files of a seal are covered bit by bit in `seal`; here it is seen that a flipped record fails a sealed journal too.
#[test]
fn a_sealed_small_journal_is_good_and_its_flipped_record_is_named() {
    let dir = tiny();
    let keys = ram();
    make_key_pair(&keys.path().join("key")).unwrap();
    let key = SigningKey::read(&keys.path().join("key")).unwrap();
    seal(dir.path(), &key, "2026-11-21T12:00:00Z".parse().unwrap()).unwrap();
    assert!(is_good(dir.path()));
    let mut reader = Reader::from_seq(dir.path(), 12).unwrap();
    reader.next_record().unwrap();
    let at = reader.offset();
    let file = std::fs::OpenOptions::new().write(true).open(reader.path()).unwrap();
    file.write_all_at(&[0xff], at + 33).unwrap();
    let Outcome::Damaged(damaged) = verify(dir.path()).outcome else { panic!() };
    assert_eq!((damaged.seq, damaged.offset), (12, at));
}

/// Each file of the journal cut at each byte: readers give out a prefix; an opening brings back a prefix or refuses and
/// says why; `verify` sees every cut, but for those of a side file that a crash could have left so.
#[test]
fn cut_at_every_byte_it_is_a_prefix_or_refused() {
    let dir = tiny();
    let original = readable(dir.path());
    let other = ram();
    for path in files(dir.path()) {
        let good = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap();
        for len in 0..good.len() {
            reset(dir.path(), other.path());
            std::fs::write(other.path().join(name), &good[..len]).unwrap();
            let place = format!("{} cut to {len}", path.display());
            let read = readable(other.path());
            assert!(original.starts_with(&read), "{place} is misread");
            let segment = name.to_string_lossy().starts_with("journal");
            let last_chain = path == chain_path(dir.path(), 2);
            assert!(!is_good(other.path()) || (last_chain && len >= 128), "{place} is not found");
            match opened(other.path()) {
                Ok(()) => {
                    assert!(original.starts_with(&readable(other.path())), "{place}: not a prefix");
                    // Of closed side files an opening looks at the last one; the others are for `verify`.
                    let looked_at = path != chain_path(dir.path(), 1);
                    assert_eq!(is_good(other.path()), looked_at, "{place}: after it was opened");
                    assert!(!segment, "a sealed segment was cut, and {place} was taken for whole");
                }
                Err(JournalError::Damaged(damaged)) => assert!(!damaged.to_string().is_empty()),
                Err(JournalError::NotASegment { .. }) => assert!(len < 8, "{place}"),
                Err(error) => panic!("{place}: {error}"),
            }
        }
    }
}

fn reset(from: &Path, to: &Path) {
    for path in files(to) {
        std::fs::remove_file(path).unwrap();
    }
    copy(from, to);
}

/// What an opening does before it begins a segment.
fn opened(dir: &Path) -> Result<(), JournalError> {
    recover(dir, false)?;
    settle(dir, true, Mend::Refuse, None).map(drop)
}

/// A crashed journal: its last segment is open and its chain lags. Cut anywhere behind the catalogue, what is left whole is
/// recovered, or the chain knows of more and the opening is refused.
#[test]
fn a_crashed_journal_cut_at_every_byte_of_its_records() {
    let dir = ram();
    let (mut writer, _helper, _) = Writer::open(dir.path(), &chained(), &identity()).unwrap();
    super::support::append_all(&mut writer, 0..14);
    drop(writer);
    std::fs::remove_file(dir.path().join("lock")).unwrap();
    let original = readable(dir.path());
    let end = {
        let mut reader = Reader::open(dir.path()).unwrap();
        while reader.next_record().unwrap().is_some() {}
        reader.offset() as usize + original.last().unwrap().len()
    };
    let bytes = std::fs::read(segment_path(dir.path(), 1)).unwrap();
    let records = u64::from_le_bytes(bytes[128..136].try_into().unwrap()) as usize;
    let other = ram();
    for len in records + CELL_LEN..end + 2 * CELL_LEN {
        reset(dir.path(), other.path());
        std::fs::write(segment_path(other.path(), 1), &bytes[..len]).unwrap();
        assert!(original.starts_with(&readable(other.path())), "cut to {len}");
        opened(other.path()).unwrap_or_else(|error| panic!("cut to {len}: {error}"));
        let left = readable(other.path());
        assert!(original.starts_with(&left), "cut to {len}");
        let whole: usize = records + left.iter().map(Vec::len).sum::<usize>();
        let next = original.get(left.len()).map_or(usize::MAX, |record| whole + record.len());
        assert!(whole <= len && len < next, "cut to {len}: {} records", left.len());
        assert!(is_good(other.path()), "cut to {len}");
    }
}

#[test]
fn heads_swapped_between_segments_are_found() {
    let dir = tiny();
    let (first, second) = (segment_path(dir.path(), 1), segment_path(dir.path(), 2));
    let (a, b) = (std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
    for (from, to) in [(0, 4096), (0, 3712), (3712, 3840), (3840, 3968), (3968, 4096), (0, 8192)] {
        let mut mixed = a.clone();
        mixed[from..to].copy_from_slice(&b[from..to]);
        std::fs::write(&first, &mixed).unwrap();
        assert!(!is_good(dir.path()), "bytes {from} to {to} of segment 2 in segment 1");
        let left = readable(dir.path());
        std::fs::write(&first, &a).unwrap();
        assert!(readable(dir.path()).starts_with(&left), "misread with bytes {from} to {to}");
    }
    // Whole files under each other's names.
    std::fs::write(&first, &b).unwrap();
    std::fs::write(&second, &a).unwrap();
    assert!(!is_good(dir.path()));
    assert!(readable(dir.path()).is_empty());
}

#[test]
fn a_segment_that_is_missing_is_named() {
    let dir = ram();
    for run in 0..3 {
        let (mut writer, _helper, _) = Writer::open(dir.path(), &chained(), &identity()).unwrap();
        super::support::append_all(&mut writer, run * 10..run * 10 + 10);
        end_run(&mut writer);
        writer.close().unwrap();
        Chainer::open(dir.path()).unwrap().catch_up().unwrap();
    }
    let middle = ram();
    copy(dir.path(), middle.path());
    let missing = segment_path(middle.path(), 2);
    std::fs::remove_file(&missing).unwrap();
    let Outcome::Damaged(damaged) = verify(middle.path()).outcome else { panic!() };
    assert_eq!((&damaged.path, damaged.seq), (&missing, 12));
    assert!(matches!(damaged.damage, Damage::Order("it is not there")), "{damaged}");
    assert_eq!(readable(middle.path()).len(), 11);
    let error = Writer::open(middle.path(), &chained(), &identity()).unwrap_err();
    assert!(error.to_string().contains("one is missing"), "{error}");
    // The first one, with its chain file or without: somebody took it away, and no list says so.
    let front = ram();
    copy(dir.path(), front.path());
    for path in [segment_path(front.path(), 1), chain_path(front.path(), 1)] {
        std::fs::remove_file(path).unwrap();
        let Outcome::Damaged(damaged) = verify(front.path()).outcome else { panic!() };
        assert_eq!((&damaged.damage, damaged.seq), (&Damage::Front(11), 1));
    }
    // Retention leaves a list.
    let first = holdings(dir.path()).unwrap().remove(0);
    remove_segment(dir.path(), &first, Reason::Size, None).unwrap();
    assert!(is_good(dir.path()));
    assert_eq!(readable(dir.path()).len(), 22);
    let (writer, _helper, report) = Writer::open(dir.path(), &chained(), &identity()).unwrap();
    assert_eq!((report.last_seq, writer.run()), (33, 4));
    writer.close().unwrap();
    // The last one, whose chain file says that it was there.
    std::fs::remove_file(segment_path(dir.path(), 4)).unwrap();
    std::fs::remove_file(segment_path(dir.path(), 3)).unwrap();
    assert!(!is_good(dir.path()));
    let error = Writer::open(dir.path(), &chained(), &identity()).unwrap_err();
    assert!(error.to_string().contains("its hash chain is"), "{error}");
}

#[test]
fn strange_things_in_the_directory() {
    let dir = tiny();
    let original = readable(dir.path());
    // Files of somebody else are left alone, whatever their names.
    for name in [
        "notes.txt",
        "journal-1.pwj",
        "journal-x.pwj",
        "chain-9.pwc",
        "seal-1.txt",
        "journal-00000009.pwj.bak",
    ] {
        std::fs::write(dir.path().join(name), b"mine").unwrap();
    }
    std::fs::create_dir(dir.path().join("journal")).unwrap();
    std::os::unix::fs::symlink("round", dir.path().join("round")).unwrap();
    assert!(is_good(dir.path()), "{:?}", verify(dir.path()).outcome);
    assert_eq!(readable(dir.path()), original);
    let (writer, _helper, _) = Writer::open(dir.path(), &chained(), &identity()).unwrap();
    writer.close().unwrap();
    assert_eq!(std::fs::read(dir.path().join("notes.txt")).unwrap(), b"mine");
    // What stands in a segment's or side file's place, but is no file.
    let next = segment_indices(dir.path()).unwrap().len() as u64 + 1;
    for path in [segment_path(dir.path(), next), chain_path(dir.path(), next - 1)] {
        let kept = std::fs::read(&path).ok();
        std::fs::remove_file(&path).ok();
        for make in [
            |path: &Path| std::fs::create_dir(path),
            |path: &Path| std::os::unix::fs::symlink(path.file_name().unwrap(), path),
        ] {
            make(&path).unwrap();
            let text = match verify(dir.path()).outcome {
                Outcome::Good(_) => panic!("{} is taken for a file", path.display()),
                Outcome::Damaged(damaged) => damaged.to_string(),
                Outcome::Unusable(error) => error.to_string(),
            };
            assert!(text.contains(&path.display().to_string()), "{text}");
            let error = Writer::open(dir.path(), &chained(), &identity()).unwrap_err();
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            std::fs::remove_dir(&path).or_else(|_| std::fs::remove_file(&path)).unwrap();
        }
        if let Some(bytes) = kept {
            std::fs::write(&path, bytes).unwrap();
        }
    }
}

#[test]
fn a_newer_format_is_refused_by_everyone() {
    let dir = tiny();
    for path in [segment_path(dir.path(), 2), chain_path(dir.path(), 2)] {
        let good = std::fs::read(&path).unwrap();
        let mut bytes = good.clone();
        bytes[8] = 2;
        std::fs::write(&path, bytes).unwrap();
        let Outcome::Unusable(error) = verify(dir.path()).outcome else { panic!("{}", path.display()) };
        let newer = |error: &JournalError| matches!(error, JournalError::UnknownVersion { path: found, found: 2, newest: 1 } if *found == path);
        assert!(newer(&error), "{error}");
        if path == segment_path(dir.path(), 2) {
            let error = Writer::open(dir.path(), &chained(), &identity()).unwrap_err();
            assert!(newer(&error), "{error}");
        }
        std::fs::write(&path, good).unwrap();
    }
}
