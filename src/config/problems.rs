//! Everything that is wrong with a configuration, at once: each problem with its place, what is wrong, and what helps.
//!
//! A deserialiser stops at the first problem. So, as a compiler recovers from an error to find the next one, the key at
//! fault is renamed to what was meant, set to the bundled examples' value or left out, and the rest is read again, until it
//! can be read. Then the settings, the machine and the edges each say all that is wrong with the values, by key. What such a
//! check says of a table that was changed here is left out: it would speak of the change.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use pricewright_core::kernel::{ConfigFault, Machine};
use serde::de::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use self::places::{
    Entry, Path, empty_table, ends_with, entries_of, example_of, is_made_of_tables, nearest_entry, put,
    rename, steps, table_name,
};
use self::words::{no_toml, plain, quoted, unknown_key};
use super::{ConfigText, PipelineConfig, settings};
use crate::error::{Error, Result};

mod places;
mod words;

/// More problems than a person reads at once.
const MOST: usize = 64;
/// Characters of a line that are shown at most.
const SHOWN: usize = 120;
/// How alike two names must be for one to be offered for the other, 0 to 1.
const ALIKE: f64 = 0.75;
/// The key that says what its table is. It is asked for before any other, so that it is missed before it is found misspelt.
const TAG: &str = "kind";

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Line, counted from 1; 0 (in JSON null) if it concerns the whole file.
    #[serde(serialize_with = "place")]
    pub line: usize,
    /// Column in characters, counted from 1; 0 (in JSON null) if it is not known.
    #[serde(serialize_with = "place")]
    pub column: usize,
    /// What is wrong and what helps.
    pub message: String,
    /// The line's text, and how many characters of it are at fault.
    #[serde(skip)]
    shown: (String, usize),
}

impl Problem {
    /// Of a line, or of the whole file, where nothing more is known.
    pub fn at(line: Option<usize>, message: String) -> Self {
        Self { line: line.unwrap_or(0), column: 0, message, shown: (String::new(), 0) }
    }
}

/// None for 0, which stands for the whole file.
fn known(place: &usize) -> Option<usize> {
    (*place > 0).then_some(*place)
}

fn place<S: serde::Serializer>(place: &usize, serializer: S) -> core::result::Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&known(place), serializer)
}

impl ConfigText {
    /// Everything that is wrong with it as a configuration of machine `M`, in the order of the file; empty if it is good.
    /// `more` says what is wrong beyond the settings and the machine.
    pub fn problems<M: Machine>(
        &self,
        more: impl Fn(&PipelineConfig<M::Config>) -> Vec<ConfigFault>,
    ) -> Vec<Problem> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        if !errors.is_empty() {
            return self.syntax_problems(&errors);
        }
        let span = table.span();
        let mut search = Search {
            text: self,
            machine: M::NAME,
            whole: span,
            table: table.into_inner(),
            repaired: Vec::new(),
            guessed: Vec::new(),
            strange: Vec::new(),
            seen: BTreeSet::new(),
            problems: Vec::new(),
        };
        while search.problems.len() < MOST && search.next::<M>(&more) {}
        let mut problems = search.problems;
        problems.sort_by_key(|problem| (problem.line == 0, problem.line, problem.column));
        problems
    }

    /// The name of the machine that it is for, one of `known`.
    ///
    /// # Errors
    /// Where it is no TOML, or names no such machine.
    pub fn machine_of(&self, known: &[&str]) -> Result<String> {
        let refuse = |problems| Err(Error::Problems { path: self.path.clone(), problems });
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        if !errors.is_empty() {
            return refuse(self.syntax_problems(&errors));
        }
        let names: Vec<String> = known.iter().map(|name| format!("machine = \"{name}\"")).collect();
        let names = names.join(" or ");
        let Some(value) = table.get_ref().get("machine") else {
            let message = format!("`machine` is missing: say at the top which runs, {names}");
            return refuse(vec![self.problem(None, message)]);
        };
        let message = match value.get_ref() {
            DeValue::String(name) if known.contains(&name.as_ref()) => return Ok(name.to_string()),
            DeValue::String(name) => {
                let hint = nearest(name, known.iter().copied())
                    .map_or_else(|| ".".to_owned(), |near| format!("; did you mean `{near}`?"));
                format!("there is no machine {name:?}{hint} This program has {}", known.join(", "))
            }
            _ => format!("`machine` is a name in quotes: {names}"),
        };
        refuse(vec![self.problem(Some(value.span()), message)])
    }

    /// The line of `fault`'s key, where it has one that the file has.
    pub(super) fn line_of_fault(&self, fault: &ConfigFault) -> Option<usize> {
        let table = DeTable::parse(&self.text).ok()?.into_inner();
        let entries = entries_of(&table);
        let span = place_of(&entries, fault)?;
        Some(self.problem(Some(span), String::new()).line)
    }

    fn syntax_problems(&self, errors: &[toml::de::Error]) -> Vec<Problem> {
        let syntax = |error: &toml::de::Error| {
            let word = error.span().and_then(|span| self.text.get(span)).unwrap_or("");
            self.problem(error.span(), no_toml(error.message(), word))
        };
        errors.iter().take(MOST).map(syntax).collect()
    }

    fn problem(&self, span: Option<Range<usize>>, message: String) -> Problem {
        let Some(span) = span.filter(|span| span.start <= self.text.len()) else {
            return Problem { line: 0, column: 0, message, shown: (String::new(), 0) };
        };
        let before = self.text.get(..span.start).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(line_start..).unwrap_or("").lines().next().unwrap_or("");
        let width =
            self.text.get(span).map_or(1, |at_fault| at_fault.lines().next().unwrap_or("").chars().count());
        Problem {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(1, |text| text.chars().count() + 1),
            message,
            shown: (line.to_owned(), width.max(1)),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, width) = &self.shown;
        let (line, before, width) = excerpt(line, self.column.saturating_sub(1), *width);
        write!(f, "{}", self.message)?;
        if self.line > 0 {
            let number = self.line.to_string();
            let gutter = " ".repeat(number.len());
            let (before, under) = (" ".repeat(before), "^".repeat(width));
            write!(f, "\n  {number} | {line}\n  {gutter} | {before}{under}")?;
        }
        Ok(())
    }
}

/// As much of `line` as a terminal has room for, around the `width` characters behind the first `before`, which are at
/// fault; with how many characters of it now stand before them, and how many they are.
fn excerpt(line: &str, before: usize, width: usize) -> (String, usize, usize) {
    let long = line.chars().count();
    if long <= SHOWN {
        return (line.to_owned(), before, width);
    }
    let from = before.saturating_sub(SHOWN / 3).min(long - SHOWN);
    let shown: String = line.chars().skip(from).take(SHOWN).collect();
    let (head, tail) = (if from > 0 { "…" } else { "" }, if from + SHOWN < long { "…" } else { "" });
    let before = before.saturating_sub(from);
    let width = width.min(SHOWN.saturating_sub(before)).max(1);
    (format!("{head}{shown}{tail}"), before + head.chars().count(), width)
}

/// What of the file `fault` is about.
fn place_of(entries: &[Entry], fault: &ConfigFault) -> Option<Range<usize>> {
    let entry = nearest_entry(entries, &fault.keys).or_else(|| named_in(entries, &fault.message))?;
    // Of an item of a list there is no key to be shown.
    let is_item = entry.path.last().is_some_and(|step| step.starts_with('#'));
    Some(if is_item { entry.value.clone() } else { entry.key.clone() })
}

/// The key that `message` names, for machines that say no more.
fn named_in<'a>(entries: &'a [Entry], message: &str) -> Option<&'a Entry> {
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '.';
    let mut words = message.split(|char| !is_word(char)).filter(|word| word.len() > 2);
    let named = |word: &str, is_table: bool| {
        let there = entries.iter().filter(|entry| entry.is_there() && entry.is_table == is_table);
        there.into_iter().find(|entry| ends_with(&entry.path, word))
    };
    let mut tables = words.clone();
    words.find_map(|word| named(word, false)).or_else(|| tables.find_map(|word| named(word, true)))
}

struct Search<'a> {
    text: &'a ConfigText,
    machine: &'static str,
    whole: Range<usize>,
    table: DeTable<'a>,
    /// What is no longer as the file has it.
    repaired: Vec<Path>,
    /// Keys that were taken for the one that they are most like: what else is wrong with them may come of that.
    guessed: Vec<Path>,
    /// Keys like no other, which were taken out, and whether a table: something that is missing beside one was hardly left out.
    strange: Vec<(Path, bool)>,
    /// What was at fault, so that it ends: a key by its path and where it stands.
    seen: BTreeSet<(Path, usize)>,
    problems: Vec<Problem>,
}

impl Search<'_> {
    /// Finds the next problem that keeps the rest from being read, and repairs it. False at the end, where the rest was read
    /// and checked, or where there is no repair.
    fn next<M: Machine>(&mut self, more: &impl Fn(&PipelineConfig<M::Config>) -> Vec<ConfigFault>) -> bool {
        let document = Deserializer::from(Spanned::new(self.whole.clone(), self.table.clone()));
        let mut config = match PipelineConfig::<M::Config>::deserialize(document) {
            Err(error) => return self.unreadable(&error),
            Ok(config) => config,
        };
        M::at_venue(&mut config.config, &config.venue);
        let mut faults = settings::faults(&config);
        faults.extend(decoder_fault::<M>(&config));
        faults.extend(M::faults(&config.config).into_iter().map(|fault| fault.within("config")));
        if faults.is_empty() {
            // What lies behind rests on all of these.
            faults = more(&config);
        }
        let entries = entries_of(&self.table);
        for fault in faults {
            if !self.is_of_a_repair(&fault, &entries) {
                let place = place_of(&entries, &fault);
                self.say(place, fault.message);
            }
        }
        false
    }

    /// Whether `fault` is about a table in which something was repaired, or a key that was guessed or was hardly left out.
    fn is_of_a_repair(&self, fault: &ConfigFault, entries: &[Entry]) -> bool {
        let about = |key: &String| {
            let key = steps(key);
            let is_there = entries.iter().any(|entry| entry.path == key);
            self.repaired.iter().any(|path| path.starts_with(&key))
                || self.is_guessed(&key)
                || (!is_there && self.strange.iter().any(|(path, _)| is_beside(path, &key)))
        };
        fault.keys.iter().any(about)
    }

    /// Whether the key at `path`, or the list in which it lies, was guessed.
    fn is_guessed(&self, path: &[String]) -> bool {
        let list = path.iter().rposition(|step| !step.starts_with('#')).map_or(0, |last| last + 1);
        self.guessed.iter().any(|guess| path.get(..list).is_some_and(|path| path == guess.as_slice()))
    }

    fn say(&mut self, place: Option<Range<usize>>, message: String) {
        let problem = self.text.problem(place, message);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn unreadable(&mut self, error: &toml::de::Error) -> bool {
        let said = error.message().trim_end();
        let quoted = quoted(said);
        let entries = entries_of(&self.table);
        let span = error.span();
        if let (Some(name), true) = (quoted.first(), said.starts_with("missing field")) {
            return self.missing(name, span);
        }
        let at = |span: &Range<usize>| {
            let keyed = entries.iter().find(|entry| entry.key == *span);
            keyed.or_else(|| {
                let around = |entry: &&Entry| entry.value.start <= span.start && span.end <= entry.value.end;
                entries.iter().rev().filter(around).min_by_key(|entry| entry.value.len())
            })
        };
        let unknown = said.starts_with("unknown field");
        let named =
            |name: &str| entries.iter().find(|entry| entry.path.last().is_some_and(|key| key == name));
        let entry = match quoted.first() {
            // A key of a tagged table is named without its place.
            Some(name) if unknown => span
                .as_ref()
                .and_then(at)
                .filter(|entry| entry.path.last().is_some_and(|key| key == name))
                .or_else(|| named(name)),
            _ => span.as_ref().and_then(at),
        };
        let Some(entry) = entry else {
            let message = plain(said, self.written(span.as_ref()));
            self.say(span, message);
            return false;
        };
        let path = entry.path.clone();
        if unknown {
            let known = quoted.get(1..).unwrap_or(&[]);
            let (name, key) = (quoted.first().copied().unwrap_or(""), entry.key.clone());
            let table = table_name(path.get(..path.len().saturating_sub(1)).unwrap_or(&[]));
            let near = meant(name, known, &path, &entries);
            self.say(Some(key.clone()), unknown_key(name, near, known, &table));
            let is_table = entries.iter().any(|inner| inner.is_table && inner.path.starts_with(&path));
            return self.take_for_known(path, key.start, is_table, near);
        }
        let start = entry.key.start;
        if !self.is_guessed(&path) {
            let span = span.unwrap_or_else(|| entry.value.clone());
            let message = plain(said, self.written(Some(&span)));
            self.say(Some(span), message);
        }
        let example = example_of(&path, self.machine).map(|example| example.value);
        self.repair(path, start, example)
    }

    /// What the file has at `span`.
    fn written(&self, span: Option<&Range<usize>>) -> &str {
        span.and_then(|span| self.text.text.get(span.clone())).unwrap_or("")
    }

    /// Reads an unknown key as the one that was meant, or not at all.
    fn take_for_known(&mut self, path: Path, start: usize, is_table: bool, near: Option<&str>) -> bool {
        match near {
            Some(near) if rename(&mut self.table, &path, near) => {
                let around = path.get(..path.len().saturating_sub(1)).unwrap_or(&[]);
                self.guessed.push(around.iter().cloned().chain([near.to_owned()]).collect());
                return self.seen.insert((path, start));
            }
            Some(_) => {}
            None => self.strange.push((path.clone(), is_table)),
        }
        self.repair(path, start, None)
    }

    /// A key that is needed and not there.
    fn missing(&mut self, name: &str, span: Option<Range<usize>>) -> bool {
        let tables = entries_of(&self.table);
        // Of what stands in for a missing part only `[config]` is empty.
        let of_span = |entry: &&Entry| {
            let may_lack = entry.is_there() || entry.path == ["config"];
            entry.is_table && may_lack && Some(&entry.value) == span.as_ref()
        };
        // The innermost: a list of one table lies where its table does.
        let table = tables.iter().rev().find(of_span);
        let mut path = table.map(|entry| entry.path.clone()).unwrap_or_default();
        let shown = if path.is_empty() { "the file".to_owned() } else { table_name(&path) };
        let place = table.filter(|entry| entry.is_there()).map(|entry| match entry.path.last() {
            Some(step) if step.starts_with('#') => entry.value.clone(),
            _ => entry.key.clone(),
        });
        path.push(name.to_owned());
        let misspelt = |entry: &&Entry| {
            let name = entry.path.last().map_or("", String::as_str);
            entry.is_there() && is_beside(&entry.path, &path) && nearest(name, [TAG].into_iter()).is_some()
        };
        if let Some(entry) = tables.iter().find(misspelt).filter(|_| name == TAG) {
            let wrong = entry.path.last().map_or("", String::as_str);
            self.say(Some(entry.key.clone()), unknown_key(wrong, Some(TAG), &[], &shown));
            return self.take_for_known(entry.path.clone(), entry.key.start, entry.is_table, Some(TAG));
        }
        let example = example_of(&path, self.machine);
        let is_table = example.as_ref().is_some_and(|example| is_made_of_tables(&example.value));
        let misspelt =
            self.strange.iter().position(|(other, table)| is_beside(other, &path) && *table == is_table);
        if let Some(misspelt) = misspelt {
            self.strange.remove(misspelt);
        } else if !self.repaired.contains(&path) {
            // What was taken out for a fault was said already.
            let message = self.missing_text(&path, &shown, example.as_ref());
            self.say(place, message);
        }
        // Of `[config]` all parts that are missing are said.
        let value =
            if path == ["config"] { Some(empty_table()) } else { example.map(|example| example.value) };
        self.repair(path, usize::MAX, value)
    }

    fn missing_text(&self, path: &[String], shown: &str, example: Option<&places::Example>) -> String {
        let name = path.last().map_or("", String::as_str);
        let table = match example {
            Some(example) if is_made_of_tables(&example.value) => {
                let table = table_name(path);
                if matches!(example.value, DeValue::Array(_)) { format!("[{table}]") } else { table }
            }
            None if path == ["config"] => "[config]".to_owned(),
            Some(places::Example { text: Some(text), .. }) => {
                return format!("`{name}` is missing in {shown}, as in `{name} = {text}`");
            }
            _ => return format!("`{name}` is missing in {shown}"),
        };
        let keys = table_name(path).trim_matches(['[', ']']).to_owned();
        format!(
            "{table} is missing: add a line `{table}` and its keys; `pricewright config {keys}` shows them"
        )
    }

    /// Gives the key at `path` another value, or takes it out. False if that was done before.
    fn repair(&mut self, path: Path, start: usize, value: Option<DeValue<'static>>) -> bool {
        put(&mut self.table, &path, value);
        self.repaired.push(path.clone());
        self.seen.insert((path, start))
    }
}

/// Whether two keys lie in the same table.
fn is_beside(one: &[String], other: &[String]) -> bool {
    one.len() == other.len()
        && one.split_last().map(|(_, table)| table) == other.split_last().map(|(_, table)| table)
}

/// The one of `known` that the key `name` at `path` is most like: one that is not there already, if it is like any.
fn meant<'a>(name: &str, known: &[&'a str], path: &[String], entries: &[Entry]) -> Option<&'a str> {
    let is_there = |known: &str| {
        entries
            .iter()
            .any(|entry| is_beside(&entry.path, path) && entry.path.last().is_some_and(|last| last == known))
    };
    let missing = known.iter().copied().filter(|known| !is_there(known));
    nearest(name, missing).or_else(|| nearest(name, known.iter().copied()))
}

/// What the decoder of lines has against its settings.
pub(super) fn decoder_fault<M: Machine>(config: &PipelineConfig<M::Config>) -> Option<ConfigFault> {
    let feed = config.feed.jsonl.as_ref()?;
    let units = M::units(&config.config);
    let message = feed.decoder(units.money_decimals).check().err()?;
    // The currency is the machine's.
    let table = if message.starts_with("currency_decimals") { "config" } else { "feed.jsonl" };
    Some(ConfigFault::from(message).within(table))
}

/// The one of `known` that `name` is most like, if it is like any.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let rated = known.map(|known| (strsim::jaro_winkler(&name, &known.to_lowercase()), known));
    rated
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests;
