//! Who is told what: the matching engine's reports to the market (ITCH), to the owners (OUCH) and to the flow.

use pricewright_core::kernel::{InstrumentId, Lots};
use pricewright_core::market::book::OrderView;
use pricewright_core::market::matching::{
    Accepted, Added, Deleted, Executed, Lapsed, MatchSink, OwnerToken, Prevented, Reduced, Refusal, Rejected,
    RemovalReason, Replaced,
};
use pricewright_feeds::nasdaq::Alpha;
use pricewright_feeds::nasdaq::ouch::{cancel, reject};

use super::{Counters, Request};
use crate::sim::account::{Account, Described};
use crate::sim::flow::Flow;
use crate::sim::publisher::Publisher;

/// The owner of everything that is not a participant's.
pub(super) const BACKGROUND: u32 = 0;

/// Where the reports of one command go.
pub(super) struct Reports<'a> {
    /// `None` where the market is a replayed one: outside orders leave no trace in it.
    pub(super) publisher: Option<&'a mut Publisher>,
    pub(super) accounts: &'a mut [Account],
    pub(super) flow: Option<&'a mut Flow>,
    pub(super) counters: &'a mut Counters,
    /// Nanoseconds since midnight.
    pub(super) stamp: u64,
    /// What is being carried out, where it is a participant's request.
    pub(super) request: Request,
}

/// The index of an owner's account; `None` for the background.
pub(super) fn account_of(owner: u32) -> Option<usize> {
    usize::try_from(owner.checked_sub(1)?).ok()
}

/// The UserRefNum of a participant's order.
fn number(key: OwnerToken) -> u32 {
    u32::try_from(key.token).unwrap_or(u32::MAX)
}

fn letter(reason: RemovalReason) -> u8 {
    match reason {
        RemovalReason::User => cancel::USER,
        RemovalReason::ImmediateOrCancel => cancel::IMMEDIATE,
        RemovalReason::WouldTake => cancel::POST_ONLY,
        RemovalReason::Supervisory => cancel::SUPERVISORY,
        // OUCH gives self-match prevention a message of its own; this exchange lets orders of one account trade.
        RemovalReason::SelfMatch
        | RemovalReason::BadReplacement
        | RemovalReason::Capacity
        | RemovalReason::Disconnect => cancel::SYSTEM,
    }
}

impl Reports<'_> {
    fn account(&mut self, key: OwnerToken) -> Option<&mut Account> {
        let account = self.accounts.get_mut(account_of(key.owner)?)?;
        account.set_stamp(self.stamp);
        Some(account)
    }

    /// Lots of an order left without a trade.
    fn canceled(&mut self, key: OwnerToken, qty: Lots, reason: RemovalReason) {
        if let Some(account) = self.account(key) {
            account.canceled(number(key), qty, letter(reason));
            account.terms.remove(&number(key));
        }
    }

    /// One side of an execution.
    fn filled(&mut self, key: OwnerToken, event: &Executed, liquidity: u8, left: Lots) {
        let Some(account) = self.account(key) else { return };
        account.executed(number(key), event.qty, event.price, liquidity, event.match_number);
        if left == Lots(0) {
            account.terms.remove(&number(key));
        }
        self.counters.outside_fills += 1;
    }

    /// One side of a trade that self-match prevention kept from happening.
    fn decremented(&mut self, key: OwnerToken, event: &Prevented, liquidity: u8, left: Lots) {
        let Some(account) = self.account(key) else { return };
        account.decremented(number(key), event.qty, event.price, liquidity);
        if left == Lots(0) {
            account.terms.remove(&number(key));
        }
    }

    fn flow_of(&mut self, key: OwnerToken) -> Option<&mut Flow> {
        if key.owner == BACKGROUND { self.flow.as_deref_mut() } else { None }
    }

    fn rested(&mut self, key: OwnerToken, order: OrderView) {
        if let Some(flow) = self.flow_of(key) {
            flow.on_rested(OrderView { order: key.token, ..order });
        }
    }
}

impl MatchSink for Reports<'_> {
    fn accepted(&mut self, event: &Accepted) {
        let Request::Enter(terms) = self.request else { return };
        let new = &event.new;
        let order = Described {
            user_ref_num: number(new.key),
            price: new.price,
            qty: new.qty,
            reference: event.order,
            live: event.live,
        };
        if let Some(account) = self.account(new.key) {
            account.accepted(order, &terms);
        }
    }

    fn added(&mut self, event: &Added) {
        let Added { order, key, instrument, side, price, qty } = *event;
        if let Some(publisher) = self.publisher.as_deref_mut() {
            publisher.added(order, instrument, side, price, qty);
        }
        self.rested(key, OrderView { order, instrument, side, price, qty });
    }

    fn executed(&mut self, event: &Executed) {
        if let Some(publisher) = self.publisher.as_deref_mut() {
            publisher.executed(event.order, event.instrument, event.qty, event.match_number);
        }
        self.counters.executions += 1;
        self.filled(event.key, event, b'A', event.left);
        self.filled(event.incoming_key, event, b'R', event.incoming_left);
        if let Some(flow) = self.flow_of(event.key) {
            flow.on_left(event.key.token, event.left);
        }
    }

    fn prevented(&mut self, event: &Prevented) {
        match event.left {
            Lots(0) => self.left_the_book(event.order, event.instrument),
            _ => {
                if let Some(publisher) = self.publisher.as_deref_mut() {
                    publisher.reduced(event.order, event.instrument, event.qty);
                }
            }
        }
        self.decremented(event.key, event, b'A', event.left);
        self.decremented(event.incoming_key, event, b'R', event.incoming_left);
        if let Some(flow) = self.flow_of(event.key) {
            flow.on_left(event.key.token, event.left);
        }
    }

    fn reduced(&mut self, event: &Reduced) {
        let Reduced { order, key, instrument, qty, left } = *event;
        if let Some(publisher) = self.publisher.as_deref_mut() {
            publisher.reduced(order, instrument, qty);
        }
        let request = self.request;
        if let Some(account) = self.account(key) {
            match request {
                Request::Modify { side } => account.modified(number(key), side, left),
                _ => account.canceled(number(key), qty, cancel::USER),
            }
        }
        if let Some(flow) = self.flow_of(key) {
            flow.on_left(key.token, left);
        }
    }

    fn deleted(&mut self, event: &Deleted) {
        self.left_the_book(event.order, event.instrument);
        self.canceled(event.key, event.qty, event.reason);
        if let Some(flow) = self.flow_of(event.key) {
            flow.on_gone(event.key.token);
        }
    }

    fn lapsed(&mut self, event: &Lapsed) {
        self.canceled(event.key, event.qty, event.reason);
    }

    fn replaced(&mut self, event: &Replaced) {
        let new = &event.new;
        let Replaced { old_order, order, .. } = *event;
        if event.displayed {
            if let Some(publisher) = self.publisher.as_deref_mut() {
                publisher.replaced(old_order, order, new.instrument, new.price, new.qty);
            }
        } else {
            self.left_the_book(old_order, new.instrument);
        }
        let old_key = OwnerToken { owner: new.key.owner, token: event.old_token };
        if let Request::Replace(terms) = self.request {
            let described = Described {
                user_ref_num: number(new.key),
                price: new.price,
                qty: new.qty,
                reference: order,
                live: event.live,
            };
            if let Some(account) = self.account(new.key) {
                account.replaced(number(old_key), described, &terms);
            }
        }
        if let Some(flow) = self.flow_of(old_key) {
            flow.on_gone(old_key.token);
        }
        if event.displayed {
            let (instrument, side, price, qty) = (new.instrument, new.side, new.price, new.qty);
            self.rested(new.key, OrderView { order, instrument, side, price, qty });
        }
    }

    fn rejected(&mut self, event: &Rejected) {
        let client_order = match self.request {
            Request::Enter(terms) | Request::Replace(terms) => terms.client_order,
            _ => Alpha::BLANK,
        };
        let reason = match event.reason {
            // OUCH answers these with silence.
            Refusal::UnknownOrder | Refusal::DuplicateToken | Refusal::NothingToCancel => return,
            Refusal::UnknownInstrument => reject::INVALID_SYMBOL,
            Refusal::BadQuantity => reject::INVALID_QUANTITY,
            Refusal::BadTimeInForce | Refusal::WouldTake => reject::OTHER,
        };
        if let Some(account) = self.account(event.key) {
            account.rejected(number(event.key), reason, client_order);
        }
    }
}

impl Reports<'_> {
    fn left_the_book(&mut self, order: u64, instrument: InstrumentId) {
        if let Some(publisher) = self.publisher.as_deref_mut() {
            publisher.deleted(order, instrument);
        }
    }
}
