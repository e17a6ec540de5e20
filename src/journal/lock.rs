//! Who writes a journal: one process at a time, held to that by a lock on its directory.
//!
//! The directory itself is locked: nobody can take that away from a run that uses it, as the file `lock` in it can be
//! removed. A directory that was moved keeps its lock, and another in its place is another journal. The file is locked too:
//! earlier builds look at nothing else, and neither do file systems (NFS) that lock files only. Readers need neither.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::error::JournalError;
use crate::io::bounded::open_regular_with;

const NAME: &str = "lock";

/// A journal that nobody else writes for as long as this, or a clone of it, lives.
#[derive(Debug)]
pub(crate) struct JournalLock {
    /// `None` where the file system locks no directories.
    dir: Option<File>,
    file: File,
}

impl JournalLock {
    /// The same lock once more: it ends with the last of them.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        let dir = self.dir.as_ref().map(File::try_clone).transpose()?;
        Ok(Self { dir, file: self.file.try_clone()? })
    }
}

/// Takes the lock of the journal in `dir`.
///
/// # Errors
/// [`JournalError::Locked`] where another has it; what the file system says where the file cannot be made or locked.
pub(crate) fn lock(dir: &Path) -> Result<JournalLock, JournalError> {
    let in_use = || JournalError::Locked { path: dir.to_path_buf() };
    // Where the directory cannot be opened or locked, the file says whether, and why, the journal cannot be used.
    let directory = match open_dir(dir).map(|file| (file.try_lock(), file)) {
        Ok((Ok(()), file)) => Some(file),
        Ok((Err(TryLockError::WouldBlock), _)) => return Err(in_use()),
        Ok((Err(TryLockError::Error(_)), _)) | Err(_) => None,
    };
    let path = dir.join(NAME);
    let file = open_regular_with(OpenOptions::new().create(true).truncate(false).write(true), &path);
    let file = file.map_err(JournalError::io(&path, "open"))?;
    match file.try_lock() {
        Ok(()) => Ok(JournalLock { dir: directory, file }),
        Err(TryLockError::WouldBlock) => Err(in_use()),
        Err(TryLockError::Error(error)) => Err(JournalError::io(&path, "lock")(error)),
    }
}

/// Whether a process writes the journal in `dir`. Where nobody can say, nobody does.
pub(crate) fn is_locked(dir: &Path) -> bool {
    let is_held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(dir.join(NAME));
    open_dir(dir).is_ok_and(is_held) || file.is_ok_and(is_held)
}

fn open_dir(dir: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(dir)
}
