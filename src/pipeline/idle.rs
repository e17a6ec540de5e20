//! What a thread does when none of its stages has work.
//!
//! Measured one-way wake-up after a millisecond of idling: spin 46 ns, park of 50 µs 36 µs, futex 26 µs. Two threads
//! that spin on one core take 15 ms to talk to each other, two that yield 3.4 µs: so spinning needs a core of its own.

use std::fmt;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Empty rounds that [`Idle::Backoff`] spins before it yields.
const SPIN_ROUNDS: u32 = 200;
/// Empty rounds that it then yields before it parks.
const YIELD_ROUNDS: u32 = 50;
/// How long a park is where the configuration does not say.
const DEFAULT_PARK: Duration = Duration::from_micros(50);
/// The longest park: a thread notices a stop within this time.
pub const MAX_PARK: Duration = Duration::from_millis(10);

/// An idle strategy. In a configuration: `"spin"`, `"yield"`, `"backoff"`, `"backoff:100us"`, `"park"`, `"park:1ms"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Idle {
    /// One PAUSE instruction and on. Takes the whole core.
    Spin,
    /// Lets another thread of this core run.
    Yield,
    /// Spins for a while, then yields for a while, then parks this long each time, until there is work again.
    Backoff(Duration),
    /// Parks this long at once.
    Park(Duration),
}

impl Idle {
    /// Backing off with parks of 50 µs.
    pub const BACKOFF: Self = Self::Backoff(DEFAULT_PARK);

    /// True where an idle thread keeps its core from all others.
    pub fn spins(self) -> bool {
        self == Self::Spin
    }
}

/// An idle strategy with what it remembers between rounds. Kept by the thread that idles.
#[derive(Debug)]
pub struct Idler {
    idle: Idle,
    empty_rounds: u32,
}

/// What an idler does in one round; a value of its own, so that the choice can be tested without a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    None,
    Pause,
    Yield,
    Park(Duration),
}

impl Idler {
    /// A fresh one.
    pub fn new(idle: Idle) -> Self {
        Self { idle, empty_rounds: 0 }
    }

    /// Call after each round of polls with the work that was done in it: rests only where it is 0.
    #[inline]
    pub fn after(&mut self, work: usize) {
        match self.rest(work) {
            Rest::None => {}
            Rest::Pause => std::hint::spin_loop(),
            Rest::Yield => thread::yield_now(),
            Rest::Park(time) => thread::park_timeout(time),
        }
    }

    #[inline]
    fn rest(&mut self, work: usize) -> Rest {
        if work > 0 {
            self.empty_rounds = 0;
            return Rest::None;
        }
        match self.idle {
            Idle::Spin => Rest::Pause,
            Idle::Yield => Rest::Yield,
            Idle::Park(time) => Rest::Park(time),
            Idle::Backoff(time) => {
                self.empty_rounds = self.empty_rounds.saturating_add(1);
                match self.empty_rounds {
                    0..=SPIN_ROUNDS => Rest::Pause,
                    rounds if rounds <= SPIN_ROUNDS + YIELD_ROUNDS => Rest::Yield,
                    _ => Rest::Park(time),
                }
            }
        }
    }
}

/// An idle strategy was written wrongly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdleError {
    /// No strategy has this name.
    #[error("no idle strategy `{0}`: write spin, yield, backoff, backoff:<time>, park or park:<time>")]
    Unknown(String),
    /// The time cannot be read, or is out of bounds.
    #[error("idle strategy `{0}`: the time is from 1us to 10ms, as in backoff:50us")]
    Time(String),
}

impl FromStr for Idle {
    type Err = IdleError;

    fn from_str(text: &str) -> Result<Self, IdleError> {
        let (name, time) = match text.split_once(':') {
            Some((name, time)) => (name, Some(time)),
            None => (text, None),
        };
        let park = match time {
            None => DEFAULT_PARK,
            Some(time) => parse_park(time).ok_or_else(|| IdleError::Time(text.to_owned()))?,
        };
        match (name, time) {
            ("spin", None) => Ok(Self::Spin),
            ("yield", None) => Ok(Self::Yield),
            ("backoff", _) => Ok(Self::Backoff(park)),
            ("park", _) => Ok(Self::Park(park)),
            _ => Err(IdleError::Unknown(text.to_owned())),
        }
    }
}

fn parse_park(text: &str) -> Option<Duration> {
    let (digits, micros) = match text.strip_suffix("us") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix("ms")?, 1_000),
    };
    let park = Duration::from_micros(digits.parse::<u64>().ok()?.checked_mul(micros)?);
    (Duration::from_micros(1)..=MAX_PARK).contains(&park).then_some(park)
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spin => f.write_str("spin"),
            Self::Yield => f.write_str("yield"),
            Self::Backoff(park) => write!(f, "backoff:{}us", park.as_micros()),
            Self::Park(park) => write!(f, "park:{}us", park.as_micros()),
        }
    }
}

impl TryFrom<String> for Idle {
    type Error = IdleError;

    fn try_from(text: String) -> Result<Self, IdleError> {
        text.parse()
    }
}

impl From<Idle> for String {
    fn from(idle: Idle) -> Self {
        idle.to_string()
    }
}

#[cfg(test)]
mod tests;
