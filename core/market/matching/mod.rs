//! The price-time matching engine: the venue side of the bundled simulated exchange and of the backtester.
//!
//! [`MatchingEngine`] takes orders, cancels and replaces and tells a [`MatchSink`] everything that a Nasdaq-style venue
//! says about them: to owners (OUCH 5.0) and to the market (ITCH 5.0). What it guarantees:
//!
//! * Better prices trade first, then earlier orders; every trade is at the resting order's price.
//! * The books are never crossed or locked after a command.
//! * Lots are conserved: accepted = executed + cancelled + resting.
//! * What an order used up stays with it through every replacement ([`Chain`]).
//! * An order that trades fully on arrival is never displayed; of one that trades in part, only the rest is.
//! * Post-only never takes; immediate-or-cancel never rests.
//! * A replaced order has a new number and loses its priority; a mere reduction keeps both.
//!
//! It rounds, prices and times nothing: increments, trading hours and message rates are its gateway's affair.
//! [`naive`] is the same engine written as plainly as possible, its judge in tests.

mod engine;
mod events;
pub mod naive;
mod snapshot;

pub use engine::MatchingEngine;
pub use events::{
    Accepted, Added, Chain, Deleted, Executed, Lapsed, MatchEvent, MatchSink, NewOrder, OpenOrder,
    OwnerToken, Prevented, Reduced, Refusal, Rejected, RemovalReason, Replaced, Replacement, SelfMatch,
};

#[cfg(test)]
mod tests;
