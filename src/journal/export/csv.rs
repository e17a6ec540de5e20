//! CSV after RFC 4180, with a row of column names. One table per layout; `columns.csv` says type, unit and codes of each
//! column.
//!
//! Values are written as in the JSON lines: numbers exactly, enumerations by name (by number where the catalogue has no
//! name), bytes as hexadecimal. Flags are their names separated by `|`; a missing cause is an empty field.

use std::path::{Path, PathBuf};

use csv::Writer;
use pricewright_core::kernel::RecordRef;

use super::output::Stream;
use super::tables::{Source, Table, Tables};
use super::values::write_value;
use super::{ExportedFile, Sink, Target};
use crate::journal::catalogue::{Catalogue, KindSchema};
use crate::journal::error::JournalError;

const SUFFIX: &str = "csv";
/// The table that describes the others.
const COLUMNS: &str = "columns.csv";

/// One table being written.
struct TableFile {
    columns: Vec<Source>,
    writer: Writer<Stream>,
    name: PathBuf,
    value: String,
    rows: u64,
}

impl TableFile {
    fn open(table: &Table, target: &Target) -> Result<Self, JournalError> {
        let stream = Stream::open(target)?;
        let name = stream.name().to_path_buf();
        let mut file = Self {
            columns: table.columns.iter().map(|column| column.source.clone()).collect(),
            writer: Writer::from_writer(stream),
            name,
            value: String::new(),
            rows: 0,
        };
        let names = table.columns.iter().map(|column| column.name.as_str());
        file.writer.write_record(names).map_err(|error| failed(&file.name, error))?;
        Ok(file)
    }

    fn row(&mut self, record: &RecordRef<'_>, kind: &KindSchema) -> Result<(), JournalError> {
        for column in &self.columns {
            self.value.clear();
            write_value(&mut self.value, column, record, kind);
            self.writer.write_field(&self.value).map_err(|error| failed(&self.name, error))?;
        }
        self.rows += 1;
        self.writer.write_record(None::<&[u8]>).map_err(|error| failed(&self.name, error))
    }

    fn finish(self) -> Result<Option<ExportedFile>, JournalError> {
        let (name, rows) = (self.name, self.rows);
        let stream = self.writer.into_inner();
        stream.map_err(|error| JournalError::io(&name, "write")(error.into_error()))?.finish(rows)
    }
}

fn failed(path: &Path, error: csv::Error) -> JournalError {
    let source = match error.into_kind() {
        csv::ErrorKind::Io(source) => source,
        other => std::io::Error::other(format!("{other:?}")),
    };
    JournalError::io(path, "write")(source)
}

/// The one table that standard output can hold.
pub(super) struct OneTable {
    table: usize,
    file: TableFile,
}

impl OneTable {
    pub(super) fn open(tables: &Tables, wanted: &[bool]) -> Result<Self, JournalError> {
        let mut chosen = tables.all().iter().enumerate().filter(|(at, _)| wanted.get(*at) == Some(&true));
        match (chosen.next(), chosen.next()) {
            (Some((index, table)), None) => {
                Ok(Self { table: index, file: TableFile::open(table, &Target::Stdout)? })
            }
            (Some((_, a)), Some((_, b))) => Err(JournalError::Refused(format!(
                "standard output takes one table, not {} and {}: name a directory with --out DIR, or one with --type {}",
                a.name, b.name, a.name
            ))),
            (None, _) => Err(JournalError::Refused("this journal describes no record type".to_owned())),
        }
    }
}

impl Sink for OneTable {
    fn take(
        &mut self,
        table: usize,
        record: &RecordRef<'_>,
        catalogue: &Catalogue,
    ) -> Result<(), JournalError> {
        match catalogue.kind(record.header().kind).filter(|_| table == self.table) {
            Some(kind) => self.file.row(record, kind),
            None => Ok(()),
        }
    }

    fn finish(self: Box<Self>) -> Result<Vec<ExportedFile>, JournalError> {
        Ok(self.file.finish()?.into_iter().collect())
    }
}

/// A directory with one file per layout that has records.
pub(super) struct Directory {
    dir: PathBuf,
    tables: Tables,
    files: Vec<Option<TableFile>>,
    columns: Stream,
}

impl Directory {
    pub(super) fn open(dir: &Path, tables: &Tables, wanted: &[bool]) -> Result<Self, JournalError> {
        std::fs::create_dir_all(dir).map_err(JournalError::io(dir, "make the directory"))?;
        let columns = Stream::open(&Target::Path(dir.join(COLUMNS)))?;
        let files = wanted.iter().map(|_| None).collect();
        Ok(Self { dir: dir.to_path_buf(), tables: tables.clone(), files, columns })
    }
}

impl Sink for Directory {
    fn take(
        &mut self,
        table: usize,
        record: &RecordRef<'_>,
        catalogue: &Catalogue,
    ) -> Result<(), JournalError> {
        let known = self.tables.all().get(table);
        let (Some(file), Some(known)) = (self.files.get_mut(table), known) else { return Ok(()) };
        let Some(kind) = catalogue.kind(record.header().kind) else { return Ok(()) };
        if let Some(file) = file {
            return file.row(record, kind);
        }
        let path = self.dir.join(format!("{}.{SUFFIX}", known.name));
        file.insert(TableFile::open(known, &Target::Path(path))?).row(record, kind)
    }

    fn finish(self: Box<Self>) -> Result<Vec<ExportedFile>, JournalError> {
        let Self { tables, files, columns, .. } = *self;
        let mut done = Vec::new();
        let mut described = Writer::from_writer(columns);
        let path = described.get_ref().name().to_path_buf();
        let mut describe = |row: [&str; 5]| described.write_record(row).map_err(|error| failed(&path, error));
        describe(["table", "column", "type", "unit", "codes"])?;
        for (table, file) in tables.all().iter().zip(files) {
            let Some(file) = file else { continue };
            for column in &table.columns {
                describe([&table.name, &column.name, column.type_name(), column.unit(), &column.codes()])?;
            }
            done.extend(file.finish()?);
        }
        let columns = described.into_inner();
        columns.map_err(|error| JournalError::io(&path, "write")(error.into_error()))?.finish(0)?;
        Ok(done)
    }
}
