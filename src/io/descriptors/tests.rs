use super::*;

#[test]
fn strangers_get_what_the_engine_does_not_need() {
    assert_eq!(to_spare(1_024, 24), 1_024 - 24 - RESERVED);
    assert_eq!(to_spare(64, 40), 0);
    assert_eq!(to_spare(0, 40), 0);
}

#[test]
fn the_limit_is_raised_to_the_hardest() {
    let limit = raise_limit().expect("a limit");
    assert_eq!(raise_limit().expect("a limit"), limit, "it is the most already");
    let before = open_now().expect("/proc");
    assert!(before > 0 && before < limit);
}
