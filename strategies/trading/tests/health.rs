//! Which books are trusted, and what becomes of input that makes no sense.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::records::{FEED, GATEWAY, malformed};
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
    stage.give(&BookCleared {
        position: 90,
        instrument: ALL_INSTRUMENTS,
        source: FEED,
        reason: HealthReason::SESSION_CHANGE,
        flags: LAST,
        spare: [0; 18],
    });
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
        spare: [0; 18],
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
