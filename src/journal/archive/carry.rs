//! The files beside the segments, carried along: what they say belongs to the records.
//!
//! Everything that is a plain file is carried, so that files of a kind that this module does not know come along too, but:
//! segments (they are archived), the lock and the durable position (they are about the directory that is written), what is
//! not whole or was set aside, and what speaks of records that are not archived.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::io::bounded;
use crate::journal::error::JournalError;
use crate::journal::segment::index_of;

/// Names that are about the directory, not about the journal.
const OF_THE_DIRECTORY: [&str; 4] = ["lock", "durable", "ram", "removed.jsonl"];
/// Ends of names of files that are not whole, or of use to nobody.
const UNFINISHED: [&str; 3] = [".new", ".part", ".unfit"];
/// In the names of files that a repair set aside.
const DAMAGED: &str = ".damaged";
/// Files that only grow: what is new is appended.
const GROWING: &str = ".pwt";

/// How far the records go that are archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The last archived segment.
    pub(crate) index: u64,
    /// The last archived record.
    pub(crate) last_seq: u64,
}

/// Files on their way.
pub(crate) struct Carry {
    files: VecDeque<(PathBuf, PathBuf)>,
    current: Option<Copying>,
    buffer: Vec<u8>,
    done: Vec<PathBuf>,
}

/// One file on its way. A file that grows is appended to, any other is made under another name first.
struct Copying {
    from: File,
    to: File,
    source: PathBuf,
    written: PathBuf,
    target: PathBuf,
}

impl Carry {
    /// Looks for what of `dir` is to be carried to `to`, where not all of it is already. `step` bytes are copied at once.
    pub(crate) fn start(dir: &Path, to: &Path, reach: Reach, step: usize) -> Result<Self, JournalError> {
        let mut files = VecDeque::new();
        for source in side_files(dir, reach)? {
            let Some(name) = source.file_name() else { continue };
            let target = to.join(name);
            let len = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.len());
            let whole = len(&source).map_err(JournalError::io(&source, "look at"))?;
            if len(&target).ok() != Some(whole) {
                files.push_back((source, target));
            }
        }
        Ok(Self { files, current: None, buffer: vec![0; step.max(1)], done: Vec::new() })
    }

    /// Copies a part. True once all is carried.
    pub(crate) fn step(&mut self) -> Result<bool, JournalError> {
        let Some(copying) = &mut self.current else {
            let Some((source, target)) = self.files.pop_front() else { return Ok(true) };
            self.current = Some(Copying::start(source, target)?);
            return Ok(false);
        };
        if copying.step(&mut self.buffer)? {
            self.done.extend(self.current.take().map(|copied| copied.target));
        }
        Ok(false)
    }

    /// What was carried.
    pub(crate) fn done(self) -> Vec<PathBuf> {
        self.done
    }
}

impl Copying {
    fn start(source: PathBuf, target: PathBuf) -> Result<Self, JournalError> {
        let mut from = File::open(&source).map_err(JournalError::io(&source, "open"))?;
        let grows = target.extension().is_some_and(|end| end == &GROWING[1..]) && target.exists();
        let mut written = target.clone().into_os_string();
        if !grows {
            written.push(UNFINISHED[0]);
        }
        let written = PathBuf::from(written);
        let to = File::options().write(true).create(true).truncate(!grows).open(&written);
        let mut to = to.map_err(JournalError::io(&written, "create"))?;
        if grows {
            let at = to.seek(SeekFrom::End(0)).map_err(JournalError::io(&written, "look at"))?;
            from.seek(SeekFrom::Start(at)).map_err(JournalError::io(&source, "read"))?;
        }
        Ok(Self { from, to, source, written, target })
    }

    /// True once the file is whole, synced and has its name.
    fn step(&mut self, buffer: &mut [u8]) -> Result<bool, JournalError> {
        let count = self.from.read(buffer).map_err(JournalError::io(&self.source, "read"))?;
        if count > 0 {
            let chunk = buffer.get(..count).unwrap_or(&[]);
            self.to.write_all(chunk).map_err(JournalError::io(&self.written, "write"))?;
            return Ok(false);
        }
        self.to.sync_all().map_err(JournalError::io(&self.written, "sync"))?;
        if self.written != self.target {
            std::fs::rename(&self.written, &self.target).map_err(JournalError::io(&self.target, "name"))?;
        }
        Ok(true)
    }
}

/// The files of `dir` that go with its records up to `reach` and speak of no later ones.
fn side_files(dir: &Path, reach: Reach) -> Result<Vec<PathBuf>, JournalError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(JournalError::io(dir, "list"))? {
        let entry = entry.map_err(JournalError::io(dir, "list"))?;
        let path = entry.path();
        // Links are not followed: the live segments in RAM lie behind one.
        if !entry.file_type().map_err(JournalError::io(&path, "look at"))?.is_file() {
            continue;
        }
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let unfinished = UNFINISHED.iter().any(|end| name.ends_with(end)) || name.contains(DAMAGED);
        if unfinished || index_of(name).is_some() || OF_THE_DIRECTORY.contains(&name) {
            continue;
        }
        if reach.covers(&path, name) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

impl Reach {
    /// True where the file speaks of no record behind the last archived one.
    fn covers(&self, path: &Path, name: &str) -> bool {
        let number = |prefix: &str, suffix: &str| -> Option<u64> {
            name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok()
        };
        if let Some(index) = number("chain-", ".pwc") {
            return index <= self.index;
        }
        if let Some(seq) = number("snapshot-", ".pws") {
            return seq <= self.last_seq;
        }
        // A seal's statement and its signature go together.
        match number("seal-", ".txt").or_else(|| number("seal-", ".sig")) {
            Some(_) => sealed_to(&path.with_extension("txt")).is_none_or(|seq| seq <= self.last_seq),
            None => true,
        }
    }
}

/// The last record that a seal's statement speaks of.
fn sealed_to(path: &Path) -> Option<u64> {
    let text = bounded::read_text(path, bounded::TEXT).ok()?;
    text.lines().find_map(|line| {
        line.strip_prefix("last-record")?.trim_start_matches([':', '=', ' ']).trim().parse().ok()
    })
}
