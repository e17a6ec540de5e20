//! `pricewright init`: commented example configurations, ready to run.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde_json::json;

use super::args::InitArgs;
use super::show::{json as print_json, line};
use super::where_is::program;
use crate::error::{Error, Result};

/// A configuration that `init` writes: the repository's own file.
struct Example {
    name: &'static str,
    text: &'static str,
    /// What it does, and how it is run, in a line each.
    about: &'static str,
    /// What follows `pricewright` on the command line; `{}` is the file.
    command: &'static str,
}

/// One line here is one more file.
const EXAMPLES: &[Example] = &[
    Example {
        name: "desk.toml",
        text: super::demo_market::DESK_TOML,
        about: "a market maker against the simulated exchange; start `pricewright sim` in another terminal first",
        command: "run {}",
    },
    Example {
        name: "stdin.toml",
        text: include_str!("../../strategies/pricing/flash_sale/stdin.toml"),
        about: "a flash sale: JSON lines in from standard input, a price line out for every change",
        command: "run {} < events.jsonl",
    },
    Example {
        name: "tcp.toml",
        text: include_str!("../../strategies/pricing/flash_sale/tcp.toml"),
        about: "the same as a service: events over TCP, current prices over HTTP",
        command: "run {}",
    },
];

/// Input for the first example, so that it shows something at once.
const EVENTS: (&str, &str) =
    ("events.jsonl", include_str!("../../strategies/pricing/flash_sale/events.jsonl"));
const README: &str = "README.txt";

pub(super) fn init(args: &InitArgs) -> Result<()> {
    let dir = &args.dir;
    let readme = readme();
    let files: Vec<(&str, &str)> = EXAMPLES
        .iter()
        .map(|example| (example.name, example.text))
        .chain([EVENTS, (README, readme.as_str())])
        .collect();
    refuse_existing(dir, &files)?;
    std::fs::create_dir_all(dir).map_err(|source| unwritable(dir, source))?;
    for (name, text) in &files {
        write_new(&dir.join(name), text)?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    if args.json {
        return print_json(&json!({ "dir": dir.display().to_string(), "files": names }));
    }
    line(&format!("Wrote {} into {}\n\n{readme}", names.join(", "), dir.join("").display()))
}

/// All are looked at first, so that a refusal leaves nothing half done.
fn refuse_existing(dir: &Path, files: &[(&str, &str)]) -> Result<()> {
    match files.iter().map(|(name, _)| dir.join(name)).find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(exists(&path)),
        None => Ok(()),
    }
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut file = File::create_new(path).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => unwritable(path, source),
    })?;
    file.write_all(text.as_bytes()).map_err(|source| unwritable(path, source))
}

fn exists(path: &Path) -> Error {
    Error::Usage(format!(
        "{} exists already and is left as it is: name another directory, or move the file away",
        path.display()
    ))
}

fn unwritable(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.to_path_buf(), source, mend: "name a directory that can be written" }
}

/// How this program is called from any directory.
fn program_anywhere() -> String {
    let name = program();
    match std::env::current_exe() {
        Ok(path) if name.contains('/') => path.display().to_string(),
        _ => name,
    }
}

fn readme() -> String {
    let program = program_anywhere();
    let mut text = "Run these from this directory.\n".to_owned();
    for Example { name, about, command, .. } in EXAMPLES {
        text.push_str(&format!("\n{name}: {about}\n  {program} {}\n", command.replace("{}", name)));
    }
    text.push_str(&format!(
        "\nAfterwards:\n  \
         {program} explain            why was that last decision made?\n  \
         {program} replay --verify    the same decisions, bit for bit\n  \
         {program} check FILE         what a configuration would do, without doing it\n"
    ));
    text
}
