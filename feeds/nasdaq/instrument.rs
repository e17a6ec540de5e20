//! The instruments that a feed or gateway knows, and their price grid.

use pricewright_core::kernel::{InstrumentId, Ticks};

use super::alpha::Symbol;

/// An instrument as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentSpec {
    /// Its index in configuration order.
    pub id: InstrumentId,
    /// The venue's symbol, at most 8 letters.
    pub symbol: String,
    /// Price units of 1e-4 per tick: 100 for a tick of one cent.
    pub tick_e4: u32,
}

/// An instrument cannot be used as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentError {
    /// The symbol is none that the venue could have.
    #[error("symbol \"{0}\" is empty, longer than 8 letters or not printable ASCII")]
    Symbol(String),
    /// A tick of no size.
    #[error("the tick size of \"{0}\" is zero")]
    Tick(String),
    /// Symbol or number twice.
    #[error("instrument \"{0}\" is configured twice, by symbol or by number")]
    Twice(String),
}

/// An instrument, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instrument {
    pub(super) id: InstrumentId,
    pub(super) symbol: Symbol,
    pub(super) tick_e4: u32,
}

impl Instrument {
    /// All of `specs`, checked.
    pub(super) fn table(specs: &[InstrumentSpec]) -> Result<Vec<Self>, InstrumentError> {
        let mut table: Vec<Self> = Vec::with_capacity(specs.len());
        for spec in specs {
            let symbol = Symbol::new(&spec.symbol).filter(|symbol| !symbol.is_blank());
            let symbol = symbol.ok_or_else(|| InstrumentError::Symbol(spec.symbol.clone()))?;
            if spec.tick_e4 == 0 {
                return Err(InstrumentError::Tick(spec.symbol.clone()));
            }
            if table.iter().any(|known| known.symbol == symbol || known.id == spec.id) {
                return Err(InstrumentError::Twice(spec.symbol.clone()));
            }
            table.push(Self { id: spec.id, symbol, tick_e4: spec.tick_e4 });
        }
        Ok(table)
    }

    /// A price in units of 1e-4 as ticks; `None` where it does not lie on the grid.
    #[inline]
    pub(super) fn ticks(&self, price_e4: u64) -> Option<Ticks> {
        let tick = u64::from(self.tick_e4);
        if !price_e4.is_multiple_of(tick) {
            return None;
        }
        i64::try_from(price_e4 / tick).ok().map(Ticks)
    }

    /// Ticks as a price in units of 1e-4; `None` where it is negative or does not fit.
    #[inline]
    pub(super) fn price_e4(&self, ticks: Ticks) -> Option<u64> {
        u64::try_from(ticks.0).ok()?.checked_mul(u64::from(self.tick_e4))
    }
}
