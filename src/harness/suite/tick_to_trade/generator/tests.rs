use super::*;

fn ledger(keys: &[u64]) -> Ledger {
    let mut ledger = Ledger::new().expect("bounds");
    let packets = keys.iter().zip(0..).map(|(key, step)| Waiting {
        key: *key,
        intended: step * 1_000,
        actual: step * 1_000 + 300,
        counted: true,
    });
    ledger.waiting.extend(packets);
    ledger
}

#[test]
fn an_order_is_held_against_its_packet_from_both_times() {
    let mut ledger = ledger(&[7, 8]);
    ledger.came(7, 5_000);
    ledger.came(8, 5_500);
    assert_eq!(ledger.waiting.len(), 0);
    assert_eq!(ledger.overtaken, 0);
    let nanos = |histogram: &Histogram<u64>| {
        let at = |quantile| (histogram.value_at_quantile(quantile) as f64 / PER_NS as f64).round();
        (at(0.0), at(1.0))
    };
    let close = |found: (f64, f64), expected: (f64, f64)| {
        assert!((found.0 - expected.0).abs() <= 5.0 && (found.1 - expected.1).abs() <= 5.0, "{found:?}");
    };
    close(nanos(&ledger.intended), (4_500.0, 5_000.0));
    close(nanos(&ledger.actual), (4_200.0, 4_700.0));
}

#[test]
fn packets_that_were_overtaken_have_waited_until_the_order_that_came() {
    let mut ledger = ledger(&[7, 8, 9]);
    ledger.came(9, 5_000);
    assert_eq!((ledger.overtaken, ledger.waiting.len(), ledger.intended.len()), (2, 0, 3));
    let longest = ledger.intended.max() / PER_NS;
    assert!(longest.abs_diff(5_000) <= 5, "none is left out: {longest} ns");
}

#[test]
fn an_order_that_nothing_explains_changes_nothing() {
    let mut ledger = ledger(&[7, 8]);
    ledger.came(6, 5_000);
    assert_eq!((ledger.overtaken, ledger.waiting.len(), ledger.intended.len()), (0, 2, 0));
}

#[test]
fn packets_that_warm_up_are_answered_and_not_counted() {
    let mut ledger = ledger(&[7, 8]);
    ledger.waiting.iter_mut().take(1).for_each(|packet| packet.counted = false);
    ledger.came(7, 5_000);
    ledger.came(8, 5_500);
    assert_eq!((ledger.overtaken, ledger.waiting.len(), ledger.intended.len()), (0, 0, 1));
}
