//! Compressed segments: `journal-N.pwj.zst`, the bytes of a sealed segment as one Zstandard frame (RFC 8878).
//!
//! The frame names its content's size and carries the content's checksum; it has no dictionary, and nothing stands behind
//! it. Its content is the segment's file up to and with the end cell, byte for byte. A reader unpacks it into a file in
//! memory that has no name, and goes on as with any other segment: every check of a plain one is made, and the frame's
//! own before them. Where both files of a segment are there, the plain one counts.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::mem::offset_of;
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use zstd::stream::read::Decoder;
use zstd::zstd_safe::get_frame_content_size;

use super::error::{Damage, JournalError};
use super::head::{HEAD_LEN, SegmentHead};
use super::open::MAX_SEGMENT_SIZE;
use super::segment::segment_path;
use crate::io::bounded;

/// What a compressed segment's name has behind the plain one's.
pub(super) const SUFFIX: &str = ".zst";
/// Bytes unpacked at once.
const CHUNK: usize = 256 << 10;
/// The longest header of a frame.
const FRAME_HEADER: usize = 18;
const FRAME_MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// Bits of the frame header's descriptor: a checksum, and what must be zero (unused, reserved, dictionary).
const HAS_CHECKSUM: u8 = 1 << 2;
const MUST_BE_ZERO: u8 = 1 << 4 | 1 << 3 | 0b11;

/// The compressed file of segment `index` in `dir`.
pub fn compressed_path(dir: &Path, index: u64) -> PathBuf {
    let mut name = segment_path(dir, index).into_os_string();
    name.push(SUFFIX);
    PathBuf::from(name)
}

/// How much of a segment is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Head and catalogue.
    Head,
    /// All of it.
    Whole,
}

/// An unpacked segment.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// In memory, without a name.
    pub(super) file: File,
    /// Bytes of the whole segment, however much of it was unpacked.
    pub(super) len: u64,
    /// Bytes of the compressed file.
    pub(super) file_len: u64,
}

/// Unpacks the compressed segment at `path`.
pub(super) fn unpack(path: &Path, part: Part) -> Result<Unpacked, JournalError> {
    let source = bounded::open_regular(path).map_err(JournalError::io(path, "open"))?;
    let file_len = source.metadata().map_err(JournalError::io(path, "look at"))?.len();
    let len = content_len(&source, path)?;
    let file = memory_file().map_err(JournalError::io(path, "make room in memory for"))?;
    let mut decoder = decoder(source, path)?;
    let mut buffer = vec![0; CHUNK];
    let mut target = match part {
        Part::Whole => len,
        Part::Head => HEAD_LEN as u64,
    };
    let mut done = 0;
    while done < target {
        let want = buffer.len().min(usize::try_from(target - done).unwrap_or(usize::MAX));
        let room = buffer.get_mut(..want).unwrap_or(&mut []);
        let count = decoder.read(room).map_err(|error| undecodable(path, error))?;
        if count == 0 {
            return Err(unpacked(path, done, "its content ends too early"));
        }
        file.write_all_at(room.get(..count).unwrap_or(&[]), done)
            .map_err(JournalError::io(path, "unpack into memory"))?;
        done += count as u64;
        if part == Part::Head && done == HEAD_LEN as u64 {
            target = claimed_records_offset(&file, path)?.clamp(done, len);
        }
    }
    if part == Part::Whole {
        check_end(decoder, path, done)?;
    }
    Ok(Unpacked { file, len, file_len })
}

/// Where the records begin, as a head says that is not checked yet.
fn claimed_records_offset(file: &File, path: &Path) -> Result<u64, JournalError> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, offset_of!(SegmentHead, records_offset) as u64)
        .map_err(JournalError::io(path, "unpack into memory"))?;
    Ok(u64::from_le_bytes(bytes))
}

/// A decoder of the one frame in `source`.
pub(super) fn decoder(source: File, path: &Path) -> Result<Decoder<'static, BufReader<File>>, JournalError> {
    Decoder::new(source).map(Decoder::single_frame).map_err(|error| undecodable(path, error))
}

/// The frame is complete, its checksum right, and nothing follows it.
pub(super) fn check_end(
    mut decoder: Decoder<'static, BufReader<File>>,
    path: &Path,
    done: u64,
) -> Result<(), JournalError> {
    if decoder.read(&mut [0]).map_err(|error| undecodable(path, error))? > 0 {
        return Err(unpacked(path, done, "its content is longer than its frame says"));
    }
    let mut rest = decoder.finish();
    match rest.read(&mut [0]).map_err(JournalError::io(path, "read"))? {
        0 => Ok(()),
        _ => Err(unpacked(path, done, "something stands behind its frame")),
    }
}

/// The content's size as the frame's header has it, with the header's other fields checked.
pub(super) fn content_len(source: &File, path: &Path) -> Result<u64, JournalError> {
    let mut bytes = [0; FRAME_HEADER];
    let len = source.read_at(&mut bytes, 0).map_err(JournalError::io(path, "read"))?;
    let bytes = bytes.get(..len).unwrap_or(&[]);
    let damaged = |what| unpacked(path, 0, what);
    if bytes.get(..FRAME_MAGIC.len()) != Some(&FRAME_MAGIC) {
        return Err(damaged("it does not begin as a Zstandard frame"));
    }
    let descriptor = bytes.get(FRAME_MAGIC.len()).copied().unwrap_or(u8::MAX);
    if descriptor & HAS_CHECKSUM == 0 || descriptor & MUST_BE_ZERO != 0 {
        return Err(damaged("its frame is not as `journal archive` makes it"));
    }
    match get_frame_content_size(bytes) {
        Ok(Some(size)) if (HEAD_LEN as u64..=MAX_SEGMENT_SIZE).contains(&size) => Ok(size),
        _ => Err(damaged("its frame does not say a possible size of its content")),
    }
}

/// What the decoder says of bad bytes is damage; what the system says of the file is not.
pub(super) fn undecodable(path: &Path, error: io::Error) -> JournalError {
    match error.raw_os_error() {
        Some(_) => JournalError::io(path, "read")(error),
        None => unpacked(path, 0, &error.to_string()),
    }
}

pub(super) fn unpacked(path: &Path, done: u64, what: &str) -> JournalError {
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    JournalError::damaged(path, done, 0, Damage::Compressed(what.to_owned()))
}

/// A file in memory, gone when it is closed.
fn memory_file() -> io::Result<File> {
    // SAFETY: a plain system call; the name is a string that ends in zero and lives for ever.
    let descriptor = unsafe { libc::memfd_create(c"journal-segment".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call gave a new descriptor that nobody else has.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}
