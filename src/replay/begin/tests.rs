use pricewright_core::kernel::Class;
use pricewright_strategies::trading::Desk;
use quickcheck::Arbitrary as _;

use super::*;
use crate::journal::segment_path;
use crate::replay::explain::explain_from;
use crate::replay::find::Question;
use crate::replay::snapshot::tests::taken;
use crate::replay::testing::desk_session;
use crate::replay::verify::replay_from;
use crate::testing::seeded;

/// A desk's journal with snapshots behind about these records.
fn session(places: &[u64]) -> (tempfile::TempDir, std::path::PathBuf, Vec<u64>) {
    let dir = tempfile::tempdir().expect("a directory");
    let journal = dir.path().join("journal");
    desk_session(&journal, 12_000);
    let seqs = places.iter().map(|from| snap(&journal, *from)).collect();
    (dir, journal, seqs)
}

fn snap(journal: &Path, from: u64) -> u64 {
    let snapshot = taken::<Desk>(journal, from);
    let bytes = snapshot.to_bytes().expect("bytes");
    dir::write(journal, snapshot.place.seq, &bytes, 9).expect("written");
    snapshot.place.seq
}

#[test]
fn a_replay_from_a_snapshot_comes_to_the_same_end() {
    let (_dir, journal, seqs) = session(&[3_000, 9_000]);
    let whole = replay_from::<Desk>(&journal, Beginning::First, None, &mut |_| {}).expect("replayed");
    assert!(whole.divergence.is_none() && whole.clean && whole.from.is_none());
    for (beginning, from) in [
        (Beginning::Newest, seqs[1]),
        (Beginning::Behind(seqs[0]), seqs[0]),
        (Beginning::Before(seqs[1]), seqs[0]),
    ] {
        let replay = replay_from::<Desk>(&journal, beginning, None, &mut |_| {}).expect("replayed");
        assert!(replay.divergence.is_none(), "{beginning:?}: {:?}", replay.divergence);
        assert_eq!(replay.from, Some(from), "{beginning:?}");
        assert_eq!(
            (replay.state_hash, replay.last_seq, replay.clean),
            (whole.state_hash, whole.last_seq, true)
        );
        assert!(replay.events < whole.events);
    }
    let missing = replay_from::<Desk>(&journal, Beginning::Behind(5), None, &mut |_| {}).map(|_| ());
    assert!(
        missing.expect_err("not there").to_string().contains("the snapshot behind record 5 cannot be read")
    );
    let short = replay_from::<Desk>(&journal, Beginning::Newest, Some(10), &mut |_| {}).map(|_| ());
    assert!(short.expect_err("too short").to_string().contains("--until must be higher"));
}

#[test]
fn an_explanation_from_a_snapshot_is_the_one_from_the_start() {
    let (_dir, journal, seqs) = session(&[2_000, 6_000, 11_000]);
    let mut decisions = Vec::new();
    let mut reader = Reader::open(&journal).expect("a journal");
    while let Some(record) = reader.next_record().expect("readable") {
        let kind = pricewright_core::kernel::Kind::from_u16(record.header().kind).expect("known");
        if kind.schema().class == Class::Decision {
            decisions.push(record.header().seq);
        }
    }
    let mut random = seeded(64);
    let mut short_cuts = 0;
    for _ in 0..12 {
        let asked = decisions[usize::arbitrary(&mut random) % decisions.len()];
        let long = explain_from::<Desk>(&journal, &Question::record(asked), Some(Beginning::First))
            .expect("explained");
        let short = explain_from::<Desk>(&journal, &Question::record(asked), None).expect("explained");
        assert_eq!(short, long, "decision {asked}");
        assert!(!short.notes.is_empty(), "decision {asked} has reasons");
        short_cuts += usize::from(asked > seqs[0] + 100);
    }
    assert!(short_cuts > 0, "some of them began at a snapshot");
}

#[test]
fn where_the_first_segments_were_removed_the_oldest_snapshot_that_leads_on_is_taken() {
    let dir = tempfile::tempdir().expect("a directory");
    let journal = dir.path().join("journal");
    desk_session(&journal, 30_000);
    let segments = crate::journal::segments(&journal).expect("heads");
    let kept = segments.len() - 1;
    let base = segments[kept].base_seq;
    assert!(kept > 0, "the session has several segments");
    let seqs = [snap(&journal, 2_000), snap(&journal, base + 100), snap(&journal, base + 1_000)];
    let whole = replay_from::<Desk>(&journal, Beginning::First, None, &mut |_| {}).expect("replayed");
    for segment in &segments[..kept] {
        std::fs::remove_file(segment_path(&journal, segment.index)).expect("removed");
    }
    let replay = replay_from::<Desk>(&journal, Beginning::First, None, &mut |_| {}).expect("replayed");
    assert_eq!((replay.from, replay.state_hash), (Some(seqs[1]), whole.state_hash));
    assert!(replay.divergence.is_none());
    for seq in seqs {
        std::fs::remove_file(dir::snapshot_path(&journal, seq)).expect("removed");
    }
    let none = replay_from::<Desk>(&journal, Beginning::First, None, &mut |_| {}).map(|_| ());
    assert!(none.expect_err("nothing leads on").to_string().contains("first segments were removed"));
}
