//! A desk and a simulated exchange on real sockets, and the judges of what the desk made of it.

pub mod audit;
pub mod engine;
pub mod plain;

use pricewright_core::kernel::{InstrumentId, Side};
use pricewright_core::market::book::BookStore;

/// An order of a book, in terms that every judge has: symbol, `B` or `S`, number, price in 0.0001, shares.
pub type BookLine = (String, char, u64, i64, i64);

/// Every order of `books`: by instrument, bids before asks, in the order in which they would trade.
pub fn book_lines<B: BookStore>(books: &B, symbols: &[String]) -> Vec<BookLine> {
    let mut lines = Vec::new();
    for (id, symbol) in (0u16..).map(InstrumentId).zip(symbols) {
        for (side, letter) in [(Side::Buy, 'B'), (Side::Sell, 'S')] {
            let orders = books.all_orders(id, side);
            lines.extend(
                orders.iter().map(|order| (symbol.clone(), letter, order.order, order.price.0, order.qty.0)),
            );
        }
    }
    lines
}
