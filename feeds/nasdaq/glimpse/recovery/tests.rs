use super::*;
use crate::nasdaq::glimpse::testing::add;

const SECOND: Nanos = Nanos::from_secs(1);

fn recovery(buffer_bytes: usize) -> Recovery {
    Recovery::new(RecoveryConfig { buffer_bytes, ..RecoveryConfig::default() }, 2)
}

fn snapshot(next: u64, orders: u64) -> Snapshot {
    let messages: Vec<Vec<u8>> = (0..orders).map(|order| add(7, "AAA", order, b'B', 1, 1)).collect();
    Snapshot::new(next, messages.iter().map(Vec::as_slice))
}

/// Carries out everything that is due: the sequences of what was kept, and how many messages the snapshot had.
fn load(recovery: &mut Recovery) -> (usize, Vec<u64>) {
    let (mut messages, mut kept) = (0, Vec::new());
    loop {
        match recovery.piece().expect("it loads") {
            Piece::Begin(_) => {}
            Piece::Snapshot(_) => messages += 1,
            Piece::Kept(sequence, _) => kept.push(sequence),
            Piece::End => return (messages, kept),
        }
        recovery.advance();
    }
}

#[test]
fn what_was_kept_from_the_snapshot_on_follows_it() {
    let mut recovery = recovery(1 << 16);
    assert!(recovery.is_idle() && !recovery.ask(SECOND));
    recovery.lose_all(100, SECOND);
    assert!(recovery.has_lost(0) && recovery.has_lost(1) && recovery.lost_all());
    assert!(recovery.ask(SECOND) && !recovery.ask(SECOND));
    (100..110).for_each(|sequence| recovery.keep(sequence, &[1; 36], SECOND));
    recovery.arrived(snapshot(105, 3), SECOND);
    assert_eq!(recovery.judge(110, 110, SECOND), Verdict::Load(105));
    recovery.keep(110, &[1; 36], SECOND);
    assert_eq!(load(&mut recovery), (3, (105..=110).collect()));
    assert_eq!(recovery.finish(111, SECOND + Nanos(7)), Nanos(7));
    assert!(recovery.is_idle() && !recovery.lost_all() && !recovery.has_lost(0));
    assert!(recovery.spent().is_some() && recovery.spent().is_none());
    let expected =
        RecoveryCounters { asked: 1, restored: 1, last: Nanos(7), longest: Nanos(7), ..Default::default() };
    assert_eq!(*recovery.counters(), expected);
}

#[test]
fn a_snapshot_from_before_the_loss_is_refused_and_another_asked_for_after_a_pause() {
    let mut recovery = recovery(1 << 16);
    recovery.lose_all(100, SECOND);
    assert!(recovery.ask(SECOND));
    recovery.arrived(snapshot(99, 1), SECOND);
    assert_eq!(recovery.judge(100, 120, SECOND), Verdict::Refused);
    assert!(recovery.piece().is_none() && !recovery.ask(SECOND), "not at once");
    assert!(recovery.ask(SECOND + Nanos::from_millis(100)));
    recovery.failed(SECOND);
    assert!(!recovery.ask(SECOND + Nanos::from_millis(199)), "the pause is longer now");
    assert!(recovery.ask(SECOND + Nanos::from_millis(200)));
    assert_eq!((recovery.counters().too_old, recovery.counters().failed), (1, 1));
}

#[test]
fn a_snapshot_that_the_lines_do_not_reach_is_refused_in_the_end() {
    let mut recovery = recovery(1 << 16);
    recovery.lose_all(100, SECOND);
    assert!(recovery.ask(SECOND));
    recovery.arrived(snapshot(u64::MAX, 1), SECOND);
    assert_eq!(recovery.judge(100, 120, SECOND), Verdict::Wait);
    assert_eq!(recovery.judge(100, 120, SECOND + Nanos::from_secs(5)), Verdict::Refused);
    assert_eq!(recovery.counters().ahead, 1);
}

/// One book of a feed that goes on: its snapshot waits until the feed has come as far.
#[test]
fn a_single_book_waits_for_the_feed() {
    let mut recovery = recovery(1 << 16);
    recovery.lose(1, 100, SECOND);
    assert!(recovery.has_lost(1) && !recovery.has_lost(0) && !recovery.lost_all());
    assert!(recovery.ask(SECOND));
    recovery.arrived(snapshot(105, 1), SECOND);
    assert_eq!(recovery.judge(104, 110, SECOND), Verdict::Wait);
    assert_eq!(recovery.judge(105, 110, SECOND), Verdict::Load(105));
    assert!(recovery.is_loading(1) && !recovery.is_loading(0));
    // Another is lost while the first is loaded: it is asked for afterwards.
    recovery.lose(0, 105, SECOND);
    assert_eq!(load(&mut recovery), (1, vec![]));
    recovery.finish(108, SECOND);
    assert!(recovery.has_lost(0) && !recovery.has_lost(1));
    assert!(recovery.ask(SECOND + SECOND));
    recovery.arrived(snapshot(107, 1), SECOND);
    assert_eq!(recovery.judge(120, 120, SECOND), Verdict::Refused, "what came up to 108 was not kept for it");
}

#[test]
fn without_room_only_a_newer_snapshot_fits() {
    let mut recovery = recovery(200);
    recovery.lose_all(100, SECOND);
    assert!(recovery.ask(SECOND));
    // Four messages of 46 bytes fit; the fifth is given up with them.
    (100..105).for_each(|sequence| recovery.keep(sequence, &[1; 36], SECOND));
    assert_eq!(recovery.counters().overflows, 1);
    recovery.keep(105, &[1; 36], SECOND);
    recovery.arrived(snapshot(104, 1), SECOND);
    assert_eq!(recovery.judge(106, 106, SECOND), Verdict::Refused);
    assert!(recovery.ask(SECOND + SECOND));
    recovery.arrived(snapshot(105, 1), SECOND);
    assert_eq!(recovery.judge(106, 106, SECOND), Verdict::Load(105));
    assert_eq!(load(&mut recovery), (1, vec![105]));
}

#[test]
fn without_room_while_loading_it_begins_anew() {
    let mut recovery = recovery(200);
    recovery.lose_all(100, SECOND);
    assert!(recovery.ask(SECOND));
    recovery.arrived(snapshot(100, 9), SECOND);
    assert_eq!(recovery.judge(100, 100, SECOND), Verdict::Load(100));
    recovery.advance();
    (100..105).for_each(|sequence| recovery.keep(sequence, &[1; 36], SECOND));
    assert!(recovery.piece().is_none() && recovery.lost_all() && !recovery.is_idle());
    assert_eq!(recovery.finish(105, SECOND), Nanos::ZERO, "there is nothing to finish");
    assert!(recovery.has_lost(0));
}

#[test]
fn another_session_ends_it() {
    let mut recovery = recovery(1 << 10);
    recovery.lose_all(100, SECOND);
    assert!(recovery.ask(SECOND));
    recovery.forget();
    assert!(recovery.is_idle() && !recovery.has_lost(0));
    recovery.arrived(snapshot(100, 1), SECOND);
    assert!(recovery.is_idle() && recovery.spent().is_some());
}

#[test]
fn a_loss_while_loading_begins_anew() {
    let mut recovery = recovery(1 << 10);
    recovery.lose_all(100, SECOND);
    assert!(recovery.ask(SECOND));
    recovery.arrived(snapshot(100, 3), SECOND);
    assert_eq!(recovery.judge(100, 100, SECOND), Verdict::Load(100));
    recovery.lose_all(130, SECOND);
    assert!(recovery.piece().is_none() && !recovery.ask(SECOND), "after a pause");
    assert!(recovery.ask(SECOND + SECOND));
    recovery.arrived(snapshot(129, 3), SECOND);
    assert_eq!(recovery.judge(130, 130, SECOND), Verdict::Refused);
}
