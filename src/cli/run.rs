//! `pricewright run`.

use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use pricewright_core::kernel::{Control, DisplayUnits};
use serde_json::{Value, json};

use super::args::RunArgs;
use super::show::{micros, note, result, result_line, thousands};
use super::signals::EarlySignals;
use super::status_line::{StatusLine, live_parts, log_status};
use crate::config::{ConfigText, PipelineConfig};
use crate::edges::assemble::{assemble, check, faults};
use crate::edges::nasdaq::LineCounts;
use crate::edges::recorder::Recorder;
use crate::error::{Error, Result};
use crate::journal::{Durability, DurableReport};
use crate::machines::{Hosted, MachineVisitor, names, with_machine};
use crate::pipeline::launch::{Launch, Outcome};
use crate::pipeline::open::Opening;
use crate::pipeline::topology::plan_for;
use crate::replay::replica::Status;
use crate::telemetry::news::News;
use crate::telemetry::status::Tally;

const NO_CLIENTS: &str = "--ack: lines of TCP clients are acknowledged; give the feed a place to listen ([feed.jsonl] listen = \"ip:port\")";

const NO_PACKETS: &str = "--record: packets of market data and order entry are recorded, and lines come in none; leave it out, the journal has \
                          every event";

pub(super) fn run<Own: Hosted>(args: &RunArgs) -> Result<()> {
    let Some(path) = &args.config else { return super::demo_market::market(args) };
    let text = ConfigText::read(path)?;
    let name = text.machine_of(&names::<Own>())?;
    with_machine::<Own, _>(&name, Visit { text, args: args.clone() })?
}

struct Visit {
    text: ConfigText,
    args: RunArgs,
}

impl MachineVisitor for Visit {
    type Output = Result<()>;

    fn visit<M: Hosted>(self) -> Self::Output {
        let mut config: PipelineConfig<M::Config> = self.text.checked_pipeline::<M>(faults::<M>)?;
        if let Some(dir) = &self.args.journal {
            config.journal.dir.clone_from(dir);
        }
        if let Some(seconds) = self.args.seconds {
            config.runtime.duration_s = seconds;
        }
        if self.args.ack {
            match &mut config.feed.jsonl {
                Some(feed) if feed.listen.is_some() => feed.ack = true,
                _ => return Err(Error::Usage(NO_CLIENTS.to_owned())),
            }
        }
        if self.args.record.is_some() && config.feed.nasdaq.is_none() {
            return Err(Error::Usage(NO_PACKETS.to_owned()));
        }
        self.text.fits::<M>(&config)?;
        run_pipeline::<M>(&config, &self.args)
    }
}

fn run_pipeline<M: Hosted>(config: &PipelineConfig<M::Config>, args: &RunArgs) -> Result<()> {
    let dir = config.journal.dir.clone();
    let plan = plan_for(&config.runtime)?;
    // Standard output may carry the decisions: what is for people goes to standard error here.
    note(&format!("{}: {plan}", config.machine));
    check::<M>(config)?;
    let (recorder, taps) = args.record.as_deref().map(Recorder::create).transpose()?.unzip();
    let early = EarlySignals::take()?;
    let opening = Opening {
        repair: args.repair,
        accept_divergence: args.accept_divergence,
        accept_clock: args.accept_clock,
        ..Opening::default()
    };
    let launch = Launch::<M>::prepare_with(config, &dir, plan.clone(), &opening)?;
    if let Some(recovered) = launch.recovered() {
        note(recovered);
    }
    if let Some(durability) = launch.durability() {
        note(&durability);
    }
    if let Some(keep) = &config.journal.keep {
        note(&format!("journal: {} keeps {keep}; `pricewright check` says how long that is", dir.display()));
    }
    let signals = early.end(launch.control())?;
    let news = News::new(launch.first_seq(), true).in_units(M::units(&config.config));
    let news = news.begun_at(&launch.standing());
    let decisions_on_stdout = config.gateway.jsonl.as_ref().is_some_and(|jsonl| jsonl.stdout);
    let mut status =
        StatusLine::of_run(decisions_on_stdout, config.runtime.status_s, launch.control().clone());
    // One form on standard output: the result is a line, if lines stand there.
    let result = if decisions_on_stdout { result_line } else { result };
    let assembled = assemble(launch, config, vec![Box::new(news.clone())], taps)?;
    if let Some(address) = assembled.listening {
        note(&format!("reading lines from TCP clients on {address}"));
    }
    if let Some(http) = &assembled.http {
        note(&format!("prices at http://{}/prices", http.address()));
    }
    if let Some(metrics) = &assembled.metrics {
        note(&format!("metrics at http://{}/metrics", metrics.address()));
    }
    note(&assembled.live.replica_text(&plan, &config.journal));
    let limit = (config.runtime.duration_s > 0).then(|| Duration::from_secs(config.runtime.duration_s));
    let units = M::units(&config.config);
    let latency = assembled.live.latency().clone();
    let outcome = assembled.live.wait(limit, |elapsed| {
        let is_log = status.is_log();
        status.tick(elapsed, |seconds| {
            if is_log {
                log_status(&news.tally(), latency.now(), &units);
                return Vec::new();
            }
            live_parts(seconds, &news.tally(), latency.now(), &units)
        });
    });
    // What standard output refused is said by who writes there.
    let _reported = status.finish();
    let recorded = recorder.map_or(Ok(()), Recorder::finish);
    outcome.succeeded(&dir)?;
    recorded?;
    let lines = assembled.lines.map(|lines| lines.read());
    let end = End {
        outcome: &outcome,
        tally: &news.tally(),
        units: &units,
        lines,
        durability: config.journal.durability,
        dir: &dir,
    };
    end.report(args, |value| result(value, &signals))
}

fn durable_text(durability: Durability, report: &DurableReport) -> String {
    let us = |quantile| report.delay.value_at_quantile(quantile) as f64 / 1e3;
    format!(
        "durability {durability}: {} records in {} writes, durable after p50 {:.0} us, p99 {:.0} us",
        thousands(report.records),
        thousands(report.writes),
        us(0.5),
        us(0.99)
    )
}

fn durable_json(report: &DurableReport) -> Value {
    json!({
        "records": report.records,
        "writes": report.writes,
        "bytes": report.bytes,
        "delay_ns": quantiles(&report.delay),
    })
}

/// How a run ended, for its last words.
struct End<'a> {
    outcome: &'a Outcome,
    tally: &'a Tally,
    units: &'a DisplayUnits,
    lines: Option<LineCounts>,
    durability: Durability,
    dir: &'a Path,
}

impl End<'_> {
    fn report(&self, args: &RunArgs, result: impl FnOnce(&Value) -> Result<()>) -> Result<()> {
        let verdict = self.outcome.check(self.dir);
        if args.json {
            result(&self.json())?;
        } else {
            self.text().iter().for_each(|line| note(line));
        }
        verdict
    }

    fn json(&self) -> Value {
        let Self { outcome, tally, units, lines, durability, dir } = self;
        let mut all = tally.to_json(units);
        let more = json!({
            "journal": dir.display().to_string(),
            "ended": outcome.reason.name(),
            "orders_left": outcome.orders_left,
            "lines": lines,
            "receive_to_order_ns": outcome.receive_to_order.as_ref().map(quantiles),
            "self_check": self_check(&outcome.replica),
            "durability": durability.name(),
            "durable": outcome.durable.as_ref().map(durable_json),
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
        all
    }

    fn text(&self) -> Vec<String> {
        let Self { outcome, tally, units, .. } = self;
        let mut text = Vec::new();
        for (id, standing) in tally.instruments() {
            text.push(format!(
                "{}: position {:+}, P&L {} (fees {})",
                units.symbol(id),
                standing.position.0,
                units.money_short(standing.profit(id, units)),
                units.money_short(standing.fees),
            ));
        }
        text.push(self.counts());
        if let Some(latency) = outcome.receive_to_order.as_ref().filter(|latency| !latency.is_empty()) {
            let at = |quantile| micros(latency.value_at_quantile(quantile));
            text.push(format!(
                "receive to order p50 {} p99 {} max {} µs over {} orders",
                at(0.5),
                at(0.99),
                micros(latency.max()),
                thousands(latency.len())
            ));
        }
        let sentences = self.lines.map(|lines| [lines.complaint(), lines.recovery()]);
        text.extend(sentences.into_iter().flatten().flatten());
        if tally.latch != Control::NONE {
            text.push(format!(
                "the kill latch is set ({}): no order and no new price leaves until `pricewright operator rearm DIR`, while a \
                 run goes on",
                tally.latch.name()
            ));
        }
        text.push(outcome.replica.summary());
        text.extend(outcome.durable.as_ref().map(|durable| durable_text(self.durability, durable)));
        let left = match outcome.orders_left {
            0 => String::new(),
            orders => format!(", {orders} orders may be open"),
        };
        text.push(format!("ended ({}{left}); journal: {}", outcome.reason.name(), self.dir.display()));
        text
    }

    fn counts(&self) -> String {
        let Tally { events, decisions, orders, fills, prices, refused, venue_rejected, rejected, .. } =
            self.tally;
        let mut parts =
            vec![format!("{} events", thousands(*events)), format!("{} decisions", thousands(*decisions))];
        for (count, what) in [
            (orders, "orders"),
            (fills, "fills"),
            (prices, "prices"),
            (refused, "refused by the risk gate"),
            (venue_rejected, "refused by the venue"),
            (rejected, "dead letters"),
        ] {
            if *count > 0 {
                parts.push(format!("{} {what}", thousands(*count)));
            }
        }
        let reasons = self.tally.reasons();
        let reasons = if reasons.is_empty() { reasons } else { format!(" ({reasons})") };
        format!("{}{reasons}", parts.join(", "))
    }
}

/// The usual quantiles of latencies in ns.
pub(super) fn quantiles(histogram: &Histogram<u64>) -> Value {
    json!({
        "count": histogram.len(),
        "p50": histogram.value_at_quantile(0.5),
        "p90": histogram.value_at_quantile(0.9),
        "p99": histogram.value_at_quantile(0.99),
        "p99.9": histogram.value_at_quantile(0.999),
        "max": histogram.max(),
    })
}

/// What the self-check found, and the last snapshot.
pub(super) fn self_check(status: &Status) -> Value {
    json!({
        "decisions": status.decisions,
        "unchecked_records": status.unchecked,
        "alarm": status.alarm,
        "snapshots": status.snapshots,
        "last_snapshot": status.snapshot,
        "trouble": status.trouble,
    })
}
