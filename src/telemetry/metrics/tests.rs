use std::collections::BTreeSet;

use pricewright_core::kernel::table::{
    BookTransition, DeskStatus, FeedHealth, KillLatched, Mark, Operator, OrderRefused, PositionChanged,
    Rejected, SessionState, VenueRejected,
};
use pricewright_core::kernel::{
    Control, EventNanos, Health, HealthReason, InstrumentId, InstrumentUnits, LimitUse, Lots, Minor, Nanos,
    OperatorCommand, Record, RecordBuf, RecordSink as _, RejectReason, SessionPhase, SideCode, SourceId,
    Standing, Text, Ticks,
};

use super::probes::{Expected, health, readiness};
use super::table::TABLE;
use super::*;
use crate::edges::nasdaq::LineCounts;
use crate::telemetry::trace::{StageTimes, TraceEntry};

const FEED: SourceId = SourceId(1);
const DESK: Expected = Expected { feed: true, session: true };

fn take<R: Record>(seen: &mut Seen, record: R) {
    let mut buffer = RecordBuf::with_capacity(32);
    buffer.put(&record, FEED, 0).expect("it fits");
    seen.take(buffer.iter().next().expect("a record"), true);
}

fn units() -> DisplayUnits {
    let share = InstrumentUnits { symbol: "PRCW".to_owned(), tick_units: 1, decimals: 2, lot: 1 };
    DisplayUnits { instruments: vec![share], money_decimals: 2, currency: "USD".to_owned() }
}

fn view<T>(seen: &Seen, read: &Readings, make: impl FnOnce(&View<'_>) -> T) -> T {
    make(&View { machine: "desk", units: &units(), seen, read })
}

fn page(seen: &Seen, read: &Readings, exposition: Exposition) -> String {
    view(seen, read, |view| expose(view, exposition).expect("text"))
}

fn refused(control: Control) -> OrderRefused {
    OrderRefused {
        value: 60,
        limit: 50,
        price: Ticks(10_000),
        qty: 100,
        instrument: InstrumentId(0),
        control,
        prior: 0,
        side: SideCode::BUY,
        spare: [0; 7],
    }
}

fn feed(health: Health, reason: HealthReason) -> FeedHealth {
    FeedHealth { expected: 1, seen: 1, missing: 0, source: FEED, health, reason, session: 0 }
}

fn book(to: Health, reason: HealthReason) -> BookTransition {
    BookTransition {
        position: 1,
        missing: 0,
        orders: 0,
        instrument: InstrumentId(0),
        from: Health::UNKNOWN,
        to,
        reason,
        spare: [0; 3],
    }
}

fn session(phase: SessionPhase) -> SessionState {
    SessionState { sequence: 1, next_client: 0, session: 0, source: SourceId(2), phase, reason: 0, spare: 0 }
}

fn status(realised: i64, unrealised: i64, fees: i64) -> DeskStatus {
    DeskStatus {
        bid: Ticks(10_000),
        ask: Ticks(10_001),
        position: Lots(-300),
        realised: Minor(realised),
        unrealised: Minor(unrealised),
        fees: Minor(fees),
        fills: 1,
        gaps: 0,
        open_orders: 2,
        instrument: InstrumentId(0),
        health: Health::VALID,
        phase: SessionPhase::READY,
        latch: Control::NONE,
        frozen: 0,
        spare: [0; 3],
    }
}

/// A desk for which all is well.
fn well() -> Seen {
    let mut seen = Seen::default();
    take(&mut seen, feed(Health::VALID, HealthReason::START));
    take(&mut seen, book(Health::VALID, HealthReason::START));
    take(&mut seen, session(SessionPhase::READY));
    seen
}

#[test]
fn names_are_of_one_kind_and_stand_once() {
    let mut names = BTreeSet::new();
    for metric in TABLE {
        let name = metric.sample();
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(name.starts_with("pricewright_") || name.starts_with("process_"), "{name}");
        assert!(metric.help.ends_with('.'), "{name}: {}", metric.help);
        assert!(names.insert(name.clone()), "{name} twice");
    }
}

#[test]
fn the_desks_records_become_figures() {
    let mut seen = well();
    take(&mut seen, refused(Control::PRICE_COLLAR));
    take(&mut seen, refused(Control::PRICE_COLLAR));
    take(&mut seen, refused(Control::POSITION));
    take(&mut seen, VenueRejected { event_ns: EventNanos(0), client: 7, reason: 5, spare: [0; 14] });
    take(
        &mut seen,
        PositionChanged {
            client: 7,
            match_number: 1,
            price: Ticks(10_000),
            fill: Lots(-300),
            position: Lots(-300),
            cost: Minor(-3_000_000),
            realised: Minor(0),
            fees: Minor(-60),
            instrument: InstrumentId(0),
            spare: [0; 6],
        },
    );
    take(&mut seen, status(1_234, -150, -60));
    let page = page(&seen, &Readings::default(), Exposition::Prometheus);
    for line in [
        "# TYPE pricewright_orders_refused_total counter",
        "pricewright_orders_refused_total{control=\"price_collar\"} 2",
        "pricewright_orders_refused_total{control=\"position\"} 1",
        "pricewright_orders_rejected_total{reason=\"invalid_peg_type\"} 1",
        "pricewright_fills_total{instrument=\"PRCW\"} 1",
        "pricewright_open_orders{instrument=\"PRCW\"} 2",
        "pricewright_position_lots{instrument=\"PRCW\"} -300",
        "pricewright_realised_profit{instrument=\"PRCW\",currency=\"USD\"} 12.34",
        "pricewright_unrealised_profit{instrument=\"PRCW\",currency=\"USD\"} -1.5",
        "pricewright_fees{instrument=\"PRCW\",currency=\"USD\"} -0.6",
        "pricewright_net_profit{instrument=\"PRCW\",currency=\"USD\"} 11.44",
        "pricewright_decisions_total{kind=\"OrderRefused\"} 3",
        "pricewright_events_total{kind=\"FeedHealth\"} 1",
        "pricewright_feed_health{feed=\"market_data\",health=\"valid\"} 1",
        "pricewright_feed_health{feed=\"market_data\",health=\"stale\"} 0",
        "pricewright_book_health{instrument=\"PRCW\",health=\"valid\"} 1",
        "pricewright_session_phase{session=\"orders\",phase=\"ready\"} 1",
        "pricewright_latched{control=\"none\"} 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
}

#[test]
fn records_of_earlier_runs_say_how_things_stand_and_count_nothing() {
    let mut buffer = RecordBuf::with_capacity(32);
    buffer.put(&feed(Health::STALE, HealthReason::SILENCE), FEED, 0).expect("it fits");
    buffer.put(&refused(Control::POSITION), FEED, 0).expect("it fits");
    let mut seen = Seen::default();
    buffer.iter().for_each(|record| seen.take(record, false));
    assert_eq!(seen.kinds.values().sum::<u64>(), 0);
    assert_eq!(seen.refused.values().sum::<u64>(), 0);
    assert_eq!(seen.feeds[&FEED].health, Health::STALE);
}

#[test]
fn limits_orders_lines_and_stages_come_from_others() {
    let stages = StageTimes::default();
    // 2 µs to be stamped, 3 µs to decide, 5 µs to send.
    stages.take(&TraceEntry { seq: 1, received: 1_000, sequenced: 3_000, decided: 6_000, sent: 11_000 });
    // From inside, and nothing sent: only the decision took time.
    stages.take(&TraceEntry { seq: 2, received: 20_000, sequenced: 20_000, decided: 24_000, sent: 0 });
    let limit = |limit, instrument, used, most| LimitUse { limit, instrument, used, most };
    let read = Readings {
        standing: Some(Standing {
            latch: None,
            orders: vec![("live", 2), ("in_doubt", 0)],
            limits: vec![
                limit("max_position_lots", Some(InstrumentId(0)), 500, 2_000),
                limit("max_daily_loss", None, 0, 500_000),
            ],
        }),
        lines: Some(LineCounts { gaps: 3, kernel_drops: 17, ..LineCounts::default() }),
        stages: stages.read(),
        durable: Some(40),
        ..Readings::default()
    };
    let seen = Seen { seq: 42, ..Seen::default() };
    let page = page(&seen, &read, Exposition::OpenMetrics);
    for line in [
        "pricewright_orders{state=\"live\"} 2",
        "pricewright_limit_used{limit=\"max_position_lots\",instrument=\"PRCW\"} 500",
        "pricewright_limit{limit=\"max_position_lots\",instrument=\"PRCW\"} 2000",
        "pricewright_limit_used_ratio{limit=\"max_position_lots\",instrument=\"PRCW\"} 0.25",
        "pricewright_limit_used_ratio{limit=\"max_daily_loss\",instrument=\"\"} 0.0",
        "pricewright_feed_gaps_total 3",
        "pricewright_feed_kernel_drops_total 17",
        "pricewright_durable_lag_records 2",
        "pricewright_stage_latency_seconds_count{stage=\"decide\"} 2",
        "pricewright_stage_latency_seconds_count{stage=\"sequence\"} 1",
        "pricewright_stage_latency_seconds_count{stage=\"receive_to_order\"} 1",
        "# EOF",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    let whole = stages.read().into_iter().find(|(stage, _)| *stage == "receive_to_order").expect("there").1;
    // 10 µs: in the bucket up to 10 µs, which includes its bound.
    let filled: Vec<f64> =
        whole.buckets.iter().filter(|(_, count)| *count > 0).map(|(bound, _)| *bound).collect();
    assert_eq!(filled, [0.000_01]);
    assert_eq!(whole.sum, 0.000_01);
}

#[test]
fn times_in_the_kernel_are_a_stage() {
    let mut seen = Seen::default();
    let mark = |queued_ns| Mark {
        first: 1,
        received: Nanos(1),
        count: 1,
        session: 0,
        line: 0,
        source: FEED,
        queued_ns,
    };
    take(&mut seen, mark(1_500));
    // No stamp of the kernel: nothing is known.
    take(&mut seen, mark(0));
    let page = page(&seen, &Readings::default(), Exposition::Prometheus);
    assert!(page.contains("pricewright_stage_latency_seconds_count{stage=\"kernel_queue\"} 1\n"), "{page}");
}

#[test]
fn readiness_says_what_is_not_well() {
    let verdict = |seen: &Seen, read: &Readings| view(seen, read, |view| readiness(view, None, DESK));
    let reasons = |seen: &Seen, read: &Readings| verdict(seen, read).reasons;
    let fine = Readings::default();
    assert!(verdict(&well(), &fine).is_ok(), "{:?}", verdict(&well(), &fine));
    assert_eq!(
        reasons(&Seen::default(), &fine),
        [
            "feed: the market data has not spoken yet",
            "books: PRCW has not been spoken of yet",
            "session: the order session has not begun"
        ]
    );
    let with = |change: fn(&mut Seen)| {
        let mut seen = well();
        change(&mut seen);
        seen
    };
    let silent = with(|seen| take(seen, feed(Health::STALE, HealthReason::SILENCE)));
    assert_eq!(reasons(&silent, &fine), ["feed: the market data is stale (silence)"]);
    let book = with(|seen| take(seen, book(Health::RECOVERING, HealthReason::GAP)));
    assert_eq!(reasons(&book, &fine), ["books: PRCW is recovering (gap)"]);
    let down = with(|seen| take(seen, session(SessionPhase::DOWN)));
    assert_eq!(reasons(&down, &fine), ["session: the order session is down"]);
    let low = with(|seen| take(seen, Operator::says("pricewright", OperatorCommand::STORAGE_LOW, 0)));
    assert_eq!(reasons(&low, &fine), ["storage: storage is low: no new risk is taken; free some room"]);
    let short = Readings { free: Some(99), min_free: 100, ..Readings::default() };
    assert!(reasons(&well(), &short)[0].starts_with("storage: less is free than min_free_mib"));
    assert!(verdict(&well(), &Readings { free: Some(100), ..short }).is_ok());
    let good = with(|seen| {
        take(seen, Operator::says("pricewright", OperatorCommand::STORAGE_LOW, 0));
        take(seen, Operator::says("pricewright", OperatorCommand::STORAGE_OK, 0));
    });
    assert!(verdict(&good, &fine).is_ok());
    let latched = with(|seen| {
        take(
            seen,
            KillLatched {
                value: 0,
                limit: 0,
                control: Control::DAILY_LOSS,
                released: 0,
                spare: [0; 5],
                operator: Text::default(),
            },
        );
    });
    assert_eq!(reasons(&latched, &fine), ["latch: the kill latch is set (daily_loss)"]);
    let failed = Readings { durable: Some(1), durable_failed: true, ..Readings::default() };
    assert!(reasons(&well(), &failed)[0].starts_with("durable: the disk failed"));
}

/// A record a millisecond for 20 s, of which the disk took the first 9 s: what came next waits for 11 s.
#[test]
fn a_disk_that_does_not_keep_up_is_not_ready() {
    let mut seen = well();
    (1..=20_000).for_each(|ms: u32| seen.came(ms.into(), Nanos(i64::from(ms) * 1_000_000)));
    let second = 1_000_000_000;
    let verdict = |durable, now| {
        let read = Readings { durable: Some(durable), now: Nanos(now), ..Readings::default() };
        view(&seen, &read, |view| readiness(view, None, DESK)).reasons
    };
    assert!(verdict(20_000, 20 * second).is_empty() && verdict(18_000, 20 * second).is_empty());
    let late = verdict(9_000, 20 * second);
    assert!(
        late.len() == 1 && late[0].starts_with("durable_lag: records have waited for the disk for 1"),
        "{late:?}"
    );
    // Nothing comes any more, and time passes all the same.
    assert!(verdict(19_999, 21 * second).is_empty() && verdict(20_000, 30 * second).is_empty());
    assert!(!verdict(19_999, 30 * second).is_empty(), "the last record waits");
}

/// The records of one millisecond are not remembered each: the last of them counts.
#[test]
fn records_of_a_moment_wait_too() {
    let mut seen = Seen::default();
    (1..=6).for_each(|seq| seen.came(seq, Nanos(1_000_000 + i64::try_from(seq).expect("few"))));
    assert_eq!(seen.waited(6, Nanos(9_000_000)), Nanos(0));
    assert_eq!(seen.waited(1, Nanos(9_000_000)), Nanos(9_000_000 - 1_000_006));
    assert_eq!(seen.waited(0, Nanos(9_000_000)), Nanos(9_000_000 - 1_000_001));
    assert_eq!(seen.waited(0, Nanos(500)), Nanos(0), "a clock that was set back");
}

/// 100 bought at 10.00, marked at 12.00, and sold there: 200.00 were made, not twice that until the next status.
#[test]
fn profit_is_right_between_a_fill_and_the_next_status() {
    let mut seen = well();
    let fill = |fill, position, cost, realised| PositionChanged {
        client: 7,
        match_number: 1,
        price: Ticks(1_200),
        fill: Lots(fill),
        position: Lots(position),
        cost: Minor(cost),
        realised: Minor(realised),
        fees: Minor(0),
        instrument: InstrumentId(0),
        spare: [0; 6],
    };
    take(&mut seen, fill(100, 100, 100_000, 0));
    let marked = status(0, 20_000, 0);
    take(&mut seen, DeskStatus { bid: Ticks(1_199), ask: Ticks(1_201), position: Lots(100), ..marked });
    let net = |seen: &Seen| {
        let page = page(seen, &Readings::default(), Exposition::Prometheus);
        let line =
            page.lines().find(|line| line.starts_with("pricewright_net_profit{")).expect("it is there");
        line.split(' ').next_back().expect("a value").to_owned()
    };
    assert_eq!(net(&seen), "200.0");
    take(&mut seen, fill(-100, 0, 0, 20_000));
    assert_eq!(net(&seen), "200.0");
}

/// Of two instruments one is frozen: that is said of it, whichever spoke last and whichever run it was, and it is no latch.
#[test]
fn a_frozen_instrument_is_named_and_latches_nothing() {
    let mut units = units();
    units.instruments.push(InstrumentUnits { symbol: "PRCX".to_owned(), ..units.instruments[0].clone() });
    let of =
        |instrument, frozen| DeskStatus { instrument: InstrumentId(instrument), frozen, ..status(0, 0, 0) };
    for (frozen, name) in [(0, "PRCW"), (1, "PRCX")] {
        let mut seen = well();
        take(&mut seen, of(0, u8::from(frozen == 0)));
        take(&mut seen, of(1, u8::from(frozen == 1)));
        assert_eq!(seen.latch, None);
        let read = Readings::default();
        let view = View { machine: "desk", units: &units, seen: &seen, read: &read };
        let said = readiness(&view, None, DESK).reasons;
        assert_eq!(said, [format!("positions: {name} differs from the drop copy")]);
        take(&mut seen, of(frozen, 0));
        let view = View { machine: "desk", units: &units, seen: &seen, read: &read };
        assert!(readiness(&view, None, DESK).is_ok());
    }
}

#[test]
fn a_shop_needs_neither_market_data_nor_a_session() {
    let (seen, read) = (Seen::default(), Readings::default());
    let verdict = view(&seen, &read, |view| readiness(view, None, Expected::default()));
    assert!(verdict.is_ok(), "{verdict:?}");
}

#[test]
fn health_is_of_the_process() {
    let (mut seen, fine) = (well(), Readings::default());
    take(&mut seen, feed(Health::STALE, HealthReason::SILENCE));
    assert!(
        view(&seen, &fine, |view| health(view, None)).is_ok(),
        "a venue's silence is no fault of the process"
    );
    let stalled = view(&seen, &fine, |view| health(view, Some(6_000)));
    assert_eq!(stalled.reasons, ["hot_thread: it has not moved for 6000 ms"]);
    let blind = Readings { monitor_age_ms: 9_000, ..Readings::default() };
    assert!(!view(&seen, &blind, |view| health(view, None)).is_ok(), "what is said must not be old");
}

#[test]
fn dead_letters_are_counted_by_reason() {
    let mut seen = Seen::default();
    for reason in [RejectReason::MALFORMED, RejectReason::MALFORMED, RejectReason::TOO_LONG] {
        take(&mut seen, Rejected { position: 1, len: 3, reason, source: FEED, text: Text::excerpt("{\"a") });
    }
    let page = page(&seen, &Readings::default(), Exposition::Prometheus);
    assert!(page.contains("pricewright_dead_letters_total{reason=\"malformed\"} 2\n"), "{page}");
    assert!(page.contains("pricewright_dead_letters_total{reason=\"too_long\"} 1\n"), "{page}");
}

#[test]
fn the_format_is_the_one_that_is_asked_for() {
    let prometheus_2_42 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
                           q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(Exposition::accepted(prometheus_2_42), Exposition::OpenMetrics);
    for plain in ["", "*/*", "text/plain", "text/plain, application/openmetrics-text;q=0.5"] {
        assert_eq!(Exposition::accepted(plain), Exposition::Prometheus, "{plain}");
    }
    assert_eq!(Exposition::accepted("application/openmetrics-text;q=0"), Exposition::Prometheus);
}
