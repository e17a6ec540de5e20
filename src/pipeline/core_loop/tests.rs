//! A machine that panics when told to: what must happen on the thread of the sequencer, and at the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel::{Sender, bounded};
use pricewright_core::kernel::table::{EventRef, Purchase, Rejected};
use pricewright_core::kernel::{DecisionRef, Kind, Outbox, Probe, RejectReason, SnapshotError, SourceId};
use serde::{Deserialize, Serialize};
use zerocopy::FromZeros as _;

use super::*;
use crate::clock::ManualClock;
use crate::config::ConfigText;
use crate::journal::{self, Outcome, Preallocator, Reader};
use crate::pipeline::open::OpenJournal;
use crate::pipeline::sequencer::DecisionSink;

/// Answers each purchase with a dead letter; panics at a purchase of 13 pieces, and where it is stopped after two purchases.
#[derive(Debug)]
struct Superstitious {
    seen: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Nothing {}

impl Machine for Superstitious {
    type Config = Nothing;
    const NAME: &'static str = "superstitious";

    fn new(_config: &Nothing) -> core::result::Result<Self, String> {
        Ok(Self { seen: 0 })
    }

    fn on_event<P: Probe>(&mut self, _now: Nanos, event: EventRef<'_>, out: &mut Outbox, _probe: &mut P) {
        let EventRef::Purchase(purchase) = event else {
            let stop = matches!(event, EventRef::Operator(told) if told.command == OperatorCommand::STOP);
            assert!(!stop || self.seen != 2, "stopped after two");
            return;
        };
        assert_ne!(purchase.qty, 13, "thirteen pieces");
        self.seen += 1;
        let reason = RejectReason::OUT_OF_RANGE;
        out.emit(SourceId(0), &Rejected { position: self.seen, reason, ..Rejected::new_zeroed() });
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> core::result::Result<(), SnapshotError> {
        bytes.extend_from_slice(&self.seen.to_le_bytes());
        Ok(())
    }

    fn restore(_config: &Nothing, _bytes: &[u8]) -> core::result::Result<Self, SnapshotError> {
        Err(SnapshotError::Mismatch("not needed here".to_owned()))
    }
}

/// Remembers whether it was asked to cancel everything.
#[derive(Clone, Debug, Default)]
struct Watched {
    cancelled: Arc<AtomicBool>,
    unconfirmed: usize,
}

impl DecisionSink for Watched {
    fn decide(&mut self, _seq: u64, _now: Nanos, _decision: DecisionRef<'_>) {}
}

impl Gateway for Watched {
    fn flush(&mut self, _now: Nanos) -> Result<bool> {
        Ok(false)
    }

    fn poll(&mut self, _now: Nanos, _answers: &mut RecordBuf) -> Result<usize> {
        Ok(0)
    }

    fn open_orders(&self) -> usize {
        0
    }

    fn unconfirmed(&self) -> usize {
        self.unconfirmed
    }

    fn cancel_all(&mut self, _now: Nanos) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn close(&mut self, _now: Nanos) {}
}

type Loop = CoreLoop<Superstitious, Watched, ManualClock>;

fn config(dir: &std::path::Path) -> crate::config::PipelineConfig<Nothing> {
    let text = format!(
        "machine = \"superstitious\"\n[journal]\ndir = {:?}\nsegment_mib = 1\n[feed.jsonl]\nstdin = true\n[config]\n",
        dir.display().to_string()
    );
    ConfigText { path: "test.toml".to_owned(), text }.pipeline::<Superstitious>().expect("good")
}

fn start(dir: &std::path::Path) -> Result<(Loop, Watched, Sender<Asked>)> {
    start_with_helper(dir).map(|(core, gateway, commands, _)| (core, gateway, commands))
}

fn start_with_helper(dir: &std::path::Path) -> Result<(Loop, Watched, Sender<Asked>, Preallocator)> {
    let config = config(dir);
    let begun = OpenJournal::open::<Superstitious>(dir, &config, false)?.begin::<Superstitious>(
        dir,
        &config,
        Nanos(1_000),
    )?;
    let gateway = Watched::default();
    let (commands, received) = bounded(4);
    let sequencer = Sequencer::new(begun.driver, begun.writer, None);
    let clock = ManualClock::new(Nanos(2_000));
    let core = CoreLoop::new(sequencer, gateway.clone(), clock, received);
    Ok((core, gateway, commands, begun.preallocator))
}

fn purchase(qty: i64) -> RecordBuf {
    let mut buffer = RecordBuf::default();
    buffer.put(&Purchase { qty, ..Purchase::new_zeroed() }, SourceId(1), 0).expect("room");
    buffer
}

fn offer(core: &mut Loop, qty: i64) {
    let buffer = purchase(qty);
    let mut sink = core.sink();
    buffer.iter().for_each(|record| sink.push(record).expect("taken"));
}

#[test]
fn a_panic_cancels_from_the_gateways_table_and_seals_the_journal() {
    let dir = tempfile::tempdir().expect("directory");
    let (core, gateway, _commands) = start(dir.path()).expect("started");
    let mut slot = Some(core);
    assert_eq!(guarded(&mut slot, |core| offer(core, 1)), Some(()));
    let panic = catch_unwind(AssertUnwindSafe(|| guarded(&mut slot, |core| offer(core, 13))));
    assert!(panic.is_err(), "the panic goes on to the thread's loop");
    assert!(slot.is_none());
    assert!(gateway.cancelled.load(Ordering::Relaxed));
    assert_sealed(dir.path());
    let mut reader = Reader::open(dir.path()).expect("journal");
    let mut last = 0;
    while let Some(record) = reader.next_record().expect("good") {
        last = record.header().kind;
    }
    assert_eq!(last, Kind::Purchase as u16, "the event that panicked is the last thing journalled");
}

fn assert_sealed(dir: &std::path::Path) {
    let verification = journal::verify(dir);
    assert!(
        matches!(verification.outcome, Outcome::Good(journal::Tail::Sealed)),
        "{:?}",
        verification.outcome
    );
}

#[test]
fn a_panic_while_the_run_ends_cancels_and_seals_too() {
    let dir = tempfile::tempdir().expect("directory");
    let (mut core, gateway, _commands) = start(dir.path()).expect("started");
    offer(&mut core, 1);
    offer(&mut core, 1);
    let panic = catch_unwind(AssertUnwindSafe(|| core.end(EndReason::OPERATOR, |_| Ok(()))));
    assert!(panic.is_err(), "the panic goes on to the thread's loop");
    assert!(gateway.cancelled.load(Ordering::Relaxed));
    assert_sealed(dir.path());
}

#[test]
fn a_failure_while_the_run_ends_cancels_and_seals_too() {
    let dir = tempfile::tempdir().expect("directory");
    let (mut core, gateway, _commands) = start(dir.path()).expect("started");
    offer(&mut core, 1);
    let failed = core.end(EndReason::OPERATOR, |_| Err(Error::Failed("no packets any more".to_owned())));
    assert_eq!(failed.expect_err("failed").to_string(), "no packets any more");
    assert!(gateway.cancelled.load(Ordering::Relaxed));
    assert_sealed(dir.path());
}

#[test]
fn an_event_that_panics_again_at_recovery_is_named_and_refused() {
    let dir = tempfile::tempdir().expect("directory");
    let (core, _gateway, _commands) = start(dir.path()).expect("started");
    let mut slot = Some(core);
    let panic = catch_unwind(AssertUnwindSafe(|| guarded(&mut slot, |core| offer(core, 13))));
    assert!(panic.is_err());
    let error = start(dir.path()).map(|_| ()).expect_err("refused").to_string();
    let seq = Reader::from_end(dir.path()).expect("journal").next_seq() - 1;
    assert!(error.contains(&format!("event {seq}")), "{error}");
}

#[test]
fn a_clean_end_is_journalled_with_counts_and_goes_on_at_the_next_start() {
    let dir = tempfile::tempdir().expect("directory");
    let (mut core, gateway, commands) = start(dir.path()).expect("started");
    offer(&mut core, 1);
    let pull = Operator::says("test", OperatorCommand::REARM, 0);
    commands.send(pull.into()).expect("room");
    core.turn().expect("good");
    core.end(EndReason::DURATION, |_| Ok(())).expect("ended");
    assert!(!gateway.cancelled.load(Ordering::Relaxed));
    let mut reader = Reader::open(dir.path()).expect("journal");
    let mut end = None;
    while let Some(record) = reader.next_record().expect("good") {
        end = record.get::<RunEnd>().copied();
    }
    let end = end.expect("the last record is the run's end");
    // The purchase, the operator's command and the stop.
    assert_eq!((end.events, end.decisions, end.reason), (3, 1, EndReason::DURATION));
    let (mut core, ..) = start(dir.path()).expect("started again");
    offer(&mut core, 2);
    assert_eq!(core.sequencer().driver().machine().seen, 2, "the machine went on where it was");
}

/// Without a session nothing is waited for, and what the venue has not confirmed is said all the same.
#[test]
fn a_clean_end_says_what_the_venue_has_not_confirmed() {
    let dir = tempfile::tempdir().expect("directory");
    let (mut core, ..) = start(dir.path()).expect("started");
    core.gateway().unconfirmed = 3;
    let ended = core.end(EndReason::OPERATOR, |_| Ok(())).expect("ended");
    assert_eq!(ended.unconfirmed, 3);
    assert_sealed(dir.path());
}

/// What operator commands the journal in `dir` holds, in order.
fn commands_of(dir: &std::path::Path) -> Vec<OperatorCommand> {
    let mut reader = Reader::open(dir).expect("journal");
    let mut commands = Vec::new();
    while let Some(record) = reader.next_record().expect("good") {
        if let Some(EventRef::Operator(operator)) = EventRef::of(&record) {
            commands.push(operator.command);
        }
    }
    commands
}

#[test]
fn a_full_disk_takes_no_event_ends_nothing_and_is_journalled_with_its_end() {
    let dir = tempfile::tempdir().expect("directory");
    let (mut core, gateway, commands, mut helper) = start_with_helper(dir.path()).expect("started");
    // Nothing can be made under a name that a directory has.
    let blocker = dir.path().join("journal-00000002.pwj.new");
    std::fs::create_dir(&blocker).expect("made");
    let mut taken = 0;
    while core.has_room() {
        offer(&mut core, 1);
        taken += 1;
        helper.poll();
        core.turn().expect("alive");
        assert!(taken < 10_000, "the segment has an end");
    }
    assert_eq!(commands_of(dir.path()), [OperatorCommand::STORAGE_LOW]);
    assert_eq!(core.sink().room(), 0);
    // Feeds get nothing more in; commands have the reserve.
    let rearm = Operator::says("test", OperatorCommand::REARM, 0);
    commands.send(rearm.into()).expect("room");
    core.turn().expect("alive");
    assert_eq!(commands_of(dir.path()), [OperatorCommand::STORAGE_LOW, OperatorCommand::REARM]);
    let mut taken = 0;
    while core.may_take() {
        commands.send(rearm.into()).expect("room");
        core.turn().expect("alive");
        taken += 1;
        assert!(taken < 10_000, "the reserve has an end");
    }
    // Then a kill is carried out by the gateway alone, and journalled later.
    let before = commands_of(dir.path());
    assert!(!gateway.cancelled.load(Ordering::Relaxed));
    let kill = Operator::says("test", OperatorCommand::KILL, 0);
    commands.send(kill.into()).expect("room");
    core.turn().expect("alive");
    assert!(gateway.cancelled.load(Ordering::Relaxed), "the kill does not wait for the disk");
    for _ in 0..1000 {
        assert_eq!(core.turn().expect("alive"), 0);
        helper.poll();
    }
    assert_eq!(commands_of(dir.path()), before, "nothing is journalled");
    std::fs::remove_dir(&blocker).expect("removed");
    let start = std::time::Instant::now();
    while !core.has_room() || commands_of(dir.path()).len() < before.len() + 2 {
        helper.poll();
        core.turn().expect("alive");
        assert!(start.elapsed().as_secs() < 120, "it goes on when there is space");
    }
    let all = commands_of(dir.path());
    assert!(all.starts_with(&before), "{all:?}");
    assert_eq!(all[before.len()..], [OperatorCommand::STORAGE_OK, OperatorCommand::KILL]);
    offer(&mut core, 1);
    core.end(EndReason::DURATION, |_| Ok(())).expect("ended");
    assert!(matches!(journal::verify(dir.path()).outcome, Outcome::Good(_)));
}

#[test]
fn a_run_can_end_while_the_disk_is_full() {
    let dir = tempfile::tempdir().expect("directory");
    let (mut core, _gateway, _commands, mut helper) = start_with_helper(dir.path()).expect("started");
    std::fs::create_dir(dir.path().join("journal-00000002.pwj.new")).expect("made");
    while core.has_room() {
        offer(&mut core, 1);
        helper.poll();
        core.turn().expect("alive");
    }
    core.end(EndReason::OPERATOR, |_| Ok(())).expect("ended");
    assert_eq!(commands_of(dir.path()), [OperatorCommand::STORAGE_LOW, OperatorCommand::STOP]);
    assert!(matches!(journal::verify(dir.path()).outcome, Outcome::Good(journal::Tail::Sealed)));
}
