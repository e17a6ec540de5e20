//! The simulated exchange.

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
#[cfg(test)]
mod testing;

pub use config::SimConfig;
pub use error::SimError;
pub use server::{Sim, SimAddresses, SimHandle, SimSummary};
