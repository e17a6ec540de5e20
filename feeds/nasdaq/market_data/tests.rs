use pricewright_core::kernel::table::{ALL_INSTRUMENTS, EventRef, FeedHealth, Mark, market_flags};
use pricewright_core::kernel::{
    EventNanos, HealthReason, InstrumentId, RecordBuf, SideCode, Ticks, TradingState,
};
use zerocopy::IntoBytes;
use zerocopy::big_endian::{U32, U64};

use super::*;
use crate::nasdaq::itch::{self, Body, Header};
use crate::nasdaq::moldudp64::{PacketBuilder, decode_request, end_of_session, heartbeat};
use crate::nasdaq::testing::Bounded;
use crate::nasdaq::{Alpha, MessageLog, MessageStore};

mod directory;
mod lines;
mod snapshot;
mod unknown;

const SESSION: SessionId = Alpha(*b"20261121A ");
const NEXT_SESSION: SessionId = Alpha(*b"20261122A ");
const SOURCE: SourceId = SourceId(3);
const DAY: i64 = 1_000_000_000_000;
const ACME: InstrumentId = InstrumentId(5);

fn config() -> MarketDataConfig {
    let receiver = ReceiverConfig { patience: Nanos(10), silence: Nanos(1000), ..ReceiverConfig::default() };
    MarketDataConfig {
        source: SOURCE,
        instruments: vec![InstrumentSpec { id: ACME, symbol: "ACME".to_owned(), tick_e4: 100 }],
        day: SessionDay::fixed(DAY),
        receiver,
        sessions: Vec::new(),
        resume: None,
        recovery: None,
        lost: Vec::new(),
        market: itch::market::NASDAQ,
    }
}

fn listing(locate: u16, symbol: &str) -> Vec<u8> {
    let mut body = vec![0; itch::size_of_type(b'R').unwrap()];
    body[..11].copy_from_slice(Header::of::<itch::StockDirectory>(locate, 0, 1).as_bytes());
    body[11..19].copy_from_slice(&Alpha::<8>::new(symbol).unwrap().0);
    body
}

fn header<B: Body>(locate: u16) -> Header {
    Header::of::<B>(locate, 0, 77)
}

fn add(locate: u16, order: u64, side: u8, price: u32) -> Vec<u8> {
    let body = itch::AddOrder {
        header: header::<itch::AddOrder>(locate),
        order: U64::new(order),
        side,
        shares: U32::new(300),
        stock: Alpha::new("ACME").unwrap(),
        price: U32::new(price),
    };
    body.as_bytes().to_vec()
}

fn delete(locate: u16, order: u64) -> Vec<u8> {
    itch::OrderDelete { header: header::<itch::OrderDelete>(locate), order: U64::new(order) }
        .as_bytes()
        .to_vec()
}

fn executed_at(price: u32, printable: u8) -> Vec<u8> {
    let body = itch::OrderExecutedWithPrice {
        header: header::<itch::OrderExecutedWithPrice>(7),
        order: U64::new(1),
        shares: U32::new(40),
        match_number: U64::new(9),
        printable,
        price: U32::new(price),
    };
    body.as_bytes().to_vec()
}

fn packet_of(session: SessionId, first: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = PacketBuilder::new(1400);
    assert!(messages.iter().all(|message| builder.push(message)));
    builder.finish(session, first).to_vec()
}

struct Bench {
    feed: MarketData,
    sink: Bounded,
    sequence: u64,
}

impl Bench {
    fn new(config: MarketDataConfig) -> Self {
        let sink = Bounded { records: RecordBuf::default(), room: 100_000 };
        Self { feed: MarketData::new(config).unwrap(), sink, sequence: 1 }
    }

    /// A feed that knows ACME as locate 7 and OTHER as 8.
    fn listed() -> Self {
        let mut bench = Self::new(config());
        bench.send(&[listing(7, "ACME"), listing(8, "OTHER")]);
        bench.sink.records.clear();
        bench
    }

    fn packet(&mut self, packet: &[u8], now: i64) {
        assert_eq!(self.feed.on_packet(0, packet, Nanos(now), &mut self.sink), Ok(()));
    }

    fn send(&mut self, messages: &[Vec<u8>]) {
        let first = self.sequence;
        self.sequence += messages.len() as u64;
        self.packet(&packet_of(SESSION, first, messages), 50);
    }

    /// The records as short words: their kind and whether they end a batch.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for record in self.sink.records.iter() {
            assert_eq!((record.header().source, record.header().flags), (SOURCE, 0));
            let event = EventRef::of(&record).expect("an event");
            let last = |flags: u8| if flags & market_flags::LAST_IN_BATCH > 0 { "!" } else { "" };
            words.push(match event {
                EventRef::Define(define) => format!("define {} {}", define.id, define.text),
                EventRef::Mark(mark) => format!("mark {} {}", mark.first, mark.count),
                EventRef::FeedHealth(health) => format!("{} {}", health.health.name(), health.reason.name()),
                EventRef::BookCleared(cleared) if cleared.health == Health::STALE => {
                    format!("book {} stale {}", cleared.instrument.0, cleared.reason.name())
                }
                EventRef::BookCleared(cleared) if cleared.instrument != ALL_INSTRUMENTS => {
                    format!("book {} anew {}", cleared.instrument.0, cleared.reason.name())
                }
                EventRef::BookCleared(cleared) => {
                    format!("cleared {} {}", cleared.position, cleared.reason.name())
                }
                EventRef::Malformed(bad) => format!("malformed {} {}", bad.position, bad.reason.name()),
                EventRef::OrderAdd(add) => format!("add {}{}", add.order, last(add.flags)),
                EventRef::OrderDeleted(delete) => format!("delete {}{}", delete.order, last(delete.flags)),
                EventRef::OrderReduced(reduced) => format!("reduce {}{}", reduced.order, last(reduced.flags)),
                EventRef::OrderExecutedAt(e) => format!("executed at {}{}", e.price, last(e.flags)),
                other => format!("{other:?}"),
            });
        }
        words
    }
}

#[test]
fn the_first_packet_defines_the_session_clears_the_books_and_makes_valid() {
    let mut bench = Bench::new(config());
    bench.send(&[listing(7, "ACME"), add(7, 1, b'B', 1_000_000)]);
    let expected = ["define 0 20261121A", "cleared 1 start", "mark 1 2", "add 1!", "valid start"];
    assert_eq!(bench.words(), expected);
    assert_eq!(bench.feed.position(), Some(Resume { session: SESSION, next_sequence: 3, taken: 0 }));
    assert!(bench.feed.unlisted().next().is_none());
}

#[test]
fn the_mark_says_what_the_packet_covered() {
    let mut bench = Bench::listed();
    bench.packet(&packet_of(SESSION, 3, &[delete(7, 1), delete(7, 2)]), 99);
    let mark = *bench.sink.records.iter().next().unwrap().get::<Mark>().unwrap();
    assert_eq!((mark.first, mark.count, mark.received), (3, 2, Nanos(99)));
    assert_eq!((mark.session, mark.line, mark.source), (0, 0, SOURCE));
}

#[test]
fn the_last_event_of_a_packet_is_flagged_though_messages_after_it_are_passed_over() {
    let mut bench = Bench::listed();
    bench.send(&[add(7, 1, b'B', 1_000_000), delete(7, 1), add(8, 2, b'S', 50), delete(9, 3)]);
    bench.send(&[delete(8, 2)]);
    assert_eq!(bench.words(), ["mark 3 4", "add 1", "delete 1!", "mark 7 1"]);
    assert_eq!(bench.feed.counters().other_instruments, 3);
}

#[test]
fn each_type_of_message_becomes_its_record() {
    let mut bench = Bench::listed();
    bench.send(&[add(7, 11, b'S', 1_000_100)]);
    let record = bench.sink.records.iter().nth(1).unwrap();
    let Some(EventRef::OrderAdd(found)) = EventRef::of(&record) else { panic!("not an add") };
    assert_eq!((found.event_ns, found.order, found.price), (EventNanos(DAY + 77), 11, Ticks(10_001)));
    assert_eq!((found.qty, found.instrument, found.side), (300, ACME, SideCode::SELL));
    bench.sink.records.clear();
    bench.send(&[executed_at(1_000_100, b'Y'), executed_at(1_000_200, b'N')]);
    let flags: Vec<u8> = bench
        .sink
        .records
        .iter()
        .filter_map(|record| match EventRef::of(&record) {
            Some(EventRef::OrderExecutedAt(executed)) => Some(executed.flags),
            _ => None,
        })
        .collect();
    assert_eq!(flags, [market_flags::PRINTABLE, market_flags::LAST_IN_BATCH]);
}

/// One message of every type with locate 7, in the order of the specification; the expected kinds are the design's.
#[test]
fn every_type_is_taken_and_the_rest_leaves_only_the_mark() {
    let kinds = [
        (b'S', Some("MarketPhase")),
        (b'R', None),
        (b'H', Some("TradingStatus")),
        (b'Y', None),
        (b'L', None),
        (b'V', None),
        (b'W', Some("MarketHalt")),
        (b'K', None),
        (b'J', None),
        (b'h', Some("TradingStatus")),
        (b'A', Some("OrderAdd")),
        (b'F', Some("OrderAdd")),
        (b'E', Some("OrderExecuted")),
        (b'C', Some("OrderExecutedAt")),
        (b'X', Some("OrderReduced")),
        (b'D', Some("OrderDeleted")),
        (b'U', Some("OrderReplaced")),
        (b'P', Some("Trade")),
        (b'Q', Some("CrossTrade")),
        (b'B', Some("TradeBroken")),
        (b'I', None),
        (b'N', None),
        (b'O', None),
    ];
    for (letter, expected) in kinds {
        let mut bench = Bench::listed();
        let mut message = vec![0; itch::size_of_type(letter).unwrap()];
        // A listing is one of another stock: without a symbol it would take ACME's code away.
        message[..3].copy_from_slice(&[letter, 0, if letter == b'R' { 9 } else { 7 }]);
        if matches!(letter, b'A' | b'F' | b'h') {
            message[19] = if letter == b'h' { b'Q' } else { b'B' };
        }
        bench.send(&[message]);
        let found: Vec<&str> = bench
            .sink
            .records
            .iter()
            .map(|record| {
                pricewright_core::kernel::Kind::from_u16(record.header().kind).unwrap().schema().name
            })
            .collect();
        let expected: Vec<&str> = core::iter::once("Mark").chain(expected).collect();
        assert_eq!(found, expected, "{}", char::from(letter));
    }
}

#[test]
fn a_halt_becomes_a_trading_status() {
    let mut bench = Bench::listed();
    let halt = itch::StockTradingAction {
        header: header::<itch::StockTradingAction>(7),
        stock: Alpha::new("ACME").unwrap(),
        trading_state: b'H',
        reserved: 0,
        reason: Alpha::new("T1").unwrap(),
    };
    bench.send(&[halt.as_bytes().to_vec()]);
    let record = bench.sink.records.iter().nth(1).unwrap();
    let Some(EventRef::TradingStatus(status)) = EventRef::of(&record) else { panic!("not a status") };
    assert_eq!((status.state, status.reason.as_str()), (TradingState::HALTED, "T1"));
}

/// The codes of the specification: Q Nasdaq, B BX, X PSX; H halted, T resumed.
#[test]
fn a_halt_on_this_market_alone_becomes_a_trading_status_of_its_own() {
    let halt = |market_code, action| {
        let header = header::<itch::OperationalHalt>(7);
        let stock = Alpha::new("ACME").unwrap();
        itch::OperationalHalt { header, stock, market_code, action }.as_bytes().to_vec()
    };
    let states = |bench: &Bench| -> Vec<TradingState> {
        let statuses = bench.sink.records.iter().filter_map(|record| match EventRef::of(&record) {
            Some(EventRef::TradingStatus(status)) => Some((status.instrument, status.state)),
            _ => None,
        });
        statuses.inspect(|(id, _)| assert_eq!(*id, ACME)).map(|(_, state)| state).collect()
    };
    let mut bench = Bench::listed();
    bench.send(&[halt(b'Q', b'H'), halt(b'B', b'H'), halt(b'X', b'H'), halt(b'B', b'T'), halt(b'Q', b'T')]);
    assert_eq!(states(&bench), [TradingState::MARKET_HALTED, TradingState::MARKET_RESUMED]);
    let mut bench = Bench::new(MarketDataConfig { market: itch::market::BX, ..config() });
    bench.send(&[listing(7, "ACME"), halt(b'Q', b'H'), halt(b'B', b'H')]);
    assert_eq!(states(&bench), [TradingState::MARKET_HALTED]);
    // A letter that nobody knows allows nothing.
    let mut bench = Bench::listed();
    bench.send(&[halt(b'Q', b'?')]);
    assert_eq!(states(&bench), [TradingState::MARKET_HALTED]);
}

#[test]
fn a_print_off_the_grid_is_reported_and_still_takes_its_shares() {
    let mut bench = Bench::listed();
    bench.send(&[executed_at(1_000_050, b'Y')]);
    assert_eq!(bench.words(), ["mark 3 1", "malformed 3 out_of_range", "reduce 1!"]);
    assert_eq!(bench.feed.health(), Health::VALID);
}

#[test]
fn a_packet_that_is_none_is_reported_and_harms_nothing() {
    let mut bench = Bench::listed();
    bench.sink.room = OVERHEAD_CELLS;
    assert_eq!(bench.feed.on_packet(0, b"noise", Nanos(51), &mut bench.sink), Err(NotTaken));
    bench.sink.room = OVERHEAD_CELLS + 1;
    bench.packet(b"noise", 51);
    assert_eq!(bench.words(), ["malformed 3 malformed"]);
    assert_eq!(bench.feed.health(), Health::VALID);
}

#[test]
fn a_packet_is_not_taken_where_the_sink_lacks_room_and_nothing_is_lost() {
    let mut bench = Bench::listed();
    let packet = packet_of(SESSION, 3, &[delete(7, 1), delete(7, 2)]);
    for room in 0..OVERHEAD_CELLS + 1 + 2 * MAX_CELLS_PER_MESSAGE {
        bench.sink.room = room;
        assert_eq!(bench.feed.on_packet(0, &packet, Nanos(60), &mut bench.sink), Err(NotTaken));
        assert!(bench.sink.records.is_empty());
    }
    bench.sink.room = OVERHEAD_CELLS + 1 + 2 * MAX_CELLS_PER_MESSAGE;
    bench.packet(&packet, 61);
    assert_eq!(bench.words(), ["mark 3 2", "delete 1", "delete 2!"]);
    assert_eq!(bench.feed.counters().refused, 0);
}

#[test]
fn the_worst_packet_fits_into_the_room_that_is_asked_for() {
    let worst = MarketData::worst_case_cells(1400, 1);
    let mut bench = Bench::new(config());
    bench.sink.room = worst;
    let messages = vec![Vec::new(); (1400 - HEADER_LEN) / 2];
    bench.send(&messages);
    assert_eq!(bench.feed.counters().malformed, messages.len() as u64);
    assert_eq!(bench.feed.counters().refused, 0);
}

#[test]
fn a_gap_and_its_end_are_told_with_positions() {
    let mut bench = Bench::listed();
    bench.packet(&packet_of(SESSION, 5, &[delete(7, 3)]), 60);
    let request = bench.feed.next_request(Nanos(70)).expect("a request");
    assert_eq!(decode_request(&request), Ok((SESSION, 3, 2)));
    let health = bench.sink.records.iter().next().unwrap();
    let health = *health.get::<FeedHealth>().unwrap();
    assert_eq!((health.expected, health.seen, health.missing), (3, 6, 2));
    let line = bench.feed.request_line();
    let answer = packet_of(SESSION, 3, &[delete(7, 1), delete(7, 2)]);
    bench.feed.on_packet(line, &answer, Nanos(71), &mut bench.sink).unwrap();
    let expected =
        ["recovering gap", "mark 3 2", "delete 1", "delete 2!", "mark 5 1", "delete 3!", "valid filled"];
    assert_eq!(bench.words(), expected);
    assert_eq!(health.reason, HealthReason::GAP);
}

#[test]
fn silence_is_told_by_polling() {
    let mut bench = Bench::listed();
    bench.feed.on_poll(Nanos(1050), &mut bench.sink);
    bench.packet(&heartbeat(SESSION, 3), 1060);
    assert_eq!(bench.words(), ["stale silence", "valid heard"]);
}

#[test]
fn instruments_that_cannot_be_used_are_refused() {
    let with = |symbol: &str, tick_e4| {
        let mut config = config();
        config.instruments.push(InstrumentSpec { id: InstrumentId(6), symbol: symbol.to_owned(), tick_e4 });
        MarketData::new(config).map(|_| ())
    };
    assert_eq!(with("B", 1), Ok(()));
    assert_eq!(with("", 1), Err(InstrumentError::Symbol(String::new())));
    assert_eq!(with("TOOLONGAS", 1), Err(InstrumentError::Symbol("TOOLONGAS".to_owned())));
    assert_eq!(with("B", 0), Err(InstrumentError::Tick("B".to_owned())));
    assert_eq!(with("ACME", 1), Err(InstrumentError::Twice("ACME".to_owned())));
}

/// The counts are those of the data set's own README; its prices lie on a grid of 1e-4.
#[test]
#[ignore = "needs the data set itch50_ritch: set PRICEWRIGHT_DATA"]
#[expect(clippy::disallowed_methods, reason = "where the data set lies is said by the environment")]
fn the_sample_of_ritch_becomes_as_many_records_as_its_readme_says() {
    let root = std::env::var("PRICEWRIGHT_DATA").expect("PRICEWRIGHT_DATA is set");
    let bytes = std::fs::read(format!("{root}/itch50_ritch/ex20101224.TEST_ITCH_50")).unwrap();
    let instruments = ["ALC", "BOB", "CHAR"].iter().zip(0..).map(|(symbol, id)| InstrumentSpec {
        id: InstrumentId(id),
        symbol: (*symbol).to_owned(),
        tick_e4: 1,
    });
    let mut bench = Bench::new(MarketDataConfig { instruments: instruments.collect(), ..config() });
    bench.sink.room = usize::MAX;
    for item in itch::FileReader::new(&bytes) {
        bench.send(&[item.unwrap().1.as_bytes().to_vec()]);
    }
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for record in bench.sink.records.iter() {
        let kind = pricewright_core::kernel::Kind::from_u16(record.header().kind).unwrap();
        *counts.entry(kind.schema().name).or_default() += 1;
    }
    let expected = [
        ("BookCleared", 1),
        ("Define", 1),
        ("FeedHealth", 1),
        ("Mark", 12_012),
        ("MarketPhase", 6),
        ("OrderAdd", 4997 + 3),
        ("OrderDeleted", 1745),
        ("OrderExecuted", 198),
        ("OrderReduced", 45),
        ("OrderReplaced", 12),
        ("Trade", 5000),
        ("TradingStatus", 3),
    ];
    assert_eq!(counts, expected.into_iter().collect());
}

fn event_times(bench: &Bench) -> Vec<i64> {
    let times = bench.sink.records.iter().filter_map(|record| match EventRef::of(&record) {
        Some(EventRef::MarketPhase(phase)) => Some(phase.event_ns.0 / 1_000_000_000),
        _ => None,
    });
    times.collect()
}

fn system_event(code: u8, stamp_s: u64) -> Vec<u8> {
    let header = Header::of::<itch::SystemEvent>(0, 0, stamp_s * 1_000_000_000);
    itch::SystemEvent { header, event_code: code }.as_bytes().to_vec()
}

/// 09:30 in New York is 14:30 UTC on Friday 2026-03-06 and 13:30 UTC on the Monday after it, when the clocks were set forward
/// (Python's `zoneinfo`): one feed, two sessions, no restart.
#[test]
fn the_venue_s_stamps_become_event_times_across_a_change_of_the_clock() {
    let zone = pricewright_core::kernel::TimeZone::new("America/New_York").unwrap();
    let mut bench = Bench::new(MarketDataConfig { day: SessionDay::of_zone(zone), ..config() });
    let opening = 34_200;
    let friday = 1_772_807_400;
    bench.packet(&packet_of(SESSION, 1, &[system_event(b'Q', opening)]), friday * 1_000_000_000);
    assert_eq!(event_times(&bench), [friday]);
    bench.sink.records.clear();
    let monday = 1_773_063_000;
    bench.packet(&end_of_session(SESSION, 2), friday * 1_000_000_000 + 1);
    bench.packet(&packet_of(NEXT_SESSION, 1, &[system_event(b'Q', opening)]), monday * 1_000_000_000);
    bench.packet(&packet_of(NEXT_SESSION, 2, &[system_event(b'M', opening)]), monday * 1_000_000_000);
    assert_eq!(event_times(&bench), [monday, monday]);
}
