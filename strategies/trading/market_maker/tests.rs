use pricewright_core::kernel::table::VenueAccepted;
use pricewright_core::kernel::{EventNanos, InstrumentId, Liveness, Minor};
use pricewright_core::market::book::{Bbo, Level};
use pricewright_core::market::instrument::{Instrument, TickSize};
use pricewright_core::market::order::{NewOrder, OrderTable};
use pricewright_core::models::features::{Features, Volatility};
use quickcheck::QuickCheck;

use super::*;

fn share(increment: i64) -> Instrument {
    Instrument {
        id: InstrumentId(0),
        symbol: "PRCW".to_owned(),
        tick_size: TickSize::new("0.01").expect("tick size"),
        increment: Ticks(increment),
        lot: 1,
        tick_value: Minor(1),
        currency: "USD".to_owned(),
        currency_decimals: 2,
        short_sale: ShortSale::Unmarked,
    }
}

fn features(bid: i64, bid_qty: i64, ask: i64, ask_qty: i64) -> Features {
    let mut features = Features::new(Volatility::new(Nanos::from_secs(60), Nanos::from_millis(100)));
    let level = |price, qty| Some(Level { price: Ticks(price), qty: Lots(qty), orders: 1 });
    features.update(Nanos(1), &Bbo { bid: level(bid, bid_qty), ask: level(ask, ask_qty) });
    features
}

fn no_orders() -> OrderTable {
    OrderTable::new(&[Minor(1)], 16, 16).expect("sizes")
}

/// Parameters with a width of exactly 2 ticks: σ floor 4 ticks/√s over a quarter of a second.
fn config() -> MarketMakerConfig {
    MarketMakerConfig {
        min_half_spread_ticks: 1.5,
        volatility_factor: 0.5,
        skew_factor: 3.0,
        volatility_floor_ticks: 4.0,
        quote_horizon_ms: 250,
        ..MarketMakerConfig::example()
    }
}

fn plan(config: MarketMakerConfig, features: &Features, position: i64, orders: &OrderTable) -> Plan {
    let instrument = share(1);
    let (now, position) = (Nanos::from_secs(1), Lots(position));
    MarketMaker::new(config).plan(&Context { now, instrument: &instrument, features, position, orders })
}

fn targets(position: i64) -> [Option<(i64, u32)>; 2] {
    let plan = plan(config(), &features(9_990, 100, 10_010, 100), position, &no_orders());
    [plan.bid, plan.ask].map(|target| target.map(|target| (target.price.0, target.qty)))
}

/// By hand from the formulas: fair 10 000, half-spread max(1.5, 0.5 · 2) = 1.5, skew 3 · 2 · q / 1000.
#[test]
fn quotes_follow_the_formula() {
    assert_eq!(targets(0), [Some((9_998, 100)), Some((10_002, 100))]);
    // q = 500: skew 3: centre 9 997; 9 995.5 down, 9 998.5 up; half the size on the side that adds.
    assert_eq!(targets(500), [Some((9_995, 50)), Some((9_999, 100))]);
    assert_eq!(targets(-500), [Some((10_001, 100)), Some((10_005, 50))]);
    // At the limit nothing is added; beyond it the skew grows no further.
    assert_eq!(targets(1_000), [None, Some((9_996, 100))]);
    assert_eq!(targets(-3_000), [Some((10_004, 100)), None]);
}

#[test]
fn the_wider_of_the_two_half_spreads_holds() {
    let wide = MarketMakerConfig { volatility_factor: 2.0, ..config() };
    let plan = plan(wide, &features(9_990, 100, 10_010, 100), 0, &no_orders());
    assert_eq!(plan.reasoning.map(|reasoning| reasoning.half_spread), Some(4.0));
    assert_eq!(plan.bid.map(|target| target.price), Some(Ticks(9_996)));
}

#[test]
fn quotes_never_take() {
    // A huge bid lifts the microprice to the ask: the bid stays below it all the same.
    let plan = plan(config(), &features(9_999, 1_000_000, 10_000, 1), 0, &no_orders());
    assert!(plan.bid.is_some_and(|bid| bid.price <= Ticks(9_999)));
    assert!(plan.ask.is_some_and(|ask| ask.price >= Ticks(10_000)));
}

#[test]
fn quotes_lie_on_the_increment() {
    let (instrument, features) = (share(5), features(9_993, 100, 10_007, 100));
    let (orders, now) = (no_orders(), Nanos::from_secs(1));
    let context =
        Context { now, instrument: &instrument, features: &features, position: Lots(0), orders: &orders };
    let plan = MarketMaker::new(config()).plan(&context);
    assert_eq!(plan.bid.map(|target| target.price), Some(Ticks(9_995)));
    assert_eq!(plan.ask.map(|target| target.price), Some(Ticks(10_005)));
}

#[test]
fn without_a_sound_book_quotes_are_taken_away() {
    let mut orders = no_orders();
    live(&mut orders, Side::Buy, 9_990, 100, Nanos::ZERO);
    let plan = plan(config(), &features(10_010, 100, 9_990, 100), 0, &orders);
    assert_eq!((plan.bid, plan.ask, plan.reasoning), (None, None, None));
    assert_eq!(plan.intents().collect::<Vec<_>>(), [QuoteIntent::Cancel { client: 1 }]);
}

fn live(orders: &mut OrderTable, side: Side, price: i64, qty: u32, placed: Nanos) -> u64 {
    let new = NewOrder { instrument: InstrumentId(0), side, price: Ticks(price), qty, short: false };
    let client = orders.place(placed, new).expect("room");
    let accepted = VenueAccepted {
        event_ns: EventNanos(0),
        client,
        venue_order: client,
        price: Ticks(price),
        qty,
        instrument: InstrumentId(0),
        side: side.into(),
        live: Liveness::LIVE,
    };
    orders.accepted(&accepted).expect("accepted");
    client
}

#[test]
fn a_quote_moves_by_an_increment_and_only_once_it_is_old_enough() {
    let book = features(9_990, 100, 10_010, 100);
    let on_target = |placed| {
        let mut orders = no_orders();
        live(&mut orders, Side::Buy, 9_998, 100, placed);
        live(&mut orders, Side::Sell, 10_003, 100, placed);
        plan(config(), &book, 0, &orders)
    };
    let ripe = on_target(Nanos::from_millis(900));
    let replace = QuoteIntent::Replace { prior: 2, side: Side::Sell, price: Ticks(10_002), qty: 100 };
    assert_eq!(ripe.intents().collect::<Vec<_>>(), [replace], "the bid is where it should be");
    assert_eq!(ripe.wake, None);
    let young = on_target(Nanos::from_millis(901));
    assert_eq!(young.intents().count(), 0);
    assert_eq!(young.wake, Some(Nanos::from_millis(1_001)));
}

#[test]
fn a_quote_larger_than_wanted_is_replaced_and_a_smaller_one_keeps_its_place() {
    let book = features(9_990, 100, 10_010, 100);
    let mut orders = no_orders();
    live(&mut orders, Side::Buy, 9_995, 100, Nanos::ZERO);
    live(&mut orders, Side::Sell, 9_999, 7, Nanos::ZERO);
    let plan = plan(config(), &book, 500, &orders);
    let replace = QuoteIntent::Replace { prior: 1, side: Side::Buy, price: Ticks(9_995), qty: 50 };
    assert_eq!(plan.intents().collect::<Vec<_>>(), [replace]);
}

#[test]
fn an_own_order_on_the_other_side_is_never_crossed() {
    let mut orders = no_orders();
    live(&mut orders, Side::Sell, 9_995, 100, Nanos::ZERO);
    let plan = plan(config(), &features(9_990, 100, 10_010, 100), 0, &orders);
    assert_eq!(plan.bid, Some(Target { price: Ticks(9_994), qty: 100, held_back: true }));
    let replace = QuoteIntent::Replace { prior: 1, side: Side::Sell, price: Ticks(10_002), qty: 100 };
    assert_eq!(plan.intents().collect::<Vec<_>>(), [replace], "the ask makes room, then the bid is placed");
}

#[test]
fn of_two_quotes_on_a_side_the_older_goes() {
    let mut orders = no_orders();
    live(&mut orders, Side::Buy, 9_998, 100, Nanos::ZERO);
    live(&mut orders, Side::Buy, 9_998, 100, Nanos::ZERO);
    let plan = plan(config(), &features(9_990, 100, 10_010, 100), 0, &orders);
    assert!(plan.intents().any(|intent| intent == QuoteIntent::Cancel { client: 1 }));
}

#[test]
fn bid_and_ask_never_meet_and_sizes_keep_to_the_limit() {
    fn property(bid: u16, spread: u8, sizes: (u16, u16), position: i16, factor: u8) -> bool {
        let bid = i64::from(bid) + 1_000;
        let ask = bid + 1 + i64::from(spread);
        let book = features(bid, i64::from(sizes.0) + 1, ask, i64::from(sizes.1) + 1);
        let config = MarketMakerConfig { skew_factor: f64::from(factor), ..config() };
        let plan = plan(config, &book, i64::from(position), &no_orders());
        let apart = match (plan.bid, plan.ask) {
            (Some(low), Some(high)) => low.price < high.price,
            _ => true,
        };
        let passive = plan.bid.is_none_or(|target| target.price.0 < ask)
            && plan.ask.is_none_or(|target| target.price.0 > bid);
        let room = |side: Side, qty: u32| {
            let after = i64::from(position) + side.sign() * i64::from(qty);
            after.abs() <= 1_000.max(i64::from(position).abs())
        };
        let sized = plan.bid.is_none_or(|target| room(Side::Buy, target.qty))
            && plan.ask.is_none_or(|target| room(Side::Sell, target.qty));
        apart && passive && sized
    }
    QuickCheck::new().tests(2_000).quickcheck(property as fn(u16, u8, (u16, u16), i16, u8) -> bool);
}

#[test]
fn wrong_parameters_name_their_key() {
    let (good, risk) = (MarketMakerConfig::example(), RiskConfig::example());
    assert_eq!(good.faults(&risk), [""; 0]);
    for (config, key) in [
        (MarketMakerConfig { order_lots: Lots(0), ..good }, "strategy.order_lots"),
        (MarketMakerConfig { order_lots: Lots(501), ..good }, "strategy.order_lots"),
        (MarketMakerConfig { max_inventory_lots: Lots(2_001), ..good }, "strategy.max_inventory_lots"),
        (MarketMakerConfig { min_half_spread_ticks: 0.0, ..good }, "strategy.min_half_spread_ticks"),
        (MarketMakerConfig { min_half_spread_ticks: f64::NAN, ..good }, "strategy.min_half_spread_ticks"),
        (MarketMakerConfig { volatility_factor: -1.0, ..good }, "strategy.volatility_factor"),
        (MarketMakerConfig { skew_factor: f64::INFINITY, ..good }, "strategy.skew_factor"),
        (MarketMakerConfig { volatility_floor_ticks: -0.1, ..good }, "strategy.volatility_floor_ticks"),
        (MarketMakerConfig { quote_horizon_ms: 0, ..good }, "strategy.quote_horizon_ms"),
        (MarketMakerConfig { min_quote_age_ms: -1, ..good }, "strategy.min_quote_age_ms"),
    ] {
        let faults = config.faults(&risk);
        assert!(matches!(&faults[..], [fault] if fault.contains(key)), "{key}: {faults:?}");
    }
}
