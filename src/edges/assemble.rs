//! From a configuration's `[feed]` and `[gateway]` to the edges of a pipeline, matched once: from here on the pipeline
//! runs monomorphised.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::unbounded;
use pricewright_core::kernel::{ConfigFault, Machine, Venue};
use pricewright_feeds::jsonl::encode::Encoder;
use pricewright_feeds::jsonl::timestamp::parse_rfc3339;
use pricewright_feeds::nasdaq::SessionDay;

use super::answers::{Answers, Wanted};
use super::drop_copy::DropCopyLink;
use super::glimpse::client_config;
use super::http::{PriceServer, serve};
use super::instruments::{instrument_faults, instruments};
use super::jsonl::{Doors, JsonlFeed};
use super::lines_out::LinesOut;
use super::metrics::{self, MetricsServer};
use super::nasdaq::{LineMonitor, NasdaqFeed};
use super::ouch::{OuchGateway, credentials, order_entry};
use super::recorder::Taps;
use super::vitals::Vitals;
use crate::clock::Clock as _;
use crate::config::{JsonlFeed as JsonlSettings, NasdaqFeed as NasdaqSettings, PipelineConfig};
use crate::error::{Error, Result};
use crate::io::descriptors::{RESERVED, open_now, raise_limit, to_spare};
use crate::io::same_file::is_same_file;
use crate::pipeline::edge::RemoteGateway;
use crate::pipeline::guard::Watchdog;
use crate::pipeline::helper::Tailer;
use crate::pipeline::launch::{Edges, Launch, Live};
use crate::pipeline::resume::Resume;
use crate::pipeline::topology::plan_fault;
use crate::telemetry::metrics::Sources;

/// A pipeline at work, and what serves beside it.
#[derive(Debug)]
pub struct Assembled {
    /// The pipeline.
    pub live: Live,
    /// The price server, where one is configured; it ends when dropped.
    pub http: Option<PriceServer>,
    /// Where the feed listens, where it does.
    pub listening: Option<SocketAddr>,
    /// What the market data lines brought, where there are any.
    pub lines: Option<LineMonitor>,
    /// How a shop does, where it is one.
    pub vitals: Option<Arc<Vitals>>,
    /// Figures and probes, where they are served; they end when dropped.
    pub metrics: Option<MetricsServer>,
}

/// Opens the configured edges and starts the pipeline; `tailers` watch the journal besides, `taps` record what is received.
///
/// # Errors
/// Where an edge cannot be opened.
pub fn assemble<M: Machine + Send + 'static>(
    launch: Launch<M>,
    config: &PipelineConfig<M::Config>,
    tailers: Vec<Box<dyn Tailer>>,
    taps: Option<Taps>,
) -> Result<Assembled> {
    let (launch, places) = or_give_up(launch, Places::for_strangers(config))?;
    let prepared =
        config.metrics.as_ref().map(|settings| metrics::prepare(settings, config, &launch, places.metrics));
    let (launch, prepared) = or_give_up(launch, prepared.transpose())?;
    let launch = match &prepared {
        Some(prepared) => launch.monitored(prepared.monitor()),
        None => launch,
    };
    let mut assembled = match (&config.feed.jsonl, &config.feed.nasdaq) {
        (Some(feed), _) => assemble_lines(launch, config, feed, tailers, places),
        (None, Some(feed)) => assemble_market(launch, config, feed, tailers, taps),
        (None, None) => Err(Error::Usage("no feed: add [feed.nasdaq] or [feed.jsonl]".to_owned())),
    }?;
    if let Some(prepared) = prepared {
        let (lines, vitals) = (assembled.lines.clone(), assembled.vitals.clone());
        let sources = Sources { lines, vitals, ..assembled.live.sources() };
        // The run has begun, and goes on without.
        assembled.metrics = prepared
            .serve(sources)
            .inspect_err(|error| tracing::error!(%error, "metrics are not served"))
            .ok();
    }
    Ok(assembled)
}

/// What can be said of the edges before anything is opened: so that a run which cannot start leaves no trace in its journal.
///
/// # Errors
/// Settings that do not fit the protocol, or a password that the environment does not have.
pub fn check<M: Machine>(config: &PipelineConfig<M::Config>) -> Result<()> {
    let units = M::units(&config.config);
    if let Some(feed) = &config.feed.nasdaq {
        session_day(&feed.day_start, &config.venue)?;
        let instruments = instruments(&units)?;
        if feed.glimpse.is_some() {
            client_config(feed, &instruments)?;
        }
    }
    if let Some(gateway) = &config.gateway.ouch {
        order_entry(gateway, &units, &Resume::default(), SessionDay::fixed(0))?;
    }
    Ok(())
}

/// Everything that is wrong with the edges and the plan of threads, as [`check`] and [`plan_for`] would say one after the
/// other, each with its key.
pub fn faults<M: Machine>(config: &PipelineConfig<M::Config>) -> Vec<ConfigFault> {
    let mut faults = Vec::new();
    let units = M::units(&config.config);
    faults.extend(plan_fault(&config.runtime));
    let has_venue = config.feed.nasdaq.is_some() || config.gateway.ouch.is_some();
    if has_venue {
        faults.extend(instrument_faults(&units).into_iter().map(|fault| fault.within("config.instruments")));
    }
    let specs = instruments(&units).unwrap_or_default();
    let mut keep = |result: Result<()>, key: &str| {
        faults.extend(result.err().map(|error| ConfigFault::at(key_of(&error, key), error.to_string())));
    };
    if let Some(feed) = &config.feed.nasdaq {
        keep(session_day(&feed.day_start, &config.venue).map(drop), "feed.nasdaq.day_start");
        if feed.glimpse.is_some() {
            keep(client_config(feed, &specs).map(drop), "feed.nasdaq.glimpse");
        }
    }
    if let Some(gateway) = &config.gateway.ouch {
        keep(credentials(gateway).map(drop), "gateway.ouch");
    }
    faults.extend(output_faults(config));
    if faults.is_empty() {
        // What is left has no key of its own.
        let rest = check::<M>(config).err();
        faults.extend(rest.map(|error| ConfigFault { keys: Vec::new(), message: error.to_string() }));
    }
    faults
}

/// Endings of the files that a journal consists of.
const JOURNAL_FILES: [&str; 3] = ["pwj", "pwc", "pws"];

/// Outputs that would write into the input, into one another or into a journal. Not asked of a journalled configuration: it
/// looks at files.
fn output_faults<C>(config: &PipelineConfig<C>) -> Vec<ConfigFault> {
    let (Some(feed), Some(gateway)) = (&config.feed.jsonl, &config.gateway.jsonl) else { return Vec::new() };
    let stdin = feed.stdin.then(|| Path::new("/dev/stdin"));
    let input = feed.file.as_deref().or(stdin).map(|path| (path, "the input"));
    let (file, dead_letter) = (gateway.file.as_deref(), gateway.dead_letter.as_deref());
    let pairs = [("file", file, input), ("dead_letter", dead_letter, input)];
    let both = ("dead_letter", dead_letter, file.map(|path| (path, "file")));
    let fault = |(key, output, other): (&str, Option<&Path>, Option<(&Path, &str)>)| {
        let (output, (other, what)) = (output?, other?);
        is_same_file(output, other).then(|| {
            let message =
                format!("{key}: {} is the same file as {what}; give it another name", output.display());
            ConfigFault::at(format!("gateway.jsonl.{key}"), message)
        })
    };
    let journals = |(key, output): (&str, Option<&Path>)| {
        let output = output?;
        let is_journals =
            JOURNAL_FILES.iter().any(|ending| output.extension().is_some_and(|is| is == *ending));
        is_journals.then(|| {
            let message =
                format!("{key}: {} is named as a journal's own file; give it another name", output.display());
            ConfigFault::at(format!("gateway.jsonl.{key}"), message)
        })
    };
    let named = [("file", file), ("dead_letter", dead_letter)].into_iter().filter_map(journals);
    pairs.into_iter().chain([both]).filter_map(fault).chain(named).collect()
}

/// The key that an error names as `[table] key: …`; else `key`.
fn key_of(error: &Error, key: &str) -> String {
    let text = error.to_string();
    let named = text.strip_prefix('[').and_then(|rest| {
        let (table, rest) = rest.split_once("] ")?;
        let (key, _) = rest.split_once(':')?;
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_key.then(|| format!("{table}.{key}"))
    });
    named.unwrap_or_else(|| key.to_owned())
}

/// The launch with what was opened for it, or the error after the run was given up.
fn or_give_up<M: Machine + Send + 'static, T>(
    launch: Launch<M>,
    opened: Result<T>,
) -> Result<(Launch<M>, T)> {
    match opened {
        Ok(opened) => Ok((launch, opened)),
        Err(error) => {
            launch.give_up();
            Err(error)
        }
    }
}

fn assemble_market<M: Machine + Send + 'static>(
    launch: Launch<M>,
    config: &PipelineConfig<M::Config>,
    settings: &NasdaqSettings,
    mut tailers: Vec<Box<dyn Tailer>>,
    taps: Option<Taps>,
) -> Result<Assembled> {
    let opened = open_market(&launch, config, settings, taps);
    let (launch, (mut feed, gateway)) = or_give_up(launch, opened)?;
    let lines = Some(feed.monitor());
    let watch = feed.watch_books(launch.first_seq());
    tailers.extend(watch.map(|watch| Box::new(watch) as Box<dyn Tailer>));
    let live = match gateway {
        Some(gateway) => {
            let watchdog: Option<Box<dyn Watchdog>> = Some(Box::new(gateway.handle()));
            launch.start(Edges {
                feed,
                gateway,
                tailers,
                outputs: Vec::new(),
                services: Vec::new(),
                slow_outputs: Vec::new(),
                watchdog,
            })?
        }
        None => {
            let gateway = RemoteGateway::default();
            launch.start(Edges {
                feed,
                gateway,
                tailers,
                outputs: Vec::new(),
                services: Vec::new(),
                slow_outputs: Vec::new(),
                watchdog: None,
            })?
        }
    };
    Ok(Assembled { live, http: None, listening: None, lines, vitals: None, metrics: None })
}

fn open_market<M: Machine + Send + 'static>(
    launch: &Launch<M>,
    config: &PipelineConfig<M::Config>,
    settings: &NasdaqSettings,
    taps: Option<Taps>,
) -> Result<(NasdaqFeed, Option<OuchGateway>)> {
    let units = M::units(&config.config);
    let now = launch.clock().clone().now();
    let day = session_day(&settings.day_start, &config.venue)?;
    let (recorded, session) = taps.map(|taps| (taps.feed, taps.venue)).unzip();
    let feed = NasdaqFeed::open(settings, &units, launch.resume(), day.clone(), recorded)?;
    let gateway = match &config.gateway.ouch {
        Some(ouch) => {
            if session.is_some() && ouch.drop_copy.is_some() {
                tracing::warn!(
                    "the recording holds the packets of market data and order entry, none of the drop copy: a replay of it \
                     compares no fills"
                );
            }
            let clock = launch.clock().clone();
            let drop_copy = DropCopyLink::start(ouch, &units, launch.resume(), day.clone(), clock)?;
            let gateway = OuchGateway::open(ouch, &units, launch.resume(), day, now, session)?;
            Some(gateway.with_drop_copy(drop_copy))
        }
        None => None,
    };
    Ok((feed, gateway))
}

/// Which midnight the venue's stamps count from: the one that is configured (RFC 3339), or that of the session's day in the
/// venue's time zone.
///
/// # Errors
/// Where the configured text is no stamp.
pub fn session_day(configured: &str, venue: &Venue) -> Result<SessionDay> {
    if configured.is_empty() {
        return Ok(SessionDay::of_zone(venue.time_zone.clone()));
    }
    parse_rfc3339(configured).map(|stamp| SessionDay::fixed(stamp.0)).map_err(|error| {
        Error::Usage(format!("[feed.nasdaq] day_start {configured:?}: {error}; write 2026-01-02T00:00:00Z"))
    })
}

fn assemble_lines<M: Machine + Send + 'static>(
    launch: Launch<M>,
    config: &PipelineConfig<M::Config>,
    settings: &JsonlSettings,
    tailers: Vec<Box<dyn Tailer>>,
    places: Places,
) -> Result<Assembled> {
    let opened = open_lines(&launch, config, settings, places);
    let (launch, opened) = or_give_up(launch, opened)?;
    let live = launch.start(Edges {
        feed: opened.feed,
        gateway: RemoteGateway::default(),
        tailers,
        outputs: opened.outputs,
        services: opened.services,
        slow_outputs: opened.slow_outputs,
        watchdog: None,
    })?;
    Ok(Assembled {
        live,
        http: opened.http,
        listening: opened.listening,
        lines: None,
        vitals: Some(opened.vitals),
        metrics: None,
    })
}

struct OpenLines {
    feed: JsonlFeed,
    outputs: Vec<Box<dyn Tailer>>,
    services: Vec<Box<dyn Tailer>>,
    slow_outputs: Vec<Box<dyn Tailer>>,
    http: Option<PriceServer>,
    listening: Option<SocketAddr>,
    vitals: Arc<Vitals>,
}

fn open_lines<M: Machine + Send + 'static>(
    launch: &Launch<M>,
    config: &PipelineConfig<M::Config>,
    settings: &JsonlSettings,
    places: Places,
) -> Result<OpenLines> {
    let mut decoder = settings.decoder(M::units(&config.config).money_decimals);
    // What the machine has no place for is refused before the journal: a run with more places need not take it back.
    decoder.max_skus = decoder.max_skus.min(M::max_strings(&config.config));
    let encoder = || Encoder::new(decoder.currency_decimals, decoder.max_skus);
    let gateway = config.gateway.jsonl.clone().unwrap_or_default();
    let wanted =
        Wanted { prices: gateway.tcp, acks: settings.ack, pause: Duration::from_millis(gateway.quiet_ms) };
    let vitals = Arc::new(Vitals::default());
    vitals.set_frozen(launch.resume().is_latched());
    let (announce, new_peers) = if wanted.prices || wanted.acks {
        let (sender, receiver) = unbounded();
        (Some(sender), Some(receiver))
    } else {
        (None, None)
    };
    let doors = Doors { announce, vitals: Arc::clone(&vitals), most_clients: places.clients };
    let (feed, listening) =
        JsonlFeed::open(settings, &decoder, M::screen(&config.config), launch.resume(), doors)?;
    let first_seq = launch.first_seq();
    let mut outputs: Vec<Box<dyn Tailer>> = Vec::new();
    let mut services: Vec<Box<dyn Tailer>> = Vec::new();
    // First, so that a client who has heard a price finds it here.
    let mut http = None;
    if let Some(gateway) = &config.gateway.http {
        let (table, server) = serve(gateway.listen, encoder(), first_seq, places.http, Arc::clone(&vitals))?;
        services.push(Box::new(table));
        http = Some(server);
    }
    if let Some(new_peers) = new_peers {
        services.push(Box::new(Answers::new(wanted, launch.dir(), encoder(), first_seq, new_peers)));
    }
    let mut slow_outputs: Vec<Box<dyn Tailer>> = Vec::new();
    if let Some(gateway) = &config.gateway.jsonl {
        let control = launch.control().clone();
        slow_outputs.extend(
            LinesOut::on_stdout(gateway, encoder(), first_seq, control.clone())
                .map(|stdout| Box::new(stdout) as Box<dyn Tailer>),
        );
        let journal = (launch.dir(), first_seq, launch.resume());
        let opened = LinesOut::open(gateway, encoder, journal, control)?;
        outputs.extend(opened.files.map(|files| Box::new(files) as Box<dyn Tailer>));
        slow_outputs.extend(opened.pipes.into_iter().map(|pipe| Box::new(pipe) as Box<dyn Tailer>));
    }
    Ok(OpenLines { feed, outputs, services, slow_outputs, http, listening, vitals })
}

/// Places for strangers: what is configured, and no more than there are descriptors for beside what the engine needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Places {
    clients: usize,
    http: usize,
    metrics: usize,
}

impl Places {
    fn for_strangers<C>(config: &PipelineConfig<C>) -> Result<Self> {
        let feed = config.feed.jsonl.as_ref();
        let wanted = Self {
            clients: feed.map_or(0, |feed| feed.listen.map_or(0, |_| feed.max_clients)),
            http: config.gateway.http.as_ref().map_or(0, |http| http.max_clients),
            metrics: config.metrics.as_ref().map_or(0, |metrics| metrics.max_clients),
        };
        if wanted.clients + wanted.http + wanted.metrics == 0 {
            return Ok(wanted);
        }
        let counted = raise_limit().and_then(|limit| Ok((limit, open_now()?)));
        let (limit, open) = counted.map_err(|source| Error::File {
            path: "/proc/self/fd".into(),
            source,
            mend: "the open descriptors must be countable",
        })?;
        let places = wanted.within(to_spare(limit, open));
        let none = |wanted: usize, got: usize| wanted > 0 && got == 0;
        if none(wanted.clients, places.clients)
            || none(wanted.http, places.http)
            || none(wanted.metrics, places.metrics)
        {
            return Err(Error::Usage(format!(
                "the process may have {limit} files and sockets open, {open} are, and {RESERVED} are kept for the journal: \
                 nothing is left for clients; raise the limit (ulimit -n 1024), or lower max_clients"
            )));
        }
        if places != wanted {
            tracing::warn!(
                "the process may have {limit} files and sockets open: places for {} TCP clients, {} HTTP clients and {} of \
                 metrics, not {}, {} and {}; raise the limit (ulimit -n)",
                places.clients,
                places.http,
                places.metrics,
                wanted.clients,
                wanted.http,
                wanted.metrics
            );
        }
        Ok(places)
    }

    /// As many as `spare` descriptors allow: a TCP client takes two (its lines, its answers), an HTTP client one, and one more
    /// is at the door.
    fn within(self, spare: usize) -> Self {
        // Figures come first, since who looks after the run must see that it is full; yet not more than half.
        let metrics = self.metrics.min(spare.saturating_sub(1) / 2);
        let doors = 2 + usize::from(metrics > 0);
        let spare = spare.saturating_sub(metrics + doors);
        if self.clients * 2 + self.http <= spare {
            return Self { metrics, ..self };
        }
        // Who sells comes before who looks: half at least.
        let http = self.http.min(spare.saturating_sub(self.clients * 2).max(spare / 2));
        Self { clients: self.clients.min((spare - http) / 2), http, metrics }
    }
}

#[cfg(test)]
mod tests;
