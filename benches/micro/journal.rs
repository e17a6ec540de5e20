//! An append to the journal, with its checksum, into pages that are there: what the helper does is done in between,
//! untimed. And what the helper's hash chain costs for each record.

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use pricewright::journal::{
    Chainer, JournalConfig, Preallocator, Reader, RunIdentity, Writer, segment_indices, segment_path,
};
use pricewright_core::kernel::{Cell, MAX_CELLS, Nanos, Record, RecordRef, SourceId, write_record};

use crate::support::{hash_record, order_add, print_result, replace_order};

/// Appends between two turns of the helper: less than what is faulted in ahead.
const RUN: u64 = 16_384;

fn open(dir: &Path) -> (Writer, Preallocator) {
    let config = JournalConfig { segment_size: 16 << 20, ..JournalConfig::default() };
    let (writer, preallocator, _) =
        Writer::open(dir, &config, &RunIdentity::default()).expect("a new journal");
    (writer, preallocator)
}

/// The helper's part, and no more segments than are needed.
fn settle(dir: &Path, preallocator: &mut Preallocator) {
    while preallocator.poll() > 0 {}
    let indices = segment_indices(dir).expect("segments");
    for old in indices.iter().rev().skip(4) {
        std::fs::remove_file(segment_path(dir, *old)).expect("a segment to remove");
    }
}

fn laid(record: &impl Record) -> [Cell; MAX_CELLS] {
    let mut cells = [Cell::ZERO; MAX_CELLS];
    write_record(&mut cells, record, SourceId(1), 0);
    cells
}

fn check() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut writer, _preallocator) = open(dir.path());
    for number in 0..1_000 {
        let now = Nanos(1_000 + number as i64);
        writer.append_record(&order_add(number), SourceId(1), 0, now, 0).expect("room");
        writer.append_record(&replace_order(number), SourceId(0), 0, now, 1).expect("room");
    }
    writer.close().expect("closed");
    let mut reader = Reader::open(dir.path()).expect("the journal");
    let (mut hasher, mut count) = (blake3::Hasher::new(), 0);
    while let Some(record) = reader.next_record().expect("undamaged") {
        hash_record(&mut hasher, record);
        count += 1;
    }
    assert_eq!(count, 2_000);
    print_result("journal", hasher.finalize());
}

fn timed(cells: &[Cell], count: u64) -> Duration {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut writer, mut preallocator) = open(dir.path());
    let record = RecordRef::first_of(cells).expect("a whole record");
    let (mut left, mut took) = (count, Duration::ZERO);
    while left > 0 {
        settle(dir.path(), &mut preallocator);
        let run = left.min(RUN);
        let start = Instant::now();
        for _ in 0..run {
            std::hint::black_box(writer.append(record, Nanos(1), 0).expect("room"));
        }
        took += start.elapsed();
        left -= run;
    }
    assert_eq!(writer.last_seq(), count);
    took
}

/// What the helper needs to chain the records that were appended: it reads, verifies, tags and hashes them, and writes the
/// side file.
fn timed_chain(cells: &[Cell], count: u64) -> Duration {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut writer, mut preallocator) = open(dir.path());
    let mut chainer = Chainer::open(dir.path()).expect("a chain");
    let record = RecordRef::first_of(cells).expect("a whole record");
    let (mut left, mut took) = (count, Duration::ZERO);
    while left > 0 {
        settle(dir.path(), &mut preallocator);
        let run = left.min(RUN);
        for _ in 0..run {
            writer.append(record, Nanos(1), 0).expect("room");
        }
        let start = Instant::now();
        chainer.catch_up().expect("undamaged");
        took += start.elapsed();
        left -= run;
    }
    took
}

pub(crate) fn benches(criterion: &mut Criterion) {
    check();
    let mut group = criterion.benchmark_group("journal, append");
    let one = laid(&order_add(7));
    let two = laid(&replace_order(7));
    group.throughput(Throughput::Bytes(64));
    group.bench_function("64 B", |bencher| bencher.iter_custom(|count| timed(&one, count)));
    group.throughput(Throughput::Bytes(128));
    group.bench_function("128 B", |bencher| bencher.iter_custom(|count| timed(&two, count)));
    group.finish();
    let mut group = criterion.benchmark_group("journal, chain");
    group.throughput(Throughput::Bytes(64));
    group.bench_function("64 B", |bencher| bencher.iter_custom(|count| timed_chain(&one, count)));
    group.throughput(Throughput::Bytes(128));
    group.bench_function("128 B", |bencher| bencher.iter_custom(|count| timed_chain(&two, count)));
    group.finish();
}
