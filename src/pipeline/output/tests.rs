use std::path::Path;
use std::sync::Mutex;

use pricewright_core::kernel::table::Operator;
use pricewright_core::kernel::{Nanos, OperatorCommand, RecordBuf, RecordRef, RecordSink as _, SourceId};

use super::*;
use crate::io::wait::nap;
use crate::journal::{JournalConfig, MIN_SEGMENT_SIZE, RunIdentity, Writer, segment_path};
use crate::pipeline::monitor::MonitorStage;

/// Keeps the numbers of what it was given.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u64>>>);

impl Kept {
    fn seqs(&self) -> Vec<u64> {
        self.0.lock().expect("not poisoned").clone()
    }
}

impl Tailer for Kept {
    fn take(&mut self, record: RecordRef<'_>) -> Result<()> {
        self.0.lock().expect("not poisoned").push(record.header().seq);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Two runs of a record each, so that there are two segments.
fn two_segments(dir: &Path) {
    let config = JournalConfig { segment_size: MIN_SEGMENT_SIZE, chain: false, ..JournalConfig::default() };
    let mut one = RecordBuf::default();
    one.put(&Operator::says("test", OperatorCommand::START, 0), SourceId(0), 0).expect("room");
    for now in [1, 2] {
        let (mut writer, ..) = Writer::open(dir, &config, &RunIdentity::default()).expect("a journal");
        writer.append(one.iter().next().expect("a record"), Nanos(now), 0).expect("taken");
        writer.close().expect("sealed");
    }
}

fn tail(dir: &Path) -> (Tail, Kept) {
    let kept = Kept::default();
    (Tail::new(Reader::open(dir).expect("a journal"), vec![Box::new(kept.clone())]), kept)
}

/// A directory in the segment's place cannot be read, as a file cannot while there is no descriptor for it.
fn hidden(dir: &Path) -> impl FnOnce() {
    let (path, aside) = (segment_path(dir, 2), dir.join("aside"));
    std::fs::rename(&path, &aside).expect("moved");
    std::fs::create_dir(&path).expect("made");
    move || {
        std::fs::remove_dir(&path).expect("removed");
        std::fs::rename(&aside, &path).expect("moved back");
    }
}

#[test]
fn a_journal_that_cannot_be_read_for_a_while_is_waited_for() {
    let dir = tempfile::tempdir().expect("a directory");
    two_segments(dir.path());
    let (mut tail, kept) = tail(dir.path());
    let show = hidden(dir.path());
    for _ in 0..3 {
        tail.turn(10).expect("it waits");
    }
    assert_eq!(
        (kept.seqs(), tail.passed().load(Ordering::Acquire)),
        (vec![1], 0),
        "nothing is said to be done"
    );
    show();
    assert_eq!(tail.turn(10).expect("not yet"), 0);
    let start = Instant::now();
    while kept.seqs().len() < 2 && start.elapsed() < 10 * RETRY {
        nap(Duration::from_millis(20));
        tail.turn(10).expect("it is there");
    }
    assert_eq!((kept.seqs(), tail.passed().load(Ordering::Acquire)), (vec![1, 2], 2), "each once");
}

/// What nobody reads any more need not be kept for a reader.
#[test]
fn who_stops_reading_holds_no_segment_back() {
    let dir = tempfile::tempdir().expect("a directory");
    two_segments(dir.path());
    let path = segment_path(dir.path(), 2);
    let mut bytes = std::fs::read(&path).expect("a segment");
    let middle = bytes.len() - 70;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let (tail, _kept) = tail(dir.path());
    let mut stage = MonitorStage::new(tail);
    let (passed, pulse) = (stage.passed().expect("it reads"), stage.pulse());
    stage.poll(10);
    assert!(pulse.failure().is_some(), "damage is no matter of waiting");
    assert_eq!(passed.load(Ordering::Acquire), u64::MAX);
}
