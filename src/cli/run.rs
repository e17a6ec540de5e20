//! `pricewright run`.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::args::RunArgs;
use super::show::{json as print_json, note, thousands};
use super::signals::stop_on_signals;
use crate::config::{ConfigText, PipelineConfig};
use crate::edges::assemble::{assemble, check};
use crate::edges::nasdaq::LineCounts;
use crate::edges::recorder::Recorder;
use crate::error::{Error, Result};
use crate::journal::{Durability, DurableReport};
use crate::machines::{Hosted, MachineVisitor, with_machine};
use crate::pipeline::launch::{Launch, Outcome};
use crate::pipeline::open::Opening;
use crate::pipeline::topology::plan_for;
use crate::replay::replica::Status;

const NO_CLIENTS: &str = "--ack: lines of TCP clients are acknowledged; give the feed a place to listen ([feed.jsonl] listen = \"ip:port\")";

pub(super) fn run<Own: Hosted>(args: &RunArgs) -> Result<()> {
    let Some(path) = &args.config else { return super::demo_market::market(args) };
    let text = ConfigText::read(path)?;
    let name = text.machine()?;
    with_machine::<Own, _>(&name, Visit { text, args: args.clone() })?
}

struct Visit {
    text: ConfigText,
    args: RunArgs,
}

impl MachineVisitor for Visit {
    type Output = Result<()>;

    fn visit<M: Hosted>(self) -> Self::Output {
        let mut config: PipelineConfig<M::Config> = self.text.checked_pipeline::<M>()?;
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
    let recorder = args.record.as_deref().map(Recorder::create).transpose()?;
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
    stop_on_signals(&launch.control().threads().stop_flag())?;
    let assembled = assemble(launch, config, Vec::new(), recorder.clone())?;
    if let Some(address) = assembled.listening {
        note(&format!("reading lines from TCP clients on {address}"));
    }
    if let Some(http) = &assembled.http {
        note(&format!("prices at http://{}/prices", http.address()));
    }
    note(&assembled.live.replica_text(&plan, &config.journal));
    let limit = (config.runtime.duration_s > 0).then(|| Duration::from_secs(config.runtime.duration_s));
    let outcome = assembled.live.wait(limit, |_| {});
    let recorded = recorder.map_or(Ok(()), |recorder| recorder.finish());
    outcome.succeeded(&dir)?;
    recorded?;
    let lines = assembled.lines.map(|lines| lines.read());
    finish(&outcome, lines, config.journal.durability, args, &dir)
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

fn durable_json(report: &DurableReport) -> serde_json::Value {
    let ns = |quantile| report.delay.value_at_quantile(quantile);
    json!({
        "records": report.records,
        "writes": report.writes,
        "bytes": report.bytes,
        "delay_ns_p50": ns(0.5),
        "delay_ns_p99": ns(0.99),
        "delay_ns_max": report.delay.max(),
    })
}

fn finish(
    outcome: &Outcome,
    lines: Option<LineCounts>,
    durability: Durability,
    args: &RunArgs,
    dir: &Path,
) -> Result<()> {
    let verdict = outcome.check(dir);
    if args.json {
        print_json(&json!({
            "journal": dir.display().to_string(),
            "ended": outcome.reason.name(),
            "lines": lines,
            "self_check": self_check(&outcome.replica),
            "durability": durability.name(),
            "durable": outcome.durable.as_ref().map(durable_json),
        }))?;
        return verdict;
    }
    let sentences = lines.map(|lines| [lines.complaint(), lines.recovery()]);
    for sentence in sentences.into_iter().flatten().flatten() {
        note(&sentence);
    }
    note(&outcome.replica.summary());
    if let Some(durable) = &outcome.durable {
        note(&durable_text(durability, durable));
    }
    note(&format!("ended ({}); journal: {}", outcome.reason.name(), dir.display()));
    verdict
}

/// What the self-check found, and the last snapshot.
pub(super) fn self_check(status: &Status) -> serde_json::Value {
    json!({
        "decisions": status.decisions,
        "unchecked_records": status.unchecked,
        "alarm": status.alarm,
        "snapshots": status.snapshots,
        "last_snapshot": status.snapshot,
        "trouble": status.trouble,
    })
}
