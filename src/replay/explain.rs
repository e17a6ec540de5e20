//! Why a decision was made: the journal up to its event, decided again with somebody listening.

use std::path::Path;

use pricewright_core::kernel::{Class, DecisionRef, Kind, Machine, Note, Recorder};

use super::Owned;
use super::begin::{Beginning, Begun, begin};
use super::run_info::RunInfo;
use super::verify::last_where;
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::journal::Reader;
use crate::telemetry::trace::{self, TraceEntry};

/// Everything that is known about one event and what it caused.
#[derive(Debug, PartialEq)]
pub struct Explanation {
    /// The record asked about.
    pub asked: u64,
    /// The event that caused it, or is it.
    pub event: Owned,
    /// All decisions of the event, in order.
    pub decisions: Vec<Owned>,
    /// Which of `decisions` was asked about; `None` where it is the event itself.
    pub index: Option<usize>,
    /// The machine's reasons in order, each with the number of decisions made before it.
    pub notes: Vec<(usize, Note)>,
    /// When its stages were done, where that was traced.
    pub latency: Option<TraceEntry>,
    /// The run it belongs to.
    pub run: u64,
}

impl Explanation {
    /// The reasons that led to the decision asked about. A machine that tells its whole trail for each decision is taken
    /// at its word; where it told what it saw once for several decisions, that is included. Checks of other decisions are
    /// not.
    pub fn reasons(&self) -> impl Iterator<Item = &Note> {
        let index = self.index;
        let is_context = |note: &Note| !matches!(note, Note::Check { .. });
        let told_by_itself = self.notes.iter().any(|(slot, note)| Some(*slot) == index && is_context(note));
        self.notes.iter().filter_map(move |(slot, note)| match index {
            None => Some(note),
            Some(index) if *slot == index => Some(note),
            Some(index) => (*slot < index && is_context(note) && !told_by_itself).then_some(note),
        })
    }
}

/// Explains record `asked` of the journal in `dir`; without it, the last order or price (or, where there is none, the last
/// decision).
///
/// # Errors
/// Where the journal cannot be read, lacks the record, or the machine decides otherwise than the journal says.
pub fn explain<M: Machine>(dir: &Path, asked: Option<u64>) -> Result<Explanation> {
    explain_from::<M>(dir, asked, None)
}

/// As [`explain`], from where `beginning` says; `None` takes the newest snapshot before the record's event.
///
/// # Errors
/// As there.
pub fn explain_from<M: Machine>(
    dir: &Path,
    asked: Option<u64>,
    beginning: Option<Beginning>,
) -> Result<Explanation> {
    let info = RunInfo::read(dir)?;
    let config: PipelineConfig<M::Config> = info.config.pipeline::<M>()?;
    let asked = match asked {
        Some(asked) => asked,
        None => last_decision(dir)?,
    };
    let cause = cause_of(dir, asked)?;
    let beginning = beginning.unwrap_or(Beginning::Before(cause));
    let Begun { mut follower, mut reader, mut run, .. } = begin::<M>(dir, &config.config, beginning)?;
    while let Some(record) = reader.next_record()? {
        let seq = record.header().seq;
        if let Some(start) = record.get::<pricewright_core::kernel::table::RunStart>() {
            run = start.run;
        }
        if seq < cause {
            follower.follow(record).map_err(|found| diverged(dir, found.seq()))?;
            continue;
        }
        let mut recorder = Recorder::default();
        follower.follow_with(record, &mut recorder).map_err(|found| diverged(dir, found.seq()))?;
        let event = Owned::of(record);
        let decisions = decisions_after(&mut reader, cause)?;
        let index = asked
            .checked_sub(cause + 1)
            .map(|_| decisions.iter().position(|decision| seq_of(decision) == Some(asked)))
            .unwrap_or_default();
        let latency = trace::find(dir, run, cause)?;
        return Ok(Explanation { asked, event, decisions, index, notes: recorder.notes, latency, run });
    }
    Err(Error::Usage(format!("{}: no record {asked}", dir.display())))
}

fn seq_of(record: &Owned) -> Option<u64> {
    record.record().map(|record| record.header().seq)
}

fn diverged(dir: &Path, seq: u64) -> Error {
    Error::Diverged(format!(
        "{}: record {seq} is not what this build decides, so an explanation would not be the truth; `pricewright replay \
         --verify` shows both sides",
        dir.display()
    ))
}

fn last_decision(dir: &Path) -> Result<u64> {
    let wanted = |owned: &Owned| {
        matches!(
            owned.record().as_ref().and_then(DecisionRef::of),
            Some(DecisionRef::PlaceOrder(_) | DecisionRef::ReplaceOrder(_) | DecisionRef::PricePublished(_))
        )
    };
    match last_where(dir, wanted)? {
        Some(seq) => Ok(seq),
        None => last_where(dir, |_| true)?
            .ok_or_else(|| Error::Usage(format!("{}: no decision in this journal yet", dir.display()))),
    }
}

/// The event of record `asked`: itself, or the one that its cause field names.
fn cause_of(dir: &Path, asked: u64) -> Result<u64> {
    let mut reader = Reader::from_seq(dir, asked)?;
    let Some(record) = reader.next_record()? else {
        return Err(Error::Usage(format!("{}: no record {asked}", dir.display())));
    };
    let header = record.header();
    match Kind::from_u16(header.kind).map(|kind| kind.schema().class) {
        Some(Class::Decision) => header.cause_seq().ok_or_else(|| {
            Error::Failed(format!(
                "record {asked} names a cause before the journal's first record: it was altered; `pricewright journal verify` \
                 says more"
            ))
        }),
        Some(Class::Event) => Ok(asked),
        Some(Class::System) => Err(Error::Usage(format!(
            "record {asked} is about the run itself; ask for an event or a decision (`pricewright journal inspect --from \
             {asked}` shows it)"
        ))),
        None => Err(Error::Usage(format!("record {asked} is of a kind that this build does not know"))),
    }
}

/// The decisions that follow event `cause`.
fn decisions_after(reader: &mut Reader, cause: u64) -> Result<Vec<Owned>> {
    let mut decisions = Vec::new();
    while let Some(record) = reader.next_record()? {
        let header = record.header();
        let class = Kind::from_u16(header.kind).map(|kind| kind.schema().class);
        match class {
            Some(Class::Decision) if header.cause_seq() == Some(cause) => {
                decisions.push(Owned::of(record));
            }
            Some(Class::System) => {}
            _ => break,
        }
    }
    Ok(decisions)
}
