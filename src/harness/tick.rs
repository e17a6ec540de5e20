//! The market that the desk is measured on.

use super::in_memory::Market;

/// Four shares, 50 000 background commands a second, until `messages` ITCH messages have been sent.
pub fn market(messages: u64) -> Market {
    let symbols = ["PRCA", "PRCB", "PRCC", "PRCD"].map(str::to_owned).to_vec();
    Market { seed: 1, rate: 50_000, messages, symbols }
}
