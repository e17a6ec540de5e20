use std::collections::BTreeMap;

use pricewright_core::kernel::{InstrumentId, Lots, Nanos, Side};
use pricewright_core::market::matching::SelfMatch;
use pricewright_feeds::nasdaq::ouch::{Response, decode_response};
use pricewright_feeds::nasdaq::soupbintcp::Password;
use pricewright_feeds::nasdaq::{Alpha, MessageStore};
use quickcheck::{Arbitrary, Gen};

use super::{AccountId, Exchange};
use crate::sim::testing::{
    POST_ONLY, PlainBook, START, cancel, enter, enter_in, line, modify, opened, replace, symbol,
};
use crate::testing::seeded;

fn log_in(exchange: &mut Exchange, name: &str) -> AccountId {
    exchange.log_in(Alpha::new(name).expect("short"), password("secret")).expect("a login")
}

fn password(text: &str) -> Password {
    Password(Alpha::new(text).expect("short"))
}

fn lines_from(exchange: &Exchange, account: AccountId, sequence: u64) -> Vec<String> {
    exchange.answers(account).expect("an account").from(sequence).map(line).collect()
}

/// An exchange without flow or opening orders of `DEMO` between $90 and $110, and a participant.
fn quiet() -> (Exchange, AccountId) {
    let mut exchange = opened(1, 0);
    let account = log_in(&mut exchange, "first");
    (exchange, account)
}

/// Runs requests over the opening book of seed 1 and gives the answers in lines, without the start of the day.
fn answers(requests: &[Vec<u8>]) -> Vec<String> {
    let (mut exchange, account) = quiet();
    requests.iter().for_each(|request| exchange.request(account, request));
    check_book(&exchange);
    lines_from(&exchange, account, 2)
}

/// The book that the published messages make is the exchange's, order by order.
fn check_book(exchange: &Exchange) -> PlainBook {
    let book = PlainBook::of(exchange.tape().from(1));
    assert_eq!(book.book(), exchange.book());
    book
}

#[test]
fn a_session_begins_and_ends_as_itch_has_it() {
    let mut exchange = opened(1, 1000);
    exchange.advance(START + Nanos::from_millis(100)).expect("a flow never fails");
    exchange.close(START + Nanos::from_millis(100));
    let events: Vec<(char, char)> = exchange
        .tape()
        .from(1)
        .filter(|message| matches!(message[0], b'S' | b'R' | b'H' | b'Y'))
        .map(|message| {
            (char::from(message[0]), if message[0] == b'S' { char::from(message[11]) } else { ' ' })
        })
        .collect();
    let (r, h, y) = (('R', ' '), ('H', ' '), ('Y', ' '));
    let wanted = [('S', 'O'), r, r, h, y, h, y, ('S', 'S'), ('S', 'Q'), ('S', 'M'), ('S', 'E'), ('S', 'C')];
    assert_eq!(events, wanted);
    assert_eq!(
        exchange.tape().message(exchange.tape().len()).map(|last| (last[0], last[11])),
        Some((b'S', b'C'))
    );
    // 14:30 UTC is 52,200 s after midnight.
    let stamp = exchange.tape().message(1).map(|first| first[5..11].to_vec()).expect("a first message");
    assert_eq!(stamp.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)), 52_200_000_000_000);
    check_book(&exchange);
}

#[test]
fn the_same_seed_and_times_give_the_same_tape_whatever_the_steps() {
    let tape = |seed, steps: &[i64]| {
        let mut exchange = opened(seed, 5000);
        let mut now = START;
        for step in steps.iter().cycle() {
            now = (now + Nanos(*step)).min(START + Nanos::from_millis(500));
            exchange.advance(now).expect("a flow never fails");
            if now == START + Nanos::from_millis(500) {
                break;
            }
        }
        exchange.tape().from(1).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let first = tape(3, &[1_000_000]);
    assert!(first.len() > 2000, "{}", first.len());
    assert!(first == tape(3, &[70_000, 990_000, 1]));
    assert!(first != tape(4, &[1_000_000]));
}

#[test]
fn enter_accept_fill_cancel() {
    // The opening book is around $100; both orders are far better than any of it.
    let lines = answers(&[
        enter(1, b'B', 300, 900_000, b'0'),
        cancel(1, 100),
        cancel(1, 0),
        enter(2, b'S', 50, 1_100_000, b'0'),
        modify(2, b'T', 50),
        modify(2, b'T', 20),
    ]);
    let wanted = ["A1 L 300@900000", "C1 -200 U", "C1 -100 U", "A2 L 50@1100000", "M2 50", "M2 20"];
    assert_eq!(lines, wanted);
}

#[test]
fn makers_and_takers_are_told_of_their_fills() {
    let (mut exchange, maker) = quiet();
    let taker = log_in(&mut exchange, "second");
    // One cent better than the best bid of the opening book.
    let best = exchange.best(InstrumentId(0)).bid.expect("bids").price.0;
    exchange.request(maker, &enter(1, b'B', 300, best + 100, b'0'));
    exchange.request(taker, &enter(1, b'S', 100, best + 100, b'3'));
    exchange.request(taker, &enter(2, b'S', 250, best + 100, b'3'));
    assert_eq!(
        lines_from(&exchange, maker, 2),
        [
            format!("A1 L 300@{}", best + 100),
            format!("E1 100@{} A", best + 100),
            format!("E1 200@{} A", best + 100)
        ]
    );
    assert_eq!(
        lines_from(&exchange, taker, 2),
        [
            format!("A1 L 100@{}", best + 100),
            format!("E1 100@{} R", best + 100),
            format!("A2 L 250@{}", best + 100),
            format!("E2 200@{} R", best + 100),
            "C2 -50 I".to_owned(),
        ]
    );
    assert_eq!(exchange.counters().outside_fills, 4);
    assert_eq!(exchange.accounts.iter().map(|account| account.terms.len()).sum::<usize>(), 0);
    check_book(&exchange);
}

#[test]
fn a_replaced_order_goes_behind_and_a_reduced_one_stays() {
    let (mut exchange, account) = quiet();
    let price = 950_000;
    for number in 1..=3 {
        exchange.request(account, &enter(number, b'B', 100 * number, price, b'0'));
    }
    let queue = |exchange: &Exchange| {
        let book = exchange.book();
        let mine = book.iter().filter(|order| order.price.0 == price && order.side == Side::Buy);
        mine.map(|order| order.qty.0).collect::<Vec<_>>()
    };
    assert_eq!(queue(&exchange), [100, 200, 300]);
    exchange.request(account, &cancel(1, 60));
    assert_eq!(queue(&exchange), [60, 200, 300]);
    exchange.request(account, &replace(2, 4, 150, price, b'0'));
    assert_eq!(queue(&exchange), [60, 300, 150]);
    exchange.request(account, &replace(4, 5, 150, price + 100, b'0'));
    assert_eq!(queue(&exchange), [60, 300]);
    let lines = lines_from(&exchange, account, 5);
    assert_eq!(lines, ["C1 -40 U", "U2>4 L 150@950000", "U4>5 L 150@950100"]);
    check_book(&exchange);
}

#[test]
fn a_replacement_counts_what_was_executed() {
    let (mut exchange, maker) = quiet();
    let taker = log_in(&mut exchange, "second");
    let best = exchange.best(InstrumentId(0)).bid.expect("bids").price.0;
    let price = best + 100;
    exchange.request(maker, &enter(1, b'B', 300, price, b'0'));
    exchange.request(taker, &enter(1, b'S', 100, price, b'3'));
    exchange.request(maker, &replace(1, 2, 250, price, b'0'));
    exchange.request(maker, &cancel(2, 120));
    // 250 shares in all, then 120, of which 100 were executed under the old number.
    let lines = lines_from(&exchange, maker, 4);
    assert_eq!(lines, [format!("U1>2 L 150@{price}"), "C2 -130 U".to_owned()]);
}

/// OUCH 5.0, revision of October 2025, sections 2.2 and 2.3: 500 entered, 100 executed, a replacement with 500 leaves 400, one
/// with 600 leaves 500; so too for the third order of a chain, which itself executed nothing yet. A cancel names the most
/// that the chain may execute in total.
#[test]
fn quantities_are_of_the_chain_over_its_second_and_third_link() {
    let (mut exchange, maker) = quiet();
    let taker = log_in(&mut exchange, "second");
    let best = exchange.best(InstrumentId(0)).bid.expect("bids").price.0;
    let price = best + 100;
    exchange.request(maker, &enter(1, b'B', 500, price, b'0'));
    exchange.request(taker, &enter(1, b'S', 100, price, b'3'));
    exchange.request(maker, &replace(1, 2, 500, price, b'0'));
    exchange.request(maker, &replace(2, 3, 600, price, b'0'));
    // The same size again: nothing to cancel. Then 50 more are executed under the third number, 150 in all.
    exchange.request(maker, &cancel(3, 600));
    exchange.request(taker, &enter(2, b'S', 50, price, b'3'));
    exchange.request(maker, &modify(3, b'B', 400));
    exchange.request(maker, &cancel(3, 350));
    exchange.request(maker, &replace(3, 4, 300, price, b'0'));
    exchange.request(maker, &replace(4, 5, 150, price, b'0'));
    let lines = lines_from(&exchange, maker, 4);
    let expected = [
        format!("U1>2 L 400@{price}"),
        format!("U2>3 L 500@{price}"),
        format!("E3 50@{price} A"),
        "M3 250".to_owned(),
        "C3 -50 U".to_owned(),
        format!("U3>4 L 150@{price}"),
        // Nothing is left of 150: the replacement is impossible, and the order goes.
        "C4 -150 Z".to_owned(),
    ];
    assert_eq!(lines, expected);
    check_book(&exchange);
}

/// As above: what self-match prevention took off counts into the total of a replacement, and not into that of a cancel.
#[test]
fn self_match_decrements_count_into_the_chain() {
    let (mut exchange, maker) = quiet();
    exchange.set_self_match(SelfMatch::Decrement);
    let best = exchange.best(InstrumentId(0)).bid.expect("bids").price.0;
    let price = best + 100;
    exchange.request(maker, &enter(1, b'B', 500, price, b'0'));
    exchange.request(maker, &enter(2, b'S', 100, price, b'3'));
    exchange.request(maker, &replace(1, 3, 500, price, b'0'));
    exchange.request(maker, &replace(3, 4, 600, price, b'0'));
    exchange.request(maker, &cancel(4, 450));
    let lines = lines_from(&exchange, maker, 2);
    let expected = [
        format!("A1 L 500@{price}"),
        format!("A2 L 100@{price}"),
        "D1 -100 Q".to_owned(),
        "D2 -100 Q".to_owned(),
        format!("U1>3 L 400@{price}"),
        format!("U3>4 L 500@{price}"),
        "C4 -50 U".to_owned(),
    ];
    assert_eq!(lines, expected);
    check_book(&exchange);
}

#[test]
fn post_only_orders_that_would_take_are_accepted_and_cancelled() {
    // OUCH 5.0, reasons of Order Canceled: G, a post-only order would have met a displayed order of the other side.
    let lines = answers(&[
        enter(1, b'B', 100, 1_050_000, POST_ONLY),
        enter(2, b'B', 100, 900_000, POST_ONLY),
        replace(2, 3, 100, 1_050_000, POST_ONLY),
    ]);
    assert_eq!(lines, ["A1 L 100@1050000", "C1 -100 G", "A2 L 100@900000", "C2 -100 G"]);
}

#[test]
fn immediate_or_cancel_without_anything_to_take_is_dead_on_arrival() {
    assert_eq!(answers(&[enter(1, b'B', 100, 900_000, b'3')]), ["A1 D 100@900000"]);
}

#[test]
fn numbers_rise_and_repeated_requests_are_ignored() {
    let (mut exchange, account) = quiet();
    for request in [
        enter(5, b'B', 100, 900_000, b'0'),
        enter(5, b'B', 100, 900_000, b'0'),
        enter(4, b'B', 100, 900_000, b'0'),
        cancel(9, 0),
        replace(9, 10, 100, 900_000, b'0'),
        replace(5, 5, 100, 900_100, b'0'),
        vec![b'Q'],
        replace(5, 6, 100, 900_100, b'0'),
        replace(5, 7, 100, 900_200, b'0'),
        cancel(6, 100),
    ] {
        exchange.request(account, &request);
    }
    assert_eq!(lines_from(&exchange, account, 2), ["A5 L 100@900000", "Q 6", "U5>6 L 100@900100"]);
    assert_eq!(exchange.counters().ignored, 3);
}

/// UserRefNum has 32 bits and must rise.
#[test]
fn behind_the_highest_number_there_is_none() {
    let (mut exchange, account) = quiet();
    for request in [
        enter(u32::MAX, b'B', 100, 900_000, b'0'),
        vec![b'Q'],
        enter(u32::MAX, b'B', 100, 900_100, b'0'),
        enter(1, b'B', 100, 900_100, b'0'),
        enter(0, b'B', 100, 900_100, b'0'),
        replace(u32::MAX, u32::MAX, 100, 900_100, b'0'),
        cancel(u32::MAX, 0),
        enter(u32::MAX, b'B', 100, 900_100, b'0'),
    ] {
        exchange.request(account, &request);
    }
    let wanted = ["A4294967295 L 100@900000", "Q 0", "C4294967295 -100 U"];
    assert_eq!(lines_from(&exchange, account, 2), wanted);
    assert_eq!(exchange.counters().ignored, 5);
}

#[test]
fn impossible_orders_are_refused_with_their_reason() {
    // Reasons of OUCH 5.0, appendix B.
    let mut hidden = enter(8, b'B', 100, 900_000, b'0');
    hidden[27] = b'N';
    let mut auction = enter(9, b'B', 100, 900_000, b'0');
    auction[30] = b'O';
    let lines = answers(&[
        enter_in("NONE", 1, b'B', 100, 900_000, b'0'),
        enter(2, b'?', 100, 900_000, b'0'),
        enter(3, b'B', 0, 900_000, b'0'),
        enter(4, b'B', 1_000_000, 900_000, b'0'),
        enter(5, b'B', 100, 0, b'0'),
        enter(6, b'B', 100, 900_001, b'0'),
        enter(7, b'B', 100, 900_000, b'6'),
        hidden,
        auction,
        enter(10, b'B', 100, 2_000_000_000, b'0'),
        enter(11, b'B', 100, 9_999, b'0'),
    ]);
    let wanted = [
        "J1 0x17",
        "J2 0x09",
        "J3 0x13",
        "J4 0x13",
        "J5 0x1d",
        "J6 0x1d",
        "J7 0x0f",
        "J8 0x03",
        "J9 0x0f",
        "J10 0x1d",
        "A11 L 100@9999",
    ];
    assert_eq!(lines, wanted);
}

#[test]
fn an_impossible_replacement_cancels_the_order() {
    let lines = answers(&[
        enter(1, b'B', 100, 900_000, b'0'),
        replace(1, 2, 100, 900_001, b'0'),
        enter(3, b'B', 100, 900_000, b'0'),
        replace(3, 4, 0, 900_000, b'0'),
    ]);
    assert_eq!(lines, ["A1 L 100@900000", "C1 -100 Z", "A3 L 100@900000", "C3 -100 Z"]);
}

#[test]
fn orders_are_taken_in_market_hours_only() {
    let (mut exchange, account) = quiet();
    exchange.request(account, &enter(1, b'B', 100, 900_000, b'0'));
    exchange.close(START + Nanos::from_secs(1));
    exchange.request(account, &enter(2, b'B', 100, 900_000, b'0'));
    exchange.disconnect(account);
    assert_eq!(lines_from(&exchange, account, 1), ["S S", "A1 L 100@900000", "S E", "J2 0x07"]);
    check_book(&exchange);
}

#[test]
fn a_dropped_connection_cancels_and_the_tape_waits() {
    let (mut exchange, account) = quiet();
    let other = log_in(&mut exchange, "second");
    exchange.request(account, &enter(1, b'B', 100, 900_000, b'0'));
    exchange.request(other, &enter(1, b'B', 100, 900_000, b'0'));
    exchange.request(account, &enter(2, b'S', 200, 1_100_000, b'0'));
    exchange.disconnect(account);
    assert_eq!(log_in(&mut exchange, "FIRST"), account, "logins do not distinguish capitals");
    assert_eq!(lines_from(&exchange, account, 4), ["C1 -100 Z", "C2 -200 Z"]);
    assert_eq!(lines_from(&exchange, other, 2), ["A1 L 100@900000"]);
    let stranger = exchange.log_in(Alpha::new("first").expect("short"), password("wrong"));
    assert_eq!(stranger, None);
    check_book(&exchange);
}

#[test]
fn what_is_no_ouch_is_counted_and_harmless() {
    let (mut exchange, account) = quiet();
    for request in [&[][..], b"?", &enter(1, b'B', 100, 900_000, b'0')[..20], &[b'O'; 200]] {
        exchange.request(account, request);
    }
    assert_eq!((exchange.counters().malformed, lines_from(&exchange, account, 2).len()), (4, 0));
}

/// What a participant at random does between two looks of the background.
#[derive(Clone, Debug)]
enum Act {
    Enter { account: bool, other: bool, buy: bool, shares: u16, cents: i8, kind: u8 },
    Replace { account: bool, back: u8, shares: u16, cents: i8, kind: u8 },
    Cancel { account: bool, back: u8, shares: u16 },
    Modify { account: bool, back: u8, shares: u16 },
    Disconnect { account: bool },
    Wait { micros: u16 },
}

impl Arbitrary for Act {
    fn arbitrary(g: &mut Gen) -> Self {
        let account = bool::arbitrary(g);
        let (back, shares, cents) = (u8::arbitrary(g) % 6, u16::arbitrary(g) % 900, i8::arbitrary(g) / 8);
        let kind = *g.choose(b"00333P").expect("not empty");
        match u8::arbitrary(g) % 16 {
            0..=4 => {
                let (other, buy) = (bool::arbitrary(g), bool::arbitrary(g));
                Self::Enter { account, other, buy, shares, cents, kind }
            }
            5..=7 => Self::Replace { account, back, shares, cents, kind },
            8..=9 => Self::Cancel { account, back, shares },
            10 => Self::Modify { account, back, shares },
            11 => Self::Disconnect { account },
            _ => Self::Wait { micros: u16::arbitrary(g) % 5000 },
        }
    }
}

/// What a participant knows from its answers: open shares by number.
#[derive(Default)]
struct Ledger {
    open: BTreeMap<u32, i64>,
}

impl Ledger {
    fn apply(&mut self, answer: &[u8]) {
        let take = |ledger: &mut Self, number: u32, shares: u32| {
            let open = ledger.open.get_mut(&number).expect("a live order");
            *open -= i64::from(shares);
            assert!(*open >= 0, "order {number} gave more than it had");
            ledger.open.retain(|_, open| *open > 0);
        };
        match decode_response(answer).expect("an OUCH answer") {
            Response::OrderAccepted(body, _) if body.order_state == b'L' => {
                self.open.insert(body.user_ref_num.get(), i64::from(body.quantity.get()));
            }
            Response::OrderReplaced(body, _) => {
                self.open.remove(&body.original.get()).expect("a live order");
                if body.order_state == b'L' {
                    self.open.insert(body.user_ref_num.get(), i64::from(body.quantity.get()));
                }
            }
            Response::OrderCanceled(body, _) => take(self, body.user_ref_num.get(), body.quantity.get()),
            Response::OrderExecuted(body, _) => take(self, body.user_ref_num.get(), body.quantity.get()),
            Response::OrderModified(body, _) => {
                let open = self.open.get_mut(&body.user_ref_num.get()).expect("a live order");
                assert!(i64::from(body.quantity.get()) <= *open);
                *open = i64::from(body.quantity.get());
            }
            _ => {}
        }
    }
}

/// Everything published makes the exchange's book, order by order, and what participants were told makes their orders.
#[test]
fn tapes_agree_with_the_book_whatever_participants_do() {
    let mut g = seeded(400);
    for seed in 0..12 {
        let mut exchange = opened(seed, 20_000);
        let accounts = [log_in(&mut exchange, "first"), log_in(&mut exchange, "second")];
        let mut numbers = [0_u32; 2];
        let mut now = START;
        for act in Vec::<Act>::arbitrary(&mut g) {
            let which = |account: &bool| usize::from(*account);
            let price = |cents: i8| 1_000_000 + i64::from(cents) * 100;
            match &act {
                Act::Enter { account, other, buy, shares, cents, kind } => {
                    let number = &mut numbers[which(account)];
                    *number += 1;
                    let (stock, side) =
                        (if *other { "OTHER" } else { "DEMO" }, if *buy { b'B' } else { b'S' });
                    let request = enter_in(stock, *number, side, u32::from(*shares), price(*cents), *kind);
                    exchange.request(accounts[which(account)], &request);
                }
                Act::Replace { account, back, shares, cents, kind } => {
                    let number = &mut numbers[which(account)];
                    let old = number.saturating_sub(u32::from(*back));
                    *number += 1;
                    let request = replace(old, *number, u32::from(*shares), price(*cents), *kind);
                    exchange.request(accounts[which(account)], &request);
                }
                Act::Cancel { account, back, shares } => {
                    let old = numbers[which(account)].saturating_sub(u32::from(*back));
                    exchange.request(accounts[which(account)], &cancel(old, u32::from(*shares)));
                }
                Act::Modify { account, back, shares } => {
                    let old = numbers[which(account)].saturating_sub(u32::from(*back));
                    exchange.request(accounts[which(account)], &modify(old, b'S', u32::from(*shares)));
                }
                Act::Disconnect { account } => exchange.disconnect(accounts[which(account)]),
                Act::Wait { micros } => {
                    now += Nanos(i64::from(*micros) * 1000);
                    exchange.advance(now).expect("a flow never fails");
                }
            }
        }
        let book = check_book(&exchange);
        assert_eq!(book.counts.values().sum::<u64>(), exchange.tape().len());
        for account in accounts {
            let mut ledger = Ledger::default();
            exchange.answers(account).expect("an account").from(1).for_each(|answer| ledger.apply(answer));
            let terms = &exchange.accounts[(account.0 - 1) as usize].terms;
            assert_eq!(ledger.open.keys().collect::<Vec<_>>(), terms.keys().collect::<Vec<_>>());
            for (number, open) in ledger.open {
                let key = super::OwnerToken { owner: account.0, token: u64::from(number) };
                let order = exchange.market.open_order(key).expect("the exchange has it too");
                assert_eq!(order.qty, Lots(open));
            }
        }
    }
}

#[test]
fn symbols_are_those_of_the_configuration() {
    let (exchange, _) = quiet();
    let book = exchange.book();
    for name in ["DEMO", "OTHER"] {
        let count = book.iter().filter(|order| order.symbol == symbol(name)).count();
        assert_eq!(count, 240, "{name}");
    }
}
