//! Restarts: what they begin from, what they pass over, and which build may take over from which.

use std::path::Path;

use pricewright_core::kernel::table::{DivergenceAccepted, Rejected};
use pricewright_core::kernel::{Kind, flags};

use super::*;
use crate::replay::snapshot::dir::{list, read, snapshot_path, snapshot_seqs, write};
use crate::replay::snapshot::{Place, Snapshot};
use crate::replay::testing::Session;

/// Takes a snapshot of `session` as it stands, as its replica would.
fn snap<const BUILD: u32>(dir: &Path, session: &Session<BUILD>, clean_stop: bool) -> u64 {
    let mut reader = Reader::from_seq(dir, session.begun.first_seq).expect("a journal");
    let mut resume = session.begun.resume.clone();
    let mut progress = session.begun.progress;
    let mut place = Place::default();
    while let Some(record) = reader.next_record().expect("readable") {
        resume.take(record);
        place = Place::behind(&record, session.sequencer.journal().run());
    }
    progress.run_events = session.sequencer.counts().0;
    progress.run_decisions = session.sequencer.counts().1;
    progress.events += progress.run_events;
    progress.decisions += progress.run_decisions;
    let snapshot = Snapshot {
        place,
        clean_stop,
        identity: session.begun.identity,
        progress,
        config: session.begun.canonical.clone(),
        resume,
        state: session.sequencer.driver().snapshot().expect("a state"),
    };
    write(dir, place.seq, &snapshot.to_bytes().expect("bytes"), 9).expect("written");
    place.seq
}

fn told<const BUILD: u32>(session: &Session<BUILD>) -> &str {
    session.begun.recovered.as_deref().expect("it tells")
}

fn refused<const BUILD: u32>(dir: &Path, accept: bool) -> String {
    Session::<BUILD>::open(dir, accept).map(|_| ()).expect_err("refused").to_string()
}

fn records_of<R: pricewright_core::kernel::Record>(dir: &Path) -> Vec<R> {
    let mut reader = Reader::open(dir).expect("a journal");
    let mut found = Vec::new();
    while let Some(record) = reader.next_record().expect("readable") {
        found.extend(record.get::<R>().copied());
    }
    found
}

/// A journal that ends in a crash of a build without fault, with two snapshots; their records.
fn crashed(dir: &Path) -> [u64; 2] {
    let mut session = Session::<0>::open(dir, false).expect("opened");
    session.sell(&[1, 2, 3]);
    let first = snap(dir, &session, false);
    session.sell(&[4, 7]);
    let second = snap(dir, &session, false);
    session.sell(&[5, 7, 6]);
    [first, second]
}

#[test]
fn a_crash_is_recovered_from_the_newest_snapshot_to_the_same_state_as_from_the_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let [_, second] = crashed(dir.path());
    let session = Session::<0>::open(dir.path(), false).expect("opened");
    assert!(
        told(&session).contains(&format!("from the snapshot behind record {second} and 6 records")),
        "{}",
        told(&session)
    );
    let state = session.sequencer.driver().snapshot().expect("a state");
    let resume = session.begun.resume.clone();
    let progress = session.begun.progress;
    drop(session);

    for seq in snapshot_seqs(dir.path()).expect("listed") {
        std::fs::remove_file(snapshot_path(dir.path(), seq)).expect("removed");
    }
    let session = Session::<0>::open(dir.path(), false).expect("opened");
    assert!(told(&session).contains("from the journal's beginning"), "{}", told(&session));
    assert_eq!(session.sequencer.driver().snapshot().expect("a state"), state);
    assert_eq!(session.begun.resume, resume);
    assert_eq!(
        (session.begun.progress.events, session.begun.progress.decisions),
        (progress.events, progress.decisions)
    );
    assert_eq!(session.seen(), 8);
}

#[test]
fn damaged_and_foreign_snapshots_are_passed_over_with_a_reason_and_set_aside() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let [first, second] = crashed(dir);
    let path = snapshot_path(dir, second);
    let mut bytes = std::fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let mut ahead = read(dir, first).expect("good");
    ahead.place.seq = 4_000;
    write(dir, 4_000, &ahead.to_bytes().expect("bytes"), 9).expect("written");
    let mut other = read(dir, first).expect("good");
    other.identity.config_hash = [9; 32];
    other.place.seq = first + 1;
    write(dir, first + 1, &other.to_bytes().expect("bytes"), 9).expect("written");

    // What stands behind records that are not there is no reason to take an older one in silence.
    let why = refused::<0>(dir, false);
    assert!(why.contains("to 4000 are not there") && why.contains("--repair"), "{why}");
    // Whoever took it.
    let build = std::mem::replace(&mut ahead.identity.build_hash, [9; 32]);
    ahead.clean_stop = false;
    write(dir, 4_000, &ahead.to_bytes().expect("bytes"), 9).expect("written");
    let why = refused::<0>(dir, false);
    assert!(why.contains("to 4000 are not there"), "{why}");
    // And of another journal it says nothing of this one.
    ahead.identity.build_hash = build;
    ahead.identity.journal_id[0] ^= 1;
    write(dir, 4_000, &ahead.to_bytes().expect("bytes"), 9).expect("written");
    let session = Session::<0>::open(dir, false).expect("opened");
    let told = told(&session);
    assert!(told.contains(&format!("from the snapshot behind record {first} and")), "{told}");
    for reason in [
        format!("snapshot {second} is damaged (hash), and was set aside"),
        "snapshot 4000 is not of this journal (the journal has another id), and was set aside".to_owned(),
        format!("snapshot {} was taken under another [config]", first + 1),
    ] {
        assert!(told.contains(&reason), "{reason}: {told}");
    }
    assert_eq!(session.seen(), 8);
    assert_eq!(snapshot_seqs(dir).expect("listed"), [first, first + 1]);
    assert!(dir.join(format!("snapshot-{second:012}.pws.unfit")).exists());
}

#[test]
fn a_crashed_run_of_another_build_is_refused_each_time_and_nothing_is_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    crashed(dir);
    for _ in 0..3 {
        let why = refused::<5>(dir, false);
        assert!(why.contains("written by another build") && why.contains("--accept-divergence"), "{why}");
    }
    let session = Session::<0>::open(dir, false).expect("the build that wrote it may");
    assert!(told(&session).starts_with("recovered run 1 to record"), "{}", told(&session));
    assert_eq!(records_of::<DivergenceAccepted>(dir), []);
}

#[test]
fn another_build_takes_over_a_crashed_run_only_where_that_is_accepted_and_it_is_journalled() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let [_, second] = crashed(dir);
    let mut session = Session::<2>::open(dir, true).expect("accepted");
    assert!(
        told(&session).contains("ACCEPTED") && told(&session).contains("at 2 records"),
        "{}",
        told(&session)
    );
    // 1 2 3 4 7 by the first build; 5, then 7 which counts twice, then 6 by the second.
    assert_eq!(session.seen(), 9);
    let accepted = records_of::<DivergenceAccepted>(dir);
    assert_eq!(accepted.len(), 1);
    assert_eq!((accepted[0].records, accepted[0].run, accepted[0].build_hash), (2, 1, [0; 32]));
    assert_eq!(accepted[0].first, second + 4, "the decision on the second 7");
    session.sell(&[1]);
    drop(session);

    let again =
        Session::<2>::open(dir, false).expect("its own crash, from the snapshot that was taken at once");
    assert_eq!(again.seen(), 10);
    drop(again);
    for seq in snapshot_seqs(dir).expect("listed") {
        std::fs::remove_file(snapshot_path(dir, seq)).expect("removed");
    }
    let why = refused::<2>(dir, false);
    assert!(
        why.contains(&format!("recovery stops at record {}", second)),
        "from the beginning it differs: {why}"
    );
}

#[test]
fn a_new_build_begins_from_the_snapshot_of_a_clean_stop_even_where_it_would_have_decided_otherwise_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let mut session = Session::<0>::open(dir, false).expect("opened");
    session.sell(&[1, 7]);
    snap(dir, &session, false);
    let why = {
        session.end();
        refused::<2>(dir, false)
    };
    assert!(why.contains("decides otherwise"), "there is no snapshot of a clean stop: {why}");

    let mut session = Session::<0>::open(dir, false).expect("opened");
    session.sell(&[7, 7]);
    let end = session.sequencer.journal().last_seq() + 1;
    let (begun_resume, progress, identity, canonical) = (
        session.begun.resume.clone(),
        session.begun.progress,
        session.begun.identity,
        session.begun.canonical.clone(),
    );
    let run = session.sequencer.journal().run();
    let state = session.end();
    let mut reader = Reader::from_seq(dir, end).expect("a journal");
    let place = Place::behind(&reader.next_record().expect("readable").expect("the run's end"), run);
    let snapshot = Snapshot {
        place,
        clean_stop: true,
        identity,
        progress,
        config: canonical,
        resume: begun_resume,
        state,
    };
    write(dir, end, &snapshot.to_bytes().expect("bytes"), 9).expect("written");

    let session = Session::<2>::open(dir, false).expect("from the clean stop");
    assert!(
        told(&session).contains(&format!("from the snapshot behind record {end} and 0 records")),
        "{}",
        told(&session)
    );
    assert_eq!(session.seen(), 4);
    assert_eq!(records_of::<DivergenceAccepted>(dir), [], "nothing was to be accepted");
}

#[test]
fn an_event_that_panics_twice_is_named_and_another_build_takes_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let mut session = Session::<1>::open(dir, false).expect("opened");
    session.sell(&[1, 2]);
    snap(dir, &session, false);
    session.sell(&[3]);
    let seq = session.sequencer.journal().last_seq() + 1;
    let panicked = catch_unwind(AssertUnwindSafe(|| session.sell(&[13])));
    assert!(panicked.is_err(), "the first time, on the hot thread");
    drop(session);

    for _ in 0..2 {
        let why = refused::<1>(dir, false);
        assert!(
            why.contains(&format!("{seq} ")) && why.contains("Purchase") && why.contains("qty=13"),
            "{why}"
        );
        assert!(why.contains("--accept-divergence"), "{why}");
    }
    assert!(refused::<4>(dir, false).contains("written by another build"));
    let session = Session::<4>::open(dir, true).expect("a build that can take it");
    assert_eq!(session.seen(), 4);
    assert!(told(&session).contains("1 decisions were missing"), "{}", told(&session));
    let mut reader = Reader::open(dir).expect("a journal");
    let mut not_sent = 0;
    while let Some(record) = reader.next_record().expect("readable") {
        not_sent +=
            usize::from(record.get::<Rejected>().is_some() && record.header().flags & flags::NOT_SENT != 0);
    }
    assert_eq!(not_sent, 1, "what it decides on that event is journalled and not sent");
    assert_eq!(records_of::<DivergenceAccepted>(dir)[0].records, 0, "it decided nothing else otherwise");
}

#[test]
fn a_crash_between_an_event_and_its_decisions_is_completed_from_a_snapshot_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let mut session = Session::<0>::open(dir, false).expect("opened");
    session.sell(&[1, 2, 3]);
    snap(dir, &session, false);
    session.sell(&[4]);
    let last = session.sequencer.journal().last_seq();
    drop(session);
    cut_last_record(dir, last);
    let session = Session::<0>::open(dir, false).expect("opened");
    assert!(told(&session).contains("1 decisions were missing"), "{}", told(&session));
    assert!(told(&session).contains("from the snapshot"), "{}", told(&session));
    let mut reader = Reader::from_seq(dir, last).expect("a journal");
    let record = reader.next_record().expect("readable").expect("the new run's start");
    assert_eq!(record.header().kind, Kind::RunStart as u16);
    drop(session);
    let again = Session::<0>::open(dir, false).expect("opened");
    assert_eq!(again.seen(), 4);
}

/// Zeroes the journal's last record, as if the process had died before it was written.
fn cut_last_record(dir: &Path, seq: u64) {
    use std::os::unix::fs::FileExt as _;
    let mut reader = Reader::from_seq(dir, seq).expect("a journal");
    let cells = reader.next_record().expect("readable").expect("the record").cells().len();
    let file = std::fs::File::options().write(true).open(reader.path()).expect("the segment");
    file.write_all_at(&vec![0; cells * 64], reader.offset()).expect("written");
}

#[test]
fn without_the_first_segments_only_a_snapshot_leads_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    Session::<0>::open(dir, false).expect("opened").end();
    let mut session = Session::<0>::open(dir, false).expect("opened");
    session.sell(&[1, 2, 3]);
    snap(dir, &session, false);
    session.sell(&[4]);
    drop(session);
    std::fs::remove_file(crate::journal::segment_path(dir, 1)).expect("retention");
    assert_eq!(Session::<0>::open(dir, false).expect("from the snapshot").seen(), 4);
    for listed in list(dir).expect("listed") {
        std::fs::remove_file(listed.path).expect("removed");
    }
    let why = refused::<0>(dir, false);
    assert!(why.contains("begins at record") && why.contains("no snapshot"), "{why}");
}
