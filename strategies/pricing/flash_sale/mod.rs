//! Flash sale: the price of an article rises as its stock falls, from the base price at full stock to its double at the
//! last piece sold.
//!
//! Each accepted [`Inventory`] or [`Purchase`] leads to the formula's price ([`scarcity_price`], the only place where
//! anything is rounded half up), then floor, ceiling and largest change ([`Config`]), then a [`PricePublished`] that
//! says which rail bit last. Rules:
//!
//! * An inventory starts a sale. One for an article that is on sale already starts a new sale: stock and base are set
//!   anew and its first price is not held to the largest change.
//! * A purchase of more pieces than are left sets the stock to 0, prices that, and is reported as a contradiction.
//! * The largest change holds for each decision. A price held back by it moves on at the article's next event.
//! * Refused, with a [`Rejected`] and without any other effect: a base price outside `1..=`[`MAX_BASE`] minor units; an
//!   initial stock below 1; a stock below 0 or above the initial stock (a restock sends the new initial stock); a base
//!   price that leaves nothing between floor and ceiling; a purchase of less than one piece or of an article that is not
//!   on sale; a number or a source beyond the configured capacities.
//! * Input that the feed could not read comes back as a [`Rejected`] too. Other events are none of this machine's
//!   business.
//!
//! A [`Rejected`] of this machine holds the input's line or offset in its source. Its `len` is 0 where the machine, not
//! the feed, refused.

mod config;
mod formula;
mod rails;
mod state;

use pricewright_core::kernel::machine::{read_state, write_state};
use pricewright_core::kernel::table::{Inventory, Malformed, PricePublished, Purchase, Rejected};
use pricewright_core::kernel::{
    Amount, DisplayUnits, EventNanos, EventRef, Machine, Minor, Nanos, Note, Outbox, Probe, RejectReason,
    Relation, SnapshotError, SourceId, Term, Text,
};

pub use config::{Config, MAX_SKUS, MAX_SOURCES, Publish};
pub use formula::{MAX_BASE, scarcity_price};
pub use state::Article;

use rails::{Limits, Railed, Rails};
use state::{SourceState, Sources};

/// The strategy's number in decisions: the machine has one.
const STRATEGY: SourceId = SourceId(0);

/// The machine.
#[derive(Clone, Debug)]
pub struct FlashSale {
    rails: Rails,
    publish: Publish,
    max_skus: usize,
    sources: Sources,
}

/// Why an event was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal {
    reason: RejectReason,
    text: &'static str,
}

const fn refusal(reason: RejectReason, text: &'static str) -> Refusal {
    Refusal { reason, text }
}

const NO_SOURCE_LEFT: Refusal = refusal(RejectReason::CAPACITY, "more sources than max_sources: raise it");
const NO_SKU_LEFT: Refusal = refusal(RejectReason::CAPACITY, "more articles than max_skus: raise it");
const BAD_BASE: Refusal = refusal(RejectReason::OUT_OF_RANGE, "base price is not above zero, or too large");
const BAD_INITIAL: Refusal = refusal(RejectReason::OUT_OF_RANGE, "initial stock is below 1");
const BAD_STOCK: Refusal = refusal(RejectReason::OUT_OF_RANGE, "stock is below 0");
const STOCK_ABOVE_INITIAL: Refusal =
    refusal(RejectReason::CONTRADICTION, "stock is above initial: a restock sends the new initial stock");
const NO_PRICE: Refusal =
    refusal(RejectReason::OUT_OF_RANGE, "base price leaves no price between floor and ceiling");
const BAD_QTY: Refusal = refusal(RejectReason::OUT_OF_RANGE, "purchase of less than one piece");
const NOT_ON_SALE: Refusal = refusal(RejectReason::UNKNOWN_KEY, "purchase of an article without inventory");
const OVERSOLD: Refusal =
    refusal(RejectReason::CONTRADICTION, "purchase of more pieces than are left: stock is taken as 0");

/// The event that moves a price.
#[derive(Clone, Copy, Debug)]
struct Cause {
    event_ns: EventNanos,
    sku: u32,
    source: SourceId,
}

impl FlashSale {
    /// The article with the interned number `sku` of `source`, where it is on sale.
    pub fn article(&self, source: SourceId, sku: u32) -> Option<&Article> {
        self.sources.article(source, sku)
    }

    fn inventory<P: Probe>(&mut self, event: &Inventory, out: &mut Outbox, probe: &mut P) {
        let Inventory { event_ns, base, initial, stock, sku, source, position, .. } = *event;
        if let Err(refusal) = check_inventory(event, &self.rails) {
            return refuse(source, position, refusal, out, probe);
        }
        if !usize::try_from(sku).is_ok_and(|sku| sku < self.max_skus) {
            return refuse(source, position, NO_SKU_LEFT, out, probe);
        }
        let Some(state) = self.sources.claim(source) else {
            return refuse(source, position, NO_SOURCE_LEFT, out, probe);
        };
        match state.put(sku, self.max_skus, Article { base, initial, stock, price: Minor(0) }) {
            Ok(article) => {
                let cause = Cause { event_ns, sku, source };
                reprice(article, cause, &self.rails, self.publish, out, probe);
            }
            Err(_) => refuse(source, position, NO_SKU_LEFT, out, probe),
        }
    }

    fn purchase<P: Probe>(&mut self, event: &Purchase, out: &mut Outbox, probe: &mut P) {
        let article = match purchased(&mut self.sources, event) {
            Ok(article) => article,
            Err(refusal) => return refuse(event.source, event.position, refusal, out, probe),
        };
        if event.qty > article.stock {
            refuse(event.source, event.position, OVERSOLD, out, probe);
            article.stock = 0;
        } else {
            article.stock -= event.qty;
        }
        let cause = Cause { event_ns: event.event_ns, sku: event.sku, source: event.source };
        reprice(article, cause, &self.rails, self.publish, out, probe);
    }
}

fn check_inventory(event: &Inventory, rails: &Rails) -> Result<(), Refusal> {
    if event.base.0 < 1 || event.base > MAX_BASE {
        Err(BAD_BASE)
    } else if event.initial < 1 {
        Err(BAD_INITIAL)
    } else if event.stock < 0 {
        Err(BAD_STOCK)
    } else if event.stock > event.initial {
        Err(STOCK_ABOVE_INITIAL)
    } else if rails.limits(event.base, None).is_none() {
        Err(NO_PRICE)
    } else {
        Ok(())
    }
}

fn purchased<'a>(sources: &'a mut Sources, event: &Purchase) -> Result<&'a mut Article, Refusal> {
    if event.qty < 1 {
        return Err(BAD_QTY);
    }
    sources.find(event.source).and_then(|state| state.article_mut(event.sku)).ok_or(NOT_ON_SALE)
}

/// What the feed could not read.
fn dead_letter<P: Probe>(input: &Malformed, out: &mut Outbox, probe: &mut P) {
    probe.note(out.count(), || Note::Step { text: "the feed could not read the input" });
    let Malformed { position, len, reason, source, text } = *input;
    out.emit(STRATEGY, &Rejected { position, len, reason, source, text });
}

fn refuse<P: Probe>(source: SourceId, position: u64, refusal: Refusal, out: &mut Outbox, probe: &mut P) {
    probe.note(out.count(), || Note::Step { text: refusal.text });
    let text = Text::excerpt(refusal.text);
    out.emit(STRATEGY, &Rejected { position, len: 0, reason: refusal.reason, source, text });
}

/// Prices the article as it stands and publishes that where it is due.
fn reprice<P: Probe>(
    article: &mut Article,
    cause: Cause,
    rails: &Rails,
    publish: Publish,
    out: &mut Outbox,
    probe: &mut P,
) {
    // Both exist for every article on sale: the inventory was checked for them.
    let Some(formula) = scarcity_price(article.base, article.initial, article.stock) else { return };
    let Some(limits) = rails.limits(article.base, article.previous()) else { return };
    let railed = limits.apply(formula);
    if publish == Publish::OnChange && railed.price == article.price {
        return;
    }
    explain(article, formula, &limits, &railed, out.count(), probe);
    out.emit(
        STRATEGY,
        &PricePublished {
            event_ns: cause.event_ns,
            price: railed.price,
            previous: article.price,
            formula,
            initial: article.initial,
            stock: article.stock,
            sku: cause.sku,
            source: cause.source,
            guard: railed.guard,
        },
    );
    article.price = railed.price;
}

fn explain<P: Probe>(
    article: &Article,
    formula: Minor,
    limits: &Limits,
    railed: &Railed,
    slot: usize,
    probe: &mut P,
) {
    if !P::ON {
        return;
    }
    let money = |value: Minor| Amount::integer(value.0, Minor::UNIT);
    let pieces = |value| Amount::integer(value, "pieces");
    for (name, value, unit) in [
        ("stock", article.stock, "pieces"),
        ("initial", article.initial, "pieces"),
        ("base", article.base.0, Minor::UNIT),
    ] {
        probe.note(slot, || Note::Value { name, value, unit });
    }
    probe.note(slot, || Note::Formula {
        name: "formula",
        expression: "base · (1 + (1 − stock / initial))",
        terms: vec![
            Term::new("base", money(article.base)),
            Term::new("stock", pieces(article.stock)),
            Term::new("initial", pieces(article.initial)),
        ],
        result: money(formula),
    });
    let (floor, ceiling) = (limits.floor, limits.ceiling);
    let check = |control, value: Minor, relation: Relation, limit: Minor| Note::Check {
        control,
        value: value.0,
        relation,
        limit: limit.0,
        unit: Minor::UNIT,
        passed: relation.holds(value.0, limit.0),
    };
    probe.note(slot, || check("floor", formula, Relation::AtLeast, floor));
    if ceiling.0 < i64::MAX {
        probe.note(slot, || check("ceiling", formula.max(floor), Relation::AtMost, ceiling));
    }
    if let Some((previous, most)) = limits.change {
        probe.note(slot, || Note::Value { name: "previous", value: previous.0, unit: Minor::UNIT });
        let change = Minor((railed.wanted - previous).0.abs());
        probe.note(slot, || check("max_change", change, Relation::AtMost, most));
    }
    probe.note(slot, || Note::Value { name: "price", value: railed.price.0, unit: Minor::UNIT });
}

impl Machine for FlashSale {
    type Config = Config;

    const NAME: &'static str = "flash_sale";

    fn units(config: &Config) -> DisplayUnits {
        DisplayUnits { money_decimals: config.currency_decimals, ..DisplayUnits::default() }
    }

    fn new(config: &Config) -> Result<Self, String> {
        config.check_capacities()?;
        Ok(Self {
            rails: config.rails()?,
            publish: config.publish,
            max_skus: config.max_skus,
            sources: Sources::new(config.max_sources, config.max_skus),
        })
    }

    #[inline]
    fn on_event<P: Probe>(&mut self, _now: Nanos, event: EventRef<'_>, out: &mut Outbox, probe: &mut P) {
        match event {
            EventRef::Purchase(purchase) => self.purchase(purchase, out, probe),
            EventRef::Inventory(inventory) => self.inventory(inventory, out, probe),
            EventRef::Malformed(input) => dead_letter(input, out, probe),
            _ => {}
        }
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), SnapshotError> {
        write_state(&self.sources.state(), bytes)
    }

    fn restore(config: &Config, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut machine = Self::new(config).map_err(SnapshotError::Mismatch)?;
        let state: Vec<SourceState> = read_state(bytes)?;
        machine.sources.restore(&state).map_err(|_| {
            SnapshotError::Mismatch("more articles or sources than max_skus and max_sources allow".to_owned())
        })?;
        Ok(machine)
    }
}

#[cfg(test)]
mod tests;
