//! The directory that an archive is kept in: what it holds already, and whether more of this journal goes on there.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::STEP;
use super::holdings::{Holding, holdings};
use super::pack::check_records;
use crate::journal::compressed::{self, compressed_path};
use crate::journal::durable::mark::sync_dir;
use crate::journal::error::JournalError;
use crate::journal::segment::{ReadSegment, segment_indices};

/// An archive that may be added to.
#[derive(Debug)]
pub(crate) struct Target {
    dir: PathBuf,
    held: Vec<Holding>,
}

impl Target {
    /// The archive in `dir`, to which `coming` are to be added.
    pub(crate) fn open(dir: &Path, coming: &[Holding]) -> Result<Self, JournalError> {
        let target = Self { dir: dir.to_path_buf(), held: holdings(dir)? };
        if target.held.len() != segment_indices(dir)?.len() {
            return Err(target.refuse("it holds a journal that is not sealed"));
        }
        let (Some(first), Some(last)) = (coming.first(), target.held.last()) else { return Ok(target) };
        if coming.iter().any(|holding| holding.journal_id != last.journal_id) {
            return Err(target.refuse("it holds another journal"));
        }
        if first.index > last.index.saturating_add(1) {
            return Err(
                target.refuse("segments between what it holds and what the journal still has are missing")
            );
        }
        Ok(target)
    }

    fn find(&self, index: u64) -> Option<&Holding> {
        self.held.iter().find(|held| held.index == index)
    }

    /// True where the archive has this segment.
    pub(crate) fn has(&self, holding: &Holding) -> Result<bool, JournalError> {
        let Some(held) = self.find(holding.index) else { return Ok(false) };
        let place = |holding: &Holding| {
            (holding.journal_id, holding.run, holding.first_seq, holding.last_seq, holding.last_now)
        };
        if place(held) == place(holding) {
            return Ok(true);
        }
        Err(self.refuse("it holds other records under the number of one of this journal's segments"))
    }

    fn refuse(&self, what: &str) -> JournalError {
        let dir = self.dir.display();
        JournalError::Refused(format!(
            "{dir} cannot take this journal's segments: {what}; choose another directory"
        ))
    }
}

/// Copies a segment that is compressed already; it is unpacked and checked first, and the copy compared.
pub(crate) fn copy_packed(dir: &Path, to: &Path, holding: &Holding) -> Result<u64, JournalError> {
    check_records(ReadSegment::open_on_disk(dir, holding.index, None)?)?;
    let (source, target) = (compressed_path(dir, holding.index), compressed_path(to, holding.index));
    let mut new = target.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let bytes = std::fs::copy(&source, &new).map_err(JournalError::io(&new, "copy to"))?;
    File::open(&new).and_then(|file| file.sync_all()).map_err(JournalError::io(&new, "sync"))?;
    if !same_bytes(&source, &new)? {
        return Err(compressed::unpacked(&new, 0, "what was written is not what was read"));
    }
    std::fs::rename(&new, &target).map_err(JournalError::io(&target, "name"))?;
    sync_dir(to)?;
    Ok(bytes)
}

fn same_bytes(a: &Path, b: &Path) -> Result<bool, JournalError> {
    let open = |path: &Path| File::open(path).map_err(JournalError::io(path, "open"));
    let (mut left, mut right) = (open(a)?, open(b)?);
    let (mut expected, mut found) = (vec![0; STEP], vec![0; STEP]);
    loop {
        let count = left.read(&mut expected).map_err(JournalError::io(a, "read"))?;
        let (expected, found) = (expected.get(..count), found.get_mut(..count));
        let (Some(expected), Some(found)) = (expected, found) else { return Ok(false) };
        if count == 0 {
            return Ok(right.read(&mut [0]).map_err(JournalError::io(b, "read"))? == 0);
        }
        right.read_exact(found).map_err(JournalError::io(b, "read"))?;
        if expected != found {
            return Ok(false);
        }
    }
}
