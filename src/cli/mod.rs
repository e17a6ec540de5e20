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

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::error::{Error, Result};
use crate::journal::JournalError;
use crate::machines::Hosted;
use args::{Cli, Command};

/// Reads the command line and does what it says.
pub fn main<Own: Hosted>() -> ExitCode {
    let cli = Cli::parse();
    match start_logs().and_then(|()| dispatch::<Own>(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        // Somebody closed the pipe behind us (`| head`): not an error of ours.
        Err(Error::File { source, .. } | Error::Journal(JournalError::Io { source, .. }))
            if source.kind() == std::io::ErrorKind::BrokenPipe =>
        {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // Nothing is left to try where standard error is closed.
            let _closed = writeln!(std::io::stderr(), "pricewright: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch<Own: Hosted>(cli: Cli) -> Result<()> {
    match cli.command {
        None => run::run::<Own>(&cli.run),
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

/// Logs go to standard error, by `PRICEWRIGHT_LOG` (default `warn`); nothing on the hot path logs.
///
/// # Errors
/// `PRICEWRIGHT_LOG` is no filter of the form `LEVEL` or `TARGET=LEVEL,…`.
fn start_logs() -> Result<()> {
    let wanted = std::env::var("PRICEWRIGHT_LOG").unwrap_or_else(|_| "warn".into());
    let filter: Targets = wanted.parse().map_err(|error| {
        Error::Usage(format!(
            "PRICEWRIGHT_LOG is {wanted:?}: {error}; give a level (error, warn, info, debug, trace, off) \
             or a list like `warn,pricewright=debug`"
        ))
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A host program may have a subscriber of its own; then that one stays.
    let _already_there = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    Ok(())
}
