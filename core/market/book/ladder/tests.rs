//! Ladders against ordered maps; two share one pool.

use std::collections::BTreeMap;

use quickcheck::quickcheck;

use super::{CHUNK, ChunkPool, Found, Ladder, key_of, price_of};
use crate::kernel::{Side, Ticks};

fn check(ladder: &Ladder<u32>, pool: &ChunkPool<u32>, map: &BTreeMap<i64, u32>) {
    assert_eq!(ladder.len(), map.len());
    assert!(ladder.iter(pool).eq(map.iter().rev().map(|(key, value)| (*key, *value))));
    assert_eq!(ladder.best(), map.last_key_value().map(|(key, value)| (*key, *value)));
    assert_eq!(ladder.worst(pool), map.first_key_value().map(|(key, value)| (*key, *value)));
    let mut runs = ladder.rest.clone();
    runs.push(ladder.top);
    assert_eq!(runs[0].low, i64::MIN);
    assert!(runs.is_sorted_by(|a, b| a.low < b.low));
    assert!(runs.windows(2).all(|pair| (pair[0].len + pair[1].len) as usize > CHUNK / 2), "{runs:?}");
    assert!(runs.len() == 1 || runs.iter().all(|run| run.len > 0), "{runs:?}");
    for run in runs.iter().filter(|run| run.len > 0) {
        let unused = &pool.get(run.chunk).unwrap().keys[run.len as usize..];
        assert!(unused.iter().all(|key| *key == i64::MAX));
    }
}

quickcheck! {
    fn they_hold_what_maps_hold(steps: Vec<(bool, u16, u8)>) -> bool {
        let mut pool = ChunkPool::with_capacity(2, 64, 0);
        let mut ladders = [Ladder::with_capacity(32, 0), Ladder::with_capacity(32, 0)];
        let mut maps = [BTreeMap::new(), BTreeMap::new()];
        // Each step puts in or takes out a stretch of neighbouring keys, so that chunks fill and empty.
        for (number, (second, from, span)) in steps.into_iter().enumerate() {
            let (ladder, map) = (&mut ladders[usize::from(second)], &mut maps[usize::from(second)]);
            for key in (0..i64::from(span)).map(|step| (i64::from(from % 512) + step * 37) % 512) {
                if number % 5 < 3 {
                    let fresh = number as u32;
                    match ladder.find_or_insert(&mut pool, key, || fresh) {
                        Found::New(value) => assert_eq!(map.insert(key, value), None),
                        Found::Old(value) => assert_eq!(map.get(&key), Some(&value)),
                    }
                } else {
                    assert_eq!(ladder.remove(&mut pool, key), map.remove(&key));
                }
                assert_eq!(ladder.get(&pool, key), map.get(&key).copied());
            }
            check(&ladders[0], &pool, &maps[0]);
            check(&ladders[1], &pool, &maps[1]);
        }
        ladders[0].clear(&mut pool);
        check(&ladders[0], &pool, &BTreeMap::new());
        check(&ladders[1], &pool, &maps[1]);
        true
    }
}

#[test]
fn a_better_price_has_a_greater_key_at_the_ends_of_the_range_too() {
    let prices = [i64::MIN, -1, 0, 1, i64::MAX].map(Ticks);
    assert!(prices.is_sorted_by_key(|price| key_of(Side::Buy, *price)));
    assert!(prices.iter().rev().is_sorted_by_key(|price| key_of(Side::Sell, *price)));
    for side in [Side::Buy, Side::Sell] {
        assert!(prices.iter().all(|price| price_of(side, key_of(side, *price)) == *price));
    }
}
