//! The benches.

pub mod book;
pub mod decode;
pub mod floor;
pub mod journal;
mod records;
pub mod replay;
pub mod ring;
mod stream;
pub mod tick_to_decision;
pub mod tick_to_trade;

use super::runner::Bench;
use crate::error::{Error, Result};

/// Makes a bench that has measured nothing yet.
type Make = fn() -> Box<dyn Bench>;

/// Every bench with its name, in the order in which `bench all` runs them.
const BENCHES: [(&str, Make); 8] = [
    ("floor", || Box::new(floor::Floor::default())),
    ("ring", || Box::new(ring::Ring)),
    ("journal", || Box::new(journal::Journal::default())),
    ("decode", || Box::new(decode::Decode)),
    ("book", || Box::new(book::BookBench)),
    ("tick-to-decision", || Box::new(tick_to_decision::TickToDecision::default())),
    ("tick-to-trade", || Box::new(tick_to_trade::TickToTrade::default())),
    ("replay", || Box::new(replay::Replay::default())),
];

/// The names of all benches, in the order in which `bench all` runs them.
pub fn names() -> Vec<&'static str> {
    BENCHES.iter().map(|(name, _)| *name).collect()
}

/// The bench of this name.
///
/// # Errors
/// Where there is none.
pub fn by_name(name: &str) -> Result<Box<dyn Bench>> {
    match BENCHES.iter().find(|(known, _)| *known == name) {
        Some((_, make)) => Ok(make()),
        None => {
            Err(Error::Usage(format!("there is no bench {name:?}: choose one of {}", names().join(", "))))
        }
    }
}
