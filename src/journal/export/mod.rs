//! A journal's records for other programs: as tables (CSV, Parquet) or as JSON lines.
//!
//! Everything comes from the segments' own catalogues, so a journal of any machine and any build can be exported. Records
//! stream through: memory is bounded by the segments that a reader holds and, for Parquet, by the buffered row groups.
//! Each layout (kind and version) is a table of its own, named `OrderAdd.v1`: a new layout never changes the columns of
//! a table that is there already.

mod csv;
mod jsonl;
mod output;
#[cfg(feature = "parquet")]
pub(super) mod parquet;
mod tables;
mod values;

use std::path::{Path, PathBuf};

use pricewright_core::kernel::RecordRef;

use super::catalogue::Catalogue;
use super::error::{Damage, JournalError};
use super::reader::Reader;

pub use tables::{Column, Source, Table, Tables};

/// How often progress is reported, in records.
const PROGRESS_STEP: u64 = 1 << 14;

/// Which records are exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Types by name (`OrderAdd`), or by name and version (`OrderAdd.v1`); empty: all.
    pub types: Vec<String>,
    /// The first record; the journal's first where none is given.
    pub from: Option<u64>,
    /// The last record; the last that is there at the start where none is given.
    pub to: Option<u64>,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One table per layout, with a row of column names; `columns.csv` beside them describes every column.
    Csv,
    /// One stream, one object per record, as `journal inspect --json`.
    Jsonl,
    /// One typed table per layout. Only in builds with the feature `parquet`.
    Parquet,
}

/// Where an export goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output: JSON lines, or the CSV of one type.
    Stdout,
    /// A file (JSON lines) or a directory of files (CSV, Parquet). Nothing that is there is overwritten.
    Path(PathBuf),
}

/// What was exported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exported {
    /// Records.
    pub records: u64,
    /// Files with their records; empty for standard output.
    pub files: Vec<ExportedFile>,
}

/// One file of an export.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedFile {
    /// The file.
    pub path: PathBuf,
    /// Records in it.
    pub records: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// Takes records in the form of an export.
trait Sink {
    /// Takes a record of `table`.
    fn take(
        &mut self,
        table: usize,
        record: &RecordRef<'_>,
        catalogue: &Catalogue,
    ) -> Result<(), JournalError>;

    /// Writes what is left and gives the files their names.
    fn finish(self: Box<Self>) -> Result<Vec<ExportedFile>, JournalError>;
}

/// Exports the records that `selection` names from the journal in `dir`. `progress` is called now and then with the last
/// record's sequence and the one that the export ends with.
///
/// # Errors
/// Where the journal is damaged or lacks what is asked for, or the target cannot be written. Files that are not whole
/// are removed.
pub fn export(
    dir: &Path,
    selection: &Selection,
    format: Format,
    target: &Target,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Exported, JournalError> {
    let to = match selection.to {
        Some(to) => to,
        None => last_seq(dir)?,
    };
    let mut reader = match selection.from {
        Some(from) => Reader::from_seq(dir, from)?,
        None => Reader::open(dir)?,
    };
    let tables = Tables::of(dir)?;
    let wanted = tables.wanted(&selection.types)?;
    let mut sink = open_sink(format, target, &tables, &wanted)?;
    let mut records = 0;
    while let Some(seq) = next_until(&mut reader, to)? {
        let Some(record) = reader.last_record() else { break };
        let header = record.header();
        let unknown = || JournalError::damaged(reader.path(), 0, seq, Damage::Layout(header.kind));
        let table = tables.index_of(header.kind, header.version).ok_or_else(unknown)?;
        if wanted.get(table) == Some(&true) {
            sink.take(table, &record, reader.catalogue())?;
            records += 1;
        }
        if seq.is_multiple_of(PROGRESS_STEP) {
            progress(seq, to);
        }
    }
    Ok(Exported { records, files: sink.finish()? })
}

/// Goes on to the next record; `None` behind `to` and at the journal's end.
fn next_until(reader: &mut Reader, to: u64) -> Result<Option<u64>, JournalError> {
    if reader.next_seq() > to && reader.offset() > 0 {
        return Ok(None);
    }
    let seq = reader.next_record()?.map(|record| record.header().seq);
    Ok(seq.filter(|seq| *seq <= to))
}

/// A live journal grows while it is exported; what is there at the start is what is meant.
fn last_seq(dir: &Path) -> Result<u64, JournalError> {
    Ok(Reader::from_end(dir)?.next_seq().saturating_sub(1))
}

fn open_sink(
    format: Format,
    target: &Target,
    tables: &Tables,
    wanted: &[bool],
) -> Result<Box<dyn Sink>, JournalError> {
    match (format, target) {
        (Format::Jsonl, target) => Ok(Box::new(jsonl::Lines::open(target)?)),
        (Format::Csv, Target::Stdout) => Ok(Box::new(csv::OneTable::open(tables, wanted)?)),
        (Format::Csv, Target::Path(dir)) => Ok(Box::new(csv::Directory::open(dir, tables, wanted)?)),
        #[cfg(feature = "parquet")]
        (Format::Parquet, Target::Path(dir)) => Ok(Box::new(parquet::Directory::open(dir, tables)?)),
        #[cfg(feature = "parquet")]
        (Format::Parquet, Target::Stdout) => Err(JournalError::Refused(
            "Parquet is one file per record type: name a directory with --out DIR".to_owned(),
        )),
        #[cfg(not(feature = "parquet"))]
        (Format::Parquet, _) => Err(no_parquet()),
    }
}

/// What a build without Parquet says when it is asked for it.
pub fn no_parquet() -> JournalError {
    let mend = "cargo build --release --features parquet";
    JournalError::Refused(format!("this build has no Parquet; make one that has with `{mend}`"))
}
