//! Messages to bytes.

use super::appendage::{AppendageBuf, MAX_APPENDAGE};
use super::message::{Body, Options, OrderReplaced};

/// Bytes that any message with its options fits in.
pub const MAX_MESSAGE: usize = size_of::<OrderReplaced>() + 2 + MAX_APPENDAGE;

/// Writes `message` with `options` to the front of `out` and returns the bytes taken; `None` where they do not fit, or
/// the message cannot have options. The length of the appendage is left out where that is allowed and there are none.
pub fn write<B: Body>(message: &B, options: &AppendageBuf, out: &mut [u8]) -> Option<usize> {
    let fixed = size_of::<B>();
    let elements = options.as_bytes();
    let (body, rest) = out.split_at_mut_checked(fixed)?;
    if elements.is_empty() && B::OPTIONS != Options::Required {
        body.copy_from_slice(message.as_bytes());
        return Some(fixed);
    }
    if B::OPTIONS == Options::None {
        return None;
    }
    let (len, rest) = rest.split_first_chunk_mut::<2>()?;
    rest.get_mut(..elements.len())?.copy_from_slice(elements);
    *len = u16::try_from(elements.len()).ok()?.to_be_bytes();
    body.copy_from_slice(message.as_bytes());
    Some(fixed + 2 + elements.len())
}
