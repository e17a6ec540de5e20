//! Average-cost accounting of one instrument, in integers.
//!
//! Guarantees, after any sequence of trades and at any mark, `realised + unrealised = cash + position · mark` exactly:
//! what rounding leaves over when a part of a position is closed stays in the cost of the rest, so nothing is lost or
//! made. Fees are kept apart from profit; rebates are negative fees.
//!
//! Rounding, in the only place where it happens: closing `n` of `p` lots takes `cost · n / p` out of the cost, rounded
//! to the nearest minor unit, halves away from zero.
//!
//! A broken trade is booked as the opposite trade at the same price with its fee returned: position, cash and fees are
//! as if it had never been; how its money divides between realised and unrealised may differ from that.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};

use crate::kernel::{Lots, Minor, Side, Ticks};

/// Prices beyond this many ticks, either way, are refused.
pub const PRICE_MAX: Ticks = Ticks(1 << 32);
/// The largest money value of one tick of one lot.
pub const TICK_VALUE_MAX: Minor = Minor(1 << 20);
/// Positions beyond this many lots, either way, are refused.
pub const POSITION_MAX: Lots = Lots(1 << 40);
/// Fees are quoted for this many lots, because exchanges charge fractions of a cent.
pub const FEE_LOTS: i64 = 10_000;
/// The largest fee or rebate for [`FEE_LOTS`] lots.
pub const FEE_MAX: Minor = Minor(1 << 40);

/// Money that no sum of trades reaches, by far: 2⁹² is one position at its largest.
const SOUND_MONEY: u128 = 1 << 120;

/// A price as a whole number of half ticks, so that the middle between two prices is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HalfTicks(pub i64);

impl HalfTicks {
    /// The middle between two prices; `None` where one is out of range.
    pub fn mid(bid: Ticks, ask: Ticks) -> Option<Self> {
        (in_range(bid) && in_range(ask)).then(|| Self(bid.0 + ask.0))
    }
}

impl From<Ticks> for HalfTicks {
    fn from(price: Ticks) -> Self {
        Self(price.0.saturating_mul(2))
    }
}

/// True where a price lies within [`PRICE_MAX`] either way.
pub fn in_range(price: Ticks) -> bool {
    (-PRICE_MAX.0..=PRICE_MAX.0).contains(&price.0)
}

/// True where a position lies within [`POSITION_MAX`] either way.
pub fn is_position(lots: Lots) -> bool {
    (-POSITION_MAX.0..=POSITION_MAX.0).contains(&lots.0)
}

/// Money as a record carries it: the nearest value that 64 bits hold.
pub fn minor(value: i128) -> Minor {
    let clamped = value.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Minor(i64::try_from(clamped).unwrap_or(i64::MAX))
}

/// A trade could not be booked: its price or the position after it lies out of range. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("price or position out of range")]
pub struct OutOfRange;

/// Position, cost, cash and profit of one instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    tick_value: Minor,
    position: i64,
    cash: i128,
    cost: i128,
    realised: i128,
    /// In 1/[`FEE_LOTS`] of a minor unit.
    fees: i128,
    fills: u64,
}

impl Holding {
    /// Nothing held of an instrument whose tick is worth `tick_value` for each lot.
    ///
    /// # Errors
    /// Where `tick_value` is not positive or beyond [`TICK_VALUE_MAX`].
    pub fn new(tick_value: Minor) -> Result<Self, OutOfRange> {
        if !(1..=TICK_VALUE_MAX.0).contains(&tick_value.0) {
            return Err(OutOfRange);
        }
        Ok(Self { tick_value, position: 0, cash: 0, cost: 0, realised: 0, fees: 0, fills: 0 })
    }

    /// Books a fill. `fee` is for [`FEE_LOTS`] lots, negative for a rebate.
    ///
    /// # Errors
    /// [`OutOfRange`]; then nothing is booked.
    pub fn fill(&mut self, side: Side, price: Ticks, qty: u32, fee: Minor) -> Result<(), OutOfRange> {
        self.trade(side.sign() * i64::from(qty), price)?;
        self.fees += i128::from(qty) * i128::from(fee.0.clamp(-FEE_MAX.0, FEE_MAX.0));
        self.fills += 1;
        Ok(())
    }

    /// Takes a fill back that the venue broke; arguments as they were given to [`Self::fill`].
    ///
    /// # Errors
    /// [`OutOfRange`]; then nothing is booked.
    pub fn break_fill(&mut self, side: Side, price: Ticks, qty: u32, fee: Minor) -> Result<(), OutOfRange> {
        self.trade(-side.sign() * i64::from(qty), price)?;
        self.fees -= i128::from(qty) * i128::from(fee.0.clamp(-FEE_MAX.0, FEE_MAX.0));
        Ok(())
    }

    /// Makes the position what somebody who knows says it is. The difference is booked as a trade at `price`, without fee
    /// and not counted as a fill. Returns the difference.
    ///
    /// # Errors
    /// [`OutOfRange`], also where the position is worth more at `price` than a record's money holds; then nothing is booked.
    pub fn restate(&mut self, position: Lots, price: Ticks) -> Result<Lots, OutOfRange> {
        let difference = position.0.checked_sub(self.position).ok_or(OutOfRange)?;
        let each = i128::from(price.0) * i128::from(self.tick_value.0);
        let worth = each.checked_mul(i128::from(position.0)).ok_or(OutOfRange)?;
        i64::try_from(worth).map_err(|_| OutOfRange)?;
        self.trade(difference, price)?;
        Ok(Lots(difference))
    }

    /// Whether its numbers are such as trades lead to: what was read from elsewhere need not be.
    pub fn is_sound(&self) -> bool {
        let money = |value: i128| value.unsigned_abs() <= SOUND_MONEY;
        is_position(self.position())
            && (1..=TICK_VALUE_MAX.0).contains(&self.tick_value.0)
            && [self.cash, self.cost, self.realised, self.fees].into_iter().all(money)
    }

    fn trade(&mut self, signed: i64, price: Ticks) -> Result<(), OutOfRange> {
        let after = self.position.checked_add(signed).ok_or(OutOfRange)?;
        if !in_range(price) || !is_position(Lots(after)) {
            return Err(OutOfRange);
        }
        let each = i128::from(price.0) * i128::from(self.tick_value.0);
        let opposite = self.position.signum() * signed.signum() < 0;
        let closing = if opposite { signed.abs().min(self.position.abs()) } else { 0 };
        if closing > 0 {
            let removed = share(self.cost, closing.into(), self.position.abs().into());
            self.realised += each * i128::from(closing * self.position.signum()) - removed;
            self.cost -= removed;
        }
        let opened = signed - closing * signed.signum();
        self.cost += each * i128::from(opened);
        self.cash -= each * i128::from(signed);
        self.position = after;
        Ok(())
    }

    /// Lots held; negative where short.
    pub fn position(&self) -> Lots {
        Lots(self.position)
    }

    /// What the position cost: average cost × position, signed like the position.
    pub fn cost(&self) -> Minor {
        minor(self.cost)
    }

    /// Money received less money paid, fees not deducted.
    pub fn cash(&self) -> Minor {
        minor(self.cash)
    }

    /// Profit of what was closed, fees not deducted.
    pub fn realised(&self) -> Minor {
        minor(self.realised)
    }

    /// Profit of the position at `mark`; half a minor unit is rounded down.
    pub fn unrealised(&self, mark: HalfTicks) -> Minor {
        minor(self.worth(mark) - self.cost)
    }

    /// What the position is worth at `mark`, negative where short; half a minor unit is rounded down.
    #[inline]
    pub fn value(&self, mark: HalfTicks) -> Minor {
        minor(self.worth(mark))
    }

    #[inline]
    fn worth(&self, mark: HalfTicks) -> i128 {
        if self.position == 0 {
            return 0;
        }
        let limit = PRICE_MAX.0 * 2;
        let halves = i128::from(mark.0.clamp(-limit, limit)) * i128::from(self.tick_value.0);
        (halves * i128::from(self.position)).div_euclid(2)
    }

    /// Fees paid, rebates negative; part of a minor unit counts as a whole one against us.
    pub fn fees(&self) -> Minor {
        // 128 bits are divided by a call, 64 by an instruction; fees fit 64 in all but contrived cases.
        match i64::try_from(-self.fees) {
            Ok(paid) => Minor(-paid.div_euclid(FEE_LOTS)),
            Err(_) => minor(-(-self.fees).div_euclid(i128::from(FEE_LOTS))),
        }
    }

    /// Fills booked, broken ones included.
    pub fn fills(&self) -> u64 {
        self.fills
    }

    /// Realised and unrealised profit at `mark` less fees.
    pub fn profit(&self, mark: HalfTicks) -> Minor {
        self.profit_of(self.worth(mark))
    }

    /// [`Self::value`] and [`Self::profit`] at one `mark`, for less than both cost.
    #[inline]
    pub fn value_and_profit(&self, mark: HalfTicks) -> (Minor, Minor) {
        let worth = self.worth(mark);
        (minor(worth), self.profit_of(worth))
    }

    fn profit_of(&self, worth: i128) -> Minor {
        let unrealised = minor(worth - self.cost);
        minor(self.realised + i128::from(unrealised.0) - i128::from(self.fees().0))
    }
}

/// `money · part / whole`, rounded like [`divide`]; `part` of at most `whole`, which is positive.
fn share(money: i128, part: i128, whole: i128) -> i128 {
    match money.checked_mul(part) {
        Some(product) => divide(product, whole),
        // Beyond 128 bits it is the same sum in two steps.
        None => money / whole * part + divide(money % whole * part, whole),
    }
}

/// `numerator / denominator` rounded to the nearest, halves away from zero; `denominator` is positive.
fn divide(numerator: i128, denominator: i128) -> i128 {
    let quotient = numerator / denominator;
    let rest = numerator % denominator;
    if rest.abs() * 2 >= denominator { quotient + numerator.signum() } else { quotient }
}

#[cfg(test)]
mod tests;
