//! Configurations: any text is read or refused, nothing is allocated by its numbers, `problems` finds something exactly
//! where reading does, and what was read is written in a form that reads back as the same.

use pricewright::config::ConfigText;
use pricewright::edges::assemble;
use pricewright::pipeline::topology::plan_for;
use pricewright_core::kernel::Machine;
use pricewright_strategies::pricing::flash_sale::FlashSale;
use pricewright_strategies::trading::Desk;

/// Values that hurt where a number, a size or a name is expected.
const VALUES: [&str; 12] = [
    "0",
    "-1",
    "18446744073709551615",
    "9223372036854775807",
    "16777216",
    "1e308",
    "nan",
    "\"\"",
    "\"\\u0000\"",
    "true",
    "[]",
    "{ a = 1 }",
];

fn check<M: Machine>(text: &ConfigText) {
    let problems = text.problems::<M>(|_| Vec::new());
    for problem in &problems {
        assert!(!problem.to_string().is_empty());
        assert!(problem.line <= text.text.lines().count() + 1, "{problem:?}");
    }
    let config = match text.pipeline::<M>() {
        Ok(config) => config,
        Err(error) => {
            assert!(!problems.is_empty(), "refused and no problem found: {error}");
            return;
        }
    };
    assert!(problems.is_empty(), "read, and yet there is a problem: {}", problems[0]);
    let canonical = config.canonical().expect("what was read can be written");
    let again = ConfigText { path: "canonical.toml".to_owned(), text: canonical.clone() };
    let again = again.pipeline::<M>().expect("the canonical form can be read");
    assert_eq!(again.canonical().expect("and written"), canonical);
    // Either may refuse: for files that are not there, or cores.
    let _ = plan_for(&config.runtime);
    let _ = assemble::check::<M>(&config);
}

fn all(text: String) {
    let text = ConfigText { path: "fuzz.toml".to_owned(), text };
    let _ = text.seed();
    match text.machine_of(&["desk", "flash_sale"]).as_deref() {
        Ok("flash_sale") => check::<FlashSale>(&text),
        _ => check::<Desk>(&text),
    }
}

/// The first bytes choose lines and what becomes of them, the rest is the text.
fn edited(choices: &[u8], text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for choice in choices.chunks_exact(2).take(4) {
        if lines.is_empty() {
            break;
        }
        let index = usize::from(choice[0]) % lines.len();
        let value = VALUES.get(usize::from(choice[1]) % (VALUES.len() + 4));
        match (value, lines[index].split_once('=')) {
            (Some(value), Some((key, _))) => lines[index] = format!("{key}= {value}"),
            (None, _) => drop(lines.remove(index)),
            _ => {}
        }
    }
    lines.join("\n")
}

/// See the module.
pub fn configuration(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        all(text.to_owned());
    }
    let (choices, text) = data.split_at(data.len().min(8));
    if let Ok(text) = std::str::from_utf8(text) {
        all(edited(choices, text));
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    const EXAMPLES: [&str; 3] = [
        include_str!("../../../strategies/trading/desk.toml"),
        include_str!("../../../strategies/pricing/flash_sale/stdin.toml"),
        include_str!("../../../strategies/pricing/flash_sale/tcp.toml"),
    ];
    let whole = EXAMPLES.iter().map(|text| text.as_bytes().to_vec());
    // Comments left out, so that a change hits a key.
    let bare = EXAMPLES.iter().flat_map(|text| {
        let keys: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let keys = keys.join("\n");
        (0..8_u8).map(move |choice| {
            [&[choice * 31, choice * 3, choice * 17 + 5, 13, 0, 14, 99, 15], keys.as_bytes()].concat()
        })
    });
    whole.chain(bare).collect()
}
