//! The durable position on disk: the file `durable` in the journal's directory.
//!
//! Two slots, written in turn, so that a torn write leaves the other one. The file is written after what it speaks of is
//! durable and never before, so it is a lower bound: behind the position in memory by one write where the process is
//! killed, by up to a second where the machine goes down. Recovery refuses as damaged what it covers and does not find.
//!
//! ```text
//! slot at 0 and at 4096, 64 bytes, the rest of the file zero:
//!  0 u64 commit = crc32c(bytes 8 to 63) << 32 | 64
//!  8 8 bytes "PWDURABL"
//! 16 u64 generation: one more at each write; the higher of the two slots counts, at slot generation % 2
//! 24 u64 durable sequence
//! 32 zero
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::io::bounded;
use crate::journal::crc::Crc32c;
use crate::journal::error::{Damage, JournalError};
use crate::journal::head::MAX_NUMBER;

const NAME: &str = "durable";
const MAGIC: [u8; 8] = *b"PWDURABL";
/// Slots lie in blocks of their own, so that one torn write cannot reach both.
const SLOT_ROOM: u64 = 4096;
const SLOT_LEN: usize = size_of::<Slot>();

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Slot {
    commit: u64,
    magic: [u8; 8],
    generation: u64,
    seq: u64,
    spare: [u64; 4],
}

const _: () = assert!(SLOT_LEN == 64);

impl Slot {
    fn new(generation: u64, seq: u64) -> Self {
        let mut slot = Self { commit: 0, magic: MAGIC, generation, seq, spare: [0; 4] };
        slot.commit = slot.expected();
        slot
    }

    fn expected(&self) -> u64 {
        let bytes = self.as_bytes().get(8..).unwrap_or(&[]);
        u64::from(Crc32c::detect().of_bytes(bytes)) << 32 | SLOT_LEN as u64
    }

    fn is_good(&self) -> bool {
        let possible = self.generation <= MAX_NUMBER && self.seq <= MAX_NUMBER;
        possible && self.magic == MAGIC && self.commit == self.expected() && self.spare == [0; 4]
    }
}

/// The file, in the hands of whoever makes records durable.
#[derive(Debug)]
pub(in crate::journal) struct MarkFile {
    path: PathBuf,
    file: File,
    generation: u64,
}

/// The durable sequence that the journal in `dir` has on disk; `None` where none was ever kept.
///
/// # Errors
/// Where the file is there and cannot be read, or holds no good slot.
pub(in crate::journal) fn read(dir: &Path) -> Result<Option<u64>, JournalError> {
    Ok(newest(&dir.join(NAME))?.map(|slot| slot.seq))
}

fn newest(path: &Path) -> Result<Option<Slot>, JournalError> {
    let bytes = match bounded::read_regular(path, bounded::TEXT) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(JournalError::io(path, "read")(error)),
    };
    let slot_at = |offset: u64| {
        let bytes = bytes.get(offset as usize..)?;
        Slot::read_from_prefix(bytes).ok().map(|(slot, _)| slot).filter(Slot::is_good)
    };
    let newest = [slot_at(0), slot_at(SLOT_ROOM)].into_iter().flatten().max_by_key(|slot| slot.generation);
    match newest {
        Some(slot) => Ok(Some(slot)),
        None => Err(JournalError::damaged(path, 0, 0, Damage::Mark("durable"))),
    }
}

impl MarkFile {
    /// Sets the position to `seq`, whatever was there, synced, and goes on from there.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(in crate::journal) fn create(dir: &Path, seq: u64) -> Result<Self, JournalError> {
        let path = dir.join(NAME);
        // A file without a good slot is replaced: recovery has refused it before, or was told to repair.
        let generation = newest(&path).ok().flatten().map_or(0, |slot| slot.generation);
        let unfinished = dir.join(format!("{NAME}.new"));
        let complain = |action| JournalError::io(&unfinished, action);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&unfinished);
        let file = file.map_err(complain("create"))?;
        // Whole from the start, so that writing it later needs no room.
        file.write_all_at(&[0; 2 * SLOT_ROOM as usize], 0).map_err(complain("write"))?;
        let mut mark = Self { path: unfinished.clone(), file, generation };
        mark.write(seq).and_then(|()| mark.write(seq)).map_err(complain("write"))?;
        mark.sync().map_err(complain("sync"))?;
        std::fs::rename(&unfinished, &path).map_err(complain("name"))?;
        sync_dir(dir)?;
        Ok(Self { path, ..mark })
    }

    /// Writes the next slot. It survives the process from here on, the machine after [`Self::sync`].
    pub(in crate::journal) fn write(&mut self, seq: u64) -> io::Result<()> {
        self.generation += 1;
        let slot = Slot::new(self.generation, seq);
        let offset = self.generation % 2 * SLOT_ROOM;
        self.file.write_all_at(slot.as_bytes(), offset)
    }

    pub(in crate::journal) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(in crate::journal) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the names in `dir` durable.
///
/// # Errors
/// Where the file system refuses.
pub(in crate::journal) fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(JournalError::io(dir, "sync"))
}

#[cfg(test)]
mod tests;
