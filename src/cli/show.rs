//! Printing that does not panic on a closed pipe, and, while something runs, waits for nobody.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::Duration;

use super::signals::Signals;
pub(super) use crate::error::STDOUT;
use crate::error::{Error, Result};
use crate::io::wait::{Waiter, nap};
use crate::telemetry::console;

/// How long the end of the process waits for a stream that takes nothing.
const LINGER: Duration = Duration::from_secs(2);

/// Says `text` as a line on standard output while something runs: never waits for a reader. What a reader does not take
/// is dropped, and counted.
pub(super) fn say(text: &str) {
    console::out().line(text);
}

/// What standard output said first when it refused what was said.
pub(super) fn said() -> Result<()> {
    console::out().error().map_or(Ok(()), |error| Err(complain(error)))
}

/// Hands over the result of what has run: the product of the command, so that its reader is waited for. Everything has
/// ended by then; one signal ends the wait.
pub(super) fn result(value: &serde_json::Value, signals: &Signals) -> Result<()> {
    signals.end_at_the_next();
    json(value)
}

/// As [`result`], on one line: the last of the JSON lines on standard output.
pub(super) fn result_line(value: &serde_json::Value, signals: &Signals) -> Result<()> {
    signals.end_at_the_next();
    line(&value.to_string())
}

/// Waits until everything said is written, but not for a stream that takes nothing.
pub(super) fn finish() {
    console::out().drain(Some(LINGER));
    let missing = console::out().dropped();
    if missing > 0 {
        let why = console::out()
            .error()
            .map_or_else(|| "nobody read them in time".to_owned(), |error| error.to_string());
        note(&format!("pricewright: standard output lacks {missing} lines: {why}"));
    }
    console::err().drain(Some(LINGER));
}

/// Writes `text` to standard output, behind everything that was said there.
pub(super) fn print(text: &str) -> Result<()> {
    console::out().drain(None);
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
    Error::File { path: PathBuf::from(STDOUT), source, mend: "write to a file or terminal that can take it" }
}

/// Waits for `time`; true as soon as nobody reads standard output any more.
pub(super) fn is_left_within(time: Duration) -> bool {
    let mut waiter = Waiter::new();
    let out = waiter.left(std::io::stdout().as_fd());
    if waiter.wait(time).is_err() {
        nap(time);
    }
    waiter.is_ready(out)
}

/// Nothing where the reader of standard output has closed it: for the last thing that a command prints before its verdict.
pub(super) fn unless_closed(error: Error) -> Result<()> {
    match error {
        Error::File { source, .. } if console::is_gone(&source) => Ok(()),
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

/// `1 segment`, `2 segments`: so many of what is called so.
pub(super) fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(number), if number == 1 { "" } else { "s" })
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

/// A line for people on standard error. Never waits for a reader.
///
/// Under `--json` an object with the text as `note`.
pub(super) fn note(text: &str) {
    console::err().line(&console::note_text(text));
}
