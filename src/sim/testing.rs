//! What the tests of the simulated exchange share: a reader of ITCH messages and a participant, both independent of the
//! code that writes them where that is possible.

use std::collections::BTreeMap;

use pricewright_core::kernel::{Lots, Nanos, Side, Ticks};
use pricewright_feeds::nasdaq::ouch::{
    AppendageBuf, CancelOrder, EnterOrder, MAX_MESSAGE, ModifyOrder, ReplaceOrder, Response, decode_response,
    tag, time_in_force, write,
};
use pricewright_feeds::nasdaq::{Alpha, Symbol};
use zerocopy::big_endian::{U32, U64};

use super::exchange::{BookOrder, Exchange, Source};

/// 2026-01-05 14:30:00 UTC, a Monday.
pub(super) const START: Nanos = Nanos(1_767_623_400_000_000_000);

/// An order as the messages tell of it.
#[derive(Clone, Copy, Debug)]
struct Displayed {
    order: u64,
    locate: u16,
    side: u8,
    price: u32,
    shares: u32,
}

/// A book in the plainest form, fed by the bytes of ITCH messages at the offsets that the specification gives (Nasdaq
/// TotalView-ITCH 5.0, section 1). Anything that contradicts it panics.
#[derive(Default)]
pub(super) struct PlainBook {
    stocks: BTreeMap<u16, Symbol>,
    /// In the order of arrival.
    orders: Vec<Displayed>,
    pub(super) counts: BTreeMap<char, u64>,
    pub(super) executed_shares: u64,
    stamp: u64,
}

fn number(message: &[u8], at: usize, len: usize) -> u64 {
    message[at..at + len].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl PlainBook {
    pub(super) fn of<'a>(messages: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut book = Self::default();
        messages.for_each(|message| book.apply(message));
        book
    }

    pub(super) fn apply(&mut self, message: &[u8]) {
        let letter = message[0];
        *self.counts.entry(char::from(letter)).or_default() += 1;
        let (locate, stamp) = (number(message, 1, 2) as u16, number(message, 5, 6));
        assert!(stamp >= self.stamp, "stamps never decrease");
        self.stamp = stamp;
        let order = if message.len() >= 19 { number(message, 11, 8) } else { 0 };
        match letter {
            b'R' => {
                assert_eq!(message.len(), 39);
                self.stocks.insert(locate, Alpha(message[11..19].try_into().expect("eight bytes")));
            }
            b'A' => {
                assert_eq!(message.len(), 36);
                let (side, price) = (message[19], number(message, 32, 4) as u32);
                assert_eq!(message[24..32], self.stocks[&locate].0, "the symbol is the locate code's");
                self.add(Displayed { order, locate, side, price, shares: number(message, 20, 4) as u32 });
            }
            b'E' => {
                assert_eq!(message.len(), 31);
                let shares = number(message, 19, 4) as u32;
                self.executed_shares += u64::from(shares);
                self.take(order, locate, shares);
            }
            b'X' => {
                assert_eq!(message.len(), 23);
                let left = self.take(order, locate, number(message, 19, 4) as u32);
                assert!(left > 0, "what leaves the book is deleted");
            }
            b'D' => {
                assert_eq!(message.len(), 19);
                let shares = self.find(order, locate).shares;
                self.take(order, locate, shares);
            }
            b'U' => {
                assert_eq!(message.len(), 35);
                let Displayed { side, shares, .. } = *self.find(order, locate);
                self.take(order, locate, shares);
                let (new, shares) = (number(message, 19, 8), number(message, 27, 4) as u32);
                self.add(Displayed {
                    order: new,
                    locate,
                    side,
                    shares,
                    price: number(message, 31, 4) as u32,
                });
            }
            b'S' | b'H' | b'Y' => {}
            other => panic!("unexpected message {}", char::from(other)),
        }
    }

    fn add(&mut self, new: Displayed) {
        assert!(new.shares > 0 && new.price > 0, "{new:?}");
        assert!(self.orders.iter().all(|order| order.order != new.order), "{new:?} is there already");
        let crossed = |other: &&Displayed| {
            let meets = if new.side == b'B' { new.price >= other.price } else { new.price <= other.price };
            other.locate == new.locate && other.side != new.side && meets
        };
        assert!(self.orders.iter().find(crossed).is_none(), "{new:?} crosses the book");
        self.orders.push(new);
    }

    fn find(&mut self, order: u64, locate: u16) -> &mut Displayed {
        let found = self.orders.iter_mut().find(|displayed| displayed.order == order);
        let found = found.unwrap_or_else(|| panic!("no order {order}"));
        assert_eq!(found.locate, locate);
        found
    }

    fn take(&mut self, order: u64, locate: u16, shares: u32) -> u32 {
        let found = self.find(order, locate);
        found.shares = found.shares.checked_sub(shares).expect("no more than the order has");
        let left = found.shares;
        self.orders.retain(|order| order.shares > 0);
        left
    }

    /// The orders as [`Exchange::book`] lists them.
    pub(super) fn book(&self) -> Vec<BookOrder> {
        let mut orders = self.orders.clone();
        orders.sort_by_key(|order| {
            let price = i64::from(order.price);
            (order.locate, order.side != b'B', if order.side == b'B' { -price } else { price })
        });
        let view = |order: &Displayed| BookOrder {
            symbol: self.stocks[&order.locate],
            side: if order.side == b'B' { Side::Buy } else { Side::Sell },
            order: order.order,
            price: Ticks(i64::from(order.price)),
            qty: Lots(i64::from(order.shares)),
        };
        orders.iter().map(view).collect()
    }
}

/// An exchange of the symbols `DEMO` and `OTHER` that opens at [`START`].
pub(super) fn opened(seed: u64, rate: u32) -> Exchange {
    let symbols = ["DEMO", "OTHER"].map(symbol).to_vec();
    let mut exchange = Exchange::new(Source::Flow { seed, rate, symbols }, START);
    exchange.open(START);
    exchange
}

pub(super) fn symbol(text: &str) -> Symbol {
    Symbol::new(text).expect("a symbol")
}

/// A new order: side, shares, price in ticks, post-only or the letter of its time in force.
pub(super) fn enter(number: u32, side: u8, shares: u32, price: i64, kind: u8) -> Vec<u8> {
    enter_in("DEMO", number, side, shares, price, kind)
}

/// The letter that stands for post-only in these helpers.
pub(super) const POST_ONLY: u8 = b'P';

fn options(kind: u8) -> (u8, AppendageBuf) {
    let mut options = AppendageBuf::default();
    if kind == POST_ONLY {
        assert!(options.push(tag::POST_ONLY, b"P"));
        return (time_in_force::DAY, options);
    }
    (kind, options)
}

pub(super) fn enter_in(stock: &str, number: u32, side: u8, shares: u32, price: i64, kind: u8) -> Vec<u8> {
    let (time_in_force, options) = options(kind);
    let order = EnterOrder {
        message_type: b'O',
        user_ref_num: U32::new(number),
        side,
        quantity: U32::new(shares),
        symbol: symbol(stock),
        price: U64::new(price as u64),
        time_in_force,
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        client_order: Alpha::new("client-order").expect("short"),
    };
    written(|out| write(&order, &options, out))
}

pub(super) fn replace(original: u32, number: u32, shares: u32, price: i64, kind: u8) -> Vec<u8> {
    let (time_in_force, options) = options(kind);
    let order = ReplaceOrder {
        message_type: b'U',
        original: U32::new(original),
        user_ref_num: U32::new(number),
        quantity: U32::new(shares),
        price: U64::new(price as u64),
        time_in_force,
        display: b'Y',
        intermarket_sweep: b'N',
        client_order: Alpha::new("replaced").expect("short"),
    };
    written(|out| write(&order, &options, out))
}

pub(super) fn cancel(number: u32, shares: u32) -> Vec<u8> {
    let order =
        CancelOrder { message_type: b'X', user_ref_num: U32::new(number), quantity: U32::new(shares) };
    written(|out| write(&order, &AppendageBuf::default(), out))
}

pub(super) fn modify(number: u32, side: u8, shares: u32) -> Vec<u8> {
    let quantity = U32::new(shares);
    let order = ModifyOrder { message_type: b'M', user_ref_num: U32::new(number), side, quantity };
    written(|out| write(&order, &AppendageBuf::default(), out))
}

fn written(write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Vec<u8> {
    let mut out = [0; MAX_MESSAGE];
    let len = write(&mut out).expect("it fits");
    out[..len].to_vec()
}

/// An answer in a line: `A1 L 100@1000000`, `U1>2 L 100@…`, `C1 -100 U`, `E1 100@… A`, `J1 0x1d`, `M1 50`, `S S`, `Q 7`.
pub(super) fn line(answer: &[u8]) -> String {
    match decode_response(answer).expect("an OUCH answer") {
        Response::SystemEvent(body, _) => format!("S {}", char::from(body.event_code)),
        Response::OrderAccepted(body, _) => format!(
            "A{} {} {}@{}",
            body.user_ref_num,
            char::from(body.order_state),
            body.quantity,
            body.price
        ),
        Response::OrderReplaced(body, _) => format!(
            "U{}>{} {} {}@{}",
            body.original,
            body.user_ref_num,
            char::from(body.order_state),
            body.quantity,
            body.price
        ),
        Response::OrderCanceled(body, _) => {
            format!("C{} -{} {}", body.user_ref_num, body.quantity, char::from(body.reason))
        }
        Response::AiqCanceled(body, _) => {
            format!("D{} -{} {}", body.user_ref_num, body.quantity, char::from(body.reason))
        }
        Response::OrderExecuted(body, _) => {
            format!("E{} {}@{} {}", body.user_ref_num, body.quantity, body.price, char::from(body.liquidity))
        }
        Response::Rejected(body, _) => format!("J{} {:#04x}", body.user_ref_num, body.reason.get()),
        Response::OrderModified(body, _) => format!("M{} {}", body.user_ref_num, body.quantity),
        Response::AccountQueryResponse(body, _) => format!("Q {}", body.next_user_ref_num),
        other => panic!("unexpected answer {other:?}"),
    }
}
