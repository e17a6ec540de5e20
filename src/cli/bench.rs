//! `pricewright bench`.

use std::fs::File;
use std::path::Path;

use super::bench_args::{BenchArgs, BenchCommand, PacedArgs};
use super::bench_show::unwritable;
use super::show::{line, note};
use super::where_is::DATA_DIR;
use super::{bench_compare, bench_show};
use crate::error::{Error, Result};
use crate::harness::lab::Lab;
use crate::harness::machine::Machine;
use crate::harness::record::{BenchRecord, Document, FORMAT, FailedBench};
use crate::harness::report;
use crate::harness::runner::{self, Bench};
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
    can_leave(args)?;
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
        failed: Vec::new(),
    };
    let mut tell = |text: &str| tracing::info!("{text}");
    let shown = |record: &BenchRecord| if quiet { Ok(()) } else { bench_show::bench(record) };
    if let [name] = names {
        let record = runner::run(suite::by_name(name)?.as_mut(), &lab, &mut tell)?;
        shown(&record)?;
        document.benches.push(record);
    } else {
        let benches = together(names, &lab)?;
        let mut ended = |outcome: std::result::Result<&BenchRecord, &FailedBench>| match outcome {
            Ok(record) => shown(record),
            Err(_) if quiet => Ok(()),
            Err(failed) => line(&format!("\n{}", failure(failed))),
        };
        (document.benches, document.failed) = runner::run_all(benches, &lab, &mut tell, &mut ended)?;
    }
    leave(&document, args)?;
    match document.failed.as_slice() {
        [] => Ok(()),
        failed => Err(Error::Failed(all_of_it(failed, names.len()))),
    }
}

/// The benches that make sense here.
fn together(names: &[&str], lab: &Lab) -> Result<Vec<Box<dyn Bench>>> {
    let mut benches = Vec::with_capacity(names.len());
    for name in names {
        let bench = suite::by_name(name)?;
        if bench.needs_two_cores() && !lab.has_two_cores() {
            note(&format!("{name}: left out, it needs two cores"));
        } else {
            benches.push(bench);
        }
    }
    Ok(benches)
}

fn failure(failed: &FailedBench) -> String {
    format!("{} failed: {}", failed.name, failed.error)
}

/// The last words of a run in which benches failed.
fn all_of_it(failed: &[FailedBench], all: usize) -> String {
    let each: Vec<String> = failed.iter().map(failure).collect();
    format!("{} of {all} benches failed; the others' results are kept\n  {}", failed.len(), each.join("\n  "))
}

/// Says before the minutes of measuring where what is asked for cannot be written.
fn can_leave(args: &BenchArgs) -> Result<()> {
    if let Some(dir) = &args.hgrm {
        std::fs::create_dir_all(dir).map_err(unwritable(dir))?;
        can_write(&dir.join("figure.hgrm"))?;
    }
    let json = args.json.as_deref().filter(|path| *path != Path::new("-"));
    args.report.as_deref().into_iter().chain(json).try_for_each(can_write)
}

/// Nothing that is there is changed, and nothing is left.
fn can_write(path: &Path) -> Result<()> {
    // The reader of a pipe would take it for all that comes.
    if path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return Ok(());
    }
    let is_new = path.symlink_metadata().is_err();
    let opened = File::options().append(true).create(true).open(path);
    let tried = opened.and_then(|_| if is_new { std::fs::remove_file(path) } else { Ok(()) });
    tried.map_err(unwritable(path))
}

/// Writes what was asked for.
fn leave(document: &Document, args: &BenchArgs) -> Result<()> {
    if let Some(dir) = &args.hgrm {
        bench_show::write_hgrm(document, dir)?;
    }
    if let Some(path) = &args.report {
        write(path, &report::page(document))?;
        note(&format!("page written to {}", path.display()));
    }
    match &args.json {
        Some(path) => write_json(document, path),
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
    std::fs::write(path, text).map_err(unwritable(path))
}
