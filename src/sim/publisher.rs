//! What the exchange tells the market: ITCH 5.0 messages on the tape, in order, stamped.
//!
//! Stamps count nanoseconds from the midnight of the venue's day in which the session began and never decrease; a session that
//! lasts past the next midnight counts on. Locate codes are the instruments' indices plus 1. Tracking numbers count messages
//! and wrap.

use pricewright_core::kernel::{InstrumentId, Lots, Nanos, Side, Ticks};
use pricewright_feeds::nasdaq::itch::{
    AddOrder, Body, Header, OrderCancel, OrderDelete, OrderExecuted, OrderReplace, RegShoRestriction,
    StockDirectory, StockTradingAction, SystemEvent,
};
use pricewright_feeds::nasdaq::{Alpha, Symbol};
use zerocopy::big_endian::{U32, U64};

use super::tape::Tape;

/// Bytes of a page of the tape: about 30,000 messages.
const TAPE_PAGE_BYTES: usize = 1 << 20;

/// Writes the tape.
#[derive(Clone, Debug)]
pub(super) struct Publisher {
    tape: Tape,
    stocks: Vec<Symbol>,
    midnight: Nanos,
    /// Since midnight.
    stamp: u64,
    tracking: u16,
}

impl Publisher {
    /// An empty tape of a session whose stamps count from `midnight`.
    pub(super) fn new(stocks: Vec<Symbol>, midnight: Nanos) -> Self {
        Self { tape: Tape::new(TAPE_PAGE_BYTES), stocks, midnight, stamp: 0, tracking: 0 }
    }

    /// Everything published.
    pub(super) fn tape(&self) -> &Tape {
        &self.tape
    }

    /// Stamps what follows with `now`; an earlier time than before leaves the stamp as it is.
    pub(super) fn set_time(&mut self, now: Nanos) {
        let since = (now - self.midnight).0.max(0);
        self.stamp = self.stamp.max(since.unsigned_abs());
    }

    /// The stamp of what is published now: nanoseconds since midnight.
    pub(super) fn stamp(&self) -> u64 {
        self.stamp
    }

    /// Publishes a message as it is.
    pub(super) fn verbatim(&mut self, message: &[u8]) {
        self.tape.push(message);
    }

    /// Publishes a system event.
    pub(super) fn system_event(&mut self, event_code: u8) {
        let header = self.header::<SystemEvent>(0);
        self.push(&SystemEvent { header, event_code });
    }

    /// Publishes what the market must know of every stock before its first order: directory, trading state, short sale
    /// restriction.
    pub(super) fn directory(&mut self, round_lot: Lots) {
        for index in 0..self.stocks.len() {
            let instrument = InstrumentId(u16::try_from(index).unwrap_or(u16::MAX));
            self.stock_directory(instrument, round_lot);
        }
        for index in 0..self.stocks.len() {
            let instrument = InstrumentId(u16::try_from(index).unwrap_or(u16::MAX));
            let (locate, stock) = self.stock(instrument);
            let header = self.header::<StockTradingAction>(locate);
            self.push(&trading(header, stock));
            let header = self.header::<RegShoRestriction>(locate);
            self.push(&RegShoRestriction { header, stock, action: b'0' });
        }
    }

    /// A stock of the simulated market: live, common, listed here, no tier of bands, nothing special.
    fn stock_directory(&mut self, instrument: InstrumentId, round_lot: Lots) {
        let (locate, stock) = self.stock(instrument);
        let header = self.header::<StockDirectory>(locate);
        self.push(&StockDirectory { round_lot_size: shares(round_lot), ..stock_directory(header, stock) });
    }

    /// An order joined the displayed book.
    pub(super) fn added(
        &mut self,
        order: u64,
        instrument: InstrumentId,
        side: Side,
        price: Ticks,
        qty: Lots,
    ) {
        let (locate, stock) = self.stock(instrument);
        let header = self.header::<AddOrder>(locate);
        let side = if side == Side::Buy { b'B' } else { b'S' };
        self.push(&AddOrder {
            header,
            order: U64::new(order),
            side,
            shares: shares(qty),
            stock,
            price: price_of(price),
        });
    }

    /// A displayed order was executed.
    pub(super) fn executed(&mut self, order: u64, instrument: InstrumentId, qty: Lots, match_number: u64) {
        let header = self.header::<OrderExecuted>(self.stock(instrument).0);
        self.push(&OrderExecuted {
            header,
            order: U64::new(order),
            shares: shares(qty),
            match_number: U64::new(match_number),
        });
    }

    /// A displayed order lost a part of its lots.
    pub(super) fn reduced(&mut self, order: u64, instrument: InstrumentId, qty: Lots) {
        let header = self.header::<OrderCancel>(self.stock(instrument).0);
        self.push(&OrderCancel { header, order: U64::new(order), shares: shares(qty) });
    }

    /// A displayed order left the book.
    pub(super) fn deleted(&mut self, order: u64, instrument: InstrumentId) {
        let header = self.header::<OrderDelete>(self.stock(instrument).0);
        self.push(&OrderDelete { header, order: U64::new(order) });
    }

    /// A displayed order was replaced by another that is displayed.
    pub(super) fn replaced(
        &mut self,
        old: u64,
        order: u64,
        instrument: InstrumentId,
        price: Ticks,
        qty: Lots,
    ) {
        let header = self.header::<OrderReplace>(self.stock(instrument).0);
        self.push(&OrderReplace {
            header,
            order: U64::new(old),
            new_order: U64::new(order),
            shares: shares(qty),
            price: price_of(price),
        });
    }

    fn stock(&self, instrument: InstrumentId) -> (u16, Symbol) {
        let stock = self.stocks.get(instrument.index()).copied().unwrap_or(Symbol::BLANK);
        (instrument.0.saturating_add(1), stock)
    }

    fn header<B: Body>(&mut self, locate: u16) -> Header {
        self.tracking = self.tracking.wrapping_add(1);
        Header::of::<B>(locate, self.tracking, self.stamp)
    }

    fn push<B: Body>(&mut self, message: &B) {
        self.tape.push(message.as_bytes());
    }
}

/// Lots as the shares of a message. The gateway takes no order that does not fit.
fn shares(qty: Lots) -> U32 {
    U32::new(u32::try_from(qty.0).unwrap_or(u32::MAX))
}

/// Ticks of 1e-4 as the price of a message. The gateway takes no order that does not fit.
fn price_of(price: Ticks) -> U32 {
    U32::new(u32::try_from(price.0).unwrap_or(u32::MAX))
}

/// The directory's line of a stock that is live, common, listed here, in round lots of 100, nothing special.
pub(super) fn stock_directory(header: Header, stock: Symbol) -> StockDirectory {
    StockDirectory {
        header,
        stock,
        market_category: b'Q',
        financial_status: b'N',
        round_lot_size: U32::new(100),
        round_lots_only: b'N',
        issue_classification: b'C',
        issue_sub_type: *b"Z ",
        authenticity: b'P',
        short_sale_threshold: b'N',
        ipo_flag: b'N',
        luld_tier: b'1',
        etp_flag: b'N',
        etp_leverage: U32::new(0),
        inverse: b'N',
    }
}

/// That a stock trades.
pub(super) fn trading(header: Header, stock: Symbol) -> StockTradingAction {
    StockTradingAction { header, stock, trading_state: b'T', reserved: b' ', reason: Alpha::BLANK }
}
