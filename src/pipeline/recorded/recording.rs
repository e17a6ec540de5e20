//! A recording in memory, in the manual clock's order.

use std::path::Path;

use pricewright_core::kernel::Nanos;

use super::{Moment, Source};
use crate::edges::recorder::{SNAPSHOT_LINE, VENUE_LINE};
use crate::error::{Error, Result};
use crate::io::recording::{PacketKind, PacketReader};

/// All packets of a recording. Memory: the file's size and 32 bytes a packet.
///
/// A file holds packets as threads wrote them, so that stamps of different lines are almost in order, and no more. They
/// are put in order here: by stamp, the venue's bytes before market data, then by line, then as written.
#[derive(Debug)]
pub struct Recording {
    packets: Vec<Packet>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    received: Nanos,
    queued_ns: u32,
    source: Source,
    line: u16,
    start: usize,
    len: usize,
}

/// One packet of a recording.
#[derive(Clone, Copy, Debug)]
pub(super) struct PacketRef<'a> {
    pub(super) received: Nanos,
    pub(super) queued_ns: u32,
    pub(super) source: Source,
    pub(super) line: u16,
    pub(super) bytes: &'a [u8],
}

impl Recording {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Where it cannot be read, is damaged, is empty, or has a stamp before 1970 or after 2116.
    pub fn read(path: &Path) -> Result<Self> {
        let mut reader = PacketReader::open(path)?;
        let mut recording = Self { packets: Vec::new(), bytes: Vec::new() };
        while let Some(packet) = reader.next()? {
            let unusable = |what: &str| {
                let number = recording.packets.len() + 1;
                Err(Error::Usage(format!("{}: packet {number} {what}", path.display())))
            };
            if packet.received < Nanos::ZERO || packet.received > Moment::LATEST {
                return unusable("has an impossible stamp");
            }
            let source = match (packet.kind, packet.line) {
                (PacketKind::Datagram, _) => Source::Data,
                (PacketKind::Stream, VENUE_LINE) => Source::Venue,
                (PacketKind::Stream, SNAPSHOT_LINE) => Source::Data,
                (PacketKind::Stream, _) => {
                    return unusable("is of a stream that is neither the venue session's nor a snapshot");
                }
            };
            recording.packets.push(Packet {
                received: packet.received,
                queued_ns: packet.queued_ns,
                source,
                line: packet.line,
                start: recording.bytes.len(),
                len: packet.bytes.len(),
            });
            recording.bytes.extend_from_slice(packet.bytes);
        }
        if recording.packets.is_empty() {
            return Err(Error::Usage(format!("{}: no packet was recorded", path.display())));
        }
        // Stable, so that packets of one line at one time stay as written.
        recording.packets.sort_by_key(|packet| (packet.received, packet.source, packet.line));
        Ok(recording)
    }

    /// Packets.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// False: a recording without packets is refused.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// When the first packet was received.
    pub fn first_stamp(&self) -> Nanos {
        self.packets.first().map_or(Nanos::ZERO, |packet| packet.received)
    }

    /// When the last packet was received.
    pub fn last_stamp(&self) -> Nanos {
        self.packets.last().map_or(Nanos::ZERO, |packet| packet.received)
    }

    pub(super) fn packet(&self, index: usize) -> Option<PacketRef<'_>> {
        let Packet { received, queued_ns, source, line, start, len } = *self.packets.get(index)?;
        let bytes = self.bytes.get(start..start + len)?;
        Some(PacketRef { received, queued_ns, source, line, bytes })
    }
}

#[cfg(test)]
mod tests;
