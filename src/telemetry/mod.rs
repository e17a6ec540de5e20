//! What people see of a running pipeline: the status line, latencies, the summary. Everything here tails the journal or
//! the side trace, off the hot path.

pub mod price_board;
pub mod status;
pub mod trace;
