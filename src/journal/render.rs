//! Shows any record as its segment's catalogue describes it, also one whose kind this build never knew.
//!
//! Enumerations are shown by name (by number where the catalogue has none for it), text as strings, raw bytes as
//! hexadecimal, numbers exactly; spare fields are left out. A decision's cause is shown as the sequence of its event.

use std::borrow::Cow;
use std::fmt::Write as _;

use pricewright_core::kernel::schema::FieldType;
use pricewright_core::kernel::{Class, RecordRef, flags};
use serde_json::{Map, Value};

use super::catalogue::{Catalogue, FieldLayout, KindSchema};

/// A field's value.
enum Shown<'a> {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Name(&'a str),
    Text(Cow<'a, str>),
    Hex(String),
}

/// One line: `seq now class Kind source=… [cause=…] [flags=…] field=value…`, text in quotes with escapes.
pub fn to_text(record: &RecordRef<'_>, catalogue: &Catalogue) -> String {
    let header = record.header();
    let kind = catalogue.kind(header.kind);
    let (class, name) = match kind {
        Some(kind) => (kind.class.name(), Cow::Borrowed(kind.name.as_str())),
        None => ("unknown", Cow::Owned(format!("kind{}", header.kind))),
    };
    let mut line = format!("{} {} {class} {name} source={}", header.seq, header.now, header.source);
    if let Some(cause) = cause(record, kind) {
        let _ = write!(line, " cause={cause}");
    }
    let flags = flag_names(header.flags);
    if !flags.is_empty() {
        let _ = write!(line, " flags={}", flags.join(","));
    }
    for (name, value) in fields(record, kind) {
        // Writing to a string cannot fail.
        let _ = match value {
            Shown::Unsigned(value) => write!(line, " {name}={value}"),
            Shown::Signed(value) => write!(line, " {name}={value}"),
            Shown::Float(value) => write!(line, " {name}={value:?}"),
            Shown::Name(value) => write!(line, " {name}={value}"),
            Shown::Text(value) => write!(line, " {name}={value:?}"),
            Shown::Hex(value) => write!(line, " {name}={value}"),
        };
    }
    line
}

/// An object with `seq`, `now`, `kind`, `class`, `version`, `source`, `fields`, and where they say something `cause` and
/// `flags`. Numbers are exact; a float that is not finite is a string.
pub fn to_json(record: &RecordRef<'_>, catalogue: &Catalogue) -> Value {
    let header = record.header();
    let kind = catalogue.kind(header.kind);
    let mut object = Map::new();
    object.insert("seq".into(), header.seq.into());
    object.insert("now".into(), header.now.0.into());
    object.insert("kind".into(), kind.map_or_else(|| header.kind.into(), |kind| kind.name.clone().into()));
    object.insert("class".into(), kind.map_or("unknown", |kind| kind.class.name()).into());
    object.insert("version".into(), header.version.into());
    object.insert("source".into(), header.source.0.into());
    if let Some(cause) = cause(record, kind) {
        object.insert("cause".into(), cause.into());
    }
    let flags = flag_names(header.flags);
    if !flags.is_empty() {
        object.insert("flags".into(), flags.into());
    }
    let fields = fields(record, kind).into_iter().map(|(name, value)| (name.to_owned(), json_of(value)));
    object.insert("fields".into(), Value::Object(fields.collect()));
    Value::Object(object)
}

fn json_of(value: Shown<'_>) -> Value {
    match value {
        Shown::Unsigned(value) => value.into(),
        Shown::Signed(value) => value.into(),
        Shown::Float(value) if value.is_finite() => value.into(),
        Shown::Float(value) => format!("{value:?}").into(),
        Shown::Name(value) => value.into(),
        Shown::Text(value) => value.into(),
        Shown::Hex(value) => value.into(),
    }
}

/// Sequence of the event that a decision was caused by.
fn cause(record: &RecordRef<'_>, kind: Option<&KindSchema>) -> Option<u64> {
    let header = record.header();
    let back = u64::from(header.cause);
    (back > 0 && kind.is_some_and(|kind| kind.class == Class::Decision))
        .then(|| header.seq.saturating_sub(back))
}

fn flag_names(bits: u8) -> Vec<Cow<'static, str>> {
    let mut names = Vec::new();
    for (bit, name) in [(flags::RESPONSE, "response"), (flags::NOT_SENT, "not_sent")] {
        if bits & bit != 0 {
            names.push(Cow::Borrowed(name));
        }
    }
    let unknown = bits & !(flags::RESPONSE | flags::NOT_SENT);
    if unknown != 0 {
        names.push(Cow::Owned(format!("{unknown:#04x}")));
    }
    names
}

fn fields<'a>(record: &RecordRef<'a>, kind: Option<&'a KindSchema>) -> Vec<(&'a str, Shown<'a>)> {
    let payload = record.payload();
    let Some(kind) = kind else { return vec![("payload", Shown::Hex(hex(payload)))] };
    let wanted = kind.fields.iter().filter(|field| !field.is_spare());
    wanted.filter_map(|field| Some((field.name.as_str(), value_of(field, payload)?))).collect()
}

fn value_of<'a>(field: &'a FieldLayout, payload: &'a [u8]) -> Option<Shown<'a>> {
    let bytes = payload.get(field.offset..field.offset.checked_add(field.size)?)?;
    Some(match field.ty {
        FieldType::U8 | FieldType::U16 | FieldType::U32 | FieldType::U64 => {
            let number = word(bytes);
            match field.codes.iter().find(|(code, _)| *code == number) {
                Some((_, name)) => Shown::Name(name),
                None => Shown::Unsigned(number),
            }
        }
        FieldType::I64 => Shown::Signed(word(bytes).cast_signed()),
        FieldType::F64 => Shown::Float(f64::from_bits(word(bytes))),
        FieldType::Text => {
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            Shown::Text(String::from_utf8_lossy(bytes.get(..end)?))
        }
        FieldType::Bytes => Shown::Hex(hex(bytes)),
    })
}

/// Up to eight little-endian bytes as a number.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
