use std::collections::BTreeMap;

use quickcheck::{TestResult, quickcheck};

use super::*;

const SHOP: SourceId = SourceId(3);

fn sku(text: &str) -> Sku {
    Sku::new(text).expect("short enough")
}

#[test]
fn numbers_are_dense_and_bounded() {
    let mut dictionary = Dictionary::new(SHOP, 2);
    assert!(dictionary.is_empty());
    assert_eq!(dictionary.insert(sku("B")), Ok(0));
    assert_eq!(dictionary.insert(sku("A")), Ok(1));
    assert_eq!(dictionary.insert(sku("A")), Err(DictionaryError::Repeated));
    assert_eq!(dictionary.insert(sku("C")), Err(DictionaryError::Full));
    assert_eq!(
        (dictionary.id(&sku("A")), dictionary.id(&sku("B")), dictionary.id(&sku("C"))),
        (Some(1), Some(0), None)
    );
    assert_eq!((dictionary.name(0), dictionary.name(1), dictionary.name(2)), (Some("B"), Some("A"), None));
    assert_eq!(dictionary.len(), 2);
}

#[test]
fn definitions_restore_it() {
    let mut first = Dictionary::new(SHOP, 10);
    for name in ["shoe-41", "hat", "glove"] {
        first.insert(sku(name)).expect("room");
    }
    let mut second = Dictionary::new(SHOP, 10);
    for id in 0..3 {
        let define = first.define(id).expect("a definition");
        assert_eq!(second.restore(&define), Ok(()));
        assert_eq!(second.restore(&define), Ok(()), "again changes nothing");
        assert_eq!(second.restore(&Define { source: SourceId(9), id: 77, ..define }), Ok(()), "not ours");
        assert_eq!(second.restore(&Define { column: Column::SYMBOL, id: 77, ..define }), Ok(()), "not ours");
    }
    assert_eq!(first.define(3), None);
    assert_eq!(second.id(&sku("glove")), Some(2));
    let ahead = Define { id: 4, column: Column::SKU, source: SHOP, text: sku("sock") };
    assert_eq!(second.restore(&ahead), Err(DictionaryError::OutOfSequence { expected: 3, found: 4 }));
    let twice = Define { id: 3, column: Column::SKU, source: SHOP, text: sku("hat") };
    assert_eq!(second.restore(&twice), Err(DictionaryError::Repeated));
}

quickcheck! {
    fn is_a_map(names: Vec<u8>) -> TestResult {
        let mut dictionary = Dictionary::new(SHOP, 100);
        let mut naive = BTreeMap::new();
        for name in names {
            let text = sku(&format!("sku-{name}"));
            let next = u32::try_from(naive.len()).expect("few");
            let known = naive.get(&name).copied();
            if dictionary.id(&text) != known {
                return TestResult::error(format!("{name} is {known:?}"));
            }
            if known.is_none() && naive.len() < 100 {
                naive.insert(name, next);
                if dictionary.insert(text) != Ok(next) || dictionary.name(next) != Some(text.as_str()) {
                    return TestResult::error(format!("{name} must be {next}"));
                }
            }
        }
        TestResult::passed()
    }
}
