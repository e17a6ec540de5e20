//! The built program and its parts as its users run them: real processes, sockets and files. Every wait is bounded;
//! nothing is timed.

// A test is to panic where something is not as expected, and to wait for other processes. Modules of one program have
// nobody outside to hide from.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::disallowed_methods, unreachable_pub)]

mod advice;
mod bad_days;
mod bench;
mod clocks;
mod configuration;
mod doubt;
mod durability;
mod explain;
mod itchy_judge;
mod journal_archive;
mod journal_export;
mod json_errors;
mod json_schema;
mod limits;
mod loss;
mod market;
mod metrics;
mod operator;
mod packets;
mod pricing;
mod pricing_files;
mod pricing_init;
mod pricing_repairs;
mod pricing_tcp;
mod processes;
mod replay;
mod restarts;
mod session;
mod signals;
mod snapshots;
mod starts;
mod support;
mod topology;
mod trading_day;
mod unread;
mod venue;
