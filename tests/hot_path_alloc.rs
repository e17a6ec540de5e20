//! After warm-up the hot thread neither allocates nor frees: counted by the allocator over a million market data messages,
//! from packet bytes to order bytes, with the journal rolling over many segments.
//!
//! A process of its own, because the allocator is counted for the whole of it. Counts are kept per thread: the helper
//! may allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use pricewright::edges::recorder::{Recorder, Taps};
use pricewright::harness::in_memory::{InMemory, Packets, Setup};
use pricewright::harness::tick::market;
use pricewright::journal::Reader;
use pricewright::pipeline::ring_gauge::{RingGauges, RingReading};
use pricewright::replay::follow::Follower;
use pricewright::replay::run_info::RunInfo;
use pricewright::ring::ring;
use pricewright_core::kernel::table::{Mark, RunEnd};
use pricewright_core::kernel::{Driver, InstrumentId, Nanos, RecordSink as _, SourceId};
use pricewright_feeds::nasdaq::glimpse::Snapshot;
use pricewright_feeds::nasdaq::market_data::Arrival;
use pricewright_strategies::trading::Desk;

/// Messages in all; a tenth of them is the warm-up.
const MESSAGES: u64 = 1_120_000;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static FREES: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator as it is; the counters are plain thread-local cells without
// a destructor, which never allocate themselves.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract, and it is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        FREES.with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and frees of this thread during `work`.
fn counted<T>(work: impl FnOnce() -> T) -> (u64, u64, T) {
    let before = (ALLOCATIONS.get(), FREES.get());
    let value = work();
    (ALLOCATIONS.get() - before.0, FREES.get() - before.1, value)
}

#[test]
fn a_million_messages_allocate_nothing() {
    let market = market(MESSAGES);
    let packets = Arc::new(Packets::generate(&market).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let setup = Setup { symbols: market.symbols, segment_mib: 1, helper_core: None };
    let mut pipeline = InMemory::open(&setup, Arc::clone(&packets), dir.path()).unwrap();
    let warm_up = packets.len() / 10;
    pipeline.run(warm_up);
    assert!(packets.messages_from(warm_up) >= 1_000_000);

    let (allocations, frees, taken) = counted(|| pipeline.run(packets.len()));

    assert_eq!(taken, packets.len() - warm_up, "the run stopped early");
    assert_eq!((allocations, frees), (0, 0), "allocations and frees on the hot thread");
    let latencies = pipeline.end().unwrap();
    assert!(latencies.orders.len() > 10_000, "only {} packets caused orders", latencies.orders.len());
    let segments = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(segments > 50, "the journal rolled over {segments} files only");
}

#[test]
fn the_detector_sees_an_allocation_in_the_middle_of_the_hot_path() {
    let market = market(20_000);
    let packets = Arc::new(Packets::generate(&market).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let setup = Setup { symbols: market.symbols, segment_mib: 1, helper_core: None };
    let mut pipeline = InMemory::open(&setup, Arc::clone(&packets), dir.path()).unwrap();
    pipeline.run(packets.len() / 2);

    let (allocations, frees, _) = counted(|| {
        pipeline.run(100);
        drop(std::hint::black_box(Box::new(1_u8)));
        pipeline.run(100);
    });

    assert_eq!((allocations, frees), (1, 1));
    pipeline.end().unwrap();
}

/// What a thread in front of a ring does for monitors: 1,024 polls later they see the ring as it is.
#[test]
fn showing_how_full_a_ring_is_allocates_nothing() {
    let gauges = RingGauges::default();
    let mut gauge = gauges.add("ingress");
    let (mut records, _consumer) = ring(64);
    let mark = Mark {
        first: 1,
        received: Nanos(1),
        count: 1,
        session: 0,
        line: 0,
        source: SourceId(1),
        queued_ns: 0,
    };

    let (allocations, frees, ()) = counted(|| {
        gauge.poll(&records);
        while records.put(&mark, SourceId(1), 0).is_ok() {}
        (0..1_024).for_each(|_| gauge.poll(&records));
    });

    assert_eq!((allocations, frees), (0, 0));
    let shown = gauges.read();
    assert_eq!(shown, [RingReading { name: "ingress", used: 64, capacity: 64, full: 1 }]);
}

/// What is received with `--record`: less than the rings hold, so that it is all the same how fast the file is.
#[test]
fn recording_allocates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (recorder, taps) = Recorder::create(&dir.path().join("packets")).unwrap();
    let Taps { mut feed, mut venue } = taps;
    let snapshot = Snapshot::new(9, [&[1_u8; 40][..]; 10_000].into_iter());

    let (allocations, frees, ()) = counted(|| {
        for stamp in 0..10_000 {
            feed.datagram(0, Arrival { received: Nanos(stamp), queued_ns: 1 }, &[7; 1_400]);
            venue.stream(Nanos(stamp), &[8; 100]);
        }
        feed.mistrusted(Nanos(10_000), InstrumentId(1));
        feed.snapshot(Nanos(10_000), &snapshot);
    });

    assert_eq!((allocations, frees), (0, 0));
    recorder.finish().expect("complete");
}

/// What a restart runs with: a desk that was restored from a snapshot in the middle of a session.
#[test]
fn a_restored_desk_allocates_nothing_either() {
    let market = market(200_000);
    let packets = Arc::new(Packets::generate(&market).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let setup = Setup { symbols: market.symbols, segment_mib: 512, helper_core: None };
    let mut pipeline = InMemory::open(&setup, Arc::clone(&packets), dir.path()).unwrap();
    pipeline.run(packets.len());
    pipeline.end().unwrap();

    let config = RunInfo::read(dir.path()).unwrap().config.pipeline::<Desk>().unwrap().config;
    let mut reader = Reader::open(dir.path()).unwrap();
    let half = Reader::from_end(dir.path()).unwrap().next_seq() / 2;
    let mut follower = Follower::<Desk>::new(&config).unwrap();
    while reader.next_seq() < half || follower.progress().is_none() {
        follower.follow(reader.next_record().unwrap().unwrap()).unwrap();
    }
    let (state, progress) = (follower.driver().snapshot().unwrap(), follower.progress().unwrap());
    let mut restored = Follower::resumed(Driver::<Desk>::restore(&config, &state).unwrap(), progress);

    let (allocations, frees, events) = counted(|| {
        // Up to the run's end, whose check hashes the whole state, and behind which the reader looks for another segment.
        while let Some(record) =
            reader.next_record().unwrap().filter(|record| record.get::<RunEnd>().is_none())
        {
            restored.follow(record).unwrap();
        }
        restored.counts().0 - progress.events
    });

    assert!(events > 100_000, "{events} events");
    assert_eq!((allocations, frees), (0, 0), "allocations and frees of a restored desk");
}
