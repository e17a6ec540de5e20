//! The market of the bench: one share, one order a side, and both move by a cent or two with every packet, up over the even
//! cents and down over the odd ones.
//!
//! The desk quotes two cents from the mid on each side, so that the price of its bid says which packet it answers, and so
//! that neither of its quotes has to wait until the other has made room.

use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::itch::{
    AddOrder, Header, OrderReplace, StockDirectory, StockTradingAction, SystemEvent,
};
use pricewright_feeds::nasdaq::moldudp64::Sender;
use pricewright_feeds::nasdaq::{Alpha, SessionId, Symbol};
use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromZeros as _, IntoBytes as _};

use crate::error::{Error, Result};

/// The share.
pub(super) const SYMBOL: &str = "PRCW";
/// Its locate code.
const LOCATE: u16 = 1;
/// The mid before the first packet, and a cent, in units of 0.0001.
const MIDDLE: u64 = 1_000_000;
const CENT: u64 = 100;
/// Packets in one direction. No price comes again within twice as many: far more packets than are ever on their way, and
/// more than a millisecond of them, since the gate takes the same order twice within a millisecond for a mistake.
const CLIMB: u64 = 128;
/// Distance of the market's orders from its mid.
const HALF_SPREAD: u64 = 4 * CENT;
/// Distance of the desk's quotes from the mid, in units of 0.0001.
pub(super) const OWN_HALF_SPREAD: u64 = 2 * CENT;
/// Bytes of a packet: two messages and their header.
const MAX_PACKET: usize = 1_400;

/// Cents above the beginning after packet `number`, counted from 1: 2, 4, … up, one further, and down to 1 and 0.
fn climb(number: u64) -> u64 {
    let step = number % (2 * CLIMB);
    if step < CLIMB { 2 * step } else { 2 * (2 * CLIMB - step) - 1 }
}

/// The desk's bid after packet `number`, in units of 0.0001.
pub(super) fn own_bid_e4(number: u64) -> u64 {
    MIDDLE + climb(number) * CENT - OWN_HALF_SPREAD
}

/// Makes packets, in order.
pub(super) struct Market {
    sender: Sender,
    /// The number of the last packet made.
    number: u64,
    bid: u64,
    ask: u64,
    next_order: u64,
    nanos: u64,
}

impl Market {
    pub(super) fn new(nanos: u64) -> Self {
        let session = SessionId::new("BENCH").unwrap_or_default();
        let sender = Sender::new(session, 1, MAX_PACKET, Nanos::from_secs(1));
        Self { sender, number: 0, bid: 1, ask: 2, next_order: 3, nanos }
    }

    /// The opening: the directory, trading and market hours begin, an order on each side.
    pub(super) fn open(&mut self) -> Result<Vec<u8>> {
        let stock = Symbol::new(SYMBOL).unwrap_or_default();
        let mut listing = StockDirectory::new_zeroed();
        listing.header = self.header::<StockDirectory>();
        listing.stock = stock;
        let mut trading = StockTradingAction::new_zeroed();
        trading.header = self.header::<StockTradingAction>();
        (trading.stock, trading.trading_state, trading.reason) = (stock, b'T', Alpha::BLANK);
        let side = |side: u8, order: u64, price: u64, header: Header| AddOrder {
            header,
            order: U64::new(order),
            side,
            shares: U32::new(100),
            stock,
            price: U32::new(price as u32),
        };
        let bid = side(b'B', self.bid, MIDDLE - HALF_SPREAD, self.header::<AddOrder>());
        let ask = side(b'S', self.ask, MIDDLE + HALF_SPREAD, self.header::<AddOrder>());
        let mut hours = SystemEvent::new_zeroed();
        (hours.header, hours.event_code) = (self.header::<SystemEvent>(), b'Q');
        self.packet(&[
            listing.as_bytes(),
            trading.as_bytes(),
            hours.as_bytes(),
            bid.as_bytes(),
            ask.as_bytes(),
        ])
    }

    /// The next packet: both orders are replaced a cent further on.
    pub(super) fn next_packet(&mut self) -> Result<(u64, Vec<u8>)> {
        self.number += 1;
        let middle = MIDDLE + climb(self.number) * CENT;
        let (new_bid, new_ask) = (self.next_order, self.next_order + 1);
        self.next_order += 2;
        let bid = self.replace(self.bid, new_bid, middle - HALF_SPREAD);
        let ask = self.replace(self.ask, new_ask, middle + HALF_SPREAD);
        (self.bid, self.ask) = (new_bid, new_ask);
        Ok((self.number, self.packet(&[bid.as_bytes(), ask.as_bytes()])?))
    }

    /// Says that nothing is new.
    pub(super) fn heartbeat(&self) -> [u8; pricewright_feeds::nasdaq::moldudp64::HEADER_LEN] {
        pricewright_feeds::nasdaq::moldudp64::heartbeat(self.sender.session(), self.sender.next_sequence())
    }

    fn replace(&mut self, order: u64, new_order: u64, price: u64) -> OrderReplace {
        OrderReplace {
            header: self.header::<OrderReplace>(),
            order: U64::new(order),
            new_order: U64::new(new_order),
            shares: U32::new(100),
            price: U32::new(price as u32),
        }
    }

    fn header<B: pricewright_feeds::nasdaq::itch::Body>(&mut self) -> Header {
        self.nanos += 1_000;
        Header::of::<B>(LOCATE, 0, self.nanos)
    }

    fn packet(&mut self, messages: &[&[u8]]) -> Result<Vec<u8>> {
        let mut packet = Vec::new();
        let mut emit = |bytes: &[u8]| packet.extend_from_slice(bytes);
        for message in messages {
            self.sender
                .push(message, Nanos::ZERO, &mut emit)
                .map_err(|error| Error::Failed(format!("a packet of the bench: {error}")))?;
        }
        self.sender.flush(Nanos::ZERO, &mut emit);
        Ok(packet)
    }
}
