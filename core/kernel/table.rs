//! The record table: every kind of event and decision, declared once.
//!
//! From this list come the structs, their numbers, the schema catalogue, the layout checks and the borrowed enums that
//! machines match on. A number is never used again for something else; a layout never changes under the same version.
//! Spare fields keep the layout free of padding and are zero.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::codes::{
    CancelReason, Column, Control, EndReason, Health, HealthReason, Liquidity, Liveness, OperatorCommand,
    PriceGuard, RejectReason, SendOutcome, SessionPhase, SideCode, Text, TimeInForce, TradingState,
};
use super::record::{Class, Record, RecordRef};
use super::schema::{Field, FieldSchema, RecordSchema};
use super::units::{EventNanos, InstrumentId, Lots, Minor, Nanos, SourceId, Ticks};

macro_rules! declare {
    ($class:ident, $(#[$doc:meta])* $kind:literal v $version:literal $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $ty:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        impl Record for $name {
            const KIND: u16 = $kind;
            const VERSION: u8 = $version;
            const CLASS: Class = Class::$class;
            const SCHEMA: &'static RecordSchema = &RecordSchema {
                kind: $kind,
                version: $version,
                name: stringify!($name),
                class: Class::$class,
                size: size_of::<$name>(),
                fields: &[$(FieldSchema {
                    name: stringify!($field),
                    offset: core::mem::offset_of!($name, $field),
                    size: size_of::<$ty>(),
                    ty: <$ty as Field>::TYPE,
                    unit: <$ty as Field>::UNIT,
                    codes: <$ty as Field>::CODES,
                },)*],
            };
        }
    };
}

macro_rules! record_table {
    ($($(#[$enum_doc:meta])* $class:ident as $enum:ident {
        $($(#[$doc:meta])* $kind:literal v $version:literal $name:ident { $($body:tt)* })*
    })*) => {
        $($(declare! { $class, $(#[$doc])* $kind v $version $name { $($body)* } })*)*

        /// The number of each record kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Kind {
            $($($(#[$doc])* $name = $kind,)*)*
        }

        impl Kind {
            /// The kind with this number.
            pub fn from_u16(number: u16) -> Option<Self> {
                match number {
                    $($($kind => Some(Self::$name),)*)*
                    _ => None,
                }
            }

            /// Its schema.
            pub fn schema(self) -> &'static RecordSchema {
                match self {
                    $($(Self::$name => $name::SCHEMA,)*)*
                }
            }
        }

        /// Every schema in the order of the table.
        pub const SCHEMAS: &[&RecordSchema] = &[$($($name::SCHEMA,)*)*];

        $(
            $(#[$enum_doc])*
            #[derive(Clone, Copy, Debug)]
            pub enum $enum<'a> {
                $($(#[$doc])* $name(&'a $name),)*
            }

            impl<'a> $enum<'a> {
                /// The record's payload as this class; `None` where kind, version or size are not of it.
                #[inline]
                pub fn of(record: &RecordRef<'a>) -> Option<Self> {
                    match record.header().kind {
                        $($kind => record.get::<$name>().map(Self::$name),)*
                        _ => None,
                    }
                }
            }

            $(impl<'a> From<&'a $name> for $enum<'a> {
                fn from(record: &'a $name) -> Self {
                    Self::$name(record)
                }
            })*
        )*
    };
}

/// Bits of the `flags` field of market records.
pub mod market_flags {
    /// The last update of those that the venue means as one; machines act only here.
    pub const LAST_IN_BATCH: u8 = 1;
    /// The execution counts towards the venue's printed volume.
    pub const PRINTABLE: u8 = 2;
}

/// [`BookCleared::instrument`] where all instruments are meant.
pub const ALL_INSTRUMENTS: InstrumentId = InstrumentId(u16::MAX);

record_table! {
    /// A record about the run itself; machines never see it.
    System as SystemRef {
        /// First record of a run: what runs, under which configuration. [`ConfigChunk`]s follow.
        1 v 1 RunStart {
            /// 1 for the journal's first run, then rising.
            run: u64,
            /// Wall clock at the start.
            started: Nanos,
            /// Seed of every generator of the machine.
            seed: u64,
            /// Bytes of the canonical configuration.
            config_len: u32,
            /// How many [`ConfigChunk`]s follow.
            config_chunks: u32,
            /// BLAKE3 of the canonical configuration.
            config_hash: [u8; 32],
            /// BLAKE3 that names the build.
            build_hash: [u8; 32],
            /// The machine's name.
            machine: Text<24>,
        }
        /// A part of the canonical configuration (TOML, never secrets).
        2 v 1 ConfigChunk {
            /// Position among the chunks, from 0.
            index: u16,
            /// How many chunks there are.
            total: u16,
            /// Bytes used of `text`.
            len: u32,
            /// The part.
            text: Text<984>,
        }
        /// Last record of a run that ended cleanly.
        3 v 1 RunEnd {
            /// Events of this run, system records not counted.
            events: u64,
            /// Decisions of this run.
            decisions: u64,
            /// The machine's state hash after the last event.
            state_hash: [u8; 32],
            /// Why it ended.
            reason: EndReason,
            /// Zero.
            spare: [u8; 7],
        }
        /// What recovery found and did, at the start of the run that follows a crash.
        4 v 1 Recovered {
            /// The last sequence that the crashed run had committed.
            last_seq: u64,
            /// Bytes of a torn record that were cut off.
            torn_bytes: u64,
            /// Decisions that were missing and were appended as not sent.
            decisions_added: u32,
            /// Zero.
            spare: u32,
            /// The run that crashed.
            run: u64,
        }
    }

    /// An input, as a machine sees it.
    Event as EventRef {
        /// An interned string: from here on `source` means `text` where it says `id` in `column`.
        16 v 1 Define {
            /// Number, dense from 0 for each source and column.
            id: u32,
            /// Which column.
            column: Column,
            /// Whose number it is.
            source: SourceId,
            /// The string.
            text: Text<88>,
        }
        /// A received batch: the nth event of `source` after it (from 0) has position `first + n`.
        17 v 1 Mark {
            /// The source's position of the first event (MoldUDP64 sequence, line number, file offset).
            first: u64,
            /// When the batch was received, by this machine's clock.
            received: Nanos,
            /// Positions in the batch.
            count: u32,
            /// The sender's session, a [`Define`] of [`Column::SESSION`].
            session: u32,
            /// The line it came by (A is 0), or the connection.
            line: u16,
            /// Whose batch.
            source: SourceId,
            /// Zero.
            spare: u32,
        }
        /// A timer that the machine asked for.
        18 v 1 Timer {
            /// When it was to fire.
            deadline: Nanos,
            /// The number of the request.
            request: u64,
            /// The machine's key.
            key: u32,
            /// Zero.
            spare: u32,
            /// Zero.
            spare2: u64,
        }
        /// An operator's command.
        19 v 1 Operator {
            /// An argument, where the command has one.
            argument: i64,
            /// What is asked.
            command: OperatorCommand,
            /// Zero.
            spare: [u8; 6],
            /// Who asked.
            operator: Text<16>,
        }
        /// A feed's health changed.
        20 v 1 FeedHealth {
            /// The next position expected.
            expected: u64,
            /// The position that showed the change.
            seen: u64,
            /// Positions missing.
            missing: u64,
            /// The feed.
            source: SourceId,
            /// Now.
            health: Health,
            /// Why.
            reason: HealthReason,
            /// The sender's session.
            session: u32,
        }
        /// Records that a full ring could not take, counted.
        21 v 1 Dropped {
            /// How many.
            count: u64,
            /// The first one's position.
            first: u64,
            /// Whose.
            source: SourceId,
            /// Zero.
            spare: [u8; 14],
        }
        /// Input that could not be read; the machine answers with [`Rejected`].
        22 v 1 Malformed {
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

        /// An order joined the book.
        32 v 1 OrderAdd {
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
            /// [`market_flags`].
            flags: u8,
        }
        /// A resting order was executed at its own price.
        33 v 1 OrderExecuted {
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
            /// [`market_flags`].
            flags: u8,
        }
        /// A resting order was executed at another price than its own.
        34 v 1 OrderExecutedAt {
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
            /// [`market_flags`].
            flags: u8,
        }
        /// A resting order was cancelled in part.
        35 v 1 OrderReduced {
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
            /// [`market_flags`].
            flags: u8,
        }
        /// A resting order left the book.
        36 v 1 OrderDeleted {
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
            /// [`market_flags`].
            flags: u8,
        }
        /// A resting order was replaced by a new one of the same side; it loses its place in the queue.
        37 v 1 OrderReplaced {
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
            /// [`market_flags`].
            flags: u8,
        }
        /// A trade that does not touch the displayed book.
        38 v 1 Trade {
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
            /// [`market_flags`].
            flags: u8,
        }
        /// An auction's trade.
        39 v 1 CrossTrade {
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
            cross_type: u8,
            /// [`market_flags`].
            flags: u8,
            /// Zero.
            spare: u32,
        }
        /// A match was broken.
        40 v 1 TradeBroken {
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
            /// [`market_flags`].
            flags: u8,
            /// Zero.
            spare3: u32,
        }
        /// Whether an instrument may be traded changed.
        41 v 1 TradingStatus {
            /// The venue's stamp.
            event_ns: EventNanos,
            /// Instrument.
            instrument: InstrumentId,
            /// Now.
            state: TradingState,
            /// [`market_flags`].
            flags: u8,
            /// The venue's reason, its own letters.
            reason: Text<4>,
            /// Zero.
            spare: [u8; 16],
        }
        /// The venue's day moved on (ITCH system event).
        42 v 1 MarketPhase {
            /// The venue's stamp.
            event_ns: EventNanos,
            /// The venue's letter.
            code: u8,
            /// [`market_flags`].
            flags: u8,
            /// Zero.
            spare: [u8; 22],
        }
        /// The books of a source start from empty.
        43 v 1 BookCleared {
            /// The source's position at which the new book begins.
            position: u64,
            /// Instrument, or [`ALL_INSTRUMENTS`].
            instrument: InstrumentId,
            /// Whose books.
            source: SourceId,
            /// Why.
            reason: HealthReason,
            /// [`market_flags`].
            flags: u8,
            /// Zero.
            spare: [u8; 18],
        }

        /// The venue accepted an order.
        64 v 1 VenueAccepted {
            /// The venue's stamp.
            event_ns: EventNanos,
            /// Our order number.
            client: u64,
            /// The venue's order number.
            venue_order: u64,
            /// Accepted price.
            price: Ticks,
            /// Accepted lots.
            qty: u32,
            /// Instrument.
            instrument: InstrumentId,
            /// Side.
            side: SideCode,
            /// Whether it rests now.
            live: Liveness,
        }
        /// The venue replaced an order.
        65 v 1 VenueReplaced {
            /// The venue's stamp.
            event_ns: EventNanos,
            /// Our number of the new order.
            client: u64,
            /// Our number of the order that left.
            prior: u64,
            /// The venue's number of the new order.
            venue_order: u64,
            /// Its price.
            price: Ticks,
            /// Its lots.
            qty: u32,
            /// Instrument.
            instrument: InstrumentId,
            /// Side.
            side: SideCode,
            /// Whether it rests now.
            live: Liveness,
        }
        /// The venue took lots off an order.
        66 v 1 VenueCanceled {
            /// The venue's stamp.
            event_ns: EventNanos,
            /// Our order number.
            client: u64,
            /// Lots taken off.
            qty: u32,
            /// The venue's letter for the reason.
            reason: u8,
            /// Zero.
            spare: [u8; 11],
        }
        /// An order of ours was executed.
        67 v 1 VenueExecuted {
            /// The venue's stamp.
            event_ns: EventNanos,
            /// Our order number.
            client: u64,
            /// The venue's number of the match.
            match_number: u64,
            /// Price.
            price: Ticks,
            /// Lots.
            qty: u32,
            /// Made or took.
            liquidity: Liquidity,
            /// Zero.
            spare: [u8; 3],
        }
        /// The venue refused an order.
        68 v 1 VenueRejected {
            /// The venue's stamp.
            event_ns: EventNanos,
            /// Our order number.
            client: u64,
            /// The venue's reason code.
            reason: u16,
            /// Zero.
            spare: [u8; 14],
        }
        /// The session with a venue changed.
        69 v 1 SessionState {
            /// The next of its messages that we expect.
            sequence: u64,
            /// The lowest of our order numbers that the venue has not seen, where it said so; else 0.
            next_client: u64,
            /// The session, a [`Define`] of [`Column::SESSION`].
            session: u32,
            /// The gateway.
            source: SourceId,
            /// Now.
            phase: SessionPhase,
            /// The venue's letter for the reason, where it gave one.
            reason: u8,
            /// Zero.
            spare: u64,
        }
        /// What became of an order message of ours on its way out.
        70 v 1 SendReport {
            /// Our order number.
            client: u64,
            /// The decision's sequence.
            decision: u64,
            /// When it left, by this machine's clock.
            sent: Nanos,
            /// What became of it.
            outcome: SendOutcome,
            /// Zero.
            spare: u8,
            /// The gateway.
            source: SourceId,
            /// Zero.
            spare2: u32,
        }
        /// The venue broke an execution of ours.
        71 v 1 VenueBroken {
            /// The venue's stamp.
            event_ns: EventNanos,
            /// Our order number.
            client: u64,
            /// The venue's number of the match.
            match_number: u64,
            /// The venue's letter for the reason.
            reason: u8,
            /// Zero.
            spare: [u8; 7],
        }
        /// The venue did not cancel, or not yet; the order lives on.
        72 v 1 VenueCancelHeld {
            /// The venue's stamp.
            event_ns: EventNanos,
            /// Our order number.
            client: u64,
            /// `P` pending, `I` rejected (the venue's letters).
            answer: u8,
            /// Zero.
            spare: [u8; 15],
        }
        /// The venue changed an order by itself: priority, display or quantity.
        73 v 1 VenueRestated {
            /// The venue's stamp.
            event_ns: EventNanos,
            /// Our order number.
            client: u64,
            /// The venue's order number, where it changed; else 0.
            venue_order: u64,
            /// Its price, where the venue said it; else 0.
            price: Ticks,
            /// Lots now open, where the venue said it; else `u32::MAX`.
            qty: u32,
            /// The venue's message letter.
            message: u8,
            /// The venue's letter for the reason.
            reason: u8,
            /// Zero.
            spare: u16,
        }

        /// Stock and base price of an article.
        96 v 1 Inventory {
            /// The source's stamp.
            event_ns: EventNanos,
            /// Base price for one piece.
            base: Minor,
            /// Pieces at the start of the sale.
            initial: i64,
            /// Pieces left.
            stock: i64,
            /// Article, a [`Define`] of [`Column::SKU`].
            sku: u32,
            /// Whose number `sku` is.
            source: SourceId,
            /// Zero.
            spare: u16,
            /// Where in the source.
            position: u64,
        }
        /// Pieces of an article were bought.
        97 v 1 Purchase {
            /// The source's stamp.
            event_ns: EventNanos,
            /// Pieces.
            qty: i64,
            /// Article, a [`Define`] of [`Column::SKU`].
            sku: u32,
            /// Whose number `sku` is.
            source: SourceId,
            /// Zero.
            spare: u16,
            /// Where in the source.
            position: u64,
        }
    }

    /// An output of a machine.
    Decision as DecisionRef {
        /// An input was refused: the dead letter.
        128 v 1 Rejected {
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
        129 v 1 PlaceOrder {
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
        130 v 1 ReplaceOrder {
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
        131 v 1 CancelOrder {
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
        132 v 1 OrderRefused {
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
        133 v 1 BookTransition {
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
        134 v 1 PositionChanged {
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
        135 v 1 DeskStatus {
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
            /// The kill latch: the control that set it, or none.
            latch: Control,
            /// Zero.
            spare: u32,
        }
        /// The desk asks the gateway to latch: nothing but cancels may leave.
        136 v 1 KillLatched {
            /// The measured number.
            value: i64,
            /// The limit it was held against.
            limit: i64,
            /// What set it.
            control: Control,
            /// Zero where set, 1 where an operator released it.
            released: u8,
            /// Zero.
            spare: [u8; 5],
            /// Who asked, where somebody did.
            operator: Text<16>,
        }
        /// A price for an article.
        137 v 1 PricePublished {
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
            /// Article, a [`Define`] of [`Column::SKU`].
            sku: u32,
            /// Whose number `sku` is.
            source: SourceId,
            /// Which guard rail bit.
            guard: PriceGuard,
        }
    }
}

#[cfg(test)]
mod tests;
