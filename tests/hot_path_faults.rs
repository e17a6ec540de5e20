//! After warm-up the hot thread touches no page that is not there: no minor and no major fault over a million market data
//! messages, from packet bytes to order bytes, with the journal rolling over many segments that the helper faults in.
//!
//! The kernel counts faults by thread. A process of its own, so that its memory is its own.

#![allow(clippy::unwrap_used)] // A test that cannot go on says so by panicking.

use std::hint::black_box;
use std::sync::Arc;

use pricewright::edges::recorder::Recorder;
use pricewright::harness::in_memory::{InMemory, Packets, Setup};
use pricewright::harness::tick::market;
use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::market_data::Arrival;

/// Messages in all; a tenth of them is the warm-up.
const MESSAGES: u64 = 1_120_000;
const PAGE: usize = 4096;

/// Minor and major faults of this thread so far.
fn faults() -> (i64, i64) {
    // SAFETY: `usage` is plain numbers, all of which may be zero, and lives through the call that fills it.
    let (usage, result) = unsafe {
        let mut usage: libc::rusage = core::mem::zeroed();
        let result = libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
        (usage, result)
    };
    assert_eq!(result, 0, "getrusage: {}", std::io::Error::last_os_error());
    (usage.ru_minflt, usage.ru_majflt)
}

fn faults_during(work: impl FnOnce()) -> (i64, i64) {
    let before = faults();
    work();
    let after = faults();
    (after.0 - before.0, after.1 - before.1)
}

fn pipeline(messages: u64, dir: &std::path::Path) -> (InMemory, Arc<Packets>) {
    let market = market(messages);
    let packets = Arc::new(Packets::generate(&market).unwrap());
    let setup = Setup { symbols: market.symbols, segment_mib: 1, helper_core: None };
    (InMemory::open(&setup, Arc::clone(&packets), dir).unwrap(), packets)
}

#[test]
fn a_million_messages_fault_in_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut pipeline, packets) = pipeline(MESSAGES, dir.path());
    let warm_up = packets.len() / 10;
    pipeline.run(warm_up);
    assert!(packets.messages_from(warm_up) >= 1_000_000);

    let mut taken = 0;
    let found = faults_during(|| taken = pipeline.run(packets.len()));

    assert_eq!(taken, packets.len() - warm_up, "the run stopped early");
    assert_eq!(found, (0, 0), "minor and major faults of the hot thread");
    pipeline.end().unwrap();
    let segments = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(segments > 50, "the journal rolled over {segments} files only");
}

/// Half of the ring's memory, on its first lap.
#[test]
fn recording_faults_in_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (recorder, mut taps) = Recorder::create(&dir.path().join("packets")).unwrap();
    let mut record = |count: i64| {
        for stamp in 0..count {
            taps.feed.datagram(0, Arrival { received: Nanos(stamp), queued_ns: 0 }, &[7; 1_400]);
        }
    };
    record(1_000);

    let found = faults_during(|| record(23_000));

    assert_eq!(found, (0, 0), "minor and major faults of the thread that receives");
    recorder.finish().expect("complete");
}

#[test]
fn the_detector_sees_fresh_memory_touched_in_the_middle_of_the_hot_path() {
    let dir = tempfile::tempdir().unwrap();
    let (mut pipeline, packets) = pipeline(20_000, dir.path());
    pipeline.run(packets.len() / 2);
    let pages = 16;
    let len = pages * PAGE;
    // SAFETY: a mapping of its own at a place that the kernel chooses.
    let fresh = unsafe {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        libc::mmap(core::ptr::null_mut(), len, access, kind, -1, 0)
    };
    assert_ne!(fresh, libc::MAP_FAILED);
    // SAFETY: the mapping just made; huge pages would make one fault of many.
    unsafe { libc::madvise(fresh, len, libc::MADV_NOHUGEPAGE) };

    let (minor, _) = faults_during(|| {
        pipeline.run(100);
        for page in 0..pages {
            // SAFETY: inside the mapping, which nobody else knows of; the address is black-boxed so that it is written.
            unsafe { black_box(fresh.cast::<u8>().add(page * PAGE)).write_volatile(1) };
        }
        pipeline.run(100);
    });

    assert!(minor >= pages as i64, "{minor} faults for {pages} fresh pages");
    // SAFETY: the mapping made above, used no more.
    assert_eq!(unsafe { libc::munmap(fresh, len) }, 0);
    pipeline.end().unwrap();
}
