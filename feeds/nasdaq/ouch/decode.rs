//! Bytes to messages.

use super::appendage::{Appendage, AppendageFault};
use super::message::{
    AccountQuery, AccountQueryResponse, AiqCanceled, Body, BrokenTrade, CancelOrder, CancelPending,
    CancelReject, EnterOrder, ModifyOrder, Options, OrderAccepted, OrderCanceled, OrderExecuted,
    OrderModified, OrderPriorityUpdate, OrderReplaced, OrderRestated, Rejected, ReplaceOrder, SystemEvent,
};

/// Why bytes are no OUCH 5.0 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("OUCH message of type {message_type:#04x}, byte {offset}: {fault}")]
pub struct OuchError {
    /// The letter; 0 where there is none.
    pub message_type: u8,
    /// Where in the message.
    pub offset: usize,
    /// What is wrong there.
    pub fault: OuchFault,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OuchFault {
    /// There are no bytes.
    #[error("an empty message")]
    Empty,
    /// No type of this direction.
    #[error("no such type")]
    UnknownType,
    /// Shorter than the fixed part.
    #[error("{found} bytes of {expected}")]
    Short {
        /// Bytes of the fixed part.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The length of the appendage is missing or not what follows.
    #[error("the length of the appendage does not agree with what follows")]
    AppendageLength,
    /// An element of the appendage.
    #[error(transparent)]
    Appendage(AppendageFault),
}

fn split<B: Body>(bytes: &[u8]) -> Result<(&B, Appendage<'_>), OuchError> {
    let error = |offset, fault| OuchError { message_type: B::TYPE, offset, fault };
    let expected = size_of::<B>();
    let short = OuchFault::Short { expected, found: bytes.len() };
    let (body, rest) = B::ref_from_prefix(bytes).map_err(|_| error(0, short))?;
    if rest.is_empty() && B::OPTIONS != Options::Required {
        return Ok((body, Appendage::default()));
    }
    let wrong = error(expected, OuchFault::AppendageLength);
    let (len, elements) = rest.split_first_chunk::<2>().ok_or(wrong)?;
    if B::OPTIONS == Options::None || usize::from(u16::from_be_bytes(*len)) != elements.len() {
        return Err(wrong);
    }
    let appendage = Appendage::new(elements)
        .map_err(|(offset, fault)| error(expected + 2 + offset, OuchFault::Appendage(fault)))?;
    Ok((body, appendage))
}

macro_rules! direction {
    ($(#[$doc:meta])* $enum:ident, $(#[$decode_doc:meta])* $decode:ident { $($(#[$value_doc:meta])* $name:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $enum<'a> {
            $($(#[$value_doc])* $name(&'a $name, Appendage<'a>),)*
        }

        $(#[$decode_doc])*
        ///
        /// # Errors
        /// [`OuchError`] where the bytes are not exactly one such message.
        pub fn $decode(bytes: &[u8]) -> Result<$enum<'_>, OuchError> {
            match bytes.first() {
                $(Some(&$name::TYPE) => split::<$name>(bytes).map(|(body, options)| $enum::$name(body, options)),)*
                Some(letter) => Err(OuchError { message_type: *letter, offset: 0, fault: OuchFault::UnknownType }),
                None => Err(OuchError { message_type: 0, offset: 0, fault: OuchFault::Empty }),
            }
        }
    };
}

direction! {
    /// What a client sends.
    Request,
    /// Reads what a client sent.
    decode_request {
        /// A new order.
        EnterOrder,
        /// Replace an order.
        ReplaceOrder,
        /// Cancel an order.
        CancelOrder,
        /// Modify an order.
        ModifyOrder,
        /// Which number is next.
        AccountQuery,
    }
}

direction! {
    /// What the venue answers.
    Response,
    /// Reads what the venue answered.
    decode_response {
        /// The day moved on.
        SystemEvent,
        /// Accepted.
        OrderAccepted,
        /// Replaced.
        OrderReplaced,
        /// Cancelled.
        OrderCanceled,
        /// Cancelled so as not to trade with ourselves.
        AiqCanceled,
        /// Executed.
        OrderExecuted,
        /// Execution broken.
        BrokenTrade,
        /// Refused.
        Rejected,
        /// Cancel waits.
        CancelPending,
        /// Cancel refused.
        CancelReject,
        /// Priority changed.
        OrderPriorityUpdate,
        /// Modified.
        OrderModified,
        /// Display changed.
        OrderRestated,
        /// The next number.
        AccountQueryResponse,
    }
}

#[cfg(test)]
mod tests;
