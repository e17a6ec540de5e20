//! `pricewright bench restart`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::bench_args::RestartArgs;
use super::progress::spinner;
use super::show::{hex, json as print_json, line, thousands};
use super::where_is::DATA_DIR;
use crate::error::{Error, Result};
use crate::harness::lab::{Asked, Lab};
use crate::harness::machine::Machine;
use crate::harness::restart::{Restarted, measure};
use crate::pipeline::cores::available_cores;

const SMOKE_EVENTS: u64 = 300_000;

pub(super) fn restart(args: &RestartArgs) -> Result<()> {
    let sizes = if args.smoke { vec![SMOKE_EVENTS] } else { args.events.clone() };
    if let Some(few) = sizes.iter().find(|events| **events < SMOKE_EVENTS) {
        return Err(Error::Usage(format!(
            "--events {few}: give at least {SMOKE_EVENTS}, so that a snapshot is taken before the crash"
        )));
    }
    let lab = Lab::new(available_cores(), Asked::default(), Path::new(DATA_DIR));
    let header = Machine::look(&lab)?.describe();
    if !args.json {
        line(&header)?;
        line(
            "Starts on a shop's journal: after a crash (newest snapshot and tail), after a clean stop, without snapshots.",
        )?;
        line(&heading())?;
    }
    let mut rows = Vec::new();
    for events in sizes {
        let dir = scratch(args.dir.as_deref(), events);
        let whole = args.whole >= events;
        let measured = spinner("making a journal and starting on it", || measure(events, whole, &dir));
        let removed = std::fs::remove_dir_all(&dir);
        let measured = measured?;
        removed.map_err(|source| Error::File { path: dir, source, mend: "remove it by hand" })?;
        if !args.json {
            line(&row(&measured))?;
        }
        rows.push(as_json(&measured));
    }
    if args.json {
        return print_json(&json!({ "machine": header, "smoke": args.smoke, "restarts": rows }));
    }
    Ok(())
}

fn scratch(dir: Option<&Path>, events: u64) -> PathBuf {
    dir.unwrap_or(Path::new(DATA_DIR)).join(format!("bench-restart-{}-{events}", std::process::id()))
}

fn heading() -> String {
    format!(
        "{:>13}{:>13}{:>9}{:>11}{:>12}{:>13}{:>13}{:>13}  state",
        "events", "records", "MB", "snapshot B", "tail", "crash ms", "stop ms", "whole ms"
    )
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn row(measured: &Restarted) -> String {
    let whole = measured.whole.map_or_else(|| "-".to_owned(), |time| format!("{:.0}", millis(time)));
    format!(
        "{:>13}{:>13}{:>9}{:>11}{:>12}{:>13.0}{:>13.0}{whole:>13}  {}",
        thousands(measured.events),
        thousands(measured.records),
        thousands(measured.bytes / 1_000_000),
        thousands(measured.snapshot_bytes),
        thousands(measured.tail),
        millis(measured.after_crash),
        millis(measured.after_stop),
        hex(measured.state_hash.get(..4).unwrap_or(&[])),
    )
}

fn as_json(measured: &Restarted) -> Value {
    json!({
        "events": measured.events,
        "records": measured.records,
        "segments": measured.segments,
        "bytes": measured.bytes,
        "snapshot_bytes": measured.snapshot_bytes,
        "tail_records": measured.tail,
        "after_crash_ms": millis(measured.after_crash),
        "after_clean_stop_ms": millis(measured.after_stop),
        "without_snapshots_ms": measured.whole.map(millis),
        "result": hex(&measured.state_hash),
    })
}
