//! What the venue, the gateway and the session say about our orders.

use super::contradiction::{Applied, Contradiction};
use super::fills::{BookedFill, FillOutcome};
use super::{DoneCause, OrderState, OrderTable, OwnOrder};
use crate::kernel::table::{
    VenueAccepted, VenueBroken, VenueCancelHeld, VenueCanceled, VenueExecuted, VenueRejected, VenueReplaced,
    VenueRestated,
};
use crate::kernel::{EventNanos, InstrumentId, Liveness, RejectReason, SendOutcome, SideCode, Ticks};
use crate::market::portfolio::in_range;

/// The venue's letter for a cancel by self-match prevention (OUCH 5.0, `C` and `D`).
const SELF_MATCH: u8 = b'Q';

/// Why an answer changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It speaks of an order or match that is not known, or no longer remembered.
    #[error("no such order or match")]
    Unknown,
    /// It was applied before, or the order is done: harmless.
    #[error("applied before")]
    Repeated,
    /// It contradicts what the order is, or what was said of it before.
    #[error("contradicts the order")]
    Contradiction,
    /// A number in it is out of range.
    #[error("out of range")]
    OutOfRange,
}

impl AnswerError {
    /// The code for the dead letter.
    pub fn reason(self) -> RejectReason {
        match self {
            Self::Unknown => RejectReason::UNKNOWN_KEY,
            Self::Repeated | Self::Contradiction => RejectReason::CONTRADICTION,
            Self::OutOfRange => RejectReason::OUT_OF_RANGE,
        }
    }
}

/// What an acceptance says, of a new order or of a replacement.
struct Acceptance {
    venue_order: u64,
    price: Ticks,
    qty: u32,
    instrument: InstrumentId,
    side: SideCode,
    live: Liveness,
    /// The order that it replaced; 0 for none.
    prior: u64,
}

macro_rules! acceptance_from {
    ($($answer:ident $prior:expr,)*) => {$(
        impl From<&$answer> for Acceptance {
            fn from(answer: &$answer) -> Self {
                let &$answer { venue_order, price, qty, instrument, side, live, .. } = answer;
                let prior: fn(&$answer) -> u64 = $prior;
                Self { venue_order, price, qty, instrument, side, live, prior: prior(answer) }
            }
        }
    )*};
}

acceptance_from!(VenueAccepted | _ | 0, VenueReplaced | answer | answer.prior,);

impl OrderTable {
    /// The venue accepted an order.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn accepted(&mut self, answer: &VenueAccepted) -> Result<Applied, AnswerError> {
        let slot = self.answered(answer.client)?;
        self.accept(slot, &answer.into())
    }

    /// The venue replaced an order. `qty` of the answer is what was left open at that moment.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn replaced(&mut self, answer: &VenueReplaced) -> Result<Applied, AnswerError> {
        let slot = self.answered(answer.client)?;
        let applied = self.accept(slot, &answer.into())?;
        // A replacement that was thought dead had its link cut: the venue says which order left.
        if let Some(prior) = self.slot_of(answer.prior).filter(|prior| *prior != slot) {
            self.finish(prior, DoneCause::Replaced);
        }
        Ok(applied)
    }

    fn accept(&mut self, slot: usize, answer: &Acceptance) -> Result<Applied, AnswerError> {
        let order = *self.slots.get(slot).ok_or(AnswerError::Unknown)?;
        if answer.instrument != order.instrument || answer.side.side() != Some(order.side) {
            return Err(AnswerError::Contradiction);
        }
        if !in_range(answer.price) {
            return Err(AnswerError::OutOfRange);
        }
        if order.accepted {
            let same = answer.venue_order == order.venue_order;
            return Err(if same { AnswerError::Repeated } else { AnswerError::Contradiction });
        }
        let contradiction = contradicted_by_acceptance(&order, answer);
        self.take_place(slot);
        self.revive(slot);
        self.change(slot, |order| {
            order.accepted = true;
            order.venue_order = answer.venue_order;
            order.price = answer.price;
            order.qty = answer.qty;
            order.open = if order.is_alive() { left(order) } else { 0 };
        });
        if answer.live != Liveness::LIVE {
            self.finish(slot, DoneCause::Canceled);
        } else if self.slots.get(slot).is_some_and(|order| order.open == 0) {
            self.finish(slot, DoneCause::Filled);
        }
        Ok(Applied { instrument: order.instrument, contradiction })
    }

    /// The venue took lots off an order.
    ///
    /// # Errors
    /// See [`AnswerError`]. The same cancel again (stamp and lots) is [`AnswerError::Repeated`]: a venue may stamp alike what
    /// one request led to. One of an order that has not that many lots left to be explained is
    /// [`AnswerError::Contradiction`].
    pub fn canceled(&mut self, answer: &VenueCanceled) -> Result<Applied, AnswerError> {
        let slot = self.answered(answer.client)?;
        let order = *self.slots.get(slot).ok_or(AnswerError::Unknown)?;
        if answer.qty == 0 {
            return Err(AnswerError::OutOfRange);
        }
        let last = (order.last_cancel, order.last_canceled);
        if answer.event_ns != EventNanos(0) && (answer.event_ns, answer.qty) == last {
            return Err(AnswerError::Repeated);
        }
        if !order.is_alive() {
            // Accepted without resting, it may be cancelled in so many words too.
            let unexplained = if order.cause == DoneCause::Canceled { left(&order) } else { 0 };
            let contradicts = order.was_ended() && answer.qty > unexplained;
            return Err(if contradicts { AnswerError::Contradiction } else { AnswerError::Repeated });
        }
        let beyond = answer.qty > order.open;
        self.take_place(slot);
        self.revive(slot);
        let prevented = if answer.reason == SELF_MATCH { answer.qty } else { 0 };
        self.change(slot, |order| {
            order.last_cancel = answer.event_ns;
            order.last_canceled = answer.qty;
            order.canceled = order.canceled.saturating_add(answer.qty);
            order.prevented = order.prevented.saturating_add(prevented);
            order.open = left(order);
        });
        self.shrink_replacement(order.next, prevented);
        if self.slots.get(slot).is_some_and(|order| order.open == 0) {
            self.finish(slot, DoneCause::Canceled);
        }
        let contradiction = beyond.then_some(Contradiction::CancelBeyondOpen);
        Ok(Applied { instrument: order.instrument, contradiction })
    }

    /// The venue executed lots of an order. The fill is to be booked whatever state the order was in: the position is
    /// what the venue says. [`FillOutcome::excess`] and [`FillOutcome::contradiction`] tell where it cannot be right.
    ///
    /// # Errors
    /// See [`AnswerError`]. A match number seen before for this order is [`AnswerError::Repeated`] with the same lots and
    /// price, [`AnswerError::Contradiction`] with others.
    pub fn executed(&mut self, answer: &VenueExecuted) -> Result<FillOutcome, AnswerError> {
        let Ok(slot) = self.answered(answer.client) else {
            let booked = self.fills.of(answer.client, answer.match_number);
            return Err(booked.map_or(AnswerError::Unknown, |number| self.repeated(number, answer)));
        };
        let order = *self.slots.get(slot).ok_or(AnswerError::Unknown)?;
        if answer.qty == 0 || !in_range(answer.price) {
            return Err(AnswerError::OutOfRange);
        }
        if let Some(number) = self.fills.find(order.last_fill, order.client, answer.match_number) {
            return Err(self.repeated(number, answer));
        }
        let contradiction = order.contradicted_by_fill(answer.price);
        let fill = BookedFill {
            client: order.client,
            match_number: answer.match_number,
            price: answer.price,
            qty: answer.qty,
            instrument: order.instrument,
            side: order.side,
            liquidity: answer.liquidity,
        };
        let number = self.fills.push(fill, order.last_fill);
        self.take_place(slot);
        self.revive(slot);
        self.change(slot, |order| {
            order.last_fill = number;
            order.filled = order.filled.saturating_add(answer.qty);
            order.open = if order.is_alive() { left(order) } else { 0 };
        });
        self.shrink_replacement(order.next, answer.qty);
        let after = *self.slots.get(slot).ok_or(AnswerError::Unknown)?;
        if after.is_alive() && after.open == 0 {
            self.finish(slot, DoneCause::Filled);
        }
        let before = order.filled.saturating_sub(order.qty);
        let excess = after.filled.saturating_sub(after.qty).saturating_sub(before);
        Ok(FillOutcome { fill, excess, contradiction })
    }

    /// A match number that was seen before for its order.
    fn repeated(&self, number: u64, answer: &VenueExecuted) -> AnswerError {
        match self.fills.entry(number) {
            Some((fill, _)) if (fill.qty, fill.price) == (answer.qty, answer.price) => AnswerError::Repeated,
            _ => AnswerError::Contradiction,
        }
    }

    /// The venue broke a fill. It is returned so that it can be taken out of the position; the order does not come back.
    /// The match number finds it, whether its order is still remembered or not. O(fills of the order), or O(log) where
    /// that is forgotten.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn broken(&mut self, answer: &VenueBroken) -> Result<BookedFill, AnswerError> {
        let of_order = self
            .get(answer.client)
            .and_then(|order| self.fills.find(order.last_fill, order.client, answer.match_number));
        let number = of_order
            .or_else(|| self.fills.search(answer.client, answer.match_number))
            .ok_or(AnswerError::Unknown)?;
        self.fills.break_entry(number).ok_or(AnswerError::Repeated)
    }

    /// The venue refused an order or a replacement; of the latter, the order that was to leave lives on.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn rejected(&mut self, answer: &VenueRejected) -> Result<InstrumentId, AnswerError> {
        let slot = self.answered(answer.client)?;
        let order = *self.slots.get(slot).ok_or(AnswerError::Unknown)?;
        if !order.is_alive() {
            let otherwise = order.was_ended() && order.cause != DoneCause::Rejected;
            return Err(if otherwise { AnswerError::Contradiction } else { AnswerError::Repeated });
        }
        if order.known {
            return Err(AnswerError::Contradiction);
        }
        self.change(slot, |order| order.known = true);
        self.finish(slot, DoneCause::Rejected);
        Ok(order.instrument)
    }

    /// The venue did not cancel, or not yet.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn cancel_held(&mut self, answer: &VenueCancelHeld) -> Result<InstrumentId, AnswerError> {
        let slot = self.answered(answer.client)?;
        let order = *self.slots.get(slot).ok_or(AnswerError::Unknown)?;
        if order.state != OrderState::PendingCancel {
            return Err(AnswerError::Repeated);
        }
        self.change(slot, |order| order.reminded = false);
        if answer.answer == b'I' {
            self.uncancel(slot);
        }
        Ok(order.instrument)
    }

    /// The venue changed an order by itself.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn restated(&mut self, answer: &VenueRestated) -> Result<Applied, AnswerError> {
        let slot = self.answered(answer.client)?;
        let order = *self.slots.get(slot).ok_or(AnswerError::Unknown)?;
        if !in_range(answer.price) {
            return Err(AnswerError::OutOfRange);
        }
        if order.was_ended() {
            return Err(AnswerError::Contradiction);
        }
        if !order.is_alive() {
            // It was thought never to have reached the venue.
            self.revive(slot);
        }
        let contradiction = contradicted_by_restatement(&order, answer);
        self.change(slot, |order| {
            if answer.venue_order != 0 {
                order.venue_order = answer.venue_order;
            }
            if answer.price != Ticks(0) {
                order.price = answer.price;
            }
            if answer.qty != u32::MAX {
                let gone = order.filled.saturating_add(order.canceled);
                order.qty = gone.saturating_add(answer.qty);
                order.open = answer.qty;
            }
        });
        if answer.qty == 0 {
            self.finish(slot, DoneCause::Canceled);
        }
        Ok(Applied { instrument: order.instrument, contradiction })
    }

    /// What became of an order message on its way out. A failure of an order that nobody has seen is the order's own;
    /// of any other it is its cancel's. [`SendOutcome::UNSEEN`] and [`SendOutcome::SEEN`] are what the venue said when it was
    /// asked about the order's number: where it never saw it, the order is done.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn send_report(&mut self, client: u64, outcome: SendOutcome) -> Result<InstrumentId, AnswerError> {
        let slot = self.slot_of(client).ok_or(AnswerError::Unknown)?;
        let order = *self.slots.get(slot).ok_or(AnswerError::Unknown)?;
        if outcome == SendOutcome::SENT {
            self.change(slot, |order| order.sent = true);
        } else if !order.is_alive() {
            return Err(AnswerError::Repeated);
        } else if outcome == SendOutcome::SEEN {
            // Whether it may be executed is as unknown as before.
        } else if outcome == SendOutcome::UNSEEN {
            if order.known {
                return Err(AnswerError::Contradiction);
            }
            // A numbering that began anew says nothing about older orders.
            if !order.doubt && client >= self.numbered_from {
                self.finish(slot, DoneCause::NotSent);
            }
        } else if !order.sent && !order.known {
            self.finish(slot, DoneCause::NotSent);
        } else if order.state == OrderState::PendingCancel {
            self.uncancel(slot);
        } else {
            return Err(AnswerError::Contradiction);
        }
        Ok(order.instrument)
    }

    /// The order that an answer speaks of.
    fn answered(&mut self, client: u64) -> Result<usize, AnswerError> {
        let slot = self.slot_of(client).ok_or(AnswerError::Unknown)?;
        self.acknowledged = self.acknowledged.max(client);
        Ok(slot)
    }

    pub(super) fn uncancel(&mut self, slot: usize) {
        self.change(slot, |order| {
            order.state = match (order.known, order.next) {
                (false, _) => OrderState::PendingNew,
                (true, 0) => OrderState::Live,
                (true, _) => OrderState::PendingReplace,
            };
        });
    }

    /// A replacement that the venue speaks of as resting has taken its place: the prior order is gone.
    pub(super) fn take_place(&mut self, slot: usize) {
        let Some(prior) = self.slots.get(slot).map(|order| order.prior) else { return };
        self.change(slot, |order| order.known = true);
        if let Some(prior) = self.slot_of(prior) {
            self.finish(prior, DoneCause::Replaced);
        }
    }

    /// The venue knows the order: what was pending is live, and what was thought never to have reached it is alive.
    fn revive(&mut self, slot: usize) {
        self.change(slot, |order| {
            order.known = true;
            order.sent = true;
            order.reminded = false;
            let thought_dead =
                matches!(order.cause, DoneCause::NotSent | DoneCause::Inferred | DoneCause::Rejected);
            if order.state == OrderState::PendingNew || (!order.is_alive() && thought_dead) {
                order.state = OrderState::Live;
                order.open = left(order);
            }
        });
    }

    /// The lots that an order executed, or lost to self-match prevention, are lots that its replacement will not have.
    fn shrink_replacement(&mut self, next: u64, qty: u32) {
        if let Some(slot) = self.slot_of(next).filter(|_| qty > 0) {
            self.change(slot, |order| {
                order.spent_before = order.spent_before.saturating_add(qty);
                order.qty = order.qty.saturating_sub(qty);
                order.open = left(order);
            });
        }
    }

    /// The order is done; whatever pointed to it is resolved.
    pub(super) fn finish(&mut self, slot: usize, cause: DoneCause) {
        let Some(order) = self.slots.get(slot).copied() else { return };
        if order.is_alive() {
            self.change(slot, |order| {
                order.state = OrderState::Done;
                order.cause = cause;
                order.open = 0;
                order.doubt = false;
            });
        }
        if let Some(next) = self.slot_of(order.next) {
            self.cut(slot, next);
            if self.slots.get(next).is_some_and(|order| !order.known && order.is_alive()) {
                self.change(next, |order| {
                    order.state = OrderState::Done;
                    order.cause = DoneCause::Inferred;
                    order.open = 0;
                    order.doubt = false;
                });
            }
        }
        if let Some(prior) = self.slot_of(order.prior) {
            self.cut(prior, slot);
            self.change(prior, |order| {
                if order.state == OrderState::PendingReplace {
                    order.state = OrderState::Live;
                }
            });
        }
    }

    /// Cuts the link between an order and its replacement.
    fn cut(&mut self, prior: usize, next: usize) {
        self.change(next, |order| order.prior = 0);
        self.change(prior, |order| order.next = 0);
    }
}

/// Lots that may still be executed.
fn left(order: &OwnOrder) -> u32 {
    order.qty.saturating_sub(order.filled).saturating_sub(order.canceled)
}

fn contradicted_by_acceptance(order: &OwnOrder, answer: &Acceptance) -> Option<Contradiction> {
    // An order on its way whose link stands as it was asked for; one that was thought dead had its link cut.
    let on_its_way = order.is_alive() && !order.known;
    let other_prior = match (order.prior, answer.prior) {
        (0, 0) => false,
        (0, _) => on_its_way && !order.doubt,
        (asked, said) => asked != said,
    };
    let replaces = answer.prior != 0;
    // What executed while answers were lost, or after the link was cut, explains that fewer are left.
    let fewer_explained = order.doubt || (replaces && order.prior == 0);
    if order.was_ended() && order.cause != DoneCause::Filled {
        Some(Contradiction::AcceptedAfterEnd)
    } else if other_prior {
        Some(Contradiction::OtherPrior)
    } else if answer.price.0 <= 0 || order.is_beyond_limit(answer.price) {
        Some(Contradiction::PriceBeyondLimit)
    } else if answer.qty > order.qty || (answer.qty < order.qty && !fewer_explained) {
        Some(if replaces { Contradiction::OtherLotsLeft } else { Contradiction::OtherLots })
    } else {
        None
    }
}

fn contradicted_by_restatement(order: &OwnOrder, answer: &VenueRestated) -> Option<Contradiction> {
    let priced = answer.price != Ticks(0);
    if priced && (answer.price.0 < 0 || order.is_beyond_limit(answer.price)) {
        Some(Contradiction::PriceBeyondLimit)
    } else {
        let grown = answer.qty != u32::MAX && answer.qty > left(order);
        grown.then_some(Contradiction::MoreOpen)
    }
}
