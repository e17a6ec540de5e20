//! The arguments of `pricewright bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::harness::compare::By;
use crate::harness::lab::Asked;
use crate::harness::suite::names;

/// `bench`.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchCommand {
    /// What this machine can do at best: cache line, copies, clocks, loopback echoes, jitter.
    Floor(BenchArgs),
    /// The ring between two threads: round trip, throughput, same thread.
    Ring(BenchArgs),
    /// The journal: appends flat out and paced, page faults, rolls, the journal between two threads.
    Journal(PacedArgs),
    /// ITCH from packet bytes to records.
    Decode(BenchArgs),
    /// ITCH messages into order-by-order books: 1 k and 1 M live orders, 1 and 11,000 instruments.
    Book(BenchArgs),
    /// Packet bytes in to order bytes out, in memory, journalling on.
    TickToDecision(BenchArgs),
    /// Datagram out to order back over loopback, two processes, against the bare echo.
    TickToTrade(PairArgs),
    /// A desk's journal replayed and compared, events a second.
    Replay(BenchArgs),
    /// How long a start takes on journals of several lengths, from snapshots and without. Takes about 70 bytes of disk an
    /// event.
    Restart(RestartArgs),
    /// Say for each figure of two measurements whether it became better or worse, or whether that is noise.
    ///
    /// Exit code 0 nothing is worse, 1 something is, 2 the measurements cannot be compared.
    Compare(CompareArgs),
    /// The other process of tick-to-trade.
    #[command(hide = true)]
    Generator {
        /// Core to run on.
        core: usize,
    },
    /// Every bench, one after the other, whichever of them fail.
    All(BenchArgs),
}

impl BenchCommand {
    /// The benches' names and their arguments; `None` for a command that measures nothing.
    pub fn split(&self) -> Option<(Vec<&'static str>, PacedArgs)> {
        let unpaced = |args: &BenchArgs| PacedArgs { common: args.clone(), seconds: None, rate: None };
        let (name, args) = match self {
            Self::Floor(args) => ("floor", unpaced(args)),
            Self::Ring(args) => ("ring", unpaced(args)),
            Self::Journal(args) => ("journal", args.clone()),
            Self::Decode(args) => ("decode", unpaced(args)),
            Self::Book(args) => ("book", unpaced(args)),
            Self::TickToDecision(args) => ("tick-to-decision", unpaced(args)),
            Self::TickToTrade(args) => ("tick-to-trade", args.paced()),
            Self::Replay(args) => ("replay", unpaced(args)),
            Self::All(args) => return Some((names(), unpaced(args))),
            Self::Compare(_) | Self::Restart(_) | Self::Generator { .. } => return None,
        };
        Some((vec![name], args))
    }
}

/// Arguments of `bench restart`.
#[derive(Clone, Debug, Args)]
pub struct RestartArgs {
    /// Lengths of the journals, in events.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1000000,10000000")]
    pub events: Vec<u64>,
    /// The start without snapshots is measured up to this length, too.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub whole: u64,
    /// Where the journals are made; they are removed again.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
    /// One short journal only: checks that it works, measures nothing.
    #[arg(long)]
    pub smoke: bool,
}

/// Arguments of every bench.
#[derive(Clone, Debug, Default, Args)]
pub struct BenchArgs {
    /// A few operations only: checks that it works, measures nothing.
    #[arg(long)]
    pub smoke: bool,
    /// Rounds to measure; a comparison wants at least 5.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: Option<u16>,
    /// Seed of what is generated: the same seed gives the same result hash.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write the measurement as JSON to FILE; `-` (or no FILE) writes it to standard output instead of text.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// Write each figure's distribution as DIR/BENCH-FIGURE.hgrm (HdrHistogram's text format).
    #[arg(long, value_name = "DIR")]
    pub hgrm: Option<PathBuf>,
    /// Write a page with all distributions drawn: one HTML file that refers to nothing else.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Arguments of benches that keep a pace.
#[derive(Clone, Debug, Default, Args)]
pub struct PacedArgs {
    /// What every bench takes.
    #[command(flatten)]
    pub common: BenchArgs,
    /// Seconds of each paced part of a round.
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<f64>,
    /// Operations a second of paced parts; missing it fails the run, and the error says which to try.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub rate: Option<u64>,
}

/// Arguments of the bench whose rounds are pairs.
#[derive(Clone, Debug, Default, Args)]
pub struct PairArgs {
    /// What every bench takes.
    #[command(flatten)]
    pub common: BenchArgs,
    /// Pairs of echo and engine: the rounds of this bench.
    #[arg(long, value_name = "N", conflicts_with = "rounds", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub pairs: Option<u16>,
    /// Seconds of each half of a pair, in turns of at most 5.
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<f64>,
    /// Packets a second; missing it fails the run, and the error says which to try.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=90_000))]
    pub rate: Option<u64>,
}

impl PairArgs {
    fn paced(&self) -> PacedArgs {
        let common = BenchArgs { rounds: self.pairs.or(self.common.rounds), ..self.common.clone() };
        PacedArgs { common, seconds: self.seconds, rate: self.rate }
    }
}

/// `bench compare`.
#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// The measurement before (`bench … --json FILE`).
    pub before: PathBuf,
    /// The measurement after.
    pub after: PathBuf,
    /// Compare ratios to floors, where there are floors, or plain times.
    #[arg(long, value_enum, default_value = "ratio")]
    pub by: CompareBy,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CompareBy {
    /// Ratios to floors.
    Ratio,
    /// Nanoseconds.
    Value,
}

impl From<CompareBy> for By {
    fn from(by: CompareBy) -> Self {
        match by {
            CompareBy::Ratio => Self::Ratio,
            CompareBy::Value => Self::Value,
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    within(text, 0.01, 3600.0)
}

fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of seconds"))?;
    if (least..=most).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(format!("give {least} to {most} seconds"))
    }
}

impl PacedArgs {
    /// What is asked for.
    pub fn asked(&self) -> Asked {
        Asked {
            smoke: self.common.smoke,
            seed: self.common.seed,
            rounds: self.common.rounds.map(usize::from),
            seconds: self.seconds,
            rate: self.rate,
        }
    }
}
