//! The first screen: a simulated exchange and a market maker on this machine.

use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use pricewright_core::kernel::{DisplayUnits, Machine as _, Minor, Nanos};
use pricewright_strategies::trading::Desk;
use serde_json::json;

use super::args::RunArgs;
use super::run::quantiles;
use super::show::{micros, note, result, said, say, thousands};
use super::signals::{EarlySignals, Signals};
use super::status_line::StatusLine;
use super::where_is::{argument, fresh_dir, program, remove_old, remove_unbegun, try_lines};
use crate::config::{ConfigText, PipelineConfig};
use crate::edges::assemble::assemble;
use crate::edges::nasdaq::LineCounts;
use crate::edges::recorder::Recorder;
use crate::error::{Error, Result};
use crate::harness::echo::{EchoConfig, bare_echo};
use crate::io::udp::probe_multicast;
use crate::pipeline::launch::{Launch, Outcome};
use crate::pipeline::open::Opening;
use crate::pipeline::plan::{Plan, Role};
use crate::pipeline::topology::plan_for;
use crate::replay::replica::Status;
use crate::sim::{Sim, SimConfig, SimHandle, SimSummary};
use crate::telemetry::news::News;
use crate::telemetry::status::Tally;

/// The configuration that the demo runs, addresses aside: the same file that `init` writes.
pub(super) const DESK_TOML: &str = include_str!("../../strategies/trading/desk.toml");
/// The demo's length where nothing is said.
const SECONDS: u64 = 30;
/// Orders of the bare echo at the end, at most.
const ECHO_ORDERS: u64 = 2_000;
/// How long the bare echo may take.
const ECHO_LIMIT: Duration = Duration::from_secs(3);
/// The self-check's lag is shown above this.
const LAG_SHOWN: Nanos = Nanos::from_millis(1_000);
/// Background messages a second.
const RATE: u32 = 20_000;

/// What the P&L is worth.
const UNINFORMED: &str = "The P&L is that of a made-up market: the exchange's flow is uninformed (no order knows more than the \
                          price says), so nobody picks off the quotes and a market maker earns its spread. Real flow costs.";

type Config = PipelineConfig<<Desk as pricewright_core::kernel::Machine>::Config>;

/// Runs the demo.
pub(super) fn market(args: &RunArgs) -> Result<()> {
    let seconds = args.seconds.unwrap_or(SECONDS);
    let config: Config = ConfigText { path: "desk.toml (built in)".to_owned(), text: DESK_TOML.to_owned() }
        .pipeline::<Desk>()?;
    let dir = match &args.journal {
        Some(dir) => dir.clone(),
        None => fresh_dir("demo")?,
    };
    let done = run_in(args, config, &dir, seconds);
    if done.is_err() && args.journal.is_none() {
        remove_unbegun(&dir);
    }
    done
}

fn run_in(args: &RunArgs, mut config: Config, dir: &Path, seconds: u64) -> Result<()> {
    config.journal.dir = dir.to_path_buf();
    let plan = plan_for(&config.runtime)?;
    let sim = start_sim(args, &plan, &mut config)?;
    if !args.json {
        say(&format!("Simulated exchange + market maker, this machine only, {}.", how_long(seconds)));
        say(&format!("{plan} Ctrl-C stops early."));
    }
    let run = Run { args, seconds, config: &config, dir, plan };
    let finished = run.go();
    sim.stop();
    let summary = sim.join()?;
    let finished = finished?;
    run.report(&finished, &summary)
}

fn start_sim(args: &RunArgs, plan: &Plan, config: &mut Config) -> Result<SimHandle> {
    let multicast = probe_multicast(std::net::Ipv4Addr::LOCALHOST);
    if !multicast {
        note("multicast does not work on this machine's loopback: the lines are unicast.");
    }
    let helper_core = plan
        .threads()
        .iter()
        .find(|thread| thread.stages.contains(&Role::Helper))
        .and_then(|thread| thread.core);
    let sim = SimConfig {
        seed: args.seed.unwrap_or(1),
        rate: RATE,
        loss: args.loss / 100.0,
        core: helper_core,
        ..SimConfig::embedded(multicast)
    };
    let sim = Sim::start(&sim)?;
    let addresses = sim.addresses();
    let feed = config
        .feed
        .nasdaq
        .as_mut()
        .ok_or_else(|| Error::Failed("desk.toml has no [feed.nasdaq]".to_owned()))?;
    feed.lines.clone_from(&addresses.lines);
    feed.rerequest = addresses.rerequest;
    feed.glimpse = Some(addresses.glimpse);
    let ouch = config
        .gateway
        .ouch
        .as_mut()
        .ok_or_else(|| Error::Failed("desk.toml has no [gateway.ouch]".to_owned()))?;
    ouch.address = addresses.ouch;
    Ok(sim)
}

struct Run<'a> {
    args: &'a RunArgs,
    seconds: u64,
    config: &'a Config,
    dir: &'a Path,
    plan: Plan,
}

struct Finished {
    outcome: Outcome,
    tally: Tally,
    lines: LineCounts,
    ran: Duration,
    echo: Option<Histogram<u64>>,
    signals: Signals,
}

impl Run<'_> {
    fn opening(&self) -> Opening {
        let RunArgs { repair, accept_clock, .. } = *self.args;
        Opening { repair, accept_clock, ..Opening::default() }
    }

    fn go(&self) -> Result<Finished> {
        let (recorder, taps) = self.args.record.as_deref().map(Recorder::create).transpose()?.unzip();
        let early = EarlySignals::take()?;
        let launch = Launch::<Desk>::prepare_with(self.config, self.dir, self.plan.clone(), &self.opening())?;
        if let Some(recovered) = launch.recovered() {
            note(recovered);
        }
        let signals = early.end(launch.control())?;
        let control = launch.control().clone();
        let seen = News::new(launch.first_seq(), false).in_units(Desk::units(&self.config.config));
        let seen = seen.begun_at(&launch.standing());
        let assembled = assemble(launch, self.config, vec![Box::new(seen.clone())], taps)?;
        let units = Desk::units(&self.config.config);
        let mut status = StatusLine::of_demo(self.args.json, control);
        let limit = limit(self.seconds);
        if !self.args.json {
            note(&assembled.live.replica_text(&self.plan, &self.config.journal));
        }
        let watch = assembled.live.watch().clone();
        let begin = Instant::now();
        let outcome = assembled.live.wait(limit, |elapsed| {
            status.tick(elapsed, |seconds| status_parts(seconds, &seen.tally(), &watch.status(), &units));
        });
        let ran = begin.elapsed();
        let shown = status.finish();
        let recorded = recorder.map_or(Ok(()), Recorder::finish);
        outcome.check(self.dir)?;
        recorded?;
        shown?;
        if self.args.journal.is_none() {
            remove_old("demo")?;
        }
        let lines = assembled.lines.map(|lines| lines.read()).unwrap_or_default();
        let echo = match self.echo_config(&outcome, &lines).map(bare_echo) {
            Some(Ok(echo)) => Some(echo),
            Some(Err(error)) => {
                tracing::warn!(%error, "the bare echo could not be measured");
                None
            }
            None => None,
        };
        Ok(Finished { outcome, tally: seen.tally(), lines, ran, echo, signals })
    }

    /// An echo that sends as often as the run did, under the same feed, which goes on; `None` where no order was sent.
    fn echo_config(&self, outcome: &Outcome, lines: &LineCounts) -> Option<EchoConfig> {
        let orders = outcome.receive_to_order.as_ref().map_or(0, Histogram::len);
        let core_of = |role: Role| {
            self.plan
                .threads()
                .iter()
                .find(|thread| thread.stages.contains(&role))
                .and_then(|thread| thread.core)
        };
        Some(EchoConfig {
            lines: self.config.feed.nasdaq.as_ref()?.lines.clone(),
            every: lines.packets.checked_div(orders)?,
            orders: ECHO_ORDERS,
            limit: ECHO_LIMIT,
            core: core_of(Role::Ingress),
            peer_core: core_of(Role::Helper),
        })
    }

    fn report(&self, finished: &Finished, exchange: &SimSummary) -> Result<()> {
        let units = Desk::units(&self.config.config);
        let Finished { outcome, tally, lines, ran, echo, signals } = finished;
        let rate = orders_a_second(outcome, *ran);
        let size = dir_size(self.dir);
        if self.args.json {
            let mut all = tally.to_json(&units);
            let more = json!({
                "journal": self.dir.display().to_string(),
                "journal_bytes": size,
                "ended": outcome.reason.name(),
                "lines": lines,
                "receive_to_order_ns": outcome.receive_to_order.as_ref().map(quantiles),
                "orders_per_s": rate,
                "bare_echo_ns": echo.as_ref().map(quantiles),
                "plan": self.plan.to_string(),
                "self_check": super::run::self_check(&outcome.replica),
                "exchange": exchange_json(exchange),
            });
            if let (serde_json::Value::Object(all), serde_json::Value::Object(more)) = (&mut all, more) {
                all.extend(more);
            }
            return result(&all, signals);
        }
        say(&format!(
            "Done. {} events, {} decisions, {} fills, P&L {}",
            thousands(tally.events),
            thousands(tally.decisions),
            thousands(tally.fills),
            dollars(&units, tally.profit(&units)),
        ));
        say(UNINFORMED);
        say(&latency_line(outcome.receive_to_order.as_ref(), rate, echo.as_ref()));
        for sentence in [lines.complaint(), lines.recovery()].into_iter().flatten() {
            say(&sentence);
        }
        say(&outcome.replica.summary());
        say(&format!("Journal: {} ({} MB{})", self.dir.display(), size / 1_000_000, self.kept()));
        say(try_text(self.args.journal.as_deref()).trim_end());
        said()
    }

    fn kept(&self) -> String {
        if self.args.journal.is_some() {
            String::new()
        } else {
            format!("; the newest {} are kept", super::where_is::KEPT)
        }
    }
}

/// The exchange's own account, without its final book.
fn exchange_json(exchange: &SimSummary) -> serde_json::Value {
    let mut account = exchange.to_json();
    if let Some(fields) = account.as_object_mut() {
        fields.remove("book");
    }
    account
}

/// What to type next, about the journal in `dir` where one was named.
fn try_text(dir: Option<&Path>) -> String {
    let (program, dir) = (program(), argument(dir));
    try_lines(&[
        (format!("{program} explain{dir}"), "why was that last order sent?"),
        (format!("{program} replay --verify{dir}"), "same decisions, bit for bit"),
        (format!("{program} demo flash-sale"), "prices for a shop, same engine"),
        (format!("{program} init my-desk"), "your own"),
    ])
}

/// How often packets caused orders, a second.
fn orders_a_second(outcome: &Outcome, ran: Duration) -> u64 {
    let orders = outcome.receive_to_order.as_ref().map_or(0, Histogram::len);
    (orders as f64 / ran.as_secs_f64().max(1e-3)).round() as u64
}

fn latency_line(orders: Option<&Histogram<u64>>, rate: u64, echo: Option<&Histogram<u64>>) -> String {
    let pair = |histogram: &Histogram<u64>| {
        (micros(histogram.value_at_quantile(0.5)), micros(histogram.value_at_quantile(0.99)))
    };
    let mut text = match orders.filter(|histogram| !histogram.is_empty()).map(pair) {
        Some((p50, p99)) => format!("Receive to order p50 {p50} p99 {p99} µs at {rate} a second"),
        None => "Receive to order: no order was sent".to_owned(),
    };
    if let Some((p50, p99)) = echo.map(pair) {
        text.push_str(&format!(" (bare echo, same sockets and pace: {p50} / {p99})"));
    }
    text
}

/// Money with its sign first, to the cent.
fn dollars(units: &DisplayUnits, money: Minor) -> String {
    let text = units.money_short(money);
    let (sign, amount) = text.split_at_checked(1).unwrap_or(("", &text));
    format!("{sign}${amount}")
}

/// A demo's length; 0 runs until it is stopped, as everywhere.
pub(super) fn limit(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The same in words.
pub(super) fn how_long(seconds: u64) -> String {
    if seconds == 0 { "until it is stopped".to_owned() } else { format!("{seconds} s") }
}

fn dir_size(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

/// The self-check in the status line: only where there is something to say.
fn replica_text(replica: &Status) -> Option<String> {
    match (&replica.alarm, replica.lag) {
        (Some(_), _) => Some("SELF-CHECK FAILED".to_owned()),
        (None, lag) if lag > LAG_SHOWN => Some(format!("self-check {:.1} s behind", lag.0 as f64 / 1e9)),
        (None, _) => None,
    }
}

fn status_parts(seconds: u64, tally: &Tally, replica: &Status, units: &DisplayUnits) -> Vec<String> {
    let Some((id, standing)) = tally.instruments().next() else { return Vec::new() };
    let price = |ticks| units.price(id, ticks);
    let mut parts = vec![
        format!("{seconds:>3}s"),
        format!("bid {}", price(standing.bid)),
        format!("ask {}", price(standing.ask)),
        format!("pos {:+}", standing.position.0),
        format!("P&L {}", dollars(units, tally.profit(units))),
        format!("fills {}", thousands(tally.fills)),
        format!("gaps {}", tally.gaps),
    ];
    parts.extend(replica_text(replica));
    parts
}
