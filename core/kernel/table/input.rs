//! Events that any source, the clock or an operator may cause.

use crate::kernel::codes::{Column, Health, HealthReason, OperatorCommand, RejectReason, Text};
use crate::kernel::units::{Nanos, SourceId};

fields! {
    /// An interned string: from here on `source` means `text` where it says `id` in `column`.
    Define {
        /// Number, dense from 0 for each source and column.
        id: u32,
        /// Which column.
        column: Column,
        /// Whose number it is.
        source: SourceId,
        /// The string.
        text: Text<88>,
    }

    /// A received batch: the events of `source` after it, up to its next mark, come from these positions. Events carry no
    /// position of their own. Where each position becomes one event (JSON lines), the nth after it (from 0) has position
    /// `first + n`; where some become none (messages of a packet about other instruments), only the range is known.
    Mark {
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
        /// Nanoseconds that it had waited in the kernel when it was received, by the kernel's own stamp; the largest number
        /// where it was longer. 0 where the kernel's stamp is not known.
        queued_ns: u32,
    }

    /// A timer that the machine asked for.
    Timer {
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
    Operator {
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
    FeedHealth {
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
    Dropped {
        /// How many.
        count: u64,
        /// The first one's position.
        first: u64,
        /// Whose.
        source: SourceId,
        /// Zero.
        spare: [u8; 14],
    }

    /// Input that could not be read; the machine answers with [`Rejected`](super::Rejected).
    Malformed {
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
}

impl Mark {
    /// When the kernel took the batch, as far as that is known; else when it was received.
    pub fn arrived(&self) -> Nanos {
        Nanos(self.received.0.saturating_sub(i64::from(self.queued_ns)))
    }
}

impl Operator {
    /// `operator`'s command; a name that does not fit is cut.
    pub fn says(operator: &str, command: OperatorCommand, argument: i64) -> Self {
        Self { argument, command, spare: [0; 6], operator: Text::excerpt(operator) }
    }
}
