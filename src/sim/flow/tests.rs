use std::collections::BTreeMap;

use pricewright_core::kernel::{InstrumentId, Nanos, Side};

use pricewright_feeds::nasdaq::Alpha;
use pricewright_feeds::nasdaq::ouch::{Response, decode_response};
use pricewright_feeds::nasdaq::soupbintcp::Password;

use super::{Flow, FlowConfig, Regime};
use crate::sim::exchange::{ANCHOR, INCREMENT, ROUND_LOT};
use crate::sim::testing::{POST_ONLY, PlainBook, START, cancel, enter, opened};

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
            [('A', 0.3..0.6), ('D', 0.2..0.5), ('U', 0.05..0.2), ('X', 0.005..0.05), ('E', 0.003..0.1)]
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

/// A market maker that quotes a cent around the middle, leaning against its inventory, requoting every 2 ms.
fn quoted(seed: u64) -> (f64, u64) {
    let mut exchange = opened(seed, 20_000);
    let account = exchange
        .log_in(Alpha::new("maker").expect("short"), Password(Alpha::new("secret").expect("short")))
        .expect("a login");
    let (mut number, mut position, mut cash, mut fills, mut seen) = (0_u32, 0_i64, 0_i64, 0_u64, 1_u64);
    let mut quotes: [Option<(u32, i64)>; 2] = [None, None];
    let mut middle = 0.0;
    let mut now = START;
    while now < START + Nanos::from_secs(30) {
        now += Nanos::from_millis(2);
        exchange.advance(now).expect("a flow never fails");
        let answers: Vec<Vec<u8>> =
            exchange.answers(account).expect("an account").from(seen).map(<[u8]>::to_vec).collect();
        seen += answers.len() as u64;
        for answer in &answers {
            if let Ok(Response::OrderExecuted(body, _)) = decode_response(answer) {
                let buys = body.user_ref_num.get() % 2 == 1;
                let qty = i64::from(body.quantity.get()) * if buys { 1 } else { -1 };
                position += qty;
                cash -= qty * body.price.get() as i64;
                fills += 1;
                quotes[usize::from(!buys)] = None;
            }
        }
        let best = exchange.best(DEMO);
        let (Some(bid), Some(ask)) = (best.bid, best.ask) else { continue };
        middle = (bid.price.0 + ask.price.0) as f64 / 2.0;
        let fair = middle - position as f64 / 1000.0 * 100.0;
        let wanted =
            [((fair - 100.0) / 100.0).floor() as i64 * 100, ((fair + 100.0) / 100.0).ceil() as i64 * 100];
        for side in [0, 1] {
            if quotes[side].is_some_and(|(_, price)| price == wanted[side]) {
                continue;
            }
            if let Some((old, _)) = quotes[side].take() {
                exchange.request(account, &cancel(old, 0));
            }
            // Bids have odd numbers, asks even ones.
            number += 1 + u32::from(number % 2 != side as u32);
            let letter = if side == 0 { b'B' } else { b'S' };
            exchange.request(account, &enter(number, letter, 100, wanted[side], POST_ONLY));
            quotes[side] = Some((number, wanted[side]));
        }
    }
    ((cash as f64 + position as f64 * middle) / 10_000.0, fills)
}

/// The market rewards making a little: noise pays the spread, volatile periods take some of it back.
#[test]
fn a_market_maker_usually_earns_a_little() {
    let sessions: Vec<(f64, u64)> = (1..=8).map(quoted).collect();
    let won = sessions.iter().filter(|(profit, _)| *profit > 0.0).count();
    println!("{sessions:?}");
    assert!(won >= 6, "profit in dollars and fills: {sessions:?}");
    assert!(sessions.iter().all(|(_, fills)| (50..20_000).contains(fills)), "{sessions:?}");
}
