//! What messages say about books, carried out on books.
//!
//! Locate codes are taken as instruments and prices stay in units of 0.0001: for readers of whole files and for
//! measuring. A desk goes by its own instruments and ticks (`market_data`).

use pricewright_core::kernel::{InstrumentId, Lots, Side, Ticks};
use pricewright_core::market::book::{BookError, BookStore, Books, Coming};
use zerocopy::big_endian::U32;

use super::message::Message;

/// Messages whose memory is read ahead together.
const AHEAD: usize = 32;
/// Live orders from which reading ahead is worth its instructions: about where books outgrow a core's own cache.
const MANY_ORDERS: usize = 1 << 16;

/// Carries out what a message says about a book; most types say nothing.
///
/// # Errors
/// What the book refused; nothing is changed then.
#[inline]
pub fn apply(books: &mut impl BookStore, message: &Message<'_>) -> Result<(), BookError> {
    let instrument = InstrumentId(message.header().locate.get());
    match message {
        Message::AddOrder(body) => {
            books.add(instrument, body.order.get(), side(body.side), ticks(body.price), lots(body.shares))
        }
        Message::AddOrderAttributed(body) => {
            books.add(instrument, body.order.get(), side(body.side), ticks(body.price), lots(body.shares))
        }
        Message::OrderExecuted(body) => books.execute(body.order.get(), lots(body.shares)).map(drop),
        Message::OrderExecutedWithPrice(body) => books.execute(body.order.get(), lots(body.shares)).map(drop),
        Message::OrderCancel(body) => books.reduce(body.order.get(), lots(body.shares)).map(drop),
        Message::OrderDelete(body) => books.delete(body.order.get()).map(drop),
        Message::OrderReplace(body) => {
            let (order, new_order) = (body.order.get(), body.new_order.get());
            books.replace(order, new_order, ticks(body.price), lots(body.shares)).map(drop)
        }
        _ => Ok(()),
    }
}

/// Carries out messages in order, as [`apply`] does one by one; what a book refuses is given to `refused` with the
/// message's place. Where the books are large, the memory that coming messages need is read ahead, so that one message's
/// wait for memory is also the next ones' ([`Books::warm`]).
pub fn apply_batch(books: &mut Books, messages: &[Message<'_>], mut refused: impl FnMut(usize, BookError)) {
    let ahead = books.len() >= MANY_ORDERS;
    carry_out(books, messages, ahead, &mut refused);
}

fn carry_out(
    books: &mut Books,
    messages: &[Message<'_>],
    ahead: bool,
    refused: &mut impl FnMut(usize, BookError),
) {
    let mut place = 0;
    for batch in messages.chunks(AHEAD) {
        if ahead {
            warm(books, batch);
        }
        for message in batch {
            if let Err(error) = apply(books, message) {
                refused(place, error);
            }
            place += 1;
        }
    }
}

fn warm(books: &Books, messages: &[Message<'_>]) {
    let mut coming = [Coming::Touch { order: 0 }; AHEAD];
    let mut count = 0;
    for (place, command) in coming.iter_mut().zip(messages.iter().filter_map(command)) {
        *place = command;
        count += 1;
    }
    books.warm(coming.get(..count).unwrap_or(&[]));
}

/// The command that a message is to a book, as far as reading ahead needs it.
#[inline]
fn command(message: &Message<'_>) -> Option<Coming> {
    let touch = |order| Some(Coming::Touch { order });
    let instrument = InstrumentId(message.header().locate.get());
    match message {
        Message::AddOrder(body) => {
            let (order, side, price) = (body.order.get(), side(body.side), ticks(body.price));
            Some(Coming::Add { order, instrument, side, price })
        }
        Message::AddOrderAttributed(body) => {
            let (order, side, price) = (body.order.get(), side(body.side), ticks(body.price));
            Some(Coming::Add { order, instrument, side, price })
        }
        Message::OrderExecuted(body) => touch(body.order.get()),
        Message::OrderExecutedWithPrice(body) => touch(body.order.get()),
        Message::OrderCancel(body) => touch(body.order.get()),
        Message::OrderDelete(body) => touch(body.order.get()),
        Message::OrderReplace(body) => touch(body.order.get()),
        _ => None,
    }
}

#[inline]
fn side(letter: u8) -> Side {
    if letter == b'B' { Side::Buy } else { Side::Sell }
}

#[inline]
fn lots(shares: U32) -> Lots {
    Lots(i64::from(shares.get()))
}

#[inline]
fn ticks(price: U32) -> Ticks {
    Ticks(i64::from(price.get()))
}

#[cfg(test)]
mod tests;
