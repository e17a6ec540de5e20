//! The enumerations that records carry: a code of fixed width with a name for each value. A code outside the list is
//! kept as it is and shown as its number.

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::schema::{Field, FieldType};
use super::units::Side;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident($inner:ty, $ty:ident) {
        $($(#[$value_doc:meta])* $value:ident = $code:literal $text:literal,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, FromBytes,
            IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(transparent)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            $($(#[$value_doc])* pub const $value: Self = Self($code);)*

            /// The name of the code; `?` where it is not in the list.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($code => $text,)*
                    _ => "?",
                }
            }
        }

        impl Field for $name {
            const TYPE: FieldType = FieldType::$ty;
            const CODES: &'static [(u16, &'static str)] = &[$(($code, $text)),*];
        }
    )*};
}

codes! {
    /// Side of an order or trade.
    SideCode(u8, U8) {
        /// Not known.
        UNKNOWN = 0 "unknown",
        /// Buy.
        BUY = 1 "buy",
        /// Sell.
        SELL = 2 "sell",
        /// Sell, marked as short. On orders of ours only.
        SELL_SHORT = 3 "sell_short",
        /// Sell, marked as short and exempt from the price test. On orders of ours only.
        SELL_SHORT_EXEMPT = 4 "sell_short_exempt",
    }
    /// How long an order lives, and whether it may take.
    TimeInForce(u8, U8) {
        /// Rests until cancelled or the day ends.
        DAY = 1 "day",
        /// Immediate or cancel.
        IOC = 2 "ioc",
        /// Rests or is refused; never takes.
        POST_ONLY = 3 "post_only",
    }
    /// Health of a feed's data and of the books built from it.
    Health(u8, U8) {
        /// Nothing received yet.
        UNKNOWN = 0 "unknown",
        /// Complete up to the last batch.
        VALID = 1 "valid",
        /// A gap is being filled.
        RECOVERING = 2 "recovering",
        /// Not to be trusted, and nothing is being done that would mend it by itself soon.
        STALE = 3 "stale",
    }
    /// Why a feed's health changed.
    HealthReason(u8, U8) {
        /// First data of a session.
        START = 1 "start",
        /// Both lines lack messages.
        GAP = 2 "gap",
        /// The gap was filled.
        FILLED = 3 "filled",
        /// The sender began another session: books were emptied.
        SESSION_CHANGE = 4 "session_change",
        /// Nothing heard for too long, not even heartbeats.
        SILENCE = 5 "silence",
        /// Heard again.
        HEARD = 6 "heard",
        /// The sender ended its session.
        END_OF_SESSION = 7 "end_of_session",
        /// The re-request server does not answer or no longer has the messages.
        UNRECOVERABLE = 8 "unrecoverable",
        /// A message could not be decoded, or contradicts the book.
        BAD_DATA = 9 "bad_data",
        /// A ring was full and records were dropped.
        OVERRUN = 10 "overrun",
        /// A run begins: nothing is known of the feed until it speaks.
        RESTART = 11 "restart",
        /// Lines repeat sequences that lie behind what they had shown: the sender counts anew within its session.
        WENT_BACK = 12 "went_back",
        /// The lines that still speak lie behind what was seen, and do not catch up.
        BEHIND = 13 "behind",
        /// The day's stock directory does not list the instrument.
        UNLISTED = 14 "unlisted",
        /// The stock directory lists the instrument late: its book begins here.
        LISTED = 15 "listed",
        /// A message about the instrument is of a type or a size that is not known.
        UNKNOWN_MESSAGE = 16 "unknown_message",
        /// Messages are lost for good, or would take too long to ask for: the books wait for a snapshot.
        SNAPSHOT_AWAITED = 20 "snapshot_awaited",
        /// The book is being filled from a snapshot.
        SNAPSHOT = 21 "snapshot",
        /// Books that were filled from a snapshot are whole.
        RESTORED = 22 "restored",
    }
    /// A risk control.
    Control(u16, U16) {
        /// No control objected.
        NONE = 0 "none",
        /// Price too far from the reference.
        PRICE_COLLAR = 1 "price_collar",
        /// Too many lots in one order.
        ORDER_SIZE = 2 "order_size",
        /// Too much money in one order.
        NOTIONAL = 3 "notional",
        /// Position too large in the worst case.
        POSITION = 4 "position",
        /// Too many orders open.
        OPEN_ORDERS = 5 "open_orders",
        /// Too many messages per second.
        MESSAGE_RATE = 6 "message_rate",
        /// The same order again within the window.
        DUPLICATE = 7 "duplicate",
        /// Would trade with our own order.
        SELF_CROSS = 8 "self_cross",
        /// The book is not valid.
        STALE_BOOK = 9 "stale_book",
        /// Events reach the machine too late.
        INGRESS_LAG = 10 "ingress_lag",
        /// Lost too much today.
        DAILY_LOSS = 11 "daily_loss",
        /// The kill latch is set.
        KILL_LATCH = 12 "kill_latch",
        /// No reference price, or it is too old.
        NO_REFERENCE = 13 "no_reference",
        /// The session with the venue is not ready.
        SESSION = 14 "session",
        /// Too much money in open orders.
        OPEN_NOTIONAL = 15 "open_notional",
        /// The instrument may not be traded now.
        TRADING_STATUS = 16 "trading_status",
        /// The price does not lie on the instrument's price increment, or a number is out of range.
        MALFORMED = 17 "malformed",
        /// An answer of the venue could not be read, or belongs to no order of ours: it may be a fill.
        UNREAD_ANSWER = 18 "unread_answer",
        /// The venue's session began anew: what became of orders in the old one is not known.
        SESSION_CHANGE = 19 "session_change",
        /// An order of ours rests that the desk did not know.
        UNKNOWN_ORDER = 20 "unknown_order",
        /// The venue's drop copy and our own book of fills differ.
        POSITION_BREAK = 21 "position_break",
        /// The venue does not say what became of an order.
        UNANSWERED = 25 "unanswered",
        /// The venue refused too many orders in series.
        REJECTS = 28 "rejects",
        /// Would sell more than is held, and no locate covers it.
        SHORT_SALE = 29 "short_sale",
        /// Positions and open orders come to too much money, long and short together.
        GROSS_NOTIONAL = 30 "gross_notional",
        /// Positions and open orders come to too much money one way.
        NET_NOTIONAL = 31 "net_notional",
        /// The venue's day or the session hours do not allow quotes.
        MARKET_HOURS = 32 "market_hours",
        /// Our own gateway could not send too many orders in series.
        UNSENT = 33 "unsent",
    }
    /// Why an input was refused (the dead letter).
    RejectReason(u16, U16) {
        /// Not in the form that the source speaks.
        MALFORMED = 1 "malformed",
        /// A type that the source does not know.
        UNKNOWN_TYPE = 2 "unknown_type",
        /// A number outside its range.
        OUT_OF_RANGE = 3 "out_of_range",
        /// Refers to something that was never defined.
        UNKNOWN_KEY = 4 "unknown_key",
        /// A needed field is missing.
        MISSING_FIELD = 5 "missing_field",
        /// Too long for its place.
        TOO_LONG = 6 "too_long",
        /// Contradicts what came before.
        CONTRADICTION = 7 "contradiction",
        /// Configured capacity is used up.
        CAPACITY = 8 "capacity",
        /// Older than what it would replace.
        STALE = 9 "stale",
        /// An input with this identity was taken already.
        DUPLICATE = 10 "duplicate",
    }
    /// Why we cancel an order.
    CancelReason(u8, U8) {
        /// The strategy no longer wants it.
        STRATEGY = 1 "strategy",
        /// The book is not valid.
        STALE_BOOK = 2 "stale_book",
        /// Events arrive too late.
        INGRESS_LAG = 3 "ingress_lag",
        /// A loss limit.
        DAILY_LOSS = 4 "daily_loss",
        /// The kill latch.
        KILL = 5 "kill",
        /// The session ends.
        SHUTDOWN = 6 "shutdown",
        /// Trading in the instrument is halted.
        HALT = 7 "halt",
        /// The operator asked for it.
        OPERATOR = 8 "operator",
        /// The venue's answer is overdue. The gateway also asks the venue whether it has ever seen the order.
        UNANSWERED = 9 "unanswered",
        /// The venue's day or the session hours do not allow quotes.
        MARKET_HOURS = 10 "market_hours",
        /// The best prices lie too far apart to say what the price is.
        WIDE_BOOK = 11 "wide_book",
    }
    /// Where the session with a venue stands.
    SessionPhase(u8, U8) {
        /// Not connected.
        DOWN = 1 "down",
        /// Logged in; missed answers are arriving.
        CATCHING_UP = 2 "catching_up",
        /// Logged in, all missed answers seen: orders may be sent.
        READY = 3 "ready",
        /// The venue refused the login.
        REFUSED = 4 "refused",
        /// The venue ended the session.
        ENDED = 5 "ended",
    }
    /// What became of an order message on its way out.
    SendOutcome(u8, U8) {
        /// Handed to the transport.
        SENT = 1 "sent",
        /// Waited too long to leave; not sent.
        EXPIRED = 2 "expired",
        /// The transport refused it.
        FAILED = 3 "failed",
        /// The kill latch held it back.
        KILLED = 4 "killed",
        /// Sent by no one: found in the journal after a crash.
        LOST = 5 "lost",
        /// Sent, and the venue says that it never saw the order's number.
        UNSEEN = 6 "unseen",
        /// Sent, and the venue says that it has seen the order's number; it has not said what became of the order.
        SEEN = 7 "seen",
    }
    /// What an operator, or the process on their behalf, asks for.
    OperatorCommand(u16, U16) {
        /// Pull quotes and end.
        STOP = 1 "stop",
        /// Set the kill latch.
        KILL = 2 "kill",
        /// Release the kill latch.
        REARM = 3 "rearm",
        /// The machine begins or goes on after a restart.
        START = 4 "start",
        /// Storage is short: no new risk.
        STORAGE_LOW = 5 "storage_low",
        /// Storage is back.
        STORAGE_OK = 6 "storage_ok",
        /// The self-check saw the machine decide otherwise the second time, at the record that the argument names. The
        /// machine need not act on it.
        ALARM = 7 "alarm",
        /// The machine's wall clock was set; the argument says by how many ns, forward above zero. Stamps go on without a step.
        /// The machine need not act on it.
        CLOCK_STEP = 14 "clock_step",
        /// The machine or the process stood still; the argument says for how many ns. The machine need not act on it.
        SUSPENDED = 15 "suspended",
    }
    /// Why a run ended.
    EndReason(u8, U8) {
        /// The input ended.
        END_OF_INPUT = 1 "end_of_input",
        /// The operator or a signal asked for it.
        OPERATOR = 2 "operator",
        /// The set duration was over.
        DURATION = 3 "duration",
        /// A panic was caught.
        PANIC = 4 "panic",
        /// A transport or the storage failed for good.
        FAILURE = 5 "failure",
        /// Whoever read the output closed it.
        OUTPUT_CLOSED = 6 "output_closed",
        /// The terminal was closed.
        HANGUP = 7 "hangup",
    }
    /// A column of interned strings.
    Column(u16, U16) {
        /// A session of a sender.
        SESSION = 1 "session",
        /// A stock keeping unit.
        SKU = 2 "sku",
        /// An instrument's symbol.
        SYMBOL = 3 "symbol",
    }
    /// Whether a venue's order is alive after an answer.
    Liveness(u8, U8) {
        /// Dead.
        DEAD = 0 "dead",
        /// Alive.
        LIVE = 1 "live",
    }
    /// Whether a fill made or took liquidity.
    Liquidity(u8, U8) {
        /// Not said.
        UNKNOWN = 0 "unknown",
        /// Maker.
        ADDED = 1 "added",
        /// Taker.
        REMOVED = 2 "removed",
        /// In an auction.
        CROSS = 3 "cross",
    }
    /// Whether an instrument may be traded.
    TradingState(u8, U8) {
        /// Not said.
        UNKNOWN = 0 "unknown",
        /// Trading.
        TRADING = 1 "trading",
        /// Halted.
        HALTED = 2 "halted",
        /// Paused.
        PAUSED = 3 "paused",
        /// Quotation only.
        QUOTING = 4 "quoting",
        /// Halted on this market alone; what was said for all markets stands beside it.
        MARKET_HALTED = 5 "market_halted",
        /// This market's own halt is over; what was said for all markets holds again.
        MARKET_RESUMED = 6 "market_resumed",
    }
    /// Which guard rail of a price bit.
    PriceGuard(u16, U16) {
        /// None.
        NONE = 0 "none",
        /// The floor.
        FLOOR = 1 "floor",
        /// The ceiling.
        CEILING = 2 "ceiling",
        /// The largest step in one change.
        MAX_CHANGE = 3 "max_change",
    }
}

impl From<Side> for SideCode {
    fn from(side: Side) -> Self {
        Self(side.as_u8())
    }
}

impl Health {
    /// How bad it is: 0 where the data is complete, more the less can be hoped of it. A code outside the list is the worst.
    pub fn severity(self) -> u8 {
        match self {
            Self::VALID => 0,
            Self::RECOVERING => 1,
            Self::UNKNOWN => 2,
            Self::STALE => 3,
            _ => 4,
        }
    }
}

impl SideCode {
    /// As a side, where it is known.
    pub fn side(self) -> Option<Side> {
        match self {
            Self::SELL_SHORT | Self::SELL_SHORT_EXEMPT => Some(Side::Sell),
            side => Side::from_u8(side.0),
        }
    }
}

/// UTF-8 of fixed width, zero-padded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Text<const N: usize>(pub [u8; N]);

impl<const N: usize> Text<N> {
    /// `text` where it fits; `None` where it does not (nothing is cut silently).
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self(bytes))
    }

    /// As much of `text` as fits, cut at a character. For excerpts that say they are excerpts.
    pub fn excerpt(text: &str) -> Self {
        let mut end = text.len().min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.get(..end).and_then(Self::new).unwrap_or(Self([0; N]))
    }

    /// The text up to the padding; what is not UTF-8 is left out.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(N);
        let bytes = self.0.get(..end).unwrap_or(&[]);
        match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => core::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or(&[])).unwrap_or(""),
        }
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> core::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> core::fmt::Display for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> Field for Text<N> {
    const TYPE: FieldType = FieldType::Text;
}
