use pricewright_core::kernel::{InstrumentUnits, Relation};

use super::*;

fn units() -> DisplayUnits {
    let instrument = |symbol: &str, decimals| InstrumentUnits {
        symbol: symbol.to_owned(),
        tick_units: 1,
        decimals,
        lot: 1,
    };
    DisplayUnits {
        instruments: vec![instrument("DEMO", 4), instrument("COARSE", 1)],
        money_decimals: 2,
        currency: "USD".to_owned(),
    }
}

fn text(instrument: u16, note: &Note) -> String {
    Notes { units: &units(), instrument: InstrumentId(instrument) }.text(note)
}

fn check(value: i64, relation: Relation, limit: i64, unit: &'static str) -> Note {
    let passed = relation.holds(value, limit);
    Note::Check { control: "x", value, relation, limit, unit, passed }
}

#[test]
fn a_check_reads_as_what_was_held_against_what() {
    let shown = |note: &Note| text(0, note).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(shown(&check(1_918, Relation::Above, -50_000, Minor::UNIT)), "pass x 19.18 > -500.00 USD");
    assert_eq!(shown(&check(-50_001, Relation::Above, -50_000, Minor::UNIT)), "FAIL x -500.01 ≤ -500.00 USD");
    assert_eq!(shown(&check(7, Relation::AtMost, 20_000, "us")), "pass x 7 ≤ 20000 µs");
    assert_eq!(shown(&check(i64::MAX, Relation::AtMost, 5, "us")), "FAIL x not known > 5 µs");
    assert_eq!(shown(&check(1, Relation::Equal, 1, note_units::HEALTH)), "pass x valid = valid");
    assert_eq!(shown(&check(3, Relation::Equal, 1, note_units::HEALTH)), "FAIL x stale ≠ valid");
    assert_eq!(shown(&check(0, Relation::Equal, 1, note_units::YES_NO)), "FAIL x no ≠ yes");
    assert_eq!(shown(&check(12, Relation::Equal, 0, note_units::CONTROL)), "FAIL x kill_latch ≠ none");
    assert_eq!(shown(&check(1_000_600, Relation::Below, i64::MAX, Ticks::UNIT)), "pass x 100.06 < none");
}

#[test]
fn prices_are_those_of_the_decision_s_instrument() {
    let level = Note::Level { side: "bid", level: 0, price: Ticks(1_005), qty: Lots(3) };
    assert_eq!(text(0, &level), "bid 0: 0.1005 × 3");
    assert_eq!(text(1, &level), "bid 0: 100.5 × 3");
}

#[test]
fn a_formula_is_shown_with_its_values() {
    let note = Note::Formula {
        name: "skew",
        expression: "factor · width · pos / (max_pos)",
        terms: vec![
            Term::new("factor", Amount::number(1.5, "")),
            Term::new("width", Amount::number(136.1, Ticks::UNIT)),
            Term::new("pos", Amount::integer(-10, Lots::UNIT)),
            Term::new("max_pos", Amount::integer(1_000, Lots::UNIT)),
        ],
        result: Amount::number(-2.0415, Ticks::UNIT),
    };
    assert_eq!(
        text(0, &note),
        "skew = factor · width · pos / (max_pos)\n= 1.5 · 0.01361 · -10 / (1000)\n= -0.000204"
    );
}
