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
const BATCH: usize = 16;

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

/// What a command was found to need so far.
#[derive(Clone, Copy)]
struct Need {
    slot: u32,
    level: u32,
}

impl Books {
    /// Reads what `coming` will need, so that it is in the cache when the commands are applied. Worth it where hundreds
    /// of thousands of live orders are spread over many levels; where the books lie in the cache, it only costs.
    pub fn warm(&self, coming: &[Coming]) {
        for batch in coming.chunks(BATCH) {
            let mut needs = [Need { slot: NIL, level: NIL }; BATCH];
            for (need, command) in needs.iter_mut().zip(batch) {
                need.slot = self.warm_index(command);
            }
            for (need, command) in needs.iter_mut().zip(batch) {
                need.level = self.warm_order(need.slot, command);
            }
            for (need, command) in needs.iter().zip(batch) {
                black_box(self.warm_level(need.level, command));
            }
        }
    }

    /// The slot that the index has for the command's order, unchecked; for new orders, the ladder's line too.
    #[inline]
    fn warm_index(&self, command: &Coming) -> u32 {
        match *command {
            Coming::Touch { order } => self.index.peek(hash_of(order, 0)).unwrap_or(NIL),
            Coming::Add { order, instrument, side, price } => {
                let line = self.index.peek(hash_of(order, 0)).unwrap_or(NIL);
                let chunk = self.ladder(instrument, side).map(|ladder| ladder.chunk_of(key_of(side, price)));
                black_box(line);
                chunk.unwrap_or(NIL)
            }
        }
    }

    /// The level of the order; for new orders, the level that they will join, where it is there.
    #[inline]
    fn warm_order(&self, slot: u32, command: &Coming) -> u32 {
        match *command {
            Coming::Touch { .. } => {
                let Some(node) = self.orders.get(slot) else { return NIL };
                let (before, after) = (self.orders.get(node.prev), self.orders.get(node.next));
                black_box((before.map(|node| node.next), after.map(|node| node.prev)));
                node.level
            }
            Coming::Add { side, price, .. } => self.pool.value_in(slot, key_of(side, price)).unwrap_or(NIL),
        }
    }

    /// The level, and what lies behind it: its last order for new orders; its ladder where its last order may leave.
    #[inline]
    fn warm_level(&self, level: u32, command: &Coming) -> u64 {
        let Some(LevelNode { price, tail, orders, instrument, side, .. }) = self.levels.get(level) else {
            return 0;
        };
        match command {
            Coming::Add { .. } => self.orders.get(*tail).map_or(0, |node| u64::from(node.next)),
            Coming::Touch { .. } if *orders == 1 => {
                let chunk =
                    self.ladder(*instrument, *side).map(|ladder| ladder.chunk_of(key_of(*side, *price)));
                u64::from(chunk.and_then(|chunk| self.pool.value_in(chunk, price.0)).unwrap_or(NIL))
            }
            Coming::Touch { .. } => 0,
        }
    }

    #[inline]
    fn ladder(&self, i: InstrumentId, side: Side) -> Option<&Ladder<u32>> {
        self.ladders.get(i.index()).map(|ladders| ladders.side(side))
    }
}
