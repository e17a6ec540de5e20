//! A file that decisions are written to: where it ends, so that the next run writes neither a line twice nor one too few, and
//! what happens where it is moved away.
//!
//! Such a file is a copy of a part of the journal: each line names its record (`seq`), in rising order. A run that finds one goes
//! on behind its last whole line, with decisions of earlier runs too where a crash came between journal and file. A line that a
//! crash cut is cut off.
//!
//! A number alone does not show whose file it is: its last line must be what the journal says of that record ([`compare`]).
//! After a repair that gave up records the file may hold their lines. Those were published, so they stay: the run names them
//! and goes on behind the last line that agrees, so that record numbers may go back there.
//!
//! A note beside the journal (`output-….json`, [`notes`]) says how far the file of this name was written. Where the file was
//! moved away (logrotate) or emptied, the new one begins behind that; the run notices within a second, without a signal. A
//! file that no run has written yet begins at the journal's first decision. The note also decides about a line whose record
//! was removed from the journal.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::compare::{Compared, Ending, Fault};
use self::notes::{Known, Note, line_hash, note_name};
use self::records::Records;
use crate::error::{Error, Result};
use crate::io::file::is_pipe;
use crate::journal::repairs::REPAIRED;

mod compare;
mod notes;
pub(super) mod records;

/// How often it is looked at whether the file is still in its place.
const LOOK: Duration = Duration::from_secs(1);
/// Record numbers that one message names.
const NAMED: usize = 64;

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
    /// The hash of its last line.
    last: Option<String>,
    /// Repairs that the journal has seen.
    repairs: usize,
    looked: Instant,
    /// Something was wrong with the notes or a new file, and was said.
    said: bool,
}

impl OutputFile {
    /// Opens `path` for appending. Returns with it the first record that the file lacks by `records`, the journal in `dir`.
    ///
    /// # Errors
    /// Where it cannot be opened, or is no file of this journal's decisions.
    pub(super) fn open(path: &Path, records: &mut dyn Records, dir: &Path) -> Result<(Self, u64)> {
        let complain = |source| unusable(path, source);
        let mut file = if is_pipe(path) {
            open_pipe(path)?
        } else {
            File::options().create(true).read(true).append(true).open(path).map_err(complain)?
        };
        let about = file.metadata().map_err(complain)?;
        let mut output = Self {
            path: path.to_path_buf(),
            file: file.try_clone().map_err(complain)?,
            notes: about.is_file().then(|| dir.join(note_name(path))),
            identity: (about.dev(), about.ino()),
            noted: None,
            last: None,
            repairs: 0,
            looked: Instant::now(),
            said: false,
        };
        // A device or a named pipe cannot be read back: it gets what this run decides.
        let Some(notes) = &output.notes else { return Ok((output, records.next_seq())) };
        let known = Known::read(dir, notes)?;
        let fault = |fault| refused(path, fault);
        let ending = Ending::read(&mut file).map_err(fault)?;
        let first_seq = match compare::compare(&mut file, &ending, records, &known).map_err(fault)? {
            Some(compared) => {
                name_given_up(path, &compared);
                compared.next
            }
            None => known.first_lacking(records)?,
        };
        file.set_len(ending.whole).map_err(complain)?;
        output.last = ending.last.map(|(_, line)| line_hash(&line));
        output.repairs = known.cuts.len();
        output.note(first_seq - 1, &[])?;
        Ok((output, first_seq))
    }

    /// True for a named pipe, whose reader may be slow or stop reading.
    pub(super) fn is_pipe(&self) -> bool {
        self.file.metadata().is_ok_and(|about| about.file_type().is_fifo())
    }

    /// A handle to write with.
    ///
    /// # Errors
    /// Where the process has too many open files.
    pub(super) fn writer(&self) -> Result<File> {
        self.file.try_clone().map_err(|source| unusable(&self.path, source))
    }

    /// Now and then notes how far the file is written, and looks whether it is still in its place. Returns a handle of the
    /// new file where it is not. `written` is the last record that was written, and `line` its line (empty: none was).
    ///
    /// # Errors
    /// Where the process has too many open files.
    pub(super) fn follow(&mut self, written: u64, line: &[u8]) -> Result<Option<File>> {
        if self.notes.is_none() || self.looked.elapsed() < LOOK {
            return Ok(None);
        }
        self.looked = Instant::now();
        self.note(written, line)?;
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
        let fault = |fault| refused(&self.path, fault);
        let ending = Ending::read(&mut file).map_err(fault)?;
        if let Some((seq, _)) = ending.last.filter(|(seq, _)| *seq > written) {
            let what = format!("it goes on to record {seq} and the run only to {written}");
            return Err(fault(Fault::Foreign(what)));
        }
        file.set_len(ending.whole).map_err(complain)?;
        self.file = file;
        self.identity = (about.dev(), about.ino());
        self.writer()
    }

    /// Notes that `written` is the last record that was written, as this `line` (empty: none was). Where that fails, a file
    /// that takes the place of this one repeats some lines: no reason to end a run.
    ///
    /// # Errors
    /// None today.
    pub(super) fn note(&mut self, written: u64, line: &[u8]) -> Result<()> {
        let Some(notes) = self.notes.as_ref().filter(|_| self.noted != Some(written)) else { return Ok(()) };
        if !line.is_empty() {
            self.last = Some(line_hash(line));
        }
        let (line, repairs) = (self.last.clone(), Some(self.repairs));
        let done = Note { path: self.path.clone(), seq: written, line, repairs }.write(notes);
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

/// A named pipe that has a reader.
fn open_pipe(path: &Path) -> Result<File> {
    crate::io::file::open_pipe(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotConnected => Error::Usage(format!(
            "{}: {source}; start its reader first, or name a file in [gateway.jsonl]",
            path.display()
        )),
        _ => unusable(path, source),
    })
}

fn unusable(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.to_path_buf(), source, mend: "name another file in [gateway.jsonl]" }
}

fn refused(path: &Path, fault: Fault) -> Error {
    match fault {
        Fault::Io(source) => unusable(path, source),
        Fault::Journal(error) => error,
        Fault::Foreign(what) => Error::Usage(format!(
            "{}: {what}; name another file in [gateway.jsonl], or move this one away",
            path.display()
        )),
    }
}

/// Names the lines of a file whose records the journal does not hold: whoever has read them was told what it does not know.
fn name_given_up(path: &Path, compared: &Compared) {
    let Compared { next, given_up, lines, cut } = compared;
    if given_up.is_empty() {
        return;
    }
    let mut numbers: Vec<String> = given_up.iter().take(NAMED).map(u64::to_string).collect();
    if let Some(last) = given_up.last().filter(|_| given_up.len() > NAMED) {
        numbers.push(format!("… {last}"));
    }
    let why = match cut {
        Some(cut) => format!("a repair gave up what stood behind record {cut}, see {REPAIRED}"),
        None => "no repair is noted that gave them up".to_owned(),
    };
    tracing::warn!(
        "{}: {lines} published {} of records that the journal does not hold ({why}): {}. They stay in the file; it goes on \
         behind record {}, and record numbers may go back there",
        path.display(),
        if *lines == 1 { "line is" } else { "lines are" },
        numbers.join(", "),
        next - 1
    );
}

#[cfg(test)]
mod tests;
