//! Answers that an order cannot have: applied where they are facts, and never in silence.
//!
//! What OUCH 5.0 allows is no contradiction: an execution at a better price than the limit, an acceptance at a better price
//! than asked for, the two executions of a match between two orders of ours under one match number. What it rules out is
//! one: messages about an order come in one sequence, an acceptance before everything else, and none after the order's end.

use super::{DoneCause, OwnOrder};
use crate::kernel::{InstrumentId, Side, Ticks};

/// How an answer contradicts what the order is, or what the venue said of it before. The answer was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Executed at a worse price than its limit.
    FillBeyondLimit,
    /// Executed at a price that is not above zero.
    FillWithoutPrice,
    /// Executed after the venue had cancelled, refused or replaced it.
    FillAfterEnd,
    /// Accepted, replaced or changed to a worse price than was asked for, or to one that is not above zero.
    PriceBeyondLimit,
    /// Accepted with other lots than were asked for.
    OtherLots,
    /// Replaced with other lots than its chain leaves: executions may be missing.
    OtherLotsLeft,
    /// Accepted as a new order where a replacement was asked for, or the other way round, or in place of another order.
    OtherPrior,
    /// Accepted after the venue had cancelled, refused or replaced it.
    AcceptedAfterEnd,
    /// More lots cancelled than were open.
    CancelBeyondOpen,
    /// More lots open than before, without having been asked for.
    MoreOpen,
}

impl Contradiction {
    /// What is wrong, and what was done about it, in at most 80 bytes.
    pub fn text(self) -> &'static str {
        match self {
            Self::FillBeyondLimit => "fill at a worse price than the order's limit: booked, the latch is set",
            Self::FillWithoutPrice => "fill at a price that is not above zero: booked, the latch is set",
            Self::FillAfterEnd => "fill after the venue had ended the order: booked, the latch is set",
            Self::PriceBeyondLimit => "order at a worse price than was asked for: the latch is set",
            Self::OtherLots => "acceptance of other lots than were asked for: the latch is set",
            Self::OtherLotsLeft => "replacement with other lots than were left: a fill may be missing",
            Self::OtherPrior => "acceptance in place of another order than was asked for: the latch is set",
            Self::AcceptedAfterEnd => "acceptance of an order that the venue had ended: the latch is set",
            Self::CancelBeyondOpen => "cancel of more lots than were open: the latch is set",
            Self::MoreOpen => "order with more lots open than it had: the latch is set",
        }
    }
}

/// An answer that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The order's instrument.
    pub instrument: InstrumentId,
    /// What it contradicts.
    pub contradiction: Option<Contradiction>,
}

impl From<InstrumentId> for Applied {
    fn from(instrument: InstrumentId) -> Self {
        Self { instrument, contradiction: None }
    }
}

impl OwnOrder {
    /// Whether a price is worse than what was asked for.
    pub(super) fn is_beyond_limit(&self, price: Ticks) -> bool {
        match self.side {
            Side::Buy => price > self.limit,
            Side::Sell => price < self.limit,
        }
    }

    /// Whether the venue itself said that it can no longer be executed.
    pub(super) fn was_ended(&self) -> bool {
        let by_venue = matches!(
            self.cause,
            DoneCause::Filled | DoneCause::Canceled | DoneCause::Rejected | DoneCause::Replaced
        );
        !self.is_alive() && by_venue
    }

    /// What an execution at `price` contradicts. One of more lots than the order is for is found by its sum.
    pub(super) fn contradicted_by_fill(&self, price: Ticks) -> Option<Contradiction> {
        if self.was_ended() && self.cause != DoneCause::Filled {
            Some(Contradiction::FillAfterEnd)
        } else if price.0 <= 0 {
            Some(Contradiction::FillWithoutPrice)
        } else {
            self.is_beyond_limit(price).then_some(Contradiction::FillBeyondLimit)
        }
    }
}
