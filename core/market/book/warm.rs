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

/// What a command was found to need next: a slot or a chunk, as the round that found it says.
type Need = u32;

impl Books {
    /// Reads what `coming` will need, so that it is in the cache when the commands are applied. Worth it where hundreds
    /// of thousands of live orders are spread over many levels; where the books lie in the cache, it only costs.
    pub fn warm(&self, coming: &[Coming]) {
        for batch in coming.chunks(BATCH) {
            // Each round reads at most what the round before has found, so that no read waits for another of its round.
            let mut needs = [NIL; BATCH];
            self.round(batch, &mut needs, Self::touch_entry);
            self.round(batch, &mut needs, Self::find_entry);
            self.round(batch, &mut needs, Self::touch_nodes);
            self.round(batch, &mut needs, Self::touch_level);
            self.round(batch, &mut needs, Self::touch_last);
        }
    }

    #[inline]
    fn round(
        &self,
        batch: &[Coming],
        needs: &mut [Need; BATCH],
        step: impl Fn(&Self, &Coming, Need) -> (Need, u64),
    ) {
        let mut read = 0_u64;
        for (need, command) in needs.iter_mut().zip(batch) {
            let (next, value) = step(self, command, *need);
            *need = next;
            read ^= value;
        }
        // The reads count for nothing but must be made.
        black_box(read);
    }

    /// The line of the index; for new orders, also the ladder's.
    #[inline]
    fn touch_entry(&self, command: &Coming, _: Need) -> (Need, u64) {
        let entry = u64::from(self.index.touch(hash_of(command.order(), 0)));
        let ladder = match *command {
            Coming::Add { instrument, side, .. } => self.ladder(instrument, side).map_or(0, Ladder::touch),
            Coming::Touch { .. } => 0,
        };
        (NIL, entry ^ ladder)
    }

    /// The order's node by the slot that the index has for it, unchecked; for new orders, the lines of their chunk.
    #[inline]
    fn find_entry(&self, command: &Coming, _: Need) -> (Need, u64) {
        match *command {
            Coming::Touch { order } => {
                let slot = self.index.peek(hash_of(order, 0)).unwrap_or(NIL);
                (slot, self.orders.get(slot).map_or(0, |node| node.order))
            }
            Coming::Add { instrument, side, price, .. } => {
                let chunk = self.ladder(instrument, side).map(|ladder| ladder.chunk_of(key_of(side, price)));
                let chunk = chunk.unwrap_or(NIL);
                (chunk, self.pool.touch(chunk))
            }
        }
    }

    /// The level, and the order's neighbours; for new orders, the level that they will join, where it is there.
    #[inline]
    fn touch_nodes(&self, command: &Coming, need: Need) -> (Need, u64) {
        let (level, neighbours) = match *command {
            Coming::Touch { .. } => {
                let Some(node) = self.orders.get(need) else { return (NIL, 0) };
                let (before, after) = (self.orders.get(node.prev), self.orders.get(node.next));
                let read = before.map_or(0, |node| node.order) ^ after.map_or(0, |node| node.order);
                (node.level, read)
            }
            Coming::Add { side, price, .. } => {
                (self.pool.value_in(need, key_of(side, price)).unwrap_or(NIL), 0)
            }
        };
        let read = self.levels.get(level).map_or(0, |level| u64::from(level.orders));
        (level, neighbours ^ read)
    }

    /// What lies behind the level: its last order for new orders; its ladder where its last order may leave.
    #[inline]
    fn touch_level(&self, command: &Coming, need: Need) -> (Need, u64) {
        let Some(level) = self.levels.get(need) else { return (NIL, 0) };
        let read = match command {
            Coming::Add { .. } => self.orders.get(level.tail).map_or(0, |node| node.order),
            Coming::Touch { .. } if level.orders == 1 => {
                let read = self.ladder(level.instrument, level.side).map_or(0, Ladder::touch);
                return (need, read);
            }
            Coming::Touch { .. } => 0,
        };
        (NIL, read)
    }

    /// The chunk of a level that may leave.
    #[inline]
    fn touch_last(&self, _: &Coming, need: Need) -> (Need, u64) {
        let Some(LevelNode { price, instrument, side, .. }) = self.levels.get(need) else {
            return (NIL, 0);
        };
        let chunk = self.ladder(*instrument, *side).map(|ladder| ladder.chunk_of(key_of(*side, *price)));
        (NIL, self.pool.touch(chunk.unwrap_or(NIL)))
    }

    #[inline]
    fn ladder(&self, i: InstrumentId, side: Side) -> Option<&Ladder<u32>> {
        self.ladders.get(i.index()).map(|ladders| ladders.side(side))
    }
}

impl Coming {
    #[inline]
    fn order(&self) -> u64 {
        match *self {
            Self::Add { order, .. } | Self::Touch { order } => order,
        }
    }
}
