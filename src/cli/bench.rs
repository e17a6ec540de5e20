//! `pricewright bench`.

use std::path::Path;

use super::bench_args::{BenchCommand, PacedArgs};
use super::show::{line, note};
use super::where_is::DATA_DIR;
use super::{bench_compare, bench_show};
use crate::error::{Error, Result};
use crate::harness::lab::Lab;
use crate::harness::machine::Machine;
use crate::harness::record::{Document, FORMAT};
use crate::harness::report;
use crate::harness::runner;
use crate::harness::suite;
use crate::pipeline::cores::available_cores;

pub(super) fn bench(command: &BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Compare(args) => bench_compare::compare(args),
        BenchCommand::Restart(args) => super::bench_restart::restart(args),
        BenchCommand::Generator { core } => suite::tick_to_trade::serve(*core),
        measured => match measured.split() {
            Some((names, args)) => measure(&names, &args),
            None => Ok(()),
        },
    }
}

fn measure(names: &[&str], args: &PacedArgs) -> Result<()> {
    let lab = Lab::new(available_cores(), args.asked(), Path::new(DATA_DIR));
    let args = &args.common;
    let quiet = args.json.as_deref().is_some_and(|path| path == Path::new("-"));
    let machine = Machine::look(&lab)?;
    if !quiet {
        line(&machine.describe())?;
    }
    let mut document = Document {
        format: FORMAT.to_owned(),
        machine,
        smoke: args.smoke,
        seed: args.seed,
        benches: Vec::new(),
    };
    for name in names {
        let mut bench = suite::by_name(name)?;
        if names.len() > 1 && bench.needs_two_cores() && !lab.has_two_cores() {
            note(&format!("{name}: left out, it needs two cores"));
            continue;
        }
        let record = runner::run(bench.as_mut(), &lab, &mut |text| tracing::info!("{text}"))?;
        if !quiet {
            bench_show::bench(&record)?;
        }
        document.benches.push(record);
    }
    if let Some(dir) = &args.hgrm {
        bench_show::write_hgrm(&document, dir)?;
    }
    if let Some(path) = &args.report {
        write(path, &report::page(&document))?;
        note(&format!("page written to {}", path.display()));
    }
    match &args.json {
        Some(path) => write_json(&document, path),
        None => Ok(()),
    }
}

fn write_json(document: &Document, path: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Error::Failed(format!("the measurement as JSON: {error}")))?;
    if path == Path::new("-") {
        return line(&text);
    }
    write(path, &(text + "\n"))?;
    note(&format!("measurement written to {}", path.display()));
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|source| Error::File {
        path: path.to_path_buf(),
        source,
        mend: "name a file that can be written",
    })
}
