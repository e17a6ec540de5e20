//! Repairs: they end, they are written down, and whoever verifies the journal later is told of them.

use std::path::Path;

use super::support::{altered, append_all, chained, copy, end_run, identity};
use crate::journal::repairs::{Cause, Repair, repairs};
use crate::journal::{
    Chainer, Damaged, Durability, JournalConfig, JournalError, Outcome, PublicKey, SealVerdict, SigningKey,
    Verification, Writer, chain_path, make_key_pair, seal, segment_indices, segment_path, verify, verify_by,
};

const CHAIN_MARK_AT: usize = 3712;

fn repairing() -> JournalConfig {
    JournalConfig { repair: true, ..chained() }
}

/// A run of `records` records and its end, chained; then as `leave` leaves it.
fn run(dir: &Path, config: &JournalConfig, records: u64) -> Result<Vec<Repair>, JournalError> {
    let (mut writer, _helper, report) = Writer::open(dir, config, &identity())?;
    let mut chainer = Chainer::open(dir)?;
    append_all(&mut writer, 0..records);
    end_run(&mut writer);
    writer.close()?;
    chainer.catch_up()?;
    Ok(report.repairs)
}

fn good(found: &Verification) {
    assert!(matches!(found.outcome, Outcome::Good(_)), "{:?}", found.outcome);
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

/// The last segment's chain mark has a bad byte and its side file is unfinished: each is made anew once.
#[test]
fn a_repair_ends_whatever_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &chained(), 2500).unwrap();
    run(dir.path(), &chained(), 2500).unwrap();
    let whole = tempfile::tempdir().unwrap();
    copy(dir.path(), whole.path());
    for segment in [1, 2] {
        let bad = tempfile::tempdir().unwrap();
        copy(whole.path(), bad.path());
        let path = segment_path(bad.path(), segment);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[CHAIN_MARK_AT + 40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let chain = chain_path(bad.path(), segment);
        let len = std::fs::metadata(&chain).unwrap().len();
        std::fs::File::options().write(true).open(&chain).unwrap().set_len(len - 50).unwrap();
        assert!(matches!(verify(bad.path()).outcome, Outcome::Damaged(_)));
        let before = files(bad.path());
        let done = run(bad.path(), &repairing(), 10).unwrap();
        assert!(!done.is_empty() && done.len() <= 4, "{done:?}");
        assert!(files(bad.path()) <= before + 6, "few files were set aside");
        let found = verify(bad.path());
        good(&found);
        assert_eq!(found.repairs, done);
        assert_eq!(found.stats.last_seq, 5002 + 11);
        // Once is enough.
        assert_eq!(run(bad.path(), &chained(), 10).unwrap(), []);
    }
}

/// A journal of three segments with damage in the middle of the second, and what `verify` says of it.
fn damaged_in_the_middle() -> (tempfile::TempDir, Box<Damaged>) {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        run(dir.path(), &chained(), 2500).unwrap();
    }
    let path = segment_path(dir.path(), 2);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = (bytes.len() / 2) & !63;
    bytes[middle..middle + 64].fill(0xee);
    std::fs::write(&path, bytes).unwrap();
    match verify(dir.path()).outcome {
        Outcome::Damaged(damaged) => (dir, damaged),
        other => panic!("{other:?}"),
    }
}

/// A segment in the middle is cut at the damage, what follows is set aside, and the chain is that of what is left.
#[test]
fn after_a_repair_the_journal_is_good_and_the_repair_is_named() {
    let (dir, damaged) = damaged_in_the_middle();
    let done = run(dir.path(), &repairing(), 10).unwrap();
    assert_eq!((done[0].segment, done[0].last_seq, done[0].cause), (2, damaged.seq - 1, Cause::Repair));
    let found = verify(dir.path());
    good(&found);
    assert_eq!((found.stats.last_seq, found.repairs), (damaged.seq - 1 + 11, done));
    assert_eq!(repairs(dir.path()).unwrap().len(), verify(dir.path()).repairs.len());
}

/// A segment that is set aside whole, though its records could be read, does not count as there.
#[test]
fn a_run_goes_on_behind_what_a_repair_leaves() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        run(dir.path(), &chained(), 100).unwrap();
    }
    let path = segment_path(dir.path(), 2);
    let mut bytes = std::fs::read(&path).unwrap();
    // Behind its end cell.
    bytes.resize(bytes.len() + 64, 0xee);
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(verify(dir.path()).outcome, Outcome::Damaged(_)));
    let done = run(dir.path(), &repairing(), 10).unwrap();
    assert_eq!((done[0].segment, done[0].last_seq, done[0].given_up), (2, 101, 202), "{done:?}");
    let found = verify(dir.path());
    good(&found);
    assert_eq!(found.stats.last_seq, 101 + 11);
}

/// Whoever opens with a repair sees first what it would leave, and may refuse: then nothing is changed.
#[test]
fn a_repair_is_judged_before_anything_is_changed() {
    let (dir, damaged) = damaged_in_the_middle();
    let bytes = std::fs::read(segment_path(dir.path(), 2)).unwrap();
    // An opening does not look for the record's kind.
    let kind = damaged.kind.as_ref().map_or(String::new(), |kind| format!(" ({kind})"));
    let plain = damaged.what().replacen(&kind, "", 1);
    let before = files(dir.path());
    let seen = std::cell::Cell::new(0);
    let judge = |left: &crate::journal::Left| {
        assert_eq!((left.first_seq, left.last_seq), (1, damaged.seq - 1));
        assert_eq!(left.damage, Some(plain.clone()));
        seen.set(seen.get() + 1);
        Err("not so".to_owned())
    };
    let refused = Writer::open_judged(dir.path(), &repairing(), &identity(), &judge).map(|_| ());
    assert!(matches!(refused, Err(JournalError::Refused(_))), "{refused:?}");
    assert_eq!((seen.get(), files(dir.path())), (1, before));
    assert_eq!(std::fs::read(segment_path(dir.path(), 2)).unwrap(), bytes);
    assert!(repairs(dir.path()).unwrap().is_empty());
    // Where nothing would be given up, nobody is asked.
    let good = tempfile::tempdir().unwrap();
    run(good.path(), &chained(), 100).unwrap();
    Writer::open_judged(good.path(), &repairing(), &identity(), &judge).unwrap();
    assert_eq!(seen.get(), 1);
}

/// A run that comes to nothing is taken back, and the journal is what it was, whatever its records survive.
#[test]
fn a_discarded_run_leaves_the_journal_as_it_was() {
    for durability in [Durability::Process, Durability::Group] {
        let dir = tempfile::tempdir().unwrap();
        let config = JournalConfig { durability, ..chained() };
        let (mut writer, _helper, _) = Writer::open(dir.path(), &config, &identity()).unwrap();
        append_all(&mut writer, 0..50);
        writer.discard().unwrap();
        assert!(segment_indices(dir.path()).unwrap().is_empty());
        let (mut writer, _helper, report) = Writer::open(dir.path(), &config, &identity()).unwrap();
        assert_eq!(report.last_seq, 0);
        append_all(&mut writer, 0..50);
        end_run(&mut writer);
        writer.close().unwrap();
        let before = std::fs::read(segment_path(dir.path(), 1)).unwrap();
        let (mut writer, _helper, _) = Writer::open(dir.path(), &config, &identity()).unwrap();
        append_all(&mut writer, 50..90);
        writer.discard().unwrap();
        assert_eq!(segment_indices(dir.path()).unwrap(), [1]);
        let after = std::fs::read(segment_path(dir.path(), 1)).unwrap();
        // The chain mark that the opening adds aside.
        assert!(after.len() == before.len() && after[4096..] == before[4096..]);
        let (writer, _helper, report) = Writer::open(dir.path(), &config, &identity()).unwrap();
        assert_eq!((report.last_seq, report.clean, report.runs), (51, true, 1));
        writer.close().unwrap();
        good(&verify(dir.path()));
    }
}

struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Self {
        let keys = Self(tempfile::tempdir().unwrap());
        make_key_pair(&keys.0.path().join("key")).unwrap();
        keys
    }

    fn seal(&self, dir: &Path) {
        let key = SigningKey::read(&self.0.path().join("key")).unwrap();
        seal(dir, &key, jiff::Timestamp::now()).unwrap();
    }

    fn public(&self) -> PublicKey {
        PublicKey::read(&self.0.path().join("key.pub")).unwrap()
    }
}

/// The list of repairs is not signed: an audit with a key needs a seal from after the repair.
#[test]
fn a_repair_excuses_a_broken_seal_only_where_a_later_one_says_the_same() {
    let (dir, keys) = (tempfile::tempdir().unwrap(), Keys::new());
    run(dir.path(), &chained(), 2500).unwrap();
    keys.seal(dir.path());
    altered(dir.path(), 321, |record| record[50] ^= 4);
    assert!(matches!(verify(dir.path()).outcome, Outcome::Damaged(_)));
    // The chain that contradicts the record is set aside and made anew.
    let done = run(dir.path(), &repairing(), 10).unwrap();
    assert_eq!(done[0].last_seq, 320, "{done:?}");
    let found = verify(dir.path());
    good(&found);
    assert_eq!(found.seals[0].verdict, SealVerdict::Repaired);
    let Outcome::Damaged(damaged) = verify_by(dir.path(), Some(&keys.public())).outcome else { panic!() };
    assert!(damaged.to_string().contains("no seal by key"), "{damaged}");
    keys.seal(dir.path());
    let found = verify_by(dir.path(), Some(&keys.public()));
    good(&found);
    let verdicts: Vec<_> = found.seals.iter().map(|seal| seal.verdict).collect();
    assert_eq!(verdicts, [SealVerdict::Repaired, SealVerdict::Holds]);
}

/// Made anew without a word it would vouch for whatever the segment says by then.
#[test]
fn a_side_file_that_was_taken_away_is_made_anew_by_a_repair_alone_and_that_is_named() {
    let keys = tempfile::tempdir().unwrap();
    make_key_pair(&keys.path().join("key")).unwrap();
    let key = SigningKey::read(&keys.path().join("key")).unwrap();
    for gone in [&[1][..], &[2], &[1, 2]] {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), &chained(), 2500).unwrap();
        run(dir.path(), &chained(), 2500).unwrap();
        assert_eq!(segment_indices(dir.path()).unwrap().len(), 2, "a segment a run");
        for segment in gone {
            let chain = chain_path(dir.path(), *segment);
            std::fs::remove_file(&chain).unwrap();
            // A name alone is no note.
            std::fs::write(chain.with_extension("pwc.damaged"), "").unwrap();
        }
        let before = files(dir.path());
        let Err(JournalError::Damaged(damaged)) = run(dir.path(), &chained(), 10) else {
            panic!("{gone:?}: a run goes on")
        };
        assert_eq!(damaged.path, chain_path(dir.path(), gone[0]));
        assert!(seal(dir.path(), &key, jiff::Timestamp::UNIX_EPOCH).is_err(), "{gone:?}: it is sealed");
        assert_eq!(files(dir.path()), before, "{gone:?}: nothing is made");
        let done = run(dir.path(), &repairing(), 10).unwrap();
        assert_eq!(done.len(), gone.len(), "{done:?}");
        let found = verify(dir.path());
        good(&found);
        assert_eq!(found.repairs.len(), gone.len(), "{gone:?}");
        run(dir.path(), &chained(), 10).unwrap();
    }
}

/// The newest segment's file lost its end, and no record with it: recovery seals the segment anew, and the records are still
/// those that were sealed.
#[test]
fn a_seal_holds_after_a_repair_that_gave_nothing_up() {
    let keys = Keys::new();
    for alter in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            run(dir.path(), &chained(), 2500).unwrap();
        }
        keys.seal(dir.path());
        let path = segment_path(dir.path(), 2);
        let len = std::fs::metadata(&path).unwrap().len();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
        let done = run(dir.path(), &repairing(), 10).unwrap();
        assert_eq!((done.len(), done[0].last_seq, done[0].given_up), (1, 5002, 0), "{done:?}");
        if alter {
            // Somebody makes use of it, and chains what he altered.
            altered(dir.path(), 321, |record| record[50] ^= 4);
            for index in segment_indices(dir.path()).unwrap() {
                std::fs::remove_file(chain_path(dir.path(), index)).unwrap();
                let mut bytes = std::fs::read(segment_path(dir.path(), index)).unwrap();
                bytes[CHAIN_MARK_AT..CHAIN_MARK_AT + 128].fill(0);
                std::fs::write(segment_path(dir.path(), index), bytes).unwrap();
            }
            Chainer::open(dir.path()).unwrap().catch_up().unwrap();
            let Outcome::Damaged(damaged) = verify(dir.path()).outcome else { panic!() };
            assert!(damaged.to_string().contains("not the one that was sealed"), "{damaged}");
            continue;
        }
        let found = verify_by(dir.path(), Some(&keys.public()));
        good(&found);
        keys.seal(dir.path());
        let found = verify_by(dir.path(), Some(&keys.public()));
        good(&found);
        let verdicts: Vec<_> = found.seals.iter().map(|seal| seal.verdict).collect();
        assert_eq!(verdicts, [SealVerdict::Holds; 2]);
    }
}
