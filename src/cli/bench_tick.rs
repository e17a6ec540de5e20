//! `pricewright bench tick-to-decision`.

use hdrhistogram::Histogram;
use serde_json::json;

use super::args::BenchArgs;
use super::bench::{heading, numbers, row};
use super::show::{hex, json as print_json, line, thousands};
use crate::error::{Error, Result};
use crate::harness::machine;
use crate::harness::tick::{self, TickEffort, TickToDecision};
use crate::pipeline::cores::available_cores;

/// Where the measured journal lies while it is needed.
const SCRATCH: &str = "pricewright-data";

pub(super) fn tick_to_decision(args: &BenchArgs) -> Result<()> {
    let cores = available_cores();
    let effort = if args.smoke { TickEffort::SMOKE } else { TickEffort::FULL };
    let dir = std::path::Path::new(SCRATCH).join(format!("bench-{}", std::process::id()));
    let measured = tick::measure(&cores, effort, &dir);
    let removed = std::fs::remove_dir_all(&dir);
    let measured = measured?;
    removed.map_err(|source| Error::File { path: dir, source, mend: "remove it by hand" })?;
    let header = machine::describe(&cores);
    if args.json { print_as_json(args, &header, &measured) } else { print_as_text(&header, &measured) }
}

/// Nanoseconds of one message, decoded, journalled, decided upon.
fn per_message(measured: &TickToDecision) -> f64 {
    measured.latencies.total_ns as f64 / measured.messages.max(1) as f64
}

fn clock_ns(measured: &TickToDecision) -> f64 {
    measured.clock.value_at_quantile(0.5) as f64 / 10.0
}

fn median(histogram: &Histogram<u64>) -> f64 {
    histogram.value_at_quantile(0.5) as f64
}

fn print_as_text(header: &str, measured: &TickToDecision) -> Result<()> {
    let TickToDecision { latencies, .. } = measured;
    line(header)?;
    line("Packet bytes in to order bytes out, in memory, one thread, journal and side trace written.")?;
    line(&heading())?;
    line(&row("packets that cause an order", "ns", &latencies.orders, 1.0))?;
    line(&row("all packets", "ns", &latencies.packets, 1.0))?;
    line(&row("clock read", "ns", &measured.clock, 10.0))?;
    if let Some(ping_pong) = &measured.ping_pong {
        line(&row("cache line round trip, two threads", "ns", ping_pong, 1.0))?;
    }
    let each = per_message(measured);
    line(&format!(
        "{} packets, {} messages: {each:.0} ns a message, {} messages a second",
        thousands(measured.packets as u64),
        thousands(measured.messages),
        thousands((1e9 / each.max(1.0)) as u64),
    ))?;
    let order = median(&latencies.orders);
    let lines = measured.ping_pong.as_ref().map_or_else(String::new, |ping_pong| {
        format!(", {:.1} cache line round trips", order / median(ping_pong).max(1.0))
    });
    line(&format!("an order's median is {:.0} clock reads{lines}", order / clock_ns(measured).max(0.1)))?;
    line(&format!(
        "replayed: {} events and {} decisions agree; result {}",
        thousands(measured.events),
        thousands(measured.decisions),
        hex(&measured.state_hash)
    ))
}

fn print_as_json(args: &BenchArgs, header: &str, measured: &TickToDecision) -> Result<()> {
    print_json(&json!({
        "machine": header,
        "smoke": args.smoke,
        "order_ns": numbers(&measured.latencies.orders, 1.0),
        "packet_ns": numbers(&measured.latencies.packets, 1.0),
        "clock_ns": numbers(&measured.clock, 10.0),
        "cache_line_ns": measured.ping_pong.as_ref().map(|histogram| numbers(histogram, 1.0)),
        "packets": measured.packets,
        "messages": measured.messages,
        "message_ns": per_message(measured),
        "events": measured.events,
        "decisions": measured.decisions,
        "result": hex(&measured.state_hash),
    }))
}
