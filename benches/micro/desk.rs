//! One event into the desk's machine, and the replay of a whole journal with every decision compared.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use pricewright::harness::in_memory::{InMemory, Packets, Setup};
use pricewright::harness::tick::market;
use pricewright::journal::Reader;
use pricewright::replay::follow::Follower;
use pricewright::replay::run_info::RunInfo;
use pricewright::replay::verify::replay;
use pricewright_core::kernel::{Driver, EventRef, NoProbe, RecordBuf, RecordSink as _, Step};
use pricewright_strategies::trading::{Desk, DeskConfig};

use crate::support::print_result;

const MESSAGES: u64 = 100_000;

/// A session in memory, journalled in `dir`.
fn record(dir: &Path) {
    let market = market(MESSAGES);
    let packets = Arc::new(Packets::generate(&market).expect("a market"));
    let setup = Setup { symbols: market.symbols, segment_mib: 16, helper_core: None };
    let mut pipeline = InMemory::open(&setup, Arc::clone(&packets), dir).expect("a pipeline");
    assert_eq!(pipeline.run(packets.len()), packets.len());
    pipeline.end().expect("a good end");
}

/// The session's configuration and its records.
fn load(dir: &Path) -> (DeskConfig, RecordBuf) {
    let config = RunInfo::read(dir).and_then(|info| info.config.pipeline::<Desk>()).expect("a configuration");
    let mut reader = Reader::open(dir).expect("the journal");
    let mut records = RecordBuf::default();
    while let Some(record) = reader.next_record().expect("undamaged") {
        records.push(record).expect("a buffer of this kind takes everything");
    }
    (config.config, records)
}

fn decide(driver: &mut Driver<Desk>, records: &RecordBuf, limit: u64) -> u64 {
    let mut taken = 0;
    for record in records.iter() {
        if let Some(event) = EventRef::of(&record) {
            if taken == limit {
                break;
            }
            let step = driver.step(record.header().now, event, &mut NoProbe);
            debug_assert_eq!(step, Step::Done);
            taken += 1;
        }
    }
    taken
}

fn timed(config: &DeskConfig, records: &RecordBuf, count: u64) -> Duration {
    let (mut left, mut took) = (count, Duration::ZERO);
    while left > 0 {
        let mut driver = Driver::<Desk>::new(config).expect("a desk");
        let start = Instant::now();
        left -= std::hint::black_box(decide(&mut driver, records, left));
        took += start.elapsed();
    }
    took
}

fn followed(config: &DeskConfig, records: &RecordBuf, count: u64) -> Duration {
    let (mut left, mut took) = (count, Duration::ZERO);
    while left > 0 {
        let mut follower = Follower::<Desk>::new(config).expect("a desk");
        let start = Instant::now();
        for record in records.iter().take(usize::try_from(left).expect("a count")) {
            assert!(follower.follow(record).is_ok());
            left -= 1;
        }
        took += start.elapsed();
    }
    took
}

pub(crate) fn benches(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    record(dir.path());
    let replayed = replay::<Desk>(dir.path(), None, &mut |_| {}).expect("a journal");
    assert!(replayed.divergence.is_none() && replayed.clean);
    let (config, records) = load(dir.path());
    let mut driver = Driver::<Desk>::new(&config).expect("a desk");
    assert_eq!(decide(&mut driver, &records, u64::MAX), replayed.events);
    let hash = driver.state_hash().expect("a hash");
    assert_eq!(hash, replayed.state_hash, "deciding from memory and replaying end in one state");
    print_result("desk", hash.into());

    let mut group = criterion.benchmark_group("desk");
    group.throughput(Throughput::Elements(1));
    group.bench_function("event", |bencher| bencher.iter_custom(|count| timed(&config, &records, count)));
    group.bench_function("record replayed and compared", |bencher| {
        bencher.iter_custom(|count| followed(&config, &records, count));
    });
    group.finish();
}
