use super::*;

#[test]
fn a_log_filter_is_levels_and_nothing_else() {
    for good in ["warn", "off", "WARN", "info,pricewright=debug", "pricewright::edges=trace, error", ""] {
        assert!(log_filter(good).is_ok(), "{good}");
    }
    for bad in ["loud", "warn,loud", "pricewright=loud", "pricewright", "warn;info"] {
        let error = log_filter(bad).expect_err(bad);
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("give a level (error, warn"), "{error}");
    }
}

#[test]
fn a_command_misspelt_is_not_taken_for_a_file() {
    let said = |word: &str| {
        no_command(std::ffi::OsStr::new(word)).map(|error| (error.exit_code(), error.to_string()))
    };
    for (word, meant) in [
        ("explian", "`explain`"),
        ("chek", "`check`"),
        ("verify", "`journal verify`"),
        ("kill", "`operator kill`"),
    ] {
        let (code, text) = said(word).expect(word);
        assert_eq!(code, 2);
        assert!(text.contains(&format!("did you mean {meant}?")), "{word}: {text}");
        assert!(text.contains("The commands are run, sim,"), "{word}: {text}");
    }
    assert_eq!(said("shop.toml"), None, "a file");
    assert_eq!(said("dir/shop"), None, "a path");
    assert_eq!(said("src"), None, "it is there");
    assert_eq!(said("explain"), None, "a command");
    assert_eq!(said("--seconds"), None, "an option");
}

#[test]
fn only_a_reader_that_left_is_no_error() {
    let file = |path: &str, error: i32| Error::File {
        path: path.into(),
        source: std::io::Error::from_raw_os_error(error),
        mend: "",
    };
    assert!(nobody_reads(&file(show::STDOUT, libc::EPIPE)));
    assert!(nobody_reads(&file(show::STDOUT, libc::EIO)), "a terminal that hung up");
    assert!(!nobody_reads(&file(show::STDOUT, libc::ENOSPC)));
    assert!(!nobody_reads(&file("prices.jsonl", libc::EIO)), "a broken disk");
}
