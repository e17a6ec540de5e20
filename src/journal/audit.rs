//! Judges and counts a whole journal, without a lock and without changing it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::{Class, Nanos};
use zerocopy::{FromBytes, IntoBytes};

use super::archive::{Removed, removed};
use super::catalogue::Catalogue;
use super::chain::{self, ChainReach};
use super::check::{holds_record_from, used_bytes};
use super::crc::Crc32c;
use super::durable::mark;
use super::error::{Damage, Damaged, JournalError};
use super::keys::PublicKey;
use super::reader::Reader;
use super::repairs::{Repair, repairs};
use super::seal_check::{Judged, SealFound, Seals};
use super::segment::{ReadSegment, segment_indices, segment_path};

/// Where a record's kind lies in it.
const KIND_AT: usize = 24;

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Records.
    pub records: u64,
    /// Bytes of those records, padding included.
    pub record_bytes: u64,
    /// Bytes of the segments' files.
    pub file_bytes: u64,
    /// Segments that have begun.
    pub segments: u64,
    /// How many of them are compressed.
    pub compressed: u64,
    /// Runs that wrote records.
    pub runs: u64,
    /// Sequence of the first record; 0 where there is none.
    pub first_seq: u64,
    /// Sequence of the last record.
    pub last_seq: u64,
    /// Stamp of the first record.
    pub first_now: Nanos,
    /// Stamp of the last record.
    pub last_now: Nanos,
    /// By kind, in the order of their numbers.
    pub kinds: Vec<KindCount>,
}

/// How often a kind occurs.
#[derive(Clone, Debug, PartialEq)]
pub struct KindCount {
    /// Number of the kind.
    pub kind: u16,
    /// Name, as the journal's catalogue has it.
    pub name: String,
    /// What it is to the pipeline.
    pub class: Class,
    /// Records.
    pub records: u64,
    /// Their bytes, padding included.
    pub bytes: u64,
}

/// How a journal ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Its last segment is sealed.
    Sealed,
    /// Its last segment is open: it is being written, or its writer ended without closing.
    Open,
    /// Behind the last record lie bytes of one that was never committed: it is being written, or a crash tore it. Nothing
    /// that was committed is lost; the next opening for writing cuts them.
    Torn {
        /// The segment's file.
        path: PathBuf,
        /// Where the bytes begin.
        offset: u64,
        /// How many there are.
        bytes: u64,
    },
}

/// What [`verify`] found.
#[derive(Debug)]
pub struct Verification {
    /// The verdict.
    pub outcome: Outcome,
    /// What could be read up to the first damage.
    pub stats: Stats,
    /// How far the hash chain goes; `None` where none is kept.
    pub chain: Option<ChainReach>,
    /// The seals that are right in themselves.
    pub seals: Vec<SealFound>,
    /// The journal's id, where it has begun.
    pub journal_id: Option<[u8; 16]>,
    /// The records in front of those that are here, where there were any.
    pub missing: Option<MissingFront>,
    /// What repairs gave up, oldest first, as the list beside the journal says.
    pub repairs: Vec<Repair>,
}

/// Records that a journal had and does not have here any more. All of them stand in the list of what was removed:
/// otherwise the journal is damaged.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingFront {
    /// The last of them; the first is record 1.
    pub last_seq: u64,
    /// The entries of the list that speak of them, rising.
    pub removed: Vec<Removed>,
}

/// The verdict on a journal.
#[derive(Debug)]
pub enum Outcome {
    /// Every byte is as its writer left it.
    Good(Tail),
    /// The first place that is not.
    Damaged(Box<Damaged>),
    /// It cannot be judged: no journal, a format unknown to this build, or files that cannot be read.
    Unusable(JournalError),
}

/// Verifies every byte of the journal in `dir`: records, heads, catalogues, marks, that unused space is zero, the hash chain
/// and the seals.
pub fn verify(dir: &Path) -> Verification {
    verify_by(dir, None)
}

/// As [`verify`]; with `key`, one of the seals must be by it. A seal by another key is only held against itself.
pub fn verify_by(dir: &Path, key: Option<&PublicKey>) -> Verification {
    let mut count = Count::default();
    let mut seals = Seals::default();
    let mut chain = None;
    let walked = check_records(dir, &mut count);
    let judged = judge(dir, walked, key, &count, &mut seals, &mut chain);
    let outcome = match judged {
        Ok(tail) => Outcome::Good(tail),
        Err(JournalError::Damaged(damaged)) => Outcome::Damaged(with_kind(dir, damaged)),
        Err(error) => Outcome::Unusable(error),
    };
    let journal_id = count.journal_id;
    let stats = count.finish();
    let missing = missing_front(dir, stats.first_seq).ok().flatten();
    let repairs = repairs(dir).unwrap_or_default();
    Verification { outcome, stats, chain, seals: seals.found, journal_id, missing, repairs }
}

/// What the walk found, what the chain says, what the seals say: the first damage of all.
fn judge(
    dir: &Path,
    walked: Result<Tail, JournalError>,
    key: Option<&PublicKey>,
    count: &Count,
    seals: &mut Seals,
    chain: &mut Option<ChainReach>,
) -> Result<Tail, JournalError> {
    let walked = match walked {
        // Behind good segments, a file with a segment's name and another beginning is damage.
        Err(JournalError::NotASegment { path }) if count.stats.records > 0 => {
            let damage = Damage::Head("first bytes");
            Err(JournalError::damaged(&path, 0, count.stats.last_seq + 1, damage))
        }
        Err(error @ JournalError::Damaged(_)) => Err(error),
        Err(error) => return Err(error),
        good => good,
    };
    *seals = Seals::read(dir)?;
    let mut wanted = seals.wanted();
    let findings = chain::audit(dir, &mut wanted)?;
    *chain = findings.reach;
    let tail = match (walked, findings.damage) {
        (Err(error), Some(altered)) => return Err(first_of(error, altered)),
        (Ok(_), Some(altered)) => return Err(altered.into()),
        (walked, None) => walked?,
    };
    let journal_id = count.journal_id.unwrap_or_default();
    let first_segment = segment_indices(dir)?.first().copied().unwrap_or(0);
    let repairs = repairs(dir)?;
    let journal =
        Judged { dir, journal_id, first_segment, last_seq: count.stats.last_seq, repairs: &repairs };
    seals.judge(&wanted, &journal, key)?;
    missing_front(dir, count.stats.first_seq)?;
    Ok(tail)
}

/// The records in front of `first_seq`, the first that is here.
///
/// # Errors
/// Where the list of what was removed does not name all of them, or cannot be read.
fn missing_front(dir: &Path, first_seq: u64) -> Result<Option<MissingFront>, JournalError> {
    if first_seq <= 1 {
        return Ok(None);
    }
    let mut removed = removed(dir)?;
    removed.retain(|entry| entry.first_seq < first_seq);
    removed.sort_by_key(|entry| (entry.first_seq, entry.segment));
    let mut next = 1;
    for entry in &removed {
        if entry.first_seq > next {
            break;
        }
        next = next.max(entry.last_seq.saturating_add(1));
    }
    if next >= first_seq {
        return Ok(Some(MissingFront { last_seq: first_seq - 1, removed }));
    }
    Err(JournalError::damaged(dir, 0, next, Damage::Front(first_seq - 1)))
}

/// The one that names the earlier record; the walk's where both name the same, or either names none.
fn first_of(walked: JournalError, altered: Box<Damaged>) -> JournalError {
    match &walked {
        JournalError::Damaged(damaged) if altered.seq > 0 && altered.seq < damaged.seq => altered.into(),
        _ => walked,
    }
}

/// Adds the name of the kind that the bytes at the damage claim to be.
fn with_kind(dir: &Path, mut damaged: Box<Damaged>) -> Box<Damaged> {
    let offset = usize::try_from(damaged.offset).unwrap_or(usize::MAX);
    let index = segment_indices(dir)
        .unwrap_or_default()
        .into_iter()
        .find(|index| segment_path(dir, *index) == damaged.path);
    // Where the segment itself cannot be opened there is no record to name.
    let segment = index.and_then(|index| ReadSegment::open(dir, index, None).ok());
    if let Some(segment) = segment.filter(|segment| damaged.seq > 0 && offset >= segment.records_offset()) {
        let cell = segment.copy(offset, CELL_LEN).unwrap_or_default();
        let kind = cell.as_bytes().get(KIND_AT..KIND_AT + 2).and_then(|kind| u16::read_from_bytes(kind).ok());
        damaged.kind = kind.and_then(|kind| segment.catalogue.kind(kind)).map(|kind| kind.name.clone());
    }
    damaged
}

/// The records, heads, marks and ends, and that everything durable is there.
fn check_records(dir: &Path, count: &mut Count) -> Result<Tail, JournalError> {
    // Read first: a live writer only moves on.
    let durable = mark::read(dir)?;
    let tail = walk(dir, count)?;
    check_ends(dir)?;
    match durable.filter(|durable| *durable > count.stats.last_seq) {
        None => Ok(tail),
        Some(durable) => {
            let seq = count.stats.last_seq + 1;
            Err(JournalError::damaged(dir, 0, seq, Damage::Lost(durable)))
        }
    }
}

/// Counts what the journal in `dir` holds.
///
/// # Errors
/// Where it cannot be read to its end.
pub fn stats(dir: &Path) -> Result<Stats, JournalError> {
    let mut count = Count::default();
    let mut reader = Reader::open(dir)?;
    while count.next(&mut reader)? {}
    Ok(count.finish())
}

/// Reads all records and judges what lies behind the last.
fn walk(dir: &Path, count: &mut Count) -> Result<Tail, JournalError> {
    let mut reader = Reader::open(dir)?;
    loop {
        while count.next(&mut reader)? {}
        match check_tail(dir, &reader) {
            Ok(tail) => return Ok(tail),
            // A live writer may have gone on since the reader stood still: what looked like a hole is its next record.
            Err(error) => {
                if !count.next(&mut reader)? {
                    return Err(error);
                }
            }
        }
    }
}

fn check_tail(dir: &Path, reader: &Reader) -> Result<Tail, JournalError> {
    let crc = Crc32c::detect();
    let segment = reader.segment();
    let end = reader.end();
    if end == 0 {
        return Ok(Tail::Open);
    }
    if segment.seal(crc)?.is_some() {
        return Ok(Tail::Sealed);
    }
    let next_seq = reader.next_seq();
    let rest = segment.copy_from(end)?;
    let bytes = used_bytes(&rest) as u64;
    if holds_record_from(&rest, next_seq, crc) {
        return Err(segment.damaged(end, next_seq, Damage::Missing));
    }
    for index in segment_indices(dir)?.into_iter().filter(|index| *index > segment.head.index) {
        if let Some(later) = ReadSegment::open_if_there(dir, index, Some(segment))?
            && later.begin(crc)?.is_some()
        {
            return Err(segment.damaged(end, next_seq, Damage::NotSealed));
        }
    }
    match bytes {
        0 => Ok(Tail::Open),
        bytes => Ok(Tail::Torn { path: segment.path.clone(), offset: end as u64, bytes }),
    }
}

/// Behind the end of every sealed segment there is the end cell, and nothing but zeros.
fn check_ends(dir: &Path) -> Result<(), JournalError> {
    let crc = Crc32c::detect();
    let mut last = None;
    for index in segment_indices(dir)? {
        let Some(segment) = ReadSegment::open_if_there(dir, index, last.as_ref())? else { continue };
        if let Some(seal) = segment.seal(crc)? {
            let end = usize::try_from(seal.end).unwrap_or(usize::MAX);
            let seq = seal.last_seq.saturating_add(1);
            if segment.len < end.saturating_add(CELL_LEN) {
                return Err(segment.damaged(segment.len, seq, Damage::Cut));
            }
            if used_bytes(&segment.copy_from(end)?) > 0 {
                return Err(segment.damaged(end, seq, Damage::NotZero));
            }
        }
        last = Some(segment);
    }
    Ok(())
}

#[derive(Default)]
struct Count {
    stats: Stats,
    kinds: BTreeMap<u16, KindCount>,
    last_segment: u64,
    last_run: u64,
    journal_id: Option<[u8; 16]>,
}

impl Count {
    /// Counts the next record. False where there is none now.
    fn next(&mut self, reader: &mut Reader) -> Result<bool, JournalError> {
        let found = reader.next_record()?.map(|record| (*record.header(), record.cells().len()));
        self.segment(reader);
        let Some((header, cells)) = found else { return Ok(false) };
        let bytes = (cells * CELL_LEN) as u64;
        if self.stats.records == 0 {
            (self.stats.first_seq, self.stats.first_now) = (header.seq, header.now);
        }
        self.stats.records += 1;
        self.stats.record_bytes += bytes;
        (self.stats.last_seq, self.stats.last_now) = (header.seq, header.now);
        let kind =
            self.kinds.entry(header.kind).or_insert_with(|| new_count(header.kind, reader.catalogue()));
        kind.records += 1;
        kind.bytes += bytes;
        Ok(true)
    }

    fn segment(&mut self, reader: &Reader) {
        let head = reader.head();
        if reader.end() == 0 || head.index == self.last_segment {
            return;
        }
        self.journal_id = Some(head.journal_id);
        self.stats.segments += 1;
        self.stats.file_bytes += reader.segment().file_len;
        self.stats.compressed += u64::from(reader.segment().compressed);
        self.last_segment = head.index;
        if head.run != self.last_run {
            self.stats.runs += 1;
            self.last_run = head.run;
        }
    }

    fn finish(self) -> Stats {
        Stats { kinds: self.kinds.into_values().collect(), ..self.stats }
    }
}

fn new_count(kind: u16, catalogue: &Catalogue) -> KindCount {
    let (name, class) = match catalogue.kind(kind) {
        Some(schema) => (schema.name.clone(), schema.class),
        // The reader gives out no record that its catalogue lacks.
        None => (String::new(), Class::System),
    };
    KindCount { kind, name, class, records: 0, bytes: 0 }
}
