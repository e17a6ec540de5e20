//! The venue's day: when quotes may stand, when daily numbers begin anew, halts of the whole market, refusals in series.
//!
//! Guarantees: no quote stands before the venue's start of market hours, after its end, through a market-wide halt, outside
//! the configured session hours, or once the order session's day has ended. Where the venue has not spoken, nothing is
//! quoted; a venue that sends no phases is configured as one (`[venue] phases = false`). Days of profit and loss are those of
//! the venue's calendar, worked out from `now` alone.
//!
//! Sources: ITCH 5.0 §1.1 (system event codes), §1.2.4 (market-wide circuit breakers); OUCH 5.0 §3.1 (system event codes).
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};

use pricewright_core::kernel::table::{DayEnded, MarketHalt, MarketPhase, VenueDay, market_flags};
use pricewright_core::kernel::{
    Control, InstrumentId, Minor, Nanos, Probe, RejectReason, Side, Text, TradingState, Venue,
};
use pricewright_core::market::portfolio::minor;

use super::desk::Desk;
use super::state::Turn;

/// The timer that fires when session hours begin or end.
pub(super) const HOURS_TIMER: u32 = u32::MAX;
/// The longest pause after refusals in series.
const LONGEST_PAUSE: i64 = 60_000_000_000;
/// The venue's letter that market hours began.
const MARKET_HOURS: u8 = b'Q';
/// Letters of the venue's day: messages, system hours and market hours begin and end.
const LETTERS: &[u8] = b"OSQMEC";
/// Letters of the order session's day.
const END_OF_DAY: u8 = b'E';
const START_OF_DAY: u8 = b'S';

/// Where the venue's day stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TradingDay {
    /// When the calendar is to be looked at again: the day's end, or a turn of the session hours.
    turn_at: Nanos,
    begin: Nanos,
    end: Nanos,
    date: u32,
    /// Session hours hold.
    in_hours: bool,
    hours_until: Nanos,
    /// The letter of the venue's last phase; 0 where it did not speak in this session.
    phase: u8,
    /// A breach of the third level: no trading on this day.
    halted_for_the_day: bool,
    /// The order session's day has ended.
    orders_ended: bool,
    /// The order session that said so.
    order_session: Option<u32>,
    /// What the day began with.
    profit: i128,
    fees: i128,
    fills: u64,
    /// Refused by the venue on this day.
    rejects: u32,
}

impl Default for TradingDay {
    fn default() -> Self {
        Self {
            turn_at: Nanos(i64::MIN),
            begin: Nanos::ZERO,
            end: Nanos(i64::MIN),
            date: 0,
            in_hours: false,
            hours_until: Nanos(i64::MIN),
            phase: 0,
            halted_for_the_day: false,
            orders_ended: false,
            order_session: None,
            profit: 0,
            fees: 0,
            fills: 0,
            rejects: 0,
        }
    }
}

impl TradingDay {
    /// Whether venue and session hours allow quotes.
    #[inline]
    pub(super) fn allows_quotes(&self, venue: &Venue) -> bool {
        self.in_hours && !self.orders_ended && (self.phase == MARKET_HOURS || !venue.phases)
    }

    /// A breach of the third level ended the day for all instruments.
    #[inline]
    pub(super) fn is_halted(&self) -> bool {
        self.halted_for_the_day
    }

    /// The profit that the day began with.
    #[inline]
    pub(super) fn start_profit(&self) -> i128 {
        self.profit
    }

    /// Another market data session: nothing that was said holds on.
    pub(super) fn begin_session(&mut self) {
        self.phase = 0;
        self.halted_for_the_day = false;
    }

    /// The order session spoke of itself: what another one said of its day does not hold for it.
    pub(super) fn order_session(&mut self, session: u32) {
        if self.order_session.replace(session) != Some(session) {
            self.orders_ended = false;
        }
    }
}

impl Desk {
    /// The calendar has turned a page: a day of the venue's, or its session hours.
    #[inline]
    pub(super) fn keep_calendar<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        if turn.now >= self.state.day.turn_at {
            self.turn_page(turn);
        }
    }

    #[cold]
    fn turn_page<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        let now = turn.now;
        if now >= self.state.day.end {
            self.begin_day(turn);
        }
        let hours = self.config.venue.hours(now);
        let was_open = core::mem::replace(&mut self.state.day.in_hours, hours.open);
        let day = &mut self.state.day;
        day.hours_until = hours.until;
        day.turn_at = day.end.min(hours.until);
        self.arm_hours(turn);
        if was_open != hours.open {
            self.act_on_all(turn);
        }
    }

    /// Asks for the timer at the next turn of the session hours, where there are any.
    pub(super) fn arm_hours<P: Probe>(&self, turn: &mut Turn<'_, P>) {
        if self.state.running && self.state.day.hours_until < Nanos(i64::MAX) {
            turn.out.arm(HOURS_TIMER, self.state.day.hours_until);
        }
    }

    /// A day of the venue begins: what the one before came to is told, daily numbers count from here.
    fn begin_day<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        let next = self.config.venue.time_zone.day(turn.now);
        let holdings = || self.state.instruments.iter().map(|instrument| &instrument.holding);
        let fees: i128 = holdings().map(|holding| i128::from(holding.fees().0)).sum();
        let fills: u64 = holdings().map(|holding| holding.fills()).sum();
        let profit = self.state.profit;
        let day = &self.state.day;
        if day.date != 0 {
            turn.step("the venue's day is over: daily numbers begin anew");
            turn.emit(&DayEnded {
                begin: day.begin,
                end: day.end,
                profit: minor(profit - day.profit),
                fees: minor(fees - day.fees),
                fills: fills.saturating_sub(day.fills),
                rejects: day.rejects,
                date: day.date,
            });
        }
        let day = &mut self.state.day;
        (day.begin, day.end, day.date) = (next.begin, next.end, next.date);
        (day.profit, day.fees, day.fills, day.rejects) = (profit, fees, fills, 0);
        for instrument in &mut self.state.instruments {
            instrument.rejects = [0; 2];
        }
    }

    pub(super) fn on_market_phase<P: Probe>(&mut self, event: &MarketPhase, turn: &mut Turn<'_, P>) {
        self.state.day.phase = event.code;
        if !LETTERS.contains(&event.code) {
            let text = "market phase that the desk does not know: taken as the end of market hours";
            self.dead_letter((u64::from(event.code), RejectReason::UNKNOWN_TYPE), None, text, turn);
        }
        self.whole_market(event.flags, turn);
    }

    /// All instruments are halted until each says for itself that it trades again.
    pub(super) fn on_market_halt<P: Probe>(&mut self, event: &MarketHalt, turn: &mut Turn<'_, P>) {
        self.state.day.halted_for_the_day |= event.level == b'3';
        for instrument in &mut self.state.instruments {
            instrument.trading = TradingState::HALTED;
        }
        self.whole_market(event.flags, turn);
    }

    /// Something was said of all instruments: what may no longer stand is pulled at once, quotes wait for the batch's end.
    fn whole_market<P: Probe>(&mut self, flags: u8, turn: &mut Turn<'_, P>) {
        for id in self.state.ids() {
            self.state.join_batch(id);
        }
        self.act_on_all(turn);
        self.state.heard = Some(turn.now);
        if flags & market_flags::LAST_IN_BATCH != 0 {
            self.end_batch(turn);
        }
    }

    pub(super) fn on_venue_day<P: Probe>(&mut self, event: &VenueDay, turn: &mut Turn<'_, P>) {
        match event.code {
            END_OF_DAY => self.state.day.orders_ended = true,
            START_OF_DAY => self.state.day.orders_ended = false,
            code => {
                let text = "event of the order session's day that the desk does not know: taken as its end";
                self.state.day.orders_ended = true;
                self.dead_letter(
                    (u64::from(code), RejectReason::UNKNOWN_TYPE),
                    self.state.gateway,
                    text,
                    turn,
                );
            }
        }
        self.act_on_all(turn);
    }

    /// The venue refused an order: its side pauses, twice as long as after the refusal before. Too many in series set the
    /// latch.
    pub(super) fn refused_by_venue<P: Probe>(
        &mut self,
        id: InstrumentId,
        side: Side,
        turn: &mut Turn<'_, P>,
    ) {
        self.state.day.rejects = self.state.day.rejects.saturating_add(1);
        self.lengthen_series(id, side, Control::REJECTS, turn);
    }

    /// Our own gateway could not send an order: counted into the same series. It is no refusal of the venue's, and has a
    /// control of its own, since what helps is another thing.
    pub(super) fn failed_to_leave<P: Probe>(&mut self, id: InstrumentId, side: Side, turn: &mut Turn<'_, P>) {
        self.lengthen_series(id, side, Control::UNSENT, turn);
    }

    /// One more order of a side that came to nothing; `control` latches where it is one too many.
    fn lengthen_series<P: Probe>(
        &mut self,
        id: InstrumentId,
        side: Side,
        control: Control,
        turn: &mut Turn<'_, P>,
    ) {
        let Some(instrument) = self.state.instrument_mut(id) else { return };
        let series = instrument.rejects_of(side);
        *series = series.saturating_add(1);
        let count = i64::from(*series);
        let limit = self.config.risk.max_rejects;
        let first = self.config.refusal_pause_ms.saturating_mul(1_000_000);
        let doublings = u32::try_from(count - 1).unwrap_or(u32::MAX).min(32);
        let pause = first.saturating_mul(1 << doublings).min(LONGEST_PAUSE.max(first));
        self.pause_for(id, side, Nanos(pause), turn);
        if count >= limit {
            // Nothing is decided, and so nothing to give reasons for, where the latch is set already.
            if self.latched_by() == Control::NONE {
                let (text, name) = match control {
                    Control::UNSENT => ("our own gateway could not send an order", "unsent_in_series"),
                    _ => ("the venue refused an order", "rejects_in_series"),
                };
                turn.step(text);
                turn.value(name, count, "orders");
            }
            self.latch(control, count, limit, Text::default(), turn);
            self.act_on_all(turn);
        }
    }

    /// The venue accepted an order: a series of refusals is over.
    pub(super) fn accepted_by_venue(&mut self, id: InstrumentId, side: Side) {
        if let Some(instrument) = self.state.instrument_mut(id) {
            *instrument.rejects_of(side) = 0;
        }
    }

    /// Today's profit of the desk, by the venue's day.
    pub fn daily_profit(&self) -> Minor {
        self.state.daily_profit()
    }
}
