//! What a machine may do: emit decisions and ask for timers.

use super::record::{Cell, Class, Record, RecordRef, records_in, write_record};
use super::timers::TimerQueue;
use super::units::{Nanos, SourceId};

/// Cells of decisions one event may cause.
pub const OUTBOX_CELLS: usize = 2048;

/// The decisions of the event at hand, unstamped, and the machine's timers.
#[derive(Clone, Debug)]
pub struct Outbox {
    cells: Box<[Cell]>,
    used: usize,
    count: usize,
    timers: TimerQueue,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            cells: vec![Cell::ZERO; OUTBOX_CELLS].into_boxed_slice(),
            used: 0,
            count: 0,
            timers: TimerQueue::default(),
        }
    }
}

impl Outbox {
    /// Emits a decision of strategy `source`.
    ///
    /// # Panics
    /// Where `R` is not a decision, or one event caused more than [`OUTBOX_CELLS`] cells of them: both are bugs of the
    /// machine, and a decision is never dropped.
    #[inline]
    pub fn emit<R: Record>(&mut self, source: SourceId, decision: &R) {
        const { assert!(matches!(R::CLASS, Class::Decision), "only decisions go through the outbox") };
        let free = self.cells.get_mut(self.used..).unwrap_or(&mut []);
        match write_record(free, decision, source, 0) {
            Some(cells) => {
                self.used += cells;
                self.count += 1;
            }
            None => outbox_full(),
        }
    }

    /// Asks for a timer event `key` at `deadline`; an armed timer with this key is replaced.
    #[inline]
    pub fn arm(&mut self, key: u32, deadline: Nanos) {
        self.timers.arm(key, deadline);
    }

    /// Forgets the timer `key`. Returns whether it was armed.
    #[inline]
    pub fn disarm(&mut self, key: u32) -> bool {
        self.timers.disarm(key)
    }

    /// How many decisions the event at hand has caused so far.
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The decisions so far, in order.
    pub fn decisions(&self) -> impl Iterator<Item = RecordRef<'_>> {
        records_in(self.cells())
    }

    /// The cells of the decisions so far, end to end.
    pub fn cells(&self) -> &[Cell] {
        self.cells.get(..self.used).unwrap_or(&[])
    }

    /// The timers asked for.
    pub fn timers(&self) -> &TimerQueue {
        &self.timers
    }

    pub(super) fn timers_mut(&mut self) -> &mut TimerQueue {
        &mut self.timers
    }

    pub(super) fn begin(&mut self) {
        self.used = 0;
        self.count = 0;
    }
}

#[cold]
#[inline(never)]
#[allow(clippy::panic)] // A broken invariant: the stage loop catches it and seals the journal.
fn outbox_full() -> ! {
    panic!("one event caused more than {OUTBOX_CELLS} cells of decisions")
}
