//! The built program as its users run it: real processes, sockets and files. Every wait is bounded; nothing is timed.

// A test is to panic where something is not as expected, and to wait for other processes.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::disallowed_methods)]

mod market;
mod packets;
mod pricing;
mod pricing_init;
mod pricing_tcp;
mod replay;
mod session;
mod support;
