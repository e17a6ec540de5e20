//! What is measured: figures, their histograms, and which percentiles a number of samples can carry.
//!
//! Every histogram of the harness counts hundredths of a nanosecond with three digits, so that an operation of five
//! nanoseconds and one of five milliseconds are kept alike. A percentile is shown only where at least a hundred samples
//! lie beyond it: a million samples for p99.99.

use hdrhistogram::Histogram;

use crate::error::{Error, Result};

/// Histogram counts of one nanosecond.
pub const PER_NS: u64 = 100;
/// The longest time that a histogram keeps apart from longer ones, in ns.
const LONGEST_NS: u64 = 100_000_000_000;

/// A percentile with its name and the samples that it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentile {
    /// As it is written.
    pub name: &'static str,
    /// As a part of one.
    pub quantile: f64,
    /// Fewest samples for which it is shown.
    pub least_samples: u64,
}

/// The percentiles that are shown. The median needs no hundred samples to mean something.
pub const PERCENTILES: [Percentile; 5] = [
    Percentile { name: "p50", quantile: 0.5, least_samples: 1 },
    Percentile { name: "p90", quantile: 0.9, least_samples: 1_000 },
    Percentile { name: "p99", quantile: 0.99, least_samples: 10_000 },
    Percentile { name: "p99.9", quantile: 0.999, least_samples: 100_000 },
    Percentile { name: "p99.99", quantile: 0.9999, least_samples: 1_000_000 },
];

/// How a sample comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// Each operation by itself.
    Each,
    /// The mean of so many operations in a row: a clock read costs more than one of them.
    Batch(u64),
}

/// What a figure ought to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// The median as a multiple of the floor's median, at most.
    Ratio(f64),
    /// The 99.9th percentile as a multiple of the floor's median, at most.
    TailRatio(f64),
    /// Nanoseconds at the median and at the 99th percentile, at most.
    Nanos(f64, f64),
    /// Operations in a second at the median, at least.
    PerSecond(f64),
}

/// A figure before it is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Its name, unique within its bench.
    pub name: &'static str,
    /// How its samples come about.
    pub timed: Timed,
    /// The figure of the same bench that it is a ratio to.
    pub floor: Option<&'static str>,
    /// What it ought to reach.
    pub goal: Option<Goal>,
    /// What is counted in a second, where that is worth saying.
    pub counted: Option<&'static str>,
}

impl Spec {
    /// A figure whose operations are timed one by one.
    pub const fn each(name: &'static str) -> Self {
        Self { name, timed: Timed::Each, floor: None, goal: None, counted: None }
    }

    /// A figure whose operations are timed `count` at a time.
    pub const fn batch(name: &'static str, count: u64) -> Self {
        Self { timed: Timed::Batch(count), ..Self::each(name) }
    }

    /// With a floor.
    pub const fn over(self, floor: &'static str) -> Self {
        Self { floor: Some(floor), ..self }
    }

    /// With a goal.
    pub const fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// Says how many `counted` go through in a second.
    pub const fn per_second(self, counted: &'static str) -> Self {
        Self { counted: Some(counted), ..self }
    }
}

/// The samples of one round of a bench, figure by figure.
#[derive(Clone, Debug)]
pub struct Samples {
    figures: Vec<(&'static str, Histogram<u64>)>,
}

impl Samples {
    /// Empty, for the figures in `specs`.
    ///
    /// # Errors
    /// Never for the bounds used; the library asks.
    pub fn new(specs: &[Spec]) -> Result<Self> {
        let figures = specs.iter().map(|spec| Ok((spec.name, new_histogram()?))).collect::<Result<_>>()?;
        Ok(Self { figures })
    }

    /// Adds samples to the figure of this name.
    ///
    /// # Errors
    /// Where the bench has no such figure.
    pub fn add(&mut self, name: &str, samples: &Histogram<u64>) -> Result<()> {
        let missing = || Error::Failed(format!("a bench has no figure {name:?}; please report this"));
        let (_, histogram) =
            self.figures.iter_mut().find(|(figure, _)| *figure == name).ok_or_else(missing)?;
        histogram.add(samples).map_err(|error| Error::Failed(format!("histogram: {error}")))
    }

    /// The samples, in the order of the specs.
    pub fn histograms(&self) -> impl Iterator<Item = &Histogram<u64>> {
        self.figures.iter().map(|(_, histogram)| histogram)
    }
}

/// An empty histogram of the harness.
///
/// # Errors
/// Never for these bounds; the library asks.
pub fn new_histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LONGEST_NS * PER_NS, 3)
        .map_err(|error| Error::Failed(format!("histogram: {error}")))
}

/// A histogram that counts nanoseconds, as one of the harness.
///
/// # Errors
/// Never for the bounds used; the library asks.
pub fn from_nanos(histogram: &Histogram<u64>) -> Result<Histogram<u64>> {
    let mut scaled = new_histogram()?;
    for step in histogram.iter_recorded() {
        scaled.saturating_record_n(step.value_iterated_to() * PER_NS, step.count_at_value());
    }
    Ok(scaled)
}

/// Nanoseconds at `quantile`, whatever the number of samples; 0 where there are none.
pub fn nanos_at(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / PER_NS as f64
}

/// Nanoseconds at `percentile`; `None` where there are too few samples for it.
pub fn supported(histogram: &Histogram<u64>, percentile: Percentile) -> Option<f64> {
    (histogram.len() >= percentile.least_samples).then(|| nanos_at(histogram, percentile.quantile))
}

#[cfg(test)]
mod tests;
