//! `pricewright explain`.

use std::path::{Path, PathBuf};

use pricewright_core::kernel::Note;
use serde_json::json;

use super::args::ExplainArgs;
use super::progress::spinner;
use super::records::Renderer;
use super::show::{json as print_json, line, micros, stamp};
use super::where_is::journal_dir;
use crate::error::{Error, Result};
use crate::machines::{Hosted, MachineVisitor, with_machine};
use crate::replay::Owned;
use crate::replay::explain::{self, Explanation};
use crate::replay::run_info::RunInfo;

pub(super) fn explain<Own: Hosted>(args: &ExplainArgs) -> Result<()> {
    let (dir, asked) = what(&args.what)?;
    let dir = journal_dir(dir.as_deref())?;
    let machine = RunInfo::read(&dir)?.start.machine;
    let explanation = with_machine::<Own, _>(machine.as_str(), Visit { dir: dir.clone(), asked })??;
    let renderer = Renderer::open::<Own>(&dir)?;
    if args.json {
        print_json(&as_json(&dir, &explanation, &renderer))
    } else {
        line(&as_text(&explanation, &renderer))
    }
}

struct Visit {
    dir: PathBuf,
    asked: Option<u64>,
}

impl MachineVisitor for Visit {
    type Output = Result<Explanation>;

    fn visit<M: Hosted>(self) -> Self::Output {
        spinner("deciding again up to there", || explain::explain::<M>(&self.dir, self.asked))
    }
}

/// A number is a record, anything else a directory; in either order.
fn what(words: &[String]) -> Result<(Option<PathBuf>, Option<u64>)> {
    let mut dir = None;
    let mut asked = None;
    for word in words {
        match word.parse::<u64>() {
            Ok(number) if asked.is_none() && !Path::new(word).is_dir() => asked = Some(number),
            _ if dir.is_none() => dir = Some(PathBuf::from(word)),
            _ => {
                return Err(Error::Usage(format!(
                    "{word:?}: give at most one directory and one record number, as in `explain pricewright-data/demo-1 4711`"
                )));
            }
        }
    }
    Ok((dir, asked))
}

fn as_text(explanation: &Explanation, renderer: &Renderer) -> String {
    let mut text = String::new();
    match explanation.index.and_then(|index| explanation.decisions.get(index)) {
        Some(decision) => {
            text.push_str(&format!("Decision {}  {}\n", explanation.asked, renderer.owned(decision)))
        }
        None => text.push_str(&format!("Event {} and what it caused\n", explanation.asked)),
    }
    if let Some(event) = explanation.event.record() {
        let header = event.header();
        text.push_str(&format!("Because of event {}  {}\n", header.seq, renderer.owned(&explanation.event)));
        text.push_str(&format!("At       {}\n", stamp(header.now.0)));
    }
    let mut section = "";
    for note in explanation.reasons() {
        let (title, body) = (section_of(note), renderer.note(note));
        let title_shown = if title == section { "" } else { title };
        section = title;
        text.push_str(&format!("{title_shown:<9}{body}\n"));
    }
    for (index, decision) in explanation.decisions.iter().enumerate() {
        let seq = decision.record().map_or(0, |record| record.header().seq);
        let mark = if Some(index) == explanation.index { "  <- this one" } else { "" };
        let title = if index == 0 { "Decided" } else { "" };
        text.push_str(&format!("{title:<9}{seq}  {}{mark}\n", renderer.owned(decision)));
    }
    text.push_str(&latency_text(explanation));
    text.trim_end().to_owned()
}

fn section_of(note: &Note) -> &'static str {
    match note {
        Note::Level { .. } => "Book",
        Note::Feature { .. } => "Features",
        Note::Parameter { .. } => "Params",
        Note::Value { .. } => "Values",
        Note::Check { .. } => "Checks",
        Note::Step { .. } => "Because",
        Note::Formula { .. } => "Formulas",
    }
}

fn latency_text(explanation: &Explanation) -> String {
    let Some(trace) = explanation.latency else {
        return "Latency  not traced for this event".to_owned();
    };
    let since = |from: i64, to: i64| micros(u64::try_from(to - from).unwrap_or(0));
    let mut text = format!(
        "Latency  received to sequenced {} µs, to decided {} µs",
        since(trace.received, trace.sequenced),
        since(trace.received, trace.decided),
    );
    if trace.sent > 0 {
        text.push_str(&format!(", to sent {} µs", since(trace.received, trace.sent)));
    }
    text
}

fn as_json(dir: &Path, explanation: &Explanation, renderer: &Renderer) -> serde_json::Value {
    let record = |owned: &Owned| renderer.json(owned);
    json!({
        "journal": dir.display().to_string(),
        "run": explanation.run,
        "asked": explanation.asked,
        "decision": explanation.index.and_then(|index| explanation.decisions.get(index)).map(record),
        "event": record(&explanation.event),
        "notes": explanation.reasons().collect::<Vec<_>>(),
        "decisions": explanation.decisions.iter().map(record).collect::<Vec<_>>(),
        "latency_ns": explanation.latency.map(|trace| json!({
            "received": trace.received,
            "sequenced": trace.sequenced - trace.received,
            "decided": trace.decided - trace.received,
            "sent": (trace.sent > 0).then(|| trace.sent - trace.received),
        })),
    })
}
