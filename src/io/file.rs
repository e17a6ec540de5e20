//! A file of framed bytes as a source, at maximum or recorded speed.
//!
//! It knows no format: a callback finds the next frame and, where frames carry one, its stamp. The file is read through
//! a buffer, not mapped, so that a file that is cut short meanwhile is an error and not a signal.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use pricewright_core::kernel::{EventNanos, Nanos};

use super::IoError;

/// True where `path` names a named pipe.
pub fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.file_type().is_fifo())
}

/// The end of a named pipe that is written, which does not block.
///
/// # Errors
/// [`io::ErrorKind::NotConnected`] where nobody reads it; where it cannot be opened.
pub fn open_pipe(path: &Path) -> io::Result<File> {
    let opened = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path);
    opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ENXIO) => io::Error::new(io::ErrorKind::NotConnected, "nobody reads this named pipe"),
        _ => error,
    })
}

/// A new file at `path`. One that is there and holds something is left alone: it may be the only copy of a day. An empty one,
/// a device or a named pipe that is read is written to.
///
/// # Errors
/// Where it cannot be made; [`io::ErrorKind::AlreadyExists`] where one with contents is there; as [`open_pipe`] where nobody
/// reads a pipe, since opening that would wait for a reader.
pub fn create_fresh(path: &Path) -> io::Result<File> {
    // Held while the file is opened: a reader whose only writer goes takes that for the end.
    let _reader_is_there = is_pipe(path).then(|| open_pipe(path)).transpose()?;
    match File::create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let there = std::fs::metadata(path)?;
            if there.is_file() && there.len() > 0 { Err(error) } else { File::create(path) }
        }
        made => made,
    }
}

/// How gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes of the read buffer, and so of the longest frame.
pub const READ_BUFFER_LEN: usize = 1 << 20;

/// What the callback sees at the front of the bytes it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A frame of `len` bytes (at least 1), whole.
    Frame {
        /// Its bytes, with everything that frames it.
        len: usize,
        /// When it was sent, by the source's clock, where it says so.
        stamp: Option<EventNanos>,
    },
    /// The beginning of a frame; whole with these `len` bytes where the file ends behind them.
    LastOrMore {
        /// Its bytes.
        len: usize,
    },
    /// The beginning of a frame.
    More,
    /// Nothing that begins a frame; why.
    Damaged(&'static str),
}

/// How fast frames are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as they are asked for.
    Maximum,
    /// As far apart as their stamps are. A frame without a stamp, or with an earlier one than before, comes at once.
    Recorded,
}

/// What [`FileReplay::next`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// The next frame.
    Frame {
        /// Its bytes.
        bytes: &'a [u8],
        /// Where it begins in the file.
        offset: u64,
        /// Its stamp.
        stamp: Option<EventNanos>,
    },
    /// The next frame is not due before this time.
    NotBefore(Nanos),
    /// All frames were given.
    End,
}

#[derive(Clone, Copy)]
struct Found {
    len: usize,
    stamp: Option<EventNanos>,
}

/// Reads frames from a file or any other reader.
pub struct FileReplay<R, F> {
    reader: R,
    path: PathBuf,
    framer: F,
    pace: Pace,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Where `start` lies in the file.
    offset: u64,
    ended: bool,
    found: Option<Found>,
    /// The first stamp, and the time when it was met.
    origin: Option<(EventNanos, Nanos)>,
}

/// What a file is read through: itself, or what unpacks it.
pub type FileBytes = Box<dyn Read + Send>;

impl<F: FnMut(&[u8]) -> Framing> FileReplay<FileBytes, F> {
    /// Opens the file at `path`; one that is compressed by gzip is unpacked while it is read, and offsets count what it
    /// holds.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path, pace: Pace, framer: F) -> Result<Self, IoError> {
        let failed = |source| IoError::file("open", path, source);
        Ok(Self::new(unpacked(File::open(path).map_err(failed)?).map_err(failed)?, path, pace, framer))
    }
}

/// The bytes of `file`, unpacked where they begin as gzip does (RFC 1952), whatever the file is called.
///
/// # Errors
/// Where its beginning cannot be read.
pub fn unpacked(mut file: File) -> io::Result<FileBytes> {
    let mut head = Vec::with_capacity(GZIP.len());
    (&mut file).take(GZIP.len() as u64).read_to_end(&mut head)?;
    let is_gzip = head == GZIP;
    let whole = io::Cursor::new(head).chain(file);
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

impl<R: Read, F: FnMut(&[u8]) -> Framing> FileReplay<R, F> {
    /// Reads from `reader`; `path` is its name in errors.
    pub fn new(reader: R, path: &Path, pace: Pace, framer: F) -> Self {
        Self {
            reader,
            path: path.to_path_buf(),
            framer,
            pace,
            buffer: vec![0; READ_BUFFER_LEN].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            ended: false,
            found: None,
            origin: None,
        }
    }

    /// The next frame, where it is due at `now`.
    ///
    /// # Errors
    /// Where the file cannot be read, or is damaged: with the offset of the frame that cannot be read.
    pub fn next(&mut self, now: Nanos) -> Result<Next<'_>, IoError> {
        let Some(found) = self.find()? else { return Ok(Next::End) };
        let due = self.due(found.stamp, now);
        if due > now {
            return Ok(Next::NotBefore(due));
        }
        let (start, offset) = (self.start, self.offset);
        self.found = None;
        self.start += found.len;
        self.offset += found.len as u64;
        let bytes = self.buffer.get(start..self.start).unwrap_or(&[]);
        Ok(Next::Frame { bytes, offset, stamp: found.stamp })
    }

    /// Where the next frame begins in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn due(&mut self, stamp: Option<EventNanos>, now: Nanos) -> Nanos {
        match (self.pace, stamp) {
            (Pace::Recorded, Some(stamp)) => {
                let (first, met) = *self.origin.get_or_insert((stamp, now));
                Nanos(met.0.saturating_add(stamp.0.saturating_sub(first.0)))
            }
            _ => now,
        }
    }

    /// Makes the next frame lie whole at the front of the buffer. `None` at the end.
    fn find(&mut self) -> Result<Option<Found>, IoError> {
        loop {
            if let Some(found) = self.found {
                return Ok(Some(found));
            }
            let bytes = self.buffer.get(self.start..self.end).unwrap_or(&[]);
            if bytes.is_empty() && self.ended {
                return Ok(None);
            }
            let framing = if bytes.is_empty() { Framing::More } else { (self.framer)(bytes) };
            match framing {
                Framing::Frame { len: 0, .. } => return Err(self.damaged("a frame of no bytes")),
                Framing::Frame { len, stamp } if len <= bytes.len() => {
                    self.found = Some(Found { len, stamp })
                }
                Framing::LastOrMore { len } if self.ended && len == bytes.len() => {
                    self.found = Some(Found { len, stamp: None })
                }
                Framing::Damaged(what) => return Err(self.damaged(what)),
                Framing::Frame { .. } | Framing::LastOrMore { .. } | Framing::More if self.ended => {
                    return Err(self.damaged("the file ends within a frame"));
                }
                Framing::Frame { .. } | Framing::LastOrMore { .. } | Framing::More => self.fill()?,
            }
        }
    }

    fn fill(&mut self) -> Result<(), IoError> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let free = self.buffer.get_mut(self.end..).unwrap_or(&mut []);
        if free.is_empty() {
            return Err(self.damaged("a frame longer than the read buffer of 1 MiB"));
        }
        match self.reader.read(free) {
            Ok(0) => self.ended = true,
            Ok(count) => self.end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(IoError::file("read", &self.path, source)),
        }
        Ok(())
    }

    fn damaged(&self, what: &'static str) -> IoError {
        IoError::damaged(&self.path, self.offset, what)
    }
}

#[cfg(test)]
mod tests;
