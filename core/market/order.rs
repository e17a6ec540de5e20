//! The table of our own orders: what we asked for, what the venue said, and what could still be executed.
//!
//! Guarantees:
//! * Answers may come late, twice, in any order, or for orders that are long gone: the table stays consistent. An answer
//!   that cannot be used is returned as an [`AnswerError`], never dropped; one that is a fact and yet contradicts the order is
//!   applied and returned with a [`Contradiction`].
//! * [`Exposure`] is the worst case at any time: an order with a pending replacement counts as the larger of the two,
//!   because the venue has either the one or the other. It is maintained at each change, never summed anew.
//! * Order numbers rise, and rise past the venue's where it knows higher ones.
//! * Nothing is allocated after [`OrderTable::new`]: number `n` lies in slot `n mod capacity`, so that finding an order
//!   is one comparison, and finished orders stay known until their slot is needed again.
//!
//! A replacement is an order of its own (OUCH 5.0, Replace Order: a new number each). While the venue has not answered, the
//! order that is to leave points to it by `next`, and it points back by `prior`. Only a live order may be replaced, so
//! there are never more than two in such a pair. Its total counts all that the chain used up ([`OwnOrder::spent`]).
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};

use super::portfolio::in_range;
use crate::kernel::{EventNanos, InstrumentId, Minor, Nanos, Side, Ticks};

mod answers;
mod contradiction;
mod copy;
mod doubt;
mod exposure;
mod fills;
mod unanswered;

pub use answers::AnswerError;
pub use contradiction::{Applied, Contradiction};
pub use copy::{Booked, Copied};
pub use exposure::{Exposure, notional};
use fills::FillLog;
pub use fills::{BookedFill, FillOutcome};
pub use unanswered::Overdue;

/// No slot.
const NONE: u32 = u32::MAX;
/// The largest table.
pub const MAX_ORDERS: usize = 1 << 20;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderState {
    /// Asked for; the venue has not answered.
    PendingNew,
    /// Rests at the venue.
    Live,
    /// Rests; a replacement was asked for.
    PendingReplace,
    /// A cancel was asked for; may still be executed.
    PendingCancel,
    /// Can no longer be executed, as far as the venue said.
    Done,
}

/// How an order came to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DoneCause {
    /// It is not.
    Alive,
    /// Executed in full.
    Filled,
    /// Cancelled, or accepted without resting.
    Canceled,
    /// Refused by the venue.
    Rejected,
    /// Another order took its place.
    Replaced,
    /// Never reached the venue.
    NotSent,
    /// Concluded: the order that it was to replace is gone, or the venue saw it and never answered.
    Inferred,
}

/// One order of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnOrder {
    /// Our number; 0 where the slot was never used.
    pub client: u64,
    /// The venue's number; 0 while not known.
    pub venue_order: u64,
    /// The order that this one is to replace, while the venue has not answered; else 0.
    pub prior: u64,
    /// The replacement asked for, while the venue has not answered; else 0.
    pub next: u64,
    /// Price at which the venue has it; what was asked for while the venue has not said.
    pub price: Ticks,
    /// Limit price that was asked for.
    pub limit: Ticks,
    /// Lots of this order at its start, orders that it replaced not counted.
    pub qty: u32,
    /// Lots that may still be executed.
    pub open: u32,
    /// Lots executed.
    pub filled: u32,
    /// Lots cancelled.
    pub canceled: u32,
    /// Of these, lots that the venue's self-match prevention took off.
    pub prevented: u32,
    /// Lots that the orders before it in its chain of replacements executed, or lost to self-match prevention: the venue
    /// counts them into the total of the next replacement.
    pub spent_before: u32,
    /// Instrument.
    pub instrument: InstrumentId,
    /// Side.
    pub side: Side,
    /// Where it stands.
    pub state: OrderState,
    /// How it came to be done.
    pub cause: DoneCause,
    /// The venue has spoken of it.
    pub known: bool,
    /// The venue's acceptance was applied.
    pub accepted: bool,
    /// The gateway reported it as sent.
    pub sent: bool,
    /// Answers about it may be lost: it may have been executed, or may rest, and nobody here knows.
    pub doubt: bool,
    /// What the venue's drop copy says of it.
    pub copied: Copied,
    /// It is marked as a short sale; a replacement keeps the mark.
    pub short: bool,
    /// When it was asked for.
    pub placed: Nanos,
    /// When the last message about it was decided.
    pub asked: Nanos,
    /// Its answer was overdue, and nothing has been said of it since.
    pub reminded: bool,
    /// The venue's stamp of the last cancel applied, to know it again.
    last_cancel: EventNanos,
    /// Its lots.
    last_canceled: u32,
    /// Its last entry in the log of fills.
    last_fill: u64,
    /// Neighbours in the list of the instrument's alive orders.
    newer: u32,
    older: u32,
}

impl OwnOrder {
    const EMPTY: Self = Self {
        client: 0,
        venue_order: 0,
        prior: 0,
        next: 0,
        price: Ticks(0),
        limit: Ticks(0),
        qty: 0,
        open: 0,
        filled: 0,
        canceled: 0,
        prevented: 0,
        spent_before: 0,
        instrument: InstrumentId(0),
        side: Side::Buy,
        state: OrderState::Done,
        cause: DoneCause::Alive,
        known: false,
        accepted: false,
        sent: false,
        doubt: false,
        copied: Copied { seen: false, open: 0, took: false },
        short: false,
        placed: Nanos::ZERO,
        asked: Nanos::ZERO,
        reminded: false,
        last_cancel: EventNanos(0),
        last_canceled: 0,
        last_fill: 0,
        newer: NONE,
        older: NONE,
    };

    /// True while it may be executed.
    pub fn is_alive(&self) -> bool {
        self.state != OrderState::Done
    }

    /// Lots of its chain that are used up, its own included. `None` beyond 32 bits.
    pub fn spent(&self) -> Option<u32> {
        self.spent_before.checked_add(self.filled)?.checked_add(self.prevented)
    }

    /// True where no answer is awaited.
    pub fn is_settled(&self) -> bool {
        matches!(self.state, OrderState::Live | OrderState::Done)
    }
}

/// What a new order asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Instrument.
    pub instrument: InstrumentId,
    /// Side.
    pub side: Side,
    /// Limit price.
    pub price: Ticks,
    /// Lots.
    pub qty: u32,
    /// It is to be marked as a short sale.
    pub short: bool,
}

/// A replacement that was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Our number of the new order.
    pub client: u64,
    /// Total lots as the venue counts them (OUCH 5.0, section 2.2): what the whole chain of orders has executed and lost to
    /// self-match prevention, and what shall be open.
    pub total: u32,
}

/// Orders, exposure and the log of fills.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderTable {
    slots: Vec<OwnOrder>,
    next_client: u64,
    /// The highest of our numbers that the venue has spoken of since its numbering began.
    acknowledged: u64,
    /// The first of our numbers that the venue's present numbering says anything about.
    numbered_from: u64,
    /// The session began anew, and its numbering was not told yet.
    changed: bool,
    /// The newest alive order of each instrument.
    newest: Vec<u32>,
    tick_values: Vec<Minor>,
    exposure: Vec<Exposure>,
    total: Exposure,
    fills: FillLog,
    #[serde(skip)]
    changes: Changes,
}

/// How often any order changed. It says nothing about what the table holds, so all are equal.
#[derive(Clone, Copy, Debug, Default)]
struct Changes(u64);

impl PartialEq for Changes {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Changes {}

impl OrderTable {
    /// An empty table for at most `capacity` orders, alive and remembered, that remembers `fills` fills; one tick value
    /// for each instrument.
    ///
    /// # Errors
    /// What is wrong with the sizes.
    pub fn new(tick_values: &[Minor], capacity: usize, fills: usize) -> Result<Self, String> {
        if !(2..=MAX_ORDERS).contains(&capacity) || !(1..=MAX_ORDERS).contains(&fills) {
            return Err(format!("own orders and fills to remember must be 2 to {MAX_ORDERS}"));
        }
        Ok(Self {
            slots: vec![OwnOrder::EMPTY; capacity],
            next_client: 1,
            acknowledged: 0,
            numbered_from: 1,
            changed: false,
            newest: vec![NONE; tick_values.len()],
            tick_values: tick_values.to_vec(),
            exposure: vec![Exposure::default(); tick_values.len()],
            total: Exposure::default(),
            fills: FillLog::new(fills),
            changes: Changes::default(),
        })
    }

    /// Bytes that [`Self::new`] takes for `capacity` orders and `fills` fills.
    pub fn bytes(capacity: usize, fills: usize) -> u64 {
        let orders = capacity.saturating_mul(size_of::<OwnOrder>());
        orders.saturating_add(FillLog::bytes(fills)) as u64
    }

    /// Slots, instruments and fills: what a snapshot must agree on with the configuration.
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.slots.len(), self.newest.len(), self.fills.capacity())
    }

    /// The order with this number, where it is still remembered. O(1).
    #[inline]
    pub fn get(&self, client: u64) -> Option<&OwnOrder> {
        self.slots.get(self.slot_of(client)?)
    }

    /// The instrument's alive orders, newest first.
    pub fn alive(&self, instrument: InstrumentId) -> impl Iterator<Item = &OwnOrder> {
        let mut at = self.newest.get(instrument.index()).copied().unwrap_or(NONE);
        let mut left = self.slots.len();
        core::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let order = self.slots.get(usize::try_from(at).ok()?)?;
            at = order.older;
            Some(order)
        })
    }

    /// What the instrument's open orders could come to.
    pub fn exposure(&self, instrument: InstrumentId) -> Exposure {
        self.exposure.get(instrument.index()).copied().unwrap_or_default()
    }

    /// What all open orders could come to.
    pub fn total(&self) -> Exposure {
        self.total
    }

    /// Grows with every change of any order; where it is the same, so are all orders. It begins anew after a restore.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.changes.0
    }

    /// The number that the next order will have at the least.
    pub fn next_client(&self) -> u64 {
        self.next_client
    }

    /// Enters a new order. `None` where all slots hold alive orders, the instrument is unknown, or a number is out of
    /// range; O(1) while the table is at most half full of alive orders, as its size should ensure.
    pub fn place(&mut self, now: Nanos, new: NewOrder) -> Option<u64> {
        if new.qty == 0 || !in_range(new.price) {
            return None;
        }
        self.tick_values.get(new.instrument.index())?;
        let slot = self.free_slot()?;
        let client = self.next_client;
        self.next_client = client.checked_add(1)?;
        let order = OwnOrder {
            client,
            price: new.price,
            limit: new.price,
            qty: new.qty,
            open: new.qty,
            instrument: new.instrument,
            side: new.side,
            state: OrderState::PendingNew,
            short: new.short,
            placed: now,
            asked: now,
            ..OwnOrder::EMPTY
        };
        self.enter(slot, order);
        Some(client)
    }

    /// Enters a replacement of `prior` that shall have `open` lots open. `None` where `prior` is not live or is
    /// being replaced, or as in
    /// [`Self::place`].
    pub fn replace(&mut self, now: Nanos, prior: u64, price: Ticks, open: u32) -> Option<Replacement> {
        let prior_slot = self.slot_of(prior)?;
        let old = *self.slots.get(prior_slot)?;
        if old.state != OrderState::Live || old.next != 0 || open == 0 || !in_range(price) {
            return None;
        }
        let spent_before = old.spent()?;
        let total = spent_before.checked_add(open)?;
        let slot = self.free_slot()?;
        let client = self.next_client;
        self.next_client = client.checked_add(1)?;
        self.change(prior_slot, |order| {
            order.next = client;
            order.state = OrderState::PendingReplace;
        });
        let order = OwnOrder {
            client,
            prior,
            price,
            limit: price,
            qty: open,
            open,
            spent_before,
            instrument: old.instrument,
            side: old.side,
            state: OrderState::PendingNew,
            short: old.short,
            placed: now,
            asked: now,
            ..OwnOrder::EMPTY
        };
        self.enter(slot, order);
        Some(Replacement { client, total })
    }

    /// Notes that a cancel of `client` goes out. False where there is nothing to cancel: done, or already asked for. Of an
    /// order with a pending replacement both are to be cancelled: nobody knows which of the two the venue has.
    pub fn cancel(&mut self, now: Nanos, client: u64) -> bool {
        let Some(slot) = self.slot_of(client) else { return false };
        let state = self.slots.get(slot).map(|order| order.state);
        if !matches!(state, Some(OrderState::PendingNew | OrderState::Live | OrderState::PendingReplace)) {
            return false;
        }
        self.change(slot, |order| {
            order.state = OrderState::PendingCancel;
            order.asked = now;
            order.reminded = false;
        });
        true
    }

    /// Numbers rise to at least `client`.
    pub(super) fn raise_to(&mut self, client: u64) {
        self.next_client = self.next_client.max(client);
    }

    fn slot_of(&self, client: u64) -> Option<usize> {
        let slot = self.home(client)?;
        self.slots.get(slot).filter(|order| order.client == client && client != 0).map(|_| slot)
    }

    fn home(&self, client: u64) -> Option<usize> {
        usize::try_from(client.checked_rem(self.slots.len() as u64)?).ok()
    }

    /// The slot of the next number; numbers whose slots hold alive orders are passed over.
    fn free_slot(&mut self) -> Option<usize> {
        for _ in 0..self.slots.len() {
            let slot = self.home(self.next_client)?;
            if self.slots.get(slot).is_some_and(|order| !order.is_alive()) {
                return Some(slot);
            }
            self.next_client = self.next_client.checked_add(1)?;
        }
        None
    }

    fn enter(&mut self, slot: usize, order: OwnOrder) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = OwnOrder { state: OrderState::Done, ..order };
        }
        self.change(slot, |entered| entered.state = order.state);
    }

    /// The only way in which an order changes: exposure and the list of alive orders follow.
    fn change(&mut self, slot: usize, apply: impl FnOnce(&mut OwnOrder)) {
        self.changes.0 = self.changes.0.wrapping_add(1);
        let Some(before) = self.slots.get(slot).copied() else { return };
        let follower = self.slot_of(before.next);
        self.retract(slot, follower);
        if let Some(order) = self.slots.get_mut(slot) {
            apply(order);
            if order.is_alive() {
                order.cause = DoneCause::Alive;
            }
        }
        self.extend(slot, follower);
        let alive = self.slots.get(slot).is_some_and(OwnOrder::is_alive);
        match (before.is_alive(), alive) {
            (false, true) => self.link(slot, before.instrument),
            (true, false) => self.unlink(slot, before.instrument),
            _ => {}
        }
    }

    fn link(&mut self, slot: usize, instrument: InstrumentId) {
        let Ok(at) = u32::try_from(slot) else { return };
        let Some(newest) = self.newest.get_mut(instrument.index()) else { return };
        let older = core::mem::replace(newest, at);
        self.set_neighbours(at, Some(NONE), Some(older));
        self.set_neighbours(older, Some(at), None);
    }

    fn unlink(&mut self, slot: usize, instrument: InstrumentId) {
        let Some(order) = self.slots.get(slot) else { return };
        let (newer, older) = (order.newer, order.older);
        if newer == NONE
            && let Some(newest) = self.newest.get_mut(instrument.index())
        {
            *newest = older;
        }
        self.set_neighbours(newer, None, Some(older));
        self.set_neighbours(older, Some(newer), None);
        if let Ok(at) = u32::try_from(slot) {
            self.set_neighbours(at, Some(NONE), Some(NONE));
        }
    }

    fn set_neighbours(&mut self, slot: u32, newer: Option<u32>, older: Option<u32>) {
        let Some(order) = usize::try_from(slot).ok().and_then(|slot| self.slots.get_mut(slot)) else {
            return;
        };
        if let Some(newer) = newer {
            order.newer = newer;
        }
        if let Some(older) = older {
            order.older = older;
        }
    }
}

#[cfg(test)]
mod tests;
