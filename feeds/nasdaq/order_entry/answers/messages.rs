//! What each message of the venue becomes in records.

use pricewright_core::kernel::table::{
    VenueAccepted, VenueBroken, VenueCancelHeld, VenueCanceled, VenueDay, VenueExecuted, VenueRejected,
    VenueReplaced, VenueRestated,
};
use pricewright_core::kernel::{Liveness, RecordSink, RejectReason, SideCode, Ticks};

use super::{Answers, Instrument, NO_INSTRUMENT, liquidity_of, side_of};
use crate::nasdaq::order_entry::orders::LiveOrder;
use crate::nasdaq::order_entry::unread::{Message, Unread};
use crate::nasdaq::ouch::{self, Appendage, tag};

/// `VenueRestated::qty` where the venue did not say it.
const QTY_UNKNOWN: u32 = u32::MAX;

impl Answers {
    pub(super) fn system_event<S: RecordSink>(&mut self, body: &ouch::SystemEvent, sink: &mut S) -> u32 {
        let event_ns = self.event_ns(body.timestamp.get());
        self.put(&VenueDay { event_ns, code: body.event_code, spare: [0; 7] }, sink);
        0
    }

    pub(super) fn accepted<S: RecordSink>(
        &mut self,
        body: &ouch::OrderAccepted,
        at: Message<'_>,
        sink: &mut S,
    ) -> u32 {
        let (client, open) = (body.user_ref_num.get(), body.quantity.get());
        let live = self.liveness(body.order_state, at, sink);
        let side = side_of(body.side);
        let instrument = self.by_symbol(body.symbol, at, sink);
        if let Some(grid) = &instrument {
            let accepted = VenueAccepted {
                event_ns: self.event_ns(body.timestamp.get()),
                client: u64::from(client),
                venue_order: body.order_reference.get(),
                price: self.ticks(grid, body.price.get(), at, sink),
                qty: open,
                instrument: grid.id,
                side,
                live,
            };
            self.put(&accepted, sink);
        }
        self.settle(entered(client, instrument, side, open), live);
        client
    }

    pub(super) fn replaced<S: RecordSink>(
        &mut self,
        body: &ouch::OrderReplaced,
        at: Message<'_>,
        sink: &mut S,
    ) -> u32 {
        let (client, open) = (body.user_ref_num.get(), body.quantity.get());
        self.orders.remove(body.original.get());
        let live = self.liveness(body.order_state, at, sink);
        let side = side_of(body.side);
        let instrument = self.by_symbol(body.symbol, at, sink);
        if let Some(grid) = &instrument {
            let replaced = VenueReplaced {
                event_ns: self.event_ns(body.timestamp.get()),
                client: u64::from(client),
                prior: u64::from(body.original.get()),
                venue_order: body.order_reference.get(),
                price: self.ticks(grid, body.price.get(), at, sink),
                qty: open,
                instrument: grid.id,
                side,
                live,
            };
            self.put(&replaced, sink);
        }
        self.settle(entered(client, instrument, side, open), live);
        client
    }

    /// Whether an order rests. A letter that OUCH 5.0 does not have is taken for the worse.
    pub(super) fn liveness<S: RecordSink>(&mut self, letter: u8, at: Message<'_>, sink: &mut S) -> Liveness {
        match letter {
            b'L' => Liveness::LIVE,
            b'D' => Liveness::DEAD,
            _ => {
                let text = "OUCH: an order state that is neither live nor dead, taken for live";
                self.unread(at, Unread::part(RejectReason::OUT_OF_RANGE, text), sink);
                Liveness::LIVE
            }
        }
    }

    pub(super) fn settle(&mut self, order: LiveOrder, live: Liveness) {
        if live == Liveness::LIVE {
            self.counters.untracked += u64::from(!self.orders.set(order));
        } else {
            self.orders.remove(order.client);
        }
    }

    pub(super) fn canceled<S: RecordSink>(
        &mut self,
        nanos: u64,
        client: u32,
        qty: u32,
        reason: u8,
        sink: &mut S,
    ) -> u32 {
        self.orders.reduce(client, qty);
        let event_ns = self.event_ns(nanos);
        self.put(&VenueCanceled { event_ns, client: u64::from(client), qty, reason, spare: [0; 11] }, sink);
        client
    }

    pub(super) fn executed<S: RecordSink>(
        &mut self,
        body: &ouch::OrderExecuted,
        at: Message<'_>,
        sink: &mut S,
    ) -> u32 {
        let client = body.user_ref_num.get();
        let Some(grid) = self.grid_of(client) else {
            let text = "OUCH: an execution of an order that is not known; its price grid is not known either";
            self.unread(at, Unread::all(RejectReason::UNKNOWN_KEY, text), sink);
            return client;
        };
        let price = self.ticks(&grid, body.price.get(), at, sink);
        self.put(
            &VenueExecuted {
                event_ns: self.event_ns(body.timestamp.get()),
                client: u64::from(client),
                match_number: body.match_number.get(),
                price,
                qty: body.quantity.get(),
                liquidity: liquidity_of(body.liquidity),
                spare: [0; 3],
            },
            sink,
        );
        self.orders.reduce(client, body.quantity.get());
        client
    }

    pub(super) fn broken<S: RecordSink>(&mut self, body: &ouch::BrokenTrade, sink: &mut S) -> u32 {
        let client = body.user_ref_num.get();
        let record = VenueBroken {
            event_ns: self.event_ns(body.timestamp.get()),
            client: u64::from(client),
            match_number: body.match_number.get(),
            reason: body.reason,
            spare: [0; 7],
        };
        self.put(&record, sink);
        client
    }

    pub(super) fn rejected<S: RecordSink>(&mut self, body: &ouch::Rejected, sink: &mut S) -> u32 {
        let client = body.user_ref_num.get();
        self.orders.remove(client);
        let record = VenueRejected {
            event_ns: self.event_ns(body.timestamp.get()),
            client: u64::from(client),
            reason: body.reason.get(),
            spare: [0; 14],
        };
        self.put(&record, sink);
        client
    }

    pub(super) fn held<S: RecordSink>(&mut self, nanos: u64, client: u32, answer: u8, sink: &mut S) -> u32 {
        let event_ns = self.event_ns(nanos);
        self.put(&VenueCancelHeld { event_ns, client: u64::from(client), answer, spare: [0; 15] }, sink);
        client
    }

    pub(super) fn priority<S: RecordSink>(
        &mut self,
        body: &ouch::OrderPriorityUpdate,
        at: Message<'_>,
        sink: &mut S,
    ) -> u32 {
        let client = body.user_ref_num.get();
        let price =
            self.grid_of(client).map_or(Ticks(0), |grid| self.ticks(&grid, body.price.get(), at, sink));
        let record = VenueRestated {
            event_ns: self.event_ns(body.timestamp.get()),
            client: u64::from(client),
            venue_order: body.order_reference.get(),
            price,
            qty: QTY_UNKNOWN,
            message: body.message_type,
            reason: 0,
            spare: 0,
        };
        self.put(&record, sink);
        client
    }

    pub(super) fn modified<S: RecordSink>(
        &mut self,
        body: &ouch::OrderModified,
        at: Message<'_>,
        sink: &mut S,
    ) -> u32 {
        let (client, open) = (body.user_ref_num.get(), body.quantity.get());
        if let Some(order) = self.orders.find(client).copied() {
            // The marks of a sale may change (OUCH 5.0, Modify Order), a sale does not become a purchase.
            if side_of(body.side).side() != order.side.side() {
                let text = "OUCH: an order changed to another side than it was sent with";
                self.unread(at, Unread::part(RejectReason::CONTRADICTION, text), sink);
            }
            self.orders.set(LiveOrder { side: side_of(body.side), open, ..order });
        }
        let record = VenueRestated {
            event_ns: self.event_ns(body.timestamp.get()),
            client: u64::from(client),
            venue_order: 0,
            price: Ticks(0),
            qty: open,
            message: body.message_type,
            reason: 0,
            spare: 0,
        };
        self.put(&record, sink);
        client
    }

    /// A restatement tells the displayed part; how much is open in all does not change, so that it stays unsaid.
    pub(super) fn restated<S: RecordSink>(
        &mut self,
        body: &ouch::OrderRestated,
        options: Appendage<'_>,
        at: Message<'_>,
        sink: &mut S,
    ) -> u32 {
        let client = body.user_ref_num.get();
        let price = match (self.grid_of(client), options.number(tag::DISPLAY_PRICE)) {
            (Some(grid), Some(price)) => self.ticks(&grid, price, at, sink),
            _ => Ticks(0),
        };
        let record = VenueRestated {
            event_ns: self.event_ns(body.timestamp.get()),
            client: u64::from(client),
            venue_order: options.number(tag::SECONDARY_ORDER_REFERENCE).unwrap_or(0),
            price,
            qty: QTY_UNKNOWN,
            message: body.message_type,
            reason: body.reason,
            spare: 0,
        };
        self.put(&record, sink);
        client
    }
}

/// An order that the venue has entered. The kill reaches one in an instrument that is not configured too: a cancel needs the
/// number alone.
fn entered(client: u32, instrument: Option<Instrument>, side: SideCode, open: u32) -> LiveOrder {
    let instrument = instrument.map_or(NO_INSTRUMENT, |instrument| instrument.id);
    LiveOrder { client, instrument, side, open, prior: 0 }
}
