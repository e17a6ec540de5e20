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

/// The messages of a file in the BinaryFILE framing: a big-endian `u16` length, then the message.
///
/// Files whose length bytes are all zero exist: there the size follows from the type. A zero length at the very end is
/// the end-of-session mark of the framing. After an error the iterator ends.
#[derive(Clone, Debug)]
pub struct FileReader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> FileReader<'a> {
    /// Reads from the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Offset of the next frame.
    pub fn offset(&self) -> usize {
        self.offset
    }

    fn frame(&mut self, rest: &'a [u8]) -> Result<Option<Message<'a>>, FileFault> {
        let (head, body) = rest.split_first_chunk::<2>().ok_or(FileFault::Truncated)?;
        let len = match usize::from(u16::from_be_bytes(*head)) {
            0 => match body.first() {
                None => return Ok(None),
                Some(letter) => size_of_type(*letter).ok_or(DecodeError::UnknownType(*letter))?,
            },
            len => len,
        };
        let message = decode(body.get(..len).ok_or(FileFault::Truncated)?)?;
        self.offset += 2 + len;
        Ok(Some(message))
    }
}

impl<'a> Iterator for FileReader<'a> {
    type Item = Result<(usize, Message<'a>), FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let rest = self.bytes.get(offset..).filter(|rest| !rest.is_empty())?;
        match self.frame(rest) {
            Ok(Some(message)) => Some(Ok((offset, message))),
            Ok(None) => {
                self.offset = self.bytes.len();
                None
            }
            Err(fault) => {
                self.offset = self.bytes.len();
                Some(Err(FileError { offset, fault }))
            }
        }
    }
}

#[cfg(test)]
mod tests;
