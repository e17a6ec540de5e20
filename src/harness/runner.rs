//! Runs a bench: correctness first, a warm-up that is thrown away, then rounds.
//!
//! A bench is a check and a round. Everything else, from the floor's ratio to the page, is here and the same for all.

use hdrhistogram::Histogram;

use super::cache_line::ping_pong;
use super::figure::{Goal, PER_NS, PERCENTILES, Samples, Spec, Timed, nanos_at, new_histogram, supported};
use super::lab::Lab;
use super::record::{BenchRecord, FailedBench, FigureRecord, GoalRecord, Summary};
use crate::error::{Error, Result};

/// Round trips of the placement probe.
const PROBE: usize = 4_000;
/// Points of a drawn distribution for each halving of what lies beyond.
const CURVE_STEPS: u32 = 4;

/// What a check found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Hash of what was computed.
    pub result: blake3::Hash,
    /// What is worth knowing, in words.
    pub facts: Vec<String>,
}

/// Something to measure.
pub trait Bench {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// What it asks, in a sentence.
    fn question(&self) -> &'static str;

    /// What it measures.
    fn figures(&self) -> Vec<Spec>;

    /// Whether it makes no sense with one core.
    fn needs_two_cores(&self) -> bool {
        false
    }

    /// Computes the right thing, and shows it: before anything is timed. The same seed gives the same result.
    ///
    /// # Errors
    /// Where it is not right.
    fn check(&mut self, lab: &Lab) -> Result<Checked>;

    /// Measures once. The first call is the warm-up's, in a lab with less to do.
    ///
    /// # Errors
    /// Where it cannot be measured, a target rate was missed, or what came out is not right.
    fn round(&mut self, lab: &Lab, samples: &mut Samples) -> Result<()>;

    /// Called once, after the last round.
    ///
    /// # Errors
    /// Where what was measured turns out not to be right.
    fn finish(&mut self, _lab: &Lab) -> Result<()> {
        Ok(())
    }

    /// What was learned while measuring, in words.
    fn learned(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Runs every one of `benches`, whatever becomes of the others; `told` says how far it is, `ended` takes each as it ends.
/// Returns the records of those that worked, and those that failed.
///
/// # Errors
/// Those of `ended` alone.
pub fn run_all(
    benches: Vec<Box<dyn Bench>>,
    lab: &Lab,
    told: &mut dyn FnMut(&str),
    ended: &mut dyn FnMut(std::result::Result<&BenchRecord, &FailedBench>) -> Result<()>,
) -> Result<(Vec<BenchRecord>, Vec<FailedBench>)> {
    let (mut records, mut failures) = (Vec::new(), Vec::new());
    for mut bench in benches {
        match run(bench.as_mut(), lab, told) {
            Ok(record) => {
                ended(Ok(&record))?;
                records.push(record);
            }
            Err(error) => {
                let failed = FailedBench { name: bench.name().to_owned(), error: error.to_string() };
                ended(Err(&failed))?;
                failures.push(failed);
            }
        }
    }
    Ok((records, failures))
}

/// Runs `bench`; `told` says how far it is.
///
/// # Errors
/// As the bench's own.
pub fn run(bench: &mut dyn Bench, lab: &Lab, told: &mut dyn FnMut(&str)) -> Result<BenchRecord> {
    let specs = bench.figures();
    told(&format!("{}: check", bench.name()));
    let checked = bench.check(lab)?;
    told(&format!("{}: warm-up", bench.name()));
    bench.round(&lab.warm_up(), &mut Samples::new(&specs)?)?;
    let mut rounds = Vec::with_capacity(lab.rounds());
    let mut placement_ns = Vec::new();
    for round in 0..lab.rounds() {
        told(&format!("{}: round {} of {}", bench.name(), round + 1, lab.rounds()));
        placement_ns.extend(placement(lab)?);
        let mut samples = Samples::new(&specs)?;
        bench.round(lab, &mut samples)?;
        rounds.push(samples);
    }
    bench.finish(lab)?;
    let mut facts = checked.facts;
    facts.extend(bench.learned());
    Ok(BenchRecord {
        name: bench.name().to_owned(),
        question: bench.question().to_owned(),
        result: checked.result.to_hex().to_string(),
        facts,
        placement_ns,
        figures: fold(&specs, &rounds, lab.asked().smoke)?,
    })
}

/// The median round trip of a cache line between the two cores, in ns; `None` on a single core.
///
/// # Errors
/// Where the threads cannot be had.
pub fn placement(lab: &Lab) -> Result<Option<f64>> {
    if !lab.has_two_cores() {
        return Ok(None);
    }
    let trips = ping_pong(lab.watch(), lab.hot(), lab.other(), PROBE)?;
    Ok(Some(nanos_at(&trips, 0.5)))
}

/// Rounds to figures. In smoke mode nothing was measured that a goal could be held to.
fn fold(specs: &[Spec], rounds: &[Samples], smoke: bool) -> Result<Vec<FigureRecord>> {
    let by_round: Vec<Vec<&Histogram<u64>>> =
        rounds.iter().map(|samples| samples.histograms().collect()).collect();
    let of_figure = |index: usize| by_round.iter().filter_map(move |round| round.get(index).copied());
    let mut figures = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let mut all = new_histogram()?;
        for histogram in of_figure(index) {
            all.add(histogram).map_err(|error| Error::Failed(format!("histogram: {error}")))?;
        }
        let floor = spec.floor.and_then(|floor| specs.iter().position(|spec| spec.name == floor));
        let against = |quantile: f64| {
            let pairs = floor.map(|floor| of_figure(index).zip(of_figure(floor)))?;
            let ratios = pairs.filter_map(|(own, floor)| ratio(own, floor, quantile)).collect();
            median(ratios)
        };
        let ratio = against(0.5);
        figures.push(FigureRecord {
            name: spec.name.to_owned(),
            batch: match spec.timed {
                Timed::Each => 1,
                Timed::Batch(count) => count,
            },
            floor: floor.and(spec.floor).map(str::to_owned),
            ratio,
            goal: spec
                .goal
                .filter(|_| !smoke && !all.is_empty())
                .map(|goal| held_to(goal, &all, ratio, against(0.999))),
            per_second: spec
                .counted
                .filter(|_| !all.is_empty())
                .map(|what| (what.to_owned(), 1e9 / nanos_at(&all, 0.5).max(1e-3))),
            all: summary(&all),
            rounds: of_figure(index).map(summary).collect(),
            curve: curve(&all),
        });
    }
    Ok(figures)
}

/// `own` at a quantile by the floor's median.
fn ratio(own: &Histogram<u64>, floor: &Histogram<u64>, quantile: f64) -> Option<f64> {
    if own.is_empty() || floor.is_empty() {
        return None;
    }
    Some(nanos_at(own, quantile) / nanos_at(floor, 0.5).max(1.0 / PER_NS as f64))
}

/// The median of `values`; the mean of the middle two where their number is even.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(values.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

fn held_to(goal: Goal, all: &Histogram<u64>, ratio: Option<f64>, tail: Option<f64>) -> GoalRecord {
    let below = |found: Option<f64>, most: f64| found.is_some_and(|found| found <= most);
    let (text, reached) = match goal {
        Goal::Ratio(most) => (format!("at most {most} of the floor"), below(ratio, most)),
        Goal::TailRatio(most) => (format!("p99.9 at most {most} of the floor's p50"), below(tail, most)),
        Goal::Nanos(p50, p99) => {
            let found = (nanos_at(all, 0.5), nanos_at(all, 0.99));
            (format!("p50 at most {p50} ns, p99 at most {p99} ns"), found.0 <= p50 && found.1 <= p99)
        }
        Goal::PerSecond(least) => {
            let found = 1e9 / nanos_at(all, 0.5).max(1e-3);
            (format!("at least {:.0} M a second", least / 1e6), found >= least)
        }
    };
    GoalRecord { text, reached }
}

fn summary(histogram: &Histogram<u64>) -> Summary {
    let [p50, p90, p99, p99_9, p99_99] =
        PERCENTILES.map(|percentile| supported(histogram, percentile).filter(|_| !histogram.is_empty()));
    Summary {
        samples: histogram.len(),
        mean: histogram.mean() / PER_NS as f64,
        p50,
        p90,
        p99,
        p99_9,
        p99_99,
        max: histogram.max() as f64 / PER_NS as f64,
    }
}

/// The distribution as far as the samples carry it, with its largest sample at the end.
fn curve(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let samples = histogram.len() as f64;
    let mut points = Vec::new();
    for step in 0.. {
        let beyond = 0.5_f64.powf(f64::from(step) / f64::from(CURVE_STEPS));
        if beyond * samples < 1.0 {
            break;
        }
        points.push((1.0 - beyond, nanos_at(histogram, 1.0 - beyond)));
    }
    points.push((1.0 - 1.0 / (2.0 * samples), histogram.max() as f64 / PER_NS as f64));
    points
}

#[cfg(test)]
mod tests;
