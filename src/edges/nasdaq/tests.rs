use std::net::UdpSocket;
use std::time::Instant;

use pricewright_core::kernel::table::FeedHealth;
use pricewright_core::kernel::{HealthReason, InstrumentUnits, RecordBuf};
use pricewright_feeds::nasdaq::moldudp64::{PacketBuilder, heartbeat};

use super::*;
use crate::clock::ManualClock;

const SESSION: SessionId = pricewright_feeds::nasdaq::Alpha(*b"20261121A ");

/// A feed of one line on loopback, and where that line is.
struct Bench {
    feed: NasdaqFeed,
    clock: ManualClock,
    records: RecordBuf,
    line: SocketAddrV4,
}

impl Bench {
    fn new(extra: &str) -> Self {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let line = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let text = format!("lines = [\"{line}\"]\nrerequest = \"127.0.0.1:9\"\nsilence_ms = 3000\n{extra}");
        let settings: Settings = toml::from_str(&text).unwrap();
        let instrument = InstrumentUnits { symbol: "DEMO".to_owned(), tick_units: 1, decimals: 4, lot: 1 };
        let units = DisplayUnits { instruments: vec![instrument], ..DisplayUnits::default() };
        let feed =
            NasdaqFeed::open(&settings, &units, &Resume::default(), SessionDay::fixed(0), None).unwrap();
        let clock = ManualClock::new(Nanos::from_secs(1000));
        Self { feed, clock, records: RecordBuf::with_capacity(1 << 16), line }
    }

    fn poll(&mut self) {
        self.feed.poll(&mut self.clock, &mut self.records, 64).unwrap();
    }

    /// Sends a datagram from `from`, and polls until the feed has received or refused it.
    fn send(&mut self, from: &UdpSocket, packet: &[u8]) {
        let taken = |feed: &NasdaqFeed| feed.market.line_counters().packets + feed.senders.refused;
        let (before, start) = (taken(&self.feed), Instant::now());
        from.send_to(packet, self.line).unwrap();
        while taken(&self.feed) == before {
            assert!(start.elapsed().as_secs() < 60, "a datagram on loopback does not arrive");
            self.poll();
        }
    }

    fn health(&self) -> Vec<(Health, HealthReason)> {
        let told = self.records.iter();
        told.filter_map(|record| record.get::<FeedHealth>().map(|told| (told.health, told.reason))).collect()
    }
}

fn data(sequence: u64) -> Vec<u8> {
    let mut builder = PacketBuilder::new(1400);
    // A market-wide message that leaves no record: Y is 20 bytes long.
    let mut message = [0; 20];
    message[0] = b'Y';
    assert!(builder.push(&message));
    builder.finish(SESSION, sequence).to_vec()
}

#[test]
fn packets_of_senders_that_are_not_named_are_refused_and_counted() {
    let mut bench = Bench::new("sources = [\"127.0.0.2\"]");
    let (ours, stranger) = (UdpSocket::bind("127.0.0.2:0").unwrap(), UdpSocket::bind("127.0.0.3:0").unwrap());
    bench.send(&stranger, &data(1));
    assert_eq!((bench.health(), bench.feed.market.position()), (vec![], None));
    bench.send(&ours, &data(1));
    bench.send(&stranger, &data(2));
    assert_eq!(bench.feed.market.position().map(|position| position.next_sequence), Some(2));
    let counts = bench.feed.monitor().read();
    assert_eq!((counts.packets, counts.refused), (1, 2));
    assert!(counts.complaint().is_some_and(|text| text.contains("2 datagrams of senders")));
}

#[test]
fn forged_sessions_and_sequences_on_the_wire_change_nothing() {
    let mut bench = Bench::new("");
    let from = UdpSocket::bind("127.0.0.1:0").unwrap();
    bench.send(&from, &data(1));
    let forged = [b"AAAAAAAAAA", b"BBBBBBBBBB", b"CCCCCCCCCC"];
    for session in forged {
        bench.send(&from, &heartbeat(pricewright_feeds::nasdaq::Alpha(*session), u64::MAX));
    }
    bench.send(&from, &heartbeat(SESSION, 1 << 63));
    bench.send(&from, &data(2));
    assert_eq!(bench.health(), [(Health::VALID, HealthReason::START)]);
    let counts = bench.feed.monitor().read();
    assert_eq!((counts.packets, counts.disbelieved, counts.requests), (6, 4, 0));
}

#[test]
fn a_line_on_which_nothing_ever_comes_is_silent() {
    let mut bench = Bench::new("");
    bench.poll();
    bench.clock.advance(Nanos::from_millis(2_999));
    bench.poll();
    assert_eq!(bench.health(), []);
    bench.clock.advance(Nanos::from_millis(1));
    bench.poll();
    assert_eq!(bench.health(), [(Health::STALE, HealthReason::SILENCE)]);
}
