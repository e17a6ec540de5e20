use core::mem::offset_of;

use super::*;

/// Sizes of the Nasdaq TotalView-ITCH 5.0 specification.
const SIZES: [(u8, usize); 23] = [
    (b'S', 12),
    (b'R', 39),
    (b'H', 25),
    (b'Y', 20),
    (b'L', 26),
    (b'V', 35),
    (b'W', 12),
    (b'K', 28),
    (b'J', 35),
    (b'h', 21),
    (b'A', 36),
    (b'F', 40),
    (b'E', 31),
    (b'C', 36),
    (b'X', 23),
    (b'D', 19),
    (b'U', 35),
    (b'P', 44),
    (b'Q', 40),
    (b'B', 19),
    (b'I', 50),
    (b'N', 20),
    (b'O', 48),
];

#[test]
fn sizes_are_those_of_the_specification() {
    for (letter, size) in SIZES {
        assert_eq!(size_of_type(letter), Some(size), "{}", char::from(letter));
    }
    for letter in 0..=u8::MAX {
        let known = SIZES.iter().any(|(known, _)| *known == letter);
        assert_eq!(size_of_type(letter).is_some(), known, "{letter}");
        assert_eq!(TYPES.contains(&letter), known, "{letter}");
    }
}

#[test]
fn offsets_are_those_of_the_specification() {
    let offsets = [
        (offset_of!(Header, locate), 1),
        (offset_of!(Header, tracking), 3),
        (offset_of!(Header, timestamp), 5),
        (offset_of!(StockDirectory, stock), 11),
        (offset_of!(StockDirectory, round_lot_size), 21),
        (offset_of!(StockDirectory, issue_sub_type), 27),
        (offset_of!(StockDirectory, ipo_flag), 31),
        (offset_of!(StockDirectory, etp_leverage), 34),
        (offset_of!(StockDirectory, inverse), 38),
        (offset_of!(StockTradingAction, trading_state), 19),
        (offset_of!(StockTradingAction, reason), 21),
        (offset_of!(MarketParticipantPosition, stock), 15),
        (offset_of!(MarketParticipantPosition, participant_state), 25),
        (offset_of!(MwcbDeclineLevel, level_3), 27),
        (offset_of!(IpoQuotingPeriod, release_time), 19),
        (offset_of!(IpoQuotingPeriod, price), 24),
        (offset_of!(LuldAuctionCollar, extension), 31),
        (offset_of!(OperationalHalt, action), 20),
        (offset_of!(AddOrder, order), 11),
        (offset_of!(AddOrder, side), 19),
        (offset_of!(AddOrder, shares), 20),
        (offset_of!(AddOrder, stock), 24),
        (offset_of!(AddOrder, price), 32),
        (offset_of!(AddOrderAttributed, attribution), 36),
        (offset_of!(OrderExecuted, match_number), 23),
        (offset_of!(OrderExecutedWithPrice, printable), 31),
        (offset_of!(OrderExecutedWithPrice, price), 32),
        (offset_of!(OrderCancel, shares), 19),
        (offset_of!(OrderReplace, new_order), 19),
        (offset_of!(OrderReplace, shares), 27),
        (offset_of!(OrderReplace, price), 31),
        (offset_of!(Trade, price), 32),
        (offset_of!(Trade, match_number), 36),
        (offset_of!(CrossTrade, stock), 19),
        (offset_of!(CrossTrade, price), 27),
        (offset_of!(CrossTrade, match_number), 31),
        (offset_of!(CrossTrade, cross_type), 39),
        (offset_of!(NetOrderImbalance, direction), 27),
        (offset_of!(NetOrderImbalance, far_price), 36),
        (offset_of!(NetOrderImbalance, reference_price), 44),
        (offset_of!(NetOrderImbalance, price_variation), 49),
        (offset_of!(RetailInterest, interest), 19),
        (offset_of!(DirectListing, open_eligibility), 19),
        (offset_of!(DirectListing, near_time), 32),
        (offset_of!(DirectListing, upper_collar), 44),
    ];
    for (index, (found, specified)) in offsets.into_iter().enumerate() {
        assert_eq!(found, specified, "row {index}");
    }
}

#[test]
fn a_timestamp_keeps_the_last_nanosecond_of_the_day() {
    let last = 86_399_999_999_999;
    assert_eq!(Timestamp::new(last).nanos(), last);
    assert_eq!(Timestamp::new(last).0, [0x4e, 0x94, 0x91, 0x4e, 0xff, 0xff]);
}
