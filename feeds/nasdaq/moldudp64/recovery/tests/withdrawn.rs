//! What one packet claims to exist, and how it is withdrawn. `config` counts 50 ns as a moment and 1000 ns as silence.

use quickcheck::quickcheck;

use super::*;

/// A receiver whose lines have brought 1 to 9.
fn at_ten() -> Bench {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 9), 1);
    bench.packet(1, &data(1, 9), 2);
    bench
}

/// A packet that claims all before `next` to exist.
fn claim(kind: u8, next: u64) -> Vec<u8> {
    match kind % 3 {
        0 => heartbeat(SESSION, next).to_vec(),
        1 => end_of_session(SESSION, next).to_vec(),
        _ => data(next - 1, 1),
    }
}

fn beat(bench: &mut Bench, next: u64, now: i64) {
    for line in 0..2 {
        bench.packet(line, &heartbeat(SESSION, next), now);
    }
    bench.poll(now);
}

#[test]
fn one_packet_with_a_sequence_ahead_is_withdrawn_when_the_lines_go_on_below_it() {
    for kind in 0..3 {
        for ahead in [2, 1_000, 48_100, 60_000, 65_536] {
            let mut bench = at_ten();
            bench.packet(0, &claim(kind, 10 + ahead), 3);
            assert_eq!(bench.ledger.last(), (Health::RECOVERING, HealthReason::GAP), "a loss shows at once");
            beat(&mut bench, 10, 20);
            assert_eq!(bench.ledger.last().0, Health::RECOVERING, "they may have been overtaken");
            beat(&mut bench, 10, 60);
            assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::FILLED), "{kind} {ahead}");
            assert_eq!((bench.receiver.horizon(), bench.receiver.counters().withdrawn), (10, 1));
            assert_eq!(bench.request(2000), None);
            bench.packet(0, &data(10, 3), 70);
            bench.packet(1, &data(10, 3), 71);
            assert_eq!(bench.ledger.sequences(), (1..=12).collect::<Vec<_>>());
            assert_eq!(bench.ledger.last().0, Health::VALID);
        }
    }
}

#[test]
fn many_claims_in_a_burst_are_withdrawn_like_one() {
    let mut bench = at_ten();
    for now in 3..40i64 {
        bench.packet((now % 3) as u16, &claim(now as u8, 1000 + now.cast_unsigned() * 937 % 60_000), now);
    }
    for now in (50..400).step_by(10) {
        beat(&mut bench, 10, now);
    }
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::FILLED));
    assert_eq!(bench.receiver.next_sequence(), 10);
}

#[test]
fn a_true_loss_is_found_though_stragglers_say_less() {
    let mut bench = at_ten();
    bench.packet(0, &heartbeat(SESSION, 15), 3);
    for now in 4..50 {
        bench.packet(1, &heartbeat(SESSION, 10), now);
        bench.packet(0, &heartbeat(SESSION, 10), now);
    }
    for now in (60..3000).step_by(20) {
        beat(&mut bench, 15, now);
        assert_ne!(bench.ledger.last().0, Health::VALID, "{now}");
    }
    assert_eq!(bench.receiver.counters().withdrawn, 0);
    assert_eq!(bench.request(3000), Some((10, 4)));
}

#[test]
fn a_true_loss_beside_a_false_claim_stays_one() {
    let mut bench = at_ten();
    bench.packet(0, &data(12, 2), 3);
    bench.packet(0, &claim(0, 1010), 4);
    for now in (60..300).step_by(20) {
        beat(&mut bench, 14, now);
    }
    assert_eq!(bench.receiver.horizon(), 14);
    assert_eq!(bench.ledger.last().0, Health::RECOVERING);
    assert_eq!(bench.request(311), Some((10, 2)));
    bench.packet(2, &data(10, 2), 312);
    assert_eq!(bench.ledger.sequences(), (1..=13).collect::<Vec<_>>(), "what was held true is held still");
    assert_eq!(bench.ledger.last().0, Health::VALID);
}

/// Line A said it and fell silent, line B stands still: nobody knows who is right while A may speak again.
#[test]
fn a_line_that_has_not_spoken_since_may_be_right() {
    let mut bench = at_ten();
    bench.packet(0, &heartbeat(SESSION, 15), 3);
    for now in (60..1000).step_by(20) {
        bench.packet(1, &heartbeat(SESSION, 10), now);
        bench.poll(now);
        assert_ne!(bench.ledger.last().0, Health::VALID, "{now}");
    }
    for now in (1003..1200).step_by(20) {
        bench.packet(1, &heartbeat(SESSION, 10), now);
    }
    assert_eq!(bench.ledger.last().0, Health::VALID, "B is the only line left");
}

#[test]
fn after_a_restart_a_false_claim_is_withdrawn_to_what_the_lines_and_the_journal_say() {
    let receiver = Receiver::resume(config(), SESSION, 1, 10);
    let mut bench = Bench { receiver, ledger: Ledger::default() };
    bench.packet(0, &claim(0, 1010), 1);
    for now in (60..200).step_by(20) {
        beat(&mut bench, 6, now);
    }
    assert_eq!(bench.receiver.horizon(), 1010, "a line that lies behind the journal says nothing of it");
    for now in (200..400).step_by(20) {
        beat(&mut bench, 12, now);
    }
    assert_eq!(bench.receiver.horizon(), 12);
    let mut asked = Vec::new();
    for now in 411..2000 {
        if let Some((first, count)) = bench.request(now) {
            asked.push(first);
            bench.packet(2, &data(first, u64::from(count)), now);
        }
        beat(&mut bench, 12, now);
    }
    assert_eq!(asked, [1, 5, 9]);
    assert_eq!(bench.ledger.sequences(), (1..=11).collect::<Vec<_>>());
    assert_eq!(bench.ledger.last().0, Health::VALID);
}

#[test]
fn the_end_of_a_session_stays_one_where_a_false_claim_is_withdrawn() {
    let mut bench = at_ten();
    for now in [3, 100, 200, 300] {
        for line in 0..2 {
            bench.packet(line, &end_of_session(SESSION, 10), now);
        }
        bench.packet(0, &claim(0, if now == 3 { 1010 } else { 5 }), now);
    }
    assert_eq!(bench.receiver.horizon(), 10);
    assert_eq!(bench.ledger.last(), (Health::STALE, HealthReason::END_OF_SESSION));
    assert!(bench.ledger.transitions.iter().all(|transition| transition.1 != HealthReason::FILLED));
}

#[test]
fn where_the_lines_stand_is_not_said_by_one_packet() {
    let mut bench = at_ten();
    beat(&mut bench, 10, 3);
    bench.packet(1, &claim(0, 60_010), 4);
    bench.packet(0, &claim(0, 60_010), 4);
    assert_eq!(bench.receiver.stands_firm(Nanos(5)), Some((10, 10)));
    bench.packet(0, &claim(0, 60_010), 6);
    assert_eq!(bench.receiver.stands_firm(Nanos(7)), Some((10, 60_010)), "two do");
}

/// One forged packet among a true stream on two lines that lose up to `loss` percent each.
fn survives(seed: u64, kind: u8, ahead: u16, loss: u8) -> bool {
    const SENT: u64 = 200;
    let mut numbers = Numbers::new(seed);
    let loss = u64::from(loss % 30);
    let mut bench = Bench::new(config());
    let at = numbers.below(SENT);
    // A forged message of a number that the true stream is about to reach cannot be told from a true one.
    let ahead = 1 + u64::from(ahead) + if kind % 3 == 2 { SENT } else { 0 };
    for step in 0..SENT + 150 {
        let now = 20 * (step + 1).cast_signed();
        let next = (step + 1).min(SENT) + 1;
        for line in 0..2 {
            let packet = if step < SENT { data(step + 1, 1) } else { heartbeat(SESSION, next).to_vec() };
            if !percent(&mut numbers, loss) {
                bench.packet(line, &packet, now + i64::from(line));
            }
        }
        if step == at {
            bench.packet(numbers.below(3) as u16, &claim(kind, next + ahead), now + 2);
        }
        while let Some((first, count)) = bench.request(now + 3) {
            let count = u64::from(count).min(next.saturating_sub(first));
            if count > 0 {
                bench.packet(2, &data(first, count), now + 4);
            }
        }
        bench.poll(now + 5);
    }
    bench.ledger.sequences() == (1..=SENT).collect::<Vec<_>>() && bench.ledger.last().0 == Health::VALID
}

quickcheck! {
    fn any_single_forged_packet_leaves_the_true_stream_whole_and_valid(
        seed: u64, kind: u8, ahead: u16, loss: u8
    ) -> bool {
        survives(seed, kind, ahead, loss)
    }
}
