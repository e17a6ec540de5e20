//! A desk's journal in every durability mode, its files mutated with and without their checksums put right: verifying,
//! reading, rendering, replaying, explaining, exporting and recovering end without a panic and in bounded memory; what was
//! committed under an untouched chain is not called good when it changed; a journal that was good is good after it was opened
//! and closed, and what is appended to it is its last record.

use std::path::Path;

use pricewright::journal::{
    self, Crc32c, JournalConfig, Outcome, Reader, RunIdentity, Writer, archive, boot_id, export, to_json,
    to_text,
};
use pricewright::replay::begin::Beginning;
use pricewright::replay::explain::explain;
use pricewright::replay::find::{Question, Subject};
use pricewright::replay::snapshot::dir as snapshot_dir;
use pricewright::replay::verify;
use pricewright_core::kernel::table::Operator;
use pricewright_core::kernel::{Nanos, OperatorCommand, SourceId};
use pricewright_strategies::trading::Desk;

use super::bases::{self, Base, SEGMENT};
use super::wire;
use crate::input::Input;

/// Mutations of one input at most.
const MUTATIONS: usize = 24;
/// Records that a reader may find in a directory of so few bytes.
const MOST_RECORDS: usize = 100_000;
/// Fields of a segment's head: sizes, numbers, marks.
const HEAD_FIELDS: [usize; 16] =
    [8, 16, 24, 40, 48, 56, 64, 128, 136, 144, 3_712, 3_720, 3_840, 3_848, 3_968, 3_976];
/// Names under which a file may turn up.
const NAMES: [&str; 12] = [
    "journal-00000001.pwj",
    "journal-00000002.pwj",
    "journal-00000009.pwj",
    "journal-18446744073709551615.pwj",
    "journal-00000001.pwj.zst",
    "chain-00000001.pwc",
    "chain-00000002.pwc",
    "chain-18446744073709551615.pwc",
    "snapshot-000000000016.pws",
    "durable",
    "removed.jsonl",
    "trace-00000001.pwt",
];

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    if let Some(field) = at.checked_add(8).and_then(|end| bytes.get_mut(at..end)) {
        field.copy_from_slice(&value.to_le_bytes());
    }
}

fn crc(bytes: &[u8]) -> u64 {
    u64::from(Crc32c::detect().of_bytes(bytes))
}

/// Puts right the checksum of the block that begins at `at`: its length is its first word's lower half.
fn mend_block(bytes: &mut [u8], at: usize) {
    let len = word(bytes, at).map_or(0, |word| (word & 0xffff_ffff) as usize);
    let Some(body) = bytes.get(at.saturating_add(8)..at.saturating_add(len.next_multiple_of(64))) else {
        return;
    };
    if (1..=4_096).contains(&len) {
        let value = crc(body) << 32 | len as u64;
        put(bytes, at, value);
    }
}

/// Where the records of a segment begin.
fn record_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = word(bytes, 128).unwrap_or(u64::MAX) as usize;
    while let Some(len) = word(bytes, at).map(|word| (word & 0xffff_ffff) as usize) {
        if !(32..=1_024).contains(&len) || starts.len() > 5_000 {
            break;
        }
        starts.push(at);
        at = at.saturating_add(len.next_multiple_of(64));
    }
    starts
}

fn mend_head(bytes: &mut [u8]) {
    if bytes.len() < 4_096 {
        return;
    }
    let catalogue = word(bytes, 136).map_or(0, |word| (word & 0xffff_ffff) as usize);
    if let Some(text) = bytes.get(4_096..4_096_usize.saturating_add(catalogue)) {
        let value = crc(text) as u32;
        bytes[140..144].copy_from_slice(&value.to_le_bytes());
    }
    let value = crc(&bytes[..3_704]) << 32 | 3_704;
    put(bytes, 3_704, value);
    [3_712, 3_840, 3_968].into_iter().for_each(|at| mend_block(bytes, at));
}

/// Puts every checksum of a file right.
fn mend(name: &str, bytes: &mut [u8]) {
    if name.ends_with(".pwj") {
        mend_head(bytes);
        record_starts(bytes).into_iter().for_each(|at| mend_block(bytes, at));
    } else if name.ends_with(".pwc") && bytes.len() >= 128 {
        let value = crc(&bytes[..120]) << 32 | 120;
        put(bytes, 120, value);
    } else if name == "durable" {
        for at in [0, 4_096] {
            if let Some(body) = bytes.get(at + 8..at + 64) {
                let value = crc(body) << 32 | 64;
                put(bytes, at, value);
            }
        }
    }
}

/// A directory under mutation.
struct Files {
    files: Vec<(String, Vec<u8>)>,
    /// Whether a checksum was put right, or a file was moved.
    forged: bool,
}

impl Files {
    fn mutate(&mut self, input: &mut Input<'_>) {
        let index = input.below(self.files.len());
        let (place, kind) = (usize::from(input.word()), input.below(15));
        let others = self.files.len() > 1;
        let (name, bytes) = &mut self.files[index];
        let at = place * bytes.len().max(1) / 65_536;
        match kind {
            0 | 1 => {
                let value = input.byte();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = if kind == 0 { value } else { *byte ^ 1 << (value & 7) };
                }
            }
            2 => {
                let end = bytes.len().min(at + usize::from(input.word()));
                bytes[at..end].fill(0);
            }
            3 => bytes.truncate(at),
            4 => {
                let len = bytes.len() + 64 * usize::from(input.byte());
                bytes.resize(len, input.byte());
            }
            5 => {
                let (from, to) = (at & !63, (usize::from(input.word()) * bytes.len() / 65_536) & !63);
                let len = (64 * usize::from(input.byte())).min(bytes.len() - from.max(to));
                bytes.copy_within(from..from + len, to);
            }
            6 => put(bytes, at & !7, input.number()),
            7..=9 => {
                let starts = record_starts(bytes);
                if let Some(start) = starts.get(place % starts.len().max(1)) {
                    put(bytes, start + 8 * input.below(12), input.number());
                    if !input.one_in(4) {
                        mend_block(bytes, *start);
                        self.forged = true;
                    }
                }
            }
            10 => {
                put(bytes, input.pick(&HEAD_FIELDS), input.number());
                if name.ends_with(".pwj") && !input.one_in(4) {
                    mend_head(bytes);
                    self.forged = true;
                }
            }
            11 => {
                mend(name, bytes);
                self.forged = true;
            }
            12 if others => {
                self.files.remove(index);
                self.forged = true;
            }
            13 => {
                let copy = (input.pick(&NAMES).to_owned(), bytes.clone());
                self.files.retain(|(name, _)| *name != copy.0);
                self.files.push(copy);
                self.forged = true;
            }
            _ if name.ends_with(".pwj") => {
                let Ok(packed) = zstd::bulk::compress(bytes, 1) else { return };
                let copy = (format!("{name}.zst"), packed);
                if input.one_in(2) {
                    self.files.remove(index);
                }
                self.files.retain(|(name, _)| *name != copy.0);
                self.files.push(copy);
                self.forged = true;
            }
            _ => {}
        }
    }

    fn write(&self, dir: &Path) {
        for (name, bytes) in &self.files {
            let path = dir.join(name);
            std::fs::write(&path, bytes).expect("a file");
            // The zeros behind what was written, as a live segment has them.
            if name.ends_with(".pwj") && (1..SEGMENT).contains(&(bytes.len() as u64)) {
                let file = std::fs::File::options().write(true).open(&path).expect("the file");
                file.set_len(SEGMENT).expect("a longer file");
            }
        }
    }
}

/// Everything that only reads. True where the journal is good.
fn read(dir: &Path) -> bool {
    let verdict = journal::verify(dir);
    if let Ok(mut reader) = Reader::open(dir) {
        let mut count = 0;
        while let Ok(Some(_)) = reader.next_record() {
            count += 1;
            assert!(count < MOST_RECORDS, "a reader without an end");
            if let Some(record) = reader.last_record() {
                let text = to_text(&record, reader.catalogue());
                let json = to_json(&record, reader.catalogue());
                assert!(!text.is_empty() && !json.is_empty());
            }
        }
    }
    let _ = journal::stats(dir);
    matches!(verdict.outcome, Outcome::Good(_))
}

/// Good although records changed under a chain that nobody touched, or without one though no checksum was forged.
fn check_verdict(dir: &Path, base: &Base, files: &Files) {
    let found = bases::records(dir);
    let chains = |files: &[(String, Vec<u8>)]| -> Vec<(String, Vec<u8>)> {
        files.iter().filter(|(name, _)| name.ends_with(".pwc")).cloned().collect()
    };
    let untouched = chains(&base.files) == chains(&files.files) && !chains(&base.files).is_empty();
    let left_out = base.records.len().saturating_sub(found.len());
    if base.chained && untouched {
        assert!(found == base.records[left_out..], "good, though records changed under an untouched chain");
    } else if !files.forged {
        assert!(base.records.starts_with(&found), "good, though a committed record changed");
    }
}

fn replay(dir: &Path) {
    let _ = verify::replay::<Desk>(dir, None, &mut |_| {});
    let _ = verify::replay_from::<Desk>(dir, Beginning::Newest, None, &mut |_| {});
    let _ = explain::<Desk>(dir, &Question { subject: Subject::Last, at: None });
    let _ = snapshot_dir::list(dir);
}

fn carry(dir: &Path) {
    let selection = export::Selection { types: vec![], from: None, to: None };
    let target = export::Target::Path(dir.join("export.jsonl"));
    let _ = export::export(dir, &selection, export::Format::Jsonl, &target, &mut |_, _| {});
    let _ = archive::holdings(dir);
    let _ = archive::removed(dir);
}

fn reopen(dir: &Path, repair: bool, same_boot: bool, good: bool) {
    let ram = tempfile::tempdir().expect("a directory");
    let config = JournalConfig {
        segment_size: SEGMENT,
        min_free: 0,
        prefault_ahead: 64 << 10,
        repair,
        ram_dir: ram.path().to_path_buf(),
        ..JournalConfig::default()
    };
    let boot_id = if same_boot { bases::IDENTITY.boot_id } else { boot_id().expect("a boot") };
    let identity = RunIdentity { boot_id, ..bases::IDENTITY };
    let Ok((mut writer, preallocator, report)) = Writer::open(dir, &config, &identity) else {
        let still = matches!(journal::verify(dir).outcome, Outcome::Good(_));
        assert!(!good || still, "refused to open a good journal, and left it not good");
        return;
    };
    drop(preallocator);
    assert_eq!(writer.last_seq(), report.last_seq);
    let (last, now) = (writer.last_seq(), Nanos(writer.last_now().0.saturating_add(1)));
    let event = Operator::says("fuzz", OperatorCommand::START, 0);
    let appended = writer.append_record(&event, SourceId(0), 0, now, 0).is_ok();
    if writer.close().is_err() || !appended {
        return;
    }
    let is_good = matches!(journal::verify(dir).outcome, Outcome::Good(_));
    assert!(!good || is_good, "good before it was opened and closed, and not after");
    if is_good {
        let seq = bases::records(dir).last().and_then(|cells| {
            pricewright_core::kernel::record::records_in(cells).next().map(|record| record.header().seq)
        });
        assert_eq!(seq, Some(last + 1), "what was appended is the last record");
    }
}

/// See the module.
pub fn journal(data: &[u8]) {
    let mut input = Input::new(data);
    let all = bases::all();
    let base = &all[input.below(all.len())];
    let (what, flags) = (input.byte() % 4, input.byte());
    let mut files = Files { files: base.files.clone(), forged: false };
    for _ in 0..MUTATIONS {
        if input.is_empty() {
            break;
        }
        files.mutate(&mut input);
    }
    if flags & 1 > 0 {
        files.files.iter_mut().for_each(|(name, bytes)| mend(name, bytes));
        files.forged = true;
    }
    let place = tempfile::tempdir().expect("a directory");
    let dir = place.path();
    files.write(dir);
    let good = read(dir);
    if good {
        check_verdict(dir, base, &files);
    }
    match what {
        0 => replay(dir),
        1 => carry(dir),
        _ => reopen(dir, flags & 2 > 0, flags & 4 > 0, good),
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    wire::scripts().into_iter().map(|script| script[..script.len().min(96)].to_vec()).collect()
}
