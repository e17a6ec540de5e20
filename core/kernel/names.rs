//! What numbers, letters and bits of records mean that come from a venue as they are: names for whoever reads a journal.
//! Numbers and letters are those of OUCH 5.0 (appendices), ITCH 5.0 (section 1.2) and SoupBinTCP 3.00; gateways of other venues
//! map theirs. What has no name here is shown as its number.

/// Names of values.
pub type Names = &'static [(u16, &'static str)];

/// Bits of [`market_flags`](super::table::market_flags), every combination.
pub const MARKET_FLAGS: Names = &[
    (0, "none"),
    (1, "last_in_batch"),
    (2, "printable"),
    (3, "last_in_batch|printable"),
    (4, "snapshot"),
    (5, "last_in_batch|snapshot"),
    (6, "printable|snapshot"),
    (7, "last_in_batch|printable|snapshot"),
];

/// Why an order or a replacement was refused (OUCH 5.0, Rejected).
pub const REJECT: Names = &[
    (0x01, "quote_unavailable"),
    (0x02, "destination_closed"),
    (0x03, "invalid_display"),
    (0x04, "invalid_max_floor"),
    (0x05, "invalid_peg_type"),
    (0x06, "fat_finger"),
    (0x07, "halted"),
    (0x08, "iso_not_allowed"),
    (0x09, "invalid_side"),
    (0x0a, "processing_error"),
    (0x0b, "cancel_pending"),
    (0x0c, "firm_not_authorized"),
    (0x0d, "invalid_min_quantity"),
    (0x0e, "no_closing_reference_price"),
    (0x0f, "other"),
    (0x10, "cancel_not_allowed"),
    (0x11, "pegging_not_allowed"),
    (0x12, "crossed_market"),
    (0x13, "invalid_quantity"),
    (0x14, "invalid_cross_order"),
    (0x15, "replace_not_allowed"),
    (0x16, "routing_not_allowed"),
    (0x17, "invalid_symbol"),
    (0x18, "test"),
    (0x19, "late_loc_too_aggressive"),
    (0x1a, "retail_not_allowed"),
    (0x1b, "invalid_midpoint_price"),
    (0x1c, "invalid_destination"),
    (0x1d, "invalid_price"),
    (0x1e, "shares_exceed_threshold"),
    (0x1f, "notional_exceeds_maximum"),
    (0x20, "risk_aggregate_exposure"),
    (0x21, "risk_market_impact"),
    (0x22, "risk_restricted_stock"),
    (0x23, "risk_short_sell_restricted"),
    (0x24, "risk_iso_not_allowed"),
    (0x25, "risk_average_daily_volume"),
    (0x26, "risk_fat_finger"),
    (0x27, "risk_locate_required"),
    (0x28, "risk_symbol_message_rate"),
    (0x29, "risk_port_message_rate"),
    (0x2a, "risk_duplicate_message_rate"),
    (0x2b, "risk_short_sell_not_allowed"),
    (0x2c, "risk_market_order_not_allowed"),
    (0x2d, "risk_pre_market_not_allowed"),
    (0x2e, "risk_post_market_not_allowed"),
    (0x2f, "risk_short_sell_exempt_not_allowed"),
    (0x30, "risk_order_notional"),
    (0x31, "risk_order_quantity"),
    (0x32, "short_sale_state_not_available"),
];

/// Why lots were taken off an order (OUCH 5.0, Canceled).
pub const CANCEL: Names = &[
    (0, "none"),
    (b'E' as u16, "closed"),
    (b'G' as u16, "post_only"),
    (b'H' as u16, "halted"),
    (b'I' as u16, "immediate"),
    (b'Q' as u16, "self_match"),
    (b'S' as u16, "supervisory"),
    (b'T' as u16, "timeout"),
    (b'U' as u16, "user"),
    (b'Z' as u16, "system"),
];

/// Why an execution was broken (OUCH 5.0, Broken Trade).
pub const BREAK: Names = &[
    (0, "none"),
    (b'C' as u16, "consent"),
    (b'E' as u16, "erroneous"),
    (b'S' as u16, "supervisory"),
    (b'X' as u16, "external"),
];

/// Why a login was refused (SoupBinTCP).
pub const LOGIN: Names =
    &[(0, "none"), (b'A' as u16, "not_authorized"), (b'S' as u16, "session_not_available")];

/// What became of a request to cancel in an auction (OUCH 5.0).
pub const CANCEL_HELD: Names = &[(b'I' as u16, "rejected"), (b'P' as u16, "pending")];

/// Messages of an order session (OUCH 5.0).
pub const MESSAGE: Names = &[
    (0, "none"),
    (b'A' as u16, "accepted"),
    (b'B' as u16, "broken"),
    (b'C' as u16, "canceled"),
    (b'D' as u16, "canceled_self_match"),
    (b'E' as u16, "executed"),
    (b'I' as u16, "cancel_rejected"),
    (b'J' as u16, "rejected"),
    (b'M' as u16, "modified"),
    (b'P' as u16, "cancel_pending"),
    (b'Q' as u16, "account"),
    (b'R' as u16, "restated"),
    (b'S' as u16, "system_event"),
    (b'T' as u16, "priority"),
    (b'U' as u16, "replaced"),
];

/// Why an order was restated (OUCH 5.0, Order Restated).
pub const RESTATE: Names = &[(0, "none"), (b'P' as u16, "price"), (b'R' as u16, "display")];

/// How the order session's day moves on (OUCH 5.0, System Event).
pub const VENUE_DAY: Names = &[(b'E' as u16, "end_of_day"), (b'S' as u16, "start_of_day")];

/// How the market's day moves on (ITCH 5.0, System Event).
pub const MARKET_DAY: Names = &[
    (b'C' as u16, "end_of_messages"),
    (b'E' as u16, "end_of_system_hours"),
    (b'M' as u16, "end_of_market_hours"),
    (b'O' as u16, "start_of_messages"),
    (b'Q' as u16, "start_of_market_hours"),
    (b'S' as u16, "start_of_system_hours"),
];

/// Levels of the market-wide circuit breaker (ITCH 5.0).
pub const HALT_LEVEL: Names = &[(b'1' as u16, "level_1"), (b'2' as u16, "level_2"), (b'3' as u16, "level_3")];

/// Kinds of auctions (ITCH 5.0, Cross Trade).
pub const AUCTION: Names = &[
    (b'C' as u16, "closing"),
    (b'H' as u16, "halt_or_ipo"),
    (b'I' as u16, "intraday"),
    (b'O' as u16, "opening"),
];

/// How an order's fate became known ([`OrderInDoubt`](super::table::OrderInDoubt)).
pub const RESOLVED: Names = &[(0, "in_doubt"), (1, "by_drop_copy"), (2, "by_operator")];

/// How drop copy and own book differ ([`PositionBreak`](super::table::PositionBreak)).
pub const DIFFERENCE: Names = &[
    (0, "resolved"),
    (1, "not_in_our_book"),
    (2, "not_in_drop_copy"),
    (3, "other_content"),
    (4, "broken_there"),
    (5, "broken_here"),
];

/// What is so, and what is not.
pub const YES_NO: Names = &[(0, "no"), (1, "yes")];

/// The name of `value`, if it has one.
pub fn name_of(names: Names, value: u16) -> Option<&'static str> {
    names.iter().find(|(code, _)| *code == value).map(|(_, name)| *name)
}

/// `given` if there is one, else `own`: what a field's names are.
pub(super) const fn given_or(own: Names, given: &[Names]) -> Names {
    match given {
        [] => own,
        [names, ..] => names,
    }
}

#[cfg(test)]
mod tests;
