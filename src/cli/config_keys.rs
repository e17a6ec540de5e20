//! `pricewright config`: the reference of every key, from the page that the code is held against.

use super::args::ConfigArgs;
use super::show::print;
use crate::config::problems::nearest;
use crate::error::{Error, Result};

const PAGE: &str = include_str!("../../docs/configuration.md");

/// One key of the page.
struct Row<'a> {
    table: &'a str,
    key: &'a str,
    cells: [&'a str; 4],
}

pub(super) fn config_keys(args: &ConfigArgs) -> Result<()> {
    let wanted = args.key.as_deref().unwrap_or("").trim_matches(['[', ']']).to_lowercase();
    let rows = rows();
    let name = |row: &Row<'_>| match row.table {
        "" => row.key.to_owned(),
        table => format!("{table}.{}", row.key),
    };
    let text: String = rows
        .iter()
        .filter(|row| name(row).to_lowercase().contains(&wanted))
        .map(|row| {
            let [ty, default, meaning, example] = row.cells;
            let default =
                if default == "needed" { "needed".to_owned() } else { format!("default: {default}") };
            let example = if example == "–" { String::new() } else { format!("\n    {example}") };
            format!("{} ({ty}; {default})\n    {meaning}{example}\n", name(row)).replace('`', "")
        })
        .collect();
    if !text.is_empty() {
        return print(&text);
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
