//! From a strategy's intents to decisions: pull, or ask, then through the gate.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use pricewright_core::kernel::table::{CancelOrder, OrderRefused, PlaceOrder, ReplaceOrder};
use pricewright_core::kernel::{
    CancelReason, Control, InstrumentId, Nanos, Probe, SessionPhase, Side, SideCode, Text, TimeInForce,
};
use pricewright_core::market::instrument::ShortSale;
use pricewright_core::market::order::{NewOrder, OrderState, Overdue};
use pricewright_core::market::risk::{GateContext, Intent, PriorOrder, Reference, Refusal};

use super::desk::{ANSWERS_TIMER, Desk, REQUOTE_TIMERS};
use super::explain;
use super::state::Turn;
use super::strategy::{Context, Plan, QuoteIntent, own_best};

/// Later than any stamp.
pub(super) const NEVER: Nanos = Nanos(i64::MAX);
/// The largest total that a replacement may name (OUCH 5.0: quantities are below a million shares). A chain of orders that
/// executed so much ends, and another one begins.
const MOST_TOTAL: u32 = 999_999;
/// Once one event caused so many decisions, what is left of a mass cancel waits for the next turn: the outbox is bounded.
const MOST_DECISIONS: usize = 1_024;
/// Nanoseconds after which a cancel that did not leave is tried again.
const CANCEL_RETRY: i64 = 1_000_000;

impl Desk {
    /// Acts on every instrument.
    pub(super) fn act_on_all<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        for id in self.state.ids() {
            self.act(id, turn);
        }
    }

    /// Pulls the instrument's quotes where they may not stand, else lets the strategy speak. While a batch is being
    /// applied only the former: the book is between two states.
    pub(super) fn act<P: Probe>(&mut self, id: InstrumentId, turn: &mut Turn<'_, P>) {
        // Without a session nothing can leave; when it is ready again, this is called for every instrument.
        if self.state.phase != SessionPhase::READY {
            return;
        }
        match self.may_quote(id) {
            Err(reason) => self.pull(id, reason, turn),
            Ok(()) if self.state.instrument(id).is_some_and(|instrument| !instrument.in_batch) => {
                self.quote(id, turn);
            }
            Ok(()) => {}
        }
    }

    fn pull<P: Probe>(&mut self, id: InstrumentId, reason: CancelReason, turn: &mut Turn<'_, P>) {
        let mut at = self.state.orders.newest(id);
        while let Some(client) = at {
            at = self.state.orders.older(client);
            if turn.out.count() >= MOST_DECISIONS {
                self.wake_at(id, turn.now, turn);
                return;
            }
            // Of an order and its pending replacement both go: nobody knows which of them the venue has.
            let asked = self.state.orders.get(client).map(|order| order.state);
            if asked.is_some_and(|state| state != OrderState::PendingCancel) {
                turn.step(explain::pull(reason));
                self.cancel(client, reason, turn);
            }
        }
    }

    /// Looks for answers that are overdue: the orders are cancelled, again and again until the venue says what became of
    /// them. An order that stays without an answer after that sets the kill latch.
    pub(super) fn on_answers_timer<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        self.state.answers_due = None;
        // Without a session no answer can come; what is awaited then is waited for anew once it is ready.
        if self.state.phase != SessionPhase::READY {
            return;
        }
        let (mut unanswered, mut more) = (0, false);
        for id in self.state.ids() {
            let mut at = self.state.orders.newest(id);
            while let Some(client) = at {
                at = self.state.orders.older(client);
                more |= turn.out.count() >= MOST_DECISIONS;
                if !more {
                    unanswered += i64::from(self.remind(client, turn) == Some(Overdue::Again));
                }
            }
        }
        if unanswered > 0 {
            turn.step("the venue was asked and does not say what became of an order");
            self.latch(Control::UNANSWERED, unanswered, 0, Text::default(), turn);
        }
        let next = self.state.orders.next_overdue(self.answer_timeout());
        if let Some(next) = if more { Some(turn.now) } else { next } {
            self.look_for_answers_at(next.max(turn.now), turn);
        }
        self.act_on_all(turn);
    }

    /// Cancels an order whose answer is overdue, and the one that it was to replace.
    fn remind<P: Probe>(&mut self, client: u64, turn: &mut Turn<'_, P>) -> Option<Overdue> {
        let timeout = self.answer_timeout();
        let overdue = self.state.orders.remind(client, turn.now, timeout)?;
        let order = self.state.orders.get(client).copied()?;
        let prior = self.state.orders.get(order.prior).copied();
        for order in [Some(order), prior].into_iter().flatten() {
            let is_prior = order.client != client;
            if is_prior && !self.state.orders.cancel(turn.now, order.client) {
                continue;
            }
            turn.step(explain::pull(CancelReason::UNANSWERED));
            turn.value("waited", timeout.0, Nanos::UNIT);
            turn.emit(&CancelOrder {
                client: order.client,
                price: order.price,
                qty: order.open,
                instrument: order.instrument,
                side: order.side.into(),
                reason: CancelReason::UNANSWERED,
                spare: 0,
            });
        }
        Some(overdue)
    }

    fn answer_timeout(&self) -> Nanos {
        Nanos(self.config.answer_timeout_ms.saturating_mul(1_000_000))
    }

    /// An answer is awaited from now on: the timer looks for it, unless it is armed already.
    fn await_answer<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        if self.state.answers_due.is_none() {
            let at = turn.now.0.saturating_add(self.answer_timeout().0);
            self.look_for_answers_at(Nanos(at), turn);
        }
    }

    fn look_for_answers_at<P: Probe>(&mut self, at: Nanos, turn: &mut Turn<'_, P>) {
        self.state.answers_due = Some(at);
        turn.out.arm(ANSWERS_TIMER, at);
    }

    /// Another session is ready: what is still awaited is waited for from now on.
    pub(super) fn await_answers_anew<P: Probe>(&mut self, turn: &mut Turn<'_, P>) {
        self.state.orders.restart_waits(turn.now);
        if self.state.orders.next_overdue(self.answer_timeout()).is_some() {
            self.await_answer(turn);
        }
    }

    fn quote<P: Probe>(&mut self, id: InstrumentId, turn: &mut Turn<'_, P>) {
        let (Some(instrument), Some(state)) = (self.instrument(id), self.state.instrument(id)) else {
            return;
        };
        let context = Context {
            now: turn.now,
            instrument,
            features: &state.features,
            position: state.holding.position(),
            orders: &self.state.orders,
        };
        let inputs = self.strategy.inputs(&context);
        if self.memo.idle(id, &inputs).is_some_and(|until| turn.now < until && state.wakes_by(until)) {
            return;
        }
        let plan = self.strategy.plan(&context);
        self.memo.keep_idle(id, plan.is_idle().then(|| (inputs, plan.wake.unwrap_or(NEVER))));
        for intent in plan.intents() {
            self.carry_out(id, intent, &plan, turn);
        }
        if let Some(at) = plan.wake {
            self.wake_at(id, at, turn);
        }
    }

    fn carry_out<P: Probe>(
        &mut self,
        id: InstrumentId,
        wanted: QuoteIntent,
        plan: &Plan,
        turn: &mut Turn<'_, P>,
    ) {
        let (side, price, qty, prior) = match wanted {
            QuoteIntent::Cancel { client } => {
                self.explain(id, plan, turn);
                turn.step("the strategy no longer wants this order");
                self.cancel(client, CancelReason::STRATEGY, turn);
                return;
            }
            QuoteIntent::Place { side, price, qty } => (side, price, qty, None),
            QuoteIntent::Replace { prior, side, price, qty } => {
                let Some(order) = self.state.orders.get(prior) else { return };
                if order.spent().is_none_or(|spent| spent.saturating_add(qty) > MOST_TOTAL) {
                    self.explain(id, plan, turn);
                    turn.step(
                        "a replacement would name more than the venue takes in total: another order follows",
                    );
                    self.cancel(prior, CancelReason::STRATEGY, turn);
                    return;
                }
                (side, price, qty, Some(PriorOrder { client: prior, open: order.open, price: order.price }))
            }
        };
        let pause = self.state.instrument_mut(id).map(|state| *state.pause_of(side));
        let intent = Intent { instrument: id, side, price, qty, prior };
        if let Some(prior) = prior.filter(|_| self.needs_another_mark(&intent)) {
            self.explain(id, plan, turn);
            turn.step("more would be sold than is held: the order makes room for one that is marked as a short sale");
            self.cancel(prior.client, CancelReason::STRATEGY, turn);
            return;
        }
        if let Some(until) = pause.filter(|until| turn.now < *until) {
            // The wake of the pause may have given way to an earlier one, which is the present.
            self.wake_at(id, until, turn);
        } else {
            self.explain(id, plan, turn);
            match self.gate(&intent, turn).and_then(|()| self.send(&intent, turn)) {
                Ok(()) => return,
                Err(refusal) => self.refuse(&intent, refusal, turn),
            }
        }
        if let Some(prior) = prior {
            self.explain(id, plan, turn);
            turn.step("a quote that may not be moved does not stay where it is no longer wanted");
            self.cancel(prior.client, CancelReason::STRATEGY, turn);
        }
    }

    fn gate<P: Probe>(&mut self, intent: &Intent, turn: &mut Turn<'_, P>) -> Result<(), Refusal> {
        let unknown =
            Refusal { control: Control::MALFORMED, value: i64::from(intent.instrument.0), limit: 0 };
        let instrument = self.instrument(intent.instrument).ok_or(unknown)?;
        let state = self.state.instrument(intent.instrument).ok_or(unknown)?;
        let orders = &self.state.orders;
        let context = GateContext {
            now: turn.now,
            increment: instrument.increment,
            tick_value: instrument.tick_value,
            reference: self.reference(intent.instrument),
            position: state.holding.position(),
            exposure: orders.exposure(intent.instrument),
            total: orders.total(),
            own_opposite: own_best(orders, intent.instrument, intent.side.opposite()),
            health: state.health,
            lag: self.state.lag(),
            daily_profit: self.state.daily_profit(),
            phase: self.state.phase,
            accepting: self.state.running && !self.state.storage_low,
            trading: state.trading(),
            in_hours: self.state.day.allows_quotes(&self.config.venue),
            may_short: instrument.short_sale != ShortSale::Refused,
            held: self.state.held,
        };
        let slot = turn.out.count();
        self.state.gate.check(intent, &context, slot, turn.probe)
    }

    /// The mid is known to hold as long as the feed is heard; a trade is as old as it is.
    pub(super) fn reference(&self, id: InstrumentId) -> Option<Reference> {
        let state = self.state.instrument(id)?;
        match (state.features.touch, state.last_trade) {
            (Some(touch), _) => Some(Reference { price: touch.half_ticks(), at: self.state.heard? }),
            (None, Some((price, at))) => Some(Reference { price: price.into(), at }),
            (None, None) => None,
        }
    }

    fn send<P: Probe>(&mut self, intent: &Intent, turn: &mut Turn<'_, P>) -> Result<(), Refusal> {
        let (slots, ..) = self.state.orders.sizes();
        let limit = i64::try_from(slots).unwrap_or(i64::MAX);
        let full = Refusal { control: Control::OPEN_ORDERS, value: limit, limit };
        let wait = self.config.order_time_to_send_us.saturating_mul(1_000);
        let expires = Nanos(turn.now.0.saturating_add(wait));
        let Intent { instrument, side, price, qty, prior } = *intent;
        let tif = TimeInForce::POST_ONLY;
        self.state.ordered_from.get_or_insert(turn.now);
        let marks = self.instrument(instrument).map(|instrument| instrument.short_sale).unwrap_or_default();
        match prior {
            None => {
                let short = marks.is_marked() && self.is_short(intent);
                let new = NewOrder { instrument, side, price, qty, short };
                let client = self.state.orders.place(turn.now, new).ok_or(full)?;
                let side = mark(side, marks, short);
                turn.emit(&PlaceOrder { client, price, expires, qty, instrument, side, tif });
            }
            Some(prior) => {
                let short = self.state.orders.get(prior.client).is_some_and(|order| order.short);
                let new = self.state.orders.replace(turn.now, prior.client, price, qty).ok_or(full)?;
                turn.emit(&ReplaceOrder {
                    client: new.client,
                    prior: prior.client,
                    price,
                    expires,
                    qty: new.total,
                    instrument,
                    side: mark(side, marks, short),
                    tif,
                });
            }
        }
        self.await_answer(turn);
        Ok(())
    }

    /// Whether a sale could, with all others that are open, sell more than is held.
    fn is_short(&self, intent: &Intent) -> bool {
        let Some(state) = self.state.instrument(intent.instrument) else { return true };
        let prior_open = intent.prior.map_or(0, |prior| prior.open);
        let added = i64::from(intent.qty.saturating_sub(prior_open));
        let worst = self.state.orders.exposure(intent.instrument).sell_lots.saturating_add(added);
        intent.side == Side::Sell && worst > state.holding.position().0
    }

    /// Whether a replacement would need another mark than its order has, which it cannot be given.
    fn needs_another_mark(&self, intent: &Intent) -> bool {
        let prior = intent.prior.and_then(|prior| self.state.orders.get(prior.client));
        let is_marked =
            self.instrument(intent.instrument).is_some_and(|instrument| instrument.short_sale.is_marked());
        is_marked && prior.is_some_and(|prior| !prior.short) && self.is_short(intent)
    }

    fn refuse<P: Probe>(&mut self, intent: &Intent, refusal: Refusal, turn: &mut Turn<'_, P>) {
        turn.emit(&OrderRefused {
            value: refusal.value,
            limit: refusal.limit,
            price: intent.price,
            qty: intent.qty,
            instrument: intent.instrument,
            control: refusal.control,
            prior: intent.prior.map_or(0, |prior| prior.client),
            side: intent.side.into(),
            spare: [0; 7],
        });
        self.pause(intent.instrument, intent.side, turn);
    }

    /// A side rests for a while, and the strategy is asked again afterwards.
    pub(super) fn pause<P: Probe>(&mut self, id: InstrumentId, side: Side, turn: &mut Turn<'_, P>) {
        self.pause_for(id, side, Nanos(self.config.refusal_pause_ms.saturating_mul(1_000_000)), turn);
    }

    /// As [`Self::pause`], for this long.
    pub(super) fn pause_for<P: Probe>(
        &mut self,
        id: InstrumentId,
        side: Side,
        time: Nanos,
        turn: &mut Turn<'_, P>,
    ) {
        let until = turn.now.0.saturating_add(time.0);
        if let Some(state) = self.state.instrument_mut(id) {
            *state.pause_of(side) = Nanos(until);
        }
        self.wake_at(id, Nanos(until), turn);
    }

    /// A cancel did not leave: it is tried again when something happens, and soon, but not at once. What failed now would
    /// fail now.
    pub(super) fn cancel_later<P: Probe>(&mut self, id: InstrumentId, turn: &mut Turn<'_, P>) {
        self.wake_at(id, Nanos(turn.now.0.saturating_add(CANCEL_RETRY)), turn);
    }

    fn cancel<P: Probe>(&mut self, client: u64, reason: CancelReason, turn: &mut Turn<'_, P>) {
        let Some(order) = self.state.orders.get(client).copied() else { return };
        if !self.state.orders.cancel(turn.now, client) {
            return;
        }
        turn.emit(&CancelOrder {
            client,
            price: order.price,
            qty: order.open,
            instrument: order.instrument,
            side: order.side.into(),
            reason,
            spare: 0,
        });
        self.await_answer(turn);
    }

    /// Arms the requote timer, unless it fires before anyway.
    fn wake_at<P: Probe>(&mut self, id: InstrumentId, at: Nanos, turn: &mut Turn<'_, P>) {
        let Some(state) = self.state.instrument_mut(id) else { return };
        if state.wake.is_none_or(|wake| at < wake) {
            state.wake = Some(at);
            turn.out.arm(REQUOTE_TIMERS + u32::from(id.0), at);
        }
    }

    /// Notes what the next decision rests on; compiled to nothing where nobody listens.
    fn explain<P: Probe>(&self, id: InstrumentId, plan: &Plan, turn: &mut Turn<'_, P>) {
        if !P::ON {
            return;
        }
        let (Some(instrument), Some(state)) = (self.instrument(id), self.state.instrument(id)) else {
            return;
        };
        if let Some(book) = self.state.books.book(id) {
            explain::levels(&book, turn);
        }
        explain::features(&state.features, turn);
        explain::parameters(&self.config.strategy, turn);
        explain::inventory(state, &self.state, turn);
        explain::plan(plan, &self.config.strategy, state, instrument.increment, turn);
    }
}

fn mark(side: Side, marks: ShortSale, short: bool) -> SideCode {
    match side {
        Side::Buy => SideCode::BUY,
        Side::Sell => marks.mark(short),
    }
}
