//! Records what a run receives, packet by packet with its stamp, so that it can be pushed through decoding again.
//!
//! Writing happens on the receiving thread, buffered: it is for reproducing and testing, not for measured runs.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pricewright_core::kernel::{InstrumentId, Nanos};
use pricewright_feeds::nasdaq::glimpse::Snapshot;
use pricewright_feeds::nasdaq::market_data::Arrival;

use crate::error::Result;
use crate::io::recording::{PacketKind, PacketWriter, RecordedPacket};

/// The line number that the venue session's bytes are recorded under.
pub const VENUE_LINE: u16 = u16::MAX;
/// The line number that snapshots are recorded under: for each a head (the sequence to go on at and the count of its
/// messages, 8 bytes each, big-endian), then its messages, each behind its length in two bytes. Two bytes alone are an
/// instrument whose book the machine found wrong.
pub const SNAPSHOT_LINE: u16 = u16::MAX - 1;
/// Bytes of a recorded part of a snapshot at most.
const PART: usize = 60_000;

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
    pub fn datagram(&self, line: u16, arrival: Arrival, bytes: &[u8]) -> Result<()> {
        let Arrival { received, queued_ns } = arrival;
        self.write(&RecordedPacket { received, line, kind: PacketKind::Datagram, queued_ns, bytes })
    }

    /// Bytes of the venue session.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn stream(&self, received: Nanos, bytes: &[u8]) -> Result<()> {
        self.write(&RecordedPacket {
            received,
            line: VENUE_LINE,
            kind: PacketKind::Stream,
            queued_ns: 0,
            bytes,
        })
    }

    /// The venue session's connection stands: bytes that follow are the beginning of a stream. Recorded as a receive of
    /// nothing.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn connected(&self, now: Nanos) -> Result<()> {
        self.stream(now, &[])
    }

    /// A snapshot of the books.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn snapshot(&self, received: Nanos, snapshot: &Snapshot) -> Result<()> {
        let part = |bytes: &[u8]| {
            let (line, kind) = (SNAPSHOT_LINE, PacketKind::Stream);
            self.write(&RecordedPacket { received, line, kind, queued_ns: 0, bytes })
        };
        let count = snapshot.len() as u64;
        part(&[snapshot.next_sequence().to_be_bytes(), count.to_be_bytes()].concat())?;
        let mut bytes = Vec::with_capacity(PART);
        for message in (0..snapshot.len()).filter_map(|index| snapshot.message(index)) {
            if bytes.len() + 2 + message.len() > PART {
                part(&bytes)?;
                bytes.clear();
            }
            bytes.extend_from_slice(&u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(message);
        }
        if bytes.is_empty() { Ok(()) } else { part(&bytes) }
    }

    /// The machine found the book of an instrument wrong.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn mistrusted(&self, now: Nanos, instrument: InstrumentId) -> Result<()> {
        let (line, kind, bytes) = (SNAPSHOT_LINE, PacketKind::Stream, instrument.0.to_be_bytes());
        self.write(&RecordedPacket { received: now, line, kind, queued_ns: 0, bytes: &bytes })
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
