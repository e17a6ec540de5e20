use pricewright_core::kernel::table::{ConfigChunk, Malformed, Mark, Purchase, RunStart};
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
    take(lines, Mark { first, received: Nanos(0), count, session: 0, line: 0, source, spare: 0 });
}

fn purchase(lines: &mut FileLines, position: u64) {
    take(lines, Purchase { event_ns: EventNanos(0), qty: 1, sku: 0, source: FEED, spare: 0, position });
}

#[test]
fn events_count_not_what_a_mark_promised() {
    let mut lines = FileLines::default();
    start(&mut lines, 1, "file = \"a.jsonl\"");
    mark(&mut lines, 1, 100);
    assert_eq!(lines.last_of(Path::new("a.jsonl")), 0);
    purchase(&mut lines, 1);
    let text = Text::excerpt("?");
    take(&mut lines, Malformed { position: 2, len: 1, reason: RejectReason::MALFORMED, source: FEED, text });
    assert_eq!(lines.last_of(Path::new("a.jsonl")), 2);
}

#[test]
fn each_file_has_its_own_count_and_standard_input_none() {
    let mut lines = FileLines::default();
    start(&mut lines, 1, "file = \"a.jsonl\"");
    purchase(&mut lines, 5);
    start(&mut lines, 2, "stdin = true");
    purchase(&mut lines, 70);
    start(&mut lines, 3, "file = \"b.jsonl\"");
    assert_eq!(lines.last_of(Path::new("b.jsonl")), 0);
    purchase(&mut lines, 3);
    start(&mut lines, 4, "file = \"a.jsonl\"");
    purchase(&mut lines, 6);
    assert_eq!(lines.last_of(Path::new("a.jsonl")), 6);
    assert_eq!(lines.last_of(Path::new("b.jsonl")), 3);
    assert_eq!(lines.last_of(Path::new("c.jsonl")), 0);
}
