use pricewright_strategies::pricing::flash_sale::FlashSale;
use pricewright_strategies::trading::Desk;

use super::*;

const SHOP: &str = "machine = \"flash_sale\"\n[feed.jsonl]\nstdin = true\n[config]\ncurrency_decimals = 2\n";

fn text(text: &str) -> ConfigText {
    ConfigText { path: "test.toml".to_owned(), text: text.to_owned() }
}

fn found(problems: &[Problem]) -> Vec<(usize, usize, &str)> {
    problems.iter().map(|problem| (problem.line, problem.column, problem.message.as_str())).collect()
}

#[test]
fn a_good_file_has_none() {
    assert_eq!(text(SHOP).problems::<FlashSale>(), []);
    for example in EXAMPLES {
        let problems = match text(example).machine().expect("named").as_str() {
            "desk" => text(example).problems::<Desk>(),
            _ => text(example).problems::<FlashSale>(),
        };
        assert_eq!(problems, []);
    }
}

/// Of each kind one: an unknown key, a wrong type, settings and a machine's value out of range.
#[test]
fn all_are_said_at_once_and_each_points_at_its_key() {
    let bad = "machine = \"flash_sale\"\n[journal]\nsegment_mib = 0\n[feed.jsonl]\nstdinn = true\nstdin = 7\n[config]\n\
               currency_decimals = 77\n";
    let problems = text(bad).problems::<FlashSale>();
    let mut found = found(&problems);
    found.sort_unstable();
    let places: Vec<_> = found.iter().map(|(line, column, _)| (*line, *column)).collect();
    assert_eq!(places, [(3, 1), (5, 1), (6, 9), (8, 1)], "{problems:#?}");
    assert!(found[0].2.contains("segment_mib: give 1 to 1024"), "{problems:#?}");
    assert_eq!(found[1].2, "unknown key `stdinn` in [feed.jsonl]; did you mean `stdin`?");
    assert!(found[2].2.contains("expected a boolean"), "{problems:#?}");
    assert!(found[3].2.starts_with("currency_decimals is 77"), "{problems:#?}");
    let shown = problems.iter().find(|problem| problem.line == 5).expect("there").to_string();
    assert!(shown.ends_with("\n  5 | stdinn = true\n    | ^^^^^^"), "{shown}");
}

#[test]
fn what_is_missing_is_named_with_an_example() {
    let desk = EXAMPLES[0].replace("\nuser = \"DESK1\"\n", "\n").replace("max_order_lots = 500\n", "");
    let problems = text(&desk).problems::<Desk>();
    let found = found(&problems);
    assert_eq!(found.len(), 2, "{problems:#?}");
    assert!(
        found.iter().any(|found| found.2 == "`user` is missing in [gateway.ouch], as in `user = \"DESK1\"`")
    );
    assert!(
        found
            .iter()
            .any(|found| found.2
                == "`max_order_lots` is missing in [config.risk], as in `max_order_lots = 500`")
    );
}

#[test]
fn a_wrong_value_does_not_hide_the_next() {
    let desk = EXAMPLES[0]
        .replace("collar_bps = 50 ", "collar_bps = 0 ")
        .replace("max_open_orders = 16", "max_open_orders = 0")
        .replace("order_lots = 100\n", "order_lots = 0\n");
    let problems = text(&desk).problems::<Desk>();
    let words: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    for key in ["collar_bps", "max_open_orders", "strategy.order_lots"] {
        assert!(words.iter().any(|word| word.contains(key)), "{key}: {words:?}");
    }
    assert!(problems.iter().all(|problem| problem.line > 0), "{problems:#?}");
}

#[test]
fn a_text_that_is_no_toml_says_where() {
    let problems = text("machine = \"flash_sale\n[feed.jsonl]\nstdin = true\n").problems::<FlashSale>();
    assert!(problems.iter().any(|problem| problem.line == 1), "{problems:#?}");
}

#[test]
fn names_that_are_nothing_alike_are_not_offered() {
    assert_eq!(nearest("silence_m", ["patience_us", "silence_ms"].into_iter()), Some("silence_ms"));
    assert_eq!(nearest("xyzzy", ["patience_us", "silence_ms"].into_iter()), None);
}
