use super::super::{PacketBuilder, Responder, end_of_session, heartbeat};
use super::*;
use crate::nasdaq::{MessageLog, MessageStore};
use pricewright_core::kernel::Numbers;

mod believed;
mod withdrawn;

const SESSION: SessionId = crate::nasdaq::Alpha(*b"SESSION1  ");
const NEXT_SESSION: SessionId = crate::nasdaq::Alpha(*b"SESSION2  ");

/// Keeps what was delivered.
#[derive(Default)]
struct Ledger {
    full: bool,
    messages: Vec<(SessionId, u64, Vec<u8>)>,
    batches: Vec<(u16, u64, u16)>,
    sessions: Vec<(SessionId, u64)>,
    transitions: Vec<(Health, HealthReason, u64, u64)>,
}

impl Subscriber for Ledger {
    fn has_room(&self, _messages: u16) -> bool {
        !self.full
    }

    fn on_session(&mut self, session: SessionId, next: u64) {
        self.sessions.push((session, next));
    }

    fn on_batch(&mut self, batch: Batch<'_>) {
        self.batches.push((batch.line, batch.first, batch.messages.left()));
        let session = self.sessions.last().expect("a session is announced first").0;
        for (sequence, message) in (batch.first..).zip(batch.messages) {
            self.messages.push((session, sequence, message.to_vec()));
        }
    }

    fn on_transition(&mut self, transition: Transition) {
        let Transition { health, reason, expected, missing, .. } = transition;
        self.transitions.push((health, reason, expected, missing));
    }
}

impl Ledger {
    fn sequences(&self) -> Vec<u64> {
        self.messages.iter().map(|(_, sequence, _)| *sequence).collect()
    }

    fn last(&self) -> (Health, HealthReason) {
        self.transitions.last().map(|last| (last.0, last.1)).expect("a transition")
    }
}

fn config() -> ReceiverConfig {
    ReceiverConfig {
        patience: Nanos(10),
        silence: Nanos(1000),
        request_timeout: Nanos(50),
        request_messages: 4,
        requests_outstanding: 2,
        request_attempts: 3,
        reorder_packets: 4,
        ..ReceiverConfig::default()
    }
}

/// A packet of messages `first..first + count`; each message says its sequence.
fn data_of(session: SessionId, first: u64, count: u64) -> Vec<u8> {
    let mut builder = PacketBuilder::new(1400);
    for sequence in first..first + count {
        assert!(builder.push(&sequence.to_be_bytes()));
    }
    builder.finish(session, first).to_vec()
}

fn data(first: u64, count: u64) -> Vec<u8> {
    data_of(SESSION, first, count)
}

struct Bench {
    receiver: Receiver,
    ledger: Ledger,
}

impl Bench {
    fn new(config: ReceiverConfig) -> Self {
        Self { receiver: Receiver::new(config), ledger: Ledger::default() }
    }

    fn packet(&mut self, line: u16, bytes: &[u8], now: i64) {
        assert_eq!(self.receiver.on_packet(line, bytes, Nanos(now), &mut self.ledger), Ok(Ok(())));
    }

    fn poll(&mut self, now: i64) {
        self.receiver.on_poll(Nanos(now), &mut self.ledger);
    }

    fn request(&mut self, now: i64) -> Option<(u64, u16)> {
        let bytes = self.receiver.next_request(Nanos(now))?;
        let (_, first, count) = super::super::decode_request(&bytes).unwrap();
        Some((first, count))
    }
}

#[test]
fn the_first_copy_counts_and_the_second_is_dropped() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 2), 1);
    bench.packet(1, &data(1, 2), 2);
    bench.packet(1, &data(3, 1), 3);
    bench.packet(0, &data(3, 1), 4);
    assert_eq!(bench.ledger.sequences(), [1, 2, 3]);
    assert_eq!(bench.ledger.batches, [(0, 1, 2), (1, 3, 1)]);
    assert_eq!(bench.ledger.transitions, [(Health::VALID, HealthReason::START, 3, 0)]);
    assert_eq!(bench.receiver.counters().duplicates, 2);
    assert_eq!(bench.request(100), None);
}

#[test]
fn a_packet_that_overlaps_gives_only_what_is_new() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 3), 1);
    bench.packet(1, &data(2, 4), 1);
    assert_eq!(bench.ledger.sequences(), [1, 2, 3, 4, 5]);
    assert_eq!(bench.ledger.batches[1], (1, 4, 2));
}

#[test]
fn the_other_line_fills_a_hole_without_a_request() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 1), 1);
    bench.packet(0, &data(4, 1), 2);
    assert_eq!(bench.ledger.last(), (Health::RECOVERING, HealthReason::GAP));
    assert_eq!(bench.request(5), None, "the other line has its chance first");
    bench.packet(1, &data(2, 2), 6);
    assert_eq!(bench.ledger.sequences(), [1, 2, 3, 4]);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::FILLED));
    assert_eq!(bench.request(100), None);
    assert_eq!(bench.receiver.counters().gaps, 1);
    assert_eq!(bench.receiver.counters().recovered, 0);
}

#[test]
fn a_hole_on_all_lines_is_requested_in_chunks_until_served() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 1), 1);
    bench.packet(0, &data(12, 1), 2);
    assert_eq!(bench.request(11), None);
    assert_eq!(bench.request(12), Some((2, 4)));
    assert_eq!(bench.request(12), Some((6, 4)));
    assert_eq!(bench.request(12), None, "two requests may be unanswered");
    let answers = bench.receiver.request_line();
    bench.packet(answers, &data(2, 2), 13);
    assert_eq!(bench.request(13), Some((4, 2)), "what one packet did not hold is asked for at once");
    bench.packet(answers, &data(4, 2), 14);
    bench.packet(answers, &data(6, 4), 15);
    assert_eq!(bench.request(16), Some((10, 2)));
    assert_eq!(bench.request(65), None);
    assert_eq!(bench.request(66), Some((10, 2)), "an answer that does not come is asked for again");
    bench.packet(answers, &data(10, 2), 67);
    assert_eq!(bench.ledger.sequences(), (1..=12).collect::<Vec<_>>());
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::FILLED));
    assert_eq!(bench.receiver.counters().recovered, 10);
    assert_eq!(bench.receiver.counters().requests, 5);
}

#[test]
fn a_heartbeat_shows_the_loss_of_the_last_packet() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 1), 1);
    bench.packet(1, &heartbeat(SESSION, 3), 2);
    assert_eq!(bench.ledger.last(), (Health::RECOVERING, HealthReason::GAP));
    assert_eq!(bench.request(12), Some((2, 1)));
}

#[test]
fn the_end_shows_the_loss_of_the_last_packet_and_ends_once_it_is_filled() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 1), 1);
    bench.packet(0, &end_of_session(SESSION, 3), 2);
    assert_eq!(bench.ledger.last(), (Health::RECOVERING, HealthReason::GAP));
    bench.packet(2, &data(2, 1), 3);
    assert_eq!(bench.ledger.last(), (Health::STALE, HealthReason::END_OF_SESSION));
    bench.poll(9999);
    assert_eq!(bench.ledger.last(), (Health::STALE, HealthReason::END_OF_SESSION));
}

#[test]
fn one_who_joins_late_asks_from_the_beginning() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(3, 1), 1);
    assert_eq!(bench.ledger.transitions, [(Health::RECOVERING, HealthReason::GAP, 1, 2)]);
    assert_eq!(bench.request(11), Some((1, 2)));
}

#[test]
fn one_who_resumes_expects_the_position_of_its_journal() {
    let receiver = Receiver::resume(config(), SESSION, 5, 5);
    let mut bench = Bench { receiver, ledger: Ledger::default() };
    bench.packet(0, &data(3, 3), 1);
    assert_eq!(bench.ledger.sessions, [(SESSION, 5)]);
    assert_eq!(bench.ledger.sequences(), [5]);
}

#[test]
fn silence_makes_stale_and_a_heartbeat_mends_it() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 1), 5000);
    bench.poll(5999);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::START));
    bench.poll(6000);
    assert_eq!(bench.ledger.last(), (Health::STALE, HealthReason::SILENCE));
    bench.packet(1, &heartbeat(SESSION, 2), 6001);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::HEARD));
}

#[test]
fn a_server_that_does_not_answer_makes_unrecoverable_until_it_does() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(2, 1), 1);
    for now in [11, 61, 111] {
        assert_eq!(bench.request(now), Some((1, 1)));
    }
    bench.poll(112);
    assert_eq!(bench.ledger.last(), (Health::STALE, HealthReason::UNRECOVERABLE));
    assert_eq!(bench.request(161), Some((1, 1)), "asking goes on");
    bench.packet(2, &data(1, 1), 162);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::FILLED));
}

#[test]
fn a_full_buffer_keeps_the_nearest_counts_the_rest_and_asks_for_it() {
    let mut bench = Bench::new(config());
    for first in [20, 18, 16, 14, 12, 10] {
        bench.packet(0, &data(first, 2), 1);
    }
    assert_eq!(bench.receiver.counters().overflow, 2);
    bench.packet(0, &data(1, 9), 2);
    assert_eq!(bench.ledger.sequences(), (1..=17).collect::<Vec<_>>());
    assert_eq!(bench.ledger.last(), (Health::RECOVERING, HealthReason::GAP));
    assert_eq!(bench.request(12), Some((18, 4)));
}

#[test]
fn a_packet_that_finds_no_room_is_not_taken_and_can_be_offered_again() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(2, 1), 1);
    bench.ledger.full = true;
    let before = *bench.receiver.counters();
    let refused = bench.receiver.on_packet(1, &data(1, 1), Nanos(2), &mut bench.ledger);
    assert_eq!(refused, Err(NotTaken));
    assert_eq!(*bench.receiver.counters(), before);
    bench.ledger.full = false;
    bench.packet(1, &data(1, 1), 3);
    assert_eq!(bench.ledger.sequences(), [1, 2]);
}

#[test]
fn what_is_no_packet_is_counted_and_changes_nothing() {
    let mut bench = Bench::new(config());
    let refused = bench.receiver.on_packet(0, &[1, 2, 3], Nanos(1), &mut bench.ledger);
    assert_eq!(refused, Ok(Err(PacketError::Header { found: 3 })));
    assert_eq!(bench.receiver.counters().malformed, 1);
    assert!(bench.ledger.transitions.is_empty());
}

#[test]
fn each_line_shows_how_far_it_is() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 5), 1);
    bench.packet(1, &data(1, 2), 2);
    assert_eq!(bench.receiver.lines()[0], Line { packets: 1, next: 6, heard: Nanos(1) });
    assert_eq!(bench.receiver.lines()[1], Line { packets: 1, next: 3, heard: Nanos(2) });
}

#[test]
fn skipping_goes_on_behind_what_is_skipped() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(9, 2), 1);
    bench.receiver.skip_to(10);
    bench.poll(2);
    assert_eq!(bench.ledger.sequences(), [10]);
    assert_eq!(bench.ledger.last().0, Health::VALID);
}

fn percent(faults: &mut Numbers, limit: u64) -> bool {
    faults.below(100) < limit
}

fn line_of(packets: &[Vec<u8>], line: u16, faults: &mut Numbers) -> Vec<(i64, u16, Vec<u8>)> {
    let (loss, twice, spread) = (faults.below(40), faults.below(30), 1 + faults.below(200));
    let mut arrivals = Vec::new();
    for (sent, packet) in (0..).step_by(20).zip(packets) {
        for _ in 0..1 + u64::from(percent(faults, twice)) {
            if !percent(faults, loss) {
                arrivals.push((sent + faults.below(spread).cast_signed(), line, packet.clone()));
            }
        }
    }
    arrivals
}

/// Runs a session over two faulty lines and a faulty re-request server; true where the stream came out as it went in.
fn stream_survives(seed: u64) -> bool {
    let mut faults = Numbers::new(seed);
    let mut log = MessageLog::default();
    let mut packets = Vec::new();
    for _ in 0..10 + faults.below(120) {
        let mut builder = PacketBuilder::new(400);
        let first = log.next_sequence();
        for _ in 0..faults.below(8) {
            let message: Vec<u8> = (0..faults.below(40)).map(|_| faults.draw().to_be_bytes()[0]).collect();
            if builder.push(&message) {
                log.push(&message);
            }
        }
        packets.push(builder.finish(SESSION, first).to_vec());
    }
    let end = end_of_session(SESSION, log.next_sequence()).to_vec();
    let mut arrivals: Vec<_> = (0..2).flat_map(|line| line_of(&packets, line, &mut faults)).collect();
    let last = 20 * 200 + 200;
    arrivals.push((last, 0, end));
    arrivals.sort_by_key(|(at, ..)| *at);
    let small = ReceiverConfig {
        reorder_packets: faults.below(12) as usize,
        silence: Nanos::from_secs(1000),
        ..config()
    };
    let mut bench = Bench::new(small);
    let mut responder = Responder::new(SESSION, 200);
    let server_loss = faults.below(60);
    let mut pending = arrivals.into_iter().peekable();
    for now in 0..last + 1_000_000 {
        while let Some((_, line, packet)) = pending.next_if(|(at, ..)| *at <= now) {
            offer(&mut bench, line, &packet, now, &mut faults);
        }
        while let Some(request) = bench.receiver.next_request(Nanos(now)) {
            if percent(&mut faults, server_loss) {
                continue;
            }
            let answer = responder.respond(&request, &log).unwrap().map(<[u8]>::to_vec);
            if let Some(answer) = answer.filter(|_| !percent(&mut faults, server_loss)) {
                offer(&mut bench, 2, &answer, now, &mut faults);
            }
        }
        if pending.peek().is_none() && bench.receiver.next_sequence() == log.next_sequence() {
            break;
        }
    }
    let expected: Vec<_> = (1..log.next_sequence())
        .map(|sequence| (SESSION, sequence, log.message(sequence).unwrap().to_vec()))
        .collect();
    bench.ledger.messages == expected
        && bench.ledger.last() == (Health::STALE, HealthReason::END_OF_SESSION)
        && bench.receiver.counters().delivered == expected.len() as u64
}

/// Offers a packet to a subscriber that has no room now and then.
fn offer(bench: &mut Bench, line: u16, packet: &[u8], now: i64, faults: &mut Numbers) {
    loop {
        bench.ledger.full = percent(faults, 10);
        match bench.receiver.on_packet(line, packet, Nanos(now), &mut bench.ledger) {
            Ok(result) => return result.unwrap(),
            Err(NotTaken) => continue,
        }
    }
}

#[test]
fn whatever_the_lines_lose_repeat_or_reorder_the_stream_comes_out_as_it_went_in() {
    for seed in 0..2000 {
        assert!(stream_survives(seed), "seed {seed}");
    }
}
