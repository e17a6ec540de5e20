use pricewright_core::kernel::table::{EventRef, KillLatched, SessionState, VenueExecuted};
use pricewright_core::kernel::{
    CancelReason, Control, EventNanos, Liquidity, RecordBuf, RecordRef, Text, Ticks,
};
use zerocopy::big_endian::U16;

use super::*;
use crate::nasdaq::ouch::Request;
use crate::nasdaq::soupbintcp::ServerConfig;
use crate::nasdaq::testing::Bounded;
use crate::nasdaq::{MessageLog, MessageStore};

mod answers;
mod connection;
mod doubt;
mod reach;
mod sending;

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
        day: SessionDay::fixed(DAY),
        live_capacity: 3,
        live: Vec::new(),
        unanswered: 0,
        acknowledged: 0,
        numbered_from: 0,
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
                    let answer = numbers(self.next_client);
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
        EventRef::VenueDay(day) => format!("day {}", char::from(day.code)),
        EventRef::VenueUnread(bad) => {
            format!("unread {} {} of {}", bad.position, bad.reason.name(), bad.client)
        }
        EventRef::SessionChanged(change) => {
            format!(
                "session {} at {} is {} at {}",
                change.before, change.wanted, change.session, change.found
            )
        }
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

/// An answer to an account query.
fn numbers(next_client: u32) -> ouch::AccountQueryResponse {
    ouch::AccountQueryResponse {
        message_type: ouch::AccountQueryResponse::TYPE,
        timestamp: U64::new(1),
        next_user_ref_num: U32::new(next_client),
    }
}
