//! The market data feed, packets to records: every record is an event, the room of the sink is kept to, and a packet that
//! was not taken changed nothing that a second offer would show. Snapshots that come may be true, old, early or made up.

use pricewright_core::kernel::table::EventRef;
use pricewright_core::kernel::{InstrumentId, Nanos, SourceId};
use pricewright_feeds::nasdaq::glimpse::recovery::RecoveryConfig;
use pricewright_feeds::nasdaq::glimpse::{BookImage, Snapshot};
use pricewright_feeds::nasdaq::market_data::{MarketData, MarketDataConfig, Resume};
use pricewright_feeds::nasdaq::moldudp64::{
    PacketBuilder, ReceiverConfig, Responder, end_of_session, heartbeat,
};
use pricewright_feeds::nasdaq::{Alpha, MessageLog, MessageStore, SessionDay, SessionId, itch};

use super::wire::{self, Bounded};
use crate::input::Input;

/// Enough for any packet of these sizes.
const ROOM: usize = MarketData::worst_case_cells(1_500, 2);

struct World {
    feed: MarketData,
    session: SessionId,
    log: MessageLog,
    image: BookImage,
    sink: Bounded,
    now: Nanos,
}

impl World {
    fn new(input: &mut Input<'_>) -> Self {
        let session = Alpha(*b"20260105A ");
        let resume = input.one_in(4).then(|| Resume {
            session,
            next_sequence: input.number(),
            taken: input.byte().into(),
        });
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
            sessions: vec![session],
            market: itch::market::NASDAQ,
            resume,
            recovery: (!input.one_in(4)).then(|| RecoveryConfig {
                gap_messages: input.byte().into(),
                buffer_bytes: 512,
                ..RecoveryConfig::default()
            }),
            lost: if input.one_in(4) { vec![InstrumentId(input.word())] } else { vec![] },
        };
        let feed = MarketData::new(config).expect("two instruments");
        Self {
            feed,
            session,
            log: MessageLog::default(),
            image: BookImage::default(),
            sink: Bounded::new(ROOM),
            now: Nanos(1_000_000),
        }
    }

    fn give(&mut self, line: u16, packet: &[u8]) {
        self.sink.room = ROOM;
        let taken = self.feed.on_packet(line, packet, self.now, &mut self.sink);
        // A reorder buffer that was full may need a second offer, with room again.
        for _ in 0..16 {
            if taken.is_ok() {
                break;
            }
            self.sink.room = ROOM;
            let _ = self.feed.on_packet(line, packet, self.now, &mut self.sink);
        }
    }

    /// New messages in a packet, which may be lost.
    fn publish(&mut self, input: &mut Input<'_>) {
        let first = self.log.next_sequence();
        let mut builder = PacketBuilder::new(1_400);
        for _ in 0..=input.below(8) {
            let message = wire::itch_message(input);
            self.log.push(&message);
            let _ = self.image.apply(&message);
            builder.push(&message);
        }
        let packet = builder.finish(self.session, first).to_vec();
        match input.below(8) {
            0 => {}
            1 => {
                self.give(1, &packet);
                self.give(0, &packet);
            }
            line => self.give((line % 2) as u16, &packet),
        }
    }

    fn requests(&mut self) {
        for count in 0.. {
            let Some(request) = self.feed.next_request(self.now) else { break };
            assert!(count < 64, "re-requests without end");
            let mut responder = Responder::new(self.session, 1_400);
            if let Ok(Some(packet)) = responder.respond(&request, &self.log) {
                let packet = packet.to_vec();
                self.give(self.feed.request_line(), &packet);
            }
        }
    }

    /// Answers the wish for a snapshot: by the state of this moment, by nothing, or by what the input makes up.
    fn snapshot(&mut self, input: &mut Input<'_>) {
        if !self.feed.asks_for_snapshot(self.now) {
            return;
        }
        let snapshot = match input.below(4) {
            0 => return self.feed.on_no_snapshot(self.now),
            1 => {
                let messages: Vec<Vec<u8>> = (0..input.below(8)).map(|_| wire::itch_message(input)).collect();
                Snapshot::new(input.number(), messages.iter().map(Vec::as_slice))
            }
            _ => {
                let told = self.image.tell();
                let messages = (1..told.next_sequence() - 1).filter_map(|sequence| told.message(sequence));
                Snapshot::new(self.image.next_sequence(), messages)
            }
        };
        self.feed.on_snapshot(snapshot, self.now);
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(12) {
            10 => self.snapshot(input),
            11 => {
                self.sink.room = ROOM;
                let instrument = InstrumentId(input.below(3) as u16);
                self.feed.mistrust(instrument, self.now, &mut self.sink);
            }
            0..=5 => self.publish(input),
            6 => {
                self.now += Nanos(1 + i64::from(input.word()) * 50_000);
                self.sink.room = ROOM;
                self.feed.on_poll(self.now, &mut self.sink);
                self.requests();
            }
            7 => {
                let packet = match input.below(4) {
                    0 => end_of_session(self.session, self.log.next_sequence()),
                    1 => heartbeat(Alpha([b'A' + input.byte() % 26; 10]), input.number()),
                    _ => heartbeat(self.session, self.log.next_sequence()),
                };
                self.give(0, &packet);
            }
            8 => {
                let len = input.below(80);
                self.give(1, input.take(len));
            }
            _ => {
                self.sink.room = input.below(40);
                let packet = heartbeat(self.session, self.log.next_sequence());
                let _ = self.feed.on_packet(0, &packet, self.now, &mut self.sink);
                self.feed.on_poll(self.now, &mut self.sink);
            }
        }
    }
}

/// See the module.
pub fn market_data(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(&mut input);
    while !input.is_empty() {
        world.step(&mut input);
        for record in world.sink.records.iter() {
            assert!(EventRef::of(&record).is_some(), "a feed puts events only");
        }
        world.sink.records.clear();
        assert!(world.feed.stale().count() <= 2);
        while world.feed.used_snapshot().is_some() {}
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    wire::scripts()
}
