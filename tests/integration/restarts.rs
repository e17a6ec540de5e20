//! Starts on a journal that is there: from its newest snapshot, by another build, after a panic.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pricewright::config::{ConfigText, PipelineConfig};
use pricewright::edges::assemble::assemble;
use pricewright::journal::{Outcome as Verdict, Reader, verify};
use pricewright::pipeline::launch::{Launch, Outcome};
use pricewright::pipeline::topology::plan_for;
use pricewright_core::kernel::machine::{read_state, write_state};
use pricewright_core::kernel::table::Rejected;
use pricewright_core::kernel::{
    EndReason, EventRef, Machine, Nanos, OperatorCommand, Outbox, Probe, RejectReason, SnapshotError,
    SourceId, Text,
};
use serde::{Deserialize, Serialize};

use crate::support::{BOUND, Finished, Place};

const STDIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/stdin.toml");
const INVENTORY: &str =
    r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}"#;
const PURCHASE: &str = r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":30}"#;

fn told(finished: &Finished, what: &str) -> bool {
    finished.err.iter().any(|line| line.contains(what))
}

#[test]
fn a_restart_begins_at_the_snapshot_of_the_clean_stop_and_all_commands_can() {
    let place = Place::new();
    let first = place.run(&["run", STDIN, "--journal", "j"], &format!("{INVENTORY}\n"));
    assert!(
        told(&first, "self-check: 1 decisions made twice, all the same; snapshot behind record"),
        "{first:#?}"
    );
    let second = place.run(&["run", STDIN, "--journal", "j"], &format!("{PURCHASE}\n"));
    assert!(
        told(&second, "from the snapshot behind record") && told(&second, "and 0 records after it"),
        "{second:#?}"
    );
    assert!(second.out.iter().any(|line| line.contains("175.00")), "{second:#?}");

    let whole = place.verify("j");
    assert!(whole["from_snapshot"].is_null() && whole["decisions"] == 2, "{whole:#}");
    let snapshots = pricewright::replay::snapshot::dir::list(&place.path("j")).expect("listed");
    assert_eq!(
        snapshots.iter().map(|listed| (listed.run, listed.clean_stop)).collect::<Vec<_>>(),
        [(1, true), (2, true)]
    );
    let from = format!("--from-snapshot={}", snapshots[0].seq);
    let tail = place.json(&["replay", "--verify", "--json", &from, "j"]);
    assert_eq!(
        (&tail["from_snapshot"], &tail["decisions"]),
        (&snapshots[0].seq.into(), &1.into()),
        "{tail:#}"
    );
    assert_eq!(tail["state_hash"], whole["state_hash"]);
    let newest = place.json(&["replay", "--verify", "--json", "--from-snapshot", "j"]);
    // Behind the newest there is nothing that could be compared: the one before it is taken.
    assert_eq!((&newest["decisions"], &newest["state_hash"]), (&1.into(), &whole["state_hash"]));
    let from = format!("--from-snapshot={}", snapshots[1].seq);
    let nothing = place.expect(1, &["replay", "--verify", &from, "j"]);
    assert!(told(&nothing, "nothing was compared: no event lies behind the snapshot"), "{nothing:#?}");
    let refused = place.expect(2, &["replay", "--from-snapshot=3", "j"]);
    assert!(told(&refused, "the snapshot behind record 3 cannot be read"), "{refused:#?}");
    let refused = place.expect(2, &["replay", "--from-snapshot=x", "j"]);
    assert!(told(&refused, "--from-snapshot=x"), "{refused:#?}");
}

#[test]
fn without_a_replica_nothing_is_compared_and_the_clean_stop_still_leaves_a_snapshot() {
    let place = Place::new();
    let text = std::fs::read_to_string(STDIN).expect("it is there");
    place.write("alone.toml", &text.replace("[journal]", "[journal]\nreplica = false"));
    let first = place.run(&["run", "alone.toml", "--journal", "j"], &format!("{INVENTORY}\n"));
    assert!(
        told(&first, "no self-check") && told(&first, "nothing was compared; snapshot behind"),
        "{first:#?}"
    );
    let second = place.run(&["run", "alone.toml", "--journal", "j"], &format!("{PURCHASE}\n"));
    assert!(told(&second, "from the snapshot behind record"), "{second:#?}");
    place.verify("j");
}

/// Runs the executable at `program`, as another build, in `place`.
fn run_as(program: &Path, place: &Place, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(program)
        .args(args)
        .current_dir(place.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // It may end without reading.
    let _refused = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn another_build_takes_over_only_a_clean_stop_or_what_an_operator_accepts() {
    let place = Place::new();
    let other = place.path("other-build");
    std::fs::copy(env!("CARGO_BIN_EXE_pricewright"), &other).expect("copied");
    // Bytes behind an executable's last section change nothing but its hash.
    place.append("other-build", "another");

    let mut crashing = place.start(&["run", STDIN, "--journal", "j"]);
    crashing.input(&format!("{INVENTORY}\n"));
    crashing.wait_out("100.00");
    crashing.signal("KILL");
    crashing.finish_with_open_input();

    let run = ["run", STDIN, "--journal", "j"];
    for _ in 0..2 {
        let (code, _, err) = run_as(&other, &place, &run, "");
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("written by another build") && err.contains("--accept-divergence"), "{err}");
    }
    let accept = ["run", STDIN, "--journal", "j", "--accept-divergence"];
    let (code, out, err) = run_as(&other, &place, &accept, &format!("{PURCHASE}\n"));
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("ACCEPTED") && out.contains("175.00"), "{err}{out}");
    let journalled = place.expect(0, &["journal", "inspect", "--type", "DivergenceAccepted", "j"]);
    assert_eq!(journalled.out.len(), 1, "{journalled:#?}");

    // It ended cleanly, so that this build may go on from there.
    let back = place.run(&run, &format!("{INVENTORY}\n"));
    assert_eq!(back.code, Some(0), "{back:#?}");
    assert!(told(&back, "from the snapshot behind record"), "{back:#?}");
    place.verify("j");
    let alone = place.expect(2, &["run", "--accept-divergence"]);
    assert!(told(&alone, "CONFIG"), "it goes with a configuration: {alone:#?}");
}

/// Decides otherwise after a restore, from its fifth purchase on.
struct Moody {
    seen: u64,
    restored: bool,
}

impl Machine for Moody {
    type Config = Nothing;
    const NAME: &'static str = "moody";

    fn new(_config: &Nothing) -> Result<Self, String> {
        Ok(Self { seen: 0, restored: false })
    }

    fn on_event<P: Probe>(&mut self, _now: Nanos, event: EventRef<'_>, out: &mut Outbox, _probe: &mut P) {
        let EventRef::Purchase(purchase) = event else { return };
        self.seen += 1;
        let len = u32::from(self.restored && self.seen >= 5);
        let text = Text::excerpt("a purchase");
        let reason = RejectReason::OUT_OF_RANGE;
        out.emit(SourceId(0), &Rejected { position: self.seen, len, reason, source: purchase.source, text });
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), SnapshotError> {
        write_state(&self.seen, bytes)
    }

    fn restore(_config: &Nothing, bytes: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self { seen: read_state(bytes)?, restored: true })
    }
}

#[test]
fn a_machine_that_is_not_deterministic_raises_an_alarm_that_is_journalled_and_ends_in_a_bad_exit_code() {
    let place = Place::new();
    let text = format!(
        "machine = \"moody\"\n[journal]\nsegment_mib = 1\ndir = {:?}\n[runtime]\nidle = \"backoff\"\n\
         [feed.jsonl.generated]\narticles = 4\npurchases_per_second = 1000\n[gateway.jsonl]\ndead_letter = {:?}\n\
         [config]\n",
        place.path("j"),
        place.path("dead.jsonl"),
    );
    let config = ConfigText { path: "moody.toml".to_owned(), text }.pipeline::<Moody>().expect("good");
    let dir = config.journal.dir.clone();
    let plan = plan_for(&config.runtime).expect("a plan");
    let launch = Launch::<Moody>::prepare(&config, &dir, plan, false).expect("it starts");
    let control = launch.control().clone();
    let assembled = assemble(launch, &config, Vec::new(), None).expect("edges");
    let watch = assembled.live.watch().clone();
    let outcome = assembled.live.wait(Some(BOUND), |_| {
        if watch.status().alarm.is_some() {
            control.stop(EndReason::OPERATOR);
        }
    });
    assert!(
        outcome.report.failure.is_none(),
        "an alarm stops nothing by itself: {:?}",
        outcome.report.failure
    );
    let verdict = outcome.check(&dir).expect_err("an alarm");
    assert_eq!(verdict.exit_code(), 1);
    assert!(verdict.to_string().contains("decided otherwise the second time"), "{verdict}");

    let mut reader = Reader::open(&dir).expect("a journal");
    let (mut purchases, mut differs, mut alarms) = (0, 0, Vec::new());
    while let Some(record) = reader.next_record().expect("readable") {
        match EventRef::of(&record) {
            Some(EventRef::Purchase(_)) => purchases += 1,
            Some(EventRef::Operator(event)) if event.command == OperatorCommand::ALARM => {
                alarms.push(event.argument);
            }
            _ => {}
        }
        if purchases == 5 && differs == 0 && record.get::<Rejected>().is_some() {
            differs = record.header().seq as i64;
        }
    }
    assert_eq!(alarms, [differs], "it names the first decision that differs");
    let snapshots = pricewright::replay::snapshot::dir::list(&dir).expect("listed");
    assert!(snapshots.is_empty(), "nothing is to begin from a state that is in doubt: {snapshots:?}");
}

/// Cannot take dead letters of seven bytes.
struct Fussy {
    seen: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Nothing {}

impl Machine for Fussy {
    type Config = Nothing;
    const NAME: &'static str = "fussy";

    fn new(_config: &Nothing) -> Result<Self, String> {
        Ok(Self { seen: 0 })
    }

    fn on_event<P: Probe>(&mut self, _now: Nanos, event: EventRef<'_>, out: &mut Outbox, _probe: &mut P) {
        let EventRef::Malformed(input) = event else { return };
        assert_ne!(input.len, 7, "seven bytes");
        self.seen += 1;
        out.emit(
            SourceId(0),
            &Rejected {
                position: self.seen,
                len: input.len,
                reason: RejectReason::MALFORMED,
                source: input.source,
                text: input.text,
            },
        );
    }

    fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), SnapshotError> {
        write_state(&self.seen, bytes)
    }

    fn restore(_config: &Nothing, bytes: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self { seen: read_state(bytes)? })
    }
}

fn fussy(place: &Place) -> PipelineConfig<Nothing> {
    let text = format!(
        "machine = \"fussy\"\n[journal]\nsegment_mib = 1\ndir = {:?}\n[runtime]\nidle = \"backoff\"\n[feed.jsonl]\n\
         file = {:?}\n[gateway.jsonl]\ndead_letter = {:?}\n[config]\n",
        place.path("j"),
        place.path("events.jsonl"),
        place.path("dead.jsonl"),
    );
    ConfigText { path: "fussy.toml".to_owned(), text }.pipeline::<Fussy>().expect("good")
}

fn run_fussy(place: &Place) -> pricewright::Result<Outcome> {
    let config = fussy(place);
    let plan = plan_for(&config.runtime).expect("a plan");
    let launch = Launch::<Fussy>::prepare(&config, &config.journal.dir, plan, false)?;
    Ok(assemble(launch, &config, Vec::new(), None).expect("edges").live.wait(None, |_| {}))
}

#[test]
fn an_event_that_panics_ends_the_run_and_the_next_start_names_it_and_refuses() {
    let place = Place::new();
    place.write("events.jsonl", "one\nfour\nsevenxx\nten\n");
    let dir = place.path("j");
    let outcome = run_fussy(&place).expect("it starts");
    let failure = outcome.report.failure.clone().expect("it failed");
    assert!(failure.panicked && failure.message.contains("seven bytes"), "{failure:?}");
    assert_eq!(outcome.check(&dir).expect_err("a failure").exit_code(), 1);
    assert!(matches!(verify(&dir).outcome, Verdict::Good(_)), "the journal is sealed and good");

    for _ in 0..2 {
        let refused = run_fussy(&place).map(|_| ()).expect_err("refused");
        let text = refused.to_string();
        assert!(text.contains("panics on event") && text.contains("Malformed"), "{text}");
        assert!(text.contains("sevenxx"), "its payload is shown: {text}");
        assert_eq!(refused.exit_code(), 1);
    }
    assert!(matches!(verify(&dir).outcome, Verdict::Good(_)));
}
