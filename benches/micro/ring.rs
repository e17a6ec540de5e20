//! One record pushed and popped on the same thread: what a ring costs without the trip between cores.

use criterion::{Criterion, Throughput};
use pricewright::ring::ring;
use pricewright_core::kernel::table::OrderAdd;
use pricewright_core::kernel::{Record as _, RecordSink as _, SourceId};

use crate::support::{hash_record, order_add, print_result, replace_order};

const CELLS: usize = 1 << 12;

fn check() {
    let (mut producer, mut consumer) = ring(CELLS);
    let mut hasher = blake3::Hasher::new();
    for number in 0..10_000 {
        assert!(producer.put(&order_add(number), SourceId(1), 0).is_ok());
        let record = consumer.peek().expect("it was just pushed");
        assert_eq!(record.get::<OrderAdd>(), Some(&order_add(number)));
        hash_record(&mut hasher, record);
        assert!(consumer.advance());
    }
    print_result("ring", hasher.finalize());
}

pub(crate) fn benches(criterion: &mut Criterion) {
    check();
    let mut group = criterion.benchmark_group("ring, push and pop on one thread");
    group.throughput(Throughput::Elements(1));
    let (mut producer, mut consumer) = ring(CELLS);
    group.bench_function("64 B", |bencher| {
        let record = order_add(7);
        bencher.iter(|| {
            let pushed = producer.put(&record, SourceId(1), 0).is_ok();
            let kind = consumer.peek().map(|record| record.header().kind);
            (pushed, kind, consumer.advance())
        });
    });
    assert_eq!(pricewright_core::kernel::table::ReplaceOrder::CELLS, 2);
    group.bench_function("128 B", |bencher| {
        let record = replace_order(7);
        bencher.iter(|| {
            let pushed = producer.put(&record, SourceId(1), 0).is_ok();
            let kind = consumer.peek().map(|record| record.header().kind);
            (pushed, kind, consumer.advance())
        });
    });
    group.finish();
}
