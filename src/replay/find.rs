//! From a question as people put it (a number, an order, an article, a time) to the record that it is about, and from a
//! decision to the one of its kind before it.

use std::path::Path;

use pricewright_core::kernel::table::{PlaceOrder, PricePublished, ReplaceOrder};
use pricewright_core::kernel::{
    Class, Column, DecisionRef, InstrumentId, Kind, Nanos, RecordRef, SideCode, SourceId,
};

use super::Owned;
use super::names::Names;
use crate::error::{Error, Result};
use crate::journal::{JournalError, Reader, segments};

/// What is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// The last order or price; if there is none, the last decision.
    #[default]
    Last,
    /// This record.
    Record(u64),
    /// The decision that sent our order of this number.
    Order(u64),
    /// The last price of an article.
    Article(String),
}

/// A question to a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// What is asked about.
    pub subject: Subject,
    /// As of then: nothing later counts. `None` is now.
    pub at: Option<Nanos>,
}

impl Question {
    /// About one record.
    pub fn record(seq: u64) -> Self {
        Self { subject: Subject::Record(seq), at: None }
    }

    /// The record that it is about.
    ///
    /// # Errors
    /// [`Error::Usage`] if the journal has no such decision; it says what it has instead.
    pub fn resolve(&self, dir: &Path) -> Result<u64> {
        let in_time = |record: &RecordRef<'_>| self.at.is_none_or(|at| record.header().now <= at);
        let found = match &self.subject {
            Subject::Record(seq) => return Ok(*seq),
            Subject::Last => {
                let sent = |record: &RecordRef<'_>| in_time(record) && is_price_or_order(record);
                match last_before(dir, u64::MAX, sent)? {
                    None => last_before(dir, u64::MAX, in_time)?,
                    found => found,
                }
            }
            Subject::Order(client) => {
                last_before(dir, u64::MAX, |record| in_time(record) && order_of(record) == Some(*client))?
            }
            Subject::Article(sku) => {
                let names = Names::read(dir)?;
                let ids: Vec<(SourceId, u32)> = names.find(Column::SKU, sku).collect();
                if ids.is_empty() {
                    return Err(no_article(dir, sku, &names));
                }
                last_before(dir, u64::MAX, |record| {
                    in_time(record) && article_of(record).is_some_and(|article| ids.contains(&article))
                })?
            }
        };
        found.ok_or_else(|| {
            let what = match &self.subject {
                Subject::Order(client) => format!("no order {client}"),
                Subject::Article(sku) => format!("no price of {sku:?}"),
                Subject::Last | Subject::Record(_) => "no decision".to_owned(),
            };
            let has = match &self.subject {
                _ if self.at.is_some() => format!(" at that time: {}", range_of(dir)),
                Subject::Order(_) => format!("; {}", orders_of(dir)),
                _ => String::new(),
            };
            Error::Usage(format!("{}: {what} in this journal{has}", dir.display()))
        })
    }
}

/// Which orders the journal in `dir` sent, in words.
fn orders_of(dir: &Path) -> String {
    let newest = || -> Result<Option<u64>> {
        let Some(seq) = last_before(dir, u64::MAX, |record| order_of(record).is_some())? else {
            return Ok(None);
        };
        Ok(Reader::from_seq(dir, seq)?.next_record()?.and_then(|record| order_of(&record)))
    };
    match newest() {
        Ok(Some(client)) => format!("the last that it sent is {client}"),
        Ok(None) => "it sent none".to_owned(),
        Err(error) => format!("which it sent is not known ({error})"),
    }
}

/// From when to when the journal in `dir` goes, in words.
fn range_of(dir: &Path) -> String {
    let ends = || -> core::result::Result<Option<(Nanos, Nanos)>, JournalError> {
        let first = Reader::open(dir)?.next_record()?.map(|record| record.header().now);
        let last = Reader::from_end(dir)?.last_now();
        Ok(first.map(|first| (first, last)))
    };
    let stamp = |now: Nanos| match jiff::Timestamp::from_nanosecond(i128::from(now.0)) {
        Ok(stamp) => format!("{stamp:.9}"),
        Err(_) => format!("{now} ns"),
    };
    match ends() {
        Ok(Some((first, last))) => format!("its records go from {} to {}", stamp(first), stamp(last)),
        Ok(None) => "it has no records".to_owned(),
        Err(error) => format!("how far it goes is not known ({error})"),
    }
}

/// Names that are shown to whoever asked for one that is not there.
const SHOWN: usize = 12;

fn no_article(dir: &Path, sku: &str, names: &Names) -> Error {
    let known: Vec<&str> = names.column(Column::SKU).collect();
    let shown = known.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    let has = match known.len() {
        0 => "it has no articles".to_owned(),
        all if all > SHOWN => format!("it has {shown} and {} more", all - SHOWN),
        _ => format!("it has {shown}"),
    };
    Error::Usage(format!("{}: no article {sku:?} in this journal; {has}", dir.display()))
}

/// What a decision is about: decisions with equal keys follow each other, and a later one changes what an earlier one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Our quote on a side of an instrument.
    Quote(InstrumentId, SideCode),
    /// An article's price.
    Article(SourceId, u32),
    /// A kind of decision about an instrument.
    Instrument(u16, InstrumentId),
    /// A kind of decision about the machine as a whole.
    Machine(u16),
}

/// What `record` is about; `None` for all but decisions.
pub fn key_of(record: &RecordRef<'_>) -> Option<Key> {
    let kind = record.header().kind;
    Some(match DecisionRef::of(record)? {
        DecisionRef::PlaceOrder(order) => Key::Quote(order.instrument, order.side),
        DecisionRef::ReplaceOrder(order) => Key::Quote(order.instrument, order.side),
        DecisionRef::CancelOrder(order) => Key::Quote(order.instrument, order.side),
        DecisionRef::PricePublished(price) => Key::Article(price.source, price.sku),
        DecisionRef::OrderRefused(refused) => Key::Instrument(kind, refused.instrument),
        DecisionRef::BookTransition(book) => Key::Instrument(kind, book.instrument),
        DecisionRef::PositionChanged(position) => Key::Instrument(kind, position.instrument),
        DecisionRef::DeskStatus(status) => Key::Instrument(kind, status.instrument),
        _ => Key::Machine(kind),
    })
}

fn is_price_or_order(record: &RecordRef<'_>) -> bool {
    order_of(record).is_some() || article_of(record).is_some()
}

/// Our number of the order that a decision sends.
fn order_of(record: &RecordRef<'_>) -> Option<u64> {
    match DecisionRef::of(record)? {
        DecisionRef::PlaceOrder(PlaceOrder { client, .. })
        | DecisionRef::ReplaceOrder(ReplaceOrder { client, .. }) => Some(*client),
        _ => None,
    }
}

fn article_of(record: &RecordRef<'_>) -> Option<(SourceId, u32)> {
    match DecisionRef::of(record)? {
        DecisionRef::PricePublished(PricePublished { source, sku, .. }) => Some((*source, *sku)),
        _ => None,
    }
}

/// The last decision before record `end` for which `wanted` holds.
///
/// # Errors
/// [`Error::Journal`] if the journal cannot be read.
pub fn last_before(dir: &Path, end: u64, wanted: impl Fn(&RecordRef<'_>) -> bool) -> Result<Option<u64>> {
    let segments = segments(dir)?;
    let mut upper = end;
    // From the last segment to the first, so that a long journal is not read for what mostly stands at its end.
    for segment in segments.iter().rev().filter(|segment| segment.base_seq < end) {
        let mut reader = Reader::from_seq(dir, segment.base_seq)?;
        let mut last = None;
        while reader.next_seq() < upper
            && let Some(record) = reader.next_record()?
        {
            if is_decision(&record) && wanted(&record) {
                last = Some(record.header().seq);
            }
        }
        if last.is_some() {
            return Ok(last);
        }
        upper = segment.base_seq;
    }
    Ok(None)
}

fn is_decision(record: &RecordRef<'_>) -> bool {
    Kind::from_u16(record.header().kind).map(|kind| kind.schema().class) == Some(Class::Decision)
}

/// What happened to our order `client`: its decisions and the venue's answers, from record `from` on.
///
/// # Errors
/// [`Error::Journal`] if the journal cannot be read.
pub fn life_of(dir: &Path, client: u64, from: u64) -> Result<Vec<Owned>> {
    let mut reader = Reader::from_seq(dir, from)?;
    let mut life = Vec::new();
    while let Some(record) = reader.next_record()? {
        if names_order(&record, client) {
            life.push(Owned::of(record));
        }
    }
    Ok(life)
}

/// True if a field for our order numbers holds `client`.
fn names_order(record: &RecordRef<'_>, client: u64) -> bool {
    let Some(kind) = Kind::from_u16(record.header().kind) else { return false };
    let fields = kind.schema().fields.iter().filter(|field| matches!(field.name, "client" | "prior"));
    fields.into_iter().any(|field| {
        let bytes = record.payload().get(field.offset..field.offset + field.size);
        bytes.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes) == Some(client)
    })
}
