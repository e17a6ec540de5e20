//! The venue's answers to records, and the table of live orders behind them.

use super::*;

#[test]
fn answers_become_records_and_the_table_follows_them() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.answer(&accepted(1, 300, b'L'));
    bench.answer(&executed(1, 100, 1_000_000));
    bench.decide(&replacement(2, 1)).unwrap();
    assert_eq!(bench.live(), [(1, 200), (2, 200)]);
    bench.answer(&ouch::OrderReplaced {
        message_type: ouch::OrderReplaced::TYPE,
        timestamp: U64::new(7),
        original: U32::new(1),
        user_ref_num: U32::new(2),
        side: b'B',
        quantity: U32::new(100),
        symbol: Alpha::new("ACME").unwrap(),
        price: U64::new(1_000_200),
        time_in_force: b'0',
        display: b'Y',
        order_reference: U64::new(1002),
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        order_state: b'L',
        client_order: Alpha::BLANK,
    });
    bench.answer(&canceled(2, 40));
    assert_eq!(bench.live(), [(2, 60)]);
    bench.answer(&executed(2, 60, 1_000_200));
    assert_eq!(bench.live(), []);
    let expected = [
        "sent 1",
        "mark 2",
        "accepted 1 300@10001 live",
        "mark 3",
        "executed 1 100@10000",
        "sent 2",
        "mark 4",
        "replaced 1 by 2 100@10002",
        "mark 5",
        "canceled 2 40 U",
        "mark 6",
    ];
    let found = bench.take();
    assert_eq!(found[..11], expected);
}

#[test]
fn an_execution_carries_stamp_match_and_liquidity() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.answer(&executed(1, 100, 1_000_000));
    let record = bench.sink.records.iter().last().unwrap();
    let expected = VenueExecuted {
        event_ns: EventNanos(DAY + 6),
        client: 1,
        match_number: 55,
        price: Ticks(10_000),
        qty: 100,
        liquidity: Liquidity::ADDED,
        spare: [0; 3],
    };
    assert_eq!(record.get::<VenueExecuted>(), Some(&expected));
}

#[test]
fn the_rarer_answers_become_records_too() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.take();
    let (timestamp, user_ref_num) = (U64::new(9), U32::new(1));
    bench.answer(&ouch::SystemEvent { message_type: b'S', timestamp, event_code: b'S' });
    bench.answer(&ouch::CancelPending { message_type: b'P', timestamp, user_ref_num });
    bench.answer(&ouch::CancelReject { message_type: b'I', timestamp, user_ref_num });
    bench.answer(&ouch::BrokenTrade {
        message_type: b'B',
        timestamp,
        user_ref_num,
        match_number: U64::new(55),
        reason: b'E',
        client_order: Alpha::BLANK,
    });
    bench.answer(&ouch::OrderModified {
        message_type: b'M',
        timestamp,
        user_ref_num,
        side: b'B',
        quantity: U32::new(250),
    });
    bench.answer(&ouch::OrderPriorityUpdate {
        message_type: b'T',
        timestamp,
        user_ref_num,
        price: U64::new(1_000_300),
        display: b'Y',
        order_reference: U64::new(4),
    });
    bench.answer(&ouch::AiqCanceled {
        message_type: b'D',
        timestamp,
        user_ref_num,
        quantity: U32::new(50),
        reason: b'Q',
        prevented: U32::new(50),
        execution_price: U64::new(1_000_300),
        liquidity: b'A',
        strategy: b'N',
    });
    assert_eq!(bench.live(), [(1, 200)]);
    let found: Vec<String> = bench.take().into_iter().filter(|word| !word.starts_with("mark")).collect();
    let expected = [
        "day S",
        "held 1 P",
        "held 1 I",
        "broken 1 55",
        "restated 1 M 250@0",
        "restated 1 T 4294967295@10003",
        "canceled 1 50 Q",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_refused_or_dead_order_leaves_the_table() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.decide(&order(2, TimeInForce::DAY)).unwrap();
    bench.answer(&rejected(1));
    bench.answer(&accepted(2, 300, b'D'));
    assert_eq!(bench.live(), []);
}

#[test]
fn answers_wait_for_room_and_none_is_lost() {
    let mut bench = Bench::ready();
    bench.sink.room = 0;
    for client in 1..=20 {
        bench.answer(&rejected(client));
    }
    assert!(bench.sink.records.is_empty());
    while bench.gateway.position().1 < bench.log.next_sequence() {
        bench.sink.room = ANSWER_CELLS;
        bench.run();
    }
    let rejections = bench.take().into_iter().filter(|word| word.starts_with("rejected")).count();
    assert_eq!(rejections, 20);
    assert_eq!(bench.gateway.counters().refused, 0);
}

#[test]
fn a_price_off_the_grid_is_reported_and_the_fill_still_counts() {
    let mut bench = Bench::ready();
    bench.decide(&order(1, TimeInForce::DAY)).unwrap();
    bench.take();
    bench.answer(&executed(1, 100, 1_000_050));
    assert_eq!(bench.take(), ["mark 2", "unread 2 out_of_range of 1", "executed 1 100@10000"]);
}

#[test]
fn a_replacement_on_its_way_leaves_with_its_order() {
    let order = |client, prior| LiveOrder { client, instrument: ACME, side: SideCode::BUY, open: 10, prior };
    let mut orders = LiveOrders::new(8, &[order(1, 0), order(2, 0), order(3, 1), order(4, 3)]);
    orders.reduce(1, 10);
    assert_eq!(orders.as_slice(), [order(2, 0)]);
}
