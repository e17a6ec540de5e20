use super::super::figure::from_nanos;
use super::super::lab::Asked;
use super::*;
use crate::pipeline::cores::Cores;

const SPECS: [Spec; 3] = [
    Spec::each("floor"),
    Spec::each("work").over("floor").goal(Goal::Ratio(3.0)).per_second("things"),
    Spec::batch("never measured", 256).over("floor").goal(Goal::Ratio(1.0)),
];

/// In round n its floor takes n · 100 ns, its work 250 ns more or less: the ratios differ from round to round.
#[derive(Default)]
struct Made {
    checked: bool,
    rounds: u64,
}

impl Bench for Made {
    fn name(&self) -> &'static str {
        "made"
    }

    fn question(&self) -> &'static str {
        "Are ratios folded as they should be?"
    }

    fn figures(&self) -> Vec<Spec> {
        SPECS.to_vec()
    }

    fn check(&mut self, lab: &Lab) -> Result<Checked> {
        self.checked = true;
        Ok(Checked { result: blake3::hash(&lab.seed().to_le_bytes()), facts: vec!["checked".to_owned()] })
    }

    fn round(&mut self, _lab: &Lab, samples: &mut Samples) -> Result<()> {
        assert!(self.checked, "checked before anything is timed");
        let constant = |nanos: u64, count: u64| {
            let mut histogram = new_histogram().expect("bounds");
            histogram.record_n(nanos * PER_NS, count).expect("in range");
            histogram
        };
        samples.add("floor", &constant(100 * self.rounds.max(1), 10))?;
        samples.add("work", &constant(300, 1_000))?;
        self.rounds += 1;
        Ok(())
    }

    fn learned(&self) -> Vec<String> {
        vec!["learned".to_owned()]
    }
}

fn lab(rounds: usize, data: &std::path::Path) -> Lab {
    let asked = Asked { rounds: Some(rounds), seed: 5, ..Asked::default() };
    Lab::new(Cores { ids: vec![0], quota: None }, asked, data)
}

#[test]
fn a_bench_is_checked_warmed_up_and_folded_round_by_round() {
    let data = tempfile::tempdir().expect("a directory");
    let mut made = Made::default();
    let record = run(&mut made, &lab(3, data.path()), &mut |_| {}).expect("runs");
    assert_eq!(made.rounds, 4, "a warm-up and three rounds");
    assert_eq!(record.facts, ["checked", "learned"]);
    assert_eq!(record.result, blake3::hash(&5_u64.to_le_bytes()).to_hex().as_str());
    let [floor, work, never] = record.figures.as_slice() else { panic!("three figures") };
    assert_eq!(floor.rounds.iter().map(|round| round.samples).sum::<u64>(), 30, "the warm-up is not counted");
    // 300 by 100, 200 and 300 ns: the median of 3, 1.5 and 1.
    let ratio = work.ratio.expect("a floor");
    assert!((ratio - 1.5).abs() < 0.01, "{ratio}");
    assert!(work.goal.as_ref().expect("a goal").reached);
    let (_, per_second) = work.per_second.as_ref().expect("counted");
    assert!((per_second / (1e9 / 300.0) - 1.0).abs() < 0.01);
    assert_eq!((work.all.samples, work.all.p90.is_some(), work.all.p99), (3_000, true, None));
    assert_eq!((never.all.samples, &never.all.p50, &never.goal, never.ratio), (0, &None, &None, None));
}

/// Fails where its name says.
struct Broken(&'static str);

impl Bench for Broken {
    fn name(&self) -> &'static str {
        self.0
    }

    fn question(&self) -> &'static str {
        "What becomes of the others?"
    }

    fn figures(&self) -> Vec<Spec> {
        SPECS.to_vec()
    }

    fn check(&mut self, _lab: &Lab) -> Result<Checked> {
        if self.0 == "check" {
            return Err(Error::Usage("no room for it".to_owned()));
        }
        Ok(Checked { result: blake3::hash(b""), facts: Vec::new() })
    }

    fn round(&mut self, _lab: &Lab, _samples: &mut Samples) -> Result<()> {
        if self.0 == "round" { Err(Error::Failed("too slow".to_owned())) } else { Ok(()) }
    }

    fn finish(&mut self, _lab: &Lab) -> Result<()> {
        Err(Error::Failed("not as it was".to_owned()))
    }
}

#[test]
fn a_bench_that_fails_takes_no_other_with_it() {
    let data = tempfile::tempdir().expect("a directory");
    let benches: Vec<Box<dyn Bench>> = vec![
        Box::new(Broken("check")),
        Box::new(Made::default()),
        Box::new(Broken("round")),
        Box::new(Broken("finish")),
        Box::new(Made::default()),
    ];
    let mut seen = Vec::new();
    let mut ended = |outcome: std::result::Result<&BenchRecord, &FailedBench>| {
        seen.push(outcome.map(|record| record.name.clone()).map_err(|failed| failed.name.clone()));
        Ok(())
    };
    let (records, failures) =
        run_all(benches, &lab(2, data.path()), &mut |_| {}, &mut ended).expect("all were tried");
    let names: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(names, ["made", "made"]);
    assert!(records.iter().all(|record| record.figures[1].rounds.len() == 2), "measured whole");
    let failed = |name: &str, error: &str| FailedBench { name: name.to_owned(), error: error.to_owned() };
    let wanted =
        [failed("check", "no room for it"), failed("round", "too slow"), failed("finish", "not as it was")];
    assert_eq!(failures, wanted);
    let (made, broken) = (Ok("made".to_owned()), |name: &str| Err(name.to_owned()));
    assert_eq!(seen, [broken("check"), made.clone(), broken("round"), broken("finish"), made]);
}

#[test]
fn medians() {
    assert_eq!(median(vec![]), None);
    assert_eq!(median(vec![4.0, 1.0, 3.0]), Some(3.0));
    assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
}

#[test]
fn goals_are_held_to_the_right_number() {
    let mut nanos = Histogram::<u64>::new_with_bounds(1, 1_000_000, 3).expect("bounds");
    nanos.record_n(800, 990).expect("in range");
    nanos.record_n(9_000, 10).expect("in range");
    let all = from_nanos(&nanos).expect("bounds");
    let reached = |goal, ratio, tail| held_to(goal, &all, ratio, tail).reached;
    assert!(reached(Goal::Nanos(801.0, 5_000.0), None, None), "p99 is the 990th of a thousand");
    assert!(!reached(Goal::Nanos(700.0, 5_000.0), None, None));
    assert!(reached(Goal::PerSecond(1e6), None, None) && !reached(Goal::PerSecond(2e6), None, None));
    assert!(reached(Goal::Ratio(2.0), Some(1.9), None) && !reached(Goal::Ratio(2.0), Some(2.1), None));
    assert!(!reached(Goal::Ratio(2.0), None, None), "without a floor it is not reached");
    assert!(reached(Goal::TailRatio(10.0), Some(1.0), Some(9.0)));
    assert!(!reached(Goal::TailRatio(10.0), Some(1.0), Some(11.0)));
}

#[test]
fn a_curve_rises_and_ends_with_the_largest() {
    let mut histogram = new_histogram().expect("bounds");
    (1..=1_000_u64).for_each(|nanos| histogram.record(nanos * PER_NS).expect("in range"));
    let curve = curve(&histogram);
    assert!(curve.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1));
    let (quantile, nanos) = *curve.last().expect("points");
    assert!(quantile < 1.0 && (nanos - 1_000.0).abs() < 2.0, "{quantile} {nanos}");
}
