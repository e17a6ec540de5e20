//! A recording of received packets, so that a stream can be pushed through decoding again, exactly as it came.
//!
//! All numbers are little-endian:
//!
//! ```text
//! head, 16 bytes
//!  0  magic "PWPACKET"   8 u32 version = 1   12 u32 zero
//! packet, 20 bytes and its payload, one after another
//!  0  i64 received, ns since the Unix epoch by the receiver's clock
//!  8  u32 length of the payload, at most 65,535
//! 12  u16 line (A is 0, or the connection)
//! 14  u16 kind: 1 datagram, 2 bytes of a stream, 3 datagram whose wait in the kernel is known
//! 16  u32 check: the first 4 bytes of the BLAKE3 hash of bytes 0..16 and the payload
//! 20  payload; of kind 3 the wait, u32 in ns, and then the datagram
//! end, as a packet: received 0, length 8, line 0, kind 0; the payload is the u64 count of packets before it
//! ```
//!
//! The check and the end mark make every damage visible: a changed bit, a lost tail, packets cut out. The reader
//! refuses a damaged file and names the offset; it never skips.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use pricewright_core::kernel::Nanos;
use zerocopy::little_endian::{I64, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::IoError;
use super::file::create_fresh;

const MAGIC: [u8; 8] = *b"PWPACKET";
const VERSION: u32 = 1;
const END: u16 = 0;
const WAITED: u16 = 3;
/// The longest payload: no UDP datagram is longer.
pub const MAX_PACKET_LEN: usize = 65_535;
/// Bytes given to a file at once.
const WRITE_LEN: usize = 1 << 16;

/// How a packet was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum PacketKind {
    /// One datagram.
    Datagram = 1,
    /// What one receive from a stream gave: no boundary means anything.
    Stream = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FileHead {
    magic: [u8; 8],
    version: U32,
    zero: U32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PacketHead {
    received: I64,
    len: U32,
    line: U16,
    kind: U16,
    check: U32,
}

impl PacketHead {
    fn check_of(&self, payload: &[&[u8]]) -> U32 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(Self { check: U32::ZERO, ..*self }.as_bytes().get(..16).unwrap_or(&[]));
        for part in payload {
            hasher.update(part);
        }
        let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
        U32::from_bytes([a, b, c, d])
    }
}

/// A packet of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedPacket<'a> {
    /// When it was received, by the receiver's clock.
    pub received: Nanos,
    /// By which line or connection.
    pub line: u16,
    /// How.
    pub kind: PacketKind,
    /// How long a datagram had waited in the kernel by then, in nanoseconds; 0 if that is not known, and for streams.
    pub queued_ns: u32,
    /// Its payload.
    pub bytes: &'a [u8],
}

/// Writes a recording. Call [`Self::finish`]: without its end mark a recording counts as damaged.
#[derive(Debug)]
pub struct PacketWriter<W: Write> {
    writer: W,
    path: PathBuf,
    count: u64,
}

impl PacketWriter<BufWriter<File>> {
    /// Creates the file at `path`, which must not be there or be empty.
    ///
    /// # Errors
    /// Where it cannot be created, or is a named pipe that nobody reads.
    pub fn create(path: &Path) -> Result<Self, IoError> {
        let file = create_fresh(path).map_err(|source| IoError::file("create", path, source))?;
        Self::new(BufWriter::with_capacity(WRITE_LEN, file), path)
    }
}

impl<W: Write> PacketWriter<W> {
    /// Begins a recording in `writer`; `path` is its name in errors.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn new(writer: W, path: &Path) -> Result<Self, IoError> {
        let mut recording = Self { writer, path: path.to_path_buf(), count: 0 };
        let head = FileHead { magic: MAGIC, version: U32::new(VERSION), zero: U32::ZERO };
        recording.put(head.as_bytes())?;
        Ok(recording)
    }

    /// Adds a packet.
    ///
    /// # Errors
    /// Where it cannot be written, or is longer than [`MAX_PACKET_LEN`].
    pub fn write(&mut self, packet: &RecordedPacket<'_>) -> Result<(), IoError> {
        let waited = packet.queued_ns.to_le_bytes();
        let (kind, waited): (u16, &[u8]) = match (packet.kind, packet.queued_ns) {
            (PacketKind::Datagram, 1..) => (WAITED, &waited),
            (kind, _) => (kind as u16, &[]),
        };
        if waited.len() + packet.bytes.len() > MAX_PACKET_LEN {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "a packet is longer than 65,535 bytes");
            return Err(IoError::file("write to", &self.path, source));
        }
        self.put_packet(packet.received, packet.line, kind, &[waited, packet.bytes])?;
        self.count += 1;
        Ok(())
    }

    /// Hands on what is buffered.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn flush(&mut self) -> Result<(), IoError> {
        self.writer.flush().map_err(|source| IoError::file("write to", &self.path, source))
    }

    /// Writes the end mark, flushes, and gives the writer back.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(mut self) -> Result<W, IoError> {
        self.put_packet(Nanos::ZERO, 0, END, &[&self.count.to_le_bytes()])?;
        self.flush()?;
        Ok(self.writer)
    }

    fn put_packet(
        &mut self,
        received: Nanos,
        line: u16,
        kind: u16,
        payload: &[&[u8]],
    ) -> Result<(), IoError> {
        let len: usize = payload.iter().map(|part| part.len()).sum();
        let mut head = PacketHead {
            received: I64::new(received.0),
            len: U32::new(len as u32),
            line: U16::new(line),
            kind: U16::new(kind),
            check: U32::ZERO,
        };
        head.check = head.check_of(payload);
        self.put(head.as_bytes())?;
        payload.iter().try_for_each(|part| self.put(part))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        self.writer.write_all(bytes).map_err(|source| IoError::file("write to", &self.path, source))
    }
}

/// Reads a recording.
#[derive(Debug)]
pub struct PacketReader<R: Read> {
    reader: R,
    path: PathBuf,
    payload: Box<[u8]>,
    offset: u64,
    count: u64,
    ended: bool,
}

impl PacketReader<BufReader<File>> {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Where it cannot be read or is no recording of a known version.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let file = File::open(path).map_err(|source| IoError::file("open", path, source))?;
        Self::new(BufReader::with_capacity(1 << 20, file), path)
    }
}

impl<R: Read> PacketReader<R> {
    /// Reads a recording from `reader`; `path` is its name in errors.
    ///
    /// # Errors
    /// Where it cannot be read or is no recording of a known version.
    pub fn new(reader: R, path: &Path) -> Result<Self, IoError> {
        let payload = vec![0; MAX_PACKET_LEN].into_boxed_slice();
        let mut recording =
            Self { reader, path: path.to_path_buf(), payload, offset: 0, count: 0, ended: false };
        let mut head = [0; size_of::<FileHead>()];
        recording.take(&mut head, "the file ends within its head")?;
        let head: FileHead = zerocopy::transmute!(head);
        if head.magic != MAGIC {
            return Err(recording.damaged("this is no packet recording"));
        }
        if head.version.get() != VERSION || head.zero != U32::ZERO {
            return Err(recording.damaged("a version of packet recordings that this build does not know"));
        }
        recording.offset = size_of::<FileHead>() as u64;
        Ok(recording)
    }

    /// The next packet; `None` after the last.
    ///
    /// # Errors
    /// Where the file cannot be read or is damaged: with the offset of the packet that cannot be read.
    #[allow(clippy::should_implement_trait)] // The packet borrows the reader, which `Iterator` cannot say.
    pub fn next(&mut self) -> Result<Option<RecordedPacket<'_>>, IoError> {
        if self.ended {
            return Ok(None);
        }
        let mut head = [0; size_of::<PacketHead>()];
        self.take(&mut head, "the file ends without its end mark")?;
        let head: PacketHead = zerocopy::transmute!(head);
        let len = head.len.get() as usize;
        if len > MAX_PACKET_LEN {
            return Err(self.damaged("a packet with an impossible length"));
        }
        self.take_payload(len)?;
        let bytes = self.payload.get(..len).unwrap_or(&[]);
        if head.check != head.check_of(&[bytes]) {
            return Err(self.damaged("a packet that does not match its check"));
        }
        let (kind, queued_ns, begin) = match (head.kind.get(), bytes.first_chunk::<4>()) {
            (END, _) => return self.end(len),
            (1, _) => (PacketKind::Datagram, 0, 0),
            (2, _) => (PacketKind::Stream, 0, 0),
            (WAITED, Some(waited)) => (PacketKind::Datagram, u32::from_le_bytes(*waited), 4),
            _ => return Err(self.damaged("a packet of an unknown kind")),
        };
        self.offset += (size_of::<PacketHead>() + len) as u64;
        self.count += 1;
        let (received, line) = (Nanos(head.received.get()), head.line.get());
        let bytes = self.payload.get(begin..len).unwrap_or(&[]);
        Ok(Some(RecordedPacket { received, line, kind, queued_ns, bytes }))
    }

    /// Where the next packet begins in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Checks the end mark whose payload of `len` bytes has been read.
    fn end(&mut self, len: usize) -> Result<Option<RecordedPacket<'_>>, IoError> {
        let count =
            self.payload.get(..len).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()).map(u64::from_le_bytes);
        if count != Some(self.count) {
            return Err(self.damaged("an end mark that counts other packets than there are"));
        }
        let mut more = [0; 1];
        if self.read_up_to(&mut more)? > 0 {
            return Err(self.damaged("bytes after the end mark"));
        }
        self.ended = true;
        Ok(None)
    }

    fn take_payload(&mut self, len: usize) -> Result<(), IoError> {
        let mut payload = std::mem::take(&mut self.payload);
        let outcome = match payload.get_mut(..len) {
            Some(target) => self.take(target, "the file ends within a packet"),
            None => Ok(()),
        };
        self.payload = payload;
        outcome
    }

    fn take(&mut self, buffer: &mut [u8], short: &'static str) -> Result<(), IoError> {
        if self.read_up_to(buffer)? < buffer.len() { Err(self.damaged(short)) } else { Ok(()) }
    }

    /// Fills `buffer` as far as the file goes.
    fn read_up_to(&mut self, buffer: &mut [u8]) -> Result<usize, IoError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(IoError::file("read", &self.path, source)),
            }
        }
        Ok(filled)
    }

    fn damaged(&self, what: &'static str) -> IoError {
        IoError::damaged(&self.path, self.offset, what)
    }
}

#[cfg(test)]
mod tests;
