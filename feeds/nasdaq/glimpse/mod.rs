//! GLIMPSE 5.0: the state of all books at one moment, over SoupBinTCP, and the ITCH sequence at which to go on.
//!
//! A client logs in and asks for sequence 1. The server sends what ITCH 5.0 would have to say so that a reader who knows
//! nothing has the present state: system events, the stock directory, trading states, short sale restrictions, and one
//! Add Order for each displayed order, in the order in which they would trade. The last message is
//!
//! ```text
//!  0  'G'   1  20 ASCII digits, right-justified: the sequence of the first ITCH message that is not in the snapshot
//! ```
//!
//! Both sides are here as sans-I/O state machines: [`SnapshotServer`] with its [`BookImage`], and [`SnapshotClient`],
//! whose [`Snapshot`] is complete or an error, never in between. [`recovery`] says when a feed needs one, keeps what
//! arrives meanwhile in bounded memory, and decides whether a snapshot fits.
//!
//! Source: Nasdaq GLIMPSE 5.0.

mod decode;
mod encode;
mod message;
pub mod recovery;
pub mod session;
#[cfg(test)]
pub(crate) mod testing;

pub use decode::{SnapshotMessage, decode};
pub use encode::{BookImage, ImageError, snapshot_end};
pub use message::SnapshotEnd;
pub use session::{
    ServerOutcome, Snapshot, SnapshotClient, SnapshotClientConfig, SnapshotError, SnapshotServer,
};
