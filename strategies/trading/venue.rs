//! What the venue, its session and our gateway say of our orders; fills into the portfolio.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use pricewright_core::kernel::table::{
    PositionChanged, SendReport, SessionState, VenueAccepted, VenueBroken, VenueCancelHeld, VenueCanceled,
    VenueExecuted, VenueRejected, VenueReplaced, VenueRestated,
};
use pricewright_core::kernel::{
    Control, Liquidity, Lots, Minor, Probe, RejectReason, SendOutcome, SessionPhase, Text,
};
use pricewright_core::market::order::{AnswerError, Applied, BookedFill, Contradiction, OrderState};
use pricewright_core::market::portfolio::HalfTicks;

use super::desk::Desk;
use super::state::Turn;

impl Desk {
    pub(super) fn on_accepted<P: Probe>(&mut self, event: &VenueAccepted, turn: &mut Turn<'_, P>) {
        if self.state.orders.get(event.client).is_none() {
            self.unknown_order(event, turn);
            return;
        }
        let outcome = self.state.orders.accepted(event);
        self.note_acceptance(event.client, outcome);
        self.answered(event.client, outcome, "acceptance that fits no order of ours", turn);
    }

    pub(super) fn on_replaced<P: Probe>(&mut self, event: &VenueReplaced, turn: &mut Turn<'_, P>) {
        if self.state.orders.get(event.client).is_none() {
            self.unknown_replacement(event, turn);
            self.note_gone(event.prior);
            return;
        }
        let outcome = self.state.orders.replaced(event);
        self.note_acceptance(event.client, outcome);
        self.note_gone(event.prior);
        self.answered(event.client, outcome, "replacement that fits no order of ours", turn);
    }

    fn note_acceptance(&mut self, client: u64, outcome: Result<Applied, AnswerError>) {
        if let (Ok(applied), Some(side)) = (outcome, self.state.orders.get(client).map(|order| order.side)) {
            self.accepted_by_venue(applied.instrument, side);
        }
    }

    pub(super) fn on_canceled<P: Probe>(&mut self, event: &VenueCanceled, turn: &mut Turn<'_, P>) {
        let before = self.state.orders.get(event.client).copied();
        let outcome = self.state.orders.canceled(event);
        if let (Ok(applied), Some(before)) = (outcome, before)
            && before.state != OrderState::PendingCancel
        {
            // Not asked for (post-only that would have taken, supervision): the same at once would meet the same end.
            self.pause(applied.instrument, before.side, turn);
        }
        self.answered(event.client, outcome, "cancel that fits no order of ours", turn);
    }

    pub(super) fn on_rejected<P: Probe>(&mut self, event: &VenueRejected, turn: &mut Turn<'_, P>) {
        let order = self.state.orders.get(event.client).copied();
        let outcome = self.state.orders.rejected(event);
        if let (Ok(id), Some(order)) = (outcome, order) {
            // The venue would refuse the same again: that side rests, longer each time.
            self.refused_by_venue(id, order.side, turn);
        }
        self.answered(event.client, outcome.map(Applied::from), "rejection that fits no order of ours", turn);
    }

    pub(super) fn on_cancel_held<P: Probe>(&mut self, event: &VenueCancelHeld, turn: &mut Turn<'_, P>) {
        let outcome = self.state.orders.cancel_held(event);
        self.answered(
            event.client,
            outcome.map(Applied::from),
            "held cancel that fits no order of ours",
            turn,
        );
    }

    pub(super) fn on_restated<P: Probe>(&mut self, event: &VenueRestated, turn: &mut Turn<'_, P>) {
        if self.state.orders.get(event.client).is_none() {
            self.unknown_restated(event.client, turn);
            return;
        }
        let outcome = self.state.orders.restated(event);
        self.answered(event.client, outcome, "restatement that fits no order of ours", turn);
    }

    pub(super) fn on_send_report<P: Probe>(&mut self, event: &SendReport, turn: &mut Turn<'_, P>) {
        let order = self.state.orders.get(event.client).copied();
        let outcome = self.state.orders.send_report(event.client, event.outcome);
        if let (Ok(id), Some(before)) = (outcome, order) {
            let after = self.state.orders.get(event.client).copied().unwrap_or(before);
            if !after.is_alive() && before.is_alive() {
                // What fails for good (no order number is left) fails again: that side rests, longer each time.
                match event.outcome {
                    SendOutcome::FAILED => self.failed_to_leave(id, before.side, turn),
                    _ => self.pause(id, before.side, turn),
                }
            }
            if event.outcome == SendOutcome::SEEN && after.reminded {
                let text = "the venue has seen an order of ours and does not say what became of it: the latch is set";
                turn.step(text);
                turn.value("client", i64::try_from(event.client).unwrap_or(i64::MAX), "");
                self.latch(Control::UNANSWERED, 1, 0, Text::default(), turn);
                self.act_on_all(turn);
                return;
            }
            let failed = before.state == OrderState::PendingCancel && after.state != before.state;
            if failed && after.is_alive() {
                self.cancel_later(id, turn);
                return;
            }
        }
        match outcome {
            // Our own gateway's word, not the venue's: nothing can have been executed by it.
            Err(error) if error != AnswerError::Repeated => {
                let text = "send report that fits no order of ours";
                self.dead_letter((event.client, error.reason()), self.state.gateway, text, turn);
            }
            outcome => self.answered(event.client, outcome.map(Applied::from), "", turn),
        }
    }

    /// An own order can no longer be executed; the book may show it for a while.
    fn note_gone(&mut self, client: u64) {
        if let Some(id) = self.state.note_gone(client) {
            self.memo.forget_others(id);
        }
    }

    /// After an answer: the strategy may want something else now. One that fits nothing, or contradicts what was known, is
    /// a dead letter; one that says again what was known is counted.
    fn answered<P: Probe>(
        &mut self,
        client: u64,
        outcome: Result<Applied, AnswerError>,
        text: &'static str,
        turn: &mut Turn<'_, P>,
    ) {
        match outcome {
            Ok(Applied { instrument, contradiction }) => {
                self.note_gone(client);
                self.look_again(instrument, turn.now);
                if let Some(contradiction) = contradiction {
                    let reason = RejectReason::CONTRADICTION;
                    self.unattributable(client, reason, contradiction.text(), turn);
                }
                self.act(instrument, turn);
            }
            Err(AnswerError::Repeated) => self.state.repeats += 1,
            Err(AnswerError::Contradiction) => {
                let text = "answer that contradicts what the order is, or what was said of it before";
                self.unattributable(client, RejectReason::CONTRADICTION, text, turn);
            }
            Err(error) => self.unattributable(client, error.reason(), text, turn),
        }
    }

    pub(super) fn on_executed<P: Probe>(&mut self, event: &VenueExecuted, turn: &mut Turn<'_, P>) {
        match self.state.orders.executed(event) {
            Ok(outcome) => {
                self.note_gone(event.client);
                let (client, excess) = (event.client, outcome.excess);
                if excess > 0 {
                    turn.value("excess", i64::from(excess), Lots::UNIT);
                }
                // Before it is booked: what the day's loss makes of it is not the cause.
                let beyond = (excess > 0)
                    .then_some("fill of more lots than the order asked for: booked, and the latch is set");
                let wrong = beyond.or(outcome.contradiction.map(Contradiction::text));
                if let Some(text) = wrong {
                    let letter = (client, RejectReason::CONTRADICTION);
                    self.dead_letter(letter, self.state.gateway, text, turn);
                    self.latch_unread(client, turn);
                }
                self.book(&outcome.fill, 1, turn);
                if wrong.is_some() {
                    self.act_on_all(turn);
                }
                self.act(outcome.fill.instrument, turn);
            }
            Err(AnswerError::Repeated) => self.state.repeats += 1,
            Err(error @ AnswerError::Contradiction) => {
                let text = "match number of a booked fill with other lots or another price: not booked";
                self.unattributable(event.client, error.reason(), text, turn);
            }
            Err(error) => {
                let text = "fill that fits no order of ours: the position is not known, the latch is set";
                self.unattributable(event.client, error.reason(), text, turn);
            }
        }
    }

    pub(super) fn on_broken<P: Probe>(&mut self, event: &VenueBroken, turn: &mut Turn<'_, P>) {
        match self.state.orders.broken(event) {
            Ok(fill) => {
                self.book(&fill, -1, turn);
                self.act(fill.instrument, turn);
            }
            Err(AnswerError::Repeated) => self.state.repeats += 1,
            Err(error) => {
                let text =
                    "broken match that fits no fill of ours: the position is not known, the latch is set";
                self.unattributable(event.client, error.reason(), text, turn);
            }
        }
    }

    /// Books a fill, or with `sign` −1 takes it back, and checks the day's loss.
    fn book<P: Probe>(&mut self, fill: &BookedFill, sign: i64, turn: &mut Turn<'_, P>) {
        let fee = self.fee(fill.liquidity);
        let Some(instrument) = self.state.instrument_mut(fill.instrument) else { return };
        let holding = &mut instrument.holding;
        let booked = match sign {
            1 => holding.fill(fill.side, fill.price, fill.qty, fee),
            _ => holding.break_fill(fill.side, fill.price, fill.qty, fee),
        };
        if booked.is_err() {
            let text = "fill beyond the numbers that the portfolio holds: the latch is set";
            self.unattributable(fill.client, RejectReason::OUT_OF_RANGE, text, turn);
            return;
        }
        if instrument.marked.is_none() {
            instrument.mark = HalfTicks::from(fill.price);
        }
        let changed = PositionChanged {
            client: fill.client,
            match_number: fill.match_number,
            price: fill.price,
            fill: Lots(i64::from(fill.qty) * fill.side.sign() * sign),
            position: holding.position(),
            cost: holding.cost(),
            realised: holding.realised(),
            fees: holding.fees(),
            instrument: fill.instrument,
            spare: [0; 6],
        };
        self.mark(fill.instrument, turn.now);
        turn.step(if sign == 1 { "the venue executed our order" } else { "the venue broke a fill of ours" });
        turn.value("daily_profit", self.state.daily_profit().0, "minor");
        turn.emit(&changed);
        match sign {
            1 => self.booked_own(fill, turn),
            _ => self.broken_own(fill, turn),
        }
        self.check_loss(turn);
    }

    fn fee(&self, liquidity: Liquidity) -> Minor {
        match liquidity {
            Liquidity::ADDED => self.config.fees.maker_fee_per_10000_lots,
            _ => self.config.fees.taker_fee_per_10000_lots,
        }
    }

    pub(super) fn on_session_state<P: Probe>(&mut self, event: &SessionState, turn: &mut Turn<'_, P>) {
        let before = core::mem::replace(&mut self.state.phase, event.phase);
        self.state.gateway = Some(event.source);
        self.state.day.order_session(event.session);
        match event.phase {
            SessionPhase::ENDED => self.state.session_ended = true,
            SessionPhase::CATCHING_UP => (self.state.session_ended, self.state.left_nothing) = (false, false),
            SessionPhase::READY if before != SessionPhase::READY => {
                let newly = self.state.orders.session_ready(event.next_client);
                self.state.copy.count_beats();
                self.await_answers_anew(turn);
                self.on_numbering_anew(newly, turn);
            }
            _ => {}
        }
        self.act_on_all(turn);
        self.resolve(turn);
    }
}
