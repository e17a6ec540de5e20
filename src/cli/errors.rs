//! Errors of commands, as a sentence or, under `--json`, as one JSON object: the last line of standard error.
//!
//! Of arguments that cannot be parsed nobody knows what they would have meant: there `--json` among them is enough.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ContextKind;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use serde_json::{Value, json};

use super::args::Cli;
use super::no_command;
use super::show::{finish, note};
use crate::error::Error;
use crate::telemetry::console;

/// What a panic of the first thread exits with.
const PANICKED: u8 = 101;
/// The command that clap makes itself.
const HELP: &str = "help";

/// The command line, and whether it asks for JSON on standard output. Where it is none, that was said: the exit code.
pub(super) fn parse() -> Result<(Cli, bool), ExitCode> {
    let words = without_help_of_help(std::env::args_os().collect());
    let parsed = Cli::command().try_get_matches_from(&words).and_then(|matches| {
        let json = asks_for_json(&matches);
        Ok((Cli::from_arg_matches(&matches)?, json))
    });
    parsed.map_err(|error| {
        if !error.use_stderr() {
            return not_parsed(&error);
        }
        let mut behind = words.iter().skip(1);
        let json = names_json(behind.clone());
        // A command misspelt would be taken for a configuration file, and what stands behind it for what is wrong.
        let named = behind.next().and_then(|first| if first == HELP { behind.next() } else { Some(first) });
        let said = match named.and_then(|word| no_command(word)) {
            Some(error) if json => error.to_json(),
            Some(error) => {
                note(&format!("pricewright: {error}"));
                finish();
                return ExitCode::from(2);
            }
            None if json => refused(&error),
            None => return not_parsed(&error),
        };
        console::err().line(&json!({ "error": said }).to_string());
        finish();
        ExitCode::from(2)
    })
}

/// `help run --help` asks for no more than `help run`, and `help --help` for `help help`.
fn without_help_of_help(mut words: Vec<OsString>) -> Vec<OsString> {
    let cli = Cli::command();
    let mut command = &cli;
    let mut behind = words.iter().skip(1);
    // What stands before `help` are names of commands alone.
    let help = behind.position(|word| {
        let inner = word.to_str().and_then(|word| command.find_subcommand(word));
        let goes_on = inner.is_some_and(clap::Command::has_subcommands);
        command = inner.unwrap_or(command);
        !goes_on
    });
    let Some(at) = help.map(|at| at + 1).filter(|at| words.get(*at).is_some_and(|word| word == HELP)) else {
        return words;
    };
    let mut named = words.split_off(at + 1);
    let all = named.len();
    named.retain(|word| word != "--help" && word != "-h");
    if named.is_empty() && all > 0 {
        named.push(HELP.into());
    }
    words.extend(named);
    words
}

/// Help, the version, or what is wrong with the arguments, on its stream. Where that takes none of it, that is said.
fn not_parsed(error: &clap::Error) -> ExitCode {
    let printed = error.print().and_then(|()| std::io::stdout().flush());
    match printed {
        Err(source) if !console::is_gone(&source) => {
            let error = super::show::complain(source);
            note(&format!("pricewright: {error}"));
            finish();
            ExitCode::from(error.exit_code())
        }
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    }
}

/// Whether `--json` is among arguments that cannot be parsed.
fn names_json<'a>(args: impl Iterator<Item = &'a OsString>) -> bool {
    let mut options = args.take_while(|arg| *arg != "--");
    options.any(|arg| arg == "--json" || arg.to_str().is_some_and(|arg| arg.starts_with("--json=")))
}

/// Whether the command has `--json`, without a file that it would go to.
fn asks_for_json(matches: &ArgMatches) -> bool {
    let here = match matches.try_get_one::<bool>("json") {
        Ok(flag) => flag.copied().unwrap_or(false),
        Err(_) => matches
            .try_get_one::<PathBuf>("json")
            .ok()
            .flatten()
            .is_some_and(|file| file.as_os_str() == super::journal_export::STDOUT),
    };
    here || matches.subcommand().is_some_and(|(_, matches)| asks_for_json(matches))
}

/// What is wrong with arguments.
fn refused(error: &clap::Error) -> Value {
    let text = error.render().to_string();
    let flat = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = text.split("\n\n").map(flat).filter(|part| !part.is_empty());
    let message = parts.next().unwrap_or_default();
    let help: Vec<String> = parts.filter(|part| !part.starts_with("For more information")).collect();
    let argument = error.get(ContextKind::InvalidArg).or_else(|| error.get(ContextKind::InvalidSubcommand));
    json!({
        "message": message.trim_start_matches("error: "),
        "place": argument.map(|argument| json!({ "argument": argument.to_string() })),
        "help": (!help.is_empty()).then(|| help.join("; ")),
        "exit": 2,
    })
}

/// Says `error` on standard error.
pub(super) fn say(error: &Error) {
    if console::speaks_json() {
        console::err().line(&json!({ "error": error.to_json() }).to_string());
    } else {
        note(&format!("pricewright: {error}"));
    }
}

/// Says that the first thread panicked, which is what the process ends with.
pub(super) fn say_panic(text: &str) {
    if console::speaks_json() {
        let error = json!({ "message": text, "place": null, "help": "report it: a panic is a bug", "exit": PANICKED });
        console::err().line(&json!({ "error": error }).to_string());
    } else {
        note(text);
    }
}

#[cfg(test)]
mod tests;
