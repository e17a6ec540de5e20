use std::collections::VecDeque;

use quickcheck::quickcheck;

use super::*;

/// The naive twin: a queue that is searched from end to end.
fn naive(window: usize, ids: &[u8]) -> Vec<bool> {
    let mut kept = VecDeque::new();
    ids.iter()
        .map(|id| {
            let known = kept.contains(id);
            if !known {
                kept.push_back(*id);
            }
            if kept.len() > window {
                kept.pop_front();
            }
            known
        })
        .collect()
}

quickcheck! {
    /// Numbers that are close have neighbouring homes, so that slots collide and move.
    fn the_window_equals_the_naive_twin(window: u8, ids: Vec<u8>, restart: usize) -> bool {
        let window = usize::from(window % 12) + 1;
        let mut taken = TakenIds::new(window);
        let restart = restart % (ids.len() + 1);
        let mut found = Vec::new();
        for (at, id) in ids.iter().enumerate() {
            if at == restart {
                let kept: Vec<u128> = taken.in_order().collect();
                taken = TakenIds::new(window);
                taken.restore(&kept);
            }
            // Half of them at the table's end, so that a run of slots goes round it.
            let id = Id(u128::from(*id) | if id % 2 == 0 { u128::MAX << 8 } else { 0 });
            let known = taken.contains(id);
            if !known {
                taken.insert(id);
            }
            found.push(known);
        }
        found == naive(window, &ids)
    }
}

#[test]
fn sources_and_texts_tell_identities_apart() {
    let id = |source, text| Id::new(SourceId(source), &Text::excerpt(text));
    assert_eq!(id(1, "a"), id(1, "a"));
    assert_ne!(id(1, "a"), id(2, "a"));
    assert_ne!(id(1, "a"), id(1, "b"));
}

#[test]
fn a_smaller_window_keeps_the_newest() {
    let mut taken = TakenIds::new(2);
    taken.restore(&[1, 2, 3]);
    assert!(!taken.contains(Id(1)) && taken.contains(Id(2)) && taken.contains(Id(3)));
}
