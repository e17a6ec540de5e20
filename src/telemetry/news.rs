//! What a run reports of itself while it goes on, a line each with its reason: the kill latch, storage, the venue session, the
//! feed. And the tally behind its status line.
//!
//! A feed on lossy lines may change its health many times a second: changes within a second of the last line are one line.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pricewright_core::kernel::table::{
    DropCopyState, FeedHealth, KillLatched, Operator, OrderInDoubt, SessionState, VenueDay,
};
use pricewright_core::kernel::{
    Column, Control, DecisionRef, DisplayUnits, EventRef, Health, Minor, OperatorCommand, RecordRef,
    SessionPhase, SourceId, Standing,
};

use super::status::Tally;
use crate::edges::ouch::SESSION_NOT_AVAILABLE;
use crate::error::Result;
use crate::pipeline::helper::Tailer;

/// The target that lines about a run are logged under, at level `info` and above.
pub const TARGET: &str = "pricewright::run";
/// How far apart two lines on the health of one feed are at least.
const APART: Duration = Duration::from_secs(1);

/// Orders in doubt that are named each; of the others it is said where they are.
const SHOWN_DOUBTS: u32 = 16;

/// Follows the journal of a run. Clones share the tally.
#[derive(Clone)]
pub struct News {
    /// This run's first record; what earlier runs did is not its doing.
    first_seq: u64,
    tally: Arc<Mutex<Tally>>,
    /// Whether what is good is reported too.
    all: bool,
    /// How money is written.
    units: Option<DisplayUnits>,
    sessions: Vec<(SourceId, u32, String)>,
    feeds: Vec<Feed>,
    /// Orders in doubt that were named one after the other.
    doubts: u32,
}

/// What was said of one feed, and what is to be said.
#[derive(Clone)]
struct Feed {
    source: SourceId,
    said: Option<(Health, Instant)>,
    latest: Option<FeedHealth>,
    changes: u64,
}

impl News {
    /// For the run that begins at `first_seq`; without `all` only what is bad is reported.
    pub fn new(first_seq: u64, all: bool) -> Self {
        Self {
            first_seq,
            tally: Arc::default(),
            all,
            units: None,
            sessions: Vec::new(),
            feeds: Vec::new(),
            doubts: 0,
        }
    }

    /// Money in these units.
    #[must_use]
    pub fn in_units(self, units: DisplayUnits) -> Self {
        Self { units: Some(units), ..self }
    }

    /// The run begins with a machine that stands so: says that the kill latch is set, where an earlier run left it so.
    #[must_use]
    pub fn begun_at(self, standing: &Standing) -> Self {
        if let Some(control) = standing.latch {
            tracing::warn!(
                target: TARGET,
                reason = control.name(),
                "kill latch still set from an earlier run: no order and no new price leaves until an operator releases it \
                 (pricewright operator rearm DIR, while this run goes on)"
            );
            self.tally.lock().unwrap_or_else(PoisonError::into_inner).latch = control;
        }
        self
    }

    /// The tally as it stands.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn report(&mut self, record: RecordRef<'_>, now: Instant) {
        match DecisionRef::of(&record) {
            Some(DecisionRef::KillLatched(latch)) => self.latch(latch),
            Some(DecisionRef::OrderInDoubt(order)) => self.doubt(order),
            _ => {}
        }
        match EventRef::of(&record) {
            Some(EventRef::Operator(operator)) => self.told(operator),
            Some(EventRef::SessionState(state)) => self.session(state),
            Some(EventRef::FeedHealth(health)) => self.health(health, now),
            Some(EventRef::VenueDay(day)) => self.venue_day(day),
            Some(EventRef::DropCopyState(state)) => self.drop_copy(state),
            _ => {}
        }
    }

    fn latch(&self, latch: &KillLatched) {
        let KillLatched { value, limit, control, operator, .. } = latch;
        // What is compared is money where the day's loss is, else a count.
        let shown = |number: i64| match (&self.units, *control) {
            (Some(units), Control::DAILY_LOSS) => units.money(Minor(number)),
            _ => number.to_string(),
        };
        let (value, limit) = (shown(*value), shown(*limit));
        let (control, operator) = (control.name(), operator.as_str());
        if latch.released == 0 {
            tracing::warn!(
                target: TARGET,
                reason = control, %value, %limit, operator,
                "kill latch set: no order and no new price leaves, only cancels, until an operator releases it"
            );
        } else {
            tracing::warn!(target: TARGET, reason = control, operator, "kill latch released");
        }
    }

    /// Which orders: whoever asks the venue needs their numbers.
    fn doubt(&mut self, order: &OrderInDoubt) {
        if let Some(line) = self.doubt_line(order) {
            tracing::warn!(target: TARGET, "{line}");
        }
    }

    fn doubt_line(&mut self, order: &OrderInDoubt) -> Option<String> {
        let client = order.client;
        if order.resolved != 0 {
            self.doubts = 0;
            return Some(format!("order {client} is no longer in doubt"));
        }
        self.doubts += 1;
        let units = self.units.clone().unwrap_or_default();
        match self.doubts {
            ..=SHOWN_DOUBTS => Some(format!(
                "order {client} is in doubt: {} {} {}, {} open and {} executed as far as is known; it may have been executed, or \
                 may rest: ask the venue",
                units.symbol(order.instrument),
                order.side.name(),
                units.price(order.instrument, order.price),
                order.open,
                order.filled
            )),
            count if count == SHOWN_DOUBTS + 1 => Some(
                "more orders are in doubt: `pricewright journal inspect DIR --type OrderInDoubt` shows all"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    fn told(&self, told: &Operator) {
        match told.command {
            OperatorCommand::STORAGE_LOW => tracing::warn!(
                target: TARGET,
                "storage low: no new risk, and orders are cancelled, until there is room for the journal"
            ),
            OperatorCommand::STORAGE_OK => tracing::warn!(target: TARGET, "storage good again"),
            // Else the latch itself is news.
            OperatorCommand::KILL => {
                let latch = self.tally.lock().unwrap_or_else(PoisonError::into_inner).latch;
                if latch != Control::NONE {
                    let (operator, reason) = (told.operator.as_str(), latch.name());
                    tracing::warn!(target: TARGET, operator, reason, "kill asked for: the latch is set already");
                }
            }
            _ => {}
        }
    }

    fn session(&self, state: &SessionState) {
        let name =
            self.sessions.iter().find(|(source, id, _)| (*source, *id) == (state.source, state.session));
        let session = name.map_or("", |(_, _, name)| name.as_str());
        let reason = char::from(state.reason).to_string();
        let reason = if state.reason == 0 { "none given" } else { reason.as_str() };
        let sequence = state.sequence;
        match state.phase {
            SessionPhase::READY if self.all => {
                tracing::info!(target: TARGET, session, sequence, "session up: orders may be sent");
            }
            SessionPhase::CATCHING_UP if self.all => {
                tracing::info!(target: TARGET, session, sequence, "session up: missed answers arrive");
            }
            SessionPhase::READY | SessionPhase::CATCHING_UP => {}
            SessionPhase::REFUSED if state.reason == SESSION_NOT_AVAILABLE && self.all => {
                tracing::info!(target: TARGET, "the venue's session is over: logging in to its present one");
            }
            SessionPhase::REFUSED if state.reason == SESSION_NOT_AVAILABLE => {}
            SessionPhase::REFUSED => {
                tracing::warn!(target: TARGET, reason, "session refused: the venue does not take the login");
            }
            SessionPhase::ENDED => {
                tracing::warn!(target: TARGET, session, sequence, "session down: the venue ended it");
            }
            // Whoever lost the connection has said why.
            _ => {}
        }
    }

    fn venue_day(&self, day: &VenueDay) {
        let code = char::from(day.code);
        match day.code {
            b'S' if self.all => {
                tracing::info!(target: TARGET, %code, "order session: start of day");
            }
            b'S' => {}
            _ => tracing::warn!(
                target: TARGET, %code,
                "order session: end of day: quotes are pulled, and none is sent before another session or the start of a day"
            ),
        }
    }

    fn drop_copy(&self, state: &DropCopyState) {
        let (sequence, missing) = (state.sequence, state.missing);
        match state.phase {
            SessionPhase::CATCHING_UP if missing > 0 => tracing::warn!(
                target: TARGET, sequence, missing,
                "drop copy up, without messages that the venue does not give: fills in them are not checked, and it \
                 releases no latch of a changed session; state positions (operator position SYMBOL QTY)"
            ),
            SessionPhase::CATCHING_UP if self.all => {
                tracing::info!(target: TARGET, sequence, "drop copy up: fills are checked against it");
            }
            SessionPhase::REFUSED => {
                let reason = char::from(state.reason);
                tracing::warn!(target: TARGET, %reason, "drop copy refused: fills are not checked against it");
            }
            SessionPhase::ENDED => {
                tracing::warn!(target: TARGET, sequence, "drop copy ended by the venue: fills are not checked against it");
            }
            // Whoever lost the connection has said why; READY comes with each heartbeat.
            _ => {}
        }
    }

    fn health(&mut self, health: &FeedHealth, now: Instant) {
        let at = self.feeds.iter().position(|feed| feed.source == health.source).unwrap_or_else(|| {
            self.feeds.push(Feed { source: health.source, said: None, latest: None, changes: 0 });
            self.feeds.len() - 1
        });
        // The line above made sure that it is there.
        let feed = &mut self.feeds[at];
        feed.latest = Some(*health);
        feed.changes += 1;
        feed.say(self.all, now);
    }
}

impl Feed {
    /// Says how the feed is, where that is another than was said last, and not at once after that.
    fn say(&mut self, all: bool, now: Instant) {
        let Some(latest) = self.latest else { return };
        if self.said.is_some_and(|(_, at)| now.duration_since(at) < APART) {
            return;
        }
        self.latest = None;
        let changes = std::mem::take(&mut self.changes);
        let same = self.said.is_some_and(|(health, _)| health == latest.health);
        if same && changes < 2 {
            return;
        }
        self.said = Some((latest.health, now));
        let FeedHealth { expected, missing, reason, source, .. } = latest;
        let (source, reason) = (source.0, reason.name());
        match latest.health {
            Health::VALID if all => {
                tracing::info!(target: TARGET, source, reason, expected, changes, "feed valid");
            }
            Health::VALID => {}
            Health::RECOVERING if all => {
                tracing::info!(target: TARGET, source, reason, expected, missing, changes, "feed recovering");
            }
            Health::RECOVERING => {}
            other => tracing::warn!(
                target: TARGET,
                source, reason, expected, missing, changes,
                "feed {}: its books are not believed", other.name()
            ),
        }
    }
}

impl Tailer for News {
    fn begins_at(&self) -> Option<u64> {
        Some(self.first_seq)
    }

    fn prime(&mut self, record: RecordRef<'_>) -> Result<()> {
        self.define(record);
        Ok(())
    }

    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        self.define(record);
        if record.header().seq >= self.first_seq {
            self.tally.lock().unwrap_or_else(PoisonError::into_inner).take(record);
            self.report(record, Instant::now());
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.feeds.is_empty() {
            let now = Instant::now();
            self.feeds.iter_mut().for_each(|feed| feed.say(self.all, now));
        }
        Ok(())
    }
}

impl News {
    /// Keeps the names of sessions.
    fn define(&mut self, record: RecordRef<'_>) {
        let Some(EventRef::Define(define)) = EventRef::of(&record) else { return };
        if define.column == Column::SESSION {
            self.sessions.push((define.source, define.id, define.text.as_str().to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use pricewright_core::kernel::{InstrumentId, InstrumentUnits, SideCode, Ticks};

    use super::*;

    #[test]
    fn a_run_names_the_orders_in_doubt() {
        let demo = InstrumentUnits { symbol: "DEMO".to_owned(), decimals: 2, tick_units: 1, lot: 1 };
        let units = DisplayUnits { instruments: vec![demo], money_decimals: 2, ..DisplayUnits::default() };
        let mut news = News::new(1, true).in_units(units);
        let order = |client| OrderInDoubt {
            client,
            price: Ticks(10_002),
            open: 60,
            filled: 40,
            instrument: InstrumentId(0),
            side: SideCode::BUY,
            resolved: 0,
            spare: 0,
        };
        let line = news.doubt_line(&order(17)).expect("a line");
        let wanted = "order 17 is in doubt: DEMO buy 100.02, 60 open and 40 executed as far as is known;";
        assert!(line.starts_with(wanted), "{line}");
        let lines: Vec<String> = (18..100).filter_map(|client| news.doubt_line(&order(client))).collect();
        assert_eq!(lines.len(), 16, "15 more, and where the others are");
        assert!(lines.last().is_some_and(|last| last.contains("--type OrderInDoubt")));
        let known = OrderInDoubt { resolved: 1, ..order(17) };
        assert_eq!(news.doubt_line(&known).as_deref(), Some("order 17 is no longer in doubt"));
    }
}
