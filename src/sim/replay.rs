//! A recorded ITCH 5.0 file as the market.
//!
//! The recorded messages are published as they are. Outside orders leave no trace in them; they trade by this model:
//!
//! - The displayed book is the recorded one. Outside orders never change it, and never trade with one another.
//! - On arrival, an order that crosses the displayed book trades with it, level by level, at the levels' prices.
//! - A resting order keeps the queue that stood before it at its price when it arrived. Recorded executions,
//!   cancellations and deletions of those orders bring it forward; orders that came later stay behind it.
//! - It trades when a recorded execution takes an order behind it, at its price or a worse one; when a recorded order
//!   arrives that would have crossed it; and when a recorded trade with a hidden order is printed beyond its price. It
//!   gets at most the lots of that event.
//!
//! This is the model of backtesters with queue positions: exact where the outside orders are small against the market,
//! too optimistic where they are not, since nobody reacts to them.

mod outside;

use std::path::Path;

use pricewright_core::kernel::{EventNanos, InstrumentId, Lots, Nanos, Side, Ticks};
use pricewright_core::market::book::{BookError, Books, OrderView, Touched};
use pricewright_core::market::matching::{
    MatchSink, NewOrder, OpenOrder, OwnerToken, RemovalReason, Replacement,
};
use pricewright_feeds::nasdaq::Symbol;
use pricewright_feeds::nasdaq::itch::{Message, decode, size_of_type};

use super::SimError;
use crate::io::file::{FileReplay, Framing, Next, Pace};
use outside::{Event, Outside};

/// Locate codes have 16 bits; each is an instrument.
const INSTRUMENTS: usize = 1 << 16;
/// Live orders that the books have room for before they grow.
const ORDERS: usize = 1 << 16;

type Framer = Box<dyn FnMut(&[u8]) -> Framing + Send>;

/// How fast a file is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As recorded, this many times as fast.
    Recorded(f64),
    /// As fast as it can be sent.
    Maximum,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Published a message.
    Message,
    /// Published the directory entry of a stock.
    Listed(Symbol, InstrumentId),
    /// No message is due.
    Nothing,
}

/// A recorded market.
pub struct Replay {
    file: FileReplay<std::fs::File, Framer>,
    books: Books,
    outside: Outside,
    due: Option<Nanos>,
    over: bool,
    contradictions: u64,
}

impl Replay {
    /// Opens the file: messages with their big-endian `u16` lengths before them. Lengths of zero are read as the size of
    /// the type.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub fn open(path: &Path, speed: Speed) -> Result<Self, SimError> {
        let size = std::fs::metadata(path).map_or(u64::MAX, |metadata| metadata.len());
        let (pace, factor) = match speed {
            Speed::Recorded(factor) => (Pace::Recorded, factor),
            Speed::Maximum => (Pace::Maximum, 1.0),
        };
        let file = FileReplay::open(path, pace, framer(size, factor))?;
        Ok(Self {
            file,
            books: Books::with_capacity(INSTRUMENTS, ORDERS, 0),
            outside: Outside::default(),
            due: Some(Nanos::ZERO),
            over: false,
            contradictions: 0,
        })
    }

    /// Publishes the next message where it is due, and lets outside orders trade because of it.
    ///
    /// # Errors
    /// Where the file cannot be read on, with the offset.
    pub fn step<S: MatchSink>(
        &mut self,
        now: Nanos,
        sink: &mut S,
        mut publish: impl FnMut(&[u8]),
    ) -> Result<Step, SimError> {
        let bytes = match self.file.next(now)? {
            Next::Frame { bytes, .. } => bytes.get(2..).unwrap_or(&[]),
            Next::NotBefore(due) => {
                self.due = Some(due);
                return Ok(Step::Nothing);
            }
            Next::End => {
                self.due = None;
                self.over = true;
                return Ok(Step::Nothing);
            }
        };
        self.due = Some(now);
        // The framer let nothing pass but messages and the end mark, which is empty.
        let Ok(message) = decode(bytes) else { return Ok(Step::Message) };
        publish(bytes);
        let listed = match message {
            Message::StockDirectory(body) => Step::Listed(body.stock, InstrumentId(body.header.locate.get())),
            _ => Step::Message,
        };
        if apply(&mut self.books, &mut self.outside, &message, sink).is_err() {
            self.contradictions += 1;
        }
        Ok(listed)
    }

    /// When the next message is due; `None` at the end.
    pub fn next_due(&self) -> Option<Nanos> {
        self.due
    }

    /// True where every message was published.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Messages that contradict the book, for instance because the file begins in the middle of a day.
    pub fn contradictions(&self) -> u64 {
        self.contradictions
    }

    /// The recorded book.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// As [`pricewright_core::market::matching::MatchingEngine::enter`].
    pub fn enter<S: MatchSink>(&mut self, new: &NewOrder, sink: &mut S) {
        self.outside.enter(new, &self.books, sink);
    }

    /// As [`pricewright_core::market::matching::MatchingEngine::cancel`].
    pub fn cancel<S: MatchSink>(&mut self, key: OwnerToken, keep: Lots, sink: &mut S) {
        self.outside.cancel(key, keep, sink);
    }

    /// As [`pricewright_core::market::matching::MatchingEngine::replace`].
    pub fn replace<S: MatchSink>(&mut self, key: OwnerToken, with: &Replacement, sink: &mut S) {
        self.outside.replace(key, with, &self.books, sink);
    }

    /// As [`pricewright_core::market::matching::MatchingEngine::cancel_owner`].
    pub fn cancel_owner<S: MatchSink>(&mut self, owner: u32, reason: RemovalReason, sink: &mut S) {
        self.outside.cancel_owner(owner, reason, sink);
    }

    /// An outside order that is live.
    pub fn open_order(&self, key: OwnerToken) -> Option<OpenOrder> {
        self.outside.open_order(key)
    }

    /// True where an outside order would trade on arrival.
    pub fn crosses(&self, instrument: InstrumentId, side: Side, price: Ticks) -> bool {
        let best = self.books.book(instrument).and_then(|book| book.best(side.opposite()));
        best.is_some_and(|best| outside::meets(side, price, best.price))
    }
}

/// Finds frames, and their stamps divided by `factor`. `size` is the file's, to know the end mark by its place.
fn framer(size: u64, factor: f64) -> Framer {
    let mut offset = 0;
    Box::new(move |bytes| {
        let Some((head, body)) = bytes.split_first_chunk::<2>() else { return Framing::More };
        let is_end_mark = *head == [0, 0] && offset + 2 == size;
        let len = match (usize::from(u16::from_be_bytes(*head)), body.first()) {
            (0, _) if is_end_mark => 0,
            (0, None) => return Framing::More,
            (0, Some(letter)) => match size_of_type(*letter) {
                Some(len) => len,
                None => return Framing::Damaged("a message of no ITCH 5.0 type"),
            },
            (len, _) => len,
        };
        let Some(message) = body.get(..len) else { return Framing::More };
        let stamp = match decode(message) {
            Ok(message) => Some(message.header().timestamp.nanos()),
            Err(_) if is_end_mark => None,
            Err(_) => return Framing::Damaged("a message that is not of ITCH 5.0"),
        };
        offset += 2 + len as u64;
        Framing::Frame { len: 2 + len, stamp: stamp.map(|nanos| EventNanos((nanos as f64 / factor) as i64)) }
    })
}

/// Applies a message to the book and to the outside orders.
fn apply<S: MatchSink>(
    books: &mut Books,
    outside: &mut Outside,
    message: &Message<'_>,
    sink: &mut S,
) -> Result<(), BookError> {
    let mut tell = |event: Event| outside.on_event(&event, sink);
    match message {
        Message::AddOrder(body) => {
            let header = &body.header;
            let (side, price, qty) = (side_of(body.side), ticks(body.price.get()), lots(body.shares.get()));
            add(books, InstrumentId(header.locate.get()), body.order.get(), side, price, qty, &mut tell)
        }
        Message::AddOrderAttributed(body) => {
            let header = &body.header;
            let (side, price, qty) = (side_of(body.side), ticks(body.price.get()), lots(body.shares.get()));
            add(books, InstrumentId(header.locate.get()), body.order.get(), side, price, qty, &mut tell)
        }
        Message::OrderExecuted(body) => {
            let (order, qty) = (body.order.get(), lots(body.shares.get()));
            books.execute(order, qty).map(|touched| tell(Event::Executed { order, touched, qty }))
        }
        Message::OrderExecutedWithPrice(body) => {
            let (order, qty) = (body.order.get(), lots(body.shares.get()));
            books.execute(order, qty).map(|touched| tell(Event::Executed { order, touched, qty }))
        }
        Message::OrderCancel(body) => {
            let order = body.order.get();
            books
                .reduce(order, lots(body.shares.get()))
                .map(|touched| tell(Event::Reduced { order, touched }))
        }
        Message::OrderDelete(body) => {
            let order = body.order.get();
            books.delete(order).map(|touched| tell(Event::Reduced { order, touched }))
        }
        Message::OrderReplace(body) => {
            let (order, price, qty) = (body.order.get(), ticks(body.price.get()), lots(body.shares.get()));
            let touched = books.replace(order, body.new_order.get(), price, qty)?;
            tell(Event::Reduced { order, touched: Touched { left: Lots(0), ..touched } });
            let Touched { instrument, side, .. } = touched;
            tell(Event::Added(OrderView { order: body.new_order.get(), instrument, side, price, qty }));
            Ok(())
        }
        Message::Trade(body) => {
            let instrument = InstrumentId(body.header.locate.get());
            let (price, qty) = (ticks(body.price.get()), lots(body.shares.get()));
            tell(Event::Printed { instrument, price, qty });
            Ok(())
        }
        _ => Ok(()),
    }
}

fn add(
    books: &mut Books,
    instrument: InstrumentId,
    order: u64,
    side: Side,
    price: Ticks,
    qty: Lots,
    tell: &mut impl FnMut(Event),
) -> Result<(), BookError> {
    books.add(instrument, order, side, price, qty)?;
    tell(Event::Added(OrderView { order, instrument, side, price, qty }));
    Ok(())
}

fn side_of(letter: u8) -> Side {
    if letter == b'B' { Side::Buy } else { Side::Sell }
}

fn ticks(price: u32) -> Ticks {
    Ticks(i64::from(price))
}

fn lots(shares: u32) -> Lots {
    Lots(i64::from(shares))
}

#[cfg(test)]
mod tests;
