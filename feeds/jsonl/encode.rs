//! From decisions to lines: prices and dead letters, keys in a fixed order, appended to a buffer that the caller reuses.

use core::fmt::{self, Display};

use pricewright_core::kernel::table::{Define, PricePublished, Rejected};
use pricewright_core::kernel::{Column, Decimal, DecisionRef, Minor, SourceId};
use serde::{Serialize, Serializer};

use super::dictionary::{Dictionary, DictionaryError};
use super::timestamp::Rfc3339;

/// Why a decision could not be written; nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// No definition of this SKU was seen.
    #[error("SKU {sku} of source {source_id} was never defined")]
    UnknownSku {
        /// Whose number.
        source_id: SourceId,
        /// The number.
        sku: u32,
    },
    /// A definition does not continue what this encoder knows.
    #[error("source {source_id}: {error}")]
    Dictionary {
        /// Whose definition.
        source_id: SourceId,
        /// What is wrong with it.
        error: DictionaryError,
    },
    /// The JSON writer refused.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// What a decision became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// A price line.
    Price,
    /// A dead-letter line.
    DeadLetter,
    /// Nothing: the decision is neither.
    Nothing,
}

/// Writes decisions as JSON lines.
#[derive(Clone, Debug)]
pub struct Encoder {
    decimals: u8,
    max_skus: usize,
    dictionaries: Vec<Dictionary>,
}

impl Encoder {
    /// For prices of a currency with `currency_decimals` decimals, and at most `max_skus` SKUs of each source.
    pub fn new(currency_decimals: u8, max_skus: usize) -> Self {
        Self { decimals: currency_decimals, max_skus, dictionaries: Vec::new() }
    }

    /// Learns a SKU's name; definitions of other columns are none of its business. Memory for a source's SKUs is
    /// reserved at its first definition.
    ///
    /// # Errors
    /// Where the definition does not continue what this encoder knows.
    pub fn define(&mut self, define: &Define) -> Result<(), EncodeError> {
        if define.column != Column::SKU {
            return Ok(());
        }
        let known = self.dictionaries.iter().position(|dictionary| dictionary.source() == define.source);
        let at = known.unwrap_or_else(|| {
            self.dictionaries.push(Dictionary::new(define.source, self.max_skus));
            self.dictionaries.len() - 1
        });
        let Some(dictionary) = self.dictionaries.get_mut(at) else { return Ok(()) };
        dictionary
            .restore(define)
            .map_err(|error| EncodeError::Dictionary { source_id: define.source, error })
    }

    /// The SKU with this number of this source.
    pub fn name(&self, source: SourceId, sku: u32) -> Option<&str> {
        self.dictionaries.iter().find(|dictionary| dictionary.source() == source)?.name(sku)
    }

    /// Appends the decision with sequence `seq` to `out` as one line, LF included, where it is a price or a dead letter.
    ///
    /// # Errors
    /// Where it could not be written; `out` is as it was.
    pub fn encode(
        &self,
        decision: DecisionRef<'_>,
        seq: u64,
        out: &mut Vec<u8>,
    ) -> Result<Written, EncodeError> {
        match decision {
            DecisionRef::PricePublished(price) => self.price(price, seq, out).map(|()| Written::Price),
            DecisionRef::Rejected(rejected) => dead_letter(rejected, seq, out).map(|()| Written::DeadLetter),
            _ => Ok(Written::Nothing),
        }
    }

    /// Appends a price:
    /// `{"sku","price","previous","formula","stock","initial","guard","ts","seq"}`; `previous` is null for the first
    /// price of a sale, `guard` names the rail that bit last.
    ///
    /// # Errors
    /// Where it could not be written; `out` is as it was.
    pub fn price(&self, price: &PricePublished, seq: u64, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let sku = self
            .name(price.source, price.sku)
            .ok_or(EncodeError::UnknownSku { source_id: price.source, sku: price.sku })?;
        let money = |minor: Minor| Shown(Decimal { minor, decimals: self.decimals });
        let line = PriceLine {
            sku,
            price: money(price.price),
            previous: (price.previous.0 != 0).then(|| money(price.previous)),
            formula: money(price.formula),
            stock: price.stock,
            initial: price.initial,
            guard: price.guard.name(),
            ts: Shown(Rfc3339(price.event_ns)),
            seq,
        };
        append(&line, out)
    }
}

/// Appends a dead letter: `{"line","reason","detail","source","len","seq"}`; `line` is the position in the source, `len`
/// the bytes of the input, 0 where the machine refused what the feed could read.
///
/// # Errors
/// Where it could not be written; `out` is as it was.
pub fn dead_letter(rejected: &Rejected, seq: u64, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let line = DeadLetterLine {
        line: rejected.position,
        reason: rejected.reason.name(),
        detail: rejected.text.as_str(),
        source: rejected.source.0,
        len: rejected.len,
        seq,
    };
    append(&line, out)
}

#[derive(Serialize)]
struct PriceLine<'a> {
    sku: &'a str,
    price: Shown<Decimal>,
    previous: Option<Shown<Decimal>>,
    formula: Shown<Decimal>,
    stock: i64,
    initial: i64,
    guard: &'static str,
    ts: Shown<Rfc3339>,
    seq: u64,
}

#[derive(Serialize)]
struct DeadLetterLine<'a> {
    line: u64,
    reason: &'static str,
    detail: &'a str,
    source: u16,
    len: u32,
    seq: u64,
}

/// Serialised as a string, in the form it is displayed in.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<T: Display> fmt::Debug for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn append<T: Serialize>(line: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let before = out.len();
    match serde_json::to_writer(&mut *out, line) {
        Ok(()) => {
            out.push(b'\n');
            Ok(())
        }
        Err(error) => {
            out.truncate(before);
            Err(error.into())
        }
    }
}

#[cfg(test)]
mod tests;
