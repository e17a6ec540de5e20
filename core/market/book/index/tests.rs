//! The index against an ordered map, on keys that fall into few lines.

use std::collections::BTreeMap;

use quickcheck::quickcheck;

use super::{Probe, SlotIndex, hash_of};

quickcheck! {
    /// Keys of one byte shifted: neighbours, multiples of eight, and high bits only; slots are the keys' owners.
    fn it_holds_what_a_map_holds(steps: Vec<(u8, bool)>, shift: u8) -> bool {
        let mut index = SlotIndex::with_capacity(2);
        let mut keys: Vec<u64> = Vec::new();
        let mut map: BTreeMap<u64, u32> = BTreeMap::new();
        for (byte, add) in steps {
            let key = u64::from(byte) << (shift % 56);
            let hash = hash_of(key, 3);
            index.reserve();
            match index.probe(hash, |slot| keys[slot as usize] == key) {
                Probe::Vacant(place) => {
                    assert!(!map.contains_key(&key));
                    if add {
                        index.insert(place, hash, keys.len() as u32);
                        map.insert(key, keys.len() as u32);
                        keys.push(key);
                    }
                }
                Probe::Found(place, slot) => {
                    assert_eq!(map.get(&key), Some(&slot));
                    if !add {
                        index.remove(place);
                        map.remove(&key);
                    }
                }
            }
            assert_eq!(index.len(), map.len());
            for (key, slot) in &map {
                let found = index.find(hash_of(*key, 3), |slot| keys[slot as usize] == *key);
                assert_eq!(found.map(|(_, slot)| slot), Some(*slot));
            }
        }
        true
    }
}

#[test]
fn eight_neighbours_share_a_line_and_owners_are_kept_apart() {
    let line = |key, salt| hash_of(key, salt) >> 3;
    assert!((16..24).all(|key| line(key, 0) == line(16, 0)));
    assert_ne!(line(16, 0), line(24, 0));
    assert_ne!(line(16, 0), line(16, 1));
}

#[test]
fn growth_is_counted_only_beyond_the_capacity() {
    let mut index = SlotIndex::with_capacity(100);
    for key in 0..1_000_u64 {
        index.reserve();
        let hash = hash_of(key, 0);
        let Probe::Vacant(place) = index.probe(hash, |slot| u64::from(slot) == key) else {
            panic!("key {key}")
        };
        index.insert(place, hash, key as u32);
        assert_eq!(index.growths() == 0, key < 100, "key {key}");
    }
    assert!((0..1_000_u64).all(|key| index.find(hash_of(key, 0), |slot| u64::from(slot) == key).is_some()));
}
