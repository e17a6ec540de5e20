use pricewright_core::kernel::{EventRef, RecordBuf};
use zerocopy::big_endian::{U32, U64};

use super::*;
use crate::nasdaq::order_entry::{VenueSession, append_answer};
use crate::nasdaq::ouch::{AppendageBuf, Body};
use crate::nasdaq::soupbintcp::ServerConfig;
use crate::nasdaq::{MessageLog, MessageStore as _};

const SOURCE: SourceId = SourceId(3);
const ACME: InstrumentId = InstrumentId(2);

fn config(followed: Option<(SessionId, u64)>) -> DropCopyConfig {
    DropCopyConfig {
        source: SOURCE,
        username: Alpha::new("ALICE").unwrap(),
        password: Password(Alpha::BLANK),
        instruments: vec![InstrumentSpec { id: ACME, symbol: "ACME".to_owned(), tick_e4: 100 }],
        day: crate::nasdaq::SessionDay::fixed(1_000),
        sessions: followed.iter().map(|(session, _)| *session).collect(),
        followed,
        buffer: 4096,
    }
}

/// A venue's end and the client, without a wire.
struct Bench {
    copy: DropCopy,
    venue: VenueSession,
    log: MessageLog,
    records: RecordBuf,
    now: i64,
}

impl Bench {
    fn new(followed: Option<(SessionId, u64)>) -> Self {
        let copy = DropCopy::new(config(followed)).unwrap();
        let venue = venue("DAY1");
        Self { copy, venue, log: MessageLog::default(), records: RecordBuf::default(), now: 0 }
    }

    fn connect(&mut self) {
        self.copy.on_connected(Nanos(self.now)).unwrap();
        self.run();
    }

    fn run(&mut self) {
        let now = Nanos(self.now);
        loop {
            let up = carry(self.copy.output(), self.venue.spare());
            self.copy.consume(up);
            self.venue.commit(up);
            while self.venue.next_event(&self.log, now).unwrap().is_some() {}
            self.venue.pump(&self.log, now);
            self.venue.poll(now).unwrap();
            let down = carry(self.venue.output(), self.copy.spare());
            self.venue.consume(down);
            self.copy.on_received(down, now, &mut self.records).unwrap();
            if up + down == 0 {
                return;
            }
        }
    }

    fn say<B: Body>(&mut self, body: &B) {
        append_answer(&mut self.log, body, &AppendageBuf::default()).unwrap();
        self.run();
    }

    fn words(&mut self) -> Vec<String> {
        let words = self.records.iter().map(|record| word(EventRef::of(&record).unwrap())).collect();
        self.records.clear();
        words
    }
}

fn venue(session: &str) -> VenueSession {
    let config = ServerConfig {
        username: Alpha::new("ALICE").unwrap(),
        password: Password(Alpha::BLANK),
        session: Alpha::new(session).unwrap(),
    };
    VenueSession::new(config, 4096, Nanos(0))
}

fn carry(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    to[..count].copy_from_slice(&from[..count]);
    count
}

fn word(event: EventRef<'_>) -> String {
    match event {
        EventRef::Define(define) => format!("define {} {}", define.id, define.text),
        EventRef::Mark(mark) => format!("mark {}", mark.first),
        EventRef::DropCopyState(state) if state.missing > 0 => {
            format!("{} {} without {}", state.phase.name(), state.sequence, state.missing)
        }
        EventRef::DropCopyState(state) => format!("{} {}", state.phase.name(), state.sequence),
        EventRef::DropCopyOrder(o) => {
            format!(
                "{} {} of {} {}@{} {}",
                char::from(o.message),
                o.client,
                o.prior,
                o.qty,
                o.price,
                o.live.name()
            )
        }
        EventRef::DropCopyExecution(e) => {
            let (side, name) = (e.side.name(), if e.broken == 1 { "broken" } else { "executed" });
            format!("{name} {} match {} {side} {}@{}", e.client, e.match_number, e.qty, e.price)
        }
        EventRef::VenueUnread(bad) => format!("unread {} of {}", bad.position, bad.client),
        other => format!("{other:?}"),
    }
}

fn accepted(client: u32) -> ouch::OrderAccepted {
    ouch::OrderAccepted {
        message_type: ouch::OrderAccepted::TYPE,
        timestamp: U64::new(5),
        user_ref_num: U32::new(client),
        side: b'S',
        quantity: U32::new(300),
        symbol: Alpha::new("ACME").unwrap(),
        price: U64::new(1_000_100),
        time_in_force: b'0',
        display: b'Y',
        order_reference: U64::new(9),
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        order_state: b'L',
        client_order: Alpha::BLANK,
    }
}

fn executed(client: u32) -> ouch::OrderExecuted {
    ouch::OrderExecuted {
        message_type: ouch::OrderExecuted::TYPE,
        timestamp: U64::new(6),
        user_ref_num: U32::new(client),
        quantity: U32::new(100),
        price: U64::new(1_000_100),
        liquidity: b'A',
        match_number: U64::new(55),
    }
}

#[test]
fn copies_become_records_and_a_heartbeat_says_that_there_is_nothing_more() {
    let mut bench = Bench::new(None);
    bench.say(&accepted(1));
    bench.connect();
    assert_eq!(bench.words(), ["define 0 DAY1", "catching_up 1", "mark 1", "A 1 of 0 300@10001 live"]);
    bench.say(&executed(1));
    bench.say(&ouch::BrokenTrade {
        message_type: b'B',
        timestamp: U64::new(7),
        user_ref_num: U32::new(1),
        match_number: U64::new(55),
        reason: b'E',
        client_order: Alpha::BLANK,
    });
    bench.say(&ouch::OrderCanceled {
        message_type: b'C',
        timestamp: U64::new(8),
        user_ref_num: U32::new(1),
        quantity: U32::new(200),
        reason: b'U',
    });
    let expected = [
        "mark 2",
        "executed 1 match 55 sell 100@10001",
        "mark 3",
        "broken 1 match 55 sell 0@0",
        "mark 4",
        "C 1 of 0 200@0 live",
    ];
    assert_eq!(bench.words(), expected);
    bench.now += 1_000_000_000;
    bench.run();
    assert_eq!(bench.words(), ["ready 5"]);
}

#[test]
fn what_the_journal_has_is_read_again_for_what_it_says_of_later_messages_and_not_offered() {
    let mut bench = Bench::new(Some((Alpha::new("DAY1").unwrap(), 2)));
    bench.say(&accepted(1));
    bench.say(&executed(1));
    bench.connect();
    assert_eq!(bench.words(), ["catching_up 1", "mark 2", "executed 1 match 55 sell 100@10001"]);
    // The next connection goes on behind it.
    bench.copy.on_disconnected(&mut bench.records);
    bench.venue = venue("DAY1");
    bench.say(&executed(1));
    bench.connect();
    assert_eq!(bench.words(), ["down 3", "catching_up 3", "mark 3", "executed 1 match 55 sell 100@10001"]);
}

#[test]
fn another_session_is_read_from_its_beginning() {
    let mut bench = Bench::new(Some((Alpha::new("DAY0").unwrap(), 40)));
    bench.say(&accepted(1));
    bench.connect();
    assert_eq!(bench.words(), ["define 1 DAY1", "catching_up 1", "mark 1", "A 1 of 0 300@10001 live"]);
    bench.copy.on_disconnected(&mut bench.records);
    (bench.venue, bench.log) = (venue("DAY2"), MessageLog::default());
    bench.connect();
    assert_eq!(bench.words(), ["down 2", "refused 1"]);
    bench.copy.on_disconnected(&mut bench.records);
    bench.venue = venue("DAY2");
    bench.say(&accepted(7));
    bench.connect();
    assert_eq!(bench.words()[1..], ["define 2 DAY2", "catching_up 1", "mark 1", "A 7 of 0 300@10001 live"]);
}

#[test]
fn what_cannot_be_read_or_attributed_is_kept() {
    let mut bench = Bench::new(None);
    bench.connect();
    bench.words();
    bench.log.push(b"E\0\0");
    bench.say(&executed(44));
    assert_eq!(bench.words(), ["mark 1", "unread 1 of 0", "mark 2", "unread 2 of 44"]);
    assert_eq!((bench.copy.refused(), bench.log.next_sequence()), (0, 3));
}

#[test]
fn a_login_that_grants_a_later_sequence_says_how_many_copies_are_missing() {
    for (followed, granted, words) in [
        (None, 500, vec!["define 0 DAY1", "catching_up 500 without 499"]),
        (Some(480), 500, vec!["catching_up 500 without 20"]),
        (Some(500), 500, vec!["catching_up 500"]),
    ] {
        let session = Alpha::new("DAY1").unwrap();
        let mut bench = Bench::new(followed.map(|next| (session, next)));
        bench.copy.on_connected(Nanos(0)).unwrap();
        assert_eq!(bench.copy.login_sent(), Some(Nanos(0)));
        let login = format!("\0\x1fADAY1      {granted:>20}");
        let down = carry(login.as_bytes(), bench.copy.spare());
        bench.copy.on_received(down, Nanos(1), &mut bench.records).unwrap();
        assert_eq!(bench.copy.login_sent(), None);
        let said: Vec<_> = bench.records.iter().map(|record| word(EventRef::of(&record).unwrap())).collect();
        assert_eq!(said, words);
    }
}
