//! The calls that make bytes durable, behind a trait, so that a test can be the disk that fails.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where bytes become durable.
pub trait Device: fmt::Debug + Send {
    /// Writes `bytes` at `offset` of `file`, which was opened for synchronous writes. Returns how many were written.
    ///
    /// # Errors
    /// What the disk says.
    fn write_at(&mut self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Calls `sync`, which asks the kernel to write changed pages and waits for it.
    ///
    /// # Errors
    /// What the disk says.
    fn sync(&mut self, sync: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDevice;

impl Device for SystemDevice {
    fn write_at(&mut self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    fn sync(&mut self, sync: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        sync()
    }
}
