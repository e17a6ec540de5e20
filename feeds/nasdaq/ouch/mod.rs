//! Nasdaq OUCH 5.0: orders in, answers out.
//!
//! ```text
//!  fixed part   u16 bytes of the appendage   appendage: elements { u8 length of tag and value, u8 tag, value }
//! ```
//!
//! Integers are big-endian; prices are `u64` in units of 1e-4; timestamps are nanoseconds since the venue's midnight in
//! 8 bytes. Where a message may do without options, the appendage and its length may be left out altogether.
//! An order is named by its UserRefNum, which must rise from request to request of a day and account; a request with a
//! number that was used before is ignored, so that requests may be resent without harm.

mod appendage;
mod decode;
mod encode;
mod message;

pub use appendage::{Appendage, AppendageBuf, AppendageFault, MAX_APPENDAGE, tag};
pub use decode::{OuchError, OuchFault, Request, Response, decode_request, decode_response};
pub use encode::{MAX_MESSAGE, write};
pub use message::*;
