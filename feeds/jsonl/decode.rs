//! From lines to records: the SKU interned, money in minor units, time in nanoseconds.
//!
//! Only what a valid inventory names takes a place among the SKUs: fields out of their range, and purchases of an article that
//! no inventory has named, are refused here, so that misspelt lines cannot use up the places of a shop. What the machine would
//! refuse of a new article's inventory whatever its state ([`Decoder::screened_by`]) is refused here too, and for the same
//! reason: a place that was given is kept, in every run on the same journal.

use pricewright_core::kernel::table::{Define, Inventory, LineId, Malformed, Mark, Purchase};
use pricewright_core::kernel::{
    DecimalError, EventNanos, Full, MAX_DECIMALS, Minor, Nanos, Record, RecordSink, RejectReason, Screen,
    SourceId, Text, parse_minor,
};
use serde::{Deserialize, Serialize};

use super::dictionary::{Dictionary, DictionaryError, MAX_SKU_LEN, Sku};
use super::message::{Fault, Message, parse};
use super::session::Line;
use super::timestamp::{TimestampError, parse_rfc3339};

/// The most cells that one line becomes: a mark, a definition, an identity, and the largest event.
pub const LINE_CELLS: usize = Mark::CELLS + Define::CELLS + LineId::CELLS + Malformed::CELLS;
const _: () = assert!(Malformed::CELLS >= Inventory::CELLS && Malformed::CELLS >= Purchase::CELLS);

/// The most bytes that a line may be allowed.
pub const MAX_LINE_BYTES: usize = 1 << 20;
/// The most bytes of a line's `id`.
pub const MAX_ID_LEN: usize = 64;
/// The highest base price in minor units: its double still fits 64 bits.
pub const MAX_BASE: Minor = Minor(i64::MAX / 2);
/// The most SKUs that may be configured.
pub const MAX_SKUS: usize = 1 << 24;

/// Configuration of a source of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Decimals of the currency: 2 for USD and EUR, 0 for JPY. The machine's must be the same.
    pub currency_decimals: u8,
    /// Different SKUs of this source; memory for them is reserved at the start.
    pub max_skus: usize,
    /// Bytes of a line, its end not counted; a longer one is malformed.
    pub max_line_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { currency_decimals: 2, max_skus: 65_536, max_line_bytes: 4_096 }
    }
}

impl Config {
    /// Checks every key.
    ///
    /// # Errors
    /// The key that is wrong, and the mend.
    pub fn check(&self) -> Result<(), String> {
        if self.currency_decimals > MAX_DECIMALS {
            let found = self.currency_decimals;
            return Err(format!(
                "currency_decimals is {found}: set it to 0..={MAX_DECIMALS} (2 for USD and EUR)"
            ));
        }
        if !(1..=MAX_SKUS).contains(&self.max_skus) {
            return Err(format!("max_skus is {}: set it to 1..={MAX_SKUS}", self.max_skus));
        }
        if !(64..=MAX_LINE_BYTES).contains(&self.max_line_bytes) {
            let found = self.max_line_bytes;
            return Err(format!("max_line_bytes is {found}: set it to 64..={MAX_LINE_BYTES}"));
        }
        Ok(())
    }
}

/// Where the lines of a chunk come from, and which of them the last mark covers.
#[derive(Clone, Debug)]
pub struct Origin {
    received: Nanos,
    /// Lines of the chunk that were not decoded yet.
    lines: usize,
    connection: u16,
    marked: bool,
}

impl Origin {
    /// A chunk in which `lines` lines end, received at `received` by `connection`.
    pub fn new(received: Nanos, lines: usize, connection: u16) -> Self {
        Self { received, lines, connection, marked: false }
    }

    /// Goes past a line that is no event: positions are counted from the mark, so another one is due.
    pub fn pass_over(&mut self) {
        self.lines = self.lines.saturating_sub(1);
        self.marked = false;
    }
}

/// Decodes the lines of one source. Several connections may share it: a SKU is one SKU, whichever way it came.
#[derive(Clone)]
pub struct Decoder {
    source: SourceId,
    decimals: u8,
    dictionary: Dictionary,
    screen: Option<Screen>,
}

impl core::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { source, decimals, dictionary, screen } = self;
        f.debug_struct("Decoder")
            .field("source", source)
            .field("decimals", decimals)
            .field("dictionary", dictionary)
            .field("is_screened", &screen.is_some())
            .finish()
    }
}

impl Decoder {
    /// A decoder that has seen nothing yet.
    ///
    /// # Errors
    /// What is wrong with the configuration, and the mend.
    pub fn new(config: &Config, source: SourceId) -> Result<Self, String> {
        config.check()?;
        let dictionary = Dictionary::new(source, config.max_skus);
        Ok(Self { source, decimals: config.currency_decimals, dictionary, screen: None })
    }

    /// Asks `screen` about a new article's inventory before the article gets a place.
    #[must_use]
    pub fn screened_by(self, screen: Option<Screen>) -> Self {
        Self { screen, ..self }
    }

    /// Takes a definition of an earlier run, in the journal's order, so that a SKU keeps its number.
    ///
    /// # Errors
    /// Where the definition does not continue what this decoder knows.
    pub fn restore(&mut self, define: &Define) -> Result<(), DictionaryError> {
        self.dictionary.restore(define)
    }

    /// The SKUs seen so far.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// Decodes one line: nothing for a blank one, else one event, after a mark and a definition where they are due.
    ///
    /// # Errors
    /// [`Full`] where `sink` refused a record though it must have room for [`LINE_CELLS`]: the line is lost then.
    pub fn line<S: RecordSink>(
        &mut self,
        line: &Line<'_>,
        origin: &mut Origin,
        sink: &mut S,
    ) -> Result<(), Full> {
        let line = &line.without_byte_order_mark();
        if line.is_blank() {
            origin.pass_over();
            return Ok(());
        }
        if !origin.marked {
            self.mark(line.number, origin, sink)?;
            origin.marked = true;
        }
        origin.lines = origin.lines.saturating_sub(1);
        self.event(line, sink)
    }

    fn mark<S: RecordSink>(&self, first: u64, origin: &Origin, sink: &mut S) -> Result<(), Full> {
        let mark = Mark {
            first,
            received: origin.received,
            count: u32::try_from(origin.lines).unwrap_or(u32::MAX),
            session: 0,
            line: origin.connection,
            source: self.source,
            queued_ns: 0,
        };
        sink.put(&mark, self.source, 0)
    }

    fn event<S: RecordSink>(&mut self, line: &Line<'_>, sink: &mut S) -> Result<(), Full> {
        match self.read(line) {
            Ok(fact) => {
                if let Some(define) = fact.define {
                    sink.put(&define, self.source, 0)?;
                }
                if let Some(id) = fact.id {
                    let line_id = LineId { position: line.number, source: self.source, spare: [0; 6], id };
                    sink.put(&line_id, self.source, 0)?;
                }
                match fact.event {
                    FactEvent::Inventory(event) => sink.put(&event, self.source, 0),
                    FactEvent::Purchase(event) => sink.put(&event, self.source, 0),
                }
            }
            Err(Fault { reason, text }) => {
                let len = u32::try_from(line.len).unwrap_or(u32::MAX);
                sink.put(
                    &Malformed { position: line.number, len, reason, source: self.source, text },
                    self.source,
                    0,
                )
            }
        }
    }

    /// Interns last, so that a faulty line defines nothing.
    fn read(&mut self, line: &Line<'_>) -> Result<Fact, Fault> {
        if line.is_cut() {
            let (len, most) = (line.len, line.bytes.len());
            return Err(Fault::new(
                RejectReason::TOO_LONG,
                format_args!("the line has {len} bytes, more than max_line_bytes = {most}"),
            ));
        }
        let source = self.source;
        let input = parse(line.bytes)?;
        let id = input.id.as_deref().map(identity).transpose()?;
        match input.message {
            Message::Inventory { sku, ts, initial, stock, base } => {
                let (event_ns, base) = (time(&ts)?, self.money("base", &base)?);
                in_range(base, initial, stock)?;
                let position = line.number;
                let event = Inventory { event_ns, base, initial, stock, sku: 0, source, spare: 0, position };
                let (sku, define) = self.intern(&sku, &event)?;
                Ok(Fact { define, id, event: FactEvent::Inventory(Inventory { sku, ..event }) })
            }
            Message::Purchase { sku, ts, qty } => {
                let event_ns = time(&ts)?;
                if qty < 1 {
                    return Err(out_of_range(format_args!(
                        "`qty` is {qty}: a purchase is of at least one piece"
                    )));
                }
                let sku = self.known(&sku)?;
                let event = Purchase { event_ns, qty, sku, source, spare: 0, position: line.number };
                Ok(Fact { define: None, id, event: FactEvent::Purchase(event) })
            }
        }
    }

    fn money(&self, field: &str, text: &str) -> Result<Minor, Fault> {
        parse_minor(text, self.decimals).map_err(|error| {
            let reason = match error {
                DecimalError::OutOfRange => RejectReason::OUT_OF_RANGE,
                DecimalError::Form | DecimalError::TooManyDecimals(_) => RejectReason::MALFORMED,
            };
            Fault::new(reason, format_args!("`{field}`: {error}: {text}"))
        })
    }

    /// The SKU's number, and its definition if it is new and its inventory can be taken.
    fn intern(&mut self, text: &str, event: &Inventory) -> Result<(u32, Option<Define>), Fault> {
        let sku = sku(text)?;
        if let Some(id) = self.dictionary.id(&sku) {
            return Ok((id, None));
        }
        if let Some(Err((reason, why))) = self.screen.as_ref().map(|screen| screen(event)) {
            return Err(Fault::new(reason, format_args!("{why}: {text}")));
        }
        match self.dictionary.insert(sku) {
            Ok(id) => Ok((id, self.dictionary.define(id))),
            Err(error) => Err(Fault::new(RejectReason::CAPACITY, format_args!("{error}: {text}"))),
        }
    }

    /// The number of a SKU that an inventory has named.
    fn known(&self, text: &str) -> Result<u32, Fault> {
        self.dictionary.id(&sku(text)?).ok_or_else(|| {
            Fault::new(
                RejectReason::UNKNOWN_KEY,
                format_args!("purchase of an article without inventory: {text}"),
            )
        })
    }
}

fn sku(text: &str) -> Result<Sku, Fault> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err(Fault::new(
            RejectReason::MALFORMED,
            format_args!("`sku` is empty or holds control characters: {text}"),
        ));
    }
    Sku::new(text).ok_or_else(|| {
        Fault::new(RejectReason::TOO_LONG, format_args!("`sku` is longer than {MAX_SKU_LEN} bytes: {text}"))
    })
}

fn identity(text: &str) -> Result<Text<MAX_ID_LEN>, Fault> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err(Fault::new(
            RejectReason::MALFORMED,
            format_args!("`id` is empty or holds control characters: {text}"),
        ));
    }
    Text::new(text).ok_or_else(|| {
        Fault::new(RejectReason::TOO_LONG, format_args!("`id` is longer than {MAX_ID_LEN} bytes: {text}"))
    })
}

fn out_of_range(text: core::fmt::Arguments<'_>) -> Fault {
    Fault::new(RejectReason::OUT_OF_RANGE, text)
}

/// The ranges that hold for every shop.
fn in_range(base: Minor, initial: i64, stock: i64) -> Result<(), Fault> {
    if base.0 < 1 {
        Err(out_of_range(format_args!("`base` is not above zero")))
    } else if base > MAX_BASE {
        Err(out_of_range(format_args!(
            "`base` is too large: twice of it does not fit 64 bits of minor units"
        )))
    } else if initial < 1 {
        Err(out_of_range(format_args!("`initial` is {initial}: a sale begins with at least one piece")))
    } else if stock < 0 {
        Err(out_of_range(format_args!("`stock` is {stock}, below 0")))
    } else if stock > initial {
        Err(Fault::new(
            RejectReason::CONTRADICTION,
            format_args!("`stock` is above `initial`: a restock sends the new initial stock"),
        ))
    } else {
        Ok(())
    }
}

/// What a line says.
struct Fact {
    define: Option<Define>,
    id: Option<Text<MAX_ID_LEN>>,
    event: FactEvent,
}

enum FactEvent {
    Inventory(Inventory),
    Purchase(Purchase),
}

fn time(text: &str) -> Result<EventNanos, Fault> {
    parse_rfc3339(text).map_err(|error| {
        let reason = match error {
            TimestampError::OutOfRange => RejectReason::OUT_OF_RANGE,
            TimestampError::Form | TimestampError::OutOfCalendar => RejectReason::MALFORMED,
        };
        Fault::new(reason, format_args!("`ts`: {error}: {text}"))
    })
}

#[cfg(test)]
mod tests;
