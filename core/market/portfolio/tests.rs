use quickcheck::{QuickCheck, TestResult};

use super::*;

/// One step of a golden table: fill, price, then position, cost-free realised and unrealised at the fill's price.
struct Row {
    fill: i64,
    price: i64,
    position: i64,
    realised: i64,
    unrealised: i64,
}

const fn row(fill: i64, price: i64, position: i64, realised: i64, unrealised: i64) -> Row {
    Row { fill, price, position, realised, unrealised }
}

fn book(holding: &mut Holding, signed: i64, price: i64) {
    let side = if signed > 0 { Side::Buy } else { Side::Sell };
    let qty = u32::try_from(signed.abs()).expect("lots");
    holding.fill(side, Ticks(price), qty, Minor(0)).expect("in range");
}

fn check(rows: &[Row]) {
    let mut holding = Holding::new(Minor(1)).expect("tick value");
    for (index, row) in rows.iter().enumerate() {
        book(&mut holding, row.fill, row.price);
        assert_eq!(holding.position(), Lots(row.position), "position in row {index}");
        assert_eq!(holding.realised(), Minor(row.realised), "realised in row {index}");
        assert_eq!(
            holding.unrealised(Ticks(row.price).into()),
            Minor(row.unrealised),
            "unrealised in row {index}"
        );
    }
}

/// Prices and money in cents. Source: exact fractions (average cost), `pnl_avg_fifo`.
#[test]
fn average_cost_as_in_exact_fractions() {
    check(&[
        row(100, 1000, 100, 0, 0),
        row(50, 1040, 150, 0, 4000),
        row(-120, 1050, 30, 4400, 1100),
        row(-80, 1030, -50, 4900, 0),
        row(30, 1010, -20, 5500, 400),
        row(20, 1060, 0, 4900, 0),
        row(-10, 1055, -10, 4900, 0),
    ]);
}

/// Prices and money in cents. Source: nautilus_trader 1.221.0, `pnl_nautilus`.
#[test]
fn average_cost_as_in_nautilus_trader() {
    check(&[
        row(100, 1000, 100, 0, 0),
        row(50, 1040, 150, 0, 4000),
        row(-120, 1050, 30, 4400, 1100),
        row(-20, 1030, 10, 4733, 167),
        row(-10, 1010, 0, 4700, 0),
    ]);
}

#[test]
fn cost_is_average_cost_times_position() {
    let mut holding = Holding::new(Minor(1)).expect("tick value");
    book(&mut holding, 100, 1000);
    book(&mut holding, 50, 1040);
    // 150 lots at 10.1333…, from the same tables.
    assert_eq!(holding.cost(), Minor(152_000));
}

#[test]
fn identity_holds_at_any_mark_after_any_trades() {
    fn property(trades: Vec<(i16, i16)>, mark: i16, tick_value: u8) -> TestResult {
        let Ok(mut holding) = Holding::new(Minor(i64::from(tick_value))) else {
            return TestResult::discard();
        };
        for (fill, price) in trades {
            book(&mut holding, i64::from(fill), i64::from(price));
            let marked = holding.position().0 * i64::from(mark) * i64::from(tick_value);
            let profit = holding.realised() + holding.unrealised(Ticks(i64::from(mark)).into());
            if profit != holding.cash() + Minor(marked)
                || (holding.position().0 == 0 && holding.cost().0 != 0)
            {
                return TestResult::failed();
            }
        }
        TestResult::passed()
    }
    QuickCheck::new().tests(500).quickcheck(property as fn(Vec<(i16, i16)>, i16, u8) -> TestResult);
}

#[test]
fn a_broken_fill_restores_position_cash_and_fees() {
    fn property(before: Vec<(i16, i16)>, fill: (u16, i16), after: Vec<(i16, i16)>) -> bool {
        let mut with = Holding::new(Minor(3)).expect("tick value");
        let mut without = with.clone();
        for (fill, price) in &before {
            book(&mut with, i64::from(*fill), i64::from(*price));
            book(&mut without, i64::from(*fill), i64::from(*price));
        }
        let (qty, price) = (u32::from(fill.0), Ticks(i64::from(fill.1)));
        with.fill(Side::Sell, price, qty, Minor(-2000)).expect("in range");
        for (fill, price) in &after {
            book(&mut with, i64::from(*fill), i64::from(*price));
            book(&mut without, i64::from(*fill), i64::from(*price));
        }
        with.break_fill(Side::Sell, price, qty, Minor(-2000)).expect("in range");
        with.position() == without.position()
            && with.cash() == without.cash()
            && with.fees() == without.fees()
    }
    QuickCheck::new()
        .tests(300)
        .quickcheck(property as fn(Vec<(i16, i16)>, (u16, i16), Vec<(i16, i16)>) -> bool);
}

#[test]
fn fees_round_against_us_and_rebates_are_negative() {
    let mut holding = Holding::new(Minor(1)).expect("tick value");
    // 30 mils a share is 3000 minor units for 10 000 shares.
    holding.fill(Side::Buy, Ticks(100), 7, Minor(3000)).expect("in range");
    assert_eq!(holding.fees(), Minor(3), "2.1 minor units are shown as 3");
    let mut rebate = Holding::new(Minor(1)).expect("tick value");
    rebate.fill(Side::Buy, Ticks(100), 7, Minor(-2000)).expect("in range");
    assert_eq!(rebate.fees(), Minor(-1), "1.4 minor units of rebate are shown as 1");
}

#[test]
fn out_of_range_changes_nothing() {
    let mut holding = Holding::new(Minor(1)).expect("tick value");
    book(&mut holding, 5, 100);
    let before = holding.clone();
    assert_eq!(holding.fill(Side::Buy, Ticks(PRICE_MAX.0 + 1), 1, Minor(0)), Err(OutOfRange));
    assert_eq!(holding.fill(Side::Buy, Ticks(i64::MIN), 1, Minor(0)), Err(OutOfRange));
    assert_eq!(holding, before);
    assert!(Holding::new(Minor(0)).is_err());
    assert!(Holding::new(Minor(TICK_VALUE_MAX.0 + 1)).is_err());
}

#[test]
fn extreme_values_do_not_overflow() {
    let mut holding = Holding::new(TICK_VALUE_MAX).expect("tick value");
    for _ in 0..256 {
        holding.fill(Side::Buy, PRICE_MAX, u32::MAX, FEE_MAX).expect("in range");
    }
    assert!(holding.fill(Side::Buy, PRICE_MAX, u32::MAX, FEE_MAX).is_err(), "position limit");
    holding.fill(Side::Sell, Ticks(-PRICE_MAX.0), u32::MAX, FEE_MAX).expect("in range");
    assert_eq!(holding.unrealised(HalfTicks(i64::MIN)), Minor(i64::MIN));
}

#[test]
fn the_largest_position_closes_without_an_overflow() {
    let mut holding = Holding::new(TICK_VALUE_MAX).expect("tick value");
    for _ in 0..256 {
        holding.fill(Side::Buy, PRICE_MAX, u32::MAX, FEE_MAX).expect("in range");
    }
    let bought = holding.position();
    // Half of it, then the rest, for nothing: what was paid is lost.
    let half = Lots(bought.0 / 2);
    holding.restate(half, Ticks(0)).expect("worth nothing at that price");
    assert_eq!(holding.cost, holding.cash.abs() / 2);
    holding.restate(Lots(0), Ticks(0)).expect("worth nothing");
    assert_eq!((holding.position(), holding.cost()), (Lots(0), Minor(0)));
    assert_eq!(holding.realised, -(i128::from(bought.0) << 52));
    assert!(holding.is_sound());
}

#[test]
fn a_stated_position_is_refused_where_its_numbers_are_out_of_range() {
    for (position, price) in [
        (Lots(i64::MAX), Ticks(1)),
        (Lots(i64::MIN), Ticks(1)),
        (Lots(POSITION_MAX.0 + 1), Ticks(1)),
        (POSITION_MAX, PRICE_MAX),
        (Lots(1), Ticks(PRICE_MAX.0 + 1)),
        (Lots(1), Ticks(i64::MIN)),
    ] {
        for before in [-3, 0, 3] {
            let mut holding = Holding::new(Minor(1)).expect("tick value");
            book(&mut holding, before, 100);
            let unchanged = holding.clone();
            assert_eq!(holding.restate(position, price), Err(OutOfRange), "{position} at {price}");
            assert_eq!(holding, unchanged);
        }
    }
    let mut holding = Holding::new(Minor(1)).expect("tick value");
    assert_eq!(holding.restate(POSITION_MAX, Ticks(1)), Ok(POSITION_MAX));
    assert_eq!(holding.restate(Lots(-POSITION_MAX.0), Ticks(1)), Ok(Lots(-2 * POSITION_MAX.0)));
}

#[test]
fn numbers_that_no_trade_leads_to_are_not_sound() {
    let sound = Holding::new(Minor(1)).expect("tick value");
    assert!(sound.is_sound());
    for wrong in [
        Holding { position: i64::MIN, ..sound.clone() },
        Holding { position: POSITION_MAX.0 + 1, ..sound.clone() },
        Holding { tick_value: Minor(0), ..sound.clone() },
        Holding { cash: i128::MIN, ..sound.clone() },
        Holding { cost: i128::MAX, ..sound.clone() },
        Holding { realised: i128::MIN, ..sound.clone() },
        Holding { fees: i128::MAX, ..sound.clone() },
    ] {
        assert!(!wrong.is_sound(), "{wrong:?}");
    }
}
