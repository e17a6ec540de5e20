//! Journals and records for tests.

use std::path::{Path, PathBuf};

use pricewright_core::kernel::record::{CELL_LEN, RecordSink};
use pricewright_core::kernel::schema::RecordSchema;
use pricewright_core::kernel::table::{RunEnd, SCHEMAS};
use pricewright_core::kernel::{
    Cell, EndReason, HEADER_LEN, Nanos, Record, RecordBuf, RecordHeader, RecordRef, SourceId,
};
use zerocopy::IntoBytes;

use crate::journal::{Crc32c, JournalConfig, Preallocator, Reader, RecoveryReport, RunIdentity, Writer};

/// The smallest segments.
pub(super) fn small() -> JournalConfig {
    let (segment_size, prefault_ahead) = (1 << 20, 64 << 10);
    JournalConfig { segment_size, min_free: 0, prefault_ahead, chain: false, ..JournalConfig::default() }
}

/// The smallest segments, with a hash chain.
pub(super) fn chained() -> JournalConfig {
    JournalConfig { chain: true, ..small() }
}

/// Changes record `seq` as `change` does and puts its checksum right again. Returns its file, its offset there, and the name
/// of its kind.
pub(super) fn altered(dir: &Path, seq: u64, change: impl Fn(&mut [u8])) -> (PathBuf, u64, String) {
    let mut reader = Reader::from_seq(dir, seq).unwrap();
    let record = reader.next_record().unwrap().unwrap();
    let (len, kind) = (record.cells().len() * CELL_LEN, record.header().kind);
    let (path, offset) = (reader.path().to_path_buf(), reader.offset());
    let name = reader.catalogue().kind(kind).unwrap().name.clone();
    let at = offset as usize;
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes[at..at + len]);
    let crc = Crc32c::table().of_bytes(&bytes[at + 8..at + len]);
    bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    (path, offset, name)
}

pub(super) fn open(dir: &Path) -> (Writer, Preallocator, RecoveryReport) {
    Writer::open(dir, &small(), &identity()).unwrap()
}

pub(super) fn identity() -> RunIdentity {
    RunIdentity { config_hash: [0xc0; 32], build_hash: [0xb0; 32], boot_id: [7; 16], leader_epoch: 0 }
}

/// A record of `schema` whose payload bytes are drawn from `seed`.
pub(super) fn record_of(schema: &RecordSchema, seed: u64) -> RecordBuf {
    let len = HEADER_LEN + schema.size;
    let mut cells = vec![Cell::ZERO; len.div_ceil(CELL_LEN)];
    let header = RecordHeader {
        commit: len as u64,
        kind: schema.kind,
        version: schema.version,
        flags: (seed & 1) as u8,
        source: SourceId((seed >> 8) as u16),
        ..RecordHeader::default()
    };
    let bytes = cells.as_mut_bytes();
    bytes[..HEADER_LEN].copy_from_slice(header.as_bytes());
    let mut state = seed;
    for byte in &mut bytes[HEADER_LEN..len] {
        // Knuth's MMIX generator: any fixed sequence would do.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    }
    let mut buffer = RecordBuf::default();
    buffer.push(RecordRef::first_of(&cells).unwrap()).unwrap();
    buffer
}

pub(super) fn any_record(seed: u64) -> RecordBuf {
    record_of(SCHEMAS[(seed % SCHEMAS.len() as u64) as usize], seed)
}

/// Appends `any_record(seed)` for each seed, with stamps that rise by one.
pub(super) fn append_all(writer: &mut Writer, seeds: impl IntoIterator<Item = u64>) {
    for seed in seeds {
        let buffer = any_record(seed);
        let now = Nanos(writer.last_now().0 + 1);
        writer.append(buffer.iter().next().unwrap(), now, (seed % 3) as u16).unwrap();
    }
}

pub(super) fn run_end() -> RunEnd {
    RunEnd { events: 1, decisions: 2, state_hash: [3; 32], reason: EndReason::OPERATOR, spare: [0; 7] }
}

/// Every record as its bytes without the commit word.
pub(super) fn read_all(dir: &Path) -> Vec<Vec<u8>> {
    let mut reader = Reader::open(dir).unwrap();
    let mut all = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        all.push(record.cells().as_bytes()[8..].to_vec());
    }
    all
}

/// The bytes that a record must have in the journal, without the commit word, laid out by hand from the format.
pub(super) fn stamped(record: RecordRef<'_>, seq: u64, now: i64, cause: u16, extra_flags: u8) -> Vec<u8> {
    let header = record.header();
    let mut bytes = Vec::new();
    bytes.extend(seq.to_le_bytes());
    bytes.extend(now.to_le_bytes());
    bytes.extend(header.kind.to_le_bytes());
    bytes.extend([header.version, header.flags | extra_flags]);
    bytes.extend(header.source.0.to_le_bytes());
    bytes.extend(cause.to_le_bytes());
    bytes.extend(record.payload());
    bytes.resize((bytes.len() + 8).next_multiple_of(64) - 8, 0);
    bytes
}

/// Copies a journal as it lies there, as a crash would leave it.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

pub(super) fn end_run(writer: &mut Writer) {
    let now = Nanos(writer.last_now().0 + 1);
    writer.append_record(&run_end(), SourceId(0), 0, now, 0).unwrap();
    assert_eq!(RunEnd::KIND, 3);
}
