//! `pricewright replay`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::args::ReplayArgs;
use super::progress::target;
use super::records::Renderer;
use super::show::{count, hex, json as print_json, line, thousands, unless_closed};
use super::where_is::journal_dir;
use crate::error::{Error, Result};
use crate::journal::Reader;
use crate::machines::{Hosted, MachineVisitor, with_machine};
use crate::replay::Owned;
use crate::replay::begin::Beginning;
use crate::replay::follow::Divergence;
use crate::replay::run_info::RunInfo;
use crate::replay::verify::{self, Replay};

pub(super) fn replay<Own: Hosted>(args: &ReplayArgs) -> Result<()> {
    if let (Some(packets), Some(journal)) = (&args.packets, &args.journal) {
        return super::recorded::packets::<Own>(args, packets, journal);
    }
    let dir = journal_dir(args.dir.as_deref())?;
    let machine = RunInfo::read(&dir)?.start.machine;
    let visit = Visit { dir: dir.clone(), beginning: beginning(args, &dir)?, until: args.until };
    let replay = with_machine::<Own, _>(machine.as_str(), visit)??;
    let renderer = Renderer::open::<Own>(&dir)?;
    let cut = cut(args.until, &dir)?;
    let shown = if args.json {
        print_json(&as_json(&dir, &replay, cut, &renderer))
    } else {
        line(&as_text(&dir, &replay, cut, &renderer))
    };
    shown.or_else(unless_closed)?;
    match &replay.divergence {
        Some(found) if args.verify => Err(Error::Diverged(format!(
            "{}: the replay differs from the journal at record {}",
            dir.display(),
            found.seq()
        ))),
        // What was not looked at is no proof of anything.
        _ if args.verify && replay.is_empty() => {
            Err(Error::Failed(nothing_compared(&dir, &replay, args.until)))
        }
        _ => Ok(()),
    }
}

fn nothing_compared(dir: &Path, replay: &Replay, until: Option<u64>) -> String {
    let from = replay.from.map_or(String::new(), |seq| format!(" behind the snapshot of record {seq}"));
    let help = if replay.from.is_none() && until.is_none() {
        "every run ended before its first event: name another journal"
    } else {
        "begin earlier (`--from-snapshot=RECORD` of an older snapshot, or without it), or give a higher --until"
    };
    format!(
        "{}: nothing was compared: no event lies{from} up to record {}; {help}",
        dir.display(),
        replay.last_seq
    )
}

fn beginning(args: &ReplayArgs, dir: &Path) -> Result<Beginning> {
    match args.from_snapshot.as_deref() {
        None => Ok(Beginning::First),
        // Behind the snapshot of a clean stop lies nothing that could be verified.
        Some("newest") if args.verify => Ok(Beginning::Before(
            args.until.map_or_else(|| last_seq(dir), |until| Ok(until.saturating_add(1)))?,
        )),
        Some("newest") => Ok(Beginning::Newest),
        Some(seq) => seq.parse().map(Beginning::Behind).map_err(|_| {
            Error::Usage(format!(
                "--from-snapshot={seq}: give the record that a snapshot's name says, or nothing"
            ))
        }),
    }
}

struct Visit {
    dir: PathBuf,
    beginning: Beginning,
    until: Option<u64>,
}

impl MachineVisitor for Visit {
    type Output = Result<Replay>;

    fn visit<M: Hosted>(self) -> Self::Output {
        let length = self.until.map_or_else(|| last_seq(&self.dir), Ok)?;
        let bar = ProgressBar::with_draw_target(Some(length), target());
        if let Ok(style) =
            ProgressStyle::with_template("replay {bar:40} {human_pos} of {human_len} records, {eta} left")
        {
            bar.set_style(style);
        }
        let start = std::time::Instant::now();
        let replay = verify::replay_from::<M>(&self.dir, self.beginning, self.until, &mut |seq| {
            if start.elapsed() > Duration::from_secs(2) {
                bar.set_position(seq);
            }
        });
        bar.finish_and_clear();
        replay
    }
}

fn last_seq(dir: &std::path::Path) -> Result<u64> {
    Ok(Reader::from_end(dir)?.next_seq().saturating_sub(1))
}

/// `until`, where the journal goes on behind it.
fn cut(until: Option<u64>, dir: &Path) -> Result<Option<u64>> {
    let Some(until) = until else { return Ok(None) };
    Ok((until < last_seq(dir)?).then_some(until))
}

fn as_text(dir: &std::path::Path, replay: &Replay, cut: Option<u64>, renderer: &Renderer) -> String {
    let rate = (replay.events as f64 / replay.seconds.max(1e-9)) as u64;
    let mut text = format!(
        "{}: {} events decided again in {:.2} s ({} events/s)",
        dir.display(),
        thousands(replay.events),
        replay.seconds,
        thousands(rate),
    );
    text.push_str(&match (replay.is_empty(), &replay.divergence) {
        (true, _) => ".".to_owned(),
        (false, None) => {
            format!("; {} decisions are the journal's, bit for bit.", thousands(replay.decisions))
        }
        (false, Some(_)) => {
            format!(
                "; {} decisions before the first difference are the journal's.",
                thousands(replay.decisions)
            )
        }
    });
    if let Some(seq) = replay.from {
        text.push_str(&format!(
            "\nBegun from the snapshot behind record {seq}; what lies before was not looked at."
        ));
    }
    if replay.is_empty() {
        text.push_str("\nNOTHING WAS COMPARED: no event lies there.");
    }
    if let Some(found) = &replay.divergence {
        text.push_str(&format!(
            "\nFIRST DIFFERENCE at record {}: {}",
            found.seq(),
            describe(found, renderer)
        ));
        if let Some(reasons) = &replay.reasons {
            text.push_str("\n  what the machine saw and weighed just then:");
            for (_, note) in &reasons.notes {
                text.push_str(&format!("\n    {}", renderer.note(note, about(found))));
            }
        }
        return text;
    }
    if let Some(end) = open_end(replay, cut) {
        text.push_str(&format!("\n{end}"));
    }
    text.push_str(&format!("\nState hash {}", hex(&replay.state_hash)));
    text
}

/// What follows on the last record that was compared, where that is not a run's end.
fn open_end(replay: &Replay, cut: Option<u64>) -> Option<String> {
    let missing = count(replay.unjournalled as u64, "decision");
    match (cut, replay.unjournalled) {
        (Some(until), 0) => Some(format!("The journal goes on behind --until {until}.")),
        (Some(until), _) => Some(format!(
            "The journal goes on behind --until {until}, which lies before {missing} of its event: not compared."
        )),
        (None, 0) if replay.clean => None,
        (None, 0) => {
            Some("The journal does not end with a run's end: the run crashed, or still goes on.".to_owned())
        }
        (None, _) => Some(format!(
            "The journal ends before {missing} of its last event: the run crashed there, or still goes on."
        )),
    }
}

fn as_json(
    dir: &std::path::Path,
    replay: &Replay,
    cut: Option<u64>,
    renderer: &Renderer,
) -> serde_json::Value {
    json!({
        "journal": dir.display().to_string(),
        "from_snapshot": replay.from,
        "events": replay.events,
        "compared_nothing": replay.is_empty(),
        "decisions": replay.decisions,
        "last_seq": replay.last_seq,
        "identical": replay.divergence.is_none(),
        "clean_end": replay.clean,
        // What was not looked at may well be there.
        "unjournalled_decisions": if cut.is_none() { replay.unjournalled } else { 0 },
        "state_hash": hex(&replay.state_hash),
        "elapsed_s": replay.seconds,
        "divergence": replay.divergence.as_ref().map(|found| json!({
            "seq": found.seq(),
            "what": describe(found, renderer),
            "notes": replay.reasons.as_ref().map(|reasons| {
                reasons.notes.iter().map(|(_, note)| renderer.note_json(note, about(found))).collect::<Vec<_>>()
            }),
        })),
    })
}

/// The record that the machine's reasons are about.
fn about(found: &Divergence) -> Option<&Owned> {
    match found {
        Divergence::Decision { journal, .. } => Some(journal.as_ref()),
        Divergence::Missing { machine, .. } => Some(machine.as_ref()),
        _ => None,
    }
}

fn describe(found: &Divergence, renderer: &Renderer) -> String {
    match found {
        Divergence::Decision { cause, journal, machine, .. } => format!(
            "on event {cause}\n  journal: {}\n  machine: {}",
            renderer.owned(journal),
            machine
                .as_ref()
                .map_or_else(|| "decides nothing (more) here".to_owned(), |machine| renderer.owned(machine)),
        ),
        Divergence::Missing { cause, machine, .. } => {
            format!(
                "on event {cause}\n  journal: has no decision here\n  machine: {}",
                renderer.owned(machine)
            )
        }
        Divergence::Timer { journal, machine, .. } => format!(
            "a timer\n  journal: key {} due {}\n  machine: {}",
            journal.1,
            journal.0,
            machine.map_or_else(|| "asked for none".to_owned(), |(due, key)| format!("key {key} due {due}")),
        ),
        Divergence::Clock { last, now, .. } => format!("the stamp {now} lies before the last one, {last}"),
        Divergence::Cause { expected, .. } => {
            format!("the decision does not name event {expected} as its cause, or carries another stamp")
        }
        Divergence::StateHash { .. } => "the machine's state at the run's end has another hash".to_owned(),
        Divergence::Unknown { kind, version, .. } => {
            format!("kind {kind} version {version} is unknown to this build; use one that knows it")
        }
        Divergence::Counts { .. } => "the run's end counts other numbers of events and decisions".to_owned(),
        Divergence::Snapshot { message, .. } => format!("the machine's state cannot be written: {message}"),
    }
}
