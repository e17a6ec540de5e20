//! The stage in front of the rings: packets in, records out, and a watermark that says how far both rings are complete.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use pricewright_core::kernel::record::{HEADER_LEN, MAX_PAYLOAD, records_in};
use pricewright_core::kernel::{
    Cell, Full, InstrumentId, MAX_CELLS, Nanos, RecordBuf, RecordHeader, RecordRef, RecordSink,
};
use pricewright_feeds::nasdaq::glimpse::Snapshot;
use pricewright_feeds::nasdaq::market_data::{Arrival, MarketData};
use zerocopy::{FromBytes, IntoBytes};

use super::recording::PacketRef;
use super::{Moment, Recording, Source};
use crate::edges::recorder::SNAPSHOT_LINE;
use crate::pipeline::stage::Stage;
use crate::pipeline::topology::GATEWAY_SOURCE;
use crate::ring::Producer;

/// How often the feed is polled where the lines are silent: it notices silence and lost answers by its polls.
const POLL_EVERY: Nanos = Nanos::from_millis(1);
/// Cells reserved for what one packet becomes.
const DECODED_CELLS: usize = 8192;

/// How far both rings are complete: nothing before this moment will come any more.
#[derive(Clone, Debug)]
pub(super) struct Watermark(Arc<AtomicI64>);

impl Watermark {
    fn new(at: Moment) -> Self {
        Self(Arc::new(AtomicI64::new(at.0)))
    }

    fn publish(&self, at: Moment) {
        // Release: partner of the acquire below, so that who sees the mark sees every record pushed before it.
        self.0.store(at.0, Ordering::Release);
    }

    pub(super) fn read(&self) -> Moment {
        Moment(self.0.load(Ordering::Acquire))
    }
}

/// Reads packets in order, decodes market data, and pushes both sources into their rings.
///
/// Records carry their packet's receive stamp in the header, where the journal's writer puts its own. The venue's bytes
/// cross undecoded, in records of kind 0: decoding them needs the session's table of orders, which decisions change.
///
/// Decoding never meets a full ring: what a packet becomes waits here until the ring has taken it, so that the records
/// are the same however fast the other side is.
pub(super) struct ReaderStage {
    recording: Recording,
    next: usize,
    market: MarketData,
    parts: Parts,
    /// The recorded time of the feed's last poll.
    polled: Nanos,
    decoded: RecordBuf,
    /// Cells of `decoded` that the ring has taken.
    taken: usize,
    target: Source,
    data: Producer,
    venue: Producer,
    watermark: Watermark,
}

impl ReaderStage {
    pub(super) fn new(recording: Recording, market: MarketData, data: Producer, venue: Producer) -> Self {
        let polled = recording.first_stamp();
        Self {
            watermark: Watermark::new(Moment::new(polled, Source::Venue)),
            recording,
            next: 0,
            market,
            parts: Parts::default(),
            polled,
            decoded: RecordBuf::with_capacity(DECODED_CELLS),
            taken: 0,
            target: Source::Data,
            data,
            venue,
        }
    }

    pub(super) fn watermark(&self) -> Watermark {
        self.watermark.clone()
    }

    /// Pushes what waits. Returns false where the ring is full.
    fn push(&mut self) -> bool {
        let ring = match self.target {
            Source::Data => &mut self.data,
            Source::Venue => &mut self.venue,
        };
        for record in records_in(self.decoded.cells().get(self.taken..).unwrap_or(&[])) {
            if ring.push(record).is_err() {
                return false;
            }
            self.taken += record.cells().len();
        }
        self.decoded.clear();
        self.taken = 0;
        true
    }

    /// The next packet, or a poll of the feed where that is due before it. Returns false at the end.
    fn step(&mut self) -> bool {
        let Some(packet) = self.recording.packet(self.next) else {
            self.watermark.publish(Moment::END);
            return false;
        };
        let poll_at = self.polled + POLL_EVERY;
        if poll_at < packet.received {
            self.watermark.publish(Moment::new(poll_at, Source::Data));
            self.target = Source::Data;
            poll(&mut self.market, poll_at, &mut self.decoded);
            self.polled = poll_at;
            return true;
        }
        self.watermark.publish(Moment::new(packet.received, packet.source));
        self.target = packet.source;
        match packet.source {
            Source::Data => {
                decode(&mut self.market, packet, &mut self.parts, &mut self.decoded);
                self.polled = packet.received;
            }
            Source::Venue => wrap(packet, &mut self.decoded),
        }
        self.next += 1;
        true
    }
}

fn decode(market: &mut MarketData, packet: PacketRef<'_>, parts: &mut Parts, decoded: &mut RecordBuf) {
    let mut sink = Stamped { records: decoded, now: packet.received };
    match (packet.line, packet.bytes) {
        (SNAPSHOT_LINE, [high, low]) => {
            let instrument = InstrumentId(u16::from_be_bytes([*high, *low]));
            market.mistrust(instrument, packet.received, &mut sink);
        }
        (SNAPSHOT_LINE, bytes) => {
            if let Some(snapshot) = parts.take(bytes) {
                market.on_snapshot(snapshot, packet.received);
            }
        }
        // A buffer has room for everything, so that no packet is refused.
        (line, bytes) => {
            let arrival = Arrival { received: packet.received, queued_ns: packet.queued_ns };
            let _taken = market.on_packet(line, bytes, arrival, &mut sink);
        }
    }
    poll(market, packet.received, decoded);
}

fn poll(market: &mut MarketData, now: Nanos, decoded: &mut RecordBuf) {
    market.on_poll(now, &mut Stamped { records: decoded, now });
    // Requests go nowhere: the recording holds their answers. Taking them keeps the receiver's clockwork going.
    while market.next_request(now).is_some() {}
}

/// A snapshot that is being put together from its recorded parts.
#[derive(Debug, Default)]
struct Parts {
    next: u64,
    /// Messages still to come.
    left: u64,
    messages: Vec<Vec<u8>>,
}

impl Parts {
    /// Takes a head or a part; the snapshot, once it is whole.
    fn take(&mut self, bytes: &[u8]) -> Option<Snapshot> {
        let mut rest = bytes;
        if self.left == 0 {
            let (next, behind) = rest.split_first_chunk::<8>()?;
            let (left, behind) = behind.split_first_chunk::<8>()?;
            (self.next, self.left) = (u64::from_be_bytes(*next), u64::from_be_bytes(*left));
            rest = behind;
        }
        while let Some((len, behind)) = rest.split_first_chunk::<2>()
            && self.left > 0
        {
            let (message, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
            self.messages.push(message.to_vec());
            self.left -= 1;
            rest = behind;
        }
        if self.left > 0 {
            return None;
        }
        let messages = core::mem::take(&mut self.messages);
        Some(Snapshot::new(self.next, messages.iter().map(Vec::as_slice)))
    }
}

/// Lays a stream's bytes into records of kind 0, which no journal takes: they end at the gateway.
fn wrap(packet: PacketRef<'_>, decoded: &mut RecordBuf) {
    let mut rest = packet.bytes;
    loop {
        let (chunk, more) = rest.split_at(rest.len().min(MAX_PAYLOAD));
        let mut cells = [Cell::ZERO; MAX_CELLS];
        let header = RecordHeader {
            commit: (HEADER_LEN + chunk.len()) as u64,
            now: packet.received,
            source: GATEWAY_SOURCE,
            ..RecordHeader::default()
        };
        let bytes = cells.as_mut_bytes();
        for (target, byte) in bytes.iter_mut().zip(header.as_bytes().iter().chain(chunk)) {
            *target = *byte;
        }
        if let Some(record) = RecordRef::first_of(&cells) {
            // A buffer takes everything.
            let _taken = decoded.push(record);
        }
        rest = more;
        if rest.is_empty() {
            return;
        }
    }
}

/// Writes a packet's stamp into the headers of the records that it becomes.
struct Stamped<'a> {
    records: &'a mut RecordBuf,
    now: Nanos,
}

impl RecordSink for Stamped<'_> {
    fn push(&mut self, record: RecordRef<'_>) -> core::result::Result<(), Full> {
        let mut cells = [Cell::ZERO; MAX_CELLS];
        for (target, cell) in cells.iter_mut().zip(record.cells()) {
            *target = *cell;
        }
        if let Ok((header, _)) = RecordHeader::mut_from_prefix(cells.as_mut_bytes()) {
            header.now = self.now;
        }
        RecordRef::first_of(&cells).map_or(Ok(()), |record| self.records.push(record))
    }

    fn room(&self) -> usize {
        usize::MAX
    }
}

impl Stage for ReaderStage {
    fn name(&self) -> &str {
        "reader"
    }

    fn poll(&mut self, budget: usize) -> usize {
        let mut work = 0;
        while work < budget && self.push() && self.step() {
            work += 1;
        }
        work
    }

    fn close(&mut self) {}
}
