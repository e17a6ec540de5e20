//! Prints the books of an ITCH 5.0 file as JSON, order by order: after every EVERY messages, where that is given, and at
//! the end.
//!
//! ```text
//! cargo run --release --example itch_book -- FILE [EVERY]
//! ```
//!
//! One line per book: `{"after": messages, "book": [{"symbol", "side", "order", "price", "qty"}, …]}`, prices in units of
//! 0.0001, by locate code, bids before asks, in the order in which the orders would trade.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufWriter, Write};

use pricewright_core::kernel::{InstrumentId, Side, SideCode};
use pricewright_core::market::book::{BookStore, Books};
use pricewright_feeds::nasdaq::Symbol;
use pricewright_feeds::nasdaq::itch::book::apply;
use pricewright_feeds::nasdaq::itch::{FileReader, Message};
use serde_json::{Value, json};

/// Locate codes have 16 bits.
const INSTRUMENTS: usize = 1 << 16;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("give an ITCH 5.0 file: itch_book FILE [EVERY]")?;
    let every: u64 = arguments.next().map_or(Ok(u64::MAX), |text| text.parse())?;
    let bytes = std::fs::read(&path)?;
    let mut listed: BTreeMap<InstrumentId, Symbol> = BTreeMap::new();
    let mut books = Books::with_capacity(INSTRUMENTS, 1 << 16, 16);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut count = 0u64;
    for message in FileReader::new(&bytes) {
        let (offset, message) = message?;
        if let Message::StockDirectory(body) = &message {
            listed.insert(InstrumentId(body.header.locate.get()), body.stock);
        }
        apply(&mut books, &message).map_err(|error| format!("message at byte {offset}: {error}"))?;
        count += 1;
        if count.is_multiple_of(every) {
            writeln!(out, "{}", json!({ "after": count, "book": lines(&books, &listed) }))?;
        }
    }
    writeln!(out, "{}", json!({ "after": count, "book": lines(&books, &listed) }))?;
    Ok(out.flush()?)
}

fn lines(books: &Books, listed: &BTreeMap<InstrumentId, Symbol>) -> Vec<Value> {
    let mut lines = Vec::new();
    for (id, symbol) in listed {
        for side in [Side::Buy, Side::Sell] {
            lines.extend(books.all_orders(*id, side).iter().map(|order| {
                json!({
                    "symbol": symbol.as_str(),
                    "side": SideCode::from(side).name(),
                    "order": order.order,
                    "price": order.price.0,
                    "qty": order.qty.0,
                })
            }));
        }
    }
    lines
}
