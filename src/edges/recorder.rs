//! Records what a run receives, packet by packet with its stamp, so that it can be pushed through decoding again.
//!
//! Writing happens on the receiving thread, buffered: it is for reproducing and testing, not for measured runs.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pricewright_core::kernel::{InstrumentId, Nanos};
use pricewright_feeds::nasdaq::glimpse::Snapshot;
use pricewright_feeds::nasdaq::market_data::Arrival;

use crate::error::{Error, Result};
use crate::io::recording::{PacketKind, PacketWriter, RecordedPacket};

/// The line number that the venue session's bytes are recorded under.
pub const VENUE_LINE: u16 = u16::MAX;
/// The line number that snapshots are recorded under: for each a head (the sequence to go on at and the count of its
/// messages, 8 bytes each, big-endian), then its messages, each behind its length in two bytes. Two bytes alone are an
/// instrument whose book the machine found wrong.
pub const SNAPSHOT_LINE: u16 = u16::MAX - 1;
/// Bytes of a recorded part of a snapshot at most.
const PART: usize = 60_000;

/// A recording that feed and gateway write together, in the order of receiving. If it cannot be written any more it ends, and
/// the run goes on: what is recorded decides nothing.
#[derive(Clone)]
pub struct Recorder {
    state: Arc<Mutex<State>>,
}

enum State {
    Open(Box<PacketWriter<BufWriter<File>>>),
    Ended,
    /// Why it could not be written.
    Failed(String),
}

impl Recorder {
    /// Begins a recording.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self { state: Arc::new(Mutex::new(State::Open(Box::new(PacketWriter::create(path)?)))) })
    }

    /// A datagram of a line.
    pub fn datagram(&self, line: u16, arrival: Arrival, bytes: &[u8]) {
        let Arrival { received, queued_ns } = arrival;
        self.write(&RecordedPacket { received, line, kind: PacketKind::Datagram, queued_ns, bytes });
    }

    /// Bytes of the venue session.
    pub fn stream(&self, received: Nanos, bytes: &[u8]) {
        self.write(&RecordedPacket {
            received,
            line: VENUE_LINE,
            kind: PacketKind::Stream,
            queued_ns: 0,
            bytes,
        });
    }

    /// The venue session's connection stands: bytes that follow are the beginning of a stream. Recorded as a receive of
    /// nothing.
    pub fn connected(&self, now: Nanos) {
        self.stream(now, &[]);
    }

    /// A snapshot of the books.
    pub fn snapshot(&self, received: Nanos, snapshot: &Snapshot) {
        let part = |bytes: &[u8]| {
            let (line, kind) = (SNAPSHOT_LINE, PacketKind::Stream);
            self.write(&RecordedPacket { received, line, kind, queued_ns: 0, bytes });
        };
        let count = snapshot.len() as u64;
        part(&[snapshot.next_sequence().to_be_bytes(), count.to_be_bytes()].concat());
        let mut bytes = Vec::with_capacity(PART);
        for message in (0..snapshot.len()).filter_map(|index| snapshot.message(index)) {
            if bytes.len() + 2 + message.len() > PART {
                part(&bytes);
                bytes.clear();
            }
            bytes.extend_from_slice(&u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(message);
        }
        if !bytes.is_empty() {
            part(&bytes);
        }
    }

    /// The machine found the book of an instrument wrong.
    pub fn mistrusted(&self, now: Nanos, instrument: InstrumentId) {
        let (line, kind, bytes) = (SNAPSHOT_LINE, PacketKind::Stream, instrument.0.to_be_bytes());
        self.write(&RecordedPacket { received: now, line, kind, queued_ns: 0, bytes: &bytes });
    }

    /// Ends the recording; without it readers call the file damaged.
    ///
    /// # Errors
    /// Where the file cannot be written, now or earlier.
    pub fn finish(&self) -> Result<()> {
        match core::mem::replace(&mut *self.lock(), State::Ended) {
            State::Open(writer) => Ok(writer.finish().map(|_| ())?),
            State::Ended => Ok(()),
            State::Failed(why) => Err(Error::Failed(format!(
                "the recording is not complete: {why}; the run went on without it"
            ))),
        }
    }

    fn write(&self, packet: &RecordedPacket<'_>) {
        let mut state = self.lock();
        if let State::Open(writer) = &mut *state
            && let Err(error) = writer.write(packet)
        {
            tracing::error!(%error, "the recording ends here, the run goes on without it");
            *state = State::Failed(error.to_string());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_full_ends_the_recording_and_nothing_else() {
        let full = File::options().write(true).open("/dev/full").expect("a full disk");
        let writer =
            PacketWriter::new(BufWriter::with_capacity(1 << 10, full), Path::new("r")).expect("a head");
        let recorder = Recorder { state: Arc::new(Mutex::new(State::Open(Box::new(writer)))) };
        for _ in 0..100 {
            recorder.datagram(0, Arrival::default(), &[7; 100]);
        }
        let said = recorder.finish().expect_err("it is not complete").to_string();
        assert!(said.contains("not complete") && said.contains("went on"), "{said}");
        recorder.finish().expect("said once");
    }
}
