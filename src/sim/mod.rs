//! The simulated exchange: an exchange as it is from outside, over real sockets.
//!
//! ```text
//!  flow (seeded) ─┐                        ┌─► tape of ITCH 5.0 ─► MoldUDP64 ─► line A, line B (with faults)
//!                 ├─► exchange (matching) ─┤                 └───► re-request server
//!  participants ──┘                        │     └───► GLIMPSE 5.0 snapshots ─► SoupBinTCP
//!                                         └─► tapes of OUCH 5.0 ─► SoupBinTCP
//! ```
//!
//! * [`flow`]: the seeded background flow, calm and volatile.
//! * [`replay`]: a recorded ITCH file as the market instead.
//! * [`exchange`]: market and participants, without sockets, deterministic.
//! * [`faults`]: loss, repetition and reordering per line.
//! * [`server`]: sockets and time, on one thread that never spins.
//!
//! [`Sim::start`] embeds it as a thread; [`Sim::run_until_stopped`] makes it a process of its own. Nobody's credentials
//! are needed: the first login of a name makes its account.

pub mod config;
pub mod exchange;
pub mod faults;
pub mod flow;
pub mod replay;
pub mod server;
pub mod tape;

mod account;
mod error;
mod publisher;
mod random;
mod snapshots;
#[cfg(test)]
mod testing;

pub use config::SimConfig;
pub use error::SimError;
pub use server::{Sim, SimAddresses, SimHandle, SimSummary};
