use quickcheck::{TestResult, quickcheck};

use super::*;

#[test]
fn prices_worked_out_by_hand() {
    for (base, initial, stock, price) in [
        (10_000, 40, 40, 10_000),
        (10_000, 40, 10, 17_500),
        (10_000, 40, 0, 20_000),
        // 1 2/3 and 1 1/3: down below the half, up above it.
        (100, 3, 1, 167),
        (100, 3, 2, 133),
        // Exactly a half goes up: 1.5, 4.5, 7.5.
        (1, 2, 1, 2),
        (3, 2, 1, 5),
        (5, 4, 2, 8),
        // 8.75 and 6.25.
        (5, 4, 1, 9),
        (5, 4, 3, 6),
        // 1.499…: just below a half.
        (1, 1_001, 501, 1),
        (1, 1_001, 500, 2),
        (MAX_BASE.0, i64::MAX, 0, i64::MAX - 1),
        (MAX_BASE.0, i64::MAX, i64::MAX, MAX_BASE.0),
    ] {
        assert_eq!(
            scarcity_price(Minor(base), initial, stock),
            Some(Minor(price)),
            "{base} {stock}/{initial}"
        );
    }
}

#[test]
fn refuses_what_has_no_price() {
    for (base, initial, stock) in [
        (0, 1, 1),
        (-1, 1, 1),
        (MAX_BASE.0 + 1, 1, 1),
        (1, 0, 0),
        (1, -1, -1),
        (1, 1, 2),
        (1, 1, -1),
        (i64::MIN, i64::MIN, i64::MIN),
    ] {
        assert_eq!(scarcity_price(Minor(base), initial, stock), None, "{base} {stock}/{initial}");
    }
}

/// A fraction over `i128`, the formula's terms one by one: the twin that knows no shortcut.
#[derive(Clone, Copy)]
struct Ratio(i128, i128);

impl Ratio {
    fn minus(self, other: Self) -> Self {
        Self(self.0 * other.1 - other.0 * self.1, self.1 * other.1)
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0 * other.1 + other.0 * self.1, self.1 * other.1)
    }

    fn times(self, other: Self) -> Self {
        Self(self.0 * other.0, self.1 * other.1)
    }

    fn floor(self) -> i128 {
        self.0.div_euclid(self.1)
    }
}

fn naive(base: i64, initial: i64, stock: i64) -> i128 {
    let one = Ratio(1, 1);
    let left = Ratio(i128::from(stock), i128::from(initial));
    let price = Ratio(i128::from(base), 1).times(one.plus(one.minus(left)));
    price.plus(Ratio(1, 2)).floor()
}

quickcheck! {
    fn equals_the_exact_fraction_rounded(base: u32, initial: u16, stock: u16) -> TestResult {
        if base == 0 || initial == 0 {
            return TestResult::discard();
        }
        let (base, initial) = (i64::from(base), i64::from(initial));
        let stock = i64::from(stock) % (initial + 1);
        let price = scarcity_price(Minor(base), initial, stock).map(|price| i128::from(price.0));
        TestResult::from_bool(price == Some(naive(base, initial, stock)))
    }

    fn is_bounded_and_never_falls_while_stock_falls(base: i64, initial: i64, stock: i64) -> TestResult {
        let (Some(base), Some(initial)) = (base.checked_abs(), initial.checked_abs()) else {
            return TestResult::discard();
        };
        let base = base.clamp(1, MAX_BASE.0);
        let initial = initial.max(1);
        let stock = stock.rem_euclid(initial);
        let scarce = scarcity_price(Minor(base), initial, stock);
        let plenty = scarcity_price(Minor(base), initial, stock + 1);
        let (Some(scarce), Some(plenty)) = (scarce, plenty) else {
            return TestResult::failed();
        };
        TestResult::from_bool(base <= plenty.0 && plenty <= scarce && scarce.0 <= 2 * base)
    }
}
