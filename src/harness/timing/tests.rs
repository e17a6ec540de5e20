use super::*;

#[test]
fn a_pace_keeps_its_times_whatever_happened() {
    let watch = Stopwatch::new();
    let mut pace = Pace::new(watch, 1_000_000);
    let intended: Vec<u64> = (0..4).map(|_| pace.begin()).collect();
    assert_eq!(intended, [0, 1_000, 2_000, 3_000]);
    // Late as we are, the next one is still meant for its own time.
    let start = watch.stamp();
    while watch.nanos(start, watch.stamp()) < 50_000 {}
    assert_eq!(pace.wait(), 4_000);
    assert!(pace.now_ns() >= 50_000);
    assert_eq!(pace.sent(), 5);
}

#[test]
fn waiting_ends_after_the_intended_time() {
    let mut pace = Pace::new(Stopwatch::new(), 10_000);
    for _ in 0..5 {
        let intended = pace.wait();
        assert!(pace.now_ns() >= intended);
    }
}

#[test]
fn a_missed_rate_is_an_error_that_says_both_rates() {
    assert!(require_rate("here", 1_000, 1_000, 1_000_000_000, 0.01).is_ok());
    assert!(require_rate("here", 1_000, 1_000, 1_009_000_000, 0.01).is_ok());
    assert!(require_rate("here", 1_000, 1_000, 1_900_000_000, 0.5).is_ok());
    let error = require_rate("here", 1_000, 1_000, 2_000_000_000, 0.01).expect_err("half the rate");
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    assert!(text.contains("1000 a second") && text.contains("500 reached"), "{text}");
    assert!(text.contains("try --rate 400,"), "{text}");
}

#[test]
fn a_rate_to_try_is_one_that_was_nearly_reached() {
    let tried = [512_345.0, 99.0, 12.6, 2.0, 1.0, 0.0].map(rate_to_try);
    assert_eq!(tried, [Some(400_000), Some(79), Some(10), Some(1), None, None]);
    assert!(rate_help(0.3).contains("quieter machine") && !rate_help(0.3).contains("--rate"));
}

#[test]
fn batches_call_the_work_with_rising_numbers_and_record_one_sample_each() {
    let mut seen = Vec::new();
    let histogram = Stopwatch::new().batches(16 * BATCH as usize, |step| seen.push(step)).expect("bounds");
    assert_eq!(histogram.len(), 16);
    assert_eq!(seen, (0..20 * BATCH).collect::<Vec<_>>(), "warm-up batches run and are not counted");
}

#[test]
fn what_a_measuring_thread_says_comes_back() {
    assert_eq!(on_core(0, || Ok(7)).expect("a thread"), 7);
    let failed: Result<()> = on_core(0, || Err(Error::Failed("no".to_owned())));
    assert!(failed.is_err());
    let panicked: Result<()> = on_core(0, || panic!("on purpose"));
    assert!(panicked.expect_err("a panic").to_string().contains("panicked"));
}
