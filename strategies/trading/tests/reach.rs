//! Every order can be reached: what is pending, unanswered, or more than a screen full.

use pricewright_core::kernel::machine::Machine;
use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;
use pricewright_core::market::order::{DoneCause, NewOrder, OrderState};

use super::super::state::State;
use super::super::{Desk, DeskConfig};
use super::records::{GATEWAY, send_report};
use super::stage::{PRCW, Stage};

/// A desk whose ask, order 1, is about to be replaced by order 3.
fn replacing() -> Stage {
    let mut stage = Stage::quoting();
    stage.wait(1_000);
    stage.move_to(10_009, 10_011);
    let ask = stage.only::<ReplaceOrder>();
    assert_eq!((ask.prior, ask.client), (1, 3));
    stage
}

fn canceled(stage: &Stage) -> Vec<(u64, CancelReason)> {
    stage.all::<CancelOrder>().iter().map(|cancel| (cancel.client, cancel.reason)).collect()
}

fn latches(stage: &Stage) -> Vec<(Control, i64)> {
    stage.all::<KillLatched>().iter().map(|latch| (latch.control, latch.value)).collect()
}

#[test]
fn a_kill_cancels_orders_that_are_pending_and_what_they_are_to_replace() {
    let mut stage = replacing();
    stage.operator(OperatorCommand::KILL);
    let kill = CancelReason::KILL;
    assert_eq!(canceled(&stage), [(3, kill), (2, kill), (1, kill)]);
    // An order that the venue has not answered yet is cancelled too.
    let mut stage = Stage::new();
    stage.open();
    stage.book(9_999, 10_001);
    stage.operator(OperatorCommand::KILL);
    assert_eq!(canceled(&stage), [(2, kill), (1, kill)]);
}

#[test]
fn a_kill_repeats_its_cancels_until_the_venue_confirms() {
    let mut stage = Stage::quoting();
    stage.operator(OperatorCommand::KILL);
    stage.canceled(1);
    let begin = stage.now;
    for round in 1..=3 {
        stage.answers_timer();
        assert_eq!(stage.now, begin + Nanos::from_millis(2_000 * round));
        assert_eq!(canceled(&stage), [(2, CancelReason::UNANSWERED)]);
    }
    stage.canceled(2);
    assert_eq!(stage.count(), 0);
    stage.answers_timer();
    assert_eq!(stage.count(), 0, "the venue has confirmed");
}

#[test]
fn an_answer_that_never_comes_is_asked_for_and_then_latches() {
    let mut stage = Stage::new();
    stage.open();
    stage.book(9_999, 10_001);
    stage.accept(1, Side::Sell, 10_001);
    let begin = stage.now;
    stage.answers_timer();
    assert_eq!(stage.now, begin + Nanos::from_millis(2_000));
    assert_eq!(canceled(&stage), [(2, CancelReason::UNANSWERED)], "only what was not answered");
    assert_eq!(latches(&stage), []);
    stage.answers_timer();
    assert_eq!(latches(&stage), [(Control::UNANSWERED, 1)]);
    assert_eq!(canceled(&stage), [(2, CancelReason::UNANSWERED), (1, CancelReason::KILL)]);
    // A release does not make it known: the latch is set again.
    stage.canceled(1);
    stage.operator(OperatorCommand::REARM);
    stage.answers_timer();
    assert_eq!(latches(&stage), [(Control::UNANSWERED, 1)]);
}

#[test]
fn what_the_venue_says_when_it_is_asked_decides() {
    // It never saw the order: nothing rests, and the desk may go on.
    let mut stage = Stage::new();
    stage.open();
    stage.book(9_999, 10_001);
    stage.accept(1, Side::Sell, 10_001);
    stage.give(&send_report(2, SendOutcome::SENT));
    stage.answers_timer();
    stage.give(&send_report(2, SendOutcome::UNSEEN));
    let order = stage.driver.machine().orders().get(2).copied().expect("remembered");
    assert_eq!((order.state, order.cause), (OrderState::Done, DoneCause::NotSent));
    assert_eq!(stage.driver.machine().latched_by(), Control::NONE);
    // It has seen it, and still does not answer: nobody knows what became of it.
    let mut stage = Stage::new();
    stage.open();
    stage.book(9_999, 10_001);
    stage.answers_timer();
    assert_eq!(canceled(&stage).len(), 2);
    stage.accept(1, Side::Sell, 10_001);
    stage.give(&send_report(1, SendOutcome::SEEN));
    assert_eq!(latches(&stage), [], "it was answered meanwhile");
    stage.give(&send_report(2, SendOutcome::SEEN));
    assert_eq!(latches(&stage), [(Control::UNANSWERED, 1)]);
}

#[test]
fn a_replacement_without_an_answer_takes_the_order_with_it() {
    let mut stage = replacing();
    stage.answers_timer();
    assert_eq!(canceled(&stage), [], "it is a second younger than the quotes");
    stage.answers_timer();
    let unanswered = CancelReason::UNANSWERED;
    assert_eq!(canceled(&stage), [(3, unanswered), (1, unanswered)]);
    // The venue passed over the replacement: its order is gone now, and so is what was to follow.
    stage.canceled(1);
    let orders = stage.driver.machine().orders();
    let alive: Vec<u64> = orders.alive(PRCW).map(|order| order.client).collect();
    assert!(!alive.contains(&1) && !alive.contains(&3), "{alive:?}");
}

#[test]
fn what_is_awaited_when_the_session_breaks_is_waited_for_anew() {
    let mut stage = Stage::quoting();
    stage.operator(OperatorCommand::KILL);
    stage.session(SessionPhase::DOWN, 0);
    stage.answers_timer();
    assert_eq!(stage.count(), 0, "nothing can leave");
    stage.wait(60_000);
    stage.session(SessionPhase::READY, 3);
    assert_eq!(canceled(&stage).len(), 2, "asked for anew");
    assert_eq!(latches(&stage), []);
    let begin = stage.now;
    stage.answers_timer();
    assert_eq!(stage.now, begin + Nanos::from_millis(2_000));
    assert_eq!(latches(&stage), []);
}

#[test]
fn a_mass_cancel_beyond_one_events_room_goes_on_at_the_next_turn() {
    let mut config = DeskConfig::example().expect("example");
    config.own_orders = 1 << 14;
    config.risk.max_open_orders = 1 << 12;
    let mut desk = Desk::new(&config).expect("desk");
    let now = Nanos::from_secs(1_000);
    let give = |desk: &mut Desk, event: EventRef<'_>| {
        let mut out = Outbox::default();
        desk.on_event(now, event, &mut out, &mut NoProbe);
        (out.decisions().filter(|decision| decision.get::<CancelOrder>().is_some()).count(), out)
    };
    let phase = SessionPhase::READY;
    let (sequence, next_client, session, source) = (1, 1, 0, GATEWAY);
    let ready = SessionState { sequence, next_client, session, source, phase, reason: 0, spare: 0 };
    give(&mut desk, EventRef::SessionState(&ready));
    let new = NewOrder { instrument: PRCW, side: Side::Buy, price: Ticks(9_000), qty: 1, short: false };
    for _ in 0..2_500 {
        desk.state.orders.place(now, new).expect("room");
    }
    let kill = Operator::says("ada", OperatorCommand::KILL, 0);
    let (mut canceled, mut out) = give(&mut desk, EventRef::Operator(&kill));
    for _ in 0..2 {
        let timer = out.timers().next().expect("armed");
        assert_eq!(timer.deadline, now, "at once");
        let (more, next) = give(&mut desk, EventRef::Timer(&timer));
        (canceled, out) = (canceled + more, next);
    }
    assert_eq!(canceled, 2_500);
}

/// However many orders are ours, none of them is taken for another's.
#[test]
fn more_own_orders_than_are_noted_at_once_are_not_the_market() {
    let mut config = DeskConfig::example().expect("example");
    config.risk.max_open_orders = 100;
    let mut state = State::new(&config).expect("state");
    let side = Side::Buy;
    state.books.add(PRCW, 1, side, Ticks(9_000), Lots(5)).expect("added");
    for number in 0..40_u64 {
        let (price, qty) = (Ticks(9_001 + i64::try_from(number % 20).expect("few")), 10);
        let new = NewOrder { instrument: PRCW, side, price, qty, short: false };
        let client = state.orders.place(Nanos(1), new).expect("room");
        let accepted = VenueAccepted {
            event_ns: EventNanos(0),
            client,
            venue_order: 1_000 + client,
            price,
            qty,
            instrument: PRCW,
            side: side.into(),
            live: Liveness::LIVE,
        };
        state.orders.accepted(&accepted).expect("accepted");
        state.books.add(PRCW, 1_000 + client, side, price, Lots(10)).expect("added");
    }
    let best = |state: &State| state.others(PRCW, false).0.bid.map(|level| (level.price, level.qty));
    assert_eq!(best(&state), Some((Ticks(9_000), Lots(5))));
    // A mass cancel: the venue has confirmed all of them before the market data shows one as gone.
    for client in 1..=40 {
        let spare = [0; 11];
        let answer = VenueCanceled { event_ns: EventNanos(9), client, qty: 10, reason: b'U', spare };
        state.orders.canceled(&answer).expect("cancelled");
        state.note_gone(client);
    }
    assert_eq!(best(&state), Some((Ticks(9_000), Lots(5))));
    // Somebody joins us at our best price: that is the market.
    state.books.add(PRCW, 2, side, Ticks(9_020), Lots(7)).expect("added");
    assert_eq!(best(&state), Some((Ticks(9_020), Lots(7))));
}
