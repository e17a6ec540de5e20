//! `pricewright journal export`.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use super::args::ExportArgs;
use super::progress::RecordBar;
use super::show::{self, complain, json as print_json, line, thousands};
use super::where_is::journal_dir;
use crate::error::{Error, Result};
use crate::journal::JournalError;
use crate::journal::export::{Exported, Format, Selection, Target, export as export_records};

/// `--out -`, `--json -`.
pub(super) const STDOUT: &str = "-";

pub(super) fn export(args: &ExportArgs) -> Result<()> {
    let dir = journal_dir(args.dir.as_deref())?;
    let format = match (args.csv, args.parquet) {
        (true, _) => Format::Csv,
        (_, true) => Format::Parquet,
        _ => Format::Jsonl,
    };
    let target = target(args, format)?;
    if args.json && format == Format::Csv && target == Target::Stdout {
        return Err(Error::Usage(
            "--json: CSV would be on standard output, which then is for JSON alone: name a directory with --out DIR"
                .to_owned(),
        ));
    }
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Error::Usage(format!(
            "--from {from} lies behind --to {to}: give them the other way round"
        )));
    }
    let selection = Selection { types: args.types.clone(), from: args.from, to: args.to };
    let start = Instant::now();
    let mut bar = RecordBar::new("export", args.from.unwrap_or(1));
    let exported = export_records(&dir, &selection, format, &target, &mut |seq, to| bar.at(seq, to));
    bar.clear();
    let exported = exported.map_err(judged)?;
    match target {
        // The records themselves are there.
        Target::Stdout => Ok(()),
        Target::Path(path) => report(args, &dir, &path, &exported, start.elapsed().as_secs_f64()),
    }
}

/// Damage, and standard output that takes nothing, are faults that the work found, everything else unusable input.
fn judged(error: JournalError) -> Error {
    match error {
        JournalError::Damaged(damaged) => Error::Failed(format!("damaged: {damaged}")),
        JournalError::Io { path, source, .. } if path.as_os_str() == show::STDOUT => complain(source),
        error => Error::Journal(error),
    }
}

/// Where to: JSON lines and the CSV of one type go to standard output where nothing is said.
fn target(args: &ExportArgs, format: Format) -> Result<Target> {
    match &args.out {
        Some(path) if path.as_os_str() == STDOUT => Ok(Target::Stdout),
        Some(path) => Ok(Target::Path(path.clone())),
        None if format == Format::Jsonl || (format == Format::Csv && args.types.len() == 1) => {
            Ok(Target::Stdout)
        }
        // The engine's own error says what is missing.
        None if format == Format::Parquet => Ok(Target::Stdout),
        None => Err(Error::Usage(
            "CSV is one table per record type: name a directory with --out DIR, or one type with --type T"
                .to_owned(),
        )),
    }
}

fn report(args: &ExportArgs, dir: &Path, out: &Path, exported: &Exported, seconds: f64) -> Result<()> {
    let per_second = exported.records as f64 / seconds.max(1e-9);
    if args.json {
        return print_json(&json!({
            "journal": dir.display().to_string(),
            "out": out.display().to_string(),
            "records": exported.records,
            "elapsed_s": seconds,
            "files": exported.files.iter().map(|file| json!({
                "file": file.path.display().to_string(), "records": file.records, "bytes": file.bytes,
            })).collect::<Vec<_>>(),
        }));
    }
    for file in &exported.files {
        line(&format!(
            "{:<40}{:>14} records {:>16} bytes",
            file.path.display(),
            thousands(file.records),
            thousands(file.bytes)
        ))?;
    }
    line(&format!(
        "{}: {} records in {seconds:.1} s ({} a second)",
        out.display(),
        thousands(exported.records),
        thousands(per_second as u64)
    ))
}

#[cfg(test)]
mod tests;
