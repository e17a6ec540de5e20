//! The contract of a machine: the only place where anything is decided.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::calendar::Venue;
use super::codes::RejectReason;
use super::decimal::{Decimal, FixedPoint};
use super::outbox::Outbox;
use super::probe::Probe;
use super::standing::Standing;
use super::table::{EventRef, Inventory};
use super::units::{InstrumentId, Minor, Nanos, Ticks};

/// A deterministic state machine: events in, decisions out.
///
/// Given the same sequence of (now, event), the same configuration and the same binary, it emits the same decisions byte
/// for byte and ends in the same state hash. So: time only from `now`, randomness only from a generator seeded by the
/// configuration, no iteration over unordered maps, floats only in features, models and learning.
///
/// Bad data is never a panic: the machine emits a [`super::table::Rejected`] and goes on.
pub trait Machine: Sized {
    /// Its part of the configuration, as read from TOML.
    type Config: Clone + core::fmt::Debug + Serialize + DeserializeOwned;

    /// The name that a configuration selects it by.
    const NAME: &'static str;

    /// The layout of what [`Self::snapshot`] writes. Raise it with every change of it: a build restores only snapshots of
    /// its own layout, since old bytes may be readable and mean something else.
    const STATE_VERSION: u32 = 1;

    /// Gives its configuration the venue, `[venue]` in the file: whose day it is, and when quotes may stand. A machine that
    /// knows no day leaves it.
    fn at_venue(_config: &mut Self::Config, _venue: &Venue) {}

    /// How its prices and its money are written for people.
    fn units(_config: &Self::Config) -> DisplayUnits {
        DisplayUnits::default()
    }

    /// What one of its timers is for, in words.
    fn timer_name(_config: &Self::Config, _key: u32) -> Option<String> {
        None
    }

    /// What is allowed in `config` and hardly meant: a sentence each, the key first.
    fn warnings(_config: &Self::Config) -> Vec<String> {
        Vec::new()
    }

    /// `config` without what may be raised while a journal goes on: capacities, where they change no decision on what fits
    /// them. A journal goes on under every configuration that is the same as its own but for those.
    fn lasting(config: &Self::Config) -> Self::Config {
        config.clone()
    }

    /// How many different strings (articles) of one source it has places for. A feed refuses what goes beyond, so that an
    /// input which the journal holds as refused is not one that a later, larger configuration would take.
    fn max_strings(_config: &Self::Config) -> usize {
        usize::MAX
    }

    /// What it refuses of inventories whatever else has happened, as its configuration alone says. A feed asks before it gives
    /// an article a place, since a place once given is kept. `None` for a machine that takes no inventories, or any.
    fn screen(_config: &Self::Config) -> Option<Screen> {
        None
    }

    /// Says whether [`Self::new`] would take this configuration, without taking the memory that its sizes ask for. A machine
    /// whose sizes are settings should have its own.
    ///
    /// # Errors
    /// What is wrong with the configuration, and what helps.
    fn check(config: &Self::Config) -> Result<(), String> {
        Self::new(config).map(drop)
    }

    /// All that is wrong with `config`, each with its key, for a person who would mend it at once. Empty where [`Self::check`]
    /// finds nothing.
    fn faults(config: &Self::Config) -> Vec<ConfigFault> {
        Self::check(config).err().map(ConfigFault::from).into_iter().collect()
    }

    /// The memory that [`Self::new`] takes for sizes that are settings; computed only. It is compared with the machine's
    /// before any is taken.
    fn memory(_config: &Self::Config) -> Vec<Reserved> {
        Vec::new()
    }

    /// The machine in its first state.
    ///
    /// # Errors
    /// What is wrong with the configuration, and the mend.
    fn new(config: &Self::Config) -> Result<Self, String>;

    /// Takes one event. `now` never decreases. Decisions and timers go to `out`, reasons to `probe`.
    fn on_event<P: Probe>(&mut self, now: Nanos, event: EventRef<'_>, out: &mut Outbox, probe: &mut P);

    /// Where it stands, in figures for people. Called off the hot path, on a machine that follows the journal.
    fn standing(&self, _now: Nanos) -> Standing {
        Standing::default()
    }

    /// Appends the whole state to `bytes`; equal states give equal bytes.
    ///
    /// # Errors
    /// Where a part of the state cannot be written.
    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), SnapshotError>;

    /// The machine in the state of a snapshot taken under the same configuration.
    ///
    /// # Errors
    /// Where the bytes are not such a snapshot.
    fn restore(config: &Self::Config, bytes: &[u8]) -> Result<Self, SnapshotError>;
}

/// Why an inventory is refused whatever else has happened; see [`Machine::screen`]. It depends on the inventory alone, and
/// not on the number of its article.
pub type Screen = Arc<dyn Fn(&Inventory) -> Result<(), (RejectReason, &'static str)> + Send + Sync>;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// Where: dotted keys, tables of a list by their number from 0 (`instruments.1.increment`); the first of them that the
    /// file has is shown. Empty where none is known.
    pub keys: Vec<String>,
    /// What is wrong, and what helps.
    pub message: String,
}

impl ConfigFault {
    /// `message` about the value of `key`.
    pub fn at(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { keys: vec![key.into()], message: message.into() }
    }

    /// And if the file does not have that key, about the value of `key`.
    #[must_use]
    pub fn or_at(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// With `table` in front of every key.
    #[must_use]
    pub fn within(mut self, table: &str) -> Self {
        for key in &mut self.keys {
            *key = format!("{table}.{key}");
        }
        self
    }
}

/// A message that begins with its key: `risk.max_open_orders is 0: …`.
impl From<String> for ConfigFault {
    fn from(message: String) -> Self {
        let is_key = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.');
        let end = message.find(|char| !is_key(char)).unwrap_or(message.len());
        let key = message.get(..end).unwrap_or("").trim_end_matches('.');
        let keys = if key.is_empty() { Vec::new() } else { vec![key.to_owned()] };
        Self { keys, message }
    }
}

/// Memory that settings ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The keys and their values, as in `max_skus = 65536`.
    pub settings: String,
    /// Bytes.
    pub bytes: u64,
}

impl Reserved {
    /// `count` things of `size` bytes each, for `settings`.
    pub fn of(settings: String, count: u64, size: usize) -> Self {
        Self { settings, bytes: count.saturating_mul(size as u64) }
    }
}

/// How ticks and minor units are written for people; nothing is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DisplayUnits {
    /// In the order of instrument ids.
    pub instruments: Vec<InstrumentUnits>,
    /// Decimals of a minor unit of money.
    pub money_decimals: u8,
    /// The currency of money, such as `USD`; empty if nobody says.
    pub currency: String,
}

/// How an instrument's prices are written: a tick is `tick_units / 10^decimals`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentUnits {
    /// Its name.
    pub symbol: String,
    /// Units of the last decimal in one tick.
    pub tick_units: i64,
    /// Decimals of a price.
    pub decimals: u8,
    /// Units of the underlying (shares, coins, contracts) in one lot.
    pub lot: i64,
}

impl DisplayUnits {
    /// A price of `instrument` as text; ticks where it is not known.
    pub fn price(&self, instrument: InstrumentId, price: Ticks) -> String {
        match self.instruments.get(instrument.index()) {
            Some(units) => {
                let exact = i128::from(price.0) * i128::from(units.tick_units);
                trim_zeros(FixedPoint { units: exact, decimals: units.decimals }.to_string(), 2)
            }
            None => format!("{price} ticks"),
        }
    }

    /// Money as text.
    pub fn money(&self, minor: Minor) -> String {
        trim_zeros(Decimal { minor, decimals: self.money_decimals }.to_string(), 2)
    }

    /// Money as text for a short line: rounded half away from zero to two decimals, with its sign. This is the only place where
    /// money is rounded for people; everywhere else it is shown to its last decimal that is not zero.
    pub fn money_short(&self, minor: Minor) -> String {
        let decimals = self.money_decimals.min(2);
        let scale = 10_i128.pow(u32::from(self.money_decimals - decimals));
        let (sign, size) = (minor.0.signum(), i128::from(minor.0).abs());
        let rounded = (size + scale / 2) / scale;
        let text = FixedPoint { units: rounded, decimals }.to_string();
        format!("{}{text}", if sign < 0 && rounded > 0 { "-" } else { "+" })
    }

    /// An instrument's name; its number where it is not known.
    pub fn symbol(&self, instrument: InstrumentId) -> String {
        self.instruments
            .get(instrument.index())
            .map_or_else(|| format!("#{instrument}"), |units| units.symbol.clone())
    }
}

/// `100.0300` as `100.03`: zeros at the end go, down to `least` decimals.
fn trim_zeros(mut text: String, least: usize) -> String {
    let Some(point) = text.find('.') else { return text };
    let kept = text.trim_end_matches('0').len().max(point + 1 + least);
    text.truncate(kept);
    text
}

/// A snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The codec refused.
    #[error("snapshot: {0}")]
    Codec(#[from] postcard::Error),
    /// The state does not fit the configuration.
    #[error("snapshot does not fit the configuration: {0}")]
    Mismatch(String),
}

/// Appends `state` to `bytes` in the compact form that snapshots use.
///
/// # Errors
/// Where a part of the state cannot be written.
pub fn write_state<T: Serialize>(state: &T, bytes: &mut Vec<u8>) -> Result<(), SnapshotError> {
    *bytes = postcard::to_extend(state, core::mem::take(bytes))?;
    Ok(())
}

/// Reads what [`write_state`] wrote; all of `bytes` must be used.
///
/// # Errors
/// Where the bytes are not such a state.
pub fn read_state<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SnapshotError> {
    let (state, rest) = postcard::take_from_bytes(bytes)?;
    if rest.is_empty() {
        Ok(state)
    } else {
        Err(SnapshotError::Mismatch(format!("{} bytes are left over", rest.len())))
    }
}

/// BLAKE3 of a snapshot.
pub fn state_hash_of(snapshot: &[u8]) -> [u8; 32] {
    *blake3::hash(snapshot).as_bytes()
}
