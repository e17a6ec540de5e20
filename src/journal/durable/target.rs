//! A segment's file on disk, written in whole pages behind the page cache.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::device::{Device, SystemDevice};
use crate::journal::error::JournalError;
use crate::journal::map::PAGE;

/// Bytes that go to the disk in one write at most.
const BUFFER_LEN: usize = 1 << 20;

/// A page of memory on a page's boundary, as `O_DIRECT` asks for.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
struct Page([u8; PAGE]);

/// Pages to be written.
pub(super) struct Pages {
    pages: Box<[Page]>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pages({})", self.pages.len())
    }
}

impl Pages {
    pub(super) fn zeroed(len: usize) -> Self {
        Self { pages: vec![Page([0; PAGE]); len.div_ceil(PAGE)].into_boxed_slice() }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.pages.as_mut_bytes()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.pages.as_bytes()
    }
}

/// The file with the image of its last page, which is written again until it is full.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    file: File,
    direct: bool,
    buffer: Pages,
    /// Where in the file the buffer begins; a multiple of a page.
    start: u64,
    /// Bytes in the buffer.
    len: usize,
}

impl Target {
    /// Opens the segment's file at `path`; records begin at `records_offset`.
    pub(super) fn open(path: &Path, records_offset: u64) -> Result<Self, JournalError> {
        let (file, direct) = open_synchronous(path, true)?;
        let buffer = Pages::zeroed(BUFFER_LEN);
        Ok(Self { path: path.to_path_buf(), file, direct, buffer, start: records_offset, len: 0 })
    }

    /// False where the file system has no writes behind the page cache.
    pub(super) fn is_direct(&self) -> bool {
        self.direct
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Takes a block to be written behind those taken before. False where the buffer is full.
    pub(super) fn take(&mut self, block: &[u8]) -> bool {
        let room = self.buffer.bytes_mut().get_mut(self.len..self.len + block.len());
        let Some(room) = room else { return false };
        room.copy_from_slice(block);
        self.len += block.len();
        true
    }

    /// Writes what was taken, zero up to the page's end, and waits until it is on the disk. Returns the bytes written.
    pub(super) fn write(&mut self, device: &mut dyn Device) -> io::Result<usize> {
        let end = self.len.next_multiple_of(PAGE);
        if let Some(rest) = self.buffer.bytes_mut().get_mut(self.len..end) {
            rest.fill(0);
        }
        let start = self.start;
        self.write_pages(device, end, start)?;
        let full = self.len - self.len % PAGE;
        self.buffer.bytes_mut().copy_within(full..self.len, 0);
        self.start += full as u64;
        self.len -= full;
        Ok(end)
    }

    /// Writes `page`, the segment's head, and waits until it is on the disk.
    pub(super) fn write_head(&mut self, device: &mut dyn Device, page: &Pages) -> io::Result<usize> {
        let bytes = page.bytes();
        self.reopening(device, bytes, 0)?;
        Ok(bytes.len())
    }

    fn write_pages(&mut self, device: &mut dyn Device, len: usize, offset: u64) -> io::Result<()> {
        let buffer = std::mem::replace(&mut self.buffer, Pages { pages: Box::default() });
        let written = self.reopening(device, buffer.bytes().get(..len).unwrap_or(&[]), offset);
        self.buffer = buffer;
        written
    }

    /// Where the file system takes the flag and then refuses the write, as some do, goes on without the flag: the refused
    /// write wrote nothing.
    fn reopening(&mut self, device: &mut dyn Device, bytes: &[u8], offset: u64) -> io::Result<()> {
        match write_all(device, &self.file, bytes, offset) {
            Err(error) if self.direct && error.raw_os_error() == Some(libc::EINVAL) => {
                let (file, _) = open_synchronous(&self.path, false).map_err(io::Error::other)?;
                (self.file, self.direct) = (file, false);
                write_all(device, &self.file, bytes, offset)
            }
            written => written,
        }
    }
}

/// A short write is gone on with; an error is final.
fn write_all(device: &mut dyn Device, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match device.write_at(file, rest, offset + done as u64) {
            // Only whole pages can be gone on behind; less is a disk that takes no more.
            Ok(count) if count < PAGE => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count - count % PAGE,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes zeros over `size` allocated bytes of the file at `path`. A file system notes for each block that was allocated and
/// never written that it is to be read as zero, and a synchronous write into one waits until that note is changed too.
pub(in crate::journal) fn fill(path: &Path, size: u64) -> Result<(), JournalError> {
    let complain = |action| JournalError::io(path, action);
    let open = |flags| OpenOptions::new().write(true).custom_flags(flags).open(path);
    let file = match open(libc::O_DIRECT) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => open(0),
        opened => opened,
    };
    let file = file.map_err(complain("open"))?;
    let zeros = Pages::zeroed(BUFFER_LEN);
    let mut at = 0;
    while at < size {
        let len = (size - at).min(BUFFER_LEN as u64);
        let bytes = zeros.bytes().get(..len as usize).unwrap_or(&[]);
        write_all(&mut SystemDevice, &file, bytes, at).map_err(complain("fill"))?;
        at += len;
    }
    Ok(())
}

fn open_synchronous(path: &Path, direct: bool) -> Result<(File, bool), JournalError> {
    let open = |flags| OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
    if direct {
        match open(libc::O_DIRECT | libc::O_DSYNC) {
            Ok(file) => return Ok((file, true)),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            Err(error) => return Err(JournalError::io(path, "open")(error)),
        }
    }
    open(libc::O_DSYNC).map(|file| (file, false)).map_err(JournalError::io(path, "open"))
}

#[cfg(test)]
mod tests;
