use pricewright_core::kernel::table::{EventRef, KillLatched, SessionState, VenueExecuted};
use pricewright_core::kernel::{
    CancelReason, Control, EventNanos, Full, Liquidity, RecordBuf, RecordRef, Text, Ticks,
};
use zerocopy::big_endian::U16;

use super::*;
use crate::nasdaq::ouch::Request;
use crate::nasdaq::soupbintcp::ServerConfig;
use crate::nasdaq::{MessageLog, MessageStore};

const SOURCE: SourceId = SourceId(9);
const DAY: i64 = 1_000_000_000_000;
const ACME: InstrumentId = InstrumentId(2);
const SECOND: i64 = 1_000_000_000;

fn config() -> OrderEntryConfig {
    OrderEntryConfig {
        source: SOURCE,
        username: Alpha::new("ALICE").unwrap(),
        password: Password(Alpha::new("secret").unwrap()),
        session: SessionId::BLANK,
        next_sequence: 1,
        sessions: Vec::new(),
        instruments: vec![InstrumentSpec { id: ACME, symbol: "ACME".to_owned(), tick_e4: 100 }],
        day_start_ns: DAY,
        live_capacity: 3,
        live: Vec::new(),
        buffer: 512,
    }
}

fn server() -> ServerConfig {
    ServerConfig {
        username: Alpha::new("ALICE").unwrap(),
        password: Password(Alpha::new("secret").unwrap()),
        session: Alpha::new("DAY1").unwrap(),
    }
}

/// A sink with so much room and no more.
struct Bounded {
    records: RecordBuf,
    room: usize,
}

impl RecordSink for Bounded {
    fn push(&mut self, record: RecordRef<'_>) -> Result<(), Full> {
        self.room = self.room.checked_sub(record.cells().len()).ok_or(Full)?;
        self.records.push(record)
    }

    fn room(&self) -> usize {
        self.room
    }
}

struct Bench {
    gateway: OrderEntry,
    venue: VenueSession,
    log: MessageLog,
    sink: Bounded,
    /// Requests as the venue saw them.
    requests: Vec<String>,
    next_client: u32,
    now: i64,
}

impl Bench {
    fn new(config: OrderEntryConfig) -> Self {
        Self {
            gateway: OrderEntry::new(config).unwrap(),
            venue: VenueSession::new(server(), 512, Nanos(0)),
            log: MessageLog::default(),
            sink: Bounded { records: RecordBuf::default(), room: 10_000 },
            requests: Vec::new(),
            next_client: 1,
            now: 100,
        }
    }

    fn ready() -> Self {
        let mut bench = Self::new(config());
        bench.connect();
        bench.take();
        bench
    }

    fn connect(&mut self) {
        self.venue = VenueSession::new(server(), 512, Nanos(self.now));
        self.gateway.on_connected(Nanos(self.now)).unwrap();
        self.run();
    }

    /// Carries bytes both ways until nothing moves; account queries are answered.
    fn run(&mut self) {
        let now = Nanos(self.now);
        loop {
            let up = carry(self.gateway.output(), self.venue.spare());
            self.gateway.consume(up);
            self.venue.commit(up);
            while let Some(event) = self.venue.next_event(&self.log, now).unwrap() {
                if let VenueEvent::Request(Request::AccountQuery(..)) = event {
                    let answer = ouch::AccountQueryResponse {
                        message_type: ouch::AccountQueryResponse::TYPE,
                        timestamp: U64::new(1),
                        next_user_ref_num: U32::new(self.next_client),
                    };
                    append_answer(&mut self.log, &answer, &AppendageBuf::default()).unwrap();
                } else {
                    self.requests.push(request_word(event));
                }
            }
            self.venue.pump(&self.log, now);
            let down = carry(self.venue.output(), self.gateway.spare());
            self.venue.consume(down);
            self.gateway.on_received(down, now, &mut self.sink).unwrap();
            if up + down == 0 {
                return;
            }
        }
    }

    fn answer<B: Body>(&mut self, body: &B) {
        append_answer(&mut self.log, body, &AppendageBuf::default()).unwrap();
        self.run();
    }

    fn decide<'a>(&mut self, decision: impl Into<DecisionRef<'a>>) -> Result<(), DecisionError> {
        let result = self.gateway.on_decision(Nanos(self.now), 77, decision.into(), &mut self.sink);
        self.run();
        result
    }

    /// The records since the last call, as short words.
    fn take(&mut self) -> Vec<String> {
        let words = self.sink.records.iter().map(|record| word(&record)).collect();
        self.sink.records.clear();
        words
    }

    fn live(&self) -> Vec<(u32, u32)> {
        self.gateway.live_orders().iter().map(|order| (order.client, order.open)).collect()
    }
}

fn carry(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    to[..count].copy_from_slice(&from[..count]);
    count
}

fn request_word(event: VenueEvent<'_>) -> String {
    match event {
        VenueEvent::Request(Request::EnterOrder(order, options)) => format!(
            "enter {} {}{}@{} tif {}{}",
            order.user_ref_num,
            char::from(order.side),
            order.quantity,
            order.price,
            char::from(order.time_in_force),
            if options.letter(tag::POST_ONLY) == Some(b'P') { " post-only" } else { "" },
        ),
        VenueEvent::Request(Request::ReplaceOrder(order, _)) => {
            format!("replace {} {} {}@{}", order.original, order.user_ref_num, order.quantity, order.price)
        }
        VenueEvent::Request(Request::CancelOrder(order, _)) => {
            format!("cancel {} to {}", order.user_ref_num, order.quantity)
        }
        other => format!("{other:?}"),
    }
}

fn word(record: &RecordRef<'_>) -> String {
    assert_eq!((record.header().source, record.header().flags), (SOURCE, flags::RESPONSE));
    match EventRef::of(record).expect("an event") {
        EventRef::Define(define) => format!("define {} {}", define.id, define.text),
        EventRef::Mark(mark) => {
            assert_eq!(mark.count, 1);
            format!("mark {}", mark.first)
        }
        EventRef::SessionState(state) => format!("{} next {}", state.phase.name(), state.next_client),
        EventRef::SendReport(report) => {
            assert_eq!((report.decision, report.source), (77, SOURCE));
            format!("{} {}", report.outcome.name(), report.client)
        }
        EventRef::VenueAccepted(a) => {
            format!("accepted {} {}@{} {}", a.client, a.qty, a.price, a.live.name())
        }
        EventRef::VenueReplaced(r) => format!("replaced {} by {} {}@{}", r.prior, r.client, r.qty, r.price),
        EventRef::VenueCanceled(c) => format!("canceled {} {} {}", c.client, c.qty, char::from(c.reason)),
        EventRef::VenueExecuted(e) => format!("executed {} {}@{}", e.client, e.qty, e.price),
        EventRef::VenueRejected(r) => format!("rejected {} {:#x}", r.client, r.reason),
        EventRef::VenueBroken(b) => format!("broken {} {}", b.client, b.match_number),
        EventRef::VenueCancelHeld(h) => format!("held {} {}", h.client, char::from(h.answer)),
        EventRef::VenueRestated(r) => {
            format!("restated {} {} {}@{}", r.client, char::from(r.message), r.qty, r.price)
        }
        EventRef::Malformed(bad) => format!("malformed {} {}", bad.position, bad.reason.name()),
        other => format!("{other:?}"),
    }
}

fn order(client: u64, tif: TimeInForce) -> PlaceOrder {
    PlaceOrder {
        client,
        price: Ticks(10_001),
        expires: Nanos(SECOND),
        qty: 300,
        instrument: ACME,
        side: SideCode::BUY,
        tif,
    }
}

fn replacement(client: u64, prior: u64) -> ReplaceOrder {
    ReplaceOrder {
        client,
        prior,
        price: Ticks(10_002),
        expires: Nanos(SECOND),
        qty: 200,
        instrument: ACME,
        side: SideCode::BUY,
        tif: TimeInForce::POST_ONLY,
    }
}

fn cancellation(client: u64) -> CancelOrder {
    CancelOrder {
        client,
        price: Ticks(10_001),
        qty: 300,
        instrument: ACME,
        side: SideCode::BUY,
        reason: CancelReason::STRATEGY,
        spare: 0,
    }
}

fn accepted(client: u32, quantity: u32, order_state: u8) -> ouch::OrderAccepted {
    ouch::OrderAccepted {
        message_type: ouch::OrderAccepted::TYPE,
        timestamp: U64::new(5),
        user_ref_num: U32::new(client),
        side: b'B',
        quantity: U32::new(quantity),
        symbol: Alpha::new("ACME").unwrap(),
        price: U64::new(1_000_100),
        time_in_force: b'0',
        display: b'Y',
        order_reference: U64::new(1000 + u64::from(client)),
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        order_state,
        client_order: Alpha::BLANK,
    }
}

fn executed(client: u32, quantity: u32, price: u64) -> ouch::OrderExecuted {
    ouch::OrderExecuted {
        message_type: ouch::OrderExecuted::TYPE,
        timestamp: U64::new(6),
        user_ref_num: U32::new(client),
        quantity: U32::new(quantity),
        price: U64::new(price),
        liquidity: b'A',
        match_number: U64::new(55),
    }
}

fn canceled(client: u32, quantity: u32) -> ouch::OrderCanceled {
    ouch::OrderCanceled {
        message_type: ouch::OrderCanceled::TYPE,
        timestamp: U64::new(7),
        user_ref_num: U32::new(client),
        quantity: U32::new(quantity),
        reason: b'U',
    }
}

fn rejected(client: u32) -> ouch::Rejected {
    ouch::Rejected {
        message_type: ouch::Rejected::TYPE,
        timestamp: U64::new(8),
        user_ref_num: U32::new(client),
        reason: U16::new(ouch::reject::INVALID_PRICE),
        client_order: Alpha::BLANK,
    }
}

#[test]
fn a_login_catches_up_and_is_ready_when_the_account_query_is_answered() {
    let mut bench = Bench::new(config());
    bench.next_client = 12;
    bench.log.push(&[]);
    append_answer(&mut bench.log, &rejected(11), &AppendageBuf::default());
    bench.gateway.on_poll(Nanos(100), &mut bench.sink).unwrap();
    bench.connect();
    let expected = [
        "down next 0",
        "define 0 DAY1",
        "catching_up next 0",
        "mark 1",
        "malformed 1 malformed",
        "mark 2",
        "rejected 11 0x1d",
        "mark 3",
        "ready next 12",
    ];
    assert_eq!(bench.take(), expected);
    assert_eq!(bench.gateway.position(), (Alpha::new("DAY1").unwrap(), 4));
    let early = bench.decide(&order(11, TimeInForce::DAY));
    assert_eq!(early, Err(DecisionError::NotRising { number: 11, highest: 11 }));
    assert_eq!(bench.decide(&order(12, TimeInForce::DAY)), Ok(()));
}

#[test]
fn orders_leave_as_ouch_and_are_reported_sent() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.decide(&order(2, TimeInForce::IOC)).unwrap();
    bench.decide(&order(3, TimeInForce::POST_ONLY)).unwrap();
    bench.decide(&cancellation(1)).unwrap();
    let expected = [
        "LoggedIn",
        "enter 1 B300@1000100 tif 0",
        "enter 2 B300@1000100 tif 3",
        "enter 3 B300@1000100 tif 0 post-only",
        "cancel 1 to 0",
    ];
    assert_eq!(bench.requests, expected);
    assert_eq!(bench.take(), ["sent 1", "sent 2", "sent 3", "sent 1"]);
    assert_eq!(bench.live(), [(1, 300), (2, 300), (3, 300)]);
}

#[test]
fn answers_become_records_and_the_table_follows_them() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.answer(&accepted(1, 300, b'L'));
    bench.answer(&executed(1, 100, 1_000_000));
    bench.decide(&replacement(2, 1)).unwrap();
    assert_eq!(bench.live(), [(1, 200), (2, 200)]);
    bench.answer(&ouch::OrderReplaced {
        message_type: ouch::OrderReplaced::TYPE,
        timestamp: U64::new(7),
        original: U32::new(1),
        user_ref_num: U32::new(2),
        side: b'B',
        quantity: U32::new(100),
        symbol: Alpha::new("ACME").unwrap(),
        price: U64::new(1_000_200),
        time_in_force: b'0',
        display: b'Y',
        order_reference: U64::new(1002),
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        order_state: b'L',
        client_order: Alpha::BLANK,
    });
    bench.answer(&canceled(2, 40));
    assert_eq!(bench.live(), [(2, 60)]);
    bench.answer(&executed(2, 60, 1_000_200));
    assert_eq!(bench.live(), []);
    let expected = [
        "sent 1",
        "mark 2",
        "accepted 1 300@10001 live",
        "mark 3",
        "executed 1 100@10000",
        "sent 2",
        "mark 4",
        "replaced 1 by 2 100@10002",
        "mark 5",
        "canceled 2 40 U",
        "mark 6",
    ];
    let found = bench.take();
    assert_eq!(found[..11], expected);
}

#[test]
fn an_execution_carries_stamp_match_and_liquidity() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.answer(&executed(1, 100, 1_000_000));
    let record = bench.sink.records.iter().last().unwrap();
    let expected = VenueExecuted {
        event_ns: EventNanos(DAY + 6),
        client: 1,
        match_number: 55,
        price: Ticks(10_000),
        qty: 100,
        liquidity: Liquidity::ADDED,
        spare: [0; 3],
    };
    assert_eq!(record.get::<VenueExecuted>(), Some(&expected));
}

#[test]
fn the_rarer_answers_become_records_too() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.take();
    let (timestamp, user_ref_num) = (U64::new(9), U32::new(1));
    bench.answer(&ouch::SystemEvent { message_type: b'S', timestamp, event_code: b'S' });
    bench.answer(&ouch::CancelPending { message_type: b'P', timestamp, user_ref_num });
    bench.answer(&ouch::CancelReject { message_type: b'I', timestamp, user_ref_num });
    bench.answer(&ouch::BrokenTrade {
        message_type: b'B',
        timestamp,
        user_ref_num,
        match_number: U64::new(55),
        reason: b'E',
        client_order: Alpha::BLANK,
    });
    bench.answer(&ouch::OrderModified {
        message_type: b'M',
        timestamp,
        user_ref_num,
        side: b'B',
        quantity: U32::new(250),
    });
    bench.answer(&ouch::OrderPriorityUpdate {
        message_type: b'T',
        timestamp,
        user_ref_num,
        price: U64::new(1_000_300),
        display: b'Y',
        order_reference: U64::new(4),
    });
    bench.answer(&ouch::AiqCanceled {
        message_type: b'D',
        timestamp,
        user_ref_num,
        quantity: U32::new(50),
        reason: b'Q',
        prevented: U32::new(50),
        execution_price: U64::new(1_000_300),
        liquidity: b'A',
        strategy: b'N',
    });
    assert_eq!(bench.live(), [(1, 200)]);
    let found: Vec<String> = bench.take().into_iter().filter(|word| !word.starts_with("mark")).collect();
    let expected = [
        "held 1 P",
        "held 1 I",
        "broken 1 55",
        "restated 1 M 250@0",
        "restated 1 T 4294967295@10003",
        "canceled 1 50 Q",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_refused_or_dead_order_leaves_the_table() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.decide(&order(2, TimeInForce::DAY)).unwrap();
    bench.answer(&rejected(1));
    bench.answer(&accepted(2, 300, b'D'));
    assert_eq!(bench.live(), []);
}

#[test]
fn while_latched_only_cancels_leave() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.gateway.latch();
    bench.decide(&order(2, TimeInForce::DAY)).unwrap();
    bench.decide(&replacement(3, 1)).unwrap();
    bench.decide(&cancellation(1)).unwrap();
    assert_eq!(bench.take(), ["sent 1", "killed 2", "killed 3", "sent 1"]);
    assert_eq!(bench.requests[2..], ["cancel 1 to 0"]);
    bench.gateway.release();
    bench.decide(&order(4, TimeInForce::DAY)).unwrap();
    assert_eq!(bench.take(), ["sent 4"]);
}

#[test]
fn the_machine_sets_and_releases_the_latch_by_its_decision() {
    let mut bench = Bench::ready();
    let mut latch = KillLatched {
        value: 0,
        limit: 0,
        control: Control::DAILY_LOSS,
        released: 0,
        spare: [0; 5],
        operator: Text::default(),
    };
    bench.decide(&latch).unwrap();
    assert!(bench.gateway.is_latched());
    latch.released = 1;
    bench.decide(&latch).unwrap();
    assert!(!bench.gateway.is_latched());
}

#[test]
fn an_order_that_waited_too_long_is_not_sent() {
    let mut bench = Bench::ready();
    bench.now = SECOND + 1;
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    assert_eq!(bench.take(), ["expired 1"]);
    assert_eq!(bench.requests, ["LoggedIn"]);
    assert_eq!(bench.live(), []);
}

#[test]
fn what_cannot_be_sent_is_reported_failed_with_its_reason() {
    let mut bench = Bench::new(config());
    assert_eq!(bench.decide(&order(1, TimeInForce::DAY)), Err(DecisionError::NotReady));
    assert_eq!(bench.decide(&cancellation(1)), Err(DecisionError::NotReady));
    bench.connect();
    bench.take();
    let far = 1 << 32;
    assert_eq!(bench.decide(&order(far, TimeInForce::DAY)), Err(DecisionError::ClientNumber(far)));
    let elsewhere = PlaceOrder { instrument: InstrumentId(3), ..order(1, TimeInForce::DAY) };
    assert_eq!(bench.decide(&elsewhere), Err(DecisionError::Instrument(InstrumentId(3))));
    let negative = PlaceOrder { price: Ticks(-1), ..order(1, TimeInForce::DAY) };
    assert_eq!(bench.decide(&negative), Err(DecisionError::Order));
    assert_eq!(bench.decide(&order(1, TimeInForce(0))), Err(DecisionError::Order));
    assert_eq!(
        bench.take(),
        [format!("failed {far}"), "failed 1".into(), "failed 1".into(), "failed 1".into()]
    );
    for client in 1..=3 {
        bench.decide(&order(client, TimeInForce::DAY)).unwrap();
    }
    assert_eq!(bench.decide(&order(4, TimeInForce::DAY)), Err(DecisionError::TableFull));
    assert_eq!(bench.requests.len(), 4);
}

#[test]
fn a_full_send_buffer_fails_the_order_and_leaves_no_trace() {
    let mut bench = Bench::ready();
    let mut sink = RecordBuf::default();
    let mut results = Vec::new();
    bench.gateway.answers = Answers::new(
        SOURCE,
        DAY,
        Instrument::table(&config().instruments).unwrap(),
        LiveOrders::new(100, &[]),
        Vec::new(),
    );
    bench.gateway.answers.enter(SessionPhase::READY, 0);
    for client in 1..20 {
        let order = order(client, TimeInForce::DAY);
        results.push(bench.gateway.on_decision(Nanos(100), 77, (&order).into(), &mut sink));
    }
    let sent = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(sent, 512 / 50, "each takes 3 bytes of SoupBinTCP and 47 of OUCH");
    assert!(matches!(results[sent], Err(DecisionError::SendBuffer(_))));
    assert_eq!(bench.gateway.live_orders().len(), sent);
}

#[test]
fn a_decision_without_room_for_its_report_is_offered_again() {
    let mut bench = Bench::ready();
    bench.sink.room = ANSWER_CELLS - 1;
    assert_eq!(bench.decide(&order(1, TimeInForce::DAY)), Err(DecisionError::NotTaken));
    assert_eq!(bench.live(), []);
    bench.sink.room = 100;
    assert_eq!(bench.decide(&order(1, TimeInForce::DAY)), Ok(()));
    assert_eq!(bench.take(), ["sent 1"]);
}

#[test]
fn answers_wait_for_room_and_none_is_lost() {
    let mut bench = Bench::ready();
    bench.sink.room = 0;
    for client in 1..=20 {
        bench.answer(&rejected(client));
    }
    assert!(bench.sink.records.is_empty());
    while bench.gateway.position().1 < bench.log.next_sequence() {
        bench.sink.room = ANSWER_CELLS;
        bench.run();
    }
    let rejections = bench.take().into_iter().filter(|word| word.starts_with("rejected")).count();
    assert_eq!(rejections, 20);
    assert_eq!(bench.gateway.counters().refused, 0);
}

#[test]
fn everything_live_is_cancelled_without_the_machine() {
    let mut bench = Bench::ready();
    for client in 1..=3 {
        bench.decide(&order(client, TimeInForce::DAY)).unwrap();
    }
    bench.answer(&canceled(2, 300));
    bench.gateway.latch();
    assert_eq!(bench.gateway.cancel_all(Nanos(200)), 2);
    bench.run();
    assert_eq!(bench.requests[4..], ["cancel 1 to 0", "cancel 3 to 0"]);
}

#[test]
fn another_connection_goes_on_where_the_last_ended() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.gateway.on_disconnected(&mut bench.sink);
    assert_eq!(bench.decide(&order(2, TimeInForce::DAY)), Err(DecisionError::NotReady));
    append_answer(&mut bench.log, &executed(1, 300, 1_000_000), &AppendageBuf::default());
    bench.next_client = 2;
    bench.connect();
    let expected = [
        "sent 1",
        "down next 0",
        "failed 2",
        "catching_up next 0",
        "mark 2",
        "executed 1 300@10000",
        "mark 3",
        "ready next 2",
    ];
    assert_eq!(bench.take(), expected);
    assert_eq!(bench.live(), []);
}

#[test]
fn a_restarted_gateway_knows_its_sessions_position_and_live_orders() {
    let live = LiveOrder { client: 7, instrument: ACME, side: SideCode::BUY, open: 10, prior: 0 };
    let session: SessionId = Alpha::new("DAY1").unwrap();
    let restarted =
        OrderEntryConfig { session, next_sequence: 2, sessions: vec![session], live: vec![live], ..config() };
    let mut bench = Bench::new(restarted);
    bench.next_client = 8;
    bench.log.push(b"seen before the restart");
    append_answer(&mut bench.log, &executed(7, 4, 1_000_000), &AppendageBuf::default());
    bench.connect();
    let expected =
        ["down next 0", "catching_up next 0", "mark 2", "executed 7 4@10000", "mark 3", "ready next 8"];
    assert_eq!(bench.take(), expected);
    assert_eq!(bench.live(), [(7, 6)]);
    let reused = bench.decide(&order(7, TimeInForce::DAY));
    assert_eq!(reused, Err(DecisionError::NotRising { number: 7, highest: 7 }));
}

#[test]
fn orders_that_the_venue_has_never_seen_are_forgotten() {
    let live = |client| LiveOrder { client, instrument: ACME, side: SideCode::BUY, open: 10, prior: 0 };
    let restarted = OrderEntryConfig { live: [7, 8, 9].map(live).to_vec(), ..config() };
    let mut bench = Bench::new(restarted);
    bench.next_client = 8;
    bench.connect();
    assert_eq!(bench.live(), [(7, 10)]);
}

#[test]
fn a_refused_login_and_the_end_of_a_session_are_told() {
    let mut bench = Bench::new(OrderEntryConfig { session: Alpha::new("DAY0").unwrap(), ..config() });
    bench.connect();
    let record = bench.sink.records.iter().last().unwrap();
    let state = *record.get::<SessionState>().unwrap();
    assert_eq!((state.phase, state.reason), (SessionPhase::REFUSED, b'S'));
    assert_eq!(bench.gateway.refusal(), Some(b'S'));
    bench.gateway.on_disconnected(&mut bench.sink);
    bench.gateway.resume_at(SessionId::BLANK, 1);
    bench.connect();
    assert_eq!((bench.gateway.phase(), bench.gateway.refusal()), (SessionPhase::READY, None));
    bench.venue.end().unwrap();
    bench.run();
    assert_eq!(bench.gateway.phase(), SessionPhase::ENDED);
}

#[test]
fn silence_ends_the_connection() {
    let mut bench = Bench::ready();
    let late = Nanos(100 + 15 * SECOND);
    let error = bench.gateway.on_poll(late, &mut bench.sink).unwrap_err();
    assert_eq!(error, ConnectionError::Session(SessionError::PeerSilent));
    assert_eq!(bench.venue.poll(late), Err(ConnectionError::Session(SessionError::PeerSilent)));
}

#[test]
fn a_price_off_the_grid_is_reported_and_the_fill_still_counts() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.take();
    bench.answer(&executed(1, 100, 1_000_050));
    assert_eq!(bench.take(), ["mark 2", "malformed 2 out_of_range", "executed 1 100@10000"]);
}

#[test]
fn a_password_is_never_shown() {
    assert!(!format!("{:?}", config()).contains("secret"));
}

#[test]
fn numbers_are_written_for_the_eye() {
    assert_eq!(client_text(0).as_str(), "0");
    assert_eq!(client_text(1234).as_str(), "1234");
    assert_eq!(client_text(u32::MAX).as_str(), "4294967295");
}

#[test]
fn a_replacement_on_its_way_leaves_with_its_order() {
    let order = |client, prior| LiveOrder { client, instrument: ACME, side: SideCode::BUY, open: 10, prior };
    let mut orders = LiveOrders::new(8, &[order(1, 0), order(2, 0), order(3, 1), order(4, 3)]);
    orders.reduce(1, 10);
    assert_eq!(orders.as_slice(), [order(2, 0)]);
}
