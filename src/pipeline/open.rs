//! Opening a journal for a run: recovery, the machine brought to where the journal ends, and the run's first records.

use std::path::Path;
use std::time::Duration;

use pricewright_core::kernel::table::{self, ConfigChunk, DivergenceAccepted, Recovered, RunStart};
use pricewright_core::kernel::{Driver, Machine, Nanos, RecordRef, Text, flags};

use super::clock_ahead::ClockAhead;
use super::huge_pages::gather;
use super::recover::{Conceded, Stands, Wanted, stand};
use super::repair;
use super::resume::Resume;
use super::sequencer::append_system;
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::journal::archive::removed;
use crate::journal::repairs::Repair;
use crate::journal::{
    Chainer, JournalConfig, Preallocator, Reader, RecoveryReport, RunIdentity, Writer, boot_id,
    sealed_beyond, segment_indices,
};
use crate::replay::follow::{Follower, Progress};
use crate::replay::run_info::RunInfo;
use crate::replay::snapshot::{self, Identity, PassedOver, Place, Snapshot};

/// Bytes of configuration in one record.
const CHUNK_LEN: usize = 984;
/// Records between two cells that the cause field of a decision can span.
const MAX_CAUSE: u64 = u16::MAX as u64;

/// How a journal is opened for a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Go on from the last good record where the journal is corrupt; what follows it is set aside.
    pub repair: bool,
    /// Go on where this build decides otherwise than the journal says, or the crashed run was another build's.
    pub accept_divergence: bool,
    /// Go on where the journal's last stamp lies ahead of the machine's clock.
    pub accept_clock: bool,
    /// The build's name; `None` takes the hash of the running executable.
    pub build_hash: Option<[u8; 32]>,
}

/// A journal, locked and recovered, before its run begins.
#[derive(Debug)]
pub struct OpenJournal {
    writer: Writer,
    preallocator: Preallocator,
    report: RecoveryReport,
    canonical: String,
    build_hash: [u8; 32],
    boot_id: [u8; 16],
    accept: bool,
    repair: bool,
    ahead: Option<ClockAhead>,
    /// The journal ends before its first configuration is complete: there is nothing to go on from, and nothing to lose.
    unbegun: bool,
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
    /// For the helper, where a hash chain is kept.
    pub chainer: Option<Chainer>,
    /// Where feeds and gateways go on.
    pub resume: Resume,
    /// What recovery did, in a sentence; `None` for a new journal.
    pub recovered: Option<String>,
    /// How far the journal was followed, its last record included.
    pub progress: Progress,
    /// Whose state a snapshot of this run holds.
    pub identity: Identity,
    /// Canonical configuration of the run.
    pub canonical: String,
    /// Something of the run must not go again, though it comes to nothing: a repair or a takeover stands in it.
    pub stays: bool,
}

impl OpenJournal {
    /// As [`Self::open_with`], by the running executable.
    ///
    /// # Errors
    /// As there.
    pub fn open<M: Machine>(dir: &Path, config: &PipelineConfig<M::Config>, repair: bool) -> Result<Self> {
        Self::open_with::<M>(dir, config, &Opening { repair, ..Opening::default() })
    }

    /// Takes the directory's lock and recovers what a crash left.
    ///
    /// # Errors
    /// Where another writer has it, it is damaged, or it ends in a crash of another build.
    pub fn open_with<M: Machine>(
        dir: &Path,
        config: &PipelineConfig<M::Config>,
        opening: &Opening,
    ) -> Result<Self> {
        let canonical = config.canonical()?;
        let build_hash = opening.build_hash.map_or_else(build_hash, Ok)?;
        let identity = RunIdentity {
            config_hash: *blake3::hash(canonical.as_bytes()).as_bytes(),
            build_hash,
            boot_id: boot_id()?,
            leader_epoch: 0,
        };
        let settings = JournalConfig {
            segment_size: u64::from(config.journal.segment_mib) << 20,
            repair: opening.repair,
            chain: config.journal.chain,
            min_free: u64::from(config.journal.min_free_mib) << 20,
            durability: config.journal.durability,
            durable_interval: Duration::from_millis(u64::from(config.journal.durable_interval_ms)),
            ram_dir: config.journal.ram_dir.clone(),
            ..JournalConfig::default()
        };
        if !opening.repair {
            refuse_emptied(dir)?;
        }
        let (writer, preallocator, report) =
            Writer::open_judged(dir, &settings, &identity, &|left| repair::judge(dir, left))?;
        for path in &report.set_aside {
            tracing::warn!("{} did not fit the journal and was set aside", path.display());
        }
        let accept = opening.accept_divergence;
        let unbegun = report.last_seq > 0 && RunInfo::is_unbegun(dir);
        let (repair, boot_id) = (opening.repair, identity.boot_id);
        let ahead = None;
        let journal = Self {
            writer,
            preallocator,
            report,
            canonical,
            build_hash,
            boot_id,
            accept,
            repair,
            ahead,
            unbegun,
        };
        if journal.is_anothers_crash() && !accept {
            journal.give_up();
            return Err(Error::Usage(format!(
                "{}: its last run crashed and was written by another build; recover it with that build, let this one \
                 take it over (--accept-divergence, which is journalled), or choose another directory (--journal DIR)",
                dir.display()
            )));
        }
        Ok(journal)
    }

    /// Says where the journal is ahead of the wall clock, unless `accepted`; then it is journalled as the run begins.
    ///
    /// # Errors
    /// What is ahead, and what helps. The journal is closed then.
    pub fn check_clock(mut self, dir: &Path, wall: Nanos, accepted: bool) -> Result<Self> {
        self.ahead = ClockAhead::found(self.last_now(), wall);
        if let Some(Err(error)) = self.ahead.map(|ahead| ahead.check(dir, accepted)) {
            self.give_up();
            return Err(error);
        }
        Ok(self)
    }

    fn is_anothers_crash(&self) -> bool {
        let head = self.report.last_record_head.as_ref();
        !self.report.clean && !self.unbegun && head.is_some_and(|head| head.build_hash != self.build_hash)
    }

    /// Removes the segment of a run that does not begin.
    fn give_up(self) {
        if let Err(error) = self.writer.discard() {
            tracing::warn!(%error, "the segment of a run that did not start could not be removed");
        }
    }

    /// The last record that an earlier run wrote; 0 in a new journal.
    pub fn last_seq(&self) -> u64 {
        self.report.last_seq
    }

    /// The stamp that the clock must start after.
    pub fn last_now(&self) -> Option<Nanos> {
        (self.report.last_seq > 0).then_some(self.report.last_now)
    }

    /// Brings the machine to where the journal ends, writes the run's first records, and appends decisions that the crashed
    /// run did not get to journal, flagged as not sent.
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
        match self.account_for::<M>(dir, config) {
            Ok((missing, stands)) => {
                let mut journal = self;
                journal.report.repairs.extend(missing);
                journal.begin_at(dir, config, now, stands)
            }
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    /// Brings the machine to where the journal ends, if that is where it ended. What is missing is noted, and snapshots that
    /// do not fit go aside, once nothing is in the way of the run any more.
    fn account_for<M: Machine>(
        &self,
        dir: &Path,
        config: &PipelineConfig<M::Config>,
    ) -> Result<(Option<Repair>, Stands<M>)> {
        let head = self.report.last_head;
        let ahead = snapshot::dir::ahead(dir, self.report.last_seq, head.map(|head| head.journal_id))?;
        let same_boot = head.is_some_and(|head| head.boot_id == self.boot_id);
        let nothing_left = self.report.last_seq == 0 || self.unbegun;
        let may_go_on = self.repair || !(same_boot || nothing_left);
        let missing = repair::missing(dir, &self.report, &ahead, may_go_on)?;
        let stands = self.stand::<M>(dir, config)?;
        let missing = missing.map(|missing| missing.note(dir, self.repair)).transpose()?;
        let is_other = |passed: &&PassedOver| ahead.iter().all(|ahead| ahead.path != passed.path);
        let unfit = stands.passed.iter().filter(|passed| passed.why.is_final()).filter(is_other);
        ahead.iter().chain(unfit).try_for_each(|passed| snapshot::dir::set_aside(passed).map(drop))?;
        Ok((missing, stands))
    }

    fn stand<M: Machine>(&self, dir: &Path, config: &PipelineConfig<M::Config>) -> Result<Stands<M>> {
        snapshot::dir::remove_unfinished(dir)?;
        if self.report.last_seq == 0 || self.unbegun {
            let follower = Follower::<M>::new(&config.config).map_err(Error::Usage)?;
            let (resume, conceded) = (Resume::default(), Default::default());
            return Ok(Stands { follower, resume, from: None, passed: Vec::new(), conceded });
        }
        same_machine::<M>(dir, config)?;
        stand(&Wanted::<M> {
            dir,
            config: &config.config,
            config_hash: snapshot::config_hash::<M>(&config.config).map_err(Error::Usage)?,
            build_hash: self.build_hash,
            last_seq: self.report.last_seq,
            accept: self.accept,
        })
    }

    fn begin_at<M: Machine>(
        mut self,
        dir: &Path,
        config: &PipelineConfig<M::Config>,
        now: Nanos,
        stands: Stands<M>,
    ) -> Result<Begun<M>> {
        let taken_over = self.is_anothers_crash() || stands.conceded.records > 0;
        let report = &self.report;
        let (writer, first_seq) = (&mut self.writer, report.last_seq + 1);
        // After a crash the first records carry the last stamp, so that the missing decisions can carry their event's.
        let stamp = if report.clean { now.max(report.last_now) } else { report.last_now };
        let seed = config.runtime.seed;
        let start = Start { stamp, started: now, seed, build_hash: self.build_hash };
        start.write::<M>(writer, &self.canonical)?;
        let mut recovered = match report.last_seq {
            0 => None,
            last if self.unbegun => Some(format!(
                "journal begun anew: its records 1 to {last} end before the first configuration is complete, so that nothing had \
                 happened in it"
            )),
            _ => Some(describe(report, &stands, taken_over)),
        };
        if let Some(ahead) = &self.ahead {
            append_system(writer, stamp, &table::ClockAhead { wall: ahead.wall, last: ahead.last })?;
            recovered = Some(format!("{}\n{}", recovered.unwrap_or_default(), ahead.text()));
        }
        let Stands { follower, mut resume, conceded, .. } = stands;
        if taken_over {
            append_system(writer, stamp, &takeover(report, conceded))?;
        }
        for repair in &report.repairs {
            append_system(writer, stamp, &repair::record(repair))?;
        }
        let mut progress = Progress { cause: follower.cause(), ..Progress::default() };
        (progress.events, progress.decisions) = follower.counts();
        if report.last_seq > 0 && !report.clean {
            let decisions_added = u32::try_from(follower.pending().count()).unwrap_or(u32::MAX);
            progress.decisions += u64::from(decisions_added);
            append_system(writer, stamp, &recovery(report, decisions_added))?;
            append_missing(writer, &follower)?;
        }
        let (place, journal_id) = take_first_records(dir, first_seq, writer, &mut resume)?;
        let identity = Identity {
            machine: Text::excerpt(M::NAME),
            state_version: M::STATE_VERSION,
            journal_id,
            config_hash: snapshot::config_hash::<M>(&config.config).map_err(Error::Usage)?,
            build_hash: self.build_hash,
        };
        let chainer = config.journal.chain.then(|| Chainer::open(dir)).transpose()?;
        let begun = Begun {
            driver: follower.into_driver(),
            writer: self.writer,
            preallocator: self.preallocator,
            chainer,
            resume,
            recovered,
            progress,
            identity,
            canonical: self.canonical,
            stays: taken_over || !report.repairs.is_empty(),
        };
        if taken_over {
            // From the beginning this build would come to another state, or not come here at all: what was accepted is kept.
            begun.write_snapshot(dir, place, config.journal.snapshots)?;
        }
        if let Err(error) = gather() {
            // The run is as good without, only slower.
            tracing::warn!(%error, "the machine's memory stays in small pages");
        }
        Ok(begun)
    }
}

impl<M: Machine> Begun<M> {
    fn write_snapshot(&self, dir: &Path, place: Place, keep: u32) -> Result<()> {
        let state = self.driver.snapshot().map_err(|error| Error::Failed(error.to_string()))?;
        let snapshot = Snapshot {
            place,
            clean_stop: false,
            identity: self.identity,
            progress: self.progress,
            config: self.canonical.clone(),
            resume: self.resume.clone(),
            state,
        };
        let bytes = snapshot.to_bytes().map_err(Error::Failed)?;
        snapshot::dir::write(dir, place.seq, &bytes, keep as usize).map(drop)
    }
}

/// A directory without segments in which something else speaks of records is a journal whose records were taken away: a run
/// there would begin at position 0, with nothing of what it was.
fn refuse_emptied(dir: &Path) -> Result<()> {
    if !dir.exists() || !segment_indices(dir)?.is_empty() {
        return Ok(());
    }
    let removed = removed(dir)?;
    let last = removed.iter().map(|entry| entry.last_seq).max().unwrap_or(0);
    let snapshot = snapshot::dir::snapshot_seqs(dir)?.last().copied().unwrap_or(0);
    let sealed = sealed_beyond(dir, None, 0)?.map_or(0, |(_, last_seq)| last_seq);
    let last = last.max(snapshot).max(sealed);
    if last == 0 {
        return Ok(());
    }
    let archive = removed.iter().rev().find_map(|entry| entry.archive.as_ref());
    let whence = archive.map_or_else(
        || "bring its segments back".to_owned(),
        |archive| {
            format!("bring its segments back from {} (`zstd -d` unpacks the last one)", archive.display())
        },
    );
    Err(Error::Usage(format!(
        "{}: the journal's records up to {} are not here any more, and a run would begin anew at position 0: {whence}, choose \
         another directory (--journal DIR), or say --repair to begin anew here",
        dir.display(),
        last
    )))
}

fn takeover(report: &RecoveryReport, conceded: Conceded) -> DivergenceAccepted {
    let head = report.last_record_head.as_ref();
    DivergenceAccepted {
        last_seq: report.last_seq,
        first: conceded.first,
        records: conceded.records,
        run: head.map_or(0, |head| head.run),
        build_hash: head.map_or([0; 32], |head| head.build_hash),
    }
}

fn recovery(report: &RecoveryReport, decisions_added: u32) -> Recovered {
    Recovered {
        last_seq: report.last_seq,
        torn_bytes: report.torn_bytes,
        decisions_added,
        spare: 0,
        run: report.last_record_head.as_ref().map_or(report.last_run, |head| head.run),
    }
}

/// Lets `resume` take the run's first records, from `first_seq` on, as whoever follows the journal would. Returns the place
/// behind them and the journal's id.
fn take_first_records(
    dir: &Path,
    first_seq: u64,
    writer: &Writer,
    resume: &mut Resume,
) -> Result<(Place, [u8; 16])> {
    let mut reader = Reader::from_seq(dir, first_seq)?;
    let mut place = Place::default();
    while reader.next_seq() <= writer.last_seq() {
        let Some(record) = reader.next_record()? else { break };
        resume.take(record);
        place = Place::behind(&record, writer.run());
    }
    Ok((place, reader.head().journal_id))
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
    let info = RunInfo::newest(dir)?;
    let refuse = |what: &str| {
        Err(Error::Usage(format!(
            "{}: it {what}; go on with that one, or choose another directory (--journal DIR)",
            dir.display()
        )))
    };
    let wrote = info.start.machine.as_str();
    if wrote != M::NAME {
        return refuse(&format!("is a journal of machine `{wrote}`, this configuration runs `{}`", M::NAME));
    }
    let written: PipelineConfig<M::Config> = info.config.pipeline::<M>()?;
    let text = |config: &M::Config| {
        toml::to_string(&M::lasting(config)).map_err(|error| Error::Usage(error.to_string()))
    };
    if text(&written.config)? != text(&config.config)? {
        return refuse("was written under another [config]");
    }
    let (had, has) = (M::max_strings(&written.config), M::max_strings(&config.config));
    if has < had {
        return refuse(&format!(
            "was written with max_skus = {had}, more than {has} (it can be raised and not lowered)"
        ));
    }
    if written.venue != config.venue {
        return refuse("was written under another [venue]");
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

fn describe<M: Machine>(report: &RecoveryReport, stands: &Stands<M>, taken_over: bool) -> String {
    let (events, decisions) = stands.follower.counts();
    let run = report.last_record_head.as_ref().map_or(report.last_run, |head| head.run);
    let mut text = if report.clean {
        let repaired = match report.repairs.as_slice() {
            [] => String::new(),
            repairs => format!("; {}", repair::describe(repairs)),
        };
        format!("journal goes on after run {run} ({events} events, {decisions} decisions){repaired}")
    } else {
        let torn = match report.torn_bytes {
            _ if !report.repairs.is_empty() => repair::describe(&report.repairs),
            0 => "nothing was torn".to_owned(),
            bytes => format!("a torn record of {bytes} bytes was cut off"),
        };
        let torn = match report.set_aside.first() {
            Some(aside) if report.lost_undurable => format!(
                "{torn}; the machine went down, and what it had not made durable is lost (what is left of it: {})",
                aside.display()
            ),
            _ => torn,
        };
        format!(
            "recovered run {run} to record {}: {torn}; {} decisions were missing and are journalled as not sent",
            report.last_seq,
            stands.follower.pending().count()
        )
    };
    match stands.from {
        Some(seq) => text.push_str(&format!(
            "; from the snapshot behind record {seq} and {} records after it",
            report.last_seq.saturating_sub(seq)
        )),
        None => text.push_str("; from the journal's beginning"),
    }
    for passed in &stands.passed {
        let aside = if passed.why.is_final() { ", and was set aside" } else { "" };
        text.push_str(&format!("; {passed}{aside}"));
    }
    if taken_over {
        let conceded = &stands.conceded;
        text.push_str("; ACCEPTED: this build takes over from another");
        if conceded.records > 0 {
            text.push_str(&format!(
                " and decides otherwise at {} records, the first of them {}",
                conceded.records, conceded.first
            ));
        }
    }
    text
}
