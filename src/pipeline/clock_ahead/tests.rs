use super::*;

const SECOND: i64 = 1_000_000_000;
/// 2026-11-30T00:00:00Z and 2036-01-01T00:00:00Z, by `date -u -d … +%s`.
const NOW: Nanos = Nanos(1_795_996_800 * SECOND);
const AHEAD: Nanos = Nanos(2_082_758_400 * SECOND);

#[test]
fn what_slewing_makes_good_is_nothing() {
    assert_eq!(ClockAhead::found(None, NOW), None);
    assert_eq!(ClockAhead::found(Some(Nanos(NOW.0 + SECOND)), NOW), None);
    assert_eq!(ClockAhead::found(Some(Nanos(NOW.0 - 100 * SECOND)), NOW), None);
    assert_eq!(ClockAhead::found(Some(Nanos(i64::MIN)), Nanos(i64::MAX)), None);
    let found = ClockAhead::found(Some(AHEAD), NOW).expect("ahead");
    assert_eq!((found.wall, found.last), (NOW, AHEAD));
}

#[test]
fn it_is_refused_with_what_it_does_and_what_helps() {
    let found = ClockAhead::found(Some(AHEAD), NOW).expect("ahead");
    let refused = found.check(Path::new("j"), false).expect_err("refused");
    assert_eq!(refused.exit_code(), 2);
    let text = refused.to_string();
    for part in
        ["2036-01-01T00:00:00Z", "2026-11-30T00:00:00Z", "9.1 years ahead", "18173.9 years", "--accept-clock"]
    {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    found.check(Path::new("j"), true).expect("accepted");
}

/// The kernel's clock saturates at the last stamp; nothing could be after it, no timer and no second of running.
#[test]
fn a_wall_clock_at_the_end_of_all_stamps_is_refused() {
    check_wall(NOW).expect("today");
    check_wall(AHEAD).expect("ten years on");
    // 2250-01-01T00:00:00Z.
    check_wall(Nanos(8_835_955_200 * SECOND)).expect("far on");
    for wall in [Nanos(i64::MAX), Nanos(i64::MAX - SECOND), Nanos(0), Nanos(-SECOND)] {
        let refused = check_wall(wall).expect_err("refused");
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("set the clock"), "{refused}");
    }
}
