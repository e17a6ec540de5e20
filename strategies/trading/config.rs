//! The desk's part of the configuration. Every key says its unit; unknown keys are refused.

use serde::{Deserialize, Serialize};

use pricewright_core::kernel::{ConfigFault, Minor, Nanos, Ticks, Venue};
use pricewright_core::market::instrument::{Instrument, InstrumentError, ShortSale, TickSize, in_order};
use pricewright_core::market::portfolio::{FEE_MAX, TICK_VALUE_MAX};
use pricewright_core::market::risk::{RiskConfig, check_range};
use pricewright_core::models::features::Volatility;

use super::strategy::StrategyConfig;

/// The most instruments of one desk: their answers to one event must fit the outbox.
pub const MAX_INSTRUMENTS: usize = 256;

/// The most own orders that are remembered.
const OWN_ORDERS_MAX: i64 = 1 << 20;
/// Shares in the largest order of OUCH 5.0 (section 2.1, Enter Order: below 1,000,000).
const OUCH_MAX_SHARES: i64 = 999_999;
/// A collar wider than this keeps nothing out.
const WIDE_COLLAR_BPS: i64 = 1_000;
/// An increment above this, in units of the currency, is hardly meant.
const LARGE_INCREMENT: i128 = 100;

/// Everything that the desk is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeskConfig {
    /// How often the desk's standing is journalled and shown. 1 to 3 600 000 ms; 1 000 unless said.
    #[serde(default = "default_status_interval_ms")]
    pub status_interval_ms: i64,
    /// An order that has not left the machine this long after it was decided is not sent. 1 to 60 000 000 µs; 50 000
    /// unless said.
    #[serde(default = "default_order_time_to_send_us")]
    pub order_time_to_send_us: i64,
    /// After the gate or the venue refused an order, or the venue cancelled one by itself, that side of the instrument
    /// rests this long. 1 to 3 600 000 ms; 250 unless said.
    #[serde(default = "default_refusal_pause_ms")]
    pub refusal_pause_ms: i64,
    /// How long the venue's answer to an order, replacement or cancel may take. Then the order is cancelled and the venue is
    /// asked whether it has ever seen it; when that too stays without an answer for as long, the kill latch is set. Cancels are
    /// repeated at this interval until the venue confirms. 10 to 600 000 ms; 2 000 unless said.
    #[serde(default = "default_answer_timeout_ms")]
    pub answer_timeout_ms: i64,
    /// Live orders of all books for which memory is reserved. 1 to 16 777 216; 65 536 unless said.
    #[serde(default = "default_book_orders")]
    pub book_orders: u32,
    /// Levels on each side of a book for which memory is reserved. 1 to 65 536; 1 024 unless said.
    #[serde(default = "default_book_levels")]
    pub book_levels: u32,
    /// Own orders remembered, open or done: how late an answer may come and still be understood. At least four times
    /// `risk.max_open_orders`; at most 1 048 576; 4 096 unless said.
    #[serde(default = "default_own_orders")]
    pub own_orders: u32,
    /// Own fills remembered: how late a repeated or broken fill is still recognised. 1 to 1 048 576; 16 384 unless said.
    #[serde(default = "default_own_fills")]
    pub own_fills: u32,
    /// How long an execution that only one of the order session and the drop copy has may wait for the other before it is
    /// a break. 1 to 600 000 ms; 2 000 unless said.
    #[serde(default = "default_drop_copy_grace_ms")]
    pub drop_copy_grace_ms: i64,
    /// The currency that the desk counts in: every instrument's, until there are rates between currencies. The first
    /// instrument's unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_currency: Option<String>,
    /// `[venue]` of the file: it stands beside `[config]`.
    #[serde(skip)]
    pub venue: Venue,
    /// What strategies see of the data.
    #[serde(default)]
    pub features: FeatureConfig,
    /// The venue's fees.
    pub fees: FeeConfig,
    /// The limits of the gate.
    pub risk: RiskConfig,
    /// The strategy, the same for each instrument.
    pub strategy: StrategyConfig,
    /// What is traded, in the order in which feeds and records number it.
    pub instruments: Vec<Instrument>,
}

/// How features are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeatureConfig {
    /// Time constant of the volatility: a sample this old weighs 1/e. 1 to 86 400 000 ms; 60 000 unless said.
    pub volatility_tau_ms: i64,
    /// Least time between two samples of the mid; keeps the bounce between bid and ask out. 1 to 60 000 ms; 100 unless
    /// said.
    pub volatility_sample_ms: i64,
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self { volatility_tau_ms: 60_000, volatility_sample_ms: 100 }
    }
}

impl FeatureConfig {
    pub(super) fn volatility(&self) -> Volatility {
        Volatility::new(
            Nanos(self.volatility_tau_ms.saturating_mul(1_000_000)),
            Nanos(self.volatility_sample_ms.saturating_mul(1_000_000)),
        )
    }
}

/// What the venue charges, in minor units for 10 000 lots; negative is a rebate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeConfig {
    /// For lots that rested and were executed.
    pub maker_fee_per_10000_lots: Minor,
    /// For lots that took, and for fills of which the venue does not say.
    pub taker_fee_per_10000_lots: Minor,
}

fn default_status_interval_ms() -> i64 {
    1_000
}

fn default_order_time_to_send_us() -> i64 {
    50_000
}

fn default_refusal_pause_ms() -> i64 {
    250
}

fn default_answer_timeout_ms() -> i64 {
    2_000
}

fn default_book_orders() -> u32 {
    65_536
}

fn default_book_levels() -> u32 {
    1_024
}

fn default_own_orders() -> u32 {
    4_096
}

fn default_own_fills() -> u32 {
    16_384
}

fn default_drop_copy_grace_ms() -> i64 {
    2_000
}

impl DeskConfig {
    /// Values for examples and tests: two shares quoted in cents at about a hundred dollars, money in cents, lots of one
    /// share, a rebate of 20 cents and a fee of 30 cents for 100 shares.
    ///
    /// # Errors
    /// None in practice: the values are fixed; reading the tick size is fallible.
    pub fn example() -> Result<Self, String> {
        let tick_size = TickSize::new("0.01").map_err(|error| error.to_string())?;
        let share = |symbol: &str| Instrument {
            id: Default::default(),
            symbol: symbol.to_owned(),
            tick_size,
            increment: Ticks(1),
            lot: 1,
            tick_value: Minor(1),
            currency: "USD".to_owned(),
            currency_decimals: 2,
            short_sale: ShortSale::Unmarked,
        };
        Ok(Self {
            status_interval_ms: default_status_interval_ms(),
            order_time_to_send_us: default_order_time_to_send_us(),
            refusal_pause_ms: default_refusal_pause_ms(),
            answer_timeout_ms: default_answer_timeout_ms(),
            book_orders: default_book_orders(),
            book_levels: default_book_levels(),
            own_orders: default_own_orders(),
            own_fills: default_own_fills(),
            drop_copy_grace_ms: default_drop_copy_grace_ms(),
            base_currency: None,
            venue: Venue::default(),
            features: FeatureConfig::default(),
            fees: FeeConfig {
                maker_fee_per_10000_lots: Minor(-2_000),
                taker_fee_per_10000_lots: Minor(3_000),
            },
            risk: RiskConfig::example(),
            strategy: StrategyConfig::example(),
            instruments: vec![share("PRCW"), share("WRGT")],
        })
    }

    /// What is allowed and hardly meant.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        for instrument in &self.instruments {
            let step = i128::from(instrument.increment.0) * i128::from(instrument.tick_size.units());
            let whole = 10_i128.pow(u32::from(instrument.tick_size.decimals()));
            if step > whole.saturating_mul(LARGE_INCREMENT) {
                found.push(format!(
                    "instruments.{}.increment is more than {LARGE_INCREMENT} in money: hardly a price lies on a multiple of it",
                    instrument.symbol
                ));
            }
        }
        if self.risk.max_order_lots.0 > OUCH_MAX_SHARES {
            found.push(format!(
                "risk.max_order_lots is more than {OUCH_MAX_SHARES}: OUCH 5.0 takes no larger order"
            ));
        }
        if self.risk.collar_bps.0 > WIDE_COLLAR_BPS {
            found.push("risk.collar_bps is more than 10 %: a wild price would pass".to_owned());
        }
        found
    }

    /// The instruments numbered and everything checked.
    ///
    /// # Errors
    /// The first key that is wrong, and what helps.
    pub fn checked(&self) -> Result<Self, String> {
        if let Some(fault) = self.faults().into_iter().next() {
            return Err(fault.message);
        }
        self.venue.check()?;
        let instruments = in_order(self.instruments.clone()).map_err(|error| error.to_string())?;
        Ok(Self { instruments, ..self.clone() })
    }

    /// Everything that is wrong, each with its key; of the venue that is said where it stands, beside `[config]`.
    pub(super) fn faults(&self) -> Vec<ConfigFault> {
        let mut faults: Vec<ConfigFault> = self.ranges().into_iter().map(ConfigFault::from).collect();
        let Self { own_orders, risk, .. } = self;
        let (orders, least) = (i64::from(*own_orders), risk.max_open_orders.saturating_mul(4));
        // Of a wrong max_open_orders it is said already.
        let least = least.clamp(4, OWN_ORDERS_MAX);
        if !(least..=OWN_ORDERS_MAX).contains(&orders) {
            let message = format!(
                "own_orders is {orders}, and risk.max_open_orders is {}: set own_orders from {least} (four times that) to \
                 {OWN_ORDERS_MAX}, or lower risk.max_open_orders",
                risk.max_open_orders
            );
            faults.push(ConfigFault::at("own_orders", message).or_at("risk.max_open_orders"));
        }
        faults.extend(self.instrument_faults());
        faults
    }

    /// Numbers that are out of their ranges, the key first.
    fn ranges(&self) -> Vec<String> {
        let fee = |key: &str, fee: Minor| check_range(key, fee.0, -FEE_MAX.0, FEE_MAX.0);
        let checks = [
            check_range("status_interval_ms", self.status_interval_ms, 1, 3_600_000),
            check_range("order_time_to_send_us", self.order_time_to_send_us, 1, 60_000_000),
            check_range("refusal_pause_ms", self.refusal_pause_ms, 1, 3_600_000),
            check_range("answer_timeout_ms", self.answer_timeout_ms, 10, 600_000),
            check_range("book_orders", i64::from(self.book_orders), 1, 1 << 24),
            check_range("book_levels", i64::from(self.book_levels), 1, 1 << 16),
            check_range("features.volatility_tau_ms", self.features.volatility_tau_ms, 1, 86_400_000),
            check_range("features.volatility_sample_ms", self.features.volatility_sample_ms, 1, 60_000),
            fee("fees.maker_fee_per_10000_lots", self.fees.maker_fee_per_10000_lots),
            fee("fees.taker_fee_per_10000_lots", self.fees.taker_fee_per_10000_lots),
            check_range("drop_copy_grace_ms", self.drop_copy_grace_ms, 1, 600_000),
            check_range("own_fills", i64::from(self.own_fills), 1, 1 << 20),
        ];
        let checks = checks.into_iter().filter_map(Result::err);
        checks.chain(self.risk.faults()).chain(self.strategy.faults(&self.risk)).collect()
    }

    /// What is wrong with the instruments: each by itself, and together.
    fn instrument_faults(&self) -> Vec<ConfigFault> {
        let count = self.instruments.len();
        if !(1..=MAX_INSTRUMENTS).contains(&count) {
            let message = format!("instruments: there are {count}; give 1 to {MAX_INSTRUMENTS}");
            return vec![ConfigFault::at("instruments", message)];
        }
        let mut faults = Vec::new();
        for (at, instrument) in self.instruments.iter().enumerate() {
            let key = |field: &str| format!("instruments.{at}.{field}");
            faults.extend(
                instrument
                    .faults(at)
                    .into_iter()
                    .map(|(field, error)| ConfigFault::at(key(field), error.to_string())),
            );
            if instrument.tick_value > TICK_VALUE_MAX {
                let Instrument { symbol, tick_value, .. } = instrument;
                let message = format!(
                    "instruments.{symbol}.tick_value is {}: set it from 1 to {}",
                    tick_value.0, TICK_VALUE_MAX.0
                );
                faults.push(ConfigFault::at(key("tick_value"), message));
            }
            let before = self.instruments.iter().take(at);
            if !instrument.symbol.is_empty() && before.clone().any(|other| other.symbol == instrument.symbol)
            {
                let twice = InstrumentError::Twice(instrument.symbol.clone());
                faults.push(ConfigFault::at(key("symbol"), twice.to_string()));
            }
            faults.extend(self.currency_faults(at, instrument));
        }
        faults
    }

    /// Money of one currency only is summed, and in one minor unit.
    fn currency_faults(&self, at: usize, instrument: &Instrument) -> Vec<ConfigFault> {
        let Some(first) = self.instruments.first() else { return Vec::new() };
        let base = self.base_currency.as_ref().unwrap_or(&first.currency);
        let Instrument { symbol, currency, currency_decimals, .. } = instrument;
        let mut faults = Vec::new();
        if currency != base {
            let message = format!(
                "currency of {symbol} is {currency}, and the desk counts in {base} (base_currency, else that of the first \
                 instrument): money of different currencies is not summed; give {currency} a desk of its own"
            );
            faults.push(ConfigFault::at(format!("instruments.{at}.currency"), message));
        }
        if *currency_decimals != first.currency_decimals {
            let message = format!(
                "currency_decimals of {symbol} is {currency_decimals}, and that of {} is {}: the desk sums money in one unit; \
                 give both the same, and scale tick_value to it",
                first.symbol, first.currency_decimals
            );
            faults.push(ConfigFault::at(format!("instruments.{at}.currency_decimals"), message));
        }
        faults
    }
}
