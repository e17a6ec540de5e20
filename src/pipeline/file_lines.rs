//! How many lines of which file a journal holds: where a run that reads the file again goes on.
//!
//! Each run says which file it reads ([`InputFile`]: its index node and the beginning of its content), each event on which line
//! it stood. So nothing is read twice, and nothing is passed over: not where a run died between two lines of one chunk, not
//! where the file was moved, not where another file has been put under its name. Runs of older builds say no more than the
//! file's name in their configuration; those files are known by that.

use std::path::{Path, PathBuf};

use pricewright_core::kernel::table::InputFile;
use pricewright_core::kernel::{EventRef, RecordRef, SystemRef};

use serde::{Deserialize, Serialize};

use crate::config::PipelineConfig;

/// Gathered while a journal is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLines {
    /// The configuration of the run at hand, as far as it has been seen.
    config: String,
    /// Which of `last` that run reads, where it reads a file.
    at: Option<usize>,
    /// Each file with its last line in the journal; a file is its name, or [`FileId::key`].
    last: Vec<(PathBuf, u64)>,
}

/// What a file is known by. The device tells index nodes of two file systems apart while the machine runs; it is not asked for
/// when the file is looked for, since some file systems get another number at each start of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    /// BLAKE3 of its first `head_len` bytes.
    head: [u8; 32],
    head_len: u32,
}

/// What the journal knows of a file that is about to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It holds the file up to this line.
    UpTo(u64),
    /// It holds this many lines of another content of the same index node: the file was written anew.
    WrittenAnew(u64),
    /// It holds this many lines of another file that begins as this one does: one of them is a copy.
    Copy(u64),
    /// Nothing.
    Not,
}

impl FileId {
    /// No path holds a zero.
    fn key(&self) -> PathBuf {
        let Self { device, inode, head, head_len } = self;
        PathBuf::from(format!("\0{device}:{inode}:{head_len}:{}", blake3::Hash::from_bytes(*head)))
    }

    fn of_key(key: &Path) -> Option<Self> {
        let mut parts = key.to_str()?.strip_prefix('\0')?.split(':');
        let (device, inode) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let head_len = parts.next()?.parse().ok()?;
        let head = *blake3::Hash::from_hex(parts.next()?).ok()?.as_bytes();
        Some(Self { device, inode, head, head_len })
    }
}

impl FileLines {
    /// Takes a record of the journal.
    #[inline]
    pub fn take(&mut self, record: &RecordRef<'_>) {
        match EventRef::of(record) {
            Some(EventRef::Inventory(event)) => self.line(event.position),
            Some(EventRef::Purchase(event)) => self.line(event.position),
            Some(EventRef::Malformed(event)) => self.line(event.position),
            Some(EventRef::InputFile(file)) => self.reads(file),
            Some(_) => {}
            None => self.system(SystemRef::of(record)),
        }
    }

    /// What the journal knows of the file at `path` with this index node, of which `head_of` gives the BLAKE3 of the first
    /// bytes where it has so many.
    pub fn known(&self, path: &Path, inode: u64, head_of: impl Fn(u32) -> Option<[u8; 32]>) -> Known {
        let mut found = Known::Not;
        for (key, last) in self.last.iter().rev() {
            match FileId::of_key(key) {
                // Of a pipe or an empty file nothing is known.
                Some(file) if file.head_len == 0 => {}
                Some(file) => {
                    let same_head = head_of(file.head_len) == Some(file.head);
                    match (file.inode == inode, same_head) {
                        (true, true) => return Known::UpTo(*last),
                        (true, false) if found == Known::Not => found = Known::WrittenAnew(*last),
                        (false, true) if found == Known::Not => found = Known::Copy(*last),
                        _ => {}
                    }
                }
                // A run of an older build read it.
                None if key == path && *last > 0 => return Known::UpTo(*last),
                None => {}
            }
        }
        found
    }

    fn line(&mut self, position: u64) {
        if let Some((_, last)) = self.at.and_then(|at| self.last.get_mut(at)) {
            *last = position;
        }
    }

    fn reads(&mut self, file: &InputFile) {
        // From here on it is known by more than its name.
        if let Some((_, last)) = self.at.and_then(|at| self.last.get_mut(at)) {
            *last = 0;
        }
        let InputFile { device, inode, head, head_len, taken, .. } = *file;
        // Whatever this index node held before, it holds it no longer, or as a part of what it holds now.
        let known = self.last.iter().position(|(key, _)| {
            FileId::of_key(key).is_some_and(|known| (known.device, known.inode) == (device, inode))
        });
        if let Some(known) = known {
            self.last.remove(known);
        }
        self.last.push((FileId { device, inode, head, head_len }.key(), taken));
        self.at = Some(self.last.len() - 1);
    }

    fn system(&mut self, record: Option<SystemRef<'_>>) {
        match record {
            Some(SystemRef::RunStart(_)) => {
                self.config.clear();
                self.at = None;
            }
            Some(SystemRef::ConfigChunk(chunk)) => {
                self.config.push_str(chunk.text.as_str());
                if chunk.index.checked_add(1) == Some(chunk.total) {
                    self.at = file_of(&self.config).map(|file| self.index_of(file));
                }
            }
            _ => {}
        }
    }

    fn index_of(&mut self, file: PathBuf) -> usize {
        let known = self.last.iter().position(|(known, _)| *known == file);
        known.unwrap_or_else(|| {
            self.last.push((file, 0));
            self.last.len() - 1
        })
    }
}

/// The file that a run with this canonical configuration reads.
fn file_of(config: &str) -> Option<PathBuf> {
    let config: PipelineConfig<toml::Table> = toml::from_str(config).ok()?;
    config.feed.jsonl?.file
}

#[cfg(test)]
mod tests;
