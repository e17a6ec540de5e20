//! Holds the seals of a journal against what its bytes give.

use std::path::{Path, PathBuf};

use super::chain::Wanted;
use super::error::{Damage, JournalError};
use super::keys::PublicKey;
use super::seal::{Seal, read_seal, seal_numbers, seal_path};

/// A seal that lies beside the journal, right in itself.
#[derive(Clone, Debug)]
pub struct SealFound {
    /// The statement's file.
    pub path: PathBuf,
    /// What it states.
    pub seal: Seal,
    /// Whether the journal is what was sealed.
    pub verdict: SealVerdict,
}

/// Whether a journal is what a seal vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealVerdict {
    /// Every byte up to the sealed record.
    Holds,
    /// What it sealed was removed by retention; nothing can be said.
    Gone,
    /// It was not looked at, because the journal is damaged.
    NotJudged,
}

/// The seals of a journal.
#[derive(Debug, Default)]
pub(super) struct Seals {
    pub(super) found: Vec<SealFound>,
    /// The first that is not right in itself.
    pub(super) error: Option<JournalError>,
}

/// What the journal turned out to be.
pub(super) struct Judged<'a> {
    pub(super) dir: &'a Path,
    pub(super) journal_id: [u8; 16],
    pub(super) first_segment: u64,
    pub(super) last_seq: u64,
}

impl Seals {
    pub(super) fn read(dir: &Path) -> Result<Self, JournalError> {
        let mut seals = Self::default();
        for number in seal_numbers(dir)? {
            match read_seal(dir, number) {
                Ok(seal) => {
                    let (path, verdict) = (seal_path(dir, number, "txt"), SealVerdict::NotJudged);
                    seals.found.push(SealFound { path, seal, verdict });
                }
                Err(error) => seals.error = seals.error.or(Some(error)),
            }
        }
        Ok(seals)
    }

    /// The links that they vouch for, in their order.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        let of = |found: &SealFound| {
            let reach = &found.seal.reach;
            Wanted { segment: reach.segment, entries: reach.entries, found: None }
        };
        self.found.iter().map(of).collect()
    }

    /// Judges them by the links that were found.
    ///
    /// # Errors
    /// The first seal that the journal does not fit; with `key`, also where none is by that key.
    pub(super) fn judge(
        &mut self,
        wanted: &[Wanted],
        journal: &Judged<'_>,
        key: Option<&PublicKey>,
    ) -> Result<(), JournalError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        for (found, wanted) in self.found.iter_mut().zip(wanted) {
            found.verdict = verdict(&found.seal, wanted, journal)
                .map_err(|what| JournalError::damaged(&found.path, 0, 0, Damage::Seal(what)))?;
        }
        match key {
            Some(key) if !self.found.iter().any(|found| found.seal.key == *key) => {
                Err(JournalError::damaged(journal.dir, 0, 0, Damage::NoSealBy(self.strangers(key))))
            }
            _ => Ok(()),
        }
    }

    fn strangers(&self, key: &PublicKey) -> String {
        let mut keys: Vec<String> = self.found.iter().map(|found| found.seal.key.to_string()).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return format!("there is no seal; none by key {key}");
        }
        format!("no seal is by key {key}; they are by {}", keys.join(", "))
    }
}

fn verdict(seal: &Seal, wanted: &Wanted, journal: &Judged<'_>) -> Result<SealVerdict, String> {
    let reach = &seal.reach;
    if seal.journal_id != journal.journal_id {
        return Err("the seal is of another journal".to_owned());
    }
    match wanted.found {
        Some((link, last_seq)) if link == reach.link && last_seq == reach.last_seq => Ok(SealVerdict::Holds),
        Some(_) => Err(format!(
            "the journal is not the one that was sealed: records up to {} were altered or replaced, and their hash chain \
             was made anew",
            reach.last_seq
        )),
        None if reach.segment < journal.first_segment => Ok(SealVerdict::Gone),
        None => Err(format!(
            "the journal was cut behind its seal: it is sealed up to record {}, and ends at {}",
            reach.last_seq, journal.last_seq
        )),
    }
}
