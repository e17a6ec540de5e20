//! Instruments as ITCH and OUCH have them.

use pricewright_core::kernel::{ConfigFault, DisplayUnits, InstrumentId, InstrumentUnits};
use pricewright_feeds::nasdaq::{InstrumentSpec, Symbol};

use crate::error::{Error, Result};

/// Decimals of ITCH prices.
const ITCH_DECIMALS: u32 = 4;
/// Characters of a symbol.
const SYMBOL_LEN: usize = 8;

/// The instruments as the feed counts them: ITCH prices have four decimals.
///
/// # Errors
/// Where a tick is finer than that, or too coarse, or a lot is not one share.
pub fn instruments(units: &DisplayUnits) -> Result<Vec<InstrumentSpec>> {
    let spec = |(id, instrument)| spec(id, instrument).map_err(|(_, message)| Error::Usage(message));
    (0u16..).zip(&units.instruments).map(spec).collect()
}

/// Each instrument that the venue's protocols do not fit, by its number and key.
pub(super) fn instrument_faults(units: &DisplayUnits) -> Vec<ConfigFault> {
    let fault = |(id, instrument)| {
        let (key, message) = spec(id, instrument).err()?;
        Some(ConfigFault::at(format!("{id}.{key}"), message))
    };
    (0u16..).zip(&units.instruments).filter_map(fault).collect()
}

/// An instrument as the venue's protocols have it, or the key that does not fit them, and why.
fn spec(
    id: u16,
    instrument: &InstrumentUnits,
) -> core::result::Result<InstrumentSpec, (&'static str, String)> {
    let symbol = &instrument.symbol;
    if Symbol::new(symbol).is_none() {
        let message = format!(
            "symbol {symbol:?} is not of 1 to {SYMBOL_LEN} letters, digits and marks, and ITCH and OUCH have room for no other"
        );
        return Err(("symbol", message));
    }
    if instrument.lot != 1 {
        let message = format!(
            "{symbol}: lot is {}, and ITCH and OUCH count shares; leave it out, or set it to 1",
            instrument.lot
        );
        return Err(("lot", message));
    }
    let finer = u32::from(instrument.decimals).checked_sub(ITCH_DECIMALS).filter(|finer| *finer > 0);
    let tick = match finer {
        Some(_) => None,
        None => 10i64
            .checked_pow(ITCH_DECIMALS - u32::from(instrument.decimals))
            .and_then(|scale| instrument.tick_units.checked_mul(scale))
            .and_then(|tick| u32::try_from(tick).ok()),
    };
    let Some(tick_e4) = tick else {
        let message = format!("{symbol}: ITCH prices have 4 decimals; give a tick_size such as \"0.0001\"");
        return Err(("tick_size", message));
    };
    Ok(InstrumentSpec { id: InstrumentId(id), symbol: symbol.clone(), tick_e4 })
}
