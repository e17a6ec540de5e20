//! A snapshot: everything that a restart needs of the journal up to one record, so that only the tail is followed.
//!
//! One file, `snapshot-SEQ.pws`, described byte by byte in `docs/journal-format.md`: a head of fixed width, the canonical
//! configuration, the sources' positions with the dictionary, the driver's state, and BLAKE3 over all of it. It says which
//! record it stands behind by that record's sequence, stamp, run and commit word (whose checksum covers the record), so
//! that a snapshot of another journal, or of records that a crash of the machine took back, is known as such.
//!
//! A snapshot is a short cut and never the truth: whoever cannot use one (damage, another build, another configuration,
//! ahead of the journal) passes it over, says why, and takes an older one, or the whole journal.

use std::path::{Path, PathBuf};

use pricewright_core::kernel::machine::{read_state, write_state};
use pricewright_core::kernel::{Driver, Machine, Nanos, RecordRef, Text, state_hash_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::follow::{Follower, Progress};
use crate::journal::{JournalError, MAX_NUMBER, Reader};
use crate::pipeline::resume::Resume;

pub mod dir;

const MAGIC: [u8; 8] = *b"PWSNAPSH";
/// The format that this build writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;
const ENDIAN_MARK: u32 = 0x0a0b_0c0d;
const HEAD_LEN: usize = size_of::<Head>();
const HASH_LEN: usize = blake3::OUT_LEN;
/// In [`Head::flags`]: the record is the end of a run that ended cleanly.
const CLEAN_STOP: u64 = 1;

/// The record that a snapshot stands behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its sequence; the tail begins with the next.
    pub seq: u64,
    /// Its stamp.
    pub now: Nanos,
    /// Its commit word: checksum and length.
    pub commit: u64,
    /// The run that wrote it.
    pub run: u64,
}

impl Place {
    /// Behind `record` of run `run`.
    pub fn behind(record: &RecordRef<'_>, run: u64) -> Self {
        let header = record.header();
        Self { seq: header.seq, now: header.now, commit: header.commit, run }
    }
}

/// Whose state a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The machine's name.
    pub machine: Text<24>,
    /// [`Machine::STATE_VERSION`].
    pub state_version: u32,
    /// The journal's id, as the heads of its segments have it.
    pub journal_id: [u8; 16],
    /// BLAKE3 of the machine's part of the configuration.
    pub config_hash: [u8; 32],
    /// BLAKE3 that names the build.
    pub build_hash: [u8; 32],
}

/// A snapshot in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Where in the journal.
    pub place: Place,
    /// True where the record there ends a run that ended cleanly.
    pub clean_stop: bool,
    /// Whose state.
    pub identity: Identity,
    /// How far the journal was followed.
    pub progress: Progress,
    /// Canonical configuration of the run that took it.
    pub config: String,
    /// Where every source stands, and the dictionary.
    pub resume: Resume,
    /// Machine, timers and stamp, as [`Driver::snapshot`] gives them.
    pub state: Vec<u8>,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Head {
    magic: [u8; 8],
    format_version: u32,
    endian_mark: u32,
    seq: u64,
    now: Nanos,
    commit: u64,
    run: u64,
    flags: u64,
    cause: u64,
    cause_now: Nanos,
    run_events: u64,
    run_decisions: u64,
    events: u64,
    decisions: u64,
    machine: Text<24>,
    state_version: u32,
    spare: u32,
    journal_id: [u8; 16],
    config_hash: [u8; 32],
    build_hash: [u8; 32],
    state_hash: [u8; 32],
    config_len: u64,
    resume_len: u64,
    state_len: u64,
}

const _: () = assert!(HEAD_LEN == 272);

/// Why a snapshot is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The file cannot be read.
    #[error("cannot be read ({0})")]
    Unreadable(String),
    /// It does not begin as a snapshot does.
    #[error("is not a snapshot")]
    NotASnapshot,
    /// A newer build wrote it.
    #[error("has format {0}; this build reads up to {FORMAT_VERSION}")]
    Newer(u32),
    /// Its hash or lengths are not those of its bytes.
    #[error("is damaged ({0})")]
    Damaged(&'static str),
    /// It is of another journal, or of records that this one does not hold any more.
    #[error("is not of this journal ({0})")]
    OtherJournal(&'static str),
    /// It stands behind a record that the journal does not hold yet.
    #[error("is ahead of the journal, which ends at record {0}")]
    Ahead(u64),
    /// The records behind it were removed, up to this one.
    #[error("is too old: the journal begins at record {0}")]
    TooOld(u64),
    /// Another machine's.
    #[error("is of machine {0}")]
    OtherMachine(String),
    /// Another configuration of the machine.
    #[error("was taken under another [config]")]
    OtherConfig,
    /// Another build, and not at a clean stop.
    #[error("was taken by another build, and not at a clean stop")]
    OtherBuild,
    /// Another layout of the machine's state.
    #[error("holds the machine's state in layout {0}, which this build does not read")]
    OtherState(u32),
    /// The machine refuses the state.
    #[error("cannot be restored ({0})")]
    Refused(String),
    /// What the machine makes of it is another state.
    #[error("does not give the same state again when it is restored")]
    NotTheSame,
    /// From it on, the machine decides otherwise than the journal.
    #[error("leads to other decisions than the journal's, at record {0}")]
    Diverged(u64),
}

impl Unfit {
    /// True where the file itself is of no use to any build: it is set aside when the journal is opened for writing.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::NotASnapshot | Self::Damaged(_) | Self::OtherJournal(_) | Self::Ahead(_) | Self::TooOld(_)
        )
    }
}

impl Snapshot {
    /// The file's bytes.
    ///
    /// # Errors
    /// Where the positions cannot be written (a path that is not UTF-8).
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let mut resume = Vec::new();
        write_state(&self.resume, &mut resume).map_err(|error| error.to_string())?;
        let (place, progress, identity) = (&self.place, &self.progress, &self.identity);
        let head = Head {
            magic: MAGIC,
            format_version: FORMAT_VERSION,
            endian_mark: ENDIAN_MARK,
            seq: place.seq,
            now: place.now,
            commit: place.commit,
            run: place.run,
            flags: if self.clean_stop { CLEAN_STOP } else { 0 },
            cause: progress.cause.0,
            cause_now: progress.cause.1,
            run_events: progress.run_events,
            run_decisions: progress.run_decisions,
            events: progress.events,
            decisions: progress.decisions,
            machine: identity.machine,
            state_version: identity.state_version,
            spare: 0,
            journal_id: identity.journal_id,
            config_hash: identity.config_hash,
            build_hash: identity.build_hash,
            state_hash: state_hash_of(&self.state),
            config_len: self.config.len() as u64,
            resume_len: resume.len() as u64,
            state_len: self.state.len() as u64,
        };
        let parts = [head.as_bytes(), self.config.as_bytes(), &resume, &self.state];
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + HASH_LEN);
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        Ok(bytes)
    }

    /// Reads what [`Self::to_bytes`] wrote, every byte checked.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unfit> {
        let body = checked_body(bytes)?;
        let (head, rest) = Head::read_from_prefix(body).map_err(|_| Unfit::Damaged("length"))?;
        if head.endian_mark != ENDIAN_MARK || head.spare != 0 || head.flags & !CLEAN_STOP != 0 {
            return Err(Unfit::Damaged("head"));
        }
        let numbers = [head.seq, head.run, head.run_events, head.run_decisions, head.events, head.decisions];
        // What is read goes on from them.
        if numbers.iter().any(|number| *number > MAX_NUMBER) {
            return Err(Unfit::Damaged("head"));
        }
        let (config, rest) = split(rest, head.config_len)?;
        let (resume, rest) = split(rest, head.resume_len)?;
        let (state, rest) = split(rest, head.state_len)?;
        if !rest.is_empty() || state_hash_of(state) != head.state_hash {
            return Err(Unfit::Damaged("lengths or state hash"));
        }
        let config = core::str::from_utf8(config).map_err(|_| Unfit::Damaged("configuration"))?;
        let resume: Resume =
            read_state(resume).map_err(|error| Unfit::Refused(format!("positions: {error}")))?;
        Ok(Self {
            place: Place { seq: head.seq, now: head.now, commit: head.commit, run: head.run },
            clean_stop: head.flags & CLEAN_STOP != 0,
            identity: Identity {
                machine: head.machine,
                state_version: head.state_version,
                journal_id: head.journal_id,
                config_hash: head.config_hash,
                build_hash: head.build_hash,
            },
            progress: Progress {
                cause: (head.cause, head.cause_now),
                run_events: head.run_events,
                run_decisions: head.run_decisions,
                events: head.events,
                decisions: head.decisions,
            },
            config: config.to_owned(),
            resume,
            state: state.to_vec(),
        })
    }

    /// BLAKE3 of the state, as a run's end record would hold it here.
    pub fn state_hash(&self) -> [u8; 32] {
        state_hash_of(&self.state)
    }

    /// A follower that stands behind [`Self::place`].
    ///
    /// # Errors
    /// Where it is another machine's, the machine refuses the state, or makes another one of it.
    pub fn follower<M: Machine>(&self, config: &M::Config) -> Result<Follower<M>, Unfit> {
        if self.identity.machine.as_str() != M::NAME {
            return Err(Unfit::OtherMachine(self.identity.machine.as_str().to_owned()));
        }
        if self.identity.state_version != M::STATE_VERSION {
            return Err(Unfit::OtherState(self.identity.state_version));
        }
        let driver =
            Driver::<M>::restore(config, &self.state).map_err(|error| Unfit::Refused(error.to_string()))?;
        let again = driver.snapshot().map_err(|error| Unfit::Refused(error.to_string()))?;
        // Catches most states of another layout that happen to be readable.
        if again != self.state {
            return Err(Unfit::NotTheSame);
        }
        Ok(Follower::resumed(driver, self.progress))
    }

    /// A reader of the journal in `dir` that gives the record behind [`Self::place`] next. Walks through one segment.
    ///
    /// # Errors
    /// Where the snapshot is not of this journal, or what lies before its place is damaged.
    pub fn reader(&self, dir: &Path) -> Result<Reader, Unfit> {
        let Place { seq, now, commit, run } = self.place;
        let unreadable = |error: JournalError| Unfit::Unreadable(error.to_string());
        match Reader::from_seq(dir, seq) {
            Ok(mut reader) => {
                let found = reader.next_record().map_err(unreadable)?.map(|record| *record.header());
                let Some(header) = found else { return self.ahead_of(reader, seq.saturating_sub(1)) };
                if (header.seq, header.now, header.commit, reader.head().run) != (seq, now, commit, run) {
                    return Err(Unfit::OtherJournal("its last record is another one there"));
                }
                self.of_the_same(reader)
            }
            Err(JournalError::NoSuchRecord { first, .. }) if Some(first) == seq.checked_add(1) => {
                let reader = Reader::from_seq(dir, first).map_err(unreadable)?;
                if reader.last_now() == now {
                    self.of_the_same(reader)
                } else {
                    Err(Unfit::OtherJournal("its last record's stamp is another one there"))
                }
            }
            Err(JournalError::NoSuchRecord { last, .. }) if last < seq => {
                self.ahead_of(Reader::open(dir).map_err(unreadable)?, last)
            }
            Err(JournalError::NoSuchRecord { first, .. }) => Err(Unfit::TooOld(first)),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Of a journal that ends at record `last`, or of another one.
    fn ahead_of(&self, reader: Reader, last: u64) -> Result<Reader, Unfit> {
        self.of_the_same(reader).and(Err(Unfit::Ahead(last)))
    }

    fn of_the_same(&self, reader: Reader) -> Result<Reader, Unfit> {
        if reader.head().journal_id == self.identity.journal_id {
            Ok(reader)
        } else {
            Err(Unfit::OtherJournal("the journal has another id"))
        }
    }
}

/// BLAKE3 of the machine's part of a configuration, which alone its state depends on.
///
/// # Errors
/// Where it has no TOML form.
pub fn config_hash<M: Machine>(config: &M::Config) -> Result<[u8; 32], String> {
    let text = toml::to_string(&M::lasting(config)).map_err(|error| error.to_string())?;
    Ok(*blake3::hash(text.as_bytes()).as_bytes())
}

/// Everything but the hash, which must be that of it. Magic and version are looked at first, as a newer format may have
/// no hash there.
fn checked_body(bytes: &[u8]) -> Result<&[u8], Unfit> {
    if bytes.get(..8) != Some(MAGIC.as_slice()) {
        return Err(Unfit::NotASnapshot);
    }
    let version = bytes.get(8..12).and_then(|bytes| u32::read_from_bytes(bytes).ok());
    match version {
        None => return Err(Unfit::Damaged("length")),
        Some(version) if version > FORMAT_VERSION => return Err(Unfit::Newer(version)),
        Some(0) => return Err(Unfit::Damaged("head")),
        Some(_) => {}
    }
    let (body, hash) = bytes.split_last_chunk::<HASH_LEN>().ok_or(Unfit::Damaged("length"))?;
    if blake3::hash(body).as_bytes() != hash {
        return Err(Unfit::Damaged("hash"));
    }
    Ok(body)
}

fn split(bytes: &[u8], len: u64) -> Result<(&[u8], &[u8]), Unfit> {
    let len = usize::try_from(len).map_err(|_| Unfit::Damaged("lengths"))?;
    bytes.split_at_checked(len).ok_or(Unfit::Damaged("lengths"))
}

/// A snapshot that was not used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The file.
    pub path: PathBuf,
    /// The record that its name says.
    pub seq: u64,
    /// Why.
    pub why: Unfit,
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "snapshot {} {}", self.seq, self.why)
    }
}

#[cfg(test)]
pub(crate) mod tests;
