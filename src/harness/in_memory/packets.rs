//! A market as packets in memory: what the simulated exchange would have sent, made before anything is measured.

use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::moldudp64::Sender;
use pricewright_feeds::nasdaq::moldudp64::session::HEARTBEAT_INTERVAL;
use pricewright_feeds::nasdaq::{MessageStore as _, SessionId, Symbol};

use crate::error::{Error, Result};
use crate::sim::exchange::{Exchange, Source};

/// When every such market opens: 2026-01-05T14:30:00Z.
pub const OPENING: Nanos = Nanos(1_767_623_400_000_000_000);
/// Bytes of a packet at most: what an Ethernet frame carries, with room for a tunnel.
const MAX_PACKET: usize = 1400;
/// What the exchange does within this time leaves in one packet.
const STEP: i64 = 10_000;
/// Where a packet's header has its count of messages (MoldUDP64 1.00).
const COUNT_AT: usize = 18;
/// The name of the session.
const SESSION: &str = "INMEMORY";

/// What market to make. The same values give the same packets, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Market {
    /// Seed of the background flow.
    pub seed: u64,
    /// Background commands a second, on average.
    pub rate: u32,
    /// ITCH messages, at least.
    pub messages: u64,
    /// What is traded.
    pub symbols: Vec<String>,
}

/// A packet's place in the buffer.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: Nanos,
    start: usize,
    len: usize,
}

/// MoldUDP64 packets of one session, with the time at which each arrives.
#[derive(Clone, Debug)]
pub struct Packets {
    bytes: Vec<u8>,
    places: Vec<Place>,
    messages: u64,
}

impl Packets {
    /// Lets the simulated exchange run under a manual clock until it has said enough.
    ///
    /// # Errors
    /// Where a symbol cannot be used, or the flow comes to an end.
    pub fn generate(market: &Market) -> Result<Self> {
        let symbol = |text: &String| {
            Symbol::new(text)
                .ok_or_else(|| Error::Usage(format!("{text:?} is not a symbol of 1 to 8 letters")))
        };
        let symbols: Vec<Symbol> = market.symbols.iter().map(symbol).collect::<Result<_>>()?;
        let source = Source::Flow { seed: market.seed, rate: market.rate, symbols };
        let mut exchange = Exchange::new(source, OPENING);
        exchange.open(OPENING);
        let session = SessionId::new(SESSION).unwrap_or_default();
        let mut sender = Sender::new(session, 1, MAX_PACKET, HEARTBEAT_INTERVAL);
        let mut packets = Self { bytes: Vec::new(), places: Vec::new(), messages: 0 };
        let mut now = OPENING;
        loop {
            packets.take_new(&exchange, &mut sender, now)?;
            if packets.messages >= market.messages {
                return Ok(packets);
            }
            let due = exchange.next_due().ok_or_else(|| Error::Failed("the flow has ended".to_owned()))?;
            let steps = (due - now).0.max(1).div_euclid(STEP) + 1;
            now += Nanos(steps * STEP);
            exchange.advance(now)?;
        }
    }

    fn take_new(&mut self, exchange: &Exchange, sender: &mut Sender, now: Nanos) -> Result<()> {
        let Self { bytes, places, messages } = self;
        let mut emit = |packet: &[u8]| {
            places.push(Place { at: now, start: bytes.len(), len: packet.len() });
            bytes.extend_from_slice(packet);
        };
        for message in exchange.tape().from(*messages + 1) {
            sender
                .push(message, now, &mut emit)
                .map_err(|error| Error::Failed(format!("a message of the exchange: {error}")))?;
        }
        sender.poll(now, &mut emit);
        *messages = exchange.tape().next_sequence() - 1;
        Ok(())
    }

    /// When packet `index` arrives, and its bytes; `None` behind the last.
    #[inline]
    pub fn get(&self, index: usize) -> Option<(Nanos, &[u8])> {
        let place = self.places.get(index)?;
        Some((place.at, self.bytes.get(place.start..place.start + place.len)?))
    }

    /// How many packets.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many ITCH messages are in the packets from `index` on.
    pub fn messages_from(&self, index: usize) -> u64 {
        let count = |place: &Place| {
            let at = place.start + COUNT_AT;
            let bytes = self.bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, |bytes| u64::from(u16::from_be_bytes(bytes)))
        };
        self.places.get(index..).unwrap_or(&[]).iter().map(count).sum()
    }

    /// How many ITCH messages are in them.
    pub fn messages(&self) -> u64 {
        self.messages
    }
}
