//! Better, worse or noise: two measurements, figure by figure, by bootstrap over their rounds.
//!
//! The value of a round is its median, as a ratio to its floor's median in the same round where the figure has a floor:
//! machines differ from hour to hour, ratios much less. From both sides' rounds as many are drawn again, with
//! replacement, thousands of times (B. Efron, Annals of Statistics 7, 1979); each time the medians of the draws are
//! divided. Where the middle 99 % of these quotients lie on one side of no change, and the change is at least one part in
//! fifty, the figure is better or worse; otherwise the difference is noise. Of a hundred figures that have not changed
//! one may seem to.

use pricewright_core::kernel::Numbers;
use serde::{Deserialize, Serialize};

use super::record::{BenchRecord, Document, FORMAT, FigureRecord};
use super::runner::median;

/// Draws of the bootstrap.
const DRAWS: usize = 10_000;
/// What of the quotients lies outside the interval, on each side.
const TAIL: f64 = 0.005;
/// The least change that is called one.
const LEAST_CHANGE: f64 = 0.02;
/// Fewer rounds than this say nothing.
pub const LEAST_ROUNDS: usize = 5;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Ratios to floors, where there are floors.
    Ratio,
    /// Nanoseconds.
    Value,
}

/// The outcome for a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It takes less time.
    Better,
    /// It takes more.
    Worse,
    /// The rounds do not tell.
    Noise,
    /// Too few rounds on one side.
    TooFewRounds,
}

/// One figure on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Bench and figure.
    pub name: String,
    /// Median over the rounds before: a ratio to the floor, or ns.
    pub before: f64,
    /// Median over the rounds after.
    pub after: f64,
    /// Whether they are ratios to the floor.
    pub ratio: bool,
    /// `after` by `before`, and the interval that 99 % of the draws lie in.
    pub change: (f64, f64, f64),
    /// What this says.
    pub verdict: Verdict,
}

/// Why two measurements cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Another format.
    #[error("it is of format {0:?}; this program reads {FORMAT:?}")]
    Format(String),
    /// A smoke run.
    #[error("it was made with --smoke, which measures nothing; measure again without")]
    Smoke,
}

/// Whether `document` can be compared at all.
///
/// # Errors
/// Why not.
pub fn usable(document: &Document) -> Result<(), Unusable> {
    if document.format != FORMAT {
        return Err(Unusable::Format(document.format.clone()));
    }
    if document.smoke { Err(Unusable::Smoke) } else { Ok(()) }
}

/// Compares every figure that both documents have. The same seed gives the same draws.
pub fn compare(before: &Document, after: &Document, by: By, seed: u64) -> Vec<Compared> {
    let mut numbers = Numbers::new(seed);
    let mut found = Vec::new();
    for bench in &before.benches {
        let Some(other) = after.benches.iter().find(|other| other.name == bench.name) else { continue };
        for figure in &bench.figures {
            let Some(later) = other.figures.iter().find(|later| later.name == figure.name) else { continue };
            let ratio = by == By::Ratio && figure.floor.is_some() && figure.floor == later.floor;
            let (one, two) = (values(bench, figure, ratio), values(other, later, ratio));
            let name = format!("{}: {}", bench.name, figure.name);
            found.extend(judge(name, ratio, &one, &two, &mut numbers));
        }
    }
    found
}

/// The rounds' medians, by their floor's where `ratio` says so.
fn values(bench: &BenchRecord, figure: &FigureRecord, ratio: bool) -> Vec<f64> {
    let floor = figure.floor.as_ref().filter(|_| ratio);
    let floor = floor.and_then(|floor| bench.figures.iter().find(|figure| figure.name == *floor));
    let rounds = figure.rounds.iter().enumerate();
    rounds
        .filter_map(|(index, round)| {
            let own = round.p50?;
            match floor {
                Some(floor) => Some(own / floor.rounds.get(index)?.p50.filter(|floor| *floor > 0.0)?),
                None => Some(own),
            }
        })
        .collect()
}

fn judge(
    name: String,
    ratio: bool,
    before: &[f64],
    after: &[f64],
    numbers: &mut Numbers,
) -> Option<Compared> {
    let (one, two) = (median(before.to_vec())?, median(after.to_vec())?);
    let change = two / one.max(f64::MIN_POSITIVE);
    let mut quotients: Vec<f64> = (0..DRAWS)
        .filter_map(|_| {
            let (one, two) = (median(redrawn(before, numbers))?, median(redrawn(after, numbers))?);
            Some(two / one.max(f64::MIN_POSITIVE))
        })
        .collect();
    quotients.sort_by(f64::total_cmp);
    let at = |part: f64| quotients.get((part * (quotients.len() - 1) as f64).round() as usize).copied();
    let (low, high) = (at(TAIL)?, at(1.0 - TAIL)?);
    let verdict = if before.len() < LEAST_ROUNDS || after.len() < LEAST_ROUNDS {
        Verdict::TooFewRounds
    } else if high < 1.0 && change <= 1.0 - LEAST_CHANGE {
        Verdict::Better
    } else if low > 1.0 && change >= 1.0 + LEAST_CHANGE {
        Verdict::Worse
    } else {
        Verdict::Noise
    };
    Some(Compared { name, before: one, after: two, ratio, change: (change, low, high), verdict })
}

/// As many of `values`, each drawn from all of them.
fn redrawn(values: &[f64], numbers: &mut Numbers) -> Vec<f64> {
    let len = values.len() as u64;
    (0..len).filter_map(|_| values.get(numbers.below(len) as usize).copied()).collect()
}

#[cfg(test)]
mod tests;
