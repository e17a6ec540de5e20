//! `pricewright bench` as its users call it, in smoke mode: every bench checks itself, the same seed gives the same
//! results, and what cannot be used is refused by name.

use std::process::Command;

use serde_json::Value;

use crate::support::{Finished, Place};

/// Benches that need two cores are left out by `bench all` where there is one, and cannot be called by name there.
fn two_cores() -> bool {
    std::thread::available_parallelism().map_or(1, usize::from) >= 2
}

fn bench(place: &Place, args: &[&str]) -> Finished {
    let mut all = vec!["bench"];
    all.extend(args);
    place.run(&all, "")
}

fn measured(place: &Place, name: &str, seed: &str) -> Value {
    let done = bench(place, &[name, "--smoke", "--rounds", "1", "--seed", seed, "--json"]);
    assert_eq!(done.code, Some(0), "{name}: {:?}", done.err);
    serde_json::from_str(&done.out.join("\n")).expect("JSON")
}

fn result(document: &Value) -> String {
    document["benches"][0]["result"].as_str().expect("a result").to_owned()
}

#[test]
fn the_same_seed_gives_the_same_result_and_another_seed_another() {
    let place = Place::new();
    let seeded = ["decode", "book", "journal", "tick-to-decision", "replay"];
    for name in seeded {
        let document = measured(&place, name, "5");
        assert_eq!(document["format"], "pricewright-bench-1");
        assert_eq!(document["benches"][0]["name"], name);
        assert_eq!(result(&document), result(&measured(&place, name, "5")), "{name}");
        assert_ne!(result(&document), result(&measured(&place, name, "6")), "{name}");
    }
    // What these compute depends on no seed; two processes need two cores.
    let unseeded: &[&str] =
        if two_cores() { &["floor", "ring", "tick-to-trade"] } else { &["floor", "ring"] };
    for name in unseeded {
        assert_eq!(result(&measured(&place, name, "5")), result(&measured(&place, name, "6")), "{name}");
    }
    assert!(!place.path("pricewright-data").exists(), "what the benches wrote is gone");
}

#[test]
fn a_page_distributions_and_a_measurement_are_written() {
    let place = Place::new();
    let done = bench(
        &place,
        &["decode", "--smoke", "--report", "out.html", "--hgrm", "curves", "--json", "out.json"],
    );
    assert_eq!(done.code, Some(0), "{:?}", done.err);
    assert!(done.out.iter().any(|line| line.starts_with("result ")), "{:?}", done.out);
    let page = place.read("out.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg") && page.contains("smoke run"));
    let curves = std::fs::read_dir(place.path("curves")).expect("made").count();
    assert_eq!(curves, 5, "one for each figure");
    let refused = bench(&place, &["compare", "out.json", "out.json"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.concat().contains("--smoke"), "{:?}", refused.err);
}

/// Where nothing can be written, those that write fail. The others' results are kept.
#[test]
fn a_bench_that_fails_does_not_throw_away_the_others() {
    let place = Place::new();
    place.write("pricewright-data", "a file where the benches' directory would be");
    let all = ["all", "--smoke", "--rounds", "1", "--json", "out.json", "--report", "out.html"];
    let done = bench(&place, &all);
    assert_eq!(done.code, Some(1), "{:?}", done.err);
    let document: Value = serde_json::from_str(&place.read("out.json")).expect("JSON");
    let names = |key: &str| -> Vec<String> {
        let benches = document[key].as_array().expect("benches").iter();
        benches.map(|bench| bench["name"].as_str().expect("a name").to_owned()).collect()
    };
    let kept = names("benches");
    for name in ["floor", "decode", "book"] {
        assert!(kept.iter().any(|kept| kept == name), "{name}: {kept:?}");
    }
    let failed = names("failed");
    assert_eq!(failed.first().map(String::as_str), Some("journal"), "{failed:?}");
    assert_eq!(failed.last().map(String::as_str), Some("replay"), "{failed:?}");
    let page = place.read("out.html");
    for bench in document["failed"].as_array().expect("benches") {
        let (name, error) = (bench["name"].as_str().expect("text"), bench["error"].as_str().expect("text"));
        assert!(error.contains("pricewright-data"), "{error}");
        let said = format!("{name} failed: {error}");
        assert!(done.out.contains(&said), "{said}: {:?}", done.out);
        assert!(done.err.iter().any(|line| line.trim() == said), "{said}: {:?}", done.err);
        assert!(page.contains(&format!("{name} failed: ")), "{name}");
    }
    assert!(done.out.iter().any(|line| line.starts_with("result ")), "{:?}", done.out);
    let last = format!("{} of 8 benches failed", failed.len());
    assert!(done.err.iter().any(|line| line.contains(&last)), "{:?}", done.err);
    let alone = bench(&place, &["replay", "--smoke", "--json", "alone.json"]);
    assert!(alone.code != Some(0) && !place.path("alone.json").exists(), "nothing was measured");
}

/// The document of `name` with its medians multiplied by `factor` and at least as many rounds as a comparison wants.
fn altered(place: &Place, name: &str, factor: f64) -> String {
    let mut document = measured(place, "decode", "1");
    document["smoke"] = Value::Bool(false);
    for figure in document["benches"][0]["figures"].as_array_mut().expect("figures") {
        let mut round = figure["rounds"][0].clone();
        let scale = if figure["floor"].is_null() { 1.0 } else { factor };
        round["p50"] = Value::from(100.0 * scale);
        figure["rounds"] = Value::Array(vec![round; 7]);
    }
    place.write(name, &document.to_string());
    name.to_owned()
}

#[test]
fn a_comparison_says_worse_by_its_exit_code() {
    let place = Place::new();
    let (before, same, slow) =
        (altered(&place, "a", 1.0), altered(&place, "b", 1.0), altered(&place, "c", 1.3));
    let good = bench(&place, &["compare", &before, &same]);
    assert_eq!(good.code, Some(0), "{:?}", good.err);
    let worse = bench(&place, &["compare", &before, &slow]);
    assert_eq!(worse.code, Some(1));
    assert!(worse.out.concat().contains("WORSE") && worse.err.concat().contains("became worse"));
    let better = bench(&place, &["compare", &slow, &before]);
    assert_eq!(better.code, Some(0));
    assert!(better.out.concat().contains("better"));
    let mut document: Value = serde_json::from_str(&place.read(&same)).expect("JSON");
    document["failed"] = serde_json::json!([{ "name": "journal", "error": "no room" }]);
    place.write("d", &document.to_string());
    let partly = bench(&place, &["compare", &before, "d"]);
    assert_eq!(partly.code, Some(0));
    assert!(partly.err.concat().contains("d: journal failed there"), "{:?}", partly.err);
    let missing = bench(&place, &["compare", &before, "nothing.json"]);
    assert_eq!(missing.code, Some(2));
}

#[test]
fn arguments_out_of_bounds_are_refused() {
    let place = Place::new();
    let refused = [
        vec!["tick-to-trade", "--seconds", "3601"],
        vec!["tick-to-trade", "--rate", "0"],
        vec!["tick-to-trade", "--pairs", "0"],
        vec!["tick-to-trade", "--pairs", "7", "--rounds", "7"],
        vec!["journal", "--seconds", "nan"],
        vec!["decode", "--rate", "5"],
        vec!["decode", "--rounds", "1001"],
    ];
    for args in refused {
        assert_eq!(bench(&place, &args).code, Some(2), "{args:?}");
    }
}

/// The generator alone: its parent is gone, so it ends.
#[test]
fn the_generator_ends_with_its_input() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pricewright"));
    let done =
        command.args(["bench", "generator", "0"]).stdin(std::process::Stdio::null()).output().expect("runs");
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8(done.stdout).expect("text");
    assert!(text.contains("venue") && text.contains("echo"), "{text}");
}
