use super::super::machine::Machine;
use super::super::record::Summary;
use super::*;

/// Rounds around `centre`, each off by up to `noise` of it.
fn rounds(numbers: &mut Numbers, count: usize, centre: f64, noise: f64) -> Vec<f64> {
    let unit = |numbers: &mut Numbers| numbers.below(1 << 32) as f64 / (1_u64 << 31) as f64 - 1.0;
    (0..count).map(|_| centre * (1.0 + noise * unit(numbers))).collect()
}

fn machine() -> Machine {
    Machine {
        cores: 2,
        processor: String::new(),
        kernel: String::new(),
        governor: String::new(),
        clock: String::new(),
        placement: "near".to_owned(),
        cache_line_ns: None,
        taken_away: 0.0,
        stolen: None,
        load: None,
        profile: String::new(),
        version: String::new(),
        build: String::new(),
        date: String::new(),
    }
}

fn figure(name: &str, floor: Option<&str>, medians: &[f64]) -> FigureRecord {
    let summary = |p50: &f64| Summary { samples: 10, p50: Some(*p50), ..Summary::default() };
    FigureRecord {
        name: name.to_owned(),
        batch: 1,
        floor: floor.map(str::to_owned),
        ratio: None,
        goal: None,
        per_second: None,
        all: Summary::default(),
        rounds: medians.iter().map(summary).collect(),
        curve: Vec::new(),
    }
}

fn document(figures: Vec<FigureRecord>) -> Document {
    let bench = BenchRecord {
        name: "made".to_owned(),
        question: String::new(),
        result: String::new(),
        facts: Vec::new(),
        placement_ns: Vec::new(),
        figures,
    };
    let (format, benches, failed) = (FORMAT.to_owned(), vec![bench], Vec::new());
    Document { format, machine: machine(), smoke: false, seed: 1, benches, failed }
}

/// How often of `trials` the verdict for 7 rounds against 7 is `wanted`.
fn share(wanted: Verdict, shift: f64, noise: f64) -> f64 {
    let trials = 60;
    let mut numbers = Numbers::new(11);
    let mut hits = 0;
    for trial in 0..trials {
        let before = document(vec![figure("a", None, &rounds(&mut numbers, 7, 800.0, noise))]);
        let after = document(vec![figure("a", None, &rounds(&mut numbers, 7, 800.0 * shift, noise))]);
        let compared = compare(&before, &after, By::Ratio, trial);
        hits += usize::from(compared.first().map(|found| found.verdict) == Some(wanted));
    }
    hits as f64 / trials as f64
}

#[test]
fn a_clear_shift_is_seen_either_way() {
    assert_eq!(share(Verdict::Worse, 1.15, 0.03), 1.0);
    assert_eq!(share(Verdict::Better, 0.85, 0.03), 1.0);
}

#[test]
fn the_same_is_noise() {
    assert!(share(Verdict::Noise, 1.0, 0.03) >= 0.95);
    assert!(share(Verdict::Noise, 1.0, 0.3) >= 0.95);
}

#[test]
fn a_small_shift_in_much_noise_is_noise() {
    assert!(share(Verdict::Noise, 1.05, 0.4) >= 0.9);
}

#[test]
fn a_change_below_a_fiftieth_is_none_however_sure() {
    assert_eq!(share(Verdict::Noise, 1.01, 0.0001), 1.0);
}

/// The machine became twice as slow: values say worse, ratios say what it is.
#[test]
fn a_floor_that_moves_along_takes_the_change_away() {
    let own = [300.0, 302.0, 298.0, 301.0, 299.0, 300.0, 300.0];
    let floor = [100.0, 101.0, 99.0, 100.0, 100.0, 100.0, 101.0];
    let slow = |values: &[f64]| values.iter().map(|value| value * 2.0).collect::<Vec<_>>();
    let before = document(vec![figure("floor", None, &floor), figure("own", Some("floor"), &own)]);
    let after =
        document(vec![figure("floor", None, &slow(&floor)), figure("own", Some("floor"), &slow(&own))]);
    let verdicts =
        |by| -> Vec<Verdict> { compare(&before, &after, by, 1).iter().map(|found| found.verdict).collect() };
    assert_eq!(verdicts(By::Ratio), [Verdict::Worse, Verdict::Noise]);
    assert_eq!(verdicts(By::Value), [Verdict::Worse, Verdict::Worse]);
}

#[test]
fn few_rounds_and_other_figures_say_nothing() {
    let before = document(vec![figure("a", None, &[1.0; 4]), figure("gone", None, &[1.0; 7])]);
    let after = document(vec![figure("a", None, &[2.0; 7]), figure("new", None, &[1.0; 7])]);
    let compared = compare(&before, &after, By::Ratio, 1);
    let [only] = compared.as_slice() else { panic!("one figure on both sides") };
    assert_eq!((only.verdict, only.name.as_str()), (Verdict::TooFewRounds, "made: a"));
}

#[test]
fn the_same_seed_gives_the_same_interval() {
    let mut numbers = Numbers::new(3);
    let before = document(vec![figure("a", None, &rounds(&mut numbers, 7, 10.0, 0.2))]);
    let after = document(vec![figure("a", None, &rounds(&mut numbers, 7, 10.0, 0.2))]);
    assert_eq!(compare(&before, &after, By::Ratio, 5), compare(&before, &after, By::Ratio, 5));
}

#[test]
fn smoke_runs_and_other_formats_are_unusable() {
    let good = document(Vec::new());
    assert_eq!(usable(&good), Ok(()));
    assert_eq!(usable(&Document { smoke: true, ..good.clone() }), Err(Unusable::Smoke));
    let other = Document { format: "x".to_owned(), ..good };
    assert_eq!(usable(&other), Err(Unusable::Format("x".to_owned())));
}
