//! Where a replay begins: at the journal's beginning, or behind a snapshot.
//!
//! Any snapshot of this journal that this build can restore will do, whichever build took it: what follows is compared all
//! the same, and a snapshot that is not what the machine would have come to shows at the next decision, or at the latest at
//! the run's end.

use std::path::Path;

use pricewright_core::kernel::Machine;

use super::follow::Follower;
use super::snapshot::{PassedOver, Unfit, config_hash, dir};
use crate::error::{Error, Result};
use crate::journal::{JournalError, Reader};
use crate::pipeline::memory;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beginning {
    /// The journal's beginning; where its first segments were removed, the oldest snapshot that leads on from there.
    #[default]
    First,
    /// The newest snapshot.
    Newest,
    /// The snapshot behind this record.
    Behind(u64),
    /// The newest snapshot that stands before this record; where there is none, as [`Self::First`].
    Before(u64),
}

/// A machine and a reader that stand at the same place.
#[derive(Debug)]
pub struct Begun<M> {
    /// The machine.
    pub follower: Follower<M>,
    /// Gives the next record.
    pub reader: Reader,
    /// The record that the snapshot stands behind; `None` at the journal's beginning.
    pub from: Option<u64>,
    /// The run of that record; 0 at the journal's beginning.
    pub run: u64,
    /// True where that record ends a run that ended cleanly.
    pub clean_stop: bool,
}

/// A machine where `beginning` says, in the journal in `dir`.
///
/// # Errors
/// Where the journal cannot be read, or what is asked for is not there.
pub fn begin<M: Machine>(dir: &Path, config: &M::Config, beginning: Beginning) -> Result<Begun<M>> {
    memory::check(&M::memory(config), memory::available()).map_err(Error::Usage)?;
    let seqs = dir::snapshot_seqs(dir)?;
    let newest_first = |below: u64| seqs.iter().rev().copied().filter(move |seq| *seq < below);
    match beginning {
        Beginning::First => first(dir, config, &seqs),
        Beginning::Newest => any(dir, config, newest_first(u64::MAX)).map_err(|passed| none(dir, &passed)),
        Beginning::Behind(seq) => behind(dir, config, seq).map_err(|why| {
            Error::Usage(format!("{}: the snapshot behind record {seq} {why}", dir.display()))
        }),
        Beginning::Before(seq) => {
            any(dir, config, newest_first(seq)).or_else(|_none_before| first(dir, config, &seqs))
        }
    }
}

fn first<M: Machine>(dir: &Path, config: &M::Config, seqs: &[u64]) -> Result<Begun<M>> {
    match Reader::from_seq(dir, 1) {
        Ok(reader) => {
            let follower = Follower::new(config).map_err(Error::Usage)?;
            Ok(Begun { follower, reader, from: None, run: 0, clean_stop: false })
        }
        Err(JournalError::NoSuchRecord { first, .. }) if first > 1 => {
            any(dir, config, seqs.iter().copied()).map_err(|passed| none(dir, &passed))
        }
        Err(error) => Err(error.into()),
    }
}

/// The first of `seqs` that fits.
fn any<M: Machine>(
    dir: &Path,
    config: &M::Config,
    seqs: impl Iterator<Item = u64>,
) -> core::result::Result<Begun<M>, Vec<PassedOver>> {
    let mut passed = Vec::new();
    for seq in seqs {
        match behind(dir, config, seq) {
            Ok(begun) => return Ok(begun),
            Err(why) => passed.push(PassedOver { path: dir::snapshot_path(dir, seq), seq, why }),
        }
    }
    Err(passed)
}

fn behind<M: Machine>(dir: &Path, config: &M::Config, seq: u64) -> core::result::Result<Begun<M>, Unfit> {
    let snapshot = dir::read(dir, seq)?;
    if config_hash::<M>(config).as_ref() != Ok(&snapshot.identity.config_hash) {
        return Err(Unfit::OtherConfig);
    }
    let follower = snapshot.follower::<M>(config)?;
    let (run, clean_stop) = (snapshot.place.run, snapshot.clean_stop);
    Ok(Begun { follower, reader: snapshot.reader(dir)?, from: Some(seq), run, clean_stop })
}

fn none(dir: &Path, passed: &[PassedOver]) -> Error {
    let why: Vec<String> = passed.iter().map(ToString::to_string).collect();
    let why = if why.is_empty() { "there is none".to_owned() } else { why.join("; ") };
    Error::Usage(format!("{}: no snapshot can be begun from ({why})", dir.display()))
}

#[cfg(test)]
mod tests;
