use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use pricewright_core::kernel::{InstrumentId, Lots, Nanos, Side, Ticks};
use pricewright_core::market::book::naive::NaiveBooks;
use pricewright_core::market::book::{BookStore, Books};
use pricewright_feeds::nasdaq::itch::{FileReader, Message, decode};
use pricewright_feeds::nasdaq::moldudp64::recovery::{Batch, Subscriber, Transition};
use pricewright_feeds::nasdaq::moldudp64::{Receiver, ReceiverConfig};
use pricewright_feeds::nasdaq::soupbintcp::{
    ClientConfig, ClientEvent, ClientSession, Deframer, OutBuffer, Password,
};
use pricewright_feeds::nasdaq::{Alpha, SessionId};

mod snapshots;

use super::{ReRequestCounters, Sim, SimAddresses, SimSummary};
use crate::clock::Clock;
use crate::io::tcp::{Received, TcpConnection};
use crate::io::udp::{self, UdpReceiver, probe_multicast};
use crate::io::wait::Waiter;
use crate::sim::config::SimConfig;
use crate::sim::exchange::{BookOrder, Counters, Exchange, Source};
use crate::sim::faults::LineCounters;
use crate::sim::testing::{PlainBook, cancel, enter, line, replace, symbol};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

fn now() -> Nanos {
    super::WallClock::default().now()
}

/// Keeps every message that a receiver delivers.
#[derive(Default)]
struct Kept {
    messages: Vec<Vec<u8>>,
}

impl Subscriber for Kept {
    fn has_room(&self, _: u16) -> bool {
        true
    }

    fn on_session(&mut self, _: SessionId, next: u64) {
        assert_eq!(next, 1, "from its beginning");
    }

    fn on_batch(&mut self, batch: Batch<'_>) {
        assert_eq!(batch.first, self.messages.len() as u64 + 1, "in order and complete");
        self.messages.extend(batch.messages.map(<[u8]>::to_vec));
    }

    fn on_transition(&mut self, _: Transition) {}
}

/// Both lines and the re-request path of an exchange, on real sockets.
struct Listener {
    receiver: Receiver,
    lines: Vec<UdpReceiver>,
    requests: UdpReceiver,
    addresses: SimAddresses,
    kept: Kept,
    waiter: Waiter,
}

impl Listener {
    fn new(addresses: &SimAddresses) -> Self {
        let open = |address| UdpReceiver::open(&udp::ReceiverConfig::new(address)).expect("a socket");
        let any = std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0);
        Self {
            receiver: Receiver::new(ReceiverConfig { lines: addresses.lines.len(), ..Default::default() }),
            lines: addresses.lines.iter().map(|line| open(*line)).collect(),
            requests: open(any),
            addresses: addresses.clone(),
            kept: Kept::default(),
            waiter: Waiter::new(),
        }
    }

    /// Receives what has come, and waits a little.
    fn poll(&mut self) {
        self.waiter.clear();
        for socket in self.lines.iter().chain([&self.requests]) {
            self.waiter.readable(socket.as_fd());
        }
        self.waiter.wait(Duration::from_millis(1)).expect("poll");
        for (number, socket) in (0..).zip(self.lines.iter_mut().chain([&mut self.requests])) {
            for packet in socket.recv_batch().expect("a batch").iter() {
                let taken = self.receiver.on_packet(number, packet.bytes, now(), &mut self.kept);
                taken.expect("there is room").expect("a packet of MoldUDP64");
            }
        }
        self.receiver.on_poll(now(), &mut self.kept);
        while let Some(request) = self.receiver.next_request(now()) {
            self.requests.send_to(&request, self.addresses.rerequest).expect("a request");
        }
    }

    /// True once the end of messages was delivered.
    fn is_complete(&self) -> bool {
        self.kept.messages.last().is_some_and(|last| last[0] == b'S' && last[11] == b'C')
    }
}

/// A participant on a real connection.
struct Participant {
    connection: TcpConnection,
    session: ClientSession,
    deframer: Deframer,
    out: OutBuffer,
    /// Answers in lines, and what became of the connection: `refused A`, `ended`, `dropped`.
    log: Vec<String>,
}

impl Participant {
    fn connect(address: SocketAddr, username: &str, password: &str, next_sequence: u64) -> Self {
        let config = ClientConfig {
            username: Alpha::new(username).expect("short"),
            password: Password(Alpha::new(password).expect("short")),
            session: SessionId::BLANK,
            next_sequence,
        };
        let mut participant = Self {
            connection: TcpConnection::connect(address, PATIENCE).expect("a connection"),
            session: ClientSession::new(config),
            deframer: Deframer::new(1 << 16),
            out: OutBuffer::new(1 << 16),
            log: Vec::new(),
        };
        participant.session.connect(now(), &mut participant.out).expect("room");
        participant.flush();
        participant
    }

    fn flush(&mut self) {
        self.connection.send(self.out.pending()).expect("sent");
        self.out.clear();
    }

    fn send(&mut self, request: &[u8]) {
        self.session.send(request, now(), &mut self.out).expect("logged in");
        self.flush();
    }

    /// Receives what has come.
    fn poll(&mut self) {
        loop {
            match self.connection.recv(self.deframer.spare()) {
                Ok(Received::Bytes(count)) => self.deframer.commit(count),
                Ok(Received::Nothing) => return,
                Ok(Received::End) | Err(_) => return self.note("dropped"),
            }
            while let Some(packet) = self.deframer.packet().expect("SoupBinTCP") {
                match self.session.on_packet(packet, now()).expect("in place") {
                    ClientEvent::Message { bytes, .. } => self.log.push(line(bytes)),
                    ClientEvent::Refused(reason) => self.log.push(format!("refused {}", char::from(reason))),
                    ClientEvent::Ended => self.log.push("ended".to_owned()),
                    _ => {}
                }
            }
        }
    }

    fn note(&mut self, what: &str) {
        if self.log.last().is_none_or(|last| last != what) {
            self.log.push(what.to_owned());
        }
    }

    /// Receives until `done`.
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        let mut waiter = Waiter::new();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "gave up waiting; so far: {:?}", self.log);
            waiter.clear();
            waiter.readable(self.connection.as_fd());
            waiter.wait(Duration::from_millis(10)).expect("poll");
            self.poll();
        }
    }

    fn until_logged(&mut self, entries: usize) {
        self.until(|participant| participant.log.len() >= entries);
    }
}

/// The same commands into any store of books.
fn rebuild<B: BookStore>(books: &mut B, messages: &[Vec<u8>]) -> Vec<BookOrder> {
    let mut symbols = std::collections::BTreeMap::new();
    for bytes in messages {
        let applied = match decode(bytes).expect("a message of ITCH 5.0") {
            Message::StockDirectory(body) => {
                symbols.insert(InstrumentId(body.header.locate.get()), body.stock);
                Ok(())
            }
            Message::AddOrder(body) => {
                let side = if body.side == b'B' { Side::Buy } else { Side::Sell };
                let (price, qty) = (Ticks(body.price.get().into()), Lots(body.shares.get().into()));
                books.add(InstrumentId(body.header.locate.get()), body.order.get(), side, price, qty)
            }
            Message::OrderExecuted(body) => {
                books.execute(body.order.get(), Lots(body.shares.get().into())).map(|_| ())
            }
            Message::OrderCancel(body) => {
                books.reduce(body.order.get(), Lots(body.shares.get().into())).map(|_| ())
            }
            Message::OrderDelete(body) => books.delete(body.order.get()).map(|_| ()),
            Message::OrderReplace(body) => {
                let (price, qty) = (Ticks(body.price.get().into()), Lots(body.shares.get().into()));
                books.replace(body.order.get(), body.new_order.get(), price, qty).map(|_| ())
            }
            _ => Ok(()),
        };
        applied.unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
    }
    let sides = symbols.keys().flat_map(|instrument| [Side::Buy, Side::Sell].map(|side| (*instrument, side)));
    let orders = sides.flat_map(|(instrument, side)| books.all_orders(instrument, side));
    orders
        .map(|view| BookOrder {
            symbol: symbols[&view.instrument],
            side: view.side,
            order: view.order,
            price: view.price,
            qty: view.qty,
        })
        .collect()
}

/// An exchange with faults everywhere, heard through both lines to its end while a participant trades.
fn lossy_session(seed: u64, multicast: bool, path: &std::path::Path) -> (SimSummary, Vec<Vec<u8>>, Listener) {
    let config = SimConfig {
        seed,
        rate: 4000,
        symbols: ["ONE", "TWO", "DEMO"].map(str::to_owned).to_vec(),
        loss: 0.05,
        duplicate: 0.03,
        reorder: 0.05,
        rerequest_loss: 0.1,
        write_itch: Some(path.to_owned()),
        ..SimConfig::embedded(multicast)
    };
    let handle = Sim::start(&config).expect("an exchange");
    let mut listener = Listener::new(handle.addresses());
    let mut participant = Participant::connect(handle.addresses().ouch, "maker", "secret", 1);
    participant.until_logged(1);
    let mut number = 0;
    let start = Instant::now();
    while !listener.is_complete() {
        assert!(start.elapsed() < PATIENCE, "seed {seed}: {:?}", listener.receiver.counters());
        listener.poll();
        participant.poll();
        // A bid and an ask around $100, replaced over and over, while the session lasts.
        if start.elapsed() < Duration::from_millis(1500) && listener.kept.messages.len() > 10 * number {
            number += 1;
            let numbers = number as u32;
            let side = if number % 2 == 0 { b'B' } else { b'S' };
            participant.send(&enter(numbers, side, 37, 1_000_000 - 100 * (number % 7) as i64, b'0'));
            if number % 3 == 0 {
                participant.send(&cancel(numbers, 0));
            }
        } else if start.elapsed() > Duration::from_millis(1700) {
            handle.stop();
        }
    }
    let summary = handle.join().expect("a summary");
    participant.until(|participant| participant.log.iter().any(|entry| entry == "ended"));
    (summary, listener.kept.messages.clone(), listener)
}

fn check_lossy_session(seed: u64, multicast: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("session.itch");
    let (summary, messages, listener) = lossy_session(seed, multicast, &path);
    assert_eq!(messages.len() as u64, summary.messages, "seed {seed}");
    assert!(summary.exchange.outside_fills > 0 && summary.rerequests.served > 0, "seed {seed}: {summary:?}");
    let counters = listener.receiver.counters();
    assert!(counters.recovered > 0 && counters.duplicates > 0, "seed {seed}: {counters:?}");
    // Three judges: one that reads bytes by the specification's offsets, and both of core's stores.
    let plain = PlainBook::of(messages.iter().map(Vec::as_slice));
    assert_eq!(plain.book(), summary.book, "seed {seed}");
    assert_eq!(rebuild(&mut NaiveBooks::new(4), &messages), summary.book, "seed {seed}");
    assert_eq!(rebuild(&mut Books::with_capacity(4, 1024, 64), &messages), summary.book, "seed {seed}");
    let file = std::fs::read(&path).expect("the written file");
    let written: Vec<&[u8]> =
        FileReader::new(&file).map(|message| message.expect("a whole file").1.as_bytes()).collect();
    assert!(written.iter().eq(messages.iter()), "seed {seed}: the file holds what was sent");
    assert_eq!((written[0][0], written[0][11]), (b'S', b'O'));
}

#[test]
fn books_from_lossy_unicast_lines_are_the_exchanges() {
    for seed in [1, 2] {
        check_lossy_session(seed, false);
    }
}

#[test]
fn books_from_lossy_multicast_lines_are_the_exchanges() {
    if !probe_multicast(std::net::Ipv4Addr::LOCALHOST) {
        println!("this machine has no multicast on loopback: covered by the unicast test alone");
        return;
    }
    check_lossy_session(3, true);
}

fn quiet_exchange() -> super::SimHandle {
    Sim::start(&SimConfig { rate: 0, ..SimConfig::embedded(false) }).expect("an exchange")
}

/// Between the exchange's choice and the desk's bind nobody else is given the port.
#[test]
fn lines_that_name_no_port_get_one_that_the_kernel_gives_to_nobody() {
    let exchanges = [quiet_exchange(), quiet_exchange()];
    let mut ports: Vec<u16> =
        exchanges.iter().flat_map(|sim| sim.addresses().lines.iter().map(|line| line.port())).collect();
    assert!(ports.iter().all(|port| (30_300..32_700).contains(port)), "{ports:?}");
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 4, "each line has its own");
    for exchange in exchanges {
        exchange.stop();
    }
}

#[test]
fn a_participant_that_comes_back_gets_what_it_missed() {
    let handle = quiet_exchange();
    let address = handle.addresses().ouch;
    let mut first = Participant::connect(address, "maker", "secret", 1);
    first.until_logged(1);
    first.send(&enter(1, b'B', 100, 900_000, b'0'));
    first.send(&enter(2, b'S', 200, 1_100_000, b'0'));
    first.send(&replace(1, 3, 150, 900_100, b'0'));
    first.until_logged(4);
    assert_eq!(first.log, ["S S", "A1 L 100@900000", "A2 L 200@1100000", "U1>3 L 150@900100"]);
    drop(first);
    let mut second = Participant::connect(address, "maker", "secret", 4);
    second.until_logged(3);
    assert_eq!(second.log, ["U1>3 L 150@900100", "C2 -200 Z", "C3 -150 Z"]);
    // Whoever logs in ends the connection before, and its orders.
    second.send(&enter(4, b'B', 100, 900_000, b'0'));
    second.until_logged(4);
    let mut third = Participant::connect(address, "MAKER", "secret", 7);
    third.until_logged(2);
    assert_eq!(third.log, ["A4 L 100@900000", "C4 -100 Z"]);
    second.until(|second| second.log.last().is_some_and(|last| last == "dropped"));
    handle.stop();
    third.until(|third| third.log.last().is_some_and(|last| last == "ended" || last == "dropped"));
    assert_eq!(third.log[2..4], ["S E", "ended"]);
    let summary = handle.join().expect("a summary");
    assert_eq!((summary.logins, summary.exchange.orders), (3, 4));
    assert_eq!(summary.book.len(), 240);
}

/// OUCH 5.0, section 2.2, on real connections: 500 entered, 100 executed; a replacement with 500 leaves 400, and one of that
/// with 600 leaves 500.
#[test]
fn a_replacement_names_the_total_of_its_chain_over_the_wire() {
    let handle = quiet_exchange();
    let address = handle.addresses().ouch;
    let symbols = vec![symbol("DEMO")];
    let mut twin = Exchange::new(Source::Flow { seed: 1, rate: 0, symbols }, now());
    twin.open(now());
    let price = twin.best(InstrumentId(0)).bid.expect("bids").price.0 + 100;
    let mut maker = Participant::connect(address, "maker", "secret", 1);
    let mut taker = Participant::connect(address, "taker", "secret", 1);
    maker.until_logged(1);
    taker.until_logged(1);
    maker.send(&enter(1, b'B', 500, price, b'0'));
    maker.until_logged(2);
    taker.send(&enter(1, b'S', 100, price, b'3'));
    maker.until_logged(3);
    maker.send(&replace(1, 2, 500, price, b'0'));
    maker.send(&replace(2, 3, 600, price, b'0'));
    maker.until_logged(5);
    let expected = [
        format!("A1 L 500@{price}"),
        format!("E1 100@{price} A"),
        format!("U1>2 L 400@{price}"),
        format!("U2>3 L 500@{price}"),
    ];
    assert_eq!(maker.log[1..], expected);
    handle.stop();
    handle.join().expect("a summary");
}

#[test]
fn logins_that_cannot_be_are_refused() {
    let handle = quiet_exchange();
    let address = handle.addresses().ouch;
    let refusal = |username, password, sequence| {
        let mut participant = Participant::connect(address, username, password, sequence);
        participant.until_logged(1);
        participant.log[0].clone()
    };
    let mut known = Participant::connect(address, "maker", "secret", 1);
    known.until_logged(1);
    // SoupBinTCP 3.00: A, not authorised; S, session not available.
    assert_eq!(refusal("maker", "guess", 1), "refused A");
    assert_eq!(refusal("", "secret", 1), "refused A");
    assert_eq!(refusal("maker", "secret", 99), "refused S");
    known.send(&enter(1, b'B', 100, 900_000, b'0'));
    known.until_logged(2);
    assert_eq!(known.log, ["S S", "A1 L 100@900000"], "refused logins disturb nobody");
    handle.stop();
    handle.join().expect("a summary");
}

#[test]
fn a_session_of_set_length_ends_by_itself() {
    let config = SimConfig { seconds: 1, rate: 100, ..SimConfig::embedded(false) };
    let summary = Sim::start(&config).expect("an exchange").join().expect("a summary");
    assert!(summary.elapsed >= Nanos::from_secs(1));
    assert!(summary.messages > 240 + 7);
    assert_eq!(summary.lines.len(), 2);
    assert_eq!(summary.lines[0].packets, summary.lines[1].packets);
    assert_eq!(summary.lines[0].lost, 0);
}

#[test]
fn a_summary_reads_as_text_and_as_json() {
    let line = LineCounters { packets: 10, lost: 1, duplicated: 2, reordered: 3, refused: 0 };
    let order = BookOrder {
        symbol: symbol("DEMO"),
        side: Side::Sell,
        order: 7,
        price: Ticks(1_000_100),
        qty: Lots(300),
    };
    let summary = SimSummary {
        session: SessionId::new("S000000001").expect("ten letters"),
        elapsed: Nanos::from_millis(1500),
        messages: 20,
        lines: vec![line, LineCounters { refused: 4, ..line }],
        rerequests: ReRequestCounters { received: 5, served: 3, lost: 1, unanswered: 1, refused: 0 },
        logins: 1,
        snapshots: 2,
        exchange: Counters { executions: 6, requests: 9, orders: 8, rejected: 1, ..Counters::default() },
        book: vec![order],
    };
    let text = "Session S000000001: 20 messages in 1.5 s, 6 executions.\n\
                Line A: 10 packets, 1 lost, 2 sent twice, 3 reordered.\n\
                Line B: 10 packets, 1 lost, 2 sent twice, 3 reordered, 4 refused by the socket.\n\
                Re-requests: 5 received, 3 served, 1 lost, 1 without answer. Snapshots: 2.\n\
                Participants: 1 logins, 9 requests, 8 orders taken, 1 refused, 0 fills.\n\
                Book at the end: 1 orders.";
    assert_eq!(summary.to_string(), text);
    let json = summary.to_json();
    assert_eq!(json["lines"][1]["refused"], 4);
    assert_eq!(
        json["book"][0].to_string(),
        r#"{"order":7,"price":"100.0100","qty":300,"side":"sell","symbol":"DEMO"}"#
    );
}

#[test]
fn a_taken_port_is_told_with_the_mend() {
    let handle = quiet_exchange();
    let config = SimConfig { ouch: handle.addresses().ouch, ..SimConfig::embedded(false) };
    let error = Sim::start(&config).expect_err("the port is taken").to_string();
    assert!(
        error.contains(&handle.addresses().ouch.to_string()) && error.contains("set another port"),
        "{error}"
    );
    handle.stop();
    handle.join().expect("a summary");
}
