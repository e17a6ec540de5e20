//! Bytes to messages: one message, and a file of them.

use super::message::{Message, size_of_type};

/// Why bytes are no ITCH message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There are none.
    #[error("an empty message")]
    Empty,
    /// The letter names no type of ITCH 5.0.
    #[error("message type {0:#04x} is not in ITCH 5.0")]
    UnknownType(u8),
    /// The size is not that of the type.
    #[error("message type {message_type:#04x} takes {expected} bytes, found {found}")]
    Length {
        /// The letter.
        message_type: u8,
        /// Bytes that the type takes.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
}

/// Decodes one message; `bytes` must hold it and nothing else.
///
/// # Errors
/// [`DecodeError`] where there is no such type or the size is another.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Message<'_>, DecodeError> {
    let letter = *bytes.first().ok_or(DecodeError::Empty)?;
    match Message::view(letter, bytes) {
        Some(message) => Ok(message),
        None => Err(refusal(letter, bytes.len())),
    }
}

/// The locate code of a message of any type, known or not: it stands at the same place in all of them. `None` where the
/// bytes end before it.
pub fn locate_of(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(1)?, *bytes.get(2)?]))
}

#[cold]
fn refusal(message_type: u8, found: usize) -> DecodeError {
    match size_of_type(message_type) {
        Some(expected) => DecodeError::Length { message_type, expected, found },
        None => DecodeError::UnknownType(message_type),
    }
}

/// Where a file stops being readable, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ITCH file, byte {offset}: {fault}")]
pub struct FileError {
    /// Offset of the frame's length bytes.
    pub offset: usize,
    /// What is wrong there.
    pub fault: FileFault,
}

/// What is wrong with a frame of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// The file ends inside the frame.
    #[error("the file ends inside a message")]
    Truncated,
    /// The body is no message.
    #[error(transparent)]
    Message(#[from] DecodeError),
}

/// Messages of a file that were passed over, because their type or size is none of ITCH 5.0: the venue adds types without a
/// new version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// How many.
    pub count: u64,
    /// The first: where its frame begins, and what is unknown of it.
    pub first: Option<(u64, DecodeError)>,
}

impl PassedOver {
    /// So many unknown messages before any known one make a file that is none of ITCH 5.0.
    pub const MOST_BEFORE_THE_FIRST: u64 = 16;

    /// Counts a message that begins at `offset`.
    pub fn note(&mut self, offset: u64, error: DecodeError) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert((offset, error));
    }
}

impl core::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.first {
            None => write!(f, "no message was passed over"),
            Some((offset, error)) => {
                write!(f, "{} messages were passed over, the first at byte {offset}: {error}", self.count)
            }
        }
    }
}

/// The messages of a file in the BinaryFILE framing: a big-endian `u16` length, then the message.
///
/// Files whose length bytes are all zero exist: there the size follows from the type. A zero length at the very end is
/// the end-of-session mark of the framing. A message of an unknown type or size is passed over and counted, as far as its
/// length says where the next one begins. After an error the iterator ends.
#[derive(Clone, Debug)]
pub struct FileReader<'a> {
    bytes: &'a [u8],
    offset: usize,
    given: bool,
    passed: PassedOver,
}

impl<'a> FileReader<'a> {
    /// Reads from the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0, given: false, passed: PassedOver::default() }
    }

    /// Offset of the next frame.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What was passed over so far.
    pub fn passed_over(&self) -> PassedOver {
        self.passed
    }

    fn frame(&mut self, rest: &'a [u8]) -> Result<Option<Message<'a>>, FileFault> {
        let (head, body) = rest.split_first_chunk::<2>().ok_or(FileFault::Truncated)?;
        let said = usize::from(u16::from_be_bytes(*head));
        let len = match (said, body.first()) {
            (0, None) => {
                self.offset = self.bytes.len();
                return Ok(None);
            }
            (0, Some(letter)) => size_of_type(*letter).ok_or(DecodeError::UnknownType(*letter))?,
            (len, _) => len,
        };
        let decoded = decode(body.get(..len).ok_or(FileFault::Truncated)?);
        let begins = self.offset;
        self.offset += 2 + len;
        match decoded {
            Ok(message) => {
                self.given = true;
                Ok(Some(message))
            }
            Err(error) if !self.given && self.passed.count >= PassedOver::MOST_BEFORE_THE_FIRST => {
                Err(error.into())
            }
            Err(error) => {
                self.passed.note(begins as u64, error);
                Ok(None)
            }
        }
    }
}

impl<'a> Iterator for FileReader<'a> {
    type Item = Result<(usize, Message<'a>), FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let offset = self.offset;
            let rest = self.bytes.get(offset..).filter(|rest| !rest.is_empty())?;
            match self.frame(rest) {
                Ok(Some(message)) => return Some(Ok((offset, message))),
                Ok(None) => {}
                Err(fault) => {
                    self.offset = self.bytes.len();
                    return Some(Err(FileError { offset, fault }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
