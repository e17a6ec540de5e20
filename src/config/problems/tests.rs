use pricewright_strategies::pricing::flash_sale::FlashSale;
use pricewright_strategies::trading::Desk;

use super::*;
use crate::edges::assemble;

const SHOP: &str = "machine = \"flash_sale\"\n[feed.jsonl]\nstdin = true\n[config]\ncurrency_decimals = 2\n";

fn text(text: &str) -> ConfigText {
    ConfigText { path: "test.toml".to_owned(), text: text.to_owned() }
}

const DESK: &str = include_str!("../../../strategies/trading/desk.toml");
const FILES: [&str; 3] = [
    DESK,
    include_str!("../../../strategies/pricing/flash_sale/stdin.toml"),
    include_str!("../../../strategies/pricing/flash_sale/tcp.toml"),
];

fn of_shop(file: &str) -> Vec<Problem> {
    text(file).problems::<FlashSale>(assemble::faults::<FlashSale>)
}

fn of_desk(file: &str) -> Vec<Problem> {
    text(file).problems::<Desk>(assemble::faults::<Desk>)
}

/// The line of `text` that begins with `key` and comes after `behind`, counted from 1.
fn line_of(text: &str, behind: &str, key: &str) -> usize {
    let from = text.lines().position(|line| line.starts_with(behind)).expect("there");
    let found = text.lines().skip(from).position(|line| line.starts_with(key)).expect("there");
    from + found + 1
}

/// The example with a second instrument, `ABC`.
fn two_instruments() -> String {
    let (before, rest) = DESK.split_once("[[config.instruments]]").expect("one");
    let (first, after) = rest.split_once("[config.fees]").expect("fees follow");
    let second = first.replace("\"DEMO\"", "\"ABC\"");
    format!("{before}[[config.instruments]]{first}[[config.instruments]]{second}[config.fees]{after}")
}

fn found(problems: &[Problem]) -> Vec<(usize, usize, &str)> {
    problems.iter().map(|problem| (problem.line, problem.column, problem.message.as_str())).collect()
}

#[test]
fn a_good_file_has_none() {
    assert_eq!(of_shop(SHOP), []);
    for file in FILES {
        let problems = if file == DESK { of_desk(file) } else { of_shop(file) };
        assert_eq!(problems, []);
    }
}

/// Of each kind one: an unknown key, a wrong type, settings and a machine's value out of range.
#[test]
fn all_are_said_at_once_and_each_points_at_its_key() {
    let bad = "machine = \"flash_sale\"\n[journal]\nsegment_mib = 0\n[feed.jsonl]\nstdinn = true\nstdin = 7\n[config]\n\
               currency_decimals = 77\n";
    let problems = of_shop(bad);
    let mut found = found(&problems);
    found.sort_unstable();
    let places: Vec<_> = found.iter().map(|(line, column, _)| (*line, *column)).collect();
    assert_eq!(places, [(3, 1), (5, 1), (6, 9), (8, 1)], "{problems:#?}");
    assert!(found[0].2.contains("segment_mib: give 1 to 1024"), "{problems:#?}");
    assert_eq!(found[1].2, "unknown key `stdinn` in [feed.jsonl]; did you mean `stdin`?");
    assert!(found[2].2.contains("true or false"), "{problems:#?}");
    assert!(found[3].2.starts_with("currency_decimals is 77"), "{problems:#?}");
    let shown = problems.iter().find(|problem| problem.line == 5).expect("there").to_string();
    assert!(shown.ends_with("\n  5 | stdinn = true\n    | ^^^^^^"), "{shown}");
}

#[test]
fn what_is_missing_is_named_with_an_example() {
    let desk = DESK.replace("\nuser = \"DESK1\"\n", "\n").replace("max_order_lots = 500\n", "");
    let problems = of_desk(&desk);
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
    let desk = DESK
        .replace("collar_bps = 50 ", "collar_bps = 0 ")
        .replace("max_open_orders = 16", "max_open_orders = 0")
        .replace("order_lots = 100\n", "order_lots = 0\n");
    let problems = of_desk(&desk);
    let words: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    for key in ["collar_bps", "max_open_orders", "strategy.order_lots"] {
        assert!(words.iter().any(|word| word.contains(key)), "{key}: {words:?}");
    }
    assert!(problems.iter().all(|problem| problem.line > 0), "{problems:#?}");
}

#[test]
fn a_text_that_is_no_toml_says_where() {
    let problems = of_shop("machine = \"flash_sale\n[feed.jsonl]\nstdin = true\n");
    assert!(problems.iter().any(|problem| problem.line == 1), "{problems:#?}");
}

/// The example's own line of a key is no help for another instrument.
#[test]
fn a_fault_of_the_second_instrument_points_at_its_own_lines() {
    let two = two_instruments();
    let (first, second) = two.split_once("\"ABC\"").expect("two");
    let zeros = format!(
        "{first}\"ABC\"{}",
        second.replacen("increment = 100", "increment = 0", 1).replacen(
            "tick_value = 1",
            "tick_value = 0",
            1
        )
    );
    let problems = of_desk(&zeros);
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    let at = |key: &str| line_of(&zeros, "symbol = \"ABC\"", key);
    assert_eq!(lines, [at("increment"), at("tick_value")], "{problems:#?}");
    assert!(problems[1].message.contains("tick_value is 0"), "{problems:#?}");

    let euro = format!("{first}\"ABC\"{}", second.replacen("\"USD\"", "\"EUR\"", 1));
    let problems = of_desk(&euro);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].line, line_of(&euro, "symbol = \"ABC\"", "currency ="));
    assert!(problems[0].message.contains("currency of ABC is EUR"), "{problems:#?}");

    let long = two.replace("\"ABC\"", "\"TOOLONGSYMBOL\"");
    let problems = of_desk(&long);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].line, line_of(&long, "symbol = \"TOO", "symbol"));
    let missing = format!("{first}\"ABC\"{}", second.replacen("tick_value = 1", "# tick_value = 1", 1));
    let problems = of_desk(&missing);
    assert_eq!(problems[0].line, line_of(&missing, "symbol = \"ABC\"", "symbol") - 1, "{problems:#?}");
}

/// One fault must not make another that is not there, nor be said twice.
#[test]
fn a_repair_is_not_taken_for_a_fault() {
    let messages = |problems: &[Problem]| -> Vec<String> {
        problems.iter().map(|problem| problem.message.clone()).collect()
    };
    let shop = "machine = \"flash_sale\"\n[feed.jsonl]\nstdin=true\nfile=\"x\"\n[gateway.jsonl]\nstdout=true\n[config]\n";
    let problems = of_shop(shop);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].message.contains("exactly one of"), "{problems:#?}");

    let tcp = "machine = \"flash_sale\"\n[feed.jsonl]\nstdin=true\n[gateway.jsonl]\ntcp=true\n[config]\n";
    let problems = of_shop(tcp);
    assert_eq!((problems.len(), problems[0].line), (1, 5), "{problems:#?}");

    let typo = "machine = \"flash_sale\"\n[feed.jsonl]\nstdinn=true\n[config]\n";
    assert_eq!(messages(&of_shop(typo)), ["unknown key `stdinn` in [feed.jsonl]; did you mean `stdin`?"]);

    let stages = "machine = \"flash_sale\"\n[runtime]\ntopology=\"explicit\"\n[[runtime.thread]]\nname=\"a\"\n\
                  stages=[\"ingress\",\"machine\",\"foo\"]\nidle=\"spin\"\n[feed.jsonl]\nstdin=true\n[config]\n[runtime2]\n";
    let problems = of_shop(stages);
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [6, 11], "{problems:#?}");
    assert!(problems[0].message.starts_with("`foo` is none of its values"), "{problems:#?}");
}

#[test]
fn all_that_is_missing_is_named_and_the_advice_is_toml() {
    let problems = of_desk("machine = \"desk\"\n[config]\n");
    for table in ["[config.fees]", "[config.risk]", "[config.strategy]", "[[config.instruments]]"] {
        let named = problems.iter().find(|problem| problem.message.starts_with(table));
        let message = &named.unwrap_or_else(|| panic!("{table}: {problems:#?}")).message;
        assert!(message.contains(&format!("`{table}`")), "{message}");
        table.parse::<toml::Table>().expect("TOML");
    }
    assert!(problems.iter().any(|problem| problem.message.starts_with("no feed")), "{problems:#?}");
    assert_eq!(problems.len(), 5, "{problems:#?}");
    let nothing = of_desk("machine = \"desk\"\n");
    assert!(nothing.iter().any(|problem| problem.message.starts_with("[config] is missing")), "{nothing:#?}");
    assert_eq!(nothing.len(), 6, "{nothing:#?}");
    let features =
        format!("{DESK}\n").replace("volatility_tau_ms = 5000 ", "# ").replace("volatility_sample_ms", "# ");
    assert_eq!(of_desk(&features), [], "features have defaults");
}

/// Words of the language that it is written in are no help.
#[test]
fn types_are_said_in_the_words_of_the_file() {
    let bad = DESK
        .replace("collar_bps = 50 ", "collar_bps = \"x\" ")
        .replace("currency_decimals = 4", "currency_decimals = -1")
        .replace("rerequest = \"127.0.0.1:31003\"", "rerequest = \"localhost:31003\"")
        .replace("topology = \"auto\"", "topology = \"fast\"")
        .replace("tick_size = \"0.0001\"", "tick_size = 0.0001")
        .replace("[gateway.ouch]\n", "[gateway]\nouch = 7\n[gateway.ouch2]\n");
    let problems = of_desk(&bad);
    let all: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    for word in ["i64", "usize", "u8", "variant", "expected", "struct", "syntax", "sequence"] {
        assert!(!all.iter().any(|message| message.contains(word)), "{word}: {all:#?}");
    }
    for words in
        ["must be a whole number", "0 to 255", "names of hosts", "`fast` is none of its values", "a table"]
    {
        assert!(all.iter().any(|message| message.contains(words)), "{words}: {all:#?}");
    }
}

#[test]
fn threads_and_dependent_limits_name_the_key_that_was_changed() {
    let orders = DESK.replace("max_open_orders = 16", "max_open_orders = 5000");
    let problems = of_desk(&orders);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].line, line_of(&orders, "[config.risk]", "max_open_orders"));
    assert!(problems[0].message.contains("20000") && problems[0].message.contains("max_open_orders is 5000"));
    let with = |threads: &str| {
        format!(
            "machine = \"flash_sale\"\n[runtime]\ntopology = \"explicit\"\n{threads}[feed.jsonl]\nstdin = true\n[config]\n"
        )
    };
    let thread = |stages: &str, core: usize| {
        format!(
            "[[runtime.thread]]\nname = \"t{core}\"\nstages = [{stages}]\ncore = {core}\nidle = \"backoff\"\n"
        )
    };
    let missing = of_shop(&with(&thread("\"ingress\", \"machine\", \"gateway\"", 0)));
    assert_eq!((missing.len(), missing[0].line > 0), (1, true), "{missing:#?}");
    assert!(missing[0].message.contains("no thread runs helper"), "{missing:#?}");
    let stages = thread("\"ingress\", \"machine\", \"gateway\"", 0);
    let core = of_shop(&with(&format!("{stages}{}", thread("\"helper\"", 9999))));
    assert_eq!((core.len(), core[0].line), (1, 12), "{core:#?}");
}

#[test]
fn which_machine_is_asked_for_where_none_is_named() {
    let known = ["desk", "flash_sale"];
    let refused = |file: &str| text(file).machine_of(&known).expect_err(file).to_string();
    let missing = refused("# a comment\n[feed.jsonl]\nstdin = true\n");
    assert!(missing.contains("machine = \"desk\" or machine = \"flash_sale\""), "{missing}");
    assert!(!missing.contains("a comment"), "{missing}");
    let typo = refused("# a comment\nmachine = \"desc\"\n");
    assert!(typo.contains("test.toml:2:11") && typo.contains("did you mean `desk`?"), "{typo}");
    assert!(refused("machine = 7\n").contains("name in quotes"));
    assert_eq!(text(DESK).machine_of(&known).expect("named"), "desk");
}

#[test]
fn names_that_are_nothing_alike_are_not_offered() {
    assert_eq!(nearest("silence_m", ["patience_us", "silence_ms"].into_iter()), Some("silence_ms"));
    assert_eq!(nearest("xyzzy", ["patience_us", "silence_ms"].into_iter()), None);
}

/// Every key and table of the examples, misspelt as a hurried person does.
#[test]
fn a_misspelt_key_is_said_alone() {
    for file in FILES {
        for (at, line) in file.lines().enumerate() {
            let Some(name) = last_name(line) else { continue };
            for typo in typos(name) {
                let mut lines: Vec<String> = file.lines().map(str::to_owned).collect();
                lines[at] = line.replacen(name, &typo, 1);
                let misspelt = lines.join("\n");
                let problems = if file == DESK { of_desk(&misspelt) } else { of_shop(&misspelt) };
                let [problem] = &problems[..] else { panic!("{typo}: {problems:#?}") };
                assert!(problem.message.starts_with(&format!("unknown key `{typo}`")), "{problem:#?}");
            }
        }
    }
}

/// The last name of a line's key or table.
fn last_name(line: &str) -> Option<&str> {
    let table = line.starts_with('[').then(|| line.trim_start_matches('[').split(']').next()).flatten();
    let key = line.split_once(" =").map(|(key, _)| key).filter(|key| !key.contains('#'));
    table.or(key)?.rsplit('.').next().filter(|name| *name != "machine")
}

/// Capitals, and at each place a letter left out, doubled, or in front of the one before.
fn typos(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut typos = vec![letters.iter().map(char::to_ascii_uppercase).collect()];
    for at in 0..letters.len() {
        let (mut less, mut double, mut swapped) = (letters.clone(), letters.clone(), letters.clone());
        less.remove(at);
        double.insert(at, letters[at]);
        swapped.swap(at, at.saturating_sub(1));
        typos.extend([less, double, swapped].iter().map(|letters| letters.iter().collect::<String>()));
    }
    typos.retain(|typo| typo != name && !typo.starts_with('_'));
    typos
}

/// What is like no key was hardly left out beside one that is: one of them is said. Its value may be wrong because of the guess.
#[test]
fn what_comes_of_a_misspelt_key_is_not_said_besides() {
    for (good, bad) in [
        ("\nlines =", "\naddresses ="),
        ("\nlines = [", "\nline_a = 7 # ["),
        ("\nlines = [", "\nlins = [] # ["),
        ("\n[feed.nasdaq]", "\n[market_data]"),
        ("\n[config.risk]", "\n[config.limits]"),
        ("\n[[config.instruments]]", "\n[[config.symbols]]"),
    ] {
        let problems = of_desk(&DESK.replacen(good, bad, 1));
        assert_eq!(problems.len(), 1, "{bad}: {problems:#?}");
        assert!(problems[0].message.starts_with("unknown key `"), "{bad}: {problems:#?}");
    }
    // Two that are missing, and one key too many.
    let two = DESK.replacen("\nlines =", "\naddresses =", 1).replacen("\nrerequest =", "\n# ", 1);
    assert_eq!(of_desk(&two).len(), 2, "{:#?}", of_desk(&two));
}

#[test]
fn a_line_that_is_there_twice_is_refused_at_its_place() {
    let twice = DESK.replacen("239.192.7.2:31002", "239.192.7.1:31001", 1);
    let problems = of_desk(&twice);
    let column = "lines = [\"239.192.7.1:31001\", ".len() + 1;
    let expected = "lines: 239.192.7.1:31001 is there twice; give each line once";
    assert_eq!(found(&problems), [(line_of(&twice, "lines", "lines"), column, expected)]);
}

#[test]
fn numbers_beyond_all_and_ports_that_are_none_are_said_plainly() {
    let shop = format!(
        "{SHOP}[runtime]\nstatus_s = 99999999999999999999\n[gateway.http]\nlisten = \"127.0.0.1:70010\"\n"
    );
    let problems = of_shop(&shop);
    let all: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(
        all.contains(&"this is the number 99999999999999999999, and must be a whole number, 0 or more"),
        "{all:#?}"
    );
    assert!(all.iter().any(|message| message.ends_with("a port is 0 to 65535")), "{all:#?}");
}

#[test]
fn a_name_without_quotes_is_said_to_need_them_whatever_it_begins_like() {
    for name in ["desk", "flash_sale", "fast sale", "tru", "inf_x", "nano"] {
        let problems = of_shop(&format!("machine = {name}\n[feed.jsonl]\nstdin = true\n"));
        let first = name.split(' ').next().expect("a word");
        assert_eq!((problems[0].line, problems[0].column), (1, 11), "{problems:#?}");
        let message = &problems[0].message;
        assert!(
            message.starts_with(&format!("`{first}")) && message.contains("text must be in quotes"),
            "{message}"
        );
    }
}

#[test]
fn a_long_line_is_shown_around_what_is_wrong() {
    let shown = |before: usize, behind: usize| {
        let pad = |letters: usize| format!("{:?}", "x".repeat(letters));
        let file = SHOP.replace(
            "stdin = true",
            &format!("generated = {{ a = {}, stdin = 7, b = {} }}", pad(before), pad(behind)),
        );
        of_shop(&file).iter().map(ToString::to_string).find(|text| text.contains("unknown key `stdin`"))
    };
    for (before, behind) in [(0, 0), (0, 400), (400, 0), (400, 400)] {
        let text = shown(before, behind).expect("a problem");
        let lines: Vec<&str> = text.lines().rev().take(2).collect();
        let [under, line] = lines[..] else { panic!("{text}") };
        assert!(line.chars().count() < 130, "{text}");
        let at = under.chars().position(|char| char == '^').expect("a mark");
        let marked: String = line.chars().skip(at).take(under.matches('^').count()).collect();
        assert_eq!(marked, "stdin", "{text}");
        assert_eq!((line.contains("| …"), line.ends_with('…')), (before > 0, behind > 0), "{text}");
    }
}
