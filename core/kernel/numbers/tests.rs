use super::*;

/// First outputs for seed 0, as the reference implementation (Vigna, splitmix64.c) gives them.
#[test]
fn they_are_splitmix64() {
    let mut numbers = Numbers::new(0);
    assert_eq!(numbers.draw(), 0xe220_a839_7b1d_cdaf);
    assert_eq!(numbers.draw(), 0x6e78_9e6a_a1b9_65f4);
    assert_eq!(numbers.draw(), 0x06c4_5d18_8009_454f);
}

#[test]
fn bounds_hold() {
    let mut numbers = Numbers::new(7);
    assert!((0..10_000).all(|_| numbers.below(3) < 3));
    assert_eq!(numbers.below(0), 0);
    assert!(numbers.one_in(1) && !numbers.one_in(0));
}
