//! `pricewright bench compare`.

use std::path::Path;

use serde_json::json;

use super::bench_args::CompareArgs;
use super::bench_show::number;
use super::show::{json as print_json, line, note};
use crate::error::{Error, Result};
use crate::harness::compare::{self, Compared, LEAST_ROUNDS, Verdict};
use crate::harness::record::Document;

/// Columns of a figure's name.
const NAME_WIDTH: usize = 80;

pub(super) fn compare(args: &CompareArgs) -> Result<()> {
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    for (path, document) in [(&args.before, &before), (&args.after, &after)] {
        for failed in &document.failed {
            note(&format!("{}: {} failed there, and is not compared", path.display(), failed.name));
        }
    }
    let compared = compare::compare(&before, &after, args.by.into(), args.seed);
    if compared.is_empty() {
        return Err(Error::Usage(
            "the two measurements have no figure in common; measure the same benches twice".to_owned(),
        ));
    }
    let worse = compared.iter().filter(|figure| figure.verdict == Verdict::Worse).count();
    if args.json {
        print_json(&json!({ "figures": compared, "worse": worse }))?;
    } else {
        print(&before, &after, &compared)?;
    }
    if worse > 0 {
        return Err(Error::Failed(format!("{worse} of {} figures became worse", compared.len())));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Document> {
    let file = |source| Error::File {
        path: path.to_path_buf(),
        source,
        mend: "name a measurement made with `pricewright bench … --json FILE`",
    };
    let text = crate::io::bounded::read_text(path, crate::io::bounded::TEXT).map_err(file)?;
    let unusable = |why: String| {
        Error::Usage(format!("{}: {why}; make it with `pricewright bench … --json FILE`", path.display()))
    };
    let document: Document = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    compare::usable(&document).map_err(|error| unusable(error.to_string()))?;
    Ok(document)
}

fn print(before: &Document, after: &Document, compared: &[Compared]) -> Result<()> {
    for (name, document) in [("before", before), ("after", after)] {
        let machine = &document.machine;
        line(&format!(
            "{name:<7} {} build {} ({}), {}, placement {}",
            machine.date, machine.build, machine.profile, machine.processor, machine.placement
        ))?;
    }
    line(&format!(
        "{:<NAME_WIDTH$}{:>12}{:>12}{:>10}{:>18}",
        "", "before", "after", "change", "99 % of draws"
    ))?;
    for figure in compared {
        let value = |value: f64| {
            if figure.ratio { format!("{value:.2} x") } else { format!("{} ns", number(value)) }
        };
        let (change, low, high) = figure.change;
        let percent = |part: f64| format!("{:+.1} %", (part - 1.0) * 100.0);
        line(&format!(
            "{:<NAME_WIDTH$}{:>12}{:>12}{:>10}{:>18}  {}",
            figure.name,
            value(figure.before),
            value(figure.after),
            percent(change),
            format!("{} {}", percent(low), percent(high)),
            word(figure.verdict)
        ))?;
    }
    Ok(())
}

fn word(verdict: Verdict) -> String {
    match verdict {
        Verdict::Better => "better".to_owned(),
        Verdict::Worse => "WORSE".to_owned(),
        Verdict::Noise => "noise".to_owned(),
        Verdict::TooFewRounds => format!("fewer than {LEAST_ROUNDS} rounds"),
    }
}
