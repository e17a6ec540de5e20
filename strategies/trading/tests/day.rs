//! The venue's day: phases, halts of all markets, session hours, days of profit and loss, refusals in series.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::super::DeskConfig;
use super::records::send_report;
use super::stage::{PRCW, Stage};

fn config() -> DeskConfig {
    DeskConfig::example().expect("example")
}

fn ready() -> Stage {
    let mut stage = Stage::new();
    stage.operator(OperatorCommand::START);
    stage.health(Health::VALID, HealthReason::START);
    stage.mark(0);
    stage.status(TradingState::TRADING);
    stage.session(SessionPhase::READY, 1);
    stage
}

/// The letters of ITCH 5.0 in the order of a day: quotes stand after `Q` and before `M`, and at no other time.
#[test]
fn quotes_stand_only_between_the_venue_s_start_and_end_of_market_hours() {
    let mut stage = ready();
    for code in *b"OS" {
        stage.phase(code);
        assert_eq!(stage.count(), 0);
    }
    stage.book(9_999, 10_001);
    stage.wait(1_000);
    stage.move_to(9_998, 10_000);
    assert_eq!(stage.count(), 0, "before the start of market hours");
    stage.phase(b'Q');
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
    stage.accept(1, Side::Sell, 10_000);
    stage.accept(2, Side::Buy, 9_998);
    stage.phase(b'M');
    let pulled = stage.all::<CancelOrder>();
    assert_eq!(pulled.len(), 2);
    assert!(pulled.iter().all(|cancel| cancel.reason == CancelReason::MARKET_HOURS));
    stage.canceled(1);
    stage.canceled(2);
    for code in *b"EC" {
        stage.phase(code);
        stage.wait(1_000);
        stage.move_to(9_997, 9_999);
        assert_eq!(stage.count(), 0, "after the end of market hours");
    }
}

#[test]
fn a_new_session_of_the_feed_has_to_say_anew_that_market_hours_began() {
    let mut stage = ready();
    stage.phase(b'Q');
    stage.cleared(1);
    stage.status(TradingState::TRADING);
    stage.book(9_999, 10_001);
    assert_eq!(stage.count(), 0);
    stage.phase(b'Q');
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
}

#[test]
fn a_venue_without_phases_is_configured_as_one() {
    let mut config = config();
    config.venue.phases = false;
    let mut stage = Stage::with(&config);
    stage.operator(OperatorCommand::START);
    stage.health(Health::VALID, HealthReason::START);
    stage.mark(0);
    stage.status(TradingState::TRADING);
    stage.session(SessionPhase::READY, 1);
    stage.book(9_999, 10_001);
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
    stage.phase(b'M');
    assert_eq!(stage.count(), 0);
}

#[test]
fn a_phase_that_nobody_knows_ends_market_hours_and_is_a_dead_letter() {
    let mut stage = Stage::quoting();
    stage.phase(b'x');
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
    assert_eq!(stage.only::<Rejected>().reason, RejectReason::UNKNOWN_TYPE);
}

/// ITCH 5.0, MWCB Status: levels 1 and 2 end instrument by instrument, level 3 with the day.
#[test]
fn a_halt_of_all_markets_ends_when_the_instrument_trades_again_and_not_that_day_at_level_3() {
    for (level, resumes) in [(b'1', true), (b'2', true), (b'3', false)] {
        let mut stage = Stage::quoting();
        stage.market_halt(level);
        let pulled = stage.all::<CancelOrder>();
        assert!(pulled.len() == 2 && pulled.iter().all(|cancel| cancel.reason == CancelReason::HALT));
        stage.canceled(1);
        stage.canceled(2);
        stage.wait(1_000);
        stage.status(TradingState::QUOTING);
        assert_eq!(stage.count(), 0);
        stage.status(TradingState::TRADING);
        assert_eq!(stage.all::<PlaceOrder>().len(), if resumes { 2 } else { 0 }, "level {}", level as char);
    }
}

/// OUCH 5.0, System Event: `E` says that the order session's day is over. Another session has a day of its own.
#[test]
fn nothing_is_quoted_after_the_order_session_s_end_of_day() {
    let mut stage = Stage::quoting();
    stage.venue_day(b'E');
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
    stage.canceled(1);
    stage.canceled(2);
    stage.wait(1_000);
    stage.move_to(9_998, 10_000);
    stage.session(SessionPhase::DOWN, 0);
    stage.session(SessionPhase::READY, 3);
    assert_eq!(stage.count(), 0, "the same session, the same day");
    let (sequence, session, source, phase) = (1, 1, super::records::GATEWAY, SessionPhase::READY);
    stage.give(&SessionState { sequence, next_client: 1, session, source, phase, reason: 0, spare: 0 });
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
}

#[test]
fn session_hours_end_and_begin_by_a_timer_of_their_own() {
    let mut config = config();
    let time = |text: &str| Some(text.parse().expect("a time"));
    (config.venue.open, config.venue.close) = (time("09:30"), time("16:00"));
    let mut stage = Stage::with(&config);
    // Friday 2026-03-06 15:59:59 in New York, and its next Monday 09:30 there, after the clocks were set forward.
    stage.now = Nanos::from_secs(1_772_830_799);
    let monday = Nanos::from_secs(1_773_063_000);
    stage.open();
    stage.book(9_999, 10_001);
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
    stage.accept(1, Side::Sell, 10_001);
    stage.accept(2, Side::Buy, 9_999);
    while stage.all::<CancelOrder>().is_empty() {
        stage.timer();
        assert!(stage.now <= Nanos::from_secs(1_772_830_800), "nothing was pulled at the close");
    }
    let pulled = stage.all::<CancelOrder>();
    assert_eq!((pulled.len(), stage.now), (2, Nanos::from_secs(1_772_830_800)));
    assert!(pulled.iter().all(|cancel| cancel.reason == CancelReason::MARKET_HOURS));
    stage.canceled(1);
    stage.canceled(2);
    stage.now = Nanos(monday.0 - 1_000_000);
    stage.move_to(9_998, 10_000);
    assert!(stage.all::<PlaceOrder>().is_empty(), "before the opening");
    while stage.all::<PlaceOrder>().is_empty() {
        stage.timer();
        assert!(stage.now <= monday, "nothing was quoted at the opening");
    }
    assert_eq!(stage.now, monday);
}

/// A loss before the venue's midnight and one after it are two days' losses; those on both sides of UTC's are one day's.
#[test]
fn the_day_s_loss_counts_anew_at_the_venue_s_midnight() {
    let mut limits = config();
    limits.risk.max_daily_loss = Minor(1_000);
    // New York's midnight of 2026-03-09, daylight saving time: 04:00 UTC. UTC's own lies four hours before it.
    let midnight = Nanos::from_secs(1_773_028_800);
    for (hours_before, latches) in [(1, false), (4, true)] {
        let mut stage = Stage::with(&limits);
        let turn = Nanos(midnight.0 - (hours_before - 1) * 3_600_000_000_000);
        stage.now = Nanos(turn.0 - 1_000_000_000);
        stage.open();
        stage.book(9_999, 10_001);
        stage.accept(1, Side::Sell, 10_001);
        stage.accept(2, Side::Buy, 9_999);
        // 100 lots bought at 9 999; a mid of 9 993 is a loss of 600, less a rebate of 20.
        stage.fill(2, 70, 9_999, 100);
        stage.move_to(9_992, 9_994);
        assert_eq!(stage.driver.machine().daily_profit(), Minor(-580));
        stage.now = turn;
        stage.mark(0);
        let ended = stage.all::<DayEnded>();
        stage.move_to(9_987, 9_989);
        let latched = !stage.all::<KillLatched>().is_empty();
        assert_eq!(latched, latches, "{hours_before} hours before the venue's midnight");
        if hours_before == 1 {
            let day = ended[0];
            assert_eq!((ended.len(), day.date, day.end), (1, 20260308, midnight));
            assert_eq!(day.begin, Nanos::from_secs(1_772_946_000), "a day of 23 hours");
            assert_eq!((day.profit, day.fees, day.fills), (Minor(-580), Minor(-20), 1));
        }
    }
}

#[test]
fn refusals_in_series_wait_longer_each_time_and_then_latch() {
    let mut limits = config();
    limits.risk.max_rejects = 4;
    let mut stage = Stage::with(&limits);
    stage.open();
    stage.book(9_999, 10_001);
    stage.accept(2, Side::Buy, 9_999);
    let mut client = 1;
    let reject = |stage: &mut Stage, client: u64| {
        stage.give(&VenueRejected { event_ns: EventNanos(0), client, reason: 5, spare: [0; 14] });
    };
    for pause_ms in [250, 500, 1_000] {
        reject(&mut stage, client);
        assert!(stage.all::<KillLatched>().is_empty());
        let refused = stage.now;
        assert!(stage.all::<PlaceOrder>().is_empty());
        while stage.all::<PlaceOrder>().is_empty() {
            stage.wait(10);
            stage.move_to(9_999, 10_001);
            assert!(stage.now <= refused + Nanos::from_millis(pause_ms), "nothing after {pause_ms} ms");
        }
        client = stage.only::<PlaceOrder>().client;
        assert_eq!(stage.now, refused + Nanos::from_millis(pause_ms));
    }
    reject(&mut stage, client);
    let kill = stage.only::<KillLatched>();
    assert_eq!((kill.control, kill.value, kill.limit), (Control::REJECTS, 4, 4));
    assert_eq!(stage.only::<CancelOrder>().client, 2, "the other side goes too");
    assert_eq!(stage.driver.machine().orders().exposure(PRCW).sell_lots, 0);
}

#[test]
fn an_acceptance_ends_a_series_of_refusals() {
    let mut limits = config();
    limits.risk.max_rejects = 2;
    let mut stage = Stage::with(&limits);
    stage.open();
    stage.book(9_999, 10_001);
    let reject = |stage: &mut Stage, client: u64| {
        stage.give(&VenueRejected { event_ns: EventNanos(0), client, reason: 5, spare: [0; 14] });
    };
    stage.accept(2, Side::Buy, 9_999);
    let asked_anew = |stage: &mut Stage| {
        stage.wait(60_000);
        stage.mark(0);
        stage.move_to(9_999, 10_001);
        stage.only::<PlaceOrder>().client
    };
    reject(&mut stage, 1);
    let second = asked_anew(&mut stage);
    stage.accept(second, Side::Sell, 10_001);
    stage.canceled(second);
    let third = asked_anew(&mut stage);
    reject(&mut stage, third);
    assert_eq!(stage.driver.machine().latched_by(), Control::NONE, "one in series");
    let fourth = asked_anew(&mut stage);
    reject(&mut stage, fourth);
    assert_eq!(stage.driver.machine().latched_by(), Control::REJECTS, "two in series");
}

/// The gateway's word for an order number beyond 32 bits, among others: nobody else would say anything.
#[test]
fn orders_that_cannot_be_sent_in_series_latch_as_refusals_do() {
    let mut limits = config();
    limits.risk.max_rejects = 3;
    let mut stage = Stage::with(&limits);
    stage.open();
    stage.book(9_999, 10_001);
    stage.accept(2, Side::Buy, 9_999);
    let mut client = 1;
    for pause_ms in [250, 500] {
        stage.give(&send_report(client, SendOutcome::FAILED));
        assert!(stage.all::<KillLatched>().is_empty());
        let failed = stage.now;
        while stage.all::<PlaceOrder>().is_empty() {
            stage.wait(10);
            stage.move_to(9_999, 10_001);
        }
        client = stage.only::<PlaceOrder>().client;
        assert_eq!(stage.now, failed + Nanos::from_millis(pause_ms));
    }
    stage.give(&send_report(client, SendOutcome::FAILED));
    let kill = stage.only::<KillLatched>();
    assert_eq!((kill.control, kill.value, kill.limit), (Control::UNSENT, 3, 3));
    assert_eq!(stage.only::<CancelOrder>().client, 2, "the other side goes too");
    assert_eq!(stage.driver.machine().dead_letters(), 0);
}

#[test]
fn orders_that_merely_come_too_late_are_no_series() {
    let mut limits = config();
    limits.risk.max_rejects = 1;
    let mut stage = Stage::with(&limits);
    stage.open();
    stage.book(9_999, 10_001);
    stage.give(&send_report(1, SendOutcome::EXPIRED));
    assert_eq!(stage.driver.machine().latched_by(), Control::NONE);
    stage.give(&send_report(2, SendOutcome::FAILED));
    assert_eq!(stage.driver.machine().latched_by(), Control::UNSENT);
}
