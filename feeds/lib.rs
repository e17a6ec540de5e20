//! Wire protocols as sans-I/O state machines: bytes from outside become events, decisions become bytes for outside.
#![forbid(unsafe_code)]

pub mod jsonl;
pub mod nasdaq;
