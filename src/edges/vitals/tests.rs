use super::*;
use crate::io::wait::nap;

const EVER: Duration = Duration::from_secs(3_600);

#[test]
fn who_was_looked_at_in_vain_for_a_pause_is_quiet() {
    const PAUSE: Duration = Duration::from_millis(20);
    let talk = Talk::default();
    assert!(talk.is_quiet(Duration::ZERO), "no pause is asked for");
    nap(PAUSE);
    assert!(!talk.is_quiet(PAUSE), "nobody has looked: what it sent may lie there");
    talk.is_dry();
    nap(PAUSE);
    assert!(!talk.is_quiet(PAUSE), "nobody has looked since");
    nap(PAUSE);
    talk.is_dry();
    assert!(talk.is_quiet(PAUSE));
    assert!(!talk.is_quiet(EVER), "it may go on");
    talk.came();
    talk.is_dry();
    assert!(!talk.is_quiet(PAUSE), "the pause begins anew");
}

#[test]
fn a_full_house_is_said_once() {
    let vitals = Vitals::default();
    assert!(!vitals.set_full(true));
    assert!(vitals.set_full(true) && vitals.is_full());
}

#[test]
fn a_moment_without_room_is_no_trouble() {
    let vitals = Vitals::default();
    vitals.set_room(false);
    assert!(!vitals.is_stuck());
    let vitals = Vitals::stuck();
    assert!(vitals.is_stuck());
    vitals.set_room(true);
    assert!(!vitals.is_stuck());
}
