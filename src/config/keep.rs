//! What is kept of a journal.

use serde::{Deserialize, Serialize};

use super::JournalSettings;
use super::units::{Age, Size};

/// `keep` in `[journal]`: what lies beyond any of its limits may be removed, as far as no restart needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeepSettings {
    /// Segments whose last record is older may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Age>,
    /// While the segments take more, the oldest may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Keep everything: no limit. Goes with no other.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub all: bool,
}

/// What is kept where nothing is said, in bytes: 50 GB.
const KEPT: u64 = 50_000_000_000;

impl KeepSettings {
    /// What holds where nothing is said.
    pub fn standard() -> Self {
        Self { size: Some(Size(KEPT)), ..Self::default() }
    }
}

impl std::fmt::Display for KeepSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.age, self.size) {
            (Some(age), Some(size)) => write!(f, "the last {age}, at most {size}"),
            (Some(age), None) => write!(f, "the last {age}"),
            (None, Some(size)) => write!(f, "at most {size}"),
            (None, None) => f.write_str("everything"),
        }
    }
}

/// What is wrong with `keep` and `archive_to`, and the mend.
pub(super) fn complaint(journal: &JournalSettings) -> Option<&'static str> {
    match (&journal.keep, &journal.archive_to) {
        (Some(keep), _) if *keep == KeepSettings::default() => {
            Some("keep: say what is kept, as in { age = \"7d\", size = \"10GB\" }, or { all = true }")
        }
        (Some(KeepSettings { all: true, age, size }), _) if age.is_some() || size.is_some() => {
            Some("keep: all = true goes with no limit: remove it, or age and size")
        }
        (None, Some(_)) => Some("archive_to: goes with keep, which says what is removed from the journal"),
        (Some(_), Some(to)) if *to == journal.dir => {
            Some("archive_to: name another directory than the journal's own")
        }
        _ => None,
    }
}
