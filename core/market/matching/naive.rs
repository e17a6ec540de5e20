//! The twin of [`super::MatchingEngine`]: a list of live orders, searched from end to end. Written from the rules alone
//! and sharing no code with the engine but the vocabulary, so that it can judge it.

use super::events::{
    Accepted, Added, Chain, Deleted, Executed, Lapsed, MatchSink, NewOrder, OpenOrder, OwnerToken, Prevented,
    Reduced, Refusal, Rejected, RemovalReason, Replaced, Replacement, SelfMatch,
};
use crate::kernel::{Lots, Side, TimeInForce};

/// The engine, plainly.
#[derive(Clone, Debug)]
pub struct NaiveEngine {
    instruments: usize,
    self_match: SelfMatch,
    /// Live orders. Numbers rise with time, so the lower number came first.
    live: Vec<OpenOrder>,
    last_order: u64,
    last_match: u64,
}

impl NaiveEngine {
    /// Empty books of the instruments 0 to `instruments - 1`.
    pub fn new(instruments: usize, self_match: SelfMatch) -> Self {
        Self { instruments, self_match, live: Vec::new(), last_order: 0, last_match: 0 }
    }

    /// As [`super::MatchingEngine::enter`].
    pub fn enter<S: MatchSink>(&mut self, new: &NewOrder, sink: &mut S) {
        if let Some(reason) = self.objection(new) {
            return sink.rejected(&Rejected { key: new.key, reason });
        }
        self.last_order += 1;
        let order = self.last_order;
        let live = new.tif != TimeInForce::IOC || self.counterparty(new).is_some();
        sink.accepted(&Accepted { order, new: *new, live });
        if live {
            self.trade(order, new, Chain::default(), sink);
        }
    }

    /// As [`super::MatchingEngine::cancel`].
    pub fn cancel<S: MatchSink>(&mut self, key: OwnerToken, keep: Lots, sink: &mut S) {
        let Some(open) = self.live.iter_mut().find(|open| open.key == key) else {
            return sink.rejected(&Rejected { key, reason: Refusal::UnknownOrder });
        };
        if keep < Lots(0) {
            return sink.rejected(&Rejected { key, reason: Refusal::BadQuantity });
        }
        if keep >= open.qty {
            return sink.rejected(&Rejected { key, reason: Refusal::NothingToCancel });
        }
        if keep == Lots(0) {
            let order = open.order;
            return self.remove(order, RemovalReason::User, sink);
        }
        let qty = open.qty - keep;
        open.qty = keep;
        sink.reduced(&Reduced { order: open.order, key, instrument: open.instrument, qty, left: keep });
    }

    /// As [`super::MatchingEngine::replace`].
    pub fn replace<S: MatchSink>(&mut self, key: OwnerToken, with: &Replacement, sink: &mut S) {
        let new_key = OwnerToken { token: with.token, ..key };
        let Some(old) = self.live.iter().copied().find(|open| open.key == key) else {
            return sink.rejected(&Rejected { key: new_key, reason: Refusal::UnknownOrder });
        };
        let OpenOrder { instrument, side, .. } = old;
        let new =
            NewOrder { key: new_key, instrument, side, price: with.price, qty: with.qty, tif: with.tif };
        if self.live.iter().any(|open| open.key == new_key) {
            return sink.rejected(&Rejected { key: new_key, reason: Refusal::DuplicateToken });
        }
        match self.objection(&new) {
            None => {}
            Some(Refusal::WouldTake) => return self.remove(old.order, RemovalReason::WouldTake, sink),
            Some(_) => return self.remove(old.order, RemovalReason::BadReplacement, sink),
        }
        self.live.retain(|open| open.order != old.order);
        self.last_order += 1;
        let order = self.last_order;
        let takes = self.counterparty(&new).is_some();
        let live = takes || with.tif != TimeInForce::IOC;
        let displayed = live && !takes;
        sink.replaced(&Replaced {
            old_order: old.order,
            old_token: key.token,
            old_qty: old.qty,
            order,
            new,
            displayed,
            live,
        });
        if displayed {
            self.live.push(opened(order, &new, new.qty, old.chain));
        } else if live {
            self.trade(order, &new, old.chain, sink);
        }
    }

    /// As [`super::MatchingEngine::cancel_owner`].
    pub fn cancel_owner<S: MatchSink>(&mut self, owner: u32, reason: RemovalReason, sink: &mut S) {
        while let Some(order) =
            self.live.iter().filter(|open| open.key.owner == owner).map(|open| open.order).min()
        {
            self.remove(order, reason, sink);
        }
    }

    /// Live orders in no particular order.
    pub fn live(&self) -> &[OpenOrder] {
        &self.live
    }

    fn objection(&self, new: &NewOrder) -> Option<Refusal> {
        if new.instrument.index() >= self.instruments {
            return Some(Refusal::UnknownInstrument);
        }
        if new.qty < Lots(1) {
            return Some(Refusal::BadQuantity);
        }
        if ![TimeInForce::DAY, TimeInForce::IOC, TimeInForce::POST_ONLY].contains(&new.tif) {
            return Some(Refusal::BadTimeInForce);
        }
        if self.live.iter().any(|open| open.key == new.key) {
            return Some(Refusal::DuplicateToken);
        }
        (new.tif == TimeInForce::POST_ONLY && self.counterparty(new).is_some()).then_some(Refusal::WouldTake)
    }

    /// The order that `new` would trade with first: of the other side, the best price, and of those the oldest.
    fn counterparty(&self, new: &NewOrder) -> Option<OpenOrder> {
        let others =
            self.live.iter().filter(|open| open.instrument == new.instrument && open.side != new.side);
        match new.side {
            Side::Buy => {
                others.filter(|open| open.price <= new.price).min_by_key(|open| (open.price, open.order))
            }
            Side::Sell => others
                .filter(|open| open.price >= new.price)
                .min_by_key(|open| (core::cmp::Reverse(open.price), open.order)),
        }
        .copied()
    }

    fn trade<S: MatchSink>(&mut self, order: u64, new: &NewOrder, before: Chain, sink: &mut S) {
        let mut chain = before;
        let mut left = new.qty;
        let mut end = (new.tif == TimeInForce::IOC).then_some(RemovalReason::ImmediateOrCancel);
        while left > Lots(0) {
            let Some(other) = self.counterparty(new) else { break };
            if other.key.owner == new.key.owner {
                match self.self_match {
                    SelfMatch::Allow => {}
                    SelfMatch::CancelResting => {
                        self.remove(other.order, RemovalReason::SelfMatch, sink);
                        continue;
                    }
                    SelfMatch::CancelIncoming => {
                        end = Some(RemovalReason::SelfMatch);
                        break;
                    }
                    SelfMatch::Decrement => {
                        let qty = left.min(other.qty);
                        left -= qty;
                        chain.prevented += qty;
                        for open in self.live.iter_mut().filter(|open| open.order == other.order) {
                            open.qty -= qty;
                            open.chain.prevented += qty;
                        }
                        self.live.retain(|open| open.qty > Lots(0));
                        sink.prevented(&Prevented {
                            instrument: new.instrument,
                            price: other.price,
                            qty,
                            order: other.order,
                            key: other.key,
                            side: other.side,
                            left: other.qty - qty,
                            incoming: order,
                            incoming_key: new.key,
                            incoming_left: left,
                        });
                        continue;
                    }
                }
            }
            let qty = if left < other.qty { left } else { other.qty };
            left -= qty;
            chain.executed += qty;
            for open in self.live.iter_mut().filter(|open| open.order == other.order) {
                open.qty -= qty;
                open.chain.executed += qty;
            }
            self.live.retain(|open| open.qty > Lots(0));
            self.last_match += 1;
            sink.executed(&Executed {
                match_number: self.last_match,
                instrument: new.instrument,
                price: other.price,
                qty,
                order: other.order,
                key: other.key,
                side: other.side,
                left: other.qty - qty,
                incoming: order,
                incoming_key: new.key,
                incoming_left: left,
            });
        }
        let NewOrder { key, instrument, side, price, .. } = *new;
        match end {
            _ if left == Lots(0) => {}
            Some(reason) => sink.lapsed(&Lapsed { order, key, instrument, qty: left, reason }),
            None => {
                self.live.push(opened(order, new, left, chain));
                sink.added(&Added { order, key, instrument, side, price, qty: left });
            }
        }
    }

    fn remove<S: MatchSink>(&mut self, order: u64, reason: RemovalReason, sink: &mut S) {
        let gone = self.live.iter().copied().find(|open| open.order == order);
        self.live.retain(|open| open.order != order);
        if let Some(OpenOrder { key, instrument, qty, .. }) = gone {
            sink.deleted(&Deleted { order, key, instrument, qty, reason });
        }
    }
}

fn opened(order: u64, new: &NewOrder, left: Lots, chain: Chain) -> OpenOrder {
    let NewOrder { key, instrument, side, price, .. } = *new;
    OpenOrder { order, key, instrument, side, price, qty: left, chain }
}
