//! What a run has done and where it stands, from the journal's own records: for the status line, the log and the summary.

use std::collections::BTreeMap;

use pricewright_core::kernel::names::{self, name_of};
use pricewright_core::kernel::table::{DeskStatus, PositionChanged};
use pricewright_core::kernel::{
    Class, Control, DecisionRef, DisplayUnits, EventRef, Health, HealthReason, InstrumentId, Kind, Lots,
    Minor, Nanos, OperatorCommand, RecordRef, RejectReason, SessionPhase, Ticks,
};
use serde_json::{Value, json};

/// What has been seen so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Events.
    pub events: u64,
    /// Decisions.
    pub decisions: u64,
    /// Fills booked.
    pub fills: u64,
    /// Orders sent or asked to be sent.
    pub orders: u64,
    /// Orders refused by the risk gate.
    pub refused: u64,
    /// Those, by the control that refused.
    pub refused_by: BTreeMap<Control, u64>,
    /// Orders refused by the venue.
    pub venue_rejected: u64,
    /// Those, by the venue's reason code.
    pub venue_rejected_by: BTreeMap<u16, u64>,
    /// Prices published.
    pub prices: u64,
    /// Dead letters.
    pub rejected: u64,
    /// Those, by reason.
    pub rejected_by: BTreeMap<RejectReason, u64>,
    /// Times a feed lost messages on all lines.
    pub gaps: u64,
    /// By instrument number; `None` before anything was said of it.
    pub standings: Vec<Option<Standing>>,
    /// What set the kill latch; [`Control::NONE`] while it is not set.
    pub latch: Control,
    /// The venue session, where there is one.
    pub phase: Option<SessionPhase>,
    /// The order session's day is over: nothing is quoted.
    pub day_over: bool,
    /// The number of the order session that spoke last.
    session_id: u32,
    /// The health of the feed that spoke of it last.
    pub feed: Option<Health>,
    /// Storage is short.
    pub storage_low: bool,
    /// Whether the feed was valid once.
    was_valid: bool,
    /// First and last stamp.
    pub span: Option<(Nanos, Nanos)>,
}

/// Where one instrument stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Best bid of the market at the last status; 0 where there was none.
    pub bid: Ticks,
    /// Best ask of the market at the last status; 0 where there was none.
    pub ask: Ticks,
    /// Position.
    pub position: Lots,
    /// Realised profit since the start, fees not deducted.
    pub realised: Minor,
    /// Unrealised profit at the mid of the last status.
    pub unrealised: Minor,
    /// Fees since the start; rebates are negative.
    pub fees: Minor,
    /// What the position cost, where a fill came behind the last status.
    moved: Option<Minor>,
}

impl Tally {
    /// Counts one record.
    pub fn take(&mut self, record: RecordRef<'_>) {
        let header = record.header();
        let Some(kind) = Kind::from_u16(header.kind) else { return };
        match kind.schema().class {
            Class::System => return,
            Class::Event => self.events += 1,
            Class::Decision => self.decisions += 1,
        }
        let first = self.span.map_or(header.now, |(first, _)| first);
        self.span = Some((first, header.now));
        if let Some(decision) = DecisionRef::of(&record) {
            self.decision(decision);
        }
        if let Some(event) = EventRef::of(&record) {
            self.event(event);
        }
    }

    fn decision(&mut self, decision: DecisionRef<'_>) {
        match decision {
            DecisionRef::PositionChanged(change) => {
                // A position that an operator stated is no fill.
                self.fills += u64::from(change.client != 0);
                self.standing(change.instrument).fill(change);
            }
            DecisionRef::PlaceOrder(_) | DecisionRef::ReplaceOrder(_) => self.orders += 1,
            DecisionRef::OrderRefused(refused) => {
                self.refused += 1;
                *self.refused_by.entry(refused.control).or_default() += 1;
            }
            DecisionRef::PricePublished(_) => self.prices += 1,
            DecisionRef::Rejected(rejected) => {
                self.rejected += 1;
                *self.rejected_by.entry(rejected.reason).or_default() += 1;
            }
            DecisionRef::KillLatched(latch) => {
                self.latch = if latch.released == 0 { latch.control } else { Control::NONE };
            }
            DecisionRef::DeskStatus(status) => {
                // A latch of an earlier run was set by none of this run's decisions.
                self.latch = status.latch;
                self.standing(status.instrument).status(status);
            }
            _ => {}
        }
    }

    fn event(&mut self, event: EventRef<'_>) {
        match event {
            EventRef::FeedHealth(health) => {
                // Catching up with a session that began before us is no gap, nor is a snapshot another one.
                let is_gap = health.health == Health::RECOVERING
                    && !matches!(health.reason, HealthReason::SNAPSHOT_AWAITED | HealthReason::RESTORED);
                self.gaps += u64::from(self.was_valid && is_gap);
                self.was_valid |= health.health == Health::VALID;
                self.feed = Some(health.health);
            }
            EventRef::SessionState(state) => {
                self.phase = Some(state.phase);
                self.day_over &= state.session == self.session_id;
                self.session_id = state.session;
            }
            EventRef::VenueDay(day) => self.day_over = day.code != b'S',
            EventRef::VenueRejected(rejected) => {
                self.venue_rejected += 1;
                *self.venue_rejected_by.entry(rejected.reason).or_default() += 1;
            }
            EventRef::Operator(operator) => match operator.command {
                OperatorCommand::STORAGE_LOW => self.storage_low = true,
                OperatorCommand::STORAGE_OK | OperatorCommand::START => self.storage_low = false,
                _ => {}
            },
            _ => {}
        }
    }

    fn standing(&mut self, instrument: InstrumentId) -> &mut Standing {
        let index = instrument.index();
        if self.standings.len() <= index {
            self.standings.resize(index + 1, None);
        }
        // The line above made room for it.
        self.standings[index].get_or_insert_default()
    }

    /// Instruments of which something was said.
    pub fn instruments(&self) -> impl Iterator<Item = (InstrumentId, &Standing)> {
        (0..).zip(&self.standings).filter_map(|(id, standing)| Some((InstrumentId(id), standing.as_ref()?)))
    }

    /// Profit of all instruments, fees deducted.
    pub fn profit(&self, units: &DisplayUnits) -> Minor {
        self.instruments().fold(Minor(0), |sum, (id, standing)| sum + standing.profit(id, units))
    }

    /// Fees of all instruments; rebates are negative.
    pub fn fees(&self) -> Minor {
        self.instruments().fold(Minor(0), |sum, (_, standing)| sum + standing.fees)
    }

    /// Everything as one JSON object: money and prices as decimal text, positions in lots.
    pub fn to_json(&self, units: &DisplayUnits) -> Value {
        let positions: Vec<Value> = self
            .instruments()
            .map(|(id, standing)| {
                json!({
                    "symbol": units.symbol(id),
                    "position": standing.position.0,
                    "realised": units.money(standing.realised),
                    "unrealised": units.money(standing.open(id, units)),
                    "fees": units.money(standing.fees),
                    "profit": units.money(standing.profit(id, units)),
                })
            })
            .collect();
        json!({
            "events": self.events,
            "decisions": self.decisions,
            "orders": self.orders,
            "fills": self.fills,
            "gaps": self.gaps,
            "prices": self.prices,
            "refused": self.refused,
            "refused_by": named(&self.refused_by, |control| control.name(), |control| control.0.into()),
            "venue_rejected": self.venue_rejected,
            "venue_rejected_by": named(&self.venue_rejected_by, venue_reason, |code| u64::from(*code)),
            "dead_letters": self.rejected,
            "dead_letters_by": named(&self.rejected_by, |reason| reason.name(), |reason| reason.0.into()),
            "positions": positions,
            "profit": units.money(self.profit(units)),
            "fees": units.money(self.fees()),
            "latch": (self.latch != Control::NONE).then(|| self.latch.name()),
            "session": self.session(),
            "feed": self.feed.map(Health::name),
        })
    }

    /// The venue session in a word, where there is one.
    pub fn session(&self) -> Option<&'static str> {
        match self.phase {
            Some(SessionPhase::READY) if self.day_over => Some("end_of_day"),
            phase => phase.map(SessionPhase::name),
        }
    }

    /// Counts by reason in words, most first; empty where there is none.
    pub fn reasons(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.refused_by.iter().map(|(control, n)| (*n, format!("{} {n}", control.name()))));
        parts.extend(self.venue_rejected_by.iter().map(|(code, n)| match venue_reason(code) {
            "?" => (*n, format!("venue code {code} {n}")),
            name => (*n, format!("venue {name} {n}")),
        }));
        parts.extend(
            self.rejected_by.iter().map(|(reason, n)| (*n, format!("dead letter {} {n}", reason.name()))),
        );
        parts.sort_by_key(|(n, _)| core::cmp::Reverse(*n));
        parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(", ")
    }
}

/// The name of a venue's reason to refuse.
fn venue_reason(code: &u16) -> &'static str {
    name_of(names::REJECT, *code).unwrap_or("?")
}

/// Counts under the names of their codes; a code without a name under its number.
fn named<K>(counts: &BTreeMap<K, u64>, name: impl Fn(&K) -> &'static str, code: impl Fn(&K) -> u64) -> Value {
    let entries = counts.iter().map(|(key, count)| {
        let name = match name(key) {
            "?" => code(key).to_string(),
            name => name.to_owned(),
        };
        (name, json!(count))
    });
    Value::Object(entries.collect())
}

impl Standing {
    pub(super) fn fill(&mut self, change: &PositionChanged) {
        self.position = change.position;
        self.realised = change.realised;
        self.fees = change.fees;
        self.moved = Some(change.cost);
    }

    pub(super) fn status(&mut self, status: &DeskStatus) {
        *self = Self {
            bid: status.bid,
            ask: status.ask,
            position: status.position,
            realised: status.realised,
            unrealised: status.unrealised,
            fees: status.fees,
            moved: None,
        };
    }

    /// Unrealised profit: that of the last status, or, where a fill came behind it, of the present position at that mid.
    pub fn open(&self, instrument: InstrumentId, units: &DisplayUnits) -> Minor {
        let Some(cost) = self.moved else { return self.unrealised };
        let worth = if self.bid.0 > 0 && self.ask.0 > 0 { self.worth(instrument, units) } else { None };
        worth.map_or(self.unrealised, |worth| worth - cost)
    }

    /// The position at the mid, rounded towards zero to the minor unit.
    fn worth(&self, instrument: InstrumentId, units: &DisplayUnits) -> Option<Minor> {
        let unit = units.instruments.get(instrument.index())?;
        let both = i128::from(self.bid.0) + i128::from(self.ask.0);
        let lots = i128::from(self.position.0).checked_mul(i128::from(unit.lot))?;
        let scale = 10_i128.checked_pow(u32::from(units.money_decimals))?;
        let above = both.checked_mul(i128::from(unit.tick_units))?.checked_mul(lots)?.checked_mul(scale)?;
        let below = 10_i128.checked_pow(u32::from(unit.decimals))?.checked_mul(2)?;
        i64::try_from(above / below).ok().map(Minor)
    }

    /// Profit, fees deducted.
    pub fn profit(&self, instrument: InstrumentId, units: &DisplayUnits) -> Minor {
        self.realised + self.open(instrument, units) - self.fees
    }
}

#[cfg(test)]
mod tests;
