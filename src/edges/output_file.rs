//! A file that decisions are written to: where it ends, so that the next run writes neither a line twice nor one too few, and
//! what happens where it is moved away.
//!
//! Such a file is a copy of a part of the journal: each line names its record (`seq`), in rising order. A run that finds one goes
//! on behind its last whole line, with decisions of earlier runs too where a crash came between journal and file. A line that a
//! crash cut is cut off.
//!
//! A note beside the journal (`output-….json`) says how far the file of this name was written. Where the file was moved away
//! (logrotate) or emptied, the new one begins behind that; the run notices within a second, without a signal. A file that no
//! run has written yet begins at the journal's first decision.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::io::same_file::full_path;

/// More than two of the longest lines.
const TAIL_LEN: u64 = 16 << 10;
/// What every line begins with.
const LINE_BEGIN: &[u8] = b"{\"";
/// How often it is looked at whether the file is still in its place.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct LastLine {
    seq: u64,
}

/// How far a file was written.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// Its name, for people.
    path: PathBuf,
    /// The last record that was written to it.
    seq: u64,
}

/// The file behind an output.
#[derive(Debug)]
pub(super) struct OutputFile {
    path: PathBuf,
    file: File,
    /// Where notes go; `None` for a device or a pipe.
    notes: Option<PathBuf>,
    /// Device and index node.
    identity: (u64, u64),
    noted: Option<u64>,
    looked: Instant,
    /// Something was wrong with the notes or a new file, and was said.
    said: bool,
}

impl OutputFile {
    /// Opens `path` for appending. Returns with it the first record that the file lacks; `next_seq` is the first that the
    /// journal in `dir` lacks.
    ///
    /// # Errors
    /// Where it cannot be opened, or is no file of this journal's decisions.
    pub(super) fn open(path: &Path, next_seq: u64, dir: &Path) -> Result<(Self, u64)> {
        let complain = |source| unusable(path, source);
        let mut file = File::options().create(true).read(true).append(true).open(path).map_err(complain)?;
        let about = file.metadata().map_err(complain)?;
        let notes = about.is_file().then(|| dir.join(note_name(path)));
        let first_seq = match &notes {
            Some(notes) => first_lacking(&mut file, path, next_seq)?
                .unwrap_or_else(|| noted(notes).map_or(1, |seq| (seq + 1).min(next_seq))),
            // A device or a named pipe cannot be read back: it gets what this run decides.
            None => next_seq,
        };
        let (identity, looked) = ((about.dev(), about.ino()), Instant::now());
        let mut output =
            Self { path: path.to_path_buf(), file, notes, identity, noted: None, looked, said: false };
        output.note(first_seq - 1)?;
        Ok((output, first_seq))
    }

    /// A handle to write with.
    ///
    /// # Errors
    /// Where the process has too many open files.
    pub(super) fn writer(&self) -> Result<File> {
        self.file.try_clone().map_err(|source| unusable(&self.path, source))
    }

    /// Now and then notes how far the file is written, and looks whether it is still in its place. Returns a handle of the
    /// new file where it is not. `written` is the last record that was written.
    ///
    /// # Errors
    /// Where the process has too many open files.
    pub(super) fn follow(&mut self, written: u64) -> Result<Option<File>> {
        if self.notes.is_none() || self.looked.elapsed() < LOOK {
            return Ok(None);
        }
        self.looked = Instant::now();
        self.note(written)?;
        let there = std::fs::metadata(&self.path).map(|about| (about.dev(), about.ino()));
        if there.is_ok_and(|there| there == self.identity) {
            return Ok(None);
        }
        match self.begin_anew(written) {
            Ok(file) => {
                tracing::info!(
                    "{}: it was moved away; a new file goes on behind record {written}",
                    self.path.display()
                );
                self.said = false;
                Ok(Some(file))
            }
            Err(error) => {
                self.say_once(&error);
                Ok(None)
            }
        }
    }

    fn begin_anew(&mut self, written: u64) -> Result<File> {
        let complain = |source| unusable(&self.path, source);
        let mut file =
            File::options().create(true).read(true).append(true).open(&self.path).map_err(complain)?;
        let about = file.metadata().map_err(complain)?;
        first_lacking(&mut file, &self.path, written + 1)?;
        self.file = file;
        self.identity = (about.dev(), about.ino());
        self.writer()
    }

    /// Notes that `written` is the last record that was written. Where that fails, a file that takes the place of this one
    /// repeats some lines: no reason to end a run.
    ///
    /// # Errors
    /// None today.
    pub(super) fn note(&mut self, written: u64) -> Result<()> {
        let Some(notes) = self.notes.as_ref().filter(|_| self.noted != Some(written)) else { return Ok(()) };
        let note = Note { path: self.path.clone(), seq: written };
        let unfinished = notes.with_extension("new");
        let done = serde_json::to_vec(&note)
            .map_err(io::Error::other)
            .and_then(|bytes| std::fs::write(&unfinished, bytes))
            .and_then(|()| std::fs::rename(&unfinished, notes));
        match done {
            Ok(()) => self.noted = Some(written),
            Err(source) => {
                let error = Error::File { path: notes.clone(), source, mend: "look at the journal's disk" };
                self.say_once(&error);
            }
        }
        Ok(())
    }

    fn say_once(&mut self, error: &Error) {
        if !core::mem::replace(&mut self.said, true) {
            tracing::warn!(%error, "{} goes on as it is", self.path.display());
        }
    }
}

fn unusable(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.to_path_buf(), source, mend: "name another file in [gateway.jsonl]" }
}

/// The note's name: another for every file, however its path is spelt.
fn note_name(path: &Path) -> String {
    let hash = blake3::hash(full_path(path).as_os_str().as_encoded_bytes());
    format!("output-{}.json", hash.to_hex().get(..16).unwrap_or_default())
}

/// The last record that was written to the file of a note.
fn noted(notes: &Path) -> Option<u64> {
    serde_json::from_slice::<Note>(&std::fs::read(notes).ok()?).ok().map(|note| note.seq)
}

/// The first record that the regular `file` lacks, and a torn last line cut off; `None` where it holds no line.
fn first_lacking(file: &mut File, path: &Path, next_seq: u64) -> Result<Option<u64>> {
    let complain = |source| unusable(path, source);
    let (len, tail) = read_tail(file).map_err(complain)?;
    let foreign = |what: &str| {
        Err(Error::Usage(format!(
            "{}: {what}; name another file in [gateway.jsonl], or move this one away",
            path.display()
        )))
    };
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (lines, torn) = tail.split_at(whole);
    let last = lines.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    let next = match last.map(serde_json::from_slice::<LastLine>) {
        Some(Ok(LastLine { seq })) if last.is_some_and(|last| last.starts_with(LINE_BEGIN)) => Some(seq + 1),
        None if tail.starts_with(LINE_BEGIN) || LINE_BEGIN.starts_with(&tail) => None,
        _ => return foreign("its last line is not one of ours, which name their record (\"seq\")"),
    };
    if let Some(next) = next.filter(|next| *next > next_seq) {
        return foreign(&format!(
            "it goes on to record {} and the journal only to {}: it is another journal's",
            next - 1,
            next_seq - 1
        ));
    }
    file.set_len(len - torn.len() as u64).map_err(complain)?;
    Ok(next)
}

/// The file's length and its last bytes.
fn read_tail(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let len = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL_LEN)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok((len, tail))
}

#[cfg(test)]
mod tests;
