use quickcheck::{TestResult, quickcheck};

use super::*;

const OPEN: Rails = Rails {
    floor: None,
    floor_of_base: None,
    ceiling: None,
    ceiling_of_base: None,
    max_change: None,
    max_change_of_price: None,
};

fn railed(rails: Rails, base: i64, previous: Option<i64>, formula: i64) -> (i64, PriceGuard) {
    let limits =
        rails.limits(Minor(base), previous.map(Minor)).expect("a price lies between floor and ceiling");
    let railed = limits.apply(Minor(formula));
    (railed.price.0, railed.guard)
}

#[test]
fn each_rail_bites_and_says_so() {
    let floor = Rails { floor: Some(Minor(120)), ..OPEN };
    let ceiling = Rails { ceiling: Some(Minor(150)), ..OPEN };
    let change = Rails { max_change: Some(Minor(10)), ..OPEN };
    let change_bps = Rails { max_change_of_price: Some(Bps(1_000)), ..OPEN };
    for (rails, previous, formula, expected) in [
        (OPEN, Some(1), 199, (199, PriceGuard::NONE)),
        (floor, None, 119, (120, PriceGuard::FLOOR)),
        (floor, None, 120, (120, PriceGuard::NONE)),
        (ceiling, None, 151, (150, PriceGuard::CEILING)),
        (ceiling, None, 150, (150, PriceGuard::NONE)),
        (change, None, 200, (200, PriceGuard::NONE)),
        (change, Some(100), 110, (110, PriceGuard::NONE)),
        (change, Some(100), 111, (110, PriceGuard::MAX_CHANGE)),
        (change, Some(100), 89, (90, PriceGuard::MAX_CHANGE)),
        (change_bps, Some(100), 111, (110, PriceGuard::MAX_CHANGE)),
        // 10 % of 109 is 10.9: rounded down.
        (change_bps, Some(109), 200, (119, PriceGuard::MAX_CHANGE)),
        // 10 % of 5 is nothing: one minor unit is always allowed.
        (change_bps, Some(5), 9, (6, PriceGuard::MAX_CHANGE)),
    ] {
        assert_eq!(railed(rails, 100, previous, formula), expected, "{rails:?} {previous:?} {formula}");
    }
}

#[test]
fn relative_limits_round_to_the_safe_side() {
    let floor = Rails { floor_of_base: Some(Bps(5_001)), ..OPEN };
    assert_eq!(railed(floor, 100, None, 1), (51, PriceGuard::FLOOR));
    let ceiling = Rails { ceiling_of_base: Some(Bps(15_099)), ..OPEN };
    assert_eq!(railed(ceiling, 100, None, 200), (150, PriceGuard::CEILING));
}

#[test]
fn of_two_limits_the_tighter_holds() {
    let rails = Rails {
        floor: Some(Minor(110)),
        floor_of_base: Some(Bps(12_000)),
        ceiling: Some(Minor(180)),
        ceiling_of_base: Some(Bps(17_000)),
        max_change: Some(Minor(30)),
        max_change_of_price: Some(Bps(1_000)),
    };
    assert_eq!(railed(rails, 100, None, 100), (120, PriceGuard::FLOOR));
    assert_eq!(railed(rails, 100, None, 200), (170, PriceGuard::CEILING));
    assert_eq!(railed(rails, 100, Some(120), 170), (132, PriceGuard::MAX_CHANGE));
}

#[test]
fn no_price_between_floor_and_ceiling() {
    let rails = Rails { floor: Some(Minor(200)), ceiling_of_base: Some(Bps(15_000)), ..OPEN };
    assert_eq!(rails.limits(Minor(100), None), None);
    assert!(rails.limits(Minor(134), None).is_some());
    let cheap = Rails { ceiling_of_base: Some(Bps(5_000)), ..OPEN };
    assert_eq!(cheap.limits(Minor(1), None), None, "half of one minor unit is no price");
}

#[test]
fn the_largest_numbers_saturate() {
    let rails =
        Rails { ceiling_of_base: Some(Bps(i64::MAX)), max_change_of_price: Some(Bps(i64::MAX)), ..OPEN };
    assert_eq!(railed(rails, i64::MAX / 2, Some(i64::MAX), 1), (1, PriceGuard::NONE));
}

quickcheck! {
    fn every_step_stays_within_the_rails(
        floor: u16, width: u16, change: u8, change_bps: u16, formulas: Vec<u32>
    ) -> TestResult {
        let (floor, ceiling) = (Minor(i64::from(floor) + 1), Minor(i64::from(floor) + 1 + i64::from(width)));
        let rails = Rails {
            floor: Some(floor),
            ceiling: Some(ceiling),
            max_change: Some(Minor(i64::from(change) + 1)),
            max_change_of_price: Some(Bps(i64::from(change_bps) + 1)),
            ..OPEN
        };
        let mut previous = None;
        for formula in formulas {
            let Some(limits) = rails.limits(Minor(1_000), previous) else {
                return TestResult::error("no price between floor and ceiling");
            };
            let price = limits.apply(Minor(i64::from(formula) + 1)).price;
            if price < floor || price > ceiling {
                return TestResult::error(format!("{price} is not in {floor}..={ceiling}"));
            }
            if let Some(before) = previous {
                let most = (i64::from(change) + 1).min(before.0 * (i64::from(change_bps) + 1) / 10_000).max(1);
                if (price - before).0.abs() > most {
                    return TestResult::error(format!("{before} to {price} is more than {most}"));
                }
            }
            previous = Some(price);
        }
        TestResult::passed()
    }
}
