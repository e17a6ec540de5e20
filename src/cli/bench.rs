//! `pricewright bench`.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::args::{BenchArgs, BenchCommand};
use super::show::{json as print_json, line};
use crate::error::Result;
use crate::harness::floor::{self, Effort};
use crate::harness::machine;
use crate::pipeline::cores::available_cores;

pub(super) fn bench(command: &BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Floor(args) => floor(args),
        BenchCommand::TickToDecision(args) => super::bench_tick::tick_to_decision(args),
    }
}

fn effort(args: &BenchArgs) -> Effort {
    if args.smoke { Effort::SMOKE } else { Effort::FULL }
}

fn floor(args: &BenchArgs) -> Result<()> {
    let cores = available_cores();
    let floors = floor::measure(&cores, effort(args))?;
    let rows = [
        ("cache line round trip, two threads", "ns", floors.ping_pong.as_ref(), 1.0),
        ("clock read", "ns", Some(&floors.clock), 10.0),
        ("raw counter read", "ns", Some(&floors.counter), 10.0),
        ("copy 64 B, sequential in 64 MiB", "ns", Some(&floors.copy_sequential), 10.0),
        ("copy 64 B, same place", "ns", Some(&floors.copy_cached), 10.0),
        ("UDP in, TCP out, nothing between", "ns", Some(&floors.echo), 1.0),
        ("gaps over 1 µs on a spinning core", "ns", Some(&floors.gaps), 1.0),
    ];
    if args.json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(name, _, found, scale)| json!({ "what": name, "ns": found.map(|h| numbers(h, *scale)) }))
            .collect();
        return print_json(&json!({
            "machine": machine::describe(&cores),
            "smoke": args.smoke,
            "floors": rows,
            "taken_away": floors.taken_away,
        }));
    }
    line(&machine::describe(&cores))?;
    line(&heading())?;
    for (name, unit, found, scale) in rows {
        line(&match found {
            Some(histogram) => row(name, unit, histogram, scale),
            None => format!("{name:<40} needs two cores"),
        })?;
    }
    line(&format!("time taken away from the spinning core: {:.2} %", floors.taken_away * 100.0))
}

pub(super) fn heading() -> String {
    format!("{:<40}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}", "", "p50", "p90", "p99", "p99.9", "p99.99", "max")
}

/// A row of percentiles; the histogram counts `scale`ths of the unit.
pub(super) fn row(name: &str, unit: &str, histogram: &Histogram<u64>, scale: f64) -> String {
    if histogram.is_empty() {
        return format!("{name:<40} none");
    }
    let digits = if scale > 1.0 { 1 } else { 0 };
    let at = |quantile: f64| format!("{:.digits$}", histogram.value_at_quantile(quantile) as f64 / scale);
    format!(
        "{name:<40}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12} {unit}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(0.9999),
        at(1.0)
    )
}

pub(super) fn numbers(histogram: &Histogram<u64>, scale: f64) -> Value {
    let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / scale;
    json!({
        "count": histogram.len(),
        "p50": at(0.5),
        "p90": at(0.9),
        "p99": at(0.99),
        "p99.9": at(0.999),
        "p99.99": at(0.9999),
        "max": at(1.0),
    })
}
