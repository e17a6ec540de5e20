//! Records what a run receives, packet by packet with its stamp, so that it can be pushed through decoding again.
//!
//! Writing happens on the receiving thread, buffered: it is for reproducing and testing, not for measured runs.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pricewright_core::kernel::Nanos;

use crate::error::Result;
use crate::io::recording::{PacketKind, PacketWriter, RecordedPacket};

/// The line number that the venue session's bytes are recorded under.
pub const VENUE_LINE: u16 = u16::MAX;

/// A recording that feed and gateway write together, in the order of receiving.
#[derive(Clone)]
pub struct Recorder {
    writer: Arc<Mutex<Option<PacketWriter<BufWriter<File>>>>>,
}

impl Recorder {
    /// Begins a recording.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self { writer: Arc::new(Mutex::new(Some(PacketWriter::create(path)?))) })
    }

    /// A datagram of a line.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn datagram(&self, line: u16, received: Nanos, bytes: &[u8]) -> Result<()> {
        self.write(&RecordedPacket { received, line, kind: PacketKind::Datagram, bytes })
    }

    /// Bytes of the venue session.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn stream(&self, received: Nanos, bytes: &[u8]) -> Result<()> {
        self.write(&RecordedPacket { received, line: VENUE_LINE, kind: PacketKind::Stream, bytes })
    }

    /// The venue session's connection stands: bytes that follow are the beginning of a stream. Recorded as a receive of
    /// nothing.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn connected(&self, now: Nanos) -> Result<()> {
        self.stream(now, &[])
    }

    /// Ends the recording; without it readers call the file damaged.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn finish(&self) -> Result<()> {
        match self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(writer) => Ok(writer.finish().map(|_| ())?),
            None => Ok(()),
        }
    }

    fn write(&self, packet: &RecordedPacket<'_>) -> Result<()> {
        match self.writer.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(writer) => Ok(writer.write(packet)?),
            None => Ok(()),
        }
    }
}
