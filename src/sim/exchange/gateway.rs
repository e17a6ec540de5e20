//! Requests of participants: what OUCH 5.0 demands of them before they reach the market.
//!
//! - UserRefNums rise; a request with one that was used before is ignored, so that requests may be resent.
//! - Requests about an order that is not live are ignored.
//! - Quantities are of the chain (sections 2.2 and 2.3): a replacement names the total that is liable, in which all that the
//!   chain executed and lost to self-match prevention counts; a cancel the most that it may execute in total.
//! - A replacement or change with impossible details cancels the order it was for.
//! - Day and immediate-or-cancel orders that are displayed, and post-only ones, are traded here; everything else that
//!   OUCH can ask for is refused, never taken for something simpler.

use pricewright_core::kernel::{InstrumentId, Lots, Side, Ticks, TimeInForce};
use pricewright_core::market::matching::{NewOrder, OwnerToken, Replacement};
use pricewright_feeds::nasdaq::ouch::{
    Appendage, CancelOrder, EnterOrder, ModifyOrder, ReplaceOrder, Request as Ouch, cancel, decode_request,
    reject, tag, time_in_force,
};

use super::{AccountId, Exchange, Phase, Request};
use crate::sim::account::{Described, Terms, side_of};

/// The largest order that OUCH takes, in shares.
const MAX_SHARES: i64 = 999_999;
/// The highest price that OUCH takes, in ticks: $199,999.9900.
const MAX_PRICE: i64 = 1_999_999_900;
/// From this price on ($1.00) orders are priced in whole cents (Regulation NMS, rule 612).
const WHOLE_CENTS_FROM: i64 = 10_000;
const CENT: i64 = 100;
/// Post-only orders that would take are accepted and cancelled at once. They never reach the book, and their numbers lie
/// above all that do.
const NEVER_DISPLAYED: u64 = 1 << 62;

impl Exchange {
    /// Takes a request of a participant. The exchange must have been brought to the time of the request by
    /// [`Exchange::advance`].
    pub fn request(&mut self, account: AccountId, message: &[u8]) {
        self.counters.requests += 1;
        match decode_request(message) {
            Ok(Ouch::EnterOrder(order, options)) => self.enter(account, order, options),
            Ok(Ouch::ReplaceOrder(order, options)) => self.replace(account, order, options),
            Ok(Ouch::CancelOrder(order, _)) => self.cancel(account, order),
            Ok(Ouch::ModifyOrder(order, _)) => self.modify(account, order),
            Ok(Ouch::AccountQuery(..)) => {
                if let Some(account) = self.account_mut(account) {
                    account.next_number();
                }
            }
            Err(_) => self.counters.malformed += 1,
        }
    }

    fn enter(&mut self, account: AccountId, order: &EnterOrder, options: Appendage<'_>) {
        let number = order.user_ref_num.get();
        if !self.use_number(account, number) {
            return;
        }
        let checked = self.check(order, options);
        let (new, terms) = match checked {
            Ok((instrument, side, price, qty, tif)) => {
                let terms = Terms::entered(order, tif == TimeInForce::POST_ONLY);
                (NewOrder { key: key(account, number), instrument, side, price, qty, tif }, terms)
            }
            Err(reason) => {
                if let Some(account) = self.account_mut(account) {
                    account.rejected(number, reason, order.client_order);
                }
                self.counters.rejected += 1;
                return;
            }
        };
        self.counters.orders += 1;
        if terms.post_only && self.market.crosses(new.instrument, new.side, new.price) {
            return self.accept_and_cancel(account, &new, &terms);
        }
        self.carry_out(Request::Enter(terms), |market, reports| market.enter(&new, reports));
    }

    /// A post-only order that would take.
    fn accept_and_cancel(&mut self, account: AccountId, new: &NewOrder, terms: &Terms) {
        self.never_displayed += 1;
        let reference = NEVER_DISPLAYED + self.never_displayed;
        let user_ref_num = u32::try_from(new.key.token).unwrap_or(u32::MAX);
        let Some(account) = self.account_mut(account) else { return };
        account.accepted(
            Described { user_ref_num, price: new.price, qty: new.qty, reference, live: true },
            terms,
        );
        account.canceled(user_ref_num, new.qty, cancel::POST_ONLY);
        account.terms.remove(&user_ref_num);
    }

    fn replace(&mut self, account: AccountId, order: &ReplaceOrder, options: Appendage<'_>) {
        let (original, number) = (order.original.get(), order.user_ref_num.get());
        let old = key(account, original);
        let Some(open) = self.market.open_order(old) else { return };
        let Some(terms) = self.account_mut(account).and_then(|account| account.terms.get(&original).copied())
        else {
            return;
        };
        if !self.use_number(account, number) {
            return;
        }
        self.counters.orders += 1;
        let price = Ticks(i64::try_from(order.price.get()).unwrap_or(i64::MAX));
        let tif = duration(order.time_in_force, order.display, options);
        let qty = open.left_of(Lots(i64::from(order.quantity.get())));
        let possible =
            self.phase == Phase::Open && is_price(price) && order.quantity.get() <= MAX_SHARES as u32;
        let with = match tif {
            Ok(tif) if possible => Replacement { token: u64::from(number), price, qty, tif },
            // The market cancels an order whose replacement has no lots.
            _ => Replacement { token: u64::from(number), price, qty: Lots(0), tif: TimeInForce::DAY },
        };
        let terms = terms.replaced(order, with.tif == TimeInForce::POST_ONLY);
        self.carry_out(Request::Replace(terms), |market, reports| market.replace(old, &with, reports));
    }

    fn cancel(&mut self, account: AccountId, order: &CancelOrder) {
        let key = key(account, order.user_ref_num.get());
        let Some(open) = self.market.open_order(key) else { return };
        let keep = open.kept_of(Lots(i64::from(order.quantity.get())));
        self.carry_out(Request::Cancel, |market, reports| market.cancel(key, keep, reports));
    }

    fn modify(&mut self, account: AccountId, order: &ModifyOrder) {
        let number = order.user_ref_num.get();
        let key = key(account, number);
        let Some(open) = self.market.open_order(key) else { return };
        let keep = open.kept_of(Lots(i64::from(order.quantity.get())));
        if keep > open.qty || side_of(order.side) != Some(open.side) {
            return;
        }
        let side = order.side;
        if let Some(account) = self.account_mut(account) {
            if let Some(terms) = account.terms.get_mut(&number) {
                terms.side = side;
            }
            if keep == open.qty {
                return account.modified(number, side, keep);
            }
        }
        self.carry_out(Request::Modify { side }, |market, reports| market.cancel(key, keep, reports));
    }

    /// Takes the number where it was not used before. Behind the highest there is none.
    fn use_number(&mut self, account: AccountId, number: u32) -> bool {
        let next = self.account_mut(account).map(|account| &mut account.next_user_ref_num);
        match next {
            Some(next) if *next != 0 && number >= *next => {
                *next = number.wrapping_add(1);
                true
            }
            _ => {
                self.counters.ignored += 1;
                false
            }
        }
    }

    #[allow(clippy::type_complexity)] // The parts of a `NewOrder` without its key; a struct for them would say no more.
    fn check(
        &self,
        order: &EnterOrder,
        options: Appendage<'_>,
    ) -> Result<(InstrumentId, Side, Ticks, Lots, TimeInForce), u16> {
        let instrument = self.instrument(order.symbol).ok_or(reject::INVALID_SYMBOL)?;
        let side = side_of(order.side).ok_or(reject::INVALID_SIDE)?;
        let qty = Lots(i64::from(order.quantity.get()));
        if !(1..=MAX_SHARES).contains(&qty.0) {
            return Err(reject::INVALID_QUANTITY);
        }
        let price = Ticks(i64::try_from(order.price.get()).unwrap_or(i64::MAX));
        if !is_price(price) {
            return Err(reject::INVALID_PRICE);
        }
        if order.cross_type != b'N' {
            return Err(reject::OTHER);
        }
        let tif = duration(order.time_in_force, order.display, options)?;
        if self.phase == Phase::Open { Ok((instrument, side, price, qty, tif)) } else { Err(reject::HALTED) }
    }
}

fn key(account: AccountId, number: u32) -> OwnerToken {
    OwnerToken { owner: account.owner(), token: u64::from(number) }
}

fn is_price(price: Ticks) -> bool {
    let increment = if price.0 >= WHOLE_CENTS_FROM { CENT } else { 1 };
    (1..=MAX_PRICE).contains(&price.0) && price.0 % increment == 0
}

/// How long an order lives, from its letter and options; the reason where this exchange has no such orders.
fn duration(letter: u8, display: u8, options: Appendage<'_>) -> Result<TimeInForce, u16> {
    if !matches!(display, b'Y' | b'A') {
        return Err(reject::INVALID_DISPLAY);
    }
    let supported = options.elements().all(|(tag, value)| match tag {
        tag::POST_ONLY => matches!(value, b"P" | b"N"),
        tag::PRICE_TYPE => value == b"L",
        // They change nothing about when and how much an order trades here.
        tag::FIRM
        | tag::CUSTOMER_TYPE
        | tag::BBO_WEIGHT
        | tag::GROUP_ID
        | tag::SHARES_LOCATED
        | tag::LOCATE_BROKER
        | tag::USER_REF_INDEX => true,
        _ => false,
    });
    let post_only = options.letter(tag::POST_ONLY) == Some(b'P');
    match (supported, letter, post_only) {
        (true, time_in_force::DAY, false) => Ok(TimeInForce::DAY),
        (true, time_in_force::DAY, true) => Ok(TimeInForce::POST_ONLY),
        (true, time_in_force::IOC, false) => Ok(TimeInForce::IOC),
        _ => Err(reject::OTHER),
    }
}
