//! What is believed of a line, of a session, of a sequence, and what is life. `config` counts 1000 ns as silence.

use super::*;

const FORGED: [SessionId; 3] = [
    crate::nasdaq::Alpha(*b"AAAAAAAAAA"),
    crate::nasdaq::Alpha(*b"BBBBBBBBBB"),
    crate::nasdaq::Alpha(*b"CCCCCCCCCC"),
];

/// A receiver whose lines have brought 1 to 9.
fn at_ten() -> Bench {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 9), 1);
    bench.packet(1, &data(1, 9), 2);
    bench
}

#[test]
fn another_session_starts_from_one_and_the_old_ones_stragglers_are_dropped() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 2), 1);
    bench.packet(0, &data(5, 1), 1);
    bench.packet(0, &data_of(NEXT_SESSION, 1, 1), 2);
    bench.packet(0, &data_of(NEXT_SESSION, 2, 1), 2);
    assert_eq!(bench.ledger.sessions, [(SESSION, 1)], "one packet ends no session, nor do two");
    bench.packet(0, &data_of(NEXT_SESSION, 3, 1), 2);
    bench.packet(1, &data(3, 1), 3);
    bench.packet(2, &data(3, 1), 3);
    bench.packet(2, &data_of(NEXT_SESSION, 1, 2), 4);
    assert_eq!(bench.ledger.sessions, [(SESSION, 1), (NEXT_SESSION, 1)]);
    assert_eq!(bench.ledger.sequences(), [1, 2, 1, 2, 3]);
    let reasons: Vec<_> = bench.ledger.transitions.iter().map(|transition| transition.1).collect();
    use HealthReason as R;
    assert_eq!(reasons, [R::START, R::GAP, R::SESSION_CHANGE, R::GAP, R::FILLED]);
    assert_eq!(bench.receiver.counters().stragglers, 4);
    assert_eq!(bench.receiver.counters().abandoned, 3);
}

#[test]
fn another_session_begins_with_its_first_packet_where_the_present_one_ended_or_is_silent() {
    for ended in [true, false] {
        let mut bench = at_ten();
        if ended {
            bench.packet(0, &end_of_session(SESSION, 10), 3);
        }
        let now = if ended { 4 } else { 1003 };
        bench.packet(1, &data_of(NEXT_SESSION, 1, 1), now);
        assert_eq!(bench.ledger.sessions[1..], [(NEXT_SESSION, 1)], "ended: {ended}");
        assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::START));
    }
}

/// The attack that ended a desk: three heartbeats of 20 bytes in three names with the highest sequence there is.
#[test]
fn three_heartbeats_in_three_names_with_the_highest_sequence_change_nothing() {
    let mut bench = at_ten();
    for session in FORGED {
        for next in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 40) + 1] {
            bench.packet(0, &heartbeat(session, next), 3);
        }
    }
    bench.packet(0, &data(10, 1), 4);
    assert_eq!(bench.ledger.sessions, [(SESSION, 1)]);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::START));
    assert_eq!((bench.receiver.counters().implausible, bench.receiver.counters().abandoned), (12, 0));
    assert_eq!(bench.request(100), None);
}

#[test]
fn heartbeats_of_another_session_do_not_end_one_that_lives() {
    let mut bench = at_ten();
    for now in 3..500 {
        bench.packet(0, &heartbeat(NEXT_SESSION, 1), now);
        bench.packet(1, &heartbeat(SESSION, 10), now);
    }
    assert_eq!(bench.ledger.sessions, [(SESSION, 1)]);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::START));
}

/// Line B repeats yesterday all day long, data and end: whatever today does, yesterday does not come back.
#[test]
fn a_line_that_repeats_yesterday_does_not_take_the_feed_back() {
    let mut bench = at_ten();
    bench.packet(0, &end_of_session(SESSION, 10), 3);
    bench.packet(0, &data_of(NEXT_SESSION, 1, 1), 4);
    for now in 5..4000i64 {
        bench.packet(1, &data(1 + now.cast_unsigned() % 9, 1), now);
        bench.packet(1, &heartbeat(SESSION, 10), now);
        bench.packet(1, &end_of_session(SESSION, 10), now);
        bench.poll(now);
    }
    assert_eq!(bench.ledger.sessions[1..], [(NEXT_SESSION, 1)]);
    assert_eq!(bench.ledger.last(), (Health::STALE, HealthReason::SILENCE), "nor is it life");
}

#[test]
fn a_session_of_an_earlier_day_is_not_begun_after_a_restart() {
    let mut receiver = Receiver::resume(config(), NEXT_SESSION, 1, 1);
    receiver.leave(SESSION);
    let mut bench = Bench { receiver, ledger: Ledger::default() };
    for now in 1..3000i64 {
        bench.packet(1, &data(now.cast_unsigned(), 1), now);
        bench.poll(now);
    }
    assert_eq!(bench.ledger.sessions, []);
    bench.packet(0, &data_of(NEXT_SESSION, 1, 1), 3000);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::HEARD));
}

/// A session that was forged well enough to be believed: the true one takes the feed back with new data, without a restart.
#[test]
fn the_true_session_comes_back_after_a_forged_one() {
    let mut bench = at_ten();
    for first in 1..=3 {
        bench.packet(0, &data_of(FORGED[0], first, 1), 3);
    }
    assert_eq!(bench.receiver.session(), Some(FORGED[0]));
    for now in 4..2000i64 {
        bench.packet(1, &data(6 + now.cast_unsigned(), 1), now);
        bench.poll(now);
    }
    assert_eq!(bench.receiver.session(), Some(SESSION));
    assert_eq!(bench.ledger.sessions.len(), 3);
    assert_eq!(bench.request(2000), Some((1, 4)), "from the beginning: what it brought was cleared");
}

#[test]
fn a_sequence_far_ahead_from_one_packet_or_two_changes_nothing() {
    for next in [100_000, 1 << 30, 1 << 40, (1 << 40) + 1, 1 << 63, u64::MAX] {
        let mut bench = at_ten();
        bench.packet(0, &heartbeat(SESSION, next), 3);
        bench.packet(0, &heartbeat(SESSION, next), 4);
        bench.packet(0, &heartbeat(SESSION, 10), 5);
        bench.packet(0, &end_of_session(SESSION, next.min(u64::MAX - 65_535)), 6);
        assert_eq!(bench.ledger.transitions, [(Health::VALID, HealthReason::START, 10, 0)], "{next}");
        assert_eq!(bench.request(1000), None);
        assert_eq!(bench.receiver.counters().implausible, 3);
    }
}

#[test]
fn a_real_leap_is_believed_after_three_packets_that_agree() {
    let mut bench = at_ten();
    for first in [500_000, 500_001, 500_002] {
        assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::START));
        bench.packet(1, &data(first, 1), 3);
    }
    assert_eq!(bench.ledger.last(), (Health::RECOVERING, HealthReason::GAP));
    assert_eq!(bench.request(13), Some((10, 4)));
}

/// A line that lies well enough to be believed makes the feed wait for what does not exist; line B, which goes on, and the
/// server, which has it not, prove it wrong.
#[test]
fn a_leap_that_nothing_bears_out_is_taken_back_without_a_restart() {
    let mut bench = at_ten();
    let mut requests = 0;
    for now in 3..5000 {
        bench.packet(0, &heartbeat(SESSION, 1_000_000), now);
        bench.packet(1, &data(10 + now.cast_unsigned() / 100, 1), now);
        bench.poll(now);
        requests += u32::from(bench.request(now).is_some());
    }
    assert!(bench.ledger.transitions.iter().any(|transition| transition.1 == HealthReason::GAP));
    assert_eq!(bench.ledger.last().0, Health::VALID, "{:?}", bench.ledger.transitions);
    assert_eq!(bench.receiver.next_sequence(), 10 + 49 + 1);
    assert!(requests < 20, "{requests}");
}

#[test]
fn a_server_that_never_answers_is_asked_less_and_less_often() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(2, 1), 1);
    let mut asked = 0;
    for now in (1..2_000_000).step_by(10) {
        bench.packet(0, &heartbeat(SESSION, 3), now);
        asked += u32::from(bench.request(now).is_some());
    }
    // 12 after time-outs of 50, of 100, 200, … then 3200 for ever: 625 and some, not 40,000.
    assert!((600..720).contains(&asked), "{asked}");
}

#[test]
fn silence_counts_from_the_start_though_no_packet_ever_came() {
    let mut bench = Bench::new(config());
    bench.poll(5000);
    bench.poll(5999);
    assert_eq!(bench.ledger.transitions, []);
    bench.poll(6000);
    assert_eq!(bench.ledger.last(), (Health::STALE, HealthReason::SILENCE));
    bench.packet(0, &data(1, 1), 6001);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::HEARD));
}

#[test]
fn heartbeats_that_lie_behind_are_no_life_and_going_back_is_a_fault_that_is_said() {
    let mut bench = at_ten();
    for now in (100..3000).step_by(100) {
        bench.packet(0, &heartbeat(SESSION, 6), now);
        bench.packet(1, &heartbeat(SESSION, 6), now);
        bench.poll(now);
        let expected = if now < 1100 {
            (Health::VALID, HealthReason::START)
        } else {
            (Health::STALE, HealthReason::WENT_BACK)
        };
        assert_eq!(bench.ledger.last(), expected, "{now}");
    }
}

#[test]
fn a_line_that_only_lags_is_behind_and_good_again_when_it_has_caught_up() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 9), 1);
    bench.packet(1, &data(1, 3), 900);
    bench.packet(1, &data(4, 1), 1001);
    bench.poll(1001);
    assert_eq!(bench.ledger.last(), (Health::STALE, HealthReason::BEHIND));
    bench.packet(1, &data(5, 5), 1500);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::HEARD));
}

#[test]
fn packets_out_of_order_before_a_silence_are_no_step_back() {
    let mut bench = Bench::new(config());
    bench.packet(0, &data(1, 1), 1);
    bench.packet(0, &data(3, 1), 2);
    bench.packet(0, &data(2, 1), 3);
    bench.poll(1002);
    assert_eq!(bench.ledger.last(), (Health::STALE, HealthReason::SILENCE));
}

#[test]
fn lines_before_the_journals_position_are_behind_it() {
    let receiver = Receiver::resume(config(), SESSION, 1, 10);
    let mut bench = Bench { receiver, ledger: Ledger::default() };
    for now in (100..2000).step_by(100) {
        bench.packet(0, &heartbeat(SESSION, 6), now);
        bench.poll(now);
    }
    assert_eq!(bench.ledger.last(), (Health::STALE, HealthReason::WENT_BACK));
    assert_eq!(bench.request(2000), None, "nothing is asked for on their word");
}

#[test]
fn an_end_is_taken_back_by_data_or_by_heartbeats_that_go_on() {
    let mut bench = at_ten();
    bench.packet(0, &end_of_session(SESSION, 5), 3);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::START), "an end that lies behind is none");
    bench.packet(0, &end_of_session(SESSION, 10), 4);
    assert_eq!(bench.ledger.last(), (Health::STALE, HealthReason::END_OF_SESSION));
    bench.packet(1, &data(10, 1), 5);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::HEARD));
    bench.packet(0, &end_of_session(SESSION, 11), 6);
    bench.packet(1, &data(10, 1), 6);
    bench.packet(1, &heartbeat(SESSION, 11), 7);
    bench.packet(1, &heartbeat(SESSION, 11), 7);
    assert_eq!(
        bench.ledger.last(),
        (Health::STALE, HealthReason::END_OF_SESSION),
        "they may have been under way"
    );
    bench.packet(1, &heartbeat(SESSION, 11), 8);
    assert_eq!(bench.ledger.last(), (Health::VALID, HealthReason::HEARD));
}

#[test]
fn one_who_joins_very_late_believes_after_three_packets() {
    let mut bench = Bench::new(config());
    for first in [900_000_000, 900_000_001] {
        bench.packet(0, &data(first, 1), 1);
        assert_eq!(bench.receiver.session(), None);
    }
    bench.packet(0, &data(900_000_002, 1), 1);
    assert_eq!(bench.ledger.last(), (Health::RECOVERING, HealthReason::GAP));
    assert_eq!(bench.request(11), Some((1, 4)));
}

/// Any packets in any names with any sequences, with the true stream among them: nothing panics, and the true stream comes
/// out in order, each message once.
#[test]
fn whatever_is_sent_beside_it_a_session_that_goes_on_is_delivered_in_order() {
    for seed in 0..300 {
        let mut numbers = Numbers::new(seed);
        let mut bench = Bench::new(config());
        let mut sent = 0;
        for now in 1..400 {
            let line = numbers.below(3) as u16;
            let session = [SESSION, NEXT_SESSION, FORGED[0], FORGED[1], FORGED[2]][numbers.below(5) as usize];
            let edge = [0, 1, 1 << 16, 1 << 40, 1 << 63, u64::MAX][numbers.below(6) as usize];
            let next = match numbers.below(3) {
                0 => edge.wrapping_add(numbers.below(5)).wrapping_sub(2),
                1 => numbers.draw(),
                _ => 1 + numbers.below(40),
            };
            let packet = match numbers.below(4) {
                0 => end_of_session(session, next).to_vec(),
                1 => data_of(session, next.clamp(1, u64::MAX - 9), 1 + numbers.below(3)),
                _ => heartbeat(session, next).to_vec(),
            };
            if session != SESSION || numbers.below(2) == 0 {
                let _any = bench.receiver.on_packet(line, &packet, Nanos(now), &mut bench.ledger);
            }
            sent += 1;
            let _true = bench.receiver.on_packet(0, &data(sent, 1), Nanos(now), &mut bench.ledger);
            bench.poll(now);
            let mut asked = 0;
            while bench.request(now).is_some() {
                asked += 1;
                assert!(asked <= 2, "seed {seed}");
            }
        }
        // A session that is begun, or begun again, begins with 1; in between all goes up by one.
        let mut before = None;
        for (named, sequence, _) in &bench.ledger.messages {
            let goes_on = before == Some((*named, sequence - 1));
            assert!(goes_on || *sequence == 1, "seed {seed}: {sequence} after {before:?}");
            before = Some((*named, *sequence));
        }
        let begun = bench.ledger.messages.iter().filter(|message| message.1 == 1).count();
        assert!(begun <= bench.ledger.sessions.len(), "seed {seed}");
    }
}
