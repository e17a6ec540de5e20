//! What is traded, and how its prices are written.
//!
//! Everything inside counts [`Ticks`] and [`Lots`]. Here is where they meet decimal text and money: exactly, without
//! floats, and refused rather than rounded.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kernel::table::ALL_INSTRUMENTS;
use crate::kernel::{FixedPoint, InstrumentId, MAX_DECIMALS, Minor, Side, SideCode, Ticks, parse_minor};

/// The most decimals that a tick size may have.
pub const MAX_TICK_DECIMALS: u8 = 12;

/// Something that trades, as the configuration gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instrument {
    /// Its place in the configuration; set by [`in_order`].
    #[serde(default)]
    pub id: InstrumentId,
    /// Its name at the venue, as the venue writes it (without padding).
    pub symbol: String,
    /// What one tick is as a price: decimal text such as `"0.0001"`. The unit in which the venue's feed counts prices.
    pub tick_size: TickSize,
    /// Orders must be priced on multiples of this many ticks; at least 1.
    #[serde(default = "one_tick")]
    pub increment: Ticks,
    /// Units of the underlying (shares, coins, contracts) in one lot, the unit in which quantities count; at least 1.
    #[serde(default = "one_unit")]
    pub lot: i64,
    /// What one tick on one lot is worth, in minor units of the account's currency; at least 1. An account that trades
    /// shares at ticks of 0.0001 dollars counts its money in 0.0001 dollars too: `currency_decimals = 4`.
    pub tick_value: Minor,
    /// The account's currency: three capital letters or the venue's code.
    pub currency: String,
    /// Decimals of the unit that money is counted in: 2 for cents, 4 for 0.0001 dollars.
    pub currency_decimals: u8,
    /// Whether more may be sold than is held, and how the venue is told. `"refused"` unless said.
    #[serde(default)]
    pub short_sale: ShortSale,
}

/// Short sales of an instrument. An order is short where it, with all others that are open, could sell more than is held
/// (17 CFR 242.200(g)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortSale {
    /// The risk gate refuses them.
    #[default]
    Refused,
    /// The stock is located: they are marked as short.
    Locate,
    /// The stock is located and the orders are exempt from the price test of 17 CFR 242.201: they are marked so.
    Exempt,
    /// The venue does not ask for a mark.
    Unmarked,
}

impl ShortSale {
    /// How a sale is marked that is short or not.
    pub fn mark(self, short: bool) -> SideCode {
        match self {
            Self::Locate if short => SideCode::SELL_SHORT,
            Self::Exempt if short => SideCode::SELL_SHORT_EXEMPT,
            _ => SideCode::SELL,
        }
    }

    /// Whether an order keeps the mark that it was entered with, so that another needs another order.
    pub fn is_marked(self) -> bool {
        matches!(self, Self::Locate | Self::Exempt)
    }
}

fn one_tick() -> Ticks {
    Ticks(1)
}

fn one_unit() -> i64 {
    1
}

/// Why an instrument or a price is refused, and the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentError {
    /// The tick size is no positive decimal.
    #[error(
        "tick size {0:?} is not a positive decimal of at most {MAX_TICK_DECIMALS} decimals; write it as \"0.01\""
    )]
    TickSize(String),
    /// The price is no decimal, or too large.
    #[error("price {0:?} is not a decimal such as 100.01 that fits 64 bits of ticks")]
    Price(String),
    /// The price lies between two ticks.
    #[error(
        "price {price:?} is not a multiple of the tick size {tick_size}; the nearest are {below} and {above}"
    )]
    OffTick {
        /// As it was written.
        price: String,
        /// The tick size.
        tick_size: TickSize,
        /// The tick below.
        below: String,
        /// The tick above.
        above: String,
    },
    /// A field of an instrument must be at least 1.
    #[error("instrument {symbol}: {field} is {value}; it must be at least 1")]
    NotPositive {
        /// The instrument.
        symbol: String,
        /// The field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// More decimals than money can have here.
    #[error("instrument {symbol}: currency_decimals is {decimals}; at most {MAX_DECIMALS} are possible")]
    CurrencyDecimals {
        /// The instrument.
        symbol: String,
        /// The field's value.
        decimals: u8,
    },
    /// No symbol.
    #[error("instrument number {0} has no symbol; name it as the venue does")]
    NoSymbol(usize),
    /// What is shown to people has only what can be shown.
    #[error(
        "instrument {symbol:?}: {field} is {value:?}; give it letters, digits and signs that can be shown"
    )]
    NotShown {
        /// The instrument.
        symbol: String,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// Two instruments of one symbol.
    #[error("instrument {0} is configured twice; remove one")]
    Twice(String),
    /// Ids have 16 bits, and the last one means all instruments.
    #[error("{0} instruments are configured; at most 65535 are possible")]
    TooMany(usize),
}

/// Numbers instruments in the order of the configuration and checks them.
///
/// # Errors
/// The first thing that is wrong, and the mend.
pub fn in_order(mut instruments: Vec<Instrument>) -> Result<Vec<Instrument>, InstrumentError> {
    let count = instruments.len();
    for (index, instrument) in instruments.iter_mut().enumerate() {
        let id = u16::try_from(index).ok().map(InstrumentId).filter(|id| *id != ALL_INSTRUMENTS);
        instrument.id = id.ok_or(InstrumentError::TooMany(count))?;
        instrument.check()?;
    }
    let mut symbols: Vec<&str> = instruments.iter().map(|instrument| instrument.symbol.as_str()).collect();
    symbols.sort_unstable();
    match symbols.iter().zip(symbols.iter().skip(1)).find(|(first, second)| first == second) {
        Some((twice, _)) => Err(InstrumentError::Twice((*twice).to_owned())),
        None => Ok(instruments),
    }
}

impl Instrument {
    /// Checks each field by itself.
    ///
    /// # Errors
    /// The first thing that is wrong, and what helps.
    pub fn check(&self) -> Result<(), InstrumentError> {
        self.faults(self.id.index()).into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Every field that is wrong by itself, of instrument number `at`.
    pub fn faults(&self, at: usize) -> Vec<(&'static str, InstrumentError)> {
        let symbol = || self.symbol.clone();
        let mut faults = Vec::new();
        if self.symbol.is_empty() {
            faults.push(("symbol", InstrumentError::NoSymbol(at)));
        }
        for (field, value) in [("symbol", &self.symbol), ("currency", &self.currency)] {
            if value.chars().any(char::is_control) {
                let (symbol, value) = (symbol(), value.clone());
                faults.push((field, InstrumentError::NotShown { symbol, field, value }));
            }
        }
        for (field, value) in
            [("increment", self.increment.0), ("lot", self.lot), ("tick_value", self.tick_value.0)]
        {
            if value < 1 {
                faults.push((field, InstrumentError::NotPositive { symbol: symbol(), field, value }));
            }
        }
        if self.currency_decimals > MAX_DECIMALS {
            let error =
                InstrumentError::CurrencyDecimals { symbol: symbol(), decimals: self.currency_decimals };
            faults.push(("currency_decimals", error));
        }
        faults
    }

    /// The nearest price that an order may have and that is no more aggressive: bids go down, asks go up. `None` where
    /// there is none in 64 bits.
    #[inline]
    pub fn on_increment(&self, side: Side, price: Ticks) -> Option<Ticks> {
        let above = price.0.checked_rem_euclid(self.increment.0)?;
        match (side, above) {
            (_, 0) => Some(price),
            (Side::Buy, _) => price.0.checked_sub(above).map(Ticks),
            (Side::Sell, _) => price.0.checked_sub(above)?.checked_add(self.increment.0).map(Ticks),
        }
    }
}

/// What one tick is as a price: `units / 10^decimals`. Text in configurations (`"0.25"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickSize {
    units: i64,
    decimals: u8,
}

impl TickSize {
    /// Reads a tick size.
    ///
    /// # Errors
    /// [`InstrumentError::TickSize`].
    pub fn new(text: &str) -> Result<Self, InstrumentError> {
        let wrong = || InstrumentError::TickSize(text.to_owned());
        let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let decimals = u8::try_from(decimals).ok().filter(|n| *n <= MAX_TICK_DECIMALS).ok_or_else(wrong)?;
        let units = parse_minor(text, decimals).map_err(|_| wrong())?.0;
        if units > 0 { Ok(Self { units, decimals }) } else { Err(wrong()) }
    }

    /// Units of the last decimal in one tick.
    pub fn units(self) -> i64 {
        self.units
    }

    /// Decimals that prices are shown with.
    pub fn decimals(self) -> u8 {
        self.decimals
    }

    /// Reads a price as ticks, exactly. Zeros beyond the tick size's decimals are allowed: venues pad.
    ///
    /// # Errors
    /// [`InstrumentError::Price`]; [`InstrumentError::OffTick`], naming the ticks on both sides.
    pub fn parse(self, text: &str) -> Result<Ticks, InstrumentError> {
        let wrong = || InstrumentError::Price(text.to_owned());
        let trimmed = match text.split_once('.') {
            Some((_, digits)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.trim_end_matches('0').trim_end_matches('.')
            }
            _ => text,
        };
        let decimals = trimmed.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let finest = u8::try_from(decimals.max(usize::from(self.decimals))).map_err(|_| wrong())?;
        let exact = parse_minor(trimmed, finest).map_err(|_| wrong())?.0;
        let tick =
            10_i64.checked_pow(u32::from(finest - self.decimals)).and_then(|n| n.checked_mul(self.units));
        let below = tick.and_then(|tick| exact.checked_div_euclid(tick)).ok_or_else(wrong)?;
        if tick.and_then(|tick| exact.checked_rem_euclid(tick)) == Some(0) {
            return Ok(Ticks(below));
        }
        Err(InstrumentError::OffTick {
            price: text.to_owned(),
            tick_size: self,
            below: self.show(Ticks(below)).to_string(),
            above: self.show(Ticks(below.checked_add(1).ok_or_else(wrong)?)).to_string(),
        })
    }

    /// A price as text that [`Self::parse`] reads back.
    pub fn show(self, price: Ticks) -> PriceText {
        PriceText { price, tick_size: self }
    }
}

impl fmt::Display for TickSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(Ticks(1)).fmt(f)
    }
}

impl Serialize for TickSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TickSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Shows a price with all decimals of its tick size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceText {
    price: Ticks,
    tick_size: TickSize,
}

impl fmt::Display for PriceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = i128::from(self.price.0) * i128::from(self.tick_size.units);
        FixedPoint { units, decimals: self.tick_size.decimals }.fmt(f)
    }
}

#[cfg(test)]
mod tests;
