use pricewright_core::kernel::{Kind, Nanos};
use pricewright_strategies::pricing::flash_sale::FlashSale;
use pricewright_strategies::trading::Desk;
use quickcheck::{Arbitrary as _, Gen};

use super::*;
use crate::config::PipelineConfig;
use crate::replay::run_info::RunInfo;
use crate::replay::testing::{desk_session, sale};
use crate::testing::seeded;

/// Follows the journal in `dir` and takes a snapshot behind the first record from `from` on where nothing is pending.
pub(crate) fn taken<M: Machine>(dir: &Path, from: u64) -> Snapshot {
    let info = RunInfo::read(dir).expect("a run");
    let config: PipelineConfig<M::Config> = info.config.pipeline::<M>().expect("good");
    let mut follower = Follower::<M>::new(&config.config).expect("a machine");
    let mut resume = Resume::default();
    let mut reader = Reader::open(dir).expect("a journal");
    loop {
        let record = reader.next_record().expect("readable").expect("a settled place");
        resume.take(record);
        follower.follow(record).expect("it agrees");
        let (seq, mut place) = (record.header().seq, Place::behind(&record, 0));
        let clean_stop = record.header().kind == Kind::RunEnd as u16;
        place.run = reader.head().run;
        let Some(progress) = follower.progress().filter(|_| seq >= from) else { continue };
        return Snapshot {
            place,
            clean_stop,
            identity: Identity {
                machine: info.start.machine,
                state_version: M::STATE_VERSION,
                journal_id: reader.head().journal_id,
                config_hash: config_hash::<M>(&config.config).expect("TOML"),
                build_hash: [7; 32],
            },
            progress,
            config: info.config.text.clone(),
            resume,
            state: follower.driver().snapshot().expect("a state"),
        };
    }
}

/// Follows the rest of the journal from `snapshot`, with its positions. Returns state hash, counts and positions.
fn to_the_end<M: Machine>(dir: &Path, snapshot: &Snapshot) -> ([u8; 32], (u64, u64), Resume) {
    let info = RunInfo::read(dir).expect("a run");
    let config: PipelineConfig<M::Config> = info.config.pipeline::<M>().expect("good");
    let mut follower = snapshot.follower::<M>(&config.config).expect("restored");
    let mut resume = snapshot.resume.clone();
    let mut reader = snapshot.reader(dir).expect("it is this journal's");
    while let Some(record) = reader.next_record().expect("readable") {
        resume.take(record);
        follower.follow(record).expect("it agrees");
    }
    (follower.driver().state_hash().expect("a state"), follower.counts(), resume)
}

/// From random places of the journal in `dir`, a snapshot and the tail lead where the whole journal leads.
fn every_cut_leads_to_the_same_end<M: Machine>(dir: &Path, cuts: usize) {
    let last = Reader::from_end(dir).expect("a journal").next_seq() - 1;
    let end = taken::<M>(dir, last);
    let whole = (end.state_hash(), (end.progress.events, end.progress.decisions), end.resume.clone());
    let mut random = seeded(64);
    for _ in 0..cuts {
        let from = 1 + u64::arbitrary(&mut random) % last;
        let snapshot = taken::<M>(dir, from);
        let read = Snapshot::from_bytes(&snapshot.to_bytes().expect("written")).expect("read");
        assert_eq!(read, snapshot);
        assert_eq!(to_the_end::<M>(dir, &read), whole, "a snapshot behind record {}", snapshot.place.seq);
    }
}

#[test]
fn a_sale_goes_on_from_any_place() {
    let dir = tempfile::tempdir().expect("a directory");
    sale(dir.path(), 2_000, 3, &mut seeded(64));
    every_cut_leads_to_the_same_end::<FlashSale>(dir.path(), 40);
}

#[test]
fn a_desk_goes_on_from_any_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let journal = dir.path().join("journal");
    desk_session(&journal, 6_000);
    every_cut_leads_to_the_same_end::<Desk>(&journal, 12);
}

fn small() -> (tempfile::TempDir, Snapshot) {
    let dir = tempfile::tempdir().expect("a directory");
    sale(dir.path(), 60, 1, &mut Gen::from_size_and_seed(64, 1));
    let snapshot = taken::<FlashSale>(dir.path(), 20);
    (dir, snapshot)
}

#[test]
fn every_altered_bit_and_every_missing_byte_is_noticed() {
    let (_dir, snapshot) = small();
    let bytes = snapshot.to_bytes().expect("written");
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        assert!(Snapshot::from_bytes(&altered).is_err(), "byte {at}");
        assert!(Snapshot::from_bytes(&bytes[..at]).is_err(), "cut at byte {at}");
    }
    assert_eq!(Snapshot::from_bytes(&bytes), Ok(snapshot));
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let (_dir, snapshot) = small();
    let mut bytes = snapshot.to_bytes().expect("written");
    bytes[8] = 2;
    assert_eq!(Snapshot::from_bytes(&bytes), Err(Unfit::Newer(2)));
    assert_eq!(Snapshot::from_bytes(b"PWJOURNL"), Err(Unfit::NotASnapshot));
}

#[test]
fn it_is_held_against_the_journal() {
    let (dir, snapshot) = small();
    let dir = dir.path();
    assert!(snapshot.reader(dir).is_ok());
    let moved = |change: &dyn Fn(&mut Snapshot)| {
        let mut other = snapshot.clone();
        change(&mut other);
        other.reader(dir).map(|_| ()).expect_err("another one")
    };
    let last = Reader::from_end(dir).expect("a journal").next_seq() - 1;
    assert_eq!(moved(&|other| other.place.seq = last + 1), Unfit::Ahead(last));
    assert_eq!(moved(&|other| other.place.seq = last + 7), Unfit::Ahead(last));
    let other = Unfit::OtherJournal("its last record is another one there");
    assert_eq!(moved(&|snapshot| snapshot.place.commit ^= 1 << 40), other);
    assert_eq!(moved(&|snapshot| snapshot.place.run += 1), other);
    assert_eq!(moved(&|snapshot| snapshot.place.now = Nanos(snapshot.place.now.0 + 1)), other);
    assert_eq!(
        moved(&|snapshot| snapshot.identity.journal_id = [1; 16]),
        Unfit::OtherJournal("the journal has another id")
    );
}

#[test]
fn another_machine_and_another_layout_are_refused() {
    let (dir, snapshot) = small();
    let info = RunInfo::read(dir.path()).expect("a run");
    let config = info.config.pipeline::<FlashSale>().expect("good").config;
    let mut other = snapshot.clone();
    other.identity.state_version += 1;
    assert_eq!(
        other.follower::<FlashSale>(&config).map(|_| ()),
        Err(Unfit::OtherState(FlashSale::STATE_VERSION + 1))
    );
    let mut other = snapshot.clone();
    other.identity.machine = Text::excerpt("desk");
    assert_eq!(other.follower::<FlashSale>(&config).map(|_| ()), Err(Unfit::OtherMachine("desk".to_owned())));
    let mut other = snapshot;
    other.state.push(0);
    assert!(matches!(other.follower::<FlashSale>(&config), Err(Unfit::Refused(_))));
}

#[test]
fn the_newest_are_kept_and_each_is_listed_with_what_is_wrong() {
    let (dir, snapshot) = small();
    let dir = dir.path();
    let bytes = snapshot.to_bytes().expect("written");
    let seq = snapshot.place.seq;
    for old in 1..5 {
        dir::write(dir, old, &bytes, 3).expect("written");
    }
    std::fs::write(dir.join("snapshot-000000000009.pws.new"), "half").expect("written");
    dir::write(dir, seq, &bytes, 3).expect("written");
    assert_eq!(dir::snapshot_seqs(dir).expect("listed"), [3, 4, seq]);
    assert!(!dir.join("snapshot-000000000009.pws.new").exists(), "what was never finished is gone");
    let listed = dir::list(dir).expect("listed");
    let unfit: Vec<Option<Unfit>> = listed.iter().map(|listed| listed.unfit.clone()).collect();
    let name = Some(Unfit::Damaged("its name is another record's"));
    assert_eq!(unfit, [name.clone(), name, None]);
    assert_eq!((listed[2].seq, listed[2].run, listed[2].build_hash), (seq, 1, [7; 32]));
    let passed = PassedOver { path: listed[0].path.clone(), seq: 3, why: Unfit::NotASnapshot };
    dir::set_aside(&passed).expect("renamed");
    assert_eq!(dir::snapshot_seqs(dir).expect("listed"), [4, seq]);
}

#[test]
fn behind_what_retention_removed_a_snapshot_still_leads_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    sale(dir, 9_000, 3, &mut Gen::from_size_and_seed(64, 1));
    let segments = crate::journal::segments(dir).expect("heads");
    let second = segments.iter().find(|segment| segment.head.run == 2).expect("a second run");
    let (first, base) = (second.index, second.base_seq);
    let before = taken::<FlashSale>(dir, 100);
    let at_the_edge = taken::<FlashSale>(dir, base - 1);
    assert_eq!(at_the_edge.place.seq, base - 1, "a run ended there");
    let behind = taken::<FlashSale>(dir, base + 100);
    for index in 1..first {
        std::fs::remove_file(crate::journal::segment_path(dir, index)).expect("removed");
    }
    assert_eq!(before.reader(dir).map(|_| ()), Err(Unfit::TooOld(base)));
    for snapshot in [at_the_edge, behind] {
        assert_eq!(snapshot.reader(dir).expect("it leads on").next_seq(), snapshot.place.seq + 1);
    }
}

/// A right hash says who wrote the bytes, not that they are possible: the numbers are counted on from.
#[test]
fn a_snapshot_with_numbers_at_the_end_of_64_bits_is_damaged() {
    let dir = tempfile::tempdir().expect("a directory");
    sale(dir.path(), 40, 1, &mut seeded(40));
    let good = taken::<FlashSale>(dir.path(), 5);
    for change in [
        (|snapshot: &mut Snapshot| snapshot.place.seq = u64::MAX) as fn(&mut Snapshot),
        |snapshot| snapshot.place.run = u64::MAX,
        |snapshot| snapshot.progress.events = u64::MAX,
        |snapshot| snapshot.progress.run_decisions = u64::MAX,
    ] {
        let mut snapshot = good.clone();
        change(&mut snapshot);
        let read = Snapshot::from_bytes(&snapshot.to_bytes().expect("bytes"));
        assert_eq!(read.err(), Some(Unfit::Damaged("head")));
    }
}
