//! What the desk does when it cannot know what it holds: a session that began anew, an answer that cannot be read, an order
//! of ours that it did not know. It fails closed: the latch is set, what may rest is cancelled and counted in every limit,
//! and only what says more releases a changed session's latch.
//!
//! A session's end counts as seen where the venue said so, or where an operator stopped the desk and every order was
//! confirmed gone: behind that nothing of ours could be executed.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use pricewright_core::kernel::table::{
    CancelOrder, KillLatched, LatchHeld, OrderInDoubt, PositionChanged, PositionStated, SessionChanged,
    VenueAccepted, VenueReplaced, VenueUnread,
};
use pricewright_core::kernel::{
    CancelReason, Control, InstrumentId, Probe, RejectReason, SideCode, Text, Ticks,
};
use pricewright_core::market::order::OwnOrder;
use pricewright_core::market::portfolio::HalfTicks;

use super::desk::Desk;
use super::state::Turn;

/// Orders that one event names at most; more are counted.
const NAMED: usize = 512;
/// Letters of answers that show an order to rest or to have rested.
const SHOWS_AN_ORDER: &[u8] = b"AUMTR";

/// How an order in doubt came to be known again.
#[derive(Clone, Copy)]
pub(super) enum Known {
    /// By the drop copy.
    Copied = 1,
    /// By an operator's stated position.
    Stated = 2,
}

impl Desk {
    /// A run begins. Where the one before was stopped with nothing of ours left, what the session did since concerns us not.
    pub(super) fn note_start(&mut self) {
        let state = &mut self.state;
        let alive = state.orders.total().orders > 0;
        state.left_nothing = !state.running && !alive;
    }

    /// The venue goes on elsewhere than its last session stood.
    pub(super) fn on_session_changed<P: Probe>(&mut self, event: &SessionChanged, turn: &mut Turn<'_, P>) {
        self.state.gateway = Some(event.source);
        let left_nothing = self.state.left_nothing || !self.state.running;
        let ended = self.state.session_ended || left_nothing;
        (self.state.session_ended, self.state.left_nothing) = (false, false);
        let alive = self.state.orders.doubt_all();
        let never_traded = self.state.orders.next_client() == 1;
        // Answers of the session that it goes on in will never be seen, whoever caused them.
        let lost = event.found > 1 && event.found != event.wanted;
        self.state.copy.count_beats();
        if alive == 0 && !lost && (ended || never_traded) {
            self.state.ordered_from = None;
            return;
        }
        self.name_doubtful(turn);
        for instrument in &mut self.state.instruments {
            // Where every order was confirmed gone and yet the end was not seen, what was traded may have been changed.
            instrument.doubtful |= lost || (alive == 0 && instrument.holding.fills() > 0);
        }
        self.doubt(alive, turn);
    }

    /// The venue's numbering began anew within a session.
    pub(super) fn on_numbering_anew<P: Probe>(&mut self, orders: usize, turn: &mut Turn<'_, P>) {
        if orders > 0 {
            self.name_doubtful(turn);
            self.doubt(orders, turn);
        }
    }

    fn doubt<P: Probe>(&mut self, orders: usize, turn: &mut Turn<'_, P>) {
        self.state.session_doubt = true;
        let count = i64::try_from(orders).unwrap_or(i64::MAX);
        turn.step("the venue's session began anew: fills may be missing, and what rests is not known");
        self.latch(Control::SESSION_CHANGE, count, 0, Text::default(), turn);
        self.act_on_all(turn);
        self.resolve(turn);
    }

    /// Says which orders are in doubt, and marks their instruments.
    fn name_doubtful<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        let state = &mut self.state;
        for (count, order) in state.orders.in_doubt().enumerate() {
            if let Some(instrument) = state.instruments.get_mut(order.instrument.index()) {
                instrument.doubtful = true;
            }
            if count < NAMED {
                turn.step("its session began anew: it may have been executed, and may rest");
                turn.emit(&in_doubt(order, 0));
            }
        }
    }

    /// An answer that cannot be used, or not in full: it may be a fill.
    pub(super) fn on_unread<P: Probe>(&mut self, event: &VenueUnread, turn: &mut Turn<'_, P>) {
        if event.offset != 0 {
            return;
        }
        self.refuse_input((event.position, event.len), (event.reason, event.source), event.text, turn);
        self.latch(Control::UNREAD_ANSWER, client_value(event.client), 0, Text::default(), turn);
        let rests = event.follows == 0 && SHOWS_AN_ORDER.contains(&event.letter);
        if rests && event.client != 0 && self.state.orders.get(event.client).is_none() {
            cancel_by_number(event.client, None, turn);
        }
        self.act_on_all(turn);
    }

    /// An answer that fits no order of ours, or contradicts it.
    pub(super) fn unattributable<P: Probe>(
        &mut self,
        client: u64,
        reason: RejectReason,
        text: &'static str,
        turn: &mut Turn<'_, P>,
    ) {
        self.dead_letter((client, reason), self.state.gateway, text, turn);
        self.latch_unread(client, turn);
        self.act_on_all(turn);
    }

    /// An answer about order `client` cannot be used as it is: the caller says why and acts.
    pub(super) fn latch_unread<P: Probe>(&mut self, client: u64, turn: &mut Turn<'_, P>) {
        self.latch(Control::UNREAD_ANSWER, client_value(client), 0, Text::default(), turn);
    }

    /// An order took the place of another, and is not known here.
    pub(super) fn unknown_replacement<P: Probe>(&mut self, answer: &VenueReplaced, turn: &mut Turn<'_, P>) {
        let &VenueReplaced { event_ns, client, prior, venue_order, price, qty, instrument, side, live } =
            answer;
        self.state.orders.replaced_by_unknown(prior);
        let accepted = VenueAccepted { event_ns, client, venue_order, price, qty, instrument, side, live };
        self.unknown_order(&accepted, turn);
    }

    /// The venue changed an order of ours that is not known here: it rests, and is cancelled by its number.
    pub(super) fn unknown_restated<P: Probe>(&mut self, client: u64, turn: &mut Turn<'_, P>) {
        let text = "restatement of an order of ours that the desk does not know: it is cancelled";
        self.dead_letter((client, RejectReason::UNKNOWN_KEY), self.state.gateway, text, turn);
        self.latch(Control::UNKNOWN_ORDER, client_value(client), 0, Text::default(), turn);
        cancel_by_number(client, None, turn);
        self.act_on_all(turn);
    }

    /// The venue accepted an order of ours that is not known here: it counts in every limit and is cancelled.
    pub(super) fn unknown_order<P: Probe>(&mut self, answer: &VenueAccepted, turn: &mut Turn<'_, P>) {
        let text = "order of ours that the desk does not know: it is cancelled, the latch is set";
        self.dead_letter((answer.client, RejectReason::UNKNOWN_KEY), self.state.gateway, text, turn);
        let adopted = self.state.orders.adopt(turn.now, answer);
        self.latch(Control::UNKNOWN_ORDER, client_value(answer.client), 0, Text::default(), turn);
        if !adopted {
            turn.step("it has no place among our orders: it is cancelled by its number");
            cancel_by_number(answer.client, Some(answer), turn);
        }
        self.act_on_all(turn);
    }

    /// An operator states a position: it replaces what was booked, and what was in doubt there is known.
    pub(super) fn on_position_stated<P: Probe>(&mut self, event: &PositionStated, turn: &mut Turn<'_, P>) {
        let id = event.instrument;
        let stated = self.state.instrument_mut(id).map(|state| {
            let price = if event.priced == 1 { event.price } else { floor(state.mark) };
            state.holding.restate(event.position, price).map(|difference| (price, difference))
        });
        let (price, difference) = match stated {
            Some(Ok(booked)) => booked,
            wrong => {
                let text = match wrong {
                    None => "stated position of an instrument that the desk does not know",
                    Some(_) => "stated position: its lots, its price or its worth is out of range",
                };
                self.dead_letter((u64::from(id.0), RejectReason::OUT_OF_RANGE), None, text, turn);
                return;
            }
        };
        self.conclude(id, Known::Stated, turn);
        self.reconcile_stated(id);
        let Some(instrument) = self.state.instrument_mut(id) else { return };
        instrument.doubtful = false;
        let holding = &instrument.holding;
        let changed = PositionChanged {
            client: 0,
            match_number: 0,
            price,
            fill: difference,
            position: holding.position(),
            cost: holding.cost(),
            realised: holding.realised(),
            fees: holding.fees(),
            instrument: id,
            spare: [0; 6],
        };
        self.mark(id, turn.now);
        turn.step("an operator stated the position");
        turn.emit(&changed);
        self.check_loss(turn);
        self.act_on_all(turn);
    }

    /// The instrument's orders in doubt are gone.
    fn conclude<P: Probe>(&mut self, id: InstrumentId, known: Known, turn: &mut Turn<'_, P>) {
        for _ in 0..NAMED {
            let Some(order) = self.state.orders.alive(id).find(|order| order.doubt).copied() else { return };
            self.conclude_order(&order, known, turn);
        }
    }

    /// An order in doubt is gone.
    pub(super) fn conclude_order<P: Probe>(
        &mut self,
        order: &OwnOrder,
        known: Known,
        turn: &mut Turn<'_, P>,
    ) {
        self.state.orders.conclude(order.client);
        turn.step("what became of it is known: it is gone");
        turn.emit(&in_doubt(order, known as u8));
    }

    /// An operator asks for the latch to be released. A changed session's stays until what was in doubt is known.
    pub(super) fn rearm<P: Probe>(&mut self, operator: Text<16>, turn: &mut Turn<'_, P>) {
        if self.state.session_doubt && !self.is_known() {
            let why = "the session began anew: state each position (operator position SYMBOL QTY)";
            self.hold_latch(self.state.gate.latch(), why, operator, turn);
            return;
        }
        if let Some(id) = self.broken_instrument() {
            let why = "the drop copy differs: state the position (operator position SYMBOL QTY)";
            self.hold_break(id, why, operator, turn);
            return;
        }
        if self.state.gate.is_latched() && self.state.gate.is_lost(self.state.daily_profit()) {
            let why = "today's loss is at its limit (risk.max_daily_loss) all the same";
            self.hold_latch(self.state.gate.latch(), why, operator, turn);
            return;
        }
        (self.state.session_doubt, self.state.ordered_from, self.state.latched_twice) = (false, None, false);
        let control = self.state.gate.release();
        if control != Control::NONE {
            turn.step("an operator released the kill latch");
            let spare = [0; 5];
            turn.emit(&KillLatched { value: 0, limit: 0, control, released: 1, spare, operator });
        }
        for id in self.state.ids() {
            self.release_frozen(id, turn);
        }
    }

    /// A break holds: its instrument stays frozen, and with it the latch.
    fn hold_break<P: Probe>(
        &self,
        instrument: InstrumentId,
        why: &'static str,
        operator: Text<16>,
        turn: &mut Turn<'_, P>,
    ) {
        let frozen = self.state.instruments.iter().filter(|instrument| instrument.frozen).count();
        turn.step("the drop copy and our own book differ");
        turn.emit(&LatchHeld {
            orders: 0,
            instruments: u32::try_from(frozen).unwrap_or(u32::MAX),
            control: Control::POSITION_BREAK,
            instrument,
            spare: 0,
            operator,
            text: Text::excerpt(why),
        });
    }

    /// Whether no order and no position is in doubt.
    fn is_known(&self) -> bool {
        self.state.orders.in_doubt().next().is_none()
            && !self.state.instruments.iter().any(|instrument| instrument.doubtful)
    }

    fn hold_latch<P: Probe>(
        &self,
        control: Control,
        why: &'static str,
        operator: Text<16>,
        turn: &mut Turn<'_, P>,
    ) {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let state = &self.state;
        let doubtful = |id: &InstrumentId| state.instrument(*id).is_some_and(|state| state.doubtful);
        turn.step("the latch is not released: what set it, or what would set it again, is still so");
        turn.emit(&LatchHeld {
            orders: count(state.orders.in_doubt().count()),
            instruments: count(state.ids().filter(doubtful).count()),
            control,
            instrument: state.ids().find(doubtful).unwrap_or(InstrumentId(u16::MAX)),
            spare: 0,
            operator,
            text: Text::excerpt(why),
        });
    }
}

fn in_doubt(order: &OwnOrder, resolved: u8) -> OrderInDoubt {
    OrderInDoubt {
        client: order.client,
        price: order.price,
        open: order.open,
        filled: order.filled,
        instrument: order.instrument,
        side: order.side.into(),
        resolved,
        spare: 0,
    }
}

/// Cancels an order that has no place among ours.
fn cancel_by_number<P: Probe>(client: u64, answer: Option<&VenueAccepted>, turn: &mut Turn<'_, P>) {
    turn.emit(&CancelOrder {
        client,
        price: answer.map_or(Ticks(0), |answer| answer.price),
        qty: answer.map_or(0, |answer| answer.qty),
        instrument: answer.map_or(InstrumentId(u16::MAX), |answer| answer.instrument),
        side: answer.map_or(SideCode::UNKNOWN, |answer| answer.side),
        reason: CancelReason::KILL,
        spare: 0,
    });
}

fn client_value(client: u64) -> i64 {
    i64::try_from(client).unwrap_or(i64::MAX)
}

/// The tick at or below a mark.
fn floor(mark: HalfTicks) -> Ticks {
    Ticks(mark.0.div_euclid(2))
}
