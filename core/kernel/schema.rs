//! The schema catalogue: what every record kind looks like, so that a journal describes itself.

use super::record::{Class, HEADER_LEN};
use super::units::{Bps, EventNanos, InstrumentId, Lots, Minor, Nanos, SourceId, Ticks};

/// One record kind.
#[derive(Debug)]
pub struct RecordSchema {
    /// Number in the table.
    pub kind: u16,
    /// Version of the layout.
    pub version: u8,
    /// Name as shown to people.
    pub name: &'static str,
    /// What it is to the pipeline.
    pub class: Class,
    /// Payload bytes.
    pub size: usize,
    /// Its fields in layout order.
    pub fields: &'static [FieldSchema],
}

/// One field of a record's payload.
#[derive(Debug)]
pub struct FieldSchema {
    /// Name.
    pub name: &'static str,
    /// Bytes from the start of the payload.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
    /// How to read them.
    pub ty: FieldType,
    /// Unit, empty where there is none.
    pub unit: &'static str,
    /// Names of its values, for enumerations.
    pub codes: &'static [(u16, &'static str)],
}

impl FieldSchema {
    /// True for fields that only keep the layout free of padding.
    pub fn is_spare(&self) -> bool {
        self.name.starts_with("spare")
    }
}

/// How a field's bytes are read; all little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Unsigned 8 bits.
    U8,
    /// Unsigned 16 bits.
    U16,
    /// Unsigned 32 bits.
    U32,
    /// Unsigned 64 bits.
    U64,
    /// Signed 64 bits.
    I64,
    /// IEEE 754 double.
    F64,
    /// UTF-8, zero-padded.
    Text,
    /// Raw bytes, shown as hexadecimal.
    Bytes,
}

impl FieldType {
    /// The name in the catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
            Self::Text => "text",
            Self::Bytes => "bytes",
        }
    }
}

/// A type that may be a record's field.
pub trait Field {
    /// How its bytes are read.
    const TYPE: FieldType;
    /// Its unit.
    const UNIT: &'static str = "";
    /// Names of its values.
    const CODES: &'static [(u16, &'static str)] = &[];
}

macro_rules! field {
    ($($ty:ty => $name:ident $(, $unit:expr)?;)*) => {
        $(impl Field for $ty {
            const TYPE: FieldType = FieldType::$name;
            $(const UNIT: &'static str = $unit;)?
        })*
    };
}
field! {
    u8 => U8;
    u16 => U16;
    u32 => U32;
    u64 => U64;
    i64 => I64;
    f64 => F64;
    Nanos => I64, Nanos::UNIT;
    EventNanos => I64, EventNanos::UNIT;
    Ticks => I64, Ticks::UNIT;
    Lots => I64, Lots::UNIT;
    Minor => I64, Minor::UNIT;
    Bps => I64, Bps::UNIT;
    InstrumentId => U16, InstrumentId::UNIT;
    SourceId => U16, SourceId::UNIT;
}

impl<const N: usize> Field for [u8; N] {
    const TYPE: FieldType = FieldType::Bytes;
}

/// The catalogue as text, one line per kind, the form that a journal's segments carry:
/// `kind version class name size field:type:offset:size:unit[=code/name,…] …`.
pub fn catalogue_text(schemas: &[&RecordSchema]) -> String {
    use core::fmt::Write as _;
    let mut text = String::new();
    for schema in schemas {
        let _ = write!(
            text,
            "{} {} {} {} {}",
            schema.kind,
            schema.version,
            schema.class.name(),
            schema.name,
            HEADER_LEN + schema.size
        );
        for field in schema.fields {
            let _ = write!(
                text,
                " {}:{}:{}:{}:{}",
                field.name,
                field.ty.name(),
                field.offset,
                field.size,
                field.unit
            );
            for (index, (code, name)) in field.codes.iter().enumerate() {
                let _ = write!(text, "{}{code}/{name}", if index == 0 { '=' } else { ',' });
            }
        }
        text.push('\n');
    }
    text
}
