//! Measurements as text.

use std::path::Path;

use super::show::{line, thousands};
use crate::error::{Error, Result};
use crate::harness::figure::PERCENTILES;
use crate::harness::record::{BenchRecord, Document, FigureRecord};

/// Columns of a figure's name.
const NAME_WIDTH: usize = 78;

/// Prints one bench.
pub(super) fn bench(record: &BenchRecord) -> Result<()> {
    line("")?;
    line(&format!("{}: {}", record.name, record.question))?;
    line(&heading())?;
    for figure in &record.figures {
        line(&row(figure))?;
    }
    for figure in &record.figures {
        if let Some(goal) = &figure.goal {
            let outcome = if goal.reached { "reached" } else { "missed" };
            line(&format!("goal {outcome}: {}: {}", figure.name, goal.text))?;
        }
    }
    for fact in &record.facts {
        line(fact)?;
    }
    line(&format!("result {}", record.result))
}

fn heading() -> String {
    let mut text = format!("{:<NAME_WIDTH$}", "ns");
    for percentile in PERCENTILES {
        text.push_str(&format!("{:>12}", percentile.name));
    }
    text + &format!("{:>14}{:>11}  {}", "max", "samples", "floor")
}

fn row(figure: &FigureRecord) -> String {
    let name = if figure.batch > 1 {
        format!("{} (mean of {})", figure.name, figure.batch)
    } else {
        figure.name.clone()
    };
    let mut text = format!("{name:<NAME_WIDTH$}");
    if figure.all.samples == 0 {
        return text + "      none";
    }
    for value in figure.all.percentiles() {
        text.push_str(&format!("{:>12}", value.map_or("-".to_owned(), number)));
    }
    text.push_str(&format!("{:>14}{:>11}", number(figure.all.max), figure.all.samples));
    if let Some(ratio) = figure.ratio {
        text.push_str(&format!("  {} x", factor(ratio)));
    }
    if let Some((what, count)) = &figure.per_second {
        text.push_str(&format!("  {} {what}/s", thousands(*count as u64)));
    }
    text
}

/// Nanoseconds with a decimal where it says something.
pub(super) fn number(nanos: f64) -> String {
    if nanos < 100.0 { format!("{nanos:.1}") } else { thousands(nanos.round() as u64) }
}

/// A ratio to three digits or so.
pub(super) fn factor(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.0}") }
}

/// Of a file or directory that was asked for.
pub(super) fn unwritable(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    |source| Error::File { path, source, mend: "name another place, where files can be written" }
}

/// Writes each figure's distribution in HdrHistogram's text format into `dir`, which is there.
pub(super) fn write_hgrm(document: &Document, dir: &Path) -> Result<()> {
    for bench in &document.benches {
        for figure in bench.figures.iter().filter(|figure| figure.all.samples > 0) {
            let path = dir.join(format!("{}-{}.hgrm", bench.name, file_name(&figure.name)));
            std::fs::write(&path, hgrm(figure)).map_err(unwritable(&path))?;
        }
    }
    Ok(())
}

/// Letters and digits, the rest as single hyphens.
fn file_name(name: &str) -> String {
    let parts = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

/// A distribution as HdrHistogram's plotter reads it, in ns.
fn hgrm(figure: &FigureRecord) -> String {
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let samples = figure.all.samples as f64;
    for (quantile, nanos) in &figure.curve {
        let beyond = 1.0 - quantile;
        let count = (samples * quantile).round();
        text.push_str(&format!("{nanos:>12.2} {quantile:>14.12} {count:>10} {:>14.2}\n", 1.0 / beyond));
    }
    text + &format!(
        "#[Mean    = {:>12.2}, Max     = {:>12.2}, Total count    = {:>12}]\n",
        figure.all.mean, figure.all.max, figure.all.samples
    )
}

#[cfg(test)]
mod tests;
