//! A file of prices after a repair that gave up records whose prices were published.

use std::time::{Duration, Instant};

use pricewright::journal::segment_path;

use crate::pricing::lines_config;
use crate::support::{BOUND, Finished, Place, objects};

const PRICES: &str = "prices.jsonl";
/// The shop's sale, and another one.
const SALE: &str =
    r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":400,"stock":400,"base":"100.00"}"#;
const OTHER: &str =
    r#"{"type":"inventory","sku":"B","ts":"2026-01-01T00:00:00Z","initial":900,"stock":900,"base":"50.00"}"#;

fn purchases(sku: &str, count: usize) -> String {
    let line = r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":1}"#;
    format!("{}\n", line.replace("\"A\"", &format!("\"{sku}\""))).repeat(count)
}

/// A shop that writes its prices to `file`.
fn configure(place: &Place, file: &str) {
    let to = format!("file = \"{file}\"");
    place.write("c.toml", &lines_config("stdin = true", "").replace("stdout = true", &to));
}

/// A run over `input` that must end well; another journal than `j` where one is named.
fn run(place: &Place, args: &[&str], input: &str) -> Finished {
    let ran = place.run(&[&["run", "c.toml"], args].concat(), input);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran
}

fn seqs(text: &str) -> Vec<u64> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    objects(&lines).iter().map(|line| line["seq"].as_u64().expect("a number")).collect()
}

/// Records of prices in the journal, and the stock of each.
fn journalled(place: &Place) -> Vec<(u64, u64)> {
    let exported = place.expect(0, &["journal", "export", "j", "--jsonl", "--out", "-"]);
    let records = objects(&exported.out);
    let prices = records.iter().filter(|record| record["kind"] == "PricePublished");
    prices
        .map(|price| {
            (price["seq"].as_u64().expect("a number"), price["fields"]["stock"].as_u64().expect("a number"))
        })
        .collect()
}

/// What a line of the file says of the same.
fn published(text: &str) -> Vec<(u64, u64)> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let numbers = |key| objects(&lines).iter().map(|line| line[key].as_u64().expect("a number")).collect();
    let (seqs, stocks): (Vec<u64>, Vec<u64>) = (numbers("seq"), numbers("stock"));
    seqs.into_iter().zip(stocks).collect()
}

/// A shop that sells a hundred pieces and is killed; then a byte of its journal is flipped in front of the last records.
fn damaged() -> Place {
    let place = Place::new();
    configure(&place, PRICES);
    let mut process = place.start(&["run", "c.toml"]);
    process.input(&format!("{SALE}\n{}", purchases("A", 100)));
    let start = Instant::now();
    while !place.path(PRICES).exists() || place.read(PRICES).lines().count() < 101 {
        assert!(process.is_running() && start.elapsed() < BOUND, "{:#?}", process.finish());
        std::thread::sleep(Duration::from_millis(5));
    }
    process.signal("KILL");
    assert_eq!(process.finish().code, None);
    let segment = segment_path(&place.path("j"), 1);
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("records") + 1;
    bytes[used - 1_200] ^= 0x55;
    std::fs::write(&segment, bytes).expect("written");
    assert_ne!(place.run(&["run", "c.toml"], "").code, Some(0), "it is damaged");
    place
}

/// The last record that the repair left.
fn cut(place: &Place) -> u64 {
    let list: Vec<String> = place.read("j/repaired.jsonl").lines().map(str::to_owned).collect();
    assert_eq!(list.len(), 1, "{list:#?}");
    objects(&list)[0]["last_seq"].as_u64().expect("a number")
}

/// The run has counted and named the lines of `text` behind record `cut`.
fn names_given_up(ran: &Finished, text: &str, cut: u64) {
    let given_up: Vec<u64> = seqs(text).into_iter().filter(|seq| *seq > cut).collect();
    assert!(given_up.len() > 2, "{given_up:?}");
    let numbers: Vec<String> = given_up.iter().map(u64::to_string).collect();
    let said = ran.err.iter().find(|line| line.contains("published lines"));
    let said = said.unwrap_or_else(|| panic!("it is not said: {ran:#?}"));
    assert!(
        said.contains("WARN") && said.contains(&format!("{PRICES}: {} published", numbers.len())),
        "{said}"
    );
    assert!(said.contains(&numbers.join(", ")) && said.contains(&format!("record {cut}")), "{said}");
}

/// `text` is still there, and behind it stand all prices that the journal holds behind record `cut`.
fn goes_on(place: &Place, text: &str, cut: u64) {
    let now = place.read(PRICES);
    let added = now.strip_prefix(text).expect("nothing is taken away");
    let held: Vec<(u64, u64)> = journalled(place).into_iter().filter(|(seq, _)| *seq > cut).collect();
    assert_eq!(published(added), held);
}

#[test]
fn a_file_of_prices_goes_on_after_a_repair_that_gave_up_some_of_them() {
    let place = damaged();
    let text = place.read(PRICES);
    let repaired = run(&place, &["--repair"], "");
    let cut = cut(&place);
    names_given_up(&repaired, &text, cut);
    goes_on(&place, &text, cut);
    run(&place, &[], &purchases("A", 5));
    goes_on(&place, &text, cut);
    // Behind the right lines there is nothing more to say.
    let last = run(&place, &[], &purchases("A", 1));
    assert!(!last.err.iter().any(|line| line.contains("published line")), "{last:#?}");
    goes_on(&place, &text, cut);
    place.verify("j");
}

#[test]
fn a_file_of_prices_that_comes_back_behind_a_repair_lacks_none_of_the_journal() {
    let place = damaged();
    let text = place.read(PRICES);
    let highest = *seqs(&text).last().expect("a price");
    configure(&place, "others.jsonl");
    run(&place, &["--repair"], &purchases("A", 40));
    let cut = cut(&place);
    assert!(journalled(&place).last().expect("a price").0 > highest, "the journal has passed the old number");
    configure(&place, PRICES);
    let back = run(&place, &[], &purchases("A", 3));
    names_given_up(&back, &text, cut);
    goes_on(&place, &text, cut);
    // The other file is whole, and gets what it lacks in its turn.
    configure(&place, "others.jsonl");
    let other = run(&place, &[], "");
    assert!(!other.err.iter().any(|line| line.contains("published line")), "{other:#?}");
    assert_eq!(published(&place.read("others.jsonl")), journalled(&place));
}

#[test]
fn a_file_of_prices_of_another_journal_is_refused_whatever_its_numbers_are() {
    let place = damaged();
    configure(&place, "others.jsonl");
    run(&place, &["--journal", "other"], &format!("{OTHER}\n{}", purchases("B", 300)));
    let whole = place.read("others.jsonl");
    let few: String = whole.split_inclusive('\n').take(50).collect();
    let ours = place.read(PRICES);
    for (other, why) in
        [(&whole, "and the journal only to"), (&few, "is not what the journal says of record")]
    {
        std::fs::remove_file(place.path("others.jsonl")).expect("it is there");
        place.write("others.jsonl", other);
        for repair in [&["run", "c.toml", "--repair"][..], &["run", "c.toml"]] {
            let refused = place.expect(2, repair);
            let said = refused.err.last().expect("a reason");
            assert!(said.contains(why) && said.contains("another journal's"), "{refused:#?}");
            assert_eq!(&place.read("others.jsonl"), other, "it is left as it is");
        }
    }
    // Also in the place of the journal's own file, which a note knows.
    configure(&place, PRICES);
    run(&place, &[], "");
    assert!(place.read(PRICES).starts_with(&ours));
    place.write(PRICES, &whole);
    let refused = place.expect(2, &["run", "c.toml"]);
    assert!(refused.err.last().is_some_and(|line| line.contains("another journal's")), "{refused:#?}");
    assert_eq!(place.read(PRICES), whole);
}

#[test]
fn of_a_removed_record_the_note_beside_the_journal_decides() {
    let place = Place::new();
    configure(&place, PRICES);
    run(&place, &[], &format!("{SALE}\n{}", purchases("A", 3)));
    for _ in 0..2 {
        run(&place, &[], "");
    }
    let text = place.read(PRICES);
    place.expect(0, &["journal", "prune", "j", "--keep-size", "1kB"]);
    assert!(!segment_path(&place.path("j"), 1).exists(), "the prices' records are gone");
    run(&place, &[], "");
    assert_eq!(place.read(PRICES), text);
    for entry in std::fs::read_dir(place.path("j")).expect("a journal").flatten() {
        if entry.file_name().to_string_lossy().starts_with("output-") {
            std::fs::remove_file(entry.path()).expect("it is there");
        }
    }
    let refused = place.expect(2, &["run", "c.toml"]);
    assert!(
        refused.err.last().is_some_and(|line| line.contains("nobody can say whose file it is")),
        "{refused:#?}"
    );
    assert_eq!(place.read(PRICES), text);
}
