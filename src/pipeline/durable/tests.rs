//! What the gate lets through, and when.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use pricewright_core::kernel::table::{CancelOrder, KillLatched, Operator};
use pricewright_core::kernel::{Record, RecordSink as _, SourceId};
use zerocopy::FromZeros as _;

use super::*;
use crate::journal::{Device, Durability, JournalConfig, RunIdentity, Writer};

/// Remembers what it was told.
#[derive(Clone, Debug, Default)]
struct Told {
    what: Arc<Mutex<Vec<String>>>,
}

impl Told {
    fn note(&self, text: String) {
        self.what.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.what.lock().unwrap())
    }
}

impl DecisionSink for Told {
    fn decide(&mut self, seq: u64, _now: Nanos, decision: DecisionRef<'_>) {
        self.note(match decision {
            DecisionRef::KillLatched(latch) if latch.released == 0 => format!("latch {seq}"),
            DecisionRef::KillLatched(_) => format!("release {seq}"),
            _ => format!("{seq}"),
        });
    }
}

impl Gateway for Told {
    fn flush(&mut self, _now: Nanos) -> Result<bool> {
        self.note("flush".to_owned());
        Ok(true)
    }

    fn poll(&mut self, _now: Nanos, _answers: &mut RecordBuf) -> Result<usize> {
        Ok(0)
    }

    fn open_orders(&self) -> usize {
        1
    }

    fn unconfirmed(&self) -> usize {
        2
    }

    fn cancel_all(&mut self, _now: Nanos) {
        self.note("cancel all".to_owned());
    }

    fn pull(&mut self, _now: Nanos) {
        self.note("pull".to_owned());
    }

    fn close(&mut self, _now: Nanos) {}
}

/// A journal in mode `sync`, a gate on it, and what the gateway behind it was told.
struct Bench {
    writer: Writer,
    durable: DurableWriter,
    gate: DurableGate<Told>,
    told: Told,
}

const NOW: Nanos = Nanos(5);

impl Bench {
    fn new(dir: &Path, ram: &Path) -> Self {
        let config = JournalConfig {
            segment_size: 1 << 20,
            min_free: 0,
            durability: Durability::Sync,
            ram_dir: ram.to_path_buf(),
            ..JournalConfig::default()
        };
        let (mut writer, ..) = Writer::open(dir, &config, &RunIdentity::default()).unwrap();
        let durable = writer.take_durable().unwrap();
        let told = Told::default();
        let gate = DurableGate::new(told.clone(), Reader::from_seq(dir, 1).unwrap(), durable.position());
        Self { writer, durable, gate, told }
    }

    /// Appends `record` and, where it is a decision, tells the gate.
    fn append<R: Record>(&mut self, record: &R) {
        let seq = self.writer.append_record(record, SourceId(0), 0, NOW, 0).unwrap();
        let mut buffer = RecordBuf::default();
        buffer.put(record, SourceId(0), 0).unwrap();
        let record = buffer.iter().next().unwrap();
        if let Some(decision) = DecisionRef::of(&record) {
            self.gate.decide(seq, NOW, decision);
        }
    }

    fn poll(&mut self) -> Vec<String> {
        assert!(!self.gate.flush(NOW).unwrap());
        self.gate.poll(NOW, &mut RecordBuf::default()).unwrap();
        self.told.take()
    }

    fn make_durable(&mut self) {
        while self.durable.poll().unwrap() > 0 {}
    }
}

fn cancel() -> CancelOrder {
    CancelOrder::new_zeroed()
}

fn latch(released: u8) -> KillLatched {
    KillLatched { released, ..KillLatched::new_zeroed() }
}

fn places() -> (tempfile::TempDir, tempfile::TempDir) {
    (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap())
}

#[test]
fn decisions_leave_in_order_and_only_when_they_are_durable() {
    let (dir, ram) = places();
    let mut bench = Bench::new(dir.path(), ram.path());
    bench.append(&Operator::new_zeroed());
    bench.append(&cancel());
    bench.append(&cancel());
    assert!(bench.gate.is_holding());
    assert_eq!(bench.poll(), [""; 0]);
    bench.make_durable();
    bench.append(&cancel());
    assert_eq!(bench.poll(), ["2", "3", "flush"], "the last one is not durable yet");
    assert!(bench.gate.is_holding());
    bench.make_durable();
    assert_eq!(bench.poll(), ["4", "flush"]);
    assert!(!bench.gate.is_holding());
    assert_eq!((bench.poll(), bench.gate.open_orders()), (Vec::new(), 1));
    assert_eq!(bench.gate.unconfirmed(), 2, "by the word of the gateway behind it");
}

#[test]
fn a_kill_latch_waits_for_nothing_and_no_older_release_undoes_it() {
    let (dir, ram) = places();
    let mut bench = Bench::new(dir.path(), ram.path());
    bench.append(&latch(0));
    assert_eq!(bench.told.take(), ["latch 1", "pull"]);
    bench.make_durable();
    assert_eq!(bench.poll(), ["latch 1", "flush"]);
    bench.append(&latch(1));
    bench.make_durable();
    bench.append(&latch(0));
    assert_eq!(bench.told.take(), ["latch 3", "pull"], "at once");
    assert_eq!(bench.poll(), [""; 0], "the release before it is outdated");
    bench.make_durable();
    assert_eq!(bench.poll(), ["latch 3", "flush"]);
    bench.append(&latch(1));
    assert_eq!(bench.poll(), [""; 0], "a release waits");
    bench.make_durable();
    assert_eq!(bench.poll(), ["release 4", "flush"]);
}

#[derive(Debug)]
struct Broken;

impl Device for Broken {
    fn write_at(&mut self, _file: &File, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(libc::EIO))
    }

    fn sync(&mut self, _sync: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(libc::EIO))
    }
}

#[test]
fn a_failed_disk_cancels_at_once_and_lets_nothing_more_leave() {
    let (dir, ram) = places();
    let mut bench = Bench::new(dir.path(), ram.path());
    bench.append(&cancel());
    bench.durable.set_device(Broken);
    let control = RunControl::default();
    let (mut stage, report) = DurableStage::new(bench.durable, control.clone());
    assert_eq!(stage.poll(64), 0);
    assert!(control.failed());
    let failure = control.threads().failure().unwrap();
    assert!(failure.message.contains("records up to 0 are durable"), "{failure}");
    assert_eq!(stage.poll(64), 0);
    stage.close();
    assert_eq!(report.try_recv().unwrap().records, 0);
    bench.gate.poll(NOW, &mut RecordBuf::default()).unwrap();
    bench.gate.poll(NOW, &mut RecordBuf::default()).unwrap();
    assert_eq!(bench.told.take(), ["cancel all"], "once");
    assert!(!bench.gate.is_holding(), "the end of the run waits for nothing");
}

#[test]
fn the_stage_finishes_what_the_writer_left() {
    let (dir, ram) = places();
    let mut bench = Bench::new(dir.path(), ram.path());
    for _ in 0..100 {
        bench.append(&cancel());
    }
    bench.writer.close().unwrap();
    let (mut stage, report) = DurableStage::new(bench.durable, RunControl::default());
    stage.close();
    assert_eq!(report.try_recv().unwrap().records, 100);
    assert_eq!(std::fs::read_dir(ram.path()).unwrap().count(), 0);
}
