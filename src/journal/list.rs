//! Lists beside a journal, one JSON object a line: what was removed from it, and how it was repaired.
//!
//! A line is on the disk before what it speaks of is done, so that nothing is taken away without a trace.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::JournalError;
use crate::io::bounded;

/// The longest list that is read: a million entries.
const MAX_LIST: u64 = 256 << 20;

/// Appends an entry to the list at `path`, durably.
pub(super) fn append<T: Serialize>(path: &Path, entry: &T) -> Result<(), JournalError> {
    let line = serde_json::to_string(entry).map_err(|error| JournalError::io(path, "write")(error.into()))?;
    append_lines(path, &[line])
}

/// Appends lines to the list at `path`, durably.
pub(super) fn append_lines(path: &Path, lines: &[String]) -> Result<(), JournalError> {
    let file = std::fs::File::options().create(true).read(true).append(true).open(path);
    let mut file = file.map_err(JournalError::io(path, "open"))?;
    // A line that a crash cut gets its end, so that this one is not lost with it.
    let mut last = [b'\n'];
    let len = file.metadata().map_err(JournalError::io(path, "look at"))?.len();
    if len > 0 {
        file.read_exact_at(&mut last, len - 1).map_err(JournalError::io(path, "read"))?;
    }
    let begin = if last == [b'\n'] { "" } else { "\n" };
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let written = file.write_all(format!("{begin}{text}").as_bytes()).and_then(|()| file.sync_data());
    written.map_err(JournalError::io(path, "write"))
}

/// The lines of the list at `path`; none where it is not there.
pub(super) fn lines(path: &Path) -> Result<Vec<String>, JournalError> {
    match bounded::read_regular(path, MAX_LIST).and_then(bounded::text) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        text => {
            text.map(|text| text.lines().map(str::to_owned).collect()).map_err(JournalError::io(path, "read"))
        }
    }
}

/// The entries of the list at `path`. A line that a crash cut says nothing.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, JournalError> {
    Ok(lines(path)?.iter().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Now, by the machine's clock, in Unix ns.
pub(super) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
