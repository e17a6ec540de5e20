//! Deciding again what a journal holds: verification, recovery, explanation.

pub mod begin;
pub mod explain;
pub mod find;
pub mod follow;
pub mod names;
pub mod replica;
pub mod run_info;
pub mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
pub mod verify;

use pricewright_core::kernel::{Cell, RecordRef};

/// A record copied out of a journal or an outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    cells: Box<[Cell]>,
}

impl Owned {
    /// A copy of `record`.
    pub fn of(record: RecordRef<'_>) -> Self {
        Self { cells: record.cells().into() }
    }

    /// The record.
    pub fn record(&self) -> Option<RecordRef<'_>> {
        RecordRef::first_of(&self.cells)
    }
}
