//! Messages to bytes: into a buffer, and into a file's framing.
//!
//! A message is made by filling its struct: its bytes are its wire form.

use super::message::Body;

/// The end-of-session mark of a file.
pub const END_OF_FILE: [u8; 2] = [0, 0];

/// Writes `message` to the front of `out` and returns its size; `None` where it does not fit.
pub fn write<B: Body>(message: &B, out: &mut [u8]) -> Option<usize> {
    let size = size_of::<B>();
    out.get_mut(..size)?.copy_from_slice(message.as_bytes());
    Some(size)
}

/// Appends `message` with its length before it to `file`; false where the message is longer than a frame can say.
pub fn append_file_frame(message: &[u8], file: &mut Vec<u8>) -> bool {
    match u16::try_from(message.len()) {
        Ok(len) => {
            file.extend_from_slice(&len.to_be_bytes());
            file.extend_from_slice(message);
            true
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
