//! What a session was.

use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::SessionId;

use super::lines::ReRequestCounters;
use crate::sim::exchange::{BookOrder, Counters};
use crate::sim::faults::LineCounters;

/// What a session was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimSummary {
    /// Its name.
    pub session: SessionId,
    /// How long it took, the lingering at its end included.
    pub elapsed: Nanos,
    /// ITCH messages published.
    pub messages: u64,
    /// What each line did, A first.
    pub lines: Vec<LineCounters>,
    /// What the re-request server did.
    pub rerequests: ReRequestCounters,
    /// Logins of participants.
    pub logins: u64,
    /// What the exchange counted.
    pub exchange: Counters,
    /// The displayed book at the end: by instrument, bids before asks, in the order in which they would trade.
    pub book: Vec<BookOrder>,
}
