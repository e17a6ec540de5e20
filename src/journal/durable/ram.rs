//! Live segments in RAM: where they lie, how others find them, and what is done with them after a crash.
//!
//! The files of the journal in directory `D` lie in `<ram root>/pricewright-<device>-<inode of D>`, and the symbolic link
//! `ram` in `D` leads there. The name is derived from the directory, so that a copy of a journal with its link is not
//! taken for the journal that it was copied from. A file in RAM has a segment's name only when it is whole, and has it
//! before the segment in `D` has it; it goes away after that one is complete. So whoever knows a segment's number and
//! finds no file in RAM finds all of it in `D`.
//!
//! A file in RAM counts only under the boot that wrote it: a RAM root on a disk would outlive the machine.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::mark::sync_dir;
use crate::journal::crc::Crc32c;
use crate::journal::error::JournalError;
use crate::journal::head::{HEAD_LEN, publish_mark};
use crate::journal::map::WriteMap;
use crate::journal::open::boot_id;
use crate::journal::segment::{ReadSegment, segment_indices, segment_path, unfinished_paths};

const LINK: &str = "ram";
const PREFIX: &str = "pricewright-";

/// Where the live segments of the journal in `dir` lie, where some lie in RAM. Whether the directory is there is not
/// asked: after a restart of the machine it is not.
pub(in crate::journal) fn find(dir: &Path) -> Option<PathBuf> {
    // No link, or a directory that cannot be looked at: then the segments' own files say what is wrong.
    let target = std::fs::read_link(dir.join(LINK)).ok()?;
    let ours = name_for(dir).ok()?;
    (target.file_name()?.to_str()? == ours).then_some(target)
}

fn name_for(dir: &Path) -> io::Result<String> {
    let metadata = std::fs::metadata(dir)?;
    Ok(format!("{PREFIX}{:x}-{:x}", metadata.dev(), metadata.ino()))
}

/// Makes the directory under `root` and the link to it.
///
/// # Errors
/// Where `root` is not there or not writable, or somebody else has the name.
pub(in crate::journal) fn create(dir: &Path, root: &Path) -> Result<PathBuf, JournalError> {
    let name = name_for(dir).map_err(JournalError::io(dir, "look at"))?;
    let path = root.join(name);
    match std::fs::create_dir(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_foreign(&path, dir)?,
        Err(error) => return Err(JournalError::io(&path, "make the directory in RAM")(error)),
    }
    let link = dir.join(LINK);
    std::os::unix::fs::symlink(&path, &link).map_err(JournalError::io(&link, "link"))?;
    Ok(path)
}

fn refuse_foreign(path: &Path, dir: &Path) -> Result<(), JournalError> {
    if is_ours(path, dir).map_err(JournalError::io(path, "look at"))? {
        return Ok(());
    }
    let error = io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user");
    Err(JournalError::io(path, "use the directory in RAM")(error))
}

/// In a directory that everybody may write to, the name may be somebody's trap.
fn is_ours(path: &Path, dir: &Path) -> io::Result<bool> {
    let (found, lock) = (std::fs::symlink_metadata(path)?, std::fs::symlink_metadata(dir.join("lock"))?);
    Ok(found.is_dir() && found.uid() == lock.uid())
}

/// Where a crash may have left live segments: where the link leads, or, where somebody removed that, under `root`.
fn left(dir: &Path, root: &Path) -> Option<PathBuf> {
    let under_root = || {
        let path = root.join(name_for(dir).ok()?);
        is_ours(&path, dir).unwrap_or(false).then_some(path)
    };
    find(dir).or_else(under_root)
}

/// What a crash left in RAM.
#[derive(Debug, Default)]
pub(in crate::journal) struct Restored {
    ram: Option<PathBuf>,
    /// Segments whose records were taken over into the journal's directory.
    segments: Vec<u64>,
}

/// Brings what RAM has and the disk lacks onto the disk, before recovery looks at it. The caller holds the lock.
///
/// # Errors
/// Where the files cannot be read or written. Nothing is lost then: the files in RAM stay.
pub(in crate::journal) fn restore(dir: &Path, root: &Path) -> Result<Restored, JournalError> {
    let Some(ram) = left(dir, root) else { return Ok(Restored::default()) };
    if !ram.is_dir() {
        return Ok(Restored { ram: Some(ram), segments: Vec::new() });
    }
    let mut segments = Vec::new();
    let boot = boot_id()?;
    for index in segment_indices(&ram)? {
        let path = segment_path(dir, index);
        if !path.exists() {
            continue;
        }
        let live = ReadSegment::open_at(segment_path(&ram, index), index, None)?;
        let durable = ReadSegment::open_on_disk(dir, index, None)?;
        if live.head != durable.head || live.head.boot_id != boot {
            continue;
        }
        segments.push(index);
        // Sealed on disk: everything is there, only the file in RAM was not cleared away yet.
        if durable.seal(Crc32c::detect())?.is_none() {
            copy(&live.path, &durable.path)?;
        }
    }
    Ok(Restored { ram: Some(ram), segments })
}

/// Copies a segment, its head last, so that a mark never speaks of what is not there.
fn copy(from: &Path, to: &Path) -> Result<(), JournalError> {
    let source = File::open(from).map_err(JournalError::io(from, "open"))?;
    let target = OpenOptions::new().write(true).open(to).map_err(JournalError::io(to, "open"))?;
    let len = source.metadata().map_err(JournalError::io(from, "look at"))?.len();
    let mut buffer = vec![0; 1 << 20];
    let mut at = HEAD_LEN as u64;
    let mut copy = |at: u64, len: u64| -> Result<u64, JournalError> {
        let len = len.min(buffer.len() as u64);
        let bytes = buffer.get_mut(..len as usize).unwrap_or(&mut []);
        source.read_exact_at(bytes, at).map_err(JournalError::io(from, "read"))?;
        // What is zero in RAM is zero on the disk, which has a prefix of it.
        if bytes.iter().any(|byte| *byte != 0) {
            target.write_all_at(bytes, at).map_err(JournalError::io(to, "write"))?;
        }
        Ok(len)
    };
    while at < len {
        at += copy(at, len - at)?;
    }
    target.sync_all().map_err(JournalError::io(to, "sync"))?;
    copy(0, HEAD_LEN as u64)?;
    target.sync_all().map_err(JournalError::io(to, "sync"))
}

impl Restored {
    /// Clears RAM after recovery. Files that a reader may still have mapped get the seal that recovery gave, so that the
    /// reader goes on to the next segment.
    ///
    /// # Errors
    /// Where a file cannot be written or removed.
    pub(in crate::journal) fn clear(self, dir: &Path) -> Result<(), JournalError> {
        let link = dir.join(LINK);
        let Some(ram) = self.ram else {
            // A link that came with a copy of another journal leads nowhere that concerns this one.
            return if link.is_symlink() { remove(&link) } else { Ok(()) };
        };
        for index in self.segments {
            seal_like(dir, &segment_path(&ram, index), index)?;
        }
        if ram.is_dir() {
            for index in segment_indices(&ram)? {
                remove(&segment_path(&ram, index))?;
            }
            unfinished_paths(&ram)?.iter().try_for_each(|path| remove(path))?;
            std::fs::remove_dir(&ram).map_err(JournalError::io(&ram, "remove"))?;
        }
        remove(&link)?;
        sync_dir(dir)
    }
}

fn seal_like(dir: &Path, path: &Path, index: u64) -> Result<(), JournalError> {
    // Recovery has removed a segment that had not begun, and `repair` may have set one aside.
    if !segment_path(dir, index).exists() {
        return Ok(());
    }
    let Some(seal) = ReadSegment::open_on_disk(dir, index, None)?.seal(Crc32c::detect())? else {
        return Ok(());
    };
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(JournalError::io(path, "open"))?;
    let mut map = WriteMap::new(&file, HEAD_LEN).map_err(JournalError::io(path, "map"))?;
    if ReadSegment::open_at(path.to_path_buf(), index, None)?.seal(Crc32c::detect())?.is_none() {
        let published = publish_mark(&mut map, &seal, Crc32c::detect());
        debug_assert!(published.is_some(), "the head always lies in the map");
    }
    Ok(())
}

/// Removes the directory in RAM and its link when a run has ended and nothing is left in it.
///
/// # Errors
/// Where they cannot be removed.
pub(in crate::journal) fn leave(dir: &Path, ram: &Path) -> Result<(), JournalError> {
    match std::fs::remove_dir(ram) {
        Ok(()) => remove(&dir.join(LINK)),
        // Not everything is on the disk: the next opening takes it from there.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        Err(error) => Err(JournalError::io(ram, "remove")(error)),
    }
}

/// Removes a file that may be gone already.
pub(in crate::journal) fn remove(path: &Path) -> Result<(), JournalError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(JournalError::io(path, "remove")(error)),
        _ => Ok(()),
    }
}
