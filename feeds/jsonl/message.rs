//! One line as JSON: which fields it must have, which it may not have, and exactly what is wrong with it.
//!
//! Numbers of pieces are JSON integers. Money is a decimal string: a JSON number would pass through a binary float in
//! many senders, and `0.1` has none. Unknown fields are refused, so that a misspelt one is not lost. A line is one JSON object
//! and nothing else; `docs/json-lines.md` names every field with its unit and range.

use core::fmt;
use std::borrow::Cow;

use pricewright_core::kernel::{RejectReason, Text};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// U+FEFF in UTF-8.
pub(super) const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A line: what it says, and the identity that its sender gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// The sender's name for this very line, where it gave one: a line that comes again is known by it.
    pub id: Option<Cow<'a, str>>,
    /// What it says.
    pub message: Message<'a>,
}

/// A line's content; strings are borrowed from the line where they hold no escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Stock and base price of an article.
    Inventory {
        /// Article.
        sku: Cow<'a, str>,
        /// RFC 3339.
        ts: Cow<'a, str>,
        /// Pieces at the start of the sale.
        initial: i64,
        /// Pieces left.
        stock: i64,
        /// Base price as a decimal string.
        base: Cow<'a, str>,
    },
    /// Pieces were bought.
    Purchase {
        /// Article.
        sku: Cow<'a, str>,
        /// RFC 3339.
        ts: Cow<'a, str>,
        /// Pieces.
        qty: i64,
    },
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub reason: RejectReason,
    /// In words, with an excerpt where that helps; cut at 80 bytes.
    pub text: Text<80>,
}

impl Fault {
    /// A fault in the words of `text`. Control characters are shown as `?`.
    pub fn new(reason: RejectReason, text: fmt::Arguments<'_>) -> Self {
        let mut excerpt = Excerpt { bytes: [0; 80], len: 0 };
        // An error means that the text is full: the rest is cut, as the field says.
        let _ = fmt::Write::write_fmt(&mut excerpt, text);
        Self { reason, text: Text(excerpt.bytes) }
    }
}

/// Takes text until it is full.
struct Excerpt {
    bytes: [u8; 80],
    len: usize,
}

impl fmt::Write for Excerpt {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            let char = if char.is_control() { '?' } else { char };
            let end = self.len + char.len_utf8();
            char.encode_utf8(self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?);
            self.len = end;
        }
        Ok(())
    }
}

/// Reads a line.
///
/// # Errors
/// What is wrong with it: not JSON, an unknown type, a field that is missing, unknown or of the wrong form.
pub fn parse(line: &[u8]) -> Result<Input<'_>, Fault> {
    // The parser would take an array for the fields in their order.
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err(no_object(line));
    }
    let mut fields: Fields<'_> = serde_json::from_slice(line).map_err(|error| not_readable(line, &error))?;
    let id = match core::mem::take(&mut fields.id) {
        Scalar::Missing => None,
        id => Some(text("id", id)?),
    };
    Ok(Input { id, message: message(fields)? })
}

/// True where `line` is one whole JSON object, of whatever content.
pub fn is_object(line: &[u8]) -> bool {
    let line = line.strip_prefix(&BYTE_ORDER_MARK).unwrap_or(line);
    line.trim_ascii_start().first() == Some(&b'{') && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

fn message(fields: Fields<'_>) -> Result<Message<'_>, Fault> {
    let kind = text("type", fields.kind)?;
    match &*kind {
        "inventory" => {
            absent("inventory", "qty", fields.qty)?;
            Ok(Message::Inventory {
                sku: text("sku", fields.sku)?,
                ts: text("ts", fields.ts)?,
                initial: pieces("initial", fields.initial)?,
                stock: pieces("stock", fields.stock)?,
                base: money("base", fields.base)?,
            })
        }
        "purchase" => {
            absent("purchase", "initial", fields.initial)?;
            absent("purchase", "stock", fields.stock)?;
            absent("purchase", "base", fields.base)?;
            Ok(Message::Purchase {
                sku: text("sku", fields.sku)?,
                ts: text("ts", fields.ts)?,
                qty: pieces("qty", fields.qty)?,
            })
        }
        other => Err(unknown_type(other)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Scalar<'a>,
    #[serde(borrow, default)]
    id: Scalar<'a>,
    #[serde(borrow, default)]
    sku: Scalar<'a>,
    #[serde(borrow, default)]
    ts: Scalar<'a>,
    #[serde(borrow, default)]
    initial: Scalar<'a>,
    #[serde(borrow, default)]
    stock: Scalar<'a>,
    #[serde(borrow, default)]
    base: Scalar<'a>,
    #[serde(borrow, default)]
    qty: Scalar<'a>,
}

/// Only the type, whatever else the line holds.
#[derive(Deserialize)]
struct TypeOnly<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Scalar<'a>,
}

/// A field's value, still without judgement.
#[derive(Debug, Default)]
enum Scalar<'a> {
    /// Not there, or `null`.
    #[default]
    Missing,
    Text(Cow<'a, str>),
    Integer(i64),
    /// A number beyond 64 bits.
    Large,
    /// A number with a fraction or an exponent.
    Float,
    /// `-0`, which no integer holds; with a fraction or an exponent too.
    NegativeZero,
    /// A boolean, array or object.
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// 2^63.
const BEYOND_64_BITS: f64 = 9_223_372_036_854_775_808.0;

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Large, Scalar::Integer))
    }

    /// Integers that do not fit 64 bits come this way too.
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(match number.abs() {
            0.0 if number.is_sign_negative() => Scalar::NegativeZero,
            size if size < BEYOND_64_BITS => Scalar::Float,
            _ => Scalar::Large,
        })
    }

    fn visit_bool<E>(self, _bool: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Missing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// What a line is that is no object.
fn no_object(line: &[u8]) -> Fault {
    if line.starts_with(&[0xff, 0xfe]) || line.starts_with(&[0xfe, 0xff]) {
        return Fault::new(RejectReason::MALFORMED, format_args!("the line is UTF-16: send UTF-8"));
    }
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(line) {
        return not_readable(line, &error);
    }
    let found = match line.trim_ascii_start().first() {
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    };
    Fault::new(RejectReason::MALFORMED, format_args!("the line is no JSON object but {found}"))
}

fn not_readable(line: &[u8], error: &serde_json::Error) -> Fault {
    // A line of another type may well have fields that are unknown here: its type is what is wrong.
    if error.is_data()
        && let Ok(TypeOnly { kind: Scalar::Text(kind) }) = serde_json::from_slice(line)
        && !matches!(&*kind, "inventory" | "purchase")
    {
        return unknown_type(&kind);
    }
    let words = error.to_string();
    // The parser counts lines within the line.
    let what = words.rsplit_once(" at line ").map_or(&*words, |(what, _)| what);
    let column = error.column();
    let beginning = line.get(..80).unwrap_or(line).utf8_chunks().next().map_or("", |chunk| chunk.valid());
    Fault::new(RejectReason::MALFORMED, format_args!("{what} at column {column}: {beginning}"))
}

fn unknown_type(kind: &str) -> Fault {
    Fault::new(
        RejectReason::UNKNOWN_TYPE,
        format_args!("`type` is neither `inventory` nor `purchase` but `{kind}`"),
    )
}

fn missing(field: &str) -> Fault {
    Fault::new(RejectReason::MISSING_FIELD, format_args!("`{field}` is missing"))
}

fn absent(kind: &str, field: &str, value: Scalar<'_>) -> Result<(), Fault> {
    match value {
        Scalar::Missing => Ok(()),
        _ => Err(Fault::new(RejectReason::MALFORMED, format_args!("`{field}` does not belong to `{kind}`"))),
    }
}

fn text<'a>(field: &str, value: Scalar<'a>) -> Result<Cow<'a, str>, Fault> {
    match value {
        Scalar::Text(text) => Ok(text),
        Scalar::Missing => Err(missing(field)),
        _ => Err(Fault::new(RejectReason::MALFORMED, format_args!("`{field}` is not a string"))),
    }
}

fn money<'a>(field: &str, value: Scalar<'a>) -> Result<Cow<'a, str>, Fault> {
    match value {
        Scalar::Integer(_) | Scalar::Large | Scalar::Float | Scalar::NegativeZero => Err(Fault::new(
            RejectReason::MALFORMED,
            format_args!("`{field}` is a JSON number: write money as a string such as \"100.00\""),
        )),
        value => text(field, value),
    }
}

fn pieces(field: &str, value: Scalar<'_>) -> Result<i64, Fault> {
    match value {
        Scalar::Integer(pieces) => Ok(pieces),
        Scalar::Missing => Err(missing(field)),
        Scalar::Large => {
            Err(Fault::new(RejectReason::OUT_OF_RANGE, format_args!("`{field}` does not fit 64 bits")))
        }
        Scalar::Float => Err(Fault::new(
            RejectReason::MALFORMED,
            format_args!("`{field}` has a fraction or an exponent: write a whole number of pieces"),
        )),
        Scalar::NegativeZero => Err(Fault::new(
            RejectReason::MALFORMED,
            format_args!("`{field}` is a negative zero: write a whole number of pieces"),
        )),
        Scalar::Text(_) => Err(Fault::new(
            RejectReason::MALFORMED,
            format_args!("`{field}` is a string: write a whole number of pieces, without quotes"),
        )),
        Scalar::Other => Err(Fault::new(
            RejectReason::MALFORMED,
            format_args!("`{field}` is not a whole number of pieces"),
        )),
    }
}

#[cfg(test)]
mod tests;
