//! What the unit tests of this package share.

use quickcheck::Gen;

/// A generator for property tests of `size`. Its seed is printed, which the test runner shows on failure, and is taken
/// from `PRICEWRIGHT_SEED` where that is set.
pub(crate) fn seeded(size: usize) -> Gen {
    let seed = match std::env::var("PRICEWRIGHT_SEED") {
        Ok(text) => text.parse().expect("PRICEWRIGHT_SEED is a whole number"),
        Err(_) => std::time::UNIX_EPOCH.elapsed().expect("now is after 1970").as_nanos() as u64,
    };
    println!("seed {seed}: run again with PRICEWRIGHT_SEED={seed}");
    Gen::from_size_and_seed(size, seed)
}
