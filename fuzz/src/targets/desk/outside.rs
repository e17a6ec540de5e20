//! The market and the venue as the desk meets them: mostly sensible, sometimes anything.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use pricewright_core::kernel::{Nanos, OperatorCommand, RecordBuf, SideCode, SourceId};
use pricewright_feeds::nasdaq::glimpse::recovery::RecoveryConfig;
use pricewright_feeds::nasdaq::glimpse::{BookImage, Snapshot};
use pricewright_feeds::nasdaq::market_data::{MarketData, MarketDataConfig};
use pricewright_feeds::nasdaq::moldudp64::{
    PacketBuilder, ReceiverConfig, Responder, end_of_session, heartbeat,
};
use pricewright_feeds::nasdaq::order_entry::{LiveOrder, OrderEntry, OrderEntryConfig};
use pricewright_feeds::nasdaq::ouch::{self, Body};
use pricewright_feeds::nasdaq::soupbintcp::Password;
use pricewright_feeds::nasdaq::{Alpha, MessageLog, MessageStore, SessionDay, SessionId, itch};
use zerocopy::FromZeros;

use super::World;
use crate::input::Input;
use crate::targets::wire;

/// Operators' commands that a machine gets.
const COMMANDS: [OperatorCommand; 8] = [
    OperatorCommand::START,
    OperatorCommand::STOP,
    OperatorCommand::KILL,
    OperatorCommand::REARM,
    OperatorCommand::REARM,
    OperatorCommand::STORAGE_LOW,
    OperatorCommand::STORAGE_OK,
    OperatorCommand::ALARM,
];

/// A gateway without a connection.
pub(super) fn gateway() -> OrderEntry {
    OrderEntry::new(OrderEntryConfig {
        source: SourceId(2),
        username: Alpha(*b"U     "),
        password: Password(Alpha::BLANK),
        session: SessionId::BLANK,
        next_sequence: 1,
        sessions: vec![],
        instruments: wire::specs(),
        day: SessionDay::fixed(0),
        live_capacity: 16,
        live: vec![],
        unanswered: 0,
        acknowledged: 0,
        numbered_from: 1,
        buffer: 4_096,
    })
    .expect("two instruments")
}

/// Market data and the state of the connections.
pub(super) struct Outside {
    feed: MarketData,
    session: SessionId,
    log: MessageLog,
    image: BookImage,
    up: bool,
    out: RecordBuf,
    venue: Venue,
}

/// What the venue has said: an answer that contradicts another latches the desk, and then nothing more is reached.
#[derive(Default)]
struct Venue {
    accepted: BTreeSet<u32>,
    matches: u64,
}

impl Outside {
    pub(super) fn new() -> Self {
        let receiver = ReceiverConfig {
            reorder_packets: 8,
            patience: Nanos(1_000),
            silence: Nanos(500_000_000),
            ..ReceiverConfig::default()
        };
        let config = MarketDataConfig {
            source: SourceId(1),
            instruments: wire::specs(),
            day: SessionDay::fixed(0),
            receiver,
            sessions: vec![],
            market: itch::market::NASDAQ,
            resume: None,
            recovery: Some(RecoveryConfig { buffer_bytes: 4_096, ..RecoveryConfig::default() }),
            lost: vec![],
        };
        Self {
            feed: MarketData::new(config).expect("two instruments"),
            session: Alpha(*b"20260105A "),
            log: MessageLog::default(),
            image: BookImage::default(),
            up: false,
            out: RecordBuf::default(),
            venue: Venue::default(),
        }
    }

    /// What brings a desk to quote: a directory, books of both instruments, a session.
    pub(super) fn open(&mut self, world: &mut World) {
        let mut messages = Vec::new();
        for (locate, symbol) in [1_u16, 2].into_iter().zip(wire::SYMBOLS) {
            messages.push(wire::listing(b'R', locate, symbol, b' '));
            messages.push(wire::listing(b'H', locate, symbol, b'T'));
            for (order, side, price) in [(100, b'B', 999_500), (101, b'S', 1_000_500)] {
                messages.push(wire::add(locate, symbol, order + 10 * u64::from(locate), side, 500, price));
            }
        }
        let hours = wire::event(b'Q');
        messages.push(hours);
        let packet = self.publish(&messages);
        self.packet(world, 0, &packet);
        self.flush(world);
        self.connect(world);
        self.log_in(world, 1);
        self.flush(world);
    }

    fn publish(&mut self, messages: &[Vec<u8>]) -> Vec<u8> {
        let first = self.log.next_sequence();
        let mut builder = PacketBuilder::new(1_400);
        for message in messages {
            self.log.push(message);
            let _ = self.image.apply(message);
            builder.push(message);
        }
        builder.finish(self.session, first).to_vec()
    }

    fn packet(&mut self, world: &World, line: u16, packet: &[u8]) {
        let _ = self.feed.on_packet(line, packet, world.now, &mut self.out);
    }

    fn poll(&mut self, world: &World) {
        self.feed.on_poll(world.now, &mut self.out);
        for count in 0.. {
            let Some(request) = self.feed.next_request(world.now) else { break };
            assert!(count < 64, "re-requests without end");
            let mut responder = Responder::new(self.session, 1_400);
            if let Ok(Some(packet)) = responder.respond(&request, &self.log) {
                let packet = packet.to_vec();
                self.packet(world, self.feed.request_line(), &packet);
            }
        }
        if self.feed.asks_for_snapshot(world.now) {
            let told = self.image.tell();
            let messages = (1..told.next_sequence() - 1).filter_map(|sequence| told.message(sequence));
            self.feed.on_snapshot(Snapshot::new(self.image.next_sequence(), messages), world.now);
        }
        while self.feed.used_snapshot().is_some() {}
    }

    fn connect(&mut self, world: &mut World) {
        self.up = world.gateway.on_connected(world.now).is_ok();
    }

    fn disconnect(&mut self, world: &mut World) {
        world.gateway.on_disconnected(&mut self.out);
        self.up = false;
    }

    fn give_gateway(&mut self, world: &mut World, bytes: &[u8]) {
        wire::in_pieces(bytes, bytes.len(), |piece| {
            if !self.up {
                return ControlFlow::Break(());
            }
            let count = wire::fill(world.gateway.spare(), piece);
            if count > 0 && world.gateway.on_received(count, world.now, &mut self.out).is_err() {
                world.gateway.on_disconnected(&mut self.out);
                self.up = false;
            }
            ControlFlow::Continue(count)
        });
    }

    fn log_in(&mut self, world: &mut World, next_client: u32) {
        let mut bytes = wire::accepted(b"S1        ", world.gateway.position().1);
        bytes.extend(wire::frame(b'S', &wire::query_answer(next_client)));
        self.give_gateway(world, &bytes);
    }

    pub(super) fn step(&mut self, world: &mut World, input: &mut Input<'_>) {
        match input.below(24) {
            0..=6 => {
                let messages: Vec<Vec<u8>> =
                    (0..=input.below(5)).map(|_| wire::itch_message(input)).collect();
                let packet = self.publish(&messages);
                if !input.one_in(8) {
                    self.packet(world, u16::from(input.byte() & 1), &packet);
                }
            }
            7..=9 => {
                let scale = input.pick(&[1, 1_000, 100_000]);
                world.now += Nanos(1 + i64::from(input.word()) * scale);
                self.poll(world);
            }
            10 => self.header(world, input),
            11 => {
                let command = input.pick(&COMMANDS);
                world.operator(command);
            }
            12 if self.up => self.disconnect(world),
            12 | 13 if !self.up => self.connect(world),
            13 => {
                let next = (world.account.last_client as u32).wrapping_add(input.below(3) as u32);
                self.log_in(world, next);
            }
            14 => {
                if self.up && world.gateway.on_poll(world.now, &mut self.out).is_err() {
                    self.disconnect(world);
                }
            }
            _ => {
                let orders = world.gateway.live_orders();
                let order = orders.get(input.below(orders.len().max(1))).copied();
                let answer = match order {
                    Some(order) if !input.one_in(16) => {
                        self.venue.answer_to(&order, world.account.limit(order.client.into()), input)
                    }
                    Some(order) => wire::answer(input, order.client),
                    None => {
                        let client =
                            if input.one_in(2) { input.number32() } else { world.account.last_client as u32 };
                        wire::answer(input, client)
                    }
                };
                self.give_gateway(world, &wire::frame(b'S', &answer));
            }
        }
        self.flush(world);
    }

    /// A header alone: heartbeats and ends, of this session and of others, and bytes that are none.
    fn header(&mut self, world: &World, input: &mut Input<'_>) {
        let next = self.log.next_sequence();
        let other = Alpha([b'A' + input.byte() % 26; 10]);
        match input.below(8) {
            0 => {
                self.session = other;
                (self.log, self.image) = (MessageLog::default(), BookImage::default());
            }
            1 => self.packet(world, 0, &end_of_session(self.session, next)),
            2 => self.packet(world, 1, &heartbeat(other, input.number())),
            3 => self.packet(world, 1, &heartbeat(self.session, input.number())),
            4 => self.packet(world, 1, input.take(60)),
            _ => self.packet(world, 0, &heartbeat(self.session, next)),
        }
    }

    /// Gives the desk what feed and gateway said, and takes what the gateway sent.
    fn flush(&mut self, world: &mut World) {
        world.gateway.consume(world.gateway.output().len());
        let records = std::mem::take(&mut self.out);
        world.give(&records);
    }
}

fn price(input: &mut Input<'_>) -> u64 {
    999_000 + 100 * (input.byte() % 32) as u64
}

/// OUCH's price units in a tick of both instruments.
const TICK: u64 = 100;

impl Venue {
    /// An answer to `order`, which was sent with the price `limit`: mostly one that a venue could give.
    fn answer_to(&mut self, order: &LiveOrder, limit: Option<u64>, input: &mut Input<'_>) -> Vec<u8> {
        let client = order.client.into();
        let side = if order.side == SideCode::BUY { b'B' } else { b'S' };
        let symbol = Alpha(*wire::SYMBOLS[order.instrument.index().min(1)]);
        let state = if input.one_in(32) { b'D' } else { b'L' };
        let price =
            if input.one_in(16) { price(input) } else { limit.map_or(1_000_000, |ticks| ticks * TICK) };
        let accepts = self.accepted.insert(order.client) != input.one_in(32);
        match input.below(8) {
            _ if accepts && order.prior == 0 => {
                let mut body = ouch::OrderAccepted::new_zeroed();
                (body.user_ref_num, body.side, body.quantity) = (client, side, order.open.into());
                (body.symbol, body.price, body.order_state) = (symbol, price.into(), state);
                whole(&mut body)
            }
            _ if accepts => {
                let mut body = ouch::OrderReplaced::new_zeroed();
                (body.original, body.user_ref_num, body.side) = (order.prior.into(), client, side);
                (body.quantity, body.symbol) = (order.open.into(), symbol);
                (body.price, body.order_state) = (price.into(), state);
                whole(&mut body)
            }
            0..=6 => {
                let mut body = ouch::OrderExecuted::new_zeroed();
                let lots = if input.one_in(16) {
                    input.number32()
                } else {
                    order.open.min(1 + u32::from(input.byte() % 32))
                };
                self.matches += u64::from(!input.one_in(16));
                (body.user_ref_num, body.quantity, body.price) = (client, lots.into(), price.into());
                (body.liquidity, body.match_number) = (input.pick(b"ARX"), self.matches.into());
                whole(&mut body)
            }
            _ => {
                let mut body = ouch::OrderCanceled::new_zeroed();
                (body.user_ref_num, body.quantity) = (client, order.open.into());
                body.reason = input.pick(b"UITD");
                whole(&mut body)
            }
        }
    }
}

fn whole<B: Body + Letter>(body: &mut B) -> Vec<u8> {
    body.set_letter();
    let mut bytes = body.as_bytes().to_vec();
    if B::OPTIONS == ouch::Options::Required {
        bytes.extend([0, 0]);
    }
    bytes
}

trait Letter {
    fn set_letter(&mut self);
}

macro_rules! letters {
    ($($name:ident)*) => {
        $(impl Letter for ouch::$name {
            fn set_letter(&mut self) {
                self.message_type = Self::TYPE;
            }
        })*
    };
}

letters!(OrderAccepted OrderReplaced OrderExecuted OrderCanceled);
