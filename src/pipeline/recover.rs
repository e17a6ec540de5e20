//! Bringing a machine to where a journal ends: the newest snapshot that fits and the tail behind it, or the whole journal.
//!
//! What may be begun from, by which build:
//!
//! | the journal | the same build | another build |
//! | --- | --- | --- |
//! | ended cleanly | any of its snapshots, or one of a clean stop | a snapshot of a clean stop, or the whole journal |
//! | crashed | any of its snapshots, or one of a clean stop | refused, but with `accept` |
//!
//! Whatever it begins from, every decision behind that is made again and held against the journal's. Only with `accept` do
//! differences not end it: then the journal's decisions stand as what was sent, the machine's state is what this build
//! makes of the events, and a [`DivergenceAccepted`](pricewright_core::kernel::table::DivergenceAccepted) record says so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use pricewright_core::kernel::Machine;

use super::resume::Resume;
use crate::error::{Error, Result};
use crate::io::shell;
use crate::journal::{Reader, to_text};
use crate::replay::follow::{Divergence, Follower};
use crate::replay::snapshot::{PassedOver, Unfit, dir};

/// What is to be brought to the end of which journal.
#[derive(Debug)]
pub(super) struct Wanted<'a, M: Machine> {
    /// The journal's directory.
    pub(super) dir: &'a Path,
    /// The machine's configuration.
    pub(super) config: &'a M::Config,
    /// BLAKE3 of that.
    pub(super) config_hash: [u8; 32],
    /// BLAKE3 that names this build.
    pub(super) build_hash: [u8; 32],
    /// The journal's last record.
    pub(super) last_seq: u64,
    /// Go on where this build decides otherwise than the journal says.
    pub(super) accept: bool,
}

/// A machine where the journal ends.
#[derive(Debug)]
pub(super) struct Stands<M> {
    /// The machine, with decisions that the journal does not hold yet pending.
    pub(super) follower: Follower<M>,
    /// Where every source stands.
    pub(super) resume: Resume,
    /// The record behind which the snapshot that it began from stands; `None` where the whole journal was followed.
    pub(super) from: Option<u64>,
    /// Snapshots that were not used.
    pub(super) passed: Vec<PassedOver>,
    /// Where this build decided otherwise, and that was accepted.
    pub(super) conceded: Conceded,
}

/// Differences that were accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Conceded {
    /// The first record that shows one; 0 where there is none.
    pub(super) first: u64,
    /// Records that show one.
    pub(super) records: u64,
}

/// Why a tail could not be followed.
enum Stop {
    /// The machine decides otherwise than the journal.
    Diverged(Box<Divergence>),
    /// Nothing that an older snapshot would mend.
    Fatal(Error),
}

/// Brings the machine to the journal's end.
///
/// # Errors
/// Where the journal cannot be read, the machine decides otherwise than it says (and that is not accepted), or panics on
/// an event of it.
pub(super) fn stand<M: Machine>(wanted: &Wanted<'_, M>) -> Result<Stands<M>> {
    let mut passed = Vec::new();
    for seq in dir::snapshot_seqs(wanted.dir)?.into_iter().rev() {
        let path = dir::snapshot_path(wanted.dir, seq);
        match from_snapshot(wanted, seq)? {
            Ok(stands) => return Ok(Stands { passed, ..stands }),
            Err(why) => passed.push(PassedOver { path, seq, why }),
        }
    }
    whole(wanted, passed)
}

/// From the snapshot behind record `seq`, or why it is passed over.
fn from_snapshot<M: Machine>(
    wanted: &Wanted<'_, M>,
    seq: u64,
) -> Result<core::result::Result<Stands<M>, Unfit>> {
    let opened = dir::read(wanted.dir, seq).and_then(|snapshot| {
        let identity = &snapshot.identity;
        if identity.config_hash != wanted.config_hash {
            return Err(Unfit::OtherConfig);
        }
        if identity.build_hash != wanted.build_hash && !snapshot.clean_stop && !wanted.accept {
            return Err(Unfit::OtherBuild);
        }
        let follower = snapshot.follower::<M>(wanted.config)?;
        Ok((follower, snapshot.reader(wanted.dir)?, snapshot.resume))
    });
    let (mut follower, reader, mut resume) = match opened {
        Ok(opened) => opened,
        Err(why) => return Ok(Err(why)),
    };
    match follow_tail(wanted, reader, &mut follower, &mut resume) {
        Ok(conceded) => Ok(Ok(Stands { follower, resume, from: Some(seq), passed: Vec::new(), conceded })),
        Err(Stop::Diverged(found)) => Ok(Err(Unfit::Diverged(found.seq()))),
        Err(Stop::Fatal(error)) => Err(error),
    }
}

fn whole<M: Machine>(wanted: &Wanted<'_, M>, passed: Vec<PassedOver>) -> Result<Stands<M>> {
    let reasons =
        |passed: &[PassedOver]| passed.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let reader = match Reader::from_seq(wanted.dir, 1) {
        Err(crate::journal::JournalError::NoSuchRecord { first, .. }) if first > 1 => {
            let why = if passed.is_empty() { "there is none".to_owned() } else { reasons(&passed) };
            return Err(Error::Usage(format!(
                "{}: the journal begins at record {first}, and no snapshot leads on from there ({why}); restore the \
                 removed segments or the snapshot from a copy, or choose another directory (--journal DIR)",
                wanted.dir.display()
            )));
        }
        reader => reader?,
    };
    let mut follower = Follower::<M>::new(wanted.config).map_err(Error::Usage)?;
    let mut resume = Resume::default();
    match follow_tail(wanted, reader, &mut follower, &mut resume) {
        Ok(conceded) => Ok(Stands { follower, resume, from: None, passed, conceded }),
        Err(Stop::Fatal(error)) => Err(error),
        Err(Stop::Diverged(found)) => Err(Error::Diverged(format!(
            "{}: recovery stops at record {}: this build decides otherwise than the journal says; `pricewright replay {} \
             --verify` shows both sides; recover with the build that wrote it, or go on with this build's own state \
             (--accept-divergence, which is journalled)",
            wanted.dir.display(),
            found.seq(),
            shell::word(wanted.dir)
        ))),
    }
}

/// Follows what `reader` gives up to the journal's last record.
fn follow_tail<M: Machine>(
    wanted: &Wanted<'_, M>,
    mut reader: Reader,
    follower: &mut Follower<M>,
    resume: &mut Resume,
) -> core::result::Result<Conceded, Stop> {
    let mut conceded = Conceded::default();
    while reader.next_seq() <= wanted.last_seq {
        let next = reader.next_record().map_err(|error| Stop::Fatal(error.into()))?;
        let Some(record) = next else { break };
        resume.take(record);
        let followed = catch_unwind(AssertUnwindSafe(|| match follower.follow(record) {
            Err(found) if wanted.accept => {
                conceded.note(&found);
                follower.concede(record, found)
            }
            followed => followed,
        }));
        match followed {
            Ok(Ok(())) => {}
            Ok(Err(found)) => return Err(Stop::Diverged(found)),
            Err(_) => return Err(Stop::Fatal(panics(wanted.dir, &reader))),
        }
    }
    Ok(conceded)
}

impl Conceded {
    fn note(&mut self, found: &Divergence) {
        if self.records == 0 {
            self.first = found.seq();
        }
        self.records += 1;
    }
}

/// The machine panics on the last record that `reader` gave, as it did when the run ended. Nothing may begin from there
/// with this build, and leaving the event out would make a state that no replay has: another build must take it.
fn panics(dir: &Path, reader: &Reader) -> Error {
    let seq = reader.next_seq().saturating_sub(1);
    let event = reader.last_record().map_or_else(String::new, |record| to_text(&record, reader.catalogue()));
    Error::Failed(format!(
        "{}: the machine panics on event {seq}, as it did before the restart, and nothing is started:\n  {event}\nThis is a \
         bug: start a build that can take the event with `run --accept-divergence` (what differs is journalled), or \
         choose another directory (--journal DIR)",
        dir.display()
    ))
}

#[cfg(test)]
mod tests;
