use std::path::PathBuf;

use quickcheck::QuickCheck;

use super::*;
use crate::market::book::Level;

fn touch(bid: i64, bid_qty: i64, ask: i64, ask_qty: i64) -> Touch {
    let level = |price, qty| Some(Level { price: Ticks(price), qty: Lots(qty), orders: 1 });
    Touch::of(&Bbo { bid: level(bid, bid_qty), ask: level(ask, ask_qty) }).expect("sound")
}

fn close(value: f64, expected: f64, tolerance: f64) {
    assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
}

/// Rows 0, 25 and 35 of the golden `l2_features` (computed from the papers' formulas): touch, then mid, spread, bid
/// share, queue imbalance, weighted mid.
#[test]
fn touch_features_as_in_the_golden_values() {
    let rows = [
        (
            touch(10_000, 25, 10_001, 47),
            [10_000.5, 1.0, 0.347222222222222, -0.305555555555556, 10_000.3472222222],
        ),
        (
            touch(9_999, 52, 10_001, 32),
            [10_000.0, 2.0, 0.619047619047619, 0.238095238095238, 10_000.2380952381],
        ),
        (
            touch(9_999, 52, 10_002, 20),
            [10_000.5, 3.0, 0.722222222222222, 0.444444444444444, 10_001.1666666667],
        ),
    ];
    for (touch, [mid, spread, share, imbalance, microprice]) in rows {
        close(touch.mid(), mid, 0.0);
        close(touch.spread().0 as f64, spread, 0.0);
        close(touch.bid_share(), share, 1e-14);
        close(touch.queue_imbalance(), imbalance, 1e-14);
        close(touch.microprice(), microprice, 1e-9);
    }
}

/// Rows 0 to 2 of the input of the golden `ewma`, `in_regime`, with decay 0.94: the weights 0.94^age over their sum, by
/// hand. The recursion without that division is compared with arch and pandas below.
#[test]
fn decay_from_elapsed_time_gives_the_riskmetrics_weights() {
    let tau = Nanos((-1e9 / libm::log(0.94)).round() as i64);
    let mut volatility = Volatility::new(tau, Nanos(1));
    let returns = [0.777446, -0.886242, 0.690687];
    let (mut price, mut expected) = (0.0, 0.0);
    volatility.observe(Nanos(0), price);
    let mut weights = 0.0;
    for (second, change) in (1..).zip(returns) {
        price += change;
        volatility.observe(Nanos::from_secs(second), price);
        expected = 0.94 * expected + change * change;
        weights = 0.94 * weights + 1.0;
        close(volatility.variance().expect("value"), expected / weights, 1e-8);
    }
}

#[test]
fn volatility_is_in_ticks_per_root_second_whatever_the_interval() {
    for millis in [10, 100, 1_000] {
        let mut volatility = Volatility::new(Nanos::from_secs(60), Nanos::from_millis(millis));
        // A price that moves by √dt ticks, up and down in turn, has a volatility of 1 tick per root second.
        let step = (millis as f64 / 1_000.0).sqrt();
        for sample in 0..1_000_i64 {
            volatility.observe(Nanos::from_millis(sample * millis), step * (sample % 2) as f64);
        }
        close(volatility.sigma().expect("value"), 1.0, 1e-9);
    }
}

#[test]
fn samples_within_the_interval_are_skipped_not_lost() {
    let mut volatility = Volatility::new(Nanos::from_secs(60), Nanos::from_millis(100));
    volatility.observe(Nanos(0), 100.0);
    volatility.observe(Nanos::from_millis(50), 90.0);
    assert_eq!(volatility.variance(), None);
    volatility.observe(Nanos::from_millis(100), 101.0);
    close(volatility.variance().expect("value"), 10.0, 1e-12);
    volatility.interrupt();
    volatility.observe(Nanos::from_millis(300), 500.0);
    close(volatility.variance().expect("value"), 10.0, 1e-12);
}

#[test]
fn no_touch_without_two_sound_sides() {
    let level = |price, qty| Some(Level { price: Ticks(price), qty: Lots(qty), orders: 1 });
    assert_eq!(Touch::of(&Bbo { bid: level(100, 1), ask: None }), None);
    assert_eq!(Touch::of(&Bbo { bid: None, ask: level(100, 1) }), None);
    assert_eq!(Touch::of(&Bbo { bid: level(100, 1), ask: level(100, 1) }), None, "locked");
    assert_eq!(Touch::of(&Bbo { bid: level(101, 1), ask: level(100, 1) }), None, "crossed");
    assert_eq!(Touch::of(&Bbo { bid: level(100, 1), ask: level(i64::MAX, 1) }), None, "out of range");
}

#[test]
fn prices_are_rounded_away_from_the_other_side() {
    assert_eq!(to_price(100.9, Side::Buy, Ticks(1)), Some(Ticks(100)));
    assert_eq!(to_price(100.1, Side::Sell, Ticks(1)), Some(Ticks(101)));
    assert_eq!(to_price(1_000_099.0, Side::Buy, Ticks(100)), Some(Ticks(1_000_000)));
    assert_eq!(to_price(1_000_001.0, Side::Sell, Ticks(100)), Some(Ticks(1_000_100)));
    assert_eq!(to_price(100.0, Side::Buy, Ticks(1)), Some(Ticks(100)));
    assert_eq!(to_price(-100.5, Side::Buy, Ticks(1)), Some(Ticks(-101)));
    for wrong in [f64::NAN, f64::INFINITY, 1e18] {
        assert_eq!(to_price(wrong, Side::Buy, Ticks(1)), None);
    }
    assert_eq!(to_price(100.0, Side::Buy, Ticks(0)), None);
}

#[test]
fn the_microprice_lies_between_bid_and_ask() {
    fn property(bid: i32, spread: u16, bid_qty: u32, ask_qty: u32) -> bool {
        let bid = i64::from(bid);
        let ask = bid + i64::from(spread) + 1;
        let touch = touch(bid, i64::from(bid_qty) + 1, ask, i64::from(ask_qty) + 1);
        let price = touch.microprice();
        price >= bid as f64 - 1e-6 && price <= ask as f64 + 1e-6
    }
    QuickCheck::new().tests(1_000).quickcheck(property as fn(i32, u16, u32, u32) -> bool);
}

fn golden(name: &str) -> Vec<Vec<f64>> {
    let data = std::env::var_os("PRICEWRIGHT_DATA").expect("PRICEWRIGHT_DATA names the data set");
    let path = PathBuf::from(data).join("../golden").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let row = |line: &str| line.split(',').map(|cell| cell.parse().expect("number")).collect();
    text.lines().skip(1).map(row).collect()
}

#[test]
#[ignore = "needs the golden values beside the data set: set PRICEWRIGHT_DATA"]
fn every_row_of_the_golden_l2_features() {
    let (books, features) = (golden("in_l2.csv"), golden("out_l2_features.csv"));
    assert!(!features.is_empty() && books.len() >= features.len());
    for (book, row) in books.iter().zip(&features) {
        assert_eq!(book[0], row[0], "the same sequence");
        let [bid, bid_qty, ask, ask_qty] = [book[2], book[3], book[4], book[5]].map(|number| number as i64);
        let touch = touch(bid, bid_qty, ask, ask_qty);
        close(touch.mid(), row[1], 0.0);
        close(touch.spread().0 as f64, row[2], 0.0);
        close(touch.bid_share(), row[3], 1e-12);
        close(touch.queue_imbalance(), row[4], 1e-12);
        close(touch.microprice(), row[7], 1e-9);
    }
}

#[test]
#[ignore = "needs the golden values beside the data set: set PRICEWRIGHT_DATA"]
fn every_row_of_the_golden_ewma() {
    let returns: Vec<f64> = golden("in_regime.csv").iter().map(|row| row[1]).collect();
    let expected = golden("out_ewma.csv");
    // arch's series excludes the return of its own row and starts from a given value; pandas' includes it.
    let mut arch = Ewma::starting_at(0.7674658273029389);
    let mut pandas = Ewma::starting_at(returns[0] * returns[0]);
    let mut rows = expected.iter().peekable();
    for (index, x) in returns.iter().enumerate() {
        let before = arch.value().expect("value");
        if index > 0 {
            pandas.update(0.94, x * x);
        }
        if let Some(row) = rows.next_if(|row| row[0] as usize == index) {
            close(before, row[2], 1e-12 * row[2]);
            close(pandas.value().expect("value"), row[3], 1e-12 * row[3]);
        }
        arch.update(0.94, x * x);
    }
    assert!(rows.next().is_none(), "every row was compared");
}
