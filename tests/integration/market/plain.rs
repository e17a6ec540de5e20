//! A decoder of ITCH 5.0 files with its book, apart from everything that the program has: bytes at the offsets of the
//! specification (Nasdaq TotalView-ITCH 5.0, section 1), in the plainest form.

use std::path::Path;

use super::BookLine;

struct Order {
    locate: u64,
    side: char,
    number: u64,
    price: u64,
    shares: u64,
}

/// Reads a file of messages, each behind its length in two bytes, and gives the book at its end: for `symbols` in their
/// order, bids before asks, in the order in which they would trade. Panics on whatever contradicts the book.
pub fn book_of_file(path: &Path, symbols: &[String]) -> Vec<BookLine> {
    let bytes = std::fs::read(path).expect("the ITCH file");
    let mut rest = bytes.as_slice();
    let mut stocks: Vec<(u64, String)> = Vec::new();
    let mut orders: Vec<Order> = Vec::new();
    while !rest.is_empty() {
        let len = number(rest, 0, 2) as usize;
        apply(&rest[2..2 + len], &mut stocks, &mut orders);
        rest = &rest[2 + len..];
    }
    let mut lines = Vec::new();
    for symbol in symbols {
        let locate = stocks.iter().find(|(_, name)| name == symbol).expect("a listed symbol").0;
        for side in ['B', 'S'] {
            let mut found: Vec<&Order> =
                orders.iter().filter(|order| order.locate == locate && order.side == side).collect();
            // Stable: what came first stands first at its price.
            found.sort_by_key(|order| if side == 'B' { u64::MAX - order.price } else { order.price });
            lines.extend(
                found.iter().map(|order| {
                    (symbol.clone(), side, order.number, order.price as i64, order.shares as i64)
                }),
            );
        }
    }
    lines
}

fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn apply(message: &[u8], stocks: &mut Vec<(u64, String)>, orders: &mut Vec<Order>) {
    let locate = number(message, 1, 2);
    match message[0] {
        b'R' => {
            let name = String::from_utf8(message[11..19].to_vec()).expect("ASCII");
            stocks.push((locate, name.trim_end().to_owned()));
        }
        b'A' | b'F' => orders.push(Order {
            locate,
            side: char::from(message[19]),
            number: number(message, 11, 8),
            price: number(message, 32, 4),
            shares: number(message, 20, 4),
        }),
        b'E' | b'C' | b'X' => {
            let found = position(orders, number(message, 11, 8));
            let left = orders[found].shares.checked_sub(number(message, 19, 4));
            orders[found].shares = left.expect("no more shares than the order has");
            if orders[found].shares == 0 {
                orders.remove(found);
            }
        }
        b'D' => drop(orders.remove(position(orders, number(message, 11, 8)))),
        b'U' => {
            let old = orders.remove(position(orders, number(message, 11, 8)));
            orders.push(Order {
                number: number(message, 19, 8),
                shares: number(message, 27, 4),
                price: number(message, 31, 4),
                ..old
            });
        }
        _ => {}
    }
}

fn position(orders: &[Order], wanted: u64) -> usize {
    orders.iter().position(|order| order.number == wanted).expect("a live order")
}
