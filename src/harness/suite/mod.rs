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

/// The names of all benches, in the order in which `bench all` runs them.
pub const NAMES: [&str; 7] =
    ["floor", "ring", "journal", "decode", "book", "tick-to-decision", "tick-to-trade"];

/// The bench of this name.
///
/// # Errors
/// Where there is none.
pub fn by_name(name: &str) -> Result<Box<dyn Bench>> {
    Ok(match name {
        "floor" => Box::new(floor::Floor::default()),
        "ring" => Box::new(ring::Ring),
        "journal" => Box::new(journal::Journal::default()),
        "decode" => Box::new(decode::Decode),
        "book" => Box::new(book::BookBench),
        "tick-to-decision" => Box::new(tick_to_decision::TickToDecision::default()),
        "tick-to-trade" => Box::new(tick_to_trade::TickToTrade::default()),
        "replay" => Box::new(replay::Replay::default()),
        _ => {
            return Err(Error::Usage(format!(
                "there is no bench {name:?}: choose one of {}",
                NAMES.join(", ")
            )));
        }
    })
}
