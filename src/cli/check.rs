//! `pricewright check`.

use pricewright_core::kernel::Venue;
use serde_json::json;

use super::args::CheckArgs;
use super::show::{json as print_json, line, thousands, unless_closed};
use crate::config::warnings::warnings;
use crate::config::{ConfigText, JournalSettings, KeepSettings, PipelineConfig, Topology};
use crate::edges::assemble;
use crate::error::{Error, Result};
use crate::journal::{ENOUGH, Growth, growth};
use crate::machines::{Hosted, MachineVisitor, names, with_machine};
use crate::pipeline::memory::size;
use crate::pipeline::topology::plan_for;

pub(super) fn check<Own: Hosted>(args: &CheckArgs) -> Result<()> {
    let text = ConfigText::read(&args.config)?;
    let path = text.path.clone();
    match look::<Own>(text, args.rate) {
        Ok(found) if args.json => print_json(&found.json),
        Ok(found) => line(&format!("{path}: good.\n{}", found.text)),
        Err(error) => {
            if args.json {
                // The verdict stands in the exit code too.
                print_json(&json!({ "good": false, "problems": error.problems() })).or_else(unless_closed)?;
            }
            Err(error)
        }
    }
}

fn look<Own: Hosted>(text: ConfigText, rate: Option<u64>) -> Result<Found> {
    let name = text.machine_of(&names::<Own>())?;
    with_machine::<Own, _>(&name, Visit { text, rate })?
}

struct Visit {
    text: ConfigText,
    /// Records a second, where they were given.
    rate: Option<u64>,
}

struct Found {
    text: String,
    json: serde_json::Value,
}

impl MachineVisitor for Visit {
    type Output = Result<Found>;

    fn visit<M: Hosted>(self) -> Self::Output {
        let config = self.text.checked_pipeline::<M>(assemble::faults::<M>)?;
        self.text.fits::<M>(&config)?;
        let plan = plan_for(&config.runtime)?;
        assemble::check::<M>(&config)?;
        let warnings = warnings::<M>(&config);
        let disk = Disk::of(&config.journal, self.rate);
        let feed = feed_text(&config);
        let gateway = gateway_text(&config);
        let text = format!(
            "machine  {}\nevents   {feed}{}\norders   {gateway}\njournal  {} ({} MiB segments, durability {}){}\ndisk     {}\nthreads  {plan}",
            config.machine,
            venue_text(&config),
            config.journal.dir.display(),
            config.journal.segment_mib,
            config.journal.durability,
            snapshots_text(&config.journal),
            disk.text(),
        );
        let text = match &config.metrics {
            Some(metrics) => {
                format!("{text}\nmetrics  /metrics, /healthz, /readyz on http://{}", metrics.listen)
            }
            None => text,
        };
        let text = warnings.iter().fold(text, |text, warning| format!("{text}\nwarning  {warning}"));
        let canonical: serde_json::Value =
            serde_json::to_value(&config).map_err(|error| Error::Usage(error.to_string()))?;
        let json = json!({
            "good": true,
            "warnings": warnings,
            "journal_bytes_a_day": disk.bytes_a_day(),
            "keep": disk.keep.to_string(),
            "plan": plan.to_string(),
            "topology_from_configuration": config.runtime.topology != Topology::Auto,
            "configuration": canonical,
        });
        Ok(Found { text, json })
    }
}

/// Bytes of a record where no journal says it: of two cells.
const BYTES_OF_A_RECORD: u64 = 128;

/// How much the journal takes.
struct Disk {
    keep: KeepSettings,
    /// Of the last run of the journal that is there.
    growth: Option<Growth>,
    /// Records a second that were given.
    rate: Option<u64>,
}

impl Disk {
    fn of(journal: &JournalSettings, rate: Option<u64>) -> Self {
        let keep = journal.keep.unwrap_or(KeepSettings { all: true, ..KeepSettings::default() });
        // A journal that cannot be read is what `journal verify` speaks of.
        Self { keep, growth: growth(&journal.dir).ok().flatten(), rate }
    }

    fn bytes_a_day(&self) -> Option<u64> {
        let bytes = self.growth.map_or(BYTES_OF_A_RECORD, |growth| growth.bytes_a_record());
        match self.rate {
            Some(rate) => Some(rate.saturating_mul(86_400).saturating_mul(bytes)),
            None => self.growth.map(|growth| growth.bytes_a_day()),
        }
    }

    fn text(&self) -> String {
        let keep = format!("keeps {} (keep)", self.keep);
        let Some(day) = self.bytes_a_day() else {
            return format!(
                "{keep}; no run has sealed the {} records yet that would say how fast it grows: give --rate",
                thousands(ENOUGH)
            );
        };
        let at = match (self.rate, self.growth) {
            (Some(rate), Some(growth)) => format!(
                "at {} records a second of {} bytes, as in the last run",
                thousands(rate),
                growth.bytes_a_record()
            ),
            (Some(rate), None) => {
                format!("at {} records a second of {BYTES_OF_A_RECORD} bytes", thousands(rate))
            }
            (None, Some(growth)) => {
                let rate = growth.records as f64 * 1e9 / growth.nanos as f64;
                format!("at the rate of the last run ({rate:.0} records a second)")
            }
            (None, None) => String::new(),
        };
        let days = match self.keep.size {
            Some(kept) => format!(", {:.1} days", kept.0 as f64 / day.max(1) as f64),
            None => String::new(),
        };
        format!("{} a day {at}; {keep}{days}", size(day))
    }
}

fn snapshots_text(journal: &JournalSettings) -> String {
    if !journal.replica {
        return ", no self-check, a snapshot at a clean stop".to_owned();
    }
    format!(
        ", self-check, a snapshot every {} records or {} s, {} kept",
        thousands(journal.snapshot_every),
        journal.snapshot_every_s,
        journal.snapshots
    )
}

fn feed_text<C>(config: &PipelineConfig<C>) -> String {
    match (&config.feed.nasdaq, &config.feed.jsonl) {
        (Some(feed), _) => {
            let lines: Vec<String> = feed.lines.iter().map(ToString::to_string).collect();
            let snapshots = feed.glimpse.map(|glimpse| format!(", snapshots from {glimpse}"));
            format!(
                "ITCH 5.0 over MoldUDP64, lines {} on {}, re-requests to {}{}",
                lines.join(" and "),
                feed.interface,
                feed.rerequest,
                snapshots.unwrap_or_default()
            )
        }
        (None, Some(feed)) => match (&feed.file, feed.listen) {
            (Some(file), _) => format!("JSON lines from {}", file.display()),
            (None, Some(listen)) => format!("JSON lines over TCP on {listen}"),
            (None, None) if feed.generated.is_some() => "generated sales of a shop".to_owned(),
            (None, None) => "JSON lines from standard input".to_owned(),
        },
        (None, None) => "none".to_owned(),
    }
}

/// Whose day holds, and when quotes may stand, where the feed has a venue.
fn venue_text<C>(config: &PipelineConfig<C>) -> String {
    if config.feed.nasdaq.is_none() {
        return String::new();
    }
    let venue = &config.venue;
    let hours = match (&venue.open, &venue.close) {
        (Some(open), Some(close)) => format!("session hours {open} to {close}"),
        _ => "no session hours".to_owned(),
    };
    let phases = if venue.phases {
        "quotes stand only in the venue's market hours"
    } else {
        "market hours are not asked for"
    };
    let unsaid = if *venue == Venue::default() { " (unless [venue] says otherwise)" } else { "" };
    format!("\nvenue    time zone {}, {hours}, {phases}{unsaid}", venue.time_zone.name())
}

fn gateway_text<C>(config: &PipelineConfig<C>) -> String {
    let mut parts = Vec::new();
    if let Some(ouch) = &config.gateway.ouch {
        parts.push(format!("OUCH 5.0 over SoupBinTCP to {} as {}", ouch.address, ouch.user));
        parts.extend(ouch.drop_copy.map(|address| format!("drop copy from {address}")));
    }
    if let Some(jsonl) = &config.gateway.jsonl {
        if jsonl.stdout {
            parts.push("JSON lines to standard output".to_owned());
        }
        if let Some(file) = &jsonl.file {
            parts.push(format!("JSON lines to {}", file.display()));
        }
        if jsonl.tcp {
            parts.push("JSON lines to TCP clients".to_owned());
        }
    }
    if let Some(http) = &config.gateway.http {
        parts.push(format!("GET /prices/{{sku}} on http://{}", http.listen));
    }
    if parts.is_empty() { "into the journal only".to_owned() } else { parts.join("; ") }
}
