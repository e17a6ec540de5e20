//! Distributions as inline SVG: time over the part of samples that took longer, both axes logarithmic, so that each nine
//! has the same width.

use std::fmt::Write as _;

use super::text::{escaped, time};

/// Size of a plot in its own units.
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 300.0;
/// Room for the axes' numbers.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;
/// Size of the strip of rounds.
const STRIP_WIDTH: f64 = 72.0;
const STRIP_HEIGHT: f64 = 18.0;

/// One distribution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Its figure.
    pub(super) name: &'a str,
    /// Quantiles and nanoseconds, rising.
    pub(super) points: &'a [(f64, f64)],
    /// Which of the style's colours.
    pub(super) colour: usize,
    /// Drawn dashed.
    pub(super) floor: bool,
}

/// From quantiles and nanoseconds to places.
struct Scale {
    /// Nines on the right edge.
    nines: f64,
    /// Decades at the bottom and at the top.
    low: f64,
    high: f64,
}

impl Scale {
    fn of(lines: &[Line<'_>]) -> Self {
        let points = || lines.iter().flat_map(|line| line.points.iter().copied());
        let nines = points().map(|(quantile, _)| nines(quantile)).fold(1.0, f64::max);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for (_, nanos) in points() {
            let decade = nanos.max(0.1).log10();
            (low, high) = (low.min(decade), high.max(decade));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        // At least a decade, so that lines of constants are seen for what they are.
        let (low, high) = ((low - 0.1).floor(), (high + 0.1).ceil());
        Self { nines, low, high: high.max(low + 1.0) }
    }

    fn x(&self, quantile: f64) -> f64 {
        LEFT + nines(quantile) / self.nines * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, nanos: f64) -> f64 {
        let part = (nanos.max(0.1).log10() - self.low) / (self.high - self.low);
        HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
    }
}

/// 0.9 is one nine, 0.99 two.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).max(1e-12).log10()
}

/// The plot of `lines`; empty where there is nothing to draw.
pub(super) fn plot(lines: &[Line<'_>]) -> String {
    if lines.iter().all(|line| line.points.is_empty()) {
        return String::new();
    }
    let scale = Scale::of(lines);
    let names: Vec<String> = lines.iter().map(|line| escaped(line.name)).collect();
    let mut out = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Distribution: {}\">\n",
        names.join("; ")
    );
    grid(&mut out, &scale);
    for (line, name) in lines.iter().zip(&names) {
        let class = if line.floor { "line floor" } else { "line" };
        let path = path(line.points, &scale);
        // Writing into a string cannot fail.
        let _infallible = writeln!(
            out,
            "<path class=\"{class} c{}\" d=\"{path}\"><title>{name}</title></path>",
            line.colour
        );
    }
    out + "</svg>\n"
}

fn path(points: &[(f64, f64)], scale: &Scale) -> String {
    let mut path = String::new();
    for (index, (quantile, nanos)) in points.iter().enumerate() {
        let step = if index == 0 { 'M' } else { 'L' };
        let _infallible = write!(path, "{step}{:.1} {:.1}", scale.x(*quantile), scale.y(*nanos));
    }
    path
}

fn grid(out: &mut String, scale: &Scale) {
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    // Few decades have room for more numbers.
    let steps: &[f64] = if scale.high - scale.low > 2.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let decades = scale.low as i32..=scale.high as i32;
    let numbers = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
    for nanos in numbers.filter(|nanos| nanos.log10() < scale.high + 1e-9) {
        let y = scale.y(nanos);
        let _infallible = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"y\" x=\"{}\" y=\"{:.1}\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            whole(nanos)
        );
    }
    let ticks = [
        (0.0, "0"),
        (0.5, "50 %"),
        (0.9, "90 %"),
        (0.99, "99 %"),
        (0.999, "99.9 %"),
        (0.9999, "99.99 %"),
        (0.99999, "99.999 %"),
        (0.999_999, "99.9999 %"),
    ];
    for (quantile, name) in ticks.into_iter().filter(|(quantile, _)| nines(*quantile) <= scale.nines) {
        let x = scale.x(quantile);
        let _infallible = writeln!(
            out,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
             <text class=\"x\" x=\"{x:.1}\" y=\"{}\">{name}</text>",
            bottom + 20.0
        );
    }
}

/// A round number of nanoseconds, without decimals that say nothing.
fn whole(nanos: f64) -> String {
    let text = time(nanos);
    let (value, unit) = text.split_once('\u{a0}').unwrap_or((&text, ""));
    let value = if value.contains('.') { value.trim_end_matches('0').trim_end_matches('.') } else { value };
    format!("{value}\u{a0}{unit}")
}

/// A figure's medians, round by round, between their least and their greatest.
pub(super) fn rounds_strip(medians: &[f64], colour: usize) -> String {
    let least = medians.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = medians.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if medians.len() < 2 {
        return String::new();
    }
    let said = format!("medians of the rounds: {} to {}", time(least), time(greatest));
    let mut out = format!(
        "<svg class=\"strip\" viewBox=\"0 0 {STRIP_WIDTH} {STRIP_HEIGHT}\" role=\"img\" aria-label=\"{said}\"><title>{said}</title>"
    );
    // Differences below a fiftieth are drawn as none.
    let span = (greatest - least).max(least * 0.02).max(f64::MIN_POSITIVE);
    for (index, median) in medians.iter().enumerate() {
        let x = 4.0 + index as f64 / (medians.len() - 1) as f64 * (STRIP_WIDTH - 8.0);
        let y = STRIP_HEIGHT - 4.0 - (median - least) / span * (STRIP_HEIGHT - 8.0);
        let _infallible = write!(out, "<circle class=\"c{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>");
    }
    out + "</svg>"
}
