//! What becomes of orders when answers may be lost: the session is ready again, begins anew, or shows an order that
//! nobody here knew.
//!
//! OUCH 5.0's account query tells the next order number and nothing else. A number at or above it never arrived. A lower
//! one without an answer was passed over by the venue, but only where no answer can be missing. Where the venue's numbering
//! lies below a number that it has spoken of, it began anew, and says nothing about older orders.

use super::{DoneCause, OrderState, OrderTable, OwnOrder};
use crate::kernel::table::VenueAccepted;
use crate::kernel::{InstrumentId, Liveness, Nanos};
use crate::market::portfolio::in_range;

impl OrderTable {
    /// The session is ready and all answers that were missed have been seen. `next_client` is the lowest number that the
    /// venue has not seen: orders from there on never reached it, older ones without an answer were ignored by it, unless
    /// they are in doubt. 0 where the venue did not say: then only cancels that got no answer are asked for anew. Returns
    /// how many orders are in doubt only now, because the venue's numbering began anew.
    pub fn session_ready(&mut self, next_client: u64) -> usize {
        // That no number was ever used says the same, where some were and nobody knows what became of them.
        let unused = core::mem::take(&mut self.changed) && next_client == 1;
        let anew = unused || (next_client != 0 && next_client <= self.acknowledged);
        let mut newly = 0;
        for slot in 0..self.slots.len() {
            let Some(order) = self.slots.get(slot).copied().filter(OwnOrder::is_alive) else { continue };
            if anew {
                newly += usize::from(!order.doubt);
                self.doubt(slot);
            } else if next_client != 0 && order.client >= next_client.max(self.numbered_from) {
                self.finish(slot, DoneCause::NotSent);
            } else if order.doubt {
                self.doubt(slot);
            } else if next_client != 0 && !order.known {
                self.finish(slot, DoneCause::Inferred);
            } else if order.state == OrderState::PendingCancel {
                self.uncancel(slot);
            }
        }
        if anew {
            (self.acknowledged, self.numbered_from) = (0, self.next_client);
        }
        self.raise_to(next_client);
        newly
    }

    /// Answers may be lost: whatever is alive may have been executed. Returns how many orders that are.
    pub fn doubt_all(&mut self) -> usize {
        self.changed = true;
        let mut count = 0;
        for slot in 0..self.slots.len() {
            if self.slots.get(slot).is_some_and(OwnOrder::is_alive) {
                self.doubt(slot);
                count += 1;
            }
        }
        count
    }

    /// Orders in doubt.
    pub fn in_doubt(&self) -> impl Iterator<Item = &OwnOrder> {
        self.slots.iter().filter(|order| order.is_alive() && order.doubt)
    }

    /// What became of an order in doubt is known from elsewhere, and what it executed is booked: it is gone. False where
    /// it is not in doubt.
    pub fn conclude(&mut self, client: u64) -> bool {
        let slot = self.slot_of(client);
        let Some(slot) = slot.filter(|slot| self.slots.get(*slot).is_some_and(|order| order.doubt)) else {
            return false;
        };
        self.finish(slot, DoneCause::Inferred);
        true
    }

    /// Takes in an order of ours that was not known, as the venue accepted it. None of the alive orders gives way: false
    /// where its place is taken, or the venue's numbers are out of range. Numbers rise past it.
    pub fn adopt(&mut self, now: Nanos, answer: &VenueAccepted) -> bool {
        let Some(side) = answer.side.side() else { return false };
        self.raise_to(answer.client.saturating_add(1));
        let known = self.tick_values.get(answer.instrument.index()).is_some();
        if !known || answer.client == 0 || answer.qty == 0 || !in_range(answer.price) {
            return false;
        }
        let Some(slot) = self.home(answer.client) else { return false };
        if self.slots.get(slot).is_none_or(OwnOrder::is_alive) {
            return false;
        }
        self.acknowledged = self.acknowledged.max(answer.client);
        let live = answer.live == Liveness::LIVE;
        let order = OwnOrder {
            client: answer.client,
            venue_order: answer.venue_order,
            price: answer.price,
            limit: answer.price,
            qty: answer.qty,
            open: if live { answer.qty } else { 0 },
            instrument: answer.instrument,
            side,
            state: if live { OrderState::Live } else { OrderState::Done },
            cause: if live { DoneCause::Alive } else { DoneCause::Canceled },
            known: true,
            accepted: true,
            sent: true,
            placed: now,
            ..OwnOrder::EMPTY
        };
        self.enter(slot, order);
        true
    }

    /// An order that is not known took the place of `prior`.
    pub fn replaced_by_unknown(&mut self, prior: u64) {
        if let Some(slot) = self.slot_of(prior) {
            self.finish(slot, DoneCause::Replaced);
        }
    }

    /// In doubt, and to be cancelled anew: whatever was asked for before may be lost.
    fn doubt(&mut self, slot: usize) {
        self.change(slot, |order| {
            order.doubt = true;
            order.state = match order.state {
                OrderState::PendingReplace => OrderState::Live,
                OrderState::PendingCancel if order.known => OrderState::Live,
                OrderState::PendingCancel => OrderState::PendingNew,
                state => state,
            };
        });
    }

    /// The instrument has orders in doubt.
    pub fn is_doubtful(&self, instrument: InstrumentId) -> bool {
        self.alive(instrument).any(|order| order.doubt)
    }
}
