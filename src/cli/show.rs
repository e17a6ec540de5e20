//! Printing that does not panic on a closed pipe.

use std::io::Write as _;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Writes `text` to standard output.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(complain)
}

/// Writes `text` and a line end to standard output.
pub(super) fn line(text: &str) -> Result<()> {
    print(&format!("{text}\n"))
}

/// Writes `value` as indented JSON to standard output.
pub(super) fn json(value: &serde_json::Value) -> Result<()> {
    line(&format!("{value:#}"))
}

/// An error of standard output.
pub(super) fn complain(source: std::io::Error) -> Error {
    Error::File {
        path: PathBuf::from("standard output"),
        source,
        mend: "write to a file or terminal that can take it",
    }
}

/// Nothing where the reader of standard output has closed it: for the last thing that a command prints before its verdict.
pub(super) fn unless_closed(error: Error) -> Result<()> {
    match error {
        Error::File { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        error => Err(error),
    }
}

/// 1234567 as `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Nanoseconds as microseconds with one decimal.
pub(super) fn micros(nanos: u64) -> String {
    format!("{}.{}", nanos / 1000, nanos % 1000 / 100)
}

/// A Unix stamp in ns as RFC 3339 with nanoseconds, UTC.
pub(super) fn stamp(nanos: i64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(nanos)) {
        Ok(stamp) => format!("{stamp:.9}"),
        Err(_) => format!("{nanos} ns"),
    }
}

/// A line for people on standard error.
pub(super) fn note(text: &str) {
    // There is nobody to tell where standard error is closed.
    let _closed = writeln!(std::io::stderr(), "{text}");
}
