//! What can go wrong with a journal, where, and the mend.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use pricewright_core::kernel::Nanos;
use serde_json::{Value, json};

/// An error of the journal; its text is one sentence with the mend.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}; {}", path.display(), io_mend(action, source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// There is no room for another segment.
    #[error("no room for a segment of {bytes} bytes at {}: {source}; free space there, or choose smaller segments", path.display())]
    DiskFull {
        /// The segment's file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The segment that is written is not in its place any more.
    #[error(
        "{}: somebody removed or replaced the segment that is written, and what is journalled there is gone when the run ends; \
         put it back, or stop the run",
        path.display()
    )]
    Gone {
        /// The segment's file.
        path: PathBuf,
    },
    /// The disk failed where a record was to be made durable.
    #[error(
        "cannot {action} {}: {source}; records up to {durable} are durable, and what follows may not be on the disk though \
         the kernel may call it so, which is why this is not tried again: check the disk, then start again",
        path.display()
    )]
    NotDurable {
        /// The segment's file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The last record that is durable for certain.
        durable: u64,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Another writer has the journal.
    #[error("the journal {} is being written by another process; stop that process, or choose another directory", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The journal's last segment is compressed: it is an archive, which is only read.
    #[error(
        "{} is the journal's last segment and compressed, so this is an archive and cannot be written on; run in \
         another directory, or unpack it (`zstd -d --rm {}`)",
        path.display(), path.display()
    )]
    Archive {
        /// The segment's file.
        path: PathBuf,
    },
    /// There is no segment in the directory.
    #[error("{} holds no journal; check the path, or start a run that writes one", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// The file does not begin as a segment does.
    #[error("{} is not a journal segment (its first bytes are not PWJOURNL); move it out of the directory", path.display())]
    NotASegment {
        /// The file.
        path: PathBuf,
    },
    /// The segment was written in a format that this build does not know.
    #[error("{} has journal format {found}, this build reads up to {newest}; use a newer build", path.display())]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that this build reads.
        newest: u32,
    },
    /// A file that would be written is there already.
    #[error("{} is there already; name another place, or remove it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// What is asked for does not make sense for this journal or build.
    #[error("{0}")]
    Refused(String),
    /// The journal's bytes are not what its writer wrote.
    #[error(transparent)]
    Damaged(#[from] Box<Damaged>),
    /// A setting is out of its range.
    #[error("journal {setting} = {value} is out of range: {range}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
    /// The record's stamp lies before the last one's; it was not written.
    #[error("stamp {now} lies before the last record's {last}; the sequencer's clock must never go back")]
    TimeWentBack {
        /// The refused stamp.
        now: Nanos,
        /// The last record's.
        last: Nanos,
    },
    /// The record's kind, version or length is not in the catalogue; it was not written.
    #[error(
        "kind {kind} version {version} of {len} bytes is not in the catalogue; declare it in the record table"
    )]
    NotInCatalogue {
        /// The record's kind.
        kind: u16,
        /// Its version.
        version: u8,
        /// Header and payload bytes.
        len: usize,
    },
    /// A key's file cannot be used.
    #[error("{}: {what}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// No record of the journal is chained, so that there is nothing to sign.
    #[error("{} has no record in a hash chain yet; keep one ([journal] chain = true), or seal the journal while nobody writes it", path.display())]
    NoChain {
        /// The directory.
        path: PathBuf,
    },
    /// The journal does not hold the sequence that was asked for.
    #[error("the journal {} holds no record {seq}: it has {first} to {last}", path.display())]
    NoSuchRecord {
        /// The directory.
        path: PathBuf,
        /// What was asked for.
        seq: u64,
        /// The first it has.
        first: u64,
        /// The last it has.
        last: u64,
    },
}

/// Where the journal is damaged, and how.
#[derive(Debug, thiserror::Error)]
#[error("{}; {}", self.what(), damage.mend())]
pub struct Damaged {
    /// The segment's file.
    pub path: PathBuf,
    /// Bytes from its start.
    pub offset: u64,
    /// The sequence that was expected there; 0 where none is known.
    pub seq: u64,
    /// How.
    pub damage: Damage,
    /// Name of the record's kind, as the bytes there say it; `None` where no record can be made out.
    pub kind: Option<String>,
}

impl Damaged {
    /// Where and what, without what helps.
    pub fn what(&self) -> String {
        format!("{}{}: {}", self.path.display(), self.place(), self.damage)
    }

    /// Where in the file, as far as that is known.
    fn place(&self) -> String {
        let kind = self.kind.as_ref().map_or(String::new(), |kind| format!(" ({kind})"));
        match (self.offset, self.seq) {
            (0, 0) => String::new(),
            (offset, 0) => format!(": offset {offset}"),
            (offset, seq) => format!(": offset {offset}, expected record {seq}{kind}"),
        }
    }
}

/// How a journal can be damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The file ends before its content does.
    Cut,
    /// The head's checksum, or a byte of it that must be zero.
    Head(&'static str),
    /// The catalogue's checksum, grammar or padding.
    Catalogue(String),
    /// The mark that a segment begins with, or that seals it.
    Mark(&'static str),
    /// The length in a commit word is impossible.
    Length,
    /// The checksum does not match.
    Checksum,
    /// Padding that is not zero.
    Padding,
    /// A sequence other than the next.
    Sequence(u64),
    /// A stamp before the last one.
    Time(Nanos),
    /// A kind that the segment's catalogue does not have.
    Kind(u16),
    /// A version or length other than the catalogue's for this kind.
    Layout(u16),
    /// Nothing is committed where a record must be.
    Missing,
    /// Bytes behind the last record that must be zero.
    NotZero,
    /// A segment does not follow on the one before it.
    Order(&'static str),
    /// A segment that another follows is not sealed.
    NotSealed,
    /// Records up to this sequence were durable, and are not there.
    Lost(u64),
    /// A compressed segment does not unpack to a sealed segment.
    Compressed(String),
    /// The record is right in itself, but not the one that was chained.
    Altered,
    /// One of the records up to this sequence is not the one that was chained.
    AlteredUpTo(u64),
    /// The segment's head or catalogue is not the one that was chained.
    AlteredHead,
    /// A record behind the one that was chained as the segment's last.
    Appended,
    /// Records up to this sequence were chained, and are not there.
    ChainAhead(u64),
    /// The chain's side file itself.
    ChainFile(&'static str),
    /// A seal, or what it vouches for.
    Seal(String),
    /// Records up to this one were removed from the journal's beginning, and no list says so.
    Front(u64),
    /// None of the seals is by the key that was asked for.
    NoSealBy(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("the file ends too early"),
            Self::Head(what) => write!(f, "the segment's head is damaged ({what})"),
            Self::Catalogue(what) => write!(f, "the schema catalogue is damaged ({what})"),
            Self::Mark(what) => write!(f, "a mark in the segment's head is damaged ({what})"),
            Self::Length => f.write_str("the record's length is impossible"),
            Self::Checksum => f.write_str("the record's checksum does not match"),
            Self::Padding => f.write_str("the record's padding is not zero"),
            Self::Sequence(found) => write!(f, "the record has sequence {found}"),
            Self::Time(found) => write!(f, "the record's stamp {found} lies before the last one's"),
            Self::Kind(kind) => write!(f, "kind {kind} is not in the catalogue"),
            Self::Layout(kind) => write!(f, "version or length of kind {kind} is not the catalogue's"),
            Self::Missing => f.write_str("no record is committed, but later ones are"),
            Self::NotZero => f.write_str("bytes behind the last record are not zero"),
            Self::Order(what) => write!(f, "the segment does not follow on the one before ({what})"),
            Self::Lost(durable) => write!(f, "records up to {durable} were durable, and are not there"),
            Self::NotSealed => f.write_str("a later segment follows, but this one was not sealed"),
            Self::Compressed(what) => write!(f, "the compressed segment cannot be unpacked ({what})"),
            Self::Altered => f.write_str(
                "the record was altered: it is not the one that the hash chain vouches for, though its checksum is right",
            ),
            Self::AlteredUpTo(last) => {
                write!(f, "one of the records up to {last} was altered: the hash chain's content is another")
            }
            Self::AlteredHead => {
                f.write_str("the segment's head or catalogue was altered: the hash chain's content is another")
            }
            Self::Appended => f.write_str("the record was added behind the segment's chained end"),
            Self::ChainAhead(last) => {
                write!(f, "the records up to {last} are in the hash chain, but not in the journal")
            }
            Self::ChainFile(what) => write!(f, "the hash chain's file is damaged ({what})"),
            Self::Front(last) => write!(
                f,
                "the journal begins behind record {last}, and what was in front is not in the list of what was removed \
                 (removed.jsonl): somebody took it away"
            ),
            Self::Seal(what) | Self::NoSealBy(what) => f.write_str(what),
        }
    }
}

impl Damage {
    fn mend(&self) -> &'static str {
        match self {
            Self::NotSealed => "opening the journal for writing seals it",
            Self::ChainFile(_) => {
                "restore it from a copy; where it is the last one, `pricewright run FILE --repair` makes it anew"
            }
            Self::Seal(_) => "restore journal and seal from a copy",
            Self::Front(_) => "bring back the segments in front, or the list that names their removal",
            Self::NoSealBy(_) => "name the signer's public key, or get the seal from them",
            _ => {
                "restore the file from a copy, or go on from the last good record with `pricewright run FILE --repair`, which \
                 sets aside what follows it"
            }
        }
    }
}

impl JournalError {
    /// The file or directory that it is about, and where in it.
    pub fn place(&self) -> Option<Value> {
        match self {
            Self::Io { path, .. }
            | Self::DiskFull { path, .. }
            | Self::NotDurable { path, .. }
            | Self::Locked { path }
            | Self::Gone { path }
            | Self::Archive { path }
            | Self::Empty { path }
            | Self::NotASegment { path }
            | Self::UnknownVersion { path, .. }
            | Self::Exists { path }
            | Self::Key { path, .. }
            | Self::NoChain { path }
            | Self::NoSuchRecord { path, .. } => Some(json!({ "file": path.display().to_string() })),
            Self::Damaged(damaged) => Some(json!({
                "file": damaged.path.display().to_string(),
                "offset": damaged.offset,
                "seq": damaged.seq,
            })),
            Self::Refused(_)
            | Self::Setting { .. }
            | Self::TimeWentBack { .. }
            | Self::NotInCatalogue { .. } => None,
        }
    }

    /// What helps, where that is known apart from the sentence.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Io { action, source, .. } => Some(io_mend(action, source).to_owned()),
            Self::Damaged(damaged) => Some(damaged.damage.mend().to_owned()),
            Self::Setting { range, .. } => Some((*range).to_owned()),
            Self::NotDurable { .. } => Some("check the disk, then start again".to_owned()),
            error => help_of(&error.to_string()),
        }
    }

    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_path_buf(), action, source }
    }

    pub(super) fn damaged(path: &Path, offset: usize, seq: u64, damage: Damage) -> Self {
        Self::Damaged(Box::new(Damaged {
            path: path.to_path_buf(),
            offset: offset as u64,
            seq,
            damage,
            kind: None,
        }))
    }
}

/// What helps: a sentence of this program ends with it.
pub(crate) fn help_of(sentence: &str) -> Option<String> {
    sentence.rsplit_once("; ").map(|(_, help)| help.to_owned())
}

fn io_mend(action: &str, source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "grant the user access to it, or choose another directory",
        io::ErrorKind::ReadOnlyFilesystem => "choose a directory on a writable file system",
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space there",
        io::ErrorKind::InvalidInput => "move it away: the journal needs a file of its own there",
        io::ErrorKind::NotADirectory if action == "list" => "name the journal's directory, not a file",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "what is written there needs a directory of its own: name another place"
        }
        _ => "check the path and the disk",
    }
}
