//! Judges and counts a whole journal, without a lock and without changing it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::{Class, Nanos};

use super::catalogue::Catalogue;
use super::check::{holds_record_from, used_bytes};
use super::crc::Crc32c;
use super::durable::mark;
use super::error::{Damage, Damaged, JournalError};
use super::head::{CHAIN_AT, MARK_LEN};
use super::reader::Reader;
use super::segment::{ReadSegment, segment_indices};

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

/// Verifies every byte of the journal in `dir`: records, heads, catalogues, marks, and that unused space is zero.
pub fn verify(dir: &Path) -> Verification {
    let mut count = Count::default();
    let outcome = match judge(dir, &mut count) {
        Ok(tail) => Outcome::Good(tail),
        Err(JournalError::Damaged(damaged)) => Outcome::Damaged(damaged),
        // Behind good segments, a file with a segment's name and another beginning is damage.
        Err(JournalError::NotASegment { path }) if count.stats.records > 0 => {
            let (offset, seq, damage) = (0, count.stats.last_seq + 1, Damage::Head("first bytes"));
            Outcome::Damaged(Box::new(Damaged { path, offset, seq, damage }))
        }
        Err(error) => Outcome::Unusable(error),
    };
    Verification { outcome, stats: count.finish() }
}

fn judge(dir: &Path, count: &mut Count) -> Result<Tail, JournalError> {
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

/// What the records do not say: that each chain mark fits its begin mark, and that behind the end of every sealed segment
/// there is the end cell, and nothing but zeros.
fn check_ends(dir: &Path) -> Result<(), JournalError> {
    let crc = Crc32c::detect();
    let mut last = None;
    for index in segment_indices(dir)? {
        let Some(segment) = ReadSegment::open_if_there(dir, index, last.as_ref())? else { continue };
        match segment.chain(crc)? {
            None if used_bytes(&segment.copy(CHAIN_AT, MARK_LEN)?) > 0 => {
                return Err(segment.damaged(CHAIN_AT, 0, Damage::Mark("chain: never committed")));
            }
            Some(chain)
                if segment
                    .begin(crc)?
                    .is_none_or(|begin| begin.base_seq != chain.last_seq.wrapping_add(1)) =>
            {
                return Err(segment.damaged(CHAIN_AT, 0, Damage::Mark("chain: not of the record before")));
            }
            _ => {}
        }
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
        self.stats.segments += 1;
        self.stats.file_bytes += reader.segment().len as u64;
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
