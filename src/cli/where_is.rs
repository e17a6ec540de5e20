//! Which journal a command means.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use pricewright_core::kernel::{Class, Kind};

use crate::error::{Error, Result};
use crate::io::shell;
use crate::journal::{JournalError, Reader, lock, segment_indices};

/// Where runs without a configured place keep their journals.
pub(super) const DATA_DIR: &str = "pricewright-data";

/// `dir`, or the newest journal under [`DATA_DIR`]; one without events only where no other is there.
pub(super) fn journal_dir(dir: Option<&Path>) -> Result<PathBuf> {
    if let Some(dir) = dir {
        return Ok(dir.to_path_buf());
    }
    let none = || {
        Error::Usage(format!(
            "there is no journal under ./{DATA_DIR}; name a directory, or make one with `pricewright run`"
        ))
    };
    newest_in(Path::new(DATA_DIR)).ok_or_else(none)
}

fn newest_in(data: &Path) -> Option<PathBuf> {
    let mut newest: Option<((bool, SystemTime), PathBuf)> = None;
    for path in journals_in(data).ok()? {
        let changed =
            std::fs::metadata(&path).and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let rank = (has_events(&path), changed);
        if newest.as_ref().is_none_or(|(best, _)| rank >= *best) {
            newest = Some((rank, path));
        }
    }
    newest.map(|(_, path)| path)
}

/// True where the journal in `dir` holds an event, or cannot be read up to its first.
fn has_events(dir: &Path) -> bool {
    let first_event = || -> core::result::Result<bool, JournalError> {
        let mut reader = Reader::open(dir)?;
        while let Some(record) = reader.next_record()? {
            let class = Kind::from_u16(record.header().kind).map(|kind| kind.schema().class);
            if class != Some(Class::System) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    first_event().unwrap_or(true)
}

/// The directories under `data` that hold a journal.
pub(super) fn journals_in(data: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(data)? {
        let path = entry?.path();
        if path.is_dir() && segment_indices(&path).is_ok_and(|indices| !indices.is_empty()) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Journals of each demo that are kept.
pub(super) const KEPT: usize = 3;

/// A new directory `NAME-N` under [`DATA_DIR`], which nobody else has: where two ask at once, each gets its own.
pub(super) fn fresh_dir(name: &str) -> Result<PathBuf> {
    fresh_dir_in(Path::new(DATA_DIR), name)
}

fn fresh_dir_in(data: &Path, name: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(data).map_err(complain)?;
    let mut next = numbers_of(data, name)?.last().map_or(1, |last| last.saturating_add(1));
    loop {
        let dir = data.join(format!("{name}-{next}"));
        match std::fs::create_dir(&dir) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && next < u64::MAX => next += 1,
            made => return made.map(|()| dir).map_err(complain),
        }
    }
}

/// Removes a directory that [`fresh_dir`] gave, if no journal has begun in it.
pub(super) fn remove_unbegun(dir: &Path) {
    if segment_indices(dir).is_ok_and(|indices| indices.is_empty())
        && let Ok(_lock) = lock(dir)
        && let Err(error) = std::fs::remove_dir_all(dir)
    {
        tracing::warn!(%error, dir = %dir.display(), "the directory of a run that did not start could not be removed");
    }
}

/// Of the directories that [`fresh_dir`] gave for `name`, keeps the newest whose journals hold events and removes the rest:
/// but none whose journal is being written, or has not begun.
pub(super) fn remove_old(name: &str) -> Result<()> {
    remove_old_in(Path::new(DATA_DIR), name)
}

fn remove_old_in(data: &Path, name: &str) -> Result<()> {
    let mut kept = 0;
    for number in numbers_of(data, name)?.into_iter().rev() {
        let dir = data.join(format!("{name}-{number}"));
        if segment_indices(&dir).is_ok_and(|indices| indices.is_empty()) {
            continue;
        }
        if kept < KEPT && has_events(&dir) {
            kept += 1;
            continue;
        }
        // Held until it is gone, so that no run begins in it meanwhile.
        let Ok(_lock) = lock(&dir) else { continue };
        std::fs::remove_dir_all(&dir).map_err(complain)?;
    }
    Ok(())
}

/// The numbers of the directories `NAME-N`, rising.
fn numbers_of(data: &Path, name: &str) -> Result<Vec<u64>> {
    let mut numbers: Vec<u64> = Vec::new();
    for entry in std::fs::read_dir(data).map_err(complain)? {
        let file_name = entry.map_err(complain)?.file_name();
        let text = file_name.to_str().and_then(|text| text.strip_prefix(name)?.strip_prefix('-'));
        let number =
            text.and_then(|text| text.parse().ok()).filter(|number: &u64| text == Some(&number.to_string()));
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn complain(source: std::io::Error) -> Error {
    Error::File {
        path: PathBuf::from(DATA_DIR),
        source,
        mend: "run where files may be written, or name a directory (--journal DIR)",
    }
}

/// How the user can call this program again: its name where it is on the PATH, else its path.
pub(super) fn program() -> String {
    let Ok(path) = std::env::current_exe() else { return "pricewright".to_owned() };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let on_path = std::env::var_os("PATH").is_some_and(|paths| {
        std::env::split_paths(&paths)
            .any(|dir| dir.join(&name).canonicalize().ok().as_deref() == Some(path.as_path()))
    });
    if on_path {
        return name;
    }
    let here = std::env::current_dir().ok();
    match here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf)) {
        Some(relative) => format!("./{}", relative.display()),
        None => path.display().to_string(),
    }
}

/// What to type next, a row each: a command, and what it does.
pub(super) fn try_lines(rows: &[(String, &str)]) -> String {
    let width = rows.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (index, (command, what)) in rows.iter().enumerate() {
        let head = if index == 0 { "Try:" } else { "" };
        text.push_str(&format!("{head:<6}{command:<width$}   {what}\n"));
    }
    text
}

/// A directory as an argument for a shell, behind a space; nothing where none was named: the newest journal is what
/// commands take then.
pub(super) fn argument(dir: Option<&Path>) -> String {
    dir.map_or_else(String::new, |dir| format!(" {}", shell::word(dir)))
}

#[cfg(test)]
mod tests;
