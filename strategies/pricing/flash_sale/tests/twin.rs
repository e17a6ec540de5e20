//! Any inputs: a naive twin, and what holds of every price.

use std::collections::BTreeMap;

use quickcheck::{Arbitrary, Gen, TestResult, quickcheck};

use super::*;

/// Few articles and small numbers, so that sales sell out, restart and contradict themselves.
impl Arbitrary for Input {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut below = |n: u32| i64::from(u32::arbitrary(g) % n);
        let source = SourceId(u16::from(below(4) == 0));
        let sku = u32::try_from(below(4)).expect("below 4");
        if below(5) == 0 {
            let initial = below(50);
            Self::Inventory { source, sku, initial, stock: initial + 1 - below(4), base: below(20_000) }
        } else {
            Self::Purchase { source, sku, qty: below(8) - 1 }
        }
    }
}

fn railed() -> Config {
    Config {
        floor: Some("12.00".to_owned()),
        floor_bps_of_base: Some(Bps(10_500)),
        ceiling: Some("180.00".to_owned()),
        ceiling_bps_of_base: Some(Bps(17_000)),
        max_change: Some("9.00".to_owned()),
        max_change_bps: Some(Bps(1_500)),
        max_skus: 3,
        max_sources: 2,
        ..Config::default()
    }
}

fn open() -> Config {
    Config { max_skus: 3, max_sources: 2, ..Config::default() }
}

/// The rules once more over a map and plain fractions: (base, initial, stock, price) of each article.
#[derive(Default)]
struct Naive(BTreeMap<(SourceId, u32), (i128, i128, i128, i128)>);

impl Naive {
    fn prices(&mut self, railed: bool, input: Input) -> Vec<i128> {
        let (key, last) = match input {
            Input::Inventory { source, sku, initial, stock, base } => {
                let (initial, stock, base) = (i128::from(initial), i128::from(stock), i128::from(base));
                let empty = railed && 1_200.max(up(base * 10_500)) > 18_000.min(base * 17_000 / 10_000);
                if sku > 2 || initial < 1 || stock < 0 || stock > initial || base < 1 || empty {
                    return Vec::new();
                }
                self.0.insert((source, sku), (base, initial, stock, 0));
                ((source, sku), 0)
            }
            Input::Purchase { source, sku, qty } => {
                let Some(article) = self.0.get_mut(&(source, sku)) else { return Vec::new() };
                if qty < 1 || i128::from(qty) > article.2 {
                    return Vec::new();
                }
                article.2 -= i128::from(qty);
                ((source, sku), article.3)
            }
        };
        let article = self.0.get_mut(&key).expect("it is there now");
        let (base, initial, stock, _) = *article;
        // Half up: twice the fraction plus one, halved downwards.
        let mut price = (2 * base * (2 * initial - stock) + initial).div_euclid(2 * initial);
        if railed {
            price = price.max(1_200).max(up(base * 10_500)).min(18_000).min(base * 17_000 / 10_000);
            if last > 0 {
                let most = 900.min(last * 1_500 / 10_000).max(1);
                price = price.clamp(last - most, last + most);
            }
        }
        article.3 = price;
        if price == last { Vec::new() } else { vec![price] }
    }
}

fn up(ten_thousandths: i128) -> i128 {
    (ten_thousandths + 9_999).div_euclid(10_000)
}

fn published(outputs: &[Output]) -> Vec<i128> {
    let price = |output: &Output| match output {
        Output::Price { price, .. } => Some(i128::from(*price)),
        Output::Refused { .. } => None,
    };
    outputs.iter().filter_map(price).collect()
}

quickcheck! {
    fn prices_equal_the_naive_twin(inputs: Vec<Input>, with_rails: bool) -> TestResult {
        let config = if with_rails { railed() } else { open() };
        let mut naive = Naive::default();
        for (input, outputs) in inputs.iter().zip(run(&config, &inputs)) {
            let expected = naive.prices(with_rails, *input);
            if published(&outputs) != expected {
                return TestResult::error(format!("{input:?} gave {outputs:?}, the twin {expected:?}"));
            }
        }
        TestResult::passed()
    }

    fn prices_stay_within_the_rails(inputs: Vec<Input>) -> bool {
        let outputs = run(&railed(), &inputs).concat();
        outputs.iter().all(|output| match *output {
            Output::Price { price, previous, .. } => {
                (1_200..=18_000).contains(&price) && (previous == 0 || (price - previous).abs() <= 900)
            }
            Output::Refused { .. } => true,
        })
    }

    fn without_rails_a_purchase_never_lowers_a_price(inputs: Vec<Input>) -> bool {
        let outputs = run(&open(), &inputs);
        inputs.iter().zip(outputs).all(|(input, outputs)| match input {
            Input::Inventory { .. } => true,
            Input::Purchase { .. } => outputs.iter().all(|output| {
                !matches!(output, Output::Price { price, previous, .. } if price <= previous)
            }),
        })
    }

    fn the_same_inputs_end_in_the_same_state(inputs: Vec<Input>, cut: usize) -> TestResult {
        let config = railed();
        let mut whole = driver(&config);
        let mut resumed = driver(&config);
        let cut = cut % (inputs.len() + 1);
        for (position, input) in (0..).zip(&inputs) {
            if usize::try_from(position) == Ok(cut) {
                let bytes = resumed.snapshot().expect("a snapshot");
                resumed = Driver::restore(&config, &bytes).expect("it fits");
                assert_eq!(resumed.snapshot().expect("a snapshot"), bytes);
            }
            // One explains itself, the other does not: that must not show.
            let mut recorder = Recorder::default();
            let one = step(&mut whole, position, *input, &mut recorder);
            let other = step(&mut resumed, position, *input, &mut NoProbe);
            if one != other || whole.outbox().cells() != resumed.outbox().cells() {
                return TestResult::error(format!("{input:?} at {position}: {one:?} and {other:?}"));
            }
        }
        let hash = state_hash_of(&whole.snapshot().expect("a snapshot"));
        TestResult::from_bool(Ok(hash) == resumed.state_hash().map_err(|error| error.to_string()))
    }
}
