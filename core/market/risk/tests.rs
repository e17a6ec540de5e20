use quickcheck::QuickCheck;

use super::*;
use crate::kernel::{Bps, NoProbe, Recorder};

fn context() -> GateContext {
    GateContext {
        now: Nanos::from_secs(100),
        increment: Ticks(1),
        tick_value: Minor(1),
        reference: Some(Reference { price: HalfTicks(20_001), at: Nanos::from_secs(100) }),
        position: Lots(0),
        exposure: Exposure::default(),
        total: Exposure::default(),
        own_opposite: None,
        health: Health::VALID,
        lag: Some(Nanos(20_000)),
        daily_profit: Minor(0),
        phase: SessionPhase::READY,
        accepting: true,
        trading: TradingState::TRADING,
        in_hours: true,
        may_short: true,
        held: Held::default(),
    }
}

fn bid() -> Intent {
    Intent { instrument: InstrumentId(0), side: Side::Buy, price: Ticks(10_000), qty: 100, prior: None }
}

/// Open orders; where money is said, it is all on the buying side.
fn open(buy_lots: i64, sell_lots: i64, notional: i128, orders: u32) -> Exposure {
    Exposure { buy_lots, sell_lots, notional, buy_notional: notional, orders }
}

/// Positions worth so much, long and short.
fn held(long: i128, short: i128) -> Held {
    Held { gross: long + short, net: long - short }
}

fn gate() -> RiskGate {
    RiskGate::new(&RiskConfig::example()).expect("example limits")
}

fn refusal(intent: Intent, context: GateContext) -> Option<Control> {
    gate().check(&intent, &context, 0, &mut NoProbe).err().map(|refusal| refusal.control)
}

#[test]
fn a_sound_order_passes() {
    assert_eq!(refusal(bid(), context()), None);
}

/// One breach each: the control that must answer.
#[test]
fn every_control_refuses_its_breach() {
    let ok = context();
    let sell = Intent { side: Side::Sell, price: Ticks(10_001), ..bid() };
    let prior = PriorOrder { client: 1, open: 100, price: Ticks(10_000) };
    let cases = [
        ("accepting", bid(), GateContext { accepting: false, ..ok }, Control::SESSION),
        ("phase", bid(), GateContext { phase: SessionPhase::CATCHING_UP, ..ok }, Control::SESSION),
        ("halt", bid(), GateContext { trading: TradingState::HALTED, ..ok }, Control::TRADING_STATUS),
        ("never said", bid(), GateContext { trading: TradingState::UNKNOWN, ..ok }, Control::TRADING_STATUS),
        ("stale", bid(), GateContext { health: Health::STALE, ..ok }, Control::STALE_BOOK),
        ("recovering", bid(), GateContext { health: Health::RECOVERING, ..ok }, Control::STALE_BOOK),
        ("late", bid(), GateContext { lag: Some(Nanos(50_000_001)), ..ok }, Control::INGRESS_LAG),
        ("lag unknown", bid(), GateContext { lag: None, ..ok }, Control::INGRESS_LAG),
        ("loss", bid(), GateContext { daily_profit: Minor(-500_000), ..ok }, Control::DAILY_LOSS),
        ("no reference", bid(), GateContext { reference: None, ..ok }, Control::NO_REFERENCE),
        ("old", bid(), GateContext { now: Nanos(101_000_000_001), ..ok }, Control::NO_REFERENCE),
        ("increment", bid(), GateContext { increment: Ticks(3), ..ok }, Control::MALFORMED),
        ("no increment", bid(), GateContext { increment: Ticks(0), ..ok }, Control::MALFORMED),
        ("no lots", Intent { qty: 0, ..bid() }, ok, Control::MALFORMED),
        ("wild price", Intent { price: Ticks(i64::MAX), ..bid() }, ok, Control::MALFORMED),
        // 50 bps above 10 000.5 is 10 050.5: 10 051 is beyond it, on the aggressive side.
        ("dear buy", Intent { price: Ticks(10_051), ..bid() }, ok, Control::PRICE_COLLAR),
        ("cheap sell", Intent { price: Ticks(9_950), ..sell }, ok, Control::PRICE_COLLAR),
        ("far bid", Intent { price: Ticks(9_500), ..bid() }, ok, Control::PRICE_COLLAR),
        ("lots", Intent { qty: 501, ..bid() }, ok, Control::ORDER_SIZE),
        ("money", bid(), GateContext { tick_value: Minor(11), ..ok }, Control::NOTIONAL),
        ("long", bid(), GateContext { position: Lots(1_901), ..ok }, Control::POSITION),
        ("long if filled", bid(), GateContext { exposure: open(1_901, 0, 0, 1), ..ok }, Control::POSITION),
        ("short", sell, GateContext { position: Lots(-1_901), ..ok }, Control::POSITION),
        ("short if filled", sell, GateContext { exposure: open(0, 1_901, 0, 1), ..ok }, Control::POSITION),
        ("orders", bid(), GateContext { total: open(0, 0, 0, 16), ..ok }, Control::OPEN_ORDERS),
        ("open money", bid(), GateContext { total: open(0, 0, 49_000_001, 1), ..ok }, Control::OPEN_NOTIONAL),
        // The example allows 50 000 000 open, four times that gross and twice that net; the order is of 1 000 000.
        ("gross", bid(), GateContext { held: held(99_500_000, 99_500_001), ..ok }, Control::GROSS_NOTIONAL),
        (
            "gross with what is open",
            bid(),
            GateContext { held: held(99_500_000, 95_500_000), total: open(0, 0, 4_000_001, 1), ..ok },
            Control::GROSS_NOTIONAL,
        ),
        ("net long", bid(), GateContext { held: held(99_000_001, 0), ..ok }, Control::NET_NOTIONAL),
        ("net short", sell, GateContext { held: held(0, 99_000_001), ..ok }, Control::NET_NOTIONAL),
        (
            "net long with what is open",
            bid(),
            GateContext { held: held(95_000_000, 0), total: open(0, 0, 4_000_001, 1), ..ok },
            Control::NET_NOTIONAL,
        ),
        ("short sale", sell, GateContext { may_short: false, position: Lots(99), ..ok }, Control::SHORT_SALE),
        (
            "short sale with what is open",
            sell,
            GateContext { may_short: false, position: Lots(199), exposure: open(0, 100, 0, 1), ..ok },
            Control::SHORT_SALE,
        ),
        ("hours", bid(), GateContext { in_hours: false, ..ok }, Control::MARKET_HOURS),
        ("crosses", bid(), GateContext { own_opposite: Some(Ticks(10_000)), ..ok }, Control::SELF_CROSS),
        (
            "larger replacement",
            Intent { qty: 200, prior: Some(prior), ..bid() },
            GateContext { exposure: open(1_901, 0, 0, 1), ..ok },
            Control::POSITION,
        ),
    ];
    for (name, intent, context, control) in cases {
        assert_eq!(refusal(intent, context), Some(control), "{name}");
    }
}

/// Just inside each limit.
#[test]
fn what_touches_a_limit_passes() {
    let ok = context();
    let sell = Intent { side: Side::Sell, price: Ticks(10_001), ..bid() };
    let prior = PriorOrder { client: 1, open: 100, price: Ticks(10_000) };
    let cases = [
        ("collar", Intent { price: Ticks(10_050), ..bid() }, ok),
        ("collar is for the aggressive side", Intent { price: Ticks(9_900), ..bid() }, ok),
        ("lots", Intent { qty: 500, ..bid() }, ok),
        ("position", bid(), GateContext { position: Lots(1_900), ..ok }),
        ("reducing a position beyond its limit", sell, GateContext { position: Lots(5_000), ..ok }),
        ("orders", bid(), GateContext { total: open(0, 0, 0, 15), ..ok }),
        (
            "a replacement is no further order",
            Intent { prior: Some(prior), ..bid() },
            GateContext {
                total: open(2_000, 0, 50_000_000, 16),
                exposure: open(2_000, 0, 1_000_000, 16),
                ..ok
            },
        ),
        ("lag", bid(), GateContext { lag: Some(Nanos(50_000_000)), ..ok }),
        ("gross", bid(), GateContext { held: held(99_500_000, 99_500_000), ..ok }),
        ("net", bid(), GateContext { held: held(99_000_000, 0), ..ok }),
        (
            "what is open on one side counts on that side",
            sell,
            GateContext { held: held(0, 99_000_000 - 100), total: open(0, 0, 4_000_000, 1), ..ok },
        ),
        ("a sale of what is held", sell, GateContext { may_short: false, position: Lots(100), ..ok }),
        (
            "what only reduces passes a gross beyond its limit",
            sell,
            GateContext { held: held(250_000_000, 200_000_000), position: Lots(100), ..ok },
        ),
        ("age", bid(), GateContext { now: Nanos::from_secs(101), ..ok }),
        ("own ask above", bid(), GateContext { own_opposite: Some(Ticks(10_001)), ..ok }),
        ("loss", bid(), GateContext { daily_profit: Minor(-499_999), ..ok }),
    ];
    for (name, intent, context) in cases {
        assert_eq!(refusal(intent, context), None, "{name}");
    }
}

#[test]
fn the_same_order_again_is_refused_within_the_window() {
    let mut gate = gate();
    let at = |ms: i64| GateContext { now: Nanos::from_millis(100_000 + ms), ..context() };
    assert!(gate.check(&bid(), &at(0), 0, &mut NoProbe).is_ok());
    let again = gate.check(&bid(), &at(49), 0, &mut NoProbe);
    assert_eq!(again.err().map(|refusal| refusal.control), Some(Control::DUPLICATE));
    assert!(gate.check(&Intent { price: Ticks(9_999), ..bid() }, &at(49), 0, &mut NoProbe).is_ok());
    assert!(gate.check(&bid(), &at(50), 0, &mut NoProbe).is_ok(), "a refused one is not counted");
}

/// Source: `token_bucket` of the golden values (rate 10 tokens a second, burst 5), tokens in thousandths.
#[test]
fn token_bucket_as_in_the_golden_values() {
    let golden = [
        (0, true, 4_000),
        (10, true, 3_100),
        (20, true, 2_200),
        (30, true, 1_300),
        (40, true, 400),
        (50, false, 500),
        (60, false, 600),
        (150, true, 500),
        (160, false, 600),
        (400, true, 2_000),
        (410, true, 1_100),
        (1_000, true, 4_000),
        (1_001, true, 3_010),
    ];
    let mut bucket = TokenBucket::new(10, 5);
    for (ms, accepted, milli) in golden {
        bucket.refill(Nanos::from_millis(ms));
        assert_eq!((bucket.take(), bucket.milli_tokens()), (accepted, milli), "at {ms} ms");
    }
}

#[test]
fn tokens_are_taken_only_by_what_passes() {
    let mut gate = RiskGate::new(&RiskConfig { message_burst: 2, ..RiskConfig::example() }).expect("limits");
    let refused = GateContext { health: Health::STALE, ..context() };
    for _ in 0..10 {
        assert!(gate.check(&bid(), &refused, 0, &mut NoProbe).is_err());
    }
    let order = |price| Intent { price: Ticks(price), ..bid() };
    assert!(gate.check(&order(9_999), &context(), 0, &mut NoProbe).is_ok());
    assert!(gate.check(&order(9_998), &context(), 0, &mut NoProbe).is_ok());
    let third = gate.check(&order(9_997), &context(), 0, &mut NoProbe).err();
    assert_eq!(third, Some(Refusal { control: Control::MESSAGE_RATE, value: 0, limit: 1 }));
}

#[test]
fn the_latch_holds_until_it_is_released() {
    let mut gate = gate();
    assert_eq!(gate.check_loss(Minor(-499_999)), None);
    let set = gate.check_loss(Minor(-500_000)).expect("set");
    assert_eq!((set.control, set.value, set.limit), (Control::DAILY_LOSS, -500_000, -500_000));
    assert_eq!(gate.check_loss(Minor(-600_000)), None, "set before");
    assert!(!gate.set_latch(Control::KILL_LATCH), "the first cause is kept");
    let held = gate.check(&bid(), &context(), 0, &mut NoProbe).err();
    assert_eq!(held.map(|refusal| refusal.control), Some(Control::KILL_LATCH));
    assert_eq!(gate.release(), Control::DAILY_LOSS);
    assert!(gate.check(&bid(), &context(), 0, &mut NoProbe).is_ok());
}

#[test]
fn all_controls_are_shown_even_after_the_first_breach() {
    let mut recorder = Recorder::default();
    let bad = GateContext { health: Health::STALE, accepting: false, ..context() };
    let refusal = gate().check(&bid(), &bad, 3, &mut recorder).expect_err("refused");
    assert_eq!(refusal.control, Control::SESSION, "the first breach is the answer");
    let mut seen: Vec<(&str, bool)> = Vec::new();
    for (slot, note) in &recorder.notes {
        assert_eq!(*slot, 3);
        if let Note::Check { control, passed, .. } = note {
            seen.push((control, *passed));
        }
    }
    for code in 1..=17 {
        assert!(seen.iter().any(|(name, _)| *name == Control(code).name()), "{}", Control(code).name());
    }
    let failed: Vec<&str> = seen.iter().filter(|(_, passed)| !passed).map(|(name, _)| *name).collect();
    assert_eq!(failed, ["session", "stale_book"]);
}

#[test]
fn wrong_limits_name_their_key() {
    let good = RiskConfig::example();
    let cases = [
        (RiskConfig { collar_bps: crate::kernel::Bps(0), ..good }, "risk.collar_bps"),
        (RiskConfig { band_bps: crate::kernel::Bps(49), ..good }, "risk.band_bps"),
        (RiskConfig { max_order_lots: Lots(0), ..good }, "risk.max_order_lots"),
        (RiskConfig { max_notional: Minor(i64::MAX), ..good }, "risk.max_notional"),
        (RiskConfig { max_position_lots: Lots(-1), ..good }, "risk.max_position_lots"),
        (RiskConfig { max_open_orders: 0, ..good }, "risk.max_open_orders"),
        (RiskConfig { max_open_notional: Minor(0), ..good }, "risk.max_open_notional"),
        (RiskConfig { message_rate_per_s: 0, ..good }, "risk.message_rate_per_s"),
        (RiskConfig { message_burst: 0, ..good }, "risk.message_burst"),
        (RiskConfig { duplicate_window_ms: 0, ..good }, "risk.duplicate_window_ms"),
        (RiskConfig { reference_max_age_ms: 0, ..good }, "risk.reference_max_age_ms"),
        (RiskConfig { ingress_lag_max_us: 0, ..good }, "risk.ingress_lag_max_us"),
        (RiskConfig { max_daily_loss: Minor(0), ..good }, "risk.max_daily_loss"),
        (RiskConfig { message_burst: 1_000_000, ..good }, "risk.duplicate_window_ms"),
    ];
    for (config, key) in cases {
        let error = RiskGate::new(&config).expect_err("refused");
        assert!(error.contains(key), "{error}");
    }
    assert!(RiskConfig::default().validate().is_err(), "limits that were never set refuse everything");
}

/// Whatever the numbers, nothing overflows, and what passes keeps within the limits by independent sums.
#[test]
fn what_passes_keeps_within_the_limits() {
    fn property(numbers: (i64, i64, i64, i64), side: bool, qty: u32, increment: i8, tick_value: u16) -> bool {
        let (price, reference, position, open) = numbers;
        let side = if side { Side::Buy } else { Side::Sell };
        let limits = RiskConfig::example();
        for (price, reference, position, open) in [
            (price, reference, position, open.saturating_abs()),
            (price % 20_000, reference % 40_000, position % 3_000, open.saturating_abs() % 3_000),
        ] {
            let exposure = super::tests::open(open, open, i128::from(open), 1);
            let context = GateContext {
                reference: Some(Reference { price: HalfTicks(reference), at: Nanos::from_secs(100) }),
                position: Lots(position),
                exposure,
                total: exposure,
                increment: Ticks(i64::from(increment)),
                tick_value: Minor(i64::from(tick_value)),
                ..context()
            };
            let intent = Intent { side, price: Ticks(price), qty: qty % 600, ..bid() };
            if gate().check(&intent, &context, 0, &mut NoProbe).is_err() {
                continue;
            }
            let lots = i128::from(intent.qty);
            let worst = i128::from(position) * i128::from(side.sign()) + i128::from(open) + lots;
            let money = i128::from(price).abs() * i128::from(tick_value) * lots;
            let sound = worst <= 2_000 && lots <= 500 && lots > 0 && money <= 10_000_000 && reference > 0;
            if !sound || limits.validate().is_err() {
                return false;
            }
        }
        true
    }
    QuickCheck::new()
        .tests(3_000)
        .quickcheck(property as fn((i64, i64, i64, i64), bool, u32, i8, u16) -> bool);
}

/// The same question, asked with a division and without.
#[test]
fn within_a_band_is_as_far_away_as_the_band_at_most() {
    fn property(price: i64, centre: i64, band: u16, near: i8) -> bool {
        let band = Bps(i64::from(band) % 10_001);
        // Prices and centres in range, far from each other and close; and some beyond.
        [(price >> 30, centre >> 30), ((centre >> 31) / 2 + i64::from(near), centre >> 31), (price, centre)]
            .into_iter()
            .all(|(price, centre)| {
                let reference = Reference { price: HalfTicks(centre), at: Nanos(0) };
                let away = reference.away_bps(Ticks(price));
                let wanted = away.is_some_and(|away| away.abs() <= band.0);
                is_within(Ticks(price), HalfTicks(centre), band) == wanted
            })
    }
    QuickCheck::new().tests(10_000).quickcheck(property as fn(i64, i64, u16, i8) -> bool);
}
