//! ITCH from bytes: the message alone, and the packet all the way to records as a ring or the journal takes them.
//!
//! The floor is copying the same packets to another place: nobody can use bytes without reading them.

use std::hint::black_box;
use std::sync::Arc;

use hdrhistogram::Histogram;
use pricewright_core::kernel::{InstrumentId, Nanos, RecordBuf, SourceId};
use pricewright_feeds::nasdaq::InstrumentSpec;
use pricewright_feeds::nasdaq::itch::{self, FileReader, Header, StockDirectory};
use pricewright_feeds::nasdaq::market_data::{MarketData, MarketDataConfig};
use pricewright_feeds::nasdaq::moldudp64::{Packet, ReceiverConfig, Sender, decode as decode_packet};
use pricewright_feeds::nasdaq::{SessionDay, SessionId};
use zerocopy::{FromZeros as _, IntoBytes as _};

use super::stream::{Market, Stream, symbol};
use crate::error::{Error, Result};
use crate::harness::figure::{Samples, Spec, new_histogram};
use crate::harness::lab::Lab;
use crate::harness::runner::{Bench, Checked};
use crate::harness::timing::{BATCH, Stopwatch, on_core};

const COPY: &str = "copy the packet, a message of it";
const MESSAGE: &str = "ITCH message decoded";
const FULL_PACKETS: &str = "to records, 1 instrument, 1,400-byte packets";
const SMALL_PACKETS: &str = "to records, 1 instrument, two messages a packet";
const VENUE: &str = "to records, 11,000 instruments, 1,400-byte packets";

/// Messages of a round, and of the check.
const MESSAGES: usize = 500_000;
const CHECKED: usize = 20_000;
/// Live orders and levels of the market behind the messages.
const LIVE: usize = 10_000;
const LEVELS: u64 = 100;
/// Bytes of a full packet, and of one that two messages fit in.
const FULL: usize = 1_400;
const SMALL: usize = 100;
/// Midnight of the venue's day: 2026-01-05.
const MIDNIGHT: i64 = 1_767_571_200_000_000_000;
/// Cells that the records of the largest packet fit in.
const CELLS: usize = 4_096;

/// The bench.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decode;

impl Bench for Decode {
    fn name(&self) -> &'static str {
        "decode"
    }

    fn question(&self) -> &'static str {
        "How long does an ITCH message take from packet bytes to a record, one core?"
    }

    fn figures(&self) -> Vec<Spec> {
        vec![
            Spec::batch(COPY, BATCH),
            Spec::batch(MESSAGE, BATCH).over(COPY).per_second("messages"),
            Spec::batch(FULL_PACKETS, BATCH).over(COPY).per_second("messages"),
            Spec::batch(SMALL_PACKETS, BATCH).over(COPY).per_second("messages"),
            Spec::batch(VENUE, BATCH).over(COPY).per_second("messages"),
        ]
    }

    fn check(&mut self, lab: &Lab) -> Result<Checked> {
        let mut hasher = blake3::Hasher::new();
        let mut events = 0;
        for (instruments, size) in [(1, FULL), (1, SMALL), (50, FULL)] {
            let packets = Packets::make(lab.seed(), instruments, CHECKED, size)?;
            events += check_packets(&packets, &mut hasher)?;
        }
        let facts = vec![format!("{events} messages of the check became records, none was lost or refused")];
        Ok(Checked { result: hasher.finalize(), facts })
    }

    fn round(&mut self, lab: &Lab, samples: &mut Samples) -> Result<()> {
        let watch = lab.watch();
        let messages = lab.count(MESSAGES, 32 * BATCH as usize);
        let small = Arc::new(Packets::make(lab.seed(), 1, messages, SMALL)?);
        let full = Arc::new(Packets::make(lab.seed(), 1, messages, FULL)?);
        let venue = Arc::new(Packets::make(lab.seed(), 11_000, messages, FULL)?);
        let (copied, viewed) = (Arc::clone(&full), Arc::clone(&full));
        samples.add(COPY, &on_core(lab.hot(), move || copy(watch, &copied))?)?;
        samples.add(MESSAGE, &on_core(lab.hot(), move || view(watch, &viewed))?)?;
        for (name, packets) in [(FULL_PACKETS, full), (SMALL_PACKETS, small), (VENUE, venue)] {
            samples.add(name, &on_core(lab.hot(), move || to_records(watch, &packets))?)?;
        }
        Ok(())
    }
}

/// MoldUDP64 packets of one session: first those with the stock directory and the opening, then those to be timed.
struct Packets {
    instruments: u16,
    bytes: Vec<u8>,
    /// Where each packet ends.
    ends: Vec<usize>,
    /// Packets before the timed ones.
    opening: usize,
    messages: u64,
}

impl Packets {
    fn make(seed: u64, instruments: u16, count: usize, size: usize) -> Result<Self> {
        let mut stream = Stream::new(Market { seed, live: LIVE, instruments, levels: LEVELS, young: false });
        let mut packets = Self { instruments, bytes: Vec::new(), ends: Vec::new(), opening: 0, messages: 0 };
        let session = SessionId::new("BENCH").unwrap_or_default();
        let mut sender = Sender::new(session, 1, size, Nanos::from_secs(1));
        let mut framed = Vec::new();
        directory(instruments, &mut framed);
        stream.open(&mut framed);
        packets.take(&framed, &mut sender)?;
        packets.opening = packets.ends.len();
        framed.clear();
        stream.go_on(count, &mut framed);
        packets.take(&framed, &mut sender)?;
        Ok(packets)
    }

    fn take(&mut self, framed: &[u8], sender: &mut Sender) -> Result<()> {
        let Self { bytes, ends, messages, .. } = self;
        let mut emit = |packet: &[u8]| {
            bytes.extend_from_slice(packet);
            ends.push(bytes.len());
        };
        for message in FileReader::new(framed) {
            let (_, message) = message.map_err(|error| Error::Failed(error.to_string()))?;
            sender
                .push(message.as_bytes(), Nanos::ZERO, &mut emit)
                .map_err(|error| Error::Failed(format!("a packet of the bench: {error}")))?;
            *messages += 1;
        }
        sender.flush(Nanos::ZERO, &mut emit);
        Ok(())
    }

    /// The packets from number `first` on.
    fn from(&self, first: usize) -> impl Iterator<Item = &[u8]> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).skip(first).filter_map(|(start, end)| self.bytes.get(start..*end))
    }

    fn feed(&self) -> Result<MarketData> {
        let spec = |locate: u16| InstrumentSpec {
            id: InstrumentId(locate - 1),
            symbol: symbol(locate).as_str().to_owned(),
            tick_e4: 1,
        };
        let config = MarketDataConfig {
            source: SourceId(1),
            instruments: (1..=self.instruments).map(spec).collect(),
            day: SessionDay::fixed(MIDNIGHT),
            receiver: ReceiverConfig { lines: 1, ..ReceiverConfig::default() },
            sessions: Vec::new(),
            market: itch::market::NASDAQ,
            resume: None,
            recovery: None,
            lost: Vec::new(),
        };
        MarketData::new(config).map_err(|error| Error::Failed(format!("instruments of the bench: {error}")))
    }
}

/// The stock directory: locate codes from 1, as at the beginning of a day.
fn directory(instruments: u16, framed: &mut Vec<u8>) {
    for locate in 1..=instruments {
        let mut listing = StockDirectory::new_zeroed();
        listing.header = Header::of::<StockDirectory>(locate, 0, 0);
        listing.stock = symbol(locate);
        listing.market_category = b'Q';
        // A directory message is far shorter than a frame can say.
        let _fits = itch::append_file_frame(listing.as_bytes(), framed);
    }
}

/// Packets to records, all of them looked at: returns how many messages became events.
fn check_packets(packets: &Packets, hasher: &mut blake3::Hasher) -> Result<u64> {
    let mut feed = packets.feed()?;
    let mut records = RecordBuf::with_capacity(CELLS);
    for bytes in packets.from(0) {
        records.clear();
        if feed.on_packet(0, bytes, Nanos(MIDNIGHT), &mut records).is_err() {
            return Err(Error::Failed("a packet was not taken; please report this".to_owned()));
        }
        for record in records.iter() {
            hasher.update(&record.header().kind.to_le_bytes());
            hasher.update(record.payload());
        }
    }
    let counted = *feed.counters();
    let expected = packets.messages - u64::from(packets.instruments);
    if counted.events != expected || counted.malformed + counted.refused + counted.other_instruments > 0 {
        return Err(Error::Failed(format!(
            "of {expected} messages {} became events ({} malformed, {} refused); please report this",
            counted.events, counted.malformed, counted.refused
        )));
    }
    Ok(counted.events)
}

/// Times what `work` does with each packet, in groups of packets with about [`BATCH`] messages, as the mean of a message.
fn by_packets(
    watch: Stopwatch,
    packets: &Packets,
    mut work: impl FnMut(&[u8]) -> u64,
) -> Result<Histogram<u64>> {
    let mut histogram = new_histogram()?;
    let (mut start, mut messages, mut groups) = (watch.stamp(), 0, 0_u64);
    for bytes in packets.from(packets.opening) {
        messages += work(bytes);
        if messages >= BATCH {
            let end = watch.stamp();
            if groups >= 4 {
                watch.record_mean(&mut histogram, start, end, messages);
            }
            groups += 1;
            messages = 0;
            start = watch.stamp();
        }
    }
    Ok(histogram)
}

/// Messages of a packet, from its header.
fn count_of(bytes: &[u8]) -> u64 {
    let count = bytes.get(18..20).and_then(|bytes| bytes.try_into().ok());
    count.map_or(0, |count| u64::from(u16::from_be_bytes(count)))
}

fn copy(watch: Stopwatch, packets: &Packets) -> Result<Histogram<u64>> {
    let mut target = vec![1_u8; FULL];
    by_packets(watch, packets, |bytes| {
        if let Some(target) = target.get_mut(..bytes.len()) {
            target.copy_from_slice(bytes);
        }
        black_box(&target);
        count_of(bytes)
    })
}

fn view(watch: Stopwatch, packets: &Packets) -> Result<Histogram<u64>> {
    by_packets(watch, packets, |bytes| {
        let Ok(Packet::Data { messages, .. }) = decode_packet(bytes) else { return 0 };
        let mut sum = 0_u64;
        for message in messages {
            if let Ok(message) = itch::decode(message) {
                sum = sum.wrapping_add(message.header().timestamp.nanos());
            }
        }
        black_box(sum);
        count_of(bytes)
    })
}

fn to_records(watch: Stopwatch, packets: &Packets) -> Result<Histogram<u64>> {
    let mut feed = packets.feed()?;
    let mut records = RecordBuf::with_capacity(CELLS);
    for bytes in packets.from(0).take(packets.opening) {
        records.clear();
        let _taken = feed.on_packet(0, bytes, Nanos(MIDNIGHT), &mut records);
    }
    let before = feed.counters().events;
    let mut messages = 0;
    let histogram = by_packets(watch, packets, |bytes| {
        records.clear();
        let _taken = feed.on_packet(0, bytes, Nanos(MIDNIGHT), &mut records);
        messages += count_of(bytes);
        count_of(bytes)
    })?;
    let events = feed.counters().events - before;
    if events != messages {
        return Err(Error::Failed(format!(
            "of {messages} messages {events} became events; please report this"
        )));
    }
    Ok(histogram)
}
