//! What lies in a journal's directory that nothing will be appended to any more.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use pricewright_core::kernel::Nanos;

use crate::journal::compressed::compressed_path;
use crate::journal::crc::Crc32c;
use crate::journal::durable::ram;
use crate::journal::error::JournalError;
use crate::journal::segment::{ReadSegment, segment_indices, segment_path};

/// A sealed segment on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Its number.
    pub index: u64,
    /// The run that wrote it.
    pub run: u64,
    /// The journal that it is of.
    pub journal_id: [u8; 16],
    /// Sequence of its first record.
    pub first_seq: u64,
    /// Sequence of its last record; `first_seq - 1` where it has none.
    pub last_seq: u64,
    /// Stamp of its last record.
    pub last_now: Nanos,
    /// When the file system says that its file was written last.
    pub written: Nanos,
    /// Bytes of its file.
    pub bytes: u64,
    /// True where the file is compressed.
    pub compressed: bool,
}

impl Holding {
    /// Its file in `dir`.
    pub fn path(&self, dir: &Path) -> PathBuf {
        if self.compressed { compressed_path(dir, self.index) } else { segment_path(dir, self.index) }
    }

    /// The sealed segment `index` of `dir`. `None` where it is not there, not sealed, or not complete on the disk.
    ///
    /// # Errors
    /// Where its head cannot be read.
    pub fn read(dir: &Path, index: u64) -> Result<Option<Self>, JournalError> {
        // While it lies in RAM, the file on the disk is on its way.
        if ram::find(dir).is_some_and(|ram| segment_path(&ram, index).exists()) {
            return Ok(None);
        }
        let segment = match ReadSegment::open_head_on_disk(dir, index, None) {
            Err(JournalError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            segment => segment?,
        };
        let crc = Crc32c::detect();
        let (Some(begin), Some(seal)) = (segment.begin(crc)?, segment.seal(crc)?) else { return Ok(None) };
        Ok(Some(Self {
            index,
            run: segment.head.run,
            journal_id: segment.head.journal_id,
            first_seq: begin.base_seq,
            last_seq: seal.last_seq,
            last_now: seal.last_now,
            written: written(&segment)?,
            bytes: segment.file_len,
            compressed: segment.compressed,
        }))
    }
}

/// The sealed segments of `dir` from the first on, rising, up to the first that is not sealed. Reads heads only.
///
/// # Errors
/// Where the directory or a head cannot be read.
pub fn holdings(dir: &Path) -> Result<Vec<Holding>, JournalError> {
    let mut found = Vec::new();
    for index in segment_indices(dir)? {
        match Holding::read(dir, index)? {
            Some(holding) => found.push(holding),
            None => break,
        }
    }
    Ok(found)
}

fn written(segment: &ReadSegment) -> Result<Nanos, JournalError> {
    let path = &segment.path;
    // By its path: what a compressed segment was unpacked into was made just now.
    let metadata = std::fs::metadata(path).map_err(JournalError::io(path, "look at"))?;
    let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
    Ok(Nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos)))
}
