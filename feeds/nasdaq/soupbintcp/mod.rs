//! SoupBinTCP 3.00: a sequenced, recoverable stream from server to client over TCP, and unsequenced messages back.
//!
//! ```text
//!  0  u16 length of what follows   2  u8 type   3  payload
//! ```
//!
//! Server to client `S` is sequenced without carrying its number: the login says where counting begins. Client to
//! server `U` is not sequenced and may be lost with the connection.

mod decode;
mod encode;
mod message;
pub mod session;

pub use decode::{Deframer, SoupError, SoupFault};
pub use encode::{OutBuffer, OutFull};
pub use message::{LoginAccepted, LoginRequest, MAX_PAYLOAD, Packet, Password, numeric, numeric_of};
pub use session::{
    ClientConfig, ClientEvent, ClientSession, ServerConfig, ServerEvent, ServerSession, SessionError,
};
