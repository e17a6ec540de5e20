//! Shows any record as its segment's catalogue describes it, also one whose kind this build never knew.
//!
//! Enumerations are shown by name (by number where the catalogue has none for it), text as strings, raw bytes as
//! hexadecimal, numbers exactly; spare fields are left out. A decision's cause is shown as the sequence of its event.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::Write as _;

use pricewright_core::kernel::schema::FieldType;
use pricewright_core::kernel::{Class, Nanos, RecordRef, SourceId, flags};

use super::catalogue::{Catalogue, FieldLayout, KindSchema};

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shown<'a> {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Name(&'a str),
    Text(Cow<'a, str>),
    Hex(&'a [u8]),
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
    for (number, name) in flag_names(header.flags).enumerate() {
        let _ = write!(line, "{}{name}", if number == 0 { " flags=" } else { "," });
    }
    for (name, value) in fields(record, kind) {
        // Writing to a string cannot fail.
        let _ = match value {
            Shown::Text(value) => write!(line, " {name}={value:?}"),
            value => write!(line, " {name}={value}"),
        };
    }
    line
}

/// How people read the values of a journal: what the catalogue alone cannot say.
pub trait Words {
    /// A stamp.
    fn time(&self, now: Nanos) -> String;

    /// A field of `payload` by its unit; `None` where it is shown as it is.
    fn field(
        &self,
        kind: &KindSchema,
        field: &FieldLayout,
        payload: &[u8],
        source: SourceId,
    ) -> Option<String>;
}

/// As [`to_text`], with stamps and values as `words` have them.
pub fn to_words(record: &RecordRef<'_>, catalogue: &Catalogue, words: &dyn Words) -> String {
    let header = record.header();
    let Some(kind) = catalogue.kind(header.kind) else { return to_text(record, catalogue) };
    let (class, name) = (kind.class.name(), kind.name.as_str());
    let mut line =
        format!("{} {} {class} {name} source={}", header.seq, words.time(header.now), header.source);
    if let Some(cause) = cause(record, Some(kind)) {
        let _ = write!(line, " cause={cause}");
    }
    for (number, name) in flag_names(header.flags).enumerate() {
        let _ = write!(line, "{}{name}", if number == 0 { " flags=" } else { "," });
    }
    let payload = record.payload();
    for field in kind.fields.iter().filter(|field| !field.is_spare()) {
        let Some(raw) = shown_of(field, payload) else { continue };
        // Writing to a string cannot fail.
        let _ = match (words.field(kind, field, payload, header.source), raw) {
            (Some(value), _) => write!(line, " {}={value}", field.name),
            (None, Shown::Text(value)) => write!(line, " {}={value:?}", field.name),
            (None, value) => write!(line, " {}={value}", field.name),
        };
    }
    line
}

/// One line of JSON: see [`write_json`].
pub fn to_json(record: &RecordRef<'_>, catalogue: &Catalogue) -> String {
    let mut line = Vec::new();
    write_json(&mut line, record, catalogue);
    // Only text and what serde_json writes went in.
    String::from_utf8(line).unwrap_or_default()
}

/// Appends an object with `seq`, `now`, `kind`, `class`, `version`, `source`, where they say something `cause` and
/// `flags`, then `fields` in the layout's order; no line end. Numbers are exact; a float that is not finite is a string.
pub(super) fn write_json(line: &mut Vec<u8>, record: &RecordRef<'_>, catalogue: &Catalogue) {
    let header = record.header();
    let kind = catalogue.kind(header.kind);
    put(line, format_args!("{{\"seq\":{},\"now\":{},\"kind\":", header.seq, header.now.0));
    match kind {
        Some(kind) => write_json_text(line, &kind.name),
        None => put(line, format_args!("{}", header.kind)),
    }
    let class = kind.map_or("unknown", |kind| kind.class.name());
    let (version, source) = (header.version, header.source.0);
    put(line, format_args!(",\"class\":\"{class}\",\"version\":{version},\"source\":{source}"));
    if let Some(cause) = cause(record, kind) {
        put(line, format_args!(",\"cause\":{cause}"));
    }
    if header.flags != 0 {
        line.extend_from_slice(b",\"flags\":[");
        separated(line, flag_names(header.flags), |line, name| write_json_text(line, &name));
        line.push(b']');
    }
    line.extend_from_slice(b",\"fields\":{");
    separated(line, fields(record, kind), |line, (name, value)| {
        write_json_text(line, name);
        line.push(b':');
        write_json_value(line, &value);
    });
    line.extend_from_slice(b"}}");
}

/// Writing to memory cannot fail.
fn put(line: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    let _ = line.write_fmt(text);
}

fn separated<T>(line: &mut Vec<u8>, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
    for (number, item) in items.into_iter().enumerate() {
        if number > 0 {
            line.push(b',');
        }
        write(line, item);
    }
}

fn write_json_text(line: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(line, text);
}

fn write_json_value(line: &mut Vec<u8>, value: &Shown<'_>) {
    match value {
        Shown::Unsigned(value) => put(line, format_args!("{value}")),
        Shown::Signed(value) => put(line, format_args!("{value}")),
        Shown::Float(value) if value.is_finite() => {
            let _ = serde_json::to_writer(line, value);
        }
        Shown::Float(value) => put(line, format_args!("\"{value:?}\"")),
        Shown::Name(value) => write_json_text(line, value),
        Shown::Text(value) => write_json_text(line, value),
        Shown::Hex(value) => put(line, format_args!("\"{}\"", Hex(value))),
    }
}

/// Sequence of the event that a decision was caused by.
pub(super) fn cause(record: &RecordRef<'_>, kind: Option<&KindSchema>) -> Option<u64> {
    let header = record.header();
    let back = u64::from(header.cause);
    (back > 0 && kind.is_some_and(|kind| kind.class == Class::Decision))
        .then(|| header.seq.saturating_sub(back))
}

/// Names of the flags that are set; those without a name as one hexadecimal number.
pub(super) fn flag_names(bits: u8) -> impl Iterator<Item = Cow<'static, str>> {
    let named = [(flags::RESPONSE, "response"), (flags::NOT_SENT, "not_sent")];
    let known = named.into_iter().filter(move |(bit, _)| bits & bit != 0);
    let unknown = bits & !(flags::RESPONSE | flags::NOT_SENT);
    let unknown = (unknown != 0).then(|| Cow::Owned(format!("{unknown:#04x}")));
    known.map(|(_, name)| Cow::Borrowed(name)).chain(unknown)
}

/// The record's fields that mean something, by the catalogue; its whole payload where that lacks the kind.
fn fields<'a>(
    record: &RecordRef<'a>,
    kind: Option<&'a KindSchema>,
) -> impl Iterator<Item = (&'a str, Shown<'a>)> {
    let payload = record.payload();
    let raw = kind.is_none().then_some(("payload", Shown::Hex(payload)));
    let fields = kind.map_or(&[] as &[FieldLayout], |kind| &kind.fields);
    let shown = fields.iter().filter(|field| !field.is_spare());
    shown.filter_map(move |field| Some((field.name.as_str(), shown_of(field, payload)?))).chain(raw)
}

/// A field of `payload` as people read it; `None` where the payload is too short for it.
pub(super) fn shown_of<'a>(field: &'a FieldLayout, payload: &'a [u8]) -> Option<Shown<'a>> {
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
        FieldType::Bytes => Shown::Hex(bytes),
    })
}

/// Up to eight little-endian bytes as a number.
pub(super) fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Bytes shown as hexadecimal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// As in the text form: floats with `{:?}`, text and names bare.
impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Name(value) => f.write_str(value),
            Self::Text(value) => f.write_str(value),
            Self::Hex(value) => write!(f, "{}", Hex(value)),
        }
    }
}

#[cfg(test)]
mod tests;
