use std::collections::BTreeMap;

use pricewright_core::kernel::{InstrumentId, Nanos, Side};

use super::{Flow, FlowConfig, Regime};
use crate::sim::exchange::{ANCHOR, INCREMENT, ROUND_LOT};
use crate::sim::testing::{PlainBook, START, opened};

const DEMO: InstrumentId = InstrumentId(0);

fn config(seed: u64, rate: u32) -> FlowConfig {
    FlowConfig { seed, instruments: 1, rate, anchor: ANCHOR, increment: INCREMENT, round_lot: ROUND_LOT }
}

#[test]
fn thirty_seconds_see_calm_and_volatile_periods_for_every_seed() {
    for seed in 0..20 {
        let mut flow = Flow::new(config(seed, 1000), START);
        let mut seen = Vec::new();
        while let Some(arrival) = flow.next(START + Nanos::from_secs(30), |_| Default::default()) {
            let second = (arrival.at - START).as_secs_f64();
            if seen.last().is_none_or(|(regime, _)| *regime != flow.regime()) {
                seen.push((flow.regime(), second));
            }
        }
        assert_eq!(seen[0].0, Regime::Calm, "seed {seed}");
        let volatile = seen.iter().filter(|(regime, _)| *regime == Regime::Volatile).count();
        assert!(volatile >= 2, "seed {seed}: {seen:?}");
    }
}

/// Over many periods the average is the configured rate; within one the arrivals are a Poisson process, whose waits
/// have a standard deviation equal to their mean.
#[test]
fn arrivals_are_poisson_at_the_configured_rate() {
    let mut flow = Flow::new(config(5, 100), START);
    let length = Nanos::from_secs(3000);
    let mut times = Vec::new();
    while let Some(arrival) = flow.next(START + length, |_| Default::default()) {
        if times.last().is_some_and(|last| *last == arrival.at) {
            panic!("two arrivals at {}", arrival.at);
        }
        times.push(arrival.at);
    }
    let rate = times.len() as f64 / length.as_secs_f64();
    assert!((90.0..112.0).contains(&rate), "{rate} per second");
    let calm: Vec<f64> = times.windows(2).take(300).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    let mean = calm.iter().sum::<f64>() / calm.len() as f64;
    let deviation = (calm.iter().map(|wait| (wait - mean).powi(2)).sum::<f64>() / calm.len() as f64).sqrt();
    assert!((0.8..1.25).contains(&(deviation / mean)), "deviation {deviation}, mean {mean}");
}

#[test]
fn without_a_rate_there_is_an_opening_book_and_nothing_more() {
    let mut flow = Flow::new(config(1, 0), START);
    assert_eq!(flow.opening().len(), 240);
    assert_eq!(flow.next_due(), None);
    assert_eq!(flow.next(Nanos(i64::MAX), |_| Default::default()), None);
}

/// The market that it makes, over a minute of simulated time and three seeds.
#[test]
fn the_book_stays_alive_narrow_and_near_its_anchor() {
    for seed in 1..=3 {
        let mut exchange = opened(seed, 10_000);
        let mut now = START;
        let mut spreads: BTreeMap<(bool, i64), u64> = BTreeMap::new();
        let mut prices = (i64::MAX, i64::MIN);
        while now < START + Nanos::from_secs(60) {
            now += Nanos::from_millis(20);
            exchange.advance(now).expect("a flow never fails");
            let flow = exchange.flow().expect("a flow");
            let live = flow.live(DEMO);
            assert!((50..=500).contains(&live), "seed {seed}: {live} live orders");
            let best = exchange.best(DEMO);
            let (bid, ask) = (best.bid.expect("bids").price.0, best.ask.expect("asks").price.0);
            *spreads.entry((flow.regime() == Regime::Calm, (ask - bid) / INCREMENT.0)).or_default() += 1;
            prices = (prices.0.min(bid), prices.1.max(ask));
        }
        let share = |calm: bool, range: std::ops::RangeInclusive<i64>| {
            let of = |all: bool| {
                let counted = spreads
                    .iter()
                    .filter(|((is_calm, spread), _)| *is_calm == calm && (all || range.contains(spread)));
                counted.map(|(_, count)| *count).sum::<u64>() as f64
            };
            of(false) / of(true)
        };
        assert!(share(true, 1..=4) > 0.95, "seed {seed}: calm spreads {spreads:?}");
        assert!(share(false, 1..=12) > 0.9, "seed {seed}: volatile spreads {spreads:?}");
        assert!(prices.0 > 9_000 * 100 && prices.1 < 11_000 * 100, "seed {seed}: {prices:?}");
        let book = PlainBook::of(exchange.tape().from(1));
        let share = |letter| book.counts[&letter] as f64 / exchange.tape().len() as f64;
        for (letter, range) in
            [('A', 0.3..0.6), ('D', 0.2..0.5), ('U', 0.05..0.2), ('X', 0.005..0.05), ('E', 0.01..0.1)]
        {
            assert!(range.contains(&share(letter)), "seed {seed}: {letter} {}", share(letter));
        }
    }
}

#[test]
fn prices_lie_on_cents_and_quantities_on_round_lots() {
    let mut exchange = opened(9, 20_000);
    exchange.advance(START + Nanos::from_secs(2)).expect("a flow never fails");
    for order in exchange.book() {
        assert_eq!(order.price.0 % INCREMENT.0, 0);
        assert_eq!(order.qty.0 % ROUND_LOT.0, 0);
        assert!(matches!(order.side, Side::Buy | Side::Sell));
    }
}
