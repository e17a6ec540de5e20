//! Records in words, with prices and money written as people write them.

use std::path::Path;

use pricewright_core::kernel::schema::{FieldSchema, FieldType, RecordSchema};
use pricewright_core::kernel::{DisplayUnits, InstrumentId, Kind, Lots, Minor, Note, RecordRef, Ticks};
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::machines::{Hosted, MachineVisitor, with_machine};
use crate::replay::Owned;
use crate::replay::run_info::RunInfo;

/// Shows records of one journal.
pub(super) struct Renderer {
    units: DisplayUnits,
}

struct Units {
    info: RunInfo,
}

impl MachineVisitor for Units {
    type Output = Result<DisplayUnits>;

    fn visit<M: Hosted>(self) -> Self::Output {
        Ok(M::units(&self.info.config.pipeline::<M>()?.config))
    }
}

impl Renderer {
    /// For the journal in `dir`, whose configuration knows symbols and decimals.
    pub(super) fn open<Own: Hosted>(dir: &Path) -> Result<Self> {
        let info = RunInfo::read(dir)?;
        let name = info.start.machine;
        Ok(Self { units: with_machine::<Own, _>(name.as_str(), Units { info })?? })
    }

    /// A copied record in words.
    pub(super) fn owned(&self, owned: &Owned) -> String {
        owned.record().map_or_else(|| "an unreadable record".to_owned(), |record| self.text(record))
    }

    /// A record in words: its kind and its fields, spare ones and stamps left out.
    fn text(&self, record: RecordRef<'_>) -> String {
        let Some(kind) = Kind::from_u16(record.header().kind) else {
            return format!("a record of unknown kind {}", record.header().kind);
        };
        let schema = kind.schema();
        let instrument = instrument_of(schema, record.payload());
        let mut text = schema.name.to_owned();
        for field in schema.fields.iter().filter(|field| !field.is_spare() && !is_stamp(field)) {
            if let Some(value) = self.field(field, record.payload(), instrument) {
                text.push_str(&format!(" {}={value}", field.name));
            }
        }
        text
    }

    fn field(&self, field: &FieldSchema, payload: &[u8], instrument: Option<InstrumentId>) -> Option<String> {
        let bytes = payload.get(field.offset..field.offset + field.size)?;
        let number = || integer(field.ty, bytes);
        Some(match (field.unit, field.ty) {
            (Ticks::UNIT, _) => {
                self.units.price(instrument.unwrap_or(InstrumentId(u16::MAX)), Ticks(number()? as i64))
            }
            (Minor::UNIT, _) => self.units.money(Minor(number()? as i64)),
            (InstrumentId::UNIT, _) => self.units.symbol(InstrumentId(number()? as u16)),
            (_, FieldType::Text) => format!("{:?}", text_of(bytes)),
            (_, FieldType::Bytes) => super::show::hex(bytes),
            (_, FieldType::F64) => format!("{}", f64::from_le_bytes(bytes.try_into().ok()?)),
            _ => match field.codes.iter().find(|(code, _)| Some(i128::from(*code)) == number()) {
                Some((_, name)) => (*name).to_owned(),
                None => number()?.to_string(),
            },
        })
    }

    /// A copied record as JSON: header and exact fields, with `text` as people read it.
    pub(super) fn json(&self, owned: &Owned) -> Value {
        let Some(record) = owned.record() else { return Value::Null };
        let header = record.header();
        let mut fields = Map::new();
        if let Some(kind) = Kind::from_u16(header.kind) {
            for field in kind.schema().fields.iter().filter(|field| !field.is_spare()) {
                if let Some(value) = exact(field, record.payload()) {
                    fields.insert(field.name.to_owned(), value);
                }
            }
        }
        json!({
            "seq": header.seq,
            "now_ns": header.now.0,
            "type": Kind::from_u16(header.kind).map(|kind| kind.schema().name),
            "source": header.source.0,
            "flags": header.flags,
            "fields": fields,
            "text": self.text(record),
        })
    }

    /// One of the machine's reasons in words.
    pub(super) fn note(&self, note: &Note) -> String {
        match note {
            Note::Level { side, level, price, qty } => {
                format!("{side} {level}: {} × {qty}", self.units.price(InstrumentId(0), *price))
            }
            Note::Feature { name, value } | Note::Parameter { name, value } => {
                format!("{name} = {}", short(*value))
            }
            Note::Value { name, value, unit } => format!("{name} = {}", self.amount(*value, unit)),
            Note::Check { control, value, relation, limit, unit, passed } => format!(
                "{} {control:<16} {} {} {}",
                if *passed { "pass" } else { "FAIL" },
                self.amount(*value, unit),
                relation.sign(*passed),
                self.amount(*limit, unit)
            ),
            Note::Formula { name, expression, .. } => format!("{name} = {expression}"),
            Note::Step { text } => (*text).to_owned(),
        }
    }

    fn amount(&self, value: i64, unit: &str) -> String {
        match unit {
            Ticks::UNIT => self.units.price(InstrumentId(0), Ticks(value)),
            Minor::UNIT => self.units.money(Minor(value)),
            Lots::UNIT => format!("{value} lots"),
            "" => value.to_string(),
            unit => format!("{value} {unit}"),
        }
    }
}

fn short(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 { format!("{value:.3e}") } else { format!("{value:.4}") }
}

fn is_stamp(field: &FieldSchema) -> bool {
    field.unit.starts_with("ns.")
}

fn instrument_of(schema: &RecordSchema, payload: &[u8]) -> Option<InstrumentId> {
    let field = schema.fields.iter().find(|field| field.unit == InstrumentId::UNIT)?;
    let bytes = payload.get(field.offset..field.offset + field.size)?;
    Some(InstrumentId(u16::from_le_bytes(bytes.try_into().ok()?)))
}

fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned()
}

fn integer(ty: FieldType, bytes: &[u8]) -> Option<i128> {
    Some(match ty {
        FieldType::U8 => i128::from(*bytes.first()?),
        FieldType::U16 => i128::from(u16::from_le_bytes(bytes.try_into().ok()?)),
        FieldType::U32 => i128::from(u32::from_le_bytes(bytes.try_into().ok()?)),
        FieldType::U64 => i128::from(u64::from_le_bytes(bytes.try_into().ok()?)),
        FieldType::I64 => i128::from(i64::from_le_bytes(bytes.try_into().ok()?)),
        FieldType::F64 | FieldType::Text | FieldType::Bytes => return None,
    })
}

/// A field as exact JSON: integers as they are, enumerations by name.
fn exact(field: &FieldSchema, payload: &[u8]) -> Option<Value> {
    let bytes = payload.get(field.offset..field.offset + field.size)?;
    Some(match field.ty {
        FieldType::Text => Value::from(text_of(bytes)),
        FieldType::Bytes => Value::from(super::show::hex(bytes)),
        FieldType::F64 => Value::from(f64::from_le_bytes(bytes.try_into().ok()?)),
        _ => {
            let number = integer(field.ty, bytes)?;
            match field.codes.iter().find(|(code, _)| i128::from(*code) == number) {
                Some((_, name)) => Value::from(*name),
                None => i64::try_from(number).map_or_else(|_| Value::from(number as u64), Value::from),
            }
        }
    })
}
