//! What a run of benches leaves: a document that is written as JSON, drawn as a page, and compared with another one.
//!
//! All times are nanoseconds. A percentile that the samples do not carry is absent.

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// Version of the document; raised when a field changes its meaning.
pub const FORMAT: &str = "pricewright-bench-1";

/// Everything that one call measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`FORMAT`].
    pub format: String,
    /// On what it was measured.
    pub machine: Machine,
    /// True where nothing was measured in earnest.
    pub smoke: bool,
    /// Seed of what was generated.
    pub seed: u64,
    /// The benches, in the order in which they ran.
    pub benches: Vec<BenchRecord>,
    /// Those that failed: nothing that they measured is here.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failed: Vec<FailedBench>,
}

/// A bench that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedBench {
    /// Its name on the command line.
    pub name: String,
    /// Why.
    pub error: String,
}

/// One bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchRecord {
    /// Its name on the command line.
    pub name: String,
    /// What it asks.
    pub question: String,
    /// Hash of what it computed, checked before anything was timed: the same for the same seed on every machine.
    pub result: String,
    /// What else is worth knowing, in words.
    pub facts: Vec<String>,
    /// Round trips of a cache line between the two cores, one per round; empty on a single core.
    pub placement_ns: Vec<f64>,
    /// What was measured.
    pub figures: Vec<FigureRecord>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FigureRecord {
    /// Its name.
    pub name: String,
    /// Operations whose mean is one sample; 1 where each was timed by itself.
    pub batch: u64,
    /// The figure of the same bench that it is a ratio to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub floor: Option<String>,
    /// Median over the rounds of its median by the floor's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ratio: Option<f64>,
    /// The goal and whether it was reached.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub goal: Option<GoalRecord>,
    /// What is counted in a second, and how many that are at the median.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub per_second: Option<(String, f64)>,
    /// Over all rounds together.
    pub all: Summary,
    /// Round by round.
    pub rounds: Vec<Summary>,
    /// The distribution: pairs of quantile and nanoseconds.
    pub curve: Vec<(f64, f64)>,
}

/// A goal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoalRecord {
    /// In words.
    pub text: String,
    /// Whether it was reached.
    pub reached: bool,
}

/// A distribution in a few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Samples.
    pub samples: u64,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: Option<f64>,
    /// 90 %.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p90: Option<f64>,
    /// 99 %.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p99: Option<f64>,
    /// 99.9 %.
    #[serde(rename = "p99.9", skip_serializing_if = "Option::is_none", default)]
    pub p99_9: Option<f64>,
    /// 99.99 %.
    #[serde(rename = "p99.99", skip_serializing_if = "Option::is_none", default)]
    pub p99_99: Option<f64>,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// The percentiles in the order of [`super::figure::PERCENTILES`].
    pub fn percentiles(&self) -> [Option<f64>; 5] {
        [self.p50, self.p90, self.p99, self.p99_9, self.p99_99]
    }
}
