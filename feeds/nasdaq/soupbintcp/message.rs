//! The packets.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::nasdaq::{Alpha, SessionId};

/// The most payload bytes that a packet can carry.
pub const MAX_PAYLOAD: usize = u16::MAX as usize - 1;

/// A password. It is never shown.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(transparent)]
pub struct Password(pub Alpha<10>);

impl core::fmt::Debug for Password {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What a client says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LoginRequest {
    /// The user.
    pub username: Alpha<6>,
    /// The password.
    pub password: Password,
    /// The session wanted; blank for the current one.
    pub session: SessionId,
    /// The next sequence wanted, ASCII digits; 0 for whatever comes next.
    pub sequence: [u8; 20],
}

/// The server's answer to a login that it grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LoginAccepted {
    /// The session.
    pub session: SessionId,
    /// The sequence of the next sequenced message, ASCII digits.
    pub sequence: [u8; 20],
}

const _: () = assert!(size_of::<LoginRequest>() == 46 && size_of::<LoginAccepted>() == 30);

/// A packet, borrowed from the received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `+`: text for a person.
    Debug(&'a [u8]),
    /// `L`, client: the login.
    LoginRequest(&'a LoginRequest),
    /// `A`, server: the login is granted.
    LoginAccepted(&'a LoginAccepted),
    /// `J`, server: it is not; `A` not authorised, `S` session not available.
    LoginRejected(u8),
    /// `S`, server: a sequenced message.
    Sequenced(&'a [u8]),
    /// `U`, either: an unsequenced message.
    Unsequenced(&'a [u8]),
    /// `R`, client: alive.
    ClientHeartbeat,
    /// `H`, server: alive.
    ServerHeartbeat,
    /// `Z`, server: the session is over.
    EndOfSession,
    /// `O`, client: good-bye.
    LogoutRequest,
}

impl Packet<'_> {
    /// The letter of its type.
    pub fn letter(&self) -> u8 {
        match self {
            Self::Debug(_) => b'+',
            Self::LoginRequest(_) => b'L',
            Self::LoginAccepted(_) => b'A',
            Self::LoginRejected(_) => b'J',
            Self::Sequenced(_) => b'S',
            Self::Unsequenced(_) => b'U',
            Self::ClientHeartbeat => b'R',
            Self::ServerHeartbeat => b'H',
            Self::EndOfSession => b'Z',
            Self::LogoutRequest => b'O',
        }
    }
}

/// A number as the numeric fields carry it: ASCII digits, padded on the left with spaces.
pub fn numeric(mut value: u64) -> [u8; 20] {
    let mut field = [b' '; 20];
    for byte in field.iter_mut().rev() {
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    field
}

/// The number of a numeric field; `None` where it is none, or does not fit.
pub fn numeric_of(field: &[u8; 20]) -> Option<u64> {
    let digits = field.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
