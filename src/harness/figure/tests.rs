use super::*;

#[test]
fn a_percentile_takes_a_hundred_samples_beyond_it() {
    for percentile in PERCENTILES.into_iter().skip(1) {
        let beyond = (percentile.least_samples as f64 * (1.0 - percentile.quantile)).round();
        assert_eq!(beyond, 100.0, "{}", percentile.name);
    }
    let mut histogram = new_histogram().expect("bounds");
    histogram.record_n(500, 999_999).expect("in range");
    let shown = |histogram: &Histogram<u64>| PERCENTILES.map(|each| supported(histogram, each).is_some());
    assert_eq!(shown(&histogram), [true, true, true, true, false]);
    histogram.record(500).expect("in range");
    assert_eq!(shown(&histogram), [true; 5]);
}

#[test]
fn short_and_long_times_keep_three_digits() {
    let mut histogram = new_histogram().expect("bounds");
    for hundredths in [583, 821_700, 3_640_000_000] {
        histogram.reset();
        histogram.record(hundredths).expect("in range");
        let found = nanos_at(&histogram, 0.5);
        let expected = hundredths as f64 / 100.0;
        assert!((found / expected - 1.0).abs() < 1e-3, "{found} for {expected}");
    }
}

#[test]
fn a_histogram_of_nanoseconds_is_taken_over_with_its_counts() {
    let mut nanos = Histogram::<u64>::new_with_bounds(1, 100_000_000_000, 3).expect("bounds");
    nanos.record_n(640, 3).expect("in range");
    nanos.record_n(7, 2).expect("in range");
    let scaled = from_nanos(&nanos).expect("bounds");
    assert_eq!(scaled.len(), 5);
    assert_eq!((nanos_at(&scaled, 0.0).round(), nanos_at(&scaled, 1.0).round()), (7.0, 640.0));
}

#[test]
fn samples_of_an_unknown_figure_are_refused() {
    let mut samples = Samples::new(&[Spec::each("one")]).expect("bounds");
    let histogram = new_histogram().expect("bounds");
    assert!(samples.add("one", &histogram).is_ok());
    assert!(samples.add("two", &histogram).is_err());
}
