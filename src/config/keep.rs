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
}

/// What is wrong with `keep` and `archive_to`, and the mend.
pub(super) fn complaint(journal: &JournalSettings) -> Option<&'static str> {
    match (&journal.keep, &journal.archive_to) {
        (Some(keep), _) if *keep == KeepSettings::default() => {
            Some("keep: say what is kept, as in { age = \"7d\", size = \"10GB\" }")
        }
        (None, Some(_)) => Some("archive_to: goes with keep, which says what is removed from the journal"),
        (Some(_), Some(to)) if *to == journal.dir => {
            Some("archive_to: name another directory than the journal's own")
        }
        _ => None,
    }
}
