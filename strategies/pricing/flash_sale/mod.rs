//! Flash sale: the price of an article rises as its stock falls, from the base price at full stock to its double at the
//! last piece sold.
//!
//! Each accepted [`Inventory`] or [`Purchase`] leads to the formula's price ([`scarcity_price`], the only place where
//! anything is rounded half up), then floor, ceiling and largest change ([`Config`]), then a [`PricePublished`] that
//! says which rail bit last. Rules:
//!
//! * An inventory starts a sale. One for an article that is on sale already starts a new sale: stock and base are set
//!   anew and its first price is not held to the largest change. One that is older than the inventory it would replace (an
//!   earlier stamp of the source) is refused as stale.
//! * The largest change holds for each decision. A price held back by it moves on at the article's next event.
//! * Refused, with a [`Rejected`] and without any other effect: a base price outside `1..=`[`MAX_BASE`] minor units; an
//!   initial stock below 1; a stock below 0 or above the initial stock (a restock sends the new initial stock); a base
//!   price that leaves nothing between floor and ceiling; a stale inventory; a purchase of less than one piece, of more pieces
//!   than are left, or of an article that is not on sale; an input whose identity ([`LineId`]) was taken already; a number or
//!   a source beyond the configured capacities. What is refused keeps no identity either: it may come again, corrected.
//! * What the configuration alone says about an inventory ([`Machine::screen`]) is also checked by the feed before it gives a new
//!   article its place, so that no refused base price uses up `max_skus`.
//! * An operator's kill freezes all prices: stock is counted as ever and nothing is published. A rearm releases them: every
//!   article whose price would be another one by then is priced at once, [`SWEEP`] places a turn.
//! * Input that the feed could not read comes back as a [`Rejected`] too. Other events are none of this machine's
//!   business.
//!
//! A [`Rejected`] of this machine holds the input's line or offset in its source. Its `len` is 0 where the machine, not
//! the feed, refused.

mod config;
mod formula;
mod ids;
mod rails;
mod state;

use std::sync::Arc;

use pricewright_core::kernel::machine::{read_state, write_state};
use pricewright_core::kernel::table::{
    Inventory, KillLatched, LineId, Malformed, Operator, PricePublished, Purchase, Rejected,
};
use pricewright_core::kernel::{
    Amount, ConfigFault, Control, DisplayUnits, EventNanos, EventRef, Machine, Minor, Nanos, Note,
    OperatorCommand, Outbox, Probe, RejectReason, Relation, Reserved, Screen, SnapshotError, SourceId,
    Standing, Term, Text,
};

pub use config::{Config, MAX_IDS, MAX_SKUS, MAX_SOURCES, Publish};
pub use formula::{MAX_BASE, scarcity_price};
pub use state::Article;

use ids::{Id, TakenIds};
use rails::{Limits, Railed, Rails};
use serde::{Deserialize, Serialize};
use state::{SourceState, Sources};

/// The strategy's number in decisions: the machine has one.
const STRATEGY: SourceId = SourceId(0);
/// The timer that goes on with a sweep.
const SWEEP_TIMER: u32 = 1;
/// Places that a sweep looks at in one turn.
pub const SWEEP: usize = 256;

/// The machine.
#[derive(Clone, Debug)]
pub struct FlashSale {
    rails: Rails,
    publish: Publish,
    max_skus: usize,
    sources: Sources,
    ids: TakenIds,
    /// The identity of the input that comes next.
    named: Option<Named>,
    /// An operator's kill holds the prices.
    frozen: bool,
    /// How far the prices that a rearm released have been looked at.
    sweep: Option<Place>,
}

/// The identity of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    source: SourceId,
    position: u64,
    id: Id,
}

/// A place among the articles of all sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// The source, in the order of their first events.
    source: u32,
    /// The article's number.
    sku: u32,
}

/// What a snapshot holds.
#[derive(Deserialize)]
struct State {
    sources: Vec<SourceState>,
    ids: Vec<u128>,
    named: Option<Named>,
    frozen: bool,
    sweep: Option<Place>,
}

/// The same, borrowed.
#[derive(Serialize)]
struct StateRef<'a> {
    sources: &'a [SourceState],
    ids: Vec<u128>,
    named: Option<Named>,
    frozen: bool,
    sweep: Option<Place>,
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
    refusal(RejectReason::CONTRADICTION, "purchase of more pieces than are left: none of them is sold");
const STALE: Refusal =
    refusal(RejectReason::STALE, "inventory is older than the one it would replace: its `ts` is earlier");
const TAKEN: Refusal = refusal(RejectReason::DUPLICATE, "an input with this `id` was taken already");

/// The event that moves a price. Where that is an operator's rearm, its stamp is the engine's.
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
        let id = self.id_of(source, position);
        if let Err(refusal) = self.check_inventory(event, id) {
            return refuse(source, position, refusal, out, probe);
        }
        let Some(state) = self.sources.claim(source) else {
            return refuse(source, position, NO_SOURCE_LEFT, out, probe);
        };
        let article = Article { base, initial, stock, price: Minor(0), counted: event_ns };
        match state.put(sku, self.max_skus, article) {
            Ok(article) => {
                let cause = Cause { event_ns, sku, source };
                if !self.frozen {
                    reprice(article, cause, &self.rails, self.publish, out, probe);
                }
                id.into_iter().for_each(|id| self.ids.insert(id));
            }
            Err(_) => refuse(source, position, NO_SKU_LEFT, out, probe),
        }
    }

    fn check_inventory(&self, event: &Inventory, id: Option<Id>) -> Result<(), Refusal> {
        check_inventory(event, &self.rails)?;
        if !usize::try_from(event.sku).is_ok_and(|sku| sku < self.max_skus) {
            return Err(NO_SKU_LEFT);
        }
        self.check_id(id)?;
        match self.sources.article(event.source, event.sku) {
            Some(article) if event.event_ns < article.counted => Err(STALE),
            _ => Ok(()),
        }
    }

    fn check_id(&self, id: Option<Id>) -> Result<(), Refusal> {
        if id.is_some_and(|id| self.ids.contains(id)) { Err(TAKEN) } else { Ok(()) }
    }

    fn purchase<P: Probe>(&mut self, event: &Purchase, out: &mut Outbox, probe: &mut P) {
        let id = self.id_of(event.source, event.position);
        let known = self.check_id(id);
        let article = match known.and_then(|()| purchased(&mut self.sources, event)) {
            Ok(article) => article,
            Err(refusal) => return refuse(event.source, event.position, refusal, out, probe),
        };
        article.stock -= event.qty;
        let cause = Cause { event_ns: event.event_ns, sku: event.sku, source: event.source };
        if !self.frozen {
            reprice(article, cause, &self.rails, self.publish, out, probe);
        }
        id.into_iter().for_each(|id| self.ids.insert(id));
    }

    fn name(&mut self, event: &LineId) {
        let LineId { position, source, id, .. } = event;
        self.named = Some(Named { source: *source, position: *position, id: Id::new(*source, id) });
    }

    /// The identity of the input at this position, where it has one.
    fn id_of(&mut self, source: SourceId, position: u64) -> Option<Id> {
        let named = self.named.take()?;
        (named.source == source && named.position == position).then_some(named.id)
    }

    /// A batch begins: what named an input that did not come names none of this batch.
    fn batch_begins(&mut self, source: SourceId) {
        self.named = self.named.filter(|named| named.source != source);
    }

    fn operator<P: Probe>(&mut self, now: Nanos, event: &Operator, out: &mut Outbox, probe: &mut P) {
        let (released, text) = match event.command {
            OperatorCommand::KILL if !self.frozen => (0, "an operator froze the prices"),
            OperatorCommand::REARM if self.frozen => (1, "an operator released the prices"),
            _ => return,
        };
        self.frozen = released == 0;
        self.sweep = None;
        if self.frozen {
            out.disarm(SWEEP_TIMER);
        } else {
            self.sweep = Some(Place { source: 0, sku: 0 });
            out.arm(SWEEP_TIMER, now);
        }
        probe.note(out.count(), || Note::Step { text });
        let (control, operator) = (Control::KILL_LATCH, event.operator);
        out.emit(STRATEGY, &KillLatched { value: 0, limit: 0, control, released, spare: [0; 5], operator });
    }

    /// Prices the next places after a rearm.
    fn sweep<P: Probe>(&mut self, now: Nanos, out: &mut Outbox, probe: &mut P) {
        let Some(Place { source: nth, sku: from }) = self.sweep.take() else { return };
        let (Ok(at), Ok(first)) = (usize::try_from(nth), usize::try_from(from)) else { return };
        let Some((source, articles)) = self.sources.part(at, first, SWEEP) else { return };
        let len = articles.len();
        for (sku, article) in (from..).zip(articles).filter(|(_, article)| article.initial > 0) {
            let cause = Cause { event_ns: EventNanos(now.0), sku, source };
            reprice(article, cause, &self.rails, Publish::OnChange, out, probe);
        }
        self.sweep = Some(match u32::try_from(len) {
            Ok(len) if len > 0 => Place { source: nth, sku: from.saturating_add(len) },
            _ => Place { source: nth + 1, sku: 0 },
        });
        out.arm(SWEEP_TIMER, now);
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
    let article =
        sources.find(event.source).and_then(|state| state.article_mut(event.sku)).ok_or(NOT_ON_SALE)?;
    if event.qty > article.stock { Err(OVERSOLD) } else { Ok(article) }
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

    const STATE_VERSION: u32 = 2;

    fn units(config: &Config) -> DisplayUnits {
        DisplayUnits { money_decimals: config.currency_decimals, ..DisplayUnits::default() }
    }

    fn lasting(config: &Config) -> Config {
        let Config { max_skus, max_sources, .. } = Config::default();
        Config { max_skus, max_sources, ..config.clone() }
    }

    fn max_strings(config: &Config) -> usize {
        config.max_skus
    }

    fn screen(config: &Config) -> Option<Screen> {
        let rails = config.rails().ok()?;
        Some(Arc::new(move |event| {
            check_inventory(event, &rails).map_err(|Refusal { reason, text }| (reason, text))
        }))
    }

    fn check(config: &Config) -> Result<(), String> {
        config.faults().into_iter().next().map_or(Ok(()), Err)
    }

    fn faults(config: &Config) -> Vec<ConfigFault> {
        config.faults().into_iter().map(ConfigFault::from).collect()
    }

    fn memory(config: &Config) -> Vec<Reserved> {
        let Config { max_skus, max_sources, .. } = *config;
        let articles = (max_skus as u64).saturating_mul(max_sources as u64);
        let settings = format!("[config] max_skus = {max_skus} for each of max_sources = {max_sources}");
        // Each id has its place in the ring, and up to four in the table that finds it.
        let ids = Reserved::of(
            format!("[config] id_window = {}", config.id_window),
            config.id_window as u64,
            size_of::<u128>() + 4 * size_of::<u32>(),
        );
        vec![Reserved::of(settings, articles, size_of::<Article>()), ids]
    }

    fn new(config: &Config) -> Result<Self, String> {
        Self::check(config)?;
        Ok(Self {
            rails: config.read_rails()?,
            publish: config.publish,
            max_skus: config.max_skus,
            sources: Sources::new(config.max_sources, config.max_skus),
            ids: TakenIds::new(config.id_window),
            named: None,
            frozen: false,
            sweep: None,
        })
    }

    #[inline]
    fn on_event<P: Probe>(&mut self, now: Nanos, event: EventRef<'_>, out: &mut Outbox, probe: &mut P) {
        match event {
            EventRef::Purchase(purchase) => self.purchase(purchase, out, probe),
            EventRef::Inventory(inventory) => self.inventory(inventory, out, probe),
            EventRef::Malformed(input) => dead_letter(input, out, probe),
            EventRef::Mark(mark) => self.batch_begins(mark.source),
            EventRef::LineId(id) => self.name(id),
            EventRef::Operator(command) => self.operator(now, command, out, probe),
            EventRef::Timer(timer) if timer.key == SWEEP_TIMER => self.sweep(now, out, probe),
            _ => {}
        }
    }

    fn standing(&self, _now: Nanos) -> Standing {
        Standing { latch: self.frozen.then_some(Control::KILL_LATCH), ..Standing::default() }
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), SnapshotError> {
        let Self { named, frozen, sweep, .. } = *self;
        let ids = self.ids.in_order().collect();
        write_state(&StateRef { sources: self.sources.state(), ids, named, frozen, sweep }, bytes)
    }

    fn restore(config: &Config, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut machine = Self::new(config).map_err(SnapshotError::Mismatch)?;
        let state: State = read_state(bytes)?;
        machine.ids.restore(&state.ids);
        (machine.named, machine.frozen, machine.sweep) = (state.named, state.frozen, state.sweep);
        machine.sources.restore(&state.sources).map_err(|_| {
            SnapshotError::Mismatch("more articles or sources than max_skus and max_sources allow".to_owned())
        })?;
        Ok(machine)
    }
}

#[cfg(test)]
mod tests;
