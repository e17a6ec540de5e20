//! The configuration of a flash sale, checked before anything runs.

use pricewright_core::kernel::{Bps, MAX_DECIMALS, Minor, parse_minor};
use serde::{Deserialize, Serialize};

use super::rails::{Rails, WHOLE_BPS};

/// The most articles that may be configured for one source.
pub const MAX_SKUS: usize = 1 << 24;
/// The most sources that may be configured.
pub const MAX_SOURCES: usize = 64;

/// The most identities of inputs that may be remembered.
pub const MAX_IDS: usize = 1 << 22;

/// When a price is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publish {
    /// Only where it differs from the one before.
    #[default]
    OnChange,
    /// At every inventory and purchase that is accepted.
    Always,
}

/// Rails and sizes of flash sales.
///
/// Amounts are decimal strings in the currency's unit (`"1.00"`), never floats. Each rail may be given as an amount, in
/// basis points, or both; where both are given the tighter one holds. A rail that is not given does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Decimals of the currency: 2 for USD and EUR, 0 for JPY.
    pub currency_decimals: u8,
    /// No price below this amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// No price below this part of the base price: 8000 is 80 %. Rounded up to a minor unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor_bps_of_base: Option<Bps>,
    /// No price above this amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<String>,
    /// No price above this part of the base price: 18000 is 180 %. Rounded down to a minor unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling_bps_of_base: Option<Bps>,
    /// No decision moves a price by more than this amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_change: Option<String>,
    /// No decision moves a price by more than this part of the price before: 2500 is 25 %. Rounded down to a minor unit,
    /// but never below one, so that a low price cannot be stuck. The first price of a sale is not limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_change_bps: Option<Bps>,
    /// Articles of each source; memory for them is reserved at the start.
    pub max_skus: usize,
    /// Feeds of the pipeline; memory for the articles of each is reserved at the start.
    pub max_sources: usize,
    /// Inputs whose `id` is remembered, the newest: one that comes again within them is refused as a duplicate. 0 remembers
    /// none. Memory for them is reserved at the start, 24 bytes each.
    pub id_window: usize,
    /// When a price is published.
    pub publish: Publish,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            currency_decimals: 2,
            floor: None,
            floor_bps_of_base: None,
            ceiling: None,
            ceiling_bps_of_base: None,
            max_change: None,
            max_change_bps: None,
            max_skus: 65_536,
            max_sources: 1,
            id_window: 65_536,
            publish: Publish::OnChange,
        }
    }
}

impl Config {
    /// The rails in minor units.
    ///
    /// # Errors
    /// The first key that is wrong, and what helps.
    pub(super) fn rails(&self) -> Result<Rails, String> {
        match self.rail_faults().into_iter().next() {
            Some(fault) => Err(fault),
            None => self.read_rails(),
        }
    }

    /// As [`Self::rails`], of a configuration that was checked.
    pub(super) fn read_rails(&self) -> Result<Rails, String> {
        Ok(Rails {
            floor: self.amount("floor", self.floor.as_deref())?,
            floor_of_base: positive("floor_bps_of_base", self.floor_bps_of_base)?,
            ceiling: self.amount("ceiling", self.ceiling.as_deref())?,
            ceiling_of_base: positive("ceiling_bps_of_base", self.ceiling_bps_of_base)?,
            max_change: self.amount("max_change", self.max_change.as_deref())?,
            max_change_of_price: positive("max_change_bps", self.max_change_bps)?,
        })
    }

    /// Everything that is wrong, the key first.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = self.capacity_faults();
        faults.extend(self.rail_faults());
        faults
    }

    fn rail_faults(&self) -> Vec<String> {
        if self.currency_decimals > MAX_DECIMALS {
            // Amounts cannot be read without it.
            return vec![format!(
                "currency_decimals is {}: set it to 0..={MAX_DECIMALS} (2 for USD and EUR)",
                self.currency_decimals
            )];
        }
        let amounts = [("floor", &self.floor), ("ceiling", &self.ceiling), ("max_change", &self.max_change)];
        let amounts = amounts.map(|(key, text)| self.amount(key, text.as_deref()));
        let [floor, ceiling, _] = &amounts;
        let parts = [
            positive("floor_bps_of_base", self.floor_bps_of_base),
            positive("ceiling_bps_of_base", self.ceiling_bps_of_base),
            positive("max_change_bps", self.max_change_bps),
        ];
        let [floor_part, ceiling_part, _] = &parts;
        let mut faults = Vec::new();
        if let (Ok(Some(floor)), Ok(Some(ceiling))) = (floor, ceiling)
            && floor > ceiling
        {
            faults.push("floor is above ceiling: lower floor or raise ceiling".to_owned());
        }
        if let (Ok(Some(floor)), Ok(Some(ceiling))) = (floor_part, ceiling_part)
            && floor > ceiling
        {
            faults.push(
                "floor_bps_of_base is above ceiling_bps_of_base: lower the first or raise the second"
                    .to_owned(),
            );
        }
        faults.extend(amounts.into_iter().filter_map(Result::err));
        faults.extend(parts.into_iter().filter_map(Result::err));
        faults
    }

    /// Capacities that are out of their ranges.
    fn capacity_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(1..=MAX_SKUS).contains(&self.max_skus) {
            faults.push(format!("max_skus is {}: set it to 1..={MAX_SKUS}", self.max_skus));
        }
        if !(1..=MAX_SOURCES).contains(&self.max_sources) {
            faults.push(format!("max_sources is {}: set it to 1..={MAX_SOURCES}", self.max_sources));
        }
        if self.id_window > MAX_IDS {
            faults.push(format!("id_window is {}: set it to 0..={MAX_IDS}", self.id_window));
        }
        faults
    }

    fn amount(&self, key: &str, text: Option<&str>) -> Result<Option<Minor>, String> {
        let Some(text) = text else { return Ok(None) };
        let amount = parse_minor(text, self.currency_decimals).map_err(|error| {
            format!("{key} is {text:?}, {error}: write an amount such as {:?}", self.example())
        })?;
        if amount.0 < 1 {
            return Err(format!("{key} is {text:?}: write an amount above zero, or leave the key out"));
        }
        Ok(Some(amount))
    }

    fn example(&self) -> String {
        pricewright_core::kernel::Decimal {
            minor: Minor(10_i64.pow(u32::from(self.currency_decimals.min(MAX_DECIMALS)))),
            decimals: self.currency_decimals,
        }
        .to_string()
    }
}

fn positive(key: &str, bps: Option<Bps>) -> Result<Option<Bps>, String> {
    match bps {
        Some(bps) if bps.0 < 1 => Err(format!(
            "{key} is {bps}: write basis points above zero ({WHOLE_BPS} is 100 %), or leave the key out"
        )),
        bps => Ok(bps),
    }
}

#[cfg(test)]
mod tests;
