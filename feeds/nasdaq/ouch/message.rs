//! The fixed parts as they lie on the wire: `repr(C)`, alignment 1, big-endian, no padding. The letters of requests and
//! responses overlap, so that each has a list of its own.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::nasdaq::alpha::{Alpha, Symbol};

/// Whether a message is followed by an appendage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Options {
    /// Never.
    None,
    /// Where there are options; its length may be left out where there are none.
    Optional,
    /// Always; its length is there even where there are no options.
    Required,
}

/// The fixed part of a message.
pub trait Body: FromBytes + IntoBytes + Immutable + KnownLayout + Unaligned + Copy {
    /// The letter of its type.
    const TYPE: u8;
    /// Whether an appendage follows.
    const OPTIONS: Options;
}

macro_rules! messages {
    ($($(#[$doc:meta])* $letter:literal $options:ident $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
            #[repr(C)]
            pub struct $name {
                /// The letter of the type.
                pub message_type: u8,
                $($(#[$field_doc])* pub $field: $ty,)*
            }

            impl Body for $name {
                const TYPE: u8 = $letter;
                const OPTIONS: Options = Options::$options;
            }
        )*
    };
}

messages! {
    /// Request: a new order.
    b'O' Required EnterOrder {
        /// Our number of the order.
        user_ref_num: U32,
        /// `B` buy, `S` sell, `T` sell short, `E` sell short exempt.
        side: u8,
        /// Shares, 1 to 999,999.
        quantity: U32,
        /// The symbol.
        symbol: Symbol,
        /// Limit price.
        price: U64,
        /// `0` day, `3` immediate or cancel, `5` good till extended hours, `6` good till time, `E` after hours.
        time_in_force: u8,
        /// `Y` visible, `N` hidden, `A` attributable.
        display: u8,
        /// `A` agency, `P` principal, `R` riskless, `O` other.
        capacity: u8,
        /// Intermarket sweep: `Y` or `N`.
        intermarket_sweep: u8,
        /// `N` continuous market; else the letter of an auction.
        cross_type: u8,
        /// Our text, given back as it is.
        client_order: Alpha<14>,
    }
    /// Request: replace an order.
    b'U' Required ReplaceOrder {
        /// Our number of the order that leaves.
        original: U32,
        /// Our number of the new order.
        user_ref_num: U32,
        /// Total shares that the chain of orders is liable for: what it executed so far and what self-match prevention took
        /// off count, under this number and all before it.
        quantity: U32,
        /// New limit price.
        price: U64,
        /// As in [`EnterOrder`].
        time_in_force: u8,
        /// As in [`EnterOrder`].
        display: u8,
        /// Intermarket sweep: `Y` or `N`.
        intermarket_sweep: u8,
        /// Our text, given back as it is.
        client_order: Alpha<14>,
    }
    /// Request: cancel an order, or make it smaller.
    b'X' Optional CancelOrder {
        /// Our number of the order.
        user_ref_num: U32,
        /// The most that the chain of orders may execute in total, what it executed so far included; 0 cancels what is open.
        quantity: U32,
    }
    /// Request: change side (between the kinds of selling) or size without losing priority.
    b'M' Optional ModifyOrder {
        /// Our number of the order.
        user_ref_num: U32,
        /// As in [`EnterOrder`].
        side: u8,
        /// The size that it shall have, executed shares included.
        quantity: U32,
    }
    /// Request: which UserRefNum is next.
    b'Q' Optional AccountQuery {}

    /// Response: the venue's day moved on.
    b'S' None SystemEvent {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// `S` start of day, `E` end of day.
        event_code: u8,
    }
    /// Response: an order was accepted.
    b'A' Required OrderAccepted {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// Our number of the order.
        user_ref_num: U32,
        /// As accepted.
        side: u8,
        /// As accepted.
        quantity: U32,
        /// As accepted.
        symbol: Symbol,
        /// As accepted; may differ from what was asked for.
        price: U64,
        /// As accepted.
        time_in_force: u8,
        /// As accepted; `Z` conformant.
        display: u8,
        /// The venue's number of the order.
        order_reference: U64,
        /// As accepted.
        capacity: u8,
        /// As accepted.
        intermarket_sweep: u8,
        /// As accepted.
        cross_type: u8,
        /// `L` live, `D` dead.
        order_state: u8,
        /// Our text.
        client_order: Alpha<14>,
    }
    /// Response: an order was replaced.
    b'U' Required OrderReplaced {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// Our number of the order that left.
        original: U32,
        /// Our number of the new order.
        user_ref_num: U32,
        /// As accepted.
        side: u8,
        /// Shares now open.
        quantity: U32,
        /// The symbol.
        symbol: Symbol,
        /// As accepted.
        price: U64,
        /// As accepted.
        time_in_force: u8,
        /// As accepted.
        display: u8,
        /// The venue's number of the new order.
        order_reference: U64,
        /// As accepted.
        capacity: u8,
        /// As accepted.
        intermarket_sweep: u8,
        /// As accepted.
        cross_type: u8,
        /// `L` live, `D` dead.
        order_state: u8,
        /// Our text.
        client_order: Alpha<14>,
    }
    /// Response: shares were taken off an order.
    b'C' Optional OrderCanceled {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// Our number of the order.
        user_ref_num: U32,
        /// Shares taken off.
        quantity: U32,
        /// Why: `U` asked for, `I` immediate or cancel, `T` time, `S` supervisory, `G` would have taken (post only) …
        reason: u8,
    }
    /// Response: shares were taken off an order because it would have traded with ourselves.
    b'D' Optional AiqCanceled {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// Our number of the order.
        user_ref_num: U32,
        /// Shares taken off.
        quantity: U32,
        /// `Q`.
        reason: u8,
        /// Shares that would have traded.
        prevented: U32,
        /// Price at which they would have.
        execution_price: U64,
        /// As in [`OrderExecuted`].
        liquidity: u8,
        /// The rule that was applied.
        strategy: u8,
    }
    /// Response: an order was executed.
    b'E' Required OrderExecuted {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// Our number of the order.
        user_ref_num: U32,
        /// Executed shares.
        quantity: U32,
        /// Price of the execution.
        price: U64,
        /// `A` added, `R` removed …
        liquidity: u8,
        /// The match.
        match_number: U64,
    }
    /// Response: an execution was broken.
    b'B' Optional BrokenTrade {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// Our number of the order.
        user_ref_num: U32,
        /// The match.
        match_number: U64,
        /// `E` erroneous, `C` consent, `S` supervisory, `X` external.
        reason: u8,
        /// Our text.
        client_order: Alpha<14>,
    }
    /// Response: a request was refused.
    b'J' Optional Rejected {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// The number that the request carried.
        user_ref_num: U32,
        /// Why ([`reject`]).
        reason: U16,
        /// Our text.
        client_order: Alpha<14>,
    }
    /// Response: the order is in an auction; it will be cancelled after it.
    b'P' Optional CancelPending {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// Our number of the order.
        user_ref_num: U32,
    }
    /// Response: the order is in an auction and cannot be cancelled.
    b'I' Optional CancelReject {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// Our number of the order.
        user_ref_num: U32,
    }
    /// Response: the venue gave an order another priority.
    b'T' Optional OrderPriorityUpdate {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// Our number of the order.
        user_ref_num: U32,
        /// Its price.
        price: U64,
        /// Its display.
        display: u8,
        /// The venue's new number of the order.
        order_reference: U64,
    }
    /// Response: an order was modified.
    b'M' Optional OrderModified {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// Our number of the order.
        user_ref_num: U32,
        /// Its side.
        side: u8,
        /// Shares now open.
        quantity: U32,
    }
    /// Response: the displayed part of an order changed.
    b'R' Required OrderRestated {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// Our number of the order.
        user_ref_num: U32,
        /// `R` refresh of the display, `P` update of the displayed price.
        reason: u8,
    }
    /// Response: the answer to [`AccountQuery`].
    b'Q' Optional AccountQueryResponse {
        /// Nanoseconds since midnight.
        timestamp: U64,
        /// The lowest number that was not used yet. The specification does not say what follows on the highest; here it is 0.
        next_user_ref_num: U32,
    }
}

/// Reasons of [`Rejected`] that a venue with continuous trading gives.
pub mod reject {
    /// The display is not one.
    pub const INVALID_DISPLAY: u16 = 0x03;
    /// The stock is halted.
    pub const HALTED: u16 = 0x07;
    /// The side is not one.
    pub const INVALID_SIDE: u16 = 0x09;
    /// Any other.
    pub const OTHER: u16 = 0x0f;
    /// The quantity is out of range.
    pub const INVALID_QUANTITY: u16 = 0x13;
    /// The order cannot be replaced.
    pub const REPLACE_NOT_ALLOWED: u16 = 0x15;
    /// The symbol is not traded here.
    pub const INVALID_SYMBOL: u16 = 0x17;
    /// The price is out of range.
    pub const INVALID_PRICE: u16 = 0x1d;
}

/// Letters of [`OrderCanceled::reason`].
pub mod cancel {
    /// The client asked for it.
    pub const USER: u8 = b'U';
    /// The rest of an order that was immediate or cancel.
    pub const IMMEDIATE: u8 = b'I';
    /// A post-only order that would have taken displayed liquidity.
    pub const POST_ONLY: u8 = b'G';
    /// Its time was over.
    pub const TIMEOUT: u8 = b'T';
    /// The stock was halted.
    pub const HALTED: u8 = b'H';
    /// The market closed.
    pub const CLOSED: u8 = b'E';
    /// The venue's supervision.
    pub const SUPERVISORY: u8 = b'S';
    /// It would have traded with an order of its owner.
    pub const SELF_MATCH: u8 = b'Q';
    /// The venue's system.
    pub const SYSTEM: u8 = b'Z';
}

/// Letters of `time_in_force`.
pub mod time_in_force {
    /// Until the market closes.
    pub const DAY: u8 = b'0';
    /// Immediate or cancel.
    pub const IOC: u8 = b'3';
}
