//! What a venue's drop copy says of our orders, kept beside what the order session said.

use serde::{Deserialize, Serialize};

use super::fills::BookedFill;
use super::{OrderTable, OwnOrder};
use crate::kernel::Liveness;
use crate::kernel::table::DropCopyOrder;

/// An order as the drop copy has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// The drop copy spoke of it.
    pub seen: bool,
    /// Lots that may still be executed, as far as it said.
    pub open: u32,
    /// It rested, or took the place of the order that it replaces; false where it was refused.
    pub took: bool,
}

/// What our own log knows of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booked {
    /// It was booked, and broken since where the second says so.
    Fill(BookedFill, bool),
    /// It was not booked.
    No,
    /// Its order is forgotten and the log has forgotten fills: nobody here can say.
    Forgotten,
}

impl OwnOrder {
    /// True where the drop copy says that nothing of it can be executed any more.
    pub fn is_copied_dead(&self) -> bool {
        self.copied.seen && self.copied.open == 0
    }
}

impl OrderTable {
    /// The drop copy says what became of an order.
    pub fn copied(&mut self, copy: &DropCopyOrder) {
        let open = if copy.live == Liveness::LIVE { copy.qty } else { 0 };
        match copy.message {
            b'C' | b'D' => self.copied_less(copy.client, copy.qty),
            b'J' => self.set_copied(copy.client, |_| Copied { seen: true, open: 0, took: false }),
            _ => self.set_copied(copy.client, |_| Copied { seen: true, open, took: true }),
        }
        if copy.prior != 0 {
            self.set_copied(copy.prior, |copied| Copied { seen: true, open: 0, ..copied });
        }
    }

    /// The drop copy says that lots of an order were executed, or cancelled.
    pub fn copied_less(&mut self, client: u64, qty: u32) {
        self.set_copied(client, |copied| Copied {
            open: copied.open.saturating_sub(qty),
            took: true,
            ..copied
        });
    }

    fn set_copied(&mut self, client: u64, change: impl FnOnce(Copied) -> Copied) {
        if let Some(order) = self.slot_of(client).and_then(|slot| self.slots.get_mut(slot)) {
            order.copied = change(order.copied);
        }
    }

    /// Replacements in doubt of which the drop copy says that they took their orders' places did so.
    pub fn take_copied_places(&mut self) {
        for slot in 0..self.slots.len() {
            let Some(order) = self.slots.get(slot).copied().filter(OwnOrder::is_alive) else { continue };
            if order.doubt && order.prior != 0 && order.copied.took {
                self.take_place(slot);
            }
        }
    }

    /// What is known of an execution. O(fills of the order), or O(log) where that is forgotten.
    pub fn booked(&self, client: u64, match_number: u64) -> Booked {
        let number = match self.get(client) {
            Some(order) => self.fills.find(order.last_fill, order.client, match_number),
            None => self.fills.of(client, match_number),
        };
        match number.and_then(|number| self.fills.entry(number)) {
            Some((fill, broken)) => Booked::Fill(fill, broken),
            None if self.get(client).is_none() && self.fills.has_forgotten() => Booked::Forgotten,
            None => Booked::No,
        }
    }
}
