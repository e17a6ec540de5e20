//! Instruments, books, the matching engine, orders, risk and portfolio.

pub mod book;
pub mod instrument;
pub mod matching;
pub mod order;
pub mod portfolio;
pub mod risk;
