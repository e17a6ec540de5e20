//! The books of all instruments over one store of orders.
//!
//! A command finds its order through the index (one cache line), the order's node (half a line), the level's node (half
//! a line, mostly in cache), and touches the order's neighbours in the queue where it leaves. Only an order at another
//! price searches for its level.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::index::{Probe, SlotIndex, hash_of};
use super::ladder::{ChunkPool, Found, Ladder, key_of};
use super::slab::{LevelNode, NIL, OrderNode, Slab, dequeue, enqueue};
use super::types::{BookError, OrderView, Touched};
use super::view::BookView;
use crate::kernel::{InstrumentId, Lots, Side, Ticks};

/// The books of all instruments, order by order, in price-time priority.
///
/// Nothing is allocated below the capacities it was made with; beyond them it grows amortised, and
/// [`Books::growths`] counts that. Its serialised form holds what can be seen (levels, queues, quantities), so stores of
/// equal content have equal bytes, however they came about.
#[derive(Clone, Debug)]
pub struct Books {
    pub(super) orders: Slab<OrderNode>,
    pub(super) levels: Slab<LevelNode>,
    pub(super) index: SlotIndex,
    pub(super) pool: ChunkPool<u32>,
    pub(super) ladders: Vec<Ladders>,
    pub(super) capacity: Capacity,
}

/// Both sides of one instrument.
#[derive(Clone, Debug)]
pub(super) struct Ladders {
    bids: Ladder<u32>,
    asks: Ladder<u32>,
}

/// What a store was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    pub(super) instruments: usize,
    pub(super) orders: usize,
    pub(super) levels_per_side: usize,
}

/// What is taken of memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) orders: usize,
    pub(super) levels: usize,
    /// Sides that have levels.
    pub(super) sides: usize,
    /// For the list of runs of each side.
    pub(super) levels_per_side: usize,
}

impl Room {
    fn of(capacity: Capacity) -> Self {
        let Capacity { instruments, orders, levels_per_side } = capacity;
        let sides = instruments.saturating_mul(2);
        // A replacement holds both orders, and with them both levels, for a moment.
        let orders = orders.saturating_add(1);
        let levels = orders.min(sides.saturating_mul(levels_per_side.saturating_add(1)));
        Self { orders, levels, sides, levels_per_side }
    }
}

/// A live order and its slot, for machinery beside the books that keeps something of its own per order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resting {
    pub(crate) slot: u32,
    pub(crate) order: u64,
    pub(crate) price: Ticks,
    pub(crate) qty: Lots,
}

impl Ladders {
    #[inline]
    pub(super) fn side(&self, side: Side) -> &Ladder<u32> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    #[inline]
    fn side_mut(&mut self, side: Side) -> &mut Ladder<u32> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

impl Books {
    /// Empty books of the instruments 0 to `instruments - 1`, with room for `orders` live orders in all and for
    /// `levels_per_side` levels on each side of each instrument (of which at most one per order is used at a time). The
    /// memory is touched here, so that the hot path takes no page fault.
    pub fn with_capacity(instruments: usize, orders: usize, levels_per_side: usize) -> Self {
        let capacity = Capacity { instruments, orders, levels_per_side };
        Self::with_room(capacity, Room::of(capacity))
    }

    /// Bytes that [`Self::with_capacity`] takes, give or take what the allocator rounds. Nothing is taken here.
    pub fn bytes(instruments: usize, orders: usize, levels_per_side: usize) -> u64 {
        let room = Room::of(Capacity { instruments, orders, levels_per_side });
        let parts = [
            room.orders.saturating_mul(size_of::<OrderNode>()),
            room.levels.saturating_mul(size_of::<LevelNode>()),
            SlotIndex::bytes(room.orders),
            ChunkPool::<u32>::bytes(room.sides, room.levels),
            instruments.saturating_mul(2).saturating_mul(Ladder::<u32>::bytes(room.levels_per_side)),
        ];
        parts.iter().fold(0, |sum: u64, part| sum.saturating_add(*part as u64))
    }

    /// Empty books that say `capacity` of themselves, and have taken `room`.
    pub(super) fn with_room(capacity: Capacity, room: Room) -> Self {
        Self {
            orders: Slab::with_capacity(room.orders),
            levels: Slab::with_capacity(room.levels),
            index: SlotIndex::with_capacity(room.orders),
            pool: ChunkPool::with_capacity(room.sides, room.levels, NIL),
            ladders: (0..capacity.instruments)
                .map(|_| Ladders {
                    bids: Ladder::with_capacity(room.levels_per_side, NIL),
                    asks: Ladder::with_capacity(room.levels_per_side, NIL),
                })
                .collect(),
            capacity,
        }
    }

    /// Puts the orders of `other` into these books, which are empty. What was read from a snapshot has room for no more
    /// than it holds; this is how it comes into memory that was taken for the configured sizes.
    ///
    /// # Errors
    /// Where `other` was made for other sizes.
    pub fn refill(&mut self, other: &Self) -> Result<(), BookError> {
        if self.capacity != other.capacity {
            return Err(BookError::Capacity);
        }
        for i in (0..other.instruments()).filter_map(|index| u16::try_from(index).ok()).map(InstrumentId) {
            let Some(book) = other.book(i) else { continue };
            for side in [Side::Buy, Side::Sell] {
                for level in book.levels(side) {
                    book.orders(side, level.price)
                        .try_for_each(|order| self.add(i, order.order, side, level.price, order.qty))?;
                }
            }
        }
        Ok(())
    }

    /// Puts a new order behind all others at its price.
    ///
    /// # Errors
    /// [`BookError::UnknownInstrument`], [`BookError::BadQuantity`], [`BookError::DuplicateOrder`],
    /// [`BookError::Capacity`]; nothing is changed then.
    #[inline]
    pub fn add(
        &mut self,
        i: InstrumentId,
        order: u64,
        side: Side,
        price: Ticks,
        qty: Lots,
    ) -> Result<(), BookError> {
        self.add_resting(i, order, side, price, qty).map(|_| ())
    }

    /// As [`Self::add`]; returns the order's slot.
    #[inline]
    pub(crate) fn add_resting(
        &mut self,
        i: InstrumentId,
        order: u64,
        side: Side,
        price: Ticks,
        qty: Lots,
    ) -> Result<u32, BookError> {
        if i.index() >= self.ladders.len() {
            return Err(BookError::UnknownInstrument);
        }
        if qty.0 <= 0 {
            return Err(BookError::BadQuantity);
        }
        let hash = hash_of(order, 0);
        self.index.reserve();
        let Probe::Vacant(place) = self.index.probe(hash, |slot| self.is_order(slot, order)) else {
            return Err(BookError::DuplicateOrder);
        };
        let level = self.level_for(i, side, price, qty)?;
        let slot = self.append(level, order, qty);
        self.index.insert(place, hash, slot);
        Ok(slot)
    }

    /// Takes executed lots off an order; at zero it leaves the book.
    ///
    /// # Errors
    /// [`BookError::UnknownOrder`]; [`BookError::BadQuantity`] where the order has fewer. Nothing is changed then.
    #[inline]
    pub fn execute(&mut self, order: u64, qty: Lots) -> Result<Touched, BookError> {
        self.reduce(order, qty)
    }

    /// Takes cancelled lots off an order, which keeps its place in the queue; at zero it leaves the book.
    ///
    /// # Errors
    /// [`BookError::UnknownOrder`]; [`BookError::BadQuantity`] where the order has fewer. Nothing is changed then.
    #[inline]
    pub fn reduce(&mut self, order: u64, qty: Lots) -> Result<Touched, BookError> {
        let (place, slot) = self
            .index
            .find(hash_of(order, 0), |slot| self.is_order(slot, order))
            .ok_or(BookError::UnknownOrder)?;
        let node = self.orders.get_mut(slot).ok_or(BookError::UnknownOrder)?;
        let level = self.levels.get_mut(node.level).ok_or(BookError::UnknownOrder)?;
        if qty.0 <= 0 || qty > node.qty {
            return Err(BookError::BadQuantity);
        }
        let left = node.qty - qty;
        let touched = Touched { instrument: level.instrument, side: level.side, price: level.price, left };
        if left.0 > 0 {
            node.qty = left;
            level.qty -= qty;
        } else {
            let node = *node;
            self.index.remove(place);
            self.unlink(slot, node);
        }
        Ok(touched)
    }

    /// Takes an order out of the book.
    ///
    /// # Errors
    /// [`BookError::UnknownOrder`].
    #[inline]
    pub fn delete(&mut self, order: u64) -> Result<Touched, BookError> {
        let (place, slot) = self
            .index
            .find(hash_of(order, 0), |slot| self.is_order(slot, order))
            .ok_or(BookError::UnknownOrder)?;
        let node = *self.orders.get(slot).ok_or(BookError::UnknownOrder)?;
        let level = self.levels.get(node.level).ok_or(BookError::UnknownOrder)?;
        let touched =
            Touched { instrument: level.instrument, side: level.side, price: level.price, left: Lots(0) };
        self.index.remove(place);
        self.unlink(slot, node);
        Ok(touched)
    }

    /// Takes an order out and puts `new_order`, of the same instrument and side, behind all others at the new price:
    /// it loses its priority even at the same price. `new_order` may be `order`.
    ///
    /// # Errors
    /// [`BookError::UnknownOrder`], [`BookError::BadQuantity`], [`BookError::DuplicateOrder`],
    /// [`BookError::Capacity`]; nothing is changed then.
    #[inline]
    pub fn replace(
        &mut self,
        order: u64,
        new_order: u64,
        price: Ticks,
        qty: Lots,
    ) -> Result<Touched, BookError> {
        self.replace_resting(order, new_order, price, qty).map(|(touched, _)| touched)
    }

    /// As [`Self::replace`]; returns the new order's slot too.
    #[inline]
    pub(crate) fn replace_resting(
        &mut self,
        order: u64,
        new_order: u64,
        price: Ticks,
        qty: Lots,
    ) -> Result<(Touched, u32), BookError> {
        let hash = hash_of(order, 0);
        let (_, slot) =
            self.index.find(hash, |slot| self.is_order(slot, order)).ok_or(BookError::UnknownOrder)?;
        let node = *self.orders.get(slot).ok_or(BookError::UnknownOrder)?;
        let old = *self.levels.get(node.level).ok_or(BookError::UnknownOrder)?;
        if qty.0 <= 0 {
            return Err(BookError::BadQuantity);
        }
        let touched =
            Touched { instrument: old.instrument, side: old.side, price: old.price, left: node.qty };
        if new_order != order && self.slot_of(new_order).is_some() {
            return Err(BookError::DuplicateOrder);
        }
        // The new order is put in before the old one is taken out: so nothing is undone where it does not fit.
        let level = self.level_for(old.instrument, old.side, price, qty)?;
        let new_slot = self.append(level, new_order, qty);
        if let Some((place, _)) = self.index.find(hash, |found| found == slot) {
            self.index.remove(place);
        }
        if let Some(node) = self.orders.get(slot).copied() {
            self.unlink(slot, node);
        }
        let new_hash = hash_of(new_order, 0);
        self.index.reserve();
        if let Probe::Vacant(place) = self.index.probe(new_hash, |slot| self.is_order(slot, new_order)) {
            self.index.insert(place, new_hash, new_slot);
        }
        Ok((touched, new_slot))
    }

    /// Forgets all orders of an instrument: the venue's book was reset, or the feed's picture of it is void.
    pub fn clear(&mut self, i: InstrumentId) {
        for side in [Side::Buy, Side::Sell] {
            while let Some((_, level)) = self.best_level(i, side) {
                let head = level.head;
                let Some(node) = self.orders.get(head).copied() else { return };
                let hash = hash_of(node.order, 0);
                if let Some((place, _)) = self.index.find(hash, |slot| slot == head) {
                    self.index.remove(place);
                }
                self.unlink(head, node);
            }
        }
    }

    /// One instrument's book; `None` for an instrument the store was not made for.
    #[inline]
    pub fn book(&self, i: InstrumentId) -> Option<BookView<'_>> {
        self.ladders.get(i.index()).map(|ladders| BookView::new(self, i, ladders))
    }

    /// A live order.
    #[inline]
    pub fn order(&self, order: u64) -> Option<OrderView> {
        self.order_in(self.slot_of(order)?)
    }

    /// Live orders of all instruments.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True where no order is live.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many instruments it was made for.
    pub fn instruments(&self) -> usize {
        self.ladders.len()
    }

    /// How often a part of it outgrew its capacity and allocated. For counters: not part of its serialised form.
    pub fn growths(&self) -> u64 {
        self.orders.growths() + self.levels.growths() + self.index.growths() + self.pool.growths()
    }

    /// The order that would trade first on a side.
    #[inline]
    pub(crate) fn front(&self, i: InstrumentId, side: Side) -> Option<Resting> {
        let (_, level) = self.best_level(i, side)?;
        let node = self.orders.get(level.head)?;
        Some(Resting { slot: level.head, order: node.order, price: level.price, qty: node.qty })
    }

    /// Takes lots off the order in a slot, at most as many as it has; at zero it leaves the book.
    #[inline]
    pub(crate) fn take_from(&mut self, slot: u32, qty: Lots) {
        let Some(node) = self.orders.get_mut(slot) else { return };
        if qty < node.qty {
            node.qty -= qty;
            if let Some(level) = self.levels.get_mut(node.level) {
                level.qty -= qty;
            }
        } else {
            let node = *node;
            if let Some((place, _)) = self.index.find(hash_of(node.order, 0), |found| found == slot) {
                self.index.remove(place);
            }
            self.unlink(slot, node);
        }
    }

    /// The slot of a live order.
    #[inline]
    pub(crate) fn slot_of(&self, order: u64) -> Option<u32> {
        self.index.find(hash_of(order, 0), |slot| self.is_order(slot, order)).map(|(_, slot)| slot)
    }

    /// The order in a slot.
    #[inline]
    pub(crate) fn order_in(&self, slot: u32) -> Option<OrderView> {
        let node = self.orders.get(slot)?;
        let level = self.levels.get(node.level)?;
        Some(OrderView {
            order: node.order,
            instrument: level.instrument,
            side: level.side,
            price: level.price,
            qty: node.qty,
        })
    }

    #[inline]
    fn best_level(&self, i: InstrumentId, side: Side) -> Option<(u32, &LevelNode)> {
        let (_, slot) = self.ladders.get(i.index())?.side(side).best()?;
        Some((slot, self.levels.get(slot)?))
    }

    #[inline]
    fn is_order(&self, slot: u32, order: u64) -> bool {
        self.orders.get(slot).is_some_and(|node| node.order == order)
    }

    /// The level at a price, made where there is none, with room for one more order of `qty` lots.
    #[inline]
    fn level_for(&mut self, i: InstrumentId, side: Side, price: Ticks, qty: Lots) -> Result<u32, BookError> {
        if self.orders.is_full() || self.levels.is_full() {
            return Err(BookError::Capacity);
        }
        let ladders = self.ladders.get_mut(i.index()).ok_or(BookError::UnknownInstrument)?;
        let levels = &mut self.levels;
        let found = ladders.side_mut(side).find_or_insert(&mut self.pool, key_of(side, price), || {
            levels.insert(LevelNode {
                price,
                qty: Lots(0),
                head: NIL,
                tail: NIL,
                orders: 0,
                instrument: i,
                side,
            })
        });
        match found {
            Found::New(level) => Ok(level),
            Found::Old(level) => {
                let sum = self.levels.get(level).and_then(|node| node.qty.0.checked_add(qty.0));
                sum.map(|_| level).ok_or(BookError::BadQuantity)
            }
        }
    }

    /// Puts a new order at the end of a level that has room for it. The index does not know it yet.
    #[inline]
    fn append(&mut self, level: u32, order: u64, qty: Lots) -> u32 {
        let Some(node) = self.levels.get_mut(level) else { return NIL };
        let slot = self.orders.insert(OrderNode { order, qty, next: NIL, prev: node.tail, level });
        enqueue(&mut self.orders, node, slot, qty);
        slot
    }

    /// Takes an order that the index no longer knows out of its queue, and its level out of the book if it was the last.
    #[inline]
    fn unlink(&mut self, slot: u32, node: OrderNode) {
        let Some(level) = self.levels.get_mut(node.level) else { return };
        dequeue(&mut self.orders, level, slot, node);
        if level.orders == 0 {
            let (i, side, price) = (level.instrument, level.side, level.price);
            self.levels.remove(node.level);
            if let Some(ladders) = self.ladders.get_mut(i.index()) {
                ladders.side_mut(side).remove(&mut self.pool, key_of(side, price));
            }
        }
    }
}
