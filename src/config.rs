//! The configuration file: one TOML file per pipeline, unknown keys refused, errors with line and mend.
//!
//! The canonical form (defaults filled in, comments gone) is the first thing in a journal, so that a replay needs
//! nothing else. It never holds a secret: passwords come from environment variables that the file names.

mod clients;
mod keep;
mod metrics;
pub mod problems;
mod reserved;
mod settings;
mod units;
pub mod warnings;

use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

use pricewright_core::kernel::{ConfigFault, Machine, Venue};
use pricewright_feeds::jsonl::decode::Config as LineDecoder;
use pricewright_feeds::nasdaq::itch::market;
use pricewright_feeds::nasdaq::market_data::MarketData;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::io::bounded;
use crate::journal::Durability;
use crate::pipeline::idle::Idle;
use crate::pipeline::memory;
use crate::pipeline::plan::PlannedThread;

pub use keep::KeepSettings;
pub use metrics::MetricsSettings;
pub use units::{Age, Size};

/// The smallest ring: any packet of an Ethernet frame must find room for all that it may become.
const MIN_RING_CELLS: usize = 4096;
const MAX_RING_CELLS: usize = 1 << 24;
const _: () = assert!(
    MIN_RING_CELLS >= MarketData::worst_case_cells(ETHERNET_PAYLOAD, MAX_INSTRUMENTS),
    "a packet would never fit"
);
/// Instruments of the largest desk.
const MAX_INSTRUMENTS: usize = 256;
/// Bytes that an Ethernet frame carries.
const ETHERNET_PAYLOAD: usize = 1500;

/// One pipeline: its machine, where events come from, where decisions go, where the journal lies, which threads run it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineConfig<C> {
    /// Which machine runs: `desk`, `flash_sale`, or the name of your own.
    pub machine: String,
    /// Where the journal lies and how it is cut.
    #[serde(default)]
    pub journal: JournalSettings,
    /// Threads.
    #[serde(default)]
    pub runtime: RuntimeSettings,
    /// Where events come from.
    #[serde(default)]
    pub feed: FeedSettings,
    /// Where decisions go.
    #[serde(default)]
    pub gateway: GatewaySettings,
    /// Whose day it is, and when quotes may stand; goes with `[feed.nasdaq]`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub venue: Venue,
    /// Where figures and probes are served; nowhere where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricsSettings>,
    /// The machine's own configuration.
    pub config: C,
}

fn is_default(venue: &Venue) -> bool {
    *venue == Venue::default()
}

/// `[journal]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalSettings {
    /// Directory; `--journal` wins over it.
    pub dir: PathBuf,
    /// Size of a segment file in MiB, 1 to 1024.
    pub segment_mib: u32,
    /// Whether the machine runs a second time behind the journal: it compares every decision and takes snapshots.
    pub replica: bool,
    /// Records between two snapshots.
    pub snapshot_every: u64,
    /// The longest time between two snapshots while events come, in s.
    pub snapshot_every_s: u64,
    /// How many snapshots are kept.
    pub snapshots: u32,
    /// Keep a hash chain beside the journal: alterations are found, and the altered record is named.
    pub chain: bool,
    /// Below so many free MiB behind the next segment no new risk is taken.
    pub min_free_mib: u32,
    /// What a committed record survives: `process`, `async`, `group` or `sync`.
    pub durability: Durability,
    /// In mode `async`, ms between two syncs, 1 to 1000.
    pub durable_interval_ms: u32,
    /// In modes `group` and `sync`, a directory in RAM for the live segments.
    pub ram_dir: PathBuf,
    /// With `keep`: segments are archived here, compressed, before they are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_to: Option<PathBuf>,
    /// How much is kept: older segments go as soon as no snapshot that is kept needs them. `{ age = "7d" }`,
    /// `{ size = "10GB" }`, both, or `{ all = true }`; `{ size = "50GB" }` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<KeepSettings>,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("pricewright-data/journal"),
            segment_mib: 64,
            replica: true,
            snapshot_every: 1_000_000,
            snapshot_every_s: 60,
            snapshots: 3,
            archive_to: None,
            keep: Some(KeepSettings::standard()),
            chain: true,
            min_free_mib: 256,
            durability: Durability::Process,
            durable_interval_ms: 10,
            ram_dir: PathBuf::from("/dev/shm"),
        }
    }
}

/// `[runtime]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeSettings {
    /// `auto`, `fused`, `pipelined`, or `explicit` with `[[runtime.thread]]`.
    pub topology: Topology,
    /// How a thread that would spin waits instead: `yield`, `backoff`, `backoff:100us`, `park`, `park:1ms`. Without it
    /// hot threads spin where the plan has a core free for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    /// Cells of 64 bytes in each ring between threads; a power of two, 4096 to 16777216.
    pub ring_cells: usize,
    /// Seed of every generator that the machine uses.
    pub seed: u64,
    /// Stop after so many seconds; 0 runs until stopped.
    pub duration_s: u64,
    /// Seconds between two status lines in the log; 0 writes none. On a terminal the status is one line, once a second.
    pub status_s: u64,
    /// The explicit map of stages to threads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub thread: Vec<PlannedThread>,
}

impl Default for RuntimeSettings {
    fn default() -> Self {
        Self {
            topology: Topology::Auto,
            idle: None,
            ring_cells: 1 << 16,
            seed: 1,
            duration_s: 0,
            status_s: 10,
            thread: Vec::new(),
        }
    }
}

/// How stages are laid on threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// Chosen from the cores at hand.
    Auto,
    /// Ingress, sequencer, machine and gateway on one thread, direct calls between them.
    Fused,
    /// Ingress on one thread, sequencer, machine and gateway on another.
    Pipelined,
    /// As `[[runtime.thread]]` says.
    Explicit,
}

/// `[feed]`: exactly one of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedSettings {
    /// ITCH 5.0 over MoldUDP64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nasdaq: Option<NasdaqFeed>,
    /// JSON lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jsonl: Option<JsonlFeed>,
}

/// `[feed.nasdaq]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NasdaqFeed {
    /// The lines, A first: group (or unicast) address and port of each.
    pub lines: Vec<SocketAddrV4>,
    /// The interface that joins the groups.
    #[serde(default = "loopback")]
    pub interface: std::net::Ipv4Addr,
    /// The re-request server.
    pub rerequest: SocketAddrV4,
    /// How long a line may be ahead before missing messages are asked for, in µs.
    #[serde(default = "patience_us")]
    pub patience_us: u64,
    /// Silence on all lines after which the books are stale, in ms.
    #[serde(default = "silence_ms")]
    pub silence_ms: u64,
    /// The addresses that may send market data; packets of others are refused and counted. Empty lets anybody send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<std::net::Ipv4Addr>,
    /// The midnight that the venue's stamps count from, RFC 3339, for recordings of a known day. Empty, as it is unless said,
    /// means that of the session's day in `[venue] time_zone`, found from when its messages were received.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub day_start: String,
    /// Whose data it is: halts on other markets alone do not concern it.
    #[serde(default)]
    pub market: ItchMarket,
    /// The snapshot server (GLIMPSE 5.0): address and port. Books that re-requests cannot bring back come from there; without
    /// it they stay stale until the next session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glimpse: Option<SocketAddr>,
    /// Login name for snapshots, 1 to 6 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub glimpse_user: String,
    /// The environment variable that holds the password for snapshots; unset means an empty password.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub glimpse_password_env: String,
    /// A gap of more messages than this is not re-requested: all books come from a snapshot instead.
    #[serde(default = "glimpse_gap_messages")]
    pub glimpse_gap_messages: u64,
    /// Memory for what arrives until a snapshot is there, in MiB (1 to 1024); without room a newer one is asked for.
    #[serde(default = "glimpse_buffer_mib")]
    pub glimpse_buffer_mib: u32,
    /// The most memory that a snapshot of the configured instruments may take, in MiB (1 to 4096).
    #[serde(default = "glimpse_snapshot_mib")]
    pub glimpse_snapshot_mib: u32,
}

fn glimpse_gap_messages() -> u64 {
    50_000
}

fn glimpse_buffer_mib() -> u32 {
    16
}

fn glimpse_snapshot_mib() -> u32 {
    256
}

/// The markets that publish ITCH 5.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItchMarket {
    /// The Nasdaq Stock Market.
    #[default]
    Nasdaq,
    /// Nasdaq BX.
    Bx,
    /// Nasdaq PSX.
    Psx,
}

impl ItchMarket {
    /// Its code in ITCH 5.0.
    pub fn code(self) -> u8 {
        match self {
            Self::Nasdaq => market::NASDAQ,
            Self::Bx => market::BX,
            Self::Psx => market::PSX,
        }
    }
}

fn loopback() -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::LOCALHOST
}

fn patience_us() -> u64 {
    300
}

fn silence_ms() -> u64 {
    3_000
}

/// `[feed.jsonl]`: exactly one of `stdin`, `file`, `listen`, `generated`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JsonlFeed {
    /// Read standard input to its end.
    pub stdin: bool,
    /// Read this file to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Accept TCP connections here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Make up the sales of a shop, for a demonstration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<GeneratedLines>,
    /// The most SKUs of this feed; memory for them is reserved at the start.
    pub max_skus: usize,
    /// The longest line in bytes; longer ones go to the dead letter.
    pub max_line_bytes: usize,
    /// With `listen`: say to each client how far its lines were taken, as
    /// `{"ack":LINE,"seq":RECORD,"refused":N}`. `run --ack` sets it.
    pub ack: bool,
    /// With `listen`: clients at once, 1 to 10 000; fewer where the process has too few descriptors. Others wait.
    pub max_clients: usize,
    /// With `listen`: where all places are taken and another client waits, one that has never sent a whole line makes room
    /// after so many seconds of silence.
    pub idle_s: u64,
}

impl Default for JsonlFeed {
    fn default() -> Self {
        Self {
            stdin: false,
            file: None,
            listen: None,
            generated: None,
            max_skus: 65_536,
            max_line_bytes: 4_096,
            ack: false,
            max_clients: 64,
            idle_s: 60,
        }
    }
}

impl JsonlFeed {
    /// The decoder's settings, for a currency with `currency_decimals` decimals.
    pub fn decoder(&self, currency_decimals: u8) -> LineDecoder {
        LineDecoder { currency_decimals, max_skus: self.max_skus, max_line_bytes: self.max_line_bytes }
    }
}

/// `[feed.jsonl.generated]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GeneratedLines {
    /// The same seed gives the same sales.
    pub seed: u64,
    /// Articles of the shop, 1 to 10 000.
    pub articles: usize,
    /// Purchases per second of the whole shop when it is calm; a new sale begins with up to 32 times as many.
    pub purchases_per_second: u32,
}

impl Default for GeneratedLines {
    fn default() -> Self {
        Self { seed: 1, articles: 24, purchases_per_second: 20 }
    }
}

/// `[gateway]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySettings {
    /// OUCH 5.0 over SoupBinTCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ouch: Option<OuchGateway>,
    /// JSON lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jsonl: Option<JsonlGateway>,
    /// Current prices over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpGateway>,
}

/// `[gateway.ouch]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OuchGateway {
    /// The venue's order entry.
    pub address: SocketAddr,
    /// Login name, at most 6 characters.
    pub user: String,
    /// The environment variable that holds the password; unset means an empty password.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub password_env: String,
    /// The venue's drop copy: a read-only SoupBinTCP session with copies of the account's messages of the day, under the
    /// same login. Fills are held against it all the time; after a changed session it says what became of orders. None
    /// unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_copy: Option<SocketAddr>,
    /// How often in µs, while there is nothing else to do, bytes are sent down the kernel's path that orders take, to a
    /// connection of this machine's own, so that an order after a quiet time finds the path in the caches. 0 never does.
    #[serde(default = "warm_us")]
    pub warm_us: u32,
}

const fn warm_us() -> u32 {
    1_000
}

/// `[gateway.jsonl]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JsonlGateway {
    /// Write decisions to standard output.
    pub stdout: bool,
    /// Write decisions to this file, each once. The file belongs to one journal: its last line must be what the journal says
    /// of that record. After a repair that gave up records, lines about them stay in the file and are named at the start; the
    /// right lines follow, and `seq` may go back there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Write dead letters to this file; without it they go to standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<PathBuf>,
    /// Send prices back to the TCP clients of the feed.
    pub tcp: bool,
    /// With `tcp`: how long in ms a client must be silent, with its input not ended, before prices go to it; also from when it
    /// came. 0 sends to everybody at once; then one that closes without reading loses the lines that its kernel has not sent
    /// yet.
    pub quiet_ms: u64,
}

impl Default for JsonlGateway {
    fn default() -> Self {
        Self { stdout: false, file: None, dead_letter: None, tcp: false, quiet_ms: 100 }
    }
}

/// `[gateway.http]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGateway {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Clients at once, 1 to 10 000; fewer where the process has too few descriptors. Where all places are taken the
    /// connection goes that came first.
    #[serde(default = "http_clients")]
    pub max_clients: usize,
}

impl HttpGateway {
    /// Listening at `listen`, all else as by default.
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, max_clients: http_clients() }
    }
}

fn http_clients() -> usize {
    128
}

/// A configuration's text with the name errors call it by.
#[derive(Clone, Debug)]
pub struct ConfigText {
    /// The file, or what stands for it.
    pub path: String,
    /// TOML.
    pub text: String,
}

impl ConfigText {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = bounded::read_text(path, bounded::TEXT).map_err(|source| Error::File {
            path: path.to_path_buf(),
            source,
            mend: "name a configuration file (`pricewright init DIR` writes examples)",
        })?;
        Ok(Self { path: path.display().to_string(), text })
    }

    /// The whole configuration for machine `M`, validated: the machine itself was made once from it.
    ///
    /// # Errors
    /// Unknown keys, wrong types, values out of range: with the line where it is known.
    pub fn pipeline<M: Machine>(&self) -> Result<PipelineConfig<M::Config>> {
        let mut config: PipelineConfig<M::Config> = self.parse()?;
        M::at_venue(&mut config.config, &config.venue);
        self.validate::<M>(&config)?;
        Ok(config)
    }

    /// As [`Self::pipeline`], and all that is wrong is said at once, with what `more` says.
    ///
    /// # Errors
    /// [`Error::Problems`], each with its place.
    pub fn checked_pipeline<M: Machine>(
        &self,
        more: impl Fn(&PipelineConfig<M::Config>) -> Vec<ConfigFault>,
    ) -> Result<PipelineConfig<M::Config>> {
        let refuse = |problems| Error::Problems { path: self.path.clone(), problems };
        match (self.pipeline::<M>(), self.problems::<M>(more)) {
            (Ok(config), problems) if problems.is_empty() => Ok(config),
            (Err(first), problems) if problems.is_empty() => Err(first),
            (_, problems) => Err(refuse(problems)),
        }
    }

    /// Checks what was read: the machine itself is made once from it.
    fn validate<M: Machine>(&self, config: &PipelineConfig<M::Config>) -> Result<()> {
        let settings = settings::faults(config).into_iter().next();
        let fault = settings.or_else(|| problems::decoder_fault::<M>(config));
        if let Some(fault) = fault {
            return Err(self.error_at(fault));
        }
        let fault = M::faults(&config.config).into_iter().next();
        fault.map_or(Ok(()), |fault| Err(self.error_at(fault.within("config"))))
    }

    /// Says whether this machine has the memory that `config`, read from this text, asks for. Nothing is taken.
    ///
    /// # Errors
    /// The settings that are to be lowered, and the line of the first of them.
    pub fn fits<M: Machine>(&self, config: &PipelineConfig<M::Config>) -> Result<()> {
        memory::check(&config.reserved::<M>(), memory::available())
            .map_err(|message| self.error_at(ConfigFault { keys: Vec::new(), message }))
    }

    /// `[runtime] seed`, whatever the machine.
    ///
    /// # Errors
    /// Where the text is no configuration.
    pub fn seed(&self) -> Result<u64> {
        Ok(self.parse::<PipelineConfig<toml::Table>>()?.runtime.seed)
    }

    fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        toml::from_str(&self.text).map_err(|error| {
            let line = error.span().map(|span| self.line_of(span.start));
            let message = match line.and_then(|line| self.text.lines().nth(line - 1)) {
                Some(text) => format!("{} (in `{}`)", error.message().trim_end(), text.trim()),
                None => error.message().to_owned(),
            };
            Error::Config { path: self.path.clone(), line, message }
        })
    }

    fn line_of(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    fn error_at(&self, fault: ConfigFault) -> Error {
        let line = self.line_of_fault(&fault);
        Error::Config { path: self.path.clone(), line, message: fault.message }
    }
}

impl<C: Serialize> PipelineConfig<C> {
    /// The canonical text: every key, defaults filled in, no comments.
    ///
    /// # Errors
    /// Where a value has no TOML form (an integer past `i64`).
    pub fn canonical(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|error| Error::Usage(format!("the configuration has no canonical form: {error}")))
    }
}

#[cfg(test)]
mod tests;
