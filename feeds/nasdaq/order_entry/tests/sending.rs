//! Decisions to requests: what leaves, what does not, and what stops everything.

use super::*;

#[test]
fn orders_leave_as_ouch_and_are_reported_sent() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.decide(&order(2, TimeInForce::IOC)).unwrap();
    bench.decide(&order(3, TimeInForce::POST_ONLY)).unwrap();
    bench.decide(&cancellation(1)).unwrap();
    let expected = [
        "LoggedIn",
        "enter 1 B300@1000100 tif 0",
        "enter 2 B300@1000100 tif 3",
        "enter 3 B300@1000100 tif 0 post-only",
        "cancel 1 to 0",
    ];
    assert_eq!(bench.requests, expected);
    assert_eq!(bench.take(), ["sent 1", "sent 2", "sent 3", "sent 1"]);
    assert_eq!(bench.live(), [(1, 300), (2, 300), (3, 300)]);
}

/// OUCH 5.0, Enter Order, Side: `T` is a short sale, `E` one that is exempt.
#[test]
fn short_sales_are_marked() {
    let mut bench = Bench::ready();
    for (client, side) in [(1, SideCode::SELL), (2, SideCode::SELL_SHORT), (3, SideCode::SELL_SHORT_EXEMPT)] {
        bench.decide(&PlaceOrder { side, ..order(client, TimeInForce::DAY) }).unwrap();
    }
    assert_eq!(
        bench.requests[1..],
        ["enter 1 S300@1000100 tif 0", "enter 2 T300@1000100 tif 0", "enter 3 E300@1000100 tif 0"]
    );
    let mut bench = Bench::ready();
    let unknown = PlaceOrder { side: SideCode(9), ..order(1, TimeInForce::DAY) };
    assert_eq!(bench.decide(&unknown), Err(DecisionError::Order));
}

#[test]
fn while_latched_only_cancels_leave() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.gateway.latch();
    bench.decide(&order(2, TimeInForce::DAY)).unwrap();
    bench.decide(&replacement(3, 1)).unwrap();
    bench.decide(&cancellation(1)).unwrap();
    assert_eq!(bench.take(), ["sent 1", "killed 2", "killed 3", "sent 1"]);
    assert_eq!(bench.requests[2..], ["cancel 1 to 0"]);
}

#[test]
fn the_machine_sets_and_releases_the_latch_by_its_decision() {
    let mut bench = Bench::ready();
    let mut latch = KillLatched {
        value: 0,
        limit: 0,
        control: Control::DAILY_LOSS,
        released: 0,
        spare: [0; 5],
        operator: Text::default(),
    };
    bench.decide(&latch).unwrap();
    assert!(bench.gateway.is_latched());
    latch.released = 1;
    bench.decide(&latch).unwrap();
    assert!(!bench.gateway.is_latched());
    bench.decide(&order(4, TimeInForce::DAY)).unwrap();
    assert_eq!(bench.take(), ["sent 4"]);
}

#[test]
fn an_order_that_waited_too_long_is_not_sent() {
    let mut bench = Bench::ready();
    bench.now = SECOND + 1;
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    assert_eq!(bench.take(), ["expired 1"]);
    assert_eq!(bench.requests, ["LoggedIn"]);
    assert_eq!(bench.live(), []);
}

#[test]
fn what_cannot_be_sent_is_reported_failed_with_its_reason() {
    let mut bench = Bench::new(config());
    assert_eq!(bench.decide(&order(1, TimeInForce::DAY)), Err(DecisionError::NotReady));
    assert_eq!(bench.decide(&cancellation(1)), Err(DecisionError::NotReady));
    bench.connect();
    bench.take();
    let far = 1 << 32;
    assert_eq!(bench.decide(&order(far, TimeInForce::DAY)), Err(DecisionError::ClientNumber(far)));
    let elsewhere = PlaceOrder { instrument: InstrumentId(3), ..order(1, TimeInForce::DAY) };
    assert_eq!(bench.decide(&elsewhere), Err(DecisionError::Instrument(InstrumentId(3))));
    let negative = PlaceOrder { price: Ticks(-1), ..order(1, TimeInForce::DAY) };
    assert_eq!(bench.decide(&negative), Err(DecisionError::Order));
    assert_eq!(bench.decide(&order(1, TimeInForce(0))), Err(DecisionError::Order));
    assert_eq!(
        bench.take(),
        [format!("failed {far}"), "failed 1".into(), "failed 1".into(), "failed 1".into()]
    );
    for client in 1..=3 {
        bench.decide(&order(client, TimeInForce::DAY)).unwrap();
    }
    assert_eq!(bench.decide(&order(4, TimeInForce::DAY)), Err(DecisionError::TableFull));
    assert_eq!(bench.requests.len(), 4);
}

#[test]
fn a_full_send_buffer_fails_the_order_and_leaves_no_trace() {
    let mut bench = Bench::ready();
    let mut sink = RecordBuf::default();
    let mut results = Vec::new();
    bench.gateway.answers = Answers::new(
        SOURCE,
        SessionDay::fixed(DAY),
        Instrument::table(&config().instruments).unwrap(),
        LiveOrders::new(100, &[]),
        Vec::new(),
        Numbers::default(),
    );
    bench.gateway.answers.enter(SessionPhase::READY, 0);
    for client in 1..20 {
        let order = order(client, TimeInForce::DAY);
        results.push(bench.gateway.on_decision(Nanos(100), 77, (&order).into(), &mut sink));
    }
    let sent = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(sent, 512 / 50, "each takes 3 bytes of SoupBinTCP and 47 of OUCH");
    assert!(matches!(results[sent], Err(DecisionError::SendBuffer(_))));
    assert_eq!(bench.gateway.live_orders().len(), sent);
}

#[test]
fn a_decision_without_room_for_its_report_is_offered_again() {
    let mut bench = Bench::ready();
    bench.sink.room = ANSWER_CELLS - 1;
    assert_eq!(bench.decide(&order(1, TimeInForce::DAY)), Err(DecisionError::NotTaken));
    assert_eq!(bench.live(), []);
    bench.sink.room = 100;
    assert_eq!(bench.decide(&order(1, TimeInForce::DAY)), Ok(()));
    assert_eq!(bench.take(), ["sent 1"]);
}

#[test]
fn everything_live_is_cancelled_without_the_machine() {
    let mut bench = Bench::ready();
    for client in 1..=3 {
        bench.decide(&order(client, TimeInForce::DAY)).unwrap();
    }
    bench.answer(&canceled(2, 300));
    bench.gateway.latch();
    assert_eq!(bench.gateway.cancel_all(Nanos(200)), 2);
    bench.run();
    assert_eq!(bench.requests[4..], ["cancel 1 to 0", "cancel 3 to 0"]);
}

#[test]
fn numbers_are_written_for_the_eye() {
    assert_eq!(client_text(0).as_str(), "0");
    assert_eq!(client_text(1234).as_str(), "1234");
    assert_eq!(client_text(u32::MAX).as_str(), "4294967295");
}

#[test]
fn behind_the_highest_number_nothing_leaves() {
    let mut bench = Bench::new(config());
    bench.next_client = u32::MAX;
    bench.connect();
    let (last, beyond) = (u64::from(u32::MAX), u64::from(u32::MAX) + 1);
    bench.decide(&order(last, TimeInForce::DAY)).unwrap();
    bench.answer(&accepted(u32::MAX, 300, b'L'));
    bench.take();
    // The venue has none left: what it accepted is neither unseen nor of a numbering that began anew.
    bench.gateway.on_disconnected(&mut bench.sink);
    bench.next_client = 0;
    bench.connect();
    assert_eq!(bench.take().last().map(String::as_str), Some("ready next 4294967296"));
    assert_eq!(bench.live(), [(u32::MAX, 300)]);
    let not_rising = DecisionError::NotRising { number: 1, highest: u32::MAX };
    assert_eq!(bench.decide(&order(1, TimeInForce::DAY)), Err(not_rising));
    assert_eq!(bench.decide(&order(beyond, TimeInForce::DAY)), Err(DecisionError::ClientNumber(beyond)));
    assert_eq!(bench.take(), ["failed 1".to_owned(), format!("failed {beyond}")]);
}
