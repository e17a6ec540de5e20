//! The desk's machine: routes each event to where it is handled.
//!
//! Guarantees: no order leaves but through the risk gate; nothing is quoted unless the session is ready, the feed valid,
//! the book complete, events prompt, the instrument trading, the venue in its market hours and the kill latch released; as soon as one of these is no
//! longer so, every order of the instrument is cancelled. Books are acted upon only at the end of a batch. After
//! [`Machine::new`] nothing is allocated while the configured capacities hold.
//!
//! Refused: quoting before the venue said that the instrument trades, as ITCH 5.0 asks for (an issue
//! without a Stock Trading Action message is to be taken as halted).
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use pricewright_core::kernel::machine::{read_state, write_state};
use pricewright_core::kernel::table::{
    DeskStatus, KillLatched, Malformed, Operator, Rejected, Timer, market_flags,
};
use pricewright_core::kernel::{
    CancelReason, ConfigFault, Control, DisplayUnits, EventRef, Health, InstrumentId, InstrumentUnits,
    Machine, Nanos, OperatorCommand, Outbox, Probe, RejectReason, Reserved, SnapshotError, SourceId,
    Standing, Text, Ticks, TradingState, Venue,
};
use pricewright_core::market::instrument::Instrument;
use pricewright_core::market::order::OrderTable;
use pricewright_core::market::portfolio::Holding;

use super::config::DeskConfig;
use super::day::HOURS_TIMER;
use super::memo::Memo;
use super::reconcile::RECONCILE_TIMER;
use super::state::{State, Turn};
use super::strategy::Strategy;

/// The timer of the status.
pub(super) const STATUS_TIMER: u32 = 0;
/// The first of the timers that wake a strategy, one for each instrument.
pub(super) const REQUOTE_TIMERS: u32 = 1;
/// The timer that looks for answers that are overdue; behind those that wake a strategy.
pub(super) const ANSWERS_TIMER: u32 = REQUOTE_TIMERS + u16::MAX as u32 + 1;

/// The trading desk.
#[derive(Clone, Debug)]
pub struct Desk {
    pub(super) config: DeskConfig,
    pub(super) strategy: Strategy,
    pub(super) state: State,
    pub(super) memo: Memo,
}

impl Machine for Desk {
    type Config = DeskConfig;

    const NAME: &'static str = "desk";

    const STATE_VERSION: u32 = 7;

    fn at_venue(config: &mut DeskConfig, venue: &Venue) {
        config.venue = venue.clone();
    }

    fn units(config: &DeskConfig) -> DisplayUnits {
        let instruments = config
            .instruments
            .iter()
            .map(|instrument| InstrumentUnits {
                symbol: instrument.symbol.clone(),
                tick_units: instrument.tick_size.units(),
                decimals: instrument.tick_size.decimals(),
                lot: instrument.lot,
            })
            .collect();
        let money_decimals = config.instruments.first().map_or(2, |instrument| instrument.currency_decimals);
        let currency = config.instruments.first().map_or_else(String::new, |first| first.currency.clone());
        DisplayUnits { instruments, money_decimals, currency }
    }

    fn timer_name(config: &DeskConfig, key: u32) -> Option<String> {
        match key.checked_sub(REQUOTE_TIMERS) {
            None => Some("the desk's status".to_owned()),
            Some(_) if key == ANSWERS_TIMER => Some("the venue's answers are looked for".to_owned()),
            Some(_) if key == HOURS_TIMER => Some("session hours begin or end".to_owned()),
            Some(_) if key == RECONCILE_TIMER => Some("an execution waits for its other half".to_owned()),
            Some(id) => {
                let instrument = config.instruments.get(usize::try_from(id).ok()?)?;
                Some(format!("a quote of {} may move", instrument.symbol))
            }
        }
    }

    fn warnings(config: &DeskConfig) -> Vec<String> {
        config.warnings()
    }

    fn check(config: &DeskConfig) -> Result<(), String> {
        let config = config.checked()?;
        // Made once from it with the least sizes: only the sizes were checked above, and everything else is checked here.
        let small = DeskConfig { book_orders: 1, book_levels: 1, own_orders: 2, own_fills: 1, ..config };
        State::new(&small).map(drop)
    }

    fn faults(config: &DeskConfig) -> Vec<ConfigFault> {
        let faults = config.faults();
        if faults.is_empty() && config.venue.check().is_ok() {
            return Self::check(config).err().map(ConfigFault::from).into_iter().collect();
        }
        faults
    }

    fn memory(config: &DeskConfig) -> Vec<Reserved> {
        State::memory(config)
    }

    fn new(config: &DeskConfig) -> Result<Self, String> {
        let config = config.checked()?;
        let state = State::new(&config)?;
        let memo = Memo::new(config.instruments.len());
        Ok(Self { strategy: Strategy::new(&config.strategy), state, memo, config })
    }

    fn on_event<P: Probe>(&mut self, now: Nanos, event: EventRef<'_>, out: &mut Outbox, probe: &mut P) {
        let turn = &mut Turn { now, out, probe };
        self.keep_calendar(turn);
        match event {
            EventRef::OrderAdd(event) => self.on_order_add(event, turn),
            EventRef::OrderExecuted(event) => self.on_order_executed(event, turn),
            EventRef::OrderExecutedAt(event) => self.on_order_executed_at(event, turn),
            EventRef::OrderReduced(event) => self.on_order_reduced(event, turn),
            EventRef::OrderDeleted(event) => self.on_order_deleted(event, turn),
            EventRef::OrderReplaced(event) => self.on_order_replaced(event, turn),
            EventRef::Trade(event) => self.on_trade(event, turn),
            EventRef::CrossTrade(event) => self.on_flags(event.flags, turn),
            EventRef::TradeBroken(event) => self.on_flags(event.flags, turn),
            EventRef::MarketPhase(event) => self.on_market_phase(event, turn),
            EventRef::MarketHalt(event) => self.on_market_halt(event, turn),
            EventRef::TradingStatus(event) => self.on_trading_status(event, turn),
            EventRef::BookCleared(event) => self.on_book_cleared(event, turn),
            EventRef::FeedHealth(event) => self.on_feed_health(event, turn),
            EventRef::Dropped(event) => self.on_dropped(event, turn),
            EventRef::Mark(event) => self.on_mark(event, turn),

            EventRef::VenueAccepted(event) => self.on_accepted(event, turn),
            EventRef::VenueReplaced(event) => self.on_replaced(event, turn),
            EventRef::VenueCanceled(event) => self.on_canceled(event, turn),
            EventRef::VenueExecuted(event) => self.on_executed(event, turn),
            EventRef::VenueRejected(event) => self.on_rejected(event, turn),
            EventRef::VenueBroken(event) => self.on_broken(event, turn),
            EventRef::VenueCancelHeld(event) => self.on_cancel_held(event, turn),
            EventRef::VenueRestated(event) => self.on_restated(event, turn),
            EventRef::VenueDay(event) => self.on_venue_day(event, turn),
            EventRef::SessionState(event) => self.on_session_state(event, turn),
            EventRef::SendReport(event) => self.on_send_report(event, turn),
            EventRef::VenueUnread(event) => self.on_unread(event, turn),
            EventRef::SessionChanged(event) => self.on_session_changed(event, turn),
            EventRef::PositionStated(event) => self.on_position_stated(event, turn),
            EventRef::DropCopyExecution(event) => self.on_copy_execution(event, turn),
            EventRef::DropCopyOrder(event) => self.on_copy_order(event, turn),
            EventRef::DropCopyState(event) => self.on_copy_state(event, turn),

            EventRef::Timer(event) => self.on_timer(event, turn),
            EventRef::Operator(event) => self.on_operator(event, turn),
            EventRef::Malformed(event) => self.on_malformed(event, turn),
            EventRef::Define(_)
            | EventRef::Inventory(_)
            | EventRef::Purchase(_)
            | EventRef::LineId(_)
            | EventRef::InputFile(_) => {}
        }
    }

    fn standing(&self, now: Nanos) -> Standing {
        self.stand(now)
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), SnapshotError> {
        write_state(&self.state, bytes)
    }

    fn restore(config: &DeskConfig, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let config = config.checked().map_err(SnapshotError::Mismatch)?;
        let mut state: State = read_state(bytes)?;
        state.resume(&config).map_err(SnapshotError::Mismatch)?;
        let memo = Memo::new(config.instruments.len());
        Ok(Self { strategy: Strategy::new(&config.strategy), state, memo, config })
    }
}

impl Desk {
    /// Our orders.
    pub fn orders(&self) -> &OrderTable {
        &self.state.orders
    }

    /// What is held of an instrument.
    pub fn holding(&self, instrument: InstrumentId) -> Option<&Holding> {
        self.state.instrument(instrument).map(|instrument| &instrument.holding)
    }

    /// The books.
    pub fn books(&self) -> &pricewright_core::market::book::Books {
        &self.state.books
    }

    /// What set the kill latch; `NONE` where it is not set.
    pub fn latched_by(&self) -> Control {
        self.state.gate.latch()
    }

    /// Whether the drop copy and our own book differ about an instrument, so that nothing is quoted in it.
    pub fn is_frozen(&self, instrument: InstrumentId) -> bool {
        self.state.instrument(instrument).is_some_and(|instrument| instrument.frozen)
    }

    /// Inputs refused so far.
    pub fn dead_letters(&self) -> u64 {
        self.state.dead_letters
    }

    /// Venue answers so far that said again what was known; they changed nothing.
    pub fn repeated_answers(&self) -> u64 {
        self.state.repeats
    }

    pub(super) fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.config.instruments.get(id.index())
    }

    fn on_timer<P: Probe>(&mut self, timer: &Timer, turn: &mut Turn<'_, P>) {
        if timer.key == STATUS_TIMER {
            for id in self.state.ids() {
                if self.state.instrument(id).is_some_and(|instrument| instrument.crossed.is_some()) {
                    self.watch_cross(id, turn);
                }
            }
            self.report_status(turn);
            self.arm_status(timer.deadline, turn);
            return;
        }
        if timer.key == RECONCILE_TIMER {
            self.on_reconcile(turn);
            return;
        }
        if timer.key == ANSWERS_TIMER {
            self.on_answers_timer(turn);
            return;
        }
        // Nothing is left to do at a turn of the session hours: the calendar was looked at before the event.
        let Ok(index) = u16::try_from(timer.key - REQUOTE_TIMERS) else { return };
        let id = InstrumentId(index);
        if let Some(instrument) = self.state.instrument_mut(id) {
            instrument.wake = None;
            self.act(id, turn);
        }
    }

    /// The next status after `from` that is not past.
    fn arm_status<P: Probe>(&mut self, from: Nanos, turn: &mut Turn<'_, P>) {
        let interval = self.config.status_interval_ms.saturating_mul(1_000_000).max(1);
        let behind = turn.now.0.saturating_sub(from.0).max(0) / interval;
        let next = from.0.saturating_add(interval.saturating_mul(behind.saturating_add(1)));
        turn.out.arm(STATUS_TIMER, Nanos(next));
    }

    fn report_status<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        for id in self.state.ids() {
            let Some(instrument) = self.state.instrument(id) else { continue };
            let bbo = self.state.books.book(id).map(|book| book.bbo()).unwrap_or_default();
            let open = self.state.orders.exposure(id).orders;
            let holding = &instrument.holding;
            turn.step("the status timer fired");
            turn.emit(&DeskStatus {
                bid: bbo.bid.map_or(Ticks(0), |level| level.price),
                ask: bbo.ask.map_or(Ticks(0), |level| level.price),
                position: holding.position(),
                realised: holding.realised(),
                unrealised: holding.unrealised(instrument.mark),
                fees: holding.fees(),
                fills: holding.fills(),
                gaps: self.state.gaps,
                open_orders: u16::try_from(open).unwrap_or(u16::MAX),
                instrument: id,
                health: instrument.health,
                phase: self.state.phase,
                latch: self.state.gate.latch(),
                frozen: u8::from(instrument.frozen),
                spare: [0; 3],
            });
        }
    }

    fn on_operator<P: Probe>(&mut self, event: &Operator, turn: &mut Turn<'_, P>) {
        match event.command {
            OperatorCommand::START => {
                self.note_start();
                self.state.running = true;
                // A run begins with good storage until it says otherwise; the one before may have ended while it was short.
                self.state.storage_low = false;
                self.doubt_feeds(turn);
                self.arm_status(turn.now, turn);
                self.arm_hours(turn);
            }
            OperatorCommand::STOP => self.state.running = false,
            OperatorCommand::KILL => self.latch(Control::KILL_LATCH, 1, 0, event.operator, turn),
            OperatorCommand::REARM => self.rearm(event.operator, turn),
            OperatorCommand::STORAGE_LOW => self.state.storage_low = true,
            OperatorCommand::STORAGE_OK => self.state.storage_low = false,
            OperatorCommand::ALARM => {
                turn.step("the self-check raised an alarm: an operator decides what follows")
            }
            OperatorCommand::CLOCK_STEP => {
                turn.step("the machine's wall clock was set: stamps go on without a step")
            }
            OperatorCommand::SUSPENDED => {
                turn.step("the machine stood still: what was received since may be old")
            }
            unknown => {
                let letter = (u64::from(unknown.0), RejectReason::UNKNOWN_TYPE);
                self.dead_letter(letter, None, "operator command that the desk does not know", turn);
            }
        }
        self.act_on_all(turn);
    }

    /// Sets the kill latch and says so, where it was not set before. The caller then acts on all instruments.
    pub(super) fn latch<P: Probe>(
        &mut self,
        control: Control,
        value: i64,
        limit: i64,
        operator: Text<16>,
        turn: &mut Turn<'_, P>,
    ) {
        if self.state.gate.set_latch(control) {
            self.tell_latch(control, value, limit, operator, turn);
        } else {
            self.state.latched_twice |= self.state.gate.latch() != control;
        }
    }

    pub(super) fn tell_latch<P: Probe>(
        &self,
        control: Control,
        value: i64,
        limit: i64,
        operator: Text<16>,
        turn: &mut Turn<'_, P>,
    ) {
        turn.step("the kill latch is set: nothing but cancels may leave until an operator releases it");
        turn.value("daily_profit", self.state.daily_profit().0, "minor");
        let spare = [0; 5];
        turn.emit(&KillLatched { value, limit, control, released: 0, spare, operator });
    }

    fn on_malformed<P: Probe>(&mut self, event: &Malformed, turn: &mut Turn<'_, P>) {
        self.refuse_input((event.position, event.len), (event.reason, event.source), event.text, turn);
    }

    /// Refuses an input that could not be read: where it is and how long, why and whose.
    pub(super) fn refuse_input<P: Probe>(
        &mut self,
        (position, len): (u64, u32),
        (reason, source): (RejectReason, SourceId),
        text: Text<80>,
        turn: &mut Turn<'_, P>,
    ) {
        self.state.dead_letters += 1;
        turn.step("the input could not be read");
        turn.emit(&Rejected { position, len, reason, source, text });
    }

    /// Refuses an input that was read and makes no sense. `letter` is a number that finds it again, and why.
    pub(super) fn dead_letter<P: Probe>(
        &mut self,
        letter: (u64, RejectReason),
        source: Option<SourceId>,
        text: &'static str,
        turn: &mut Turn<'_, P>,
    ) {
        self.state.dead_letters += 1;
        turn.step(text);
        let source = source.unwrap_or(SourceId(u16::MAX));
        let (position, reason) = letter;
        turn.emit(&Rejected { position, len: 0, reason, source, text: Text::excerpt(text) });
    }

    /// Market events that change no book of ours may end a batch.
    fn on_flags<P: Probe>(&mut self, flags: u8, turn: &mut Turn<'_, P>) {
        self.state.heard = Some(turn.now);
        if flags & market_flags::LAST_IN_BATCH != 0 {
            self.end_batch(turn);
        }
    }

    /// Why quotes may not stand now; `Ok` where they may.
    pub(super) fn may_quote(&self, id: InstrumentId) -> Result<(), CancelReason> {
        let state = &self.state;
        let instrument = state.instrument(id).ok_or(CancelReason::STALE_BOOK)?;
        match state.gate.latch() {
            Control::NONE => {}
            Control::DAILY_LOSS => return Err(CancelReason::DAILY_LOSS),
            _ => return Err(CancelReason::KILL),
        }
        if !state.running {
            Err(CancelReason::SHUTDOWN)
        } else if state.storage_low {
            Err(CancelReason::OPERATOR)
        } else if instrument.frozen {
            Err(CancelReason::KILL)
        } else if instrument.health != Health::VALID {
            Err(CancelReason::STALE_BOOK)
        } else if instrument.is_wide {
            Err(CancelReason::WIDE_BOOK)
        } else if self.is_late() {
            Err(CancelReason::INGRESS_LAG)
        } else if instrument.trading() != TradingState::TRADING {
            Err(CancelReason::HALT)
        } else if !state.day.allows_quotes(&self.config.venue) {
            Err(CancelReason::MARKET_HOURS)
        } else {
            Ok(())
        }
    }

    /// Whether market data reaches the machine too late to act upon, or nobody knows.
    pub(super) fn is_late(&self) -> bool {
        let limit = Nanos(self.config.risk.ingress_lag_max_us.saturating_mul(1_000));
        self.state.lag().is_none_or(|lag| lag > limit)
    }
}
