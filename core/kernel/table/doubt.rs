//! What is not known of our orders and positions, and what makes it known again.

use crate::kernel::codes::{Control, Liquidity, Liveness, RejectReason, SessionPhase, SideCode, Text};
use crate::kernel::units::{EventNanos, InstrumentId, Lots, SourceId, Ticks};

fields! {
    /// An answer of the venue that could not be read, belongs to no order of ours, or could be read only in part: its
    /// bytes, since it may be a fill. A long one takes several records.
    VenueUnread {
        /// Its sequence; 0 where it came outside the sequence.
        position: u64,
        /// Our order number, as far as it can be read; else 0.
        client: u64,
        /// Bytes of the answer.
        len: u32,
        /// The first of those below.
        offset: u32,
        /// Why it could not be used as it is.
        reason: RejectReason,
        /// The gateway.
        source: SourceId,
        /// How many of `bytes` are the answer's.
        kept: u16,
        /// The venue's message letter; 0 where there is none.
        letter: u8 as MESSAGE,
        /// 1 where the record of what could be read follows, 0 where nothing does.
        follows: u8 as YES_NO,
        /// What is wrong with it.
        text: Text<80>,
        /// The answer, from `offset` on.
        bytes: [u8; 880],
    }

    /// The venue does not go on where its last session stood: another session, or another numbering. Answers in between
    /// are lost, perhaps fills among them.
    SessionChanged {
        /// The next sequence expected in the session before.
        wanted: u64,
        /// The sequence that the venue goes on at.
        found: u64,
        /// The session before, a [`Define`](super::Define) of [`Column::SESSION`](crate::kernel::Column::SESSION).
        before: u32,
        /// The session now; the same number where only the numbering began anew.
        session: u32,
        /// The gateway.
        source: SourceId,
        /// Zero.
        spare: [u8; 6],
    }

    /// An operator states a position, as the venue or the clearing firm confirmed it. It replaces what was booked.
    PositionStated {
        /// Lots held; negative where short.
        position: Lots,
        /// The price that the difference is booked at, where `priced` is 1.
        price: Ticks,
        /// Instrument.
        instrument: InstrumentId,
        /// 0 where no price was said: the mark is taken.
        priced: u8 as YES_NO,
        /// Zero.
        spare: [u8; 5],
        /// Who said so.
        operator: Text<16>,
    }

    /// An execution of ours, or the break of one, as the venue's drop copy says it.
    DropCopyExecution {
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
        /// Instrument.
        instrument: InstrumentId,
        /// Our side.
        side: SideCode,
        /// Made or took.
        liquidity: Liquidity,
        /// 1 where the venue broke this execution.
        broken: u8 as YES_NO,
        /// The venue's letter for the reason of a break.
        reason: u8 as BREAK,
        /// The drop copy.
        source: SourceId,
        /// Zero.
        spare: u32,
    }

    /// Where the drop copy stands.
    DropCopyState {
        /// The next of its messages that we expect.
        sequence: u64,
        /// Its session, a [`Define`](super::Define) of [`Column::SESSION`](crate::kernel::Column::SESSION).
        session: u32,
        /// The drop copy.
        source: SourceId,
        /// `CATCHING_UP` after a login, `READY` whenever the venue says that there is nothing more.
        phase: SessionPhase,
        /// The venue's letter for the reason, where it gave one.
        reason: u8 as LOGIN,
        /// `CATCHING_UP`: messages of the session that the venue did not give, and that we never had. Else zero.
        missing: u64,
    }

    /// What became of an order of ours other than executions, as the venue's drop copy says it.
    DropCopyOrder {
        /// The venue's stamp.
        event_ns: EventNanos,
        /// Our order number.
        client: u64,
        /// The order that it replaced, where it did; else 0.
        prior: u64,
        /// The venue's order number, where it said one; else 0.
        venue_order: u64,
        /// Its price, where the venue said one; else 0.
        price: Ticks,
        /// Lots: open after an acceptance, a replacement or a change; taken off by a cancel.
        qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// Side.
        side: SideCode,
        /// Whether it rests now.
        live: Liveness,
        /// The venue's message letter.
        message: u8 as MESSAGE,
        /// The venue's letter for the reason of a cancel.
        reason: u8 as CANCEL,
        /// The drop copy.
        source: SourceId,
        /// Zero.
        spare: u32,
    }

    /// An order whose fate is not known, or is known again.
    OrderInDoubt {
        /// Our order number.
        client: u64,
        /// Its price.
        price: Ticks,
        /// Lots that may have been executed, or may rest.
        open: u32,
        /// Lots known to be executed.
        filled: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// Side.
        side: SideCode,
        /// 0: in doubt. Known again 1: by the drop copy, 2: by an operator's stated position.
        resolved: u8 as RESOLVED,
        /// Zero.
        spare: u32,
    }

    /// A latch that was asked to be released and is not.
    LatchHeld {
        /// Orders whose fate is not known.
        orders: u32,
        /// Instruments whose position is not known.
        instruments: u32,
        /// What set the latch.
        control: Control,
        /// The first of those instruments.
        instrument: InstrumentId,
        /// Zero.
        spare: u32,
        /// Who asked.
        operator: Text<16>,
        /// Why, and what helps.
        text: Text<80>,
    }

    /// The venue's drop copy and our own book of fills differ: the instrument is frozen. Or they agree again.
    PositionBreak {
        /// The venue's number of the match.
        match_number: u64,
        /// Our order number.
        client: u64,
        /// The price that we booked; 0 where we booked nothing.
        our_price: Ticks,
        /// The drop copy's price; 0 where it has nothing.
        their_price: Ticks,
        /// The lots that we booked; 0 where we booked nothing.
        our_qty: u32,
        /// The drop copy's lots; 0 where it has nothing.
        their_qty: u32,
        /// Instrument.
        instrument: InstrumentId,
        /// 1: not in our book. 2: not in the drop copy. 3: price, lots or side differ. 4: broken there, not here. 5: broken
        /// here, not there. 0: resolved, the instrument is released.
        what: u8 as DIFFERENCE,
        /// Our side.
        side: SideCode,
        /// Zero.
        spare: u32,
    }
}

impl VenueUnread {
    /// The bytes of an answer that is empty.
    pub const BYTES: [u8; 880] = [0; 880];

    /// Whether it is the last record of a message of the sequence.
    pub fn is_last(&self) -> bool {
        let end = u64::from(self.offset) + u64::from(self.kept);
        self.position != 0 && self.follows == 0 && end >= u64::from(self.len)
    }

    /// The part of the answer that this record keeps.
    pub fn kept_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.kept)).unwrap_or(&self.bytes)
    }
}
