//! The engine over [`Books`].
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::events::{
    Accepted, Added, Chain, Deleted, Executed, Lapsed, MatchSink, NewOrder, OpenOrder, OwnerToken, Prevented,
    Reduced, Refusal, Rejected, RemovalReason, Replaced, Replacement, SelfMatch,
};
use crate::kernel::{InstrumentId, Lots, Side, Ticks, TimeInForce};
use crate::market::book::{BookView, Books, OrderView, Probe, Resting, SlotIndex, hash_of};

/// The price-time matching engine for all instruments of a venue. See the module for what it guarantees.
///
/// Order numbers and match numbers count from 1. Nothing is allocated below the capacities it was made with. Its
/// serialised form holds what can be seen, so engines of equal content have equal bytes.
#[derive(Clone, Debug)]
pub struct MatchingEngine {
    pub(super) books: Books,
    /// What belongs to the order in each slot of the books.
    pub(super) owned: Vec<Owned>,
    /// From owner and token to slot.
    pub(super) tokens: SlotIndex,
    pub(super) self_match: SelfMatch,
    pub(super) next_order: u64,
    pub(super) next_match: u64,
    /// Order numbers of a mass cancel, kept for its room.
    scratch: Vec<u64>,
}

/// The owner's side of a resting order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owned {
    pub(super) key: OwnerToken,
    pub(super) chain: Chain,
}

const NO_ONE: Owned =
    Owned { key: OwnerToken { owner: 0, token: 0 }, chain: Chain { executed: Lots(0), prevented: Lots(0) } };

/// An order on its way through the book.
#[derive(Clone, Copy)]
struct Incoming {
    order: u64,
    new: NewOrder,
    left: Lots,
    /// What it and those that it replaced have used up so far.
    chain: Chain,
    /// Why it must not go on, where it must not.
    stopped: Option<RemovalReason>,
}

impl MatchingEngine {
    /// Empty books of the instruments 0 to `instruments - 1`, with room as [`Books::with_capacity`] has it.
    pub fn with_capacity(
        instruments: usize,
        orders: usize,
        levels_per_side: usize,
        self_match: SelfMatch,
    ) -> Self {
        Self::over(Books::with_capacity(instruments, orders, levels_per_side), orders, self_match)
    }

    /// An engine over books whose orders it does not know yet.
    pub(super) fn over(books: Books, orders: usize, self_match: SelfMatch) -> Self {
        let room = orders + 1;
        let mut scratch = vec![u64::MAX; room];
        scratch.clear();
        Self {
            books,
            owned: vec![NO_ONE; room],
            tokens: SlotIndex::with_capacity(room),
            self_match,
            next_order: 1,
            next_match: 1,
            scratch,
        }
    }

    /// What happens from now on when an owner's order meets another of its own.
    pub fn set_self_match(&mut self, rule: SelfMatch) {
        self.self_match = rule;
    }

    /// Takes a new order: accepts or rejects it, trades what crosses, and rests or lapses what is left.
    pub fn enter<S: MatchSink>(&mut self, new: &NewOrder, sink: &mut S) {
        let crosses = self.crosses(new.instrument, new.side, new.price);
        if let Err(reason) = self.check(new, crosses) {
            sink.rejected(&Rejected { key: new.key, reason });
            return;
        }
        let order = self.take_number();
        let live = crosses || new.tif != TimeInForce::IOC;
        sink.accepted(&Accepted { order, new: *new, live });
        if live {
            self.run(order, new, Chain::default(), sink);
        }
    }

    /// Cancels all but `keep` lots of an order; what is kept keeps its priority.
    pub fn cancel<S: MatchSink>(&mut self, key: OwnerToken, keep: Lots, sink: &mut S) {
        let Some((slot, open)) = self.find(key) else {
            sink.rejected(&Rejected { key, reason: Refusal::UnknownOrder });
            return;
        };
        if keep.0 < 0 || keep >= open.qty {
            let reason = if keep.0 < 0 { Refusal::BadQuantity } else { Refusal::NothingToCancel };
            sink.rejected(&Rejected { key, reason });
        } else if keep.0 == 0 {
            self.delete(slot, key, &open, RemovalReason::User, sink);
        } else {
            let qty = open.qty - keep;
            self.books.take_from(slot, qty);
            let OrderView { order, instrument, .. } = open;
            sink.reduced(&Reduced { order, key, instrument, qty, left: keep });
        }
    }

    /// Replaces an order by one of the same instrument and side with a new number and no priority.
    ///
    /// As OUCH has it: where the new details are impossible (or post-only would take), the old order is cancelled and no
    /// new one entered; where the order is not live or the new token is, the command is refused and nothing changes.
    pub fn replace<S: MatchSink>(&mut self, key: OwnerToken, with: &Replacement, sink: &mut S) {
        let new_key = OwnerToken { owner: key.owner, token: with.token };
        let Some((slot, open)) = self.find(key) else {
            sink.rejected(&Rejected { key: new_key, reason: Refusal::UnknownOrder });
            return;
        };
        if self.find(new_key).is_some() {
            sink.rejected(&Rejected { key: new_key, reason: Refusal::DuplicateToken });
            return;
        }
        let OrderView { instrument, side, .. } = open;
        let new =
            NewOrder { key: new_key, instrument, side, price: with.price, qty: with.qty, tif: with.tif };
        let crosses = self.crosses(instrument, side, with.price);
        match self.check(&new, crosses) {
            Err(Refusal::WouldTake) => self.delete(slot, key, &open, RemovalReason::WouldTake, sink),
            Err(_) => self.delete(slot, key, &open, RemovalReason::BadReplacement, sink),
            Ok(()) if crosses || with.tif == TimeInForce::IOC => {
                self.replace_and_run(slot, &open, key, &new, crosses, sink)
            }
            Ok(()) => self.replace_in_book(slot, &open, key, &new, sink),
        }
    }

    /// Cancels all orders of an owner, in the order of their numbers. O(live orders).
    pub fn cancel_owner<S: MatchSink>(&mut self, owner: u32, reason: RemovalReason, sink: &mut S) {
        let mut numbers = core::mem::take(&mut self.scratch);
        numbers.extend(self.open_orders().filter(|open| open.key.owner == owner).map(|open| open.order));
        numbers.sort_unstable();
        for order in numbers.drain(..) {
            let Some(slot) = self.books.slot_of(order) else { continue };
            if let (Some(owned), Some(open)) =
                (self.owned.get(slot as usize).copied(), self.books.order_in(slot))
            {
                self.delete(slot, owned.key, &open, reason, sink);
            }
        }
        self.scratch = numbers;
    }

    /// One instrument's book; `None` for an instrument the engine was not made for.
    pub fn book(&self, i: InstrumentId) -> Option<BookView<'_>> {
        self.books.book(i)
    }

    /// The books, to read.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// An owner's live order.
    pub fn open_order(&self, key: OwnerToken) -> Option<OpenOrder> {
        self.find(key).and_then(|(slot, _)| self.open_in(slot))
    }

    /// All live orders: by instrument, bids before asks, in the order in which they would trade.
    pub fn open_orders(&self) -> impl Iterator<Item = OpenOrder> + '_ {
        let instruments = (0..=u16::MAX).map(InstrumentId).take(self.books.instruments());
        let books = instruments.filter_map(|i| self.books.book(i));
        books
            .flat_map(|book| [Side::Buy, Side::Sell].map(|side| (book, side)))
            .flat_map(|(book, side)| book.levels(side).flat_map(move |level| book.orders(side, level.price)))
            .filter_map(|order| self.open_in(self.books.slot_of(order.order)?))
    }

    /// How often a part of it outgrew its capacity and allocated.
    pub fn growths(&self) -> u64 {
        self.books.growths() + self.tokens.growths()
    }

    /// True where an order would trade on arrival.
    #[inline]
    pub fn crosses(&self, i: InstrumentId, side: Side, price: Ticks) -> bool {
        self.books.front(i, side.opposite()).is_some_and(|front| meets(side, price, front.price))
    }

    #[inline]
    fn check(&self, new: &NewOrder, crosses: bool) -> Result<(), Refusal> {
        if new.instrument.index() >= self.books.instruments() {
            Err(Refusal::UnknownInstrument)
        } else if new.qty.0 <= 0 {
            Err(Refusal::BadQuantity)
        } else if !matches!(new.tif, TimeInForce::DAY | TimeInForce::IOC | TimeInForce::POST_ONLY) {
            Err(Refusal::BadTimeInForce)
        } else if self.slot_of(new.key).is_some() {
            Err(Refusal::DuplicateToken)
        } else if crosses && new.tif == TimeInForce::POST_ONLY {
            Err(Refusal::WouldTake)
        } else {
            Ok(())
        }
    }

    fn take_number(&mut self) -> u64 {
        let order = self.next_order;
        self.next_order += 1;
        order
    }

    /// Trades an accepted order against the book, then rests or lapses what is left.
    fn run<S: MatchSink>(&mut self, order: u64, new: &NewOrder, chain: Chain, sink: &mut S) {
        let mut incoming = Incoming { order, new: *new, left: new.qty, chain, stopped: None };
        while incoming.left.0 > 0 && incoming.stopped.is_none() {
            match self.books.front(new.instrument, new.side.opposite()) {
                Some(front) if meets(new.side, new.price, front.price) => {
                    self.meet(&mut incoming, &front, sink)
                }
                _ => break,
            }
        }
        if incoming.left.0 == 0 {
            return;
        }
        let ioc = (new.tif == TimeInForce::IOC).then_some(RemovalReason::ImmediateOrCancel);
        let lapse = match incoming.stopped.or(ioc) {
            Some(reason) => Some(reason),
            None => self.rest(&incoming, sink),
        };
        if let Some(reason) = lapse {
            let NewOrder { key, instrument, .. } = *new;
            sink.lapsed(&Lapsed { order, key, instrument, qty: incoming.left, reason });
        }
    }

    /// One meeting with the first order of the other side.
    #[inline]
    fn meet<S: MatchSink>(&mut self, incoming: &mut Incoming, front: &Resting, sink: &mut S) {
        let Some(owned) = self.owned.get_mut(front.slot as usize) else { return };
        let key = owned.key;
        let qty = incoming.left.min(front.qty);
        if key.owner == incoming.new.key.owner {
            match self.self_match {
                SelfMatch::Allow => {}
                SelfMatch::CancelIncoming => {
                    incoming.stopped = Some(RemovalReason::SelfMatch);
                    return;
                }
                SelfMatch::CancelResting => {
                    if let Some(open) = self.books.order_in(front.slot) {
                        self.delete(front.slot, key, &open, RemovalReason::SelfMatch, sink);
                    }
                    return;
                }
                SelfMatch::Decrement => {
                    owned.chain.prevented += qty;
                    self.decrement(incoming, front, key, qty, sink);
                    return;
                }
            }
        }
        owned.chain.executed += qty;
        incoming.chain.executed += qty;
        if qty == front.qty {
            self.forget(key);
        }
        self.books.take_from(front.slot, qty);
        incoming.left -= qty;
        let match_number = self.next_match;
        self.next_match += 1;
        sink.executed(&Executed {
            match_number,
            instrument: incoming.new.instrument,
            price: front.price,
            qty,
            order: front.order,
            key,
            side: incoming.new.side.opposite(),
            left: front.qty - qty,
            incoming: incoming.order,
            incoming_key: incoming.new.key,
            incoming_left: incoming.left,
        });
    }

    /// Two orders of one owner lose `qty` lots each and do not trade.
    fn decrement<S: MatchSink>(
        &mut self,
        incoming: &mut Incoming,
        front: &Resting,
        key: OwnerToken,
        qty: Lots,
        sink: &mut S,
    ) {
        if qty == front.qty {
            self.forget(key);
        }
        self.books.take_from(front.slot, qty);
        incoming.left -= qty;
        incoming.chain.prevented += qty;
        sink.prevented(&Prevented {
            instrument: incoming.new.instrument,
            price: front.price,
            qty,
            order: front.order,
            key,
            side: incoming.new.side.opposite(),
            left: front.qty - qty,
            incoming: incoming.order,
            incoming_key: incoming.new.key,
            incoming_left: incoming.left,
        });
    }

    /// Rests what is left of an order; says why it could not.
    fn rest<S: MatchSink>(&mut self, incoming: &Incoming, sink: &mut S) -> Option<RemovalReason> {
        let (order, qty) = (incoming.order, incoming.left);
        let NewOrder { key, instrument, side, price, .. } = incoming.new;
        match self.books.add_resting(instrument, order, side, price, qty) {
            Err(_) => Some(RemovalReason::Capacity),
            Ok(slot) => {
                self.remember(slot, key, incoming.chain);
                sink.added(&Added { order, key, instrument, side, price, qty });
                None
            }
        }
    }

    /// The old order leaves the displayed book and the new one comes in like any other.
    fn replace_and_run<S: MatchSink>(
        &mut self,
        slot: u32,
        open: &OrderView,
        key: OwnerToken,
        new: &NewOrder,
        live: bool,
        sink: &mut S,
    ) {
        let chain = self.chain_in(slot);
        self.forget(key);
        self.books.take_from(slot, open.qty);
        let order = self.take_number();
        sink.replaced(&replaced(open, key, order, new, false, live));
        if live {
            self.run(order, new, chain, sink);
        }
    }

    fn replace_in_book<S: MatchSink>(
        &mut self,
        slot: u32,
        open: &OrderView,
        key: OwnerToken,
        new: &NewOrder,
        sink: &mut S,
    ) {
        let chain = self.chain_in(slot);
        match self.books.replace_resting(open.order, self.next_order, new.price, new.qty) {
            Err(_) => self.delete(slot, key, open, RemovalReason::Capacity, sink),
            Ok((_, new_slot)) => {
                self.forget(key);
                self.remember(new_slot, new.key, chain);
                let order = self.take_number();
                sink.replaced(&replaced(open, key, order, new, true, true));
            }
        }
    }

    fn delete<S: MatchSink>(
        &mut self,
        slot: u32,
        key: OwnerToken,
        open: &OrderView,
        reason: RemovalReason,
        sink: &mut S,
    ) {
        self.forget(key);
        self.books.take_from(slot, open.qty);
        sink.deleted(&Deleted { order: open.order, key, instrument: open.instrument, qty: open.qty, reason });
    }

    /// Keeps the owner's side of the order in a slot.
    pub(super) fn remember(&mut self, slot: u32, key: OwnerToken, chain: Chain) {
        let at = slot as usize;
        if at >= self.owned.len() {
            self.owned.resize(at + 1, NO_ONE);
        }
        if let Some(owned) = self.owned.get_mut(at) {
            *owned = Owned { key, chain };
        }
        let hash = hash_of(key.token, key.owner);
        self.tokens.reserve();
        let owned = &self.owned;
        if let Probe::Vacant(place) = self.tokens.probe(hash, |slot| is_key(owned, slot, key)) {
            self.tokens.insert(place, hash, slot);
        }
    }

    /// Forgets the token of an order that is about to leave.
    #[inline]
    fn forget(&mut self, key: OwnerToken) {
        let owned = &self.owned;
        let hash = hash_of(key.token, key.owner);
        if let Some((place, _)) = self.tokens.find(hash, |slot| is_key(owned, slot, key)) {
            self.tokens.remove(place);
        }
    }

    #[inline]
    fn slot_of(&self, key: OwnerToken) -> Option<u32> {
        let hash = hash_of(key.token, key.owner);
        self.tokens.find(hash, |slot| is_key(&self.owned, slot, key)).map(|(_, slot)| slot)
    }

    #[inline]
    fn find(&self, key: OwnerToken) -> Option<(u32, OrderView)> {
        let slot = self.slot_of(key)?;
        Some((slot, self.books.order_in(slot)?))
    }

    #[inline]
    fn chain_in(&self, slot: u32) -> Chain {
        self.owned.get(slot as usize).map(|owned| owned.chain).unwrap_or_default()
    }

    fn open_in(&self, slot: u32) -> Option<OpenOrder> {
        let OrderView { order, instrument, side, price, qty } = self.books.order_in(slot)?;
        let Owned { key, chain } = *self.owned.get(slot as usize)?;
        Some(OpenOrder { order, key, instrument, side, price, qty, chain })
    }
}

#[inline]
fn is_key(owned: &[Owned], slot: u32, key: OwnerToken) -> bool {
    owned.get(slot as usize).is_some_and(|owned| owned.key == key)
}

/// True where an order of this side and price trades with a resting order at `resting`.
#[inline]
fn meets(side: Side, price: Ticks, resting: Ticks) -> bool {
    match side {
        Side::Buy => price >= resting,
        Side::Sell => price <= resting,
    }
}

fn replaced(
    open: &OrderView,
    old: OwnerToken,
    order: u64,
    new: &NewOrder,
    displayed: bool,
    live: bool,
) -> Replaced {
    Replaced {
        old_order: open.order,
        old_token: old.token,
        old_qty: open.qty,
        order,
        new: *new,
        displayed,
        live,
    }
}
