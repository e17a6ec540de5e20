//! The Nasdaq-style stack, both directions of each protocol, as sans-I/O state machines.
//!
//! ```text
//! market data:   ITCH 5.0 in MoldUDP64 packets     [`itch`] [`moldudp64`]    → [`market_data`] → records
//! snapshots:     GLIMPSE 5.0 in SoupBinTCP packets [`glimpse`]                → [`market_data`], where packets are lost for good
//! order entry:   OUCH 5.0 in SoupBinTCP packets    [`ouch`] [`soupbintcp`]   ↔ [`order_entry`] ↔ records
//! ```
//!
//! Messages are borrowed views of the received bytes; nothing is allocated per message after construction. Decoders
//! take any bytes: what is malformed is an error value. Time enters only as `now`.
//!
//! Sources: Nasdaq TotalView-ITCH 5.0, MoldUDP64 1.00, SoupBinTCP 3.00 and OUCH 5.0 (revision of October 2025).

pub mod alpha;
pub mod day;
pub mod drop_copy;
pub mod glimpse;
pub mod instrument;
pub mod itch;
pub mod market_data;
pub mod moldudp64;
pub mod order_entry;
pub mod ouch;
pub mod soupbintcp;
pub mod store;

pub use alpha::{Alpha, SessionId, Symbol};
pub use day::SessionDay;
pub use instrument::{InstrumentError, InstrumentSpec};
pub use store::{MessageLog, MessageStore};

/// The highest sequence that a session is believed to have: a thousand times a day of a whole market.
const HIGHEST_SEQUENCE: u64 = 1 << 40;

#[cfg(test)]
mod testing;
