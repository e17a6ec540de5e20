//! What repairs gave up, in a list beside the journal, `repaired.jsonl`: a line is on the disk before anything is changed.
//!
//! Whoever verifies the journal later is told of them, and a seal over what was given up is not called broken for ever. The
//! list is not signed: with a key, a seal must have been made since.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::list;

/// The list of repairs.
pub const REPAIRED: &str = "repaired.jsonl";

/// Why something was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// `repair` was said at an opening.
    Repair,
    /// The machine went down before records were durable, as the durability says.
    MachineLost,
}

/// One repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// When, ns since the Unix epoch by the machine's clock.
    pub repaired_at: i64,
    /// Why.
    pub cause: Cause,
    /// The segment at which it began.
    pub segment: u64,
    /// The last record up to which the journal is what it was. Records behind it were given up, or stand without the hash
    /// chain that once vouched for them.
    pub last_seq: u64,
    /// What was wrong.
    pub damage: String,
    /// Where what was given up lies now.
    pub set_aside: Vec<PathBuf>,
}

impl Repair {
    /// Writes it into the list of the journal in `dir`.
    pub(super) fn note(&self, dir: &Path) -> Result<(), JournalError> {
        list::append(&dir.join(REPAIRED), self)
    }

    /// A repair that begins now.
    pub(super) fn now(
        cause: Cause,
        segment: u64,
        last_seq: u64,
        damage: String,
        aside: Vec<PathBuf>,
    ) -> Self {
        Self { repaired_at: list::now_ns(), cause, segment, last_seq, damage, set_aside: aside }
    }
}

/// The repairs of the journal in `dir`, oldest first.
///
/// # Errors
/// Where the list is there and cannot be read.
pub fn repairs(dir: &Path) -> Result<Vec<Repair>, JournalError> {
    list::read(&dir.join(REPAIRED))
}
