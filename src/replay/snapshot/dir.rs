//! The snapshots of a journal's directory: listing, writing, keeping the newest.
//!
//! A snapshot is written under the name `….new`, synced, renamed, and its directory synced: a file with a snapshot's name
//! is whole, whatever ends the process or the machine. Of finished ones the newest are kept.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{PassedOver, Snapshot, Unfit};
use crate::error::{Error, Result};
use crate::io::bounded;
use crate::pipeline::memory;

const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".pws";
const UNFINISHED: &str = ".new";
const ASIDE: &str = ".unfit";

/// The file of the snapshot behind record `seq`.
pub fn snapshot_path(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{seq:012}{SUFFIX}"))
}

/// The records that the snapshots in `dir` stand behind, by their names, rising.
///
/// # Errors
/// Where the directory cannot be read.
pub fn snapshot_seqs(dir: &Path) -> Result<Vec<u64>> {
    let mut seqs = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(complain(dir))? {
        let name = entry.map_err(complain(dir))?.file_name();
        let seq: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok());
        // Only the name that we would give.
        seqs.extend(seq.filter(|seq| snapshot_path(dir, *seq).file_name() == Some(&name)));
    }
    seqs.sort_unstable();
    Ok(seqs)
}

/// Reads the snapshot behind record `seq`, every byte checked.
///
/// # Errors
/// Why it is unfit.
pub fn read(dir: &Path, seq: u64) -> core::result::Result<Snapshot, Unfit> {
    let most = memory::available().unwrap_or(u64::MAX);
    let bytes = bounded::read_regular(&snapshot_path(dir, seq), most)
        .map_err(|error| Unfit::Unreadable(error.to_string()))?;
    let snapshot = Snapshot::from_bytes(&bytes)?;
    if snapshot.place.seq == seq { Ok(snapshot) } else { Err(Unfit::Damaged("its name is another record's")) }
}

/// What is known of a snapshot of a journal's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The record it stands behind, by its name.
    pub seq: u64,
    /// The file.
    pub path: PathBuf,
    /// True where it was taken at a clean stop.
    pub clean_stop: bool,
    /// The run that took it; 0 where it is unfit.
    pub run: u64,
    /// BLAKE3 that names the build that took it.
    pub build_hash: [u8; 32],
    /// Why it cannot be used by anybody: its bytes are damaged, or it is not of this journal. `None` where it is good.
    pub unfit: Option<Unfit>,
}

/// Every snapshot in `dir`, rising, each read whole and held against the journal: what retention may rely on. A segment
/// may go once every good snapshot stands at or behind its last record.
///
/// # Errors
/// Where the directory cannot be read.
pub fn list(dir: &Path) -> Result<Vec<Listed>> {
    Ok(snapshot_seqs(dir)?.into_iter().map(|seq| listed(dir, seq)).collect())
}

fn listed(dir: &Path, seq: u64) -> Listed {
    let path = snapshot_path(dir, seq);
    let unfit = |why| Listed {
        seq,
        path: path.clone(),
        clean_stop: false,
        run: 0,
        build_hash: [0; 32],
        unfit: Some(why),
    };
    match read(dir, seq) {
        Err(why) => unfit(why),
        Ok(snapshot) => match snapshot.reader(dir) {
            Err(why) => unfit(why),
            Ok(_) => Listed {
                seq,
                path: path.clone(),
                clean_stop: snapshot.clean_stop,
                run: snapshot.place.run,
                build_hash: snapshot.identity.build_hash,
                unfit: None,
            },
        },
    }
}

/// Snapshots in `dir` behind records that the journal does not hold, which ends at record `last` and has this `id`, where
/// anything of it is left to know that by. Whoever took them, and whoever could go on from them: they say what there was.
///
/// # Errors
/// Where the directory cannot be read.
pub fn ahead(dir: &Path, last: u64, id: Option<[u8; 16]>) -> Result<Vec<PassedOver>> {
    let of_this = |seq: &u64| {
        let snapshot = read(dir, *seq).ok();
        snapshot.is_some_and(|snapshot| id.is_none_or(|id| snapshot.identity.journal_id == id))
    };
    let seqs = snapshot_seqs(dir)?.into_iter().filter(|seq| *seq > last).filter(of_this);
    Ok(seqs.map(|seq| PassedOver { path: snapshot_path(dir, seq), seq, why: Unfit::Ahead(last) }).collect())
}

/// Writes `bytes` as the snapshot behind record `seq`, durably, and keeps the newest `keep` of the directory.
///
/// # Errors
/// Where the file system refuses; the snapshots that were there are untouched then.
pub fn write(dir: &Path, seq: u64, bytes: &[u8], keep: usize) -> Result<PathBuf> {
    let path = snapshot_path(dir, seq);
    let mut unfinished = path.clone().into_os_string();
    unfinished.push(UNFINISHED);
    let unfinished = PathBuf::from(unfinished);
    let written = write_synced(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, &path));
    if let Err(source) = written {
        // The space may be what others wait for; where even this fails, the next prune removes the file.
        let _removed = std::fs::remove_file(&unfinished);
        return Err(complain(&path)(source));
    }
    // Without this the name might not survive a loss of power.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(complain(dir))?;
    prune(dir, keep)?;
    Ok(path)
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes all but the newest `keep` snapshots (at least one is kept), and what was never finished.
fn prune(dir: &Path, keep: usize) -> Result<()> {
    let seqs = snapshot_seqs(dir)?;
    let surplus = seqs.len().saturating_sub(keep.max(1));
    for seq in seqs.iter().take(surplus) {
        let path = snapshot_path(dir, *seq);
        std::fs::remove_file(&path).map_err(complain(&path))?;
    }
    remove_unfinished(dir)
}

/// Removes what a crash left half written. Only for who holds the journal's lock.
///
/// # Errors
/// Where the file system refuses.
pub fn remove_unfinished(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir).map_err(complain(dir))? {
        let path = entry.map_err(complain(dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(PREFIX) && name.ends_with(&format!("{SUFFIX}{UNFINISHED}")) {
            std::fs::remove_file(&path).map_err(complain(&path))?;
        }
    }
    Ok(())
}

/// Renames a snapshot that is of no use to anybody, so that it takes no place among the newest; it is not destroyed, since
/// it may be all that is left of records that a crash of the machine took.
///
/// # Errors
/// Where the file system refuses.
pub fn set_aside(passed: &PassedOver) -> Result<()> {
    let mut aside = passed.path.clone().into_os_string();
    aside.push(ASIDE);
    std::fs::rename(&passed.path, PathBuf::from(aside)).map_err(complain(&passed.path))
}

fn complain(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::File {
        path: path.to_path_buf(),
        source,
        mend: "snapshots need room and write access in the journal's directory; [journal] replica = false does without",
    }
}
