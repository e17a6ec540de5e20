//! The edges of a pipeline: each a transport joined to a protocol.
//!
//! * [`nasdaq`]: ITCH over MoldUDP64 in, with recovery; [`ouch`]: orders out and answers in.
//! * [`glimpse`]: snapshots of books, where packets are lost for good.
//! * [`jsonl`]: JSON lines in, from standard input, a file, TCP or a generator; [`lines_out`]: prices and dead letters out;
//!   [`answers`]: prices and acknowledgements to TCP clients.
//! * [`http`]: current prices over HTTP; [`metrics`]: figures for Prometheus, and probes.

pub mod answers;
pub mod assemble;
pub mod drop_copy;
pub mod glimpse;
pub mod http;
pub mod instruments;
pub mod jsonl;
mod kernel_queue;
pub mod lines_out;
pub mod metrics;
pub mod nasdaq;
pub mod ouch;
mod output_file;
mod pipe;
pub mod recorder;
pub mod vitals;
mod warm_path;
