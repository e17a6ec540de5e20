use quickcheck::quickcheck;

use super::*;
use crate::kernel::{DisplayUnits, InstrumentId, InstrumentUnits, Ticks};

#[test]
fn reads_exactly_or_not_at_all() {
    use DecimalError::{Form, OutOfRange, TooManyDecimals};
    for (text, decimals, expected) in [
        ("100.00", 2, Ok(10_000)),
        ("100", 2, Ok(10_000)),
        ("100.5", 2, Ok(10_050)),
        ("0.01", 2, Ok(1)),
        ("-0.01", 2, Ok(-1)),
        ("007", 0, Ok(7)),
        ("1.234", 3, Ok(1_234)),
        ("1.234", 2, Err(TooManyDecimals(2))),
        ("1.000", 2, Ok(100)),
        ("100.0000", 2, Ok(10_000)),
        ("-0.010", 2, Ok(-1)),
        ("1.0", 0, Ok(1)),
        ("1.0001", 2, Err(TooManyDecimals(2))),
        ("1.5", 0, Err(TooManyDecimals(0))),
        ("99999999999999999999999x", 2, Err(Form)),
        ("92233720368547758.07", 2, Ok(i64::MAX)),
        ("92233720368547758.08", 2, Err(OutOfRange)),
        ("-92233720368547758.08", 2, Ok(i64::MIN)),
        ("99999999999999999999999999999999999", 2, Err(OutOfRange)),
        ("", 2, Err(Form)),
        ("-", 2, Err(Form)),
        (".5", 2, Err(Form)),
        ("5.", 2, Err(Form)),
        ("+5", 2, Err(Form)),
        ("1e3", 2, Err(Form)),
        ("1,00", 2, Err(Form)),
        (" 1", 2, Err(Form)),
        ("1.2.3", 9, Err(Form)),
        ("٣", 2, Err(Form)),
        ("--1", 2, Err(Form)),
        ("1.-1", 2, Err(Form)),
    ] {
        assert_eq!(parse_minor(text, decimals), expected.map(Minor), "{text:?} with {decimals} decimals");
    }
}

#[test]
fn shows_every_decimal() {
    for (minor, decimals, expected) in [
        (17_500, 2, "175.00"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (5, 0, "5"),
        (0, 3, "0.000"),
        (i64::MIN, 2, "-92233720368547758.08"),
        (i64::MAX, 9, "9223372036.854775807"),
    ] {
        assert_eq!(Decimal { minor: Minor(minor), decimals }.to_string(), expected);
    }
}

quickcheck! {
    fn what_is_shown_is_read_back(minor: i64, decimals: u8) -> bool {
        let decimals = decimals % (MAX_DECIMALS + 1);
        let shown = Decimal { minor: Minor(minor), decimals }.to_string();
        parse_minor(&shown, decimals) == Ok(Minor(minor))
    }

    fn any_text_is_read_or_refused(text: String, decimals: u8) -> bool {
        let well_formed = !text.is_empty() && text.chars().all(|char| char.is_ascii_digit() || "-.".contains(char));
        well_formed || parse_minor(&text, decimals % (MAX_DECIMALS + 1)) == Err(DecimalError::Form)
            || parse_minor(&text, decimals % (MAX_DECIMALS + 1)) == Err(DecimalError::OutOfRange)
    }
}

/// Prices of ticks finer than money ever is, and of ticks so coarse that their units go beyond 64 bits.
#[test]
fn display_units_show_every_tick_size_exactly() {
    let units = |tick_units, decimals| DisplayUnits {
        instruments: vec![InstrumentUnits { symbol: "X".to_owned(), tick_units, decimals, lot: 1 }],
        money_decimals: 2,
        currency: String::new(),
    };
    let shown =
        |tick_units, decimals, ticks| units(tick_units, decimals).price(InstrumentId(0), Ticks(ticks));
    assert_eq!(shown(1, 12, 1_500_000_000_001), "1.500000000001");
    assert_eq!(shown(25, 10, -3), "-0.0000000075");
    assert_eq!(shown(100, 4, 10_003), "100.03");
    assert_eq!(shown(1_000, 0, i64::MAX), "9223372036854775807000");
}

/// The one rule where money is rounded: half away from zero, to two decimals.
#[test]
fn money_in_short_lines_is_rounded_half_away_from_zero() {
    use crate::kernel::DisplayUnits;
    let short = |minor, money_decimals| {
        DisplayUnits { money_decimals, ..DisplayUnits::default() }.money_short(crate::kernel::Minor(minor))
    };
    let table = [
        (714_560, 4, "+71.46"),
        (714_549, 4, "+71.45"),
        (714_550, 4, "+71.46"),
        (-714_550, 4, "-71.46"),
        (-49, 4, "+0.00"),
        (-50, 4, "-0.01"),
        (7_145, 2, "+71.45"),
        (-7, 0, "-7"),
        (i64::MIN, 2, "-92233720368547758.08"),
    ];
    for (minor, decimals, text) in table {
        assert_eq!(short(minor, decimals), text, "{minor} with {decimals} decimals");
    }
}
