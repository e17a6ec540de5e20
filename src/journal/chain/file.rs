//! The side file of a segment's chain: `chain-00000001.pwc` beside `journal-00000001.pwj`.
//!
//! A header of 128 bytes, then entries, one behind the other. It is only ever appended to, by the holder of the journal's
//! lock; a crash may leave its last entry unfinished.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use pricewright_core::kernel::record::CELL_LEN;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::link::{BLOCK_LEN, Covers, Digest, Entry, FRONT_LEN, LINK_LEN, TAG_LEN};
use crate::io::bounded;
use crate::journal::archive::Holding;
use crate::journal::crc::Crc32c;
use crate::journal::error::{Damage, JournalError};
use crate::journal::head::{ENDIAN_MARK, FORMAT_VERSION, SegmentHead};
use crate::journal::open::MAX_SEGMENT_SIZE;

const PREFIX: &str = "chain-";
const SUFFIX: &str = ".pwc";
const UNFINISHED: &str = ".new";
const MAGIC: [u8; 8] = *b"PWJCHAIN";
pub(super) const HEADER_LEN: usize = 128;
const CHECK_AT: usize = 120;
/// The entry of a seal mark.
const SEAL_ENTRY_LEN: usize = FRONT_LEN + LINK_LEN;

/// The side file of segment `index` in `dir`.
pub fn chain_path(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{index:08}{SUFFIX}"))
}

/// The numbers of the segments in `dir` that have a side file, rising.
pub(in crate::journal) fn chain_indices(dir: &Path) -> Result<Vec<u64>, JournalError> {
    let mut indices = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(JournalError::io(dir, "list"))? {
        let name = entry.map_err(JournalError::io(dir, "list"))?.file_name();
        let index =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok());
        indices.extend(index.filter(|index| chain_path(dir, *index).file_name() == Some(&name)));
    }
    indices.sort_unstable();
    Ok(indices)
}

/// Those of `holdings` that the hash chain has left behind: their side files are closed and their chain marks made. All of
/// them where no chain is kept.
pub(in crate::journal) fn chained(
    dir: &Path,
    mut holdings: Vec<Holding>,
) -> Result<Vec<Holding>, JournalError> {
    if let Some(last) = chain_indices(dir)?.last() {
        holdings.retain(|holding| holding.index < *last);
    }
    Ok(holdings)
}

/// The name of a side file while it is made.
fn unfinished_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    PathBuf::from(name)
}

/// Removes what a crash left of side files that were being made.
pub(super) fn remove_unfinished(dir: &Path) -> Result<(), JournalError> {
    for entry in std::fs::read_dir(dir).map_err(JournalError::io(dir, "list"))? {
        let entry = entry.map_err(JournalError::io(dir, "list"))?;
        let name = entry.file_name();
        let index = name.to_str().and_then(|name| {
            name.strip_prefix(PREFIX)?.strip_suffix(UNFINISHED)?.strip_suffix(SUFFIX)?.parse::<u64>().ok()
        });
        if index.is_some() {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(JournalError::io(&path, "remove"))?;
        }
    }
    Ok(())
}

/// What a side file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Header {
    magic: [u8; 8],
    format_version: u32,
    endian_mark: u32,
    pub(super) journal_id: [u8; 16],
    pub(super) segment: u64,
    /// Sequence of the segment's first record.
    pub(super) base_seq: u64,
    /// The link in front of the segment.
    pub(super) before: Digest,
    spare: [u8; 40],
    check: u64,
}

impl Header {
    pub(super) fn new(head: &SegmentHead, base_seq: u64, before: Digest) -> Self {
        let mut header = Self {
            magic: MAGIC,
            format_version: FORMAT_VERSION,
            endian_mark: ENDIAN_MARK,
            journal_id: head.journal_id,
            segment: head.index,
            base_seq,
            before,
            ..Self::new_zeroed()
        };
        header.check = header.expected_check();
        header
    }

    fn expected_check(&self) -> u64 {
        let crc = Crc32c::detect().of_bytes(self.as_bytes().get(..CHECK_AT).unwrap_or(&[]));
        u64::from(crc) << 32 | CHECK_AT as u64
    }

    /// The header at the front of the side file `path` of segment `index`.
    pub(super) fn check(bytes: &[u8], path: &Path, index: u64) -> Result<Self, JournalError> {
        let damaged = |what| JournalError::damaged(path, 0, 0, Damage::ChainFile(what));
        let (header, _) = Self::read_from_prefix(bytes).map_err(|_| damaged("it ends within its header"))?;
        if header.magic != MAGIC {
            return Err(damaged("it does not begin with PWJCHAIN"));
        }
        // A newer version may lay out everything behind this field anew, so it is looked at before the checksum.
        if header.format_version > FORMAT_VERSION {
            let (path, found) = (path.to_path_buf(), header.format_version);
            return Err(JournalError::UnknownVersion { path, found, newest: FORMAT_VERSION });
        }
        if header.check != header.expected_check() {
            return Err(damaged("its header's checksum"));
        }
        let fixed = header.format_version > 0 && header.endian_mark == ENDIAN_MARK;
        if !fixed || header.spare.iter().any(|byte| *byte != 0) || header.segment != index {
            return Err(damaged("its header"));
        }
        Ok(header)
    }
}

/// The longest side file: of a segment of the greatest size that holds nothing but records of one cell.
const MAX_LEN: u64 = 256 << 20;
const _: () = {
    let cells = MAX_SEGMENT_SIZE / CELL_LEN as u64;
    let entries = MAX_SEGMENT_SIZE / BLOCK_LEN + 3;
    let room = HEADER_LEN as u64 + cells * TAG_LEN as u64 + entries * (FRONT_LEN + LINK_LEN) as u64;
    assert!(room <= MAX_LEN);
};

/// A side file as it lies there.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    bytes: Vec<u8>,
    /// Behind the last entry that was met.
    at: usize,
    /// The link of that entry.
    link: Digest,
}

/// What a side file says where an entry is expected.
#[derive(Debug)]
pub(super) enum Meeting {
    /// The same.
    Same,
    /// Nothing, or the front of it: the file was not written on.
    Short,
    /// Something else: an entry that is right in itself, so that the segment's bytes are not the chained ones.
    Other(Box<Entry>),
    /// Something that is no entry of this chain.
    Broken,
}

impl Stored {
    /// Reads the side file of segment `index`; `None` where there is none.
    pub(super) fn read(dir: &Path, index: u64) -> Result<Option<Self>, JournalError> {
        let path = chain_path(dir, index);
        let bytes = match bounded::read_regular(&path, MAX_LEN) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(JournalError::io(&path, "read")(error)),
        };
        let header = Header::check(&bytes, &path, index)?;
        Ok(Some(Self { path, header, bytes, at: HEADER_LEN, link: header.before }))
    }

    /// The bytes of entries that were not met yet.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or(&[])
    }

    /// Where they begin in the file.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Holds the next entry against what the file says; goes on where it is the same.
    pub(super) fn meet(&mut self, expected: &Entry) -> Meeting {
        let bytes = expected.to_bytes();
        if self.rest().starts_with(&bytes) {
            self.at += bytes.len();
            self.link = expected.link;
            return Meeting::Same;
        }
        if bytes.starts_with(self.rest()) {
            return Meeting::Short;
        }
        self.next().map_or(Meeting::Broken, |entry| Meeting::Other(Box::new(entry)))
    }

    /// The entry that comes next, where it is right in itself.
    pub(super) fn next(&self) -> Option<Entry> {
        Entry::read(self.rest()).filter(|entry| {
            let follows = self.header.base_seq <= entry.first_seq;
            follows && entry.link == entry.expected_link(&self.link, self.header.segment)
        })
    }

    /// The last record that the entries from here on speak of; 0 where none does.
    pub(super) fn last_seq(mut self) -> u64 {
        let mut last = 0;
        while let Some(entry) = self.next() {
            let records = entry.tags.len() as u64;
            if records > 0 {
                last = entry.first_seq.saturating_add(records - 1);
            }
            self.at += entry.to_bytes().len();
            self.link = entry.link;
        }
        last
    }

    pub(super) fn damaged(&self, seq: u64, what: &'static str) -> JournalError {
        JournalError::damaged(&self.path, self.at, seq, Damage::ChainFile(what))
    }
}

/// The last link of segment `index`, where its side file is closed by the entry of its seal mark. Reads the file's ends
/// only.
pub(super) fn closed_link(dir: &Path, index: u64) -> Result<Option<Digest>, JournalError> {
    let path = chain_path(dir, index);
    let file = match bounded::open_regular(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(JournalError::io(&path, "open")(error)),
    };
    let len = file.metadata().map_err(JournalError::io(&path, "look at"))?.len();
    // The link of the entry before, then the seal mark's.
    let mut tail = [0; LINK_LEN + SEAL_ENTRY_LEN];
    let Some(at) = len.checked_sub(tail.len() as u64).filter(|at| *at >= HEADER_LEN as u64) else {
        return Ok(None);
    };
    file.read_exact_at(&mut tail, at).map_err(JournalError::io(&path, "read"))?;
    let mut rest = tail.as_slice();
    let Some(before) = super::link::take(&mut rest) else { return Ok(None) };
    let closing = Entry::read(rest).filter(|entry| entry.covers == Covers::Seal);
    Ok(closing.filter(|entry| entry.link == entry.expected_link(&before, index)).map(|entry| entry.link))
}

/// A side file that is written on.
#[derive(Debug)]
pub(super) struct Appender {
    path: PathBuf,
    file: File,
    /// Behind what is written for good.
    at: u64,
    /// Entries that were not written yet: the disk may be full for a while.
    waiting: Vec<u8>,
}

impl Appender {
    /// Makes the file anew. It gets its name when its header is there.
    pub(super) fn create(dir: &Path, header: &Header) -> Result<Self, JournalError> {
        let path = chain_path(dir, header.segment);
        let unfinished = unfinished_path(&path);
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&unfinished);
        let file = file.map_err(JournalError::io(&unfinished, "create"))?;
        file.write_all_at(header.as_bytes(), 0).map_err(JournalError::io(&unfinished, "write"))?;
        std::fs::rename(&unfinished, &path).map_err(JournalError::io(&path, "name"))?;
        Ok(Self { path, file, at: HEADER_LEN as u64, waiting: Vec::new() })
    }

    /// Goes on with the file of segment `index`, behind its header.
    pub(super) fn resume(dir: &Path, index: u64) -> Result<Self, JournalError> {
        let path = chain_path(dir, index);
        let file = OpenOptions::new().write(true).open(&path).map_err(JournalError::io(&path, "open"))?;
        Ok(Self { path, file, at: HEADER_LEN as u64, waiting: Vec::new() })
    }

    /// Entries up to `at` are there.
    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at as u64;
    }

    /// Takes an entry; [`Self::flush`] writes it.
    pub(super) fn push(&mut self, entry: &Entry) {
        self.waiting.extend(entry.to_bytes());
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// Where the file system refuses. What waits is kept, and the next call tries again.
    pub(super) fn flush(&mut self) -> Result<(), JournalError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.file.write_all_at(&self.waiting, self.at).map_err(JournalError::io(&self.path, "write"))?;
        self.at += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}

const _: () = assert!(size_of::<Header>() == HEADER_LEN && CHECK_AT + 8 == HEADER_LEN);
