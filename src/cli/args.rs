//! The command line.

use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::bench_args::BenchCommand;
use crate::config::{Age, Size};

/// A length in seconds: at most ten years, so that no stamp overflows.
fn seconds() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(..=315_576_000)
}

const AFTER_HELP: &str = "\
Exit codes: 0 good; 1 the work found a fault (damaged journal, divergence, failed run); 2 unusable arguments, \
configuration or input.
With no command: a simulated exchange and a market maker on this machine for 30 seconds.";

/// A trading and dynamic pricing engine whose every decision replays bit for bit.
#[derive(Debug, Parser)]
#[command(name = "pricewright", version, about, after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `run` without a configuration where nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Arguments of `run` where no command is given.
    #[command(flatten)]
    pub run: RunArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a pipeline; without CONFIG, the demo: a simulated exchange and a market maker.
    Run(RunArgs),
    /// Run the simulated exchange as a process of its own.
    Sim(SimArgs),
    /// Demonstrations that need nothing else.
    #[command(subcommand)]
    Demo(DemoCommand),
    /// Decide a journal's events again and compare every decision byte for byte; with --verify a difference is exit code 1.
    Replay(ReplayArgs),
    /// Why was a decision made? Cause, book, features, parameters, every risk check, latencies.
    Explain(ExplainArgs),
    /// Look into a journal.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Command a run that goes on: set or release its kill latch, state a position.
    Operator(OperatorArgs),
    /// Read a configuration and say what it would do, without doing it.
    Check(CheckArgs),
    /// Show what configuration keys there are: type, unit, default, meaning, example.
    Config(ConfigArgs),
    /// Write commented example configurations into a directory.
    Init(InitArgs),
    /// Measure this machine and this program.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

/// `run`.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// Configuration file (TOML); none runs the demo.
    pub config: Option<PathBuf>,
    /// Journal directory; wins over the configuration.
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// Stop after so many seconds, 0: when told to; wins over the configuration. The demo's default is 30.
    #[arg(long, value_name = "S", value_parser = seconds())]
    pub seconds: Option<u64>,
    /// Seed of the demo's exchange.
    #[arg(long, value_name = "N", conflicts_with = "config")]
    pub seed: Option<u64>,
    /// Loss on each of the demo's lines, in percent.
    #[arg(long, value_name = "PCT", default_value_t = 0.0, conflicts_with = "config")]
    pub loss: f64,
    /// Record every received packet with its stamp into this file, which must not be there yet.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// One JSON object at the end instead of text.
    #[arg(long)]
    pub json: bool,
    /// Cut a journal that is damaged in its middle back to the damage, and go on.
    #[arg(long)]
    pub repair: bool,
    /// Let this build take over where it decides otherwise than the journal says, or where another build's run crashed. It is
    /// journalled.
    #[arg(long, requires = "config")]
    pub accept_divergence: bool,
    /// Say to each TCP client how far its lines were taken ([feed.jsonl] ack = true).
    #[arg(long, requires = "config")]
    pub ack: bool,
    /// Go on where the journal's last stamp lies ahead of this machine's clock: stamps go on from there. It is journalled.
    #[arg(long)]
    pub accept_clock: bool,
}

/// `replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Journal directory; the newest under ./pricewright-data where none is given. With --packets, where the
    /// configuration comes from: a TOML file, or the journal of the recorded run.
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Exit with 1 where a decision differs from the journal's, or where nothing could be compared. Without it the first
    /// difference is only shown.
    #[arg(long)]
    pub verify: bool,
    /// Stop after this record.
    #[arg(long, value_name = "N")]
    pub until: Option<u64>,
    /// Begin at a snapshot instead of the journal's beginning: the newest (with --verify, the newest that has something
    /// behind it), or with =N the one behind record N.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "newest")]
    pub from_snapshot: Option<String>,
    /// Run the pipeline from this recording of packets (`run --record FILE`) and journal it in --journal.
    #[arg(long, value_name = "FILE", requires = "journal", conflicts_with_all = ["verify", "until", "from_snapshot"])]
    pub packets: Option<PathBuf>,
    /// With --packets: the new journal's directory.
    #[arg(long, value_name = "DIR", requires = "packets")]
    pub journal: Option<PathBuf>,
    /// With --packets: all on one thread, or reader and machine on two. The journal is the same.
    #[arg(long, value_enum, requires = "packets", default_value = "fused")]
    pub topology: RecordedTopology,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// How a recorded run lies on threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RecordedTopology {
    /// Reader and machine on one thread.
    Fused,
    /// Reader and machine on two.
    Pipelined,
}

/// `config`.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// Only keys that contain this, such as `silence` or `config.risk`.
    pub key: Option<String>,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A journal's directory and what is asked: a record's number, an article, or a time such as 2026-01-02T15:04:05Z. The
    /// newest journal and its last order or price if they are missing.
    #[arg(value_name = "DIR|N|SKU|TIME", num_args = 0..=3)]
    pub what: Vec<String>,
    /// The decision that sent our order with this number (`client` in records), and what became of the order.
    #[arg(long, value_name = "N", conflicts_with = "sku")]
    pub order: Option<u64>,
    /// The last price of this article.
    #[arg(long, value_name = "SKU", alias = "key")]
    pub sku: Option<String>,
    /// As of this time, RFC 3339: the last such decision at or before it.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `journal`.
#[derive(Clone, Debug, Subcommand)]
pub enum JournalCommand {
    /// Print records.
    Inspect(InspectArgs),
    /// Print records as they are written, until interrupted.
    Tail(InspectArgs),
    /// Check every byte, the hash chain and the seals. Exit code 0 good, 1 damaged or altered (the first bad record is
    /// named), 2 unusable.
    Verify(VerifyArgs),
    /// Sign how far the journal goes, so that it can be checked without trusting this machine.
    Seal(SealArgs),
    /// Make a key pair for `seal`: FILE (private, for its owner alone) and FILE.pub.
    Keygen(KeygenArgs),
    /// Count what is in it.
    Stats(DirArgs),
    /// Write records for other programs: CSV and Parquet (one table per record type) or JSON lines.
    Export(ExportArgs),
    /// Compress sealed segments into another directory (or where they lie), read back and compared. An archive is read
    /// like any journal.
    Archive(ArchiveArgs),
    /// Remove old segments of a journal that no run is writing, as far as a restart does not need them.
    Prune(PruneArgs),
}

/// `journal archive`.
#[derive(Clone, Debug, Args)]
pub struct ArchiveArgs {
    /// Journal directory; the newest under ./pricewright-data where none is given.
    pub dir: Option<PathBuf>,
    /// The archive's directory; it is added to. The journal's own directory compresses in place.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Remove the archived segments from the journal: all where the whole journal is sealed, otherwise what a snapshot
    /// covers.
    #[arg(long = "move")]
    pub remove: bool,
    /// Write the archived records as Parquet too, in DIR/parquet; in builds with `--features parquet`.
    #[arg(long)]
    pub parquet: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `journal prune`.
#[derive(Clone, Debug, Args)]
pub struct PruneArgs {
    /// Journal directory; the newest under ./pricewright-data where none is given.
    pub dir: Option<PathBuf>,
    /// Remove segments whose last record, and whose file, is older than this: a number with s, m, h, d or w.
    #[arg(long, value_name = "AGE")]
    pub keep_age: Option<Age>,
    /// Remove the oldest segments while all take more than this: a number with kB, MB, GB, TB or KiB, MiB, GiB, TiB.
    #[arg(long, value_name = "SIZE")]
    pub keep_size: Option<Size>,
    /// Count ages from this machine's clock, not from the newest time that stands in the journal.
    #[arg(long)]
    pub trust_clock: bool,
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `journal export`.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("format").required(true))]
pub struct ExportArgs {
    /// Journal directory; the newest under ./pricewright-data where none is given.
    pub dir: Option<PathBuf>,
    /// CSV with a row of names: one file per record type in a directory, or one type to standard output.
    #[arg(long, group = "format")]
    pub csv: bool,
    /// JSON lines, as `journal inspect --json`.
    #[arg(long, group = "format")]
    pub jsonl: bool,
    /// Parquet, one file per record type; in builds with `--features parquet`.
    #[arg(long, group = "format")]
    pub parquet: bool,
    /// The file (JSON lines) or directory (tables) to write; `-` is standard output.
    #[arg(long, value_name = "PATH|-")]
    pub out: Option<PathBuf>,
    /// Only records of this type, by name (OrderAdd, or OrderAdd.v1 for one version); may be given more than once.
    #[arg(long = "type", value_name = "T")]
    pub types: Vec<String>,
    /// Begin at this record.
    #[arg(long, value_name = "N")]
    pub from: Option<u64>,
    /// End with this record.
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
    /// One JSON object about what was written instead of text.
    #[arg(long)]
    pub json: bool,
}

/// A journal directory.
#[derive(Clone, Debug, Args)]
pub struct DirArgs {
    /// Journal directory; the newest under ./pricewright-data where none is given.
    pub dir: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `journal verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Journal directory; the newest under ./pricewright-data where none is given.
    pub dir: Option<PathBuf>,
    /// A seal must be by this key (public, PEM): who signed is then checked too.
    #[arg(long, value_name = "PUB")]
    pub key: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `journal seal`.
#[derive(Clone, Debug, Args)]
pub struct SealArgs {
    /// Journal directory; the newest under ./pricewright-data where none is given.
    pub dir: Option<PathBuf>,
    /// Sign with this key (private, PKCS#8 PEM; `journal keygen` makes one).
    #[arg(long, value_name = "KEY")]
    pub sign: PathBuf,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `journal keygen`.
#[derive(Clone, Debug, Args)]
pub struct KeygenArgs {
    /// The private key's file; it must not be there yet.
    pub file: PathBuf,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `journal inspect` and `journal tail`.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// Journal directory; the newest under ./pricewright-data where none is given.
    pub dir: Option<PathBuf>,
    /// Begin at this record.
    #[arg(long, value_name = "N")]
    pub from: Option<u64>,
    /// Only records of this type, by name (OrderAdd, PlaceOrder, …); may be given more than once.
    #[arg(long = "type", value_name = "T")]
    pub types: Vec<String>,
    /// End after so many records.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Show numbers as they lie in the journal: ticks, minor units, ns since 1970, numbers of the dictionary.
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
}

/// `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Configuration file (TOML).
    pub config: PathBuf,
    /// Say how much the journal takes at so many records (events and decisions) a second; without it, at the rate of its
    /// last run.
    #[arg(long, value_name = "RECORDS_A_SECOND", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub rate: Option<u64>,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `init`.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// The directory to make.
    pub dir: PathBuf,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `demo`.
#[derive(Clone, Debug, Subcommand)]
pub enum DemoCommand {
    /// Prices for a shop: generated purchases, the flash-sale formula, the same engine.
    FlashSale(FlashSaleArgs),
}

/// `demo flash-sale`.
#[derive(Clone, Debug, Args)]
pub struct FlashSaleArgs {
    /// Seed of the generated events.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Stop after so many seconds; 0: when told to.
    #[arg(long, default_value_t = 10, value_parser = seconds())]
    pub seconds: u64,
    /// Serve GET /prices/{sku} here.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub http: SocketAddr,
    /// Journal directory.
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// One JSON object at the end instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `operator`.
#[derive(Clone, Debug, Args)]
pub struct OperatorArgs {
    /// What the run is to do, or is told.
    #[command(subcommand)]
    pub verb: OperatorVerb,
}

/// What an operator may ask of a run, or tell it.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum OperatorVerb {
    /// Set the kill latch: a desk pulls every quote and sends nothing but cancels; a shop sets no new price.
    Kill(OperatorTarget),
    /// Release the kill latch.
    Rearm(OperatorTarget),
    /// State a position as the venue or the clearing firm confirmed it: it replaces what the run has booked.
    Position(PositionArgs),
}

/// `operator position`.
#[derive(Clone, Debug, Args)]
pub struct PositionArgs {
    /// The instrument's symbol, as configured.
    pub symbol: String,
    /// Lots held; negative where short.
    #[arg(allow_negative_numbers = true)]
    pub qty: i64,
    /// The price that the difference is booked at; the present mark where none is said.
    #[arg(long, value_name = "PRICE")]
    pub price: Option<String>,
    /// Which run, and who asks.
    #[command(flatten)]
    pub target: OperatorTarget,
}

/// Which run, and who asks.
#[derive(Clone, Debug, Args)]
pub struct OperatorTarget {
    /// Journal directory of the run; the newest under ./pricewright-data where none is said.
    #[arg(value_name = "DIR")]
    pub place: Option<PathBuf>,
    /// The same, as an option.
    #[arg(long, value_name = "DIR", conflicts_with = "place")]
    pub dir: Option<PathBuf>,
    /// Who asks, for the journal: at most 16 bytes are kept.
    #[arg(long, value_name = "NAME", default_value = "operator", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub name: String,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `sim`.
#[derive(Clone, Debug, Args)]
pub struct SimArgs {
    /// Replay this ITCH 5.0 file as the market instead of generated flow.
    #[arg(long, value_name = "FILE")]
    pub itch: Option<PathBuf>,
    /// Speed of the replayed file: a factor of the recorded speed, or `max`.
    #[arg(long, value_name = "FACTOR|max", default_value = "1", requires = "itch")]
    pub speed: String,
    /// Write the session's ITCH messages to this file, which must not be there yet.
    #[arg(long, value_name = "FILE")]
    pub write_itch: Option<PathBuf>,
    /// Seed of the background flow and of the lines' faults.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Stop after so many seconds; 0 runs until interrupted.
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = seconds())]
    pub seconds: u64,
    /// Background messages a second, on average.
    #[arg(long, value_name = "N", default_value_t = 20_000, conflicts_with = "itch")]
    pub rate: u32,
    /// Symbols, comma-separated, at most 8 letters each.
    #[arg(long, value_delimiter = ',', default_value = "DEMO", conflicts_with = "itch")]
    pub symbols: Vec<String>,
    /// The lines' groups (or unicast addresses), A first.
    #[arg(long, value_delimiter = ',', default_value = "239.192.7.1:31001,239.192.7.2:31002")]
    pub lines: Vec<SocketAddrV4>,
    /// Re-request server.
    #[arg(long, default_value = "127.0.0.1:31003")]
    pub rerequest: SocketAddrV4,
    /// OUCH over SoupBinTCP.
    #[arg(long, default_value = "127.0.0.1:31004")]
    pub ouch: SocketAddr,
    /// Drop copy over SoupBinTCP: copies of what changed each account's orders, of the day, from sequence 1.
    #[arg(long, value_name = "ADDR")]
    pub drop_copy: Option<SocketAddr>,
    /// Snapshots: GLIMPSE over SoupBinTCP. Without it 127.0.0.1:31006, or a free port where that is taken.
    #[arg(long, value_name = "ADDR")]
    pub glimpse: Option<SocketAddr>,
    /// Loss on each line, in percent.
    #[arg(long, value_name = "PCT", default_value_t = 0.0)]
    pub loss: f64,
    /// Duplicated packets on each line, in percent.
    #[arg(long, value_name = "PCT", default_value_t = 0.0)]
    pub duplicate: f64,
    /// Reordered packets on each line, in percent.
    #[arg(long, value_name = "PCT", default_value_t = 0.0)]
    pub reorder: f64,
    /// Loss on the re-request path, in percent.
    #[arg(long, value_name = "PCT", default_value_t = 0.0)]
    pub rerequest_loss: f64,
    /// Whose day it is: stamps count from its midnight. A name such as Europe/London, or a POSIX rule.
    #[arg(long, value_name = "ZONE", default_value = "America/New_York")]
    pub time_zone: String,
    /// One JSON object at the end instead of text.
    #[arg(long)]
    pub json: bool,
}
