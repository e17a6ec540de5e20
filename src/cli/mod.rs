//! The commands: arguments in, one clear sentence or a table out, documented exit codes.

pub mod args;
mod bench;
pub mod bench_args;
mod bench_compare;
mod bench_restart;
mod bench_show;
mod check;
mod config_keys;
mod demo;
mod demo_market;
mod errors;
mod explain;
mod init;
mod journal;
mod journal_archive;
mod journal_export;
mod journal_seal;
mod journal_verify;
mod notes;
mod operator;
mod progress;
mod recorded;
mod records;
mod replay;
mod run;
mod show;
mod signals;
mod sim;
mod status_line;
mod where_is;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::CommandFactory as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use crate::config::problems::nearest;
use crate::error::{Error, Result};
use crate::io::sys;
use crate::journal::JournalError;
use crate::machines::Hosted;
use crate::telemetry::console;
use crate::telemetry::json_log::JsonLog;
use args::{Cli, Command};

/// Reads the command line and does what it says.
pub fn main<Own: Hosted>() -> ExitCode {
    let (cli, json) = match errors::parse() {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    if json {
        console::speak_json();
    }
    say_panics();
    sys::say_bus_errors();
    // A file beyond the limit of the shell (`ulimit -f`) is an error of the write, as a full disk is.
    sys::ignore(libc::SIGXFSZ);
    let code = match start_logs().and_then(|()| dispatch::<Own>(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if nobody_reads(&error) => ExitCode::SUCCESS,
        Err(error) => {
            errors::say(&error);
            ExitCode::from(error.exit_code())
        }
    };
    show::finish();
    code
}

/// Somebody closed the pipe behind us (`| head`), or the terminal: not an error of ours.
fn nobody_reads(error: &Error) -> bool {
    match error {
        Error::File { path, source, .. } if path.as_os_str() == show::STDOUT => console::is_gone(source),
        Error::File { source, .. } | Error::Journal(JournalError::Io { source, .. }) => {
            source.kind() == std::io::ErrorKind::BrokenPipe
        }
        _ => false,
    }
}

/// A panic is said like everything else: its thread goes on to cancel and to seal, whoever reads standard error.
fn say_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed");
        let trace = std::backtrace::Backtrace::capture();
        let captured = trace.status() == std::backtrace::BacktraceStatus::Captured;
        let trace = if captured { format!("\n{trace}") } else { String::new() };
        let text = format!("thread {name}: {panic}{trace}");
        // The process ends with its first thread, and would take the words with it.
        if name == "main" {
            errors::say_panic(&text);
            show::finish();
        } else {
            show::note(&text);
        }
    }));
}

fn dispatch<Own: Hosted>(cli: Cli) -> Result<()> {
    match cli.command {
        None => {
            cli.run.config.as_deref().and_then(|word| no_command(word.as_os_str())).map_or(Ok(()), Err)?;
            run::run::<Own>(&cli.run)
        }
        Some(Command::Run(args)) => run::run::<Own>(&args),
        Some(Command::Sim(args)) => sim::sim(&args),
        Some(Command::Journal(args)) => journal::journal::<Own>(&args),
        Some(Command::Bench(args)) => bench::bench(&args),
        Some(Command::Demo(command)) => demo::demo(&command),
        Some(Command::Init(args)) => init::init(&args),
        Some(Command::Replay(args)) => replay::replay::<Own>(&args),
        Some(Command::Explain(args)) => explain::explain::<Own>(&args),
        Some(Command::Operator(args)) => operator::operator::<Own>(&args),
        Some(Command::Config(args)) => config_keys::config_keys(&args),
        Some(Command::Check(args)) => check::check::<Own>(&args),
        Some(Command::Completions { shell }) => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pricewright", &mut text);
            show::print(&String::from_utf8_lossy(&text))
        }
    }
}

/// What is wrong where a word stands that is neither a command nor a file: most likely a command misspelt.
fn no_command(word: &OsStr) -> Option<Error> {
    let word = word.to_str()?;
    let is_word = word.starts_with(|first: char| first.is_ascii_alphanumeric())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_word || std::path::Path::new(word).exists() {
        return None;
    }
    let cli = Cli::command();
    let commands: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    if commands.contains(&word) {
        return None;
    }
    let inner = cli.get_subcommands().find_map(|command| {
        command.find_subcommand(word).map(|found| format!("{} {}", command.get_name(), found.get_name()))
    });
    let near = inner.or_else(|| nearest(word, commands.iter().copied()).map(str::to_owned));
    let hint = near.map_or_else(|| ".".to_owned(), |near| format!("; did you mean `{near}`?"));
    Some(Error::Usage(format!(
        "there is no command `{word}`, and no configuration file of that name{hint} The commands are {}",
        commands.join(", ")
    )))
}

/// Logs go to standard error, by `PRICEWRIGHT_LOG` (default `warn`, and what a run reports of itself), in colour on a terminal
/// only; under `--json` a JSON object a line. They wait for no reader.
///
/// # Errors
/// `PRICEWRIGHT_LOG` is no filter of the form `LEVEL` or `TARGET=LEVEL,…`.
fn start_logs() -> Result<()> {
    let filter = match std::env::var("PRICEWRIGHT_LOG") {
        Ok(wanted) => log_filter(&wanted)?,
        Err(_) => log_filter(&format!("warn,{}=info", crate::telemetry::news::TARGET))?,
    };
    // A host program may have a subscriber of its own; then that one stays.
    if console::speaks_json() {
        let _already_there = tracing_subscriber::registry().with(JsonLog.with_filter(filter)).try_init();
        return Ok(());
    }
    let colours = console::err().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(console::LogLines);
    let _already_there = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    Ok(())
}

/// The filter that `wanted` describes. A bare word that is no level would count as the name of a module to trace: refused,
/// since it is a level misspelt.
fn log_filter(wanted: &str) -> Result<Targets> {
    let refuse = |what: &str| {
        Error::Usage(format!(
            "PRICEWRIGHT_LOG is {wanted:?}: {what}; give a level (error, warn, info, debug, trace, off) or a list like \
             `warn,pricewright=debug`"
        ))
    };
    for part in wanted.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
        if level.parse::<LevelFilter>().is_err() {
            return Err(refuse(&format!("{level:?} is no level")));
        }
    }
    wanted.parse().map_err(|error| refuse(&format!("{error}")))
}

#[cfg(test)]
mod tests;
