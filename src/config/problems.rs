//! Everything that is wrong with a configuration, at once: each problem with its place, what is wrong, and what helps.
//!
//! A deserialiser stops at the first problem. So, as a compiler recovers from an error to find the next one, the key at
//! fault is set to the bundled examples' value (or left out) and the rest is read again, until nothing is wrong or a key
//! is at fault a second time.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use pricewright_core::kernel::Machine;
use serde::de::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::{ConfigText, PipelineConfig};
use crate::error::Error;

/// More problems than a person reads at once.
const MOST: usize = 64;
/// How alike two names must be for one to be offered for the other, 0 to 1.
const ALIKE: f64 = 0.75;
/// Known good values for keys that are needed and wrong.
const EXAMPLES: [&str; 3] = [
    include_str!("../../strategies/trading/desk.toml"),
    include_str!("../../strategies/pricing/flash_sale/stdin.toml"),
    include_str!("../../strategies/pricing/flash_sale/tcp.toml"),
];

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

fn place<S: serde::Serializer>(place: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&known(place), serializer)
}

/// Where a key stands: names of tables, `#0` for places in an array, the key last.
type Path = Vec<String>;

/// A key of the file.
struct Entry {
    path: Path,
    key: Range<usize>,
    value: Range<usize>,
}

impl ConfigText {
    /// Everything that is wrong with it as a configuration of machine `M`; empty if it is good.
    pub fn problems<M: Machine>(&self) -> Vec<Problem> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        if !errors.is_empty() {
            let syntax = |error: &toml::de::Error| self.problem(error.span(), error.message().to_owned());
            return errors.iter().take(MOST).map(syntax).collect();
        }
        let span = table.span();
        let mut search = Search {
            text: self,
            whole: span,
            table: table.into_inner(),
            repaired: BTreeSet::new(),
            problems: Vec::new(),
        };
        while search.problems.len() < MOST && search.next::<M>() {}
        search.problems
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
        write!(f, "{}", self.message)?;
        if self.line > 0 {
            let number = self.line.to_string();
            let gutter = " ".repeat(number.len());
            let (before, under) = (" ".repeat(self.column.saturating_sub(1)), "^".repeat(*width));
            write!(f, "\n  {number} | {line}\n  {gutter} | {before}{under}")?;
        }
        Ok(())
    }
}

struct Search<'a> {
    text: &'a ConfigText,
    whole: Range<usize>,
    table: DeTable<'a>,
    repaired: BTreeSet<Path>,
    problems: Vec<Problem>,
}

impl Search<'_> {
    /// Finds the next problem and repairs it; false if there is none, or it cannot be repaired.
    fn next<M: Machine>(&mut self) -> bool {
        let document = Deserializer::from(Spanned::new(self.whole.clone(), self.table.clone()));
        match PipelineConfig::<M::Config>::deserialize(document) {
            Err(error) => self.unreadable(&error),
            Ok(mut config) => {
                M::at_venue(&mut config.config, &config.venue);
                match self.text.validate::<M>(&config) {
                    Ok(()) => false,
                    Err(Error::Config { message, .. }) => self.invalid(message),
                    Err(error) => {
                        self.problems.push(self.text.problem(None, error.to_string()));
                        false
                    }
                }
            }
        }
    }

    fn unreadable(&mut self, error: &toml::de::Error) -> bool {
        let said = error.message().trim_end();
        let quoted: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
        let entries = entries_of(&self.table);
        let span = error.span();
        if let (Some(name), true) = (quoted.first(), said.starts_with("missing field")) {
            return self.missing(name, span);
        }
        let at = |span: &Range<usize>| {
            let keyed = entries.iter().find(|entry| entry.key == *span);
            keyed.or_else(|| {
                let around = |entry: &&Entry| entry.value.start <= span.start && span.end <= entry.value.end;
                entries.iter().filter(around).min_by_key(|entry| entry.value.len())
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
            self.problems.push(self.text.problem(span, said.to_owned()));
            return false;
        };
        let message = if unknown { unknown_key(&quoted, &entry.path) } else { said.to_owned() };
        let place = if unknown { entry.key.clone() } else { span.unwrap_or_else(|| entry.value.clone()) };
        let path = entry.path.clone();
        self.problems.push(self.text.problem(Some(place), message));
        self.repair(path, unknown)
    }

    /// A key that is needed and not there.
    fn missing(&mut self, name: &str, span: Option<Range<usize>>) -> bool {
        let tables = entries_of(&self.table);
        let table = span.as_ref().and_then(|span| tables.iter().find(|entry| entry.value == *span));
        let mut path = table.map(|entry| entry.path.clone()).unwrap_or_default();
        let shown = if path.is_empty() { "the file".to_owned() } else { table_name(&path) };
        path.push(name.to_owned());
        // What was taken out for a fault was said already.
        if !self.repaired.contains(&path) {
            let example =
                example_text(&path).map(|value| format!(", as in `{name} = {value}`")).unwrap_or_default();
            let message = format!("`{name}` is missing in {shown}{example}");
            let place = table.map(|entry| entry.key.clone());
            self.problems.push(self.text.problem(place, message));
        }
        self.repair(path, false)
    }

    /// A value that was read and may not be, by a message that names its key.
    fn invalid(&mut self, message: String) -> bool {
        let entries = entries_of(&self.table);
        let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '.';
        let words = message.split(|char| !is_word(char)).filter(|word| word.len() > 1);
        let found = words.into_iter().find_map(|word| {
            let ends = |entry: &&Entry| ends_with(&entry.path, word);
            entries.iter().find(ends)
        });
        let table = message.split_inclusive(']').next().filter(|table| table.starts_with('['));
        let found =
            found.or_else(|| entries.iter().find(|entry| table == Some(table_name(&entry.path).as_str())));
        let Some(entry) = found else {
            self.problems.push(self.text.problem(None, message));
            return false;
        };
        let path = entry.path.clone();
        self.problems.push(self.text.problem(Some(entry.key.clone()), message));
        self.repair(path, false)
    }

    /// Gives the key at `path` the examples' value, or takes it out. False if that was done before.
    fn repair(&mut self, path: Path, take_out: bool) -> bool {
        let example = if take_out { None } else { example_of(&path) };
        put(&mut self.table, &path, example);
        self.repaired.insert(path)
    }
}

/// `[feed.jsonl]`, without places in arrays.
fn table_name(path: &[String]) -> String {
    format!("[{}]", path.iter().filter(|step| !step.starts_with('#')).cloned().collect::<Vec<_>>().join("."))
}

/// True if the dotted `words` are the end of `path`.
fn ends_with(path: &[String], words: &str) -> bool {
    let mut steps = path.iter().rev().filter(|step| !step.starts_with('#'));
    words
        .rsplit('.')
        .filter(|word| !word.is_empty())
        .all(|word| steps.next().is_some_and(|step| step == word))
        && words.contains(|char: char| char != '.')
}

/// `unknown field` with the names that would do.
fn unknown_key(quoted: &[&str], path: &[String]) -> String {
    let (name, known) = quoted.split_first().unwrap_or((&"", &[]));
    let place = table_name(path.get(..path.len().saturating_sub(1)).unwrap_or(&[]));
    let place = if place == "[]" { String::new() } else { format!(" in {place}") };
    let near = nearest(name, known.iter().copied());
    match near {
        Some(near) => format!("unknown key `{name}`{place}; did you mean `{near}`?"),
        None => format!("unknown key `{name}`{place}; it takes {}", known.join(", ")),
    }
}

/// The one of `known` that `name` is most like, if it is like any.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let rated = known.map(|known| (strsim::jaro_winkler(name, known), known));
    rated
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known)
}

fn entries_of(table: &DeTable<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    walk(table, &mut Vec::new(), &mut entries);
    entries
}

fn walk(table: &DeTable<'_>, path: &mut Path, entries: &mut Vec<Entry>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        entries.push(Entry { path: path.clone(), key: key.span(), value: value.span() });
        match value.get_ref() {
            DeValue::Table(inner) => walk(inner, path, entries),
            DeValue::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    if let DeValue::Table(inner) = item.get_ref() {
                        path.push(format!("#{at}"));
                        entries.push(Entry { path: path.clone(), key: key.span(), value: item.span() });
                        walk(inner, path, entries);
                        path.pop();
                    }
                }
            }
            _ => {}
        }
        path.pop();
    }
}

/// Sets or takes out the value at `path`.
fn put(table: &mut DeTable<'_>, path: &[String], value: Option<DeValue<'static>>) {
    let Some((step, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        match value {
            Some(value) => {
                table.insert(Spanned::new(0..0, step.clone().into()), Spanned::new(0..0, value));
            }
            None => {
                table.remove(step.as_str());
            }
        }
        return;
    }
    match table.get_mut(step.as_str()).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => put(inner, rest, value),
        Some(DeValue::Array(items)) => {
            let at: Option<usize> = rest.first().and_then(|step| step.strip_prefix('#')?.parse().ok());
            let item = at.and_then(|at| items.get_mut(at)).map(Spanned::get_mut);
            if let (Some(DeValue::Table(inner)), Some(rest)) = (item, rest.get(1..)) {
                put(inner, rest, value);
            }
        }
        _ => {}
    }
}

/// The value that a bundled example has at `path`, as it stands there.
fn example_text(path: &[String]) -> Option<&'static str> {
    let plain =
        |path: &[String]| -> Path { path.iter().filter(|step| !step.starts_with('#')).cloned().collect() };
    EXAMPLES.iter().find_map(|text| {
        let table = DeTable::parse(text).ok()?.into_inner();
        let entry = entries_of(&table).into_iter().find(|entry| plain(&entry.path) == plain(path))?;
        text.get(entry.value)
    })
}

fn example_of(path: &[String]) -> Option<DeValue<'static>> {
    DeValue::parse(example_text(path)?).ok().map(Spanned::into_inner)
}

#[cfg(test)]
mod tests;
