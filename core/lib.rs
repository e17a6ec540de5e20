//! The deterministic heart of Pricewright.
//!
//! Everything here is a pure function of its inputs: no thread, clock, file, socket or environment, and randomness
//! only from a seeded generator that the caller passes in. Four wings:
//!
//! * [`kernel`]: units, the record table, the [`kernel::Machine`] contract, timers, the outbox, probes.
//! * [`market`]: instruments, order books, the matching engine, orders, risk, portfolio.
//! * [`cep`]: complex-event processing.
//! * [`models`]: features, regimes, quoting models, learners.
#![forbid(unsafe_code)]

pub mod cep;
pub mod kernel;
pub mod market;
pub mod models;
