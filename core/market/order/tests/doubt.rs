//! What is kept, given up and counted when answers may be lost.

use super::*;

/// Orders 1 to 4: resting, on its way, resting with a cancel asked for, and never sent.
fn four() -> OrderTable {
    let mut table = table();
    for _ in 0..4 {
        table.place(Nanos(1), buy(100, 10)).expect("a slot");
    }
    table.accepted(&accepted(1, 100, 10)).expect("accepted");
    table.accepted(&accepted(3, 100, 10)).expect("accepted");
    assert!(table.cancel(Nanos(9), 3));
    table
}

/// OUCH 5.0, Account Query: the answer tells the next number and nothing else.
#[test]
fn after_a_changed_session_only_what_never_arrived_is_done() {
    let mut table = four();
    assert_eq!(table.doubt_all(), 4);
    assert_eq!(table.session_ready(4), 0);
    assert_eq!(state(&table, 1), (OrderState::Live, DoneCause::Alive, 10));
    assert_eq!(state(&table, 2), (OrderState::PendingNew, DoneCause::Alive, 10));
    assert_eq!(state(&table, 3), (OrderState::Live, DoneCause::Alive, 10));
    assert_eq!(state(&table, 4), (OrderState::Done, DoneCause::NotSent, 0));
    assert_eq!(table.exposure(AAPL).buy_lots, 30, "each that may have been executed counts");
    assert_eq!(table.in_doubt().map(|order| order.client).collect::<Vec<_>>(), [1, 2, 3]);
    // Another connection of the new session proves nothing about the old one.
    assert_eq!(table.session_ready(5), 0);
    assert_eq!(table.in_doubt().count(), 3);
    assert!((1..=3).all(|client| table.cancel(Nanos(9), client)), "each can be cancelled");
    check_consistent(&table);
}

#[test]
fn a_numbering_that_began_anew_says_nothing_about_older_orders() {
    let mut table = four();
    table.doubt_all();
    assert_eq!(table.session_ready(1), 0);
    assert_eq!(table.in_doubt().count(), 4, "the venue had spoken of number 3");
    let next = table.place(Nanos(2), buy(100, 10)).expect("a slot");
    assert_eq!(table.session_ready(1), 0);
    assert_eq!(
        state(&table, next),
        (OrderState::Done, DoneCause::NotSent, 0),
        "the new numbering counts now"
    );
    assert_eq!(table.in_doubt().count(), 4);
}

/// Number 1 is next: nothing ever arrived, or everything did, under the numbering before.
#[test]
fn a_numbering_in_which_nothing_was_used_judges_no_order_in_doubt() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 10)).expect("a slot");
    table.doubt_all();
    table.session_ready(1);
    assert_eq!(table.in_doubt().count(), 1);
}

#[test]
fn a_numbering_that_begins_anew_within_a_session_puts_orders_in_doubt() {
    let mut table = four();
    assert_eq!(table.session_ready(1), 4);
    assert_eq!(table.in_doubt().count(), 4);
}

#[test]
fn an_order_in_doubt_ends_by_a_full_cancel_or_by_what_is_said_elsewhere() {
    let mut table = four();
    table.doubt_all();
    table.session_ready(4);
    table.canceled(&canceled(1, 6, 5)).expect("cancelled");
    assert_eq!(table.get(1).map(|order| (order.open, order.doubt)), Some((4, true)), "4 lots are missing");
    table.canceled(&canceled(3, 10, 5)).expect("cancelled");
    assert_eq!(state(&table, 3), (OrderState::Done, DoneCause::Canceled, 0));
    assert!(table.conclude(1) && table.conclude(2) && !table.conclude(3));
    assert_eq!((table.in_doubt().count(), table.total()), (0, Exposure::default()));
    // The one that was thought gone is not.
    let fill = table.executed(&executed(1, 9, 100, 2)).expect("booked whatever was said");
    assert_eq!((fill.fill.qty, fill.fill.side), (2, Side::Buy));
    check_consistent(&table);
}

#[test]
fn both_ends_of_a_replacement_in_doubt_can_be_cancelled_and_count_once() {
    let mut table = table();
    let prior = table.place(Nanos(1), buy(100, 10)).expect("a slot");
    table.accepted(&accepted(prior, 100, 10)).expect("accepted");
    let new = table.replace(Nanos(2), prior, Ticks(101), 12).expect("live").client;
    table.doubt_all();
    table.session_ready(3);
    assert_eq!(table.exposure(AAPL).buy_lots, 12, "the venue has the one or the other");
    assert!(table.cancel(Nanos(9), prior) && table.cancel(Nanos(9), new));
    table.canceled(&canceled(new, 12, 5)).expect("the replacement had arrived");
    assert_eq!((table.total().orders, table.in_doubt().count()), (0, 0));
    check_consistent(&table);
}

#[test]
fn an_unknown_order_that_rests_is_taken_in_and_counted() {
    let mut table = four();
    let answer = accepted(9, 100, 7);
    assert_eq!(table.accepted(&answer), Err(AnswerError::Unknown));
    assert!(table.adopt(Nanos(3), &answer));
    assert_eq!(
        (state(&table, 9), table.exposure(AAPL).buy_lots),
        ((OrderState::Live, DoneCause::Alive, 7), 47)
    );
    assert_eq!(table.next_client(), 10, "numbers rise past it");
    table.executed(&executed(9, 1, 100, 7)).expect("its fill is booked");
    // Number 17 would lie where number 1 rests.
    assert!(!table.adopt(Nanos(3), &accepted(17, 100, 7)));
    assert_eq!(state(&table, 1), (OrderState::Live, DoneCause::Alive, 10));
    check_consistent(&table);
}

/// The table has 16 slots: number 17 takes the place of number 1.
#[test]
fn a_broken_trade_is_found_by_its_match_when_the_orders_slot_was_reused() {
    let mut table = table();
    for client in 1..=17 {
        assert_eq!(table.place(Nanos(1), buy(100, 10)), Some(client));
        table.executed(&executed(client, 500 + client, 100, 10)).expect("filled");
    }
    assert_eq!(table.get(1), None, "forgotten");
    let broken = |client, match_number| VenueBroken {
        event_ns: EventNanos(0),
        client,
        match_number,
        reason: b'E',
        spare: [0; 7],
    };
    let fill = table.broken(&broken(1, 501)).expect("known by its match");
    assert_eq!((fill.client, fill.qty, fill.price), (1, 10, Ticks(100)));
    assert_eq!(table.broken(&broken(1, 501)), Err(AnswerError::Repeated));
    assert_eq!(table.broken(&broken(1, 999)), Err(AnswerError::Unknown));
    assert_eq!(
        table.broken(&broken(99, 502)).map(|fill| fill.client),
        Ok(2),
        "named by another of its chain"
    );
    // The same fill again, of an order that is forgotten.
    assert_eq!(table.executed(&executed(1, 501, 100, 10)), Err(AnswerError::Repeated));
    assert_eq!(
        table.executed(&executed(1, 502, 100, 10)),
        Err(AnswerError::Unknown),
        "another order's match"
    );
}

#[test]
fn a_numbering_that_began_anew_does_not_end_an_order_in_doubt() {
    let mut table = four();
    table.doubt_all();
    table.session_ready(1);
    table.send_report(2, SendOutcome::SENT).expect("known");
    table.send_report(2, SendOutcome::UNSEEN).expect("said, and of no use");
    assert_eq!(state(&table, 2), (OrderState::PendingNew, DoneCause::Alive, 10));
    check_consistent(&table);
}
