//! One stream of lines with an end: standard input, a file, a named pipe.
//!
//! A file is read on behind the last line that the journal holds of it, and is known by its index node and its beginning
//! ([`file_lines`](crate::pipeline::file_lines)), whatever its name. Half a line at its end waits for its rest: the next run reads
//! the whole line. A last line without an end that is a whole JSON object is taken. Standard input and pipes cannot be read
//! again: what they end with is taken as it is.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pricewright_core::kernel::table::InputFile;
use pricewright_core::kernel::{Record as _, RecordSink};
use pricewright_feeds::jsonl::decode::Decoder;
use pricewright_feeds::jsonl::message::is_object;
use pricewright_feeds::jsonl::session::Session;

use super::{buffer, refused};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::io::wait::Waiter;
use crate::pipeline::file_lines::{FileLines, Known};
use crate::pipeline::topology::FEED_SOURCE;

/// Bytes at a file's beginning that it is known by.
const HEAD_LEN: usize = 4 << 10;

/// A stream that is read to its end.
pub(super) struct Stream {
    file: File,
    path: PathBuf,
    waiter: Waiter,
    session: Session,
    buffer: Box<[u8]>,
    /// `buffer[start..end]` is not decoded yet.
    start: usize,
    end: usize,
    at_end: bool,
    ended: bool,
    /// Where a file is read: what is yet to be said of it.
    named: Option<Named>,
    /// Another run may read on behind this one.
    regular: bool,
    /// The last line that an earlier run took.
    taken: u64,
}

/// A file whose record has not been put yet.
struct Named {
    device: u64,
    inode: u64,
}

impl Stream {
    /// The file at `path`, behind the lines that `lines` knows of it.
    ///
    /// # Errors
    /// Where it cannot be opened or read.
    pub(super) fn open(path: &Path, max_line_bytes: usize, lines: &FileLines) -> Result<Self> {
        let complain = |source| Error::File {
            path: path.to_path_buf(),
            source,
            mend: "name another in [feed.jsonl] file",
        };
        // A pipe that nobody writes yet would keep the start, and whoever ends it, waiting.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(complain)?;
        let about = file.metadata().map_err(complain)?;
        if about.is_dir() {
            return Err(complain(io::ErrorKind::IsADirectory.into()));
        }
        let named = Named { device: about.dev(), inode: about.ino() };
        let known = if about.is_file() {
            lines.known(path, named.inode, |len| head_of(&file, len as usize).ok().flatten())
        } else {
            Known::Not
        };
        let shown = path.display();
        let taken = match known {
            Known::UpTo(last) => last,
            Known::Not => 0,
            Known::WrittenAnew(last) => {
                tracing::warn!(
                    "{shown}: it was written anew since {last} lines of it were taken: its beginning is another. It is read \
                     from its start"
                );
                0
            }
            Known::Copy(last) => {
                tracing::warn!(
                    "{shown}: it begins as a file of which {last} lines were taken, and is another one (a copy?). It is read \
                     from its start; where its lines must not count twice, give them an `id`"
                );
                0
            }
        };
        let session = Session::new(max_line_bytes, 0).starting_at(taken + 1);
        Ok(Self { named: Some(named), regular: about.is_file(), ..Self::new(file, path, session, taken) })
    }

    /// A stream of which nothing was read before and nothing is read again.
    pub(super) fn new(file: File, path: &Path, session: Session, taken: u64) -> Self {
        Self {
            file,
            path: path.to_path_buf(),
            waiter: Waiter::new(),
            session,
            buffer: buffer(),
            start: 0,
            end: 0,
            at_end: false,
            ended: false,
            named: None,
            regular: false,
            taken,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn poll<C: Clock, S: RecordSink>(
        &mut self,
        decoder: &mut Decoder,
        clock: &mut C,
        sink: &mut S,
    ) -> Result<usize> {
        if self.start == self.end && !self.at_end && self.is_readable()? {
            self.fill()?;
        }
        let received = clock.now();
        if self.start < self.end && self.named.is_some() && !self.put_name(sink)? {
            return Ok(0);
        }
        let chunk = self.buffer.get(self.start..self.end).unwrap_or(&[]);
        if !chunk.is_empty() {
            let taken = self.session.receive(decoder, chunk, received, sink).map_err(refused)?;
            self.start += taken;
            return Ok(taken);
        }
        if self.at_end && !self.ended {
            self.ended =
                self.leaves_half_a_line() || self.session.finish(decoder, received, sink).map_err(refused)?;
            if self.ended {
                self.look_back();
            }
            return Ok(1);
        }
        Ok(0)
    }

    /// Puts the record that says which file this is, before its first line: only then is there a beginning to know it by.
    /// False where `sink` has no room.
    fn put_name<S: RecordSink>(&mut self, sink: &mut S) -> Result<bool> {
        if sink.room() < InputFile::CELLS {
            return Ok(false);
        }
        let Some(Named { device, inode }) = self.named.take() else { return Ok(true) };
        let head_len = if self.regular { self.len_of_head()? } else { 0 };
        let head = head_of(&self.file, head_len).map_err(|source| self.complain(source))?;
        let name = InputFile {
            taken: self.taken,
            device,
            inode,
            head: head.unwrap_or_default(),
            head_len: head.map_or(0, |_| u32::try_from(head_len).unwrap_or(0)),
            source: FEED_SOURCE,
            spare: 0,
        };
        sink.put(&name, FEED_SOURCE, 0).map_err(refused)?;
        Ok(true)
    }

    fn len_of_head(&self) -> Result<usize> {
        let len = self.file.metadata().map_err(|source| self.complain(source))?.len();
        Ok(usize::try_from(len).map_or(HEAD_LEN, |len| len.min(HEAD_LEN)))
    }

    /// True where the file ends within a line.
    fn leaves_half_a_line(&self) -> bool {
        let half = self.session.unended();
        if !self.regular || half.is_empty() || is_object(half) {
            return false;
        }
        tracing::warn!(
            "{}: its last line, {}, has no end yet: it waits for its rest, and the next run reads it",
            self.path.display(),
            self.session.line()
        );
        true
    }

    fn fill(&mut self) -> Result<()> {
        match self.file.read(&mut self.buffer) {
            Ok(len) => {
                (self.start, self.end) = (0, len);
                self.at_end = len == 0;
                Ok(())
            }
            // A signal came first, or whoever shares the descriptor made it non-blocking: it will be asked again.
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                Ok(())
            }
            Err(source) => Err(self.complain(source)),
        }
    }

    /// Says so where the file cannot be the one that an earlier run read.
    fn look_back(&self) {
        let lines = self.session.line() - 1;
        if lines < self.taken {
            tracing::warn!(
                "{}: it has {lines} lines, and the journal holds {} of it already: lines were cut off its end. Nothing was \
                 taken from it; give new lines a file of their own",
                self.path.display(),
                self.taken
            );
        }
    }

    fn is_readable(&mut self) -> Result<bool> {
        self.waiter.clear();
        let slot = self.waiter.readable(self.file.as_fd());
        self.waiter.wait(Duration::ZERO).map_err(|source| self.complain(source))?;
        Ok(self.waiter.is_ready(slot))
    }

    fn complain(&self, source: io::Error) -> Error {
        Error::File { path: self.path.clone(), source, mend: "look at the input" }
    }
}

/// BLAKE3 of the first `len` bytes of `file`; `None` where it is shorter.
fn head_of(file: &File, len: usize) -> io::Result<Option<[u8; 32]>> {
    let mut bytes = vec![0; len.min(HEAD_LEN)];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(Some(*blake3::hash(&bytes).as_bytes())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
