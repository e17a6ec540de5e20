//! The desk against a drop copy: what one lacks, what differs, and what a changed session needs it for.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::super::reconcile::RECONCILE_TIMER;
use super::stage::{PRCW, Stage};

const COPY: SourceId = SourceId(3);

impl Stage {
    fn copy_state(&mut self, phase: SessionPhase, session: u32) {
        self.give(&DropCopyState { sequence: 1, session, source: COPY, phase, reason: 0, missing: 0 });
    }

    fn beat(&mut self) {
        self.copy_state(SessionPhase::READY, 0);
    }

    fn copied(&mut self, client: u64, match_number: u64, price: i64, qty: u32) {
        self.copied_execution(client, match_number, price, qty, 0);
    }

    fn copied_execution(&mut self, client: u64, match_number: u64, price: i64, qty: u32, broken: u8) {
        self.give(&DropCopyExecution {
            event_ns: EventNanos(1),
            client,
            match_number,
            price: Ticks(price),
            qty,
            instrument: PRCW,
            side: if client.is_multiple_of(2) { SideCode::BUY } else { SideCode::SELL },
            liquidity: Liquidity::ADDED,
            broken,
            reason: 0,
            source: COPY,
            spare: 0,
        });
    }

    fn copied_order(&mut self, letter: u8, client: u64, prior: u64, qty: u32) {
        self.give(&DropCopyOrder {
            event_ns: EventNanos(1),
            client,
            prior,
            venue_order: 0,
            price: Ticks(0),
            qty,
            instrument: PRCW,
            side: SideCode::UNKNOWN,
            live: Liveness::LIVE,
            message: letter,
            reason: 0,
            source: COPY,
            spare: 0,
        });
    }

    /// A desk that quotes, and a drop copy that has shown both orders.
    fn copying() -> Self {
        let mut stage = Self::new();
        stage.copy_state(SessionPhase::CATCHING_UP, 0);
        stage.open();
        stage.book(9_999, 10_001);
        for (client, side, price) in [(1, Side::Sell, 10_001), (2, Side::Buy, 9_999)] {
            stage.accept(client, side, price);
            stage.copied_order(b'A', client, 0, 100);
        }
        stage
    }

    /// Waits past the grace and lets the timer of the reconciliation fire, where it is armed.
    fn after_grace(&mut self) {
        self.wait(2_001);
        self.decisions.clear();
        let timers: Vec<Timer> = self.driver.outbox().timers().next().into_iter().collect();
        assert!(!timers.is_empty());
        while let Some(timer) = self.driver.due(self.now) {
            let mine = timer.key == RECONCILE_TIMER;
            self.give(&timer);
            if mine {
                return;
            }
        }
    }

    fn breaks(&self) -> Vec<(u8, u64)> {
        self.all::<PositionBreak>().iter().map(|found| (found.what, found.match_number)).collect()
    }

    fn frozen(&self) -> bool {
        self.driver.machine().is_frozen(PRCW)
    }
}

/// The marks of its messages are no market data.
#[test]
fn a_drop_copy_is_no_feed() {
    let mut stage = Stage::copying();
    stage.mark_of(COPY, 3_000_000_000);
    assert_eq!(stage.count(), 0);
    stage.mark(0);
    stage.move_to(9_999, 10_001);
    assert!(stage.all::<CancelOrder>().is_empty());
}

#[test]
fn what_both_have_is_no_break_whichever_was_first() {
    let mut stage = Stage::copying();
    stage.fill(2, 70, 9_999, 40);
    stage.copied(2, 70, 9_999, 40);
    stage.copied(2, 71, 9_999, 10);
    stage.fill(2, 71, 9_999, 10);
    stage.after_grace();
    assert!(stage.breaks().is_empty() && !stage.frozen());
    // The same again, as after another login.
    stage.copied(2, 70, 9_999, 40);
    stage.after_grace_none();
    assert!(!stage.frozen());
}

impl Stage {
    fn after_grace_none(&mut self) {
        self.wait(2_001);
        while let Some(timer) = self.driver.due(self.now) {
            self.give(&timer);
            assert!(self.breaks().is_empty());
        }
    }
}

#[test]
fn an_execution_that_our_book_lacks_freezes_and_its_fill_releases() {
    let mut stage = Stage::copying();
    stage.copied(2, 70, 9_999, 40);
    assert!(stage.breaks().is_empty(), "the other connection may be slower");
    stage.after_grace();
    let found = stage.only::<PositionBreak>();
    assert_eq!((found.what, found.match_number, found.client), (1, 70, 2));
    assert_eq!((found.our_qty, found.their_qty, found.their_price), (0, 40, Ticks(9_999)));
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
    stage.move_to(9_998, 10_002);
    assert!(stage.frozen() && stage.all::<PlaceOrder>().is_empty());
    // A plain rearm changes nothing while they differ.
    stage.operator(OperatorCommand::REARM);
    assert_eq!(stage.only::<LatchHeld>().control, Control::POSITION_BREAK);
    stage.fill(2, 70, 9_999, 40);
    assert_eq!(stage.breaks(), [(0, 0)]);
    assert!(!stage.frozen());
}

#[test]
fn a_fill_that_the_drop_copy_lacks_freezes_while_that_is_connected() {
    let mut stage = Stage::copying();
    stage.fill(2, 70, 9_999, 40);
    stage.copy_state(SessionPhase::DOWN, 0);
    stage.after_grace_none();
    stage.copy_state(SessionPhase::CATCHING_UP, 0);
    stage.after_grace();
    assert_eq!(stage.breaks(), [(2, 70)]);
    stage.copied(2, 70, 9_999, 40);
    assert_eq!(stage.breaks(), [(0, 0)]);
}

#[test]
fn lots_or_price_that_differ_freeze_until_the_position_is_stated() {
    for (price, qty) in [(9_999, 41), (9_998, 40)] {
        let mut stage = Stage::copying();
        stage.fill(2, 70, 9_999, 40);
        stage.copied(2, 70, price, qty);
        let found = stage.only::<PositionBreak>();
        assert_eq!((found.what, found.our_qty, found.their_qty), (3, 40, qty));
        assert_eq!((found.our_price, found.their_price), (Ticks(9_999), Ticks(price)));
        stage.state_position(41, Some(9_999));
        assert!(stage.frozen(), "until somebody rearms");
        stage.operator(OperatorCommand::REARM);
        assert_eq!(stage.breaks(), [(0, 0)]);
        assert!(!stage.frozen());
    }
}

#[test]
fn a_break_that_only_the_drop_copy_has_freezes() {
    let mut stage = Stage::copying();
    stage.fill(2, 70, 9_999, 40);
    stage.copied(2, 70, 9_999, 40);
    stage.copied_execution(2, 70, 0, 0, 1);
    stage.after_grace();
    assert_eq!(stage.breaks(), [(4, 70)]);
    stage.give(&VenueBroken {
        event_ns: EventNanos(0),
        client: 2,
        match_number: 70,
        reason: b'E',
        spare: [0; 7],
    });
    assert_eq!(stage.breaks(), [(0, 0)]);
    assert_eq!(stage.only::<PositionChanged>().position, Lots(0));
}

#[test]
fn without_a_drop_copy_nothing_waits() {
    let mut stage = Stage::quoting();
    stage.fill(2, 70, 9_999, 40);
    stage.after_grace_none();
    assert!(!stage.frozen());
}

/// The lost session had said two fills, and that the other order was cancelled.
#[test]
fn after_a_changed_session_the_drop_copy_books_what_was_lost_and_releases_the_latch() {
    for copy_first in [true, false] {
        let mut stage = Stage::copying();
        stage.session(SessionPhase::DOWN, 0);
        let lost = |stage: &mut Stage| {
            stage.copied(2, 70, 9_999, 60);
            stage.copied(2, 71, 9_999, 40);
            stage.copied_order(b'C', 1, 0, 100);
        };
        if copy_first {
            lost(&mut stage);
        }
        stage.changed();
        assert_eq!(stage.latch(), Control::SESSION_CHANGE);
        if copy_first {
            assert_eq!(stage.all::<PositionChanged>().len(), 2);
            assert_eq!(stage.in_doubt(), [(1, 100, 0), (2, 100, 0), (1, 100, 1)], "2 was executed in full");
        } else {
            lost(&mut stage);
        }
        stage.session(SessionPhase::CATCHING_UP, 0);
        stage.session(SessionPhase::READY, 3);
        let machine = stage.driver.machine();
        assert_eq!(machine.holding(PRCW).map(|holding| holding.position()), Some(Lots(100)));
        assert_eq!(stage.open_lots(), (0, 0));
        stage.beat();
        assert_eq!(stage.latch(), Control::SESSION_CHANGE, "the first heartbeat may have been on its way");
        stage.beat();
        let released = stage.only::<KillLatched>();
        assert_eq!((released.released, released.operator.as_str()), (1, "drop copy"));
        assert_eq!(stage.latch(), Control::NONE);
        stage.after_grace_none();
    }
}

/// What is missing may be an execution of an order in doubt: the latch stays until positions were stated.
#[test]
fn a_drop_copy_that_lacks_messages_releases_no_latch() {
    for missing in [0, 499] {
        let mut stage = Stage::copying();
        stage.session(SessionPhase::DOWN, 0);
        stage.changed();
        let phase = SessionPhase::CATCHING_UP;
        stage.give(&DropCopyState { sequence: 500, session: 0, source: COPY, phase, reason: 0, missing });
        for client in [1, 2] {
            stage.copied_order(b'C', client, 0, 100);
        }
        stage.session(SessionPhase::CATCHING_UP, 0);
        stage.session(SessionPhase::READY, 3);
        stage.beat();
        stage.beat();
        let latch = if missing == 0 { Control::NONE } else { Control::SESSION_CHANGE };
        assert_eq!(stage.latch(), latch, "{missing}");
    }
}

/// The order session may be down for longer than an execution may be missing.
#[test]
fn a_break_of_the_lost_session_is_none_once_it_is_booked() {
    let mut stage = Stage::copying();
    stage.session(SessionPhase::DOWN, 0);
    stage.copied(2, 70, 9_999, 60);
    stage.after_grace();
    assert!(stage.frozen());
    stage.changed();
    assert_eq!(stage.breaks(), [(0, 0)]);
    assert!(!stage.frozen());
}

#[test]
fn an_order_that_the_drop_copy_never_shows_never_was() {
    let mut stage = Stage::new();
    stage.copy_state(SessionPhase::CATCHING_UP, 0);
    stage.open();
    stage.book(9_999, 10_001);
    stage.another_session(3);
    stage.beat();
    assert_eq!(stage.in_doubt(), []);
    stage.beat();
    assert_eq!(stage.in_doubt(), [(1, 100, 1), (2, 100, 1)]);
    assert_eq!(stage.latch(), Control::NONE);
}

#[test]
fn a_drop_copy_of_another_day_proves_nothing_about_orders_of_the_last() {
    let mut stage = Stage::quoting();
    stage.wait(1);
    stage.copy_state(SessionPhase::CATCHING_UP, 7);
    stage.another_session(1);
    for _ in 0..5 {
        stage.beat();
    }
    assert_eq!(stage.latch(), Control::SESSION_CHANGE);
    stage.state_position(0, None);
    stage.operator(OperatorCommand::REARM);
    assert_eq!(stage.latch(), Control::NONE);
}

#[test]
fn an_order_that_rests_by_the_drop_copy_stays_in_doubt() {
    let mut stage = Stage::copying();
    stage.another_session(3);
    (0..5).for_each(|_| stage.beat());
    assert_eq!(stage.latch(), Control::SESSION_CHANGE);
    // Cancelled in the new session, in part: the drop copy has the rest.
    stage.canceled(1);
    stage.give(&VenueCanceled { event_ns: EventNanos(9), client: 2, qty: 70, reason: b'U', spare: [0; 11] });
    stage.copied_order(b'C', 1, 0, 100);
    stage.copied_order(b'C', 2, 0, 70);
    assert_eq!(stage.latch(), Control::SESSION_CHANGE);
    stage.copied(2, 70, 9_999, 30);
    assert_eq!(stage.latch(), Control::NONE);
    let machine = stage.driver.machine();
    assert_eq!(machine.holding(PRCW).map(|holding| holding.position()), Some(Lots(30)));
}

/// A replacement whose answer was lost rests in the place of its order.
#[test]
fn a_replacement_that_the_drop_copy_shows_took_its_orders_place() {
    let mut stage = Stage::copying();
    stage.wait(1_000);
    stage.mark(0);
    stage.move_to(9_997, 9_999);
    let replacements = stage.all::<ReplaceOrder>();
    let moved = replacements.first().copied().expect("a quote is moved");
    stage.session(SessionPhase::DOWN, 0);
    stage.copied_order(b'U', moved.client, moved.prior, 100);
    stage.changed();
    let orders = stage.driver.machine().orders();
    assert!(!orders.get(moved.prior).expect("remembered").is_alive());
    assert!(orders.get(moved.client).expect("remembered").is_alive(), "it rests");
    assert_eq!(orders.get(moved.client).map(|order| order.doubt), Some(true));
}

#[test]
fn a_kill_behind_a_changed_session_is_not_released_by_the_drop_copy() {
    let mut stage = Stage::new();
    stage.copy_state(SessionPhase::CATCHING_UP, 0);
    stage.open();
    stage.book(9_999, 10_001);
    stage.another_session(3);
    stage.operator(OperatorCommand::KILL);
    stage.beat();
    stage.beat();
    assert_eq!(stage.in_doubt(), [(1, 100, 1), (2, 100, 1)]);
    assert_eq!(stage.latch(), Control::SESSION_CHANGE, "an operator asked for it too");
    stage.operator(OperatorCommand::REARM);
    assert_eq!(stage.latch(), Control::NONE);
}
