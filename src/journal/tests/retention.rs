//! What retention removes, and what it never removes.

use std::path::Path;
use std::time::Duration;

use pricewright_core::kernel::Nanos;
use quickcheck::quickcheck;

use super::support::{append_all, end_run, open, read_all};
use crate::journal::archive::{Holding, Reason, holdings, removed};
use crate::journal::retention::{Keep, Pruning, Retention};
use crate::journal::{JournalError, Outcome, Tail, segment_indices, stats, verify};

/// Twelve segments at least, in three runs, all sealed.
fn journal(dir: &Path) {
    for seed in 0..3 {
        let (mut writer, mut helper, _) = open(dir);
        for part in 0..40 {
            append_all(&mut writer, part * 500 + seed..part * 500 + 500 + seed);
            helper.poll();
        }
        end_run(&mut writer);
        writer.close().unwrap();
    }
}

fn bytes(dir: &Path) -> u64 {
    holdings(dir).unwrap().iter().map(|holding| holding.bytes).sum()
}

/// Polls until there is nothing to do.
fn settle(retention: &mut Retention, now: Nanos, covered: Option<u64>) -> usize {
    let mut polls = 0;
    while retention.poll(now, &mut || covered).unwrap() > 0 {
        polls += 1;
    }
    polls
}

#[test]
fn size_is_kept_within_what_a_snapshot_covers() {
    let place = tempfile::tempdir().unwrap();
    let (dir, to) = (place.path().join("journal"), place.path().join("archive"));
    journal(&dir);
    let (before, all) = (read_all(&dir), holdings(&dir).unwrap());
    let keep = Keep { size: Some(bytes(&dir) / 2), ..Keep::default() };
    let mut retention = Retention::new(&dir, keep, Some(to.clone()));
    assert_eq!(settle(&mut retention, Nanos(0), None), all.len() / 8);
    assert_eq!(holdings(&dir).unwrap(), all, "no snapshot, nothing goes");
    // Covered up to the end of the second segment.
    let mut retention = Retention::new(&dir, keep, Some(to.clone()));
    let polls = settle(&mut retention, Nanos(0), Some(all[1].last_seq));
    assert!(polls > 10, "compressing is done in small steps: {polls}");
    assert_eq!(holdings(&dir).unwrap(), all[2..]);
    let mut retention = Retention::new(&dir, keep, Some(to.clone()));
    settle(&mut retention, Nanos(0), Some(all.last().unwrap().last_seq));
    let left = holdings(&dir).unwrap();
    assert!(bytes(&dir) <= keep.size.unwrap() && !left.is_empty());
    let one_more = left[0].index as usize - 2;
    assert!(bytes(&dir) + all[one_more].bytes > keep.size.unwrap(), "no more goes than must");
    assert!(matches!(verify(&dir).outcome, Outcome::Good(Tail::Sealed)));
    // Archive and rest are the journal.
    let first = left[0].first_seq as usize - 1;
    assert_eq!(read_all(&to), before[..first]);
    assert_eq!(read_all(&dir), before[first..]);
    let list = removed(&dir).unwrap();
    let gone: Vec<u64> = list.iter().map(|entry| entry.segment).collect();
    assert_eq!(gone, (1..left[0].index).collect::<Vec<_>>());
    assert!(list.iter().all(|entry| entry.reason == Reason::Size && entry.archive.as_deref() == Some(&to)));
    assert_eq!(list.last().unwrap().last_seq + 1, stats(&dir).unwrap().first_seq);
}

#[test]
fn a_live_journal_is_cut_behind_its_writer() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut helper, _) = open(dir.path());
    let keep = Keep { size: Some(2 << 20), ..Keep::default() };
    let mut retention = Retention::new(dir.path(), keep, None);
    for part in 0..100 {
        append_all(&mut writer, part * 500..part * 500 + 500);
        helper.poll();
        retention.poll(Nanos(0), &mut || Some(u64::MAX)).unwrap();
    }
    let mut retention = Retention::new(dir.path(), keep, None);
    settle(&mut retention, Nanos(0), Some(u64::MAX));
    assert!(bytes(dir.path()) <= 2 << 20);
    let newest = *segment_indices(dir.path()).unwrap().last().unwrap();
    assert!(newest > 4);
    append_all(&mut writer, 0..100);
    let last = writer.last_seq();
    writer.close().unwrap();
    assert_eq!(stats(dir.path()).unwrap().last_seq, last);
    let (_writer, _helper, report) = open(dir.path());
    assert_eq!(report.last_seq, last);
}

#[test]
fn an_archive_that_cannot_take_it_keeps_the_segment() {
    let place = tempfile::tempdir().unwrap();
    let (dir, other) = (place.path().join("journal"), place.path().join("other"));
    journal(&dir);
    journal(&other);
    let all = holdings(&dir).unwrap();
    let keep = Keep { size: Some(1), ..Keep::default() };
    let mut retention = Retention::new(&dir, keep, Some(other));
    let error = loop {
        match retention.poll(Nanos(0), &mut || Some(u64::MAX)) {
            Ok(0) => panic!("nothing was tried"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::Refused(_)), "{error}");
    assert_eq!(
        retention.poll(Nanos(0), &mut || Some(u64::MAX)).unwrap(),
        0,
        "it waits before it tries again"
    );
    assert_eq!(holdings(&dir).unwrap(), all);
}

fn holding(index: u64, bytes: u64, last_now: i64) -> Holding {
    Holding {
        index,
        run: 1,
        journal_id: [0; 16],
        first_seq: index * 10,
        last_seq: index * 10 + 9,
        last_now: Nanos(last_now),
        written: Nanos(last_now),
        bytes,
        compressed: false,
    }
}

#[test]
fn plans() {
    let second = 1_000_000_000;
    let all: Vec<Holding> = (1..=5).map(|index| holding(index, 100, index as i64 * second)).collect();
    let now = Nanos(10 * second);
    let age = |seconds| Keep { age: Some(Duration::from_secs(seconds)), size: None };
    let size = |bytes| Keep { age: None, size: Some(bytes) };
    let both = Keep { age: Some(Duration::from_secs(8)), size: Some(250) };
    // Limits, what is covered, what goes, how many more would.
    let cases = [
        (Keep::default(), Some(u64::MAX), 0, 0),
        (age(7), Some(u64::MAX), 2, 0),
        (age(7), Some(28), 1, 1),
        (age(7), Some(29), 2, 0),
        (age(7), None, 0, 2),
        (age(1), Some(u64::MAX), 4, 0),
        (size(500), Some(u64::MAX), 0, 0),
        (size(499), Some(u64::MAX), 1, 0),
        (size(1), Some(u64::MAX), 4, 0),
        (size(1), Some(39), 3, 1),
        (both, Some(u64::MAX), 3, 0),
    ];
    for (keep, covered, remove, needed) in cases {
        let plan = keep.plan(&all, 500, 5, now, covered);
        let gone: Vec<u64> = plan.remove.iter().map(|(holding, _)| holding.index).collect();
        assert_eq!(gone, (1..=remove).collect::<Vec<_>>(), "{keep:?} {covered:?}");
        assert_eq!(plan.needed, needed, "{keep:?} {covered:?}");
    }
    let reasons: Vec<Reason> =
        both.plan(&all, 500, 5, now, Some(99)).remove.iter().map(|(_, why)| *why).collect();
    assert_eq!(reasons, [Reason::Age, Reason::Size, Reason::Size]);
}

/// A clock that was wrong once left stamps or files of the wrong time: the younger of both counts.
#[test]
fn an_age_needs_the_stamp_and_the_file() {
    let day = 86_400_000_000_000;
    let keep = Keep { age: Some(Duration::from_secs(7 * 86_400)), size: None };
    let at = |last_now: i64, written: i64| Holding {
        last_now: Nanos(last_now * day),
        written: Nanos(written * day),
        ..holding(1, 100, 0)
    };
    for (segment, goes) in
        [(at(90, 90), true), (at(90, 95), false), (at(95, 90), false), (at(4_000, 90), false)]
    {
        let plan = keep.plan(std::slice::from_ref(&segment), 100, 2, Nanos(100 * day), Some(u64::MAX));
        assert_eq!(plan.remove.len(), usize::from(goes), "{segment:?}");
    }
}

quickcheck! {
    /// Whatever the limits: a prefix goes, never the newest, never what is not covered.
    fn a_plan_takes_a_covered_prefix(sizes: Vec<u16>, limit: u32, age: u16, covered: u8) -> bool {
        let all: Vec<Holding> =
            (1..).zip(&sizes).map(|(index, bytes)| holding(index, u64::from(*bytes), index as i64)).collect();
        let newest = all.len() as u64;
        let keep = Keep { age: Some(Duration::from_nanos(age.into())), size: Some(limit.into()) };
        let total = all.iter().map(|holding| holding.bytes).sum();
        let covered = u64::from(covered);
        let plan = keep.plan(&all, total, newest, Nanos(newest as i64), Some(covered));
        plan.remove.iter().zip(&all).all(|((gone, _), expected)| gone == expected)
            && plan.remove.iter().all(|(gone, _)| gone.index < newest && gone.last_seq <= covered)
    }
}

#[test]
fn pruning_needs_the_lock_and_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path());
    let all = holdings(dir.path()).unwrap();
    let keep = Keep { size: Some(1), ..Keep::default() };
    let pruning = Pruning::open(dir.path()).unwrap();
    assert!(matches!(Pruning::open(dir.path()), Err(JournalError::Locked { .. })));
    let plan = pruning.plan(&keep, Nanos(0), None);
    assert_eq!((plan.remove.len(), plan.needed), (0, all.len() as u64 - 1));
    pruning.remove(&plan).unwrap();
    assert_eq!(holdings(dir.path()).unwrap(), all);
    let plan = pruning.plan(&keep, Nanos(0), Some(all[3].last_seq));
    assert_eq!(plan.remove.len(), 4);
    pruning.remove(&plan).unwrap();
    assert_eq!(holdings(dir.path()).unwrap(), all[4..]);
    drop(pruning);
    assert!(matches!(verify(dir.path()).outcome, Outcome::Good(Tail::Sealed)));
    // A cut line, as a crash leaves it, costs only itself.
    let list = dir.path().join("removed.jsonl");
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, &text[..text.len() - 10]).unwrap();
    let pruning = Pruning::open(dir.path()).unwrap();
    let plan = pruning.plan(&keep, Nanos(0), Some(all[4].last_seq));
    pruning.remove(&plan).unwrap();
    let gone: Vec<u64> = removed(dir.path()).unwrap().iter().map(|entry| entry.segment).collect();
    assert_eq!(gone, [1, 2, 3, 5]);
}
