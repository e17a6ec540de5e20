//! Answers that do not come: how long one was waited for, and what is done about it.
//!
//! An order that the venue does not answer for is nobody's: it may rest, be executed, or never have arrived. So each message
//! about an order starts a wait. Where it ends without an answer, the order is to be cancelled whatever was asked for before
//! ([`OrderTable::remind`]), and again after each wait of the same length until the venue says what became of it.

use super::{OrderState, OrderTable, OwnOrder};
use crate::kernel::{InstrumentId, Nanos};

/// How long an answer has not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// One wait is over.
    Once,
    /// A wait after a reminder is over too.
    Again,
}

impl OwnOrder {
    /// True where an answer to a message about the order itself is awaited. Of an order with a pending replacement it is the
    /// replacement's.
    pub fn is_awaited(&self) -> bool {
        matches!(self.state, OrderState::PendingNew | OrderState::PendingCancel)
    }

    /// When the wait for its answer is over.
    pub fn overdue_at(&self, timeout: Nanos) -> Nanos {
        Nanos(self.asked.0.saturating_add(timeout.0))
    }
}

impl OrderTable {
    /// The newest alive order of an instrument; [`Self::older`] leads to the others.
    pub fn newest(&self, instrument: InstrumentId) -> Option<u64> {
        self.alive(instrument).next().map(|order| order.client)
    }

    /// The alive order of the same instrument that was entered before this one.
    pub fn older(&self, client: u64) -> Option<u64> {
        let order = self.get(client).filter(|order| order.is_alive())?;
        let older = self.slots.get(usize::try_from(order.older).ok()?)?;
        Some(older.client)
    }

    /// Where the order's answer is overdue: it is to be cancelled (again), and the wait begins anew. The caller sends the
    /// cancel.
    pub fn remind(&mut self, client: u64, now: Nanos, timeout: Nanos) -> Option<Overdue> {
        let slot = self.slot_of(client)?;
        let order = *self.slots.get(slot)?;
        if !order.is_awaited() || now < order.overdue_at(timeout) {
            return None;
        }
        self.change(slot, |order| {
            order.state = OrderState::PendingCancel;
            order.asked = now;
            order.reminded = true;
        });
        Some(if order.reminded { Overdue::Again } else { Overdue::Once })
    }

    /// Another session begins: what was not answered in the one before is waited for from now on.
    pub fn restart_waits(&mut self, now: Nanos) {
        for order in self.slots.iter_mut().filter(|order| order.is_alive()) {
            order.asked = now;
            order.reminded = false;
        }
    }

    /// When the first of all waits is over; `None` where nothing is awaited. O(slots).
    pub fn next_overdue(&self, timeout: Nanos) -> Option<Nanos> {
        let awaited = self.slots.iter().filter(|order| order.is_awaited());
        awaited.map(|order| order.overdue_at(timeout)).min()
    }
}
