//! A flash sale over standard input and files.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pricewright_core::kernel::EventNanos;
use pricewright_feeds::jsonl::generator::{Config as GeneratorConfig, Generator};
use serde_json::{Value, json};

use crate::support::{BOUND, Place, http_get, objects};

const STDIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/stdin.toml");
pub(crate) const INVENTORY: &str =
    r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}"#;
pub(crate) const PURCHASE: &str = r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":30}"#;

pub(crate) fn prices(lines: &[String]) -> Vec<String> {
    let price = |line: &Value| format!("{} {}", text(&line["sku"]), text(&line["price"]));
    objects(lines).iter().filter(|line| line.get("price").is_some()).map(price).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string"))
}

/// Line numbers and reasons of the dead letters among `lines`.
pub(crate) fn dead_letters(lines: &[String]) -> Vec<(u64, String)> {
    let letter = |line: &Value| Some((line.get("line")?.as_u64()?, text(&line["reason"]).to_owned()));
    objects(lines).iter().filter_map(letter).collect()
}

/// The example of the documentation.
#[test]
fn the_example_ends_with_175() {
    let place = Place::new();
    let ran = place.run(&["run", STDIN, "--journal", "j"], &format!("{INVENTORY}\n{PURCHASE}\n"));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(ran.out.len(), 2, "one line per price: {ran:#?}");
    let last: Value = serde_json::from_str(ran.out.last().expect("a line")).expect("JSON");
    assert_eq!((&last["sku"], &last["price"]), (&json!("A"), &json!("175.00")));
    let report = place.verify("j");
    assert_eq!((&report["decisions"], &report["clean_end"]), (&json!(2), &json!(true)));
}

#[test]
fn bad_lines_are_dead_letters_and_the_rest_goes_on() {
    let place = Place::new();
    let too_long = "x".repeat(5_000);
    // CRLF and blank lines are good; the last line has no end.
    let lines = [
        "hello",
        INVENTORY,
        "",
        r#"{"type":"purchase","sku":"B","ts":"2026-01-01T00:00:01Z","qty":1}"#,
        r#"{"type":"refund","sku":"A","ts":"2026-01-01T00:00:01Z","qty":1}"#,
        r#"{"type":"purchase","sku":"A","ts":"yesterday","qty":1}"#,
        &too_long,
        r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":4,"stock":5,"base":"1.00"}"#,
        PURCHASE,
    ];
    let ran = place.run(&["run", STDIN, "--journal", "j"], &lines.join("\r\n"));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(prices(&ran.out), ["A 100.00", "A 175.00"]);
    let expected = [
        (1, "malformed"),
        (4, "unknown_key"),
        (5, "unknown_type"),
        (6, "malformed"),
        (7, "too_long"),
        (8, "contradiction"),
    ];
    assert_eq!(dead_letters(&ran.err), expected.map(|(line, reason)| (line, reason.to_owned())));
    place.verify("j");
}

#[test]
fn two_runs_continue_one_journal() {
    let place = Place::new();
    let first = place.run(&["run", STDIN, "--journal", "j"], &format!("{INVENTORY}\n"));
    assert_eq!(prices(&first.out), ["A 100.00"]);
    let second = place.run(&["run", STDIN, "--journal", "j"], &format!("{PURCHASE}\n"));
    assert_eq!(prices(&second.out), ["A 175.00"], "only what this run decided: {second:#?}");
    let seq = |lines: &[String]| objects(lines).last().expect("a line")["seq"].as_u64().expect("a number");
    assert!(seq(&second.out) > seq(&first.out));
    assert_eq!(place.verify("j")["decisions"], 2);
}

#[test]
fn another_configuration_does_not_continue_a_journal() {
    let place = Place::new();
    place.run(&["run", STDIN, "--journal", "j"], &format!("{INVENTORY}\n"));
    let other = std::fs::read_to_string(STDIN).expect("it is there").replace("\"on_change\"", "\"always\"");
    place.write("other.toml", &other);
    let refused = place.expect(2, &["run", "other.toml", "--journal", "j"]);
    assert!(refused.err.iter().any(|line| line.contains("[config]")), "{refused:#?}");
}

#[test]
fn explain_names_the_cause() {
    let place = Place::new();
    let input = format!("{INVENTORY}\nhello\n{PURCHASE}\n");
    let ran = place.run(&["run", STDIN, "--journal", "j"], &input);
    let seq = objects(&ran.out).last().expect("a price")["seq"].as_u64().expect("a number");
    let why = place.json(&["explain", "--json", "j", &seq.to_string()]);
    assert_eq!(why["seq"], seq);
    assert_eq!(why["decision"]["kind"], "PricePublished");
    assert_eq!(why["decision"]["fields"]["price"], 17_500);
    assert_eq!(why["event"]["kind"], "Purchase");
    assert_eq!(
        (&why["event"]["fields"]["qty"], &why["event"]["fields"]["position"]),
        (&json!(30), &json!(3))
    );
    let note = |name: &str| why["notes"].as_array().expect("notes").iter().find(|note| note["name"] == name);
    assert_eq!(note("stock").expect("the stock")["value"], 10);
    // Without a number it is the last decision; for people it says the same.
    let words = place.expect(0, &["explain", "j"]).out.join("\n");
    assert!(words.contains("price=175.00") && words.contains("Purchase qty=30"), "{words}");
}

pub(crate) fn file_config(topology: &str) -> String {
    format!(
        "machine = \"flash_sale\"\n\
         [journal]\nsegment_mib = 1\n\
         [runtime]\nidle = \"backoff\"\ntopology = \"{topology}\"\n\
         [feed.jsonl]\nfile = \"events.jsonl\"\n\
         [gateway.jsonl]\nfile = \"prices.jsonl\"\ndead_letter = \"dead.jsonl\"\n\
         [config]\ncurrency_decimals = 2\n"
    )
}

/// The first `count` lines of a made-up shop's sales, some of them broken.
pub(crate) fn sales(count: usize) -> String {
    let mut shop = Generator::new(GeneratorConfig {
        seed: 7,
        start: EventNanos(1_767_225_600_000_000_000),
        articles: 200,
        purchases_per_second: 100,
        currency_decimals: 2,
    });
    let mut lines = Vec::new();
    for line in 1..=count {
        if line % 50 == 0 {
            lines.extend_from_slice(b"not a sale\n");
        } else {
            shop.next_line(&mut lines);
        }
    }
    String::from_utf8(lines).expect("text")
}

/// Lines without the sequence, which depends on how the input was cut into chunks.
pub(crate) fn without_seq(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| {
            let mut object: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(object.as_object_mut().and_then(|fields| fields.remove("seq")).is_some(), "{line}");
            object
        })
        .collect()
}

#[test]
fn fused_and_pipelined_decide_the_same() {
    let mut found = Vec::new();
    for topology in ["fused", "pipelined"] {
        let place = Place::new();
        place.write("file.toml", &file_config(topology));
        place.write("events.jsonl", &sales(5_000));
        place.expect(0, &["run", "file.toml", "--journal", "j"]);
        place.verify("j");
        found.push((without_seq(&place.read("prices.jsonl")), without_seq(&place.read("dead.jsonl"))));
    }
    assert_eq!(found[0].1.iter().filter(|letter| letter["reason"] == "malformed").count(), 100);
    assert!(found[0] == found[1], "the two disagree");
}

#[test]
fn a_closed_standard_output_ends_the_run_cleanly() {
    let place = Place::new();
    place.write("events.jsonl", &sales(5_000));
    let program = env!("CARGO_BIN_EXE_pricewright");
    let pipe =
        format!("'{program}' run '{STDIN}' --journal j < events.jsonl | head -n 1; exit ${{PIPESTATUS[0]}}");
    let ran = std::process::Command::new("bash")
        .args(["-c", &pipe])
        .current_dir(place.path(""))
        .output()
        .expect("bash runs");
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert_eq!(ran.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(place.verify("j")["clean_end"], true);
}

#[test]
fn signals_end_a_run_cleanly() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let mut process = place.start(&["run", STDIN, "--journal", "j", "--json"]);
        process.input(&format!("{INVENTORY}\n{PURCHASE}\n"));
        process.wait_out("175.00");
        process.signal(signal);
        // Standard input is still open: the signal alone ends it.
        let ran = process.finish_with_open_input();
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let object: String = ran.out[2..].join("\n");
        let object: Value = serde_json::from_str(&object).expect("one object at the end");
        assert_eq!(object["ended"], "operator");
        assert_eq!(place.verify("j")["clean_end"], true);
    }
}

#[test]
fn configurations_that_cannot_be_used_say_where_and_what_to_do() {
    let place = Place::new();
    let good = std::fs::read_to_string(STDIN).expect("it is there");
    let line_of = |text: &str, key: &str| {
        text.lines().position(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key}")) + 1
    };
    for (from, to, key, mend) in [
        ("stdin = true", "stdin = true\nstdinn = true", "stdinn", "unknown key `stdinn`"),
        ("segment_mib = 16", "segment_mib = 0", "segment_mib", "give 1 to 1024"),
        ("segment_mib = 16", "segment_mib = \"16\"", "segment_mib", "the text \"16\""),
        ("currency_decimals = 2", "currency_decimals = 99", "currency_decimals", "set it to 0..="),
        ("stdin = true", "stdin = true\nmax_line_bytes = 1", "max_line_bytes", "set it to 64..="),
        ("stdout = true", "stdout = true\ntcp = true", "tcp", "listen = "),
        (
            "idle = \"backoff\"",
            "idle = \"backoff\"\nring_cells = 4611686018427387904",
            "ring_cells",
            "at most",
        ),
        (
            "stdout = true",
            "stdout = true\n[gateway.ouch]\naddress = \"127.0.0.1:9\"\nuser = \"desk\"",
            "[gateway.ouch]",
            "goes with [feed.nasdaq]",
        ),
        ("stdout = true", "file = \"out\"\ndead_letter = \"out\"", "dead_letter", "another name"),
        ("publish = \"on_change\"", "publish = \"sometimes\"", "publish", "on_change"),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good, "{from}");
        place.write("bad.toml", &text);
        let at = format!("bad.toml:{}:", line_of(&text, key));
        for command in ["check", "run"] {
            let refused = place.expect(2, &[command, "bad.toml"]);
            let said = refused.err.join("\n");
            assert!(said.contains(&at) && said.contains(mend), "{to}: {said}");
        }
    }
    let missing = place.expect(2, &["run", "missing.toml"]);
    assert!(missing.err.join("\n").contains("missing.toml"), "{missing:#?}");
    assert!(!place.path("pricewright-data").exists(), "nothing was begun");
}

#[test]
fn json_outputs_parse() {
    let place = Place::new();
    place.run(&["run", STDIN, "--journal", "j"], &format!("{INVENTORY}\n{PURCHASE}\n"));
    assert_eq!(place.json(&["check", "--json", STDIN])["good"], true);
    assert_eq!(place.json(&["replay", "--json", "j"])["decisions"], 2);
    assert_eq!(place.json(&["explain", "--json", "j"])["decision"]["kind"], "PricePublished");
}

/// Who reads nothing of standard output stops nobody but itself: the helper goes on, as its snapshots show, and every price
/// comes once it is read.
#[test]
fn a_stalled_reader_of_standard_output_does_not_stop_the_helper() {
    let place = Place::new();
    let text = std::fs::read_to_string(STDIN).expect("it is there");
    place.write("stdin.toml", &text.replace("segment_mib = 16", "segment_mib = 16\nsnapshot_every = 2000"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_pricewright"))
        .args(["run", "stdin.toml", "--journal", "j"])
        .current_dir(place.path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("piped");
    // More prices than the pipe and the writer's buffer hold.
    input.write_all(sales(6_000).as_bytes()).expect("taken");
    let snapshots = || {
        let files = std::fs::read_dir(place.path("j")).into_iter().flatten().flatten();
        files.filter(|file| file.path().extension().is_some_and(|ending| ending == "pws")).count()
    };
    let start = Instant::now();
    while snapshots() == 0 {
        if start.elapsed() > BOUND {
            child.kill().expect("ended");
            panic!("no snapshot while nobody reads standard output");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(input);
    let ended = child.wait_with_output().expect("it ends once it is read");
    assert_eq!(ended.status.code(), Some(0));
    let prices = ended.stdout.iter().filter(|byte| **byte == b'\n').count();
    let stats = place.json(&["journal", "stats", "j", "--json"]);
    let kinds = stats["kinds"].as_array().expect("kinds");
    let published = kinds.iter().find(|kind| kind["kind"] == "PricePublished").expect("prices");
    assert!(prices > 3_000, "{prices} prices");
    assert_eq!(published["records"], prices);
}

/// Who reads nothing of standard output stops nobody else: prices over HTTP go on.
#[test]
fn a_stalled_reader_of_standard_output_does_not_stop_the_price_server() {
    let place = Place::new();
    let http = "stdout = true\n[gateway.http]\nlisten = \"127.0.0.1:0\"";
    place.write("c.toml", &lines_config("stdin = true", "").replace("stdout = true", http));
    let mut child = Command::new(env!("CARGO_BIN_EXE_pricewright"))
        .args(["run", "c.toml"])
        .current_dir(place.path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let address = said.find_map(|line| Some(line.split_once("http://")?.1.split('/').next()?.to_owned()));
    let address = address.and_then(|address| address.parse().ok()).expect("an address");
    let mut input = child.stdin.take().expect("piped");
    // More prices than the pipe and the writer's buffer hold.
    const SOLD: usize = 4_000;
    let inventory = INVENTORY.replace(":40", ":1000000").replace("100.00", "10000.00");
    let lines = format!("{inventory}\n{}", format!("{}\n", purchase_at(1, 1)).repeat(SOLD));
    input.write_all(lines.as_bytes()).expect("taken");
    let start = Instant::now();
    while !http_get(address, "/prices/A").1.contains(&format!("\"stock\":{},", 1_000_000 - SOLD)) {
        if start.elapsed() > BOUND {
            child.kill().expect("ended");
            panic!("no price over HTTP while nobody reads standard output");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(input);
    let ended = child.wait_with_output().expect("it ends once it is read");
    assert_eq!(ended.stdout.iter().filter(|byte| **byte == b'\n').count(), SOLD + 1);
}

/// A configuration that reads `file` (or standard input where it is empty) and prices to standard output.
pub(crate) fn lines_config(feed: &str, machine: &str) -> String {
    format!(
        "machine = \"flash_sale\"\n[journal]\ndir = \"j\"\nsegment_mib = 1\n[runtime]\nidle = \"backoff\"\n\
         [feed.jsonl]\n{feed}\n[gateway.jsonl]\nstdout = true\n[config]\n{machine}\n"
    )
}

pub(crate) fn purchase_at(second: u32, qty: u32) -> String {
    format!(r#"{{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:{second:02}Z","qty":{qty}}}"#)
}

#[test]
fn refused_lines_take_no_place_and_places_can_be_added() {
    let refused = [
        r#"{"type":"purchase","sku":"typo-1","ts":"2026-01-01T00:00:00Z","qty":1}"#,
        r#"{"type":"inventory","sku":"bad-1","ts":"2026-01-01T00:00:00Z","initial":0,"stock":0,"base":"1.00"}"#,
    ]
    .join("\n");
    let of = |sku: &str| INVENTORY.replace("\"A\"", &format!("\"{sku}\""));
    for (feed, machine) in [("max_skus = 2", ""), ("", "max_skus = 2")] {
        let place = Place::new();
        let config = lines_config(&format!("stdin = true\n{feed}"), machine);
        place.write("c.toml", &config);
        let input = format!("{refused}\n{INVENTORY}\n{}\n{}\n{}\n", purchase_at(1, 30), of("B"), of("C"));
        let ran = place.run(&["run", "c.toml"], &input);
        assert_eq!(prices(&ran.out), ["A 100.00", "A 175.00", "B 100.00"], "{ran:#?}");
        let expected = [(1, "unknown_key"), (2, "out_of_range"), (6, "capacity")];
        assert_eq!(dead_letters(&ran.err), expected.map(|(line, reason)| (line, reason.to_owned())));
        // The message's own advice, on the same journal.
        place.write("c.toml", &config.replace("max_skus = 2", "max_skus = 10"));
        let ran = place.run(&["run", "c.toml"], &format!("{}\n{}\n", of("C"), purchase_at(2, 2)));
        assert_eq!(prices(&ran.out), ["C 100.00", "A 180.00"], "{ran:#?}");
        place.verify("j");
        place.expect(0, &["explain", "j"]);
        // Fewer than are in use cannot be.
        place.write("c.toml", &config);
        let ran = place.expect(2, &["run", "c.toml"]);
        assert!(ran.err.join("\n").contains("max_skus"), "{ran:#?}");
    }
}

/// Between a floor of 50.00 and a ceiling at the base price nothing is left for a base of 1.00.
#[test]
fn a_base_price_that_leaves_no_price_takes_no_place() {
    let place = Place::new();
    let config = lines_config("stdin = true\nmax_skus = 2", "floor = \"50.00\"\nceiling_bps_of_base = 10000");
    place.write("c.toml", &config);
    let of =
        |sku: &str, base: &str| INVENTORY.replace("\"A\"", &format!("\"{sku}\"")).replace("100.00", base);
    let lines = [of("X", "1.00"), of("Y", "1.00"), of("A", "100.00"), of("A", "1.00")].join("\n");
    let ran = place.run(&["run", "c.toml"], &lines);
    assert_eq!(prices(&ran.out), ["A 100.00"], "{ran:#?}");
    assert_eq!(dead_letters(&ran.err), [1, 2, 4].map(|line| (line, "out_of_range".to_owned())));
    // One place is left, in the next run too.
    let lines = [of("X", "2.00"), of("B", "60.00"), of("C", "70.00"), of("Y", "3.00")].join("\n");
    let ran = place.run(&["run", "c.toml"], &lines);
    assert_eq!(prices(&ran.out), ["B 60.00"], "{ran:#?}");
    let expected = [(1, "out_of_range"), (3, "capacity"), (4, "out_of_range")];
    assert_eq!(dead_letters(&ran.err), expected.map(|(line, reason)| (line, reason.to_owned())));
    place.verify("j");
}

/// `ts` decides which count of the pieces is the newer one.
#[test]
fn a_stale_inventory_and_a_byte_order_mark() {
    let place = Place::new();
    let ten = INVENTORY.replace("00:00:00", "10:00:00").replace("\"stock\":40", "\"stock\":10");
    let nine = INVENTORY.replace("00:00:00", "09:00:00");
    let ran = place.run(&["run", STDIN, "--journal", "j"], &format!("\u{feff}{ten}\n{nine}\n"));
    assert_eq!(prices(&ran.out), ["A 175.00"]);
    assert_eq!(dead_letters(&ran.err), [(2, "stale".to_owned())]);
    place.verify("j");
}

/// RFC 3339 section 5.6: `:60`, and any number of digits; `100.0000` is exactly 100.00.
#[test]
fn stamps_and_amounts_are_read_as_they_are_written() {
    let place = Place::new();
    let lines = [
        r#"{"type":"inventory","sku":"A","ts":"2016-12-31T23:59:59Z","initial":40,"stock":40,"base":"100.00"}"#,
        r#"{"type":"purchase","sku":"A","ts":"2016-12-31T23:59:60Z","qty":10}"#,
        r#"{"type":"purchase","sku":"A","ts":"2017-01-01T00:00:00.0000000000Z","qty":10}"#,
        r#"{"type":"inventory","sku":"B","ts":"2017-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.0000"}"#,
    ];
    let ran = place.run(&["run", STDIN, "--journal", "j"], &lines.join("\n"));
    assert_eq!(prices(&ran.out), ["A 100.00", "A 125.00", "A 150.00", "B 100.00"]);
    assert_eq!(dead_letters(&ran.err), []);
}

#[test]
fn a_refused_purchase_sells_nothing() {
    let place = Place::new();
    let five = INVENTORY.replace("\"stock\":40", "\"stock\":5");
    let input = format!("{five}\n{}\n{}\n", purchase_at(1, 500), purchase_at(2, 5));
    let ran = place.run(&["run", STDIN, "--journal", "j"], &input);
    assert_eq!(prices(&ran.out), ["A 187.50", "A 200.00"]);
    assert_eq!(dead_letters(&ran.err), [(2, "contradiction".to_owned())]);
}

/// An identity that was taken is known after a crash, too.
#[test]
fn a_line_that_comes_again_counts_once() {
    let place = Place::new();
    let named =
        |id: &str, qty: u32| purchase_at(1, qty).replace("\"qty\"", &format!("\"id\":\"{id}\",\"qty\""));
    let mut process = place.start(&["run", STDIN, "--journal", "j"]);
    process.input(&format!("{INVENTORY}\n{}\n{}\n", named("o-1", 10), named("o-1", 10)));
    process.wait_out("125.00");
    process.input(&format!("{}\n", named("o-2", 10)));
    process.wait_out("150.00");
    process.signal("KILL");
    process.finish_with_open_input();
    let ran = place
        .run(&["run", STDIN, "--journal", "j"], &format!("{}\n{}\n", named("o-2", 10), named("o-3", 10)));
    assert_eq!(prices(&ran.out), ["A 175.00"]);
    assert_eq!(dead_letters(&ran.err), [(1, "duplicate".to_owned())]);
    assert_eq!(place.verify("j")["decisions"], 6);
}
