use quickcheck::quickcheck;

use super::*;
use crate::kernel::machine::{read_state, write_state};

fn share(symbol: &str) -> Instrument {
    Instrument {
        id: InstrumentId(0),
        symbol: symbol.to_owned(),
        tick_size: TickSize::new("0.0001").unwrap(),
        increment: Ticks(100),
        lot: 1,
        tick_value: Minor(1),
        currency: "USD".to_owned(),
        currency_decimals: 4,
        short_sale: ShortSale::Refused,
    }
}

#[test]
fn prices_are_read_exactly_or_refused() {
    for (tick_size, text, ticks) in [
        ("0.0001", "100.01", 1_000_100),
        ("0.0001", "100.0100", 1_000_100),
        ("0.01", "100.01000000", 10_001),
        ("0.25", "4500.75", 18_003),
        ("0.25", "-37.5", -150),
        ("5", "1000", 200),
        ("5", "1000.0", 200),
        ("0.01", "0", 0),
        ("0.01", "0.00", 0),
        ("1", "-9223372036854775808", i64::MIN),
    ] {
        assert_eq!(TickSize::new(tick_size).unwrap().parse(text), Ok(Ticks(ticks)), "{text} at {tick_size}");
    }
    for text in
        ["", ".", "1.", ".5", "0x1", "1e3", "1,5", " 1", "9223372036854775808", "1.2.3", "--1", "100.0.0"]
    {
        let refused = TickSize::new("0.01").unwrap().parse(text);
        assert_eq!(refused, Err(InstrumentError::Price(text.to_owned())), "{text:?}");
    }
}

#[test]
fn a_price_between_ticks_is_refused_with_its_neighbours() {
    let error = TickSize::new("0.25").unwrap().parse("-0.3").unwrap_err();
    assert_eq!(
        error.to_string(),
        "price \"-0.3\" is not a multiple of the tick size 0.25; the nearest are -0.50 and -0.25"
    );
    assert!(matches!(TickSize::new("0.01").unwrap().parse("1.001"), Err(InstrumentError::OffTick { .. })));
}

#[test]
fn tick_sizes_are_positive_decimals() {
    for text in ["", "0", "0.00", "-0.01", "1e-4", "0.0000000000001", "."] {
        assert_eq!(TickSize::new(text), Err(InstrumentError::TickSize(text.to_owned())));
    }
    assert_eq!(TickSize::new("0.050").unwrap().show(Ticks(3)).to_string(), "0.150");
    assert_eq!(TickSize::new("10").unwrap().show(Ticks(-3)).to_string(), "-30");
}

quickcheck! {
    fn what_is_shown_is_read_back(ticks: i64, units: u32, decimals: u8) -> bool {
        let tick_size = TickSize { units: i64::from(units) + 1, decimals: decimals % (MAX_TICK_DECIMALS + 1) };
        let ticks = Ticks(ticks >> 33);
        tick_size.parse(&tick_size.show(ticks).to_string()) == Ok(ticks)
    }

    fn rounding_to_the_increment_is_never_more_aggressive(price: i64, increment: u16) -> bool {
        let instrument = Instrument { increment: Ticks(i64::from(increment) + 1), ..share("A") };
        let near = |rounded: Ticks, from: i64, to: i64| {
            rounded.0 % instrument.increment.0 == 0 && from <= to && i128::from(to) - i128::from(from) <= i128::from(increment)
        };
        let bid = instrument.on_increment(Side::Buy, Ticks(price)).is_none_or(|bid| near(bid, bid.0, price));
        bid && instrument.on_increment(Side::Sell, Ticks(price)).is_none_or(|ask| near(ask, price, ask.0))
    }
}

#[test]
fn the_configuration_gives_the_order_and_is_checked() {
    let numbered = in_order(vec![share("A"), share("B")]).unwrap();
    assert_eq!(numbered[1].id, InstrumentId(1));
    assert_eq!(in_order(vec![share("A"), share("A")]), Err(InstrumentError::Twice("A".to_owned())));
    let red = Instrument { currency: "\u{1b}[31m".to_owned(), ..share("A") };
    let refused = in_order(vec![red]).unwrap_err();
    assert!(matches!(refused, InstrumentError::NotShown { field: "currency", .. }));
    assert!(!refused.to_string().contains('\u{1b}'), "no terminal is painted with it");
    assert_eq!(in_order(vec![share("A"), share("")]), Err(InstrumentError::NoSymbol(1)));
    let error = in_order(vec![Instrument { increment: Ticks(0), ..share("A") }]).unwrap_err();
    assert_eq!(error.to_string(), "instrument A: increment is 0; it must be at least 1");
    assert!(in_order(vec![Instrument { currency_decimals: 10, ..share("A") }]).is_err());
    // The last number of 16 bits means all instruments.
    let mut many: Vec<_> = (0..65_536).map(|n| share(&n.to_string())).collect();
    assert_eq!(in_order(many.clone()).map(|_| ()), Err(InstrumentError::TooMany(65_536)));
    many.pop();
    assert_eq!(in_order(many).unwrap().last().unwrap().id, InstrumentId(65_534));
}

#[test]
fn it_survives_a_snapshot() {
    let mut bytes = Vec::new();
    write_state(&share("A"), &mut bytes).unwrap();
    assert_eq!(read_state::<Instrument>(&bytes).unwrap(), share("A"));
}
