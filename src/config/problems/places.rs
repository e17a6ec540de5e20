//! Where keys stand in a file, and the values that stand in for wrong ones.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Where a key stands: names of tables, `#0` for places in a list, the key last.
pub(super) type Path = Vec<String>;

/// Of what does not come from the file.
const NOWHERE: usize = usize::MAX;

/// Known good values for keys that are needed and wrong, the first that fits.
const EXAMPLES: [&str; 4] = [
    include_str!("../../../strategies/trading/desk.toml"),
    include_str!("../../../strategies/pricing/flash_sale/stdin.toml"),
    include_str!("../../../strategies/pricing/flash_sale/tcp.toml"),
    "[[runtime.thread]]\nname = \"all\"\nstages = [\"ingress\", \"machine\", \"gateway\", \"helper\"]\nidle = \"backoff\"\n",
];

/// A key of the file, or a place in a list.
pub(super) struct Entry {
    pub(super) path: Path,
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
    pub(super) is_table: bool,
}

impl Entry {
    /// Whether it stands in the file, and does not come from an example.
    pub(super) fn is_there(&self) -> bool {
        self.key.start != NOWHERE
    }
}

pub(super) fn entries_of(table: &DeTable<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    walk(table, &mut Vec::new(), &mut entries);
    entries
}

fn walk(table: &DeTable<'_>, path: &mut Path, entries: &mut Vec<Entry>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        visit(key.span(), value, path, entries);
        path.pop();
    }
}

fn visit(key: Range<usize>, value: &Spanned<DeValue<'_>>, path: &mut Path, entries: &mut Vec<Entry>) {
    let is_table = matches!(value.get_ref(), DeValue::Table(_));
    entries.push(Entry { path: path.clone(), key, value: value.span(), is_table });
    match value.get_ref() {
        DeValue::Table(inner) => walk(inner, path, entries),
        DeValue::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                path.push(format!("#{at}"));
                visit(item.span(), item, path, entries);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The entry of a dotted key with numbers for places in lists, else of the nearest table around it that is there.
pub(super) fn nearest_entry<'a>(entries: &'a [Entry], keys: &[String]) -> Option<&'a Entry> {
    let find = |steps: &[String]| entries.iter().find(|entry| entry.is_there() && entry.path == *steps);
    let paths: Vec<Path> = keys.iter().map(|key| steps(key)).collect();
    if let Some(exact) = paths.iter().find_map(|path| find(path)) {
        return Some(exact);
    }
    let first = paths.first()?;
    (1..first.len()).rev().find_map(|len| find(first.get(..len)?))
}

/// A dotted key, with numbers for places in lists, as a path.
pub(super) fn steps(key: &str) -> Path {
    let step = |step: &str| match step.parse::<usize>() {
        Ok(at) => format!("#{at}"),
        Err(_) => step.to_owned(),
    };
    key.split('.').filter(|part| !part.is_empty()).map(step).collect()
}

/// `[feed.jsonl]`, without places in lists.
pub(super) fn table_name(path: &[String]) -> String {
    let steps: Vec<&str> = path.iter().map(String::as_str).filter(|step| !step.starts_with('#')).collect();
    format!("[{}]", steps.join("."))
}

/// True if the dotted `words` are the end of `path`.
pub(super) fn ends_with(path: &[String], words: &str) -> bool {
    let mut steps = path.iter().rev().filter(|step| !step.starts_with('#'));
    words
        .rsplit('.')
        .filter(|word| !word.is_empty())
        .all(|word| steps.next().is_some_and(|step| step == word))
        && words.contains(|char: char| char != '.')
}

/// Sets or takes out the value at `path`.
pub(super) fn put<'i>(table: &mut DeTable<'i>, path: &[String], value: Option<DeValue<'i>>) {
    let Some((step, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        match value {
            Some(value) => {
                let key = Spanned::new(NOWHERE..NOWHERE, step.clone().into());
                table.insert(key, Spanned::new(NOWHERE..NOWHERE, value));
            }
            None => {
                table.remove(step.as_str());
            }
        }
        return;
    }
    match table.get_mut(step.as_str()).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => put(inner, rest, value),
        Some(DeValue::Array(items)) => put_in_list(items, rest, value),
        _ => {}
    }
}

/// As [`put`]. An item is taken out, or replaced where it is the only one.
fn put_in_list<'i>(items: &mut DeArray<'i>, path: &[String], value: Option<DeValue<'i>>) {
    let Some((step, rest)) = path.split_first() else { return };
    let at: Option<usize> = step.strip_prefix('#').and_then(|at| at.parse().ok());
    let Some(at) = at.filter(|at| *at < items.len()) else { return };
    if rest.is_empty() {
        let mut left = DeArray::new();
        let others = items.iter().enumerate().filter(|(other, _)| *other != at);
        others.for_each(|(_, item)| left.push(item.clone()));
        if let (true, Some(value)) = (left.is_empty(), value) {
            left.push(Spanned::new(NOWHERE..NOWHERE, value));
        }
        *items = left;
        return;
    }
    match items.get_mut(at).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => put(inner, rest, value),
        Some(DeValue::Array(inner)) => put_in_list(inner, rest, value),
        _ => {}
    }
}

/// The key at `path` under the name `to`, unless that is taken; whether it was done.
pub(super) fn rename(table: &mut DeTable<'_>, path: &[String], to: &str) -> bool {
    let Some((step, rest)) = path.split_first() else { return false };
    if rest.is_empty() {
        if table.contains_key(to) {
            return false;
        }
        let Some((key, value)) = table.remove_entry(step.as_str()) else { return false };
        table.insert(Spanned::new(key.span(), to.to_owned().into()), value);
        return true;
    }
    match table.get_mut(step.as_str()).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => rename(inner, rest, to),
        Some(DeValue::Array(items)) => {
            let at: Option<usize> = rest.first().and_then(|step| step.strip_prefix('#')?.parse().ok());
            let item = at.and_then(|at| items.get_mut(at)).map(Spanned::get_mut);
            match (item, rest.get(1..)) {
                (Some(DeValue::Table(inner)), Some(rest)) => rename(inner, rest, to),
                _ => false,
            }
        }
        _ => false,
    }
}

/// A bundled example's value.
pub(super) struct Example {
    pub(super) value: DeValue<'static>,
    /// As it stands in the example; nothing of a table.
    pub(super) text: Option<&'static str>,
}

/// What the bundled examples have at `path`; of `[config]`, those for `machine`.
pub(super) fn example_of(path: &[String], machine: &str) -> Option<Example> {
    EXAMPLES.iter().find_map(|text| {
        let table = DeTable::parse(text).ok()?.into_inner();
        let named = table.get("machine").and_then(|name| name.get_ref().as_str());
        if path.first().is_some_and(|first| first == "config") && named != Some(machine) {
            return None;
        }
        let (first, rest) = path.split_first()?;
        let mut value = table.get(first.as_str())?;
        for step in rest {
            value = match value.get_ref() {
                DeValue::Array(items) if step.starts_with('#') => items.first()?,
                DeValue::Table(inner) => inner.get(step.as_str())?,
                _ => return None,
            };
        }
        let text = if is_made_of_tables(value.get_ref()) { None } else { text.get(value.span()) };
        Some(Example { value: of_no_file(value.get_ref()), text })
    })
}

/// A table, or a list of tables.
pub(super) fn is_made_of_tables(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(_) => true,
        DeValue::Array(items) => items.first().is_some_and(|item| is_made_of_tables(item.get_ref())),
        _ => false,
    }
}

/// An empty table, to find what else is missing in it.
pub(super) fn empty_table() -> DeValue<'static> {
    DeValue::Table(DeTable::new())
}

/// A copy whose parts have no place in the file.
fn of_no_file<'i>(value: &DeValue<'i>) -> DeValue<'i> {
    let part = |value: &Spanned<DeValue<'i>>| Spanned::new(NOWHERE..NOWHERE, of_no_file(value.get_ref()));
    match value {
        DeValue::Table(inner) => {
            let mut copy = DeTable::new();
            for (key, value) in inner {
                copy.insert(Spanned::new(NOWHERE..NOWHERE, key.get_ref().clone()), part(value));
            }
            DeValue::Table(copy)
        }
        DeValue::Array(items) => {
            let mut copy = DeArray::new();
            items.iter().for_each(|item| copy.push(part(item)));
            DeValue::Array(copy)
        }
        plain => plain.clone(),
    }
}
