//! The header that packets and re-requests share.

use zerocopy::big_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::nasdaq::SessionId;

/// The count that says the session is over.
pub const END_OF_SESSION: u16 = 0xffff;
/// Bytes of a header.
pub const HEADER_LEN: usize = size_of::<Header>();
/// The largest UDP payload over IPv4.
pub const MAX_PACKET: usize = 65_507;

/// What every packet begins with; alone it is a re-request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// The session.
    pub session: SessionId,
    /// Sequence of the first message; for heartbeats and the end of the session, the next expected sequence.
    pub sequence: U64,
    /// How many messages follow; 0 is a heartbeat, [`END_OF_SESSION`] the end. In a re-request: how many are wanted.
    pub count: U16,
}

const _: () = assert!(HEADER_LEN == 20);
