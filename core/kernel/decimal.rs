//! Money between decimal text and minor units, exactly: no float in between and nothing rounded.

use core::fmt;

use super::units::Minor;

/// The most decimals that a currency may have here.
pub const MAX_DECIMALS: u8 = 9;

/// Why a text is not an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not of the form `-?digits(.digits)?`.
    #[error("not a decimal number such as 100.00")]
    Form,
    /// More decimals than the currency has, and not zeros.
    #[error("more decimals than the currency's {0}")]
    TooManyDecimals(u8),
    /// Does not fit 64 bits of minor units.
    #[error("does not fit 64 bits of minor units")]
    OutOfRange,
}

/// Reads `text` (`-?digits(.digits)?`, ASCII) as minor units of a currency with `decimals` decimals. Fewer decimals than
/// the currency has are filled with zeros; more are taken where they are zeros, since `100.0000` is exactly `100.00`.
///
/// # Errors
/// What is wrong with `text`. Nothing is ever rounded.
pub fn parse_minor(text: &str, decimals: u8) -> Result<Minor, DecimalError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((_, "")) => return Err(DecimalError::Form),
        Some(parts) => parts,
        None => (digits, ""),
    };
    // Before anything is counted: what is no number is not too large either.
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::Form);
    }
    let places = usize::from(decimals);
    let (counted, beyond) = fraction.split_at_checked(places).unwrap_or((fraction, ""));
    if beyond.bytes().any(|byte| byte != b'0') {
        return Err(DecimalError::TooManyDecimals(decimals));
    }
    let zeros = core::iter::repeat_n(b'0', places.saturating_sub(fraction.len()));
    let digits = whole.bytes().chain(counted.bytes()).chain(zeros);
    digits
        .into_iter()
        .try_fold(0, |minor, byte| append_digit(minor, i64::from(byte - b'0'), negative))
        .map(Minor)
}

/// Builds negative numbers downwards, so that `i64::MIN` can be read too.
fn append_digit(minor: i64, digit: i64, negative: bool) -> Result<i64, DecimalError> {
    let digit = if negative { -digit } else { digit };
    minor.checked_mul(10).and_then(|tens| tens.checked_add(digit)).ok_or(DecimalError::OutOfRange)
}

/// Shows minor units as decimal text with exactly `decimals` decimals, the form that [`parse_minor`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// The amount.
    pub minor: Minor,
    /// Decimals of the currency; above [`MAX_DECIMALS`] counts as [`MAX_DECIMALS`].
    pub decimals: u8,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FixedPoint { units: self.minor.0.into(), decimals: self.decimals.min(MAX_DECIMALS) }.fmt(f)
    }
}

/// Shows `units / 10^decimals` with exactly `decimals` decimals: for prices, whose ticks may be finer than money and whose
/// units may go beyond 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedPoint {
    /// Units of the last decimal.
    pub units: i128,
    /// Decimals; above 38, the most that 128 bits hold, counts as 38.
    pub decimals: u8,
}

impl fmt::Display for FixedPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.decimals.min(38);
        let scale = 10_u128.pow(u32::from(decimals));
        let sign = if self.units < 0 { "-" } else { "" };
        let (whole, fraction) = (self.units.unsigned_abs() / scale, self.units.unsigned_abs() % scale);
        match usize::from(decimals) {
            0 => write!(f, "{sign}{whole}"),
            width => write!(f, "{sign}{whole}.{fraction:0width$}"),
        }
    }
}

#[cfg(test)]
mod tests;
