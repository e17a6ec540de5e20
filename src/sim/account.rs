//! What a participant has at the exchange: a login, a sequence of numbers used, and the answers so far.
//!
//! Every answer goes on the account's tape, whether a connection stands or not; SoupBinTCP sends from the tape, so that
//! a participant that comes back gets what it missed.

use std::collections::BTreeMap;

use pricewright_core::kernel::{Lots, Side, Ticks};
use pricewright_feeds::nasdaq::Alpha;
use pricewright_feeds::nasdaq::ouch::{
    AccountQueryResponse, AiqCanceled, AppendageBuf, Body, EnterOrder, MAX_MESSAGE, OrderAccepted,
    OrderCanceled, OrderExecuted, OrderModified, OrderReplaced, Rejected, ReplaceOrder, SystemEvent, cancel,
    write,
};
use pricewright_feeds::nasdaq::soupbintcp::Password;
use pricewright_feeds::nasdaq::{Symbol, ouch::tag};
use zerocopy::big_endian::{U16, U32, U64};

use super::tape::Tape;

/// This exchange's letter for the rule that both orders lose what they would have traded.
const DECREMENT: u8 = b'D';

/// Letters of the answers that the drop copy has: an order accepted, replaced, cancelled, executed, its execution broken,
/// refused, modified.
const COPIED: &[u8] = b"AUCDEBJM";

/// Bytes of a page of answers.
const PAGE_BYTES: usize = 1 << 16;

/// What an order's owner said about it, as far as later answers repeat it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) side: u8,
    pub(super) symbol: Symbol,
    pub(super) time_in_force: u8,
    pub(super) display: u8,
    pub(super) capacity: u8,
    pub(super) intermarket_sweep: u8,
    pub(super) cross_type: u8,
    pub(super) client_order: Alpha<14>,
    pub(super) post_only: bool,
}

impl Terms {
    pub(super) fn entered(order: &EnterOrder, post_only: bool) -> Self {
        Self {
            side: order.side,
            symbol: order.symbol,
            time_in_force: order.time_in_force,
            display: order.display,
            capacity: order.capacity,
            intermarket_sweep: order.intermarket_sweep,
            cross_type: order.cross_type,
            client_order: order.client_order,
            post_only,
        }
    }

    pub(super) fn replaced(self, order: &ReplaceOrder, post_only: bool) -> Self {
        Self {
            time_in_force: order.time_in_force,
            display: order.display,
            intermarket_sweep: order.intermarket_sweep,
            client_order: order.client_order,
            post_only,
            ..self
        }
    }

    fn options(&self) -> AppendageBuf {
        let mut options = AppendageBuf::default();
        if self.post_only {
            options.push(tag::POST_ONLY, b"P");
        }
        options
    }
}

/// An order as an answer describes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Described {
    pub(super) user_ref_num: u32,
    pub(super) price: Ticks,
    pub(super) qty: Lots,
    pub(super) reference: u64,
    pub(super) live: bool,
}

impl Described {
    fn state(&self) -> u8 {
        if self.live { b'L' } else { b'D' }
    }
}

/// One participant.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) username: Alpha<6>,
    pub(super) password: Password,
    /// The lowest UserRefNum that was not used; 0, which is none, once all are.
    pub(super) next_user_ref_num: u32,
    /// Of live orders, by UserRefNum.
    pub(super) terms: BTreeMap<u32, Terms>,
    answers: Tape,
    /// Copies of the answers that change an order's fate: the drop copy of the day.
    copies: Tape,
    stamp: u64,
}

impl Account {
    /// A new account, without answers.
    pub(super) fn new(username: Alpha<6>, password: Password) -> Self {
        let (terms, answers, copies) = (BTreeMap::new(), Tape::new(PAGE_BYTES), Tape::new(PAGE_BYTES));
        Self { username, password, next_user_ref_num: 1, terms, answers, copies, stamp: 0 }
    }

    pub(super) fn answers(&self) -> &Tape {
        &self.answers
    }

    pub(super) fn copies(&self) -> &Tape {
        &self.copies
    }

    /// Stamps what follows with this many nanoseconds since midnight.
    pub(super) fn set_stamp(&mut self, stamp: u64) {
        self.stamp = stamp;
    }

    pub(super) fn system_event(&mut self, event_code: u8) {
        let message =
            SystemEvent { message_type: SystemEvent::TYPE, timestamp: self.timestamp(), event_code };
        self.push(&message, &AppendageBuf::default());
    }

    pub(super) fn accepted(&mut self, order: Described, terms: &Terms) {
        let message = OrderAccepted {
            message_type: OrderAccepted::TYPE,
            timestamp: self.timestamp(),
            user_ref_num: U32::new(order.user_ref_num),
            side: terms.side,
            quantity: shares(order.qty),
            symbol: terms.symbol,
            price: price_of(order.price),
            time_in_force: terms.time_in_force,
            display: terms.display,
            order_reference: U64::new(order.reference),
            capacity: terms.capacity,
            intermarket_sweep: terms.intermarket_sweep,
            cross_type: terms.cross_type,
            order_state: order.state(),
            client_order: terms.client_order,
        };
        self.keep(&order, terms);
        self.push(&message, &terms.options());
    }

    pub(super) fn replaced(&mut self, original: u32, order: Described, terms: &Terms) {
        let message = OrderReplaced {
            message_type: OrderReplaced::TYPE,
            timestamp: self.timestamp(),
            original: U32::new(original),
            user_ref_num: U32::new(order.user_ref_num),
            side: terms.side,
            quantity: shares(order.qty),
            symbol: terms.symbol,
            price: price_of(order.price),
            time_in_force: terms.time_in_force,
            display: terms.display,
            order_reference: U64::new(order.reference),
            capacity: terms.capacity,
            intermarket_sweep: terms.intermarket_sweep,
            cross_type: terms.cross_type,
            order_state: order.state(),
            client_order: terms.client_order,
        };
        self.terms.remove(&original);
        self.keep(&order, terms);
        self.push(&message, &terms.options());
    }

    pub(super) fn canceled(&mut self, user_ref_num: u32, qty: Lots, reason: u8) {
        let message = OrderCanceled {
            message_type: OrderCanceled::TYPE,
            timestamp: self.timestamp(),
            user_ref_num: U32::new(user_ref_num),
            quantity: shares(qty),
            reason,
        };
        self.push(&message, &AppendageBuf::default());
    }

    pub(super) fn executed(
        &mut self,
        user_ref_num: u32,
        qty: Lots,
        price: Ticks,
        liquidity: u8,
        match_number: u64,
    ) {
        let message = OrderExecuted {
            message_type: OrderExecuted::TYPE,
            timestamp: self.timestamp(),
            user_ref_num: U32::new(user_ref_num),
            quantity: shares(qty),
            price: price_of(price),
            liquidity,
            match_number: U64::new(match_number),
        };
        self.push(&message, &AppendageBuf::default());
    }

    /// Self-match prevention took `qty` off.
    pub(super) fn decremented(&mut self, user_ref_num: u32, qty: Lots, price: Ticks, liquidity: u8) {
        let message = AiqCanceled {
            message_type: AiqCanceled::TYPE,
            timestamp: self.timestamp(),
            user_ref_num: U32::new(user_ref_num),
            quantity: shares(qty),
            reason: cancel::SELF_MATCH,
            prevented: shares(qty),
            execution_price: price_of(price),
            liquidity,
            strategy: DECREMENT,
        };
        self.push(&message, &AppendageBuf::default());
    }

    pub(super) fn rejected(&mut self, user_ref_num: u32, reason: u16, client_order: Alpha<14>) {
        let message = Rejected {
            message_type: Rejected::TYPE,
            timestamp: self.timestamp(),
            user_ref_num: U32::new(user_ref_num),
            reason: U16::new(reason),
            client_order,
        };
        self.push(&message, &AppendageBuf::default());
    }

    pub(super) fn modified(&mut self, user_ref_num: u32, side: u8, open: Lots) {
        let message = OrderModified {
            message_type: OrderModified::TYPE,
            timestamp: self.timestamp(),
            user_ref_num: U32::new(user_ref_num),
            side,
            quantity: shares(open),
        };
        self.push(&message, &AppendageBuf::default());
    }

    pub(super) fn next_number(&mut self) {
        let message = AccountQueryResponse {
            message_type: AccountQueryResponse::TYPE,
            timestamp: self.timestamp(),
            next_user_ref_num: U32::new(self.next_user_ref_num),
        };
        self.push(&message, &AppendageBuf::default());
    }

    fn keep(&mut self, order: &Described, terms: &Terms) {
        if order.live {
            self.terms.insert(order.user_ref_num, *terms);
        }
    }

    fn timestamp(&self) -> U64 {
        U64::new(self.stamp)
    }

    fn push<B: Body>(&mut self, message: &B, options: &AppendageBuf) {
        let mut bytes = [0; MAX_MESSAGE];
        // The buffer has room for any message with any options: `write` cannot refuse.
        let written = write(message, options, &mut bytes).and_then(|len| bytes.get(..len));
        if let Some(written) = written {
            self.answers.push(written);
            if written.first().is_some_and(|letter| COPIED.contains(letter)) {
                self.copies.push(written);
            }
        }
    }
}

/// The side that a letter means for the book.
pub(super) fn side_of(letter: u8) -> Option<Side> {
    match letter {
        b'B' => Some(Side::Buy),
        b'S' | b'T' | b'E' => Some(Side::Sell),
        _ => None,
    }
}

/// Lots as the shares of a message. Nothing larger was taken.
fn shares(qty: Lots) -> U32 {
    U32::new(u32::try_from(qty.0).unwrap_or(u32::MAX))
}

/// Ticks of 1e-4 as the price of a message. Nothing negative was taken.
fn price_of(price: Ticks) -> U64 {
    U64::new(u64::try_from(price.0).unwrap_or(u64::MAX))
}
