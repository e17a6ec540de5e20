//! `pricewright journal archive` and `pricewright journal prune`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{ArchiveArgs, PruneArgs};
use super::progress::{RecordBar, spinner};
use super::show::{count, json as print_json, line, note, stamp, thousands};
use super::where_is::journal_dir;
use crate::clock::wall_clock;
use crate::error::{Error, Result};
use crate::journal::JournalError;
use crate::journal::archive::{Archived, Holding, Originals, archive as archive_segments, holdings};
use crate::journal::export::{Exported, Format, Selection, Target, export};
use crate::journal::retention::{Keep, Plan, Pruning};
use crate::pipeline::retention::covered_until;

/// A clock so far ahead of the journal, in ns, that it is worth a word: a day.
const AGE_LEFT_OUT: i64 = 86_400_000_000_000;
/// Why something is left of every journal.
const NEWEST_STAYS: &str = "the newest segment and the files beside it stay: the next run goes on from there";
/// Where an archive keeps its Parquet tables.
const TABLES: &str = "parquet";

pub(super) fn archive(args: &ArchiveArgs) -> Result<()> {
    let dir = journal_dir(args.dir.as_deref())?;
    if args.parquet && !cfg!(feature = "parquet") {
        return Err(Error::Journal(crate::journal::export::no_parquet()));
    }
    let covered = if args.remove { covered_until(&dir)? } else { None };
    let originals = if args.remove { Originals::Remove { covered } } else { Originals::Keep };
    let mut bar = RecordBar::of("archive", "segments");
    let archived = archive_segments(&dir, &args.to, originals, &mut |done, all| bar.set(done, all));
    bar.clear();
    let archived = archived.map_err(judged)?;
    let tables = if args.parquet { Some(tables(&args.to)?) } else { None };
    report_archive(args, &dir, (&archived, covered), tables.as_ref())
}

/// Damage is a fault that the work found, everything else unusable input.
fn judged(error: JournalError) -> Error {
    match error {
        JournalError::Damaged(damaged) => Error::Failed(format!("damaged: {damaged}")),
        error => Error::Journal(error),
    }
}

/// Writes the archived records that have no tables yet as Parquet, in a directory named by their range.
fn tables(archive: &Path) -> Result<Option<(PathBuf, Exported)>> {
    let held = holdings(archive).map_err(judged)?;
    let (Some(first), Some(last)) = (held.first(), held.last()) else { return Ok(None) };
    let root = archive.join(TABLES);
    let from = written_to(&root)?.map_or(first.first_seq, |seq| seq.saturating_add(1)).max(first.first_seq);
    if from > last.last_seq {
        return Ok(None);
    }
    let out = root.join(format!("{from:020}-{:020}", last.last_seq));
    let new = root.join(format!("{from:020}-{:020}.new", last.last_seq));
    let complain = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::File { path, source, mend: "check the archive's directory" }
    };
    if new.exists() {
        // Left by an export that did not come to its end.
        std::fs::remove_dir_all(&new).map_err(complain(&new))?;
    }
    let selection = Selection { types: Vec::new(), from: Some(from), to: Some(last.last_seq) };
    let mut bar = RecordBar::new("tables", from);
    let target = Target::Path(new.clone());
    let exported = export(archive, &selection, Format::Parquet, &target, &mut |seq, to| bar.at(seq, to));
    bar.clear();
    let exported = exported.map_err(judged)?;
    std::fs::rename(&new, &out).map_err(complain(&out))?;
    Ok(Some((out, exported)))
}

/// The last record that is in tables already.
fn written_to(root: &Path) -> Result<Option<u64>> {
    let complain =
        |source| Error::File { path: root.to_path_buf(), source, mend: "check the archive's directory" };
    let mut last = None;
    let entries = match std::fs::read_dir(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(complain)?,
    };
    for entry in entries {
        let name = entry.map_err(complain)?.file_name();
        let to = name.to_str().and_then(|name| name.split_once('-')?.1.parse::<u64>().ok());
        last = last.max(to);
    }
    Ok(last)
}

fn report_archive(
    args: &ArchiveArgs,
    dir: &Path,
    (archived, covered): (&Archived, Option<u64>),
    tables: Option<&Option<(PathBuf, Exported)>>,
) -> Result<()> {
    let bytes: u64 = archived.segments.iter().map(|segment| segment.bytes).sum();
    let tables = tables.and_then(Option::as_ref);
    if args.json {
        return print_json(&json!({
            "journal": dir.display().to_string(),
            "archive": args.to.display().to_string(),
            "archived": archived.segments.iter().map(segment_json).collect::<Vec<_>>(),
            "bytes": bytes,
            "packed_bytes": archived.packed_bytes,
            "segments_already": archived.already,
            "side_files": archived.side_files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "segments_removed": archived.removed,
            "segments_needed": archived.needed,
            "newest_stays": archived.newest_stays,
            "tables": tables.map(|(path, exported)| json!({
                "out": path.display().to_string(), "records": exported.records,
            })),
        }));
    }
    line(&format!(
        "{}: {} archived ({} bytes as {}), {} there already, {} beside",
        args.to.display(),
        count(archived.segments.len() as u64, "segment"),
        thousands(bytes),
        thousands(archived.packed_bytes),
        archived.already,
        count(archived.side_files.len() as u64, "file"),
    ))?;
    if let Some((path, exported)) = tables {
        line(&format!("{}: {} in tables", path.display(), count(exported.records, "record")))?;
    }
    if archived.removed > 0 {
        line(&format!("{}: {} removed", dir.display(), count(archived.removed, "segment")))?;
    }
    if archived.newest_stays {
        line(&format!("{}: {NEWEST_STAYS}", dir.display()))?;
    }
    if archived.needed > 0 {
        line(&format!("{}: {}", dir.display(), stay(archived.needed, covered)))?;
    }
    Ok(())
}

/// Why so many segments stay, where the oldest snapshot that is kept stands behind record `covered`.
fn stay(needed: u64, covered: Option<u64>) -> String {
    let stay = if needed == 1 { "stays" } else { "stay" };
    let segments = count(needed, "segment");
    match covered {
        None => format!(
            "{segments} {stay}, because no snapshot can be started from and a restart needs them: let a run take snapshots"
        ),
        Some(seq) => format!(
            "{segments} {stay}, because a start from the oldest snapshot that is kept, behind record {seq}, needs what follows: \
             newer snapshots push it out ([journal] snapshots says how many are kept)"
        ),
    }
}

pub(super) fn prune(args: &PruneArgs) -> Result<()> {
    let dir = journal_dir(args.dir.as_deref())?;
    let keep = Keep { age: args.keep_age.map(|age| age.0), size: args.keep_size.map(|size| size.0) };
    if keep == Keep::default() {
        return Err(Error::Usage(
            "nothing says what to keep: give --keep-age, --keep-size or both".to_owned(),
        ));
    }
    let pruning = spinner("looking at the segments", || Pruning::open(&dir)).map_err(judged)?;
    let (wall, newest) = (wall_clock(), pruning.newest());
    let now = if args.trust_clock { wall } else { wall.min(newest) };
    let counts_ages = keep.age.is_some() && pruning.has_old();
    if counts_ages && !args.trust_clock && wall.0.saturating_sub(newest.0) > AGE_LEFT_OUT {
        note(&format!(
            "{}: ages are counted from {}, the newest time in the journal, not from this machine's clock: give \
             --trust-clock to count from {}",
            dir.display(),
            stamp(newest.0),
            stamp(wall.0)
        ));
    }
    let covered = covered_until(&dir)?;
    let plan = pruning.plan(&keep, now, covered);
    if !args.dry_run {
        pruning.remove(&plan).map_err(judged)?;
    }
    report_prune(args, &dir, &plan)?;
    let needed = (plan.needed > 0).then(|| stay(plan.needed, covered));
    let newest = pruning.newest_is_beyond(&keep).then(|| NEWEST_STAYS.to_owned());
    let stay: Vec<String> = needed.into_iter().chain(newest).collect();
    if stay.is_empty() {
        return Ok(());
    }
    let stay = format!("{}: beyond the limits, {}", dir.display(), stay.join("; "));
    if plan.remove.is_empty() {
        return Err(Error::Failed(stay));
    }
    if args.json { Ok(()) } else { line(&stay) }
}

fn report_prune(args: &PruneArgs, dir: &Path, plan: &Plan) -> Result<()> {
    let bytes: u64 = plan.remove.iter().map(|(segment, _)| segment.bytes).sum();
    if args.json {
        return print_json(&json!({
            "journal": dir.display().to_string(),
            "dry_run": args.dry_run,
            "removed": plan.remove.iter().map(|(segment, _)| segment_json(segment)).collect::<Vec<_>>(),
            "bytes": bytes,
            "segments_needed": plan.needed,
        }));
    }
    let done = if args.dry_run { "would be removed" } else { "removed" };
    for (segment, reason) in &plan.remove {
        line(&format!(
            "segment {} (records {} to {}, the last at {}, {} bytes): {done}, {}",
            segment.index,
            segment.first_seq,
            segment.last_seq,
            stamp(segment.last_now.0),
            thousands(segment.bytes),
            reason.words()
        ))?;
    }
    line(&format!(
        "{}: {}, {} bytes {done}",
        dir.display(),
        count(plan.remove.len() as u64, "segment"),
        thousands(bytes)
    ))
}

fn segment_json(segment: &Holding) -> serde_json::Value {
    json!({
        "segment": segment.index, "first_seq": segment.first_seq, "last_seq": segment.last_seq, "bytes": segment.bytes,
    })
}
