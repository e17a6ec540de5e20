//! The order gateway and the venue's end of its connection: both take any bytes in any pieces, the table of live orders is
//! in order and takes no more of ours than it has room for, every record is an event, and no order leaves under the latch or without a session.

use std::ops::ControlFlow;

use pricewright_core::kernel::table::{
    CancelOrder, DecisionRef, EventRef, KillLatched, PlaceOrder, ReplaceOrder,
};
use pricewright_core::kernel::{
    CancelReason, Control, InstrumentId, Nanos, RecordBuf, SendOutcome, SessionPhase, SideCode, SourceId,
    Text, Ticks, TimeInForce,
};
use pricewright_feeds::nasdaq::order_entry::{OrderEntry, OrderEntryConfig, VenueSession};
use pricewright_feeds::nasdaq::soupbintcp::{Password, ServerConfig};
use pricewright_feeds::nasdaq::{Alpha, MessageLog, MessageStore, SessionDay, SessionId};

use super::wire::{self, Bounded};
use crate::input::Input;

/// Room of the sink where it is not narrow on purpose.
const ROOM: usize = 10_000;
const USER: Alpha<6> = Alpha(*b"U     ");
const PASSWORD: Password = Password(Alpha(*b"P         "));

struct World {
    gateway: OrderEntry,
    venue: VenueSession,
    buffer: usize,
    log: MessageLog,
    sink: Bounded,
    now: Nanos,
    up: bool,
    decisions: u64,
    capacity: usize,
}

fn server() -> ServerConfig {
    ServerConfig { username: USER, password: PASSWORD, session: Alpha(*b"S1        ") }
}

impl World {
    fn new(input: &mut Input<'_>) -> Self {
        let buffer = input.pick(&[64, 100, 256, 4_096]);
        let capacity = 1 + input.below(6);
        let config = OrderEntryConfig {
            source: SourceId(2),
            username: USER,
            password: PASSWORD,
            session: SessionId::BLANK,
            next_sequence: 1,
            sessions: vec![],
            instruments: wire::specs(),
            day: SessionDay::fixed(0),
            live_capacity: capacity,
            live: vec![],
            unanswered: input.below(3) as u32,
            acknowledged: 0,
            numbered_from: 1,
            buffer,
        };
        let now = Nanos(1_000_000_000);
        Self {
            gateway: OrderEntry::new(config).expect("two instruments"),
            venue: VenueSession::new(server(), buffer, now),
            buffer,
            log: MessageLog::default(),
            sink: Bounded::new(ROOM),
            now,
            up: false,
            decisions: 0,
            capacity,
        }
    }

    fn known(&self, input: &mut Input<'_>) -> u32 {
        let orders = self.gateway.live_orders();
        match (input.below(5), orders.len()) {
            (0, _) | (_, 0) => input.number32(),
            (index, len) => orders[index % len].client,
        }
    }

    fn disconnect(&mut self) {
        self.gateway.on_disconnected(&mut self.sink);
        self.up = false;
    }

    fn give_client(&mut self, bytes: &[u8], step: usize) {
        wire::in_pieces(bytes, step, |piece| {
            if !self.up {
                return ControlFlow::Break(());
            }
            let count = wire::fill(self.gateway.spare(), piece);
            if count > 0 && self.gateway.on_received(count, self.now, &mut self.sink).is_err() {
                self.disconnect();
            }
            ControlFlow::Continue(count)
        });
    }

    fn give_venue(&mut self, bytes: &[u8], step: usize) {
        wire::in_pieces(bytes, step, |piece| {
            let count = wire::fill(self.venue.spare(), piece);
            self.venue.commit(count);
            for turns in 0.. {
                assert!(turns < 10_000, "the venue's end never runs dry");
                match self.venue.next_event(&self.log, self.now) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => {
                        self.venue = VenueSession::new(server(), self.buffer, self.now);
                        return ControlFlow::Break(());
                    }
                }
            }
            self.venue.pump(&self.log, self.now);
            if self.venue.output().len() > self.buffer / 2 {
                self.venue.consume(self.venue.output().len());
            }
            ControlFlow::Continue(count)
        });
    }

    fn decide(&mut self, input: &mut Input<'_>) {
        self.decisions += 1;
        let seq = self.decisions;
        let client = if input.one_in(16) { input.number() } else { seq };
        let price = Ticks(input.number() as i64);
        let (qty, instrument) = (input.number32(), InstrumentId(input.below(3) as u16));
        let side = input.pick(&[SideCode::BUY, SideCode::SELL, SideCode::UNKNOWN]);
        let tif = TimeInForce(input.byte() % 4);
        let expires = if input.one_in(8) { Nanos(input.number() as i64) } else { Nanos(i64::MAX) };
        let prior = u64::from(self.known(input));
        let place = PlaceOrder { client, price, expires, qty, instrument, side, tif };
        let replace = ReplaceOrder { client, prior, price, expires, qty, instrument, side, tif };
        let reason = if input.one_in(2) { CancelReason::UNANSWERED } else { CancelReason::default() };
        let cancel = CancelOrder { client: prior, price, qty, instrument, side, reason, spare: 0 };
        let released = u8::from(input.one_in(2));
        let latch = KillLatched {
            value: 0,
            limit: 0,
            control: Control::default(),
            released,
            spare: [0; 5],
            operator: Text::default(),
        };
        let decision = match input.below(8) {
            0..=3 => DecisionRef::PlaceOrder(&place),
            4 | 5 => DecisionRef::ReplaceOrder(&replace),
            6 => DecisionRef::CancelOrder(&cancel),
            _ => DecisionRef::KillLatched(&latch),
        };
        let silent = self.gateway.is_latched() || self.gateway.phase() != SessionPhase::READY;
        let (out, is_order) = (self.gateway.output().len(), matches!(input_kind(decision), Kind::Order));
        let (before, mut reports) = (self.gateway.live_orders().len(), RecordBuf::default());
        let _ = self.gateway.on_decision(self.now, seq, decision, &mut reports);
        // An order that the venue alone speaks of is kept beyond that, so that it can be cancelled.
        let live = self.gateway.live_orders().len();
        assert!(live <= self.capacity.max(before), "more orders of our own than the table has room for");
        for record in reports.iter() {
            if let Some(EventRef::SendReport(report)) = EventRef::of(&record) {
                let sent = report.outcome == SendOutcome::SENT;
                assert!(!(sent && is_order && silent), "an order left under the latch or without a session");
            }
        }
        assert!(
            !(is_order && silent && self.gateway.output().len() > out),
            "bytes of an order that must not leave"
        );
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let (mut to_client, mut to_venue) = (Vec::new(), Vec::new());
        match input.below(22) {
            0 => to_client = input.take(64).to_vec(),
            1 => to_venue = input.take(64).to_vec(),
            2 => to_client = wire::frame(input.byte(), input.take(60)),
            3 => to_venue = wire::frame(input.byte(), input.take(60)),
            4 if !self.up => self.up = self.gateway.on_connected(self.now).is_ok(),
            4 if input.one_in(8) => self.disconnect(),
            5 | 6 => {
                let next = if input.one_in(8) { input.number() } else { self.gateway.position().1 };
                to_client = wire::accepted(input.pick(&[b"S1        ", b"S1        ", b"S2        "]), next);
                to_client.extend(wire::frame(b'S', &wire::query_answer(self.decisions as u32 + 1)));
            }
            7..=11 => {
                let client = self.known(input);
                to_client = wire::frame(b'S', &wire::answer(input, client));
            }
            12 => to_client = wire::frame(b'S', &wire::query_answer(input.number32())),
            13..=16 => self.decide(input),
            17 => drop(self.gateway.cancel_all(self.now)),
            18 => {
                self.now += Nanos(1 + i64::from(input.word()) * 1_000_000);
                self.sink.room = if input.one_in(2) { ROOM } else { input.byte().into() };
                if self.up && self.gateway.on_poll(self.now, &mut self.sink).is_err() {
                    self.disconnect();
                }
                let _ = self.venue.poll(self.now);
            }
            19 => {
                let end = self.log.push(input.take(80));
                assert_eq!(end + 1, self.log.next_sequence());
                self.venue.pump(&self.log, self.now);
                to_client = self.venue.output().to_vec();
                self.venue.consume(to_client.len());
            }
            20 => {
                let count = self.gateway.output().len().min(input.byte().into());
                to_venue = self.gateway.output()[..count].to_vec();
                self.gateway.consume(count);
            }
            _ => {
                self.venue = VenueSession::new(server(), self.buffer, self.now);
                to_venue = wire::login(b"U     ", b"P         ", b"          ", input.number());
            }
        }
        let step = 1 + input.below(40);
        self.give_client(&to_client, step);
        self.give_venue(&to_venue, step);
    }

    fn check(&mut self) {
        for record in self.sink.records.iter() {
            assert!(EventRef::of(&record).is_some(), "a gateway puts events only");
        }
        self.sink.records.clear();
        let orders = self.gateway.live_orders();
        assert!(orders.windows(2).all(|pair| pair[0].client < pair[1].client), "the table is in order");
    }
}

enum Kind {
    Order,
    Other,
}

fn input_kind(decision: DecisionRef<'_>) -> Kind {
    match decision {
        DecisionRef::PlaceOrder(_) | DecisionRef::ReplaceOrder(_) => Kind::Order,
        _ => Kind::Other,
    }
}

/// See the module.
pub fn order_entry(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(&mut input);
    while !input.is_empty() {
        world.step(&mut input);
        world.check();
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    wire::scripts()
}
