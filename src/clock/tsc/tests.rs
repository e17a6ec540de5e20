use std::sync::atomic::AtomicBool;

use super::*;

#[test]
fn never_decreases_while_the_reference_jumps() {
    let (mut clock, mut calibrator) = tsc_clock(None);
    let mut last = clock.now();
    for round in 0..if cfg!(miri) { 20 } else { 2_000 } {
        // The reference jumps an hour forward and back in turn.
        let jump = if round % 2 == 0 { 3_600_000_000_000 } else { -3_600_000_000_000 };
        let mut moved = sample(calibrator.ticker);
        moved.nanos += jump;
        calibrator.recalibrate_to(moved);
        for _ in 0..10 {
            let now = clock.now();
            assert!(now >= last, "round {round}: {now} after {last}");
            assert!(now.0 - last.0 < 1_800_000_000_000, "round {round}: stepped from {last} to {now}");
            last = now;
        }
    }
}

#[test]
fn starts_past_the_last_stamp() {
    let ahead = Nanos(realtime() + 3_600_000_000_000);
    let (mut clock, mut calibrator) = tsc_clock(Some(ahead));
    assert!(clock.now() > ahead);
    let further = Nanos(ahead.0 + 3_600_000_000_000);
    calibrator.start_after(further);
    assert!(clock.now() > further);
    calibrator.recalibrate();
    assert!(clock.now() > further);
}

#[test]
fn a_past_stamp_changes_nothing() {
    let (mut clock, _calibrator) = tsc_clock(Some(Nanos(5)));
    assert!(clock.now().0 > 1_500_000_000_000_000_000, "that is 2017: no machine's clock stands before it");
}

#[test]
fn a_reader_sees_whole_lines_only() {
    let line = Arc::new(Line::default());
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (line, stop) = (Arc::clone(&line), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                line.publish(&Params { base_ticks: n, base_nanos: n as i64, rate: n });
            }
        })
    };
    let mut seen = 0;
    let mut last = 0;
    while seen < if cfg!(miri) { 20 } else { 100_000 } {
        if let Some((version, params)) = line.read() {
            assert_eq!((params.base_nanos as u64, params.rate), (params.base_ticks, params.base_ticks));
            assert!(version >= last);
            last = version;
            seen += 1;
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("the writer ends");
}

#[test]
fn stamps_lie_on_the_clock() {
    let (mut clock, calibrator) = tsc_clock(None);
    let before = clock.now();
    let stamp = clock.ticker().stamp_fenced();
    let after = clock.now();
    assert!(clock.at(stamp) <= after);
    // Counters of two cores may differ by less than a microsecond where the kernel calls them synchronised.
    assert!(clock.at(stamp).0 >= before.0 - 1_000);
    assert!(calibrator.tick_rate().hertz() > 1e6);
}

#[test]
#[ignore = "compares two clocks of this machine, which may be stolen from in between: run it alone"]
fn agrees_with_the_wall_clock() {
    let (mut clock, mut calibrator) = tsc_clock(None);
    for _ in 0..20 {
        std::thread::park_timeout(Duration::from_millis(200));
        let adjustment = calibrator.recalibrate();
        println!("{adjustment:?}");
        let (shown, wall) = (clock.now().0, realtime());
        assert!((shown - wall).abs() < 1_000_000, "{shown} is not {wall}");
    }
}
