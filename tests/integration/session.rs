//! A trading session in memory: the simulated exchange, a desk, lossy lines and a venue session between them, in virtual
//! time. What the desk receives becomes a recording; what it journals is gathered by a naive twin of the pipeline: one
//! loop, no rings, no threads, no journal.
//!
//! Latencies are multiples of 20 µs, so that answers, market data and timers often fall on the same stamp.

use std::collections::BTreeMap;
use std::path::Path;

use pricewright::config::{ConfigText, PipelineConfig};
use pricewright::edges::assemble::session_day;
use pricewright::edges::nasdaq::market_data;
use pricewright::edges::ouch::order_entry;
use pricewright::edges::recorder::VENUE_LINE;
use pricewright::io::recording::{PacketKind, PacketWriter, RecordedPacket};
use pricewright::pipeline::resume::Resume;
use pricewright::sim::exchange::{AccountId, Exchange, Source as Market};
use pricewright::sim::faults::{FaultRates, FaultyLine};
use pricewright_core::kernel::table::Operator;
use pricewright_core::kernel::{
    Driver, EndReason, EventRef, Machine as _, Nanos, NoProbe, OperatorCommand, RecordBuf, RecordRef,
    RecordSink as _, SourceId, Step, flags,
};
use pricewright_feeds::nasdaq::market_data::MarketData;
use pricewright_feeds::nasdaq::moldudp64::{Responder, Sender};
use pricewright_feeds::nasdaq::order_entry::OrderEntry;
use pricewright_feeds::nasdaq::soupbintcp::{
    Deframer, OutBuffer, Packet, Password, ServerConfig, ServerEvent, ServerSession,
};
use pricewright_feeds::nasdaq::{Alpha, MessageStore as _, SessionId, Symbol};
use pricewright_strategies::trading::Desk;

/// 2026-01-05 14:30:00 UTC.
const START: Nanos = Nanos(1_767_623_400_000_000_000);
const STEP: Nanos = Nanos(200_000);
const POLL: Nanos = Nanos(1_000_000);
const SECONDS: i64 = 10;
const MAX_PACKET: usize = 1400;
const RATES: FaultRates = FaultRates { loss: 0.015, duplicate: 0.01, reorder: 0.01 };
/// The fewest cells that a configuration may give a ring, so that rings are full again and again.
const RING_CELLS: usize = 4096;

/// The first is the example's.
pub(crate) const SYMBOLS: [&str; 6] = ["DEMO", "OTHER", "THIRD", "FOURTH", "FIFTH", "SIXTH"];

/// What a record says, its sequence and check aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) kind: u16,
    pub(crate) version: u8,
    pub(crate) flags: u8,
    pub(crate) source: u16,
    pub(crate) cause: u16,
    pub(crate) now: Nanos,
    pub(crate) payload: Vec<u8>,
}

/// A session that was made.
pub(crate) struct Session {
    /// The desk's configuration.
    pub(crate) config: String,
    /// Events and decisions, as the naive twin has them.
    pub(crate) records: Vec<Kept>,
}

impl Kept {
    pub(crate) fn of(record: RecordRef<'_>) -> Self {
        let header = record.header();
        Self {
            kind: header.kind,
            version: header.version,
            flags: header.flags,
            source: header.source.0,
            cause: header.cause,
            now: header.now,
            payload: record.payload().to_vec(),
        }
    }
}

impl Session {
    /// Plays a session and writes what the desk received to `path`.
    pub(crate) fn make(seed: u64, path: &Path) -> Self {
        // Bids in five shares that may not be sold short, and both sides of the sixth, are one more than may be open: the
        // gate refuses in every session.
        let config = desk_config().replace("max_open_orders = 16", "max_open_orders = 6");
        assert_ne!(config, desk_config());
        let mut world = World::new(seed, &config);
        let end = START + Nanos::from_secs(SECONDS);
        let mut now = START;
        while now < end {
            world.venue.step(now, &mut world.wire);
            now += STEP;
            world.desk_until(now);
        }
        world.end(end);
        world.write(path);
        Self { config, records: world.desk.records }
    }
}

/// The example's desk, quicker, with more shares and small rings.
pub(crate) fn desk_config() -> String {
    let text = include_str!("../../strategies/trading/desk.toml");
    let swap = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "the example has {from:?}");
        text.replace(from, to)
    };
    let text = swap(text.to_owned(), "min_quote_age_ms = 20", "min_quote_age_ms = 2");
    let text = swap(text, "topology = \"auto\"", &format!("ring_cells = {RING_CELLS}\ntopology = \"auto\""));
    let text = swap(text, "duplicate_window_ms = 5", "duplicate_window_ms = 3");
    let more = SYMBOLS.iter().skip(1).map(|symbol| {
        format!(
            "\n[[config.instruments]]\nsymbol = \"{symbol}\"\ntick_size = \"0.0001\"\nincrement = 100\n\
             tick_value = 1\ncurrency = \"USD\"\ncurrency_decimals = 4\n"
        )
    });
    text + &more.collect::<String>()
}

/// Everything on its way, and everything that arrived.
#[derive(Default)]
struct Wire {
    /// By time, then venue before data, then line, then as sent.
    to_desk: BTreeMap<(Nanos, u8, u16, u64), Vec<u8>>,
    sent: u64,
    orders: Vec<u8>,
    requests: Vec<Vec<u8>>,
    received: Vec<(Nanos, u16, PacketKind, Vec<u8>)>,
}

impl Wire {
    fn deliver(&mut self, at: Nanos, line: u16, bytes: &[u8]) {
        let source = u8::from(line != VENUE_LINE);
        self.sent += 1;
        self.to_desk.insert((at, source, line, self.sent), bytes.to_vec());
    }
}

struct Venue {
    exchange: Exchange,
    sender: Sender,
    lines: Vec<FaultyLine>,
    next: u64,
    responder: Responder,
    session: ServerSession,
    deframer: Deframer,
    out: OutBuffer,
    account: Option<AccountId>,
    cuts: u64,
}

impl Venue {
    fn new(seed: u64) -> Self {
        let symbols = SYMBOLS.map(|text| Symbol::new(text).expect("a symbol")).to_vec();
        let mut exchange = Exchange::new(Market::Flow { seed, rate: 8_000, symbols }, START);
        exchange.open(START);
        let session_id = SessionId::new("S000000001").expect("a name");
        Self {
            exchange,
            sender: Sender::new(session_id, 1, MAX_PACKET, Nanos::from_secs(1)),
            lines: (0..2).map(|line| FaultyLine::new(seed, line, RATES)).collect(),
            next: 1,
            responder: Responder::new(session_id, MAX_PACKET),
            session: ServerSession::new(server(session_id), START),
            deframer: Deframer::new(1 << 16),
            out: OutBuffer::new(1 << 18),
            account: None,
            cuts: seed,
        }
    }

    fn step(&mut self, now: Nanos, wire: &mut Wire) {
        self.exchange.advance(now).expect("generated flow goes on");
        self.take_orders(now, wire);
        self.publish(now, wire);
        for request in std::mem::take(&mut wire.requests) {
            if let Some(answer) = self.responder.respond(&request, self.exchange.tape()).expect("a request") {
                wire.deliver(now + Nanos(80_000), 2, answer);
            }
        }
        self.answer(now, wire);
    }

    fn take_orders(&mut self, now: Nanos, wire: &mut Wire) {
        let orders = std::mem::take(&mut wire.orders);
        self.deframer.spare()[..orders.len()].copy_from_slice(&orders);
        self.deframer.commit(orders.len());
        while let Some(packet) = self.deframer.packet().expect("whole packets") {
            if let Packet::LoginRequest(login) = packet {
                self.account = self.exchange.log_in(login.username, login.password);
            }
            let account = self.account.expect("a login comes first");
            let end = self.exchange.answers(account).expect("an account").next_sequence();
            match self.session.on_packet(packet, end, now, &mut self.out).expect("in place") {
                ServerEvent::Message(bytes) => self.exchange.request(account, bytes),
                ServerEvent::Refused(reason) => panic!("refused: {reason}"),
                _ => {}
            }
        }
    }

    fn publish(&mut self, now: Nanos, wire: &mut Wire) {
        let Self { exchange, sender, lines, next, .. } = self;
        let mut emit = |packet: &[u8]| {
            for (line, faults) in (0u16..).zip(lines.iter_mut()) {
                let at = now + Nanos(40_000 + 20_000 * i64::from(line));
                faults.pass(packet, &mut |bytes| {
                    wire.deliver(at, line, bytes);
                    true
                });
            }
        };
        for message in exchange.tape().from(*next) {
            sender.push(message, now, &mut emit).expect("a short message");
        }
        *next = exchange.tape().next_sequence();
        sender.poll(now, &mut emit);
    }

    /// Answers leave in pieces that end anywhere.
    fn answer(&mut self, now: Nanos, wire: &mut Wire) {
        self.session.poll(now, &mut self.out).expect("the desk is not silent");
        if let Some(answers) = self.account.and_then(|account| self.exchange.answers(account)) {
            self.session.pump(answers, now, &mut self.out);
        }
        let mut pending = self.out.pending();
        let mut at = now + Nanos(60_000);
        while !pending.is_empty() {
            // Knuth's MMIX generator: any cuts will do, the same ones for a seed.
            self.cuts =
                self.cuts.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (piece, rest) = pending.split_at(pending.len().min(1 + (self.cuts >> 33) as usize % 200));
            wire.deliver(at, VENUE_LINE, piece);
            at += Nanos(if self.cuts >> 63 == 0 { 0 } else { 20_000 });
            pending = rest;
        }
        self.out.consume(self.out.pending().len());
    }
}

fn server(session: SessionId) -> ServerConfig {
    ServerConfig { username: Alpha::new("DESK1").expect("a name"), password: Password(Alpha::BLANK), session }
}

/// The pipeline in its plainest form.
struct Twin {
    market: MarketData,
    entry: OrderEntry,
    driver: Driver<Desk>,
    answers: RecordBuf,
    records: Vec<Kept>,
    seq: u64,
    polled: Nanos,
}

impl Twin {
    fn new(text: &str) -> Self {
        let text = ConfigText { path: "test".to_owned(), text: text.to_owned() };
        let config: PipelineConfig<_> = text.pipeline::<Desk>().expect("a good configuration");
        let units = Desk::units(&config.config);
        let day = session_day("", &config.venue).expect("a zone");
        let feed = config.feed.nasdaq.as_ref().expect("a feed");
        let session = config.gateway.ouch.as_ref().expect("a session");
        // The run's first records: its start, and the configuration in parts of 984 bytes.
        let first = 1 + config.canonical().expect("text").len().div_ceil(984) as u64;
        Self {
            market: market_data(feed, &units, &Resume::default(), day.clone()).expect("a feed"),
            entry: order_entry(session, &units, &Resume::default(), day).expect("a session"),
            driver: Driver::new(&config.config).expect("a desk"),
            answers: RecordBuf::default(),
            records: Vec::new(),
            seq: first,
            polled: START,
        }
    }

    fn ingest(&mut self, now: Nanos, record: RecordRef<'_>) {
        self.seq += 1;
        self.records.push(Kept { now, cause: 0, ..Kept::of(record) });
        let event = EventRef::of(&record).expect("an event");
        assert_eq!(self.driver.step(now, event, &mut NoProbe), Step::Done);
        let mut decisions = RecordBuf::default();
        self.driver.decisions().for_each(|decision| decisions.push(decision).expect("room"));
        for (cause, decision) in (1..).zip(decisions.iter()) {
            self.seq += 1;
            self.records.push(Kept { now, cause, ..Kept::of(decision) });
            let decision = pricewright_core::kernel::DecisionRef::of(&decision).expect("a decision");
            // What cannot leave is reported, and the report is what is compared.
            let _reported = self.entry.on_decision(now, self.seq, decision, &mut self.answers);
        }
    }

    fn own<R: pricewright_core::kernel::Record>(&mut self, now: Nanos, event: &R, event_flags: u8) {
        let mut own = RecordBuf::default();
        own.put(event, SourceId(0), event_flags).expect("room");
        own.iter().for_each(|record| self.ingest(now, record));
    }

    fn command(&mut self, now: Nanos, command: OperatorCommand, argument: i64, operator: &str) {
        self.own(now, &Operator::says(operator, command, argument), 0);
    }

    fn settle(&mut self, now: Nanos) {
        loop {
            self.entry.on_poll(now, &mut self.answers).expect("the venue is not silent");
            let answers = std::mem::take(&mut self.answers);
            if answers.is_empty() {
                return;
            }
            answers.iter().for_each(|record| self.ingest(now, record));
        }
    }

    fn take_all(&mut self, now: Nanos, records: &RecordBuf) {
        for record in records.iter() {
            self.ingest(now, record);
            self.settle(now);
        }
    }

    /// The next timer before `limit`, at its deadline.
    fn fire(&mut self, limit: Nanos) -> Option<Nanos> {
        let deadline = self.driver.next_deadline().filter(|deadline| *deadline < limit)?;
        let at = deadline.max(self.driver.now());
        let timer = self.driver.due(at).expect("it is due");
        self.own(at, &timer, flags::RESPONSE);
        self.settle(at);
        Some(at)
    }

    fn packet(&mut self, now: Nanos, line: u16, bytes: &[u8]) {
        match line {
            VENUE_LINE if bytes.is_empty() => self.entry.on_connected(now).expect("room"),
            VENUE_LINE => {
                self.entry.spare()[..bytes.len()].copy_from_slice(bytes);
                self.entry.on_received(bytes.len(), now, &mut self.answers).expect("a good stream");
            }
            line => {
                let mut records = RecordBuf::default();
                self.market.on_packet(line, bytes, now, &mut records).expect("room");
                self.market.on_poll(now, &mut records);
                self.polled = now;
                self.take_all(now, &records);
            }
        }
        self.settle(now);
    }

    fn poll(&mut self, now: Nanos) {
        let mut records = RecordBuf::default();
        self.market.on_poll(now, &mut records);
        self.polled = now;
        self.take_all(now, &records);
    }
}

struct World {
    venue: Venue,
    wire: Wire,
    desk: Twin,
}

impl World {
    fn new(seed: u64, config: &str) -> Self {
        let mut world = Self { venue: Venue::new(seed), wire: Wire::default(), desk: Twin::new(config) };
        world.desk.command(START, OperatorCommand::START, 0, "pricewright");
        world.wire.deliver(START, VENUE_LINE, &[]);
        world
    }

    /// Everything at the desk before `limit`, by time; at one time the venue, the lines, then timers.
    fn desk_until(&mut self, limit: Nanos) {
        loop {
            let packet = self.wire.to_desk.first_key_value().map(|(key, _)| *key);
            let packet = packet.filter(|(at, ..)| *at < limit);
            let poll = self.desk.polled + POLL;
            let polls = poll < packet.map_or(limit, |(at, ..)| at);
            let at = if polls { Some(poll) } else { packet.map(|(at, ..)| at) };
            if let Some(now) = self.desk.fire(at.unwrap_or(limit)) {
                self.collect(now);
                continue;
            }
            match (polls, packet) {
                (true, _) => {
                    self.desk.poll(poll);
                    self.collect(poll);
                }
                (false, Some(key)) => self.receive(key),
                (false, None) => return,
            }
        }
    }

    fn receive(&mut self, key: (Nanos, u8, u16, u64)) {
        let (now, _, line, _) = key;
        let bytes = self.wire.to_desk.remove(&key).expect("it was seen");
        self.desk.packet(now, line, &bytes);
        let kind = if line == VENUE_LINE { PacketKind::Stream } else { PacketKind::Datagram };
        self.wire.received.push((now, line, kind, bytes));
        self.collect(now);
    }

    /// What the desk sends reaches the venue with its next step.
    fn collect(&mut self, now: Nanos) {
        self.wire.orders.extend_from_slice(self.desk.entry.output());
        let sent = self.desk.entry.output().len();
        self.desk.entry.consume(sent);
        while let Some(request) = self.desk.market.next_request(now) {
            self.wire.requests.push(request.to_vec());
        }
    }

    /// The last packet, and the pipeline's end behind it.
    fn end(&mut self, end: Nanos) {
        let last = end + STEP;
        let wire = &mut self.wire;
        self.venue.sender.end(end, &mut |packet| wire.deliver(last, 0, packet));
        self.desk_until(last + Nanos(1));
        assert!(self.wire.to_desk.is_empty(), "everything was received");
        let reason = EndReason::END_OF_INPUT;
        self.desk.command(last, OperatorCommand::STOP, i64::from(reason.0), reason.name());
        let answers = std::mem::take(&mut self.desk.answers);
        answers.iter().for_each(|record| self.desk.ingest(last, record));
    }

    /// Writes the recording as two threads might have: the lines of a while, then the venue's bytes of that while.
    fn write(&self, path: &Path) {
        let mut writer = PacketWriter::create(path).expect("a file");
        for part in self.wire.received.chunks(50) {
            for wanted in [PacketKind::Datagram, PacketKind::Stream] {
                for (received, line, kind, bytes) in part.iter().filter(|(_, _, kind, _)| *kind == wanted) {
                    let (received, line, kind) = (*received, *line, *kind);
                    let packet = RecordedPacket { received, line, kind, queued_ns: 0, bytes };
                    writer.write(&packet).expect("written");
                }
            }
        }
        writer.finish().expect("written");
    }
}
