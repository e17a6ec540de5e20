//! Decisions.

use crate::kernel::codes::{
    CancelReason, Control, Health, HealthReason, PriceGuard, RejectReason, SessionPhase, SideCode, Text,
    TimeInForce,
};
use crate::kernel::units::{EventNanos, InstrumentId, Lots, Minor, Nanos, SourceId, Ticks};

fields! {
    /// An input was refused: the dead letter.
    Rejected {
        /// Where in the source (line number, sequence, offset).
        position: u64,
        /// Bytes of the input.
        len: u32,
        /// Why.
        reason: RejectReason,
        /// Whose.
        source: SourceId,
        /// The beginning of the input, or what is wrong with it.
        text: Text<80>,
    }

    /// Send a new order.
    PlaceOrder {
        /// Our order number.
        client: u64,
        /// Limit price.
        price: Ticks,
        /// Not to be sent after this.
        expires: Nanos,
        /// Lots.
        qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// Side.
        side: SideCode,
        /// How long it lives.
        tif: TimeInForce,
    }

    /// Replace an order.
    ReplaceOrder {
        /// Our number of the new order.
        client: u64,
        /// Our number of the order that leaves.
        prior: u64,
        /// New limit price.
        price: Ticks,
        /// Not to be sent after this.
        expires: Nanos,
        /// New total lots, executed ones included.
        qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// Side (unchanged).
        side: SideCode,
        /// How long it lives.
        tif: TimeInForce,
    }

    /// Cancel an order.
    CancelOrder {
        /// Our order number.
        client: u64,
        /// Its price, for the reader of the journal.
        price: Ticks,
        /// Its open lots, for the reader of the journal.
        qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// Side.
        side: SideCode,
        /// Why.
        reason: CancelReason,
        /// Zero.
        spare: u64,
    }

    /// The risk gate refused an intent.
    OrderRefused {
        /// The measured number.
        value: i64,
        /// The limit it was held against.
        limit: i64,
        /// Price of the intent.
        price: Ticks,
        /// Lots of the intent.
        qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// The control that refused.
        control: Control,
        /// The order to be replaced, 0 for a new one.
        prior: u64,
        /// Side.
        side: SideCode,
        /// Zero.
        spare: [u8; 7],
    }

    /// A book became valid, recovering or stale.
    BookTransition {
        /// The source's next expected position.
        position: u64,
        /// Positions missing.
        missing: u64,
        /// Orders in the book.
        orders: u64,
        /// Instrument.
        instrument: InstrumentId,
        /// Before.
        from: Health,
        /// Now.
        to: Health,
        /// Why.
        reason: HealthReason,
        /// Zero.
        spare: [u8; 3],
    }

    /// A fill was booked.
    PositionChanged {
        /// Our order number.
        client: u64,
        /// The venue's number of the match.
        match_number: u64,
        /// Price of the fill.
        price: Ticks,
        /// Lots, signed: bought is positive.
        fill: Lots,
        /// Position now.
        position: Lots,
        /// What the position cost (average cost × position), signed.
        cost: Minor,
        /// Realised profit since the start, fees not deducted.
        realised: Minor,
        /// Fees since the start; rebates are negative.
        fees: Minor,
        /// Instrument.
        instrument: InstrumentId,
        /// Zero.
        spare: [u8; 6],
    }

    /// Where the desk stands, at every status timer.
    DeskStatus {
        /// Best bid of the market; 0 where there is none.
        bid: Ticks,
        /// Best ask of the market; 0 where there is none.
        ask: Ticks,
        /// Position.
        position: Lots,
        /// Realised profit since the start, fees not deducted.
        realised: Minor,
        /// Unrealised profit at the mid.
        unrealised: Minor,
        /// Fees since the start; rebates are negative.
        fees: Minor,
        /// Fills since the start.
        fills: u64,
        /// Gaps since the start.
        gaps: u32,
        /// Orders open.
        open_orders: u16,
        /// Instrument.
        instrument: InstrumentId,
        /// The book's health.
        health: Health,
        /// The session with the venue.
        phase: SessionPhase,
        /// The kill latch: the control that set it, or none. Of older builds also `position_break` for a frozen instrument.
        latch: Control,
        /// 1 where the instrument is frozen, since the venue's drop copy and our own book of fills differ.
        frozen: u8 as YES_NO,
        /// Zero.
        spare: [u8; 3],
    }

    /// The desk asks the gateway to latch: nothing but cancels may leave.
    KillLatched {
        /// The measured number.
        value: i64,
        /// The limit it was held against.
        limit: i64,
        /// What set it.
        control: Control,
        /// Zero where set, 1 where an operator released it.
        released: u8 as YES_NO,
        /// Zero.
        spare: [u8; 5],
        /// Who asked, where somebody did.
        operator: Text<16>,
    }

    /// A price for an article.
    PricePublished {
        /// The stamp of the event that moved it, by the source's clock.
        event_ns: EventNanos,
        /// The price for one piece.
        price: Minor,
        /// The price before; 0 where there was none.
        previous: Minor,
        /// What the formula said before the guard rails.
        formula: Minor,
        /// Pieces at the start of the sale.
        initial: i64,
        /// Pieces left.
        stock: i64,
        /// Article, a [`Define`](super::Define) of [`Column::SKU`](crate::kernel::Column::SKU).
        sku: u32,
        /// Whose number `sku` is.
        source: SourceId,
        /// Which guard rail bit.
        guard: PriceGuard,
    }

    /// The venue's day is over: what it came to. Daily numbers count anew from here.
    DayEnded {
        /// The day's midnight, in the venue's time zone.
        begin: Nanos,
        /// The midnight after it.
        end: Nanos,
        /// Profit of the day, realised and unrealised, fees deducted.
        profit: Minor,
        /// Fees of the day; rebates are negative.
        fees: Minor,
        /// Fills of the day.
        fills: u64,
        /// Orders that the venue refused on the day.
        rejects: u32,
        /// The day's date: 20261130.
        date: u32,
    }
}
