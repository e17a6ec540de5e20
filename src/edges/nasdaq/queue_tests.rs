use std::net::UdpSocket;
use std::time::{Duration, Instant};

use pricewright_core::kernel::RecordBuf;
use pricewright_core::kernel::table::Mark;
use pricewright_feeds::nasdaq::moldudp64::PacketBuilder;

use super::*;
use crate::clock::tsc_clock;

/// How long a datagram may take over loopback on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A feed of one line on a free port, and where that is.
fn feed() -> (NasdaqFeed, SocketAddrV4) {
    let text = "lines = [\"127.0.0.1:0\"]\nrerequest = \"127.0.0.1:9\"";
    let settings: Settings = toml::from_str(text).expect("settings");
    let feed = NasdaqFeed::open(
        &settings,
        &DisplayUnits::default(),
        &Resume::default(),
        pricewright_feeds::nasdaq::SessionDay::fixed(0),
        None,
    )
    .expect("sockets");
    let line = feed.lines[0].socket.local_addr();
    (feed, line)
}

/// A packet of one ITCH message: start of messages (System Event, 12 bytes, ITCH 5.0).
fn packet(first: u64) -> Vec<u8> {
    let mut packet = PacketBuilder::new(1_400);
    assert!(packet.push(&[b'S', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'O']));
    packet.finish(SessionId::new("DAY1").expect("a session"), first).to_vec()
}

/// A datagram that waits in the socket while the engine is busy elsewhere: its mark says for how long, by the kernel's stamp.
#[test]
fn a_mark_says_how_long_its_packet_waited_in_the_kernel() {
    let (mut feed, line) = feed();
    let (mut clock, _calibrator) = tsc_clock(None);
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut records = RecordBuf::with_capacity(1 << 12);
    let mut marks = Vec::new();
    let begin = Instant::now();
    for (number, pause) in [(1, 0), (2, 60)] {
        // The socket is empty now, and known to be.
        feed.poll(&mut clock, &mut records, 64).expect("a poll");
        feed.poll(&mut clock, &mut records, 64).expect("a poll");
        sender.send_to(&packet(number), line).expect("sent");
        std::thread::park_timeout(Duration::from_millis(pause));
        while marks.len() < number as usize {
            assert!(begin.elapsed() < PATIENCE, "the packet does not come");
            feed.poll(&mut clock, &mut records, 64).expect("a poll");
            marks.extend(records.iter().filter_map(|record| record.get::<Mark>().copied()));
            records.clear();
        }
    }
    assert!(marks[0].queued_ns > 0, "the kernel stamps: {marks:?}");
    assert!(marks[1].queued_ns >= 55_000_000, "60 ms: {marks:?}");
    assert_eq!(marks[1].arrived(), Nanos(marks[1].received.0 - i64::from(marks[1].queued_ns)));
}

/// A clock that is an hour from the wall clock, as after a step that it has not followed.
struct Stepped(Nanos);

impl Clock for Stepped {
    fn now(&mut self) -> Nanos {
        self.0 += Nanos(1_000);
        self.0
    }

    fn since_wall(&self, _wall: Nanos) -> Option<i64> {
        Some(3_600_000_000_000)
    }
}

#[test]
fn a_step_of_the_wall_clock_is_no_lag_and_is_counted() {
    let (mut feed, line) = feed();
    let mut clock = Stepped(Nanos::from_secs(1_000));
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut records = RecordBuf::with_capacity(1 << 12);
    let begin = Instant::now();
    feed.poll(&mut clock, &mut records, 64).expect("a poll");
    feed.poll(&mut clock, &mut records, 64).expect("a poll");
    sender.send_to(&packet(1), line).expect("sent");
    let mark = loop {
        assert!(begin.elapsed() < PATIENCE, "the packet does not come");
        feed.poll(&mut clock, &mut records, 64).expect("a poll");
        if let Some(mark) = records.iter().find_map(|record| record.get::<Mark>().copied()) {
            break mark;
        }
    };
    assert!((1..100_000).contains(&mark.queued_ns), "since the poll before, not an hour: {mark:?}");
    assert_eq!(feed.monitor().read().odd_stamps, 1);
}
