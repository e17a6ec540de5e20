//! What the matching engine takes and what it tells.

use serde::{Deserialize, Serialize};

use crate::kernel::{InstrumentId, Lots, Side, Ticks, TimeInForce};

/// Whose order it is and what the owner calls it. Unique among the owner's live orders; that a token is never used again
/// (OUCH: UserRefNum must rise) is for the gateway to see to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OwnerToken {
    /// The owner: a session or an account, the unit of self-match prevention.
    pub owner: u32,
    /// The owner's number for the order.
    pub token: u64,
}

/// An order as it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Whose, and the owner's number for it.
    pub key: OwnerToken,
    /// What to trade.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Worst acceptable price.
    pub price: Ticks,
    /// Lots.
    pub qty: Lots,
    /// Rest, take or only rest.
    pub tif: TimeInForce,
}

/// What a replaced order becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The owner's number for the new order.
    pub token: u64,
    /// Its price.
    pub price: Ticks,
    /// Its open lots. (A protocol that counts what the chain used up before asks [`OpenOrder::left_of`] first.)
    pub qty: Lots,
    /// Rest, take or only rest.
    pub tif: TimeInForce,
}

/// What happens when an owner's order meets another of the same owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfMatch {
    /// They trade.
    #[default]
    Allow,
    /// The resting order is cancelled and the incoming one goes on.
    CancelResting,
    /// What is left of the incoming order is cancelled.
    CancelIncoming,
    /// Both lose the lots that they would have traded.
    Decrement,
}

/// What an order has used up together with the orders that it replaced, directly or through others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Lots executed, on arrival and since.
    pub executed: Lots,
    /// Lots that self-match prevention took off.
    pub prevented: Lots,
}

/// A live order and its owner's side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// The venue's number.
    pub order: u64,
    /// Its owner and token.
    pub key: OwnerToken,
    /// What it trades.
    pub instrument: InstrumentId,
    /// Its side.
    pub side: Side,
    /// Its price.
    pub price: Ticks,
    /// Open lots.
    pub qty: Lots,
    /// What it and the orders that it replaced have used up.
    pub chain: Chain,
}

impl OpenOrder {
    /// Lots that a replacement leaves open where the whole chain is to be liable for `total`, as OUCH 5.0 section 2.2 has
    /// it: what was executed and what self-match prevention took off count. Below 1 where nothing is left.
    pub fn left_of(&self, total: Lots) -> Lots {
        total - self.chain.executed - self.chain.prevented
    }

    /// Lots that a cancel keeps open where the whole chain is to execute `total` at the most, as OUCH 5.0 section 2.3 has
    /// it: what was executed counts. 0 where nothing is left.
    pub fn kept_of(&self, total: Lots) -> Lots {
        (total - self.chain.executed).max(Lots(0))
    }
}

/// Why lots left without a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RemovalReason {
    /// The owner asked for it.
    User,
    /// Immediate-or-cancel: nothing more to trade with.
    ImmediateOrCancel,
    /// It met an order of its owner.
    SelfMatch,
    /// Its replacement was post-only and would have taken.
    WouldTake,
    /// Its replacement had an impossible quantity or time in force.
    BadReplacement,
    /// The books had no room for it.
    Capacity,
    /// The owner's session ended.
    Disconnect,
    /// The venue ended it: a halt, the end of the day.
    Supervisory,
}

/// Why a command was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Refusal {
    /// The owner has no live order of this token. OUCH says nothing then.
    UnknownOrder,
    /// A live order of the owner has this token. OUCH says nothing to a replacement then.
    DuplicateToken,
    /// No such instrument.
    UnknownInstrument,
    /// Fewer than 1 lot; for cancels, fewer than 0 to keep.
    BadQuantity,
    /// Not one of day, immediate-or-cancel, post-only.
    BadTimeInForce,
    /// Post-only, and it would take.
    WouldTake,
    /// A cancel that keeps all that is open. OUCH says nothing then.
    NothingToCancel,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident, $method:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $ty,)*
            }
        )*

        /// Takes what the engine tells, in order. All events of one command come before the command returns.
        pub trait MatchSink {
            $(
                $(#[$doc])*
                fn $method(&mut self, event: &$name);
            )*
        }

        /// Any of the events, for keeping.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum MatchEvent {
            $($(#[$doc])* $name($name),)*
        }

        impl MatchSink for Vec<MatchEvent> {
            $(
                fn $method(&mut self, event: &$name) {
                    self.push(MatchEvent::$name(*event));
                }
            )*
        }
    };
}

events! {
    /// An order was accepted. To the owner (OUCH `A`).
    Accepted, accepted {
        /// The venue's number for it.
        order: u64,
        /// The order.
        new: NewOrder,
        /// False where it is dead already and nothing follows: immediate-or-cancel with nothing to take (OUCH order
        /// state `D`). True where it trades, rests or lapses next (`L`).
        live: bool,
    }
    /// An order joined the displayed book, with what was left of it. To the market (ITCH `A`).
    Added, added {
        /// The venue's number.
        order: u64,
        /// Its owner and token.
        key: OwnerToken,
        /// What it trades.
        instrument: InstrumentId,
        /// Its side.
        side: Side,
        /// Its price.
        price: Ticks,
        /// Open lots.
        qty: Lots,
    }
    /// Two orders traded at the resting one's price. To the market (ITCH `E` for the resting order) and to both owners
    /// (OUCH `E`: the resting side added liquidity, the incoming side removed it).
    Executed, executed {
        /// The match, counted from 1.
        match_number: u64,
        /// What was traded.
        instrument: InstrumentId,
        /// The resting order's price.
        price: Ticks,
        /// Lots.
        qty: Lots,
        /// The resting order.
        order: u64,
        /// Its owner and token.
        key: OwnerToken,
        /// Its side.
        side: Side,
        /// What is left of it; at 0 it has left the book.
        left: Lots,
        /// The incoming order.
        incoming: u64,
        /// Its owner and token.
        incoming_key: OwnerToken,
        /// What is left of it for now.
        incoming_left: Lots,
    }
    /// Two orders of one owner met and neither traded: both lost the lots. To the market (ITCH `X` of the resting order, `D`
    /// where nothing is left of it) and to the owner, once for each order (OUCH `D`).
    Prevented, prevented {
        /// What would have been traded.
        instrument: InstrumentId,
        /// The resting order's price.
        price: Ticks,
        /// Lots that each lost.
        qty: Lots,
        /// The resting order.
        order: u64,
        /// Its owner and token.
        key: OwnerToken,
        /// Its side.
        side: Side,
        /// What is left of it; at 0 it has left the book.
        left: Lots,
        /// The incoming order.
        incoming: u64,
        /// Its owner and token.
        incoming_key: OwnerToken,
        /// What is left of it for now.
        incoming_left: Lots,
    }
    /// A displayed order lost some lots and kept its place. To the market (ITCH `X`) and the owner (OUCH `C`).
    Reduced, reduced {
        /// The order.
        order: u64,
        /// Its owner and token.
        key: OwnerToken,
        /// What it trades.
        instrument: InstrumentId,
        /// Lots taken off.
        qty: Lots,
        /// Lots left; at least 1.
        left: Lots,
    }
    /// A displayed order left the book. To the market (ITCH `D`) and the owner (OUCH `C`).
    Deleted, deleted {
        /// The order.
        order: u64,
        /// Its owner and token.
        key: OwnerToken,
        /// What it traded.
        instrument: InstrumentId,
        /// Lots that were open.
        qty: Lots,
        /// Why.
        reason: RemovalReason,
    }
    /// The rest of an incoming order ended without being displayed. To the owner only (OUCH `C`).
    Lapsed, lapsed {
        /// The order.
        order: u64,
        /// Its owner and token.
        key: OwnerToken,
        /// What it was to trade.
        instrument: InstrumentId,
        /// Lots that did not trade.
        qty: Lots,
        /// Why.
        reason: RemovalReason,
    }
    /// An order was replaced. To the owner (OUCH `U`). To the market: ITCH `U` where `displayed`; else ITCH `D` of the
    /// old order, and what follows for the new one is told as for any incoming order.
    Replaced, replaced {
        /// The order that left.
        old_order: u64,
        /// The owner's number for it.
        old_token: u64,
        /// Lots that it had open.
        old_qty: Lots,
        /// The venue's number for the new order.
        order: u64,
        /// The new order: its side and instrument are the old one's.
        new: NewOrder,
        /// It rests at once, behind all others at its price.
        displayed: bool,
        /// As [`Accepted::live`].
        live: bool,
    }
    /// A command was refused and changed nothing. To the owner (OUCH `J`, where [`Refusal`] does not say otherwise).
    Rejected, rejected {
        /// The owner and the token that the command named; for a replacement, the new one.
        key: OwnerToken,
        /// Why.
        reason: Refusal,
    }
}
