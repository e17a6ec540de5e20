//! What people see of a running pipeline: the status line, latencies, the summary. Everything here tails the journal or
//! the side trace, off the hot path; what is said never keeps who says it waiting ([`console`]).

pub mod console;
pub mod json_log;
pub mod metrics;
pub mod news;
pub mod price_board;
pub mod status;
pub mod trace;
