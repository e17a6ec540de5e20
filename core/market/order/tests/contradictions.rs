//! Answers that an order cannot have. What is allowed and what is not is OUCH 5.0's: messages of an order come in sequence, its
//! acceptance first and at a price that is as good as the one asked for or better; a cancel names the lots just taken off.

use super::*;
use crate::kernel::SideCode;

/// Order 1 rests: ten lots, bought at 100 or less.
fn resting() -> OrderTable {
    let mut table = table();
    table.place(Nanos(1), buy(100, 10)).expect("a slot");
    assert_eq!(table.accepted(&accepted(1, 100, 10)), Ok(AAPL.into()));
    table
}

fn restated(client: u64, price: i64, qty: u32) -> VenueRestated {
    VenueRestated {
        event_ns: EventNanos(0),
        client,
        venue_order: 0,
        price: Ticks(price),
        qty,
        message: b'M',
        reason: 0,
        spare: 0,
    }
}

fn said(outcome: Result<Applied, AnswerError>) -> Option<Contradiction> {
    outcome.expect("applied").contradiction
}

#[test]
fn a_fill_at_a_price_that_the_order_excludes_is_booked_and_said() {
    for (side, price, expected) in [
        (Side::Buy, 100, None),
        (Side::Buy, 99, None),
        (Side::Buy, 101, Some(Contradiction::FillBeyondLimit)),
        (Side::Buy, 0, Some(Contradiction::FillWithoutPrice)),
        (Side::Buy, -1, Some(Contradiction::FillWithoutPrice)),
        (Side::Sell, 101, None),
        (Side::Sell, 99, Some(Contradiction::FillBeyondLimit)),
    ] {
        let mut table = table();
        table.place(Nanos(1), NewOrder { side, ..buy(100, 10) }).expect("a slot");
        let outcome = table.executed(&executed(1, 7, price, 4)).expect("a fact");
        assert_eq!((outcome.contradiction, outcome.excess), (expected, 0), "{side:?} {price}");
        assert_eq!(table.get(1).map(|order| (order.filled, order.open)), Some((4, 6)));
    }
}

/// A venue may show an order at a better price than its limit, and execute it at its limit nevertheless.
#[test]
fn a_better_price_of_the_venue_does_not_move_the_limit() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 10)).expect("a slot");
    assert_eq!(said(table.accepted(&accepted(1, 98, 10))), None);
    assert_eq!(said(table.restated(&restated(1, 100, u32::MAX))), None);
    assert_eq!(table.executed(&executed(1, 7, 100, 4)).expect("fill").contradiction, None);
    assert_eq!(said(table.restated(&restated(1, 101, u32::MAX))), Some(Contradiction::PriceBeyondLimit));
}

#[test]
fn a_match_number_again_with_other_lots_or_another_price_is_no_repeat() {
    let mut table = resting();
    table.executed(&executed(1, 7, 100, 4)).expect("fill");
    assert_eq!(table.executed(&executed(1, 7, 100, 4)), Err(AnswerError::Repeated));
    assert_eq!(table.executed(&executed(1, 7, 100, 5)), Err(AnswerError::Contradiction));
    assert_eq!(table.executed(&executed(1, 7, 99, 4)), Err(AnswerError::Contradiction));
    assert_eq!(table.get(1).map(|order| order.filled), Some(4));
    // Also of an order that is forgotten: sixteen numbers later its slot is another's.
    table.executed(&executed(1, 8, 100, 6)).expect("fill");
    for client in 2..=17 {
        table.place(Nanos(1), buy(100, 1)).expect("a slot");
        table.executed(&executed(client, 100 + client, 100, 1)).expect("fill");
    }
    assert!(table.get(1).is_none());
    assert_eq!(table.executed(&executed(1, 7, 100, 4)), Err(AnswerError::Repeated));
    assert_eq!(table.executed(&executed(1, 7, 100, 5)), Err(AnswerError::Contradiction));
    // The two sides of one match may both be ours.
    assert_eq!(table.place(Nanos(1), buy(100, 1)), Some(18));
    assert!(table.executed(&executed(18, 8, 100, 1)).is_ok());
}

#[test]
fn a_cancel_of_more_lots_than_are_open_is_said() {
    let mut table = resting();
    assert_eq!(said(table.canceled(&canceled(1, 5_000, 5))), Some(Contradiction::CancelBeyondOpen));
    assert_eq!(state(&table, 1), (OrderState::Done, DoneCause::Canceled, 0));
    assert_eq!(table.canceled(&canceled(1, 5_000, 5)), Err(AnswerError::Repeated));
    assert_eq!(table.canceled(&canceled(1, 4_000, 5)), Err(AnswerError::Contradiction), "the same stamp");
    // Refused, or replaced: then it did not rest, and cannot have been cancelled.
    let mut refused = self::table();
    refused.place(Nanos(1), buy(100, 10)).expect("a slot");
    refused.rejected(&rejected(1)).expect("rejected");
    assert_eq!(refused.canceled(&canceled(1, 10, 5)), Err(AnswerError::Contradiction));
    let mut replaced_one = resting();
    let next = replaced_one.replace(Nanos(2), 1, Ticks(99), 20).expect("a replacement");
    let answer = replaced(next.client, 1, 99, 20, Liveness::LIVE);
    replaced_one.replaced(&answer).expect("replaced");
    assert_eq!(replaced_one.canceled(&canceled(1, 5, 5)), Err(AnswerError::Contradiction));
    assert_eq!(table.canceled(&canceled(1, 1, 6)), Err(AnswerError::Contradiction), "nothing was left");
    let mut filled = resting();
    filled.executed(&executed(1, 7, 100, 10)).expect("filled");
    assert_eq!(filled.canceled(&canceled(1, 10, 5)), Err(AnswerError::Contradiction));
    let mut part = resting();
    assert_eq!(said(part.canceled(&canceled(1, 4, 5))), None);
    assert_eq!(part.canceled(&canceled(1, 0, 6)), Err(AnswerError::OutOfRange));
    assert_eq!(said(part.canceled(&canceled(1, 7, 7))), Some(Contradiction::CancelBeyondOpen));
    // Accepted without resting, and then cancelled in so many words.
    let mut dead = self::table();
    dead.place(Nanos(1), buy(100, 10)).expect("a slot");
    dead.accepted(&VenueAccepted { live: Liveness::DEAD, ..accepted(1, 100, 10) }).expect("accepted");
    assert_eq!(dead.canceled(&canceled(1, 10, 5)), Err(AnswerError::Repeated));
}

/// 30 and 20 of 100 lots executed, 50 cancelled: none is left that could be executed.
#[test]
fn a_fill_after_the_order_ended_is_booked_and_said() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 100)).expect("a slot");
    table.accepted(&accepted(1, 100, 100)).expect("accepted");
    for (number, lots) in [(1, 30), (2, 20)] {
        let outcome = table.executed(&executed(1, number, 100, lots)).expect("fill");
        assert_eq!(outcome.contradiction, None);
    }
    assert_eq!(said(table.canceled(&canceled(1, 50, 5))), None);
    let late = table.executed(&executed(1, 3, 100, 50)).expect("a fact");
    assert_eq!((late.fill.qty, late.contradiction), (50, Some(Contradiction::FillAfterEnd)));
    let mut refused = self::table();
    refused.place(Nanos(1), buy(100, 10)).expect("a slot");
    refused.rejected(&rejected(1)).expect("rejected");
    let fill = refused.executed(&executed(1, 3, 100, 5)).expect("a fact");
    assert_eq!(fill.contradiction, Some(Contradiction::FillAfterEnd));
    check_consistent(&refused);
    // One that was only thought never to have arrived did arrive.
    let mut unsent = self::table();
    unsent.place(Nanos(1), buy(100, 10)).expect("a slot");
    unsent.send_report(1, SendOutcome::LOST).expect("known");
    assert_eq!(unsent.executed(&executed(1, 3, 100, 5)).expect("fill").contradiction, None);
}

#[test]
fn an_acceptance_of_something_else_is_said() {
    let cases: [(VenueAccepted, Option<Contradiction>); 6] = [
        (accepted(1, 100, 10), None),
        (accepted(1, 99, 10), None),
        (accepted(1, 101, 10), Some(Contradiction::PriceBeyondLimit)),
        (accepted(1, 0, 10), Some(Contradiction::PriceBeyondLimit)),
        (accepted(1, 100, 11), Some(Contradiction::OtherLots)),
        (accepted(1, 100, 9), Some(Contradiction::OtherLots)),
    ];
    for (answer, expected) in cases {
        let mut table = table();
        table.place(Nanos(1), buy(100, 10)).expect("a slot");
        assert_eq!(said(table.accepted(&answer)), expected, "{answer:?}");
        assert_eq!(table.exposure(AAPL).buy_lots, i64::from(answer.qty), "what the venue says counts");
        assert_eq!(table.accepted(&answer), Err(AnswerError::Repeated));
        let other = VenueAccepted { venue_order: 7, ..answer };
        assert_eq!(table.accepted(&other), Err(AnswerError::Contradiction));
    }
    let mut refused = table();
    refused.place(Nanos(1), buy(100, 10)).expect("a slot");
    refused.rejected(&rejected(1)).expect("rejected");
    assert_eq!(said(refused.accepted(&accepted(1, 100, 10))), Some(Contradiction::AcceptedAfterEnd));
    assert_eq!(refused.exposure(AAPL).buy_lots, 10);
    let mut gone = table();
    gone.place(Nanos(1), buy(100, 10)).expect("a slot");
    gone.canceled(&canceled(1, 10, 5)).expect("cancelled before it was accepted");
    assert_eq!(said(gone.accepted(&accepted(1, 100, 10))), Some(Contradiction::AcceptedAfterEnd));
}

#[test]
fn a_replacement_by_something_else_is_said() {
    let pair = || {
        let mut table = resting();
        table.replace(Nanos(2), 1, Ticks(99), 20).expect("replacement");
        table
    };
    let live = Liveness::LIVE;
    for (answer, expected) in [
        (replaced(2, 1, 99, 20, live), None),
        (replaced(2, 1, 98, 20, live), None),
        (replaced(2, 1, 100, 20, live), Some(Contradiction::PriceBeyondLimit)),
        (replaced(2, 1, 99, 30, live), Some(Contradiction::OtherLotsLeft)),
        (replaced(2, 1, 99, 13, live), Some(Contradiction::OtherLotsLeft)),
        (replaced(2, 9, 99, 20, live), Some(Contradiction::OtherPrior)),
    ] {
        let mut table = pair();
        assert_eq!(said(table.replaced(&answer)), expected, "{answer:?}");
        assert_eq!(table.exposure(AAPL).buy_lots, i64::from(answer.qty));
        check_consistent(&table);
    }
    let sold = VenueReplaced { side: SideCode::SELL, ..replaced(2, 1, 99, 20, live) };
    assert_eq!(pair().replaced(&sold), Err(AnswerError::Contradiction));
    assert_eq!(said(pair().accepted(&accepted(2, 99, 20))), Some(Contradiction::OtherPrior));
    let mut new = table();
    new.place(Nanos(1), buy(100, 10)).expect("a slot");
    assert_eq!(said(new.replaced(&replaced(1, 9, 100, 10, live))), Some(Contradiction::OtherPrior));
    // Fewer are left where answers are lost: that is in doubt already.
    let mut doubtful = pair();
    doubtful.doubt_all();
    assert_eq!(said(doubtful.replaced(&replaced(2, 1, 99, 13, live))), None);
}

/// One order of the other side met two of ours: what was taken off ours has one stamp.
#[test]
fn cancels_of_other_lots_under_one_stamp_are_two() {
    let mut table = resting();
    assert_eq!(said(table.canceled(&canceled(1, 6, 5))), None);
    assert_eq!(said(table.canceled(&canceled(1, 3, 5))), None);
    assert_eq!(state(&table, 1), (OrderState::Live, DoneCause::Alive, 1));
    assert_eq!(table.canceled(&canceled(1, 3, 5)), Err(AnswerError::Repeated));
    check_consistent(&table);
}

#[test]
fn a_change_that_nobody_asked_for_and_that_adds_is_said() {
    let mut table = resting();
    assert_eq!(said(table.restated(&restated(1, 0, 8))), None);
    assert_eq!(said(table.restated(&restated(1, 0, 9))), Some(Contradiction::MoreOpen));
    assert_eq!(table.exposure(AAPL).buy_lots, 9);
    assert_eq!(said(table.restated(&restated(1, -5, u32::MAX))), Some(Contradiction::PriceBeyondLimit));
    table.canceled(&canceled(1, 9, 5)).expect("cancelled");
    assert_eq!(table.restated(&restated(1, 0, 9)), Err(AnswerError::Contradiction), "it is gone");
    assert_eq!(table.rejected(&rejected(1)), Err(AnswerError::Contradiction), "cancelled, then refused");
    // What was thought never to have arrived rests.
    let mut unsent = self::table();
    unsent.place(Nanos(1), buy(100, 10)).expect("a slot");
    unsent.send_report(1, SendOutcome::LOST).expect("known");
    assert_eq!(said(unsent.restated(&restated(1, 99, u32::MAX))), None);
    assert_eq!(state(&unsent, 1), (OrderState::Live, DoneCause::Alive, 10));
    check_consistent(&unsent);
    // And with more lots than it was for.
    let mut grown = self::table();
    grown.place(Nanos(1), buy(100, 10)).expect("a slot");
    grown.send_report(1, SendOutcome::LOST).expect("known");
    assert_eq!(said(grown.restated(&restated(1, 99, 50))), Some(Contradiction::MoreOpen));
}

/// A dead letter has room for 80 bytes of text.
#[test]
fn every_contradiction_says_all_that_it_has_to_say() {
    use Contradiction::*;
    let all = [
        FillBeyondLimit,
        FillWithoutPrice,
        FillAfterEnd,
        PriceBeyondLimit,
        OtherLots,
        OtherLotsLeft,
        OtherPrior,
        AcceptedAfterEnd,
        CancelBeyondOpen,
        MoreOpen,
    ];
    all.iter().for_each(|each| assert!(each.text().len() <= 80, "{}", each.text()));
}
