use pricewright_core::kernel::table::{EventRef, Mark};
use pricewright_core::kernel::{RecordBuf, RecordRef, SourceId};
use quickcheck::{TestResult, quickcheck};

use super::super::decode::Config;
use super::*;

/// A line as its number, what is kept of it, and its whole length.
type Owned = (u64, Vec<u8>, u64);

fn owned(line: Line<'_>) -> Owned {
    (line.number, line.bytes.to_vec(), line.len)
}

fn split(max_len: usize, chunks: &[Vec<u8>]) -> Vec<Owned> {
    let mut splitter = LineSplitter::new(max_len);
    let mut lines = Vec::new();
    for chunk in chunks {
        let mut rest = chunk.as_slice();
        while let Some(line) = splitter.next(&mut rest) {
            lines.push(owned(line));
        }
        assert!(rest.is_empty(), "what ends no line is held");
    }
    lines.extend(splitter.finish().map(owned));
    assert_eq!(splitter.finish(), None, "the end is told once");
    lines
}

/// The naive twin has everything in one piece.
fn naive(max_len: usize, bytes: &[u8]) -> Vec<Owned> {
    let mut parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    if parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    let line = |(number, part): (u64, &[u8])| {
        let line = part.strip_suffix(b"\r").unwrap_or(part);
        (number, line[..line.len().min(max_len)].to_vec(), line.len() as u64)
    };
    (1..).zip(parts).map(line).collect()
}

fn lines(chunks: &[&str]) -> Vec<(u64, String, u64)> {
    let chunks: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.as_bytes().to_vec()).collect();
    let text = |(number, bytes, len)| (number, String::from_utf8(bytes).expect("text"), len);
    split(4, &chunks).into_iter().map(text).collect()
}

fn line(number: u64, text: &str, len: u64) -> (u64, String, u64) {
    (number, text.to_owned(), len)
}

#[test]
fn lines_end_in_lf_crlf_or_with_the_input() {
    for (chunks, expected) in [
        (&[][..], vec![]),
        (&[""][..], vec![]),
        (&["ab\ncd\r\nef"][..], vec![line(1, "ab", 2), line(2, "cd", 2), line(3, "ef", 2)]),
        (&["\n\r\n\n"][..], vec![line(1, "", 0), line(2, "", 0), line(3, "", 0)]),
        (&["a\rb\n"][..], vec![line(1, "a\rb", 3)]),
        (&["ab", "cd", "\n"][..], vec![line(1, "abcd", 4)]),
        (&["abcd\r", "\n"][..], vec![line(1, "abcd", 4)]),
        (&["abcd\r"][..], vec![line(1, "abcd", 4)]),
        (&["abcde\nf\n"][..], vec![line(1, "abcd", 5), line(2, "f", 1)]),
        (&["abc", "defgh", "ij\r", "\nf"][..], vec![line(1, "abcd", 10), line(2, "f", 1)]),
        (&["abcdefghij"][..], vec![line(1, "abcd", 10)]),
    ] {
        assert_eq!(lines(chunks), expected, "{chunks:?}");
    }
}

/// Bytes from a small alphabet, so that line ends are frequent.
fn text_of(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| b"ab\r\nc"[usize::from(byte % 5)]).collect()
}

fn chunks_of(mut bytes: &[u8], lengths: &[u8]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    for len in lengths {
        let (chunk, rest) = bytes.split_at(bytes.len().min(usize::from(len % 8)));
        chunks.push(chunk.to_vec());
        bytes = rest;
    }
    chunks.push(bytes.to_vec());
    chunks
}

quickcheck! {
    fn any_chunking_gives_the_lines_of_the_naive_twin(bytes: Vec<u8>, lengths: Vec<u8>, max_len: u8) -> bool {
        let (text, max_len) = (text_of(&bytes), usize::from(max_len % 6));
        split(max_len, &chunks_of(&text, &lengths)) == naive(max_len, &text)
    }
}

const SHOP: SourceId = SourceId(2);

fn decoder() -> Decoder {
    Decoder::new(&Config::default(), SHOP).expect("a good configuration")
}

/// Takes records until it is full; `drain` empties it.
struct Bounded {
    records: RecordBuf,
    used: usize,
    capacity: usize,
}

impl RecordSink for Bounded {
    fn push(&mut self, record: RecordRef<'_>) -> Result<(), Full> {
        if record.cells().len() > self.room() {
            return Err(Full);
        }
        self.used += record.cells().len();
        self.records.push(record)
    }

    fn room(&self) -> usize {
        self.capacity - self.used
    }
}

const SALE: &str =
    r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}"#;
const SOLD: &str = r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":30}"#;

fn receive_all(chunk: &str) -> RecordBuf {
    let (mut session, mut decoder, mut sink) = (Session::new(4_096, 7), decoder(), RecordBuf::default());
    assert_eq!(session.receive(&mut decoder, chunk.as_bytes(), Nanos(5), &mut sink), Ok(chunk.len()));
    assert_eq!(session.finish(&mut decoder, Nanos(6), &mut sink), Ok(true));
    sink
}

#[test]
fn the_nth_event_after_a_mark_stands_on_line_first_plus_n() {
    let chunk = format!("\n{SALE}\n{SOLD}\n  \r\n\nhello\n{SOLD}\n\n{SOLD}");
    let sink = receive_all(&chunk);
    let (mut marks, mut positions, mut expected) = (Vec::new(), Vec::new(), 0);
    for record in sink.iter() {
        assert_eq!(record.header().source, SHOP);
        match EventRef::of(&record).expect("an event") {
            EventRef::Mark(mark) => {
                expected = mark.first;
                marks.push((mark.first, mark.count, mark.received.0));
                assert_eq!((mark.line, mark.source), (7, SHOP));
            }
            EventRef::Define(_) => {}
            event => {
                match event {
                    EventRef::Purchase(purchase) => assert_eq!(purchase.position, expected),
                    EventRef::Malformed(malformed) => assert_eq!(malformed.position, expected),
                    _ => {}
                }
                positions.push(expected);
                expected += 1;
            }
        }
    }
    // Eight lines end in the chunk, of which the first is blank; the ninth ends with the input.
    assert_eq!(marks, [(2, 7, 5), (6, 3, 5), (9, 1, 6)]);
    assert_eq!(positions, [2, 3, 6, 7, 9]);
}

#[test]
fn blank_input_gives_no_record() {
    assert!(receive_all("").is_empty());
    assert!(receive_all("\n \t\r\n  ").is_empty());
}

#[test]
fn a_resumed_stream_passes_over_what_was_journalled() {
    let text = format!("{SALE}\nhello\n{SOLD}\n{SOLD}");
    for (first, expected) in
        [(1, vec![(1, 3), (4, 1)]), (3, vec![(3, 1), (4, 1)]), (4, vec![(4, 1)]), (5, vec![])]
    {
        let mut session = Session::new(4_096, 0).starting_at(first);
        let (mut decoder, mut sink) = (decoder(), RecordBuf::default());
        assert_eq!(session.receive(&mut decoder, text.as_bytes(), Nanos(5), &mut sink), Ok(text.len()));
        assert_eq!(session.finish(&mut decoder, Nanos(6), &mut sink), Ok(true));
        let marks: Vec<_> = sink
            .iter()
            .filter_map(|record| record.get::<Mark>().map(|mark| (mark.first, mark.count)))
            .collect();
        assert_eq!(marks, expected, "from line {first}");
    }
}

#[test]
fn a_full_sink_hands_the_rest_back() {
    let text = format!("{SALE}\n{SOLD}\nhello\n{SOLD}").into_bytes();
    let expected: Vec<Vec<u8>> = payloads(&receive_all(&String::from_utf8(text.clone()).expect("text")));
    let (mut session, mut decoder) = (Session::new(4_096, 7), decoder());
    let mut sink = Bounded { records: RecordBuf::default(), used: 0, capacity: LINE_CELLS };
    let (mut rest, mut refusals) = (text.as_slice(), 0);
    while !rest.is_empty() {
        let taken = session.receive(&mut decoder, rest, Nanos(5), &mut sink).expect("room is kept to");
        rest = &rest[taken..];
        refusals += usize::from(!rest.is_empty());
        sink.used = 0;
    }
    sink.used = 1;
    assert_eq!(session.finish(&mut decoder, Nanos(6), &mut sink), Ok(false));
    sink.used = 0;
    assert_eq!(session.finish(&mut decoder, Nanos(6), &mut sink), Ok(true));
    assert!(refusals >= 2, "{refusals}");
    assert_eq!(payloads(&sink.records), expected, "the same but for the marks");
}

fn payloads(records: &RecordBuf) -> Vec<Vec<u8>> {
    let all = records.iter().filter(|record| record.get::<Mark>().is_none());
    all.map(|record| record.payload().to_vec()).collect()
}

#[test]
fn a_sink_that_lies_is_reported() {
    struct Liar;
    impl RecordSink for Liar {
        fn push(&mut self, _record: RecordRef<'_>) -> Result<(), Full> {
            Err(Full)
        }
        fn room(&self) -> usize {
            usize::MAX
        }
    }
    let mut session = Session::new(4_096, 0);
    assert_eq!(session.receive(&mut decoder(), b"x\n", Nanos(0), &mut Liar), Err(Full));
}

quickcheck! {
    fn chunking_changes_nothing_but_marks(lines: Vec<u8>, lengths: Vec<u8>) -> TestResult {
        let text: String =
            lines.iter().map(|line| [SALE, SOLD, "hello", ""][usize::from(line % 4)].to_owned() + "\r\n").collect();
        let (mut session, mut decoder, mut sink) = (Session::new(4_096, 7), decoder(), RecordBuf::default());
        for chunk in chunks_of(text.as_bytes(), &lengths) {
            if session.receive(&mut decoder, &chunk, Nanos(5), &mut sink) != Ok(chunk.len()) {
                return TestResult::error("an endless sink takes everything");
            }
        }
        TestResult::from_bool(payloads(&sink) == payloads(&receive_all(&text)))
    }
}
