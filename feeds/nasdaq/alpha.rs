//! Text fields of fixed width, as all four protocols have them: ASCII, padded with spaces.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `N` bytes of ASCII, left-justified, padded on the right with spaces. Received bytes are kept as they are.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(transparent)]
pub struct Alpha<const N: usize>(pub [u8; N]);

/// A stock symbol.
pub type Symbol = Alpha<8>;
/// The name of a sender's session (MoldUDP64, SoupBinTCP).
pub type SessionId = Alpha<10>;

impl<const N: usize> Alpha<N> {
    /// All spaces.
    pub const BLANK: Self = Self([b' '; N]);

    /// `text` padded with spaces; `None` where it is too long or not printable ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let mut field = Self::BLANK;
        field.0.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        field.is_printable().then_some(field)
    }

    /// The bytes without the padding on the right.
    pub fn trimmed(&self) -> &[u8] {
        self.0.trim_ascii_end()
    }

    /// The text without the padding on the right; empty where it is not printable ASCII.
    pub fn as_str(&self) -> &str {
        if self.is_printable() { core::str::from_utf8(self.trimmed()).unwrap_or("") } else { "" }
    }

    /// True where every byte is printable ASCII.
    pub fn is_printable(&self) -> bool {
        self.0.iter().all(|byte| (b' '..=b'~').contains(byte))
    }

    /// True where it holds nothing but spaces.
    pub fn is_blank(&self) -> bool {
        self.trimmed().is_empty()
    }
}

impl<const N: usize> Default for Alpha<N> {
    fn default() -> Self {
        Self::BLANK
    }
}

impl<const N: usize> core::fmt::Debug for Alpha<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl<const N: usize> core::fmt::Display for Alpha<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.trimmed().escape_ascii())
    }
}
