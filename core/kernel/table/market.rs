//! Market data.

use crate::kernel::codes::{Health, HealthReason, SideCode, Text, TradingState};
use crate::kernel::units::{EventNanos, InstrumentId, SourceId, Ticks};

fields! {
    /// An order joined the book.
    OrderAdd {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The venue's order number.
        order: u64,
        /// Price.
        price: Ticks,
        /// Quantity in lots.
        qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// Side.
        side: SideCode,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
    }

    /// A resting order was executed at its own price.
    OrderExecuted {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The resting order.
        order: u64,
        /// The venue's number of the match.
        match_number: u64,
        /// Executed lots.
        qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// The resting order's side, where the venue says it.
        side: SideCode,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
    }

    /// A resting order was executed at another price than its own.
    OrderExecutedAt {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The resting order.
        order: u64,
        /// The venue's number of the match.
        match_number: u64,
        /// Price of the execution.
        price: Ticks,
        /// Executed lots.
        qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// The resting order's side, where the venue says it.
        side: SideCode,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
    }

    /// A resting order was cancelled in part.
    OrderReduced {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The order.
        order: u64,
        /// Zero.
        spare: u64,
        /// Lots taken off.
        qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// Side, where the venue says it.
        side: SideCode,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
    }

    /// A resting order left the book.
    OrderDeleted {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The order.
        order: u64,
        /// Zero.
        spare: u64,
        /// Zero.
        spare2: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// Side, where the venue says it.
        side: SideCode,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
    }

    /// A resting order was replaced by a new one of the same side; it loses its place in the queue.
    OrderReplaced {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The order that leaves.
        order: u64,
        /// The order that joins.
        new_order: u64,
        /// Its price.
        price: Ticks,
        /// Its quantity in lots.
        qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// Side, where the venue says it.
        side: SideCode,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
    }

    /// A trade that does not touch the displayed book.
    Trade {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The venue's number of the match.
        match_number: u64,
        /// Price.
        price: Ticks,
        /// Lots.
        qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// The resting side, where the venue says it.
        side: SideCode,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
    }

    /// An auction's trade.
    CrossTrade {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The venue's number of the match.
        match_number: u64,
        /// Price.
        price: Ticks,
        /// Lots.
        qty: u64,
        /// Instrument.
        instrument: InstrumentId,
        /// The venue's letter for the kind of auction.
        cross_type: u8 as AUCTION,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
        /// Zero.
        spare: u32,
    }

    /// A match was broken.
    TradeBroken {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The venue's number of the match.
        match_number: u64,
        /// Zero.
        spare: u64,
        /// Instrument.
        instrument: InstrumentId,
        /// Zero.
        spare2: u8,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
        /// Zero.
        spare3: u32,
    }

    /// Whether an instrument may be traded changed. A market's own halt and its end (`MARKET_HALTED`, `MARKET_RESUMED`) stand
    /// beside the state for all markets: the instrument trades only where both allow it.
    TradingStatus {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// Instrument.
        instrument: InstrumentId,
        /// Now.
        state: TradingState,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
        /// The venue's reason, its own letters.
        reason: Text<4>,
        /// Zero.
        spare: [u8; 16],
    }

    /// The venue's day moved on (ITCH system event).
    MarketPhase {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The venue's letter.
        code: u8 as MARKET_DAY,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
        /// Zero.
        spare: [u8; 22],
    }

    /// Trading is halted in all instruments of all markets (ITCH market-wide circuit breaker status). Each instrument trades
    /// again when a [`TradingStatus`](super::TradingStatus) of its own says so; after a breach of the third level not before
    /// the next session.
    MarketHalt {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The level that was breached, the venue's digit.
        level: u8 as HALT_LEVEL,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
        /// Zero.
        spare: [u8; 22],
    }

    /// The books of a source start from empty: another session begins. Trading states start anew with them, so that none
    /// holds until it is said again.
    BookCleared {
        /// The source's position at which the new book begins.
        position: u64,
        /// Instrument, or [`ALL_INSTRUMENTS`](super::ALL_INSTRUMENTS).
        instrument: InstrumentId,
        /// Whose books.
        source: SourceId,
        /// Why.
        reason: HealthReason,
        /// [`market_flags`](super::market_flags).
        flags: u8 as MARKET_FLAGS,
        /// [`Health::STALE`]: nobody knows what the book holds; it is empty and not to be believed until it starts anew. With
        /// [`HealthReason::SNAPSHOT`] it is filled from here on, and to be believed once a
        /// [`FeedHealth`](super::FeedHealth) says [`HealthReason::RESTORED`].
        /// Zero: it starts anew, and is as good as its feed.
        health: Health,
        /// Zero.
        spare: [u8; 17],
    }
}
