use quickcheck::QuickCheck;

use super::*;
use crate::kernel::table::*;
use crate::kernel::{Liquidity, Liveness, SendOutcome};

mod contradictions;
mod doubt;
mod in_flight;

const AAPL: InstrumentId = InstrumentId(0);

fn table() -> OrderTable {
    OrderTable::new(&[Minor(1), Minor(3)], 16, 32).expect("sizes")
}

fn buy(price: i64, qty: u32) -> NewOrder {
    NewOrder { instrument: AAPL, side: Side::Buy, price: Ticks(price), qty, short: false }
}

fn accepted(client: u64, price: i64, qty: u32) -> VenueAccepted {
    VenueAccepted {
        event_ns: EventNanos(0),
        client,
        venue_order: 1000 + client,
        price: Ticks(price),
        qty,
        instrument: AAPL,
        side: Side::Buy.into(),
        live: Liveness::LIVE,
    }
}

fn replaced(client: u64, prior: u64, price: i64, qty: u32, live: Liveness) -> VenueReplaced {
    VenueReplaced {
        event_ns: EventNanos(0),
        client,
        prior,
        venue_order: 1000 + client,
        price: Ticks(price),
        qty,
        instrument: AAPL,
        side: Side::Buy.into(),
        live,
    }
}

fn executed(client: u64, match_number: u64, price: i64, qty: u32) -> VenueExecuted {
    VenueExecuted {
        event_ns: EventNanos(0),
        client,
        match_number,
        price: Ticks(price),
        qty,
        liquidity: Liquidity::ADDED,
        spare: [0; 3],
    }
}

fn canceled(client: u64, qty: u32, event_ns: i64) -> VenueCanceled {
    VenueCanceled { event_ns: EventNanos(event_ns), client, qty, reason: b'U', spare: [0; 11] }
}

fn rejected(client: u64) -> VenueRejected {
    VenueRejected { event_ns: EventNanos(0), client, reason: 1, spare: [0; 14] }
}

fn state(table: &OrderTable, client: u64) -> (OrderState, DoneCause, u32) {
    let order = table.get(client).expect("known order");
    (order.state, order.cause, order.open)
}

/// One open order that buys.
fn bought(lots: i64, money: i128) -> Exposure {
    Exposure { buy_lots: lots, sell_lots: 0, notional: money, buy_notional: money, orders: 1 }
}

/// The exposure summed anew from the orders themselves: the naive twin.
fn naive_exposure(table: &OrderTable, instrument: InstrumentId) -> Exposure {
    let mut sum = Exposure::default();
    let alive = |client: u64| table.slots.iter().find(|order| order.client == client && order.is_alive());
    let value = |order: &OwnOrder| {
        let tick_value = table.tick_values[order.instrument.index()].0;
        i128::from(order.price.0.abs()) * i128::from(tick_value) * i128::from(order.open)
    };
    for order in table.slots.iter().filter(|order| order.is_alive() && order.instrument == instrument) {
        if order.prior != 0 && alive(order.prior).is_some() {
            continue;
        }
        let next = alive(order.next);
        let lots = i64::from(next.map_or(order.open, |next| next.open.max(order.open)));
        match order.side {
            Side::Buy => sum.buy_lots += lots,
            Side::Sell => sum.sell_lots += lots,
        }
        let money = next.map_or(value(order), |next| value(next).max(value(order)));
        sum.notional += money;
        sum.buy_notional += if order.side == Side::Buy { money } else { 0 };
        sum.orders += 1;
    }
    sum
}

fn check_consistent(table: &OrderTable) {
    let mut total = Exposure::default();
    for instrument in [InstrumentId(0), InstrumentId(1)] {
        let naive = naive_exposure(table, instrument);
        assert_eq!(table.exposure(instrument), naive, "exposure of {instrument}");
        total.buy_lots += naive.buy_lots;
        total.sell_lots += naive.sell_lots;
        total.notional += naive.notional;
        total.buy_notional += naive.buy_notional;
        total.orders += naive.orders;
        let mut listed: Vec<u64> = table.alive(instrument).map(|order| order.client).collect();
        let is_here = |order: &&OwnOrder| order.is_alive() && order.instrument == instrument;
        let mut alive: Vec<u64> = table.slots.iter().filter(is_here).map(|order| order.client).collect();
        listed.sort_unstable();
        alive.sort_unstable();
        assert_eq!(listed, alive, "list of alive orders");
    }
    assert_eq!(table.total(), total, "total exposure");
    for order in &table.slots {
        if !order.is_alive() {
            assert_eq!(order.open, 0, "a done order has nothing open: {order:?}");
        } else if order.prior != 0 {
            assert_eq!(table.get(order.prior).map(|prior| prior.next), Some(order.client), "{order:?}");
        }
    }
}

#[test]
fn an_order_is_accepted_filled_in_parts_and_done() {
    let mut table = table();
    assert_eq!(table.place(Nanos(1), buy(100, 10)), Some(1));
    assert_eq!(table.exposure(AAPL), bought(10, 1000));
    table.accepted(&accepted(1, 100, 10)).expect("accepted");
    let outcome = table.executed(&executed(1, 7, 100, 4)).expect("fill");
    assert_eq!((outcome.fill.qty, outcome.excess), (4, 0));
    assert_eq!(state(&table, 1), (OrderState::Live, DoneCause::Alive, 6));
    assert_eq!(table.exposure(AAPL).buy_lots, 6);
    table.executed(&executed(1, 8, 100, 6)).expect("fill");
    assert_eq!(state(&table, 1), (OrderState::Done, DoneCause::Filled, 0));
    assert_eq!(table.total(), Exposure::default());
}

#[test]
fn a_fill_before_its_acceptance_counts_once() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 10));
    table.executed(&executed(1, 7, 100, 4)).expect("fill");
    table.accepted(&accepted(1, 100, 10)).expect("late acceptance");
    assert_eq!(state(&table, 1), (OrderState::Live, DoneCause::Alive, 6));
    assert_eq!(table.accepted(&accepted(1, 100, 10)), Err(AnswerError::Repeated));
    assert_eq!(table.executed(&executed(1, 7, 100, 4)), Err(AnswerError::Repeated));
}

#[test]
fn a_pending_replacement_counts_as_the_larger_of_the_two() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 10));
    table.accepted(&accepted(1, 100, 10)).expect("accepted");
    let replacement = table.replace(Nanos(2), 1, Ticks(99), 15).expect("replacement");
    assert_eq!(replacement, Replacement { client: 2, total: 15 });
    assert_eq!(table.exposure(AAPL), bought(15, 1485));
    // Executed meanwhile: the venue will leave 15 − 4 in the replacement.
    table.executed(&executed(1, 7, 100, 4)).expect("fill on the order that leaves");
    assert_eq!(table.exposure(AAPL).buy_lots, 11);
    table.replaced(&replaced(2, 1, 99, 11, Liveness::LIVE)).expect("replaced");
    assert_eq!(state(&table, 1), (OrderState::Done, DoneCause::Replaced, 0));
    assert_eq!(state(&table, 2), (OrderState::Live, DoneCause::Alive, 11));
    let next = table.replace(Nanos(3), 2, Ticks(98), 11).expect("replacement");
    assert_eq!(next.total, 15, "4 executed before it in the chain, and 11 to be open");
    table.rejected(&rejected(3)).expect("rejected");
    table.executed(&executed(2, 9, 99, 1)).expect("fill");
    let next = table.replace(Nanos(4), 2, Ticks(98), 11).expect("replacement");
    assert_eq!(next.total, 16, "4 and 1 executed, and 11 to be open");
}

/// OUCH 5.0, revision of October 2025, section 2.2: 500 entered, 100 executed; a replacement with 500 leaves 400, one with 600
/// leaves 500. Over the second and the third link of the chain.
#[test]
fn the_total_of_a_replacement_is_of_the_chain() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 500));
    table.accepted(&accepted(1, 100, 500)).expect("accepted");
    table.executed(&executed(1, 1, 100, 100)).expect("fill");
    let second = table.replace(Nanos(2), 1, Ticks(99), 400).expect("replacement");
    assert_eq!(second, Replacement { client: 2, total: 500 });
    table.replaced(&replaced(2, 1, 99, 400, Liveness::LIVE)).expect("replaced");
    assert_eq!(state(&table, 2), (OrderState::Live, DoneCause::Alive, 400));
    let third = table.replace(Nanos(3), 2, Ticks(98), 500).expect("replacement");
    assert_eq!(third, Replacement { client: 3, total: 600 });
    // 30 more are executed, and 20 lost to self-match prevention, before the venue takes it: 600 − 150 are left.
    table.executed(&executed(2, 2, 99, 30)).expect("fill");
    let prevented = VenueCanceled { reason: b'Q', ..canceled(2, 20, 7) };
    table.canceled(&prevented).expect("decremented");
    assert_eq!(state(&table, 2), (OrderState::PendingReplace, DoneCause::Alive, 350));
    assert_eq!(state(&table, 3), (OrderState::PendingNew, DoneCause::Alive, 450));
    table.replaced(&replaced(3, 2, 98, 450, Liveness::LIVE)).expect("replaced");
    assert_eq!(table.exposure(AAPL).buy_lots, 450);
    let fourth = table.replace(Nanos(4), 3, Ticks(97), 450).expect("replacement");
    assert_eq!(fourth.total, 600);
    table.rejected(&rejected(4)).expect("rejected");
    // What we cancelled ourselves is not used up.
    table.canceled(&canceled(3, 50, 8)).expect("reduced");
    assert_eq!(table.replace(Nanos(5), 3, Ticks(97), 400).map(|next| next.total), Some(550));
    check_consistent(&table);
}

#[test]
fn a_fill_on_a_replaced_order_reaches_the_position_and_nothing_else() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 10));
    table.accepted(&accepted(1, 100, 10)).expect("accepted");
    table.replace(Nanos(2), 1, Ticks(99), 10).expect("replacement");
    table.replaced(&replaced(2, 1, 99, 7, Liveness::LIVE)).expect("replaced");
    let outcome = table.executed(&executed(1, 7, 100, 3)).expect("late fill");
    assert_eq!((outcome.fill.qty, outcome.excess), (3, 0));
    assert_eq!(table.exposure(AAPL).buy_lots, 7);
    check_consistent(&table);
}

#[test]
fn a_refused_replacement_leaves_the_order_live() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 10));
    table.accepted(&accepted(1, 100, 10)).expect("accepted");
    table.replace(Nanos(2), 1, Ticks(99), 20).expect("replacement");
    table.rejected(&rejected(2)).expect("rejected");
    assert_eq!(state(&table, 1), (OrderState::Live, DoneCause::Alive, 10));
    assert_eq!(state(&table, 2), (OrderState::Done, DoneCause::Rejected, 0));
    assert_eq!(table.exposure(AAPL).buy_lots, 10);
    assert!(table.cancel(Nanos(9), 1));
}

#[test]
fn of_a_pending_pair_both_can_be_cancelled_whichever_the_venue_has() {
    let pair = || {
        let mut table = table();
        table.place(Nanos(1), buy(100, 10));
        table.accepted(&accepted(1, 100, 10)).expect("accepted");
        table.replace(Nanos(2), 1, Ticks(99), 20).expect("replacement");
        assert!(table.cancel(Nanos(3), 2) && table.cancel(Nanos(3), 1));
        assert!(!table.cancel(Nanos(3), 2) && !table.cancel(Nanos(3), 1), "asked for already");
        assert_eq!(table.exposure(AAPL).buy_lots, 20);
        table
    };
    // The replacement never reached the venue, or was passed over: the first order is cancelled, and the pair is gone.
    let mut first = pair();
    first.canceled(&canceled(1, 10, 5)).expect("cancelled");
    assert_eq!(state(&first, 2), (OrderState::Done, DoneCause::Inferred, 0));
    assert_eq!(first.total(), Exposure::default());
    // It took place: the first is gone, the second is cancelled.
    let mut second = pair();
    second.replaced(&replaced(2, 1, 99, 20, Liveness::LIVE)).expect("replaced");
    assert_eq!(state(&second, 1), (OrderState::Done, DoneCause::Replaced, 0));
    assert_eq!(state(&second, 2), (OrderState::PendingCancel, DoneCause::Alive, 20));
    second.canceled(&canceled(2, 20, 5)).expect("cancelled");
    assert_eq!(second.total(), Exposure::default());
    // The cancel of the first did not leave: it is to be replaced again.
    let mut third = pair();
    third.send_report(1, SendOutcome::SENT).expect("known");
    third.send_report(1, SendOutcome::FAILED).expect("known");
    assert_eq!(state(&third, 1), (OrderState::PendingReplace, DoneCause::Alive, 10));
    check_consistent(&third);
}

#[test]
fn an_overdue_answer_is_asked_for_again_and_again() {
    let mut table = table();
    let timeout = Nanos(100);
    table.place(Nanos(1), buy(100, 10));
    table.place(Nanos(50), buy(99, 10));
    assert_eq!(table.next_overdue(timeout), Some(Nanos(101)));
    assert_eq!(table.remind(1, Nanos(100), timeout), None);
    assert_eq!(table.remind(1, Nanos(101), timeout), Some(Overdue::Once));
    assert_eq!(state(&table, 1), (OrderState::PendingCancel, DoneCause::Alive, 10));
    assert_eq!(table.next_overdue(timeout), Some(Nanos(150)));
    assert_eq!(table.remind(1, Nanos(201), timeout), Some(Overdue::Again));
    // What the venue says in between begins the count anew.
    table.accepted(&accepted(1, 100, 10)).expect("accepted");
    assert_eq!(table.remind(1, Nanos(301), timeout), Some(Overdue::Once));
    assert_eq!((table.newest(AAPL), table.older(2), table.older(1)), (Some(2), Some(1), None));
    // The venue has seen the first and never the second.
    table.send_report(1, SendOutcome::SEEN).expect("known");
    table.send_report(2, SendOutcome::SENT).expect("known");
    table.send_report(2, SendOutcome::UNSEEN).expect("known");
    assert_eq!(state(&table, 2), (OrderState::Done, DoneCause::NotSent, 0));
    assert_eq!(table.send_report(1, SendOutcome::UNSEEN), Err(AnswerError::Contradiction));
    table.restart_waits(Nanos(900));
    assert_eq!(table.next_overdue(timeout), Some(Nanos(1_000)));
    table.canceled(&canceled(1, 10, 3)).expect("cancelled");
    assert_eq!(table.next_overdue(timeout), None);
    check_consistent(&table);
}

#[test]
fn a_replacement_dies_with_the_order_it_was_to_replace_and_may_come_back() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 10));
    table.accepted(&accepted(1, 100, 10)).expect("accepted");
    table.replace(Nanos(2), 1, Ticks(99), 20).expect("replacement");
    table.executed(&executed(1, 7, 100, 10)).expect("filled");
    assert_eq!(state(&table, 2), (OrderState::Done, DoneCause::Inferred, 0));
    table.replaced(&replaced(2, 1, 99, 10, Liveness::LIVE)).expect("the venue's word counts");
    assert_eq!(state(&table, 2), (OrderState::Live, DoneCause::Alive, 10));
    check_consistent(&table);
}

#[test]
fn fills_race_cancels() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 10));
    table.accepted(&accepted(1, 100, 10)).expect("accepted");
    assert!(table.cancel(Nanos(9), 1));
    assert!(!table.cancel(Nanos(9), 1), "asked for already");
    table.executed(&executed(1, 7, 100, 4)).expect("fill");
    assert_eq!(state(&table, 1), (OrderState::PendingCancel, DoneCause::Alive, 6));
    table.canceled(&canceled(1, 6, 55)).expect("cancelled");
    assert_eq!(state(&table, 1), (OrderState::Done, DoneCause::Canceled, 0));
    assert_eq!(table.canceled(&canceled(1, 6, 55)), Err(AnswerError::Repeated));
    let late = table.executed(&executed(1, 8, 100, 1)).expect("late fill is booked");
    assert_eq!((late.excess, late.contradiction), (0, Some(Contradiction::FillAfterEnd)));
    let beyond = table.executed(&executed(1, 9, 100, 8)).expect("booked all the same");
    assert_eq!(beyond.excess, 3, "13 lots of an order for 10");
}

#[test]
fn a_repeated_partial_cancel_is_known_by_its_stamp() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 10));
    table.canceled(&canceled(1, 3, 55)).expect("reduced by the venue");
    assert_eq!(table.canceled(&canceled(1, 3, 55)), Err(AnswerError::Repeated));
    assert_eq!(state(&table, 1), (OrderState::Live, DoneCause::Alive, 7));
}

#[test]
fn failed_sends_resolve_what_was_pending() {
    for outcome in [SendOutcome::EXPIRED, SendOutcome::FAILED, SendOutcome::KILLED, SendOutcome::LOST] {
        let mut table = table();
        table.place(Nanos(1), buy(100, 10));
        table.send_report(1, outcome).expect("known");
        assert_eq!(state(&table, 1), (OrderState::Done, DoneCause::NotSent, 0));

        table.place(Nanos(1), buy(100, 10));
        table.send_report(2, SendOutcome::SENT).expect("known");
        table.accepted(&accepted(2, 100, 10)).expect("accepted");
        table.replace(Nanos(2), 2, Ticks(99), 10).expect("replacement");
        table.send_report(3, outcome).expect("known");
        assert_eq!(state(&table, 2), (OrderState::Live, DoneCause::Alive, 10));

        assert!(table.cancel(Nanos(9), 2));
        table.send_report(2, outcome).expect("known");
        assert_eq!(
            state(&table, 2),
            (OrderState::Live, DoneCause::Alive, 10),
            "the cancel failed, not the order"
        );
        assert_eq!(table.send_report(99, outcome), Err(AnswerError::Unknown));
        check_consistent(&table);
    }
}

#[test]
fn a_ready_session_resolves_what_the_venue_never_saw() {
    let mut table = table();
    for _ in 0..4 {
        table.place(Nanos(1), buy(100, 10));
    }
    table.accepted(&accepted(1, 100, 10)).expect("accepted");
    assert!(table.cancel(Nanos(9), 1));
    table.session_ready(4);
    assert_eq!(state(&table, 1).0, OrderState::Live, "its cancel may be lost: to be asked for anew");
    assert_eq!(state(&table, 2).1, DoneCause::Inferred, "seen and never answered");
    assert_eq!(state(&table, 4).1, DoneCause::NotSent);
    assert_eq!(table.place(Nanos(2), buy(100, 1)), Some(5));
    table.session_ready(100);
    assert_eq!(table.place(Nanos(3), buy(100, 1)), Some(100), "numbers rise past the venue's");
    check_consistent(&table);
}

#[test]
fn a_broken_fill_is_found_once() {
    let mut table = table();
    table.place(Nanos(1), buy(100, 10));
    table.executed(&executed(1, 7, 100, 4)).expect("fill");
    table.executed(&executed(1, 8, 101, 1)).expect("fill");
    let broken =
        VenueBroken { event_ns: EventNanos(0), client: 1, match_number: 7, reason: b'E', spare: [0; 7] };
    let fill = table.broken(&broken).expect("found");
    assert_eq!((fill.qty, fill.price, fill.side), (4, Ticks(100), Side::Buy));
    assert_eq!(table.broken(&broken), Err(AnswerError::Repeated));
    assert_eq!(table.broken(&VenueBroken { match_number: 9, ..broken }), Err(AnswerError::Unknown));
}

#[test]
fn a_full_table_refuses_and_a_long_lived_order_is_passed_over() {
    let mut table = table();
    for client in 1..=16 {
        assert_eq!(table.place(Nanos(1), buy(100, 1)), Some(client));
    }
    assert_eq!(table.place(Nanos(1), buy(100, 1)), None);
    table.executed(&executed(3, 1, 100, 1)).expect("fill");
    assert_eq!(
        table.place(Nanos(1), buy(100, 1)),
        Some(35),
        "the next number whose slot is free: 3 + 2 · 16"
    );
    assert_eq!(table.get(3), None, "forgotten");
    check_consistent(&table);
}

#[test]
fn numbers_do_not_wrap() {
    let mut table = table();
    table.session_ready(u64::MAX);
    assert_eq!(table.place(Nanos(1), buy(100, 1)), None);
    assert_eq!(table.place(Nanos(1), buy(i64::MIN, 1)), None);
}

/// Any answers, for any orders, in any order: nothing panics and the sums stay right.
#[test]
fn any_answers_leave_the_table_consistent() {
    fn property(steps: Vec<(u8, u8, u8, u8)>) -> bool {
        let mut table = table();
        for (kind, who, qty, price) in steps {
            let client = u64::from(who) % (table.next_client() + 2);
            step(&mut table, kind, client, u32::from(qty % 24), i64::from(price));
            check_consistent(&table);
        }
        let bytes = {
            let mut bytes = Vec::new();
            crate::kernel::machine::write_state(&table, &mut bytes).expect("written");
            bytes
        };
        crate::kernel::machine::read_state::<OrderTable>(&bytes).expect("read") == table
    }
    QuickCheck::new().tests(2_000).quickcheck(property as fn(Vec<(u8, u8, u8, u8)>) -> bool);
}

fn step(table: &mut OrderTable, kind: u8, client: u64, qty: u32, price: i64) {
    let side = if price % 3 == 0 { Side::Sell } else { Side::Buy };
    let instrument = InstrumentId(u16::from(kind > 200));
    let (own_side, own_instrument) =
        table.get(client).map_or((side, instrument), |order| (order.side, order.instrument));
    // The outcome of a single answer is not looked at here: the consistency of the table is.
    let _ = match kind % 16 {
        0..=2 => table
            .place(Nanos(price), NewOrder { instrument, side, price: Ticks(price), qty, short: false })
            .map(|_| instrument)
            .ok_or(AnswerError::OutOfRange),
        3 | 4 => table
            .replace(Nanos(price), client, Ticks(price), qty)
            .map(|_| instrument)
            .ok_or(AnswerError::OutOfRange),
        5 => table.cancel(Nanos(9), client).then_some(instrument).ok_or(AnswerError::Repeated),
        6 | 7 => table
            .accepted(&VenueAccepted {
                side: own_side.into(),
                instrument: own_instrument,
                live: Liveness(u8::from(price % 7 != 0)),
                ..accepted(client, price, qty)
            })
            .map(|applied| applied.instrument),
        8 => table
            .replaced(&VenueReplaced {
                side: own_side.into(),
                instrument: own_instrument,
                ..replaced(client, client.saturating_sub(1 + u64::from(qty % 3)), price, qty, Liveness::LIVE)
            })
            .map(|applied| applied.instrument),
        9 | 10 => table
            .executed(&executed(client, u64::from(qty), price, qty / 3))
            .map(|outcome| outcome.fill.instrument),
        11 => table.canceled(&canceled(client, qty / 2, price)).map(|applied| applied.instrument),
        12 => table.rejected(&rejected(client)),
        13 => table.cancel_held(&VenueCancelHeld {
            event_ns: EventNanos(0),
            client,
            answer: if price % 2 == 0 { b'I' } else { b'P' },
            spare: [0; 15],
        }),
        14 => table
            .restated(&VenueRestated {
                event_ns: EventNanos(0),
                client,
                venue_order: 0,
                price: Ticks(price % 5 * 20),
                qty: if qty == 0 { u32::MAX } else { qty - 1 },
                message: b'R',
                reason: b'R',
                spare: 0,
            })
            .map(|applied| applied.instrument),
        _ if price == 77 => {
            table.session_ready(client);
            Ok(instrument)
        }
        _ if price % 16 == 8 => {
            table.doubt_all();
            Ok(instrument)
        }
        _ if price % 16 == 9 => table.conclude(client).then_some(instrument).ok_or(AnswerError::Repeated),
        _ if price % 16 == 10 => {
            let client = client + u64::from(qty);
            let answer = VenueAccepted { side: side.into(), instrument, ..accepted(client, price, qty) };
            match table.get(client).is_none() {
                true => {
                    table.adopt(Nanos(price), &answer).then_some(instrument).ok_or(AnswerError::OutOfRange)
                }
                false => table.accepted(&answer).map(|applied| applied.instrument),
            }
        }
        _ => table.send_report(client, SendOutcome(1 + u8::try_from(qty % 7).expect("small"))),
    };
}

#[test]
fn sizes_are_checked() {
    assert!(OrderTable::new(&[Minor(1)], 0, 1).is_err());
    assert!(OrderTable::new(&[Minor(1)], 16, 0).is_err());
}

/// A report names the order, not the message: this one is of a cancel that left after its order had not.
#[test]
fn the_report_of_a_sent_cancel_does_not_bring_an_order_back() {
    let mut table = table();
    let client = table.place(Nanos(1), buy(10_000, 10)).expect("a slot");
    assert!(table.cancel(Nanos(9), client));
    table.send_report(client, SendOutcome::EXPIRED).expect("known");
    table.send_report(client, SendOutcome::SENT).expect("known");
    let order = table.get(client).expect("remembered");
    assert_eq!((order.state, order.cause), (OrderState::Done, DoneCause::NotSent));
    assert_eq!(table.total(), Exposure::default());
}
