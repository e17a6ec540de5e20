//! Nasdaq TotalView-ITCH 5.0: the order-by-order feed, all 23 message types, and the file that holds a day of it.
//!
//! Integers are big-endian; timestamps are nanoseconds since the venue's midnight in 6 bytes; prices are `u32` in units
//! of 1e-4 (the decline levels of the market-wide circuit breaker: `u64` in 1e-8). Locate codes number the stocks of one
//! day and are handed out anew every day.

pub mod book;
mod decode;
mod encode;
mod message;

pub use decode::{DecodeError, FileError, FileFault, FileReader, PassedOver, decode, locate_of};
pub use encode::{END_OF_FILE, append_file_frame, write};
pub use message::*;

/// Codes of the markets that an operational halt may concern.
pub mod market {
    /// The Nasdaq Stock Market.
    pub const NASDAQ: u8 = b'Q';
    /// Nasdaq BX.
    pub const BX: u8 = b'B';
    /// Nasdaq PSX.
    pub const PSX: u8 = b'X';
}
