//! A recorded ITCH 5.0 file as the market.
//!
//! The recorded messages are published as they are, but for two kinds that are counted: those of a type or a size that is
//! not known, and those about orders that entered before the file begins. A file that begins in the middle of a day lists no
//! stock before its first order: what a reader must know of it, its line of the directory and that it trades, is published
//! before that order. Outside orders leave no trace in the messages; they trade by this model:
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
use pricewright_feeds::nasdaq::itch::{
    DecodeError, Header, Message, PassedOver, StockDirectory, StockTradingAction, decode, size_of_type,
};
use zerocopy::IntoBytes;

use super::{SimError, publisher};
use crate::io::file::{FileBytes, FileReplay, Framing, Next, Pace};
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
    /// Passed a message over that is not known, or is about an order from before the file's beginning.
    Passed,
    /// No message is due.
    Nothing,
}

/// A recorded market.
pub struct Replay {
    file: FileReplay<FileBytes, Framer>,
    books: Books,
    outside: Outside,
    due: Option<Nanos>,
    over: bool,
    contradictions: u64,
    passed: PassedOver,
    given: bool,
    /// Locate codes that were listed.
    listed: Box<[bool]>,
}

impl Replay {
    /// Opens the file, packed by gzip or not: messages with their big-endian `u16` lengths before them. Lengths of zero are
    /// read as the size of the type.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub fn open(path: &Path, speed: Speed) -> Result<Self, SimError> {
        let (pace, factor) = match speed {
            Speed::Recorded(factor) => (Pace::Recorded, factor),
            Speed::Maximum => (Pace::Maximum, 1.0),
        };
        let file = FileReplay::open(path, pace, framer(factor))?;
        Ok(Self {
            file,
            books: Books::with_capacity(INSTRUMENTS, ORDERS, 0),
            outside: Outside::default(),
            due: Some(Nanos::ZERO),
            over: false,
            contradictions: 0,
            passed: PassedOver::default(),
            given: false,
            listed: vec![false; INSTRUMENTS].into_boxed_slice(),
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
        let (bytes, offset) = match self.file.next(now)? {
            Next::Frame { bytes, offset, .. } => (bytes.get(2..).unwrap_or(&[]), offset),
            Next::NotBefore(due) => {
                self.due = Some(due);
                return Ok(Step::Nothing);
            }
            Next::End => {
                self.due = None;
                self.over = true;
                return match (self.given, self.passed.count) {
                    (true, _) => Ok(Step::Nothing),
                    (false, 0) => Err(SimError::EmptyItch),
                    (false, _) => Err(SimError::NoItch(self.passed)),
                };
            }
        };
        self.due = Some(now);
        let message = match decode(bytes) {
            Ok(message) => message,
            // The end mark, which is empty.
            Err(DecodeError::Empty) => return Ok(Step::Message),
            Err(error) => {
                self.passed.note(offset, error);
                if !self.given && self.passed.count > PassedOver::MOST_BEFORE_THE_FIRST {
                    return Err(SimError::NoItch(self.passed));
                }
                return Ok(Step::Passed);
            }
        };
        self.given = true;
        if before_the_file(&self.books, &message) {
            self.contradictions += 1;
            return Ok(Step::Passed);
        }
        let step = listing(&message, &mut self.listed, &mut publish);
        publish(bytes);
        if apply(&mut self.books, &mut self.outside, &message, sink).is_err() {
            self.contradictions += 1;
        }
        Ok(step)
    }

    /// Messages of a type or a size that is not known.
    pub fn passed_over(&self) -> PassedOver {
        self.passed
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

/// True for a message about an order that the file has not brought: it entered before the file begins.
fn before_the_file(books: &Books, message: &Message<'_>) -> bool {
    let order = match message {
        Message::OrderExecuted(body) => body.order,
        Message::OrderExecutedWithPrice(body) => body.order,
        Message::OrderCancel(body) => body.order,
        Message::OrderDelete(body) => body.order,
        Message::OrderReplace(body) => body.order,
        _ => return false,
    };
    books.order(order.get()).is_none()
}

/// What a message lists. An order of a stock that no directory named, in a file that begins after it, lists its stock:
/// the directory's line, and that it trades, are published first.
fn listing(message: &Message<'_>, listed: &mut [bool], publish: &mut impl FnMut(&[u8])) -> Step {
    let (header, stock) = match message {
        Message::StockDirectory(body) => (&body.header, body.stock),
        Message::AddOrder(body) => (&body.header, body.stock),
        Message::AddOrderAttributed(body) => (&body.header, body.stock),
        _ => return Step::Message,
    };
    let locate = header.locate.get();
    let known = listed.get_mut(usize::from(locate)).is_none_or(|listed| core::mem::replace(listed, true));
    let is_directory = matches!(message, Message::StockDirectory(_));
    if known && !is_directory {
        return Step::Message;
    }
    if !is_directory {
        let stamp = header.timestamp.nanos();
        publish(publisher::stock_directory(Header::of::<StockDirectory>(locate, 0, stamp), stock).as_bytes());
        publish(publisher::trading(Header::of::<StockTradingAction>(locate, 0, stamp), stock).as_bytes());
    }
    Step::Listed(stock, InstrumentId(locate))
}

/// Finds frames, and their stamps divided by `factor`.
fn framer(factor: f64) -> Framer {
    Box::new(move |bytes| {
        let Some((head, body)) = bytes.split_first_chunk::<2>() else { return Framing::More };
        let len = match (usize::from(u16::from_be_bytes(*head)), body.first()) {
            // The end mark, where nothing follows.
            (0, None) => return Framing::LastOrMore { len: 2 },
            (0, Some(letter)) => match size_of_type(*letter) {
                Some(len) => len,
                None => return Framing::Damaged("a message of no ITCH 5.0 type, and without its length"),
            },
            (len, _) => len,
        };
        let Some(message) = body.get(..len) else { return Framing::More };
        let stamp = decode(message).ok().map(|message| message.header().timestamp.nanos());
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
