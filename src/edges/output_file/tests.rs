use std::io::Write as _;

use super::*;

/// What a file that holds `text` becomes for a journal that lacks `next_seq`: the next record, and the text left.
fn opened(text: &str, next_seq: u64) -> Result<(u64, String)> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("prices.jsonl");
    std::fs::write(&path, text).expect("written");
    let (mut file, next) = open(&path, next_seq)?;
    file.write_all(b"!").expect("appended");
    let left = std::fs::read_to_string(&path).expect("read");
    Ok((next, left))
}

#[test]
fn a_file_goes_on_behind_its_last_whole_line() {
    let lines = "{\"sku\":\"A\",\"seq\":7}\n{\"sku\":\"B\",\"seq\":9}\n";
    assert_eq!(opened("", 5).expect("good"), (1, "!".to_owned()));
    assert_eq!(opened(lines, 10).expect("good"), (10, format!("{lines}!")));
    assert_eq!(opened(lines, 50).expect("good"), (10, format!("{lines}!")));
    for cut in 1..=lines.len() {
        let (text, _) = lines.split_at(cut);
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let next = [(0, 1), (19, 8), (38, 10)].iter().rev().find(|(len, _)| *len <= whole).expect("one").1;
        assert_eq!(opened(text, 10).expect("good"), (next, format!("{}!", &lines[..whole])), "cut at {cut}");
    }
}

#[test]
fn a_long_file_is_read_from_its_end() {
    let mut text = String::new();
    for seq in 1..5_000 {
        text.push_str(&format!("{{\"line\":1,\"seq\":{seq}}}\n"));
    }
    assert_eq!(opened(&text, 6_000).expect("good").0, 5_000);
}

#[test]
fn other_files_are_left_as_they_are() {
    for text in
        ["hello\n", "hello", "h", "{\"sku\":\"A\"}\n", "[1]\n{\"sku\"", "{\"sku\":\"A\",\"seq\":70}\n"]
    {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("prices.jsonl");
        std::fs::write(&path, text).expect("written");
        let error = open(&path, 10).expect_err("refused").to_string();
        assert!(error.contains("prices.jsonl") && error.contains("name another file"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
    }
}
