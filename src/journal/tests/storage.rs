//! What the file system refuses, and what is done where it is short.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::support::{append_all, end_run, identity, open, read_all, small};
use crate::journal::{JournalConfig, JournalError, Reader, Storage, Writer, boot_id, segment_path};

#[test]
fn a_directory_that_cannot_be_made_or_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = Writer::open(&path, &small(), &identity()).unwrap_err();
        assert!(matches!(error, JournalError::Io { .. }));
        assert!(error.to_string().contains("needs a directory of its own"), "{error}");
    }
    // The superuser may write anywhere but in the kernel's own file systems.
    let error = Writer::open(std::path::Path::new("/proc/journal"), &small(), &identity()).unwrap_err();
    assert!(matches!(error, JournalError::Io { .. }), "{error}");
    let locked = dir.path().join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o500)).unwrap();
    if std::fs::write(locked.join("probe"), b"").is_err() {
        let error = Writer::open(&locked, &small(), &identity()).unwrap_err();
        assert!(error.to_string().contains("grant the user access"), "{error}");
    }
}

#[test]
fn segment_sizes_out_of_range() {
    let dir = tempfile::tempdir().unwrap();
    for size in [0, (1 << 20) - 4096, (1 << 20) + 64, (1 << 30) + 4096] {
        let config = JournalConfig { segment_size: size, ..small() };
        let error = Writer::open(dir.path(), &config, &identity()).unwrap_err();
        assert!(matches!(error, JournalError::Setting { setting: "segment_size", .. }), "{error}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn little_room_is_said_while_there_is_still_room() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { min_free: u64::MAX, ..small() };
    let (mut writer, mut helper, _) = Writer::open(dir.path(), &config, &identity()).unwrap();
    assert_eq!((writer.storage(), helper.poll() < 100), (Storage::Ok, true));
    append_all(&mut writer, 0..5000);
    while helper.poll() > 0 {}
    assert_eq!((writer.storage(), helper.storage()), (Storage::Low, Storage::Low));
    append_all(&mut writer, 0..5000);
    assert_eq!((writer.stalls(), writer.last_seq()), (0, 10_000), "the log goes on");
}

#[test]
fn where_no_segment_can_be_made_the_writer_goes_on_in_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut helper, _) = open(dir.path());
    append_all(&mut writer, 0..5000);
    // Nothing can be made under a name that a directory has.
    let blocker = dir.path().join("journal-00000002.pwj.new");
    std::fs::create_dir(&blocker).unwrap();
    assert!(helper.poll() > 0);
    assert_eq!(writer.storage(), Storage::Low);
    let error = helper.take_error().unwrap();
    assert!(error.to_string().contains("journal-00000002.pwj.new"), "{error}");
    let mut refused = 0;
    for _ in 0..10_000 {
        let buffer = super::support::any_record(5);
        refused += u64::from(writer.append(buffer.iter().next().unwrap(), writer.last_now(), 0).is_err());
    }
    assert!(refused > 0 && writer.stalls() == refused);
    let kept = writer.last_seq();
    assert_eq!(kept, 15_000 - refused, "what was refused was not written");
    std::fs::remove_dir(&blocker).unwrap();
    append_all(&mut writer, 0..1);
    assert_eq!(writer.last_seq(), kept + 1, "and goes on once there is room");
    assert_eq!(read_all(dir.path()).len() as u64, kept + 1);
    assert!(segment_path(dir.path(), 2).exists());
}

#[test]
fn the_boot_has_a_name() {
    assert_eq!(boot_id().unwrap(), boot_id().unwrap());
    assert_ne!(boot_id().unwrap(), [0; 16]);
}

/// A writer that closes removes the segment that it made in advance, just when readers at the end look for it.
#[test]
fn readers_at_the_end_survive_a_close() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, mut helper, _) = open(dir.path());
        // Past half of the segment, so that the next one is made.
        append_all(&mut writer, 0..6_000);
        helper.poll();
        assert!(segment_path(dir.path(), 2).exists());
        let (at_end, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut reader = Reader::open(dir.path()).unwrap();
                let mut count = 0;
                loop {
                    let last = ended.load(Ordering::Acquire);
                    while reader.next_record().unwrap().is_some() {
                        count += 1;
                    }
                    at_end.store(true, Ordering::Release);
                    if last {
                        break count;
                    }
                }
            });
            while !at_end.load(Ordering::Acquire) && !reader.is_finished() {
                std::hint::spin_loop();
            }
            writer.close().unwrap();
            ended.store(true, Ordering::Release);
            assert_eq!(reader.join().unwrap(), 6_000);
        });
        assert!(!segment_path(dir.path(), 2).exists());
    }
}

#[test]
fn a_segment_is_not_missed_while_it_is_written_nor_when_the_writer_has_closed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut helper, _) = open(dir.path());
    append_all(&mut writer, 0..3);
    helper.poll();
    assert!(helper.take_error().is_none());
    end_run(&mut writer);
    writer.close().unwrap();
    let (writer, mut helper, _) = open(dir.path());
    writer.close().unwrap();
    helper.poll();
    assert!(helper.take_error().is_none());
}
