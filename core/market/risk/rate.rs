//! A token bucket in integers: `rate` tokens a second, at most `burst`.

use serde::{Deserialize, Serialize};

use crate::kernel::Nanos;

/// Parts of a token: with one part for each nanosecond and token a second, refilling needs no division.
const TOKEN: i64 = 1_000_000_000;

/// Tokens, full at first. Refilling is exact: no time is lost to rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBucket {
    rate_per_s: i64,
    capacity: i64,
    parts: i64,
    at: Nanos,
}

impl TokenBucket {
    /// A full bucket; both numbers are held within 1 to one million.
    pub fn new(rate_per_s: i64, burst: i64) -> Self {
        let capacity = burst.clamp(1, 1_000_000) * TOKEN;
        Self { rate_per_s: rate_per_s.clamp(1, 1_000_000), capacity, parts: capacity, at: Nanos::ZERO }
    }

    /// True where the bucket has this rate and burst.
    pub fn is_for(&self, rate_per_s: i64, burst: i64) -> bool {
        let other = Self::new(rate_per_s, burst);
        self.rate_per_s == other.rate_per_s && self.capacity == other.capacity
    }

    /// Adds what came in since the last call.
    pub fn refill(&mut self, now: Nanos) {
        let elapsed = now.0.saturating_sub(self.at.0).max(0);
        let gained = elapsed.saturating_mul(self.rate_per_s);
        self.parts = self.parts.saturating_add(gained).min(self.capacity);
        self.at = self.at.max(now);
    }

    /// Tokens there are, parts not counted.
    pub fn whole_tokens(&self) -> i64 {
        self.parts / TOKEN
    }

    /// Takes a token. Returns whether there was one.
    pub fn take(&mut self) -> bool {
        let enough = self.parts >= TOKEN;
        if enough {
            self.parts -= TOKEN;
        }
        enough
    }

    /// Tokens in thousandths, rounded down.
    pub fn milli_tokens(&self) -> i64 {
        self.parts / (TOKEN / 1_000)
    }
}
