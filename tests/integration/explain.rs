//! `explain` always answers: by record, order, article and time; on a journal that is being written, that a crash left,
//! without its side files; with what changed since the decision before.

use serde_json::{Value, json};

use crate::support::Place;

const STDIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/stdin.toml");

fn inventory(sku: &str) -> String {
    format!(
        r#"{{"type":"inventory","sku":"{sku}","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}}"#
    )
}

fn purchase(sku: &str, qty: u32) -> String {
    format!(r#"{{"type":"purchase","sku":"{sku}","ts":"2026-01-01T00:00:01Z","qty":{qty}}}"#)
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn an_article_is_asked_for_by_name_and_time() {
    let place = Place::new();
    let input = [inventory("A"), inventory("B"), purchase("A", 4), purchase("B", 8), purchase("A", 6)];
    place.run(&["run", STDIN, "--journal", "j"], &lines(&input));
    let last = place.json(&["explain", "j", "--sku", "A", "--json"]);
    assert_eq!(last["decision"]["fields"]["stock"], 30);
    assert_eq!(last["previous"]["decision"]["fields"]["stock"], 36, "of A, not of B");
    let changes = last["previous"]["changes"].as_array().expect("changes");
    let stock = changes.iter().find(|change| change["name"] == "stock").expect("the stock changed");
    assert_eq!((&stock["before"], &stock["now"]), (&json!("36 pieces"), &json!("30 pieces")));

    let words = place.expect(0, &["explain", "j", "A"]).out.join("\n");
    // 100 · (1 + (1 − 30/40)) = 125.
    for shown in ["sku=A", "= 100.00 · (1 + (1 − 30 / 40))", "= 125.00", "stock: 36 pieces -> 30 pieces"] {
        assert!(words.contains(shown), "{shown}: {words}");
    }
    let shown: Vec<&str> = words.lines().filter(|line| line.contains(" floor ")).collect();
    assert_eq!(shown.len(), 1, "each check once: {words}");

    // As of the first purchase's stamp: that price.
    let first = last["previous"]["decision"]["seq"].as_u64().expect("a number").to_string();
    let words = place.expect(0, &["explain", "j", &first]).out;
    let at = words.iter().find_map(|line| line.strip_prefix("At ")).expect("a stamp").trim().to_owned();
    let then = place.json(&["explain", "j", "--sku", "A", "--at", &at, "--json"]);
    assert_eq!(then["decision"]["fields"]["stock"], 36);
    let any = place.json(&["explain", &at, "j", "--json"]);
    assert_eq!(any["decision"]["fields"]["stock"], 36, "a stamp as a word");

    for (args, mark) in [
        (&["explain", "j", "--sku", "C"][..], "it has A, B"),
        (&["explain", "j", "--order", "1"], "no order 1 in this journal; it sent none"),
        (&["explain", "j", "99999"], "no record 99999: it has 1 to "),
        (&["explain", "j", "--at", "yesterday"], "2026-01-02T15:04:05Z"),
        (&["explain", "j", "--at", "2001-01-01T00:00:00Z"], "at that time"),
        (&["explain", "j", "A", "B"], "at most one"),
    ] {
        let refused = place.expect(2, args);
        assert!(refused.err.join("\n").contains(mark), "{args:?}: {refused:#?}");
    }
}

#[test]
fn a_running_and_a_crashed_journal_answer_with_and_without_side_files() {
    let place = Place::new();
    let mut run = place.start(&["run", STDIN, "--journal", "j"]);
    run.input(&lines(&[inventory("A"), purchase("A", 10)]));
    run.wait_out("125.00");
    let ask = || place.json(&["explain", "j", "A", "--json"]);
    let told = |answer: &Value| (answer["notes"].clone(), answer["unexplained"].clone());
    let live = ask();
    assert_eq!(live["unexplained"], Value::Null);
    assert!(live["notes"].as_array().is_some_and(|notes| !notes.is_empty()), "{live:#}");
    run.signal("KILL");
    run.finish();
    assert_eq!(told(&ask()), told(&live), "after a crash");
    let files = std::fs::read_dir(place.path("j")).expect("a directory");
    let traces: Vec<_> = files
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pwt"))
        .collect();
    assert!(!traces.is_empty());
    for trace in &traces {
        std::fs::write(trace, "no trace").expect("written");
    }
    assert_eq!(told(&ask()), told(&live), "with a trace that is none");
    for trace in &traces {
        std::fs::remove_file(trace).expect("removed");
    }
    assert_eq!(told(&ask()), told(&live), "without a trace");
}
