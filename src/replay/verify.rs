//! Replay of a journal, whole or from a snapshot on.

use std::path::Path;

use pricewright_core::kernel::{Kind, Machine, Recorder};

use super::begin::{Beginning, Begun, begin};
use super::follow::Divergence;
use super::run_info::RunInfo;
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::pipeline::huge_pages::gather;

/// What a replay found.
#[derive(Debug)]
pub struct Replay {
    /// The record that the snapshot stands behind from which it began; `None` for the journal's beginning.
    pub from: Option<u64>,
    /// Events decided again.
    pub events: u64,
    /// Decisions that agree.
    pub decisions: u64,
    /// The last record followed.
    pub last_seq: u64,
    /// Ends of runs whose state hash and counts agree.
    pub ends: u64,
    /// BLAKE3 of the machine's last state.
    pub state_hash: [u8; 32],
    /// True where the last run ended cleanly.
    pub clean: bool,
    /// Decisions of the last event that the journal does not hold: a crash, or a run still going on.
    pub unjournalled: usize,
    /// The first difference.
    pub divergence: Option<Box<Divergence>>,
    /// The machine's reasons at the event before the difference.
    pub reasons: Option<Recorder>,
    /// Wall seconds of the replay.
    pub seconds: f64,
}

impl Replay {
    /// True if nothing was held against anything: no event, no decision, and no end of a run but of those that took none.
    pub fn is_empty(&self) -> bool {
        let same_state = self.ends > 0 && self.from.is_some();
        self.events == 0 && self.decisions == 0 && !same_state && self.divergence.is_none()
    }
}

/// Decides the events of the journal in `dir` again, up to record `until`, and compares every decision.
///
/// # Errors
/// Where the journal cannot be read, or its configuration makes no machine of this kind.
pub fn replay<M: Machine>(dir: &Path, until: Option<u64>, progress: &mut dyn FnMut(u64)) -> Result<Replay> {
    replay_from::<M>(dir, Beginning::First, until, progress)
}

/// As [`replay`], from where `beginning` says.
///
/// # Errors
/// As there, and where `beginning` is not there or lies behind `until`.
pub fn replay_from<M: Machine>(
    dir: &Path,
    beginning: Beginning,
    until: Option<u64>,
    progress: &mut dyn FnMut(u64),
) -> Result<Replay> {
    let info = RunInfo::newest(dir)?;
    let config: PipelineConfig<M::Config> = info.config.pipeline::<M>()?;
    let start = std::time::Instant::now();
    let Begun { mut follower, mut reader, from, clean_stop, .. } =
        begin::<M>(dir, &config.config, beginning)?;
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        return Err(Error::Usage(format!(
            "{}: the replay begins behind record {from}, so that --until must be higher",
            dir.display()
        )));
    }
    if let Err(error) = gather() {
        tracing::warn!(%error, "the machine's memory stays in small pages");
    }
    let before = follower.counts();
    let mut clean = clean_stop;
    let mut ends = 0;
    let mut divergence = None;
    while until.is_none_or(|until| reader.next_seq() <= until)
        && let Some(record) = reader.next_record()?
    {
        let header = record.header();
        clean = header.kind == Kind::RunEnd as u16;
        if let Err(found) = follower.follow(record) {
            divergence = Some(found);
            break;
        }
        ends += u64::from(clean);
        if header.seq.is_multiple_of(1 << 16) {
            progress(header.seq);
        }
    }
    let reasons = match &divergence {
        Some(found) => reasons_before::<M>(dir, &config.config, beginning, found)?,
        None => None,
    };
    let state_hash = follower
        .driver()
        .state_hash()
        .map_err(|error| Error::Failed(format!("the state cannot be hashed: {error}")))?;
    let (events, decisions) = follower.counts();
    let (events, decisions) = (events - before.0, decisions - before.1);
    let unjournalled = if divergence.is_some() { 0 } else { follower.pending().count() };
    let last_seq = reader.next_seq().saturating_sub(1);
    let seconds = start.elapsed().as_secs_f64();
    Ok(Replay {
        from,
        events,
        decisions,
        last_seq,
        ends,
        state_hash,
        clean,
        unjournalled,
        divergence,
        reasons,
        seconds,
    })
}

/// The machine's reasons at the event that the differing decision belongs to.
fn reasons_before<M: Machine>(
    dir: &Path,
    config: &M::Config,
    beginning: Beginning,
    found: &Divergence,
) -> Result<Option<Recorder>> {
    let cause = match found {
        Divergence::Decision { cause, .. } | Divergence::Missing { cause, .. } => *cause,
        _ => return Ok(None),
    };
    let Begun { mut follower, mut reader, .. } = begin::<M>(dir, config, beginning)?;
    while let Some(record) = reader.next_record()? {
        if record.header().seq == cause {
            let mut recorder = Recorder::default();
            let _the_event_itself_agreed = follower.follow_with(record, &mut recorder);
            return Ok(Some(recorder));
        }
        if follower.follow(record).is_err() {
            return Ok(None);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
