use super::*;

const EVER: Duration = Duration::from_secs(3_600);

#[test]
fn who_only_listens_is_quiet_and_who_sends_is_not() {
    let talk = Talk::default();
    assert!(talk.is_quiet(EVER), "nothing has ever come");
    talk.came();
    assert!(!talk.is_quiet(Duration::ZERO), "more may be there");
    talk.is_dry();
    assert!(talk.is_quiet(Duration::ZERO));
    assert!(!talk.is_quiet(EVER), "it may go on");
    talk.came();
    assert!(!talk.is_quiet(Duration::ZERO));
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
