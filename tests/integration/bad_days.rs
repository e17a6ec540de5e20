//! Journals that are missing, strange, altered or in use, as the program's users meet them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use pricewright::journal::{Chainer, JournalConfig, Reader, RunIdentity, Writer, segment_path};
use pricewright_core::kernel::table::RunEnd;
use pricewright_core::kernel::{Cell, Nanos, Record as _, RecordRef};

use crate::support::{Finished, Place};

const STDIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/strategies/pricing/flash_sale/stdin.toml");
const SALES: &str = concat!(
    r#"{"type":"inventory","sku":"A","ts":"2026-01-01T00:00:00Z","initial":40,"stock":40,"base":"100.00"}"#,
    "\n",
    r#"{"type":"purchase","sku":"A","ts":"2026-01-01T00:00:01Z","qty":30}"#,
    "\n"
);
/// Each command that reads a journal.
const READERS: [&[&str]; 6] = [
    &["replay", "j"],
    &["replay", "--verify", "j"],
    &["explain", "j"],
    &["journal", "verify", "j"],
    &["journal", "inspect", "j"],
    &["journal", "stats", "j"],
];

fn sold(place: &Place) {
    let ran = place.run(&["run", STDIN, "--journal", "j"], SALES);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

fn complaint(finished: &Finished) -> &str {
    let last = finished.err.last().unwrap_or_else(|| panic!("nothing is said: {finished:#?}"));
    assert!(last.starts_with("pricewright: "), "{finished:#?}");
    last
}

fn segment(place: &Place, index: u64) -> PathBuf {
    segment_path(&place.path("j"), index)
}

#[test]
fn an_empty_directory_is_no_journal_but_can_become_one() {
    let place = Place::new();
    std::fs::create_dir(place.path("j")).expect("a directory");
    for command in READERS {
        let said = place.expect(2, command);
        assert!(complaint(&said).contains("holds no journal"), "{command:?}: {said:#?}");
    }
    sold(&place);
    place.verify("j");
}

#[test]
fn a_newer_format_is_refused_by_every_command() {
    let place = Place::new();
    sold(&place);
    let path = segment(&place, 1);
    let mut bytes = std::fs::read(&path).expect("a segment");
    bytes[8] = 2;
    std::fs::write(&path, bytes).expect("written");
    let run: &[&str] = &["run", STDIN, "--journal", "j"];
    for command in READERS.into_iter().chain([run]) {
        let said = place.expect(2, command);
        assert!(complaint(&said).contains("use a newer build"), "{command:?}: {said:#?}");
    }
}

#[test]
fn where_nothing_can_be_written_a_run_does_not_begin() {
    let place = Place::new();
    place.write("file", "no directory");
    for journal in ["file", "file/j", "/proc/pricewright-test"] {
        let said = place.expect(2, &["run", STDIN, "--journal", journal]);
        assert!(complaint(&said).contains(journal), "{said:#?}");
    }
}

#[test]
fn a_second_process_is_refused_and_the_first_is_not_disturbed() {
    let place = Place::new();
    let mut first = place.start(&["run", STDIN, "--journal", "j"]);
    first.input(SALES);
    first.wait_out("175.00");
    let said = place.expect(2, &["run", STDIN, "--journal", "j"]);
    assert!(complaint(&said).contains("is being written by another process"), "{said:#?}");
    // Readers need no lock. So short a journal has no full block that could be sealed yet.
    place.expect(0, &["journal", "verify", "j"]);
    place.expect(0, &["journal", "keygen", "key"]);
    let said = place.expect(2, &["journal", "seal", "j", "--sign", "key"]);
    assert!(complaint(&said).contains("no record in a hash chain yet"), "{said:#?}");
    let ended = first.finish();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    place.verify("j");
    place.expect(0, &["journal", "seal", "j", "--sign", "key"]);
}

#[test]
fn a_clock_that_was_set_back_never_reaches_the_journal() {
    let place = Place::new();
    sold(&place);
    std::fs::rename(place.path("j"), place.path("then")).expect("renamed");
    // The same journal as a machine would have written it whose clock was a hundred years ahead, up to its end: that holds a
    // hash of the state, and with it of the time.
    let ahead = 100 * 365 * 86_400 * 1_000_000_000;
    let mut reader = Reader::open(&place.path("then")).expect("a journal");
    let head = *reader.head();
    let identity = RunIdentity {
        config_hash: head.config_hash,
        build_hash: head.build_hash,
        boot_id: head.boot_id,
        leader_epoch: 0,
    };
    let (mut writer, _helper, _) =
        Writer::open(&place.path("j"), &JournalConfig::default(), &identity).expect("a journal");
    while let Some(record) = reader.next_record().expect("good") {
        let header = *record.header();
        if header.kind == RunEnd::KIND {
            break;
        }
        let cells: Vec<Cell> = record.cells().to_vec();
        let record = RecordRef::first_of(&cells).expect("a record");
        writer.append(record, Nanos(header.now.0 + ahead), header.cause).expect("taken");
    }
    let last = writer.last_now();
    writer.close().expect("sealed");
    // That is said, and gone on with only where somebody says so.
    place.expect(2, &["run", STDIN, "--journal", "j"]);
    let ran = place.run(&["run", STDIN, "--journal", "j", "--accept-clock"], SALES);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    place.expect(0, &["journal", "verify", "j"]);
    place.verify("j");
    let mut reader = Reader::from_end(&place.path("j")).expect("a journal");
    assert!(reader.next_record().expect("good").is_none());
    assert!(reader.last_now() >= last, "stamps go on behind the last one");
    assert!(reader.last_now().0 < last.0 + 3_600_000_000_000, "and not far behind it");
}

#[test]
fn an_auditor_needs_the_directory_a_key_and_the_program() {
    let place = Place::new();
    sold(&place);
    place.expect(0, &["journal", "keygen", "key"]);
    let mode = std::fs::metadata(place.path("key")).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let said = place.expect(1, &["journal", "verify", "j", "--key", "key.pub"]);
    assert!(complaint(&said).contains("there is no seal"), "{said:#?}");
    place.expect(2, &["journal", "seal", "j", "--sign", "key.pub"]);
    place.expect(2, &["journal", "verify", "j", "--key", "key"]);
    place.expect(2, &["journal", "keygen", "key"]);
    let sealed = place.json(&["journal", "seal", "j", "--sign", "key", "--json"]);
    assert_eq!(sealed["not_sealed"], 0);
    sold(&place);
    let found = place.json(&["journal", "verify", "j", "--key", "key.pub", "--json"]);
    assert_eq!(found["seals"][0]["last_seq"], sealed["last_seq"]);
    assert_eq!(found["seals"][0]["verdict"], "holds");
    let said = place.expect(0, &["journal", "verify", "j", "--key", "key.pub"]);
    assert!(said.out.iter().any(|line| line.contains("added since and not sealed")), "{said:#?}");
    place.expect(0, &["journal", "keygen", "other"]);
    let said = place.expect(1, &["journal", "verify", "j", "--key", "other.pub"]);
    assert!(complaint(&said).contains("no seal is by key"), "{said:#?}");
}

#[test]
fn an_altered_record_is_named_by_sequence_kind_segment_and_offset() {
    let place = Place::new();
    sold(&place);
    let mut reader = Reader::open(&place.path("j")).expect("a journal");
    let (mut seq, mut offset, mut len) = (0, 0, 0);
    while let Some(record) = reader.next_record().expect("good") {
        let (header, cells) = (*record.header(), record.cells().len());
        if reader.catalogue().kind(header.kind).is_some_and(|kind| kind.name == "Purchase") {
            (seq, offset, len) = (header.seq, reader.offset() as usize, cells * 64);
        }
    }
    let path = segment(&place, 1);
    let mut bytes = std::fs::read(&path).expect("a segment");
    bytes[offset + 40] ^= 1;
    let crc = pricewright::journal::Crc32c::table().of_bytes(&bytes[offset + 8..offset + len]);
    bytes[offset + 4..offset + 8].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, bytes).expect("written");
    let said = place.expect(1, &["journal", "verify", "j"]);
    let text = complaint(&said);
    let place_text = format!(
        "journal-00000001.pwj: offset {offset}, expected record {seq} (Purchase): the record was altered"
    );
    assert!(text.contains(&place_text), "{text}");
    place.expect(0, &["journal", "keygen", "key"]);
    let said = place.expect(1, &["journal", "seal", "j", "--sign", "key"]);
    assert!(complaint(&said).contains("not sealed, because it is damaged"), "{said:#?}");
}

#[test]
fn a_chain_that_was_switched_off_is_made_by_the_next_run_with_one() {
    let place = Place::new();
    let text = std::fs::read_to_string(STDIN).expect("an example");
    place.write("off.toml", &text.replacen("[journal]", "[journal]\nchain = false", 1));
    let ran = place.run(&["run", "off.toml", "--journal", "j"], SALES);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let found = place.json(&["journal", "verify", "j", "--json"]);
    assert!(found["chain"].is_null(), "{found:#}");
    sold(&place);
    let found = place.json(&["journal", "verify", "j", "--json"]);
    assert_eq!(found["chain"]["first_seq"], 1);
    assert_eq!(found["chain"]["last_seq"], found["stats"]["last_seq"]);
    assert_eq!(Chainer::open(&place.path("j")).and_then(|mut chainer| chainer.poll(1)).expect("whole"), None);
}

/// The newest segment and what chains it are gone; the snapshot at the end of the run that wrote them is not.
#[test]
fn records_that_only_a_snapshot_knows_of_are_missing_and_that_is_said() {
    let place = Place::new();
    sold(&place);
    let last = place.verify("j")["last_seq"].as_u64().expect("a record");
    sold(&place);
    let known = place.verify("j")["last_seq"].as_u64().expect("a record");
    for name in ["j/journal-00000002.pwj", "j/chain-00000002.pwc"] {
        std::fs::remove_file(place.path(name)).expect("it is there");
    }
    let missing = format!("records {} to {known} are not there", last + 1);
    for _ in 0..2 {
        let refused = place.run(&["run", STDIN, "--journal", "j"], "");
        assert_eq!(refused.code, Some(2), "{refused:#?}");
        assert!(
            complaint(&refused).contains(&missing) && complaint(&refused).contains("--repair"),
            "{refused:#?}"
        );
        assert!(!segment(&place, 2).exists(), "a refused run leaves nothing");
    }
    let repaired = place.run(&["run", STDIN, "--journal", "j", "--repair"], "");
    assert_eq!(repaired.code, Some(0), "{repaired:#?}");
    assert!(repaired.err.iter().any(|line| line.contains(&missing)), "{repaired:#?}");
    let list = place.read("j/repaired.jsonl");
    assert!(list.contains(&format!("\"given_up\":{}", known - last)), "{list}");
    let verified = place.expect(0, &["journal", "verify", "j"]);
    assert!(verified.out.iter().chain(&verified.err).any(|line| line.contains("REPAIRED")), "{verified:#?}");
    let again = place.run(&["run", STDIN, "--journal", "j"], "");
    assert_eq!(again.code, Some(0), "{again:#?}");
}

/// The newest segment, what chains it and the snapshots are gone: the seal knows that there was more.
#[test]
fn records_that_only_a_seal_vouches_for_are_missing_and_that_is_said() {
    let place = Place::new();
    sold(&place);
    let last = place.verify("j")["last_seq"].as_u64().expect("a record");
    sold(&place);
    let known = place.verify("j")["last_seq"].as_u64().expect("a record");
    place.expect(0, &["journal", "keygen", "key"]);
    place.expect(0, &["journal", "seal", "j", "--sign", "key"]);
    remove(&place, |name| name.starts_with("snapshot-") || name.contains("-00000002.pw"));
    let missing = format!("records {} to {known} are not there", last + 1);
    for _ in 0..2 {
        let refused = place.run(&["run", STDIN, "--journal", "j"], "");
        assert_eq!(refused.code, Some(2), "{refused:#?}");
        for said in [missing.as_str(), "seal-00000001.txt", "--repair"] {
            assert!(complaint(&refused).contains(said), "{said}: {refused:#?}");
        }
        assert!(!segment(&place, 2).exists(), "a refused run leaves nothing");
    }
    given_up_and_sealed_anew(&place, known - last);
}

/// Nothing but the seal is left: a run would begin at position 0.
#[test]
fn a_journal_of_which_only_a_seal_is_left_is_no_new_one() {
    let place = Place::new();
    sold(&place);
    let known = place.verify("j")["last_seq"].as_u64().expect("a record");
    place.expect(0, &["journal", "keygen", "key"]);
    place.expect(0, &["journal", "seal", "j", "--sign", "key"]);
    remove(&place, |name| !name.starts_with("seal-"));
    let refused = place.run(&["run", STDIN, "--journal", "j"], "");
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(complaint(&refused).contains(&format!("records up to {known} are not here")), "{refused:#?}");
    given_up_and_sealed_anew(&place, known);
}

/// The newest segment's file lost a byte behind its last record: nothing is given up, and the seal holds.
#[test]
fn a_repair_that_gives_nothing_up_leaves_the_seal_good() {
    let place = Place::new();
    sold(&place);
    sold(&place);
    place.expect(0, &["journal", "keygen", "key"]);
    place.expect(0, &["journal", "seal", "j", "--sign", "key"]);
    let path = segment(&place, 2);
    let len = std::fs::metadata(&path).expect("a segment").len();
    let file = std::fs::File::options().write(true).open(&path).expect("a segment");
    file.set_len(len - 1).expect("cut");
    let repaired = place.run(&["run", STDIN, "--journal", "j", "--repair"], "");
    assert_eq!(repaired.code, Some(0), "{repaired:#?}");
    assert!(place.read("j/repaired.jsonl").contains("\"given_up\":0,"), "nothing");
    place.verify("j");
    place.expect(0, &["journal", "verify", "j"]);
    place.expect(0, &["journal", "verify", "j", "--key", "key.pub"]);
    place.expect(0, &["journal", "seal", "j", "--sign", "key"]);
    place.expect(0, &["journal", "verify", "j", "--key", "key.pub"]);
}

/// A run goes on without what is missing, and says so, once; then the journal is good, and can be sealed again.
fn given_up_and_sealed_anew(place: &Place, records: u64) {
    let repaired = place.run(&["run", STDIN, "--journal", "j", "--repair"], SALES);
    assert_eq!(repaired.code, Some(0), "{repaired:#?}");
    let list = place.read("j/repaired.jsonl");
    assert_eq!(list.lines().count(), 1, "noted once: {list}");
    assert!(list.contains(&format!("\"given_up\":{records}")), "{list}");
    sold(place);
    let verified = place.expect(0, &["journal", "verify", "j"]).out.join("\n");
    assert!(verified.contains(&format!("{records} records given up")), "{verified}");
    place.expect(1, &["journal", "verify", "j", "--key", "key.pub"]);
    place.expect(0, &["journal", "seal", "j", "--sign", "key"]);
    place.expect(0, &["journal", "verify", "j", "--key", "key.pub"]);
    sold(place);
}

/// Removes the files of the journal whose names are `meant`.
fn remove(place: &Place, meant: impl Fn(&str) -> bool) {
    for entry in std::fs::read_dir(place.path("j")).expect("a journal") {
        let path = entry.expect("an entry").path();
        if meant(path.file_name().and_then(|name| name.to_str()).expect("a name")) {
            std::fs::remove_file(path).expect("removed");
        }
    }
}

/// What is locked is the directory, so that a run has its journal for itself whatever becomes of the files in it.
#[test]
fn a_lock_file_that_is_removed_lets_no_second_run_in() {
    let place = Place::new();
    let mut first = place.start(&["run", STDIN, "--journal", "j"]);
    first.input(SALES);
    first.wait_out("175.00");
    std::fs::remove_file(place.path("j/lock")).expect("removed");
    for more in [&[][..], &["--repair"]] {
        let refused = place.run(&[&["run", STDIN, "--journal", "j"], more].concat(), SALES);
        assert_eq!(refused.code, Some(2), "{refused:#?}");
        assert!(complaint(&refused).contains("stop that process"), "{refused:#?}");
    }
    place.expect(2, &["journal", "prune", "j", "--keep-size", "1kB"]);
    first.input(SALES.lines().last().expect("a purchase"));
    let ended = first.finish();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    place.verify("j");
    place.expect(0, &["journal", "verify", "j"]);
}

/// The same with the side file still there, which knows how many records its segment had.
#[test]
fn a_segment_that_only_its_chain_knows_of_is_noted_when_it_is_given_up() {
    let place = Place::new();
    sold(&place);
    let last = place.verify("j")["last_seq"].as_u64().expect("a record");
    sold(&place);
    let known = place.verify("j")["last_seq"].as_u64().expect("a record");
    std::fs::remove_file(segment(&place, 2)).expect("it is there");
    place.expect(1, &["journal", "verify", "j"]);
    let refused = place.run(&["run", STDIN, "--journal", "j"], "");
    assert_ne!(refused.code, Some(0), "{refused:#?}");
    let repaired = place.run(&["run", STDIN, "--journal", "j", "--repair"], "");
    assert_eq!(repaired.code, Some(0), "{repaired:#?}");
    let list = place.read("j/repaired.jsonl");
    assert_eq!(list.lines().count(), 1, "noted once: {list}");
    assert!(list.contains(&format!("\"given_up\":{}", known - last)), "{list}");
    let inspected = place.expect(0, &["journal", "inspect", "j", "--type", "Repaired"]);
    assert_eq!(inspected.out.len(), 1, "{inspected:#?}");
}
