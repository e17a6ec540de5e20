use pricewright_core::kernel::Class;
use pricewright_core::kernel::table::PlaceOrder;
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
fn the_reasons_of_another_order_are_not_given() {
    let (_dir, journal, _) = session(&[2_000]);
    let mut reader = Reader::open(&journal).expect("a journal");
    let mut last = None;
    while let Some(record) = reader.next_record().expect("readable") {
        let order = record.get::<PlaceOrder>().map(|order| order.price);
        let (seq, len) = (record.header().seq, record.cells().len() * 64);
        if let Some(price) = order {
            last = Some((seq, len, price, reader.path().to_path_buf(), reader.offset() as usize));
        }
    }
    let (seq, len, price, path, offset) = last.expect("an order");
    let before = explain_from::<Desk>(&journal, &Question::record(seq), None).expect("explained");
    assert!(before.unexplained.is_none() && before.reasons().count() > 0);
    let mut bytes = std::fs::read(&path).expect("a segment");
    let record = &mut bytes[offset..offset + len];
    let at = record.windows(8).position(|window| window == price.0.to_le_bytes()).expect("the price");
    record[at..at + 8].copy_from_slice(&(price.0 + 100).to_le_bytes());
    let crc = crate::journal::Crc32c::table().of_bytes(&record[8..]);
    record[4..8].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, bytes).expect("written");
    let told = explain_from::<Desk>(&journal, &Question::record(seq), None).expect("explained");
    let why = told.unexplained.as_deref().expect("it is said why there are none");
    assert!(why.contains(&format!("record {seq} is not what this build decides")), "{why}");
    assert_eq!(told.reasons().count(), 0);
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
