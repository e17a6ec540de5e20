//! `pricewright config`: the reference of every key, from the page that the code is held against.

use serde_json::{Value, json};

use super::args::ConfigArgs;
use super::show::{json as print_json, print};
use crate::config::problems::nearest;
use crate::error::{Error, Result};

const PAGE: &str = include_str!("../../docs/configuration.md");
/// In place of a default: the key must be there.
const NEEDED: &str = "needed";
/// In place of a default: nothing is taken.
const LEFT_OUT: &str = "left out";
/// In place of an example.
const NO_EXAMPLE: &str = "–";

/// One key of the page.
struct Row<'a> {
    table: &'a str,
    key: &'a str,
    /// Type, default, meaning and example.
    cells: [&'a str; 4],
}

impl Row<'_> {
    fn name(&self) -> String {
        match self.table {
            "" => self.key.to_owned(),
            table => format!("{table}.{}", self.key),
        }
    }

    fn text(&self) -> String {
        let [ty, default, meaning, example] = self.cells;
        let default = if default == NEEDED { NEEDED.to_owned() } else { format!("default: {default}") };
        let example = if example == NO_EXAMPLE { String::new() } else { format!("\n    {example}") };
        format!("{} ({ty}; {default})\n    {meaning}{example}\n", self.name()).replace('`', "")
    }

    fn json(&self) -> Value {
        let [ty, default, meaning, example] = self.cells.map(|cell| cell.replace('`', ""));
        let is_value = default != NEEDED && default != LEFT_OUT;
        json!({
            "key": self.name(),
            "type": ty,
            "needed": default == NEEDED,
            "default": is_value.then_some(default),
            "meaning": meaning,
            "example": (example != NO_EXAMPLE).then_some(example),
        })
    }
}

pub(super) fn config_keys(args: &ConfigArgs) -> Result<()> {
    let wanted = args.key.as_deref().unwrap_or("").trim_matches(['[', ']']).to_lowercase();
    let rows = rows();
    let found = || rows.iter().filter(|row| row.name().to_lowercase().contains(&wanted));
    if found().next().is_some() {
        if args.json {
            return print_json(&json!({ "keys": found().map(Row::json).collect::<Vec<_>>() }));
        }
        return print(&found().map(Row::text).collect::<String>());
    }
    let near = nearest(&wanted, rows.iter().map(|row| row.key));
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    let end = if hint.is_empty() { "." } else { "" };
    Err(Error::Usage(format!(
        "no configuration key contains {wanted:?}{hint}{end} Without a name, all keys are shown"
    )))
}

/// The keys in the page's order; the first cell of a row is a key in backquotes.
fn rows() -> Vec<Row<'static>> {
    let mut table = "";
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            table = title.rsplit_once("`[").and_then(|(_, rest)| rest.split(']').next()).unwrap_or("");
            table = table.trim_start_matches('[');
        }
        let Some(row) = line.strip_prefix("| `") else { continue };
        let mut cells = row.trim_end_matches(" |").splitn(5, " | ");
        let mut cell = || cells.next().unwrap_or("");
        let key = cell().trim_end_matches('`');
        rows.push(Row { table, key, cells: [cell(), cell(), cell(), cell()] });
    }
    rows
}
