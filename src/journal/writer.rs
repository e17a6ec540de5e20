//! Appends records. The only writer of a journal, held to that by a lock on its directory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pricewright_core::kernel::record::{CELL_LEN, record_len};
use pricewright_core::kernel::{Cell, MAX_CELLS, Nanos, Record, RecordRef, SourceId, write_record};
use rtrb::{Consumer, Producer};
use zerocopy::{FromBytes, IntoBytes};

use super::catalogue::Layouts;
use super::chain::chain_path;
#[cfg(target_arch = "x86_64")]
use super::crc::instruction_word;
use super::crc::{Crc32c, seal, table_word};
use super::durable::DurableWriter;
use super::durable::mark::{self, MarkFile};
use super::error::JournalError;
use super::head::{BeginMark, SealMark, SealedBy, publish_mark};
use super::lock::JournalLock;
use super::map::CellWords;
use super::preallocator::{Shared, Storage, ToHelper};
use super::segment::{ReadSegment, Segment, Template, segment_indices, segment_path};

/// How often the writer tells the helper where it is.
const PROGRESS_STEP: usize = 64 << 10;
/// In place of a number of cells: as many as the record has.
const ANY: usize = 0;

/// The journal's writer.
///
/// An append copies the record once, into the mapped file, and publishes it by its commit word: a few
/// nanoseconds (`pricewright bench journal`), no allocation, no lock, no system call. Only where a segment is full and the helper has not made the next one in time
/// does the append make it itself ([`Writer::stalls`] counts that).
///
/// Dropping the writer is like a crash: everything appended is kept, and the next opening seals it. [`Writer::close`]
/// seals it at once.
#[derive(Debug)]
pub struct Writer {
    segment: Segment,
    /// Where the next record will lie.
    offset: usize,
    /// Where the last one lies; its segment may have been left since.
    last_at: usize,
    /// Records end here at the latest; one cell is left behind for the end cell.
    limit: usize,
    /// Passing this offset, the writer tells the helper.
    report_at: usize,
    last_seq: u64,
    last_now: Nanos,
    crc: Crc32c,
    layouts: Layouts,
    stalls: u64,
    template: Template,
    prepared: Consumer<Box<Segment>>,
    /// The next segment, where the writer had to make it itself.
    spare: Option<Box<Segment>>,
    to_helper: Producer<ToHelper>,
    shared: Arc<Shared>,
    durable: Option<Box<DurableWriter>>,
    /// Held locked for as long as the writer lives.
    lock: JournalLock,
}

/// What the writer is built from.
pub(super) struct Parts {
    pub(super) segment: Segment,
    pub(super) template: Template,
    pub(super) layouts: Layouts,
    pub(super) last_seq: u64,
    pub(super) last_now: Nanos,
    pub(super) prepared: Consumer<Box<Segment>>,
    pub(super) to_helper: Producer<ToHelper>,
    pub(super) shared: Arc<Shared>,
    pub(super) lock: JournalLock,
}

impl Writer {
    pub(super) fn new(parts: Parts) -> Self {
        let records = parts.template.head.records_offset as usize;
        let limit = parts.segment.map.len() - CELL_LEN;
        let mut writer = Self {
            segment: parts.segment,
            offset: records,
            last_at: records,
            limit,
            report_at: 0,
            last_seq: parts.last_seq,
            last_now: parts.last_now,
            crc: Crc32c::detect(),
            layouts: parts.layouts,
            stalls: 0,
            template: parts.template,
            prepared: parts.prepared,
            spare: None,
            to_helper: parts.to_helper,
            shared: parts.shared,
            durable: None,
            lock: parts.lock,
        };
        writer.begin();
        writer
    }

    /// Appends an unstamped record with the sequencer's stamp; returns its sequence. `cause` is, for a decision, how many
    /// records ago its event was; 0 for an event.
    ///
    /// # Errors
    /// Where the stamp goes back, the record is not of the catalogue, or there is no room for another segment. Nothing
    /// was written then, and the writer can go on.
    #[inline]
    pub fn append(&mut self, record: RecordRef<'_>, now: Nanos, cause: u16) -> Result<u64, JournalError> {
        self.append_flagged(record, now, cause, 0)
    }

    /// As [`Self::append`], with `extra_flags` added to the record's own (recovery marks decisions as not sent).
    ///
    /// # Errors
    /// As [`Self::append`].
    #[inline]
    pub fn append_flagged(
        &mut self,
        record: RecordRef<'_>,
        now: Nanos,
        cause: u16,
        extra_flags: u8,
    ) -> Result<u64, JournalError> {
        // The whole append is there for each means of computing the checksum, so that this stands within it and not behind
        // a call; and for the short records, so that their cells are copied without a loop.
        #[cfg(target_arch = "x86_64")]
        if self.crc.is_by_instruction() {
            // SAFETY: the checksum is by the instruction only where this machine has SSE4.2.
            return unsafe {
                match (record.cells().len(), record_len(record.header().commit).is_multiple_of(CELL_LEN)) {
                    (1, true) => self.append_by_instruction::<1, true>(record, now, cause, extra_flags),
                    (1, false) => self.append_by_instruction::<1, false>(record, now, cause, extra_flags),
                    (2, true) => self.append_by_instruction::<2, true>(record, now, cause, extra_flags),
                    (2, false) => self.append_by_instruction::<2, false>(record, now, cause, extra_flags),
                    _ => self.append_by_instruction::<ANY, false>(record, now, cause, extra_flags),
                }
            };
        }
        self.append_by_table(record, now, cause, extra_flags)
    }

    #[inline(never)]
    fn append_by_table(
        &mut self,
        record: RecordRef<'_>,
        now: Nanos,
        cause: u16,
        extra_flags: u8,
    ) -> Result<u64, JournalError> {
        self.append_sealed::<ANY, false>(record, now, cause, extra_flags, table_word)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "sse4.2")]
    fn append_by_instruction<const CELLS: usize, const FULL: bool>(
        &mut self,
        record: RecordRef<'_>,
        now: Nanos,
        cause: u16,
        extra_flags: u8,
    ) -> Result<u64, JournalError> {
        // A closure is compiled with the features of the function around it.
        self.append_sealed::<CELLS, FULL>(record, now, cause, extra_flags, |crc, word| {
            instruction_word(crc, word)
        })
    }

    /// `CELLS` is how many cells the record has, or [`ANY`]; `FULL` says that it fills them.
    #[inline(always)]
    fn append_sealed<const CELLS: usize, const FULL: bool>(
        &mut self,
        record: RecordRef<'_>,
        now: Nanos,
        cause: u16,
        extra_flags: u8,
        step: impl Fn(u32, u64) -> u32,
    ) -> Result<u64, JournalError> {
        let header = record.header();
        let len = record_len(header.commit);
        if now < self.last_now || !self.layouts.admits(header, len) {
            return self.refuse(record, now);
        }
        let cells = if CELLS == ANY { record.cells().len() } else { CELLS };
        // What is rare is left by a call at the end: across a call in between, registers would have to be kept.
        if self.offset.wrapping_add(cells * CELL_LEN) > self.limit {
            return self.roll_and_append(record, now, cause, extra_flags);
        }
        let source = <[CellWords]>::ref_from_bytes(record.cells().as_bytes()).unwrap_or(&[]);
        let (offset, seq) = (self.offset, self.last_seq + 1);
        let (Some((commit, body)), Some(source)) =
            (self.segment.map.block(offset, cells), source.get(..cells))
        else {
            return self.refuse(record, now);
        };
        let kind_to_source = source.first().map_or(0, |[_, _, _, word, ..]| word & (u64::MAX >> 16));
        let last_word = kind_to_source | u64::from(extra_flags) << 24 | u64::from(cause) << 48;
        let crc = seal::<FULL>(body, [seq, now.0.cast_unsigned(), last_word], source, len / 8, step);
        // Release: partner of the acquire in `ReadMap::block`; who sees the word sees the body.
        commit.store(u64::from(crc) << 32 | len as u64, Ordering::Release);
        self.last_at = offset;
        self.offset = offset + cells * CELL_LEN;
        self.last_seq = seq;
        self.last_now = now;
        if self.offset >= self.report_at {
            return self.report_and_give(seq);
        }
        Ok(seq)
    }

    #[cold]
    #[inline(never)]
    fn roll_and_append(
        &mut self,
        record: RecordRef<'_>,
        now: Nanos,
        cause: u16,
        extra_flags: u8,
    ) -> Result<u64, JournalError> {
        self.roll()?;
        self.append_flagged(record, now, cause, extra_flags)
    }

    #[cold]
    #[inline(never)]
    fn report_and_give(&mut self, seq: u64) -> Result<u64, JournalError> {
        self.report();
        Ok(seq)
    }

    /// Lays `record` into cells and appends it.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_record<R: Record>(
        &mut self,
        record: &R,
        source: SourceId,
        flags: u8,
        now: Nanos,
        cause: u16,
    ) -> Result<u64, JournalError> {
        let mut cells = [Cell::ZERO; MAX_CELLS];
        write_record(&mut cells, record, source, flags);
        match RecordRef::first_of(&cells) {
            Some(record) => self.append(record, now, cause),
            None => Err(JournalError::NotInCatalogue { kind: R::KIND, version: R::VERSION, len: R::LEN }),
        }
    }

    /// The last record that was appended, in place. `None` where this writer has appended none.
    #[inline]
    pub fn last_record(&self) -> Option<RecordRef<'_>> {
        let cells = self.offset.saturating_sub(self.last_at) / CELL_LEN;
        RecordRef::first_of(self.segment.map.cells(self.last_at, cells)?)
    }

    /// Sequence of the last record; 0 where there is none.
    #[inline]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Stamp of the last record: the least that the next one may have.
    #[inline]
    pub fn last_now(&self) -> Nanos {
        self.last_now
    }

    /// The run that this writer writes.
    pub fn run(&self) -> u64 {
        self.template.head.run
    }

    /// Number of the segment that is written.
    pub fn segment_index(&self) -> u64 {
        self.segment.index
    }

    /// How often an append had to wait for a segment because the helper was late.
    pub fn stalls(&self) -> u64 {
        self.stalls
    }

    /// Whether the storage can take what comes.
    #[inline]
    pub fn storage(&self) -> Storage {
        self.shared.storage()
    }

    /// Bytes that can be appended without asking the storage for room: what is left of the present segment, or
    /// [`usize::MAX`] where the next one is in hand.
    #[inline]
    pub fn room(&self) -> usize {
        let next_in_hand = self.spare.is_some() || !self.prepared.is_empty();
        if next_in_hand { usize::MAX } else { self.limit.saturating_sub(self.offset) }
    }

    /// True where there is [`Self::room`] for `bytes`. Where the helper was late the next segment is made here, unless it is at
    /// it: then it is not waited for, since the disk may keep it for ever. Where there is no space for a segment the storage
    /// counts as low, and the helper goes on trying.
    #[inline]
    pub fn keep_room(&mut self, bytes: usize) -> bool {
        self.offset + bytes <= self.limit || self.room() >= bytes || self.make_room()
    }

    #[cold]
    fn make_room(&mut self) -> bool {
        if self.shared.storage() == Storage::Low {
            return false;
        }
        if self.shared.is_making() {
            return false;
        }
        match self.make_next() {
            Ok(segment) => self.spare = Some(segment),
            Err(error) => self.shared.run_low(error),
        }
        self.spare.is_some()
    }

    /// Seals the last segment and gives back the unused room.
    ///
    /// # Errors
    /// Where a file cannot be cut or removed. The journal is sealed all the same, and the next opening tidies up.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.seal();
        let unused = self.shared.close(&mut self.prepared);
        // No segment has number 0: the helper has nothing more to fault in.
        self.shared.report(0, 0);
        self.segment.finish(self.offset)?;
        for segment in unused.into_iter().chain(self.spare) {
            segment.discard()?;
        }
        self.durable.map_or(Ok(()), |mut durable| durable.finish())
    }

    /// Ends a run that did not come to anything: its segments are removed, and the journal is what it was before. The
    /// records in front of them stay, durable or not, as they were.
    ///
    /// # Errors
    /// Where a file cannot be written or removed. The journal is good all the same, with the run in it.
    pub fn discard(self) -> Result<(), JournalError> {
        let (dir, run) = (self.template.dir.clone(), self.run());
        // Nobody else may begin before the segments are gone.
        let _lock = self.lock.try_clone().map_err(JournalError::io(&dir, "lock"))?;
        self.close()?;
        let crc = Crc32c::detect();
        let mut of_run = Vec::new();
        for index in segment_indices(&dir)?.into_iter().rev() {
            let segment = ReadSegment::open_head_on_disk(&dir, index, None)?;
            if segment.head.run != run {
                break;
            }
            of_run.push((index, segment.begin(crc)?));
        }
        let Some((_, first)) = of_run.last() else { return Ok(()) };
        if let (Some(begun), Some(durable)) = (first, mark::read(&dir)?) {
            // First, so that nobody misses them.
            MarkFile::create(&dir, durable.min(begun.base_seq.saturating_sub(1)))?;
        }
        for (index, _) in &of_run {
            for path in [segment_path(&dir, *index), chain_path(&dir, *index)] {
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    removed => removed.map_err(JournalError::io(&path, "remove"))?,
                }
            }
        }
        Ok(())
    }

    /// What makes this journal's records durable, once: it wants a thread of its own. `None` in mode `process`, where
    /// nothing does, and when it was taken before. Where nobody takes it, [`Self::close`] makes everything durable.
    pub fn take_durable(&mut self) -> Option<DurableWriter> {
        self.durable.take().map(|durable| *durable)
    }

    /// What makes this journal's records durable, until it is taken.
    pub fn durable(&self) -> Option<&DurableWriter> {
        self.durable.as_deref()
    }

    pub(super) fn set_durable(&mut self, durable: DurableWriter) {
        self.durable = Some(Box::new(durable));
    }

    fn begin(&mut self) {
        self.offset = self.template.head.records_offset as usize;
        self.last_at = self.offset;
        self.report();
        let mark = BeginMark::new(self.last_seq + 1, self.last_now);
        let published = publish_mark(&mut self.segment.map, &mark, self.crc);
        debug_assert!(published.is_some(), "the head always lies in the map");
    }

    fn seal(&mut self) {
        let last_kind = self.last_record().map_or(0, |record| record.header().kind);
        let mark = SealMark::new(self.last_seq, self.last_now, self.offset, last_kind, SealedBy::Writer);
        let published = publish_mark(&mut self.segment.map, &mark, self.crc);
        debug_assert!(published.is_some(), "the head always lies in the map");
    }

    fn report(&mut self) {
        self.report_at = self.offset.saturating_add(PROGRESS_STEP);
        self.shared.report(self.segment.index, self.offset);
    }

    /// Leaves the full segment for the next. The next is in hand before the full one is sealed, so that a disk without
    /// room changes nothing.
    #[cold]
    fn roll(&mut self) -> Result<(), JournalError> {
        let next = self.spare.take().or_else(|| self.prepared.pop().ok());
        let mut next = next.map_or_else(|| self.make_next(), Ok)?;
        self.seal();
        let end = self.offset;
        // The box goes to the helper with the full segment in it, so that nothing is freed here.
        std::mem::swap(&mut self.segment, &mut *next);
        self.begin();
        match self.to_helper.push(ToHelper::Full { segment: next, end }) {
            Ok(()) => Ok(()),
            // The helper is far behind or gone. The segment is sealed; cutting it here costs time, never a record, and
            // where the cut fails the next opening does it.
            Err(rtrb::PushError::Full(ToHelper::Full { segment, end })) => {
                self.stalls += 1;
                segment.finish(end).or_else(|error| self.shared.note(error))
            }
            Err(rtrb::PushError::Full(ToHelper::Made(_))) => Ok(()),
        }
    }

    /// The helper was late. Waits for it where it is at it, makes the segment here where it is not.
    fn make_next(&mut self) -> Result<Box<Segment>, JournalError> {
        self.stalls += 1;
        let shared = Arc::clone(&self.shared);
        let mut state = shared.making();
        if let Ok(segment) = self.prepared.pop() {
            return Ok(segment);
        }
        let index = self.segment.index + 1;
        let segment = self.template.make(index)?;
        state.last_made = index;
        let made = ToHelper::Made(segment.map.prefault());
        // Where the ring is full the segment is merely not pre-faulted.
        drop(self.to_helper.push(made));
        Ok(Box::new(segment))
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self, record: RecordRef<'_>, now: Nanos) -> Result<u64, JournalError> {
        let header = record.header();
        if now < self.last_now {
            return Err(JournalError::TimeWentBack { now, last: self.last_now });
        }
        let len = record_len(header.commit);
        Err(JournalError::NotInCatalogue { kind: header.kind, version: header.version, len })
    }
}
