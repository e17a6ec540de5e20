use std::ffi::OsString;

use super::*;

fn asks(args: &[&str]) -> bool {
    let words = [&["pricewright"], args].concat();
    asks_for_json(&Cli::command().try_get_matches_from(words).expect("good arguments"))
}

#[test]
fn json_is_asked_for_where_it_goes_to_standard_output() {
    for args in [
        &["--json"][..],
        &["run", "x.toml", "--json"],
        &["journal", "verify", "--json"],
        &["operator", "kill", "--json"],
        &["bench", "ring", "--json"],
        &["bench", "ring", "--json", "-"],
    ] {
        assert!(asks(args), "{args:?}");
    }
    for args in [&["run", "x.toml"][..], &["bench", "ring", "--json", "out.json"]] {
        assert!(!asks(args), "{args:?}");
    }
}

#[test]
fn json_among_arguments_that_cannot_be_parsed_is_enough() {
    let names = |args: &[&str]| names_json(args.iter().map(OsString::from).collect::<Vec<_>>().iter());
    assert!(names(&["run", "--nothing", "--json"]) && names(&["bench", "ring", "--json=x", "--no"]));
    assert!(!names(&["run", "--nothing"]) && !names(&["run", "--", "--json"]));
}

#[test]
fn refused_arguments_have_place_and_help() {
    let refused = |args: &[&str]| {
        let words = [&["pricewright"], args].concat();
        refused(&Cli::command().try_get_matches_from(words).expect_err("bad arguments"))
    };
    let said = refused(&["journal", "verify", "--jsn"]);
    assert_eq!(said["message"], "unexpected argument '--jsn' found");
    assert_eq!(said["place"]["argument"], "--jsn");
    assert!(said["help"].as_str().expect("help").contains("'--json'"), "{said:#}");
    let said = refused(&["journal", "verfy"]);
    assert_eq!((&said["place"]["argument"], &said["exit"]), (&json!("verfy"), &json!(2)));
    assert!(said["help"].as_str().expect("help").contains("'verify'"), "{said:#}");
    let said = refused(&["check", "--json"]);
    assert!(said["message"].as_str().expect("text").contains("<CONFIG>"), "{said:#}");
}

#[test]
fn help_of_help_is_help() {
    let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
    for (asked, plain) in [
        ("pw help --help", "pw help help"),
        ("pw help run --help", "pw help run"),
        ("pw help -h journal", "pw help journal"),
        ("pw journal help --help", "pw journal help help"),
        ("pw help", "pw help"),
        ("pw run --help", "pw run --help"),
        ("pw run help --help", "pw run help --help"),
        ("pw journal inspect help --help", "pw journal inspect help --help"),
    ] {
        assert_eq!(without_help_of_help(words(asked)), words(plain), "{asked}");
    }
}
