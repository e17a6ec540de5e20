//! Opens a journal for writing: lock, recovery, a new run in a new segment.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pricewright_core::kernel::table::SCHEMAS;
use rtrb::RingBuffer;

use super::catalogue::{Catalogue, Layouts};
use super::chain::{self, Mend};
use super::crc::Crc32c;
use super::durable::mark::{MarkFile, sync_dir};
use super::durable::{self, Durability, DurablePosition, DurableWriter, ram};
use super::error::JournalError;
use super::head::{ENDIAN_MARK, FORMAT_VERSION, HEAD_LEN, MAGIC, SegmentHead, catalogue_room};
use super::lock::lock;
use super::map::PAGE;
use super::preallocator::{self, Preallocator, Shared};
use super::recovery::{Left, Recovered, RecoveryReport, left_by_repair, recover};
use super::repairs::repairs;
use super::segment::Template;
use super::writer::{self, Writer};

/// The least that a segment may have.
pub const MIN_SEGMENT_SIZE: u64 = 1 << 20;
/// The most: offsets and segment numbers share one word between writer and helper.
pub const MAX_SEGMENT_SIZE: u64 = 1 << 30;
/// Segments made ahead: one, and room for another in passing.
const PREPARED_CAPACITY: usize = 2;
/// Full segments that may wait for the helper.
const FULL_CAPACITY: usize = 16;

/// How a journal is written.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalConfig {
    /// Bytes of a segment, a multiple of 4096 from [`MIN_SEGMENT_SIZE`] to [`MAX_SEGMENT_SIZE`].
    pub segment_size: u64,
    /// Below this many free bytes behind the next segment the storage counts as low.
    pub min_free: u64,
    /// How many bytes ahead of the writer pages are faulted in.
    pub prefault_ahead: u64,
    /// Go on from the last good record where the journal is corrupt; what follows it is set aside.
    pub repair: bool,
    /// What committed records survive.
    pub durability: Durability,
    /// In mode `async`, how long between two syncs.
    pub durable_interval: Duration,
    /// In modes `group` and `sync`, where live segments lie: a directory on a file system in RAM.
    pub ram_dir: PathBuf,
    /// Keep a hash chain: what earlier runs wrote is chained to its end before this one begins, and a [`super::Chainer`]
    /// goes on from there.
    pub chain: bool,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            segment_size: 64 << 20,
            min_free: 256 << 20,
            prefault_ahead: 8 << 20,
            repair: false,
            durability: Durability::Process,
            durable_interval: Duration::from_millis(10),
            ram_dir: PathBuf::from("/dev/shm"),
            chain: true,
        }
    }
}

/// Who writes, for the head of each segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunIdentity {
    /// BLAKE3 of the canonical configuration.
    pub config_hash: [u8; 32],
    /// BLAKE3 that names the build.
    pub build_hash: [u8; 32],
    /// The machine's boot; see [`boot_id`]. Where live segments lie in RAM the kernel's own is written instead: who finds
    /// them must know whether this boot wrote them.
    pub boot_id: [u8; 16],
    /// Term of the writer among replicas; 0 where there is one writer.
    pub leader_epoch: u64,
}

/// The kernel's name for this boot of the machine.
///
/// # Errors
/// Where the kernel does not say it.
pub fn boot_id() -> Result<[u8; 16], JournalError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let text = std::fs::read_to_string(path).map_err(JournalError::io(path, "read"))?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16)
        .map(u128::to_be_bytes)
        .map_err(|error| JournalError::io(path, "understand")(std::io::Error::other(error)))
}

impl Writer {
    /// Opens the journal in `dir` for writing, with a new run. The directory is made where it is missing; what a crash
    /// left is recovered first. The [`Preallocator`] belongs on the helper's thread, and what [`Writer::take_durable`]
    /// gives on one of its own.
    ///
    /// # Errors
    /// Where a setting is out of range, another writer has the journal, it is corrupt and `repair` was not said, or the
    /// file system refuses.
    pub fn open(
        dir: &Path,
        config: &JournalConfig,
        identity: &RunIdentity,
    ) -> Result<(Self, Preallocator, RecoveryReport), JournalError> {
        Self::open_judged(dir, config, identity, &|_| Ok(()))
    }

    /// As [`Self::open`]; where `repair` would give something up, `judge` is shown first what would be left.
    ///
    /// # Errors
    /// As there, and where `judge` refuses. Nothing was changed then.
    pub fn open_judged(
        dir: &Path,
        config: &JournalConfig,
        identity: &RunIdentity,
        judge: &dyn Fn(&Left) -> Result<(), String>,
    ) -> Result<(Self, Preallocator, RecoveryReport), JournalError> {
        check_config(config)?;
        std::fs::create_dir_all(dir).map_err(JournalError::io(dir, "make the directory"))?;
        let lock = lock(dir)?;
        let repaired_before = repairs(dir)?.len();
        let left = ram::restore(dir, &config.ram_dir)?;
        if config.repair {
            let left = left_by_repair(dir)?;
            if left.damage.is_some() {
                judge(&left).map_err(JournalError::Refused)?;
            }
        }
        let recovered = recover(dir, config.repair)?;
        let mend = mend(&recovered.report, config, identity);
        let make = config.chain || config.repair;
        let chains_aside = chain::settle(dir, make, mend, recovered.report.repaired_from)?;
        left.clear(dir)?;
        let begun = begin_durable(dir, config, &recovered)?;
        let lock_of_durable = lock.try_clone().map_err(JournalError::io(dir, "lock"))?;
        let mut report = recovered.report;
        report.set_aside.extend(chains_aside);
        report.repairs = repairs(dir)?.split_off(repaired_before);
        let journal_id = match &report.last_head {
            Some(head) => head.journal_id,
            None => draw_journal_id()?,
        };
        let head = SegmentHead {
            journal_id,
            run: report.last_run + 1,
            index: recovered.next_index,
            ..first_head(config, identity)?
        };
        let template = Template {
            dir: dir.to_path_buf(),
            head,
            catalogue: Catalogue::own_text().into(),
            durability: config.durability,
            ram: begun.ram.clone(),
        };
        let mut segment = template.make(recovered.next_index)?;
        let prefault = segment.map.prefault();
        // In RAM all pages are there; mapping them costs little, and the helper may be busy with the disk later.
        let ahead = if begun.ram.is_some() { config.segment_size } else { config.prefault_ahead };
        let ahead = usize::try_from(ahead).unwrap_or(usize::MAX);
        let populated_to = ahead.saturating_add(template.head.records_offset as usize);
        let can_populate = prefault.populate(0, populated_to).is_ok();
        if !can_populate {
            segment.map.touch(0);
        }
        let shared = Arc::new(Shared::new(recovered.next_index));
        let (to_writer, prepared) = RingBuffer::new(PREPARED_CAPACITY);
        let (to_helper, from_writer) = RingBuffer::new(FULL_CAPACITY);
        let preallocator = Preallocator::new(preallocator::Parts {
            template: template.clone(),
            shared: Arc::clone(&shared),
            prepared: to_writer,
            from_writer,
            first: prefault,
            first_populated_to: populated_to,
            can_populate,
            ahead,
            min_free: config.min_free,
        });
        let mut writer = Self::new(writer::Parts {
            segment,
            template,
            layouts: Layouts::of(SCHEMAS),
            last_seq: report.last_seq,
            last_now: report.last_now,
            prepared,
            to_helper,
            shared,
            lock,
        });
        if let Some(mark) = begun.mark {
            writer.set_durable(DurableWriter::new(durable::Parts {
                dir: dir.to_path_buf(),
                durability: config.durability,
                ram: begun.ram,
                interval: config.durable_interval,
                index: recovered.next_index,
                position: DurablePosition::at(report.last_seq),
                mark,
                lock: lock_of_durable,
            })?);
        }
        Ok((writer, preallocator, report))
    }
}

/// What a journal needs before its records can be made durable.
#[derive(Default)]
struct BegunDurable {
    mark: Option<MarkFile>,
    ram: Option<PathBuf>,
}

/// Makes durable what recovery found, and says so on disk.
fn begin_durable(
    dir: &Path,
    config: &JournalConfig,
    recovered: &Recovered,
) -> Result<BegunDurable, JournalError> {
    let last_seq = recovered.report.last_seq;
    if !config.durability.has_position() {
        // What `repair` gave up must not be missed by the next recovery.
        if recovered.durable.is_some_and(|durable| durable > last_seq) {
            MarkFile::create(dir, last_seq)?;
        }
        return Ok(BegunDurable::default());
    }
    for path in &recovered.unsynced {
        let synced = File::open(path).and_then(|file| file.sync_all());
        synced.map_err(JournalError::io(path, "sync"))?;
    }
    sync_dir(dir)?;
    let mark = Some(MarkFile::create(dir, last_seq)?);
    let ram = config.durability.is_in_ram().then(|| ram::create(dir, &config.ram_dir)).transpose()?;
    Ok(BegunDurable { mark, ram })
}

/// What may be done where the journal does not fit its chain. A process that ends loses nothing that was chained; a machine
/// that goes down may.
fn mend(report: &RecoveryReport, config: &JournalConfig, identity: &RunIdentity) -> Mend {
    let same_boot = report.last_head.is_some_and(|head| head.boot_id == identity.boot_id);
    match (config.repair, same_boot) {
        (true, _) => Mend::Repair,
        (false, true) => Mend::Refuse,
        (false, false) => Mend::Lost,
    }
}

fn check_config(config: &JournalConfig) -> Result<(), JournalError> {
    let size = config.segment_size;
    if (MIN_SEGMENT_SIZE..=MAX_SEGMENT_SIZE).contains(&size) && size.is_multiple_of(PAGE as u64) {
        return Ok(());
    }
    let range = "choose a multiple of 4096 from 1048576 (1 MiB) to 1073741824 (1 GiB)";
    Err(JournalError::Setting { setting: "segment_size", value: size, range })
}

/// A name that no other journal has.
fn draw_journal_id() -> Result<[u8; 16], JournalError> {
    let path = Path::new("/dev/urandom");
    let mut id = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut id));
    read.map(|()| id).map_err(JournalError::io(path, "read"))
}

/// What the heads of a run's segments have in common.
fn first_head(config: &JournalConfig, identity: &RunIdentity) -> Result<SegmentHead, JournalError> {
    let boot_id = if config.durability.is_in_ram() { boot_id()? } else { identity.boot_id };
    let catalogue = Catalogue::own_text();
    Ok(SegmentHead {
        magic: MAGIC,
        format_version: FORMAT_VERSION,
        endian_mark: ENDIAN_MARK,
        run: 0,
        boot_id,
        leader_epoch: identity.leader_epoch,
        index: 0,
        segment_size: config.segment_size,
        config_hash: identity.config_hash,
        build_hash: identity.build_hash,
        records_offset: (HEAD_LEN + catalogue_room(catalogue.len())) as u64,
        // The catalogue is far below the least segment, so its length fits.
        catalogue_len: catalogue.len() as u32,
        catalogue_crc: Crc32c::detect().of_bytes(catalogue.as_bytes()),
        journal_id: [0; 16],
    })
}
