use pricewright_strategies::pricing::flash_sale::FlashSale;

use super::*;

const GOOD: &str = "machine = \"flash_sale\"\n[feed.jsonl]\nstdin = true\n[config]\ncurrency_decimals = 2\n";

fn parse(text: &str) -> Result<PipelineConfig<<FlashSale as Machine>::Config>> {
    ConfigText { path: "test.toml".to_owned(), text: text.to_owned() }.pipeline::<FlashSale>()
}

fn complaint(text: &str) -> (Option<usize>, String) {
    match parse(text) {
        Err(Error::Config { path, line, message }) => {
            assert_eq!(path, "test.toml");
            (line, message)
        }
        other => panic!("expected a complaint, got {other:?}"),
    }
}

#[test]
fn a_good_file_is_read_and_its_canonical_form_reads_back_the_same() {
    let config = parse(GOOD).expect("good");
    let canonical = config.canonical().expect("canonical");
    let again = parse(&canonical).expect("canonical form is good");
    assert_eq!(again.canonical().expect("canonical"), canonical);
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    let (line, message) = complaint(&GOOD.replace("stdin = true", "stdin = true\nstdinn = false"));
    assert_eq!(line, Some(4));
    assert!(message.contains("stdinn"), "{message}");
}

#[test]
fn wrong_types_are_refused_with_their_line() {
    let (line, message) = complaint(&GOOD.replace("stdin = true", "stdin = 7"));
    assert_eq!(line, Some(3));
    assert!(message.contains("stdin = 7"), "{message}");
}

#[test]
fn settings_out_of_range_name_line_and_mend() {
    let (line, message) = complaint(&format!("{GOOD}[journal]\nsegment_mib = 0\n"));
    assert_eq!(line, Some(7));
    assert!(message.contains("1 to 1024"), "{message}");
    let (_, message) = complaint(&format!("{GOOD}[runtime]\nring_cells = 2048\n"));
    assert!(message.contains("at least 4096"), "{message}");
    let (_, message) = complaint(&format!("{GOOD}[runtime]\nring_cells = 10000\n"));
    assert!(message.contains("power of two"), "{message}");
    let (_, message) = complaint(&format!("{GOOD}[runtime]\ntopology = \"explicit\"\n"));
    assert!(message.contains("[[runtime.thread]]"), "{message}");
}

#[test]
fn exactly_one_source_of_lines() {
    let (_, message) = complaint(&GOOD.replace("stdin = true", "stdin = true\nlisten = \"127.0.0.1:1\""));
    assert!(message.contains("exactly one"), "{message}");
    let (_, message) = complaint(&GOOD.replace("[feed.jsonl]\nstdin = true\n", ""));
    assert!(message.contains("no feed"), "{message}");
}

#[test]
fn the_machines_own_complaint_carries_the_line() {
    let (line, message) = complaint(&GOOD.replace("currency_decimals = 2", "currency_decimals = 77"));
    assert_eq!(line, Some(5));
    assert!(message.contains("currency_decimals"), "{message}");
}

#[test]
fn what_is_kept_is_written_with_units() {
    let with = |journal: &str| GOOD.replace("[feed.jsonl]", &format!("[journal]\n{journal}\n[feed.jsonl]"));
    let config =
        parse(&with("keep = { age = \"7d\", size = \"10GB\" }\narchive_to = \"old\"")).expect("good");
    let keep = config.journal.keep.expect("said");
    assert_eq!(keep.age.expect("said").0.as_secs(), 7 * 86_400);
    assert_eq!(keep.size.expect("said").0, 10_000_000_000);
    let canonical = config.canonical().expect("canonical");
    let again = parse(&canonical).expect("the canonical form is good");
    assert_eq!(
        (again.journal.keep, again.journal.archive_to),
        (config.journal.keep, config.journal.archive_to)
    );
    assert!(parse(GOOD).expect("good").canonical().is_ok_and(|text| text.contains("size = \"50GB\"")));
    for (journal, words) in [
        ("keep = { age = \"7 days\" }", "as in 7d"),
        ("keep = { size = \"10\" }", "as in 10GB"),
        ("keep = { ages = \"7d\" }", "ages"),
        ("keep = {}", "say what is kept"),
        ("keep = { all = true, size = \"1GB\" }", "goes with no limit"),
        ("dir = \"x\"\nkeep = { age = \"7d\" }\narchive_to = \"x\"", "another directory"),
    ] {
        let (line, message) = complaint(&with(journal));
        assert!(message.contains(words), "{journal}: {message}");
        assert!(line.is_some_and(|line| (3..=5).contains(&line)), "{journal}: {line:?}");
    }
}

fn desk(venue: &str) -> Result<PipelineConfig<pricewright_strategies::trading::DeskConfig>> {
    let text = include_str!("../../strategies/trading/desk.toml");
    let (before, rest) = text.split_once("[venue]").expect("the example has a venue");
    let (_, after) = rest.split_once("\n[config]").expect("and its configuration behind it");
    let text = format!("{before}{venue}\n[config]{after}");
    ConfigText { path: "desk.toml".to_owned(), text }.pipeline::<pricewright_strategies::trading::Desk>()
}

#[test]
fn a_venue_reaches_the_machine_and_the_canonical_form() {
    let config =
        desk("[venue]\ntime_zone = \"Europe/London\"\nphases = false\nopen = \"08:00\"\nclose = \"16:30\"")
            .expect("good");
    assert_eq!(config.config.venue, config.venue);
    assert_eq!(config.venue.time_zone.name(), "Europe/London");
    let text = config.canonical().expect("canonical");
    assert!(text.contains("[venue]") && text.contains("Europe/London"), "{text}");
    let again = ConfigText { path: "again".to_owned(), text };
    let again = again.pipeline::<pricewright_strategies::trading::Desk>().expect("canonical form is good");
    assert_eq!(again.config, config.config);
}

/// The venue's stamps are New York's where nothing is said: files of before go on loading.
#[test]
fn without_a_venue_it_is_the_one_that_the_feed_is_of() {
    let config = desk("").expect("good");
    assert_eq!(config.config.venue.time_zone.name(), "America/New_York");
    assert!(config.config.venue.phases);
}

#[test]
fn a_wrong_venue_is_refused_with_what_helps() {
    for (venue, wanted) in [
        ("[venue]\ntime_zone = \"Mars/Olympus\"", "POSIX rule"),
        ("[venue]\nopen = \"09:30\"", "open and close go together"),
        ("[venue]\nopen = \"half past nine\"\nclose = \"16:00\"", "09:30"),
        ("[venue]\ntimezone = \"UTC\"", "timezone"),
    ] {
        let error = desk(venue).expect_err(venue).to_string();
        assert!(error.contains(wanted), "{error}");
        assert_eq!(error.matches("desk.toml:").count(), 1, "once: {error}");
    }
    let (_, message) = complaint(&format!("{GOOD}[venue]\ntime_zone = \"UTC\"\n"));
    assert!(message.contains("[feed.nasdaq]"), "{message}");
}
