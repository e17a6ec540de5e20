//! What the desk need not work out again, because nothing that it rests on has changed.
//!
//! Most updates of a book lie behind its best prices, and most looks at an unchanged market find the quotes where they
//! should be. So the desk keeps, for each instrument, the best prices of others until an update at or before them or a
//! change of an own order, and the inputs of the last plan that asked for nothing. Both only save work: a desk that is
//! restored from a snapshot has forgotten them and decides the same. They are therefore no state, and not in the snapshot.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use pricewright_core::kernel::{InstrumentId, Nanos, Side, Ticks};
use pricewright_core::market::book::{Bbo, Touched};

use super::strategy::Inputs;

/// What is kept for all instruments.
#[derive(Clone, Debug)]
pub(super) struct Memo {
    instruments: Vec<Kept>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    /// The best of others, and how often own orders had changed then.
    others: Option<(u64, Bbo)>,
    /// The book shows no own order that left lately. Holds until one more leaves, or the book gets one with such a number.
    gone_absent: bool,
    /// A plan that asked for nothing: what it rested on, and until when it holds.
    idle: Option<(Inputs, Nanos)>,
}

impl Memo {
    pub(super) fn new(instruments: usize) -> Self {
        Self { instruments: vec![Kept::default(); instruments] }
    }

    /// The best of others, where it is known. `changes` is [`OrderTable::changes`].
    ///
    /// [`OrderTable::changes`]: pricewright_core::market::order::OrderTable::changes
    #[inline]
    pub(super) fn others(&self, id: InstrumentId, changes: u64) -> Option<Bbo> {
        let (then, bbo) = self.instruments.get(id.index())?.others?;
        (then == changes).then_some(bbo)
    }

    #[inline]
    pub(super) fn keep_others(&mut self, id: InstrumentId, changes: u64, bbo: Bbo) {
        if let Some(kept) = self.instruments.get_mut(id.index()) {
            kept.others = Some((changes, bbo));
        }
    }

    /// Whether the book is known to show no own order that left lately.
    #[inline]
    pub(super) fn gone_absent(&self, id: InstrumentId) -> bool {
        self.instruments.get(id.index()).is_some_and(|kept| kept.gone_absent)
    }

    #[inline]
    pub(super) fn keep_gone_absent(&mut self, id: InstrumentId, absent: bool) {
        if let Some(kept) = self.instruments.get_mut(id.index()) {
            kept.gone_absent = absent;
        }
    }

    /// The level at a price changed.
    #[inline]
    pub(super) fn level_changed(&mut self, id: InstrumentId, side: Side, price: Ticks) {
        let Some(kept) = self.instruments.get_mut(id.index()) else { return };
        let best = kept.others.and_then(|(_, bbo)| match side {
            Side::Buy => bbo.bid,
            Side::Sell => bbo.ask,
        });
        let behind = best.is_some_and(|best| match side {
            Side::Buy => price < best.price,
            Side::Sell => price > best.price,
        });
        if !behind {
            kept.others = None;
        }
    }

    /// An order changed.
    #[inline]
    pub(super) fn order_changed(&mut self, touched: &Touched) {
        self.level_changed(touched.instrument, touched.side, touched.price);
    }

    /// What is known of the book, or of our orders in it, is no longer so.
    pub(super) fn forget_others(&mut self, id: InstrumentId) {
        if let Some(kept) = self.instruments.get_mut(id.index()) {
            kept.others = None;
            kept.gone_absent = false;
        }
    }

    /// Until when a plan with these inputs asks for nothing; `None` where that is not known.
    #[inline]
    pub(super) fn idle(&self, id: InstrumentId, inputs: &Inputs) -> Option<Nanos> {
        let (then, until) = self.instruments.get(id.index())?.idle.as_ref()?;
        (then == inputs).then_some(*until)
    }

    /// The plan with these inputs asked for nothing, and holds until then; or it did ask.
    #[inline]
    pub(super) fn keep_idle(&mut self, id: InstrumentId, idle: Option<(Inputs, Nanos)>) {
        if let Some(kept) = self.instruments.get_mut(id.index()) {
            kept.idle = idle;
        }
    }
}
