use std::io::Write as _;

use super::*;

/// What a file that holds `text` becomes for a journal that lacks `next_seq`: the next record, and the text left.
fn opened(text: &str, next_seq: u64) -> Result<(u64, String)> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("prices.jsonl");
    std::fs::write(&path, text).expect("written");
    let (output, next) = OutputFile::open(&path, next_seq, dir.path())?;
    output.writer()?.write_all(b"!").expect("appended");
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
        let error = OutputFile::open(&path, 10, dir.path()).expect_err("refused").to_string();
        assert!(error.contains("prices.jsonl") && error.contains("name another file"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
    }
}

#[test]
fn a_file_in_the_place_of_another_begins_behind_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("prices.jsonl");
    let opened = |next_seq| OutputFile::open(&path, next_seq, dir.path()).expect("good");
    let (mut output, first) = opened(5);
    assert_eq!(first, 1, "no run has written it");
    output.note(20).expect("noted");
    std::fs::rename(&path, dir.path().join("prices.1")).expect("moved");
    assert_eq!(opened(30).1, 21);
    std::fs::write(&path, "").expect("emptied");
    assert_eq!(opened(30).1, 21);
    // The same file by another spelling.
    let other = dir.path().join(".").join("prices.jsonl");
    assert_eq!(OutputFile::open(&other, 30, dir.path()).expect("good").1, 21);
    assert_eq!(opened(10).1, 10, "never beyond the journal");
}

#[test]
fn a_file_that_is_moved_away_is_begun_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("prices.jsonl");
    let (mut output, _) = OutputFile::open(&path, 5, dir.path()).expect("good");
    let late = Instant::now().checked_sub(LOOK).expect("a machine that runs for a second");
    output.looked = late;
    assert!(output.follow(7).expect("good").is_none(), "it is in its place");
    std::fs::rename(&path, dir.path().join("prices.1")).expect("moved");
    assert!(output.follow(8).expect("good").is_none(), "it was looked at a moment ago");
    output.looked = late;
    let mut file = output.follow(8).expect("good").expect("a new file");
    file.write_all(b"{\"seq\":9}\n").expect("written");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "{\"seq\":9}\n");
    assert_eq!(std::fs::read_to_string(dir.path().join("prices.1")).expect("read"), "");
}
