//! Reads a segment's schema catalogue, so that a journal is understood by what it says about itself.
//!
//! One line per kind, `kind version class name length field…`, each field `name:type:offset:size:unit`, for enumerations
//! followed by `=code/name,code/name…`. Offsets count from the payload's start, `length` counts header and payload.
//! A kind stands in a catalogue once.

use pricewright_core::kernel::record::CELL_LEN;
use pricewright_core::kernel::schema::{FieldType, RecordSchema, catalogue_text};
use pricewright_core::kernel::table::SCHEMAS;
use pricewright_core::kernel::{Class, HEADER_LEN, MAX_CELLS, RecordHeader};

/// The kinds that a segment's records may have.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue {
    kinds: Vec<KindSchema>,
    /// By number: the position in `kinds` plus one, 0 where there is none.
    positions: Vec<u16>,
}

/// One kind as the catalogue describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct KindSchema {
    /// Number.
    pub kind: u16,
    /// Version of the layout.
    pub version: u8,
    /// What it is to the pipeline.
    pub class: Class,
    /// Name.
    pub name: String,
    /// Bytes of header and payload.
    pub len: usize,
    /// Fields in layout order.
    pub fields: Vec<FieldLayout>,
}

/// One field of a payload.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldLayout {
    /// Name.
    pub name: String,
    /// How the bytes are read.
    pub ty: FieldType,
    /// Bytes from the payload's start.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
    /// Unit; empty where there is none.
    pub unit: String,
    /// Names of its values.
    pub codes: Vec<(u64, String)>,
}

impl FieldLayout {
    /// True for fields that only keep the layout free of padding.
    pub fn is_spare(&self) -> bool {
        self.name.starts_with("spare")
    }
}

/// Whether a record fits the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Good,
    UnknownKind,
    OtherLayout,
}

impl Catalogue {
    /// What this build writes.
    pub fn own_text() -> String {
        catalogue_text(SCHEMAS)
    }

    /// Reads a catalogue.
    ///
    /// # Errors
    /// The line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut catalogue = Self { kinds: Vec::new(), positions: Vec::new() };
        for (number, line) in text.lines().enumerate() {
            let kind = parse_kind(line).map_err(|what| format!("line {}: {what}", number + 1))?;
            let slot = usize::from(kind.kind);
            if catalogue.positions.len() <= slot {
                catalogue.positions.resize(slot + 1, 0);
            }
            let position =
                u16::try_from(catalogue.kinds.len() + 1).map_err(|_| "too many kinds".to_owned())?;
            match catalogue.positions.get_mut(slot) {
                Some(free @ 0) => *free = position,
                _ => return Err(format!("line {}: kind {slot} stands there twice", number + 1)),
            }
            catalogue.kinds.push(kind);
        }
        Ok(catalogue)
    }

    /// The kind with this number.
    pub fn kind(&self, number: u16) -> Option<&KindSchema> {
        let position = *self.positions.get(usize::from(number))?;
        self.kinds.get(usize::from(position).checked_sub(1)?)
    }

    /// The kind with this name.
    pub fn named(&self, name: &str) -> Option<&KindSchema> {
        self.kinds.iter().find(|kind| kind.name == name)
    }

    /// All kinds in the catalogue's order.
    pub fn kinds(&self) -> &[KindSchema] {
        &self.kinds
    }

    pub(super) fn fit(&self, header: &RecordHeader, len: usize) -> Fit {
        match self.kind(header.kind) {
            None => Fit::UnknownKind,
            Some(kind) if kind.version == header.version && kind.len == len => Fit::Good,
            Some(_) => Fit::OtherLayout,
        }
    }
}

fn parse_kind(line: &str) -> Result<KindSchema, String> {
    let mut words = line.split(' ');
    let mut word =
        |what: &str| words.next().filter(|word| !word.is_empty()).ok_or(format!("{what} is missing"));
    let kind = number(word("kind")?)?;
    let version = number(word("version")?)?;
    let class = match word("class")? {
        "system" => Class::System,
        "event" => Class::Event,
        "decision" => Class::Decision,
        other => return Err(format!("class {other} is not known")),
    };
    let name = word("name")?.to_owned();
    let len: usize = number(word("length")?)?;
    if !(HEADER_LEN..=MAX_CELLS * CELL_LEN).contains(&len) {
        return Err(format!("length {len} is impossible"));
    }
    let fields = words.map(parse_field).collect::<Result<Vec<_>, _>>()?;
    let payload = len - HEADER_LEN;
    match fields.iter().find(|field| field.offset.checked_add(field.size).is_none_or(|end| end > payload)) {
        Some(field) => Err(format!("field {} runs past the payload", field.name)),
        None => Ok(KindSchema { kind, version, class, name, len, fields }),
    }
}

fn parse_field(word: &str) -> Result<FieldLayout, String> {
    let mut parts = word.splitn(5, ':');
    let mut part = || parts.next().ok_or(format!("field {word} has too few parts"));
    let name = part()?.to_owned();
    let ty = field_type(part()?)?;
    let offset = number(part()?)?;
    let size: usize = number(part()?)?;
    let rest = part()?;
    let (unit, codes) = rest.split_once('=').unwrap_or((rest, ""));
    let codes = codes.split(',').filter(|code| !code.is_empty()).map(parse_code).collect::<Result<_, _>>()?;
    if width(ty).is_some_and(|width| width != size) {
        return Err(format!("field {name} has {size} bytes, which is not its type's width"));
    }
    Ok(FieldLayout { name, ty, offset, size, unit: unit.to_owned(), codes })
}

fn parse_code(word: &str) -> Result<(u64, String), String> {
    let (code, name) = word.split_once('/').ok_or(format!("code {word} has no name"))?;
    Ok((number(code)?, name.to_owned()))
}

fn field_type(name: &str) -> Result<FieldType, String> {
    use FieldType::{Bytes, F64, I64, Text, U8, U16, U32, U64};
    [U8, U16, U32, U64, I64, F64, Text, Bytes]
        .into_iter()
        .find(|ty| ty.name() == name)
        .ok_or(format!("type {name} is not known"))
}

/// Bytes of a type whose width is fixed.
fn width(ty: FieldType) -> Option<usize> {
    match ty {
        FieldType::U8 => Some(1),
        FieldType::U16 => Some(2),
        FieldType::U32 => Some(4),
        FieldType::U64 | FieldType::I64 | FieldType::F64 => Some(8),
        FieldType::Text | FieldType::Bytes => None,
    }
}

fn number<N: std::str::FromStr>(word: &str) -> Result<N, String> {
    word.parse().map_err(|_| format!("{word} is not a number in range"))
}

/// Lengths of the kinds that this build writes, by number: what the writer admits without searching.
#[derive(Debug)]
pub(super) struct Layouts {
    /// `version << 16 | length`; 0 where there is no such kind.
    by_kind: Box<[u32]>,
}

impl Layouts {
    pub(super) fn of(schemas: &[&RecordSchema]) -> Self {
        let slots = schemas.iter().map(|schema| usize::from(schema.kind) + 1).max().unwrap_or(0);
        let mut by_kind = vec![0; slots].into_boxed_slice();
        for schema in schemas {
            // A layout that is no whole number of words is left out, and so never admitted.
            let whole = schema.size.is_multiple_of(8);
            if let Some(slot) = by_kind.get_mut(usize::from(schema.kind)).filter(|_| whole) {
                *slot = u32::from(schema.version) << 16 | (HEADER_LEN + schema.size) as u32;
            }
        }
        Self { by_kind }
    }

    /// True where a record of this kind and version has this length, which is whole words.
    #[inline]
    pub(super) fn admits(&self, header: &RecordHeader, len: usize) -> bool {
        let layout = u32::from(header.version) << 16 | len as u32;
        self.by_kind.get(usize::from(header.kind)) == Some(&layout)
    }
}

#[cfg(test)]
mod tests;
