//! A day of ITCH messages that never ends: a market with a fixed number of live orders, as bytes.
//!
//! The mix is that of a busy day on the real feed, where adds and deletes make up nine messages in ten: of a hundred, 44
//! add (two of them with attribution), 40 delete, 8 replace, 5 execute (one of them at another price), 3 cancel a part.
//! Prices lie around a middle that does not move, near levels more often than far ones. Which live order a message is
//! about is uniform over all of them, which is the hardest case for caches, or mostly one of the youngest, which is how
//! real orders die.
//!
//! The generator keeps the live orders itself, so that every message is about an order that is there.

use pricewright_core::kernel::Numbers;
use pricewright_feeds::nasdaq::itch::{
    AddOrder, AddOrderAttributed, Body, Header, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace, append_file_frame,
};
use pricewright_feeds::nasdaq::{Alpha, Symbol};
use zerocopy::big_endian::{U32, U64};

/// The middle of every market, in units of 0.0001.
const MIDDLE: u64 = 1_000_000;
/// Distance of two levels, in units of 0.0001: a cent.
const INCREMENT: u64 = 100;
/// Shares of an order: one to this many round lots.
const ROUND_LOTS: u64 = 9;
/// A young order is one of so many newest.
const YOUNG: u64 = 1_024;
/// Of a hundred messages of a market with young orders, so many are about a young one.
const YOUNG_OF_100: u64 = 90;
/// Nanoseconds between two messages.
const STEP: u64 = 1_000;

/// What market to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Market {
    /// The same seed gives the same bytes.
    pub(super) seed: u64,
    /// Live orders, about which the market keeps.
    pub(super) live: usize,
    /// Instruments, with locate codes from 1.
    pub(super) instruments: u16,
    /// Levels on each side of each.
    pub(super) levels: u64,
    /// Whether mostly young orders are touched.
    pub(super) young: bool,
}

/// A live order.
#[derive(Clone, Copy, Debug)]
struct Live {
    order: u64,
    locate: u16,
    buy: bool,
    shares: u32,
}

/// The generator.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    market: Market,
    live: Vec<Live>,
    numbers: Numbers,
    next_order: u64,
    match_number: u64,
    nanos: u64,
}

impl Stream {
    pub(super) fn new(market: Market) -> Self {
        let live = Vec::with_capacity(market.live + 64);
        let numbers = Numbers::new(market.seed);
        Self { market, live, numbers, next_order: 1, match_number: 1, nanos: 34_200_000_000_000 }
    }

    /// Live orders now.
    pub(super) fn live(&self) -> usize {
        self.live.len()
    }

    /// Appends the adds of the opening to `bytes`, each with its length before it. Gives their number.
    pub(super) fn open(&mut self, bytes: &mut Vec<u8>) -> usize {
        let count = self.market.live.saturating_sub(self.live.len());
        (0..count).for_each(|_| self.add(bytes));
        count
    }

    /// Appends the next `count` messages to `bytes`, each with its length before it.
    pub(super) fn go_on(&mut self, count: usize, bytes: &mut Vec<u8>) {
        for _ in 0..count {
            self.message(bytes);
        }
    }

    fn message(&mut self, bytes: &mut Vec<u8>) {
        // Adds and removals are held in balance around the wanted number.
        let draw = self.numbers.below(100);
        let (few, many) =
            (self.market.live - self.market.live / 64, self.market.live + self.market.live / 64);
        match draw {
            0..44 if self.live.len() <= many => self.add(bytes),
            44..84 if self.live.len() < few => self.add(bytes),
            0..84 => self.delete(bytes),
            84..92 => self.replace(bytes),
            92..97 => self.execute(bytes, draw == 96),
            _ => self.cancel(bytes),
        }
    }

    fn header<B: Body>(&mut self, locate: u16) -> Header {
        self.nanos += STEP;
        Header::of::<B>(locate, 0, self.nanos)
    }

    /// The place of the order that the next message is about.
    fn any(&mut self) -> usize {
        let len = self.live.len() as u64;
        if self.market.young && self.numbers.below(100) < YOUNG_OF_100 {
            return len.saturating_sub(1 + self.numbers.below(YOUNG.min(len))) as usize;
        }
        self.numbers.below(len) as usize
    }

    /// Takes an order out of the list; the newest takes its place, unless age matters.
    fn remove(&mut self, place: usize) -> Option<Live> {
        if place >= self.live.len() {
            return None;
        }
        let young = self.market.young && self.live.len() - place <= YOUNG as usize;
        Some(if young { self.live.remove(place) } else { self.live.swap_remove(place) })
    }

    fn price(&mut self, buy: bool) -> u32 {
        // The lesser of two draws: near levels are more likely, falling to nothing at the last.
        let (one, other) = (self.numbers.below(self.market.levels), self.numbers.below(self.market.levels));
        let distance = (1 + one.min(other)) * INCREMENT;
        (if buy { MIDDLE - distance } else { MIDDLE + distance }) as u32
    }

    fn shares(&mut self) -> u32 {
        (100 * (1 + self.numbers.below(ROUND_LOTS))) as u32
    }

    fn add(&mut self, bytes: &mut Vec<u8>) {
        let locate = 1 + self.numbers.below(u64::from(self.market.instruments)) as u16;
        let buy = self.numbers.below(2) == 0;
        let (order, shares, price) = (self.next_order, self.shares(), self.price(buy));
        self.next_order += 1;
        self.live.push(Live { order, locate, buy, shares });
        let (side, stock) = (if buy { b'B' } else { b'S' }, symbol(locate));
        let (order, shares, price) = (U64::new(order), U32::new(shares), U32::new(price));
        if self.numbers.below(22) == 0 {
            let header = self.header::<AddOrderAttributed>(locate);
            let attribution = Alpha(*b"PRCW");
            put(&AddOrderAttributed { header, order, side, shares, stock, price, attribution }, bytes);
        } else {
            let header = self.header::<AddOrder>(locate);
            put(&AddOrder { header, order, side, shares, stock, price }, bytes);
        }
    }

    fn delete(&mut self, bytes: &mut Vec<u8>) {
        let place = self.any();
        let Some(live) = self.remove(place) else { return self.add(bytes) };
        let header = self.header::<OrderDelete>(live.locate);
        put(&OrderDelete { header, order: U64::new(live.order) }, bytes);
    }

    fn replace(&mut self, bytes: &mut Vec<u8>) {
        let place = self.any();
        let Some(live) = self.remove(place) else { return self.add(bytes) };
        let (new_order, shares, price) = (self.next_order, self.shares(), self.price(live.buy));
        self.next_order += 1;
        self.live.push(Live { order: new_order, shares, ..live });
        let header = self.header::<OrderReplace>(live.locate);
        let (order, new_order) = (U64::new(live.order), U64::new(new_order));
        put(
            &OrderReplace { header, order, new_order, shares: U32::new(shares), price: U32::new(price) },
            bytes,
        );
    }

    fn execute(&mut self, bytes: &mut Vec<u8>, elsewhere: bool) {
        let Some((live, shares)) = self.take_shares() else { return self.add(bytes) };
        let match_number = U64::new(self.match_number);
        self.match_number += 1;
        let (order, shares) = (U64::new(live.order), U32::new(shares));
        if elsewhere {
            let header = self.header::<OrderExecutedWithPrice>(live.locate);
            let price = U32::new(MIDDLE as u32);
            put(
                &OrderExecutedWithPrice { header, order, shares, match_number, printable: b'Y', price },
                bytes,
            );
        } else {
            let header = self.header::<OrderExecuted>(live.locate);
            put(&OrderExecuted { header, order, shares, match_number }, bytes);
        }
    }

    fn cancel(&mut self, bytes: &mut Vec<u8>) {
        let Some((live, shares)) = self.take_shares() else { return self.add(bytes) };
        let header = self.header::<OrderCancel>(live.locate);
        put(&OrderCancel { header, order: U64::new(live.order), shares: U32::new(shares) }, bytes);
    }

    /// Takes a round lot off an order, or all of it where that is all it has.
    fn take_shares(&mut self) -> Option<(Live, u32)> {
        let place = self.any();
        let live = self.live.get_mut(place)?;
        let shares = live.shares.min(100);
        live.shares -= shares;
        let found = *live;
        if found.shares == 0 {
            self.remove(place);
        }
        Some((found, shares))
    }
}

/// The symbol of a locate code: five digits behind a letter.
pub(super) fn symbol(locate: u16) -> Symbol {
    let mut rest = locate;
    let mut field = *b"P00000  ";
    for digit in field.iter_mut().skip(1).take(5).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    Alpha(field)
}

fn put<B: Body>(message: &B, bytes: &mut Vec<u8>) {
    // Every ITCH message is far shorter than a frame can say.
    let _fits = append_file_frame(message.as_bytes(), bytes);
}

#[cfg(test)]
mod tests;
