//! Seals: what an auditor is told about a journal that somebody may have changed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::support::{altered, append_all, chained, copy, end_run, identity, open};
use crate::journal::archive::{Reason, holdings, remove_segment};
use crate::journal::{
    Chainer, Damage, JournalError, Outcome, PublicKey, SealVerdict, Sealed, SigningKey, Writer, chain_path,
    make_key_pair, seal, segment_path, verify, verify_by,
};

/// Made and signed by OpenSSL 3.0.19: `openssl genpkey -algorithm ed25519`, `openssl pkey -pubout`,
/// `openssl pkeyutl -sign -rawin`.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIHfHQJjqUtXczwLkKMWW4P5AXLOV+qjDV/55xscRap0T\n\
    -----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAckYXamp3mxneTQkfDS6mf7Cje+sCV7ZIsmHNYNvPXs8=\n\
    -----END PUBLIC KEY-----\n";
const MESSAGE: &[u8] = b"a statement\n";
const SIGNATURE: &str = "e6c1e8271908e9c08ad5efd2674c49fc52da0391178b888860fdb4315244b5a4\
    165845cbb89faa5d33f305dd74cddd3c6d15b9a83b8dd728dc88c641a6676a04";

/// A key pair and a journal of one chained run.
struct Case {
    dir: tempfile::TempDir,
    keys: tempfile::TempDir,
}

impl Case {
    fn new(records: u64) -> Self {
        let case = Self { dir: tempfile::tempdir().unwrap(), keys: tempfile::tempdir().unwrap() };
        make_key_pair(&case.keys.path().join("key")).unwrap();
        case.run(records);
        case
    }

    fn run(&self, records: u64) {
        let (mut writer, _helper, _) = Writer::open(self.dir(), &chained(), &identity()).unwrap();
        let mut chainer = Chainer::open(self.dir()).unwrap();
        append_all(&mut writer, 0..records);
        end_run(&mut writer);
        writer.close().unwrap();
        chainer.catch_up().unwrap();
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn key(&self) -> SigningKey {
        SigningKey::read(&self.keys.path().join("key")).unwrap()
    }

    fn public(&self) -> PublicKey {
        PublicKey::read(&self.keys.path().join("key.pub")).unwrap()
    }

    fn seal(&self) -> Result<Sealed, JournalError> {
        seal(self.dir(), &self.key(), "2026-11-21T12:00:00.5Z".parse().unwrap())
    }

    /// What `verify --key` says of a journal that it does not find good.
    fn complaint(&self) -> String {
        match verify_by(self.dir(), Some(&self.public())).outcome {
            Outcome::Damaged(damaged) => damaged.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_seal_holds_and_says_what_came_after_it() {
    let case = Case::new(3000);
    let sealed = case.seal().unwrap();
    assert_eq!((sealed.seal.reach.first_seq, sealed.seal.reach.last_seq, sealed.last_seq), (1, 3001, 3001));
    let found = verify_by(case.dir(), Some(&case.public()));
    assert!(matches!(found.outcome, Outcome::Good(_)), "{:?}", found.outcome);
    assert_eq!(found.chain.map(|chain| chain.link), Some(sealed.seal.reach.link));
    case.run(500);
    case.seal().unwrap();
    let found = verify_by(case.dir(), Some(&case.public()));
    let verdicts: Vec<_> = found.seals.iter().map(|seal| (seal.seal.reach.last_seq, seal.verdict)).collect();
    assert_eq!(verdicts, [(3001, SealVerdict::Holds), (3502, SealVerdict::Holds)]);
    assert_eq!(found.stats.last_seq, 3502);
    // Somebody takes the first segment away: no list says so.
    let copied = tempfile::tempdir().unwrap();
    copy(case.dir(), copied.path());
    std::fs::remove_file(segment_path(copied.path(), 1)).unwrap();
    std::fs::remove_file(chain_path(copied.path(), 1)).unwrap();
    for key in [None, Some(&case.public())] {
        let Outcome::Damaged(damaged) = verify_by(copied.path(), key).outcome else { panic!("{key:?}") };
        assert_eq!((&damaged.damage, damaged.seq), (&Damage::Front(3001), 1));
    }
    // Retention takes it; the older seal has nothing left to vouch for, and what the newer one vouched for is named.
    let first = holdings(case.dir()).unwrap().remove(0);
    remove_segment(case.dir(), &first, Reason::Age, None).unwrap();
    let found = verify_by(case.dir(), Some(&case.public()));
    assert!(matches!(found.outcome, Outcome::Good(_)), "{:?}", found.outcome);
    let verdicts: Vec<_> = found.seals.iter().map(|seal| seal.verdict).collect();
    assert_eq!(verdicts, [SealVerdict::Gone, SealVerdict::Holds]);
    let missing = found.missing.unwrap();
    assert_eq!((missing.last_seq, missing.removed.len(), missing.removed[0].reason), (3001, 1, Reason::Age));
    // A list that names only a part of it is not enough.
    let list = case.dir().join("removed.jsonl");
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, text.replace("\"last_seq\":3001", "\"last_seq\":3000")).unwrap();
    let Outcome::Damaged(damaged) = verify(case.dir()).outcome else { panic!() };
    assert_eq!((&damaged.damage, damaged.seq), (&Damage::Front(3001), 3001));
}

#[test]
fn another_key_or_none_is_said() {
    let case = Case::new(100);
    assert!(case.complaint().contains("there is no seal"), "{}", case.complaint());
    let sealed = case.seal().unwrap();
    let other = make_key_pair(&case.keys.path().join("other")).unwrap().1;
    let Outcome::Damaged(damaged) = verify_by(case.dir(), Some(&other)).outcome else { panic!() };
    let text = damaged.to_string();
    assert!(text.contains(&format!("no seal is by key {other}")), "{text}");
    assert!(text.contains(&sealed.seal.key.to_string()), "{text}");
}

#[test]
fn an_altered_seal_is_found_bit_by_bit() {
    let case = Case::new(10);
    let sealed = case.seal().unwrap();
    for path in [sealed.path.clone(), sealed.path.with_extension("sig")] {
        let good = std::fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).unwrap();
            let error = crate::journal::seal::read_seal(case.dir(), 1).unwrap_err();
            assert!(error.to_string().contains("seal"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(case.complaint().contains("missing"), "{}", case.complaint());
        std::fs::write(&path, &good).unwrap();
    }
    assert!(matches!(verify(case.dir()).outcome, Outcome::Good(_)));
}

#[test]
fn a_journal_with_a_chain_made_anew_does_not_fit_its_seal() {
    let case = Case::new(1000);
    case.seal().unwrap();
    altered(case.dir(), 500, |record| record[40] ^= 1);
    std::fs::remove_file(chain_path(case.dir(), 1)).unwrap();
    Chainer::open(case.dir()).unwrap().catch_up().unwrap();
    let text = case.complaint();
    assert!(text.contains("not the one that was sealed: records up to 1001"), "{text}");
    // Without the seal nobody could tell.
    for ending in ["txt", "sig"] {
        std::fs::remove_file(case.dir().join(format!("seal-00000001.{ending}"))).unwrap();
    }
    assert!(matches!(verify(case.dir()).outcome, Outcome::Good(_)));
}

#[test]
fn another_journal_in_its_place_does_not_fit_the_seal() {
    let (case, other) = (Case::new(100), Case::new(100));
    let sealed = case.seal().unwrap();
    for path in [sealed.path.clone(), sealed.path.with_extension("sig")] {
        std::fs::copy(&path, other.dir().join(path.file_name().unwrap())).unwrap();
    }
    let Outcome::Damaged(damaged) = verify_by(other.dir(), Some(&case.public())).outcome else { panic!() };
    assert!(damaged.to_string().contains("of another journal"), "{damaged}");
}

#[test]
fn a_journal_cut_behind_its_seal_is_found() {
    let case = Case::new(1000);
    case.run(1000);
    case.seal().unwrap();
    for path in [segment_path(case.dir(), 2), chain_path(case.dir(), 2)] {
        std::fs::remove_file(path).unwrap();
    }
    let text = case.complaint();
    assert!(text.contains("sealed up to record 2002, and ends at 1001"), "{text}");
}

#[test]
fn without_its_chain_files_a_journal_still_fits_its_seal() {
    let case = Case::new(1000);
    case.seal().unwrap();
    std::fs::remove_file(chain_path(case.dir(), 1)).unwrap();
    let found = verify_by(case.dir(), Some(&case.public()));
    let Outcome::Damaged(damaged) = &found.outcome else { panic!("{found:?}") };
    assert_eq!(damaged.damage, Damage::ChainFile("it is not there"));
    // Whoever makes it anew gets the same links.
    Chainer::open(case.dir()).unwrap().catch_up().unwrap();
    let found = verify_by(case.dir(), Some(&case.public()));
    assert!(matches!(found.outcome, Outcome::Good(_)), "{:?}", found.outcome);
}

#[test]
fn a_damaged_journal_is_not_sealed() {
    let case = Case::new(1000);
    altered(case.dir(), 7, |record| record[40] ^= 1);
    let error = case.seal().unwrap_err();
    assert!(matches!(&error, JournalError::Damaged(damaged) if damaged.seq == 7), "{error}");
    assert!(!case.dir().join("seal-00000001.txt").exists());
}

#[test]
fn a_live_journal_is_sealed_as_far_as_it_is_chained() {
    let case = Case::new(10);
    let (mut writer, _helper, _) = Writer::open(case.dir(), &chained(), &identity()).unwrap();
    let mut chainer = Chainer::open(case.dir()).unwrap();
    append_all(&mut writer, 0..3000);
    chainer.catch_up().unwrap();
    let sealed = case.seal().unwrap();
    let reached = sealed.seal.reach.last_seq;
    assert!((2000..3011).contains(&reached), "all but an open block: {reached}");
    assert_eq!(sealed.last_seq, 3011);
    append_all(&mut writer, 0..3000);
    end_run(&mut writer);
    writer.close().unwrap();
    chainer.catch_up().unwrap();
    let found = verify_by(case.dir(), Some(&case.public()));
    assert!(matches!(found.outcome, Outcome::Good(_)), "{:?}", found.outcome);
    assert_eq!(found.seals.first().map(|seal| seal.verdict), Some(SealVerdict::Holds));
}

#[test]
fn a_live_journal_without_a_chain_cannot_be_sealed() {
    let (dir, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make_key_pair(&keys.path().join("key")).unwrap();
    let key = SigningKey::read(&keys.path().join("key")).unwrap();
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let (mut writer, _helper, _) = open(dir.path());
    append_all(&mut writer, 0..10);
    let error = seal(dir.path(), &key, now).unwrap_err();
    assert!(matches!(error, JournalError::NoChain { .. }), "{error}");
    end_run(&mut writer);
    writer.close().unwrap();
    // Nobody writes it any more: the chain is made for the seal.
    let before = tempfile::tempdir().unwrap();
    copy(dir.path(), before.path());
    assert_eq!(seal(dir.path(), &key, now).unwrap().seal.reach.last_seq, 11);
    assert!(!chain_path(before.path(), 1).exists() && chain_path(dir.path(), 1).exists());
}

#[test]
fn keys_are_those_of_openssl() {
    let keys = tempfile::tempdir().unwrap();
    let (private, public) = (keys.path().join("k"), keys.path().join("k.pub"));
    std::fs::write(&private, PRIVATE).unwrap();
    std::fs::write(&public, PUBLIC).unwrap();
    let key = SigningKey::read(&private).unwrap();
    let signature = key.sign(MESSAGE);
    assert_eq!(signature.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), SIGNATURE);
    assert_eq!(PublicKey::read(&public).unwrap(), key.public());
    assert!(key.public().signed(MESSAGE, &signature));
    assert!(!key.public().signed(b"another", &signature));
}

#[test]
fn a_key_pair_is_made_once_and_kept_private() {
    let keys = tempfile::tempdir().unwrap();
    let path = keys.path().join("key");
    let (public, key) = make_key_pair(&path).unwrap();
    assert_eq!(public, keys.path().join("key.pub"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(SigningKey::read(&path).unwrap().public(), key);
    let before = std::fs::read(&path).unwrap();
    for _ in 0..2 {
        let error = make_key_pair(&path).unwrap_err();
        assert!(error.to_string().contains("there already"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::remove_file(&public).ok();
    }
    // One half in place of the other, and no key at all.
    assert!(PublicKey::read(&path).unwrap_err().to_string().contains("BEGIN PUBLIC KEY"));
    std::fs::write(&public, "rubbish").unwrap();
    assert!(SigningKey::read(&public).unwrap_err().to_string().contains("BEGIN PRIVATE KEY"));
    let text = format!("{:?}", SigningKey::read(&path).unwrap());
    assert!(!text.contains(&before.iter().map(|byte| format!("{byte:02x}")).collect::<String>()), "{text}");
}
