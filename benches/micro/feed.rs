//! A MoldUDP64 packet of ITCH messages to records: receiver, decoder and locate codes, into a buffer.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use pricewright::harness::in_memory::{Market, OPENING, Packets};
use pricewright_core::kernel::{InstrumentId, RecordBuf, SourceId};
use pricewright_feeds::nasdaq::itch::market;
use pricewright_feeds::nasdaq::market_data::{MarketData, MarketDataConfig};
use pricewright_feeds::nasdaq::moldudp64::ReceiverConfig;
use pricewright_feeds::nasdaq::{InstrumentSpec, SessionDay};

use crate::support::{hash_record, print_result};

const SYMBOL: &str = "PRCA";
/// Cells that the records of the largest packet fit in.
const CELLS: usize = 4096;

fn packets() -> Packets {
    let market = Market { seed: 1, rate: 50_000, messages: 50_000, symbols: vec![SYMBOL.to_owned()] };
    Packets::generate(&market).expect("a market")
}

fn feed() -> MarketData {
    MarketData::new(MarketDataConfig {
        source: SourceId(1),
        instruments: vec![InstrumentSpec { id: InstrumentId(0), symbol: SYMBOL.to_owned(), tick_e4: 1 }],
        day: SessionDay::fixed(OPENING.0 - OPENING.0.rem_euclid(86_400_000_000_000)),
        receiver: ReceiverConfig { lines: 1, ..ReceiverConfig::default() },
        sessions: Vec::new(),
        market: market::NASDAQ,
        resume: None,
        recovery: None,
        lost: Vec::new(),
    })
    .expect("an instrument that can be used")
}

fn check(packets: &Packets) {
    let (mut feed, mut records, mut hasher) =
        (feed(), RecordBuf::with_capacity(CELLS), blake3::Hasher::new());
    for index in 0..packets.len() {
        let (at, bytes) = packets.get(index).expect("a packet");
        records.clear();
        assert!(feed.on_packet(0, bytes, at, &mut records).is_ok());
        records.iter().for_each(|record| hash_record(&mut hasher, record));
    }
    let next = feed.position().map(|position| position.next_sequence);
    assert_eq!(next, Some(packets.messages() + 1), "every message was looked at");
    print_result("feed", hasher.finalize());
}

fn timed(packets: &Packets, count: u64) -> Duration {
    let (mut left, mut took) = (count, Duration::ZERO);
    let mut records = RecordBuf::with_capacity(CELLS);
    while left > 0 {
        let mut feed = feed();
        let run = left.min(packets.len() as u64);
        let start = Instant::now();
        for index in 0..run as usize {
            records.clear();
            if let Some((at, bytes)) = packets.get(index) {
                std::hint::black_box(feed.on_packet(0, bytes, at, &mut records).is_ok());
            }
        }
        took += start.elapsed();
        left -= run;
    }
    took
}

pub(crate) fn benches(criterion: &mut Criterion) {
    let packets = packets();
    check(&packets);
    let mut group = criterion.benchmark_group("feed");
    group.throughput(Throughput::Elements(1));
    group.bench_function("ITCH packet to records", |bencher| {
        bencher.iter_custom(|count| timed(&packets, count));
    });
    group.finish();
}
