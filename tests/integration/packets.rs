//! A recorded packet stream with stamps, pushed through decoding, rings and sequencer on one thread and on two, gives the
//! same journal records: those that a naive twin without rings and threads expects.

use std::collections::BTreeMap;
use std::path::Path;

use pricewright::config::{ConfigText, PipelineConfig, Topology};
use pricewright::journal::Reader;
use pricewright::pipeline::recorded::{self, Recording};
use pricewright_core::kernel::table::Mark;
use pricewright_core::kernel::{Class, Kind, Record as _};
use pricewright_strategies::trading::Desk;

use crate::session::{Kept, Session};
use crate::support::Place;

/// Everything of a journal's records but the sequence and the check, which follow from the rest.
fn records(dir: &Path) -> Vec<Kept> {
    let mut reader = Reader::open(dir).expect("a journal");
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().expect("readable") {
        records.push(Kept::of(record));
    }
    records
}

fn count_by_name(records: &[Kept]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(Kind::from_u16(record.kind).expect("known").schema().name).or_default() += 1;
    }
    counts
}

fn assert_same(left: &[Kept], right: &[Kept]) {
    for (index, (left, right)) in left.iter().zip(right).enumerate() {
        assert_eq!(left, right, "record {}", index + 1);
    }
    assert_eq!(left.len(), right.len(), "as many records");
}

#[test]
fn a_recorded_live_session_gives_the_same_records_fused_and_pipelined() {
    let place = Place::new();
    let live = ["run", "--seconds", "3", "--seed", "11", "--record", "packets.pwp", "--journal", "live"];
    place.expect(0, &live);
    for topology in ["fused", "pipelined"] {
        let replay =
            ["replay", "--packets", "packets.pwp", "live", "--journal", topology, "--topology", topology];
        place.expect(0, &replay);
        place.verify(topology);
    }
    let fused = records(&place.path("fused"));
    assert_same(&fused, &records(&place.path("pipelined")));
    // A journal that is there already is not written over.
    let again = place.expect(2, &["replay", "--packets", "packets.pwp", "live", "--journal", "fused"]);
    assert!(again.err.join("\n").contains("fused"), "{again:#?}");
    assert_same(&fused, &records(&place.path("fused")));

    // The decoded market is that of the live run: same packets, same marks with the same receive stamps and the same wait
    // in the kernel, same events.
    let market = |record: &&Kept| record.source == 1 && record.class() == Class::Event;
    let live = records(&place.path("live"));
    let live: Vec<_> = live.iter().filter(market).map(Kept::content).collect();
    let again: Vec<_> = fused.iter().filter(market).map(Kept::content).collect();
    assert!(live.len() > 10_000, "a market of {} events", live.len());
    // A run that ends does not take all that it has received.
    assert!(again.len() >= live.len() && again.len() - live.len() < 2_000, "{} {}", live.len(), again.len());
    assert!(live == again[..live.len()], "the live run's market data, and the recording's");
    let waited = std::mem::offset_of!(Mark, queued_ns);
    let stamped =
        live.iter().filter(|(kind, mark)| *kind == Mark::KIND && mark[waited..waited + 4] != [0; 4]).count();
    assert!(stamped > 100, "only {stamped} packets with the kernel's stamp");
}

#[test]
fn recordings_of_lossy_lines_give_the_same_records_fused_and_pipelined() {
    let place = Place::new();
    let live = [
        "run",
        "--seconds",
        "3",
        "--seed",
        "5",
        "--loss",
        "5",
        "--record",
        "packets.pwp",
        "--journal",
        "live",
    ];
    place.expect(0, &live);
    for topology in ["fused", "pipelined"] {
        let replay =
            ["replay", "--packets", "packets.pwp", "live", "--journal", topology, "--topology", topology];
        place.expect(0, &replay);
    }
    assert_same(&records(&place.path("fused")), &records(&place.path("pipelined")));
}

#[test]
fn a_session_in_memory_gives_the_records_of_the_naive_twin() {
    for seed in [1, 2, 3] {
        let place = Place::new();
        let session = Session::make(seed, &place.path("packets.pwp"));
        let config: PipelineConfig<_> = ConfigText { path: "test".to_owned(), text: session.config.clone() }
            .pipeline::<Desk>()
            .expect("good");
        for (name, topology) in [("fused", Topology::Fused), ("pipelined", Topology::Pipelined)] {
            let recording = Recording::read(&place.path("packets.pwp")).expect("a recording");
            recorded::run::<Desk>(&config, recording, &place.path(name), topology).expect("a run");
        }
        let fused = records(&place.path("fused"));
        assert_same(&fused, &records(&place.path("pipelined")));
        let decided: Vec<Kept> =
            fused.iter().filter(|record| record.class() != Class::System).cloned().collect();
        assert_same(&session.records, &decided);
        let counts = count_by_name(&fused);
        for (name, least) in [
            ("Timer", 50),
            ("PlaceOrder", 100),
            ("ReplaceOrder", 200),
            ("CancelOrder", 20),
            ("OrderRefused", 1),
            ("BookTransition", 10),
            ("VenueReplaced", 200),
            ("VenueExecuted", 1),
        ] {
            assert!(
                counts.get(name).is_some_and(|count| *count >= least),
                "seed {seed}: {name}: {counts:#?}"
            );
        }
        place.verify("pipelined");
    }
}

#[test]
fn recordings_that_cannot_be_used_are_refused() {
    let place = Place::new();
    place.write("desk.toml", include_str!("../../strategies/trading/desk.toml"));
    place.write("packets.pwp", "no recording");
    let replay = ["replay", "--packets", "packets.pwp", "desk.toml", "--journal", "new"];
    let refused = place.expect(2, &replay);
    assert!(refused.err.join("\n").contains("packets.pwp"), "{refused:#?}");
    assert!(!place.path("new").exists(), "nothing was made");
    place.expect(2, &["replay", "--packets", "absent.pwp", "desk.toml", "--journal", "new"]);
    place.expect(2, &["replay", "--packets", "packets.pwp", "desk.toml"]);
    place.expect(2, &["replay", "--journal", "new"]);
}

impl Kept {
    fn content(&self) -> (u16, &[u8]) {
        (self.kind, &self.payload)
    }

    fn class(&self) -> Class {
        Kind::from_u16(self.kind).expect("known").schema().class
    }
}
