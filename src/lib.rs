//! Pricewright: one binary that makes prices, from event streams, in microseconds, so that every decision can be
//! replayed bit for bit.
//!
//! This package is everything impure; what decides lives in `pricewright-core` and `pricewright-strategies`, what speaks
//! a venue's protocol in `pricewright-feeds`.
//!
//! * [`ring`] – how records travel from one thread to another.
//! * [`clock`] – the sequencer's stamp and raw stamps for latency.
//! * [`io`] – transports.
//! * [`journal`] – the log of every event and decision.
//! * [`pipeline`] – stages, threads, the sequencer, how a run begins and ends.
//! * [`edges`] – the feeds and gateways, a transport with a protocol each.
//! * [`replay`] – deciding again what a journal holds.
//! * [`telemetry`] – what people see of a running pipeline.
//! * [`sim`] – the simulated exchange.
//! * [`harness`] – measuring.
//! * [`cli`] – the commands.
//!
//! A program with a machine of its own has every command with one line:
//!
//! ```no_run
//! # type MyMachine = pricewright_strategies::pricing::flash_sale::FlashSale;
//! fn main() -> std::process::ExitCode {
//!     pricewright::main::<MyMachine>()
//! }
//! ```

pub mod cli;
pub mod clock;
pub mod config;
pub mod edges;
pub mod error;
pub mod harness;
pub mod io;
pub mod journal;
pub mod machines;
pub mod pipeline;
pub mod replay;
pub mod ring;
pub mod sim;
pub mod telemetry;
#[cfg(test)]
mod testing;

pub use error::{Error, Result};

/// Runs the command line with the bundled machines and `Own`.
pub fn main<Own: machines::Hosted>() -> std::process::ExitCode {
    cli::main::<Own>()
}
