use super::*;

#[test]
fn shows_what_it_was_set_to_and_never_goes_back() {
    let handle = ManualClock::new(Nanos(100));
    let mut clock = handle.clone();
    assert_eq!(clock.now(), Nanos(100));
    handle.set(Nanos(250));
    assert_eq!(clock.now(), Nanos(250));
    handle.set(Nanos(249));
    assert_eq!(clock.now(), Nanos(250));
    handle.advance(Nanos(-5));
    assert_eq!(clock.now(), Nanos(250));
    handle.advance(Nanos(5));
    assert_eq!(clock.now(), Nanos(255));
}
