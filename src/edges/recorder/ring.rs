//! A ring of packets between a receiving thread and the one that writes the recording.
//!
//! ```text
//! packet in the ring: a head of 20 bytes, then the payload
//!  0  i64 received   8 u32 length of the payload   12 u32 queued_ns   16 u16 line   18 u16 kind as in recordings
//! ```
//!
//! All memory is there, and touched, from the beginning. Head and payload are published apart, so that nothing is copied
//! twice; the reader takes a packet once all of it is there.

use pricewright_core::kernel::Nanos;
use rtrb::RingBuffer;
use zerocopy::little_endian::{I64, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::io::recording::{PacketKind, RecordedPacket};

/// Bytes that are touched at once.
const TOUCHED: usize = 1 << 16;

#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Head {
    received: I64,
    len: U32,
    queued_ns: U32,
    line: U16,
    kind: U16,
}

/// The receiving thread's end.
#[derive(Debug)]
pub(super) struct Producer(rtrb::Producer<u8>);

/// The writing thread's end.
#[derive(Debug)]
pub(super) struct Consumer {
    bytes: rtrb::Consumer<u8>,
    /// The head of the next packet, where it has come.
    head: Option<Head>,
    payload: Vec<u8>,
}

/// Both ends of a ring with room for `len` bytes.
pub(super) fn ring(len: usize) -> (Producer, Consumer) {
    let (mut producer, mut consumer) = RingBuffer::new(len);
    let zeroes = [0; TOUCHED];
    while producer.push_partial_slice(&zeroes).1.is_empty() {}
    if let Ok(all) = consumer.read_chunk(consumer.slots()) {
        all.commit_all();
    }
    (Producer(producer), Consumer { bytes: consumer, head: None, payload: Vec::new() })
}

impl Producer {
    /// Copies `packet`; false where there is no room for all of it.
    pub(super) fn push(&mut self, packet: &RecordedPacket<'_>) -> bool {
        let head = Head {
            received: I64::new(packet.received.0),
            len: U32::new(packet.bytes.len() as u32),
            queued_ns: U32::new(packet.queued_ns),
            line: U16::new(packet.line),
            kind: U16::new(packet.kind as u16),
        };
        // Room only grows under a producer's hands, so that neither half is refused behind this.
        self.0.slots() >= size_of::<Head>() + packet.bytes.len()
            && self.0.push_entire_slice(head.as_bytes()).is_ok()
            && self.0.push_entire_slice(packet.bytes).is_ok()
    }
}

impl Consumer {
    /// The stamp of the next packet, where all of it is there.
    pub(super) fn next_stamp(&mut self) -> Option<Nanos> {
        let mut head = Head::default();
        if self.head.is_none() && self.bytes.pop_entire_slice(head.as_mut_bytes()).is_ok() {
            self.head = Some(head);
        }
        let head = self.head.as_ref()?;
        (self.bytes.slots() >= head.len.get() as usize).then(|| Nanos(head.received.get()))
    }

    /// Takes the packet that [`Self::next_stamp`] found.
    pub(super) fn take(&mut self) -> Option<RecordedPacket<'_>> {
        let head = self.head.take()?;
        self.payload.resize(head.len.get() as usize, 0);
        self.bytes.pop_entire_slice(&mut self.payload).ok()?;
        let kind = match head.kind.get() {
            kind if kind == PacketKind::Datagram as u16 => PacketKind::Datagram,
            _ => PacketKind::Stream,
        };
        Some(RecordedPacket {
            received: Nanos(head.received.get()),
            line: head.line.get(),
            kind,
            queued_ns: head.queued_ns.get(),
            bytes: &self.payload,
        })
    }
}
