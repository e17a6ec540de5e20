//! The price formula of a flash sale: what sells out becomes dearer, up to twice the base price.

use pricewright_core::kernel::Minor;

/// The highest base price: its double, the highest price there is, still fits 64 bits.
pub const MAX_BASE: Minor = Minor(i64::MAX / 2);

/// `base · (1 + (1 − stock/initial))` in minor units, rounded half up to a whole minor unit.
///
/// Computed as `base · (2·initial − stock) / initial` in 128-bit integers, so that the only rounding is the last one.
/// The result lies in `base..=2·base` and never falls while stock falls.
///
/// `None` where `base` is not in `1..=`[`MAX_BASE`], `initial` is not positive or `stock` is not in `0..=initial`.
pub fn scarcity_price(base: Minor, initial: i64, stock: i64) -> Option<Minor> {
    if base.0 < 1 || base > MAX_BASE || initial < 1 || !(0..=initial).contains(&stock) {
        return None;
    }
    let initial = i128::from(initial);
    let dividend = i128::from(base.0) * (2 * initial - i128::from(stock));
    let (quotient, remainder) = (dividend / initial, dividend % initial);
    let half_up = i128::from(2 * remainder >= initial);
    i64::try_from(quotient + half_up).ok().map(Minor)
}

#[cfg(test)]
mod tests;
