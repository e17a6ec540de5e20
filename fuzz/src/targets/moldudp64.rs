//! MoldUDP64, both sides, with many session names and extreme sequences: what is delivered is in order and without holes,
//! the receiver's own sequence agrees with it, requests are bounded, and while nobody lies the bytes are right and whoever
//! asks again long enough has everything.

use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::moldudp64::recovery::{Batch, Subscriber, Transition};
use pricewright_feeds::nasdaq::moldudp64::{
    PacketBuilder, Receiver, ReceiverConfig, Responder, decode, decode_request, end_of_session, heartbeat,
};
use pricewright_feeds::nasdaq::{Alpha, MessageLog, MessageStore, SessionId};

use super::wire;
use crate::input::Input;

const SESSION: SessionId = Alpha(*b"20260105A ");
const OTHER: SessionId = Alpha(*b"20260106A ");

#[derive(Default)]
struct Deliveries {
    room: bool,
    honest: bool,
    session: Option<SessionId>,
    next: u64,
}

/// The only text that message `sequence` of the honest session may have.
fn text(sequence: u64) -> [u8; 5] {
    let mixed = (sequence as u32).wrapping_mul(2_654_435_761).to_le_bytes();
    [mixed[0], mixed[1], mixed[2], mixed[3], sequence as u8]
}

impl Subscriber for Deliveries {
    fn has_room(&self, _: u16) -> bool {
        self.room
    }

    fn on_session(&mut self, session: SessionId, next: u64) {
        (self.session, self.next) = (Some(session), next);
    }

    fn on_batch(&mut self, batch: Batch<'_>) {
        assert!(self.session.is_some(), "messages before their session");
        assert_eq!(batch.first, self.next, "in order and without a hole");
        for message in batch.messages {
            assert!(!self.honest || message == text(self.next), "wrong bytes at {}", self.next);
            self.next = self.next.checked_add(1).expect("no message has the last number");
        }
        assert!(self.next > batch.first, "a batch holds a message");
    }

    fn on_transition(&mut self, transition: Transition) {
        assert!(!transition.health.name().is_empty());
    }
}

struct World {
    receiver: Receiver,
    deliveries: Deliveries,
    log: MessageLog,
    now: Nanos,
    lines: u16,
    outstanding: usize,
}

impl World {
    fn new(input: &mut Input<'_>) -> Self {
        let honest = input.one_in(2);
        let config = ReceiverConfig {
            lines: 1 + input.below(3),
            patience: Nanos(i64::from(input.byte()) * 1_000),
            silence: Nanos(1 + i64::from(input.word()) * 1_000),
            request_timeout: Nanos(1 + i64::from(input.byte()) * 1_000),
            request_messages: u16::from(input.byte()).max(1),
            requests_outstanding: input.below(5),
            request_attempts: input.below(5) as u32,
            reorder_packets: input.below(9),
            max_packet: input.pick(&[21, 64, 200, 1_500]),
        };
        let (lines, outstanding) = (config.lines as u16, config.requests_outstanding);
        let receiver = match (honest, input.below(4)) {
            (false, 0) => Receiver::resume(config, SESSION, input.number(), input.number()),
            _ => Receiver::new(config),
        };
        let deliveries = Deliveries { room: true, honest, ..Deliveries::default() };
        Self { receiver, deliveries, log: MessageLog::default(), now: Nanos(1_000_000), lines, outstanding }
    }

    /// A true packet: the next messages, or any earlier ones again.
    fn packet(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        let end = self.log.next_sequence();
        let back = if input.one_in(2) { u64::from(input.byte()) } else { 0 };
        let first = (end + input.below(4) as u64).saturating_sub(back).max(1);
        let count = 1 + input.below(6) as u64;
        while self.log.next_sequence() < first + count {
            let sequence = self.log.next_sequence();
            self.log.push(&text(sequence));
        }
        let mut builder = PacketBuilder::new(1_400);
        for sequence in first..first + count {
            assert!(builder.push(self.log.message(sequence).expect("published")));
        }
        builder.finish(SESSION, first).to_vec()
    }

    fn give(&mut self, line: u16, packet: &[u8]) {
        let _ = self.receiver.on_packet(line, packet, self.now, &mut self.deliveries);
    }

    fn poll(&mut self) {
        self.receiver.on_poll(self.now, &mut self.deliveries);
    }

    /// Answers the re-requests that are due, or loses them.
    fn requests(&mut self, answered: bool) {
        let mut due = Vec::new();
        while let Some(request) = self.receiver.next_request(self.now) {
            due.push(request);
            // Those that are sent again, and those that take the place of one that lies further ahead.
            assert!(
                due.len() <= 2 * self.outstanding.max(1),
                "more re-requests at once than may be unanswered"
            );
        }
        for request in due.iter().filter(|_| answered) {
            assert!(decode_request(request).is_ok());
            let mut responder = Responder::new(SESSION, 300);
            if let Ok(Some(packet)) = responder.respond(request, &self.log) {
                let packet = packet.to_vec();
                self.give(self.receiver.request_line(), &packet);
            }
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let line = input.below(usize::from(self.lines) + 1) as u16;
        let honest = self.deliveries.honest;
        match input.below(12) {
            0..=4 => {
                let packet = self.packet(input);
                self.give(line, &packet);
            }
            5 => self.give(line, &heartbeat(SESSION, self.log.next_sequence())),
            6 => self.now += Nanos(1 + i64::from(input.word()) * 1_000),
            7 => self.requests(!input.one_in(4)),
            8 => self.deliveries.room = !self.deliveries.room,
            9 if !honest => {
                let len = usize::from(input.byte());
                self.give(line, input.take(len));
            }
            10 | 11 if !honest => {
                let packet = lie(input);
                let _ = decode(&packet);
                self.give(line, &packet);
            }
            _ => {
                let mut responder = Responder::new(SESSION, usize::from(input.word()));
                let _ = responder.respond(input.take(24), &self.log);
            }
        }
    }

    fn check(&self) {
        if self.deliveries.session.is_some() && self.receiver.session() == self.deliveries.session {
            assert_eq!(self.receiver.next_sequence(), self.deliveries.next, "the receiver knows where it is");
        }
    }

    fn catch_up(&mut self) {
        self.deliveries.room = true;
        let end = self.log.next_sequence();
        for _ in 0..2_000 {
            if self.receiver.next_sequence() >= end {
                break;
            }
            self.now += Nanos(300_000);
            self.poll();
            self.requests(true);
            self.give(0, &heartbeat(SESSION, end));
        }
    }
}

/// A packet with a header of the input's: session, sequence and count.
fn lie(input: &mut Input<'_>) -> Vec<u8> {
    let session = match input.byte() {
        0..64 => SESSION,
        64..128 => OTHER,
        letter => Alpha([b'A' + letter % 26; 10]),
    };
    let sequence = input.number();
    match input.below(4) {
        0 => heartbeat(session, sequence).to_vec(),
        1 => end_of_session(session, sequence).to_vec(),
        kind => {
            let count = if kind == 2 { input.below(3) as u16 } else { input.word() };
            let mut packet = session.0.to_vec();
            packet.extend(sequence.to_be_bytes());
            packet.extend(count.to_be_bytes());
            for _ in 0..input.below(3) {
                packet.extend([0, 5]);
                packet.extend(text(sequence));
            }
            packet
        }
    }
}

/// See the module.
pub fn moldudp64(data: &[u8]) {
    let _ = decode(data);
    let _ = decode_request(data);
    let mut input = Input::new(data);
    let mut world = World::new(&mut input);
    while !input.is_empty() {
        world.step(&mut input);
        world.poll();
        world.check();
    }
    if world.deliveries.honest && world.deliveries.session.is_some() {
        world.catch_up();
        world.check();
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    wire::scripts()
}
