//! Holds the seals of a journal against what its bytes give.

use std::path::{Path, PathBuf};

use super::chain::Wanted;
use super::error::{Damage, JournalError};
use super::keys::PublicKey;
use super::repairs::{Repair, repairs};
use super::seal::{Seal, read_seal, seal_numbers, seal_path};
use crate::io::bounded;

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
    /// Every byte up to the sealed record. Who ended the last segment is not asked: recovery does it anew where the end
    /// that the writer had given it was lost.
    Holds,
    /// What it sealed was removed; nothing can be said.
    Gone,
    /// A repair since then gave up what it sealed, or the chain that vouched for it.
    Repaired,
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
    pub(super) repairs: &'a [Repair],
}

impl Judged<'_> {
    /// True where a repair since `seal` was made gave up something that it sealed.
    fn gave_up(&self, seal: &Seal) -> bool {
        gave_up(self.repairs, seal).next().is_some()
    }

    /// True where a repair since `seal` was made began the journal anew, under another id.
    fn began_anew(&self, seal: &Seal) -> bool {
        gave_up(self.repairs, seal).any(|repair| repair.last_seq == 0 && repair.given_up > 0)
    }
}

/// The repairs since `seal` was made that gave up something which it sealed.
fn gave_up<'a>(repairs: &'a [Repair], seal: &'a Seal) -> impl Iterator<Item = &'a Repair> {
    let sealed_at = seal.sealed_at.as_nanosecond();
    repairs.iter().filter(move |repair| {
        i128::from(repair.repaired_at) >= sealed_at && repair.last_seq < seal.reach.last_seq
    })
}

/// The seal in `dir` that reaches furthest behind `last_seq`, where the journal ends, and how far; `None` where no seal does,
/// or a repair has noted since that records were given up. Seals of other journals than `journal_id` do not count.
///
/// The signature is not asked: a seal that somebody altered is a reason to stop, too. What cannot be read is for
/// [`super::verify`] to judge.
///
/// # Errors
/// What the file system says, and where the list of repairs cannot be read.
pub(crate) fn sealed_beyond(
    dir: &Path,
    journal_id: Option<[u8; 16]>,
    last_seq: u64,
) -> Result<Option<(PathBuf, u64)>, JournalError> {
    let repairs = repairs(dir)?;
    let mut furthest = None;
    for number in seal_numbers(dir)? {
        let path = seal_path(dir, number, "txt");
        let text = bounded::read_regular(&path, bounded::TEXT).ok();
        let Some(seal) = text.and_then(|text| Seal::parse(&text)) else { continue };
        let (is_other, sealed) = (journal_id.is_some_and(|id| id != seal.journal_id), seal.reach.last_seq);
        // A chain that was made anew gave up no record.
        let is_noted = gave_up(&repairs, &seal).any(|repair| repair.given_up > 0);
        if !is_other && !is_noted && sealed > furthest.as_ref().map_or(last_seq, |(_, seq)| *seq) {
            furthest = Some((path, sealed));
        }
    }
    Ok(furthest)
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
            Wanted { segment: reach.segment, entries: reach.entries, found: None, by_writer: None }
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
        if let Some(key) = key
            && let Some(repair) = journal.repairs.last()
        {
            self.sealed_since(key, journal, repair)?;
        }
        match key {
            Some(key) if !self.found.iter().any(|found| found.seal.key == *key) => {
                Err(JournalError::damaged(journal.dir, 0, 0, Damage::NoSealBy(self.strangers(key))))
            }
            _ => Ok(()),
        }
    }

    /// The list of repairs is not signed, so it excuses nothing by itself: where it takes away what a seal vouched for, a
    /// later seal by the same key must hold.
    ///
    /// # Errors
    /// Where there is none.
    fn sealed_since(
        &self,
        key: &PublicKey,
        journal: &Judged<'_>,
        repair: &Repair,
    ) -> Result<(), JournalError> {
        let by_key = || self.found.iter().filter(|found| found.seal.key == *key);
        let excused = by_key().any(|found| found.verdict == SealVerdict::Repaired);
        let since = by_key().any(|found| {
            let later = found.seal.sealed_at.as_nanosecond() > i128::from(repair.repaired_at);
            later && found.verdict == SealVerdict::Holds
        });
        if !excused || since {
            return Ok(());
        }
        let what = format!(
            "the list of repairs says that records behind {} were given up after they were sealed, and no seal by key {key} \
             has been made since that says the same",
            repair.last_seq
        );
        Err(JournalError::damaged(journal.dir, 0, repair.last_seq.saturating_add(1), Damage::NoSealBy(what)))
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
        if journal.began_anew(seal) {
            return Ok(SealVerdict::Repaired);
        }
        return Err("the seal is of another journal".to_owned());
    }
    match wanted.found {
        Some((link, last_seq))
            if last_seq == reach.last_seq && [Some(link), wanted.by_writer].contains(&Some(reach.link)) =>
        {
            Ok(SealVerdict::Holds)
        }
        _ if journal.gave_up(seal) => Ok(SealVerdict::Repaired),
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
