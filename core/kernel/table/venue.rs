//! A venue's answers to our orders.

use crate::kernel::codes::{Liquidity, Liveness, SendOutcome, SessionPhase, SideCode};
use crate::kernel::units::{EventNanos, InstrumentId, Nanos, SourceId, Ticks};

fields! {
    /// The venue accepted an order.
    VenueAccepted {
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
    VenueReplaced {
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
    VenueCanceled {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// Our order number.
        client: u64,
        /// Lots taken off.
        qty: u32,
        /// The venue's letter for the reason.
        reason: u8 as CANCEL,
        /// Zero.
        spare: [u8; 11],
    }

    /// An order of ours was executed.
    VenueExecuted {
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
    VenueRejected {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// Our order number.
        client: u64,
        /// The venue's reason code.
        reason: u16 as REJECT,
        /// Zero.
        spare: [u8; 14],
    }

    /// The session with a venue changed.
    SessionState {
        /// The next of its messages that we expect.
        sequence: u64,
        /// The lowest of our order numbers that the venue has not seen, where it said so; else 0.
        next_client: u64,
        /// The session, a [`Define`](super::Define) of [`Column::SESSION`](crate::kernel::Column::SESSION).
        session: u32,
        /// The gateway.
        source: SourceId,
        /// Now.
        phase: SessionPhase,
        /// The venue's letter for the reason, where it gave one.
        reason: u8 as LOGIN,
        /// Zero.
        spare: u64,
    }

    /// What became of an order message of ours on its way out.
    SendReport {
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
    VenueBroken {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// Our order number.
        client: u64,
        /// The venue's number of the match.
        match_number: u64,
        /// The venue's letter for the reason.
        reason: u8 as BREAK,
        /// Zero.
        spare: [u8; 7],
    }

    /// The venue did not cancel, or not yet; the order lives on.
    VenueCancelHeld {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// Our order number.
        client: u64,
        /// `P` pending, `I` rejected (the venue's letters).
        answer: u8 as CANCEL_HELD,
        /// Zero.
        spare: [u8; 15],
    }

    /// The venue changed an order by itself: priority, display or quantity.
    VenueRestated {
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
        message: u8 as MESSAGE,
        /// The venue's letter for the reason.
        reason: u8 as RESTATE,
        /// Zero.
        spare: u16,
    }

    /// The order session's day moved on (OUCH system event).
    VenueDay {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// The venue's letter: `S` start of day, `E` end of day.
        code: u8 as VENUE_DAY,
        /// Zero.
        spare: [u8; 7],
    }
}
