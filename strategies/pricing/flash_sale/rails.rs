//! The guard rails between the formula and the shop: floor, then ceiling, then the largest change in one decision.
//!
//! Each limit may be absolute, relative, or both; where both are set the tighter one holds. Relative limits are rounded
//! to the safe side: a floor up, a ceiling and a change down. As floor and ceiling hold for the price before and for the
//! price wanted, they hold for every step between the two as well.

use pricewright_core::kernel::{Bps, Minor, PriceGuard};

/// One whole in basis points.
pub(super) const WHOLE_BPS: i64 = 10_000;

/// The smallest price and the smallest change: one minor unit.
pub(super) const SMALLEST: Minor = Minor(1);

/// The configured limits; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rails {
    /// No price below this.
    pub(super) floor: Option<Minor>,
    /// No price below this part of the base price.
    pub(super) floor_of_base: Option<Bps>,
    /// No price above this.
    pub(super) ceiling: Option<Minor>,
    /// No price above this part of the base price.
    pub(super) ceiling_of_base: Option<Bps>,
    /// No change by more than this.
    pub(super) max_change: Option<Minor>,
    /// No change by more than this part of the price before.
    pub(super) max_change_of_price: Option<Bps>,
}

/// The limits as they stand for one decision about one article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// The lowest price.
    pub(super) floor: Minor,
    /// The highest price; [`Minor`]`(i64::MAX)` where there is none.
    pub(super) ceiling: Minor,
    /// The price before and the largest change from it, where both exist.
    pub(super) change: Option<(Minor, Minor)>,
}

/// A price within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Railed {
    /// The price to publish.
    pub(super) price: Minor,
    /// What floor and ceiling left of the formula's price, before the largest change.
    pub(super) wanted: Minor,
    /// The rail that bit last, and so set the price.
    pub(super) guard: PriceGuard,
}

impl Rails {
    /// The limits for an article of this base price whose last price was `previous`. `None` where no price lies between
    /// floor and ceiling.
    pub(super) fn limits(&self, base: Minor, previous: Option<Minor>) -> Option<Limits> {
        let floor_of_base = self.floor_of_base.map(|bps| part_rounded_up(base, bps));
        let floor = SMALLEST.max(self.floor.unwrap_or(SMALLEST)).max(floor_of_base.unwrap_or(SMALLEST));
        let ceiling_of_base = self.ceiling_of_base.map(|bps| part_rounded_down(base, bps));
        let ceiling = tighter(self.ceiling, ceiling_of_base).unwrap_or(Minor(i64::MAX));
        let change = previous.and_then(|previous| Some((previous, self.largest_change(previous)?)));
        (floor <= ceiling).then_some(Limits { floor, ceiling, change })
    }

    /// At least one minor unit, so that a low price cannot be stuck for ever.
    fn largest_change(&self, previous: Minor) -> Option<Minor> {
        let relative = self.max_change_of_price.map(|bps| part_rounded_down(previous, bps));
        tighter(self.max_change, relative).map(|change| change.max(SMALLEST))
    }
}

impl Limits {
    /// The price nearest to `formula` that the limits allow.
    pub(super) fn apply(&self, formula: Minor) -> Railed {
        let (mut price, mut guard) = (formula, PriceGuard::NONE);
        if price < self.floor {
            (price, guard) = (self.floor, PriceGuard::FLOOR);
        }
        if price > self.ceiling {
            (price, guard) = (self.ceiling, PriceGuard::CEILING);
        }
        let wanted = price;
        if let Some((previous, most)) = self.change {
            let lowest = Minor(previous.0.saturating_sub(most.0));
            let highest = Minor(previous.0.saturating_add(most.0));
            if price < lowest || price > highest {
                (price, guard) = (price.clamp(lowest, highest), PriceGuard::MAX_CHANGE);
            }
        }
        Railed { price, wanted, guard }
    }
}

fn tighter(one: Option<Minor>, other: Option<Minor>) -> Option<Minor> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// `whole · bps / 10000`, rounded down; at most `i64::MAX`. Neither is negative.
fn part_rounded_down(whole: Minor, bps: Bps) -> Minor {
    saturated(i128::from(whole.0) * i128::from(bps.0) / i128::from(WHOLE_BPS))
}

/// `whole · bps / 10000`, rounded up; at most `i64::MAX`. Neither is negative.
fn part_rounded_up(whole: Minor, bps: Bps) -> Minor {
    let product = i128::from(whole.0) * i128::from(bps.0);
    let whole_bps = i128::from(WHOLE_BPS);
    saturated(product / whole_bps + i128::from(product % whole_bps > 0))
}

fn saturated(minor: i128) -> Minor {
    Minor(i64::try_from(minor).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
