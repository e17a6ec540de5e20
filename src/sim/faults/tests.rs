use std::collections::BTreeMap;

use super::{FaultRates, FaultyLine, LossyPath, MAX_OVERTAKEN_BY};

fn run(line: &mut FaultyLine, packets: u32) -> Vec<u32> {
    let mut arrived = Vec::new();
    let mut send = |packet: &[u8]| {
        arrived.push(u32::from_be_bytes(packet.try_into().expect("four bytes")));
        true
    };
    for number in 0..packets {
        line.pass(&number.to_be_bytes(), &mut send);
    }
    line.flush(&mut send);
    arrived
}

#[test]
fn without_faults_everything_arrives_in_order() {
    let mut line = FaultyLine::new(1, 0, FaultRates::default());
    assert_eq!(run(&mut line, 1000), (0..1000).collect::<Vec<_>>());
    assert_eq!(line.counters().packets, 1000);
}

#[test]
fn rates_are_met_and_counted_as_what_arrives_shows() {
    const N: u32 = 50_000;
    let rates = FaultRates { loss: 0.05, duplicate: 0.03, reorder: 0.1 };
    let mut line = FaultyLine::new(7, 0, rates);
    let arrived = run(&mut line, N);
    let counters = line.counters();
    let mut copies = BTreeMap::<u32, u64>::new();
    arrived.iter().for_each(|number| *copies.entry(*number).or_default() += 1);
    assert_eq!(u64::from(N) - copies.len() as u64, counters.lost);
    assert_eq!(copies.values().filter(|copies| **copies == 2).count() as u64, counters.duplicated);
    let mut furthest = 0;
    let late = arrived.iter().filter(|number| {
        furthest = furthest.max(**number);
        **number < furthest
    });
    // A held packet whose overtakers were all lost or held arrives in order after all.
    let late = late.count() as u64;
    assert!(late <= counters.reordered && late > counters.reordered * 8 / 10, "{late} of {counters:?}");
    // Binomial: five standard deviations. Reordering is drawn where there is no loss, repeating where there is neither.
    for (name, count, chance) in [
        ("loss", counters.lost, 0.05),
        ("reorder", counters.reordered, 0.95 * 0.1),
        ("duplicate", counters.duplicated, 0.95 * 0.9 * 0.03),
    ] {
        let mean = f64::from(N) * chance;
        assert!((count as f64 - mean).abs() < 5.0 * (mean * (1.0 - chance)).sqrt(), "{name}: {count}");
    }
}

#[test]
fn a_held_packet_is_overtaken_by_no_more_than_the_bound() {
    let mut line = FaultyLine::new(3, 0, FaultRates { reorder: 0.2, ..FaultRates::default() });
    let arrived = run(&mut line, 20_000);
    let mut sorted = arrived.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..20_000).collect::<Vec<_>>(), "nothing is lost or repeated");
    for (place, number) in arrived.iter().enumerate() {
        let overtaken_by = arrived[..place].iter().filter(|earlier| *earlier > number).count();
        assert!(overtaken_by <= MAX_OVERTAKEN_BY, "{number} was overtaken by {overtaken_by}");
    }
}

#[test]
fn lines_fail_independently_and_repeatably() {
    let rates = FaultRates { loss: 0.2, ..FaultRates::default() };
    let arrived = |seed, line| run(&mut FaultyLine::new(seed, line, rates), 10_000);
    assert_eq!(arrived(5, 0), arrived(5, 0));
    assert_ne!(arrived(5, 0), arrived(6, 0));
    let (a, b) = (arrived(5, 0), arrived(5, 1));
    let neither = (0..10_000).filter(|n| a.binary_search(n).is_err() && b.binary_search(n).is_err()).count();
    // Independent: both lose 4 %, 400 of 10,000, within five standard deviations (19.6 each).
    assert!((302..=498).contains(&neither), "{neither} lost on both lines");
}

#[test]
fn refusals_of_the_socket_are_counted() {
    let mut line = FaultyLine::new(1, 0, FaultRates::default());
    line.pass(&[1], &mut |_| false);
    line.pass(&[2], &mut |_| true);
    assert_eq!((line.counters().packets, line.counters().refused), (2, 1));
}

#[test]
fn a_lossy_path_loses_its_fraction() {
    let mut path = LossyPath::new(1, 0.3);
    let passed = (0..10_000).filter(|_| path.passes()).count() as u64;
    assert_eq!(passed + path.lost(), 10_000);
    assert!((2770..=3230).contains(&path.lost()), "{}", path.lost());
}
