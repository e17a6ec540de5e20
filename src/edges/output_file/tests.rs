use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write as _;

use super::records::Printed;
use super::*;
use crate::journal::repairs::REPAIRED;

/// A journal of prices.
#[derive(Default)]
struct Held {
    lines: BTreeMap<u64, String>,
    oldest: u64,
    next_seq: u64,
    asked: Cell<usize>,
}

impl Held {
    /// With prices at `seqs`, that of record n with stock n + `more`.
    fn new(seqs: impl IntoIterator<Item = u64>, more: u64, next_seq: u64) -> Self {
        let lines = seqs.into_iter().map(|seq| (seq, line(seq, seq + more))).collect();
        Self { lines, next_seq, ..Self::default() }
    }
}

impl Records for Held {
    fn next_seq(&self) -> u64 {
        self.next_seq
    }

    fn printed(&mut self, seq: u64) -> Result<Printed> {
        self.asked.set(self.asked.get() + 1);
        if seq < self.oldest {
            return Ok(Printed::Removed);
        }
        let line = self.lines.get(&seq).filter(|_| seq < self.next_seq);
        Ok(line.map_or(Printed::Nothing, |line| Printed::Line(line.clone().into_bytes())))
    }
}

fn line(seq: u64, stock: u64) -> String {
    format!("{{\"sku\":\"A\",\"price\":\"100.00\",\"stock\":{stock},\"seq\":{seq}}}\n")
}

fn lines(seqs: impl IntoIterator<Item = u64>, more: u64) -> String {
    seqs.into_iter().map(|seq| line(seq, seq + more)).collect()
}

/// A journal's directory, and a file of its prices in it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("prices.jsonl")
    }

    fn holding(text: &str) -> Self {
        let place = Self::new();
        std::fs::write(place.path(), text).expect("written");
        place
    }

    fn read(&self) -> String {
        std::fs::read_to_string(self.path()).expect("read")
    }

    fn open(&self, held: &mut Held) -> Result<(OutputFile, u64)> {
        OutputFile::open(&self.path(), held, self.dir.path())
    }

    /// The first record that the file lacks.
    fn next(&self, held: &mut Held) -> u64 {
        self.open(held).expect("good").1
    }

    /// The file is refused and left as it is.
    fn refused(&self, held: &mut Held, why: &str) {
        let before = self.read();
        let error = self.open(held).expect_err("refused");
        let text = error.to_string();
        assert!(text.contains(why) && text.contains("prices.jsonl: "), "{text}");
        assert!(text.contains("name another file") && error.exit_code() == 2, "{text}");
        assert_eq!(self.read(), before);
    }

    /// A repair gave up what stood behind record `last_seq`.
    fn repair(&self, last_seq: u64) {
        let path = self.dir.path().join(REPAIRED);
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let repair = format!(
            "{{\"repaired_at\":1,\"cause\":\"repair\",\"segment\":1,\"last_seq\":{last_seq},\"damage\":\"x\",\"given_up\":9,\
             \"set_aside\":[]}}\n"
        );
        std::fs::write(path, before + &repair).expect("written");
    }

    /// Notes that the file was written to record `seq`, with this last line.
    fn noted(&self, seq: u64, line: &str) {
        let mut output = self.open(&mut Held { next_seq: 1, ..Held::default() }).expect("an empty file").0;
        output.note(seq, line.as_bytes()).expect("noted");
    }
}

/// What a file that holds `text` becomes for a journal: the next record, and the text left.
fn opened(text: &str, held: &mut Held) -> Result<(u64, String)> {
    let place = Place::holding(text);
    let (output, next) = place.open(held)?;
    output.writer()?.write_all(b"!").expect("appended");
    Ok((next, place.read()))
}

#[test]
fn a_file_goes_on_behind_its_last_whole_line() {
    let text = lines([7, 9], 0);
    let held = |next| Held::new([7, 9], 0, next);
    assert_eq!(opened("", &mut held(5)).expect("good"), (1, "!".to_owned()));
    assert_eq!(opened(&text, &mut held(10)).expect("good"), (10, format!("{text}!")));
    assert_eq!(opened(&text, &mut held(50)).expect("good"), (10, format!("{text}!")));
    let (one, two) = (line(7, 7).len(), text.len());
    for cut in 1..=text.len() {
        let (left, _) = text.split_at(cut);
        let whole = left.rfind('\n').map_or(0, |end| end + 1);
        let next = [(0, 1), (one, 8), (two, 10)].iter().rev().find(|(len, _)| *len <= whole).expect("one").1;
        let expected = (next, format!("{}!", &text[..whole]));
        assert_eq!(opened(left, &mut held(10)).expect("good"), expected, "cut at {cut}");
    }
}

#[test]
fn a_long_file_is_read_from_its_end_and_one_line_is_compared() {
    let mut held = Held::new(1..5_000, 0, 6_000);
    assert_eq!(opened(&lines(1..5_000, 0), &mut held).expect("good").0, 5_000);
    assert_eq!(held.asked.get(), 1);
}

#[test]
fn other_files_are_left_as_they_are() {
    for text in ["hello\n", "hello", "h", "{\"sku\":\"A\"}\n", "[1]\n{\"sku\"", "{\"sku\":\"A\",\"seq\":5}\n"]
    {
        Place::holding(text).refused(&mut Held::new([5], 0, 10), "prices.jsonl");
    }
}

#[test]
fn a_number_alone_does_not_make_a_file_this_journals() {
    let ours = || Held::new(1..100, 0, 100);
    Place::holding(&lines(1..200, 1))
        .refused(&mut ours(), "it goes on to record 199 and the journal only to 99");
    Place::holding(&lines(1..50, 1)).refused(&mut ours(), "not what the journal says of record 49");
    // Two sales with the same beginning.
    Place::holding(&lines(1..120, 0)).refused(&mut ours(), "another journal's");
    // A repair excuses no line in front of it, and none where nothing shows that the file is this journal's.
    for text in [lines(1..200, 1), lines(1..50, 0) + &lines(50..120, 1), lines(91..120, 1)] {
        let place = Place::holding(&text);
        place.repair(90);
        place.refused(&mut ours(), "another journal's");
    }
}

#[test]
fn lines_that_a_repair_gave_up_stay_and_the_file_goes_on_behind_the_cut() {
    let text = lines(1..=216, 0) + &lines((218..=228).step_by(2), 0);
    // At once, and after the journal has passed the old number with other prices.
    for next_seq in [217, 300] {
        let place = Place::holding(&text);
        place.repair(216);
        let mut held = Held::new(1..=216, 0, next_seq);
        held.lines.extend((217..next_seq).map(|seq| (seq, line(seq, seq + 7))));
        assert_eq!(place.next(&mut held), 217);
        assert_eq!(place.next(&mut held), 217, "as long as nothing was written");
        assert_eq!(place.read(), text, "nothing is taken away");
        // One that agrees by chance is none to go on behind.
        held.lines.insert(224, line(224, 224));
        held.lines.insert(228, line(228, 228));
        held.next_seq = 300;
        if next_seq == 300 {
            std::fs::write(place.path(), text.clone() + &line(230, 230)).expect("written");
            assert_eq!(place.next(&mut held), 217);
        }
    }
}

#[test]
fn what_is_given_up_is_counted_and_named() {
    let place = Place::holding(&(lines(1..=216, 0) + &lines([218, 220, 222], 0)));
    place.repair(216);
    let known = Known::read(place.dir.path(), &place.path()).expect("read");
    let mut file = File::open(place.path()).expect("there");
    let ending = Ending::read(&mut file).expect("read");
    let compared = compare::compare(&mut file, &ending, &mut Held::new(1..=216, 0, 217), &known);
    let expected = Compared { next: 217, given_up: vec![218, 220, 222], lines: 3, cut: Some(216) };
    assert_eq!(compared.expect("good"), Some(expected));
}

#[test]
fn a_file_that_went_on_behind_a_cut_is_whole_and_can_be_cut_again() {
    let mended = lines(1..=216, 0) + &lines(218..=228, 0) + &lines(217..=260, 7);
    let held = |last| {
        let mut held = Held::new(1..=216, 0, last + 1);
        held.lines.extend((217..=last).map(|seq| (seq, line(seq, seq + 7))));
        held
    };
    let place = Place::holding(&mended);
    place.repair(216);
    assert_eq!(place.next(&mut held(260)), 261);
    place.repair(250);
    assert_eq!(place.next(&mut held(250)), 251, "a later cut");
    place.repair(230);
    assert_eq!(place.next(&mut held(230)), 231);
    place.repair(216);
    assert_eq!(place.next(&mut held(216)), 217, "the same cut again");
    place.repair(100);
    assert_eq!(place.next(&mut Held::new(1..=100, 0, 101)), 101, "an earlier one");
}

#[test]
fn only_the_lines_behind_a_cut_are_compared() {
    let text = lines(1..=50_000, 0);
    let place = Place::holding(&text);
    place.repair(20_000);
    let mut held = Held::new(1..=20_000, 0, 20_001);
    assert_eq!(place.next(&mut held), 20_001);
    assert!((30_000..35_000).contains(&held.asked.get()), "{} lines", held.asked.get());
}

/// The first lines of a moved file's successor, and then the end of the process.
#[test]
fn a_file_with_nothing_but_lines_that_were_given_up_needs_a_note() {
    let mut held = Held::new(1..=216, 0, 217);
    let place = Place::new();
    place.noted(225, &line(225, 225));
    std::fs::write(place.path(), lines(220..=228, 0)).expect("written");
    place.refused(&mut held, "the journal only to 216");
    place.repair(216);
    assert_eq!(place.next(&mut held), 217);
    let unknown = Place::holding(&lines(220..=228, 0));
    unknown.repair(216);
    unknown.refused(&mut held, "the journal only to 216");
}

/// The machine went down in mode `process`: no repair notes what was not on the disk yet.
#[test]
fn without_a_repair_a_note_and_a_line_that_agrees_show_whose_file_it_is() {
    let text = lines(1..=120, 0);
    let place = Place::new();
    place.noted(110, &line(110, 110));
    std::fs::write(place.path(), &text).expect("written");
    assert_eq!(place.next(&mut Held::new(1..=100, 0, 101)), 101);
    assert_eq!(place.read(), text);
    Place::holding(&text).refused(&mut Held::new(1..=100, 0, 101), "another journal's");
}

#[test]
fn of_a_record_that_was_removed_the_note_decides() {
    let text = lines(40..=60, 0);
    let mut held = Held { oldest: 1_000, ..Held::new([], 0, 2_000) };
    Place::holding(&text).refused(&mut held, "record 60, to which it goes on, was removed");
    // The note may be a second old.
    for seq in [60, 55] {
        let place = Place::new();
        place.noted(seq, &line(seq, seq));
        std::fs::write(place.path(), &text).expect("written");
        assert_eq!(place.next(&mut held), 61);
        assert_eq!(place.next(&mut held), 61);
        // By another name it is the same file.
        let other = place.dir.path().join("other.jsonl");
        std::fs::rename(place.path(), &other).expect("moved");
        assert_eq!(OutputFile::open(&other, &mut held, place.dir.path()).expect("good").1, 61);
        // Another file in its place is not.
        std::fs::write(place.path(), lines(40..=60, 1)).expect("written");
        place.refused(&mut held, "was removed");
    }
    // A note of an older version has the number alone.
    let place = Place::holding(&text);
    let note = place.dir.path().join(note_name(&place.path()));
    std::fs::write(note, "{\"path\":\"prices.jsonl\",\"seq\":60}").expect("written");
    assert_eq!(place.next(&mut held), 61);
}

#[test]
fn a_line_of_another_version_may_have_a_key_more_or_less() {
    let more = line(9, 9).replace("\"seq\"", "\"guard\":\"none\",\"seq\"");
    let mut held = Held::new([9], 0, 10);
    assert_eq!(opened(&more, &mut held).expect("good").0, 10);
    held.lines.insert(9, more);
    assert_eq!(opened(&line(9, 9), &mut held).expect("good").0, 10);
    assert!(opened(&line(9, 8), &mut held).is_err());
}

#[test]
fn a_file_in_the_place_of_another_begins_behind_it() {
    let place = Place::new();
    let held = |next| Held::new([], 0, next);
    let (mut output, first) = place.open(&mut held(5)).expect("good");
    assert_eq!(first, 1, "no run has written it");
    output.note(20, &[]).expect("noted");
    std::fs::rename(place.path(), place.dir.path().join("prices.1")).expect("moved");
    assert_eq!(place.next(&mut held(30)), 21);
    std::fs::write(place.path(), "").expect("emptied");
    assert_eq!(place.next(&mut held(30)), 21);
    // The same file by another spelling.
    let other = place.dir.path().join(".").join("prices.jsonl");
    assert_eq!(OutputFile::open(&other, &mut held(30), place.dir.path()).expect("good").1, 21);
    assert_eq!(place.next(&mut held(10)), 10, "never beyond the journal");
}

#[test]
fn a_file_in_the_place_of_one_that_was_written_beyond_a_cut_begins_at_the_cut() {
    let moved = || {
        let place = Place::new();
        place.noted(225, &line(225, 225));
        place.repair(216);
        place
    };
    // The journal has passed the number with other prices, or the note's record is still what it was.
    assert_eq!(moved().next(&mut Held::new(1..400, 7, 400)), 217);
    assert_eq!(moved().next(&mut Held::new(1..400, 0, 400)), 226);
    // The repair was there before the file was written so far.
    let place = Place::new();
    place.repair(216);
    place.noted(225, &line(225, 225));
    assert_eq!(place.next(&mut Held { oldest: 300, ..Held::new([], 0, 400) }), 226);
}

#[test]
fn a_file_that_is_moved_away_is_begun_anew() {
    let place = Place::new();
    let (mut output, _) = place.open(&mut Held::new([], 0, 5)).expect("good");
    let late = Instant::now().checked_sub(LOOK).expect("a machine that runs for a second");
    output.looked = late;
    assert!(output.follow(7, &[]).expect("good").is_none(), "it is in its place");
    let moved = place.dir.path().join("prices.1");
    std::fs::rename(place.path(), &moved).expect("moved");
    assert!(output.follow(8, &[]).expect("good").is_none(), "it was looked at a moment ago");
    output.looked = late;
    let mut file = output.follow(8, &[]).expect("good").expect("a new file");
    file.write_all(b"{\"seq\":9}\n").expect("written");
    assert_eq!(place.read(), "{\"seq\":9}\n");
    assert_eq!(std::fs::read_to_string(moved).expect("read"), "");
}
