//! When the desk quotes, moves its quotes, and pulls them.

use pricewright_core::kernel::table::*;
use pricewright_core::kernel::*;

use super::super::{DeskConfig, StrategyConfig};
use super::records::send_report;
use super::stage::{LAST, PRCW, Stage};

#[test]
fn both_sides_are_quoted_at_the_end_of_the_batch() {
    let mut stage = Stage::new();
    stage.open();
    stage.add(1, Side::Buy, 9_999, 0);
    assert_eq!(stage.count(), 0, "the batch has not ended");
    stage.add(2, Side::Sell, 10_001, LAST);
    let placed = stage.all::<PlaceOrder>();
    let seen: Vec<_> =
        placed.iter().map(|order| (order.client, order.side, order.price.0, order.qty)).collect();
    assert_eq!(seen, [(1, SideCode::SELL, 10_001, 100), (2, SideCode::BUY, 9_999, 100)]);
    for order in placed {
        assert_eq!(order.tif, TimeInForce::POST_ONLY);
        assert_eq!(order.expires, stage.now + Nanos::from_millis(50));
    }
}

#[test]
fn nothing_is_quoted_while_anything_needed_is_missing() {
    let openings: [fn(&mut Stage); 6] = [
        |stage| stage.operator(OperatorCommand::START),
        |stage| stage.health(Health::VALID, HealthReason::START),
        |stage| stage.mark(0),
        |stage| stage.status(TradingState::TRADING),
        |stage| stage.phase(b'Q'),
        |stage| stage.session(SessionPhase::READY, 1),
    ];
    for missing in 0..openings.len() {
        let mut stage = Stage::new();
        for (index, opening) in openings.iter().enumerate() {
            if index != missing {
                opening(&mut stage);
            }
        }
        stage.book(9_999, 10_001);
        assert_eq!(stage.count(), 0, "without number {missing}");
        openings[missing](&mut stage);
        if missing == 0 {
            assert_eq!(
                stage.all::<PlaceOrder>().len(),
                0,
                "what a feed said before a run says nothing of it"
            );
            stage.health(Health::VALID, HealthReason::START);
        }
        assert_eq!(stage.all::<PlaceOrder>().len(), 2, "with number {missing}");
    }
}

#[test]
fn quotes_are_pulled_for_each_reason() {
    type Mishap = fn(&mut Stage);
    let reasons: [(Mishap, CancelReason); 14] = [
        (|stage| stage.health(Health::RECOVERING, HealthReason::GAP), CancelReason::STALE_BOOK),
        (|stage| stage.health(Health::STALE, HealthReason::SILENCE), CancelReason::STALE_BOOK),
        (|stage| stage.mark(50_000_001), CancelReason::INGRESS_LAG),
        (|stage| stage.queued(50_000_001), CancelReason::INGRESS_LAG),
        (|stage| stage.status(TradingState::HALTED), CancelReason::HALT),
        (|stage| stage.operator(OperatorCommand::STOP), CancelReason::SHUTDOWN),
        (|stage| stage.operator(OperatorCommand::STORAGE_LOW), CancelReason::OPERATOR),
        (|stage| stage.operator(OperatorCommand::KILL), CancelReason::KILL),
        (|stage| stage.delete(99, 0), CancelReason::STALE_BOOK),
        (|stage| stage.phase(b'M'), CancelReason::MARKET_HOURS),
        (|stage| stage.phase(b'E'), CancelReason::MARKET_HOURS),
        (|stage| stage.phase(b'C'), CancelReason::MARKET_HOURS),
        (|stage| stage.venue_day(b'E'), CancelReason::MARKET_HOURS),
        (|stage| stage.market_halt(b'1'), CancelReason::HALT),
    ];
    for (bring_about, reason) in reasons {
        let mut stage = Stage::quoting();
        bring_about(&mut stage);
        let pulled = stage.all::<CancelOrder>();
        assert_eq!(pulled.len(), 2, "{}", reason.name());
        assert!(pulled.iter().all(|cancel| cancel.reason == reason), "{pulled:?}");
        stage.move_to(9_989, 9_991);
        assert_eq!(stage.count(), 0, "once is enough, and nothing new: {}", reason.name());
    }
}

/// OUCH 5.0: quantities are below a million shares, and a replacement names all that its chain executed.
#[test]
fn a_chain_that_used_up_what_a_replacement_can_name_ends() {
    let mut config = DeskConfig::example().expect("example");
    let StrategyConfig::MarketMaker(maker) = &mut config.strategy;
    (maker.order_lots, maker.max_inventory_lots) = (Lots(600_000), Lots(1 << 30));
    let risk = &mut config.risk;
    (risk.max_order_lots, risk.max_position_lots) = (Lots(1_000_000), Lots(1 << 31));
    (risk.max_notional, risk.max_open_notional) = (Minor(1 << 50), Minor(1 << 50));
    risk.max_daily_loss = Minor(1 << 50);
    let mut stage = Stage::with(&config);
    stage.open();
    stage.book(9_999, 10_001);
    let [ask, _] = stage.all::<PlaceOrder>()[..] else { panic!("two quotes") };
    for order in stage.all::<PlaceOrder>() {
        stage.give(&VenueAccepted {
            event_ns: EventNanos(0),
            client: order.client,
            venue_order: 1_000 + order.client,
            price: order.price,
            qty: order.qty,
            instrument: PRCW,
            side: order.side,
            live: Liveness::LIVE,
        });
    }
    stage.fill(ask.client, 1, 10_001, 500_000);
    stage.wait(1_000);
    stage.move_to(10_009, 10_011);
    let canceled = stage.only::<CancelOrder>();
    assert_eq!((canceled.client, canceled.reason), (ask.client, CancelReason::STRATEGY));
}

#[test]
fn a_requote_waits_until_the_quote_is_old_enough() {
    let mut stage = Stage::quoting();
    stage.wait(10);
    stage.move_to(10_009, 10_011);
    assert_eq!(stage.count(), 0, "too young");
    stage.timer();
    assert_eq!(stage.now, Nanos::from_secs(1_000) + Nanos::from_millis(100));
    let ask = stage.only::<ReplaceOrder>();
    assert_eq!((ask.client, ask.prior, ask.price, ask.qty), (3, 1, Ticks(10_011), 100));
    let told = VenueReplaced {
        event_ns: EventNanos(0),
        client: 3,
        prior: 1,
        venue_order: 1_003,
        price: Ticks(10_011),
        qty: 100,
        instrument: PRCW,
        side: SideCode::SELL,
        live: Liveness::LIVE,
    };
    stage.give(&told);
    let bid = stage.only::<ReplaceOrder>();
    assert_eq!((bid.client, bid.prior, bid.price), (4, 2, Ticks(10_009)), "the ask has made room");
}

/// Our order of number 1 is 1 001 at the venue; the market data shows it as such.
#[test]
fn our_own_orders_in_the_book_are_not_the_market() {
    let mut stage = Stage::new();
    stage.open();
    stage.book(9_990, 10_010);
    let bid = stage.all::<PlaceOrder>()[1];
    assert_eq!((bid.client, bid.price), (2, Ticks(9_999)));
    // The market data shows our bid before the venue's answer reaches us: it looks like somebody else's.
    stage.add(1_002, Side::Buy, 9_999, LAST);
    stage.accept(2, Side::Buy, 9_999);
    stage.accept(1, Side::Sell, 10_001);
    stage.add(1_001, Side::Sell, 10_001, LAST);
    stage.wait(1_000);
    stage.add(5, Side::Sell, 10_300, LAST);
    assert_eq!(stage.count(), 0, "alone inside the market, the quotes stay where they are");
    // We hear of our fill before the market data shows it: the order is still not the market.
    stage.fill(2, 1, 9_999, 100);
    let bid = stage.only::<PlaceOrder>();
    assert_eq!((bid.side, bid.price, bid.qty), (SideCode::BUY, Ticks(9_998), 90));
    let feature = stage.notes.iter().find_map(|(_, note)| match note {
        Note::Feature { name: "mid_ticks", value } => Some(*value),
        _ => None,
    });
    assert_eq!(feature, Some(10_000.0), "the mid of 9 990 and 10 010");
}

#[test]
fn a_refused_order_is_explained_and_its_side_rests() {
    let mut config = DeskConfig::example().expect("example");
    config.risk.max_notional = Minor(1_000);
    let mut stage = Stage::with(&config);
    stage.open();
    stage.book(9_999, 10_001);
    let refused = stage.all::<OrderRefused>();
    assert_eq!(refused.len(), 2);
    assert_eq!((refused[1].control, refused[1].value, refused[1].limit), (Control::NOTIONAL, 999_900, 1_000));
    assert_eq!((refused[1].price, refused[1].qty, refused[1].prior), (Ticks(9_999), 100, 0));
    stage.wait(10);
    stage.move_to(9_998, 10_000);
    assert_eq!(stage.count(), 0, "both sides rest");
    stage.timer();
    assert_eq!(stage.now, Nanos::from_secs(1_000) + Nanos::from_millis(250));
    assert_eq!(stage.all::<OrderRefused>().len(), 2);
}

#[test]
fn a_quote_that_may_not_be_moved_is_pulled() {
    let mut config = DeskConfig::example().expect("example");
    (config.risk.message_rate_per_s, config.risk.message_burst) = (1, 2);
    let mut stage = Stage::with(&config);
    stage.open();
    stage.book(9_999, 10_001);
    stage.accept(1, Side::Sell, 10_001);
    stage.accept(2, Side::Buy, 9_999);
    stage.wait(200);
    stage.move_to(9_989, 9_991);
    let refused = stage.only::<OrderRefused>();
    assert_eq!((refused.control, refused.prior), (Control::MESSAGE_RATE, 2));
    let pulled = stage.only::<CancelOrder>();
    assert_eq!((pulled.client, pulled.reason), (2, CancelReason::STRATEGY));
}

#[test]
fn what_the_venue_refuses_or_takes_away_is_not_asked_for_again_at_once() {
    let rejected = VenueRejected { event_ns: EventNanos(0), client: 1, reason: 5, spare: [0; 14] };
    let canceled =
        VenueCanceled { event_ns: EventNanos(0), client: 1, qty: 100, reason: b'G', spare: [0; 11] };
    for kind in 0..3 {
        let mut stage = Stage::new();
        stage.open();
        stage.book(9_999, 10_001);
        match kind {
            0 => stage.give(&rejected),
            1 => stage.give(&canceled),
            _ => stage.give(&send_report(1, SendOutcome::EXPIRED)),
        }
        assert_eq!(stage.count(), 0, "kind {kind}");
        stage.timer();
        let again = stage.only::<PlaceOrder>();
        assert_eq!((again.client, again.side), (3, SideCode::SELL), "kind {kind}");
    }
}

#[test]
fn orders_that_the_venue_never_saw_are_dead_when_the_session_is_back() {
    let mut stage = Stage::new();
    stage.open();
    stage.book(9_999, 10_001);
    stage.accept(1, Side::Sell, 10_001);
    stage.session(SessionPhase::DOWN, 0);
    stage.operator(OperatorCommand::KILL);
    assert!(stage.all::<CancelOrder>().is_empty(), "nothing can leave");
    stage.session(SessionPhase::READY, 2);
    let pulled = stage.only::<CancelOrder>();
    assert_eq!((pulled.client, pulled.reason), (1, CancelReason::KILL), "number 2 never arrived");
    assert_eq!(stage.driver.machine().orders().exposure(PRCW).orders, 1);
}

#[test]
fn every_decision_to_send_has_its_whole_trail() {
    let mut stage = Stage::new();
    stage.open();
    stage.add(3, Side::Buy, 9_998, 0);
    stage.add(4, Side::Buy, 9_997, 0);
    stage.add(5, Side::Buy, 9_996, 0);
    stage.book(9_999, 10_001);
    assert_eq!(stage.all::<PlaceOrder>().len(), 2);
    for slot in 0..2 {
        let notes: Vec<&Note> =
            stage.notes.iter().filter(|(at, _)| *at == slot).map(|(_, note)| note).collect();
        let levels: Vec<_> = notes
            .iter()
            .filter_map(|note| match note {
                Note::Level { side, level, price, qty } => Some((*side, *level, price.0, qty.0)),
                _ => None,
            })
            .collect();
        let bids = [("bid", 0, 9_999, 100), ("bid", 1, 9_998, 100), ("bid", 2, 9_997, 100)];
        assert_eq!(levels[..3], bids);
        assert_eq!(levels[3..], [("ask", 0, 10_001, 100)]);
        let feature = |wanted: &str| {
            notes.iter().find_map(|note| match note {
                Note::Feature { name, value } if *name == wanted => Some(*value),
                _ => None,
            })
        };
        assert_eq!(feature("microprice_ticks"), Some(10_000.0));
        let formula = |wanted: &str| {
            notes.iter().find_map(|note| match note {
                Note::Formula { name, result, .. } if *name == wanted => Some(*result),
                _ => None,
            })
        };
        assert_eq!(formula("half_spread"), Some(Amount::number(1.0, "ticks")));
        assert_eq!(formula("skew"), Some(Amount::number(0.0, "ticks")));
        assert_eq!(formula("bid"), Some(Amount::integer(9_999, "ticks")));
        let value = |wanted: &str| {
            notes.iter().find_map(|note| match note {
                Note::Value { name, value, .. } if *name == wanted => Some(*value),
                _ => None,
            })
        };
        assert_eq!((value("position"), value("target_bid")), (Some(0), Some(9_999)));
        assert!(notes.iter().any(|note| matches!(note, Note::Parameter { name: "skew_factor", .. })));
        for code in (1..=17).chain(29..=32) {
            let control = Control(code).name();
            let seen = |note: &&&Note| matches!(note, Note::Check { control: name, passed: true, .. } if *name == control);
            assert!(notes.iter().any(|note| seen(&note)), "{control} in slot {slot}");
        }
    }
}

/// The bid's wake comes first and asks the strategy, which is told that the ask rests: the ask's own wake must follow.
#[test]
fn a_side_that_rests_is_asked_again_though_another_wake_was_armed_before() {
    let mut stage = Stage::quoting();
    stage.wait(10);
    // The bid is too young to move: the strategy asks to be woken at 100 ms.
    stage.move_to(9_997, 10_001);
    assert_eq!(stage.count(), 0);
    stage.canceled(1);
    assert_eq!(stage.count(), 0, "the ask rests until 260 ms");
    let mut placed = Vec::new();
    while stage.now < Nanos::from_secs(1_000) + Nanos::from_millis(400) {
        stage.timer();
        placed.extend(stage.all::<PlaceOrder>().iter().map(|order| (order.side, stage.now)));
    }
    assert_eq!(placed, [(SideCode::SELL, Nanos::from_secs(1_000) + Nanos::from_millis(260))]);
}

#[test]
fn a_cancel_that_could_not_leave_is_tried_again_a_little_later() {
    let mut stage = Stage::quoting();
    stage.operator(OperatorCommand::KILL);
    assert_eq!(stage.all::<CancelOrder>().len(), 2);
    stage.give(&send_report(1, SendOutcome::SENT));
    stage.give(&send_report(1, SendOutcome::FAILED));
    assert_eq!(stage.count(), 0, "not at once: what failed now fails again now");
    let before = stage.now;
    stage.timer();
    let again = stage.only::<CancelOrder>();
    assert_eq!((again.client, again.reason), (1, CancelReason::KILL));
    assert!(stage.now > before && stage.now <= before + Nanos::from_millis(10));
}
