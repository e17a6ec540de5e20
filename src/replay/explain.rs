//! Why a decision was made: the journal up to its event, decided again with somebody listening, and what was otherwise
//! when the decision before it was made.
//!
//! An explanation is always given: if the machine cannot be brought to the event (the first segments are gone and no
//! snapshot leads there, or this build decides otherwise), the journal's own words stand alone and it is said why.

use std::path::Path;

use pricewright_core::kernel::table::{Mark, RunEnd, RunStart};
use pricewright_core::kernel::{Class, EventRef, Kind, Machine, Note, RecordRef, Recorder};

use super::Owned;
use super::begin::{Beginning, Begun, begin};
use super::find::{Question, key_of, last_before};
use super::follow::Divergence;
use super::run_info::RunInfo;
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::io::shell;
use crate::journal::Reader;
use crate::telemetry::trace::{self, TraceEntry};

/// How many records before an event its batch's mark is looked for: far more than a batch of events with their decisions.
const MARK_WITHIN: u64 = 16_384;

/// Everything that is known about one event and what it caused.
#[derive(Debug, PartialEq)]
pub struct Explanation {
    /// The record asked about.
    pub asked: u64,
    /// The event that caused it, or is it.
    pub event: Owned,
    /// All decisions of the event, in order.
    pub decisions: Vec<Owned>,
    /// Which of `decisions` was asked about; `None` for the event itself.
    pub index: Option<usize>,
    /// The machine's reasons in order, each with the number of decisions made before it.
    pub notes: Vec<(usize, Note)>,
    /// Why there are no reasons, if the machine could not be asked.
    pub unexplained: Option<String>,
    /// The decision before it about the same thing.
    pub previous: Option<Previous>,
    /// The batch that brought the event: when it came, and how long it waited in the kernel. `None` if no batch did.
    pub mark: Option<Mark>,
    /// When its stages were done, if that was traced.
    pub latency: Option<TraceEntry>,
    /// The run it belongs to; 0 if that is not known.
    pub run: u64,
}

/// The decision before about the same quote, article or instrument.
#[derive(Debug, PartialEq)]
pub struct Previous {
    /// The decision.
    pub decision: Owned,
    /// Its reasons; empty if the journal does not lead there any more.
    pub notes: Vec<Note>,
}

impl Explanation {
    /// The reasons that led to the decision asked about. A machine that tells its whole trail for each decision is taken
    /// at its word; what it told once for several decisions is included. Checks of other decisions are not.
    pub fn reasons(&self) -> impl Iterator<Item = &Note> {
        reasons_of(&self.notes, self.index)
    }

    /// The decision asked about; `None` for an event.
    pub fn decision(&self) -> Option<&Owned> {
        self.index.and_then(|index| self.decisions.get(index))
    }
}

fn reasons_of(notes: &[(usize, Note)], index: Option<usize>) -> impl Iterator<Item = &Note> {
    let is_context = |note: &Note| !matches!(note, Note::Check { .. });
    let told_by_itself = notes.iter().any(|(slot, note)| Some(*slot) == index && is_context(note));
    notes.iter().filter_map(move |(slot, note)| match index {
        None => Some(note),
        Some(index) if *slot == index => Some(note),
        Some(index) => (*slot < index && is_context(note) && !told_by_itself).then_some(note),
    })
}

/// Explains what `question` asks of the journal in `dir`.
///
/// # Errors
/// [`Error::Usage`] if the journal lacks the record, or cannot be read at all.
pub fn explain<M: Machine>(dir: &Path, question: &Question) -> Result<Explanation> {
    explain_from::<M>(dir, question, None)
}

/// As [`explain`], from where `beginning` says; `None` takes the newest snapshot before the record's event.
///
/// # Errors
/// As there.
pub fn explain_from<M: Machine>(
    dir: &Path,
    question: &Question,
    beginning: Option<Beginning>,
) -> Result<Explanation> {
    let asked = question.resolve(dir)?;
    let place = Place::of(dir, asked)?;
    let earlier = match place.decision().and_then(Owned::record).as_ref().and_then(key_of) {
        Some(key) => last_before(dir, place.cause, |record| key_of(record) == Some(key))?,
        None => None,
    };
    let earlier = earlier.map(|seq| Place::of(dir, seq)).transpose()?;
    let reached = match &earlier {
        // The earlier one may lie before anything that is kept.
        Some(earlier) => ask_both::<M>(dir, [earlier.cause, place.cause], beginning),
        None => ask::<M>(dir, &[place.cause], beginning),
    };
    let mut reached = reached.unwrap_or_else(|error| Reached {
        recorded: Vec::new(),
        run: 0,
        unexplained: Some(error.to_string()),
    });
    let previous = earlier.and_then(|earlier| {
        let notes = reached.take(earlier.cause);
        let notes = reasons_of(&notes, earlier.index).cloned().collect();
        Some(Previous { decision: earlier.decision()?.clone(), notes })
    });
    let notes = reached.take(place.cause);
    let Reached { run, unexplained, .. } = reached;
    let mark = mark_of(dir, &place.event, place.cause).unwrap_or_default();
    let latency = latency_of(dir, run, place.cause);
    let Place { event, decisions, index, .. } = place;
    Ok(Explanation { asked, event, decisions, index, notes, unexplained, previous, mark, latency, run })
}

/// The reasons of two events, the first of which may be out of reach: of another build, or before anything that is kept. Then
/// the second is asked for alone, and the first is only what the journal has.
fn ask_both<M: Machine>(dir: &Path, causes: [u64; 2], beginning: Option<Beginning>) -> Result<Reached> {
    let both = ask::<M>(dir, &causes, beginning);
    if both.as_ref().is_ok_and(|both| both.unexplained.is_none()) {
        return both;
    }
    let [earlier, cause] = causes;
    match ask::<M>(dir, &[cause], beginning) {
        Ok(mut alone) if alone.unexplained.is_none() => {
            let before = both.map_or_else(|_| Vec::new(), |both| both.recorded);
            alone.recorded.extend(before.into_iter().filter(|(at, _)| *at == earlier));
            Ok(alone)
        }
        alone => both.or(alone),
    }
}

/// The trace is a side file: what is wrong with it is said, and hides no reason.
fn latency_of(dir: &Path, run: u64, cause: u64) -> Option<TraceEntry> {
    trace::find(dir, run, cause).unwrap_or_else(|error| {
        tracing::warn!(%error, "latencies are not known");
        None
    })
}

/// An event and its decisions as the journal has them, and which of them is meant.
struct Place {
    cause: u64,
    event: Owned,
    decisions: Vec<Owned>,
    index: Option<usize>,
}

impl Place {
    fn of(dir: &Path, asked: u64) -> Result<Self> {
        let cause = cause_of(dir, asked)?;
        let mut reader = Reader::from_seq(dir, cause)?;
        let Some(record) = reader.next_record()? else { return Err(no_record(dir, asked)) };
        let event = Owned::of(record);
        let decisions = decisions_after(&mut reader, cause)?;
        let index = decisions.iter().position(|decision| seq_of(decision) == Some(asked));
        Ok(Self { cause, event, decisions, index })
    }

    fn decision(&self) -> Option<&Owned> {
        self.index.and_then(|index| self.decisions.get(index))
    }
}

/// What a machine said at some events.
struct Reached {
    /// Cause and notes, in rising order.
    recorded: Vec<(u64, Vec<(usize, Note)>)>,
    run: u64,
    /// Why the last of them was not reached.
    unexplained: Option<String>,
}

impl Reached {
    /// With what was said, but not at event `cause` where `unexplained` says what is wrong with its decisions.
    fn of(
        mut recorded: Vec<(u64, Vec<(usize, Note)>)>,
        run: u64,
        cause: u64,
        unexplained: Option<String>,
    ) -> Self {
        if unexplained.is_some() {
            recorded.retain(|(at, _)| *at != cause);
        }
        Self { recorded, run, unexplained }
    }

    /// What was said at event `cause`.
    fn take(&mut self, cause: u64) -> Vec<(usize, Note)> {
        let found = self.recorded.iter_mut().find(|(at, _)| *at == cause);
        found.map(|(_, notes)| core::mem::take(notes)).unwrap_or_default()
    }
}

/// Follows the journal to each of the events `stops` (rising) and listens there. What the machine said at an event is kept
/// only where every decision of it agrees with the journal's: the reasons of another decision would not be the truth.
fn ask<M: Machine>(dir: &Path, stops: &[u64], beginning: Option<Beginning>) -> Result<Reached> {
    let info = RunInfo::newest(dir)?;
    let config: PipelineConfig<M::Config> = info.config.pipeline::<M>()?;
    let first = stops.first().copied().unwrap_or(1);
    let beginning = beginning.unwrap_or(Beginning::Before(first));
    let Begun { mut follower, mut reader, mut run, .. } = begin::<M>(dir, &config.config, beginning)?;
    if reader.next_seq() > first {
        return Err(Error::Usage(format!("no snapshot leads to record {first}")));
    }
    let mut recorded = Vec::new();
    while let Some(record) = reader.next_record()? {
        let seq = record.header().seq;
        if stops.last().is_some_and(|last| *last < seq) && ends_decisions(&record) {
            let missing = follower.pending().next().map(|_| missing_before(dir, seq));
            return Ok(Reached::of(recorded, run, follower.cause().0, missing));
        }
        if let Some(start) = record.get::<RunStart>().filter(|_| stops.last().is_none_or(|last| *last > seq))
        {
            run = start.run;
        }
        let mut recorder = Recorder::default();
        let followed = if stops.contains(&seq) {
            follower.follow_with(record, &mut recorder)
        } else {
            follower.follow(record)
        };
        if let Err(found) = followed {
            return Ok(Reached::of(recorded, run, follower.cause().0, Some(diverged(dir, &found))));
        }
        if stops.contains(&seq) {
            recorded.push((seq, recorder.notes));
        }
    }
    // What a running or crashed journal does not hold yet of the last event's decisions contradicts nothing.
    let reached = recorded.last().map(|(seq, _)| *seq) == stops.last().copied();
    let unexplained = (!reached).then(|| "the journal ends before the event".to_owned());
    Ok(Reached { recorded, run, unexplained })
}

/// True for what stands behind all decisions of the event before it. A crashed run's missing decisions stand behind the
/// first records of the next one.
fn ends_decisions(record: &RecordRef<'_>) -> bool {
    class_of(record) == Some(Class::Event) || record.get::<RunEnd>().is_some()
}

fn missing_before(dir: &Path, seq: u64) -> String {
    let both = both_sides(dir);
    format!("before record {seq} this build decides something that the journal does not hold; {both}")
}

/// How both sides of a difference are seen.
fn both_sides(dir: &Path) -> String {
    let dir = shell::word(dir);
    format!("its reasons would not be the truth; `pricewright replay {dir} --verify` shows both sides")
}

fn diverged(dir: &Path, found: &Divergence) -> String {
    match found {
        Divergence::Missing { seq, .. } => missing_before(dir, *seq),
        found => format!("record {} is not what this build decides; {}", found.seq(), both_sides(dir)),
    }
}

fn no_record(dir: &Path, asked: u64) -> Error {
    Error::Usage(format!("{}: no record {asked}", dir.display()))
}

/// The mark of the batch that brought `event`: the last of its source before it.
fn mark_of(dir: &Path, event: &Owned, seq: u64) -> Result<Option<Mark>> {
    let Some(event) = event.record() else { return Ok(None) };
    let source = event.header().source;
    if matches!(EventRef::of(&event), Some(EventRef::Timer(_) | EventRef::Operator(_))) {
        return Ok(None);
    }
    if let Some(mark) = event.get::<Mark>() {
        return Ok(Some(*mark));
    }
    let from = Reader::from_seq(dir, seq.saturating_sub(MARK_WITHIN).max(1));
    let mut reader = from.or_else(|_| Reader::open(dir))?;
    let mut mark = None;
    while let Some(record) = reader.next_record()? {
        if record.header().seq >= seq {
            break;
        }
        mark = record.get::<Mark>().copied().filter(|found| found.source == source).or(mark);
    }
    Ok(mark)
}

fn seq_of(record: &Owned) -> Option<u64> {
    record.record().map(|record| record.header().seq)
}

/// The event of record `asked`: itself, or the one that its cause field names.
fn cause_of(dir: &Path, asked: u64) -> Result<u64> {
    let mut reader = Reader::from_seq(dir, asked)?;
    let Some(record) = reader.next_record()? else { return Err(no_record(dir, asked)) };
    let header = record.header();
    match class_of(&record) {
        Some(Class::Decision) => header.cause_seq().ok_or_else(|| {
            Error::Failed(format!(
                "record {asked} names a cause before the journal's first record: it was altered; `pricewright journal verify \
                 {}` says more",
                shell::word(dir)
            ))
        }),
        Some(Class::Event) => Ok(asked),
        Some(Class::System) => Err(Error::Usage(format!(
            "record {asked} is about the run itself; ask for an event or a decision (`pricewright journal inspect {} --from \
             {asked}` shows it)",
            shell::word(dir)
        ))),
        None => Err(Error::Usage(format!("record {asked} is of a kind that this build does not know"))),
    }
}

fn class_of(record: &RecordRef<'_>) -> Option<Class> {
    Kind::from_u16(record.header().kind).map(|kind| kind.schema().class)
}

/// The decisions that follow event `cause`.
fn decisions_after(reader: &mut Reader, cause: u64) -> Result<Vec<Owned>> {
    let mut decisions = Vec::new();
    while let Some(record) = reader.next_record()? {
        match class_of(&record) {
            Some(Class::Decision) if record.header().cause_seq() == Some(cause) => {
                decisions.push(Owned::of(record));
            }
            Some(Class::System) => {}
            _ => break,
        }
    }
    Ok(decisions)
}
