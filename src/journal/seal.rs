//! Seals: a signature over how far a journal's hash chain goes, for whoever does not trust the machine that it came from.
//!
//! A seal is two files in the journal's directory: `seal-00000001.txt`, a statement that people can read, and
//! `seal-00000001.sig`, the 64 bytes of an Ed25519 signature (RFC 8032) over exactly those bytes, so that
//! `openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin -in seal-00000001.txt -sigfile seal-00000001.sig` checks it too.
//! The statement names one link of the chain, and a link vouches for every byte in front of it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::audit::{Outcome, Verification, verify};
use super::chain::{ChainReach, Digest, Mend, settle};
use super::error::{Damage, JournalError};
use super::head::FORMAT_VERSION;
use super::keys::{PublicKey, SIGNATURE_LEN, SigningKey};
use super::lock::lock;
use crate::io::bounded;

const PREFIX: &str = "seal-";
const TITLE: &str = "pricewright journal seal 1";
const KEYS: [&str; 9] = [
    "journal",
    "format",
    "first-record",
    "last-record",
    "segment",
    "entries",
    "chain-head",
    "sealed-at",
    "key",
];

/// What a seal states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The journal's id.
    pub journal_id: [u8; 16],
    /// The format it is written in.
    pub format_version: u32,
    /// How far its chain went.
    pub reach: ChainReach,
    /// The signer's wall clock, ns since the Unix epoch.
    pub sealed_at: jiff::Timestamp,
    /// Whose signature stands beside it.
    pub key: PublicKey,
}

/// A seal that was made.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The statement's file; the signature lies beside it.
    pub path: PathBuf,
    /// What it states.
    pub seal: Seal,
    /// Sequence of the journal's last record: those behind the seal's are not sealed.
    pub last_seq: u64,
}

/// Seals the journal in `dir` as far as its chain goes, with the time `now`.
///
/// Where nobody writes the journal, its chain is made whole first. A journal that is being written is sealed up to the
/// last record that its writer has chained.
///
/// # Errors
/// Where the journal is damaged or keeps no chain, or a file cannot be written.
pub fn seal(dir: &Path, key: &SigningKey, now: jiff::Timestamp) -> Result<Sealed, JournalError> {
    // Held until the seal is written: nobody begins a run meanwhile.
    let _lock = match lock(dir) {
        Ok(lock) => {
            settle(dir, true, Mend::Refuse, None)?;
            Some(lock)
        }
        Err(JournalError::Locked { .. }) => None,
        Err(error) => return Err(error),
    };
    let Verification { outcome, stats, chain, journal_id, .. } = verify(dir);
    match outcome {
        Outcome::Good(_) => {}
        Outcome::Damaged(damaged) => return Err(JournalError::Damaged(damaged)),
        Outcome::Unusable(error) => return Err(error),
    }
    let chained = chain.filter(|reach| reach.last_seq >= reach.first_seq);
    let (Some(reach), Some(journal_id)) = (chained, journal_id) else {
        return Err(JournalError::NoChain { path: dir.to_path_buf() });
    };
    let seal = Seal { journal_id, format_version: FORMAT_VERSION, reach, sealed_at: now, key: key.public() };
    let text = seal.to_text();
    let number = seal_numbers(dir)?.last().map_or(1, |last| last.saturating_add(1));
    let path = seal_path(dir, number, "txt");
    // The signature first: a statement without one would look like damage.
    write_new(&seal_path(dir, number, "sig"), &key.sign(text.as_bytes()))?;
    write_new(&path, text.as_bytes())?;
    Ok(Sealed { path, seal, last_seq: stats.last_seq })
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(JournalError::io(path, "create"))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(JournalError::io(path, "write"))
}

/// A file of seal `number` in `dir`.
pub(super) fn seal_path(dir: &Path, number: u64, ending: &str) -> PathBuf {
    dir.join(format!("{PREFIX}{number:08}.{ending}"))
}

/// The numbers of the seals in `dir`, rising; half a seal counts.
pub(super) fn seal_numbers(dir: &Path) -> Result<Vec<u64>, JournalError> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(JournalError::io(dir, "list"))? {
        let name = entry.map_err(JournalError::io(dir, "list"))?.file_name();
        let parts = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('.'));
        let Some((number, ending)) = parts else { continue };
        let Some(number) = number.parse().ok().filter(|_| matches!(ending, "txt" | "sig")) else { continue };
        if seal_path(dir, number, ending).file_name() == Some(&name) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Reads seal `number` and checks that the key which it names signed it.
///
/// # Errors
/// Where a half is missing, or was altered.
pub(super) fn read_seal(dir: &Path, number: u64) -> Result<Seal, JournalError> {
    let path = seal_path(dir, number, "txt");
    let altered = |what: &str| JournalError::damaged(&path, 0, 0, Damage::Seal(what.to_owned()));
    let read = |path: &Path, what: &'static str| match bounded::read_regular(path, bounded::TEXT) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(altered(what)),
        Err(error) => Err(JournalError::io(path, "read")(error)),
    };
    let text = read(&path, "the seal's statement is missing, its signature is there")?;
    let signature = read(&seal_path(dir, number, "sig"), "the seal's signature is missing")?;
    let seal =
        Seal::parse(&text).ok_or_else(|| altered("the seal's statement was altered: it cannot be read"))?;
    let signature = <[u8; SIGNATURE_LEN]>::try_from(signature.as_slice())
        .map_err(|_| altered("the seal's signature was altered: it is not 64 bytes long"))?;
    if !seal.key.signed(&text, &signature) {
        return Err(altered("the seal was altered: statement and signature do not fit"));
    }
    Ok(seal)
}

impl Seal {
    /// The statement that is signed: lines of `name = value` in a fixed order.
    pub fn to_text(&self) -> String {
        let reach = &self.reach;
        let values = [
            hex(&self.journal_id),
            self.format_version.to_string(),
            reach.first_seq.to_string(),
            reach.last_seq.to_string(),
            reach.segment.to_string(),
            reach.entries.to_string(),
            hex(&reach.link),
            format!("{:.9}", self.sealed_at),
            self.key.to_string(),
        ];
        let lines = KEYS.iter().zip(values).map(|(key, value)| format!("{key} = {value}\n"));
        format!("{TITLE}\n{}", lines.collect::<String>())
    }

    /// Reads a statement; `None` where it is not exactly as [`Self::to_text`] writes it.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text.lines();
        lines.next().filter(|line| *line == TITLE)?;
        let mut values = KEYS.iter().map(|key| lines.next()?.strip_prefix(*key)?.strip_prefix(" = "));
        let mut value = || values.next().flatten();
        let journal_id = unhex(value()?)?;
        let format_version = value()?.parse().ok()?;
        let first_seq = value()?.parse().ok()?;
        let last_seq = value()?.parse().ok()?;
        let segment = value()?.parse().ok()?;
        let entries = value()?.parse().ok()?;
        let link: Digest = unhex(value()?)?;
        let sealed_at = value()?.parse().ok()?;
        let key = PublicKey::from_bytes(&unhex(value()?)?)?;
        let reach = ChainReach { first_seq, last_seq, segment, entries, link };
        let seal = Self { journal_id, format_version, reach, sealed_at, key };
        (seal.to_text() == text).then_some(seal)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}
