//! Opening a journal for a run: recovery, the machine brought to where the journal ends, and the run's first records.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use pricewright_core::kernel::table::{ConfigChunk, Recovered, RunStart};
use pricewright_core::kernel::{Driver, Machine, Nanos, RecordRef, Text, flags};

use super::resume::Resume;
use super::sequencer::append_system;
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::journal::{JournalConfig, Preallocator, Reader, RecoveryReport, RunIdentity, Writer, boot_id};
use crate::replay::follow::Follower;
use crate::replay::run_info::RunInfo;

/// Bytes of configuration in one record.
const CHUNK_LEN: usize = 984;
/// Records between two cells that the cause field of a decision can span.
const MAX_CAUSE: u64 = u16::MAX as u64;

/// A journal, locked and recovered, before its run begins.
#[derive(Debug)]
pub struct OpenJournal {
    writer: Writer,
    preallocator: Preallocator,
    report: RecoveryReport,
    canonical: String,
    build_hash: [u8; 32],
}

/// A run that has begun.
#[derive(Debug)]
pub struct Begun<M> {
    /// The machine, where the journal ends.
    pub driver: Driver<M>,
    /// Behind the run's first records.
    pub writer: Writer,
    /// For the helper.
    pub preallocator: Preallocator,
    /// Where feeds and gateways go on.
    pub resume: Resume,
    /// What recovery did, in a sentence; `None` for a new journal.
    pub recovered: Option<String>,
}

impl OpenJournal {
    /// Takes the directory's lock and recovers what a crash left.
    ///
    /// # Errors
    /// Where another writer has it, it is damaged, or it belongs to another machine or configuration.
    pub fn open<M: Machine>(dir: &Path, config: &PipelineConfig<M::Config>, repair: bool) -> Result<Self> {
        let canonical = config.canonical()?;
        let build_hash = build_hash()?;
        let identity = RunIdentity {
            config_hash: *blake3::hash(canonical.as_bytes()).as_bytes(),
            build_hash,
            boot_id: boot_id()?,
            leader_epoch: 0,
        };
        let settings = JournalConfig {
            segment_size: u64::from(config.journal.segment_mib) << 20,
            repair,
            ..JournalConfig::default()
        };
        let (writer, preallocator, report) = Writer::open(dir, &settings, &identity)?;
        if let Some(head) = report.last_head.as_ref().filter(|_| !report.clean && report.last_seq > 0)
            && head.build_hash != build_hash
        {
            return Err(Error::Usage(format!(
                "{}: its last run crashed and was written by another build; recover it with that build, or choose \
                 another directory",
                dir.display()
            )));
        }
        Ok(Self { writer, preallocator, report, canonical, build_hash })
    }

    /// The last record that an earlier run wrote; 0 in a new journal.
    pub fn last_seq(&self) -> u64 {
        self.report.last_seq
    }

    /// The stamp that the clock must start after.
    pub fn last_now(&self) -> Option<Nanos> {
        (self.report.last_seq > 0).then_some(self.report.last_now)
    }

    /// Follows what is there with the machine, writes the run's first records, and appends decisions that the crashed run
    /// did not get to journal, flagged as not sent.
    ///
    /// # Errors
    /// Where the journal's configuration of the machine is another one, or the machine decides otherwise than the journal
    /// says.
    pub fn begin<M: Machine>(
        self,
        dir: &Path,
        config: &PipelineConfig<M::Config>,
        now: Nanos,
    ) -> Result<Begun<M>> {
        let Self { mut writer, preallocator, report, canonical, build_hash } = self;
        let mut resume = Resume::default();
        let mut follower = Follower::<M>::new(&config.config).map_err(Error::Usage)?;
        if report.last_seq > 0 {
            same_machine::<M>(dir, config)?;
            follow_all(dir, report.last_seq, &mut follower, &mut resume)?;
        }
        // After a crash the first records carry the last stamp, so that the missing decisions can carry their event's.
        let stamp = if report.clean { now.max(report.last_now) } else { report.last_now };
        let start = Start { stamp, started: now, seed: config.runtime.seed, build_hash };
        start.write::<M>(&mut writer, &canonical)?;
        let recovered = (report.last_seq > 0).then(|| describe(&report, &follower));
        if report.last_seq > 0 && !report.clean {
            let decisions_added = u32::try_from(follower.pending().count()).unwrap_or(u32::MAX);
            let record = Recovered {
                last_seq: report.last_seq,
                torn_bytes: report.torn_bytes,
                decisions_added,
                spare: 0,
                run: report.last_run,
            };
            append_system(&mut writer, stamp, &record)?;
            append_missing(&mut writer, &follower)?;
        }
        Ok(Begun { driver: follower.into_driver(), writer, preallocator, resume, recovered })
    }
}

/// BLAKE3 of the running executable: what replay means by "the same binary".
///
/// # Errors
/// Where the executable cannot be read.
pub fn build_hash() -> Result<[u8; 32]> {
    let path = Path::new("/proc/self/exe");
    let file = std::fs::File::open(path);
    let mut hasher = blake3::Hasher::new();
    file.and_then(|file| hasher.update_reader(file).map(|_| ())).map_err(|source| Error::File {
        path: path.to_path_buf(),
        source,
        mend: "the running executable must be readable",
    })?;
    Ok(*hasher.finalize().as_bytes())
}

fn same_machine<M: Machine>(dir: &Path, config: &PipelineConfig<M::Config>) -> Result<()> {
    let info = RunInfo::read(dir)?;
    let refuse = |what: &str| {
        Err(Error::Usage(format!(
            "{}: it was written {what}; go on with that one, or choose another directory (--journal DIR)",
            dir.display()
        )))
    };
    if info.start.machine.as_str() != M::NAME {
        return refuse("by another machine");
    }
    let written: PipelineConfig<M::Config> = info.config.pipeline::<M>()?;
    let text = |config: &M::Config| toml::to_string(config).map_err(|error| Error::Usage(error.to_string()));
    if text(&written.config)? != text(&config.config)? {
        return refuse("under another [config]");
    }
    Ok(())
}

fn follow_all<M: Machine>(
    dir: &Path,
    last_seq: u64,
    follower: &mut Follower<M>,
    resume: &mut Resume,
) -> Result<()> {
    let mut reader = Reader::open(dir)?;
    while reader.next_seq() <= last_seq {
        let Some(record) = reader.next_record()? else { break };
        let seq = record.header().seq;
        resume.take(record);
        match catch_unwind(AssertUnwindSafe(|| follower.follow(record))) {
            Ok(Ok(())) => {}
            Ok(Err(divergence)) => {
                return Err(Error::Diverged(format!(
                    "{}: recovery stops at record {}: this build decides otherwise than the journal says; `pricewright \
                     replay --verify` shows both sides; recover with the build that wrote it",
                    dir.display(),
                    divergence.seq()
                )));
            }
            Err(_) => {
                return Err(Error::Failed(format!(
                    "{}: the machine panics on event {seq}, as it did before the restart; the event is refused: restart \
                     with a build that can take it, or choose another directory",
                    dir.display()
                )));
            }
        }
    }
    Ok(())
}

/// The first records of a run.
struct Start {
    stamp: Nanos,
    started: Nanos,
    seed: u64,
    build_hash: [u8; 32],
}

impl Start {
    fn write<M: Machine>(&self, writer: &mut Writer, canonical: &str) -> Result<()> {
        let chunks = split_text(canonical, CHUNK_LEN);
        let long = || {
            Error::Usage(format!("the configuration is {} bytes long; the most is 60 MB", canonical.len()))
        };
        let total = u16::try_from(chunks.len()).map_err(|_| long())?;
        let config_len = u32::try_from(canonical.len()).map_err(|_| long())?;
        let machine = Text::new(M::NAME)
            .ok_or_else(|| Error::Usage(format!("machine name {:?} is longer than 24 bytes", M::NAME)))?;
        let start = RunStart {
            run: writer.run(),
            started: self.started,
            seed: self.seed,
            config_len,
            config_chunks: u32::from(total),
            config_hash: *blake3::hash(canonical.as_bytes()).as_bytes(),
            build_hash: self.build_hash,
            machine,
        };
        append_system(writer, self.stamp, &start)?;
        for (index, text) in (0..total).zip(chunks) {
            let len = u32::try_from(text.len()).unwrap_or(0);
            append_system(writer, self.stamp, &ConfigChunk { index, total, len, text: Text::excerpt(text) })?;
        }
        Ok(())
    }
}

/// Parts of at most `len` bytes, cut between characters.
fn split_text(text: &str, len: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(len);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (part, tail) = rest.split_at(end);
        parts.push(part);
        rest = tail;
    }
    parts
}

/// Appends the decisions that the crashed run did not get to journal.
fn append_missing<M: Machine>(writer: &mut Writer, follower: &Follower<M>) -> Result<()> {
    let (cause, _) = follower.cause();
    for decision in follower.pending() {
        append_not_sent(writer, decision, cause)?;
    }
    Ok(())
}

fn append_not_sent(writer: &mut Writer, decision: RecordRef<'_>, cause: u64) -> Result<()> {
    let distance = writer.last_seq() + 1 - cause;
    let distance = u16::try_from(distance.min(MAX_CAUSE)).unwrap_or(u16::MAX);
    writer.append_flagged(decision, writer.last_now(), distance, flags::NOT_SENT)?;
    Ok(())
}

fn describe<M: Machine>(report: &RecoveryReport, follower: &Follower<M>) -> String {
    let (events, decisions) = follower.counts();
    if report.clean {
        return format!(
            "journal goes on after run {} ({events} events, {decisions} decisions)",
            report.last_run
        );
    }
    let torn = match report.torn_bytes {
        0 => "nothing was torn".to_owned(),
        bytes => format!("a torn record of {bytes} bytes was cut off"),
    };
    format!(
        "recovered run {} to record {}: {torn}; {} decisions were missing and are journalled as not sent",
        report.last_run,
        report.last_seq,
        follower.pending().count()
    )
}
