use pricewright_core::kernel::table::{ConfigChunk, InputFile, Malformed, Mark, Purchase, RunStart};
use pricewright_core::kernel::{
    EventNanos, Nanos, Record, RecordBuf, RecordSink as _, RejectReason, SourceId, Text,
};

use super::*;

const FEED: SourceId = SourceId(1);

fn take<R: Record>(lines: &mut FileLines, record: R) {
    let mut buffer = RecordBuf::with_capacity(16);
    buffer.put(&record, FEED, 0).expect("it fits");
    lines.take(&buffer.iter().next().expect("a record"));
}

/// A run's first records, the configuration cut in two.
fn start(lines: &mut FileLines, run: u64, feed: &str) {
    let config = format!("machine = \"flash_sale\"\n[feed.jsonl]\n{feed}\n[config]\n");
    take(
        lines,
        RunStart {
            run,
            started: Nanos(0),
            seed: 1,
            config_len: 0,
            config_chunks: 2,
            config_hash: [0; 32],
            build_hash: [0; 32],
            machine: Text::excerpt("flash_sale"),
        },
    );
    for (index, text) in (0u16..).zip([&config[..30], &config[30..]]) {
        let len = u32::try_from(text.len()).expect("short");
        take(lines, ConfigChunk { index, total: 2, len, text: Text::excerpt(text) });
    }
}

fn mark(lines: &mut FileLines, first: u64, count: u32) {
    let source = FEED;
    take(lines, Mark { first, received: Nanos(0), count, session: 0, line: 0, source, queued_ns: 0 });
}

/// What is known of the file at `path` with index node 0 and an unknown beginning: what older builds have said.
fn by_name(lines: &FileLines, path: &str) -> u64 {
    match lines.known(Path::new(path), 0, |_| None) {
        Known::UpTo(line) => line,
        Known::Not => 0,
        other => panic!("{other:?}"),
    }
}

fn hash(text: &str) -> [u8; 32] {
    *blake3::hash(text.as_bytes()).as_bytes()
}

/// A file with this content is read, behind line `taken`.
fn reads(lines: &mut FileLines, inode: u64, text: &str, taken: u64) {
    let head_len = u32::try_from(text.len()).expect("short");
    take(lines, InputFile { taken, device: 1, inode, head: hash(text), head_len, source: FEED, spare: 0 });
}

/// What is known of a file with this content.
fn known(lines: &FileLines, path: &str, inode: u64, text: &str) -> Known {
    lines.known(Path::new(path), inode, |len| text.get(..len as usize).map(hash))
}

#[test]
fn a_file_is_its_index_node_and_its_beginning_and_not_its_name() {
    let mut lines = FileLines::default();
    start(&mut lines, 1, "file = \"a.jsonl\"");
    reads(&mut lines, 7, "one\n", 0);
    purchase(&mut lines, 1);
    assert_eq!(known(&lines, "a.jsonl", 7, "one\ntwo\n"), Known::UpTo(1), "it has grown");
    assert_eq!(known(&lines, "link", 7, "one\n"), Known::UpTo(1), "another name");
    assert_eq!(known(&lines, "a.jsonl", 7, "ONE\ntwo\n"), Known::WrittenAnew(1));
    assert_eq!(known(&lines, "a.jsonl", 7, "one"), Known::WrittenAnew(1), "it was cut");
    assert_eq!(known(&lines, "a.jsonl", 8, "ONE\ntwo\n"), Known::Not, "another file of the same name");
    assert_eq!(known(&lines, "a.jsonl", 8, "one\ntwo\n"), Known::Copy(1));
    // It has grown, and is read on.
    start(&mut lines, 2, "file = \"link\"");
    reads(&mut lines, 7, "one\ntwo\n", 1);
    purchase(&mut lines, 2);
    // Another one is read in between.
    start(&mut lines, 3, "file = \"b.jsonl\"");
    reads(&mut lines, 9, "three\n", 0);
    purchase(&mut lines, 1);
    assert_eq!(known(&lines, "a.jsonl", 7, "one\ntwo\n"), Known::UpTo(2));
    assert_eq!(known(&lines, "c.jsonl", 9, "three\nfour\n"), Known::UpTo(1));
    // A run in which nothing is read takes nothing away.
    start(&mut lines, 4, "file = \"a.jsonl\"");
    reads(&mut lines, 7, "one\ntwo\n", 2);
    assert_eq!(known(&lines, "a.jsonl", 7, "one\ntwo\n"), Known::UpTo(2));
}

#[test]
fn what_older_builds_read_is_known_by_its_name_until_it_is_read_again() {
    let mut lines = FileLines::default();
    start(&mut lines, 1, "file = \"a.jsonl\"");
    purchase(&mut lines, 5);
    assert_eq!(known(&lines, "a.jsonl", 7, "one\n"), Known::UpTo(5));
    start(&mut lines, 2, "file = \"a.jsonl\"");
    reads(&mut lines, 7, "one\n", 5);
    assert_eq!(known(&lines, "a.jsonl", 7, "one\n"), Known::UpTo(5));
    assert_eq!(known(&lines, "a.jsonl", 8, "two\n"), Known::Not);
}

/// A pipe has no beginning that could be read again.
#[test]
fn a_file_without_a_beginning_is_never_known() {
    let mut lines = FileLines::default();
    start(&mut lines, 1, "file = \"pipe\"");
    reads(&mut lines, 7, "", 0);
    purchase(&mut lines, 5);
    assert_eq!(known(&lines, "pipe", 7, "one\n"), Known::Not);
}

fn purchase(lines: &mut FileLines, position: u64) {
    take(lines, Purchase { event_ns: EventNanos(0), qty: 1, sku: 0, source: FEED, spare: 0, position });
}

#[test]
fn events_count_not_what_a_mark_promised() {
    let mut lines = FileLines::default();
    start(&mut lines, 1, "file = \"a.jsonl\"");
    mark(&mut lines, 1, 100);
    assert_eq!(by_name(&lines, "a.jsonl"), 0);
    purchase(&mut lines, 1);
    let text = Text::excerpt("?");
    take(&mut lines, Malformed { position: 2, len: 1, reason: RejectReason::MALFORMED, source: FEED, text });
    assert_eq!(by_name(&lines, "a.jsonl"), 2);
}

#[test]
fn each_file_has_its_own_count_and_standard_input_none() {
    let mut lines = FileLines::default();
    start(&mut lines, 1, "file = \"a.jsonl\"");
    purchase(&mut lines, 5);
    start(&mut lines, 2, "stdin = true");
    purchase(&mut lines, 70);
    start(&mut lines, 3, "file = \"b.jsonl\"");
    assert_eq!(by_name(&lines, "b.jsonl"), 0);
    purchase(&mut lines, 3);
    start(&mut lines, 4, "file = \"a.jsonl\"");
    purchase(&mut lines, 6);
    assert_eq!(by_name(&lines, "a.jsonl"), 6);
    assert_eq!(by_name(&lines, "b.jsonl"), 3);
    assert_eq!(by_name(&lines, "c.jsonl"), 0);
}
