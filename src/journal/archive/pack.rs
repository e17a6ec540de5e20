//! Compresses one sealed segment, in steps of bounded work, so that the helper can do it beside its other duties.
//!
//! The segment's records are checked first, so that no damage is archived; then the file is compressed and synced; then
//! what was written is read back, unpacked and compared with the segment byte by byte; only then the file gets its name.

use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use pricewright_core::kernel::record::CELL_LEN;
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use crate::journal::check::{Cursor, used_bytes};
use crate::journal::compressed::{self, compressed_path};
use crate::journal::crc::Crc32c;
use crate::journal::durable::mark::sync_dir;
use crate::journal::error::{Damage, JournalError};
use crate::journal::head::SealMark;
use crate::journal::map::Block;
use crate::journal::segment::ReadSegment;

/// Zstandard's own default.
const LEVEL: i32 = 3;
/// Bytes of a segment between syncs, so that none of them takes long.
const SYNC_EVERY: u64 = 16 << 20;
/// Behind the name of a file that is not whole yet.
const UNFINISHED: &str = ".new";

/// A segment on its way into a compressed file. Dropped before its end, it leaves nothing.
pub(crate) struct Packing {
    source: Source,
    target: PathBuf,
    new: PathBuf,
    buffer: Vec<u8>,
    expected: Vec<u8>,
    phase: Phase,
}

/// The segment and how it ends.
struct Source {
    segment: ReadSegment,
    seal: SealMark,
    /// Bytes that are archived: up to and with the end cell.
    len: u64,
}

enum Phase {
    Check { cursor: Cursor, offset: usize },
    Pack { encoder: Encoder<'static, File>, at: u64 },
    Compare { decoder: Decoder<'static, BufReader<File>>, at: u64 },
    Done { bytes: u64 },
}

impl Packing {
    /// Begins to pack the sealed, plain segment `index` of `dir` into `to`; `step` bytes are handled at once.
    pub(crate) fn start(dir: &Path, to: &Path, index: u64, step: usize) -> Result<Self, JournalError> {
        let (source, cursor, offset) = Source::of(ReadSegment::open_on_disk(dir, index, None)?)?;
        let target = compressed_path(to, index);
        let mut new = target.as_os_str().to_owned();
        new.push(UNFINISHED);
        Ok(Self {
            source,
            target,
            new: PathBuf::from(new),
            buffer: vec![0; step.max(CELL_LEN)],
            expected: vec![0; step.max(CELL_LEN)],
            phase: Phase::Check { cursor, offset },
        })
    }

    /// Does a part of the work. The compressed file's size once it is whole and has its name.
    ///
    /// # Errors
    /// Where the segment is damaged, or what was written is not what was read, or the system refuses.
    pub(crate) fn step(&mut self) -> Result<Option<u64>, JournalError> {
        match &mut self.phase {
            Phase::Check { cursor, offset } => {
                if self.source.check(cursor, offset, self.buffer.len())? {
                    self.phase = Phase::Pack { encoder: self.source.encoder(&self.new)?, at: 0 };
                }
                Ok(None)
            }
            Phase::Pack { encoder, at } => {
                let chunk = self.source.read(*at, &mut self.buffer)?;
                encoder.write_all(chunk).map_err(JournalError::io(&self.new, "write"))?;
                let before = *at;
                *at += chunk.len() as u64;
                if *at == self.source.len {
                    self.compare()?;
                } else if before / SYNC_EVERY != *at / SYNC_EVERY {
                    encoder.get_ref().sync_data().map_err(JournalError::io(&self.new, "sync"))?;
                }
                Ok(None)
            }
            Phase::Compare { decoder, at } => {
                let count = decoder
                    .read(&mut self.buffer)
                    .map_err(|error| compressed::undecodable(&self.new, error))?;
                let written = self.buffer.get(..count).unwrap_or(&[]);
                let expected = self.expected.get_mut(..count).unwrap_or(&mut []);
                if count == 0 || written != self.source.read(*at, expected)? {
                    return Err(compressed::unpacked(
                        &self.new,
                        *at,
                        "what was written is not what was read",
                    ));
                }
                *at += count as u64;
                if *at == self.source.len { self.publish().map(Some) } else { Ok(None) }
            }
            Phase::Done { bytes } => Ok(Some(*bytes)),
        }
    }

    /// Ends the frame and begins to read it back.
    fn compare(&mut self) -> Result<(), JournalError> {
        let done = Phase::Done { bytes: 0 };
        if let Phase::Pack { encoder, .. } = std::mem::replace(&mut self.phase, done) {
            let file = encoder.finish().map_err(JournalError::io(&self.new, "write"))?;
            file.sync_all().map_err(JournalError::io(&self.new, "sync"))?;
        }
        let file = File::open(&self.new).map_err(JournalError::io(&self.new, "open"))?;
        if compressed::content_len(&file, &self.new)? != self.source.len {
            return Err(compressed::unpacked(&self.new, 0, "its frame says another size"));
        }
        self.phase = Phase::Compare { decoder: compressed::decoder(file, &self.new)?, at: 0 };
        Ok(())
    }

    fn publish(&mut self) -> Result<u64, JournalError> {
        if let Phase::Compare { decoder, at } = std::mem::replace(&mut self.phase, Phase::Done { bytes: 0 }) {
            compressed::check_end(decoder, &self.new, at)?;
        }
        let bytes = std::fs::metadata(&self.new).map_err(JournalError::io(&self.new, "look at"))?.len();
        std::fs::rename(&self.new, &self.target).map_err(JournalError::io(&self.target, "name"))?;
        sync_dir(self.target.parent().unwrap_or(Path::new(".")))?;
        self.phase = Phase::Done { bytes };
        Ok(bytes)
    }
}

/// Checks every record of a sealed segment, and that they end as its seal says.
pub(super) fn check_records(segment: ReadSegment) -> Result<(), JournalError> {
    let (source, mut cursor, mut offset) = Source::of(segment)?;
    source.check(&mut cursor, &mut offset, usize::MAX).map(drop)
}

impl Source {
    /// A sealed segment, and where its records begin.
    fn of(segment: ReadSegment) -> Result<(Self, Cursor, usize), JournalError> {
        let crc = Crc32c::detect();
        let (Some(begin), Some(seal)) = (segment.begin(crc)?, segment.seal(crc)?) else {
            return Err(segment.damaged(0, 0, Damage::NotSealed));
        };
        let cursor = Cursor { next_seq: begin.base_seq, last_now: begin.base_now, last_kind: 0 };
        let offset = segment.records_offset();
        let len = seal.end.saturating_add(CELL_LEN as u64);
        if len > segment.len as u64 {
            return Err(segment.damaged(segment.len, seal.last_seq, Damage::Cut));
        }
        Ok((Self { segment, seal, len }, cursor, offset))
    }

    /// Checks records of about `budget` bytes. True where the last one was good and the seal is right.
    fn check(&self, cursor: &mut Cursor, offset: &mut usize, budget: usize) -> Result<bool, JournalError> {
        let segment = &self.segment;
        let stop = offset.saturating_add(budget);
        while (*offset as u64) < self.seal.end && *offset < stop {
            let damage = match segment.block(*offset) {
                Block::Cells(cells) => match cursor.accept(cells, &segment.catalogue, Crc32c::detect()) {
                    Ok(record) => {
                        *offset += record.cells().len() * CELL_LEN;
                        continue;
                    }
                    Err(damage) => damage,
                },
                Block::Empty => Damage::Missing,
                Block::Impossible => Damage::Length,
                Block::Outside => Damage::Cut,
            };
            return Err(segment.damaged(*offset, cursor.next_seq, damage));
        }
        if (*offset as u64) < self.seal.end {
            return Ok(false);
        }
        let ends = (self.seal.end, self.seal.last_seq, self.seal.last_now, self.seal.last_kind);
        if ends != (*offset as u64, cursor.last_seq(), cursor.last_now, cursor.last_kind) {
            return Err(segment.damaged(
                *offset,
                cursor.next_seq,
                Damage::Mark("seal: not the last record's"),
            ));
        }
        // The end cell, and what a crash between seal and cut may have left behind it.
        if used_bytes(&segment.copy_from(*offset)?) > 0 {
            return Err(segment.damaged(*offset, cursor.next_seq, Damage::NotZero));
        }
        Ok(true)
    }

    fn encoder(&self, new: &Path) -> Result<Encoder<'static, File>, JournalError> {
        let file = File::options().write(true).create(true).truncate(true).open(new);
        let file = file.map_err(JournalError::io(new, "create"))?;
        let set_up = || {
            let mut encoder = Encoder::new(file, LEVEL)?;
            encoder.include_checksum(true)?;
            encoder.include_contentsize(true)?;
            encoder.set_pledged_src_size(Some(self.len))?;
            Ok(encoder)
        };
        set_up().map_err(JournalError::io(new, "begin"))
    }

    /// The segment's bytes from `at` on, as many as `buffer` and the end allow.
    fn read<'a>(&self, at: u64, buffer: &'a mut [u8]) -> Result<&'a [u8], JournalError> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        let chunk = buffer.get_mut(..want).unwrap_or(&mut []);
        let path = &self.segment.path;
        self.segment.file.read_exact_at(chunk, at).map_err(JournalError::io(path, "read"))?;
        Ok(chunk)
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        // Done with nothing written is where an error came in between two phases.
        if !matches!(self.phase, Phase::Done { bytes: 1.. } | Phase::Check { .. }) {
            // What cannot be removed keeps a name that says that it is not whole.
            let _kept = std::fs::remove_file(&self.new);
        }
    }
}
