//! What a session was, as numbers, as text and as JSON.

use std::fmt;

use pricewright_core::kernel::{Nanos, SideCode};
use pricewright_feeds::nasdaq::SessionId;
use serde_json::{Value, json};

use super::lines::ReRequestCounters;
use crate::sim::exchange::{BookOrder, Counters};
use crate::sim::faults::LineCounters;

/// What a session was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimSummary {
    /// Its name.
    pub session: SessionId,
    /// How long it took, the lingering at its end included.
    pub elapsed: Nanos,
    /// ITCH messages published.
    pub messages: u64,
    /// What each line did, A first.
    pub lines: Vec<LineCounters>,
    /// What the re-request server did.
    pub rerequests: ReRequestCounters,
    /// Logins of participants.
    pub logins: u64,
    /// Snapshots asked for.
    pub snapshots: u64,
    /// What the exchange counted.
    pub exchange: Counters,
    /// The displayed book at the end: by instrument, bids before asks, in the order in which they would trade.
    pub book: Vec<BookOrder>,
}

impl SimSummary {
    /// Everything as one JSON object. Prices are decimal text with the four digits of ITCH, quantities in shares.
    pub fn to_json(&self) -> Value {
        let line = |line: &LineCounters| {
            json!({
                "packets": line.packets,
                "lost": line.lost,
                "duplicated": line.duplicated,
                "reordered": line.reordered,
                "refused": line.refused,
            })
        };
        let order = |order: &BookOrder| {
            json!({
                "symbol": order.symbol.as_str(),
                "side": SideCode::from(order.side).name(),
                "order": order.order,
                "price": format!("{}.{:04}", order.price.0 / 10_000, order.price.0 % 10_000),
                "qty": order.qty.0,
            })
        };
        json!({
            "session": self.session.as_str(),
            "elapsed_s": self.elapsed.as_secs_f64(),
            "messages": self.messages,
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "rerequests": {
                "received": self.rerequests.received,
                "served": self.rerequests.served,
                "lost": self.rerequests.lost,
                "unanswered": self.rerequests.unanswered,
                "refused": self.rerequests.refused,
            },
            "logins": self.logins,
            "snapshots": self.snapshots,
            "background": self.exchange.background,
            "executions": self.exchange.executions,
            "requests": self.exchange.requests,
            "orders": self.exchange.orders,
            "rejected": self.exchange.rejected,
            "ignored": self.exchange.ignored,
            "malformed": self.exchange.malformed,
            "outside_fills": self.exchange.outside_fills,
            "contradictions": self.exchange.contradictions,
            "passed_over": self.exchange.passed_over.count,
            "book": self.book.iter().map(order).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for SimSummary {
    /// A few lines without a newline at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session, messages, exchange, rerequests, .. } = self;
        let seconds = self.elapsed.as_secs_f64();
        writeln!(
            f,
            "Session {session}: {messages} messages in {seconds:.1} s, {} executions.",
            exchange.executions
        )?;
        for (name, line) in ('A'..).zip(&self.lines) {
            let LineCounters { packets, lost, duplicated, reordered, refused } = line;
            write!(
                f,
                "Line {name}: {packets} packets, {lost} lost, {duplicated} sent twice, {reordered} reordered"
            )?;
            match refused {
                0 => writeln!(f, ".")?,
                _ => writeln!(f, ", {refused} refused by the socket.")?,
            }
        }
        let ReRequestCounters { received, served, lost, unanswered, .. } = rerequests;
        writeln!(
            f,
            "Re-requests: {received} received, {served} served, {lost} lost, {unanswered} without answer. Snapshots: {}.",
            self.snapshots
        )?;
        let Counters { requests, orders, rejected, outside_fills, .. } = exchange;
        writeln!(
            f,
            "Participants: {} logins, {requests} requests, {orders} orders taken, {rejected} refused, {outside_fills} fills.",
            self.logins
        )?;
        if exchange.passed_over.count > 0 {
            writeln!(f, "Of the recording {}.", exchange.passed_over)?;
        }
        if exchange.contradictions > 0 {
            writeln!(
                f,
                "{} recorded messages are about orders that the recording does not hold (it begins within a day, or lacks \
                 some): passed over.",
                exchange.contradictions
            )?;
        }
        write!(f, "Book at the end: {} orders.", self.book.len())
    }
}
