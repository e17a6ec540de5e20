//! `init` and `demo flash-sale`.

use serde_json::Value;

use crate::support::{Place, http_get_200, objects};

#[test]
fn every_file_that_init_writes_is_good() {
    let place = Place::new();
    let ran = place.expect(0, &["init", "shop"]);
    assert!(ran.out[0].starts_with("Wrote "), "{ran:#?}");
    let mut configurations = 0;
    for entry in std::fs::read_dir(place.path("shop")).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let path = path.to_str().expect("text");
            assert_eq!(place.json(&["check", "--json", path])["good"], true);
            place.expect(0, &["check", path]);
            configurations += 1;
        }
    }
    assert!(configurations >= 2);
    let readme = place.read("shop/README.txt");
    assert!(readme.contains("run stdin.toml < events.jsonl"), "{readme}");
    let ran = place.run(&["run", "shop/stdin.toml", "--journal", "j"], &place.read("shop/events.jsonl"));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(objects(&ran.out).last().expect("a price")["price"], "175.00");
}

#[test]
fn init_overwrites_nothing() {
    let place = Place::new();
    std::fs::create_dir(place.path("shop")).expect("made");
    place.write("shop/tcp.toml", "mine");
    let refused = place.expect(2, &["init", "shop"]);
    assert!(refused.err.join("\n").contains("shop/tcp.toml exists already"), "{refused:#?}");
    assert_eq!(place.read("shop/tcp.toml"), "mine");
    assert!(!place.path("shop/stdin.toml").exists(), "nothing was written");
}

#[test]
fn the_demo_prices_a_made_up_shop() {
    let place = Place::new();
    let process = place.start(&["demo", "flash-sale", "--seconds", "4", "--seed", "3", "--json"]);
    let http = process.address_after("prices at http://");
    loop {
        let prices: Value = serde_json::from_str(&http_get_200(http, "/prices")).expect("JSON");
        if let Some(first) = prices.as_array().expect("a list").first() {
            let sku = first["sku"].as_str().expect("a name");
            let price: Value =
                serde_json::from_str(&http_get_200(http, &format!("/prices/{sku}"))).expect("JSON");
            assert_eq!(price["sku"], sku);
            break;
        }
    }
    let ran = process.finish();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let summary: Value = serde_json::from_str(&ran.out.join("\n")).expect("one object");
    assert!(summary["prices"].as_u64() > Some(0), "{summary:#}");
    assert_eq!(summary["journal"], "pricewright-data/flash-sale-1");
    // The newest journal is the default.
    let report = place.json(&["replay", "--verify", "--json"]);
    assert_eq!(
        report["decisions"].as_u64(),
        summary["prices"].as_u64().zip(summary["dead_letters"].as_u64()).map(|(a, b)| a + b)
    );
    assert!(place.json(&["explain", "--json"])["event"]["kind"].is_string());
}

#[test]
fn the_demo_minds_no_closed_output() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_pricewright");
    for lines in [1, 3, 4] {
        let pipe = format!(
            "'{program}' demo flash-sale --seconds 1 2>err.txt | head -n {lines} >out.txt; exit ${{PIPESTATUS[0]}}"
        );
        let status = std::process::Command::new("bash")
            .args(["-c", &pipe])
            .current_dir(place.path(""))
            .status()
            .expect("bash runs");
        assert_eq!(status.code(), Some(0), "{}", place.read("err.txt"));
        assert!(!place.read("err.txt").contains("panicked"), "{}", place.read("err.txt"));
    }
}

#[test]
fn the_demo_keeps_its_three_newest_journals() {
    let place = Place::new();
    for _ in 0..4 {
        place.expect(0, &["demo", "flash-sale", "--seconds", "1"]);
    }
    let kept = |number: u64| place.path(&format!("pricewright-data/flash-sale-{number}")).exists();
    assert_eq!([1, 2, 3, 4].map(kept), [false, true, true, true]);
}

#[test]
fn the_demo_ends_with_what_to_try() {
    let place = Place::new();
    let ran = place.expect(0, &["demo", "flash-sale", "--seconds", "1", "--journal", "mine"]);
    let text = ran.out.join("\n");
    for part in [
        "Done. ",
        "Journal: mine",
        "Try:",
        "explain mine",
        "replay --verify mine",
        "curl http://",
        "init my-shop",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(place.verify("mine")["clean_end"], true);
}

/// With a journal of its own name the market's demo must name it: the newest under ./pricewright-data is another, or none.
#[test]
fn what_the_market_demo_says_to_try_works_where_it_is_said() {
    let place = Place::new();
    let ran = place.expect(0, &["--seconds", "1", "--journal", "my journals/one"]);
    let lines: Vec<&str> = ran.out.iter().map(String::as_str).collect();
    for command in ["explain", "replay --verify"] {
        let line = lines.iter().find(|line| line.contains(&format!(" {command} '"))).expect(command);
        assert!(line.contains("'my journals/one'"), "{line}");
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("my journals/one");
        place.expect(0, &args);
    }
}

#[test]
fn a_command_misspelt_is_refused_with_what_was_meant() {
    let place = Place::new();
    let refused = place.expect(2, &["explian"]).err.join("\n");
    assert!(refused.contains("there is no command `explian`") && refused.contains("did you mean `explain`?"));
    // What stands behind it is not what is wrong.
    for words in [&["chek", "c.toml"][..], &["jornal", "stats", "j"], &["replya", "j", "--json"]] {
        let refused = place.expect(2, words).err.join("\n");
        assert!(refused.contains(&format!("there is no command `{}`", words[0])), "{refused}");
    }
    place.expect(2, &[""]);
    assert!(!place.path("pricewright-data").exists(), "no demo was run");
}

#[test]
fn a_directory_is_no_input_and_files_are_not_written_over() {
    let place = Place::new();
    std::fs::create_dir(place.path("d")).expect("made");
    let shop = |feed: &str| {
        format!("machine = \"flash_sale\"\n[journal]\ndir = \"j\"\n[feed.jsonl]\n{feed}\n[config]\n")
    };
    place.write("file.toml", &shop("file = \"d\""));
    let refused = place.expect(2, &["run", "file.toml"]).err.join("\n");
    assert!(refused.contains("is a directory") && refused.contains("[feed.jsonl] file"), "{refused}");
    place.write("stdin.toml", &shop("stdin = true"));
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_pricewright"))
        .args(["run", "stdin.toml"])
        .current_dir(place.path(""))
        .stdin(std::fs::File::open(place.path("d")).expect("a directory opens"))
        .output()
        .expect("it runs");
    assert_eq!(run.status.code(), Some(2), "{}", String::from_utf8_lossy(&run.stderr));

    place.write("day", "the only copy");
    for args in [
        &["sim", "--write-itch", "day", "--seconds", "1"][..],
        &["--record", "day", "--seconds", "1", "--json"][..],
    ] {
        let refused = place.expect(2, args).err.join("\n");
        assert!(refused.contains("exists"), "{refused}");
        assert_eq!(place.read("day"), "the only copy");
    }
}

/// A disk that is full is no reader who is slow, and what cannot be written has not been said.
#[test]
fn a_full_output_is_said_to_be_full() {
    let place = Place::new();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    for args in [&["--help"][..], &["--version"], &["config"], &["completions", "bash"]] {
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_pricewright"))
            .args(args)
            .current_dir(place.path(""))
            .stdout(full())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("No space left"), "{args:?}: {said}");
        assert!(!said.contains("nobody read"), "{args:?}: {said}");
    }
}

#[test]
fn a_log_filter_that_is_none_is_refused() {
    let run = |filter: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_pricewright"))
            .args(["completions", "bash"])
            .env("PRICEWRIGHT_LOG", filter)
            .output()
            .expect("the program runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(run("warn,pricewright=debug").0, Some(0));
    let (code, said) = run("pricewright=loud");
    assert_eq!(code, Some(2));
    assert!(said.contains("PRICEWRIGHT_LOG") && said.contains("trace"), "{said}");
}
