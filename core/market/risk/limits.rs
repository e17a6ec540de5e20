//! The limits as configured.

use serde::{Deserialize, Serialize};

use crate::kernel::{Bps, Lots, Minor, Nanos};

/// The most intents that the duplicate check remembers.
const MAX_DUPLICATE_ENTRIES: i64 = 65_536;

/// The limits of the gate. All keys are needed except those with a default; there is no value that means "no limit".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskConfig {
    /// How far beyond the reference (mid, else last trade) a price may lie on the aggressive side: above it for a buy,
    /// below it for a sell. 1 to 10 000 bps.
    pub collar_bps: Bps,
    /// How far from the reference a price may lie on either side; and how far the market's own best prices may lie from their
    /// middle: where they lie further, nobody says what the price is, and nothing is quoted. From `collar_bps` to 10 000 bps.
    pub band_bps: Bps,
    /// Most lots in one order.
    pub max_order_lots: Lots,
    /// Most money in one order, in minor units.
    pub max_notional: Minor,
    /// Largest position of an instrument, either way, if every open order of one side were executed.
    pub max_position_lots: Lots,
    /// Most orders open, over all instruments. 1 to 65 536.
    pub max_open_orders: i64,
    /// Most money in open orders over all instruments, in minor units.
    pub max_open_notional: Minor,
    /// Most money in positions at their marks, long and short together, with all open orders, over all instruments, in minor
    /// units (17 CFR 240.15c3-5(c)(1)(i)). What only reduces a position passes. Four times `max_open_notional` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_gross_notional: Option<Minor>,
    /// Most money one way: long less short positions at their marks, if every open order of that side were executed, over all
    /// instruments, in minor units. Twice `max_open_notional` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_net_notional: Option<Minor>,
    /// The kill latch is set when so many orders of one side of an instrument came to nothing in series, none accepted in
    /// between: refused by the venue (control `rejects`), or not sent by our own gateway (control `unsent`). Each makes the
    /// pause before the next try twice as long, up to 60 s. 1 to 1 000; 10 unless said.
    #[serde(default = "default_max_rejects")]
    pub max_rejects: i64,
    /// Orders and replacements a second in the long run, over all instruments. 1 to 1 000 000.
    pub message_rate_per_s: i64,
    /// Orders and replacements that may go out at once. 1 to 1 000 000.
    pub message_burst: i64,
    /// No order of the same instrument, side, price and size passes twice within this time. 1 to 60 000 ms.
    #[serde(default = "default_duplicate_window_ms")]
    pub duplicate_window_ms: i64,
    /// A reference older than this is none. 1 to 60 000 ms.
    #[serde(default = "default_reference_max_age_ms")]
    pub reference_max_age_ms: i64,
    /// Most time between a batch's receipt by the kernel (by this process, where the kernel gives no stamp) and the machine's
    /// turn at it. 1 to 60 000 000 µs.
    #[serde(default = "default_ingress_lag_max_us")]
    pub ingress_lag_max_us: i64,
    /// The kill latch is set when today's loss (realised and unrealised, fees counted) reaches this, in minor units.
    /// Days are those of the venue: `[venue] time_zone`.
    pub max_daily_loss: Minor,
}

fn default_duplicate_window_ms() -> i64 {
    50
}

fn default_reference_max_age_ms() -> i64 {
    1_000
}

fn default_ingress_lag_max_us() -> i64 {
    50_000
}

fn default_max_rejects() -> i64 {
    10
}

impl RiskConfig {
    /// Values for examples and tests: an instrument of about a hundred dollars, lots of one share.
    pub fn example() -> Self {
        Self {
            collar_bps: Bps(50),
            band_bps: Bps(500),
            max_order_lots: Lots(500),
            max_notional: Minor(10_000_000),
            max_position_lots: Lots(2_000),
            max_open_orders: 16,
            max_open_notional: Minor(50_000_000),
            max_gross_notional: None,
            max_net_notional: None,
            max_rejects: default_max_rejects(),
            message_rate_per_s: 500,
            message_burst: 100,
            duplicate_window_ms: default_duplicate_window_ms(),
            reference_max_age_ms: default_reference_max_age_ms(),
            ingress_lag_max_us: default_ingress_lag_max_us(),
            max_daily_loss: Minor(500_000),
        }
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// The first key that is wrong, and what helps.
    pub fn validate(&self) -> Result<(), String> {
        self.faults().into_iter().next().map_or(Ok(()), Err)
    }

    /// Every limit that is wrong, its key first.
    pub fn faults(&self) -> Vec<String> {
        let mut checks = vec![
            within("collar_bps", self.collar_bps.0, 1, 10_000),
            within("band_bps", self.band_bps.0, self.collar_bps.0, 10_000),
            within("max_order_lots", self.max_order_lots.0, 1, i64::from(u32::MAX)),
            within("max_notional", self.max_notional.0, 1, i64::MAX - 1),
            within("max_position_lots", self.max_position_lots.0, 1, 1 << 40),
            within("max_open_orders", self.max_open_orders, 1, 65_536),
            within("max_open_notional", self.max_open_notional.0, 1, i64::MAX - 1),
            within("max_gross_notional", self.gross_limit().0, 1, i64::MAX - 1),
            within("max_net_notional", self.net_limit().0, 1, i64::MAX - 1),
            within("max_rejects", self.max_rejects, 1, 1_000),
            within("message_rate_per_s", self.message_rate_per_s, 1, 1_000_000),
            within("message_burst", self.message_burst, 1, 1_000_000),
            within("duplicate_window_ms", self.duplicate_window_ms, 1, 60_000),
            within("reference_max_age_ms", self.reference_max_age_ms, 1, 60_000),
            within("ingress_lag_max_us", self.ingress_lag_max_us, 1, 60_000_000),
            within("max_daily_loss", self.max_daily_loss.0, 1, i64::MAX - 1),
        ];
        if self.entries() > MAX_DUPLICATE_ENTRIES {
            checks.push(Err(format!(
                "risk.duplicate_window_ms: {} orders could pass within the window, {MAX_DUPLICATE_ENTRIES} can be \
                 remembered; shorten it, or lower message_rate_per_s or message_burst",
                self.entries()
            )));
        }
        checks.into_iter().filter_map(Result::err).collect()
    }

    /// Most money in positions and open orders, long and short together.
    pub fn gross_limit(&self) -> Minor {
        let unsaid = Minor(self.max_open_notional.0.saturating_mul(4).min(i64::MAX - 1));
        self.max_gross_notional.unwrap_or(unsaid)
    }

    /// Most money in positions and open orders one way.
    pub fn net_limit(&self) -> Minor {
        let unsaid = Minor(self.max_open_notional.0.saturating_mul(2).min(i64::MAX - 1));
        self.max_net_notional.unwrap_or(unsaid)
    }

    /// The duplicate window.
    pub(super) fn duplicate_window(&self) -> Nanos {
        Nanos(self.duplicate_window_ms.saturating_mul(1_000_000))
    }

    /// How many intents can pass within the duplicate window.
    pub(super) fn duplicate_entries(&self) -> usize {
        usize::try_from(self.entries()).unwrap_or(1)
    }

    fn entries(&self) -> i64 {
        let refilled = self.message_rate_per_s.saturating_mul(self.duplicate_window_ms) / 1_000;
        self.message_burst.saturating_add(refilled).saturating_add(1)
    }
}

fn within(key: &str, value: i64, low: i64, high: i64) -> Result<(), String> {
    check_range(&format!("risk.{key}"), value, low, high)
}

/// Holds a number of a configuration against its range.
///
/// # Errors
/// The key, its value, and the range that it must be in.
pub fn check_range(key: &str, value: i64, low: i64, high: i64) -> Result<(), String> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} is {value}: set it from {low} to {high}"))
}
