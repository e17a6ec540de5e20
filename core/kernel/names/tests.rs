use super::*;
use crate::kernel::schema::FieldType;
use crate::kernel::table::{SCHEMAS, market_flags};

#[test]
fn every_combination_of_flags_is_the_names_of_its_bits() {
    let bits = [market_flags::LAST_IN_BATCH, market_flags::PRINTABLE, market_flags::SNAPSHOT];
    for flags in 1..=u8::MAX {
        let set: Vec<&str> = bits
            .iter()
            .filter(|bit| flags & **bit != 0)
            .filter_map(|bit| name_of(MARKET_FLAGS, u16::from(*bit)))
            .collect();
        let whole = flags == bits.iter().filter(|bit| flags & **bit != 0).sum::<u8>();
        let wanted = whole.then(|| set.join("|"));
        assert_eq!(name_of(MARKET_FLAGS, u16::from(flags)).map(str::to_owned), wanted, "{flags}");
    }
}

#[test]
fn names_can_stand_in_a_catalogue_and_rise() {
    let all = [
        MARKET_FLAGS,
        REJECT,
        CANCEL,
        BREAK,
        LOGIN,
        CANCEL_HELD,
        MESSAGE,
        RESTATE,
        VENUE_DAY,
        MARKET_DAY,
        HALT_LEVEL,
        AUCTION,
        RESOLVED,
        DIFFERENCE,
        YES_NO,
    ];
    for names in all {
        assert!(names.windows(2).all(|pair| pair[0].0 < pair[1].0), "{names:?}");
        for (_, name) in names {
            assert!(
                name.chars()
                    .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || "_|".contains(char))
            );
        }
    }
}

#[test]
fn no_small_number_of_a_venue_is_without_a_name() {
    let words = ["reason", "letter", "message", "answer", "code", "cross_type", "flags", "level"];
    for field in SCHEMAS.iter().flat_map(|schema| schema.fields) {
        let small = matches!(field.ty, FieldType::U8 | FieldType::U16);
        assert!(!small || !words.contains(&field.name) || !field.codes.is_empty(), "{}", field.name);
    }
}
