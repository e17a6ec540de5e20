//! Records in words, with prices and money written as people write them.

use std::collections::BTreeMap;
use std::path::Path;

use pricewright_core::kernel::schema::{FieldSchema, FieldType, RecordSchema};
use pricewright_core::kernel::{
    Column, DisplayUnits, EventRef, InstrumentId, Kind, Minor, Nanos, Note, RecordRef, SourceId, Ticks,
};
use serde_json::{Map, Value};

use super::notes::Notes;
use crate::error::{Error, Result};
use crate::journal::{Catalogue, FieldLayout, KindSchema, Words, to_json, to_words};
use crate::machines::{Hosted, MachineVisitor, with_machine};
use crate::replay::Owned;
use crate::replay::names::Names;
use crate::replay::run_info::RunInfo;

/// Orders whose instruments are remembered.
const ORDERS: usize = 1 << 16;

/// Shows records of one journal.
pub(super) struct Renderer {
    units: DisplayUnits,
    names: Names,
    /// Instruments of our orders, as far as their records have gone by.
    orders: BTreeMap<i128, InstrumentId>,
    /// What a timer is for, by its key.
    timer_name: Box<dyn Fn(u32) -> Option<String>>,
    catalogue: Catalogue,
}

struct Visit {
    info: RunInfo,
}

impl MachineVisitor for Visit {
    type Output = Result<(DisplayUnits, Box<dyn Fn(u32) -> Option<String>>)>;

    fn visit<M: Hosted>(self) -> Self::Output {
        let config = self.info.config.pipeline::<M>()?.config;
        let units = M::units(&config);
        Ok((units, Box::new(move |key| M::timer_name(&config, key))))
    }
}

/// How the journal in `dir` writes prices and money, by its configuration.
pub(super) fn units_of<Own: Hosted>(dir: &Path) -> Result<DisplayUnits> {
    let info = RunInfo::read(dir)?;
    let name = info.start.machine;
    Ok(with_machine::<Own, _>(name.as_str(), Visit { info })??.0)
}

impl Renderer {
    /// For the journal in `dir`, whose configuration knows symbols and decimals, and whose dictionary knows names.
    pub(super) fn open<Own: Hosted>(dir: &Path) -> Result<Self> {
        let info = RunInfo::read(dir)?;
        let name = info.start.machine;
        let (units, timer_name) = with_machine::<Own, _>(name.as_str(), Visit { info })??;
        let catalogue = Catalogue::parse(&Catalogue::own_text())
            .map_err(|error| Error::Failed(format!("this build's catalogue: {error}")))?;
        Ok(Self { units, names: Names::read(dir)?, orders: BTreeMap::new(), timer_name, catalogue })
    }

    /// A record on a line, with the dictionary as far as it goes by then.
    pub(super) fn line(&mut self, record: &RecordRef<'_>, catalogue: &Catalogue) -> String {
        if let Some(EventRef::Define(define)) = EventRef::of(record) {
            self.names.learn(define);
        }
        if let Some(kind) = Kind::from_u16(record.header().kind) {
            let (schema, payload) = (kind.schema(), record.payload());
            if let (Some(order), Some(instrument)) =
                (order_of(schema, payload), instrument_of(schema, payload))
            {
                self.orders.insert(order, instrument);
                // Numbers rise: the oldest are long done.
                if self.orders.len() > ORDERS {
                    self.orders.pop_first();
                }
            }
        }
        to_words(record, catalogue, self)
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
        let payload = record.payload();
        let instrument = instrument_of(schema, payload)
            .or_else(|| order_of(schema, payload).and_then(|order| self.orders.get(&order).copied()));
        let mut text = schema.name.to_owned();
        for field in schema.fields.iter().filter(|field| !field.is_spare() && !is_stamp(field)) {
            let named = self.name_of(field, schema, record.payload());
            if let Some(value) = named.or_else(|| self.field(field, record.payload(), instrument)) {
                text.push_str(&format!(" {}={value}", field.name));
            }
        }
        if let Some(EventRef::Timer(timer)) = EventRef::of(&record)
            && let Some(name) = (self.timer_name)(timer.key)
        {
            text.push_str(&format!(" ({name})"));
        }
        text
    }

    /// The string that stands behind a number of the dictionary.
    fn name_of(&self, field: &FieldSchema, schema: &RecordSchema, payload: &[u8]) -> Option<String> {
        let column = match field.name {
            "sku" => Column::SKU,
            "session" => Column::SESSION,
            _ => return None,
        };
        let number =
            |field: &FieldSchema| integer(field.ty, payload.get(field.offset..field.offset + field.size)?);
        let source = number(schema.fields.iter().find(|field| field.unit == SourceId::UNIT)?)?;
        let source = SourceId(u16::try_from(source).ok()?);
        let id = u32::try_from(number(field)?).ok()?;
        self.names.get(source, column, id).map(str::to_owned)
    }

    fn field(&self, field: &FieldSchema, payload: &[u8], instrument: Option<InstrumentId>) -> Option<String> {
        let bytes = payload.get(field.offset..field.offset + field.size)?;
        let number = || integer(field.ty, bytes);
        Some(match (field.unit, field.ty) {
            (Ticks::UNIT, _) => self.price(instrument, Ticks(number()? as i64)),
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

    /// A price: of a record that names no instrument as all instruments would have it, in ticks where they differ.
    fn price(&self, instrument: Option<InstrumentId>, price: Ticks) -> String {
        if let Some(instrument) = instrument {
            return self.units.price(instrument, price);
        }
        let known = 0..u16::try_from(self.units.instruments.len()).unwrap_or(u16::MAX);
        let mut texts = known.map(|id| self.units.price(InstrumentId(id), price));
        let first = texts.next();
        match first {
            Some(text) if texts.all(|other| other == text) => text,
            _ => self.units.price(InstrumentId(u16::MAX), price),
        }
    }

    /// A copied record as JSON: as `journal inspect --json` shows it, and `text` as people read it.
    pub(super) fn json(&self, owned: &Owned) -> Value {
        let Some(record) = owned.record() else { return Value::Null };
        let mut fields: Map<String, Value> =
            serde_json::from_str(&to_json(&record, &self.catalogue)).unwrap_or_default();
        fields.insert("text".to_owned(), Value::from(self.text(record)));
        Value::Object(fields)
    }

    /// Shows the reasons of `record`'s decision.
    pub(super) fn notes(&self, record: Option<&Owned>) -> Notes<'_> {
        let instrument = record.and_then(Owned::record).and_then(|record| {
            let kind = Kind::from_u16(record.header().kind)?;
            instrument_of(kind.schema(), record.payload())
        });
        Notes { units: &self.units, instrument: instrument.unwrap_or(InstrumentId(0)) }
    }

    /// One of the machine's reasons about `record` as JSON: its parts, and `text` as people read it.
    pub(super) fn note_json(&self, note: &Note, record: Option<&Owned>) -> Value {
        let mut value = serde_json::to_value(note).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("text".to_owned(), Value::from(self.note(note, record)));
        }
        value
    }

    /// One of the machine's reasons about `record` in words.
    pub(super) fn note(&self, note: &Note, record: Option<&Owned>) -> String {
        self.notes(record).text(note).replace('\n', " ")
    }
}

/// The least number of ns that is taken for a time and not for a length of time: the year 1973.
const LEAST_TIME: i64 = 100_000_000_000_000_000;

impl Words for Renderer {
    fn time(&self, now: Nanos) -> String {
        super::show::stamp(now.0)
    }

    fn field(
        &self,
        kind: &KindSchema,
        field: &FieldLayout,
        payload: &[u8],
        _source: SourceId,
    ) -> Option<String> {
        let number = |field: &FieldLayout| {
            integer(field.ty, payload.get(field.offset..field.offset.checked_add(field.size)?)?)
        };
        let of_unit = |unit: &str| kind.fields.iter().find(|field| field.unit == unit).and_then(number);
        let column = match field.name.as_str() {
            "sku" => Some(Column::SKU),
            "session" => Some(Column::SESSION),
            _ => None,
        };
        if let Some(column) = column {
            let source = SourceId(u16::try_from(of_unit(SourceId::UNIT)?).ok()?);
            return self.names.get(source, column, u32::try_from(number(field)?).ok()?).map(str::to_owned);
        }
        let value = i64::try_from(number(field)?).ok()?;
        match field.unit.as_str() {
            Ticks::UNIT => {
                let instrument = of_unit(InstrumentId::UNIT).and_then(|number| u16::try_from(number).ok());
                let of_order = || {
                    let order = kind.fields.iter().find(|field| field.name == ORDER).and_then(number)?;
                    self.orders.get(&order).copied()
                };
                Some(self.price(instrument.map(InstrumentId).or_else(of_order), Ticks(value)))
            }
            Minor::UNIT => Some(self.units.money(Minor(value))),
            InstrumentId::UNIT => u16::try_from(value).ok().map(|id| self.units.symbol(InstrumentId(id))),
            unit if unit.starts_with("ns.") && value >= LEAST_TIME => Some(self.time(Nanos(value))),
            _ => None,
        }
    }
}

fn is_stamp(field: &FieldSchema) -> bool {
    field.unit.starts_with("ns.")
}

/// The field that holds the number of our order.
const ORDER: &str = "client";

fn order_of(schema: &RecordSchema, payload: &[u8]) -> Option<i128> {
    let field = schema.fields.iter().find(|field| field.name == ORDER)?;
    integer(field.ty, payload.get(field.offset..field.offset + field.size)?)
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
