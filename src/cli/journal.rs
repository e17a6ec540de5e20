//! `pricewright journal`.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{DirArgs, InspectArgs, JournalCommand};
use super::journal_archive::{archive, prune};
use super::journal_export::export;
use super::journal_seal::{keygen, seal};
use super::journal_verify::{verify, why_removed};
use super::progress::spinner;
use super::records::Renderer;
use super::show::{count, is_left_within, json as print_json, line, stamp, thousands};
use super::where_is::journal_dir;
use crate::config::problems::nearest;
use crate::error::{Error, Result};
use crate::journal::archive::{Removed, removed as removed_segments};
use crate::journal::{self, Reader, Stats};
use crate::machines::Hosted;

/// How often `journal tail` looks for another record.
const LOOK: Duration = Duration::from_millis(10);

pub(super) fn journal<Own: Hosted>(command: &JournalCommand) -> Result<()> {
    match command {
        JournalCommand::Inspect(args) => print_records::<Own>(args, false),
        JournalCommand::Tail(args) => print_records::<Own>(args, true),
        JournalCommand::Verify(args) => verify(args),
        JournalCommand::Seal(args) => seal(args),
        JournalCommand::Keygen(args) => keygen(args),
        JournalCommand::Stats(args) => stats(args),
        JournalCommand::Export(args) => export(args),
        JournalCommand::Archive(args) => archive(args),
        JournalCommand::Prune(args) => prune(args),
    }
}

fn print_records<Own: Hosted>(args: &InspectArgs, follow: bool) -> Result<()> {
    let dir = journal_dir(args.dir.as_deref())?;
    // A journal of a machine that this build does not have is shown as its catalogue has it.
    let mut words = if args.json || args.raw { None } else { Renderer::open::<Own>(&dir).ok() };
    let mut reader = match (args.from, follow) {
        (Some(seq), _) => Reader::from_seq(&dir, seq)?,
        (None, false) => Reader::open(&dir)?,
        (None, true) => Reader::from_end(&dir)?,
    };
    check_types(&reader, &args.types)?;
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(seq) = reader.next_record()?.map(|record| record.header().seq) else {
            if !follow || is_left_within(LOOK) {
                break;
            }
            continue;
        };
        if let Some(text) = shown(&reader, seq, args, words.as_mut()) {
            line(&text)?;
            left -= 1;
        }
    }
    Ok(())
}

/// The record that the reader gave last, as text, where its type is wanted.
fn shown(reader: &Reader, seq: u64, args: &InspectArgs, words: Option<&mut Renderer>) -> Option<String> {
    let record = reader.last_record().filter(|record| record.header().seq == seq)?;
    let catalogue = reader.catalogue();
    let name = catalogue.kind(record.header().kind).map(|kind| kind.name.as_str());
    if !args.types.is_empty() && !args.types.iter().any(|wanted| Some(wanted.as_str()) == name) {
        return None;
    }
    Some(match words {
        _ if args.json => journal::to_json(&record, catalogue),
        Some(words) => words.line(&record, catalogue),
        None => journal::to_text(&record, catalogue),
    })
}

fn check_types(reader: &Reader, types: &[String]) -> Result<()> {
    match types.iter().find(|name| reader.catalogue().named(name).is_none()) {
        None => Ok(()),
        Some(unknown) => {
            let known: Vec<&str> = reader.catalogue().kinds().iter().map(|kind| kind.name.as_str()).collect();
            Err(Error::Usage(unknown_type(unknown, &known)))
        }
    }
}

/// What to say of a `--type` that there is not: the one that was meant, or all.
fn unknown_type(unknown: &str, known: &[&str]) -> String {
    let same = known.iter().copied().find(|name| name.eq_ignore_ascii_case(unknown));
    match same.or_else(|| nearest(unknown, known.iter().copied())) {
        Some(near) => format!("--type {unknown}: there is no such type of record; did you mean {near}?"),
        None => {
            format!("--type {unknown}: there is no such type of record; there are\n  {}", known.join("\n  "))
        }
    }
}

fn stats(args: &DirArgs) -> Result<()> {
    let dir = journal_dir(args.dir.as_deref())?;
    let stats = spinner("counting", || journal::stats(&dir))?;
    let removed = removed_segments(&dir)?;
    if args.json {
        let mut shown = stats_json(&stats);
        if let Some(object) = shown.as_object_mut() {
            object.insert("removed".to_owned(), json!(removed));
        }
        return print_json(&shown);
    }
    line(&counted(&dir, &stats))?;
    match stats.compressed {
        0 => {}
        1 => line("1 of the segments is compressed")?,
        more => line(&format!("{more} of the segments are compressed"))?,
    }
    if let Some(text) = removed_text(&removed) {
        line(&text)?;
    }
    for kind in &stats.kinds {
        line(&format!(
            "  {:<9}{:<20}{:>14} record{} {:>16} bytes",
            kind.class.name(),
            kind.name,
            thousands(kind.records),
            if kind.records == 1 { " " } else { "s" },
            thousands(kind.bytes)
        ))?;
    }
    Ok(())
}

/// What a journal holds, in words.
fn counted(dir: &Path, stats: &Stats) -> String {
    let segments = format!("{} ({} bytes)", count(stats.segments, "segment"), thousands(stats.file_bytes));
    if stats.records == 0 {
        return format!("{}: no records, {segments}", dir.display());
    }
    let seconds = (stats.last_now.0 - stats.first_now.0) as f64 / 1e9;
    format!(
        "{}: records {} to {} ({}), {} bytes of records in {segments}, {}\n{} to {} ({seconds:.3} s)",
        dir.display(),
        stats.first_seq,
        stats.last_seq,
        thousands(stats.records),
        thousands(stats.record_bytes),
        count(stats.runs, "run"),
        stamp(stats.first_now.0),
        stamp(stats.last_now.0),
    )
}

/// What retention removed, in a line.
fn removed_text(removed: &[Removed]) -> Option<String> {
    let (first, last) = (removed.first()?, removed.last()?);
    let bytes: u64 = removed.iter().map(|entry| entry.bytes).sum();
    Some(format!(
        "removed before that: records {} to {} in {} ({} bytes), the last at {} ({})",
        first.first_seq,
        last.last_seq,
        count(removed.len() as u64, "segment"),
        thousands(bytes),
        stamp(last.removed_at),
        why_removed(last),
    ))
}

pub(super) fn stats_json(stats: &Stats) -> Value {
    json!({
        "records": stats.records,
        "record_bytes": stats.record_bytes,
        "file_bytes": stats.file_bytes,
        "segments": stats.segments,
        "compressed": stats.compressed,
        "runs": stats.runs,
        "first_seq": stats.first_seq,
        "last_seq": stats.last_seq,
        "first_now": stats.first_now.0,
        "last_now": stats.last_now.0,
        "kinds": stats.kinds.iter().map(|kind| json!({
            "kind": kind.name, "number": kind.kind, "class": kind.class.name(), "records": kind.records, "bytes": kind.bytes,
        })).collect::<Vec<_>>(),
    })
}
