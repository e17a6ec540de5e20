use super::*;

#[test]
fn stamps_of_both_tickers_rise() {
    for ticker in [Ticker::detect(), Ticker::Monotonic] {
        let mut last = ticker.stamp_fenced();
        for _ in 0..if cfg!(miri) { 10 } else { 10_000 } {
            let next = ticker.stamp_fenced();
            assert!(next >= last, "{ticker:?} went from {last:?} to {next:?}");
            last = next;
        }
        assert!(ticker.stamp() > Stamp(0));
    }
}

#[test]
fn ticks_become_nanoseconds() {
    // 2.5 GHz: a tick is 0.4 ns.
    let rate = TickRate { nanos_per_tick: (0.4 * (1u64 << RATE_SHIFT) as f64) as u64 };
    assert_eq!(rate.nanos(Stamp(1_000), Stamp(1_000)), 0);
    assert!((399..=400).contains(&rate.nanos(Stamp(1_000), Stamp(2_000))));
    assert!((rate.hertz() - 2.5e9).abs() < 10.0);
    assert_eq!(rate.nanos(Stamp(2_000), Stamp(1_000)), 0, "the wrong way round");
    // Thirty days do not overflow.
    let month = 30 * 86_400 * 2_500_000_000;
    let nanos = rate.nanos(Stamp(0), Stamp(month));
    assert!(nanos.abs_diff(30 * 86_400 * 1_000_000_000) < 1_000_000);
}
