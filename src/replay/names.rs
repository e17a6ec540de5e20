//! The strings of a journal's dictionary, so that people read names and not numbers.

use std::collections::BTreeMap;
use std::path::Path;

use pricewright_core::kernel::table::Define;
use pricewright_core::kernel::{Column, EventRef, SourceId};

use super::snapshot::dir;
use crate::error::Result;
use crate::journal::Reader;

/// Interned strings by source, column and number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    strings: BTreeMap<(SourceId, Column, u32), String>,
}

impl Names {
    /// What the journal in `dir` defines: from its newest snapshot that fits it and the records behind that, else from all of
    /// its records.
    ///
    /// # Errors
    /// [`crate::Error::Journal`] if the records cannot be read.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut names = Self::default();
        let fitting = |seq| {
            let snapshot = dir::read(dir, seq).ok()?;
            let reader = snapshot.reader(dir).ok()?;
            Some((snapshot, reader))
        };
        let mut reader = match dir::snapshot_seqs(dir)?.into_iter().rev().find_map(fitting) {
            Some((snapshot, reader)) => {
                for define in snapshot.resume.defines() {
                    names.insert(define.source, define.column, define.id, &define.text);
                }
                reader
            }
            None => Reader::open(dir)?,
        };
        while let Some(record) = reader.next_record()? {
            if let Some(EventRef::Define(define)) = EventRef::of(&record) {
                names.insert(define.source, define.column, define.id, define.text.as_str());
            }
        }
        Ok(names)
    }

    /// Takes another definition.
    pub fn learn(&mut self, define: &Define) {
        self.insert(define.source, define.column, define.id, define.text.as_str());
    }

    fn insert(&mut self, source: SourceId, column: Column, id: u32, text: &str) {
        self.strings.insert((source, column, id), text.to_owned());
    }

    /// The string that `source` means by `id` in `column`.
    pub fn get(&self, source: SourceId, column: Column, id: u32) -> Option<&str> {
        self.strings.get(&(source, column, id)).map(String::as_str)
    }

    /// Every (source, id) that means `text` in `column`.
    pub fn find<'a>(&'a self, column: Column, text: &'a str) -> impl Iterator<Item = (SourceId, u32)> + 'a {
        let fits = move |(key, string): &(&(SourceId, Column, u32), &String)| {
            key.1 == column && string.as_str() == text
        };
        self.strings.iter().filter(fits).map(|((source, _, id), _)| (*source, *id))
    }

    /// The strings of a column in their order.
    pub fn column(&self, column: Column) -> impl Iterator<Item = &str> {
        self.strings.iter().filter(move |(key, _)| key.1 == column).map(|(_, text)| text.as_str())
    }
}
