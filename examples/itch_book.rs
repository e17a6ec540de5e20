//! Prints the books of an ITCH 5.0 file as JSON, order by order: after every EVERY messages, where that is given, and at
//! the end.
//!
//! ```text
//! cargo run --release --example itch_book -- FILE [EVERY]
//! ```
//!
//! One line per book: `{"after": messages, "book": [{"symbol", "side", "order", "price", "qty"}, …]}`, prices in units of
//! 0.0001, by locate code, bids before asks, in the order in which the orders would trade. The file may be packed by gzip
//! and may begin in the middle of a day: messages of types that ITCH 5.0 does not name, and those about orders that entered
//! before it begins, are passed over; how many, is said on standard error.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufWriter, Read as _, Write};

use pricewright::io::file::unpacked;
use pricewright_core::kernel::{InstrumentId, Side, SideCode};
use pricewright_core::market::book::{BookError, BookStore, Books};
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
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&path).map_err(|error| format!("{path}: {error}"))?;
    unpacked(file)?.read_to_end(&mut bytes).map_err(|error| format!("{path}: {error}"))?;
    let mut listed: BTreeMap<InstrumentId, Symbol> = BTreeMap::new();
    let mut books = Books::with_capacity(INSTRUMENTS, 1 << 16, 16);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let (mut count, mut strangers) = (0u64, 0u64);
    let mut reader = FileReader::new(&bytes);
    for message in reader.by_ref() {
        let (offset, message) = message?;
        note_listing(&message, &mut listed);
        match apply(&mut books, &message) {
            Ok(()) => {}
            Err(BookError::UnknownOrder) => strangers += 1,
            Err(error) => return Err(format!("message at byte {offset}: {error}").into()),
        }
        count += 1;
        if count.is_multiple_of(every) {
            writeln!(out, "{}", json!({ "after": count, "book": lines(&books, &listed) }))?;
        }
    }
    writeln!(out, "{}", json!({ "after": count, "book": lines(&books, &listed) }))?;
    out.flush()?;
    let passed = reader.passed_over();
    if passed.count > 0 {
        eprintln!("{path}: {passed}");
    }
    if strangers > 0 {
        eprintln!(
            "{path}: {strangers} messages are about orders that the file does not hold (it begins within a day, or lacks \
             some): passed over"
        );
    }
    Ok(())
}

/// The directory names a stock's code; where the file begins after it, the stock's first order does.
fn note_listing(message: &Message<'_>, listed: &mut BTreeMap<InstrumentId, Symbol>) {
    let (header, stock) = match message {
        Message::StockDirectory(body) => (&body.header, body.stock),
        Message::AddOrder(body) => (&body.header, body.stock),
        Message::AddOrderAttributed(body) => (&body.header, body.stock),
        _ => return,
    };
    let id = InstrumentId(header.locate.get());
    if matches!(message, Message::StockDirectory(_)) {
        listed.insert(id, stock);
    } else {
        listed.entry(id).or_insert(stock);
    }
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
