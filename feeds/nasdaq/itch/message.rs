//! The messages as they lie on the wire: `repr(C)`, alignment 1, big-endian, no padding.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::nasdaq::alpha::{Alpha, Symbol};

/// Nanoseconds since the venue's midnight, 6 bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(transparent)]
pub struct Timestamp(pub [u8; 6]);

impl Timestamp {
    /// From nanoseconds since midnight; the upper 16 bits do not fit and are left out.
    pub fn new(nanos: u64) -> Self {
        let [_, _, bytes @ ..] = nanos.to_be_bytes();
        Self(bytes)
    }

    /// Nanoseconds since midnight.
    #[inline]
    pub fn nanos(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
}

/// What every message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// The letter of the type.
    pub message_type: u8,
    /// The day's number of the stock; 0 where the message is about no stock.
    pub locate: U16,
    /// The venue's internal number.
    pub tracking: U16,
    /// Nanoseconds since midnight.
    pub timestamp: Timestamp,
}

impl Header {
    /// The header of a message of type `B`. `nanos` count from midnight.
    pub fn of<B: Body>(locate: u16, tracking: u16, nanos: u64) -> Self {
        Self {
            message_type: B::TYPE,
            locate: U16::new(locate),
            tracking: U16::new(tracking),
            timestamp: Timestamp::new(nanos),
        }
    }
}

/// A message's struct.
pub trait Body: FromBytes + IntoBytes + Immutable + KnownLayout + Unaligned + Copy {
    /// The letter of its type.
    const TYPE: u8;
}

macro_rules! messages {
    ($($(#[$doc:meta])* $letter:literal $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
            #[repr(C)]
            pub struct $name {
                /// Type, locate code, timestamp.
                pub header: Header,
                $($(#[$field_doc])* pub $field: $ty,)*
            }

            impl Body for $name {
                const TYPE: u8 = $letter;
            }
        )*

        /// A message, borrowed from the bytes that it was decoded from.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Message<'a> {
            $($(#[$doc])* $name(&'a $name),)*
        }

        impl<'a> Message<'a> {
            /// Type, locate code, timestamp.
            pub fn header(&self) -> &'a Header {
                match self {
                    $(Self::$name(body) => &body.header,)*
                }
            }

            /// The message as it lies on the wire.
            pub fn as_bytes(&self) -> &'a [u8] {
                match self {
                    $(Self::$name(body) => body.as_bytes(),)*
                }
            }

            /// The view of `bytes` as the type with this letter; `None` where the size is another or the letter unknown.
            #[inline]
            pub(super) fn view(letter: u8, bytes: &'a [u8]) -> Option<Self> {
                match letter {
                    $($letter => $name::ref_from_bytes(bytes).ok().map(Self::$name),)*
                    _ => None,
                }
            }
        }

        /// The size in bytes of the message type with this letter; `None` where there is no such type.
        pub const fn size_of_type(letter: u8) -> Option<usize> {
            match letter {
                $($letter => Some(size_of::<$name>()),)*
                _ => None,
            }
        }

        /// The letters of all types.
        pub const TYPES: [u8; 23] = [$($letter),*];
    };
}

messages! {
    /// The venue's day moved on.
    b'S' SystemEvent {
        /// `O` start of messages, `S` start of system hours, `Q` start of market hours, `M` end of market hours,
        /// `E` end of system hours, `C` end of messages.
        event_code: u8,
    }
    /// A stock and its locate code of the day.
    b'R' StockDirectory {
        /// The symbol.
        stock: Symbol,
        /// Listing market.
        market_category: u8,
        /// Financial status.
        financial_status: u8,
        /// Shares of a round lot.
        round_lot_size: U32,
        /// `Y` where only round lots are accepted.
        round_lots_only: u8,
        /// Classification of the security.
        issue_classification: u8,
        /// Sub-type of the security.
        issue_sub_type: [u8; 2],
        /// `P` live, `T` test.
        authenticity: u8,
        /// Short sale threshold indicator.
        short_sale_threshold: u8,
        /// `Y` where it is a new listing.
        ipo_flag: u8,
        /// Tier of the limit-up limit-down bands.
        luld_tier: u8,
        /// `Y` where it is an exchange traded product.
        etp_flag: u8,
        /// Leverage of the product, rounded to a whole number.
        etp_leverage: U32,
        /// `Y` where the product moves against its index.
        inverse: u8,
    }
    /// The trading state of a stock.
    b'H' StockTradingAction {
        /// The symbol.
        stock: Symbol,
        /// `H` halted, `P` paused, `Q` quotation only, `T` trading.
        trading_state: u8,
        /// Reserved.
        reserved: u8,
        /// The venue's reason.
        reason: Alpha<4>,
    }
    /// Short sale price test of a stock.
    b'Y' RegShoRestriction {
        /// The symbol.
        stock: Symbol,
        /// `0` none, `1` by an intraday drop, `2` remains.
        action: u8,
    }
    /// A market participant's position in a stock.
    b'L' MarketParticipantPosition {
        /// The participant.
        mpid: Alpha<4>,
        /// The symbol.
        stock: Symbol,
        /// `Y` where it is a primary market maker.
        primary_market_maker: u8,
        /// Its mode.
        market_maker_mode: u8,
        /// Its state.
        participant_state: u8,
    }
    /// The levels of the market-wide circuit breaker.
    b'V' MwcbDeclineLevel {
        /// Level 1, units of 1e-8.
        level_1: U64,
        /// Level 2, units of 1e-8.
        level_2: U64,
        /// Level 3, units of 1e-8.
        level_3: U64,
    }
    /// The market-wide circuit breaker was hit.
    b'W' MwcbStatus {
        /// `1`, `2` or `3`.
        breached_level: u8,
    }
    /// When a new listing will be released for quotation.
    b'K' IpoQuotingPeriod {
        /// The symbol.
        stock: Symbol,
        /// Seconds since midnight.
        release_time: U32,
        /// `A` anticipated, `C` cancelled.
        release_qualifier: u8,
        /// Price, units of 1e-4.
        price: U32,
    }
    /// Collars of the auction after a limit-up limit-down pause.
    b'J' LuldAuctionCollar {
        /// The symbol.
        stock: Symbol,
        /// Reference price, units of 1e-4.
        reference_price: U32,
        /// Upper price, units of 1e-4.
        upper_price: U32,
        /// Lower price, units of 1e-4.
        lower_price: U32,
        /// Number of the extension.
        extension: U32,
    }
    /// An operational halt of a stock on one market.
    b'h' OperationalHalt {
        /// The symbol.
        stock: Symbol,
        /// The market.
        market_code: u8,
        /// `H` halted, `T` trading.
        action: u8,
    }
    /// An order joined the book, without attribution.
    b'A' AddOrder {
        /// The order.
        order: U64,
        /// `B` or `S`.
        side: u8,
        /// Shares.
        shares: U32,
        /// The symbol.
        stock: Symbol,
        /// Price, units of 1e-4.
        price: U32,
    }
    /// An order joined the book, with attribution.
    b'F' AddOrderAttributed {
        /// The order.
        order: U64,
        /// `B` or `S`.
        side: u8,
        /// Shares.
        shares: U32,
        /// The symbol.
        stock: Symbol,
        /// Price, units of 1e-4.
        price: U32,
        /// Whose order.
        attribution: Alpha<4>,
    }
    /// A resting order was executed at its own price.
    b'E' OrderExecuted {
        /// The resting order.
        order: U64,
        /// Executed shares.
        shares: U32,
        /// The match.
        match_number: U64,
    }
    /// A resting order was executed at the price given here.
    b'C' OrderExecutedWithPrice {
        /// The resting order.
        order: U64,
        /// Executed shares.
        shares: U32,
        /// The match.
        match_number: U64,
        /// `Y` where it counts towards printed volume.
        printable: u8,
        /// Price of the execution, units of 1e-4.
        price: U32,
    }
    /// A resting order lost a part of its shares.
    b'X' OrderCancel {
        /// The order.
        order: U64,
        /// Shares taken off.
        shares: U32,
    }
    /// A resting order left the book.
    b'D' OrderDelete {
        /// The order.
        order: U64,
    }
    /// A resting order was replaced; side and stock stay.
    b'U' OrderReplace {
        /// The order that leaves.
        order: U64,
        /// The order that joins.
        new_order: U64,
        /// Its shares.
        shares: U32,
        /// Its price, units of 1e-4.
        price: U32,
    }
    /// A trade against an order that was not displayed; the displayed book is not touched.
    b'P' Trade {
        /// Zero since 2010.
        order: U64,
        /// `B` always since 2014.
        side: u8,
        /// Shares.
        shares: U32,
        /// The symbol.
        stock: Symbol,
        /// Price, units of 1e-4.
        price: U32,
        /// The match.
        match_number: U64,
    }
    /// The trade of an auction.
    b'Q' CrossTrade {
        /// Shares.
        shares: U64,
        /// The symbol.
        stock: Symbol,
        /// Price, units of 1e-4.
        price: U32,
        /// The match.
        match_number: U64,
        /// `O` opening, `C` closing, `H` new listing or halt, `I` intraday.
        cross_type: u8,
    }
    /// A match was broken.
    b'B' BrokenTrade {
        /// The match.
        match_number: U64,
    }
    /// The imbalance before an auction.
    b'I' NetOrderImbalance {
        /// Shares that match at the reference price.
        paired_shares: U64,
        /// Shares that do not.
        imbalance_shares: U64,
        /// `B`, `S`, `N` none, `O` too few orders, `P` paused.
        direction: u8,
        /// The symbol.
        stock: Symbol,
        /// Far price, units of 1e-4.
        far_price: U32,
        /// Near price, units of 1e-4.
        near_price: U32,
        /// Reference price, units of 1e-4.
        reference_price: U32,
        /// Kind of auction.
        cross_type: u8,
        /// How far near and reference price lie apart.
        price_variation: u8,
    }
    /// Retail interest in a stock.
    b'N' RetailInterest {
        /// The symbol.
        stock: Symbol,
        /// `B`, `S`, `A` both, `N` none.
        interest: u8,
    }
    /// Price discovery of a direct listing with capital raise.
    b'O' DirectListing {
        /// The symbol.
        stock: Symbol,
        /// `Y` where it may open.
        open_eligibility: u8,
        /// Lowest price allowed, units of 1e-4.
        minimum_price: U32,
        /// Highest price allowed, units of 1e-4.
        maximum_price: U32,
        /// Near price, units of 1e-4.
        near_price: U32,
        /// When the near price was reached, nanoseconds since midnight.
        near_time: U64,
        /// Lower collar, units of 1e-4.
        lower_collar: U32,
        /// Upper collar, units of 1e-4.
        upper_collar: U32,
    }
}

#[cfg(test)]
mod tests;
