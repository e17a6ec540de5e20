//! The layouts that a journal's segments describe, as tables with named and typed columns.

use std::path::Path;

use pricewright_core::kernel::schema::FieldType;
use pricewright_core::kernel::{Class, HEADER_LEN};

use crate::journal::catalogue::{FieldLayout, KindSchema};
use crate::journal::error::{Damage, JournalError};
use crate::journal::segment::{ReadSegment, segment_indices};

/// Every layout of a journal.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    tables: Vec<Table>,
}

/// One layout: a kind with a version.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// `OrderAdd.v1`.
    pub name: String,
    /// The layout, as the newest segment that has it describes it.
    pub kind: KindSchema,
    /// Header columns, then the payload's fields; spare fields are left out.
    pub columns: Vec<Column>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name. A field with a header column's name has `field_` before it.
    pub name: String,
    /// Where its values come from.
    pub source: Source,
}

/// Where a column's values come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The record's sequence.
    Seq,
    /// The sequencer's stamp.
    Now,
    /// The kind's name.
    Kind,
    /// The layout's version.
    Version,
    /// Names of the flags.
    Flags,
    /// Feed, gateway or strategy.
    Source,
    /// Sequence of the event that caused a decision; empty where there is none.
    Cause,
    /// A field of the payload.
    Field(FieldLayout),
}

const HEADER: [(&str, Source); 7] = [
    ("seq", Source::Seq),
    ("now", Source::Now),
    ("kind", Source::Kind),
    ("version", Source::Version),
    ("flags", Source::Flags),
    ("source", Source::Source),
    ("cause", Source::Cause),
];

impl Tables {
    /// The layouts that the catalogues of the journal in `dir` describe, by kind and version. Reads heads only.
    ///
    /// # Errors
    /// Where a segment cannot be read, or describes a layout otherwise than an earlier one.
    pub fn of(dir: &Path) -> Result<Self, JournalError> {
        let mut tables = Self::default();
        let mut last: Option<ReadSegment> = None;
        for index in segment_indices(dir)? {
            let Some(segment) = ReadSegment::open_head_if_there(dir, index, last.as_ref())? else { continue };
            let same = |last: &ReadSegment| std::sync::Arc::ptr_eq(&last.catalogue, &segment.catalogue);
            if !last.as_ref().is_some_and(same) {
                for kind in segment.catalogue.kinds() {
                    tables.add(kind).map_err(|what| {
                        JournalError::damaged(&segment.path, 0, 0, Damage::Catalogue(what))
                    })?;
                }
            }
            last = Some(segment);
        }
        Ok(tables)
    }

    fn add(&mut self, kind: &KindSchema) -> Result<(), String> {
        let key = (kind.kind, kind.version);
        match self.tables.binary_search_by_key(&key, |table| (table.kind.kind, table.kind.version)) {
            Err(at) => self.tables.insert(at, Table::of(kind)),
            Ok(at) => {
                let Some(known) = self.tables.get_mut(at) else { return Ok(()) };
                if !same_layout(&known.kind, kind) {
                    return Err(format!(
                        "{} version {} has another layout than in an earlier segment",
                        kind.name, kind.version
                    ));
                }
                // Names of codes may have come in.
                *known = Table::of(kind);
            }
        }
        Ok(())
    }

    /// All tables, by kind and version.
    pub fn all(&self) -> &[Table] {
        &self.tables
    }

    /// The position in [`Self::all`] of a kind's version.
    pub fn index_of(&self, kind: u16, version: u8) -> Option<usize> {
        self.tables.binary_search_by_key(&(kind, version), |table| (table.kind.kind, table.kind.version)).ok()
    }

    /// For each table whether `types` names it; no types name all.
    pub(super) fn wanted(&self, types: &[String]) -> Result<Vec<bool>, JournalError> {
        let names = |table: &Table, name: &str| table.kind.name == name || table.name == name;
        if let Some(unknown) = types.iter().find(|name| !self.tables.iter().any(|table| names(table, name))) {
            let known: Vec<&str> = self.tables.iter().map(|table| table.kind.name.as_str()).collect();
            let known = known.join(", ");
            return Err(JournalError::Refused(format!(
                "--type {unknown}: there is no such type of record; there are {known}"
            )));
        }
        let wanted = |table: &Table| types.is_empty() || types.iter().any(|name| names(table, name));
        Ok(self.tables.iter().map(wanted).collect())
    }
}

impl Table {
    fn of(kind: &KindSchema) -> Self {
        let header = HEADER.into_iter().map(|(name, source)| Column { name: name.to_owned(), source });
        let fields = kind
            .fields
            .iter()
            .filter(|field| !field.is_spare())
            .map(|field| Column { name: field_column(&field.name), source: Source::Field(field.clone()) });
        Self {
            name: format!("{}.v{}", kind.name, kind.version),
            kind: kind.clone(),
            columns: header.chain(fields).collect(),
        }
    }

    /// The most bytes that a record takes in memory, without padding.
    pub fn record_len(&self) -> usize {
        self.kind.len.max(HEADER_LEN)
    }
}

fn field_column(name: &str) -> String {
    if HEADER.iter().any(|(header, _)| *header == name) { format!("field_{name}") } else { name.to_owned() }
}

impl Column {
    /// Its type as `columns.csv` names it: `u8` to `u64`, `i64`, `f64`, `text`, `name` (of a code), `hex`.
    pub fn type_name(&self) -> &'static str {
        match &self.source {
            Source::Seq | Source::Cause => "u64",
            Source::Now => "i64",
            Source::Kind => "name",
            Source::Flags => "names",
            Source::Version => "u8",
            Source::Source => "u16",
            Source::Field(field) if !field.codes.is_empty() => "name",
            Source::Field(field) if field.ty == FieldType::Bytes => "hex",
            Source::Field(field) => field.ty.name(),
        }
    }

    /// Its unit; empty where there is none.
    pub fn unit(&self) -> &str {
        match &self.source {
            Source::Now => "ns",
            Source::Field(field) => &field.unit,
            _ => "",
        }
    }

    /// The names that its values may have, separated by `|`; empty where it is no enumeration.
    pub fn codes(&self) -> String {
        let Source::Field(field) = &self.source else { return String::new() };
        let names: Vec<&str> = field.codes.iter().map(|(_, name)| name.as_str()).collect();
        names.join("|")
    }
}

/// True where both lay out the same bytes; names of codes may differ.
fn same_layout(a: &KindSchema, b: &KindSchema) -> bool {
    let shape = |kind: &KindSchema| -> Vec<(String, FieldType, usize, usize, String)> {
        let fields = kind.fields.iter();
        fields
            .map(|field| (field.name.clone(), field.ty, field.offset, field.size, field.unit.clone()))
            .collect()
    };
    let head = |kind: &KindSchema| -> (String, Class, usize) { (kind.name.clone(), kind.class, kind.len) };
    head(a) == head(b) && shape(a) == shape(b)
}
