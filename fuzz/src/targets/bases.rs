//! Small journals of a desk, in every durability mode, that the mutations begin with.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pricewright::harness::in_memory::{InMemory, Market, Packets, Setup};
use pricewright::journal::{Durability, JournalConfig, Preallocator, Reader, RunIdentity, Writer};
use pricewright_core::kernel::Cell;
use pricewright_core::kernel::record::records_in;

/// Bytes of a segment: the least that there is.
pub(super) const SEGMENT: u64 = 1 << 20;
/// What the bases are written by.
pub(super) const IDENTITY: RunIdentity =
    RunIdentity { config_hash: [0xc0; 32], build_hash: [0xb0; 32], boot_id: [7; 16], leader_epoch: 0 };

/// A journal's directory in memory.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// Files by name; zeros at the end of a segment are left out.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// What a reader finds.
    pub(super) records: Vec<Vec<Cell>>,
    /// Whether it ended cleanly and all of it is chained.
    pub(super) chained: bool,
}

pub(super) fn records(dir: &Path) -> Vec<Vec<Cell>> {
    let mut found = Vec::new();
    let Ok(mut reader) = Reader::open(dir) else { return found };
    while let Ok(Some(record)) = reader.next_record() {
        found.push(record.cells().to_vec());
    }
    found
}

fn load(dir: &Path, chained: bool) -> Base {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(dir)
        .expect("a directory")
        .filter_map(|entry| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("ASCII");
            let bytes = std::fs::read(entry.path()).ok().filter(|_| name != "lock")?;
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            Some((name, bytes[..bytes.len().min(used.next_multiple_of(4_096))].to_vec()))
        })
        .collect();
    files.sort();
    Base { files, records: records(dir), chained }
}

/// A session in memory of so many ITCH messages, with orders and fills.
fn session(dir: &Path) {
    let symbols = vec!["PRCA".to_owned(), "PRCB".to_owned()];
    let market = Market { seed: 11, rate: 20_000, messages: 400, symbols: symbols.clone() };
    let packets = Arc::new(Packets::generate(&market).expect("packets"));
    let setup = Setup { symbols, segment_mib: 1, helper_core: None };
    let mut session = InMemory::open(&setup, Arc::clone(&packets), dir).expect("opened");
    session.run(packets.len());
    session.end().expect("a clean end");
}

/// The same records in a journal of this mode whose writer is gone in the midst: what a power loss leaves.
fn cut_off(cells: &[Vec<Cell>], durability: Durability) -> Base {
    let (dir, ram) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let config = JournalConfig {
        segment_size: SEGMENT,
        min_free: 0,
        prefault_ahead: 64 << 10,
        durability,
        durable_interval: Duration::ZERO,
        ram_dir: ram.path().to_path_buf(),
        ..JournalConfig::default()
    };
    let opened: (Writer, Preallocator, _) =
        Writer::open(dir.path(), &config, &IDENTITY).expect("a new journal");
    let (mut writer, _preallocator, _) = opened;
    let mut durable = writer.take_durable();
    for record in cells.iter().flat_map(|cells| records_in(cells)) {
        let (now, cause) = (record.header().now, record.header().cause);
        writer.append(record, now, cause).expect("room in one segment");
    }
    while let Some(durable) = &mut durable {
        if durable.poll().expect("a disk") == 0 {
            break;
        }
    }
    load(dir.path(), false)
}

/// A clean session, and one of each mode that was cut off.
pub(super) fn all() -> &'static [Base] {
    static BASES: OnceLock<Vec<Base>> = OnceLock::new();
    BASES.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        session(dir.path());
        let clean = load(dir.path(), true);
        assert!(clean.records.len() > 400, "{} records", clean.records.len());
        let modes = [Durability::Process, Durability::Async, Durability::Group, Durability::Sync];
        let cut: Vec<Base> = modes.iter().map(|mode| cut_off(&clean.records, *mode)).collect();
        std::iter::once(clean).chain(cut).collect()
    })
}
