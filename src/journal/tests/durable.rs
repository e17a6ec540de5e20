//! Durability modes: what is on the disk when, and what is made of it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::support::{append_all, end_run, identity, read_all, small};
use crate::journal::{
    Damage, Device, Durability, DurableThread, DurableWriter, JournalConfig, JournalError, Outcome,
    Preallocator, Reader, RecoveryReport, SystemDevice, Writer, segment_indices, segment_path, verify,
};

const MODES: [Durability; 3] = [Durability::Async, Durability::Group, Durability::Sync];

fn config(durability: Durability, ram: &Path) -> JournalConfig {
    JournalConfig { durability, durable_interval: Duration::ZERO, ram_dir: ram.to_path_buf(), ..small() }
}

/// A journal's directory on a disk and a place for its live segments in RAM.
struct Place {
    dir: tempfile::TempDir,
    ram: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), ram: tempfile::tempdir_in("/dev/shm").unwrap() }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn open(&self, mode: Durability) -> (Writer, Preallocator, RecoveryReport) {
        Writer::open(self.dir(), &config(mode, self.ram.path()), &identity()).unwrap()
    }

    fn live(&self) -> Option<PathBuf> {
        std::fs::read_dir(self.ram.path()).unwrap().next().map(|entry| entry.unwrap().path())
    }
}

fn drain(durable: &mut DurableWriter) -> u64 {
    let mut all = 0;
    loop {
        match durable.poll().unwrap() {
            0 => return all,
            records => all += records,
        }
    }
}

/// The durable files alone, as they are: what a machine that went down would find. The position first, since it moves.
fn power_loss(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::copy(from.join("durable"), to.join("durable")).unwrap();
    for index in segment_indices(from).unwrap() {
        std::fs::copy(segment_path(from, index), segment_path(to, index)).unwrap();
    }
}

#[test]
fn the_disk_has_what_the_position_says_in_every_mode() {
    for mode in MODES {
        let place = Place::new();
        let (mut writer, mut helper, _) = place.open(mode);
        let mut durable = writer.take_durable().unwrap();
        assert!(writer.take_durable().is_none());
        let position = durable.position();
        for round in 0..40 {
            append_all(&mut writer, round * 500..(round + 1) * 500);
            helper.poll();
            if round % 3 == 0 {
                drain(&mut durable);
                assert_eq!(position.seq(), writer.last_seq());
            }
            if round % 8 == 7 {
                let copy = tempfile::tempdir().unwrap();
                let at_least = position.seq();
                power_loss(place.dir(), copy.path());
                let all = read_all(place.dir());
                assert_eq!(all.len() as u64, writer.last_seq(), "readers see what is committed");
                let (_, _, report) = Writer::open(copy.path(), &small(), &identity()).unwrap();
                assert!(report.last_seq >= at_least, "{mode}: {} < {at_least}", report.last_seq);
                let kept = read_all(copy.path());
                assert_eq!(kept, all[..kept.len()], "{mode}: what is there is what was written");
            }
        }
        end_run(&mut writer);
        let all = read_all(place.dir());
        writer.close().unwrap();
        durable.finish().unwrap();
        assert_eq!(position.seq(), all.len() as u64);
        assert_eq!(durable.report().records, all.len() as u64);
        assert!(segment_indices(place.dir()).unwrap().len() > 2, "it went over several segments");
        assert_eq!(place.live(), None, "RAM is cleared");
        assert!(!place.dir().join("ram").exists());
        assert!(matches!(verify(place.dir()).outcome, Outcome::Good(_)));
        assert_eq!(read_all(place.dir()), all, "and now from the disk");
        drop(durable);
        let (_, _, report) = place.open(Durability::Process);
        assert!(report.clean);
    }
}

#[test]
fn the_file_on_disk_is_the_same_in_every_mode() {
    let bytes = [Durability::Process, Durability::Async, Durability::Group].map(|mode| {
        let place = Place::new();
        let (mut writer, mut helper, _) = place.open(mode);
        append_all(&mut writer, 0..9000);
        helper.poll();
        append_all(&mut writer, 0..9000);
        writer.close().unwrap();
        drop(helper);
        let files = segment_indices(place.dir()).unwrap();
        files
            .iter()
            .map(|index| std::fs::read(segment_path(place.dir(), *index)).unwrap()[4096..].to_vec())
            .collect::<Vec<_>>()
    });
    assert!(bytes[0].len() > 1);
    assert!(bytes[0] == bytes[1] && bytes[0] == bytes[2]);
}

/// As after `kill -9`: nobody closes anything, and the same boot opens it again.
#[test]
fn the_end_of_the_process_loses_nothing_that_was_committed() {
    for mode in MODES {
        for progress in [0, 1, 2] {
            let place = Place::new();
            let (mut writer, mut helper, _) = place.open(mode);
            let mut durable = writer.take_durable().unwrap();
            append_all(&mut writer, 0..6000);
            helper.poll();
            if progress > 0 {
                drain(&mut durable);
            }
            append_all(&mut writer, 0..6000);
            if progress > 1 {
                durable.poll().unwrap();
            }
            let mut tail = Reader::from_end(place.dir()).unwrap();
            let all = read_all(place.dir());
            assert_eq!(all.len(), 12_000);
            drop((writer, helper, durable));
            let (mut writer, _, report) = place.open(mode);
            assert_eq!((report.last_seq, report.torn_bytes, report.lost_undurable), (12_000, 0, false));
            assert_eq!(read_all(place.dir()), all);
            append_all(&mut writer, 0..1);
            let record = tail.next_record().unwrap().expect("a reader goes on over the crash");
            assert_eq!(record.header().seq, 12_001);
            writer.close().unwrap();
            assert!(matches!(verify(place.dir()).outcome, Outcome::Good(_)), "{mode} {progress}");
        }
    }
}

#[test]
fn a_torn_record_in_ram_is_cut() {
    let place = Place::new();
    let (mut writer, _, _) = place.open(Durability::Group);
    append_all(&mut writer, 0..100);
    let end = {
        let mut reader = Reader::open(place.dir()).unwrap();
        while reader.next_record().unwrap().is_some() {}
        reader.end() as u64
    };
    drop(writer);
    let live = segment_path(&place.live().unwrap(), 1);
    let file = File::options().write(true).open(live).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[7; 40], end + 8).unwrap();
    let (writer, _, report) = place.open(Durability::Group);
    assert_eq!((report.last_seq, report.torn_bytes), (100, 48));
    writer.close().unwrap();
    assert!(matches!(verify(place.dir()).outcome, Outcome::Good(_)));
}

#[test]
fn a_copy_with_its_link_is_not_taken_for_the_original() {
    let place = Place::new();
    let (mut writer, _, _) = place.open(Durability::Group);
    let mut durable = writer.take_durable().unwrap();
    append_all(&mut writer, 0..100);
    drain(&mut durable);
    append_all(&mut writer, 0..50);
    let copy = tempfile::tempdir().unwrap();
    power_loss(place.dir(), copy.path());
    std::os::unix::fs::symlink(place.live().unwrap(), copy.path().join("ram")).unwrap();
    assert_eq!(read_all(copy.path()).len(), 100, "a reader");
    let (_, _, report) =
        Writer::open(copy.path(), &config(Durability::Group, place.ram.path()), &identity()).unwrap();
    assert_eq!(report.last_seq, 100, "and a writer");
    assert_eq!(read_all(place.dir()).len(), 150, "the original is as it was");
}

#[test]
fn a_link_that_was_removed_loses_nothing() {
    let place = Place::new();
    let (mut writer, _, _) = place.open(Durability::Group);
    append_all(&mut writer, 0..150);
    drop(writer);
    std::fs::remove_file(place.dir().join("ram")).unwrap();
    let (writer, _, report) = place.open(Durability::Group);
    assert_eq!(report.last_seq, 150);
    writer.close().unwrap();
    assert_eq!(place.live(), None);
}

#[test]
fn a_file_of_another_boot_in_ram_does_not_count() {
    let place = Place::new();
    let (mut writer, _, _) = place.open(Durability::Group);
    let mut durable = writer.take_durable().unwrap();
    append_all(&mut writer, 0..100);
    drain(&mut durable);
    append_all(&mut writer, 0..50);
    drop((writer, durable));
    // The same head with another boot, as a RAM root on a disk would bring it over a restart.
    for path in [segment_path(&place.live().unwrap(), 1), segment_path(place.dir(), 1)] {
        set_boot(&path, [9; 16]);
    }
    assert_eq!(read_all(place.dir()).len(), 100);
    let (_, _, report) = place.open(Durability::Group);
    assert_eq!(report.last_seq, 100);
}

/// Writes another boot into a segment's head, its checksum with it.
fn set_boot(path: &Path, boot: [u8; 16]) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[24..40].copy_from_slice(&boot);
    let crc = crate::journal::Crc32c::detect().of_bytes(&bytes[..3704]);
    bytes[3704..3712].copy_from_slice(&(u64::from(crc) << 32 | 3704).to_le_bytes());
    std::fs::write(path, bytes).unwrap();
}

/// Fails on and after call `fails_at`, with `EIO`.
#[derive(Debug, Clone)]
struct Failing {
    calls: Arc<AtomicU32>,
    fails_at: u32,
}

impl Failing {
    fn call(&self) -> io::Result<()> {
        match self.calls.fetch_add(1, Ordering::Relaxed) + 1 {
            call if call >= self.fails_at => Err(io::Error::from_raw_os_error(libc::EIO)),
            _ => Ok(()),
        }
    }
}

impl Device for Failing {
    fn write_at(&mut self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.call()?;
        SystemDevice.write_at(file, bytes, offset)
    }

    fn sync(&mut self, sync: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.call()?;
        sync()
    }
}

#[test]
fn an_error_of_the_disk_is_final_and_says_what_is_durable() {
    for mode in MODES {
        let place = Place::new();
        let (mut writer, _, _) = place.open(mode);
        let mut durable = writer.take_durable().unwrap();
        let calls = Arc::new(AtomicU32::new(0));
        let position = durable.position();
        append_all(&mut writer, 0..10);
        drain(&mut durable);
        durable.set_device(Failing { calls: Arc::clone(&calls), fails_at: 2 });
        append_all(&mut writer, 0..10);
        drain(&mut durable);
        append_all(&mut writer, 0..10);
        let error = durable.poll().unwrap_err();
        assert!(matches!(error, JournalError::NotDurable { durable: 20, .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("journal-00000001.pwj") && text.contains("records up to 20 are durable"),
            "{text}"
        );
        assert!(text.contains("Input/output error"), "{text}");
        assert!(position.has_failed());
        assert!(durable.poll().is_err() && durable.finish().is_err());
        assert_eq!(calls.load(Ordering::Relaxed), 2, "it is never tried again");
        assert_eq!(position.seq(), 20);
        append_all(&mut writer, 0..10);
        assert_eq!(read_all(place.dir()).len(), 40, "what is committed stays readable");
    }
}

#[test]
fn a_thread_carries_it_and_measures_the_delay() {
    for mode in MODES {
        let place = Place::new();
        let (mut writer, mut helper, _) = place.open(mode);
        let mut durable = writer.take_durable().unwrap();
        let clock = crate::clock::ManualClock::default();
        clock.set(pricewright_core::kernel::Nanos(1_000_000));
        durable.measure(clock);
        let position = durable.position();
        let thread = DurableThread::spawn(durable).unwrap();
        for _ in 0..20 {
            append_all(&mut writer, 0..300);
            helper.poll();
        }
        let last = writer.last_seq();
        writer.close().unwrap();
        let report = thread.finish().unwrap();
        assert_eq!((report.records, report.delay.len(), position.seq()), (6000, 6000, last));
        // Stamps rise from 1 by one, the clock stands at 1 ms; the histogram keeps three digits.
        assert!((993_000..=1_000_000).contains(&report.delay.min()), "{}", report.delay.min());
        assert!(report.bytes >= 6000 * 64 && report.writes > 0);
        assert_eq!(place.live(), None);
    }
}

#[test]
fn a_loss_before_the_durable_position_is_refused() {
    for cut in [Cut::Zeroed, Cut::Truncated, Cut::Removed] {
        let place = Place::new();
        let (mut writer, _, _) = place.open(Durability::Async);
        append_all(&mut writer, 0..200);
        let mut durable = writer.take_durable().unwrap();
        drain(&mut durable);
        drop((writer, durable));
        cut.apply(&segment_path(place.dir(), 1));
        if !matches!(cut, Cut::Removed) {
            let Outcome::Damaged(damaged) = verify(place.dir()).outcome else {
                panic!("{cut:?}: it is damaged")
            };
            assert!(cut.says(&damaged.damage), "{cut:?}: {damaged}");
        }
        let before = std::fs::read_dir(place.dir()).unwrap().count();
        let error =
            Writer::open(place.dir(), &config(Durability::Async, place.ram.path()), &identity()).unwrap_err();
        let JournalError::Damaged(damaged) = &error else { panic!("{cut:?}: {error}") };
        assert!(cut.says(&damaged.damage), "{cut:?}: {error}");
        assert_eq!(std::fs::read_dir(place.dir()).unwrap().count(), before, "nothing was changed");
        let repairing = JournalConfig { repair: true, ..config(Durability::Async, place.ram.path()) };
        let (mut writer, _, report) = Writer::open(place.dir(), &repairing, &identity()).unwrap();
        assert!(report.last_seq < 200);
        append_all(&mut writer, 0..1);
        drop(writer);
        let (_, _, again) = place.open(Durability::Async);
        assert_eq!(again.last_seq, report.last_seq + 1, "the position went back with the repair");
    }
}

#[derive(Debug)]
enum Cut {
    Zeroed,
    Truncated,
    Removed,
}

impl Cut {
    fn apply(&self, path: &Path) {
        match self {
            Self::Zeroed => {
                let mut bytes = std::fs::read(path).unwrap();
                let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
                bytes[end - 2000..=end].fill(0);
                std::fs::write(path, bytes).unwrap();
            }
            Self::Truncated => {
                let bytes = std::fs::read(path).unwrap();
                let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
                std::fs::write(path, &bytes[..end - 5000]).unwrap();
            }
            Self::Removed => std::fs::remove_file(path).unwrap(),
        }
    }

    fn says(&self, damage: &Damage) -> bool {
        match self {
            Self::Truncated => matches!(damage, Damage::Lost(200) | Damage::Cut | Damage::Length),
            Self::Zeroed => matches!(damage, Damage::Lost(200) | Damage::Checksum | Damage::Padding),
            Self::Removed => matches!(damage, Damage::Lost(200)),
        }
    }
}

/// The kernel writes pages in any order: after the machine went down, later pages may be there and earlier ones not.
#[test]
fn holes_behind_the_durable_position_are_a_loss_of_the_machine() {
    let place = Place::new();
    let (mut writer, mut helper, _) = place.open(Durability::Async);
    let mut durable = writer.take_durable().unwrap();
    append_all(&mut writer, 0..1000);
    drain(&mut durable);
    append_all(&mut writer, 0..8000);
    helper.poll();
    append_all(&mut writer, 0..4000);
    let all = read_all(place.dir());
    let copy = tempfile::tempdir().unwrap();
    drop((writer, helper, durable));
    power_loss(place.dir(), copy.path());
    // A page of the first segment behind the durable position never came; the second segment did.
    let path = segment_path(copy.path(), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[600 << 10..604 << 10].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let same_boot =
        JournalConfig { durability: Durability::Group, ..config(Durability::Group, place.ram.path()) };
    let (_, _, report) = Writer::open(copy.path(), &same_boot, &identity()).unwrap();
    assert!(report.lost_undurable && report.last_seq >= 1000 && report.last_seq < 9000, "{report:?}");
    assert_eq!(report.set_aside.len(), 2, "nothing is thrown away: {report:?}");
    let kept = read_all(copy.path());
    assert_eq!(kept, all[..kept.len()]);
    assert!(matches!(verify(copy.path()).outcome, Outcome::Good(_)));
}

/// Under the same boot the page cache is whole, so a hole is damage.
#[test]
fn the_same_hole_under_the_same_boot_is_corruption() {
    let place = Place::new();
    let boot = crate::journal::RunIdentity { boot_id: crate::journal::boot_id().unwrap(), ..identity() };
    let settings = config(Durability::Async, place.ram.path());
    let (mut writer, _, _) = Writer::open(place.dir(), &settings, &boot).unwrap();
    let mut durable = writer.take_durable().unwrap();
    append_all(&mut writer, 0..1000);
    drain(&mut durable);
    append_all(&mut writer, 0..5000);
    drop((writer, durable));
    let path = segment_path(place.dir(), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[600 << 10..604 << 10].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let error = Writer::open(place.dir(), &settings, &boot).unwrap_err();
    assert!(matches!(error, JournalError::Damaged(_)), "{error}");
}

#[test]
fn ram_without_room_is_named() {
    let place = Place::new();
    let settings = config(Durability::Group, Path::new("/proc/self"));
    let error = Writer::open(place.dir(), &settings, &identity()).unwrap_err();
    assert!(error.to_string().contains("/proc/self"), "{error}");
    let (writer, _, _) = place.open(Durability::Group);
    writer.close().unwrap();
}

#[test]
fn modes_may_change_from_run_to_run() {
    let place = Place::new();
    let mut last = 0;
    for (round, mode) in
        [Durability::Group, Durability::Process, Durability::Async, Durability::Sync, Durability::Process]
            .into_iter()
            .enumerate()
    {
        let (mut writer, _, report) = place.open(mode);
        assert_eq!(report.last_seq, last, "{mode}");
        append_all(&mut writer, 0..500);
        last = writer.last_seq();
        if round % 2 == 0 {
            drop(writer);
        } else {
            writer.close().unwrap();
        }
    }
    assert_eq!(read_all(place.dir()).len() as u64, last);
}
