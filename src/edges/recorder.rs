//! Records what a run receives, packet by packet with its stamp, so that it can be pushed through decoding again.
//!
//! Receiving threads only copy: a packet goes into a ring whose memory is there from the beginning, without a lock, an
//! allocation or a system call. A thread of its own writes the file. If the file does not take what comes (a disk that
//! hangs, a pipe that nobody reads) the ring fills, and there the recording ends: that is counted and said once, and the
//! run goes on, since what is recorded decides nothing.
//!
//! Feed and gateway may be on different threads, so that each has a ring. Packets of one ring stay in their order; of two,
//! the writer takes the earlier stamp of those that are there. Readers need no more: they order by stamp, source and line,
//! and each line belongs to one ring ([`Recording`](crate::pipeline::recorded::Recording)).

mod ring;
#[cfg(test)]
mod tests;
mod writer;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use crossbeam::utils::CachePadded;
use pricewright_core::kernel::{InstrumentId, Nanos};
use pricewright_feeds::nasdaq::glimpse::Snapshot;
use pricewright_feeds::nasdaq::market_data::Arrival;

use self::ring::{Producer, ring};
use self::writer::RecordingWriter;
use crate::error::{Error, Result};
use crate::io::IoError;
use crate::io::recording::{PacketKind, PacketWriter, RecordedPacket};

/// The line number that the venue session's bytes are recorded under.
pub const VENUE_LINE: u16 = u16::MAX;
/// The line number that snapshots are recorded under: for each a head (the sequence to go on at and the count of its
/// messages, 8 bytes each, big-endian), then its messages, each behind its length in two bytes. Two bytes alone are an
/// instrument whose book the machine found wrong.
pub const SNAPSHOT_LINE: u16 = u16::MAX - 1;
/// Bytes of a recorded part of a snapshot at most.
const PART: usize = 60_000;
/// Bytes of market data that may wait for the file: more than a second of the busiest feed. A snapshot fits, or ends the
/// recording.
const FEED_BYTES: usize = 64 << 20;
/// Bytes of the venue session that may wait for it.
const VENUE_BYTES: usize = 8 << 20;
/// How long the end of a run waits for a file that takes nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits in all.
const LONGEST_END: Duration = Duration::from_secs(30);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// A recording, and the thread that writes it. Dropped without [`Self::finish`] it gets no end mark.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    finish: Sender<()>,
    done: Receiver<core::result::Result<(), IoError>>,
}

/// Where what is received is copied to: one for each that receives.
#[derive(Debug)]
pub struct Taps {
    /// Market data: datagrams and snapshots.
    pub feed: Tap,
    /// The venue session.
    pub venue: Tap,
}

/// Copies packets for the recording. It never waits.
#[derive(Debug)]
pub struct Tap {
    ring: Producer,
    /// The part of a snapshot that is being put together.
    part: Vec<u8>,
    shared: Arc<Shared>,
}

/// What taps, writer and recorder share. Nothing else is published by these, so that no order is needed between them.
#[derive(Debug, Default)]
struct Shared {
    /// An [`End`].
    end: AtomicU8,
    /// Packets that were not taken since then.
    missing: AtomicU64,
    /// Packets given to the file: moves as long as it takes something. On a cache line of its own, since taps read the end for
    /// each packet.
    written: CachePadded<AtomicU64>,
}

/// Why packets are not taken any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum End {
    /// They are.
    Open,
    /// A ring was full.
    Full,
    /// The file could not be written.
    Failed,
}

impl Shared {
    fn is(&self, end: End) -> bool {
        self.end.load(Ordering::Relaxed) == end as u8
    }

    /// Ends the recording; true for the first who does.
    fn end(&self, why: End) -> bool {
        let (open, relaxed) = (End::Open as u8, Ordering::Relaxed);
        self.end.compare_exchange(open, why as u8, relaxed, relaxed).is_ok()
    }
}

impl Recorder {
    /// Begins a recording.
    ///
    /// # Errors
    /// Where the file cannot be made, is a named pipe that nobody reads, or no thread can be started.
    pub fn create(path: &Path) -> Result<(Self, Taps)> {
        Self::over(PacketWriter::create(path)?, FEED_BYTES, VENUE_BYTES)
    }

    /// Begins a recording in `file`, with rings of so many bytes.
    fn over<W: Write + Send + 'static>(
        file: PacketWriter<W>,
        feed_bytes: usize,
        venue_bytes: usize,
    ) -> Result<(Self, Taps)> {
        let shared = Arc::new(Shared::default());
        let tap = |bytes| {
            let (ring, consumer) = ring(bytes);
            (Tap { ring, part: Vec::with_capacity(PART), shared: Arc::clone(&shared) }, consumer)
        };
        let ((feed, market_data), (venue, session)) = (tap(feed_bytes), tap(venue_bytes));
        // The venue's first: at one stamp readers put it before market data too.
        let writer = RecordingWriter { file, rings: [session, market_data], shared: Arc::clone(&shared) };
        let ((finish, asked), (told, done)) = (bounded(1), bounded(1));
        thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                // Nobody may be left to be told.
                let _gone = told.send(writer.run(&asked));
            })
            .map_err(|error| Error::Failed(format!("no thread to write the recording with: {error}")))?;
        Ok((Self { shared, finish, done }, Taps { feed, venue }))
    }

    /// Ends the recording, once nothing is received any more; without it readers call the file damaged. It waits for the
    /// file as long as it takes something, and not for ever.
    ///
    /// # Errors
    /// Where the recording is not complete, and why.
    pub fn finish(self) -> Result<()> {
        self.finish_within(PATIENCE, LONGEST_END)
    }

    fn finish_within(self, patience: Duration, longest: Duration) -> Result<()> {
        // There is room for this, the only one.
        let _asked = self.finish.send(());
        let done = if self.shared.is(End::Full) {
            let missing = self.shared.missing.load(Ordering::Relaxed);
            Err(format!("its file took less than was received, {missing} packets found no room"))
        } else {
            self.wait(patience, longest)
        };
        done.map_err(|why| {
            Error::Failed(format!("the recording is not complete: {why}; the run went on without it"))
        })
    }

    /// Waits until all is written, as long as the file takes something at least every `patience`, and for `longest` at
    /// most.
    ///
    /// # Errors
    /// Why not all is.
    fn wait(&self, patience: Duration, longest: Duration) -> core::result::Result<(), String> {
        let begin = Instant::now();
        let mut last = (self.shared.written.load(Ordering::Relaxed), begin);
        while last.1.elapsed() < patience && begin.elapsed() < longest {
            match self.done.recv_timeout(LOOK) {
                Ok(done) => return done.map_err(|error| error.to_string()),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("the thread that writes it is gone".to_owned());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let written = self.shared.written.load(Ordering::Relaxed);
            if written != last.0 {
                last = (written, Instant::now());
            }
        }
        Err("its file took nothing for too long after the end of the run".to_owned())
    }
}

impl Tap {
    /// A datagram of a line.
    pub fn datagram(&mut self, line: u16, arrival: Arrival, bytes: &[u8]) {
        let Arrival { received, queued_ns } = arrival;
        self.write(&RecordedPacket { received, line, kind: PacketKind::Datagram, queued_ns, bytes });
    }

    /// Bytes of the venue session.
    pub fn stream(&mut self, received: Nanos, bytes: &[u8]) {
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
    pub fn connected(&mut self, now: Nanos) {
        self.stream(now, &[]);
    }

    /// A snapshot of the books.
    pub fn snapshot(&mut self, received: Nanos, snapshot: &Snapshot) {
        // Taken, so that it can be filled beside the ring; given back below.
        let mut bytes = core::mem::take(&mut self.part);
        bytes.clear();
        bytes.extend_from_slice(&snapshot.next_sequence().to_be_bytes());
        bytes.extend_from_slice(&(snapshot.len() as u64).to_be_bytes());
        self.part(received, &bytes);
        bytes.clear();
        for message in (0..snapshot.len()).filter_map(|index| snapshot.message(index)) {
            if bytes.len() + 2 + message.len() > PART {
                self.part(received, &bytes);
                bytes.clear();
            }
            bytes.extend_from_slice(&u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(message);
        }
        if !bytes.is_empty() {
            self.part(received, &bytes);
        }
        self.part = bytes;
    }

    /// The machine found the book of an instrument wrong.
    pub fn mistrusted(&mut self, now: Nanos, instrument: InstrumentId) {
        self.part(now, &instrument.0.to_be_bytes());
    }

    fn part(&mut self, received: Nanos, bytes: &[u8]) {
        let (line, kind) = (SNAPSHOT_LINE, PacketKind::Stream);
        self.write(&RecordedPacket { received, line, kind, queued_ns: 0, bytes });
    }

    fn write(&mut self, packet: &RecordedPacket<'_>) {
        if !self.shared.is(End::Open) {
            self.shared.missing.fetch_add(1, Ordering::Relaxed);
        } else if !self.ring.push(packet) {
            self.full();
        }
    }

    /// Said here, since the thread that writes may never do so again: to a queue, once in a run.
    #[cold]
    fn full(&self) {
        self.shared.missing.fetch_add(1, Ordering::Relaxed);
        if self.shared.end(End::Full) {
            tracing::error!(
                "the file takes less than is received: the recording ends here, the run goes on without it"
            );
        }
    }
}
