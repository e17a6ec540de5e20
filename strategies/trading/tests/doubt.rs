//! Sessions that begin anew, answers that cannot be used, orders that nobody knew, and what releases the latch.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::super::DeskConfig;
use super::records::GATEWAY;
use super::stage::{PRCW, Stage};

impl Stage {
    pub(super) fn changed(&mut self) {
        self.give(&SessionChanged {
            wanted: 40,
            found: 1,
            before: 0,
            session: 1,
            source: GATEWAY,
            spare: [0; 6],
        });
    }

    fn goes_on_at(&mut self, wanted: u64, found: u64) {
        let (before, session, source, spare) = (u32::MAX, 0, GATEWAY, [0; 6]);
        self.give(&SessionChanged { wanted, found, before, session, source, spare });
    }

    fn unread(&mut self, client: u64, letter: u8, follows: u8) {
        let mut bytes = VenueUnread::BYTES;
        bytes[0] = letter;
        self.give(&VenueUnread {
            position: 7,
            client,
            len: 1,
            offset: 0,
            reason: RejectReason::UNKNOWN_TYPE,
            source: GATEWAY,
            kept: 1,
            letter,
            follows,
            text: Text::excerpt("OUCH: what is it"),
            bytes,
        });
    }

    pub(super) fn state_position(&mut self, lots: i64, price: Option<i64>) {
        self.give(&PositionStated {
            position: Lots(lots),
            price: Ticks(price.unwrap_or(0)),
            instrument: PRCW,
            priced: u8::from(price.is_some()),
            spare: [0; 5],
            operator: Text::excerpt("ada"),
        });
    }

    pub(super) fn in_doubt(&self) -> Vec<(u64, u32, u8)> {
        self.all::<OrderInDoubt>().iter().map(|order| (order.client, order.open, order.resolved)).collect()
    }

    /// Down and up again in another session, whose venue says which number is next.
    pub(super) fn another_session(&mut self, next_client: u64) {
        self.session(SessionPhase::DOWN, 0);
        self.changed();
        self.session(SessionPhase::CATCHING_UP, 0);
        self.session(SessionPhase::READY, next_client);
    }

    pub(super) fn latch(&self) -> Control {
        self.driver.machine().latched_by()
    }

    pub(super) fn open_lots(&self) -> (i64, i64) {
        let exposure = self.driver.machine().orders().exposure(PRCW);
        (exposure.buy_lots, exposure.sell_lots)
    }
}

#[test]
fn another_session_names_the_orders_latches_and_cancels_them() {
    let mut stage = Stage::quoting();
    stage.session(SessionPhase::DOWN, 0);
    stage.changed();
    assert_eq!(stage.in_doubt(), [(1, 100, 0), (2, 100, 0)]);
    let kill = stage.only::<KillLatched>();
    assert_eq!((kill.control, kill.value, kill.released), (Control::SESSION_CHANGE, 2, 0));
    stage.session(SessionPhase::CATCHING_UP, 0);
    // The account query says that number 2 never arrived, although the venue had accepted it: numbering began anew.
    stage.session(SessionPhase::READY, 2);
    let cancels = stage.all::<CancelOrder>();
    assert_eq!(cancels.iter().map(|cancel| cancel.client).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(stage.open_lots(), (100, 100), "what may have been executed counts in every limit");
    assert!(stage.all::<PlaceOrder>().is_empty());
}

#[test]
fn a_plain_rearm_does_not_release_it_and_says_why() {
    let mut stage = Stage::quoting();
    stage.another_session(3);
    stage.operator(OperatorCommand::REARM);
    let held = stage.only::<LatchHeld>();
    assert_eq!((held.orders, held.instruments, held.instrument), (2, 1, PRCW));
    assert_eq!((held.control, held.operator.as_str()), (Control::SESSION_CHANGE, "ada"));
    assert!(held.text.as_str().contains("operator position SYMBOL QTY"), "{}", held.text);
    assert_eq!((stage.latch(), stage.all::<PlaceOrder>().len()), (Control::SESSION_CHANGE, 0));
    // Cancelled in full on the new session: nothing of them is missing, and still something may be.
    stage.canceled(1);
    stage.canceled(2);
    stage.operator(OperatorCommand::REARM);
    assert_eq!((stage.only::<LatchHeld>().orders, stage.latch()), (0, Control::SESSION_CHANGE));
}

#[test]
fn a_stated_position_and_a_rearm_release_it() {
    let mut stage = Stage::quoting();
    stage.another_session(3);
    stage.state_position(-40, Some(10_001));
    let changed = stage.only::<PositionChanged>();
    assert_eq!((changed.client, changed.fill, changed.position), (0, Lots(-40), Lots(-40)));
    assert_eq!((changed.price, changed.cost, changed.fees), (Ticks(10_001), Minor(-400_040), Minor(0)));
    assert_eq!(stage.in_doubt(), [(2, 100, 2), (1, 100, 2)]);
    assert_eq!(stage.open_lots(), (0, 0));
    assert_eq!(stage.latch(), Control::SESSION_CHANGE, "a statement alone releases nothing");
    stage.operator(OperatorCommand::REARM);
    let released = stage.only::<KillLatched>();
    assert_eq!((released.control, released.released), (Control::SESSION_CHANGE, 1));
    assert!(!stage.all::<PlaceOrder>().is_empty(), "it quotes again");
}

#[test]
fn a_position_is_stated_at_the_mark_where_no_price_is_said() {
    let mut stage = Stage::quoting();
    stage.fill(2, 70, 9_999, 40);
    stage.state_position(50, None);
    let changed = stage.only::<PositionChanged>();
    assert_eq!((changed.fill, changed.position, changed.price), (Lots(10), Lots(50), Ticks(10_000)));
    let mut other = stage.driver.machine().holding(PRCW).expect("there").clone();
    assert_eq!(other.fills(), 1, "a statement is no fill");
    assert!(other.restate(Lots(i64::MAX), Ticks(1)).is_err());
    stage.give(&PositionStated {
        position: Lots(1),
        price: Ticks(0),
        instrument: InstrumentId(99),
        priced: 0,
        spare: [0; 5],
        operator: Text::default(),
    });
    assert_eq!(stage.only::<Rejected>().reason, RejectReason::OUT_OF_RANGE);
}

#[test]
fn an_end_that_was_seen_is_a_clean_slate_where_nothing_was_alive() {
    let mut stage = Stage::quoting();
    stage.fill(1, 70, 10_001, 100);
    stage.operator(OperatorCommand::STOP);
    for client in [2, 3] {
        stage.canceled(client);
    }
    stage.session(SessionPhase::ENDED, 0);
    stage.operator(OperatorCommand::START);
    stage.another_session(1);
    assert_eq!(stage.latch(), Control::NONE);
    // Without the end, the same is a latch: whatever was traded may have been changed.
    stage.session(SessionPhase::DOWN, 0);
    stage.changed();
    assert_eq!(stage.latch(), Control::SESSION_CHANGE);
}

#[test]
fn an_end_does_not_excuse_an_order_that_was_alive() {
    let mut stage = Stage::quoting();
    stage.session(SessionPhase::ENDED, 0);
    stage.changed();
    assert_eq!(stage.only::<KillLatched>().value, 2);
}

/// Stopped by an operator with everything confirmed gone, or killed: the next morning's first start.
#[test]
fn the_next_morning_begins_latched_unless_the_desk_was_stopped_with_nothing_left() {
    for (stopped, alive) in [(true, false), (true, true), (false, true), (false, false)] {
        let mut stage = Stage::quoting();
        stage.fill(1, 70, 10_001, 100);
        if stopped {
            stage.operator(OperatorCommand::STOP);
        } else {
            stage.operator(OperatorCommand::KILL);
        }
        if !alive {
            (2..=3).for_each(|client| stage.canceled(client));
        }
        if !stopped {
            stage.operator(OperatorCommand::REARM);
        }
        let alive = stage.driver.machine().orders().total().orders > 0;
        stage.operator(OperatorCommand::START);
        stage.changed();
        let latched = stage.latch() == Control::SESSION_CHANGE;
        assert_eq!(latched, !stopped || alive, "stopped {stopped}, alive {alive}");
    }
}

#[test]
fn the_first_session_of_a_desk_that_never_traded_changes_nothing() {
    let mut stage = Stage::new();
    stage.changed();
    assert_eq!(stage.latch(), Control::NONE);
    // Unless the session that it joins holds answers that it will never see.
    stage.goes_on_at(1, 50);
    assert_eq!(stage.latch(), Control::SESSION_CHANGE);
    stage.operator(OperatorCommand::REARM);
    assert_eq!(stage.only::<LatchHeld>().instruments, 2);
}

#[test]
fn an_earlier_latch_does_not_hide_a_changed_session() {
    let mut stage = Stage::quoting();
    stage.operator(OperatorCommand::KILL);
    stage.another_session(3);
    assert_eq!(stage.latch(), Control::KILL_LATCH);
    stage.operator(OperatorCommand::REARM);
    assert_eq!(stage.only::<LatchHeld>().control, Control::KILL_LATCH);
    assert_eq!(stage.latch(), Control::KILL_LATCH);
}

/// What a journal of an earlier version may hold, and what an operator may mistype: no number of it stops the desk.
#[test]
fn a_stated_position_beyond_all_numbers_is_a_dead_letter() {
    let most = 1 << 40;
    for before in [-1, 0, 1] {
        for (position, price) in [
            (i64::MAX, None),
            (i64::MIN, None),
            (i64::MAX, Some(10_000)),
            (most + 1, Some(1)),
            (-most - 1, Some(1)),
            // Each by itself is in range, and the worth of both is beyond 64 bits.
            (most, Some(1 << 32)),
            (-most, Some(1 << 32)),
            (5, Some(i64::MAX)),
            (5, Some(i64::MIN)),
        ] {
            let mut stage = Stage::quoting();
            let state = |position, price: Option<i64>| PositionStated {
                position: Lots(position),
                price: Ticks(price.unwrap_or(0)),
                instrument: PRCW,
                priced: u8::from(price.is_some()),
                spare: [0; 5],
                operator: Text::excerpt("ann"),
            };
            stage.give(&state(before, Some(10_000)));
            stage.give(&state(position, price));
            assert_eq!(stage.only::<Rejected>().reason, RejectReason::OUT_OF_RANGE, "{before} {position}");
            assert!(stage.all::<PositionChanged>().is_empty());
            let held = |stage: &Stage| stage.driver.machine().holding(PRCW).expect("known").position();
            assert_eq!(held(&stage), Lots(before));
            // It goes on: fills are booked, and the status says what is held.
            stage.fill(2, 70, 9_999, 40);
            assert_eq!(held(&stage), Lots(before + 40));
            stage.give(&state(most, Some(10_000)));
            assert_eq!(stage.only::<PositionChanged>().position, Lots(most), "the largest that is taken");
            stage.give(&state(-most, Some(1)));
            assert_eq!(stage.only::<PositionChanged>().fill, Lots(-2 * most));
            stage.status_timer();
        }
    }
}

#[test]
fn what_cannot_be_read_latches_and_is_a_dead_letter() {
    for (client, letter, follows) in [(0, b'Z', 0), (2, b'E', 0), (2, b'E', 1)] {
        let mut stage = Stage::quoting();
        stage.unread(client, letter, follows);
        let refused = stage.only::<Rejected>();
        assert_eq!((refused.position, refused.text.as_str()), (7, "OUCH: what is it"));
        assert_eq!(stage.only::<KillLatched>().control, Control::UNREAD_ANSWER);
        assert_eq!(stage.all::<CancelOrder>().len(), 2);
    }
}

#[test]
fn every_answer_that_belongs_to_no_order_latches() {
    let event_ns = EventNanos(0);
    let answers: [fn(&mut Stage, EventNanos); 5] = [
        |stage, _| stage.canceled(99),
        |stage, event_ns| stage.give(&VenueRejected { event_ns, client: 99, reason: 5, spare: [0; 14] }),
        |stage, event_ns| stage.give(&VenueCancelHeld { event_ns, client: 99, answer: b'I', spare: [0; 15] }),
        // A side that is not the order's, and a refusal of an order that was accepted.
        |stage, _| {
            stage.session(SessionPhase::READY, 0);
            stage.accept(1, Side::Buy, 10_001);
        },
        |stage, event_ns| stage.give(&VenueRejected { event_ns, client: 1, reason: 5, spare: [0; 14] }),
    ];
    for (index, answer) in answers.iter().enumerate() {
        let mut stage = Stage::quoting();
        answer(&mut stage, event_ns);
        assert_eq!(stage.latch(), Control::UNREAD_ANSWER, "answer {index}");
        assert_eq!(stage.all::<Rejected>().len(), 1, "answer {index}");
        stage.operator(OperatorCommand::REARM);
        assert_eq!(stage.latch(), Control::NONE, "an operator who has looked at it may go on");
    }
}

/// Order 1 is an ask of 100 lots at 10 001, order 2 a bid of 100 at 9 999.
#[test]
fn an_answer_that_contradicts_its_order_is_booked_where_it_is_a_fact_and_always_latches() {
    let canceled = |client, qty, event_ns| {
        let (event_ns, spare) = (EventNanos(event_ns), [0; 11]);
        VenueCanceled { event_ns, client, qty, reason: b'U', spare }
    };
    let restated = |price, qty| VenueRestated {
        event_ns: EventNanos(0),
        client: 2,
        venue_order: 0,
        price: Ticks(price),
        qty,
        message: b'M',
        reason: 0,
        spare: 0,
    };
    type Case = (&'static str, Box<dyn Fn(&mut Stage)>, i64, Control, usize);
    let cases: Vec<Case> = vec![
        ("worse bid", Box::new(|s| s.fill(2, 70, 10_004, 10)), 10, Control::UNREAD_ANSWER, 1),
        ("worse ask", Box::new(|s| s.fill(1, 70, 10_000, 10)), -10, Control::UNREAD_ANSWER, 1),
        ("price 0", Box::new(|s| s.fill(2, 70, 0, 10)), 10, Control::UNREAD_ANSWER, 1),
        ("price below 0", Box::new(|s| s.fill(2, 70, -1, 10)), 10, Control::UNREAD_ANSWER, 1),
        ("better bid", Box::new(|s| s.fill(2, 70, 9_990, 10)), 10, Control::NONE, 0),
        (
            "match number with other lots",
            Box::new(|s| {
                s.fill(2, 70, 9_999, 10);
                s.fill(2, 70, 9_999, 20);
            }),
            10,
            Control::UNREAD_ANSWER,
            1,
        ),
        ("cancel of 5 000", Box::new(move |s| s.give(&canceled(2, 5_000, 9))), 0, Control::UNREAD_ANSWER, 1),
        (
            "30 and 20 filled, 50 cancelled, 50 filled",
            Box::new(move |s| {
                s.fill(2, 70, 9_999, 30);
                s.fill(2, 71, 9_999, 20);
                s.give(&canceled(2, 50, 9));
                assert_eq!(s.latch(), Control::NONE);
                s.fill(2, 72, 9_999, 50);
            }),
            100,
            Control::UNREAD_ANSWER,
            1,
        ),
        (
            "cancel after the last fill",
            Box::new(move |s| {
                s.fill(2, 70, 9_999, 100);
                s.give(&canceled(2, 100, 9));
            }),
            100,
            Control::UNREAD_ANSWER,
            1,
        ),
        ("more open", Box::new(move |s| s.give(&restated(0, 200))), 0, Control::UNREAD_ANSWER, 1),
        ("worse price", Box::new(move |s| s.give(&restated(10_000, u32::MAX))), 0, Control::UNREAD_ANSWER, 1),
        ("better price", Box::new(move |s| s.give(&restated(9_998, u32::MAX))), 0, Control::NONE, 0),
    ];
    for (name, play, position, control, letters) in cases {
        let mut stage = Stage::quoting();
        let before = stage.driver.machine().dead_letters();
        play(&mut stage);
        let desk = stage.driver.machine();
        assert_eq!(desk.holding(PRCW).expect("there").position(), Lots(position), "{name}");
        assert_eq!(desk.latched_by(), control, "{name}");
        assert_eq!(desk.dead_letters() - before, letters as u64, "{name}");
        if letters > 0 {
            let letter = stage.only::<Rejected>();
            assert_eq!((letter.reason, letter.source), (RejectReason::CONTRADICTION, GATEWAY), "{name}");
            assert!(stage.all::<PlaceOrder>().is_empty(), "{name}");
        }
    }
}

#[test]
fn an_acceptance_of_more_or_dearer_than_was_asked_for_latches() {
    for (price, qty, control) in [
        (9_999, 100, Control::NONE),
        (9_998, 100, Control::NONE),
        (10_000, 100, Control::UNREAD_ANSWER),
        (9_999, 101, Control::UNREAD_ANSWER),
        (9_999, 99, Control::UNREAD_ANSWER),
    ] {
        let mut stage = Stage::new();
        stage.open();
        stage.book(9_999, 10_001);
        stage.give(&VenueAccepted {
            event_ns: EventNanos(0),
            client: 2,
            venue_order: 1_002,
            price: Ticks(price),
            qty,
            instrument: PRCW,
            side: SideCode::BUY,
            live: Liveness::LIVE,
        });
        assert_eq!(stage.latch(), control, "{qty} at {price}");
        assert_eq!(stage.open_lots().0, i64::from(qty), "what the venue says counts");
    }
}

#[test]
fn an_unknown_order_that_rests_is_counted_cancelled_and_latches() {
    let mut stage = Stage::quoting();
    stage.accept(50, Side::Buy, 9_990);
    let kill = stage.only::<KillLatched>();
    assert_eq!((kill.control, kill.value), (Control::UNKNOWN_ORDER, 50));
    let cancels = stage.all::<CancelOrder>();
    assert_eq!(cancels.iter().map(|cancel| cancel.client).collect::<Vec<_>>(), [50, 2, 1]);
    assert_eq!(stage.open_lots(), (200, 100));
    stage.fill(50, 9, 9_990, 30);
    assert_eq!(stage.only::<PositionChanged>().position, Lots(30), "its fills are booked");
    // Its place may be taken, or the venue may speak of it in another way: the number is enough to cancel it.
    stage.give(&VenueRestated {
        event_ns: EventNanos(0),
        client: 60,
        venue_order: 5,
        price: Ticks(0),
        qty: 10,
        message: b'M',
        reason: 0,
        spare: 0,
    });
    assert_eq!(stage.only::<CancelOrder>().client, 60);
    stage.unread(61, b'A', 0);
    assert_eq!(stage.only::<CancelOrder>().client, 61);
}

#[test]
fn an_unknown_replacement_takes_the_known_order_out() {
    let mut stage = Stage::quoting();
    stage.give(&VenueReplaced {
        event_ns: EventNanos(0),
        client: 70,
        prior: 2,
        venue_order: 5,
        price: Ticks(9_998),
        qty: 80,
        instrument: PRCW,
        side: SideCode::BUY,
        live: Liveness::LIVE,
    });
    assert_eq!(stage.open_lots(), (80, 100));
    assert_eq!(stage.latch(), Control::UNKNOWN_ORDER);
}

#[test]
fn a_break_of_a_fill_whose_order_is_long_forgotten_is_booked() {
    let mut config = DeskConfig::example().expect("example");
    config.own_orders = 16;
    config.risk.max_open_orders = 4;
    config.risk.max_rejects = 1_000;
    let mut stage = Stage::with(&config);
    stage.open();
    stage.book(9_999, 10_001);
    stage.accept(1, Side::Sell, 10_001);
    stage.fill(1, 70, 10_001, 100);
    for _ in 0..40 {
        for order in stage.all::<PlaceOrder>() {
            let (event_ns, client) = (EventNanos(0), order.client);
            stage.give(&VenueRejected { event_ns, client, reason: 5, spare: [0; 14] });
        }
        // Refusals in series wait up to a minute.
        stage.wait(60_000);
        stage.mark(0);
        stage.move_to(9_999, 10_001);
    }
    assert!(stage.driver.machine().orders().get(1).is_none(), "its slot is used again");
    stage.give(&VenueBroken {
        event_ns: EventNanos(0),
        client: 1,
        match_number: 70,
        reason: b'E',
        spare: [0; 7],
    });
    assert_eq!(stage.only::<PositionChanged>().position, Lots(0));
    assert!(stage.all::<KillLatched>().is_empty());
}
