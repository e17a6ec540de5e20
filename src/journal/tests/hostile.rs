//! Files whose checksums are right and whose numbers are not: whatever a head, a mark or a name claims, every reader gives an
//! answer, takes no memory for what is not there, and nothing panics.

use std::path::{Path, PathBuf};

use super::support::{append_all, chained, copy, end_run, identity};
use crate::journal::archive::{Originals, archive, holdings};
use crate::journal::retention::Pruning;
use crate::journal::{
    Crc32c, JournalConfig, Outcome, Reader, SigningKey, Writer, make_key_pair, seal, segment_path, stats,
    verify,
};

const LAST: u64 = u64::MAX;
/// Offsets in the head, as `docs/journal-format.md` has them.
const RUN_AT: usize = 16;
const INDEX_AT: usize = 48;
const SIZE_AT: usize = 56;
const CATALOGUE_LEN_AT: usize = 136;
const BEGIN_AT: usize = 3840;
const SEAL_AT: usize = 3968;

/// A closed journal of two runs, each in a segment of its own.
fn closed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (mut writer, _helper, _) = Writer::open(dir.path(), &chained(), &identity()).unwrap();
        append_all(&mut writer, 0..40);
        end_run(&mut writer);
        writer.close().unwrap();
    }
    dir
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Sets the checksum of the fixed part and of the marks right.
fn right(bytes: &mut [u8]) {
    let crc = Crc32c::table().of_bytes(&bytes[..3704]);
    put(bytes, 3704, &(u64::from(crc) << 32 | 3704).to_le_bytes());
    for at in [BEGIN_AT, SEAL_AT] {
        let crc = Crc32c::table().of_bytes(&bytes[at + 8..at + 128]);
        put(bytes, at, &(u64::from(crc) << 32 | 128).to_le_bytes());
    }
}

/// Everything that reads a journal, on one that no reader may believe.
fn all_refuse(dir: &Path, what: &str) {
    let outcome = verify(dir).outcome;
    assert!(matches!(outcome, Outcome::Damaged(_)), "{what}: {outcome:?}");
    assert!(stats(dir).is_err(), "{what}");
    for from in [0, 1, 60, LAST] {
        let read =
            Reader::from_seq(dir, from).map(|mut reader| while let Ok(Some(_)) = reader.next_record() {});
        drop(read);
    }
    drop(Reader::from_end(dir));
    drop(holdings(dir));
    drop(Pruning::open(dir));
    let to = tempfile::tempdir().unwrap();
    drop(archive(dir, to.path(), Originals::Remove { covered: Some(LAST) }, &mut |_, _| {}));
    make_key_pair(&to.path().join("key")).unwrap();
    let key = SigningKey::read(&to.path().join("key")).unwrap();
    assert!(seal(dir, &key, jiff::Timestamp::UNIX_EPOCH).is_err(), "{what}");
    drop(Writer::open(dir, &chained(), &identity()));
    let repaired = Writer::open(dir, &JournalConfig { repair: true, ..chained() }, &identity());
    if let Ok((mut writer, helper, _)) = repaired {
        drop(helper);
        append_all(&mut writer, 0..3);
        writer.close().unwrap();
        assert!(matches!(verify(dir).outcome, Outcome::Good(_)), "{what}: {:?}", verify(dir).outcome);
    }
}

/// The journal with its second segment changed and its checksums right again.
fn changed(from: &Path, change: impl Fn(&mut [u8])) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    copy(from, dir.path());
    let path = segment_path(dir.path(), 2);
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    right(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

#[test]
fn numbers_at_the_end_of_64_bits_are_damage() {
    let journal = closed();
    for value in [LAST, LAST - 1, (1 << 62) + 1] {
        let (dir, path) = changed(journal.path(), |bytes| put(bytes, INDEX_AT, &value.to_le_bytes()));
        // The name agrees with the head.
        std::fs::rename(path, segment_path(dir.path(), value)).unwrap();
        all_refuse(dir.path(), &format!("index {value}"));
        // The same as the journal's only segment.
        std::fs::remove_file(segment_path(dir.path(), 1)).ok();
        drop(Writer::open(dir.path(), &chained(), &identity()));
        let (dir, _) = changed(journal.path(), |bytes| put(bytes, RUN_AT, &value.to_le_bytes()));
        all_refuse(dir.path(), &format!("run {value}"));
        for at in [BEGIN_AT + 8, SEAL_AT + 8, SEAL_AT + 24] {
            let (dir, _) = changed(journal.path(), |bytes| put(bytes, at, &value.to_le_bytes()));
            all_refuse(dir.path(), &format!("{value} at {at}"));
        }
    }
}

#[test]
fn sizes_that_no_writer_gives_are_damage() {
    let journal = closed();
    let (dir, _) = changed(journal.path(), |bytes| put(bytes, SIZE_AT, &LAST.to_le_bytes()));
    all_refuse(dir.path(), "size");
    let (dir, _) = changed(journal.path(), |bytes| {
        put(bytes, CATALOGUE_LEN_AT, &u32::MAX.to_le_bytes());
        put(bytes, 128, &((u64::from(u32::MAX) + 1) + 4096).to_le_bytes());
        put(bytes, SIZE_AT, &(1_u64 << 40).to_le_bytes());
    });
    all_refuse(dir.path(), "catalogue");
}

/// A hole in a file costs nothing on the disk, and reading it would cost memory.
#[test]
fn a_file_that_is_longer_than_its_segment_is_damage() {
    let journal = closed();
    let (dir, path) = changed(journal.path(), |_| {});
    std::fs::File::options().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
    all_refuse(dir.path(), "length");
}

#[test]
fn side_files_with_impossible_numbers_or_lengths_are_refused() {
    let journal = closed();
    let dir = journal.path();
    for name in
        ["seal-18446744073709551615.txt", "chain-18446744073709551615.pwc", "repaired.jsonl", "durable"]
    {
        let file = std::fs::File::create(dir.join(name)).unwrap();
        file.set_len(1 << 40).unwrap();
        let outcome = verify(dir).outcome;
        assert!(!matches!(outcome, Outcome::Good(_)), "{name}: {outcome:?}");
        std::fs::remove_file(dir.join(name)).unwrap();
    }
    assert!(matches!(verify(dir).outcome, Outcome::Good(_)));
}

/// Nobody ever writes into the pipe: who waits for it waits for ever.
#[test]
fn a_pipe_in_a_files_place_is_refused_at_once() {
    for name in ["journal-00000001.pwj", "journal-00000002.pwj"] {
        let dir = closed();
        let path = dir.path().join(name);
        std::fs::remove_file(&path).expect("a segment");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
        assert!(made.success());
        let outcome = verify(dir.path()).outcome;
        assert!(!matches!(outcome, Outcome::Good(_)), "{name}: {outcome:?}");
        assert!(stats(dir.path()).is_err(), "{name}");
        let read = Reader::open(dir.path()).map(|mut reader| {
            loop {
                match reader.next_record() {
                    Ok(Some(_)) => {}
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            }
        });
        assert!(!matches!(read, Ok(true)), "{name}");
        // Who goes on writing may not need the first one.
        drop(Writer::open(dir.path(), &chained(), &identity()));
    }
}

#[test]
fn a_pipe_in_the_place_of_the_lock_is_refused_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let lock = dir.path().join("lock");
    let made = std::process::Command::new("mkfifo").arg(&lock).status().expect("mkfifo runs");
    assert!(made.success());
    let refused = |about: &str| {
        let error = Writer::open(dir.path(), &chained(), &identity()).expect_err(about).to_string();
        assert!(error.contains("lock: it is no regular file; move it away"), "{about}: {error}");
    };
    refused("nobody reads it");
    let _reader = std::fs::File::options().read(true).write(true).open(&lock).expect("a reader");
    refused("somebody reads it");
}
