//! `fuzz-loop NAME|all [--seed N] [--from N] [--count N] [--seconds N] [--input FILE]`: the plain loop for as long as one
//! likes. Prints executions per target; a failure prints its seed and round and exits with 101.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use pricewright_fuzz::{TARGETS, Target, drive, target};

const USAGE: &str =
    "usage: fuzz-loop NAME|all [--seed N] [--from N] [--count N] [--seconds N] [--input FILE]";
/// Rounds between two looks at the clock.
const BATCH: u64 = 64;

struct Options {
    seed: u64,
    from: u64,
    count: u64,
    seconds: u64,
    input: Option<String>,
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { seed: 1, from: 0, count: u64::MAX, seconds: 0, input: None };
    while let Some(key) = args.next() {
        let value = args.next().ok_or_else(|| format!("{key} takes a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{key}: {value} is not a number"));
        match key.as_str() {
            "--seed" => options.seed = number()?,
            "--from" => options.from = number()?,
            "--count" => options.count = number()?,
            "--seconds" => options.seconds = number()?,
            "--input" => options.input = Some(value),
            _ => return Err(format!("{key} is not known")),
        }
    }
    if options.count == u64::MAX && options.seconds == 0 {
        options.count = 1_000;
    }
    Ok(options)
}

fn run(target: &Target, options: &Options) -> Result<(), String> {
    if let Some(path) = &options.input {
        let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
        (target.run)(&bytes);
        return Ok(());
    }
    let end = options.from.saturating_add(options.count);
    let until = (options.seconds > 0).then(|| Instant::now() + Duration::from_secs(options.seconds));
    let seeds = drive::seeds(target);
    let mut at = options.from;
    while at < end && until.is_none_or(|until| Instant::now() < until) {
        let next = end.min(at.saturating_add(BATCH));
        drive::run(target, &seeds, options.seed, at..next);
        at = next;
    }
    println!("{}: {} executions, seed {}", target.name, at - options.from, options.seed);
    Ok(())
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let chosen: Vec<&Target> = match name.as_str() {
        "all" => TARGETS.iter().collect(),
        name => target(name).into_iter().collect(),
    };
    if chosen.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("{USAGE}\ntargets: {}", names.join(", "));
        return ExitCode::from(2);
    }
    let outcome =
        options(args).and_then(|options| chosen.iter().try_for_each(|target| run(target, &options)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}
