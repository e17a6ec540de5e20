use super::*;

fn at(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[test]
fn a_thread_that_stands_still_loses_its_session_once() {
    let start = Instant::now();
    let mut pulse = Pulse::new(start);
    assert!(!pulse.stalls(0, false, false, at(start, 60_000)), "it has not begun");
    assert!(!pulse.stalls(1, false, false, at(start, 60_001)));
    assert!(!pulse.stalls(1, false, false, at(start, 65_001)));
    assert!(pulse.stalls(1, false, false, at(start, 65_002)));
    assert!(!pulse.stalls(1, false, false, at(start, 80_000)), "once");
    assert!(!pulse.stalls(2, false, false, at(start, 80_001)), "it lives again");
    assert!(pulse.stalls(2, false, false, at(start, 85_002)));
}

#[test]
fn a_kill_waits_for_a_fifth_of_a_second_in_any_state() {
    let start = Instant::now();
    for stopping in [false, true] {
        let mut pulse = Pulse::new(start);
        assert!(!pulse.stalls(7, false, false, start));
        assert!(!pulse.stalls(7, true, stopping, at(start, 100)));
        assert!(pulse.stalls(7, false, stopping, at(start, 201)));
        assert!(!pulse.stalls(7, false, stopping, at(start, 500)));
    }
    // A thread that moves on has the command in its queue.
    let mut pulse = Pulse::new(start);
    assert!(!pulse.stalls(7, true, false, start));
    assert!(!pulse.stalls(8, false, false, at(start, 199)));
    assert!(!pulse.stalls(8, false, false, at(start, 1_000)));
}

#[test]
fn an_end_that_hangs_loses_its_session() {
    let start = Instant::now();
    let mut pulse = Pulse::new(start);
    assert!(!pulse.stalls(7, false, false, start));
    assert!(!pulse.stalls(7, false, true, at(start, 4_000)));
    assert!(!pulse.stalls(7, false, true, at(start, 14_000)), "it counts from the stop");
    assert!(pulse.stalls(7, false, true, at(start, 14_001)));
    assert!(!pulse.stalls(7, false, true, at(start, 60_000)));
}
