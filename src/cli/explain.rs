//! `pricewright explain`.

use std::path::{Path, PathBuf};

use pricewright_core::kernel::{Nanos, Note};
use pricewright_feeds::jsonl::timestamp::parse_rfc3339;
use serde_json::{Value, json};

use super::args::ExplainArgs;
use super::progress::spinner;
use super::records::Renderer;
use super::show::{json as print_json, line, micros, stamp};
use super::where_is::journal_dir;
use crate::error::{Error, Result};
use crate::machines::{Hosted, MachineVisitor, with_machine};
use crate::replay::Owned;
use crate::replay::explain::{self, Explanation, Previous};
use crate::replay::find::{Question, Subject, life_of};
use crate::replay::run_info::RunInfo;

/// Values that are shown as changed since the decision before.
const CHANGES: usize = 24;

pub(super) fn explain<Own: Hosted>(args: &ExplainArgs) -> Result<()> {
    let (dir, question) = asked(args)?;
    let named = dir.is_some();
    let dir = journal_dir(dir.as_deref()).map_err(|error| match &question.subject {
        Subject::Article(word) => Error::Usage(format!("{word:?} is no directory, and {error}")),
        _ => error,
    })?;
    let machine = RunInfo::read(&dir)?.start.machine;
    let visit = Visit { dir: dir.clone(), question: question.clone() };
    let explanation = with_machine::<Own, _>(machine.as_str(), visit)??;
    let renderer = Renderer::open::<Own>(&dir)?;
    let life = match question.subject {
        Subject::Order(client) => life_of(&dir, client, explanation.asked)?,
        _ => Vec::new(),
    };
    if args.json {
        print_json(&as_json(&dir, &explanation, &life, &renderer))
    } else {
        // Who named no journal is told which one this is.
        let which = if named { String::new() } else { format!("Journal  {}\n", dir.display()) };
        line(&format!("{which}{}", as_text(&explanation, &life, &renderer)))
    }
}

struct Visit {
    dir: PathBuf,
    question: Question,
}

impl MachineVisitor for Visit {
    type Output = Result<Explanation>;

    fn visit<M: Hosted>(self) -> Self::Output {
        spinner("deciding again up to there", || explain::explain::<M>(&self.dir, &self.question))
    }
}

/// A directory that is there is the journal; a number is a record, a stamp a time, any other word an article; in any
/// order.
fn asked(args: &ExplainArgs) -> Result<(Option<PathBuf>, Question)> {
    let mut dir = None;
    let mut question = Question { subject: Subject::Last, at: args.at.as_deref().map(time).transpose()? };
    let mut subject = match (args.order, &args.sku) {
        (Some(client), _) => Some(Subject::Order(client)),
        (None, Some(sku)) => Some(Subject::Article(sku.clone())),
        (None, None) => None,
    };
    for word in &args.what {
        let unclear = || {
            Error::Usage(format!(
                "{word:?}: give at most one directory and one question, as in `explain pricewright-data/demo-1 4711` or \
                 `explain --order 12`"
            ))
        };
        if Path::new(word).is_dir() || word.contains('/') {
            if dir.replace(PathBuf::from(word)).is_some() {
                return Err(unclear());
            }
        } else if let (Ok(at), None) = (time(word), question.at) {
            question.at = Some(at);
        } else if subject.is_some() {
            return Err(unclear());
        } else {
            subject = Some(word.parse().map_or_else(|_| Subject::Article(word.clone()), Subject::Record));
        }
    }
    question.subject = subject.unwrap_or_default();
    if question.at.is_some() && matches!(question.subject, Subject::Record(_)) {
        return Err(Error::Usage("a record has its own time: give its number or a time".to_owned()));
    }
    Ok((dir, question))
}

fn time(text: &str) -> Result<Nanos> {
    parse_rfc3339(text)
        .map(|stamp| Nanos(stamp.0))
        .map_err(|error| Error::Usage(format!("--at {text:?}: {error}; write 2026-01-02T15:04:05Z")))
}

fn as_text(explanation: &Explanation, life: &[Owned], renderer: &Renderer) -> String {
    let mut text = String::new();
    match explanation.decision() {
        Some(decision) => {
            text.push_str(&format!("Decision {}  {}\n", explanation.asked, renderer.owned(decision)));
        }
        None => text.push_str(&format!("Event {} and what it caused\n", explanation.asked)),
    }
    if let Some(event) = explanation.event.record() {
        let header = event.header();
        text.push_str(&format!("Because of event {}  {}\n", header.seq, renderer.owned(&explanation.event)));
        text.push_str(&format!("At       {}\n", stamp(header.now.0)));
    }
    if let Some(previous) = &explanation.previous {
        text.push_str(&previous_text(previous, explanation, renderer));
    }
    text.push_str(&reasons_text(explanation, renderer));
    for (index, decision) in explanation.decisions.iter().enumerate() {
        let seq = decision.record().map_or(0, |record| record.header().seq);
        let mark = if Some(index) == explanation.index { "  <- this one" } else { "" };
        let title = if index == 0 { "Decided" } else { "" };
        text.push_str(&format!("{title:<9}{seq}  {}{mark}\n", renderer.owned(decision)));
    }
    for (index, record) in life.iter().enumerate() {
        let header = record.record().map(|record| (record.header().seq, record.header().now));
        let (seq, now) = header.unwrap_or_default();
        let title = if index == 0 { "Life" } else { "" };
        text.push_str(&format!("{title:<9}{seq}  {}  {}\n", stamp(now.0), renderer.owned(record)));
    }
    text.push_str(&received_text(explanation));
    text.push_str(&latency_text(explanation));
    text.trim_end().to_owned()
}

fn reasons_text(explanation: &Explanation, renderer: &Renderer) -> String {
    let notes = renderer.notes(about(explanation));
    let mut text = String::new();
    let mut section = "";
    for note in explanation.reasons() {
        let title = section_of(note);
        let mut title_shown = if title == section { "" } else { title };
        section = title;
        for (number, body) in notes.text(note).lines().enumerate() {
            let indent = if number == 0 { "" } else { "    " };
            text.push_str(&format!("{title_shown:<9}{indent}{body}\n"));
            title_shown = "";
        }
    }
    if let Some(why) = &explanation.unexplained {
        text.push_str(&format!("Reasons  not known: {why}\n"));
    }
    text
}

/// The record whose instrument the reasons are about.
fn about(explanation: &Explanation) -> Option<&Owned> {
    explanation.decision().or(Some(&explanation.event))
}

/// What changed between two decisions: name, before, now.
fn changes(previous: &Previous, explanation: &Explanation, renderer: &Renderer) -> Vec<[String; 3]> {
    let notes = renderer.notes(about(explanation));
    let before: Vec<(String, String)> = previous.notes.iter().filter_map(|note| notes.named(note)).collect();
    let mut changes: Vec<[String; 3]> = Vec::new();
    for (name, now) in explanation.reasons().filter_map(|note| notes.named(note)) {
        let Some((_, then)) = before.iter().find(|(known, _)| *known == name) else { continue };
        if *then != now && changes.iter().all(|[known, ..]| *known != name) {
            changes.push([name, then.clone(), now]);
        }
    }
    changes
}

fn previous_text(previous: &Previous, explanation: &Explanation, renderer: &Renderer) -> String {
    let header = |owned: &Owned| owned.record().map(|record| (record.header().seq, record.header().now));
    let (seq, then) = header(&previous.decision).unwrap_or_default();
    let (_, now) = header(&explanation.event).unwrap_or_default();
    let earlier = now.0.saturating_sub(then.0) as f64 / 1e9;
    let mut text =
        format!("Before   {seq}  {earlier:.3} s earlier  {}\n", renderer.owned(&previous.decision));
    for (number, [name, then, now]) in
        changes(previous, explanation, renderer).iter().take(CHANGES).enumerate()
    {
        let title = if number == 0 { "Changed" } else { "" };
        text.push_str(&format!("{title:<9}{name}: {then} -> {now}\n"));
    }
    text
}

fn section_of(note: &Note) -> &'static str {
    match note {
        Note::Level { .. } => "Book",
        Note::Feature { .. } => "Features",
        Note::Parameter { .. } => "Params",
        Note::Value { .. } => "Values",
        Note::Formula { .. } => "Formulas",
        Note::Check { .. } => "Checks",
        Note::Step { .. } => "Because",
    }
}

/// When the batch that brought the event came: by the kernel's stamp where there is one.
fn received_text(explanation: &Explanation) -> String {
    let (Some(mark), Some(event)) = (explanation.mark, explanation.event.record()) else {
        return String::new();
    };
    let waited = micros(u64::try_from(event.header().now.0 - mark.received.0).unwrap_or(0));
    match mark.queued_ns {
        0 => format!("Received {}, stamped {waited} µs later\n", stamp(mark.received.0)),
        queued => format!(
            "Received {} by the kernel, taken {} µs later, stamped {waited} µs after that\n",
            stamp(mark.arrived().0),
            micros(u64::from(queued)),
        ),
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

fn as_json(dir: &Path, explanation: &Explanation, life: &[Owned], renderer: &Renderer) -> Value {
    let record = |owned: &Owned| renderer.json(owned);
    let note = |note: &Note| renderer.note_json(note, about(explanation));
    let previous = explanation.previous.as_ref().map(|previous| {
        let changes: Vec<Value> = changes(previous, explanation, renderer)
            .into_iter()
            .map(|[name, then, now]| json!({ "name": name, "before": then, "now": now }))
            .collect();
        let notes: Vec<Value> = previous.notes.iter().map(note).collect();
        json!({ "decision": record(&previous.decision), "notes": notes, "changes": changes })
    });
    json!({
        "journal": dir.display().to_string(),
        "run": explanation.run,
        "seq": explanation.asked,
        "decision": explanation.decision().map(record),
        "event": record(&explanation.event),
        "previous": previous,
        "notes": explanation.reasons().map(note).collect::<Vec<_>>(),
        "unexplained": explanation.unexplained,
        "decisions": explanation.decisions.iter().map(record).collect::<Vec<_>>(),
        "life": life.iter().map(record).collect::<Vec<_>>(),
        "received": explanation.mark.map(|mark| json!({
            "arrived_at": (mark.queued_ns > 0).then(|| mark.arrived().0),
            "queued_ns": (mark.queued_ns > 0).then_some(mark.queued_ns),
            "taken_at": mark.received.0,
            "line": mark.line,
            "position": mark.first,
        })),
        "latency_ns": explanation.latency.map(|trace| json!({
            "sequenced": trace.sequenced.saturating_sub(trace.received),
            "decided": trace.decided.saturating_sub(trace.received),
            "sent": (trace.sent > 0).then(|| trace.sent.saturating_sub(trace.received)),
        })),
    })
}
