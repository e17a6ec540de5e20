//! The ring between two threads: one producer, one consumer, whole records of 1 to 16 cells.
//!
//! A record is published with one release store after all of its cells are written, so that a consumer sees all of a
//! record or nothing of it. A full ring hands the record back ([`Full`]) and counts that; what to do then (wait, or
//! count a gap) is the caller's configuration. Nothing allocates after [`ring`] returns, and every page of the ring has
//! been touched by then.
//!
//! The queue underneath is `rtrb`; this module adds the framing.

mod consumer;
mod producer;
#[cfg(test)]
mod tests;

use pricewright_core::kernel::{Cell, MAX_CELLS};

pub use consumer::Consumer;
pub use producer::Producer;

#[cfg(doc)]
use pricewright_core::kernel::Full;

/// The fewest cells a ring has: one record of the largest size always fits an empty ring.
pub const MIN_CAPACITY: usize = MAX_CELLS;

/// Both ends of a new ring of `cells` cells; fewer than [`MIN_CAPACITY`] are raised to it.
pub fn ring(cells: usize) -> (Producer, Consumer) {
    let (mut producer, mut consumer) = rtrb::RingBuffer::new(cells.max(MIN_CAPACITY));
    touch(&mut producer, &mut consumer);
    (Producer::new(producer), Consumer::new(consumer))
}

/// Writes each cell once, so that the first lap takes no page faults.
fn touch(producer: &mut rtrb::Producer<Cell>, consumer: &mut rtrb::Consumer<Cell>) {
    while producer.push(Cell::ZERO).is_ok() {}
    if let Ok(chunk) = consumer.read_chunk(consumer.slots()) {
        chunk.commit_all();
    }
}
