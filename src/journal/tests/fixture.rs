//! The journal of the first format that is committed beside the code: it must be readable for ever.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use pricewright_core::kernel::record::RecordSink;
use pricewright_core::kernel::schema::{FieldSchema, FieldType, RecordSchema};
use pricewright_core::kernel::table::{OrderAdd, PlaceOrder, RunEnd, SCHEMAS};
use pricewright_core::kernel::{Class, HEADER_LEN, Nanos, Record, RecordBuf, RecordRef, flags};
use serde_json::Value;
use zerocopy::IntoBytes;

use super::support::{chained, record_of};
use crate::journal::{
    Chainer, Outcome, PublicKey, Reader, RunIdentity, SealVerdict, SigningKey, Tail, Writer, make_key_pair,
    seal, segment_path, to_json, verify_by,
};

/// The fixture's directory.
pub(super) fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("replay-data/journal-v1")
}

/// Its records as the other reader shows them.
pub(super) fn expected() -> Vec<Value> {
    let text = std::fs::read_to_string(fixture().join("expected.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `expected.jsonl` was written by `examples/read_journal.py`, which knows of the format only what `docs/journal-format.md` says.
#[test]
fn the_first_format_is_read_for_ever() {
    let mut reader = Reader::open(&fixture()).unwrap();
    let mut records = 0;
    for expected in expected() {
        let shown = reader.next_record().unwrap().map(|record| (*record.header(), record.cells().to_vec()));
        let (_, cells) = shown.unwrap_or_else(|| panic!("the journal ends before {expected}"));
        let record = RecordRef::first_of(&cells).unwrap();
        let shown = to_json(&record, reader.catalogue());
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), expected);
        records += 1;
    }
    assert!(reader.next_record().unwrap().is_none());
    assert_eq!((reader.head().run, reader.head().format_version), (3, 1));
    let key = PublicKey::read(&fixture().join("key.pub")).unwrap();
    let verification = verify_by(&fixture(), Some(&key));
    assert!(matches!(verification.outcome, Outcome::Good(Tail::Sealed)), "{:?}", verification.outcome);
    let stats = verification.stats;
    assert_eq!((stats.records, stats.runs, stats.segments, stats.first_seq), (records, 3, 3, 1));
    assert_eq!(records, 96);
    assert_eq!(verification.chain.map(|chain| (chain.first_seq, chain.last_seq)), Some((1, 96)));
    assert_eq!(verification.seals.iter().map(|seal| seal.verdict).collect::<Vec<_>>(), [SealVerdict::Holds]);
}

#[test]
#[ignore = "writes the fixture into the directory that PRICEWRIGHT_FIXTURE names"]
fn write_the_fixture() {
    let dir = PathBuf::from(std::env::var("PRICEWRIGHT_FIXTURE").unwrap());
    // A run that ends cleanly, with every kind once.
    let mut writer = open(&dir, 1);
    sample_run(&mut writer, 1);
    end(&mut writer);
    writer.close().unwrap();
    Chainer::open(&dir).unwrap().catch_up().unwrap();
    // A run that a crash ends, in the middle of a record.
    let mut writer = open(&dir, 2);
    sample_run(&mut writer, 1000);
    drop(writer);
    let mut last = Reader::from_end(&dir).unwrap();
    assert!(last.next_record().unwrap().is_none());
    let torn_at = last.end() as u64;
    let file = std::fs::OpenOptions::new().write(true).open(segment_path(&dir, 2)).unwrap();
    file.write_all_at(&[0xee; 90], torn_at + 8).unwrap();
    // A short run with responses and with decisions that were never sent.
    let mut writer = open(&dir, 3);
    for (number, extra) in [(0, 0), (1, flags::RESPONSE), (2, 0)] {
        append(&mut writer, OrderAdd::SCHEMA, number, 0, extra);
        append(&mut writer, PlaceOrder::SCHEMA, number, 1, flags::NOT_SENT);
    }
    end(&mut writer);
    writer.close().unwrap();
    Chainer::open(&dir).unwrap().catch_up().unwrap();
    let keys = tempfile::tempdir().unwrap();
    let (public, _) = make_key_pair(&keys.path().join("key")).unwrap();
    let key = SigningKey::read(&keys.path().join("key")).unwrap();
    seal(&dir, &key, "2026-11-21T12:00:00Z".parse().unwrap()).unwrap();
    std::fs::copy(public, dir.join("key.pub")).unwrap();
    std::fs::remove_file(dir.join("lock")).unwrap();
}

fn open(dir: &Path, run: u8) -> Writer {
    let identity = RunIdentity {
        config_hash: [run; 32],
        build_hash: [0xb0; 32],
        boot_id: [0x10 + run; 16],
        leader_epoch: u64::from(run) * 7,
    };
    Writer::open(dir, &chained(), &identity).unwrap().0
}

fn sample_run(writer: &mut Writer, seed: u64) {
    for (number, schema) in SCHEMAS.iter().filter(|schema| schema.kind != RunEnd::KIND).enumerate() {
        let cause = if schema.class == Class::Decision { number as u16 % 5 + 1 } else { 0 };
        append(writer, schema, seed + number as u64, cause, 0);
    }
}

fn end(writer: &mut Writer) {
    append(writer, RunEnd::SCHEMA, 3, 0, 0);
}

fn append(writer: &mut Writer, schema: &RecordSchema, seed: u64, cause: u16, extra_flags: u8) {
    let buffer = sample(schema, seed);
    let start = 1_790_000_000_000_000_000;
    let now = Nanos(writer.last_now().0.max(start) + (seed % 3) as i64 * 1_234_567);
    writer.append_flagged(buffer.iter().next().unwrap(), now, cause, extra_flags).unwrap();
}

/// A record whose fields hold values of their types: codes known and unknown, text with and without padding.
fn sample(schema: &RecordSchema, seed: u64) -> RecordBuf {
    let random = record_of(schema, seed);
    let mut cells = random.cells().to_vec();
    let payload = &mut cells.as_mut_bytes()[HEADER_LEN..];
    for (number, field) in schema.fields.iter().enumerate() {
        let place = &mut payload[field.offset..field.offset + field.size];
        set(place, field, seed + number as u64);
    }
    let mut buffer = RecordBuf::default();
    buffer.push(RecordRef::first_of(&cells).unwrap()).unwrap();
    buffer
}

fn set(place: &mut [u8], field: &FieldSchema, seed: u64) {
    if field.is_spare() {
        place.fill(0);
    } else if field.ty == FieldType::F64 {
        place.copy_from_slice(&(seed as f64 * 0.3 - 7.0).to_le_bytes());
    } else if field.ty == FieldType::Text {
        let text = format!("{seed} \"é\" {}", "long text ".repeat(seed as usize % 120));
        let end = (0..=place.len().min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap();
        place.fill(0);
        place[..end].copy_from_slice(&text.as_bytes()[..end]);
    } else if let Some((code, _)) = field.codes.get(seed as usize % (field.codes.len() + 1)) {
        place.copy_from_slice(&u64::from(*code).to_le_bytes()[..place.len()]);
    }
}
