//! The preallocated nodes of orders and levels, and the queue of orders that each level is.
//!
//! Both nodes are 32 bytes, two to a cache line; links are 32-bit slots. An order's node names its level, so that an
//! execution or a deletion reaches the level without a search; the level names its instrument, side and price, so that
//! orders need not.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::kernel::{InstrumentId, Lots, Side, Ticks};

/// No slot.
pub(crate) const NIL: u32 = u32::MAX;

/// A live order; while free, `next` links the free ones.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(crate) struct OrderNode {
    pub(crate) order: u64,
    pub(crate) qty: Lots,
    pub(crate) next: u32,
    pub(crate) prev: u32,
    pub(crate) level: u32,
}

/// A level with at least one order; while free, `head` links the free ones.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(crate) struct LevelNode {
    pub(crate) price: Ticks,
    pub(crate) qty: Lots,
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) orders: u32,
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
}

const _: () = assert!(size_of::<OrderNode>() == 32 && size_of::<LevelNode>() == 32);

/// A node that can link to the next free one.
pub(crate) trait Linked: Copy {
    /// A node in use nowhere, ending the list of the free.
    const UNUSED: Self;
    /// The next free slot.
    fn link(&self) -> u32;
    /// Links the next free slot.
    fn set_link(&mut self, next: u32);
}

impl Linked for OrderNode {
    const UNUSED: Self = Self { order: 0, qty: Lots(0), next: NIL, prev: NIL, level: NIL };
    fn link(&self) -> u32 {
        self.next
    }
    fn set_link(&mut self, next: u32) {
        self.next = next;
    }
}

impl Linked for LevelNode {
    const UNUSED: Self = Self {
        price: Ticks(0),
        qty: Lots(0),
        head: NIL,
        tail: NIL,
        orders: 0,
        instrument: InstrumentId(0),
        side: Side::Buy,
    };
    fn link(&self) -> u32 {
        self.head
    }
    fn set_link(&mut self, next: u32) {
        self.head = next;
    }
}

/// Nodes of one kind in slots. The slot freed last is used first, while it is still in the cache.
#[derive(Clone, Debug)]
pub(crate) struct Slab<N> {
    nodes: Vec<N>,
    free: u32,
    growths: u64,
}

impl<N: Linked> Slab<N> {
    /// Room for `capacity` nodes before it grows; all of it is touched now.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut nodes = vec![N::UNUSED; capacity];
        nodes.clear();
        Self { nodes, free: NIL, growths: 0 }
    }

    /// Nodes that it has room for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.nodes.capacity()
    }

    /// How often it grew beyond its first capacity.
    pub(crate) fn growths(&self) -> u64 {
        self.growths
    }

    /// True where [`Self::insert`] would find no slot.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.free == NIL && self.nodes.len() >= NIL as usize
    }

    /// Puts a node into a free slot.
    #[inline]
    pub(crate) fn insert(&mut self, node: N) -> u32 {
        let slot = self.free;
        if let Some(place) = self.nodes.get_mut(slot as usize) {
            self.free = place.link();
            *place = node;
            return slot;
        }
        if self.nodes.len() == self.nodes.capacity() {
            self.growths += 1;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    /// Frees a slot.
    #[inline]
    pub(crate) fn remove(&mut self, slot: u32) {
        if let Some(node) = self.nodes.get_mut(slot as usize) {
            node.set_link(self.free);
            self.free = slot;
        }
    }

    /// The node in a slot.
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&N> {
        self.nodes.get(slot as usize)
    }

    /// The node in a slot, to change.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut N> {
        self.nodes.get_mut(slot as usize)
    }
}

/// Puts the order in `slot` behind all others of its level and adds its lots.
#[inline]
pub(crate) fn enqueue(orders: &mut Slab<OrderNode>, level: &mut LevelNode, slot: u32, qty: Lots) {
    let tail = level.tail;
    match orders.get_mut(tail) {
        Some(last) => last.next = slot,
        None => level.head = slot,
    }
    level.tail = slot;
    level.orders += 1;
    level.qty += qty;
}

/// Takes an order out of its level's queue with the lots it still has, and frees its slot.
#[inline]
pub(crate) fn dequeue(orders: &mut Slab<OrderNode>, level: &mut LevelNode, slot: u32, node: OrderNode) {
    match orders.get_mut(node.prev) {
        Some(before) => before.next = node.next,
        None => level.head = node.next,
    }
    match orders.get_mut(node.next) {
        Some(after) => after.prev = node.prev,
        None => level.tail = node.prev,
    }
    level.orders -= 1;
    level.qty -= node.qty;
    orders.remove(slot);
}
