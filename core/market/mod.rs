//! Instruments, books, the matching engine, orders, risk and portfolio.

pub mod book;
pub mod instrument;
pub mod order;
pub mod portfolio;
pub mod risk;
pub mod matching;
