//! MoldUDP64 1.00: sequenced messages in UDP packets, with re-requests by unicast.
//!
//! ```text
//!  0  session[10]   10  u64 sequence of the first message   18  u16 count, then count × { u16 length, message }
//! ```
//!
//! A count of 0 is a heartbeat, 0xFFFF the end of the session; both carry the next expected sequence. A re-request is
//! such a header alone, sent to the re-request server.

mod decode;
mod encode;
mod message;
pub mod recovery;
pub mod session;

pub use decode::{Messages, Packet, PacketError, decode, decode_request};
pub use encode::{PacketBuilder, end_of_session, heartbeat, request};
pub use message::{END_OF_SESSION, HEADER_LEN, Header, MAX_PACKET};
pub use recovery::{Receiver, ReceiverConfig};
pub use session::{Responder, Sender};
