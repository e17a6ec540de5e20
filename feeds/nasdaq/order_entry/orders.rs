//! The gateway's own table of orders that are live or on their way.

use pricewright_core::kernel::{InstrumentId, SideCode};

/// An order that is live or on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveOrder {
    /// Its number.
    pub client: u32,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// Its side.
    pub side: SideCode,
    /// Shares open.
    pub open: u32,
    /// The order that it is to replace while the venue has not said so; 0 for all others. Where that order leaves first,
    /// the venue passes over the replacement in silence.
    pub prior: u32,
}

/// A bounded table by rising number. New numbers rise, so that adding is O(1); removing moves what lies behind.
#[derive(Clone, Debug)]
pub(super) struct LiveOrders {
    orders: Vec<LiveOrder>,
    capacity: usize,
}

impl LiveOrders {
    pub(super) fn new(capacity: usize, live: &[LiveOrder]) -> Self {
        let capacity = capacity.max(live.len());
        let mut table = Self { orders: Vec::with_capacity(capacity), capacity };
        live.iter().for_each(|order| {
            table.set(*order);
        });
        table
    }

    pub(super) fn as_slice(&self) -> &[LiveOrder] {
        &self.orders
    }

    pub(super) fn is_full(&self) -> bool {
        self.orders.len() >= self.capacity
    }

    pub(super) fn find(&self, client: u32) -> Option<&LiveOrder> {
        let index = self.orders.binary_search_by_key(&client, |order| order.client).ok()?;
        self.orders.get(index)
    }

    /// Adds or overwrites an order; false where it is one more than memory is reserved for. It is kept nevertheless: an order
    /// that is not in the table could not be cancelled.
    pub(super) fn set(&mut self, order: LiveOrder) -> bool {
        match self.orders.binary_search_by_key(&order.client, |known| known.client) {
            Ok(index) => {
                if let Some(known) = self.orders.get_mut(index) {
                    *known = order;
                }
            }
            Err(index) => {
                let reserved = !self.is_full();
                self.orders.insert(index, order);
                return reserved;
            }
        }
        true
    }

    /// Takes an order out, and with it the replacements that were on their way for it.
    pub(super) fn remove(&mut self, client: u32) {
        let mut gone = client;
        loop {
            if let Ok(index) = self.orders.binary_search_by_key(&gone, |order| order.client) {
                self.orders.remove(index);
            }
            // A replacement of a replacement goes too, so the one taken out last is looked for first.
            let follower = |prior: u32| self.orders.iter().find(|order| order.prior == prior);
            match follower(gone).or_else(|| follower(client)) {
                Some(replacement) => gone = replacement.client,
                None => break,
            }
        }
    }

    /// Takes out every order from this number on: the venue has never seen them.
    pub(super) fn forget_from(&mut self, client: u64) {
        self.orders.retain(|order| u64::from(order.client) < client);
    }

    /// Takes shares off an order; it leaves the table with its last one.
    pub(super) fn reduce(&mut self, client: u32, shares: u32) {
        let Ok(index) = self.orders.binary_search_by_key(&client, |order| order.client) else { return };
        let Some(order) = self.orders.get_mut(index) else { return };
        order.open = order.open.saturating_sub(shares);
        if order.open == 0 {
            self.remove(client);
        }
    }
}
