//! Which books are trusted, and what becomes of input that makes no sense.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::records::{FEED, GATEWAY, malformed, record};
use super::stage::{LAST, PRCW, Stage};

#[test]
fn malformed_input_becomes_a_dead_letter() {
    let mut stage = Stage::quoting();
    let event = malformed();
    stage.give(&event);
    let letter = stage.only::<Rejected>();
    let expected = (event.position, event.len, event.reason, event.source, event.text);
    assert_eq!((letter.position, letter.len, letter.reason, letter.source, letter.text), expected);
    assert_eq!(stage.driver.machine().dead_letters(), 1);
}

#[test]
fn a_contradicted_book_is_stale_until_it_starts_anew() {
    let mut stage = Stage::quoting();
    stage.delete(99, LAST);
    let stale = stage.only::<BookTransition>();
    assert_eq!((stale.from, stale.to, stale.reason), (Health::VALID, Health::STALE, HealthReason::BAD_DATA));
    assert_eq!((stale.orders, stale.instrument), (2, PRCW));
    stage.health(Health::VALID, HealthReason::HEARD);
    assert!(stage.all::<BookTransition>().is_empty(), "the feed's word does not mend the book");
    stage.cleared(90);
    let valid = stage.only::<BookTransition>();
    assert_eq!((valid.to, valid.position, valid.orders), (Health::VALID, 90, 0));
}

#[test]
fn a_book_that_the_feed_called_bad_stays_so_when_a_restarted_feed_has_forgotten_it() {
    let mut stage = Stage::quoting();
    stage.health(Health::STALE, HealthReason::BAD_DATA);
    assert!(stage.all::<BookTransition>().iter().all(|change| change.to == Health::STALE));
    for (health, reason) in [(Health::RECOVERING, HealthReason::GAP), (Health::VALID, HealthReason::FILLED)] {
        stage.health(health, reason);
        assert!(stage.all::<BookTransition>().is_empty(), "only an empty book is a sound one");
    }
    stage.give(&BookCleared {
        position: 1,
        instrument: ALL_INSTRUMENTS,
        source: FEED,
        reason: HealthReason::START,
        flags: LAST,
        health: Health::UNKNOWN,
        spare: [0; 17],
    });
    assert!(stage.all::<BookTransition>().iter().all(|change| change.to == Health::VALID));
}

#[test]
fn a_gap_is_told_for_every_instrument_and_counted() {
    let mut stage = Stage::quoting();
    stage.health(Health::RECOVERING, HealthReason::GAP);
    let told = stage.all::<BookTransition>();
    let seen: Vec<_> =
        told.iter().map(|told| (told.instrument.0, told.to, told.position, told.missing)).collect();
    assert_eq!(seen, [(0, Health::RECOVERING, 50, 3), (1, Health::RECOVERING, 50, 3)]);
    stage.timer();
    let status = stage.all::<DeskStatus>();
    assert_eq!((status.len(), status[0].gaps, status[0].health), (2, 1, Health::RECOVERING));
}

#[test]
fn dropped_market_data_and_dropped_answers_are_different_harm() {
    let dropped = |source| Dropped { count: 4, first: 1, source, spare: [0; 14] };
    let mut stage = Stage::quoting();
    stage.give(&dropped(FEED));
    assert_eq!(stage.all::<BookTransition>()[0].reason, HealthReason::OVERRUN);
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
    let mut stage = Stage::quoting();
    stage.give(&dropped(GATEWAY));
    let kill = stage.only::<KillLatched>();
    assert_eq!((kill.control, kill.value), (Control::SESSION, 4));
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
}

#[test]
fn events_of_other_machines_change_nothing() {
    let mut stage = Stage::quoting();
    let before = stage.driver.state_hash().expect("hash");
    stage.give(&Inventory {
        event_ns: EventNanos(0),
        base: Minor(1),
        initial: 1,
        stock: 1,
        sku: 1,
        source: FEED,
        spare: 0,
        position: 0,
    });
    stage.give(&Purchase { event_ns: EventNanos(0), qty: 1, sku: 1, source: FEED, spare: 0, position: 0 });
    stage.give(&Define { id: 0, column: Column::SKU, source: FEED, text: Text::default() });
    assert_eq!(stage.count(), 0);
    assert_eq!(stage.driver.state_hash().expect("hash"), before);
}

#[test]
fn market_data_of_an_unknown_instrument_is_a_dead_letter() {
    let mut stage = Stage::quoting();
    stage.give(&Trade {
        event_ns: EventNanos(0),
        match_number: 1,
        price: Ticks(10_000),
        qty: 1,
        instrument: InstrumentId(9),
        side: SideCode::BUY,
        flags: LAST,
    });
    assert_eq!(stage.only::<Rejected>().reason, RejectReason::UNKNOWN_KEY);
}

/// The gateway's answers are prompt while the market data is late: the one says nothing of the other.
#[test]
fn prompt_answers_do_not_make_late_market_data_prompt() {
    let mut stage = Stage::quoting();
    stage.wait(1_000);
    stage.mark(60_000_000);
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
    for client in [1, 2] {
        stage.mark_of(GATEWAY, 0);
        stage.canceled(client);
        assert_eq!(stage.count(), 0, "the data is as late as before");
    }
    stage.wait(1_000);
    stage.mark_of(GATEWAY, 0);
    assert_eq!(stage.count(), 0);
    stage.move_to(9_998, 10_000);
    assert_eq!(stage.count(), 0);
    stage.mark(0);
    assert_eq!(stage.all::<PlaceOrder>().len(), 2, "prompt again");
}

#[test]
fn the_latest_of_several_feeds_counts() {
    let other = SourceId(5);
    let mut stage = Stage::quoting();
    stage.mark_of(other, 0);
    assert_eq!(stage.all::<CancelOrder>().len(), 2, "a feed that has not told its health is not valid");
    stage.give(&FeedHealth {
        expected: 1,
        seen: 1,
        missing: 0,
        source: other,
        health: Health::VALID,
        reason: HealthReason::START,
        session: 0,
    });
    stage.canceled(1);
    stage.canceled(2);
    stage.wait(1_000);
    stage.move_to(9_998, 10_000);
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
    stage.mark_of(other, 60_000_000);
    assert!(stage.all::<CancelOrder>().iter().all(|cancel| cancel.reason == CancelReason::INGRESS_LAG));
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
    stage.mark(0);
    assert_eq!(stage.count(), 0, "one feed is late still");
}

#[test]
fn another_session_has_to_say_anew_that_the_instrument_trades() {
    let mut stage = Stage::quoting();
    stage.print(10_000);
    stage.cleared(1);
    assert!(stage.all::<CancelOrder>().iter().all(|cancel| cancel.reason == CancelReason::HALT));
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
    stage.canceled(1);
    stage.canceled(2);
    stage.wait(1_000);
    stage.book(9_999, 10_001);
    assert_eq!(stage.count(), 0, "nobody said that it trades");
    stage.phase(b'Q');
    assert_eq!(stage.count(), 0, "nor does the venue's day say it");
    stage.status(TradingState::TRADING);
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
}

#[test]
fn an_update_whose_instrument_is_not_its_orders_makes_both_books_stale() {
    let wrght = InstrumentId(1);
    let (event_ns, spare, spare2, side, flags) = (EventNanos(0), 0, 0, SideCode::UNKNOWN, LAST);
    let deleted = OrderDeleted { event_ns, order: 1, spare, spare2, instrument: wrght, side, flags };
    let reduced = OrderReduced { event_ns, order: 1, spare, qty: 1, instrument: wrght, side, flags };
    let executed =
        OrderExecuted { event_ns, order: 1, match_number: 7, qty: 1, instrument: wrght, side, flags };
    let price = Ticks(9_999);
    let executed_at = OrderExecutedAt {
        event_ns,
        order: 1,
        match_number: 7,
        price,
        qty: 1,
        instrument: wrght,
        side,
        flags,
    };
    let replaced =
        OrderReplaced { event_ns, order: 1, new_order: 9, price, qty: 1, instrument: wrght, side, flags };
    let added = OrderAdd { event_ns, order: 1, price, qty: 1, instrument: wrght, side: SideCode::BUY, flags };
    let events = [
        record(&deleted),
        record(&reduced),
        record(&executed),
        record(&executed_at),
        record(&replaced),
        record(&added),
    ];
    for event in events {
        let mut stage = Stage::quoting();
        stage.give_record(&event);
        let told: Vec<_> =
            stage.all::<BookTransition>().iter().map(|told| (told.instrument.0, told.to)).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        for id in [0, 1] {
            assert!(told.contains(&(id, Health::STALE)), "{told:?}");
        }
        assert_eq!(stage.all::<CancelOrder>().len(), 2, "the book that changed is not quoted");
    }
}

#[test]
fn a_feed_of_unknown_health_is_not_a_valid_one() {
    let mut stage = Stage::quoting();
    stage.give(&FeedHealth {
        expected: 1,
        seen: 1,
        missing: 0,
        source: SourceId(5),
        health: Health::UNKNOWN,
        reason: HealthReason::START,
        session: 0,
    });
    assert_eq!(stage.all::<BookTransition>()[0].to, Health::UNKNOWN);
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
}

fn book_of(instrument: InstrumentId, health: Health, reason: HealthReason) -> BookCleared {
    BookCleared { position: 60, instrument, source: FEED, reason, flags: 0, health, spare: [0; 17] }
}

/// What the feed cannot rely on is one book, not all of them; it comes back when that book begins anew.
#[test]
fn a_book_that_the_feed_cannot_rely_on_is_stale_while_the_feed_and_the_others_stay_valid() {
    let mut stage = Stage::quoting();
    stage.give(&book_of(PRCW, Health::STALE, HealthReason::UNKNOWN_MESSAGE));
    let told = stage.only::<BookTransition>();
    assert_eq!(
        (told.instrument, told.from, told.to, told.reason, told.orders),
        (PRCW, Health::VALID, Health::STALE, HealthReason::UNKNOWN_MESSAGE, 0)
    );
    let pulled = stage.all::<CancelOrder>();
    assert_eq!(pulled.len(), 2);
    assert!(pulled.iter().all(|cancel| cancel.reason == CancelReason::STALE_BOOK));
    stage.health(Health::VALID, HealthReason::HEARD);
    assert!(stage.all::<BookTransition>().is_empty(), "the feed's word is not the book's");
    stage.give(&book_of(PRCW, Health::UNKNOWN, HealthReason::LISTED));
    let told = stage.only::<BookTransition>();
    assert_eq!((told.instrument, told.to, told.reason), (PRCW, Health::VALID, HealthReason::LISTED));
}

#[test]
fn after_a_restart_no_book_is_believed_and_no_quote_stands_until_the_feed_has_spoken() {
    let mut stage = Stage::quoting();
    stage.operator(OperatorCommand::START);
    let told: Vec<_> =
        stage.all::<BookTransition>().iter().map(|told| (told.instrument.0, told.to, told.reason)).collect();
    let restart = HealthReason::RESTART;
    assert_eq!(told, [(0, Health::UNKNOWN, restart), (1, Health::UNKNOWN, restart)]);
    assert_eq!(stage.all::<CancelOrder>().len(), 2, "what the run before left is pulled");
    stage.canceled(1);
    stage.canceled(2);
    stage.wait(1_000);
    stage.mark(0);
    stage.move_to(9_998, 10_000);
    assert_eq!(stage.all::<PlaceOrder>().len(), 0, "data alone is no word on its health");
    stage.health(Health::VALID, HealthReason::START);
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
}

#[test]
fn a_sender_that_counted_anew_is_not_believed_again_for_catching_up() {
    let mut stage = Stage::quoting();
    stage.health(Health::STALE, HealthReason::WENT_BACK);
    stage.health(Health::VALID, HealthReason::HEARD);
    assert!(stage.all::<BookTransition>().is_empty());
}

/// A stub quote behind a bid that left is no price to quote around, nor to value a position at.
#[test]
fn best_prices_that_lie_too_far_apart_are_no_market() {
    let mut stage = Stage::quoting();
    stage.fill(2, 1, 9_999, 100);
    assert_eq!(stage.driver.machine().holding(PRCW).expect("instrument").position(), Lots(100));
    let status = |stage: &mut Stage| loop {
        stage.timer();
        if let Some(status) = stage.all::<DeskStatus>().first().copied() {
            break status;
        }
    };
    let before = status(&mut stage).unrealised;

    stage.add(7, Side::Buy, 1, 0);
    stage.delete(1, LAST);

    let pulled = stage.all::<CancelOrder>();
    assert!(!pulled.is_empty() && pulled.iter().all(|order| order.reason == CancelReason::WIDE_BOOK));
    let after = status(&mut stage);
    assert_eq!((after.unrealised, after.latch), (before, Control::NONE), "the mark is kept");
    pulled.iter().for_each(|order| stage.canceled(order.client));
    // The real bid is back.
    stage.add(8, Side::Buy, 9_999, LAST);
    assert!(stage.all::<CancelOrder>().is_empty());
    assert!(!stage.all::<PlaceOrder>().is_empty(), "it quotes again");
}

/// Last trade or none: what stands between two stub quotes is not where the market is.
#[test]
fn a_market_that_begins_with_stub_quotes_is_not_quoted() {
    let mut stage = Stage::new();
    stage.open();
    stage.print(1_500);
    stage.book(1, 2_000);
    assert!(stage.all::<PlaceOrder>().is_empty());
    stage.move_to(1_499, 1_501);
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
}

#[test]
fn a_book_that_stays_crossed_while_it_trades_is_not_believed() {
    for (ask, named) in [(9_998, "crossed"), (9_999, "locked")] {
        let mut stage = Stage::quoting();
        stage.add(7, Side::Sell, ask, LAST);
        assert!(stage.all::<BookTransition>().is_empty(), "{named}: for a moment any book may be");
        stage.wait(999);
        stage.add(8, Side::Buy, 9_000, LAST);
        assert!(stage.all::<BookTransition>().is_empty(), "{named}");
        stage.wait(1);
        stage.add(9, Side::Buy, 9_000, LAST);
        let stale = stage.only::<BookTransition>();
        assert_eq!((stale.to, stale.reason), (Health::STALE, HealthReason::BAD_DATA), "{named}");
    }
}

#[test]
fn a_book_may_be_crossed_while_it_does_not_trade_and_for_a_moment() {
    let mut stage = Stage::quoting();
    stage.status(TradingState::HALTED);
    stage.add(7, Side::Sell, 9_998, LAST);
    stage.wait(60_000);
    stage.add(8, Side::Buy, 9_000, LAST);
    assert!(stage.all::<BookTransition>().is_empty(), "a halt's book may be crossed");
    stage.status(TradingState::TRADING);
    stage.add(9, Side::Buy, 9_000, LAST);
    stage.delete(7, LAST);
    stage.wait(60_000);
    stage.add(10, Side::Sell, 9_998, LAST);
    assert!(stage.all::<BookTransition>().is_empty(), "another cross begins anew");
}

/// Nothing need come of the instrument itself: the status timer looks too.
#[test]
fn a_quiet_crossed_book_is_found() {
    let mut stage = Stage::quoting();
    stage.add(7, Side::Sell, 9_998, LAST);
    let found = (0..10).any(|_| {
        stage.timer();
        stage.all::<BookTransition>().iter().any(|change| change.to == Health::STALE)
    });
    assert!(found);
}

/// What was wide or crossed before a gap says nothing of the book behind it; and a book that is wide there is no market either.
#[test]
fn after_a_gap_a_book_is_judged_anew() {
    let mut stage = Stage::quoting();
    stage.add(7, Side::Sell, 9_998, LAST);
    stage.wait(500);
    stage.health(Health::RECOVERING, HealthReason::GAP);
    stage.wait(60_000);
    stage.health(Health::VALID, HealthReason::FILLED);
    stage.add(8, Side::Buy, 9_000, LAST);
    assert!(stage.all::<BookTransition>().is_empty(), "crossed for the first time since");

    let mut stage = Stage::quoting();
    stage.health(Health::RECOVERING, HealthReason::GAP);
    stage.canceled(1);
    stage.canceled(2);
    stage.add(7, Side::Buy, 1, 0);
    stage.delete(1, LAST);
    stage.health(Health::VALID, HealthReason::FILLED);
    assert!(stage.all::<PlaceOrder>().is_empty(), "no quote between stubs");
    stage.wait(1_000);
    stage.add(8, Side::Buy, 9_999, LAST);
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
}
