use super::*;

const SECOND: i64 = 1_000_000_000;

/// What is seen after a look like all others, where the clocks then move as given and the hot thread turns so often.
fn seen(real: i64, boot: i64, monotonic: i64, turns: u64) -> Vec<Seen> {
    let mut watch = Watch::default();
    let start = Look { real: 1_790_000_000 * SECOND, boot: 500 * SECOND, monotonic: 400 * SECOND, turns: 7 };
    assert_eq!(watch.look(start).count(), 0, "the first look has nothing to be held against");
    // A tenth of a second with a thousand turns.
    let start = Look {
        real: start.real + SECOND / 10,
        boot: start.boot + SECOND / 10,
        monotonic: start.monotonic + SECOND / 10,
        turns: start.turns + 1_000,
    };
    assert_eq!(watch.look(start).count(), 0);
    let next = Look {
        real: start.real + real,
        boot: start.boot + boot,
        monotonic: start.monotonic + monotonic,
        turns: start.turns + turns,
    };
    watch.look(next).collect()
}

#[test]
fn steps_suspensions_and_standstills_are_told_apart() {
    let hour = 3_600 * SECOND;
    let busy = 1_000_000;
    // What happened; the clocks' advances and the thread's own time; what is to be seen.
    type Row<'a> = (&'a str, (i64, i64, i64, u64), &'a [Seen]);
    let table: &[Row<'_>] = &[
        ("a second", (SECOND, SECOND, SECOND, busy), &[]),
        ("a time daemon slews by 500 ppm", (SECOND + 500_000, SECOND, SECOND, busy), &[]),
        ("set forward by an hour", (hour + SECOND, SECOND, SECOND, busy), &[Seen::Step(hour)]),
        ("set back by an hour", (SECOND - hour, SECOND, SECOND, busy), &[Seen::Step(-hour)]),
        ("asleep for an hour", (hour, hour, SECOND, 9), &[Seen::Standstill(hour - SECOND)]),
        (
            "asleep, and the clock was set meanwhile",
            (hour + 60 * SECOND, hour, SECOND, 9),
            &[Seen::Standstill(hour - SECOND), Seen::Step(60 * SECOND)],
        ),
        ("paused by the host, all clocks went on", (hour, hour, hour, 900), &[Seen::Standstill(hour)]),
        (
            "stopped for three seconds",
            (3 * SECOND, 3 * SECOND, 3 * SECOND, 900),
            &[Seen::Standstill(3 * SECOND)],
        ),
        ("the helper was late, the hot thread was not", (10 * SECOND, 10 * SECOND, 10 * SECOND, busy), &[]),
        (
            "9 years ahead",
            (9 * 365 * 24 * hour, SECOND, SECOND, busy),
            &[Seen::Step(9 * 365 * 24 * hour - SECOND)],
        ),
    ];
    for (name, (real, boot, monotonic, turns), expected) in table {
        assert_eq!(seen(*real, *boot, *monotonic, *turns), *expected, "{name}");
    }
}

#[test]
fn clocks_at_the_end_of_their_range_do_not_overflow() {
    let mut watch = Watch::default();
    let low = Look { real: i64::MIN, boot: i64::MIN, monotonic: i64::MIN, turns: u64::MAX };
    let high = Look { real: i64::MAX, boot: i64::MAX, monotonic: i64::MAX, turns: 0 };
    for look in [low, high, low] {
        let _seen: Vec<Seen> = watch.look(look).collect();
    }
}
