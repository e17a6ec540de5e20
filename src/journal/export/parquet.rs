//! Parquet: one file per layout, columns typed from the catalogue.
//!
//! | catalogue | Parquet |
//! | --- | --- |
//! | u8, u16, u32 | INT32, INTEGER(8, 16, 32; unsigned) |
//! | u64 | INT64, INTEGER(64; unsigned) |
//! | i64 | INT64 |
//! | f64 | DOUBLE |
//! | text; any number with named codes | BYTE_ARRAY, STRING |
//! | bytes | BYTE_ARRAY |
//!
//! `seq` and `cause` are u64 (`cause` is null where there is none), `now` is i64, `version` u8, `source` u16, `kind` and
//! `flags` strings. Units and codes are in the file's metadata under [`COLUMNS_KEY`]. Rows are gathered into row groups of
//! at most [`GROUP_ROWS`] rows; all gathered rows together are bounded by [`ALL_BYTES`].

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use pricewright_core::kernel::RecordRef;
use pricewright_core::kernel::schema::FieldType;
use serde_json::json;

use super::output::OutputFile;
use super::tables::{Column, Source, Table, Tables};
use super::values::write_value;
use super::{ExportedFile, Sink};
use crate::journal::catalogue::{Catalogue, KindSchema};
use crate::journal::error::JournalError;
use crate::journal::render::{cause, word};

const SUFFIX: &str = "parquet";
/// The metadata key under which a file describes its columns: an array of objects with `column`, `type`, `unit`, `codes`.
pub(in crate::journal) const COLUMNS_KEY: &str = "pricewright.columns";
/// The most rows of a row group.
const GROUP_ROWS: usize = 1 << 17;
/// The most bytes that one table gathers.
const TABLE_BYTES: usize = 32 << 20;
/// The most bytes that all tables together gather; then the largest is written.
const ALL_BYTES: usize = 128 << 20;

/// A directory with one file per layout that has records.
pub(super) struct Directory {
    dir: PathBuf,
    tables: Tables,
    files: Vec<Option<TableFile>>,
    gathered: usize,
}

/// One table being written.
struct TableFile {
    output: OutputFile,
    writer: SerializedFileWriter<BufWriter<std::fs::File>>,
    columns: Vec<(Source, Values)>,
    group_rows: usize,
    group_bytes: usize,
    rows: u64,
    text: String,
}

/// Gathered values of a column.
enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    /// With a definition level for each row: 0 where it is null.
    Nullable(Vec<i64>, Vec<i16>),
    Double(Vec<f64>),
    /// All values behind each other, and where each ends.
    Bytes(Vec<u8>, Vec<usize>),
}

impl Directory {
    pub(super) fn open(dir: &Path, tables: &Tables) -> Result<Self, JournalError> {
        std::fs::create_dir_all(dir).map_err(JournalError::io(dir, "make the directory"))?;
        let files = tables.all().iter().map(|_| None).collect();
        Ok(Self { dir: dir.to_path_buf(), tables: tables.clone(), files, gathered: 0 })
    }

    /// Writes the row group of the table that has gathered most.
    fn write_largest(&mut self) -> Result<(), JournalError> {
        let largest = self.files.iter_mut().flatten().max_by_key(|file| file.group_bytes);
        if let Some(file) = largest {
            self.gathered -= file.group_bytes;
            file.write_group()?;
        }
        Ok(())
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
        let (Some(place), Some(known)) = (self.files.get_mut(table), known) else { return Ok(()) };
        let Some(kind) = catalogue.kind(record.header().kind) else { return Ok(()) };
        let file = match place {
            Some(file) => file,
            None => place.insert(TableFile::open(&self.dir, known)?),
        };
        let before = file.group_bytes;
        file.row(record, kind);
        self.gathered += file.group_bytes - before;
        if file.group_rows >= GROUP_ROWS || file.group_bytes >= TABLE_BYTES {
            self.gathered -= file.group_bytes;
            file.write_group()?;
        } else if self.gathered >= ALL_BYTES {
            self.write_largest()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<ExportedFile>, JournalError> {
        self.files.into_iter().flatten().map(TableFile::finish).collect()
    }
}

impl TableFile {
    fn open(dir: &Path, table: &Table) -> Result<Self, JournalError> {
        let output = OutputFile::create(&dir.join(format!("{}.{SUFFIX}", table.name)))?;
        let schema = schema_of(table).map_err(|error| failed(output.path(), error))?;
        let properties = properties_of(table).map_err(|error| failed(output.path(), error))?;
        let writer = SerializedFileWriter::new(BufWriter::new(output.handle()?), schema, properties)
            .map_err(|error| failed(output.path(), error))?;
        let columns =
            table.columns.iter().map(|column| (column.source.clone(), Values::of(column))).collect();
        let text = String::new();
        Ok(Self { output, writer, columns, group_rows: 0, group_bytes: 0, rows: 0, text })
    }

    fn row(&mut self, record: &RecordRef<'_>, kind: &KindSchema) {
        for (source, values) in &mut self.columns {
            self.group_bytes += values.push(source, record, kind, &mut self.text);
        }
        self.group_rows += 1;
    }

    /// Writes the gathered rows as a row group.
    fn write_group(&mut self) -> Result<(), JournalError> {
        if self.group_rows > 0 {
            let written = write_columns(&mut self.writer, &mut self.columns);
            written.map_err(|error| failed(self.output.path(), error))?;
        }
        self.rows += self.group_rows as u64;
        (self.group_rows, self.group_bytes) = (0, 0);
        Ok(())
    }

    fn finish(mut self) -> Result<ExportedFile, JournalError> {
        self.write_group()?;
        // Closing flushes the buffer too.
        self.writer.close().map_err(|error| failed(self.output.path(), error))?;
        self.output.finish(self.rows)
    }
}

fn write_columns<W: std::io::Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    columns: &mut [(Source, Values)],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for (_, values) in columns {
        let Some(mut column) = group.next_column()? else { break };
        match (column.untyped(), values) {
            (ColumnWriter::Int32ColumnWriter(column), Values::Int32(values)) => {
                column.write_batch(values, None, None)?;
                values.clear();
            }
            (ColumnWriter::Int64ColumnWriter(column), Values::Int64(values)) => {
                column.write_batch(values, None, None)?;
                values.clear();
            }
            (ColumnWriter::Int64ColumnWriter(column), Values::Nullable(values, levels)) => {
                column.write_batch(values, Some(levels), None)?;
                values.clear();
                levels.clear();
            }
            (ColumnWriter::DoubleColumnWriter(column), Values::Double(values)) => {
                column.write_batch(values, None, None)?;
                values.clear();
            }
            (ColumnWriter::ByteArrayColumnWriter(column), Values::Bytes(bytes, ends)) => {
                column.write_batch(&byte_arrays(std::mem::take(bytes), ends), None, None)?;
                ends.clear();
            }
            _ => return Err(ParquetError::General("a column has another type than its values".to_owned())),
        }
        column.close()?;
    }
    group.close()?;
    Ok(())
}

/// The values that lie in `bytes`, each up to its end in `ends`, sharing one buffer.
fn byte_arrays(bytes: Vec<u8>, ends: &[usize]) -> Vec<ByteArray> {
    let all = ByteArray::from(bytes);
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, end)| all.slice(start, end - start)).collect()
}

impl Values {
    fn of(column: &Column) -> Self {
        match shape(column) {
            (Physical::INT32, _) => Self::Int32(Vec::new()),
            (Physical::INT64, _) if column.source == Source::Cause => Self::Nullable(Vec::new(), Vec::new()),
            (Physical::INT64, _) => Self::Int64(Vec::new()),
            (Physical::DOUBLE, _) => Self::Double(Vec::new()),
            _ => Self::Bytes(Vec::new(), Vec::new()),
        }
    }

    /// Adds the record's value; returns the bytes that it takes. `text` is a place to write in.
    fn push(
        &mut self,
        source: &Source,
        record: &RecordRef<'_>,
        kind: &KindSchema,
        text: &mut String,
    ) -> usize {
        match self {
            Self::Int32(values) => {
                // The bits of an unsigned value, as the format has it.
                values.push(number(source, record) as u32 as i32);
                size_of::<i32>()
            }
            Self::Int64(values) => {
                values.push(number(source, record).cast_signed());
                size_of::<i64>()
            }
            Self::Nullable(values, levels) => {
                let cause = cause(record, Some(kind));
                levels.push(i16::from(cause.is_some()));
                values.extend(cause.map(u64::cast_signed));
                size_of::<i64>() + size_of::<i16>()
            }
            Self::Double(values) => {
                values.push(f64::from_bits(number(source, record)));
                size_of::<f64>()
            }
            Self::Bytes(values, ends) => {
                let before = values.len();
                match source {
                    Source::Field(field) if field.ty == FieldType::Bytes => {
                        values.extend_from_slice(raw(source, record));
                    }
                    _ => {
                        text.clear();
                        write_value(text, source, record, kind);
                        values.extend_from_slice(text.as_bytes());
                    }
                }
                ends.push(values.len());
                values.len() - before + size_of::<usize>()
            }
        }
    }
}

/// The bits of a column's number.
fn number(source: &Source, record: &RecordRef<'_>) -> u64 {
    let header = record.header();
    match source {
        Source::Seq => header.seq,
        Source::Now => header.now.0.cast_unsigned(),
        Source::Version => header.version.into(),
        Source::Source => header.source.0.into(),
        _ => word(raw(source, record)),
    }
}

/// A field's bytes.
fn raw<'a>(source: &Source, record: &RecordRef<'a>) -> &'a [u8] {
    let Source::Field(field) = source else { return &[] };
    let end = field.offset.saturating_add(field.size);
    record.payload().get(field.offset..end).unwrap_or(&[])
}

/// Physical and logical type of a column.
fn shape(column: &Column) -> (Physical, Option<LogicalType>) {
    let unsigned = |bits| Some(LogicalType::integer(bits, false));
    match &column.source {
        Source::Seq | Source::Cause => (Physical::INT64, unsigned(64)),
        Source::Now => (Physical::INT64, None),
        Source::Version => (Physical::INT32, unsigned(8)),
        Source::Source => (Physical::INT32, unsigned(16)),
        Source::Kind | Source::Flags => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Source::Field(field) if !field.codes.is_empty() => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Source::Field(field) => match field.ty {
            FieldType::U8 => (Physical::INT32, unsigned(8)),
            FieldType::U16 => (Physical::INT32, unsigned(16)),
            FieldType::U32 => (Physical::INT32, unsigned(32)),
            FieldType::U64 => (Physical::INT64, unsigned(64)),
            FieldType::I64 => (Physical::INT64, None),
            FieldType::F64 => (Physical::DOUBLE, None),
            FieldType::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            FieldType::Bytes => (Physical::BYTE_ARRAY, None),
        },
    }
}

fn schema_of(table: &Table) -> Result<TypePtr, ParquetError> {
    let column = |column: &Column| {
        let (physical, logical) = shape(column);
        let repetition =
            if column.source == Source::Cause { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        Type::primitive_type_builder(&column.name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    };
    let columns = table.columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder(&table.kind.name).with_fields(columns).build().map(Arc::new)
}

fn properties_of(table: &Table) -> Result<WriterPropertiesPtr, ParquetError> {
    let columns = table.columns.iter().map(|column| {
        let (ty, unit, codes) = (column.type_name(), column.unit(), column.codes());
        json!({ "column": column.name, "type": ty, "unit": unit, "codes": codes })
    });
    let columns: serde_json::Value = columns.collect();
    let described = KeyValue::new(COLUMNS_KEY.to_owned(), columns.to_string());
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_created_by(concat!("pricewright ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![described]))
        .build();
    Ok(Arc::new(properties))
}

fn failed(path: &Path, error: ParquetError) -> JournalError {
    JournalError::io(path, "write")(std::io::Error::other(error))
}
