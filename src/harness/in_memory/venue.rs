//! A venue in memory: it takes every order, answers at once, and now and then executes one.
//!
//! It speaks real OUCH over real SoupBinTCP, and nothing more is to be measured here than the bytes that reach it. It
//! allocates only when it is made, so that the hot thread can carry it while allocations are counted.

use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::order_entry::{ConnectionError, VenueEvent, VenueSession};
use pricewright_feeds::nasdaq::ouch::{
    AccountQueryResponse, Appendage, AppendageBuf, Body, EnterOrder, MAX_MESSAGE, OrderAccepted,
    OrderCanceled, OrderExecuted, OrderReplaced, ReplaceOrder, Request, cancel, tag, write,
};
use pricewright_feeds::nasdaq::soupbintcp::ServerConfig;
use pricewright_feeds::nasdaq::{MessageStore, Symbol};
use zerocopy::big_endian::{U32, U64};

/// Orders remembered; far more than a desk has open at once.
const ORDERS: usize = 4096;
/// Answers kept for the session to send; far more than leave in one turn.
const ANSWERS: usize = 4096;
/// Bytes of each of the session's buffers.
const BUFFER: usize = 64 << 10;
/// Of so many orders one is executed in full, another one by half.
const EXECUTED_OF: u32 = 16;

/// Orders noted between two looks at [`Venue::heard`].
const HEARD: usize = 1024;

/// The venue with its end of the connection.
#[derive(Debug)]
pub(in crate::harness) struct Venue {
    session: VenueSession,
    floor: Floor,
}

/// An order that was entered or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::harness) struct Heard {
    /// Whether it buys.
    pub(in crate::harness) buy: bool,
    /// Its price in units of 0.0001.
    pub(in crate::harness) price: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Order {
    number: u32,
    open: u32,
    /// Shares executed, those of the orders that it replaced included.
    executed: u32,
    price: u64,
    side: u8,
    symbol: Symbol,
}

/// Orders and answers.
#[derive(Debug)]
struct Floor {
    orders: Box<[Order]>,
    answers: Answers,
    midnight: Nanos,
    stamp: U64,
    next_number: u32,
    references: u64,
    matches: u64,
    executes: bool,
    heard: Vec<Heard>,
}

/// The newest answers. The client is always there and takes them at once, so that older ones are never asked for.
#[derive(Debug)]
struct Answers {
    slots: Box<[(usize, [u8; MAX_MESSAGE])]>,
    next: u64,
}

impl Answers {
    fn new() -> Self {
        Self { slots: vec![(0, [0; MAX_MESSAGE]); ANSWERS].into_boxed_slice(), next: 1 }
    }

    fn slot(sequence: u64) -> usize {
        (sequence % ANSWERS as u64) as usize
    }

    fn push<B: Body>(&mut self, message: &B, options: &AppendageBuf) {
        if let Some((len, bytes)) = self.slots.get_mut(Self::slot(self.next)) {
            // The slot has room for any message with any options.
            *len = write(message, options, bytes).unwrap_or(0);
            self.next += 1;
        }
    }
}

impl MessageStore for Answers {
    fn message(&self, sequence: u64) -> Option<&[u8]> {
        if sequence == 0 || sequence >= self.next || self.next - sequence > ANSWERS as u64 {
            return None;
        }
        let (len, bytes) = self.slots.get(Self::slot(sequence))?;
        bytes.get(..*len)
    }

    fn next_sequence(&self) -> u64 {
        self.next
    }
}

impl Venue {
    pub(super) fn new(config: ServerConfig, midnight: Nanos, now: Nanos) -> Self {
        let floor = Floor {
            orders: vec![Order::default(); ORDERS].into_boxed_slice(),
            answers: Answers::new(),
            midnight,
            stamp: U64::new(0),
            next_number: 1,
            references: 0,
            matches: 0,
            executes: true,
            heard: Vec::with_capacity(HEARD),
        };
        Self { session: VenueSession::new(config, BUFFER, now), floor }
    }

    /// A venue at which nobody trades.
    pub(in crate::harness) fn without_executions(config: ServerConfig, midnight: Nanos, now: Nanos) -> Self {
        let mut venue = Self::new(config, midnight, now);
        venue.floor.executes = false;
        venue
    }

    /// Orders entered or replaced since [`Self::forget`], as many as there is room to note.
    pub(in crate::harness) fn heard(&self) -> &[Heard] {
        &self.floor.heard
    }

    /// Forgets what was heard.
    pub(in crate::harness) fn forget(&mut self) {
        self.floor.heard.clear();
    }

    /// Takes `bytes` of the client and answers into [`Self::output`].
    ///
    /// # Errors
    /// Where the client broke the protocol.
    pub(in crate::harness) fn receive(&mut self, bytes: &[u8], now: Nanos) -> Result<(), ConnectionError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let spare = self.session.spare();
            let taken = spare.len().min(rest.len());
            let (head, tail) = rest.split_at(taken);
            if let Some(target) = spare.get_mut(..taken) {
                target.copy_from_slice(head);
            }
            self.session.commit(taken);
            rest = tail;
            self.take(now)?;
        }
        self.session.pump(&self.floor.answers, now);
        self.session.poll(now)
    }

    fn take(&mut self, now: Nanos) -> Result<(), ConnectionError> {
        self.floor.stamp = U64::new((now - self.floor.midnight).0.unsigned_abs());
        while let Some(event) = self.session.next_event(&self.floor.answers, now)? {
            match event {
                VenueEvent::Request(Request::EnterOrder(order, options)) => self.floor.enter(order, options),
                VenueEvent::Request(Request::ReplaceOrder(order, options)) => {
                    self.floor.replace(order, options)
                }
                VenueEvent::Request(Request::CancelOrder(order, _)) => {
                    self.floor.cancel(order.user_ref_num.get());
                }
                VenueEvent::Request(Request::AccountQuery(..)) => self.floor.say_next_number(),
                _ => {}
            }
        }
        Ok(())
    }

    pub(in crate::harness) fn output(&self) -> &[u8] {
        self.session.output()
    }

    pub(in crate::harness) fn consume(&mut self, count: usize) {
        self.session.consume(count);
    }
}

fn options_of(post_only: bool) -> AppendageBuf {
    let mut options = AppendageBuf::default();
    if post_only {
        options.push(tag::POST_ONLY, b"P");
    }
    options
}

impl Floor {
    fn order(&mut self, number: u32) -> Option<&mut Order> {
        let order = self.orders.get_mut(number as usize % ORDERS)?;
        (order.number == number && order.open > 0).then_some(order)
    }

    fn keep(&mut self, order: Order) {
        // Nobody may be looking: what there is no room for is not noted, and nothing grows.
        if self.heard.len() < HEARD {
            self.heard.push(Heard { buy: order.side == b'B', price: order.price });
        }
        self.next_number = self.next_number.max(order.number.saturating_add(1));
        if let Some(slot) = self.orders.get_mut(order.number as usize % ORDERS) {
            *slot = order;
        }
    }

    fn reference(&mut self) -> U64 {
        self.references += 1;
        U64::new(self.references)
    }

    fn enter(&mut self, order: &EnterOrder, options: Appendage<'_>) {
        let post_only = options.letter(tag::POST_ONLY) == Some(b'P');
        let (number, open) = (order.user_ref_num.get(), order.quantity.get());
        let (price, side, symbol) = (order.price.get(), order.side, order.symbol);
        self.keep(Order { number, open, executed: 0, price, side, symbol });
        let accepted = OrderAccepted {
            message_type: OrderAccepted::TYPE,
            timestamp: self.stamp,
            user_ref_num: order.user_ref_num,
            side,
            quantity: order.quantity,
            symbol,
            price: order.price,
            time_in_force: order.time_in_force,
            display: order.display,
            order_reference: self.reference(),
            capacity: order.capacity,
            intermarket_sweep: order.intermarket_sweep,
            cross_type: order.cross_type,
            order_state: b'L',
            client_order: order.client_order,
        };
        self.answers.push(&accepted, &options_of(post_only));
        self.maybe_execute(number);
    }

    fn replace(&mut self, order: &ReplaceOrder, options: Appendage<'_>) {
        let Some(old) = self.order(order.original.get()) else { return };
        let before = *old;
        old.open = 0;
        let post_only = options.letter(tag::POST_ONLY) == Some(b'P');
        let open = order.quantity.get().saturating_sub(before.executed);
        let number = order.user_ref_num.get();
        self.keep(Order { number, open, price: order.price.get(), ..before });
        let replaced = OrderReplaced {
            message_type: OrderReplaced::TYPE,
            timestamp: self.stamp,
            original: order.original,
            user_ref_num: order.user_ref_num,
            side: before.side,
            quantity: U32::new(open),
            symbol: before.symbol,
            price: order.price,
            time_in_force: order.time_in_force,
            display: order.display,
            order_reference: self.reference(),
            capacity: b'P',
            intermarket_sweep: order.intermarket_sweep,
            cross_type: b'N',
            order_state: if open > 0 { b'L' } else { b'D' },
            client_order: order.client_order,
        };
        self.answers.push(&replaced, &options_of(post_only));
        self.maybe_execute(number);
    }

    fn cancel(&mut self, number: u32) {
        let stamp = self.stamp;
        let Some(order) = self.order(number) else { return };
        let quantity = core::mem::take(&mut order.open);
        let canceled = OrderCanceled {
            message_type: OrderCanceled::TYPE,
            timestamp: stamp,
            user_ref_num: U32::new(number),
            quantity: U32::new(quantity),
            reason: cancel::USER,
        };
        self.answers.push(&canceled, &AppendageBuf::default());
    }

    fn maybe_execute(&mut self, number: u32) {
        if !self.executes {
            return;
        }
        let (stamp, match_number) = (self.stamp, self.matches + 1);
        let Some(order) = self.order(number) else { return };
        let quantity = match number % EXECUTED_OF {
            0 => order.open,
            half if half == EXECUTED_OF / 2 => order.open / 2,
            _ => 0,
        };
        if quantity == 0 {
            return;
        }
        order.open -= quantity;
        order.executed += quantity;
        let executed = OrderExecuted {
            message_type: OrderExecuted::TYPE,
            timestamp: stamp,
            user_ref_num: U32::new(number),
            quantity: U32::new(quantity),
            price: U64::new(order.price),
            liquidity: b'A',
            match_number: U64::new(match_number),
        };
        self.matches = match_number;
        self.answers.push(&executed, &AppendageBuf::default());
    }

    fn say_next_number(&mut self) {
        let answer = AccountQueryResponse {
            message_type: AccountQueryResponse::TYPE,
            timestamp: self.stamp,
            next_user_ref_num: U32::new(self.next_number),
        };
        self.answers.push(&answer, &AppendageBuf::default());
    }
}
