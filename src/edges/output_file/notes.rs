//! What lies beside the journal about the files of its outputs: how far each was written (`output-….json`), and which records
//! repairs gave up since.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::records::{Printed, Records};
use crate::error::Result;
use crate::io::same_file::full_path;
use crate::journal::repairs::repairs;

const PREFIX: &str = "output-";
const SUFFIX: &str = ".json";

/// How far a file was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Note {
    /// Its name, for people.
    pub(super) path: PathBuf,
    /// The last record that was written to it.
    pub(super) seq: u64,
    /// BLAKE3 of the last line in it, in hexadecimal; `None` where it has none, or an older version made the note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<String>,
    /// How many repairs the journal had seen; `None` in a note of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) repairs: Option<usize>,
}

impl Note {
    /// Puts it in the place of the one at `path`.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let unfinished = path.with_extension("new");
        let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        std::fs::write(&unfinished, bytes)?;
        std::fs::rename(&unfinished, path)
    }

    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}

/// The note's name: another for every file, however its path is spelt.
pub(super) fn note_name(path: &Path) -> String {
    let hash = blake3::hash(full_path(path).as_os_str().as_encoded_bytes());
    format!("{PREFIX}{}{SUFFIX}", hash.to_hex().get(..16).unwrap_or_default())
}

/// What a note says of a line.
pub(super) fn line_hash(line: &[u8]) -> String {
    blake3::hash(line.strip_suffix(b"\n").unwrap_or(line)).to_hex().to_string()
}

/// Everything that is known beside the journal.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The note about the file at hand.
    pub(super) own: Option<Note>,
    /// All notes, that one too: a file may have got another name.
    all: Vec<Note>,
    /// Of each repair, oldest first, the last record that stayed.
    pub(super) cuts: Vec<u64>,
}

impl Known {
    /// What lies in `dir`; the note about the file at hand is `own`.
    ///
    /// # Errors
    /// Where the list of repairs cannot be read.
    pub(super) fn read(dir: &Path, own: &Path) -> Result<Self> {
        let cuts = repairs(dir)?.iter().map(|repair| repair.last_seq).collect();
        let is_note = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(PREFIX) && name.ends_with(SUFFIX)
        };
        let paths = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let all = paths.filter(is_note).filter_map(|path| Note::read(&path)).collect();
        Ok(Self { own: Note::read(own), all, cuts })
    }

    /// The note that says that this journal wrote the line.
    pub(super) fn note_of(&self, seq: u64, line: &[u8]) -> Option<&Note> {
        let hash = line_hash(line);
        let older = self.own.as_ref().filter(|note| note.line.is_none() && note.seq == seq);
        self.all.iter().find(|note| note.line.as_ref() == Some(&hash)).or(older)
    }

    /// The oldest record that a note speaks of.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.all.iter().map(|note| note.seq).min()
    }

    /// The last record that stayed when a repair gave up what followed, record `seq` too; that of the latest place.
    pub(super) fn cut_before(&self, seq: u64) -> Option<u64> {
        self.cuts.iter().copied().filter(|cut| *cut < seq).max()
    }

    /// The first record that a file lacks which is not there any more, or is empty: behind what was noted, as far as the journal
    /// still holds that.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub(super) fn first_lacking(&self, records: &mut dyn Records) -> Result<u64> {
        let Some(note) = &self.own else { return Ok(1) };
        let is_held = match records.printed(note.seq)? {
            Printed::Line(line) => note.line == Some(line_hash(&line)),
            Printed::Nothing | Printed::Removed => false,
        };
        let since = if is_held { usize::MAX } else { note.repairs.unwrap_or(usize::MAX) };
        let cut = self.cuts.iter().skip(since).min().copied().unwrap_or(u64::MAX);
        Ok((note.seq.min(cut) + 1).min(records.next_seq()))
    }
}
