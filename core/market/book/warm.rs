//! Bringing into the cache what coming commands will need.
//!
//! With a million live orders a command waits for memory two or three times in a row: index, order, level. A packet
//! carries many messages, and their waits are independent, so they can be waited for together. [`Books::warm`] reads,
//! for a batch of coming commands, all index lines, then all orders, then all levels. It changes nothing: leaving it
//! out, or warming for commands that never come, gives the same books.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use core::hint::black_box;

use super::index::hash_of;
use super::ladder::{Ladder, key_of};
use super::slab::{LevelNode, NIL};
use super::store::Books;
use crate::kernel::{InstrumentId, Side, Ticks};

/// Commands whose memory is waited for together: as many loads as a core has in flight.
const BATCH: usize = 32;

/// A coming command, as far as it is known before it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    /// An order will be added.
    Add {
        /// Its number.
        order: u64,
        /// Its instrument.
        instrument: InstrumentId,
        /// Its side.
        side: Side,
        /// Its price.
        price: Ticks,
    },
    /// An order will be executed, reduced, deleted or replaced.
    Touch {
        /// Its number.
        order: u64,
    },
}

/// An order that will join a level.
#[derive(Clone, Copy)]
struct Joining {
    order: u64,
    instrument: InstrumentId,
    side: Side,
    price: Ticks,
    /// What the round before has found: the chunk, then the level.
    found: u32,
}

/// An order that will change or leave.
#[derive(Clone, Copy)]
struct Changing {
    order: u64,
    /// What the round before has found: the order, then the level, where it may leave.
    found: u32,
}

const NO_JOINING: Joining =
    Joining { order: 0, instrument: InstrumentId(0), side: Side::Buy, price: Ticks(0), found: NIL };
const NO_CHANGING: Changing = Changing { order: 0, found: NIL };

impl Books {
    /// Reads what `coming` will need, so that it is in the cache when the commands are applied. Worth it where hundreds
    /// of thousands of live orders are spread over many levels; where the books lie in the cache, it only costs.
    pub fn warm(&self, coming: &[Coming]) {
        for batch in coming.chunks(BATCH) {
            let (mut joining, mut joins) = ([NO_JOINING; BATCH], 0);
            let (mut changing, mut changes) = ([NO_CHANGING; BATCH], 0);
            // Told apart once: a processor cannot foretell which kind comes next, and each round would stumble over it.
            for command in batch {
                match *command {
                    Coming::Add { order, instrument, side, price } => {
                        if let Some(place) = joining.get_mut(joins) {
                            *place = Joining { order, instrument, side, price, found: NIL };
                            joins += 1;
                        }
                    }
                    Coming::Touch { order } => {
                        if let Some(place) = changing.get_mut(changes) {
                            *place = Changing { order, found: NIL };
                            changes += 1;
                        }
                    }
                }
            }
            let (joining, changing) = (joining.get_mut(..joins), changing.get_mut(..changes));
            if let (Some(joining), Some(changing)) = (joining, changing) {
                self.warm_both(joining, changing);
            }
        }
    }

    /// Each round reads at most what the round before has found, so that no read waits for another of its round.
    #[inline]
    fn warm_both(&self, joining: &mut [Joining], changing: &mut [Changing]) {
        let mut read = 0_u64;
        for order in &*changing {
            read ^= u64::from(self.index.touch(hash_of(order.order, 0)));
        }
        for order in &*joining {
            read ^= u64::from(self.index.touch(hash_of(order.order, 0)));
            read ^= self.ladder(order.instrument, order.side).map_or(0, Ladder::touch);
        }
        for order in &mut *changing {
            order.found = self.index.peek(hash_of(order.order, 0)).unwrap_or(NIL);
            read ^= self.orders.get(order.found).map_or(0, |node| node.order);
        }
        for order in &mut *joining {
            let ladder = self.ladder(order.instrument, order.side);
            order.found = ladder.map_or(NIL, |ladder| ladder.chunk_of(key_of(order.side, order.price)));
            read ^= self.pool.touch(order.found);
        }
        for order in &mut *changing {
            read ^= self.touch_neighbours(order);
        }
        for order in &mut *joining {
            order.found = self.pool.value_in(order.found, key_of(order.side, order.price)).unwrap_or(NIL);
            read ^= self.levels.get(order.found).map_or(0, |level| u64::from(level.orders));
        }
        for order in &mut *changing {
            read ^= self.touch_ladder(order);
        }
        for order in &*joining {
            let last = self.levels.get(order.found).map_or(NIL, |level| level.tail);
            read ^= self.orders.get(last).map_or(0, |node| node.order);
        }
        for order in &*changing {
            read ^= self.touch_chunk(order);
        }
        // The reads count for nothing but must be made.
        black_box(read);
    }

    /// The order's neighbours and its level.
    #[inline]
    fn touch_neighbours(&self, order: &mut Changing) -> u64 {
        let Some(node) = self.orders.get(order.found) else { return 0 };
        let (before, after) = (self.orders.get(node.prev), self.orders.get(node.next));
        order.found = node.level;
        let level = self.levels.get(node.level).map_or(0, |level| u64::from(level.orders));
        before.map_or(0, |node| node.order) ^ after.map_or(0, |node| node.order) ^ level
    }

    /// The ladder of a level that may leave.
    #[inline]
    fn touch_ladder(&self, order: &mut Changing) -> u64 {
        match self.levels.get(order.found) {
            Some(level) if level.orders == 1 => {
                self.ladder(level.instrument, level.side).map_or(0, Ladder::touch)
            }
            _ => {
                order.found = NIL;
                0
            }
        }
    }

    /// The chunk of a level that may leave.
    #[inline]
    fn touch_chunk(&self, order: &Changing) -> u64 {
        let Some(LevelNode { price, instrument, side, .. }) = self.levels.get(order.found) else { return 0 };
        let ladder = self.ladder(*instrument, *side);
        self.pool.touch(ladder.map_or(NIL, |ladder| ladder.chunk_of(key_of(*side, *price))))
    }

    #[inline]
    fn ladder(&self, i: InstrumentId, side: Side) -> Option<&Ladder<u32>> {
        self.ladders.get(i.index()).map(|ladders| ladders.side(side))
    }
}
