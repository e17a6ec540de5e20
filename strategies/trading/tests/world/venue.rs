//! A venue that accepts, replaces, cancels, executes and rejects.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use crate::trading::tests::records::{record, venue_executed};

use super::{Request, Resting, World};

impl World {
    pub(super) fn venue_takes(&mut self) {
        match self.inbox.pop_front() {
            Some(Request::Place(order)) => self.venue_places(&order),
            Some(Request::Replace(order)) => self.venue_replaces(&order),
            Some(Request::Cancel(client)) => {
                let Some(at) = self.resting.iter().position(|order| order.client == client) else { return };
                if self.random.one_in(10) {
                    let answer = if self.random.one_in(2) { b'I' } else { b'P' };
                    let event_ns = EventNanos(self.now.0);
                    self.outbox.push_back(record(&VenueCancelHeld {
                        event_ns,
                        client,
                        answer,
                        spare: [0; 15],
                    }));
                    if answer == b'I' {
                        return;
                    }
                }
                let gone = self.resting.remove(at);
                self.say_canceled(gone.client, gone.open);
            }
            None => {}
        }
    }

    pub(super) fn say_canceled(&mut self, client: u64, qty: u32) {
        let event_ns = EventNanos(self.now.0 + self.next_order as i64);
        self.outbox.push_back(record(&VenueCanceled { event_ns, client, qty, reason: b'U', spare: [0; 11] }));
    }

    pub(super) fn venue_places(&mut self, order: &PlaceOrder) {
        self.seen = self.seen.max(order.client);
        if self.venue_rejects(order.client) {
            return;
        }
        self.resting.push(Resting {
            client: order.client,
            instrument: order.instrument,
            side: order.side.side().expect("side"),
            price: order.price,
            open: order.qty,
            executed: 0,
        });
        self.outbox.push_back(record(&VenueAccepted {
            event_ns: EventNanos(self.now.0),
            client: order.client,
            venue_order: 1 << 32 | order.client,
            price: order.price,
            qty: order.qty,
            instrument: order.instrument,
            side: order.side,
            live: Liveness::LIVE,
        }));
    }

    pub(super) fn venue_replaces(&mut self, order: &ReplaceOrder) {
        self.seen = self.seen.max(order.client);
        let Some(at) = self.resting.iter().position(|resting| resting.client == order.prior) else { return };
        if self.venue_rejects(order.client) {
            return;
        }
        let prior = self.resting.remove(at);
        let open = order.qty.saturating_sub(prior.executed);
        if open > 0 {
            self.resting.push(Resting { client: order.client, price: order.price, open, ..prior });
        }
        self.outbox.push_back(record(&VenueReplaced {
            event_ns: EventNanos(self.now.0),
            client: order.client,
            prior: order.prior,
            venue_order: 1 << 32 | order.client,
            price: order.price,
            qty: open,
            instrument: order.instrument,
            side: order.side,
            live: if open > 0 { Liveness::LIVE } else { Liveness::DEAD },
        }));
    }

    pub(super) fn venue_rejects(&mut self, client: u64) -> bool {
        let rejects = self.random.one_in(25);
        if rejects {
            self.counts.venue_rejects += 1;
            let event_ns = EventNanos(self.now.0);
            self.outbox.push_back(record(&VenueRejected { event_ns, client, reason: 5, spare: [0; 14] }));
        }
        rejects
    }

    pub(super) fn venue_fills(&mut self) {
        if self.resting.is_empty() {
            return;
        }
        let at = self.random.below(self.resting.len() as u64) as usize;
        let whole = self.random.one_in(2);
        let part = 1 + self.random.below(u64::from(self.resting[at].open)) as u32;
        let order = &mut self.resting[at];
        let qty = if whole { order.open } else { part };
        order.open -= qty;
        order.executed += qty;
        let order = *order;
        self.counts.partial_fills += u64::from(order.open > 0);
        self.venue_position[order.instrument.index()] += i64::from(qty) * order.side.sign();
        self.matches += 1;
        let fill = record(&venue_executed(order.client, self.matches, order.price, qty));
        if self.random.one_in(20) {
            self.outbox.push_back(fill.clone());
        }
        self.outbox.push_back(fill);
        if order.open == 0 {
            self.resting.remove(at);
        }
    }
}
