//! A measurement as one page of HTML: distributions drawn, tables, machine, ratios and goals. It refers to nothing outside
//! itself, follows the reader's light or dark setting, and is plain enough to be mailed and printed.

mod plot;
mod text;

use std::fmt::Write as _;

use super::figure::PERCENTILES;
use super::record::{BenchRecord, Document, FigureRecord, Summary};
use plot::{Line, plot, rounds_strip};
use text::{escaped, factor, time};

const STYLE: &str = include_str!("style.css");
/// Colours of lines in one plot; the style gives them, for light and for dark.
const COLOURS: usize = 8;

/// The page.
pub fn page(document: &Document) -> String {
    let mut out = String::new();
    let machine = &document.machine;
    push(&mut out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    push(&mut out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    push(&mut out, &format!("<title>Pricewright measured, {}</title>\n", escaped(&machine.date)));
    push(&mut out, &format!("<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"));
    head(&mut out, document);
    failed(&mut out, document);
    goals(&mut out, document);
    for bench in &document.benches {
        section(&mut out, bench);
    }
    foot(&mut out);
    push(&mut out, "</main>\n</body>\n</html>\n");
    out
}

/// Writing into a string cannot fail.
fn push(out: &mut String, text: &str) {
    let _infallible = out.write_str(text);
}

fn head(out: &mut String, document: &Document) {
    let machine = &document.machine;
    push(out, "<header>\n<h1>Pricewright measured</h1>\n");
    if document.smoke {
        push(
            out,
            "<p class=\"warning\">A smoke run: it shows that every bench works, and measures nothing.</p>\n",
        );
    }
    let percent = |part: f64| format!("{:.2} %", part * 100.0);
    let cache_line =
        machine.cache_line_ns.map_or(String::new(), |ns| format!(", cache line there and back {}", time(ns)));
    let rows = [
        ("Processor", format!("{}, {} cores usable", machine.processor, machine.cores)),
        ("Kernel", format!("{}, governor {}", machine.kernel, machine.governor)),
        ("Clock", machine.clock.clone()),
        ("Placement", format!("{}{cache_line}", machine.placement)),
        (
            "Taken away",
            format!(
                "{} of a spinning thread's time in gaps over 1 µs; stolen {}; load {}",
                percent(machine.taken_away),
                machine.stolen.map_or("unknown".to_owned(), percent),
                machine.load.map_or("unknown".to_owned(), |load| format!("{load:.1}")),
            ),
        ),
        ("Build", format!("{}, profile {}, {}", machine.version, machine.profile, machine.build)),
        ("Date", format!("{}, seed {}", machine.date, document.seed)),
    ];
    push(out, "<dl class=\"machine\">\n");
    for (name, value) in rows {
        push(out, &format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escaped(&value)));
    }
    push(out, "</dl>\n<nav>");
    for bench in &document.benches {
        let name = escaped(&bench.name);
        push(out, &format!("<a href=\"#{name}\">{name}</a>"));
    }
    push(out, "</nav>\n</header>\n");
}

/// The benches that are not on the page, and why.
fn failed(out: &mut String, document: &Document) {
    for bench in &document.failed {
        let (name, error) = (escaped(&bench.name), escaped(&bench.error));
        push(out, &format!("<p class=\"warning\">{name} failed: {error}</p>\n"));
    }
}

/// What ought to be reached, and what was.
fn goals(out: &mut String, document: &Document) {
    let with_goal =
        document.benches.iter().flat_map(|bench| bench.figures.iter().map(move |figure| (bench, figure)));
    let rows: Vec<_> =
        with_goal.filter_map(|(bench, figure)| Some((bench, figure, figure.goal.as_ref()?))).collect();
    if rows.is_empty() {
        return;
    }
    push(
        out,
        "<section>\n<h2>Goals</h2>\n<div class=\"scroll\"><table class=\"goals\">\n<thead><tr><th>Bench</th><th>Figure</th>",
    );
    push(
        out,
        "<th>Goal</th><th class=\"n\">p50</th><th class=\"n\">Floor</th><th></th></tr></thead>\n<tbody>\n",
    );
    for (bench, figure, goal) in rows {
        let (class, word) = if goal.reached { ("good", "reached") } else { ("bad", "missed") };
        let rate = figure.per_second.as_ref().map_or(String::new(), |(what, count)| {
            format!(", {:.1} M {} a second", count / 1e6, escaped(what))
        });
        push(
            out,
            &format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}{rate}</td><td class=\"n\">{}</td>\
                 <td><span class=\"{class}\">{word}</span></td></tr>\n",
                escaped(&bench.name),
                escaped(&figure.name),
                escaped(&goal.text),
                figure.all.p50.map_or("–".to_owned(), time),
                figure.ratio.map_or("–".to_owned(), factor),
            ),
        );
    }
    push(out, "</tbody>\n</table></div>\n</section>\n");
}

fn section(out: &mut String, bench: &BenchRecord) {
    let name = escaped(&bench.name);
    push(
        out,
        &format!(
            "<section id=\"{name}\">\n<h2>{name}</h2>\n<p class=\"question\">{}</p>\n",
            escaped(&bench.question)
        ),
    );
    for group in groups(bench) {
        drawn(out, &group);
        table(out, &group);
    }
    push(out, "<ul class=\"facts\">\n");
    for fact in &bench.facts {
        push(out, &format!("<li>{}</li>\n", escaped(fact)));
    }
    if !bench.placement_ns.is_empty() {
        let trips: Vec<String> = bench.placement_ns.iter().map(|ns| format!("{ns:.0}")).collect();
        push(out, &format!("<li>cache line there and back, round by round: {} ns</li>\n", trips.join(", ")));
    }
    push(out, &format!("<li>result <code>{}</code></li>\n</ul>\n</section>\n", escaped(&bench.result)));
}

/// The figures that belong into one plot: a floor and all that are held against it, floors of floors included.
fn groups(bench: &BenchRecord) -> Vec<Vec<&FigureRecord>> {
    let mut groups: Vec<(&str, Vec<&FigureRecord>)> = Vec::new();
    for figure in bench.figures.iter().filter(|figure| figure.all.samples > 0) {
        let root = root(bench, figure);
        match groups.iter_mut().find(|(name, _)| *name == root) {
            Some((_, members)) => members.push(figure),
            None => groups.push((root, vec![figure])),
        }
    }
    for (root, members) in &mut groups {
        // The floor first, so that it has the first colour, which is grey.
        members.sort_by_key(|figure| figure.name != *root);
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

/// The floor at the bottom of `figure`; itself where it has none.
fn root<'a>(bench: &'a BenchRecord, figure: &'a FigureRecord) -> &'a str {
    let mut name = figure.name.as_str();
    // No chain of floors is longer than the figures that there are.
    for _ in &bench.figures {
        let floor =
            bench.figures.iter().find(|other| other.name == name).and_then(|other| other.floor.as_deref());
        match floor {
            Some(floor) => name = floor,
            None => break,
        }
    }
    name
}

fn drawn(out: &mut String, group: &[&FigureRecord]) {
    let is_floor =
        |figure: &FigureRecord| group.iter().any(|other| other.floor.as_deref() == Some(&figure.name));
    let lines: Vec<Line<'_>> = group
        .iter()
        .enumerate()
        .map(|(index, figure)| Line {
            name: &figure.name,
            points: &figure.curve,
            colour: index % COLOURS,
            floor: is_floor(figure),
        })
        .collect();
    push(out, &plot(&lines));
}

fn table(out: &mut String, group: &[&FigureRecord]) {
    push(out, "<div class=\"scroll\"><table>\n<thead><tr><th>Figure</th>");
    for percentile in PERCENTILES {
        push(out, &format!("<th class=\"n\">{}</th>", percentile.name));
    }
    push(
        out,
        "<th class=\"n\">max</th><th class=\"n\">Floor</th><th class=\"n\">A second</th><th class=\"n\">Samples</th>",
    );
    push(out, "<th>Rounds</th></tr></thead>\n<tbody>\n");
    for (index, figure) in group.iter().enumerate() {
        push(out, &row(figure, index % COLOURS));
    }
    push(out, "</tbody>\n</table></div>\n");
}

fn row(figure: &FigureRecord, colour: usize) -> String {
    let mut text = format!("<tr><td><span class=\"swatch c{colour}\"></span>{}", escaped(&figure.name));
    if figure.batch > 1 {
        text.push_str(&format!(" <small>mean of {}</small>", figure.batch));
    }
    text.push_str("</td>");
    let cell = |value: Option<f64>| format!("<td class=\"n\">{}</td>", value.map_or("–".to_owned(), time));
    figure.all.percentiles().into_iter().for_each(|value| text.push_str(&cell(value)));
    text.push_str(&cell(Some(figure.all.max)));
    text.push_str(&format!("<td class=\"n\">{}</td>", figure.ratio.map_or("–".to_owned(), factor)));
    let rate = figure
        .per_second
        .as_ref()
        .map_or("–".to_owned(), |(what, count)| format!("{:.1} M {}", count / 1e6, escaped(what)));
    text.push_str(&format!(
        "<td class=\"n\">{rate}</td><td class=\"n\">{}</td>",
        text::thousands(figure.all.samples)
    ));
    let medians: Vec<f64> = figure.rounds.iter().filter_map(|round: &Summary| round.p50).collect();
    text + &format!("<td>{}</td></tr>\n", rounds_strip(&medians, colour))
}

fn foot(out: &mut String) {
    push(
        out,
        "<footer>\n<p>Plots: time over the part of samples that took longer, both logarithmic; floors are dashed. A \
         percentile is shown only where at least a hundred samples lie beyond it. <em>Floor</em> is the median over the \
         rounds of a figure's median by its floor's in the same round: times move with the machine, ratios much less. \
         Open loop: a late operation does not delay the next one's intended time. All stamps are software's.</p>\n\
         </footer>\n",
    );
}

#[cfg(test)]
mod tests;
